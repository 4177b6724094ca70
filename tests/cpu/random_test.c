/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * random_test.c - the translator against the interpreter: random programs, run by both from the same
 * state; registers, flags, vectors and memory must come out the same.
 *
 * A program is a loop of random instructions over all registers and one page and a half of data, with
 * branches over one instruction, ended by HLT.  R14 points to the data, R15 counts the turns, RSP is
 * a stack.  An exception ends it too, at its handler's HLT, and must be the same one at the same
 * place: the frame is in the compared memory.  GH_RANDOM_ROUNDS multiplies the programs; GH_RANDOM_INSNS is how
 * many instructions have to be compared at least.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hypervisor/soft/counters.h"
#include "hypervisor/soft/jit/jit.h"
#include "tests/cpu/sys_guest.h"
#include "tests/cpu/random.h"

enum { DATA = 0x40000, DATA_SIZE = 0x2000, TURNS = 12, LENGTH = 28, PROGRAMS = 1500, R14 = 14,
       R15 = 15, RSP = 4, NEVER = UINT16_MAX, LITTLE = 128 << 10,
       INSNS = 250000 };

typedef struct Program {
    uint8_t b[1024];
    unsigned len;
} Program;

static Rng rng = { 0x2545f4914f6cdd1dull };

static bool floats;             /* the program has x87 instructions */

static uint64_t random64(void) { return rng_next(&rng); }

static unsigned below(unsigned n) { return rng_below(&rng, n); }

static void put(Program *p, unsigned v) { p->b[p->len++] = (uint8_t)v; }

static unsigned any_register(void)
{
    unsigned r;

    do {
        r = below(16);
    } while (r == RSP || r == R14 || r == R15);
    return r;
}

/* Prefixes, opcode, ModRM: a register and a register or memory at R14 + disp. */
static void encode(Program *p, unsigned prefix, unsigned size, int map, unsigned op, unsigned reg,
                   bool memory)
{
    unsigned rm = memory ? R14 : any_register();

    if (prefix) {
        put(p, prefix);
    }
    if (size == 2) {
        put(p, 0x66);
    }
    put(p, 0x40 | (size == 8 ? 8 : 0) | (reg & 8 ? 4 : 0) | (rm & 8 ? 1 : 0));
    if (map) {
        put(p, 0x0f);
    }
    put(p, op);
    if (memory) {
        int32_t disp = (int32_t)below(DATA_SIZE - 64);

        put(p, 0x80 | (reg & 7) << 3 | (rm & 7));
        memcpy(p->b + p->len, &disp, 4);
        p->len += 4;
    } else {
        put(p, 0xc0 | (reg & 7) << 3 | (rm & 7));
    }
}

static void immediate(Program *p, unsigned n)
{
    while (n--) {
        put(p, below(256));
    }
}

static unsigned any_size(void) { return 1u << below(4); }

static void arithmetic(Program *p, bool memory)
{
    unsigned size = any_size(), op = below(8) << 3 | below(2) << 1;

    encode(p, 0, size, 0, op | (size > 1), any_register(), memory);
}

static void with_immediate(Program *p, bool memory)
{
    unsigned size = any_size();

    encode(p, 0, size, 0, size == 1 ? 0x80 : 0x83, below(8), memory);
    immediate(p, 1);
}

static void shift(Program *p, bool memory)
{
    static const uint8_t ops[] = { 0xc0, 0xd0, 0xd2 };
    unsigned size = any_size(), op = ops[below(3)];

    encode(p, 0, size, 0, op | (size > 1), below(8), memory);
    if (op == 0xc0) {
        immediate(p, 1);
    }
}

static void unary(Program *p, bool memory)
{
    unsigned size = any_size();

    if (below(8) == 0) {
        encode(p, 0, size, 0, 0xf6 | (size > 1), 4 + below(2), memory);
        return;
    }

    if (below(2)) {
        encode(p, 0, size, 0, 0xfe | (size > 1), below(2), memory);
    } else {
        encode(p, 0, size, 0, 0xf6 | (size > 1), 2 + below(2), memory);
    }
}

/* CMPXCHG8B, CMPXCHG16B at an aligned place mostly, fences; a jump on what the flags are then. */
static void atomic(Program *p)
{
    bool wide = below(2);
    unsigned at;

    if (below(4) == 0) {
        put(p, 0x0f);
        put(p, 0xae);
        put(p, 0xe8 + 8 * below(3));
        return;
    }
    if (below(2)) {                     /* equal: mov rax, [place]; mov rdx, [place + 8] */
        encode(p, 0, 8, 0, 0x8b, 0, true);
        at = p->len - 4;
        p->b[at] &= 0xf0;
        encode(p, 0, 8, 0, 0x8b, 2, true);
        memcpy(p->b + p->len - 4, p->b + at, 4);
        p->b[p->len - 4] |= wide ? 8 : 4;
        encode(p, below(2) ? 0xf0 : 0, wide ? 8 : 4, 1, 0xc7, 1, true);
        memcpy(p->b + p->len - 4, p->b + at, 4);
        return;
    }
    encode(p, below(2) ? 0xf0 : 0, wide ? 8 : 4, 1, 0xc7, 1, true);
    if (below(16)) {
        p->b[p->len - 4] &= 0xf0;
    }
}

/* REP MOVS and STOS of up to 127 elements, within a page and over its end; STD now and then.  All of
 * it in the data, for only these are the same for both. */
static void repeated(Program *p)
{
    bool down = below(8) == 0;

    for (unsigned r = 6; r < 8; r++) {
        int32_t disp = 1024 + (int32_t)below(DATA_SIZE - 2048);

        encode(p, 0, 8, 0, 0x8d, r, true);
        memcpy(p->b + p->len - 4, &disp, 4);
    }
    put(p, 0xb9);
    put(p, below(128));
    put(p, 0);
    put(p, 0);
    put(p, 0);
    if (down) {
        put(p, 0xfd);
    }
    put(p, 0xf3);
    if (below(2)) {
        put(p, 0x48);
    }
    put(p, (below(2) ? 0xa4 : 0xaa) | below(2));
    if (down) {
        put(p, 0xfc);
    }
}

static void two_byte(Program *p, bool memory)
{
    static const uint8_t ops[] = { 0xb6, 0xb7, 0xbe, 0xbf, 0xbc, 0xbd, 0xc1, 0xb1, 0xa5, 0xad };
    static const uint8_t bits[] = { 0xa3, 0xab, 0xb3, 0xbb };
    unsigned size = 2u << below(3);

    switch (below(8)) {
    case 5:
        encode(p, 0, size, 1, 0xaf, any_register(), memory);
        break;
    case 0: encode(p, 0, size, 1, 0x40 | below(16), any_register(), memory); break;
    case 6: atomic(p); break;
    case 7: repeated(p); break;
    case 1: encode(p, 0, 1, 1, 0x90 | below(16), 0, memory); break;
    case 2: encode(p, 0, size, 1, bits[below(4)], any_register(), false); break;
    case 3:
        encode(p, 0, size, 1, 0xba, 4 + below(4), memory);
        immediate(p, 1);
        break;
    default: encode(p, 0, size, 1, ops[below(sizeof ops)], any_register(), memory);
    }
}

static void move(Program *p, bool memory)
{
    unsigned size = any_size();

    switch (below(5)) {
    case 0: encode(p, 0, size, 0, 0x88 | (size > 1), any_register(), memory); break;
    case 1: encode(p, 0, size, 0, 0x8a | (size > 1), any_register(), memory); break;
    case 2: encode(p, 0, size, 0, 0x86 | (size > 1), any_register(), memory); break;
    case 3: encode(p, 0, 8, 0, 0x8d, any_register(), true); break;
    default: {
        unsigned r = any_register();
        put(p, 0x48 | (r & 8 ? 1 : 0));
        put(p, 0xb8 | (r & 7));
        immediate(p, 8);
    }
    }
}

static void stack(Program *p)
{
    unsigned push = any_register(), pop = any_register();

    put(p, 0x40 | (push & 8 ? 1 : 0));
    put(p, 0x50 | (push & 7));
    put(p, 0x40 | (pop & 8 ? 1 : 0));
    put(p, 0x58 | (pop & 7));
}

/* mov dword [r14], value */
static void put_word(Program *p, uint32_t value)
{
    put(p, 0x41);
    put(p, 0xc7);
    put(p, 0x06);
    memcpy(p->b + p->len, &value, 4);
    p->len += 4;
}

/* Rounding, FZ, DAZ and flags of all kinds; an exception unmasked now and then. */
static uint32_t any_mxcsr(void)
{
    return below(24) ? 0x1f80 | below(8) << 13 | below(2) << 6 | below(64) : below(0x10000);
}

/* LDMXCSR of something new, STMXCSR. */
static void control(Program *p)
{
    bool load = below(2);

    if (load) {
        put_word(p, any_mxcsr());
    }
    encode(p, 0, 4, 1, 0xae, load ? 2 : 3, true);
    if (load) {
        memset(p->b + p->len - 4, 0, 4);
    }
}

/* Legacy SSE on XMM0-15; memory operands may be unaligned, which is a fault for most. */
static void vector(Program *p, bool memory)
{
    static const uint8_t packed[] = { 0xef, 0xfe, 0xd4, 0xfa, 0xdb, 0xeb, 0x62, 0x6c, 0x58, 0x59 };
    static const uint8_t scalar[] = { 0x58, 0x59, 0x5c, 0x5d, 0x5e, 0x5f };

    if (below(12) == 0) {
        control(p);
        return;
    }
    switch (below(3)) {
    case 0: encode(p, 0x66, 4, 1, packed[below(sizeof packed)], below(16), memory && !below(8)); break;
    case 1: encode(p, below(2) ? 0xf3 : 0xf2, 4, 1, scalar[below(sizeof scalar)], below(16), memory);
            break;
    default: encode(p, 0x66, 8, 1, below(2) ? 0x6e : 0x7e, below(16), memory);
    }
}

/* Any x87 instruction but FNSAVE, FRSTOR and their like; now and then an exception is unmasked. */
static void x87(Program *p, bool memory)
{
    static const uint8_t forms[8] = { 0xff, 0xad, 0xff, 0xaf, 0xff, 0x8f, 0xff, 0xff };
    unsigned op, digit;

    if (memory) {
        do {
            op = below(8);
            digit = below(8);
        } while (!(forms[op] >> digit & 1) || (op == 1 && digit == 5));
        encode(p, 0, 4, 0, 0xd8 | op, digit, true);
        return;
    }
    switch (below(24)) {
    case 0:                             /* fninit, fnclex, fwait, fnstenv of ours */
        put(p, 0xdb);
        put(p, 0xe2 | below(2));
        break;
    case 1: put(p, 0x9b); break;
    case 2:
        encode(p, 0, 4, 0, 0xd9, 6, true);
        break;
    case 3: case 4:                     /* fldcw */
        put_word(p, (below(4) ? 0x3f : 0) | below(0x10000));
        put(p, 0x41);
        put(p, 0xd9);
        put(p, 0x2e);
        break;
    default:
        do {
            op = below(8);
            digit = 0xc0 + below(64);
        } while ((op == 1 && digit >= 0xd1 && digit < 0xe0) || (op == 3 && digit >= 0xe0 && digit < 0xe8));
        if (op == 2 && digit >= 0xe0) {
            digit = 0xe9;
        }
        put(p, 0xd8 | op);
        put(p, digit);
    }
}

/* MMX, with what SSE to SSSE3 added. */
static void mmx(Program *p, bool memory)
{
    static const uint8_t ops[] = { 0x60, 0x63, 0x67, 0x6b, 0x6e, 0x6f, 0x74, 0x7e, 0x7f, 0xd1, 0xd5, 0xda,
                                   0xe0, 0xe2, 0xeb, 0xef, 0xf3, 0xf4, 0xf6, 0xf9, 0xfe };

    switch (below(6)) {
    case 0:
        if (below(4) == 0) {
            put(p, 0x0f);
            put(p, 0x77);
            break;
        }
        encode(p, 0, 4, 1, 0x71 + below(2), 2 + 2 * below(2), false);
        immediate(p, 1);
        break;
    case 1:
        encode(p, 0, 4, 1, below(2) ? 0x70 : 0xc4, below(8), memory);
        immediate(p, 1);
        break;
    case 2: encode(p, 0, 8, 1, 0xd7, any_register(), false); break;
    default: encode(p, 0, 4u << below(2), 1, ops[below(sizeof ops)], below(8), memory);
    }
}

/* x87 from a clean start: constants, arithmetic and a store that means something. */
static void x87_sums(Program *p)
{
    static const uint8_t loads[] = { 0xe8, 0xe9, 0xea, 0xeb, 0xec, 0xed, 0xee };
    static const uint8_t ops[] = { 0xc1, 0xc9, 0xe1, 0xe9, 0xf1, 0xf9 };

    put(p, 0xd9);
    put(p, loads[below(sizeof loads)]);
    encode(p, 0, 4, 0, below(2) ? 0xdb : 0xdf, below(2) ? 0 : 5, true);
    put(p, 0xde);
    put(p, ops[below(sizeof ops)]);
    put(p, 0xd9);
    put(p, 0xfa);
    encode(p, 0, 4, 0, below(2) ? 0xdd : 0xd9, 3, true);
}

static void one(Program *p)
{
    bool memory = below(3) == 0;

    if (floats && below(2)) {
        if (below(4) == 0) {
            mmx(p, memory);
        } else if (below(3)) {
            x87(p, memory);
        } else {
            x87_sums(p);
        }
        return;
    }
    switch (below(10)) {
    case 0: case 1: case 2: arithmetic(p, memory); break;
    case 3: with_immediate(p, memory); break;
    case 4: shift(p, memory); break;
    case 5: unary(p, memory); break;
    case 6: two_byte(p, memory); break;
    case 7: move(p, memory); break;
    case 8: stack(p); break;
    default: vector(p, memory);
    }
}

static void make(Program *p)
{
    int32_t back;

    p->len = 0;
    for (unsigned n = 0; n < LENGTH; n++) {
        if (below(6) == 0) {            /* a branch over the next one */
            unsigned at = p->len;

            put(p, 0x70 | below(16));
            put(p, 0);
            one(p);
            p->b[at + 1] = (uint8_t)(p->len - at - 2);
        } else {
            one(p);
        }
    }
    put(p, 0x49);                       /* dec r15; jnz back to the start */
    put(p, 0xff);
    put(p, 0xcf);
    put(p, 0x0f);
    put(p, 0x85);
    back = -(int32_t)(p->len + 4);
    memcpy(p->b + p->len, &back, 4);
    p->len += 4;
    put(p, 0xf4);
}

static void prepare(Guest *g, const Program *p, const VcpuState *s, const uint8_t *data, unsigned warm)
{
    jit_set_warm(g->engine, warm);
    memcpy(g->ram + DATA, data, DATA_SIZE);
    memset(g->ram + STACK0 - 0x400, 0, 0x400);
    guest_code(g, CODE, p->b, p->len);
    engine_soft.code_written(g->engine, CODE, sizeof p->b);
    g->s = *s;
    g->io_count = 0;
}

static void run(Guest *g, const Program *p, const VcpuState *s, const uint8_t *data, unsigned warm)
{
    prepare(g, p, s, data, warm);
    cr_assert(guest_run(g) == VCPU_STOP_HALTED);
}

static void show(const Program *p, const VcpuState *a, const VcpuState *b)
{
    char line[2 * sizeof p->b + 1];

    for (unsigned n = 0; n < p->len; n++) {
        snprintf(line + 2 * n, 3, "%02x", p->b[n]);
    }
    cr_log_error("program %s", line);
    for (unsigned n = 0; n < 16; n++) {
        if (a->gpr[n] != b->gpr[n]) {
            cr_log_error("r%u: interpreted %lx, translated %lx", n, a->gpr[n], b->gpr[n]);
        }
    }
    for (unsigned n = 0; n < 416; n++) {
        if (a->xsave[n] != b->xsave[n]) {
            cr_log_error("x87 and vectors differ from byte %u: %02x %02x", n, a->xsave[n], b->xsave[n]);
            break;
        }
    }
    cr_log_error("rip %lx %lx flags %lx %lx", a->rip, b->rip, a->rflags, b->rflags);
}

/* Registers of every kind, some empty; exceptions unmasked in every third program, or pending now and then. */
static void random_x87(VcpuState *s)
{
    unsigned cw = 0x3f | below(16) << 8, sw = below(8) << 11 | below(8) << 8;

    if (below(3) == 0) {
        cw &= ~below(64);
    }
    if (below(16) == 0) {
        sw |= below(64);
    }
    s->xsave[0] = (uint8_t)(cw | 0x40);
    s->xsave[1] = (uint8_t)(cw >> 8);
    s->xsave[2] = (uint8_t)sw;
    s->xsave[3] = (uint8_t)(sw >> 8);
    s->xsave[4] = (uint8_t)below(256);
    for (unsigned n = 0; n < 8; n++) {
        uint64_t mantissa = random64() | (below(8) ? 1ull << 63 : 0);
        uint16_t exponent = (uint16_t)(below(2) ? random64() : 0x3ff0 + below(32) + (below(2) << 15));

        if (below(8) == 0) {
            exponent |= 0x7fff;
        }
        memcpy(s->xsave + 32 + 16 * n, &mantissa, 8);
        memcpy(s->xsave + 40 + 16 * n, &exponent, 2);
    }
}

/* Some of it denormal, single or double. */
static uint64_t any_data(void)
{
    uint64_t v = random64();

    return below(6) ? v : v & (below(2) ? 0x807fffff807fffff : 0x800fffffffffffff);
}

/* How many instructions the program has from there to its HLT, one repeated counts as one. */
static unsigned steps(Guest *g, const Program *p, const VcpuState *s, const uint8_t *data)
{
    unsigned n = 0;

    prepare(g, p, s, data, NEVER);
    engine_soft.set_state(g->cpu, &g->s);
    engine_soft.debug_step(g->cpu, true);
    while (engine_soft.run(g->cpu) == VCPU_STOP_DEBUG) {
        n++;
    }
    engine_soft.debug_step(g->cpu, false);
    return n;
}

/* So many programs, and so many more that insns instructions are compared; returns how many were. */
static uint64_t compare_programs(Guest *g, uint64_t count, uint64_t insns)
{
    uint64_t compared = 0;
    static uint8_t data[DATA_SIZE], after[DATA_SIZE], stack_after[0x400];
    VcpuState s, expected;
    uint32_t mxcsr;
    unsigned ferr;
    Program p;

    guest_long(g);
    g->s.cr0 &= ~(uint64_t)0xc;         /* no EM, no TS */
    g->s.cr4 |= 0x600;                  /* OSFXSR, OSXMMEXCPT */
    s = g->s;
    for (uint64_t n = 0; n < count || (compared < insns && n < insns); n++) {
        floats = below(2);
        make(&p);
        for (unsigned k = 0; k < DATA_SIZE; k += 8) {
            uint64_t v = any_data();
            memcpy(data + k, &v, 8);
        }
        for (unsigned k = 0; k < 16; k++) {
            s.gpr[k] = below(4) ? random64() : below(3);
        }
        s.gpr[RSP] = STACK0 - 0x100;
        s.gpr[R14] = DATA;
        s.gpr[R15] = TURNS;
        for (unsigned k = 0; k < 256; k += 8) {
            uint64_t v = any_data();
            memcpy(s.xsave + 160 + k, &v, 8);
        }
        s.cr0 = (s.cr0 & ~0x20ull) | (below(8) ? 0x20 : 0);     /* NE, mostly */
        mxcsr = below(2) ? 0x1f80 : any_mxcsr();
        memcpy(s.xsave + 24, &mxcsr, 4);
        random_x87(&s);
        run(g, &p, &s, data, NEVER);
        expected = g->s;
        ferr = g->io_count;
        memcpy(after, g->ram + DATA, DATA_SIZE);
        memcpy(stack_after, g->ram + STACK0 - sizeof stack_after, sizeof stack_after);
        run(g, &p, &s, data, 1);
        if (memcmp(expected.gpr, g->s.gpr, sizeof expected.gpr) || expected.rip != g->s.rip ||
            expected.rflags != g->s.rflags || memcmp(after, g->ram + DATA, DATA_SIZE) ||
            memcmp(stack_after, g->ram + STACK0 - sizeof stack_after, sizeof stack_after) ||
            memcmp(expected.xsave, g->s.xsave, 416) || ferr != g->io_count) {
            show(&p, &expected, &g->s);
            for (unsigned k = 0; k < DATA_SIZE; k++) {
                if (after[k] != g->ram[DATA + k]) {
                    cr_log_error("data differ from byte %x: %02x %02x", k, after[k], g->ram[DATA + k]);
                    break;
                }
            }
            cr_assert_fail("program %lu differs", n);
        }
        compared += steps(g, &p, &s, data);
    }
    return compared;
}

Test(random, programs_come_out_the_same_translated_and_interpreted, .timeout = 0)
{
    uint64_t insns = asked("GH_RANDOM_INSNS", INSNS), compared;
    Guest *g = guest_new();

    compared = compare_programs(g, PROGRAMS * asked("GH_RANDOM_ROUNDS", 1), insns);
    if (getenv("GH_RANDOM_INSNS")) {
        cr_log_warn("%lu instructions came out the same translated and interpreted", compared);
    }
    cr_expect_geq(compared, insns, "%lu instructions were compared, not %lu", compared, insns);
    guest_free(g);
}

/* So little memory for blocks and their code that all of it is thrown away again and again. */
Test(random, programs_come_out_the_same_with_little_code_memory, .timeout = 0)
{
    EngineCounter counters[ENGINE_COUNTERS];
    Guest *g = guest_new_with(LITTLE);

    compare_programs(g, PROGRAMS / 3 * asked("GH_RANDOM_ROUNDS", 1), 0);
    engine_soft.counters(g->cpu, counters);
    cr_expect_gt(counters[COUNT_CODE_PIECES].value, 10);
    cr_expect_gt(counters[COUNT_BLOCKS_EVICTED].value, 200);
    guest_free(g);
}
