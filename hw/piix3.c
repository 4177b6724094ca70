/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * piix3.c - the PCI-to-ISA function of the 82371SB (PIIX3, Intel order 290550): PIRQ routing to
 * the hypervisor's interrupt links, and the reset control register at CF9.  The interrupt
 * controllers, the timer and ELCR that the real chip holds are the hypervisor's; the DMA
 * controllers are i8237.c. The other configuration registers are storage.
 */
#include "hw/devices.h"
#include "lib/pci.h"
#include "pc_layout.h"

enum { PIIX3_PIRQRC = 0x60, PIIX3_LINKS = 4 };
enum { PIRQ_OFF = 0x80 };
enum { RCR_HARD = 2, RCR_CPU = 4 };

typedef struct Piix3 {
    PciDevice pci;
    uint8_t reset_control;      /* RCR */
} Piix3;

static const struct { uint8_t offset, initial, wmask; } piix3_regs[] = {
    { 0x04, 0x07, 0x08 },       /* PCICMD: I/O, memory, master always on; special cycles */
    { 0x05, 0x00, 0x01 },
    { 0x07, 0x02, 0x00 },       /* PCISTS: medium DEVSEL */
    { 0x4c, 0x4d, 0xff },       /* IORT */
    { 0x4e, 0x03, 0xff }, { 0x4f, 0x00, 0x01 },     /* XBCS */
    { 0x60, 0x80, 0x8f }, { 0x61, 0x80, 0x8f }, { 0x62, 0x80, 0x8f }, { 0x63, 0x80, 0x8f },
    { 0x69, 0x02, 0xfe },       /* TOM */
    { 0x6a, 0x00, 0x50 }, { 0x6b, 0x00, 0x80 },     /* MSTAT */
    { 0x70, 0x80, 0xef }, { 0x71, 0x00, 0x00 },     /* MBIRQ0 */
    { 0x76, 0x0c, 0x8f }, { 0x77, 0x0c, 0x8f },     /* MBDMA0, 1 */
    { 0x78, 0x02, 0xff }, { 0x79, 0x00, 0xff },     /* PCSC */
    { 0x80, 0x00, 0x7f }, { 0x82, 0x00, 0x0f },     /* APICBASE, DLC */
    { 0xa0, 0x08, 0x1f }, { 0xa2, 0x00, 0xff }, { 0xa3, 0x00, 0x01 },       /* SMICNTL, SMIEN */
    { 0xa4, 0x00, 0xff }, { 0xa5, 0x00, 0xff }, { 0xa6, 0x00, 0xff }, { 0xa7, 0x00, 0xff },
    { 0xa8, 0x0f, 0xff }, { 0xaa, 0x00, 0xff }, { 0xab, 0x00, 0x01 },       /* FTMR, SMIREQ */
    { 0xac, 0x00, 0xff }, { 0xae, 0x00, 0xff },     /* CTLTMR, CTHTMR */
};

static void piix3_update_routes(Piix3 *p)
{
    Machine *m = p->pci.dev.machine;

    if (!m->host->set_link_route)
        return;
    for (unsigned link = 0; link < PIIX3_LINKS; link++) {
        uint8_t route = p->pci.config[PIIX3_PIRQRC + link];
        m->host->set_link_route(m, link, route & PIRQ_OFF ? 0 : route & 0x0f);
    }
}

static void piix3_config_written(PciDevice *pci, unsigned offset, unsigned len)
{
    if (offset < PIIX3_PIRQRC + PIIX3_LINKS && offset + len > PIIX3_PIRQRC)
        piix3_update_routes((Piix3 *)pci);
}

static uint64_t piix3_rcr_read(void *opaque, uint64_t offset, unsigned width)
{
    (void)offset;
    (void)width;
    return ((Piix3 *)opaque)->reset_control;
}

static void piix3_rcr_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    Piix3 *p = opaque;
    bool rises = (value & RCR_CPU) && !(p->reset_control & RCR_CPU);

    (void)offset;
    (void)width;
    p->reset_control = value & (RCR_HARD | RCR_CPU);
    if (rises)
        p->pci.dev.machine->host->shutdown(p->pci.dev.machine, SHUTDOWN_REBOOT);
}

static const IoOps piix3_rcr_ops = { .read = piix3_rcr_read, .write = piix3_rcr_write,
                                     .widths = IO_8 };

static bool piix3_init(Device *dev, GError **error)
{
    Piix3 *p = (Piix3 *)dev;
    const PciClass id = { .vendor = 0x8086, .device = 0x7000, .subclass = 0x01,
                          .base_class = 0x06, .header_type = 0x80, .subsystem_vendor = 0x5853,
                          .subsystem = 0x0001 };

    if (!pci_init(&p->pci, &id, error))
        return false;
    for (unsigned i = 0; i < G_N_ELEMENTS(piix3_regs); i++) {
        p->pci.initial[piix3_regs[i].offset] = piix3_regs[i].initial;
        p->pci.wmask[piix3_regs[i].offset] = piix3_regs[i].wmask;
    }
    p->pci.config_written = piix3_config_written;
    return io_claim(dev, IO_PORT, PORT_RESET, 1, &piix3_rcr_ops, error);
}

static void piix3_reset(Device *dev)
{
    Piix3 *p = (Piix3 *)dev;

    pci_reset(&p->pci);
    p->reset_control = 0;
    piix3_update_routes(p);
}

static bool piix3_loaded(Device *dev, GError **error)
{
    Piix3 *p = (Piix3 *)dev;

    if (!pci_loaded(&p->pci, error))
        return false;
    piix3_update_routes(p);
    return true;
}

static void piix3_finish(Device *dev)
{
    pci_finish(&((Piix3 *)dev)->pci);
}

static const ConfigField piix3_config[] = { CONFIG_PCI(Piix3, pci), CONFIG_END };
static const StateField piix3_state[] = {
    STATE_PCI(Piix3, pci),
    STATE_U8_MAX(Piix3, reset_control, RCR_HARD | RCR_CPU),
    STATE_END
};

const DeviceClass piix3_class = {
    .name = "piix3", .summary = "82371SB ISA bridge: PIRQ routing, reset register",
    .size = sizeof(Piix3), .version = 1, .config = piix3_config, .state = piix3_state,
    .init = piix3_init, .reset = piix3_reset, .loaded = piix3_loaded, .finish = piix3_finish,
};
