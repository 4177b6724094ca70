/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * slices.h - a bounded cache of pieces of an image's tables, all of one size.  A slice that was
 * changed stays until the format has written it; users pin what they use,
 * because another slice may be loaded while they wait.  Within tasks.
 */
#ifndef GH_BLOCK_SLICES_H
#define GH_BLOCK_SLICES_H

#include "block/image.h"

typedef struct Slice {
    uint64_t offset;                    /* in the file; the key */
    uint8_t *data;
    bool dirty, loading;
    unsigned pins;                      /* users that may wait while they use it */
    unsigned writing;                   /* copies of it on their way to the file */
    GList link;                         /* in the cache's list, most recently used first */
} Slice;

typedef struct SliceCache {
    unsigned bytes;                     /* a slice */
    unsigned limit;                     /* slices */
    GHashTable *by_offset;
    GQueue all;
    unsigned dirty;
    BlockImage *image;
    int (*sync)(BlockImage *image);     /* writes dirty slices: they can be given up then */
    TaskQueue changed;                  /* something was loaded, written, let go */
} SliceCache;

void slice_cache_init(SliceCache *c, BlockImage *image, int (*sync)(BlockImage *image),
                      unsigned bytes, unsigned limit);
void slice_cache_finish(SliceCache *c);
/* The slice at offset (a multiple of 512), pinned; from the file, or blank (zeros). */
int slice_get(SliceCache *c, uint64_t offset, bool blank, Slice **slice);
void slice_put(SliceCache *c, Slice *s);
void slice_dirty(SliceCache *c, Slice *s);
void slice_forget(SliceCache *c, uint64_t offset, uint64_t len);    /* the place is free */

/* --- writing back --- */

/* A copy of something that goes to the file: a slice, or a sector of a table in memory. */
typedef struct Piece {
    uint64_t offset;
    uint32_t len;
    uint8_t *data;
    Slice *slice;
    uint8_t *flag;                      /* "this sector is dirty"; NULL for slices */
} Piece;

/* Copies of all dirty slices, which count as clean from now on; of sectors whose flag is set.
 * False: no memory; what is in the list must be ended as not written. */
bool pieces_of_cache(GArray *list, SliceCache *c);
bool pieces_of_sector(GArray *list, uint8_t *flag, uint64_t offset, const void *sector);
GArray *pieces_new(void);
/* Writes them, those in a row together; barrier: and makes them stable.  Nothing for no pieces. */
int pieces_write(BlockFile *f, GArray *list, bool barrier);
/* Frees the list; what was not written becomes dirty again (*changed for tables). */
void pieces_end(GArray *list, SliceCache *c, bool written, bool *changed);

#endif
