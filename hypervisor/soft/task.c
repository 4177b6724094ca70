/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * task.c - hardware task switches with 16- and 32-bit task state segments.
 *
 * Intel SDM volume 3 chapter 7.  Up to the load of TR a fault belongs to the old task and nothing
 * has changed; from there on it belongs to the new one, at its first instruction.  Busy bits are
 * written without a bus lock.
 */
#include "hypervisor/soft/cpu.h"
#include "hypervisor/soft/ops.h"
#include "hypervisor/soft/sys.h"

typedef struct TaskImage {
    uint32_t cr3, eip, eflags, gpr[8];
    uint16_t sel[SEG_COUNT], ldt, trap;
} TaskImage;

static bool tss_is_32(uint32_t attr) { return attr & 8; }

static void put(Cpu *c, uint64_t at, unsigned size, uint64_t v)
{
    sys_write(c, NULL, (uint32_t)at, size, v);
}

static uint32_t get(Cpu *c, uint64_t at, unsigned size)
{
    return (uint32_t)sys_read(c, NULL, (uint32_t)at, size);
}

static void save_state(Cpu *c, uint32_t eip, uint32_t flags)
{
    uint64_t base = c->tr.base;
    bool big = tss_is_32(c->tr.attr);
    unsigned size = big ? 4 : 2, at = big ? 0x20 : 0x0e;

    put(c, base + at, size, eip);
    put(c, base + at + size, size, flags);
    at += 2 * size;
    for (unsigned n = 0; n < 8; n++, at += size)
        put(c, base + at, size, c->gpr[n]);
    for (unsigned n = 0; n < (big ? 6u : 4u); n++, at += size)
        put(c, base + at, 2, c->seg[n].selector);
}

static void load_image(Cpu *c, uint64_t base, bool big, TaskImage *t)
{
    unsigned size = big ? 4 : 2, at = big ? 0x20 : 0x0e;

    *t = (TaskImage){ 0 };
    if (big)
        t->cr3 = get(c, base + 0x1c, 4);
    t->eip = get(c, base + at, size);
    t->eflags = get(c, base + at + size, size);
    at += 2 * size;
    for (unsigned n = 0; n < 8; n++, at += size)
        t->gpr[n] = get(c, base + at, size) | (big ? 0 : 0xffff0000);
    for (unsigned n = 0; n < (big ? 6u : 4u); n++, at += size)
        t->sel[n] = (uint16_t)get(c, base + at, 2);
    t->ldt = (uint16_t)get(c, base + at, 2);
    if (big)
        t->trap = get(c, base + 0x64, 2) & 1;
}

static void set_busy(Cpu *c, const Insn *i, uint16_t selector, bool busy)
{
    Desc d;

    if (!desc_read(c, i, selector & ~4, false, &d))
        return;
    d.hi = busy ? d.hi | 0x200 : d.hi & ~0x200u;
    sys_write(c, i, d.at + 5, 1, (d.hi >> 8) & 0xff);
}

static void task_load_ldt(Cpu *c, uint16_t selector, uint32_t ext)
{
    uint32_t err = (selector & 0xfffc) | ext;
    Desc d;

    if (sel_is_null(selector))
        return;
    if ((selector & 4) || !desc_read(c, NULL, selector, false, &d) || !desc_is_system(&d) ||
        desc_type(&d) != SYS_LDT || !desc_present(&d))
        raise_err(c, NULL, EXC_TS, err);
    seg_fill(&c->ldtr, selector, &d);
}

static void task_load_cs(Cpu *c, uint16_t selector, uint32_t ext, Desc *d)
{
    uint32_t err = (selector & 0xfffc) | ext;
    unsigned rpl = selector & 3;

    if (sel_is_null(selector))
        raise_err(c, NULL, EXC_TS, ext);
    if (!desc_read(c, NULL, selector, false, d) || !desc_is_code(d) ||
        (desc_is_conforming(d) ? desc_dpl(d) > rpl : desc_dpl(d) != rpl))
        raise_err(c, NULL, EXC_TS, err);
    if (!desc_present(d))
        raise_err(c, NULL, EXC_NP, err);
    desc_set_accessed(c, NULL, d);
    cs_commit(c, selector, rpl, d);
}

static void task_load_data(Cpu *c, unsigned seg, uint16_t selector, uint32_t ext)
{
    uint32_t err = (selector & 0xfffc) | ext;
    Desc d;

    if (sel_is_null(selector))
        return;
    if (!desc_read(c, NULL, selector, false, &d) || !desc_is_readable(&d) ||
        (!desc_is_conforming(&d) && (desc_dpl(&d) < c->cpl || desc_dpl(&d) < (selector & 3u))))
        raise_err(c, NULL, EXC_TS, err);
    if (!desc_present(&d))
        raise_err(c, NULL, EXC_NP, err);
    desc_set_accessed(c, NULL, &d);
    seg_fill(&c->seg[seg], selector, &d);
}

/* Segments of the new task; faults are its own. */
static void load_segments(Cpu *c, const TaskImage *t, uint32_t ext)
{
    static const uint8_t data[] = { SEG_ES, SEG_DS, SEG_FS, SEG_GS };
    Desc cs;

    if (t->eflags & RF_VM) {
        task_load_ldt(c, t->ldt, ext);
        for (unsigned n = 0; n < SEG_COUNT; n++)
            seg_set_real(c, n, t->sel[n]);
        cpu_update_mode(c);
        if (t->eip > 0xffff)
            raise_err(c, NULL, EXC_GP, ext);
        return;
    }
    task_load_ldt(c, t->ldt, ext);
    task_load_cs(c, t->sel[SEG_CS], ext, &cs);
    ss_prepare(c, NULL, t->sel[SEG_SS], c->cpl, EXC_TS, ext, &c->seg[SEG_SS]);
    cpu_update_mode(c);
    for (unsigned n = 0; n < 4; n++)
        task_load_data(c, data[n], t->sel[data[n]], ext);
    cpu_update_mode(c);
    if (t->eip > c->seg[SEG_CS].limit)
        raise_err(c, NULL, EXC_GP, ext);
}

/* The point of no return: registers of the new task, segments not yet valid. */
static void commit_image(Cpu *c, const TaskImage *t, bool big)
{
    const uint32_t all = RF_ARITH | RF_TF | RF_IF | RF_DF | RF_IOPL | RF_NT | RF_RF | RF_VM | RF_AC |
                         RF_VIF | RF_VIP | RF_ID;

    if (big && (c->cr0 & CR0_PG) && (uint32_t)c->cr3 != t->cr3) {
        c->cr3 = t->cr3;
        if (c->cr4 & CR4_PAE)
            mmu_load_pdptes(c, c->cr3);
        tlb_flush_local(c);
    }
    for (unsigned n = 0; n < 8; n++)
        c->gpr[n] = t->gpr[n];
    c->rip = t->eip;
    for (unsigned n = 0; n < SEG_COUNT; n++)
        seg_make_null(&c->seg[n], t->sel[n]);
    seg_make_null(&c->ldtr, t->ldt);
    c->cpl = t->eflags & RF_VM ? 3 : t->sel[SEG_CS] & 3;
    c->dr[7] &= ~0x155ull;
    points_update(c);
    c->cr0 |= CR0_TS;
    c->shadow = 0;
    cpu_set_rflags(c, t->eflags, all);
}

void task_switch(Cpu *c, const Insn *i, uint16_t selector, Desc *d, enum TaskReason reason,
                 uint64_t next, uint32_t ext)
{
    bool big = tss_is_32(desc_attr(d)), nest = reason == TASK_CALL || reason == TASK_EVENT;
    bool old_big = tss_is_32(c->tr.attr);
    uint32_t flags = cpu_get_rflags(c), base = (uint32_t)desc_base(d);
    uint16_t old_sel = c->tr.selector;
    TaskImage t;

    if (desc_limit(d) < (big ? 0x67u : 0x2bu))
        raise_err(c, i, EXC_TS, (selector & 0xfffc) | ext);
    if (c->tr.limit < (old_big ? 0x5fu : 0x29u))
        raise_err(c, i, EXC_TS, (old_sel & 0xfffc) | ext);
    sys_check(c, i, base, big ? 0x68 : 0x2c, nest);
    sys_check(c, i, (uint32_t)c->tr.base, old_big ? 0x60 : 0x2a, true);
    if (reason == TASK_JMP || reason == TASK_IRET)
        set_busy(c, i, old_sel, false);
    if (reason == TASK_IRET)
        flags &= ~RF_NT;
    save_state(c, (uint32_t)next, flags);
    load_image(c, base, big, &t);
    if (nest) {
        put(c, base, 2, old_sel);
        t.eflags |= RF_NT;
    }
    if (reason != TASK_IRET)
        set_busy(c, i, selector, true);
    d->hi |= 0x200;
    seg_fill(&c->tr, selector, d);
    commit_image(c, &t, big);
    load_segments(c, &t, ext);
    if (t.trap) {
        c->exc_dr6 = 0x8000;
        raise_exc(c, NULL, EXC_DB);
    }
}

void task_gate(Cpu *c, const Insn *i, uint16_t tss_selector, enum TaskReason reason, uint64_t next,
               uint32_t ext)
{
    uint32_t err = (tss_selector & 0xfffc) | ext;
    Desc d;

    if ((tss_selector & 4) || sel_is_null(tss_selector) ||
        !desc_read(c, i, tss_selector, false, &d) || !desc_is_system(&d) ||
        (desc_type(&d) != SYS_TSS16 && desc_type(&d) != SYS_TSS32))
        raise_err(c, i, EXC_GP, err);
    if (!desc_present(&d))
        raise_err(c, i, EXC_NP, err);
    task_switch(c, i, tss_selector, &d, reason, next, ext);
}

void task_return(Cpu *c, const Insn *i, uint64_t next)
{
    uint16_t selector = (uint16_t)sys_read(c, i, (uint32_t)c->tr.base, 2);
    uint32_t err = selector & 0xfffc;
    Desc d;

    if ((selector & 4) || sel_is_null(selector) || !desc_read(c, i, selector, false, &d) ||
        !desc_is_system(&d) ||
        (desc_type(&d) != SYS_TSS16_BUSY && desc_type(&d) != SYS_TSS32_BUSY))
        raise_err(c, i, EXC_TS, err);
    if (!desc_present(&d))
        raise_err(c, i, EXC_NP, err);
    task_switch(c, i, selector, &d, TASK_IRET, next, 0);
}
