/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * parallel.c - a PC parallel port (IEEE 1284 compatibility mode, PS/2 bidirectional data register,
 * EPP registers) with a printer at its end, which takes each strobed byte as fast as its cable does
 * and acknowledges it.  The printer knows no EPP, so EPP cycles time out.  Left out: ECP.
 */
#include "hw/devices.h"
#include "pc_layout.h"
#include "ui/chardev.h"

#define PORTS 8

enum { DATA = 0, STATUS = 1, CONTROL = 2, EPP_ADDRESS = 3, EPP_DATA = 4 };
enum { STATUS_TIMEOUT = 0x01, STATUS_NO_IRQ = 0x04, STATUS_NO_ERROR = 0x08, STATUS_SELECTED = 0x10,
       STATUS_NO_ACK = 0x40, STATUS_NOT_BUSY = 0x80 };
enum { CONTROL_STROBE = 0x01, CONTROL_NO_INIT = 0x04, CONTROL_SELECT = 0x08, CONTROL_IRQ = 0x10,
       CONTROL_INPUT = 0x20 };
#define CONTROL_BITS 0x3f

typedef struct Parallel {
    Device dev;
    uint32_t port, irq;         /* config */
    Chardev *chardev;           /* config: the printer; NULL: no cable */
    uint8_t data, control;
    bool full;                  /* a byte waits for the printer */
    uint8_t waiting;
    bool acking;                /* ACK is low: until the status is read */
    bool irq_seen;              /* an acknowledge since the status was read */
    bool epp_timeout;
} Parallel;

static uint8_t status(const Parallel *p)
{
    uint8_t value = STATUS_NO_ERROR | STATUS_SELECTED;

    if (!p->chardev) {          /* open inputs are high, and BUSY is inverted */
        return (STATUS_NO_ERROR | STATUS_SELECTED | STATUS_NO_ACK | STATUS_NO_IRQ | 0x20) |
               (p->epp_timeout ? STATUS_TIMEOUT : 0);
    }
    value |= p->full || !(p->control & CONTROL_NO_INIT) ? 0 : STATUS_NOT_BUSY;
    value |= p->acking ? 0 : STATUS_NO_ACK;
    value |= p->irq_seen ? 0 : STATUS_NO_IRQ;
    return value | (p->epp_timeout ? STATUS_TIMEOUT : 0);
}

/* The interrupt is the acknowledge's edge, if the gate is open. */
static void acknowledge(Parallel *p)
{
    IrqLine *line = &p->dev.machine->isa_irq[p->irq];

    p->full = false;
    p->acking = true;
    p->irq_seen = true;
    if (p->control & CONTROL_IRQ) {
        irq_set(line, true);
        irq_set(line, false);
    }
}

static void print(Parallel *p)
{
    if (p->full && chardev_write(p->chardev, &p->waiting, 1) == 1) {
        acknowledge(p);
    }
}

static void parallel_writable(void *opaque)
{
    print(opaque);
}

static void strobe(Parallel *p)
{
    if (!p->chardev || p->full || !(p->control & CONTROL_NO_INIT)) {
        return;                 /* a busy printer does not look */
    }
    p->waiting = p->data;
    p->full = true;
    p->acking = false;
    print(p);
}

static void write_control(Parallel *p, uint8_t value)
{
    bool strobed = !(p->control & CONTROL_STROBE) && (value & CONTROL_STROBE);

    p->control = value & CONTROL_BITS;
    if (!(value & CONTROL_NO_INIT)) {
        p->full = p->acking = false;
    } else if (strobed) {
        strobe(p);
    }
}

static uint64_t parallel_read(void *opaque, uint64_t offset, unsigned width)
{
    Parallel *p = opaque;
    uint8_t value;

    (void)width;
    switch (offset) {
    case DATA:
        return p->control & CONTROL_INPUT ? 0xff : p->data;
    case STATUS:
        value = status(p);
        p->acking = p->irq_seen = false;
        return value;
    case CONTROL:
        return p->control | 0xc0;
    }
    p->epp_timeout = true;
    return 0xff;
}

static void parallel_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    Parallel *p = opaque;

    (void)width;
    switch (offset) {
    case DATA:
        p->data = value;
        break;
    case STATUS:
        p->epp_timeout = p->epp_timeout && !(value & STATUS_TIMEOUT);
        break;
    case CONTROL:
        write_control(p, value);
        break;
    default:
        p->epp_timeout = true;
    }
}

static const IoOps parallel_ops = { .read = parallel_read, .write = parallel_write, .widths = IO_8 };

static void parallel_reset(Device *dev)
{
    Parallel *p = (Parallel *)dev;

    p->data = p->waiting = 0;
    p->control = CONTROL_NO_INIT | CONTROL_SELECT;
    p->full = p->acking = p->irq_seen = p->epp_timeout = false;
    irq_set(&dev->machine->isa_irq[p->irq & 15], false);
}

static bool parallel_init(Device *dev, GError **error)
{
    Parallel *p = (Parallel *)dev;
    ChardevClient client = { .writable = parallel_writable, .opaque = p };

    if (p->irq > 15) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "irq %u", p->irq);
        return false;
    }
    if (!io_claim(dev, IO_PORT, p->port, PORTS, &parallel_ops, error)) {
        return false;
    }
    if (p->chardev) {
        chardev_attach(p->chardev, &client);
    }
    return true;
}

static bool parallel_loaded(Device *dev, GError **error)
{
    Parallel *p = (Parallel *)dev;

    (void)error;
    p->full = p->full && p->chardev;
    print(p);
    return true;
}

static void parallel_finish(Device *dev)
{
    chardev_free(((Parallel *)dev)->chardev);
}

static const ConfigField parallel_config[] = {
    CONFIG_FIELD(Parallel, port, CONFIG_U32, "0x378", "first I/O port"),
    CONFIG_FIELD(Parallel, irq, CONFIG_U32, "7", "ISA interrupt"),
    CONFIG_FIELD(Parallel, chardev, CONFIG_POINTER, NULL, "where the printer's bytes go (owned)"),
    CONFIG_END
};

static const StateField parallel_state[] = {
    STATE_U8(Parallel, data), STATE_U8_MAX(Parallel, control, CONTROL_BITS),
    STATE_BOOL(Parallel, full), STATE_U8(Parallel, waiting), STATE_BOOL(Parallel, acking),
    STATE_BOOL(Parallel, irq_seen), STATE_BOOL(Parallel, epp_timeout),
    STATE_END
};

const DeviceClass parallel_class = {
    .name = "parallel", .summary = "parallel port with a printer", .size = sizeof(Parallel),
    .version = 1, .config = parallel_config, .state = parallel_state, .init = parallel_init,
    .reset = parallel_reset, .loaded = parallel_loaded, .finish = parallel_finish,
};
