/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * viewer.c - one viewer process (include/ui_proto.h).  State messages are flags, changed areas a
 * bounded list: a viewer that does not read costs no memory and holds up nobody; when its socket
 * has room again it gets the newest state.  Its keys are released when it goes.
 */
#include "ui/hub.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "lib/fdpass.h"

enum { MESSAGES_A_TURN = 64, WATCHERS_MAX = 1000 };

struct Viewer {
    Display *display;
    Input *input;
    const ViewerRequests *requests;
    int sock;
    guint readable, writable;   /* sources */
    unsigned watchers;
    unsigned news;              /* NEWS_* to send */
    DirtyList dirty;
    uint8_t keys[32];           /* bits: held down through this viewer */
    unsigned buttons;
};

bool viewer_watching(const Viewer *v)
{
    return v->watchers > 0;
}

void viewer_free(Viewer *v)
{
    for (unsigned code = 0; code < 256; code++) {
        if (v->keys[code >> 3] >> (code & 7) & 1) {
            input_key(v->input, code, false);
        }
    }
    if (v->buttons) {
        input_move(v->input, 0, 0, 0, 0);
    }
    g_ptr_array_remove(v->display->viewers, v);
    if (v->readable) {
        g_source_remove(v->readable);
    }
    if (v->writable) {
        g_source_remove(v->writable);
    }
    close(v->sock);
    display_wake(v->display);
    if (!v->display->viewers->len) {
        v->input->changed = NULL;
    }
    g_free(v);
}

/* --- to the viewer ----------------------------------------------------------------------------- */

static gboolean on_writable(gint fd, GIOCondition condition, gpointer opaque)
{
    Viewer *v = opaque;

    (void)fd;
    (void)condition;
    v->writable = 0;
    viewer_push(v);
    return G_SOURCE_REMOVE;
}

/* False: no room now (or the peer is gone, which the reader notices). */
static bool send_msg(Viewer *v, const UiMsg *msg)
{
    if (send(v->sock, msg, sizeof *msg, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)sizeof *msg) {
        return true;
    }
    if (!v->writable && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        v->writable = g_unix_fd_add(v->sock, G_IO_OUT | G_IO_HUP | G_IO_ERR, on_writable, v);
    }
    return false;
}

static UiMsg news_msg(const Viewer *v, unsigned news)
{
    const Display *d = v->display;

    switch (news) {
    case NEWS_RESIZE:
        return (UiMsg){ UI_RESIZE, d->width, d->height, display_stride(d), UI_SURFACE_OFFSET };
    case NEWS_POINTER:
        return (UiMsg){ UI_POINTER_KIND, input_absolute(v->input), 0, 0, 0 };
    default:
        return (UiMsg){ UI_LEDS, input_leds(v->input), 0, 0, 0 };
    }
}

void viewer_push(Viewer *v)
{
    for (unsigned news = NEWS_RESIZE; news <= NEWS_LEDS; news <<= 1) {
        if (v->news & news) {
            UiMsg msg = news_msg(v, news);

            if (!send_msg(v, &msg)) {
                return;
            }
            v->news &= ~news;
        }
    }
    while (v->dirty.n) {
        const DirtyRect *r = &v->dirty.rect[v->dirty.n - 1];
        UiMsg msg = { UI_DIRTY, r->x0, r->y0, r->x1 - r->x0, r->y1 - r->y0 };

        if (!send_msg(v, &msg)) {
            return;
        }
        v->dirty.n--;
    }
}

void viewer_news(Viewer *v, unsigned news)
{
    v->news |= news;
    if (news & NEWS_RESIZE) {
        v->dirty.n = 0;                 /* of the old size */
        return;                         /* goes out with the tick that draws it */
    }
    if (!(v->news & NEWS_RESIZE)) {
        viewer_push(v);
    }
}

void viewer_dirty(Viewer *v, DirtyRect r)
{
    if (v->watchers) {
        dirty_add(&v->dirty, r);
    }
}

/* --- from the viewer --------------------------------------------------------------------------- */

static void watchers_changed(Viewer *v, unsigned watchers)
{
    bool started = watchers && !v->watchers;

    v->watchers = MIN(watchers, WATCHERS_MAX);
    if (!v->watchers) {
        v->dirty.n = 0;
    }
    if (started) {
        v->news |= NEWS_RESIZE;
        v->display->full = true;
    }
    display_wake(v->display);
}

static void key(Viewer *v, unsigned code, bool down)
{
    if (code == 0 || code > 255) {
        return;
    }
    uint8_t bit = 1 << (code & 7), *keys = &v->keys[code >> 3];

    *keys = down ? *keys | bit : *keys & ~bit;
    input_key(v->input, code, down);
}

static void ask(Viewer *v, const char *what)
{
    if (v->requests && v->requests->requested) {
        v->requests->requested(v->requests->opaque, what);
    }
}

static void handle(Viewer *v, const UiMsg *m)
{
    switch (m->type) {
    case UI_WATCHERS:
        watchers_changed(v, m->a);
        return;
    case UI_KEY:
        key(v, m->a, m->b != 0);
        break;
    case UI_POINTER:
        v->buttons = m->c & 31;
        input_place(v->input, m->a, m->b, (int32_t)m->d, m->c);
        break;
    case UI_MOTION:
        v->buttons = m->c & 31;
        input_move(v->input, (int32_t)m->a, (int32_t)m->b, (int32_t)m->d, m->c);
        break;
    case UI_REFRESH:
        v->display->full = true;
        break;
    case UI_POWER:
        ask(v, m->a ? "reset" : "power");
        return;
    case UI_QUIT:
        ask(v, "quit");
        return;
    default:
        return;                         /* a newer viewer's: not ours to judge */
    }
    if (v->watchers) {
        display_wake(v->display);       /* what was typed shows soon */
    }
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer opaque)
{
    Viewer *v = opaque;

    (void)condition;
    for (unsigned i = 0; i < MESSAGES_A_TURN; i++) {
        UiMsg m;
        ssize_t n = recv(fd, &m, sizeof m, MSG_DONTWAIT | MSG_TRUNC);

        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
            break;
        }
        if (n != (ssize_t)sizeof m) {   /* gone, or not speaking our language */
            v->readable = 0;
            viewer_free(v);
            return G_SOURCE_REMOVE;
        }
        handle(v, &m);
    }
    return G_SOURCE_CONTINUE;
}

static void input_changed(void *opaque, unsigned news)
{
    Display *d = opaque;

    for (guint i = d->viewers->len; i-- > 0;) {
        viewer_news(d->viewers->pdata[i], news);
    }
}

bool viewer_add(Display *d, Input *in, int sock, const ViewerRequests *requests, GError **error)
{
    UiMsg hello = { UI_HELLO, UI_PROTO_VERSION, d->map_size, 0, 0 };

    if (!packet_send(sock, &hello, sizeof hello, NULL, 0, &d->memfd, 1)) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "viewer: %s",
                    g_strerror(errno));
        close(sock);
        return false;
    }
    Viewer *v = g_new0(Viewer, 1);

    v->display = d;
    v->input = in;
    v->requests = requests;
    v->sock = sock;
    v->news = NEWS_RESIZE | NEWS_POINTER | NEWS_LEDS;
    in->changed = input_changed;
    in->changed_opaque = d;
    g_ptr_array_add(d->viewers, v);
    v->readable = g_unix_fd_add(sock, G_IO_IN | G_IO_HUP | G_IO_ERR, on_readable, v);
    viewer_push(v);
    return true;
}
