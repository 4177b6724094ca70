/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chardev.c - packets of line_proto.h in the main loop.  One packet of input is held until the port
 * has taken its bytes; states of the line are kept as what to say and what was said, so that a full
 * socket costs nothing but time.
 */
#include "ui/chardev.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "line_proto.h"

enum { STATE_PARAMS, STATE_BREAK, STATE_MODEM, STATES };
static const uint32_t state_type[STATES] = { LINE_PARAMS, LINE_BREAK, LINE_MODEM };

struct Chardev {
    ChardevClient client;
    int sock;                   /* -1: nothing connected */
    guint in_source, out_source;
    bool stalled;               /* the client waits for room */
    uint8_t held[LINE_DATA_MAX];
    size_t held_at, held_len;
    struct { uint32_t a, b; } wanted[STATES], said[STATES];
};

static void watch_output(Chardev *c);

static void gone(Chardev *c)
{
    if (c->in_source) {
        g_source_remove(c->in_source);
        c->in_source = 0;
    }
    if (c->out_source) {
        g_source_remove(c->out_source);
        c->out_source = 0;
    }
    close(c->sock);
    c->sock = -1;
}

/* False: no room now. */
static bool send_message(Chardev *c, uint32_t type, uint32_t a, uint32_t b, const void *data,
                         size_t len)
{
    LineMsg m = { type, a, b };
    struct iovec v[2] = { { &m, sizeof m }, { (void *)(uintptr_t)data, len } };
    struct msghdr h = { .msg_iov = v, .msg_iovlen = 2 };

    if (c->sock < 0 || sendmsg(c->sock, &h, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
        return true;
    }
    if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS) {
        gone(c);
        return true;
    }
    watch_output(c);
    return false;
}

/* Says what is new of the line's states; false: no room. */
static bool say_states(Chardev *c)
{
    for (unsigned i = 0; i < STATES; i++) {
        if (memcmp(&c->wanted[i], &c->said[i], sizeof c->said[i])) {
            if (!send_message(c, state_type[i], c->wanted[i].a, c->wanted[i].b, NULL, 0)) {
                return false;
            }
            c->said[i] = c->wanted[i];
        }
    }
    return true;
}

static void want_state(Chardev *c, unsigned i, uint32_t a, uint32_t b)
{
    c->wanted[i].a = a;
    c->wanted[i].b = b;
    say_states(c);
}

static gboolean output_ready(gint fd, GIOCondition condition, gpointer opaque)
{
    Chardev *c = opaque;

    (void)fd;
    (void)condition;
    c->out_source = 0;
    if (say_states(c) && c->stalled) {
        c->stalled = false;
        if (c->client.writable) {
            c->client.writable(c->client.opaque);
        }
    }
    return G_SOURCE_REMOVE;
}

static void watch_output(Chardev *c)
{
    if (!c->out_source) {
        c->out_source = g_unix_fd_add(c->sock, G_IO_OUT | G_IO_HUP | G_IO_ERR, output_ready, c);
    }
}

/* --- from the line ------------------------------------------------------------------------------ */

/* True: all that was held has been taken. */
static bool deliver(Chardev *c)
{
    while (c->held_at < c->held_len) {
        size_t room = c->client.can_receive ? c->client.can_receive(c->client.opaque) : 0;
        size_t n = MIN(room, c->held_len - c->held_at);

        if (n == 0) {
            return false;
        }
        c->held_at += n;
        c->client.receive(c->client.opaque, c->held + c->held_at - n, n);
    }
    return true;
}

static void handle(Chardev *c, const LineMsg *m, const uint8_t *data, size_t len)
{
    switch (m->type) {
    case LINE_DATA:
        memcpy(c->held, data, len);
        c->held_at = 0;
        c->held_len = len;
        deliver(c);
        break;
    case LINE_BREAK:
        if (c->client.line_break) {
            c->client.line_break(c->client.opaque, m->a != 0);
        }
        break;
    case LINE_MODEM:
        if (c->client.modem) {
            c->client.modem(c->client.opaque, m->a);
        }
        break;
    }
}

static gboolean input_ready(gint fd, GIOCondition condition, gpointer opaque)
{
    Chardev *c = opaque;
    uint8_t buf[sizeof(LineMsg) + LINE_DATA_MAX];
    LineMsg m;
    ssize_t n;

    (void)condition;
    n = recv(fd, buf, sizeof buf, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return G_SOURCE_CONTINUE;
    }
    if (n <= 0) {
        c->in_source = 0;
        gone(c);
        return G_SOURCE_REMOVE;
    }
    if (n >= (ssize_t)sizeof m) {
        memcpy(&m, buf, sizeof m);
        handle(c, &m, buf + sizeof m, n - sizeof m);
    }
    if (c->held_at < c->held_len) {
        c->in_source = 0;       /* chardev_receive_ready() starts it again */
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

static void watch_input(Chardev *c);

/* What is held does not make the socket readable. */
static gboolean held_ready(gpointer opaque)
{
    Chardev *c = opaque;

    c->in_source = 0;
    if (deliver(c)) {
        watch_input(c);
    }
    return G_SOURCE_REMOVE;
}

static void watch_input(Chardev *c)
{
    if (c->in_source || !c->client.receive) {
        return;
    }
    if (c->held_at < c->held_len) {
        c->in_source = g_idle_add_full(G_PRIORITY_DEFAULT, held_ready, c, NULL);
    } else if (c->sock >= 0) {
        c->in_source = g_unix_fd_add(c->sock, G_IO_IN | G_IO_HUP | G_IO_ERR, input_ready, c);
    }
}

/* --- interface ---------------------------------------------------------------------------------- */

Chardev *chardev_new(int sock, GError **error)
{
    Chardev *c;

    if (sock >= 0 && !g_unix_set_fd_nonblocking(sock, TRUE, error)) {
        return NULL;
    }
    c = g_new0(Chardev, 1);
    c->sock = sock;
    return c;
}

void chardev_free(Chardev *c)
{
    if (!c) {
        return;
    }
    if (c->in_source) {
        g_source_remove(c->in_source);
    }
    if (c->out_source) {
        g_source_remove(c->out_source);
    }
    if (c->sock >= 0) {
        close(c->sock);
    }
    g_free(c);
}

void chardev_attach(Chardev *c, const ChardevClient *client)
{
    c->client = client ? *client : (ChardevClient){ 0 };
    watch_input(c);
}

size_t chardev_write(Chardev *c, const void *buf, size_t len)
{
    size_t n = MIN(len, LINE_DATA_MAX);

    if (!say_states(c) || !send_message(c, LINE_DATA, 0, 0, buf, n)) {
        c->stalled = true;
        return 0;
    }
    return n;
}

void chardev_receive_ready(Chardev *c)
{
    if (!c->in_source) {        /* else it is delivered in the loop, in order */
        watch_input(c);
    }
}

void chardev_params(Chardev *c, unsigned bits_per_second, unsigned format)
{
    want_state(c, STATE_PARAMS, bits_per_second, format);
}

void chardev_break(Chardev *c, bool on)
{
    want_state(c, STATE_BREAK, on, 0);
}

void chardev_modem(Chardev *c, unsigned lines)
{
    want_state(c, STATE_MODEM, lines, 0);
}
