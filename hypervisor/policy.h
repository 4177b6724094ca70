/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy.h - what the hypervisor process may do once its domain stands. */
#ifndef GH_HV_POLICY_H
#define GH_HV_POLICY_H

#include "lib/sandbox.h"

extern const SandboxCall hypervisor_calls[];

#endif
