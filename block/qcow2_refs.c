/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2_refs.c - reference counts of clusters (of 1 to 64 bits), finding and freeing clusters, the
 * growth of the counts' own tables.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "block/format.h"
#include "block/qcow2.h"

/* --- where metadata is --- */

/* The place of number in the sorted list, or where it belongs. */
static unsigned meta_find(const GArray *a, uint64_t number)
{
    unsigned low = 0, high = a->len;

    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (g_array_index(a, uint64_t, middle) < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool qcow2_is_meta(const Qcow2 *q, uint64_t cluster)
{
    unsigned i = meta_find(q->meta, cluster);

    return i < q->meta->len && g_array_index(q->meta, uint64_t, i) == cluster;
}

void qcow2_meta_add(Qcow2 *q, uint64_t offset, uint64_t clusters)
{
    uint64_t first = offset >> q->cluster_bits;
    unsigned i = meta_find(q->meta, first);

    for (uint64_t n = 0; n < clusters; n++, i++) {
        uint64_t number = first + n;

        g_array_insert_val(q->meta, i, number);
    }
}

void qcow2_meta_remove(Qcow2 *q, uint64_t offset)
{
    unsigned i = meta_find(q->meta, offset >> q->cluster_bits);

    if (i < q->meta->len && g_array_index(q->meta, uint64_t, i) == offset >> q->cluster_bits) {
        g_array_remove_index(q->meta, i);
    }
}

/* --- single counts --- */

static uint64_t per_block(const Qcow2 *q)
{
    return 8 * q->cluster >> q->refcount_order;
}

static uint64_t count_get(const Qcow2 *q, const uint8_t *data, uint64_t index)
{
    unsigned bits = 1u << q->refcount_order;

    if (bits < 8) {
        unsigned per = 8 / bits;

        return (data[index / per] >> (index % per * bits)) & ((1u << bits) - 1);
    }
    switch (bits) {
    case 8: return data[index];
    case 16: return format_be16(data + 2 * index);
    case 32: return format_be32(data + 4 * index);
    default: return format_be64(data + 8 * index);
    }
}

static void count_set(const Qcow2 *q, uint8_t *data, uint64_t index, uint64_t value)
{
    unsigned bits = 1u << q->refcount_order;

    if (bits < 8) {
        unsigned per = 8 / bits, shift = index % per * bits;
        uint8_t mask = ((1u << bits) - 1) << shift;

        data[index / per] = (data[index / per] & ~mask) | (uint8_t)(value << shift);
        return;
    }
    switch (bits) {
    case 8: data[index] = value; break;
    case 16: format_put16(data + 2 * index, value); break;
    case 32: format_put32(data + 4 * index, value); break;
    default: format_put64(data + 8 * index, value); break;
    }
}

/* The slice with the count of cluster, and its index there; NULL slice: no block, count 0. */
static int count_slice(Qcow2 *q, uint64_t cluster, Slice **slice, uint64_t *index)
{
    uint64_t block = cluster / per_block(q), in_block = cluster % per_block(q), offset;
    uint64_t per_slice = per_block(q) * q->refs.bytes / q->cluster;

    *slice = NULL;
    *index = in_block % per_slice;
    offset = block < q->reftable_size ? q->reftable[block] : 0;
    if (!offset) {
        return 0;
    }
    if (!qcow2_entry_valid(q, offset)) {
        return qcow2_corrupt(q, "reference count table entry", block);
    }
    return slice_get(&q->refs, offset + in_block / per_slice * q->refs.bytes, false, slice);
}

/* --- blocks of counts --- */

/* A new block, which holds its own count: it describes the cluster it is in. */
static int block_new_at(Qcow2 *q, uint64_t cluster)
{
    uint64_t block = cluster / per_block(q), in_block = cluster % per_block(q);
    uint64_t offset = cluster << q->cluster_bits;
    uint8_t *data = file_buffer(q->cluster);
    int error;

    if (!data) {
        return ENOMEM;
    }
    memset(data, 0, q->cluster);
    count_set(q, data, in_block, 1);
    slice_forget(&q->refs, offset, q->cluster);
    error = file_write(q->image->file, offset, data, q->cluster);
    free(data);
    if (error) {
        return error;
    }
    qcow2_reftable_set(q, block, offset);
    qcow2_meta_add(q, offset, 1);
    q->virgin = MAX(q->virgin, cluster + 1);
    return 0;
}

int qcow2_header_write(Qcow2 *q, const Qcow2Put *put, unsigned n)
{
    uint8_t *sector = file_buffer(BLOCK_SECTOR);
    int error;

    if (!sector) {
        return ENOMEM;
    }
    error = file_read(q->image->file, 0, sector, BLOCK_SECTOR);
    for (unsigned i = 0; i < n && !error; i++) {
        if (put[i].wide) {
            format_put64(sector + put[i].at, put[i].value);
        } else {
            format_put32(sector + put[i].at, put[i].value);
        }
    }
    error = error ? error : file_write(q->image->file, 0, sector, BLOCK_SECTOR);
    free(sector);
    return error ? error : file_flush(q->image->file);
}

static int header_reftable(Qcow2 *q, uint64_t offset, uint64_t clusters)
{
    const Qcow2Put put[] = { { 48, true, offset }, { 56, false, clusters } };

    return qcow2_header_write(q, put, G_N_ELEMENTS(put));
}

/* The larger table with the blocks that describe it and themselves, right behind what the old
 * table covers: table (clusters), then blocks. */
static int table_write(Qcow2 *q, uint64_t *table, uint64_t area, uint64_t clusters,
                       uint64_t blocks)
{
    uint64_t per = per_block(q), left = clusters + blocks;
    uint8_t *data = file_buffer(q->cluster);
    uint64_t *be = g_try_malloc0(clusters << q->cluster_bits);
    int error = data && be ? 0 : ENOMEM;

    for (uint64_t b = 0; b < blocks && !error; b++) {
        uint64_t offset = (area + clusters + b) << q->cluster_bits;

        memset(data, 0, q->cluster);
        for (uint64_t i = 0; i < per && left; i++, left--) {
            count_set(q, data, i, 1);
        }
        table[q->reftable_size + b] = offset;
        error = file_write(q->image->file, offset, data, q->cluster);
    }
    for (uint64_t i = 0; i < q->reftable_size + blocks && !error; i++) {
        be[i] = GUINT64_TO_BE(table[i]);
    }
    if (!error) {
        error = file_write(q->image->file, area << q->cluster_bits, be,
                           clusters << q->cluster_bits);
    }
    free(data);
    g_free(be);
    return error ? error : file_flush(q->image->file);
}

static void table_adopt(Qcow2 *q, uint64_t *table, uint64_t area, uint64_t clusters,
                        uint64_t blocks)
{
    uint64_t old = q->reftable_offset;
    uint64_t old_clusters = ((uint64_t)q->reftable_size * 8 + q->cluster - 1) >> q->cluster_bits;
    Qcow2Drop drop = { .offset = old, .count = old_clusters, .tickets = q->image->tickets };

    for (uint64_t i = 0; i < old_clusters; i++) {
        qcow2_meta_remove(q, old + (i << q->cluster_bits));
    }
    qcow2_meta_add(q, area << q->cluster_bits, clusters + blocks);
    g_free(q->reftable);
    q->reftable = table;
    q->reftable_offset = area << q->cluster_bits;
    q->reftable_size = (clusters << q->cluster_bits) / 8;
    g_byte_array_set_size(q->reftable_dirty, (q->reftable_size * 8 / BLOCK_SECTOR) + 1);
    memset(q->reftable_dirty->data, 0, q->reftable_dirty->len);
    q->reftable_changed = false;
    q->virgin = MAX(q->virgin, area + clusters + blocks);
    g_array_append_val(q->freeable, drop);
}

/* Makes the table of blocks larger.  The new one is complete on disk before the header names it. */
static int table_grow(Qcow2 *q)
{
    TaskPool *tasks = image_tasks(q->image);
    uint64_t per = per_block(q), area = q->reftable_size * per, blocks = 1, clusters, entries;
    uint64_t *table;
    int error;

    for (;;) {
        entries = q->reftable_size + q->reftable_size / 2ull + blocks;
        clusters = (entries * 8 + q->cluster - 1) >> q->cluster_bits;
        if (clusters + blocks <= blocks * per) {
            break;
        }
        blocks++;
    }
    if (clusters << q->cluster_bits > QCOW2_MAX_REFTABLE) {
        return EFBIG;
    }
    table = g_try_malloc0((clusters << q->cluster_bits) + BLOCK_SECTOR);
    if (!table) {
        return ENOMEM;
    }
    error = qcow2_sync(q);              /* what the old table holds is on disk, so the new may */
    task_lock(tasks, &q->sync);
    memcpy(table, q->reftable, q->reftable_size * 8ull);
    if (!error) {
        error = table_write(q, table, area, clusters, blocks);
    }
    if (!error) {
        error = header_reftable(q, area << q->cluster_bits, clusters);
    }
    if (error) {
        g_free(table);
    } else {
        table_adopt(q, table, area, clusters, blocks);
    }
    task_unlock(tasks, &q->sync);
    return error;
}

/* --- allocation --- */

static int cluster_free(Qcow2 *q, uint64_t cluster, bool *yes)
{
    Slice *s;
    uint64_t index;
    int error = count_slice(q, cluster, &s, &index);

    if (error) {
        return error;
    }
    *yes = (!s || count_get(q, s->data, index) == 0) && !qcow2_is_meta(q, cluster);
    if (s) {
        slice_put(&q->refs, s);
    }
    return 0;
}

/* Takes a free cluster; the block of counts exists. */
static int cluster_take(Qcow2 *q, uint64_t cluster)
{
    Slice *s;
    uint64_t index;
    int error = count_slice(q, cluster, &s, &index);

    if (error || !s) {
        return error ? error : EIO;
    }
    count_set(q, s->data, index, 1);
    slice_dirty(&q->refs, s);
    slice_put(&q->refs, s);
    return 0;
}

/* The first free cluster from *cluster on in the piece of counts that holds it; false: none there,
 * *cluster is the next piece's first. */
static int scan_slice(Qcow2 *q, uint64_t *cluster, bool *found)
{
    uint64_t per_slice = per_block(q) * q->refs.bytes / q->cluster, index;
    Slice *s;
    int error = count_slice(q, *cluster, &s, &index);

    *found = false;
    if (error) {
        return error;
    }
    for (; index < per_slice && !*found; index++, ++*cluster) {
        *found = (!s || count_get(q, s->data, index) == 0) && !qcow2_is_meta(q, *cluster);
    }
    *cluster -= *found;
    if (s) {
        slice_put(&q->refs, s);
    }
    return 0;
}

/* The first free cluster from q->hint on, with a block of counts for it. */
static int find_free(Qcow2 *q, uint64_t *cluster)
{
    uint64_t c = q->hint;
    bool found;
    int error = 0;

    while (!error) {
        if (c / per_block(q) >= q->reftable_size) {
            error = table_grow(q);
            c = q->hint;                /* what the old table covers is full, or nearly */
            continue;
        }
        error = scan_slice(q, &c, &found);
        if (error || !found) {
            continue;
        }
        if (q->reftable[c / per_block(q)]) {
            q->hint = *cluster = c;
            return 0;
        }
        error = block_new_at(q, c);
    }
    return error;
}

int qcow2_alloc(Qcow2 *q, uint64_t want, uint64_t *offset, uint64_t *got, bool *virgin)
{
    uint64_t first, n = 0;
    bool yes = true;
    int error;

    if (q->freeable->len) {
        error = qcow2_reuse(q);
        if (error) {
            return error;
        }
    }
    error = find_free(q, &first);
    while (!error && yes && n < want && (first + n) / per_block(q) < q->reftable_size &&
           q->reftable[(first + n) / per_block(q)]) {
        error = n ? cluster_free(q, first + n, &yes) : 0;
        if (!error && yes) {
            error = cluster_take(q, first + n);
            n += !error;
        }
    }
    if (!n) {
        return error ? error : EIO;
    }
    q->hint = first + n;
    *virgin = first >= q->virgin;
    q->virgin = MAX(q->virgin, first + n);
    *offset = first << q->cluster_bits;
    *got = n;
    return 0;
}

/* --- freeing --- */

static int cluster_less(Qcow2 *q, uint64_t cluster, bool *is_free)
{
    Slice *s;
    uint64_t index, count;
    int error = count_slice(q, cluster, &s, &index);

    *is_free = false;
    if (error) {
        return error;
    }
    count = s ? count_get(q, s->data, index) : 0;
    if (!count) {
        if (s) {
            slice_put(&q->refs, s);
        }
        return qcow2_corrupt(q, "reference count of a used cluster is 0", cluster);
    }
    count_set(q, s->data, index, count - 1);
    slice_dirty(&q->refs, s);
    *is_free = count == 1;
    slice_put(&q->refs, s);
    if (*is_free) {
        q->hint = MIN(q->hint, cluster);
    }
    return 0;
}

int qcow2_release(Qcow2 *q, uint64_t offset, uint64_t count)
{
    uint64_t first = offset >> q->cluster_bits;
    bool is_free;
    int error = 0;

    for (uint64_t i = 0; i < count && !error; i++) {
        error = cluster_less(q, first + i, &is_free);
        if (is_free) {
            slice_forget(&q->l2, (first + i) << q->cluster_bits, q->cluster);
            slice_forget(&q->refs, (first + i) << q->cluster_bits, q->cluster);
        }
    }
    return error;
}

static int drop_release(Qcow2 *q, const Qcow2Drop *drop)
{
    /* Before the count goes: afterwards the clusters may have a new owner. */
    if (drop->punch) {
        bool only = true;

        for (uint64_t i = 0; i < drop->count; i++) {
            Slice *s;
            uint64_t index;
            int error = count_slice(q, (drop->offset >> q->cluster_bits) + i, &s, &index);

            if (error) {
                return error;
            }
            only &= s && count_get(q, s->data, index) == 1;
            if (s) {
                slice_put(&q->refs, s);
            }
        }
        if (only) {
            file_punch(q->image->file, drop->offset, drop->count << q->cluster_bits);
        }
    }
    return qcow2_release(q, drop->offset, drop->count);
}

int qcow2_reuse(Qcow2 *q)
{
    GArray *all = q->freeable, *later = g_array_new(FALSE, FALSE, sizeof(Qcow2Drop));
    uint64_t oldest = image_oldest(q->image);
    int error = 0;

    q->freeable = g_array_new(FALSE, FALSE, sizeof(Qcow2Drop));
    for (unsigned i = 0; i < all->len; i++) {
        Qcow2Drop *drop = &g_array_index(all, Qcow2Drop, i);

        if (drop->tickets > oldest) {   /* a request may still use the address */
            g_array_append_vals(later, drop, 1);
        } else if (!error) {
            error = drop_release(q, drop);      /* what fails stays allocated: a leak */
        }
    }
    g_array_append_vals(q->freeable, later->data, later->len);
    g_array_free(later, TRUE);
    g_array_free(all, TRUE);
    return error;
}

void qcow2_drop(Qcow2 *q, uint64_t entry, bool punch, bool table)
{
    Qcow2Drop drop = { .offset = entry & QCOW2_OFFSET, .count = 1, .punch = punch,
                       .table = table };
    uint64_t len = 0;

    if (!table && (entry & QCOW2_COMPRESSED)) {
        qcow2_zip_where(q, entry, &drop.offset, &len);
        drop.count = ((drop.offset + len - 1) >> q->cluster_bits) -
                     (drop.offset >> q->cluster_bits) + 1;
        drop.offset &= ~(q->cluster - 1);
        drop.punch = false;             /* they share clusters */
    } else if (!drop.offset || !qcow2_entry_valid(q, entry)) {
        return;
    }
    if (table) {
        qcow2_meta_remove(q, drop.offset);
    }
    if (q->drops->len) {                /* in a row */
        Qcow2Drop *last = &g_array_index(q->drops, Qcow2Drop, q->drops->len - 1);

        if (last->offset + (last->count << q->cluster_bits) == drop.offset &&
            last->punch == drop.punch && last->table == drop.table) {
            last->count += drop.count;
            return;
        }
    }
    g_array_append_val(q->drops, drop);
}
