/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * image_lock.c - who may read or write an image at the same time, in the bytes that QEMU and its tools
 * lock (block/file-posix.c of QEMU 2.10 and later): byte 100 + N is held by who has permission N, byte
 * 200 + N by who lets no other have it.  Permission 0 reads what stays as it is, 1 writes, 3 changes the
 * size.  A reader lets others read; a writer locks the whole file.  All are locks of the open file.
 */
#include "tools/common/domain_config.h"

#include <fcntl.h>

#define HAS(permission)    (100 + (permission))
#define DENIES(permission) (200 + (permission))
#define READ   0
#define WRITE  1
#define RESIZE 3

static struct flock range(short type, off_t byte, off_t len)
{
    return (struct flock){ .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = len };
}

/* Whether another open file's lock is in the way of one there.  A shared lock of the whole file is that of
 * a reader who knows nothing of these bytes: readers don't mind it. */
static bool held(int fd, bool writable, off_t byte, off_t len)
{
    struct flock l = range(F_WRLCK, byte, len);

    return fcntl(fd, F_OFD_GETLK, &l) == 0 && l.l_type != F_UNLCK &&
           (writable || l.l_type == F_WRLCK || l.l_start != 0 || l.l_len != 0);
}

bool image_locked(int fd, bool writable)
{
    /* A writer of ours has every byte, QEMU's has these. */
    return writable ? held(fd, true, 0, 0)
           : held(fd, false, HAS(WRITE), 1) || held(fd, false, HAS(RESIZE), 1) ||
             held(fd, false, DENIES(READ), 1);
}

bool image_lock(int fd, bool writable)
{
    static const off_t bytes[] = { HAS(READ), DENIES(WRITE), DENIES(RESIZE) };
    struct flock whole = range(F_WRLCK, 0, 0);

    if (writable) {
        return fcntl(fd, F_OFD_SETLK, &whole) == 0;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(bytes); i++) {
        struct flock l = range(F_RDLCK, bytes[i], 1);

        if (fcntl(fd, F_OFD_SETLK, &l) != 0) {
            return false;
        }
    }
    /* Whoever came first has its bytes by now, and whoever comes later sees ours. */
    return !image_locked(fd, false);
}
