/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2.c - qcow2 images, versions 2 and 3: opening, and from guest addresses to clusters.  Left
 * out and refused in one line: encryption, external data files, extended L2 entries (subclusters).
 */
#include "block/qcow2.h"

#include <errno.h>
#include <gio/gio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "block/format.h"

#define L2_CACHE (1u << 20)             /* bytes */
#define REFS_CACHE (256u << 10)
#define SLICE_MAX 4096u
#define SLICES_MIN 96u                  /* more than all tasks pin at once */

int qcow2_corrupt(Qcow2 *q, const char *what, uint64_t where)
{
    if (!q->corrupt) {
        g_warning("%s: the qcow2 image is corrupt (%s at %" G_GINT64_MODIFIER "x); nothing more "
                  "is written to it; see qemu-img check", q->image->file->name, what, where);
    }
    q->corrupt = true;
    return EIO;
}

bool qcow2_entry_valid(Qcow2 *q, uint64_t entry)
{
    uint64_t offset = entry & QCOW2_OFFSET, counts = 8 * q->cluster >> q->refcount_order;

    return offset && !(offset & (q->cluster - 1)) &&
           (offset >> q->cluster_bits) / counts < q->reftable_size;
}

int qcow2_l2(Qcow2 *q, uint64_t offset, Slice **slice, unsigned *index)
{
    uint64_t cluster = offset >> q->cluster_bits, l1 = cluster >> q->l2_bits, table;
    unsigned in_table = cluster & ((1u << q->l2_bits) - 1);

    *slice = NULL;
    *index = in_table & (qcow2_l2_per_slice(q) - 1);
    if (l1 >= q->l1_size) {
        return qcow2_corrupt(q, "L1 table too short", l1);
    }
    table = q->l1[l1] & QCOW2_OFFSET;
    if (!table) {
        return 0;
    }
    if (!qcow2_entry_valid(q, table)) {
        return qcow2_corrupt(q, "L1 entry", l1);
    }
    return slice_get(&q->l2, table + (in_table - *index) * 8ull, false, slice);
}

static ExtentKind kind_of(const Qcow2 *q, uint64_t entry)
{
    if (entry & QCOW2_COMPRESSED) {
        return EXTENT_SPECIAL;
    }
    if (q->version >= 3 && (entry & QCOW2_ZERO)) {
        return EXTENT_ZERO;
    }
    return entry & QCOW2_OFFSET ? EXTENT_DATA : EXTENT_BACKING;
}

static int qcow2_map(BlockImage *image, uint64_t offset, uint64_t len, BlockExtent *e)
{
    Qcow2 *q = image->priv;
    uint64_t in = offset & (q->cluster - 1), entry, run;
    unsigned index, last;
    Slice *s;
    int error = qcow2_l2(q, offset, &s, &index);

    if (error) {
        return error;
    }
    if (!s) {                           /* up to the next L2 table */
        run = (q->cluster << q->l2_bits) - (offset & ((q->cluster << q->l2_bits) - 1));
        *e = (BlockExtent){ EXTENT_BACKING, 0, MIN(run, len) };
        return 0;
    }
    entry = qcow2_get(s, index);
    e->kind = kind_of(q, entry);
    e->offset = (entry & QCOW2_OFFSET) + in;
    run = q->cluster - in;
    if (e->kind == EXTENT_DATA && !qcow2_entry_valid(q, entry)) {
        error = qcow2_corrupt(q, "L2 entry", s->offset + index * 8ull);
    }
    for (last = index + 1; last < qcow2_l2_per_slice(q) && run < len &&
         e->kind != EXTENT_SPECIAL; last++) {
        uint64_t next = qcow2_get(s, last);

        if (kind_of(q, next) != e->kind ||
            (e->kind == EXTENT_DATA && (next & QCOW2_OFFSET) != e->offset + run)) {
            break;
        }
        run += q->cluster;
    }
    slice_put(&q->l2, s);
    e->len = MIN(run, len);
    return error;
}

/* A compressed cluster; when it was overwritten meanwhile, the caller's map() is repeated here. */
static int qcow2_read(BlockImage *image, uint64_t offset, uint64_t len, BlockVec *vec,
                      uint64_t at)
{
    Qcow2 *q = image->priv;
    unsigned index;
    uint64_t entry;
    Slice *s;
    int error = qcow2_l2(q, offset, &s, &index);

    if (error || !s) {
        return error ? error : EIO;
    }
    entry = qcow2_get(s, index);
    slice_put(&q->l2, s);
    if (!(entry & QCOW2_COMPRESSED)) {
        return image_read(image, offset, len, vec, at);
    }
    error = qcow2_unzip(q, entry);
    if (!error) {
        block_vec_write(vec, at, q->zip_data + (offset & (q->cluster - 1)), len);
    }
    return error;
}

static int qcow2_flush(BlockImage *image)
{
    Qcow2 *q = image->priv;
    int error = qcow2_sync(q);

    if (!error && q->freeable->len && !q->corrupt) {
        task_lock(image_tasks(image), &q->alloc);
        qcow2_reuse(q);                 /* what fails here is only leaked */
        task_unlock(image_tasks(image), &q->alloc);
    }
    return error;
}

static bool qcow2_is_dirty(const BlockImage *image)
{
    return qcow2_dirty(image->priv);
}

/* --- opening --- */

static bool check_table(const BlockImage *image, const char *what, uint64_t offset, uint64_t bytes,
                        uint64_t cluster, GError **error)
{
    if (offset % cluster || offset > INT64_MAX - bytes || (bytes && !offset)) {
        return image_error(image, error, "qcow2: the %s is at an impossible place (%"
                           G_GINT64_MODIFIER "x)", what, offset);
    }
    if (bytes && offset + bytes > image->file->size + cluster) {
        return image_error(image, error, "qcow2: the %s is not in the file; is it complete?", what);
    }
    return true;
}

static bool read_table(BlockImage *image, uint64_t offset, uint64_t entries, uint64_t **table,
                       GError **error)
{
    uint64_t bytes = (entries * 8 + BLOCK_SECTOR - 1) & ~(uint64_t)(BLOCK_SECTOR - 1);

    *table = g_try_malloc0(bytes + BLOCK_SECTOR);
    if (!*table) {
        return image_error(image, error, "qcow2: no memory for a table");
    }
    if (entries && !image_pread(image, offset, *table, entries * 8, error)) {
        return false;
    }
    for (uint64_t i = 0; i < entries; i++) {
        (*table)[i] = GUINT64_FROM_BE((*table)[i]);
    }
    return true;
}

static bool read_snapshots(Qcow2 *q, const Qcow2Header *h, GError **error)
{
    uint64_t at = h->snapshots_offset, left = QCOW2_MAX_SNAPSHOT_TABLE;

    if (h->snapshots > QCOW2_MAX_SNAPSHOTS) {
        return image_error(q->image, error, "qcow2: %u snapshots are too many", h->snapshots);
    }
    if (!check_table(q->image, "snapshot table", at, h->snapshots * 40ull, q->cluster, error)) {
        return false;
    }
    q->snapshot = g_new0(Qcow2Snapshot, h->snapshots + 1);
    for (unsigned i = 0; i < h->snapshots; i++) {
        uint8_t head[40];
        Qcow2Snapshot *s = &q->snapshot[i];
        uint64_t len;

        if (!image_pread(q->image, at, head, sizeof head, error)) {
            return false;
        }
        s->l1_offset = format_be64(head);
        s->l1_size = format_be32(head + 8);
        len = 40ull + format_be32(head + 36) + format_be16(head + 12) + format_be16(head + 14);
        len = (len + 7) & ~7ull;
        if (len > left || s->l1_size > QCOW2_MAX_L1) {
            return image_error(q->image, error, "qcow2: snapshot %u is damaged", i + 1);
        }
        if (!check_table(q->image, "snapshot's L1 table", s->l1_offset, s->l1_size * 8ull,
                         q->cluster, error)) {
            return false;
        }
        q->snapshots++;
        qcow2_meta_add(q, s->l1_offset,
                       (s->l1_size * 8ull + q->cluster - 1) >> q->cluster_bits);
        at += len;
        left -= len;
    }
    if (h->snapshots) {
        qcow2_meta_add(q, h->snapshots_offset,
                       (at - h->snapshots_offset + q->cluster - 1) >> q->cluster_bits);
    }
    return true;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* The places of all metadata of the active tables. */
static void note_meta(Qcow2 *q)
{
    GArray *all = q->meta;
    uint64_t n;

    for (uint32_t i = 0; i < q->reftable_size; i++) {
        n = (q->reftable[i] & ~511ull) >> q->cluster_bits;
        if (n) {
            g_array_append_val(all, n);
        }
    }
    for (uint32_t i = 0; i < q->l1_size; i++) {
        n = (q->l1[i] & QCOW2_OFFSET) >> q->cluster_bits;
        if (n) {
            g_array_append_val(all, n);
        }
    }
    qsort(all->data, all->len, sizeof(uint64_t), by_number);
}

static bool read_tables(Qcow2 *q, const Qcow2Header *h, GError **error)
{
    BlockImage *image = q->image;
    uint64_t l1_bytes = h->l1_size * 8ull;
    uint64_t reftable_bytes = (uint64_t)h->reftable_clusters << q->cluster_bits;
    uint64_t span = q->cluster << q->l2_bits, needed = (h->size + span - 1) / span;

    if (h->l1_size > QCOW2_MAX_L1 || needed > QCOW2_MAX_L1) {
        return image_error(image, error, "qcow2: too large for its cluster size");
    }
    if (h->l1_size < needed) {
        return image_error(image, error, "qcow2: the L1 table is too short for the disk");
    }
    if (reftable_bytes > QCOW2_MAX_REFTABLE || !reftable_bytes) {
        return image_error(image, error, "qcow2: a reference count table of %" G_GUINT64_FORMAT
                           " bytes", reftable_bytes);
    }
    if (!check_table(image, "L1 table", h->l1_offset, l1_bytes, q->cluster, error) ||
        !check_table(image, "reference count table", h->reftable_offset, reftable_bytes,
                     q->cluster, error)) {
        return false;
    }
    q->l1_offset = h->l1_offset;
    q->l1_size = h->l1_size;
    q->reftable_offset = h->reftable_offset;
    q->reftable_size = reftable_bytes / 8;
    if (!read_table(image, q->l1_offset, q->l1_size, &q->l1, error) ||
        !read_table(image, q->reftable_offset, q->reftable_size, &q->reftable, error)) {
        return false;
    }
    for (uint32_t i = 0; i < q->reftable_size; i++) {
        if (q->reftable[i] & (q->cluster - 1)) {
            return image_error(image, error, "qcow2: entry %u of the reference count table is "
                               "damaged", i);
        }
    }
    g_byte_array_set_size(q->l1_dirty, l1_bytes / BLOCK_SECTOR + 1);
    g_byte_array_set_size(q->reftable_dirty, reftable_bytes / BLOCK_SECTOR + 1);
    memset(q->l1_dirty->data, 0, q->l1_dirty->len);
    memset(q->reftable_dirty->data, 0, q->reftable_dirty->len);
    qcow2_meta_add(q, 0, 1);
    qcow2_meta_add(q, q->l1_offset, (l1_bytes + q->cluster - 1) >> q->cluster_bits);
    qcow2_meta_add(q, q->reftable_offset, h->reftable_clusters);
    if (!read_snapshots(q, h, error)) {
        return false;
    }
    note_meta(q);
    return true;
}

static void qcow2_close(BlockImage *image)
{
    Qcow2 *q = image->priv;

    slice_cache_finish(&q->l2);
    slice_cache_finish(&q->refs);
    g_byte_array_free(q->l1_dirty, TRUE);
    g_byte_array_free(q->reftable_dirty, TRUE);
    g_array_free(q->meta, TRUE);
    g_array_free(q->drops, TRUE);
    g_array_free(q->freeable, TRUE);
    g_free(q->snapshot);
    g_free(q->l1);
    g_free(q->reftable);
    g_free(q->zip_data);
    g_free(q);
    image->priv = NULL;
}

static unsigned slices(const Qcow2 *q, unsigned cache)
{
    return MAX(cache / MIN(q->cluster, SLICE_MAX), SLICES_MIN);
}

static int cache_sync(BlockImage *image)
{
    return qcow2_sync(image->priv);
}

static Qcow2 *qcow2_new(BlockImage *image, const Qcow2Header *h)
{
    Qcow2 *q = g_new0(Qcow2, 1);

    q->image = image;
    q->version = h->version;
    q->cluster_bits = h->cluster_bits;
    q->l2_bits = h->cluster_bits - 3;
    q->cluster = 1ull << h->cluster_bits;
    q->refcount_order = h->refcount_order;
    q->incompatible = h->incompatible;
    q->compatible = h->compatible;
    q->autoclear = h->autoclear;
    q->zstd = h->compression == 1;
    q->virgin = (image->file->size + q->cluster - 1) >> q->cluster_bits;
    if (!image->file->regular) {
        q->virgin = UINT64_MAX;         /* a block device holds whatever was there */
    }
    slice_cache_init(&q->l2, image, cache_sync, MIN(q->cluster, SLICE_MAX), slices(q, L2_CACHE));
    slice_cache_init(&q->refs, image, cache_sync, MIN(q->cluster, SLICE_MAX),
                     slices(q, REFS_CACHE));
    q->l1_dirty = g_byte_array_new();
    q->reftable_dirty = g_byte_array_new();
    q->meta = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    q->drops = g_array_new(FALSE, FALSE, sizeof(Qcow2Drop));
    q->freeable = g_array_new(FALSE, FALSE, sizeof(Qcow2Drop));
    return q;
}

/* What we do not keep up to date (bitmaps of changes) is marked so before the first write. */
static bool clear_auto(BlockImage *image, const uint8_t *sector, GError **error)
{
    uint8_t *copy = file_buffer(QCOW2_HEADER_READ);
    bool ok = false;

    if (copy) {
        memcpy(copy, sector, QCOW2_HEADER_READ);
        format_put64(copy + 88, 0);
        ok = pwrite(image->file->fd, copy, QCOW2_HEADER_READ, 0) == QCOW2_HEADER_READ &&
             fdatasync(image->file->fd) == 0;
        free(copy);
    }
    return ok || image_error(image, error, "qcow2: the header can't be written (%s)",
                             g_strerror(errno));
}

static bool qcow2_open(BlockImage *image, GError **error)
{
    Qcow2Header h;
    Qcow2 *q;
    uint8_t sector[QCOW2_HEADER_READ];

    if (!image_pread(image, 0, sector, sizeof sector, error)) {
        return false;
    }
    if (!qcow2_header_parse(&h, sector, sizeof sector, error)) {
        g_prefix_error(error, "%s: ", image->file->name);
        return false;
    }
    if (!h.has_backing && image->backing) {
        return image_error(image, error, "qcow2: a backing file was given, the image has none");
    }
    if (h.has_backing && !image->backing) {
        return image_error(image, error, "qcow2: the image needs its backing file, and none was "
                           "given");
    }
    if ((h.incompatible & QCOW2_INCOMPAT_CORRUPT) && !image->read_only) {
        return image_error(image, error, "qcow2: the image is marked corrupt; repair it with "
                           "'qemu-img check -r all', or use mode r");
    }
    if ((h.incompatible & QCOW2_INCOMPAT_DIRTY) && !image->read_only) {
        return image_error(image, error, "qcow2: another program did not close the image and left "
                           "its reference counts behind; repair it with 'qemu-img check -r all'");
    }
    if (h.autoclear && !image->read_only && !clear_auto(image, sector, error)) {
        return false;
    }
    q = qcow2_new(image, &h);
    image->priv = q;
    image->size = h.size;
    if (!read_tables(q, &h, error)) {
        qcow2_close(image);
        return false;
    }
    return true;
}

const BlockDriver block_qcow2 = {
    .name = "qcow2", .backing = true, .open = qcow2_open, .close = qcow2_close, .map = qcow2_map,
    .read = qcow2_read, .write = qcow2_write, .discard = qcow2_discard, .flush = qcow2_flush,
    .dirty = qcow2_is_dirty, .resize = qcow2_resize,
};
