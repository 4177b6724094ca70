/* SPDX-License-Identifier: GPL-2.0-or-later */
/* collect.c - see collect.h. */
#include "hypervisor/collect.h"

#include "hypervisor/domain.h"
#include "include/pc_layout.h"

#define MS 1000000LL
#define STRETCH (10 * MS)
#define MANY 64                 /* writes in a stretch make it worth while */
#define TICK (20 * MS)
#define QUIET_TICKS 10

static void set(Domain *d, bool on)
{
    d->collect.on = on;
    d->collect.writes = d->collect.quiet = 0;
    d->ops->collect_writes(d->engine, PC_VGA_HOLE_START, PC_VGA_HOLE_END - PC_VGA_HOLE_START, on);
}

static void tick(void *opaque)
{
    Domain *d = opaque;
    Collect *c = &d->collect;

    if (!c->on) {
        return;
    }
    d->ops->flush_writes(d->engine);
    c->quiet = c->writes ? 0 : c->quiet + 1;
    c->writes = 0;
    if (c->quiet >= QUIET_TICKS) {
        set(d, false);
    } else {
        timer_at(&c->tick, machine_now(&d->machine) + TICK);
    }
}

void collect_init(Domain *d)
{
    timer_init(&d->collect.tick, &d->machine.timers, tick, d);
}

void collect_written(Domain *d)
{
    Collect *c = &d->collect;
    int64_t now;

    c->writes++;
    if (c->on || !d->ops->collect_writes) {
        return;
    }
    now = machine_now(&d->machine);
    if (now - c->since > STRETCH) {
        c->since = now;
        c->writes = 1;
    } else if (c->writes >= MANY && now >= c->barred) {
        set(d, true);
        timer_at(&c->tick, now + TICK);
    }
}

bool collect_stop(Domain *d)
{
    Collect *c = &d->collect;
    bool done;

    if (!d->ops->collect_writes) {
        return true;
    }
    c->barred = machine_now(&d->machine) + TICK;
    c->on = false;
    timer_cancel(&c->tick);
    done = d->ops->collect_writes(d->engine, PC_VGA_HOLE_START, PC_VGA_HOLE_END - PC_VGA_HOLE_START,
                                  false);
    if (!done) {
        d->ops->flush_writes(d->engine);
    }
    return done;
}
