/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lapic.c - local APIC, xAPIC and x2APIC (Intel SDM vol. 3, chapter 10): registers, priorities,
 * timer in one-shot, periodic and TSC-deadline mode, ICR.  Left out: thermal and performance
 * counter sources, which never fire here, and the arbitration register's history.
 */
#include "hypervisor/hvm/lapic.h"

#include <string.h>

enum { ID = 0x02, VERSION = 0x03, TPR = 0x08, APR = 0x09, PPR = 0x0a, EOI = 0x0b, LDR = 0x0d,
       DFR = 0x0e, SVR = 0x0f, ISR0 = 0x10, TMR0 = 0x18, IRR0 = 0x20, ESR = 0x28, LVT_CMCI = 0x2f,
       ICR = 0x30, ICR2 = 0x31, LVT_TIMER = 0x32, LVT_THERMAL = 0x33, LVT_PERF = 0x34,
       LVT0 = 0x35, LVT1 = 0x36, LVT_ERROR = 0x37, INITIAL = 0x38, CURRENT = 0x39, DIVIDE = 0x3e,
       SELF_IPI = 0x3f };
enum { BASE_BSP = 0x100, BASE_X2 = 0x400, BASE_ENABLE = 0x800 };
enum { LVT_MASKED = 0x10000, SVR_ENABLE = 0x100, SVR_EOI_OFF = 0x1000 };
enum { TIMER_ONESHOT, TIMER_PERIODIC, TIMER_DEADLINE };
enum { ERR_SEND_VECTOR = 0x20, ERR_RECEIVE_VECTOR = 0x40, ERR_REGISTER = 0x80 };
enum { MSR_APIC_BASE = 0x1b, MSR_TSC_DEADLINE = 0x6e0, MSR_X2 = 0x800 };
#define BUS_NS 10               /* bus clock period: 100 MHz, as Xen's */
#define APIC_VERSION 0x50014    /* version 14h, LVT entries 0-5 */

bool lapic_enabled(const Lapic *l)
{
    return l->base & BASE_ENABLE;
}

bool lapic_software_enabled(const Lapic *l)
{
    return lapic_enabled(l) && (l->regs[SVR] & SVR_ENABLE);
}

bool lapic_x2(const Lapic *l)
{
    return (l->base & (BASE_ENABLE | BASE_X2)) == (BASE_ENABLE | BASE_X2);
}

static void set_bit(uint32_t *set, uint8_t vector)
{
    set[vector >> 5] |= 1u << (vector & 31);
}

static void clear_bit(uint32_t *set, uint8_t vector)
{
    set[vector >> 5] &= ~(1u << (vector & 31));
}

static bool test_bit(const uint32_t *set, uint8_t vector)
{
    return set[vector >> 5] >> (vector & 31) & 1;
}

static int highest(const uint32_t *set)
{
    for (int i = 7; i >= 0; i--) {
        if (set[i]) {
            return i * 32 + 31 - __builtin_clz(set[i]);
        }
    }
    return -1;
}

uint8_t lapic_ppr(const Lapic *l)
{
    int isr = highest(l->isr);
    uint8_t service = isr < 0 ? 0 : isr & 0xf0, tpr = l->regs[TPR];

    return (tpr & 0xf0) >= service ? tpr : service;
}

int lapic_pending(const Lapic *l)
{
    int vector = highest(l->irr);

    return vector >= 0 && lapic_software_enabled(l) && (vector & 0xf0) > (lapic_ppr(l) & 0xf0)
               ? vector : -1;
}

int lapic_ack(Lapic *l)
{
    int vector = lapic_pending(l);

    if (vector >= 0) {
        clear_bit(l->irr, vector);
        set_bit(l->isr, vector);
    }
    return vector;
}

static void lapic_error(Lapic *l, uint32_t bit)
{
    uint32_t lvt = l->regs[LVT_ERROR];

    if (l->esr_pending & bit) {
        return;
    }
    l->esr_pending |= bit;
    if (!(lvt & LVT_MASKED) && (lvt & 0xff) >= 16) {    /* an illegal one would come back here */
        lapic_deliver(l, lvt, false);
    }
}

void lapic_deliver(Lapic *l, uint8_t vector, bool level)
{
    if (!lapic_software_enabled(l)) {
        return;
    }
    if (vector < 16) {
        lapic_error(l, ERR_RECEIVE_VECTOR);
        return;
    }
    set_bit(l->irr, vector);
    if (level) {
        set_bit(l->tmr, vector);
    } else {
        clear_bit(l->tmr, vector);
    }
    l->host->kick(l->host->opaque, l->vcpu);
}

static void end_of_interrupt(Lapic *l)
{
    int vector = highest(l->isr);

    if (vector < 0) {
        return;
    }
    clear_bit(l->isr, vector);
    if (test_bit(l->tmr, vector) && !(l->regs[SVR] & SVR_EOI_OFF)) {
        l->host->eoi(l->host->opaque, vector);
    }
    l->host->kick(l->host->opaque, l->vcpu);
}

bool lapic_matches(const Lapic *l, uint32_t dest, bool logical, bool x2)
{
    uint32_t ldr = l->regs[LDR];

    if (!lapic_enabled(l)) {
        return false;
    }
    if (!logical) {
        return dest == l->id || dest == (x2 ? 0xffffffff : 0xff);
    }
    if (lapic_x2(l)) {
        if (!x2 && dest == 0xff) {
            return true;
        }
        return dest == 0xffffffff || (dest >> 16 == ldr >> 16 && (dest & ldr & 0xffff));
    }
    ldr >>= 24;
    dest &= 0xff;
    if (l->regs[DFR] >> 28 == 0xf) {
        return dest == 0xff || (dest & ldr);
    }
    return dest == 0xff || (dest >> 4 == ldr >> 4 && (dest & ldr & 0x0f));
}

bool lapic_lint0_extint(const Lapic *l)
{
    return !(l->regs[LVT0] & LVT_MASKED) && (l->regs[LVT0] >> 8 & 7) == 7;
}

/* --- timer --- */

static unsigned timer_mode(const Lapic *l)
{
    return l->regs[LVT_TIMER] >> 17 & 3;
}

static int64_t tick_ns(const Lapic *l)
{
    unsigned code = (l->regs[DIVIDE] & 3) | (l->regs[DIVIDE] >> 1 & 4);

    return (int64_t)BUS_NS << ((code + 1) & 7);
}

static int64_t lapic_now(const Lapic *l)
{
    return l->host->now(l->host->opaque);
}

static void timer_arm(Lapic *l)
{
    int64_t now = lapic_now(l);

    if (timer_mode(l) == TIMER_DEADLINE) {
        uint64_t tsc = l->host->tsc(l->host->opaque, l->vcpu);
        unsigned __int128 ns = l->tsc_deadline > tsc
                                   ? (unsigned __int128)(l->tsc_deadline - tsc) * 1000000 /
                                     (l->tsc_khz ? l->tsc_khz : 1) : 0;

        if (l->tsc_deadline == 0) {
            timer_cancel(&l->timer);
        } else {
            timer_at(&l->timer, now + (int64_t)(ns > (1ull << 60) ? 1ull << 60 : ns));
        }
    } else if (l->regs[INITIAL] == 0) {
        timer_cancel(&l->timer);
    } else {
        timer_at(&l->timer, l->timer_start + l->regs[INITIAL] * tick_ns(l));
    }
}

static void timer_fire(void *opaque)
{
    Lapic *l = opaque;
    uint32_t lvt = l->regs[LVT_TIMER];

    if (timer_mode(l) == TIMER_DEADLINE) {
        uint64_t tsc = l->host->tsc(l->host->opaque, l->vcpu);

        if (l->tsc_deadline > tsc) {    /* the two clocks round differently */
            timer_arm(l);
            return;
        }
        l->tsc_deadline = 0;
    } else if (timer_mode(l) == TIMER_PERIODIC && l->regs[INITIAL]) {
        int64_t period = l->regs[INITIAL] * tick_ns(l), late = lapic_now(l) - l->timer_start;

        period = period < 10000 ? 10000 : period;       /* at most 100 kHz */
        l->timer_start += late / period * period;       /* missed ones are not made up for */
        timer_at(&l->timer, l->timer_start + period);
    }
    if (!(lvt & LVT_MASKED)) {
        lapic_deliver(l, lvt, false);
    }
}

static uint32_t current_count(const Lapic *l)
{
    int64_t ticks = (lapic_now(l) - l->timer_start) / tick_ns(l);
    uint32_t initial = l->regs[INITIAL];

    if (initial == 0 || timer_mode(l) == TIMER_DEADLINE) {
        return 0;
    }
    if (timer_mode(l) == TIMER_PERIODIC) {
        return initial - ticks % initial;
    }
    return ticks >= initial ? 0 : initial - ticks;
}

/* --- registers --- */

static void write_icr(Lapic *l, uint32_t low, uint32_t dest)
{
    LapicIpi ipi = { .vector = low, .delivery = low >> 8 & 7, .shorthand = low >> 18 & 3,
                     .logical = low & 0x800, .level = low & 0x8000, .assert_level = low & 0x4000,
                     .dest = dest, .x2 = lapic_x2(l) };

    l->regs[ICR] = low & ~0x1000u;
    if ((ipi.delivery == 0 || ipi.delivery == 1) && ipi.vector < 16) {
        lapic_error(l, ERR_SEND_VECTOR);
        return;
    }
    l->host->ipi(l->host->opaque, l->vcpu, &ipi);
}

static void write_lvt(Lapic *l, unsigned reg, uint32_t v)
{
    static const uint32_t mask[] = { [LVT_TIMER - LVT_TIMER] = 0x700ff,
        [LVT_THERMAL - LVT_TIMER] = 0x107ff, [LVT_PERF - LVT_TIMER] = 0x107ff,
        [LVT0 - LVT_TIMER] = 0x1a7ff, [LVT1 - LVT_TIMER] = 0x1a7ff,
        [LVT_ERROR - LVT_TIMER] = 0x100ff };
    unsigned mode = timer_mode(l);

    v &= mask[reg - LVT_TIMER];
    if (!(l->regs[SVR] & SVR_ENABLE)) {
        v |= LVT_MASKED;
    }
    l->regs[reg] = v;
    if (reg == LVT_TIMER && timer_mode(l) != mode) {
        timer_cancel(&l->timer);
        l->tsc_deadline = 0;
        if (mode == TIMER_DEADLINE || timer_mode(l) == TIMER_DEADLINE) {
            l->regs[INITIAL] = 0;
        } else {
            timer_arm(l);
        }
    }
}

static void write_svr(Lapic *l, uint32_t v)
{
    l->regs[SVR] = v & 0x11ff;
    if (!(v & SVR_ENABLE)) {
        for (unsigned r = LVT_TIMER; r <= LVT_ERROR; r++) {
            l->regs[r] |= LVT_MASKED;
        }
    }
    l->host->kick(l->host->opaque, l->vcpu);
}

static uint32_t read_register(Lapic *l, unsigned reg)
{
    switch (reg) {
    case ID: return lapic_x2(l) ? l->id : l->id << 24;
    case VERSION: return APIC_VERSION | 1u << 24;
    case PPR: return lapic_ppr(l);
    case ISR0 ... ISR0 + 7: return l->isr[reg - ISR0];
    case TMR0 ... TMR0 + 7: return l->tmr[reg - TMR0];
    case IRR0 ... IRR0 + 7: return l->irr[reg - IRR0];
    case CURRENT: return current_count(l);
    case TPR: case LDR: case DFR: case SVR: case ESR: case ICR: case ICR2: case INITIAL:
    case DIVIDE: case LVT_TIMER ... LVT_ERROR:
        return l->regs[reg];
    default: return 0;
    }
}

static void write_register(Lapic *l, unsigned reg, uint32_t v)
{
    switch (reg) {
    case TPR:
        l->regs[TPR] = v & 0xff;
        l->host->kick(l->host->opaque, l->vcpu);
        break;
    case EOI: end_of_interrupt(l); break;
    case LDR: l->regs[LDR] = v & 0xff000000; break;
    case DFR: l->regs[DFR] = v | 0x0fffffff; break;
    case SVR: write_svr(l, v); break;
    case ESR:
        l->regs[ESR] = l->esr_pending;
        l->esr_pending = 0;
        break;
    case ICR: write_icr(l, v, l->regs[ICR2] >> 24); break;
    case ICR2: l->regs[ICR2] = v & 0xff000000; break;
    case LVT_TIMER ... LVT_ERROR: write_lvt(l, reg, v); break;
    case INITIAL:
        if (timer_mode(l) != TIMER_DEADLINE) {
            l->regs[INITIAL] = v;
            l->timer_start = lapic_now(l);
            timer_arm(l);
        }
        break;
    case DIVIDE:
        l->regs[DIVIDE] = v & 0x0b;
        if (timer_mode(l) != TIMER_DEADLINE) {
            timer_arm(l);
        }
        break;
    }
}

uint32_t lapic_read(Lapic *l, unsigned offset)
{
    unsigned reg = offset >> 4;

    return reg < 64 && !(offset & 15) && lapic_enabled(l) && !lapic_x2(l)
               ? read_register(l, reg) : 0;
}

void lapic_write(Lapic *l, unsigned offset, uint32_t v)
{
    unsigned reg = offset >> 4;

    if (reg < 64 && !(offset & 15) && lapic_enabled(l) && !lapic_x2(l)) {
        write_register(l, reg, v);
    }
}

/* --- MSRs --- */

static bool write_base(Lapic *l, uint64_t v)
{
    uint64_t known = 0xffffff000ull | BASE_BSP | BASE_X2 | BASE_ENABLE;
    bool was_x2 = lapic_x2(l), x2 = (v & (BASE_ENABLE | BASE_X2)) == (BASE_ENABLE | BASE_X2);

    if ((v & ~known) || ((v & BASE_X2) && !(v & BASE_ENABLE)) ||
        (was_x2 && (v & BASE_ENABLE) && !x2) || (!lapic_enabled(l) && x2)) {
        return false;           /* transitions the SDM forbids */
    }
    if (!(v & BASE_ENABLE) && lapic_enabled(l)) {
        lapic_reset(l, true);
    }
    l->base = (l->base & BASE_BSP) | (v & ~(uint64_t)BASE_BSP);
    if (x2 && !was_x2) {
        l->regs[LDR] = (l->id >> 4) << 16 | 1u << (l->id & 15);
        l->regs[ICR2] = 0;
    }
    l->host->kick(l->host->opaque, l->vcpu);
    return true;
}

static bool x2_readable(unsigned reg)
{
    return reg == ID || reg == VERSION || reg == TPR || reg == PPR || reg == LDR || reg == SVR ||
           (reg >= ISR0 && reg <= ESR) || reg == ICR || (reg >= LVT_TIMER && reg <= CURRENT) ||
           reg == DIVIDE;
}

static bool x2_writable(unsigned reg)
{
    return reg == TPR || reg == EOI || reg == SVR || reg == ESR || reg == ICR ||
           (reg >= LVT_TIMER && reg <= INITIAL) || reg == DIVIDE || reg == SELF_IPI;
}

bool lapic_msr_read(Lapic *l, uint32_t index, uint64_t *v)
{
    unsigned reg = index - MSR_X2;

    if (index == MSR_APIC_BASE) {
        *v = l->base;
        return true;
    }
    if (index == MSR_TSC_DEADLINE) {
        *v = timer_mode(l) == TIMER_DEADLINE ? l->tsc_deadline : 0;
        return true;
    }
    if (!lapic_x2(l) || reg >= 64 || !x2_readable(reg)) {
        return false;
    }
    *v = read_register(l, reg);
    if (reg == ICR) {
        *v |= (uint64_t)l->regs[ICR2] << 32;
    }
    return true;
}

bool lapic_msr_write(Lapic *l, uint32_t index, uint64_t v)
{
    unsigned reg = index - MSR_X2;

    if (index == MSR_APIC_BASE) {
        return write_base(l, v);
    }
    if (index == MSR_TSC_DEADLINE) {
        if (timer_mode(l) == TIMER_DEADLINE) {
            l->tsc_deadline = v;
            timer_arm(l);
        }
        return true;
    }
    if (!lapic_x2(l) || reg >= 64 || !x2_writable(reg) || (reg != ICR && v >> 32) ||
        ((reg == EOI || reg == ESR) && v)) {
        return false;
    }
    if (reg == ICR) {
        l->regs[ICR2] = v >> 32;
        write_icr(l, v, v >> 32);
    } else if (reg == SELF_IPI) {
        write_icr(l, (v & 0xff) | 1u << 18, 0);
    } else {
        write_register(l, reg, v);
    }
    return true;
}

/* --- life --- */

void lapic_reset(Lapic *l, bool init)
{
    memset(l->regs, 0, sizeof l->regs);
    memset(l->irr, 0, sizeof l->irr);
    memset(l->isr, 0, sizeof l->isr);
    memset(l->tmr, 0, sizeof l->tmr);
    for (unsigned r = LVT_TIMER; r <= LVT_ERROR; r++) {
        l->regs[r] = LVT_MASKED;
    }
    l->regs[DFR] = 0xffffffff;
    l->regs[SVR] = 0xff;
    l->esr_pending = 0;
    l->tsc_deadline = 0;
    l->nmi = false;
    timer_cancel(&l->timer);
    if (!init) {
        l->base = 0xfee00000 | BASE_ENABLE | (l->vcpu == 0 ? BASE_BSP : 0);
    }
    if (lapic_x2(l)) {
        l->regs[LDR] = (l->id >> 4) << 16 | 1u << (l->id & 15);
    }
}

void lapic_init(Lapic *l, TimerQueue *q, const LapicHost *host, unsigned vcpu, uint64_t tsc_khz)
{
    memset(l, 0, sizeof *l);
    l->host = host;
    l->vcpu = vcpu;
    l->id = 2 * vcpu;
    l->tsc_khz = tsc_khz;
    timer_init(&l->timer, q, timer_fire, l);
    lapic_reset(l, false);
}

void lapic_loaded(Lapic *l)
{
    if (timer_mode(l) == TIMER_DEADLINE && l->tsc_deadline) {
        timer_arm(l);
    }
    l->host->kick(l->host->opaque, l->vcpu);
}

const StateField lapic_state[] = {
    STATE_U64(Lapic, base), STATE_U32_ARRAY(Lapic, regs), STATE_U32_ARRAY(Lapic, irr),
    STATE_U32_ARRAY(Lapic, isr), STATE_U32_ARRAY(Lapic, tmr), STATE_U32(Lapic, esr_pending),
    STATE_U64(Lapic, tsc_deadline), STATE_I64(Lapic, timer_start), STATE_BOOL(Lapic, nmi),
    STATE_TIMER(Lapic, timer), STATE_END
};
