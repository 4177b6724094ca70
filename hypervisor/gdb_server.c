/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gdb_server.c - the thread behind gdbserver=, and the domain as a GdbTarget (gdb_session.h).
 *
 * While gdb has the guest stopped the domain is paused, its clock too.  A vCPU that meets a point
 * holds itself, tells this thread and parks; this thread then pauses the others.  Memory is reached
 * through the vCPU's page tables without touching them; device memory is out of reach, since reading
 * it would change the device.  A vCPU that goes on from a breakpoint that gdb leaves in place (in
 * real mode gdb does not know that the program counter is there) is stepped past it first.
 */
#include "hypervisor/gdb_server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "hypervisor/gdb_session.h"
#include "hypervisor/guest_access.h"
#include "hypervisor/platform_glue.h"

#define SEND_TIMEOUT_MS 5000    /* a peer that takes nothing for so long is dropped */
#define SEND_SLICE_MS 100       /* so often it looks whether the domain ends */
#define PARK_POLL_MS 20
#define INPUT_ROUNDS 64

struct GdbServer {
    Domain *d;
    int listen_fd, event_fd, client;
    pthread_t thread;
    bool thread_running;
    bool attached;              /* run_lock: a gdb is connected */
    bool paused;                /* one of Domain.pauses is ours */
    bool broken;                /* the connection is to be dropped */
    bool left;                  /* by the debugger, without a word: the guest stays as it is */
    GString *out;               /* to be sent */
    GdbSession *session;
    GdbSettings settings;
    GdbTarget target;
    DebugPoint point[DEBUG_POINTS];
    unsigned point_count;
    VcpuState scratch;
};

static void notify(GdbServer *g)
{
    uint64_t one = 1;
    ssize_t n = write(g->event_fd, &one, sizeof one);

    (void)n;
}

void gdb_server_notify(Domain *d)
{
    if (d->gdb) {
        notify(d->gdb);
    }
}

/* In one piece: what goes with its acknowledgement need not wait for that of TCP. */
static void flush(GdbServer *g)
{
    gint64 limit = g_get_monotonic_time() + SEND_TIMEOUT_MS * 1000;
    const char *bytes = g->out->str;
    size_t len = g->out->len;

    while (len && !g->broken) {
        ssize_t n = write(g->client, bytes, len);

        if (n > 0) {
            bytes += n;
            len -= n;
        } else if (n < 0 && errno == EAGAIN) {
            struct pollfd p = { g->client, POLLOUT, 0 };

            g->broken = g->d->dying || g_get_monotonic_time() > limit;
            poll(&p, 1, g->broken ? 0 : SEND_SLICE_MS);
        } else if (n == 0 || errno != EINTR) {
            g->broken = true;
        }
    }
    g_string_truncate(g->out, 0);
}

/* --- on the vCPUs' threads --- */

static uint64_t vcpu_rip(Vcpu *v)
{
    uint64_t rip;

    v->state_valid = false;
    rip = vcpu_state(v)->rip;
    v->state_valid = false;
    return rip;
}

/* Is this stop only a station on the way? */
static bool goes_on(Vcpu *v, const DebugHit *hit)
{
    VcpuDebug *g = &v->debug;

    if (hit->point || !hit->step) {
        return false;
    }
    if (g->over) {
        g->over = false;
        v->dom->ops->debug_step(v->ev, g->step);
        return !g->step;
    }
    if (!g->step) {
        v->dom->ops->debug_step(v->ev, false);
        return true;            /* the debugger has gone */
    }
    if (g->to) {
        uint64_t rip = vcpu_rip(v);

        return rip >= g->from && rip < g->to;
    }
    return false;
}

static void hold(Vcpu *v, unsigned signal)
{
    v->debug.hold = true;
    v->debug.stopped = true;
    v->debug.signal = signal;
    notify(v->dom->gdb);
}

void gdb_vcpu_stopped(Vcpu *v)
{
    Domain *d = v->dom;
    DebugHit hit;

    d->ops->debug_hit(v->ev, &hit);
    pthread_mutex_lock(&d->run_lock);
    if (d->gdb && d->gdb->attached && !goes_on(v, &hit)) {
        v->debug.hit = hit;
        hold(v, GDB_SIGTRAP);
    }
    pthread_mutex_unlock(&d->run_lock);
}

bool gdb_vcpu_triple_fault(Vcpu *v)
{
    Domain *d = v->dom;
    bool taken;

    pthread_mutex_lock(&d->run_lock);
    taken = d->gdb && d->gdb->attached && !v->debug.triple_fault;
    if (taken) {
        v->debug.triple_fault = true;
        v->debug.hit = (DebugHit){ 0 };
        hold(v, GDB_SIGSEGV);
    }
    pthread_mutex_unlock(&d->run_lock);
    return taken;
}

/* --- stopping and going, on the server's thread --- */

static bool parked(const Domain *d)
{
    for (unsigned i = 0; i < d->nvcpus; i++) {
        if (__atomic_load_n(&d->vcpu[i]->phase, __ATOMIC_SEQ_CST) != VCPU_OUT) {
            return false;
        }
    }
    return true;
}

/* Until no vCPU is in guest code or in the middle of an access to a device. */
static void stop_machine(GdbServer *g)
{
    Domain *d = g->d;

    if (!g->paused) {
        domain_pause(d);
        g->paused = true;
    }
    pthread_mutex_lock(&d->run_lock);
    while (!parked(d) && !d->dying) {
        struct timespec t;

        clock_gettime(CLOCK_REALTIME, &t);
        t.tv_nsec += PARK_POLL_MS * 1000000;
        t.tv_sec += t.tv_nsec / NS_PER_S;
        t.tv_nsec %= NS_PER_S;
        pthread_cond_timedwait(&d->run_cond, &d->run_lock, &t);
    }
    pthread_mutex_unlock(&d->run_lock);
    d->ops->debug_points(d->engine, NULL, 0);
}

static void let_go(GdbServer *g)
{
    if (g->paused) {
        g->paused = false;
        domain_unpause(g->d);
    }
}

/* Of a parked vCPU. */
static const VcpuState *system_state(GdbServer *g, const Vcpu *v)
{
    const EngineOps *ops = g->d->ops;

    (ops->get_system ? ops->get_system : ops->get_state)(v->ev, &g->scratch);
    return &g->scratch;
}

/* The stop to tell gdb about, which then is forgotten here; run_lock held.  Those of other vCPUs
 * wait, but for breakpoints: their instruction has not begun and meets them again. */
static Vcpu *take_stop(Domain *d)
{
    Vcpu *first = NULL;

    for (unsigned i = 0; i < d->nvcpus; i++) {
        Vcpu *v = d->vcpu[i];
        bool exec = v->debug.hit.point && v->debug.hit.kind == POINT_EXEC;

        if (v->debug.stopped && !first) {
            first = v;
            v->debug.stopped = false;
        } else if (v->debug.stopped && exec) {
            v->debug.stopped = false;
        }
    }
    return first;
}

static bool any_stop(const Domain *d)
{
    for (unsigned i = 0; i < d->nvcpus; i++) {
        if (d->vcpu[i]->debug.stopped) {
            return true;
        }
    }
    return false;
}

static void tell_stop(GdbServer *g, const Vcpu *v, unsigned signal, const DebugHit *hit)
{
    GdbStop stop = { .how = GDB_STOPPED, .cpu = v->id, .signal = signal };

    if (hit) {
        stop.hit = *hit;
    }
    gdb_session_stopped(g->session, &stop);
}

/* Something has come about in the domain. */
static void look(GdbServer *g)
{
    Domain *d = g->d;
    Vcpu *v;

    if (!g->session || !gdb_session_running(g->session)) {
        return;
    }
    if (d->shut_down) {
        GdbStop stop = { .how = d->reason == SHUTDOWN_CRASH ? GDB_KILLED : GDB_EXITED };

        gdb_session_stopped(g->session, &stop);
        flush(g);
        g->broken = true;
        return;
    }
    if (!any_stop(d)) {
        return;
    }
    stop_machine(g);
    pthread_mutex_lock(&d->run_lock);
    v = take_stop(d);
    pthread_mutex_unlock(&d->run_lock);
    if (!v) {
        let_go(g);
        return;
    }
    v->debug.reported = v->debug.hit.point && v->debug.hit.kind == POINT_EXEC;
    v->debug.reported_at = v->debug.hit.linear;
    tell_stop(g, v, v->debug.signal, &v->debug.hit);
}

/* --- GdbTarget --- */

static void target_send(void *opaque, const char *bytes, size_t len)
{
    g_string_append_len(((GdbServer *)opaque)->out, bytes, len);
}

static void target_get(void *opaque, unsigned cpu, GdbRegs *r)
{
    Domain *d = ((GdbServer *)opaque)->d;
    Vcpu *v = d->vcpu[cpu];

    pthread_mutex_lock(&d->run_lock);
    if (v->start_state) {
        r->s = *v->start_state;
    } else {
        d->ops->get_state(v->ev, &r->s);
    }
    pthread_mutex_unlock(&d->run_lock);
    domain_lock(d);
    r->cr8 = glue_cr8_read(v);
    domain_unlock(d);
}

static void target_set(void *opaque, unsigned cpu, const GdbRegs *r)
{
    Domain *d = ((GdbServer *)opaque)->d;
    Vcpu *v = d->vcpu[cpu];

    pthread_mutex_lock(&d->run_lock);
    if (v->start_state) {
        *v->start_state = r->s;
    } else {
        d->ops->set_state(v->ev, &r->s);
    }
    v->state_valid = false;
    pthread_mutex_unlock(&d->run_lock);
    domain_lock(d);
    if (glue_cr8_read(v) != r->cr8) {
        glue_cr8_write(v, r->cr8);
    }
    domain_unlock(d);
}

static const char *target_about(void *opaque, unsigned cpu)
{
    GdbServer *g = opaque;
    const Vcpu *v = g->d->vcpu[cpu];

    if (!v->online) {
        return "offline";
    }
    return system_state(g, v)->halted ? "halted" : "online";
}

static bool target_read(void *opaque, uint64_t gpa, void *buf, size_t len)
{
    Domain *d = ((GdbServer *)opaque)->d;
    bool ok;

    domain_lock(d);
    ok = mem_read(&d->mem, gpa, buf, len);
    domain_unlock(d);
    return ok;
}

/* ROM, too: the debugger may write where the guest can't. */
static bool target_write(void *opaque, uint64_t gpa, const void *buf, size_t len)
{
    Domain *d = ((GdbServer *)opaque)->d;
    uint8_t *page;

    domain_lock(d);
    page = mem_page(&d->mem, gpa >> PAGE_SHIFT, false);
    if (page) {
        memcpy(page + (gpa & (PAGE_SIZE - 1)), buf, len);
        memory_written(&d->mem, gpa, len);
    }
    domain_unlock(d);
    return page != NULL;
}

static bool target_translate(void *opaque, unsigned cpu, const VcpuState *s, uint64_t linear,
                             uint64_t *gpa)
{
    Domain *d = ((GdbServer *)opaque)->d;
    bool ok;

    (void)cpu;
    domain_lock(d);
    ok = guest_lookup(&d->mem, s, linear, gpa);
    domain_unlock(d);
    return ok;
}

static bool target_points(void *opaque, const DebugPoint *points, unsigned n)
{
    GdbServer *g = opaque;

    const Domain *d = g->d;

    if (!d->ops->debug_points(d->engine, points, n)) {
        d->ops->debug_points(d->engine, NULL, 0);
        return false;
    }
    d->ops->debug_points(d->engine, NULL, 0);   /* they are there only while the guest runs */
    if (n) {
        memcpy(g->point, points, n * sizeof *points);
    }
    g->point_count = n;
    return true;
}

static bool exec_point_at(const GdbServer *g, uint64_t linear)
{
    for (unsigned i = 0; i < g->point_count; i++) {
        if (g->point[i].kind == POINT_EXEC && g->point[i].linear == linear) {
            return true;
        }
    }
    return false;
}

static void set_action(GdbServer *g, Vcpu *v, const GdbAction *a)
{
    VcpuDebug *v_debug = &v->debug;

    v_debug->hold = a->what == GDB_STAY;
    if (v_debug->hold) {
        return;
    }
    v_debug->step = a->what == GDB_STEP;
    v_debug->from = a->from;
    v_debug->to = a->to;
    v_debug->over = a->what == GDB_GO && v_debug->reported &&
                    exec_point_at(g, v_debug->reported_at) && !v->start_state &&
                    gdb_linear_pc(system_state(g, v)) == v_debug->reported_at;
    v_debug->reported = false;
    g->d->ops->debug_step(v->ev, v_debug->step || v_debug->over);
}

static void target_resume(void *opaque, const GdbAction *actions)
{
    GdbServer *g = opaque;
    Domain *d = g->d;
    bool waiting = false;

    pthread_mutex_lock(&d->run_lock);
    for (unsigned i = 0; i < d->nvcpus; i++) {
        waiting |= d->vcpu[i]->debug.stopped && actions[i].what != GDB_STAY;
    }
    for (unsigned i = 0; i < d->nvcpus && !waiting; i++) {
        set_action(g, d->vcpu[i], &actions[i]);
    }
    pthread_mutex_unlock(&d->run_lock);
    if (waiting || d->shut_down) {
        notify(g);              /* there is something to tell before anything runs */
    } else {
        d->ops->debug_points(d->engine, g->point, g->point_count);
        let_go(g);
    }
}

static void target_interrupt(void *opaque)
{
    GdbServer *g = opaque;
    Domain *d = g->d;
    const Vcpu *v = d->vcpu[0];

    stop_machine(g);
    if (any_stop(d) || d->shut_down) {
        look(g);
        return;
    }
    for (unsigned i = d->nvcpus; i-- > 0;) {
        v = d->vcpu[i]->online ? d->vcpu[i] : v;
    }
    tell_stop(g, v, GDB_SIGINT, NULL);
}

static void target_kill(void *opaque)
{
    GdbServer *g = opaque;

    g_info("gdb has killed the domain");
    domain_shutdown(g->d, SHUTDOWN_POWEROFF);
}

static void target_nmi(void *opaque, unsigned cpu)
{
    Domain *d = ((GdbServer *)opaque)->d;

    domain_lock(d);
    vcpu_nmi(d->vcpu[cpu]);
    domain_unlock(d);
}

static unsigned target_counters(void *opaque, unsigned cpu, EngineCounter *out)
{
    Domain *d = ((GdbServer *)opaque)->d;

    return d->ops->counters ? d->ops->counters(d->vcpu[cpu]->ev, out) : 0;
}

static const GdbTarget target_ops = {
    .send = target_send,
    .get = target_get,
    .set = target_set,
    .about = target_about,
    .read = target_read,
    .write = target_write,
    .translate = target_translate,
    .points = target_points,
    .resume = target_resume,
    .interrupt = target_interrupt,
    .kill = target_kill,
    .nmi = target_nmi,
    .counters = target_counters,
};

/* --- connections --- */

static void attach(GdbServer *g, int fd)
{
    Domain *d = g->d;

    g->client = fd;
    g->broken = g->left = false;
    stop_machine(g);
    pthread_mutex_lock(&d->run_lock);
    g->attached = true;
    pthread_mutex_unlock(&d->run_lock);
    g->session = gdb_session_new(&g->target, g, &g->settings);
    g_info("gdb has connected; the domain stands");
}

/*
 * The guest goes on as if nobody had been there.  gdb's disconnect, which says nothing, leaves a stopped
 * guest standing until somebody connects again.
 */
static void detach(GdbServer *g)
{
    Domain *d = g->d;
    bool stay = g->left && gdb_session_used(g->session) && !gdb_session_running(g->session);

    stop_machine(g);
    target_points(g, NULL, 0);
    pthread_mutex_lock(&d->run_lock);
    g->attached = false;
    for (unsigned i = 0; i < d->nvcpus; i++) {
        bool triple = d->vcpu[i]->debug.triple_fault;

        d->vcpu[i]->debug = (VcpuDebug){ .triple_fault = triple };
        d->ops->debug_step(d->vcpu[i]->ev, false);
    }
    pthread_cond_broadcast(&d->run_cond);
    pthread_mutex_unlock(&d->run_lock);
    if (!stay) {
        let_go(g);
    }
    gdb_session_free(g->session);
    g->session = NULL;
    close(g->client);
    g->client = -1;
    g_info("gdb has gone%s", stay ? "; the domain stands until the next one lets it go" : "");
}

static void on_connect(GdbServer *g)
{
    int fd = accept4(g->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0) {
        return;
    }
    if (g->session || g->d->shut_down) {
        close(fd);              /* one at a time */
    } else {
        attach(g, fd);
    }
}

/* All that is there, so that the end of a connection is seen before the next one begins. */
static void on_input(GdbServer *g)
{
    uint8_t buf[4096];
    ssize_t n = 0;

    for (unsigned i = 0; i < INPUT_ROUNDS && !g->broken; i++) {
        n = read(g->client, buf, sizeof buf);
        if (n < 0 && errno == EAGAIN) {
            return;
        }
        if (n == 0 || (n < 0 && errno != EINTR)) {
            g->broken = g->left = true;
        } else if (n > 0) {
            bool wanted = gdb_session_input(g->session, buf, n);

            flush(g);
            g->broken |= !wanted;
        }
    }
}

static void *server_main(void *opaque)
{
    GdbServer *g = opaque;

    while (!g->d->dying) {
        struct pollfd p[] = { { g->event_fd, POLLIN, 0 }, { g->listen_fd, POLLIN, 0 },
                              { g->client, POLLIN, 0 } };
        uint64_t n;

        if (poll(p, g->client >= 0 ? 3 : 2, -1) < 0 && errno != EINTR) {
            break;
        }
        if ((p[0].revents & POLLIN) && read(g->event_fd, &n, sizeof n) > 0) {
            look(g);
            flush(g);
        }
        if (g->client >= 0 && p[2].revents) {
            on_input(g);
        }
        if (g->session && g->broken) {
            detach(g);
        }
        if (p[1].revents & POLLIN) {
            on_connect(g);
        }
    }
    if (g->session) {
        GdbStop stop = { .how = GDB_EXITED };

        if (gdb_session_running(g->session)) {
            gdb_session_stopped(g->session, &stop);
            flush(g);
        }
        detach(g);
    }
    return NULL;
}

/* --- life --- */

static bool take_arch(GdbServer *g, const char *arch)
{
    GdbArch known;
    bool found = gdb_arch_find(arch, &known);

    g->settings.arch = found ? (int)known : -1;
    return found || !strcmp(arch, "auto");
}

static void server_free(GdbServer *g)
{
    close(g->listen_fd);
    if (g->event_fd >= 0) {
        close(g->event_fd);
    }
    g_string_free(g->out, TRUE);
    g_free(g);
}

bool gdb_server_start(Domain *d, int fd, const char *arch, GError **error)
{
    GdbServer *g = g_new0(GdbServer, 1);
    int rc = EINVAL;

    g->d = d;
    g->listen_fd = fd;
    g->client = -1;
    g->out = g_string_new(NULL);
    g->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    g->target = target_ops;
    g->target.cpus = d->nvcpus;
    if (take_arch(g, arch) && fcntl(fd, F_SETFL, O_NONBLOCK) == 0 && g->event_fd >= 0) {
        d->gdb = g;
        rc = pthread_create(&g->thread, NULL, server_main, g);
    }
    if (rc) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(rc), "gdb's server: %s",
                    g_strerror(rc));
        d->gdb = NULL;
        server_free(g);
        return false;
    }
    g->thread_running = true;
    pthread_setname_np(g->thread, "gdb");
    return true;
}

void gdb_server_stop(Domain *d)
{
    if (d->gdb) {
        notify(d->gdb);
        pthread_join(d->gdb->thread, NULL);
        server_free(d->gdb);
        d->gdb = NULL;
    }
}
