/* SPDX-License-Identifier: GPL-2.0-or-later */
/* msr.h - the MSRs of one vCPU that neither the engine nor the LAPIC keeps. */
#ifndef GH_HVM_MSR_H
#define GH_HVM_MSR_H

#include "hypervisor/hvm/lapic.h"

typedef struct Msrs Msrs;

/* Before init: pointer "lapic", u32 "phys_bits", bool "amd"; u64 "arch_capabilities". */
extern const DeviceClass msrs_class;

bool msrs_read(Msrs *s, uint32_t index, uint64_t *value);   /* false: #GP */
bool msrs_write(Msrs *s, uint32_t index, uint64_t value);
/* The access is as quick as one to the LAPIC's page (IoOps.quick). */
bool msrs_quick(uint32_t index, bool write);
int64_t msrs_take_tsc_adjust(Msrs *s);

#endif
