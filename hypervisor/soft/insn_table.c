/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * insn_table.c - what each encoding means: its operands, body, and where it is allowed.
 *
 * Intel SDM volume 2, appendix A, for the one-byte and 0F maps.  MMX and SSE have tables of their
 * own (sse_table.c), the x87 a function (fpu_body()); rows of this table win over those.
 */
#include "hypervisor/soft/ops.h"

#define M IF_MODRM
#define F(name, fl, im) {.fn = op_##name, .flags = (fl), .imm = (im)}
#define S(name, fl, im) {.sized = ops_##name, .flags = (fl), .imm = (im)}
#define G(rows, fl, im) {.group = (rows), .flags = (fl), .imm = (im)}
#define A(name, fl, ax) {.fn = op_##name, .flags = (fl), .aux = (ax)}

/* --- groups, by ModRM.reg --- */
static const InsnDesc group_1[8] = {
    S(add_ei, IF_LOCK, 0), S(or_ei, IF_LOCK, 0), S(adc_ei, IF_LOCK, 0), S(sbb_ei, IF_LOCK, 0),
    S(and_ei, IF_LOCK, 0), S(sub_ei, IF_LOCK, 0), S(xor_ei, IF_LOCK, 0), S(cmp_ei, 0, 0),
};
static const InsnDesc group_1_no64[8] = {
    S(add_ei, IF_NO64 | IF_LOCK, 0), S(or_ei, IF_NO64 | IF_LOCK, 0),
    S(adc_ei, IF_NO64 | IF_LOCK, 0), S(sbb_ei, IF_NO64 | IF_LOCK, 0),
    S(and_ei, IF_NO64 | IF_LOCK, 0), S(sub_ei, IF_NO64 | IF_LOCK, 0),
    S(xor_ei, IF_NO64 | IF_LOCK, 0), S(cmp_ei, IF_NO64, 0),
};
static const InsnDesc group_1a[8] = { S(pop_e, IF_D64, 0) };
static const InsnDesc group_2_imm[8] = {
    S(rol_ei, 0, 0), S(ror_ei, 0, 0), S(rcl_ei, 0, 0), S(rcr_ei, 0, 0),
    S(shl_ei, 0, 0), S(shr_ei, 0, 0), S(shl_ei, 0, 0), S(sar_ei, 0, 0),
};
static const InsnDesc group_2_one[8] = {
    S(rol_e1, 0, 0), S(ror_e1, 0, 0), S(rcl_e1, 0, 0), S(rcr_e1, 0, 0),
    S(shl_e1, 0, 0), S(shr_e1, 0, 0), S(shl_e1, 0, 0), S(sar_e1, 0, 0),
};
static const InsnDesc group_2_cl[8] = {
    S(rol_ec, 0, 0), S(ror_ec, 0, 0), S(rcl_ec, 0, 0), S(rcr_ec, 0, 0),
    S(shl_ec, 0, 0), S(shr_ec, 0, 0), S(shl_ec, 0, 0), S(sar_ec, 0, 0),
};
static const InsnDesc group_3b[8] = {
    S(test_ei, 0, IMM_8), S(test_ei, 0, IMM_8), S(not_e, IF_LOCK, 0), S(neg_e, IF_LOCK, 0),
    S(mul, 0, 0), S(imul1, 0, 0), S(div, 0, 0), S(idiv, 0, 0),
};
static const InsnDesc group_3v[8] = {
    S(test_ei, 0, IMM_V), S(test_ei, 0, IMM_V), S(not_e, IF_LOCK, 0), S(neg_e, IF_LOCK, 0),
    S(mul, 0, 0), S(imul1, 0, 0), S(div, 0, 0), S(idiv, 0, 0),
};
static const InsnDesc group_4[8] = { S(inc_e, IF_LOCK, 0), S(dec_e, IF_LOCK, 0) };
static const InsnDesc group_5[8] = {
    S(inc_e, IF_LOCK, 0), S(dec_e, IF_LOCK, 0), S(call_e, IF_F64 | IF_END, 0),
    F(call_far_mem, IF_MEM | IF_END, 0), S(jmp_e, IF_F64 | IF_END, 0),
    F(jmp_far_mem, IF_MEM | IF_END, 0), S(push_e, IF_D64, 0),
};
static const InsnDesc group_6[8] = {
    F(sldt, IF_PROT, 0), F(str, IF_PROT, 0), F(lldt, IF_PROT | IF_END, 0),
    F(ltr, IF_PROT | IF_END, 0), F(verr, IF_PROT, 0), F(verw, IF_PROT, 0),
};
static const InsnDesc group_7_mem[8] = {
    F(sgdt, 0, 0), F(sidt, 0, 0), F(lgdt, IF_END, 0), F(lidt, IF_END, 0),
    F(smsw, 0, 0), {0}, F(lmsw, IF_END, 0), F(invlpg, IF_END, 0),
};
static const InsnDesc group_8[8] = {
    {0}, {0}, {0}, {0},
    S(bt_i, 0, IMM_U8), S(bts_i, IF_LOCK, IMM_U8), S(btr_i, IF_LOCK, IMM_U8),
    S(btc_i, IF_LOCK, IMM_U8),
};
static const InsnDesc group_9[8] = { {0}, F(cmpxchg8b, IF_MEM | IF_LOCK, 0), {0}, {0},
                                      F(xsavec, IF_MEM, 0) };
static const InsnDesc group_11b[8] = { S(mov_ei, 0, IMM_8) };
static const InsnDesc group_11v[8] = { S(mov_ei, 0, IMM_V) };
static const InsnDesc group_15_mem[8] = {
    F(fxsave, 0, 0), F(fxrstor, 0, 0), F(ldmxcsr, 0, 0), F(stmxcsr, 0, 0),
    F(xsave, 0, 0), F(xrstor, 0, 0), F(xsaveopt, 0, 0), F(clflush, 0, 0),
};
static const InsnDesc group_15_reg[8] = {
    {0}, {0}, {0}, {0}, {0}, F(fence, 0, 0), F(fence, 0, 0), F(fence, 0, 0),
};
static const InsnDesc group_15_f3[8] = {
    F(rdfsbase, IF_ONLY64, 0), F(rdgsbase, IF_ONLY64, 0), F(wrfsbase, IF_ONLY64 | IF_END, 0),
    F(wrgsbase, IF_ONLY64 | IF_END, 0),
};

#define ALU_ROWS(at, name, lock) \
    [(at) + 0] = S(name##_eg, M | IF_BYTE | (lock), 0), [(at) + 1] = S(name##_eg, M | (lock), 0), \
    [(at) + 2] = S(name##_ge, M | IF_BYTE, 0), [(at) + 3] = S(name##_ge, M, 0), \
    [(at) + 4] = S(name##_ei, IF_BYTE | IF_ACC, IMM_8), [(at) + 5] = S(name##_ei, IF_ACC, IMM_V)

#define EIGHT(at, row) \
    [(at) + 0] = row, [(at) + 1] = row, [(at) + 2] = row, [(at) + 3] = row, \
    [(at) + 4] = row, [(at) + 5] = row, [(at) + 6] = row, [(at) + 7] = row

#define FPU {.flags = M | IF_FPU}
#define SREG_PUSH(n, fl) {.fn = op_push_sreg, .flags = IF_D64 | (fl), .aux = (n)}
#define SREG_POP(n, fl) {.fn = op_pop_sreg, .flags = IF_D64 | IF_END | (fl), .aux = (n)}
#define CMOV_ROW(n) {.sized = ops_cmov[n], .flags = M}
#define SETCC_ROW(n) {.sized = ops_setcc[n], .flags = M | IF_BYTE}
#define JCC(n, im) F(jcc##n, IF_F64 | IF_BRANCH, im)
#define SIXTEEN(at, ROW, ...) \
    [(at) + 0] = ROW(0, ##__VA_ARGS__), [(at) + 1] = ROW(1, ##__VA_ARGS__), \
    [(at) + 2] = ROW(2, ##__VA_ARGS__), [(at) + 3] = ROW(3, ##__VA_ARGS__), \
    [(at) + 4] = ROW(4, ##__VA_ARGS__), [(at) + 5] = ROW(5, ##__VA_ARGS__), \
    [(at) + 6] = ROW(6, ##__VA_ARGS__), [(at) + 7] = ROW(7, ##__VA_ARGS__), \
    [(at) + 8] = ROW(8, ##__VA_ARGS__), [(at) + 9] = ROW(9, ##__VA_ARGS__), \
    [(at) + 10] = ROW(10, ##__VA_ARGS__), [(at) + 11] = ROW(11, ##__VA_ARGS__), \
    [(at) + 12] = ROW(12, ##__VA_ARGS__), [(at) + 13] = ROW(13, ##__VA_ARGS__), \
    [(at) + 14] = ROW(14, ##__VA_ARGS__), [(at) + 15] = ROW(15, ##__VA_ARGS__)

const InsnDesc insn_map_1byte[256] = {
    ALU_ROWS(0x00, add, IF_LOCK), ALU_ROWS(0x08, or, IF_LOCK), ALU_ROWS(0x10, adc, IF_LOCK),
    ALU_ROWS(0x18, sbb, IF_LOCK), ALU_ROWS(0x20, and, IF_LOCK), ALU_ROWS(0x28, sub, IF_LOCK),
    ALU_ROWS(0x30, xor, IF_LOCK), ALU_ROWS(0x38, cmp, 0),
    [0x06] = SREG_PUSH(SEG_ES, IF_NO64), [0x07] = SREG_POP(SEG_ES, IF_NO64),
    [0x0e] = SREG_PUSH(SEG_CS, IF_NO64),
    [0x16] = SREG_PUSH(SEG_SS, IF_NO64), [0x17] = SREG_POP(SEG_SS, IF_NO64),
    [0x1e] = SREG_PUSH(SEG_DS, IF_NO64), [0x1f] = SREG_POP(SEG_DS, IF_NO64),
    [0x27] = F(daa, IF_NO64, 0), [0x2f] = F(das, IF_NO64, 0),
    [0x37] = F(aaa, IF_NO64, 0), [0x3f] = F(aas, IF_NO64, 0),
    EIGHT(0x40, S(inc_e, IF_OPREG | IF_NO64, 0)), EIGHT(0x48, S(dec_e, IF_OPREG | IF_NO64, 0)),
    EIGHT(0x50, S(push_e, IF_OPREG | IF_D64, 0)), EIGHT(0x58, S(pop_e, IF_OPREG | IF_D64, 0)),
    [0x60] = S(pusha, IF_NO64, 0), [0x61] = S(popa, IF_NO64, 0),
    [0x62] = F(bound, M | IF_NO64 | IF_MEM, 0),
    [0x63] = F(arpl, M | IF_PROT | IF_NO64, 0),
    [0x68] = S(push_i, IF_D64, IMM_V), [0x69] = S(imul3, M, IMM_V),
    [0x6a] = S(push_i, IF_D64, IMM_8), [0x6b] = S(imul3, M, IMM_8),
    [0x6c] = F(ins, IF_BYTE | IF_END, 0), [0x6d] = F(ins, IF_END | IF_MAX32, 0),
    [0x6e] = F(outs, IF_BYTE | IF_END, 0), [0x6f] = F(outs, IF_END | IF_MAX32, 0),
    SIXTEEN(0x70, JCC, IMM_REL8),
    [0x80] = G(group_1, M | IF_BYTE, IMM_8), [0x81] = G(group_1, M, IMM_V),
    [0x82] = G(group_1_no64, M | IF_BYTE, IMM_8), [0x83] = G(group_1, M, IMM_8),
    [0x84] = S(test_eg, M | IF_BYTE, 0), [0x85] = S(test_eg, M, 0),
    [0x86] = S(xchg, M | IF_BYTE | IF_LOCK, 0), [0x87] = S(xchg, M | IF_LOCK, 0),
    [0x88] = S(mov_eg, M | IF_BYTE, 0), [0x89] = S(mov_eg, M, 0),
    [0x8a] = S(mov_ge, M | IF_BYTE, 0), [0x8b] = S(mov_ge, M, 0),
    [0x8c] = F(mov_e_sreg, M | IF_SREG, 0), [0x8d] = S(lea, M | IF_MEM, 0),
    [0x8e] = F(mov_sreg_e, M | IF_SREG | IF_END, 0), [0x8f] = G(group_1a, M, 0),
    EIGHT(0x90, S(xchg, IF_OPREG | IF_ACC, 0)),
    [0x98] = S(cbw, 0, 0), [0x99] = S(cwd, 0, 0),
    [0x9a] = F(call_far_imm, IF_NO64 | IF_END, IMM_FAR), [0x9b] = F(fwait, 0, 0),
    [0x9c] = F(pushf, IF_D64, 0), [0x9d] = F(popf, IF_D64 | IF_END, 0),
    [0x9e] = F(sahf, 0, 0), [0x9f] = F(lahf, 0, 0),
    [0xa0] = S(mov_a_moffs, IF_BYTE, IMM_MOFFS), [0xa1] = S(mov_a_moffs, 0, IMM_MOFFS),
    [0xa2] = S(mov_moffs_a, IF_BYTE, IMM_MOFFS), [0xa3] = S(mov_moffs_a, 0, IMM_MOFFS),
    [0xa4] = S(movs, IF_BYTE, 0), [0xa5] = S(movs, 0, 0),
    [0xa6] = S(cmps, IF_BYTE, 0), [0xa7] = S(cmps, 0, 0),
    [0xa8] = S(test_ei, IF_BYTE | IF_ACC, IMM_8), [0xa9] = S(test_ei, IF_ACC, IMM_V),
    [0xaa] = S(stos, IF_BYTE, 0), [0xab] = S(stos, 0, 0),
    [0xac] = S(lods, IF_BYTE, 0), [0xad] = S(lods, 0, 0),
    [0xae] = S(scas, IF_BYTE, 0), [0xaf] = S(scas, 0, 0),
    EIGHT(0xb0, S(mov_ei, IF_BYTE | IF_OPREG, IMM_8)),
    EIGHT(0xb8, S(mov_ei, IF_OPREG, IMM_FULL)),
    [0xc0] = G(group_2_imm, M | IF_BYTE, IMM_U8), [0xc1] = G(group_2_imm, M, IMM_U8),
    [0xc2] = F(ret_imm, IF_F64 | IF_END, IMM_U16), [0xc3] = F(ret, IF_F64 | IF_END, 0),
    [0xc4] = A(load_far, M | IF_NO64 | IF_MEM | IF_END, SEG_ES),
    [0xc5] = A(load_far, M | IF_NO64 | IF_MEM | IF_END, SEG_DS),
    [0xc6] = G(group_11b, M | IF_BYTE, 0), [0xc7] = G(group_11v, M, 0),
    [0xc8] = F(enter, IF_D64, IMM_ENTER), [0xc9] = F(leave, IF_D64, 0),
    [0xca] = F(ret_far, IF_END, IMM_U16), [0xcb] = F(ret_far, IF_END, 0),
    [0xcc] = F(int3, IF_END, 0), [0xcd] = F(int_imm, IF_END, IMM_U8),
    [0xce] = F(into, IF_NO64 | IF_END, 0), [0xcf] = F(iret, IF_END, 0),
    [0xd0] = G(group_2_one, M | IF_BYTE, 0), [0xd1] = G(group_2_one, M, 0),
    [0xd2] = G(group_2_cl, M | IF_BYTE, 0), [0xd3] = G(group_2_cl, M, 0),
    [0xd4] = F(aam, IF_NO64, IMM_U8), [0xd5] = F(aad, IF_NO64, IMM_U8),
    [0xd6] = F(salc, IF_NO64, 0), [0xd7] = F(xlat, 0, 0),
    EIGHT(0xd8, FPU),
    [0xe0] = F(loopne, IF_F64 | IF_BRANCH, IMM_REL8),
    [0xe1] = F(loope, IF_F64 | IF_BRANCH, IMM_REL8),
    [0xe2] = F(loop, IF_F64 | IF_BRANCH, IMM_REL8), [0xe3] = F(jcxz, IF_F64 | IF_BRANCH, IMM_REL8),
    [0xe4] = F(in_imm, IF_BYTE | IF_END, IMM_U8), [0xe5] = F(in_imm, IF_END | IF_MAX32, IMM_U8),
    [0xe6] = F(out_imm, IF_BYTE | IF_END, IMM_U8), [0xe7] = F(out_imm, IF_END | IF_MAX32, IMM_U8),
    [0xe8] = F(call_rel, IF_F64 | IF_END | IF_BRANCH, IMM_RELV),
    [0xe9] = F(jmp_rel, IF_F64 | IF_END | IF_BRANCH, IMM_RELV),
    [0xea] = F(jmp_far_imm, IF_NO64 | IF_END, IMM_FAR),
    [0xeb] = F(jmp_rel, IF_F64 | IF_END | IF_BRANCH, IMM_REL8),
    [0xec] = F(in_dx, IF_BYTE | IF_END, 0), [0xed] = F(in_dx, IF_END | IF_MAX32, 0),
    [0xee] = F(out_dx, IF_BYTE | IF_END, 0), [0xef] = F(out_dx, IF_END | IF_MAX32, 0),
    [0xf1] = F(int1, IF_END, 0), [0xf4] = F(hlt, IF_END, 0), [0xf5] = F(cmc, 0, 0),
    [0xf6] = G(group_3b, M | IF_BYTE, 0), [0xf7] = G(group_3v, M, 0),
    [0xf8] = F(clc, 0, 0), [0xf9] = F(stc, 0, 0), [0xfa] = F(cli, IF_END, 0),
    [0xfb] = F(sti, IF_END, 0), [0xfc] = F(cld, 0, 0), [0xfd] = F(std, 0, 0),
    [0xfe] = G(group_4, M | IF_BYTE, 0), [0xff] = G(group_5, M, 0),
};

const InsnDesc insn_map_0f[256] = {
    [0x00] = G(group_6, M, 0), [0x01] = G(group_7_mem, M, 0),
    [0x02] = F(lar, M | IF_PROT, 0), [0x03] = F(lsl, M | IF_PROT, 0),
    [0x05] = F(syscall, IF_END, 0), [0x06] = F(clts, IF_END, 0), [0x07] = F(sysret, IF_END, 0),
    [0x08] = F(invd, IF_END, 0), [0x09] = F(wbinvd, IF_END, 0), [0x0d] = F(nop, M | IF_MEM, 0),
    EIGHT(0x18, F(nop, M, 0)),
    [0x20] = F(mov_r_cr, M | IF_CRDR, 0), [0x21] = F(mov_r_dr, M | IF_CRDR, 0),
    [0x22] = F(mov_cr_r, M | IF_CRDR | IF_END, 0), [0x23] = F(mov_dr_r, M | IF_CRDR | IF_END, 0),
    [0x30] = F(wrmsr, IF_END, 0), [0x31] = F(rdtsc, 0, 0), [0x32] = F(rdmsr, 0, 0),
    [0x33] = F(rdpmc, 0, 0), [0x34] = F(sysenter, IF_END, 0), [0x35] = F(sysexit, IF_END, 0),
    SIXTEEN(0x40, CMOV_ROW),
    [0x77] = F(emms, 0, 0),
    SIXTEEN(0x80, JCC, IMM_RELV), SIXTEEN(0x90, SETCC_ROW),
    [0xa0] = SREG_PUSH(SEG_FS, 0), [0xa1] = SREG_POP(SEG_FS, 0),
    [0xa2] = F(cpuid, IF_END, 0), [0xa3] = S(bt_g, M, 0),
    [0xa4] = S(shld_i, M, IMM_U8), [0xa5] = S(shld_c, M, 0),
    [0xa8] = SREG_PUSH(SEG_GS, 0), [0xa9] = SREG_POP(SEG_GS, 0),
    [0xab] = S(bts_g, M | IF_LOCK, 0),
    [0xac] = S(shrd_i, M, IMM_U8), [0xad] = S(shrd_c, M, 0),
    [0xae] = G(group_15_mem, M, 0), [0xaf] = S(imul2, M, 0),
    [0xb0] = S(cmpxchg, M | IF_BYTE | IF_LOCK, 0), [0xb1] = S(cmpxchg, M | IF_LOCK, 0),
    [0xb2] = A(load_far, M | IF_MEM | IF_END, SEG_SS), [0xb3] = S(btr_g, M | IF_LOCK, 0),
    [0xb4] = A(load_far, M | IF_MEM | IF_END, SEG_FS),
    [0xb5] = A(load_far, M | IF_MEM | IF_END, SEG_GS),
    [0xb6] = S(movzx8, M | IF_RM8, 0), [0xb7] = S(movzx16, M | IF_RM16, 0),
    [0xba] = G(group_8, M, 0), [0xbb] = S(btc_g, M | IF_LOCK, 0),
    [0xbc] = S(bsf, M, 0), [0xbd] = S(bsr, M, 0),
    [0xbe] = S(movsx8, M | IF_RM8, 0), [0xbf] = S(movsx16, M | IF_RM16, 0),
    [0xc0] = S(xadd, M | IF_BYTE | IF_LOCK, 0), [0xc1] = S(xadd, M | IF_LOCK, 0),
    [0xc3] = F(movnti, M | IF_MEM, 0), [0xc7] = G(group_9, M, 0),
    EIGHT(0xc8, S(bswap, IF_OPREG, 0)),
};

/* --- rows chosen by more than the opcode --- */
static const InsnDesc row_nop = F(nop, 0, 0), row_pause = F(pause, 0, 0);
static const InsnDesc row_movsxd = S(movsxd, M, 0);
static const InsnDesc row_popcnt = S(popcnt, M, 0);
static const InsnDesc row_tzcnt = S(tzcnt, M, 0), row_lzcnt = S(lzcnt, M, 0);
static const InsnDesc row_movbe_ge = S(movbe_ge, M | IF_MEM, 0);
static const InsnDesc row_movbe_eg = S(movbe_eg, M | IF_MEM, 0);
static const InsnDesc row_crc32_8 = F(crc32_b, M | IF_RM8, 0), row_crc32 = S(crc32, M, 0);
static const InsnDesc row_group_15_reg = G(group_15_reg, M, 0);
static const InsnDesc row_group_15_f3 = G(group_15_f3, M, 0);
static const InsnDesc row_adcx = F(adcx, M, 0), row_adox = F(adox, M, 0);
static const InsnDesc row_invpcid = F(invpcid, M | IF_MEM | IF_PROT | IF_END, 0);
static const InsnDesc row_rdpid = F(rdpid, M | IF_D64, 0);
static const InsnDesc row_rdrand = F(rdrand, M, 0), row_rdseed = F(rdseed, M, 0);
static const InsnDesc row_clwb = F(clflushopt, M, 0);
static const InsnDesc row_undefined = F(ud, 0, 0);
static const InsnDesc row_smsw = F(smsw, M, 0), row_lmsw = F(lmsw, M | IF_END, 0);
static const InsnDesc rows_0f01[] = {
    F(vmcall, M | IF_END, 0), F(xgetbv, M, 0), F(xsetbv, M | IF_END, 0), F(vmmcall, M | IF_END, 0),
    F(swapgs, M | IF_ONLY64 | IF_END, 0), F(rdtscp, M, 0), F(clac, M | IF_END, 0),
    F(stac, M | IF_END, 0),
};

static const InsnDesc *special_0f01(uint8_t modrm)
{
    switch (modrm) {
    case 0xc1: return &rows_0f01[0];
    case 0xd0: return &rows_0f01[1];
    case 0xd1: return &rows_0f01[2];
    case 0xd9: return &rows_0f01[3];
    case 0xf8: return &rows_0f01[4];
    case 0xf9: return &rows_0f01[5];
    case 0xca: return &rows_0f01[6];
    case 0xcb: return &rows_0f01[7];
    }
    if (modrm < 0xc0)
        return NULL;
    return (modrm & 0x38) == 0x20 ? &row_smsw : (modrm & 0x38) == 0x30 ? &row_lmsw : &row_undefined;
}

/* column: 0 no mandatory prefix, 1 66, 2 F3, 3 F2. */
static const InsnDesc *special_0fae(uint8_t modrm, unsigned column)
{
    if (column == 2 && modrm >= 0xc0)
        return &row_group_15_f3;
    if (column == 1 && modrm < 0xc0 && (modrm & 0x30) == 0x30)
        return &row_clwb;
    if (column >= 2 || (column == 1 && modrm < 0xc0 && (modrm & 0x38) != 0x38))
        return &row_undefined;
    return modrm >= 0xc0 ? &row_group_15_reg : NULL;
}

/* Group 9 with a register: RDRAND, RDSEED, RDPID. */
static const InsnDesc *special_0fc7(const Insn *i, unsigned column)
{
    unsigned op = i->modrm & 0x38;

    if (i->modrm < 0xc0)
        return NULL;
    if (op == 0x38 && column == 2)
        return &row_rdpid;
    if (column >= 2)
        return &row_undefined;
    return op == 0x30 ? &row_rdrand : op == 0x38 ? &row_rdseed : &row_undefined;
}

const InsnDesc *insn_special(const Insn *i, unsigned column, bool in_64)
{
    switch (i->opcode) {
    case 0x63: return in_64 ? &row_movsxd : NULL;
    case 0x90: return i->rex & 1 ? NULL : column == 2 ? &row_pause : &row_nop;
    case 0x101: return special_0f01(i->modrm);
    case 0x1ae: return special_0fae(i->modrm, column);
    case 0x1b8: return column == 2 ? &row_popcnt : NULL;
    case 0x1bc: return column == 2 ? &row_tzcnt : NULL;
    case 0x1bd: return column == 2 ? &row_lzcnt : NULL;
    case 0x1c3: return column ? &row_undefined : NULL;
    case 0x1c7: return special_0fc7(i, column);
    case 0x282: return column == 1 ? &row_invpcid : NULL;
    case 0x2f6: return column == 1 ? &row_adcx : column == 2 ? &row_adox : NULL;
    case 0x2f0: return column == 3 ? &row_crc32_8 : column < 2 ? &row_movbe_ge : NULL;
    case 0x2f1: return column == 3 ? &row_crc32 : column < 2 ? &row_movbe_eg : NULL;
    }
    return NULL;
}
