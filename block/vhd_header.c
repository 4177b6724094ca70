/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhd_header.c - footer and dynamic header of VHD images, checked.  Source: "Virtual Hard Disk
 * Image Format Specification", version 1.0.
 */
#include <gio/gio.h>
#include <string.h>
#include "block/format.h"

#define VHD_MAX_ENTRIES (4u << 20)
#define VHD_MIN_BLOCK 4096u
#define VHD_MAX_BLOCK (256u << 20)
#define VHD_MAX_CHS (65535ull * 16 * 255)       /* sectors */

enum { FOOTER_CHECKSUM = 64, HEADER_CHECKSUM = 36, HEADER_BYTES = 1024, FOOTER_BYTES = 512 };

#define bad(error, ...) format_bad(error, "vhd: ", __VA_ARGS__)

uint32_t vhd_checksum(const uint8_t *buf, unsigned len, unsigned field)
{
    uint32_t sum = 0;

    for (unsigned i = 0; i < len; i++) {
        if (i < field || i >= field + 4) {
            sum += buf[i];
        }
    }
    return ~sum;
}

void vhd_geometry(uint64_t sectors, uint16_t *cylinders, uint8_t *heads, uint8_t *per_track)
{
    uint64_t tracks;
    unsigned h, s;

    sectors = MIN(sectors, VHD_MAX_CHS);
    if (sectors >= 65535ull * 16 * 63) {
        s = 255;
        h = 16;
        tracks = sectors / s;
    } else {
        s = 17;
        tracks = sectors / s;
        h = MAX((tracks + 1023) / 1024, 4);
        if (tracks >= h * 1024ull || h > 16) {
            s = 31;
            h = 16;
            tracks = sectors / s;
        }
        if (tracks >= h * 1024ull) {
            s = 63;
            h = 16;
            tracks = sectors / s;
        }
    }
    *cylinders = tracks / h;
    *heads = h;
    *per_track = s;
}

/* Programs that count the disk's size by its geometry, as Virtual PC does; others say it. */
static bool counts_geometry(const uint8_t *app)
{
    static const char *const others[] = { "win ", "d2v ", "qem2", "tap\0", "CTXS" };

    for (unsigned i = 0; i < G_N_ELEMENTS(others); i++) {
        if (!memcmp(app, others[i], 4)) {
            return false;
        }
    }
    return true;
}

bool vhd_footer_parse(VhdHeader *h, const uint8_t *buf, GError **error)
{
    uint64_t chs = (uint64_t)format_be16(buf + 56) * buf[58] * buf[59];

    *h = (VhdHeader){ 0 };
    if (memcmp(buf, "conectix", 8)) {
        return bad(error, "this is not a VHD image");
    }
    if (format_be32(buf + FOOTER_CHECKSUM) != vhd_checksum(buf, FOOTER_BYTES, FOOTER_CHECKSUM)) {
        return bad(error, "the footer's checksum is wrong");
    }
    if (format_be32(buf + 12) >> 16 != 1) {
        return bad(error, "version %x is not supported", format_be32(buf + 12));
    }
    h->type = format_be32(buf + 60);
    if (h->type < VHD_FIXED || h->type > VHD_DIFFERENCING) {
        return bad(error, "disk type %u is not supported", h->type);
    }
    h->header_offset = format_be64(buf + 16);
    h->size = format_be64(buf + 48);
    memcpy(h->uuid, buf + 68, sizeof h->uuid);
    if (counts_geometry(buf + 28) && chs && chs < VHD_MAX_CHS) {
        h->size = chs * 512;
    }
    if (h->size % 512 || h->size > 1ull << 56) {
        return bad(error, "a disk of %" G_GUINT64_FORMAT " bytes", h->size);
    }
    return true;
}

static char *utf16be(const uint8_t *buf, unsigned units)
{
    g_autofree gunichar2 *text = g_new0(gunichar2, units + 1);

    for (unsigned i = 0; i < units; i++) {
        text[i] = format_be16(buf + 2 * i);
    }
    return g_utf16_to_utf8(text, -1, NULL, NULL, NULL);
}

bool vhd_header_parse(VhdHeader *h, const uint8_t *buf, GError **error)
{
    uint64_t blocks;

    if (memcmp(buf, "cxsparse", 8)) {
        return bad(error, "there is no dynamic header where the footer says");
    }
    if (format_be32(buf + HEADER_CHECKSUM) !=
        vhd_checksum(buf, HEADER_BYTES, HEADER_CHECKSUM)) {
        return bad(error, "the dynamic header's checksum is wrong");
    }
    h->table_offset = format_be64(buf + 16);
    h->entries = format_be32(buf + 28);
    h->block = format_be32(buf + 32);
    if (h->block < VHD_MIN_BLOCK || h->block > VHD_MAX_BLOCK || h->block & (h->block - 1)) {
        return bad(error, "blocks of %u bytes", h->block);
    }
    blocks = (h->size + h->block - 1) / h->block;
    if (h->entries > VHD_MAX_ENTRIES || h->entries < blocks) {
        return bad(error, "a block table of %u entries for %" G_GUINT64_FORMAT " blocks",
                   h->entries, blocks);
    }
    if (h->table_offset % 512 || h->table_offset > 1ull << 40) {
        return bad(error, "the block table is at an impossible place");
    }
    if (h->type != VHD_DIFFERENCING) {
        return true;
    }
    memcpy(h->parent_uuid, buf + 40, sizeof h->parent_uuid);
    h->parent_name = utf16be(buf + 64, 256);
    for (unsigned i = 0; i < VHD_LOCATORS; i++) {
        const uint8_t *p = buf + 576 + 24 * i;

        h->locator[i] = (VhdLocator){ format_be32(p), format_be32(p + 8), format_be64(p + 16) };
    }
    return true;
}

void vhd_header_clear(VhdHeader *h)
{
    g_free(h->parent_name);
    h->parent_name = NULL;
}
