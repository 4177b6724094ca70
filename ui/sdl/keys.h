/* SPDX-License-Identifier: GPL-2.0-or-later */
/* keys.h - places of keys, as SDL numbers them, to the guest's keys. */
#ifndef GH_SDL_KEYS_H
#define GH_SDL_KEYS_H

/* SDL_Scancode to an input code (ui/input.h); 0: the guest's keyboard has no such key. */
unsigned sdl_key_code(unsigned scancode);

#endif
