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
 * look again.  With process-context identifiers each address space has an epoch and slots of its own, put aside
 * while CR3 names another (contexts.c).
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

static void epoch_set(Cpu *c, unsigned user, uint32_t epoch)
{
    cpu_priv(c)->code_epoch[user] = epoch;
    if (user == !!(c->mode & MODE_USER))
        code_epoch_set(c, epoch);
}

static void epoch_begin(Cpu *c, unsigned user)
{
    uint32_t n = ++cpu_priv(c)->code_epoch_last[user];

    if (n == CODE_EPOCHS) {             /* all numbers have been used */
        n = cpu_priv(c)->code_epoch_last[user] = 1;
        for (unsigned k = 0; k < JUMP_SIZE; k++)
            c->jumps[k].epoch = 0;
        jit_epochs_end(c);
        contexts_end_epochs(c, user);
    }
    epoch_set(c, user, n);
}

static uint64_t *global_word(Cpu *c, unsigned user, unsigned slot)
{
    return &cpu_priv(c)->code_page_global[user][slot / 64];
}

static bool slot_global(Cpu *c, unsigned user, unsigned slot)
{
    return *global_word(c, user, slot) >> slot % 64 & 1;
}

/* A slot that is filled is about to change. */
static void slot_ends(Cpu *c, unsigned user, unsigned slot)
{
    if (slot_global(c, user, slot))
        contexts_end_epochs(c, user);
}

static void slot_put(Cpu *c, unsigned user, unsigned slot, uint64_t key, bool global)
{
    uint64_t *word = global_word(c, user, slot), bit = 1ull << slot % 64;

    c->code_pages[user][slot] = key;
    *word = global ? *word | bit : *word & ~bit;
    list_add(&cpu_priv(c)->code_page_list[user][global], slot);
}

void code_page_note(Cpu *c, uint64_t linear, uint64_t gpa, bool global)
{
    unsigned user = !!(c->mode & MODE_USER);
    uint64_t *slot = code_page_slot(c, user, linear), key = code_page_key(linear, gpa);
    unsigned n = (unsigned)(slot - c->code_pages[user]);

    if (*slot == key)
        return;
    count(c, COUNT_CODE_PAGES);
    if (*slot != CODE_PAGE_NONE) {
        slot_ends(c, user, n);
        epoch_begin(c, user);
    }
    slot_put(c, user, n, key, global);
}

/* More slots than the list has room for: all are forgotten. */
static void forget_all(Cpu *c, unsigned user)
{
    contexts_end_epochs(c, user);
    memset(c->code_pages[user], 0, CODE_PAGES * sizeof *c->code_pages[user]);
    for (unsigned global = 0; global < 2; global++)
        cpu_priv(c)->code_page_list[user][global].count = 0;
}

static void forget_listed(Cpu *c, unsigned user, unsigned global)
{
    CodePageList *l = &cpu_priv(c)->code_page_list[user][global];

    if (l->count)
        epoch_begin(c, user);
    if (l->count && global)
        contexts_end_epochs(c, user);
    if (l->count > CODE_PAGES_LISTED) {
        forget_all(c, user);
    } else {
        for (unsigned n = 0; n < l->count; n++)
            if (slot_global(c, user, l->slot[n]) == global)
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
                slot_ends(c, user, (unsigned)(slot - c->code_pages[user]));
                *slot = CODE_PAGE_NONE;
                changed = true;
            }
        }
        if (changed)
            epoch_begin(c, user);
    }
}

/* --- with its address space --- */
static void park(Cpu *c, unsigned user, Context *x)
{
    CodePageList *l = &cpu_priv(c)->code_page_list[user][0];

    /* With global pages alone there is no epoch of its own: the next address space shares it. */
    x->epoch[user] = l->count ? cpu_priv(c)->code_epoch[user] : 0;
    x->code_count[user] = 0;
    x->code_local[user] = l->count;
    if (l->count > CODE_PAGES_LISTED) {
        forget_all(c, user);            /* its own epoch, too */
        return;
    }
    for (unsigned n = 0; n < l->count; n++) {
        unsigned slot = l->slot[n];
        uint64_t *at = &c->code_pages[user][slot];

        if (*at == CODE_PAGE_NONE || slot_global(c, user, slot))
            continue;
        if (x->code_count[user] < CONTEXT_CODE)
            x->code[user][x->code_count[user]++] = (ParkedCode){ *at, slot };
        else
            x->epoch[user] = 0;
        *at = CODE_PAGE_NONE;
    }
    l->count = 0;
}

void code_pages_park(Cpu *c, Context *x)
{
    cpu_priv(c)->code_pages_forgotten++;
    for (unsigned user = 0; user < 2; user++)
        park(c, user, x);
}

static void unpark(Cpu *c, unsigned user, const Context *x, bool left_local)
{
    unsigned n = x ? x->code_count[user] : 0;
    uint32_t epoch = x ? x->epoch[user] : 0;

    /* Nothing but global pages before and after: they are the same. */
    if (!left_local && !n)
        return;
    for (unsigned k = 0; k < n; k++) {
        const ParkedCode *p = &x->code[user][k];

        if (c->code_pages[user][p->slot] == CODE_PAGE_NONE)
            slot_put(c, user, p->slot, p->key, false);
        else
            epoch = 0;
    }
    if (epoch && epoch != cpu_priv(c)->code_epoch[user])
        epoch_set(c, user, epoch);
    else
        epoch_begin(c, user);
}

void code_pages_unpark(Cpu *c, const Context *x, const Context *left)
{
    for (unsigned user = 0; user < 2; user++)
        unpark(c, user, x, left->code_local[user]);
}

bool code_pages_init(Cpu *c)
{
    for (unsigned user = 0; user < 2; user++) {
        c->code_pages[user] = low_alloc(CODE_PAGES * sizeof *c->code_pages[user]);
        if (!c->code_pages[user])
            return false;
        cpu_priv(c)->code_epoch[user] = cpu_priv(c)->code_epoch_last[user] = 1;
    }
    return true;
}

void code_pages_free(Cpu *c)
{
    for (unsigned user = 0; user < 2; user++)
        low_free(c->code_pages[user], CODE_PAGES * sizeof *c->code_pages[user]);
}
