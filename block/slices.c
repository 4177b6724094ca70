/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * slices.c - the cache of pieces of image tables, and their way back to the file.
 */
#include "block/slices.h"

#include <stdlib.h>
#include <string.h>

void slice_cache_init(SliceCache *c, BlockImage *image, int (*sync)(BlockImage *image),
                      unsigned bytes, unsigned limit)
{
    *c = (SliceCache){ .bytes = bytes, .limit = limit, .image = image, .sync = sync };
    c->by_offset = g_hash_table_new(g_int64_hash, g_int64_equal);
}

static void slice_free(SliceCache *c, Slice *s)
{
    g_hash_table_remove(c->by_offset, &s->offset);
    g_queue_unlink(&c->all, &s->link);
    c->dirty -= s->dirty;
    free(s->data);
    g_free(s);
}

void slice_cache_finish(SliceCache *c)
{
    while (c->all.length) {
        slice_free(c, g_queue_peek_head(&c->all));
    }
    g_hash_table_destroy(c->by_offset);
}

/* A slice with memory: a new one, or the one that was not used for longest.  NULL: none to have. */
static Slice *slice_take(SliceCache *c)
{
    Slice *s;

    if (c->all.length >= c->limit) {
        for (GList *l = c->all.tail; l; l = l->prev) {
            s = l->data;
            if (!s->pins && !s->dirty && !s->loading && !s->writing) {
                g_hash_table_remove(c->by_offset, &s->offset);
                g_queue_unlink(&c->all, &s->link);
                return s;
            }
        }
        return NULL;
    }
    s = g_new0(Slice, 1);
    s->link.data = s;
    s->data = file_buffer(c->bytes);
    if (!s->data) {
        g_free(s);
        return NULL;
    }
    return s;
}

static int slice_load(SliceCache *c, Slice *s, bool blank)
{
    int error = 0;

    g_hash_table_insert(c->by_offset, &s->offset, s);
    g_queue_push_head_link(&c->all, &s->link);
    s->pins = 1;
    if (blank) {
        memset(s->data, 0, c->bytes);
        return 0;
    }
    s->loading = true;
    error = file_read(c->image->file, s->offset, s->data, c->bytes);
    s->loading = false;
    s->pins--;
    task_queue_wake(image_tasks(c->image), &c->changed);
    if (error) {
        slice_free(c, s);
        return error;
    }
    s->pins++;
    return 0;
}

int slice_get(SliceCache *c, uint64_t offset, bool blank, Slice **slice)
{
    Slice *s;
    int error;

    for (;;) {
        s = g_hash_table_lookup(c->by_offset, &offset);
        if (s && s->loading) {
            task_queue_wait(image_tasks(c->image), &c->changed);
            continue;
        }
        if (s) {
            g_queue_unlink(&c->all, &s->link);
            g_queue_push_head_link(&c->all, &s->link);
            s->pins++;
            *slice = s;
            return 0;
        }
        s = slice_take(c);
        if (s) {
            s->offset = offset;
            error = slice_load(c, s, blank);
            *slice = error ? NULL : s;
            return error;
        }
        if (c->dirty) {
            error = c->sync(c->image);
            if (error) {
                *slice = NULL;
                return error;
            }
        } else {
            task_queue_wait(image_tasks(c->image), &c->changed);
        }
    }
}

void slice_put(SliceCache *c, Slice *s)
{
    if (--s->pins == 0) {
        task_queue_wake(image_tasks(c->image), &c->changed);
    }
}

void slice_dirty(SliceCache *c, Slice *s)
{
    c->dirty += !s->dirty;
    s->dirty = true;
}

void slice_forget(SliceCache *c, uint64_t offset, uint64_t len)
{
    for (uint64_t at = offset; at < offset + len; at += c->bytes) {
        Slice *s = g_hash_table_lookup(c->by_offset, &at);

        if (s && !s->pins && !s->loading && !s->writing) {
            slice_free(c, s);
        }
    }
}

/* --- writing back --- */

GArray *pieces_new(void)
{
    return g_array_new(FALSE, FALSE, sizeof(Piece));
}

static bool piece_add(GArray *list, Piece p, const void *data)
{
    p.data = file_buffer(p.len);
    if (!p.data) {
        return false;
    }
    memcpy(p.data, data, p.len);
    g_array_append_val(list, p);
    return true;
}

bool pieces_of_cache(GArray *list, SliceCache *c)
{
    for (GList *l = c->all.head; l; l = l->next) {
        Slice *s = l->data;

        if (!s->dirty) {
            continue;
        }
        if (!piece_add(list, (Piece){ .offset = s->offset, .len = c->bytes, .slice = s },
                       s->data)) {
            return false;
        }
        s->dirty = false;
        s->writing++;
        c->dirty--;
    }
    return true;
}

bool pieces_of_sector(GArray *list, uint8_t *flag, uint64_t offset, const void *sector)
{
    if (!piece_add(list, (Piece){ .offset = offset, .len = BLOCK_SECTOR, .flag = flag }, sector)) {
        return false;
    }
    *flag = 0;
    return true;
}

void pieces_end(GArray *list, SliceCache *c, bool written, bool *changed)
{
    for (unsigned i = 0; i < list->len; i++) {
        Piece *p = &g_array_index(list, Piece, i);

        if (p->slice) {
            p->slice->writing--;
            if (!written) {
                slice_dirty(c, p->slice);
            }
        } else if (!written) {
            *p->flag = 1;
            *changed = true;
        }
        free(p->data);
    }
    g_array_free(list, TRUE);
    if (c) {
        task_queue_wake(image_tasks(c->image), &c->changed);
    }
}

static int by_offset(const void *a, const void *b)
{
    const Piece *x = a, *y = b;

    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

int pieces_write(BlockFile *f, GArray *list, bool barrier)
{
    FileBatch b;
    struct iovec *iov;
    BlockVec *vec;
    unsigned runs = 0;
    int error;

    if (!list->len) {
        return 0;
    }
    qsort(list->data, list->len, sizeof(Piece), by_offset);
    iov = g_new(struct iovec, list->len);
    vec = g_new0(BlockVec, list->len);
    file_batch_init(&b, f->queue);
    for (unsigned i = 0, first; i < list->len;) {
        uint64_t start = g_array_index(list, Piece, i).offset, len = 0;

        for (first = i; i < list->len && g_array_index(list, Piece, i).offset == start + len; i++) {
            Piece *p = &g_array_index(list, Piece, i);

            iov[i] = (struct iovec){ p->data, p->len };
            len += p->len;
        }
        vec[runs] = (BlockVec){ .iov = iov + first, .n = i - first, .len = len };
        file_batch_add(&b, f, BLOCK_WRITE, start, &vec[runs], 0, len);
        runs++;
    }
    error = file_batch_wait(&b);
    g_free(iov);
    g_free(vec);
    return error || !barrier ? error : file_flush(f);
}
