/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * address_space_test.c - what the TLB may still know and what it must have forgotten.
 *
 * A guest with many address spaces carries out a random script on two vCPUs that take turns: loads of CR3
 * with and without bit 63, INVLPG, INVPCID, changes of paging entries, of CR0.WP, CR4.PGE, SMEP, SMAP, PCIDE
 * and EFER.NXE, reads, writes and calls in ring 0 and 3.  Beside it goes a model that knows which
 * translations the SDM (volume 3, 4.10) lets each processor have cached, large pages and global ones
 * among them: each access must find what one of these says, or the fault that the entries of now make.
 * The model has cached only what has been accessed, and no upper entries, as our TLB does.  In 64-bit
 * mode with identifiers, with PAE, and with two levels.
 *
 * Regions begin 64 MiB or more apart, so that TLB and jumps have the same slots for them.
 */
#include <stdlib.h>
#include <string.h>
#include "hypervisor/soft/jit/jit.h"
#include "tests/cpu/random.h"
#include "tests/cpu/sys_guest.h"

enum { SPACES = 20, ZERO = SPACES, SLOTS, REGIONS = 3, PAGES = 4, PLACES = REGIONS * PAGES, VCPUS = 2 };
enum { SMALL_FRAMES = 16, LARGE_FRAMES = 4, HUGE_FRAMES = 2, RAWS = 48, FOUND_MOST = 12,
       SCRIPT_ROOM = 12000, RUNS = 45 };
/* Physical = linear but for regions and frames. */
enum { USER_AT = 0x14100, BACK_AT = 0x16000, FAULT_AT = 0x17000, SHARED_AT = 0x400000, SCRIPT_AT = 0x800000,
       FOUND_AT = 0xc00000, TABLES_AT = 0x1000000, SMALL_AT = 0x2000000, LARGE_AT = 0x4000000,
       PER_VCPU = 0x200000, OTHERS_TURN = 0x58 };
#define RAM (3ull << 30)
enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };
enum { END, LOAD_CR3, INVALIDATE, INVALIDATE_PCID, STORE, LOAD_CR0, LOAD_CR4, LOAD_EFER, SWITCH,
       READ, READ_AC, WRITE, CALL, CALL_USER, READ_USER };
enum { P = 1, W = 2, U = 4, A = 0x20, D = 0x40, PS = 0x80, G = 0x100, PTE = P | W | U | A | D,
       RESERVED = 0x2000 };
enum { PF_P = 1, PF_W = 2, PF_U = 4, PF_RSVD = 8, PF_I = 16, FAULT = 0x8000 };
enum { WP = 0x10000, PGE = 0x80, PCIDE = 0x20000, SMEP = 0x100000, SMAP = 0x200000 };
#define XD (1ull << 63)
#define KEEP (1ull << 63)
#define R(n) g->s.gpr[n]

enum Kind { LONG, PAE, TWO_LEVELS };

typedef struct Record { uint64_t what, a, b, c; } Record;

/* A translation: its last entry, and at which level (1 to 3) that is. */
typedef struct Raw { uint64_t entry; unsigned level; } Raw;
typedef struct Set { Raw raw[RAWS]; unsigned count; } Set;

typedef struct Space {
    uint64_t pdpte;             /* of the last region */
    uint64_t pde[REGIONS], pte[REGIONS][PAGES];
} Space;

typedef struct Found {
    uint32_t may[FOUND_MOST];
    unsigned count, record;
} Found;

typedef struct Processor {
    Set local[SLOTS][PLACES], global[PLACES];
    unsigned tables, slot;      /* what CR3 names */
    uint32_t cr0, cr4;
    bool nxe;
    Record script[SCRIPT_ROOM];
    Found found[SCRIPT_ROOM];
    unsigned count, found_count;
} Processor;

typedef struct Model {
    enum Kind kind;
    Space space[SPACES];
    Processor cpu[VCPUS];
    unsigned turn, hot;         /* whose turn it is; the place that most is about */
} Model;

static Rng rng;
static unsigned below(unsigned n) { return rng_below(&rng, n); }
static bool one_in(unsigned n) { return rng_one_in(&rng, n); }

/* --- where everything is --- */
static uint64_t region_at(unsigned region) { return region == 2 ? 0x80000000 : 0x40000000 + region * 0x4000000u; }
static unsigned page_in_region(unsigned page)
{
    static const uint16_t pages[PAGES] = { 0, 1, 0x100, 0x1ff };

    return pages[page];
}
static uint64_t place_at(unsigned place)
{
    return region_at(place / PAGES) + page_in_region(place % PAGES) * 0x1000u;
}
static uint64_t tables_at(unsigned space) { return TABLES_AT + space * 0x10000u; }
static uint64_t pd_at(unsigned space, unsigned region) { return tables_at(space) + (region == 2 ? 0x3000 : 0x2000); }
static uint64_t pt_at(unsigned space, unsigned region) { return tables_at(space) + 0x4000 + region * 0x1000u; }
static uint64_t pde_at(const Model *m, unsigned space, unsigned region)
{
    if (m->kind == TWO_LEVELS)
        return tables_at(space) + (region_at(region) >> 22) * 4;
    return pd_at(space, region) + (region_at(region) >> 21 & 511) * 8;
}
static uint64_t pte_at(const Model *m, unsigned space, unsigned place)
{
    return pt_at(space, place / PAGES) + page_in_region(place % PAGES) * (m->kind == TWO_LEVELS ? 4u : 8u);
}
static unsigned slot_pcid(unsigned slot) { return slot == ZERO ? 0 : slot * 200 + 1; }
static unsigned level_shift(const Model *m, unsigned level)
{
    return level == 1 ? 12 : level == 3 ? 30 : m->kind == TWO_LEVELS ? 22 : 21;
}

/* --- frames --- */
static uint64_t frame_at(unsigned level, unsigned n)
{
    return level == 1 ? SMALL_AT + n * 0x1000u : level == 2 ? LARGE_AT + n * 0x400000u : (uint64_t)(n + 1) << 30;
}
/* What is in the page of the frame that a place finds. */
static uint32_t value_in(unsigned level, unsigned n, unsigned page)
{
    return level == 1 ? n : level * 100 + n * PAGES + page;
}
static uint32_t value_at(const Raw *raw, unsigned place)
{
    unsigned most = raw->level == 1 ? SMALL_FRAMES : raw->level == 2 ? LARGE_FRAMES : HUGE_FRAMES, n = 0;

    while (n + 1 < most && frame_at(raw->level, n) != (raw->entry & ~0xfffull & ~XD))
        n++;
    return value_in(raw->level, n, place % PAGES);
}

/* --- what may be cached --- */
static void set_add(Set *s, Raw raw)
{
    for (unsigned n = 0; n < s->count; n++)
        if (s->raw[n].entry == raw.entry && s->raw[n].level == raw.level)
            return;
    if (s->count < RAWS)
        s->raw[s->count++] = raw;
}

static bool same_page(const Model *m, unsigned level, uint64_t a, uint64_t b)
{
    return a >> level_shift(m, level) == b >> level_shift(m, level);
}

/* All of the page that place has at.  A set that is full has lost some, and may have anything. */
static void set_forget(const Model *m, Set *s, unsigned place, uint64_t at)
{
    unsigned kept = 0;

    if (s->count == RAWS)
        return;
    for (unsigned n = 0; n < s->count; n++)
        if (!same_page(m, s->raw[n].level, place_at(place), at))
            s->raw[kept++] = s->raw[n];
    s->count = kept;
}

static void forget_page(Model *m, Processor *p, unsigned slot, uint64_t at, bool global_too)
{
    for (unsigned place = 0; place < PLACES; place++) {
        set_forget(m, &p->local[slot][place], place, at);
        if (global_too)
            set_forget(m, &p->global[place], place, at);
    }
}

static void forget_slot(Processor *p, unsigned slot)
{
    for (unsigned place = 0; place < PLACES; place++)
        p->local[slot][place].count = 0;
}

static void forget_all(Processor *p, bool global_too)
{
    for (unsigned slot = 0; slot < SLOTS; slot++)
        forget_slot(p, slot);
    for (unsigned place = 0; global_too && place < PLACES; place++)
        p->global[place].count = 0;
}

/* --- what accesses find --- */
/* The entries of now: false: there is no page; a fault's code, but for what tells the access, is in *fault. */
static bool walk_now(const Model *m, const Processor *p, unsigned place, Raw *raw, uint32_t *fault)
{
    const Space *s = &m->space[p->tables];
    unsigned region = place / PAGES;
    uint64_t entry = s->pde[region];

    *fault = 0;
    raw->level = 2;
    if (m->kind == LONG && region == 2) {
        if (!(s->pdpte & P))
            return false;
        if (s->pdpte & PS) {
            raw->level = 3;
            entry = s->pdpte;
        }
    }
    if (!(entry & P))
        return false;
    if (!(entry & PS)) {
        raw->level = 1;
        entry = s->pte[region][place % PAGES];
        if (!(entry & P))
            return false;
    }
    raw->entry = entry;
    *fault = PF_P | PF_RSVD;
    if ((entry & XD) && !p->nxe)
        return false;
    return !(m->kind != TWO_LEVELS && raw->level == 2 && (entry & RESERVED));
}

static bool allowed(const Processor *p, uint64_t entry, unsigned what)
{
    bool user = what == CALL_USER || what == READ_USER, smap = (p->cr4 & SMAP) && what != READ_AC;

    if (what == CALL || what == CALL_USER)
        return !(entry & XD) && (user ? entry & U : !(entry & U) || !(p->cr4 & SMEP));
    if (user ? !(entry & U) : (entry & U) && smap)
        return false;
    return what != WRITE || (entry & W) || !(p->cr0 & WP);
}

static uint32_t fault_bits(const Processor *p, unsigned what)
{
    uint32_t bits = what == WRITE ? PF_W : what == CALL_USER || what == READ_USER ? PF_U : 0;

    if ((what == CALL || what == CALL_USER) && (p->nxe || (p->cr4 & SMEP)))
        bits |= PF_I;
    return bits;
}

static void may_find(Found *f, uint32_t v)
{
    for (unsigned n = 0; n < f->count; n++)
        if (f->may[n] == v)
            return;
    if (f->count < FOUND_MOST)
        f->may[f->count++] = v;
}

static void may_find_cached(Found *f, const Processor *p, const Set *s, unsigned place, unsigned what)
{
    for (unsigned n = 0; n < s->count; n++)
        if (allowed(p, s->raw[n].entry, what))
            may_find(f, value_at(&s->raw[n], place));
    if (s->count == RAWS)
        f->count = FOUND_MOST;
}

static void access_place(Model *m, Processor *p, unsigned place, unsigned what)
{
    Found *f = &p->found[p->found_count++];
    uint32_t fault;
    Raw raw;

    f->record = p->count;
    may_find_cached(f, p, &p->local[p->slot][place], place, what);
    may_find_cached(f, p, &p->global[place], place, what);
    if (!walk_now(m, p, place, &raw, &fault)) {
        may_find(f, FAULT | fault | fault_bits(p, what));
    } else if (!allowed(p, raw.entry, what)) {
        may_find(f, FAULT | PF_P | fault_bits(p, what));
    } else {
        may_find(f, value_at(&raw, place));
        set_add((raw.entry & G) && (p->cr4 & PGE) ? &p->global[place] : &p->local[p->slot][place], raw);
    }
    p->script[p->count++] = (Record){ what, place_at(place) + (what == CALL ? 16 : what == CALL_USER ? 32 : 0),
                                      0, 0 };
}

/* --- the script --- */
static void add(Processor *p, uint64_t what, uint64_t a, uint64_t b, uint64_t c)
{
    p->script[p->count++] = (Record){ what, a, b, c };
}

static void load_cr3(Processor *p, unsigned tables, unsigned slot, bool keep)
{
    if (!(p->cr4 & PCIDE)) {
        slot = ZERO;
        keep = false;
    }
    add(p, LOAD_CR3, tables_at(tables) | slot_pcid(slot) | (keep ? KEEP : 0), 0, 0);
    p->tables = tables;
    p->slot = slot;
    if (!keep)
        forget_slot(p, slot);
}

static void load_cr4(const Model *m, Processor *p)
{
    static const uint32_t bits[] = { PGE, PGE, SMEP, SMAP, SMAP, PCIDE };
    uint32_t bit = bits[below(m->kind == LONG ? 6 : 5)];

    if (bit == PCIDE && !(p->cr4 & PCIDE))
        load_cr3(p, p->tables, ZERO, false);
    p->cr4 ^= bit;
    add(p, LOAD_CR4, p->cr4, 0, 0);
    if (bit == PGE || (bit == PCIDE && !(p->cr4 & PCIDE)))
        forget_all(p, true);
    if (bit == SMEP && (p->cr4 & SMEP))
        forget_slot(p, p->slot);
    if (bit == PCIDE && !(p->cr4 & PCIDE)) {
        load_cr3(p, p->tables, ZERO, false);    /* from now on its low bits are others */
    }
}

static void invalidate_pcid(Model *m, Processor *p, unsigned type, unsigned slot, uint64_t at)
{
    if (!(p->cr4 & PCIDE))
        slot = ZERO;
    add(p, INVALIDATE_PCID, type, type < 2 ? slot_pcid(slot) : 0, at);
    if (type == 0)
        forget_page(m, p, slot, at, false);
    else if (type == 1)
        forget_slot(p, slot);
    else
        forget_all(p, type == 2);
}

/* XD is another bit's meaning when NXE changes: all is forgotten with it. */
static void load_efer(Model *m, Processor *p)
{
    p->nxe = !p->nxe;
    add(p, LOAD_EFER, (m->kind == LONG ? 0x501 : 0) | (p->nxe ? 0x800 : 0), 0, 0);
    if (m->kind == LONG) {
        invalidate_pcid(m, p, 2, 0, 0);
    } else {
        add(p, LOAD_CR4, p->cr4 ^ PGE, 0, 0);
        add(p, LOAD_CR4, p->cr4, 0, 0);
        forget_all(p, true);
    }
}

static uint64_t any_rights(const Model *m)
{
    uint64_t rights = P | (one_in(4) ? 0 : W) | (one_in(3) ? 0 : U) | (one_in(4) ? G : 0);

    rights |= one_in(3) ? 0 : one_in(2) ? A : A | D;
    return rights | (m->kind != TWO_LEVELS && one_in(10) ? XD : 0);
}

static void store(Model *m, Processor *p, uint64_t at, uint64_t entry)
{
    add(p, STORE, at, entry, m->kind != TWO_LEVELS);
}

static void change_entry(Model *m, Processor *p, unsigned space, unsigned place)
{
    Space *s = &m->space[space];
    unsigned region = place / PAGES;
    uint64_t *entry = &s->pte[region][place % PAGES], at = pte_at(m, space, place);

    if (below(3)) {
        *entry = one_in(10) ? 0 : frame_at(1, below(SMALL_FRAMES)) | any_rights(m);
    } else if (m->kind == LONG && region == 2 && one_in(2)) {
        entry = &s->pdpte;
        at = tables_at(space) + 0x1000 + 2 * 8;
        *entry = one_in(8) ? 0 : one_in(3) ? pd_at(space, 2) | PTE
                 : frame_at(3, below(HUGE_FRAMES)) | any_rights(m) | PS;
    } else {
        entry = &s->pde[region];
        at = pde_at(m, space, region);
        *entry = one_in(8) ? 0 : one_in(2) ? pt_at(space, region) | PTE
                 : frame_at(2, below(LARGE_FRAMES)) | any_rights(m) | PS |
                   (m->kind != TWO_LEVELS && one_in(16) ? RESERVED : 0);
    }
    store(m, p, at, *entry);
}

/* Most of the time a few spaces take turns, so that what was put aside is wanted again. */
static unsigned any_space(void) { return below(8) ? below(3) : below(SPACES); }

static void invalidate(Model *m, Processor *p, uint64_t at)
{
    add(p, INVALIDATE, at, 0, 0);
    forget_page(m, p, p->slot, at, true);
}

/* A page of another address space, which is gone to: if it was global it must not come from here. */
static void change_and_go(Model *m, Processor *p, unsigned space, unsigned place)
{
    change_entry(m, p, space, place);
    invalidate(m, p, place_at(place));
    load_cr3(p, space, space, true);
    access_place(m, p, place, CALL);
}

static void one_record(Model *m)
{
    Processor *p = &m->cpu[m->turn];
    unsigned k = below(200), space = any_space(), place;
    unsigned slot = one_in(12) ? any_space() : one_in(30) ? ZERO : space;
    uint64_t at;

    if (one_in(60))
        m->hot = below(PLACES);
    place = one_in(3) ? below(PLACES) : m->hot;
    at = place_at(place);
    if (one_in(3))
        at += below(place >= 2 * PAGES && one_in(2) ? 0x3f000000 : 0x100000);
    if (k < 36) {
        load_cr3(p, space, slot, below(8));
    } else if (k < 44) {
        invalidate(m, p, at);
    } else if (k < 52) {
        if (m->kind == LONG)
            invalidate_pcid(m, p, below(8) ? below(2) : 2 + below(2), slot, at);
    } else if (k < 80) {
        change_entry(m, p, space, place);
    } else if (k < 81) {
        if (m->kind != TWO_LEVELS)
            load_efer(m, p);
    } else if (k < 83) {
        p->cr0 ^= WP;
        add(p, LOAD_CR0, p->cr0, 0, 0);
    } else if (k < 86) {
        load_cr4(m, p);
    } else if (k < 92) {
        add(p, SWITCH, 0, 0, 0);
        m->turn ^= 1;
    } else if (k < 100) {
        change_and_go(m, p, space, place);
    } else {
        access_place(m, p, place, READ + below(6));
    }
}

/* --- the machine --- */
static void put_entry(Guest *g, const Model *m, uint64_t at, uint64_t entry)
{
    ram_put(g, at, m->kind == TWO_LEVELS ? 4 : 8, entry);
}

/* Linear = physical, 32 MiB of it: one table of small pages, in which ring 3 has one, and large ones. */
static void make_shared(Guest *g, const Model *m)
{
    unsigned shift = level_shift(m, 2), size = m->kind == TWO_LEVELS ? 4 : 8;

    for (unsigned n = 0; n < 1u << (shift - 12); n++)
        put_entry(g, m, SHARED_AT + n * size, (uint64_t)n << 12 | P | W | A | D | G | (n == USER_AT >> 12 ? U : 0));
    put_entry(g, m, SHARED_AT + 0x1000, SHARED_AT | PTE);
    for (unsigned n = 1; n < 0x2000000u >> shift; n++)
        put_entry(g, m, SHARED_AT + 0x1000 + n * size, (uint64_t)n << shift | P | W | A | D | PS | G);
}

static void make_space(Guest *g, Model *m, unsigned space)
{
    Space *s = &m->space[space];
    uint64_t at = tables_at(space), up = m->kind == PAE ? P : PTE;

    s->pdpte = pd_at(space, 2) | PTE;
    if (m->kind == TWO_LEVELS) {
        memcpy(g->ram + at, g->ram + SHARED_AT + 0x1000, 64);
    } else {
        uint64_t pdpt = m->kind == LONG ? at + 0x1000 : at;

        ram_put(g, at, 8, (at + 0x1000) | PTE);
        ram_put(g, pdpt, 8, (SHARED_AT + 0x1000) | up);
        ram_put(g, pdpt + 8, 8, pd_at(space, 0) | up);
        ram_put(g, pdpt + 16, 8, pd_at(space, 2) | up);
    }
    for (unsigned region = 0; region < REGIONS; region++) {
        s->pde[region] = pt_at(space, region) | PTE;
        put_entry(g, m, pde_at(m, space, region), s->pde[region]);
        for (unsigned page = 0; page < PAGES; page++) {
            s->pte[region][page] = frame_at(1, below(SMALL_FRAMES)) | PTE;
            put_entry(g, m, pte_at(m, space, region * PAGES + page), s->pte[region][page]);
        }
    }
}

static void make_frame(Guest *g, uint64_t at, uint32_t value)
{
    uint8_t code[] = { 0xb8, 0, 0, 0, 0, 0xc3, 0xcd, 0x80 };

    memcpy(code + 1, &value, 4);
    memcpy(g->ram + at, &value, 4);
    memcpy(g->ram + at + 16, code, 6);
    memcpy(g->ram + at + 32, code, 5);
    memcpy(g->ram + at + 37, code + 6, 2);
}

static void make_frames(Guest *g)
{
    for (unsigned n = 0; n < SMALL_FRAMES; n++)
        make_frame(g, frame_at(1, n), value_in(1, n, 0));
    for (unsigned n = 0; n < LARGE_FRAMES * PAGES; n++)
        make_frame(g, frame_at(2, n / PAGES) + page_in_region(n % PAGES) * 0x1000u,
                   value_in(2, n / PAGES, n % PAGES));
    for (unsigned n = 0; n < HUGE_FRAMES * PAGES; n++)
        make_frame(g, frame_at(3, n / PAGES) + page_in_region(n % PAGES) * 0x1000u,
                   value_in(3, n / PAGES, n % PAGES));
}

static void load_code(Guest *g, bool wide)
{
    extern const uint8_t k_script[], k_script_found[], k_script_32[], k_script_32_found[];

    if (wide) {
        LOAD_AT(g, CODE, k_script);
        LOAD_AT(g, USER_AT, k_script_user);
        LOAD_AT(g, BACK_AT, k_script_back);
        LOAD_AT(g, FAULT_AT, k_script_fault);
    } else {
        LOAD_AT(g, CODE, k_script_32);
        LOAD_AT(g, USER_AT, k_script_user_32);
        LOAD_AT(g, BACK_AT, k_script_back_32);
        LOAD_AT(g, FAULT_AT, k_script_fault_32);
    }
    R(RBP) = CODE + (uint64_t)(wide ? k_script_found - k_script : k_script_32_found - k_script_32);
    idt_gate(g, DONE, wide ? K64 : K32, BACK_AT, 14, 3, 0);
    idt_gate(g, 14, wide ? K64 : K32, FAULT_AT, 14, 0, 0);
}

static Guest *spaces_guest(Model *m, unsigned warm)
{
    Guest *g = guest_new_large(RAM);

    if (m->kind == LONG)
        guest_long(g);
    else
        guest_prot(g);
    jit_set_warm(g->engine, warm);
    load_code(g, m->kind == LONG);
    make_frames(g);
    make_shared(g, m);
    for (unsigned n = 0; n < SPACES; n++)
        make_space(g, m, n);
    g->s.cr0 |= 0x80010000;
    g->s.cr4 |= PGE | (m->kind == LONG ? PCIDE : m->kind == PAE ? 0x20 : 0x10);
    g->s.efer |= m->kind == TWO_LEVELS ? 0 : 0x800;
    g->s.seg[SEG_DS] = (SegState){ .selector = UDATA | 3, .limit = 0xffffffff, .attr = 0xcf3 };
    R(13) = USER_AT;
    R(14) = UDATA | 3;
    R(15) = U64 | 3;
    for (unsigned n = 0; n < VCPUS; n++) {
        Processor *p = &m->cpu[n];

        p->cr0 = (uint32_t)g->s.cr0;
        p->cr4 = (uint32_t)g->s.cr4;
        p->nxe = g->s.efer & 0x800;
        p->slot = m->kind == LONG ? 0 : ZERO;
    }
    g->s.cr3 = tables_at(0) | slot_pcid(m->cpu[0].slot);
    return g;
}

static void others_turn(Guest *g, uint16_t port)
{
    if (port == OTHERS_TURN)
        engine_soft.kick(*(EngineVcpu **)g->context, true);
}

/* Both vCPUs, until each has come to its END. */
static void run_scripts(Guest *g, Model *m)
{
    EngineVcpu *cpus[VCPUS] = { g->cpu }, *now;
    unsigned turn = 0, ended = 0;

    cpus[1] = engine_soft.vcpu_create(g->engine, (Vcpu *)g, 1, 1, &g->ring_prod, &g->ring_seen);
    cr_assert_not_null(cpus[1]);
    g->on_out = others_turn;
    g->context = &now;
    for (unsigned n = 0; n < VCPUS; n++) {
        memcpy(g->ram + SCRIPT_AT + n * PER_VCPU, m->cpu[n].script, m->cpu[n].count * sizeof(Record));
        R(RSI) = SCRIPT_AT + n * PER_VCPU;
        R(RDI) = FOUND_AT + n * PER_VCPU;
        engine_soft.set_state(cpus[n], &g->s);
    }
    while (ended < VCPUS) {
        enum VcpuStop stop;

        now = cpus[turn];
        stop = engine_soft.run(now);
        cr_assert(stop == VCPU_STOP_KICKED || stop == VCPU_STOP_HALTED, "stopped for %d", stop);
        ended += stop == VCPU_STOP_HALTED;
        turn ^= 1;
    }
    for (unsigned n = 0; n < VCPUS; n++) {
        engine_soft.get_state(cpus[n], &g->s);
        eq_hex(R(RSI), SCRIPT_AT + n * PER_VCPU + m->cpu[n].count * sizeof(Record));
        eq_hex(R(RDI), FOUND_AT + n * PER_VCPU + m->cpu[n].found_count * 8);
    }
    engine_soft.vcpu_destroy(cpus[1]);
}

static bool may_be(const Found *f, uint64_t v)
{
    for (unsigned n = 0; n < f->count; n++)
        if (f->may[n] == v)
            return true;
    return f->count == FOUND_MOST;
}

static void check_found(const Guest *g, const Processor *p, unsigned vcpu, uint64_t start, unsigned warm)
{
    for (unsigned n = 0; n < p->found_count; n++) {
        uint64_t v = ram64(g, FOUND_AT + vcpu * PER_VCPU + n * 8);
        const Found *f = &p->found[n];
        const Record *r = &p->script[f->record];

        cr_assert(may_be(f, v), "seed %#lx warm %u: vCPU %u's record %u, %lu at %#lx, found %#lx; may find %#x, "
                  "%#x, %#x (%u)", start, warm, vcpu, f->record, r->what, r->a, v, f->may[0], f->may[1], f->may[2],
                  f->count);
    }
}

static void check_run(enum Kind kind, unsigned warm)
{
    Model *m = calloc(1, sizeof *m);
    uint64_t start = rng.s;
    Guest *g;

    m->kind = kind;
    g = spaces_guest(m, warm);
    while (m->cpu[0].count < SCRIPT_ROOM - 8 && m->cpu[1].count < SCRIPT_ROOM - 8)
        one_record(m);
    for (unsigned n = 0; n < VCPUS; n++)
        add(&m->cpu[n], END, 0, 0, 0);
    run_scripts(g, m);
    for (unsigned n = 0; n < VCPUS; n++)
        check_found(g, &m->cpu[n], n, start, warm);
    guest_free(g);
    free(m);
}

static void check_runs(enum Kind kind)
{
    unsigned runs = RUNS * (unsigned)asked("GH_RANDOM_ROUNDS", 1) / (kind == LONG ? 1 : 3);

    rng.s = asked("GH_RANDOM_SEED", 1);
    for (unsigned n = 0; n < runs; n++)
        check_run(kind, n & 1 ? UINT16_MAX : 1 + n % 4);
}

TestSuite(address_space, .timeout = 0);

Test(address_space, nothing_that_had_to_be_forgotten_is_found) { check_runs(LONG); }
Test(address_space, nothing_that_had_to_be_forgotten_is_found_with_pae) { check_runs(PAE); }
Test(address_space, nothing_that_had_to_be_forgotten_is_found_with_two_levels) { check_runs(TWO_LEVELS); }

/* The script of a test, on the first vCPU. */
static Guest *run_script(const Record *script, unsigned n)
{
    Model *m = calloc(1, sizeof *m);
    Guest *g;

    m->kind = LONG;
    g = spaces_guest(m, 1);
    for (unsigned k = 0; k < SPACES; k++)
        ram_put(g, pte_at(m, k, 0), 8, frame_at(1, k % SMALL_FRAMES) | PTE);
    memcpy(m->cpu[0].script, script, n * sizeof script[0]);
    m->cpu[0].count = n;
    for (unsigned k = 0; k < n; k++)
        m->cpu[0].found_count += script[k].what >= READ;
    add(&m->cpu[1], END, 0, 0, 0);
    run_scripts(g, m);
    engine_soft.get_state(g->cpu, &g->s);
    free(m);
    return g;
}

#define CR3(n) (tables_at(n) | slot_pcid(n))
#define FOUND(n) ram64(g, FOUND_AT + (n) * 8)

/* No guest may rely on it; it is what the identifiers are for. */
Test(address_space, an_address_space_comes_back_as_it_was_left)
{
    const Record SCRIPT[] = {
        { READ, region_at(0), 0, 0 }, { CALL, region_at(0) + 16, 0, 0 }, { CALL_USER, region_at(0) + 32, 0, 0 },
        { LOAD_CR3, CR3(1), 0, 0 },
        { READ, region_at(0), 0, 0 }, { CALL, region_at(0) + 16, 0, 0 }, { CALL_USER, region_at(0) + 32, 0, 0 },
        { STORE, pt_at(0, 0), frame_at(1, 7) | PTE, 0 },
        { LOAD_CR3, CR3(0) | KEEP, 0, 0 },
        { READ, region_at(0), 0, 0 }, { CALL, region_at(0) + 16, 0, 0 }, { CALL_USER, region_at(0) + 32, 0, 0 },
        { LOAD_CR3, CR3(1) | KEEP, 0, 0 },
        { READ, region_at(0), 0, 0 },
        { LOAD_CR3, CR3(0), 0, 0 },
        { READ, region_at(0), 0, 0 }, { CALL, region_at(0) + 16, 0, 0 }, { CALL_USER, region_at(0) + 32, 0, 0 },
        { END, 0, 0, 0 },
    };
    static const uint8_t FOUND[] = { 0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 7, 7, 7 };
    Guest *g = run_script(SCRIPT, sizeof SCRIPT / sizeof SCRIPT[0]);

    for (unsigned n = 0; n < sizeof FOUND; n++) {
        cr_expect_eq(FOUND(n), FOUND[n], "%u: %llu, not %u", n, (unsigned long long)FOUND(n), FOUND[n]);
    }
    guest_free(g);
}

/* CR3's bit 63 is no address and is never read back. */
Test(address_space, cr3_reads_back_without_the_bit_that_keeps)
{
    const Record SCRIPT[] = { { LOAD_CR3, CR3(2) | KEEP, 0, 0 }, { END, 0, 0, 0 } };
    Guest *g = run_script(SCRIPT, 2);

    eq_hex(g->s.cr3, CR3(2));
    guest_free(g);
}

/* SDM vol. 2, MOV to control registers. */
Test(address_space, bit_63_of_cr3_is_reserved_without_identifiers)
{
    const Record SCRIPT[] = { { LOAD_CR3, (CR3(2) & ~0xfffull) | KEEP, 0, 0 } };
    Model *m = calloc(1, sizeof *m);
    Guest *g = spaces_guest(m, 1);

    g->s.cr4 &= ~0x20000ull;
    R(RSI) = SCRIPT_AT;
    memcpy(g->ram + SCRIPT_AT, SCRIPT, sizeof SCRIPT);
    run_to_vector(g, 13);
    guest_free(g);
    free(m);
}

static void mov_cr(unsigned modrm, uint64_t cr4, uint64_t cr3, uint64_t rax, bool faults)
{
    uint8_t code[] = { 0x0f, 0x22, (uint8_t)modrm, 0xf4 };
    Guest *g = guest_new();

    guest_long(g);
    g->s.cr4 |= cr4;
    g->s.cr3 |= cr3;
    guest_code(g, CODE, code, sizeof code);
    g->s.seg[SEG_CS].selector = K32;    /* 64-bit code may not turn paging off at all */
    g->s.seg[SEG_CS].attr = 0xc9b;
    R(RAX) = rax;
    if (faults) {
        run_to_vector(g, 13);
    } else {
        run_done(g);
    }
    guest_free(g);
}

/* SDM vol. 3, 4.10.1: identifiers begin with 0, and end before paging does. */
Test(address_space, identifiers_are_turned_on_with_number_0_and_off_before_paging)
{
    enum { TO_CR0 = 0xc0, TO_CR4 = 0xe0, PROT = 0x11 };

    mov_cr(TO_CR4, 0, 0, CR4_PAE | PCIDE, false);
    mov_cr(TO_CR4, 0, 1, CR4_PAE | PCIDE, true);
    mov_cr(TO_CR4, PCIDE, 1, CR4_PAE | PCIDE, false);
    mov_cr(TO_CR4, PCIDE, 1, CR4_PAE, false);
    mov_cr(TO_CR0, 0, 0, PROT, false);
    mov_cr(TO_CR0, PCIDE, 0, PROT, true);
}
