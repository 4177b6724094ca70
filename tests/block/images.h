/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * images.h - for the tests of image formats: files made and judged by qemu-img and qemu-io, opened
 * by our drivers, exercised against a copy in memory.
 */
#ifndef GH_TEST_IMAGES_H
#define GH_TEST_IMAGES_H

#include "block/block.h"

typedef struct ImageWait {
    unsigned calls;
    int error;                  /* the last that was not 0 */
} ImageWait;

/* A directory of the test's own; removed at its end by images_end(). */
extern char *images_dir(void);
void images_end(char *dir);
bool images_have(const char *program);
/* Runs a shell command in dir; its exit status. */
int images_run(const char *dir, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* files: "qcow2:top.qcow2", "raw:base.raw", NULL.  NULL with a message in *message. */
BlockDev *images_open(const char *dir, bool read_only, char **message, ...) G_GNUC_NULL_TERMINATED;
void images_done(void *opaque, int error);
/* Runs the main loop until there were n calls; the first error, or -1 after ten seconds. */
int images_wait(ImageWait *w, unsigned n);
int images_read(BlockDev *b, uint64_t offset, void *buf, size_t len);
int images_write(BlockDev *b, uint64_t offset, const void *buf, size_t len);
int images_flush(BlockDev *b);
/* Random reads, writes, flushes and discards, several at once, as long as they do not overlap; each
 * read is compared with shadow (of the image's size).  Discarded bytes are read back into shadow. */
void images_exercise(BlockDev *b, uint8_t *shadow, unsigned rounds, unsigned seed);
void images_compare(BlockDev *b, const uint8_t *shadow);    /* all of it */

#endif
