/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host.c - the calls of the block layer that change a file, recorded or failing on demand.
 */
#include "tests/block/host.h"

#include <errno.h>
#include <fcntl.h>
#include <libaio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static GArray *host_writes;
static bool recording;
static int failure;
static unsigned chance;

static void log_add(uint64_t offset, const struct iovec *iov, int n, size_t len, bool data)
{
    HostWrite w = { .offset = offset, .len = len, .data = data ? g_malloc(len) : NULL };
    size_t at = 0;

    for (int i = 0; i < n && data && at < len; i++) {
        size_t part = MIN(iov[i].iov_len, len - at);

        memcpy(w.data + at, iov[i].iov_base, part);
        at += part;
    }
    g_array_append_val(host_writes, w);
}

void host_record(bool on)
{
    recording = on;
    if (on && !host_writes) {
        host_writes = g_array_new(FALSE, FALSE, sizeof(HostWrite));
    }
}

GArray *host_log(void)
{
    return host_writes;
}

void host_fail(int error, unsigned n)
{
    failure = error;
    chance = n;
}

static size_t cached = SIZE_MAX;
static unsigned waits;

void host_cached(size_t bytes)
{
    cached = bytes;
    waits = 0;
}

unsigned host_waits(void)
{
    return waits;
}

ssize_t preadv64v2(int fd, const struct iovec *iov, int n, off64_t offset, int flags)
{
    if ((flags & RWF_NOWAIT) && cached != SIZE_MAX) {
        struct iovec part[1024];
        size_t left = cached;
        int parts = 0;

        waits++;
        for (; parts < n && left; parts++) {
            part[parts] = iov[parts];
            part[parts].iov_len = MIN(part[parts].iov_len, left);
            left -= part[parts].iov_len;
        }
        if (!parts || left == cached) {
            errno = EAGAIN;
            return -1;
        }
        return syscall(SYS_preadv2, fd, part, parts, offset, 0, flags & ~RWF_NOWAIT);
    }
    return syscall(SYS_preadv2, fd, iov, n, offset, 0, flags);
}

static bool fails(void)
{
    return chance && random() % chance == 0;
}

ssize_t pwritev64(int fd, const struct iovec *iov, int n, off64_t offset)
{
    ssize_t done;

    if (fails()) {
        errno = failure;
        return -1;
    }
    done = syscall(SYS_pwritev, fd, iov, n, offset, 0);
    if (recording && done > 0) {
        log_add(offset, iov, n, done, true);
    }
    return done;
}

int fdatasync(int fd)
{
    if (fails()) {
        errno = failure;
        return -1;
    }
    if (recording) {
        log_add(0, NULL, 0, 0, false);
        return 0;               /* nobody pulls the plug here */
    }
    return syscall(SYS_fdatasync, fd);
}

int fallocate64(int fd, int mode, off64_t offset, off64_t len)
{
    int result = syscall(SYS_fallocate, fd, mode, offset, len);

    if (recording && !result) {
        log_add(offset, NULL, 0, len, false);
    }
    return result;
}

int io_setup(int depth, io_context_t *context)
{
    long result;

    if (recording || chance) {
        return -ENOSYS;
    }
    result = syscall(SYS_io_setup, depth, context);
    return result < 0 ? -errno : (int)result;
}
