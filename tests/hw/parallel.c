/* SPDX-License-Identifier: GPL-2.0-or-later */
/* parallel.c - the parallel port and its printer. */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "hw/devices.h"
#include "line_proto.h"
#include "tests/fake_machine.h"
#include "ui/chardev.h"

#define LPT 0x378

typedef struct Port { FakeMachine *f; int far; } Port;

static Port port_new(bool cable)
{
    Port p = { .f = fake_machine_new(), .far = -1 };
    Device *dev = device_new(&p.f->m, &parallel_class);
    int fds[2];

    if (cable) {
        cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
        p.far = fds[1];
        device_set_pointer(dev, "chardev", chardev_new(fds[0], NULL));
    }
    cr_assert(device_init(dev, NULL));
    return p;
}

static void port_free(Port *p)
{
    if (p->far >= 0) {
        close(p->far);
    }
    fake_machine_free(p->f);
}

static void put(Port *p, uint8_t byte, uint8_t control)
{
    fake_out8(p->f, LPT, byte);
    fake_out8(p->f, LPT + 2, control | 1);
    fake_out8(p->f, LPT + 2, control);
}

/* The next byte of the cable, -1: none. */
static int get(Port *p)
{
    uint8_t packet[sizeof(LineMsg) + LINE_DATA_MAX];
    ssize_t n = recv(p->far, packet, sizeof packet, MSG_DONTWAIT);

    return n == sizeof(LineMsg) + 1 ? packet[sizeof(LineMsg)] : -1;
}

Test(parallel, a_strobe_sends_the_byte_and_is_acknowledged)
{
    Port p = port_new(true);

    cr_assert_eq(fake_in8(p.f, LPT + 1) & 0xf8, 0xd8, "ready, selected, no error");
    put(&p, 'P', 0x0c);
    cr_assert_eq(get(&p), 'P');
    cr_assert_eq(get(&p), -1, "once");
    cr_assert_eq(fake_in8(p.f, LPT + 1) & 0xc4, 0x80, "acknowledge is low, and noted");
    cr_assert_eq(fake_in8(p.f, LPT + 1) & 0xc4, 0xc4);
    cr_assert_eq(p.f->isa_edges[7], 0);
    put(&p, 'Q', 0x1c);
    cr_assert_eq(p.f->isa_edges[7], 1, "an interrupt when its gate is open");
    cr_assert_not(p.f->isa[7]);
    port_free(&p);
}

Test(parallel, a_held_strobe_is_one_byte)
{
    Port p = port_new(true);

    fake_out8(p.f, LPT, 'x');
    for (unsigned i = 0; i < 5; i++) {
        fake_out8(p.f, LPT + 2, 0x0d);
    }
    cr_assert_eq(get(&p), 'x');
    cr_assert_eq(get(&p), -1);
    port_free(&p);
}

Test(parallel, registers_read_back_and_data_turns_round)
{
    Port p = port_new(true);

    fake_out8(p.f, LPT, 0x5a);
    cr_assert_eq(fake_in8(p.f, LPT), 0x5a);
    fake_out8(p.f, LPT + 2, 0x2c);
    cr_assert_eq(fake_in8(p.f, LPT + 2), 0xec);
    cr_assert_eq(fake_in8(p.f, LPT), 0xff, "nobody drives the lines");
    fake_out8(p.f, LPT + 2, 0x0c);
    cr_assert_eq(fake_in8(p.f, LPT), 0x5a);
    port_free(&p);
}

Test(parallel, a_printer_that_takes_nothing_is_busy)
{
    Port p = port_new(true);
    unsigned sent = 0, got = 0;

    while ((fake_in8(p.f, LPT + 1) & 0x80) && sent < 100000) {
        put(&p, sent++, 0x0c);
    }
    cr_assert_lt(sent, 100000);
    put(&p, 0x77, 0x0c);                /* it does not look */
    while (got < sent) {
        int byte = get(&p);

        if (byte < 0) {
            g_main_context_iteration(NULL, FALSE);
            continue;
        }
        cr_assert_eq(byte, got & 0xff);
        got++;
    }
    cr_assert_eq(get(&p), -1);
    cr_assert_eq(fake_in8(p.f, LPT + 1) & 0x80, 0x80);
    port_free(&p);
}

Test(parallel, init_holds_the_printer)
{
    Port p = port_new(true);

    fake_out8(p.f, LPT + 2, 0x08);
    cr_assert_eq(fake_in8(p.f, LPT + 1) & 0x80, 0);
    put(&p, 'x', 0x08);
    cr_assert_eq(get(&p), -1);
    fake_out8(p.f, LPT + 2, 0x0c);
    cr_assert_eq(fake_in8(p.f, LPT + 1) & 0x80, 0x80);
    port_free(&p);
}

Test(parallel, epp_cycles_time_out)
{
    Port p = port_new(true);

    cr_assert_eq(fake_in8(p.f, LPT + 1) & 1, 0);
    cr_assert_eq(fake_in8(p.f, LPT + 4), 0xff);
    cr_assert_eq(fake_in8(p.f, LPT + 1) & 1, 1);
    fake_out8(p.f, LPT + 1, 1);
    cr_assert_eq(fake_in8(p.f, LPT + 1) & 1, 0);
    fake_out8(p.f, LPT + 3, 0);
    cr_assert_eq(fake_in8(p.f, LPT + 1) & 1, 1);
    port_free(&p);
}

Test(parallel, without_a_cable_the_inputs_float)
{
    Port p = port_new(false);

    cr_assert_eq(fake_in8(p.f, LPT + 1), 0x7c);
    put(&p, 'x', 0x0c);
    cr_assert_eq(p.f->isa_edges[7], 0);
    port_free(&p);
}
