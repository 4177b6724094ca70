/* SPDX-License-Identifier: GPL-2.0-or-later */
/* router.h - how wires reach the PIC and the I/O APIC: ISA, PCI, links, GSIs. */
#ifndef GH_HVM_ROUTER_H
#define GH_HVM_ROUTER_H

#include "hypervisor/hvm/ioapic.h"
#include "hypervisor/hvm/pic.h"
#include "include/pc_layout.h"

typedef struct IrqRouter IrqRouter;

extern const DeviceClass irq_router_class;  /* set pointers "pic" and "ioapic" before init */

void router_set_isa(IrqRouter *r, unsigned irq, bool level);    /* the device model's wires */
void router_set_chip(IrqRouter *r, unsigned irq, bool level);   /* our own chips' wires */
void router_set_legacy(IrqRouter *r, unsigned n, bool level);   /* HPET's legacy lines */
void router_legacy_on(IrqRouter *r, bool on);
void router_set_gsi(IrqRouter *r, unsigned gsi, bool level);
void router_set_hpet(IrqRouter *r, unsigned gsi, bool level);
void router_set_pci(IrqRouter *r, unsigned dev, unsigned intx, bool level);
void router_set_link(IrqRouter *r, unsigned link, unsigned irq);
/* Tells the controllers all levels again, after they were reset. */
void router_refresh(IrqRouter *r);

#endif
