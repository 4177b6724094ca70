/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * image.c - chains of layers: opening and closing them, reading through them.
 */
#include "block/image.h"

#include <errno.h>
#include <gio/gio.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const BlockDriver *block_driver_find(const char *name)
{
    static const BlockDriver *const drivers[] = { &block_raw, &block_qcow2, &block_vhd,
                                                &block_nbd };

    for (unsigned i = 0; i < G_N_ELEMENTS(drivers); i++) {
        if (!strcmp(drivers[i]->name, name)) {
            return drivers[i];
        }
    }
    return NULL;
}

bool image_error(const BlockImage *image, GError **error, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, format);
    text = g_strdup_vprintf(format, ap);
    va_end(ap);
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s: %s", image->file->name, text);
    return false;
}

bool image_pread(const BlockImage *image, uint64_t offset, void *buf, size_t len, GError **error)
{
    uint64_t start = offset & ~(uint64_t)(BLOCK_SECTOR - 1);
    uint64_t total = (offset + len - start + BLOCK_SECTOR - 1) & ~(uint64_t)(BLOCK_SECTOR - 1);
    uint8_t *bounce = file_buffer(total);
    uint64_t done = 0;

    if (!bounce) {
        return image_error(image, error, "no memory");
    }
    memset(bounce, 0, total);
    while (done < total) {
        ssize_t n = pread(image->file->fd, bounce + done, total - done, start + done);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            free(bounce);
            return image_error(image, error, "can't be read (%s)", g_strerror(errno));
        }
        if (n == 0 || (image->file->direct && n % BLOCK_SECTOR)) {
            break;                  /* the end */
        }
        done += n;
    }
    memcpy(buf, bounce + (offset - start), len);
    free(bounce);
    return true;
}

BlockImage *image_open(const BlockDriver *driver, BlockFile *file, BlockImage *backing,
                       GError **error)
{
    BlockImage *image = g_new0(BlockImage, 1);

    image->driver = driver;
    image->file = file;
    image->backing = backing;
    image->read_only = file->read_only;
    if (backing && !driver->backing) {
        image_error(image, error, "a %s image has no backing file", driver->name);
    } else if (driver->open(image, error)) {
        image->size &= ~(uint64_t)(BLOCK_SECTOR - 1);
        return image;
    }
    image->driver = NULL;
    image_close(image);
    return NULL;
}

void image_close(BlockImage *image)
{
    while (image) {
        BlockImage *next = image->backing;

        if (image->driver) {
            image->driver->close(image);
        }
        file_close(image->file);
        g_free(image);
        image = next;
    }
}

void image_enter(BlockImage *image, ImageTicket *t)
{
    t->number = image->tickets++;
    t->link = (GList){ .data = t };
    g_queue_push_tail_link(&image->active, &t->link);
}

void image_leave(BlockImage *image, ImageTicket *t)
{
    g_queue_unlink(&image->active, &t->link);
}

uint64_t image_oldest(const BlockImage *image)
{
    const ImageTicket *t = g_queue_peek_head((GQueue *)(uintptr_t)&image->active);

    return t ? t->number : image->tickets;
}

/* The first layer that knows about the piece at offset, and the piece. */
static int image_find(BlockImage **layer, uint64_t offset, uint64_t len, BlockExtent *e)
{
    BlockImage *image = *layer;
    int error;

    for (; image && offset < image->size; image = image->backing) {
        len = MIN(len, image->size - offset);
        error = image->driver->map(image, offset, len, e);
        if (error) {
            return error;
        }
        len = MIN(len, e->len);
        e->len = len;
        if (e->kind != EXTENT_BACKING) {
            *layer = image;
            return 0;
        }
    }
    *e = (BlockExtent){ EXTENT_ZERO, 0, len };
    return 0;
}

int image_read(BlockImage *image, uint64_t offset, uint64_t len, BlockVec *vec, uint64_t at)
{
    FileBatch batch;
    int error = 0, failed;

    file_batch_init(&batch, image->file->queue);
    while (len && !error) {
        BlockImage *layer = image;
        BlockExtent e;

        error = image_find(&layer, offset, len, &e);
        if (error) {
            break;
        }
        if (e.kind == EXTENT_ZERO) {
            block_vec_zero(vec, at, e.len);
        } else if (e.kind == EXTENT_DATA) {
            file_batch_add(&batch, layer->file, BLOCK_READ, e.offset, vec, at, e.len);
        } else {
            error = layer->driver->read(layer, offset, e.len, vec, at);
        }
        offset += e.len;
        at += e.len;
        len -= e.len;
    }
    failed = file_batch_wait(&batch);
    return error ? error : failed;
}

int image_zero(BlockImage *image, uint64_t offset, uint64_t len, bool *zero)
{
    *zero = true;
    while (len && *zero) {
        BlockImage *layer = image;
        BlockExtent e;
        int error = image_find(&layer, offset, len, &e);

        if (error) {
            return error;
        }
        *zero = e.kind == EXTENT_ZERO;
        offset += e.len;
        len -= e.len;
    }
    return 0;
}

int image_read_buffer(BlockImage *image, uint64_t offset, uint64_t len, void *buf)
{
    struct iovec iov = { buf, len };
    BlockVec vec = { .iov = &iov, .n = 1, .len = len };

    return image_read(image, offset, len, &vec, 0);
}
