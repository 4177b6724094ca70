/* SPDX-License-Identifier: GPL-2.0-or-later */
/* control.c - requests with replies by id, and events; see control.h. */
#include "tools/xend/control.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>
#include "lib/fdpass.h"

#define DRAIN_MAX 1000          /* packets: whoever still holds the other end can't keep us here */

typedef struct Pending {
    ControlReply reply;
    void *opaque;
} Pending;

struct Control {
    int fd;
    guint source;
    uint32_t next_id;
    GHashTable *pending;        /* id -> Pending */
    ControlEvent event;
    ControlClosed closed;
    void *opaque;
    unsigned busy;              /* a callback may free the channel */
    bool freed;
};

static void deliver(Control *c, const CtlMsg *msg, const char *body)
{
    Pending *p;

    if (msg->type != CTL_REPLY) {
        c->event(c->opaque, msg, body);
        return;
    }
    p = g_hash_table_lookup(c->pending, GUINT_TO_POINTER(msg->id));
    if (p) {
        g_hash_table_steal(c->pending, GUINT_TO_POINTER(msg->id));
        p->reply(p->opaque, (int)msg->a, msg, body);
        g_free(p);
    }
}

/* One packet.  False: nothing there, *end: the peer has gone. */
static bool receive(Control *c, bool *end)
{
    g_autofree char *buf = g_malloc(CTL_MSG_MAX + 1);
    CtlMsg msg;
    ssize_t n = packet_recv(c->fd, buf, CTL_MSG_MAX, NULL, NULL);

    *end = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR && errno != EMSGSIZE);
    if (n < (ssize_t)sizeof msg) {
        return n > 0;
    }
    memcpy(&msg, buf, sizeof msg);
    if (msg.len > n - sizeof msg) {
        msg.len = n - sizeof msg;
    }
    buf[sizeof msg + msg.len] = 0;
    deliver(c, &msg, buf + sizeof msg);
    return true;
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer opaque)
{
    Control *c = opaque;
    gboolean keep = G_SOURCE_CONTINUE;
    bool end;

    (void)fd, (void)condition;
    c->busy++;
    receive(c, &end);
    if (end && !c->freed) {
        c->source = 0;
        keep = G_SOURCE_REMOVE;
        if (c->closed) {
            c->closed(c->opaque);
        }
    }
    if (--c->busy == 0 && c->freed) {
        g_free(c);
        return G_SOURCE_REMOVE;
    }
    return keep;
}

void control_drain(Control *c)
{
    bool end;

    c->busy++;
    for (unsigned n = 0; n < DRAIN_MAX && !c->freed && receive(c, &end); n++) {
    }
    if (--c->busy == 0 && c->freed) {
        g_free(c);
    }
}

Control *control_new(int fd, ControlEvent event, ControlClosed closed, void *opaque)
{
    Control *c = g_new0(Control, 1);

    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    c->fd = fd;
    c->event = event;
    c->closed = closed;
    c->opaque = opaque;
    c->pending = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    c->source = g_unix_fd_add(fd, G_IO_IN | G_IO_HUP, on_readable, c);
    return c;
}

void control_free(Control *c)
{
    g_autoptr(GHashTable) pending = NULL;
    GHashTableIter i;
    gpointer value;

    if (!c) {
        return;
    }
    pending = c->pending;
    if (c->source) {
        g_source_remove(c->source);
        c->source = 0;
    }
    close(c->fd);
    c->freed = true;
    if (!c->busy) {
        g_free(c);
    }
    g_hash_table_iter_init(&i, pending);
    while (g_hash_table_iter_next(&i, NULL, &value)) {
        Pending *p = value;

        p->reply(p->opaque, ECONNRESET, NULL, "");
    }
}

static void ignore_reply(void *opaque, int error, const CtlMsg *msg, const char *body)
{
    (void)opaque, (void)error, (void)msg, (void)body;
}

void control_request(Control *c, uint32_t type, uint64_t a, uint64_t b, const char *body, int fd,
                     ControlReply reply, void *opaque)
{
    control_request_fds(c, type, a, b, body, &fd, fd >= 0, reply, opaque);
}

void control_request_fds(Control *c, uint32_t type, uint64_t a, uint64_t b, const char *body,
                         const int *fds, unsigned n, ControlReply reply, void *opaque)
{
    CtlMsg msg = { .type = type, .a = a, .b = b, .len = body ? strlen(body) : 0 };
    Pending *p;

    reply = reply ? reply : ignore_reply;
    if (!c) {
        reply(opaque, ECONNRESET, NULL, "");
        return;
    }
    do {
        msg.id = ++c->next_id;
    } while (!msg.id || g_hash_table_contains(c->pending, GUINT_TO_POINTER(msg.id)));
    if (!packet_send(c->fd, &msg, sizeof msg, body, msg.len, fds, n)) {
        reply(opaque, errno, NULL, "");
        return;
    }
    p = g_new0(Pending, 1);
    p->reply = reply;
    p->opaque = opaque;
    g_hash_table_insert(c->pending, GUINT_TO_POINTER(msg.id), p);
}
