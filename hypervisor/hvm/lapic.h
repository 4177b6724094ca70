/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lapic.h - local APICs and the bus between them: everything that can send an interrupt message
 * (I/O APIC, MSI, another LAPIC) ends in apic_bus_send().
 */
#ifndef GH_HVM_LAPIC_H
#define GH_HVM_LAPIC_H

#include "hypervisor/hvm/platform.h"

typedef struct Lapic Lapic;

enum ApicDelivery {
    APIC_FIXED = 0, APIC_LOWEST = 1, APIC_SMI = 2, APIC_NMI = 4, APIC_INIT = 5, APIC_SIPI = 6,
    APIC_EXTINT = 7,
};

typedef struct ApicBus {
    Lapic *cpu[PLATFORM_MAX_VCPUS];
    unsigned n;
    unsigned last_lowest;       /* who took the last lowest-priority message: ties go round */
    uint64_t tsc_khz;
    unsigned phys_bits;
    bool no_x2apic;             /* CPUID doesn't show it */
    const PlatformHost *host;
    void *opaque;
    /* A level-triggered vector was ended. */
    void (*eoi)(void *eoi_opaque, uint8_t vector);
    void *eoi_opaque;
    /* Who takes the PIC's interrupts may have changed. */
    void (*extint_changed)(void *eoi_opaque);
} ApicBus;

typedef struct ApicMessage {
    uint32_t dest;
    bool logical;
    bool wide;                  /* dest is an x2APIC destination (32 bits), else 8 bits */
    bool level;
    uint8_t delivery, vector;
} ApicMessage;

extern const DeviceClass lapic_class;       /* set pointer "bus" and u32 "vcpu" before init */

/* False when no LAPIC accepted it. */
bool apic_bus_send(ApicBus *bus, const ApicMessage *msg);

void lapic_accept(Lapic *l, uint8_t vector, bool level);
bool lapic_deliverable(const Lapic *l);     /* no lock needed */
int lapic_ack(Lapic *l);                    /* vector or -1 */
bool lapic_hw_enabled(const Lapic *l);
/* Does a destination field name this LAPIC? */
bool lapic_addressed(const Lapic *l, const ApicMessage *m);
uint32_t lapic_id(const Lapic *l);
uint32_t lapic_lvt0(const Lapic *l);        /* as the PIC's wire sees it */
bool lapic_mmio_hit(const Lapic *l, uint64_t gpa);
uint64_t lapic_mmio_read(Lapic *l, uint64_t gpa, unsigned size);
void lapic_mmio_write(Lapic *l, uint64_t gpa, unsigned size, uint64_t value);
bool lapic_msr_read(Lapic *l, uint32_t index, uint64_t *value);     /* 0x800-0xBFF */
bool lapic_msr_write(Lapic *l, uint32_t index, uint64_t value);
uint64_t lapic_base(const Lapic *l);
bool lapic_set_base(Lapic *l, uint64_t value);                      /* false: #GP */
uint64_t lapic_deadline(const Lapic *l);
void lapic_set_deadline(Lapic *l, uint64_t value);
uint64_t lapic_cr8(const Lapic *l);
void lapic_set_cr8(Lapic *l, uint64_t value);
void lapic_init_reset(Lapic *l);            /* INIT: all but the base register */

#endif
