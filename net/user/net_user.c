/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * net_user.c - libslirp in a poll loop.  Frames longer than the link allows are dropped; the guest
 * is one station on a /24 whose host is .2, name server .3, first lease .15.  While the guest's card
 * has no room, nothing is read from the host's sockets: a lost frame costs TCP half a second.
 */
#include "net/user/net_user.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glib-unix.h>
#include <poll.h>
#include <slirp/libslirp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "lib/packets.h"
#include "net/user/policy.h"

#define FRAME_MAX 4608          /* longest frame of any card that a guest can have here */
#define MAX_POLLS 4096
#define MAX_WAITING (1u << 20)  /* bytes that the guest's card has no room for */

typedef struct SlirpTimer {
    struct SlirpTimer *next;
    SlirpTimerCb callback;
    void *opaque;
    int64_t when;               /* ms; -1: idle */
} SlirpTimer;

typedef struct NetUser {
    Slirp *slirp;
    int fd;
    PacketIn *in;
    PacketOut *out;
    bool gone;
    SlirpTimer *timers;
    struct pollfd polls[MAX_POLLS];
    unsigned npolls;
} NetUser;

static int64_t now_ns(void *opaque)
{
    struct timespec ts;

    (void)opaque;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static ssize_t send_packet(const void *buf, size_t len, void *opaque)
{
    NetUser *u = opaque;

    packet_out_add(u->out, u->fd, buf, len);
    return len;
}

static void guest_error(const char *msg, void *opaque)
{
    (void)opaque;
    g_debug("%s", msg);
}

static void *timer_new(SlirpTimerCb callback, void *cb_opaque, void *opaque)
{
    NetUser *u = opaque;
    SlirpTimer *t = g_new0(SlirpTimer, 1);

    *t = (SlirpTimer){ u->timers, callback, cb_opaque, -1 };
    u->timers = t;
    return t;
}

static void timer_free(void *timer, void *opaque)
{
    NetUser *u = opaque;

    for (SlirpTimer **p = &u->timers; *p; p = &(*p)->next) {
        if (*p == timer) {
            *p = (*p)->next;
            break;
        }
    }
    g_free(timer);
}

static void timer_mod(void *timer, int64_t when, void *opaque)
{
    (void)opaque;
    ((SlirpTimer *)timer)->when = when;
}

static void poll_fd(int fd, void *opaque)
{
    (void)fd;
    (void)opaque;
}

static void notify(void *opaque)
{
    (void)opaque;
}

static const SlirpCb callbacks = {
    .send_packet = send_packet, .guest_error = guest_error, .clock_get_ns = now_ns,
    .timer_new = timer_new, .timer_free = timer_free, .timer_mod = timer_mod,
    .register_poll_fd = poll_fd, .unregister_poll_fd = poll_fd, .notify = notify,
};

static int add_poll(int fd, int events, void *opaque)
{
    NetUser *u = opaque;
    struct pollfd *p = &u->polls[u->npolls];

    if (u->npolls == MAX_POLLS) {
        return -1;
    }
    p->fd = fd;
    p->revents = 0;
    p->events = (events & SLIRP_POLL_IN ? POLLIN : 0) | (events & SLIRP_POLL_OUT ? POLLOUT : 0) |
                (events & SLIRP_POLL_PRI ? POLLPRI : 0);
    return u->npolls++;
}

static int get_revents(int index, void *opaque)
{
    NetUser *u = opaque;
    int r = index >= 0 && (unsigned)index < u->npolls ? u->polls[index].revents : 0;

    return (r & POLLIN ? SLIRP_POLL_IN : 0) | (r & POLLOUT ? SLIRP_POLL_OUT : 0) |
           (r & POLLPRI ? SLIRP_POLL_PRI : 0) | (r & POLLERR ? SLIRP_POLL_ERR : 0) |
           (r & POLLHUP ? SLIRP_POLL_HUP : 0);
}

static bool parse_endpoint(const char *text, guint32 *addr, int *port)
{
    const char *colon = strrchr(text, ':');
    g_autofree char *host = colon ? g_strndup(text, colon - text) : NULL;
    struct in_addr in = { 0 };
    guint64 n;

    if (!colon || !g_ascii_string_to_unsigned(colon + 1, 10, 1, 65535, &n, NULL) ||
        (*host && inet_pton(AF_INET, host, &in) != 1)) {
        return false;
    }
    *addr = in.s_addr;
    *port = n;
    return true;
}

bool net_user_parse_forward(const char *spec, bool *udp, guint32 *host, int *host_port,
                            guint32 *guest, int *guest_port, GError **error)
{
    bool tcp = g_str_has_prefix(spec, "tcp:");
    const char *rest = spec + 4, *dash;
    g_autofree char *left = NULL;

    *udp = g_str_has_prefix(spec, "udp:");
    dash = tcp || *udp ? strchr(rest, '-') : NULL;
    left = dash ? g_strndup(rest, dash - rest) : NULL;
    if (!dash || !parse_endpoint(left, host, host_port) ||
        !parse_endpoint(dash + 1, guest, guest_port)) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "hostfwd %s: want tcp|udp:[HOSTADDR]:HOSTPORT-[GUESTADDR]:GUESTPORT", spec);
        return false;
    }
    return true;
}

static bool add_forwards(NetUser *u, const NetUserOptions *o, struct in_addr lease, GError **error)
{
    for (guint i = 0; i < o->forwards->len; i++) {
        const char *spec = o->forwards->pdata[i];
        struct in_addr host = { 0 }, guest = { 0 };
        int host_port, guest_port;
        bool udp;

        if (!net_user_parse_forward(spec, &udp, &host.s_addr, &host_port, &guest.s_addr,
                                    &guest_port, error)) {
            return false;
        }
        if (guest.s_addr == 0) {
            guest = lease;
        }
        if (slirp_add_hostfwd(u->slirp, udp, host, host_port, guest, guest_port) < 0) {
            g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno),
                        "hostfwd %s: port %d of the host can't be had: %s", spec, host_port,
                        g_strerror(errno));
            return false;
        }
    }
    return true;
}

static bool start(NetUser *u, const NetUserOptions *o, GError **error)
{
    SlirpConfig cfg = { .version = 1, .in_enabled = true, .restricted = o->restricted,
                        .tftp_path = o->tftp, .bootfile = o->bootfile };    /* no vhostname: guests would take it */
    struct in_addr net;

    if (inet_pton(AF_INET, o->network, &net) != 1) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "network %s is no address",
                    o->network);
        return false;
    }
    net.s_addr &= htonl(0xffffff00);
    cfg.vnetwork = net;
    cfg.vnetmask.s_addr = htonl(0xffffff00);
    cfg.vhost.s_addr = net.s_addr | htonl(2);
    cfg.vnameserver.s_addr = net.s_addr | htonl(3);
    cfg.vdhcp_start.s_addr = net.s_addr | htonl(15);
    u->slirp = slirp_new(&cfg, &callbacks, u);
    if (!u->slirp) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "libslirp can't start");
        return false;
    }
    return add_forwards(u, o, cfg.vdhcp_start, error);
}

static void run_timers(NetUser *u)
{
    int64_t now = now_ns(NULL) / 1000000;

    for (SlirpTimer *t = u->timers, *next; t; t = next) {
        next = t->next;
        if (t->when >= 0 && t->when <= now) {
            t->when = -1;
            t->callback(t->opaque);
        }
    }
}

static uint32_t next_timeout(const NetUser *u)
{
    int64_t now = now_ns(NULL) / 1000000, best = 1000000;

    for (const SlirpTimer *t = u->timers; t; t = t->next) {
        if (t->when >= 0) {
            best = MIN(best, MAX(t->when - now, 0));
        }
    }
    return best;
}

static void receive_frames(NetUser *u)
{
    int n = packet_in_read(u->in, u->fd, PACKETS_A_READ);

    u->gone |= n < 0;
    for (int i = 0; i < n; i++) {
        uint8_t *frame;
        size_t len = packet_in_get(u->in, i, &frame);

        if (len) {
            slirp_input(u->slirp, frame, len);
        }
    }
}

/* One round: waits, and does what has come up. */
static void turn(NetUser *u)
{
    bool full = packet_out_flush(u->out, u->fd);
    uint32_t timeout = next_timeout(u);
    int rc;

    u->polls[0] = (struct pollfd){ .fd = u->fd, .events = POLLIN | (full ? POLLOUT : 0) };
    u->npolls = 1;
    slirp_pollfds_fill(u->slirp, &timeout, add_poll, u);
    rc = poll(u->polls, full ? 1 : u->npolls, MIN(timeout, next_timeout(u)));
    if (u->polls[0].revents & ~POLLOUT) {
        receive_frames(u);
    }
    slirp_pollfds_poll(u->slirp, rc < 0, get_revents, u);
    run_timers(u);
    u->gone |= packet_out_gone(u->out);
}

bool net_user_run(const NetUserOptions *options, GError **error)
{
    g_autofree NetUser *u = g_new0(NetUser, 1);

    u->fd = options->frames_fd;
    if (!start(u, options, error) || !net_user_restrict(options->tftp, error)) {
        return false;
    }
    u->in = packet_in_new(FRAME_MAX, true);
    u->out = packet_out_new(MAX_WAITING, true);
    while (!u->gone) {
        turn(u);
    }
    slirp_cleanup(u->slirp);
    packet_in_free(u->in);
    packet_out_free(u->out);
    close(u->fd);
    return true;
}
