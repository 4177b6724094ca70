/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * victims.c - see victims.h.
 *
 * The TLB's place of a page is told by its number's lower bits, so pages 64 MiB apart push each other out: the
 * kernel's stack and the page that it clears, each time.  Only global pages are kept: others go at
 * the next load of CR3, or are put aside with their address space (contexts.c).  An entry that comes
 * back gets what tags it may have then, so whoever takes tags away needn't look here.
 */
#include <string.h>
#include "hypervisor/soft/core.h"
#include "hypervisor/soft/victims.h"

static ParkedPage *place(Victims *v, unsigned table, uint64_t linear)
{
    return &v->pages[table][(linear >> 12) * 0x9e3779b97f4a7c15ull >> 55 & (VICTIMS - 1)];
}

void victim_keep(Victims *v, unsigned table, ParkedPage lost)
{
    v->any = true;
    *place(v, table, lost.page) = lost;
}

bool victim_take(Victims *v, unsigned table, uint64_t page, ParkedPage *back)
{
    ParkedPage *at = place(v, table, page);

    if ((at->page & ~0xfffull) != page || !at->gpa)
        return false;
    *back = *at;
    *at = (ParkedPage){ 0 };
    return true;
}

void victims_flush_page(Victims *v, uint64_t linear)
{
    ParkedPage unused;

    for (unsigned t = 0; v->any && t < TLB_NONE; t++)
        victim_take(v, t, linear & ~0xfffull, &unused);
}

void victims_flush_large(Victims *v, uint64_t linear, unsigned shift)
{
    for (unsigned t = 0; v->any && t < TLB_NONE; t++) {
        for (unsigned n = 0; n < VICTIMS; n++) {
            ParkedPage *at = &v->pages[t][n];

            if ((at->gpa & TLBF_LARGE) && at->page >> shift == linear >> shift)
                *at = (ParkedPage){ 0 };
        }
    }
}

void victims_flush_all(Victims *v)
{
    if (v->any)
        memset(v, 0, sizeof *v);
}
