/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * quick_clock.h - CLOCK_MONOTONIC for those who ask a million times a second: chips whose counters are made of
 * the time.  Between two looks at the clock, a millisecond apart at most, it is carried on by the host's time
 * stamp counter (Intel SDM volume 3, 18.17: invariant TSC).  It never goes back, and is within a microsecond of
 * the clock unless the host changes its rate by more than a thousandth.  One lock for all calls.
 */
#ifndef GH_HV_QUICK_CLOCK_H
#define GH_HV_QUICK_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

typedef struct QuickClock {
    bool even;                  /* the counter ticks evenly, on all processors alike; else always a look */
    uint64_t rate;              /* ns * 2^32 of one tick; 0: not known yet */
    uint64_t tsc, ticks;        /* at the last look; how long it counts */
    int64_t ns;
    uint64_t from_tsc;          /* the rate is measured since */
    int64_t from_ns;
    int64_t last;               /* told last */
} QuickClock;

void quick_clock_init(QuickClock *k, bool even);
int64_t quick_clock_look(QuickClock *k);

/* ns of CLOCK_MONOTONIC */
static inline int64_t quick_clock_now(QuickClock *k)
{
    uint64_t passed = __builtin_ia32_rdtsc() - k->tsc;
    int64_t ns;

    if (__builtin_expect(passed >= k->ticks, 0)) {
        return quick_clock_look(k);
    }
    ns = k->ns + (int64_t)(passed * k->rate >> 32);
    return k->last = ns > k->last ? ns : k->last;
}

#endif
