/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * input.h - keys and pointers from the viewers to the input devices.  Keys are XT (set 1) codes:
 * 0x01..0x58 plain, 0x80 | code for those with an E0 prefix (so 0x9c is keypad Enter); Pause is
 * INPUT_KEY_PAUSE, Print Screen 0xb7.  Queues downstream are bounded and drop whole events.
 */
#ifndef GH_INPUT_H
#define GH_INPUT_H

#include <stdbool.h>
#include <stdint.h>

#define INPUT_KEY_PAUSE 0xc6

typedef struct Input Input;

typedef struct InputKeyboard {
    void (*key)(void *opaque, unsigned code, bool down);
    void *opaque;
} InputKeyboard;

enum { INPUT_LEFT = 1, INPUT_RIGHT = 2, INPUT_MIDDLE = 4, INPUT_SIDE = 8, INPUT_EXTRA = 16 };

typedef struct InputPointer {
    /* Relative: dx, dy in counts, dz wheel clicks (+ is down/towards user). */
    void (*move)(void *opaque, int dx, int dy, int dz, unsigned buttons);
    /* Absolute: x, y in 0..32767.  A pointer offers one of the two. */
    void (*place)(void *opaque, unsigned x, unsigned y, int dz, unsigned buttons);
    void *opaque;
} InputPointer;

/*
 * Of several keyboards and pointers the one attached last is used.  What is held down at a change is
 * released on the one that was used before.  They belong to whoever attaches them; detaching one
 * that is not attached does nothing.
 */
void input_attach_keyboard(Input *in, const InputKeyboard *kbd);
void input_detach_keyboard(Input *in, const InputKeyboard *kbd);
void input_attach_pointer(Input *in, const InputPointer *pointer);
void input_detach_pointer(Input *in, const InputPointer *pointer);
void input_set_leds(Input *in, unsigned leds);      /* 1 scroll, 2 num, 4 caps */

#endif
