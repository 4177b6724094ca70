/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * debug_port.c - the byte sink at port E9h (Xen's HVM debug port).  Reads give ones; what is not
 * printable is dropped.
 */
#include "hypervisor/hvm/debug_port.h"

#include "include/pc_layout.h"

typedef struct DebugPort {
    Device dev;
    void (*put)(void *opaque, char c);
    void *opaque;
} DebugPort;

static uint64_t debug_port_read(void *opaque, uint64_t offset, unsigned width)
{
    (void)opaque;
    (void)offset;
    (void)width;
    return 0xff;
}

static void debug_port_write(void *opaque, uint64_t offset, unsigned width, uint64_t v)
{
    DebugPort *d = opaque;

    (void)offset;
    (void)width;
    if (d->put && (v == '\n' || v == '\t' || (v >= 32 && v < 127))) {
        d->put(d->opaque, v);
    }
}

static const IoOps debug_port_ops = { .read = debug_port_read, .write = debug_port_write,
                                      .widths = IO_8 };

void debug_port_connect(Device *dev, void (*put)(void *, char), void *opaque)
{
    ((DebugPort *)dev)->put = put;
    ((DebugPort *)dev)->opaque = opaque;
}

static bool debug_port_init(Device *dev, GError **error)
{
    return io_claim(dev, IO_PORT, PORT_DEBUG_CONSOLE, 1, &debug_port_ops, error);
}

static void debug_port_reset(Device *dev)
{
    (void)dev;
}

static const StateField debug_port_state[] = { STATE_END };

const DeviceClass debug_port_class = {
    .name = "debug_port", .summary = "firmware messages at port E9h", .size = sizeof(DebugPort),
    .version = 1, .state = debug_port_state, .init = debug_port_init, .reset = debug_port_reset,
};
