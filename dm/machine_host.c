/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * machine_host.c - the machine as qemu-dm provides it: interrupts and memory go to the hypervisor,
 * timers to a timerfd in the main loop, log lines to the domain's log.
 */
#include "dm/dm.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include "include/ctl_proto.h"

static Dm *of(Machine *m)
{
    return m->opaque;
}

static int64_t host_now(Machine *m)
{
    return hv_now(of(m)->hv);
}

static int64_t host_wall_clock(Machine *m)
{
    return time(NULL) + of(m)->rtc_offset;
}

static void host_shutdown(Machine *m, ShutdownReason reason)
{
    hv_shutdown(of(m)->hv, reason);
}

/* What the guest makes devices say is its own text: printable, one line. */
static void host_log(Machine *m, const char *device, const char *text)
{
    g_autofree char *clean = g_strdup(text);

    (void)m;
    for (char *p = clean; *p; p++) {
        if (!g_ascii_isprint(*p)) {
            *p = '?';
        }
    }
    g_info("%s: %s", device, clean);
}

static uint8_t *host_ram(Machine *m, uint64_t gpa, uint64_t len, bool write, uint64_t *run)
{
    return hv_ram(of(m)->hv, gpa, len, write, run);
}

static void host_ram_written(Machine *m, uint64_t gpa, uint64_t len)
{
    hv_ram_written(of(m)->hv, gpa, len);
}

static bool host_block_alloc(Machine *m, RamBlock *b, GError **error)
{
    return hv_block_alloc(of(m)->hv, b, error);
}

static void host_block_map(Machine *m, RamBlock *b, bool mapped)
{
    hv_block_map(of(m)->hv, b, mapped);
}

static void host_settle(Machine *m)
{
    ioreq_drain_buffered(m, &of(m)->board.pci, hv_buffered(of(m)->hv));
}

static void host_let_in(Machine *m)
{
    if (of(m)->requests) {
        ioreq_client_let_in(of(m)->requests);
    }
}

static bool host_hold(Machine *m, bool on)
{
    return hv_hold(of(m)->hv, on);
}

static void host_block_dirty(Machine *m, RamBlock *b, uint8_t *bitmap)
{
    hv_block_dirty(of(m)->hv, b, bitmap);
}

static void host_block_free(Machine *m, RamBlock *b)
{
    hv_block_free(of(m)->hv, b);
}

static void host_pci_intx(Machine *m, unsigned devfn, unsigned pin, bool level)
{
    hv_pci_intx(of(m)->hv, devfn, pin, level);
}

static void host_link_route(Machine *m, unsigned link, unsigned isa_irq)
{
    hv_link_route(of(m)->hv, link, isa_irq);
}

static void host_msi(Machine *m, uint64_t addr, uint32_t data)
{
    hv_msi(of(m)->hv, addr, data);
}

static void host_rtc_offset(Machine *m, int64_t delta)
{
    Dm *dm = of(m);

    /* From another process: any number, that may wrap. */
    dm->rtc_offset = (int64_t)((uint64_t)dm->rtc_offset + (uint64_t)delta);
    dm->rtc_moved = (int64_t)((uint64_t)dm->rtc_moved + (uint64_t)delta);
    control_event(dm, CTL_EVENT_TIMEOFFSET, (uint64_t)dm->rtc_moved, NULL);
}

const MachineHost dm_machine_host = {
    .now = host_now, .wall_clock = host_wall_clock, .shutdown = host_shutdown, .log = host_log,
    .ram = host_ram, .ram_written = host_ram_written, .ram_block_alloc = host_block_alloc,
    .ram_block_map = host_block_map, .ram_block_dirty = host_block_dirty,
    .settle = host_settle, .let_in = host_let_in, .hold = host_hold,
    .ram_block_free = host_block_free, .set_pci_intx = host_pci_intx,
    .set_link_route = host_link_route, .inject_msi = host_msi,
    .rtc_offset_changed = host_rtc_offset,
};

static void timers_arm(Dm *dm, int64_t next)
{
    int64_t left = next - hv_now(dm->hv);   /* MAX() would look at the clock twice */
    int64_t wait = next == INT64_MAX ? 0 : MAX(left, 1);
    struct itimerspec t = { .it_value = { wait / NS_PER_S, wait % NS_PER_S } };

    timerfd_settime(dm->timer_fd, 0, &t, NULL);
}

static void timers_changed(void *opaque, int64_t next)
{
    timers_arm(opaque, next);
}

/* A paused domain's clock stands: the timerfd fires and is armed again until it moves, so it is
 * looked at ten times a second at most. */
static gboolean timers_due(gint fd, GIOCondition condition, gpointer opaque)
{
    Dm *dm = opaque;
    int64_t now = hv_now(dm->hv), next;
    uint64_t n;

    (void)condition;
    if (read(fd, &n, sizeof n) < 0 && errno != EAGAIN) {
        return G_SOURCE_CONTINUE;
    }
    next = timer_queue_run(&dm->board.machine.timers, now);
    if (next != INT64_MAX && hv_now(dm->hv) == now) {
        next = MAX(next, now + 100 * NS_PER_MS);
    }
    timers_arm(dm, next);
    return G_SOURCE_CONTINUE;
}

bool dm_timers_start(Dm *dm, GError **error)
{
    dm->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (dm->timer_fd < 0) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "timerfd: %s",
                    g_strerror(errno));
        return false;
    }
    GSource *source = g_unix_fd_source_new(dm->timer_fd, G_IO_IN);

    g_source_set_callback(source, (GSourceFunc)(void (*)(void))timers_due, dm, NULL);
    g_source_set_can_recurse(source, TRUE);         /* else GLib wakes itself at each dispatch */
    g_source_attach(source, NULL);
    g_source_unref(source);
    dm->board.machine.timers.changed = timers_changed;
    dm->board.machine.timers.opaque = dm;
    timers_arm(dm, timer_queue_next(&dm->board.machine.timers));
    return true;
}
