/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * netspec.h - the small languages in a vif: rates, lists of IP addresses, names of interfaces.
 */
#ifndef GH_TOOLS_NETSPEC_H
#define GH_TOOLS_NETSPEC_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* "10Mb/s", "250KB/s@20ms": bytes in each us microseconds. */
bool rate_parse(const char *text, uint64_t *bytes, uint32_t *us);

typedef struct IpNet {
    bool v6;
    char text[64];              /* canonical: 10.0.0.5, fd00::5 */
    unsigned bits;              /* 32 or 128: one address */
} IpNet;

bool ip_net_parse(const char *text, IpNet *net);
/* Addresses separated by blanks; NULL: one is wrong.  An array of IpNet. */
GArray *ip_list_parse(const char *text);
bool interface_name_valid(const char *name);    /* and safe in files of commands */

#endif
