/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy.h - dm-ui's system calls; see policy.c. */
#ifndef GH_VNC_POLICY_H
#define GH_VNC_POLICY_H

#include "lib/sandbox.h"

extern const SandboxCall vnc_policy[];

#endif
