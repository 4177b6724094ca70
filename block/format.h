/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * format.h - headers of image formats: what xend needs to open a chain, what the drivers need to
 * open an image, what xm disk-create writes.  Nothing here follows a name.
 */
#ifndef GH_BLOCK_FORMAT_H
#define GH_BLOCK_FORMAT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define QCOW2_HEADER_READ 512       /* bytes that hold every header version */
#define FORMAT_NAME_MAX 1023        /* bytes of a backing file's name */

static inline uint16_t format_be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}
static inline uint32_t format_be32(const uint8_t *p)
{
    return (uint32_t)format_be16(p) << 16 | format_be16(p + 2);
}
static inline uint64_t format_be64(const uint8_t *p)
{
    return (uint64_t)format_be32(p) << 32 | format_be32(p + 4);
}
static inline void format_put16(uint8_t *p, uint16_t v)
{
    p[0] = v >> 8;
    p[1] = v;
}
static inline void format_put32(uint8_t *p, uint32_t v)
{
    format_put16(p, v >> 16);
    format_put16(p + 2, v);
}
static inline void format_put64(uint8_t *p, uint64_t v)
{
    format_put32(p, v >> 32);
    format_put32(p + 4, v);
}

/* What is wrong with an image, after prefix; false. */
bool format_bad(GError **error, const char *prefix, const char *format, ...) G_GNUC_PRINTF(3, 4);

typedef struct Qcow2Header {
    uint32_t version, cluster_bits, l1_size, reftable_clusters, snapshots, refcount_order;
    uint32_t header_length;
    uint64_t backing_offset, size, l1_offset, reftable_offset, snapshots_offset;
    uint32_t backing_len;
    bool has_backing;
    uint64_t incompatible, compatible, autoclear;
    uint8_t compression;            /* 0 zlib, 1 zstd */
} Qcow2Header;

/* buf: the first len bytes of the file (at least 104).  Checks every field that can be checked by
 * itself, and that we can do what the image asks for. */
bool qcow2_header_parse(Qcow2Header *h, const uint8_t *buf, size_t len, GError **error);

typedef enum VhdType { VHD_FIXED = 2, VHD_DYNAMIC = 3, VHD_DIFFERENCING = 4 } VhdType;

#define VHD_LOCATORS 8

typedef struct VhdLocator {
    uint32_t code;                  /* W2ru and others, as big-endian letters */
    uint32_t len;                   /* bytes */
    uint64_t offset;
} VhdLocator;

typedef struct VhdHeader {          /* footer, and dynamic header */
    VhdType type;
    uint64_t size;                  /* bytes of the disk */
    uint8_t uuid[16];
    uint64_t header_offset;
    uint64_t table_offset;
    uint32_t entries, block;        /* block: bytes */
    uint8_t parent_uuid[16];
    char *parent_name;              /* UTF-8, as in the header; NULL: none */
    VhdLocator locator[VHD_LOCATORS];
} VhdHeader;

/* 512 bytes that may be a footer.  Type, size, uuid, header_offset. */
bool vhd_footer_parse(VhdHeader *h, const uint8_t *buf, GError **error);
/* The 1024 bytes at header_offset. */
bool vhd_header_parse(VhdHeader *h, const uint8_t *buf, GError **error);
void vhd_header_clear(VhdHeader *h);
uint32_t vhd_checksum(const uint8_t *buf, unsigned len, unsigned field);    /* without field */
/* Cylinders, heads, sectors as Virtual PC computes them. */
void vhd_geometry(uint64_t sectors, uint16_t *cylinders, uint8_t *heads, uint8_t *per_track);

/* Makes an empty image in fd (an empty file): "raw", "qcow2", "vhd".  backing (may be NULL) and its
 * format are written as they are; parent is the open backing file, for what the format copies from
 * it. */
bool format_create(int fd, const char *format, uint64_t size, const char *backing,
                   const char *backing_format, int parent, GError **error);

/* What an image says of itself. */
typedef struct FormatInfo {
    uint64_t size;                  /* bytes of the disk */
    char *backing;                  /* name as written, NULL: none */
    char *backing_format;           /* as written, NULL: not said */
} FormatInfo;

/* format: "raw", "qcow2", "vhd".  Plain reads of fd.  False with an error: not such an image, or
 * one that can't be used. */
bool format_inspect(int fd, const char *format, FormatInfo *info, GError **error);
void format_inspect_clear(FormatInfo *info);
/* The format that the beginning of the file looks like, or "raw".  Only to refuse or to warn, and
 * for a backing file of an image that does not say the format: never for a guest's own disk. */
const char *format_guess(int fd);

#endif
