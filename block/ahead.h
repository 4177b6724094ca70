/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ahead.h - read-ahead, as a drive's own buffer does it (the "look-ahead" of ATA/ATAPI-7): when reads
 * follow each other, what comes next is read into memory in one piece while the guest works on what it
 * has.  One stream a device, of at most AHEAD_CHUNKS pieces.  Nothing is kept that a write or discard
 * has touched, nothing is read while one is in flight, and nothing stays for longer than a second
 * after the last read.  For block/ only; device thread.
 */
#ifndef GH_BLOCK_AHEAD_H
#define GH_BLOCK_AHEAD_H

#include "block/block.h"
#include "block/vec.h"

#define AHEAD_CHUNK (1u << 20)      /* bytes of the largest piece */
#define AHEAD_CHUNKS 4
#define AHEAD_IDLE_MS 500           /* without a read, once or twice: everything is dropped */

typedef struct Ahead Ahead;

typedef enum AheadAnswer {
    AHEAD_NONE,                     /* read it yourself */
    AHEAD_HERE,                     /* ahead_copy() gives it, now */
    AHEAD_COMING,                   /* block_ahead_arrived() will be called: look again */
} AheadAnswer;

Ahead *ahead_new(BlockDev *b);
void ahead_free(Ahead *a);          /* nothing is in flight; NULL is fine */
/* The guest reads [offset, offset + len) of size bytes.  quiet: no write or discard is in flight. */
AheadAnswer ahead_read(Ahead *a, uint64_t offset, uint64_t len, uint64_t size, bool quiet);
AheadAnswer ahead_look(const Ahead *a, uint64_t offset, uint64_t len);
void ahead_copy(const Ahead *a, uint64_t offset, BlockVec *vec, uint64_t len);
/* [offset, offset + len) changes: all pieces from the first that has some of it on go. */
void ahead_forget(Ahead *a, uint64_t offset, uint64_t len);
void ahead_drop(Ahead *a);          /* all of it */

/* block.c: a read that nobody waits for, which the error policy ignores. */
void block_ahead_read(BlockDev *b, uint64_t offset, void *buf, uint64_t len, BlockDone done,
                      void *opaque);
/* block.c: a piece is there, or has failed. */
void block_ahead_arrived(BlockDev *b);

#endif
