/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cpuid.h - what CPUID shows to the guest. */
#ifndef GH_HVM_CPUID_H
#define GH_HVM_CPUID_H

#include "hypervisor/hvm/platform.h"

typedef struct CpuidPolicy CpuidPolicy;

CpuidPolicy *cpuid_policy_new(const PlatformConfig *config);
void cpuid_policy_free(CpuidPolicy *p);
/* apic_on: the LAPIC is not disabled by its base register. */
void cpuid_policy_get(CpuidPolicy *p, unsigned vcpu, bool apic_on, uint32_t leaf, uint32_t subleaf,
                      uint64_t cr4, uint64_t xcr0, uint32_t out[4]);

/* What the MSR of that name reads as; 0: CPUID doesn't show it. */
uint64_t cpuid_arch_capabilities(CpuidPolicy *p);

/* khz of the TSC as num / den of leaf 15h's crystal. */
void cpuid_tsc_ratio(uint64_t khz, uint32_t *num, uint32_t *den);

/* The bits that rules would set though the engine hasn't the feature, as text; NULL: none. */
char *cpuid_policy_refused(CpuidPolicy *p);

#endif
