/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * net.c - a NIC's port: frames over a packet socket (dm-switch; dm-net: in bundles), over a tap, or
 * nothing at all.  Frames that the NIC can't take yet wait in a bounded queue; when it is full the other end is
 * left alone, so its own buffer is the rest of the cable.  Frames that the guest may not send yet
 * (rate limit), or that the other end has no room for, wait in others, which drop when they are full, as
 * a slow wire's does.
 */
#include "net/net.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <unistd.h>
#include "lib/packets.h"
#include "net/offload.h"
#include "net/pcap.h"
#include "net/rate.h"
#include "net/tap.h"

#define MAX_QUEUED 64
#define MAX_PIECES 1024         /* one long segment may add so many to the queue */
#define FRAMES_A_TURN 64
#define SOCKET_FRAME_MAX 4608   /* longest frame that any card takes, and some */
#define RETRY_MS 2              /* a card whose driver gives it room in memory tells nobody */
#define MAX_HELD (512u << 10)   /* bytes that wait for the rate limit */

typedef enum PortKind { PORT_NONE, PORT_SOCKET, PORT_TAP } PortKind;

struct NetPort {
    PortKind kind;
    int fd;                     /* -1: not plugged */
    bool vnet;                  /* of a tap */
    NetClient client;
    GQueue *waiting;            /* GBytes*: received while the NIC had no room */
    guint source;               /* watches fd; 0 while the queue is full */
    PacketIn *in;               /* of a socket, as the next three */
    PacketOut *out;
    guint room;                 /* waits until the other end takes frames again */
    unsigned bursts;            /* begun and not ended */
    guint deliver;              /* idle source that empties the queue */
    guint retry;                /* timer that looks whether it can be */
    bool peer_gone;
    Rate rate;
    GQueue *held;               /* Held*: sent by the guest before the limit lets it */
    size_t held_bytes;
    guint release;              /* timer that lets them go */
    Pcap *dump;
    uint8_t frame[NET_FRAME_MAX];       /* of a tap */
};

typedef struct Held {
    NetOffload offload;
    size_t len;
    uint8_t frame[];
} Held;

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

static void dump(NetPort *p, const void *frame, size_t len)
{
    if (p->dump && !pcap_frame(p->dump, frame, len)) {
        g_message("network capture: the file is full; it is ended");
        g_clear_pointer(&p->dump, pcap_free);
    }
}

static gboolean look_again(gpointer opaque);

static void keep_looking(NetPort *p)
{
    if (!p->retry && !p->deliver && !g_queue_is_empty(p->waiting) && p->client.can_receive) {
        p->retry = g_timeout_add(RETRY_MS, look_again, p);
    }
}

/* --- towards the NIC ------------------------------------------------------------------------- */

static void arrived(void *opaque, const uint8_t *frame, size_t len)
{
    NetPort *p = opaque;

    dump(p, frame, len);
    if (g_queue_is_empty(p->waiting) && can_receive(p)) {
        p->client.receive(p->client.opaque, frame, len);
    } else if (g_queue_get_length(p->waiting) < MAX_QUEUED + MAX_PIECES) {
        g_queue_push_tail(p->waiting, g_bytes_new(frame, len));
        keep_looking(p);
    }
}

static void lose_peer(NetPort *p)
{
    p->peer_gone = true;
    if (p->client.link_changed) {
        p->client.link_changed(p->client.opaque, false);
    }
}

/* False: nothing more for now, or ever. */
static bool from_tap(NetPort *p, int fd)
{
    NetOffload offload;
    ssize_t n = tap_read(fd, p->vnet, p->frame, sizeof p->frame, &offload);

    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        lose_peer(p);
    }
    if (n > 0) {
        net_offload_finish(&offload, p->frame, n, arrived, p);
    }
    return n >= 0;
}

static unsigned from_socket(NetPort *p, int fd, unsigned max)
{
    int n = packet_in_read(p->in, fd, max);

    if (n < 0) {
        lose_peer(p);
    }
    for (int i = 0; i < n && p->fd == fd; i++) {
        uint8_t *frame;
        size_t len = packet_in_get(p->in, i, &frame);

        if (len) {
            arrived(p, frame, len);
        }
    }
    return MAX(n, 0);
}

static gboolean frames_ready(gint fd, GIOCondition condition, gpointer opaque)
{
    NetPort *p = opaque;
    unsigned queued = g_queue_get_length(p->waiting);

    (void)condition;
    if (queued < MAX_QUEUED && p->kind == PORT_SOCKET) {
        from_socket(p, fd, MIN(FRAMES_A_TURN, MAX_QUEUED - queued));
    } else {
        for (unsigned i = 0; i < FRAMES_A_TURN && g_queue_get_length(p->waiting) < MAX_QUEUED &&
             p->fd == fd && from_tap(p, fd); i++) {
        }
    }
    if (p->fd != fd) {                  /* the card's handler has replugged it */
        return G_SOURCE_REMOVE;
    }
    if (p->peer_gone || g_queue_get_length(p->waiting) >= MAX_QUEUED) {
        p->source = 0;
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
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
        keep_looking(p);
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

static gboolean look_again(gpointer opaque)
{
    NetPort *p = opaque;

    if (!g_queue_is_empty(p->waiting) && !can_receive(p)) {
        return G_SOURCE_CONTINUE;
    }
    p->retry = 0;
    net_receive_ready(p);
    return G_SOURCE_REMOVE;
}

void net_receive_ready(NetPort *p)
{
    if (!p->deliver && !g_queue_is_empty(p->waiting)) {
        p->deliver = g_idle_add_full(G_PRIORITY_DEFAULT, deliver_waiting, p, NULL);
    }
}

/* --- from the NIC ---------------------------------------------------------------------------- */

static gboolean room_again(gint fd, GIOCondition condition, gpointer opaque)
{
    NetPort *p = opaque;

    (void)condition;
    if (packet_out_flush(p->out, fd)) {
        return G_SOURCE_CONTINUE;
    }
    p->room = 0;
    return G_SOURCE_REMOVE;
}

/* Whether the other end has gone shows when we read. */
static void flush(NetPort *p)
{
    if (!p->room && !p->bursts && packet_out_flush(p->out, p->fd)) {
        p->room = g_unix_fd_add(p->fd, G_IO_OUT, room_again, p);
    }
}

static void to_socket(void *opaque, const uint8_t *frame, size_t len)
{
    NetPort *p = opaque;

    packet_out_add(p->out, p->fd, frame, len);
}

static void to_tap(void *opaque, const uint8_t *frame, size_t len)
{
    NetPort *p = opaque;

    tap_write(p->fd, p->vnet, frame, len, &(NetOffload){ 0 });
}

static void transmit(NetPort *p, const void *frame, size_t len, const NetOffload *o)
{
    bool work = o->checksum || o->segment;

    if (p->fd < 0 || p->peer_gone) {
        return;
    }
    dump(p, frame, len);
    if (p->kind == PORT_TAP && (p->vnet || !work)) {
        tap_write(p->fd, p->vnet, frame, len, o);
    } else if (work) {
        g_autofree uint8_t *copy = g_memdup2(frame, len);

        net_offload_finish(o, copy, len, p->kind == PORT_TAP ? to_tap : to_socket, p);
    } else {
        to_socket(p, frame, len);
    }
    if (p->kind == PORT_SOCKET) {
        flush(p);
    }
}

static void schedule(NetPort *p);

static gboolean release_held(gpointer opaque)
{
    NetPort *p = opaque;
    Held *h;

    p->release = 0;
    while ((h = g_queue_peek_head(p->held)) &&
           rate_take(&p->rate, h->len, g_get_monotonic_time())) {
        g_queue_pop_head(p->held);
        p->held_bytes -= h->len;
        transmit(p, h->frame, h->len, &h->offload);
        g_free(h);
    }
    schedule(p);
    return G_SOURCE_REMOVE;
}

static void schedule(NetPort *p)
{
    if (!p->release && !g_queue_is_empty(p->held)) {
        int64_t us = rate_wait(&p->rate, g_get_monotonic_time());

        p->release = g_timeout_add((us + 999) / 1000, release_held, p);
    }
}

static void hold(NetPort *p, const void *frame, size_t len, const NetOffload *o)
{
    Held *h;

    if (p->held_bytes + len > MAX_HELD) {
        return;
    }
    h = g_malloc(sizeof *h + len);
    h->offload = *o;
    h->len = len;
    memcpy(h->frame, frame, len);
    g_queue_push_tail(p->held, h);
    p->held_bytes += len;
    schedule(p);
}

void net_send_offload(NetPort *p, const void *frame, size_t len, const NetOffload *o)
{
    if (p->fd < 0 || p->peer_gone || !len || len > NET_FRAME_MAX ||
        !net_offload_valid(o, frame, len)) {
        return;
    }
    if (p->rate.bytes && (!g_queue_is_empty(p->held) ||
                          !rate_take(&p->rate, len, g_get_monotonic_time()))) {
        hold(p, frame, len, o);
    } else {
        transmit(p, frame, len, o);
    }
}

void net_send(NetPort *p, const void *frame, size_t len)
{
    net_send_offload(p, frame, len, &(NetOffload){ 0 });
}

void net_burst_begin(NetPort *p)
{
    p->bursts++;
}

void net_burst_end(NetPort *p)
{
    if (--p->bursts == 0 && p->kind == PORT_SOCKET && p->fd >= 0) {
        flush(p);
    }
}

void net_port_limit(NetPort *p, uint64_t bytes, uint32_t us)
{
    rate_set(&p->rate, bytes, us, g_get_monotonic_time());
    if (p->release) {
        g_source_remove(p->release);
        p->release = 0;
    }
    schedule(p);
}

/* --- the port -------------------------------------------------------------------------------- */

static NetPort *port_new(PortKind kind, int fd, GError **error)
{
    NetPort *p;

    if (fd >= 0 && !g_unix_set_fd_nonblocking(fd, TRUE, error)) {
        close(fd);
        return NULL;
    }
    p = g_new0(NetPort, 1);
    p->kind = kind;
    p->fd = fd;
    p->waiting = g_queue_new();
    p->held = g_queue_new();
    return p;
}

static NetPort *socket_new(int fd, bool bundles, GError **error)
{
    NetPort *p = port_new(PORT_SOCKET, fd, error);

    if (p) {
        p->in = packet_in_new(SOCKET_FRAME_MAX, bundles);
        p->out = packet_out_new(MAX_HELD, bundles);
    }
    return p;
}

NetPort *net_port_new_socket(int fd, GError **error)
{
    return socket_new(fd, false, error);
}

NetPort *net_port_new_bundles(int fd, GError **error)
{
    return socket_new(fd, true, error);
}

NetPort *net_port_new_tap(int fd, bool vnet, GError **error)
{
    NetPort *p = port_new(PORT_TAP, fd, error);

    if (p) {
        p->vnet = vnet;
    }
    return p;
}

NetPort *net_port_new_null(void)
{
    return port_new(PORT_NONE, -1, NULL);
}

NetPort *net_port_for(int fd, NetCable kind, GError **error)
{
    if (fd < 0) {
        return net_port_new_null();
    }
    switch (kind) {
    case NET_CABLE_TAP: return net_port_new_tap(fd, false, error);
    case NET_CABLE_TAP_VNET: return net_port_new_tap(fd, true, error);
    case NET_CABLE_BUNDLES: return net_port_new_bundles(fd, error);
    default: return net_port_new_socket(fd, error);
    }
}

static void free_bytes(gpointer bytes)
{
    g_bytes_unref(bytes);
}

static void drop_source(guint *id)
{
    if (*id) {
        g_source_remove(*id);
        *id = 0;
    }
}

static void unplug(NetPort *p)
{
    drop_source(&p->source);
    drop_source(&p->room);
    g_clear_pointer(&p->in, packet_in_free);
    g_clear_pointer(&p->out, packet_out_free);
    if (p->fd >= 0) {
        close(p->fd);
        p->fd = -1;
    }
}

void net_port_free(NetPort *p)
{
    if (!p) {
        return;
    }
    unplug(p);
    drop_source(&p->deliver);
    drop_source(&p->retry);
    drop_source(&p->release);
    pcap_free(p->dump);
    g_queue_free_full(p->waiting, free_bytes);
    g_queue_free_full(p->held, g_free);
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

bool net_link_up(const NetPort *p)
{
    return p->fd >= 0 && !p->peer_gone;
}

void net_port_replug(NetPort *p, NetPort *from)
{
    bool was_up = net_link_up(p);

    unplug(p);
    drop_source(&from->source);
    p->kind = from->kind;
    p->fd = from->fd;
    p->vnet = from->vnet;
    p->peer_gone = from->peer_gone;
    p->in = g_steal_pointer(&from->in);
    p->out = g_steal_pointer(&from->out);
    from->fd = -1;
    net_port_free(from);
    watch(p);
    if (net_link_up(p) != was_up && p->client.link_changed) {
        p->client.link_changed(p->client.opaque, !was_up);
    }
}

bool net_port_dump(NetPort *p, int fd, uint64_t max, GError **error)
{
    Pcap *fresh = fd < 0 ? NULL : pcap_new(fd, max, error);

    if (fd >= 0 && !fresh) {
        return false;
    }
    pcap_free(p->dump);
    p->dump = fresh;
    return true;
}
