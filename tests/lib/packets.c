/* SPDX-License-Identifier: GPL-2.0-or-later */
/* packets.c - many packets with one system call: order, limits, ends. */
#include <criterion/criterion.h>
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

Test(packets, all_come_in_their_order_however_slowly_they_are_taken, .timeout = 20)
{
    PacketOut *out = packet_out_new(100000);
    PacketIn *in = packet_in_new(2048);
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

Test(packets, what_waits_is_bounded)
{
    PacketOut *out = packet_out_new(100000);
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
    PacketIn *in = packet_in_new(100);
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
    PacketOut *out = packet_out_new(0);
    PacketIn *in = packet_in_new(100);
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
