/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe.c - what an image says of itself: size and backing file.  For xend, which opens the files
 * of a chain with the user's rights before a device model gets them.  Follows no name itself.
 */
#include <errno.h>
#include <gio/gio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "block/format.h"

enum { EXT_END = 0, EXT_BACKING_FORMAT = 0xe2792aca };
#define LOCATOR_MAX 4096u
#define CODE_W2RU 0x57327275u
#define CODE_MACX 0x4d616358u

bool format_bad(GError **error, const char *prefix, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, format);
    text = g_strdup_vprintf(format, ap);
    va_end(ap);
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s%s", prefix, text);
    return false;
}

#define bad(error, ...) format_bad(error, "", __VA_ARGS__)

/* The descriptor may be open for direct I/O: whole aligned sectors.  Zeros past the end. */
static bool read_at(int fd, uint64_t offset, void *buf, size_t len, GError **error)
{
    uint64_t start = offset & ~4095ull, total = (offset + len - start + 4095) & ~4095ull, done = 0;
    void *page = NULL;

    if (offset > INT64_MAX - len - 8192 || posix_memalign(&page, 4096, total) != 0) {
        return bad(error, "no memory");
    }
    memset(page, 0, total);
    while (done < total) {
        ssize_t n = pread(fd, (uint8_t *)page + done, total - done, start + done);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            free(page);
            return bad(error, "can't be read (%s)", g_strerror(errno));
        }
        done += n;
        if (n == 0 || n % 512) {
            break;
        }
    }
    memcpy(buf, (uint8_t *)page + (offset - start), len);
    free(page);
    return true;
}

static bool file_bytes(int fd, uint64_t *size)
{
    off_t end = lseek(fd, 0, SEEK_END);

    *size = end > 0 ? end : 0;
    return end >= 0;
}

static char *text_of(const uint8_t *buf, size_t len)
{
    char *text = g_strndup((const char *)buf, len);

    if (strlen(text) != len) {
        g_free(text);
        return NULL;
    }
    return text;
}

static bool qcow2_info(int fd, FormatInfo *info, GError **error)
{
    uint8_t sector[QCOW2_HEADER_READ], name[FORMAT_NAME_MAX + 1], head[8];
    Qcow2Header h;
    uint64_t at, end;

    if (!read_at(fd, 0, sector, sizeof sector, error) ||
        !qcow2_header_parse(&h, sector, sizeof sector, error)) {
        return false;
    }
    info->size = h.size;
    if (!h.has_backing) {
        return true;
    }
    if (!read_at(fd, h.backing_offset, name, h.backing_len, error)) {
        return false;
    }
    info->backing = text_of(name, h.backing_len);
    if (!info->backing) {
        return bad(error, "qcow2: the backing file's name is damaged");
    }
    end = MIN(h.backing_offset, 1ull << h.cluster_bits);
    for (at = h.header_length; at + 8 <= end;) {
        uint32_t kind, len;

        if (!read_at(fd, at, head, sizeof head, error)) {
            return false;
        }
        kind = format_be32(head);
        len = format_be32(head + 4);
        if (kind == EXT_END || len > end - at - 8) {
            break;
        }
        if (kind == EXT_BACKING_FORMAT && len < 32) {
            if (!read_at(fd, at + 8, name, len, error)) {
                return false;
            }
            info->backing_format = text_of(name, len);
        }
        at += 8 + ((len + 7ull) & ~7ull);
    }
    return true;
}

/* UTF-16 in little-endian order, or a URL in UTF-8; as a Unix path. */
static char *locator_text(const VhdLocator *l, const uint8_t *buf)
{
    g_autofree gunichar2 *units = NULL;
    char *text;

    if (l->code == CODE_MACX) {
        g_autofree char *url = g_strndup((const char *)buf, l->len);

        return g_str_has_prefix(url, "file://") ? g_uri_unescape_string(url + 7, NULL) : NULL;
    }
    units = g_new0(gunichar2, l->len / 2 + 1);
    for (unsigned i = 0; i < l->len / 2; i++) {
        units[i] = buf[2 * i] | buf[2 * i + 1] << 8;
    }
    text = g_utf16_to_utf8(units, -1, NULL, NULL, NULL);
    return text ? g_strdelimit(text, "\\", '/') : NULL;
}

static bool vhd_parent(int fd, const VhdHeader *h, FormatInfo *info, GError **error)
{
    static const uint32_t codes[] = { CODE_W2RU, CODE_MACX };

    for (unsigned c = 0; c < G_N_ELEMENTS(codes) && !info->backing; c++) {
        for (unsigned i = 0; i < VHD_LOCATORS && !info->backing; i++) {
            const VhdLocator *l = &h->locator[i];
            uint8_t buf[LOCATOR_MAX];

            if (l->code != codes[c] || !l->len || l->len > sizeof buf) {
                continue;
            }
            if (!read_at(fd, l->offset, buf, l->len, error)) {
                return false;
            }
            info->backing = locator_text(l, buf);
        }
    }
    if (!info->backing && h->parent_name && *h->parent_name) {
        info->backing = g_strdup(h->parent_name);
    }
    if (!info->backing || !*info->backing) {
        return bad(error, "vhd: the image does not name its parent");
    }
    return true;
}

static bool vhd_info(int fd, FormatInfo *info, GError **error)
{
    uint8_t footer[512], header[1024];
    VhdHeader h;
    uint64_t size;
    bool ok;

    if (!read_at(fd, 0, footer, sizeof footer, error)) {
        return false;
    }
    if (!vhd_footer_parse(&h, footer, NULL) || h.type == VHD_FIXED) {
        if (!file_bytes(fd, &size) || size < 1024) {
            return bad(error, "vhd: the file is too short");
        }
        if (!read_at(fd, size - 512, footer, sizeof footer, error) ||
            !vhd_footer_parse(&h, footer, error)) {
            return false;
        }
    }
    info->size = h.size;
    if (h.type != VHD_DIFFERENCING) {
        return true;
    }
    ok = read_at(fd, h.header_offset, header, sizeof header, error) &&
         vhd_header_parse(&h, header, error) && vhd_parent(fd, &h, info, error);
    vhd_header_clear(&h);
    return ok;
}

bool format_inspect(int fd, const char *format, FormatInfo *info, GError **error)
{
    *info = (FormatInfo){ 0 };
    if (!strcmp(format, "raw")) {
        return file_bytes(fd, &info->size) || bad(error, "has no size");
    }
    if (!strcmp(format, "qcow2") ? qcow2_info(fd, info, error)
        : !strcmp(format, "vhd") ? vhd_info(fd, info, error)
        : bad(error, "no image format '%s'", format)) {
        return true;
    }
    format_inspect_clear(info);
    return false;
}

void format_inspect_clear(FormatInfo *info)
{
    g_free(info->backing);
    g_free(info->backing_format);
    *info = (FormatInfo){ 0 };
}

const char *format_guess(int fd)
{
    uint8_t start[512], footer[512];
    VhdHeader h;
    uint64_t size;

    if (!read_at(fd, 0, start, sizeof start, NULL)) {
        return "raw";
    }
    if (!memcmp(start, "QFI\xfb", 4)) {
        return "qcow2";
    }
    if (vhd_footer_parse(&h, start, NULL) ||
        (file_bytes(fd, &size) && size >= 1024 && size % 512 == 0 &&
         read_at(fd, size - 512, footer, sizeof footer, NULL) &&
         vhd_footer_parse(&h, footer, NULL))) {
        return "vhd";
    }
    if (!memcmp(start, "KDMV", 4) || !memcmp(start, "# Disk DescriptorFile", 21)) {
        return "vmdk";
    }
    if (!memcmp(start + 64, "\x7f\x10\xda\xbe", 4)) {
        return "vdi";
    }
    if (!memcmp(start, "QED", 4)) {
        return "qed";
    }
    return !memcmp(start, "vhdxfile", 8) ? "vhdx" : "raw";
}
