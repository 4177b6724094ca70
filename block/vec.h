/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vec.h - a request's memory: a vector of pieces, addressed by the byte.  The copy keeps where it
 * was last looked at, so that going through it in order costs nothing.
 */
#ifndef GH_BLOCK_VEC_H
#define GH_BLOCK_VEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

typedef struct BlockVec {
    struct iovec *iov;              /* not changed */
    int n;
    uint64_t len;                   /* sum */
    int last;                       /* piece that holds byte last_at */
    uint64_t last_at;
} BlockVec;

/* Copies iov.  False: the sum is no size of an image. */
bool block_vec_init(BlockVec *v, const struct iovec *iov, int n);
void block_vec_clear(BlockVec *v);
/* How many pieces bytes [at, at + len) have; out (as many as that, or NULL) gets them. */
int block_vec_slice(BlockVec *v, uint64_t at, uint64_t len, struct iovec *out);
void block_vec_read(BlockVec *v, uint64_t at, void *buf, uint64_t len);     /* from the vector */
void block_vec_write(BlockVec *v, uint64_t at, const void *buf, uint64_t len);
void block_vec_zero(BlockVec *v, uint64_t at, uint64_t len);

#endif
