/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kvm.c - the KVM engine: guest code on the host's CPU through /dev/kvm (Linux' Documentation/virt/
 * kvm/api.rst), with no interrupt controller or timer of KVM's, as Xen's differ from them.
 * Interrupts go in by KVM_INTERRUPT.  Hypercalls come by KVM_CAP_XEN_HVM; where KVM lacks it,
 * kvm_calls.c gets them.
 */
#include "hypervisor/kvm/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "hypervisor/kvm/kvm_internal.h"

#define KICK_SIGNAL SIGUSR2
#define XEN_UNUSED_MSR 0x4ffffff0u      /* for KVM's own hypercall page: nobody asks for it */
#define IO_LEN 4096

static int given_fd = -1;       /* before any engine or thread exists */

void kvm_set_fd(int fd)
{
    given_fd = fd;
}

/* --- engine --- */

static void try_xen_hypercalls(Engine *e)
{
    struct kvm_xen_hvm_config c = { .flags = KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL,
                                    .msr = XEN_UNUSED_MSR };
    int offered = ioctl(e->vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_XEN_HVM);

    e->xen_hcalls = offered > 0 && (offered & KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL) &&
                    ioctl(e->vm_fd, KVM_XEN_HVM_CONFIG, &c) == 0;
}

static const char *missing_feature(Engine *e)
{
    static const struct { int cap; const char *name; } needed[] = {
        { KVM_CAP_USER_MEMORY, "user memory" }, { KVM_CAP_X86_USER_SPACE_MSR, "user-space MSRs" },
        { KVM_CAP_X86_MSR_FILTER, "MSR filters" }, { KVM_CAP_IMMEDIATE_EXIT, "immediate exits" },
        { KVM_CAP_READONLY_MEM, "read-only memory" }, { KVM_CAP_XSAVE, "XSAVE state" },
        { KVM_CAP_VCPU_EVENTS, "event state" }, { KVM_CAP_DEBUGREGS, "debug registers" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(needed); i++) {
        if (ioctl(e->dev_fd, KVM_CHECK_EXTENSION, needed[i].cap) <= 0) {
            return needed[i].name;
        }
    }
    return NULL;
}

static void on_kick_signal(int sig)
{
    (void)sig;                  /* only its coming matters: KVM_RUN returns */
}

static void install_kick(void)
{
    struct sigaction sa = { .sa_handler = on_kick_signal };
    sigset_t set;

    sigemptyset(&sa.sa_mask);
    sigaction(KICK_SIGNAL, &sa, NULL);
    sigemptyset(&set);
    sigaddset(&set, KICK_SIGNAL);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void kvm_destroy(Engine *e)
{
    if (e->vm_fd >= 0) {
        close(e->vm_fd);
    }
    if (e->own_dev_fd && e->dev_fd >= 0) {
        close(e->dev_fd);
    }
    kvm_assist_finish(e);
    kvm_memory_finish(e);
    pthread_mutex_destroy(&e->memory);
    pthread_mutex_destroy(&e->lock);
    pthread_mutex_destroy(&e->ring_lock);
    pthread_cond_destroy(&e->cond);
    g_free(e);
}

static bool open_vm(Engine *e, char **why)
{
    uint64_t ident = KVM_SCRATCH;
    const char *missing = "the usual API";
    int size, slots;

    e->own_dev_fd = given_fd < 0;
    e->dev_fd = e->own_dev_fd ? open("/dev/kvm", O_RDWR | O_CLOEXEC) : given_fd;
    if (e->dev_fd < 0) {
        *why = g_strdup_printf("/dev/kvm: %s", g_strerror(errno));
        return false;
    }
    if (ioctl(e->dev_fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION ||
        (missing = missing_feature(e))) {
        *why = g_strdup_printf("this host's KVM lacks %s", missing);
        return false;
    }
    do {
        e->vm_fd = ioctl(e->dev_fd, KVM_CREATE_VM, 0);
    } while (e->vm_fd < 0 && errno == EINTR);
    size = ioctl(e->dev_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (e->vm_fd < 0 || size < (int)sizeof(struct kvm_run)) {
        *why = g_strdup_printf("KVM makes no machine: %s", g_strerror(errno));
        return false;
    }
    e->run_size = size;
    ioctl(e->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &ident);
    ioctl(e->vm_fd, KVM_SET_TSS_ADDR, (unsigned long)KVM_SCRATCH + 4096);
    slots = ioctl(e->dev_fd, KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS);
    e->slot_limit = CLAMP(slots, 8, KVM_MAX_SLOTS);
    if (!kvm_filter_msrs(e) || !kvm_memory_init(e)) {
        *why = g_strdup_printf("KVM refused the machine's set-up: %s", g_strerror(errno));
        return false;
    }
    return true;
}

static Engine *kvm_create(const GuestMemory *mem, const EngineHost *host, char **why)
{
    Engine *e = g_new0(Engine, 1);
    g_autofree char *reason = NULL;

    e->mem = mem;
    e->host = host;
    e->dev_fd = e->vm_fd = -1;
    pthread_mutex_init(&e->memory, NULL);
    pthread_mutex_init(&e->lock, NULL);
    pthread_mutex_init(&e->ring_lock, NULL);
    pthread_cond_init(&e->cond, NULL);
    if (!open_vm(e, &reason)) {
        if (why) {
            *why = g_steal_pointer(&reason);
        }
        kvm_destroy(e);
        return NULL;
    }
    try_xen_hypercalls(e);
    kvm_regs_init(e);
    kvm_read_caps(e);
    kvm_assist_init(e);
    e->caps.bare_hypercalls = e->xen_hcalls || e->assist;
    install_kick();
    return e;
}

static void kvm_caps(Engine *e, EngineCaps *caps)
{
    *caps = e->caps;
}

/* --- vCPUs in and out of guest code --- */

static bool flag(const bool *f)
{
    return __atomic_load_n(f, __ATOMIC_SEQ_CST);
}

static void set_flag(bool *f, bool value)
{
    __atomic_store_n(f, value, __ATOMIC_SEQ_CST);
}

static void interrupt_run(EngineVcpu *ev)
{
    __atomic_store_n(&ev->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
    if (flag(&ev->in_guest) && flag(&ev->running) && !pthread_equal(ev->thread, pthread_self())) {
        pthread_kill(ev->thread, KICK_SIGNAL);
    }
}

static void leave_guest(EngineVcpu *ev)
{
    Engine *e = ev->e;

    set_flag(&ev->in_guest, false);
    if (__atomic_load_n(&e->stopping, __ATOMIC_SEQ_CST)) {
        pthread_mutex_lock(&e->lock);
        pthread_cond_broadcast(&e->cond);
        pthread_mutex_unlock(&e->lock);
    }
}

static void enter_guest(EngineVcpu *ev)
{
    Engine *e = ev->e;

    for (;;) {
        set_flag(&ev->in_guest, true);
        if (!__atomic_load_n(&e->stopping, __ATOMIC_SEQ_CST)) {
            return;
        }
        leave_guest(ev);
        pthread_mutex_lock(&e->lock);
        while (e->stopping) {
            pthread_cond_wait(&e->cond, &e->lock);
        }
        pthread_mutex_unlock(&e->lock);
    }
}

void kvm_vcpus_out(Engine *e)
{
    pthread_mutex_lock(&e->lock);
    __atomic_fetch_add(&e->stopping, 1, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < e->nvcpus; i++) {
        EngineVcpu *ev = e->vcpu[i];

        while (ev && flag(&ev->in_guest)) {
            struct timespec t;

            interrupt_run(ev);
            clock_gettime(CLOCK_REALTIME, &t);
            t.tv_nsec += 2000000;       /* the signal may come just before KVM_RUN: try again */
            if (t.tv_nsec >= 1000000000) {
                t.tv_nsec -= 1000000000;
                t.tv_sec++;
            }
            pthread_cond_timedwait(&e->cond, &e->lock, &t);
        }
    }
    pthread_mutex_unlock(&e->lock);
}

void kvm_vcpus_go(Engine *e)
{
    pthread_mutex_lock(&e->lock);
    __atomic_fetch_sub(&e->stopping, 1, __ATOMIC_SEQ_CST);
    pthread_cond_broadcast(&e->cond);
    pthread_mutex_unlock(&e->lock);
}

static EngineVcpu *kvm_vcpu_create(Engine *e, Vcpu *v, unsigned id, unsigned apic_id,
                                   const uint32_t *ring_prod, const uint32_t *ring_seen)
{
    EngineVcpu *ev = g_new0(EngineVcpu, 1);

    (void)apic_id;              /* CPUID tells it; KVM has no APIC of its own here */
    *ev = (EngineVcpu){ .e = e, .v = v, .id = id, .ring_prod = ring_prod, .ring_seen = ring_seen,
                        .flags_stale = true, .misc_enable = 1, .apic_on = true };
    ev->fd = e->nvcpus < KVM_MAX_VCPUS ? ioctl(e->vm_fd, KVM_CREATE_VCPU, (unsigned long)id) : -1;
    if (ev->fd < 0) {
        g_warning("kvm: vCPU %u: %s", id, g_strerror(errno));
        g_free(ev);
        return NULL;
    }
    ev->run = mmap(NULL, e->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, ev->fd, 0);
    if (ev->run == MAP_FAILED) {
        g_warning("kvm: vCPU %u: %s", id, g_strerror(errno));
        close(ev->fd);
        g_free(ev);
        return NULL;
    }
    kvm_collect_init(ev);
    pthread_mutex_lock(&e->lock);
    e->vcpu[e->nvcpus++] = ev;
    pthread_mutex_unlock(&e->lock);
    return ev;
}

static void kvm_vcpu_destroy(EngineVcpu *ev)
{
    Engine *e = ev->e;

    pthread_mutex_lock(&e->lock);
    for (unsigned i = 0; i < e->nvcpus; i++) {
        if (e->vcpu[i] == ev) {
            e->vcpu[i] = e->vcpu[--e->nvcpus];
            break;
        }
    }
    pthread_mutex_unlock(&e->lock);
    kvm_assist_drop(ev);
    kvm_collect_finish(ev);
    munmap(ev->run, e->run_size);
    close(ev->fd);
    g_free(ev);
}

void kvm_kick(EngineVcpu *ev, bool stop)
{
    if (stop) {
        set_flag(&ev->stop, true);
    }
    interrupt_run(ev);
}

/* --- exits --- */

static bool is_rom(const Engine *e, uint64_t gpa)
{
    return gpa < e->mem->size && e->mem->types[gpa >> 12] == MEM_ROM;
}

/* KVM's fragments never cross a page but may have any length up to 8. */
void kvm_mmio(EngineVcpu *ev, uint64_t gpa, uint8_t *data, unsigned len, bool write)
{
    const EngineHost *host = ev->e->host;
    unsigned done = 0;

    if (write && is_rom(ev->e, gpa)) {
        return;
    }
    while (done < len) {
        unsigned size = 8;
        uint64_t value = 0;

        while (size > len - done) {
            size /= 2;
        }
        if (write) {
            memcpy(&value, data + done, size);
            host->mmio_write(ev->v, gpa + done, size, value);
        } else {
            host->mmio_read(ev->v, gpa + done, size, &value);
            memcpy(data + done, &value, size);
        }
        done += size;
    }
}

static void exit_mmio(EngineVcpu *ev)
{
    struct kvm_run *run = ev->run;
    uint8_t data[8];

    memcpy(data, run->mmio.data, 8);
    kvm_mmio(ev, run->mmio.phys_addr, data, MIN(run->mmio.len, 8), run->mmio.is_write);
    if (!run->mmio.is_write) {
        memcpy(run->mmio.data, data, 8);
    }
}

static void sync_cr8(EngineVcpu *ev, uint64_t before)
{
    if (ev->run->cr8 != before && ev->e->host->cr8_write) {
        ev->e->host->cr8_write(ev->v, ev->run->cr8 & 15);
    }
}

void kvm_log(EngineVcpu *ev, const char *text)
{
    if (ev->e->host->log) {
        ev->e->host->log(ev->v, text);
    } else {
        g_warning("%s", text);
    }
}

static void log_stop(EngineVcpu *ev, const char *what, uint64_t detail)
{
    struct kvm_regs r = { 0 };
    struct kvm_sregs sr = { 0 };
    char bytes[3 * INSN_MAX + 1];
    g_autofree char *text = NULL;

    kvm_get_regs(ev, &r);
    kvm_get_sregs(ev, &sr);
    kvm_insn_text(ev, bytes);
    text = g_strdup_printf("kvm: %s (0x%" PRIx64 ") at %04x:%" PRIx64 ", instruction%s, cr0 %"
                           PRIx64 ", efer %" PRIx64 "; cpu=\"soft\" runs the guest without KVM",
                           what, detail, sr.cs.selector, (uint64_t)r.rip, bytes,
                           (uint64_t)sr.cr0, (uint64_t)sr.efer);
    kvm_log(ev, text);
}

static enum Outcome handle_exit(EngineVcpu *ev)
{
    struct kvm_run *run = ev->run;

    switch (run->exit_reason) {
    case KVM_EXIT_IO:
        ev->unfinished = true;
        if (kvm_is_call_port(ev, run)) {
            kvm_call_port(ev);
            return GO_ON;
        }
        kvm_exit_io(ev);
        return GO_ON;
    case KVM_EXIT_MMIO:
        ev->unfinished = true;
        kvm_count(ev, kvm_count_mmio(run->mmio.phys_addr));
        exit_mmio(ev);
        return GO_ON;
    case KVM_EXIT_X86_RDMSR:
    case KVM_EXIT_X86_WRMSR:
        ev->unfinished = true;
        kvm_count(ev, kvm_count_msr(run->msr.index, run->exit_reason == KVM_EXIT_X86_WRMSR));
        kvm_exit_msr(ev, run->exit_reason == KVM_EXIT_X86_WRMSR);
        return GO_ON;
    case KVM_EXIT_XEN:
        ev->unfinished = true;
        kvm_count(ev, KVM_COUNT_HYPERCALLS);
        if (run->xen.type == KVM_EXIT_XEN_HCALL) {
            run->xen.u.hcall.result = kvm_hypercall(ev);
        }
        return GO_ON;
    case KVM_EXIT_HLT:
        ev->halted = true;
        kvm_count(ev, KVM_COUNT_HALTS);
        return GO_ON;           /* an interrupt may wait already */
    case KVM_EXIT_IRQ_WINDOW_OPEN:
        kvm_count(ev, KVM_COUNT_IRQ_WINDOW);
        return GO_ON;
    case KVM_EXIT_SET_TPR:
        kvm_count(ev, KVM_COUNT_CR8);
        return GO_ON;
    case KVM_EXIT_INTR:
    case KVM_EXIT_NMI:
        kvm_count(ev, KVM_COUNT_OTHER);
        return GO_ON;
    case KVM_EXIT_DEBUG:
        kvm_count(ev, KVM_COUNT_DEBUG);
        kvm_debug_exit(ev);
        return GO_ON;
    case KVM_EXIT_SHUTDOWN:
        return TRIPLE_FAULT;
    case KVM_EXIT_FAIL_ENTRY:
        log_stop(ev, "the CPU refused the guest's state",
                 run->fail_entry.hardware_entry_failure_reason);
        return FAILED;
    case KVM_EXIT_INTERNAL_ERROR:
        if (run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION) {
            enum Outcome out = kvm_assist(ev);

            kvm_count(ev, KVM_COUNT_REFUSED);
            if (out != FAILED) {
                return out;
            }
        }
        log_stop(ev, "KVM can't emulate", run->internal.suberror);
        return FAILED;
    default:
        log_stop(ev, "unknown exit", run->exit_reason);
        return FAILED;
    }
}

static void finish_exit(EngineVcpu *ev, int (*run)(EngineVcpu *ev))
{
    /* A piece of a split access may exit again: a few rounds at most, one for each 8 bytes. */
    for (unsigned i = 0; ev->unfinished && i < IO_LEN; i++) {
        __atomic_store_n(&ev->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
        ev->unfinished = false;
        if (run(ev) == 0) {
            kvm_collect_deliver(ev);
            handle_exit(ev);
        }
    }
}

void kvm_finish_exit(EngineVcpu *ev)
{
    finish_exit(ev, kvm_run_plain);
}

void kvm_finish_exit_for_regs(EngineVcpu *ev)
{
    finish_exit(ev, kvm_run_for_regs);
}

/* --- the loop --- */

static bool if_set(EngineVcpu *ev)
{
    struct kvm_regs r;

    if (!ev->flags_stale) {
        return ev->run->if_flag;
    }
    return kvm_get_regs(ev, &r) && (r.rflags >> 9 & 1);
}

/* Gives the vCPU what is pending.  False: it is halted and nothing wakes it. */
static bool inject(EngineVcpu *ev)
{
    const EngineHost *host = ev->e->host;
    struct kvm_run *run = ev->run;
    unsigned pending = host->irq_pending(ev->v);

    if (pending & IRQ_NMI) {
        host->nmi_ack(ev->v);
        ioctl(ev->fd, KVM_NMI, 0);
        kvm_count(ev, KVM_COUNT_NMIS);
        ev->halted = false;
        pending = host->irq_pending(ev->v);
    }
    if (ev->halted && (pending & IRQ_EXTINT) && if_set(ev)) {
        ev->halted = false;
    }
    if ((pending & IRQ_EXTINT) && !ev->flags_stale && run->ready_for_interrupt_injection &&
        run->if_flag) {
        struct kvm_interrupt irq;
        int vector = host->irq_ack(ev->v);

        if (vector >= 0) {
            irq.irq = vector;
            ioctl(ev->fd, KVM_INTERRUPT, &irq);
            kvm_count(ev, KVM_COUNT_INTERRUPTS);
            run->ready_for_interrupt_injection = 0;
        }
        pending = host->irq_pending(ev->v);
    }
    run->request_interrupt_window = (pending & IRQ_EXTINT) != 0;
    return !ev->halted;
}

bool kvm_take_stop(EngineVcpu *ev)
{
    bool stop = flag(&ev->stop);

    if (stop) {
        set_flag(&ev->stop, false);
    }
    return stop;
}

bool kvm_would_wake(EngineVcpu *ev)
{
    unsigned pending = ev->e->host->irq_pending(ev->v);

    return (pending & IRQ_NMI) || ((pending & IRQ_EXTINT) && if_set(ev));
}

enum Outcome kvm_enter(EngineVcpu *ev)
{
    const EngineHost *host = ev->e->host;
    struct kvm_run *run = ev->run;
    uint64_t cr8 = host->cr8_read ? host->cr8_read(ev->v) : 0;
    int rc, error;

    run->cr8 = cr8;
    kvm_count(ev, KVM_COUNT_ENTERED);
    kvm_tsc_before_entry(ev);
    enter_guest(ev);
    ev->unfinished = false;
    rc = kvm_run_plain(ev);
    error = errno;
    leave_guest(ev);
    ev->flags_stale = false;
    kvm_collect_deliver(ev);
    sync_cr8(ev, cr8);
    if (rc == 0) {
        return handle_exit(ev);
    }
    if (error == EINTR || error == EAGAIN) {
        kvm_count(ev, KVM_COUNT_SIGNALS);
        return INTERRUPTED;
    }
    log_stop(ev, g_strerror(error), error);
    return FAILED;
}

static enum VcpuStop stopped(EngineVcpu *ev, enum VcpuStop why)
{
    kvm_finish_exit(ev);
    set_flag(&ev->running, false);
    return why;
}

static enum VcpuStop kvm_run_vcpu(EngineVcpu *ev)
{
    const EngineHost *host = ev->e->host;
    struct kvm_run *run = ev->run;

    ev->thread = pthread_self();
    set_flag(&ev->running, true);
    if (!ev->cpuid_set) {
        kvm_set_cpuid(ev);
    }
    if (ev->debug_step) {
        return stopped(ev, kvm_debug_one(ev));
    }
    kvm_debug_begin(ev);
    for (;;) {
        enum Outcome out;

        __atomic_store_n(&run->immediate_exit, 0, __ATOMIC_SEQ_CST);
        if (kvm_take_stop(ev)) {
            return stopped(ev, VCPU_STOP_KICKED);
        }
        if (ev->ring_prod && __atomic_load_n(ev->ring_prod, __ATOMIC_ACQUIRE) != *ev->ring_seen) {
            host->drain_code_ring(ev->v);
        }
        if (!inject(ev)) {
            return stopped(ev, VCPU_STOP_HALTED);
        }
        out = ev->watch_slices ? kvm_watch(ev) : kvm_enter(ev);
        if (ev->hit.point) {
            return stopped(ev, VCPU_STOP_DEBUG);
        }
        if (out == TRIPLE_FAULT) {
            return stopped(ev, VCPU_STOP_TRIPLE_FAULT);
        }
        if (out == FAILED) {
            return stopped(ev, VCPU_STOP_ERROR);
        }
    }
}

static void kvm_code_written(Engine *e, uint64_t gpa, uint64_t len)
{
    (void)e;                    /* the CPU keeps no code that could be stale */
    (void)gpa;
    (void)len;
}

const EngineOps engine_kvm = {
    .name = "kvm",
    .create = kvm_create,
    .destroy = kvm_destroy,
    .caps = kvm_caps,
    .steer_tsc = kvm_steer_tsc,
    .vcpu_create = kvm_vcpu_create,
    .vcpu_destroy = kvm_vcpu_destroy,
    .run = kvm_run_vcpu,
    .kick = kvm_kick,
    .get_state = kvm_get_state,
    .set_state = kvm_set_state,
    .get_system = kvm_get_system,
    .get_mode = kvm_get_mode,
    .tsc_offset = kvm_tsc_offset,
    .memory_changed = kvm_memory_changed,
    .dirty_log = kvm_dirty_log,
    .dirty_fetch = kvm_dirty_fetch,
    .collect_writes = kvm_collect_writes,
    .flush_writes = kvm_flush_writes,
    .code_written = kvm_code_written,
    .debug_points = kvm_debug_points,
    .debug_step = kvm_debug_step,
    .debug_hit = kvm_debug_hit,
    .counters = kvm_counters,
};
