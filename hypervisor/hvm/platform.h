/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * platform.h - the interrupt and time hardware that Xen keeps inside the hypervisor, as one thing:
 * PIC pair, IOAPIC, LAPICs, PIT, RTC, HPET, PM timer, and the wires between them and the device
 * model's interrupts (xen-facts 1.10).  The caller holds the device lock around every call; nothing
 * here blocks or locks.
 */
#ifndef GH_PLATFORM_H
#define GH_PLATFORM_H

#include <glib.h>
#include "hypervisor/engine.h"
#include "lib/device.h"

typedef struct Platform Platform;

typedef struct PlatformHost {
    /* vCPU's irq_pending result may have changed: wake it or make it look. */
    void (*kick)(void *opaque, unsigned vcpu);
    void (*init)(void *opaque, unsigned vcpu);              /* INIT: reset, wait for SIPI */
    void (*sipi)(void *opaque, unsigned vcpu, uint8_t vector);
    uint64_t (*guest_tsc)(void *opaque, unsigned vcpu);     /* as RDTSC would give */
    void *opaque;
} PlatformHost;

typedef struct PlatformOptions {
    unsigned vcpus;
    bool hpet;
    uint64_t tsc_khz;           /* guest TSC frequency, for the deadline timer */
} PlatformOptions;

/* Devices are put on m (whose clock and timers they use); they go with machine_finish(). */
Platform *platform_new(Machine *m, const PlatformOptions *o, const PlatformHost *host,
                       GError **error);
void platform_free(Platform *p);

/* --- wires --- */
void platform_isa_irq(Platform *p, unsigned irq, bool level);
void platform_pci_intx(Platform *p, unsigned devfn, unsigned intx, bool level);
void platform_gsi(Platform *p, unsigned gsi, bool level);      /* event callback by GSI */
void platform_link_route(Platform *p, unsigned link, unsigned isa_irq);     /* 0: none */
void platform_msi(Platform *p, uint64_t addr, uint32_t data);
/* Xen's callback vector (type 2): given to any vCPU's core directly, no EOI. */
void platform_direct_vector(Platform *p, unsigned vcpu, uint8_t vector, bool pending);
void platform_lapic_vector(Platform *p, unsigned vcpu, uint8_t vector);     /* edge, needs EOI */
void platform_nmi(Platform *p, unsigned vcpu);

/* --- a vCPU's view --- */
unsigned platform_irq_pending(Platform *p, unsigned vcpu);      /* IRQ_* of engine.h */
int platform_irq_ack(Platform *p, unsigned vcpu);               /* vector, -1: none */
void platform_nmi_ack(Platform *p, unsigned vcpu);
uint64_t platform_cr8_read(Platform *p, unsigned vcpu);
void platform_cr8_write(Platform *p, unsigned vcpu, uint64_t v);
/* gpa in [0xFEE00000, +4096) when the LAPIC is there; false: not the LAPIC's. */
bool platform_lapic_claims(Platform *p, unsigned vcpu, uint64_t gpa);
uint32_t platform_lapic_read(Platform *p, unsigned vcpu, unsigned offset);
void platform_lapic_write(Platform *p, unsigned vcpu, unsigned offset, uint32_t v);
void platform_vcpu_reset(Platform *p, unsigned vcpu);           /* power-on or INIT of its LAPIC */

/* --- policy --- */
bool platform_msr_read(Platform *p, unsigned vcpu, uint32_t index, uint64_t *v);
bool platform_msr_write(Platform *p, unsigned vcpu, uint32_t index, uint64_t v);

/* --- ACPI and clock --- */
uint8_t platform_rtc_read(Platform *p, unsigned index);         /* CMOS indexes 0-13 */
void platform_rtc_write(Platform *p, unsigned index, uint8_t value);
void platform_acpi_ports(Platform *p, unsigned version);        /* HVM_PARAM_ACPI_IOPORTS_LOCATION */
void platform_power_button(Platform *p);
void platform_sleep_button(Platform *p);

#endif
