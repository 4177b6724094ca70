/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * emit.h - writes host instructions into code memory: registers, operands, the few forms the
 * translator makes itself.  Intel SDM volume 2, chapter 2.
 *
 * Code is written at p, in the writable mapping, and runs p + run later, in the executable one.
 * There are no range checks here: the translator reserves the room for a block before it begins.
 */
#ifndef GH_SOFT_JIT_EMIT_H
#define GH_SOFT_JIT_EMIT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef struct Emit {
    uint8_t *p;
    intptr_t run;
} Emit;

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15,
       REG_HIGH = 0x20 };   /* REG_HIGH | 0..3: AH, CH, DH, BH */

/* A register, or memory at base + (index << scale) + disp; NO_REG for an absent base or index.
 * Addresses without registers are absolute, below 2 GiB. */
#define NO_REG 0xff
typedef struct Operand {
    bool mem;
    uint8_t reg, base, index, scale;
    int32_t disp;
} Operand;

static inline Operand opd_reg(unsigned r) { return (Operand){ .reg = (uint8_t)r }; }
static inline Operand opd_mem(unsigned base, int32_t disp)
{
    return (Operand){ .mem = true, .base = (uint8_t)base, .index = NO_REG, .disp = disp };
}
static inline Operand opd_index(unsigned base, unsigned index, unsigned scale, int32_t disp)
{
    return (Operand){ .mem = true, .base = (uint8_t)base, .index = (uint8_t)index,
                      .scale = (uint8_t)scale, .disp = disp };
}
static inline Operand opd_abs(const void *at)
{
    return opd_mem(NO_REG, (int32_t)(uintptr_t)at);
}

static inline void e8(Emit *e, unsigned v) { *e->p++ = (uint8_t)v; }
static inline void e32(Emit *e, uint32_t v) { memcpy(e->p, &v, 4); e->p += 4; }
static inline void e64(Emit *e, uint64_t v) { memcpy(e->p, &v, 8); e->p += 8; }
static inline void e16(Emit *e, uint16_t v) { memcpy(e->p, &v, 2); e->p += 2; }

/* Where the instruction at p will run. */
static inline uintptr_t e_here(const Emit *e) { return (uintptr_t)e->p + (uintptr_t)e->run; }

/* The part of ModRM and what follows it. */
static inline void e_modrm(Emit *e, unsigned reg, Operand o)
{
    unsigned r = (reg & 7) << 3;

    if (!o.mem) {
        e8(e, 0xc0 | r | (o.reg & 7));
        return;
    }
    if (o.base == NO_REG) {
        e8(e, 0x04 | r);
        e8(e, 0x05 | (o.index == NO_REG ? 4u << 3 : (o.index & 7u) << 3 | (unsigned)o.scale << 6));
        e32(e, (uint32_t)o.disp);
        return;
    }
    {
        bool sib = o.index != NO_REG || (o.base & 7) == 4;
        unsigned mod = o.disp == 0 && (o.base & 7) != 5 ? 0 : o.disp == (int8_t)o.disp ? 1 : 2;

        e8(e, mod << 6 | r | (sib ? 4 : (o.base & 7u)));
        if (sib)
            e8(e, (unsigned)o.scale << 6 | (o.index == NO_REG ? 4u : (o.index & 7u)) << 3 |
                  (o.base & 7u));
        if (mod == 1)
            e8(e, (uint8_t)o.disp);
        else if (mod == 2)
            e32(e, (uint32_t)o.disp);
    }
}

static inline unsigned e_rex_bits(unsigned reg, Operand o)
{
    unsigned rex = reg & 8 ? 4 : 0;

    if (!o.mem)
        return rex | (o.reg & 8 ? 1 : 0);
    if (o.base != NO_REG && (o.base & 8))
        rex |= 1;
    if (o.index != NO_REG && (o.index & 8))
        rex |= 2;
    return rex;
}

/* map: 0 one byte, 1 0F, 2 0F 38, 3 0F 3A; prefix: 0, 66, F2, F3 (mandatory). */
static inline void e_opcode(Emit *e, unsigned map, unsigned op)
{
    if (map)
        e8(e, 0x0f);
    if (map > 1)
        e8(e, map == 2 ? 0x38 : 0x3a);
    e8(e, op);
}

/*
 * An instruction with ModRM.  size: 1, 2, 4, 8 gives 66 and REX.W; 0 neither.  Byte registers may
 * be REG_HIGH ones if nothing needs REX: e_encodable().
 */
static inline void e_op(Emit *e, unsigned size, unsigned prefix, unsigned map, unsigned op,
                        unsigned reg, Operand o)
{
    unsigned rex = e_rex_bits(reg & 15, o) | (size == 8 ? 8 : 0);

    if (prefix)
        e8(e, prefix);
    if (size == 2)
        e8(e, 0x66);
    if (rex)
        e8(e, 0x40 | rex);
    e_opcode(e, map, op);
    e_modrm(e, reg, o);
}

/* The same with byte registers in reg (byte_reg) or o (byte_rm). */
static inline void e_op_byte(Emit *e, unsigned size, unsigned prefix, unsigned map, unsigned op,
                             unsigned reg, bool byte_reg, Operand o, bool byte_rm)
{
    bool high = (byte_reg && (reg & REG_HIGH)) || (byte_rm && !o.mem && (o.reg & REG_HIGH));
    bool low = (byte_reg && !(reg & REG_HIGH) && reg >= 4) ||
               (byte_rm && !o.mem && !(o.reg & REG_HIGH) && o.reg >= 4);
    unsigned r = byte_reg && (reg & REG_HIGH) ? 4 + (reg & 3) : reg;
    unsigned rex;

    if (byte_rm && !o.mem && (o.reg & REG_HIGH))
        o.reg = 4 + (o.reg & 3);
    rex = high ? 0 : e_rex_bits(r, o) | (size == 8 ? 8 : 0);
    if (prefix)
        e8(e, prefix);
    if (size == 2)
        e8(e, 0x66);
    if (rex || low)
        e8(e, 0x40 | rex);
    e_opcode(e, map, op);
    e_modrm(e, r, o);
}

/* --- what the translator's own sequences are made of --- */
static inline void e_load(Emit *e, unsigned r, Operand o) { e_op(e, 8, 0, 0, 0x8b, r, o); }
static inline void e_load32(Emit *e, unsigned r, Operand o) { e_op(e, 4, 0, 0, 0x8b, r, o); }
static inline void e_store(Emit *e, Operand o, unsigned r) { e_op(e, 8, 0, 0, 0x89, r, o); }
static inline void e_mov(Emit *e, unsigned to, unsigned from)
{
    e_op(e, 8, 0, 0, 0x8b, to, opd_reg(from));
}
static inline void e_lea(Emit *e, unsigned size, unsigned r, Operand o)
{
    e_op(e, size, 0, 0, 0x8d, r, o);
}

/* r = v, by the shortest form; leaves the flags alone. */
static inline void e_imm(Emit *e, unsigned r, uint64_t v)
{
    if (v == (uint32_t)v) {
        if (r & 8)
            e8(e, 0x41);
        e8(e, 0xb8 | (r & 7));
        e32(e, (uint32_t)v);
    } else if (v == (uint64_t)(int64_t)(int32_t)v) {
        e_op(e, 8, 0, 0, 0xc7, 0, opd_reg(r));
        e32(e, (uint32_t)v);
    } else {
        e8(e, 0x48 | (r & 8 ? 1 : 0));
        e8(e, 0xb8 | (r & 7));
        e64(e, v);
    }
}

/* Group 1: digit 0 ADD, 1 OR, 4 AND, 5 SUB, 6 XOR, 7 CMP. */
static inline void e_alu_imm(Emit *e, unsigned size, unsigned digit, Operand o, int32_t v)
{
    bool small = v == (int8_t)v;

    e_op(e, size, 0, 0, small ? 0x83 : 0x81, digit, o);
    if (small)
        e8(e, (uint8_t)v);
    else
        e32(e, (uint32_t)v);
}

static inline void e_imm_of(Emit *e, unsigned size, uint64_t v)
{
    if (size == 1)
        e8(e, (uint8_t)v);
    else if (size == 2)
        e16(e, (uint16_t)v);
    else if (size == 4)
        e32(e, (uint32_t)v);
}
/* A jump whose distance is filled in later: returns where it is. */
static inline uint8_t *e_jcc(Emit *e, unsigned cond)
{
    e8(e, 0x0f);
    e8(e, 0x80 | cond);
    e32(e, 0);
    return e->p - 4;
}
static inline uint8_t *e_jmp(Emit *e)
{
    e8(e, 0xe9);
    e32(e, 0);
    return e->p - 4;
}
static inline uint8_t *e_call(Emit *e)
{
    e8(e, 0xe8);
    e32(e, 0);
    return e->p - 4;
}
static inline void e_patch(uint8_t *at, const uint8_t *target)
{
    int32_t d = (int32_t)(target - (at + 4));

    __atomic_store_n((int32_t __attribute__((aligned(1))) *)(void *)at, d, __ATOMIC_RELAXED);
}
static inline void e_push(Emit *e, unsigned r)
{
    if (r & 8)
        e8(e, 0x41);
    e8(e, 0x50 | (r & 7));
}
static inline void e_pop(Emit *e, unsigned r)
{
    if (r & 8)
        e8(e, 0x41);
    e8(e, 0x58 | (r & 7));
}

static inline void e_jmp_to(Emit *e, const uint8_t *target) { e_patch(e_jmp(e), target); }
static inline void e_call_to(Emit *e, const uint8_t *target)
{
    e_patch(e_call(e), target);
}
/* call [address] */
static inline void e_call_abs(Emit *e, const void *slot) { e_op(e, 0, 0, 0, 0xff, 2, opd_abs(slot)); }

enum { CC_O, CC_NO, CC_B, CC_AE, CC_E, CC_NE, CC_BE, CC_A, CC_S, CC_NS, CC_P, CC_NP, CC_L, CC_GE,
       CC_LE, CC_G, CC_ALWAYS };

#endif
