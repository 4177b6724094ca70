/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * net.h - Ethernet frames between a NIC model and what is outside: dm-net's or dm-switch's socket,
 * a tap.  Frames carry no FCS.  Nothing recurses: a frame sent from inside a receive handler is
 * queued.  At most NET_FRAME_MAX bytes a frame; longer ones are dropped at the entry.  Device thread
 * only.
 */
#ifndef GH_NET_H
#define GH_NET_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NET_FRAME_MAX 65550

typedef struct NetPort NetPort;

typedef struct NetClient {      /* the NIC */
    bool (*can_receive)(void *opaque);
    void (*receive)(void *opaque, const uint8_t *frame, size_t len);
    void (*link_changed)(void *opaque, bool up);        /* may be NULL */
    void *opaque;
} NetClient;

/*
 * What the sender leaves to whoever comes next; all zero: nothing.  With checksum, the field holds
 * the sum of the pseudo header, not inverted.  With segment, the frame is one long TCP segment over
 * IPv4 or IPv6, to be cut into frames of so many bytes of data; checksum must then be set too.
 */
typedef struct NetOffload {
    bool checksum, ipv6;
    uint16_t checksum_start;    /* from the frame's first byte: the TCP or UDP header */
    uint16_t checksum_offset;   /* of the field, from there */
    uint16_t segment;           /* bytes of data a frame */
    uint16_t header;            /* bytes before the data */
} NetOffload;

/* Each takes fd (non-blocking from then on), also when it fails. */
NetPort *net_port_new_socket(int fd, GError **error);   /* SOCK_SEQPACKET/DGRAM of frames */
NetPort *net_port_new_bundles(int fd, GError **error);  /* of bundles of frames (lib/packets.h) */
/* A tap without packet information.  vnet: with the 10 bytes of virtio's header before each frame. */
NetPort *net_port_new_tap(int fd, bool vnet, GError **error);
NetPort *net_port_new_null(void);                       /* cable not plugged */
typedef enum NetCable { NET_CABLE_SOCKET, NET_CABLE_TAP, NET_CABLE_TAP_VNET, NET_CABLE_BUNDLES,
                        NET_CABLES } NetCable;          /* as in include/ctl_proto.h */
NetPort *net_port_for(int fd, NetCable kind, GError **error);           /* one of these; -1: null */
void net_port_free(NetPort *p);
void net_attach(NetPort *p, const NetClient *client);
void net_client_of(const NetPort *p, NetClient *client);    /* who is attached: for tests */
void net_send(NetPort *p, const void *frame, size_t len);
/* The same; what the other end can't take over is done here.  offload is checked against the frame. */
void net_send_offload(NetPort *p, const void *frame, size_t len, const NetOffload *offload);
/* Frames sent in between may go out together, at the latest at the end.  May nest; for short times. */
void net_burst_begin(NetPort *p);
void net_burst_end(NetPort *p);
/* The NIC has room again: queued frames are delivered from the main loop. */
void net_receive_ready(NetPort *p);
bool net_link_up(const NetPort *p);

/* Another cable into the same card: takes from's other end, and frees from.  The client is told of
 * the link if that changes. */
void net_port_replug(NetPort *p, NetPort *from);
/* Frames that the guest sends: bytes in each us microseconds on average; 0: no limit. */
void net_port_limit(NetPort *p, uint64_t bytes, uint32_t us);
/* Copies all frames of both directions into a capture file (pcap) until it has max bytes, a write
 * fails, or fd is -1.  Takes fd. */
bool net_port_dump(NetPort *p, int fd, uint64_t max, GError **error);

#endif
