/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * console.c - ptys, console logs with a size limit, and the bridge between the PV console's stream
 * and its pty.  Nobody reading the pty must never stop the guest: what does not fit is dropped.
 */
#include "tools/xend/console.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

bool pty_open(Pty *p, char **error)
{
    char name[64];
    struct termios t;

    *p = (Pty){ -1, -1, NULL };
    p->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (p->master < 0 || grantpt(p->master) != 0 || unlockpt(p->master) != 0 ||
        ptsname_r(p->master, name, sizeof name) != 0 ||
        (p->slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0) {
        *error = g_strdup_printf("can't make a pseudo terminal (%s)", g_strerror(errno));
        pty_close(p);
        return false;
    }
    if (tcgetattr(p->slave, &t) == 0) {
        cfmakeraw(&t);
        tcsetattr(p->slave, TCSANOW, &t);
    }
    p->name = g_strdup(name);
    return true;
}

void pty_close(Pty *p)
{
    if (p->master >= 0) {
        close(p->master);
    }
    if (p->slave >= 0) {
        close(p->slave);
    }
    g_free(p->name);
    *p = (Pty){ -1, -1, NULL };
}

struct ConsoleLog {
    char *path;
    int fd;
    gsize size, limit;          /* bytes */
};

static bool log_open(ConsoleLog *l)
{
    struct stat st;

    l->fd = open(l->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    l->size = l->fd >= 0 && fstat(l->fd, &st) == 0 ? (gsize)st.st_size : 0;
    return l->fd >= 0;
}

void console_log_write(ConsoleLog *l, const void *data, gsize len)
{
    if (l->fd >= 0 && l->size + len > l->limit) {
        g_autofree char *old = g_strconcat(l->path, ".1", NULL);

        close(l->fd);
        rename(l->path, old);
        log_open(l);
    }
    if (l->fd >= 0 && write(l->fd, data, len) == (ssize_t)len) {
        l->size += len;
    }
}

ConsoleLog *console_log_new(const char *path, gsize limit, char **error)
{
    ConsoleLog *l = g_new0(ConsoleLog, 1);

    l->limit = limit;
    l->path = g_strdup(path);
    if (!log_open(l)) {
        *error = g_strdup_printf("log %s can't be written (%s)", path, g_strerror(errno));
        g_free(l->path);
        g_free(l);
        return NULL;
    }
    return l;
}

void console_log_free(ConsoleLog *l)
{
    if (!l) {
        return;
    }
    if (l->fd >= 0) {
        close(l->fd);
    }
    g_free(l->path);
    g_free(l);
}

struct ConsoleBridge {
    int stream;
    Pty *pty;
    ConsoleLog *log;
    guint stream_source, pty_source;
};

static gboolean from_guest(gint fd, GIOCondition condition, gpointer opaque)
{
    ConsoleBridge *b = opaque;
    char buf[4096];
    ssize_t n = read(fd, buf, sizeof buf);

    (void)condition;
    if (n > 0) {
        if (write(b->pty->master, buf, n) < 0 && errno != EAGAIN) {
            g_debug("console: %s", g_strerror(errno));
        }
        if (b->log) {
            console_log_write(b->log, buf, n);
        }
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        b->stream_source = 0;
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

static gboolean from_user(gint fd, GIOCondition condition, gpointer opaque)
{
    ConsoleBridge *b = opaque;
    char buf[256];
    ssize_t n = read(fd, buf, sizeof buf);

    (void)condition;
    if (n > 0 && send(b->stream, buf, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EAGAIN) {
        b->pty_source = 0;
        return G_SOURCE_REMOVE;
    }
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        b->pty_source = 0;
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

ConsoleBridge *console_bridge_new(int stream_fd, Pty *pty, ConsoleLog *log)
{
    ConsoleBridge *b = g_new0(ConsoleBridge, 1);

    b->stream = stream_fd;
    b->pty = pty;
    b->log = log;
    fcntl(stream_fd, F_SETFL, fcntl(stream_fd, F_GETFL) | O_NONBLOCK);
    b->stream_source = g_unix_fd_add(stream_fd, G_IO_IN | G_IO_HUP, from_guest, b);
    b->pty_source = g_unix_fd_add(pty->master, G_IO_IN, from_user, b);
    return b;
}

void console_bridge_free(ConsoleBridge *b)
{
    if (b) {
        if (b->stream_source) {
            g_source_remove(b->stream_source);
        }
        if (b->pty_source) {
            g_source_remove(b->pty_source);
        }
        close(b->stream);
        g_free(b);
    }
}
