/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * domain.c - a domain's life: creation, pause, shutdown, destruction; its clock; the service thread
 * that fires device timers and takes what the device model posts.
 */
#include "hypervisor/domain.h"

#include <cpuid.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include <xen/hvm/params.h>
#include "hypervisor/builder.h"
#include "hypervisor/dm_channel.h"
#include "hypervisor/engines.h"
#include "hypervisor/gdb_server.h"
#include "hypervisor/hypercall.h"
#include "hypervisor/platform_glue.h"
#include "hypervisor/pvtime.h"
#include "hypervisor/relay.h"
#include "hypervisor/vcpu.h"

#define LOG_BURST 200           /* guest-caused lines at once */
#define LOG_PER_SECOND 20
#define PAUSE_POLL_MS 20        /* a vCPU in a device model's hands is looked at this often */

int64_t monotonic_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int64_t domain_now(Domain *d)
{
    return d->time_stands ? d->time_frozen : quick_clock_now(&d->clock) + d->time_offset;
}

/* --- log --- */

void domain_log(Domain *d, const char *format, ...)
{
    va_list ap;

    if (log_limit_allows(&d->log_limit, monotonic_ns(), LOG_BURST, LOG_PER_SECOND)) {
        va_start(ap, format);
        g_logv(G_LOG_DOMAIN, G_LOG_LEVEL_INFO, format, ap);
        va_end(ap);
    }
}

void domain_console_char(Domain *d, char c)
{
    bool printable = (c >= 0x20 && c < 0x7f) || c == '\t';

    if (printable) {
        d->console_line[d->console_len++] = c;
    }
    if (c == '\n' || d->console_len == sizeof d->console_line - 1) {
        d->console_line[d->console_len] = 0;
        d->console_len = 0;
        domain_log(d, "guest: %s", d->console_line);
    }
}

/* --- the clock --- */

static void arm_timer(Domain *d, int64_t next)
{
    struct itimerspec ts = { 0 };

    if (d->time_stands || next == INT64_MAX) {
        d->timer_set = INT64_MAX;
    } else {
        int64_t host = MAX(next - d->time_offset, 1);

        d->timer_set = next;
        ts.it_value.tv_sec = host / NS_PER_S;
        ts.it_value.tv_nsec = host % NS_PER_S;
    }
    timerfd_settime(d->timer_fd, TFD_TIMER_ABSTIME, &ts, NULL);
}

void domain_timers_changed(void *opaque, int64_t next)
{
    Domain *d = opaque;

    if (next < d->timer_set) {  /* a later one is found when the set one fires */
        arm_timer(d, next);
    }
}

static void set_wall_clock(Domain *d)
{
    struct timespec ts;
    int64_t base;

    clock_gettime(CLOCK_REALTIME, &ts);
    base = ts.tv_sec * NS_PER_S + ts.tv_nsec - domain_now(d);
    d->wall_base = base / NS_PER_S + d->opt.rtc_offset;
    d->wall_base_ns = base % NS_PER_S;
    pvtime_wallclock(d);
}

static void stop_clock(Domain *d)
{
    if (!d->time_stands) {
        d->time_frozen = domain_now(d);
        d->time_stands = true;
        dm_publish_time(d);
    }
}

static void start_clock(Domain *d)
{
    if (d->time_stands) {
        d->time_offset = d->time_frozen - quick_clock_look(&d->clock);
        d->time_stands = false;
        dm_publish_time(d);
        set_wall_clock(d);
        arm_timer(d, timer_queue_next(&d->machine.timers));
    }
}

/* --- the machine that the chips live in --- */

static int64_t host_now(Machine *m)
{
    return domain_now(m->opaque);
}

static int64_t host_wall_clock(Machine *m)
{
    Domain *d = m->opaque;

    return d->wall_base + (domain_now(d) + d->wall_base_ns) / NS_PER_S;
}

static void host_shutdown(Machine *m, ShutdownReason reason)
{
    domain_shutdown(m->opaque, reason);
}

static void host_log(Machine *m, const char *device, const char *text)
{
    (void)m;
    g_info("%s: %s", device, text);
}

/* The RTC was set: the device model keeps the sum, we the clock. */
static void host_rtc_offset(Machine *m, int64_t delta)
{
    Domain *d = m->opaque;

    d->opt.rtc_offset += delta;
    d->wall_base += delta;
    pvtime_wallclock(d);
    ioreq_buffer(d, IOREQ_TYPE_TIMEOFFSET, IOREQ_WRITE, 0, 8, delta);
}

static void host_speaker(Machine *m, const SpeakerWave *wave)
{
    dm_publish_speaker(m->opaque, wave);
}

static const MachineHost machine_host = {
    .now = host_now,
    .wall_clock = host_wall_clock,
    .shutdown = host_shutdown,
    .log = host_log,
    .rtc_offset_changed = host_rtc_offset,
    .speaker = host_speaker,
};

/* --- the service thread --- */

static void fire_timers(Domain *d)
{
    uint64_t n;

    domain_lock(d);
    if (read(d->timer_fd, &n, sizeof n) < 0 && errno != EAGAIN) {
        g_warning("timer: %s", g_strerror(errno));
    }
    if (!d->time_stands) {
        d->timer_set = INT64_MIN;       /* what callbacks arm is seen below */
        quick_clock_look(&d->clock);    /* not before the time that was waited for */
        arm_timer(d, timer_queue_run(&d->machine.timers, domain_now(d)));
    }
    domain_unlock(d);
}

static void *service_main(void *opaque)
{
    Domain *d = opaque;
    struct pollfd p[] = { { d->stop_fd, POLLIN, 0 }, { d->timer_fd, POLLIN, 0 },
                          { dm_channel_post_fd(d), POLLIN, 0 } };
    uint32_t nobody;

    while (!(p[0].revents & POLLIN)) {
        if (p[1].revents & POLLIN) {
            fire_timers(d);
        }
        if (p[2].revents & POLLIN) {
            uint64_t n;
            ssize_t got = read(p[2].fd, &n, sizeof n);

            (void)got;          /* EAGAIN: someone else's wake-up */
        }
        dm_drain_posts(d);
        /* A halted vCPU that has taken this over is woken instead (vcpu.c). */
        nobody = DM_WAKE_NOBODY;
        __atomic_compare_exchange_n(&d->shared->hv_waiting, &nobody, DM_WAKE_SERVICE, false,
                                    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&d->shared->post_prod, __ATOMIC_SEQ_CST) != d->post_cons &&
            !domain_dying(d)) {
            dm_drain_posts(d);
        }
        if (poll(p, G_N_ELEMENTS(p), -1) < 0 && errno != EINTR) {
            break;
        }
    }
    return NULL;
}

/* --- the time stamp counter --- */

uint64_t domain_tsc(const Domain *d)
{
    if (d->tsc_emulated || (d->tsc_steered && d->opt.tsc_mode != 2)) {
        return (unsigned __int128)monotonic_ns() * d->tsc_per_ns >> 32;
    }
    return pvtime_host_tsc();
}

/*
 * What the host's kernel can tell the time by, even where it prefers another clock (a hypervisor's): one that
 * it has found to stop, drift or differ between processors is not in this list.
 */
static bool host_tsc_safe(void)
{
    g_autofree char *clocks = NULL;
    uint32_t a, b, c, d = 0;

    if (g_file_get_contents("/sys/devices/system/clocksource/clocksource0/available_clocksource", &clocks,
                            NULL, NULL)) {
        g_auto(GStrv) name = g_strsplit_set(clocks, " \n", -1);

        return g_strv_contains((const char *const *)name, "tsc");
    }
    return __get_cpuid(0x80000007, &a, &b, &c, &d) && d & 1u << 8;      /* invariant by its own word */
}

/*
 * Xen's tsc_mode (docs/misc/tscmode.txt): 1 always made of the system's time, 2 never, 0 and 3 where
 * the host's counter is no good; 3 besides shows the incarnation in TSC_AUX.  An engine whose guests read the
 * processor's counter without being asked can but set it right now and then, if it is no good; if it is,
 * there is nothing to be seen of the difference.
 */
static void choose_tsc(Domain *d)
{
    bool wanted = d->opt.tsc_mode == 1 || (d->opt.tsc_mode != 2 && !d->tsc_safe);

    quick_clock_init(&d->clock, d->tsc_safe);
    d->tsc_emulated = wanted && d->caps.emulates_tsc;
    d->tsc_steered = !d->caps.emulates_tsc && !d->tsc_safe && d->ops->steer_tsc && d->ops->steer_tsc(d->engine);
    d->tsc_per_ns = ((unsigned __int128)d->tsc_khz << 32) / 1000000;
    if (d->tsc_steered && wanted) {
        g_info("tsc_mode=%u: the host's TSC is not reliable; the guest's is set right whenever it comes out of %s",
               d->opt.tsc_mode, d->ops->name);
    } else if (wanted && !d->tsc_emulated && !d->tsc_safe) {
        g_warning("tsc_mode=%u: the %s engine shows the host's TSC all the same, which is not reliable",
                  d->opt.tsc_mode, d->ops->name);
    }
    d->tsc_offset = -(int64_t)domain_tsc(d);
    d->incarnation = 1;
    d->tsc_aux = d->opt.tsc_mode == 3 ? d->incarnation : 0;
}

/* --- life --- */

static bool create_parts(Domain *d, GError **error)
{
    const Options *o = &d->opt;

    d->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    d->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    d->shutdown_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (d->timer_fd < 0 || d->stop_fd < 0 || d->shutdown_fd < 0) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "descriptors: %s",
                    g_strerror(errno));
        return false;
    }
    d->tsc_khz = pvtime_measure_tsc_khz();
    d->tsc_safe = host_tsc_safe();
    if (!mem_create(&d->mem, o->memory_mb, o->max_memory_mb, error) || !ioreq_create(d, error) ||
        !dm_channel_create(d, o->dm_fd, error) || !engines_create(d, error)) {
        return false;
    }
    choose_tsc(d);
    d->shared->vcpus_look = d->ops->sees_posts && !d->ioreq.single_cpu;
    d->mem.ops = d->ops;
    d->mem.engine = d->engine;
    machine_init(&d->machine, &machine_host, d);
    ports_create(d);
    d->machine.timers.changed = domain_timers_changed;
    d->machine.timers.opaque = d;
    for (unsigned i = 0; i < G_N_ELEMENTS(d->watchdog); i++) {
        timer_init(&d->watchdog[i], &d->machine.timers, sched_watchdog_fired, d);
    }
    collect_init(d);
    d->timer_set = INT64_MAX;
    set_wall_clock(d);
    if (!glue_create(d, error)) {
        return false;
    }
    for (unsigned i = 0; i < o->vcpus; i++) {
        d->vcpu[i] = vcpu_new(d, i, error);
        if (!d->vcpu[i]) {
            return false;
        }
        d->nvcpus++;
    }
    return relay_create_all(d, error) && builder_build(d, error);
}

Domain *domain_new(const Options *opt, GError **error)
{
    Domain *d = g_new0(Domain, 1);

    d->opt = *opt;
    d->timer_fd = d->stop_fd = d->shutdown_fd = -1;
    d->pauses = 1;
    d->time_stands = true;
    device_lock_init(&d->lock);
    pthread_mutex_init(&d->run_lock, NULL);
    pthread_cond_init(&d->run_cond, NULL);
    if (!create_parts(d, error)) {
        domain_free(d);
        return NULL;
    }
    return d;
}

bool domain_start(Domain *d, GError **error)
{
    int rc = pthread_create(&d->service, NULL, service_main, d);

    if (rc) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(rc), "service thread: %s",
                    g_strerror(rc));
        return false;
    }
    d->service_running = true;
    pthread_setname_np(d->service, "service");
    for (unsigned i = 0; i < d->nvcpus; i++) {
        if (!vcpu_start(d->vcpu[i], error)) {
            return false;
        }
    }
    if (d->opt.gdb_fd >= 0) {
        int fd = d->opt.gdb_fd;

        d->opt.gdb_fd = -1;
        return gdb_server_start(d, fd, d->opt.gdb_arch, error);
    }
    return true;
}

static void stop_vcpus(Domain *d)
{
    for (unsigned i = 0; i < d->nvcpus; i++) {
        vcpu_stop(d->vcpu[i]);
    }
}

static bool all_out(const Domain *d)
{
    for (unsigned i = 0; i < d->nvcpus; i++) {
        if (__atomic_load_n(&d->vcpu[i]->phase, __ATOMIC_SEQ_CST) == VCPU_IN_GUEST &&
            d->vcpu[i]->thread_running) {
            return false;
        }
    }
    return true;
}

static void wait_a_little(Domain *d)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    ts.tv_nsec += PAUSE_POLL_MS * 1000000;
    ts.tv_sec += ts.tv_nsec / NS_PER_S;
    ts.tv_nsec %= NS_PER_S;
    pthread_cond_timedwait(&d->run_cond, &d->run_lock, &ts);
}

static void wait_all_out(Domain *d)
{
    while (!all_out(d) && !d->dying) {
        wait_a_little(d);
    }
}

void domain_pause(Domain *d)
{
    pthread_mutex_lock(&d->run_lock);
    __atomic_fetch_add(&d->pauses, 1, __ATOMIC_SEQ_CST);
    stop_vcpus(d);
    wait_all_out(d);
    pthread_mutex_unlock(&d->run_lock);
    domain_lock(d);
    stop_clock(d);
    domain_unlock(d);
}

void domain_unpause(Domain *d)
{
    domain_lock(d);
    pthread_mutex_lock(&d->run_lock);
    if (d->pauses == 1) {
        start_clock(d);
    }
    if (d->pauses) {
        __atomic_fetch_sub(&d->pauses, 1, __ATOMIC_SEQ_CST);
    }
    pthread_cond_broadcast(&d->run_cond);
    pthread_mutex_unlock(&d->run_lock);
    domain_unlock(d);
}

void domain_sleep(Domain *d)
{
    pthread_mutex_lock(&d->run_lock);
    if (!d->sleeping && !d->shut_down && !d->dying) {
        d->sleeping = true;
        d->param[HVM_PARAM_ACPI_S_STATE] = 3;
        stop_vcpus(d);
    }
    pthread_mutex_unlock(&d->run_lock);
}

/* The vCPU that wrote SLP_EN may still be waiting for its answer. */
static bool all_parked(const Domain *d)
{
    for (unsigned i = 0; i < d->nvcpus; i++) {
        if (__atomic_load_n(&d->vcpu[i]->phase, __ATOMIC_SEQ_CST) != VCPU_OUT) {
            return false;
        }
    }
    return true;
}

bool domain_wake(Domain *d, WakeCause cause)
{
    VcpuState s;

    if (!d->sleeping) {
        return false;
    }
    pthread_mutex_lock(&d->run_lock);
    while (!all_parked(d) && !d->dying && !d->shut_down) {
        wait_a_little(d);
    }
    pthread_mutex_unlock(&d->run_lock);
    domain_lock(d);
    platform_wake_up(d->platform, cause);
    domain_unlock(d);
    memset(&s, 0, sizeof s);
    s.tsc_offset = d->tsc_offset;
    vcpu_reset_state(&s, -1);
    s.seg[SEG_CS].base = 0xf0000;
    pthread_mutex_lock(&d->run_lock);
    for (unsigned i = 0; i < d->nvcpus; i++) {
        Vcpu *v = d->vcpu[i];

        g_free(v->start_state);         /* a SIPI makes the state of the others */
        v->start_state = i == 0 ? g_memdup2(&s, sizeof s) : NULL;
        v->init_pending = v->nmi_pending = false;
        v->sipi_vector = -1;
        v->online = i == 0;
    }
    d->param[HVM_PARAM_ACPI_S_STATE] = 0;
    d->sleeping = false;
    pthread_cond_broadcast(&d->run_cond);
    pthread_mutex_unlock(&d->run_lock);
    return true;
}

void domain_shutdown(Domain *d, ShutdownReason reason)
{
    uint64_t one = 1;
    ssize_t n;

    pthread_mutex_lock(&d->run_lock);
    if (!d->shut_down && !d->dying) {
        d->reason = reason;
        d->aborting = d->aborting || reason != SHUTDOWN_SUSPEND;
        d->shut_down = true;
        stop_vcpus(d);
        n = write(d->shutdown_fd, &one, sizeof one);
        (void)n;
        gdb_server_notify(d);
    }
    pthread_cond_broadcast(&d->run_cond);
    pthread_mutex_unlock(&d->run_lock);
}

void domain_crash(Domain *d, const char *format, ...)
{
    if (!d->shut_down) {
        va_list ap;

        va_start(ap, format);
        g_logv(G_LOG_DOMAIN, G_LOG_LEVEL_CRITICAL, format, ap);
        va_end(ap);
    }
    domain_shutdown(d, SHUTDOWN_CRASH);
}

void domain_destroy(Domain *d)
{
    pthread_mutex_lock(&d->run_lock);
    d->aborting = true;
    d->dying = true;
    stop_vcpus(d);
    pthread_cond_broadcast(&d->run_cond);
    pthread_mutex_unlock(&d->run_lock);
    for (unsigned i = 0; i < d->nvcpus; i++) {
        vcpu_join(d->vcpu[i]);
    }
    gdb_server_stop(d);
    if (d->service_running) {
        uint64_t one = 1;
        ssize_t n = write(d->stop_fd, &one, sizeof one);

        (void)n;
        pthread_join(d->service, NULL);
        d->service_running = false;
    }
    dm_channel_shutdown(d);
}

void domain_free(Domain *d)
{
    relay_destroy_all(d);
    if (d->machine.host) {
        machine_finish(&d->machine);
    }
    if (d->platform) {
        glue_destroy(d);
    }
    for (unsigned i = 0; i < d->nvcpus; i++) {
        vcpu_free(d->vcpu[i]);
    }
    if (d->engine) {
        d->ops->destroy(d->engine);
        d->mem.engine = NULL;
    }
    dm_channel_destroy(d);
    ioreq_destroy(d);
    ports_destroy(d);
    if (d->mem.guest.size) {
        mem_destroy(&d->mem);
    }
    for (unsigned i = 0; i < 3; i++) {
        int fd = i == 0 ? d->timer_fd : i == 1 ? d->stop_fd : d->shutdown_fd;

        if (fd >= 0) {
            close(fd);
        }
    }
    g_free(d->engine_reason);
    g_free(d);
}
