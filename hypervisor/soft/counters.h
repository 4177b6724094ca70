/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * counters.h - how often a vCPU did what is slow, for `xm counters`.
 *
 * Counted by the vCPU's thread alone, read by any: no figure is older than a moment, and they need not
 * agree with each other.  Nothing that happens for each instruction is counted.
 */
#ifndef GH_SOFT_COUNTERS_H
#define GH_SOFT_COUNTERS_H

#include <stdint.h>

/* constant, name */
#define SOFT_COUNTERS(X) \
    X(BLOCKS_BUILT, "blocks decoded") \
    X(BLOCKS_ONCE, "blocks decoded and not kept") \
    X(BLOCKS_TRANSLATED, "blocks translated") \
    X(BLOCKS_KILLED, "blocks whose code changed") \
    X(BLOCKS_EVICTED, "blocks that made room for others") \
    X(POINTS_NEW, "breakpoints of the guest at new addresses") \
    X(PAGES_HELD, "pages of code that the other vCPUs were told of") \
    X(CODE_PIECES, "pieces of code memory emptied") \
    X(CODE_FLUSHES, "code caches emptied") \
    X(CODE_ENTERED, "translated code entered") \
    X(BODIES, "instructions of translated code done in C") \
    X(RUNS, "runs of a loop's turns begun") \
    X(RUNS_REFUSED, "runs of a loop's turns that could not begin") \
    X(LOOKUPS_NEW, "jumps looked up: another place, or for the first time") \
    X(LOOKUPS_MOVED, "jumps looked up: the mapping may have changed") \
    X(LOOKUPS_MODE, "jumps looked up: another mode") \
    X(LOOKUPS_KILLED, "jumps looked up: the code has changed") \
    X(TLB_FILLS, "TLB entries filled") \
    X(TLB_REPLACED, "TLB entries filled in the place of others") \
    X(TLB_BACK, "TLB entries that came back") \
    X(TLB_FLUSHES_ALL, "TLB flushes") \
    X(TLB_FLUSHES_LOCAL, "TLB flushes but for global pages") \
    X(TLB_FLUSHES_PAGE, "TLB flushes of a page") \
    X(TLB_FLUSHES_LARGE, "TLB flushes of a large page") \
    X(CONTEXTS_KEPT, "address spaces taken up again as they were left") \
    X(CODE_PAGES, "mappings of pages of code noted") \
    X(STORES_NEAR_CODE, "stores to pages with code") \
    X(EXCEPTIONS, "exceptions") \
    X(PAGE_FAULTS, "page faults") \
    X(INTERRUPTS, "interrupts") \
    X(LOOKS, "looks at what is due") \
    X(LEFT, "calls of the hypervisor")

#define SOFT_COUNTER_NAME(constant, name) COUNT_##constant,
enum SoftCounter { SOFT_COUNTERS(SOFT_COUNTER_NAME) SOFT_COUNTER_COUNT };
#undef SOFT_COUNTER_NAME

#endif
