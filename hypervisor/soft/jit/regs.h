/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * regs.h - which host register holds which guest register while translated code runs.
 *
 * The host keeps its stack pointer, so that signals and calls need nothing special.  Guest RSP is
 * in R9; guest R9, R10 and R11, which compilers use least, stay in Cpu.gpr; all others are at home.
 * R10 and R11 are scratch between instructions.
 */
#ifndef GH_SOFT_JIT_REGS_H
#define GH_SOFT_JIT_REGS_H

#include "hypervisor/soft/jit/emit.h"

#define IN_MEMORY 0xff
static const uint8_t host_reg[16] = { RAX, RCX, RDX, RBX, R9, RBP, RSI, RDI, R8, IN_MEMORY,
                                      IN_MEMORY, IN_MEMORY, R12, R13, R14, R15 };
#define GUEST_RSP R9
#define SCRATCH_A R10
#define SCRATCH_B R11

#endif
