/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * contexts.c - address spaces by process-context identifier (CR4.PCIDE; Intel SDM volume 3, 4.10.1 and
 * 4.10.4): what TLB and Cpu.code_pages have of one is put aside when CR3 names another, and comes back
 * with it unless the guest has had it forgotten.
 *
 * Entries of global pages belong to every address space and stay where they are.  An address space with more
 * than there is room for loses the rest, and the one that was left longest ago makes room for a new one:
 * a TLB may forget at any time.
 *
 * Epochs (code_pages.c): an address space comes back with the epoch it was left in, so that jumps found good
 * then needn't be looked up again.  A slot of a global page that changes ends those of all.
 */
#include "hypervisor/soft/contexts.h"
#include "hypervisor/soft/core.h"

/* CpuPriv.context is where the current one will go: its place has nothing in it yet. */
static Context *context_of(CpuPriv *p, unsigned pcid)
{
    for (unsigned n = 0; n < CONTEXTS; n++)
        if (n != p->context && p->contexts[n].used && p->contexts[n].pcid == pcid)
            return &p->contexts[n];
    return NULL;
}

static Context *context_oldest(CpuPriv *p)
{
    Context *oldest = &p->contexts[p->context ? 0 : 1];

    for (unsigned n = 0; n < CONTEXTS; n++) {
        Context *x = &p->contexts[n];

        if (n == p->context)
            continue;
        if (!x->used)
            return x;
        if (p->context_clock - x->left > p->context_clock - oldest->left)
            oldest = x;
    }
    return oldest;
}

void context_forget(Cpu *c, unsigned pcid)
{
    Context *x = context_of(cpu_priv(c), pcid);

    if (x)
        x->used = false;
}

void contexts_forget(Cpu *c)
{
    for (unsigned n = 0; n < CONTEXTS; n++)
        cpu_priv(c)->contexts[n].used = false;
}

void contexts_end_epochs(Cpu *c, unsigned user)
{
    for (unsigned n = 0; n < CONTEXTS; n++)
        cpu_priv(c)->contexts[n].epoch[user] = 0;
}

void context_switch(Cpu *c, unsigned pcid, bool keep)
{
    CpuPriv *p = cpu_priv(c);
    Context *from = &p->contexts[p->context], *to;

    if (!keep)
        context_forget(c, pcid);
    to = context_of(p, pcid);
    from->used = true;
    from->pcid = (uint16_t)cr3_pcid(c->cr3);
    from->left = ++p->context_clock;
    tlb_park(c, from);
    code_pages_park(c, from);
    if (to) {
        count(c, COUNT_CONTEXTS_KEPT);
        tlb_unpark(c, to);
    }
    code_pages_unpark(c, to, from);
    to = to ? to : context_oldest(p);
    to->used = false;
    p->context = (unsigned)(to - p->contexts);
}
