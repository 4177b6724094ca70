/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * move.c - data movement without the stack, conditional moves, and the flag instructions.
 *
 * Intel SDM volume 2.  Segment register moves are in segments.c, the stack's in stack.c.
 */
#include <sched.h>
#include "hypervisor/soft/body.h"
#include "hypervisor/soft/core.h"

#define OPERAND(bits) (i->rm == REG_MEM ? LD(bits) : GET_##bits(c, i->rm))

#define MOV_BODIES(bits, T) \
static void mov_eg_r_##bits(Cpu *c, const Insn *i) \
{ \
    SET_##bits(c, i->rm, GET_##bits(c, i->reg)); \
    NEXT(c, i); \
} \
static void mov_eg_m_##bits(Cpu *c, const Insn *i) \
{ \
    ST(bits, GET_##bits(c, i->reg)); \
    NEXT(c, i); \
} \
static void mov_ge_r_##bits(Cpu *c, const Insn *i) \
{ \
    SET_##bits(c, i->reg, GET_##bits(c, i->rm)); \
    NEXT(c, i); \
} \
static void mov_ge_m_##bits(Cpu *c, const Insn *i) \
{ \
    T v = LD(bits); \
    SET_##bits(c, i->reg, v); \
    NEXT(c, i); \
} \
static void mov_ei_r_##bits(Cpu *c, const Insn *i) \
{ \
    SET_##bits(c, i->rm, (T)i->imm); \
    NEXT(c, i); \
} \
static void mov_ei_m_##bits(Cpu *c, const Insn *i) \
{ \
    ST(bits, (T)i->imm); \
    NEXT(c, i); \
} \
static void mov_a_moffs_##bits(Cpu *c, const Insn *i) \
{ \
    T v = ld##bits(c, i, i->seg, i->imm); \
    SET_##bits(c, 0, v); \
    NEXT(c, i); \
} \
static void mov_moffs_a_##bits(Cpu *c, const Insn *i) \
{ \
    st##bits(c, i, i->seg, i->imm, GET_##bits(c, 0)); \
    NEXT(c, i); \
} \
static void xchg_r_##bits(Cpu *c, const Insn *i) \
{ \
    T a = GET_##bits(c, i->rm), b = GET_##bits(c, i->reg); \
    SET_##bits(c, i->rm, b); \
    SET_##bits(c, i->reg, a); \
    NEXT(c, i); \
} \
/* With memory XCHG is locked, prefix or not. */ \
static void xchg_m_##bits(Cpu *c, const Insn *i) \
{ \
    T a, r, b = GET_##bits(c, i->reg); \
    uint64_t off = insn_ea(c, i); \
    LOCKED_RMW(bits, off, r = b); \
    SET_##bits(c, i->reg, a); \
    NEXT(c, i); \
}

MOV_BODIES(8, uint8_t)
MOV_BODIES(16, uint16_t)
MOV_BODIES(32, uint32_t)
MOV_BODIES(64, uint64_t)
const OpFn ops_mov_eg[2][4] = {SIZES(mov_eg_r), SIZES(mov_eg_m)};
const OpFn ops_mov_ge[2][4] = {SIZES(mov_ge_r), SIZES(mov_ge_m)};
const OpFn ops_mov_ei[2][4] = {SIZES(mov_ei_r), SIZES(mov_ei_m)};
const OpFn ops_mov_a_moffs[2][4] = {SIZES(mov_a_moffs), SIZES(mov_a_moffs)};
const OpFn ops_mov_moffs_a[2][4] = {SIZES(mov_moffs_a), SIZES(mov_moffs_a)};
const OpFn ops_xchg[2][4] = {SIZES(xchg_r), SIZES(xchg_m)};

/* --- widening --- */
#define WIDEN(name, from, to, F, T) \
static void name##_r_##to(Cpu *c, const Insn *i) \
{ \
    SET_##to(c, i->reg, (T)(F)GET_##from(c, i->rm)); \
    NEXT(c, i); \
} \
static void name##_m_##to(Cpu *c, const Insn *i) \
{ \
    F v = (F)LD(from); \
    SET_##to(c, i->reg, (T)v); \
    NEXT(c, i); \
}

#define WIDEN_ALL(name, from, F) \
    WIDEN(name, from, 16, F, uint16_t) WIDEN(name, from, 32, F, uint32_t) \
    WIDEN(name, from, 64, F, uint64_t) \
    const OpFn ops_##name[2][4] = {SIZES_NO8(name##_r), SIZES_NO8(name##_m)};

WIDEN_ALL(movzx8, 8, uint8_t)
WIDEN_ALL(movsx8, 8, int8_t)
WIDEN_ALL(movzx16, 16, uint16_t)
WIDEN_ALL(movsx16, 16, int16_t)

WIDEN(movsxd, 16, 16, uint16_t, uint16_t)
WIDEN(movsxd, 32, 32, uint32_t, uint32_t)
WIDEN(movsxd, 32, 64, int32_t, uint64_t)
const OpFn ops_movsxd[2][4] = {SIZES_NO8(movsxd_r), SIZES_NO8(movsxd_m)};

static void lea_16(Cpu *c, const Insn *i)
{
    R16(c, i->reg) = (uint16_t)insn_ea(c, i);
    NEXT(c, i);
}

static void lea_32(Cpu *c, const Insn *i)
{
    c->gpr[i->reg] = (uint32_t)insn_ea(c, i);
    NEXT(c, i);
}

static void lea_64(Cpu *c, const Insn *i)
{
    c->gpr[i->reg] = insn_ea(c, i);
    NEXT(c, i);
}
const OpFn ops_lea[2][4] = {SIZES_NO8(lea), SIZES_NO8(lea)};

static void cbw_16(Cpu *c, const Insn *i)
{
    R16(c, 0) = (uint16_t)(int8_t)c->gpr[0];
    NEXT(c, i);
}

static void cbw_32(Cpu *c, const Insn *i)
{
    c->gpr[0] = (uint32_t)(int16_t)c->gpr[0];
    NEXT(c, i);
}

static void cbw_64(Cpu *c, const Insn *i)
{
    c->gpr[0] = (uint64_t)(int32_t)c->gpr[0];
    NEXT(c, i);
}
const OpFn ops_cbw[2][4] = {SIZES_NO8(cbw), SIZES_NO8(cbw)};

static void cwd_16(Cpu *c, const Insn *i)
{
    R16(c, 2) = (uint16_t)((int16_t)c->gpr[0] >> 15);
    NEXT(c, i);
}

static void cwd_32(Cpu *c, const Insn *i)
{
    c->gpr[2] = (uint32_t)((int32_t)c->gpr[0] >> 31);
    NEXT(c, i);
}

static void cwd_64(Cpu *c, const Insn *i)
{
    c->gpr[2] = (uint64_t)((int64_t)c->gpr[0] >> 63);
    NEXT(c, i);
}
const OpFn ops_cwd[2][4] = {SIZES_NO8(cwd), SIZES_NO8(cwd)};

/* --- conditional --- */
/* A memory operand is read whether the condition holds or not; 32 bits are zero-extended always. */
#define CMOV(n, bits, T) \
static void cmov##n##_r_##bits(Cpu *c, const Insn *i) \
{ \
    T v = condition(c, n) ? GET_##bits(c, i->rm) : GET_##bits(c, i->reg); \
    SET_##bits(c, i->reg, v); \
    NEXT(c, i); \
} \
static void cmov##n##_m_##bits(Cpu *c, const Insn *i) \
{ \
    T m = LD(bits), v = condition(c, n) ? m : GET_##bits(c, i->reg); \
    SET_##bits(c, i->reg, v); \
    NEXT(c, i); \
}

#define CONDITIONAL(n) \
    CMOV(n, 16, uint16_t) CMOV(n, 32, uint32_t) CMOV(n, 64, uint64_t) \
static void setcc##n##_r(Cpu *c, const Insn *i) \
{ \
    R8(c, i->rm) = condition(c, n); \
    NEXT(c, i); \
} \
static void setcc##n##_m(Cpu *c, const Insn *i) \
{ \
    ST(8, condition(c, n)); \
    NEXT(c, i); \
}

CONDITIONAL(0) CONDITIONAL(1) CONDITIONAL(2) CONDITIONAL(3)
CONDITIONAL(4) CONDITIONAL(5) CONDITIONAL(6) CONDITIONAL(7)
CONDITIONAL(8) CONDITIONAL(9) CONDITIONAL(10) CONDITIONAL(11)
CONDITIONAL(12) CONDITIONAL(13) CONDITIONAL(14) CONDITIONAL(15)

#define CMOV_ROW(n) {SIZES_NO8(cmov##n##_r), SIZES_NO8(cmov##n##_m)}
const OpFn ops_cmov[16][2][4] = {
    CMOV_ROW(0), CMOV_ROW(1), CMOV_ROW(2), CMOV_ROW(3), CMOV_ROW(4), CMOV_ROW(5), CMOV_ROW(6),
    CMOV_ROW(7), CMOV_ROW(8), CMOV_ROW(9), CMOV_ROW(10), CMOV_ROW(11), CMOV_ROW(12),
    CMOV_ROW(13), CMOV_ROW(14), CMOV_ROW(15),
};
#define SETCC_ROW(n) {{setcc##n##_r}, {setcc##n##_m}}
const OpFn ops_setcc[16][2][4] = {
    SETCC_ROW(0), SETCC_ROW(1), SETCC_ROW(2), SETCC_ROW(3), SETCC_ROW(4), SETCC_ROW(5),
    SETCC_ROW(6), SETCC_ROW(7), SETCC_ROW(8), SETCC_ROW(9), SETCC_ROW(10), SETCC_ROW(11),
    SETCC_ROW(12), SETCC_ROW(13), SETCC_ROW(14), SETCC_ROW(15),
};

/* --- single ones --- */
void op_xlat(Cpu *c, const Insn *i)
{
    uint64_t a = c->gpr[3] + R8(c, 0);

    R8(c, 0) = ld8(c, i, i->seg, i->asize == 8 ? a : i->asize == 4 ? (uint32_t)a : (uint16_t)a);
    NEXT(c, i);
}

void op_lahf(Cpu *c, const Insn *i)
{
    R8(c, 1) = (uint8_t)((c->aflags >> 8 & 0xd5) | 2);
    NEXT(c, i);
}

void op_sahf(Cpu *c, const Insn *i)
{
    c->aflags = (uint16_t)((c->aflags & FLAG_OF) | (R8(c, 1) & 0xd5) << 8);
    NEXT(c, i);
}

void op_cmc(Cpu *c, const Insn *i)
{
    c->aflags ^= FLAG_CF;
    NEXT(c, i);
}

void op_clc(Cpu *c, const Insn *i)
{
    c->aflags &= (uint16_t)~FLAG_CF;
    NEXT(c, i);
}

void op_stc(Cpu *c, const Insn *i)
{
    c->aflags |= FLAG_CF;
    NEXT(c, i);
}

void op_cld(Cpu *c, const Insn *i)
{
    c->rflags &= ~(uint32_t)RF_DF;
    NEXT(c, i);
}

void op_std(Cpu *c, const Insn *i)
{
    c->rflags |= RF_DF;
    NEXT(c, i);
}

void op_salc(Cpu *c, const Insn *i)
{
    R8(c, 0) = c->aflags & FLAG_CF ? 0xff : 0;
    NEXT(c, i);
}

void op_nop(Cpu *c, const Insn *i)
{
    NEXT(c, i);
}

/* The vCPU that is waited for may want this one's processor. */
void op_pause(Cpu *c, const Insn *i)
{
    __builtin_ia32_pause();
    if (c->engine->cpu_count > 1 && ++c->pauses >= PAUSE_PATIENCE) {
        c->pauses = 0;
        sched_yield();
    }
    NEXT(c, i);
}

void op_fence(Cpu *c, const Insn *i)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    NEXT(c, i);
}

void op_bound(Cpu *c, const Insn *i)
{
    uint64_t off = insn_ea(c, i);
    int64_t index, low, high;

    if (i->opsize == 2) {
        index = (int16_t)R16(c, i->reg);
        low = (int16_t)ld16(c, i, i->seg, off);
        high = (int16_t)ld16(c, i, i->seg, i->asize == 2 ? (uint16_t)(off + 2) : off + 2);
    } else {
        index = (int32_t)c->gpr[i->reg];
        low = (int32_t)ld32(c, i, i->seg, off);
        high = (int32_t)ld32(c, i, i->seg, i->asize == 2 ? (uint16_t)(off + 4) : off + 4);
    }
    if (index < low || index > high)
        raise_exc(c, i, EXC_BR);
    NEXT(c, i);
}
