/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pit.c - 82C54 interval timer and the speaker gate of port 61h (Intel 82C54 data sheet; AT port B).
 * Outputs are computed from the time since the count was loaded; only channel 0 has a timer, for
 * IRQ 0.  Ticks that were missed while nobody looked are not made up for.
 */
#include "hypervisor/hvm/pit.h"
#include "include/pc_layout.h"

typedef struct PitChannel {
    uint32_t count;             /* as loaded: 1..0x10000 (10000 in BCD) */
    int64_t start;              /* ns: when it was loaded or the gate rose */
    uint16_t latched;
    uint8_t mode, rw;           /* rw: 1 low, 2 high, 3 low then high */
    uint8_t latch_left;         /* bytes of the latched count still to be read */
    uint8_t status;
    uint8_t low;                /* low byte written, waiting for the high one */
    bool bcd, gate, read_high, write_high, status_latched, null_count, running;
} PitChannel;

typedef struct Pit {
    Device dev;
    PitChannel channel[3];
    uint8_t port_b;             /* bits 1:0: speaker data, gate 2; 3:2: checks off */
    IrqLine *irq0;
    Timer timer;
} Pit;

static int64_t to_ns(uint64_t clocks)
{
    return (int64_t)((unsigned __int128)clocks * NS_PER_S / PIT_HZ);
}

static uint64_t elapsed(const Pit *p, const PitChannel *c)
{
    int64_t ns = machine_now(p->dev.machine) - c->start;

    return ns <= 0 ? 0 : (uint64_t)((unsigned __int128)ns * PIT_HZ / NS_PER_S);
}

static bool output(const Pit *p, const PitChannel *c)
{
    uint64_t t = elapsed(p, c), n = c->count;

    if (!c->running) {
        return c->mode != 0;
    }
    switch (c->mode) {
    case 0: return t >= n;
    case 1: return t >= n;
    case 2: return t % n != n - 1;
    case 3: return t % n < (n + 1) / 2;
    default: return t != n;
    }
}

/* The counting element's value, as binary. */
static uint32_t current(const Pit *p, const PitChannel *c)
{
    uint64_t t = elapsed(p, c), n = c->count;
    uint32_t wrap = c->bcd ? 10000 : 0x10000;

    if (!c->running) {
        return n;
    }
    switch (c->mode) {
    case 2: return n - t % n;
    case 3: return n - 2 * (t % ((n + 1) / 2)) % n;
    default: return (n + (uint64_t)wrap - t % wrap) % wrap;
    }
}

static uint16_t to_register(const PitChannel *c, uint32_t v)
{
    if (!c->bcd) {
        return v;
    }
    v %= 10000;
    return v / 1000 << 12 | v / 100 % 10 << 8 | v / 10 % 10 << 4 | v % 10;
}

static uint32_t from_register(const PitChannel *c, uint16_t v)
{
    uint32_t n = v;

    if (c->bcd) {
        n = (v >> 12 & 15) * 1000 + (v >> 8 & 15) * 100 + (v >> 4 & 15) * 10 + (v & 15);
        return n ? n : 10000;
    }
    return n ? n : 0x10000;
}

/* Clocks from the start until channel 0's output next rises after t; UINT64_MAX: never. */
static uint64_t next_rise(const PitChannel *c, uint64_t t)
{
    uint64_t n = c->count;

    switch (c->mode) {
    case 2:
    case 3: return (t / n + 1) * n;
    case 0:
    case 1: return t < n ? n : UINT64_MAX;
    default: return t <= n ? n + 1 : UINT64_MAX;
    }
}

static void pit_update_irq(Pit *p)
{
    PitChannel *c = &p->channel[0];
    uint64_t next;

    if (p->irq0) {
        irq_set(p->irq0, output(p, c));
    }
    if (!c->running) {
        timer_cancel(&p->timer);
        return;
    }
    next = next_rise(c, elapsed(p, c));
    if (next == UINT64_MAX) {
        timer_cancel(&p->timer);
    } else {
        timer_at(&p->timer, c->start + to_ns(next) + 1);
    }
}

/* The rising edge itself: modes 2 and 4 are low for one clock only, so make the edge seen. */
static void pit_fire(void *opaque)
{
    Pit *p = opaque;

    if (p->irq0) {
        irq_set(p->irq0, false);
        irq_set(p->irq0, true);
    }
    pit_update_irq(p);
}

static void load(Pit *p, unsigned n, uint16_t value)
{
    PitChannel *c = &p->channel[n];

    c->count = from_register(c, value);
    if (c->count == 1 && (c->mode == 2 || c->mode == 3)) {
        c->count = 2;           /* 1 is illegal there */
    }
    c->null_count = false;
    if (c->mode != 1 && c->mode != 5) {
        c->start = vm_now(&p->dev);
        c->running = c->gate || c->mode == 1;
    }
    if (n == 0) {
        if (p->irq0) {
            irq_set(p->irq0, output(p, c));
        }
        pit_update_irq(p);
    }
}

static void set_gate(Pit *p, unsigned n, bool gate)
{
    PitChannel *c = &p->channel[n];
    bool rise = gate && !c->gate;

    c->gate = gate;
    switch (c->mode) {
    case 1:
    case 5:
    case 2:
    case 3:
        if (rise) {
            c->start = vm_now(&p->dev);
            c->running = true;
        } else if (!gate && (c->mode == 2 || c->mode == 3)) {
            c->running = false;
        }
        break;
    default:
        if (rise && !c->running) {
            c->start = vm_now(&p->dev);
            c->running = true;
        } else if (!gate && c->running) {
            c->count = MAX(current(p, c), 1);
            c->running = false;
        }
    }
}

static void latch_count(Pit *p, PitChannel *c)
{
    if (c->latch_left == 0) {
        c->latched = to_register(c, current(p, c));
        c->latch_left = c->rw == 3 ? 2 : 1;
    }
}

static void read_back(Pit *p, uint8_t v)
{
    for (unsigned n = 0; n < 3; n++) {
        PitChannel *c = &p->channel[n];

        if (!(v >> (n + 1) & 1)) {
            continue;
        }
        if (!(v & 0x20)) {
            latch_count(p, c);
        }
        if (!(v & 0x10) && !c->status_latched) {
            c->status = output(p, c) << 7 | c->null_count << 6 | c->rw << 4 | c->mode << 1 | c->bcd;
            c->status_latched = true;
        }
    }
}

static void write_control(Pit *p, uint8_t v)
{
    PitChannel *c;

    if (v >> 6 == 3) {
        read_back(p, v);
        return;
    }
    c = &p->channel[v >> 6];
    if (!(v & 0x30)) {
        latch_count(p, c);
        return;
    }
    c->rw = v >> 4 & 3;
    c->mode = v >> 1 & 7;
    if (c->mode > 5) {
        c->mode -= 4;
    }
    c->bcd = v & 1;
    c->null_count = true;
    c->running = c->read_high = c->write_high = c->status_latched = false;
    c->latch_left = 0;
    if (c == &p->channel[0]) {
        pit_update_irq(p);
    }
}

static uint8_t read_counter(Pit *p, PitChannel *c)
{
    uint16_t v;

    if (c->status_latched) {
        c->status_latched = false;
        return c->status;
    }
    if (c->latch_left) {
        v = c->latched;
        if (c->rw == 3) {
            return --c->latch_left == 1 ? v : v >> 8;
        }
        c->latch_left = 0;
        return c->rw == 2 ? v >> 8 : v;
    }
    v = to_register(c, current(p, c));
    if (c->rw == 3) {
        c->read_high = !c->read_high;
        return c->read_high ? v : v >> 8;
    }
    return c->rw == 2 ? v >> 8 : v;
}

static void write_counter(Pit *p, unsigned n, uint8_t v)
{
    PitChannel *c = &p->channel[n];

    switch (c->rw) {
    case 1: load(p, n, v); break;
    case 2: load(p, n, v << 8); break;
    case 3:
        if (!c->write_high) {
            c->low = v;
            c->write_high = true;
            if (c->mode == 0) {
                c->running = false;     /* the first byte stops counting */
            }
        } else {
            c->write_high = false;
            load(p, n, v << 8 | c->low);
        }
        break;
    }
}

static uint64_t pit_read(void *opaque, uint64_t offset, unsigned width)
{
    Pit *p = opaque;

    (void)width;
    return offset == 3 ? 0xff : read_counter(p, &p->channel[offset]);
}

static void pit_write(void *opaque, uint64_t offset, unsigned width, uint64_t v)
{
    (void)width;
    if (offset == 3) {
        write_control(opaque, v);
    } else {
        write_counter(opaque, offset, v);
    }
}

static uint64_t port_b_read(void *opaque, uint64_t offset, unsigned width)
{
    Pit *p = opaque;
    int64_t now = vm_now(&p->dev);

    (void)offset;
    (void)width;
    /* bit 4 toggles with each DRAM refresh, every 15.085 us */
    return (p->port_b & 0x0f) | (now / 15085 & 1) << 4 | output(p, &p->channel[2]) << 5;
}

static void port_b_write(void *opaque, uint64_t offset, unsigned width, uint64_t v)
{
    Pit *p = opaque;

    (void)offset;
    (void)width;
    p->port_b = v & 0x0f;
    if (p->channel[2].gate != (v & 1)) {
        set_gate(p, 2, v & 1);
    }
}

static const IoOps pit_ops = { .read = pit_read, .write = pit_write, .widths = IO_8 };
static const IoOps port_b_ops = { .read = port_b_read, .write = port_b_write, .widths = IO_8 };

void pit_connect(Device *dev, IrqLine *irq0)
{
    ((Pit *)dev)->irq0 = irq0;
}

static bool pit_init(Device *dev, GError **error)
{
    Pit *p = (Pit *)dev;

    timer_init(&p->timer, &dev->machine->timers, pit_fire, p);
    return io_claim(dev, IO_PORT, PORT_PIT, 4, &pit_ops, error) &&
           io_claim(dev, IO_PORT, PORT_SPEAKER, 1, &port_b_ops, error);
}

static void pit_reset(Device *dev)
{
    Pit *p = (Pit *)dev;

    for (unsigned n = 0; n < 3; n++) {
        p->channel[n] = (PitChannel){ .count = 0x10000, .mode = 3, .rw = 3, .gate = n != 2 };
    }
    p->port_b = 0;
    timer_cancel(&p->timer);
    if (p->irq0) {
        irq_set(p->irq0, false);
    }
}

static bool pit_loaded(Device *dev, GError **error)
{
    Pit *p = (Pit *)dev;

    for (unsigned n = 0; n < 3; n++) {
        if (p->channel[n].count == 0 || p->channel[n].count > 0x10000) {
            g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "count of channel %u", n);
            return false;
        }
    }
    pit_update_irq(p);
    return true;
}

static const StateField pit_channel_state[] = {
    STATE_U32_MAX(PitChannel, count, 0x10000), STATE_I64(PitChannel, start),
    STATE_U16(PitChannel, latched), STATE_U8_MAX(PitChannel, mode, 5),
    STATE_U8_MAX(PitChannel, rw, 3), STATE_U8_MAX(PitChannel, latch_left, 2),
    STATE_U8(PitChannel, status), STATE_U8(PitChannel, low), STATE_BOOL(PitChannel, bcd),
    STATE_BOOL(PitChannel, gate), STATE_BOOL(PitChannel, read_high),
    STATE_BOOL(PitChannel, write_high), STATE_BOOL(PitChannel, status_latched),
    STATE_BOOL(PitChannel, null_count), STATE_BOOL(PitChannel, running), STATE_END
};
static const StateField pit_state[] = {
    STATE_STRUCT_ARRAY(Pit, channel, pit_channel_state), STATE_U8(Pit, port_b),
    STATE_TIMER(Pit, timer), STATE_END
};

const DeviceClass pit_class = {
    .name = "pit", .summary = "82C54 interval timer, speaker gate", .size = sizeof(Pit),
    .version = 1, .state = pit_state, .init = pit_init, .reset = pit_reset, .loaded = pit_loaded,
};
