/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sse_move.c - MMX and SSE data movement: loads, stores, moves between register files, masks,
 * extraction and insertion of elements.  Intel SDM vol. 2.  Non-temporal hints are ignored.
 */
#include "hypervisor/soft/simd.h"

static inline bool in_memory(const Insn *i) {
    return i->rm == REG_MEM;
}

static void need_memory(Cpu *c, const Insn *i) {
    if (!in_memory(i)) {
        raise_ud(c, i);
    }
}

static void need_register(Cpu *c, const Insn *i) {
    if (in_memory(i)) {
        raise_ud(c, i);
    }
}

/* --- whole registers --- */

#define LOAD(name, align)                                                                       \
    void sse_x_##name(Cpu *c, const Insn *i) {                                                  \
        sse_check(c, i);                                                                        \
        vec_set(c, i->reg, vec_src(c, i, 16, align));                                           \
        NEXT(c, i);                                                                             \
    }
#define STORE(name, align)                                                                      \
    void sse_x_##name(Cpu *c, const Insn *i) {                                                  \
        sse_check(c, i);                                                                        \
        if (in_memory(i)) {                                                                     \
            vec_store(c, i, vec_get(c, i->reg), 16, align);                                     \
        } else {                                                                                \
            vec_set(c, i->rm, vec_get(c, i->reg));                                              \
        }                                                                                       \
        NEXT(c, i);                                                                             \
    }

LOAD(load_aligned, 16)
LOAD(load_unaligned, 0)
STORE(store_aligned, 16)
STORE(store_unaligned, 0)

void sse_x_load_memory(Cpu *c, const Insn *i) {     /* MOVNTDQA */
    need_memory(c, i);
    sse_check(c, i);
    vec_set(c, i->reg, vec_mem(c, i, 16, 16));
    NEXT(c, i);
}

void sse_x_lddqu(Cpu *c, const Insn *i) {
    need_memory(c, i);
    sse_check(c, i);
    vec_set(c, i->reg, vec_mem(c, i, 16, 0));
    NEXT(c, i);
}

void sse_x_store_memory(Cpu *c, const Insn *i) {    /* MOVNTPS, MOVNTPD, MOVNTDQ */
    need_memory(c, i);
    sse_check(c, i);
    vec_store(c, i, vec_get(c, i->reg), 16, 16);
    NEXT(c, i);
}

/* --- low elements: a load from memory clears the rest, from a register leaves it --- */

void sse_x_movss_load(Cpu *c, const Insn *i) {
    sse_check(c, i);
    if (in_memory(i)) {
        vec_set(c, i->reg, vec_mem(c, i, 4, 0));
    } else {
        c->fpu.v[i->reg].d[0] = c->fpu.v[i->rm].d[0];
    }
    NEXT(c, i);
}

void sse_x_movss_store(Cpu *c, const Insn *i) {
    sse_check(c, i);
    if (in_memory(i)) {
        mem_write32(c, i, i->seg, effective_address(c, i), c->fpu.v[i->reg].d[0]);
    } else {
        c->fpu.v[i->rm].d[0] = c->fpu.v[i->reg].d[0];
    }
    NEXT(c, i);
}

void sse_x_movsd_load(Cpu *c, const Insn *i) {
    sse_check(c, i);
    if (in_memory(i)) {
        vec_set(c, i->reg, vec_mem(c, i, 8, 0));
    } else {
        c->fpu.v[i->reg].q[0] = c->fpu.v[i->rm].q[0];
    }
    NEXT(c, i);
}

void sse_x_movsd_store(Cpu *c, const Insn *i) {
    sse_check(c, i);
    if (in_memory(i)) {
        mem_write64(c, i, i->seg, effective_address(c, i), c->fpu.v[i->reg].q[0]);
    } else {
        c->fpu.v[i->rm].q[0] = c->fpu.v[i->reg].q[0];
    }
    NEXT(c, i);
}

/* MOVQ xmm, xmm/m64: always clears the upper half */
void sse_x_movq_load(Cpu *c, const Insn *i) {
    sse_check(c, i);
    vec_set(c, i->reg, _mm_move_epi64(vec_src(c, i, 8, 0)));
    NEXT(c, i);
}

void sse_x_movq_store(Cpu *c, const Insn *i) {
    sse_check(c, i);
    if (in_memory(i)) {
        mem_write64(c, i, i->seg, effective_address(c, i), c->fpu.v[i->reg].q[0]);
    } else {
        vec_set(c, i->rm, _mm_move_epi64(vec_get(c, i->reg)));
    }
    NEXT(c, i);
}

/* --- halves --- */

void sse_x_movlps(Cpu *c, const Insn *i) {      /* register form: MOVHLPS */
    sse_check(c, i);
    c->fpu.v[i->reg].q[0] = in_memory(i) ? mmx_mem(c, i, 8) : c->fpu.v[i->rm].q[1];
    NEXT(c, i);
}

void sse_x_movhps(Cpu *c, const Insn *i) {      /* register form: MOVLHPS */
    sse_check(c, i);
    c->fpu.v[i->reg].q[1] = in_memory(i) ? mmx_mem(c, i, 8) : c->fpu.v[i->rm].q[0];
    NEXT(c, i);
}

void sse_x_movlpd(Cpu *c, const Insn *i) {
    need_memory(c, i);
    sse_check(c, i);
    c->fpu.v[i->reg].q[0] = mmx_mem(c, i, 8);
    NEXT(c, i);
}

void sse_x_movhpd(Cpu *c, const Insn *i) {
    need_memory(c, i);
    sse_check(c, i);
    c->fpu.v[i->reg].q[1] = mmx_mem(c, i, 8);
    NEXT(c, i);
}

void sse_x_movlp_store(Cpu *c, const Insn *i) {
    need_memory(c, i);
    sse_check(c, i);
    mem_write64(c, i, i->seg, effective_address(c, i), c->fpu.v[i->reg].q[0]);
    NEXT(c, i);
}

void sse_x_movhp_store(Cpu *c, const Insn *i) {
    need_memory(c, i);
    sse_check(c, i);
    mem_write64(c, i, i->seg, effective_address(c, i), c->fpu.v[i->reg].q[1]);
    NEXT(c, i);
}

/* --- MMX and XMM from and to general registers and each other --- */

static uint64_t gpr_or_mem(Cpu *c, const Insn *i) {
    if (!in_memory(i)) {
        return i->rex & 8 ? c->gpr[i->rm] : (uint32_t)c->gpr[i->rm];
    }
    return mmx_mem(c, i, i->rex & 8 ? 8 : 4);
}

static void to_gpr_or_mem(Cpu *c, const Insn *i, uint64_t v) {
    if (!in_memory(i)) {
        c->gpr[i->rm] = i->rex & 8 ? v : (uint32_t)v;
    } else if (i->rex & 8) {
        mem_write64(c, i, i->seg, effective_address(c, i), v);
    } else {
        mem_write32(c, i, i->seg, effective_address(c, i), (uint32_t)v);
    }
}

void sse_x_movd_load(Cpu *c, const Insn *i) {
    sse_check(c, i);
    vec_set(c, i->reg, _mm_cvtsi64_si128((long long)gpr_or_mem(c, i)));
    NEXT(c, i);
}

void sse_x_movd_store(Cpu *c, const Insn *i) {
    sse_check(c, i);
    to_gpr_or_mem(c, i, c->fpu.v[i->reg].q[0]);
    NEXT(c, i);
}

void sse_m_movd_load(Cpu *c, const Insn *i) {
    mmx_check(c, i);
    uint64_t v = gpr_or_mem(c, i);
    mmx_enter(c);
    mmx_set(c, i->reg, v);
    NEXT(c, i);
}

void sse_m_movd_store(Cpu *c, const Insn *i) {
    mmx_check(c, i);
    to_gpr_or_mem(c, i, mmx_get(c, i->reg));
    mmx_enter(c);
    NEXT(c, i);
}

void sse_m_movq_load(Cpu *c, const Insn *i) {
    mmx_check(c, i);
    uint64_t v = in_memory(i) ? mmx_mem(c, i, 8) : mmx_get(c, i->rm);
    mmx_enter(c);
    mmx_set(c, i->reg, v);
    NEXT(c, i);
}

void sse_m_movq_store(Cpu *c, const Insn *i) {
    mmx_check(c, i);
    uint64_t v = mmx_get(c, i->reg);
    if (in_memory(i)) {
        mem_write64(c, i, i->seg, effective_address(c, i), v);
        mmx_enter(c);
    } else {
        mmx_enter(c);
        mmx_set(c, i->rm, v);
    }
    NEXT(c, i);
}

void sse_m_movntq(Cpu *c, const Insn *i) {
    need_memory(c, i);
    mmx_check(c, i);
    mem_write64(c, i, i->seg, effective_address(c, i), mmx_get(c, i->reg));
    mmx_enter(c);
    NEXT(c, i);
}

void sse_x_movq2dq(Cpu *c, const Insn *i) {
    need_register(c, i);
    sse_check(c, i);
    mmx_check(c, i);
    vec_set(c, i->reg, _mm_cvtsi64_si128((long long)mmx_get(c, i->rm)));
    mmx_enter(c);
    NEXT(c, i);
}

void sse_x_movdq2q(Cpu *c, const Insn *i) {
    need_register(c, i);
    sse_check(c, i);
    mmx_check(c, i);
    mmx_enter(c);
    mmx_set(c, i->reg, c->fpu.v[i->rm].q[0]);
    NEXT(c, i);
}

/* An integer store: no SSE state, so no checks. */
void op_movnti(Cpu *c, const Insn *i) {
    if (i->rex & 8) {
        mem_write64(c, i, i->seg, effective_address(c, i), c->gpr[i->reg]);
    } else {
        mem_write32(c, i, i->seg, effective_address(c, i), (uint32_t)c->gpr[i->reg]);
    }
    NEXT(c, i);
}

void op_emms(Cpu *c, const Insn *i) {
    if (i->prefix & (PFX_REP | PFX_REPNE | PFX_OPSIZE)) {
        raise_ud(c, i);
    }
    mmx_check(c, i);
    c->fpu.tags = 0;
    c->fpu.sw &= ~X87_TOP;
    NEXT(c, i);
}

/* --- sign masks --- */

#define SIGNS(name)                                                                             \
    void sse_x_##name(Cpu *c, const Insn *i) {                                                  \
        uint32_t d;                                                                             \
        need_register(c, i);                                                                    \
        sse_check(c, i);                                                                        \
        __asm__(#name " %1, %0" : "=r"(d) : "x"(vec_get(c, i->rm)));                            \
        c->gpr[i->reg] = d;                                                                     \
        NEXT(c, i);                                                                             \
    }

SIGNS(movmskps) SIGNS(movmskpd) SIGNS(pmovmskb)

void sse_m_pmovmskb(Cpu *c, const Insn *i) {
    need_register(c, i);
    mmx_check(c, i);
    c->gpr[i->reg] = (unsigned)_mm_movemask_epi8(_mm_cvtsi64_si128((long long)mmx_get(c, i->rm)));
    mmx_enter(c);
    NEXT(c, i);
}

/* --- stores of chosen bytes at (seg:rDI) --- */

static void store_bytes(Cpu *c, const Insn *i, const uint8_t *data, const uint8_t *mask,
                        unsigned len) {
    uint64_t di = c->gpr[7];
    uint64_t wrap = i->asize == 8 ? UINT64_MAX : i->asize == 4 ? 0xffffffffu : 0xffff;

    for (unsigned n = 0; n < len; n++) {
        if (mask[n] & 0x80) {
            mem_check_write(c, i, i->seg, (di + n) & wrap, 1);
        }
    }
    for (unsigned n = 0; n < len; n++) {
        if (mask[n] & 0x80) {
            mem_write8(c, i, i->seg, (di + n) & wrap, data[n]);
        }
    }
}

void simd_store_masked(Cpu *c, const Insn *i) {
    store_bytes(c, i, c->fpu.v[i->reg].b, c->fpu.v[i->rm].b, 16);
}

void sse_x_maskmovdqu(Cpu *c, const Insn *i) {
    need_register(c, i);
    sse_check(c, i);
    simd_store_masked(c, i);
    NEXT(c, i);
}

void sse_m_maskmovq(Cpu *c, const Insn *i) {
    need_register(c, i);
    mmx_check(c, i);
    mmx_enter(c);               /* even when the store faults */
    store_bytes(c, i, c->fpu.st[i->reg & 7].b, c->fpu.st[i->rm & 7].b, 8);
    NEXT(c, i);
}

/* --- elements, by imm8 --- */

void sse_m_pinsrw(Cpu *c, const Insn *i) {
    mmx_check(c, i);
    uint16_t s = in_memory(i) ? mem_read16(c, i, i->seg, effective_address(c, i))
                              : (uint16_t)c->gpr[i->rm];
    mmx_enter(c);
    unsigned shift = (i->imm & 3) * 16;
    mmx_set(c, i->reg, (mmx_get(c, i->reg) & ~(UINT64_C(0xffff) << shift)) |
                       (uint64_t)s << shift);
    NEXT(c, i);
}

void sse_x_pinsrw(Cpu *c, const Insn *i) {
    sse_check(c, i);
    c->fpu.v[i->reg].w[i->imm & 7] = in_memory(i)
        ? mem_read16(c, i, i->seg, effective_address(c, i)) : (uint16_t)c->gpr[i->rm];
    NEXT(c, i);
}

void sse_m_pextrw(Cpu *c, const Insn *i) {
    need_register(c, i);
    mmx_check(c, i);
    c->gpr[i->reg] = (uint16_t)(mmx_get(c, i->rm) >> (i->imm & 3) * 16);
    mmx_enter(c);
    NEXT(c, i);
}

void sse_x_pextrw(Cpu *c, const Insn *i) {      /* 0F C5: register operands */
    need_register(c, i);
    sse_check(c, i);
    c->gpr[i->reg] = c->fpu.v[i->rm].w[i->imm & 7];
    NEXT(c, i);
}

void sse_x_pextrw_m(Cpu *c, const Insn *i) {    /* 0F 3A 15 */
    sse_check(c, i);
    uint16_t v = c->fpu.v[i->reg].w[i->imm & 7];
    if (in_memory(i)) {
        mem_write16(c, i, i->seg, effective_address(c, i), v);
    } else {
        c->gpr[i->rm] = v;
    }
    NEXT(c, i);
}

void sse_x_pextrb(Cpu *c, const Insn *i) {
    sse_check(c, i);
    uint8_t v = c->fpu.v[i->reg].b[i->imm & 15];
    if (in_memory(i)) {
        mem_write8(c, i, i->seg, effective_address(c, i), v);
    } else {
        c->gpr[i->rm] = v;
    }
    NEXT(c, i);
}

void sse_x_pextrd(Cpu *c, const Insn *i) {      /* PEXTRQ with REX.W */
    sse_check(c, i);
    to_gpr_or_mem(c, i, i->rex & 8 ? c->fpu.v[i->reg].q[i->imm & 1]
                                   : c->fpu.v[i->reg].d[i->imm & 3]);
    NEXT(c, i);
}

void sse_x_extractps(Cpu *c, const Insn *i) {   /* REX.W changes nothing: zero-extended */
    sse_check(c, i);
    uint32_t v = c->fpu.v[i->reg].d[i->imm & 3];
    if (in_memory(i)) {
        mem_write32(c, i, i->seg, effective_address(c, i), v);
    } else {
        c->gpr[i->rm] = v;
    }
    NEXT(c, i);
}

void sse_x_pinsrb(Cpu *c, const Insn *i) {
    sse_check(c, i);
    c->fpu.v[i->reg].b[i->imm & 15] = in_memory(i)
        ? mem_read8(c, i, i->seg, effective_address(c, i)) : (uint8_t)c->gpr[i->rm];
    NEXT(c, i);
}

void sse_x_pinsrd(Cpu *c, const Insn *i) {      /* PINSRQ with REX.W */
    sse_check(c, i);
    uint64_t s = gpr_or_mem(c, i);
    if (i->rex & 8) {
        c->fpu.v[i->reg].q[i->imm & 1] = s;
    } else {
        c->fpu.v[i->reg].d[i->imm & 3] = (uint32_t)s;
    }
    NEXT(c, i);
}
