/* SPDX-License-Identifier: GPL-2.0-or-later */
/* look_test.c - who looks for what the device model will do, and who sleeps: by where both run. */
#include <criterion/criterion.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "hypervisor/ioreq.h"
#include "tests/hypervisor/bare_domain.h"

#define FOR_EVER_NS 10000000000ll
#define STATE_BYTE 30

typedef struct Wait {
    Domain *d;
    bool here;                  /* the device model, on the vCPU's processor */
    uint64_t got;
    pthread_t thread;
} Wait;

static bool enough;             /* tests are processes of their own */

static bool done(Vcpu *v)
{
    (void)v;
    return __atomic_load_n(&enough, __ATOMIC_SEQ_CST);
}

/* Stays where it is; the device model was there last, or on another. */
static void settle(const Wait *w)
{
    int cpu = sched_getcpu();
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    cr_assert_eq(sched_setaffinity(0, sizeof one, &one), 0);
    __atomic_store_n(&w->d->shared->dm_processor, w->here ? cpu + 1 : cpu + 2, __ATOMIC_SEQ_CST);
}

static void *ask(void *opaque)
{
    Wait *w = opaque;
    ioreq_t req = { .addr = 0x300, .size = 4, .count = 1, .type = IOREQ_TYPE_PIO, .dir = IOREQ_READ };

    settle(w);
    ioreq_send(w->d->vcpu[0], &req);
    w->got = req.data;
    return NULL;
}

static void *halt(void *opaque)
{
    Wait *w = opaque;

    settle(w);
    vcpu_block(w->d->vcpu[0], done);
    return NULL;
}

static void start(Wait *w, void *(*what)(void *), bool here)
{
    w->here = here;
    w->d = bare_domain();
    w->d->pauses = 0;
    for (unsigned i = 0; i < w->d->nvcpus; i++) {
        w->d->vcpu[i]->online = true;
    }
    w->d->ioreq.single_cpu = false;
    w->d->vcpu[0]->spin_ns = w->d->vcpu[0]->halt_poll_ns = FOR_EVER_NS;
    cr_assert_eq(pthread_create(&w->thread, NULL, what, w), 0);
}

static bool becomes(const uint32_t *word, uint32_t value, unsigned ms)
{
    for (unsigned i = 0; i < ms && __atomic_load_n(word, __ATOMIC_SEQ_CST) != value; i++) {
        usleep(1000);
    }
    return __atomic_load_n(word, __ATOMIC_SEQ_CST) == value;
}

static uint64_t answer(Wait *w)
{
    uint32_t *word = &w->d->shared->vcpu[0].waiting;
    uint8_t *slot = (uint8_t *)&w->d->ioreq.slots[0];

    while ((__atomic_load_n(slot + STATE_BYTE, __ATOMIC_SEQ_CST) & 15) != STATE_IOREQ_READY) {
        usleep(100);
    }
    w->d->ioreq.slots[0].data = 0x1234;
    __atomic_store_n(slot + STATE_BYTE, STATE_IORESP_READY, __ATOMIC_SEQ_CST);
    if (__atomic_exchange_n(word, 0, __ATOMIC_SEQ_CST)) {
        syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
    }
    pthread_join(w->thread, NULL);
    bare_domain_free(w->d);
    return w->got;
}

static void wake(Wait *w)
{
    __atomic_store_n(&enough, true, __ATOMIC_SEQ_CST);
    vcpu_kick(w->d->vcpu[0]);
    pthread_join(w->thread, NULL);
    bare_domain_free(w->d);
}

Test(look, a_vcpu_sleeps_at_once_when_the_device_model_needs_its_processor, .timeout = 30)
{
    Wait w;

    start(&w, ask, true);
    cr_expect(becomes(&w.d->shared->vcpu[0].waiting, 1, 5000));
    cr_expect_neq(w.d->shared->vcpu[0].processor, 0, "and tells where it was");
    cr_expect_eq(answer(&w), 0x1234);
}

Test(look, a_vcpu_looks_for_an_answer_from_another_processor, .timeout = 30)
{
    Wait w;

    start(&w, ask, false);
    cr_expect_not(becomes(&w.d->shared->vcpu[0].waiting, 1, 100));
    cr_expect_eq(answer(&w), 0x1234);
}

/* It comes while the vCPU looks. */
Test(look, a_vcpu_that_looks_gives_way_to_the_device_model, .timeout = 30)
{
    Wait w;

    start(&w, ask, false);
    cr_expect_not(becomes(&w.d->shared->vcpu[0].waiting, 1, 20));
    __atomic_store_n(&w.d->shared->dm_processor, w.d->shared->vcpu[0].processor, __ATOMIC_SEQ_CST);
    cr_expect(becomes(&w.d->shared->vcpu[0].waiting, 1, 5000));
    cr_expect_eq(answer(&w), 0x1234);
}

Test(look, a_halted_vcpu_sleeps_at_once_when_the_device_model_needs_its_processor, .timeout = 30)
{
    Wait w;

    start(&w, halt, true);
    cr_expect(becomes(&w.d->shared->hv_waiting, DM_WAKE_VCPU, 5000));
    wake(&w);
}

Test(look, a_halted_vcpu_looks_for_an_interrupt_from_another_processor, .timeout = 30)
{
    Wait w;

    start(&w, halt, false);
    cr_expect(becomes(&w.d->shared->hv_waiting, DM_WAKE_NOBODY, 5000));
    cr_expect_not(becomes(&w.d->shared->hv_waiting, DM_WAKE_VCPU, 100));
    wake(&w);
}
