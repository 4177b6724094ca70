/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ether.c - sums over frames (lib/ether.h, lib/inet.h), compared with the slow way for each length and place. */
#include <criterion/criterion.h>
#include <string.h>
#include "lib/ether.h"
#include "lib/inet.h"

#define LONGEST 1600

/* Not the library's: bit by bit, as IEEE 802.3 has it. */
static uint32_t slow_fcs(const uint8_t *p, size_t len)
{
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < len; i++) {
        crc ^= p[i];
        for (unsigned b = 0; b < 8; b++) {
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
        }
    }
    return ~crc;
}

/* RFC 1071 in the network's order; the answer in memory's. */
static uint16_t slow_sum(const uint8_t *p, size_t len, uint16_t start)
{
    uint8_t out[2];
    uint32_t sum;
    uint16_t v;

    memcpy(out, &start, 2);
    sum = out[0] << 8 | out[1];
    for (size_t i = 0; i < len; i++) {
        sum += i & 1 ? p[i] : p[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    out[0] = sum >> 8;
    out[1] = sum;
    memcpy(&v, out, 2);
    return v;
}

static void fill(uint8_t *p, size_t len, uint32_t seed)
{
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1664525 + 1013904223;
        p[i] = seed >> 24;
    }
}

Test(ether, fcs_is_the_same_for_each_length_and_alignment)
{
    uint8_t data[LONGEST + 16];

    fill(data, sizeof data, 1);
    for (size_t len = 0; len <= LONGEST; len += len < 400 ? 1 : 37) {
        const uint8_t *p = data + len % 16;

        cr_assert_eq(ether_fcs(p, len), slow_fcs(p, len), "%zu bytes", len);
    }
}

Test(ether, fcs_behind_its_frame_gives_the_constant)
{
    uint8_t data[LONGEST + 4];

    for (size_t len = 60; len < LONGEST; len += 61) {
        uint32_t fcs;

        fill(data, len, len);
        fcs = ether_fcs(data, len);
        for (unsigned i = 0; i < 4; i++) {
            data[len + i] = fcs >> (8 * i);
        }
        cr_assert_eq(ether_fcs(data, len + 4), ETHER_FCS_GOOD, "%zu bytes", len);
        data[len / 2] ^= 0x10;
        cr_assert_neq(ether_fcs(data, len + 4), ETHER_FCS_GOOD, "%zu bytes", len);
    }
}

Test(inet, sum_is_the_same_for_each_length_and_start)
{
    uint8_t data[LONGEST] = { 0 };

    for (size_t len = 0; len <= LONGEST; len += len < 100 ? 1 : 37) {
        fill(data, len, len + 7);
        cr_assert_eq(inet_sum(data, len, 0), slow_sum(data, len, 0), "%zu bytes", len);
        cr_assert_eq(inet_sum(data, len, 0xfffe), slow_sum(data, len, 0xfffe), "%zu bytes", len);
        memset(data, 0xff, len);        /* a carry at each step */
        cr_assert_eq(inet_sum(data, len, 0xffff), slow_sum(data, len, 0xffff), "%zu of ff", len);
    }
}
