/* SPDX-License-Identifier: GPL-2.0-or-later */
/* i8042.c - keyboard controller and PS/2 devices as a driver sees them. */
#include <criterion/criterion.h>
#include "hw/devices.h"
#include "pc_layout.h"
#include "tests/fake_machine.h"
#include "ui/viewer.h"

typedef struct Guest {
    FakeMachine *f;
    Input *input;
} Guest;

static Guest *guest_new(void)
{
    Guest *g = g_new0(Guest, 1);
    Device *dev;

    g->f = fake_machine_new();
    g->input = input_new();
    dev = device_new(&g->f->m, &i8042_class);
    device_set_pointer(dev, "input", g->input);
    cr_assert(device_init(dev, NULL));
    return g;
}

static void guest_free(Guest *g)
{
    fake_machine_free(g->f);
    input_free(g->input);
    g_free(g);
}

static uint8_t status(Guest *g) { return fake_in8(g->f, 0x64); }

/* The next byte, with 0x100 if it is the mouse's; -1: none. */
static int next(Guest *g)
{
    uint8_t s = status(g);

    return s & 1 ? fake_in8(g->f, 0x60) | (s & 0x20 ? 0x100 : 0) : -1;
}

static void expect(Guest *g, const char *what, const int *bytes, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        int b = next(g);

        cr_expect_eq(b, bytes[i], "%s, byte %u: %x is not %x", what, i, b, bytes[i]);
    }
    cr_expect_eq(next(g), -1, "%s: more came", what);
}
#define EXPECT(g, what, ...) \
    expect(g, what, (const int[]){ __VA_ARGS__ }, G_N_ELEMENTS(((const int[]){ __VA_ARGS__ })))

static void command(Guest *g, uint8_t c) { fake_out8(g->f, 0x64, c); }
static void data(Guest *g, uint8_t b) { fake_out8(g->f, 0x60, b); }
static void control(Guest *g, uint8_t b) { command(g, 0x60); data(g, b); }
static void to_mouse(Guest *g, uint8_t b) { command(g, 0xd4); data(g, b); }
static void press(Guest *g, unsigned code) { input_key(g->input, code, true); }
static void release(Guest *g, unsigned code) { input_key(g->input, code, false); }

static void mouse_rate(Guest *g, uint8_t rate)
{
    to_mouse(g, 0xf3);
    to_mouse(g, rate);
    EXPECT(g, "rate", 0x1fa, 0x1fa);
}

Test(i8042, self_tests_and_command_byte)
{
    Guest *g = guest_new();

    command(g, 0xaa);
    EXPECT(g, "self-test", 0x55);
    cr_expect(status(g) & 4);
    command(g, 0xab);
    EXPECT(g, "keyboard port", 0);
    command(g, 0xa9);
    EXPECT(g, "mouse port", 0);
    control(g, 0x47);
    command(g, 0x20);
    EXPECT(g, "command byte", 0x47);
    command(g, 0xa4);
    EXPECT(g, "password", 0xf1);
    guest_free(g);
}

Test(i8042, keys_are_translated_to_set_1_and_raise_irq_1)
{
    Guest *g = guest_new();

    control(g, 0x45);
    press(g, 0x1e);
    cr_expect(g->f->isa[IRQ_KBD]);
    release(g, 0x1e);
    EXPECT(g, "a", 0x1e, 0x9e);
    cr_expect_not(g->f->isa[IRQ_KBD]);
    cr_expect_eq(g->f->isa_edges[IRQ_KBD], 2, "one edge a byte");
    press(g, 0xc8);
    release(g, 0xc8);
    EXPECT(g, "up", 0xe0, 0x48, 0xe0, 0xc8);
    press(g, 0x41);
    release(g, 0x41);
    EXPECT(g, "F7", 0x41, 0xc1);
    guest_free(g);
}

Test(i8042, untranslated_keys_come_in_set_2_and_3)
{
    Guest *g = guest_new();

    control(g, 0x01);
    press(g, 0x1e);
    release(g, 0x1e);
    EXPECT(g, "a", 0x1c, 0xf0, 0x1c);
    press(g, 0x9d);
    EXPECT(g, "right Ctrl", 0xe0, 0x14);
    release(g, 0x9d);
    EXPECT(g, "right Ctrl up", 0xe0, 0xf0, 0x14);
    data(g, 0xf0);
    data(g, 3);
    EXPECT(g, "set 3", 0xfa, 0xfa);
    press(g, 0xc8);
    EXPECT(g, "up in set 3", 0x63);
    data(g, 0xf0);
    data(g, 0);
    EXPECT(g, "which set", 0xfa, 0xfa, 3);
    guest_free(g);
}

Test(i8042, every_key_of_set_2_translates_back_to_its_code)
{
    Guest *g = guest_new();

    control(g, 0x45);
    for (unsigned code = 1; code <= 0x58; code++) {
        if (code == 0x55 || code == 0x5a) {
            continue;
        }
        press(g, code);
        release(g, code);
        EXPECT(g, "key", (int)code, (int)(code | 0x80));
    }
    guest_free(g);
}

Test(i8042, pause_and_print_screen_have_their_sequences)
{
    Guest *g = guest_new();

    control(g, 0x45);
    press(g, INPUT_KEY_PAUSE);
    release(g, INPUT_KEY_PAUSE);
    EXPECT(g, "Pause", 0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5);
    press(g, 0xb7);
    release(g, 0xb7);
    EXPECT(g, "Print", 0xe0, 0x2a, 0xe0, 0x37, 0xe0, 0xb7, 0xe0, 0xaa);
    press(g, 0x38);
    EXPECT(g, "Alt", 0x38);
    press(g, 0xb7);
    release(g, 0xb7);
    EXPECT(g, "SysRq", 0x54, 0xd4);
    guest_free(g);
}

Test(i8042, keyboard_commands_are_answered)
{
    Guest *g = guest_new();

    control(g, 0x01);
    data(g, 0xee);
    EXPECT(g, "echo", 0xee);
    data(g, 0xf2);
    EXPECT(g, "id", 0xfa, 0xab, 0x83);
    data(g, 0xff);
    EXPECT(g, "reset", 0xfa, 0xaa);
    data(g, 0x12);
    EXPECT(g, "unknown", 0xfe);
    data(g, 0xfe);
    EXPECT(g, "resend", 0xfe);
    data(g, 0xed);
    data(g, 5);
    EXPECT(g, "leds", 0xfa, 0xfa);
    cr_expect_eq(input_leds(g->input), 5);
    control(g, 0x41);
    data(g, 0xf2);
    EXPECT(g, "translated id", 0xfa, 0xab, 0x41);
    guest_free(g);
}

Test(i8042, held_key_repeats_at_the_typematic_rate)
{
    Guest *g = guest_new();

    control(g, 0x45);
    data(g, 0xf3);
    data(g, 0x20);                      /* 500 ms, 30 a second */
    EXPECT(g, "rate", 0xfa, 0xfa);
    press(g, 0x1e);
    press(g, 0x1e);
    EXPECT(g, "the viewer's repeat is ignored", 0x1e);
    fake_advance(g->f, 499 * NS_PER_MS);
    cr_expect_eq(next(g), -1);
    for (unsigned i = 0; i < 5; i++) {
        fake_advance(g->f, i ? NS_PER_S / 30 : 2 * NS_PER_MS);
        EXPECT(g, "repeat", 0x1e);
    }
    release(g, 0x1e);
    EXPECT(g, "up", 0x9e);
    fake_advance(g->f, NS_PER_S);
    cr_expect_eq(next(g), -1);
    guest_free(g);
}

Test(i8042, full_queue_drops_whole_keys_and_keeps_command_replies)
{
    Guest *g = guest_new();

    control(g, 0x01);
    for (unsigned i = 0; i < 10000; i++) {
        press(g, 0xc8);
        release(g, 0xc8);
    }
    data(g, 0xf2);
    cr_expect_eq(next(g), 0xe0, "already in the output buffer");
    cr_expect_eq(next(g), 0xfa);
    cr_expect_eq(next(g), 0xab);
    cr_expect_eq(next(g), 0x83);
    for (int b; (b = next(g)) >= 0;) {
        cr_assert_eq(b, 0xe0);
        b = next(g);
        cr_assert_eq(b == 0xf0 ? next(g) : b, 0x75);
    }
    guest_free(g);
}

Test(i8042, no_reply_is_lost_while_somebody_types_over_resets)
{
    Guest *g = guest_new();

    control(g, 0x01);
    for (unsigned i = 0; i < 10000; i++) {
        bool acked = false, passed = false;

        press(g, 1 + i % 0x50);
        release(g, 1 + i % 0x50);
        data(g, 0xff);
        for (int b; (b = next(g)) >= 0;) {
            acked |= b == 0xfa;
            passed |= acked && b == 0xaa;
        }
        cr_assert(acked && passed, "reset %u", i);
    }
    guest_free(g);
}

Test(i8042, mouse_resets_identifies_and_learns_the_wheel)
{
    Guest *g = guest_new();

    to_mouse(g, 0xff);
    EXPECT(g, "reset", 0x1fa, 0x1aa, 0x100);
    to_mouse(g, 0xf2);
    EXPECT(g, "plain", 0x1fa, 0x100);
    mouse_rate(g, 200);
    mouse_rate(g, 100);
    mouse_rate(g, 80);
    to_mouse(g, 0xf2);
    EXPECT(g, "wheel", 0x1fa, 0x103);
    mouse_rate(g, 200);
    mouse_rate(g, 200);
    mouse_rate(g, 80);
    to_mouse(g, 0xf2);
    EXPECT(g, "five buttons", 0x1fa, 0x104);
    to_mouse(g, 0xe9);
    EXPECT(g, "status", 0x1fa, 0x100, 0x102, 0x150);
    guest_free(g);
}

Test(i8042, mouse_packets_carry_motion_buttons_and_wheel)
{
    Guest *g = guest_new();

    control(g, 0x43);
    mouse_rate(g, 200);
    mouse_rate(g, 100);
    mouse_rate(g, 80);
    to_mouse(g, 0xf4);
    EXPECT(g, "enable", 0x1fa);
    input_move(g->input, 5, 3, 0, INPUT_LEFT);
    cr_expect(g->f->isa[IRQ_MOUSE]);
    EXPECT(g, "down right", 0x129, 0x105, 0x1fd, 0x100);
    input_move(g->input, 0, 0, 1, 0);
    EXPECT(g, "wheel", 0x108, 0x100, 0x100, 0x101);
    input_move(g->input, -300, 0, 0, 0);
    cr_expect_eq(next(g), -1, "not before the next sample");
    fake_advance(g->f, 13 * NS_PER_MS);
    EXPECT(g, "far left in two", 0x118, 0x101, 0x100, 0x100, 0x118, 0x1d3, 0x100, 0x100);
    guest_free(g);
}

Test(i8042, flooded_mouse_stays_in_step)
{
    Guest *g = guest_new();

    control(g, 0x43);
    to_mouse(g, 0xf4);
    EXPECT(g, "enable", 0x1fa);
    for (unsigned i = 0; i < 100000; i++) {
        input_move(g->input, 1, 1, 0, i & 1);
        if (i % 1000 == 0) {
            fake_advance(g->f, 11 * NS_PER_MS);
        }
    }
    for (int b; (b = next(g)) >= 0;) {
        cr_assert_eq(b & 0x1c8, 0x108, "first byte %x", b);
        next(g);
        next(g);
    }
    guest_free(g);
}

Test(i8042, remote_and_wrap_modes)
{
    Guest *g = guest_new();

    to_mouse(g, 0xf0);
    EXPECT(g, "remote", 0x1fa);
    input_move(g->input, 7, 0, 0, 0);
    cr_expect_eq(next(g), -1);
    to_mouse(g, 0xeb);
    EXPECT(g, "read", 0x1fa, 0x108, 0x107, 0x100);
    to_mouse(g, 0xee);
    EXPECT(g, "wrap", 0x1fa);
    to_mouse(g, 0xf2);
    EXPECT(g, "echoed", 0x1f2);
    to_mouse(g, 0xec);
    EXPECT(g, "unwrap", 0x1fa);
    guest_free(g);
}

Test(i8042, buffers_can_be_written_for_loopback_tests)
{
    Guest *g = guest_new();

    control(g, 0x03);
    command(g, 0xd2);
    data(g, 0xa5);
    cr_expect(g->f->isa[IRQ_KBD]);
    EXPECT(g, "keyboard buffer", 0xa5);
    command(g, 0xd3);
    data(g, 0x5a);
    cr_expect(g->f->isa[IRQ_MOUSE]);
    EXPECT(g, "mouse buffer", 0x15a);
    guest_free(g);
}

Test(i8042, disabled_keyboard_holds_its_bytes)
{
    Guest *g = guest_new();

    control(g, 0x41);
    command(g, 0xad);
    press(g, 0x1e);
    cr_expect_eq(next(g), -1);
    command(g, 0xae);
    EXPECT(g, "held back", 0x1e);
    guest_free(g);
}

Test(i8042, reset_pulse_reboots_and_other_pulses_do_not)
{
    Guest *g = guest_new();

    command(g, 0xff);
    cr_expect_eq(g->f->shutdown, -1);
    command(g, 0xfe);
    cr_expect_eq(g->f->shutdown, SHUTDOWN_REBOOT);
    g->f->shutdown = -1;
    command(g, 0xd1);
    data(g, 0x02);
    cr_expect_eq(g->f->shutdown, SHUTDOWN_REBOOT);
    guest_free(g);
}

Test(i8042, state_survives_a_move_in_the_middle_of_a_packet)
{
    Guest *g = guest_new(), *h = guest_new();
    g_autoptr(GByteArray) saved = g_byte_array_new();

    control(g, 0x47);
    to_mouse(g, 0xf4);
    EXPECT(g, "enable", 0x1fa);
    input_move(g->input, 5, 0, 0, 0);
    cr_expect_eq(next(g), 0x108);
    machine_save(&g->f->m, saved);
    cr_assert(machine_load(&h->f->m, saved->data, saved->len, NULL));
    EXPECT(h, "rest", 0x105, 0x100);
    guest_free(g);
    guest_free(h);
}
