/* SPDX-License-Identifier: GPL-2.0-or-later */
/* gdb_monitor.h - gdb's "monitor" command: what the protocol itself has no packets for. */
#ifndef GH_HV_GDB_MONITOR_H
#define GH_HV_GDB_MONITOR_H

#include "hypervisor/gdb_session.h"

/* The answer, lines with their ends; new string, empty: done without a word. */
char *gdb_monitor(GdbSession *s, const char *line);

#endif
