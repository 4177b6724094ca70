/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pit.c - Intel 82C54 (data sheet 231244) and port 0x61: all six modes, latches, read-back, BCD,
 * channel 2's gate and output, the refresh toggle.  Counters are computed from guest time.  What
 * drives the speaker (channel 2's output and port 0x61 bit 1) is told as a wave (lib/speaker.h); the
 * pulses of one clock that end modes 4 and 5 are not in it.  IRQ 0
 * rises at each terminal count and falls at the next load or tick, rather than following OUT's half
 * periods; after a long stop one tick stands for all missed.  A new count takes effect at once in
 * modes 2 and 3, where the chip would finish the running cycle.
 */
#include "hypervisor/hvm/pit.h"

#include "include/pc_layout.h"
#include "lib/speaker.h"

#define MIN_PERIOD_NS 20000     /* IRQ 0 comes no faster */
#define MAX_AGE (1LL << 60)     /* of anything in a saved state, ns or ticks */
#define REFRESH_NS 15085        /* of one refresh request */
#define SPEAKER_DATA 2          /* port 0x61: the output reaches the speaker */

enum { ACCESS_LOW = 1, ACCESS_HIGH = 2, ACCESS_BOTH = 3 };

typedef struct PitChannel {
    uint32_t count;             /* 1..65536 (10000 in BCD); 0: no count written yet */
    uint8_t mode, access;
    bool bcd, gate;
    bool write_high, read_high; /* next byte is the high one */
    uint8_t write_low;
    uint8_t latched;            /* bytes of the latched count still to read */
    uint16_t latch;
    bool status_latched;
    uint8_t status;
    bool loaded;                /* the count is in the counting element */
    int64_t start;              /* guest ns at which counting began */
    int64_t ticks;              /* counted when the gate stopped it; -1: it runs */
} PitChannel;

typedef struct Pit {
    Device dev;
    PitChannel channel[3];
    uint8_t speaker;            /* port 0x61 bits 3:0 */
    Timer tick;
    SpeakerWave wave;           /* derived: what the speaker was told last */
} Pit;

/* ns * PIT_HZ / NS_PER_S, which need not fit */
static int64_t to_ticks(int64_t ns)
{
    return ns / NS_PER_S * PIT_HZ + ns % NS_PER_S * PIT_HZ / NS_PER_S;
}

static int64_t to_ns(int64_t ticks)
{
    return (int64_t)(((__int128)ticks * NS_PER_S + PIT_HZ - 1) / PIT_HZ);
}

static bool periodic(const PitChannel *c)
{
    return c->mode == 2 || c->mode == 3;
}

static bool triggered(const PitChannel *c)
{
    return c->mode == 1 || c->mode == 5;
}

static int64_t elapsed(Pit *p, const PitChannel *c)
{
    return c->ticks >= 0 ? c->ticks : to_ticks(vm_now(&p->dev) - c->start);
}

static uint16_t from_bcd(uint16_t v)
{
    return (v & 15) + (v >> 4 & 15) * 10 + (v >> 8 & 15) * 100 + (v >> 12) * 1000;
}

static uint16_t to_bcd(uint16_t v)
{
    return v % 10 | v / 10 % 10 << 4 | v / 100 % 10 << 8 | v / 1000 % 10 << 12;
}

static uint16_t current(Pit *p, const PitChannel *c)
{
    uint32_t modulus = c->bcd ? 10000 : 65536, value;
    int64_t t;

    if (!c->count) {
        return 0;
    }
    t = c->loaded ? elapsed(p, c) : 0;
    if (c->mode == 2) {
        value = c->count - t % c->count;
    } else if (c->mode == 3) {
        uint32_t phase = t % c->count, half = (c->count + 1) / 2;

        value = (c->count & ~1u) - 2 * (phase < half ? phase : phase - half);
    } else {
        value = (c->count % modulus + modulus - (uint32_t)(t % modulus)) % modulus;
    }
    return c->bcd ? to_bcd(value % 10000) : value;
}

static bool out(Pit *p, const PitChannel *c)
{
    int64_t t;

    if (!c->count || !c->loaded) {
        return c->mode != 0;
    }
    t = elapsed(p, c);
    switch (c->mode) {
    case 0: return t >= c->count;
    case 1: return t >= c->count;
    case 2: return !c->gate || t % c->count != c->count - 1;
    case 3: return !c->gate || t % c->count < (c->count + 1) / 2;
    default: return t != c->count;
    }
}

/* --- IRQ 0 --- */

static void arm(Pit *p)
{
    PitChannel *c = &p->channel[0];
    int64_t now = vm_now(&p->dev), due = c->count, step, passed;

    if (!c->count || !c->loaded || c->ticks >= 0) {
        timer_cancel(&p->tick);
        return;
    }
    passed = to_ticks(now - c->start);
    if (periodic(c)) {
        step = (MAX(to_ticks(MIN_PERIOD_NS), 1) + c->count - 1) / c->count * c->count;
        due = (passed / step + 1) * step;
    } else if (passed >= due) {
        timer_cancel(&p->tick);
        return;
    }
    timer_at(&p->tick, c->start + to_ns(due));
}

static void tick(void *opaque)
{
    Pit *p = opaque;
    IrqLine *irq = &p->dev.machine->isa_irq[IRQ_PIT];

    irq_set(irq, false);
    irq_set(irq, true);
    arm(p);
}

static void start(Pit *p, PitChannel *c)
{
    c->start = vm_now(&p->dev);
    c->ticks = -1;
    c->loaded = true;
    if (!c->gate && !triggered(c)) {
        c->ticks = 0;
    }
    if (c == &p->channel[0]) {
        irq_set(&p->dev.machine->isa_irq[IRQ_PIT], false);
        arm(p);
    }
}

static void set_gate(Pit *p, PitChannel *c, bool gate)
{
    if (gate == c->gate) {
        return;
    }
    c->gate = gate;
    if (!c->count) {
        return;
    }
    if (gate && (triggered(c) || periodic(c))) {
        start(p, c);
    } else if (gate && c->ticks >= 0) {
        c->start = vm_now(&p->dev) - to_ns(c->ticks);
        c->ticks = -1;
    } else if (!gate && c->loaded && !triggered(c)) {
        c->ticks = elapsed(p, c);
    }
}

/* --- the speaker --- */

static SpeakerWave wave_of(Pit *p)
{
    const PitChannel *c = &p->channel[2];
    int64_t now = vm_now(&p->dev);

    if (!(p->speaker & SPEAKER_DATA)) {
        return speaker_level(now, false);
    }
    if (!c->count || !c->loaded || c->ticks >= 0 || c->mode > 3 || (c->mode == 3 && c->count == 1)) {
        return speaker_level(now, c->mode > 3 || out(p, c));
    }
    switch (c->mode) {
    case 2: return (SpeakerWave){ now, c->start, c->count - 1, 1, true };
    case 3: return (SpeakerWave){ now, c->start, (c->count + 1) / 2, c->count / 2, true };
    default: return (SpeakerWave){ now, c->start, c->count, 0, false };
    }
}

static void update_speaker(Pit *p)
{
    SpeakerWave w = wave_of(p), *old = &p->wave;
    bool stays = !w.first_ticks && !w.second_ticks && !old->first_ticks && !old->second_ticks;

    if (!p->dev.machine->host->speaker ||
        (w.first == old->first && w.first_ticks == old->first_ticks &&
         w.second_ticks == old->second_ticks && (stays || w.start == old->start))) {
        return;
    }
    *old = w;
    p->dev.machine->host->speaker(p->dev.machine, &w);
}

/* --- registers --- */

static void load(Pit *p, PitChannel *c, uint16_t value)
{
    uint32_t count = c->bcd ? from_bcd(value) : value;

    c->count = count ? count : c->bcd ? 10000 : 65536;
    if (!triggered(c)) {
        start(p, c);
    }
}

static void write_count(Pit *p, PitChannel *c, uint8_t v)
{
    switch (c->access) {
    case ACCESS_LOW: load(p, c, v); break;
    case ACCESS_HIGH: load(p, c, v << 8); break;
    default:
        if (!c->write_high) {
            c->write_low = v;
            if (c->mode == 0 && c->loaded) {    /* the first byte stops mode 0 */
                c->ticks = elapsed(p, c);
                if (c == &p->channel[0]) {
                    arm(p);
                }
            }
        } else {
            load(p, c, c->write_low | v << 8);
        }
        c->write_high = !c->write_high;
    }
}

static void latch_count(Pit *p, PitChannel *c)
{
    if (!c->latched) {
        c->latch = current(p, c);
        c->latched = c->access == ACCESS_BOTH ? 2 : 1;
    }
}

static void latch_status(Pit *p, PitChannel *c)
{
    if (!c->status_latched) {
        c->status = out(p, c) << 7 | (!c->loaded) << 6 | c->access << 4 | c->mode << 1 | c->bcd;
        c->status_latched = true;
    }
}

static void write_control(Pit *p, uint8_t v)
{
    unsigned n = v >> 6;
    PitChannel *c;

    if (n == 3) {               /* read-back */
        for (unsigned i = 0; i < 3; i++) {
            if (v >> (i + 1) & 1) {
                if (!(v & 0x20)) {
                    latch_count(p, &p->channel[i]);
                }
                if (!(v & 0x10)) {
                    latch_status(p, &p->channel[i]);
                }
            }
        }
        return;
    }
    c = &p->channel[n];
    if (!(v & 0x30)) {
        latch_count(p, c);
        return;
    }
    c->access = v >> 4 & 3;
    c->mode = v >> 1 & 7;
    if (c->mode > 5) {
        c->mode -= 4;           /* bit 2 is ignored for modes 2 and 3 */
    }
    c->bcd = v & 1;
    c->write_high = c->read_high = c->status_latched = c->loaded = false;
    c->latched = 0;
    c->count = 0;
    c->ticks = -1;
    if (n == 0) {
        irq_set(&p->dev.machine->isa_irq[IRQ_PIT], false);
        arm(p);
    }
}

static uint8_t read_channel(Pit *p, PitChannel *c)
{
    uint16_t v;
    bool high;

    if (c->status_latched) {
        c->status_latched = false;
        return c->status;
    }
    if (c->latched) {
        high = c->access == ACCESS_HIGH || (c->access == ACCESS_BOTH && c->latched == 1);
        c->latched--;
        return c->latch >> (high ? 8 : 0);
    }
    v = current(p, c);
    high = c->access == ACCESS_HIGH;
    if (c->access == ACCESS_BOTH) {
        high = c->read_high;
        c->read_high = !c->read_high;
    }
    return v >> (high ? 8 : 0);
}

static uint64_t pit_read(void *opaque, uint64_t offset, unsigned width)
{
    Pit *p = opaque;

    (void)width;
    return offset == 3 ? 0xff : read_channel(p, &p->channel[offset]);
}

static void pit_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    Pit *p = opaque;

    (void)width;
    if (offset == 3) {
        write_control(p, value);
    } else {
        write_count(p, &p->channel[offset], value);
    }
    update_speaker(p);
}

static uint64_t speaker_read(void *opaque, uint64_t offset, unsigned width)
{
    Pit *p = opaque;

    (void)offset;
    (void)width;
    return p->speaker | (vm_now(&p->dev) / REFRESH_NS & 1) << 4 | out(p, &p->channel[2]) << 5;
}

static void speaker_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    Pit *p = opaque;

    (void)offset;
    (void)width;
    p->speaker = value & 15;
    set_gate(p, &p->channel[2], value & 1);
    update_speaker(p);
}

static const IoOps pit_ops = { .read = pit_read, .write = pit_write, .widths = IO_8,
                               .quick = true };
static const IoOps speaker_ops = { .read = speaker_read, .write = speaker_write, .widths = IO_8,
                                   .quick = true };

/* --- the device --- */

static bool pit_init(Device *dev, GError **error)
{
    Pit *p = (Pit *)dev;

    timer_init(&p->tick, &dev->machine->timers, tick, p);
    p->wave = speaker_level(0, false);
    return io_claim(dev, IO_PORT, PORT_PIT, 4, &pit_ops, error) &&
           io_claim(dev, IO_PORT, PORT_SPEAKER, 1, &speaker_ops, error);
}

static void pit_reset(Device *dev)
{
    Pit *p = (Pit *)dev;

    for (unsigned i = 0; i < 3; i++) {
        p->channel[i] = (PitChannel){ .mode = 3, .access = ACCESS_BOTH, .gate = i != 2,
                                      .ticks = -1 };
    }
    p->speaker = 0;
    timer_cancel(&p->tick);
    irq_set(&dev->machine->isa_irq[IRQ_PIT], false);
    update_speaker(p);
}

static bool pit_loaded(Device *dev, GError **error)
{
    Pit *p = (Pit *)dev;

    for (unsigned i = 0; i < 3; i++) {
        PitChannel *c = &p->channel[i];

        if (!c->access || c->ticks < -1 || c->ticks > MAX_AGE ||
            c->count > (c->bcd ? 10000 : 65536) || c->start > vm_now(dev) ||
            c->start < -MAX_AGE) {
            g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "channel %u is impossible", i);
            return false;
        }
    }
    arm(p);
    update_speaker(p);
    return true;
}

static void pit_finish(Device *dev)
{
    Pit *p = (Pit *)dev;

    if (p->tick.queue) {
        timer_cancel(&p->tick);
    }
}

static const StateField channel_state[] = {
    STATE_U32_MAX(PitChannel, count, 65536),
    STATE_U8_MAX(PitChannel, mode, 5),
    STATE_U8_MAX(PitChannel, access, 3),
    STATE_BOOL(PitChannel, bcd),
    STATE_BOOL(PitChannel, gate),
    STATE_BOOL(PitChannel, write_high),
    STATE_BOOL(PitChannel, read_high),
    STATE_U8(PitChannel, write_low),
    STATE_U8_MAX(PitChannel, latched, 2),
    STATE_U16(PitChannel, latch),
    STATE_BOOL(PitChannel, status_latched),
    STATE_U8(PitChannel, status),
    STATE_BOOL(PitChannel, loaded),
    STATE_I64(PitChannel, start),
    STATE_I64(PitChannel, ticks),
    STATE_END
};

static const StateField pit_state[] = {
    STATE_STRUCT_ARRAY(Pit, channel, channel_state),
    STATE_U8_MAX(Pit, speaker, 15),
    STATE_TIMER(Pit, tick),
    STATE_END
};

const DeviceClass pit_class = {
    .name = "pit", .summary = "82C54 timer and port 0x61", .size = sizeof(Pit), .version = 1,
    .state = pit_state, .init = pit_init, .reset = pit_reset, .loaded = pit_loaded,
    .finish = pit_finish,
};
