/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy.c - dm-switch's system calls: it moves packets between sockets that it was given, and nothing
 * else.
 */
#include <seccomp.h>
#include "lib/sandbox.h"
#include "net/switch/switch.h"

static const SandboxCall calls[] = {
    { SCMP_SYS(recvfrom), "frames", 0 },
    { SCMP_SYS(sendto), "frames", 0 },
    { SCMP_SYS(recvmsg), "ports from xend", 0 },
    { SCMP_SYS(poll), "the loop", 0 },
    { SCMP_SYS(ppoll), "the loop", 0 },
    { SCMP_SYS(close), "ports that have gone", 0 },
    { SCMP_SYS(fcntl), "descriptors received", 0 },
    { SCMP_SYS(clock_gettime), "age of addresses, log", 0 },
    { SCMP_SYS(write), "log", 0 },
    { SCMP_SYS(writev), "log", 0 },
    { SCMP_SYS(brk), "memory", 0 },
    { SCMP_SYS(mmap), "memory", 0 },
    { SCMP_SYS(munmap), "memory", 0 },
    { SCMP_SYS(mremap), "memory", 0 },
    { SCMP_SYS(madvise), "memory", 0 },
    { SCMP_SYS(futex), "locks of libraries", 0 },
    { SCMP_SYS(getpid), "log", 0 },
    { SCMP_SYS(gettid), "abort", 0 },
    { SCMP_SYS(tgkill), "abort", 0 },
    { SCMP_SYS(rt_sigprocmask), "abort", 0 },
    { SCMP_SYS(rt_sigaction), "abort", 0 },
    { SCMP_SYS(rt_sigreturn), "signals", 0 },
    { SCMP_SYS(restart_syscall), "signals", 0 },
    { SCMP_SYS(exit), "end", 0 },
    { SCMP_SYS(exit_group), "end", 0 },
    { 0, NULL, 0 },
};

bool switch_restrict(char **error)
{
    g_autoptr(GError) gerror = NULL;

    if (sandbox_enter(calls, &gerror)) {
        return true;
    }
    *error = g_strdup(gerror->message);
    return false;
}
