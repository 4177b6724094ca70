/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * control.c - xend's requests (pause, triggers, information, parameters, core dumps) and what we
 * tell it (the domain has shut down).  Without a control socket a shutdown ends the process.
 */
#include "hypervisor/control.h"

#include <errno.h>
#include <glib-unix.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>
#include "hypervisor/core_dump.h"
#include "hypervisor/params.h"
#include "hypervisor/platform_glue.h"
#include "hypervisor/vcpu.h"
#include "include/ctl_proto.h"
#include "lib/fdpass.h"

#define NO_COUNTERS "this domain's CPU engine counts nothing"

struct Control {
    Domain *d;
    int fd;
    GMainLoop *loop;
    guint watch, shutdown_watch;
    bool paused;                /* by xend: one of the domain's pauses is ours */
    uint8_t in[CTL_MSG_MAX];
};

void control_event(int fd, uint32_t type, uint64_t a, const char *text)
{
    CtlMsg m = { .type = type, .a = a, .len = text ? strlen(text) : 0 };

    if (fd >= 0 && !packet_send(fd, &m, sizeof m, text, m.len, NULL, 0)) {
        g_warning("control socket: %s", g_strerror(errno));
    }
}

static void reply(Control *c, uint32_t id, int error, uint64_t value, const void *body, size_t len)
{
    CtlMsg m = { .type = CTL_REPLY, .id = id, .a = error, .b = value, .len = len };

    if (!packet_send(c->fd, &m, sizeof m, body, len, NULL, 0)) {
        g_warning("control socket: %s", g_strerror(errno));
    }
}

static void fill_vcpu(const Vcpu *v, CtlVcpu *out)
{
    static const uint8_t states[] = { 0, 1, 2, 3 };     /* RUNSTATE_* in the same order */

    out->cpu_ns = vcpu_cpu_ns(v);
    out->state = v->online ? states[v->runstate & 3] : 3;
    out->cpu = v->last_cpu;
}

static void reply_info(Control *c, uint32_t id)
{
    Domain *d = c->d;
    CtlInfo *info = g_new0(CtlInfo, 1);

    info->vcpus = d->nvcpus;
    info->flags = (d->pauses || d->sleeping ? 1 : 0) | (d->shut_down ? 2 : 0) | (d->dying ? 4 : 0);
    info->reason = d->reason;
    domain_lock(d);
    info->ram_pages = d->mem.pages;
    for (unsigned i = 0; i < d->nvcpus; i++) {
        fill_vcpu(d->vcpu[i], &info->vcpu[i]);
        info->cpu_ns += info->vcpu[i].cpu_ns;
    }
    domain_unlock(d);
    reply(c, id, 0, 0, info, sizeof *info);
    g_free(info);
}

static int trigger(Domain *d, uint64_t what, uint64_t vcpu)
{
    if (vcpu >= d->nvcpus) {
        return EINVAL;
    }
    switch (what) {
    case CTL_TRIGGER_NMI:
        domain_lock(d);
        vcpu_nmi(d->vcpu[vcpu]);
        domain_unlock(d);
        return 0;
    case CTL_TRIGGER_INIT:
        vcpu_init_signal(d->vcpu[vcpu]);
        return 0;
    case CTL_TRIGGER_RESET:
        domain_shutdown(d, SHUTDOWN_REBOOT);
        return 0;
    case CTL_TRIGGER_S3RESUME:
        return domain_wake(d, WAKE_ALONE) ? 0 : EINVAL;
    case CTL_TRIGGER_POWER:
    case CTL_TRIGGER_SLEEP:
        if (domain_wake(d, what == CTL_TRIGGER_SLEEP ? WAKE_SLEEP_BUTTON : WAKE_POWER_BUTTON)) {
            return 0;
        }
        domain_lock(d);
        glue_power_button(d, what == CTL_TRIGGER_SLEEP);
        domain_unlock(d);
        return 0;
    default:
        return ENOSYS;
    }
}

static void param(Control *c, const CtlMsg *m)
{
    uint64_t value = m->b;
    int rc;

    domain_lock(c->d);
    rc = m->a > UINT32_MAX ? -EINVAL
         : m->type == CTL_SET_PARAM ? param_set(c->d, m->a, m->b) : param_get(c->d, m->a, &value);
    domain_unlock(c->d);
    reply(c, m->id, -rc, value, NULL, 0);
}

static void pause_domain(Control *c, bool on)
{
    if (on && !c->paused) {
        domain_pause(c->d);
    } else if (!on && c->paused) {
        domain_unpause(c->d);
    }
    c->paused = on;
}

static void dump(Control *c, const CtlMsg *m, int fd)
{
    g_autoptr(GError) error = NULL;

    if (fd < 0) {
        reply(c, m->id, EINVAL, 0, NULL, 0);
        return;
    }
    domain_pause(c->d);
    if (core_dump(c->d, fd, &error)) {
        reply(c, m->id, 0, 0, NULL, 0);
    } else {
        reply(c, m->id, EIO, 0, error->message, strlen(error->message));
    }
    domain_unpause(c->d);
}

/* A line each: the sum of all vCPUs, and behind it each one's share where there are several. */
static void counters(Control *c, const CtlMsg *m)
{
    Domain *d = c->d;
    g_autofree EngineCounter *all = g_new0(EngineCounter, (size_t)d->nvcpus * ENGINE_COUNTERS);
    g_autoptr(GString) text = g_string_new(NULL);
    unsigned n = 0;

    if (!d->ops->counters) {
        reply(c, m->id, ENOTSUP, 0, NO_COUNTERS, strlen(NO_COUNTERS));
        return;
    }
    for (unsigned v = 0; v < d->nvcpus; v++) {
        n = d->ops->counters(d->vcpu[v]->ev, &all[v * ENGINE_COUNTERS]);
    }
    for (unsigned k = 0; k < n; k++) {
        uint64_t sum = 0;

        for (unsigned v = 0; v < d->nvcpus; v++) {
            sum += all[v * ENGINE_COUNTERS + k].value;
        }
        g_string_append_printf(text, "%-55s %14" PRIu64, all[k].name, sum);
        for (unsigned v = 0; d->nvcpus > 1 && v < d->nvcpus; v++) {
            g_string_append_printf(text, " %14" PRIu64, all[v * ENGINE_COUNTERS + k].value);
        }
        g_string_append_c(text, '\n');
    }
    reply(c, m->id, 0, 0, text->str, text->len);
}

static void handle(Control *c, const CtlMsg *m, int fd)
{
    switch (m->type) {
    case CTL_PAUSE:
    case CTL_UNPAUSE:
        pause_domain(c, m->type == CTL_PAUSE);
        reply(c, m->id, 0, 0, NULL, 0);
        break;
    case CTL_DESTROY:
        domain_destroy(c->d);
        reply(c, m->id, 0, 0, NULL, 0);
        g_main_loop_quit(c->loop);
        break;
    case CTL_TRIGGER:
        reply(c, m->id, trigger(c->d, m->a, m->b), 0, NULL, 0);
        break;
    case CTL_INFO:
        reply_info(c, m->id);
        break;
    case CTL_GET_PARAM:
    case CTL_SET_PARAM:
        param(c, m);
        break;
    case CTL_DUMP_CORE:
        dump(c, m, fd);
        break;
    case CTL_COUNTERS:
        counters(c, m);
        break;
    case CTL_SHUTDOWN:
        if (m->a > SHUTDOWN_CRASH) {
            reply(c, m->id, EINVAL, 0, NULL, 0);
        } else {
            domain_shutdown(c->d, (ShutdownReason)m->a);
            reply(c, m->id, 0, 0, NULL, 0);
        }
        break;
    default:
        reply(c, m->id, ENOSYS, 0, NULL, 0);
    }
}

static gboolean readable(gint sock, GIOCondition cond, gpointer opaque)
{
    Control *c = opaque;
    CtlMsg m;
    int fd = -1;
    unsigned nfds = 1;
    ssize_t n = packet_recv(sock, c->in, sizeof c->in, &fd, &nfds);

    (void)cond;
    if (nfds == 0) {
        fd = -1;
    }
    if (n < 0 && errno == EAGAIN) {
        return G_SOURCE_CONTINUE;
    }
    if (n <= 0) {
        g_info("xend has closed the control socket");
        c->watch = 0;
        g_main_loop_quit(c->loop);
        return G_SOURCE_REMOVE;
    }
    if (n >= (ssize_t)sizeof m) {
        memcpy(&m, c->in, sizeof m);
        handle(c, &m, fd);
    }
    if (fd >= 0) {
        close(fd);
    }
    return G_SOURCE_CONTINUE;
}

static gboolean shut_down(gint fd, GIOCondition cond, gpointer opaque)
{
    static const char *const names[] = { "poweroff", "reboot", "suspend", "crash" };
    Control *c = opaque;
    uint64_t n;
    ssize_t got = read(fd, &n, sizeof n);

    (void)cond;
    (void)got;
    if (c->d->shut_down && !c->d->reported) {
        domain_pause(c->d);     /* returns when no vCPU runs */
        domain_unpause(c->d);
        c->d->reported = true;
        g_info("domain has shut down: %s", names[c->d->reason & 3]);
        control_event(c->fd, CTL_EVENT_SHUTDOWN, c->d->reason, NULL);
        if (c->fd < 0) {
            g_main_loop_quit(c->loop);
        }
    }
    return G_SOURCE_CONTINUE;
}

Control *control_new(Domain *d, int fd, GMainLoop *loop)
{
    Control *c = g_new0(Control, 1);

    c->d = d;
    c->fd = fd;
    c->loop = loop;
    c->paused = true;           /* domains start paused */
    if (fd >= 0) {
        c->watch = g_unix_fd_add(fd, G_IO_IN | G_IO_HUP | G_IO_ERR, readable, c);
    }
    c->shutdown_watch = g_unix_fd_add(d->shutdown_fd, G_IO_IN, shut_down, c);
    if (!d->opt.paused && fd < 0) {
        pause_domain(c, false);
    }
    return c;
}

void control_free(Control *c)
{
    if (c->watch) {
        g_source_remove(c->watch);
    }
    g_source_remove(c->shutdown_watch);
    g_free(c);
}
