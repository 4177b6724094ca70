/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store_wire.c - parsing of xenstore requests, replies, and the connections' buffers.  A guest that
 * breaks the framing loses its connection; one that does not read its events stops being read.
 */
#include "tools/xend/store_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "tools/common/paths.h"

enum {
    XS_CONTROL, XS_DIRECTORY, XS_READ, XS_GET_PERMS, XS_WATCH, XS_UNWATCH, XS_TRANSACTION_START,
    XS_TRANSACTION_END, XS_INTRODUCE, XS_RELEASE, XS_GET_DOMAIN_PATH, XS_WRITE, XS_MKDIR, XS_RM,
    XS_SET_PERMS, XS_WATCH_EVENT, XS_ERROR, XS_IS_DOMAIN_INTRODUCED, XS_RESUME, XS_SET_TARGET,
    XS_RESTRICT, XS_RESET_WATCHES, XS_DIRECTORY_PART
};

#define PAYLOAD_MAX 4096
#define MAX_RELATIVE 2048
#define MAX_QUEUED (256 * 1024) /* bytes not yet taken by the peer: then requests wait */
#define MAX_EVENTS (1024 * 1024)        /* and events are lost */

typedef struct Header {
    uint32_t type, req_id, tx_id, len;
} Header;

struct StoreConnection {
    StoreServer *server;
    StoreClient *client;
    int fd;                     /* -1 in tests */
    guint in_source, out_source;
    GByteArray *in, *out;
    GByteArray *events;         /* watch events of the request being answered: after its reply */
    bool answering, dead;
};

struct StoreServer {
    Store *store;
    int listen_fd;
    guint listen_source;
    GPtrArray *connections;
    bool (*known)(void *opaque, uint32_t domid);
    void *known_opaque;
};

static void connection_free(StoreConnection *c)
{
    g_ptr_array_remove_fast(c->server->connections, c);
    if (c->in_source) {
        g_source_remove(c->in_source);
    }
    if (c->out_source) {
        g_source_remove(c->out_source);
    }
    store_client_free(c->client);
    if (c->fd >= 0) {
        close(c->fd);
    }
    g_byte_array_free(c->in, TRUE);
    g_byte_array_free(c->out, TRUE);
    g_byte_array_free(c->events, TRUE);
    g_free(c);
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer opaque);
static bool serve(StoreConnection *c);

static bool flush_out(StoreConnection *c)
{
    while (c->out->len) {
        ssize_t n = send(c->fd, c->out->data, c->out->len, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return errno == EAGAIN;
        }
        g_byte_array_remove_range(c->out, 0, n);
    }
    return true;
}

static gboolean on_writable(gint fd, GIOCondition condition, gpointer opaque)
{
    StoreConnection *c = opaque;

    (void)fd, (void)condition;
    if (!flush_out(c) || !serve(c)) {
        c->out_source = 0;
        connection_free(c);
        return G_SOURCE_REMOVE;
    }
    if (c->out->len < MAX_QUEUED && !c->in_source) {
        c->in_source = g_unix_fd_add(c->fd, G_IO_IN | G_IO_HUP, on_readable, c);
    }
    if (c->out->len) {
        return G_SOURCE_CONTINUE;
    }
    c->out_source = 0;
    return G_SOURCE_REMOVE;
}

static void kick_out(StoreConnection *c)
{
    if (c->fd >= 0 && c->out->len && !c->out_source) {
        c->out_source = g_unix_fd_add(c->fd, G_IO_OUT | G_IO_HUP, on_writable, c);
    }
}

static void put_message(GByteArray *out, uint32_t type, uint32_t req, uint32_t tx, const void *data,
                        gsize len)
{
    Header h = { type, req, tx, len };

    g_byte_array_append(out, (const guint8 *)&h, sizeof h);
    if (len) {
        g_byte_array_append(out, data, len);
    }
}

static void on_event(void *opaque, const char *path, const char *token)
{
    StoreConnection *c = opaque;
    g_autoptr(GByteArray) body = g_byte_array_new();

    g_byte_array_append(body, (const guint8 *)path, strlen(path) + 1);
    g_byte_array_append(body, (const guint8 *)token, strlen(token) + 1);
    if (body->len > PAYLOAD_MAX || c->out->len + c->events->len > MAX_EVENTS) {
        return;
    }
    put_message(c->answering ? c->events : c->out, XS_WATCH_EVENT, 0, 0, body->data, body->len);
    if (!c->answering) {
        kick_out(c);
    }
}

/* --- requests -------------------------------------------------------------------------------- */

typedef struct Request {
    StoreConnection *c;
    Header head;
    const char *body;           /* head.len bytes, and a NUL after them */
    const char *arg[STORE_MAX_PERMS + 2];   /* NUL-terminated parts */
    unsigned args;
    GByteArray *reply;
} Request;

static void split_body(Request *r)
{
    const char *p = r->body, *end = r->body + r->head.len;

    r->args = 0;
    while (p < end && r->args < G_N_ELEMENTS(r->arg)) {
        const char *nul = memchr(p, 0, end - p);

        if (!nul) {
            break;
        }
        r->arg[r->args++] = p;
        p = nul + 1;
    }
}

/* Absolute form of a path of the protocol; NULL if it is malformed. */
static char *absolute(const Request *r, const char *path)
{
    char *full;

    if (*path == '/') {
        full = g_strdup(path);
    } else if (!*path || strlen(path) > MAX_RELATIVE) {
        return NULL;
    } else {
        full = g_strdup_printf("/local/domain/%u/%s", store_client_domid(r->c->client), path);
    }
    if (!store_path_valid(full)) {
        g_free(full);
        return NULL;
    }
    return full;
}

static void reply_text(Request *r, const char *text)
{
    g_byte_array_append(r->reply, (const guint8 *)text, strlen(text) + 1);
}

static int reply_names(Request *r, const GPtrArray *names)
{
    for (unsigned i = 0; i < names->len; i++) {
        reply_text(r, g_ptr_array_index(names, i));
    }
    return r->reply->len > PAYLOAD_MAX ? E2BIG : 0;
}

static int do_directory(Request *r, const char *path)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    int error = store_list(r->c->client, r->head.tx_id, path, names, NULL);

    return error ? error : reply_names(r, names);
}

/* A long list in parts: generation, NUL, names from offset on; an empty name ends it. */
static int do_directory_part(Request *r, const char *path)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GByteArray) all = g_byte_array_new();
    g_autofree char *gen_text = NULL;
    uint64_t gen;
    guint64 offset;
    gsize room;
    int error;

    if (r->args < 2) {
        return EINVAL;
    }
    error = store_list(r->c->client, r->head.tx_id, path, names, &gen);
    if (error) {
        return error;
    }
    offset = g_ascii_strtoull(r->arg[1], NULL, 10);
    for (unsigned i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);

        g_byte_array_append(all, (const guint8 *)name, strlen(name) + 1);
    }
    if (offset > all->len) {
        return EINVAL;
    }
    gen_text = g_strdup_printf("%" G_GUINT64_FORMAT, gen);
    reply_text(r, gen_text);
    room = PAYLOAD_MAX - r->reply->len - 1;
    if (all->len - offset <= room) {
        g_byte_array_append(r->reply, all->data + offset, all->len - offset);
        g_byte_array_append(r->reply, (const guint8 *)"", 1);
    } else {
        while (room && all->data[offset + room - 1]) {
            room--;
        }
        g_byte_array_append(r->reply, all->data + offset, room);
    }
    return 0;
}

static int do_read(Request *r, const char *path)
{
    g_autoptr(GBytes) value = NULL;
    gsize len;
    int error = store_read(r->c->client, r->head.tx_id, path, &value);

    if (!error) {
        const void *data = g_bytes_get_data(value, &len);

        if (len > PAYLOAD_MAX) {
            return E2BIG;
        }
        if (len) {
            g_byte_array_append(r->reply, data, len);
        }
    }
    return error;
}

static int do_write(Request *r, const char *path)
{
    const char *value = r->body + strlen(r->arg[0]) + 1;
    int error = store_write(r->c->client, r->head.tx_id, path, value,
                            r->body + r->head.len - value);

    if (!error) {
        reply_text(r, "OK");
    }
    return error;
}

static int do_get_perms(Request *r, const char *path)
{
    StorePerm perms[STORE_MAX_PERMS];
    unsigned n;
    int error = store_get_perms(r->c->client, r->head.tx_id, path, perms, &n);

    for (unsigned i = 0; !error && i < n; i++) {
        g_autofree char *text = g_strdup_printf("%c%u", perms[i].letter, perms[i].domid);

        reply_text(r, text);
    }
    return error;
}

static int do_set_perms(Request *r, const char *path)
{
    StorePerm perms[STORE_MAX_PERMS];
    unsigned n = r->args - 1;
    int error;

    if (r->args < 2 || n > STORE_MAX_PERMS) {
        return EINVAL;
    }
    for (unsigned i = 0; i < n; i++) {
        const char *s = r->arg[i + 1];
        char *end;

        if (!*s || !strchr("nrwb", *s) || !g_ascii_isdigit(s[1])) {
            return EINVAL;
        }
        perms[i] = (StorePerm){ strtoul(s + 1, &end, 10), *s };
        if (*end) {
            return EINVAL;
        }
    }
    error = store_set_perms(r->c->client, r->head.tx_id, path, perms, n);
    if (!error) {
        reply_text(r, "OK");
    }
    return error;
}

static int do_watch(Request *r, bool add)
{
    g_autofree char *full = NULL;
    int error;

    if (r->args < 2) {
        return EINVAL;
    }
    if (r->arg[0][0] == '@') {
        full = strcmp(r->arg[0], "@introduceDomain") && strcmp(r->arg[0], "@releaseDomain") ? NULL
               : g_strdup(r->arg[0]);
    } else {
        full = absolute(r, r->arg[0]);
    }
    if (!full) {
        return EINVAL;
    }
    error = add ? store_watch(r->c->client, full, r->arg[0], r->arg[1])
            : store_unwatch(r->c->client, r->arg[0], r->arg[1]);
    if (!error) {
        reply_text(r, "OK");
        if (add) {
            on_event(r->c, r->arg[0], r->arg[1]);
        }
    }
    return error;
}

static int do_transaction(Request *r)
{
    g_autofree char *text = NULL;
    uint32_t id;
    int error;

    if (r->head.type == XS_TRANSACTION_START) {
        error = r->head.tx_id ? EBUSY : store_begin(r->c->client, &id);
        if (!error) {
            text = g_strdup_printf("%u", id);
            reply_text(r, text);
        }
        return error;
    }
    if (r->args < 1 || (strcmp(r->arg[0], "T") && strcmp(r->arg[0], "F"))) {
        return EINVAL;
    }
    error = store_end(r->c->client, r->head.tx_id, r->arg[0][0] == 'T');
    if (!error) {
        reply_text(r, "OK");
    }
    return error;
}

/* Requests about domains; xend itself introduces and releases, so that these only check. */
static int do_domain(Request *r)
{
    g_autofree char *path = NULL;
    bool known;
    uint32_t domid;

    if (r->args < 1 || !g_ascii_isdigit(r->arg[0][0])) {
        return EINVAL;
    }
    domid = strtoul(r->arg[0], NULL, 10);
    if (r->head.type == XS_GET_DOMAIN_PATH) {
        path = g_strdup_printf("/local/domain/%u", domid);
        reply_text(r, path);
        return 0;
    }
    if (store_client_domid(r->c->client)) {
        return EACCES;
    }
    known = domid == 0 || (r->c->server->known &&
                           r->c->server->known(r->c->server->known_opaque, domid));
    if (r->head.type == XS_IS_DOMAIN_INTRODUCED) {
        reply_text(r, known ? "T" : "F");
        return 0;
    }
    if (!known) {
        return ENOENT;
    }
    if (r->head.type == XS_SET_TARGET) {
        if (r->args < 2) {
            return EINVAL;
        }
        for (unsigned i = 0; i < r->c->server->connections->len; i++) {
            StoreConnection *c = g_ptr_array_index(r->c->server->connections, i);

            if (store_client_domid(c->client) == domid) {
                store_client_set_target(c->client, strtoul(r->arg[1], NULL, 10));
            }
        }
    }
    reply_text(r, "OK");
    return 0;
}

static int do_path(Request *r)
{
    g_autofree char *path = r->args ? absolute(r, r->arg[0]) : NULL;
    int error;

    if (!path) {
        return EINVAL;
    }
    switch (r->head.type) {
    case XS_DIRECTORY: return do_directory(r, path);
    case XS_DIRECTORY_PART: return do_directory_part(r, path);
    case XS_READ: return do_read(r, path);
    case XS_GET_PERMS: return do_get_perms(r, path);
    case XS_SET_PERMS: return do_set_perms(r, path);
    case XS_WRITE: return do_write(r, path);
    case XS_MKDIR: error = store_mkdir(r->c->client, r->head.tx_id, path); break;
    default: error = store_rm(r->c->client, r->head.tx_id, path); break;
    }
    if (!error) {
        reply_text(r, "OK");
    }
    return error;
}

static int dispatch(Request *r)
{
    switch (r->head.type) {
    case XS_DIRECTORY:
    case XS_DIRECTORY_PART:
    case XS_READ:
    case XS_GET_PERMS:
    case XS_SET_PERMS:
    case XS_WRITE:
    case XS_MKDIR:
    case XS_RM: return do_path(r);
    case XS_WATCH: return do_watch(r, true);
    case XS_UNWATCH: return do_watch(r, false);
    case XS_TRANSACTION_START:
    case XS_TRANSACTION_END: return do_transaction(r);
    case XS_INTRODUCE:
    case XS_RELEASE:
    case XS_RESUME:
    case XS_SET_TARGET:
    case XS_IS_DOMAIN_INTRODUCED:
    case XS_GET_DOMAIN_PATH: return do_domain(r);
    case XS_RESET_WATCHES:
        store_reset_watches(r->c->client);
        reply_text(r, "OK");
        return 0;
    case XS_CONTROL:
        if (store_client_domid(r->c->client)) {
            return EACCES;
        }
        reply_text(r, r->args && !strcmp(r->arg[0], "help") ? "no control commands" : "OK");
        return 0;
    default: return ENOSYS;
    }
}

static const char *error_name(int error)
{
    static const struct { int number; const char *name; } names[] = {
        { EINVAL, "EINVAL" }, { EACCES, "EACCES" }, { EEXIST, "EEXIST" }, { EISDIR, "EISDIR" },
        { ENOENT, "ENOENT" }, { ENOMEM, "ENOMEM" }, { ENOSPC, "ENOSPC" }, { EIO, "EIO" },
        { ENOTEMPTY, "ENOTEMPTY" }, { ENOSYS, "ENOSYS" }, { EROFS, "EROFS" }, { EBUSY, "EBUSY" },
        { EAGAIN, "EAGAIN" }, { EISCONN, "EISCONN" }, { E2BIG, "E2BIG" }, { EPERM, "EPERM" } };

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        if (names[i].number == error) {
            return names[i].name;
        }
    }
    return "EINVAL";
}

/* body has a NUL after len bytes. */
static void answer(StoreConnection *c, Header head, const char *body)
{
    g_autoptr(GByteArray) reply = g_byte_array_new();
    Request r = { .c = c, .head = head, .body = body, .reply = reply };
    int error;

    c->answering = true;
    split_body(&r);
    error = dispatch(&r);
    if (error) {
        g_byte_array_set_size(reply, 0);
        reply_text(&r, error_name(error));
    }
    put_message(c->out, error ? XS_ERROR : head.type, head.req_id, head.tx_id, reply->data,
                reply->len);
    c->answering = false;
    g_byte_array_append(c->out, c->events->data, c->events->len);
    g_byte_array_set_size(c->events, 0);
}

/* Whole messages in c->in; false: the framing is broken. */
static bool serve(StoreConnection *c)
{
    Header head;

    while (c->in->len >= sizeof head && c->out->len < MAX_QUEUED) {
        char body[PAYLOAD_MAX + 1];

        memcpy(&head, c->in->data, sizeof head);
        if (head.len > PAYLOAD_MAX) {
            return false;
        }
        if (c->in->len < sizeof head + head.len) {
            break;
        }
        memcpy(body, c->in->data + sizeof head, head.len);
        body[head.len] = 0;
        g_byte_array_remove_range(c->in, 0, sizeof head + head.len);
        answer(c, head, body);
    }
    return true;
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer opaque)
{
    StoreConnection *c = opaque;
    guint8 buf[8192];
    ssize_t n = recv(fd, buf, sizeof buf, MSG_DONTWAIT);

    (void)condition;
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return G_SOURCE_CONTINUE;
    }
    if (n > 0) {
        g_byte_array_append(c->in, buf, n);
    }
    if (n <= 0 || !serve(c)) {
        c->in_source = 0;
        connection_free(c);
        return G_SOURCE_REMOVE;
    }
    if (!flush_out(c)) {
        c->in_source = 0;
        connection_free(c);
        return G_SOURCE_REMOVE;
    }
    kick_out(c);
    if (c->out->len >= MAX_QUEUED) {
        c->in_source = 0;
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

static StoreConnection *connection_new(StoreServer *s, int fd, uint32_t domid)
{
    StoreConnection *c = g_new0(StoreConnection, 1);

    c->server = s;
    c->fd = fd;
    c->in = g_byte_array_new();
    c->out = g_byte_array_new();
    c->events = g_byte_array_new();
    c->client = store_client_new(s->store, domid, on_event, c);
    g_ptr_array_add(s->connections, c);
    return c;
}

StoreConnection *store_server_add(StoreServer *s, int fd, uint32_t domid)
{
    StoreConnection *c = connection_new(s, fd, domid);

    c->in_source = g_unix_fd_add(fd, G_IO_IN | G_IO_HUP, on_readable, c);
    return c;
}

StoreConnection *store_connection_for_test(StoreServer *s, uint32_t domid)
{
    return connection_new(s, -1, domid);
}

void store_request(StoreServer *s, StoreConnection *c, const void *request, gsize len,
                   GByteArray *out)
{
    (void)s;
    g_byte_array_append(c->in, request, len);
    serve(c);
    g_byte_array_append(out, c->out->data, c->out->len);
    g_byte_array_set_size(c->out, 0);
}

void store_server_remove(StoreServer *s, uint32_t domid)
{
    for (unsigned i = s->connections->len; i-- > 0;) {
        StoreConnection *c = g_ptr_array_index(s->connections, i);

        if (store_client_domid(c->client) == domid) {
            connection_free(c);
        }
    }
}

static gboolean on_connect(gint fd, GIOCondition condition, gpointer opaque)
{
    StoreServer *s = opaque;
    int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    struct ucred who;
    socklen_t len = sizeof who;

    (void)condition;
    if (peer < 0) {
        return G_SOURCE_CONTINUE;
    }
    if (getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &who, &len) != 0 ||
        (who.uid != geteuid() && who.uid != 0)) {
        close(peer);
    } else {
        store_server_add(s, peer, 0);
    }
    return G_SOURCE_CONTINUE;
}

StoreServer *store_server_new(Store *store)
{
    StoreServer *s = g_new0(StoreServer, 1);

    s->store = store;
    s->listen_fd = -1;
    s->connections = g_ptr_array_new();
    return s;
}

bool store_server_listen(StoreServer *s, const char *path, char **error)
{
    s->listen_fd = unix_listen(path);
    if (s->listen_fd < 0) {
        *error = g_strdup_printf("can't listen on %s (%s)", path, g_strerror(errno));
        return false;
    }
    s->listen_source = g_unix_fd_add(s->listen_fd, G_IO_IN, on_connect, s);
    return true;
}

void store_server_set_known(StoreServer *s, bool (*known)(void *opaque, uint32_t domid),
                            void *opaque)
{
    s->known = known;
    s->known_opaque = opaque;
}

void store_server_free(StoreServer *s)
{
    while (s->connections->len) {
        connection_free(g_ptr_array_index(s->connections, s->connections->len - 1));
    }
    if (s->listen_source) {
        g_source_remove(s->listen_source);
    }
    if (s->listen_fd >= 0) {
        close(s->listen_fd);
    }
    g_ptr_array_free(s->connections, TRUE);
    g_free(s);
}
