/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ops.h - the bodies of all instructions, by the file that has them.
 *
 * insn_table.c names them; what the decoder has left in the Insn is told with each group.  A body
 * marked "ends" is the last of its block: it sets c->rip and returns (END() where execution goes
 * on at the next instruction); every other one finishes with NEXT().  #UD for bad encodings (mod
 * == 3 where memory is needed and the reverse, LOCK, invalid in 64-bit mode) is raised by the
 * decoder as far as the table's flags say so; privilege and mode checks are the body's.
 */
#ifndef GH_SOFT_OPS_H
#define GH_SOFT_OPS_H

#include "hypervisor/soft/cpu.h"

typedef void (*OpFn)(Cpu *c, const Insn *i);

#define OP(name) void op_##name(Cpu *c, const Insn *i)

/* --- insn_table.c: one row for each encoding --- */
typedef struct InsnDesc {
    OpFn fn;                    /* the body when one serves all sizes and forms */
    const OpFn (*sized)[4];     /* else [memory operand?][8, 16, 32, 64 bits] */
    const struct InsnDesc *group;   /* else 8 rows by ModRM.reg; only the row's flags count, save
                                       IF_MODRM and IF_BYTE, which are both's */
    uint32_t flags;             /* IF_* */
    uint8_t imm;                /* IMM_* */
    uint8_t aux;                /* copied to Insn.aux, without ModRM to reg as well */
} InsnDesc;

enum {
    IF_MODRM = 1,               /* ModRM follows */
    IF_BYTE = 2,                /* operand size 1 */
    IF_RM8 = 4, IF_RM16 = 8,    /* r/m operand is a byte (R8), a word; reg has the operand size */
    IF_OPREG = 0x10,            /* register in the opcode's low 3 bits: reg and rm */
    IF_ACC = 0x20,              /* register operand is the accumulator: rm = 0 */
    IF_D64 = 0x40, IF_F64 = 0x80,   /* in 64-bit mode: default, forced operand size 8 */
    IF_NO64 = 0x100, IF_ONLY64 = 0x200,
    IF_LOCK = 0x400,            /* LOCK allowed with a memory operand */
    IF_END = 0x800,             /* last of its block */
    IF_MEM = 0x1000, IF_REG = 0x2000,   /* #UD for a register, a memory operand */
    IF_SREG = 0x4000,           /* reg is a segment register, 6 and 7 #UD */
    IF_PROT = 0x8000,           /* #UD in real and virtual-8086 mode */
    IF_CRDR = 0x10000,          /* mod is ignored, rm always a register, size 4 or 8 by mode */
    IF_BRANCH = 0x20000,        /* direct near branch */
    IF_FPU = 0x40000,           /* the body is fpu_body()'s */
    IF_MAX32 = 0x80000,         /* REX.W leaves the operand size at 4 */
};

enum { IMM_NONE, IMM_8, IMM_U8, IMM_U16, IMM_V, IMM_FULL, IMM_REL8, IMM_RELV, IMM_FAR, IMM_MOFFS,
       IMM_ENTER };

extern const InsnDesc insn_map_1byte[256], insn_map_0f[256];
/* The rows that depend on more than opcode and ModRM.reg: prefixes, ModRM as a whole, 0F 38.
 * NULL: the maps' own row. */
const InsnDesc *insn_special(const Insn *i, unsigned column, bool in_64);

/* --- fpu.c (CPU-F): x87.  Called by the decoder: the body for D8..DF with this ModRM byte, NULL
 * for #UD.  Memory operand as usual; i->modrm is the whole byte; none ends its block. --- */
OpFn fpu_body(uint8_t opcode, uint8_t modrm);

/* --- sse_table.c (CPU-F): MMX and SSE.  [opcode][0 no prefix, 1 66, 2 F3, 3 F2]; NULL is #UD (or
 * an integer instruction of the maps above, which win).  i->reg and i->rm are XMM, MM or general
 * register numbers (REX applied; MM bodies cut to 3 bits), i->rm == REG_MEM for memory;
 * i->imm is the imm8 where there is one (0F 70-73, C2, C4-C6 and all of 0F 3A); opsize is 2,
 * 4 or 8 by 66 and REX.W as for integers (REX.W wins).  Groups 0F 71-73 dispatch on i->modrm
 * themselves.  0F 0D/18 (prefetches), 0F AE's fences and 0F C3 (MOVNTI) are not in it. --- */
extern const OpFn sse_0f[256][4], sse_0f38[256][4], sse_0f3a[256][4];

/* --- xsave.c (CPU-F) --- memory operand; i->rex & 8 selects the 64-bit form */
OP(fxsave); OP(fxrstor); OP(ldmxcsr); OP(stmxcsr); OP(xsave); OP(xrstor); OP(xsaveopt);
OP(xsavec); OP(clflush);
OP(fwait);                      /* 9B */
OP(emms);                       /* 0F 77 */
OP(clflushopt);                 /* CLFLUSHOPT, CLWB */
OP(movnti);                     /* 0F C3: 32 bits, 64 with REX.W, whatever opsize is */

/* --- segments.c (CPU-S) --- */
OP(mov_sreg_e);     /* 8E: i->reg segment (0-5, not CS: decoder), i->rm / memory 16 bits; ends */
OP(mov_e_sreg);     /* 8C: i->reg segment 0-5; register form writes opsize, memory 16 bits */
OP(push_sreg);      /* i->reg segment; opsize 2, 4, 8 */
OP(pop_sreg);       /* i->reg segment; ends */
OP(load_far);       /* LES LDS LSS LFS LGS: i->aux segment, i->reg register; ends */
OP(lar); OP(lsl);   /* i->reg from i->rm / memory 16 bits */
OP(verr); OP(verw); OP(sldt); OP(str); OP(lldt); OP(ltr);   /* 0F 00; lldt, ltr end */
OP(arpl);           /* 63 outside 64-bit: i->rm / memory, i->reg */
OP(sgdt); OP(sidt); OP(lgdt); OP(lidt);     /* memory */
OP(call_far_imm); OP(jmp_far_imm);  /* i->imm offset, (uint16_t)i->disp selector; end */
OP(call_far_mem); OP(jmp_far_mem);  /* memory m16:opsize; end */
OP(ret_far);        /* i->imm bytes to release; ends */
OP(iret);           /* ends */

/* --- event.c (CPU-S) --- all end */
OP(int3); OP(int1); OP(int_imm); OP(into);  /* int_imm: i->imm; use raise_soft() */

/* --- system.c (CPU-S) --- */
OP(hlt); OP(cli); OP(sti);      /* hlt, cli, sti end; hlt sets c->halted, sti c->shadow */
OP(clts); OP(lmsw); OP(smsw);   /* clts, lmsw end; smsw and lmsw: i->rm / memory */
OP(mov_r_cr); OP(mov_cr_r); OP(mov_r_dr); OP(mov_dr_r); /* reg number (with REX.R) i->reg, GPR
                                   i->rm (0-15) whatever mod; mov_cr_r, mov_dr_r end */
OP(invlpg); OP(invd); OP(wbinvd);   /* end */
OP(rdtsc); OP(rdtscp); OP(rdpmc); OP(rdmsr); OP(wrmsr); /* wrmsr ends */
OP(cpuid);                      /* ends */
OP(syscall); OP(sysret); OP(sysenter); OP(sysexit);     /* end; REX.W: opsize 8 */
OP(swapgs);                     /* ends */
OP(invpcid);                    /* i->reg type, memory the descriptor; ends */
OP(vmcall); OP(vmmcall);        /* end */
OP(xgetbv); OP(xsetbv);         /* xsetbv ends */
OP(clac); OP(stac);             /* end */
OP(rdfsbase); OP(rdgsbase); OP(wrfsbase); OP(wrgsbase); /* i->rm GPR, opsize 4 or 8; wr* end */
OP(in_imm); OP(in_dx); OP(out_imm); OP(out_dx);     /* opsize 1, 2, 4; i->imm port; end */
/* Port access right (IOPL, TSS bitmap): #GP(0) if not allowed. */
void io_check(Cpu *c, const Insn *i, uint16_t port, unsigned size);

/* --- everything below: the core --- */

#define SIZED(name) extern const OpFn ops_##name[2][4]

/* alu.c: eg: r/m, reg; ge: reg, r/m; ei: r/m, imm; e: r/m */
SIZED(add_eg); SIZED(add_ge); SIZED(add_ei);
SIZED(or_eg); SIZED(or_ge); SIZED(or_ei);
SIZED(adc_eg); SIZED(adc_ge); SIZED(adc_ei);
SIZED(sbb_eg); SIZED(sbb_ge); SIZED(sbb_ei);
SIZED(and_eg); SIZED(and_ge); SIZED(and_ei);
SIZED(sub_eg); SIZED(sub_ge); SIZED(sub_ei);
SIZED(xor_eg); SIZED(xor_ge); SIZED(xor_ei);
SIZED(cmp_eg); SIZED(cmp_ge); SIZED(cmp_ei);
SIZED(test_eg); SIZED(test_ei);
SIZED(inc_e); SIZED(dec_e); SIZED(not_e); SIZED(neg_e);
SIZED(xadd); SIZED(cmpxchg);
OP(cmpxchg8b);                  /* and 16b */

/* shift.c: ei: by imm8; e1: by 1; ec: by CL */
#define SHIFT_DECL(name) SIZED(name##_ei); SIZED(name##_e1); SIZED(name##_ec)
SHIFT_DECL(rol); SHIFT_DECL(ror); SHIFT_DECL(rcl); SHIFT_DECL(rcr);
SHIFT_DECL(shl); SHIFT_DECL(shr); SHIFT_DECL(sar);
SIZED(shld_i); SIZED(shld_c); SIZED(shrd_i); SIZED(shrd_c);

/* muldiv.c */
SIZED(mul); SIZED(imul1); SIZED(div); SIZED(idiv);
SIZED(imul2); SIZED(imul3);
OP(aam); OP(aad); OP(daa); OP(das); OP(aaa); OP(aas);

/* bits.c: g: offset in reg; i: imm8 */
SIZED(bt_g); SIZED(bts_g); SIZED(btr_g); SIZED(btc_g);
SIZED(bt_i); SIZED(bts_i); SIZED(btr_i); SIZED(btc_i);
SIZED(bsf); SIZED(bsr); SIZED(popcnt); SIZED(lzcnt); SIZED(tzcnt);
SIZED(bswap); SIZED(movbe_ge); SIZED(movbe_eg); SIZED(crc32); OP(crc32_b);

/* bmi.c; vex.h has those with VEX */
OP(adcx); OP(adox);             /* opsize 4 or 8 */
OP(rdrand); OP(rdseed); OP(rdpid);

/* move.c */
SIZED(mov_eg); SIZED(mov_ge); SIZED(mov_ei); SIZED(mov_moffs_a); SIZED(mov_a_moffs);
SIZED(movzx8); SIZED(movsx8); SIZED(movzx16); SIZED(movsx16); SIZED(movsxd);
SIZED(lea); SIZED(xchg); SIZED(cbw); SIZED(cwd);
extern const OpFn ops_cmov[16][2][4], ops_setcc[16][2][4];
OP(xlat); OP(lahf); OP(sahf); OP(cmc); OP(clc); OP(stc); OP(cld); OP(std); OP(salc); OP(nop);
OP(bound); OP(fence); OP(pause);

/* stack.c */
SIZED(push_e); SIZED(pop_e); SIZED(push_i); SIZED(pusha); SIZED(popa);
OP(enter); OP(leave); OP(pushf); OP(popf);

/* string.c */
SIZED(movs); SIZED(cmps); SIZED(stos); SIZED(lods); SIZED(scas);
OP(ins); OP(outs);              /* end */

/* branch.c */
OP(jcc0); OP(jcc1); OP(jcc2); OP(jcc3); OP(jcc4); OP(jcc5); OP(jcc6); OP(jcc7);
OP(jcc8); OP(jcc9); OP(jcc10); OP(jcc11); OP(jcc12); OP(jcc13); OP(jcc14); OP(jcc15);
OP(jmp_rel); OP(call_rel); OP(jcxz); OP(loop); OP(loope); OP(loopne);
SIZED(jmp_e); SIZED(call_e);
OP(ret); OP(ret_imm);           /* i->imm bytes to release */

/* decode.c: placed by the decoder */
OP(ud);                         /* undefined opcode */
OP(gp);                         /* longer than 15 bytes */
OP(block_end);                  /* after a block's last instruction */
OP(code_changed);               /* what a block that was written to is filled with */

#endif
