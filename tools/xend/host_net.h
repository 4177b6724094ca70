/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host_net.h - what xend does to the host's network when it may: taps, bridges, addresses, filters.
 * Names of interfaces must be valid (interface_name_valid()).  Functions that return bool set *error
 * (newly allocated) when they return false.
 */
#ifndef GH_XEND_HOST_NET_H
#define GH_XEND_HOST_NET_H

#include <stdbool.h>

bool host_net_allowed(void);            /* this process may change the host's network */
bool link_exists(const char *name);
bool link_is_bridge(const char *name);
bool link_is_tap(const char *name);
/* A tap of this name, made now or (made by an administrator for this user) found.  -1: *error.
 * *vnet: frames have virtio's header and may be long or without checksums. */
int tap_open(const char *name, bool *vnet, char **error);
bool link_set_up(const char *name, bool up, char **error);
bool link_set_mac(const char *name, const unsigned char mac[6], char **error);
bool link_rename(const char *from, const char *to, char **error);
bool link_copy_mtu(const char *from, const char *to, char **error);
bool bridge_create(const char *name, char **error);
bool bridge_delete(const char *name, char **error);
bool bridge_add_port(const char *bridge, const char *port, char **error);
char *first_bridge(void);               /* by name, or NULL */
char *default_device(void);             /* the interface of the default route, or NULL */

/* /proc/sys/net/PATH */
bool net_sysctl(const char *path, const char *value, char **error);
/* Runs a program with its input and waits; the first line of its complaint is in *error if it fails.
 * output may be NULL. */
bool host_run(const char *const *argv, const char *input, char **output, char **error);
bool ip_batch(const char *commands, char **error);      /* of ip(8) */
bool nft_batch(const char *commands, char **error);     /* of nft(8) */

#endif
