/* SPDX-License-Identifier: GPL-2.0-or-later */
/* usb_devices.c - chapter 9 and the classes: what each device answers. */
#include "tests/hw/usb_rig.h"

#include <criterion/criterion.h>
#include <string.h>

typedef struct Seat { UsbRig *r; UsbDevice *u; bool low; } Seat;

static Seat seat(const DeviceClass *cls, bool low)
{
    Seat s = { rig_new(), NULL, low };

    s.u = (UsbDevice *)rig_plug(s.r, cls, "1");
    cr_assert_not_null(s.u);
    rig_enumerate(s.r, 0, 5, low);
    return s;
}

static int request(Seat *s, unsigned type, unsigned req, unsigned value, unsigned index, unsigned len,
                   void *data)
{
    return rig_control(s->r, 5, s->low, type, req, value, index, len, data);
}

/* A report from endpoint 1; its length, -1: NAK. */
static int report(Seat *s, void *data, unsigned room)
{
    uint32_t status = rig_packet(s->r, USB_PID_IN, 5, 1, data, room, s->low);

    return status & RIG_ACTIVE ? -1 : (int)rig_len(status);
}

static const struct { const DeviceClass *cls; bool low; } all[] = {
    { &usb_tablet_class, false }, { &usb_mouse_class, true }, { &usb_keyboard_class, true },
    { &usb_hub_class, false },
};

Test(usb, descriptors_are_sound_and_strings_are_there)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(all); i++) {
        Seat s = seat(all[i].cls, all[i].low);
        uint8_t d[18], c[64], text[255];
        int n;

        cr_assert_eq(request(&s, 0x80, USB_GET_DESCRIPTOR, 0x100, 0, 18, d), 18);
        cr_assert(d[0] == 18 && d[1] == 1 && d[7] == 8 && d[17] == 1);
        cr_assert_eq(request(&s, 0x80, USB_GET_DESCRIPTOR, 0x200, 0, 9, c), 9);
        n = usb_get16(c + 2);
        cr_assert_eq(request(&s, 0x80, USB_GET_DESCRIPTOR, 0x200, 0, 64, c), n);
        for (int at = 0; at < n; at += c[at]) {
            cr_assert(c[at] >= 2 && at + c[at] <= n, "%s", all[i].cls->name);
        }
        for (unsigned index = 1; index <= 2; index++) {
            n = request(&s, 0x80, USB_GET_DESCRIPTOR, 0x300 | index, 0x409, 255, text);
            cr_assert(n > 4 && n == text[0] && text[1] == 3);
        }
        cr_assert_eq(request(&s, 0x80, USB_GET_DESCRIPTOR, 0x300, 0, 255, text), 4);
        cr_assert_eq(request(&s, 0x80, USB_GET_DESCRIPTOR, 0x3ee, 0x409, 255, text), -1);
        cr_assert_eq(request(&s, 0x80, USB_GET_DESCRIPTOR, 0x600, 0, 10, text), -1, "full speed only");
        cr_assert_eq(request(&s, 0x80, USB_GET_DESCRIPTOR, 0x201, 0, 9, c), -1);
        rig_free(s.r);
    }
}

Test(usb, address_takes_effect_after_the_status_stage)
{
    UsbRig *r = rig_new();
    UsbDevice *u = (UsbDevice *)rig_plug(r, &usb_tablet_class, "1");
    uint8_t setup[8] = { 0, USB_SET_ADDRESS, 9 };

    rig_run(r);
    rig_open_port(r, 0);
    rig_packet(r, USB_PID_SETUP, 0, 0, setup, 8, false);
    cr_assert_eq(u->address, 0);
    rig_packet(r, USB_PID_IN, 0, 0, NULL, 0, false);
    cr_assert_eq(u->address, 9);
    cr_assert_eq(rig_control(r, 9, false, 0, USB_SET_ADDRESS, 200, 0, 0, NULL), -1);
    rig_free(r);
}

Test(usb, configuration_gives_and_takes_endpoints)
{
    Seat s = seat(&usb_tablet_class, false);
    uint8_t value = 9;

    cr_assert_eq(request(&s, 0x80, USB_GET_CONFIGURATION, 0, 0, 1, &value), 1);
    cr_assert_eq(value, 1);
    cr_assert_eq(request(&s, 0, USB_SET_CONFIGURATION, 2, 0, 0, NULL), -1);
    cr_assert_eq(report(&s, NULL, 8), -1);
    cr_assert_eq(request(&s, 0, USB_SET_CONFIGURATION, 0, 0, 0, NULL), 0);
    cr_assert(rig_packet(s.r, USB_PID_IN, 5, 1, NULL, 8, false) & RIG_TIMEOUT);
    cr_assert(rig_packet(s.r, USB_PID_OUT, 5, 1, NULL, 8, false) & RIG_TIMEOUT, "no such direction");
    rig_free(s.r);
}

Test(usb, interface_settings_are_checked)
{
    Seat s = seat(&usb_tablet_class, false);
    uint8_t value = 9;

    cr_assert_eq(request(&s, 0x81, USB_GET_INTERFACE, 0, 0, 1, &value), 1);
    cr_assert_eq(value, 0);
    cr_assert_eq(request(&s, 0x81, USB_GET_INTERFACE, 0, 1, 1, &value), -1);
    cr_assert_eq(request(&s, 0x81, USB_GET_INTERFACE, 0, 0xffff, 1, &value), -1);
    cr_assert_eq(request(&s, 0x01, USB_SET_INTERFACE, 0, 0, 0, NULL), 0);
    cr_assert_eq(request(&s, 0x01, USB_SET_INTERFACE, 1, 0, 0, NULL), -1);
    cr_assert_eq(request(&s, 0x01, USB_SET_INTERFACE, 0, 77, 0, NULL), -1);
    rig_free(s.r);
}

Test(usb, halted_endpoint_stalls_until_it_is_cleared)
{
    Seat s = seat(&usb_tablet_class, false);
    uint8_t status[2];

    cr_assert_eq(request(&s, 0x02, USB_SET_FEATURE, 0, 0x81, 0, NULL), 0);
    cr_assert(rig_packet(s.r, USB_PID_IN, 5, 1, NULL, 8, false) & RIG_STALLED);
    cr_assert_eq(request(&s, 0x82, USB_GET_STATUS, 0, 0x81, 2, status), 2);
    cr_assert_eq(status[0], 1);
    cr_assert_eq(request(&s, 0x02, USB_CLEAR_FEATURE, 0, 0x81, 0, NULL), 0);
    cr_assert_eq(request(&s, 0x82, USB_GET_STATUS, 0, 0x81, 2, status), 2);
    cr_assert_eq(status[0], 0);
    cr_assert_eq(report(&s, NULL, 8), -1);
    cr_assert_eq(request(&s, 0x02, USB_SET_FEATURE, 0, 0x82, 0, NULL), -1);
    cr_assert_eq(request(&s, 0x02, USB_SET_FEATURE, 0, 0xff81, 0, NULL), -1);
    rig_free(s.r);
}

Test(usb, remote_wakeup_is_a_feature_with_status)
{
    Seat s = seat(&usb_keyboard_class, true);
    uint8_t status[2];

    cr_assert_eq(request(&s, 0x80, USB_GET_STATUS, 0, 0, 2, status), 2);
    cr_assert_eq(status[0], 0);
    cr_assert_eq(request(&s, 0, USB_SET_FEATURE, 1, 0, 0, NULL), 0);
    request(&s, 0x80, USB_GET_STATUS, 0, 0, 2, status);
    cr_assert_eq(status[0], 2);
    cr_assert_eq(request(&s, 0, USB_SET_FEATURE, 2, 0, 0, NULL), -1);
    rig_free(s.r);
}

Test(usb, short_reply_ends_with_a_short_packet_and_early_status_is_taken)
{
    Seat s = seat(&usb_tablet_class, false);
    uint8_t setup[8] = { 0x80, USB_GET_DESCRIPTOR, 0, 1, 0, 0, 64, 0 }, d[18];

    rig_packet(s.r, USB_PID_SETUP, 5, 0, setup, 8, false);
    cr_assert_eq(rig_len(rig_packet(s.r, USB_PID_IN, 5, 0, d, 8, false)), 8);
    cr_assert_eq(rig_len(rig_packet(s.r, USB_PID_IN, 5, 0, d, 8, false)), 8);
    cr_assert_eq(rig_len(rig_packet(s.r, USB_PID_IN, 5, 0, d, 8, false)), 2);
    rig_packet(s.r, USB_PID_SETUP, 5, 0, setup, 8, false);
    cr_assert_eq(rig_len(rig_packet(s.r, USB_PID_IN, 5, 0, d, 8, false)), 8);
    cr_assert_eq(rig_packet(s.r, USB_PID_OUT, 5, 0, NULL, 0, false) & (RIG_ACTIVE | RIG_STALLED), 0);
    rig_free(s.r);
}

/* --- HID --------------------------------------------------------------------------------------- */

Test(usb_tablet, reports_places_buttons_and_wheel)
{
    Seat s = seat(&usb_tablet_class, false);
    uint8_t d[8];

    cr_assert_not(input_absolute(s.r->input), "not before the guest polls");
    cr_assert_eq(report(&s, d, 8), -1);
    cr_assert(input_absolute(s.r->input));
    input_place(s.r->input, 0x1234, 0x7fff, -1, INPUT_LEFT | INPUT_MIDDLE);
    cr_assert_eq(report(&s, d, 8), 6);
    cr_assert_arr_eq(d, ((uint8_t[]){ 5, 0x34, 0x12, 0xff, 0x7f, 1 }), 6);
    cr_assert_eq(report(&s, d, 8), -1);
    for (unsigned i = 0; i < 100; i++) {
        input_place(s.r->input, i, i, 0, 0);
    }
    cr_assert_eq(report(&s, d, 8), 6, "motion is joined");
    cr_assert_eq(d[1], 99);
    cr_assert_eq(report(&s, d, 8), -1);
    for (unsigned i = 0; i < 100; i++) {
        input_place(s.r->input, 5, 5, 0, i & 1);
    }
    for (unsigned i = 0; i < 16; i++) {
        cr_assert_eq(report(&s, d, 8), 6);
        cr_assert_eq(d[0], i == 15 ? 1 : i & 1, "%u", i);
    }
    cr_assert_eq(report(&s, d, 8), -1);
    rig_free(s.r);
}

Test(usb_mouse, reports_counts_in_steps_and_knows_the_boot_protocol)
{
    Seat s = seat(&usb_mouse_class, true);
    uint8_t d[8], protocol;

    report(&s, d, 8);
    input_move(s.r->input, 300, -5, 2, INPUT_SIDE);
    cr_assert_eq(report(&s, d, 8), 4);
    cr_assert_arr_eq(d, ((uint8_t[]){ 8, 127, 251, 254 }), 4);
    cr_assert_eq(report(&s, d, 8), 4);
    cr_assert_arr_eq(d, ((uint8_t[]){ 8, 127, 0, 0 }), 4);
    cr_assert_eq(report(&s, d, 8), 4);
    cr_assert_arr_eq(d, ((uint8_t[]){ 8, 46, 0, 0 }), 4);
    cr_assert_eq(report(&s, d, 8), -1);
    cr_assert_eq(request(&s, 0x21, 11, 0, 0, 0, NULL), 0);
    cr_assert_eq(request(&s, 0xa1, 3, 0, 0, 1, &protocol), 1);
    cr_assert_eq(protocol, 0);
    input_move(s.r->input, 1, 1, 1, INPUT_SIDE | INPUT_RIGHT);
    cr_assert_eq(report(&s, d, 8), 3);
    cr_assert_arr_eq(d, ((uint8_t[]){ 2, 1, 1 }), 3);
    rig_free(s.r);
}

Test(usb_keyboard, each_poll_shows_one_change)
{
    Seat s = seat(&usb_keyboard_class, true);
    uint8_t d[8];

    request(&s, 0x21, 10, 0, 0, 0, NULL);
    report(&s, d, 8);
    input_key(s.r->input, 0x2a, true);
    input_key(s.r->input, 0x1e, true);
    input_key(s.r->input, 0x1e, true);
    input_key(s.r->input, 0x1e, false);
    input_key(s.r->input, 0xb8, true);
    cr_assert_eq(report(&s, d, 8), 8);
    cr_assert_arr_eq(d, ((uint8_t[]){ 2, 0, 0 }), 3);
    cr_assert_eq(report(&s, d, 8), 8);
    cr_assert_arr_eq(d, ((uint8_t[]){ 2, 0, 4, 0, 0, 0, 0, 0 }), 8);
    cr_assert_eq(report(&s, d, 8), 8);
    cr_assert_arr_eq(d, ((uint8_t[]){ 2, 0, 0 }), 3);
    cr_assert_eq(report(&s, d, 8), 8);
    cr_assert_arr_eq(d, ((uint8_t[]){ 0x42, 0, 0 }), 3);
    cr_assert_eq(report(&s, d, 8), -1);
    rig_free(s.r);
}

Test(usb_keyboard, seven_keys_roll_over_and_a_full_queue_loses_no_release)
{
    Seat s = seat(&usb_keyboard_class, true);
    uint8_t d[8];

    request(&s, 0x21, 10, 0, 0, 0, NULL);
    report(&s, d, 8);
    for (unsigned i = 0; i < 7; i++) {
        input_key(s.r->input, 0x10 + i, true);
    }
    for (unsigned i = 0; i < 7; i++) {
        report(&s, d, 8);
    }
    cr_assert_arr_eq(d, ((uint8_t[]){ 0, 0, 1, 1, 1, 1, 1, 1 }), 8);
    for (unsigned round = 0; round < 50; round++) {
        for (unsigned i = 0; i < 7; i++) {
            input_key(s.r->input, 0x10 + i, round & 1);
        }
    }
    for (unsigned i = 0; i < 7; i++) {
        input_key(s.r->input, 0x10 + i, false);
    }
    while (report(&s, d, 8) == 8) {
    }
    cr_assert_arr_eq(d, ((uint8_t[]){ 0, 0, 0, 0, 0, 0, 0, 0 }), 8);
    rig_free(s.r);
}

Test(usb_keyboard, leds_go_to_the_viewers_and_idle_repeats_the_report)
{
    Seat s = seat(&usb_keyboard_class, true);
    uint8_t leds = 3, d[8], idle;

    cr_assert_eq(request(&s, 0x21, 9, 0x200, 0, 1, &leds), 1);
    cr_assert_eq(input_leds(s.r->input), 2 | 4);
    cr_assert_eq(request(&s, 0x21, 9, 0x200, 0, 2, d), -1);
    cr_assert_eq(request(&s, 0x21, 9, 0x300, 0, 1, &leds), -1);
    cr_assert_eq(request(&s, 0xa1, 2, 0, 0, 1, &idle), 1);
    cr_assert_eq(idle, 125);
    cr_assert_eq(request(&s, 0x21, 10, 0x0500, 0, 0, NULL), 0);
    report(&s, d, 8);
    cr_assert_eq(report(&s, d, 8), 8, "within 40 frames, as every 20 ms");
    request(&s, 0x21, 10, 0, 0, 0, NULL);
    cr_assert_eq(report(&s, d, 8), -1);
    rig_free(s.r);
}

Test(usb_hid, keys_and_motion_go_back_to_the_devices_before_when_it_is_not_polled_any_more)
{
    UsbRig *r = rig_new();
    Device *ps2 = device_new(&r->f->m, &i8042_class);
    Device *keyboard;

    device_set_pointer(ps2, "input", r->input);
    cr_assert(device_init(ps2, NULL));
    keyboard = rig_plug(r, &usb_keyboard_class, "1");
    rig_enumerate(r, 0, 5, true);
    input_key(r->input, 0x1e, true);
    cr_assert(fake_in8(r->f, 0x64) & 1);
    while (fake_in8(r->f, 0x64) & 1) {
        fake_in8(r->f, 0x60);
    }
    rig_packet(r, USB_PID_IN, 5, 1, NULL, 8, true);
    cr_assert_eq(fake_in8(r->f, 0x60), 0xf0, "what is held is released on the old one");
    cr_assert_eq(fake_in8(r->f, 0x60), 0x1c);
    input_key(r->input, 0x1f, true);
    cr_assert_not(fake_in8(r->f, 0x64) & 1);
    rig_out(r, PORTSC1, 0);
    input_key(r->input, 0x20, true);
    cr_assert(fake_in8(r->f, 0x64) & 1);
    g_ptr_array_remove(r->f->m.devices, keyboard);
    rig_free(r);
}

/* --- hub --------------------------------------------------------------------------------------- */

static void hub_port(Seat *s, unsigned port, unsigned status[2])
{
    uint8_t d[4];

    cr_assert_eq(request(s, 0xa3, 0, 0, port, 4, d), 4);
    status[0] = usb_get16(d);
    status[1] = usb_get16(d + 2);
}

Test(usb_hub, ports_have_power_reset_and_changes)
{
    Seat s = seat(&usb_hub_class, false);
    uint8_t d[16];
    unsigned status[2];
    Device *tablet = rig_plug(s.r, &usb_tablet_class, "1.3");

    cr_assert_eq(request(&s, 0xa0, 6, 0x2900, 0, 16, d), 11);
    cr_assert_eq(d[2], 8);
    hub_port(&s, 3, status);
    cr_assert(status[0] == 0 && status[1] == 0, "no power");
    cr_assert_eq(report(&s, d, 2), -1);
    cr_assert_eq(request(&s, 0x23, 3, 8, 3, 0, NULL), 0);
    hub_port(&s, 3, status);
    cr_assert(status[0] == 0x101 && status[1] == 1);
    cr_assert_eq(report(&s, d, 2), 2);
    cr_assert_eq(d[0], 1 << 3);
    request(&s, 0x23, 1, 16, 3, 0, NULL);
    cr_assert_eq(report(&s, d, 2), -1);
    request(&s, 0x23, 3, 4, 3, 0, NULL);
    rig_frames(s.r, 20);
    hub_port(&s, 3, status);
    cr_assert(status[0] == 0x103 && status[1] == 0x10);
    cr_assert_eq(rig_control(s.r, 0, false, 0, USB_SET_ADDRESS, 7, 0, 0, NULL), 0);
    cr_assert_eq(rig_control(s.r, 7, false, 0x80, USB_GET_DESCRIPTOR, 0x100, 0, 8, NULL), 8);
    request(&s, 0x23, 3, 2, 3, 0, NULL);
    cr_assert_eq(rig_control(s.r, 7, false, 0x80, USB_GET_DESCRIPTOR, 0x100, 0, 8, NULL), -2);
    request(&s, 0x23, 1, 2, 3, 0, NULL);
    hub_port(&s, 3, status);
    cr_assert(status[0] == 0x103 && status[1] == 0x14);
    g_ptr_array_remove(s.r->f->m.devices, tablet);
    hub_port(&s, 3, status);
    cr_assert(status[0] == 0x100 && (status[1] & 1));
    cr_assert_eq(request(&s, 0x23, 3, 8, 9, 0, NULL), -1, "eight ports");
    cr_assert_eq(request(&s, 0xa3, 0, 0, 0, 4, d), -1);
    rig_free(s.r);
}

Test(usb_hub, ports_lose_power_and_a_low_speed_device_shows_its_line)
{
    Seat s = seat(&usb_hub_class, false);
    uint8_t d[16];
    unsigned status[2];

    rig_plug(s.r, &usb_keyboard_class, "1.2");
    cr_assert_eq(request(&s, 0xa3, 2, 0, 2, 1, d), 1);
    cr_assert_eq(d[0], 0, "no power, no level");
    request(&s, 0x23, 3, 8, 2, 0, NULL);
    hub_port(&s, 2, status);
    cr_assert_eq(request(&s, 0xa3, 2, 0, 2, 1, d), 1);
    cr_assert_eq(d[0], status[0] & 0x200 ? 1 : 2, "the line that the speed pulls up");
    request(&s, 0x23, 3, 4, 2, 0, NULL);
    rig_frames(s.r, 20);
    hub_port(&s, 2, status);
    cr_assert(status[0] & 2);
    request(&s, 0x23, 1, 1, 2, 0, NULL);
    hub_port(&s, 2, status);
    cr_assert_not(status[0] & 2, "disabled");
    request(&s, 0x23, 1, 8, 2, 0, NULL);
    hub_port(&s, 2, status);
    cr_assert(status[0] == 0 && status[1] == 0, "off");
    cr_assert_eq(request(&s, 0x23, 3, 4, 2, 0, NULL), 0);
    rig_frames(s.r, 20);
    hub_port(&s, 2, status);
    cr_assert_eq(status[0], 0, "no reset without power");
    cr_assert_eq(request(&s, 0x23, 3, 99, 2, 0, NULL), -1);
    cr_assert_eq(request(&s, 0x23, 1, 99, 2, 0, NULL), -1);
    cr_assert_eq(request(&s, 0xa3, 99, 0, 2, 4, d), -1);
    cr_assert_eq(request(&s, 0xa0, 0, 0, 0, 4, d), 4);
    cr_assert_eq(usb_get16(d), 0);
    cr_assert_eq(request(&s, 0x20, 3, 1, 0, 0, NULL), 0);
    cr_assert_eq(request(&s, 0x20, 1, 2, 0, 0, NULL), -1);
    cr_assert_eq(request(&s, 0xa0, 6, 0x2800, 0, 16, d), -1);
    rig_free(s.r);
}

Test(usb_hub, state_with_its_ports_loads_and_another_device_in_a_port_is_refused)
{
    Seat s = seat(&usb_hub_class, false);
    g_autoptr(GByteArray) saved = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    unsigned status[2];
    Device *tablet = rig_plug(s.r, &usb_tablet_class, "1.3");

    request(&s, 0x23, 3, 8, 3, 0, NULL);
    machine_save(&s.r->f->m, saved);
    request(&s, 0x23, 1, 8, 3, 0, NULL);
    cr_assert(machine_load(&s.r->f->m, saved->data, saved->len, NULL));
    hub_port(&s, 3, status);
    cr_assert_eq(status[0], 0x101);
    g_ptr_array_remove(s.r->f->m.devices, tablet);
    rig_plug(s.r, &usb_tablet_class, "1.4");
    cr_assert_not(machine_load(&s.r->f->m, saved->data, saved->len, &error));
    cr_assert_not_null(strstr(error->message, "another device"), "%s", error->message);
    rig_free(s.r);
}

Test(usb_hub, hubs_stack_five_deep_and_paths_name_their_ports)
{
    UsbRig *r = rig_new();
    UsbDevice *last = NULL;
    bool only;
    static const char *const path[] = { "1", "1.1", "1.1.1", "1.1.1.1", "1.1.1.1.1" };

    for (unsigned i = 0; i < 5; i++) {
        last = (UsbDevice *)rig_plug(r, &usb_hub_class, path[i]);
        cr_assert_not_null(last, "%u", i);
    }
    cr_assert_null(rig_plug(r, &usb_hub_class, "1.1.1.1.1.1"));
    last = (UsbDevice *)rig_plug(r, &usb_tablet_class, "1.1.1.1.1.8");
    g_autofree char *text = usb_port_path(last->port);
    cr_assert_str_eq(text, "1.1.1.1.1.8");
    cr_assert_null(rig_plug(r, &usb_tablet_class, "1.9"));
    cr_assert_null(rig_plug(r, &usb_tablet_class, "1.1.1.1.1.8.1"), "no hub");
    cr_assert_null(rig_plug(r, &usb_tablet_class, "3"));
    cr_assert_null(rig_plug(r, &usb_tablet_class, "1..2"));
    cr_assert_eq(usb_bus_free_port(uhci_bus(r->uhci), &only)->number, 2);
    cr_assert_not(only);
    rig_free(r);
}
