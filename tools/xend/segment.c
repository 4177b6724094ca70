/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * segment.c - the switches of this xend.  A dm-switch that ends by itself is started again, at most
 * so often in quick succession; the guests lose some frames and no link.
 */
#include "tools/xend/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "lib/fdpass.h"
#include "tools/xend/domain.h"
#include "tools/xend/spawn.h"

#define RESTARTS 5              /* each within ... */
#define WINDOW_SECONDS 30       /* ... of its start */

struct Segment {
    Xend *xend;
    char *name;
    GArray *ports;              /* int: borrowed */
    int control;
    GPid pid;
    guint watch;
    gint64 started;
    unsigned restarts;
};

static void switch_ended(GPid pid, gint status, gpointer opaque);

static bool send_port(Segment *s, int fd)
{
    return packet_send(s->control, "p", 1, NULL, 0, &fd, 1);
}

static bool start_switch(Segment *s, char **error)
{
    g_autoptr(Command) c = command_new("dm-switch");
    g_autofree char *path = g_strdup_printf("%s/segment-%s.log", s->xend->paths->log, s->name);
    int log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600), ends[2];

    if (!socket_pair(SOCK_SEQPACKET, ends)) {
        *error = g_strdup_printf("no socket (%s)", g_strerror(errno));
        return false;
    }
    command_arg(c, "--name");
    command_arg(c, "%s", s->name);
    command_fd(c, "--control-fd", ends[1]);
    s->control = ends[0];
    s->started = g_get_monotonic_time();
    s->pid = command_run(c, log_fd, error);
    if (log_fd >= 0) {
        close(log_fd);
    }
    if (!s->pid) {
        close(s->control);
        s->control = -1;
        return false;
    }
    g_info("segment %s: dm-switch is process %d", s->name, (int)s->pid);
    s->watch = g_child_watch_add(s->pid, switch_ended, s);
    return true;
}

static void switch_ended(GPid pid, gint status, gpointer opaque)
{
    Segment *s = opaque;
    g_autofree char *error = NULL;

    g_spawn_close_pid(pid);
    s->pid = 0;
    s->watch = 0;
    close(s->control);
    s->control = -1;
    s->restarts = g_get_monotonic_time() - s->started < WINDOW_SECONDS * G_USEC_PER_SEC
                  ? s->restarts + 1 : 1;
    if (s->restarts > RESTARTS) {
        g_warning("segment %s: dm-switch ended again (status %d); it is not started any more",
                  s->name, status);
        return;
    }
    g_warning("segment %s: dm-switch ended (status %d); starting it again", s->name, status);
    if (!start_switch(s, &error)) {
        g_warning("segment %s: %s", s->name, error);
        return;
    }
    for (unsigned i = 0; i < s->ports->len; i++) {
        send_port(s, g_array_index(s->ports, int, i));
    }
}

/* The switch ends when its control socket does; nobody waits for it. */
static void forget_child(GPid pid, gint status, gpointer opaque)
{
    (void)status, (void)opaque;
    g_spawn_close_pid(pid);
}

static void segment_free(Segment *s)
{
    if (s->watch) {
        g_source_remove(s->watch);
        g_child_watch_add(s->pid, forget_child, NULL);
    }
    if (s->control >= 0) {
        close(s->control);
    }
    g_array_free(s->ports, TRUE);
    g_free(s->name);
    g_free(s);
}

static Segment *find(Xend *x, const char *name)
{
    for (unsigned i = 0; x->segments && i < x->segments->len; i++) {
        Segment *s = g_ptr_array_index(x->segments, i);

        if (!strcmp(s->name, name)) {
            return s;
        }
    }
    return NULL;
}

bool segment_join(Xend *x, const char *name, int fd, char **error)
{
    Segment *s = find(x, name);

    if (!x->segments) {
        x->segments = g_ptr_array_new();
    }
    if (!s) {
        s = g_new0(Segment, 1);
        s->xend = x;
        s->name = g_strdup(name);
        s->ports = g_array_new(FALSE, FALSE, sizeof(int));
        s->control = -1;
        if (!start_switch(s, error)) {
            segment_free(s);
            return false;
        }
        g_ptr_array_add(x->segments, s);
    }
    g_array_append_val(s->ports, fd);
    if (s->control >= 0 && !send_port(s, fd)) {
        g_warning("segment %s: %s", name, g_strerror(errno));
    }
    return true;
}

void segment_leave(Xend *x, const char *name, int fd)
{
    Segment *s = find(x, name);

    for (unsigned i = 0; s && i < s->ports->len; i++) {
        if (g_array_index(s->ports, int, i) == fd) {
            g_array_remove_index(s->ports, i);
            break;
        }
    }
    if (s && s->ports->len == 0) {
        g_info("segment %s: nobody is left", s->name);
        g_ptr_array_remove(x->segments, s);
        segment_free(s);
    }
}

void segments_free(Xend *x)
{
    for (unsigned i = 0; x->segments && i < x->segments->len; i++) {
        segment_free(g_ptr_array_index(x->segments, i));
    }
    g_clear_pointer(&x->segments, g_ptr_array_unref);
}
