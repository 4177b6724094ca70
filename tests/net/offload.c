/* SPDX-License-Identifier: GPL-2.0-or-later */
/* offload.c, rate.c, pcap.c, tap.c - what stands between a card and a tap. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "net/net.h"
#include "net/offload.h"
#include "net/pcap.h"
#include "net/rate.h"
#include "net/tap.h"

/* The slow and obvious sum of big-endian words. */
static uint16_t reference_sum(const uint8_t *p, size_t len, uint32_t sum)
{
    for (size_t i = 0; i < len; i++) {
        sum += i & 1 ? p[i] : p[i] << 8;
    }
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

static uint32_t pseudo(const uint8_t *frame, bool ipv6, size_t l4_len, unsigned protocol)
{
    return reference_sum(frame + 14 + (ipv6 ? 8 : 12), ipv6 ? 32 : 8, protocol + l4_len);
}

/* One TCP segment with data bytes of pattern; returns its length. */
static size_t make_tcp(uint8_t *f, bool ipv6, size_t data, uint8_t flags, NetOffload *o)
{
    size_t ip_len = ipv6 ? 40 : 20, tcp = 14 + ip_len, len = tcp + 20 + data;

    memset(f, 0, tcp + 20);
    memcpy(f, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02", 12);
    f[12] = ipv6 ? 0x86 : 0x08;
    f[13] = ipv6 ? 0xdd : 0x00;
    if (ipv6) {
        f[14] = 0x60;
        f[14 + 6] = 6;
        f[14 + 8] = 0xfd;
        f[14 + 39] = 2;
    } else {
        f[14] = 0x45;
        f[14 + 5] = 0xfe;               /* identification: wraps */
        f[14 + 4] = 0xff;
        f[14 + 8] = 64;
        f[14 + 9] = 6;
        memcpy(f + 14 + 12, "\x0a\x00\x00\x01\x0a\x00\x00\x02", 8);
    }
    f[tcp + 4] = f[tcp + 5] = f[tcp + 6] = f[tcp + 7] = 0xff;  /* sequence number: wraps */
    f[tcp + 12] = 5 << 4;
    f[tcp + 13] = flags;
    for (size_t i = 0; i < data; i++) {
        f[tcp + 20 + i] = i * 7 + (i >> 8);
    }
    *o = (NetOffload){ .checksum = true, .ipv6 = ipv6, .checksum_start = tcp,
                       .checksum_offset = 16, .header = tcp + 20 };
    return len;
}

typedef struct Pieces {
    unsigned count;
    size_t data, header;
    bool ipv6, wrong;
    uint8_t flags[256];
    const uint8_t *original;
} Pieces;

static void take(void *opaque, const uint8_t *f, size_t len)
{
    Pieces *p = opaque;
    size_t ip = 14, tcp = p->header - 20, part = len - p->header, l4 = len - tcp;
    uint32_t seq = (uint32_t)f[tcp + 4] << 24 | f[tcp + 5] << 16 | f[tcp + 6] << 8 | f[tcp + 7];

    p->wrong |= seq != 0xffffffffu + (uint32_t)p->data;
    p->wrong |= memcmp(f + p->header, p->original + p->header + p->data, part) != 0;
    p->wrong |= reference_sum(f + tcp, l4, pseudo(f, p->ipv6, l4, 6)) != 0xffff;
    if (p->ipv6) {
        p->wrong |= (f[ip + 4] << 8 | f[ip + 5]) != (int)(len - ip - 40);
    } else {
        p->wrong |= (f[ip + 2] << 8 | f[ip + 3]) != (int)(len - ip);
        p->wrong |= (uint16_t)(f[ip + 4] << 8 | f[ip + 5]) != (uint16_t)(0xfffe + p->count);
        p->wrong |= reference_sum(f + ip, 20, 0) != 0xffff;
    }
    p->flags[p->count++ & 255] = f[tcp + 13];
    p->data += part;
}

static void cut_one(bool ipv6, size_t data, unsigned segment)
{
    static uint8_t frame[NET_FRAME_MAX], original[NET_FRAME_MAX];
    NetOffload o;
    size_t len = make_tcp(frame, ipv6, data, 0x80 | 0x10 | 0x08 | 0x01, &o);
    Pieces p = { .header = o.header, .ipv6 = ipv6, .original = original };

    memcpy(original, frame, len);
    o.segment = segment;
    cr_assert(net_offload_valid(&o, frame, len));
    net_offload_finish(&o, frame, len, take, &p);
    cr_expect_not(p.wrong, "ipv6 %d data %zu segment %u", ipv6, data, segment);
    cr_expect_eq(p.data, data);
    cr_expect_eq(p.count, (data + segment - 1) / segment);
    for (unsigned i = 0; i < p.count; i++) {
        uint8_t want = 0x10 | (i == 0 ? 0x80 : 0) | (i == p.count - 1 ? 0x09 : 0);

        cr_expect_eq(p.flags[i], want);
    }
}

Test(offload, a_long_segment_becomes_frames_with_their_own_headers_and_sums)
{
    cut_one(false, 5000, 1448);
    cut_one(false, 4344, 1448);
    cut_one(false, 1449, 1448);
    cut_one(false, 65000, 1460);
    cut_one(true, 5001, 1428);
    cut_one(true, 2 * 1428, 1428);
}

Test(offload, an_open_checksum_is_closed_and_udp_never_gets_zero)
{
    static uint8_t f[2000];
    NetOffload o;
    size_t len = make_tcp(f, false, 333, 0x10, &o);
    Pieces p = { .header = o.header, .original = f };
    uint32_t sum = pseudo(f, false, len - 34, 6);

    f[50] = sum >> 8;                   /* the sender leaves the pseudo header's sum */
    f[51] = sum;
    f[16] = (len - 14) >> 8;
    f[17] = len - 14;
    net_offload_finish(&o, f, len, take, &p);
    cr_expect_eq(reference_sum(f + 34, len - 34, pseudo(f, false, len - 34, 6)), 0xffff);

    memset(f, 0, 60);                   /* a datagram whose sum is ffff */
    f[34] = f[35] = 0xff;
    o = (NetOffload){ .checksum = true, .checksum_start = 34, .checksum_offset = 6 };
    p = (Pieces){ .header = 54, .original = f };
    net_offload_finish(&o, f, 60, take, &p);
    cr_expect_eq(f[40] << 8 | f[41], 0xffff);
}

/* Rows G1, G4: what an offload names must lie in the frame. */
Test(offload, lies_about_lengths_are_refused)
{
    static uint8_t f[4000];
    NetOffload good, o;
    size_t len = make_tcp(f, false, 3000, 0x10, &good);

    good.segment = 1448;
    cr_assert(net_offload_valid(&good, f, len));
    o = good, o.checksum_start = len - 1;
    cr_expect_not(net_offload_valid(&o, f, len));
    o = good, o.checksum_offset = 0xffff;
    cr_expect_not(net_offload_valid(&o, f, len));
    o = good, o.header = len;
    cr_expect_not(net_offload_valid(&o, f, len));
    o = good, o.header = 40;
    cr_expect_not(net_offload_valid(&o, f, len));
    o = good, o.segment = 1;
    cr_expect_not(net_offload_valid(&o, f, len));
    o = good, o.ipv6 = true;
    cr_expect_not(net_offload_valid(&o, f, len));
    o = good, o.checksum = false;
    cr_expect_not(net_offload_valid(&o, f, len));
    o = good, o.checksum_start = 20;
    cr_expect_not(net_offload_valid(&o, f, len));
    f[34 + 12] = 15 << 4;               /* a TCP header longer than the named one */
    cr_expect_not(net_offload_valid(&good, f, len));
}

/* --- tap ------------------------------------------------------------------------------------- */

/* A datagram socket keeps boundaries as a tap does. */
static void tap_pair(int ends[2])
{
    cr_assert_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends), 0);
}

static void send_raw(int fd, const struct virtio_net_hdr *h, const uint8_t *frame, size_t len)
{
    uint8_t all[NET_FRAME_MAX + 100];

    memcpy(all, h, sizeof *h);
    memcpy(all + sizeof *h, frame, len);
    cr_assert_eq(send(fd, all, sizeof *h + len, 0), (ssize_t)(sizeof *h + len));
}

Test(tap, a_header_round_trip_keeps_what_is_left_to_do)
{
    static uint8_t f[4000], back[NET_FRAME_MAX];
    NetOffload o, got;
    size_t len = make_tcp(f, true, 3000, 0x10, &o);
    int ends[2];

    tap_pair(ends);
    o.segment = 1428;
    cr_assert_gt(tap_write(ends[0], true, f, len, &o), 0);
    cr_assert_eq(tap_read(ends[1], true, back, sizeof back, &got), (ssize_t)len);
    cr_expect(got.checksum && got.ipv6);
    cr_expect_eq(got.segment, 1428);
    cr_expect_eq(got.header, o.header);
    cr_expect_eq(got.checksum_start, o.checksum_start);
    cr_expect_eq(memcmp(f, back, len), 0);
    cr_assert_gt(tap_write(ends[0], false, f, len, &(NetOffload){ 0 }), 0);
    cr_expect_eq(tap_read(ends[1], false, back, sizeof back, &got), (ssize_t)len);
    cr_expect(tap_read(ends[1], true, back, sizeof back, &got) < 0);
    close(ends[0]);
    close(ends[1]);
}

Test(tap, broken_headers_cost_their_frame_only)
{
    static uint8_t f[4000], back[NET_FRAME_MAX];
    struct virtio_net_hdr good = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34,
                                   .csum_offset = 16, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
                                   .gso_size = 1448 }, h;
    NetOffload o;
    size_t len = make_tcp(f, false, 3000, 0x10, &o);
    int ends[2];

    tap_pair(ends);
    cr_assert_eq(send(ends[0], "short", 5, 0), 5);
    h = good, h.gso_type = VIRTIO_NET_HDR_GSO_UDP;
    send_raw(ends[0], &h, f, len);
    h = good, h.csum_start = 0xfff0;
    send_raw(ends[0], &h, f, len);
    h = good, h.gso_size = 1;
    send_raw(ends[0], &h, f, len);
    h = good, h.flags = 0;
    send_raw(ends[0], &h, f, len);
    for (unsigned i = 0; i < 5; i++) {
        cr_expect_eq(tap_read(ends[1], true, back, sizeof back, &o), 0, "frame %u", i);
    }
    send_raw(ends[0], &good, f, len);
    cr_expect_eq(tap_read(ends[1], true, back, sizeof back, &o), (ssize_t)len);
    close(ends[0]);
    close(ends[1]);
}

/* --- rate ------------------------------------------------------------------------------------ */

Test(rate, the_average_holds_whatever_the_frames_are)
{
    static const unsigned sizes[] = { 60, 1514, 9000, 65550 };

    for (unsigned i = 0; i < 4; i++) {
        int64_t now = 1000000, start;
        uint64_t sent = 0;
        Rate r;

        rate_set(&r, 62500, 50000, now);        /* 10 Mb/s@50ms */
        start = now;
        while (now < start + 20 * 1000000) {
            if (rate_take(&r, sizes[i], now)) {
                sent += sizes[i];
            } else {
                now += MAX(rate_wait(&r, now), 1);
            }
        }
        cr_expect_geq(sent, 20u * 1250000, "frames of %u", sizes[i]);
        cr_expect_leq(sent, 20u * 1250000 + 62500 + 2 * sizes[i], "frames of %u", sizes[i]);
    }
}

Test(rate, an_idle_time_gives_one_portion_and_no_more)
{
    uint64_t sent = 0;
    Rate r;

    rate_set(&r, 10000, 50000, 0);
    while (rate_take(&r, 1000, INT64_C(1) << 50)) {
        sent += 1000;
    }
    cr_expect_eq(sent, 10000);
}

Test(rate, extreme_settings_do_not_overflow)
{
    Rate r;

    rate_set(&r, UINT64_MAX, UINT32_MAX, 0);
    cr_expect(rate_take(&r, NET_FRAME_MAX, INT64_MAX / 2));
    rate_set(&r, 1, RATE_US_MAX, 0);
    cr_expect(rate_take(&r, NET_FRAME_MAX, 0));
    cr_expect_not(rate_take(&r, 1, 1000000));
    cr_expect_geq(rate_wait(&r, 1000000), INT64_C(65549) * RATE_US_MAX - 1000000);
    rate_set(&r, 0, 0, 0);
    cr_expect(rate_take(&r, 1u << 30, 0));
}

/* --- pcap ------------------------------------------------------------------------------------ */

Test(pcap, records_are_whole_and_end_at_the_limit)
{
    uint32_t h[6], rec[4];
    uint8_t data[100];
    FILE *f = tmpfile();
    Pcap *p = pcap_new(dup(fileno(f)), 24 + 2 * 116 + 50, NULL);

    memset(data, 0xa5, sizeof data);
    cr_assert_not_null(p);
    cr_expect(pcap_frame(p, data, 100));
    cr_expect(pcap_frame(p, data, 100));
    cr_expect_not(pcap_frame(p, data, 100));
    cr_expect_not(pcap_frame(p, data, 1));      /* ended is ended */
    pcap_free(p);
    cr_expect_eq(lseek(fileno(f), 0, SEEK_END), 24 + 2 * 116);
    cr_assert_eq(pread(fileno(f), h, 24, 0), 24);
    cr_expect_eq(h[0], 0xa1b23c4d);
    cr_expect_eq(h[5], 1);
    cr_assert_eq(pread(fileno(f), rec, 16, 24 + 116), 16);
    cr_expect_eq(rec[2], 100);
    cr_expect_eq(rec[3], 100);
    fclose(f);
}

Test(pcap, a_file_that_takes_nothing_is_an_error_or_an_end)
{
    g_autoptr(GError) error = NULL;
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

    cr_expect_null(pcap_new(full, 1000, &error));
    cr_expect_not_null(error);
}
