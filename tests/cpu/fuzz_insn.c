/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_insn.c - random instructions, each with operands: integer, stack, strings, x87, MMX, SSE, AVX.
 * After multiplications and divisions, and whatever else leaves flags undefined, a TEST follows at
 * once.  Opcode maps: Intel SDM vol. 2 appendix A.
 */
#include "tests/cpu/fuzz_gen.h"

/* --- integer instructions --- */
/* No flags are left undefined where a far return may lead into the middle of instructions, nor where an
 * interrupt may see them. */
static bool tame(const Gen *g)
{
    return g->s->kind == FUZZ_REAL || g->s->kind == FUZZ_V86 || g->s->interrupted;
}

static unsigned lock_or_not(Gen *g, const Operand *o, bool allowed)
{
    return one_in(g, 24) || (allowed && o->memory && one_in(g, 4)) ? o->memory && allowed ? 0xf0
           : one_in(g, 40) ? 0xf0 : 0 : 0;
}

static void arithmetic(Gen *g)
{
    unsigned size = gen_size(g), op = below(g, 8) << 3, form = below(g, 4);
    Operand o;

    if (form == 3) {            /* accumulator, immediate */
        Operand none = { .asize = wide(g) ? 8 : code_size(g), .seg = NO_SEG };
        gen_prefixes(g, &none, size, 0, 0);
        if (size == 8)
            put(g, 0x48);
        put(g, op | 4 | (size > 1));
        put_n(g, gen_edge(g), size == 8 ? 4 : size);
        return;
    }
    gen_operand(g, &o, size == 1, 2);
    if (form == 2) {
        bool short_form = size == 1 || one_in(g, 2);
        unsigned imm = short_form ? 1 : size == 2 ? 2 : 4;
        gen_encode(g, &o, size, 0, lock_or_not(g, &o, op != 0x38), size == 1 ? 0x80 : short_form ? 0x83 : 0x81,
               op >> 3, imm);
        put_n(g, gen_edge(g), imm);
        return;
    }
    gen_encode(g, &o, size, 0, lock_or_not(g, &o, form == 0 && op != 0x38), op | form << 1 | (size > 1),
           gen_register_of(g, size), 0);
}

static void shift(Gen *g)
{
    static const uint8_t ops[] = { 0xc0, 0xd0, 0xd2 };
    unsigned size = gen_size(g), op = ops[below(g, 3)];
    Operand o;

    gen_operand(g, &o, size == 1, 1);
    gen_encode(g, &o, size, 0, 0, op | (size > 1), below(g, 8), op == 0xc0);
    if (op == 0xc0)
        put(g, below(g, 256));
}

static void unary(Gen *g)
{
    unsigned size = gen_size(g), digit;
    Operand o;

    gen_operand(g, &o, size == 1, 1);
    switch (below(g, tame(g) ? 3 : 4)) {
    case 0:
        gen_encode(g, &o, size, 0, lock_or_not(g, &o, true), 0xfe | (size > 1), below(g, 2), 0);
        break;
    case 1:
        gen_encode(g, &o, size, 0, lock_or_not(g, &o, true), 0xf6 | (size > 1), 2 + below(g, 2), 0);
        break;
    case 2:
        digit = below(g, 2) ? 0 : 0x80;
        gen_encode(g, &o, size, 0, 0, 0xf6 | (size > 1), 0, size == 8 ? 4 : size);
        put_n(g, gen_edge(g) ^ digit, size == 8 ? 4 : size);
        break;
    default:                    /* multiplication, division */
        if (one_in(g, 2))
            gen_set_register(g, DX, below(g, 3), code_size(g));
        gen_encode(g, &o, size, 0, 0, 0xf6 | (size > 1), 4 + below(g, 4), 0);
    }
}

static void move(Gen *g)
{
    unsigned size = gen_size(g), r;
    Operand o;

    switch (below(g, 8)) {
    case 0: case 1:
        gen_operand(g, &o, size == 1, 3);
        gen_encode(g, &o, size, 0, 0, 0x88 | (size > 1) | below(g, 2) << 1, gen_register_of(g, size), 0);
        break;
    case 2:
        gen_operand(g, &o, size == 1, 2);
        gen_encode(g, &o, size, 0, lock_or_not(g, &o, true), 0x86 | (size > 1), gen_register_of(g, size), 0);
        break;
    case 3:
        gen_operand(g, &o, size == 1, 3);
        gen_encode(g, &o, size, 0, 0, 0xc6 | (size > 1), 0, size == 8 ? 4 : size);
        put_n(g, gen_edge(g), size == 8 ? 4 : size);
        break;
    case 4:
        gen_operand_memory(g, &o);
        gen_encode(g, &o, gen_word_size(g), 0, 0, 0x8d, gen_register(g), 0);
        break;
    case 5:                     /* a register, any value */
        r = gen_register(g);
        gen_set_register(g, r, gen_edge(g), wide(g) && one_in(g, 2) ? 8 : 4);
        if (g->constants < SLOTS_MAX)
            g->constant_at[g->constants++] = (uint16_t)(g->p->len - 4);
        break;
    case 6: {                   /* by a full address */
        Operand none = { .asize = one_in(g, 6) ? wide(g) || g->s->bits == 16 ? 4 : 2
                                  : wide(g) ? 8 : code_size(g), .seg = gen_pick_seg(g) };
        gen_prefixes(g, &none, size, 0, 0);
        if (size == 8)
            put(g, 0x48);
        put(g, 0xa0 | below(g, 2) << 1 | (size > 1));
        put_n(g, gen_data_target(g) - gen_seg_base(g, none.seg, SEG_DS), none.asize);
        break;
    }
    default:
        if (wide(g) || one_in(g, 2)) {
            gen_operand(g, &o, false, 2);
            gen_encode(g, &o, wide(g) ? 8 : code_size(g), 0, 0, 0x63, gen_register(g), 0);
        } else {
            put(g, 0x90 | gen_register(g));
        }
    }
}

static void two_byte(Gen *g)
{
    static const uint16_t plain[] = { 0x1b6, 0x1b7, 0x1be, 0x1bf, 0x1bc, 0x1bd };
    static const uint8_t bits[] = { 0xa3, 0xab, 0xb3, 0xbb };
    unsigned size = gen_word_size(g), op, kind = below(g, 10);
    Operand o;

    switch (tame(g) && (kind == 5 || kind == 7) ? 6 : kind) {
    case 0:
        gen_operand(g, &o, false, 2);
        gen_encode(g, &o, size, 0, 0, 0x140 | below(g, 16), gen_register(g), 0);
        break;
    case 1:
        gen_operand(g, &o, true, 2);
        gen_encode(g, &o, 1, 0, 0, 0x190 | below(g, 16), 0, 0);
        break;
    case 2:
        gen_operand(g, &o, false, one_in(g, 8) ? 4 : 0);
        op = bits[below(g, 4)];
        gen_encode(g, &o, size, 0, lock_or_not(g, &o, op != 0xa3), 0x100 | op, gen_register(g), 0);
        break;
    case 3:
        gen_operand(g, &o, false, 2);
        op = 4 + below(g, 4);
        gen_encode(g, &o, size, 0, lock_or_not(g, &o, op != 4), 0x1ba, op, 1);
        put(g, below(g, 256));
        break;
    case 4:
        gen_operand(g, &o, false, 1);
        op = (one_in(g, 2) ? 0x1a4 : 0x1ac) | below(g, 2);
        gen_encode(g, &o, size, 0, 0, op, gen_register(g), !(op & 1));
        if (!(op & 1))
            put(g, below(g, size == 2 ? 17 : 256));
        break;
    case 5:
        gen_operand(g, &o, false, 1);
        if (one_in(g, 2)) {
            gen_encode(g, &o, size, 0, 0, 0x1af, gen_register(g), 0);
        } else {
            unsigned imm = one_in(g, 2) ? 1 : size == 2 ? 2 : 4;
            gen_encode(g, &o, size, 0, 0, imm == 1 ? 0x6b : 0x69, gen_register(g), imm);
            put_n(g, gen_edge(g), imm);
        }
        break;
    case 6:
        size = gen_size(g);
        gen_operand(g, &o, size == 1, 2);
        gen_encode(g, &o, size, 0, lock_or_not(g, &o, true), (one_in(g, 2) ? 0x1b0 : 0x1c0) | (size > 1),
               gen_register_of(g, size), 0);
        break;
    case 7:
        gen_operand(g, &o, false, 2);
        op = one_in(g, 4) ? 0x1b8 : 0x1bc | below(g, 2);
        gen_encode(g, &o, size, one_in(g, 3) ? 0xf3 : 0, 0, op, gen_register(g), 0);
        break;
    case 8:                     /* CMPXCHG8B, 16B */
        gen_operand_memory(g, &o);
        gen_encode(g, &o, wide(g) && one_in(g, 2) ? 8 : 4, 0, one_in(g, 2) ? 0xf0 : 0, 0x1c7, 1, 0);
        break;
    default:
        op = plain[below(g, sizeof plain / sizeof plain[0])];
        gen_operand(g, &o, op == 0x1b6 || op == 0x1be, 2);
        gen_encode(g, &o, size, 0, 0, op, gen_register(g), 0);
    }
}

static void three_byte(Gen *g)
{
    unsigned size = gen_word_size(g);
    Operand o;

    switch (below(g, 5)) {
    case 0:
        gen_operand_memory(g, &o);
        gen_encode(g, &o, size, 0, 0, 0x2f0 | below(g, 2), gen_register(g), 0);
        break;
    case 1:
        gen_operand(g, &o, false, 1);
        gen_encode(g, &o, size == 2 ? 4 : size, 0xf2, 0, 0x2f0 | below(g, 2), gen_register(g), 0);
        break;
    case 2:
        gen_operand(g, &o, false, 1);
        gen_encode(g, &o, wide(g) && one_in(g, 2) ? 8 : code_size(g), one_in(g, 2) ? 0x66 : 0xf3, 0, 0x2f6,
               gen_register(g), 0);
        break;
    case 3: {
        unsigned r = gen_register(g);
        if (wide(g))
            put(g, 0x40 | below(g, 2) << 3 | r >> 3);
        else if (one_in(g, 2))
            put(g, 0x66);
        put(g, 0x0f);
        put(g, 0xc8 | (r & 7));
        break;
    }
    default:
        gen_operand_memory(g, &o);
        gen_encode(g, &o, size == 2 ? 4 : size, 0, 0, 0x1c3, gen_register(g), 0);
    }
}

void gen_one_byte_op(Gen *g, bool tame)
{
    static const uint8_t any[] = { 0xf8, 0xf9, 0xf5, 0x98, 0x99, 0x9f, 0x9e, 0x90, 0xfc };
    static const uint8_t narrow[] = { 0x27, 0x2f, 0x37, 0x3f, 0x40, 0x41, 0x42, 0x46, 0x47, 0x48, 0x4a,
                                      0x4b, 0x4e, 0xd6, 0xd7 };

    if (!tame && !wide(g) && one_in(g, 2)) {
        put(g, narrow[below(g, sizeof narrow)]);
        return;
    }
    if (!tame && one_in(g, 3))
        put(g, wide(g) && one_in(g, 2) ? 0x48 : 0x66);
    if (!tame && one_in(g, 10))
        put(g, one_in(g, 2) ? 0xd7 : 0xfd);
    else
        put(g, any[below(g, tame ? 8 : 9)]);
}

static void decimal(Gen *g)
{
    if (wide(g) || tame(g)) {
        gen_one_byte_op(g, false);
        return;
    }
    put(g, 0xd4 | below(g, 2));
    put(g, one_in(g, 16) ? 0 : below(g, 256));
}

/* --- stack --- */
static void stack(Gen *g)
{
    unsigned size = code_size(g), r;
    Operand o;

    switch (below(g, 10)) {
    case 0: case 1: case 2:
        if (one_in(g, 6))
            put(g, 0x66);
        r = gen_register(g);
        if (r & 8)
            put(g, 0x41);
        put(g, 0x50 | (r & 7));
        break;
    case 3: case 4: case 5:
        if (one_in(g, 6))
            put(g, 0x66);
        r = gen_register(g);
        if (r & 8)
            put(g, 0x41);
        put(g, 0x58 | (r & 7));
        break;
    case 6:
        if (one_in(g, 2)) {
            put(g, 0x6a);
            put(g, below(g, 256));
        } else {
            put(g, 0x68);
            put_n(g, rng_next(g->r), size);
        }
        break;
    case 7:
        gen_operand_memory(g, &o);
        gen_encode(g, &o, one_in(g, 6) ? 6 - size : size, 0, 0, one_in(g, 2) ? 0xff : 0x8f, 0, 0);
        if (g->p->b[g->p->len - o.len - 1] == 0xff)
            g->p->b[g->p->len - o.len] |= 6 << 3;
        break;
    case 8:
        if (!wide(g) && one_in(g, 2)) {
            put(g, 0x60);
            if (one_in(g, 2))
                put(g, 0x61);
        } else {
            static const uint8_t segs[] = { 0x06, 0x0e, 0x16, 0x1e };
            if (wide(g))
                put_n(g, 0xa00f, 2);
            else
                put(g, segs[below(g, 4)]);
        }
        break;
    default:
        put(g, 0xc8);           /* ENTER, LEAVE */
        put_n(g, below(g, 40), 2);
        put(g, one_in(g, 4) ? below(g, 32) : 0);
        if (one_in(g, 2))
            put(g, 0xc9);
    }
}

/* --- strings --- */
static void string(Gen *g)
{
    static const uint8_t ops[] = { 0xa4, 0xa6, 0xaa, 0xac, 0xae };
    unsigned natural = wide(g) ? 8 : code_size(g), asize = one_in(g, 6) ? natural == 4 ? 2 : 4 : natural;
    unsigned size = gen_size(g), op = ops[below(g, 5)], seg = one_in(g, 6) ? SEG_ES : NO_SEG;
    Operand none = { .asize = asize, .seg = seg };

    if (one_in(g, 8))
        put(g, 0xfd);
    else if (one_in(g, 8))
        put(g, 0xfc);
    if (below(g, 4)) {
        if (op != 0xaa && op != 0xae)
            gen_set_register(g, SI, gen_data_target(g) - gen_seg_base(g, seg, SEG_DS), asize);
        if (op != 0xac)
            gen_set_register(g, DI, gen_data_target(g) - gen_seg_base(g, NO_SEG, SEG_ES), asize);
        gen_set_register(g, CX, below(g, one_in(g, 3) ? 600 : 40), asize);
    } else {
        gen_set_register(g, CX, below(g, 40), asize);
    }
    if (below(g, 3))
        put(g, 0xf2 | below(g, 2));
    gen_prefixes(g, &none, size, 0, 0);
    if (size == 8)
        put(g, 0x48);
    put(g, op | (size > 1));
}

/* --- x87, MMX, SSE, AVX --- */
void gen_x87(Gen *g)
{
    static const uint8_t forms[8] = { 0xff, 0xad, 0xff, 0xaf, 0xff, 0x8f, 0xff, 0xff };
    unsigned op, digit;
    Operand o;

    switch (below(g, 8)) {
    case 0: case 1: case 2:
        do {
            op = below(g, 8);
            digit = below(g, 8);
        } while (!(forms[op] >> digit & 1));
        gen_operand_memory(g, &o);
        gen_encode(g, &o, code_size(g), 0, 0, 0xd8 | op, digit, 0);
        break;
    case 3:
        if (one_in(g, 4)) {
            put(g, 0x9b);
        } else if (one_in(g, 3)) {      /* the whole state, out and in */
            gen_operand_memory(g, &o);
            gen_encode(g, &o, code_size(g), 0, 0, one_in(g, 2) ? 0xdd : 0xd9, 6, 0);
            gen_encode(g, &o, code_size(g), 0, 0, one_in(g, 2) ? 0xdd : 0xd9, 4, 0);
        } else {
            put(g, 0xdb);
            put(g, 0xe2 | below(g, 2));
        }
        break;
    case 4:                             /* a control word, with exceptions now and then */
        gen_operand_memory(g, &o);
        gen_encode(g, &o, 2, 0, 0, 0xc7, 0, 2);
        put_n(g, (one_in(g, 4) ? below(g, 64) : 0x3f) | below(g, 16) << 8, 2);
        gen_encode(g, &o, code_size(g), 0, 0, 0xd9, 5, 0);
        break;
    case 5:                             /* ordinary numbers */
        put(g, 0xd9);
        put(g, 0xe8 + below(g, 7));
        put(g, 0xde);
        put(g, 0xc1 + 8 * below(g, 8));
        break;
    default:
        do {
            op = below(g, 8);
            digit = 0xc0 + below(g, 64);
        } while ((op == 1 && digit >= 0xd1 && digit < 0xe0) || (op == 3 && digit >= 0xe0 && digit < 0xe8));
        if (op == 2 && digit >= 0xe0)
            digit = 0xe9;
        put(g, 0xd8 | op);
        put(g, digit);
    }
}

void gen_mmx(Gen *g)
{
    static const uint8_t ops[] = { 0x60, 0x63, 0x67, 0x6b, 0x6e, 0x6f, 0x74, 0x7e, 0x7f, 0xd1, 0xd5, 0xda,
                                   0xe0, 0xe2, 0xe7, 0xeb, 0xef, 0xf3, 0xf4, 0xf6, 0xf9, 0xfe, 0x2a, 0x2c, 0x2d };
    Operand o;

    gen_operand(g, &o, false, 1);
    switch (below(g, 6)) {
    case 0:
        if (one_in(g, 4)) {
            put_n(g, 0x770f, 2);
            return;
        }
        gen_operand_register(g, &o, false);
        gen_encode(g, &o, 4, 0, 0, 0x171 + below(g, 3), 2 + 2 * below(g, 3), 1);
        put(g, below(g, 70));
        return;
    case 1:
        gen_encode(g, &o, code_size(g), 0, 0, one_in(g, 2) ? 0x170 : 0x1c4, below(g, 8), 1);
        put(g, below(g, 256));
        return;
    default:
        gen_encode(g, &o, wide(g) && one_in(g, 4) ? 8 : code_size(g), 0, 0, 0x100 | ops[below(g, sizeof ops)],
               below(g, 8), 0);
    }
}

/* An opcode of the vector ranges, and whether it has an immediate. */
static unsigned vector_op(Gen *g, bool *imm)
{
    static const uint8_t ranges[][2] = { { 0x10, 0x17 }, { 0x28, 0x2f }, { 0x50, 0x7f }, { 0xc2, 0xc2 },
                                         { 0xc4, 0xc6 }, { 0xd0, 0xfe } };
    unsigned k = below(g, 12), op;

    *imm = false;
    if (k == 0)
        return 0x200 | below(g, 0x42);
    if (k == 1) {
        *imm = true;
        return 0x300 | (8 + below(g, 0x10));
    }
    k = k < 4 ? 2 : k < 5 ? 0 : k < 6 ? 1 : k < 8 ? 5 : k < 10 ? 2 : below(g, 6);
    op = ranges[k][0] + below(g, ranges[k][1] - ranges[k][0] + 1u);
    *imm = (op >= 0x70 && op <= 0x73) || op == 0xc2 || (op >= 0xc4 && op <= 0xc6);
    return 0x100 | op;
}

void gen_sse(Gen *g)
{
    static const uint8_t pfx[] = { 0, 0x66, 0x66, 0xf3, 0xf2 };
    bool imm;
    unsigned op = vector_op(g, &imm), reg = below(g, wide(g) ? 16 : 8);
    Operand o;

    if (one_in(g, 12)) {                /* MXCSR, with exceptions now and then */
        gen_operand_memory(g, &o);
        gen_encode(g, &o, 4, 0, 0, 0xc7, 0, 4);
        put_n(g, (one_in(g, 3) ? rng_next(g->r) & 0xffff : 0x1f80 | below(g, 64)), 4);
        gen_encode(g, &o, code_size(g), 0, 0, 0x1ae, 2, 0);
        return;
    }
    if (op == 0x177 || op == 0x1ff)
        op = 0x1ef;
    gen_operand(g, &o, false, 1);
    gen_encode(g, &o, wide(g) && one_in(g, 4) ? 8 : code_size(g), pfx[below(g, 5)], 0, op, reg, imm);
    if (imm)
        put(g, below(g, 256));
}

void gen_avx(Gen *g)
{
    bool imm;
    unsigned op = vector_op(g, &imm), reg = below(g, wide(g) ? 16 : 8), rex, at, w = one_in(g, 4);
    unsigned l = below(g, 2), pp = below(g, 4), vvvv = one_in(g, 3) ? 0 : below(g, wide(g) ? 16 : 8);
    Operand o;

    if (one_in(g, 6)) {                 /* BMI, FMA */
        op = one_in(g, 2) ? 0x2f2 + below(g, 6) : 0x290 | below(g, 0x30);
        if (op == 0x2f4)
            op = 0x2f7;
        imm = false;
    }
    gen_operand(g, &o, false, 1);
    if (!wide(g))
        reg &= 7;
    rex = reg >> 3 << 2 | o.rex;
    gen_prefixes(g, &o, code_size(g), 0, 0);
    put(g, 0xc4);
    put(g, ((rex & 4 ? 0 : 0x80) | (rex & 2 ? 0 : 0x40) | (rex & 1 ? 0 : 0x20)) | op >> 8);
    put(g, w << 7 | (~vvvv & 15) << 3 | l << 2 | pp);
    put(g, op & 0xff);
    if (op == 0x177)                    /* VZEROUPPER, VZEROALL */
        return;
    at = g->p->len;
    put(g, o.b[0] | (reg & 7) << 3);
    for (unsigned n = 1; n < o.len; n++)
        put(g, o.b[n]);
    gen_rip_fix(g, &o, at, imm);
    if (imm)
        put(g, below(g, 256));
}

void gen_state_image(Gen *g)
{
    Operand o;

    gen_operand_memory(g, &o);
    o.seg = NO_SEG;
    if (one_in(g, 2)) {                 /* FXSAVE, FXRSTOR */
        gen_encode(g, &o, wide(g) && one_in(g, 2) ? 8 : code_size(g), 0, 0, 0x1ae, 0, 0);
        gen_encode(g, &o, wide(g) && one_in(g, 2) ? 8 : code_size(g), 0, 0, 0x1ae, 1, 0);
        return;
    }
    gen_encode(g, &o, code_size(g), 0, 0, 0x1ae, 3, 0);     /* STMXCSR */
}

void gen_integer(Gen *g)
{
    switch (below(g, 18)) {
    case 0: case 1: case 2: case 3: arithmetic(g); break;
    case 4: case 5: shift(g); break;
    case 6: unary(g); break;
    case 7: case 8: case 9: move(g); break;
    case 10: case 11: two_byte(g); break;
    case 12: three_byte(g); break;
    case 13: case 14: stack(g); break;
    case 15: string(g); break;
    case 16: decimal(g); break;
    default: gen_one_byte_op(g, false);
    }
}
