/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ether.c - the CRC of IEEE 802.3 (polynomial 04c11db7h; the FCS takes its bits reflected).  Where the
 * processor multiplies polynomials it is folded 64 bytes a step (the method is in Gopal and others, "Fast CRC
 * Computation for Generic Polynomials Using PCLMULQDQ", Intel 2009); zlib's crc32(), which is the same
 * sum, has the rest.  The hash runs over six bytes only.
 */
#include "lib/ether.h"

#include <immintrin.h>
#include <zlib.h>

#define FOLD_MIN 128            /* bytes from which on it is worth it */

/* x^n mod P for the distances that a block is moved by, bits reflected; low and high half of it. */
static const uint64_t fold_64_bytes[2] = { 0x154442bd4, 0x1c6e41596 };
static const uint64_t fold_16_bytes[2] = { 0x1751997d0, 0x0ccaa009e };

__attribute__((target("pclmul"))) static __m128i fold(__m128i crc, __m128i by, __m128i data)
{
    return _mm_xor_si128(_mm_xor_si128(_mm_clmulepi64_si128(crc, by, 0x00),
                                       _mm_clmulepi64_si128(crc, by, 0x11)), data);
}

static __m128i load(const uint8_t *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

/* 16 bytes that have the same remainder as all whole 64 bytes of the frame, of which there is one at least. */
__attribute__((target("pclmul"))) static void fold_frame(const uint8_t *p, size_t len, uint8_t out[16])
{
    __m128i by = load((const uint8_t *)fold_64_bytes), x[4];

    for (unsigned i = 0; i < 4; i++) {
        x[i] = load(p + 16 * i);
    }
    x[0] = _mm_xor_si128(x[0], _mm_cvtsi32_si128(-1));  /* the register's start */
    for (p += 64, len -= 64; len >= 64; p += 64, len -= 64) {
        for (unsigned i = 0; i < 4; i++) {
            x[i] = fold(x[i], by, load(p + 16 * i));
        }
    }
    by = load((const uint8_t *)fold_16_bytes);
    for (unsigned i = 1; i < 4; i++) {
        x[i] = fold(x[i - 1], by, x[i]);
    }
    _mm_storeu_si128((__m128i *)(void *)out, x[3]);
}

uint32_t ether_fcs(const uint8_t *frame, size_t len)
{
    uint8_t head[16];

    if (len < FOLD_MIN || !__builtin_cpu_supports("pclmul")) {
        return crc32(0, frame, len);
    }
    fold_frame(frame, len, head);
    /* The fold has the register's start in it: crc32() shall begin with 0, which it is told inverted. */
    return crc32(crc32(UINT32_MAX, head, sizeof head), frame + (len & ~(size_t)63), len & 63);
}

unsigned ether_hash(const uint8_t address[6])
{
    uint32_t crc = 0xffffffff;

    for (unsigned i = 0; i < 6; i++) {
        for (unsigned b = 0; b < 8; b++) {
            bool carry = (crc >> 31) ^ (address[i] >> b & 1);

            crc = crc << 1 ^ (carry ? 0x04c11db7 : 0);
        }
    }
    return crc >> 26;
}

bool ether_hash_has(const uint8_t filter[8], const uint8_t address[6])
{
    unsigned bit = ether_hash(address);

    return filter[bit >> 3] >> (bit & 7) & 1;
}
