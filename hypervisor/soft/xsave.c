/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xsave.c - FXSAVE, FXRSTOR, XSAVE, XSAVEOPT, XSAVEC and XRSTOR, and the XSAVE image that the
 * engine's state has.  Intel SDM vol. 1 chapter 13.  Components: x87, SSE and AVX.  XSAVEOPT uses the init optimization
 * but not the modified one.
 */
#include "hypervisor/soft/simd.h"

enum { XF_X87 = 1, XF_SSE = 2, XF_AVX = 4, XF_ALL = 7 };
enum { HEADER = 512, AVX_AREA = 576, AVX_SIZE = 256, LEGACY_USED = 416 };

#define XCOMP_COMPACT (UINT64_C(1) << 63)

/* --- images in host memory --- */

static void put_sse(const Fpu *f, FxImage *m, unsigned regs) {
    for (unsigned n = 0; n < regs; n++) {
        memcpy(m->xmm[n], f->v[n].b, 16);
    }
}

static void get_sse(Fpu *f, const FxImage *m, unsigned regs) {
    for (unsigned n = 0; n < regs; n++) {
        memcpy(f->v[n].b, m->xmm[n], 16);
    }
}

static void put_avx(const Fpu *f, uint8_t *p, unsigned regs) {
    for (unsigned n = 0; n < regs; n++) {
        memcpy(p + 16 * n, f->v[n].b + 16, 16);
    }
}

static void get_avx(Fpu *f, const uint8_t *p, unsigned regs) {
    for (unsigned n = 0; n < regs; n++) {
        memcpy(f->v[n].b + 16, p + 16 * n, 16);
    }
}

static void clear_x87(Fpu *f) {
    x87_init(f);
    memset(f->st, 0, sizeof(f->st));
}

static void clear_sse(Fpu *f, unsigned regs) {
    for (unsigned n = 0; n < regs; n++) {
        memset(f->v[n].b, 0, 16);
    }
}

static void clear_avx(Fpu *f, unsigned regs) {
    for (unsigned n = 0; n < regs; n++) {
        memset(f->v[n].b + 16, 0, 16);
    }
}

/* 32-bit forms keep selectors beside 32-bit offsets. */
static void put_pointers(const Fpu *f, FxImage *m, bool wide) {
    if (!wide) {
        m->fip = (uint32_t)f->fip | (uint64_t)f->fcs << 32;
        m->fdp = (uint32_t)f->fdp | (uint64_t)f->fds << 32;
    }
}

static void get_pointers(Fpu *f, bool wide) {
    f->fcs = f->fds = 0;
    if (!wide) {
        f->fcs = (uint16_t)(f->fip >> 32);
        f->fds = (uint16_t)(f->fdp >> 32);
        f->fip = (uint32_t)f->fip;
        f->fdp = (uint32_t)f->fdp;
    }
}

static bool all_zero(const uint8_t *p, unsigned len) {
    for (unsigned n = 0; n < len; n++) {
        if (p[n]) {
            return false;
        }
    }
    return true;
}

static inline __m128i vec_half(const Fpu *f, unsigned n, unsigned half) {
    return ((const __m128i *)&f->v[n])[half];
}

static inline bool is_zero(__m128i v) {
    return _mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_setzero_si128())) == 0xffff;
}

/* Components that are not in their initial state. */
static unsigned in_use(const Fpu *f) {
    __m128i low = vec_half(f, 0, 0), high = vec_half(f, 0, 1);
    unsigned use = 0;

    if (f->cw != 0x37f || f->sw || f->tags || f->fop || f->fip || f->fdp || f->fcs || f->fds) {
        use |= XF_X87;
    }
    for (unsigned n = 0; n < 8; n++) {
        uint64_t mantissa;
        uint16_t exponent;

        memcpy(&mantissa, f->st[n].b, 8);
        memcpy(&exponent, f->st[n].b + 8, 2);
        if (mantissa | exponent) {
            use |= XF_X87;
        }
    }
    for (unsigned n = 1; n < 16; n++) {
        low = _mm_or_si128(low, vec_half(f, n, 0));
        high = _mm_or_si128(high, vec_half(f, n, 1));
    }
    if (!is_zero(low)) {
        use |= XF_SSE;
    }
    if (!is_zero(high)) {
        use |= XF_AVX;
    }
    return use;
}

uint64_t fpu_in_use(Cpu *c) {
    mxcsr_sync(c);
    return in_use(&c->fpu) | (c->fpu.mxcsr != MXCSR_DEFAULT ? XF_SSE : 0u);
}

/* --- the engine's state --- */

void fpu_to_xsave(const Cpu *c, uint8_t *image, uint32_t *size) {
    FxImage m;
    uint64_t bv = XF_X87 | XF_SSE;

    memset(&m, 0, sizeof(m));
    fpu_to_image(&c->fpu, &m);
    put_sse(&c->fpu, &m, 16);
    m.mxcsr = c->fpu.mxcsr;
    m.mxcsr_mask = MXCSR_VALID;
    memcpy(image, &m, sizeof(m));
    memset(image + HEADER, 0, 64);
    *size = AVX_AREA;
    if (c->xcr0 & XF_AVX) {
        bv |= XF_AVX;
        put_avx(&c->fpu, image + AVX_AREA, 16);
        *size = AVX_AREA + AVX_SIZE;
    }
    memcpy(image + HEADER, &bv, 8);
}

void fpu_from_xsave(Cpu *c, const uint8_t *image, uint32_t size) {
    FxImage m;
    uint64_t bv = 0;

    fpu_init(&c->fpu);
    if (size < AVX_AREA) {
        return;
    }
    memcpy(&m, image, sizeof(m));
    memcpy(&bv, image + HEADER, 8);
    if (bv & XF_X87) {
        fpu_from_image(&c->fpu, &m);
    }
    if (bv & XF_SSE) {
        get_sse(&c->fpu, &m, 16);
    }
    if (bv & (XF_SSE | XF_AVX)) {
        c->fpu.mxcsr = m.mxcsr & MXCSR_VALID;
    }
    if ((bv & XF_AVX) && size >= AVX_AREA + AVX_SIZE) {
        get_avx(&c->fpu, image + AVX_AREA, 16);
    }
}

/* --- FXSAVE, FXRSTOR --- */

static unsigned vector_regs(const Cpu *c) {
    return (c->mode & MODE_SIZE_MASK) == MODE_64 ? 16 : 8;
}

static void check_available(Cpu *c, const Insn *i) {
    if (c->cr0 & (CR0_EM | CR0_TS)) {
        raise_exc(c, i, EXC_NM);
    }
}

static void fxsave(Cpu *c, const Insn *i) {
    FxImage m;
    unsigned regs = vector_regs(c);

    check_available(c, i);
    mxcsr_sync(c);
    fpu_to_image(&c->fpu, &m);
    put_pointers(&c->fpu, &m, i->rex & 8);
    m.mxcsr = c->fpu.mxcsr;
    m.mxcsr_mask = MXCSR_VALID;
    put_sse(&c->fpu, &m, regs);
    mem_write_buf(c, i, i->seg, effective_address(c, i), &m, LEGACY_USED - (16 - regs) * 16, 16);
}

void op_fxsave(Cpu *c, const Insn *i) {
    fxsave(c, i);
    NEXT(c, i);
}

static void fxrstor(Cpu *c, const Insn *i) {
    FxImage m;

    check_available(c, i);
    mem_read_buf(c, i, i->seg, effective_address(c, i), &m, sizeof(m), 16);
    if (m.mxcsr & ~MXCSR_VALID) {
        raise_gp0(c, i);
    }
    fpu_from_image(&c->fpu, &m);
    x87_host_load(&c->fpu);
    get_pointers(&c->fpu, i->rex & 8);
    c->fpu.mxcsr = m.mxcsr;
    mxcsr_load(c);
    get_sse(&c->fpu, &m, vector_regs(c));
}

void op_fxrstor(Cpu *c, const Insn *i) {
    fxrstor(c, i);
    NEXT(c, i);
}

/* CLFLUSH: nothing to flush, but the faults of a load. */
void op_clflush(Cpu *c, const Insn *i) {
    mem_read8(c, i, i->seg, effective_address(c, i));
    NEXT(c, i);
}

/* CLFLUSHOPT, CLWB: the same. */
void op_clflushopt(Cpu *c, const Insn *i) {
    mem_read8(c, i, i->seg, effective_address(c, i));
    NEXT(c, i);
}

/* --- XSAVE and its kin --- */

/* Checks that come before anything else; returns the requested-feature bitmap. */
static unsigned xsave_request(Cpu *c, const Insn *i) {
    if (!(c->cr4 & CR4_OSXSAVE)) {
        raise_ud(c, i);
    }
    if (c->cr0 & CR0_TS) {
        raise_exc(c, i, EXC_NM);
    }
    return (unsigned)(c->xcr0 & (uint32_t)c->gpr[0] & XF_ALL);
}

/* The address of byte n of the operand, wrapped to the address size. */
static uint64_t at(const Cpu *c, const Insn *i, unsigned n) {
    uint64_t a = effective_address(c, i) + n;

    return i->asize == 8 ? a : i->asize == 4 ? (uint32_t)a : (uint16_t)a;
}

enum XsaveForm { FORM_XSAVE, FORM_XSAVEOPT, FORM_XSAVEC };

static void write_components(Cpu *c, const Insn *i, unsigned write, bool mxcsr) {
    unsigned regs = vector_regs(c);
    uint8_t avx[AVX_SIZE];
    FxImage m;

    fpu_to_image(&c->fpu, &m);
    put_pointers(&c->fpu, &m, i->rex & 8);
    m.mxcsr = c->fpu.mxcsr;
    m.mxcsr_mask = MXCSR_VALID;
    put_sse(&c->fpu, &m, regs);
    if (write & XF_X87) {
        mem_write_buf(c, i, i->seg, at(c, i, 0), &m, 24, 0);
        mem_write_buf(c, i, i->seg, at(c, i, 32), m.st, 128, 0);
    }
    if (mxcsr) {
        mem_write_buf(c, i, i->seg, at(c, i, 24), &m.mxcsr, 8, 0);
    }
    if (write & XF_SSE) {
        mem_write_buf(c, i, i->seg, at(c, i, 160), m.xmm, 16 * regs, 0);
    }
    if (write & XF_AVX) {
        put_avx(&c->fpu, avx, regs);
        mem_write_buf(c, i, i->seg, at(c, i, AVX_AREA), avx, 16 * regs, 0);
    }
}

static void xsave(Cpu *c, const Insn *i, enum XsaveForm form) {
    unsigned rfbm = xsave_request(c, i), use = in_use(&c->fpu);
    unsigned write = form == FORM_XSAVE ? rfbm : rfbm & use;
    bool mxcsr = rfbm & (XF_SSE | XF_AVX);
    uint64_t header[2] = { 0, 0 };

    mxcsr_sync(c);
    if (form == FORM_XSAVEC) {
        /* MXCSR belongs to SSE here. */
        if (c->fpu.mxcsr != MXCSR_DEFAULT) {
            use |= XF_SSE;
        }
        write = rfbm & use;
        mxcsr = write & XF_SSE;
        header[0] = write;
        header[1] = XCOMP_COMPACT | rfbm;
    }
    mem_check_write(c, i, i->seg, at(c, i, 0), rfbm & XF_AVX ? AVX_AREA + AVX_SIZE : AVX_AREA);
    if (form != FORM_XSAVEC) {
        mem_read_buf(c, i, i->seg, at(c, i, HEADER), header, 8, 64);
        header[0] = (header[0] & ~(uint64_t)rfbm) | (rfbm & use);
    }
    /* The alignment check is that of the header, whose address has the same low bits. */
    mem_write_buf(c, i, i->seg, at(c, i, HEADER), header, form == FORM_XSAVEC ? 16 : 8, 64);
    write_components(c, i, write, mxcsr);
}

void op_xsave(Cpu *c, const Insn *i) {
    xsave(c, i, FORM_XSAVE);
    NEXT(c, i);
}

void op_xsaveopt(Cpu *c, const Insn *i) {
    xsave(c, i, FORM_XSAVEOPT);
    NEXT(c, i);
}

void op_xsavec(Cpu *c, const Insn *i) {
    xsave(c, i, FORM_XSAVEC);
    NEXT(c, i);
}

/* false: #GP */
static bool header_ok(const Cpu *c, const uint64_t header[8]) {
    uint64_t comp = header[1];

    if (comp & XCOMP_COMPACT) {
        if ((comp & ~XCOMP_COMPACT & ~c->xcr0) || (header[0] & ~comp)) {
            return false;
        }
        return all_zero((const uint8_t *)(header + 2), 48);
    }
    return comp == 0 && header[2] == 0 && !(header[0] & ~c->xcr0);
}

static void xrstor(Cpu *c, const Insn *i) {
    unsigned rfbm = xsave_request(c, i), regs = vector_regs(c);
    uint64_t header[8];
    uint8_t avx[AVX_SIZE];
    FxImage m;

    mem_read_buf(c, i, i->seg, at(c, i, HEADER), header, sizeof(header), 64);
    if (!header_ok(c, header)) {
        raise_gp0(c, i);
    }
    mem_read_buf(c, i, i->seg, at(c, i, 0), &m, sizeof(m), 0);
    bool compact = header[1] & XCOMP_COMPACT;
    unsigned load = rfbm & (unsigned)header[0];
    bool mxcsr = compact ? load & XF_SSE : rfbm & (XF_SSE | XF_AVX);
    if (mxcsr && (m.mxcsr & ~MXCSR_VALID)) {
        raise_gp0(c, i);
    }
    if (load & XF_AVX) {
        mem_read_buf(c, i, i->seg, at(c, i, AVX_AREA), avx, 16 * regs, 0);
    }
    if (load & XF_X87) {
        fpu_from_image(&c->fpu, &m);
        get_pointers(&c->fpu, i->rex & 8);
    } else if (rfbm & XF_X87) {
        clear_x87(&c->fpu);
    }
    if (rfbm & XF_X87) {
        x87_host_load(&c->fpu);
    }
    if (load & XF_SSE) {
        get_sse(&c->fpu, &m, regs);
    } else if (rfbm & XF_SSE) {
        clear_sse(&c->fpu, regs);
    }
    if (load & XF_AVX) {
        get_avx(&c->fpu, avx, regs);
    } else if (rfbm & XF_AVX) {
        clear_avx(&c->fpu, regs);
    }
    if (mxcsr) {
        c->fpu.mxcsr = m.mxcsr;
        mxcsr_load(c);
    } else if (compact && (rfbm & XF_SSE)) {
        c->fpu.mxcsr = MXCSR_DEFAULT;
        mxcsr_load(c);
    }
}

void op_xrstor(Cpu *c, const Insn *i) {
    xrstor(c, i);
    NEXT(c, i);
}
