/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sandbox.c - libseccomp allow list over all threads, libcap-ng for the capabilities; checked
 * afterwards by reading our own status, so that a kernel that does not confine us is noticed.
 */
#include "lib/sandbox.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool fail(GError **error, const char *what, int code)
{
    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(code), "sandbox: %s: %s", what,
                g_strerror(code));
    return false;
}

/* What every process needs, whatever it is for: GLib's loop and log, the C library. */
static const SandboxCall base_calls[] = {
    { SCMP_SYS(brk), "memory", 0 },
    { SCMP_SYS(mmap), "memory", 0 },
    { SCMP_SYS(munmap), "memory", 0 },
    { SCMP_SYS(mremap), "memory", 0 },
    { SCMP_SYS(madvise), "memory", 0 },
    { SCMP_SYS(futex), "locks", 0 },
    { SCMP_SYS(poll), "the loop", 0 },
    { SCMP_SYS(ppoll), "the loop", 0 },
    { SCMP_SYS(clock_gettime), "time", 0 },         /* these where the vDSO can't */
    { SCMP_SYS(gettimeofday), "time", 0 },
    { SCMP_SYS(time), "time", 0 },
    { SCMP_SYS(write), "log, descriptors that wake the loop", 0 },
    { SCMP_SYS(writev), "log", 0 },
    { SCMP_SYS(getpid), "log", 0 },
    { SCMP_SYS(close), "descriptors no longer needed", 0 },
    { SCMP_SYS(gettid), "abort", 0 },
    { SCMP_SYS(tgkill), "abort", 0 },
    { SCMP_SYS(rt_sigprocmask), "signals", 0 },
    { SCMP_SYS(rt_sigaction), "signals", 0 },
    { SCMP_SYS(rt_sigreturn), "signals", 0 },
    { SCMP_SYS(restart_syscall), "signals", 0 },
    { SCMP_SYS(exit), "end of a thread", 0 },
    { SCMP_SYS(exit_group), "end", 0 },
    { 0, NULL, 0 },
};

typedef struct Limit {
    int number;
    struct scmp_arg_cmp argument;       /* must hold; several rows for a call are alternatives */
} Limit;

/* Allows one row of a policy, as far as the limits of all processes go. */
static int allow(scmp_filter_ctx ctx, int number)
{
    const Limit limits[] = {
        { SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD) },
        { SCMP_SYS(open), SCMP_A1(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY) },
        { SCMP_SYS(openat), SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY) },
        { SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, AF_INET) },
        { SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, AF_INET6) },
        { SCMP_SYS(mmap), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0) },
        { SCMP_SYS(mprotect), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0) },
        { SCMP_SYS(tgkill), SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()) },
    };
    bool limited = false;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < G_N_ELEMENTS(limits); i++) {
        if (limits[i].number == number) {
            limited = true;
            rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, number, 1, limits[i].argument);
        }
    }
    return limited ? rc : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, number, 0);
}

static int allow_all(scmp_filter_ctx ctx, const SandboxCall *c)
{
    int rc = 0;

    for (; rc == 0 && c->why; c++) {
        rc = c->error ? seccomp_rule_add(ctx, SCMP_ACT_ERRNO(c->error), c->number, 0)
                      : allow(ctx, c->number);
    }
    return rc;
}

static bool load_filter(const SandboxCall *calls, uint32_t otherwise, GError **error)
{
    scmp_filter_ctx ctx = seccomp_init(otherwise);
    int rc = ctx ? 0 : -ENOMEM;

    if (rc == 0) {
        rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
    }
    if (rc == 0 && otherwise != SCMP_ACT_KILL_PROCESS) {
        rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_LOG, 1);
    }
    if (rc == 0) {
        rc = allow_all(ctx, base_calls);
    }
    if (rc == 0) {
        rc = allow_all(ctx, calls);
    }
    if (rc == 0) {              /* for the check at the end of sandbox_enter() */
        rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
                              SCMP_A0(SCMP_CMP_EQ, PR_GET_SECCOMP));
    }
    if (rc == 0) {
        rc = seccomp_load(ctx);
    }
    seccomp_release(ctx);
    return rc == 0 || fail(error, "system call filter", -rc);
}

bool sandbox_enter(const SandboxCall *calls, GError **error)
{
    const char *mode = getenv("GUESTHOUSE_SANDBOX");
    bool log = mode && !strcmp(mode, "log");

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        return fail(error, "no_new_privs", errno);
    }
    if (mode && !strcmp(mode, "off")) {
        return true;
    }
    capng_clear(CAPNG_SELECT_BOTH);
    if (capng_apply(CAPNG_SELECT_CAPS) < 0) {
        return fail(error, "dropping capabilities", EPERM);
    }
    if (!log) {
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    }
    if (!load_filter(calls, log ? SCMP_ACT_ERRNO(ENOSYS) : SCMP_ACT_KILL_PROCESS, error)) {
        return false;
    }
    return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2 || fail(error, "filter is not in force", EPERM);
}

bool sandbox_read_below(const char *const *directories)
{
    /* what the first Landlock knows: from executing to making links */
    struct landlock_ruleset_attr all = { .handled_access_fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1 };
    int rules = syscall(SYS_landlock_create_ruleset, &all, sizeof all.handled_access_fs, 0);
    bool ok = rules >= 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;

    for (; ok && *directories; directories++) {
        struct landlock_path_beneath_attr rule = {
            .allowed_access = LANDLOCK_ACCESS_FS_READ_FILE,
            .parent_fd = open(*directories, O_PATH | O_DIRECTORY | O_CLOEXEC),
        };

        if (rule.parent_fd >= 0) {      /* what is not there needs no rule */
            ok = syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
            close(rule.parent_fd);
        }
    }
    ok = ok && syscall(SYS_landlock_restrict_self, rules, 0) == 0;
    if (rules >= 0) {
        close(rules);
    }
    return ok;
}

void sandbox_keep_fds(const int *fds, unsigned n)
{
    int next = 3;

    for (;;) {
        int lowest = -1;

        for (unsigned i = 0; i < n; i++) {
            if (fds[i] >= next && (lowest < 0 || fds[i] < lowest)) {
                lowest = fds[i];
            }
        }
        if (lowest < 0) {
            close_range(next, ~0u, 0);
            return;
        }
        if (lowest > next) {
            close_range(next, lowest - 1, 0);
        }
        next = lowest + 1;
    }
}
