/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pcap.h - a capture file of Ethernet frames in the classic pcap format with nanoseconds
 * (draft-ietf-opsawg-pcap), as tcpdump and Wireshark read it.  It ends at its size limit or at the
 * first write that fails; nothing is buffered.
 */
#ifndef GH_NET_PCAP_H
#define GH_NET_PCAP_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Pcap Pcap;

Pcap *pcap_new(int fd, uint64_t max, GError **error);   /* takes fd, also when it fails */
void pcap_free(Pcap *p);                                /* p may be NULL */
bool pcap_frame(Pcap *p, const void *frame, size_t len);        /* false: it has ended */

#endif
