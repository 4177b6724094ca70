/* SPDX-License-Identifier: GPL-2.0-or-later */
/* chardev.c - tests of the cable's end in qemu-dm. */
#include "ui/chardev.h"
#include "include/line_proto.h"
#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct Port { size_t room; char got[32]; size_t len; } Port;

static size_t port_room(void *opaque)
{
    return ((Port *)opaque)->room;
}

static void port_receive(void *opaque, const uint8_t *buf, size_t len)
{
    Port *p = opaque;

    memcpy(p->got + p->len, buf, len);
    p->len += len;
    p->room -= len;
}

static void turn(void)
{
    while (g_main_context_iteration(NULL, FALSE)) {
    }
}

Test(chardev, bytes_that_had_no_room_come_when_there_is_some_though_no_others_follow)
{
    struct { LineMsg m; char text[3]; } msg = { { .type = LINE_DATA }, "ok\n" };
    Port port = { .room = 2 };
    ChardevClient client = { .can_receive = port_room, .receive = port_receive, .opaque = &port };
    int ends[2];
    Chardev *c;

    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    c = chardev_new(ends[0], NULL);
    chardev_attach(c, &client);
    cr_assert_eq(send(ends[1], &msg, sizeof msg.m + 3, 0), (ssize_t)sizeof msg.m + 3);
    turn();
    cr_assert_eq(port.len, 2);
    chardev_receive_ready(c);
    turn();
    cr_assert_eq(port.len, 2, "still no room");
    port.room = 1;
    chardev_receive_ready(c);
    cr_assert_eq(port.len, 2, "never inside the call");
    turn();
    cr_assert_arr_eq(port.got, "ok\n", 3);
    chardev_free(c);
    close(ends[1]);
}
