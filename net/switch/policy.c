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
    { SCMP_SYS(fcntl), "descriptors received", 0 },
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
