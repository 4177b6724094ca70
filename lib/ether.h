/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ether.h - what network cards compute over Ethernet frames (IEEE 802.3): frame check sequence,
 * multicast hash.  Lengths are in bytes and without the FCS.  Pure functions.
 */
#ifndef GH_ETHER_H
#define GH_ETHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ETHER_HEADER 14
#define ETHER_MIN 60            /* shortest frame on a wire */
#define ETHER_MAX 1518          /* longest: with a VLAN tag */
#define ETHER_FCS 4
#define ETHER_FCS_GOOD 0x2144df1cu      /* ether_fcs() of a frame with its right FCS at the end */

/* To be appended low byte first. */
uint32_t ether_fcs(const uint8_t *frame, size_t len);
/* 0-63: the six top bits of the destination address's CRC, as 8390 and RTL8139 count them. */
unsigned ether_hash(const uint8_t address[6]);
/* Whether that bit is set in the card's eight filter bytes. */
bool ether_hash_has(const uint8_t filter[8], const uint8_t address[6]);

static inline bool ether_is_group(const uint8_t *address) { return address[0] & 1; }

static inline bool ether_is_broadcast(const uint8_t *a)
{
    return (a[0] & a[1] & a[2] & a[3] & a[4] & a[5]) == 0xff;
}

#endif
