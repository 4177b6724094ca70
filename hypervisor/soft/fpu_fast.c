/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fpu_fast.c - quick bodies for the x87 instructions that programs spend their time in: loads and
 * stores, arithmetic, comparisons.
 *
 * They load only the operands into the host's FPU, which has the guest's precision and rounding
 * and everything masked (see simd.h).  Whatever is out of the ordinary (an empty or full register
 * stack, an exception the guest has unmasked) is found before any guest state changes, and the
 * instruction is run again the exact way (fpu.c).
 */
#include "hypervisor/soft/simd.h"

enum { FLAGS = 0x3f };

/* A calculation leaves its result on the host's stack, to be taken or dropped when the flags are
 * known.  In between there may be nothing that the compiler would use x87 for. */
static inline void host_take(X87Reg *r) {
    __asm__ volatile("fstpt %0" : "=m"(*(uint8_t (*)[10])r->b));
}

static inline void host_drop(void) {
    __asm__ volatile("fstp %%st(0)" : : : "memory");
}

static inline bool is_full(const Fpu *f, unsigned n) {
    return f->tags >> ((x87_top(f) + n) & 7) & 1;
}

/* true when the host's flags hold nothing that the guest has unmasked */
static inline bool quiet(const Fpu *f, uint16_t sw) {
    return !(sw & FLAGS & ~f->cw);
}

static inline void take_flags(Fpu *f, uint16_t sw) {
    f->sw = (uint16_t)((f->sw & ~X87_C1) | (sw & (FLAGS | X87_C1)));
}

static inline void pop(Fpu *f) {
    unsigned top = x87_top(f);

    f->tags &= (uint8_t)~(1u << top);
    f->sw = (uint16_t)((f->sw & ~X87_TOP) | ((top + 1) & 7) << 11);
}

/* The register's value is set.  Room for a push was checked with is_full(f, 7). */
static inline void push(Fpu *f) {
    unsigned top = (x87_top(f) + 7) & 7;

    f->tags |= (uint8_t)(1u << top);
    f->sw = (uint16_t)((f->sw & ~X87_TOP) | top << 11);
}

/*
 * What only the exact way knows about: FERR# pending and ignored, and unmasked underflow, which
 * the host must not be told is masked, for it is raised by exact results too then.
 */
static inline bool plain(const Fpu *f) {
    enum { UNDERFLOW_MASK = 0x10 };

    return !(f->sw & X87_ES) && (f->cw & UNDERFLOW_MASK);
}

/* --- loads --- */

#define LOAD(name, size, insn)                                                                  \
    __attribute__((noinline)) static void do_##name(Cpu *c, const Insn *i) {                    \
        Fpu *f = &c->fpu;                                                                       \
        uint16_t sw;                                                                            \
        uint64_t v = read_##size(c, i);                                                         \
        if (!is_full(f, 7) && plain(f)) {                                                       \
            __asm__ volatile(insn " %1\n\tfnstsw %0" : "=a"(sw) : "m"(v));                      \
            if (quiet(f, sw)) {                                                                 \
                host_take(x87_st(f, 7));                                                        \
                x87_note(c, i);                                                                 \
                take_flags(f, sw & FLAGS);                                                      \
                push(f);                                                                        \
                return;                                                                         \
            }                                                                                   \
            host_drop();                                                                        \
        }                                                                                       \
        x87_exact(c, i, &v);                                                                    \
    }                                                                                           \
    static void body_##name(Cpu *c, const Insn *i) {                                            \
        x87_check(c, i);                                                                        \
        do_##name(c, i);                                                                        \
        NEXT(c, i);                                                                             \
    }

static inline uint64_t read_2(Cpu *c, const Insn *i) {
    return mem_read16(c, i, i->seg, effective_address(c, i));
}

static inline uint64_t read_4(Cpu *c, const Insn *i) {
    return mem_read32(c, i, i->seg, effective_address(c, i));
}

static inline uint64_t read_8(Cpu *c, const Insn *i) {
    return mem_read64(c, i, i->seg, effective_address(c, i));
}

LOAD(fld_m32, 4, "flds") LOAD(fld_m64, 8, "fldl")
LOAD(fild_m16, 2, "filds") LOAD(fild_m32, 4, "fildl") LOAD(fild_m64, 8, "fildll")

static void do_fld_m80(Cpu *c, const Insn *i) {
    uint8_t buf[16];

    mem_read_buf(c, i, i->seg, effective_address(c, i), buf, 10, 0);
    if (is_full(&c->fpu, 7) || !plain(&c->fpu)) {
        x87_exact(c, i, buf);
        return;
    }
    x87_note(c, i);
    take_flags(&c->fpu, 0);
    memcpy(x87_st(&c->fpu, 7)->b, buf, 10);
    push(&c->fpu);
}

static void body_fld_m80(Cpu *c, const Insn *i) {
    x87_check(c, i);
    do_fld_m80(c, i);
    NEXT(c, i);
}

static void do_fld_st(Cpu *c, const Insn *i) {
    Fpu *f = &c->fpu;

    if (is_full(f, 7) || !is_full(f, i->modrm & 7) || !plain(f)) {
        x87_exact(c, i, NULL);
        return;
    }
    x87_note(c, i);
    take_flags(f, 0);
    *x87_st(f, 7) = *x87_st(f, i->modrm & 7);
    push(f);
}

static void body_fld_st(Cpu *c, const Insn *i) {
    x87_check(c, i);
    do_fld_st(c, i);
    NEXT(c, i);
}

static void do_constant(Cpu *c, const Insn *i) {
    static const uint8_t one[10] = { 0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f }, zero[10] = { 0 };

    if (is_full(&c->fpu, 7) || !plain(&c->fpu)) {
        x87_exact(c, i, NULL);
        return;
    }
    x87_note(c, i);
    take_flags(&c->fpu, 0);
    memcpy(x87_st(&c->fpu, 7)->b, i->modrm == 0xe8 ? one : zero, 10);
    push(&c->fpu);
}

static void body_constant(Cpu *c, const Insn *i) {      /* FLD1, FLDZ */
    x87_check(c, i);
    do_constant(c, i);
    NEXT(c, i);
}

/* --- stores --- */

static inline void write_2(Cpu *c, const Insn *i, uint64_t v) {
    mem_write16(c, i, i->seg, effective_address(c, i), (uint16_t)v);
}

static inline void write_4(Cpu *c, const Insn *i, uint64_t v) {
    mem_write32(c, i, i->seg, effective_address(c, i), (uint32_t)v);
}

static inline void write_8(Cpu *c, const Insn *i, uint64_t v) {
    mem_write64(c, i, i->seg, effective_address(c, i), v);
}

/* The write may fault: the host must not keep flags that the guest never gets then. */
static inline void forget_new_flags(const Fpu *f, uint16_t sw) {
    if (sw & FLAGS & ~f->sw) {
        __asm__ volatile("fnclex");
    }
}

#define STORE(name, size, insn, pops)                                                           \
    __attribute__((noinline)) static void do_##name(Cpu *c, const Insn *i) {                    \
        Fpu *f = &c->fpu;                                                                       \
        uint64_t v = 0;                                                                         \
        uint16_t sw;                                                                            \
        if (is_full(f, 0) && plain(f)) {                                                        \
            __asm__ volatile("fldt %2\n\t" insn " %0\n\tfnstsw %1"                              \
                             : "+m"(v), "=a"(sw) : "m"(*x87_st(f, 0)) : "st");                  \
            if (quiet(f, sw)) {                                                                 \
                forget_new_flags(f, sw);                                                        \
                write_##size(c, i, v);                                                          \
                x87_note(c, i);                                                                 \
                take_flags(f, sw);                                                              \
                if (pops) {                                                                     \
                    pop(f);                                                                     \
                }                                                                               \
                return;                                                                         \
            }                                                                                   \
        }                                                                                       \
        x87_exact_store(c, i, size);                                                            \
    }                                                                                           \
    static void body_##name(Cpu *c, const Insn *i) {                                            \
        x87_check(c, i);                                                                        \
        do_##name(c, i);                                                                        \
        NEXT(c, i);                                                                             \
    }

STORE(fst_m32, 4, "fstps", false) STORE(fstp_m32, 4, "fstps", true)
STORE(fst_m64, 8, "fstpl", false) STORE(fstp_m64, 8, "fstpl", true)
STORE(fist_m16, 2, "fistps", false) STORE(fistp_m16, 2, "fistps", true)
STORE(fist_m32, 4, "fistpl", false) STORE(fistp_m32, 4, "fistpl", true)
STORE(fistp_m64, 8, "fistpll", true)
STORE(fisttp_m16, 2, "fisttps", true) STORE(fisttp_m32, 4, "fisttpl", true)
STORE(fisttp_m64, 8, "fisttpll", true)

static void do_fstp_m80(Cpu *c, const Insn *i) {
    if (!is_full(&c->fpu, 0) || !plain(&c->fpu)) {
        x87_exact_store(c, i, 10);
        return;
    }
    mem_write_buf(c, i, i->seg, effective_address(c, i), x87_st(&c->fpu, 0)->b, 10, 0);
    x87_note(c, i);
    take_flags(&c->fpu, 0);
    pop(&c->fpu);
}

static void body_fstp_m80(Cpu *c, const Insn *i) {
    x87_check(c, i);
    do_fstp_m80(c, i);
    NEXT(c, i);
}

/* FST ST(n), FSTP ST(n): 80 bits to 80 bits, no conversion */
static void do_fst_st(Cpu *c, const Insn *i) {
    Fpu *f = &c->fpu;
    unsigned n = i->modrm & 7;

    if (!is_full(f, 0) || !plain(f)) {
        x87_exact(c, i, NULL);
        return;
    }
    x87_note(c, i);
    take_flags(f, 0);
    *x87_st(f, n) = *x87_st(f, 0);
    f->tags |= (uint8_t)(1u << ((x87_top(f) + n) & 7));
    if (i->modrm & 8) {
        pop(f);
    }
}

static void body_fst_st(Cpu *c, const Insn *i) {
    x87_check(c, i);
    do_fst_st(c, i);
    NEXT(c, i);
}

/* --- register to register --- */

static void do_fxch(Cpu *c, const Insn *i) {
    Fpu *f = &c->fpu;
    unsigned n = i->modrm & 7;

    if (!is_full(f, 0) || !is_full(f, n) || !plain(f)) {
        x87_exact(c, i, NULL);
        return;
    }
    x87_note(c, i);
    take_flags(f, 0);
    X87Reg r = *x87_st(f, 0);
    *x87_st(f, 0) = *x87_st(f, n);
    *x87_st(f, n) = r;
}

static void body_fxch(Cpu *c, const Insn *i) {
    x87_check(c, i);
    do_fxch(c, i);
    NEXT(c, i);
}

static void do_sign(Cpu *c, const Insn *i) {
    Fpu *f = &c->fpu;

    if (!is_full(f, 0) || !plain(f)) {
        x87_exact(c, i, NULL);
        return;
    }
    x87_note(c, i);
    take_flags(f, 0);
    if (i->modrm == 0xe0) {
        x87_st(f, 0)->b[9] ^= 0x80;
    } else {
        x87_st(f, 0)->b[9] &= 0x7f;
    }
}

static void body_sign(Cpu *c, const Insn *i) {      /* FCHS, FABS */
    x87_check(c, i);
    do_sign(c, i);
    NEXT(c, i);
}

/* --- arithmetic --- */

/* a op b onto the host's stack by one popping instruction (raw: ST(0) is b, ST(1) is a); returns
 * the flags */
#define CALC(name, raw)                                                                         \
    static uint16_t calc_##name(const X87Reg *a, const X87Reg *b) {                             \
        uint16_t sw;                                                                            \
        __asm__ volatile("fldt %1\n\tfldt %2\n\t.byte " raw "\n\tfnstsw %0"                    \
                         : "=a"(sw) : "m"(*a), "m"(*b));                                        \
        return sw;                                                                              \
    }

CALC(add, "0xde, 0xc1") CALC(mul, "0xde, 0xc9")
CALC(sub, "0xde, 0xe9") CALC(subr, "0xde, 0xe1")
CALC(div, "0xde, 0xf9") CALC(divr, "0xde, 0xf1")

typedef uint16_t (*CalcFn)(const X87Reg *a, const X87Reg *b);

/* by ModRM.reg, for ST(0) = ST(0) op source */
static const CalcFn CALCS[8] = { calc_add, calc_mul, NULL, NULL, calc_sub, calc_subr, calc_div,
                                 calc_divr };

/* D8: ST(0) = ST(0) op ST(n) */
static void do_arith(Cpu *c, const Insn *i) {
    Fpu *f = &c->fpu;
    unsigned n = i->modrm & 7;

    if (is_full(f, 0) && is_full(f, n) && plain(f)) {
        uint16_t sw = CALCS[i->modrm >> 3 & 7](x87_st(f, 0), x87_st(f, n));
        if (quiet(f, sw)) {
            host_take(x87_st(f, 0));
            x87_note(c, i);
            take_flags(f, sw);
            return;
        }
        host_drop();
    }
    x87_exact(c, i, NULL);
}

static void body_arith(Cpu *c, const Insn *i) {
    x87_check(c, i);
    do_arith(c, i);
    NEXT(c, i);
}

/*
 * DC, DE: ST(n) = ST(n) op ST(0), with DE popping.  ModRM.reg bit 0 is the other way round than
 * in D8 for subtraction and division: /4 is FSUBR, ST(0) - ST(n).
 */
static void do_arith_to(Cpu *c, const Insn *i) {
    Fpu *f = &c->fpu;
    unsigned n = i->modrm & 7;

    if (is_full(f, 0) && is_full(f, n) && plain(f)) {
        uint16_t sw = CALCS[i->modrm >> 3 & 7](x87_st(f, 0), x87_st(f, n));
        if (quiet(f, sw)) {
            host_take(x87_st(f, n));
            x87_note(c, i);
            take_flags(f, sw);
            if ((i->opcode & 7) == 6) {
                pop(f);
            }
            return;
        }
        host_drop();
    }
    x87_exact(c, i, NULL);
}

static void body_arith_to(Cpu *c, const Insn *i) {
    x87_check(c, i);
    do_arith_to(c, i);
    NEXT(c, i);
}

#define ARITH_MEM(name, size, insn)                                                             \
    __attribute__((noinline)) static void do_##name(Cpu *c, const Insn *i) {                    \
        Fpu *f = &c->fpu;                                                                       \
        uint64_t v = read_##size(c, i);                                                         \
        uint16_t sw;                                                                            \
        if (is_full(f, 0) && plain(f)) {                                                        \
            __asm__ volatile("fldt %1\n\t" insn " %2\n\tfnstsw %0"                              \
                             : "=a"(sw) : "m"(*x87_st(f, 0)), "m"(v));                          \
            if (quiet(f, sw)) {                                                                 \
                host_take(x87_st(f, 0));                                                        \
                x87_note(c, i);                                                                 \
                take_flags(f, sw);                                                              \
                return;                                                                         \
            }                                                                                   \
            host_drop();                                                                        \
        }                                                                                       \
        x87_exact(c, i, &v);                                                                    \
    }                                                                                           \
    static void body_##name(Cpu *c, const Insn *i) {                                            \
        x87_check(c, i);                                                                        \
        do_##name(c, i);                                                                        \
        NEXT(c, i);                                                                             \
    }

ARITH_MEM(fadd_m32, 4, "fadds") ARITH_MEM(fmul_m32, 4, "fmuls")
ARITH_MEM(fsub_m32, 4, "fsubs") ARITH_MEM(fsubr_m32, 4, "fsubrs")
ARITH_MEM(fdiv_m32, 4, "fdivs") ARITH_MEM(fdivr_m32, 4, "fdivrs")
ARITH_MEM(fadd_m64, 8, "faddl") ARITH_MEM(fmul_m64, 8, "fmull")
ARITH_MEM(fsub_m64, 8, "fsubl") ARITH_MEM(fsubr_m64, 8, "fsubrl")
ARITH_MEM(fdiv_m64, 8, "fdivl") ARITH_MEM(fdivr_m64, 8, "fdivrl")
ARITH_MEM(fiadd_m32, 4, "fiaddl") ARITH_MEM(fimul_m32, 4, "fimull")
ARITH_MEM(fisub_m32, 4, "fisubl") ARITH_MEM(fisubr_m32, 4, "fisubrl")
ARITH_MEM(fidiv_m32, 4, "fidivl") ARITH_MEM(fidivr_m32, 4, "fidivrl")

#define UNARY(name, insn)                                                                       \
    __attribute__((noinline)) static void do_##name(Cpu *c, const Insn *i) {                    \
        Fpu *f = &c->fpu;                                                                       \
        uint16_t sw;                                                                            \
        if (is_full(f, 0) && plain(f)) {                                                        \
            __asm__ volatile("fldt %1\n\t" insn "\n\tfnstsw %0"                                 \
                             : "=a"(sw) : "m"(*x87_st(f, 0)));                                  \
            if (quiet(f, sw)) {                                                                 \
                host_take(x87_st(f, 0));                                                        \
                x87_note(c, i);                                                                 \
                take_flags(f, sw);                                                              \
                return;                                                                         \
            }                                                                                   \
            host_drop();                                                                        \
        }                                                                                       \
        x87_exact(c, i, NULL);                                                                  \
    }                                                                                           \
    static void body_##name(Cpu *c, const Insn *i) {                                            \
        x87_check(c, i);                                                                        \
        do_##name(c, i);                                                                        \
        NEXT(c, i);                                                                             \
    }

UNARY(fsqrt, "fsqrt") UNARY(frndint, "frndint")

/* --- comparisons --- */

/* ST(0) with b: flags and condition codes of the instruction raw (ST(0) is a, ST(1) b) */
#define COMPARE(name, raw)                                                                      \
    static uint16_t compare_##name(const X87Reg *a, const X87Reg *b) {                          \
        uint16_t sw;                                                                            \
        __asm__ volatile("fldt %2\n\tfldt %1\n\t.byte " raw "\n\tfnstsw %0"                     \
                         : "=a"(sw) : "m"(*a), "m"(*b) : "st", "st(1)");                        \
        return sw;                                                                              \
    }

COMPARE(ordered, "0xde, 0xd9") COMPARE(unordered, "0xda, 0xe9")     /* FCOMPP, FUCOMPP */

enum { CODES = X87_C0 | X87_C1 | X87_C2 | X87_C3 };

static void compare(Cpu *c, const Insn *i, uint16_t (*how)(const X87Reg *, const X87Reg *),
                    unsigned n, unsigned pops, bool to_aflags) {
    Fpu *f = &c->fpu;

    if (is_full(f, 0) && is_full(f, n) && plain(f)) {
        uint16_t sw = how(x87_st(f, 0), x87_st(f, n));
        if (quiet(f, sw)) {
            x87_note(c, i);
            if (to_aflags) {
                f->sw = (uint16_t)((f->sw & ~(c->fcomi_keeps_c1 ? 0 : X87_C1)) | (sw & FLAGS));
                /* C0, C2, C3 are where CF, PF, ZF are in AH. */
                c->aflags = sw & (X87_C0 | X87_C2 | X87_C3);
            } else {
                f->sw = (uint16_t)((f->sw & ~CODES) | (sw & (FLAGS | CODES)));
            }
            while (pops--) {
                pop(f);
            }
            return;
        }
    }
    x87_exact(c, i, NULL);
}

#define BODY_COMPARE(name, how, n, pops, to_aflags)                                             \
    static void body_##name(Cpu *c, const Insn *i) {                                            \
        x87_check(c, i);                                                                        \
        compare(c, i, compare_##how, n, pops, to_aflags);                                       \
        NEXT(c, i);                                                                             \
    }

BODY_COMPARE(fcom, ordered, i->modrm & 7, 0, false)
BODY_COMPARE(fcomp, ordered, i->modrm & 7, 1, false)
BODY_COMPARE(fcompp, ordered, 1, 2, false)
BODY_COMPARE(fucom, unordered, i->modrm & 7, 0, false)
BODY_COMPARE(fucomp, unordered, i->modrm & 7, 1, false)
BODY_COMPARE(fucompp, unordered, 1, 2, false)
BODY_COMPARE(fcomi, ordered, i->modrm & 7, 0, true)
BODY_COMPARE(fcomip, ordered, i->modrm & 7, 1, true)
BODY_COMPARE(fucomi, unordered, i->modrm & 7, 0, true)
BODY_COMPARE(fucomip, unordered, i->modrm & 7, 1, true)

#define COMPARE_MEM(name, size, insn, pops)                                                     \
    __attribute__((noinline)) static void do_##name(Cpu *c, const Insn *i) {                    \
        Fpu *f = &c->fpu;                                                                       \
        uint64_t v = read_##size(c, i);                                                         \
        uint16_t sw;                                                                            \
        if (is_full(f, 0) && plain(f)) {                                                        \
            __asm__ volatile("fldt %1\n\t" insn " %2\n\tfnstsw %0"                              \
                             : "=a"(sw) : "m"(*x87_st(f, 0)), "m"(v) : "st");                   \
            if (quiet(f, sw)) {                                                                 \
                x87_note(c, i);                                                                 \
                f->sw = (uint16_t)((f->sw & ~CODES) | (sw & (FLAGS | CODES)));                  \
                if (pops) {                                                                     \
                    pop(f);                                                                     \
                }                                                                               \
                return;                                                                         \
            }                                                                                   \
        }                                                                                       \
        x87_exact(c, i, &v);                                                                    \
    }                                                                                           \
    static void body_##name(Cpu *c, const Insn *i) {                                            \
        x87_check(c, i);                                                                        \
        do_##name(c, i);                                                                        \
        NEXT(c, i);                                                                             \
    }

COMPARE_MEM(fcom_m32, 4, "fcomps", false) COMPARE_MEM(fcomp_m32, 4, "fcomps", true)
COMPARE_MEM(fcom_m64, 8, "fcompl", false) COMPARE_MEM(fcomp_m64, 8, "fcompl", true)

/* --- the table: opcode & 7, ModRM.reg --- */

static const OpFn MEMORY[8][8] = {
    { body_fadd_m32, body_fmul_m32, body_fcom_m32, body_fcomp_m32, body_fsub_m32,
      body_fsubr_m32, body_fdiv_m32, body_fdivr_m32 },
    { body_fld_m32, NULL, body_fst_m32, body_fstp_m32, NULL, NULL, NULL, NULL },
    { body_fiadd_m32, body_fimul_m32, NULL, NULL, body_fisub_m32, body_fisubr_m32,
      body_fidiv_m32, body_fidivr_m32 },
    { body_fild_m32, body_fisttp_m32, body_fist_m32, body_fistp_m32, NULL, body_fld_m80, NULL,
      body_fstp_m80 },
    { body_fadd_m64, body_fmul_m64, body_fcom_m64, body_fcomp_m64, body_fsub_m64,
      body_fsubr_m64, body_fdiv_m64, body_fdivr_m64 },
    { body_fld_m64, body_fisttp_m64, body_fst_m64, body_fstp_m64, NULL, NULL, NULL, NULL },
    { NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL },
    { body_fild_m16, body_fisttp_m16, body_fist_m16, body_fistp_m16, NULL, body_fild_m64, NULL,
      body_fistp_m64 },
};

static const OpFn REGISTER[8][8] = {
    { body_arith, body_arith, body_fcom, body_fcomp, body_arith, body_arith, body_arith,
      body_arith },
    { body_fld_st, body_fxch, NULL, NULL, NULL, NULL, NULL, NULL },
    { NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL },
    { NULL, NULL, NULL, NULL, NULL, body_fucomi, body_fcomi, NULL },
    { body_arith_to, body_arith_to, NULL, NULL, body_arith_to, body_arith_to, body_arith_to,
      body_arith_to },
    { NULL, NULL, body_fst_st, body_fst_st, body_fucom, body_fucomp, NULL, NULL },
    { body_arith_to, body_arith_to, NULL, NULL, body_arith_to, body_arith_to, body_arith_to,
      body_arith_to },
    { NULL, NULL, NULL, NULL, NULL, body_fucomip, body_fcomip, NULL },
};

OpFn x87_fast_body(uint8_t opcode, uint8_t modrm) {
    unsigned op = opcode & 7;

    if (modrm < 0xc0) {
        return MEMORY[op][modrm >> 3 & 7];
    }
    switch (op << 8 | modrm) {
    case 0x1e0: case 0x1e1: return body_sign;
    case 0x1e8: case 0x1ee: return body_constant;
    case 0x1fa: return body_fsqrt;
    case 0x1fc: return body_frndint;
    case 0x2e9: return body_fucompp;
    case 0x6d9: return body_fcompp;
    default: return REGISTER[op][modrm >> 3 & 7];
    }
}
