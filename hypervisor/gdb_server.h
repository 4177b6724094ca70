/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gdb_server.h - a domain's debugger: a thread that serves one gdb at a time on a listening socket.
 * The domain runs as ever while nobody is connected.  Whoever connects owns the guest.
 */
#ifndef GH_HV_GDB_SERVER_H
#define GH_HV_GDB_SERVER_H

#include "hypervisor/vcpu.h"

/* fd: a listening stream socket, taken over.  arch: "auto", "i8086", "i386" or "x86-64". */
bool gdb_server_start(Domain *d, int fd, const char *arch, GError **error);
/* Drops the debugger; Domain.dying is set already.  No-op without a server. */
void gdb_server_stop(Domain *d);
/* The domain has shut down.  Any thread, run_lock held or not. */
void gdb_server_notify(Domain *d);

/* vCPU threads.  After VCPU_STOP_DEBUG: */
void gdb_vcpu_stopped(Vcpu *v);
/* True: a debugger looks at it first; after that vcpu.c carries it out. */
bool gdb_vcpu_triple_fault(Vcpu *v);

#endif
