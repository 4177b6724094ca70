/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pci.h - PCI functions and the one bus of our PC (PCI 2.1 configuration space).  A PciDevice is a
 * Device with 256 bytes of configuration space, up to six BARs and a ROM BAR.  Sizing, decode
 * enables and moves are done here; the device only says what is behind each BAR.
 */
#ifndef GH_PCI_H
#define GH_PCI_H

#include "lib/device.h"

typedef struct PciDevice PciDevice;
typedef struct PciBus PciBus;

enum { PCI_BAR_IO = 0, PCI_BAR_MEM = 1, PCI_BAR_MEM_PREFETCH = 2 };
#define PCI_ROM_BAR 6
#define PCI_BARS 7

typedef struct PciBar {
    uint8_t kind;               /* PCI_BAR_* */
    bool present;
    uint64_t size;              /* power of two */
    IoRange *range;             /* registers, or NULL */
    RamBlock *ram;              /* RAM or ROM image, or NULL */
    uint32_t addr;              /* where it is mapped now, 0 if not */
    bool mapped;
} PciBar;

typedef struct PciClass {       /* fixed part of configuration space */
    uint16_t vendor, device, subsystem_vendor, subsystem;
    uint8_t revision, prog_if, subclass, base_class, header_type, interrupt_pin; /* pin 0: none, 1: INTA */
} PciClass;

struct PciDevice {
    Device dev;                 /* must be first */
    PciBus *bus;
    uint32_t devfn;             /* device << 3 | function */
    uint8_t config[256];
    uint8_t wmask[256];         /* bits software may write */
    uint8_t w1c[256];           /* bits cleared by writing 1 */
    uint8_t initial[256];       /* config at reset */
    PciBar bar[PCI_BARS];
    bool intx_level;
    bool unplugged;             /* gone: config reads all ones */
    /* After a write to [offset, offset+len) took effect; may be NULL. */
    void (*config_written)(PciDevice *pci, unsigned offset, unsigned len);
};

struct PciBus {
    Machine *machine;
    PciDevice *slot[256];       /* by devfn */
    /* Told of functions that appear or go (ioreq client); may be NULL. */
    void (*changed)(void *opaque, unsigned devfn, bool present);
    void *opaque;
};

void pci_bus_init(PciBus *bus, Machine *m);
uint32_t pci_bus_read(PciBus *bus, unsigned devfn, unsigned offset, unsigned width);
void pci_bus_write(PciBus *bus, unsigned devfn, unsigned offset, unsigned width, uint32_t value);

/* In init: puts the function on the bus; dev->bus and devfn must be set (config pointers). */
bool pci_init(PciDevice *pci, const PciClass *id, GError **error);
bool pci_claim_bar(PciDevice *pci, unsigned n, unsigned kind, uint64_t size, const IoOps *ops,
                   GError **error);
bool pci_claim_ram_bar(PciDevice *pci, unsigned n, unsigned kind, RamBlock *ram, GError **error);
/* An option ROM from memory (copied, padded to a power of two); PCIR ids and checksum are patched
 * to the function's. */
bool pci_claim_rom(PciDevice *pci, const void *image, size_t len, GError **error);
void pci_reset(PciDevice *pci);             /* call from the class's reset */
bool pci_loaded(PciDevice *pci, GError **error);    /* call from the class's loaded */
void pci_finish(PciDevice *pci);            /* call from the class's finish */
void pci_set_irq(PciDevice *pci, bool level);
/* The level once more, for who may have forgotten it (IoSeen.lowered). */
void pci_tell_irq(PciDevice *pci);
uint32_t pci_wire(const PciDevice *pci);        /* IoLine.wire; of a function with an interrupt pin */
void pci_unplug(PciDevice *pci);            /* until reset */
static inline bool pci_bus_master(const PciDevice *pci) { return !pci->unplugged && (pci->config[4] & 4); }
static inline void pci_set16(uint8_t *c, unsigned off, uint16_t v) { c[off] = v; c[off + 1] = v >> 8; }
static inline uint16_t pci_get16(const uint8_t *c, unsigned off) { return c[off] | c[off + 1] << 8; }

/* First entries of every PCI device's state table. */
extern const StateField pci_state[];
#define STATE_PCI(type, field) STATE_STRUCT(type, field, pci_state)
/* First entries of every PCI device's config table. */
#define CONFIG_PCI(type, field) \
    { "bus", CONFIG_POINTER, offsetof(type, field.bus), NULL, "PCI bus" }, \
    { "devfn", CONFIG_U32, offsetof(type, field.devfn), NULL, "device << 3 | function" }

#endif
