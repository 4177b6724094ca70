/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * branch.c - the stack and branch instructions that the translator emits: PUSH, POP, LEAVE, CALL, RET,
 * jumps, LOOP.  What follows a branch is xlat.c's.
 */
#include "hypervisor/soft/jit/xlat.h"

bool stack_plain(const Xlat *x, const Insn *i)
{
    return x->in_64 ? i->opsize == 8 : i->opsize == 4 || i->opsize == 2;
}

/* RSP = base + n, as wide as the stack is; scratch B is lost. */
static void rsp_set(Xlat *x, unsigned base, int32_t n)
{
    if (x->in_64 || (x->b->mode & MODE_SS32)) {
        e_lea(&x->e, x->in_64 ? 8 : 4, GUEST_RSP, opd_mem(base, n));
    } else {
        e_lea(&x->e, 4, SCRATCH_B, opd_mem(base, n));
        e_op(&x->e, 2, 0, 0, 0x8b, GUEST_RSP, opd_reg(SCRATCH_B));
    }
}

void rsp_add(Xlat *x, int32_t n)
{
    rsp_set(x, GUEST_RSP, n);
}

static bool emit_push(Xlat *x, const Insn *i, bool immediate)
{
    int32_t size = i->opsize;
    unsigned spare;
    Operand to;
    Emit *e = &x->e;

    if (!stack_plain(x, i) || (!immediate && i->rm == REG_MEM))
        return false;
    to = memory_stack(x, i, 4, -size, (unsigned)size, FOR_WRITE, &spare);
    if (immediate) {
        e_op(e, (unsigned)size, 0, 0, 0xc7, 0, to);
        e_imm_of(e, size == 8 ? 4 : (unsigned)size, i->imm);
    } else {
        unsigned r = host_name(i->rm, 8, spare);
        if (in_memory(i->rm, 8))
            fetch(x, spare, i->rm, 8);
        e_op(e, (unsigned)size, 0, 0, 0x89, r, to);
    }
    rsp_add(x, -size);
    return true;
}

/* PUSH of memory: both accesses are checked before anything changes. */
static bool emit_push_memory(Xlat *x, const Insn *i)
{
    unsigned size = i->opsize, spare;
    Operand at;
    Emit *e = &x->e;

    if (!stack_plain(x, i))
        return false;
    at = memory_operand(x, i, size, FOR_READ, &spare);
    e_op(e, size, 0, 0, 0x8b, spare, at);
    e_store(e, opd_abs(&x->c->jit_save), spare);
    at = memory_stack(x, i, 4, -(int32_t)size, size, FOR_WRITE, &spare);
    e_load(e, spare, opd_abs(&x->c->jit_save));
    e_op(e, size, 0, 0, 0x89, spare, at);
    rsp_add(x, -(int32_t)size);
    return true;
}

static bool emit_pop(Xlat *x, const Insn *i)
{
    int32_t size = i->opsize;
    unsigned spare, r;
    Operand from;
    Emit *e = &x->e;

    if (!stack_plain(x, i) || i->rm == REG_MEM)
        return false;
    from = memory_stack(x, i, 4, 0, (unsigned)size, FOR_READ, &spare);
    r = host_name(i->rm, 8, spare);
    e_op(e, (unsigned)size, 0, 0, 0x8b, r, from);
    if (i->rm != 4)
        rsp_add(x, size);
    if (in_memory(i->rm, 8))
        put_back(x, spare, i->rm, 8);
    return true;
}

static bool emit_leave(Xlat *x, const Insn *i)
{
    unsigned spare, size = i->opsize;
    Operand from;
    Emit *e = &x->e;

    if (!stack_plain(x, i))
        return false;
    from = memory_stack(x, i, 5, 0, size, FOR_READ, &spare);
    e_op(e, size, 0, 0, 0x8b, SCRATCH_A, from);
    rsp_set(x, RBP, (int32_t)size);
    e_op(e, size, 0, 0, 0x8b, RBP, opd_reg(SCRATCH_A));
    return true;
}

/* --- branches --- */
static void push_next(Xlat *x, const Insn *i)
{
    uint64_t next = x->b->rip + i->off + i->len;
    unsigned spare, size = i->opsize;
    Operand to = memory_stack(x, i, 4, -(int32_t)size, size, FOR_WRITE, &spare);
    Emit *e = &x->e;

    if (size < 8 || next == (uint64_t)(int64_t)(int32_t)next) {
        e_op(e, size, 0, 0, 0xc7, 0, to);
        e_imm_of(e, size == 8 ? 4 : size, next);
    } else {
        e_imm(e, spare, next);
        e_store(e, to, spare);
    }
    rsp_add(x, -(int32_t)size);
}

static uint64_t return_address(const Xlat *x, const Insn *i)
{
    uint64_t next = x->b->rip + i->off + i->len;

    return i->opsize == 8 ? next : i->opsize == 4 ? (uint32_t)next : (uint16_t)next;
}

static bool emit_call(Xlat *x, const Insn *i)
{
    if (!stack_plain(x, i))
        return false;
    push_next(x, i);
    edge_call(x, i->imm, return_address(x, i));
    return true;
}

static void load_zero_extended(Xlat *x, unsigned size, Operand from)
{
    if (size == 2)
        e_op(&x->e, 4, 0, 1, 0xb7, SCRATCH_A, from);
    else
        e_op(&x->e, size, 0, 0, 0x8b, SCRATCH_A, from);
}

void rm_to_scratch(Xlat *x, const Insn *i)
{
    unsigned spare;

    flags_leave_host(x);
    if (i->rm == REG_MEM) {
        load_zero_extended(x, i->opsize, memory_operand(x, i, i->opsize, FOR_READ, &spare));
        return;
    }
    load_zero_extended(x, i->opsize, in_memory(i->rm, 8) ? opd_abs(&x->c->gpr[i->rm])
                                                         : opd_reg(host_reg[i->rm]));
}

static bool emit_ret(Xlat *x, const Insn *i)
{
    unsigned spare, size = i->opsize;
    Operand from;

    if (!stack_plain(x, i))
        return false;
    flags_to_mem(x);
    from = memory_stack(x, i, 4, 0, size, FOR_READ, &spare);
    load_zero_extended(x, size, from);
    rsp_add(x, (int32_t)size + (i->opcode == 0xc2 ? (uint16_t)i->imm : 0));
    edge_return(x);
    return true;
}

static bool emit_indirect(Xlat *x, const Insn *i, bool call)
{
    Emit *e = &x->e;

    if (call && !stack_plain(x, i))
        return false;
    flags_to_mem(x);
    if (!call) {
        rm_to_scratch(x, i);
        edge_indirect(x);
        return true;
    }
    if (i->rm == REG_MEM || i->rm == 4) {
        rm_to_scratch(x, i);
        e_store(e, opd_abs(&x->c->jit_save), SCRATCH_A);
        push_next(x, i);
        e_load(e, SCRATCH_A, opd_abs(&x->c->jit_save));
    } else {
        push_next(x, i);
        rm_to_scratch(x, i);
    }
    edge_indirect_call(x, return_address(x, i));
    return true;
}

static bool emit_jcc(Xlat *x, const Insn *i)
{
    flags_to_host(x);
    x->keep = true;
    edge_jcc(x, i->opcode & 15, i);
    return true;
}

/* LOOP and JCXZ leave the flags alone; the counter is at home. */
static bool emit_loop(Xlat *x, const Insn *i)
{
    unsigned flags;
    uint8_t *skip, *taken;
    Emit *e = &x->e;

    if (i->opcode < 0xe2)
        return false;
    if (i->asize == 2) {
        flags_to_mem(x);
        flags_leave_host(x);
        if (i->opcode == 0xe2)
            e_alu_imm(e, 2, 5, opd_reg(RCX), 1);
        else
            e_op(e, 2, 0, 0, 0x85, RCX, opd_reg(RCX));
        edge_jcc(x, i->opcode == 0xe2 ? CC_NE : CC_E, i);
        return true;
    }
    if (i->opcode == 0xe2)
        e_lea(e, i->asize, RCX, opd_mem(RCX, -1));
    if (i->asize == 4)
        e8(e, 0x67);
    e8(e, 0xe3);                                    /* jrcxz over a short jump */
    e8(e, 2);
    e8(e, 0xeb);
    e8(e, 5);
    /* here when the counter is 0 */
    taken = e_jmp(e);
    if (i->opcode == 0xe2) {
        /* not 0: the branch is taken */
        flags = x->flags;
        edge_jmp(x, i->imm);
        x->ended = false;
        x->flags = flags;
        e_patch(taken, e->p);
    } else {
        skip = e_jmp(e);
        e_patch(taken, e->p);
        flags = x->flags;
        edge_jmp(x, i->imm);
        x->ended = false;
        x->flags = flags;
        e_patch(skip, e->p);
    }
    return true;
}

bool branch_emit(Xlat *x, const Insn *i, bool *known)
{
    unsigned op = i->opcode, digit = i->modrm >> 3 & 7;

    *known = true;
    switch (op) {
    case 0x50 ... 0x57: return emit_push(x, i, false);
    case 0x58 ... 0x5f: return emit_pop(x, i);
    case 0x68: case 0x6a: return emit_push(x, i, true);
    case 0x70 ... 0x7f: case 0x180 ... 0x18f: return emit_jcc(x, i);
    case 0x8f: return emit_pop(x, i);
    case 0xc2: case 0xc3: return emit_ret(x, i);
    case 0xc9: return emit_leave(x, i);
    case 0xe2: case 0xe3: return emit_loop(x, i);
    case 0xe8: return emit_call(x, i);
    case 0xe9: case 0xeb:
        edge_jmp(x, i->imm);
        return true;
    case 0xff:
        if (digit == 2 || digit == 4)
            return emit_indirect(x, i, digit == 2);
        if (digit == 6)
            return i->rm == REG_MEM ? emit_push_memory(x, i) : emit_push(x, i, false);
        break;
    }
    *known = false;
    return false;
}
