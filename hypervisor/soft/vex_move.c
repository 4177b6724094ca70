/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vex_move.c - VEX instructions that move data: loads and stores, halves and elements, broadcasts
 * and lanes, memory under a mask, gathers.  Intel SDM vol. 2.  Non-temporal hints are ignored.
 */
#include "hypervisor/soft/vex.h"

static inline bool in_memory(const Insn *i) {
    return i->rm == REG_MEM;
}

/* --- whole operands --- */

static void load(Cpu *c, const Insn *i) {
    unsigned size = vex_size(i);
    VecReg m;

    vex_check(c, i);
    vex_set_low(c, i->reg, vex_source(c, i, &m), size);
}

void vex_load(Cpu *c, const Insn *i) {
    load(c, i);
    NEXT(c, i);
}

void vex_store(Cpu *c, const Insn *i) {
    unsigned size = vex_size(i);

    vex_check(c, i);
    if (in_memory(i)) {
        mem_write_buf(c, i, i->seg, effective_address(c, i), &c->fpu.v[i->reg], size,
                      vex_row(i)->flags & VF_ALIGN ? size : 0);
    } else {
        vex_set_low(c, i->rm, &c->fpu.v[i->reg], size);
    }
    NEXT(c, i);
}

/* VMOVSS, VMOVSD: between registers the low element replaces that of VEX.vvvv. */
static void merge_low(Cpu *c, unsigned dst, const VecReg *upper, const VecReg *low, unsigned n) {
    VecReg v = *upper;

    memcpy(&v, low, n);
    vex_set_low(c, dst, &v, 16);
}

static void movs_load(Cpu *c, const Insn *i) {
    VecReg m;

    vex_check(c, i);
    const VecReg *b = vex_source(c, i, &m);
    if (in_memory(i)) {
        vex_set_low(c, i->reg, b, 16);
    } else {
        merge_low(c, i->reg, &c->fpu.v[vex_vvvv(i)], b, vex_size(i));
    }
}

void vex_movs_load(Cpu *c, const Insn *i) {
    movs_load(c, i);
    NEXT(c, i);
}

void vex_movs_store(Cpu *c, const Insn *i) {
    vex_check(c, i);
    if (in_memory(i)) {
        mem_write_buf(c, i, i->seg, effective_address(c, i), &c->fpu.v[i->reg], vex_size(i), 0);
    } else {
        merge_low(c, i->rm, &c->fpu.v[vex_vvvv(i)], &c->fpu.v[i->reg], vex_size(i));
    }
    NEXT(c, i);
}

/* --- halves: register forms VMOVHLPS and VMOVLHPS --- */

static void movlp_load(Cpu *c, const Insn *i) {
    uint64_t q[2];

    vex_check(c, i);
    q[0] = in_memory(i) ? mmx_mem(c, i, 8) : c->fpu.v[i->rm].q[1];
    q[1] = c->fpu.v[vex_vvvv(i)].q[1];
    vex_set_low(c, i->reg, q, 16);
}

void vex_movlp_load(Cpu *c, const Insn *i) {
    movlp_load(c, i);
    NEXT(c, i);
}

static void movhp_load(Cpu *c, const Insn *i) {
    uint64_t q[2];

    vex_check(c, i);
    q[1] = in_memory(i) ? mmx_mem(c, i, 8) : c->fpu.v[i->rm].q[0];
    q[0] = c->fpu.v[vex_vvvv(i)].q[0];
    vex_set_low(c, i->reg, q, 16);
}

void vex_movhp_load(Cpu *c, const Insn *i) {
    movhp_load(c, i);
    NEXT(c, i);
}

void vex_movlp_store(Cpu *c, const Insn *i) {
    vex_check(c, i);
    mem_write64(c, i, i->seg, effective_address(c, i), c->fpu.v[i->reg].q[0]);
    NEXT(c, i);
}

void vex_movhp_store(Cpu *c, const Insn *i) {
    vex_check(c, i);
    mem_write64(c, i, i->seg, effective_address(c, i), c->fpu.v[i->reg].q[1]);
    NEXT(c, i);
}

/* --- general registers --- */

static unsigned gpr_size(const Insn *i) {
    return i->rex & 8 ? 8 : 4;
}

static uint64_t read_gpr(Cpu *c, const Insn *i, unsigned size) {
    uint64_t off;

    if (!in_memory(i)) {
        return c->gpr[i->rm];
    }
    off = effective_address(c, i);
    switch (size) {
    case 1: return mem_read8(c, i, i->seg, off);
    case 2: return mem_read16(c, i, i->seg, off);
    case 4: return mem_read32(c, i, i->seg, off);
    default: return mem_read64(c, i, i->seg, off);
    }
}

/* A register is written whole; v has zeros above its size. */
static void write_gpr(Cpu *c, const Insn *i, unsigned size, uint64_t v) {
    uint64_t off;

    if (!in_memory(i)) {
        c->gpr[i->rm] = v;
        return;
    }
    off = effective_address(c, i);
    switch (size) {
    case 1: mem_write8(c, i, i->seg, off, (uint8_t)v); break;
    case 2: mem_write16(c, i, i->seg, off, (uint16_t)v); break;
    case 4: mem_write32(c, i, i->seg, off, (uint32_t)v); break;
    default: mem_write64(c, i, i->seg, off, v); break;
    }
}

static uint64_t element(const VecReg *v, unsigned n, unsigned size) {
    uint64_t r = 0;

    memcpy(&r, v->b + (n * size & 15), size);
    return r;
}

static void movd_load(Cpu *c, const Insn *i) {
    uint64_t v;

    vex_check(c, i);
    v = read_gpr(c, i, gpr_size(i));
    vex_set_low(c, i->reg, &v, gpr_size(i));
}

void vex_movd_load(Cpu *c, const Insn *i) {
    movd_load(c, i);
    NEXT(c, i);
}

void vex_movd_store(Cpu *c, const Insn *i) {
    vex_check(c, i);
    write_gpr(c, i, gpr_size(i), element(&c->fpu.v[i->reg], 0, gpr_size(i)));
    NEXT(c, i);
}

static unsigned element_size(const Insn *i) {
    return vex_size(i) ? vex_size(i) : gpr_size(i);
}

static void pinsr(Cpu *c, const Insn *i) {
    unsigned size = element_size(i);
    VecReg v;
    uint64_t s;

    vex_check(c, i);
    s = read_gpr(c, i, size);
    v = c->fpu.v[vex_vvvv(i)];
    memcpy(v.b + (i->imm * size & 15), &s, size);
    vex_set_low(c, i->reg, &v, 16);
}

void vex_pinsr(Cpu *c, const Insn *i) {
    pinsr(c, i);
    NEXT(c, i);
}

void vex_pextr(Cpu *c, const Insn *i) {
    unsigned size = element_size(i);

    vex_check(c, i);
    write_gpr(c, i, size, element(&c->fpu.v[i->reg], (unsigned)i->imm & 15, size));
    NEXT(c, i);
}

void vex_pextrw(Cpu *c, const Insn *i) {        /* 0F C5: ModRM.reg is the destination */
    vex_check(c, i);
    c->gpr[i->reg] = c->fpu.v[i->rm].w[i->imm & 7];
    NEXT(c, i);
}

/* --- broadcasts, lanes --- */

static void broadcast(Cpu *c, const Insn *i) {
    unsigned size = vex_size(i), len = vex_wide(i) ? 32 : 16;
    VecReg m, v;

    vex_check(c, i);
    const VecReg *b = vex_source(c, i, &m);
    for (unsigned n = 0; n < len; n += size) {
        memcpy(v.b + n, b, size);
    }
    vex_set_low(c, i->reg, &v, len);
}

void vex_broadcast(Cpu *c, const Insn *i) {
    broadcast(c, i);
    NEXT(c, i);
}

static void insert_lane(Cpu *c, const Insn *i) {
    VecReg m, v;

    vex_check(c, i);
    const VecReg *b = vex_source(c, i, &m);
    v = c->fpu.v[vex_vvvv(i)];
    memcpy(v.b + (i->imm & 1) * 16, b, 16);
    c->fpu.v[i->reg] = v;
}

void vex_insert_lane(Cpu *c, const Insn *i) {
    insert_lane(c, i);
    NEXT(c, i);
}

void vex_extract_lane(Cpu *c, const Insn *i) {
    const uint8_t *lane = c->fpu.v[i->reg].b + (i->imm & 1) * 16;

    vex_check(c, i);
    if (in_memory(i)) {
        mem_write_buf(c, i, i->seg, effective_address(c, i), lane, 16, 0);
    } else {
        vex_set_low(c, i->rm, lane, 16);
    }
    NEXT(c, i);
}

/* --- the upper halves, MXCSR --- */

void vex_zero(Cpu *c, const Insn *i) {
    unsigned keep = i->vex & VEX_L ? 0 : 16;
    unsigned regs = (c->mode & MODE_SIZE_MASK) == MODE_64 ? 16 : 8;

    vex_check(c, i);
    for (unsigned n = 0; n < regs; n++) {
        memset(c->fpu.v[n].b + keep, 0, 32 - keep);
    }
    NEXT(c, i);
}

void vex_mxcsr(Cpu *c, const Insn *i) {
    unsigned op = i->modrm >> 3 & 7;

    if (op != 2 && op != 3) {
        raise_ud(c, i);
    }
    vex_check(c, i);
    if (op == 2) {
        mxcsr_read_mem(c, i);
    } else {
        mxcsr_sync(c);
        mem_write32(c, i, i->seg, effective_address(c, i), c->fpu.mxcsr);
    }
    NEXT(c, i);
}

/* --- memory under a mask: elements whose sign bit is clear are not touched, nor do they fault --- */

void vex_maskmovdqu(Cpu *c, const Insn *i) {
    vex_check(c, i);
    simd_store_masked(c, i);
    NEXT(c, i);
}

static uint64_t cut(const Insn *i, uint64_t a) {
    return i->asize == 8 ? a : i->asize == 4 ? (uint32_t)a : (uint16_t)a;
}

static bool chosen(const VecReg *mask, unsigned n, unsigned size) {
    return mask->b[n * size + size - 1] & 0x80;
}

static void read_element(Cpu *c, const Insn *i, uint64_t off, unsigned size, uint8_t *to) {
    uint32_t d;
    uint64_t q;

    if (size == 4) {
        d = mem_read32(c, i, i->seg, off);
        memcpy(to, &d, 4);
    } else {
        q = mem_read64(c, i, i->seg, off);
        memcpy(to, &q, 8);
    }
}

static void mask_load(Cpu *c, const Insn *i) {
    const VecReg *mask = &c->fpu.v[vex_vvvv(i)];
    unsigned size = vex_size(i), count = (vex_wide(i) ? 32 : 16) / size;
    uint64_t at;
    VecReg v;

    vex_check(c, i);
    at = effective_address(c, i);
    memset(&v, 0, sizeof(v));
    for (unsigned n = 0; n < count; n++) {
        if (chosen(mask, n, size)) {
            read_element(c, i, cut(i, at + n * size), size, v.b + n * size);
        }
    }
    c->fpu.v[i->reg] = v;
}

void vex_mask_load(Cpu *c, const Insn *i) {
    mask_load(c, i);
    NEXT(c, i);
}

static void mask_store(Cpu *c, const Insn *i) {
    const VecReg *mask = &c->fpu.v[vex_vvvv(i)], *v = &c->fpu.v[i->reg];
    unsigned size = vex_size(i), count = (vex_wide(i) ? 32 : 16) / size;
    uint64_t at;

    vex_check(c, i);
    at = effective_address(c, i);
    for (unsigned n = 0; n < count; n++) {
        if (chosen(mask, n, size)) {
            mem_check_write(c, i, i->seg, cut(i, at + n * size), size);
        }
    }
    for (unsigned n = 0; n < count; n++) {
        if (chosen(mask, n, size) && size == 4) {
            mem_write32(c, i, i->seg, cut(i, at + n * size), v->d[n]);
        } else if (chosen(mask, n, size)) {
            mem_write64(c, i, i->seg, cut(i, at + n * size), v->q[n]);
        }
    }
}

void vex_mask_store(Cpu *c, const Insn *i) {
    mask_store(c, i);
    NEXT(c, i);
}

/* --- gathers --- */

static uint64_t gather_address(const Cpu *c, const Insn *i, const VecReg *index, unsigned n) {
    uint64_t x = i->opcode & 1 ? index->q[n] : (uint64_t)(int64_t)(int32_t)index->d[n];

    return cut(i, c->gpr[i->base] + (x << i->scale) + (uint64_t)(int64_t)i->disp);
}

/*
 * Elements are loaded from the lowest up.  A fault leaves those before it in the destination, and
 * their masks clear, so that the instruction goes on from there when it is run again.
 */
static void gather(Cpu *c, const Insn *i) {
    unsigned size = vex_size(i), index_size = i->opcode & 1 ? 8 : 4;
    unsigned count = (vex_wide(i) ? 32 : 16) / (size > index_size ? size : index_size);
    VecReg *dst = &c->fpu.v[i->reg], *mask = &c->fpu.v[vex_vvvv(i)];
    const VecReg *index = &c->fpu.v[i->aux];

    vex_check(c, i);
    for (unsigned n = 0; n < count; n++) {
        memset(mask->b + n * size, chosen(mask, n, size) ? 0xff : 0, size);
    }
    for (unsigned n = 0; n < count; n++) {
        if (chosen(mask, n, size)) {
            read_element(c, i, gather_address(c, i, index, n), size, dst->b + n * size);
            memset(mask->b + n * size, 0, size);
        }
    }
    memset(mask, 0, sizeof(*mask));
    memset(dst->b + count * size, 0, 32 - count * size);
}

void vex_gather(Cpu *c, const Insn *i) {
    gather(c, i);
    NEXT(c, i);
}
