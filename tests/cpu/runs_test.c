/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * runs_test.c - loops over memory whose turns translated code works out beforehand (jit/runs.c): random ones,
 * with strides, masks, tables and numbers that wrap, over pages that are elsewhere, the same, read-only
 * or absent, in rings 0 and 3, with SMAP and with watched bytes, left in the middle and come back to, while another
 * thread interrupts them, logs their writes and forgets their code.  The interpreter is the oracle.
 *
 * GH_RUNS_SEED=N makes other loops, GH_RUNS_ROUNDS=N more; GH_RUNS_ONLY=N runs one of them.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "hypervisor/soft/core.h"
#include "hypervisor/soft/jit/jit.h"
#include "tests/cpu/random.h"
#include "tests/cpu/sys_guest.h"

enum { PROGRAMS = 5000, DATA = 0x40000, PAGES = 8, SPAN = PAGES << 12, PTE = 0x63, PTE_USER = 4, CODE_MAX = 1024,
       COUNTS_AT = 0x3e000, COUNTS = 8, EXITS = 4 };
enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, NONE = 16 };

typedef struct Maker {
    Rng *r;
    bool wide;                  /* 64-bit mode */
    uint8_t code[CODE_MAX];
    unsigned len;
    uint64_t gpr[16];
    unsigned fixed;             /* registers that stay the same and are free: bits */
    bool avx;                   /* of the host, with AVX2 and BMI2 */
    unsigned start;             /* of the loop */
    unsigned counter, word;     /* of its turns: register, and its bytes */
    uint32_t first;             /* what it begins with */
    uint32_t count[COUNTS];     /* numbers at COUNTS_AT */
    unsigned counts;
    unsigned exit[EXITS], exits;        /* distances that lead out of the middle of a turn */
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

/* An operand without registers: bytes at a fixed place. */
static void fixed_place(Maker *m, unsigned op, unsigned reg, uint32_t at)
{
    b8(m, op);
    b8(m, reg << 3 | (m->wide ? 4 : 5));
    if (m->wide)
        b8(m, 0x25);
    b32(m, at);
}

/* map 1 to 3 and implied prefix as VEX has them. */
static void vex(Maker *m, unsigned map, unsigned pp, unsigned w, unsigned l, unsigned op, unsigned reg, unsigned vvvv,
                unsigned base, unsigned index, unsigned scale, int32_t disp)
{
    unsigned x = index == NONE ? 0 : index >> 3;

    b8(m, 0xc4);
    b8(m, (reg & 8 ? 0 : 0x80) | (x ? 0 : 0x40) | (base & 8 ? 0 : 0x20) | map);
    b8(m, w << 7 | (~vvvv & 15) << 3 | l << 2 | pp);
    b8(m, op);
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

static void vex_access(Maker *m, unsigned base, unsigned index, unsigned scale, int32_t disp)
{
    unsigned reg = below(m, 8), other = below(m, 8), l = below(m, 2), w = m->wide && one_in(m, 2);

    switch (below(m, 8)) {
    case 0: vex(m, 1, 2, 0, l, one_in(m, 2) ? 0x6f : 0x7f, reg, 0, base, index, scale, disp); break;    /* VMOVDQU */
    case 1: vex(m, 1, 1, 0, l, one_in(m, 2) ? 0x6f : 0x7f, reg, 0, base, index, scale, disp); break;    /* VMOVDQA */
    case 2: vex(m, 1, 1, 0, l, 0xfe, reg, other, base, index, scale, disp); break;                      /* VPADDD */
    case 3: vex(m, 2, 1, 0, l, one_in(m, 2) ? 0x30 : 0x78, reg, 0, base, index, scale, disp); break;    /* VPMOVZXBW */
    case 4: vex(m, 1, 1, w, 0, one_in(m, 2) ? 0x6e : 0x7e, reg, 0, base, index, scale, disp); break;    /* VMOVD */
    case 5: vex(m, 2, 0, w, 0, 0xf2, any(m), RAX, base, index, scale, disp); break;                     /* ANDN */
    case 6: vex(m, 2, 1 + below(m, 3), w, 0, 0xf7, any(m), RBX, base, index, scale, disp); break;       /* SHLX */
    case 7:                                                                                     /* VEXTRACTF128 */
        vex(m, 3, 1, 0, 1, one_in(m, 2) ? 0x19 : 0x39, reg, 0, base, index, scale, disp);
        b8(m, below(m, 2));
        break;
    }
}

/* What reads, writes or does both in other ways than most. */
static void odd_access(Maker *m, unsigned base, unsigned index, unsigned scale, int32_t disp)
{
    unsigned size = 1u << below(m, m->wide ? 4 : 3), odd = size == 1 ? 0 : 1, lock = one_in(m, 3) ? 0xf0 : 0;

    switch (below(m, 12)) {
    case 0: insn(m, 0, size, false, 0xd0 | odd, 4 + below(m, 2), base, index, scale, disp); break;      /* SHL, SHR */
    case 1: insn(m, 0, size, false, 0xf6 | odd, 2 + below(m, 2), base, index, scale, disp); break;      /* NOT, NEG */
    case 2: insn(m, 0, size, false, 0xf6 | odd, 4, base, index, scale, disp); break;                    /* MUL */
    case 3: insn(m, lock, size, true, 0xb0 | odd, any(m), base, index, scale, disp); break;             /* CMPXCHG */
    case 4: insn(m, lock, size, true, 0xc0 | odd, any(m), base, index, scale, disp); break;             /* XADD */
    case 5: insn(m, 0, size, false, 0x86 | odd, any(m), base, index, scale, disp); break;               /* XCHG */
    case 6: insn(m, 0, 1, true, 0x90 + below(m, 16), 0, base, index, scale, disp); break;               /* SETcc */
    case 7: insn(m, 0, word(m), true, 0x40 + below(m, 16), any(m), base, index, scale, disp); break;    /* CMOVcc */
    case 8: insn(m, 0, word(m), true, 0xba, 4 + below(m, 4), base, index, scale, disp); b8(m, below(m, 256)); break;
    case 9: insn(m, 0, word(m), true, 0xaf, any(m), base, index, scale, disp); break;                   /* IMUL */
    case 10: insn(m, 0, 0, true, 0x16 + below(m, 2), below(m, 8), base, index, scale, disp); break;     /* MOVHPS */
    case 11: insn(m, 0xf2, word(m), true, 0x2a, below(m, 8), base, index, scale, disp); break;          /* CVTSI2SD */
    }
}

/* One access of some kind at base and index. */
static void access(Maker *m, unsigned base, unsigned index, unsigned scale, int32_t disp)
{
    static const uint8_t alu[] = { 0x03, 0x01, 0x33, 0x29, 0x2b, 0x3b };
    unsigned size = 1u << below(m, m->wide ? 4 : 3);

    switch (below(m, 13)) {
    default:
        if (m->avx)
            vex_access(m, base, index, scale, disp);
        else
            odd_access(m, base, index, scale, disp);
        break;
    case 9: case 10: odd_access(m, base, index, scale, disp); break;
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

/* RCX, which is v in the first turn, becomes something made of it, or keeps a part: what that is. */
static uint64_t derive(Maker *m, uint64_t v)
{
    unsigned size = word(m), n = below(m, 100), other;
    uint64_t mask = size == 8 ? UINT64_MAX : UINT32_MAX;

    switch (below(m, 10)) {
    case 0:
        insn(m, 0, size, false, one_in(m, 2) ? 0x8b : 0x89, RCX, NONE, RCX, 0, 0);
        return v & mask;
    case 1:
        insn(m, 0, size, true, 0xb7, RCX, NONE, RCX, 0, 0);
        return (uint16_t)v;
    case 2:
        insn(m, 0, 4, true, 0xb6, RCX, NONE, RCX, 0, 0);
        return (uint8_t)v;
    case 3:
        insn(m, 0, 4, true, 0xb6, RCX, NONE, 5, 0, 0);          /* CH */
        return (uint8_t)(v >> 8);
    case 4:
        insn(m, 0, size, false, 0x83, 0, NONE, RCX, 0, 0);
        b8(m, n);
        return (v + n) & mask;
    case 5:
        insn(m, 0, 2, false, 0x83, 5, NONE, RCX, 0, 0);
        b8(m, n);
        return (v & ~0xffffull) | (uint16_t)(v - n);
    case 6:
        if (!m->wide)
            break;
        insn(m, 0x67, size, false, 0x8d, RCX, RCX, NONE, 0, (int32_t)n);
        return (uint32_t)(v + n);
    case 7:
        if (!m->wide)
            break;
        insn(m, 0, 8, false, 0x63, RCX, NONE, RCX, 0, 0);
        return (uint64_t)(int64_t)(int32_t)v;
    case 8:
        insn(m, 0, 4, false, 0x81, 4, NONE, RCX, 0, 0);
        b32(m, (2u << (n & 31)) - 1);
        return v & ((2u << (n & 31)) - 1);
    case 9:
        other = mover(m);
        insn(m, 0, 2, false, 0x8b, RCX, NONE, other, 0, 0);
        return (v & ~0xffffull) | (uint16_t)m->gpr[other];
    }
    return v;
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
        insn(m, 0, size, false, 0x8d, RCX, reg, NONE, 0, one_in(m, 16) ? INT32_MAX : (int32_t)below(m, 512) - 256);
        v = size == 4 ? (uint32_t)v : v;
        break;
    default:
        m->gpr[base] = cut(m, place(m) - (v << scale));
        access(m, base, reg, scale, (int32_t)below(m, 64) - 32);
        return;
    }
    while (one_in(m, 2))
        v = derive(m, v);
    m->gpr[base] = cut(m, place(m) - (v << scale));
    access(m, base, RCX, scale, (int32_t)below(m, 64) - 32);
}

static void step(Maker *m, unsigned reg)
{
    unsigned size = reg == RSI || reg == RDI ? (m->wide ? 8 : 4) : word(m);
    int by = one_in(m, 3) ? (int)below(m, 300) - 150 : one_in(m, 2) ? 1 << below(m, 5) : -(1 << below(m, 5));

    switch (one_in(m, 8) ? 4 + below(m, 2) : below(m, 4)) {
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
    case 4:                             /* of its lower half alone */
        insn(m, 0, 2, false, 0x83, one_in(m, 2) ? 0 : 5, NONE, reg, 0, 0);
        b8(m, (unsigned)by & 127);
        break;
    case 5:                             /* LEA of an address of 32 bits */
        if (m->wide)
            insn(m, 0x67, word(m), false, 0x8d, reg, reg, NONE, 0, by);
        break;
    }
    if (one_in(m, 10))
        step(m, reg);
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

    m->gpr[counter] = m->first = down ? turns : 0;
    m->counter = counter;
    m->word = size;
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
    b32(m, m->start - (m->len + 4));
}

/* One of the numbers in memory, now n, becomes one less: ZF when it is 0. */
static void count_down(Maker *m, uint32_t n)
{
    m->count[m->counts] = n;
    fixed_place(m, 0xff, 1, COUNTS_AT + 4 * m->counts++);
}

/* Once after so many turns, from the middle of one to the start or out, from where other registers come back. */
static void leave_once(Maker *m)
{
    if (m->counts == COUNTS || m->exits == EXITS)
        return;
    count_down(m, 1 + below(m, 300));
    b8(m, 0x0f);
    b8(m, 0x84);
    if (!one_in(m, 4))
        m->exit[m->exits++] = m->len;
    b32(m, m->start - (m->len + 4));
}

/* Where the ways out lead. */
static void exits(Maker *m)
{
    for (unsigned k = 0; k < m->exits; k++) {
        int32_t by = (int32_t)(m->len - (m->exit[k] + 4));

        memcpy(m->code + m->exit[k], &by, 4);
        if (one_in(m, 2)) {
            insn(m, 0, m->wide ? 8 : 4, false, 0xc7, 0, NONE, one_in(m, 2) ? RSI : RDI, 0, 0);
            b32(m, (uint32_t)place(m));
        }
        if (one_in(m, 3))
            change(m);
        if (one_in(m, 4)) {
            b8(m, 0xf4);
            continue;
        }
        b8(m, 0xe9);
        b32(m, m->start - (m->len + 4));
    }
}

/* The loop once more, under other rights or with a TLB that has forgotten. */
static void once_more(Maker *m)
{
    insn(m, 0, m->word, false, 0xc7, 0, NONE, m->counter, 0, 0);
    b32(m, m->first);
    for (unsigned r = RSI; r <= RDI; r++) {
        if (one_in(m, 3))
            continue;
        insn(m, 0, m->wide ? 8 : 4, false, 0xc7, 0, NONE, r, 0, 0);
        b32(m, (uint32_t)place(m));
    }
    switch (below(m, 5)) {
    case 0: b8(m, 0x0f); b8(m, 0x01); b8(m, 0xca + below(m, 2)); break;         /* CLAC, STAC */
    case 1: b8(m, 0x0f); fixed_place(m, 0x01, 7, DATA + below(m, SPAN)); break; /* INVLPG */
    case 2:                                                                     /* MOV RAX, CR3; MOV CR3, RAX */
        b8(m, 0x0f); b8(m, 0x20); b8(m, 0xd8);
        b8(m, 0x0f); b8(m, 0x22); b8(m, 0xd8);
        break;
    case 3: change(m); break;
    }
    count_down(m, 2 + below(m, 4));
    b8(m, 0x0f);
    b8(m, 0x85);
    b32(m, -(m->len + 4));
}

static void make(Maker *m, bool wide, Rng *r)
{
    bool more = rng_one_in(r, 4);
    static const uint64_t odd[] = { 0, 0xffffff00, 0xffffffffffffff80, 0x7fffffc0, 0xffff, 0x80000000, 0xff };

    *m = (Maker){ .r = r, .wide = wide,
                  .avx = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2"),
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
    if (more)
        b8(m, 0x90);
    m->start = m->len;
    for (unsigned k = 1 + below(m, 5), changes = one_in(m, 3) ? 3 : 0; k--;) {
        if (changes && one_in(m, changes))
            change(m);
        walk(m);
        if (one_in(m, 6))
            leave_once(m);
        if (one_in(m, 2))
            step(m, mover(m));
    }
    for (unsigned k = below(m, 3); k--;)
        step(m, mover(m));
    for (unsigned k = one_in(m, 3) ? 2 : 0; k--;)       /* a group, part of it behind the loop */
        access(m, RBX, NONE, 0, (int32_t)below(m, 64));
    branch(m, 2 + below(m, one_in(m, 3) ? 4000 : 300));
    if (more)
        once_more(m);
    for (unsigned k = below(m, 3); k--;)
        access(m, RBX, NONE, 0, (int32_t)below(m, 64));
    b8(m, 0xf4);                        /* HLT */
    exits(m);
    cr_assert_leq(m->len, CODE_MAX);
}

/* --- runs --- */
typedef struct End {
    enum VcpuStop stop;
    VcpuState s;
    uint8_t data[SPAN], frame[64];
    unsigned hits;              /* the debugger's points were met, at most HITS times */
    uint64_t met;               /* where */
} End;

typedef struct Setup {
    uint64_t entry[PAGES];
    const Maker *m;
    VcpuState s;                /* before all of it */
    uint8_t data[SPAN];
    bool user, smap, ac;
    uint64_t dr[2], dr7;
    DebugPoint watch;           /* len 0: none */
} Setup;

enum { HITS = 20 };

static void *kick(void *arg)
{
    Guest *g = arg;

    for (unsigned n = 0; !__atomic_load_n(&g->done_now, __ATOMIC_SEQ_CST); n++) {
        nanosleep(&(struct timespec){ .tv_nsec = 20000 }, NULL);
        engine_soft.kick(g->cpu, n % 16 == 3);
        if (n % 16 == 7)
            engine_soft.dirty_log(g->engine, DATA, SPAN, n & 16);
        if (n % 32 == 13)
            engine_soft.code_written(g->engine, CODE, 16);
    }
    return NULL;
}

/* What exceptions and the loop need; only what run() makes anew can be written to. */
static unsigned entry_of(unsigned page, bool user)
{
    if (page == STACK0 - 0x1000)
        return page | PTE;
    if (page == COUNTS_AT)
        return page | PTE | (user ? PTE_USER : 0);
    if (page == CODE && user)
        return page | PTE_USER | (PTE & ~2u);
    return page == GDT_AT || page == IDT_AT || page == (TSS_AT & ~0xfff) || page == STUBS || page == CODE
           ? page | (PTE & ~2u) : 0;
}

static void guest_paged32(Guest *g)
{
    guest_prot(g);
    ram_put(g, PD_AT, 4, PT_AT | PTE | PTE_USER);
    for (unsigned n = 0; n < GUEST_RAM >> 12; n++)
        ram_put(g, PT_AT + n * 4, 4, n << 12 | PTE);
    g->s.cr3 = PD_AT;
    g->s.cr0 |= 1u << 31;
}

/* At last it goes away, and the loop goes on. */
static void debugger_met(Guest *g, End *end)
{
    engine_soft.get_state(g->cpu, &g->s);
    end->met = end->met * 31 + g->s.rip * 7 + g->s.gpr[RAX] + g->s.gpr[RSI];
    if (++end->hits == HITS)
        cr_assert(engine_soft.debug_points(g->engine, NULL, 0));
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
                n - (DATA >> 12) < PAGES ? s->entry[n - (DATA >> 12)] : entry_of(n << 12, s->user));
    memset(g->ram + COUNTS_AT, 0, 0x1000);
    memcpy(g->ram + COUNTS_AT, s->m->count, sizeof s->m->count);
    engine_soft.code_written(g->engine, COUNTS_AT, 0x1000);
    guest_code(g, CODE, s->m->code, s->m->len);
    g->s.cr0 = (g->s.cr0 & ~0xcull) | 1 << 16;
    g->s.cr4 |= 0x600 | (s->m->avx ? 1u << 18 : 0) | (s->smap ? 1u << 21 : 0);
    g->s.xcr0 = s->m->avx ? 7 : 1;
    if (s->user)
        guest_user(g);
    g->s.rflags |= s->ac ? F_AC : 0;
    memcpy(g->s.dr, s->dr, sizeof s->dr);
    g->s.dr[7] |= s->dr7;
    memcpy(g->s.gpr, s->m->gpr, sizeof g->s.gpr);
    g->s.rip = CODE;
    g->s.halted = 0;
    engine_soft.set_state(g->cpu, &g->s);
    end->hits = 0;
    end->met = 0;
    if (s->watch.len)
        cr_assert(engine_soft.debug_points(g->engine, &s->watch, 1));
    do {
        stop = engine_soft.run(g->cpu);
        if (stop == VCPU_STOP_DEBUG)
            debugger_met(g, end);
    } while (stop == VCPU_STOP_KICKED || stop == VCPU_STOP_DEBUG);
    cr_assert(stop == VCPU_STOP_HALTED || stop == VCPU_STOP_TRIPLE_FAULT, "stop %d", stop);
    if (s->watch.len)
        cr_assert(engine_soft.debug_points(g->engine, NULL, 0));
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
    s->user = one_in(m, 4);
    s->smap = one_in(m, 2);
    s->ac = one_in(m, 2);
    s->dr[0] = place(m) & ~7ull;
    s->dr[1] = place(m) & ~3ull;
    s->dr7 = !one_in(m, 10) ? 0 : one_in(m, 2) ? 0x90002 : 0xf00008;    /* writes of 8 bytes; any access to 4 */
    s->watch = (DebugPoint){ .linear = place(m), .len = one_in(m, 10) ? 1 + below(m, 16) : 0,
                             .kind = one_in(m, 2) ? POINT_WRITE : POINT_ACCESS };
    for (unsigned n = 0; n < SPAN; n += 8) {
        uint64_t v = !sparse ? rng_next(m->r) : one_in(m, 64) ? 1u << below(m, 15) : 0;

        memcpy(s->data + n, &v, 8);
    }
    for (unsigned n = 0; n < PAGES; n++) {
        unsigned other = one_in(m, 3) ? below(m, PAGES) : n;

        s->entry[n] = (DATA + other * 0x1000u) | (one_in(m, 20) ? PTE & ~2u : one_in(m, 20) ? PTE & ~1u : PTE) |
                      ((s->user ? !one_in(m, 20) : s->smap && one_in(m, s->ac ? 2 : 8)) ? PTE_USER : 0);
    }
}

static void random_loops(bool wide)
{
    unsigned count = PROGRAMS * (unsigned)asked("GH_RUNS_ROUNDS", 1);
    uint64_t only = asked("GH_RUNS_ONLY", UINT64_MAX);
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
        if (only < count && n != only)
            continue;
        run(g, &setup, UINT16_MAX, &first);
        run(g, &setup, 1, &second);
        if (first.stop != second.stop || memcmp(first.s.gpr, second.s.gpr, sizeof first.s.gpr) ||
            first.s.rip != second.s.rip || first.s.rflags != second.s.rflags || first.s.cr2 != second.s.cr2 ||
            first.s.dr[6] != second.s.dr[6] || first.hits != second.hits || first.met != second.met ||
            memcmp(first.s.xsave, second.s.xsave, 416) || memcmp(first.s.xsave + 576, second.s.xsave + 576, 256) ||
            memcmp(first.data, second.data, SPAN) ||
            memcmp(first.frame, second.frame, sizeof first.frame)) {
            char hex[2 * CODE_MAX + 1];

            for (unsigned k = 0; k < m.len; k++)
                snprintf(hex + 2 * k, 3, "%02x", m.code[k]);
            for (unsigned k = 0; k < 16; k++)
                if (first.s.gpr[k] != second.s.gpr[k])
                    cr_log_error("register %u: %lx, translated %lx", k, first.s.gpr[k], second.s.gpr[k]);
            for (unsigned k = 0, told = 0; k < SPAN && told < 4; k++)
                if (first.data[k] != second.data[k] && ++told)
                    cr_log_error("at %x: %02x, translated %02x", DATA + k, first.data[k], second.data[k]);
            cr_log_error("user %d SMAP %d AC %d DR7 %lx %lx %lx watch %lx %x %d, hits %u %u", setup.user, setup.smap,
                         setup.ac, setup.dr7, setup.dr[0], setup.dr[1], setup.watch.linear, setup.watch.len,
                         setup.watch.kind, first.hits, second.hits);
            for (unsigned k = 0; k < PAGES; k++)
                cr_log_error("page %u: %lx", k, setup.entry[k]);
            for (unsigned k = 0; k < 16; k++)
                cr_log_error("register %u at first: %lx", k, m.gpr[k]);
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
    cr_expect(only < count || counters[COUNT_RUNS].value > count / 3);
    cr_expect(only < count || counters[COUNT_RUNS_REFUSED].value > count / 4);
    guest_free(g);
}

Test(runs, loops_of_64_bit_code_come_out_the_same, .timeout = 0) { random_loops(true); }
Test(runs, loops_of_32_bit_code_come_out_the_same, .timeout = 0) { random_loops(false); }

static void take_page(Guest *g, uint64_t page)
{
    g->types[page >> 12] = MEM_HOLE;
    engine_soft.memory_changed(g->engine, page, 0x1000);
}

/* --- whose pages they are --- */
extern const uint8_t k_run_rights[], k_run_rights_end[], k_run_ring3[], k_run_ring3_end[];
enum { OF_USER = 0x42000, OF_SYSTEM = 0x43000 };

static Guest *rights_guest(void)
{
    Guest *g = guest_new();

    guest_long(g);
    g->s.cr4 |= 1 << 21;                /* SMAP */
    for (unsigned n = 0; n < 512; n++)
        page_flags(g, n << 12, PTE);
    page_flags(g, CODE, PTE);
    page_flags(g, OF_USER, PTE | PTE_USER);
    return g;
}

static Guest *rights;

/* From a page that may be read to one that may not, though with AC set it was. */
static void prepare_rights(void)
{
    rights->s.gpr[RBX] = OF_USER - 0x1000;
    rights->s.gpr[RDX] = OF_USER + 0x800;
}

Test(runs, what_AC_let_be_read_is_not_read_without_it)
{
    rights = rights_guest();
    guest_both_ways(&rights, rights_guest,
                    &(Code){ CODE, k_run_rights, (size_t)(k_run_rights_end - k_run_rights) }, prepare_rights, 14);
    eq_hex(rights->s.cr2, OF_USER);
    guest_free(rights);
}

/* The same in ring 3, and a page that ring 0 has read. */
static void prepare_ring3(void)
{
    page_flags(rights, CODE, PTE | PTE_USER);
    rights->s.gpr[RBX] = OF_USER;
    rights->s.gpr[RDX] = OF_SYSTEM + 0x800;
    rights->s.gpr[RSI] = U64 | 3;
    rights->s.gpr[RDI] = UDATA | 3;
    rights->s.cr4 &= ~(1ull << 21);
}

Test(runs, what_ring_0_has_read_is_not_read_in_ring_3)
{
    rights = rights_guest();
    guest_both_ways(&rights, rights_guest,
                    &(Code){ CODE, k_run_ring3, (size_t)(k_run_ring3_end - k_run_ring3) }, prepare_ring3, 14);
    eq_hex(rights->s.cr2, OF_SYSTEM);
    guest_free(rights);
}

/* --- another thread while the loop is on, and on --- */
extern const uint8_t k_run_stores[], k_run_stores_end[], k_run_stays[], k_run_stays_end[];
enum { CHANGES = 300 };

typedef struct Ever {
    Guest *g;
    pthread_t thread;
    enum VcpuStop stop;
} Ever;

static void *run_for_ever(void *arg)
{
    Ever *e = arg;

    e->stop = engine_soft.run(e->g->cpu);
    return NULL;
}

static void rest(void) { nanosleep(&(struct timespec){ .tv_nsec = 50000 }, NULL); }

static uint64_t runs_of(const Guest *g)
{
    EngineCounter counters[ENGINE_COUNTERS];

    engine_soft.counters(g->cpu, counters);
    return counters[COUNT_RUNS].value;
}

/* Returns when it has had some runs. */
static void ever_begin(Ever *e, const uint8_t *code, const uint8_t *end)
{
    Guest *g = e->g = guest_new();

    guest_long(g);
    guest_code(g, CODE, code, (size_t)(end - code));
    g->s.gpr[RBX] = DATA;
    g->s.gpr[RDX] = SPAN / 8;
    engine_soft.set_state(g->cpu, &g->s);
    cr_assert_eq(pthread_create(&e->thread, NULL, run_for_ever, e), 0);
    while (runs_of(g) < 8)
        rest();
}

static void ever_end(Ever *e)
{
    engine_soft.kick(e->g->cpu, true);
    pthread_join(e->thread, NULL);
    cr_expect_eq(e->stop, VCPU_STOP_KICKED);
}

Test(runs, a_loop_without_end_can_be_stopped, .timeout = 20)
{
    Ever e;

    ever_begin(&e, k_run_stays, k_run_stays_end);
    ever_end(&e);
    guest_free(e.g);
}

Test(runs, a_page_that_was_taken_is_not_written, .timeout = 60)
{
    static uint8_t before[4096];
    Ever e;

    ever_begin(&e, k_run_stores, k_run_stores_end);
    for (unsigned n = 0; n < CHANGES; n++) {
        uint64_t page = DATA + n % PAGES * 0x1000;

        rest();
        take_page(e.g, page);
        memcpy(before, e.g->ram + page, sizeof before);
        rest();
        cr_assert(!memcmp(before, e.g->ram + page, sizeof before), "change %u", n);
        e.g->types[page >> 12] = MEM_RAM;
        engine_soft.memory_changed(e.g->engine, page, 0x1000);
    }
    ever_end(&e);
    guest_free(e.g);
}

static void copy_dirty(const Guest *g, uint8_t *copy)
{
    uint8_t bits = 0;

    _Static_assert(PAGES == 8, "one byte has them all");
    engine_soft.dirty_fetch(g->engine, DATA, SPAN, &bits);
    for (unsigned n = 0; n < PAGES; n++)
        if (bits >> n & 1)
            memcpy(copy + n * 0x1000, g->ram + DATA + n * 0x1000, 0x1000);
}

/* A copy of what was said to be written is what is there in the end. */
Test(runs, a_log_that_begins_in_a_loop_has_all_its_writes, .timeout = 60)
{
    static uint8_t copy[SPAN];
    Ever e;

    for (unsigned round = 0; round < 20; round++) {
        ever_begin(&e, k_run_stores, k_run_stores_end);
        rest();
        engine_soft.dirty_log(e.g->engine, DATA, SPAN, true);
        memcpy(copy, e.g->ram + DATA, SPAN);
        for (unsigned n = 0; n < 10; n++) {
            rest();
            copy_dirty(e.g, copy);
        }
        ever_end(&e);
        copy_dirty(e.g, copy);
        cr_expect(!memcmp(copy, e.g->ram + DATA, SPAN), "round %u", round);
        guest_free(e.g);
    }
}

/* --- a device in the loop --- */
extern const uint8_t k_run_moves[], k_run_moves_end[];
enum { MOVED = 0x48000, DEVICE = 0x60000, TURNS = 400, TURN_OF_DEVICE = 250 };

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
