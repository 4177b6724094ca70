/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rpc.c - HTTP/1.0 over a unix socket: one call a connection.  Only this user and root may connect
 * (the socket's directory is private; the peer's credentials are checked as well).
 */
#include "tools/xend/rpc.h"

#include <errno.h>
#include <glib-unix.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "tools/common/paths.h"

typedef struct Connection {
    RpcServer *server;
    int fd;
    guint source;
    GString *in;
    GString *out;
    RpcCall *call;              /* being answered */
} Connection;

struct RpcCall {
    Connection *connection;     /* NULL: the client has gone */
    RpcDone done;               /* our own call; NULL: a client's */
    void *opaque;
};

struct RpcServer {
    int fd;
    guint source;
    RpcHandler handler;
    void *opaque;
    GPtrArray *connections;
};

static void connection_free(Connection *c)
{
    g_ptr_array_remove_fast(c->server->connections, c);
    if (c->call) {
        c->call->connection = NULL;
    }
    if (c->source) {
        g_source_remove(c->source);
    }
    close(c->fd);
    g_string_free(c->in, TRUE);
    g_string_free(c->out, TRUE);
    g_free(c);
}

static gboolean on_writable(gint fd, GIOCondition condition, gpointer opaque)
{
    Connection *c = opaque;
    ssize_t n = send(fd, c->out->str, c->out->len, MSG_NOSIGNAL | MSG_DONTWAIT);

    (void)condition;
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return G_SOURCE_CONTINUE;
    }
    if (n > 0) {
        g_string_erase(c->out, 0, n);
        if (c->out->len) {
            return G_SOURCE_CONTINUE;
        }
    }
    c->source = 0;
    connection_free(c);
    return G_SOURCE_REMOVE;
}

static void finish(RpcCall *call, const char *body)
{
    Connection *c = call->connection;
    g_autofree char *response = NULL;

    if (c) {
        response = http_wrap("HTTP/1.0 200 OK", body);
        g_string_append(c->out, response);
        c->call = NULL;
        if (c->source) {
            g_source_remove(c->source);
        }
        c->source = g_unix_fd_add(c->fd, G_IO_OUT | G_IO_HUP, on_writable, c);
    }
    g_free(call);
}

RpcCall *rpc_call_new(RpcDone done, void *opaque)
{
    RpcCall *call = g_new0(RpcCall, 1);

    call->done = done;
    call->opaque = opaque;
    return call;
}

static void finish_own(RpcCall *call, const Value *result, const char *fault)
{
    call->done(call->opaque, result, fault);
    g_free(call);
}

void rpc_reply(RpcCall *call, Value *result)
{
    g_autofree char *body = NULL;

    if (call->done) {
        finish_own(call, result, NULL);
        value_unref(result);
        return;
    }
    body = xmlrpc_response_text(result);
    value_unref(result);
    finish(call, body);
}

void rpc_fault(RpcCall *call, int code, const char *format, ...)
{
    g_autofree char *text = NULL, *body = NULL;
    va_list ap;

    va_start(ap, format);
    text = g_strdup_vprintf(format, ap);
    va_end(ap);
    if (call->done) {
        finish_own(call, NULL, text);
        return;
    }
    body = xmlrpc_fault_text(code, text);
    finish(call, body);
}

static void on_request(Connection *c, const char *body, gsize len)
{
    RpcCall *call = g_new0(RpcCall, 1);
    g_autoptr(GError) error = NULL;
    XmlRpcMessage m;

    call->connection = c;
    c->call = call;
    if (!xmlrpc_parse(&m, body, len, &error)) {
        rpc_fault(call, FAULT_INTERNAL, "malformed request: %s", error->message);
    } else if (!m.method) {
        rpc_fault(call, FAULT_INTERNAL, "not a method call");
        xmlrpc_clear(&m);
    } else {
        c->server->handler(c->server->opaque, call, m.method, m.params);
        xmlrpc_clear(&m);
    }
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer opaque)
{
    Connection *c = opaque;
    char buf[16384];
    ssize_t n = recv(fd, buf, sizeof buf, MSG_DONTWAIT);
    const char *body;
    gsize len;
    int state;

    (void)condition;
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return G_SOURCE_CONTINUE;
    }
    if (n <= 0) {
        c->source = 0;
        connection_free(c);
        return G_SOURCE_REMOVE;
    }
    if (c->call) {
        return G_SOURCE_CONTINUE;       /* one call a connection */
    }
    g_string_append_len(c->in, buf, n);
    state = http_body(c->in->str, c->in->len, &body, &len);
    if (state < 0) {
        c->source = 0;
        connection_free(c);
        return G_SOURCE_REMOVE;
    }
    if (state > 0) {
        guint before = c->source;

        on_request(c, body, len);
        /* An immediate answer has replaced this source. */
        return c->source == before ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

static gboolean on_connect(gint fd, GIOCondition condition, gpointer opaque)
{
    RpcServer *s = opaque;
    int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    struct ucred who;
    socklen_t len = sizeof who;
    Connection *c;

    (void)condition;
    if (peer < 0) {
        return G_SOURCE_CONTINUE;
    }
    if (getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &who, &len) != 0 ||
        (who.uid != geteuid() && who.uid != 0)) {
        close(peer);
        return G_SOURCE_CONTINUE;
    }
    c = g_new0(Connection, 1);
    c->server = s;
    c->fd = peer;
    c->in = g_string_new(NULL);
    c->out = g_string_new(NULL);
    c->source = g_unix_fd_add(peer, G_IO_IN | G_IO_HUP, on_readable, c);
    g_ptr_array_add(s->connections, c);
    return G_SOURCE_CONTINUE;
}

RpcServer *rpc_server_new(const char *path, RpcHandler handler, void *opaque, char **error)
{
    RpcServer *s;
    int fd = unix_listen(path);

    if (fd < 0) {
        *error = g_strdup_printf("can't listen on %s (%s)", path, g_strerror(errno));
        return NULL;
    }
    s = g_new0(RpcServer, 1);
    s->fd = fd;
    s->handler = handler;
    s->opaque = opaque;
    s->connections = g_ptr_array_new();
    s->source = g_unix_fd_add(fd, G_IO_IN, on_connect, s);
    return s;
}

void rpc_server_free(RpcServer *s)
{
    while (s->connections->len) {
        connection_free(g_ptr_array_index(s->connections, 0));
    }
    g_source_remove(s->source);
    close(s->fd);
    g_ptr_array_free(s->connections, TRUE);
    g_free(s);
}
