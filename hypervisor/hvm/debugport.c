/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * debugport.c - port 0xE9, to which hvmloader and SeaBIOS write their messages.  Only printable
 * characters, newlines and tabs pass, as in Xen.  Reads give ones: the port's probe value 0xE9 of
 * Bochs is not offered by Xen either.
 */
#include "hypervisor/hvm/debugport.h"

#include "include/pc_layout.h"

typedef struct DebugPort {
    Device dev;
    DebugPortSink *sink;
    char line[128];
    uint8_t len;
} DebugPort;

static void flush(DebugPort *d)
{
    d->line[d->len] = 0;
    d->len = 0;
    log_guest(&d->dev, "%s", d->line);
}

static uint64_t port_read(void *opaque, uint64_t offset, unsigned width)
{
    (void)opaque;
    (void)offset;
    (void)width;
    return 0xff;
}

static void port_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    DebugPort *d = opaque;
    char c = value;

    (void)offset;
    (void)width;
    if ((value < 32 || value > 126) && c != '\n' && c != '\t') {
        return;
    }
    if (d->sink && d->sink->putc) {
        d->sink->putc(d->sink->opaque, c);
    } else if (c == '\n') {
        flush(d);
    } else {
        d->line[d->len++] = c;
        if (d->len == sizeof d->line - 1) {
            flush(d);
        }
    }
}

static const IoOps port_ops = { .read = port_read, .write = port_write, .widths = IO_8 };

static bool debugport_init(Device *dev, GError **error)
{
    return io_claim(dev, IO_PORT, PORT_DEBUG_CONSOLE, 1, &port_ops, error);
}

static void debugport_reset(Device *dev)
{
    ((DebugPort *)dev)->len = 0;
}

static const ConfigField debugport_config[] = {
    CONFIG_FIELD(DebugPort, sink, CONFIG_POINTER, NULL, "where characters go"),
    CONFIG_END
};

static const StateField debugport_state[] = {
    STATE_BYTES(DebugPort, line),
    STATE_U8_MAX(DebugPort, len, sizeof(((DebugPort *)0)->line) - 2),
    STATE_END
};

const DeviceClass debugport_class = {
    .name = "debugport", .summary = "port 0xE9", .size = sizeof(DebugPort), .version = 1,
    .config = debugport_config, .state = debugport_state, .init = debugport_init,
    .reset = debugport_reset,
};
