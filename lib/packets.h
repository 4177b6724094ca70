/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * packets.h - packets over a socket that keeps their limits (SOCK_SEQPACKET, SOCK_DGRAM), many with
 * one system call.  On the way out, what the other end has no room for waits here, in its order and
 * bounded.  One thread at a time; the socket stays the caller's.
 *
 * With bundles the socket's packets are whole runs of ours, each behind its length (32 bits, in the host's
 * order): the kernel does once for all of them what costs it most.  Both ends must agree on it.
 */
#ifndef GH_PACKETS_H
#define GH_PACKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKETS_A_READ 64
#define PACKETS_A_BUNDLE 512

typedef struct PacketOut PacketOut;
/* max: bytes that may wait, with 4 more for each packet; at least one packet of 65550 fits. */
PacketOut *packet_out_new(size_t max, bool bundles);
void packet_out_free(PacketOut *o);
/* Copies a packet (1 to 65550 bytes); false: it was dropped, as so many wait already. */
bool packet_out_add(PacketOut *o, int fd, const void *packet, size_t len);
/* Sends what the other end takes; true: some wait still (look at packet_out_gone(), then poll). */
bool packet_out_flush(PacketOut *o, int fd);
bool packet_out_waits(const PacketOut *o);
bool packet_out_gone(const PacketOut *o);       /* the other end does not exist any more */

typedef struct PacketIn PacketIn;
PacketIn *packet_in_new(size_t longest, bool bundles);          /* longer packets are lost */
void packet_in_free(PacketIn *in);
/*
 * Reads without waiting at most max (PACKETS_A_READ), or one bundle, of up to PACKETS_A_BUNDLE: how many, or
 * -1: the other end has gone, or sends no bundles.
 */
int packet_in_read(PacketIn *in, int fd, unsigned max);
/* Packet i of those; its length, 0 if it was too long. */
size_t packet_in_get(const PacketIn *in, unsigned i, uint8_t **data);

#endif
