/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * raw.c - images that are the disk's bytes, in a file or a block device, or with a server (nbd.c).
 * block.c gives requests for a lone raw image straight to the file; this is for raw layers of a
 * chain, and for opening.
 */
#include "block/image.h"

static bool raw_open(BlockImage *image, GError **error)
{
    (void)error;
    image->size = image->file->size;
    if (image->file->grows) {       /* behind another layer: the last sector's rest is zero */
        image->size = (image->size + BLOCK_SECTOR - 1) & ~(uint64_t)(BLOCK_SECTOR - 1);
    }
    return true;
}

static void raw_close(BlockImage *image)
{
    (void)image;
}

static int raw_map(BlockImage *image, uint64_t offset, uint64_t len, BlockExtent *e)
{
    (void)image;
    *e = (BlockExtent){ EXTENT_DATA, offset, len };
    return 0;
}

static int raw_write(BlockImage *image, uint64_t offset, uint64_t len, BlockVec *vec, uint64_t at)
{
    FileBatch b;

    file_batch_init(&b, image->file->queue);
    file_batch_add(&b, image->file, BLOCK_WRITE, offset, vec, at, len);
    return file_batch_wait(&b);
}

static int raw_discard(BlockImage *image, uint64_t offset, uint64_t len)
{
    return file_punch(image->file, offset, len);
}

static int raw_flush(BlockImage *image)
{
    return file_flush(image->file);
}

const BlockDriver block_raw = {
    .name = "raw", .open = raw_open, .close = raw_close, .map = raw_map, .write = raw_write,
    .discard = raw_discard, .flush = raw_flush,
};

const BlockDriver block_nbd = {
    .name = "nbd", .open = raw_open, .close = raw_close, .map = raw_map, .write = raw_write,
    .discard = raw_discard, .flush = raw_flush,
};
