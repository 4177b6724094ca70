/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * net.h - Ethernet frames between a NIC model and what is outside: dm-net's socket, a tap.  Frames
 * carry no FCS.  Nothing recurses: a frame sent from inside a receive handler is queued.  At most
 * NET_FRAME_MAX bytes a frame; longer ones are dropped at the entry.  Device thread only.
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

NetPort *net_port_new_socket(int fd, GError **error);   /* SOCK_SEQPACKET/DGRAM of frames */
NetPort *net_port_new_null(void);                       /* cable not plugged */
void net_port_free(NetPort *p);
void net_attach(NetPort *p, const NetClient *client);
void net_client_of(const NetPort *p, NetClient *client);    /* who is attached: for tests */
void net_send(NetPort *p, const void *frame, size_t len);
/* The NIC has room again: queued frames are delivered from the main loop. */
void net_receive_ready(NetPort *p);
bool net_link_up(const NetPort *p);

#endif
