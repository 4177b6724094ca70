/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * screen.c - see screen.h.  Sizes are checked against the memory once, here, so that no viewer can
 * be led outside it.
 */
#include "ui/common/screen.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/fdpass.h"
#include "ui/display.h"

static bool fail(GError **error, const char *text)
{
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "display: %s", text);
    return false;
}

static bool map_memory(Screen *s, int fd, uint32_t size, GError **error)
{
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);
    void *map;

    if (fstat(fd, &st) < 0 || st.st_size < (off_t)size || size < UI_SURFACE_OFFSET + 4096u ||
        seals < 0 || !(seals & F_SEAL_SHRINK)) {
        return fail(error, "the memory is not as announced");
    }
    map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        return fail(error, g_strerror(errno));
    }
    s->map = map;
    s->map_size = size;
    s->pixels = s->map + UI_SURFACE_OFFSET;
    return true;
}

bool screen_connect(Screen *s, int sock, GError **error)
{
    UiMsg hello;
    int fd = -1;
    unsigned nfds = 1;
    bool ok;

    *s = (Screen){ .sock = sock, .width = 1, .height = 1, .stride = 4 };
    if (packet_recv(sock, &hello, sizeof hello, &fd, &nfds) != sizeof hello ||
        hello.type != UI_HELLO || nfds != 1) {
        if (nfds == 1 && fd >= 0) {
            close(fd);
        }
        return fail(error, "no hello from the device model");
    }
    ok = hello.a == UI_PROTO_VERSION ? map_memory(s, fd, hello.b, error)
                                     : fail(error, "the device model is of another version");
    close(fd);
    return ok;
}

void screen_disconnect(Screen *s)
{
    if (s->map) {
        munmap((void *)(uintptr_t)s->map, s->map_size);
        s->map = NULL;
    }
}

static enum ScreenEvent resized(Screen *s, const UiMsg *m)
{
    if (m->a < 1 || m->a > DISPLAY_MAX_WIDTH || m->b < 1 || m->b > DISPLAY_MAX_HEIGHT ||
        m->c < m->a * 4 || m->c > DISPLAY_MAX_WIDTH * 4 || m->c % 4 || m->d % 4 ||
        (uint64_t)m->d + (uint64_t)m->c * m->b > s->map_size) {
        return SCREEN_BAD;
    }
    s->width = m->a;
    s->height = m->b;
    s->stride = m->c;
    s->pixels = s->map + m->d;
    return SCREEN_RESIZED;
}

static enum ScreenEvent dirty(const Screen *s, UiMsg *m)
{
    if (m->a >= s->width || m->b >= s->height) {
        return SCREEN_OTHER;
    }
    m->c = MIN(m->c, s->width - m->a);
    m->d = MIN(m->d, s->height - m->b);
    return m->c && m->d ? SCREEN_DIRTY : SCREEN_OTHER;
}

enum ScreenEvent screen_next(Screen *s, UiMsg *m)
{
    ssize_t n = recv(s->sock, m, sizeof *m, MSG_DONTWAIT | MSG_TRUNC);

    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        return SCREEN_NOTHING;
    }
    if (n != (ssize_t)sizeof *m) {
        return n <= 0 ? SCREEN_CLOSED : SCREEN_BAD;
    }
    switch (m->type) {
    case UI_RESIZE:
        return resized(s, m);
    case UI_DIRTY:
        return dirty(s, m);
    case UI_POINTER_KIND:
        s->absolute = m->a == 1;
        return SCREEN_POINTER;
    case UI_LEDS:
        s->leds = m->a & 7;
        return SCREEN_LEDS;
    default:
        return SCREEN_OTHER;
    }
}

bool screen_send(Screen *s, bool may_drop, uint32_t type, uint32_t a, uint32_t b, uint32_t c,
                 uint32_t d)
{
    UiMsg m = { type, a, b, c, d };
    ssize_t n;

    do {
        n = send(s->sock, &m, sizeof m, MSG_NOSIGNAL | (may_drop ? MSG_DONTWAIT : 0));
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof m;
}
