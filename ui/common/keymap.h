/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keymap.h - from what a viewer's user typed (X key symbols, as VNC clients send them) to the keys
 * of the guest's keyboard (ui/input.h), for the keyboard layout that the guest has.
 */
#ifndef GH_KEYMAP_H
#define GH_KEYMAP_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Keymap Keymap;

typedef struct KeyStep {
    uint8_t code;               /* ui/input.h */
    bool down;
} KeyStep;
#define KEYMAP_STEPS 16         /* most steps of one event */

/* layout: a qemu-dm name (en-us, de-ch) or an XKB one (us, fr(bepo)).  Reads XKB's files. */
Keymap *keymap_new(const char *layout, GError **error);
void keymap_free(Keymap *k);
/* As the guest set them: 1 scroll, 2 num, 4 caps. */
void keymap_set_leds(Keymap *k, unsigned leds);

/*
 * owner pressed or released a key: fills steps, with the shifts that the guest's layout needs around
 * the key, and returns their number.  Unknown symbols give none.
 */
unsigned keymap_key(Keymap *k, const void *owner, uint32_t keysym, bool down,
                    KeyStep steps[KEYMAP_STEPS]);
/* One key that owner still holds is released; 0 when there is none: call until then. */
unsigned keymap_release(Keymap *k, const void *owner, KeyStep *step);

/* Linux key code (as in linux/input-event-codes.h) to an input code; 0: none. */
unsigned keymap_from_evdev(unsigned evdev);

#endif
