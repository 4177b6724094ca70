/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * offload.h - in software what a tap does for others: checksums that were left open, and long TCP
 * segments cut into frames.  Pure functions over one frame.
 */
#ifndef GH_NET_OFFLOAD_H
#define GH_NET_OFFLOAD_H

#include "net/net.h"

#define NET_SEGMENT_MIN 48      /* bytes of data a frame: smaller ones are nobody's honest wish */

typedef void (*NetEmit)(void *opaque, const uint8_t *frame, size_t len);

/* All that offload names lies within the frame, and segments are of a useful size. */
bool net_offload_valid(const NetOffload *offload, const uint8_t *frame, size_t len);
/* Hands one or more finished frames to emit; frame is changed.  offload must be valid. */
void net_offload_finish(const NetOffload *offload, uint8_t *frame, size_t len, NetEmit emit,
                        void *opaque);

#endif
