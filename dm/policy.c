/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy.c - the system calls of a running qemu-dm, one row each with its reason.  No path, no
 * socket but those inherited, no process, no executable memory.
 */
#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include "dm/dm.h"
#include "lib/sandbox.h"

static const SandboxCall calls[] = {
    { SCMP_SYS(pread64), "images", 0 },
    { SCMP_SYS(pwrite64), "images", 0 },
    { SCMP_SYS(preadv), "images", 0 },
    { SCMP_SYS(preadv2), "images", 0 },
    { SCMP_SYS(pwritev), "images", 0 },
    { SCMP_SYS(io_setup), "images changed while running", 0 },
    { SCMP_SYS(io_submit), "images", 0 },
    { SCMP_SYS(io_getevents), "images", 0 },
    { SCMP_SYS(io_pgetevents), "images", 0 },
    { SCMP_SYS(io_destroy), "images", 0 },
    { SCMP_SYS(fdatasync), "FLUSH CACHE", 0 },
    { SCMP_SYS(fallocate), "TRIM", 0 },
    { SCMP_SYS(fstat), "size of a new medium", 0 },
    { SCMP_SYS(fstatfs), "where a new medium is", 0 },
    { SCMP_SYS(newfstatat), "fstat of newer C libraries", 0 },
    { SCMP_SYS(lseek), "size of a new medium", 0 },
    { SCMP_SYS(read), "events, timers, serial lines", 0 },
    { SCMP_SYS(readv), "serial lines", 0 },
    { SCMP_SYS(timerfd_settime), "timers", 0 },
    { SCMP_SYS(clock_nanosleep), "waits of libraries", 0 },
    { SCMP_SYS(sendmsg), "hypervisor, xend, viewers", 0 },
    { SCMP_SYS(recvmsg), "hypervisor, xend, viewers", 0 },
    { SCMP_SYS(sendto), "network frames", 0 },
    { SCMP_SYS(recvfrom), "serial lines, viewers", 0 },
    { SCMP_SYS(sendmmsg), "network frames", 0 },
    { SCMP_SYS(recvmmsg), "network frames", 0 },
    { SCMP_SYS(fcntl), "non-blocking descriptors received later", 0 },
    { SCMP_SYS(eventfd2), "an image received later", 0 },
    { SCMP_SYS(sched_yield), "a full ring", 0 },
    { SCMP_SYS(mprotect), "thread stacks and arenas of the C library", 0 },
    { SCMP_SYS(clone), "worker threads", 0 },
    { SCMP_SYS(clone3), "worker threads: falls back to clone", ENOSYS },
    { SCMP_SYS(set_robust_list), "worker threads", 0 },
    { SCMP_SYS(rseq), "worker threads", 0 },
    { SCMP_SYS(sched_getattr), "worker threads of GLib", 0 },
    { SCMP_SYS(sched_setattr), "worker threads of GLib", 0 },
    { SCMP_SYS(sched_getaffinity), "worker threads of GLib", 0 },
    { SCMP_SYS(prctl), "names of threads", 0 },
    { SCMP_SYS(getrandom), "hash tables of libraries", 0 },
    { SCMP_SYS(openat), "time zone look-ups get no file", ENOENT },
    { SCMP_SYS(ioctl), "terminal look-ups of libraries", ENOTTY },
    { 0, NULL, 0 },
};

bool dm_restrict(const Dm *dm, GError **error)
{
    (void)dm;
    return sandbox_enter(calls, error);
}
