/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest.c - what bench/run.py measures inside the guest: short loops that each stress one thing,
 * and sequential disk transfers.  Every test prints one line, "BENCH name value unit", by the
 * guest's own monotonic clock; of several tries the best counts.  Static, no threads.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TRIES 3
#define DISK_TRIES 10
#define MIB (1u << 20)

static double now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec + ts.tv_nsec * 1e-9;
}

/* Multiplication, shifts, a branch that depends on data: 4 million rounds. */
static uint64_t integers(void)
{
    uint64_t x = 88172645463325252ull, sum = 0;

    for (unsigned i = 0; i < 4000000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        sum += x & 1 ? x * 31 : x >> 3;
    }
    return sum;
}

static double integer_loop(void)
{
    volatile uint64_t sink;
    double start = now();

    sink = integers();
    (void)sink;
    return (now() - start) * 1e9 / 4000000;
}

static double floats(void)
{
    volatile double sink;
    double start = now(), x = 1.0, sum = 0;

    for (unsigned i = 1; i <= 1000000; i++) {
        x = x * 1.0000001 + 1.0 / i;
        sum += x;
    }
    sink = sum;
    (void)sink;
    return (now() - start) * 1e9 / 1000000;
}

/* A recursive call tree: near calls, returns, the stack. */
static unsigned __attribute__((noinline)) calls(unsigned n)
{
    return n < 2 ? n : calls(n - 1) + calls(n - 2);
}

static double call_return(void)
{
    volatile unsigned sink;
    double start = now();

    sink = calls(25);
    (void)sink;
    return (now() - start) * 1e9 / 242785;
}

/* Dependent loads over 8 MiB: the TLB and the cost of a load. */
static double pointer_chase(void)
{
    size_t n = 8 * MIB / sizeof(uint32_t), at = 0;
    uint32_t *next = malloc(n * sizeof *next);
    volatile size_t sink;
    double start;

    for (size_t i = 0; i < n; i++) {
        next[i] = (i * 1664525u + 1013904223u) % n;
    }
    start = now();
    for (unsigned i = 0; i < 1000000; i++) {
        at = next[at];
    }
    sink = at;
    (void)sink;
    free(next);
    return (now() - start) * 1e9 / 1000000;
}

static double copy_memory(void)
{
    char *a = malloc(8 * MIB), *b = malloc(8 * MIB);
    double start;

    memset(a, 1, 8 * MIB);
    memset(b, 2, 8 * MIB);
    start = now();
    for (unsigned i = 0; i < 8; i++) {
        memcpy(a, b, 8 * MIB);
        __asm__ volatile("" ::: "memory");
    }
    start = 64 / (now() - start);
    free(a);
    free(b);
    return start;
}

static double getppid_loop(void)
{
    double start = now();

    for (unsigned i = 0; i < 50000; i++) {
        syscall(SYS_getppid);
    }
    return (now() - start) * 1e9 / 50000;
}

static double page_fault(void)
{
    size_t pages = 2048;
    double start = now();
    char *p = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    for (size_t i = 0; i < pages; i++) {
        p[i * 4096] = 1;
    }
    munmap(p, pages * 4096);
    return (now() - start) * 1e6 / pages;
}

static double fork_exit(void)
{
    double start = now();

    for (unsigned i = 0; i < 50; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            _exit(0);
        }
        waitpid(pid, NULL, 0);
    }
    return (now() - start) * 1e6 / 50;
}

static double ping_pong(void)
{
    int there[2], back[2];
    char c = 0;
    double start;
    pid_t pid;

    if (pipe(there) < 0 || pipe(back) < 0) {
        return 0;
    }
    pid = fork();
    if (pid == 0) {
        while (read(there[0], &c, 1) == 1 && c == 0 && write(back[1], &c, 1) == 1) {
        }
        _exit(0);
    }
    start = now();
    for (unsigned i = 0; i < 2000; i++) {
        if (write(there[1], &c, 1) != 1 || read(back[0], &c, 1) != 1) {
            break;
        }
    }
    start = (now() - start) * 1e6 / 2000;
    c = 1;
    if (write(there[1], &c, 1) == 1) {
        waitpid(pid, NULL, 0);
    }
    return start;
}

static const struct {
    const char *name, *unit;
    double (*run)(void);
    int higher_is_better;
} tests[] = {
    { "integer", "ns/round", integer_loop, 0 },
    { "float", "ns/round", floats, 0 },
    { "call", "ns/call", call_return, 0 },
    { "chase", "ns/load", pointer_chase, 0 },
    { "memcpy", "MiB/s", copy_memory, 1 },
    { "getppid", "ns/call", getppid_loop, 0 },
    { "fault", "us/page", page_fault, 0 },
    { "fork", "us/child", fork_exit, 0 },
    { "pipe", "us/round", ping_pong, 0 },
};

static void run_all(void)
{
    for (unsigned i = 0; i < sizeof tests / sizeof *tests; i++) {
        double best = 0;

        for (unsigned n = 0; n < TRIES; n++) {
            double v = tests[i].run();

            if (n == 0 || (tests[i].higher_is_better ? v > best : v < best)) {
                best = v;
            }
        }
        printf("BENCH %s %.3f %s\n", tests[i].name, best, tests[i].unit);
        fflush(stdout);
    }
}

/* The best of the tries, and all of them. */
static void tell(const char *name, const double *rate, const char *unit)
{
    double best = 0;

    printf("TRIES %s", name);
    for (unsigned n = 0; n < DISK_TRIES; n++) {
        printf(" %.1f", rate[n]);
        best = rate[n] > best ? rate[n] : best;
    }
    printf("\nBENCH %s %.3f %s\n", name, best, unit);
}

/* In how many pieces the buffer lies in the guest's memory: what the drive is told depends on it. */
static void tell_pieces(const char *buf)
{
    int fd = open("/proc/self/pagemap", O_RDONLY);
    uint64_t entry, before = 0;
    unsigned pieces = 0;

    for (size_t at = 0; at < MIB; at += 4096) {
        if (pread(fd, &entry, sizeof entry, (uintptr_t)(buf + at) / 4096 * 8) != sizeof entry) {
            break;
        }
        entry &= (1ull << 55) - 1;
        pieces += entry != before + 1;
        before = entry;
    }
    printf("PIECES %u\n", pieces);
    close(fd);
}

/* 64 MiB from the disk's start, 1 MiB at a time, without the guest's page cache. */
static int disk(const char *path, int writing)
{
    int fd = open(path, (writing ? O_WRONLY : O_RDONLY) | O_DIRECT);
    void *buf = NULL;
    double rate[DISK_TRIES];

    if (fd < 0 || posix_memalign(&buf, 4096, MIB)) {
        perror(path);
        return 1;
    }
    memset(buf, 0x5a, MIB);
    tell_pieces(buf);
    for (unsigned n = 0; n < DISK_TRIES; n++) {
        double start = now();

        for (unsigned i = 0; i < 64; i++) {
            ssize_t done = writing ? pwrite(fd, buf, MIB, (off_t)i * MIB)
                                   : pread(fd, buf, MIB, (off_t)i * MIB);

            if (done != MIB) {
                perror(path);
                return 1;
            }
        }
        rate[n] = 64 / (now() - start);
    }
    tell(writing ? "disk-write" : "disk-read", rate, "MiB/s");
    free(buf);
    close(fd);
    return 0;
}

/* 4 KiB at random places of the first 64 MiB, one at a time, as IDE does; sync: each stable. */
static int scattered(const char *path, int writing, int sync)
{
    int fd = open(path, (writing ? O_WRONLY : O_RDONLY) | O_DIRECT);
    void *buf = NULL;
    unsigned seed = 1, count = sync ? 200 : 2000;
    double rate[DISK_TRIES];

    if (fd < 0 || posix_memalign(&buf, 4096, 4096)) {
        perror(path);
        return 1;
    }
    memset(buf, 0xa5, 4096);
    for (unsigned n = 0; n < DISK_TRIES; n++) {
        double start = now();

        for (unsigned i = 0; i < count; i++) {
            off_t at = (off_t)(rand_r(&seed) % 16384) * 4096;
            ssize_t done = writing ? pwrite(fd, buf, 4096, at) : pread(fd, buf, 4096, at);

            if (done != 4096 || (sync && fdatasync(fd))) {
                perror(path);
                return 1;
            }
        }
        rate[n] = count / (now() - start);
    }
    tell(sync ? "disk-4k-write-sync" : writing ? "disk-4k-write" : "disk-4k-read", rate, "/s");
    free(buf);
    close(fd);
    return 0;
}

/* The CD itself, from its start. */
static int cd(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECT);
    void *buf = NULL;
    double rate[DISK_TRIES];

    if (fd < 0 || posix_memalign(&buf, 4096, MIB)) {
        perror(path);
        return 1;
    }
    for (unsigned n = 0; n < DISK_TRIES; n++) {
        double start = now();
        unsigned mib = 0;

        while (mib < 16 && pread(fd, buf, MIB, (off_t)mib * MIB) == MIB) {
            mib++;
        }
        rate[n] = mib / (now() - start);
    }
    tell("cd-read", rate, "MiB/s");
    free(buf);
    close(fd);
    return 0;
}

/* Makes the guest's memory resident, as a guest that has run for a while has it. */
static void touch(unsigned mib)
{
    char *p = mmap(NULL, (size_t)mib * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                   0);

    for (size_t i = 0; p != MAP_FAILED && i < (size_t)mib * MIB; i += 4096) {
        p[i] = 1;
    }
}

int main(int argc, char **argv)
{
    if (argc == 1) {
        run_all();
    } else if (argc == 3 && !strcmp(argv[1], "read")) {
        return disk(argv[2], 0);
    } else if (argc == 3 && !strcmp(argv[1], "write")) {
        return disk(argv[2], 1);
    } else if (argc == 3 && !strcmp(argv[1], "scattered")) {
        return scattered(argv[2], 0, 0) | scattered(argv[2], 1, 0) | scattered(argv[2], 1, 1);
    } else if (argc == 3 && !strcmp(argv[1], "read4k")) {
        return scattered(argv[2], 0, 0);
    } else if (argc == 3 && !strcmp(argv[1], "write4k")) {
        return scattered(argv[2], 1, 0);
    } else if (argc == 3 && !strcmp(argv[1], "sync4k")) {
        return scattered(argv[2], 1, 1);
    } else if (argc == 3 && !strcmp(argv[1], "cd")) {
        return cd(argv[2]);
    } else if (argc == 3 && !strcmp(argv[1], "touch")) {
        touch(atoi(argv[2]));
    } else {
        fprintf(stderr, "usage: bench [read|write|scattered|read4k|write4k|sync4k DISK | cd CD | touch MIB]\n");
        return 2;
    }
    return 0;
}
