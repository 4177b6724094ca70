/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * quick_clock.c - see quick_clock.h.  The counter's rate is what it did between two looks a second apart (at
 * first 10 ms), so it follows the corrections that the host's clock is given.
 */
#include "hypervisor/quick_clock.h"

#include "hypervisor/domain.h"

#define LOOK_NS 1000000         /* how long a look counts */
#define FIRST_NS 10000000       /* until the rate is known */
#define RATE_NS 1000000000
#define FAR_NS 20000            /* further off than that, and a thousandth of the time since the last look, */
#define FAR_SHIFT 10            /* the counter has done something else than tick */
#define LOOK_TICKS 4000         /* a look that takes longer was interrupted */

void quick_clock_init(QuickClock *k, bool even)
{
    *k = (QuickClock){ .even = even };
}

static void measure(QuickClock *k, uint64_t tsc, int64_t ns)
{
    uint64_t ticks = tsc - k->from_tsc;

    k->rate = ((unsigned __int128)(ns - k->from_ns) << 32) / ticks;
    k->ticks = k->rate ? ((uint64_t)LOOK_NS << 32) / k->rate : 0;
    k->from_tsc = tsc;
    k->from_ns = ns;
}

/* What the counter said at ns, as nearly as can be told. */
static void take(QuickClock *k, uint64_t tsc, int64_t ns)
{
    int64_t told = k->ns + (int64_t)((unsigned __int128)(tsc - k->tsc) * k->rate >> 32);
    int64_t since = ns - k->from_ns, far = FAR_NS + ((ns - k->ns) >> FAR_SHIFT);

    if (!k->from_tsc || tsc <= k->tsc || (k->rate && (told - ns > far || ns - told > far))) {
        k->rate = k->ticks = 0;
        k->from_tsc = tsc;
        k->from_ns = ns;
    } else if (since >= (k->rate ? RATE_NS : FIRST_NS)) {
        measure(k, tsc, ns);
    }
    k->tsc = tsc;
    k->ns = ns;
}

int64_t quick_clock_look(QuickClock *k)
{
    uint64_t before = __builtin_ia32_rdtsc(), after;
    int64_t ns = monotonic_ns();

    after = __builtin_ia32_rdtsc();
    if (k->even && after - before < LOOK_TICKS) {
        take(k, before + (after - before) / 2, ns);
    }
    return k->last = ns > k->last ? ns : k->last;
}
