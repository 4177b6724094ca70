/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_guest.c - the machine that a random program runs on: a mode, segments with bases, limits and
 * types, page tables with all kinds of permissions, registers, debug registers, and the handlers
 * of fuzz_code.S in the IDT or the interrupt vector table.
 */
#include <stdio.h>
#include <string.h>
#include "tests/cpu/fuzz.h"

enum { VAR_START = 0, VAR_SIZE = 4, VAR_TAIL = 8, VAR_LOG_AT = 12, VAR_DEBUGS = 16, VAR_REPAIRS = 20,
       VAR_SP_MASK = 24, VAR_EVENTS = 28, VAR_PT = 32, VAR_PT_SHIFT = 36, VAR_TOGGLE = 40, VAR_CS = 48 };
enum { VECTORS = 64, TURNS = 8, NMI = 2 };

extern const uint8_t fuzz_handlers16[], fuzz_handlers16_end[], fuzz_handlers32[],
    fuzz_handlers32_end[], fuzz_handlers64[], fuzz_handlers64_end[];

typedef struct Maker {
    Guest *g;
    FuzzSetup *s;
    Rng *r;
} Maker;

static unsigned below(Maker *m, unsigned n) { return rng_below(m->r, n); }
static bool one_in(Maker *m, unsigned n) { return below(m, n) == 0; }
static bool is_real(const Maker *m) { return m->s->kind == FUZZ_REAL || m->s->kind == FUZZ_V86; }

static void put(Guest *g, uint64_t at, uint32_t v) { memcpy(g->ram + at, &v, 4); }
static void put_wide(Guest *g, uint64_t at, uint64_t v) { memcpy(g->ram + at, &v, 8); }

static SegState segment(unsigned selector, uint64_t base, uint32_t limit, uint32_t attr)
{
    return (SegState){ .selector = (uint16_t)selector, .base = base, .limit = limit, .attr = attr };
}

/* --- what kind of machine --- */
static void choose(Maker *m)
{
    FuzzSetup *s = m->s;

    memset(s, 0, sizeof *s);
    s->kind = below(m, FUZZ_KINDS);
    s->bits = s->kind == FUZZ_LONG ? 64 : s->kind == FUZZ_PROT32 ? 32 : 16;
    if (s->kind == FUZZ_COMPAT)
        s->bits = one_in(m, 3) ? 16 : 32;
    s->user = s->kind == FUZZ_V86 || (s->kind != FUZZ_REAL && one_in(m, 2));
    s->segmented = s->kind == FUZZ_PROT16 || is_real(m) || ((s->kind == FUZZ_PROT32 || s->kind == FUZZ_COMPAT)
                                                            && one_in(m, 2));
    s->stack32 = !is_real(m) && (s->bits != 16 ? !s->segmented || !one_in(m, 4) : one_in(m, 4));
    s->paging = s->kind == FUZZ_REAL ? PAGING_NONE : s->kind == FUZZ_LONG || s->kind == FUZZ_COMPAT
                ? PAGING_LONG : below(m, 3);
    s->floats = one_in(m, 3);
    s->vectors = one_in(m, 3);
    s->system = one_in(m, 2);
    s->steps = one_in(m, 6);
    s->changes = one_in(m, 2);
    s->slots = 6 + below(m, SLOTS_MAX - 6);
    s->toggle = s->paging != PAGING_NONE && one_in(m, 2) ? 1 + below(m, 2) : 0;
}

/* --- segments --- */
/* A data segment that has most of the data in it, from the start or up to the end. */
static void data_segment(Maker *m, unsigned seg, unsigned selector, bool tame)
{
    uint32_t base, limit, attr = 0x93 | (m->s->user ? 0x60 : 0);
    bool down = !tame && !is_real(m) && one_in(m, 4);

    base = FUZZ_DATA - 16 * below(m, 0x800);
    limit = FUZZ_DATA + FUZZ_DATA_SIZE - 1 - base;
    if (!tame && one_in(m, 3))
        limit -= below(m, 0x2000);
    if (is_real(m))
        limit = 0xffff;                 /* what IRET makes of it in virtual-8086 mode */
    if (m->s->kind == FUZZ_REAL && one_in(m, 4))
        limit = 0xffffffff;
    if (down) {
        limit = one_in(m, 2) ? FUZZ_DATA - base - 1 + below(m, 0x100) : below(m, 0x1000);
        attr |= 4;
    }
    if (!tame && !is_real(m) && one_in(m, 8))
        attr &= ~2u;                    /* read only */
    if (!is_real(m) && (down || one_in(m, 2)))
        attr |= 0x400;
    if (!m->s->segmented || m->s->kind == FUZZ_LONG) {
        base = 0;
        limit = 0xffffffff;
        attr = 0xc93 | (m->s->user ? 0x60 : 0);
    }
    if (limit > 0xfffff)
        attr |= 0x800;
    m->s->base[seg] = base;
    if (is_real(m))
        selector = base >> 4;
    else
        gdt_set(m->g, selector, base, limit, attr);
    m->g->s.seg[seg] = segment(is_real(m) ? selector : selector | (m->s->user ? 3u : 0), base, limit,
                               m->s->kind == FUZZ_V86 ? 0xf3 : attr);
}

static void stack_segment(Maker *m)
{
    uint32_t base = 0, limit = 0xffffffff, attr = 0x93 | (m->s->user ? 0x60 : 0);
    unsigned selector = FUZZ_SS;

    if (m->s->segmented) {
        base = FUZZ_STACK - 0x8000 + 0x100 * below(m, 4);
        limit = 0xffff;
    }
    attr |= (m->s->stack32 ? 0x400 : 0) | (limit > 0xfffff ? 0x800 : 0);
    m->s->base[SEG_SS] = base;
    if (is_real(m))
        selector = base >> 4;
    else
        gdt_set(m->g, selector, base, limit, attr);
    m->g->s.seg[SEG_SS] = segment(is_real(m) ? selector : selector | (m->s->user ? 3u : 0), base, limit,
                                  m->s->kind == FUZZ_V86 ? 0xf3 : attr);
}

/* The program lies across a page boundary, mostly. */
static void code_segment(Maker *m)
{
    FuzzSetup *s = m->s;
    unsigned size = s->slots * SLOT + 32;
    uint32_t at = FUZZ_CODE + 0x1000 * (1 + below(m, 2)) - below(m, one_in(m, 3) ? 0x800 : size), base = 0;
    uint32_t limit = 0xffffffff, attr = 0x9b | (s->user ? 0x60 : 0);
    unsigned selector = FUZZ_CS;

    if (s->segmented) {
        base = FUZZ_CODE - 16 * below(m, 0x100);
        limit = 0xffff;
        if (s->kind != FUZZ_V86 && (s->kind == FUZZ_REAL || below(m, 3)))
            limit = at + size - 1 - base + below(m, 64);
    }
    attr |= s->bits == 64 ? 0x200 : s->bits == 32 ? 0x400 : 0;
    attr |= limit > 0xfffff ? 0x800 : 0;
    s->base[SEG_CS] = base;
    s->start = at - base;
    if (is_real(m))
        selector = base >> 4;
    else
        gdt_set(m->g, selector, base, limit, attr);
    m->g->s.seg[SEG_CS] = segment(is_real(m) ? selector : selector | (s->user ? 3u : 0), base, limit,
                                  s->kind == FUZZ_V86 ? 0xf3 : s->kind == FUZZ_REAL ? 0x93 : attr);
    /* GS: the same as data */
    if (s->bits == 64 || !s->segmented)
        base = FUZZ_CODE;
    limit = is_real(m) ? 0xffff : 0x3fff + (s->segmented ? FUZZ_CODE - base : 0);
    attr = 0x493 | (s->user ? 0x60 : 0);
    if (is_real(m))
        attr = s->kind == FUZZ_V86 ? 0xf3 : 0x93;
    else
        gdt_set(m->g, FUZZ_GS, base, limit, attr);
    s->base[SEG_GS] = base;
    m->g->s.seg[SEG_GS] = segment(is_real(m) ? base >> 4 : FUZZ_GS | (s->user ? 3u : 0), base, limit, attr);
}

static void loop_segment(Maker *m)
{
    unsigned attr = 0x493 | (m->s->user ? 0x60 : 0), selector = FUZZ_FS | (m->s->user ? 3 : 0), limit = 0xfff;

    if (is_real(m)) {
        attr = m->s->kind == FUZZ_V86 ? 0xf3 : 0x93;
        selector = FUZZ_LOOP >> 4;
        limit = 0xffff;
    } else {
        gdt_set(m->g, FUZZ_FS, FUZZ_LOOP, limit, attr);
    }
    m->s->base[SEG_FS] = FUZZ_LOOP;
    m->g->s.seg[SEG_FS] = segment(selector, FUZZ_LOOP, limit, attr);
}

/* --- paging --- */
static unsigned data_page_flags(Maker *m)
{
    static const uint8_t flags[] = { 7, 7, 7, 0x67, 0x27, 5, 0x25, 3, 1, 0, 6, 0x47 };

    return flags[below(m, one_in(m, 2) ? 5 : sizeof flags)];
}

static unsigned page_of(Maker *m, unsigned n, uint64_t *entry)
{
    unsigned at = n << 12, flags = 7;

    if (at >= FUZZ_DATA && at < FUZZ_DATA + FUZZ_DATA_SIZE) {
        flags = data_page_flags(m);
        if (one_in(m, 10))              /* the same memory at two places */
            at = FUZZ_DATA;
    } else if (at >= FUZZ_ALIAS && at < FUZZ_ALIAS + FUZZ_CODE_SIZE) {
        at += FUZZ_CODE - FUZZ_ALIAS;
    } else if (at > FUZZ_DATA && at < FUZZ_CODE) {
        flags = 0;
    } else if (at >= FUZZ_CODE && at < FUZZ_CODE + FUZZ_CODE_SIZE) {
        flags = one_in(m, 6) ? data_page_flags(m) : 7;
    } else if (at < FUZZ_LOOP && !(m->s->kind == FUZZ_V86 && (!at || at == STUBS))) {
        /* tables and handlers: the supervisor's */
        flags = m->s->interrupted ? 0x63 : 3;
    }
    *entry = at | flags;
    return flags;
}

static void build_pages(Maker *m)
{
    bool small = m->s->paging == PAGING_32;
    Guest *g = m->g;

    for (unsigned n = 0; n < 512; n++) {
        uint64_t entry;

        page_of(m, n, &entry);
        if (!small && (entry & 1) && n << 12 >= FUZZ_DATA && n << 12 < FUZZ_CODE)
            entry |= 1ull << 63;
        if (small)
            put(g, FUZZ_PT + n * 4, (uint32_t)entry);
        else
            put_wide(g, PT_AT + n * 8, entry);
    }
    put(g, FUZZ_PD, FUZZ_PT | 7);
    put_wide(g, FUZZ_PDPT, PD_AT | 1);
    put_wide(g, PML4_AT, PDPT_AT | 7);
    put_wide(g, PDPT_AT, PD_AT | 7);
    put_wide(g, PD_AT, PT_AT | 7);
    put(g, FUZZ_VARS + VAR_PT, small ? FUZZ_PT : PT_AT);
    put(g, FUZZ_VARS + VAR_PT_SHIFT, small ? 2 : 3);
}

static void control_registers(Maker *m)
{
    VcpuState *s = &m->g->s;

    s->cr0 = 0x32 | (m->s->kind == FUZZ_REAL ? 0 : 1);
    s->cr0 |= one_in(m, 8) ? 8 : 0;
    s->cr4 = 0x40600;
    s->efer = 0;
    if (m->s->paging != PAGING_NONE)
        s->cr0 |= 0x80000000;
    if (below(m, 3))
        s->cr0 |= 0x10000;              /* WP */
    if (m->s->paging == PAGING_PAE || m->s->paging == PAGING_LONG) {
        s->cr4 |= 0x20;
        s->efer |= 0x800;
    }
    if (m->s->paging == PAGING_LONG)
        s->efer |= 0x500;
    s->cr3 = m->s->paging == PAGING_32 ? FUZZ_PD : m->s->paging == PAGING_PAE ? FUZZ_PDPT : PML4_AT;
    if (m->s->user && one_in(m, 4)) {
        s->cr0 |= 0x40000;              /* AM, with AC below */
        s->rflags |= one_in(m, 2) ? 0x40000 : 0;
    }
    if (m->s->kind == FUZZ_V86 && one_in(m, 3))
        s->cr4 |= 1;
    s->xcr0 = 7;
}

/* --- handlers --- */
static void build_handlers(Maker *m)
{
    unsigned long_mode = m->s->paging == PAGING_LONG;
    Guest *g = m->g;

    if (m->s->kind == FUZZ_REAL) {
        memcpy(g->ram + FUZZ_HANDLERS, fuzz_handlers16, (size_t)(fuzz_handlers16_end - fuzz_handlers16));
        for (unsigned n = 0; n < VECTORS; n++)
            put(g, n * 4, (FUZZ_HANDLERS >> 4) << 16 | n * 16);
        return;
    }
    if (long_mode)
        memcpy(g->ram + FUZZ_HANDLERS, fuzz_handlers64, (size_t)(fuzz_handlers64_end - fuzz_handlers64));
    else
        memcpy(g->ram + FUZZ_HANDLERS, fuzz_handlers32, (size_t)(fuzz_handlers32_end - fuzz_handlers32));
    for (unsigned n = 0; n < VECTORS; n++)
        idt_gate(g, n, long_mode ? K64 : K32, FUZZ_HANDLERS + n * 16, 14, n == 3 || n == 4 || n >= 0x30 ? 3 : 0,
                 long_mode && !m->s->interrupted && one_in(m, 3) ? 1 : 0);
    if (m->s->kind == FUZZ_V86)         /* for VME's redirection */
        for (unsigned n = 0; n < VECTORS; n++)
            put(g, n * 4, (STUBS >> 4) << 16 | n * 16);
}

static void variables(Maker *m)
{
    FuzzSetup *s = m->s;
    Guest *g = m->g;
    uint64_t at = FUZZ_VARS;

    put(g, at + VAR_START, (uint32_t)s->start);
    put(g, at + VAR_SIZE, s->slots * SLOT + 32);
    put(g, at + VAR_TAIL, s->slots * SLOT);
    put(g, at + VAR_LOG_AT, s->kind == FUZZ_REAL ? 0 : FUZZ_LOG);
    put(g, at + VAR_DEBUGS, 40);
    put(g, at + VAR_REPAIRS, below(m, 12));
    put(g, at + VAR_SP_MASK, s->user || s->stack32 ? 0xffffffff : 0xffff);
    put(g, at + VAR_TOGGLE, s->toggle);
    put(g, at + VAR_CS, g->s.seg[SEG_CS].selector);
    put(g, FUZZ_LOOP, TURNS);
    put(g, FUZZ_LOOP + 4, 10);
}

/* --- registers --- */
static void debug_registers(Maker *m)
{
    VcpuState *s = &m->g->s;

    s->dr[6] = 0xffff0ff0;
    s->dr[7] = 0x400;
    if (!m->s->steps)
        return;
    if (one_in(m, 3))
        s->rflags |= F_TF;
    for (unsigned n = 0; n < 4; n++) {
        if (one_in(m, 2))
            s->dr[n] = FUZZ_CODE + below(m, FUZZ_CODE_SIZE);
        else
            s->dr[n] = FUZZ_DATA + below(m, FUZZ_DATA_SIZE);
        if (m->s->bits != 64 || one_in(m, 2))
            s->dr[n] = m->s->base[SEG_CS] + m->s->start + below(m, m->s->slots * SLOT);
    }
    if (one_in(m, 2))
        s->dr[7] |= below(m, 256) | (uint64_t)(rng_next(m->r) & 0xffff) << 16;
}

static void x87_state(Maker *m)
{
    VcpuState *s = &m->g->s;
    unsigned cw = 0x7f | below(m, 16) << 8, sw = below(m, 8) << 11 | below(m, 8) << 8, mxcsr = 0x1f80;
    uint64_t bv = 7;

    if (one_in(m, 8))
        cw ^= 1u << below(m, 6);
    if (one_in(m, 8))
        sw |= below(m, 64);
    if (one_in(m, 4))
        mxcsr |= below(m, 64);
    if (one_in(m, 6))
        mxcsr = (unsigned)rng_next(m->r) & 0xffff;
    memset(s->xsave, 0, sizeof s->xsave);
    memcpy(s->xsave, &cw, 2);
    memcpy(s->xsave + 2, &sw, 2);
    s->xsave[4] = (uint8_t)(one_in(m, 2) ? 0 : below(m, 256));
    memcpy(s->xsave + 24, &mxcsr, 4);
    for (unsigned n = 0; n < 8; n++) {
        uint64_t mantissa = rng_next(m->r) | (below(m, 8) ? 1ull << 63 : 0);
        uint16_t exponent = (uint16_t)(one_in(m, 2) ? rng_next(m->r)
                                       : 0x3ff0 + below(m, 32) + (below(m, 2) << 15));

        memcpy(s->xsave + 32 + 16 * n, &mantissa, 8);
        memcpy(s->xsave + 40 + 16 * n, &exponent, 2);
    }
    for (unsigned n = 160; n < 416; n++)
        s->xsave[n] = (uint8_t)rng_next(m->r);
    memcpy(s->xsave + 512, &bv, 8);
    for (unsigned n = 576; n < 832; n++)
        s->xsave[n] = (uint8_t)rng_next(m->r);
    s->xsave_size = 832;
}

static unsigned keep_register(const Maker *m)
{
    static const uint8_t wide[] = { 14, 13, 12, 5, 3, 9, 11 }, narrow[] = { 3, 5, 6, 7 };

    return m->s->bits == 64 ? wide[rng_below(m->r, sizeof wide)] : narrow[rng_below(m->r, sizeof narrow)];
}

static void registers(Maker *m)
{
    FuzzSetup *s = m->s;
    VcpuState *v = &m->g->s;
    unsigned seg;

    for (unsigned n = 0; n < 16; n++) {
        v->gpr[n] = below(m, 4) ? rng_next(m->r) : below(m, 3);
        if (s->bits != 64)
            v->gpr[n] = n < 8 ? (uint32_t)v->gpr[n] : 0;
    }
    s->keep = keep_register(m);
    s->keep_at = FUZZ_DATA + below(m, FUZZ_DATA_SIZE);
    seg = s->keep == 5 ? SEG_SS : SEG_DS;
    if (s->bits == 64 || !s->segmented)
        v->gpr[s->keep] = s->keep_at;
    else
        v->gpr[s->keep] = (uint32_t)(s->keep_at - s->base[seg]) & (s->bits == 16 && one_in(m, 2) ? 0xffff : ~0u);
    v->gpr[4] = FUZZ_STACK - 2 * below(m, 200) - s->base[SEG_SS];
    if (s->segmented && !s->stack32)
        v->gpr[4] = (v->gpr[4] & 0xffff) | (s->kind == FUZZ_REAL ? 0 : below(m, 2) << 16);
    v->rip = s->start;
    v->rflags |= 2 | (rng_next(m->r) & 0x8d5) | (one_in(m, 6) ? 0x400 : 0) | (below(m, 4) ? 0x200 : 0);
    if (s->user)
        v->rflags |= one_in(m, 3) ? 0x3000 : 0;
    if (s->kind == FUZZ_V86)
        v->rflags |= F_VM;
}

static void system_state(Maker *m)
{
    VcpuState *v = &m->g->s;

    v->gdt_base = GDT_AT;
    v->gdt_limit = FUZZ_GDT_BYTES - 1;
    v->idt_base = m->s->kind == FUZZ_REAL ? 0 : IDT_AT;
    v->idt_limit = m->s->kind == FUZZ_REAL ? 0x3ff : m->s->paging == PAGING_LONG ? 0xfff : 0x7ff;
    v->ldtr = segment(0, 0, 0, SEG_ATTR_UNUSABLE);
    v->tr = segment(TSS, TSS_AT, 0x6f + 0x100, 0x8b);
    v->halted = v->nmi_blocked = v->sti_shadow = v->mov_ss_shadow = v->pending_event = 0;
    v->cr2 = 0;
}

static void build(Guest *g, FuzzSetup *s, Rng *r)
{
    Maker m = { g, s, r };

    memset(g->ram, 0, 0x1000);
    memset(g->ram + FUZZ_HANDLERS, 0, FUZZ_END - FUZZ_HANDLERS);
    if (s->paging == PAGING_LONG)
        guest_long(g);
    else
        guest_prot(g);
    if (s->paging != PAGING_LONG) {     /* guest_long() puts another TSS there */
        g->wide_idt = false;
        memset(g->ram + TSS_AT, 0, 0x68);
        put(g, TSS_AT + 4, STACK0);
        put(g, TSS_AT + 8, KDATA);
        put(g, TSS_AT + 100, 0x88 << 16);
        memset(g->ram + TSS_AT + 0x68, rng_below(r, 2) ? 0xff : 0, 0x100);
    }
    g->s.rflags = 2;
    system_state(&m);
    code_segment(&m);
    stack_segment(&m);
    data_segment(&m, SEG_DS, FUZZ_DS, true);
    data_segment(&m, SEG_ES, FUZZ_ES, false);
    loop_segment(&m);
    build_pages(&m);
    control_registers(&m);
    build_handlers(&m);
    variables(&m);
    registers(&m);
    debug_registers(&m);
    x87_state(&m);
    for (unsigned n = 0; n < FUZZ_DATA_SIZE; n += 8)
        put_wide(g, FUZZ_DATA + n, below(&m, 4) ? rng_next(r) : below(&m, 4));
    memset(g->ram + STACK0 - 0x1000, 0, 0x1000);
    memset(g->ram + STACK_IST - 0x1000, 0, 0x1000);
    memset(g->ram + FUZZ_CODE, 0xcc, 0x10000);      /* for jumps that go wild */
}

void fuzz_setup(Guest *g, FuzzSetup *s, Rng *r)
{
    choose(&(Maker){ g, s, r });
    build(g, s, r);
}

void fuzz_setup_interrupted(Guest *g, FuzzSetup *s, Rng *r, unsigned turns)
{
    static const uint8_t handler32[] = { 0xe6, PORT_LOOK, 0xcf }, handler64[] = { 0xe6, PORT_LOOK, 0x48, 0xcf };

    do {
        choose(&(Maker){ g, s, r });
        /* IRET to a 16-bit stack leaves the upper half of the handler's ESP there. */
    } while ((!s->user && s->paging != PAGING_LONG) || (!s->stack32 && s->kind != FUZZ_V86));
    s->steps = s->system = false;
    s->interrupted = true;
    memcpy(g->ram + STUBS + DONE * 16, "\xf4\xeb\xfd", 3);      /* hlt, again and again: NMI ends it */
    build(g, s, r);
    g->s.rflags |= F_IF;
    for (unsigned n = 0; n < 2; n++) {
        unsigned vector = n ? NMI : LOOK_VECTOR, long_mode = s->paging == PAGING_LONG;

        memcpy(g->ram + FUZZ_HANDLERS + vector * 16, long_mode ? handler64 : handler32,
               long_mode ? sizeof handler64 : sizeof handler32);
        if (!s->user)                   /* not on the program's stack, and NMI not on the other's */
            idt_gate(g, vector, K64, FUZZ_HANDLERS + vector * 16, 14, n ? 0 : 3, 1 + n);
    }
    if (!s->user)
        put_wide(g, TSS_AT + 44, STACK_IST - 0x800);
    put(g, FUZZ_LOOP, turns);
}

void fuzz_describe(const FuzzSetup *s, char *text, size_t size)
{
    static const char *const kinds[] = { "real", "V86", "16-bit protected", "32-bit", "64-bit", "compatibility" };
    static const char *const paging[] = { "no paging", "2 levels", "PAE", "4 levels" };

    snprintf(text, size, "%s %u-bit code at %lx:%lx, %s%s%s%s, %u slots%s%s%s%s%s",
             kinds[s->kind], s->bits, s->base[SEG_CS],
             s->start, paging[s->paging],
             s->user ? ", ring 3" : "", s->segmented ? ", segments" : "", s->stack32 ? ", ESP" : "", s->slots,
             s->floats ? ", x87" : "", s->vectors ? ", vectors" : "", s->system ? ", system" : "",
             s->steps ? ", debug" : "", s->changes ? ", changes" : "");
}

uint64_t fuzz_hash(uint64_t h, const void *p, size_t n)
{
    const uint8_t *b = p;

    for (; n >= 8; n -= 8, b += 8) {
        uint64_t v;
        memcpy(&v, b, 8);
        h = (h ^ v) * 0x9e3779b97f4a7c15ull;
        h ^= h >> 29;
    }
    return h;
}
