/* SPDX-License-Identifier: GPL-2.0-or-later */
/* msr.h - MSRs that the hypervisor answers itself: MTRRs, machine check, platform information. */
#ifndef GH_MSR_H
#define GH_MSR_H

#include "lib/state.h"

#define MTRR_VARIABLE 8

typedef struct MsrState {
    uint64_t mtrr_default, mtrr_fixed[11], mtrr_base[MTRR_VARIABLE], mtrr_mask[MTRR_VARIABLE];
    uint64_t mcg_status, tsc_adjust;
    uint64_t mca[16];
} MsrState;

extern const StateField msr_state[];

void msr_reset(MsrState *s);
/* False: #GP. */
bool msr_read(const MsrState *s, uint32_t index, uint64_t *v);
bool msr_write(MsrState *s, uint32_t index, uint64_t v, unsigned phys_bits);

#endif
