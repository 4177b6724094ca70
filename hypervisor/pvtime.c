/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pvtime.c - Xen's paravirtual clocks (xen/xen.h vcpu_time_info, vcpu.h runstate).  System time is
 * the domain's guest time; the TSC frequency is measured once in a process.
 */
#include "hypervisor/pvtime.h"

#include <string.h>
#include <time.h>
#include <unistd.h>
#include "hypervisor/xen_abi.h"
#include <xen/vcpu.h>
#include "hypervisor/guest_access.h"

#define TIME_OFFSET 32          /* of the time in vcpu_info */
#define TIME_SIZE 32
#define FLAG_STABLE 1
#define REFRESH_NS NS_PER_S
#define SAMPLES 8               /* at most, of counter and time beside each other */

static gpointer measure(gpointer unused)
{
    int64_t best = INT64_MAX;
    uint64_t khz = 0;

    /* The sample whose reads took least time was disturbed least. */
    for (int i = 0; i < 3; i++) {
        int64_t t0 = monotonic_ns();
        uint64_t c0 = pvtime_host_tsc();
        int64_t t1 = monotonic_ns(), t2, t3;
        uint64_t c1;

        usleep(20000);
        t2 = monotonic_ns();
        c1 = pvtime_host_tsc();
        t3 = monotonic_ns();
        if ((t1 - t0) + (t3 - t2) < best) {
            best = (t1 - t0) + (t3 - t2);
            khz = (unsigned __int128)(c1 - c0) * 1000000 / (uint64_t)((t2 + t3) / 2 - (t0 + t1) / 2);
        }
    }
    (void)unused;
    return GSIZE_TO_POINTER(MAX(khz, 1000));
}

/* Each time it would come out a bit different. */
uint64_t pvtime_measure_tsc_khz(void)
{
    static GOnce once = G_ONCE_INIT;

    return GPOINTER_TO_SIZE(g_once(&once, measure, NULL));
}

void pvtime_scale(uint64_t tsc_khz, uint32_t *mul, int8_t *shift)
{
    uint64_t hz = tsc_khz * 1000;
    unsigned __int128 m = ((unsigned __int128)NS_PER_S << 32) / hz;
    int8_t s = 0;

    for (; m >> 32; s++) {      /* (ticks << s) * m: make m fit, keep it large */
        m >>= 1;
    }
    while (!(m >> 31)) {
        m = ((unsigned __int128)NS_PER_S << (32 - --s)) / hz;
    }
    *mul = m;
    *shift = s;
}

static void write_time(uint8_t *t, uint32_t version, const uint8_t *record)
{
    __atomic_store_n((uint32_t *)t, version - 1, __ATOMIC_SEQ_CST);     /* odd: being changed */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    memcpy(t + 8, record + 8, TIME_SIZE - 8);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    __atomic_store_n((uint32_t *)t, version, __ATOMIC_SEQ_CST);
}

/* The same where the guest wants it too: Linux lets programs on all its vCPUs read the first one's. */
static void write_time_area(Vcpu *v, uint32_t version, const uint8_t *record)
{
    uint32_t odd = version - 1;

    guest_area_write(v->dom, &v->time_area, 0, &odd, sizeof odd);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    guest_area_write(v->dom, &v->time_area, 8, record + 8, TIME_SIZE - 8);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    guest_area_write(v->dom, &v->time_area, 0, &version, sizeof version);
}

/*
 * The counter and the time that belong together: if the host takes the processor away between the two, the
 * guest's clock is that much off until the next refresh, and then stands or jumps.
 */
static int64_t sample(Domain *d, uint64_t *tsc)
{
    uint64_t near = d->tsc_khz / 200, best = UINT64_MAX;    /* 5 us */
    int64_t now = 0;

    for (int i = 0; i < SAMPLES && best > near; i++) {
        uint64_t before = domain_tsc(d);
        int64_t t = domain_now(d);
        uint64_t took = domain_tsc(d) - before;

        if (took < best) {
            best = took;
            now = t;
            *tsc = before + took / 2;
        }
    }
    return now;
}

void pvtime_update(Vcpu *v)
{
    Domain *d = v->dom;
    int64_t offset = vcpu_tsc_offset(v), now;
    uint64_t tsc = 0;
    uint8_t record[TIME_SIZE] = { 0 };
    uint32_t mul, version = (field32(v->info + TIME_OFFSET) | 1) + 1;
    int8_t shift;

    pvtime_scale(d->tsc_khz, &mul, &shift);
    now = sample(d, &tsc);
    put64(record + 8, tsc + offset);
    put64(record + 16, now);
    put32(record + 24, mul);
    record[28] = shift;
    record[29] = d->tsc_steered ? 0 : FLAG_STABLE;
    write_time(v->info + TIME_OFFSET, version, record);
    write_time_area(v, version, record);
    v->pvclock_at = monotonic_ns();
}

void pvtime_update_any(Vcpu *self, Vcpu *v)
{
    if (v == self) {
        pvtime_update(v);
    } else {
        v->pvclock_at = 0;
        vcpu_stop(v);
    }
}

void pvtime_refresh(Vcpu *v)
{
    if (monotonic_ns() - v->pvclock_at > REFRESH_NS) {
        domain_lock(v->dom);
        v->state_valid = false;
        pvtime_update(v);
        v->state_valid = false;
        domain_unlock(v->dom);
    }
}

void pvtime_wallclock(Domain *d)
{
    uint8_t *si = event_shared_info(d);
    uint8_t *w = si + (d->layout64 ? 0xC00 : 0x900);
    uint64_t seconds = MAX(d->wall_base, 0);
    uint32_t version = (field32(w) | 1) + 1;

    __atomic_store_n((uint32_t *)w, version - 1, __ATOMIC_SEQ_CST);
    put32(w + 4, seconds);
    put32(w + 8, d->wall_base_ns);
    put32(si + (d->layout64 ? 0xC0C : 0x924), seconds >> 32);
    __atomic_store_n((uint32_t *)w, version, __ATOMIC_SEQ_CST);
}

/* --- run states --- */

unsigned pvtime_runstate_info(Vcpu *v, bool layout64, uint8_t out[48])
{
    unsigned entry = layout64 ? 8 : 4;
    int64_t now = domain_now(v->dom);

    memset(out, 0, 48);
    put32(out, v->runstate);
    put64(out + entry, v->runstate_since);
    for (unsigned i = 0; i < 4; i++) {
        uint64_t ns = v->runstate_time[i] + (i == v->runstate ? now - v->runstate_since : 0);

        put64(out + entry + 8 + 8 * i, ns);
    }
    return layout64 ? 48 : 44;
}

void pvtime_runstate(Vcpu *v, uint32_t state)
{
    int64_t now = domain_now(v->dom);
    uint8_t info[48];

    v->runstate_time[v->runstate] += MAX(now - v->runstate_since, 0);
    v->runstate = state;
    v->runstate_since = now;
    if (v->runstate_area.len) {
        pvtime_runstate_info(v, v->runstate_area.len == 48, info);
        guest_area_write(v->dom, &v->runstate_area, 0, info, v->runstate_area.len);
    }
}

/* --- timers of vcpu_op --- */

static void singleshot_fired(void *opaque)
{
    Vcpu *v = opaque;

    event_raise_virq(v->dom, v, VIRQ_TIMER);
}

static void periodic_fired(void *opaque)
{
    Vcpu *v = opaque;
    int64_t now = domain_now(v->dom), next = now - now % v->period + v->period;

    event_raise_virq(v->dom, v, VIRQ_TIMER);
    timer_at(&v->periodic, next);
}

static void poll_timed_out(void *opaque)
{
    Vcpu *v = opaque;

    v->poll_hit = true;
    vcpu_kick(v);
}

void pvtime_init_vcpu(Vcpu *v)
{
    TimerQueue *q = &v->dom->machine.timers;

    timer_init(&v->singleshot, q, singleshot_fired, v);
    timer_init(&v->periodic, q, periodic_fired, v);
    timer_init(&v->poll_timer, q, poll_timed_out, v);
    v->runstate = RUNSTATE_offline;
}
