/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * block.h - disk images for device models.  Everything is asynchronous: a request completes later,
 * from the main loop, never inside the call.  Offsets and lengths are bytes, multiples of 512,
 * checked here against the image's size.  An empty drive is block_empty(), never a NULL pointer.
 * All calls on the device thread.
 */
#ifndef GH_BLOCK_H
#define GH_BLOCK_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#define BLOCK_CHAIN_MAX 32          /* layers of an image with its backing files */

typedef struct BlockDev BlockDev;
typedef struct BlockRequest BlockRequest;
/* error: 0 or a positive errno. */
typedef void (*BlockDone)(void *opaque, int error);

typedef struct BlockOptions {
    const char *name;           /* for messages: "hda" */
    bool read_only;
} BlockOptions;

/* One file of an image: the image itself first, then what it is based on. */
typedef struct BlockLayer {
    int fd;
    const char *format;         /* "raw", "qcow2", "vhd", "nbd"; never guessed */
} BlockLayer;

/* Takes over fd (opened by somebody else, O_DIRECT where it could be).  Raw images. */
BlockDev *block_open_fd(int fd, const BlockOptions *options, GError **error);
/* Takes over the descriptors of all n layers, also on failure; all but the first are only read. */
BlockDev *block_open_chain(const BlockLayer *layers, unsigned n, const BlockOptions *options,
                           GError **error);
BlockDev *block_empty(const char *name);    /* no medium: every request fails with ENOMEDIUM */
void block_close(BlockDev *b);              /* drains first, writes what the format held back */
uint64_t block_size(const BlockDev *b);     /* bytes, a multiple of 512; 0: no medium */
bool block_present(const BlockDev *b);
bool block_read_only(const BlockDev *b);

/* iov must stay valid until done; total length = sum.  At most one completion; requests may
 * complete out of order. */
BlockRequest *block_readv(BlockDev *b, uint64_t offset, const struct iovec *iov, int n,
                          BlockDone done, void *opaque);
BlockRequest *block_writev(BlockDev *b, uint64_t offset, const struct iovec *iov, int n,
                           BlockDone done, void *opaque);
/* Completes after everything acknowledged before it is on stable storage (fdatasync returned 0). */
BlockRequest *block_flush(BlockDev *b, BlockDone done, void *opaque);
/* The guest does not need these bytes any more.  They read as zeros or as before afterwards; the
 * space is given back to the host as far as the format and the file system can. */
BlockRequest *block_discard(BlockDev *b, uint64_t offset, uint64_t len, BlockDone done,
                            void *opaque);
/* done will not be called; the transfer may still touch the buffers until block_drain(). */
void block_cancel(BlockRequest *r);
/* Waits until no request of b is in flight; completions of not cancelled ones run inside.  Requests
 * that were held by the error policy are tried once more and then completed with their error.  What
 * was read ahead is forgotten. */
void block_drain(BlockDev *b);
/* Whether reads that follow each other are read ahead of (block/ahead.h); on at first. */
void block_set_ahead(BlockDev *b, bool on);
void block_set_shared(BlockDev *b);     /* others may write the image meanwhile: never */
bool block_busy(const BlockDev *b);

/* What happens when the host can't read or write an image (EIO, ENOSPC...). */
typedef enum BlockErrors {
    BLOCK_ERRORS_REPORT,        /* the request completes with the error (default) */
    BLOCK_ERRORS_HOLD,          /* it is kept until block_retry(); failed() is called once */
} BlockErrors;
/* failed is called for each failure that is held: from the main loop. */
void block_set_errors(BlockDev *b, BlockErrors errors,
                      void (*failed)(void *opaque, BlockDev *b, int error, bool write),
                      void *opaque);
void block_retry(BlockDev *b);              /* all held requests, in their order */
bool block_held(const BlockDev *b);
/* The file behind a raw image has grown, or (formats with a size of their own) the image is to
 * have size bytes.  Completes when the new size is in force; never shrinks. */
BlockRequest *block_resize(BlockDev *b, uint64_t size, BlockDone done, void *opaque);
const char *block_name(const BlockDev *b);
const char *block_format(const BlockDev *b);    /* "raw"; "" for an empty drive */

#endif
