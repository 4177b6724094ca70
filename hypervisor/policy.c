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
    ALLOW(futex, "vCPU halts, locks, waits for the device model"),
    ALLOW(futex_waitv, "libc's condition variables on new systems"),
    ALLOW(poll, "main loop and service thread"),
    ALLOW(ppoll, "main loop"),
    ALLOW(read, "event counters, timers, relays"),
    ALLOW(write, "event counters, relays, log, core dump"),
    ALLOW(writev, "log through stdio"),
    ALLOW(recvmsg, "the two packet sockets"),
    ALLOW(sendmsg, "the two packet sockets"),
    ALLOW(close, "descriptors that came with a message"),
    ALLOW(fstat, "size of a device's memory"),
    ALLOW(newfstatat, "libc's fstat"),
    ALLOW(fcntl, "seals of a device's memory"),
    ALLOW(mmap, "guest memory map changes, heap"),
    ALLOW(munmap, "the same"),
    ALLOW(mprotect, "heap and thread stacks"),
    ALLOW(mremap, "heap"),
    ALLOW(madvise, "heap and thread stacks"),
    ALLOW(brk, "heap"),
    ALLOW(fallocate, "ballooned pages go back to the host"),
    ALLOW(timerfd_settime, "the earliest device timer"),
    ALLOW(clock_gettime, "when the vDSO can't"),
    ALLOW(clock_nanosleep, "short waits"),
    ALLOW(gettimeofday, "when the vDSO can't"),
    ALLOW(time, "when the vDSO can't"),
    ALLOW(tgkill, "kicks of vCPU threads"),
    ALLOW(getpid, "kicks, log lines"),
    ALLOW(gettid, "kicks"),
    ALLOW(rt_sigaction, "engines' signals"),
    ALLOW(rt_sigprocmask, "engines' signals"),
    ALLOW(rt_sigreturn, "engines' signals"),
    ALLOW(sigaltstack, "engines' signals"),
    ALLOW(rt_sigtimedwait, "eating a kick"),
    ALLOW(rt_sigpending, "looking for a kick"),
    ALLOW(sched_yield, "SCHEDOP_yield"),
    ALLOW(sched_getaffinity, "libc: how many heaps"),
    ALLOW(restart_syscall, "after a stop"),
    ALLOW(membarrier, "code changes between vCPUs"),
    ALLOW(rseq, "end of a thread"),
    ALLOW(set_robust_list, "end of a thread"),
    ALLOW(exit, "end of a thread"),
    ALLOW(exit_group, "the end"),
    { SCMP_SYS(openat), "libc looks for files of its own (time zone): there are none", EACCES },
    { 0, NULL, 0 },
};
