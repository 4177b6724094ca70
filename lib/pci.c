/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pci.c - configuration space, BAR sizing and mapping, option ROMs (PCI Local Bus 2.1, chapters 6.2
 * and 6.3).  Left out: bridges, capabilities beyond what a device puts there itself.
 */
#include "lib/pci.h"

#include <string.h>

enum { CFG_COMMAND = 0x04, CFG_STATUS = 0x06, CFG_BAR0 = 0x10, CFG_ROM = 0x30, CFG_INT_LINE = 0x3c,
       CFG_INT_PIN = 0x3d };
enum { CMD_IO = 1, CMD_MEM = 2, CMD_MASTER = 4, CMD_INTX_OFF = 0x400 };

void pci_bus_init(PciBus *bus, Machine *m)
{
    memset(bus, 0, sizeof *bus);
    bus->machine = m;
}

static unsigned bar_offset(unsigned n)
{
    return n == PCI_ROM_BAR ? CFG_ROM : CFG_BAR0 + 4 * n;
}

static uint32_t get32(const uint8_t *c, unsigned off)
{
    return c[off] | c[off + 1] << 8 | c[off + 2] << 16 | (uint32_t)c[off + 3] << 24;
}

static void set32(uint8_t *c, unsigned off, uint32_t v)
{
    c[off] = v;
    c[off + 1] = v >> 8;
    c[off + 2] = v >> 16;
    c[off + 3] = v >> 24;
}

static bool bar_decoded(const PciDevice *pci, unsigned n, uint32_t *addr)
{
    const PciBar *b = &pci->bar[n];
    uint32_t v = get32(pci->config, bar_offset(n));
    uint16_t command = pci_get16(pci->config, CFG_COMMAND);

    if (!b->present || pci->unplugged) {
        return false;
    }
    if (b->kind == PCI_BAR_IO) {
        *addr = v & ~3u;
        return (command & CMD_IO) && *addr && *addr + b->size <= 0x10000;
    }
    *addr = v & ~15u;
    if (n == PCI_ROM_BAR) {
        *addr = v & ~0x7ffu;
        if (!(v & 1)) {
            return false;
        }
    }
    /* An address above the last page is what sizing leaves behind: nothing to decode. */
    return (command & CMD_MEM) && *addr >= 0x100000 && (uint64_t)*addr + b->size <= 0xfffff000u;
}

static void bar_update(PciDevice *pci, unsigned n)
{
    PciBar *b = &pci->bar[n];
    uint32_t addr = 0;
    bool on = bar_decoded(pci, n, &addr);

    if (!b->present || (on == b->mapped && (!on || addr == b->addr))) {
        return;
    }
    if (b->mapped) {
        if (b->range) {
            io_map_remove(&pci->dev.machine->io, b->range);
        } else {
            ram_block_unmap(b->ram);
        }
        b->mapped = false;
        b->addr = 0;
    }
    if (on) {
        if (b->ram) {
            ram_block_map(b->ram, addr);
        } else if (!io_map_add(&pci->dev.machine->io, b->range, addr, NULL)) {
            log_guest(&pci->dev, "BAR %u at 0x%x overlaps another device; left unmapped", n, addr);
            return;
        }
        b->mapped = true;
        b->addr = addr;
    }
}

static void bars_update(PciDevice *pci)
{
    for (unsigned n = 0; n < PCI_BARS; n++) {
        bar_update(pci, n);
    }
}

static void intx_update(PciDevice *pci)
{
    bool masked = pci_get16(pci->config, CFG_COMMAND) & CMD_INTX_OFF;
    unsigned pin = pci->config[CFG_INT_PIN];
    Machine *m = pci->dev.machine;

    pci->config[CFG_STATUS] = (pci->config[CFG_STATUS] & ~8) | (pci->intx_level ? 8 : 0);
    if (pin && m->host->set_pci_intx) {
        m->host->set_pci_intx(m, pci->devfn, pin - 1,
                              pci->intx_level && !masked && !pci->unplugged);
    }
}

uint32_t pci_bus_read(PciBus *bus, unsigned devfn, unsigned offset, unsigned width)
{
    PciDevice *pci = bus->slot[devfn & 0xff];
    uint32_t v = 0;

    for (unsigned i = 0; i < width; i++) {
        uint8_t byte = pci && !pci->unplugged && offset + i < 256 ? pci->config[offset + i] : 0xff;

        v |= (uint32_t)byte << (8 * i);
    }
    return v;
}

void pci_bus_write(PciBus *bus, unsigned devfn, unsigned offset, unsigned width, uint32_t value)
{
    PciDevice *pci = bus->slot[devfn & 0xff];

    if (!pci || pci->unplugged || offset + width > 256) {
        return;
    }
    io_changed(&pci->dev);
    for (unsigned i = 0; i < width; i++) {
        uint8_t *c = &pci->config[offset + i], byte = value >> (8 * i);
        uint8_t mask = pci->wmask[offset + i];

        *c = (*c & ~mask) | (byte & mask);
        *c &= ~(byte & pci->w1c[offset + i]);
    }
    if (offset < CFG_STATUS && offset + width > CFG_COMMAND) {
        bars_update(pci);
        intx_update(pci);
    } else if (offset < CFG_ROM + 4 && offset + width > CFG_BAR0) {
        bars_update(pci);
    }
    if (pci->config_written) {
        pci->config_written(pci, offset, width);
    }
}

bool pci_init(PciDevice *pci, const PciClass *id, GError **error)
{
    uint8_t *c = pci->initial;

    if (!pci->bus || pci->devfn > 255 || pci->bus->slot[pci->devfn]) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_EXIST, "PCI slot %02x.%u is %s",
                    pci->devfn >> 3, pci->devfn & 7, pci->bus ? "taken" : "on no bus");
        return false;
    }
    pci_set16(c, 0x00, id->vendor);
    pci_set16(c, 0x02, id->device);
    c[0x08] = id->revision;
    c[0x09] = id->prog_if;
    c[0x0a] = id->subclass;
    c[0x0b] = id->base_class;
    c[0x0e] = id->header_type;
    pci_set16(c, 0x2c, id->subsystem_vendor);
    pci_set16(c, 0x2e, id->subsystem);
    c[CFG_INT_PIN] = id->interrupt_pin;
    pci_set16(pci->wmask, CFG_COMMAND, CMD_IO | CMD_MEM | CMD_MASTER | 0x0150 | CMD_INTX_OFF);
    pci->w1c[CFG_STATUS + 1] = 0xf9;
    pci->wmask[0x0c] = 0xff;
    pci->wmask[0x0d] = 0xf8;
    pci->wmask[CFG_INT_LINE] = 0xff;
    memcpy(pci->config, c, 256);
    pci->bus->slot[pci->devfn] = pci;
    if (pci->bus->changed) {
        pci->bus->changed(pci->bus->opaque, pci->devfn, true);
    }
    return true;
}

static void bar_describe(PciDevice *pci, unsigned n, unsigned kind, uint64_t size)
{
    unsigned off = bar_offset(n);

    pci->bar[n].kind = kind;
    pci->bar[n].present = true;
    pci->bar[n].size = size;
    set32(pci->wmask, off, (uint32_t)~(size - 1));
    set32(pci->initial, off, kind == PCI_BAR_IO ? 1 : kind == PCI_BAR_MEM_PREFETCH ? 8 : 0);
    if (n == PCI_ROM_BAR) {
        pci->wmask[off] |= 1;
        pci->wmask[off + 1] &= 0xf8;
    }
    memcpy(pci->config + off, pci->initial + off, 4);
}

bool pci_claim_bar(PciDevice *pci, unsigned n, unsigned kind, uint64_t size, const IoOps *ops,
                   GError **error)
{
    if (n >= PCI_ROM_BAR || pci->bar[n].present || size < 4 || (size & (size - 1))) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "BAR %u cannot be made", n);
        return false;
    }
    bar_describe(pci, n, kind, size);
    pci->bar[n].range = io_reserve(&pci->dev, kind == PCI_BAR_IO ? IO_PORT : IO_MMIO, size, ops);
    return true;
}

bool pci_claim_ram_bar(PciDevice *pci, unsigned n, unsigned kind, RamBlock *ram, GError **error)
{
    if (n >= PCI_BARS || pci->bar[n].present || (ram->size & (ram->size - 1))) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "BAR %u cannot be made", n);
        return false;
    }
    bar_describe(pci, n, kind, ram->size);
    pci->bar[n].ram = ram;
    return true;
}

/* Firmware takes a ROM only if the ids in its PCI data structure are the function's own. */
static void rom_patch(PciDevice *pci, uint8_t *rom, size_t len)
{
    unsigned pcir = len >= 0x1a ? pci_get16(rom, 0x18) : 0;
    size_t image = len >= 3 ? (size_t)rom[2] * 512 : 0;
    uint8_t sum = 0;

    if (len < 512 || rom[0] != 0x55 || rom[1] != 0xaa || pcir + 8u > len ||
        memcmp(rom + pcir, "PCIR", 4) || image == 0 || image > len) {
        return;
    }
    if (!memcmp(rom + pcir + 4, pci->initial, 4)) {
        return;
    }
    memcpy(rom + pcir + 4, pci->initial, 4);
    for (size_t i = 0; i < image; i++) {
        sum += rom[i];
    }
    rom[6] -= sum;              /* byte 6 is free in the header (3..5 hold the entry jump) */
}

bool pci_claim_rom(PciDevice *pci, const void *image, size_t len, GError **error)
{
    uint64_t size = 4096;
    RamBlock *ram;

    if (len == 0 || len > 16u << 20) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "option ROM of %zu bytes", len);
        return false;
    }
    while (size < len) {
        size <<= 1;
    }
    ram = ram_block_new(pci->dev.machine, "rom", size, true, error);
    if (!ram) {
        return false;
    }
    memset(ram->host, 0xff, size);
    memcpy(ram->host, image, len);
    rom_patch(pci, ram->host, len);
    if (!pci_claim_ram_bar(pci, PCI_ROM_BAR, PCI_BAR_MEM, ram, error)) {
        ram_block_free(ram);
        return false;
    }
    return true;
}

void pci_reset(PciDevice *pci)
{
    bool was_unplugged = pci->unplugged;

    memcpy(pci->config, pci->initial, 256);
    pci->intx_level = false;
    pci->unplugged = false;
    bars_update(pci);
    intx_update(pci);
    if (was_unplugged && pci->bus->changed) {
        pci->bus->changed(pci->bus->opaque, pci->devfn, true);
    }
}

bool pci_loaded(PciDevice *pci, GError **error)
{
    (void)error;
    for (unsigned i = 0; i < 256; i++) {    /* read-only bits are this machine's, not the stream's */
        uint8_t guest = pci->wmask[i] | pci->w1c[i];

        if (i != CFG_STATUS) {
            pci->config[i] = (pci->config[i] & guest) | (pci->initial[i] & ~guest);
        }
    }
    bars_update(pci);
    intx_update(pci);
    return true;
}

void pci_finish(PciDevice *pci)
{
    for (unsigned n = 0; n < PCI_BARS; n++) {
        if (pci->bar[n].mapped && pci->bar[n].ram) {
            ram_block_unmap(pci->bar[n].ram);
        }
    }
    if (pci->bar[PCI_ROM_BAR].ram) {
        ram_block_free(pci->bar[PCI_ROM_BAR].ram);
        pci->bar[PCI_ROM_BAR].ram = NULL;
    }
    if (pci->bus && pci->devfn < 256 && pci->bus->slot[pci->devfn] == pci) {
        pci->bus->slot[pci->devfn] = NULL;
    }
}

void pci_set_irq(PciDevice *pci, bool level)
{
    if (level != pci->intx_level) {     /* a card may say so for each of its frames */
        pci->intx_level = level;
        intx_update(pci);
    }
}

void pci_tell_irq(PciDevice *pci)
{
    intx_update(pci);
}

uint32_t pci_wire(const PciDevice *pci)
{
    return pci->devfn << 2 | (pci->config[CFG_INT_PIN] - 1) % 4;
}

void pci_unplug(PciDevice *pci)
{
    pci->unplugged = true;
    pci->intx_level = false;
    bars_update(pci);
    intx_update(pci);
    if (pci->bus->changed) {
        pci->bus->changed(pci->bus->opaque, pci->devfn, false);
    }
}

const StateField pci_state[] = {
    STATE_BYTES(PciDevice, config),
    STATE_BOOL(PciDevice, intx_level),
    STATE_BOOL(PciDevice, unplugged),
    STATE_END
};
