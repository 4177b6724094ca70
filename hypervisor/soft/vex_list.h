/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vex_list.h - every VEX encoding: AVX, AVX2, FMA, F16C, BMI1, BMI2, VAES, VPCLMULQDQ.  Intel SDM
 * vol. 2 chapter 2.3 and the instructions' own pages.
 *
 * F(map, opcode, pp, W, L, form, stub, size, feature, flags) is expanded once for each row:
 *   pp      implied prefix: 0 none, 1 66, 2 F3, 3 F2
 *   W       w0, w1, wig (either; forms with general registers still look at it)
 *   L       l0, l1, lx (both), lig (either, but the operation is on 128 bits)
 *   form    the shape: the body is vex_FORM()
 *   stub    how the host is asked (STUB_* in vex_table.c), or none
 *   size    of a memory operand, VEX_SIZE_*: bytes, or a part of the vector
 *   feature VEX_*, what the host must have; INT is AVX with 128 bits, AVX2 with 256
 *   flags   VF_*, joined with |
 */
#ifndef GH_SOFT_VEX_LIST_H
#define GH_SOFT_VEX_LIST_H

#define VEX_LIST(F) \
    /* moves */ \
    F(0f, 10, 0, wig, lx, load, none, FULL, AVX, 0) \
    F(0f, 10, 1, wig, lx, load, none, FULL, AVX, 0) \
    F(0f, 10, 2, wig, lig, movs_load, none, 4, AVX, VVVV_REG) \
    F(0f, 10, 3, wig, lig, movs_load, none, 8, AVX, VVVV_REG) \
    F(0f, 11, 0, wig, lx, store, none, FULL, AVX, 0) \
    F(0f, 11, 1, wig, lx, store, none, FULL, AVX, 0) \
    F(0f, 11, 2, wig, lig, movs_store, none, 4, AVX, VVVV_REG) \
    F(0f, 11, 3, wig, lig, movs_store, none, 8, AVX, VVVV_REG) \
    F(0f, 12, 0, wig, l0, movlp_load, none, 8, AVX, VVVV) \
    F(0f, 12, 1, wig, l0, movlp_load, none, 8, AVX, VVVV | MEM) \
    F(0f, 12, 2, wig, lx, rm, plain, FULL, AVX, 0) F(0f, 12, 3, wig, lx, rm, plain, DUP, AVX, 0) \
    F(0f, 13, 0, wig, l0, movlp_store, none, 8, AVX, MEM) \
    F(0f, 13, 1, wig, l0, movlp_store, none, 8, AVX, MEM) \
    F(0f, 16, 0, wig, l0, movhp_load, none, 8, AVX, VVVV) \
    F(0f, 16, 1, wig, l0, movhp_load, none, 8, AVX, VVVV | MEM) \
    F(0f, 16, 2, wig, lx, rm, plain, FULL, AVX, 0) \
    F(0f, 17, 0, wig, l0, movhp_store, none, 8, AVX, MEM) \
    F(0f, 17, 1, wig, l0, movhp_store, none, 8, AVX, MEM) \
    F(0f, 28, 0, wig, lx, load, none, FULL, AVX, ALIGN) \
    F(0f, 29, 0, wig, lx, store, none, FULL, AVX, ALIGN) \
    F(0f, 2b, 0, wig, lx, store, none, FULL, AVX, ALIGN | MEM) \
    F(0f, 28, 1, wig, lx, load, none, FULL, AVX, ALIGN) \
    F(0f, 29, 1, wig, lx, store, none, FULL, AVX, ALIGN) \
    F(0f, 2b, 1, wig, lx, store, none, FULL, AVX, ALIGN | MEM) \
    F(0f, 6e, 1, wig, l0, movd_load, none, 4, AVX, 0) \
    F(0f, 7e, 1, wig, l0, movd_store, none, 4, AVX, 0) \
    F(0f, 6f, 1, wig, lx, load, none, FULL, AVX, ALIGN) \
    F(0f, 6f, 2, wig, lx, load, none, FULL, AVX, 0) \
    F(0f, 7f, 1, wig, lx, store, none, FULL, AVX, ALIGN) \
    F(0f, 7f, 2, wig, lx, store, none, FULL, AVX, 0) \
    F(0f, 7e, 2, wig, l0, load, none, 8, AVX, 0) F(0f, d6, 1, wig, l0, store, none, 8, AVX, 0) \
    F(0f, e7, 1, wig, lx, store, none, FULL, AVX, ALIGN | MEM) \
    F(0f, f0, 3, wig, lx, load, none, FULL, AVX, MEM) \
    F(0f38, 2a, 1, wig, lx, load, none, FULL, INT, ALIGN | MEM) \
    F(0f, 77, 0, wig, lx, zero, none, 0, AVX, NO_MODRM) \
    F(0f, ae, 0, wig, l0, mxcsr, none, 4, AVX, MEM) \
    F(0f, f7, 1, wig, l0, maskmovdqu, none, 16, AVX, REG) \
    /* floating point: arithmetic */ \
    F(0f, 58, 0, wig, lx, rvm, plain, FULL, AVX, VVVV | FP) \
    F(0f, 58, 1, wig, lx, rvm, plain, FULL, AVX, VVVV | FP) \
    F(0f, 58, 2, wig, lig, rvm, plain, 4, AVX, VVVV | FP) \
    F(0f, 58, 3, wig, lig, rvm, plain, 8, AVX, VVVV | FP) \
    F(0f, 59, 0, wig, lx, rvm, plain, FULL, AVX, VVVV | FP) \
    F(0f, 59, 1, wig, lx, rvm, plain, FULL, AVX, VVVV | FP) \
    F(0f, 59, 2, wig, lig, rvm, plain, 4, AVX, VVVV | FP) \
    F(0f, 59, 3, wig, lig, rvm, plain, 8, AVX, VVVV | FP) \
    F(0f, 5c, 0, wig, lx, rvm, plain, FULL, AVX, VVVV | FP) \
    F(0f, 5c, 1, wig, lx, rvm, plain, FULL, AVX, VVVV | FP) \
    F(0f, 5c, 2, wig, lig, rvm, plain, 4, AVX, VVVV | FP) \
    F(0f, 5c, 3, wig, lig, rvm, plain, 8, AVX, VVVV | FP) \
    F(0f, 5d, 0, wig, lx, rvm, plain, FULL, AVX, VVVV | FP) \
    F(0f, 5d, 1, wig, lx, rvm, plain, FULL, AVX, VVVV | FP) \
    F(0f, 5d, 2, wig, lig, rvm, plain, 4, AVX, VVVV | FP) \
    F(0f, 5d, 3, wig, lig, rvm, plain, 8, AVX, VVVV | FP) \
    F(0f, 5e, 0, wig, lx, rvm, plain, FULL, AVX, VVVV | FP) \
    F(0f, 5e, 1, wig, lx, rvm, plain, FULL, AVX, VVVV | FP) \
    F(0f, 5e, 2, wig, lig, rvm, plain, 4, AVX, VVVV | FP) \
    F(0f, 5e, 3, wig, lig, rvm, plain, 8, AVX, VVVV | FP) \
    F(0f, 5f, 0, wig, lx, rvm, plain, FULL, AVX, VVVV | FP) \
    F(0f, 5f, 1, wig, lx, rvm, plain, FULL, AVX, VVVV | FP) \
    F(0f, 5f, 2, wig, lig, rvm, plain, 4, AVX, VVVV | FP) \
    F(0f, 5f, 3, wig, lig, rvm, plain, 8, AVX, VVVV | FP) \
    F(0f, 51, 0, wig, lx, rm, plain, FULL, AVX, FP) \
    F(0f, 51, 1, wig, lx, rm, plain, FULL, AVX, FP) \
    F(0f, 51, 2, wig, lig, rvm, plain, 4, AVX, VVVV | FP) \
    F(0f, 51, 3, wig, lig, rvm, plain, 8, AVX, VVVV | FP) \
    F(0f, 52, 0, wig, lx, rm, plain, FULL, AVX, 0) \
    F(0f, 52, 2, wig, lig, rvm, plain, 4, AVX, VVVV) \
    F(0f, 53, 0, wig, lx, rm, plain, FULL, AVX, 0) \
    F(0f, 53, 2, wig, lig, rvm, plain, 4, AVX, VVVV) \
    F(0f, 7c, 1, wig, lx, rvm, plain, FULL, AVX, VVVV | FP) \
    F(0f, 7c, 3, wig, lx, rvm, plain, FULL, AVX, VVVV | FP) \
    F(0f, 7d, 1, wig, lx, rvm, plain, FULL, AVX, VVVV | FP) \
    F(0f, 7d, 3, wig, lx, rvm, plain, FULL, AVX, VVVV | FP) \
    F(0f, d0, 1, wig, lx, rvm, plain, FULL, AVX, VVVV | FP) \
    F(0f, d0, 3, wig, lx, rvm, plain, FULL, AVX, VVVV | FP) \
    F(0f, 14, 0, wig, lx, rvm, plain, FULL, AVX, VVVV) \
    F(0f, 15, 0, wig, lx, rvm, plain, FULL, AVX, VVVV) \
    F(0f, 54, 0, wig, lx, rvm, plain, FULL, AVX, VVVV) \
    F(0f, 55, 0, wig, lx, rvm, plain, FULL, AVX, VVVV) \
    F(0f, 56, 0, wig, lx, rvm, plain, FULL, AVX, VVVV) \
    F(0f, 57, 0, wig, lx, rvm, plain, FULL, AVX, VVVV) \
    F(0f, c6, 0, wig, lx, rvmi, imm, FULL, AVX, VVVV | IMM) \
    F(0f, c2, 0, wig, lx, rvmi, imm, FULL, AVX, VVVV | FP | IMM) \
    F(0f, 50, 0, wig, lx, to_gpr, plain, FULL, AVX, REG) \
    F(0f, 2e, 0, wig, lig, flags, flags, 4, AVX, FP) \
    F(0f, 2f, 0, wig, lig, flags, flags, 4, AVX, FP) \
    F(0f, 14, 1, wig, lx, rvm, plain, FULL, AVX, VVVV) \
    F(0f, 15, 1, wig, lx, rvm, plain, FULL, AVX, VVVV) \
    F(0f, 54, 1, wig, lx, rvm, plain, FULL, AVX, VVVV) \
    F(0f, 55, 1, wig, lx, rvm, plain, FULL, AVX, VVVV) \
    F(0f, 56, 1, wig, lx, rvm, plain, FULL, AVX, VVVV) \
    F(0f, 57, 1, wig, lx, rvm, plain, FULL, AVX, VVVV) \
    F(0f, c6, 1, wig, lx, rvmi, imm, FULL, AVX, VVVV | IMM) \
    F(0f, c2, 1, wig, lx, rvmi, imm, FULL, AVX, VVVV | FP | IMM) \
    F(0f, 50, 1, wig, lx, to_gpr, plain, FULL, AVX, REG) \
    F(0f, 2e, 1, wig, lig, flags, flags, 8, AVX, FP) \
    F(0f, 2f, 1, wig, lig, flags, flags, 8, AVX, FP) \
    F(0f, c2, 2, wig, lig, rvmi, imm, 4, AVX, VVVV | FP | IMM) \
    F(0f, c2, 3, wig, lig, rvmi, imm, 8, AVX, VVVV | FP | IMM) \
    F(0f3a, 08, 1, wig, lx, rmi, imm, FULL, AVX, FP | IMM) \
    F(0f3a, 09, 1, wig, lx, rmi, imm, FULL, AVX, FP | IMM) \
    F(0f3a, 0a, 1, wig, lig, rvmi, imm, 4, AVX, VVVV | FP | IMM) \
    F(0f3a, 0b, 1, wig, lig, rvmi, imm, 8, AVX, VVVV | FP | IMM) \
    F(0f3a, 40, 1, wig, lx, rvmi, imm, FULL, AVX, VVVV | FP | IMM) \
    F(0f3a, 41, 1, wig, l0, rvmi, imm, FULL, AVX, VVVV | FP | IMM) \
    /* floating point: conversions */ \
    F(0f, 5a, 0, wig, lx, rm, plain, HALF, AVX, FP) \
    F(0f, 5a, 1, wig, lx, rm, plain, FULL, AVX, FP) \
    F(0f, 5a, 2, wig, lig, rvm, plain, 4, AVX, VVVV | FP) \
    F(0f, 5a, 3, wig, lig, rvm, plain, 8, AVX, VVVV | FP) \
    F(0f, 5b, 0, wig, lx, rm, plain, FULL, AVX, FP) \
    F(0f, 5b, 1, wig, lx, rm, plain, FULL, AVX, FP) \
    F(0f, 5b, 2, wig, lx, rm, plain, FULL, AVX, FP) \
    F(0f, e6, 1, wig, lx, rm, plain, FULL, AVX, FP) \
    F(0f, e6, 2, wig, lx, rm, plain, HALF, AVX, FP) \
    F(0f, e6, 3, wig, lx, rm, plain, FULL, AVX, FP) \
    F(0f, 2a, 2, w0, lig, from_gpr, gpr, 0, AVX, VVVV | FP | W64) \
    F(0f, 2c, 2, w0, lig, to_gpr, plain, 4, AVX, FP | W64) \
    F(0f, 2d, 2, w0, lig, to_gpr, plain, 4, AVX, FP | W64) \
    F(0f, 2a, 2, w1, lig, from_gpr, gpr, 0, AVX, VVVV | FP | W64) \
    F(0f, 2c, 2, w1, lig, to_gpr, plain, 4, AVX, FP | W64) \
    F(0f, 2d, 2, w1, lig, to_gpr, plain, 4, AVX, FP | W64) \
    F(0f, 2a, 3, w0, lig, from_gpr, gpr, 0, AVX, VVVV | FP | W64) \
    F(0f, 2c, 3, w0, lig, to_gpr, plain, 8, AVX, FP | W64) \
    F(0f, 2d, 3, w0, lig, to_gpr, plain, 8, AVX, FP | W64) \
    F(0f, 2a, 3, w1, lig, from_gpr, gpr, 0, AVX, VVVV | FP | W64) \
    F(0f, 2c, 3, w1, lig, to_gpr, plain, 8, AVX, FP | W64) \
    F(0f, 2d, 3, w1, lig, to_gpr, plain, 8, AVX, FP | W64) \
    F(0f38, 13, 1, w0, lx, rm, plain, HALF, F16C, FP) \
    F(0f3a, 1d, 1, w0, lx, cvtps2ph, imm_rm, HALF, F16C, FP | IMM) \
    /* integers */ \
    F(0f, 60, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, 61, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, 62, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, 63, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, 64, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, 65, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, 66, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, 67, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, 68, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, 69, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, 6a, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, 6b, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, 6c, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, 6d, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, 74, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, 75, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, 76, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, d4, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, d5, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, d8, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, d9, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, da, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, db, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, dc, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, dd, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, de, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, df, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, e0, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, e3, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, e4, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, e5, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, e8, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, e9, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, ea, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, eb, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, ec, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, ed, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, ee, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, ef, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, f4, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, f5, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, f6, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, f8, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, f9, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, fa, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, fb, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, fc, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, fd, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, fe, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f, d1, 1, wig, lx, rvm, plain, 16, INT, VVVV) \
    F(0f, d2, 1, wig, lx, rvm, plain, 16, INT, VVVV) \
    F(0f, d3, 1, wig, lx, rvm, plain, 16, INT, VVVV) \
    F(0f, e1, 1, wig, lx, rvm, plain, 16, INT, VVVV) \
    F(0f, e2, 1, wig, lx, rvm, plain, 16, INT, VVVV) \
    F(0f, f1, 1, wig, lx, rvm, plain, 16, INT, VVVV) \
    F(0f, f2, 1, wig, lx, rvm, plain, 16, INT, VVVV) \
    F(0f, f3, 1, wig, lx, rvm, plain, 16, INT, VVVV) \
    F(0f38, 00, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f38, 01, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f38, 02, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f38, 03, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f38, 04, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f38, 05, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f38, 06, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f38, 07, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f38, 08, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f38, 09, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f38, 0a, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f38, 0b, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f38, 28, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f38, 29, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f38, 2b, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f38, 37, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f38, 38, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f38, 39, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f38, 3a, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f38, 3b, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f38, 3c, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f38, 3d, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f38, 3e, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f38, 3f, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f38, 40, 1, wig, lx, rvm, plain, FULL, INT, VVVV) \
    F(0f38, 1c, 1, wig, lx, rm, plain, FULL, INT, 0) \
    F(0f38, 1d, 1, wig, lx, rm, plain, FULL, INT, 0) \
    F(0f38, 1e, 1, wig, lx, rm, plain, FULL, INT, 0) \
    F(0f38, 41, 1, wig, l0, rm, plain, FULL, AVX, 0) \
    F(0f38, 20, 1, wig, lx, rm, plain, HALF, INT, 0) \
    F(0f38, 23, 1, wig, lx, rm, plain, HALF, INT, 0) \
    F(0f38, 25, 1, wig, lx, rm, plain, HALF, INT, 0) \
    F(0f38, 30, 1, wig, lx, rm, plain, HALF, INT, 0) \
    F(0f38, 33, 1, wig, lx, rm, plain, HALF, INT, 0) \
    F(0f38, 35, 1, wig, lx, rm, plain, HALF, INT, 0) \
    F(0f38, 21, 1, wig, lx, rm, plain, QUARTER, INT, 0) \
    F(0f38, 24, 1, wig, lx, rm, plain, QUARTER, INT, 0) \
    F(0f38, 31, 1, wig, lx, rm, plain, QUARTER, INT, 0) \
    F(0f38, 34, 1, wig, lx, rm, plain, QUARTER, INT, 0) \
    F(0f38, 22, 1, wig, lx, rm, plain, EIGHTH, INT, 0) \
    F(0f38, 32, 1, wig, lx, rm, plain, EIGHTH, INT, 0) \
    F(0f, 71, 1, wig, lx, shift, none, 0, INT, VVVV | REG | IMM) \
    F(0f, 72, 1, wig, lx, shift, none, 0, INT, VVVV | REG | IMM) \
    F(0f, 73, 1, wig, lx, shift, none, 0, INT, VVVV | REG | IMM) \
    F(0f, 70, 1, wig, lx, rmi, imm, FULL, INT, IMM) \
    F(0f, 70, 2, wig, lx, rmi, imm, FULL, INT, IMM) \
    F(0f, 70, 3, wig, lx, rmi, imm, FULL, INT, IMM) \
    F(0f, d7, 1, wig, lx, to_gpr, plain, FULL, INT, REG) \
    F(0f, c4, 1, wig, l0, pinsr, none, 2, AVX, VVVV | IMM) \
    F(0f, c5, 1, wig, l0, pextrw, none, 2, AVX, REG | IMM) \
    F(0f3a, 14, 1, wig, l0, pextr, none, 1, AVX, IMM) \
    F(0f3a, 15, 1, wig, l0, pextr, none, 2, AVX, IMM) \
    F(0f3a, 16, 1, wig, l0, pextr, none, 0, AVX, IMM) \
    F(0f3a, 17, 1, wig, l0, pextr, none, 4, AVX, IMM) \
    F(0f3a, 20, 1, wig, l0, pinsr, none, 1, AVX, VVVV | IMM) \
    F(0f3a, 22, 1, wig, l0, pinsr, none, 0, AVX, VVVV | IMM) \
    F(0f3a, 21, 1, wig, l0, insertps, imm, 4, AVX, VVVV | IMM) \
    F(0f3a, 0e, 1, wig, lx, rvmi, imm, FULL, INT, VVVV | IMM) \
    F(0f3a, 0f, 1, wig, lx, rvmi, imm, FULL, INT, VVVV | IMM) \
    F(0f3a, 42, 1, wig, lx, rvmi, imm, FULL, INT, VVVV | IMM) \
    F(0f3a, 0c, 1, wig, lx, rvmi, imm, FULL, AVX, VVVV | IMM) \
    F(0f3a, 0d, 1, wig, lx, rvmi, imm, FULL, AVX, VVVV | IMM) \
    F(0f3a, 4a, 1, w0, lx, is4, is4, FULL, AVX, IS4 | VVVV) \
    F(0f3a, 4b, 1, w0, lx, is4, is4, FULL, AVX, IS4 | VVVV) \
    F(0f3a, 4c, 1, w0, lx, is4, is4, FULL, INT, IS4 | VVVV) \
    F(0f38, 17, 1, wig, lx, flags, flags, FULL, AVX, 0) \
    F(0f38, 0e, 1, w0, lx, flags, flags, FULL, AVX, 0) \
    F(0f38, 0f, 1, w0, lx, flags, flags, FULL, AVX, 0) \
    F(0f3a, 60, 1, wig, l0, pcmpestrm, none, 16, AVX, IMM) \
    F(0f3a, 61, 1, wig, l0, pcmpestri, none, 16, AVX, IMM) \
    F(0f3a, 62, 1, wig, l0, pcmpistrm, none, 16, AVX, IMM) \
    F(0f3a, 63, 1, wig, l0, pcmpistri, none, 16, AVX, IMM) \
    F(0f38, db, 1, wig, l0, rm, plain, FULL, AES, 0) \
    F(0f38, dc, 1, wig, lx, rvm, plain, FULL, AES, VVVV) \
    F(0f38, dd, 1, wig, lx, rvm, plain, FULL, AES, VVVV) \
    F(0f38, de, 1, wig, lx, rvm, plain, FULL, AES, VVVV) \
    F(0f38, df, 1, wig, lx, rvm, plain, FULL, AES, VVVV) \
    F(0f3a, df, 1, wig, l0, rmi, imm, FULL, AES, IMM) \
    F(0f3a, 44, 1, wig, lx, rvmi, imm, FULL, CLMUL, VVVV | IMM) \
    /* permutations, broadcasts, lanes */ \
    F(0f38, 0c, 1, w0, lx, rvm, plain, FULL, AVX, VVVV) \
    F(0f38, 0d, 1, w0, lx, rvm, plain, FULL, AVX, VVVV) \
    F(0f3a, 04, 1, w0, lx, rmi, imm, FULL, AVX, IMM) \
    F(0f3a, 05, 1, w0, lx, rmi, imm, FULL, AVX, IMM) \
    F(0f38, 16, 1, w0, l1, rvm, plain, FULL, AVX2, VVVV) \
    F(0f38, 36, 1, w0, l1, rvm, plain, FULL, AVX2, VVVV) \
    F(0f3a, 00, 1, w1, l1, rmi, imm, FULL, AVX2, IMM) \
    F(0f3a, 01, 1, w1, l1, rmi, imm, FULL, AVX2, IMM) \
    F(0f3a, 06, 1, w0, l1, rvmi, imm, FULL, AVX, VVVV | IMM) \
    F(0f3a, 46, 1, w0, l1, rvmi, imm, FULL, AVX2, VVVV | IMM) \
    F(0f3a, 02, 1, w0, lx, rvmi, imm, FULL, AVX2, VVVV | IMM) \
    F(0f38, 18, 1, w0, lx, broadcast, none, 4, BCAST, 0) \
    F(0f38, 19, 1, w0, l1, broadcast, none, 8, BCAST, 0) \
    F(0f38, 1a, 1, w0, l1, broadcast, none, 16, AVX, MEM) \
    F(0f38, 5a, 1, w0, l1, broadcast, none, 16, AVX2, MEM) \
    F(0f38, 58, 1, w0, lx, broadcast, none, 4, AVX2, 0) \
    F(0f38, 59, 1, w0, lx, broadcast, none, 8, AVX2, 0) \
    F(0f38, 78, 1, w0, lx, broadcast, none, 1, AVX2, 0) \
    F(0f38, 79, 1, w0, lx, broadcast, none, 2, AVX2, 0) \
    F(0f3a, 18, 1, w0, l1, insert_lane, none, 16, AVX, VVVV | IMM) \
    F(0f3a, 38, 1, w0, l1, insert_lane, none, 16, AVX2, VVVV | IMM) \
    F(0f3a, 19, 1, w0, l1, extract_lane, none, 16, AVX, IMM) \
    F(0f3a, 39, 1, w0, l1, extract_lane, none, 16, AVX2, IMM) \
    F(0f38, 45, 1, w0, lx, rvm, plain, FULL, AVX2, VVVV) \
    F(0f38, 47, 1, w0, lx, rvm, plain, FULL, AVX2, VVVV) \
    F(0f38, 45, 1, w1, lx, rvm, plain, FULL, AVX2, VVVV) \
    F(0f38, 47, 1, w1, lx, rvm, plain, FULL, AVX2, VVVV) \
    F(0f38, 46, 1, w0, lx, rvm, plain, FULL, AVX2, VVVV) \
    /* memory by mask, gathers */ \
    F(0f38, 2c, 1, w0, lx, mask_load, none, 4, AVX, VVVV | MEM) \
    F(0f38, 2d, 1, w0, lx, mask_load, none, 8, AVX, VVVV | MEM) \
    F(0f38, 2e, 1, w0, lx, mask_store, none, 4, AVX, VVVV | MEM) \
    F(0f38, 2f, 1, w0, lx, mask_store, none, 8, AVX, VVVV | MEM) \
    F(0f38, 8c, 1, w0, lx, mask_load, none, 4, AVX2, VVVV | MEM) \
    F(0f38, 8e, 1, w0, lx, mask_store, none, 4, AVX2, VVVV | MEM) \
    F(0f38, 90, 1, w0, lx, gather, none, 4, AVX2, VVVV | MEM | VSIB) \
    F(0f38, 91, 1, w0, lx, gather, none, 4, AVX2, VVVV | MEM | VSIB) \
    F(0f38, 92, 1, w0, lx, gather, none, 4, AVX2, VVVV | MEM | VSIB) \
    F(0f38, 93, 1, w0, lx, gather, none, 4, AVX2, VVVV | MEM | VSIB) \
    F(0f38, 8c, 1, w1, lx, mask_load, none, 8, AVX2, VVVV | MEM) \
    F(0f38, 8e, 1, w1, lx, mask_store, none, 8, AVX2, VVVV | MEM) \
    F(0f38, 90, 1, w1, lx, gather, none, 8, AVX2, VVVV | MEM | VSIB) \
    F(0f38, 91, 1, w1, lx, gather, none, 8, AVX2, VVVV | MEM | VSIB) \
    F(0f38, 92, 1, w1, lx, gather, none, 8, AVX2, VVVV | MEM | VSIB) \
    F(0f38, 93, 1, w1, lx, gather, none, 8, AVX2, VVVV | MEM | VSIB) \
    /* fused multiply and add */ \
    F(0f38, 96, 1, w0, lx, fma, fma, FULL, FMA, VVVV | FP) \
    F(0f38, 97, 1, w0, lx, fma, fma, FULL, FMA, VVVV | FP) \
    F(0f38, 98, 1, w0, lx, fma, fma, FULL, FMA, VVVV | FP) \
    F(0f38, 9a, 1, w0, lx, fma, fma, FULL, FMA, VVVV | FP) \
    F(0f38, 9c, 1, w0, lx, fma, fma, FULL, FMA, VVVV | FP) \
    F(0f38, 9e, 1, w0, lx, fma, fma, FULL, FMA, VVVV | FP) \
    F(0f38, 99, 1, w0, lig, fma, fma, 4, FMA, VVVV | FP) \
    F(0f38, 9b, 1, w0, lig, fma, fma, 4, FMA, VVVV | FP) \
    F(0f38, 9d, 1, w0, lig, fma, fma, 4, FMA, VVVV | FP) \
    F(0f38, 9f, 1, w0, lig, fma, fma, 4, FMA, VVVV | FP) \
    F(0f38, 96, 1, w1, lx, fma, fma, FULL, FMA, VVVV | FP) \
    F(0f38, 97, 1, w1, lx, fma, fma, FULL, FMA, VVVV | FP) \
    F(0f38, 98, 1, w1, lx, fma, fma, FULL, FMA, VVVV | FP) \
    F(0f38, 9a, 1, w1, lx, fma, fma, FULL, FMA, VVVV | FP) \
    F(0f38, 9c, 1, w1, lx, fma, fma, FULL, FMA, VVVV | FP) \
    F(0f38, 9e, 1, w1, lx, fma, fma, FULL, FMA, VVVV | FP) \
    F(0f38, 99, 1, w1, lig, fma, fma, 8, FMA, VVVV | FP) \
    F(0f38, 9b, 1, w1, lig, fma, fma, 8, FMA, VVVV | FP) \
    F(0f38, 9d, 1, w1, lig, fma, fma, 8, FMA, VVVV | FP) \
    F(0f38, 9f, 1, w1, lig, fma, fma, 8, FMA, VVVV | FP) \
    F(0f38, a6, 1, w0, lx, fma, fma, FULL, FMA, VVVV | FP) \
    F(0f38, a7, 1, w0, lx, fma, fma, FULL, FMA, VVVV | FP) \
    F(0f38, a8, 1, w0, lx, fma, fma, FULL, FMA, VVVV | FP) \
    F(0f38, aa, 1, w0, lx, fma, fma, FULL, FMA, VVVV | FP) \
    F(0f38, ac, 1, w0, lx, fma, fma, FULL, FMA, VVVV | FP) \
    F(0f38, ae, 1, w0, lx, fma, fma, FULL, FMA, VVVV | FP) \
    F(0f38, a9, 1, w0, lig, fma, fma, 4, FMA, VVVV | FP) \
    F(0f38, ab, 1, w0, lig, fma, fma, 4, FMA, VVVV | FP) \
    F(0f38, ad, 1, w0, lig, fma, fma, 4, FMA, VVVV | FP) \
    F(0f38, af, 1, w0, lig, fma, fma, 4, FMA, VVVV | FP) \
    F(0f38, a6, 1, w1, lx, fma, fma, FULL, FMA, VVVV | FP) \
    F(0f38, a7, 1, w1, lx, fma, fma, FULL, FMA, VVVV | FP) \
    F(0f38, a8, 1, w1, lx, fma, fma, FULL, FMA, VVVV | FP) \
    F(0f38, aa, 1, w1, lx, fma, fma, FULL, FMA, VVVV | FP) \
    F(0f38, ac, 1, w1, lx, fma, fma, FULL, FMA, VVVV | FP) \
    F(0f38, ae, 1, w1, lx, fma, fma, FULL, FMA, VVVV | FP) \
    F(0f38, a9, 1, w1, lig, fma, fma, 8, FMA, VVVV | FP) \
    F(0f38, ab, 1, w1, lig, fma, fma, 8, FMA, VVVV | FP) \
    F(0f38, ad, 1, w1, lig, fma, fma, 8, FMA, VVVV | FP) \
    F(0f38, af, 1, w1, lig, fma, fma, 8, FMA, VVVV | FP) \
    F(0f38, b6, 1, w0, lx, fma, fma, FULL, FMA, VVVV | FP) \
    F(0f38, b7, 1, w0, lx, fma, fma, FULL, FMA, VVVV | FP) \
    F(0f38, b8, 1, w0, lx, fma, fma, FULL, FMA, VVVV | FP) \
    F(0f38, ba, 1, w0, lx, fma, fma, FULL, FMA, VVVV | FP) \
    F(0f38, bc, 1, w0, lx, fma, fma, FULL, FMA, VVVV | FP) \
    F(0f38, be, 1, w0, lx, fma, fma, FULL, FMA, VVVV | FP) \
    F(0f38, b9, 1, w0, lig, fma, fma, 4, FMA, VVVV | FP) \
    F(0f38, bb, 1, w0, lig, fma, fma, 4, FMA, VVVV | FP) \
    F(0f38, bd, 1, w0, lig, fma, fma, 4, FMA, VVVV | FP) \
    F(0f38, bf, 1, w0, lig, fma, fma, 4, FMA, VVVV | FP) \
    F(0f38, b6, 1, w1, lx, fma, fma, FULL, FMA, VVVV | FP) \
    F(0f38, b7, 1, w1, lx, fma, fma, FULL, FMA, VVVV | FP) \
    F(0f38, b8, 1, w1, lx, fma, fma, FULL, FMA, VVVV | FP) \
    F(0f38, ba, 1, w1, lx, fma, fma, FULL, FMA, VVVV | FP) \
    F(0f38, bc, 1, w1, lx, fma, fma, FULL, FMA, VVVV | FP) \
    F(0f38, be, 1, w1, lx, fma, fma, FULL, FMA, VVVV | FP) \
    F(0f38, b9, 1, w1, lig, fma, fma, 8, FMA, VVVV | FP) \
    F(0f38, bb, 1, w1, lig, fma, fma, 8, FMA, VVVV | FP) \
    F(0f38, bd, 1, w1, lig, fma, fma, 8, FMA, VVVV | FP) \
    F(0f38, bf, 1, w1, lig, fma, fma, 8, FMA, VVVV | FP) \
    /* general registers */ \
    F(0f38, f2, 0, wig, l0, andn, none, 0, BMI1, VVVV | GPR) \
    F(0f38, f3, 0, wig, l0, bls, none, 0, BMI1, VVVV | GPR) \
    F(0f38, f7, 0, wig, l0, bextr, none, 0, BMI1, VVVV | GPR) \
    F(0f38, f5, 0, wig, l0, bzhi, none, 0, BMI2, VVVV | GPR) \
    F(0f38, f5, 2, wig, l0, pext, none, 0, BMI2, VVVV | GPR) \
    F(0f38, f5, 3, wig, l0, pdep, none, 0, BMI2, VVVV | GPR) \
    F(0f38, f6, 3, wig, l0, mulx, none, 0, BMI2, VVVV | GPR) \
    F(0f38, f7, 1, wig, l0, shlx, none, 0, BMI2, VVVV | GPR) \
    F(0f38, f7, 2, wig, l0, sarx, none, 0, BMI2, VVVV | GPR) \
    F(0f38, f7, 3, wig, l0, shrx, none, 0, BMI2, VVVV | GPR) \
    F(0f3a, f0, 3, wig, l0, rorx, none, 0, BMI2, GPR | IMM)

#endif
