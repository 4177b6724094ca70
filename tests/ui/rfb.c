/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rfb.c - see rfb.h.  There is no DES here: a password exchange can only be failed. */
#include "tests/ui/rfb.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- the domain -------------------------------------------------------------------------------- */

static void on_key(void *opaque, unsigned code, bool down)
{
    g_string_append_printf(((VncDomain *)opaque)->keys, "%02x%c ", code, down ? '+' : '-');
}

static void on_move(void *opaque, int dx, int dy, int dz, unsigned buttons)
{
    VncDomain *d = opaque;

    d->dx += dx;
    d->dy += dy;
    d->wheel += dz;
    d->buttons = buttons;
}

static void on_place(void *opaque, unsigned x, unsigned y, int dz, unsigned buttons)
{
    VncDomain *d = opaque;

    d->x = x;
    d->y = y;
    d->wheel += dz;
    d->buttons = buttons;
}

static void on_refresh(void *opaque, bool full)
{
    VncDomain *d = opaque;

    (void)full;
    d->redrawn = true;
}

static int listen_anywhere(int *port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    int sock = socket(AF_INET, SOCK_STREAM, 0);

    if (bind(sock, (struct sockaddr *)&a, sizeof a) < 0 || listen(sock, 8) < 0 ||
        getsockname(sock, (struct sockaddr *)&a, &len) < 0) {
        close(sock);
        return -1;
    }
    *port = ntohs(a.sin_port);
    return sock;
}

static GPid spawn(const char *program, int viewer, int listener, int password,
                  const char *keymap)
{
    GPid pid = fork();

    if (pid == 0) {
        g_autofree char *v = g_strdup_printf("%d", viewer), *l = g_strdup_printf("%d", listener);
        g_autofree char *p = g_strdup_printf("%d", password);

        execl(program, program, "--name", "testdomain", "--viewer-fd", v, "--listen-fd", l,
              "--password-fd", p, "--keymap", keymap ? keymap : "en-us", (char *)NULL);
        _exit(127);
    }
    return pid;
}

static int password_pipe(const char *password)
{
    int fds[2];

    if (!password || pipe(fds) < 0) {
        return -1;
    }
    if (write(fds[1], password, strlen(password)) < 0) {
        g_warning("password pipe");
    }
    close(fds[1]);
    return fds[0];
}

VncDomain *vnc_domain_new(const char *password, const char *keymap)
{
    const char *program = g_getenv("DM_UI") ? g_getenv("DM_UI") : "build/bin/dm-ui";
    int pair[2], listener, secret;
    VncDomain *d;

    if (access(program, X_OK) < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0) {
        return NULL;
    }
    d = g_new0(VncDomain, 1);
    d->keys = g_string_new("");
    d->display = display_new(NULL);
    d->input = input_new();
    d->keyboard = (InputKeyboard){ on_key, d };
    d->relative = (InputPointer){ .move = on_move, .opaque = d };
    d->absolute = (InputPointer){ .place = on_place, .opaque = d };
    input_attach_keyboard(d->input, &d->keyboard);
    input_attach_pointer(d->input, &d->relative);
    display_attach(d->display, &(DisplayClient){ on_refresh, d });
    listener = listen_anywhere(&d->port);
    secret = password_pipe(password);
    d->pid = spawn(program, pair[1], listener, secret, keymap);
    close(pair[1]);
    close(listener);
    if (secret >= 0) {
        close(secret);
    }
    viewer_add(d->display, d->input, pair[0], NULL, NULL);
    return d;
}

void vnc_domain_free(VncDomain *d)
{
    display_free(d->display);           /* its socket goes, and dm-ui with it */
    waitpid(d->pid, NULL, 0);
    input_free(d->input);
    g_string_free(d->keys, TRUE);
    g_free(d);
}

typedef struct Job { VncDomain *d; void (*client)(VncDomain *, int); gint done; } Job;

static gpointer job_thread(gpointer opaque)
{
    Job *j = opaque;
    int sock = rfb_connect(j->d);

    j->client(j->d, sock);
    close(sock);
    g_atomic_int_set(&j->done, 1);
    g_main_context_wakeup(NULL);
    return NULL;
}

static gboolean nothing(gpointer opaque)
{
    (void)opaque;
    return G_SOURCE_CONTINUE;
}

void vnc_domain_run(VncDomain *d, void (*client)(VncDomain *, int))
{
    Job j = { d, client, 0 };
    GThread *t = g_thread_new("client", job_thread, &j);
    guint tick = g_timeout_add(20, nothing, NULL);
    gint64 end = g_get_monotonic_time() + 200 * G_TIME_SPAN_MILLISECOND;

    while (!g_atomic_int_get(&j.done)) {
        g_main_context_iteration(NULL, TRUE);
        end = g_get_monotonic_time() + 200 * G_TIME_SPAN_MILLISECOND;
    }
    while (g_get_monotonic_time() < end) {      /* the client's going arrives as well */
        g_main_context_iteration(NULL, TRUE);
    }
    g_source_remove(tick);
    g_thread_join(t);
}

/* --- the client -------------------------------------------------------------------------------- */

int rfb_connect(VncDomain *d)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons(d->port) };
    struct timeval patience = { .tv_sec = 10 };
    int sock = socket(AF_INET, SOCK_STREAM, 0);

    setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(sock, (struct sockaddr *)&a, sizeof a) < 0) {
        close(sock);
        return -1;
    }
    return sock;
}

bool rfb_read(int sock, void *buf, size_t len)
{
    uint8_t *p = buf;

    while (len) {
        ssize_t n = recv(sock, p, len, 0);

        if (n <= 0) {
            return false;
        }
        p += n;
        len -= n;
    }
    return true;
}

static bool rfb_write(int sock, const void *buf, size_t len)
{
    return send(sock, buf, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static unsigned be16(const uint8_t *p) { return p[0] << 8 | p[1]; }
static uint32_t be32(const uint8_t *p) { return (uint32_t)be16(p) << 16 | be16(p + 2); }

bool rfb_open(int sock, const char *answer, RfbScreen *s)
{
    uint8_t buf[64], types, chosen = answer ? 2 : 1;
    uint32_t len;

    if (!rfb_read(sock, buf, 12) || memcmp(buf, "RFB 003.008\n", 12) ||
        !rfb_write(sock, "RFB 003.008\n", 12) || !rfb_read(sock, &types, 1) || types == 0 ||
        types > sizeof buf || !rfb_read(sock, buf, types) || !memchr(buf, chosen, types) ||
        !rfb_write(sock, &chosen, 1)) {
        return false;
    }
    if (answer && (!rfb_read(sock, buf, 16) || !rfb_write(sock, answer, 16))) {
        return false;
    }
    if (!rfb_read(sock, buf, 4) || be32(buf) != 0 || !rfb_write(sock, "\1", 1) ||
        !rfb_read(sock, buf, 24)) {
        return false;
    }
    s->width = be16(buf);
    s->height = be16(buf + 2);
    len = be32(buf + 20);
    s->pixels = g_new0(uint32_t, 2560 * 1600);
    memset(s->name, 0, sizeof s->name);
    return len < sizeof s->name && rfb_read(sock, s->name, len);
}

void rfb_formats(int sock)
{
    static const uint8_t format[20] = { 0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0 };
    static const uint8_t encodings[12] = { 2, 0, 0, 2, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x21 };

    rfb_write(sock, format, sizeof format);
    rfb_write(sock, encodings, sizeof encodings);
}

void rfb_request(int sock, const RfbScreen *s, bool incremental)
{
    uint8_t m[10] = { 3, incremental, 0, 0, 0, 0, s->width >> 8, s->width, s->height >> 8,
                      s->height };

    rfb_write(sock, m, sizeof m);
}

static bool read_rect(int sock, RfbScreen *s)
{
    uint8_t h[12];

    if (!rfb_read(sock, h, sizeof h)) {
        return false;
    }
    unsigned x = be16(h), y = be16(h + 2), w = be16(h + 4), height = be16(h + 6);

    if (be32(h + 8) == 0xffffff21) {
        s->width = w;
        s->height = height;
        return true;
    }
    if (be32(h + 8) != 0 || x + w > s->width || y + height > s->height) {
        return false;
    }
    for (unsigned i = 0; i < height; i++) {
        if (!rfb_read(sock, s->pixels + (size_t)(y + i) * 2560 + x, w * 4)) {
            return false;
        }
    }
    return true;
}

bool rfb_update(int sock, RfbScreen *s)
{
    uint8_t h[4];

    if (!rfb_read(sock, h, sizeof h) || h[0] != 0) {
        return false;
    }
    for (unsigned n = be16(h + 2); n > 0; n--) {
        if (!read_rect(sock, s)) {
            return false;
        }
    }
    return true;
}

void rfb_key(int sock, uint32_t keysym, bool down)
{
    uint8_t m[8] = { 4, down, 0, 0, keysym >> 24, keysym >> 16, keysym >> 8, keysym };

    rfb_write(sock, m, sizeof m);
}

void rfb_pointer(int sock, uint8_t mask, uint16_t x, uint16_t y)
{
    uint8_t m[6] = { 5, mask, x >> 8, x, y >> 8, y };

    rfb_write(sock, m, sizeof m);
}
