/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vcpu.h - a virtual CPU: its thread, its halts and wake-ups, and what the Xen interface keeps for
 * each vCPU.  "Own thread" functions may only be called from host callbacks of that vCPU or from
 * its loop.
 */
#ifndef GH_HV_VCPU_H
#define GH_HV_VCPU_H

#include <pthread.h>
#include "hypervisor/domain.h"

/* A structure in guest memory, translated when it was registered; may span two pages. */
typedef struct GuestArea {
    uint64_t gpa[2];
    unsigned len, first;        /* bytes in all, and on the first page */
} GuestArea;

#define VCPU_POLL_PORTS 128     /* in one SCHEDOP_poll, as in Xen */

/* What a debugger (gdb_server.h) has done to it; Domain.run_lock. */
typedef struct VcpuDebug {
    bool hold;                  /* it is not to run */
    bool stopped;               /* it has met something that the debugger was not told of */
    bool step;                  /* one instruction, or on while from <= RIP < to */
    bool over;                  /* first past the breakpoint it is on */
    bool reported;              /* the last that was told of it: a breakpoint at reported_at */
    bool triple_fault;          /* which is carried out when it may run */
    unsigned signal;
    uint64_t from, to, reported_at;
    DebugHit hit;
} VcpuDebug;

enum VcpuPhase { VCPU_OUT, VCPU_IN_GUEST, VCPU_WAITS_FOR_DM };

struct Vcpu {
    Domain *dom;
    unsigned id;
    EngineVcpu *ev;
    pthread_t thread;
    bool thread_running;
    int last_cpu;               /* host CPU it ran on when it last went in; -1: never ran */
    int tid;

    /* run_lock */
    bool online;                /* runs; else waits for SIPI or VCPUOP_up */
    bool init_pending;
    int sipi_vector;            /* -1: none */
    VcpuState *start_state;     /* to be loaded before the next run; owned */
    enum VcpuPhase phase;       /* own thread writes */
    VcpuDebug debug;

    uint32_t event_seq;         /* bumped by every kick: the halt loop sleeps on it */
    uint32_t sleeping;
    bool nmi_pending;           /* lock */

    /* the Xen interface; lock */
    uint8_t *info;              /* vcpu_info */
    uint64_t info_gpa;          /* registered, or UINT64_MAX */
    uint8_t spare_info[64];     /* where info is until registered, for ids above 31 */
    uint8_t upcall_vector;      /* HVMOP 23; 0: none */
    GuestArea runstate_area, time_area; /* registered; length 0: none */
    uint32_t runstate;          /* RUNSTATE_* */
    int64_t runstate_since;
    uint64_t runstate_time[4];
    Timer singleshot, periodic;
    int64_t period;
    uint16_t virq_port[EVENT_VIRQS];    /* 0: not bound */
    uint32_t poll_ports[VCPU_POLL_PORTS];       /* what SCHEDOP_poll waits for: poll_count of them */
    unsigned poll_count;
    bool poll_hit;
    Timer poll_timer;
    int64_t pvclock_at;         /* host time of the last update of the time info */

    DeviceDoor door;            /* to the device lock: device_lock.h */
    /* own thread */
    VcpuState *state;           /* cache of the engine's state during one hypercall */
    bool state_valid;
    int64_t spin_ns;            /* how long ioreq waits spin before sleeping */
    int64_t halt_poll_ns;       /* before the next halt sleeps */
    uint64_t irqs_taken, irqs_at_halt;
};

Vcpu *vcpu_new(Domain *d, unsigned id, GError **error);
bool vcpu_start(Vcpu *v, GError **error);
void vcpu_join(Vcpu *v);
void vcpu_free(Vcpu *v);

/* Power-on state as after INIT; sipi >= 0: as after that start-up vector. */
void vcpu_reset_state(VcpuState *s, int sipi);
/* Guest code starts from *s (copied) at the vCPU's next turn. */
void vcpu_bring_up(Vcpu *v, const VcpuState *s);
void vcpu_take_down(Vcpu *v);
void vcpu_init_signal(Vcpu *v);
void vcpu_sipi(Vcpu *v, uint8_t vector);
void vcpu_nmi(Vcpu *v);         /* lock held */

/* Something to look at: interrupts, events.  Any thread. */
void vcpu_kick(Vcpu *v);
/* Also leaves run(); for domain-wide changes. */
void vcpu_stop(Vcpu *v);
uint64_t vcpu_cpu_ns(const Vcpu *v);

/* Own thread: sleeps until done() (NULL: never), an interrupt is pending, or the domain stops. */
void vcpu_block(Vcpu *v, bool (*done)(Vcpu *v));
bool vcpu_must_stop(const Vcpu *v);
void vcpu_set_phase(Vcpu *v, enum VcpuPhase phase);

/* The callbacks that engines get. */
extern const EngineHost vcpu_engine_host;
unsigned vcpu_irq_pending(Vcpu *v);

/* Own thread, in a host callback: what EngineOps.get_mode() tells, at least. */
const VcpuState *vcpu_state(Vcpu *v);
int64_t vcpu_tsc_offset(Vcpu *v);

#endif
