/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chipset.h - what the board and other devices may ask of the small chips: CMOS, ACPI registers,
 * the ISA DMA controllers.
 */
#ifndef GH_CHIPSET_H
#define GH_CHIPSET_H

#include "lib/device.h"

/* --- cmos --- */
#define CMOS_SHUTDOWN_STATUS 0x0F
void cmos_set(Device *cmos, unsigned index, uint8_t value);
/* Types of the floppy drives, as in index 10h; 0: none. */
void cmos_set_floppies(Device *cmos, unsigned a, unsigned b);
uint8_t cmos_get(const Device *cmos, unsigned index);

/* --- piix4_pm --- */
enum { GPE_PCI_HOTPLUG = 1, GPE_CPU_HOTPLUG = 2 };
void piix4_pm_raise_gpe(Device *pm, unsigned gpe);
/* Shows vCPUs [0, online) in the ACPI CPU map and tells the guest (xm vcpu-set). */
void piix4_pm_set_vcpus(Device *pm, unsigned online);

/* --- i8237: a device's side of ISA DMA --- */
/*
 * Moves up to len bytes between buf and memory as channel's registers say; returns how many were
 * moved: 0 when the channel is masked, in cascade mode or set up for the other direction.
 * *terminal: terminal count was reached.  Channels 0-3 move bytes, 5-7 whole words.
 */
unsigned i8237_from_memory(Device *dma, unsigned channel, void *buf, unsigned len, bool *terminal);
unsigned i8237_to_memory(Device *dma, unsigned channel, const void *buf, unsigned len,
                         bool *terminal);
void i8237_request(Device *dma, unsigned channel, bool level);     /* DREQ, seen in status */
/* ready is called when channel's DREQ is up and the guest has set the channel up (unmasked it): in a
 * register write, never inside a transfer.  One device a channel; NULL to end it. */
void i8237_attach(Device *dma, unsigned channel, void (*ready)(void *opaque), void *opaque);

#endif
