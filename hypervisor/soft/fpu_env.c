/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fpu_env.c - x87 control instructions and the environment: FNINIT, FNCLEX, FLDCW, FNSTCW, FNSTSW,
 * FLDENV, FNSTENV, FRSTOR, FNSAVE, and the forms the state takes in images.  Intel SDM vol. 1
 * chapter 8.1, vol. 2.
 */
#include "hypervisor/soft/simd.h"

/* Control word: 7 and 15:13 are 0 and 6 is 1 whatever is loaded. */
#define CW_BITS 0x1f3f
#define CW_ONE 0x40

void fpu_update_es(Fpu *f) {
    if (f->sw & ~f->cw & 0x3f) {
        f->sw |= X87_ES | X87_B;
    } else {
        f->sw &= ~(X87_ES | X87_B);
    }
}

void x87_init(Fpu *f) {
    f->cw = 0x37f;
    f->sw = 0;
    f->tags = 0;
    f->fop = f->fcs = f->fds = 0;
    f->fip = f->fdp = 0;
}

void fpu_init(Fpu *f) {
    memset(f, 0, sizeof(*f));
    x87_init(f);
    f->mxcsr = MXCSR_DEFAULT;
}

void fpu_reset(Fpu *f) {
    fpu_init(f);
    f->cw = CW_ONE;
    f->tags = 0xff;             /* tag word 5555h: all +0.0 */
}

void fpu_to_image(const Fpu *f, FxImage *m) {
    m->cw = f->cw;
    m->sw = f->sw;
    m->tags = f->tags;
    m->pad = 0;
    m->fop = f->fop;
    m->fip = f->fip;
    m->fdp = f->fdp;
    for (unsigned n = 0; n < 8; n++) {
        memcpy(m->st[n], f->st[(x87_top(f) + n) & 7].b, 10);
        memset(m->st[n] + 10, 0, 6);
    }
}

void fpu_from_image(Fpu *f, const FxImage *m) {
    f->cw = (m->cw & CW_BITS) | CW_ONE;
    f->sw = m->sw;
    f->tags = m->tags;
    f->fop = m->fop & 0x7ff;
    f->fip = m->fip;
    f->fdp = m->fdp;
    for (unsigned n = 0; n < 8; n++) {
        memcpy(f->st[(x87_top(f) + n) & 7].b, m->st[n], 10);
    }
    fpu_update_es(f);
}

/* --- the full tag word: 2 bits a register, 0 valid, 1 zero, 2 special, 3 empty --- */

static unsigned tag_of(const X87Reg *r) {
    uint64_t mantissa;
    unsigned exponent = (r->b[9] & 0x7fu) << 8 | r->b[8];

    memcpy(&mantissa, r->b, 8);
    if (exponent == 0 && mantissa == 0) {
        return 1;
    }
    return exponent == 0 || exponent == 0x7fff || !(mantissa >> 63) ? 2 : 0;
}

static uint16_t full_tags(const Fpu *f) {
    unsigned tw = 0;

    for (unsigned n = 0; n < 8; n++) {
        tw |= (f->tags >> n & 1 ? tag_of(&f->st[n]) : 3u) << (2 * n);
    }
    return (uint16_t)tw;
}

static void set_full_tags(Fpu *f, uint16_t tw) {
    f->tags = 0;
    for (unsigned n = 0; n < 8; n++) {
        if ((tw >> (2 * n) & 3) != 3) {
            f->tags |= (uint8_t)(1u << n);
        }
    }
}

/* --- control and status words --- */

static void body_fninit(Cpu *c, const Insn *i) {
    if (c->cr0 & (CR0_EM | CR0_TS)) {
        x87_unavailable(c, i);
    }
    x87_init(&c->fpu);
    x87_host_load(&c->fpu);
    NEXT(c, i);
}

static void body_fnclex(Cpu *c, const Insn *i) {
    if (c->cr0 & (CR0_EM | CR0_TS)) {
        x87_unavailable(c, i);
    }
    c->fpu.sw &= 0x7f00;
    x87_host_load(&c->fpu);
    NEXT(c, i);
}

/* FENI, FDISI, FSETPM: no effect since the 387 */
static void body_nothing(Cpu *c, const Insn *i) {
    if (c->cr0 & (CR0_EM | CR0_TS)) {
        x87_unavailable(c, i);
    }
    NEXT(c, i);
}

static void body_fnop(Cpu *c, const Insn *i) {
    x87_check(c, i);
    NEXT(c, i);
}

static void body_fldcw(Cpu *c, const Insn *i) {
    x87_check(c, i);
    c->fpu.cw = (mem_read16(c, i, i->seg, effective_address(c, i)) & CW_BITS) | CW_ONE;
    fpu_update_es(&c->fpu);
    x87_host_load(&c->fpu);
    NEXT(c, i);
}

static void body_fnstcw(Cpu *c, const Insn *i) {
    if (c->cr0 & (CR0_EM | CR0_TS)) {
        x87_unavailable(c, i);
    }
    mem_write16(c, i, i->seg, effective_address(c, i), c->fpu.cw);
    NEXT(c, i);
}

static void body_fnstsw(Cpu *c, const Insn *i) {
    if (c->cr0 & (CR0_EM | CR0_TS)) {
        x87_unavailable(c, i);
    }
    mem_write16(c, i, i->seg, effective_address(c, i), c->fpu.sw);
    NEXT(c, i);
}

static void body_fnstsw_ax(Cpu *c, const Insn *i) {
    if (c->cr0 & (CR0_EM | CR0_TS)) {
        x87_unavailable(c, i);
    }
    c->gpr[0] = (c->gpr[0] & ~UINT64_C(0xffff)) | c->fpu.sw;
    NEXT(c, i);
}

/* --- environment: 14 or 28 bytes, in a real-address and a protected form --- */

static bool real_form(const Cpu *c) {
    return !(c->mode & MODE_PROT);
}

static void put16(uint8_t *p, unsigned v) {
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static void put32(uint8_t *p, uint32_t v) {
    put16(p, v & 0xffff);
    put16(p + 2, v >> 16);
}

static uint32_t get16(const uint8_t *p) {
    return p[0] | (uint32_t)p[1] << 8;
}

static uint32_t get32(const uint8_t *p) {
    return get16(p) | get16(p + 2) << 16;
}

static unsigned put_environment(const Cpu *c, const Insn *i, uint8_t *p) {
    const Fpu *f = &c->fpu;
    uint32_t ip = (uint32_t)f->fip, dp = (uint32_t)f->fdp;
    uint16_t tw = full_tags(f);

    if (real_form(c)) {
        ip += (uint32_t)f->fcs << 4;
        dp += (uint32_t)f->fds << 4;
    }
    if (i->opsize == 2) {
        put16(p, f->cw);
        put16(p + 2, f->sw);
        put16(p + 4, tw);
        put16(p + 6, ip);
        put16(p + 8, real_form(c) ? (ip >> 16 & 15) << 12 | f->fop : f->fcs);
        put16(p + 10, dp);
        put16(p + 12, real_form(c) ? (dp >> 16 & 15) << 12 : f->fds);
        return 14;
    }
    put32(p, 0xffff0000u | f->cw);
    put32(p + 4, 0xffff0000u | f->sw);
    put32(p + 8, 0xffff0000u | tw);
    if (real_form(c)) {
        put32(p + 12, 0xffff0000u | (ip & 0xffff));
        put32(p + 16, (ip >> 16) << 12 | f->fop);
        put32(p + 20, 0xffff0000u | (dp & 0xffff));
        put32(p + 24, (dp >> 16) << 12);
    } else {
        put32(p + 12, ip);
        put32(p + 16, (uint32_t)f->fop << 16 | f->fcs);
        put32(p + 20, dp);
        put32(p + 24, 0xffff0000u | f->fds);
    }
    return 28;
}

static void get_environment(Cpu *c, const Insn *i, const uint8_t *p) {
    Fpu *f = &c->fpu;
    bool real = real_form(c), narrow = i->opsize == 2;
    unsigned step = narrow ? 2 : 4;

    f->cw = (get16(p) & CW_BITS) | CW_ONE;
    f->sw = (uint16_t)get16(p + step);
    set_full_tags(f, (uint16_t)get16(p + 2 * step));
    f->fcs = f->fds = 0;
    if (narrow) {
        f->fip = get16(p + 6);
        f->fdp = get16(p + 10);
    } else {
        f->fip = real ? get16(p + 12) : get32(p + 12);
        f->fdp = real ? get16(p + 20) : get32(p + 20);
    }
    if (real) {
        uint32_t hi = narrow ? get16(p + 8) : get32(p + 16);
        uint32_t dhi = narrow ? get16(p + 12) : get32(p + 24);
        f->fop = hi & 0x7ff;
        f->fip |= (hi >> 12) << 16;
        f->fdp |= (dhi >> 12) << 16;
    } else {
        f->fcs = (uint16_t)get16(p + (narrow ? 8 : 16));
        f->fds = (uint16_t)get16(p + (narrow ? 12 : 24));
        if (!narrow) {
            f->fop = get16(p + 18) & 0x7ff;
        }
    }
    fpu_update_es(f);
    x87_host_load(f);
}

static void store_environment(Cpu *c, const Insn *i) {
    uint8_t buf[28];
    unsigned len = put_environment(c, i, buf);

    mem_write_buf(c, i, i->seg, effective_address(c, i), buf, len, 0);
}

static void body_fnstenv(Cpu *c, const Insn *i) {
    if (c->cr0 & (CR0_EM | CR0_TS)) {
        x87_unavailable(c, i);
    }
    store_environment(c, i);
    c->fpu.cw |= 0x3f;
    fpu_update_es(&c->fpu);
    NEXT(c, i);
}

static void load_environment(Cpu *c, const Insn *i) {
    uint8_t buf[28];

    mem_read_buf(c, i, i->seg, effective_address(c, i), buf, i->opsize == 2 ? 14 : 28, 0);
    get_environment(c, i, buf);
}

static void body_fldenv(Cpu *c, const Insn *i) {
    x87_check(c, i);
    load_environment(c, i);
    NEXT(c, i);
}

static void save(Cpu *c, const Insn *i) {
    uint8_t buf[28 + 80];
    unsigned len = put_environment(c, i, buf);

    for (unsigned n = 0; n < 8; n++) {
        memcpy(buf + len + 10 * n, x87_st(&c->fpu, n)->b, 10);
    }
    mem_write_buf(c, i, i->seg, effective_address(c, i), buf, len + 80, 0);
    x87_init(&c->fpu);
    x87_host_load(&c->fpu);
}

static void body_fnsave(Cpu *c, const Insn *i) {
    if (c->cr0 & (CR0_EM | CR0_TS)) {
        x87_unavailable(c, i);
    }
    save(c, i);
    NEXT(c, i);
}

static void restore(Cpu *c, const Insn *i) {
    uint8_t buf[28 + 80];
    unsigned len = i->opsize == 2 ? 14 : 28;

    mem_read_buf(c, i, i->seg, effective_address(c, i), buf, len + 80, 0);
    get_environment(c, i, buf);
    for (unsigned n = 0; n < 8; n++) {
        memcpy(x87_st(&c->fpu, n)->b, buf + len + 10 * n, 10);
    }
}

static void body_frstor(Cpu *c, const Insn *i) {
    x87_check(c, i);
    restore(c, i);
    NEXT(c, i);
}

OpFn x87_control_body(uint8_t opcode, uint8_t modrm) {
    unsigned reg = modrm >> 3 & 7;

    if (modrm < 0xc0) {
        switch ((opcode & 7) << 3 | reg) {
        case 1 << 3 | 4: return body_fldenv;
        case 1 << 3 | 5: return body_fldcw;
        case 1 << 3 | 6: return body_fnstenv;
        case 1 << 3 | 7: return body_fnstcw;
        case 5 << 3 | 4: return body_frstor;
        case 5 << 3 | 6: return body_fnsave;
        case 5 << 3 | 7: return body_fnstsw;
        default: return NULL;
        }
    }
    switch ((opcode & 7) << 8 | modrm) {
    case 0x1d0: return body_fnop;
    case 0x3e0: case 0x3e1: case 0x3e4: return body_nothing;
    case 0x3e2: return body_fnclex;
    case 0x3e3: return body_fninit;
    case 0x7e0: return body_fnstsw_ax;
    default: return NULL;
    }
}
