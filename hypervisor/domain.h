/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * domain.h - one domain: its life, its clock, and the parts that hang off it.  One big lock, the
 * device lock (Domain.lock), covers the platform's chips, the event channels, the grant table, the
 * memory map, the ioreq servers and the parameters; it is never held while guest code runs or while
 * a device model answers.  Domain.run_lock covers only who may run.  Order: lock, then run_lock.
 */
#ifndef GH_HV_DOMAIN_H
#define GH_HV_DOMAIN_H

#include <pthread.h>
#include "hypervisor/collect.h"
#include "hypervisor/device_lock.h"
#include "hypervisor/engine.h"
#include "hypervisor/event.h"
#include "hypervisor/ioreq.h"
#include "hypervisor/memory.h"
#include "hypervisor/options.h"
#include "hypervisor/ports.h"
#include "hypervisor/quick_clock.h"
#include "hypervisor/hvm/platform.h"
#include "include/dm_proto.h"
#include "lib/machine.h"

#define DOM_MAX_VCPUS DM_MAX_VCPUS
#define DOM_PARAMS 39

typedef struct Platform Platform;
typedef struct DmChannel DmChannel;
typedef struct RingRelay RingRelay;
typedef struct Control Control;
typedef struct GdbServer GdbServer;

typedef struct Domain {
    Options opt;
    DeviceLock lock;
    Memory mem;
    Machine machine;
    Platform *platform;
    const EngineOps *ops;
    Engine *engine;
    EngineCaps caps;
    char *engine_reason;        /* text for people; owned */

    unsigned nvcpus;
    Vcpu *vcpu[DOM_MAX_VCPUS];

    /* who may run; run_lock */
    pthread_mutex_t run_lock;
    pthread_cond_t run_cond;        /* something below changed */
    unsigned pauses;                /* reasons to stand still */
    bool sleeping;                  /* in ACPI S3 */
    bool shut_down, dying;          /* read without the lock as hints, too */
    bool aborting;                  /* device models are not waited for any more */
    bool reported;                  /* CTL_EVENT_SHUTDOWN was sent */
    ShutdownReason reason;

    /* the clock: ns = CLOCK_MONOTONIC + offset, or frozen while paused; lock */
    QuickClock clock;
    int64_t time_offset, time_frozen;
    bool time_stands;
    int64_t wall_base;              /* UTC seconds at guest time 0, the domain's offset included */
    uint32_t wall_base_ns;
    uint64_t tsc_khz;
    bool tsc_safe;                  /* the host's TSC ticks evenly, on all processors alike */
    bool tsc_emulated;              /* the guest's is made of CLOCK_MONOTONIC */
    bool tsc_steered;               /* the engine keeps the guest's near domain_tsc(), as it can */
    uint64_t tsc_per_ns;            /* ticks * 2^32, for that */
    uint32_t incarnation;           /* counts restores, from 1 */
    uint32_t tsc_aux;               /* of every vCPU at its start */
    int64_t tsc_offset;             /* of every vCPU at its start: the guest's TSC begins at 0 */

    /* guest-visible state of the Xen interface */
    uint64_t param[DOM_PARAMS];
    bool layout64;                  /* shared_info and event words are the 64-bit kind */
    Events events;
    Ioreq ioreq;
    Ports ports;
    Collect collect;
    uint32_t cf8;                   /* PCI address latch */
    uint8_t cmos_index;
    uint32_t grant_frames;
    char console_line[256];         /* port 0xE9 and console_io, until the line's end */
    unsigned console_len;
    LogLimit log_limit;             /* of guest-caused lines */

    Timer watchdog[2];              /* SCHEDOP_watchdog; armed: taken */

    /* the device model */
    DmShared *shared;
    DmChannel *dm;
    uint32_t post_cons;             /* ours; shared->post_cons only mirrors it */
    uint32_t speaker_prod;          /* ours, too */
    int timer_fd;                   /* wakes the service thread for the earliest timer */
    int64_t timer_set;              /* guest time it is set for, INT64_MAX: not set */
    int stop_fd;                    /* eventfd: the service thread ends */
    int shutdown_fd;                /* eventfd: main thread, look at shut_down */
    pthread_t service;
    bool service_running;
    RingRelay *store, *console;
    Control *control;
    GdbServer *gdb;                 /* NULL: none */
} Domain;

/* Everything but the engine and the vCPUs' first state; NULL with an error. */
Domain *domain_new(const Options *opt, GError **error);
bool domain_start(Domain *d, GError **error);   /* threads; vCPUs paused */
void domain_free(Domain *d);                    /* after domain_destroy() */

static inline void domain_lock(Domain *d) { device_lock(&d->lock); }
static inline void domain_unlock(Domain *d) { device_unlock(&d->lock); }

/* Pauses nest.  domain_pause() returns when no vCPU runs guest code; not on a vCPU's thread. */
void domain_pause(Domain *d);
void domain_unpause(Domain *d);
/* Any thread; the vCPUs stop, the domain stays. */
void domain_shutdown(Domain *d, ShutdownReason reason);
/* ACPI S3: the vCPUs stop (soon), memory and devices stay, the clock goes on. */
void domain_sleep(Domain *d);
/* Back from S3: chips and vCPUs as after a reset, vCPU 0 at the BIOS's entry, which finds the waking
 * vector.  False: it does not sleep.  Main thread. */
bool domain_wake(Domain *d, WakeCause cause);
/* The domain can't go on because of what the guest or its device model did; logs the reason. */
void domain_crash(Domain *d, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* vCPU threads end; host callbacks answer all ones from now on. */
void domain_destroy(Domain *d);
static inline bool domain_dying(const Domain *d)
{
    return __atomic_load_n(&d->aborting, __ATOMIC_RELAXED);
}

int64_t domain_now(Domain *d);                  /* ns of guest time; lock held */
uint64_t domain_tsc(const Domain *d);           /* the guest's TSC but for its vCPU's offset */
int64_t monotonic_ns(void);

/* A line the guest caused; rate-limited. */
void domain_log(Domain *d, const char *format, ...) G_GNUC_PRINTF(2, 3);
void domain_console_char(Domain *d, char c);    /* lock held */

/* Makes the service thread look at the timers; lock held. */
void domain_timers_changed(void *opaque, int64_t next);

#endif
