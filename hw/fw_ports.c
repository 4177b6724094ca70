/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fw_ports.c - the PC's small firmware ports: 92h (fast A20 and reset; A20 is always open here)
 * and 402h, where SeaBIOS writes its log and reads E9h as the sign that somebody listens.  POST
 * codes at 80h land in the DMA page registers (i8237.c), as on a real PC.
 */
#include "hw/devices.h"
#include "pc_layout.h"
#include <string.h>

enum { FAST_RESET = 1, FAST_A20 = 2 };
#define DEBUG_PRESENT 0xe9
#define DEBUG_LINE 160

typedef struct FwPorts {
    Device dev;
    uint8_t system_control;     /* port 92h */
    uint8_t line[DEBUG_LINE];
    uint32_t line_len;
} FwPorts;

static uint64_t fw_ports_control_read(void *opaque, uint64_t offset, unsigned width)
{
    (void)offset;
    (void)width;
    return ((FwPorts *)opaque)->system_control;
}

static void fw_ports_control_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    FwPorts *f = opaque;
    bool rises = (value & FAST_RESET) && !(f->system_control & FAST_RESET);

    (void)offset;
    (void)width;
    f->system_control = value;
    if (rises)
        f->dev.machine->host->shutdown(f->dev.machine, SHUTDOWN_REBOOT);
}

static uint64_t fw_ports_debug_read(void *opaque, uint64_t offset, unsigned width)
{
    (void)opaque;
    (void)offset;
    (void)width;
    return DEBUG_PRESENT;
}

static void fw_ports_line_end(FwPorts *f)
{
    if (f->line_len)
        log_guest(&f->dev, "%.*s", (int)f->line_len, (const char *)f->line);
    f->line_len = 0;
}

static void fw_ports_debug_byte(FwPorts *f, uint8_t byte)
{
    if (byte == '\n') {
        fw_ports_line_end(f);
        return;
    }
    if (byte == '\r')
        return;
    f->line[f->line_len++] = byte >= 0x20 && byte < 0x7f ? byte : byte == '\t' ? ' ' : '?';
    if (f->line_len == DEBUG_LINE)
        fw_ports_line_end(f);
}

static void fw_ports_debug_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    (void)offset;
    (void)width;
    fw_ports_debug_byte(opaque, value);
}

static uint32_t fw_ports_debug_write_many(void *opaque, uint64_t offset, unsigned width,
                                          const void *buf, uint32_t count)
{
    const uint8_t *bytes = buf;

    (void)offset;
    (void)width;
    for (uint32_t i = 0; i < count; i++)
        fw_ports_debug_byte(opaque, bytes[i]);
    return count;
}

static const IoOps fw_ports_control_ops = { .read = fw_ports_control_read,
                                            .write = fw_ports_control_write, .widths = IO_8 };
static const uint8_t fw_ports_debug_post[1] = { IO_POST_QUIET };

static const IoOps fw_ports_debug_ops = { .read = fw_ports_debug_read,
                                          .write = fw_ports_debug_write, .widths = IO_8,
                                          .write_many = fw_ports_debug_write_many,
                                          .post = fw_ports_debug_post };

static bool fw_ports_init(Device *dev, GError **error)
{
    return io_claim(dev, IO_PORT, PORT_FAST_A20, 1, &fw_ports_control_ops, error) &&
           io_claim(dev, IO_PORT, PORT_BIOS_DEBUG, 1, &fw_ports_debug_ops, error);
}

static void fw_ports_reset(Device *dev)
{
    FwPorts *f = (FwPorts *)dev;

    f->system_control = FAST_A20;
    memset(f->line, 0, sizeof(f->line));
    f->line_len = 0;
}

static bool fw_ports_loaded(Device *dev, GError **error)
{
    FwPorts *f = (FwPorts *)dev;

    (void)error;
    for (uint32_t i = 0; i < f->line_len; i++)
        if (f->line[i] < 0x20 || f->line[i] >= 0x7f)
            f->line[i] = '?';
    return true;
}

static const StateField fw_ports_state[] = {
    STATE_U8(FwPorts, system_control),
    STATE_BYTES(FwPorts, line),
    STATE_U32_MAX(FwPorts, line_len, DEBUG_LINE - 1),
    STATE_END
};

const DeviceClass fw_ports_class = {
    .name = "fw_ports", .summary = "fast A20 and reset (92h), BIOS debug port (402h)",
    .size = sizeof(FwPorts), .version = 1, .state = fw_ports_state, .init = fw_ports_init,
    .reset = fw_ports_reset, .loaded = fw_ports_loaded,
};
