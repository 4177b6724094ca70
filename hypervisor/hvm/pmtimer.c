/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pmtimer.c - ACPI PM timer (3.579545 MHz, 32 bits) and the PM1a event registers with the SCI they
 * raise (ACPI 4.0, 4.8.3).  PM1a_CNT and GPE0 are the device model's.
 */
#include "hypervisor/hvm/pmtimer.h"
#include "include/pc_layout.h"

enum { TMR_STS = 1, GBL_STS = 0x20, PWRBTN_STS = 0x100, SLPBTN_STS = 0x200, RTC_STS = 0x400,
       WAK_STS = 0x8000, PM1_EVENTS = TMR_STS | GBL_STS | PWRBTN_STS | SLPBTN_STS | RTC_STS };

typedef struct PmTimer {
    Device dev;
    uint16_t status, enable;
    uint32_t version;
    IrqLine *sci;
    IoRange *event_range, *timer_range;
    Timer overflow;             /* bit 31 changes */
} PmTimer;

static uint64_t ticks(const PmTimer *p)
{
    return (unsigned __int128)machine_now(p->dev.machine) * PM_TIMER_HZ / NS_PER_S;
}

static void pmtimer_update_irq(PmTimer *p)
{
    if (p->sci) {
        irq_set(p->sci, p->status & p->enable & PM1_EVENTS);
    }
}

static void overflow_arm(PmTimer *p)
{
    uint64_t next = ((ticks(p) >> 31) + 1) << 31;

    if (p->enable & TMR_STS) {
        timer_at(&p->overflow, (int64_t)((unsigned __int128)next * NS_PER_S / PM_TIMER_HZ) + 1);
    } else {
        timer_cancel(&p->overflow);
    }
}

static void overflow_fire(void *opaque)
{
    PmTimer *p = opaque;

    p->status |= TMR_STS;
    pmtimer_update_irq(p);
    overflow_arm(p);
}

static uint64_t event_read(void *opaque, uint64_t offset, unsigned width)
{
    PmTimer *p = opaque;
    uint32_t both = p->status | (uint32_t)p->enable << 16;

    (void)width;
    return both >> (8 * offset) & 0xff;
}

static void event_write(void *opaque, uint64_t offset, unsigned width, uint64_t v)
{
    PmTimer *p = opaque;
    unsigned shift = 8 * (offset & 1);

    (void)width;
    if (offset < 2) {
        p->status &= ~(v << shift);
    } else {
        p->enable = ((p->enable & ~(0xff << shift)) | v << shift) & PM1_EVENTS;
        overflow_arm(p);
    }
    pmtimer_update_irq(p);
}

static uint64_t timer_read(void *opaque, uint64_t offset, unsigned width)
{
    (void)offset;
    (void)width;
    return (uint32_t)ticks(opaque);
}

static void timer_write(void *opaque, uint64_t offset, unsigned width, uint64_t v)
{
    (void)opaque;
    (void)offset;
    (void)width;
    (void)v;                    /* the counter is read-only */
}

static const IoOps event_ops = { .read = event_read, .write = event_write, .widths = IO_8 };
static const IoOps timer_ops = { .read = timer_read, .write = timer_write, .widths = IO_32 };

void pmtimer_connect(Device *dev, IrqLine *sci)
{
    ((PmTimer *)dev)->sci = sci;
}

void pmtimer_set_version(Device *dev, unsigned version)
{
    PmTimer *p = (PmTimer *)dev;
    IoMap *io = &dev->machine->io;

    p->version = version;
    io_map_add(io, p->event_range, version ? ACPI_PM1A_EVT : ACPI_PM1A_EVT_V0, NULL);
    io_map_add(io, p->timer_range, version ? ACPI_PM_TMR : ACPI_PM_TMR_V0, NULL);
}

void pmtimer_power_button(Device *dev)
{
    ((PmTimer *)dev)->status |= PWRBTN_STS;
    pmtimer_update_irq((PmTimer *)dev);
}

void pmtimer_sleep_button(Device *dev)
{
    ((PmTimer *)dev)->status |= SLPBTN_STS;
    pmtimer_update_irq((PmTimer *)dev);
}

static bool pmtimer_init(Device *dev, GError **error)
{
    PmTimer *p = (PmTimer *)dev;

    (void)error;
    timer_init(&p->overflow, &dev->machine->timers, overflow_fire, p);
    p->event_range = io_reserve(dev, IO_PORT, 4, &event_ops);
    p->timer_range = io_reserve(dev, IO_PORT, 4, &timer_ops);
    return true;
}

static void pmtimer_reset(Device *dev)
{
    PmTimer *p = (PmTimer *)dev;

    p->status = p->enable = 0;
    timer_cancel(&p->overflow);
    pmtimer_set_version(dev, 0);
    pmtimer_update_irq(p);
}

static bool pmtimer_loaded(Device *dev, GError **error)
{
    PmTimer *p = (PmTimer *)dev;

    (void)error;
    pmtimer_set_version(dev, p->version);
    pmtimer_update_irq(p);
    return true;
}

static const StateField pmtimer_state[] = {
    STATE_U16(PmTimer, status), STATE_U16(PmTimer, enable), STATE_U32_MAX(PmTimer, version, 1),
    STATE_TIMER(PmTimer, overflow), STATE_END
};

const DeviceClass pmtimer_class = {
    .name = "pmtimer", .summary = "ACPI PM timer and event registers", .size = sizeof(PmTimer),
    .version = 1, .state = pmtimer_state, .init = pmtimer_init, .reset = pmtimer_reset,
    .loaded = pmtimer_loaded,
};
