/* SPDX-License-Identifier: GPL-2.0-or-later */
/* inet.c - the Internet's checksum (RFC 1071), eight bytes a step. */
#include "lib/inet.h"

#include <glib.h>
#include <string.h>

uint16_t inet_sum(const uint8_t *p, size_t len, uint16_t start)
{
    uint64_t sum = start, more = 0, a, b;

    for (; len >= 16; p += 16, len -= 16) {
        memcpy(&a, p, 8);
        memcpy(&b, p + 8, 8);
        sum += a;
        sum += sum < a;
        more += b;
        more += more < b;
    }
    sum += more;
    sum += sum < more;
    for (; len; p += MIN(len, 8), len -= MIN(len, 8)) {
        a = 0;
        memcpy(&a, p, MIN(len, 8));
        sum += a;
        sum += sum < a;
    }
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}
