/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vex.c - VEX instructions that compute: all that is "registers in, host's instruction, register
 * out".  Intel SDM vol. 2.  Moves, inserts, masks and gathers are in vex_move.c, those on general
 * registers in bmi.c.
 */
#include <immintrin.h>
#include "hypervisor/soft/vex.h"

typedef __m256i (*VectorStub)(__m256i a, __m256i b, __m256i c);
typedef uint64_t (*ValueStub)(__m256i a, __m256i b);
typedef __m256i (*GprStub)(uint64_t s, __m256i a);

enum { PLAIN_STEP = 16, IMM_STEP = 8, IMM_COUNT = 256 };

static const char *stub_of(const Insn *i) {
    const VexRow *r = vex_row(i);
    bool wide = vex_wide(i);

    if (r->flags & VF_IMM) {
        return r->stub + (wide ? IMM_COUNT * IMM_STEP : 0) + (i->imm & 0xff) * IMM_STEP;
    }
    return r->stub + (wide ? PLAIN_STEP : 0);
}

__attribute__((target("avx"), noinline))
static void run_vector(const char *stub, VecReg *out, const VecReg *a, const VecReg *b,
                       const VecReg *c) {
    VectorStub fn = (VectorStub)(uintptr_t)stub;

    *(__m256i *)out = fn(*(const __m256i *)a, *(const __m256i *)b, *(const __m256i *)c);
}

__attribute__((target("avx"), noinline))
static uint64_t run_value(const char *stub, const VecReg *a, const VecReg *b) {
    ValueStub fn = (ValueStub)(uintptr_t)stub;

    return fn(*(const __m256i *)a, *(const __m256i *)b);
}

__attribute__((target("avx"), noinline))
static void run_gpr(const char *stub, VecReg *out, const VecReg *a, uint64_t s) {
    GprStub fn = (GprStub)(uintptr_t)stub;

    *(__m256i *)out = fn(s, *(const __m256i *)a);
}

const VecReg *vex_source(Cpu *c, const Insn *i, VecReg *m) {
    unsigned size = vex_size(i);

    if (i->rm != REG_MEM) {
        return &c->fpu.v[i->rm];
    }
    if (size < sizeof(*m)) {
        memset(m, 0, sizeof(*m));
    }
    mem_read_buf(c, i, i->seg, effective_address(c, i), m, size,
                 vex_row(i)->flags & VF_ALIGN ? size : 0);
    return m;
}

void vex_set_low(Cpu *c, unsigned reg, const void *p, unsigned n) {
    VecReg v;

    memset(&v, 0, sizeof(v));
    memcpy(&v, p, n);
    c->fpu.v[reg] = v;
}

/* ModRM.reg = op(a, register or memory, third) */
static void compute(Cpu *c, const Insn *i, const VecReg *a, const VecReg *third) {
    VecReg m, out;

    vex_check(c, i);
    const VecReg *b = vex_source(c, i, &m);
    if (vex_row(i)->flags & VF_FP) {
        sse_fp_begin(c);
        run_vector(stub_of(i), &out, a, b, third);
        sse_fp_end(c, i);
    } else {
        run_vector(stub_of(i), &out, a, b, third);
    }
    c->fpu.v[i->reg] = out;
}

void vex_rm(Cpu *c, const Insn *i) {
    compute(c, i, &c->fpu.v[i->reg], &c->fpu.v[i->reg]);
    NEXT(c, i);
}

void vex_rmi(Cpu *c, const Insn *i) {
    compute(c, i, &c->fpu.v[i->reg], &c->fpu.v[i->reg]);
    NEXT(c, i);
}

void vex_rvm(Cpu *c, const Insn *i) {
    const VecReg *a = &c->fpu.v[vex_vvvv(i)];

    compute(c, i, a, a);
    NEXT(c, i);
}

void vex_rvmi(Cpu *c, const Insn *i) {
    const VecReg *a = &c->fpu.v[vex_vvvv(i)];

    compute(c, i, a, a);
    NEXT(c, i);
}

/* The destination is the first of three operands. */
void vex_fma(Cpu *c, const Insn *i) {
    compute(c, i, &c->fpu.v[i->reg], &c->fpu.v[vex_vvvv(i)]);
    NEXT(c, i);
}

void vex_is4(Cpu *c, const Insn *i) {
    compute(c, i, &c->fpu.v[vex_vvvv(i)], &c->fpu.v[i->aux]);
    NEXT(c, i);
}

/* The register form takes its element from imm8[7:6]; the memory form has only the one. */
static void insertps(Cpu *c, const Insn *i) {
    unsigned imm = i->rm == REG_MEM ? i->imm & 0x3f : i->imm & 0xff;
    const VecReg *a = &c->fpu.v[vex_vvvv(i)];
    VecReg m, out;

    vex_check(c, i);
    run_vector(vex_row(i)->stub + imm * IMM_STEP, &out, a, vex_source(c, i, &m), a);
    c->fpu.v[i->reg] = out;
}

void vex_insertps(Cpu *c, const Insn *i) {
    insertps(c, i);
    NEXT(c, i);
}

/* --- results elsewhere --- */

static uint64_t value(Cpu *c, const Insn *i) {
    uint64_t r;
    VecReg m;

    vex_check(c, i);
    const VecReg *b = vex_source(c, i, &m);
    if (vex_row(i)->flags & VF_FP) {
        sse_fp_begin(c);
        r = run_value(stub_of(i), &c->fpu.v[i->reg], b);
        sse_fp_end(c, i);
    } else {
        r = run_value(stub_of(i), &c->fpu.v[i->reg], b);
    }
    return r;
}

void vex_to_gpr(Cpu *c, const Insn *i) {
    c->gpr[i->reg] = value(c, i);
    NEXT(c, i);
}

void vex_flags(Cpu *c, const Insn *i) {
    c->aflags = (uint16_t)value(c, i);
    NEXT(c, i);
}

static void from_gpr(Cpu *c, const Insn *i) {
    bool wide = i->rex & 8;
    VecReg out;
    uint64_t s;

    vex_check(c, i);
    s = i->rm != REG_MEM ? c->gpr[i->rm] : mmx_mem(c, i, wide ? 8 : 4);
    sse_fp_begin(c);
    run_gpr(stub_of(i), &out, &c->fpu.v[vex_vvvv(i)], s);
    sse_fp_end(c, i);
    c->fpu.v[i->reg] = out;
}

void vex_from_gpr(Cpu *c, const Insn *i) {
    from_gpr(c, i);
    NEXT(c, i);
}

/* Too small for a normal half after rounding to its 11 bits?  2^-14 is 38800000h as a single. */
static bool half_is_tiny(uint32_t x, unsigned rounding, bool denormals_are_zeros) {
    uint32_t a = x & 0x7fffffff;
    bool away = rounding == (x >> 31 ? 1 : 2);

    if (a == 0 || (a < 0x800000 && denormals_are_zeros)) {
        return false;
    }
    if (rounding == 0) {
        return a < 0x387ff000;
    }
    return away ? a <= 0x387fe000 : a < 0x38800000;
}

/*
 * With underflow unmasked the host runs with FTZ, which tells of every tiny result
 * (sse_fp_begin_slow()); but this instruction doesn't obey FTZ.
 */
static void half_underflow(const Cpu *c, const Insn *i, const VecReg *b) {
    enum { UE = 0x10, DAZ = 0x40 };
    unsigned rounding = i->imm & 4 ? c->fpu.mxcsr >> 13 & 3 : i->imm & 3;

    if (c->fpu.mxcsr & MXCSR_UM) {
        return;
    }
    for (unsigned n = 0; n < vex_size(i) / 2; n++) {
        if (half_is_tiny(b->d[n], rounding, c->fpu.mxcsr & DAZ)) {
            _mm_setcsr(_mm_getcsr() | UE);
        }
    }
}

/* The destination is half as wide as the source, and may be memory. */
static void cvtps2ph(Cpu *c, const Insn *i) {
    const VecReg *b = &c->fpu.v[i->reg];
    VecReg out;

    vex_check(c, i);
    if (i->rm == REG_MEM) {
        mem_check_write(c, i, i->seg, effective_address(c, i), vex_size(i));
    }
    sse_fp_begin(c);
    run_vector(stub_of(i), &out, b, b, b);
    half_underflow(c, i, b);
    sse_fp_end(c, i);
    if (i->rm == REG_MEM) {
        mem_write_buf(c, i, i->seg, effective_address(c, i), &out, vex_size(i), 0);
    } else {
        c->fpu.v[i->rm] = out;
    }
}

void vex_cvtps2ph(Cpu *c, const Insn *i) {
    cvtps2ph(c, i);
    NEXT(c, i);
}

/* --- as SSE does it --- */

/* 0F 71, 72, 73: each 128 bits as PSRLW and so on would; the destination is VEX.vvvv. */
static void shift(Cpu *c, const Insn *i) {
    VecReg out;

    if (!simd_shift_exists(i)) {
        raise_ud(c, i);
    }
    vex_check(c, i);
    memset(&out, 0, sizeof(out));
    for (unsigned n = 0; n < (vex_wide(i) ? 2u : 1u); n++) {
        __m128i v = simd_shift(i, ((const __m128i *)&c->fpu.v[i->rm])[n]);
        memcpy(out.b + 16 * n, &v, 16);
    }
    c->fpu.v[vex_vvvv(i)] = out;
}

void vex_shift(Cpu *c, const Insn *i) {
    shift(c, i);
    NEXT(c, i);
}

#define STRING(name)                                                                            \
    void vex_##name(Cpu *c, const Insn *i) {                                                    \
        vex_check(c, i);                                                                        \
        simd_##name(c, i);                                                                      \
        NEXT(c, i);                                                                             \
    }

STRING(pcmpestri) STRING(pcmpistri)

#define STRING_MASK(name)                                                                       \
    void vex_##name(Cpu *c, const Insn *i) {                                                    \
        vex_check(c, i);                                                                        \
        simd_##name(c, i);                                                                      \
        c->fpu.v[0].q[2] = c->fpu.v[0].q[3] = 0;                                                \
        NEXT(c, i);                                                                             \
    }

STRING_MASK(pcmpestrm) STRING_MASK(pcmpistrm)
