/* SPDX-License-Identifier: GPL-2.0-or-later */
/* device_lock_test.c - one at a time is inside, by whatever way; the door opens and closes. */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/membarrier.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "hypervisor/device_lock.h"

#define VCPUS 3

typedef struct Shared {
    DeviceLock lock;
    DeviceDoor door[VCPUS];
    volatile unsigned inside, overlaps; /* not atomic: the lock's own doing */
    volatile uint64_t sum;
    bool stop, alone;
    uint64_t did[VCPUS + 1], by_door[VCPUS];
} Shared;

typedef struct Who { Shared *s; unsigned n; } Who;

static void work(Shared *s)
{
    s->overlaps += s->inside != 0;
    s->inside = 1;
    s->sum++;
    __asm__ volatile("" : : : "memory");
    s->inside = 0;
}

static void *vcpu(void *opaque)
{
    Who *w = opaque;
    Shared *s = w->s;
    DeviceDoor *door = &s->door[w->n];

    device_door_take(door);
    while (!__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE)) {
        if (device_try(&s->lock, door)) {
            s->by_door[w->n] += door->inside;
            work(s);
            device_leave(&s->lock, door);
            s->did[w->n]++;
        }
        if (s->did[w->n] % 5000 == 7) {         /* a vCPU that waits for it, too */
            device_lock(&s->lock);
            work(s);
            device_unlock(&s->lock);
            s->did[w->n]++;
        }
    }
    return NULL;
}

static void pause_us(unsigned us)
{
    struct timespec ts = { 0, us * 1000L };

    nanosleep(&ts, NULL);
}

static void run(Shared *s, unsigned vcpus, unsigned turns, unsigned pause)
{
    pthread_t t[VCPUS];
    Who who[VCPUS];

    device_lock_init(&s->lock);
    for (unsigned n = 0; n < vcpus; n++) {
        who[n] = (Who){ s, n };
        pthread_create(&t[n], NULL, vcpu, &who[n]);
    }
    for (unsigned n = 0; n < turns; n++) {
        pause_us(pause);
        device_lock(&s->lock);
        work(s);
        device_unlock(&s->lock);
        s->did[VCPUS]++;
    }
    pause_us(20000);
    __atomic_store_n(&s->stop, true, __ATOMIC_RELEASE);
    for (unsigned n = 0; n < vcpus; n++) {
        pthread_join(t[n], NULL);
    }
    cr_expect_eq(s->overlaps, 0);
    cr_expect_eq(s->sum, s->did[0] + s->did[1] + s->did[2] + s->did[VCPUS]);
    device_lock_destroy(&s->lock);
}

Test(device_lock, one_vcpu_and_another_thread_take_turns, .timeout = 30)
{
    static Shared s;

    run(&s, 1, 1500, 100);
    cr_expect(!s.lock.doors || s.by_door[0] > 2 * DOOR_TURNS, "%llu by the door",
              (unsigned long long)s.by_door[0]);
}

Test(device_lock, several_vcpus_and_another_thread_take_turns, .timeout = 30)
{
    static Shared s;

    run(&s, VCPUS, 500, 100);
}

Test(device_lock, a_door_opens_after_many_turns_and_is_closed_by_others)
{
    DeviceLock l;
    DeviceDoor a = { .thread = pthread_self() }, b = a;

    device_lock_init(&l);
    if (!l.doors) {
        cr_skip_test("no membarrier()");
    }
    for (unsigned n = 0; n <= DOOR_TURNS; n++) {
        cr_expect_not(a.open);
        cr_assert(device_try(&l, &a));
        cr_expect_not(a.inside);
        device_leave(&l, &a);
    }
    cr_expect(a.open);
    cr_assert(device_try(&l, &a));
    cr_expect(a.inside);
    device_leave(&l, &a);
    cr_expect_not(a.inside);
    device_lock(&l);                    /* its own thread */
    cr_expect(a.open);
    device_unlock(&l);
    cr_assert(device_try(&l, &b));      /* another vCPU */
    cr_expect_not(a.open);
    cr_expect_not(device_try(&l, &a), "taken");
    device_leave(&l, &b);
    cr_assert(device_try(&l, &a));
    cr_expect_not(a.inside);
    device_leave(&l, &a);
    for (unsigned n = 0; n <= DOOR_TURNS; n++) {
        device_try(&l, &a);
        device_leave(&l, &a);
    }
    cr_expect(a.open);
    memset(&a.thread, 0, sizeof a.thread);
    device_lock(&l);                    /* another thread */
    cr_expect_not(a.open);
    cr_expect_not(device_try(&l, &a));
    device_unlock(&l);
    for (unsigned n = 0; n < DOOR_TURNS; n++) {
        device_try(&l, &a);
        device_leave(&l, &a);
    }
    cr_expect_not(a.open, "counted from the beginning");
    for (unsigned n = 0; n <= DOOR_TURNS; n++) {
        device_try(&l, &a);
        device_leave(&l, &a);
    }
    cr_assert(device_try(&l, &a));
    cr_assert(a.inside);
    cr_expect_not(device_try(&l, &b), "it doesn't wait for who is inside");
    cr_expect_not(a.open);
    device_leave(&l, &a);
    cr_assert(device_try(&l, &a));
    device_leave(&l, &a);
    cr_expect_not(a.open, "not at once again");
    cr_assert(device_try(&l, &b));
    device_leave(&l, &b);
    device_lock_forget(&l, &b);
    cr_expect_null(l.door);
    device_lock_destroy(&l);
}

/* From here on membarrier() fails for this command with this error. */
static bool barrier_fails(int command, int error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)command, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof code / sizeof *code, code };

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

Test(device_lock, door_is_closed_by_the_slow_barrier_when_the_quick_one_fails_and_stays_closed)
{
    DeviceLock l;
    DeviceDoor a = { 0 };

    device_lock_init(&l);
    if (!l.doors) {
        cr_skip_test("no membarrier()");
    }
    device_door_take(&a);
    for (unsigned n = 0; n <= DOOR_TURNS; n++) {
        cr_assert(device_try(&l, &a));
        device_leave(&l, &a);
    }
    cr_assert(a.open);
    if (!barrier_fails(MEMBARRIER_CMD_PRIVATE_EXPEDITED, ENOMEM)) {
        cr_skip_test("no seccomp");
    }
    memset(&a.thread, 0, sizeof a.thread);
    device_lock(&l);                    /* as another thread */
    cr_expect_not(a.open);
    cr_expect_not(l.doors, "that is too slow to be done again");
    device_unlock(&l);
    for (unsigned n = 0; n <= DOOR_TURNS; n++) {
        cr_assert(device_try(&l, &a));
        device_leave(&l, &a);
    }
    cr_expect_not(a.open);
    device_lock_destroy(&l);
}
