/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hypercall.h - Xen's hypercalls as an HVM guest makes them.  Each handler runs on the vCPU's
 * thread with the device lock held and returns Xen's result; structures are read by offset, in the
 * caller's layout.
 */
#ifndef GH_HV_HYPERCALL_H
#define GH_HV_HYPERCALL_H

#include "hypervisor/xen_abi.h"
#include "hypervisor/guest_access.h"

enum HypercallAfter { AFTER_NOTHING, AFTER_YIELD, AFTER_BLOCK, AFTER_POLL };

typedef struct Hypercall {
    Vcpu *v;
    Domain *d;
    bool wide;                  /* the 64-bit layout */
    uint64_t arg[6];
    enum HypercallAfter after;  /* to be done without the lock */
} Hypercall;

/* Entry from an engine; lock not held. */
void hypercall_enter(Vcpu *v, uint64_t *gpr, bool long_mode, unsigned cpl);
/* Fills the page at gpa (MSR of leaf base + 2); false: #GP.  Lock held. */
bool hypercall_write_page(Vcpu *v, uint64_t value);

int64_t hypercall_memory(Hypercall *h);
int64_t hypercall_hvm(Hypercall *h);
int64_t hypercall_sched(Hypercall *h);
void sched_watchdog_fired(void *domain);
int64_t hypercall_vcpu(Hypercall *h);
int64_t hypercall_event(Hypercall *h);
int64_t hypercall_grant(Hypercall *h);
int64_t hypercall_version(Hypercall *h);
int64_t hypercall_console(Hypercall *h);

/* An unsigned long or a guest handle in a structure. */
static inline uint64_t hypercall_long(const Hypercall *h, const uint8_t *p, unsigned at64,
                                      unsigned at32)
{
    return h->wide ? field64(p + at64) : field32(p + at32);
}
bool hypercall_is_self(const Hypercall *h, uint16_t domid);

#endif
