/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * format.h - the tables that xm prints, byte for byte as Xen 4.1's xm does: scripts parse them.
 */
#ifndef GH_XM_FORMAT_H
#define GH_XM_FORMAT_H

#include <time.h>
#include "tools/common/value.h"

/* domains: the result of xend.domains.  Newly allocated text. */
char *format_list(const Value *domains, bool label);
char *format_vcpu_list(const Value *domains);
char *format_uptime(const Value *domains, int64_t now, bool short_form);
char *format_info(const Value *info, bool config_only);
char *format_block_list(const Value *devices);
char *format_network_list(const Value *devices);
char *format_duration(int64_t seconds, bool with_seconds);      /* "1 day,  2:03:04" */
bool state_matches(const char *letters, const char *state);     /* "list --state=running" */
const char *domstate_name(const char *letters);

#endif
