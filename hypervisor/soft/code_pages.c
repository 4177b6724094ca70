/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * code_pages.c - which guest-physical pages the linear pages of known code are, as far as the TLB may
 * still believe it: what jumps to other pages look at (block.h).
 *
 * One slot for each linear page modulo CODE_PAGES, for user and for supervisor code.  A slot is
 * cleared when the TLB must forget the page (INVLPG, CR3, ...), and filled again by the first jump
 * there that is looked up.  Unlike TLB entries, slots are not displaced by data.
 *
 * Each change of a slot that was filled begins a new epoch: whoever saw a slot in this epoch needn't
 * look again.
 */
#include <string.h>
#include "hypervisor/soft/core.h"
#include "hypervisor/soft/jit/jit.h"

static void list_add(CodePageList *l, unsigned slot)
{
    if (l->count < CODE_PAGES_LISTED)
        l->slot[l->count] = (uint16_t)slot;
    if (l->count <= CODE_PAGES_LISTED)
        l->count++;
}

static void epoch_begin(Cpu *c, unsigned user)
{
    uint32_t n = ++cpu_priv(c)->code_epoch[user];

    if (!n) {                           /* all numbers have been used */
        n = cpu_priv(c)->code_epoch[user] = 1;
        for (unsigned k = 0; k < JUMP_SIZE; k++)
            c->jumps[k].epoch = 0;
        jit_epochs_end(c);
    }
    if (user == !!(c->mode & MODE_USER))
        c->code_epoch = n;
}

void code_page_note(Cpu *c, uint64_t linear, uint64_t gpa, bool global)
{
    unsigned user = !!(c->mode & MODE_USER);
    uint64_t *slot = code_page_slot(c, user, linear), key = code_page_key(linear, gpa);

    if (*slot == key)
        return;
    count(c, COUNT_CODE_PAGES);
    if (*slot != CODE_PAGE_NONE)
        epoch_begin(c, user);
    *slot = key;
    list_add(&cpu_priv(c)->code_page_list[user][global], (unsigned)(slot - c->code_pages[user]));
}

static void forget_listed(Cpu *c, unsigned user, unsigned global)
{
    CodePageList *l = &cpu_priv(c)->code_page_list[user][global];

    if (l->count)
        epoch_begin(c, user);
    if (l->count > CODE_PAGES_LISTED) {
        memset(c->code_pages[user], 0, CODE_PAGES * sizeof *c->code_pages[user]);
        cpu_priv(c)->code_page_list[user][!global].count = 0;
    } else {
        for (unsigned n = 0; n < l->count; n++)
            c->code_pages[user][l->slot[n]] = CODE_PAGE_NONE;
    }
    l->count = 0;
}

void code_pages_forget(Cpu *c, bool global_too)
{
    cpu_priv(c)->code_pages_forgotten++;
    for (unsigned user = 0; user < 2; user++) {
        forget_listed(c, user, 0);
        if (global_too)
            forget_listed(c, user, 1);
    }
}

void code_pages_forget_at(Cpu *c, uint64_t linear, uint64_t len)
{
    uint64_t n = len >> 12 < CODE_PAGES ? len >> 12 : CODE_PAGES;

    cpu_priv(c)->code_pages_forgotten++;
    for (unsigned user = 0; user < 2; user++) {
        bool changed = false;

        for (uint64_t k = 0; k < n; k++) {
            uint64_t *slot = code_page_slot(c, user, linear + (k << 12));

            if (*slot != CODE_PAGE_NONE &&
                (n > 1 || *slot >> CODE_PAGE_GPA_BITS == code_page_key(linear, 0) >> CODE_PAGE_GPA_BITS)) {
                *slot = CODE_PAGE_NONE;
                changed = true;
            }
        }
        if (changed)
            epoch_begin(c, user);
    }
}

bool code_pages_init(Cpu *c)
{
    for (unsigned user = 0; user < 2; user++) {
        c->code_pages[user] = low_alloc(CODE_PAGES * sizeof *c->code_pages[user]);
        if (!c->code_pages[user])
            return false;
        cpu_priv(c)->code_epoch[user] = 1;
    }
    return true;
}

void code_pages_free(Cpu *c)
{
    for (unsigned user = 0; user < 2; user++)
        low_free(c->code_pages[user], CODE_PAGES * sizeof *c->code_pages[user]);
}
