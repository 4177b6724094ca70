/* SPDX-License-Identifier: GPL-2.0-or-later */
/* packets.c - many packets with one system call: order, limits, ends. */
#include <criterion/criterion.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "lib/packets.h"

static void pair(int ends[2])
{
    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends), 0);
}

/* Numbers each packet; lengths between 1 and 1500. */
static size_t make(uint8_t *packet, unsigned n)
{
    size_t len = 4 + n * 37 % 1497;

    memset(packet, n, len);
    memcpy(packet, &n, sizeof n);
    return len;
}

static void check(const uint8_t *data, size_t len, unsigned n)
{
    uint8_t want[1504];

    cr_assert_eq(len, make(want, n), "packet %u has %zu bytes", n, len);
    cr_assert_eq(memcmp(data, want, len), 0, "packet %u", n);
}

static unsigned take(PacketIn *in, int fd, unsigned from)
{
    int n = packet_in_read(in, fd, PACKETS_A_READ);

    for (int i = 0; i < n; i++) {
        uint8_t *data;
        size_t len = packet_in_get(in, i, &data);

        check(data, len, from + i);
    }
    return n > 0 ? n : 0;
}

static void slow_taker(bool bundles)
{
    PacketOut *out = packet_out_new(100000, bundles);
    PacketIn *in = packet_in_new(2048, bundles);
    unsigned sent = 0, taken = 0;
    uint8_t packet[1504];
    bool waited = false;
    int ends[2];

    pair(ends);
    while (taken < 5000) {
        for (unsigned i = 0; i < 50 && sent < 5000; i++) {
            size_t len = make(packet, sent);

            if (!packet_out_add(out, ends[0], packet, len)) {
                break;
            }
            sent++;
        }
        waited |= packet_out_flush(out, ends[0]);
        if (waited) {
            taken += take(in, ends[1], taken);
        }
    }
    cr_assert(waited, "the socket never was full");
    cr_assert_not(packet_out_waits(out));
    packet_out_free(out);
    packet_in_free(in);
    close(ends[0]);
    close(ends[1]);
}

Test(packets, all_come_in_their_order_however_slowly_they_are_taken, .timeout = 20)
{
    slow_taker(false);
}

Test(packets, bundles_come_in_their_order_however_slowly_they_are_taken, .timeout = 20)
{
    slow_taker(true);
}

Test(packets, a_bundle_is_one_packet_of_the_socket)
{
    PacketOut *out = packet_out_new(100000, true);
    PacketIn *in = packet_in_new(2048, true);
    uint8_t packet[1504], *data;
    int ends[2];

    pair(ends);
    for (unsigned i = 0; i < 10; i++) {
        cr_assert(packet_out_add(out, ends[0], packet, make(packet, i)));
    }
    cr_assert_not(packet_out_flush(out, ends[0]));
    cr_assert_eq(take(in, ends[1], 0), 10);
    cr_assert_eq(packet_in_read(in, ends[1], 64), 0);
    for (unsigned i = 0; i < 2 * PACKETS_A_BUNDLE + 1; i++) {
        cr_assert(packet_out_add(out, ends[0], "x", 1));
    }
    cr_assert_not(packet_out_flush(out, ends[0]));
    cr_expect_eq(packet_in_read(in, ends[1], 64), PACKETS_A_BUNDLE);
    cr_expect_eq(packet_in_read(in, ends[1], 64), PACKETS_A_BUNDLE);
    cr_expect_eq(packet_in_read(in, ends[1], 64), 1);
    cr_expect_eq(packet_in_get(in, 0, &data), 1);
    cr_expect_eq(*data, 'x');
    packet_out_free(out);
    packet_in_free(in);
    close(ends[0]);
    close(ends[1]);
}

/* The longest, and one that this receiver does not want, with others around them. */
Test(packets, too_long_ones_of_a_bundle_are_lost_and_others_are_not)
{
    PacketOut *out = packet_out_new(1 << 20, true);
    PacketIn *in = packet_in_new(100, true);
    g_autofree uint8_t *longest = g_malloc0(65550);
    uint8_t *data;
    int ends[2];

    pair(ends);
    cr_assert(packet_out_add(out, ends[0], "one", 3));
    cr_assert(packet_out_add(out, ends[0], longest, 101));
    cr_assert(packet_out_add(out, ends[0], "three", 5));
    cr_assert(packet_out_add(out, ends[0], longest, 65550));
    cr_assert(packet_out_add(out, ends[0], longest, 100));
    cr_assert_not(packet_out_flush(out, ends[0]));
    cr_assert_eq(packet_in_read(in, ends[1], 64), 3);
    cr_assert_eq(packet_in_get(in, 0, &data), 3);
    cr_assert_eq(packet_in_get(in, 1, &data), 0);
    cr_assert_eq(packet_in_get(in, 2, &data), 5);
    cr_assert_eq(memcmp(data, "three", 5), 0);
    cr_assert_eq(packet_in_read(in, ends[1], 64), 1);
    cr_assert_eq(packet_in_get(in, 0, &data), 0);
    cr_assert_eq(packet_in_read(in, ends[1], 64), 1);
    cr_assert_eq(packet_in_get(in, 0, &data), 100);
    packet_out_free(out);
    packet_in_free(in);
    close(ends[0]);
    close(ends[1]);
}

static int read_of(const void *bundle, size_t len)
{
    PacketIn *in = packet_in_new(2048, true);
    int ends[2], n;

    pair(ends);
    cr_assert_eq(send(ends[0], bundle, len, 0), (ssize_t)len);
    n = packet_in_read(in, ends[1], 64);
    packet_in_free(in);
    close(ends[0]);
    close(ends[1]);
    return n;
}

/* The peer is then given up: nothing is read past what came. */
Test(packets, broken_bundles_are_the_end)
{
    static const uint32_t lengths[] = { 5, 0x7fffffff, 0x80000000, 0xfffffff8, UINT32_MAX };
    static uint8_t many[4 * (PACKETS_A_BUNDLE + 1)], huge[65560];
    uint8_t b[8] = { 0 };

    for (unsigned i = 0; i < G_N_ELEMENTS(lengths); i++) {
        memcpy(b, &lengths[i], 4);
        cr_expect_eq(read_of(b, sizeof b), -1, "length %x", lengths[i]);
    }
    cr_expect_eq(read_of(b, 3), -1, "half a length");
    cr_expect_eq(read_of(many, sizeof many - 4), PACKETS_A_BUNDLE, "empty ones");
    cr_expect_eq(read_of(many, sizeof many), -1, "too many");
    cr_expect_eq(read_of(huge, sizeof huge), -1, "longer than the longest");
}

Test(packets, what_waits_is_bounded)
{
    PacketOut *out = packet_out_new(100000, false);
    uint8_t packet[1500] = { 0 };
    unsigned n = 0;
    int ends[2];

    pair(ends);
    while (n < 100000 && packet_out_add(out, ends[0], packet, sizeof packet)) {
        n++;
    }
    cr_assert_lt(n, 2000);
    cr_assert(packet_out_flush(out, ends[0]));
    cr_assert_not(packet_out_add(out, ends[0], packet, 0));
    cr_assert_not(packet_out_add(out, ends[0], packet, 65551));
    packet_out_free(out);
    close(ends[0]);
    close(ends[1]);
}

Test(packets, too_long_ones_are_lost_and_others_are_not)
{
    PacketIn *in = packet_in_new(100, false);
    uint8_t packet[200] = { 1 }, *data;
    int ends[2];

    pair(ends);
    cr_assert_eq(send(ends[0], packet, 100, 0), 100);
    cr_assert_eq(send(ends[0], packet, 101, 0), 101);
    cr_assert_eq(send(ends[0], packet, 7, 0), 7);
    cr_assert_eq(packet_in_read(in, ends[1], 2), 2);
    cr_assert_eq(packet_in_get(in, 0, &data), 100);
    cr_assert_eq(packet_in_get(in, 1, &data), 0);
    cr_assert_eq(packet_in_read(in, ends[1], 64), 1);
    cr_assert_eq(packet_in_get(in, 0, &data), 7);
    cr_assert_eq(packet_in_read(in, ends[1], 64), 0);
    packet_in_free(in);
    close(ends[0]);
    close(ends[1]);
}

Test(packets, the_end_comes_after_the_last_packet)
{
    PacketOut *out = packet_out_new(0, false);
    PacketIn *in = packet_in_new(100, false);
    int ends[2];

    pair(ends);
    cr_assert(packet_out_add(out, ends[0], "one", 3));
    cr_assert(packet_out_add(out, ends[0], "two", 3));
    cr_assert_not(packet_out_flush(out, ends[0]));
    close(ends[0]);
    cr_assert_eq(packet_in_read(in, ends[1], 64), 2);
    cr_assert_eq(packet_in_read(in, ends[1], 64), -1);
    close(ends[1]);
    pair(ends);
    close(ends[1]);
    cr_assert(packet_out_add(out, ends[0], "three", 5));
    cr_assert_not(packet_out_flush(out, ends[0]));
    cr_assert(packet_out_gone(out));
    cr_assert_not(packet_out_waits(out));
    packet_out_free(out);
    packet_in_free(in);
    close(ends[0]);
}
