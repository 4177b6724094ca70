/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * transfer.c - far JMP, CALL, RET and IRET: through code segments, call gates and task gates,
 * with the stack switches that a change of privilege brings.
 *
 * Intel SDM volume 2 (the operation sections) and volume 3 chapter 5.  Everything is checked with
 * local copies before the first register changes; what has been pushed on a stack before a fault
 * lies below the stack pointer and is pushed again.
 */
#include "hypervisor/soft/cpu.h"
#include "hypervisor/soft/ops.h"
#include "hypervisor/soft/sys.h"

/* --- stacks --- */

void stack_init(Stack *s, Cpu *c, const Insn *i, const Seg *ss, uint64_t sp, bool wide,
                bool inner, uint32_t err)
{
    s->c = c;
    s->i = i;
    s->seg = *ss;
    s->wide = wide;
    s->inner = inner;
    s->err = err;
    s->mask = wide ? UINT64_MAX : ss->big ? 0xffffffff : 0xffff;
    s->sp = sp & s->mask;
}

void stack_current(Stack *s, Cpu *c, const Insn *i)
{
    stack_init(s, c, i, &c->seg[SEG_SS], c->gpr[4], cpu_in_64(c), false, 0);
}

/* Checks [off, off+size) and makes it linear. */
static uint64_t stack_linear(Stack *s, uint64_t off, unsigned size)
{
    const Seg *seg = &s->seg;
    uint64_t last = off + size - 1;

    if (s->wide) {
        if (!is_canonical(off) || !is_canonical(last))
            raise_err(s->c, s->i, EXC_SS, s->err);
        return off;
    }
    if (seg->attr & SEG_ATTR_UNUSABLE)
        raise_err(s->c, s->i, EXC_SS, s->err);
    if (seg->expand_down ? off <= seg->limit || last > (seg->big ? 0xffffffffu : 0xffffu)
                         : last > seg->limit)
        raise_err(s->c, s->i, EXC_SS, s->err);
    return (uint32_t)(seg->base + off);
}

void stack_push(Stack *s, unsigned size, uint64_t v)
{
    uint64_t sp = (s->sp - size) & s->mask, at = stack_linear(s, sp, size);

    if (s->inner)
        sys_write(s->c, s->i, at, size, v & size_mask(size));
    else if (size == 2)
        mem_write16(s->c, s->i, SEG_NONE, at, (uint16_t)v);
    else if (size == 4)
        mem_write32(s->c, s->i, SEG_NONE, at, (uint32_t)v);
    else
        mem_write64(s->c, s->i, SEG_NONE, at, v);
    s->sp = sp;
}

uint64_t stack_peek(Stack *s, uint64_t offset, unsigned size)
{
    uint64_t at = stack_linear(s, (s->sp + offset) & s->mask, size);

    if (s->inner)
        return sys_read(s->c, s->i, at, size);
    if (size == 2)
        return mem_read16(s->c, s->i, SEG_NONE, at);
    if (size == 4)
        return mem_read32(s->c, s->i, SEG_NONE, at);
    return mem_read64(s->c, s->i, SEG_NONE, at);
}

uint64_t stack_pop(Stack *s, unsigned size)
{
    uint64_t v = stack_peek(s, 0, size);

    s->sp = (s->sp + size) & s->mask;
    return v;
}

static void set_sp(Cpu *c, uint64_t sp, uint64_t mask)
{
    if (mask == 0xffff)
        c->gpr[4] = (c->gpr[4] & ~mask) | (sp & mask);
    else
        c->gpr[4] = sp & mask;
}

void stack_commit(const Stack *s)
{
    set_sp(s->c, s->sp, s->mask);
}

void inner_stack(Cpu *c, const Insn *i, unsigned cpl, unsigned ist, uint32_t ext, Seg *ss,
                 uint64_t *sp)
{
    uint32_t err = (c->tr.selector & 0xfffc) | ext, off, size;
    unsigned type = c->tr.attr & 15;
    uint64_t at;

    if (cpu_lma(c)) {
        off = ist ? 36 + (ist - 1) * 8 : 4 + cpl * 8;
        if (off + 7 > c->tr.limit)
            raise_err(c, i, EXC_TS, err);
        *sp = sys_read(c, i, c->tr.base + off, 8);
        *ss = c->seg[SEG_SS];
        ss->selector = (uint16_t)cpl;
        ss->attr = SEG_ATTR_UNUSABLE | cpl << 5;
        seg_fix(ss);
        return;
    }
    size = type == SYS_TSS16 || type == SYS_TSS16_BUSY ? 2 : 4;
    off = size + cpl * size * 2;
    if (off + size + 1 > c->tr.limit)
        raise_err(c, i, EXC_TS, err);
    at = (uint32_t)(c->tr.base + off);
    *sp = sys_read(c, i, at, size);
    ss_prepare(c, i, (uint16_t)sys_read(c, i, (uint32_t)(at + size), 2), cpl, EXC_TS, ext, ss);
}

/* --- committing --- */

void cpu_commit_cpl(Cpu *c, unsigned cpl)
{
    c->cpl = (uint8_t)cpl;
    cpu_update_mode(c);
}

void cs_commit(Cpu *c, uint16_t selector, unsigned cpl, const Desc *d)
{
    seg_fill(&c->seg[SEG_CS], (selector & ~3) | cpl, d);
    cpu_commit_cpl(c, cpl);
}

void check_ip(Cpu *c, const Insn *i, const Desc *cs, uint64_t ip, uint32_t ext)
{
    if (cpu_lma(c) && desc_is_long(cs)) {
        if (!is_canonical(ip))
            raise_err(c, i, EXC_GP, ext);
    } else if (ip > desc_limit(cs)) {
        raise_err(c, i, EXC_GP, ext);
    }
}

static uint32_t sel_err(uint16_t selector) { return selector & 0xfffc; }

/* A code segment for a direct far transfer that stays in its ring. */
static void check_code_direct(Cpu *c, const Insn *i, uint16_t selector, Desc *d)
{
    uint32_t err = sel_err(selector);

    if (desc_is_conforming(d) ? desc_dpl(d) > c->cpl
                              : (selector & 3u) > c->cpl || desc_dpl(d) != c->cpl)
        raise_err(c, i, EXC_GP, err);
    if (cpu_lma(c) && desc_is_long(d) && desc_is_big(d))
        raise_err(c, i, EXC_GP, err);
    if (!desc_present(d))
        raise_err(c, i, EXC_NP, err);
}

/* Reads a call gate's target; the gate itself has been read. */
static uint64_t gate_target(Cpu *c, const Insn *i, uint16_t selector, const Desc *gate, bool call,
                            uint16_t *cs_sel, Desc *cs)
{
    uint32_t err = sel_err(selector);
    bool fits;

    if (desc_dpl(gate) < c->cpl || desc_dpl(gate) < (selector & 3u))
        raise_err(c, i, EXC_GP, err);
    if (cpu_lma(c) && (gate->hi2 & 0x1f00))
        raise_err(c, i, EXC_GP, err);
    if (!desc_present(gate))
        raise_err(c, i, EXC_NP, err);
    *cs_sel = gate_selector(gate);
    err = sel_err(*cs_sel);
    if (sel_is_null(*cs_sel))
        raise_gp0(c, i);
    if (!desc_read(c, i, *cs_sel, false, cs) || !desc_is_code(cs))
        raise_err(c, i, EXC_GP, err);
    fits = desc_is_conforming(cs) || call ? desc_dpl(cs) <= c->cpl : desc_dpl(cs) == c->cpl;
    if (!fits || (cpu_lma(c) && (!desc_is_long(cs) || desc_is_big(cs))))
        raise_err(c, i, EXC_GP, err);
    if (!desc_present(cs))
        raise_err(c, i, EXC_NP, err);
    desc_set_accessed(c, i, cs);
    if (cpu_lma(c))
        return gate_offset(gate) | (uint64_t)gate->lo2 << 32;
    return desc_type(gate) == SYS_CALL16 ? gate->lo & 0xffff : gate_offset(gate);
}

/* TSS descriptors and task gates named by a far JMP or CALL. */
static void far_task(Cpu *c, const Insn *i, uint16_t selector, Desc *d, bool call, uint64_t next)
{
    enum TaskReason reason = call ? TASK_CALL : TASK_JMP;
    uint32_t err = sel_err(selector);

    if (cpu_lma(c) || desc_dpl(d) < c->cpl || desc_dpl(d) < (selector & 3u))
        raise_err(c, i, EXC_GP, err);
    if (desc_type(d) == SYS_TASK_GATE) {
        if (!desc_present(d))
            raise_err(c, i, EXC_NP, err);
        task_gate(c, i, gate_selector(d), reason, next, 0);
        return;
    }
    if ((selector & 4) || (desc_type(d) != SYS_TSS16 && desc_type(d) != SYS_TSS32))
        raise_err(c, i, EXC_GP, err);
    if (!desc_present(d))
        raise_err(c, i, EXC_NP, err);
    task_switch(c, i, selector, d, reason, next, 0);
}

static bool is_call_gate(const Cpu *c, const Desc *d)
{
    return desc_type(d) == SYS_CALL32 || (desc_type(d) == SYS_CALL16 && !cpu_lma(c));
}

static bool is_task(const Desc *d)
{
    unsigned type = desc_type(d);

    return type == SYS_TASK_GATE || type == SYS_TSS16 || type == SYS_TSS32 ||
           type == SYS_TSS16_BUSY || type == SYS_TSS32_BUSY;
}

/* --- JMP --- */

static void jmp_far(Cpu *c, const Insn *i, uint16_t selector, uint64_t off)
{
    uint64_t next = insn_next(c, i);
    uint16_t cs_sel;
    Desc d, cs;

    off &= size_mask(i->opsize);
    if (!cpu_prot(c)) {
        if (off > c->seg[SEG_CS].limit)
            raise_gp0(c, i);
        seg_set_real(c, SEG_CS, selector);
        cpu_update_mode(c);
        c->rip = off;
        return;
    }
    if (sel_is_null(selector))
        raise_gp0(c, i);
    if (!desc_read(c, i, selector, true, &d))
        raise_err(c, i, EXC_GP, sel_err(selector));
    if (desc_is_code(&d)) {
        check_code_direct(c, i, selector, &d);
        check_ip(c, i, &d, off, 0);
        desc_set_accessed(c, i, &d);
        cs_commit(c, selector, c->cpl, &d);
        c->rip = off;
    } else if (desc_is_system(&d) && is_call_gate(c, &d)) {
        off = gate_target(c, i, selector, &d, false, &cs_sel, &cs);
        check_ip(c, i, &cs, off, 0);
        cs_commit(c, cs_sel, c->cpl, &cs);
        c->rip = off;
    } else if (desc_is_system(&d) && is_task(&d)) {
        far_task(c, i, selector, &d, false, next);
    } else {
        raise_err(c, i, EXC_GP, sel_err(selector));
    }
}

/* --- CALL --- */

static void call_gate(Cpu *c, const Insn *i, uint16_t selector, const Desc *gate, uint64_t next)
{
    unsigned size = cpu_lma(c) ? 8 : desc_type(gate) == SYS_CALL16 ? 2 : 4;
    uint16_t cs_sel, old_cs = c->seg[SEG_CS].selector, old_ss = c->seg[SEG_SS].selector;
    unsigned cpl, count = size == 8 ? 0 : gate->hi & 31;
    uint64_t off, sp;
    Stack old, s;
    Desc cs;
    Seg ss;

    off = gate_target(c, i, selector, gate, true, &cs_sel, &cs);
    cpl = desc_is_conforming(&cs) ? c->cpl : desc_dpl(&cs);
    if (cpl < c->cpl) {
        inner_stack(c, i, cpl, 0, 0, &ss, &sp);
        stack_init(&s, c, i, &ss, sp, size == 8, true, sel_err(ss.selector));
        stack_current(&old, c, i);
        stack_push(&s, size, old_ss);
        stack_push(&s, size, c->gpr[4]);
        for (unsigned n = count; n-- > 0;)
            stack_push(&s, size, stack_peek(&old, (uint64_t)n * size, size));
    } else {
        stack_current(&s, c, i);
        /* A compatibility-mode caller's stack is used flat from here on. */
        if (size == 8)
            stack_init(&s, c, i, &c->seg[SEG_SS], c->gpr[4], true, false, 0);
    }
    stack_push(&s, size, old_cs);
    stack_push(&s, size, next);
    check_ip(c, i, &cs, off, 0);
    if (cpl < c->cpl)
        c->seg[SEG_SS] = ss;
    stack_commit(&s);
    cs_commit(c, cs_sel, cpl, &cs);
    c->rip = off;
}

static void call_far(Cpu *c, const Insn *i, uint16_t selector, uint64_t off)
{
    uint64_t next = insn_next(c, i);
    uint16_t old_cs = c->seg[SEG_CS].selector;
    bool prot = cpu_prot(c);
    Stack s;
    Desc d;

    off &= size_mask(i->opsize);
    if (prot) {
        if (sel_is_null(selector))
            raise_gp0(c, i);
        if (!desc_read(c, i, selector, true, &d))
            raise_err(c, i, EXC_GP, sel_err(selector));
        if (desc_is_system(&d) && is_call_gate(c, &d)) {
            call_gate(c, i, selector, &d, next);
            return;
        }
        if (desc_is_system(&d) && is_task(&d)) {
            far_task(c, i, selector, &d, true, next);
            return;
        }
        if (!desc_is_code(&d))
            raise_err(c, i, EXC_GP, sel_err(selector));
        check_code_direct(c, i, selector, &d);
    }
    stack_current(&s, c, i);
    stack_push(&s, i->opsize, old_cs);
    stack_push(&s, i->opsize, next);
    if (prot) {
        check_ip(c, i, &d, off, 0);
        desc_set_accessed(c, i, &d);
    } else if (off > c->seg[SEG_CS].limit) {
        raise_gp0(c, i);
    }
    stack_commit(&s);
    if (prot) {
        cs_commit(c, selector, c->cpl, &d);
    } else {
        seg_set_real(c, SEG_CS, selector);
        cpu_update_mode(c);
    }
    c->rip = off;
}

static uint16_t read_far(Cpu *c, const Insn *i, uint64_t *off)
{
    uint64_t ea = effective_address(c, i);

    if (i->opsize == 2)
        *off = mem_read16(c, i, i->seg, ea);
    else if (i->opsize == 4)
        *off = mem_read32(c, i, i->seg, ea);
    else
        *off = mem_read64(c, i, i->seg, ea);
    return mem_read16(c, i, i->seg, (ea + i->opsize) & size_mask(i->asize));
}

OP(call_far_imm) { call_far(c, i, (uint16_t)i->disp, i->imm); }
OP(jmp_far_imm) { jmp_far(c, i, (uint16_t)i->disp, i->imm); }

OP(call_far_mem)
{
    uint64_t off;
    uint16_t selector = read_far(c, i, &off);

    call_far(c, i, selector, off);
}

OP(jmp_far_mem)
{
    uint64_t off;
    uint16_t selector = read_far(c, i, &off);

    jmp_far(c, i, selector, off);
}

/* --- RET and IRET --- */

/* The code segment that a return names. */
static void return_code(Cpu *c, const Insn *i, uint16_t selector, Desc *d)
{
    unsigned rpl = selector & 3;
    uint32_t err = sel_err(selector);

    if (sel_is_null(selector))
        raise_gp0(c, i);
    if (!desc_read(c, i, selector, false, d) || !desc_is_code(d) || rpl < c->cpl)
        raise_err(c, i, EXC_GP, err);
    if (desc_is_conforming(d) ? desc_dpl(d) > rpl : desc_dpl(d) != rpl)
        raise_err(c, i, EXC_GP, err);
    if (cpu_lma(c) && desc_is_long(d) && desc_is_big(d))
        raise_err(c, i, EXC_GP, err);
    if (!desc_present(d))
        raise_err(c, i, EXC_NP, err);
    desc_set_accessed(c, i, d);
}

/* The stack segment that a return names; null is for 64-bit code inside only. */
static void return_stack(Cpu *c, const Insn *i, uint16_t selector, unsigned rpl, bool to_64,
                         Seg *ss)
{
    if (sel_is_null(selector) && to_64 && rpl != 3 && (selector & 3u) == rpl) {
        *ss = c->seg[SEG_SS];
        ss->selector = selector;
        ss->attr = SEG_ATTR_UNUSABLE | rpl << 5;
        seg_fix(ss);
        return;
    }
    ss_prepare(c, i, selector, rpl, EXC_GP, 0, ss);
}

static uint64_t sp_mask(bool to_64, const Seg *ss)
{
    return to_64 ? UINT64_MAX : ss->big ? 0xffffffff : 0xffff;
}

OP(ret_far)
{
    unsigned size = i->opsize, rpl;
    uint64_t ip, sp, mask;
    uint16_t selector;
    bool to_64;
    Stack s;
    Desc d;
    Seg ss;

    stack_current(&s, c, i);
    ip = stack_pop(&s, size);
    selector = (uint16_t)stack_pop(&s, size);
    s.sp = (s.sp + i->imm) & s.mask;
    if (!cpu_prot(c)) {
        if (ip > c->seg[SEG_CS].limit)
            raise_gp0(c, i);
        stack_commit(&s);
        seg_set_real(c, SEG_CS, selector);
        cpu_update_mode(c);
        c->rip = ip;
        return;
    }
    return_code(c, i, selector, &d);
    rpl = selector & 3;
    to_64 = cpu_lma(c) && desc_is_long(&d);
    if (rpl == c->cpl) {
        check_ip(c, i, &d, ip, 0);
        stack_commit(&s);
        cs_commit(c, selector, rpl, &d);
        c->rip = ip;
        return;
    }
    sp = stack_pop(&s, size);
    return_stack(c, i, (uint16_t)stack_pop(&s, size), rpl, to_64, &ss);
    check_ip(c, i, &d, ip, 0);
    mask = sp_mask(to_64, &ss);
    c->seg[SEG_SS] = ss;
    set_sp(c, sp + i->imm, mask);
    c->cpl = (uint8_t)rpl;
    segs_drop_inner(c);
    cs_commit(c, selector, rpl, &d);
    c->rip = ip;
}

static void iret_real(Cpu *c, const Insn *i)
{
    uint32_t mask = RF_ARITH | RF_TF | RF_IF | RF_DF | RF_IOPL | RF_NT;
    unsigned size = i->opsize;
    uint64_t ip, flags;
    uint16_t selector;
    Stack s;

    stack_current(&s, c, i);
    ip = stack_pop(&s, size);
    selector = (uint16_t)stack_pop(&s, size);
    flags = stack_pop(&s, size);
    if (ip > c->seg[SEG_CS].limit)
        raise_gp0(c, i);
    if (size == 4)
        mask |= RF_RF | RF_AC | RF_ID;
    stack_commit(&s);
    seg_set_real(c, SEG_CS, selector);
    cpu_set_rflags(c, (uint32_t)flags, mask);
    cpu_update_mode(c);
    c->rip = ip;
}

static void iret_v86(Cpu *c, const Insn *i)
{
    uint32_t mask = RF_ARITH | RF_TF | RF_DF | RF_NT, flags;
    unsigned size = i->opsize;
    uint16_t selector;
    uint64_t ip;
    Stack s;

    if (cpu_iopl(c) != 3 && (!(c->cr4 & CR4_VME) || size != 2))
        raise_gp0(c, i);
    stack_current(&s, c, i);
    ip = stack_pop(&s, size);
    selector = (uint16_t)stack_pop(&s, size);
    flags = (uint32_t)stack_pop(&s, size);
    if (ip > c->seg[SEG_CS].limit)
        raise_gp0(c, i);
    if (cpu_iopl(c) == 3) {
        mask |= RF_IF;
    } else {
        if ((flags & RF_TF) || ((flags & RF_IF) && (c->rflags & RF_VIP)))
            raise_gp0(c, i);
        flags = (flags & ~RF_VIF) | (flags & RF_IF ? RF_VIF : 0);
        mask |= RF_VIF;
    }
    if (size == 4)
        mask |= RF_RF | RF_AC | RF_ID;
    stack_commit(&s);
    seg_set_real(c, SEG_CS, selector);
    cpu_set_rflags(c, flags, mask);
    cpu_update_mode(c);
    c->rip = ip;
}

/* From ring 0: EIP, CS and EFLAGS have been popped, six more doublewords follow. */
static void iret_to_v86(Cpu *c, Stack *s, uint64_t ip, uint16_t cs_sel, uint32_t flags)
{
    static const uint8_t order[] = { SEG_ES, SEG_DS, SEG_FS, SEG_GS };
    uint32_t sp = (uint32_t)stack_pop(s, 4);
    uint16_t ss = (uint16_t)stack_pop(s, 4), sel[4];

    for (unsigned n = 0; n < 4; n++)
        sel[n] = (uint16_t)stack_pop(s, 4);
    if ((ip & 0xffffffff) > 0xffff)
        raise_gp0(c, s->i);
    c->cpl = 3;
    cpu_set_rflags(c, flags, RF_ARITH | RF_TF | RF_IF | RF_DF | RF_IOPL | RF_NT | RF_RF | RF_VM |
                   RF_AC | RF_VIF | RF_VIP | RF_ID);
    seg_set_real(c, SEG_CS, cs_sel);
    seg_set_real(c, SEG_SS, ss);
    for (unsigned n = 0; n < 4; n++)
        seg_set_real(c, order[n], sel[n]);
    c->gpr[4] = sp;
    c->rip = ip & 0xffff;
    cpu_update_mode(c);
}

static void iret_prot(Cpu *c, const Insn *i)
{
    uint32_t mask = RF_ARITH | RF_TF | RF_DF | RF_NT;
    unsigned size = i->opsize, rpl;
    bool from_64 = cpu_in_64(c), to_64, pops_ss;
    uint64_t ip, flags, sp = 0;
    uint16_t selector;
    Stack s;
    Desc d;
    Seg ss, before = c->seg[SEG_CS];

    stack_current(&s, c, i);
    ip = stack_pop(&s, size);
    selector = (uint16_t)stack_pop(&s, size);
    flags = stack_pop(&s, size);
    if (size == 4 && !cpu_lma(c) && (flags & RF_VM) && c->cpl == 0) {
        iret_to_v86(c, &s, ip, selector, (uint32_t)flags);
        return;
    }
    return_code(c, i, selector, &d);
    rpl = selector & 3;
    to_64 = cpu_lma(c) && desc_is_long(&d);
    pops_ss = from_64 || rpl != c->cpl;
    if (pops_ss) {
        sp = stack_pop(&s, size);
        return_stack(c, i, (uint16_t)stack_pop(&s, size), rpl, to_64, &ss);
    }
    check_ip(c, i, &d, ip, 0);

    if (size != 2)
        mask |= RF_RF | RF_AC | RF_ID;
    if (c->cpl <= cpu_iopl(c))
        mask |= RF_IF;
    if (c->cpl == 0)
        mask |= RF_IOPL | (size != 2 ? RF_VIF | RF_VIP : 0);
    if (pops_ss) {
        set_sp(c, sp, sp_mask(to_64, &ss));
        c->seg[SEG_SS] = ss;
    } else {
        stack_commit(&s);
    }
    if (rpl != c->cpl) {
        c->cpl = (uint8_t)rpl;
        segs_drop_inner(c);
    }
    seg_fill(&c->seg[SEG_CS], selector, &d);
    cpu_set_rflags(c, (uint32_t)flags, mask);
    if (pops_ss)
        cpu_update_mode(c);
    else
        cpu_update_code(c, &before, c->cpl);
    c->rip = ip;
}

OP(iret)
{
    uint64_t next = insn_next(c, i);

    c->nmi_blocked = 0;
    if (cpu_v86(c)) {
        iret_v86(c, i);
    } else if (!cpu_prot(c)) {
        iret_real(c, i);
    } else if (c->rflags & RF_NT) {
        if (cpu_lma(c))
            raise_gp0(c, i);
        task_return(c, i, next);
    } else {
        iret_prot(c, i);
    }
}
