/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hpet.c - three timers at 62.5 MHz (IA-PC HPET 1.0a, as Xen presents it).  Left out: FSB delivery
 * (not offered).  Missed periods of a periodic timer are skipped, not delivered in a burst.
 */
#include "hypervisor/hvm/hpet.h"
#include "include/pc_layout.h"

#define TIMERS 3
#define TICK_NS 16
#define CAP 0x8086a201ull       /* rev 1, 3 timers, 64 bits, legacy capable, Intel */
#define ROUTES 0x00f00000ull    /* GSIs 20-23 */
enum { CFG_ENABLE = 1, CFG_LEGACY = 2 };
enum { T_LEVEL = 2, T_ENABLE = 4, T_PERIODIC = 8, T_PERIODIC_CAP = 0x10, T_64 = 0x20,
       T_SETVAL = 0x40, T_32 = 0x100, T_ROUTE = 0x3e00, T_WRITABLE = 0x3f4e };

typedef struct HpetTimer {
    uint64_t config, compare, period;
    Timer timer;
} HpetTimer;

typedef struct Hpet {
    Device dev;
    uint64_t config, status;
    uint64_t counter;           /* while stopped */
    int64_t base;               /* ns at counter 0 while running */
    HpetTimer t[TIMERS];
    void (*gsi)(void *opaque, unsigned gsi, bool level);
    void (*legacy)(void *opaque, bool on);
    void *opaque;
} Hpet;

static uint64_t counter(const Hpet *h)
{
    return h->config & CFG_ENABLE ? (uint64_t)(machine_now(h->dev.machine) - h->base) / TICK_NS
                                  : h->counter;
}

/* The line of a timer: legacy replacement gives 0 and 1 their old ISA lines; -1: none valid. */
static int route(const Hpet *h, unsigned n)
{
    unsigned r = h->t[n].config >> 9 & 31;

    if ((h->config & CFG_LEGACY) && n < 2) {
        return n == 0 ? IRQ_PIT : IRQ_RTC;
    }
    return r >= 20 && r <= 23 ? (int)r : -1;
}

static void set_output(Hpet *h, unsigned n, bool level)
{
    int line = route(h, n);

    if (line >= 0 && h->gsi) {
        h->gsi(h->opaque, line, level);
    }
}

static void timer_arm(Hpet *h, unsigned n)
{
    HpetTimer *t = &h->t[n];
    uint64_t now = counter(h), ahead = t->compare - now;

    if (!(h->config & CFG_ENABLE)) {
        timer_cancel(&t->timer);
        return;
    }
    if (!(t->config & T_64) || (t->config & T_32)) {
        ahead = (uint32_t)ahead;
    }
    if (ahead == 0) {
        ahead = t->config & T_PERIODIC && t->period ? t->period : 1ull << 32;
    }
    if (ahead > 1ull << 56) {
        ahead = 1ull << 56;     /* looked at again then */
    }
    timer_at(&t->timer, machine_now(h->dev.machine) + (int64_t)ahead * TICK_NS);
}

static void expire(Hpet *h, unsigned n)
{
    HpetTimer *t = &h->t[n];

    if (t->config & T_PERIODIC && t->period) {
        uint64_t late = counter(h) - t->compare;

        t->compare += t->period * (1 + (late < 1ull << 62 ? late / t->period : 0));
        if (t->config & T_32) {
            t->compare = (uint32_t)t->compare;
        }
    }
    if (t->config & T_ENABLE) {
        if (t->config & T_LEVEL) {
            h->status |= 1 << n;
            set_output(h, n, true);
        } else {
            set_output(h, n, true);
            set_output(h, n, false);
        }
    }
    timer_arm(h, n);
}

static void fire0(void *opaque) { expire(opaque, 0); }
static void fire1(void *opaque) { expire(opaque, 1); }
static void fire2(void *opaque) { expire(opaque, 2); }

static uint64_t read_register(const Hpet *h, unsigned reg)
{
    unsigned n = (reg - 0x100) / 0x20;

    switch (reg) {
    case 0x00: return CAP | (uint64_t)HPET_PERIOD_FS << 32;
    case 0x10: return h->config;
    case 0x20: return h->status;
    case 0xf0: return counter(h);
    }
    if (reg >= 0x100 && n < TIMERS) {
        switch (reg & 0x1f) {
        case 0x00: return h->t[n].config | T_PERIODIC_CAP | T_64 | ROUTES << 32;
        case 0x08: return h->t[n].config & T_32 ? (uint32_t)h->t[n].compare : h->t[n].compare;
        }
    }
    return 0;
}

static void write_config(Hpet *h, uint64_t v)
{
    uint64_t old = h->config, now = counter(h);

    h->config = v & (CFG_ENABLE | CFG_LEGACY);
    if ((old ^ h->config) & CFG_ENABLE) {
        if (h->config & CFG_ENABLE) {
            h->base = machine_now(h->dev.machine) - (int64_t)(h->counter * TICK_NS);
        } else {
            h->counter = now;
        }
        for (unsigned n = 0; n < TIMERS; n++) {
            timer_arm(h, n);
        }
    }
    if (((old ^ h->config) & CFG_LEGACY) && h->legacy) {
        h->legacy(h->opaque, h->config & CFG_LEGACY);
    }
}

static void write_timer_config(Hpet *h, unsigned n, uint64_t v)
{
    HpetTimer *t = &h->t[n];

    if (h->status >> n & 1) {
        set_output(h, n, false);        /* the old route's level goes with it */
    }
    t->config = v & T_WRITABLE;
    if (t->config & T_32) {
        t->compare = (uint32_t)t->compare;
        t->period = (uint32_t)t->period;
    }
    if ((h->status >> n & 1) && (t->config & T_LEVEL) && (t->config & T_ENABLE)) {
        set_output(h, n, true);
    }
    timer_arm(h, n);
}

static void write_compare(Hpet *h, unsigned n, uint64_t v)
{
    HpetTimer *t = &h->t[n];

    if (t->config & T_32) {
        v = (uint32_t)v;
    }
    if (!(t->config & T_PERIODIC) || (t->config & T_SETVAL)) {
        t->compare = v;
    }
    if (t->config & T_PERIODIC) {
        t->period = v < 625 ? 625 : v;  /* at most 100 kHz */
    }
    t->config &= ~(uint64_t)T_SETVAL;
    timer_arm(h, n);
}

static void write_register(Hpet *h, unsigned reg, uint64_t v)
{
    unsigned n = (reg - 0x100) / 0x20;

    switch (reg) {
    case 0x10: write_config(h, v); return;
    case 0x20:
        for (n = 0; n < TIMERS; n++) {
            if ((v & h->status) >> n & 1) {
                set_output(h, n, false);
            }
        }
        h->status &= ~v;
        return;
    case 0xf0:
        if (!(h->config & CFG_ENABLE)) {
            h->counter = v & (UINT64_MAX >> 4);
        }
        return;
    }
    if (reg >= 0x100 && n < TIMERS) {
        if ((reg & 0x1f) == 0) {
            write_timer_config(h, n, v);
        } else if ((reg & 0x1f) == 8) {
            write_compare(h, n, v);
        }
    }
}

static uint64_t hpet_read(void *opaque, uint64_t offset, unsigned width)
{
    uint64_t v = read_register(opaque, offset & ~7u);

    return width == 4 && (offset & 4) ? v >> 32 : v;
}

static void hpet_write(void *opaque, uint64_t offset, unsigned width, uint64_t v)
{
    unsigned reg = offset & ~7u;

    if (width == 4) {           /* the other half stays as it is */
        uint64_t old = read_register(opaque, reg);

        if (reg == 0x20) {
            old = 0;
        }
        v = offset & 4 ? (old & 0xffffffff) | v << 32 : (old & ~0xffffffffull) | v;
    }
    write_register(opaque, reg, v);
}

static const IoOps hpet_ops = { .read = hpet_read, .write = hpet_write, .widths = IO_32 | IO_64 };

void hpet_connect(Device *dev, void (*gsi)(void *, unsigned, bool), void (*legacy)(void *, bool),
                  void *opaque)
{
    Hpet *h = (Hpet *)dev;

    h->gsi = gsi;
    h->legacy = legacy;
    h->opaque = opaque;
}

static bool hpet_init(Device *dev, GError **error)
{
    static void (*const fire[TIMERS])(void *) = { fire0, fire1, fire2 };
    Hpet *h = (Hpet *)dev;

    for (unsigned n = 0; n < TIMERS; n++) {
        timer_init(&h->t[n].timer, &dev->machine->timers, fire[n], h);
    }
    return io_claim(dev, IO_MMIO, PC_HPET_BASE, 1024, &hpet_ops, error);
}

static void hpet_reset(Device *dev)
{
    Hpet *h = (Hpet *)dev;
    bool legacy = h->config & CFG_LEGACY;

    for (unsigned n = 0; n < TIMERS; n++) {
        if (h->status >> n & 1) {
            set_output(h, n, false);
        }
        timer_cancel(&h->t[n].timer);
        h->t[n].config = 0;
        h->t[n].compare = UINT64_MAX;
        h->t[n].period = 0;
    }
    h->config = h->status = h->counter = 0;
    h->base = 0;
    if (legacy && h->legacy) {
        h->legacy(h->opaque, false);
    }
}

static bool hpet_loaded(Device *dev, GError **error)
{
    Hpet *h = (Hpet *)dev;

    for (unsigned n = 0; n < TIMERS; n++) {
        if (h->t[n].period && h->t[n].period < 625) {
            g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "period of timer %u", n);
            return false;
        }
        if (h->status >> n & 1) {
            set_output(h, n, true);
        }
    }
    if ((h->config & CFG_LEGACY) && h->legacy) {
        h->legacy(h->opaque, true);
    }
    return true;
}

static const StateField hpet_timer_state[] = {
    STATE_U64(HpetTimer, config), STATE_U64(HpetTimer, compare), STATE_U64(HpetTimer, period),
    STATE_TIMER(HpetTimer, timer), STATE_END
};
static const StateField hpet_state[] = {
    STATE_U64_MAX(Hpet, config, 3), STATE_U64_MAX(Hpet, status, 7), STATE_U64(Hpet, counter),
    STATE_I64(Hpet, base), STATE_STRUCT_ARRAY(Hpet, t, hpet_timer_state), STATE_END
};

const DeviceClass hpet_class = {
    .name = "hpet", .summary = "high precision event timer", .size = sizeof(Hpet), .version = 1,
    .state = hpet_state, .init = hpet_init, .reset = hpet_reset, .loaded = hpet_loaded,
};
