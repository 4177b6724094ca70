/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ne2k_pci.c - NE2000 on PCI: Realtek RTL8029AS (its data sheet), the card of Linux's ne2k-pci.
 * 32 ports behind BAR 0; the chip is no bus master.  Left out: programming of the boot ROM.
 */
#include "hw/devices.h"
#include "hw/ne2000.h"

static void ne2k_pci_irq(Device *dev, bool level)
{
    pci_set_irq((PciDevice *)dev, level);
}

static bool ne2k_pci_init(Device *dev, GError **error)
{
    Ne2000 *s = (Ne2000 *)dev;
    PciClass id = { .vendor = 0x10ec, .device = 0x8029, .subsystem_vendor = 0x10ec,
                    .subsystem = 0x8029, .subclass = 0, .base_class = 2, .interrupt_pin = 1 };

    s->realtek = true;
    s->set_irq = ne2k_pci_irq;
    ne2000_init(s);
    return pci_init(&s->pci, &id, error) &&
           pci_claim_bar(&s->pci, 0, PCI_BAR_IO, NE2000_IO_SIZE, &ne2000_ops, error) &&
           (!s->rom || pci_claim_rom(&s->pci, g_bytes_get_data(s->rom, NULL),
                                     g_bytes_get_size(s->rom), error));
}

static void ne2k_pci_reset(Device *dev)
{
    pci_reset((PciDevice *)dev);
    ne2000_reset((Ne2000 *)dev);
}

static bool ne2k_pci_loaded(Device *dev, GError **error)
{
    ne2000_loaded((Ne2000 *)dev);
    return pci_loaded((PciDevice *)dev, error);
}

static void ne2k_pci_finish(Device *dev)
{
    ne2000_finish((Ne2000 *)dev);
    pci_finish((PciDevice *)dev);
}

static const ConfigField ne2k_pci_config[] = {
    CONFIG_PCI(Ne2000, pci),
    CONFIG_FIELD(Ne2000, mac, CONFIG_MAC, NULL, "station address"),
    CONFIG_FIELD(Ne2000, port, CONFIG_POINTER, NULL, "the cable (owned)"),
    CONFIG_FIELD(Ne2000, rom, CONFIG_POINTER, NULL, "boot ROM image (GBytes)"),
    CONFIG_END
};

static const StateField ne2k_pci_state[] = {
    STATE_PCI(Ne2000, pci), NE2000_STATE, STATE_END
};

const DeviceClass ne2k_pci_class = {
    .name = "ne2k_pci", .summary = "NE2000 network card on PCI (Realtek RTL8029AS)",
    .size = sizeof(Ne2000), .version = 1, .config = ne2k_pci_config, .state = ne2k_pci_state,
    .init = ne2k_pci_init, .reset = ne2k_pci_reset, .loaded = ne2k_pci_loaded,
    .finish = ne2k_pci_finish,
};
