/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2_header.c - the header of a qcow2 image, checked.
 */
#include <gio/gio.h>
#include <string.h>
#include "block/format.h"
#include "block/qcow2.h"

#define bad(error, ...) format_bad(error, "qcow2: ", __VA_ARGS__)

static bool check_features(const Qcow2Header *h, GError **error)
{
    uint64_t known = QCOW2_INCOMPAT_DIRTY | QCOW2_INCOMPAT_CORRUPT | QCOW2_INCOMPAT_COMPRESSION;
    uint64_t unknown = h->incompatible & ~known;

    if (unknown & QCOW2_INCOMPAT_DATA_FILE) {
        return bad(error, "the data is in another file, which is not supported; convert the image "
                   "with 'qemu-img convert -O qcow2'");
    }
    if (unknown & QCOW2_INCOMPAT_EXTENDED_L2) {
        return bad(error, "extended L2 entries are not supported; convert the image with "
                   "'qemu-img convert -O qcow2'");
    }
    if (unknown) {
        return bad(error, "the image needs features that are not known here (bits %"
                   G_GINT64_MODIFIER "x)", unknown);
    }
    if (h->compression > 1 ||
        (h->compression != 0) != !!(h->incompatible & QCOW2_INCOMPAT_COMPRESSION)) {
        return bad(error, "unknown compression (%u)", h->compression);
    }
    return true;
}

static bool check_fields(const Qcow2Header *h, uint32_t crypt, GError **error)
{
    if (crypt) {
        return bad(error, "the image is encrypted, which is not supported; convert it with "
                   "'qemu-img convert -O qcow2'");
    }
    if (h->cluster_bits < 9 || h->cluster_bits > 21) {
        return bad(error, "clusters of 2^%u bytes", h->cluster_bits);
    }
    if (h->refcount_order > 6) {
        return bad(error, "reference counts of 2^%u bits", h->refcount_order);
    }
    if (h->size > IMAGE_MAX_BYTES) {
        return bad(error, "a disk of %" G_GUINT64_FORMAT " bytes", h->size);
    }
    if (h->has_backing && (h->backing_len == 0 || h->backing_len > FORMAT_NAME_MAX ||
                           h->backing_offset > (1ull << h->cluster_bits) - h->backing_len)) {
        return bad(error, "the backing file's name is outside of the header");
    }
    return true;
}

bool qcow2_header_parse(Qcow2Header *h, const uint8_t *buf, size_t len, GError **error)
{
    *h = (Qcow2Header){ 0 };
    if (len < 112 || memcmp(buf, "QFI\xfb", 4)) {
        return bad(error, "this is not a qcow2 image");
    }
    h->version = format_be32(buf + 4);
    if (h->version != 2 && h->version != 3) {
        return bad(error, "version %u is not supported (2 and 3 are)", h->version);
    }
    h->backing_offset = format_be64(buf + 8);
    h->backing_len = format_be32(buf + 16);
    h->has_backing = h->backing_offset != 0;
    h->cluster_bits = format_be32(buf + 20);
    h->size = format_be64(buf + 24);
    h->l1_size = format_be32(buf + 36);
    h->l1_offset = format_be64(buf + 40);
    h->reftable_offset = format_be64(buf + 48);
    h->reftable_clusters = format_be32(buf + 56);
    h->snapshots = format_be32(buf + 60);
    h->snapshots_offset = format_be64(buf + 64);
    h->refcount_order = 4;
    h->header_length = 72;
    if (h->version == 3) {
        h->incompatible = format_be64(buf + 72);
        h->compatible = format_be64(buf + 80);
        h->autoclear = format_be64(buf + 88);
        h->refcount_order = format_be32(buf + 96);
        h->header_length = format_be32(buf + 100);
        if (h->header_length < 104 || h->header_length % 8) {
            return bad(error, "a header of %u bytes", h->header_length);
        }
        h->compression = h->header_length > 104 ? buf[104] : 0;
    }
    return check_features(h, error) && check_fields(h, format_be32(buf + 32), error);
}
