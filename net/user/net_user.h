/* SPDX-License-Identifier: GPL-2.0-or-later */
/* net_user.h - the user-mode network behind dm-net's main. */
#ifndef GH_NET_USER_H
#define GH_NET_USER_H

#include <glib.h>
#include <stdbool.h>

typedef struct NetUserOptions {
    int frames_fd;              /* taken over */
    const char *network;        /* dotted, a /24 */
    GPtrArray *forwards;        /* const char* specs */
    bool restricted;
    const char *tftp;           /* folder served by TFTP; NULL: none */
    const char *bootfile;       /* in it, named in DHCP answers; NULL: none */
} NetUserOptions;

/* Until the peer hangs up (true), or it can't start. */
bool net_user_run(const NetUserOptions *options, GError **error);
/* tcp|udp:[ADDR]:PORT-[ADDR]:PORT.  Addresses in network order; 0 where left out. */
bool net_user_parse_forward(const char *spec, bool *udp, guint32 *host, int *host_port,
                            guint32 *guest, int *guest_port, GError **error);

#endif
