/* SPDX-License-Identifier: GPL-2.0-or-later */
/* uart.c - the 16550A against its data sheet. */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "hw/uart.h"
#include "tests/fake_machine.h"
#include "ui/chardev.h"

#define COM1 0x3f8

typedef struct Line { FakeMachine *f; int far; } Line;

static Line line_new(void)
{
    Line l = { .f = fake_machine_new() };
    int fds[2];
    Device *dev = device_new(&l.f->m, &uart_class);

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    l.far = fds[1];
    device_set_pointer(dev, "chardev", chardev_new(fds[0], fds[0], -1, true, NULL));
    cr_assert(device_init(dev, NULL));
    fake_out8(l.f, COM1 + 4, 0x0b);     /* DTR, RTS, OUT2 */
    return l;
}

static void line_free(Line *l)
{
    close(l->far);
    fake_machine_free(l->f);
}

static void pump(void)
{
    for (unsigned i = 0; i < 20; i++) {
        g_main_context_iteration(NULL, FALSE);
    }
}

Test(uart, sends_what_is_written)
{
    Line l = line_new();
    char buf[8] = "";

    cr_assert_eq(fake_in8(l.f, COM1 + 5) & 0x60, 0x60);
    fake_out8(l.f, COM1, 'A');
    cr_assert_eq(fake_in8(l.f, COM1 + 5) & 0x20, 0, "transmitter is busy for a character time");
    fake_advance(l.f, NS_PER_S / 100);
    cr_assert_eq(read(l.far, buf, sizeof buf), 1);
    cr_assert_eq(buf[0], 'A');
    cr_assert_eq(fake_in8(l.f, COM1 + 5) & 0x60, 0x60);
    line_free(&l);
}

Test(uart, fifo_takes_sixteen)
{
    Line l = line_new();
    char buf[32] = "";

    fake_out8(l.f, COM1 + 2, 0x01);
    for (unsigned i = 0; i < 16; i++) {
        fake_out8(l.f, COM1, 'a' + i);
    }
    fake_advance(l.f, NS_PER_S / 100);
    cr_assert_eq(read(l.far, buf, sizeof buf), 16);
    cr_assert_str_eq(buf, "abcdefghijklmnop");
    line_free(&l);
}

Test(uart, receive_interrupt_and_identification)
{
    Line l = line_new();

    fake_out8(l.f, COM1 + 1, 0x01);
    cr_assert_eq(write(l.far, "x", 1), 1);
    pump();
    cr_assert(l.f->isa[4]);
    cr_assert_eq(fake_in8(l.f, COM1 + 2), 0x04);
    cr_assert_eq(fake_in8(l.f, COM1), 'x');
    cr_assert_not(l.f->isa[4]);
    cr_assert_eq(fake_in8(l.f, COM1 + 2), 0x01);
    line_free(&l);
}

Test(uart, fifo_timeout_after_four_characters)
{
    Line l = line_new();

    fake_out8(l.f, COM1 + 2, 0xc1);     /* trigger at 14 */
    fake_out8(l.f, COM1 + 1, 0x01);
    cr_assert_eq(write(l.far, "xy", 2), 2);
    pump();
    cr_assert_not(l.f->isa[4]);
    fake_advance(l.f, NS_PER_S / 10);
    cr_assert(l.f->isa[4]);
    cr_assert_eq(fake_in8(l.f, COM1 + 2) & 0x0f, 0x0c);
    line_free(&l);
}

Test(uart, thre_interrupt_is_cleared_by_reading_iir)
{
    Line l = line_new();

    fake_out8(l.f, COM1 + 1, 0x02);
    cr_assert(l.f->isa[4]);
    cr_assert_eq(fake_in8(l.f, COM1 + 2) & 0x0f, 0x02);
    cr_assert_not(l.f->isa[4]);
    fake_out8(l.f, COM1, 'z');
    fake_advance(l.f, NS_PER_S / 100);
    cr_assert(l.f->isa[4]);
    line_free(&l);
}

Test(uart, out2_gates_the_interrupt)
{
    Line l = line_new();

    fake_out8(l.f, COM1 + 4, 0x03);
    fake_out8(l.f, COM1 + 1, 0x02);
    cr_assert_not(l.f->isa[4]);
    fake_out8(l.f, COM1 + 4, 0x0b);
    cr_assert(l.f->isa[4]);
    line_free(&l);
}

Test(uart, loopback_wires_outputs_to_inputs)
{
    Line l = line_new();

    fake_out8(l.f, COM1 + 4, 0x10 | 0x0a);      /* loop, RTS, OUT2 */
    cr_assert_eq(fake_in8(l.f, COM1 + 6) & 0xf0, 0x90, "CTS and DCD");
    fake_out8(l.f, COM1, 0x55);
    fake_advance(l.f, NS_PER_S / 100);
    cr_assert_eq(fake_in8(l.f, COM1 + 5) & 1, 1);
    cr_assert_eq(fake_in8(l.f, COM1), 0x55);
    line_free(&l);
}

/* J1: any divisor, zero included. */
Test(uart, every_divisor_is_survived)
{
    Line l = line_new();

    for (unsigned d = 0; d < 65536; d += 257) {
        fake_out8(l.f, COM1 + 3, 0x83);
        fake_out8(l.f, COM1, d);
        fake_out8(l.f, COM1 + 1, d >> 8);
        fake_out8(l.f, COM1 + 3, 0x03);
        fake_out8(l.f, COM1, 'q');
        fake_advance(l.f, NS_PER_S);
    }
    line_free(&l);
}

/* J9: nobody reads the other end. */
Test(uart, no_reader_never_stops_the_guest)
{
    Line l = line_new();

    for (unsigned i = 0; i < 300000; i++) {
        fake_out8(l.f, COM1, i);
        fake_advance(l.f, NS_PER_S / 1000);
        cr_assert_eq(fake_in8(l.f, COM1 + 5) & 0x20, 0x20);
    }
    line_free(&l);
}
