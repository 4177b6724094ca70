/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * control.h - xend's end of the control socket of a hypervisor or qemu-dm (include/ctl_proto.h).
 */
#ifndef GH_XEND_CONTROL_H
#define GH_XEND_CONTROL_H

#include <glib.h>
#include "include/ctl_proto.h"

typedef struct Control Control;

/* body has a NUL after msg->len bytes. */
typedef void (*ControlEvent)(void *opaque, const CtlMsg *msg, const char *body);
typedef void (*ControlClosed)(void *opaque);
/* error: 0 or an errno; ECONNRESET: the process went before it answered. */
typedef void (*ControlReply)(void *opaque, int error, const CtlMsg *msg, const char *body);

/* fd: one end of a SOCK_SEQPACKET pair; owned.  closed may be NULL. */
Control *control_new(int fd, ControlEvent event, ControlClosed closed, void *opaque);
void control_free(Control *c);              /* pending replies are answered with ECONNRESET */
/* Delivers what has arrived already, so that a process's last words come before its end. */
void control_drain(Control *c);
/* As below, with n descriptors. */
void control_request_fds(Control *c, uint32_t type, uint64_t a, uint64_t b, const char *body,
                         const int *fds, unsigned n, ControlReply reply, void *opaque);
/* reply may be NULL.  fd: passed along, or -1; stays the caller's. */
void control_request(Control *c, uint32_t type, uint64_t a, uint64_t b, const char *body, int fd,
                     ControlReply reply, void *opaque);

#endif
