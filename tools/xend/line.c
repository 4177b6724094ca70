/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * line.c - see line.h.  A line has two far ends: the terminal, and the peer that its config names.
 * Output goes to the log, into the past, and to each end that is there.  A peer that does not read
 * holds the port back for PATIENCE_MS (so that nothing is lost to one that is merely slow), then its
 * share is dropped until it reads again.  The terminal never holds anything back.
 */
#include "tools/xend/line.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>
#include "include/line_proto.h"
#include "lib/ring.h"

#define PAST_BYTES 16384            /* shown again to whoever comes */
#define OUT_MAX 65536               /* waiting for one end */
#define PATIENCE_MS 1000
#define SETTLE_MS 100               /* a program that opens a terminal sets it up first */
#define LOOK_MS 250                 /* without inotify */
#define INPUTS_MS 200               /* a host port's modem inputs are looked at */
#define RETRY_MIN_MS 1000
#define RETRY_MAX_MS 16000
#define PARTING_MS 20
#define PARTING_LOOKS 50            /* a second for whoever still reads when the line goes */

typedef struct End {
    Line *line;
    int fd;                         /* -1: nobody there */
    bool live;                      /* gets output now */
    bool telnet, marks, keeps_fd;
    guint in, out;
    GByteArray *waiting;            /* output */
    uint8_t held[LINE_DATA_MAX];    /* input that the port has no room for */
    size_t held_len;
    Telnet parser;
    uint8_t mark_state;
} End;

struct Line {
    int sock;
    guint sock_in, sock_out, patience;
    char *what;
    LineConfig config;              /* strings are our own */
    ConsoleLog *log;
    Ring past;
    Pty pty;
    End terminal, peer;
    int watch_fd, listen_fd;        /* inotify; -1 */
    guint watch, settle, listening, retry, inputs;
    unsigned retry_ms;
    GCancellable *connecting;
    bool peer_stuck;
    uint32_t modem, modem_said;
};

static void end_closed(End *e);
static void resume_sock(Line *l);

/* --- to the port -------------------------------------------------------------------------------- */

static gboolean sock_writable(gint fd, GIOCondition condition, gpointer opaque);

/* False: no room; sock_writable() goes on. */
static bool to_port(Line *l, uint32_t type, uint32_t a, const void *data, size_t len)
{
    LineMsg m = { type, a, 0 };
    struct iovec v[2] = { { &m, sizeof m }, { (void *)(uintptr_t)data, len } };
    struct msghdr h = { .msg_iov = v, .msg_iovlen = 2 };

    if (sendmsg(l->sock, &h, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 ||
        (errno != EAGAIN && errno != ENOBUFS && errno != EINTR)) {
        return true;
    }
    if (!l->sock_out) {
        l->sock_out = g_unix_fd_add(l->sock, G_IO_OUT | G_IO_HUP | G_IO_ERR, sock_writable, l);
    }
    return false;
}

static void say_modem(Line *l)
{
    if (l->modem != l->modem_said && to_port(l, LINE_MODEM, l->modem, NULL, 0)) {
        l->modem_said = l->modem;
    }
}

static void set_carrier(Line *l, bool on)
{
    l->modem = LINE_CTS | LINE_DSR | (on ? LINE_DCD : 0);
    say_modem(l);
}

/* --- one end ------------------------------------------------------------------------------------ */

static gboolean end_readable(gint fd, GIOCondition condition, gpointer opaque)
{
    End *e = opaque;
    ssize_t n = read(fd, e->held, sizeof e->held);
    unsigned breaks = 0;

    (void)condition;
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return G_SOURCE_CONTINUE;
    }
    if (n <= 0) {
        e->in = 0;
        end_closed(e);
        return G_SOURCE_REMOVE;
    }
    if (e->telnet) {
        n = telnet_filter(&e->parser, e->held, n, &breaks);
    }
    if (e->marks) {
        n = line_device_filter(&e->mark_state, e->held, n, &breaks);
    }
    if (breaks) {
        to_port(e->line, LINE_BREAK, 1, NULL, 0);
        to_port(e->line, LINE_BREAK, 0, NULL, 0);
    }
    if (n && !to_port(e->line, LINE_DATA, 0, e->held, n)) {
        e->held_len = n;
        e->in = 0;
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

static void watch_end(End *e)
{
    if (e->fd >= 0 && !e->in && !e->held_len) {
        e->in = g_unix_fd_add(e->fd, G_IO_IN | G_IO_HUP | G_IO_ERR, end_readable, e);
    }
}

static bool end_retry(End *e)
{
    if (e->held_len && !to_port(e->line, LINE_DATA, 0, e->held, e->held_len)) {
        return false;
    }
    e->held_len = 0;
    watch_end(e);
    return true;
}

static gboolean sock_writable(gint fd, GIOCondition condition, gpointer opaque)
{
    Line *l = opaque;

    (void)fd;
    (void)condition;
    l->sock_out = 0;
    say_modem(l);
    if (end_retry(&l->terminal)) {
        end_retry(&l->peer);
    }
    return G_SOURCE_REMOVE;
}

static gboolean end_writable(gint fd, GIOCondition condition, gpointer opaque)
{
    End *e = opaque;
    ssize_t n = write(fd, e->waiting->data, e->waiting->len);

    (void)condition;
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return G_SOURCE_CONTINUE;
    }
    if (n < 0) {                    /* the reading side notices that it has gone */
        n = e->waiting->len;
    }
    g_byte_array_remove_range(e->waiting, 0, n);
    if (e->waiting->len) {
        return G_SOURCE_CONTINUE;
    }
    e->out = 0;
    resume_sock(e->line);
    return G_SOURCE_REMOVE;
}

static void end_write(End *e, const uint8_t *data, size_t len)
{
    ssize_t n = 0;

    if (!e->live || !len) {
        return;
    }
    if (!e->waiting->len) {
        n = write(e->fd, data, len);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            return;
        }
        n = MAX(n, 0);
    }
    len = MIN(len - n, OUT_MAX - MIN(e->waiting->len, OUT_MAX));
    g_byte_array_append(e->waiting, data + n, len);
    if (e->waiting->len && !e->out) {
        e->out = g_unix_fd_add(e->fd, G_IO_OUT | G_IO_HUP | G_IO_ERR, end_writable, e);
    }
}

static void end_output(End *e, const uint8_t *data, size_t len)
{
    size_t from = 0;

    for (size_t i = 0; e->telnet && i < len; i++) {     /* Telnet doubles FF */
        if (data[i] == 0xff) {
            end_write(e, data + from, i + 1 - from);
            from = i;
        }
    }
    end_write(e, data + from, len - from);
}

static void end_replay(End *e)
{
    uint8_t past[PAST_BYTES];
    uint32_t n = ring_used(&e->line->past);

    for (uint32_t i = 0; i < n; i++) {
        ring_peek(&e->line->past, i, &past[i]);
    }
    e->live = true;
    end_output(e, past, n);
}

static void end_stop(End *e)
{
    if (e->in) {
        g_source_remove(e->in);
    }
    if (e->out) {
        g_source_remove(e->out);
    }
    e->in = e->out = 0;
    e->live = false;
    e->held_len = 0;
    g_byte_array_set_size(e->waiting, 0);
    if (e->fd >= 0 && !e->keeps_fd) {
        close(e->fd);
        e->fd = -1;
    }
}

/* --- the terminal ------------------------------------------------------------------------------- */

static bool somebody_there(const Line *l)
{
    struct pollfd p = { l->pty.master, POLLIN, 0 };

    poll(&p, 1, 0);
    return !(p.revents & POLLHUP);
}

static gboolean terminal_settled(gpointer opaque)
{
    Line *l = opaque;

    l->settle = 0;
    end_replay(&l->terminal);
    watch_end(&l->terminal);
    return G_SOURCE_REMOVE;
}

static bool look_for_user(Line *l)
{
    if (!somebody_there(l)) {
        return false;
    }
    if (!l->settle && !l->terminal.live) {
        l->settle = g_timeout_add(SETTLE_MS, terminal_settled, l);
    }
    return true;
}

static gboolean terminal_opened(gint fd, GIOCondition condition, gpointer opaque)
{
    char events[4096];

    (void)condition;
    while (read(fd, events, sizeof events) > 0) {
    }
    look_for_user(opaque);
    return G_SOURCE_CONTINUE;
}

static gboolean terminal_look(gpointer opaque)
{
    look_for_user(opaque);
    return G_SOURCE_CONTINUE;
}

/* Whoever opens the terminal next must not see what the last one left unread. */
static void terminal_closed(Line *l)
{
    if (l->settle) {
        g_source_remove(l->settle);
        l->settle = 0;
    }
    end_stop(&l->terminal);
    tcflush(l->pty.master, TCIOFLUSH);
    look_for_user(l);
}

static bool terminal_start(Line *l, char **error)
{
    if (!pty_open(&l->pty, error)) {
        return false;
    }
    l->watch_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (l->watch_fd >= 0 && inotify_add_watch(l->watch_fd, l->pty.name, IN_OPEN) >= 0) {
        l->watch = g_unix_fd_add(l->watch_fd, G_IO_IN, terminal_opened, l);
    } else {
        l->watch = g_timeout_add(LOOK_MS, terminal_look, l);
    }
    close(l->pty.slave);            /* so that a hang-up says that nobody is there */
    l->pty.slave = -1;
    l->terminal.fd = l->pty.master;
    l->terminal.keeps_fd = true;
    return true;
}

/* --- the peer ----------------------------------------------------------------------------------- */

static void start_connecting(Line *l);

static void peer_joined(Line *l, int fd)
{
    l->peer.fd = fd;
    l->peer.parser = (Telnet){ 0 };
    l->peer_stuck = false;
    l->peer.live = true;
    if (l->peer.telnet && l->listen_fd >= 0) {
        end_write(&l->peer, telnet_greeting, telnet_greeting_len);
    }
    end_replay(&l->peer);
    watch_end(&l->peer);
    set_carrier(l, true);
}

static gboolean accept_peer(gint fd, GIOCondition condition, gpointer opaque)
{
    Line *l = opaque;
    int peer = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    (void)condition;
    if (peer < 0) {
        return G_SOURCE_CONTINUE;
    }
    l->listening = 0;               /* one at a time; others wait */
    peer_joined(l, peer);
    return G_SOURCE_REMOVE;
}

static void start_listening(Line *l)
{
    l->listening = g_unix_fd_add(l->listen_fd, G_IO_IN, accept_peer, l);
}

static gboolean connect_again(gpointer opaque)
{
    Line *l = opaque;

    l->retry = 0;
    start_connecting(l);
    return G_SOURCE_REMOVE;
}

static void connect_later(Line *l)
{
    l->retry = g_timeout_add(l->retry_ms, connect_again, l);
    l->retry_ms = MIN(l->retry_ms * 2, RETRY_MAX_MS);
}

static void connected(GObject *client, GAsyncResult *result, gpointer opaque)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GSocketConnection) c =
        g_socket_client_connect_finish(G_SOCKET_CLIENT(client), result, &error);
    Line *l = opaque;
    int fd;

    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
        return;                     /* the line has gone */
    }
    g_clear_object(&l->connecting);
    fd = c ? fcntl(g_socket_get_fd(g_socket_connection_get_socket(c)), F_DUPFD_CLOEXEC, 3) : -1;
    if (fd < 0) {
        if (l->retry_ms == RETRY_MIN_MS) {
            g_info("%s: %s is not there yet (%s)", l->what, l->config.spec,
                   error ? error->message : g_strerror(errno));
        }
        connect_later(l);
        return;
    }
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    l->retry_ms = RETRY_MIN_MS;
    peer_joined(l, fd);
}

static void start_connecting(Line *l)
{
    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_autoptr(GSocketConnectable) address = l->config.kind == LINE_UNIX
        ? G_SOCKET_CONNECTABLE(g_unix_socket_address_new(l->config.path))
        : g_network_address_new(*l->config.host ? l->config.host : "localhost", l->config.port);

    l->connecting = g_cancellable_new();
    g_socket_client_connect_async(client, address, l->connecting, connected, l);
}

static void peer_closed(Line *l)
{
    end_stop(&l->peer);
    if (l->config.kind == LINE_TCP || l->config.kind == LINE_UNIX) {
        set_carrier(l, false);
        if (l->listen_fd >= 0) {
            start_listening(l);
        } else {
            connect_later(l);
        }
    } else {
        g_message("%s: %s has gone", l->what, l->config.spec);
    }
    resume_sock(l);
}

static void end_closed(End *e)
{
    if (e == &e->line->terminal) {
        terminal_closed(e->line);
    } else {
        peer_closed(e->line);
    }
}

static gboolean look_at_inputs(gpointer opaque)
{
    Line *l = opaque;
    int inputs = l->peer.fd >= 0 ? line_device_inputs(l->peer.fd) : -1;

    if (inputs >= 0) {
        l->modem = inputs;
        say_modem(l);
    }
    return G_SOURCE_CONTINUE;
}

static bool open_device(Line *l)
{
    l->peer.fd = line_device_open(l->config.path);
    if (l->peer.fd < 0) {
        return false;
    }
    l->peer.live = true;
    l->peer.marks = isatty(l->peer.fd);
    if (line_device_inputs(l->peer.fd) >= 0) {
        l->inputs = g_timeout_add(INPUTS_MS, look_at_inputs, l);
        look_at_inputs(l);
    }
    if ((fcntl(l->peer.fd, F_GETFL) & O_ACCMODE) != O_WRONLY) {
        watch_end(&l->peer);
    }
    return true;
}

static bool peer_start(Line *l)
{
    switch (l->config.kind) {
    case LINE_FILE:
        l->peer.fd = open(l->config.path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0600);
        l->peer.live = l->peer.fd >= 0;
        return l->peer.live;
    case LINE_HOST_DEVICE:
        return open_device(l);
    case LINE_TCP:
    case LINE_UNIX:
        set_carrier(l, false);
        if (l->config.server) {
            l->listen_fd = line_listen(&l->config);
            if (l->listen_fd >= 0) {
                start_listening(l);
            }
            return l->listen_fd >= 0;
        }
        start_connecting(l);
        return true;
    default:
        return true;
    }
}

/* --- from the port ------------------------------------------------------------------------------ */

static gboolean patience_ends(gpointer opaque)
{
    Line *l = opaque;

    l->patience = 0;
    l->peer_stuck = true;
    resume_sock(l);
    return G_SOURCE_REMOVE;
}

static void output(Line *l, const uint8_t *data, size_t len)
{
    uint32_t room = ring_space(&l->past);

    if (l->log) {
        console_log_write(l->log, data, len);
    }
    if (len > room) {
        ring_drop(&l->past, len - room);
    }
    ring_push_all(&l->past, data, len);
    end_output(&l->terminal, data, len);
    end_output(&l->peer, data, len);
}

static void from_port(Line *l, const LineMsg *m, const uint8_t *data, size_t len)
{
    switch (m->type) {
    case LINE_DATA:
        output(l, data, len);
        break;
    case LINE_BREAK:
        if (l->config.kind == LINE_HOST_DEVICE && l->peer.fd >= 0) {
            line_device_break(l->peer.fd, m->a != 0);
        }
        break;
    case LINE_PARAMS:
        if (l->config.kind == LINE_HOST_DEVICE && l->peer.fd >= 0) {
            line_device_params(l->peer.fd, m->a, m->b);
        }
        break;
    case LINE_MODEM:
        if (l->config.kind == LINE_HOST_DEVICE && l->peer.fd >= 0) {
            line_device_modem(l->peer.fd, m->a);
        }
        break;
    }
}

static gboolean sock_readable(gint fd, GIOCondition condition, gpointer opaque)
{
    Line *l = opaque;
    uint8_t buf[sizeof(LineMsg) + LINE_DATA_MAX];
    ssize_t n = recv(fd, buf, sizeof buf, MSG_DONTWAIT);
    LineMsg m;

    (void)condition;
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return G_SOURCE_CONTINUE;
    }
    if (n <= 0) {                   /* qemu-dm has gone; xend frees the line with its domain */
        l->sock_in = 0;
        return G_SOURCE_REMOVE;
    }
    if (n >= (ssize_t)sizeof m) {
        memcpy(&m, buf, sizeof m);
        from_port(l, &m, buf + sizeof m, n - sizeof m);
    }
    if (l->peer.waiting->len > OUT_MAX / 2 && !l->peer_stuck) {
        l->patience = g_timeout_add(PATIENCE_MS, patience_ends, l);
        l->sock_in = 0;
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

/* The peer has read all, has gone, or patience has ended. */
static void resume_sock(Line *l)
{
    if (l->patience) {
        g_source_remove(l->patience);
        l->patience = 0;
    }
    if (!l->peer.waiting->len) {
        l->peer_stuck = false;
    }
    if (!l->sock_in) {
        l->sock_in = g_unix_fd_add(l->sock, G_IO_IN | G_IO_HUP | G_IO_ERR, sock_readable, l);
    }
}

/* --- the line ----------------------------------------------------------------------------------- */

Line *line_new(int sock, const LineConfig *config, const char *what, ConsoleLog *log, char **error)
{
    Line *l = g_new0(Line, 1);

    l->sock = sock;
    l->watch_fd = l->listen_fd = -1;
    l->pty = (Pty){ -1, -1, NULL };
    l->what = g_strdup(what);
    l->config = (LineConfig){ .kind = config->kind, .spec = g_strdup(config->spec),
                              .path = g_strdup(config->path), .host = g_strdup(config->host),
                              .port = config->port, .server = config->server };
    l->log = log;
    l->retry_ms = RETRY_MIN_MS;
    l->terminal = (End){ .line = l, .fd = -1, .waiting = g_byte_array_new() };
    l->peer = (End){ .line = l, .fd = -1, .waiting = g_byte_array_new(), .telnet = config->telnet };
    l->modem = l->modem_said = LINE_CTS | LINE_DSR | LINE_DCD;
    ring_init(&l->past, PAST_BYTES);
    if (!terminal_start(l, error)) {
        line_free(l);
        return NULL;
    }
    if (!peer_start(l)) {
        *error = g_strdup_printf("%s: %s can't be opened (%s)", what, config->spec,
                                 g_strerror(errno));
        line_free(l);
        return NULL;
    }
    resume_sock(l);
    return l;
}

/*
 * What a reader has not read yet when its line goes: closing a pseudo terminal's master throws it
 * away, and with it the last words of a guest that died.  So the descriptor outlives the line, for as
 * long as somebody reads, and PARTING_LOOKS at most.
 */
typedef struct Parting {
    int fd, slave;                  /* slave: -1 for a socket */
    GByteArray *waiting;
    unsigned looks, empty;
} Parting;

static gboolean parting_look(gpointer opaque)
{
    Parting *p = opaque;
    int unread = 0;

    if (p->waiting->len) {
        ssize_t n = write(p->fd, p->waiting->data, p->waiting->len);

        if (n > 0) {
            g_byte_array_remove_range(p->waiting, 0, n);
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            g_byte_array_set_size(p->waiting, 0);
        }
    }
    if (p->slave >= 0) {
        ioctl(p->slave, FIONREAD, &unread);
    }
    /* twice: between the two ends there is a queue that FIONREAD does not count */
    p->empty = p->waiting->len || unread ? 0 : p->empty + 1;
    if (p->empty < 2 && ++p->looks < PARTING_LOOKS) {
        return G_SOURCE_CONTINUE;
    }
    close(p->fd);
    if (p->slave >= 0) {
        close(p->slave);
    }
    g_byte_array_free(p->waiting, TRUE);
    g_free(p);
    return G_SOURCE_REMOVE;
}

/* fd and what waits for it are the parting's now. */
static void part(End *e, int slave)
{
    Parting *p = g_new0(Parting, 1);

    *p = (Parting){ .fd = e->fd, .slave = slave, .waiting = e->waiting };
    e->waiting = g_byte_array_new();
    e->fd = -1;
    g_timeout_add(PARTING_MS, parting_look, p);
}

static void part_from_terminal(Line *l)
{
    int slave;

    if (!l->pty.name || !somebody_there(l)) {
        return;
    }
    if (!l->terminal.live) {        /* it has come just now */
        end_replay(&l->terminal);
    }
    slave = open(l->pty.name, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (slave >= 0) {
        part(&l->terminal, slave);
        l->pty.master = -1;
    }
}

void line_free(Line *l)
{
    if (!l) {
        return;
    }
    guint sources[] = { l->sock_in, l->sock_out, l->patience, l->watch, l->settle, l->listening,
                        l->retry, l->inputs };

    if (l->sock_in) {               /* its last words */
        uint8_t buf[sizeof(LineMsg) + LINE_DATA_MAX];
        LineMsg m;
        ssize_t n;

        while ((n = recv(l->sock, buf, sizeof buf, MSG_DONTWAIT)) >= (ssize_t)sizeof m) {
            memcpy(&m, buf, sizeof m);
            from_port(l, &m, buf + sizeof m, n - sizeof m);
        }
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(sources); i++) {
        if (sources[i]) {
            g_source_remove(sources[i]);
        }
    }
    if (l->connecting) {
        g_cancellable_cancel(l->connecting);
        g_clear_object(&l->connecting);
    }
    part_from_terminal(l);
    if (l->peer.fd >= 0 && l->peer.waiting->len) {
        part(&l->peer, -1);
    }
    end_stop(&l->terminal);
    end_stop(&l->peer);
    g_byte_array_free(l->terminal.waiting, TRUE);
    g_byte_array_free(l->peer.waiting, TRUE);
    pty_close(&l->pty);
    if (l->watch_fd >= 0) {
        close(l->watch_fd);
    }
    if (l->listen_fd >= 0) {
        close(l->listen_fd);
        if (l->config.kind == LINE_UNIX) {
            unlink(l->config.path);
        }
    }
    close(l->sock);
    ring_finish(&l->past);
    line_clear(&l->config);
    g_free(l->what);
    g_free(l);
}

const char *line_tty(const Line *l)
{
    return l->pty.name;
}
