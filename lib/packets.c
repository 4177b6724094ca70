/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * packets.c - sendmmsg() and recvmmsg() over a packet socket.  Packets to send lie in one piece of
 * memory, each behind its length; those that were sent leave a gap at the begin, which is closed when
 * the end is reached.  A bundle is a part of that memory.
 */
#include "lib/packets.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>

#define LONGEST 65550
#define HEAD sizeof(uint32_t)
#define PACKETS_A_WRITE 64
#define BUNDLE (HEAD + LONGEST)     /* bytes of the longest */
#define BUNDLE_USUAL 32768          /* not begun with more than one packet */

struct PacketOut {
    size_t size, head, tail;
    bool bundles, gone;
    uint8_t *data;
};

struct PacketIn {
    struct mmsghdr msg[PACKETS_A_READ];
    struct iovec iov[PACKETS_A_READ];
    size_t longest;
    bool bundles;
    uint32_t at[PACKETS_A_BUNDLE], len[PACKETS_A_BUNDLE];       /* of a bundle's packets, in data */
    uint8_t *data;
};

PacketOut *packet_out_new(size_t max, bool bundles)
{
    PacketOut *o = g_new0(PacketOut, 1);

    o->bundles = bundles;
    o->size = MAX(max, HEAD + LONGEST);
    o->data = g_malloc(o->size);
    return o;
}

void packet_out_free(PacketOut *o)
{
    if (o) {
        g_free(o->data);
        g_free(o);
    }
}

bool packet_out_waits(const PacketOut *o)
{
    return o->head < o->tail;
}

bool packet_out_gone(const PacketOut *o)
{
    return o->gone;
}

static bool make_room(PacketOut *o, int fd, size_t need)
{
    if (o->size - o->tail >= need) {
        return true;
    }
    packet_out_flush(o, fd);
    if (o->size - o->tail < need && o->head) {
        memmove(o->data, o->data + o->head, o->tail - o->head);
        o->tail -= o->head;
        o->head = 0;
    }
    return o->size - o->tail >= need;
}

bool packet_out_add(PacketOut *o, int fd, const void *packet, size_t len)
{
    uint32_t head = len;

    if (o->gone || len == 0 || len > LONGEST || !make_room(o, fd, HEAD + len)) {
        return false;
    }
    memcpy(o->data + o->tail, &head, HEAD);
    memcpy(o->data + o->tail + HEAD, packet, len);
    o->tail += HEAD + len;
    return true;
}

/* The first n packets that wait are through. */
static void drop_first(PacketOut *o, unsigned n)
{
    for (; n && o->head < o->tail; n--) {
        uint32_t len;

        memcpy(&len, o->data + o->head, HEAD);
        o->head += HEAD + len;
    }
    if (o->head == o->tail) {
        o->head = o->tail = 0;
    }
}

/* A run of whole packets, as they lie there; how many. */
static int send_bundle(const PacketOut *o, int fd)
{
    size_t at = o->head;
    int n = 0;

    while (at < o->tail && n < PACKETS_A_BUNDLE) {
        uint32_t len;

        memcpy(&len, o->data + at, HEAD);
        if (n && at + HEAD + len - o->head > BUNDLE_USUAL) {
            break;
        }
        at += HEAD + len;
        n++;
    }
    return send(fd, o->data + o->head, at - o->head, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -1 : n;
}

static int send_some(PacketOut *o, int fd)
{
    struct mmsghdr msg[PACKETS_A_WRITE] = { 0 };
    struct iovec iov[PACKETS_A_WRITE];
    unsigned n = 0;

    for (size_t at = o->head; at < o->tail && n < PACKETS_A_WRITE; n++) {
        uint32_t len;

        memcpy(&len, o->data + at, HEAD);
        iov[n] = (struct iovec){ o->data + at + HEAD, len };
        msg[n].msg_hdr.msg_iov = &iov[n];
        msg[n].msg_hdr.msg_iovlen = 1;
        at += HEAD + len;
    }
    return n == 1 ? send(fd, iov[0].iov_base, iov[0].iov_len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -1 : 1
           : sendmmsg(fd, msg, n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

bool packet_out_flush(PacketOut *o, int fd)
{
    while (packet_out_waits(o) && !o->gone) {
        int n = o->bundles ? send_bundle(o, fd) : send_some(o, fd);

        if (n > 0) {
            drop_first(o, n);
        } else if (errno == EMSGSIZE) {
            drop_first(o, 1);           /* more than the socket can ever hold */
        } else if (errno == EAGAIN || errno == ENOBUFS) {
            return true;
        } else if (errno != EINTR) {
            o->gone = true;
        }
    }
    if (o->gone) {
        o->head = o->tail = 0;
    }
    return false;
}

PacketIn *packet_in_new(size_t longest, bool bundles)
{
    PacketIn *in = g_new0(PacketIn, 1);

    in->longest = longest;
    in->bundles = bundles;
    in->data = g_malloc(bundles ? BUNDLE : longest * PACKETS_A_READ);
    for (unsigned i = 0; i < PACKETS_A_READ; i++) {
        in->iov[i] = (struct iovec){ in->data + i * longest, longest };
        in->msg[i].msg_hdr.msg_iov = &in->iov[i];
        in->msg[i].msg_hdr.msg_iovlen = 1;
    }
    return in;
}

void packet_in_free(PacketIn *in)
{
    if (in) {
        g_free(in->data);
        g_free(in);
    }
}

static int read_bundle(PacketIn *in, int fd)
{
    ssize_t size = recv(fd, in->data, BUNDLE, MSG_DONTWAIT | MSG_TRUNC), at = 0;
    int n = 0;

    if (size <= 0) {
        return size < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
    }
    while (at < size) {
        uint32_t len;

        if (size > (ssize_t)BUNDLE || size - at < (ssize_t)HEAD || n == PACKETS_A_BUNDLE) {
            return -1;
        }
        memcpy(&len, in->data + at, HEAD);
        at += HEAD;
        if (len > size - at) {
            return -1;
        }
        in->at[n] = at;
        in->len[n++] = len;
        at += len;
    }
    return n;
}

int packet_in_read(PacketIn *in, int fd, unsigned max)
{
    int n;

    if (in->bundles) {
        return read_bundle(in, fd);
    }
    n = recvmmsg(fd, in->msg, MIN(max, PACKETS_A_READ), MSG_DONTWAIT, NULL);
    if (n < 0) {
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    }
    /* Nobody sends empty packets: this is the end, after those that came before it. */
    for (int i = 0; i < n; i++) {
        if (in->msg[i].msg_len == 0) {
            return i ? i : -1;
        }
    }
    return n;
}

size_t packet_in_get(const PacketIn *in, unsigned i, uint8_t **data)
{
    if (in->bundles) {
        *data = in->data + in->at[i];
        return in->len[i] > in->longest ? 0 : in->len[i];
    }
    *data = in->data + i * in->longest;
    return in->msg[i].msg_hdr.msg_flags & MSG_TRUNC ? 0 : in->msg[i].msg_len;
}
