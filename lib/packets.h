/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * packets.h - packets over a socket that keeps their limits (SOCK_SEQPACKET, SOCK_DGRAM), many with
 * one system call.  On the way out, what the other end has no room for waits here, in its order and
 * bounded.  One thread at a time; the socket stays the caller's.
 */
#ifndef GH_PACKETS_H
#define GH_PACKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKETS_A_READ 64

typedef struct PacketOut PacketOut;
/* max: bytes that may wait, with 4 more for each packet; at least one packet of 65550 fits. */
PacketOut *packet_out_new(size_t max);
void packet_out_free(PacketOut *o);
/* Copies a packet (1 to 65550 bytes); false: it was dropped, as so many wait already. */
bool packet_out_add(PacketOut *o, int fd, const void *packet, size_t len);
/* Sends what the other end takes; true: some wait still (look at packet_out_gone(), then poll). */
bool packet_out_flush(PacketOut *o, int fd);
bool packet_out_waits(const PacketOut *o);
bool packet_out_gone(const PacketOut *o);       /* the other end does not exist any more */

typedef struct PacketIn PacketIn;
PacketIn *packet_in_new(size_t longest);        /* longer packets are lost */
void packet_in_free(PacketIn *in);
/* Reads at most max (PACKETS_A_READ) without waiting: how many, or -1: the other end has gone. */
int packet_in_read(PacketIn *in, int fd, unsigned max);
/* Packet i of those; its length, 0 if it was too long. */
size_t packet_in_get(const PacketIn *in, unsigned i, uint8_t **data);

#endif
