/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpus.c - /init of cpus64.iso and cpus32.iso (tests/system/test_processors.py): says what Linux has found of
 * the processors and their time stamp counters, has all of them do a job whose result is known, compares their
 * counters with each other, and switches off.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { CPUS = 128, PIECES = 512, PIECE_STEPS = 4000, LOOKS = 4000, ADDS = 20000 };

typedef struct {
    pthread_t thread;
    unsigned cpu, pieces, stranger, aux;
    uint64_t sum;
} Worker;

static Worker worker[CPUS];
static pthread_barrier_t together;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint next_piece;
static atomic_ulong counter;
static uint64_t last_tsc, backward;
static int has_rdtscp, has_tsc;

/* --- what Linux says --- */

static char *slurp(const char *path)
{
    static char text[65536];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    ssize_t n;

    while (fd >= 0 && len < sizeof text - 1 && (n = read(fd, text + len, sizeof text - 1 - len)) > 0) {
        len += (size_t)n;
    }
    if (fd >= 0) {
        close(fd);
    }
    text[len] = 0;
    return text;
}

/* Lines of the first processor, and how many of the others say the same of their features. */
static void say_cpuinfo(void)
{
    static const char *const names[] = { "vendor_id", "cpu family", "model\t", "stepping", "flags", "fdiv_bug" };
    char *text = slurp("/proc/cpuinfo"), *end = strstr(text, "\n\n"), first[4096] = "", *at, *flags;
    unsigned same = 0;

    for (unsigned n = 0; n < sizeof names / sizeof names[0]; n++) {
        at = strstr(text, names[n]);
        if (at && at < end) {
            printf("CPUS %.*s\n", (int)strcspn(at, "\n"), at);
        }
    }
    flags = strstr(text, "flags");
    if (flags) {
        snprintf(first, sizeof first, "%.*s", (int)strcspn(flags, "\n") + 1, flags);
        has_rdtscp = strstr(first, " rdtscp") != NULL;
        has_tsc = strstr(first, " tsc ") != NULL;
    }
    for (at = text; *first && (at = strstr(at, first)); at++) {
        same++;
    }
    printf("CPUS same features: %u\n", same);
}

static void say_line(const char *what, const char *path)
{
    char *text = slurp(path);

    printf("CPUS %s: %.*s\n", what, (int)strcspn(text, "\n"), text);
}

static void say_log(void)
{
    static char text[1 << 18];
    int len = klogctl(3, text, sizeof text - 1);
    char *save, *line;

    text[len > 0 ? len : 0] = 0;
    for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (strstr(line, "tsc") || strstr(line, "TSC") || strstr(line, "WARNING") || strstr(line, "Oops") ||
            strstr(line, "unchecked MSR")) {
            printf("CPUS log: %s\n", line);
        }
    }
}

/* --- what the processors do --- */

static uint64_t tsc(void)
{
    uint32_t lo, hi;

    __asm__ volatile("lfence\n\trdtsc" : "=a"(lo), "=d"(hi) : : "memory");
    return lo | (uint64_t)hi << 32;
}

static unsigned tsc_aux(void)
{
    uint32_t lo, hi, aux;

    __asm__ volatile("rdtscp" : "=a"(lo), "=d"(hi), "=c"(aux));
    return aux;
}

static uint64_t piece(uint32_t n)
{
    uint32_t x = n * 2654435761u + 1;
    uint64_t sum = 0;

    for (unsigned i = 0; i < PIECE_STEPS; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        sum += x;
    }
    return sum;
}

static void *work(void *arg)
{
    Worker *w = arg;
    cpu_set_t set;
    unsigned n, now;

    CPU_ZERO(&set);
    CPU_SET(w->cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
    pthread_barrier_wait(&together);
    while ((n = next_piece++) < PIECES) {
        w->sum += piece(n);
        w->pieces++;
    }
    for (n = 0; n < ADDS; n++) {
        counter++;
    }
    if (getcpu(&now, NULL) || now != w->cpu) {
        w->stranger = 1 + now;
    }
    w->aux = has_rdtscp ? tsc_aux() : 0;
    pthread_barrier_wait(&together);
    for (n = 0; has_tsc && n < LOOKS; n++) {
        uint64_t t;

        pthread_mutex_lock(&lock);
        t = tsc();
        backward += t < last_tsc;
        last_tsc = t;
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

static void all_work(unsigned cpus)
{
    uint64_t sum = 0, right = 0;
    unsigned strangers = 0, pieces = 0;

    pthread_barrier_init(&together, NULL, cpus);
    for (unsigned n = 0; n < cpus; n++) {
        worker[n].cpu = n;
        if (pthread_create(&worker[n].thread, NULL, work, &worker[n])) {
            printf("CPUS no thread %u\n", n);
            return;
        }
    }
    printf("CPUS aux:");
    for (unsigned n = 0; n < cpus; n++) {
        pthread_join(worker[n].thread, NULL);
        sum += worker[n].sum;
        pieces += worker[n].pieces;
        strangers += worker[n].stranger != 0;
        printf(" %u", worker[n].aux);
    }
    for (unsigned n = 0; n < PIECES; n++) {
        right += piece(n);
    }
    printf("\nCPUS job: pieces %u %s, additions %s, other processors %u\n", pieces, sum == right ? "right" : "wrong",
           counter == (unsigned long)cpus * ADDS ? "right" : "wrong", strangers);
    printf("CPUS tsc: backward %llu\n", (unsigned long long)backward);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC_RAW, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* The best of some tries: what comes between the two clocks' readings is no part of it. */
static void say_frequency(void)
{
    double best = 1e9, khz = 0;

    for (unsigned n = 0; n < 5; n++) {
        double since = now(), end, slack;
        uint64_t from = tsc(), to;

        slack = now() - since;
        while ((end = now()) < since + 0.05) {
        }
        to = tsc();
        slack += now() - end;
        if (slack < best) {
            best = slack;
            khz = (double)(to - from) / (end - since) / 1e3;
        }
    }
    printf("CPUS khz: %.0f\n", khz);
}

int main(void)
{
    unsigned cpus;

    mount("proc", "/proc", "proc", 0, "");
    mount("sysfs", "/sys", "sysfs", 0, "");
    setvbuf(stdout, NULL, _IOLBF, 0);
    say_cpuinfo();
    say_line("online", "/sys/devices/system/cpu/online");
    say_line("clocksource", "/sys/devices/system/clocksource/clocksource0/current_clocksource");
    say_line("clocksources", "/sys/devices/system/clocksource/clocksource0/available_clocksource");
    cpus = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    all_work(cpus < CPUS ? cpus : CPUS);
    if (has_tsc) {
        say_frequency();
    }
    say_log();
    printf("CPUS end\n");
    sync();
    reboot(RB_POWER_OFF);
    for (;;) {
        pause();
    }
}
