/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lapic.c - the local APIC of Intel's SDM volume 3, chapter 11 (10 in older prints), in xAPIC and
 * x2APIC mode, and the message bus between LAPICs.  The timer's clock is 100 MHz, as in Xen.  APIC
 * ids are 2 * vCPU and fixed.  Left out: SMIs, CMCI, EOI-broadcast suppression, and the thermal and
 * performance counter entries never fire.
 */
#include "hypervisor/hvm/lapic.h"

#include <string.h>
#include "include/pc_layout.h"

enum {
    REG_ID = 0x20, REG_VERSION = 0x30, REG_TPR = 0x80, REG_APR = 0x90, REG_PPR = 0xa0,
    REG_EOI = 0xb0, REG_LDR = 0xd0, REG_DFR = 0xe0, REG_SVR = 0xf0, REG_ISR = 0x100,
    REG_TMR = 0x180, REG_IRR = 0x200, REG_ESR = 0x280, REG_ICR = 0x300, REG_ICR2 = 0x310,
    REG_LVT_TIMER = 0x320, REG_LVT_ERROR = 0x370, REG_TMICT = 0x380, REG_TMCCT = 0x390,
    REG_TDCR = 0x3e0, REG_SELF_IPI = 0x3f0,
};
enum { LVT_TIMER, LVT_THERMAL, LVT_PERF, LVT_LINT0, LVT_LINT1, LVT_ERROR, LVTS };

#define VERSION 0x00050014u     /* six LVT entries, integrated APIC */
#define LVT_MASKED 0x10000u
#define SVR_ENABLE 0x100u
#define BASE_BSP 0x100u
#define BASE_EXTD 0x400u
#define BASE_EN 0x800u
#define ESR_SEND_VECTOR 0x20
#define ESR_RECEIVE_VECTOR 0x40
#define ESR_REGISTER 0x80
#define BUS_NS 10               /* of one timer clock */
#define MIN_PERIOD_NS 10000     /* periodic interrupts come no faster */

enum { TIMER_ONE_SHOT, TIMER_PERIODIC, TIMER_DEADLINE };

struct Lapic {
    Device dev;
    ApicBus *bus;
    uint32_t vcpu;
    uint64_t base;
    uint32_t tpr, ldr, dfr, svr, esr, esr_next, icr2, tdcr, tmict;
    uint32_t icr;
    uint32_t lvt[LVTS];
    uint32_t isr[8], tmr[8], irr[8];
    uint64_t deadline;          /* guest TSC; 0: none */
    Timer timer;
    bool deliverable;           /* derived: an interrupt could be acknowledged now */
};

static const uint32_t lvt_writable[LVTS] = {
    [LVT_TIMER] = 0x700ff, [LVT_THERMAL] = 0x107ff, [LVT_PERF] = 0x107ff,
    [LVT_LINT0] = 0x1a7ff, [LVT_LINT1] = 0x1a7ff, [LVT_ERROR] = 0x100ff,
};

/* --- vectors and priorities --- */

static int highest(const uint32_t *bits)
{
    for (int i = 7; i >= 0; i--) {
        if (bits[i]) {
            return 32 * i + 31 - __builtin_clz(bits[i]);
        }
    }
    return -1;
}

static void set_bit(uint32_t *bits, uint8_t n)
{
    bits[n >> 5] |= 1u << (n & 31);
}

static void clear_bit(uint32_t *bits, uint8_t n)
{
    bits[n >> 5] &= ~(1u << (n & 31));
}

static bool test_bit(const uint32_t *bits, uint8_t n)
{
    return bits[n >> 5] >> (n & 31) & 1;
}

static uint32_t ppr(const Lapic *l)
{
    int isrv = highest(l->isr);
    uint32_t in_service = isrv < 0 ? 0 : isrv & 0xf0;

    return (l->tpr & 0xf0) >= in_service ? l->tpr : in_service;
}

bool lapic_hw_enabled(const Lapic *l)
{
    return l->base & BASE_EN;
}

static bool x2apic(const Lapic *l)
{
    return (l->base & (BASE_EN | BASE_EXTD)) == (BASE_EN | BASE_EXTD);
}

static bool sw_enabled(const Lapic *l)
{
    return lapic_hw_enabled(l) && (l->svr & SVR_ENABLE);
}

static int pending_vector(const Lapic *l)
{
    int v = highest(l->irr);

    return lapic_hw_enabled(l) && v >= 0 && (v & 0xf0u) > (ppr(l) & 0xf0) ? v : -1;
}

/* To be called after every change of irr, isr, tpr or base. */
static void update(Lapic *l)
{
    bool now = pending_vector(l) >= 0;

    __atomic_store_n(&l->deliverable, now, __ATOMIC_RELEASE);
    if (now) {
        l->bus->host->kick(l->bus->opaque, l->vcpu);
    }
}

bool lapic_deliverable(const Lapic *l)
{
    return __atomic_load_n(&l->deliverable, __ATOMIC_ACQUIRE);
}

uint32_t lapic_id(const Lapic *l)
{
    return 2 * l->vcpu;
}

static void error(Lapic *l, uint32_t bit)
{
    uint32_t lvt = l->lvt[LVT_ERROR];

    if (l->esr_next & bit) {
        return;
    }
    l->esr_next |= bit;
    /* An illegal error vector must not raise the error that it would be. */
    if (!(lvt & LVT_MASKED) && (lvt & 0xff) >= 16) {
        lapic_accept(l, lvt, false);
    } else if (!(lvt & LVT_MASKED)) {
        l->esr_next |= ESR_RECEIVE_VECTOR;
    }
}

void lapic_accept(Lapic *l, uint8_t vector, bool level)
{
    if (!sw_enabled(l)) {
        return;
    }
    if (vector < 16) {
        error(l, ESR_RECEIVE_VECTOR);
        return;
    }
    set_bit(l->irr, vector);
    if (level) {
        set_bit(l->tmr, vector);
    } else {
        clear_bit(l->tmr, vector);
    }
    update(l);
}

int lapic_ack(Lapic *l)
{
    int v = pending_vector(l);

    if (v >= 0) {
        clear_bit(l->irr, v);
        set_bit(l->isr, v);
    }
    update(l);
    return v;
}

static void eoi(Lapic *l)
{
    int v = highest(l->isr);

    if (v < 0) {
        return;
    }
    clear_bit(l->isr, v);
    if (test_bit(l->tmr, v)) {
        l->bus->eoi(l->bus->eoi_opaque, v);
    }
    update(l);
}

static void set_tpr(Lapic *l, uint32_t value)
{
    __atomic_store_n(&l->tpr, value & 0xff, __ATOMIC_RELAXED);
    update(l);
}

uint64_t lapic_cr8(const Lapic *l)
{
    return __atomic_load_n(&l->tpr, __ATOMIC_RELAXED) >> 4;
}

void lapic_set_cr8(Lapic *l, uint64_t value)
{
    set_tpr(l, (value & 15) << 4);
}

uint32_t lapic_lvt0(const Lapic *l)
{
    return lapic_hw_enabled(l) ? l->lvt[LVT_LINT0] : LVT_MASKED;
}

/* --- messages --- */

static bool broadcast(const ApicMessage *m)
{
    return m->dest == (m->wide ? UINT32_MAX : 0xff);
}

bool lapic_addressed(const Lapic *l, const ApicMessage *m)
{
    if (broadcast(m)) {
        return true;
    }
    if (!m->logical) {
        return lapic_id(l) == m->dest;
    }
    if (!lapic_hw_enabled(l)) {
        return false;
    }
    if (x2apic(l)) {
        return l->ldr >> 16 == m->dest >> 16 && (l->ldr & m->dest & 0xffff);
    }
    if (m->dest > 0xff) {
        return false;
    }
    if (l->dfr >> 28 == 15) {
        return l->ldr >> 24 & m->dest;
    }
    return l->dfr >> 28 == 0 && l->ldr >> 28 == m->dest >> 4 && (l->ldr >> 24 & m->dest & 15);
}

static bool deliver(Lapic *l, const ApicMessage *m)
{
    const PlatformHost *host = l->bus->host;
    void *opaque = l->bus->opaque;

    switch (m->delivery) {
    case APIC_FIXED:
    case APIC_LOWEST:
        if (!sw_enabled(l)) {
            return false;
        }
        lapic_accept(l, m->vector, m->level);
        return true;
    case APIC_NMI:
        host->nmi(opaque, l->vcpu);
        return true;
    case APIC_INIT:
        lapic_init_reset(l);
        host->init(opaque, l->vcpu);
        return true;
    case APIC_SIPI:
        host->sipi(opaque, l->vcpu, m->vector);
        return true;
    default:
        return false;           /* SMI: there is none; ExtINT is the PIC's own path */
    }
}

static bool send_lowest(ApicBus *bus, const ApicMessage *m)
{
    Lapic *best = NULL;

    for (unsigned i = 1; i <= bus->n; i++) {
        Lapic *l = bus->cpu[(bus->last_lowest + i) % bus->n];

        if (lapic_addressed(l, m) && sw_enabled(l) && (!best || ppr(l) < ppr(best))) {
            best = l;
        }
    }
    if (!best) {
        return false;
    }
    bus->last_lowest = best->vcpu;
    return deliver(best, m);
}

bool apic_bus_send(ApicBus *bus, const ApicMessage *m)
{
    bool taken = false;

    if (m->delivery == APIC_LOWEST) {
        return send_lowest(bus, m);
    }
    for (unsigned i = 0; i < bus->n; i++) {
        if (lapic_addressed(bus->cpu[i], m)) {
            taken |= deliver(bus->cpu[i], m);
        }
    }
    return taken;
}

static void write_icr(Lapic *l, uint32_t low, uint32_t dest)
{
    ApicMessage m = {
        .vector = low, .delivery = low >> 8 & 7, .logical = low >> 11 & 1, .dest = dest,
        .wide = x2apic(l),
    };
    bool level_trigger = low >> 15 & 1, asserted = low >> 14 & 1;
    unsigned shorthand = low >> 18 & 3;

    if (m.delivery == APIC_INIT && level_trigger && !asserted) {
        return;                 /* the de-assert message only meant something to old APICs */
    }
    if (m.vector < 16 && (m.delivery == APIC_FIXED || m.delivery == APIC_LOWEST)) {
        error(l, ESR_SEND_VECTOR);
        return;
    }
    if (shorthand == 0) {
        apic_bus_send(l->bus, &m);
        return;
    }
    if (shorthand == 1) {       /* self is defined for fixed interrupts only */
        if (m.delivery == APIC_FIXED) {
            lapic_accept(l, m.vector, false);
        }
        return;
    }
    if (m.delivery == APIC_LOWEST) {
        m.delivery = APIC_FIXED;
    }
    for (unsigned i = 0; i < l->bus->n; i++) {
        if (shorthand == 2 || l->bus->cpu[i] != l) {
            deliver(l->bus->cpu[i], &m);
        }
    }
}

/* --- timer --- */

static unsigned timer_mode(const Lapic *l)
{
    return l->lvt[LVT_TIMER] >> 17 & 3;
}

static int64_t tick_ns(const Lapic *l)
{
    unsigned code = (l->tdcr & 3) | (l->tdcr >> 1 & 4);

    return (int64_t)BUS_NS << ((code + 1) & 7);
}

static uint32_t current_count(const Lapic *l)
{
    int64_t left;

    if (timer_mode(l) == TIMER_DEADLINE || !timer_armed(&l->timer)) {
        return 0;
    }
    left = machine_now(l->dev.machine);
    if (l->timer.when <= left) {
        return 0;
    }
    left = l->timer.when - left;
    left = (left + tick_ns(l) - 1) / tick_ns(l);
    if (left > l->tmict && l->tmict) {      /* a period that was stretched to the shortest one */
        left = (left - 1) % l->tmict + 1;
    }
    return left;
}

static int64_t period_ns(const Lapic *l)
{
    int64_t period = l->tmict * tick_ns(l);

    if (period < MIN_PERIOD_NS) {
        period *= (MIN_PERIOD_NS + period - 1) / period;
    }
    return period;
}

static void start_count(Lapic *l, uint32_t count)
{
    if (timer_mode(l) == TIMER_DEADLINE) {
        return;
    }
    if (!count) {
        timer_cancel(&l->timer);
        return;
    }
    timer_at(&l->timer, vm_now(&l->dev) + count * tick_ns(l));
}

static void timer_fire(void *opaque)
{
    Lapic *l = opaque;
    uint32_t lvt = l->lvt[LVT_TIMER];

    if (timer_mode(l) == TIMER_PERIODIC && l->tmict) {
        int64_t now = vm_now(&l->dev), period = period_ns(l);

        /* Ticks missed in a long stop are not made up for: one interrupt stands for all. */
        timer_at(&l->timer, now + period);
    } else if (timer_mode(l) == TIMER_DEADLINE) {
        l->deadline = 0;
    }
    if (!(lvt & LVT_MASKED)) {
        lapic_accept(l, lvt, false);
    }
}

uint64_t lapic_deadline(const Lapic *l)
{
    return timer_mode(l) == TIMER_DEADLINE ? l->deadline : 0;
}

void lapic_set_deadline(Lapic *l, uint64_t value)
{
    uint64_t tsc, delta;

    if (timer_mode(l) != TIMER_DEADLINE) {
        return;
    }
    l->deadline = value;
    if (!value) {
        timer_cancel(&l->timer);
        return;
    }
    tsc = l->bus->host->guest_tsc(l->bus->opaque, l->vcpu);
    delta = value > tsc ? value - tsc : 0;
    if (!delta) {
        timer_cancel(&l->timer);
        timer_fire(l);
        return;
    }
    /* A year is as good as any longer time, and keeps the product within 128 bits' quotient. */
    delta = MIN((unsigned __int128)delta * 1000000 / l->bus->tsc_khz,
                (unsigned __int128)365 * 86400 * NS_PER_S);
    timer_at(&l->timer, vm_now(&l->dev) + delta);
}

static void write_lvt_timer(Lapic *l, uint32_t value)
{
    uint32_t left = current_count(l);
    unsigned before = timer_mode(l);

    l->lvt[LVT_TIMER] = value;
    if (timer_mode(l) == before) {
        return;
    }
    if (before == TIMER_DEADLINE || timer_mode(l) == TIMER_DEADLINE) {
        l->deadline = 0;
        l->tmict = 0;
        timer_cancel(&l->timer);
    } else {
        start_count(l, left);
    }
}

/* --- registers --- */

static void mask_all_lvts(Lapic *l)
{
    for (unsigned i = 0; i < LVTS; i++) {
        l->lvt[i] |= LVT_MASKED;
    }
}

static void write_lvt(Lapic *l, unsigned n, uint32_t value)
{
    value &= lvt_writable[n];
    if (!(l->svr & SVR_ENABLE)) {
        value |= LVT_MASKED;
    }
    if (n == LVT_TIMER) {
        write_lvt_timer(l, value);
        return;
    }
    l->lvt[n] = value;
    if (n == LVT_LINT0) {
        l->bus->extint_changed(l->bus->eoi_opaque);
    }
}

static uint32_t read_reg(Lapic *l, unsigned reg)
{
    switch (reg) {
    case REG_ID: return x2apic(l) ? lapic_id(l) : lapic_id(l) << 24;
    case REG_VERSION: return VERSION;
    case REG_TPR: return l->tpr;
    case REG_PPR: return ppr(l);
    case REG_LDR: return l->ldr;
    case REG_DFR: return l->dfr;
    case REG_SVR: return l->svr;
    case REG_ISR ... REG_ISR + 0x70: return l->isr[(reg - REG_ISR) >> 4];
    case REG_TMR ... REG_TMR + 0x70: return l->tmr[(reg - REG_TMR) >> 4];
    case REG_IRR ... REG_IRR + 0x70: return l->irr[(reg - REG_IRR) >> 4];
    case REG_ESR: return l->esr;
    case REG_ICR: return l->icr;
    case REG_ICR2: return l->icr2;
    case REG_LVT_TIMER ... REG_LVT_ERROR: return l->lvt[(reg - REG_LVT_TIMER) >> 4];
    case REG_TMICT: return l->tmict;
    case REG_TMCCT: return current_count(l);
    case REG_TDCR: return l->tdcr;
    default: return 0;
    }
}

static void write_reg(Lapic *l, unsigned reg, uint32_t value)
{
    switch (reg) {
    case REG_TPR: set_tpr(l, value); break;
    case REG_EOI: eoi(l); break;
    case REG_LDR: l->ldr = value & 0xff000000; break;
    case REG_DFR: l->dfr = value | 0x0fffffff; break;
    case REG_SVR:
        l->svr = value & 0x3ff;
        if (!(l->svr & SVR_ENABLE)) {
            mask_all_lvts(l);
            l->bus->extint_changed(l->bus->eoi_opaque);
        }
        update(l);
        break;
    case REG_ESR:
        l->esr = l->esr_next;
        l->esr_next = 0;
        break;
    case REG_ICR:
        l->icr = value & 0xccfff;       /* delivery status reads as idle */
        write_icr(l, l->icr, l->icr2 >> 24);
        break;
    case REG_ICR2: l->icr2 = value & 0xff000000; break;
    case REG_LVT_TIMER ... REG_LVT_ERROR:
        write_lvt(l, (reg - REG_LVT_TIMER) >> 4, value);
        break;
    case REG_TMICT:
        if (timer_mode(l) != TIMER_DEADLINE) {
            l->tmict = value;
            start_count(l, value);
        }
        break;
    case REG_TDCR: {
        uint32_t left = current_count(l);

        l->tdcr = value & 0xb;
        if (timer_armed(&l->timer)) {
            start_count(l, left);
        }
        break;
    }
    case REG_ID: case REG_VERSION: case REG_APR: case REG_PPR: case REG_TMCCT:
    case REG_ISR ... REG_IRR + 0x70:
        break;
    default:
        error(l, ESR_REGISTER);
    }
}

bool lapic_mmio_hit(const Lapic *l, uint64_t gpa)
{
    return lapic_hw_enabled(l) && !x2apic(l) && (l->base ^ gpa) >> 12 == 0;
}

uint64_t lapic_mmio_read(Lapic *l, uint64_t gpa, unsigned size)
{
    unsigned offset = gpa & 0xfff, shift = 8 * (offset & 15);
    uint64_t value;

    if (shift >= 32 || (shift && size > 4)) {
        return 0;
    }
    value = (uint64_t)read_reg(l, offset & ~15u) >> shift;
    return size < 4 ? value & ((1u << 8 * size) - 1) : value;
}

void lapic_mmio_write(Lapic *l, uint64_t gpa, unsigned size, uint64_t value)
{
    unsigned offset = gpa & 0xfff, shift = 8 * (offset & 15), reg = offset & ~15u;

    if (shift + 8 * MIN(size, 4) > 32) {
        return;
    }
    if (size < 4) {             /* narrow writes change their bytes of the register */
        uint32_t mask = ((1u << 8 * size) - 1) << shift;

        value = (read_reg(l, reg) & ~mask) | (((uint32_t)value << shift) & mask);
    }
    write_reg(l, reg, value);
}

static bool x2apic_readable(unsigned reg)
{
    switch (reg) {
    case REG_ID: case REG_VERSION: case REG_TPR: case REG_PPR: case REG_LDR: case REG_SVR:
    case REG_ISR ... REG_IRR + 0x70:
    case REG_ESR: case REG_ICR: case REG_LVT_TIMER ... REG_LVT_ERROR: case REG_TMICT:
    case REG_TMCCT: case REG_TDCR:
        return true;
    default:
        return false;
    }
}

bool lapic_msr_read(Lapic *l, uint32_t index, uint64_t *value)
{
    unsigned reg = (index - 0x800) << 4;

    if (!x2apic(l) || index < 0x800 || index > 0x8ff || !x2apic_readable(reg)) {
        return false;
    }
    *value = read_reg(l, reg);
    if (reg == REG_ICR) {
        *value |= (uint64_t)l->icr2 << 32;
    }
    return true;
}

/* The bits that may be set in x2APIC mode; false: no such register to write. */
static bool x2apic_writable(unsigned reg, uint64_t *mask)
{
    switch (reg) {
    case REG_TPR: case REG_SELF_IPI: *mask = 0xff; return true;
    case REG_EOI: case REG_ESR: *mask = 0; return true;
    case REG_SVR: *mask = 0x3ff; return true;
    case REG_ICR: *mask = 0xffffffff000ccfff; return true;
    case REG_LVT_TIMER ... REG_LVT_ERROR:
        *mask = lvt_writable[(reg - REG_LVT_TIMER) >> 4] | 0x5000;
        return true;
    case REG_TMICT: *mask = UINT32_MAX; return true;
    case REG_TDCR: *mask = 0xb; return true;
    default: return false;
    }
}

bool lapic_msr_write(Lapic *l, uint32_t index, uint64_t value)
{
    unsigned reg = (index - 0x800) << 4;
    uint64_t mask;

    if (!x2apic(l) || index < 0x800 || index > 0x8ff || !x2apic_writable(reg, &mask) ||
        (value & ~mask)) {
        return false;
    }
    if (reg == REG_ICR) {
        l->icr2 = value >> 32;
        l->icr = value & 0xccfff;
        write_icr(l, l->icr, l->icr2);
    } else if (reg == REG_SELF_IPI) {
        if (value < 16) {
            error(l, ESR_SEND_VECTOR);
        } else {
            lapic_accept(l, value, false);
        }
    } else {
        write_reg(l, reg, value);
    }
    return true;
}

uint64_t lapic_base(const Lapic *l)
{
    return l->base;
}

bool lapic_set_base(Lapic *l, uint64_t value)
{
    uint64_t address = ((1ULL << l->bus->phys_bits) - 1) & ~0xfffULL;
    bool en = value & BASE_EN, extd = value & BASE_EXTD;

    if ((value & ~(address | BASE_BSP | BASE_EXTD | BASE_EN)) || (extd && !en)) {
        return false;
    }
    if (extd && l->bus->no_x2apic) {
        return false;           /* a reserved bit then */
    }
    if ((x2apic(l) && en && !extd) || (!lapic_hw_enabled(l) && extd)) {
        return false;           /* SDM figure "local x2APIC state transitions" */
    }
    if (!en && lapic_hw_enabled(l)) {
        lapic_init_reset(l);
    }
    l->base = (value & ~(uint64_t)BASE_BSP) | (l->vcpu ? 0 : BASE_BSP);
    if (extd) {
        uint32_t id = lapic_id(l);

        l->ldr = (id >> 4) << 16 | 1u << (id & 15);
        l->dfr = UINT32_MAX;
        l->icr2 = 0;
    }
    l->bus->extint_changed(l->bus->eoi_opaque);
    update(l);
    return true;
}

void lapic_init_reset(Lapic *l)
{
    uint32_t id = lapic_id(l);

    l->tpr = l->esr = l->esr_next = l->icr = l->icr2 = l->tdcr = l->tmict = 0;
    l->ldr = x2apic(l) ? (id >> 4) << 16 | 1u << (id & 15) : 0;
    l->dfr = UINT32_MAX;
    l->svr = 0xff;
    for (unsigned i = 0; i < LVTS; i++) {
        l->lvt[i] = LVT_MASKED;
    }
    memset(l->isr, 0, sizeof l->isr);
    memset(l->tmr, 0, sizeof l->tmr);
    memset(l->irr, 0, sizeof l->irr);
    l->deadline = 0;
    timer_cancel(&l->timer);
    update(l);
    l->bus->extint_changed(l->bus->eoi_opaque);
}

/* --- the device --- */

static void lapic_reset(Device *dev)
{
    Lapic *l = (Lapic *)dev;

    l->base = PC_LAPIC_BASE | BASE_EN | (l->vcpu ? 0 : BASE_BSP);
    lapic_init_reset(l);
}

static bool lapic_init(Device *dev, GError **err)
{
    Lapic *l = (Lapic *)dev;

    if (!l->bus || l->bus->n != l->vcpu || l->vcpu >= PLATFORM_MAX_VCPUS) {
        g_set_error(err, G_FILE_ERROR, G_FILE_ERROR_INVAL, "vCPU %u is out of order", l->vcpu);
        return false;
    }
    timer_init(&l->timer, &dev->machine->timers, timer_fire, l);
    l->bus->cpu[l->bus->n++] = l;
    return true;
}

static bool lapic_loaded(Device *dev, GError **err)
{
    Lapic *l = (Lapic *)dev;

    if ((l->base & BASE_EXTD) && !(l->base & BASE_EN)) {
        g_set_error(err, G_FILE_ERROR, G_FILE_ERROR_INVAL, "APIC base 0x%" G_GINT64_MODIFIER
                    "x is impossible", l->base);
        return false;
    }
    for (unsigned i = 0; i < LVTS; i++) {
        l->lvt[i] &= lvt_writable[i];
    }
    l->irr[0] &= 0xffff0000;
    l->isr[0] &= 0xffff0000;
    update(l);
    l->bus->extint_changed(l->bus->eoi_opaque);
    return true;
}

static void lapic_finish(Device *dev)
{
    Lapic *l = (Lapic *)dev;

    if (l->timer.queue) {
        timer_cancel(&l->timer);
    }
}

static const ConfigField lapic_config[] = {
    CONFIG_FIELD(Lapic, bus, CONFIG_POINTER, NULL, "message bus"),
    CONFIG_FIELD(Lapic, vcpu, CONFIG_U32, "0", "number of the vCPU"),
    CONFIG_END
};

static const StateField lapic_state[] = {
    STATE_U64(Lapic, base),
    STATE_U32_MAX(Lapic, tpr, 255),
    STATE_U32(Lapic, ldr),
    STATE_U32(Lapic, dfr),
    STATE_U32_MAX(Lapic, svr, 0x3ff),
    STATE_U32_MAX(Lapic, esr, 255),
    STATE_U32_MAX(Lapic, esr_next, 255),
    STATE_U32(Lapic, icr),
    STATE_U32(Lapic, icr2),
    STATE_U32_MAX(Lapic, tdcr, 0xb),
    STATE_U32(Lapic, tmict),
    STATE_U32_ARRAY(Lapic, lvt),
    STATE_U32_ARRAY(Lapic, isr),
    STATE_U32_ARRAY(Lapic, tmr),
    STATE_U32_ARRAY(Lapic, irr),
    STATE_U64(Lapic, deadline),
    STATE_TIMER(Lapic, timer),
    STATE_END
};

const DeviceClass lapic_class = {
    .name = "lapic", .summary = "local APIC", .size = sizeof(Lapic), .version = 1,
    .config = lapic_config, .state = lapic_state, .init = lapic_init, .reset = lapic_reset,
    .loaded = lapic_loaded, .finish = lapic_finish,
};
