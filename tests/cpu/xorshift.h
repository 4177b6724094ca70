/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xorshift.h - random numbers that come out the same in each run: xorshift64*, from a seed that is not 0. */
#ifndef GH_TESTS_XORSHIFT_H
#define GH_TESTS_XORSHIFT_H

#include <stdint.h>

static inline uint64_t xorshift64(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed * 0x9e3779b97f4a7c15ull;
}

#endif
