/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhd.c - VHD images: fixed, dynamic, differencing ("Virtual Hard Disk Image Format Specification"
 * 1.0; the map of full blocks is blktap's extension).  A block is a bitmap of its sectors and their
 * data.  Order on disk: data and bitmaps before the table entry that names the block; the footer
 * behind a new block is there before the old one is overwritten, and its copy at the beginning
 * always is.  Blocks are never moved or given back; discarded sectors become holes.
 */
#include <errno.h>
#include <gio/gio.h>
#include <stdlib.h>
#include <string.h>
#include "block/format.h"
#include "block/slices.h"

#define BITMAPS 128u
#define NO_BLOCK 0xffffffffu
#define FOOTER 512u

typedef struct Vhd {
    BlockImage *image;
    VhdHeader h;
    uint32_t *table;                    /* sectors of the blocks' bitmaps; NO_BLOCK */
    GByteArray *table_dirty;            /* a flag for each sector of it */
    bool table_changed;
    uint8_t *full;                      /* a bit for each block whose bitmap is all ones */
    unsigned block_bits;
    uint32_t bitmap;                    /* bytes in front of a block's data */
    uint64_t end;                       /* where the next block goes */
    uint8_t footer[FOOTER];
    SliceCache bitmaps;
    TaskLock alloc, sync;
} Vhd;

static bool is_full(const Vhd *v, uint64_t block)
{
    return v->full && v->full[block / 8] & (0x80 >> block % 8);
}

static bool bit(const Slice *s, uint64_t sector)
{
    return s->data[sector / 8] & (0x80 >> sector % 8);
}

/* --- reading --- */

static int vhd_map(BlockImage *image, uint64_t offset, uint64_t len, BlockExtent *e)
{
    Vhd *v = image->priv;
    uint64_t block = offset >> v->block_bits, in = offset & (v->h.block - 1ull), start;
    ExtentKind missing = v->h.type == VHD_DIFFERENCING ? EXTENT_BACKING : EXTENT_ZERO;
    uint64_t sector = in / BLOCK_SECTOR, end;
    Slice *s;
    bool here;
    int error;

    len = MIN(len, v->h.block - in);
    if (block >= v->h.entries || v->table[block] == NO_BLOCK) {
        *e = (BlockExtent){ missing, 0, len };
        return 0;
    }
    start = (uint64_t)v->table[block] * BLOCK_SECTOR;
    *e = (BlockExtent){ EXTENT_DATA, start + v->bitmap + in, len };
    if (is_full(v, block)) {
        return 0;
    }
    error = slice_get(&v->bitmaps, start, false, &s);
    if (error) {
        return error;
    }
    here = bit(s, sector);
    for (end = sector + 1; end < sector + len / BLOCK_SECTOR && bit(s, end) == here; end++) {
    }
    slice_put(&v->bitmaps, s);
    e->len = (end - sector) * BLOCK_SECTOR;
    e->kind = here ? EXTENT_DATA : missing;
    return 0;
}

/* --- writing back --- */

static bool vhd_dirty(const BlockImage *image)
{
    const Vhd *v = image->priv;

    return v->table && (v->bitmaps.dirty || v->table_changed);
}

static bool table_pieces(Vhd *v, GArray *list)
{
    for (unsigned i = 0; v->table_changed && i < v->table_dirty->len; i++) {
        uint32_t sector[BLOCK_SECTOR / 4], per = BLOCK_SECTOR / 4;

        if (!v->table_dirty->data[i]) {
            continue;
        }
        for (unsigned j = 0; j < per; j++) {
            sector[j] = i * per + j < v->h.entries ? GUINT32_TO_BE(v->table[i * per + j])
                                                   : NO_BLOCK;
        }
        if (!pieces_of_sector(list, &v->table_dirty->data[i],
                              v->h.table_offset + (uint64_t)i * BLOCK_SECTOR, sector)) {
            return false;
        }
    }
    v->table_changed = false;
    return true;
}

static int vhd_sync(BlockImage *image)
{
    Vhd *v = image->priv;
    TaskPool *tasks = image_tasks(image);
    GArray *bitmaps, *table;
    int error;

    if (!v->table) {
        return file_flush(image->file);
    }
    task_lock(tasks, &v->sync);
    bitmaps = pieces_new();
    table = pieces_new();
    error = pieces_of_cache(bitmaps, &v->bitmaps) && table_pieces(v, table) ? 0 : ENOMEM;
    if (!error) {                       /* data before what says that it is there */
        error = file_flush(image->file);
    }
    if (!error) {
        error = pieces_write(image->file, bitmaps, true);
    }
    if (!error) {
        error = pieces_write(image->file, table, true);
    }
    pieces_end(bitmaps, &v->bitmaps, !error, NULL);
    pieces_end(table, NULL, !error, &v->table_changed);
    task_unlock(tasks, &v->sync);
    return error;
}

/* --- writing --- */

/* What is in the file where the block will be, behind the old footer, must read as zeros. */
static int clear_place(Vhd *v, uint64_t from, uint64_t to)
{
    BlockFile *f = v->image->file;
    uint64_t step = 1u << 20;
    uint8_t *zeros;
    int error;

    if (f->regular) {
        if (f->size <= from) {
            return 0;
        }
        to = MIN(to, f->size);
        error = file_punch(f, from, to - from);
        if (error || f->discards) {
            return error;
        }
    }
    zeros = file_buffer(step);
    if (!zeros) {
        return ENOMEM;
    }
    memset(zeros, 0, step);
    for (error = 0; from < to && !error; from += step) {
        error = file_write(f, from, zeros, MIN(step, to - from));
    }
    free(zeros);
    return error;
}

static int new_block(Vhd *v, uint64_t block)
{
    uint64_t start = v->end, end = start + v->bitmap + v->h.block;
    uint8_t *bitmap = file_buffer(MAX(v->bitmap, FOOTER));
    int error;

    if (!bitmap) {
        return ENOMEM;
    }
    if (end / BLOCK_SECTOR >= NO_BLOCK) {
        free(bitmap);
        return ENOSPC;
    }
    memcpy(bitmap, v->footer, FOOTER);
    error = file_write(v->image->file, end, bitmap, FOOTER);
    if (!error) {
        error = clear_place(v, start + v->bitmap, end);
    }
    memset(bitmap, v->h.type == VHD_DIFFERENCING ? 0 : 0xff, v->bitmap);
    if (!error) {
        slice_forget(&v->bitmaps, start, v->bitmap);
        error = file_write(v->image->file, start, bitmap, v->bitmap);
    }
    free(bitmap);
    if (error) {
        return error;
    }
    v->end = end;
    v->image->file->size = MAX(v->image->file->size, end + FOOTER);
    v->table[block] = start / BLOCK_SECTOR;
    v->table_dirty->data[block / (BLOCK_SECTOR / 4)] = 1;
    v->table_changed = true;
    return 0;
}

static int own_block(Vhd *v, uint64_t block)
{
    TaskPool *tasks = image_tasks(v->image);
    int error = 0;

    if (block >= v->h.entries) {
        return EIO;
    }
    if (v->table[block] != NO_BLOCK) {
        return 0;
    }
    task_lock(tasks, &v->alloc);
    if (v->table[block] == NO_BLOCK) {
        error = new_block(v, block);
    }
    task_unlock(tasks, &v->alloc);
    return error;
}

/* After the data is written: the sectors are ours. */
static int mark(Vhd *v, uint64_t block, uint64_t in, uint64_t len)
{
    uint64_t first = in / BLOCK_SECTOR, end = (in + len) / BLOCK_SECTOR;
    Slice *s;
    int error;

    if (is_full(v, block)) {
        return 0;
    }
    error = slice_get(&v->bitmaps, (uint64_t)v->table[block] * BLOCK_SECTOR, false, &s);
    if (error) {
        return error;
    }
    for (uint64_t i = first; i < end; i++) {
        if (!bit(s, i)) {
            s->data[i / 8] |= 0x80 >> i % 8;
            slice_dirty(&v->bitmaps, s);
        }
    }
    slice_put(&v->bitmaps, s);
    return 0;
}

static int vhd_write(BlockImage *image, uint64_t offset, uint64_t len, BlockVec *vec, uint64_t at)
{
    Vhd *v = image->priv;
    uint64_t start = offset, end = offset + len;
    FileBatch b;
    int error = 0, failed;

    file_batch_init(&b, image->file->queue);
    while (offset < end && !error) {
        uint64_t block = offset >> v->block_bits, in = offset & (v->h.block - 1ull);
        uint64_t part = MIN(end - offset, v->h.block - in);

        error = own_block(v, block);
        if (!error) {
            file_batch_add(&b, image->file, BLOCK_WRITE,
                           (uint64_t)v->table[block] * BLOCK_SECTOR + v->bitmap + in, vec,
                           at + (offset - start), part);
        }
        offset += part;
    }
    failed = file_batch_wait(&b);
    error = error ? error : failed;
    for (offset = start; offset < end && !error;) {
        uint64_t in = offset & (v->h.block - 1ull), part = MIN(end - offset, v->h.block - in);

        error = mark(v, offset >> v->block_bits, in, part);
        offset += part;
    }
    return error;
}

/* Only sectors that are ours: elsewhere there is nothing to give back. */
static int vhd_discard(BlockImage *image, uint64_t offset, uint64_t len)
{
    int error = 0;

    while (len && !error) {
        BlockExtent e;

        error = vhd_map(image, offset, len, &e);
        if (!error && e.kind == EXTENT_DATA) {
            error = file_punch(image->file, e.offset, e.len);
        }
        if (!error) {
            offset += e.len;
            len -= e.len;
        }
    }
    return error;
}

/* --- fixed --- */

static int fixed_map(BlockImage *image, uint64_t offset, uint64_t len, BlockExtent *e)
{
    (void)image;
    *e = (BlockExtent){ EXTENT_DATA, offset, len };
    return 0;
}

static int vhd_any_map(BlockImage *image, uint64_t offset, uint64_t len, BlockExtent *e)
{
    const Vhd *v = image->priv;

    return v->table ? vhd_map(image, offset, len, e) : fixed_map(image, offset, len, e);
}

static int vhd_any_write(BlockImage *image, uint64_t offset, uint64_t len, BlockVec *vec,
                         uint64_t at)
{
    const Vhd *v = image->priv;
    FileBatch b;

    if (v->table) {
        return vhd_write(image, offset, len, vec, at);
    }
    file_batch_init(&b, image->file->queue);
    file_batch_add(&b, image->file, BLOCK_WRITE, offset, vec, at, len);
    return file_batch_wait(&b);
}

static int vhd_any_discard(BlockImage *image, uint64_t offset, uint64_t len)
{
    const Vhd *v = image->priv;

    return v->table ? vhd_discard(image, offset, len) : file_punch(image->file, offset, len);
}

/* --- opening --- */

static void vhd_close(BlockImage *image)
{
    Vhd *v = image->priv;

    if (v->table_dirty) {
        slice_cache_finish(&v->bitmaps);
        g_byte_array_free(v->table_dirty, TRUE);
    }
    vhd_header_clear(&v->h);
    g_free(v->table);
    g_free(v->full);
    g_free(v);
    image->priv = NULL;
}

/* The copy at the beginning, which only dynamic images have; else the footer at the end. */
static bool read_footer(BlockImage *image, Vhd *v, GError **error)
{
    uint64_t size = image->file->size;

    if (!image_pread(image, 0, v->footer, FOOTER, error)) {
        return false;
    }
    if (vhd_footer_parse(&v->h, v->footer, NULL) && v->h.type != VHD_FIXED) {
        return true;
    }
    if (size < 2 * FOOTER) {
        return image_error(image, error, "vhd: the file is too short");
    }
    if (!image_pread(image, size - FOOTER, v->footer, FOOTER, error)) {
        return false;
    }
    if (!vhd_footer_parse(&v->h, v->footer, error)) {
        g_prefix_error(error, "%s: ", image->file->name);
        return false;
    }
    return true;
}

/* blktap's map of full blocks, behind the table; without one, or a damaged one, bitmaps tell. */
static void read_full(BlockImage *image, Vhd *v)
{
    uint64_t at = v->h.table_offset + ((v->h.entries * 4ull + 511) & ~511ull), offset, bytes;
    uint8_t head[BLOCK_SECTOR];

    if (!image_pread(image, at, head, sizeof head, NULL) || memcmp(head, "tdbatmap", 8)) {
        return;
    }
    offset = format_be64(head + 8);
    bytes = format_be32(head + 16) * 512ull;
    v->end = MAX(v->end, at + BLOCK_SECTOR);
    if (offset % 512 || offset > image->file->size || bytes > (4u << 20) ||
        bytes * 8 < v->h.entries) {
        return;
    }
    v->end = MAX(v->end, offset + bytes);
    v->full = g_malloc0(bytes + 1);
    if (!image_pread(image, offset, v->full, bytes, NULL) ||
        format_be32(head + 24) != vhd_checksum(v->full, bytes, bytes)) {
        g_free(v->full);
        v->full = NULL;
    }
}

static bool check_blocks(BlockImage *image, Vhd *v, GError **error)
{
    uint64_t size = image->file->size, blocks = (v->h.size + v->h.block - 1) / v->h.block;
    uint64_t bytes = v->bitmap + (uint64_t)v->h.block;

    for (uint32_t i = 0; i < v->h.entries; i++) {
        uint64_t start = v->table[i] * 512ull;

        if (v->table[i] == NO_BLOCK) {
            continue;
        }
        if (i < blocks && (start < v->h.table_offset + v->h.entries * 4ull ||
                           start + v->bitmap > size)) {
            return image_error(image, error, "vhd: block %u is at an impossible place", i);
        }
        v->end = MAX(v->end, start + bytes);
    }
    return true;
}

static bool read_dynamic(BlockImage *image, Vhd *v, GError **error)
{
    uint8_t header[1024];
    uint64_t bytes;

    if (v->h.header_offset % 512 || v->h.header_offset > image->file->size) {
        return image_error(image, error, "vhd: the dynamic header is at an impossible place");
    }
    if (!image_pread(image, v->h.header_offset, header, sizeof header, error)) {
        return false;
    }
    if (!vhd_header_parse(&v->h, header, error)) {
        g_prefix_error(error, "%s: ", image->file->name);
        return false;
    }
    bytes = v->h.entries * 4ull;
    if (v->h.table_offset < v->h.header_offset + sizeof header ||
        v->h.table_offset + bytes > image->file->size) {
        return image_error(image, error, "vhd: the block table is not in the file");
    }
    v->block_bits = g_bit_nth_lsf(v->h.block, -1);
    v->bitmap = (v->h.block / 512 / 8 + 511) & ~511u;
    v->table = g_try_malloc(bytes + 4);
    if (!v->table) {
        return image_error(image, error, "vhd: no memory for the block table");
    }
    if (!image_pread(image, v->h.table_offset, v->table, bytes, error)) {
        return false;
    }
    for (uint32_t i = 0; i < v->h.entries; i++) {
        v->table[i] = GUINT32_FROM_BE(v->table[i]);
    }
    v->end = (v->h.table_offset + bytes + 511) & ~511ull;
    read_full(image, v);
    return check_blocks(image, v, error);
}

static bool check_parent(BlockImage *image, const Vhd *v, GError **error)
{
    const Vhd *parent;

    if ((v->h.type == VHD_DIFFERENCING) != (image->backing != NULL)) {
        return image_error(image, error, image->backing
                           ? "vhd: a parent was given, the image has none"
                           : "vhd: the image needs its parent, and none was given");
    }
    if (!image->backing || image->backing->driver != &block_vhd) {
        return true;
    }
    parent = image->backing->priv;
    if (memcmp(parent->h.uuid, v->h.parent_uuid, sizeof v->h.parent_uuid)) {
        return image_error(image, error, "vhd: the parent is not the image that this one was "
                           "made from (its identifier is another)");
    }
    return true;
}

static bool vhd_open(BlockImage *image, GError **error)
{
    Vhd *v = g_new0(Vhd, 1);

    v->image = image;
    image->priv = v;
    if (!read_footer(image, v, error) ||
        (v->h.type != VHD_FIXED && !read_dynamic(image, v, error)) ||
        !check_parent(image, v, error)) {
        vhd_close(image);
        return false;
    }
    image->size = v->h.size;
    if (v->h.type == VHD_FIXED) {
        image->size = MIN(v->h.size, (image->file->size - FOOTER) & ~511ull);
        return true;
    }
    v->table_dirty = g_byte_array_new();
    g_byte_array_set_size(v->table_dirty, v->h.entries * 4ull / BLOCK_SECTOR + 1);
    memset(v->table_dirty->data, 0, v->table_dirty->len);
    slice_cache_init(&v->bitmaps, image, vhd_sync, v->bitmap, BITMAPS);
    return true;
}

const BlockDriver block_vhd = {
    .name = "vhd", .backing = true, .open = vhd_open, .close = vhd_close, .map = vhd_any_map,
    .write = vhd_any_write, .discard = vhd_any_discard, .flush = vhd_sync, .dirty = vhd_dirty,
};
