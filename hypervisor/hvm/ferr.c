/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ferr.c - the coprocessor error latch of the AT at port 0xF0: FERR# raises IRQ 13, a write by the
 * handler takes it back.  Software CPUs report FERR# as a write of 1 there, which no handler makes
 * (they write 0).  Left out: IGNNE#, the CPU goes on either way.
 */
#include "hypervisor/hvm/ferr.h"

#include "include/pc_layout.h"

#define PORT_FERR 0xf0

typedef struct Ferr {
    Device dev;
    bool error;
} Ferr;

static void ferr_update_irq(Ferr *f)
{
    irq_set(&f->dev.machine->isa_irq[IRQ_FPU], f->error);
}

static uint64_t ferr_read(void *opaque, uint64_t offset, unsigned width)
{
    (void)opaque;
    (void)offset;
    (void)width;
    return 0xff;
}

static void ferr_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    Ferr *f = opaque;

    (void)offset;
    (void)width;
    f->error = value == 1;
    ferr_update_irq(f);
}

static const IoOps ferr_ops = { .read = ferr_read, .write = ferr_write, .widths = IO_8, .quick = true };

static bool ferr_init(Device *dev, GError **error)
{
    return io_claim(dev, IO_PORT, PORT_FERR, 1, &ferr_ops, error);
}

static void ferr_reset(Device *dev)
{
    ((Ferr *)dev)->error = false;
    ferr_update_irq((Ferr *)dev);
}

static bool ferr_loaded(Device *dev, GError **error)
{
    (void)error;
    ferr_update_irq((Ferr *)dev);
    return true;
}

static const StateField ferr_state[] = { STATE_BOOL(Ferr, error), STATE_END };

const DeviceClass ferr_class = {
    .name = "ferr", .summary = "coprocessor error latch, IRQ 13", .size = sizeof(Ferr),
    .version = 1, .state = ferr_state, .init = ferr_init, .reset = ferr_reset,
    .loaded = ferr_loaded,
};
