/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ports.c - the direct table of ports; see ports.h. */
#include "hypervisor/ports.h"

#include "hypervisor/domain.h"
#include "include/pc_layout.h"

#define PORTS 0x10000

static void chips_changed(void *opaque, const IoRange *range, bool mapped)
{
    (void)mapped;
    if (range->space == IO_PORT) {
        ports_changed(opaque, range->base, range->base + range->len - 1);
    }
}

void ports_create(Domain *d)
{
    d->ports.entry = g_new0(uintptr_t, PORTS);
    d->machine.io.changed = chips_changed;
    d->machine.io.opaque = d;
}

void ports_destroy(Domain *d)
{
    g_free(d->ports.entry);
    d->ports.entry = NULL;
}

void ports_changed(Domain *d, uint16_t first, uint16_t last)
{
    /* An access to the last port of a claim depends on what follows it. */
    for (unsigned port = MAX(first, 3) - 3; d->ports.entry && port <= last; port++) {
        __atomic_store_n(&d->ports.entry[port], PORT_UNKNOWN, __ATOMIC_RELEASE);
    }
}

static uintptr_t look(Domain *d, uint16_t port)
{
    uintptr_t entry = PORT_NOBODY;

    if (port == PORT_CMOS_INDEX || port == PORT_CMOS_DATA || port == PORT_DEBUG_CONSOLE ||
        (port & 0xfff8) == PORT_PCI_ADDRESS) {
        return PORT_SPECIAL;
    }
    if (io_map_find(&d->machine.io, IO_PORT, port)) {
        return (uintptr_t)io_map_find(&d->machine.io, IO_PORT, port);
    }
    for (unsigned n = 0; n < 3 && ioreq_claimed(d, IOREQ_PORT, port, port + (1u << n) - 1); n++) {
        entry = PORT_MODEL_1 + n;
    }
    return entry;
}

uintptr_t ports_look(Domain *d, uint16_t port)
{
    uintptr_t entry = d->ports.entry[port];

    if (entry == PORT_UNKNOWN) {
        entry = look(d, port);
        __atomic_store_n(&d->ports.entry[port], entry, __ATOMIC_RELEASE);
    }
    return entry;
}
