/* SPDX-License-Identifier: GPL-2.0-or-later */
/* uart.c - the 16550A against its data sheet. */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "hw/uart.h"
#include "line_proto.h"
#include "tests/fake_machine.h"
#include "ui/chardev.h"

#define COM1 0x3f8

typedef struct Line { FakeMachine *f; int far; } Line;

static Line line_new(void)
{
    Line l = { .f = fake_machine_new() };
    int fds[2];
    Device *dev = device_new(&l.f->m, &uart_class);

    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
    l.far = fds[1];
    device_set_pointer(dev, "chardev", chardev_new(fds[0], NULL));
    cr_assert(device_init(dev, NULL));
    fake_out8(l.f, COM1 + 4, 0x0b);     /* DTR, RTS, OUT2 */
    return l;
}

/* Bytes that came out, and the last state of each kind. */
static ssize_t line_read(Line *l, char *buf, size_t size, LineMsg state[5])
{
    uint8_t packet[sizeof(LineMsg) + LINE_DATA_MAX];
    size_t used = 0;
    LineMsg m;
    ssize_t n;

    while ((n = recv(l->far, packet, sizeof packet, MSG_DONTWAIT)) >= (ssize_t)sizeof m) {
        memcpy(&m, packet, sizeof m);
        cr_assert_lt(m.type, 5);
        if (state) {
            state[m.type] = m;
        }
        if (m.type == LINE_DATA) {
            cr_assert_leq(used + n - sizeof m, size);
            memcpy(buf + used, packet + sizeof m, n - sizeof m);
            used += n - sizeof m;
        }
    }
    return used;
}

static void line_write(Line *l, uint32_t type, uint32_t a, const char *text)
{
    uint8_t packet[sizeof(LineMsg) + LINE_DATA_MAX];
    LineMsg m = { type, a, 0 };
    size_t len = text ? strlen(text) : 0;

    memcpy(packet, &m, sizeof m);
    memcpy(packet + sizeof m, text ? text : "", len);
    cr_assert_eq(send(l->far, packet, sizeof m + len, 0), (ssize_t)(sizeof m + len));
    for (unsigned i = 0; i < 20; i++) {
        g_main_context_iteration(NULL, FALSE);
    }
}

static void line_free(Line *l)
{
    close(l->far);
    fake_machine_free(l->f);
}

Test(uart, sends_what_is_written)
{
    Line l = line_new();
    char buf[8] = "";

    cr_assert_eq(fake_in8(l.f, COM1 + 5) & 0x60, 0x60);
    fake_out8(l.f, COM1, 'A');
    cr_assert_eq(fake_in8(l.f, COM1 + 5) & 0x60, 0x60, "the line takes it at once");
    fake_advance(l.f, NS_PER_S / 100);
    cr_assert_eq(line_read(&l, buf, sizeof buf, NULL), 1);
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
    cr_assert_eq(line_read(&l, buf, sizeof buf, NULL), 16);
    cr_assert_str_eq(buf, "abcdefghijklmnop");
    line_free(&l);
}

Test(uart, a_full_line_fills_the_transmitter)
{
    Line l = line_new();
    unsigned sent = 0;
    char last[2048];

    fake_out8(l.f, COM1 + 2, 0x01);
    fake_out8(l.f, COM1 + 1, 0x02);
    fake_in8(l.f, COM1 + 2);
    while ((fake_in8(l.f, COM1 + 5) & 0x60) && sent < sizeof last) {
        fake_out8(l.f, COM1, sent++);
    }
    cr_assert_eq(sent, 1024, "no time has passed");
    cr_assert_not(l.f->isa[4]);
    for (unsigned i = 0; i < 20; i++) {
        fake_out8(l.f, COM1, 0xf0);
    }
    fake_out8(l.f, COM1 + 2, 0x05);             /* clears the FIFO, not the line */
    fake_advance(l.f, NS_PER_S / 1000);
    cr_assert_eq(fake_in8(l.f, COM1 + 5) & 0x60, 0x60);
    cr_assert_eq(line_read(&l, last, sizeof last, NULL), 1024);
    cr_assert_eq(last[0], 0);
    cr_assert_eq((uint8_t)last[1023], 0xff);
    line_free(&l);
}

Test(uart, loopback_and_reset_keep_what_was_sent)
{
    Line l = line_new();
    char buf[8] = "";

    fake_out8(l.f, COM1, 'a');
    fake_out8(l.f, COM1 + 4, 0x10);
    fake_out8(l.f, COM1, 'x');
    cr_assert_eq(fake_in8(l.f, COM1 + 5) & 0x60, 0, "in loopback a character takes its time");
    fake_out8(l.f, COM1 + 4, 0);
    fake_out8(l.f, COM1, 'b');
    machine_reset(&l.f->m);
    cr_assert_eq(line_read(&l, buf, sizeof buf, NULL), 2);
    cr_assert_str_eq(buf, "ab");
    line_free(&l);
}

Test(uart, receive_interrupt_and_identification)
{
    Line l = line_new();

    fake_out8(l.f, COM1 + 1, 0x01);
    line_write(&l, LINE_DATA, 0, "x");
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
    line_write(&l, LINE_DATA, 0, "xy");
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

    unsigned held = 0;
    char buf[8];

    for (unsigned i = 0; i < 100000; i++) {
        fake_out8(l.f, COM1, i);
        fake_advance(l.f, NS_PER_S / 1000);
        held += !(fake_in8(l.f, COM1 + 5) & 0x20);
    }
    cr_assert_leq(held, 1001, "held up for a second, once");
    while (recv(l.far, buf, sizeof buf, MSG_DONTWAIT) > 0) {
    }
    for (unsigned i = 0; i < 20; i++) {
        g_main_context_iteration(NULL, FALSE);
    }
    fake_out8(l.f, COM1, 'z');
    fake_advance(l.f, NS_PER_S / 1000);
    cr_assert_eq(line_read(&l, buf, sizeof buf, NULL), 1, "and goes on when there is room");
    line_free(&l);
}

Test(uart, a_break_is_a_marked_zero_in_its_place)
{
    Line l = line_new();

    fake_out8(l.f, COM1 + 2, 0x41);     /* FIFO, trigger at 4 */
    fake_out8(l.f, COM1 + 1, 0x05);
    line_write(&l, LINE_DATA, 0, "a");
    fake_advance(l.f, NS_PER_MS);
    line_write(&l, LINE_BREAK, 1, NULL);
    line_write(&l, LINE_BREAK, 0, NULL);
    line_write(&l, LINE_DATA, 0, "b");
    cr_assert_eq(fake_in8(l.f, COM1 + 5) & 0x9f, 0x81, "data, an error further down the FIFO");
    cr_assert_eq(fake_in8(l.f, COM1), 'a');
    cr_assert(l.f->isa[4]);
    cr_assert_eq(fake_in8(l.f, COM1 + 2) & 0x0f, 0x06, "line status");
    cr_assert_eq(fake_in8(l.f, COM1 + 5) & 0x9f, 0x91, "now it is on top");
    cr_assert_eq(fake_in8(l.f, COM1 + 5) & 0x1e, 0, "reading clears it");
    cr_assert_eq(fake_in8(l.f, COM1), 0);
    cr_assert_eq(fake_in8(l.f, COM1 + 5) & 0x9f, 0x01);
    cr_assert_eq(fake_in8(l.f, COM1), 'b');
    line_free(&l);
}

Test(uart, modem_inputs_follow_the_cable_and_interrupt)
{
    Line l = line_new();

    cr_assert_eq(fake_in8(l.f, COM1 + 6) & 0xf0, 0xb0);
    fake_in8(l.f, COM1 + 6);
    fake_out8(l.f, COM1 + 1, 0x08);
    line_write(&l, LINE_MODEM, LINE_CTS | LINE_DSR | LINE_RI, NULL);
    cr_assert(l.f->isa[4]);
    cr_assert_eq(fake_in8(l.f, COM1 + 2), 0x00);
    cr_assert_eq(fake_in8(l.f, COM1 + 6), 0x78, "carrier lost; ringing began");
    cr_assert_not(l.f->isa[4]);
    line_write(&l, LINE_MODEM, LINE_CTS | LINE_DSR, NULL);
    cr_assert_eq(fake_in8(l.f, COM1 + 6), 0x34, "trailing edge of the ring");
    line_free(&l);
}

Test(uart, the_cable_learns_speed_format_break_and_outputs)
{
    Line l = line_new();
    LineMsg state[5] = { 0 };
    char buf[8];

    fake_out8(l.f, COM1 + 3, 0x9f);     /* DLAB, 8 bits, 2 stops, even parity */
    fake_out8(l.f, COM1, 12);
    fake_out8(l.f, COM1 + 3, 0x5f);     /* and break */
    fake_out8(l.f, COM1 + 4, 0x01);
    line_read(&l, buf, sizeof buf, state);
    cr_assert_eq(state[LINE_PARAMS].a, 9600);
    cr_assert_eq(state[LINE_PARAMS].b, 8 | LINE_TWO_STOPS | LINE_PARITY | LINE_EVEN);
    cr_assert_eq(state[LINE_BREAK].a, 1);
    cr_assert_eq(state[LINE_MODEM].a, LINE_DTR);
    fake_out8(l.f, COM1 + 4, 0x11);     /* loopback lets go of the outputs */
    line_read(&l, buf, sizeof buf, state);
    cr_assert_eq(state[LINE_BREAK].a, 0);
    cr_assert_eq(state[LINE_MODEM].a, 0);
    line_free(&l);
}

Test(uart, overrun_keeps_the_fifo_and_says_so)
{
    Line l = line_new();

    fake_out8(l.f, COM1 + 2, 0x01);
    fake_out8(l.f, COM1 + 4, 0x1b);
    for (unsigned i = 0; i < 17; i++) {
        fake_out8(l.f, COM1, 'a' + i);
        fake_advance(l.f, NS_PER_S / 100);
    }
    cr_assert_eq(fake_in8(l.f, COM1 + 5) & 0x1f, 0x03, "overrun");
    for (unsigned i = 0; i < 16; i++) {
        cr_assert_eq(fake_in8(l.f, COM1), 'a' + i);
    }
    cr_assert_eq(fake_in8(l.f, COM1 + 5) & 0x1f, 0);
    line_free(&l);
}

Test(uart, the_receiver_is_no_faster_than_the_line)
{
    Line l = line_new();
    unsigned got = 0;

    fake_out8(l.f, COM1 + 2, 0x01);
    fake_out8(l.f, COM1 + 3, 0x83);
    fake_out8(l.f, COM1, 12);           /* 9600, 8N1: 960 a second */
    fake_out8(l.f, COM1 + 3, 0x03);
    for (unsigned i = 0; i < 10; i++) {
        line_write(&l, LINE_DATA, 0, "0123456789012345678901234567890123456789");
    }
    for (unsigned ms = 0; ms < 200; ms++) {
        while (fake_in8(l.f, COM1 + 5) & 1) {
            cr_assert_eq(fake_in8(l.f, COM1), '0' + got++ % 40 % 10);
        }
        fake_advance(l.f, NS_PER_MS);
        for (unsigned i = 0; i < 5; i++) {
            g_main_context_iteration(NULL, FALSE);
        }
    }
    cr_assert_leq(got, 192 + 16);
    cr_assert_geq(got, 150);
    line_free(&l);
}

Test(uart, the_rest_of_a_packet_comes_without_another)
{
    Line l = line_new();
    unsigned got = 0;

    fake_out8(l.f, COM1 + 2, 0x01);
    line_write(&l, LINE_DATA, 0, "a");
    line_write(&l, LINE_DATA, 0, "twenty-six characters here");
    for (unsigned i = 0; i < 200; i++) {
        while (fake_in8(l.f, COM1 + 5) & 1) {
            fake_in8(l.f, COM1);
            got++;
        }
        fake_advance(l.f, NS_PER_MS);
        for (unsigned j = 0; j < 5; j++) {
            g_main_context_iteration(NULL, FALSE);
        }
    }
    cr_assert_eq(got, 27, "%u", got);
    line_free(&l);
}

/* The other end says nothing sensible. */
Test(uart, odd_packets_are_ignored)
{
    Line l = line_new();
    uint8_t junk[2000];

    memset(junk, 0xff, sizeof junk);
    for (size_t n = 1; n < sizeof junk; n += 37) {
        cr_assert_eq(send(l.far, junk, n, 0), (ssize_t)n);
        g_main_context_iteration(NULL, FALSE);
    }
    line_write(&l, LINE_DATA, 0, "ok");
    cr_assert_eq(fake_in8(l.f, COM1), 'o');
    line_free(&l);
}

static void count_line(void *opaque, unsigned n, bool level)
{
    (void)n;
    (void)level;
    ++*(unsigned *)opaque;
}

/* Each time is a message to the other process. */
Test(uart, the_scratch_register_says_nothing_of_the_interrupt)
{
    Line l = line_new();
    unsigned told = 0;

    irq_init(&l.f->m.isa_irq[4], count_line, &told, 4);
    fake_out8(l.f, COM1 + 7, 0x5a);
    cr_expect_eq(told, 0);
    cr_expect_eq(fake_in8(l.f, COM1 + 7), 0x5a);
    fake_out8(l.f, COM1 + 1, 2);
    cr_expect_gt(told, 0);
    close(l.far);
    fake_machine_free(l.f);
}
