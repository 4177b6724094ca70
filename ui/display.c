/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * display.c - the shared surface and its refresh.  The memfd has a fixed size for the largest mode
 * (untouched pages cost nothing), is sealed against resizing and against writing by others, and is
 * drawn on by the graphics card alone.  While nobody watches there is no timer; a screen that
 * stands still is looked at less often.
 */
#include "ui/hub.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "lib/fd.h"

enum { TICK_MS = 20, TICK_IDLE_MS = 60, IDLE_TICKS = 50 };
#define SURFACE_BYTES ((size_t)DISPLAY_MAX_WIDTH * DISPLAY_MAX_HEIGHT * 4)
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x10
#endif

Display *display_new(GError **error)
{
    Display *d = g_new0(Display, 1);

    d->map_size = UI_SURFACE_OFFSET + SURFACE_BYTES;
    d->width = 640;
    d->height = 400;
    d->full = true;
    d->viewers = g_ptr_array_new();
    d->map = MAP_FAILED;
    d->memfd = fd_memory_new("guesthouse-display", d->map_size, 0, error);
    if (d->memfd < 0) {
        display_free(d);
        return NULL;
    }
    d->map = mmap(NULL, d->map_size, PROT_READ | PROT_WRITE, MAP_SHARED, d->memfd, 0);
    if (d->map == MAP_FAILED ||
        fcntl(d->memfd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) < 0) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno),
                    "display memory: %s", g_strerror(errno));
        display_free(d);
        return NULL;
    }
    return d;
}

void display_free(Display *d)
{
    if (!d) {
        return;
    }
    while (d->viewers->len) {
        viewer_free(d->viewers->pdata[d->viewers->len - 1]);
    }
    g_ptr_array_free(d->viewers, TRUE);
    if (d->timer) {
        g_source_remove(d->timer);
    }
    if (d->map != MAP_FAILED) {
        munmap(d->map, d->map_size);
    }
    if (d->memfd >= 0) {
        close(d->memfd);
    }
    g_free(d);
}

void display_attach(Display *d, const DisplayClient *client)
{
    d->client = client ? *client : (DisplayClient){ 0 };
    d->full = true;
}

unsigned display_width(const Display *d) { return d->width; }
unsigned display_height(const Display *d) { return d->height; }
unsigned display_stride(const Display *d) { return d->width * 4; }

uint32_t *display_row(Display *d, unsigned y)
{
    return y < d->height ? (uint32_t *)(d->map + UI_SURFACE_OFFSET) + (size_t)y * d->width : NULL;
}

/* --- what changed ------------------------------------------------------------------------------ */

static DirtyRect joined(DirtyRect a, DirtyRect b)
{
    return (DirtyRect){ MIN(a.x0, b.x0), MIN(a.y0, b.y0), MAX(a.x1, b.x1), MAX(a.y1, b.y1) };
}

static uint64_t area(DirtyRect r)
{
    return (uint64_t)(r.x1 - r.x0) * (r.y1 - r.y0);
}

/* Pixels sent for nothing if both went as one. */
static int64_t waste(DirtyRect a, DirtyRect b)
{
    return (int64_t)area(joined(a, b)) - (int64_t)area(a) - (int64_t)area(b);
}

void dirty_add(DirtyList *l, DirtyRect r)
{
    unsigned best = 0;

    for (unsigned i = 0; i < l->n; i++) {
        if (waste(l->rect[i], r) <= (int64_t)(area(r) / 4) + 256) {
            r = joined(l->rect[i], r);
            l->rect[i] = l->rect[--l->n];
            i = UINT32_MAX;                     /* the grown one may meet others */
        }
    }
    if (l->n < DIRTY_RECTS) {
        l->rect[l->n++] = r;
        return;
    }
    for (unsigned i = 1; i < l->n; i++) {
        if (waste(l->rect[i], r) < waste(l->rect[best], r)) {
            best = i;
        }
    }
    l->rect[best] = joined(l->rect[best], r);
}

void display_dirty(Display *d, unsigned x, unsigned y, unsigned w, unsigned h)
{
    if (x >= d->width || y >= d->height || !w || !h) {
        return;
    }
    DirtyRect r = { x, y, x + MIN(w, d->width - x), y + MIN(h, d->height - y) };

    d->drew = true;
    for (guint i = 0; i < d->viewers->len; i++) {
        viewer_dirty(d->viewers->pdata[i], r);
    }
}

static void tell(Display *d, unsigned news)
{
    for (guint i = 0; i < d->viewers->len; i++) {
        viewer_news(d->viewers->pdata[i], news);
    }
}

void display_resize(Display *d, unsigned width, unsigned height)
{
    d->width = CLAMP(width, 1, DISPLAY_MAX_WIDTH);
    d->height = CLAMP(height, 1, DISPLAY_MAX_HEIGHT);
    d->full = true;
    tell(d, NEWS_RESIZE);
}

/* --- refresh ----------------------------------------------------------------------------------- */

static void refresh(Display *d)
{
    bool full = d->full;

    d->full = false;
    if (d->client.refresh) {
        d->client.refresh(d->client.opaque, full);
    }
    if (d->full) {
        /* It was resized while drawing, and has been drawn in the new size. */
        d->full = false;
        display_dirty(d, 0, 0, d->width, d->height);
    }
}

static gboolean tick(gpointer opaque);

static void set_interval(Display *d, unsigned ms)
{
    if (d->timer && d->interval_ms == ms) {
        return;
    }
    if (d->timer) {
        g_source_remove(d->timer);
    }
    d->timer = g_timeout_add(ms, tick, d);
    d->interval_ms = ms;
}

static gboolean tick(gpointer opaque)
{
    Display *d = opaque;

    d->drew = false;
    refresh(d);
    for (guint i = d->viewers->len; i-- > 0;) {     /* one that fails leaves the list */
        viewer_push(d->viewers->pdata[i]);
    }
    d->idle_ticks = d->drew ? 0 : d->idle_ticks + 1;
    unsigned ms = d->idle_ticks < IDLE_TICKS ? TICK_MS : TICK_IDLE_MS;

    if (!d->timer || ms == d->interval_ms) {
        return d->timer ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
    }
    d->timer = 0;
    set_interval(d, ms);
    return G_SOURCE_REMOVE;
}

void display_wake(Display *d)
{
    bool watched = false;

    for (guint i = 0; i < d->viewers->len; i++) {
        watched |= viewer_watching(d->viewers->pdata[i]);
    }
    d->idle_ticks = 0;
    if (watched) {
        set_interval(d, TICK_MS);
    } else if (d->timer) {
        g_source_remove(d->timer);
        d->timer = 0;
    }
}

/* --- screenshot -------------------------------------------------------------------------------- */

bool display_screenshot(Display *d, int fd, GError **error)
{
    g_autofree char *head = NULL;
    g_autofree uint8_t *rgb = NULL;
    bool ok;

    refresh(d);
    head = g_strdup_printf("P6\n%u %u\n255\n", d->width, d->height);
    rgb = g_malloc((size_t)d->width * 3);
    ok = fd_write_all(fd, head, strlen(head));
    for (unsigned y = 0; ok && y < d->height; y++) {
        const uint32_t *row = display_row(d, y);

        for (unsigned x = 0; x < d->width; x++) {
            rgb[3 * x] = row[x] >> 16;
            rgb[3 * x + 1] = row[x] >> 8;
            rgb[3 * x + 2] = row[x];
        }
        ok = fd_write_all(fd, rgb, (size_t)d->width * 3);
    }
    if (!ok) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "screenshot: %s",
                    g_strerror(errno));
    }
    return ok;
}
