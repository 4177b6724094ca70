/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mmu.c - segmentation checks, paging and all accesses to guest memory that aren't inlined.
 *
 * Paging as in the Intel SDM, volume 3, chapter 4: no paging, 2-level with PSE-36, PAE, 4-level;
 * NX, WP, SMEP, SMAP, global pages.  Accessed and dirty bits are set with compare-and-exchange, so
 * other vCPUs' updates are kept.  The TLB has what is of the address space that CR3 names, and global
 * pages; contexts.c has others by PCID.  Left out: protection keys, 5-level paging (CPUID hides them).
 * The TLB forgets exactly when the architecture lets it be relied on to forget, or earlier.
 */
#include <string.h>
#include "hypervisor/soft/core.h"
#include "hypervisor/soft/mmu.h"

enum { PTE_P = 1, PTE_W = 2, PTE_U = 4, PTE_A = 0x20, PTE_D = 0x40, PTE_PS = 0x80, PTE_G = 0x100 };
#define PTE_NX (1ull << 63)
#define PTE_ADDR ((1ull << SOFT_PHYS_BITS) - 1 - 0xfff)
#define PTE_RESERVED_HIGH (((1ull << 52) - 1) & ~((1ull << SOFT_PHYS_BITS) - 1))
enum { PF_P = 1, PF_W = 2, PF_U = 4, PF_RSVD = 8, PF_I = 16 };

/* --- page walk --- */
typedef struct Walk {
    uint64_t gpa;
    bool write_now;             /* may be written, and the dirty bit is set */
    bool read_ok, exec_ok;
    bool global, large, huge;
} Walk;

typedef struct Level {
    uint64_t *slot64;
    uint32_t *slot32;
    uint64_t value;
} Level;

static void *table_entry(Cpu *c, uint64_t gpa)
{
    return page_is_ram(c->mem, gpa) ? c->mem->base + gpa : NULL;
}

/* Sets bits in a paging entry unless it changed since it was read: then false, walk again. */
static bool entry_set(Cpu *c, const Level *l, uint64_t bits)
{
    uint8_t *at = l->slot64 ? (uint8_t *)l->slot64 : (uint8_t *)l->slot32;
    uint64_t gpa = (uint64_t)(at - c->mem->base);

    if ((l->value & bits) == bits || c->mem->types[gpa >> 12] != MEM_RAM)
        return true;
    if (l->slot64) {
        uint64_t old = l->value;
        if (!__atomic_compare_exchange_n(l->slot64, &old, old | bits, false, __ATOMIC_SEQ_CST,
                                         __ATOMIC_SEQ_CST))
            return false;
    } else {
        uint32_t old = (uint32_t)l->value;
        if (!__atomic_compare_exchange_n(l->slot32, &old, old | (uint32_t)bits, false,
                                         __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            return false;
    }
    ram_written(c, gpa, 4);
    return true;
}

enum { WALK_OK, WALK_FAULT, WALK_AGAIN };

/* What the rights gathered on the way mean for this access. */
static int walk_finish(Cpu *c, unsigned acc, unsigned table, uint64_t rights, bool nx,
                       Level *levels, unsigned n, Walk *w, uint32_t *err)
{
    bool user = table == TLB_USER;
    bool upage = rights & PTE_U;
    bool can_write = (rights & PTE_W) || (!user && !(c->cr0 & CR0_WP));

    w->read_ok = user ? upage : !upage || table == TLB_SUPER_AC || !(c->cr4 & CR4_SMAP);
    w->exec_ok = !nx && (user ? upage : !upage || !(c->cr4 & CR4_SMEP));
    can_write = can_write && w->read_ok;
    if (acc == ACCESS_READ ? !w->read_ok : acc == ACCESS_WRITE ? !can_write : !w->exec_ok) {
        *err |= PF_P;
        return WALK_FAULT;
    }
    for (unsigned k = 0; k + 1 < n; k++)
        if (!entry_set(c, &levels[k], PTE_A))
            return WALK_AGAIN;
    if (!entry_set(c, &levels[n - 1], acc == ACCESS_WRITE ? PTE_A | PTE_D : PTE_A))
        return WALK_AGAIN;
    w->write_now = can_write && (acc == ACCESS_WRITE || (levels[n - 1].value & PTE_D));
    return WALK_OK;
}

static int walk_2level(Cpu *c, uint64_t lin, unsigned acc, unsigned table, Walk *w, uint32_t *err)
{
    Level l[2] = {{0}};
    uint64_t rights;

    l[0].slot32 = table_entry(c, (c->cr3 & 0xfffff000) + (lin >> 22 & 0x3ff) * 4);
    if (!l[0].slot32)
        return WALK_FAULT;
    l[0].value = *(volatile uint32_t *)l[0].slot32;
    if (!(l[0].value & PTE_P))
        return WALK_FAULT;
    rights = l[0].value;
    if ((l[0].value & PTE_PS) && (c->cr4 & CR4_PSE)) {
        if (l[0].value & (1u << 21)) {
            *err |= PF_P | PF_RSVD;
            return WALK_FAULT;
        }
        w->gpa = (l[0].value & 0xffc00000) | (l[0].value >> 13 & 0xff) << 32 | (lin & 0x3ff000);
        w->large = true;
        w->global = l[0].value & PTE_G;
        return walk_finish(c, acc, table, rights, false, l, 1, w, err);
    }
    l[1].slot32 = table_entry(c, (l[0].value & 0xfffff000) + (lin >> 12 & 0x3ff) * 4);
    if (!l[1].slot32)
        return WALK_FAULT;
    l[1].value = *(volatile uint32_t *)l[1].slot32;
    if (!(l[1].value & PTE_P))
        return WALK_FAULT;
    w->gpa = l[1].value & 0xfffff000;
    w->global = l[1].value & PTE_G;
    return walk_finish(c, acc, table, rights & l[1].value, false, l, 2, w, err);
}

/* PAE and 4-level: 64-bit entries from level top down to 1. */
static int walk_64(Cpu *c, uint64_t lin, unsigned acc, unsigned table, Walk *w, uint32_t *err)
{
    bool lma = c->efer & EFER_LMA;
    uint64_t reserved = PTE_RESERVED_HIGH | (lma ? 0 : 0x7ff0000000000000ull);
    uint64_t at, rights = PTE_W | PTE_U;
    Level l[4] = {{0}};
    bool nx = false;
    unsigned n = 0;

    if (!(c->efer & EFER_NXE))
        reserved |= PTE_NX;
    if (lma) {
        at = c->cr3 & PTE_ADDR;
    } else {
        uint64_t pdpte = c->pdpte[lin >> 30 & 3];
        if (!(pdpte & PTE_P))
            return WALK_FAULT;
        at = pdpte & PTE_ADDR;
    }
    for (int level = lma ? 4 : 2;; level--) {
        Level *e = &l[n++];
        unsigned shift = 12 + 9 * (level - 1);
        bool leaf = level == 1;
        uint64_t rsvd = reserved;

        e->slot64 = table_entry(c, at + (lin >> shift & 0x1ff) * 8);
        if (!e->slot64)
            return WALK_FAULT;
        e->value = *(volatile uint64_t *)e->slot64;
        if (!(e->value & PTE_P))
            return WALK_FAULT;
        if (e->value & PTE_PS && level > 1) {
            if (level == 4)
                rsvd |= PTE_PS;
            else
                rsvd |= (1ull << shift) - 1 - 0x1fff;
            leaf = true;
        }
        if (e->value & rsvd) {
            *err |= PF_P | PF_RSVD;
            return WALK_FAULT;
        }
        rights &= e->value;
        nx |= e->value >> 63;
        if (leaf) {
            uint64_t mask = (1ull << shift) - 1;
            w->gpa = (e->value & PTE_ADDR & ~mask) | (lin & mask & ~0xfffull);
            w->large = level > 1;
            w->huge = level > 2;
            w->global = e->value & PTE_G;
            return walk_finish(c, acc, table, rights, nx, l, n, w, err);
        }
        at = e->value & PTE_ADDR;
    }
}

static bool walk(Cpu *c, uint64_t lin, unsigned acc, unsigned table, Walk *w, uint32_t *err)
{
    int r;

    memset(w, 0, sizeof *w);
    if (!(c->cr0 & CR0_PG)) {
        w->gpa = lin & ~0xfffull;
        w->write_now = w->read_ok = w->exec_ok = true;
        return true;
    }
    do {
        *err = (acc == ACCESS_WRITE ? PF_W : 0) | (table == TLB_USER ? PF_U : 0);
        if (acc == ACCESS_EXEC &&
            (((c->cr4 & CR4_PAE) && (c->efer & EFER_NXE)) || (c->cr4 & CR4_SMEP)))
            *err |= PF_I;
        r = c->cr4 & CR4_PAE ? walk_64(c, lin, acc, table, w, err)
                             : walk_2level(c, lin, acc, table, w, err);
    } while (r == WALK_AGAIN);
    w->global = w->global && (c->cr4 & CR4_PGE);
    return r == WALK_OK;
}

bool mmu_load_pdptes(Cpu *c, uint64_t cr3)
{
    uint64_t at = cr3 & 0xffffffe0, e[4];
    uint64_t reserved = PTE_RESERVED_HIGH | 0xfff0000000000000ull | 0x1e6;

    for (unsigned k = 0; k < 4; k++) {
        const uint64_t *p = table_entry(c, at + k * 8);
        e[k] = p ? *p : 0;
        if ((e[k] & PTE_P) && (e[k] & reserved))
            return false;
    }
    memcpy(c->pdpte, e, sizeof e);
    return true;
}

/* --- TLB --- */
static void entry_clear(Cpu *c, unsigned table, unsigned index)
{
    TlbEntry *e = &c->tlbs[table][index];
    TlbInfo *info = &c->tlb_info[table][index];

    windows_drop(c);
    e->rtag = e->wtag = info->xtag = info->mtag = TLB_INVALID(index);
    e->addend = e->host_page = 0;
    info->gpa = 0;
}

static void write_tag_clear(Cpu *c, uint64_t *tag, unsigned index)
{
    windows_drop(c);
    *tag = TLB_INVALID(index);
}

static bool entry_empty(const Cpu *c, unsigned table, unsigned index)
{
    return c->tlbs[table][index].rtag == TLB_INVALID(index) &&
           c->tlb_info[table][index].xtag == TLB_INVALID(index) &&
           c->tlb_info[table][index].mtag == TLB_INVALID(index);
}

/* The next entry from k on that may have been filled, or TLB_SIZE. */
static unsigned used_from(const CpuPriv *p, unsigned table, unsigned k)
{
    while (k < TLB_SIZE && !(p->used[table][k / TLB_CHUNK / 64] >> (k / TLB_CHUNK % 64) & 1))
        k = (k / TLB_CHUNK + 1) * TLB_CHUNK;
    return k;
}

static void local_clear(Cpu *c, unsigned table, unsigned at)
{
    if (!(c->tlb_info[table][at].gpa & TLBF_GLOBAL))
        entry_clear(c, table, at);
}

static void filled_note(CpuPriv *p, unsigned table, unsigned at)
{
    if (p->filled_count[table] < TLB_FILLED)
        p->filled[table][p->filled_count[table]++] = (uint16_t)at;
    else
        p->filled_count[table] = TLB_FILLED + 1;
}

/*
 * Entries with a write tag are listed by the lower bits of their guest page's number: the upper bits, and
 * table << TLB_BITS | index.  So the list tells without a look at the entry which page it was, which is
 * what most of them no longer are of.
 */
static uint32_t writer_of(unsigned table, unsigned at, uint64_t gfn)
{
    _Static_assert((1ull << (SOFT_PHYS_BITS - 12)) / WRITERS_SETS <= 1 << 16, "all of the number is told");
    return (uint32_t)(gfn / WRITERS_SETS) << 16 | table << TLB_BITS | at;
}

/* The entry's write tag, if it has one of the page in whose set it is; else NULL. */
static uint64_t *writer_tag(Cpu *c, uint32_t writer, unsigned set)
{
    TlbEntry *e = &c->tlbs[writer >> TLB_BITS & 3][writer & (TLB_SIZE - 1)];
    uint64_t gfn = (uint64_t)(writer >> 16) * WRITERS_SETS + set;

    return e->wtag != TLB_INVALID(writer & (TLB_SIZE - 1)) &&
           e->host_page == (uint64_t)(uintptr_t)c->mem->base + (gfn << 12) ? &e->wtag : NULL;
}

static void writer_put(uint32_t *writers, uint32_t first)
{
    for (unsigned n = WRITERS_WAYS - 1; n; n--)
        writers[n] = writers[n - 1];
    writers[0] = first;
}

/* Remembers that an entry has a write tag, in the place of the last that no longer has one; those behind it
 * come first again.  Where all have one the last loses it. */
static void writer_note(Cpu *c, unsigned table, unsigned at, uint64_t gfn)
{
    unsigned set = gfn & (WRITERS_SETS - 1);
    uint32_t *writers = cpu_priv(c)->writers[set], writer = writer_of(table, at, gfn);
    const uint32_t *last = &writers[WRITERS_WAYS - 1];
    uint64_t *tag;

    for (unsigned n = 0; n < WRITERS_WAYS; n++)
        if (writers[n] == writer)
            return;
    for (unsigned n = 0; n < WRITERS_WAYS && writer_tag(c, *last, set); n++)
        writer_put(writers, *last);
    tag = writer_tag(c, *last, set);
    if (tag)
        write_tag_clear(c, tag, *last & (TLB_SIZE - 1));
    writer_put(writers, writer);
}

void tlb_init(Cpu *c)
{
    _Static_assert(TLB_INVALID(1) == 0, "memory comes zeroed");
    for (unsigned t = 0; t < TLB_NONE; t++)
        entry_clear(c, t, 0);
    c->tlbs[TLB_NONE][0] = (TlbEntry){ .rtag = TLB_INVALID(0), .wtag = TLB_INVALID(0) };
}

void tlb_flush_all(Cpu *c)
{
    CpuPriv *p = cpu_priv(c);

    count(c, COUNT_TLB_FLUSHES_ALL);
    for (unsigned t = 0; t < TLB_NONE; t++) {
        for (unsigned k = used_from(p, t, 0); k < TLB_SIZE; k = used_from(p, t, k + 1))
            entry_clear(c, t, k);
        memset(p->used[t], 0, sizeof p->used[t]);
        p->filled_count[t] = p->unparked[t] = 0;
    }
    if (p->large_count)
        memset(p->large, 0, sizeof p->large);
    p->large_count = 0;
    p->large_many = p->huge_seen = false;
    victims_flush_all(&p->victims);
    contexts_forget(c);
    code_pages_forget(c, true);
}

static void local_clear_all(Cpu *c, unsigned table)
{
    CpuPriv *p = cpu_priv(c);

    if (p->filled_count[table] <= TLB_FILLED) {
        for (unsigned n = 0; n < p->filled_count[table]; n++)
            local_clear(c, table, p->filled[table][n]);
    } else {
        for (unsigned k = used_from(p, table, 0); k < TLB_SIZE; k = used_from(p, table, k + 1))
            local_clear(c, table, k);
    }
    p->filled_count[table] = p->unparked[table] = 0;
}

void tlb_flush_local(Cpu *c)
{
    count(c, COUNT_TLB_FLUSHES_LOCAL);
    for (unsigned t = 0; t < TLB_NONE; t++)
        local_clear_all(c, t);
    code_pages_forget(c, false);
}

/* --- regions with large pages --- */
/* A page of 4 MiB has two of 2 MiB. */
static uint64_t large_key(uint64_t lin) { return lin >> 21 << 2 | 1; }
static uint64_t huge_key(uint64_t lin) { return lin >> 30 << 2 | 2; }

/* Where key is, or the free slot where it would be: the table is never more than half full. */
static unsigned large_slot(const CpuPriv *p, uint64_t key)
{
    unsigned h = key * 0x9e3779b97f4a7c15ull >> 50 & (LARGE_SLOTS - 1);

    while (p->large[h] && p->large[h] != key)
        h = (h + 1) & (LARGE_SLOTS - 1);
    return h;
}

static void large_note(CpuPriv *p, uint64_t key)
{
    unsigned h = large_slot(p, key);

    if (p->large[h])
        return;
    if (p->large_count == LARGE_SLOTS / 2) {
        p->large_many = true;
        return;
    }
    p->large[h] = key;
    p->large_count++;
}

static bool huge_at(const CpuPriv *p, uint64_t lin)
{
    return p->huge_seen && (p->large_many || p->large[large_slot(p, huge_key(lin))]);
}

static bool large_at(const CpuPriv *p, uint64_t lin)
{
    return p->large_many || p->large[large_slot(p, large_key(lin))] || huge_at(p, lin);
}

/* Entries of large pages in the table that have linear in them. */
static void large_clear(Cpu *c, unsigned table, uint64_t linear)
{
    const CpuPriv *p = cpu_priv(c);

    for (unsigned k = used_from(p, table, 0); k < TLB_SIZE; k = used_from(p, table, k + 1)) {
        const TlbInfo *info = &c->tlb_info[table][k];
        uint64_t tag = c->tlbs[table][k].rtag;
        unsigned shift = info->gpa & TLBF_HUGE ? 30 : c->cr4 & CR4_PAE ? 21 : 22;

        if (tag == TLB_INVALID(k))
            tag = info->xtag != TLB_INVALID(k) ? info->xtag : info->mtag;
        if ((info->gpa & TLBF_LARGE) && tag >> shift == linear >> shift)
            entry_clear(c, table, k);
    }
}

void tlb_flush_page(Cpu *c, uint64_t linear)
{
    CpuPriv *p = cpu_priv(c);
    unsigned at = tlb_index(linear);
    bool large = large_at(p, linear);

    count(c, large ? COUNT_TLB_FLUSHES_LARGE : COUNT_TLB_FLUSHES_PAGE);
    victims_flush_page(&p->victims, linear);
    if (large)
        victims_flush_large(&p->victims, linear, huge_at(p, linear) ? 30 : c->cr4 & CR4_PAE ? 21 : 22);
    for (unsigned t = 0; t < TLB_NONE; t++) {
        if (c->tlbs[t][at].rtag == (linear & ~0xfffull) ||
            c->tlb_info[t][at].xtag == (linear & ~0xfffull) ||
            c->tlb_info[t][at].mtag == (linear & ~0xfffull))
            entry_clear(c, t, at);
        if (large)
            large_clear(c, t, linear);
    }
    if (huge_at(p, linear))
        code_pages_forget(c, true);
    else if (large)
        code_pages_forget_at(c, linear & ~0x3fffffull, 0x400000);
    else
        code_pages_forget_at(c, linear, 4096);
}

/* May writes go without a look?  Not to pages with decoded code or with a dirty log. */
static bool page_quiet(const Engine *e, uint64_t gpa)
{
    return !e->holders[gpa >> 12] && (!e->logged[gpa >> 12]);
}

void tlb_drop_write_tags(Cpu *c)
{
    const CpuPriv *p = cpu_priv(c);

    for (unsigned t = 0; t < TLB_NONE; t++)
        for (unsigned k = used_from(p, t, 0); k < TLB_SIZE; k = used_from(p, t, k + 1))
            if (c->tlbs[t][k].wtag != TLB_INVALID(k) &&
                !page_quiet(c->engine, c->tlb_info[t][k].gpa))
                write_tag_clear(c, &c->tlbs[t][k].wtag, k);
}

void tlb_drop_write_tags_of(Cpu *c, uint64_t gfn)
{
    unsigned set = gfn & (WRITERS_SETS - 1);
    const uint32_t *writers = cpu_priv(c)->writers[set];

    for (unsigned n = 0; n < WRITERS_WAYS; n++) {
        uint64_t *tag = writers[n] >> 16 == gfn / WRITERS_SETS ? writer_tag(c, writers[n], set) : NULL;
        if (tag)
            write_tag_clear(c, tag, writers[n] & (TLB_SIZE - 1));
    }
}

void tlb_watch_page(Cpu *c, uint64_t linear)
{
    unsigned at = tlb_index(linear);

    for (unsigned t = 0; t < TLB_NONE; t++) {
        TlbEntry *e = &c->tlbs[t][at];

        if (e->rtag == (linear & ~0xfffull)) {
            windows_drop(c);
            e->rtag = e->wtag = TLB_INVALID(at);
        }
    }
}

/* gpa: TlbInfo's; what it is good for: PAGE_*. */
static void entry_put(Cpu *c, unsigned table, uint64_t page, uint64_t gpa, unsigned good_for)
{
    CpuPriv *p = cpu_priv(c);
    unsigned at = tlb_index(page);
    TlbEntry *e = &c->tlbs[table][at];
    TlbInfo *info = &c->tlb_info[table][at];
    bool write = (good_for & PAGE_READ) && (gpa & TLBF_WRITE) && !(gpa & TLBF_ROM) &&
                 page_quiet(c->engine, gpa);

    if (!entry_empty(c, table, at))
        windows_drop(c);
    p->used[table][at / TLB_CHUNK / 64] |= 1ull << (at / TLB_CHUNK % 64);
    e->rtag = good_for & PAGE_READ ? page : TLB_INVALID(at);
    e->wtag = write ? page : TLB_INVALID(at);
    info->xtag = good_for & PAGE_EXEC ? page : TLB_INVALID(at);
    info->mtag = good_for & PAGE_DEVICE ? page : TLB_INVALID(at);
    e->host_page = (uint64_t)(uintptr_t)c->mem->base + (gpa & ~(uint64_t)TLBF_MASK);
    e->addend = e->host_page - page;
    if (unlikely(page_is_watched(c, page)))
        e->rtag = e->wtag = TLB_INVALID(at);    /* every access is looked at */
    info->gpa = gpa;
    if (e->wtag == page)
        writer_note(c, table, at, gpa >> 12);
}

/* What the entry is of, for entry_put(); false: of nothing. */
static bool entry_page(const Cpu *c, unsigned table, unsigned at, ParkedPage *of)
{
    const TlbInfo *info = &c->tlb_info[table][at];
    uint64_t rtag = c->tlbs[table][at].rtag, none = TLB_INVALID(at);
    uint64_t page = rtag != none ? rtag : info->xtag != none ? info->xtag : info->mtag;

    *of = (ParkedPage){ page | (rtag == page ? PAGE_READ : 0) | (info->xtag == page ? PAGE_EXEC : 0) |
                            (info->mtag == page ? PAGE_DEVICE : 0),
                        info->gpa };
    return page != none;
}

static void entry_park(Cpu *c, unsigned table, unsigned at, Context *x)
{
    ParkedPage of;

    if (!entry_page(c, table, at, &of) || (of.gpa & TLBF_GLOBAL))
        return;
    x->pages[table][x->page_count[table]++] = of;
    entry_clear(c, table, at);
}

/* Another page comes into the entry's place. */
static void entry_push_out(Cpu *c, unsigned table, unsigned at)
{
    ParkedPage of;

    if (entry_page(c, table, at, &of) && (of.gpa & TLBF_GLOBAL))
        victim_keep(&cpu_priv(c)->victims, table, of);
}

/* The page's entry comes back, where it was pushed out and may do what is asked for. */
static bool entry_back(Cpu *c, unsigned table, uint64_t page, unsigned acc)
{
    unsigned at = tlb_index(page), need = acc == ACCESS_EXEC ? PAGE_EXEC : PAGE_READ;
    ParkedPage back;

    if (!victim_take(&cpu_priv(c)->victims, table, page, &back) || !(back.page & need) ||
        (acc == ACCESS_WRITE && !(back.gpa & TLBF_WRITE)))
        return false;
    count(c, COUNT_TLB_BACK);
    entry_push_out(c, table, at);
    entry_put(c, table, page, back.gpa, back.page & 0xfff);
    return true;
}

/* Nobody can tell which entries were used since they came back: one in AGEING of them is left out each time,
 * and is looked up once more if it is still wanted. */
void tlb_park(Cpu *c, Context *x)
{
    CpuPriv *p = cpu_priv(c);

    x->turn++;
    for (unsigned t = 0; t < TLB_NONE; t++) {
        unsigned n = p->filled_count[t], first = n > CONTEXT_PAGES ? n - CONTEXT_PAGES : 0;

        x->page_count[t] = 0;
        for (unsigned k = first; n <= TLB_FILLED && k < n; k++)
            if (k >= p->unparked[t] || (k + x->turn) % AGEING)
                entry_park(c, t, p->filled[t][k], x);
        local_clear_all(c, t);
    }
}

void tlb_unpark(Cpu *c, const Context *x)
{
    CpuPriv *p = cpu_priv(c);

    for (unsigned t = 0; t < TLB_NONE; t++) {
        for (unsigned k = 0; k < x->page_count[t]; k++) {
            const ParkedPage *page = &x->pages[t][k];
            unsigned at = tlb_index(page->page);

            if (entry_empty(c, t, at)) {
                entry_put(c, t, page->page & ~0xfffull, page->gpa, page->page & 0xfff);
                filled_note(p, t, at);
            }
        }
        p->unparked[t] = p->filled_count[t];
    }
}

static void tlb_fill(Cpu *c, uint64_t lin, unsigned table, const Walk *w)
{
    CpuPriv *p = cpu_priv(c);
    uint64_t page = lin & ~0xfffull;
    unsigned at = tlb_index(page);
    TlbEntry *e = &c->tlbs[table][at];
    TlbInfo *info = &c->tlb_info[table][at];
    bool memory = page_is_ram(c->mem, w->gpa);
    bool rom = memory && c->mem->types[w->gpa >> 12] != MEM_RAM, local;

    count(c, COUNT_TLB_FILLS);
    if (!entry_empty(c, table, at) && e->rtag != page && info->xtag != page &&
        info->mtag != page) {
        count(c, COUNT_TLB_REPLACED);
        entry_push_out(c, table, at);
    }
    local = !w->global && (entry_empty(c, table, at) || (info->gpa & TLBF_GLOBAL));
    entry_put(c, table, page,
              w->gpa | (w->global ? TLBF_GLOBAL : 0) | (w->write_now ? TLBF_WRITE : 0) |
              (rom ? TLBF_ROM : 0) | (w->large ? TLBF_LARGE : 0) | (w->huge ? TLBF_HUGE : 0),
              (w->read_ok ? memory ? PAGE_READ : PAGE_DEVICE : 0) |
              (w->exec_ok && memory ? PAGE_EXEC : 0));
    if (local && !entry_empty(c, table, at))    /* a page that is watched comes here again and again */
        filled_note(p, table, at);
    if (w->large) {
        large_note(p, w->huge ? huge_key(lin) : large_key(lin));
        if (!(c->cr4 & CR4_PAE))
            large_note(p, large_key(lin ^ 1ull << 21));
        p->huge_seen |= w->huge;
    }
}

/* An access to where no memory is. */
static bool found_device(PhysRef *p, uint64_t gpa)
{
    *p = (PhysRef){ .gpa = gpa };
    return true;
}

bool mmu_lookup(Cpu *c, uint64_t lin, unsigned acc, unsigned table, PhysRef *p, uint32_t *error)
{
    uint64_t page = lin & ~0xfffull;
    unsigned at = tlb_index(page);
    TlbEntry *e = &c->tlbs[table][at];
    TlbInfo *info = &c->tlb_info[table][at];
    Walk w;

    if (!(acc == ACCESS_EXEC ? info->xtag == page
          : acc == ACCESS_READ ? e->rtag == page : e->rtag == page && (info->gpa & TLBF_WRITE))) {
        if (info->mtag == page && (acc == ACCESS_READ || (acc == ACCESS_WRITE && (info->gpa & TLBF_WRITE))))
            return found_device(p, (info->gpa & ~(uint64_t)TLBF_MASK) | (lin & 0xfff));
        if (!entry_back(c, table, page, acc)) {
            if (!walk(c, lin, acc, table, &w, error))
                return false;
            if (page_is_ram(c->mem, w.gpa) || acc != ACCESS_EXEC)
                tlb_fill(c, lin, table, &w);
            if (!page_is_ram(c->mem, w.gpa))
                return found_device(p, w.gpa | (lin & 0xfff));
        }
    }
    p->entry = e;
    p->info = info;
    p->gpa = (info->gpa & ~(uint64_t)TLBF_MASK) | (lin & 0xfff);
    p->host = c->mem->base + p->gpa;
    p->rom = info->gpa & TLBF_ROM;
    return true;
}

/* --- access by linear address --- */
static unsigned data_table(const Cpu *c)
{
    if (c->cpl == 3)
        return TLB_USER;
    return (c->cr4 & CR4_SMAP) && (c->rflags & RF_AC) ? TLB_SUPER_AC : TLB_SUPER;
}

static void translate(Cpu *c, const Insn *i, uint64_t lin, unsigned acc, unsigned table,
                      PhysRef *p)
{
    uint32_t error = 0;

    if (!mmu_lookup(c, lin, acc, table, p, &error)) {
        c->cr2 = lin;
        raise_err(c, i, EXC_PF, error);
    }
}

void ram_written(Cpu *c, uint64_t gpa, unsigned len)
{
    Engine *e = c->engine;

    if (unlikely(e->holders[gpa >> 12])) {
        unsigned first = gpa >> 6 & 63, last = (gpa + len - 1) >> 6 & 63;
        uint64_t mask = (~0ull >> (63 - last)) & (~0ull << first), bits;

        /* The store is visible before the granules are read: whoever marks one after that compares
         * its bytes with the new ones (build() in block.c). */
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        count(c, COUNT_STORES_NEAR_CODE);
        bits = __atomic_load_n(&e->granules[gpa >> 12], __ATOMIC_RELAXED);
        if (bits & mask) {
            block_invalidate(c, gpa, len);
            code_post_others(c, gpa, len);
        }
    }
    if (unlikely(e->logged[gpa >> 12]))
        __atomic_store_n(&e->dirty[gpa >> 12], 1, __ATOMIC_RELEASE);
}

/* len bytes, within one page */
static void phys_write(Cpu *c, const PhysRef *p, const void *buf, unsigned len)
{
    const uint8_t *b = buf;
    uint64_t v = 0;

    if (p->rom)
        return;
    if (!p->host) {
        for (unsigned done = 0, n; done < len; done += n) {
            n = len - done >= 8 ? 8 : len - done >= 4 ? 4 : len - done >= 2 ? 2 : 1;
            v = 0;
            memcpy(&v, b + done, n);
            c->host->mmio_write(c->vcpu, p->gpa + done, n, v);
        }
        return;
    }
    switch (len) {
    case 1: *p->host = *b; break;
    case 2: memcpy(&v, b, 2); *(volatile u16a *)p->host = (uint16_t)v; break;
    case 4: memcpy(&v, b, 4); *(volatile u32a *)p->host = (uint32_t)v; break;
    case 8: memcpy(&v, b, 8); *(volatile u64a *)p->host = v; break;
    default: memcpy(p->host, b, len);
    }
    ram_written(c, p->gpa, len);
    /* Once in the dirty log a page may be written without a look, until the log is fetched. */
    if (p->entry && !c->engine->holders[p->gpa >> 12] && (p->info->gpa & TLBF_WRITE) &&
        p->entry->wtag != p->entry->rtag) {
        unsigned at = (unsigned)(p->entry - c->tlbs[0]);
        p->entry->wtag = p->entry->rtag;
        writer_note(c, at / TLB_SIZE, at % TLB_SIZE, p->gpa >> 12);
    }
}

static void phys_read(Cpu *c, const PhysRef *p, void *buf, unsigned len)
{
    uint8_t *b = buf;
    uint64_t v = 0;

    if (!p->host) {
        for (unsigned done = 0, n; done < len; done += n) {
            n = len - done >= 8 ? 8 : len - done >= 4 ? 4 : len - done >= 2 ? 2 : 1;
            c->host->mmio_read(c->vcpu, p->gpa + done, n, &v);
            memcpy(b + done, &v, n);
        }
        return;
    }
    switch (len) {
    case 1: *b = *p->host; break;
    case 2: v = *(volatile u16a *)p->host; memcpy(b, &v, 2); break;
    case 4: v = *(volatile u32a *)p->host; memcpy(b, &v, 4); break;
    case 8: v = *(volatile u64a *)p->host; memcpy(b, &v, 8); break;
    default: memcpy(b, p->host, len);
    }
}

static uint64_t linear_cut(const Cpu *c, uint64_t lin)
{
    return (c->mode & MODE_SIZE_MASK) == MODE_64 ? lin : (uint32_t)lin;
}

/* One access of up to 4096 bytes: translates one or two pages before it moves anything. */
static void lin_access(Cpu *c, const Insn *i, uint64_t lin, unsigned table, bool write, void *buf,
                       unsigned len)
{
    unsigned first = 4096 - (lin & 0xfff);
    unsigned acc = write ? ACCESS_WRITE : ACCESS_READ;
    PhysRef a, b;

    if (unlikely(c->engine->debug_watch))
        debug_access(c, lin, len, write);
    translate(c, i, lin, acc, table, &a);
    if (unlikely(!a.host) && i)
        ((Insn *)(uintptr_t)i)->prefix |= PFX_DEVICE;
    if (len > first) {
        translate(c, i, linear_cut(c, lin + first), acc, table, &b);
        a.entry = b.entry = NULL;   /* the entries may be reused before they are looked at */
        if (!buf)
            return;
        if (write) {
            phys_write(c, &a, buf, first);
            phys_write(c, &b, (uint8_t *)buf + first, len - first);
        } else {
            phys_read(c, &a, buf, first);
            phys_read(c, &b, (uint8_t *)buf + first, len - first);
        }
        return;
    }
    if (!buf)
        return;
    if (write)
        phys_write(c, &a, buf, len);
    else
        phys_read(c, &a, buf, len);
}

static _Noreturn void segment_fault(Cpu *c, const Insn *i, unsigned seg)
{
    raise_err(c, i, seg == SEG_SS ? EXC_SS : EXC_GP, 0);
}

/* Linear address of a checked access. */
static uint64_t seg_linear(Cpu *c, const Insn *i, unsigned seg, uint64_t off, unsigned len,
                           bool write)
{
    const Seg *s = &c->seg[seg];
    uint64_t lin, last;

    if ((c->mode & MODE_SIZE_MASK) == MODE_64) {
        lin = off + (seg == SEG_FS || seg == SEG_GS ? s->base : 0);
        last = lin + len - 1;
        if ((uint64_t)((int64_t)(lin << 16) >> 16) != lin ||
            (uint64_t)((int64_t)(last << 16) >> 16) != last)
            segment_fault(c, i, seg);
    } else if (seg == SEG_NONE) {
        lin = (uint32_t)off;
    } else {
        off = (uint32_t)off;
        if ((s->attr & SEG_ATTR_UNUSABLE) || !(write ? s->writable : s->readable))
            segment_fault(c, i, seg);
        last = off + len - 1;
        if (s->expand_down ? off <= s->limit || last > (s->big ? 0xffffffff : 0xffff)
                           : last > s->limit && !(s->limit == 0xffffffff))
            segment_fault(c, i, seg);
        lin = (uint32_t)(s->base + off);
    }
    if (unlikely(cpu_priv(c)->points.watch_count))
        points_access(c, lin, len, write);
    return lin;
}

static void align_check(Cpu *c, const Insn *i, uint64_t lin, unsigned size)
{
    if ((c->mode & MODE_AM) && (lin & (size - 1)))
        raise_err(c, i, EXC_AC, 0);
}

#define SLOW_ACCESSORS(bits, type) \
static __attribute__((noinline)) uint##bits##_t slow_read##bits(Cpu *c, const Insn *i, \
                                                               unsigned seg, uint64_t off) \
{ \
    uint64_t lin = seg_linear(c, i, seg, off, bits / 8, false); \
    uint##bits##_t v; \
    align_check(c, i, lin, bits / 8); \
    lin_access(c, i, lin, data_table(c), false, &v, bits / 8); \
    return v; \
} \
uint##bits##_t mem_read##bits(Cpu *c, const Insn *i, unsigned seg, uint64_t off) \
{ \
    const type *p = fast_read(c, seg, off, bits / 8); \
    return likely(p != NULL) ? *p : slow_read##bits(c, i, seg, off); \
} \
static __attribute__((noinline)) void slow_write##bits(Cpu *c, const Insn *i, unsigned seg, \
                                                       uint64_t off, uint##bits##_t v) \
{ \
    uint64_t lin = seg_linear(c, i, seg, off, bits / 8, true); \
    align_check(c, i, lin, bits / 8); \
    lin_access(c, i, lin, data_table(c), true, &v, bits / 8); \
} \
void mem_write##bits(Cpu *c, const Insn *i, unsigned seg, uint64_t off, uint##bits##_t v) \
{ \
    type *p = fast_write(c, seg, off, bits / 8); \
    if (likely(p != NULL)) \
        *p = v; \
    else \
        slow_write##bits(c, i, seg, off, v); \
}

SLOW_ACCESSORS(8, uint8_t)
SLOW_ACCESSORS(16, u16a)
SLOW_ACCESSORS(32, u32a)
SLOW_ACCESSORS(64, u64a)

uint64_t effective_address(const Cpu *c, const Insn *i)
{
    return insn_ea(c, i);
}

void mem_read_buf(Cpu *c, const Insn *i, unsigned seg, uint64_t off, void *buf, unsigned len,
                  unsigned align)
{
    const void *p = fast_read(c, seg, off, len);
    uint64_t lin;

    if (likely(p != NULL) && !(align && ((c->fbase_r[seg] + off) & (align - 1)))) {
        memcpy(buf, p, len);
        return;
    }
    lin = seg_linear(c, i, seg, off, len, false);
    if (align && (lin & (align - 1)))
        raise_gp0(c, i);
    lin_access(c, i, lin, data_table(c), false, buf, len);
}

void mem_write_buf(Cpu *c, const Insn *i, unsigned seg, uint64_t off, const void *buf,
                   unsigned len, unsigned align)
{
    void *p = fast_write(c, seg, off, len);
    uint64_t lin;

    if (likely(p != NULL) && !(align && ((c->fbase_w[seg] + off) & (align - 1)))) {
        memcpy(p, buf, len);
        return;
    }
    lin = seg_linear(c, i, seg, off, len, true);
    if (align && (lin & (align - 1)))
        raise_gp0(c, i);
    lin_access(c, i, lin, data_table(c), true, (void *)(uintptr_t)buf, len);
}

void mem_check_write(Cpu *c, const Insn *i, unsigned seg, uint64_t off, unsigned len)
{
    if (likely(fast_write(c, seg, off, len) != NULL))
        return;
    lin_access(c, i, seg_linear(c, i, seg, off, len, true), data_table(c), true, NULL, len);
}

void *mem_rmw_ptr(Cpu *c, const Insn *i, unsigned seg, uint64_t off, unsigned size)
{
    void *f = fast_write(c, seg, off, size);
    uint64_t lin;
    PhysRef p;

    if (likely(f != NULL) && !((uintptr_t)f & (size - 1)))
        return f;
    lin = seg_linear(c, i, seg, off, size, true);
    align_check(c, i, lin, size);
    lin_access(c, i, lin, data_table(c), true, NULL, size);
    if (lin & (size - 1))
        return NULL;
    translate(c, i, lin, ACCESS_WRITE, data_table(c), &p);
    if (!p.host || p.rom || c->engine->holders[p.gpa >> 12] || c->engine->logged[p.gpa >> 12])
        return NULL;
    return p.host;
}

uint8_t *mem_span(Cpu *c, const Insn *i, unsigned seg, uint64_t off, unsigned size, bool write,
                  unsigned *bytes, uint64_t *gpa)
{
    const Seg *s = &c->seg[seg];
    uint64_t lin = seg_linear(c, i, seg, off, size, write);
    PhysRef p;

    *gpa = ~0ull;
    *bytes = 4096 - (lin & 0xfff);
    if (*bytes < size || (c->mode & MODE_AM) || unlikely(page_is_watched(c, lin)))
        return NULL;
    if ((c->mode & MODE_SIZE_MASK) != MODE_64 && seg != SEG_NONE) {
        uint64_t left = (uint64_t)s->limit - (uint32_t)off + 1;
        if (s->expand_down)
            return NULL;
        if (s->limit != 0xffffffff && left < *bytes)
            *bytes = (unsigned)left;
    }
    translate(c, i, lin, write ? ACCESS_WRITE : ACCESS_READ, data_table(c), &p);
    if (!p.host) {
        *gpa = p.gpa;
        return NULL;
    }
    if (write && p.rom)
        return NULL;
    *gpa = p.gpa;
    return p.host;
}

void mem_written(Cpu *c, uint64_t gpa, unsigned len)
{
    ram_written(c, gpa, len);
}

/* --- descriptor tables and TSS --- */
bool sys_peek(const Cpu *c, uint64_t linear, uint64_t *v)
{
    const TlbEntry *e = &c->tlbs[TLB_SUPER][tlb_index(linear)];

    if (unlikely(linear - e->rtag > 4096 - 8))
        return false;
    *v = *(volatile u64a *)(uintptr_t)(linear + e->addend);
    return true;
}

uint64_t sys_read(Cpu *c, const Insn *i, uint64_t linear, unsigned size)
{
    uint64_t lin = c->efer & EFER_LMA ? linear : (uint32_t)linear, v = 0;

    if (likely(size == 8 && sys_peek(c, lin, &v)))
        return v;
    lin_access(c, i, lin, TLB_SUPER, false, &v, size);
    return v;
}

void sys_write(Cpu *c, const Insn *i, uint64_t linear, unsigned size, uint64_t v)
{
    lin_access(c, i, c->efer & EFER_LMA ? linear : (uint32_t)linear, TLB_SUPER, true, &v, size);
}

void sys_check(Cpu *c, const Insn *i, uint64_t linear, unsigned len, bool write)
{
    lin_access(c, i, c->efer & EFER_LMA ? linear : (uint32_t)linear, TLB_SUPER, write, NULL, len);
}
