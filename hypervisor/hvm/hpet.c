/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hpet.c - IA-PC HPET (specification 1.0a): a 64-bit counter at 62.5 MHz and three comparators, all
 * able to be periodic, 32 or 64 bits, with legacy replacement.  Interrupts go to I/O APIC pins
 * 20-23 or the two legacy lines, and nowhere else.  Left out: FSB (MSI) delivery.
 */
#include "hypervisor/hvm/hpet.h"

#include "include/pc_layout.h"

enum { REG_CAP = 0x00, REG_CONFIG = 0x10, REG_STATUS = 0x20, REG_COUNTER = 0xf0,
       REG_TIMER0 = 0x100, REG_END = 0x160, MMIO_LEN = 0x400 };

#define TIMERS 3
#define TICK_NS 16
#define CAP (((uint64_t)HPET_PERIOD_FS << 32) | 0x8086a001u | (TIMERS - 1) << 8)
#define ROUTES 0x00f00000u      /* I/O APIC pins 20-23 */
#define FIRST_ROUTE 20
#define CONFIG_ENABLE 1u
#define CONFIG_LEGACY 2u
#define TN_LEVEL (1u << 1)
#define TN_ENABLE (1u << 2)
#define TN_PERIODIC (1u << 3)
#define TN_SET_VALUE (1u << 6)
#define TN_32BIT (1u << 8)
#define TN_WRITABLE 0x3f4eu
#define TN_CAPS (((uint64_t)ROUTES << 32) | 1u << 5 | 1u << 4)  /* 64 bits wide, periodic */
#define MIN_PERIOD 625          /* ticks, 10 us */
#define JUST_PAST 61035         /* ticks, 1 ms: a comparator this far behind was meant to fire */

typedef struct HpetTimer {
    uint32_t config;
    uint64_t comparator, period;
    bool matched;               /* one-shot: this comparator's match has been told */
    Timer timer;
} HpetTimer;

typedef struct Hpet {
    Device dev;
    IrqLine *gsi, *legacy, *legacy_on;
    uint64_t config, status;
    uint64_t stopped;           /* the counter while it stands */
    int64_t zero_ns;            /* while it runs: guest time at which it was stopped's value */
    HpetTimer timer[TIMERS];
} Hpet;

static uint64_t counter(Hpet *h)
{
    if (!(h->config & CONFIG_ENABLE)) {
        return h->stopped;
    }
    return h->stopped + (uint64_t)(vm_now(&h->dev) - h->zero_ns) / TICK_NS;
}

/* --- interrupts --- */

static bool is_legacy(const Hpet *h, unsigned n)
{
    return (h->config & CONFIG_LEGACY) && n < 2;
}

static IrqLine *line(Hpet *h, unsigned n)
{
    unsigned route = h->timer[n].config >> 9 & 31;

    if (is_legacy(h, n)) {
        return &h->legacy[n];
    }
    return route < 32 && (ROUTES >> route & 1) ? &h->gsi[route] : NULL;
}

/* Level-triggered timers: each line is the OR of those that use it. */
static void update_irq(Hpet *h)
{
    uint32_t high = 0;

    for (unsigned n = 0; n < TIMERS; n++) {
        uint32_t c = h->timer[n].config;

        if ((c & TN_LEVEL) && (c & TN_ENABLE) && (h->status >> n & 1)) {
            if (is_legacy(h, n)) {
                irq_set(&h->legacy[n], true);
            } else {
                high |= 1u << (c >> 9 & 31);
            }
        } else if (is_legacy(h, n) && (c & TN_LEVEL)) {
            irq_set(&h->legacy[n], false);
        }
    }
    for (unsigned i = FIRST_ROUTE; i < FIRST_ROUTE + 4; i++) {
        if (h->gsi[i].level != (high >> i & 1)) {
            irq_set(&h->gsi[i], high >> i & 1);
        }
    }
}

static void hpet_raise(Hpet *h, unsigned n)
{
    IrqLine *l = line(h, n);

    if (h->timer[n].config & TN_LEVEL) {
        h->status |= 1u << n;
        update_irq(h);
    } else if (!(h->timer[n].config & TN_ENABLE)) {
        return;
    } else if (l && is_legacy(h, n)) {
        irq_set(l, false);      /* stays high until the next: the PIC drops what falls too early */
        irq_set(l, true);
    } else if (l) {
        irq_set(l, true);
        irq_set(l, false);
    }
}

/* --- comparators --- */

static uint64_t narrow(const HpetTimer *t, uint64_t v)
{
    return t->config & TN_32BIT ? (uint32_t)v : v;
}

static void arm(Hpet *h, unsigned n)
{
    HpetTimer *t = &h->timer[n];
    uint64_t now, ahead;

    /* A level timer's status bit works without its interrupt, too. */
    if (!(h->config & CONFIG_ENABLE) || !(t->config & (TN_ENABLE | TN_LEVEL))) {
        timer_cancel(&t->timer);
        return;
    }
    now = narrow(t, counter(h));
    ahead = narrow(t, t->comparator - now);
    if (t->matched && !ahead) {
        ahead = t->config & TN_32BIT ? 1ULL << 32 : UINT64_MAX;    /* when it comes round */
    } else if (!t->matched && narrow(t, now - t->comparator) <= JUST_PAST) {
        ahead = 0;
    }
    if (ahead > (1ULL << 58)) {
        timer_cancel(&t->timer);
        return;
    }
    /* On the tick itself, not just after the time of this call. */
    timer_at(&t->timer, vm_now(&h->dev) + (int64_t)ahead * TICK_NS);
}

static void fired(Hpet *h, unsigned n)
{
    HpetTimer *t = &h->timer[n];

    if (t->config & TN_PERIODIC) {
        uint64_t period = MAX(narrow(t, t->period), MIN_PERIOD), now = counter(h);
        uint64_t late = narrow(t, now - t->comparator);

        /* Periods missed in a long stop are skipped; the phase stays. */
        t->comparator = narrow(t, t->comparator + (late / period + 1) * period);
    } else {
        t->matched = true;
    }
    arm(h, n);
    hpet_raise(h, n);
}

static void fire0(void *opaque) { fired(opaque, 0); }
static void fire1(void *opaque) { fired(opaque, 1); }
static void fire2(void *opaque) { fired(opaque, 2); }

/* --- registers --- */

static void write_config(Hpet *h, uint64_t value)
{
    uint64_t before = h->config, now = counter(h);

    value &= CONFIG_ENABLE | CONFIG_LEGACY;
    h->stopped = now;
    h->zero_ns = vm_now(&h->dev);
    h->config = value;
    if ((before ^ value) & CONFIG_LEGACY) {
        irq_set(&h->legacy[0], false);
        irq_set(&h->legacy[1], false);
        irq_set(h->legacy_on, value & CONFIG_LEGACY);
    }
    for (unsigned n = 0; n < TIMERS; n++) {
        arm(h, n);
    }
    update_irq(h);
}

static void write_timer_config(Hpet *h, unsigned n, uint32_t value)
{
    HpetTimer *t = &h->timer[n];

    t->config = value & TN_WRITABLE;
    if (!(t->config & TN_PERIODIC)) {
        t->config &= ~TN_SET_VALUE;
    }
    if (t->config & TN_32BIT) {
        t->comparator = (uint32_t)t->comparator;
        t->period = (uint32_t)t->period;
    }
    if (!(t->config & TN_LEVEL)) {
        h->status &= ~(1ULL << n);
    }
    update_irq(h);
    arm(h, n);
}

static void write_comparator(Hpet *h, unsigned n, uint64_t value)
{
    HpetTimer *t = &h->timer[n];

    value = narrow(t, value);
    if (!(t->config & TN_PERIODIC) || (t->config & TN_SET_VALUE)) {
        t->comparator = value;
    }
    if ((t->config & TN_PERIODIC) && !(t->config & TN_SET_VALUE)) {
        t->period = value;
    }
    t->config &= ~TN_SET_VALUE;
    t->matched = false;
    arm(h, n);
}

static uint64_t read_timer(const Hpet *h, uint64_t offset)
{
    const HpetTimer *t = &h->timer[(offset - REG_TIMER0) / 32];

    switch (offset & 31) {
    case 0: return t->config | TN_CAPS;
    case 8: return t->config & TN_PERIODIC ? narrow(t, t->comparator) : t->comparator;
    default: return 0;
    }
}

static uint64_t read_reg(Hpet *h, uint64_t reg)
{
    switch (reg) {
    case REG_CAP: return CAP;
    case REG_CONFIG: return h->config;
    case REG_STATUS: return h->status;
    case REG_COUNTER: return counter(h);
    default: return reg >= REG_TIMER0 && reg < REG_END ? read_timer(h, reg) : 0;
    }
}

static void write_reg(Hpet *h, uint64_t reg, uint64_t value)
{
    unsigned n = (reg - REG_TIMER0) / 32;

    switch (reg) {
    case REG_CONFIG:
        write_config(h, value);
        return;
    case REG_STATUS:
        h->status &= ~(value & ((1u << TIMERS) - 1));
        update_irq(h);
        return;
    case REG_COUNTER:
        h->stopped = value;
        h->zero_ns = vm_now(&h->dev);
        for (unsigned i = 0; i < TIMERS; i++) {
            h->timer[i].matched = false;
            arm(h, i);
        }
        return;
    default:
        break;
    }
    if (reg >= REG_TIMER0 && reg < REG_END && (reg & 31) == 0) {
        write_timer_config(h, n, value);
    } else if (reg >= REG_TIMER0 && reg < REG_END && (reg & 31) == 8) {
        write_comparator(h, n, value);
    }
}

static uint64_t mmio_read(void *opaque, uint64_t offset, unsigned width)
{
    uint64_t v;

    if (offset & (width - 1)) {
        return UINT64_MAX;
    }
    v = read_reg(opaque, offset & ~7ULL);
    return width == 4 && (offset & 4) ? v >> 32 : v;
}

static void mmio_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    Hpet *h = opaque;
    uint64_t reg = offset & ~7ULL;

    if (offset & (width - 1)) {
        return;
    }
    if (width == 4) {
        uint64_t old = reg == REG_STATUS ? 0 : read_reg(h, reg);
        bool high = offset & 4;
        bool periodic = reg >= REG_TIMER0 && reg < REG_END && (reg & 31) == 8 &&
                        (h->timer[(reg - REG_TIMER0) / 32].config & (TN_PERIODIC | TN_SET_VALUE))
                        == TN_PERIODIC;

        if (periodic) {         /* the other half is the period's, not the comparator's */
            old = h->timer[(reg - REG_TIMER0) / 32].period;
        }
        value = high ? (uint32_t)old | value << 32 : (old & ~0xffffffffULL) | (uint32_t)value;
    }
    write_reg(h, reg, value);
}

static const IoOps mmio_ops = { .read = mmio_read, .write = mmio_write,
                                .widths = IO_32 | IO_64, .quick = true };

/* --- the device --- */

static bool hpet_init(Device *dev, GError **error)
{
    static void (*const fire[TIMERS])(void *) = { fire0, fire1, fire2 };
    Hpet *h = (Hpet *)dev;

    for (unsigned n = 0; n < TIMERS; n++) {
        timer_init(&h->timer[n].timer, &dev->machine->timers, fire[n], h);
    }
    return io_claim(dev, IO_MMIO, PC_HPET_BASE, MMIO_LEN, &mmio_ops, error);
}

static void hpet_reset(Device *dev)
{
    Hpet *h = (Hpet *)dev;

    h->config = h->status = h->stopped = 0;
    h->zero_ns = vm_now(dev);
    for (unsigned n = 0; n < TIMERS; n++) {
        timer_cancel(&h->timer[n].timer);
        h->timer[n].config = FIRST_ROUTE << 9;
        h->timer[n].comparator = UINT64_MAX;
        h->timer[n].period = 0;
        h->timer[n].matched = false;
    }
    irq_set(&h->legacy[0], false);
    irq_set(&h->legacy[1], false);
    irq_set(h->legacy_on, false);
    update_irq(h);
}

static bool hpet_loaded(Device *dev, GError **error)
{
    Hpet *h = (Hpet *)dev;

    if (h->zero_ns > vm_now(dev) || h->zero_ns < 0) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "the counter started in the future");
        return false;
    }
    for (unsigned n = 0; n < TIMERS; n++) {
        h->timer[n].config &= TN_WRITABLE;
    }
    irq_set(h->legacy_on, h->config & CONFIG_LEGACY);
    update_irq(h);
    return true;
}

static void hpet_finish(Device *dev)
{
    Hpet *h = (Hpet *)dev;

    for (unsigned n = 0; n < TIMERS; n++) {
        if (h->timer[n].timer.queue) {
            timer_cancel(&h->timer[n].timer);
        }
    }
}

static const ConfigField hpet_config[] = {
    CONFIG_FIELD(Hpet, gsi, CONFIG_POINTER, NULL, "I/O APIC pins"),
    CONFIG_FIELD(Hpet, legacy, CONFIG_POINTER, NULL, "lines in place of the PIT's and the RTC's"),
    CONFIG_FIELD(Hpet, legacy_on, CONFIG_POINTER, NULL, "tells that legacy replacement is on"),
    CONFIG_END
};

static const StateField timer_state[] = {
    STATE_U32(HpetTimer, config),
    STATE_U64(HpetTimer, comparator),
    STATE_U64(HpetTimer, period),
    STATE_BOOL(HpetTimer, matched),
    STATE_TIMER(HpetTimer, timer),
    STATE_END
};

static const StateField hpet_state[] = {
    STATE_U64_MAX(Hpet, config, CONFIG_ENABLE | CONFIG_LEGACY),
    STATE_U64_MAX(Hpet, status, 7),
    STATE_U64(Hpet, stopped),
    STATE_I64(Hpet, zero_ns),
    STATE_STRUCT_ARRAY(Hpet, timer, timer_state),
    STATE_END
};

const DeviceClass hpet_class = {
    .name = "hpet", .summary = "high precision event timer", .size = sizeof(Hpet), .version = 2,
    .config = hpet_config, .state = hpet_state, .init = hpet_init, .reset = hpet_reset,
    .loaded = hpet_loaded, .finish = hpet_finish,
};
