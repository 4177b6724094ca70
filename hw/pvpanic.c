/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pvpanic.c - the port by which a guest tells of its panic (QEMU's docs/specs/pvpanic, port 505h, ACPI
 * id QEMU0001): reading gives the events that are understood, writing reports.  A panic ends the
 * domain as on_crash says; a panic that a crash kernel takes over is only logged.
 */
#include "hw/devices.h"
#include "pc_layout.h"

enum { EVENT_PANICKED = 0x01, EVENT_CRASH_LOADED = 0x02 };

typedef struct Pvpanic {
    Device dev;
    uint8_t reported;           /* events so far */
} Pvpanic;

static uint64_t pvpanic_read(void *opaque, uint64_t offset, unsigned width)
{
    (void)opaque;
    (void)offset;
    (void)width;
    return PANIC_EVENTS;
}

static void pvpanic_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    Pvpanic *p = opaque;

    (void)offset;
    (void)width;
    p->reported |= value & PANIC_EVENTS;
    if (value & EVENT_CRASH_LOADED) {
        log_guest(&p->dev, "the guest panicked; its crash kernel takes over");
    }
    if (value & EVENT_PANICKED) {
        log_guest(&p->dev, "the guest panicked");
        p->dev.machine->host->shutdown(p->dev.machine, SHUTDOWN_CRASH);
    }
}

static const IoOps pvpanic_ops = { .read = pvpanic_read, .write = pvpanic_write, .widths = IO_8 };

static bool pvpanic_init(Device *dev, GError **error)
{
    return io_claim(dev, IO_PORT, PORT_PANIC, 1, &pvpanic_ops, error);
}

static void pvpanic_reset(Device *dev)
{
    ((Pvpanic *)dev)->reported = 0;
}

static const StateField pvpanic_state[] = {
    STATE_U8_MAX(Pvpanic, reported, PANIC_EVENTS),
    STATE_END
};

const DeviceClass pvpanic_class = {
    .name = "pvpanic", .summary = "port 505h, where a guest reports its panic",
    .size = sizeof(Pvpanic), .version = 1, .state = pvpanic_state, .init = pvpanic_init,
    .reset = pvpanic_reset,
};
