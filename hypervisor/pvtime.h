/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pvtime.h - the clocks that Xen shows to guests: vcpu_time_info (TSC to system time), the wall
 * clock, run states, and the timers of vcpu_op.
 */
#ifndef GH_HV_PVTIME_H
#define GH_HV_PVTIME_H

#include "hypervisor/vcpu.h"

uint64_t pvtime_measure_tsc_khz(void);
static inline uint64_t pvtime_host_tsc(void)
{
    uint32_t lo, hi;

    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (uint64_t)hi << 32 | lo;
}
/* ns = ticks << shift (or >> -shift) * mul >> 32 for this frequency. */
void pvtime_scale(uint64_t tsc_khz, uint32_t *mul, int8_t *shift);
/* Writes vcpu_info's time; own thread, or the vCPU is out of guest code.  Lock held. */
void pvtime_update(Vcpu *v);
/* The same for any vCPU, from self's thread: another one does it itself, soon. */
void pvtime_update_any(Vcpu *self, Vcpu *v);
/* Cheap: updates when the last one is a second old.  Own thread, lock not held. */
void pvtime_refresh(Vcpu *v);
void pvtime_wallclock(Domain *d);       /* lock held */
void pvtime_runstate(Vcpu *v, uint32_t state);  /* lock held */
/* The vCPU's run state as the guest's structure; returns its length. */
unsigned pvtime_runstate_info(Vcpu *v, bool layout64, uint8_t out[48]);
void pvtime_init_vcpu(Vcpu *v);

#endif
