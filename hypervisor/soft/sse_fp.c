/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sse_fp.c - SSE floating point: arithmetic, comparisons and conversions, everything that obeys
 * MXCSR, and MXCSR's exceptions.  Intel SDM vol. 1 chapter 11, vol. 2.
 *
 * The host computes with all exceptions masked; what the guest has unmasked is found in the flags
 * afterwards, and raised before the destination is written.
 */
#include "hypervisor/soft/simd.h"

_Noreturn void sse_unavailable(Cpu *c, const Insn *i) {
    raise_exc(c, i, (c->cr0 & CR0_EM) || !(c->cr4 & CR4_OSFXSR) ? EXC_UD : EXC_NM);
}

void fpu_enter(Cpu *c) {
    mxcsr_load(c);
    x87_host_load(&c->fpu);
}

void fpu_leave(Cpu *c) {
    uint16_t cw = 0x37f;

    mxcsr_sync(c);
    _mm_setcsr(MXCSR_DEFAULT);
    __asm__ volatile("fldcw %0" : : "m"(cw));
}

/*
 * An unmasked underflow is raised for any tiny result, a masked one only for a tiny inexact one.
 * Flush to zero makes the host flag every tiny result, and its changed results aren't used then.
 */
void sse_fp_begin_slow(Cpu *c) {
    uint32_t m = (c->fpu.mxcsr & ~MXCSR_FLAGS) | MXCSR_MASKS;

    if (!(c->fpu.mxcsr & MXCSR_UM)) {
        m |= MXCSR_FZ;
    }
    _mm_setcsr(m);
}

void sse_fp_end_slow(Cpu *c, const Insn *i) {
    enum { BEFORE = 7 };        /* invalid, denormal, zero divide: found before computing */
    uint32_t flags = _mm_getcsr() & MXCSR_FLAGS;
    uint32_t unmasked = flags & ~(c->fpu.mxcsr >> 7);

    _mm_setcsr(MXCSR_DEFAULT);
    if (unmasked & BEFORE) {
        flags &= BEFORE;
    }
    c->fpu.mxcsr |= flags;
    if (unmasked) {
        raise_exc(c, i, c->cr4 & CR4_OSXMMEXCPT ? EXC_XM : EXC_UD);
    }
}

/* dst = op(dst, src); 16 bytes of memory must be aligned */
#define FP(name, size)                                                                          \
    void sse_x_##name(Cpu *c, const Insn *i) {                                                  \
        sse_check(c, i);                                                                        \
        __m128i b = vec_src(c, i, size, (size) == 16 ? 16 : 0), a = vec_get(c, i->reg);         \
        sse_fp_begin(c);                                                                        \
        __asm__ volatile(#name " %1, %0" : "+x"(a) : "x"(b));                                   \
        sse_fp_end(c, i);                                                                       \
        vec_set(c, i->reg, a);                                                                  \
        NEXT(c, i);                                                                             \
    }
#define FP4(name) FP(name##ps, 16) FP(name##pd, 16) FP(name##ss, 4) FP(name##sd, 8)

FP4(sqrt) FP4(add) FP4(mul) FP4(sub) FP4(min) FP4(div) FP4(max)
FP(haddpd, 16) FP(haddps, 16) FP(hsubpd, 16) FP(hsubps, 16) FP(addsubpd, 16) FP(addsubps, 16)
FP(cvtps2pd, 8) FP(cvtpd2ps, 16) FP(cvtss2sd, 4) FP(cvtsd2ss, 8)
FP(cvtdq2ps, 16) FP(cvtps2dq, 16) FP(cvttps2dq, 16)
FP(cvttpd2dq, 16) FP(cvtdq2pd, 8) FP(cvtpd2dq, 16)

/* The same with an imm8: 256 stubs, xmm0 = op(xmm0, xmm1, n). */
#define FP_IMM(name, size)                                                                      \
    STUB_TABLE(16) stubs_##name(void) {                                                         \
        __asm__(".set n, 0\n.rept 256\n" #name " $n, %xmm1, %xmm0\nret\n.balign 8\n"            \
                ".set n, n + 1\n.endr");                                                        \
    }                                                                                           \
    void sse_x_##name(Cpu *c, const Insn *i) {                                                  \
        sse_check(c, i);                                                                        \
        __m128i b = vec_src(c, i, size, (size) == 16 ? 16 : 0), a = vec_get(c, i->reg);         \
        VecFn fn = (VecFn)STUB_AT(stubs_##name, i->imm, 8);                                     \
        sse_fp_begin(c);                                                                        \
        a = fn(a, b);                                                                           \
        sse_fp_end(c, i);                                                                       \
        vec_set(c, i->reg, a);                                                                  \
        NEXT(c, i);                                                                             \
    }

FP_IMM(cmpps, 16) FP_IMM(cmppd, 16) FP_IMM(cmpss, 4) FP_IMM(cmpsd, 8)
FP_IMM(roundps, 16) FP_IMM(roundpd, 16) FP_IMM(roundss, 4) FP_IMM(roundsd, 8)
FP_IMM(dpps, 16) FP_IMM(dppd, 16)

#define COMPARE(name, size)                                                                     \
    void sse_x_##name(Cpu *c, const Insn *i) {                                                  \
        uint32_t ax;                                                                            \
        sse_check(c, i);                                                                        \
        __m128i b = vec_src(c, i, size, 0), a = vec_get(c, i->reg);                             \
        sse_fp_begin(c);                                                                        \
        __asm__ volatile(#name " %2, %1\n\tlahf\n\txorb %%al, %%al" : "=a"(ax)                  \
                         : "x"(a), "x"(b) : "cc");                                              \
        sse_fp_end(c, i);                                                                       \
        c->aflags = (uint16_t)ax;                                                               \
        NEXT(c, i);                                                                             \
    }

COMPARE(ucomiss, 4) COMPARE(ucomisd, 8) COMPARE(comiss, 4) COMPARE(comisd, 8)

/* from a general register or memory, 4 or 8 bytes by REX.W */
#define FROM_GPR(name)                                                                          \
    void sse_x_##name(Cpu *c, const Insn *i) {                                                  \
        bool wide = i->rex & 8;                                                                 \
        uint64_t s;                                                                             \
        sse_check(c, i);                                                                        \
        if (i->rm != REG_MEM) {                                                                 \
            s = c->gpr[i->rm];                                                                  \
        } else {                                                                                \
            s = mmx_mem(c, i, wide ? 8 : 4);                                                    \
        }                                                                                       \
        __m128i a = vec_get(c, i->reg);                                                         \
        sse_fp_begin(c);                                                                        \
        if (wide) {                                                                             \
            __asm__ volatile(#name "q %1, %0" : "+x"(a) : "r"(s));                              \
        } else {                                                                                \
            __asm__ volatile(#name "l %1, %0" : "+x"(a) : "r"((uint32_t)s));                    \
        }                                                                                       \
        sse_fp_end(c, i);                                                                       \
        vec_set(c, i->reg, a);                                                                  \
        NEXT(c, i);                                                                             \
    }

FROM_GPR(cvtsi2ss) FROM_GPR(cvtsi2sd)

#define TO_GPR(name, size)                                                                      \
    void sse_x_##name(Cpu *c, const Insn *i) {                                                  \
        uint64_t wide;                                                                          \
        uint32_t narrow;                                                                        \
        sse_check(c, i);                                                                        \
        __m128i b = vec_src(c, i, size, 0);                                                     \
        sse_fp_begin(c);                                                                        \
        if (i->rex & 8) {                                                                       \
            __asm__ volatile(#name " %1, %0" : "=r"(wide) : "x"(b));                            \
        } else {                                                                                \
            __asm__ volatile(#name " %1, %0" : "=r"(narrow) : "x"(b));                          \
            wide = narrow;                                                                      \
        }                                                                                       \
        sse_fp_end(c, i);                                                                       \
        c->gpr[i->reg] = wide;                                                                  \
        NEXT(c, i);                                                                             \
    }

TO_GPR(cvttss2si, 4) TO_GPR(cvttsd2si, 8) TO_GPR(cvtss2si, 4) TO_GPR(cvtsd2si, 8)

/*
 * Between MMX and XMM registers.  With a memory operand CVTPI2PS and CVTPI2PD are no MMX
 * instructions (no change of the x87 state, no #MF); otherwise the x87 state changes even when
 * #XM is raised.
 */
#define FROM_MMX(name)                                                                          \
    void sse_x_##name(Cpu *c, const Insn *i) {                                                  \
        bool mmx = i->rm != REG_MEM;                                                            \
        sse_check(c, i);                                                                        \
        if (mmx) {                                                                              \
            mmx_check(c, i);                                                                    \
            mmx_enter(c);                                                                       \
        }                                                                                       \
        uint64_t s = mmx ? mmx_get(c, i->rm) : mmx_mem(c, i, 8);                                \
        __m128i a = vec_get(c, i->reg);                                                         \
        sse_fp_begin(c);                                                                        \
        __asm__ volatile("movq %1, %%mm0\n\t" #name " %%mm0, %0\n\temms" : "+x"(a) : "r"(s)     \
                         : "mm0");                                                              \
        sse_fp_end(c, i);                                                                       \
        vec_set(c, i->reg, a);                                                                  \
        NEXT(c, i);                                                                             \
    }

FROM_MMX(cvtpi2ps) FROM_MMX(cvtpi2pd)

#define TO_MMX(name, size)                                                                      \
    void sse_x_##name(Cpu *c, const Insn *i) {                                                  \
        uint64_t d;                                                                             \
        sse_check(c, i);                                                                        \
        mmx_check(c, i);                                                                        \
        __m128i b = vec_src(c, i, size, (size) == 16 ? 16 : 0);                                 \
        mmx_enter(c);                                                                           \
        sse_fp_begin(c);                                                                        \
        __asm__ volatile(#name " %1, %%mm0\n\tmovq %%mm0, %0\n\temms" : "=r"(d) : "x"(b)        \
                         : "mm0");                                                              \
        sse_fp_end(c, i);                                                                       \
        mmx_set(c, i->reg, d);                                                                  \
        NEXT(c, i);                                                                             \
    }

TO_MMX(cvttps2pi, 8) TO_MMX(cvtps2pi, 8) TO_MMX(cvttpd2pi, 16) TO_MMX(cvtpd2pi, 16)

/* --- MXCSR itself --- */

void mxcsr_read_mem(Cpu *c, const Insn *i) {
    uint32_t v = mem_read32(c, i, i->seg, effective_address(c, i));

    if (v & ~MXCSR_VALID) {
        raise_gp0(c, i);
    }
    c->fpu.mxcsr = v;
    mxcsr_load(c);
}

void op_ldmxcsr(Cpu *c, const Insn *i) {
    sse_check(c, i);
    mxcsr_read_mem(c, i);
    NEXT(c, i);
}

void op_stmxcsr(Cpu *c, const Insn *i) {
    sse_check(c, i);
    mxcsr_sync(c);
    mem_write32(c, i, i->seg, effective_address(c, i), c->fpu.mxcsr);
    NEXT(c, i);
}
