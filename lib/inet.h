/* SPDX-License-Identifier: GPL-2.0-or-later */
/* inet.h - the checksum of IPv4, TCP and UDP.  A pure function. */
#ifndef GH_INET_H
#define GH_INET_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * The ones' complement sum of 16-bit words as they lie in memory, of which a last odd byte is the first
 * half; start: of what came before (an even number of bytes).  It is stored as it is, inverted.
 */
uint16_t inet_sum(const uint8_t *p, size_t len, uint16_t start);
/* As it is. */
static inline void inet_put(uint8_t *p, uint16_t sum)
{
    memcpy(p, &sum, sizeof sum);
}

#endif
