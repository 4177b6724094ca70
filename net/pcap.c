/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pcap.c - writes captures.  A frame's header and bytes go out in one call, so that a full disk or pipe
 * leaves whole records only, as far as the kernel has it so.
 */
#include "net/pcap.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define MAGIC_NANOSECONDS 0xa1b23c4d
#define SNAP_LENGTH 262144
#define LINK_ETHERNET 1

struct Pcap {
    int fd;
    uint64_t left;              /* bytes that may still be written */
    bool ended;
};

typedef struct FileHeader {
    uint32_t magic;
    uint16_t major, minor;
    uint32_t zone, accuracy, snap, link;
} FileHeader;

typedef struct RecordHeader {
    uint32_t seconds, nanoseconds, stored, length;
} RecordHeader;

Pcap *pcap_new(int fd, uint64_t max, GError **error)
{
    FileHeader h = { MAGIC_NANOSECONDS, 2, 4, 0, 0, SNAP_LENGTH, LINK_ETHERNET };
    Pcap *p;

    if (write(fd, &h, sizeof h) != (ssize_t)sizeof h) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "capture file: %s",
                    g_strerror(errno));
        close(fd);
        return NULL;
    }
    p = g_new0(Pcap, 1);
    p->fd = fd;
    p->left = max > sizeof h ? max - sizeof h : 0;
    return p;
}

void pcap_free(Pcap *p)
{
    if (p) {
        close(p->fd);
        g_free(p);
    }
}

bool pcap_frame(Pcap *p, const void *frame, size_t len)
{
    struct timespec now;
    RecordHeader h;
    struct iovec iov[2] = { { &h, sizeof h }, { (void *)(uintptr_t)frame, len } };
    ssize_t n;

    if (p->ended || p->left < sizeof h + len) {
        p->ended = true;
        return false;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    h = (RecordHeader){ now.tv_sec, now.tv_nsec, len, len };
    do {
        n = writev(p->fd, iov, 2);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN) {
        return true;                    /* a pipe that nobody empties: this frame is left out */
    }
    if (n != (ssize_t)(sizeof h + len)) {
        p->ended = true;
        return false;
    }
    p->left -= n;
    return true;
}
