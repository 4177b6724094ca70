/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy.c - system calls of the hypervisor process after start-up.  No path is opened, no socket
 * made, no program run; descriptors are there or come over the two sockets.
 */
#include "hypervisor/policy.h"

#include <errno.h>
#include <seccomp.h>

#define ALLOW(call, reason) { SCMP_SYS(call), reason, 0 }

const SandboxCall hypervisor_calls[] = {
    ALLOW(ioctl, "KVM_RUN and the other requests on KVM's descriptors"),
    ALLOW(futex_waitv, "libc's condition variables on new systems"),
    ALLOW(read, "event counters, timers, relays"),
    ALLOW(recvmsg, "the two packet sockets"),
    ALLOW(sendmsg, "the two packet sockets"),
    ALLOW(accept4, "a debugger, on the socket that xend has opened for it"),
    ALLOW(fstat, "size of a device's memory"),
    ALLOW(newfstatat, "libc's fstat"),
    ALLOW(fcntl, "seals of a device's memory"),
    ALLOW(mprotect, "heap and thread stacks"),
    ALLOW(fallocate, "ballooned pages go back to the host"),
    ALLOW(timerfd_settime, "the earliest device timer"),
    ALLOW(clock_nanosleep, "short waits"),
    ALLOW(sigaltstack, "engines' signals"),
    ALLOW(rt_sigtimedwait, "eating a kick"),
    ALLOW(rt_sigpending, "looking for a kick"),
    ALLOW(sched_yield, "SCHEDOP_yield"),
    ALLOW(sched_getaffinity, "libc: how many heaps"),
    ALLOW(membarrier, "closing the device lock's door"),
    ALLOW(rseq, "end of a thread"),
    ALLOW(set_robust_list, "end of a thread"),
    { SCMP_SYS(openat), "libc looks for files of its own (time zone): there are none", EACCES },
    { 0, NULL, 0 },
};
