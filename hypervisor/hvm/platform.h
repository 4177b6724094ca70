/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * platform.h - all chips that Xen keeps inside the hypervisor, behind one interface: interrupt
 * controllers, timers, the PM1a block, CPUID and MSR policy.  They are Devices of the domain's
 * Machine: ports and MMIO (all but the LAPICs') go through machine->io, timers through
 * machine->timers, state through machine_save() and machine_load().
 *
 * Every call, and machine->io and timer_queue_run(), with the domain's device lock held, unless it
 * says "no lock".  The callbacks are made with it held.  There are no locks in here.
 */
#ifndef GH_HVM_PLATFORM_H
#define GH_HVM_PLATFORM_H

#include "hypervisor/engine.h"
#include "lib/cpu_models.h"
#include "lib/cpuid_rules.h"
#include "lib/device.h"

#define PLATFORM_MAX_VCPUS 128

typedef struct Platform Platform;

typedef struct PlatformHost {
    /* platform_irq_pending() of this vCPU may have become true. */
    void (*kick)(void *opaque, unsigned vcpu);
    void (*init)(void *opaque, unsigned vcpu);
    void (*sipi)(void *opaque, unsigned vcpu, uint8_t vector);
    void (*nmi)(void *opaque, unsigned vcpu);
    /* The vCPU's TSC as its RDTSC would show it.  Only asked for the vCPU that is calling. */
    uint64_t (*guest_tsc)(void *opaque, unsigned vcpu);
    /* The vector to be delivered without the LAPIC (callback type 2) as long as the vCPU's upcall
     * flag is set; -1: none.  May be NULL. */
    int (*upcall_vector)(void *opaque, unsigned vcpu);
    /* A character that the guest wrote to port 0xE9.  NULL: lines go to the machine's log. */
    void (*console_char)(void *opaque, char c);
} PlatformHost;

typedef struct PlatformConfig {
    unsigned nvcpus;
    uint32_t domid;
    uint64_t tsc_khz;           /* of the guest */
    bool hpet, acpi;
    bool apic;                  /* false: CPUID hides the APIC's presence; the chips stay */
    bool no_pae;                /* CPUID hides PAE and what builds on it */
    EngineCaps caps;
    const CpuModel *model;      /* what CPUID shows at most; NULL: all of the host */
    const CpuidRule *rules;     /* applied last; the caller's for the platform's life */
    unsigned rule_count;
    unsigned tsc_mode;          /* 0-3, as Xen's */
    bool tsc_emulated, tsc_safe;        /* made of the system's clock; host's fit for guests */
    uint32_t incarnation;       /* counts the restores of this domain, from 1 */
} PlatformConfig;

/* Makes the devices on m; they are m's and go with machine_finish().  Sets m->isa_irq[] to lines
 * into the platform.  platform_free() frees the rest, after machine_finish(). */
Platform *platform_new(Machine *m, const PlatformConfig *config, const PlatformHost *host,
                       void *opaque, GError **error);
void platform_free(Platform *p);
/* The CPUID bits that config->rules would set in vain, as new text; NULL: none. */
char *platform_cpuid_refused(Platform *p);

/* --- interrupt wires; numbers out of range are ignored --- */
/* Wires keep their own level and lines count the wires, so a repeated level is a no-op. */
void platform_set_isa_irq(Platform *p, unsigned irq, bool level);
void platform_set_pci_intx(Platform *p, unsigned dev, unsigned intx, bool level); /* dev 0-31 */
void platform_set_link_route(Platform *p, unsigned link, unsigned isa_irq); /* >= 16, 0: none */
/* A GSI of its own (event channel callback type 0): wire OR-ed with the others of that GSI; below
 * 16 the ISA line follows, too. */
void platform_set_gsi(Platform *p, unsigned gsi, bool level);
/* False when it names no interrupt (vector 0: Xen's pirq form) or no LAPIC takes it. */
bool platform_msi(Platform *p, uint64_t addr, uint32_t data);
/* Edge into one vCPU's LAPIC (per-vCPU upcall vector). */
void platform_lapic_vector(Platform *p, unsigned vcpu, uint8_t vector);

/* --- a vCPU's side; called on its own thread --- */
/* Is there something for irq_ack()? */
bool platform_irq_pending(Platform *p, unsigned vcpu);
int platform_irq_ack(Platform *p, unsigned vcpu);       /* the vector, or -1 */
/* No lock: false means that nothing is pending; true that it is worth to take the lock and ask. */
bool platform_irq_hint(const Platform *p, unsigned vcpu);
uint64_t platform_cr8_read(Platform *p, unsigned vcpu);
void platform_cr8_write(Platform *p, unsigned vcpu, uint64_t value);
/* False: not this vCPU's LAPIC (disabled, in x2APIC mode or moved); go on with machine->io.
 * Ask before machine->io; the access must lie within one page. */
bool platform_lapic_read(Platform *p, unsigned vcpu, uint64_t gpa, unsigned size, uint64_t *value);
bool platform_lapic_write(Platform *p, unsigned vcpu, uint64_t gpa, unsigned size, uint64_t value);
/* False: #GP.  Xen's own MSRs (hypercall page) are the caller's, before this. */
bool platform_msr_read(Platform *p, unsigned vcpu, uint32_t index, uint64_t *value);
bool platform_msr_write(Platform *p, unsigned vcpu, uint32_t index, uint64_t value);
/* TSC_ADJUST is kept by the platform; after a write add the change to the vCPU's TSC offset: the
 * amount since the last call. */
int64_t platform_take_tsc_adjust(Platform *p, unsigned vcpu);
/* CR4, XCR0: state that some leaves show. */
void platform_cpuid(Platform *p, unsigned vcpu, uint32_t leaf, uint32_t subleaf, uint64_t cr4,
                    uint64_t xcr0, uint32_t out[4]);

/* --- ACPI --- */
/* HVM_PARAM_ACPI_IOPORTS_LOCATION: 0 (0x1F40) or 1 (0xB000). */
void platform_acpi_ports(Platform *p, unsigned version);
void platform_power_button(Platform *p);        /* xm trigger power, xm shutdown */
void platform_sleep_button(Platform *p);
/* Out of S3: interrupt controllers and timers lose what they had, the clock does not. */
typedef enum WakeCause { WAKE_ALONE, WAKE_POWER_BUTTON, WAKE_SLEEP_BUTTON } WakeCause;
void platform_wake_up(Platform *p, WakeCause cause);

/* --- CMOS: port 0x70's index is latched by the caller (see xen's split); 0-13 come here --- */
uint8_t platform_rtc_read(Platform *p, unsigned index);
void platform_rtc_write(Platform *p, unsigned index, uint8_t value);

#endif
