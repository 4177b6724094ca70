/* SPDX-License-Identifier: GPL-2.0-or-later */
/* control.h - the socket to xend (ctl_proto.h), served in the default main context. */
#ifndef GH_HV_CONTROL_H
#define GH_HV_CONTROL_H

#include "hypervisor/domain.h"

/* loop ends when the domain is to be destroyed or xend has gone. */
Control *control_new(Domain *d, int fd, GMainLoop *loop);
void control_free(Control *c);
/* Events; nothing happens without a socket. */
void control_event(int fd, uint32_t type, uint64_t a, const char *text);

#endif
