/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * branch.c - near branches.
 *
 * Direct targets are in Insn.imm, already cut to the instruction pointer's size.  A conditional
 * branch not taken goes on in its block.  Targets beyond CS's limit and not canonical ones fault
 * when the run loop looks for their block, so with the target's RIP, not the branch's.
 */
#include "hypervisor/soft/body.h"

#define JCC(n) \
void op_jcc##n(Cpu *c, const Insn *i) \
{ \
    if (condition(c, n)) \
        return jump_direct(c, i); \
    NEXT(c, i); \
}

JCC(0) JCC(1) JCC(2) JCC(3) JCC(4) JCC(5) JCC(6) JCC(7)
JCC(8) JCC(9) JCC(10) JCC(11) JCC(12) JCC(13) JCC(14) JCC(15)

void op_jmp_rel(Cpu *c, const Insn *i)
{
    return jump_direct(c, i);
}

static inline void push_next(Cpu *c, const Insn *i)
{
    uint64_t next = insn_next(c, i);
    uint64_t sp = stack_cut(c, c->gpr[4] - i->opsize);

    if (i->opsize == 8)
        st64(c, i, SEG_SS, sp, next);
    else if (i->opsize == 4)
        st32(c, i, SEG_SS, sp, (uint32_t)next);
    else
        st16(c, i, SEG_SS, sp, (uint16_t)next);
    stack_set(c, sp);
}

void op_call_rel(Cpu *c, const Insn *i)
{
    push_next(c, i);
    return jump_direct(c, i);
}

#define INDIRECT(bits, T) \
static void jmp_e_##bits(Cpu *c, const Insn *i) \
{ \
    T to = i->rm == REG_MEM ? LD(bits) : GET_##bits(c, i->rm); \
    c->rip = to; \
    return jump_cached(c); \
} \
static void call_e_##bits(Cpu *c, const Insn *i) \
{ \
    T to = i->rm == REG_MEM ? LD(bits) : GET_##bits(c, i->rm); \
    push_next(c, i); \
    c->rip = to; \
    return jump_cached(c); \
}

INDIRECT(16, uint16_t)
INDIRECT(32, uint32_t)
INDIRECT(64, uint64_t)
const OpFn ops_jmp_e[2][4] = {SIZES_NO8(jmp_e), SIZES_NO8(jmp_e)};
const OpFn ops_call_e[2][4] = {SIZES_NO8(call_e), SIZES_NO8(call_e)};

static inline void return_near(Cpu *c, const Insn *i, unsigned release)
{
    uint64_t sp = stack_cut(c, c->gpr[4]), to;

    if (i->opsize == 8)
        to = ld64(c, i, SEG_SS, sp);
    else if (i->opsize == 4)
        to = ld32(c, i, SEG_SS, sp);
    else
        to = ld16(c, i, SEG_SS, sp);
    stack_set(c, stack_cut(c, sp + i->opsize + release));
    c->rip = to;
    return jump_cached(c);
}

void op_ret(Cpu *c, const Insn *i)
{
    return return_near(c, i, 0);
}

void op_ret_imm(Cpu *c, const Insn *i)
{
    return return_near(c, i, (uint16_t)i->imm);
}

/* --- count register of the address size --- */
static inline uint64_t count_get(const Cpu *c, const Insn *i)
{
    return i->asize == 8 ? c->gpr[1] : i->asize == 4 ? (uint32_t)c->gpr[1] : R16(c, 1);
}

static inline uint64_t count_down(Cpu *c, const Insn *i)
{
    if (i->asize == 2)
        return --R16(c, 1);
    c->gpr[1] = i->asize == 4 ? (uint32_t)(c->gpr[1] - 1) : c->gpr[1] - 1;
    return c->gpr[1];
}

void op_jcxz(Cpu *c, const Insn *i)
{
    if (!count_get(c, i))
        return jump_direct(c, i);
    NEXT(c, i);
}

void op_loop(Cpu *c, const Insn *i)
{
    if (count_down(c, i))
        return jump_direct(c, i);
    NEXT(c, i);
}

void op_loope(Cpu *c, const Insn *i)
{
    if (count_down(c, i) && (c->aflags & FLAG_ZF))
        return jump_direct(c, i);
    NEXT(c, i);
}

void op_loopne(Cpu *c, const Insn *i)
{
    if (count_down(c, i) && !(c->aflags & FLAG_ZF))
        return jump_direct(c, i);
    NEXT(c, i);
}
