/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nbd.c - client of a Network Block Device server ("NBD protocol", fixed newstyle negotiation,
 * simple replies), for qemu-nbd beside a device model.  One request at a time, which is what an IDE
 * drive has; TLS, structured replies and several exports are left out.
 */
#include "block/nbd.h"

#include <errno.h>
#include <gio/gio.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "block/format.h"
#include "block/image.h"

#define NBD_WAIT_MS 10000           /* for the greeting */
#define NBD_PIECE (1u << 20)        /* bytes of a request */
#define NBD_IOV 64

enum { NBD_READ = 0, NBD_WRITE = 1, NBD_FLUSH = 3, NBD_TRIM = 4 };
enum { NBD_FIXED = 1, NBD_NO_ZEROES = 2, NBD_EXPORT_NAME = 1 };
enum { NBD_FLAG_READ_ONLY = 2, NBD_FLAG_FLUSH = 4, NBD_FLAG_TRIM = 32 };
#define NBD_REQUEST_MAGIC 0x25609513u
#define NBD_REPLY_MAGIC 0x67446698u

typedef struct Nbd {
    int sock;
    uint16_t flags;
    uint64_t handle;
    bool broken;                    /* what comes can't be told apart any more */
} Nbd;

static bool wait_ready(int sock, short events, int timeout)
{
    struct pollfd p = { .fd = sock, .events = events };
    int n;

    do {
        n = poll(&p, 1, timeout);
    } while (n < 0 && errno == EINTR);
    return n > 0;
}

/* All bytes of the vector (which is used up), or false. */
static bool move(int sock, struct iovec *iov, int n, bool out, int timeout)
{
    while (n > 0) {
        ssize_t done;

        if (!iov->iov_len) {
            iov++;
            n--;
            continue;
        }
        if (!wait_ready(sock, out ? POLLOUT : POLLIN, timeout)) {
            return false;
        }
        if (out) {
            struct msghdr m = { .msg_iov = iov, .msg_iovlen = n };

            done = sendmsg(sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
        } else {
            struct msghdr m = { .msg_iov = iov, .msg_iovlen = n };

            done = recvmsg(sock, &m, MSG_DONTWAIT);
        }
        if (done < 0 && (errno == EINTR || errno == EAGAIN)) {
            continue;
        }
        if (done <= 0) {
            return false;
        }
        while (done > 0) {
            size_t part = MIN((size_t)done, iov->iov_len);

            iov->iov_base = (uint8_t *)iov->iov_base + part;
            iov->iov_len -= part;
            done -= part;
            if (!iov->iov_len) {
                iov++;
                n--;
            }
        }
    }
    return true;
}

static bool move_bytes(int sock, void *buf, size_t len, bool out, int timeout)
{
    struct iovec iov = { buf, len };

    return move(sock, &iov, 1, out, timeout);
}

/* --- requests --- */

static int error_of(uint32_t code)
{
    switch (code) {
    case 0: return 0;
    case 1: return EPERM;
    case 12: return ENOMEM;
    case 22: return EINVAL;
    case 28: return ENOSPC;
    default: return EIO;
    }
}

static int request(Nbd *d, uint16_t type, uint64_t offset, uint32_t len, struct iovec *iov, int n)
{
    uint8_t head[28], reply[16];
    uint32_t code;

    format_put32(head, NBD_REQUEST_MAGIC);
    format_put16(head + 4, 0);
    format_put16(head + 6, type);
    format_put64(head + 8, ++d->handle);
    format_put64(head + 16, offset);
    format_put32(head + 24, len);
    if (d->broken || !move_bytes(d->sock, head, sizeof head, true, -1) ||
        (type == NBD_WRITE && !move(d->sock, iov, n, true, -1)) ||
        !move_bytes(d->sock, reply, sizeof reply, false, -1) ||
        format_be32(reply) != NBD_REPLY_MAGIC || format_be64(reply + 8) != d->handle) {
        d->broken = true;
        return EIO;
    }
    code = format_be32(reply + 4);
    if (type == NBD_READ && !code && !move(d->sock, iov, n, false, -1)) {
        d->broken = true;
        return EIO;
    }
    return error_of(code);
}

/* In pieces of at most NBD_PIECE bytes and NBD_IOV parts. */
static int transfer_data(Nbd *d, uint16_t type, uint64_t offset, const struct iovec *iov, int n)
{
    size_t skip = 0;
    int i = 0, error = 0;

    while (i < n && !error) {
        struct iovec part[NBD_IOV];
        uint32_t len = 0;
        int parts = 0;

        for (; i < n && parts < NBD_IOV && len < NBD_PIECE; parts++) {
            size_t take = MIN(iov[i].iov_len - skip, NBD_PIECE - len);

            part[parts] = (struct iovec){ (uint8_t *)iov[i].iov_base + skip, take };
            len += take;
            skip += take;
            if (skip == iov[i].iov_len) {
                i++;
                skip = 0;
            }
        }
        error = len ? request(d, type, offset, len, part, parts) : 0;
        offset += len;
    }
    return error;
}

static int nbd_transfer(void *opaque, BlockOp op, uint64_t offset, const struct iovec *iov, int n,
                        uint64_t len)
{
    Nbd *d = opaque;
    int error = 0;

    switch (op) {
    case BLOCK_READ: return transfer_data(d, NBD_READ, offset, iov, n);
    case BLOCK_WRITE: return transfer_data(d, NBD_WRITE, offset, iov, n);
    case BLOCK_FLUSH:
        return d->flags & NBD_FLAG_FLUSH ? request(d, NBD_FLUSH, 0, 0, NULL, 0) : 0;
    case BLOCK_TRIM:
        while (len && !error && (d->flags & NBD_FLAG_TRIM)) {
            uint32_t part = MIN(len, 1u << 30);

            error = request(d, NBD_TRIM, offset, part, NULL, 0);
            offset += part;
            len -= part;
        }
        return error;
    }
    return EINVAL;
}

static void nbd_close(void *opaque)
{
    Nbd *d = opaque;

    close(d->sock);                 /* the server ends by that */
    g_free(d);
}

/* --- greeting --- */

static bool greet(int sock, uint64_t *size, uint16_t *flags)
{
    uint8_t hello[18], answer[4 + 16], export[10];

    if (!move_bytes(sock, hello, sizeof hello, false, NBD_WAIT_MS) ||
        memcmp(hello, "NBDMAGICIHAVEOPT", 16) || !(format_be16(hello + 16) & NBD_FIXED) ||
        !(format_be16(hello + 16) & NBD_NO_ZEROES)) {
        return false;
    }
    format_put32(answer, NBD_FIXED | NBD_NO_ZEROES);
    memcpy(answer + 4, "IHAVEOPT", 8);
    format_put32(answer + 12, NBD_EXPORT_NAME);
    format_put32(answer + 16, 0);
    if (!move_bytes(sock, answer, sizeof answer, true, NBD_WAIT_MS) ||
        !move_bytes(sock, export, sizeof export, false, NBD_WAIT_MS)) {
        return false;
    }
    *size = format_be64(export);
    *flags = format_be16(export + 8);
    return *size <= IMAGE_MAX_BYTES;
}

BlockFile *nbd_open(FileQueue *q, int sock, const char *name, bool read_only, GError **error)
{
    Nbd *d = g_new0(Nbd, 1);
    uint64_t size;

    d->sock = sock;
    if (!greet(sock, &size, &d->flags)) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s: qemu-nbd does not answer", name);
    } else if ((d->flags & NBD_FLAG_READ_ONLY) && !read_only) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_READ_ONLY, "%s: qemu-nbd does not write to it",
                    name);
    } else {
        return file_open_remote(q, (FileRemote){ nbd_transfer, nbd_close, d, NULL, NULL }, name,
                                size, read_only, error);
    }
    nbd_close(d);
    return NULL;
}
