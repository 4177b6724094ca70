/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * points.c - /init of points.iso: lets Linux put breakpoints of the processor's into another process, as a
 * debugger does (ptrace(2), PTRACE_POKEUSER of u_debugreg), and tells on the console how often they were
 * met, by which debug registers, how often at the right place, and how many milliseconds it took.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TURNS = 4000000, EACH = 1000000, EXEC = 0, WRITE_4 = 0xd };

static volatile unsigned watched __attribute__((aligned(4096))), others[2048];
static volatile unsigned sum __attribute__((aligned(4096)));

__attribute__((noinline)) static void seldom(void)
{
    others[1]++;
    __asm__ volatile("");
}

static void work(void)
{
    for (unsigned n = 0; n < TURNS; n++) {
        sum += n;
        if (n % EACH == 3) {
            seldom();
            watched = n;
        }
    }
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void *debug_register(unsigned n)
{
    return (void *)(offsetof(struct user, u_debugreg) + n * sizeof(long));
}

static pid_t stopped_child(void)
{
    pid_t child = fork();

    if (!child) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        work();
        _exit(sum == (unsigned)((uint64_t)TURNS * (TURNS - 1) / 2) ? 7 : 1);
    }
    waitpid(child, NULL, 0);
    return child;
}

/* DR n with a breakpoint at address; met right: RIP is address. */
static void measure(const char *name, unsigned n, const volatile void *address, unsigned long kind)
{
    unsigned long dr7 = address ? 1ul << (2 * n) | kind << (16 + 4 * n) : 0, dr6 = 0;
    unsigned hits = 0, right = 0;
    pid_t child = stopped_child();
    int status = 0;
    double start;

    if (address && (ptrace(PTRACE_POKEUSER, child, debug_register(n), address) ||
                    ptrace(PTRACE_POKEUSER, child, debug_register(7), dr7)))
        perror("PTRACE_POKEUSER");
    start = now();
    ptrace(PTRACE_CONT, child, 0, 0);
    while (waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
        struct user_regs_struct r;

        hits++;
        dr6 |= (unsigned long)ptrace(PTRACE_PEEKUSER, child, debug_register(6), 0) & 15;
        ptrace(PTRACE_GETREGS, child, 0, &r);
        right += r.rip == (unsigned long)address;
        ptrace(PTRACE_POKEUSER, child, debug_register(6), 0);
        ptrace(PTRACE_CONT, child, 0, 0);
    }
    printf("POINTS %s: hits %u dr6 %lx right %u exit %d ms %.0f\n", name, hits, dr6, right, WEXITSTATUS(status),
           now() - start);
}

int main(void)
{
    pid_t other;
    int fd;

    mount("dev", "/dev", "devtmpfs", 0, "");
    fd = open("/dev/ttyS0", O_RDWR);
    if (fd >= 0)
        dup2(fd, 1);
    setvbuf(stdout, NULL, _IOLBF, 0);
    measure("none", 0, NULL, 0);
    measure("unused", 1, (const void *)(uintptr_t)&main, EXEC);
    measure("instruction", 2, (const void *)(uintptr_t)&seldom, EXEC);
    measure("data", 3, &watched, WRITE_4);
    measure("elsewhere", 0, &others[1024], WRITE_4);
    other = fork();
    if (!other)
        for (;;)
            sched_yield();
    measure("shared", 0, (const void *)(uintptr_t)&seldom, EXEC);
    kill(other, SIGKILL);
    waitpid(other, NULL, 0);
    printf("POINTS end\n");
    sleep(1);
    reboot(RB_POWER_OFF);
    for (;;)
        pause();
}
