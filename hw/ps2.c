/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ps2.c - PS/2 queues, and the keyboard (IBM PS/2 keyboard command set): scan code sets 1, 2 and 3,
 * typematic repeat, LEDs, identification, reset.  Left out: set 3's per-key modes (FB-FD are taken
 * and answered, without effect) and the half second of a real self-test.
 */
#include "hw/ps2.h"

#include <string.h>

enum { REPLIES = 32, KEY_EVENT_BYTES = 144 };
enum { ACK = 0xfa, RESEND = 0xfe, BAT_OK = 0xaa };
enum { KEY_LCTRL = 0x1d, KEY_LSHIFT = 0x2a, KEY_RSHIFT = 0x36, KEY_LALT = 0x38, KEY_RCTRL = 0x9d,
       KEY_RALT = 0xb8, KEY_PRINT = 0xb7 };

/* --- queues ------------------------------------------------------------------------------------ */

void ps2_port_init(Ps2Port *p, uint32_t event_bytes)
{
    ring_init(&p->replies, REPLIES);
    ring_init(&p->events, event_bytes);
}

void ps2_port_finish(Ps2Port *p)
{
    ring_finish(&p->replies);
    ring_finish(&p->events);
}

bool ps2_pop(Ps2Port *p, uint8_t *byte)
{
    if (ring_pop(&p->replies, byte)) {
        return true;
    }
    if (!p->left && !ring_pop(&p->events, &p->left)) {
        return false;
    }
    p->left--;
    return ring_pop(&p->events, byte);
}

void ps2_reply(Ps2Port *p, uint8_t byte)
{
    ring_push(&p->replies, byte);
}

bool ps2_event(Ps2Port *p, const uint8_t *bytes, unsigned len)
{
    if (ring_space(&p->events) < len + 1) {
        return false;
    }
    ring_push(&p->events, len);
    ring_push_all(&p->events, bytes, len);
    return true;
}

void ps2_command_came(Ps2Port *p)
{
    ring_drop(&p->events, p->left);
    p->left = 0;
}

void ps2_forget(Ps2Port *p, bool replies)
{
    ring_clear(&p->events);
    p->left = 0;
    if (replies) {
        ring_clear(&p->replies);
    }
}

void ps2_port_loaded(Ps2Port *p)
{
    uint32_t at = p->left, used = ring_used(&p->events);
    uint8_t len;

    while (at < used && ring_peek(&p->events, at, &len) && len >= 1 && len <= PS2_EVENT_MAX) {
        at += 1 + len;
    }
    if (at != used) {
        ps2_forget(p, false);
    }
}

const StateField ps2_port_state[] = {
    STATE_RING(Ps2Port, replies), STATE_RING(Ps2Port, events),
    STATE_U8_MAX(Ps2Port, left, PS2_EVENT_MAX),
    STATE_END
};

/* --- scan codes -------------------------------------------------------------------------------- */

/* Set 1 code to set 2 code; the same for keys with an E0 prefix. */
static const uint8_t set2_codes[128] = {
    0x00, 0x76, 0x16, 0x1e, 0x26, 0x25, 0x2e, 0x36, 0x3d, 0x3e, 0x46, 0x45, 0x4e, 0x55, 0x66, 0x0d,
    0x15, 0x1d, 0x24, 0x2d, 0x2c, 0x35, 0x3c, 0x43, 0x44, 0x4d, 0x54, 0x5b, 0x5a, 0x14, 0x1c, 0x1b,
    0x23, 0x2b, 0x34, 0x33, 0x3b, 0x42, 0x4b, 0x4c, 0x52, 0x0e, 0x12, 0x5d, 0x1a, 0x22, 0x21, 0x2a,
    0x32, 0x31, 0x3a, 0x41, 0x49, 0x4a, 0x59, 0x7c, 0x11, 0x29, 0x58, 0x05, 0x06, 0x04, 0x0c, 0x03,
    0x0b, 0x83, 0x0a, 0x01, 0x09, 0x77, 0x7e, 0x6c, 0x75, 0x7d, 0x7b, 0x6b, 0x73, 0x74, 0x79, 0x69,
    0x72, 0x7a, 0x70, 0x71, 0x84, 0x60, 0x61, 0x78, 0x07, 0x0f, 0x17, 0x1f, 0x27, 0x2f, 0x37, 0x3f,
    0x47, 0x4f, 0x56, 0x5e, 0x08, 0x10, 0x18, 0x20, 0x28, 0x30, 0x38, 0x40, 0x48, 0x50, 0x57, 0x6f,
    0x13, 0x19, 0x39, 0x51, 0x53, 0x5c, 0x5f, 0x62, 0x63, 0x64, 0x65, 0x67, 0x68, 0x6a, 0x6d, 0x6e,
};

/* Set 1 code to set 3 code: plain keys, keys with a prefix in set 1. */
static const uint8_t set3_plain[0x60] = {
    0x00, 0x08, 0x16, 0x1e, 0x26, 0x25, 0x2e, 0x36, 0x3d, 0x3e, 0x46, 0x45, 0x4e, 0x55, 0x66, 0x0d,
    0x15, 0x1d, 0x24, 0x2d, 0x2c, 0x35, 0x3c, 0x43, 0x44, 0x4d, 0x54, 0x5b, 0x5a, 0x11, 0x1c, 0x1b,
    0x23, 0x2b, 0x34, 0x33, 0x3b, 0x42, 0x4b, 0x4c, 0x52, 0x0e, 0x12, 0x5c, 0x1a, 0x22, 0x21, 0x2a,
    0x32, 0x31, 0x3a, 0x41, 0x49, 0x4a, 0x59, 0x7e, 0x19, 0x29, 0x14, 0x07, 0x0f, 0x17, 0x1f, 0x27,
    0x2f, 0x37, 0x3f, 0x47, 0x4f, 0x76, 0x5f, 0x6c, 0x75, 0x7d, 0x84, 0x6b, 0x73, 0x74, 0x7c, 0x69,
    0x72, 0x7a, 0x70, 0x71, 0x00, 0x00, 0x13, 0x56, 0x5e, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
};
static const uint8_t set3_prefixed[0x60] = {
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x79, 0x58, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x77, 0x00, 0x57, 0x39, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x62, 0x6e, 0x63, 0x6f, 0x00, 0x61, 0x00, 0x6a, 0x00, 0x65,
    0x60, 0x6d, 0x67, 0x64, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x8b, 0x8c, 0x8d, 0x00, 0x00,
};

typedef struct Codes {
    uint8_t byte[PS2_EVENT_MAX];
    unsigned n;
} Codes;

static void put(Codes *c, uint8_t byte)
{
    if (c->n < sizeof c->byte) {
        c->byte[c->n++] = byte;
    }
}

/* One key's make or break in sets 1 and 2. */
static void put_key(const Ps2Keyboard *k, Codes *c, uint8_t code, bool prefix, bool down)
{
    if (prefix) {
        put(c, 0xe0);
    }
    if (k->scan_set == 1) {
        put(c, code | (down ? 0 : 0x80));
        return;
    }
    if (!down) {
        put(c, 0xf0);
    }
    put(c, set2_codes[code & 0x7f]);
}

static bool is_down(const Ps2Keyboard *k, unsigned code)
{
    return k->down[code >> 3] >> (code & 7) & 1;
}

static bool ctrl_down(const Ps2Keyboard *k)
{
    return is_down(k, KEY_LCTRL) || is_down(k, KEY_RCTRL);
}

/* Pause sends make and break at once; with Ctrl it is Break. */
static void put_pause(const Ps2Keyboard *k, Codes *c)
{
    static const uint8_t one[] = { 0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5 };
    static const uint8_t two[] = { 0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77 };

    if (ctrl_down(k)) {
        put_key(k, c, 0x46, true, true);
        put_key(k, c, 0x46, true, false);
        return;
    }
    for (unsigned i = 0; i < (k->scan_set == 1 ? sizeof one : sizeof two); i++) {
        put(c, k->scan_set == 1 ? one[i] : two[i]);
    }
}

/* Print Screen brings a shift of its own, unless one is held; with Alt it is SysRq. */
static void put_print(const Ps2Keyboard *k, Codes *c, bool down)
{
    if (is_down(k, KEY_LALT) || is_down(k, KEY_RALT)) {
        put_key(k, c, 0x54, false, down);
    } else if (ctrl_down(k) || is_down(k, KEY_LSHIFT) || is_down(k, KEY_RSHIFT)) {
        put_key(k, c, 0x37, true, down);
    } else if (down) {
        put_key(k, c, 0x2a, true, true);
        put_key(k, c, 0x37, true, true);
    } else {
        put_key(k, c, 0x37, true, false);
        put_key(k, c, 0x2a, true, false);
    }
}

static Codes codes_for(const Ps2Keyboard *k, unsigned code, bool down)
{
    Codes c = { .n = 0 };

    if (k->scan_set == 3) {
        const uint8_t *table = code & 0x80 ? set3_prefixed : set3_plain;
        uint8_t three = (code & 0x7f) < 0x60 ? table[code & 0x7f] : 0;

        if (three && (down || !k->no_break)) {
            if (!down) {
                put(&c, 0xf0);
            }
            put(&c, three);
        }
    } else if (code == INPUT_KEY_PAUSE) {
        if (down) {
            put_pause(k, &c);
        }
    } else if (code == KEY_PRINT) {
        put_print(k, &c, down);
    } else if (set2_codes[code & 0x7f]) {
        put_key(k, &c, code & 0x7f, code & 0x80, down);
    }
    return c;
}

/* --- keys -------------------------------------------------------------------------------------- */

static bool keyboard_send(Ps2Keyboard *k, unsigned code, bool down)
{
    Codes c = codes_for(k, code, down);
    bool sent = c.n && ps2_event(&k->port, c.byte, c.n);

    if (sent) {
        k->port.changed(k->port.opaque);
    }
    return sent;
}

static int64_t repeat_delay(const Ps2Keyboard *k)
{
    return ((k->rate >> 5 & 3) + 1) * 250 * NS_PER_MS;
}

/* (8 + A) * 2^B / 240 seconds; 1/30 s at least. */
static int64_t repeat_period(const Ps2Keyboard *k)
{
    return (8 + (k->rate & 7)) * (1LL << (k->rate >> 3 & 3)) * NS_PER_S / 240;
}

static void keyboard_repeat(void *opaque)
{
    Ps2Keyboard *k = opaque;

    if (!k->repeating || !k->scanning) {
        return;
    }
    /* A guest that does not keep up gets no backlog. */
    if (!ring_used(&k->port.events)) {
        keyboard_send(k, k->repeating, true);
    }
    timer_at(&k->repeat, vm_now(k->dev) + repeat_period(k));
}

static void keyboard_key(void *opaque, unsigned code, bool down)
{
    Ps2Keyboard *k = opaque;
    uint8_t bit = 1 << (code & 7), *held = &k->down[code >> 3 & 31];
    bool was = *held & bit;

    if (code == 0 || code > 255 || was == down) {
        return;                         /* the viewer's own repeat: we repeat ourselves */
    }
    *held ^= bit;
    if (!down && k->repeating == code) {
        k->repeating = 0;
        timer_cancel(&k->repeat);
    }
    if (!k->scanning) {
        return;
    }
    keyboard_send(k, code, down);
    if (down && code != INPUT_KEY_PAUSE && !k->no_repeat) {
        k->repeating = code;
        timer_at(&k->repeat, vm_now(k->dev) + repeat_delay(k));
    }
}

/* --- commands ---------------------------------------------------------------------------------- */

static void keyboard_answer(Ps2Keyboard *k, uint8_t byte)
{
    k->last_reply = byte;
    ps2_reply(&k->port, byte);
}

static void keyboard_leds(Ps2Keyboard *k, uint8_t leds)
{
    k->leds = leds & 7;
    input_set_leds(k->input, k->leds);
}

static void keyboard_defaults(Ps2Keyboard *k)
{
    k->scan_set = 2;
    k->rate = 0x2b;                     /* 10.9 a second after half a second */
    k->no_repeat = k->no_break = false;
    k->repeating = 0;
    timer_cancel(&k->repeat);
    ps2_forget(&k->port, false);
}

static void keyboard_parameter(Ps2Keyboard *k, uint8_t command, uint8_t byte)
{
    switch (command) {
    case 0xed:
        keyboard_answer(k, ACK);
        keyboard_leds(k, byte);
        break;
    case 0xf0:
        if (byte > 3) {
            keyboard_answer(k, RESEND);
            break;
        }
        keyboard_answer(k, ACK);
        if (byte == 0) {
            keyboard_answer(k, k->scan_set);
        } else {
            k->scan_set = byte;
            ps2_forget(&k->port, false);
        }
        break;
    case 0xf3:
        keyboard_answer(k, ACK);
        k->rate = byte & 0x7f;
        break;
    default:                            /* FB-FD: more codes may follow */
        k->command = command;
        keyboard_answer(k, ACK);
        break;
    }
}

static void keyboard_command(Ps2Keyboard *k, uint8_t byte)
{
    switch (byte) {
    case 0xed: case 0xf0: case 0xf3: case 0xfb: case 0xfc: case 0xfd:
        k->command = byte;
        keyboard_answer(k, ACK);
        break;
    case 0xee:
        keyboard_answer(k, 0xee);
        break;
    case 0xf2:
        keyboard_answer(k, ACK);
        keyboard_answer(k, 0xab);
        keyboard_answer(k, 0x83);
        break;
    case 0xf4:
        ps2_forget(&k->port, false);
        k->scanning = true;
        keyboard_answer(k, ACK);
        break;
    case 0xf5: case 0xf6:
        keyboard_defaults(k);
        k->scanning = byte == 0xf6;
        keyboard_answer(k, ACK);
        break;
    case 0xf7: case 0xf8: case 0xf9: case 0xfa:
        k->no_repeat = byte == 0xf8 || byte == 0xf9;
        k->no_break = byte == 0xf7 || byte == 0xf9;
        keyboard_answer(k, ACK);
        break;
    case 0xfe:
        ps2_reply(&k->port, k->last_reply);
        break;
    case 0xff:
        ps2_keyboard_reset(k);
        keyboard_answer(k, ACK);
        keyboard_answer(k, BAT_OK);
        break;
    default:
        keyboard_answer(k, RESEND);
        break;
    }
}

void ps2_keyboard_write(Ps2Keyboard *k, uint8_t byte)
{
    uint8_t command = k->command;

    ps2_command_came(&k->port);
    k->command = 0;
    if (command && !(byte & 0x80)) {
        keyboard_parameter(k, command, byte);
    } else {
        keyboard_command(k, byte);      /* a command in place of a parameter starts anew */
    }
    k->port.changed(k->port.opaque);
}

/* --- life -------------------------------------------------------------------------------------- */

void ps2_keyboard_init(Ps2Keyboard *k, Device *dev, Input *input)
{
    k->dev = dev;
    k->input = input;
    ps2_port_init(&k->port, KEY_EVENT_BYTES);
    timer_init(&k->repeat, &dev->machine->timers, keyboard_repeat, k);
    k->sink = (InputKeyboard){ .key = keyboard_key, .opaque = k };
    input_attach_keyboard(input, &k->sink);
}

void ps2_keyboard_reset(Ps2Keyboard *k)
{
    ps2_forget(&k->port, true);
    keyboard_defaults(k);
    keyboard_leds(k, 0);
    memset(k->down, 0, sizeof k->down);
    k->command = 0;
    k->last_reply = BAT_OK;
    k->scanning = true;
}

void ps2_keyboard_loaded(Ps2Keyboard *k)
{
    ps2_port_loaded(&k->port);
    input_set_leds(k->input, k->leds);
}

void ps2_keyboard_finish(Ps2Keyboard *k)
{
    if (k->input) {
        input_detach_keyboard(k->input, &k->sink);
        timer_cancel(&k->repeat);
        ps2_port_finish(&k->port);
    }
}

const StateField ps2_keyboard_state[] = {
    STATE_STRUCT(Ps2Keyboard, port, ps2_port_state),
    STATE_U8(Ps2Keyboard, command), STATE_U8_MAX(Ps2Keyboard, scan_set, 3),
    STATE_U8_MAX(Ps2Keyboard, rate, 0x7f), STATE_U8_MAX(Ps2Keyboard, leds, 7),
    STATE_U8(Ps2Keyboard, last_reply), STATE_BOOL(Ps2Keyboard, scanning),
    STATE_BOOL(Ps2Keyboard, no_repeat), STATE_BOOL(Ps2Keyboard, no_break),
    STATE_BYTES(Ps2Keyboard, down), STATE_U8(Ps2Keyboard, repeating),
    STATE_TIMER(Ps2Keyboard, repeat),
    STATE_END
};
