/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * event.c - delivery of exceptions and interrupts in every mode, double and triple faults, and the
 * instructions that make software interrupts.
 *
 * Intel SDM volume 3 chapter 6, and 20.2/20.3 for virtual-8086 mode with the VME redirection
 * bitmap.  A fault met during delivery comes back here by the unwinding that raise_*() does, and
 * becomes the next event.
 */
#include <string.h>
#include "hypervisor/soft/cpu.h"
#include "hypervisor/soft/ops.h"
#include "hypervisor/soft/sys.h"

typedef struct Event {
    int vector;
    bool soft;                  /* INT n, INT3, INTO: gate privilege is checked, EXT is 0 */
    bool has_error;
    uint32_t error;
    uint32_t ext;               /* bit 0 of error codes from delivery */
    uint32_t flags;             /* RFLAGS to push */
} Event;

/* --- real mode and V86 through the IVT --- */

static void deliver_ivt(Cpu *c, const Event *e, uint64_t table, bool vme)
{
    uint32_t entry, flags = e->flags, clear = RF_TF | RF_AC | RF_RF;
    Stack s;

    if (!vme && (uint32_t)e->vector * 4 + 3 > c->idt_limit)
        raise_err(c, NULL, EXC_GP, (uint32_t)e->vector * 8 + 2 + e->ext);
    entry = (uint32_t)sys_read(c, NULL, (uint32_t)(table + (uint32_t)e->vector * 4), 4);
    if (vme && cpu_iopl(c) != 3) {
        flags = (flags & ~(uint32_t)RF_IF) | RF_IOPL | (flags & RF_VIF ? RF_IF : 0);
        clear |= RF_VIF;
    } else {
        clear |= RF_IF;
    }
    if (vme)
        clear &= ~(uint32_t)RF_AC;
    stack_current(&s, c, NULL);
    stack_push(&s, 2, flags);
    stack_push(&s, 2, c->seg[SEG_CS].selector);
    stack_push(&s, 2, c->rip);
    if ((entry & 0xffff) > c->seg[SEG_CS].limit)
        raise_err(c, NULL, EXC_GP, e->ext);
    stack_commit(&s);
    seg_set_real(c, SEG_CS, entry >> 16);
    cpu_set_rflags(c, 0, clear);
    c->rip = entry & 0xffff;
    cpu_update_mode(c);
}

/* --- protected mode --- */

/* Reads the gate's code segment; *cpl becomes the handler's. */
static void gate_code(Cpu *c, const Event *e, uint16_t selector, Desc *cs, unsigned *cpl)
{
    uint32_t err = (selector & 0xfffc) | e->ext;
    bool lma = cpu_lma(c);

    if (sel_is_null(selector))
        raise_err(c, NULL, EXC_GP, e->ext);
    if (!desc_read(c, NULL, selector, false, cs) || !desc_is_code(cs) || desc_dpl(cs) > c->cpl ||
        (lma && (!desc_is_long(cs) || desc_is_big(cs))))
        raise_err(c, NULL, EXC_GP, err);
    if (!desc_present(cs))
        raise_err(c, NULL, EXC_NP, err);
    *cpl = desc_is_conforming(cs) ? c->cpl : desc_dpl(cs);
    if (cpu_v86(c) && *cpl != 0)
        raise_err(c, NULL, EXC_GP, err);
    desc_set_accessed(c, NULL, cs);
}

static void read_gate(Cpu *c, const Event *e, Desc *gate)
{
    unsigned size = cpu_lma(c) ? 16 : 8;
    uint32_t err = (uint32_t)e->vector * 8 + 2 + e->ext;
    uint64_t at = c->idt_base + (uint64_t)e->vector * size, raw;
    unsigned type;

    if ((uint32_t)e->vector * size + size - 1 > c->idt_limit)
        raise_err(c, NULL, EXC_GP, err);
    raw = sys_read(c, NULL, at, 8);
    *gate = (Desc){ .lo = (uint32_t)raw, .hi = raw >> 32, .at = at };
    if (size == 16) {
        raw = sys_read(c, NULL, at + 8, 8);
        gate->lo2 = (uint32_t)raw;
        gate->hi2 = raw >> 32;
    }
    type = desc_type(gate);
    if (!desc_is_system(gate) ||
        (type != SYS_INT32 && type != SYS_TRAP32 &&
         (size == 16 || (type != SYS_INT16 && type != SYS_TRAP16 && type != SYS_TASK_GATE))))
        raise_err(c, NULL, EXC_GP, err);
    if (e->soft && desc_dpl(gate) < c->cpl)
        raise_err(c, NULL, EXC_GP, err);
    if (!desc_present(gate))
        raise_err(c, NULL, EXC_NP, err);
}

static void enter_handler(Cpu *c, const Desc *gate, uint16_t selector, const Desc *cs,
                          unsigned cpl, uint64_t ip)
{
    uint32_t clear = RF_TF | RF_NT | RF_VM | RF_RF;
    Seg before = c->seg[SEG_CS];
    unsigned cpl_before = c->cpl;

    if (!(desc_type(gate) & 1))
        clear |= RF_IF;
    seg_fill(&c->seg[SEG_CS], (uint16_t)((selector & ~3) | cpl), cs);
    c->cpl = (uint8_t)cpl;
    c->rip = ip;
    cpu_set_rflags(c, 0, clear);
    cpu_update_code(c, &before, cpl_before);
}

static void deliver_task(Cpu *c, const Event *e, const Desc *gate)
{
    bool big;
    Stack s;

    c->rflags |= e->flags & RF_RF;      /* for the old task's TSS */
    task_gate(c, NULL, gate_selector(gate), TASK_EVENT, c->rip, e->ext);
    if (!e->has_error)
        return;
    big = c->tr.attr & 8;
    stack_current(&s, c, NULL);
    s.err = e->ext;
    stack_push(&s, big ? 4 : 2, e->error);
    stack_commit(&s);
}

static void deliver_prot(Cpu *c, const Event *e)
{
    bool v86 = cpu_v86(c), inner;
    uint16_t selector;
    unsigned cpl, size;
    uint64_t sp, ip;
    Desc gate, cs;
    Stack s;
    Seg ss;

    read_gate(c, e, &gate);
    if (desc_type(&gate) == SYS_TASK_GATE) {
        deliver_task(c, e, &gate);
        return;
    }
    size = desc_type(&gate) & 8 ? 4 : 2;
    selector = gate_selector(&gate);
    gate_code(c, e, selector, &cs, &cpl);
    inner = cpl < c->cpl;
    if (inner) {
        inner_stack(c, NULL, cpl, 0, e->ext, &ss, &sp);
        stack_init(&s, c, NULL, &ss, sp, false, true, (ss.selector & 0xfffc) | e->ext);
        if (v86) {
            stack_push(&s, size, c->seg[SEG_GS].selector);
            stack_push(&s, size, c->seg[SEG_FS].selector);
            stack_push(&s, size, c->seg[SEG_DS].selector);
            stack_push(&s, size, c->seg[SEG_ES].selector);
        }
        stack_push(&s, size, c->seg[SEG_SS].selector);
        stack_push(&s, size, c->gpr[4]);
    } else {
        stack_current(&s, c, NULL);
        s.err = e->ext;
    }
    stack_push(&s, size, e->flags);
    stack_push(&s, size, c->seg[SEG_CS].selector);
    stack_push(&s, size, c->rip);
    if (e->has_error)
        stack_push(&s, size, e->error);
    ip = size == 2 ? gate.lo & 0xffff : gate_offset(&gate);
    check_ip(c, NULL, &cs, ip, e->ext);

    if (inner)
        c->seg[SEG_SS] = ss;
    stack_commit(&s);
    if (v86)
        for (unsigned n = 0; n < SEG_COUNT; n++)
            if (n != SEG_CS && n != SEG_SS)
                seg_make_null(&c->seg[n], 0);
    enter_handler(c, &gate, selector, &cs, cpl, ip);
}

/* --- long mode --- */

static void deliver_long(Cpu *c, const Event *e)
{
    uint16_t selector;
    unsigned cpl, ist;
    uint64_t sp, ip;
    bool inner;
    Desc gate, cs;
    Stack s;
    Seg ss = c->seg[SEG_SS], unused;

    read_gate(c, e, &gate);
    selector = gate_selector(&gate);
    gate_code(c, e, selector, &cs, &cpl);
    inner = cpl < c->cpl;
    ist = gate.hi & 7;
    sp = c->gpr[4];
    if (inner)
        inner_stack(c, NULL, cpl, ist, e->ext, &ss, &sp);
    else if (ist)
        inner_stack(c, NULL, cpl, ist, e->ext, &unused, &sp);
    if (!is_canonical(sp))
        raise_err(c, NULL, EXC_SS, e->ext);
    stack_init(&s, c, NULL, &ss, sp & ~15ull, true, cpl != 3, e->ext);
    stack_push(&s, 8, c->seg[SEG_SS].selector);
    stack_push(&s, 8, c->gpr[4]);
    stack_push(&s, 8, e->flags);
    stack_push(&s, 8, c->seg[SEG_CS].selector);
    stack_push(&s, 8, c->rip);
    if (e->has_error)
        stack_push(&s, 8, e->error);
    ip = gate_offset(&gate) | (uint64_t)gate.lo2 << 32;
    check_ip(c, NULL, &cs, ip, e->ext);

    c->seg[SEG_SS] = ss;
    stack_commit(&s);
    enter_handler(c, &gate, selector, &cs, cpl, ip);
}

/* --- which, and what comes of faults --- */

/* RF is pushed as 1 by faults, so that they don't meet the same breakpoint again. */
static bool pushes_rf(int vector, int type)
{
    return type == EVENT_EXCEPTION && vector != EXC_DB && vector != EXC_BP && vector != EXC_OF &&
           vector != EXC_MC;
}

static void deliver_once(Cpu *c, int vector, int type, bool has_error, uint32_t error)
{
    Event e = { .vector = vector, .has_error = has_error, .error = error };

    e.soft = type == EVENT_SOFT_INT || type == EVENT_SOFT_EXCEPTION;
    e.ext = !e.soft;
    e.flags = cpu_get_rflags(c);
    if (e.soft)
        e.flags &= ~(uint32_t)RF_RF;
    else if (pushes_rf(vector, type))
        e.flags |= RF_RF;
    if (!(c->cr0 & CR0_PE))
        deliver_ivt(c, &e, c->idt_base, false);
    else if (type == EVENT_SOFT_INT && cpu_v86(c) && (c->cr4 & CR4_VME) &&
             vme_redirected(c, NULL, (unsigned)vector))
        deliver_ivt(c, &e, 0, true);
    else if (cpu_lma(c))
        deliver_long(c, &e);
    else
        deliver_prot(c, &e);
}

static bool is_contributory(int vector)
{
    return vector == EXC_DE || (vector >= EXC_TS && vector <= EXC_GP);
}

/* second came up while first was delivered. */
static bool makes_double(int first, int second)
{
    if (first == EXC_PF)
        return second == EXC_PF || is_contributory(second);
    return is_contributory(first) && is_contributory(second);
}

enum { ROUNDS_MAX = 8 };        /* of faults in delivery, in one go */

bool cpu_deliver(Cpu *c, int vector_in, int type_in, bool has_error_in, uint32_t error_in)
{
    volatile int vector = vector_in, type = type_in;
    volatile bool has_error = has_error_in;
    volatile uint32_t error = error_in;
    const unsigned insn_len = c->exc_insn_len, task = c->tr.selector;
    volatile unsigned rounds = 0;
    sigjmp_buf saved;

    memcpy(&saved, &c->unwind, sizeof saved);
    c->halted = 0;
    c->shadow = 0;
    for (;;) {
        if (type == EVENT_NMI)
            c->nmi_blocked = 1;
        if (!sigsetjmp(c->unwind, 0)) {
            deliver_once(c, vector, type, has_error, error);
            if (vector == EXC_DB && type == EVENT_EXCEPTION)
                c->dr[7] &= ~0x2000ull;
            memcpy(&c->unwind, &saved, sizeof saved);
            return true;
        }
        if (type == EVENT_SOFT_INT || type == EVENT_SOFT_EXCEPTION) {
            /* Back to the INT, unless a task gate has already taken effect. */
            if (c->tr.selector == task)
                c->rip -= insn_len;
        } else if (type == EVENT_EXCEPTION) {
            if (vector == EXC_DF &&
                (is_contributory(c->exc_vector) || c->exc_vector == EXC_PF)) {
                memcpy(&c->unwind, &saved, sizeof saved);
                return false;
            }
            if (makes_double(vector, c->exc_vector)) {
                c->exc_vector = EXC_DF;
                c->exc_has_error = true;
                c->exc_error = 0;
            }
        }
        if (c->exc_vector == EXC_DB) {
            c->dr[6] |= c->exc_dr6;
            c->exc_dr6 = 0;
        }
        /* #AC and #GP can take turns for ever: let the run loop see whether it should stop. */
        if (++rounds == ROUNDS_MAX) {
            c->exc_type = EVENT_EXCEPTION;
            c->exc_has_error = c->exc_has_error && (c->cr0 & CR0_PE);
            memcpy(&c->unwind, &saved, sizeof saved);
            return true;
        }
        vector = c->exc_vector;
        type = EVENT_EXCEPTION;
        has_error = c->exc_has_error && (c->cr0 & CR0_PE);
        error = c->exc_error;
        c->exc_vector = -1;
    }
}

/* --- INT n and relatives --- */

/* The interrupt redirection bitmap: 32 bytes below the I/O bitmap; a clear bit means that V86 code
 * handles the interrupt itself. */
bool vme_redirected(Cpu *c, const Insn *i, unsigned vector)
{
    unsigned type = c->tr.attr & 15;
    uint32_t at;

    if ((type != SYS_TSS32 && type != SYS_TSS32_BUSY) || c->tr.limit < 103)
        return false;
    at = (uint32_t)sys_read(c, i, (uint32_t)(c->tr.base + 102), 2);
    if (at < 32 || at - 32 + vector / 8 > c->tr.limit)
        return false;
    at = at - 32 + vector / 8;
    return !(sys_read(c, i, (uint32_t)(c->tr.base + at), 1) >> (vector & 7) & 1);
}

OP(int_imm)
{
    unsigned vector = (uint8_t)i->imm;

    if (cpu_v86(c) && cpu_iopl(c) != 3 &&
        (!(c->cr4 & CR4_VME) || !vme_redirected(c, i, vector)))
        raise_gp0(c, i);
    raise_soft(c, i, (int)vector, EVENT_SOFT_INT);
}

OP(int3)
{
    raise_soft(c, i, EXC_BP, EVENT_SOFT_EXCEPTION);
}

OP(into)
{
    if (c->aflags & FLAG_OF)
        raise_soft(c, i, EXC_OF, EVENT_SOFT_EXCEPTION);
    END(c, i);
}

/* ICEBP is a #DB trap: no gate privilege check, and no bit in DR6. */
OP(int1)
{
    c->exc_dr6 = 0;
    raise_soft(c, i, EXC_DB, EVENT_EXCEPTION);
}
