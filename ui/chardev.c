/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chardev.c - descriptors as byte streams in the main loop.  Nobody at the other end of a pty must
 * never stop the guest: with drop set, output that would block is swallowed.  A pty whose reader
 * went away reports POLLHUP until somebody opens it again, so input is then looked for once in a
 * while instead of at once.
 */
#include "ui/chardev.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

#define CHUNK 1024
#define REOPEN_MS 200

struct Chardev {
    ChardevClient client;
    int in_fd, out_fd, log_fd;
    bool drop;
    guint in_source, out_source;
};

static void watch_input(Chardev *c);

static gboolean retry_input(gpointer opaque)
{
    Chardev *c = opaque;

    c->in_source = 0;
    watch_input(c);
    return G_SOURCE_REMOVE;
}

static gboolean input_ready(gint fd, GIOCondition condition, gpointer opaque)
{
    Chardev *c = opaque;
    uint8_t buf[CHUNK];
    size_t room = c->client.can_receive ? c->client.can_receive(c->client.opaque) : 0;
    ssize_t n;

    if (room == 0) {
        c->in_source = 0;       /* chardev_receive_ready() starts it again */
        return G_SOURCE_REMOVE;
    }
    n = read(fd, buf, MIN(room, sizeof buf));
    if (n > 0) {
        c->client.receive(c->client.opaque, buf, n);
        return G_SOURCE_CONTINUE;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR) && !(condition & G_IO_HUP)) {
        return G_SOURCE_CONTINUE;
    }
    c->in_source = g_timeout_add(REOPEN_MS, retry_input, c);
    return G_SOURCE_REMOVE;
}

static void watch_input(Chardev *c)
{
    if (c->in_fd >= 0 && !c->in_source && c->client.receive) {
        c->in_source = g_unix_fd_add(c->in_fd, G_IO_IN | G_IO_HUP, input_ready, c);
    }
}

static gboolean output_ready(gint fd, GIOCondition condition, gpointer opaque)
{
    Chardev *c = opaque;

    (void)fd;
    (void)condition;
    c->out_source = 0;
    if (c->client.writable) {
        c->client.writable(c->client.opaque);
    }
    return G_SOURCE_REMOVE;
}

Chardev *chardev_new(int in_fd, int out_fd, int log_fd, bool drop, GError **error)
{
    Chardev *c = g_new0(Chardev, 1);
    int fds[2] = { in_fd, out_fd };

    *c = (Chardev){ .in_fd = in_fd, .out_fd = out_fd, .log_fd = log_fd, .drop = drop };
    for (unsigned i = 0; i < 2; i++) {
        if (fds[i] >= 0 && !g_unix_set_fd_nonblocking(fds[i], TRUE, error)) {
            g_free(c);
            return NULL;
        }
    }
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
    if (c->in_fd >= 0) {
        close(c->in_fd);
    }
    if (c->out_fd >= 0 && c->out_fd != c->in_fd) {
        close(c->out_fd);
    }
    if (c->log_fd >= 0) {
        close(c->log_fd);
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
    ssize_t n = len;

    if (c->out_fd >= 0) {
        do {
            n = write(c->out_fd, buf, len);
        } while (n < 0 && errno == EINTR);
        if (n < 0 && errno == EAGAIN && !c->drop) {
            if (!c->out_source) {
                c->out_source = g_unix_fd_add(c->out_fd, G_IO_OUT, output_ready, c);
            }
            return 0;
        }
        if (n < 0 || c->drop) {
            n = len;            /* nobody there: the line is not connected */
        }
    }
    if (c->log_fd >= 0 && n > 0 && write(c->log_fd, buf, n) < 0 && errno != EAGAIN) {
        close(c->log_fd);
        c->log_fd = -1;
    }
    return n;
}

void chardev_receive_ready(Chardev *c)
{
    watch_input(c);
}
