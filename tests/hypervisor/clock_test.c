/* SPDX-License-Identifier: GPL-2.0-or-later */
/* clock_test.c - the time that is carried on by the host's time stamp counter. */
#include <criterion/criterion.h>
#include <unistd.h>
#include "hypervisor/domain.h"

#define OFF_NS 5000             /* nearly always at most; a host with other work may stop us anywhere */

typedef struct Off { unsigned far, asked; } Off;

/* Asks for so long; how many answers were not looks at the clock.  None goes back. */
static unsigned ask(QuickClock *k, int64_t for_ns, Off *off)
{
    int64_t end = monotonic_ns() + for_ns, last = 0, before;
    unsigned carried = 0;

    do {
        int64_t ns, after, at = k->ns;

        before = monotonic_ns();
        ns = quick_clock_now(k);
        after = monotonic_ns();
        cr_assert_geq(ns, last);
        last = ns;
        carried += k->ns == at;
        off->asked++;
        off->far += before - ns > OFF_NS || ns - after > OFF_NS;
    } while (before < end);
    return carried;
}

static void expect_near(const Off *off)
{
    cr_expect_leq(off->far * 50, off->asked, "%u of %u answers are far off", off->far, off->asked);
}

Test(clock, stays_with_the_hosts_and_never_goes_back)
{
    QuickClock k;
    Off off = { 0 };

    quick_clock_init(&k, true);
    cr_expect_gt(ask(&k, 30000000, &off), 100);
    usleep(20000);
    ask(&k, 30000000, &off);
    expect_near(&off);
    cr_expect_gt(k.rate, 0);
}

Test(clock, looks_each_time_where_the_counter_is_no_good)
{
    QuickClock k;
    Off off = { 0 };

    quick_clock_init(&k, false);
    ask(&k, 2000000, &off);
    cr_expect_eq(k.rate, 0);
    cr_expect_eq(k.ns, 0);
    expect_near(&off);
}

/* As when the host slept, or the counter was written to. */
Test(clock, finds_back_when_the_counter_jumps)
{
    static const int64_t jumps[] = { 1LL << 40, -(1LL << 40), 100000000, -100000000 };
    QuickClock k;
    Off off = { 0 };

    quick_clock_init(&k, true);
    ask(&k, 12000000, &off);
    for (unsigned n = 0; n < 4; n++) {
        cr_assert_gt(k.rate, 0);
        k.tsc -= (uint64_t)jumps[n];
        k.from_tsc -= (uint64_t)jumps[n];
        ask(&k, 12000000, &off);
    }
    expect_near(&off);
}

/* A look that finds the clock behind what was told: it stands until the clock is there. */
Test(clock, waits_when_it_was_ahead)
{
    QuickClock k;
    Off off = { 0 };
    int64_t ahead;

    quick_clock_init(&k, true);
    ask(&k, 12000000, &off);
    k.ns += 10000;
    ahead = quick_clock_now(&k);
    cr_expect_geq(quick_clock_look(&k), ahead);
    cr_expect_geq(quick_clock_now(&k), ahead);
    usleep(100);
    off = (Off){ 0 };
    ask(&k, 1000000, &off);
    expect_near(&off);
}
