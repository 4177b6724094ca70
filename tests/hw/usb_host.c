/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb_host.c - a device of the host, with a peer in the place of dm-usb: what goes over the socket,
 * how packets are cut and joined, and what a peer that lies can do (nothing).
 */
#include "tests/hw/usb_rig.h"
#include "usb/usb_peer.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct Peer {
    UsbRig *r;
    UsbDevice *u;
    int fd;
    UsbMsg m;                   /* the last request */
    uint8_t data[USB_DATA_MAX];
} Peer;

static const uint8_t descriptors[] = {
    18, 1, 0x10, 1, 0xff, 0, 0, 8, 0x34, 0x12, 0x78, 0x56, 0, 1, 0, 0, 0, 1,
    9, 2, 39, 0, 1, 1, 0, 0x80, 50, 9, 4, 0, 0, 3, 0xff, 0, 0, 0,
    7, 5, 0x81, 2, 64, 0, 0, 7, 5, 0x02, 2, 64, 0, 0, 7, 5, 0x83, 3, 8, 0, 10,
};

static void turn(void)
{
    while (g_main_context_iteration(NULL, FALSE)) {
    }
}

static void say(Peer *p, unsigned type, uint32_t id, int status, unsigned want, const void *data,
                unsigned len)
{
    uint8_t packet[sizeof(UsbMsg) + USB_DATA_MAX];
    UsbMsg m = { .type = type, .id = id, .status = status, .want = want, .len = len };

    memcpy(packet, &m, sizeof m);
    if (data) {
        memcpy(packet + sizeof m, data, len);
    } else {
        memset(packet + sizeof m, 0x5a, len);
    }
    cr_assert_eq(send(p->fd, packet, sizeof m + len, 0), (ssize_t)(sizeof m + len));
    turn();
}

static bool heard(Peer *p)
{
    uint8_t packet[sizeof(UsbMsg) + USB_DATA_MAX];
    ssize_t n = recv(p->fd, packet, sizeof packet, MSG_DONTWAIT);

    if (n < (ssize_t)sizeof p->m) {
        return false;
    }
    memcpy(&p->m, packet, sizeof p->m);
    memcpy(p->data, packet + sizeof p->m, n - sizeof p->m);
    return true;
}

static void hello(Peer *p, unsigned speed)
{
    say(p, USB_MSG_HELLO, 0, speed, USB_PROTO_VERSION, descriptors, sizeof descriptors);
}

static Peer *peer_new(bool plugged, unsigned speed)
{
    Peer *p = g_new0(Peer, 1);
    uint8_t setup[8] = { 0, USB_SET_ADDRESS, 5 };
    int ends[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    p->fd = ends[1];
    p->r = rig_new();
    p->u = (UsbDevice *)device_new(&p->r->f->m, &usb_host_class);
    device_set_pointer(&p->u->dev, "bus", uhci_bus(p->r->uhci));
    device_set_pointer(&p->u->dev, "peer", usb_peer_new(ends[0]));
    device_set_string(&p->u->dev, "name", "host:1234:5678");
    cr_assert(device_init(&p->u->dev, NULL));
    cr_assert_not(rig_in(p->r, PORTSC1) & PORT_CONNECT, "not before the device has come");
    rig_run(p->r);
    if (!plugged) {
        return p;
    }
    hello(p, speed);
    cr_assert(rig_in(p->r, PORTSC1) & PORT_CONNECT);
    rig_open_port(p->r, 0);
    while (heard(p)) {
        cr_assert_eq(p->m.type, USB_MSG_RESET);
    }
    rig_packet(p->r, USB_PID_SETUP, 0, 0, setup, 8, false);
    rig_packet(p->r, USB_PID_IN, 0, 0, NULL, 0, false);
    cr_assert_eq(p->u->address, 5, "the address stays on the guest's bus");
    cr_assert_not(heard(p));
    memcpy(setup, "\0\11\1\0\0\0\0\0", 8);
    rig_packet(p->r, USB_PID_SETUP, 5, 0, setup, 8, false);
    cr_assert(rig_packet(p->r, USB_PID_IN, 5, 0, NULL, 0, false) & RIG_NAK);
    cr_assert(heard(p) && p->m.type == USB_MSG_CONTROL && !memcmp(p->m.setup, setup, 8));
    say(p, USB_MSG_DONE, p->m.id, USB_HOST_OK, 0, descriptors + 18, sizeof descriptors - 18);
    cr_assert_eq(rig_packet(p->r, USB_PID_IN, 5, 0, NULL, 0, false) & RIG_ACTIVE, 0);
    cr_assert_eq(p->u->configuration, 1);
    return p;
}

static void peer_free(Peer *p)
{
    rig_free(p->r);
    close(p->fd);
    g_free(p);
}

static uint32_t in(Peer *p, unsigned endpoint, void *data)
{
    return rig_packet(p->r, USB_PID_IN, 5, endpoint, data, endpoint == 3 ? 8 : 64, false);
}

Test(usb_host, transfer_is_cut_into_packets_and_ends_as_the_device_ended_it)
{
    Peer *p = peer_new(true, USB_HOST_FULL);
    uint8_t bytes[200], d[64];

    for (unsigned i = 0; i < sizeof bytes; i++) {
        bytes[i] = i * 7;
    }
    cr_assert(in(p, 1, NULL) & RIG_NAK);
    cr_assert(heard(p) && p->m.type == USB_MSG_TRANSFER && p->m.endpoint == 0x81 && p->m.kind == 2);
    cr_assert_eq(p->m.want, 64, "as much as is queued");
    say(p, USB_MSG_DONE, p->m.id, USB_HOST_OK, 0, bytes, 64);
    cr_assert_eq(rig_len(in(p, 1, d)), 64);
    cr_assert(!memcmp(d, bytes, 64));
    cr_assert(in(p, 1, NULL) & RIG_NAK, "no empty packet after what was asked for");
    cr_assert(heard(p));
    say(p, USB_MSG_DONE, p->m.id, USB_HOST_OK, 0, NULL, 0);
    cr_assert_eq(rig_len(in(p, 1, d)), 0);
    cr_assert(in(p, 3, NULL) & RIG_NAK);
    cr_assert(heard(p) && p->m.kind == 3 && p->m.want == 8);
    say(p, USB_MSG_DONE, p->m.id, USB_HOST_OK, 0, bytes, 5);
    cr_assert_eq(rig_len(in(p, 3, d)), 5);
    peer_free(p);
}

Test(usb_host, packets_to_the_device_are_joined_until_the_driver_has_no_more)
{
    Peer *p = peer_new(true, USB_HOST_FULL);

    for (unsigned i = 0; i < 3; i++) {
        memset(p->r->f->ram + RIG_DATA + 64 * i, 'a' + i, 64);
        rig_td(p->r, RIG_TD + 16 * i, i == 2 ? RIG_END : RIG_TD + 16 * (i + 1), RIG_ACTIVE,
               USB_PID_OUT, 5, 2, i == 2 ? 10 : 64, RIG_DATA + 64 * i);
    }
    rig_poke(p->r, RIG_QH + 4, RIG_TD);
    rig_frames(p->r, 5);
    cr_assert(heard(p) && p->m.endpoint == 2 && p->m.len == 138);
    cr_assert(p->data[0] == 'a' && p->data[64] == 'b' && p->data[137] == 'c');
    cr_assert_not(heard(p), "one transfer");
    cr_assert(rig_packet(p->r, USB_PID_OUT, 5, 2, "x", 1, false) & RIG_NAK, "until it is done");
    say(p, USB_MSG_DONE, p->m.id, USB_HOST_STALL, 0, NULL, 0);
    cr_assert(rig_packet(p->r, USB_PID_OUT, 5, 2, "x", 1, false) & RIG_STALLED);
    peer_free(p);
}

Test(usb_host, control_reads_and_stalls_come_from_the_device)
{
    Peer *p = peer_new(true, USB_HOST_FULL);
    uint8_t setup[8] = { 0xc0, 1, 2, 3, 4, 5, 6, 0 }, d[8];

    rig_packet(p->r, USB_PID_SETUP, 5, 0, setup, 8, false);
    cr_assert(heard(p) && !memcmp(p->m.setup, setup, 8));
    say(p, USB_MSG_DONE, p->m.id, USB_HOST_OK, 0, "abcdefghijkl", 12);
    cr_assert_eq(rig_len(rig_packet(p->r, USB_PID_IN, 5, 0, d, 8, false)), 6, "not more than asked");
    rig_packet(p->r, USB_PID_SETUP, 5, 0, setup, 8, false);
    cr_assert(heard(p));
    say(p, USB_MSG_DONE, p->m.id, USB_HOST_STALL, 0, NULL, 0);
    cr_assert(rig_packet(p->r, USB_PID_IN, 5, 0, d, 8, false) & RIG_STALLED);
    peer_free(p);
}

Test(usb_host, high_speed_device_shows_what_it_is_at_full_speed)
{
    Peer *p = peer_new(true, USB_HOST_HIGH);
    uint8_t setup[8] = { 0x80, USB_GET_DESCRIPTOR, 0, 2, 0, 0, 39, 0 }, config[39], d[64];

    rig_packet(p->r, USB_PID_SETUP, 5, 0, setup, 8, false);
    cr_assert(heard(p));
    cr_assert_eq(p->m.setup[3], 7, "OTHER_SPEED_CONFIGURATION");
    memcpy(config, descriptors + 18, 39);
    config[1] = 7;
    config[22] = 0;
    config[23] = 2;                         /* 512 */
    say(p, USB_MSG_DONE, p->m.id, USB_HOST_OK, 0, config, 39);
    for (unsigned i = 0; i < 5; i++) {
        rig_packet(p->r, USB_PID_IN, 5, 0, d + 8 * i, 8, false);
    }
    cr_assert_eq(d[1], 2);
    cr_assert_eq(usb_get16(d + 22), 64);
    cr_assert(in(p, 1, NULL) & RIG_NAK);
    cr_assert(heard(p) && p->m.want == 512);
    say(p, USB_MSG_DONE, p->m.id, USB_HOST_OK, 0, NULL, 64);
    cr_assert_eq(rig_len(in(p, 1, d)), 64);
    cr_assert_eq(rig_len(in(p, 1, d)), 0, "its short packet of 64 is none at full speed");
    peer_free(p);
}

Test(usb_host, device_that_is_pulled_out_leaves_its_port)
{
    Peer *p = peer_new(true, USB_HOST_FULL);

    in(p, 1, NULL);
    say(p, USB_MSG_GONE, 0, 0, 0, NULL, 0);
    cr_assert_eq(rig_in(p->r, PORTSC1) & (PORT_CONNECT | PORT_ENABLE), 0);
    peer_free(p);
    p = peer_new(true, USB_HOST_FULL);
    in(p, 1, NULL);
    shutdown(p->fd, SHUT_RDWR);
    turn();
    cr_assert_eq(rig_in(p->r, PORTSC1) & PORT_CONNECT, 0);
    peer_free(p);
}

Test(usb_host, peer_that_lies_is_hung_up_on, .timeout = 60)
{
    unsigned seed = 3;

    for (unsigned i = 0; i < 400; i++) {
        Peer *p = peer_new(i & 1, USB_HOST_FULL);
        uint8_t junk[600];

        for (unsigned n = 0; n < 20; n++) {
            UsbMsg m = { .type = rand_r(&seed) % 4 + 63, .id = rand_r(&seed) % 6,
                         .status = (int)(rand_r(&seed) % 8) - 1, .want = rand_r(&seed) % 3 };
            unsigned len = rand_r(&seed) % 500;

            for (unsigned j = 0; j < sizeof junk; j++) {
                junk[j] = rand_r(&seed) % 5 ? descriptors[j % sizeof descriptors] : rand_r(&seed);
            }
            m.len = rand_r(&seed) % 8 ? len : (unsigned)rand_r(&seed);
            memcpy(junk, &m, sizeof m);
            memcpy(junk + sizeof m, descriptors, rand_r(&seed) & 1 ? sizeof descriptors : 1);
            if (send(p->fd, junk, rand_r(&seed) % 9 ? sizeof m + len : len % 40, MSG_NOSIGNAL) < 0) {
                break;
            }
            turn();
            in(p, 1 + 2 * (rand_r(&seed) & 1), NULL);
            rig_packet(p->r, USB_PID_OUT, 5, 2, NULL, 64, false);
            while (heard(p)) {
            }
        }
        peer_free(p);
    }
}
