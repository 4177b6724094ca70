/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * screen.h - a viewer's end of include/ui_proto.h: the display memory, mapped read-only, and the
 * messages about it, checked.  A message that makes no sense is an error, and ends the viewer.
 */
#ifndef GH_UI_SCREEN_H
#define GH_UI_SCREEN_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "ui_proto.h"

typedef struct Screen {
    int sock;
    const uint8_t *map;
    size_t map_size;
    const uint8_t *pixels;      /* XRGB8888, stride bytes a line; never NULL after connect */
    unsigned width, height, stride;
    bool absolute;              /* the guest's pointer */
    unsigned leds;
} Screen;

/* Blocks for the hello; the socket stays the caller's. */
bool screen_connect(Screen *s, int sock, GError **error);
void screen_disconnect(Screen *s);

enum ScreenEvent { SCREEN_NOTHING, SCREEN_RESIZED, SCREEN_DIRTY, SCREEN_POINTER, SCREEN_LEDS,
                   SCREEN_CURSOR, SCREEN_CURSOR_MOVED, SCREEN_OTHER, SCREEN_CLOSED, SCREEN_BAD };
/* The next message without blocking; *msg is as received, with a dirty rectangle cut to the size. */
enum ScreenEvent screen_next(Screen *s, UiMsg *msg);

/* False: could not be sent.  may_drop: rather lose it than wait. */
bool screen_send(Screen *s, bool may_drop, uint32_t type, uint32_t a, uint32_t b, uint32_t c,
                 uint32_t d);

#endif
