/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vcpu.c - vCPU threads: run the engine, sleep in halts, obey INIT, SIPI, pause and the end.
 */
#include "hypervisor/vcpu.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <xen/vcpu.h>
#include <xen/hvm/params.h>
#include "hypervisor/dm_channel.h"
#include "hypervisor/gdb_server.h"
#include "hypervisor/platform_glue.h"
#include "hypervisor/pvtime.h"

#define ATTR_CODE 0x9b          /* present, code, readable, accessed */
#define ATTR_DATA 0x93
#define ATTR_LDT 0x82
#define ATTR_TSS 0x8b           /* busy 32-bit TSS */
#define RFLAGS_IF (1u << 9)
#define HALT_POLL_MIN_NS 20000
#define HALT_POLL_MAX_NS 400000
#define HALT_YIELD_NS 30000

/* Vcpu.sleeping: on event_seq; or on the shared word, where the device model's posts wake it too. */
enum { AWAKE, SLEEPS_ALONE, SLEEPS_FOR_ALL };

static void futex_wake(uint32_t *word, bool shared)
{
    syscall(SYS_futex, word, shared ? FUTEX_WAKE : FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* --- state --- */

void vcpu_reset_state(VcpuState *s, int sipi)
{
    static const uint8_t fcw_init[2] = { 0x7f, 0x03 };
    int64_t tsc_offset = s->tsc_offset;
    uint64_t tsc_aux = s->tsc_aux;
    uint32_t mxcsr = 0x1f80;

    memset(s, 0, sizeof *s);
    s->tsc_offset = tsc_offset;
    s->tsc_aux = tsc_aux;
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        s->seg[i] = (SegState){ .limit = 0xffff, .attr = ATTR_DATA };
    }
    s->seg[SEG_CS] = (SegState){ .base = 0xffff0000, .limit = 0xffff, .selector = 0xf000,
                                 .attr = ATTR_CODE };
    s->rip = 0xfff0;
    if (sipi >= 0) {
        s->seg[SEG_CS].selector = sipi << 8;
        s->seg[SEG_CS].base = (uint64_t)sipi << 12;
        s->rip = 0;
    }
    s->ldtr = (SegState){ .limit = 0xffff, .attr = ATTR_LDT };
    s->tr = (SegState){ .limit = 0xffff, .attr = ATTR_TSS };
    s->gdt_limit = s->idt_limit = 0xffff;
    s->rflags = 2;
    s->cr0 = 0x60000010;
    s->xcr0 = 1;
    s->dr[6] = 0xffff0ff0;
    s->dr[7] = 0x400;
    s->pat = 0x0007040600070406;
    s->misc_enable = 1;
    memcpy(s->xsave, fcw_init, 2);
    memcpy(s->xsave + 24, &mxcsr, 4);
    s->xsave_size = 576;
}

const VcpuState *vcpu_state(Vcpu *v)
{
    if (!v->state_valid) {
        const EngineOps *ops = v->dom->ops;

        (ops->get_mode ? ops->get_mode : ops->get_system ? ops->get_system : ops->get_state)(v->ev, v->state);
        v->state_valid = true;
    }
    return v->state;
}

int64_t vcpu_tsc_offset(Vcpu *v)
{
    const EngineOps *ops = v->dom->ops;

    if (ops->tsc_offset) {
        return ops->tsc_offset(v->ev);
    }
    v->state_valid = false;     /* the guest may have moved it since */
    return vcpu_state(v)->tsc_offset;
}

/* --- wake-ups --- */

/* Out of either sleep, if it is in one. */
static void wake(Vcpu *v)
{
    uint32_t sleeping = __atomic_load_n(&v->sleeping, __ATOMIC_SEQ_CST);

    if (sleeping == SLEEPS_FOR_ALL) {
        uint32_t *word = &v->dom->shared->vcpu[v->id].waiting;

        if (__atomic_exchange_n(word, 0, __ATOMIC_SEQ_CST)) {
            futex_wake(word, true);
        }
    } else if (sleeping) {
        futex_wake(&v->event_seq, false);
    }
}

void vcpu_kick(Vcpu *v)
{
    __atomic_fetch_add(&v->event_seq, 1, __ATOMIC_SEQ_CST);
    if (v->ev) {
        v->dom->ops->kick(v->ev, false);
    }
    wake(v);
}

void vcpu_stop(Vcpu *v)
{
    __atomic_fetch_add(&v->event_seq, 1, __ATOMIC_SEQ_CST);
    if (v->ev) {
        v->dom->ops->kick(v->ev, true);
    }
    wake(v);
    if (v->dom->aborting && v->dom->shared) {
        uint32_t *word = &v->dom->shared->vcpu[v->id].waiting;

        __atomic_store_n(word, 0, __ATOMIC_SEQ_CST);
        futex_wake(word, true);
    }
}

void vcpu_set_phase(Vcpu *v, enum VcpuPhase phase)
{
    Domain *d = v->dom;

    __atomic_store_n(&v->phase, phase, __ATOMIC_SEQ_CST);
    if (phase != VCPU_IN_GUEST &&
        (__atomic_load_n(&d->pauses, __ATOMIC_SEQ_CST) || d->sleeping || d->shut_down ||
         d->dying)) {
        pthread_mutex_lock(&d->run_lock);
        pthread_cond_broadcast(&d->run_cond);
        pthread_mutex_unlock(&d->run_lock);
    }
}

bool vcpu_must_stop(const Vcpu *v)
{
    const Domain *d = v->dom;

    return __atomic_load_n(&d->pauses, __ATOMIC_SEQ_CST) || d->sleeping || d->shut_down ||
           d->dying || v->init_pending || !v->online || v->debug.hold;
}

static void set_runstate(Vcpu *v, uint32_t state)
{
    domain_lock(v->dom);
    pvtime_runstate(v, state);
    if (state == RUNSTATE_blocked) {
        event_renew_upcall(v);
    }
    domain_unlock(v->dom);
}

/*
 * Looks for a while before a halted vCPU sleeps: the answer of a disk comes sooner than two threads
 * wake up.  How long adapts to how short the last halts were; long ones are not waited for at all.
 */
static void poll_before_sleep(Vcpu *v, uint32_t seq)
{
    const Domain *d = v->dom;
    int64_t now = monotonic_ns(), end = now + v->halt_poll_ns, yield = now + HALT_YIELD_NS;

    do {
        if (now >= yield) {         /* the device model may wait for this processor */
            sched_yield();
            yield = now + HALT_YIELD_NS;
        }
        for (unsigned n = 0; n < 32; n++) {
            if (__atomic_load_n(&v->event_seq, __ATOMIC_ACQUIRE) != seq ||
                __atomic_load_n(&d->shared->post_prod, __ATOMIC_ACQUIRE) != d->post_cons) {
                return;
            }
            __builtin_ia32_pause();
        }
        now = monotonic_ns();
    } while (now < end && ioreq_may_look(v));
}

static void adapt_poll(Vcpu *v, int64_t halted_ns)
{
    v->halt_poll_ns = halted_ns > HALT_POLL_MAX_NS ? 0
                      : MIN(MAX(2 * v->halt_poll_ns, HALT_POLL_MIN_NS), HALT_POLL_MAX_NS);
}

/*
 * Who is woken by what the device model posts.  A halted vCPU takes that over from the service thread:
 * mostly the post is an interrupt for it, and one wake-up is saved.  While it polls nobody is woken.
 */
static void take_posts(const Vcpu *v, uint32_t who)
{
    __atomic_store_n(&v->dom->shared->hv_waiting, who, __ATOMIC_SEQ_CST);
}

/* Back to the service thread, unless another vCPU has it now. */
static void leave_posts(const Vcpu *v)
{
    uint32_t *word = &v->dom->shared->hv_waiting, who = __atomic_load_n(word, __ATOMIC_RELAXED);

    while ((who == DM_WAKE_NOBODY || who == DM_WAKE_VCPU + v->id) &&
           !__atomic_compare_exchange_n(word, &who, DM_WAKE_SERVICE, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_RELAXED)) {
    }
    dm_drain_posts(v->dom);
}

/* Until an event of this process (seq: those seen) or a post. */
static void sleep_for_all(Vcpu *v, uint32_t seq)
{
    Domain *d = v->dom;
    uint32_t *word = &d->shared->vcpu[v->id].waiting;

    __atomic_store_n(word, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&v->sleeping, SLEEPS_FOR_ALL, __ATOMIC_SEQ_CST);
    take_posts(v, DM_WAKE_VCPU + v->id);
    if (__atomic_load_n(&v->event_seq, __ATOMIC_SEQ_CST) == seq && !vcpu_must_stop(v) &&
        __atomic_load_n(&d->shared->post_prod, __ATOMIC_SEQ_CST) == d->post_cons) {
        syscall(SYS_futex, word, FUTEX_WAIT, 1, NULL, NULL, 0);
    }
    __atomic_store_n(&v->sleeping, SLEEPS_ALONE, __ATOMIC_SEQ_CST);
    __atomic_store_n(word, 0, __ATOMIC_SEQ_CST);
}

void vcpu_block(Vcpu *v, bool (*done)(Vcpu *v))
{
    Domain *d = v->dom;
    int64_t start = monotonic_ns();
    bool slept = false, polled = d->ioreq.single_cpu;

    for (;;) {
        uint32_t seq = __atomic_load_n(&v->event_seq, __ATOMIC_SEQ_CST);

        __atomic_store_n(&v->sleeping, SLEEPS_ALONE, __ATOMIC_SEQ_CST);
        if (vcpu_must_stop(v) || vcpu_irq_pending(v) || (done && done(v))) {
            break;
        }
        if (!slept) {
            set_runstate(v, RUNSTATE_blocked);
            slept = true;
            continue;           /* that may have found something to do */
        }
        if (__atomic_load_n(&d->shared->post_prod, __ATOMIC_ACQUIRE) != d->post_cons) {
            dm_drain_posts(d);
            continue;
        }
        if (!polled && v->halt_poll_ns && ioreq_may_look(v)) {
            polled = true;
            take_posts(v, DM_WAKE_NOBODY);
            poll_before_sleep(v, seq);
            continue;
        }
        sleep_for_all(v, seq);
    }
    __atomic_store_n(&v->sleeping, AWAKE, __ATOMIC_SEQ_CST);
    leave_posts(v);
    adapt_poll(v, monotonic_ns() - start);
    if (slept) {
        set_runstate(v, RUNSTATE_running);
    }
}

/* CLI; HLT: only an NMI ends it, whatever the chips want to deliver. */
static void sleep_masked(Vcpu *v)
{
    for (;;) {
        uint32_t seq = __atomic_load_n(&v->event_seq, __ATOMIC_SEQ_CST);

        __atomic_store_n(&v->sleeping, SLEEPS_ALONE, __ATOMIC_SEQ_CST);
        if (vcpu_must_stop(v) || (vcpu_irq_pending(v) & IRQ_NMI)) {
            break;
        }
        syscall(SYS_futex, &v->event_seq, FUTEX_WAIT_PRIVATE, seq, NULL, NULL, 0);
    }
    __atomic_store_n(&v->sleeping, AWAKE, __ATOMIC_SEQ_CST);
}

static void halted(Vcpu *v)
{
    uint64_t taken = __atomic_load_n(&v->irqs_taken, __ATOMIC_RELAXED);

    /* Halting again with an interrupt pending that nobody took: is it masked? */
    if (vcpu_irq_pending(v) == IRQ_EXTINT && taken == v->irqs_at_halt) {
        v->state_valid = false;
        if (!(vcpu_state(v)->rflags & RFLAGS_IF)) {
            v->state_valid = false;
            sleep_masked(v);
            return;
        }
        v->state_valid = false;
    }
    v->irqs_at_halt = taken;
    vcpu_block(v, NULL);
}

/* --- INIT, SIPI, up, down --- */

static void lock_run(Vcpu *v)
{
    pthread_mutex_lock(&v->dom->run_lock);
}

static void unlock_run(Vcpu *v)
{
    pthread_cond_broadcast(&v->dom->run_cond);
    pthread_mutex_unlock(&v->dom->run_lock);
}

void vcpu_init_signal(Vcpu *v)
{
    lock_run(v);
    v->init_pending = true;
    v->sipi_vector = -1;
    unlock_run(v);
    vcpu_stop(v);
}

void vcpu_sipi(Vcpu *v, uint8_t vector)
{
    lock_run(v);
    if ((v->init_pending || !v->online) && v->sipi_vector < 0) {
        v->sipi_vector = vector;
    }
    unlock_run(v);
}

void vcpu_bring_up(Vcpu *v, const VcpuState *s)
{
    lock_run(v);
    if (!v->online) {
        if (s) {
            g_free(v->start_state);
            v->start_state = g_memdup2(s, sizeof *s);
        }
        v->online = true;
    }
    unlock_run(v);
}

void vcpu_take_down(Vcpu *v)
{
    lock_run(v);
    v->online = false;
    v->sipi_vector = -1;
    unlock_run(v);
    vcpu_stop(v);
}

void vcpu_nmi(Vcpu *v)
{
    v->nmi_pending = true;
    vcpu_kick(v);
}

/* --- the thread --- */

/* Handles what came while the vCPU was stopped; run_lock held.  True: it may run now. */
static bool may_run(Vcpu *v)
{
    if (v->init_pending) {
        v->init_pending = false;
        v->online = false;
    }
    if (!v->online && v->sipi_vector >= 0) {
        v->dom->ops->get_state(v->ev, v->state);
        vcpu_reset_state(v->state, v->sipi_vector);
        v->dom->ops->set_state(v->ev, v->state);
        v->state_valid = false;
        v->sipi_vector = -1;
        v->online = true;
    }
    return v->online && !v->debug.hold && !v->dom->pauses && !v->dom->sleeping && !v->dom->shut_down;
}

/* Waits for leave to run; false: the domain is going. */
static bool await_turn(Vcpu *v)
{
    Domain *d = v->dom;
    bool go, waited = false;

    pthread_mutex_lock(&d->run_lock);
    __atomic_store_n(&v->phase, VCPU_OUT, __ATOMIC_SEQ_CST);
    while (!d->dying && !may_run(v)) {
        if (!waited) {
            uint32_t state = v->online ? RUNSTATE_runnable : RUNSTATE_offline;

            waited = true;
            pthread_cond_broadcast(&d->run_cond);
            pthread_mutex_unlock(&d->run_lock);
            set_runstate(v, state);
            pthread_mutex_lock(&d->run_lock);
            continue;
        }
        pthread_cond_wait(&d->run_cond, &d->run_lock);
    }
    go = !d->dying;
    if (go) {
        v->phase = VCPU_IN_GUEST;
        if (v->start_state) {
            d->ops->set_state(v->ev, v->start_state);
            v->state_valid = false;
            g_free(v->start_state);
            v->start_state = NULL;
        }
    }
    pthread_cond_broadcast(&d->run_cond);
    pthread_mutex_unlock(&d->run_lock);
    if (go && waited) {
        domain_lock(d);
        v->state_valid = false;
        pvtime_runstate(v, RUNSTATE_running);
        pvtime_update(v);
        v->state_valid = false;
        domain_unlock(d);
    }
    return go;
}

static void triple_fault(Vcpu *v)
{
    uint64_t reason = v->dom->param[HVM_PARAM_TRIPLE_FAULT_REASON];
    const VcpuState *s = v->state;

    /* Where, for whoever wrote that guest.  (KVM on AMD has only what a reset leaves.) */
    v->dom->ops->get_state(v->ev, v->state);
    v->state_valid = false;
    domain_log(v->dom, "vCPU %u: triple fault at %04x:%08" PRIx64 ", cr0=%" PRIx64 " cr2=%" PRIx64
               " cr3=%" PRIx64 " cr4=%" PRIx64 " efer=%" PRIx64 " esp=%04x:%08" PRIx64
               " gdt=%" PRIx64 "/%x idt=%" PRIx64 "/%x", v->id, s->seg[SEG_CS].selector, s->rip, s->cr0,
               s->cr2, s->cr3, s->cr4, s->efer, s->seg[SEG_SS].selector, s->gpr[4], s->gdt_base,
               s->gdt_limit, s->idt_base, s->idt_limit);
    domain_shutdown(v->dom, reason <= SHUTDOWN_CRASH ? (ShutdownReason)reason : SHUTDOWN_REBOOT);
}

static void *vcpu_main(void *opaque)
{
    Vcpu *v = opaque;
    Domain *d = v->dom;

    v->tid = syscall(SYS_gettid);
    device_door_take(&v->door);
    while (await_turn(v)) {
        enum VcpuStop stop;

        if (v->debug.triple_fault) {
            triple_fault(v);
            continue;
        }
        v->last_cpu = sched_getcpu();
        stop = d->ops->run(v->ev);
        v->state_valid = false;
        switch (stop) {
        case VCPU_STOP_KICKED:
            break;
        case VCPU_STOP_HALTED:
            halted(v);
            break;
        case VCPU_STOP_TRIPLE_FAULT:
            if (!gdb_vcpu_triple_fault(v)) {
                triple_fault(v);
            }
            break;
        case VCPU_STOP_DEBUG:
            gdb_vcpu_stopped(v);
            break;
        case VCPU_STOP_ERROR:
            domain_crash(d, "vCPU %u: the CPU engine can't go on", v->id);
            break;
        }
        pvtime_refresh(v);
    }
    vcpu_set_phase(v, VCPU_OUT);
    return NULL;
}

Vcpu *vcpu_new(Domain *d, unsigned id, GError **error)
{
    Vcpu *v = g_new0(Vcpu, 1);

    v->dom = d;
    v->id = id;
    v->last_cpu = -1;
    v->sipi_vector = -1;
    v->info_gpa = UINT64_MAX;
    v->info = id < 32 ? event_shared_info(d) + 64 * id : v->spare_info;
    v->state = g_new0(VcpuState, 1);
    v->spin_ns = 20000;
    pvtime_init_vcpu(v);
    v->ev = d->ops->vcpu_create(d->engine, v, id, 2 * id, &d->shared->post_prod, &d->post_cons);
    if (!v->ev) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "vCPU %u: the engine refused it", id);
        vcpu_free(v);
        return NULL;
    }
    d->ops->get_state(v->ev, v->state);
    vcpu_reset_state(v->state, -1);
    v->state->tsc_offset = d->tsc_offset;
    v->state->tsc_aux = d->tsc_aux;
    d->ops->set_state(v->ev, v->state);
    return v;
}

bool vcpu_start(Vcpu *v, GError **error)
{
    int rc = pthread_create(&v->thread, NULL, vcpu_main, v);
    char name[16];

    if (rc) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(rc), "vCPU %u: thread: %s", v->id,
                    g_strerror(rc));
        return false;
    }
    v->thread_running = true;
    g_snprintf(name, sizeof name, "vcpu %u", v->id);
    pthread_setname_np(v->thread, name);
    return true;
}

void vcpu_join(Vcpu *v)
{
    if (v->thread_running) {
        pthread_join(v->thread, NULL);
        v->thread_running = false;
        device_lock_forget(&v->dom->lock, &v->door);
    }
}

void vcpu_free(Vcpu *v)
{
    if (v->ev) {
        v->dom->ops->vcpu_destroy(v->ev);
    }
    device_lock_forget(&v->dom->lock, &v->door);
    g_free(v->start_state);
    g_free(v->state);
    g_free(v);
}

uint64_t vcpu_cpu_ns(const Vcpu *v)
{
    struct timespec ts;
    clockid_t clock;

    if (!v->thread_running || pthread_getcpuclockid(v->thread, &clock) ||
        clock_gettime(clock, &ts) < 0) {
        return 0;
    }
    return ts.tv_sec * (uint64_t)NS_PER_S + ts.tv_nsec;
}
