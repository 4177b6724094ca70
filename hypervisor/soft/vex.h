/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vex.h - instructions with a VEX prefix: the rows of vex_list.h as the decoder, the bodies and the
 * translator see them, and what the vex*.c files share.
 *
 * The host computes: each row has stubs, the row's own encoding with fixed registers, made by the
 * assembler (vex_table.c).  A body fetches operands, calls the stub and stores; the upper half of
 * a destination comes out zero by itself, because the stub's instruction has a VEX prefix too.
 */
#ifndef GH_SOFT_VEX_H
#define GH_SOFT_VEX_H

#include "hypervisor/soft/simd.h"

/* Insn.vex of a VEX instruction */
enum { VEX_VVVV = 0x0f, VEX_L = 0x10, VEX_W = 0x20 };

enum {
    VF_VVVV = 1,        /* VEX.vvvv is an operand; else it must be 1111b */
    VF_VVVV_REG = 2,    /* it is one in the register form only */
    VF_MEM = 4, VF_REG = 8,     /* #UD for a register, a memory operand */
    VF_ALIGN = 0x10,    /* #GP(0) when the memory operand isn't aligned to its size */
    VF_FP = 0x20,       /* obeys MXCSR */
    VF_VSIB = 0x40,     /* the index is a vector register, in Insn.aux */
    VF_GPR = 0x80,      /* BMI: general registers, no AVX state needed */
    VF_NO_MODRM = 0x100,
    VF_L0 = 0x200, VF_L1 = 0x400,       /* VEX.L must be 0, 1 */
    VF_LIG = 0x800,     /* VEX.L doesn't matter */
    VF_IMM = 0x1000,    /* imm8; Insn.imm */
    VF_IS4 = 0x2000,    /* imm8[7:4] is a register; Insn.aux */
    VF_W64 = 0x4000,    /* VEX.W counts in 64-bit mode only */
};

/* Bytes of a memory operand; from VEX_SIZE_EIGHTH on, a part of the vector. */
enum { VEX_SIZE_0, VEX_SIZE_1, VEX_SIZE_2, VEX_SIZE_4 = 4, VEX_SIZE_8 = 8, VEX_SIZE_16 = 16,
       VEX_SIZE_EIGHTH = 0x82, VEX_SIZE_QUARTER = 0x84, VEX_SIZE_HALF = 0x88,
       VEX_SIZE_FULL = 0x90, VEX_SIZE_DUP = 0xff };     /* DUP: 8 of 16 bytes, 32 of 32 */

typedef enum VexFeature { VEX_AVX, VEX_AVX2, VEX_INT, VEX_BCAST, VEX_FMA, VEX_F16C, VEX_AES,
                          VEX_CLMUL, VEX_BMI1, VEX_BMI2 } VexFeature;

typedef struct VexRow {
    OpFn fn;
    const char *stub;           /* NULL: the body does without */
    uint16_t flags;             /* VF_* */
    uint8_t size;               /* VEX_SIZE_* */
    uint8_t feature;            /* VexFeature */
} VexRow;

extern const VexRow vex_rows[];
/* Insn.row's value for map 1-3, 0 when there is no such instruction. */
uint16_t vex_find(unsigned map, uint8_t opcode, unsigned pp, bool w);
/* Can this host do it?  l: 256 bits; memory: of the broadcasts. */
bool vex_host_has(const VexRow *r, bool l, bool memory);

/* --- for bodies --- */

static inline const VexRow *vex_row(const Insn *i) {
    return &vex_rows[i->row];
}

static inline unsigned vex_vvvv(const Insn *i) {
    return i->vex & VEX_VVVV;
}

/* Is the operation on 256 bits? */
static inline bool vex_wide(const Insn *i) {
    return (i->vex & VEX_L) && !(vex_rows[i->row].flags & VF_LIG);
}

static inline unsigned vex_size(const Insn *i) {
    unsigned size = vex_rows[i->row].size;

    if (size == VEX_SIZE_DUP) {
        return vex_wide(i) ? 32 : 8;
    }
    return size & 0x80 ? (size & 0x7fu) << vex_wide(i) : size;
}

_Noreturn void vex_unavailable(Cpu *c, const Insn *i);

/* CR0.EM and CR4.OSFXSR don't count here. */
static inline void vex_check(Cpu *c, const Insn *i) {
    if (__builtin_expect(!(c->cr4 & CR4_OSXSAVE) || (c->xcr0 & 6) != 6 || (c->cr0 & CR0_TS), 0)) {
        vex_unavailable(c, i);
    }
}

/* The register or memory operand; m: room for what is read, zero-extended. */
const VecReg *vex_source(Cpu *c, const Insn *i, VecReg *m);
/* Writes a register's low n bytes, and zeros above. */
void vex_set_low(Cpu *c, unsigned reg, const void *p, unsigned n);

/* --- bodies, by form --- */
#include "hypervisor/soft/vex_list.h"
#define VEX_FORMS(F) F(load) F(store) F(movs_load) F(movs_store) F(movlp_load) F(movlp_store) \
    F(movhp_load) F(movhp_store) F(movd_load) F(movd_store) F(zero) F(mxcsr) F(maskmovdqu) \
    F(rm) F(rvm) F(rmi) F(rvmi) F(to_gpr) F(from_gpr) F(flags) F(cvtps2ph) F(shift) F(pinsr) \
    F(pextrw) F(pextr) F(insertps) F(is4) F(pcmpestrm) F(pcmpestri) F(pcmpistrm) F(pcmpistri) \
    F(broadcast) F(insert_lane) F(extract_lane) F(mask_load) F(mask_store) F(gather) F(fma) \
    F(andn) F(bls) F(bextr) F(bzhi) F(pext) F(pdep) F(mulx) F(shlx) F(sarx) F(shrx) F(rorx)
#define VEX_PROTOTYPE(form) void vex_##form(Cpu *c, const Insn *i);
VEX_FORMS(VEX_PROTOTYPE)
#undef VEX_PROTOTYPE

#endif
