/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2_cache.c - pieces of L2 tables and reference count blocks in memory, and their way back to
 * the file in an order that no crash can turn into corruption (see qcow2.h).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "block/qcow2.h"

void slice_cache_init(SliceCache *c, unsigned bytes, unsigned limit)
{
    *c = (SliceCache){ .bytes = bytes, .limit = limit };
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

static int slice_load(Qcow2 *q, SliceCache *c, Slice *s, bool blank)
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
    error = file_read(q->image->file, s->offset, s->data, c->bytes);
    s->loading = false;
    s->pins--;
    task_queue_wake(image_tasks(q->image), &c->changed);
    if (error) {
        slice_free(c, s);
        return error;
    }
    s->pins++;
    return 0;
}

int slice_get(Qcow2 *q, SliceCache *c, uint64_t offset, bool blank, Slice **slice)
{
    Slice *s;
    int error;

    for (;;) {
        s = g_hash_table_lookup(c->by_offset, &offset);
        if (s && s->loading) {
            task_queue_wait(image_tasks(q->image), &c->changed);
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
            error = slice_load(q, c, s, blank);
            *slice = error ? NULL : s;
            return error;
        }
        if (c->dirty) {
            error = qcow2_sync(q);
            if (error) {
                *slice = NULL;
                return error;
            }
        } else {
            task_queue_wait(image_tasks(q->image), &c->changed);
        }
    }
}

void slice_put(Qcow2 *q, SliceCache *c, Slice *s)
{
    if (--s->pins == 0) {
        task_queue_wake(image_tasks(q->image), &c->changed);
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

static void table_set(GByteArray *dirty, bool *changed, uint64_t *table, uint32_t index,
                      uint64_t entry)
{
    table[index] = entry;
    dirty->data[index / (BLOCK_SECTOR / 8)] = 1;
    *changed = true;
}

void qcow2_l1_set(Qcow2 *q, uint32_t index, uint64_t entry)
{
    table_set(q->l1_dirty, &q->l1_changed, q->l1, index, entry);
}

void qcow2_reftable_set(Qcow2 *q, uint32_t index, uint64_t entry)
{
    table_set(q->reftable_dirty, &q->reftable_changed, q->reftable, index, entry);
}

bool qcow2_dirty(const Qcow2 *q)
{
    return q->l2.dirty || q->refs.dirty || q->l1_changed || q->reftable_changed || q->drops->len ||
           q->freeable->len;
}

/* A copy of something that goes to the file. */
typedef struct Piece {
    uint64_t offset;
    uint32_t len;
    uint8_t *data;
    Slice *slice;                   /* where it came from, or ... */
    GByteArray *flags;              /* ... the flag of the table's sector */
    unsigned sector;
} Piece;

/* What is to be written, as it was at one moment. */
typedef struct Snapshot {
    GArray *refs, *reftable, *l2, *l1;      /* Piece */
    GArray *drops;
    bool failed;                    /* no memory: some pieces are missing */
} Snapshot;

static bool piece_add(GArray *list, uint64_t offset, const void *data, uint32_t len, Piece *from)
{
    Piece p = { offset, len, file_buffer(len), from->slice, from->flags, from->sector };

    if (!p.data) {
        return false;
    }
    memcpy(p.data, data, len);
    g_array_append_val(list, p);
    return true;
}

static void snapshot_cache(Snapshot *s, GArray *list, SliceCache *c)
{
    for (GList *l = c->all.head; l; l = l->next) {
        Slice *slice = l->data;
        Piece from = { .slice = slice };

        if (!slice->dirty) {
            continue;
        }
        if (!piece_add(list, slice->offset, slice->data, c->bytes, &from)) {
            s->failed = true;
            return;
        }
        slice->dirty = false;
        slice->writing++;
        c->dirty--;
    }
}

static void snapshot_table(Snapshot *s, GArray *list, GByteArray *dirty, bool *changed,
                           const uint64_t *table, uint32_t size, uint64_t offset)
{
    if (!*changed) {
        return;
    }
    for (unsigned i = 0; i < dirty->len; i++) {
        uint64_t sector[BLOCK_SECTOR / 8] = { 0 };
        unsigned per = BLOCK_SECTOR / 8;
        Piece from = { .flags = dirty, .sector = i };

        if (!dirty->data[i]) {
            continue;
        }
        for (unsigned j = 0; j < per && i * per + j < size; j++) {
            sector[j] = GUINT64_TO_BE(table[i * per + j]);
        }
        if (!piece_add(list, offset + (uint64_t)i * BLOCK_SECTOR, sector, BLOCK_SECTOR, &from)) {
            s->failed = true;
            return;
        }
        dirty->data[i] = 0;
    }
    *changed = false;
}

static void snapshot_take(Qcow2 *q, Snapshot *s)
{
    *s = (Snapshot){ .drops = q->drops };
    s->refs = g_array_new(FALSE, FALSE, sizeof(Piece));
    s->reftable = g_array_new(FALSE, FALSE, sizeof(Piece));
    s->l2 = g_array_new(FALSE, FALSE, sizeof(Piece));
    s->l1 = g_array_new(FALSE, FALSE, sizeof(Piece));
    q->drops = g_array_new(FALSE, FALSE, sizeof(Qcow2Drop));
    snapshot_cache(s, s->refs, &q->refs);
    snapshot_cache(s, s->l2, &q->l2);
    snapshot_table(s, s->reftable, q->reftable_dirty, &q->reftable_changed, q->reftable,
                   q->reftable_size, q->reftable_offset);
    snapshot_table(s, s->l1, q->l1_dirty, &q->l1_changed, q->l1, q->l1_size, q->l1_offset);
}

/* Frees the pieces; those that were not written become dirty again. */
static void pieces_end(SliceCache *c, GArray *list, bool written, bool *changed)
{
    for (unsigned i = 0; i < list->len; i++) {
        Piece *p = &g_array_index(list, Piece, i);

        if (p->slice) {
            p->slice->writing--;
            if (!written) {
                slice_dirty(c, p->slice);
            }
        } else if (!written) {
            p->flags->data[p->sector] = 1;
            *changed = true;
        }
        free(p->data);
    }
    g_array_free(list, TRUE);
}

static int by_offset(const void *a, const void *b)
{
    const Piece *x = a, *y = b;

    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int pieces_write(Qcow2 *q, GArray *list, bool barrier)
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
    file_batch_init(&b, q->image->file->queue);
    for (unsigned i = 0, first; i < list->len;) {
        uint64_t start = g_array_index(list, Piece, i).offset, len = 0;

        for (first = i; i < list->len && g_array_index(list, Piece, i).offset == start + len; i++) {
            Piece *p = &g_array_index(list, Piece, i);

            iov[i] = (struct iovec){ p->data, p->len };
            len += p->len;
        }
        vec[runs] = (BlockVec){ .iov = iov + first, .n = i - first, .len = len };
        file_batch_add(&b, q->image->file, BLOCK_WRITE, start, &vec[runs], 0, len);
        runs++;
    }
    error = file_batch_wait(&b);
    g_free(iov);
    g_free(vec);
    return error || !barrier ? error : file_flush(q->image->file);
}

static int snapshot_write(Qcow2 *q, Snapshot *s)
{
    bool tables = s->l2->len || s->l1->len;
    int error;

    if (s->failed) {
        return ENOMEM;
    }
    /* Counts and data are stable before what points at them. */
    error = pieces_write(q, s->refs, false);
    if (!error && (s->refs->len || tables)) {
        error = file_flush(q->image->file);
    }
    if (!error) {
        error = pieces_write(q, s->reftable, true);
    }
    if (!error) {
        error = pieces_write(q, s->l2, true);
    }
    if (!error) {
        error = pieces_write(q, s->l1, true);
    }
    if (!error && !s->refs->len && !s->reftable->len && !tables) {
        error = file_flush(q->image->file);
    }
    return error;
}

/* What was dropped before the snapshot is named by no table on disk any more. */
static void drops_settle(Qcow2 *q, GArray *drops, bool written)
{
    GArray *to = written ? q->freeable : q->drops;

    for (unsigned i = 0; i < drops->len; i++) {
        g_array_index(drops, Qcow2Drop, i).tickets = q->image->tickets;
    }
    g_array_append_vals(to, drops->data, drops->len);
    g_array_free(drops, TRUE);
}

int qcow2_sync(Qcow2 *q)
{
    TaskPool *tasks = image_tasks(q->image);
    Snapshot s;
    bool ok;
    int error;

    task_lock(tasks, &q->sync);
    snapshot_take(q, &s);
    error = q->corrupt && qcow2_dirty(q) ? EIO : snapshot_write(q, &s);
    ok = !error;
    pieces_end(&q->refs, s.refs, ok, NULL);
    pieces_end(&q->l2, s.l2, ok, NULL);
    pieces_end(NULL, s.reftable, ok, &q->reftable_changed);
    pieces_end(NULL, s.l1, ok, &q->l1_changed);
    drops_settle(q, s.drops, ok);
    task_queue_wake(tasks, &q->l2.changed);
    task_queue_wake(tasks, &q->refs.changed);
    task_unlock(tasks, &q->sync);
    return error;
}
