/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * create.c - empty images, sparse: raw; qcow2 version 3 with clusters of 64 KiB; dynamic and
 * differencing VHD with blocks of 2 MiB.
 */
#include <errno.h>
#include <gio/gio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "block/format.h"

#define CLUSTER_BITS 16
#define CLUSTER (1ull << CLUSTER_BITS)
#define L2_SPAN (CLUSTER / 8 * CLUSTER)         /* bytes of the disk an L1 entry stands for */
#define QCOW2_MAX_SIZE ((2ull << 20) * L2_SPAN)
#define VHD_BLOCK (2u << 20)
#define VHD_MAX_SIZE (2040ull << 30)
#define VHD_EPOCH 946684800                     /* 2000-01-01 in Unix time */
#define CODE_W2RU 0x57327275u

static bool fail(GError **error, const char *what)
{
    int code = errno;

    g_set_error(error, G_IO_ERROR, g_io_error_from_errno(code), "%s (%s)", what,
                g_strerror(code));
    return false;
}

static bool bad(GError **error, const char *text)
{
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "%s", text);
    return false;
}

static bool put(int fd, uint64_t offset, const void *buf, size_t len, GError **error)
{
    const uint8_t *p = buf;

    while (len) {
        ssize_t n = pwrite(fd, p, len, offset);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            errno = n ? errno : ENOSPC;
            return fail(error, "can't be written");
        }
        p += n;
        offset += n;
        len -= n;
    }
    return true;
}

static bool extend(int fd, uint64_t size, GError **error)
{
    return ftruncate(fd, size) == 0 || fail(error, "can't be made that large");
}

/* --- qcow2 --- */

static bool create_qcow2(int fd, uint64_t size, const char *backing, const char *backing_format,
                         GError **error)
{
    uint64_t l1_entries = (size + L2_SPAN - 1) / L2_SPAN;
    uint64_t l1_clusters = (l1_entries * 8 + CLUSTER - 1) / CLUSTER;
    g_autofree uint8_t *head = g_malloc0(CLUSTER), *counts = g_malloc0(CLUSTER);
    uint8_t *p = head, reftable[8];
    size_t len;

    if (size > QCOW2_MAX_SIZE) {
        return bad(error, "is too large for qcow2");
    }
    l1_clusters = MAX(l1_clusters, 1);
    memcpy(p, "QFI\xfb", 4);
    format_put32(p + 4, 3);
    format_put32(p + 20, CLUSTER_BITS);
    format_put64(p + 24, size);
    format_put32(p + 36, l1_entries);
    format_put64(p + 40, 3 * CLUSTER);
    format_put64(p + 48, CLUSTER);
    format_put32(p + 56, 1);
    format_put32(p + 96, 4);            /* counts of 16 bits */
    format_put32(p + 100, 112);
    p += 112;
    if (backing) {
        len = strlen(backing_format);
        format_put32(p, 0xe2792aca);
        format_put32(p + 4, len);
        memcpy(p + 8, backing_format, len);
        p += 8 + ((len + 7) & ~7ull) + 8;       /* and the end of the extensions */
        len = strlen(backing);
        if (len > FORMAT_NAME_MAX) {
            return bad(error, "the backing file's name is too long");
        }
        format_put64(head + 8, p - head);
        format_put32(head + 16, len);
        memcpy(p, backing, len);
    }
    for (uint64_t i = 0; i < 3 + l1_clusters; i++) {
        format_put16(counts + 2 * i, 1);
    }
    format_put64(reftable, 2 * CLUSTER);
    return extend(fd, (3 + l1_clusters) * CLUSTER, error) &&
           put(fd, CLUSTER, reftable, sizeof reftable, error) &&
           put(fd, 2 * CLUSTER, counts, CLUSTER, error) && put(fd, 0, head, CLUSTER, error);
}

/* --- VHD --- */

static void vhd_footer(uint8_t *f, uint64_t size, VhdType type)
{
    uint16_t cylinders;
    uint8_t heads, per_track;

    vhd_geometry(size / 512, &cylinders, &heads, &per_track);
    memcpy(f, "conectix", 8);
    format_put32(f + 8, 2);
    format_put32(f + 12, 0x10000);
    format_put64(f + 16, 512);
    format_put32(f + 24, time(NULL) - VHD_EPOCH);
    memcpy(f + 28, "tap\0", 4);         /* says: the size counts, not the geometry */
    format_put32(f + 32, 0x10003);
    format_put64(f + 40, size);
    format_put64(f + 48, size);
    format_put16(f + 56, cylinders);
    f[58] = heads;
    f[59] = per_track;
    format_put32(f + 60, type);
    for (unsigned i = 0; i < 16; i++) {
        f[68 + i] = g_random_int();
    }
    f[74] = (f[74] & 0x0f) | 0x40;      /* a random UUID */
    f[76] = (f[76] & 0x3f) | 0x80;
    format_put32(f + 64, vhd_checksum(f, 512, 64));
}

/* The parent's identity and name; the relative path goes to a locator at offset. */
static bool vhd_parent(uint8_t *h, const char *backing, int parent, uint64_t offset,
                       uint8_t *locator, GError **error)
{
    g_autofree char *base = g_path_get_basename(backing);
    g_autofree gunichar2 *name = g_utf8_to_utf16(base, -1, NULL, NULL, error);
    g_autofree char *windows = g_path_is_absolute(backing) || g_str_has_prefix(backing, ".")
                               ? g_strdup(backing) : g_strconcat("./", backing, NULL);
    g_autofree gunichar2 *path = NULL;
    glong units = 0;
    uint8_t footer[512];
    VhdHeader up;

    g_strdelimit(windows, "/", '\\');
    path = g_utf8_to_utf16(windows, -1, NULL, &units, name ? error : NULL);
    if (!name || !path) {
        return false;
    }
    if (units > 256) {
        return bad(error, "the parent's name is too long");
    }
    if (pread(parent, footer, sizeof footer, 0) != sizeof footer) {
        return bad(error, "the parent can't be read");
    }
    if (!vhd_footer_parse(&up, footer, NULL)) {
        off_t end = lseek(parent, 0, SEEK_END);

        if (end < 1024 || pread(parent, footer, sizeof footer, end - 512) != sizeof footer ||
            !vhd_footer_parse(&up, footer, error)) {
            return false;
        }
    }
    memcpy(h + 40, up.uuid, 16);
    format_put32(h + 56, format_be32(footer + 24));
    for (unsigned i = 0; i < 256 && name[i]; i++) {
        format_put16(h + 64 + 2 * i, name[i]);
    }
    for (glong i = 0; i < units; i++) {
        locator[2 * i] = path[i];
        locator[2 * i + 1] = path[i] >> 8;
    }
    format_put32(h + 576, CODE_W2RU);
    format_put32(h + 580, 1);           /* sectors of room */
    format_put32(h + 584, 2 * units);
    format_put64(h + 592, offset);
    return true;
}

static bool create_vhd(int fd, uint64_t size, const char *backing, int parent, GError **error)
{
    uint64_t entries = (size + VHD_BLOCK - 1) / VHD_BLOCK, table = (entries * 4 + 511) & ~511ull;
    uint64_t locator_at = 1536 + table, end = locator_at + (backing ? 512 : 0);
    uint8_t footer[512] = { 0 }, header[1024] = { 0 }, locator[512] = { 0 };
    g_autofree uint8_t *none = g_malloc(table);

    if (size > VHD_MAX_SIZE) {
        return bad(error, "is too large for VHD (2040 GiB)");
    }
    memset(none, 0xff, table);
    vhd_footer(footer, size, backing ? VHD_DIFFERENCING : VHD_DYNAMIC);
    memcpy(header, "cxsparse", 8);
    format_put64(header + 8, UINT64_MAX);
    format_put64(header + 16, 1536);
    format_put32(header + 24, 0x10000);
    format_put32(header + 28, entries);
    format_put32(header + 32, VHD_BLOCK);
    if (backing && !vhd_parent(header, backing, parent, locator_at, locator, error)) {
        return false;
    }
    format_put32(header + 36, vhd_checksum(header, sizeof header, 36));
    return put(fd, 0, footer, sizeof footer, error) &&
           put(fd, 512, header, sizeof header, error) && put(fd, 1536, none, table, error) &&
           (!backing || put(fd, locator_at, locator, sizeof locator, error)) &&
           put(fd, end, footer, sizeof footer, error);
}

bool format_create(int fd, const char *format, uint64_t size, const char *backing,
                   const char *backing_format, int parent, GError **error)
{
    if (!size || size % 512) {
        return bad(error, "a size must be a whole number of 512-byte sectors");
    }
    if (!strcmp(format, "raw")) {
        return backing ? bad(error, "a raw image has no backing file") : extend(fd, size, error);
    }
    if (!strcmp(format, "qcow2")) {
        return create_qcow2(fd, size, backing,
                            backing_format && !strcmp(backing_format, "vhd") ? "vpc"
                            : backing_format, error);
    }
    if (!strcmp(format, "vhd")) {
        if (backing && strcmp(backing_format, "vhd")) {
            return bad(error, "the parent of a VHD image must be a VHD image");
        }
        return create_vhd(fd, size, backing, parent, error);
    }
    return bad(error, "has a format that can't be made; use raw, qcow2 or vhd");
}
