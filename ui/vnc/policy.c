/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy.c - what a running dm-ui may do: accept clients on the one socket it has, talk to them and
 * to the device model, start threads.  No file, no new socket, no process.
 */
#include "ui/vnc/policy.h"

#include <errno.h>
#include <seccomp.h>

const SandboxCall vnc_policy[] = {
    { SCMP_SYS(accept), "VNC clients", 0 },
    { SCMP_SYS(accept4), "VNC clients", 0 },
    { SCMP_SYS(getpeername), "their addresses, for the log", 0 },
    { SCMP_SYS(getsockname), "their addresses, for the log", 0 },
    { SCMP_SYS(setsockopt), "TCP_NODELAY", 0 },
    { SCMP_SYS(getsockopt), "state of a connection", 0 },
    { SCMP_SYS(fcntl), "non-blocking client sockets", 0 },
    { SCMP_SYS(pipe), "wakes a client's thread", 0 },
    { SCMP_SYS(pipe2), "wakes a client's thread", 0 },
    { SCMP_SYS(select), "clients", 0 },
    { SCMP_SYS(pselect6), "clients", 0 },
    { SCMP_SYS(read), "clients", 0 },
    { SCMP_SYS(recvfrom), "clients, device model", 0 },
    { SCMP_SYS(sendto), "clients, device model", 0 },
    { SCMP_SYS(recvmsg), "device model", 0 },
    { SCMP_SYS(shutdown), "a client that goes", 0 },
    { SCMP_SYS(fstat), "time zone", 0 },
    { SCMP_SYS(newfstatat), "time zone", 0 },
    { SCMP_SYS(clone), "a client's threads", 0 },
    { SCMP_SYS(clone3), "a client's threads: falls back to clone", ENOSYS },
    { SCMP_SYS(set_robust_list), "threads", 0 },
    { SCMP_SYS(rseq), "threads", 0 },
    { SCMP_SYS(sched_getaffinity), "threads", 0 },
    { SCMP_SYS(sched_getattr), "threads of GLib", 0 },
    { SCMP_SYS(sched_setattr), "threads of GLib", 0 },
    { SCMP_SYS(sched_yield), "threads", 0 },
    { SCMP_SYS(mprotect), "thread stacks", 0 },
    { SCMP_SYS(prctl), "names of threads", 0 },
    { SCMP_SYS(clock_nanosleep), "updates are put off a few milliseconds", 0 },
    { SCMP_SYS(nanosleep), "updates are put off a few milliseconds", 0 },
    { SCMP_SYS(getrusage), "random numbers of libgcrypt", 0 },
    { SCMP_SYS(times), "random numbers of libgcrypt", 0 },
    { SCMP_SYS(getrandom), "authentication", 0 },
    { SCMP_SYS(openat), "libraries looking for their settings find none", ENOENT },
    { SCMP_SYS(open), "libraries looking for their settings find none", ENOENT },
    { SCMP_SYS(access), "libraries looking for their settings find none", ENOENT },
    { SCMP_SYS(socket), "look-ups of names get none", EACCES },
    { SCMP_SYS(ioctl), "terminal look-ups", ENOTTY },
    { 0, NULL, 0 }
};
