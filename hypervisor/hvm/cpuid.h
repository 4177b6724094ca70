/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cpuid.h - what CPUID says: Xen's leaves, and the processor cut down to what the engine runs. */
#ifndef GH_CPUID_H
#define GH_CPUID_H

#include "hypervisor/engine.h"

typedef struct CpuidPolicy {
    EngineCaps caps;
    unsigned vcpus, domid;
    bool pae, apic;
    unsigned xen_major, xen_minor;
    uint64_t tsc_khz;
} CpuidPolicy;

typedef struct CpuidVcpu {      /* what depends on the vCPU's state */
    unsigned id;
    uint64_t cr4, xcr0;
    bool apic_enabled;
    uint64_t tsc_offset;
} CpuidVcpu;

void cpuid_query(const CpuidPolicy *p, const CpuidVcpu *v, uint32_t leaf, uint32_t subleaf,
                 uint32_t out[4]);

#endif
