/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb_security.c - the ways in which other USB models were broken: one test each, named by what an
 * attacker does.  A failure would be a crash, a hang or a sanitizer's report as often as an assert.
 */
#include "tests/hw/usb_rig.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

Test(usb_security, control_transfers_of_every_length_stay_in_their_buffer, .timeout = 120)
{
    static const unsigned lengths[] = { 0, 1, 7, 8, 9, 63, 64, 255, 1023, 4095, 4096, 4097, 5000,
                                        32767, 32768, 65535 };
    UsbRig *r = rig_new();
    uint8_t setup[8] = { 0 }, data[8] = "12345678";

    rig_plug(r, &usb_keyboard_class, "1");
    rig_enumerate(r, 0, 5, true);
    for (unsigned i = 0; i < G_N_ELEMENTS(lengths); i++) {
        for (unsigned type = 0; type < 256; type += 0x21) {
            setup[0] = type;
            setup[1] = 9;
            setup[6] = lengths[i];
            setup[7] = lengths[i] >> 8;
            rig_packet(r, USB_PID_SETUP, 5, 0, setup, 8, true);
            for (unsigned j = 0; j < (lengths[i] < 5001 ? lengths[i] / 8 + 3 : 20); j++) {
                rig_packet(r, type & 0x80 ? USB_PID_IN : USB_PID_OUT, 5, 0, data, 8, true);
            }
        }
    }
    cr_assert_eq(rig_control(r, 5, true, 0x80, USB_GET_DESCRIPTOR, 0x100, 0, 18, NULL), 18);
    rig_free(r);
}

Test(usb_security, stages_out_of_order_stall_and_do_no_harm)
{
    UsbRig *r = rig_new();
    uint8_t setup[8] = { 0x21, 9, 0, 2, 0, 0, 0xff, 0x0f }, data[1280];
    unsigned seed = 7;

    memset(data, 0x55, sizeof data);
    rig_plug(r, &usb_tablet_class, "1");
    rig_enumerate(r, 0, 5, false);
    for (unsigned i = 0; i < 3000; i++) {
        static const unsigned pids[] = { USB_PID_IN, USB_PID_OUT, USB_PID_SETUP };
        unsigned pid = pids[rand_r(&seed) % 3];

        for (unsigned j = 0; pid == USB_PID_SETUP && j < 8; j++) {
            setup[j] = rand_r(&seed) % 5 ? setup[j] : rand_r(&seed);
        }
        if (pid == USB_PID_SETUP && setup[1] == USB_SET_ADDRESS) {
            continue;
        }
        rig_packet(r, pid, 5, 0, pid == USB_PID_SETUP ? setup : data,
                   pid == USB_PID_SETUP ? 8 : rand_r(&seed) % 100, false);
    }
    rig_open_port(r, 0);
    cr_assert_eq(rig_control(r, 0, false, 0x80, USB_GET_DESCRIPTOR, 0x100, 0, 18, NULL), 18);
    rig_free(r);
}

Test(usb_security, every_token_is_answered_or_stops_the_controller, .timeout = 120)
{
    UsbRig *r = rig_new();
    unsigned stopped = 0;

    rig_plug(r, &usb_tablet_class, "1");
    rig_enumerate(r, 0, 5, false);
    for (unsigned pid = 0; pid < 256; pid++) {
        bool legal = pid == USB_PID_IN || pid == USB_PID_OUT || pid == USB_PID_SETUP;

        rig_run(r);
        rig_packet(r, pid, 5, 1, NULL, 8, false);
        cr_assert_eq(!(rig_in(r, USBSTS) & STS_PROCESS), legal, "%02x", pid);
        stopped += !!(rig_in(r, USBSTS) & STS_HALTED);
        rig_out(r, USBSTS, 0x3f);
    }
    cr_assert_eq(stopped, 253);
    rig_run(r);
    for (unsigned endpoint = 0; endpoint < 16; endpoint++) {
        for (unsigned address = 0; address < 128; address += 5) {
            rig_packet(r, USB_PID_SETUP, address, endpoint, NULL, endpoint ? 8 : 7, false);
            rig_packet(r, USB_PID_OUT, address, endpoint, NULL, 8, false);
        }
    }
    cr_assert_not(rig_in(r, USBSTS) & STS_HALTED);
    rig_free(r);
}

Test(usb_security, illegal_length_is_a_process_error)
{
    UsbRig *r = rig_new();

    for (unsigned len = 0; len < 0x800; len++) {
        bool legal = len <= 0x4ff || len == 0x7ff;

        rig_out(r, USBSTS, 0x3f);
        rig_run(r);
        rig_td(r, RIG_TD, RIG_END, RIG_ACTIVE, USB_PID_IN, 9, 0, len + 1, RIG_DATA);
        rig_poke(r, RIG_QH + 4, RIG_TD);
        rig_frames(r, 1);
        cr_assert_eq(!(rig_in(r, USBSTS) & STS_PROCESS), legal, "%x", len);
    }
    rig_free(r);
}

Test(usb_security, lists_that_bite_their_tails_end_with_the_frame, .timeout = 20)
{
    UsbRig *r = rig_new();

    rig_plug(r, &usb_tablet_class, "1");
    rig_enumerate(r, 0, 5, false);
    /* a queue head that links to itself, empty and with a descriptor that is not ready */
    rig_poke(r, RIG_QH, RIG_QH | RIG_IS_QH);
    rig_frames(r, 20);
    rig_td(r, RIG_TD, RIG_TD | RIG_DEPTH, RIG_ACTIVE, USB_PID_IN, 5, 1, 8, RIG_DATA);
    rig_poke(r, RIG_QH + 4, RIG_TD);
    rig_frames(r, 20);
    /* its element is itself */
    rig_poke(r, RIG_QH + 4, RIG_QH | RIG_IS_QH);
    rig_frames(r, 20);
    /* a descriptor outside queues that links to itself, with and without something to do */
    for (unsigned i = 0; i < 1024; i++) {
        rig_poke(r, RIG_LIST + 4 * i, RIG_TD);
    }
    rig_td(r, RIG_TD, RIG_TD, RIG_ACTIVE, USB_PID_IN, 99, 1, 8, RIG_DATA);
    rig_frames(r, 20);
    rig_td(r, RIG_TD, RIG_TD, 0, USB_PID_IN, 99, 1, 8, RIG_DATA);
    rig_frames(r, 20);
    /* two heads in a ring */
    for (unsigned i = 0; i < 1024; i++) {
        rig_poke(r, RIG_LIST + 4 * i, RIG_QH | RIG_IS_QH);
    }
    rig_poke(r, RIG_QH, (RIG_QH + 0x40) | RIG_IS_QH);
    rig_poke(r, RIG_QH + 4, RIG_END);
    rig_poke(r, RIG_QH + 0x40, RIG_QH | RIG_IS_QH);
    rig_poke(r, RIG_QH + 0x44, RIG_END);
    rig_frames(r, 20);
    cr_assert(rig_in(r, USBCMD) & CMD_RS);
    rig_free(r);
}

Test(usb_security, structures_and_buffers_outside_memory_are_a_system_error)
{
    static const uint32_t nowhere[] = { 0xa0000, 0xbfff0, FAKE_RAM_SIZE, FAKE_RAM_SIZE - 4, 0xc0000000,
                                        0xfffffff0 };

    for (unsigned i = 0; i < G_N_ELEMENTS(nowhere); i++) {
        UsbRig *r = rig_new();
        uint32_t where = nowhere[i] & ~15u;

        rig_plug(r, &usb_tablet_class, "1");
        rig_enumerate(r, 0, 5, false);
        if (nowhere[i] != FAKE_RAM_SIZE - 4) {
            rig_poke(r, RIG_QH + 4, where);
            rig_frames(r, 2);
            cr_assert(rig_in(r, USBSTS) & STS_SYSTEM);
            rig_out(r, USBSTS, 0x3f);
            rig_poke(r, RIG_QH, where | RIG_IS_QH);
            rig_poke(r, RIG_QH + 4, RIG_END);
            rig_run(r);
            rig_frames(r, 2);
            cr_assert(rig_in(r, USBSTS) & STS_SYSTEM);
            rig_out(r, USBSTS, 0x3f);
            rig_poke(r, RIG_QH, RIG_END);
        }
        rig_run(r);
        input_place(r->input, 1, 1, 0, 0);
        rig_td(r, RIG_TD, RIG_END, RIG_ACTIVE, USB_PID_IN, 5, 1, 8, RIG_DATA);
        rig_poke(r, RIG_QH + 4, RIG_TD);
        rig_frames(r, 2);
        input_place(r->input, 2, 2, 0, 0);
        rig_td(r, RIG_TD, RIG_END, RIG_ACTIVE, USB_PID_IN, 5, 1, 8, nowhere[i]);
        rig_poke(r, RIG_QH + 4, RIG_TD);
        rig_frames(r, 2);
        cr_assert(rig_in(r, USBSTS) & STS_SYSTEM, "%x", nowhere[i]);
        rig_free(r);
    }
}

Test(usb_security, report_longer_than_the_descriptor_is_babble_and_leaks_nothing)
{
    static const struct { const DeviceClass *cls; bool low; unsigned len; } hid[] = {
        { &usb_tablet_class, false, 6 }, { &usb_mouse_class, true, 4 },
        { &usb_keyboard_class, true, 8 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(hid); i++) {
        UsbRig *r = rig_new();

        rig_plug(r, hid[i].cls, "1");
        rig_enumerate(r, 0, 5, hid[i].low);
        rig_packet(r, USB_PID_IN, 5, 1, NULL, 8, hid[i].low);
        for (unsigned room = 0; room <= 8; room++) {
            uint32_t status;

            input_place(r->input, 1 + room, 1, 0, 0);
            input_key(r->input, 2 + room, true);
            memset(r->f->ram + RIG_DATA, 0xee, 16);
            status = rig_packet(r, USB_PID_IN, 5, 1, NULL, room, hid[i].low);
            if (room < hid[i].len) {
                cr_assert(status & RIG_BABBLE && status & RIG_STALLED, "%u %u %x", i, room, status);
                cr_assert_eq(rig_len(status), 0);
                cr_assert_eq(r->f->ram[RIG_DATA], 0xee);
            } else {
                cr_assert_eq(rig_len(status), hid[i].len, "%u %u %x", i, room, status);
            }
            cr_assert_eq(r->f->ram[RIG_DATA + 8], 0xee);
        }
        rig_free(r);
    }
}

Test(usb_security, clock_jumps_cost_bounded_work, .timeout = 20)
{
    UsbRig *r = rig_new();

    rig_plug(r, &usb_tablet_class, "1");
    rig_enumerate(r, 0, 5, false);
    for (unsigned i = 0; i < 200; i++) {
        r->f->now += 3600LL * NS_PER_S;
        timer_queue_run(&r->f->m.timers, r->f->now);
    }
    cr_assert_eq(rig_in(r, USBCMD), CMD_RS);
    rig_free(r);
}

Test(usb_security, devices_come_and_go_under_an_active_schedule, .timeout = 60)
{
    UsbRig *r = rig_new();

    rig_run(r);
    for (unsigned i = 0; i < 10000; i++) {
        Device *dev = rig_plug(r, i & 1 ? &usb_tablet_class : &usb_keyboard_class, i & 2 ? "1" : "2");

        cr_assert_not_null(dev);
        rig_td(r, RIG_TD, RIG_END, RIG_ACTIVE | (i & 1 ? 0 : RIG_LOW), USB_PID_IN, 0, i % 3, 8,
               RIG_DATA);
        rig_poke(r, RIG_QH + 4, RIG_TD);
        rig_out(r, i & 2 ? PORTSC1 : PORTSC2, PORT_ENABLE);
        rig_frames(r, 1);
        input_place(r->input, i & 0xff, 1, 0, 0);
        input_key(r->input, 30, i & 4);
        g_ptr_array_remove(r->f->m.devices, dev);
    }
    rig_frames(r, 2);
    rig_free(r);
}

/* Anything in the lists, the registers and the ports; what is saved must load. */
Test(usb_security, random_schedules_neither_hang_nor_crash, .timeout = 120)
{
    for (unsigned seed = 1; seed <= 40; seed++) {
        UsbRig *r = rig_new();
        unsigned s = seed;

        rig_plug(r, &usb_tablet_class, "1");
        rig_plug(r, &usb_keyboard_class, "2");
        rig_enumerate(r, 0, 5, false);
        rig_enumerate(r, 1, 6, true);
        for (unsigned i = 0; i < 1024; i++) {
            rig_poke(r, RIG_LIST + 4 * i, (RIG_QH + (rand_r(&s) % 64) * 16) | (rand_r(&s) % 8 & 3));
        }
        for (unsigned round = 0; round < 150; round++) {
            for (unsigned i = 0; i < 64; i++) {
                uint32_t td[4] = { (RIG_QH + (rand_r(&s) % 64) * 16) | (rand_r(&s) & 7),
                                   (uint32_t)rand_r(&s) << 3 | (rand_r(&s) & 1 ? RIG_ACTIVE : 0), 0,
                                   rand_r(&s) & 15 ? RIG_DATA : (uint32_t)rand_r(&s) << 8 };
                static const uint8_t pids[] = { 0x69, 0xe1, 0x2d, 0x69 };

                td[2] = pids[rand_r(&s) & 3] | (rand_r(&s) % 8) << 8 | (rand_r(&s) % 3) << 15 |
                        (uint32_t)(rand_r(&s) % 16) << 21;
                if (rand_r(&s) % 100 == 0) {
                    td[2] = rand_r(&s);
                }
                memcpy(r->f->ram + RIG_QH + 16 * i, td, sizeof td);
            }
            rig_frames(r, 1 + rand_r(&s) % 3);
            rig_out(r, USBSTS, 0x3f);
            if (!(rig_in(r, USBCMD) & CMD_RS) || rand_r(&s) % 50 == 0) {
                rig_out(r, rand_r(&s) % 10 * 2, rand_r(&s));
                rig_out(r, PORTSC1, PORT_ENABLE);
                rig_out(r, PORTSC2, PORT_ENABLE);
                fake_out32(r->f, RIG_PORT + FLBASEADD, RIG_LIST);
                rig_run(r);
            }
            input_place(r->input, rand_r(&s), 1, 0, 0);
            input_key(r->input, rand_r(&s) & 127, rand_r(&s) & 1);
        }
        rig_free(r);
    }
}

static GByteArray *saved(UsbRig *r)
{
    GByteArray *out = g_byte_array_new();

    machine_save(&r->f->m, out);
    return out;
}

Test(usb_security, saved_state_with_anything_in_it_loads_cleanly_or_not_at_all, .timeout = 120)
{
    UsbRig *r = rig_new();
    g_autoptr(GByteArray) good = NULL, again = NULL;
    unsigned s = 3, loaded = 0;

    rig_plug(r, &usb_tablet_class, "1");
    rig_plug(r, &usb_keyboard_class, "2");
    rig_enumerate(r, 0, 5, false);
    input_place(r->input, 7, 8, 1, 1);
    input_key(r->input, 30, true);
    good = saved(r);
    cr_assert(machine_load(&r->f->m, good->data, good->len, NULL));
    again = saved(r);
    cr_assert(good->len == again->len && !memcmp(good->data, again->data, good->len));
    for (unsigned i = 0; i < 4000; i++) {
        g_autofree uint8_t *bad = g_memdup2(good->data, good->len);

        for (unsigned n = 1 + rand_r(&s) % 12; n; n--) {
            bad[rand_r(&s) % good->len] = rand_r(&s) & 1 ? 0xff : rand_r(&s);
        }
        loaded += machine_load(&r->f->m, bad, good->len, NULL);
        rig_frames(r, 2);
        rig_packet(r, USB_PID_IN, rand_r(&s) & 7, rand_r(&s) & 1, NULL, 8, rand_r(&s) & 1);
        input_key(r->input, rand_r(&s) & 127, rand_r(&s) & 1);
        machine_load(&r->f->m, good->data, good->len, NULL);
    }
    cr_assert_gt(loaded, 0);
    rig_free(r);
}
