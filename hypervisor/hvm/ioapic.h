/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ioapic.h - the I/O APIC. */
#ifndef GH_IOAPIC_H
#define GH_IOAPIC_H

#include "lib/device.h"

typedef struct IoapicMessage {
    uint8_t vector, delivery, dest;     /* delivery: 0 fixed 1 lowest 2 SMI 4 NMI 5 INIT 7 ExtINT */
    bool logical, level;
} IoapicMessage;

extern const DeviceClass ioapic_class;
/* Sends a message to the LAPICs; returns whether one took it. */
void ioapic_connect(Device *dev, bool (*send)(void *opaque, const IoapicMessage *m), void *opaque);
void ioapic_set_irq(Device *dev, unsigned pin, bool level);
void ioapic_eoi(Device *dev, uint8_t vector);
/* Pin 0 passes the PIC's output to the LAPIC with this id (physical destination). */
bool ioapic_extint_to(const Device *dev, uint8_t apic_id);

#endif
