/* SPDX-License-Identifier: GPL-2.0-or-later */
/* port.c - a NIC's port over a tap, its limit, its capture, and cables changed while it runs. */
#include <criterion/criterion.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "net/net.h"

typedef struct Card {
    unsigned frames, room, downs, ups;
    size_t last, bytes;
} Card;

static bool can_receive(void *opaque)
{
    return ((Card *)opaque)->room > 0;
}

static void receive(void *opaque, const uint8_t *frame, size_t len)
{
    Card *c = opaque;

    (void)frame;
    c->room--;
    c->frames++;
    c->last = len;
    c->bytes += len;
}

static void link_changed(void *opaque, bool up)
{
    Card *c = opaque;

    c->ups += up;
    c->downs += !up;
}

static void pump(unsigned turns)
{
    for (unsigned i = 0; i < turns; i++) {
        g_main_context_iteration(NULL, FALSE);
    }
}

static NetPort *tap_port(Card *c, int *far)
{
    NetClient client = { can_receive, receive, link_changed, c };
    int ends[2];
    NetPort *p;

    cr_assert_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
    p = net_port_new_tap(ends[0], true, NULL);
    net_attach(p, &client);
    *far = ends[1];
    return p;
}

static void send_long_segment(int far, size_t data, unsigned segment)
{
    static uint8_t all[NET_FRAME_MAX + 20];
    struct virtio_net_hdr h = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34,
                                .csum_offset = 16, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
                                .gso_size = segment };
    uint8_t *f = all + sizeof h;

    memcpy(all, &h, sizeof h);
    memset(f, 0, 54);
    f[12] = 0x08;
    f[14] = 0x45;
    f[14 + 9] = 6;
    f[34 + 12] = 5 << 4;
    cr_assert_gt(send(far, all, sizeof h + 54 + data, MSG_DONTWAIT), 0);
}

Test(port, a_long_segment_of_the_tap_arrives_as_frames_that_fit)
{
    Card c = { .room = 100 };
    int far;
    NetPort *p = tap_port(&c, &far);

    send_long_segment(far, 14480, 1448);
    pump(20);
    cr_expect_eq(c.frames, 10);
    cr_expect_eq(c.last, 54 + 1448);
    net_port_free(p);
    close(far);
}

/* Row G2: the queue stays bounded with the worst segments too. */
Test(port, segments_to_a_card_without_room_stay_bounded)
{
    Card c = { .room = 0 };
    int far;
    NetPort *p = tap_port(&c, &far);

    for (unsigned i = 0; i < 2; i++) {
        send_long_segment(far, 60000, 48);      /* 1250 frames each */
        pump(4);
    }
    c.room = 1000000;
    net_receive_ready(p);
    pump(2000);
    cr_expect_eq(c.frames, 64 + 1024 + 1250);   /* the second waited in the tap */
    net_port_free(p);
    close(far);
}

Test(port, offloads_go_to_a_tap_as_they_are_and_to_a_socket_in_pieces)
{
    static uint8_t f[5054];
    NetOffload o = { .checksum = true, .checksum_start = 34, .checksum_offset = 16, .segment = 1000,
                     .header = 54 };
    Card c = { 0 };
    uint8_t buf[8000];
    int far, ends[2], count = 0;
    NetPort *p = tap_port(&c, &far);

    f[12] = 0x08;
    f[14] = 0x45;
    f[34 + 12] = 5 << 4;
    net_send_offload(p, f, sizeof f, &o);
    cr_expect_eq(recv(far, buf, sizeof buf, MSG_DONTWAIT), 10 + (ssize_t)sizeof f);
    cr_expect_eq(((struct virtio_net_hdr *)buf)->gso_size, 1000);
    net_port_free(p);
    close(far);

    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    p = net_port_new_socket(ends[0], NULL);
    net_send_offload(p, f, sizeof f, &o);
    while (recv(ends[1], buf, sizeof buf, MSG_DONTWAIT) == 1054) {
        count++;
    }
    cr_expect_eq(count, 5);
    o.header = 6000;                    /* beyond the frame: nothing is sent */
    net_send_offload(p, f, sizeof f, &o);
    cr_expect(recv(ends[1], buf, sizeof buf, MSG_DONTWAIT) < 0);
    net_port_free(p);
    close(ends[1]);
}

Test(port, a_limit_delays_frames_and_drops_when_too_many_wait)
{
    static uint8_t f[1500], buf[2000];
    int ends[2];
    unsigned at_once = 0, later = 0;
    gint64 end;
    NetPort *p;

    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    p = net_port_new_socket(ends[0], NULL);
    net_port_limit(p, 15000, 10000);    /* ten frames each 10 ms */
    for (unsigned i = 0; i < 2000; i++) {
        net_send(p, f, sizeof f);
    }
    while (recv(ends[1], buf, sizeof buf, MSG_DONTWAIT) > 0) {
        at_once++;
    }
    cr_expect_geq(at_once, 10);
    cr_expect_leq(at_once, 60);
    end = g_get_monotonic_time() + 2000000;
    while (g_get_monotonic_time() < end) {
        g_main_context_iteration(NULL, FALSE);
        while (recv(ends[1], buf, sizeof buf, MSG_DONTWAIT) > 0) {
            later++;
        }
        g_usleep(500);
    }
    cr_expect_geq(later, 340);          /* half a mebibyte waited, the rest was dropped */
    cr_expect_leq(at_once + later, 480);
    net_port_free(p);
    close(ends[1]);
}

Test(port, a_cable_can_be_pulled_and_plugged_elsewhere)
{
    Card c = { .room = 10 };
    int far, ends[2];
    NetPort *p = tap_port(&c, &far);
    uint8_t buf[100];

    net_port_replug(p, net_port_new_null());
    cr_expect_not(net_link_up(p));
    cr_expect_eq(c.downs, 1);
    net_send(p, "to nowhere....", 14);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    net_port_replug(p, net_port_new_socket(ends[0], NULL));
    cr_expect_eq(c.ups, 1);
    net_send(p, "to the other..", 14);
    cr_expect_eq(recv(ends[1], buf, sizeof buf, MSG_DONTWAIT), 14);
    cr_assert_eq(send(ends[1], "and back......", 14, 0), 14);
    pump(10);
    cr_expect_eq(c.frames, 1);
    net_port_free(p);
    close(far);
    close(ends[1]);
}

Test(port, a_capture_has_both_directions_and_can_be_ended)
{
    Card c = { .room = 10 };
    FILE *f = tmpfile();
    int ends[2];
    NetClient client = { can_receive, receive, link_changed, &c };
    NetPort *p;

    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    p = net_port_new_socket(ends[0], NULL);
    net_attach(p, &client);
    cr_assert(net_port_dump(p, dup(fileno(f)), 1 << 20, NULL));
    net_send(p, "one...........", 14);
    cr_assert_eq(send(ends[1], "two...........", 14, 0), 14);
    pump(10);
    cr_assert(net_port_dump(p, -1, 0, NULL));
    net_send(p, "three.........", 14);
    cr_expect_eq(lseek(fileno(f), 0, SEEK_END), 24 + 2 * (16 + 14));
    net_port_free(p);
    close(ends[1]);
    fclose(f);
}
