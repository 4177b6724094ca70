/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * collect.h - while a guest writes to the VGA window a lot, the engine keeps these writes back and gives us
 * many at a time (EngineOps.collect_writes).  Somebody may look at the screen meanwhile, so what waits is
 * asked for every 20 ms.
 */
#ifndef GH_HV_COLLECT_H
#define GH_HV_COLLECT_H

#include "lib/timer.h"

typedef struct Domain Domain;

/* Device lock. */
typedef struct Collect {
    bool on;
    unsigned writes;            /* since: of the present stretch; on: of the present tick */
    unsigned quiet;             /* ticks without any */
    int64_t since, barred;      /* guest time; not on before barred */
    Timer tick;
} Collect;

void collect_init(Domain *d);
/* A write to the window has been buffered. */
void collect_written(Domain *d);
/* From now on all writes come at once, for a while at least; false: some from before still wait. */
bool collect_stop(Domain *d);

#endif
