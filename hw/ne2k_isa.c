/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ne2k_isa.c - NE2000 on the ISA bus, a card with jumpers (Novell NE2000, DP8390D data sheet): 32
 * ports and one interrupt, nothing that firmware could find.  Left out: the boot ROM socket.
 */
#include "hw/devices.h"
#include "hw/ne2000.h"

static void ne2k_isa_irq(Device *dev, bool level)
{
    irq_set(&dev->machine->isa_irq[((Ne2000 *)dev)->irq], level);
}

static bool ne2k_isa_init(Device *dev, GError **error)
{
    Ne2000 *s = (Ne2000 *)dev;

    if (s->irq < 2 || s->irq > 15 || (s->iobase & (NE2000_IO_SIZE - 1)) ||
        s->iobase > 0x10000 - NE2000_IO_SIZE) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                    "ne2k_isa at 0x%x, interrupt %u: no such jumpers", s->iobase, s->irq);
        return false;
    }
    s->set_irq = ne2k_isa_irq;
    ne2000_init(s);
    return io_claim(dev, IO_PORT, s->iobase, NE2000_IO_SIZE, &ne2000_ops, error);
}

static void ne2k_isa_reset(Device *dev)
{
    ne2000_reset((Ne2000 *)dev);
}

static bool ne2k_isa_loaded(Device *dev, GError **error)
{
    (void)error;
    ne2000_loaded((Ne2000 *)dev);
    return true;
}

static void ne2k_isa_finish(Device *dev)
{
    ne2000_finish((Ne2000 *)dev);
}

static const ConfigField ne2k_isa_config[] = {
    CONFIG_FIELD(Ne2000, iobase, CONFIG_U32, "0x300", "first port"),
    CONFIG_FIELD(Ne2000, irq, CONFIG_U32, "9", "ISA interrupt"),
    CONFIG_FIELD(Ne2000, mac, CONFIG_MAC, NULL, "station address"),
    CONFIG_FIELD(Ne2000, port, CONFIG_POINTER, NULL, "the cable (owned)"),
    CONFIG_END
};

static const StateField ne2k_isa_state[] = { NE2000_STATE, STATE_END };

const DeviceClass ne2k_isa_class = {
    .name = "ne2k_isa", .summary = "NE2000 network card on ISA (DP8390)",
    .size = sizeof(Ne2000), .version = 1, .config = ne2k_isa_config, .state = ne2k_isa_state,
    .init = ne2k_isa_init, .reset = ne2k_isa_reset, .loaded = ne2k_isa_loaded,
    .finish = ne2k_isa_finish,
};
