/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sandbox.c - a policy that allows everything the processes' policies do: what lib/sandbox.c limits
 * all the same.  Each attempt is made by a child, which a forbidden call kills.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "lib/sandbox.h"

static const SandboxCall calls[] = {
    { SCMP_SYS(clone), "threads", 0 }, { SCMP_SYS(openat), "files", 0 },
    { SCMP_SYS(clone3), "none: falls back to clone", ENOSYS },
    { SCMP_SYS(socket), "sockets", 0 }, { SCMP_SYS(mprotect), "memory", 0 },
    { SCMP_SYS(set_robust_list), "threads", 0 }, { SCMP_SYS(rseq), "threads", 0 },
    { SCMP_SYS(sched_getaffinity), "threads", 0 },
    { 0, NULL, 0 },
};

static pid_t self;

/* The signal that ended an attempt, 0 if it came through. */
static int attempt(void (*what)(void))
{
    int status;
    pid_t pid;

#ifdef __SANITIZE_ADDRESS__
    cr_skip_test("the sanitizer makes system calls of its own");
#endif
    pid = fork();
    if (pid == 0) {
        self = getpid();
        unsetenv("GUESTHOUSE_SANDBOX");
        if (!sandbox_enter(calls, NULL)) {
            _exit(1);
        }
        what();
        _exit(0);
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void *nothing(void *opaque)
{
    return opaque;
}

static void make_thread(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, nothing, NULL) != 0) {
        _exit(1);
    }
    pthread_join(thread, NULL);
}

static void make_process(void) { syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL); }
static void read_file(void) { syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY); }
static void write_file(void) { syscall(SYS_openat, AT_FDCWD, "/dev/null", O_WRONLY); }
static void create_file(void) { syscall(SYS_openat, AT_FDCWD, "/dev/null", O_CREAT, 0600); }
static void internet(void) { syscall(SYS_socket, AF_INET6, SOCK_STREAM, 0); }
static void local_socket(void) { syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0); }
static void signal_self(void) { syscall(SYS_tgkill, self, self, 0); }
static void signal_parent(void) { syscall(SYS_tgkill, 1, 1, 0); }

static void executable_memory(void)
{
    syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

Test(sandbox, threads_are_made_but_no_processes)
{
    cr_expect_eq(attempt(make_thread), 0);
    cr_expect_eq(attempt(make_process), SIGSYS);
}

Test(sandbox, files_are_opened_for_reading_only)
{
    cr_expect_eq(attempt(read_file), 0);
    cr_expect_eq(attempt(write_file), SIGSYS);
    cr_expect_eq(attempt(create_file), SIGSYS);
}

static void read_below_etc(void)
{
    static const char *const directories[] = { "/etc", "/nowhere", NULL };

    if (sandbox_read_below(directories) &&
        (open("/etc/passwd", O_RDONLY) < 0 || open("/proc/self/status", O_RDONLY) >= 0 ||
         open("/etc/passwd", O_RDWR) >= 0)) {
        _exit(1);
    }
}

Test(sandbox, files_are_read_below_the_named_directories)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        read_below_etc();
        _exit(0);
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

Test(sandbox, local_sockets_are_out_of_reach)
{
    cr_expect_eq(attempt(internet), 0);
    cr_expect_eq(attempt(local_socket), SIGSYS);
}

Test(sandbox, memory_is_never_executable)
{
    cr_expect_eq(attempt(executable_memory), SIGSYS);
}

Test(sandbox, only_the_process_itself_gets_its_signals)
{
    cr_expect_eq(attempt(signal_self), 0);
    cr_expect_eq(attempt(signal_parent), SIGSYS);
}

/* What GLib's loop and an abort need is there without being listed. */
static void base_only(void)
{
    struct pollfd nothing_to_watch = { .fd = -1 };
    struct timespec now;
    void *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    poll(&nothing_to_watch, 1, 0);
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    if (p == MAP_FAILED || munmap(p, 4096) != 0 || write(2, "", 0) < 0 ||
        syscall(SYS_getpid) != self || close(0) != 0) {
        _exit(1);
    }
    abort();
}

static void not_listed(void) { syscall(SYS_uname, NULL); }

Test(sandbox, every_process_has_the_base_and_nothing_else)
{
    cr_expect_eq(attempt(base_only), SIGABRT);
    cr_expect_eq(attempt(not_listed), SIGSYS);
}
