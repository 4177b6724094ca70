/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * muldiv.c - multiplication, division, and the decimal and ASCII adjustments.
 *
 * Intel SDM volume 2.  Division checks what would trap before it lets the host divide.  The
 * adjustments don't exist in 64-bit mode on the host, so they are done in C.
 */
#include "hypervisor/soft/body.h"

/* The r/m operand, wherever it is. */
#define OPERAND(bits) (i->rm == REG_MEM ? LD(bits) : GET_##bits(c, i->rm))

/* --- one-operand multiply: AX, DX:AX, EDX:EAX, RDX:RAX --- */
#define MUL8(name, insn) \
static void name##_8(Cpu *c, const Insn *i) \
{ \
    uint8_t b = OPERAND(8); \
    unsigned f; \
    uint16_t ax = R8(c, 0); \
    __asm__(CLEAR_FLAGS insn "b %2\n\tmovw %%ax, %w1\n\t" KEEP_FLAGS \
            : "=&a"(f), "=&r"(ax) : "q"(b), "0"((unsigned)ax) : "cc"); \
    R16(c, 0) = ax; \
    c->aflags = (uint16_t)f; \
    NEXT(c, i); \
}

#define MULN(name, insn, bits, T, sfx) \
static void name##_##bits(Cpu *c, const Insn *i) \
{ \
    T b = OPERAND(bits), lo = GET_##bits(c, 0), hi; \
    uint64_t ax; \
    __asm__(CLEAR_FLAGS insn sfx " %3\n\tmov %%rax, %2\n\t" KEEP_FLAGS \
            : "+&a"(lo), "=&d"(hi), "=&r"(ax) : "r"(b) : "cc"); \
    c->aflags = (uint16_t)lo; \
    SET_##bits(c, 0, (T)ax); \
    SET_##bits(c, 2, hi); \
    NEXT(c, i); \
}

#define MUL(name, insn) \
    MUL8(name, insn) MULN(name, insn, 16, uint16_t, "w") MULN(name, insn, 32, uint32_t, "l") \
    MULN(name, insn, 64, uint64_t, "q")

MUL(mul, "mul")
MUL(imul1, "imul")
const OpFn ops_mul[2][4] = {SIZES(mul), SIZES(mul)};
const OpFn ops_imul1[2][4] = {SIZES(imul1), SIZES(imul1)};

#define IMUL(bits, T, sfx) \
static inline T imul_op_##bits(T a, T b, uint16_t *flags) \
{ \
    unsigned f; \
    __asm__(CLEAR_FLAGS "imul" sfx " %2, %1\n\t" KEEP_FLAGS : "=&a"(f), "+r"(a) : "r"(b) : "cc"); \
    *flags = (uint16_t)f; \
    return a; \
} \
static void imul2_##bits(Cpu *c, const Insn *i) \
{ \
    T b = OPERAND(bits); \
    T r = imul_op_##bits(GET_##bits(c, i->reg), b, &c->aflags); \
    SET_##bits(c, i->reg, r); \
    NEXT(c, i); \
} \
static void imul3_##bits(Cpu *c, const Insn *i) \
{ \
    T b = OPERAND(bits); \
    T r = imul_op_##bits(b, (T)i->imm, &c->aflags); \
    SET_##bits(c, i->reg, r); \
    NEXT(c, i); \
}

IMUL(16, uint16_t, "w")
IMUL(32, uint32_t, "l")
IMUL(64, uint64_t, "q")
const OpFn ops_imul2[2][4] = {SIZES_NO8(imul2), SIZES_NO8(imul2)};
const OpFn ops_imul3[2][4] = {SIZES_NO8(imul3), SIZES_NO8(imul3)};

/* --- division.  All flags are undefined: made the same here and in translated code. --- */
#define DIVIDED(c) ((c)->aflags = FLAG_ZF | FLAG_PF)     /* CLEAR_FLAGS */

static void div_8(Cpu *c, const Insn *i)
{
    unsigned b = OPERAND(8), a = R16(c, 0);

    if (!b || a / b > 0xff)
        raise_exc(c, i, EXC_DE);
    R16(c, 0) = (uint16_t)((a % b) << 8 | a / b);
    DIVIDED(c);
    NEXT(c, i);
}

static void idiv_8(Cpu *c, const Insn *i)
{
    int b = (int8_t)OPERAND(8), a = (int16_t)R16(c, 0);

    if (!b || a / b > 127 || a / b < -128)
        raise_exc(c, i, EXC_DE);
    R16(c, 0) = (uint16_t)((a % b & 0xff) << 8 | (a / b & 0xff));
    DIVIDED(c);
    NEXT(c, i);
}

static void div_16(Cpu *c, const Insn *i)
{
    uint32_t b = OPERAND(16), a = (uint32_t)R16(c, 2) << 16 | R16(c, 0);

    if (!b || a / b > 0xffff)
        raise_exc(c, i, EXC_DE);
    R16(c, 0) = (uint16_t)(a / b);
    R16(c, 2) = (uint16_t)(a % b);
    DIVIDED(c);
    NEXT(c, i);
}

static void idiv_16(Cpu *c, const Insn *i)
{
    int64_t b = (int16_t)OPERAND(16);
    int64_t a = (int32_t)((uint32_t)R16(c, 2) << 16 | R16(c, 0));

    if (!b || a / b > 32767 || a / b < -32768)
        raise_exc(c, i, EXC_DE);
    R16(c, 0) = (uint16_t)(a / b);
    R16(c, 2) = (uint16_t)(a % b);
    DIVIDED(c);
    NEXT(c, i);
}

static void div_32(Cpu *c, const Insn *i)
{
    uint64_t b = OPERAND(32), a = c->gpr[2] << 32 | (uint32_t)c->gpr[0];

    if (!b || a / b > 0xffffffff)
        raise_exc(c, i, EXC_DE);
    c->gpr[0] = a / b;
    c->gpr[2] = a % b;
    DIVIDED(c);
    NEXT(c, i);
}

static void idiv_32(Cpu *c, const Insn *i)
{
    int64_t b = (int32_t)OPERAND(32);
    int64_t a = (int64_t)(c->gpr[2] << 32 | (uint32_t)c->gpr[0]);

    if (!b || (a == INT64_MIN && b == -1) || a / b > INT32_MAX || a / b < INT32_MIN)
        raise_exc(c, i, EXC_DE);
    c->gpr[0] = (uint32_t)(a / b);
    c->gpr[2] = (uint32_t)(a % b);
    DIVIDED(c);
    NEXT(c, i);
}

/* The host's DIV; the caller has seen that it can't trap (hi < b). */
static void div_host(uint64_t hi, uint64_t lo, uint64_t b, uint64_t *q, uint64_t *r)
{
    __asm__("divq %4" : "=a"(*q), "=d"(*r) : "0"(lo), "1"(hi), "r"(b) : "cc");
}

static void div_64(Cpu *c, const Insn *i)
{
    uint64_t b = OPERAND(64), q, r;

    if (c->gpr[2] >= b)
        raise_exc(c, i, EXC_DE);
    div_host(c->gpr[2], c->gpr[0], b, &q, &r);
    c->gpr[0] = q;
    c->gpr[2] = r;
    DIVIDED(c);
    NEXT(c, i);
}

static void idiv_64(Cpu *c, const Insn *i)
{
    uint64_t b = OPERAND(64), hi = c->gpr[2], lo = c->gpr[0], q, r;
    bool neg_a = hi >> 63, neg_b = b >> 63;

    if (neg_a) {
        lo = -lo;
        hi = ~hi + !lo;
    }
    if (neg_b)
        b = -b;
    if (hi >= b)
        raise_exc(c, i, EXC_DE);
    div_host(hi, lo, b, &q, &r);
    if (neg_a != neg_b ? q > 1ull << 63 : q >> 63)
        raise_exc(c, i, EXC_DE);
    c->gpr[0] = neg_a != neg_b ? -q : q;
    c->gpr[2] = neg_a ? -r : r;
    DIVIDED(c);
    NEXT(c, i);
}

const OpFn ops_div[2][4] = {SIZES(div), SIZES(div)};
const OpFn ops_idiv[2][4] = {SIZES(idiv), SIZES(idiv)};

/* --- decimal --- */
/* SF, ZF and PF of a byte; AF and CF as given; OF 0. */
static void decimal_flags(Cpu *c, uint8_t r, bool af, bool cf)
{
    c->aflags = (uint16_t)((r & 0x80 ? FLAG_SF : 0) | (r ? 0 : FLAG_ZF) |
                           (__builtin_parity(r) ? 0 : FLAG_PF) | (af ? FLAG_AF : 0) |
                           (cf ? FLAG_CF : 0));
}

void op_aam(Cpu *c, const Insn *i)
{
    uint8_t base = (uint8_t)i->imm, al = R8(c, 0);

    if (!base)
        raise_exc(c, i, EXC_DE);
    R8(c, 1) = al / base;
    R8(c, 0) = al % base;
    decimal_flags(c, R8(c, 0), false, false);
    NEXT(c, i);
}

void op_aad(Cpu *c, const Insn *i)
{
    uint8_t r = (uint8_t)(R8(c, 0) + R8(c, 1) * (uint8_t)i->imm);

    R16(c, 0) = r;
    decimal_flags(c, r, false, false);
    NEXT(c, i);
}

void op_daa(Cpu *c, const Insn *i)
{
    uint8_t al = R8(c, 0), r = al;
    bool af = (c->aflags & FLAG_AF) || (al & 15) > 9;
    bool cf = (c->aflags & FLAG_CF) || al > 0x99;

    r = (uint8_t)(r + (af ? 6 : 0) + (cf ? 0x60 : 0));
    R8(c, 0) = r;
    decimal_flags(c, r, af, cf);
    NEXT(c, i);
}

void op_das(Cpu *c, const Insn *i)
{
    uint8_t al = R8(c, 0), r = al;
    bool af = (c->aflags & FLAG_AF) || (al & 15) > 9;
    bool high = (c->aflags & FLAG_CF) || al > 0x99;
    bool cf = high || (af && al < 6);

    r = (uint8_t)(r - (af ? 6 : 0) - (high ? 0x60 : 0));
    R8(c, 0) = r;
    decimal_flags(c, r, af, cf);
    NEXT(c, i);
}

void op_aaa(Cpu *c, const Insn *i)
{
    bool af = (c->aflags & FLAG_AF) || (R8(c, 0) & 15) > 9;

    if (af)
        R16(c, 0) = (uint16_t)(R16(c, 0) + 0x106);
    R8(c, 0) &= 15;
    decimal_flags(c, R8(c, 0), af, af);
    NEXT(c, i);
}

void op_aas(Cpu *c, const Insn *i)
{
    bool af = (c->aflags & FLAG_AF) || (R8(c, 0) & 15) > 9;

    if (af)
        R16(c, 0) = (uint16_t)(R16(c, 0) - 0x106);
    R8(c, 0) &= 15;
    decimal_flags(c, R8(c, 0), af, af);
    NEXT(c, i);
}
