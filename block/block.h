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

typedef struct BlockDev BlockDev;
typedef struct BlockRequest BlockRequest;
/* error: 0 or a positive errno. */
typedef void (*BlockDone)(void *opaque, int error);

typedef struct BlockOptions {
    const char *name;           /* for messages: "hda" */
    bool read_only;
} BlockOptions;

/* Takes over fd (opened by somebody else, O_DIRECT where it could be).  Raw images. */
BlockDev *block_open_fd(int fd, const BlockOptions *options, GError **error);
BlockDev *block_empty(const char *name);    /* no medium: every request fails with ENOMEDIUM */
void block_close(BlockDev *b);              /* drains first */
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
BlockRequest *block_discard(BlockDev *b, uint64_t offset, uint64_t len, BlockDone done,
                            void *opaque);
/* done will not be called; the transfer may still touch the buffers until block_drain(). */
void block_cancel(BlockRequest *r);
/* Waits until no request of b is in flight; completions of not cancelled ones run inside. */
void block_drain(BlockDev *b);
bool block_busy(const BlockDev *b);

#endif
