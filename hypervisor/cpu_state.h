/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cpu_state.h - VcpuState (engine.h) as a state table (lib/state.h): what a saved vCPU consists of. */
#ifndef GH_HV_CPU_STATE_H
#define GH_HV_CPU_STATE_H

#include "hypervisor/engine.h"
#include "lib/state.h"

extern const StateField cpu_state_fields[];

/* Of one that was loaded: is it a state that a processor with these features can be in?  False: why is
 * a static text. */
bool cpu_state_fits(const VcpuState *s, const EngineCaps *caps, const char **why);

#endif
