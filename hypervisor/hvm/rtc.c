/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rtc.c - MC146818A real-time clock: time, alarm, periodic interrupt, update cycle (Motorola data
 * sheet).  The time of day is the machine's wall clock plus what the guest set; when it sets the
 * clock the difference is reported (host->rtc_offset_changed), so that it survives.  The other CMOS
 * bytes, century included, are the device model's.
 */
#include "hypervisor/hvm/rtc.h"

#include <string.h>
#include <time.h>

enum { SECONDS, SECONDS_ALARM, MINUTES, MINUTES_ALARM, HOURS, HOURS_ALARM, WEEKDAY, DAY, MONTH,
       YEAR, REG_A, REG_B, REG_C, REG_D };
enum { A_UIP = 0x80, B_SET = 0x80, B_PIE = 0x40, B_AIE = 0x20, B_UIE = 0x10, B_BINARY = 4,
       B_24H = 2, C_IRQF = 0x80, C_PF = 0x40, C_AF = 0x20, C_UF = 0x10, D_VALID = 0x80 };
#define UPDATE_US 244           /* UIP rises this long before the update */

typedef struct Rtc {
    Device dev;
    uint8_t reg[14];            /* alarms, A-D; time only while it is being set */
    int64_t offset;             /* seconds the guest moved the clock */
    int64_t last_update;        /* ns: second up to which updates were delivered */
    IrqLine *irq8;
    Timer periodic, update;
} Rtc;

static int to_bcd(const Rtc *r, int v)
{
    return r->reg[REG_B] & B_BINARY ? v : v / 10 << 4 | v % 10;
}

static int from_bcd(const Rtc *r, uint8_t v)
{
    return r->reg[REG_B] & B_BINARY ? v : (v >> 4) * 10 + (v & 15);
}

static uint8_t to_hours(const Rtc *r, int hour)
{
    if (r->reg[REG_B] & B_24H) {
        return to_bcd(r, hour);
    }
    return to_bcd(r, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? 0x80 : 0);
}

static int from_hours(const Rtc *r, uint8_t v)
{
    int hour = from_bcd(r, v & 0x7f);

    if (r->reg[REG_B] & B_24H) {
        return from_bcd(r, v);
    }
    return hour % 12 + (v & 0x80 ? 12 : 0);
}

static int64_t now_seconds(const Rtc *r)
{
    return r->dev.machine->host->wall_clock(r->dev.machine) + r->offset;
}

/* Registers 0-9 from the running clock. */
static void fetch_time(Rtc *r)
{
    time_t t = now_seconds(r);
    struct tm tm;

    gmtime_r(&t, &tm);
    r->reg[SECONDS] = to_bcd(r, tm.tm_sec);
    r->reg[MINUTES] = to_bcd(r, tm.tm_min);
    r->reg[HOURS] = to_hours(r, tm.tm_hour);
    r->reg[WEEKDAY] = to_bcd(r, tm.tm_wday + 1);
    r->reg[DAY] = to_bcd(r, tm.tm_mday);
    r->reg[MONTH] = to_bcd(r, tm.tm_mon + 1);
    r->reg[YEAR] = to_bcd(r, tm.tm_year % 100);
}

/* The clock from registers 0-9.  The century is taken so that the year lies in 1970..2069. */
static void store_time(Rtc *r)
{
    int year = from_bcd(r, r->reg[YEAR]);
    struct tm tm = { .tm_sec = from_bcd(r, r->reg[SECONDS]), .tm_min = from_bcd(r, r->reg[MINUTES]),
                     .tm_hour = from_hours(r, r->reg[HOURS]), .tm_mday = from_bcd(r, r->reg[DAY]),
                     .tm_mon = from_bcd(r, r->reg[MONTH]) - 1,
                     .tm_year = year < 70 ? year + 100 : year };
    int64_t delta = (int64_t)timegm(&tm) - now_seconds(r);

    if (delta) {
        Machine *m = r->dev.machine;

        r->offset += delta;
        if (m->host->rtc_offset_changed) {
            m->host->rtc_offset_changed(m, delta);
        }
    }
}

static void rtc_update_irq(Rtc *r)
{
    bool on = r->reg[REG_B] & r->reg[REG_C] & (C_PF | C_AF | C_UF);

    r->reg[REG_C] = (r->reg[REG_C] & ~C_IRQF) | (on ? C_IRQF : 0);
    if (r->irq8) {
        irq_set(r->irq8, on);
    }
}

static int64_t period_ns(const Rtc *r)
{
    unsigned rate = r->reg[REG_A] & 15;

    if (rate == 0 || (r->reg[REG_A] & 0x70) > 0x20) {
        return 0;               /* off, or the divider is held in reset */
    }
    rate = rate <= 2 ? rate + 7 : rate;
    return NS_PER_S * (1 << (rate - 1)) / 32768;
}

static void periodic_arm(Rtc *r)
{
    int64_t period = period_ns(r), now = vm_now(&r->dev);

    if (period && (r->reg[REG_B] & B_PIE)) {
        timer_at(&r->periodic, (now / period + 1) * period);
    } else {
        timer_cancel(&r->periodic);
    }
}

static void periodic_fire(void *opaque)
{
    Rtc *r = opaque;

    r->reg[REG_C] |= C_PF;
    rtc_update_irq(r);
    periodic_arm(r);
}

static bool alarm_matches(const Rtc *r, unsigned time, unsigned alarm)
{
    return r->reg[alarm] >= 0xc0 || r->reg[alarm] == r->reg[time];
}

/* Updates end on whole seconds of guest time; a timer runs only while somebody wants to know. */
static void update_arm(Rtc *r)
{
    if (r->reg[REG_B] & (B_UIE | B_AIE)) {
        timer_at(&r->update, (vm_now(&r->dev) / NS_PER_S + 1) * NS_PER_S);
    } else {
        timer_cancel(&r->update);
    }
}

static void update_ended(Rtc *r)
{
    if (r->reg[REG_B] & B_SET) {
        return;
    }
    fetch_time(r);
    r->reg[REG_C] |= C_UF;
    if (alarm_matches(r, SECONDS, SECONDS_ALARM) && alarm_matches(r, MINUTES, MINUTES_ALARM) &&
        alarm_matches(r, HOURS, HOURS_ALARM)) {
        r->reg[REG_C] |= C_AF;
    }
}

static void update_fire(void *opaque)
{
    Rtc *r = opaque;

    r->last_update = vm_now(&r->dev) / NS_PER_S;
    update_ended(r);
    rtc_update_irq(r);
    update_arm(r);
}

/* UF is set once a second whether or not anybody waits for the interrupt. */
static void catch_up(Rtc *r)
{
    int64_t second = vm_now(&r->dev) / NS_PER_S;

    if (second != r->last_update) {
        r->last_update = second;
        update_ended(r);
    }
}

uint8_t rtc_read(Device *dev, unsigned index)
{
    Rtc *r = (Rtc *)dev;
    uint8_t v;

    switch (index) {
    case SECONDS: case MINUTES: case HOURS: case WEEKDAY: case DAY: case MONTH: case YEAR:
        if (!(r->reg[REG_B] & B_SET)) {
            fetch_time(r);
        }
        return r->reg[index];
    case REG_A:
        v = r->reg[REG_A] & ~A_UIP;
        if (!(r->reg[REG_B] & B_SET) &&
            vm_now(dev) % NS_PER_S >= NS_PER_S - UPDATE_US * NS_PER_US) {
            v |= A_UIP;
        }
        return v;
    case REG_C:
        catch_up(r);
        rtc_update_irq(r);
        v = r->reg[REG_C];
        r->reg[REG_C] = 0;
        rtc_update_irq(r);
        return v;
    default:
        return index < 14 ? r->reg[index] : 0xff;
    }
}

static void write_b(Rtc *r, uint8_t v)
{
    uint8_t old = r->reg[REG_B];

    if ((v & B_SET) && !(old & B_SET)) {
        fetch_time(r);
    }
    r->reg[REG_B] = v & B_SET ? v & ~B_UIE : v;
    if (!(v & B_SET) && (old & B_SET)) {
        store_time(r);
    }
    rtc_update_irq(r);
    periodic_arm(r);
    update_arm(r);
}

void rtc_write(Device *dev, unsigned index, uint8_t v)
{
    Rtc *r = (Rtc *)dev;

    switch (index) {
    case SECONDS: case MINUTES: case HOURS: case WEEKDAY: case DAY: case MONTH: case YEAR:
        if (!(r->reg[REG_B] & B_SET)) {
            fetch_time(r);
        }
        r->reg[index] = v;
        if (!(r->reg[REG_B] & B_SET)) {
            store_time(r);
        }
        break;
    case REG_A:
        r->reg[REG_A] = v & ~A_UIP;
        periodic_arm(r);
        break;
    case REG_B: write_b(r, v); break;
    case REG_C:
    case REG_D: break;
    case SECONDS_ALARM: case MINUTES_ALARM: case HOURS_ALARM: r->reg[index] = v; break;
    }
}

void rtc_connect(Device *dev, IrqLine *irq8)
{
    ((Rtc *)dev)->irq8 = irq8;
}

static bool rtc_init(Device *dev, GError **error)
{
    Rtc *r = (Rtc *)dev;

    (void)error;
    timer_init(&r->periodic, &dev->machine->timers, periodic_fire, r);
    timer_init(&r->update, &dev->machine->timers, update_fire, r);
    return true;
}

/* The battery keeps time and alarms over a reset. */
static void rtc_reset(Device *dev)
{
    Rtc *r = (Rtc *)dev;

    if (r->reg[REG_D] != D_VALID) {     /* first power-on */
        r->reg[REG_A] = 0x26;
        r->reg[REG_D] = D_VALID;
        r->reg[REG_B] = B_24H;
    }
    r->reg[REG_B] &= ~(B_PIE | B_AIE | B_UIE | 8);
    r->reg[REG_C] = 0;
    r->last_update = vm_now(dev) / NS_PER_S;
    timer_cancel(&r->periodic);
    timer_cancel(&r->update);
    rtc_update_irq(r);
}

static bool rtc_loaded(Device *dev, GError **error)
{
    (void)error;
    rtc_update_irq((Rtc *)dev);
    return true;
}

static const StateField rtc_state[] = {
    STATE_BYTES(Rtc, reg), STATE_I64(Rtc, offset), STATE_I64(Rtc, last_update),
    STATE_TIMER(Rtc, periodic), STATE_TIMER(Rtc, update), STATE_END
};

const DeviceClass rtc_class = {
    .name = "rtc", .summary = "MC146818 real-time clock", .size = sizeof(Rtc), .version = 1,
    .state = rtc_state, .init = rtc_init, .reset = rtc_reset, .loaded = rtc_loaded,
};
