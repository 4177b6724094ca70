/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * input.c - hands keys and pointer events to the devices that want them.  Nothing is queued here:
 * the devices' own bounded queues decide.  Motion of the wrong kind (a viewer may not yet know that
 * the guest's pointer changed) is translated as well as can be.
 */
#include "ui/hub.h"

#include <string.h>

enum { AXIS_MAX = 32767, AXIS_PER_COUNT = 32, BUTTONS = 31, WHEEL_MAX = 16 };

Input *input_new(void)
{
    Input *in = g_new0(Input, 1);

    in->keyboards = g_ptr_array_new();
    in->pointers = g_ptr_array_new();
    return in;
}

void input_free(Input *in)
{
    if (in) {
        g_ptr_array_free(in->keyboards, TRUE);
        g_ptr_array_free(in->pointers, TRUE);
        g_free(in);
    }
}

static void changed(Input *in, unsigned news)
{
    if (in->changed) {
        in->changed(in->changed_opaque, news);
    }
}

static const InputPointer *pointer(const Input *in)
{
    return in->pointers->len ? in->pointers->pdata[in->pointers->len - 1] : NULL;
}

static const InputKeyboard *keyboard(const Input *in)
{
    return in->keyboards->len ? in->keyboards->pdata[in->keyboards->len - 1] : NULL;
}

static void release_keys(Input *in)
{
    const InputKeyboard *kbd = keyboard(in);

    for (unsigned code = 0; kbd && code < 256; code++) {
        if (in->held[code >> 3] >> (code & 7) & 1) {
            kbd->key(kbd->opaque, code, false);
        }
    }
    memset(in->held, 0, sizeof in->held);
}

static void release_buttons(Input *in)
{
    if (in->buttons) {
        input_move(in, 0, 0, 0, 0);
    }
}

void input_attach_keyboard(Input *in, const InputKeyboard *kbd)
{
    if (kbd != keyboard(in)) {
        release_keys(in);
        g_ptr_array_remove(in->keyboards, (gpointer)kbd);
        g_ptr_array_add(in->keyboards, (gpointer)kbd);
    }
}

void input_detach_keyboard(Input *in, const InputKeyboard *kbd)
{
    if (kbd == keyboard(in)) {
        memset(in->held, 0, sizeof in->held);
    }
    g_ptr_array_remove(in->keyboards, (gpointer)kbd);
}

void input_attach_pointer(Input *in, const InputPointer *p)
{
    if (p != pointer(in)) {
        release_buttons(in);
        g_ptr_array_remove(in->pointers, (gpointer)p);
        g_ptr_array_add(in->pointers, (gpointer)p);
        changed(in, NEWS_POINTER);
    }
}

void input_detach_pointer(Input *in, const InputPointer *p)
{
    bool used = p == pointer(in);

    g_ptr_array_remove(in->pointers, (gpointer)p);
    if (used) {
        in->buttons = 0;
        changed(in, NEWS_POINTER);
    }
}

void input_set_leds(Input *in, unsigned leds)
{
    if (in->leds != (leds & 7)) {
        in->leds = leds & 7;
        changed(in, NEWS_LEDS);
    }
}

unsigned input_leds(const Input *in) { return in->leds; }

bool input_absolute(const Input *in)
{
    return pointer(in) && pointer(in)->place;
}

void input_key(Input *in, unsigned code, bool down)
{
    const InputKeyboard *kbd = keyboard(in);

    if (kbd && code > 0 && code < 256) {
        uint8_t bit = 1 << (code & 7), *held = &in->held[code >> 3];

        *held = down ? *held | bit : *held & ~bit;
        kbd->key(kbd->opaque, code, down);
    }
}

void input_place(Input *in, unsigned x, unsigned y, int dz, unsigned buttons)
{
    const InputPointer *p = pointer(in);

    dz = CLAMP(dz, -WHEEL_MAX, WHEEL_MAX);
    in->x = MIN(x, AXIS_MAX);
    in->y = MIN(y, AXIS_MAX);
    in->buttons = buttons & BUTTONS;
    if (p && p->place) {
        p->place(p->opaque, in->x, in->y, dz, buttons & BUTTONS);
    } else if (p && p->move) {
        p->move(p->opaque, 0, 0, dz, buttons & BUTTONS);
    }
}

void input_move(Input *in, int dx, int dy, int dz, unsigned buttons)
{
    const InputPointer *p = pointer(in);

    dx = CLAMP(dx, -AXIS_MAX, AXIS_MAX);
    dy = CLAMP(dy, -AXIS_MAX, AXIS_MAX);
    dz = CLAMP(dz, -WHEEL_MAX, WHEEL_MAX);
    in->buttons = buttons & BUTTONS;
    if (p && p->place) {
        in->x = CLAMP((int)in->x + dx * AXIS_PER_COUNT, 0, AXIS_MAX);
        in->y = CLAMP((int)in->y + dy * AXIS_PER_COUNT, 0, AXIS_MAX);
        p->place(p->opaque, in->x, in->y, dz, buttons & BUTTONS);
    } else if (p && p->move) {
        p->move(p->opaque, dx, dy, dz, buttons & BUTTONS);
    }
}
