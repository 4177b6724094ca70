/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2_resize.c - a larger disk: a longer L1 table, complete on disk before the header names it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "block/format.h"
#include "block/qcow2.h"

#define ROW_TRIES 4

static int write_header(Qcow2 *q, uint64_t size, uint32_t l1_size, uint64_t l1_offset)
{
    const Qcow2Put put[] = { { 24, true, size }, { 36, false, l1_size }, { 40, true, l1_offset } };

    return qcow2_header_write(q, put, G_N_ELEMENTS(put));
}

static int write_l1(Qcow2 *q, uint64_t offset, uint64_t clusters)
{
    uint64_t bytes = clusters << q->cluster_bits;
    uint64_t *be = file_buffer(bytes);
    int error;

    if (!be) {
        return ENOMEM;
    }
    memset(be, 0, bytes);
    for (uint32_t i = 0; i < q->l1_size; i++) {
        be[i] = GUINT64_TO_BE(q->l1[i]);
    }
    error = file_write(q->image->file, offset, be, bytes);
    free(be);
    return error ? error : file_flush(q->image->file);
}

/* Clusters in a row, behind all others: elsewhere the row might be too short.  A row also ends where
 * a new block of counts begins, which is there at the next try. */
static int take_row(Qcow2 *q, uint64_t want, uint64_t *offset)
{
    uint64_t hint = q->hint, got = 0;
    bool virgin;
    int error = 0;

    for (unsigned i = 0; i < ROW_TRIES && !error && got < want; i++) {
        q->hint = q->virgin == UINT64_MAX ? q->hint : MAX(q->hint, q->virgin);
        error = qcow2_alloc(q, want, offset, &got, &virgin);
        if (!error && got < want) {
            error = qcow2_release(q, *offset, got);
            q->hint = (*offset >> q->cluster_bits) + got;
        }
    }
    q->hint = MIN(q->hint, hint);
    return error || got == want ? error : EFBIG;
}

static bool adopt(Qcow2 *q, uint32_t entries, uint64_t offset, uint64_t clusters)
{
    uint64_t old_clusters = (q->l1_size * 8ull + q->cluster - 1) >> q->cluster_bits;
    Qcow2Drop drop = { .offset = q->l1_offset, .count = old_clusters,
                       .tickets = q->image->tickets };
    uint64_t *l1 = g_try_realloc_n(q->l1, entries + BLOCK_SECTOR / 8, 8);

    if (!l1) {
        return false;
    }
    memset(l1 + q->l1_size, 0, (entries - q->l1_size + BLOCK_SECTOR / 8) * 8ull);
    for (uint64_t i = 0; i < old_clusters; i++) {
        qcow2_meta_remove(q, q->l1_offset + (i << q->cluster_bits));
    }
    qcow2_meta_add(q, offset, clusters);
    q->l1 = l1;
    q->l1_size = entries;
    q->l1_offset = offset;
    g_byte_array_set_size(q->l1_dirty, entries * 8ull / BLOCK_SECTOR + 1);
    memset(q->l1_dirty->data, 0, q->l1_dirty->len);
    q->l1_changed = false;
    if (old_clusters) {
        g_array_append_val(q->freeable, drop);
    }
    return true;
}

static int longer_l1(Qcow2 *q, uint64_t size, uint32_t entries)
{
    TaskPool *tasks = image_tasks(q->image);
    uint64_t clusters = (entries * 8ull + q->cluster - 1) >> q->cluster_bits, offset;
    uint32_t old_size = q->l1_size;
    uint64_t old_offset = q->l1_offset;
    int error = take_row(q, clusters, &offset);

    if (error) {
        return error;
    }
    error = qcow2_sync(q);              /* its count, and all that the old table names */
    task_lock(tasks, &q->sync);
    if (!error) {
        error = write_l1(q, offset, clusters);
    }
    if (!error) {
        error = write_header(q, size, entries, offset);
    }
    if (!error && !adopt(q, entries, offset, clusters)) {
        error = write_header(q, q->image->size, old_size, old_offset);
        error = error ? error : ENOMEM;
    }
    task_unlock(tasks, &q->sync);
    if (error) {
        qcow2_release(q, offset, clusters);
    }
    return error;
}

int qcow2_resize(BlockImage *image, uint64_t size)
{
    Qcow2 *q = image->priv;
    TaskPool *tasks = image_tasks(image);
    uint64_t span = q->cluster << q->l2_bits, entries = (size + span - 1) / span;
    int error = 0;

    if (image->backing && image->backing->size > image->size) {
        return EOPNOTSUPP;              /* what the base has there would show */
    }
    if (entries > QCOW2_MAX_L1) {
        return EFBIG;
    }
    task_lock(tasks, &q->alloc);        /* nobody changes the L1 table meanwhile */
    if (q->corrupt) {
        error = EIO;
    } else if (entries > q->l1_size) {
        error = longer_l1(q, size, entries);
    } else {
        error = write_header(q, size, q->l1_size, q->l1_offset);
    }
    task_unlock(tasks, &q->alloc);
    if (!error) {
        image->size = size;
    }
    return error;
}
