/* SPDX-License-Identifier: GPL-2.0-or-later */
/* collect_test.c - when writes to the VGA window are left to the engine for a while. */
#include <criterion/criterion.h>
#include "include/pc_layout.h"
#include "tests/hypervisor/bare_domain.h"

#define MANY 64

typedef struct Calls {
    unsigned on, off, flushes;
    bool waiting;
} Calls;

static Calls calls;

static bool fake_collect(Engine *e, uint64_t gpa, uint64_t len, bool on)
{
    (void)e;
    cr_assert_eq(gpa, PC_VGA_HOLE_START);
    cr_assert_eq(len, 0x20000);
    *(on ? &calls.on : &calls.off) += 1;
    return on || !calls.waiting;
}

static bool fake_flush(Engine *e)
{
    (void)e;
    calls.flushes++;
    return calls.waiting;
}

/* With an engine that collects; its clock stands. */
static Domain *collecting_domain(EngineOps *ops)
{
    Domain *d = bare_domain();

    cr_assert(d);
    *ops = *d->ops;
    ops->collect_writes = fake_collect;
    ops->flush_writes = fake_flush;
    d->ops = ops;
    calls = (Calls){ 0 };
    return d;
}

static void writes(Domain *d, unsigned n)
{
    while (n--) {
        collect_written(d);
    }
}

static void one_tick(Domain *d)
{
    cr_assert(timer_armed(&d->collect.tick));
    timer_cancel(&d->collect.tick);
    d->collect.tick.fire(d->collect.tick.opaque);
}

TestSuite(collect, .timeout = 60);

Test(collect, many_writes_are_left_to_the_engine_few_are_not)
{
    EngineOps ops;
    Domain *d = collecting_domain(&ops);

    domain_lock(d);
    writes(d, MANY - 1);
    cr_expect_eq(calls.on, 0);
    writes(d, 1);
    cr_expect_eq(calls.on, 1);
    writes(d, 1000);
    cr_expect_eq(calls.on, 1);
    domain_unlock(d);
    bare_domain_free(d);
}

Test(collect, what_waits_is_asked_for_until_the_guest_has_long_been_quiet)
{
    EngineOps ops;
    Domain *d = collecting_domain(&ops);

    domain_lock(d);
    writes(d, MANY);
    for (unsigned i = 0; i < 5; i++) {
        one_tick(d);
    }
    cr_expect_eq(calls.flushes, 5);
    writes(d, 1);
    for (unsigned i = 0; i < 10; i++) {
        one_tick(d);
        cr_expect_eq(calls.off, 0);
    }
    one_tick(d);
    cr_expect_eq(calls.off, 1);
    cr_expect_not(timer_armed(&d->collect.tick));
    domain_unlock(d);
    bare_domain_free(d);
}

Test(collect, stopping_tells_what_still_waits_and_lasts)
{
    EngineOps ops;
    Domain *d = collecting_domain(&ops);

    domain_lock(d);
    writes(d, MANY);
    calls.waiting = true;
    cr_expect_not(collect_stop(d));
    cr_expect_eq(calls.flushes, 1, "it is made to come");
    calls.waiting = false;
    cr_expect(collect_stop(d));
    writes(d, 3 * MANY);
    cr_expect_eq(calls.on, 1, "not at once again");
    domain_unlock(d);
    bare_domain_free(d);
}
