/* SPDX-License-Identifier: GPL-2.0-or-later */
/* huge.c - see huge.h. */
#include "dm/huge.h"

#include <errno.h>
#include <glib.h>
#include <stdbool.h>
#include <sys/mman.h>
#include "include/dm_proto.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#define PAGES (HUGE_PAGE / 4096)
#define TRIES 3                 /* pages may be pinned just now */

/*
 * A collapse copies 2 MiB, which costs about as much as describing half as many pages one by one: only
 * what has been used that much is worth it.
 */
#define WORTH (PAGES / 2)
#define SMALL 1024              /* bytes: descriptors and the like are copied */

struct Huge {
    uint8_t *base;
    uint64_t count;             /* large pages in all */
    const uint8_t *types;
    uint16_t *used;             /* small pages moved, of each */
    uint8_t *tries;             /* TRIES: done, or given up; the thread sets it, too */
    GAsyncQueue *wanted;        /* index + 1 of what is to be collapsed; count + 1: end */
    GThread *thread;            /* NULL: nothing was worth it so far */
    bool refused;               /* by the kernel; set by the thread */
};

Huge *huge_new(uint8_t *base, uint64_t size, const uint8_t *types)
{
    Huge *h = g_new0(Huge, 1);

    h->base = base;
    h->count = size / HUGE_PAGE;
    h->types = types;
    h->used = g_new0(uint16_t, h->count);
    h->tries = g_new0(uint8_t, h->count);
    h->wanted = g_async_queue_new();
    return h;
}

/* The kernel waits for every processor in it: not for the device thread. */
static gpointer collapse(gpointer opaque)
{
    Huge *h = opaque;

    for (;;) {
        uint64_t index = GPOINTER_TO_SIZE(g_async_queue_pop(h->wanted)) - 1;

        if (index >= h->count) {
            return NULL;
        }
        if (madvise(h->base + index * HUGE_PAGE, HUGE_PAGE, MADV_COLLAPSE) == 0) {
            __atomic_store_n(&h->tries[index], TRIES, __ATOMIC_RELAXED);
        } else if (errno == EINVAL) {
            __atomic_store_n(&h->refused, true, __ATOMIC_RELAXED);
        }
    }
}

/* With holes (the VGA window, pages of the balloon) it stays as it is: they would be filled. */
static bool all_ram(const Huge *h, uint64_t index)
{
    for (unsigned i = 0; i < PAGES; i++) {
        if (h->types[index * PAGES + i] != DM_PAGE_RAM) {
            return false;
        }
    }
    return true;
}

static void want(Huge *h, uint64_t index)
{
    h->used[index] = 0;
    __atomic_add_fetch(&h->tries[index], 1, __ATOMIC_RELAXED);
    if (!all_ram(h, index)) {
        return;
    }
    if (!h->thread) {
        h->thread = g_thread_try_new("huge", collapse, h, NULL);
    }
    if (h->thread) {
        g_async_queue_push(h->wanted, GSIZE_TO_POINTER(index + 1));
    }
}

void huge_used(Huge *h, uint64_t gpa, uint64_t len)
{
    uint64_t index = gpa / HUGE_PAGE, pages = (len + 4095) / 4096;

    if (len < SMALL || index >= h->count || __atomic_load_n(&h->refused, __ATOMIC_RELAXED) ||
        __atomic_load_n(&h->tries[index], __ATOMIC_RELAXED) >= TRIES) {
        return;
    }
    h->used[index] += MIN(pages, PAGES);
    if (h->used[index] >= WORTH) {
        want(h, index);
    }
}

void huge_free(Huge *h)
{
    if (!h) {
        return;
    }
    if (h->thread) {
        g_async_queue_push_front(h->wanted, GSIZE_TO_POINTER(h->count + 1));
        g_thread_join(h->thread);
    }
    g_async_queue_unref(h->wanted);
    g_free(h->used);
    g_free(h->tries);
    g_free(h);
}
