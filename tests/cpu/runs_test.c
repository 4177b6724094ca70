/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * runs_test.c - loops over memory whose turns translated code works out beforehand (jit/runs.c): random ones,
 * with strides, masks, tables and numbers that wrap, over pages that are elsewhere, the same, read-only
 * or absent, while another thread interrupts them.  The interpreter is the oracle.
 *
 * GH_RUNS_SEED=N makes other loops, GH_RUNS_ROUNDS=N more.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "hypervisor/soft/core.h"
#include "hypervisor/soft/jit/jit.h"
#include "tests/cpu/random.h"
#include "tests/cpu/sys_guest.h"

enum { PROGRAMS = 5000, DATA = 0x40000, PAGES = 8, SPAN = PAGES << 12, PTE = 0x63, CODE_MAX = 512 };
enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, NONE = 16 };

typedef struct Maker {
    Rng *r;
    bool wide;                  /* 64-bit mode */
    uint8_t code[CODE_MAX];
    unsigned len;
    uint64_t gpr[16];
    unsigned fixed;             /* registers that stay the same and are free: bits */
} Maker;

static unsigned below(Maker *m, unsigned n) { return rng_below(m->r, n); }
static bool one_in(Maker *m, unsigned n) { return rng_one_in(m->r, n); }
static void b8(Maker *m, unsigned v) { m->code[m->len++] = (uint8_t)v; }

static void b32(Maker *m, uint32_t v)
{
    memcpy(m->code + m->len, &v, 4);
    m->len += 4;
}

/* prefix (0: none), REX, map 0F if so, op, ModRM for reg and memory or, with base NONE, register index. */
static void insn(Maker *m, unsigned prefix, unsigned size, bool of, unsigned op, unsigned reg, unsigned base,
                 unsigned index, unsigned scale, int32_t disp)
{
    unsigned rm = base == NONE ? index : base, x = base == NONE || index == NONE ? 0 : index >> 3;
    unsigned rex = (size == 8 ? 8 : 0) | (reg >> 3) << 2 | x << 1 | rm >> 3;

    if (prefix)
        b8(m, prefix);
    if (size == 2)
        b8(m, 0x66);
    if (m->wide && (rex || size == 1))
        b8(m, 0x40 | rex);
    if (of)
        b8(m, 0x0f);
    b8(m, op);
    if (base == NONE) {
        b8(m, 0xc0 | (reg & 7) << 3 | (rm & 7));
        return;
    }
    b8(m, 0x84 | (reg & 7) << 3);
    b8(m, scale << 6 | (index == NONE ? 4 : index & 7) << 3 | (base & 7));
    b32(m, (uint32_t)disp);
}

static unsigned word(Maker *m) { return m->wide && one_in(m, 2) ? 8 : 4; }

/* A register of the two kinds: what moves and what is anything. */
static unsigned mover(Maker *m)
{
    static const uint8_t regs[] = { RSI, RDI, RDX, R12, R14 };

    return regs[below(m, m->wide ? 5 : 3)];
}

static unsigned any(Maker *m)
{
    static const uint8_t regs[] = { RAX, R8, R10 };

    return regs[below(m, m->wide ? 3 : 1)];
}

static unsigned fixed(Maker *m)
{
    for (unsigned k = 0; k < 40; k++) {
        unsigned r = below(m, m->wide ? 16 : 8);

        if (m->fixed >> r & 1) {
            m->fixed &= ~(1u << r);
            return r;
        }
    }
    return NONE;
}

static uint64_t cut(const Maker *m, uint64_t v) { return m->wide ? v : (uint32_t)v; }

/* One access of some kind at base and index. */
static void access(Maker *m, unsigned base, unsigned index, unsigned scale, int32_t disp)
{
    static const uint8_t alu[] = { 0x03, 0x01, 0x33, 0x29, 0x2b, 0x3b };
    unsigned size = 1u << below(m, m->wide ? 4 : 3);

    switch (below(m, 9)) {
    case 0: insn(m, 0, word(m), true, 0xb6 + below(m, 2), any(m), base, index, scale, disp); break;
    case 1: insn(m, 0, size, false, size == 1 ? 0x8a : 0x8b, any(m), base, index, scale, disp); break;
    case 2: insn(m, 0, size, false, size == 1 ? 0x88 : 0x89, any(m), base, index, scale, disp); break;
    case 3: insn(m, 0, size < 4 ? 4 : size, false, alu[below(m, 6)], any(m), base, index, scale, disp); break;
    case 4: insn(m, 0, 0, true, 0x10 + below(m, 2), below(m, 8), base, index, scale, disp); break;   /* MOVUPS */
    case 5: insn(m, 0, 0, true, 0x28 + below(m, 2), below(m, 8), base, index, scale, disp); break;   /* MOVAPS */
    case 6: insn(m, 0x66, 0, true, 0xfe, below(m, 8), base, index, scale, disp); break;              /* PADDD */
    case 7: insn(m, 0, size, false, size == 1 ? 0xfe : 0xff, below(m, 2), base, index, scale, disp); break;
    case 8: insn(m, 0xf3, 0, true, 0x10 + below(m, 2), below(m, 8), base, index, scale, disp); break;    /* MOVSS */
    }
}

/* Somewhere in the data, mostly; with an alignment now and then. */
static uint64_t place(Maker *m)
{
    uint64_t at = DATA + (one_in(m, 4) ? below(m, SPAN) : below(m, SPAN / 0x1000) * 0x1000u + 0x1000 - below(m, 300));

    return one_in(m, 3) ? at & ~15ull : at;
}

/* By a pointer that moves, or by a base that stays and an index: that which moves, part of it, or anything. */
static void walk(Maker *m)
{
    unsigned reg = mover(m), base = fixed(m), scale = below(m, 4), size = word(m);
    uint64_t v = m->gpr[reg];

    if (base == NONE || one_in(m, 4)) {
        if (reg == RSI || reg == RDI)
            access(m, reg, NONE, 0, (int32_t)below(m, 64) - 32);
        return;
    }
    switch (below(m, 7)) {
    case 0:                             /* a part */
        insn(m, 0, size, true, 0xb7, RCX, NONE, reg, 0, 0);
        v = (uint16_t)v;
        break;
    case 1:
        insn(m, 0, 4, false, 0x8b, RCX, NONE, reg, 0, 0);
        insn(m, 0, 4, false, 0x81, 4, NONE, RCX, 0, 0);
        b32(m, (2u << below(m, 14)) - 1);
        v = 0;
        break;
    case 2:
        insn(m, 0, 4, false, 0x8b, RCX, NONE, reg, 0, 0);
        v = (uint32_t)v;
        break;
    case 3:
        if (m->wide) {
            insn(m, 0, 8, false, 0x63, RCX, NONE, reg, 0, 0);
            v = (uint64_t)(int64_t)(int32_t)v;
            break;
        }
        /* fall through */
    case 4:                             /* a table */
        if (one_in(m, 2)) {
            insn(m, 0, 4, true, 0xb6, RCX, NONE, RAX, 0, 0);
        } else {
            insn(m, 0, size, false, 0x8b, RCX, NONE, RAX, 0, 0);
            insn(m, 0, size, false, 0xc1, 5, NONE, RCX, 0, 0);
            b8(m, one_in(m, 3) ? below(m, 256) : size * 8 - 12 + below(m, 14));    /* its low bits count */
        }
        v = 0;
        break;
    case 5:
        insn(m, 0, size, false, 0x8d, RCX, reg, NONE, 0, (int32_t)below(m, 512) - 256);
        v = size == 4 ? (uint32_t)v : v;
        break;
    default:
        m->gpr[base] = cut(m, place(m) - (v << scale));
        access(m, base, reg, scale, (int32_t)below(m, 64) - 32);
        return;
    }
    m->gpr[base] = cut(m, place(m) - (v << scale));
    access(m, base, RCX, scale, (int32_t)below(m, 64) - 32);
}

static void step(Maker *m, unsigned reg)
{
    unsigned size = reg == RSI || reg == RDI ? (m->wide ? 8 : 4) : word(m);
    int by = one_in(m, 3) ? (int)below(m, 300) - 150 : one_in(m, 2) ? 1 << below(m, 5) : -(1 << below(m, 5));

    switch (below(m, 4)) {
    case 0:
        insn(m, 0, size, false, 0x81, one_in(m, 2) ? 0 : 5, NONE, reg, 0, 0);
        b32(m, (uint32_t)by);
        break;
    case 1: insn(m, 0, size, false, 0xff, below(m, 2), NONE, reg, 0, 0); break;
    case 2: insn(m, 0, size, false, 0x8d, reg, reg, NONE, 0, by); break;
    case 3:
        insn(m, 0, size, false, 0x83, one_in(m, 2) ? 0 : 5, NONE, reg, 0, 0);
        b8(m, (unsigned)by & 127);
        break;
    }
}

/* A register becomes something else, as a whole or in part; there and elsewhere. */
static void change(Maker *m)
{
    static const uint8_t regs[] = { RAX, RCX, RDX, RSI, RDI, RBX, R12, R14, R8, R9 };
    unsigned to = one_in(m, 2) ? RCX : regs[below(m, m->wide ? 10 : 6)], from = regs[below(m, m->wide ? 10 : 6)];
    unsigned size = one_in(m, 3) ? 2 : word(m), k = below(m, 24);

    switch (k) {
    case 0: insn(m, 0, 2, false, 0x83, one_in(m, 2) ? 0 : 5, NONE, to, 0, 0); b8(m, below(m, 128)); break;
    case 1: insn(m, 0, 2, false, 0xff, below(m, 2), NONE, to, 0, 0); break;
    case 2: insn(m, 0, 0, false, 0x80, 0, NONE, to & 7, 0, 0); b8(m, below(m, 256)); break;   /* AH and its like */
    case 3: insn(m, 0, 0, false, 0x88, from & 7, NONE, to & 7, 0, 0); break;
    case 4: insn(m, 0, 1, false, 0xfe, 0, NONE, to, 0, 0); break;
    case 5: insn(m, 0, size, true, 0x40 + below(m, 16), to, NONE, from, 0, 0); break;           /* CMOVcc */
    case 6: insn(m, 0, size, false, 0x87, to, NONE, from, 0, 0); break;                        /* XCHG */
    case 7: insn(m, 0, size, true, 0xc1, to, NONE, from, 0, 0); break;                         /* XADD */
    case 8: insn(m, 0, size, true, 0xb1, to, NONE, from, 0, 0); break;                         /* CMPXCHG */
    case 9: insn(m, 0, size, true, 0xbc + below(m, 2), to, NONE, from, 0, 0); break;           /* BSF, BSR */
    case 10: insn(m, 0, 1, true, 0x90 + below(m, 16), 0, NONE, to, 0, 0); break;               /* SETcc */
    case 11: insn(m, 0, size, false, 0x8d, to, from, one_in(m, 2) ? RDX : RSI, below(m, 4), 4); break;
    case 12: insn(m, 0x67, m->wide ? word(m) : 4, false, 0x8d, to, one_in(m, 2) ? to : from, NONE, 0, 8); break;
    case 13: insn(m, 0, m->wide ? size : 4, false, m->wide ? 0x63 : 0x8b, to, NONE, from, 0, 0); break;
    case 14: insn(m, 0, size, false, 0xf7, 4 + below(m, 2), NONE, from, 0, 0); break;          /* MUL */
    case 15: insn(m, 0, size, false, 0xd3, 4 + below(m, 2), NONE, to, 0, 0); break;            /* by CL */
    case 16: insn(m, 0, size, false, 0xc1, one_in(m, 2) ? 7 : 5, NONE, to, 0, 0); b8(m, below(m, 256)); break;
    case 17: insn(m, 0x66, word(m), true, 0x7e, below(m, 8), NONE, to, 0, 0); break;           /* MOVD */
    case 18: insn(m, 0x66, 0, true, 0xd7, to, NONE, below(m, 8), 0, 0); break;                 /* PMOVMSKB */
    case 19: insn(m, 0xf2, word(m), true, 0x2d, to, NONE, below(m, 8), 0, 0); break;           /* CVTSD2SI */
    case 20:
        insn(m, 0, word(m), false, 0x81, 4, NONE, to, 0, 0);                                   /* AND */
        b32(m, (uint32_t)rng_next(m->r) >> below(m, 32));
        break;
    case 21: insn(m, 0, size, true, 0xb6 + below(m, 2) + (one_in(m, 2) ? 8 : 0), to, NONE, from, 0, 0); break;
    case 22: insn(m, 0, size, false, one_in(m, 2) ? 0x89 : 0x8b, to, NONE, from, 0, 0); break;
    case 23:                                                            /* ADD or SUB to the accumulator */
        insn(m, 0, size, false, one_in(m, 2) ? 0x05 : 0x2d, 0, NONE, 0, 0, 0);
        m->len--;
        b32(m, below(m, 200));
        if (size == 2)
            m->len -= 2;
        break;
    }
}

/* dec, jnz or add, cmp, jne with the same number of turns. */
static void branch(Maker *m, unsigned turns)
{
    unsigned size = word(m), counter = m->wide && one_in(m, 2) ? R15 : RBP;
    bool down = one_in(m, 2);

    m->gpr[counter] = down ? turns : 0;
    if (down) {
        insn(m, 0, size, false, 0xff, 1, NONE, counter, 0, 0);
    } else {
        insn(m, 0, size, false, 0x83, 0, NONE, counter, 0, 0);
        b8(m, 1);
        if (one_in(m, 3))
            access(m, RBX, NONE, 0, 0);
        insn(m, 0, size, false, 0x81, 7, NONE, counter, 0, 0);
        b32(m, turns);
    }
    b8(m, 0x0f);
    b8(m, 0x85);
    b32(m, -(m->len + 4));
}

static void make(Maker *m, bool wide, Rng *r)
{
    static const uint64_t odd[] = { 0, 0xffffff00, 0xffffffffffffff80, 0x7fffffc0, 0xffff, 0x80000000, 0xff };

    *m = (Maker){ .r = r, .wide = wide,
                  .fixed = wide ? 1u << RBX | 1u << R9 | 1u << R11 | 1u << R13 : 1u << RBX };
    for (unsigned k = 0; k < 16; k++)
        m->gpr[k] = cut(m, rng_next(r));
    m->gpr[RSI] = place(m);
    m->gpr[RDI] = place(m);
    m->gpr[RBX] = place(m);
    m->gpr[RDX] = cut(m, odd[below(m, 7)] + below(m, 3));
    m->gpr[R12] = odd[below(m, 7)];
    m->gpr[R14] = rng_next(r);
    m->gpr[RSP] = STACK0;
    if (one_in(m, 3))
        m->gpr[RAX] = below(m, 4);
    for (unsigned k = 1 + below(m, 5), changes = one_in(m, 3) ? 3 : 0; k--;) {
        if (changes && one_in(m, changes))
            change(m);
        walk(m);
        if (one_in(m, 2))
            step(m, mover(m));
    }
    for (unsigned k = below(m, 3); k--;)
        step(m, mover(m));
    for (unsigned k = one_in(m, 3) ? 2 : 0; k--;)       /* a group, part of it behind the loop */
        access(m, RBX, NONE, 0, (int32_t)below(m, 64));
    branch(m, 2 + below(m, one_in(m, 3) ? 4000 : 300));
    for (unsigned k = below(m, 3); k--;)
        access(m, RBX, NONE, 0, (int32_t)below(m, 64));
    b8(m, 0xf4);                        /* HLT */
}

/* --- runs --- */
typedef struct End {
    enum VcpuStop stop;
    VcpuState s;
    uint8_t data[SPAN], frame[64];
} End;

typedef struct Setup {
    uint64_t entry[PAGES];
    const Maker *m;
    VcpuState s;                /* before all of it */
    uint8_t data[SPAN];
} Setup;

static void *kick(void *arg)
{
    Guest *g = arg;

    while (!__atomic_load_n(&g->done_now, __ATOMIC_SEQ_CST)) {
        nanosleep(&(struct timespec){ .tv_nsec = 20000 }, NULL);
        engine_soft.kick(g->cpu, false);
    }
    return NULL;
}

/* What exceptions and the loop need; only what run() makes anew can be written to. */
static unsigned entry_of(unsigned page)
{
    if (page == STACK0 - 0x1000)
        return page | PTE;
    return page == GDT_AT || page == IDT_AT || page == (TSS_AT & ~0xfff) || page == STUBS || page == CODE
           ? page | (PTE & ~2u) : 0;
}

static void guest_paged32(Guest *g)
{
    guest_prot(g);
    ram_put(g, PD_AT, 4, PT_AT | PTE);
    for (unsigned n = 0; n < GUEST_RAM >> 12; n++)
        ram_put(g, PT_AT + n * 4, 4, n << 12 | PTE);
    g->s.cr3 = PD_AT;
    g->s.cr0 |= 1u << 31;
}

static void run(Guest *g, const Setup *s, unsigned warm, End *end)
{
    unsigned size = s->m->wide ? 8 : 4;
    enum VcpuStop stop;

    g->s = s->s;
    if (s->m->wide)
        guest_long(g);
    else
        guest_paged32(g);
    jit_set_warm(g->engine, warm);
    memset(g->ram + STACK0 - 0x1000, 0, 0x1000);
    memcpy(g->ram + DATA, s->data, SPAN);
    engine_soft.code_written(g->engine, DATA, SPAN);
    for (unsigned n = 0; n < 0x1000 / size; n++)        /* they go astray, but not to page tables and code */
        ram_put(g, PT_AT + n * size, size,
                n - (DATA >> 12) < PAGES ? s->entry[n - (DATA >> 12)] : entry_of(n << 12));
    guest_code(g, CODE, s->m->code, s->m->len);
    g->s.cr0 = (g->s.cr0 & ~0xcull) | 1 << 16;
    g->s.cr4 |= 0x600;
    memcpy(g->s.gpr, s->m->gpr, sizeof g->s.gpr);
    g->s.rip = CODE;
    g->s.halted = 0;
    engine_soft.set_state(g->cpu, &g->s);
    do {
        stop = engine_soft.run(g->cpu);
    } while (stop == VCPU_STOP_KICKED);
    cr_assert(stop == VCPU_STOP_HALTED || stop == VCPU_STOP_TRIPLE_FAULT, "stop %d", stop);
    end->stop = stop;                   /* a loop may have lost its stack */
    engine_soft.get_state(g->cpu, &g->s);
    end->s = g->s;
    memcpy(end->data, g->ram + DATA, SPAN);
    memcpy(end->frame, g->ram + STACK0 - sizeof end->frame, sizeof end->frame);
}

static void setup_make(Setup *s, Maker *m)
{
    bool sparse = one_in(m, 3);         /* numbers are small for long, and then one isn't */

    s->m = m;
    for (unsigned n = 0; n < SPAN; n += 8) {
        uint64_t v = !sparse ? rng_next(m->r) : one_in(m, 64) ? 1u << below(m, 15) : 0;

        memcpy(s->data + n, &v, 8);
    }
    for (unsigned n = 0; n < PAGES; n++) {
        unsigned other = one_in(m, 3) ? below(m, PAGES) : n;

        s->entry[n] = (DATA + other * 0x1000u) | (one_in(m, 20) ? PTE & ~2u : one_in(m, 20) ? PTE & ~1u : PTE);
    }
}

static void random_loops(bool wide)
{
    unsigned count = PROGRAMS * (unsigned)asked("GH_RUNS_ROUNDS", 1);
    Rng rng = { asked("GH_RUNS_SEED", 20261122) };
    static End first, second;
    static Setup setup;
    EngineCounter counters[ENGINE_COUNTERS];
    Guest *g = guest_new();
    pthread_t thread;
    Maker m;

    setup.s = g->s;
    cr_assert_eq(pthread_create(&thread, NULL, kick, g), 0);
    for (unsigned n = 0; n < count; n++) {
        make(&m, wide, &rng);
        setup_make(&setup, &m);
        run(g, &setup, UINT16_MAX, &first);
        run(g, &setup, 1, &second);
        if (first.stop != second.stop || memcmp(first.s.gpr, second.s.gpr, sizeof first.s.gpr) ||
            first.s.rip != second.s.rip || first.s.rflags != second.s.rflags || first.s.cr2 != second.s.cr2 ||
            memcmp(first.s.xsave, second.s.xsave, 416) || memcmp(first.data, second.data, SPAN) ||
            memcmp(first.frame, second.frame, sizeof first.frame)) {
            char hex[2 * CODE_MAX + 1];

            for (unsigned k = 0; k < m.len; k++)
                snprintf(hex + 2 * k, 3, "%02x", m.code[k]);
            for (unsigned k = 0; k < 16; k++)
                if (first.s.gpr[k] != second.s.gpr[k])
                    cr_log_error("register %u: %lx, translated %lx", k, first.s.gpr[k], second.s.gpr[k]);
            cr_log_error("rip %lx %lx flags %lx %lx cr2 %lx %lx", first.s.rip, second.s.rip, first.s.rflags,
                         second.s.rflags, first.s.cr2, second.s.cr2);
            cr_expect_fail("loop %u differs: %s", n, hex);
            break;
        }
    }
    __atomic_store_n(&g->done_now, 1, __ATOMIC_SEQ_CST);
    pthread_join(thread, NULL);
    engine_soft.counters(g->cpu, counters);
    if (getenv("GH_RUNS_VERBOSE"))
        cr_log_warn("%lu runs, %lu refused", counters[COUNT_RUNS].value, counters[COUNT_RUNS_REFUSED].value);
    cr_expect_gt(counters[COUNT_RUNS].value, count / 3);
    cr_expect_gt(counters[COUNT_RUNS_REFUSED].value, count / 4);
    guest_free(g);
}

Test(runs, loops_of_64_bit_code_come_out_the_same, .timeout = 0) { random_loops(true); }
Test(runs, loops_of_32_bit_code_come_out_the_same, .timeout = 0) { random_loops(false); }

extern const uint8_t k_run_moves[], k_run_moves_end[];
enum { MOVED = 0x48000, DEVICE = 0x60000, TURNS = 400, TURN_OF_DEVICE = 250 };

static void take_page(Guest *g, uint64_t page)
{
    g->types[page >> 12] = MEM_HOLE;
    engine_soft.memory_changed(g->engine, page, 0x1000);
}

static void moves(Guest *g)
{
    take_page(g, MOVED);
}

static Guest *moving_guest(void)
{
    Guest *g = guest_new();

    guest_long(g);
    g->on_read = moves;
    return g;
}

static Guest *moving;

static void prepare_moves(void)
{
    Guest *g = moving;

    take_page(g, DEVICE);
    for (unsigned n = 0; n < TURNS; n++) {
        ram_put(g, DATA + n * 8, 8, n == TURN_OF_DEVICE ? DEVICE : DATA);
        ram_put(g, MOVED + n * 8, 8, 1);
    }
    g->s.gpr[RBP] = DATA;
    g->s.gpr[RBX] = MOVED;
    g->s.gpr[RSI] = TURNS;
    g->s.gpr[RCX] = g->s.gpr[RDX] = 0;
}

Test(runs, a_run_is_over_when_a_device_was_asked)
{
    moving = moving_guest();
    guest_both_ways(&moving, moving_guest, &(Code){ CODE, k_run_moves, (size_t)(k_run_moves_end - k_run_moves) },
                    prepare_moves, -1);
    eq_hex(moving->s.gpr[RDX], TURN_OF_DEVICE + (uint64_t)(TURN_OF_DEVICE - TURNS));
    guest_free(moving);
}
