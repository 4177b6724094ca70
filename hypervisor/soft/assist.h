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

/*
 * Blocks of code, at most count, without asking for interrupts, until the vCPU is about to do what the
 * other engine wants to do itself: VMCALL, VMMCALL, WRMSR to register msr, OUT to port; that is not
 * begun then.  Also ends when another thread has asked it to stop.  The decoded code is kept for the
 * next call; soft_watch_end() drops it, and comes before any other of these functions.
 */
typedef enum SoftWatch {
    SOFT_WATCH_MORE,            /* count blocks are done */
    SOFT_WATCH_CALL,            /* the next instruction is VMCALL or VMMCALL */
    SOFT_WATCH_OTHER,           /* ... WRMSR or OUT */
    SOFT_WATCH_HALTED,
    SOFT_WATCH_POINT,           /* a debugger's: ask debug_hit */
    SOFT_WATCH_TRIPLE_FAULT,
} SoftWatch;

SoftWatch soft_watch(EngineVcpu *c, unsigned count, uint32_t msr, uint16_t port);
void soft_watch_end(EngineVcpu *c);

#endif
