/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * assist.h - the software CPU as the helper of another engine: the KVM engine has it do single
 * instructions that the host's KVM refuses.  The vCPU is one that engine_soft made, its state
 * goes in and out by engine_soft's set_state and get_state; interrupts stay with the caller.
 */
#ifndef GH_SOFT_ASSIST_H
#define GH_SOFT_ASSIST_H

#include "hypervisor/engine.h"

/*
 * At most count instructions (and the delivery of what they raise), without asking for interrupts.
 * KICKED: they are done; HALTED and TRIPLE_FAULT as from run().  Keeps no decoded code, so the
 * caller need not tell about changed memory between two calls.
 */
enum VcpuStop soft_step(EngineVcpu *c, unsigned count);

/* One instruction, KICKED when it is done; one that this CPU does not know (#UD) is not begun: ERROR. */
enum VcpuStop soft_try(EngineVcpu *c);

#endif
