/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ioapic.h - the I/O APIC. */
#ifndef GH_HVM_IOAPIC_H
#define GH_HVM_IOAPIC_H

#include "hypervisor/hvm/lapic.h"

typedef struct Ioapic Ioapic;

extern const DeviceClass ioapic_class;      /* set pointer "bus" (ApicBus *) before init */

void ioapic_set_gsi(Ioapic *a, unsigned pin, bool level);
void ioapic_eoi(Ioapic *a, uint8_t vector);
/* Level requests that no LAPIC would take get another try. */
void ioapic_retry(Ioapic *a);
/* Is pin 0 an open path for the PIC to this LAPIC? */
bool ioapic_extint_to(const Ioapic *a, const Lapic *l);

#endif
