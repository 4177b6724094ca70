/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * router.c - Xen's interrupt wiring of an HVM domain.  A PCI wire raises its own GSI (16-47, I/O
 * APIC only) and, over its link, an ISA line (PIC and I/O APIC).  ISA line n is I/O APIC pin n, but
 * line 0 is pin 2.  Each source keeps its level; a line is the OR of its sources.
 */
#include "hypervisor/hvm/router.h"

#include <string.h>

#define PCI_GSI_FIRST 16

struct IrqRouter {
    Device dev;
    Pic *pic;
    Ioapic *ioapic;
    uint16_t isa, chip;         /* wires, one bit each */
    uint8_t legacy;
    bool legacy_on;             /* lines 0 and 8 listen to legacy, not to chip */
    uint64_t gsi, hpet;
    uint8_t pci[32];            /* INTA-INTD in bits 0-3 */
    uint8_t route[4];           /* ISA line of each link; 0: none */
    uint8_t gsi_count[32];      /* derived: PCI wires that are high */
    uint8_t link_count[4];
};

static bool isa_level(const IrqRouter *r, unsigned n)
{
    uint16_t chip = r->chip;

    if (r->legacy_on) {
        chip = (chip & ~(1u << IRQ_PIT | 1u << IRQ_RTC)) | (r->legacy & 1) << IRQ_PIT |
               (r->legacy >> 1 & 1) << IRQ_RTC;
    }
    if ((r->isa | chip | r->gsi) >> n & 1) {
        return true;
    }
    for (unsigned i = 0; i < 4; i++) {
        if (r->route[i] == n && r->link_count[i]) {
            return n != 0;
        }
    }
    return false;
}

static void update_isa(IrqRouter *r, unsigned n)
{
    bool level;

    if (n == 2) {               /* the cascade; pin 2 belongs to line 0 */
        return;
    }
    level = isa_level(r, n);
    pic_set_irq(r->pic, n, level);
    ioapic_set_gsi(r->ioapic, n ? n : 2, level);
}

static void update_gsi(IrqRouter *r, unsigned n)
{
    ioapic_set_gsi(r->ioapic, n, ((r->gsi | r->hpet) >> n & 1) || r->gsi_count[n - PCI_GSI_FIRST]);
}

void router_set_isa(IrqRouter *r, unsigned irq, bool level)
{
    if (irq < 16) {
        r->isa = level ? r->isa | 1u << irq : r->isa & ~(1u << irq);
        update_isa(r, irq);
    }
}

void router_set_chip(IrqRouter *r, unsigned irq, bool level)
{
    if (irq < 16) {
        r->chip = level ? r->chip | 1u << irq : r->chip & ~(1u << irq);
        update_isa(r, irq);
    }
}

void router_set_legacy(IrqRouter *r, unsigned n, bool level)
{
    r->legacy = level ? r->legacy | 1u << (n & 1) : r->legacy & ~(1u << (n & 1));
    update_isa(r, n & 1 ? IRQ_RTC : IRQ_PIT);
}

void router_legacy_on(IrqRouter *r, bool on)
{
    r->legacy_on = on;
    update_isa(r, IRQ_PIT);
    update_isa(r, IRQ_RTC);
}

void router_set_gsi(IrqRouter *r, unsigned gsi, bool level)
{
    if (gsi >= IOAPIC_PINS) {
        return;
    }
    r->gsi = level ? r->gsi | 1ULL << gsi : r->gsi & ~(1ULL << gsi);
    if (gsi < 16) {
        update_isa(r, gsi);
    } else {
        update_gsi(r, gsi);
    }
}

void router_set_hpet(IrqRouter *r, unsigned gsi, bool level)
{
    if (gsi >= PCI_GSI_FIRST && gsi < IOAPIC_PINS) {
        r->hpet = level ? r->hpet | 1ULL << gsi : r->hpet & ~(1ULL << gsi);
        update_gsi(r, gsi);
    }
}

void router_set_pci(IrqRouter *r, unsigned dev, unsigned intx, bool level)
{
    unsigned gsi, link;
    uint8_t bit;

    if (dev > 31 || intx > 3) {
        return;
    }
    bit = 1u << intx;
    if (!(r->pci[dev] & bit) == !level) {
        return;
    }
    r->pci[dev] ^= bit;
    gsi = PCI_GSI(dev, intx);
    link = PCI_LINK(dev, intx);
    r->gsi_count[gsi - PCI_GSI_FIRST] += level ? 1 : -1;
    r->link_count[link] += level ? 1 : -1;
    update_gsi(r, gsi);
    if (r->route[link]) {
        update_isa(r, r->route[link]);
    }
}

void router_set_link(IrqRouter *r, unsigned link, unsigned irq)
{
    unsigned before;

    if (link > 3) {
        return;
    }
    before = r->route[link];
    r->route[link] = irq < 16 ? irq : 0;
    if (before) {
        update_isa(r, before);
    }
    if (r->route[link]) {
        update_isa(r, r->route[link]);
    }
}

static void update_all(IrqRouter *r)
{
    for (unsigned n = 0; n < 16; n++) {
        update_isa(r, n);
    }
    for (unsigned n = PCI_GSI_FIRST; n < IOAPIC_PINS; n++) {
        update_gsi(r, n);
    }
}

void router_refresh(IrqRouter *r)
{
    update_all(r);
}

static bool router_init(Device *dev, GError **error)
{
    (void)dev;
    (void)error;
    return true;
}

/* Wires keep the level that their other end drives; links lose their routes. */
static void router_reset(Device *dev)
{
    IrqRouter *r = (IrqRouter *)dev;

    memset(r->route, 0, sizeof r->route);
    update_all(r);
}

static bool router_loaded(Device *dev, GError **error)
{
    IrqRouter *r = (IrqRouter *)dev;

    (void)error;
    memset(r->gsi_count, 0, sizeof r->gsi_count);
    memset(r->link_count, 0, sizeof r->link_count);
    for (unsigned d = 0; d < 32; d++) {
        r->pci[d] &= 15;
        for (unsigned i = 0; i < 4; i++) {
            unsigned high = r->pci[d] >> i & 1;

            r->gsi_count[PCI_GSI(d, i) - PCI_GSI_FIRST] += high;
            r->link_count[PCI_LINK(d, i)] += high;
        }
    }
    for (unsigned i = 0; i < 4; i++) {
        r->route[i] &= 15;
    }
    update_all(r);
    return true;
}

static const ConfigField router_config[] = {
    CONFIG_FIELD(IrqRouter, pic, CONFIG_POINTER, NULL, "interrupt controllers"),
    CONFIG_FIELD(IrqRouter, ioapic, CONFIG_POINTER, NULL, "I/O APIC"),
    CONFIG_END
};

static const StateField router_state[] = {
    STATE_U16(IrqRouter, isa),
    STATE_U16(IrqRouter, chip),
    STATE_U8_MAX(IrqRouter, legacy, 3),
    STATE_BOOL(IrqRouter, legacy_on),
    STATE_U64_MAX(IrqRouter, gsi, (1ULL << IOAPIC_PINS) - 1),
    STATE_U64_MAX(IrqRouter, hpet, (1ULL << IOAPIC_PINS) - 1),
    STATE_BYTES(IrqRouter, pci),
    STATE_BYTES(IrqRouter, route),
    STATE_END
};

const DeviceClass irq_router_class = {
    .name = "irq-router", .summary = "interrupt wiring", .size = sizeof(IrqRouter), .version = 1,
    .config = router_config, .state = router_state, .init = router_init, .reset = router_reset,
    .loaded = router_loaded,
};
