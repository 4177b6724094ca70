/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host.h - a host that fails or loses power: this test program has its own pwritev(), fdatasync(),
 * fallocate() and preadv2(), which pass everything on unless a test asks for more.  io_setup() is refused
 * meanwhile, so that all writes come here.
 */
#ifndef GH_TEST_BLOCK_HOST_H
#define GH_TEST_BLOCK_HOST_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct HostWrite {
    uint64_t offset;
    uint32_t len;               /* 0: a barrier, everything before is stable */
    uint8_t *data;              /* NULL: a hole */
} HostWrite;

void host_record(bool on);      /* writes go to host_log() from now on as well */
GArray *host_log(void);         /* HostWrite */
/* Each write from now on fails with error, with a chance of one in n; 0: none. */
void host_fail(int error, unsigned n);
/* Of each read that must not wait, only the first bytes are in the host's cache; SIZE_MAX: all. */
void host_cached(size_t bytes);
unsigned host_waits(void);      /* reads that did not get all at once */

#endif
