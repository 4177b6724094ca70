/* SPDX-License-Identifier: GPL-2.0-or-later */
/* random.h - random numbers that come out the same in each run, from any seed: splitmix64. */
#ifndef GH_TESTS_RANDOM_H
#define GH_TESTS_RANDOM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

typedef struct Rng { uint64_t s; } Rng;

static inline uint64_t rng_next(Rng *r)
{
    uint64_t z = (r->s += 0x9e3779b97f4a7c15ull);

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

static inline unsigned rng_below(Rng *r, unsigned n) { return (unsigned)((rng_next(r) >> 33) % n); }

static inline bool rng_one_in(Rng *r, unsigned n) { return rng_below(r, n) == 0; }

/* What the environment asks for: how many rounds, which seed. */
static inline uint64_t asked(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

#endif
