/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tsc_test.c - tsc_mode: what the guest's time stamp counter is made of. */
#include <criterion/criterion.h>
#include <unistd.h>
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
