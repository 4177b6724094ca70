/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rate.c - the token bucket behind rate= of a vif.  Credit is kept as bytes times microseconds: at most
 * 2^32 * 10^7 < 2^56, so sums stay far from the end of 64 bits.
 */
#include "net/rate.h"

void rate_set(Rate *r, uint64_t bytes, uint32_t us, int64_t now)
{
    r->bytes = bytes > RATE_BYTES_MAX ? RATE_BYTES_MAX : bytes;
    r->us = us < 1 ? 1 : us > RATE_US_MAX ? RATE_US_MAX : us;
    r->credit = (int64_t)(r->bytes * r->us);
    r->since = now;
}

static void refill(Rate *r, int64_t now)
{
    int64_t full = (int64_t)(r->bytes * r->us), passed = now - r->since;

    if (passed <= 0) {
        return;
    }
    r->since = now;
    /* More than a portion's time (and the debt's) fills it whatever the product is. */
    if (passed >= (full - r->credit) / (int64_t)r->bytes + 1) {
        r->credit = full;
    } else {
        r->credit += passed * (int64_t)r->bytes;
    }
}

bool rate_take(Rate *r, uint64_t len, int64_t now)
{
    if (!r->bytes) {
        return true;
    }
    refill(r, now);
    if (r->credit <= 0) {
        return false;
    }
    r->credit -= (int64_t)(len * r->us);
    return true;
}

int64_t rate_wait(const Rate *r, int64_t now)
{
    int64_t wait;

    if (!r->bytes || r->credit > 0) {
        return 0;
    }
    wait = -r->credit / (int64_t)r->bytes + 1 - (now - r->since);
    return wait > 0 ? wait : 0;
}
