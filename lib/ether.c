/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ether.c - the CRC of IEEE 802.3 (polynomial 04c11db7h; the FCS takes its bits reflected).  Eight
 * bytes a step by zlib's crc32(), which is the same sum; the hash runs over six bytes only.
 */
#include "lib/ether.h"

#include <zlib.h>

uint32_t ether_fcs(const uint8_t *frame, size_t len)
{
    return crc32(0, frame, len);
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
