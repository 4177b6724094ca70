/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * i440fx.c - the 82441FX host bridge (Intel order 290549) as firmware and chipset drivers look for
 * it.  Its registers are storage: RAM below C0000-FFFFF is always RAM (Xen's HVM platform has no
 * PAM action) and there is no SMM, so PAM, SMRAM and the DRAM controls change nothing.
 */
#include "hw/devices.h"
#include "lib/pci.h"

typedef struct I440fx {
    PciDevice pci;
} I440fx;

/* Offsets of the device-specific part; every bit the datasheet calls read/write is storage. */
static const struct { uint8_t offset, initial, wmask; } i440fx_regs[] = {
    { 0x04, 0x06, 0x40 },       /* PCICMD: memory and master hard-wired on */
    { 0x05, 0x00, 0x01 },
    { 0x06, 0x80, 0x00 },       /* PCISTS: fast back-to-back, medium DEVSEL */
    { 0x07, 0x02, 0x00 },
    { 0x50, 0x00, 0xcf }, { 0x51, 0x00, 0x7f },                             /* PMCCFG */
    { 0x52, 0x00, 0x07 }, { 0x53, 0x80, 0x07 }, { 0x54, 0x00, 0x07 },       /* DETURBO, DBC */
    { 0x55, 0x00, 0xff }, { 0x56, 0x00, 0xff }, { 0x57, 0x01, 0xe7 },       /* DRT, DRAMC */
    { 0x58, 0x10, 0x7f },                                                   /* DRAMT */
    { 0x59, 0x00, 0x30 }, { 0x5a, 0x00, 0x33 }, { 0x5b, 0x00, 0x33 }, { 0x5c, 0x00, 0x33 },
    { 0x5d, 0x00, 0x33 }, { 0x5e, 0x00, 0x33 }, { 0x5f, 0x00, 0x33 },       /* PAM0-6 */
    { 0x60, 0x01, 0xff }, { 0x61, 0x01, 0xff }, { 0x62, 0x01, 0xff }, { 0x63, 0x01, 0xff },
    { 0x64, 0x01, 0xff }, { 0x65, 0x01, 0xff }, { 0x66, 0x01, 0xff }, { 0x67, 0x01, 0xff },
    { 0x68, 0x00, 0xc0 },                                                   /* FDHC */
    { 0x70, 0x00, 0xff }, { 0x71, 0x10, 0x3f }, { 0x72, 0x02, 0x7f },       /* MTT, CLT, SMRAM */
    { 0x90, 0x00, 0xff }, { 0x91, 0x00, 0x1f },                             /* ERRCMD, ERRSTS */
    { 0x93, 0x00, 0x06 },                                                   /* TRC */
};

static bool i440fx_init(Device *dev, GError **error)
{
    PciDevice *pci = &((I440fx *)dev)->pci;
    const PciClass id = { .vendor = 0x8086, .device = 0x1237, .revision = 2, .subclass = 0x00,
                          .base_class = 0x06, .subsystem_vendor = 0x5853, .subsystem = 0x0001 };

    if (!pci_init(pci, &id, error))
        return false;
    for (unsigned i = 0; i < G_N_ELEMENTS(i440fx_regs); i++) {
        pci->initial[i440fx_regs[i].offset] = i440fx_regs[i].initial;
        pci->wmask[i440fx_regs[i].offset] = i440fx_regs[i].wmask;
    }
    return true;
}

static void i440fx_reset(Device *dev)
{
    pci_reset(&((I440fx *)dev)->pci);
}

static bool i440fx_loaded(Device *dev, GError **error)
{
    return pci_loaded(&((I440fx *)dev)->pci, error);
}

static void i440fx_finish(Device *dev)
{
    pci_finish(&((I440fx *)dev)->pci);
}

static const ConfigField i440fx_config[] = { CONFIG_PCI(I440fx, pci), CONFIG_END };
static const StateField i440fx_state[] = { STATE_PCI(I440fx, pci), STATE_END };

const DeviceClass i440fx_class = {
    .name = "i440fx", .summary = "82441FX host bridge", .size = sizeof(I440fx), .version = 1,
    .config = i440fx_config, .state = i440fx_state, .init = i440fx_init, .reset = i440fx_reset,
    .loaded = i440fx_loaded, .finish = i440fx_finish,
};
