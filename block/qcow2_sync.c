/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2_sync.c - tables on their way back to the file, in an order that no crash can turn into
 * corruption (see qcow2.h).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "block/qcow2.h"

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

/* What is to be written, as it was at one moment. */
typedef struct Snapshot {
    GArray *refs, *reftable, *l2, *l1;      /* Piece */
    GArray *drops;
    bool complete;                  /* else there was no memory for all */
} Snapshot;

static bool snapshot_table(GArray *list, GByteArray *dirty, bool *changed, const uint64_t *table,
                           uint32_t size, uint64_t offset)
{
    for (unsigned i = 0; *changed && i < dirty->len; i++) {
        uint64_t sector[BLOCK_SECTOR / 8] = { 0 };
        unsigned per = BLOCK_SECTOR / 8;

        if (!dirty->data[i]) {
            continue;
        }
        for (unsigned j = 0; j < per && i * per + j < size; j++) {
            sector[j] = GUINT64_TO_BE(table[i * per + j]);
        }
        if (!pieces_of_sector(list, &dirty->data[i], offset + (uint64_t)i * BLOCK_SECTOR,
                              sector)) {
            return false;
        }
    }
    *changed = false;
    return true;
}

static void snapshot_take(Qcow2 *q, Snapshot *s)
{
    *s = (Snapshot){ .refs = pieces_new(), .reftable = pieces_new(), .l2 = pieces_new(),
                     .l1 = pieces_new(), .drops = q->drops };
    q->drops = g_array_new(FALSE, FALSE, sizeof(Qcow2Drop));
    s->complete = pieces_of_cache(s->refs, &q->refs) && pieces_of_cache(s->l2, &q->l2) &&
                  snapshot_table(s->reftable, q->reftable_dirty, &q->reftable_changed, q->reftable,
                                 q->reftable_size, q->reftable_offset) &&
                  snapshot_table(s->l1, q->l1_dirty, &q->l1_changed, q->l1, q->l1_size,
                                 q->l1_offset);
}

static int snapshot_write(Qcow2 *q, Snapshot *s)
{
    bool tables = s->l2->len || s->l1->len;
    int error;

    if (!s->complete) {
        return ENOMEM;
    }
    /* Counts and data are stable before what points at them. */
    error = pieces_write(q->image->file, s->refs, false);
    if (!error && (s->refs->len || tables)) {
        error = file_flush(q->image->file);
    }
    if (!error) {
        error = pieces_write(q->image->file, s->reftable, true);
    }
    if (!error) {
        error = pieces_write(q->image->file, s->l2, true);
    }
    if (!error) {
        error = pieces_write(q->image->file, s->l1, true);
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
    pieces_end(s.refs, &q->refs, ok, NULL);
    pieces_end(s.l2, &q->l2, ok, NULL);
    pieces_end(s.reftable, NULL, ok, &q->reftable_changed);
    pieces_end(s.l1, NULL, ok, &q->l1_changed);
    drops_settle(q, s.drops, ok);
    task_unlock(tasks, &q->sync);
    return error;
}
