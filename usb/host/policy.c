/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy.c - dm-usb's system calls: requests to the one device it was given, its socket, time,
 * memory.  It opens nothing.
 */
#include <errno.h>
#include <seccomp.h>
#include "lib/sandbox.h"
#include "usb/host/host.h"

static const SandboxCall calls[] = {
    { SCMP_SYS(ioctl), "requests to the device", 0 },
    { SCMP_SYS(read), "descriptors; events of libusb", 0 },
    { SCMP_SYS(lseek), "descriptors", 0 },
    { SCMP_SYS(pread64), "descriptors", 0 },
    { SCMP_SYS(write), "events of libusb, log", 0 },
    { SCMP_SYS(writev), "log", 0 },
    { SCMP_SYS(recvmsg), "device model", 0 },
    { SCMP_SYS(sendmsg), "device model", 0 },
    { SCMP_SYS(poll), "the loop", 0 },
    { SCMP_SYS(ppoll), "the loop", 0 },
    { SCMP_SYS(timerfd_settime), "time limits of transfers", 0 },
    { SCMP_SYS(clock_gettime), "time limits of transfers", 0 },
    { SCMP_SYS(clock_nanosleep), "waits of libraries", 0 },
    { SCMP_SYS(close), "end", 0 },
    { SCMP_SYS(fstat), "log", 0 },
    { SCMP_SYS(newfstatat), "log", 0 },
    { SCMP_SYS(brk), "memory", 0 },
    { SCMP_SYS(mmap), "memory", 0 },
    { SCMP_SYS(munmap), "memory", 0 },
    { SCMP_SYS(mremap), "memory", 0 },
    { SCMP_SYS(madvise), "memory", 0 },
    { SCMP_SYS(mprotect), "memory", 0 },
    { SCMP_SYS(futex), "locks of libraries", 0 },
    { SCMP_SYS(getrandom), "hash tables of libraries", 0 },
    { SCMP_SYS(getpid), "log", 0 },
    { SCMP_SYS(gettid), "abort", 0 },
    { SCMP_SYS(tgkill), "abort", 0 },
    { SCMP_SYS(rt_sigprocmask), "abort", 0 },
    { SCMP_SYS(rt_sigaction), "abort", 0 },
    { SCMP_SYS(rt_sigreturn), "signals", 0 },
    { SCMP_SYS(restart_syscall), "signals", 0 },
    { SCMP_SYS(openat), "time zone look-ups get no file", ENOENT },
    { SCMP_SYS(exit), "end", 0 },
    { SCMP_SYS(exit_group), "end", 0 },
    { 0, NULL, 0 },
};

bool host_restrict(GError **error)
{
    return sandbox_enter(calls, error);
}
