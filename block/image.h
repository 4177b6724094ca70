/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * image.h - what image formats implement, and what they get for it.  An image is a layer of a
 * chain: a file in one format, and the layer behind it for what it does not hold itself.  Only the
 * front layer is ever written.  open() reads headers with plain calls; everything else runs in
 * tasks (block/task.h) and may wait.  For block/ only.
 *
 * To add a format: a BlockDriver in block/NAME.c, its row in block_driver_find() (image.c), and
 * probing in probe.c.  Whatever comes from the file is hostile: check it in open() or where used.
 */
#ifndef GH_BLOCK_IMAGE_H
#define GH_BLOCK_IMAGE_H

#include "block/file.h"

#define IMAGE_MAX_BYTES (1ull << 56)    /* larger virtual sizes are refused */

typedef struct BlockImage BlockImage;

typedef enum ExtentKind {
    EXTENT_DATA,                    /* in the image's file at .offset */
    EXTENT_ZERO,
    EXTENT_BACKING,                 /* what the layer behind has there (none: zeros) */
    EXTENT_SPECIAL,                 /* the driver's read() knows */
} ExtentKind;

typedef struct BlockExtent {
    ExtentKind kind;
    uint64_t offset;                /* in the file (DATA), or the driver's business (SPECIAL) */
    uint64_t len;                   /* bytes of the guest's disk, never 0 */
} BlockExtent;

typedef struct BlockDriver {
    const char *name;
    bool backing;                   /* may have a layer behind it */
    bool (*open)(BlockImage *image, GError **error);    /* sets size; frees its own on failure */
    void (*close)(BlockImage *image);                   /* after flush() */
    /* How the bytes from offset on are stored: the largest piece, at most len, of one kind. */
    int (*map)(BlockImage *image, uint64_t offset, uint64_t len, BlockExtent *extent);
    /* Bytes of a SPECIAL extent: [skip, skip + len) of it (guest order) to vec at. */
    int (*read)(BlockImage *image, uint64_t offset, uint64_t len, BlockVec *vec, uint64_t at);
    int (*write)(BlockImage *image, uint64_t offset, uint64_t len, BlockVec *vec, uint64_t at);
    int (*discard)(BlockImage *image, uint64_t offset, uint64_t len);
    int (*flush)(BlockImage *image);                    /* all that was written is stable after */
    bool (*dirty)(const BlockImage *image);             /* metadata is held back; may be NULL */
    int (*resize)(BlockImage *image, uint64_t size);    /* NULL: never; only grows */
} BlockDriver;

/* A request in progress; see image_oldest(). */
typedef struct ImageTicket {
    uint64_t number;
    GList link;
} ImageTicket;

struct BlockImage {
    const BlockDriver *driver;
    BlockFile *file;
    BlockImage *backing;            /* owned; NULL: none */
    uint64_t size;                  /* bytes, a multiple of 512 */
    bool read_only;
    void *priv;                     /* the driver's */
    uint64_t tickets;               /* given out */
    GQueue active;                  /* ImageTicket, oldest first */
};

extern const BlockDriver block_raw, block_qcow2, block_vhd, block_nbd;

const BlockDriver *block_driver_find(const char *name);
/* Takes over file and backing (may be NULL), also on failure. */
BlockImage *image_open(const BlockDriver *driver, BlockFile *file, BlockImage *backing,
                       GError **error);
void image_close(BlockImage *image);        /* all layers; not in a task */
/* Requests hold a ticket while they may use addresses in the file that they looked up.  What was
 * freed when n tickets had been given out can be used again when image_oldest() > n. */
void image_enter(BlockImage *image, ImageTicket *t);
void image_leave(BlockImage *image, ImageTicket *t);
uint64_t image_oldest(const BlockImage *image);
/* Through the chain; past an image's end there are zeros. */
int image_read(BlockImage *image, uint64_t offset, uint64_t len, BlockVec *vec, uint64_t at);
/* Whether all of it certainly reads as zeros, without looking at data. */
int image_zero(BlockImage *image, uint64_t offset, uint64_t len, bool *zero);
int image_read_buffer(BlockImage *image, uint64_t offset, uint64_t len, void *buf);
static inline TaskPool *image_tasks(const BlockImage *image)
{
    return file_queue_tasks(image->file->queue);
}
/* A GError in one form: "hda: text". */
bool image_error(const BlockImage *image, GError **error, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
/* A whole read of the file by plain calls, for open(); zeros past its end. */
bool image_pread(const BlockImage *image, uint64_t offset, void *buf, size_t len, GError **error);

#endif
