/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * switch.h - a learning Ethernet switch between packet sockets (IEEE 802.1D without spanning tree and
 * VLANs): a frame goes to the port behind which its destination was last seen, or to all others.
 * Nothing is queued here: a port whose socket buffer is full loses the frame, and nobody else waits.
 */
#ifndef GH_NET_SWITCH_H
#define GH_NET_SWITCH_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SWITCH_PORTS_MAX 256
#define SWITCH_FRAME_MAX 65550
#define SWITCH_AGE_SECONDS 300

typedef struct Switch Switch;

Switch *switch_new(void);
void switch_free(Switch *s);
/* A new port; fd is taken.  False: there are too many, fd is closed. */
bool switch_add(Switch *s, int fd);
unsigned switch_ports(const Switch *s);
/* Fills in what to wait for (SWITCH_PORTS_MAX at most); returns how many. */
unsigned switch_poll_fill(const Switch *s, struct pollfd *polls);
/* Moves what has arrived, a bounded number of frames a port.  now: seconds, any steady clock.  Ports
 * whose other end has gone are removed. */
void switch_poll_done(Switch *s, const struct pollfd *polls, unsigned n, int64_t now);

/* Started by xend with a control socket: each packet on it brings a port's descriptor. */
bool switch_restrict(char **error);

#endif
