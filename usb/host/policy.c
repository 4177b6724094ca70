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
    { SCMP_SYS(recvmsg), "device model", 0 },
    { SCMP_SYS(sendmsg), "device model", 0 },
    { SCMP_SYS(timerfd_settime), "time limits of transfers", 0 },
    { SCMP_SYS(clock_nanosleep), "waits of libraries", 0 },
    { SCMP_SYS(fstat), "log", 0 },
    { SCMP_SYS(newfstatat), "log", 0 },
    { SCMP_SYS(mprotect), "memory", 0 },
    { SCMP_SYS(getrandom), "hash tables of libraries", 0 },
    { SCMP_SYS(openat), "time zone look-ups get no file", ENOENT },
    { 0, NULL, 0 },
};

bool host_restrict(GError **error)
{
    return sandbox_enter(calls, error);
}
