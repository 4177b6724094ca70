/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bare_domain.h - a built domain whose vCPUs never run, for tests of what is around them. */
#ifndef TEST_HYPERVISOR_BARE_DOMAIN_H
#define TEST_HYPERVISOR_BARE_DOMAIN_H

#include "hypervisor/domain.h"
#include "hypervisor/vcpu.h"

/* 16 MiB, two vCPUs, software CPU, a loader of one HLT. */
Domain *bare_domain(void);
/* The same with a loader image of the caller's; NULL when it was refused. */
Domain *bare_domain_with_loader(const void *image, size_t len);
Domain *bare_domain_with_tsc_mode(unsigned mode);
/* cpuid: CpuidRule, the caller's, for as long as the domain lives; NULL: none. */
Domain *bare_domain_with_cpu(CpuChoice cpu, GArray *cpuid);
void bare_domain_free(Domain *d);
/* A valid ELF32 loader; returns its length. */
size_t bare_loader(uint8_t image[256]);

#endif
