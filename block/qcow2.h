/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2.h - the parts of the qcow2 driver: opening and address translation (qcow2.c), the
 * order in which tables are written (qcow2_sync.c), reference counts and
 * allocation (qcow2_refs.c), writing and discarding (qcow2_write.c), compressed clusters
 * (qcow2_zip.c), growth (qcow2_resize.c).  Source of the format: "The Qcow2 image format" in QEMU's documentation.
 *
 * Order on disk, so that a crash at any moment leaves at most leaked clusters: data and reference
 * counts before the L2 entries that use them, L2 tables before L1 entries, and a cluster that is
 * dropped keeps its reference count until no table on disk names it.
 */
#ifndef GH_BLOCK_QCOW2_H
#define GH_BLOCK_QCOW2_H

#include "block/slices.h"

#define QCOW2_MAX_L1 (2u << 20)         /* entries */
#define QCOW2_MAX_REFTABLE (8u << 20)   /* bytes */
#define QCOW2_MAX_SNAPSHOTS 65536u
#define QCOW2_MAX_SNAPSHOT_TABLE (16u << 20)    /* bytes */

#define QCOW2_COPIED (1ull << 63)       /* reference count is exactly one */
#define QCOW2_COMPRESSED (1ull << 62)
#define QCOW2_ZERO 1ull                 /* of version 3 */
#define QCOW2_OFFSET 0x00fffffffffffe00ull

enum { QCOW2_INCOMPAT_DIRTY = 1, QCOW2_INCOMPAT_CORRUPT = 2, QCOW2_INCOMPAT_DATA_FILE = 4,
       QCOW2_INCOMPAT_COMPRESSION = 8, QCOW2_INCOMPAT_EXTENDED_L2 = 16 };

typedef struct Qcow2Drop {              /* clusters that no table in memory names any more */
    uint64_t offset, count;
    uint64_t tickets;                   /* see image_oldest(); valid once stable on disk */
    bool punch, table;
} Qcow2Drop;

typedef struct Qcow2Flight {            /* an allocation in progress */
    uint64_t first, count;              /* guest clusters */
    TaskQueue over;
    GList link;
} Qcow2Flight;

typedef struct Qcow2Snapshot {
    uint64_t l1_offset;
    uint32_t l1_size;
} Qcow2Snapshot;

typedef struct Qcow2 {
    BlockImage *image;
    unsigned version;
    unsigned cluster_bits, l2_bits;     /* log2 of bytes; of entries of an L2 table */
    uint64_t cluster;                   /* bytes */
    unsigned refcount_order;            /* log2 of a count's bits */
    uint64_t incompatible, compatible, autoclear;
    bool zstd;
    uint64_t *l1;                       /* host byte order */
    uint32_t l1_size;
    uint64_t l1_offset;
    uint64_t *reftable;
    uint32_t reftable_size;             /* entries */
    uint64_t reftable_offset;
    GByteArray *l1_dirty, *reftable_dirty;  /* a flag for each sector */
    bool l1_changed, reftable_changed;
    Qcow2Snapshot *snapshot;
    unsigned snapshots;
    GArray *meta;                       /* sorted cluster numbers that hold metadata */
    uint64_t hint;                      /* no free cluster before this one */
    uint64_t virgin;                    /* clusters from here on were never written */
    bool corrupt;                       /* writes fail from now on */
    SliceCache l2, refs;
    TaskLock alloc;                     /* reference counts, tables' places */
    TaskLock sync;
    GArray *drops;                      /* Qcow2Drop, not yet stable */
    GArray *freeable;                   /* Qcow2Drop, stable */
    GQueue flights;
    uint64_t zip_entry;                 /* L2 entry of the cluster in zip_data; 0: none */
    uint8_t *zip_data;
} Qcow2;

/* qcow2_sync.c */
int qcow2_sync(Qcow2 *q);               /* everything stable when it returns 0 */
bool qcow2_dirty(const Qcow2 *q);
void qcow2_l1_set(Qcow2 *q, uint32_t index, uint64_t entry);
void qcow2_reftable_set(Qcow2 *q, uint32_t index, uint64_t entry);

/* qcow2_refs.c */
typedef struct Qcow2Put {
    unsigned at;                        /* byte of the header */
    bool wide;                          /* 8 bytes, not 4 */
    uint64_t value;
} Qcow2Put;
int qcow2_header_write(Qcow2 *q, const Qcow2Put *put, unsigned n);  /* into the file, flushed */
/* all with q->alloc held */
/* Up to want contiguous clusters; virgin: they read as zeros. */
int qcow2_alloc(Qcow2 *q, uint64_t want, uint64_t *offset, uint64_t *got, bool *virgin);
int qcow2_release(Qcow2 *q, uint64_t offset, uint64_t count);   /* nothing on disk names them */
int qcow2_reuse(Qcow2 *q);              /* makes stable drops free */
void qcow2_drop(Qcow2 *q, uint64_t entry, bool punch, bool table);  /* by L1 or L2 entry */
bool qcow2_is_meta(const Qcow2 *q, uint64_t cluster);
void qcow2_meta_add(Qcow2 *q, uint64_t offset, uint64_t clusters);
void qcow2_meta_remove(Qcow2 *q, uint64_t offset);

/* qcow2_write.c */
int qcow2_write(BlockImage *image, uint64_t offset, uint64_t len, BlockVec *vec, uint64_t at);
int qcow2_discard(BlockImage *image, uint64_t offset, uint64_t len);

/* qcow2_resize.c */
int qcow2_resize(BlockImage *image, uint64_t size);

/* qcow2_zip.c */
int qcow2_unzip(Qcow2 *q, uint64_t entry);      /* the cluster is in zip_data afterwards */
void qcow2_zip_where(const Qcow2 *q, uint64_t entry, uint64_t *offset, uint64_t *len);

/* qcow2.c */
int qcow2_corrupt(Qcow2 *q, const char *what, uint64_t where);     /* returns EIO */
/* The slice with the entry of guest offset, and its index in it; NULL slice: no L2 table. */
int qcow2_l2(Qcow2 *q, uint64_t offset, Slice **slice, unsigned *index);
bool qcow2_entry_valid(Qcow2 *q, uint64_t entry);   /* standard cluster, its offset */
static inline uint64_t qcow2_get(const Slice *s, unsigned index)
{
    return GUINT64_FROM_BE(((const uint64_t *)(const void *)s->data)[index]);
}
static inline void qcow2_set(Slice *s, unsigned index, uint64_t entry)
{
    ((uint64_t *)(void *)s->data)[index] = GUINT64_TO_BE(entry);
}
static inline unsigned qcow2_l2_per_slice(const Qcow2 *q)
{
    return q->l2.bytes / 8;
}

#endif
