/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lapic.h - one local APIC; interrupts between LAPICs go through the platform.  Not a Device of the
 * machine's list: there is one for each vCPU, and it is hot.
 */
#ifndef GH_LAPIC_H
#define GH_LAPIC_H

#include "lib/state.h"
#include "lib/timer.h"

typedef struct Lapic Lapic;

typedef struct LapicIpi {
    uint8_t vector, delivery, shorthand;    /* shorthand: 0 none 1 self 2 all 3 others */
    bool logical, level, assert_level;
    uint32_t dest;              /* 8 bits in xAPIC mode, 32 in x2APIC mode */
    bool x2;
} LapicIpi;

typedef struct LapicHost {
    void (*kick)(void *opaque, unsigned vcpu);
    void (*eoi)(void *opaque, uint8_t vector);          /* level-triggered vector is done */
    void (*ipi)(void *opaque, unsigned from, const LapicIpi *ipi);
    int64_t (*now)(void *opaque);
    uint64_t (*tsc)(void *opaque, unsigned vcpu);
    void *opaque;
} LapicHost;

struct Lapic {
    const LapicHost *host;
    unsigned vcpu;
    uint32_t id;                /* APIC id */
    uint64_t tsc_khz;
    uint64_t base;              /* IA32_APIC_BASE */
    uint32_t regs[64];          /* by offset / 16 */
    uint32_t irr[8], isr[8], tmr[8];
    uint32_t esr_pending;
    uint64_t tsc_deadline;
    int64_t timer_start;        /* ns: when the initial count was written or the period began */
    bool nmi;
    Timer timer;
};

extern const StateField lapic_state[];

void lapic_init(Lapic *l, TimerQueue *q, const LapicHost *host, unsigned vcpu, uint64_t tsc_khz);
/* Power-on (init = false) or INIT: the id and, on INIT, the base stay. */
void lapic_reset(Lapic *l, bool init);
bool lapic_enabled(const Lapic *l);             /* globally, by APIC_BASE */
bool lapic_software_enabled(const Lapic *l);    /* by SVR */
bool lapic_x2(const Lapic *l);

uint32_t lapic_read(Lapic *l, unsigned offset);         /* xAPIC MMIO */
void lapic_write(Lapic *l, unsigned offset, uint32_t v);
bool lapic_msr_read(Lapic *l, uint32_t index, uint64_t *v);     /* 1Bh, 6E0h, 800h-8FFh */
bool lapic_msr_write(Lapic *l, uint32_t index, uint64_t v);

bool lapic_matches(const Lapic *l, uint32_t dest, bool logical, bool x2);
void lapic_deliver(Lapic *l, uint8_t vector, bool level);       /* fixed: into IRR */
uint8_t lapic_ppr(const Lapic *l);
int lapic_pending(const Lapic *l);              /* vector above PPR, or -1 */
int lapic_ack(Lapic *l);
void lapic_loaded(Lapic *l);
bool lapic_lint0_extint(const Lapic *l);        /* LVT0 unmasked, ExtINT */

#endif
