/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy.c - dm-net's system calls: sockets of the internet families, time, memory.  libslirp reads
 * /etc/resolv.conf for the name server, again when it changes, so opening files is allowed: below
 * /etc, where that file really is, and in the folder that TFTP serves, where a link leads nowhere.
 */
#include "net/user/policy.h"

#include <errno.h>
#include <seccomp.h>
#include <stdlib.h>
#include "lib/sandbox.h"

static const SandboxCall calls[] = {
    { SCMP_SYS(socket), "connections of the guest", 0 },
    { SCMP_SYS(connect), "connections of the guest", 0 },
    { SCMP_SYS(bind), "UDP and forwarded ports", 0 },
    { SCMP_SYS(listen), "forwarded ports", 0 },
    { SCMP_SYS(accept), "forwarded ports", 0 },
    { SCMP_SYS(accept4), "forwarded ports", 0 },
    { SCMP_SYS(getsockname), "forwarded ports", 0 },
    { SCMP_SYS(getpeername), "connections of the guest", 0 },
    { SCMP_SYS(getsockopt), "connect's result", 0 },
    { SCMP_SYS(setsockopt), "no delay, out-of-band data", 0 },
    { SCMP_SYS(sendto), "data", 0 },
    { SCMP_SYS(recvfrom), "data", 0 },
    { SCMP_SYS(sendmsg), "data", 0 },
    { SCMP_SYS(recvmsg), "data", 0 },
    { SCMP_SYS(sendmmsg), "frames", 0 },
    { SCMP_SYS(recvmmsg), "frames", 0 },
    { SCMP_SYS(read), "data", 0 },
    { SCMP_SYS(readv), "data", 0 },
    { SCMP_SYS(shutdown), "half-closed connections", 0 },
    { SCMP_SYS(fcntl), "non-blocking sockets", 0 },
    { SCMP_SYS(ioctl), "urgent data mark, pending bytes", 0 },
    { SCMP_SYS(openat), "resolv.conf, files for TFTP", 0 },
    { SCMP_SYS(newfstatat), "resolv.conf", 0 },
    { SCMP_SYS(fstat), "resolv.conf", 0 },
    { SCMP_SYS(lseek), "resolv.conf", 0 },
    { SCMP_SYS(mprotect), "memory", 0 },
    { SCMP_SYS(getrandom), "initial sequence numbers", 0 },
    { 0, NULL, 0 },
};

bool net_user_restrict(const char *tftp, GError **error)
{
    g_autofree char *file = realpath("/etc/resolv.conf", NULL);
    g_autofree char *directory = g_path_get_dirname(file ? file : "/etc/resolv.conf");
    const char *const readable[] = { "/etc", directory, tftp, NULL };

    if (!sandbox_read_below(readable)) {
        g_info("this kernel has no Landlock: files can be read that need not be");
    }
    return sandbox_enter(calls, error);
}
