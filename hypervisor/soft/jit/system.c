/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * system.c - what kernels do all the time, in translated code: IF, AC, DF and RFLAGS as a whole,
 * segment registers pushed and read, SWAPGS; ports, CPUID, RDTSC, segment loads and system calls by light.c.
 * Everything that touches more than these is its body's.
 */
#include "hypervisor/soft/jit/xlat.h"
#include "hypervisor/soft/ops.h"

#define RF_NOT_ARITH (RF_TF | RF_DF | RF_IOPL | RF_NT | RF_AC | RF_ID)

static uint64_t next_rip(const Xlat *x, const Insn *i)
{
    uint64_t next = x->b->rip + i->off + i->len;

    return x->in_64 ? next : (uint32_t)next;
}

/* Rings 0 to 2 share their blocks: what only ring 0 may do is the body's in the others. */
void ring0_only(Xlat *x)
{
    flags_leave_host(x);
    e_op(&x->e, 1, 0, 0, 0x80, 7, opd_abs(&x->c->cpl));
    e8(&x->e, 0);
    slow_if(x, CC_NE);
}

/* CLI and STI where CPL is 0: IF alone.  With an interrupt waiting, STI is its body's. */
static bool emit_if(Xlat *x, const Insn *i)
{
    Emit *e = &x->e;

    if (x->b->mode & (MODE_USER | MODE_V86))
        return false;
    if (i->opcode == 0xfb && points_slot(cpu_priv(x->c), block_linear(x->b, next_rip(x, i))) >= 0)
        return false;                   /* the breakpoint comes before interrupts */
    ring0_only(x);
    if (i->opcode == 0xfb) {
        e_alu_imm(e, 4, 7, opd_abs(&cpu_priv(x->c)->irq_wait), 0);
        slow_if(x, CC_NE);
        poll_compare(x);                /* one may just have come */
        slow_if(x, CC_NE);
        e_alu_imm(e, 4, 1, opd_abs(&x->c->rflags), RF_IF);
    } else {
        e_alu_imm(e, 4, 4, opd_abs(&x->c->rflags), ~RF_IF);
    }
    edge_jmp(x, next_rip(x, i));
    return true;
}

/* Whether AC is what it shall be the mode says, while SMAP is on. */
static bool emit_ac(Xlat *x, const Insn *i)
{
    bool on = i->modrm == 0xcb;
    Cpu *c = x->c;
    Emit *e = &x->e;

    if ((x->b->mode & (MODE_USER | MODE_V86)) || !(x->b->mode & MODE_PROT))
        return false;
    ring0_only(x);
    e_op_byte(e, 1, 0, 0, 0xf6, 0, false, opd_abs((char *)&c->cr4 + 2), true);
    e8(e, CR4_SMAP >> 16);
    slow_if(x, CC_E);
    if (on == !!(x->b->mode & MODE_AC)) {
        edge_jmp(x, next_rip(x, i));
        return true;
    }
    e_alu_imm(e, 4, on ? 1 : 4, opd_abs(&c->rflags), on ? RF_AC : ~RF_AC);
    e_alu_imm(e, 4, on ? 1 : 4, opd_abs(&c->mode), on ? MODE_AC : ~MODE_AC);
    e_alu_imm(e, 4, on ? 1 : 4, opd_abs(&c->jump_tag), on ? MODE_AC : ~MODE_AC);
    e_op(e, 8, 0, 0, 0xc7, 0, opd_abs(&c->tlb));
    e32(e, (uint32_t)(uintptr_t)c->tlbs[on ? TLB_SUPER_AC : TLB_SUPER]);
    edge_jmp(x, next_rip(x, i));
    return true;
}

static bool emit_swapgs(Xlat *x, const Insn *i)
{
    Cpu *c = x->c;
    Emit *e = &x->e;

    if ((x->b->mode & MODE_USER) || !x->in_64)
        return false;
    ring0_only(x);
    e_load(e, SCRATCH_A, opd_abs(&c->seg[SEG_GS].base));
    e_load(e, SCRATCH_B, opd_abs(&c->kernel_gs_base));
    e_store(e, opd_abs(&c->kernel_gs_base), SCRATCH_A);
    e_store(e, opd_abs(&c->seg[SEG_GS].base), SCRATCH_B);
    e_store(e, opd_abs(&c->fbase_r[SEG_GS]), SCRATCH_B);
    e_store(e, opd_abs(&c->fbase_w[SEG_GS]), SCRATCH_B);
    edge_jmp(x, next_rip(x, i));
    return true;
}

static bool emit_df(Xlat *x, const Insn *i)
{
    bool set = i->opcode & 1;

    flags_leave_host(x);
    e_alu_imm(&x->e, 4, set ? 1 : 4, opd_abs(&x->c->rflags), set ? RF_DF : ~RF_DF);
    return true;
}

/* The host's PUSHF makes the arithmetic flags. */
static bool emit_pushf(Xlat *x, const Insn *i)
{
    unsigned spare, size = i->opsize;
    Operand to;
    Emit *e = &x->e;

    if (!stack_plain(x, i) || (x->b->mode & MODE_V86))
        return false;
    flags_to_host(x);
    e8(e, 0x9c);                                                /* pushfq */
    e8(e, 0x41);                                                /* pop r10 */
    e8(e, 0x58 | (SCRATCH_A & 7));
    e_store(e, opd_abs(&x->c->jit_save), SCRATCH_A);
    to = memory_stack(x, i, 4, -(int32_t)size, size, FOR_WRITE, &spare);
    e_load32(e, spare, opd_abs(&x->c->jit_save));
    e_alu_imm(e, 4, 4, opd_reg(spare), RF_ARITH);
    e_op(e, 4, 0, 0, 0x0b, spare, opd_abs(&x->c->rflags));      /* or */
    e_op(e, size, 0, 0, 0x89, spare, to);
    rsp_add(x, -(int32_t)size);
    return true;
}

/* A POPF that changes IF and arithmetic flags; IF is set only while no interrupt waits. */
static bool emit_popf(Xlat *x, const Insn *i)
{
    unsigned spare, size = i->opsize;
    Cpu *c = x->c;
    Emit *e = &x->e;
    uint8_t *same;
    Operand from;

    if (!stack_plain(x, i) || (x->b->mode & (MODE_USER | MODE_V86)))
        return false;
    ring0_only(x);
    from = memory_stack(x, i, 4, 0, size, FOR_READ, &spare);
    if (size == 2)
        e_op(e, 4, 0, 1, 0xb7, SCRATCH_A, from);                /* movzx */
    else
        e_op(e, 4, 0, 0, 0x8b, SCRATCH_A, from);
    e_op(e, 4, 0, 0, 0x8b, SCRATCH_B, opd_reg(SCRATCH_A));
    e_op(e, 4, 0, 0, 0x33, SCRATCH_B, opd_abs(&c->rflags));     /* what differs */
    e_op(e, 4, 0, 0, 0xf7, 0, opd_reg(SCRATCH_B));
    e32(e, size == 2 ? RF_NOT_ARITH & 0xffff : RF_NOT_ARITH);
    slow_if(x, CC_NE);
    e_alu_imm(e, 4, 4, opd_reg(SCRATCH_B), RF_IF);
    same = e_jcc(e, CC_E);
    e_alu_imm(e, 4, 7, opd_abs(&cpu_priv(c)->irq_wait), 0);
    slow_if(x, CC_NE);
    e_op(e, 4, 0, 0, 0x31, SCRATCH_B, opd_abs(&c->rflags));
    e_patch(same, e->p);
    e_op(e, 4, 0, 0, 0x8b, SCRATCH_B, opd_reg(SCRATCH_A));      /* to Cpu.aflags */
    e_op(e, 4, 0, 0, 0xc1, 4, opd_reg(SCRATCH_B));
    e8(e, 8);
    e_alu_imm(e, 4, 4, opd_reg(SCRATCH_B), (RF_CF | RF_PF | RF_AF | RF_ZF | RF_SF) << 8);
    e_op(e, 4, 0, 0, 0xc1, 5, opd_reg(SCRATCH_A));
    e8(e, 11);
    e_alu_imm(e, 4, 4, opd_reg(SCRATCH_A), FLAG_OF);
    e_op(e, 4, 0, 0, 0x0b, SCRATCH_B, opd_reg(SCRATCH_A));
    e_op(e, 2, 0, 0, 0x89, SCRATCH_B, opd_abs(&c->aflags));
    x->flags = FLAGS_MEM;
    rsp_add(x, (int32_t)size);
    edge_jmp(x, next_rip(x, i));
    return true;
}

/* 32-bit code stores two bytes and moves the pointer by four. */
static bool emit_push_segment(Xlat *x, const Insn *i)
{
    unsigned spare, size = i->opsize;
    Operand to;
    Emit *e = &x->e;

    if (!stack_plain(x, i))
        return false;
    to = memory_stack(x, i, 4, -(int32_t)size, size == 4 ? 2 : size, FOR_WRITE, &spare);
    e_op(e, 4, 0, 1, 0xb7, spare, opd_abs(&x->c->seg[i->reg].selector));   /* movzx, word */
    e_op(e, size == 4 ? 2 : size, 0, 0, 0x89, spare, to);
    rsp_add(x, -(int32_t)size);
    return true;
}

static bool emit_mov_from_segment(Xlat *x, const Insn *i)
{
    const void *selector = &x->c->seg[i->reg].selector;
    unsigned spare = SCRATCH_A, size = i->opsize == 2 ? 2 : 4;
    Emit *e = &x->e;
    Operand to;

    if (i->rm == REG_MEM) {
        to = memory_operand(x, i, 2, FOR_WRITE, &spare);
        e_op(e, 4, 0, 1, 0xb7, spare, opd_abs(selector));       /* movzx, word */
        e_op(e, 2, 0, 0, 0x89, spare, to);
    } else if (host_reg[i->rm] != IN_MEMORY) {
        e_op(e, size, 0, size == 4, size == 4 ? 0xb7 : 0x8b, host_reg[i->rm], opd_abs(selector));
    } else {
        e_op(e, 4, 0, 1, 0xb7, spare, opd_abs(selector));
        e_op(e, size == 4 ? 8 : 2, 0, 0, 0x89, spare, opd_abs(&x->c->gpr[i->rm]));
    }
    return true;
}

/* Slow while the host's vector registers are the guest's, which C may use. */
static bool emit_light(Xlat *x, const Insn *i, LightFn function)
{
    Emit *e = &x->e;

    if (x->vec)
        return false;
    flags_leave_host(x);
    e_op(e, 1, 0, 0, 0x80, 7, opd_abs(&x->c->vec_live));
    e8(e, 0);
    slow_if(x, CC_NE);
    e_imm(e, SCRATCH_A, (uintptr_t)function);
    e_imm(e, SCRATCH_B, (uintptr_t)i);
    e_call_to(e, x->j->light);
    slow_if(x, CC_E);
    return true;
}

static bool emit_port(Xlat *x, const Insn *i)
{
    if ((x->b->mode & MODE_V86) || !emit_light(x, i, i->opcode & 2 ? light_out : light_in))
        return false;
    edge_jmp_polled(x, next_rip(x, i));
    return true;
}

static bool emit_cpuid(Xlat *x, const Insn *i)
{
    if (!emit_light(x, i, light_cpuid))
        return false;
    edge_jmp_polled(x, next_rip(x, i));
    return true;
}

/* A load that is known from before is light.c's.  The selector's way there is Cpu.jit_value. */
static bool emit_segment_load(Xlat *x, const Insn *i, bool pop)
{
    unsigned spare = SCRATCH_A;
    Emit *e = &x->e;

    if (x->vec || i->reg == SEG_SS || i->reg == SEG_CS || !(x->b->mode & MODE_PROT) ||
        (pop && !stack_plain(x, i)))
        return false;
    if (pop)
        e_op(e, 4, 0, 1, 0xb7, SCRATCH_A, memory_stack(x, i, 4, 0, 2, FOR_READ, &spare));
    else if (i->rm == REG_MEM)
        e_op(e, 4, 0, 1, 0xb7, SCRATCH_A, memory_operand(x, i, 2, FOR_READ, &spare));
    else if (in_memory(i->rm, 8))
        fetch(x, SCRATCH_A, i->rm, 8);
    else
        e_mov(e, SCRATCH_A, host_reg[i->rm]);
    e_store(e, opd_abs(&x->c->jit_value), SCRATCH_A);
    emit_light(x, i, light_segment);
    if (pop)
        rsp_add(x, i->opsize);
    edge_jmp(x, next_rip(x, i));
    return true;
}

static bool emit_level(Xlat *x, const Insn *i)
{
    Emit *e = &x->e;

    if (x->vec || (x->b->mode & MODE_V86))
        return false;
    flags_to_mem(x);
    e_imm(e, SCRATCH_A, x->b->rip);
    e_store(e, opd_abs(&x->c->rip), SCRATCH_A);
    emit_light(x, i, light_level);
    x->flags = FLAGS_MEM;
    e_load(e, SCRATCH_A, opd_abs(&x->c->rip));
    edge_indirect(x);
    return true;
}

/* Looks whether the guest's breakpoint is armed. */
bool point_emit(Xlat *x, const Insn *i)
{
    flags_leave_host(x);
    e_op(&x->e, 1, 0, 0, 0x80, 7, opd_abs(&cpu_priv(x->c)->points.armed[i->imm]));
    e8(&x->e, 0);
    slow_if(x, CC_NE);
    return true;
}

bool system_emit(Xlat *x, const Insn *i)
{
    switch (i->opcode) {
    case 0x07: case 0x1f: case 0x1a1: case 0x1a9:
        return emit_segment_load(x, i, true);
    case 0x8e: return emit_segment_load(x, i, false);
    case OPCODE_SYSCALL: case OPCODE_SYSRET: case OPCODE_SYSENTER: case OPCODE_SYSEXIT:
        return emit_level(x, i);
    case 0x06: case 0x0e: case 0x16: case 0x1e: case 0x1a0: case 0x1a8:
        return emit_push_segment(x, i);
    case 0x8c: return emit_mov_from_segment(x, i);
    case 0x9c: return emit_pushf(x, i);
    case 0x9d: return emit_popf(x, i);
    case 0xe4 ... 0xe7: case 0xec ... 0xef: return emit_port(x, i);
    case 0xfa: case 0xfb: return emit_if(x, i);
    case 0xfc: case 0xfd: return emit_df(x, i);
    case 0x131: return emit_light(x, i, light_rdtsc);
    case 0x1a2: return emit_cpuid(x, i);
    case 0x101:
        if (i->modrm == 0xca || i->modrm == 0xcb)
            return emit_ac(x, i);
        return body_of(x, i) == op_swapgs && emit_swapgs(x, i);
    }
    return false;
}
