/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mptable.c - Intel's MultiProcessor tables 1.4 and Microsoft's PCI interrupt routing table ($PIR),
 * for systems that do not read ACPI.  SeaBIOS copies them from scratch memory to the F segment.
 */
#include "pc_layout.h"
#include "tables.h"
#include "util.h"

enum { MP_PROCESSOR, MP_BUS, MP_IOAPIC, MP_IO_INTERRUPT, MP_LOCAL_INTERRUPT };
enum { BUS_PCI = 0, BUS_ISA = 1, IOAPIC_ID = 1, TYPE_INT = 0, TYPE_NMI = 1, TYPE_EXTINT = 3 };
enum { LEVEL_LOW = 0xf };
#define PCI_IRQS (1 << 5 | 1 << 10 | 1 << 11)
#define TABLE_SIZE 4096

typedef struct MpFloat {
    char signature[4];
    uint32_t table;
    uint8_t length, revision, checksum, feature[5];
} __attribute__((packed)) MpFloat;

typedef struct MpHeader {
    char signature[4];
    uint16_t length;
    uint8_t revision, checksum;
    char oem[8], product[12];
    uint32_t oem_table;
    uint16_t oem_size, entries;
    uint32_t lapic;
    uint16_t extended_length;
    uint8_t extended_checksum, reserved;
} __attribute__((packed)) MpHeader;

typedef struct MpProcessor {
    uint8_t type, id, version, flags;
    uint32_t signature, features, reserved[2];
} __attribute__((packed)) MpProcessor;

typedef struct MpBus {
    uint8_t type, id;
    char name[6];
} __attribute__((packed)) MpBus;

typedef struct MpIoapic {
    uint8_t type, id, version, flags;
    uint32_t address;
} __attribute__((packed)) MpIoapic;

typedef struct MpInterrupt {
    uint8_t type, kind;
    uint16_t flags;
    uint8_t bus, source, apic, pin;
} __attribute__((packed)) MpInterrupt;

typedef struct PirEntry {
    uint8_t bus, devfn;
    struct { uint8_t link; uint16_t irqs; } __attribute__((packed)) pin[4];
    uint8_t slot, reserved;
} __attribute__((packed)) PirEntry;

typedef struct Pir {
    char signature[4];
    uint16_t version, size;
    uint8_t router_bus, router_devfn;
    uint16_t exclusive;
    uint32_t compatible, miniport;
    uint8_t reserved[11], checksum;
    PirEntry entry[31];
} __attribute__((packed)) Pir;

static void add(MpHeader *h, const void *entry, unsigned size)
{
    memcpy((uint8_t *)h + h->length, entry, size);
    h->length += size;
    h->entries++;
}

static void add_processors(MpHeader *h)
{
    const HvmInfo *info = hvm_info();
    uint32_t r[4];

    cpuid(1, r);
    for (unsigned i = 0; i < info->nr_vcpus; i++) {
        MpProcessor p = { .type = MP_PROCESSOR, .id = apic_id(i), .version = 0x14,
                          .signature = r[0], .features = r[3] };

        p.flags = (info->vcpu_online[i / 8] >> i % 8 & 1) | (i == 0 ? 2 : 0);
        if (p.flags) {
            add(h, &p, sizeof p);
        }
    }
}

static void add_interrupt(MpHeader *h, unsigned type, unsigned kind, unsigned flags, unsigned bus,
                          unsigned source, unsigned apic, unsigned pin)
{
    MpInterrupt i = { type, kind, flags, bus, source, apic, pin };

    add(h, &i, sizeof i);
}

static void add_interrupts(MpHeader *h)
{
    for (unsigned irq = 0; irq < 16; irq++) {
        if (irq != 2) {         /* the cascade: its pin is the timer's */
            add_interrupt(h, MP_IO_INTERRUPT, TYPE_INT, PCI_IRQS >> irq & 1 ? LEVEL_LOW : 0,
                          BUS_ISA, irq, IOAPIC_ID, irq ? irq : 2);
        }
    }
    for (unsigned dev = 1; dev < 32; dev++) {
        for (unsigned pin = 0; pin < 4; pin++) {
            if (pci_uses_pin(dev, pin)) {
                add_interrupt(h, MP_IO_INTERRUPT, TYPE_INT, LEVEL_LOW, BUS_PCI, dev << 2 | pin,
                              IOAPIC_ID, PCI_GSI(dev, pin));
            }
        }
    }
    add_interrupt(h, MP_LOCAL_INTERRUPT, TYPE_EXTINT, 0, BUS_ISA, 0, 0xff, 0);
    add_interrupt(h, MP_LOCAL_INTERRUPT, TYPE_NMI, 0, BUS_ISA, 0, 0xff, 1);
}

uint32_t mptable_build(void)
{
    MpFloat *f = scratch_alloc(sizeof *f, 16);
    MpHeader *h = scratch_alloc(TABLE_SIZE, 16);
    MpBus pci = { MP_BUS, BUS_PCI, { 'P', 'C', 'I', ' ', ' ', ' ' } };
    MpBus isa = { MP_BUS, BUS_ISA, { 'I', 'S', 'A', ' ', ' ', ' ' } };
    MpIoapic ioapic = { MP_IOAPIC, IOAPIC_ID, 0x11, 1, PC_IOAPIC_BASE };

    memcpy(h->signature, "PCMP", 4);
    h->length = sizeof *h;
    h->revision = 4;
    memcpy(h->oem, "GUESTHSE", 8);
    memcpy(h->product, "HVM         ", 12);
    h->lapic = PC_LAPIC_BASE;
    add_processors(h);
    add(h, &pci, sizeof pci);
    add(h, &isa, sizeof isa);
    add(h, &ioapic, sizeof ioapic);
    add_interrupts(h);
    h->checksum = checksum(h, h->length);

    memcpy(f->signature, "_MP_", 4);
    f->table = (uint32_t)h;
    f->length = 1;
    f->revision = 4;
    f->checksum = checksum(f, sizeof *f);
    return (uint32_t)f;
}

uint32_t pir_build(void)
{
    Pir *p = scratch_alloc(sizeof *p, 16);
    PirEntry *e = p->entry;

    memcpy(p->signature, "$PIR", 4);
    p->version = 0x100;
    p->router_devfn = DEVFN_ISA;
    p->compatible = 0x122e8086;
    for (unsigned dev = 1; dev < 32; dev++) {
        e->devfn = dev << 3;
        for (unsigned pin = 0; pin < 4; pin++) {
            e->pin[pin].link = 0x60 + PCI_LINK(dev, pin);
            e->pin[pin].irqs = PCI_IRQS;
        }
        e->slot = dev;
        e++;
    }
    p->size = (uint8_t *)e - (uint8_t *)p;
    p->checksum = checksum(p, p->size);
    return (uint32_t)p;
}
