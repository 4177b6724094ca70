/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tap.h - frames to and from a Linux tap interface.  The descriptor was opened and set up by xend
 * (no packet information, and with vnet the offloads of TAP_OFFLOADS); here it is only read and
 * written.
 */
#ifndef GH_NET_TAP_H
#define GH_NET_TAP_H

#include <sys/types.h>
#include "net/net.h"

/* One frame into buf (size bytes), with what it leaves to do.  As read(2); a frame that is broken or
 * too long: 0. */
ssize_t tap_read(int fd, bool vnet, uint8_t *buf, size_t size, NetOffload *offload);
/* offload must be valid, and zero without vnet.  As write(2). */
ssize_t tap_write(int fd, bool vnet, const uint8_t *frame, size_t len, const NetOffload *offload);

#endif
