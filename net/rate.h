/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rate.h - a token bucket: so many bytes in so many microseconds, and no more than one such portion
 * at once.  A frame may go while there is any credit; the bucket then goes below zero, so that frames
 * longer than a portion pass too and the average holds.
 */
#ifndef GH_NET_RATE_H
#define GH_NET_RATE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Rate {
    uint64_t bytes;             /* a portion; 0: no limit */
    uint32_t us;                /* its time */
    int64_t credit;             /* bytes times us: no fraction is lost */
    int64_t since;              /* microseconds */
} Rate;

#define RATE_BYTES_MAX (UINT64_C(1) << 32)
#define RATE_US_MAX 10000000

/* bytes up to RATE_BYTES_MAX, us from 1 to RATE_US_MAX; others are cut. */
void rate_set(Rate *r, uint64_t bytes, uint32_t us, int64_t now);
bool rate_take(Rate *r, uint64_t len, int64_t now);     /* false: not yet */
int64_t rate_wait(const Rate *r, int64_t now);          /* microseconds until rate_take() is true */

#endif
