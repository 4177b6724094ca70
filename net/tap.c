/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tap.c - a tap's frames, each behind the header of virtio (virtio 1.2, 5.1.6, the 10 bytes of the
 * legacy form in the host's byte order) that carries open checksums and segment sizes.  UDP
 * segmentation is not asked for by xend and refused here.
 */
#include "net/tap.h"

#include <errno.h>
#include <linux/virtio_net.h>
#include <string.h>
#include <sys/uio.h>
#include "net/offload.h"

static bool from_header(const struct virtio_net_hdr *h, NetOffload *o)
{
    unsigned type = h->gso_type & ~VIRTIO_NET_HDR_GSO_ECN;

    *o = (NetOffload){ 0 };
    if (h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
        o->checksum = true;
        o->checksum_start = h->csum_start;
        o->checksum_offset = h->csum_offset;
    }
    if (type == VIRTIO_NET_HDR_GSO_NONE) {
        return true;
    }
    o->ipv6 = type == VIRTIO_NET_HDR_GSO_TCPV6;
    o->segment = h->gso_size;
    return o->ipv6 || type == VIRTIO_NET_HDR_GSO_TCPV4;
}

ssize_t tap_read(int fd, bool vnet, uint8_t *buf, size_t size, NetOffload *o)
{
    struct virtio_net_hdr h = { 0 };
    struct iovec iov[2] = { { &h, vnet ? sizeof h : 0 }, { buf, size } };
    ssize_t n = readv(fd, iov + !vnet, 1 + vnet);

    *o = (NetOffload){ 0 };
    if (n < 0 || !vnet) {
        return n;
    }
    if (n <= (ssize_t)sizeof h) {
        return 0;
    }
    n -= sizeof h;
    if (!from_header(&h, o)) {
        return 0;
    }
    if (o->segment) {
        /* The kernel's hdr_len is a hint only: the TCP header says where the data begins. */
        if (!o->checksum || o->checksum_start + 20 > n) {
            return 0;
        }
        o->header = o->checksum_start + (buf[o->checksum_start + 12] >> 4) * 4;
        if (o->header >= n) {
            o->segment = 0;             /* no data: nothing to cut */
            o->header = 0;
        }
    }
    return net_offload_valid(o, buf, n) ? n : 0;
}

ssize_t tap_write(int fd, bool vnet, const uint8_t *frame, size_t len, const NetOffload *o)
{
    struct virtio_net_hdr h = { 0 };
    struct iovec iov[2] = { { &h, sizeof h }, { (void *)(uintptr_t)frame, len } };
    ssize_t n;

    if (o->checksum) {
        h.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        h.csum_start = o->checksum_start;
        h.csum_offset = o->checksum_offset;
    }
    if (o->segment && len - o->header > o->segment) {
        h.gso_type = o->ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
        h.gso_size = o->segment;
        h.hdr_len = o->header;
    }
    do {
        n = writev(fd, iov + !vnet, 1 + vnet);
    } while (n < 0 && errno == EINTR);
    return n;
}
