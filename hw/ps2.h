/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ps2.h - what sits at the end of a PS/2 cable.  Answers to commands have a queue of their own and
 * come first; events are queued whole or not at all, and one that is half read when a command comes
 * is cut off there, as real devices do.
 */
#ifndef GH_PS2_H
#define GH_PS2_H

#include "lib/device.h"
#include "ui/input.h"

#define PS2_EVENT_MAX 8             /* bytes of the longest event (Pause) */

typedef struct Ps2Port {
    Ring replies;                   /* bytes */
    Ring events;                    /* length byte, then that many bytes */
    uint8_t left;                   /* of the event being read */
    void (*changed)(void *opaque);  /* there may be something to read */
    void *opaque;
} Ps2Port;

typedef struct Ps2Keyboard {
    Ps2Port port;
    Device *dev;
    Input *input;
    InputKeyboard sink;
    uint8_t command;                /* waiting for its parameter, or 0 */
    uint8_t scan_set;               /* 1, 2, 3 */
    uint8_t rate;                   /* of F3 */
    uint8_t leds;
    uint8_t last_reply;
    bool scanning, no_repeat, no_break;
    uint8_t down[32];               /* bits by input code */
    uint8_t repeating;              /* input code, or 0 */
    Timer repeat;
} Ps2Keyboard;

typedef struct Ps2Mouse {
    Ps2Port port;
    Device *dev;
    Input *input;
    InputPointer sink;
    uint8_t command;
    uint8_t id;                     /* 0, 3 (wheel), 4 (five buttons) */
    uint8_t rate, resolution;
    uint8_t knocks[3];              /* last sample rates set */
    uint8_t last_reply;
    bool streaming, reporting, wrapping, double_scale;
    uint8_t buttons, told_buttons;
    uint32_t dx, dy, dz;            /* not yet told; two's complement */
    bool pending;
    Timer sample;
} Ps2Mouse;

void ps2_keyboard_init(Ps2Keyboard *k, Device *dev, Input *input);
void ps2_keyboard_reset(Ps2Keyboard *k);
void ps2_keyboard_loaded(Ps2Keyboard *k);
void ps2_keyboard_finish(Ps2Keyboard *k);
void ps2_keyboard_write(Ps2Keyboard *k, uint8_t byte);

void ps2_mouse_init(Ps2Mouse *m, Device *dev, Input *input);
void ps2_mouse_reset(Ps2Mouse *m);
void ps2_mouse_loaded(Ps2Mouse *m);
void ps2_mouse_finish(Ps2Mouse *m);
void ps2_mouse_write(Ps2Mouse *m, uint8_t byte);

bool ps2_pop(Ps2Port *p, uint8_t *byte);

/* For the two devices. */
void ps2_port_init(Ps2Port *p, uint32_t event_bytes);
void ps2_port_finish(Ps2Port *p);
void ps2_reply(Ps2Port *p, uint8_t byte);
bool ps2_event(Ps2Port *p, const uint8_t *bytes, unsigned len);     /* false: no room, dropped */
void ps2_command_came(Ps2Port *p);          /* cuts off the event being read */
void ps2_forget(Ps2Port *p, bool replies);
void ps2_port_loaded(Ps2Port *p);           /* drops events whose lengths make no sense */

extern const StateField ps2_keyboard_state[], ps2_mouse_state[], ps2_port_state[];

#endif
