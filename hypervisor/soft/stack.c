/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stack.c - PUSH, POP and their kin, ENTER, LEAVE, PUSHF, POPF.
 *
 * Intel SDM volume 2.  The stack pointer moves only after the store, so a fault leaves it alone.
 */
#include "hypervisor/soft/body.h"

#define PUSH(bits, v) do { \
    uint64_t sp_ = stack_cut(c, c->gpr[4] - bits / 8); \
    st##bits(c, i, SEG_SS, sp_, (v)); \
    stack_set(c, sp_); \
} while (0)

#define STACK_BODIES(bits, T) \
static void push_r_##bits(Cpu *c, const Insn *i) \
{ \
    PUSH(bits, GET_##bits(c, i->rm)); \
    NEXT(c, i); \
} \
static void push_m_##bits(Cpu *c, const Insn *i) \
{ \
    T v = LD(bits); \
    PUSH(bits, v); \
    NEXT(c, i); \
} \
static void push_i_##bits(Cpu *c, const Insn *i) \
{ \
    PUSH(bits, (T)i->imm); \
    NEXT(c, i); \
} \
static void pop_r_##bits(Cpu *c, const Insn *i) \
{ \
    uint64_t sp = stack_cut(c, c->gpr[4]); \
    T v = ld##bits(c, i, SEG_SS, sp); \
    stack_set(c, stack_cut(c, sp + bits / 8)); \
    SET_##bits(c, i->rm, v); \
    NEXT(c, i); \
} \
/* The address counts with the stack pointer already moved. */ \
static void pop_m_##bits(Cpu *c, const Insn *i) \
{ \
    uint64_t old = c->gpr[4], sp = stack_cut(c, old), off; \
    T v = ld##bits(c, i, SEG_SS, sp); \
    stack_set(c, stack_cut(c, sp + bits / 8)); \
    off = insn_ea(c, i); \
    sp = c->gpr[4]; \
    c->gpr[4] = old; \
    st##bits(c, i, i->seg, off, v); \
    c->gpr[4] = sp; \
    NEXT(c, i); \
}

STACK_BODIES(16, uint16_t)
STACK_BODIES(32, uint32_t)
STACK_BODIES(64, uint64_t)
const OpFn ops_push_e[2][4] = {SIZES_NO8(push_r), SIZES_NO8(push_m)};
const OpFn ops_pop_e[2][4] = {SIZES_NO8(pop_r), SIZES_NO8(pop_m)};
const OpFn ops_push_i[2][4] = {SIZES_NO8(push_i), SIZES_NO8(push_i)};

/* Partial stores of a PUSHA that faults are repeated when it is restarted. */
#define ALL_BODIES(bits) \
static void pusha_##bits(Cpu *c, const Insn *i) \
{ \
    uint64_t sp = c->gpr[4]; \
    for (unsigned r = 0; r < 8; r++) { \
        sp = stack_cut(c, sp - bits / 8); \
        st##bits(c, i, SEG_SS, sp, GET_##bits(c, r)); \
    } \
    stack_set(c, sp); \
    NEXT(c, i); \
} \
static void popa_##bits(Cpu *c, const Insn *i) \
{ \
    uint64_t sp = stack_cut(c, c->gpr[4]), v[8]; \
    for (int r = 7; r >= 0; r--) { \
        v[r] = ld##bits(c, i, SEG_SS, sp); \
        sp = stack_cut(c, sp + bits / 8); \
    } \
    for (unsigned r = 0; r < 8; r++) \
        if (r != 4) \
            SET_##bits(c, r, (uint##bits##_t)v[r]); \
    stack_set(c, sp); \
    NEXT(c, i); \
}

ALL_BODIES(16)
ALL_BODIES(32)
const OpFn ops_pusha[2][4] = {{NULL, pusha_16, pusha_32, NULL}, {NULL, pusha_16, pusha_32, NULL}};
const OpFn ops_popa[2][4] = {{NULL, popa_16, popa_32, NULL}, {NULL, popa_16, popa_32, NULL}};

static uint64_t stack_load(Cpu *c, const Insn *i, uint64_t sp)
{
    return i->opsize == 8 ? ld64(c, i, SEG_SS, sp)
           : i->opsize == 4 ? ld32(c, i, SEG_SS, sp) : ld16(c, i, SEG_SS, sp);
}

static void stack_store(Cpu *c, const Insn *i, uint64_t sp, uint64_t v)
{
    if (i->opsize == 8)
        st64(c, i, SEG_SS, sp, v);
    else if (i->opsize == 4)
        st32(c, i, SEG_SS, sp, (uint32_t)v);
    else
        st16(c, i, SEG_SS, sp, (uint16_t)v);
}

static void frame_set(Cpu *c, const Insn *i, uint64_t v)
{
    if (i->opsize == 2)
        R16(c, 5) = (uint16_t)v;
    else
        c->gpr[5] = i->opsize == 4 ? (uint32_t)v : v;
}

/* imm: bytes of locals in 15:0, nesting level in 20:16 */
void op_enter(Cpu *c, const Insn *i)
{
    unsigned room = i->imm & 0xffff, level = i->imm >> 16 & 31;
    uint64_t sp = stack_cut(c, c->gpr[4] - i->opsize), bp = c->gpr[5], frame = sp;

    stack_store(c, i, sp, bp);
    for (unsigned n = 1; n < level; n++) {
        bp = stack_cut(c, bp - i->opsize);
        sp = stack_cut(c, sp - i->opsize);
        stack_store(c, i, sp, stack_load(c, i, bp));
    }
    if (level) {
        sp = stack_cut(c, sp - i->opsize);
        stack_store(c, i, sp, frame);
    }
    sp = stack_cut(c, sp - room);
    mem_check_write(c, i, SEG_SS, sp, i->opsize);
    frame_set(c, i, frame);
    stack_set(c, sp);
    NEXT(c, i);
}

void op_leave(Cpu *c, const Insn *i)
{
    uint64_t sp = stack_cut(c, c->gpr[5]);
    uint64_t v = stack_load(c, i, sp);

    stack_set(c, stack_cut(c, sp + i->opsize));
    frame_set(c, i, v);
    NEXT(c, i);
}

/* In virtual-8086 mode with IOPL < 3: true when VIF stands for IF (VME), else #GP(0). */
static bool flags_virtual(Cpu *c, const Insn *i)
{
    if (!(c->mode & MODE_V86) || (c->rflags & RF_IOPL) == RF_IOPL)
        return false;
    if (!(c->cr4 & CR4_VME) || i->opsize != 2)
        raise_gp0(c, i);
    return true;
}

void op_pushf(Cpu *c, const Insn *i)
{
    uint64_t sp = stack_cut(c, c->gpr[4] - i->opsize);
    uint32_t v = cpu_get_rflags(c) & ~(uint32_t)(RF_VM | RF_RF);

    if (flags_virtual(c, i))
        v = (v & ~(uint32_t)RF_IF) | RF_IOPL | (v & RF_VIF ? RF_IF : 0);
    stack_store(c, i, sp, v);
    stack_set(c, sp);
    NEXT(c, i);
}

void op_popf(Cpu *c, const Insn *i)
{
    uint64_t sp = stack_cut(c, c->gpr[4]);
    uint32_t mask = RF_ARITH | RF_TF | RF_DF | RF_NT | RF_AC | RF_ID | RF_RF, v;
    unsigned iopl = c->rflags >> 12 & 3;
    bool virtual = flags_virtual(c, i);

    v = (uint32_t)stack_load(c, i, sp) & ~(uint32_t)RF_RF;
    if (c->mode & MODE_PROT) {
        if (c->cpl == 0)
            mask |= RF_IOPL;
        if (c->cpl <= iopl)
            mask |= RF_IF;
    } else {
        mask |= RF_IF | (c->mode & MODE_V86 ? 0 : RF_IOPL);
    }
    if (i->opsize == 2)
        mask &= 0xffff;
    if (virtual) {
        if ((v & RF_TF) || ((v & RF_IF) && (c->rflags & RF_VIP)))
            raise_gp0(c, i);
        v |= v & RF_IF ? RF_VIF : 0;
        mask = (mask & ~(uint32_t)RF_IF) | RF_VIF;
    }
    stack_set(c, stack_cut(c, sp + i->opsize));
    c->rip = insn_next(c, i);
    cpu_set_rflags(c, v, mask);
}
