/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * simd.h - x87, MMX and SSE..SSE4.2 for the software CPU: what the decoder looks up, and what the
 * files fpu*.c, sse*.c and xsave.c share.
 *
 * The host carries out each operation: a body fetches operands, makes the checks, and has a stub,
 * a few host instructions around the very guest one, compute, so that a result is the host's by
 * construction.  sse_list.h names the body of each encoding.  References: Intel SDM vol. 1 chapters
 * 8-12 and vol. 2.  VEX instructions are in vex.h.  Not here: 3DNow!.
 */
#ifndef GH_SOFT_SIMD_H
#define GH_SOFT_SIMD_H

#include <emmintrin.h>
#include <string.h>
#include "hypervisor/soft/ops.h"

/* Cuts caps down to what the host's CPU has of AES, PCLMUL and XSAVE, which bodies use natively.
 * SSE4.2 is taken for granted: see simd_host_ok(). */
void simd_caps(EngineCaps *caps);
/* false: the host's CPU lacks SSE4.2, and the engine can't run here. */
bool simd_host_ok(void);

/* --- availability --- */

_Noreturn void sse_unavailable(Cpu *c, const Insn *i);
_Noreturn void mmx_unavailable(Cpu *c, const Insn *i);
_Noreturn void x87_unavailable(Cpu *c, const Insn *i);
/* A pending unmasked x87 exception: #MF, or FERR# when CR0.NE is clear (then it returns). */
void x87_pending(Cpu *c, const Insn *i);
/*
 * FERR# with CR0.NE clear.  The engine has no pin to the PIC: it is told to the hypervisor as a
 * write of 1 to port F0h, which no guest value can be taken for (the guest's own writes there,
 * clearing the latch, are of 0 by convention).
 */
void cpu_ferr(Cpu *c);

static inline void sse_check(Cpu *c, const Insn *i) {
    if (__builtin_expect((c->cr0 & (CR0_EM | CR0_TS)) != 0 || !(c->cr4 & CR4_OSFXSR), 0)) {
        sse_unavailable(c, i);
    }
}

enum { X87_ES = 0x80, X87_B = 0x8000, X87_C0 = 0x100, X87_C1 = 0x200, X87_C2 = 0x400,
       X87_C3 = 0x4000, X87_SF = 0x40, X87_TOP = 0x3800, X87_IE = 1 };

static inline void x87_check(Cpu *c, const Insn *i) {
    if (__builtin_expect((c->cr0 & (CR0_EM | CR0_TS)) != 0, 0)) {
        x87_unavailable(c, i);
    }
    if (__builtin_expect(c->fpu.sw & X87_ES, 0)) {
        x87_pending(c, i);
    }
}

static inline void mmx_check(Cpu *c, const Insn *i) {
    if (__builtin_expect((c->cr0 & (CR0_EM | CR0_TS)) != 0, 0)) {
        mmx_unavailable(c, i);
    }
    if (__builtin_expect(c->fpu.sw & X87_ES, 0)) {
        x87_pending(c, i);
    }
}

/* --- registers --- */

static inline __m128i vec_get(const Cpu *c, unsigned n) {
    return *(const __m128i *)&c->fpu.v[n];
}

static inline void vec_set(Cpu *c, unsigned n, __m128i v) {
    *(__m128i *)&c->fpu.v[n] = v;
}

static inline uint64_t mmx_get(const Cpu *c, unsigned n) {
    uint64_t v;
    __builtin_memcpy(&v, c->fpu.st[n & 7].b, 8);
    return v;
}

static inline void mmx_set(Cpu *c, unsigned n, uint64_t v) {
    __builtin_memcpy(c->fpu.st[n & 7].b, &v, 8);
    c->fpu.st[n & 7].b[8] = c->fpu.st[n & 7].b[9] = 0xff;
}

/* Every MMX instruction but EMMS: all registers valid, TOP 0. */
static inline void mmx_enter(Cpu *c) {
    c->fpu.tags = 0xff;
    c->fpu.sw &= ~X87_TOP;
}

/* --- memory operands: zero-extended to 16 bytes; align as mem_read_buf() --- */
__m128i vec_mem(Cpu *c, const Insn *i, unsigned size, unsigned align);
void vec_store(Cpu *c, const Insn *i, __m128i v, unsigned size, unsigned align);
uint64_t mmx_mem(Cpu *c, const Insn *i, unsigned size);

static inline __m128i vec_src(Cpu *c, const Insn *i, unsigned size, unsigned align) {
    return i->rm != REG_MEM ? vec_get(c, i->rm) : vec_mem(c, i, size, align);
}

/* --- MXCSR --- */

enum { MXCSR_FLAGS = 0x3f, MXCSR_DEFAULT = 0x1f80, MXCSR_MASKS = 0x1f80, MXCSR_FZ = 0x8000,
       MXCSR_UM = 0x800, MXCSR_VALID = 0xffff };

/*
 * The host's MXCSR.  While its thread is in guest code (between fpu_enter() and fpu_leave()) and
 * the guest has all exceptions masked, the host's MXCSR is the guest's, rounding, FZ and DAZ too:
 * flags pile up there, and c->fpu.mxcsr lacks the newest ones until mxcsr_sync().  With an exception
 * unmasked the host has the defaults but for the one instruction, and c->fpu.mxcsr is exact.  So C
 * code between the two, and what the host answers at once, must not compute with floating point;
 * all other C code finds the ABI's control bits.
 *
 * The host's x87 has an empty stack between instructions, unless the guest's state is live in it: then
 * the control word is the guest's own, and an exception it has unmasked may be pending.  So C code between
 * fpu_enter() and fpu_leave() must have no x87 instruction either (lint refuses C's type for them).
 */
void fpu_enter(Cpu *c);                 /* guest code follows on this thread */
void fpu_leave(Cpu *c);                 /* c->fpu is complete; host code follows */

void sse_fp_begin_slow(Cpu *c);
void sse_fp_end_slow(Cpu *c, const Insn *i);

static inline bool mxcsr_is_live(const Cpu *c) {
    return __builtin_expect((c->fpu.mxcsr & MXCSR_MASKS) == MXCSR_MASKS, 1);
}

/* Before c->fpu.mxcsr is read. */
static inline void mxcsr_sync(Cpu *c) {
    if (mxcsr_is_live(c)) {
        c->fpu.mxcsr |= _mm_getcsr() & MXCSR_FLAGS;
    }
}

/* After c->fpu.mxcsr was set. */
static inline void mxcsr_load(const Cpu *c) {
    _mm_setcsr(mxcsr_is_live(c) ? c->fpu.mxcsr : MXCSR_DEFAULT);
}

/* After the control word was set, or flags cleared, by guest code. */
static inline void x87_host_load(const Fpu *f) {
    uint16_t cw = f->cw | 0x3f;

    __asm__ volatile("fnclex\n\tfldcw %0" : : "m"(cw));
}

/*
 * Around a host instruction that takes its rounding from MXCSR and leaves flags there.
 * sse_fp_end() raises #XM: nothing of the guest may be changed before it.
 */
static inline void sse_fp_begin(Cpu *c) {
    if (!mxcsr_is_live(c)) {
        sse_fp_begin_slow(c);
    }
}

static inline void sse_fp_end(Cpu *c, const Insn *i) {
    if (!mxcsr_is_live(c)) {
        sse_fp_end_slow(c, i);
    }
}

/* --- bodies --- */

typedef void (*SimdStub)(void);
typedef __m128i (*VecFn)(__m128i a, __m128i b);
typedef uint64_t (*MmxFn)(uint64_t a, uint64_t b);

/* What a table of stubs is: nothing but them, at the start, not even what counts lines for gcov. */
#define STUB_TABLE(alignment) __attribute__((naked, no_profile_instrument_function, aligned(alignment))) \
    static void
/* One step of a stub table: a naked function that holds 256 stubs, one for each imm8. */
#define STUB_AT(table, imm, step) ((const char *)(table) + ((imm) & 0xff) * (step))

/* --- what VEX instructions share with SSE's: no checks inside --- */
void mxcsr_read_mem(Cpu *c, const Insn *i);     /* LDMXCSR */
void simd_store_masked(Cpu *c, const Insn *i);  /* MASKMOVDQU */
bool simd_shift_exists(const Insn *i);          /* 0F 71-73, by ModRM.reg */
__m128i simd_shift(const Insn *i, __m128i v);
void simd_pcmpestri(Cpu *c, const Insn *i);
void simd_pcmpestrm(Cpu *c, const Insn *i);     /* only the low half of register 0 */
void simd_pcmpistri(Cpu *c, const Insn *i);
void simd_pcmpistrm(Cpu *c, const Insn *i);
bool simd_host_has_sha(void);

/* --- x87 --- */

/* The FXSAVE image, 64-bit form: also the first 512 bytes of an XSAVE area. */
typedef struct FxImage {
    uint16_t cw, sw;
    uint8_t tags, pad;
    uint16_t fop;
    uint64_t fip, fdp;          /* 32-bit forms: offset, selector, 16 bits of nothing */
    uint32_t mxcsr, mxcsr_mask;
    uint8_t st[8][16];          /* ST(0) first */
    uint8_t xmm[16][16];
    uint8_t rest[96];           /* never written */
} __attribute__((aligned(64))) FxImage;

/* The x87 part (also MMX): everything but mxcsr and xmm. */
void fpu_to_image(const Fpu *f, FxImage *m);
void fpu_from_image(Fpu *f, const FxImage *m);
void fpu_update_es(Fpu *f);             /* ES and B from the flags and masks */
void x87_init(Fpu *f);                  /* FNINIT: leaves the registers' contents */

bool x87_fcomi_keeps_c1(void);          /* asks the host */

static inline unsigned x87_top(const Fpu *f) {
    return f->sw >> 11 & 7;
}

static inline X87Reg *x87_st(Fpu *f, unsigned n) {
    return &f->st[(x87_top(f) + n) & 7];
}

/* FIP, FCS and FOP of a non-control instruction, and FDP, FDS of its memory operand. */
static inline void x87_note(Cpu *c, const Insn *i) {
    Fpu *f = &c->fpu;

    f->fip = c->rip + i->off;
    f->fcs = c->seg[SEG_CS].selector;
    f->fop = (uint16_t)((i->opcode & 7) << 8 | i->modrm);
    if (i->rm == REG_MEM) {
        f->fdp = effective_address(c, i);
        f->fds = c->seg[i->seg].selector;
    }
}

/*
 * The whole instruction on the host with the guest's x87 state, exact in everything: stack faults,
 * unmasked exceptions, condition codes.  Memory operands: mem is the loaded operand.
 */
void x87_exact(Cpu *c, const Insn *i, void *mem);
/* The same for a store of size bytes: guest memory first, so that a fault changes nothing. */
void x87_exact_store(Cpu *c, const Insn *i, unsigned size);

/* Quick bodies of the common instructions (fpu_fast.c): NULL when there is none. */
OpFn x87_fast_body(uint8_t opcode, uint8_t modrm);
/* Control instructions and environment (fpu_env.c): NULL when it is none of these. */
OpFn x87_control_body(uint8_t opcode, uint8_t modrm);

/* --- SSE bodies: sse_x_* have an XMM operand, sse_m_* only MMX --- */
#include "hypervisor/soft/sse_list.h"
#define SSE_PROTOTYPE(map, opcode, pfx, name) void sse_##name(Cpu *c, const Insn *i);
SSE_LIST(SSE_PROTOTYPE)
#undef SSE_PROTOTYPE

#endif
