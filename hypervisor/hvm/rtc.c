/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rtc.c - Motorola MC146818 (data sheet of 1984), bytes 0-13: clock, calendar, alarm, update and
 * periodic interrupts, 12/24 hours, BCD and binary.  Years are 2000-2099; the century byte is in
 * the device model's part of the CMOS.  Left out: daylight saving and the square wave pin.  The clock
 * follows the host's wall clock plus what the guest has set.
 */
#include "hypervisor/hvm/rtc.h"

#include <string.h>
#include "include/pc_layout.h"

enum { SECONDS, SECONDS_ALARM, MINUTES, MINUTES_ALARM, HOURS, HOURS_ALARM, WEEKDAY, DAY, MONTH,
       YEAR, REG_A, REG_B, REG_C, REG_D, REGS };

#define A_UIP 0x80
#define B_SET 0x80
#define B_PIE 0x40
#define B_AIE 0x20
#define B_UIE 0x10
#define B_BINARY 0x04
#define B_24H 0x02
#define C_IRQF 0x80
#define C_PF 0x40
#define C_AF 0x20
#define C_UF 0x10
#define D_VALID 0x80
#define UPDATE_NS 2228000       /* UIP: 244 us ahead of an update that takes 1984 us */
#define DAY_S 86400

struct Rtc {
    Device dev;
    uint8_t reg[REGS];          /* time bytes are current only while the clock stands */
    int64_t offset;             /* seconds the guest's clock is ahead of the wall clock */
    int64_t base, base_ns;      /* clock's seconds since 1970 at that guest time */
    int64_t checked;            /* UF and AF are settled up to this second */
    int64_t pf_from;            /* PF is settled up to this guest time */
    Timer second, periodic;
};

static bool runs(const Rtc *r)
{
    return !(r->reg[REG_B] & B_SET) && (r->reg[REG_A] >> 4 & 7) == 2;
}

/* --- calendar --- */

static int64_t days_from_civil(int64_t y, unsigned m, unsigned d)
{
    int64_t era, yoe, doy;

    y -= m <= 2;
    era = (y >= 0 ? y : y - 399) / 400;
    yoe = y - era * 400;
    doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void civil_from_days(int64_t days, int64_t *y, unsigned *m, unsigned *d)
{
    int64_t era, doe, yoe, doy, mp;

    days += 719468;
    era = (days >= 0 ? days : days - 146096) / 146097;
    doe = days - era * 146097;
    yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    mp = (5 * doy + 2) / 153;
    *d = doy - (153 * mp + 2) / 5 + 1;
    *m = mp < 10 ? mp + 3 : mp - 9;
    *y = yoe + era * 400 + (*m <= 2);
}

static uint8_t encode(const Rtc *r, unsigned v)
{
    return r->reg[REG_B] & B_BINARY ? v : (v / 10 % 10) << 4 | v % 10;
}

static unsigned decode(const Rtc *r, uint8_t v)
{
    return r->reg[REG_B] & B_BINARY ? v : (v >> 4) * 10 + (v & 15);
}

static uint8_t encode_hour(const Rtc *r, unsigned h)
{
    if (r->reg[REG_B] & B_24H) {
        return encode(r, h);
    }
    return encode(r, h % 12 ? h % 12 : 12) | (h >= 12 ? 0x80 : 0);
}

static unsigned decode_hour(const Rtc *r, uint8_t v)
{
    if (r->reg[REG_B] & B_24H) {
        return decode(r, v);
    }
    return decode(r, v & 0x7f) % 12 + (v & 0x80 ? 12 : 0);
}

static void to_registers(const Rtc *r, int64_t t, uint8_t *reg)
{
    int64_t days = t / DAY_S - (t % DAY_S < 0), y;
    unsigned s = t - days * DAY_S, m, d;

    civil_from_days(days, &y, &m, &d);
    reg[SECONDS] = encode(r, s % 60);
    reg[MINUTES] = encode(r, s / 60 % 60);
    reg[HOURS] = encode_hour(r, s / 3600);
    reg[WEEKDAY] = encode(r, ((days + 4) % 7 + 7) % 7 + 1);     /* 1970-01-01 was a Thursday */
    reg[DAY] = encode(r, d);
    reg[MONTH] = encode(r, m);
    reg[YEAR] = encode(r, ((y % 100) + 100) % 100);
}

static int64_t from_registers(const Rtc *r, const uint8_t *reg)
{
    unsigned month = decode(r, reg[MONTH]), day = decode(r, reg[DAY]);

    month = CLAMP(month, 1, 12);
    return (days_from_civil(2000 + decode(r, reg[YEAR]) % 100, month, MAX(day, 1))) * DAY_S +
           decode_hour(r, reg[HOURS]) * 3600 + decode(r, reg[MINUTES]) * 60 +
           decode(r, reg[SECONDS]);
}

/* --- the clock --- */

static int64_t wall(Rtc *r)
{
    return r->dev.machine->host->wall_clock(r->dev.machine);
}

static int64_t since_base(Rtc *r)
{
    return vm_now(&r->dev) - r->base_ns;
}

static int64_t clock_now(Rtc *r)
{
    int64_t t = r->base + since_base(r) / NS_PER_S, want = wall(r) + r->offset;

    /* Guest time stood still or the host's clock was set. */
    if (t - want > 1 || want - t > 1) {
        r->base = t = want;
        r->base_ns = vm_now(&r->dev);
        r->checked = MIN(r->checked, t);
    }
    return t;
}

static void set_clock(Rtc *r, int64_t t, bool keep_phase)
{
    int64_t delta = t - wall(r) - r->offset;

    r->base_ns = vm_now(&r->dev) - (keep_phase ? since_base(r) % NS_PER_S : 0);
    r->base = r->checked = t;
    if (delta && r->dev.machine->host->rtc_offset_changed) {
        r->dev.machine->host->rtc_offset_changed(r->dev.machine, delta);
    }
    r->offset = t - wall(r);    /* nothing, where the host moves the wall clock instead */
}

static bool alarm_field(uint8_t alarm, uint8_t now)
{
    return (alarm & 0xc0) == 0xc0 || alarm == now;      /* 0xC0-0xFF: any */
}

static bool alarm_at(const Rtc *r, int64_t t)
{
    unsigned s = (t % DAY_S + DAY_S) % DAY_S;

    return alarm_field(r->reg[SECONDS_ALARM], encode(r, s % 60)) &&
           alarm_field(r->reg[MINUTES_ALARM], encode(r, s / 60 % 60)) &&
           alarm_field(r->reg[HOURS_ALARM], encode_hour(r, s / 3600));
}

static int64_t period_ns(const Rtc *r)
{
    unsigned rate = r->reg[REG_A] & 15;

    if (!rate || (r->reg[REG_A] >> 4 & 7) != 2) {
        return 0;
    }
    if (rate < 3) {
        rate += 7;
    }
    return NS_PER_S >> (16 - rate);
}

/* Sets the flags of everything that has happened by now. */
static void catch_up(Rtc *r)
{
    int64_t period = period_ns(r), now = vm_now(&r->dev);

    if (runs(r)) {
        int64_t t = clock_now(r);

        if (t > r->checked) {
            r->reg[REG_C] |= C_UF;
        }
        for (int64_t s = MAX(r->checked + 1, t - DAY_S + 1); s <= t; s++) {
            if (alarm_at(r, s)) {
                r->reg[REG_C] |= C_AF;
                break;
            }
        }
        r->checked = t;
    }
    if (period && now - r->pf_from >= period) {
        r->reg[REG_C] |= C_PF;
        r->pf_from = now - (now - r->pf_from) % period;
    }
}

static void update_irq(Rtc *r)
{
    bool on = r->reg[REG_B] & r->reg[REG_C] & (C_PF | C_AF | C_UF);

    r->reg[REG_C] = (r->reg[REG_C] & ~C_IRQF) | (on ? C_IRQF : 0);
    irq_set(&r->dev.machine->isa_irq[IRQ_RTC], on);
}

static void arm(Rtc *r)
{
    int64_t period = period_ns(r);

    if (runs(r) && (r->reg[REG_B] & (B_UIE | B_AIE))) {
        timer_at(&r->second, r->base_ns + (since_base(r) / NS_PER_S + 1) * NS_PER_S);
    } else {
        timer_cancel(&r->second);
    }
    if (period && (r->reg[REG_B] & B_PIE)) {
        timer_at(&r->periodic, r->pf_from + period);
    } else {
        timer_cancel(&r->periodic);
    }
}

static void settle(Rtc *r)
{
    catch_up(r);
    update_irq(r);
    arm(r);
}

static void fire(void *opaque)
{
    settle(opaque);
}

/* --- registers --- */

uint8_t rtc_read(Rtc *r, unsigned index)
{
    uint8_t now[REGS], v;

    switch (index) {
    case SECONDS: case MINUTES: case HOURS: case WEEKDAY: case DAY: case MONTH: case YEAR:
        if (!runs(r)) {
            return r->reg[index];
        }
        to_registers(r, clock_now(r), now);
        return now[index];
    case REG_A:
        if (runs(r)) {
            clock_now(r);
            return r->reg[REG_A] |
                   (since_base(r) % NS_PER_S >= NS_PER_S - UPDATE_NS ? A_UIP : 0);
        }
        return r->reg[REG_A];
    case REG_C:
        catch_up(r);
        update_irq(r);
        v = r->reg[REG_C];
        r->reg[REG_C] = 0;
        update_irq(r);
        arm(r);
        return v;
    default:
        return index < REGS ? r->reg[index] : 0xff;
    }
}

static void write_time(Rtc *r, unsigned index, uint8_t value)
{
    if (!runs(r)) {
        r->reg[index] = value;
        return;
    }
    to_registers(r, clock_now(r), r->reg);
    r->reg[index] = value;
    set_clock(r, from_registers(r, r->reg), true);
}

/* A change of A or B may stop or start the clock. */
static void write_control(Rtc *r, unsigned index, uint8_t value)
{
    bool ran = runs(r);
    int64_t t = 0;

    catch_up(r);
    if (ran) {
        t = clock_now(r);
    }
    if (index == REG_A && (r->reg[REG_A] & 0x7f) != (value & 0x7f)) {
        r->pf_from = vm_now(&r->dev);
    }
    r->reg[index] = index == REG_A ? value & 0x7f : value;
    if (index == REG_B && (value & B_SET)) {
        r->reg[REG_B] &= ~B_UIE;
    }
    if (ran && !runs(r)) {
        to_registers(r, t, r->reg);
    } else if (!ran && runs(r)) {
        set_clock(r, from_registers(r, r->reg), index == REG_B);
    }
}

void rtc_write(Rtc *r, unsigned index, uint8_t value)
{
    switch (index) {
    case SECONDS: case MINUTES: case HOURS: case WEEKDAY: case DAY: case MONTH: case YEAR:
        catch_up(r);
        write_time(r, index, value);
        break;
    case SECONDS_ALARM: case MINUTES_ALARM: case HOURS_ALARM:
        catch_up(r);
        r->reg[index] = value;
        break;
    case REG_A:
    case REG_B:
        write_control(r, index, value);
        break;
    default:
        return;                 /* C and D are read-only */
    }
    settle(r);
}

/* --- the device --- */

static bool rtc_init(Device *dev, GError **error)
{
    Rtc *r = (Rtc *)dev;

    (void)error;
    timer_init(&r->second, &dev->machine->timers, fire, r);
    timer_init(&r->periodic, &dev->machine->timers, fire, r);
    return true;
}

/* The clock has a battery: a reset clears the interrupt enables and flags only. */
static void rtc_reset(Device *dev)
{
    Rtc *r = (Rtc *)dev;

    if (!r->reg[REG_D]) {
        memset(r->reg, 0, sizeof r->reg);
        r->reg[REG_A] = 0x26;
        r->reg[REG_B] = B_24H;
        r->reg[REG_D] = D_VALID;
        r->base = r->checked = wall(r) + r->offset;
        r->base_ns = r->pf_from = vm_now(dev);
    }
    r->reg[REG_B] &= ~(B_PIE | B_AIE | B_UIE);
    r->reg[REG_C] = 0;
    update_irq(r);
    arm(r);
}

static bool rtc_loaded(Device *dev, GError **error)
{
    Rtc *r = (Rtc *)dev;
    int64_t limit = 1LL << 40;

    if (r->offset > limit || r->offset < -limit || r->base > limit || r->base < -limit ||
        r->base_ns > vm_now(dev) || r->pf_from > vm_now(dev) ||
        r->base_ns < -NS_PER_S || r->pf_from < 0 || r->checked > limit ||
        r->checked < -limit) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "the clock's time is impossible");
        return false;
    }
    r->reg[REG_A] &= 0x7f;
    r->reg[REG_D] = D_VALID;
    update_irq(r);
    arm(r);
    return true;
}

static void rtc_finish(Device *dev)
{
    Rtc *r = (Rtc *)dev;

    if (r->second.queue) {
        timer_cancel(&r->second);
        timer_cancel(&r->periodic);
    }
}

static const StateField rtc_state[] = {
    STATE_BYTES(Rtc, reg),
    STATE_I64(Rtc, offset),
    STATE_I64(Rtc, base),
    STATE_I64(Rtc, base_ns),
    STATE_I64(Rtc, checked),
    STATE_I64(Rtc, pf_from),
    STATE_END
};

const DeviceClass rtc_class = {
    .name = "rtc", .summary = "MC146818 clock", .size = sizeof(Rtc), .version = 1,
    .state = rtc_state, .init = rtc_init, .reset = rtc_reset, .loaded = rtc_loaded,
    .finish = rtc_finish,
};
