/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb_keyboard.c - a 105-key keyboard with boot protocol (HID 1.11, appendices B.1 and C; HID Usage
 * Tables 1.12, page 7): eight-byte reports, roll-over error beyond six keys, five LEDs.  Each poll
 * takes one change, so that a short press is seen; if more than QUEUE changes wait, what they lead
 * to is reported instead.
 */
#include "hw/usb/usb_hid.h"

#include "hw/devices.h"
#include <string.h>

enum { QUEUE = 32, KEYS_MAX = 6, ROLL_OVER = 1, FIRST_KEY = 4, FIRST_MODIFIER = 0xe0,
       LAST_MODIFIER = 0xe7, KEY_DOWN = 0x100, LED_BITS = 0x1f };

typedef struct UsbKeyboard {
    UsbHid hid;
    uint16_t queue[QUEUE];      /* usage, KEY_DOWN; oldest first */
    uint8_t queued;
    bool overflowed;            /* changes were dropped: after the queue, take held */
    uint8_t shown[32];          /* bits by usage: what the guest knows */
    uint8_t held[32];           /* what is really down */
    uint8_t leds;
    InputKeyboard sink;
} UsbKeyboard;

/* PC/AT set 1 codes without a prefix to usages of page 7 (0: none). */
static const uint8_t usages[128] = {
    0x00, 0x29, 0x1e, 0x1f, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x2d, 0x2e, 0x2a, 0x2b,
    0x14, 0x1a, 0x08, 0x15, 0x17, 0x1c, 0x18, 0x0c, 0x12, 0x13, 0x2f, 0x30, 0x28, 0xe0, 0x04, 0x16,
    0x07, 0x09, 0x0a, 0x0b, 0x0d, 0x0e, 0x0f, 0x33, 0x34, 0x35, 0xe1, 0x31, 0x1d, 0x1b, 0x06, 0x19,
    0x05, 0x11, 0x10, 0x36, 0x37, 0x38, 0xe5, 0x55, 0xe2, 0x2c, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e,
    0x3f, 0x40, 0x41, 0x42, 0x43, 0x53, 0x47, 0x5f, 0x60, 0x61, 0x56, 0x5c, 0x5d, 0x5e, 0x57, 0x59,
    0x5a, 0x5b, 0x62, 0x63, 0x46, 0x00, 0x64, 0x44, 0x45, 0x67, 0x00, 0x00, 0x8c, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f, 0x70, 0x71, 0x72, 0x00,
    0x88, 0x91, 0x90, 0x87, 0x00, 0x00, 0x73, 0x93, 0x92, 0x8a, 0x00, 0x8b, 0x00, 0x89, 0x85, 0x00,
};
/* The same with an E0 prefix. */
static const struct { uint8_t code, usage; } prefixed[] = {
    { 0x1c, 0x58 }, { 0x1d, 0xe4 }, { 0x20, 0x7f }, { 0x2e, 0x81 }, { 0x30, 0x80 }, { 0x35, 0x54 },
    { 0x37, 0x46 }, { 0x38, 0xe6 }, { 0x46, 0x48 }, { 0x47, 0x4a }, { 0x48, 0x52 }, { 0x49, 0x4b },
    { 0x4b, 0x50 }, { 0x4d, 0x4f }, { 0x4f, 0x4d }, { 0x50, 0x51 }, { 0x51, 0x4e }, { 0x52, 0x49 },
    { 0x53, 0x4c }, { 0x5b, 0xe3 }, { 0x5c, 0xe7 }, { 0x5d, 0x65 }, { 0x5e, 0x66 },
};

static const uint8_t keyboard_report[] = {
    0x05, 0x01, 0x09, 0x06, 0xa1, 0x01,     /* generic desktop, keyboard: application */
    0x05, 0x07, 0x19, 0xe0, 0x29, 0xe7, 0x15, 0, 0x25, 1, 0x75, 1, 0x95, 8, 0x81, 0x02, /* modifiers */
    0x95, 1, 0x75, 8, 0x81, 0x01,           /* reserved byte */
    0x95, 5, 0x75, 1, 0x05, 0x08, 0x19, 1, 0x29, 5, 0x91, 0x02,     /* LEDs */
    0x95, 1, 0x75, 3, 0x91, 0x01,
    0x95, 6, 0x75, 8, 0x15, 0, 0x26, 0xff, 0x00, 0x05, 0x07, 0x19, 0, 0x2a, 0xff, 0x00, 0x81, 0x00,
    0xc0,
};
static const uint8_t keyboard_device[18] = {
    18, USB_DESC_DEVICE, 0x10, 0x01, 0, 0, 0, 8, 0x27, 0x06, 0x03, 0x00, 0x00, 0x01, 1, 2, 0, 1 };
static const uint8_t keyboard_config[] = { HID_CONFIG(1, 1, sizeof keyboard_report, 8, 10) };
static const char *const keyboard_strings[] = { "Guesthouse", "USB Keyboard", NULL };

/* --- keys -------------------------------------------------------------------------------------- */

static unsigned usage_of(unsigned code)
{
    if (code < 128) {
        return usages[code];
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(prefixed); i++) {
        if (prefixed[i].code == (code & 127)) {
            return prefixed[i].usage;
        }
    }
    return 0;
}

static bool bit(const uint8_t *set, unsigned usage)
{
    return set[usage >> 3] >> (usage & 7) & 1;
}

static void set_bit(uint8_t *set, unsigned usage, bool on)
{
    set[usage >> 3] = (set[usage >> 3] & ~(1 << (usage & 7))) | on << (usage & 7);
}

static void keyboard_key(void *opaque, unsigned code, bool down)
{
    UsbKeyboard *k = opaque;
    unsigned usage = usage_of(code);

    if (!usage || bit(k->held, usage) == down) {
        return;                             /* repeating is the host's business */
    }
    set_bit(k->held, usage, down);
    if (k->overflowed || k->queued == QUEUE) {
        k->overflowed = true;
    } else {
        k->queue[k->queued++] = usage | (down ? KEY_DOWN : 0);
    }
    usb_device_ready(&k->hid.usb);
}

/* What the guest knows after the next report. */
static void next_keys(const UsbKeyboard *k, uint8_t keys[32])
{
    if (k->queued) {
        memcpy(keys, k->shown, 32);
        set_bit(keys, k->queue[0] & 0xff, k->queue[0] & KEY_DOWN);
    } else {
        memcpy(keys, k->overflowed ? k->held : k->shown, 32);
    }
}

static unsigned keyboard_make_report(UsbHid *h, uint8_t report[HID_REPORT_MAX])
{
    uint8_t keys[32];
    unsigned n = 0;

    next_keys((UsbKeyboard *)h, keys);
    memset(report, 0, HID_REPORT_MAX);
    report[0] = keys[FIRST_MODIFIER >> 3];
    for (unsigned usage = FIRST_KEY; usage < FIRST_MODIFIER; usage++) {
        if (bit(keys, usage)) {
            if (n < KEYS_MAX) {
                report[2 + n] = usage;
            }
            n++;
        }
    }
    if (n > KEYS_MAX) {
        memset(report + 2, ROLL_OVER, KEYS_MAX);
    }
    return HID_REPORT_MAX;
}

static bool keyboard_pending(UsbHid *h)
{
    UsbKeyboard *k = (UsbKeyboard *)h;

    return k->queued || k->overflowed;
}

static void keyboard_sent(UsbHid *h)
{
    UsbKeyboard *k = (UsbKeyboard *)h;
    uint8_t keys[32];

    next_keys(k, keys);
    memcpy(k->shown, keys, sizeof k->shown);
    if (k->queued) {
        memmove(k->queue, k->queue + 1, --k->queued * sizeof k->queue[0]);
    } else {
        k->overflowed = false;
    }
}

static void keyboard_forget(UsbHid *h)
{
    UsbKeyboard *k = (UsbKeyboard *)h;

    memset(k->queue, 0, sizeof k->queue);
    memset(k->shown, 0, sizeof k->shown);
    memset(k->held, 0, sizeof k->held);
    k->queued = 0;
    k->overflowed = false;
}

static void show_leds(UsbKeyboard *k)
{
    input_set_leds(k->hid.input, (k->leds & 4 ? 1 : 0) | (k->leds & 1 ? 2 : 0) |
                                 (k->leds & 2 ? 4 : 0));
}

static bool keyboard_output(UsbHid *h, const uint8_t *data, unsigned len)
{
    UsbKeyboard *k = (UsbKeyboard *)h;

    if (len != 1) {
        return false;
    }
    k->leds = data[0] & LED_BITS;
    show_leds(k);
    return true;
}

static void keyboard_attach(UsbHid *h, bool attached)
{
    UsbKeyboard *k = (UsbKeyboard *)h;

    if (attached) {
        input_attach_keyboard(h->input, &k->sink);
    } else {
        input_detach_keyboard(h->input, &k->sink);
    }
}

/* --- class ------------------------------------------------------------------------------------- */

static const HidKind keyboard_kind = {
    .usb = { .speed = USB_LOW_SPEED, .device = keyboard_device, .config = keyboard_config,
             .config_len = sizeof keyboard_config, .strings = keyboard_strings, HID_OPS },
    .descriptor = keyboard_report, .descriptor_len = sizeof keyboard_report, .boot = true,
    .report = keyboard_make_report, .pending = keyboard_pending, .sent = keyboard_sent,
    .forget = keyboard_forget, .output = keyboard_output, .attach = keyboard_attach,
};

static bool keyboard_init(Device *dev, GError **error)
{
    UsbKeyboard *k = (UsbKeyboard *)dev;

    k->sink = (InputKeyboard){ keyboard_key, k };
    return hid_init(&k->hid, &keyboard_kind, error);
}

static void keyboard_reset(Device *dev)
{
    ((UsbKeyboard *)dev)->leds = 0;
    usb_device_reset((UsbDevice *)dev);
}

static bool keyboard_loaded(Device *dev, GError **error)
{
    UsbKeyboard *k = (UsbKeyboard *)dev;

    return hid_loaded(&k->hid, error);
}

static void keyboard_finish(Device *dev)
{
    UsbKeyboard *k = (UsbKeyboard *)dev;

    if (k->hid.usb.model) {
        hid_finish(&k->hid);
    }
}

static const ConfigField keyboard_config_fields[] = {
    CONFIG_USB(UsbKeyboard, hid.usb),
    { "input", CONFIG_POINTER, offsetof(UsbKeyboard, hid.input), NULL, "where keys come from" },
    CONFIG_END
};
static const StateField keyboard_state[] = {
    STATE_STRUCT(UsbKeyboard, hid, hid_state), STATE_U16_ARRAY(UsbKeyboard, queue),
    STATE_U8_MAX(UsbKeyboard, queued, QUEUE), STATE_BOOL(UsbKeyboard, overflowed),
    STATE_BYTES(UsbKeyboard, shown), STATE_BYTES(UsbKeyboard, held),
    STATE_U8_MAX(UsbKeyboard, leds, LED_BITS),
    STATE_END
};

const DeviceClass usb_keyboard_class = {
    .name = "usb_keyboard", .summary = "USB keyboard, 105 keys, LEDs",
    .size = sizeof(UsbKeyboard), .version = 1, .config = keyboard_config_fields,
    .state = keyboard_state, .init = keyboard_init, .reset = keyboard_reset,
    .loaded = keyboard_loaded, .finish = keyboard_finish,
};
