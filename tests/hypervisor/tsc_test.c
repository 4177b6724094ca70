/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tsc_test.c - tsc_mode: what the guest's time stamp counter is made of. */
#include <criterion/criterion.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>
#include "hypervisor/guest_access.h"
#include "hypervisor/platform_glue.h"
#include "hypervisor/pvtime.h"
#include "tests/hypervisor/bare_domain.h"

static Domain *d;

static void teardown(void)
{
    if (d) {
        bare_domain_free(d);
    }
    d = NULL;
}

TestSuite(tsc, .fini = teardown);

static void start(unsigned mode)
{
    d = bare_domain_with_tsc_mode(mode);
    cr_assert(d);
}

static const uint32_t *time_leaf(void)
{
    static uint32_t out[4];

    glue_cpuid(d->vcpu[0], 0x40000003, 0, out);
    return out;
}

Test(tsc, mode_1_is_made_of_the_systems_time_and_never_goes_back)
{
    uint64_t first, last, now, hundred;

    start(1);
    cr_assert(d->tsc_emulated);
    cr_expect(time_leaf()[0] & 1 && time_leaf()[1] == 1);
    first = last = domain_tsc(d);
    hundred = first + d->tsc_khz * 100;
    while ((now = domain_tsc(d)) < hundred) {
        cr_assert_geq(now, last);
        last = now;
    }
    first = domain_tsc(d);
    now = monotonic_ns();
    usleep(50000);
    now = monotonic_ns() - now;
    last = domain_tsc(d);
    cr_expect_geq((last - first) * 1000000 / d->tsc_khz, now);
}

Test(tsc, mode_2_is_the_hosts)
{
    uint64_t before, mid, after;

    start(2);
    cr_assert_not(d->tsc_emulated);
    cr_expect(!(time_leaf()[0] & 1) && time_leaf()[1] == 2);
    before = pvtime_host_tsc();
    mid = domain_tsc(d);
    after = pvtime_host_tsc();
    cr_expect(mid >= before && mid <= after);
}

Test(tsc, mode_0_is_the_hosts_where_that_is_reliable)
{
    start(0);
    cr_expect_eq(d->tsc_emulated, !d->tsc_safe);
    cr_expect_eq(time_leaf()[0] & 3, d->tsc_safe ? 2 : 1);
    cr_expect_eq(d->vcpu[1]->state->tsc_aux, 0);
}

Test(tsc, mode_3_shows_the_incarnation_in_tsc_aux_of_every_vcpu)
{
    start(3);
    cr_expect_eq(time_leaf()[3], 1);
    for (unsigned n = 0; n < d->nvcpus; n++) {
        cr_expect_eq(d->vcpu[n]->state->tsc_aux, 1);
    }
}

Test(tsc, begins_at_0)
{
    start(1);
    cr_expect_lt((int64_t)domain_tsc(d) + d->tsc_offset, (int64_t)d->tsc_khz * 60000);
    cr_expect_geq((int64_t)domain_tsc(d) + d->tsc_offset, 0);
}

/* As other programs do, between any two instructions. */
static void take_the_processor(int sig)
{
    int64_t end = monotonic_ns() + 300 * NS_PER_US;

    (void)sig;
    while (monotonic_ns() < end) {
    }
}

/* How far the time that a guest makes of its record and its counter is off, in ns. */
static int64_t error_of_record(const uint8_t *record)
{
    uint64_t tsc, took;
    int64_t now;

    do {
        tsc = domain_tsc(d);
        now = domain_now(d);
        took = domain_tsc(d) - tsc;
    } while (took > d->tsc_khz / 200);
    tsc += vcpu_tsc_offset(d->vcpu[0]) - field64(record + 8);
    return now - (int64_t)(field64(record + 16) + tsc * 1000000 / d->tsc_khz);
}

/* The record in vcpu_info is of xen/xen.h: the counter at 8, the time at 16. */
Test(tsc, the_guests_time_belongs_to_the_counter_it_is_told_with, .timeout = 30)
{
    const struct itimerval often = { { 0, 700 }, { 0, 700 } }, never = { { 0, 0 }, { 0, 0 } };
    int64_t worst = 0, end = monotonic_ns() + NS_PER_S;

    start(0);
    d->time_stands = false;
    signal(SIGALRM, take_the_processor);
    setitimer(ITIMER_REAL, &often, NULL);
    while (monotonic_ns() < end) {
        int64_t off;

        domain_lock(d);
        pvtime_update(d->vcpu[0]);
        off = error_of_record(d->vcpu[0]->info + 32);
        domain_unlock(d);
        worst = MAX(worst, ABS(off));
    }
    setitimer(ITIMER_REAL, &never, NULL);
    cr_expect_lt(worst, 100 * NS_PER_US, "%lld ns off", (long long)worst);
}
