/* SPDX-License-Identifier: GPL-2.0-or-later */
/* halt.c - a halted vCPU sleeps for all: the device model's posts wake it, as its own process does. */
#include <criterion/criterion.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "hypervisor/dm_channel.h"
#include "tests/hypervisor/bare_domain.h"

static bool enough;             /* tests are processes of their own */

static bool done(Vcpu *v)
{
    (void)v;
    return __atomic_load_n(&enough, __ATOMIC_SEQ_CST);
}

static void *halt(void *v)
{
    vcpu_block(v, done);
    return NULL;
}

static bool becomes(const uint32_t *word, uint32_t value)
{
    for (unsigned i = 0; i < 5000 && __atomic_load_n(word, __ATOMIC_SEQ_CST) != value; i++) {
        usleep(1000);
    }
    return __atomic_load_n(word, __ATOMIC_SEQ_CST) == value;
}

static Domain *domain_that_halts(pthread_t *thread, unsigned vcpu)
{
    Domain *d = bare_domain();

    d->pauses = 0;
    for (unsigned i = 0; i < d->nvcpus; i++) {
        d->vcpu[i]->online = true;
    }
    cr_assert_eq(pthread_create(thread, NULL, halt, d->vcpu[vcpu]), 0);
    return d;
}

/* As dm/hv.c does it. */
static void post(Domain *d, uint32_t irq)
{
    DmShared *s = d->shared;
    uint32_t who;

    s->post[s->post_prod % DM_POSTS] = (DmPost){ .op = DM_POST_ISA_IRQ, .a = irq, .b = 1 };
    __atomic_fetch_add(&s->post_prod, 1, __ATOMIC_SEQ_CST);
    who = __atomic_exchange_n(&s->hv_waiting, DM_WAKE_NOBODY, __ATOMIC_SEQ_CST);
    if (who >= DM_WAKE_VCPU) {
        uint32_t *word = &s->vcpu[who - DM_WAKE_VCPU].waiting;

        if (__atomic_exchange_n(word, 0, __ATOMIC_SEQ_CST)) {
            syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
        }
    }
}

static void finish(Domain *d, pthread_t thread, unsigned vcpu)
{
    __atomic_store_n(&enough, true, __ATOMIC_SEQ_CST);
    vcpu_kick(d->vcpu[vcpu]);
    pthread_join(thread, NULL);
}

Test(halt, a_post_wakes_the_halted_vcpu_itself, .timeout = 30)
{
    pthread_t thread;
    Domain *d = domain_that_halts(&thread, 1);

    for (unsigned i = 1; i <= 100; i++) {
        cr_assert(becomes(&d->shared->hv_waiting, DM_WAKE_VCPU + 1));
        post(d, i % 16);
        cr_assert(becomes(&d->shared->post_cons, i), "post %u was not taken", i);
    }
    cr_assert(becomes(&d->shared->hv_waiting, DM_WAKE_VCPU + 1));
    finish(d, thread, 1);
    cr_expect_eq(d->shared->hv_waiting, DM_WAKE_SERVICE, "it gave the posts back");
    cr_expect_eq(d->shared->vcpu[1].waiting, 0);
    bare_domain_free(d);
}

Test(halt, kicks_and_posts_at_any_moment_are_not_lost, .timeout = 60)
{
    pthread_t thread;
    Domain *d = domain_that_halts(&thread, 0);

    for (unsigned i = 1; i <= 3000; i++) {
        if (i % 3 == 0) {
            vcpu_kick(d->vcpu[0]);
        }
        post(d, i % 16);
        for (unsigned k = 0; k < i % 97; k++) {
            __builtin_ia32_pause();
        }
        if (i % 8 == 0) {
            cr_assert(becomes(&d->shared->post_cons, i), "post %u was not taken", i);
        }
    }
    finish(d, thread, 0);
    bare_domain_free(d);
}

/* Another that halts later has it, and keeps it when the first goes. */
Test(halt, the_last_to_halt_takes_the_posts, .timeout = 30)
{
    pthread_t first, second;
    Domain *d = domain_that_halts(&first, 0);

    cr_assert(becomes(&d->shared->hv_waiting, DM_WAKE_VCPU));
    cr_assert_eq(pthread_create(&second, NULL, halt, d->vcpu[1]), 0);
    cr_assert(becomes(&d->shared->hv_waiting, DM_WAKE_VCPU + 1));
    finish(d, first, 0);
    cr_expect_eq(d->shared->hv_waiting, DM_WAKE_VCPU + 1);
    finish(d, second, 1);
    cr_expect_eq(d->shared->hv_waiting, DM_WAKE_SERVICE);
    bare_domain_free(d);
}
