/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy.h - what dm-net may still do once it runs. */
#ifndef GH_NET_USER_POLICY_H
#define GH_NET_USER_POLICY_H

#include <glib.h>
#include <stdbool.h>

bool net_user_restrict(const char *tftp, GError **error);

#endif
