/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x87_trap.h - where translated code goes on when the host raises #MF in it.
 */
#ifndef GH_SOFT_JIT_X87_TRAP_H
#define GH_SOFT_JIT_X87_TRAP_H

#include <stdbool.h>
#include <stdint.h>

/* FWAIT; nop [rax + rax + distance].  The distance is from behind it to where to go on if the FWAIT
 * raises #MF: a signed 32-bit number, last. */
static const uint8_t X87_TRAP[] = { 0x9b, 0x0f, 0x1f, 0x84, 0x00 };

/* Takes SIGFPE, for the whole process, and unblocks it for this thread and those that it starts. */
bool x87_catch_traps(void);

#endif
