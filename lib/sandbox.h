/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sandbox.h - the last step before a process serves its domain: no new privileges, no capabilities,
 * no descriptors but the ones it keeps, and only the system calls of its table.  Everything else
 * must be open, mapped and started by then.  What a process may allow at all is limited here: threads
 * but no processes, files for reading, internet sockets, memory that is never executable, signals
 * to itself.
 */
#ifndef GH_SANDBOX_H
#define GH_SANDBOX_H

#include <glib.h>
#include <stdbool.h>

typedef struct SandboxCall {
    int number;                 /* SCMP_SYS(...) */
    const char *why;            /* the reason it is allowed; never NULL */
    int error;                  /* non-zero: not allowed, answered with this errno, not a kill */
} SandboxCall;

/*
 * calls ends with a NULL why; what every process needs (memory, locks, the loop, log, abort, end) is
 * added to it and must not be in it.  Applies to all threads.  A call outside the table kills the process;
 * GUESTHOUSE_SANDBOX=log in the environment makes it return ENOSYS with a line in the kernel log
 * instead, =off leaves the filter out (for debuggers and sanitizers).
 */
bool sandbox_enter(const SandboxCall *calls, GError **error);

/*
 * From now on this thread opens files below these directories only (the list ends with NULL), and
 * for reading.  Before sandbox_enter().  False: the kernel has no Landlock, nothing has changed.
 */
bool sandbox_read_below(const char *const *directories);

/* Closes every descriptor above 2 that is not listed. */
void sandbox_keep_fds(const int *fds, unsigned n);

#endif
