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
    OpFn fn;                    /* the body, when it is one for all sizes; NULL: see sized, group */
    const OpFn (*sized)[3];     /* [memory operand?][16, 32, 64 bits] */
    const struct InsnDesc *group;   /* 8 rows by ModRM.reg (GROUP), or 2 by mod == 3 (BY_MOD) */
    uint8_t form;               /* FORM_*: what follows the opcode and goes where */
    uint8_t imm;                /* IMM_* */
    uint16_t flags;             /* IF_* */
} InsnDesc;

extern const InsnDesc insn_map_1byte[256], insn_map_0f[256];



/* --- fpu.c (CPU-F): x87.  Called by the decoder: the body for D8..DF with this ModRM byte, NULL
 * for #UD.  Memory operand as usual; i->modrm is the whole byte; none ends its block. --- */
OpFn fpu_body(uint8_t opcode, uint8_t modrm);

/* --- sse_table.c (CPU-F): MMX and SSE.  [opcode][0 no prefix, 1 66, 2 F3, 3 F2]; NULL is #UD (or
 * an integer instruction of the maps above, which win).  i->reg and i->rm are XMM, MM or general
 * register numbers (REX applied; MM bodies cut to 3 bits), i->rm == REG_MEM for memory;
 * i->imm is the imm8 where there is one (0F 70-73, A4, C2, C4-C6 and all of 0F 3A); opsize is 2,
 * 4 or 8 by 66 and REX.W as for integers (REX.W wins).  Groups 0F 71-73 dispatch on i->modrm
 * themselves.  0F 0D/18 (prefetches), 0F AE's fences and 0F C3 (MOVNTI) are not in it. --- */
extern const OpFn sse_0f[256][4], sse_0f38[256][4], sse_0f3a[256][4];

/* --- xsave.c (CPU-F) --- memory operand; i->rex & 8 selects the 64-bit form */
OP(fxsave); OP(fxrstor); OP(ldmxcsr); OP(stmxcsr); OP(xsave); OP(xrstor); OP(xsaveopt);
OP(xsavec);
OP(fwait);                      /* 9B */
OP(emms);                       /* 0F 77 */

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
OP(call_far_imm); OP(jmp_far_imm);  /* i->imm offset (opsize bits), (uint16_t)i->disp selector; end */
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
OP(syscall); OP(sysret); OP(sysenter); OP(sysexit);     /* end; sysret/sysexit: opsize 8 with REX.W */
OP(swapgs);                     /* ends */
OP(vmcall); OP(vmmcall);        /* end */
OP(xgetbv); OP(xsetbv);         /* xsetbv ends */
OP(clac); OP(stac);             /* end */
OP(rdfsbase); OP(rdgsbase); OP(wrfsbase); OP(wrgsbase); /* i->rm GPR, opsize 4 or 8; wr* end */
OP(in_imm); OP(in_dx); OP(out_imm); OP(out_dx);     /* opsize 1, 2, 4; i->imm port; end */
/* Port access right (IOPL, TSS bitmap): #GP(0) if not allowed. */
void io_check(Cpu *c, const Insn *i, uint16_t port, unsigned size);

/* --- everything below: the core --- */

/* alu.c */
#define SIZED(name) extern const OpFn ops_##name[2][3]
#define ALU_DECL(name) OP(name##_eb_gb_r); OP(name##_eb_gb_m); OP(name##_gb_eb_m); \
    OP(name##_eb_ib_r); OP(name##_eb_ib_m); \
    SIZED(name##_ev_gv); SIZED(name##_gv_ev); SIZED(name##_ev_iv)
ALU_DECL(add); ALU_DECL(or); ALU_DECL(adc); ALU_DECL(sbb);
ALU_DECL(and); ALU_DECL(sub); ALU_DECL(xor); ALU_DECL(cmp);

/* decode.c: placed by the decoder */
OP(ud);                         /* undefined opcode */
OP(gp);                         /* longer than 15 bytes */
OP(block_end);                  /* after a block's last instruction */
OP(code_changed);               /* what a block that was written to is filled with */

#endif
