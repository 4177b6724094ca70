/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vec.c - bytes of a vector of memory pieces, by their number.
 */
#include "block/vec.h"

#include <glib.h>
#include <string.h>

bool block_vec_init(BlockVec *v, const struct iovec *iov, int n)
{
    *v = (BlockVec){ 0 };
    for (int i = 0; i < n; i++) {
        if (__builtin_add_overflow(v->len, iov[i].iov_len, &v->len)) {
            v->len = UINT64_MAX;
            return false;
        }
    }
    if (n > 0) {
        v->iov = g_memdup2(iov, n * sizeof(*iov));
        v->n = n;
    }
    return true;
}

void block_vec_clear(BlockVec *v)
{
    g_free(v->iov);
    *v = (BlockVec){ 0 };
}

/* Makes v->last the piece that holds byte at (or v->n). */
static void vec_seek(BlockVec *v, uint64_t at)
{
    if (at < v->last_at) {
        v->last = 0;
        v->last_at = 0;
    }
    while (v->last < v->n && at - v->last_at >= v->iov[v->last].iov_len) {
        v->last_at += v->iov[v->last].iov_len;
        v->last++;
    }
}

int block_vec_slice(BlockVec *v, uint64_t at, uint64_t len, struct iovec *out)
{
    uint64_t skip;
    int n = 0;

    vec_seek(v, at);
    skip = at - v->last_at;
    for (int i = v->last; i < v->n && len; i++) {
        size_t part = MIN(len, v->iov[i].iov_len - skip);

        if (part) {
            if (out) {
                out[n] = (struct iovec){ (uint8_t *)v->iov[i].iov_base + skip, part };
            }
            n++;
        }
        len -= part;
        skip = 0;
    }
    return n;
}

enum VecDo { VEC_READ, VEC_WRITE, VEC_ZERO };

static void vec_do(BlockVec *v, uint64_t at, uint8_t *buf, uint64_t len, enum VecDo what)
{
    uint64_t skip;

    vec_seek(v, at);
    skip = at - v->last_at;
    for (int i = v->last; i < v->n && len; i++) {
        size_t part = MIN(len, v->iov[i].iov_len - skip);
        uint8_t *p = (uint8_t *)v->iov[i].iov_base + skip;

        if (what == VEC_ZERO) {
            memset(p, 0, part);
        } else if (what == VEC_WRITE) {
            memcpy(p, buf, part);
            buf += part;
        } else {
            memcpy(buf, p, part);
            buf += part;
        }
        len -= part;
        skip = 0;
    }
}

void block_vec_read(BlockVec *v, uint64_t at, void *buf, uint64_t len)
{
    vec_do(v, at, buf, len, VEC_READ);
}

void block_vec_write(BlockVec *v, uint64_t at, const void *buf, uint64_t len)
{
    vec_do(v, at, (void *)(uintptr_t)buf, len, VEC_WRITE);
}

void block_vec_zero(BlockVec *v, uint64_t at, uint64_t len)
{
    vec_do(v, at, NULL, len, VEC_ZERO);
}
