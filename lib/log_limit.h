/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log_limit.h - how many lines somebody whom we do not trust may have us write: so many at once, then
 * so many a second.  A guest can't fill a disk with our log.
 */
#ifndef GH_LOG_LIMIT_H
#define GH_LOG_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

/* All zeros: nothing was written yet.  Belongs to one thread, or to its owner's lock. */
typedef struct LogLimit {
    int64_t debt;               /* ns until what was written is paid off, as of ... */
    int64_t last;               /* ... this time */
} LogLimit;

/* May a line be written at now_ns (of any clock, always the same)?  Counts it if so.
 * burst, per_second: 1 and more. */
static inline bool log_limit_allows(LogLimit *l, int64_t now_ns, unsigned burst, unsigned per_second)
{
    int64_t cost = 1000000000 / per_second, passed = now_ns - l->last;

    if (passed > 0) {
        l->debt = l->debt > passed ? l->debt - passed : 0;
    }
    l->last = now_ns;
    if (l->debt + cost > burst * cost) {
        return false;
    }
    l->debt += cost;
    return true;
}

#endif
