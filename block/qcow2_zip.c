/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2_zip.c - compressed clusters: raw deflate (RFC 1951) by zlib, or Zstandard.  The last one is
 * kept, because guests read a cluster in pieces.  They are never written: a write makes a plain
 * cluster of them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include "block/qcow2.h"

/* Whole sectors are counted in the entry; the last one may hold other clusters too. */
void qcow2_zip_where(const Qcow2 *q, uint64_t entry, uint64_t *offset, uint64_t *len)
{
    unsigned bits = 62 - (q->cluster_bits - 8);
    uint64_t sectors = ((entry >> bits) & ((1ull << (q->cluster_bits - 8)) - 1)) + 1;

    *offset = entry & ((1ull << bits) - 1);
    *len = sectors * BLOCK_SECTOR - (*offset & (BLOCK_SECTOR - 1));
}

static bool inflate_cluster(uint8_t *out, size_t size, const uint8_t *in, size_t len)
{
    z_stream z = { .next_in = (uint8_t *)(uintptr_t)in, .avail_in = len, .next_out = out,
                   .avail_out = size };
    int result;

    if (inflateInit2(&z, -12) != Z_OK) {
        return false;
    }
    result = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    return (result == Z_STREAM_END || result == Z_BUF_ERROR) && z.avail_out == 0;
}

static bool zstd_cluster(uint8_t *out, size_t size, const uint8_t *in, size_t len)
{
    ZSTD_DCtx *z = ZSTD_createDCtx();
    ZSTD_inBuffer from = { in, len, 0 };
    ZSTD_outBuffer to = { out, size, 0 };
    size_t before;

    if (!z) {
        return false;
    }
    do {
        before = from.pos + to.pos;
        if (ZSTD_isError(ZSTD_decompressStream(z, &to, &from))) {
            break;
        }
    } while (to.pos < size && from.pos + to.pos > before);
    ZSTD_freeDCtx(z);
    return to.pos == size;
}

int qcow2_unzip(Qcow2 *q, uint64_t entry)
{
    uint64_t offset, len, start, total;
    uint8_t *in, *out;
    bool ok;
    int error;

    if (q->zip_entry == entry) {
        return 0;
    }
    qcow2_zip_where(q, entry, &offset, &len);
    start = offset & ~(uint64_t)(BLOCK_SECTOR - 1);
    total = offset + len - start;
    in = file_buffer(total);
    out = g_try_malloc(q->cluster);
    if (!in || !out) {
        free(in);
        g_free(out);
        return ENOMEM;
    }
    error = file_read(q->image->file, start, in, total);
    if (!error) {
        ok = q->zstd ? zstd_cluster(out, q->cluster, in + (offset - start), len)
                     : inflate_cluster(out, q->cluster, in + (offset - start), len);
        error = ok ? 0 : EIO;
    }
    free(in);
    if (error) {
        g_free(out);
        return error;
    }
    g_free(q->zip_data);
    q->zip_data = out;
    q->zip_entry = entry;
    return 0;
}
