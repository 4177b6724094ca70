/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pmtimer.c - the PM1a event block and the 32-bit power management timer of the ACPI specification,
 * section 4.8.  The control block (PM1a_CNT) is the device model's, so the SCI does not depend on
 * SCI_EN.  The ports are at Xen's old or new place; see include/pc_layout.h.
 */
#include "hypervisor/hvm/pmtimer.h"

#include "include/pc_layout.h"

#define ENABLES (PM1_TMR | PM1_GBL | PM1_PWRBTN | PM1_SLPBTN | PM1_RTC)
#define STATUSES (ENABLES | PM1_WAK)

struct PmTimer {
    Device dev;
    uint32_t version;
    uint16_t status, enable;
    Timer overflow;             /* the counter's top bit changes */
    IoRange *event_ports, *timer_ports;
};

static uint64_t ticks(PmTimer *p)
{
    uint64_t ns = vm_now(&p->dev);

    return ns / NS_PER_S * PM_TIMER_HZ + ns % NS_PER_S * PM_TIMER_HZ / NS_PER_S;
}

static void update_irq(PmTimer *p)
{
    irq_set(&p->dev.machine->isa_irq[IRQ_SCI], p->status & p->enable & ENABLES);
}

static void arm(PmTimer *p)
{
    unsigned __int128 next = ((ticks(p) >> 31) + 1) << 31;

    timer_at(&p->overflow, (int64_t)((next * NS_PER_S + PM_TIMER_HZ - 1) / PM_TIMER_HZ));
}

static void overflowed(void *opaque)
{
    PmTimer *p = opaque;

    p->status |= PM1_TMR;
    update_irq(p);
    arm(p);
}

void pmtimer_set_status(PmTimer *p, uint16_t bits)
{
    p->status |= bits & STATUSES;
    update_irq(p);
}

static uint64_t event_read(void *opaque, uint64_t offset, unsigned width)
{
    PmTimer *p = opaque;
    uint16_t v = offset < 2 ? p->status : p->enable;

    (void)width;
    return v >> (8 * (offset & 1));
}

static void event_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    PmTimer *p = opaque;
    unsigned shift = 8 * (offset & 1);

    (void)width;
    if (offset < 2) {
        p->status &= ~(value << shift);
    } else {
        p->enable = ((p->enable & ~(0xff << shift)) | value << shift) & ENABLES;
    }
    update_irq(p);
}

static uint64_t timer_read(void *opaque, uint64_t offset, unsigned width)
{
    (void)offset;
    (void)width;
    return ticks(opaque);
}

static void timer_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    (void)opaque;               /* read-only */
    (void)offset;
    (void)width;
    (void)value;
}

static const IoOps event_ops = { .read = event_read, .write = event_write, .widths = IO_8,
                                 .quick = true };
static const IoOps timer_ops = { .read = timer_read, .write = timer_write, .widths = IO_32,
                                 .quick = true };

static bool place(PmTimer *p, GError **error)
{
    IoMap *io = &p->dev.machine->io;

    io_map_remove(io, p->event_ports);
    io_map_remove(io, p->timer_ports);
    return io_map_add(io, p->event_ports, p->version ? ACPI_PM1A_EVT : ACPI_PM1A_EVT_V0, error) &&
           io_map_add(io, p->timer_ports, p->version ? ACPI_PM_TMR : ACPI_PM_TMR_V0, error);
}

void pmtimer_set_version(PmTimer *p, unsigned version)
{
    g_autoptr(GError) error = NULL;

    p->version = version != 0;
    if (!place(p, &error)) {
        log_guest(&p->dev, "%s", error->message);
    }
}

static bool pmtimer_init(Device *dev, GError **error)
{
    PmTimer *p = (PmTimer *)dev;

    timer_init(&p->overflow, &dev->machine->timers, overflowed, p);
    p->event_ports = io_reserve(dev, IO_PORT, 4, &event_ops);
    p->timer_ports = io_reserve(dev, IO_PORT, 4, &timer_ops);
    return place(p, error);
}

static void pmtimer_reset(Device *dev)
{
    PmTimer *p = (PmTimer *)dev;

    p->status = p->enable = 0;
    arm(p);
    update_irq(p);
}

static bool pmtimer_loaded(Device *dev, GError **error)
{
    PmTimer *p = (PmTimer *)dev;

    p->enable &= ENABLES;
    p->status &= STATUSES;
    arm(p);
    update_irq(p);
    return place(p, error);
}

static void pmtimer_finish(Device *dev)
{
    PmTimer *p = (PmTimer *)dev;

    if (p->overflow.queue) {
        timer_cancel(&p->overflow);
    }
}

static const StateField pmtimer_state[] = {
    STATE_U32_MAX(PmTimer, version, 1),
    STATE_U16(PmTimer, status),
    STATE_U16(PmTimer, enable),
    STATE_END
};

const DeviceClass pmtimer_class = {
    .name = "pmtimer", .summary = "ACPI PM timer and event block", .size = sizeof(PmTimer),
    .version = 1, .state = pmtimer_state, .init = pmtimer_init, .reset = pmtimer_reset,
    .loaded = pmtimer_loaded, .finish = pmtimer_finish,
};
