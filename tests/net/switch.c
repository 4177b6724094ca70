/* SPDX-License-Identifier: GPL-2.0-or-later */
/* switch.c - the learning switch of private segments. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "net/switch/switch.h"

typedef struct Lab {
    Switch *s;
    int far[4];
    int64_t now;
} Lab;

static void lab_new(Lab *l)
{
    l->s = switch_new();
    l->now = 1000;
    for (unsigned i = 0; i < 4; i++) {
        int ends[2];

        cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends), 0);
        cr_assert(switch_add(l->s, ends[0]));
        l->far[i] = ends[1];
    }
}

static void turn(Lab *l)
{
    struct pollfd polls[SWITCH_PORTS_MAX];
    unsigned n = switch_poll_fill(l->s, polls);

    poll(polls, n, 0);
    switch_poll_done(l->s, polls, n, l->now);
}

static void say(Lab *l, unsigned port, uint8_t to, uint8_t from)
{
    uint8_t frame[60] = { to == 0xff ? 0xff : 2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, from };

    cr_assert_eq(send(l->far[port], frame, sizeof frame, 0), (ssize_t)sizeof frame);
    turn(l);
}

/* Bit n: port n has got a frame. */
static unsigned heard(Lab *l)
{
    uint8_t buf[2000];
    unsigned mask = 0;

    for (unsigned i = 0; i < 4; i++) {
        while (recv(l->far[i], buf, sizeof buf, 0) > 0) {
            mask |= 1u << i;
        }
    }
    return mask;
}

Test(netswitch, an_unknown_address_goes_to_all_and_a_learnt_one_to_its_port)
{
    Lab l;

    lab_new(&l);
    say(&l, 0, 2, 1);
    cr_expect_eq(heard(&l), 0xe);
    say(&l, 2, 1, 2);
    cr_expect_eq(heard(&l), 0x1);
    say(&l, 0, 2, 1);
    cr_expect_eq(heard(&l), 0x4);
    say(&l, 1, 0xff, 3);                /* all */
    cr_expect_eq(heard(&l), 0xd);
    say(&l, 2, 2, 9);                   /* behind the port it comes from */
    cr_expect_eq(heard(&l), 0);
}

Test(netswitch, addresses_move_and_grow_old)
{
    Lab l;

    lab_new(&l);
    say(&l, 0, 0xff, 1);
    say(&l, 3, 0xff, 1);                /* it has moved */
    heard(&l);
    say(&l, 1, 1, 5);
    cr_expect_eq(heard(&l), 0x8);
    l.now += SWITCH_AGE_SECONDS + 1;
    say(&l, 1, 1, 5);
    cr_expect_eq(heard(&l), 0xd);
}

Test(netswitch, a_port_that_goes_takes_its_addresses_along)
{
    Lab l;

    lab_new(&l);
    say(&l, 3, 0xff, 1);
    heard(&l);
    close(l.far[3]);
    turn(&l);
    cr_expect_eq(switch_ports(l.s), 3);
    l.far[3] = -1;
    say(&l, 0, 1, 5);
    cr_expect_eq(heard(&l), 0x6);
}

/* Rows G2, T21: one who does not receive holds up nobody and costs no memory. */
Test(netswitch, a_port_that_does_not_read_loses_frames_and_delays_nobody)
{
    uint8_t frame[1500] = { 0xff }, buf[2000];
    unsigned got = 0;
    Lab l;

    lab_new(&l);
    for (unsigned i = 0; i < 5000; i++) {
        cr_assert_eq(send(l.far[0], frame, sizeof frame, 0), (ssize_t)sizeof frame);
        turn(&l);
        while (recv(l.far[1], buf, sizeof buf, 0) > 0) {
            got++;
        }
    }
    cr_expect_eq(got, 5000);
}

Test(netswitch, short_frames_and_floods_of_addresses_do_no_harm)
{
    Lab l;

    lab_new(&l);
    cr_assert_eq(send(l.far[0], "runt", 4, 0), 4);
    turn(&l);
    cr_expect_eq(heard(&l), 0);
    for (unsigned i = 0; i < 20000; i++) {
        uint8_t frame[14] = { 2, 0, 0, 0, 0, 77, 2, 0, i >> 16, i >> 8, i, i * 7 };

        cr_assert_eq(send(l.far[0], frame, sizeof frame, 0), 14);
        turn(&l);
        heard(&l);
    }
    say(&l, 1, 0xff, 5);
    heard(&l);
    say(&l, 0, 5, 1);
    cr_expect_eq(heard(&l), 0x2);
}

Test(netswitch, ports_are_limited)
{
    Lab l;
    int ends[2];

    lab_new(&l);
    for (unsigned i = 4; i < SWITCH_PORTS_MAX; i++) {
        cr_assert(switch_add(l.s, dup(l.far[0])));
    }
    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    cr_expect_not(switch_add(l.s, ends[0]));
    cr_expect(fcntl(ends[0], F_GETFD) < 0 && errno == EBADF);
    switch_free(l.s);
}
