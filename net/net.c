/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * net.c - a NIC's port: frames over a packet socket (dm-net, a switch) or nothing at all.  Frames
 * that the NIC can't take yet wait in a bounded queue; when it is full the socket is left alone, so
 * its own buffer is the rest of the cable.
 */
#include "net/net.h"

#include <errno.h>
#include <glib-unix.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_QUEUED 64
#define FRAMES_A_TURN 64

struct NetPort {
    int fd;                     /* -1: not plugged */
    NetClient client;
    GQueue *waiting;            /* GBytes*: received while the NIC had no room */
    guint source;               /* watches fd; 0 while the queue is full */
    guint deliver;              /* idle source that empties the queue */
    bool peer_gone;
    uint8_t frame[NET_FRAME_MAX];
};

static gboolean frames_ready(gint fd, GIOCondition condition, gpointer opaque);

static void watch(NetPort *p)
{
    if (p->fd >= 0 && !p->source && !p->peer_gone && p->client.receive) {
        p->source = g_unix_fd_add(p->fd, G_IO_IN, frames_ready, p);
    }
}

static bool can_receive(NetPort *p)
{
    return p->client.receive && (!p->client.can_receive || p->client.can_receive(p->client.opaque));
}

static gboolean frames_ready(gint fd, GIOCondition condition, gpointer opaque)
{
    NetPort *p = opaque;

    (void)condition;
    for (unsigned i = 0; i < FRAMES_A_TURN; i++) {
        ssize_t n;

        if (g_queue_get_length(p->waiting) >= MAX_QUEUED) {
            p->source = 0;
            return G_SOURCE_REMOVE;
        }
        n = recv(fd, p->frame, sizeof p->frame, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            p->peer_gone = true;
            p->source = 0;
            if (p->client.link_changed) {
                p->client.link_changed(p->client.opaque, false);
            }
            return G_SOURCE_REMOVE;
        }
        if (n < 0) {
            break;
        }
        if (g_queue_is_empty(p->waiting) && can_receive(p)) {
            p->client.receive(p->client.opaque, p->frame, n);
        } else {
            g_queue_push_tail(p->waiting, g_bytes_new(p->frame, n));
        }
    }
    return G_SOURCE_CONTINUE;
}

static NetPort *port_new(int fd)
{
    NetPort *p = g_new0(NetPort, 1);

    p->fd = fd;
    p->waiting = g_queue_new();
    return p;
}

NetPort *net_port_new_socket(int fd, GError **error)
{
    return g_unix_set_fd_nonblocking(fd, TRUE, error) ? port_new(fd) : NULL;
}

NetPort *net_port_new_null(void)
{
    return port_new(-1);
}

static void free_bytes(gpointer bytes)
{
    g_bytes_unref(bytes);
}

void net_port_free(NetPort *p)
{
    if (!p) {
        return;
    }
    if (p->source) {
        g_source_remove(p->source);
    }
    if (p->deliver) {
        g_source_remove(p->deliver);
    }
    if (p->fd >= 0) {
        close(p->fd);
    }
    g_queue_free_full(p->waiting, free_bytes);
    g_free(p);
}

void net_attach(NetPort *p, const NetClient *client)
{
    p->client = client ? *client : (NetClient){ 0 };
    watch(p);
}

void net_client_of(const NetPort *p, NetClient *client)
{
    *client = p->client;
}

void net_send(NetPort *p, const void *frame, size_t len)
{
    /* A full socket buffer drops the frame, as a busy wire does. */
    if (p->fd >= 0 && !p->peer_gone && len && len <= NET_FRAME_MAX) {
        while (send(p->fd, frame, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == EINTR) {
        }
    }
}

static gboolean deliver_waiting(gpointer opaque)
{
    NetPort *p = opaque;

    for (unsigned i = 0; i < FRAMES_A_TURN && !g_queue_is_empty(p->waiting) && can_receive(p); i++) {
        GBytes *bytes = g_queue_pop_head(p->waiting);
        gsize len;
        const uint8_t *frame = g_bytes_get_data(bytes, &len);

        p->client.receive(p->client.opaque, frame, len);
        g_bytes_unref(bytes);
    }
    watch(p);
    if (g_queue_is_empty(p->waiting) || !can_receive(p)) {
        p->deliver = 0;
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

void net_receive_ready(NetPort *p)
{
    if (!p->deliver && !g_queue_is_empty(p->waiting)) {
        p->deliver = g_idle_add_full(G_PRIORITY_DEFAULT, deliver_waiting, p, NULL);
    }
}

bool net_link_up(const NetPort *p)
{
    return p->fd >= 0 && !p->peer_gone;
}
