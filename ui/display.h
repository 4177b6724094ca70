/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * display.h - the screen between a graphics card and whoever shows it.  The card draws XRGB8888
 * pixels into a shared surface and marks what it changed; dm-ui (VNC) and dm-sdl (window) map the
 * same memory read-only in their own processes and are told of changed rectangles.  A hardware cursor
 * is part of the picture: the card draws it.  See
 * include/ui_proto.h for that side.
 */
#ifndef GH_DISPLAY_H
#define GH_DISPLAY_H

#include <stdbool.h>
#include <stdint.h>

#define DISPLAY_MAX_WIDTH 2560
#define DISPLAY_MAX_HEIGHT 1600

typedef struct Display Display;

typedef struct DisplayClient {      /* the graphics card */
    /* Draw what changed since last time (everything if full) and mark it; called at most 50
     * times a second, and only while someone watches or a screenshot is wanted. */
    void (*refresh)(void *opaque, bool full);
    void *opaque;
} DisplayClient;

void display_attach(Display *d, const DisplayClient *client);
/* Clamped to the maxima; contents undefined until drawn; implies full refresh. */
void display_resize(Display *d, unsigned width, unsigned height);
unsigned display_width(const Display *d);
unsigned display_height(const Display *d);
unsigned display_stride(const Display *d);          /* bytes */
uint32_t *display_row(Display *d, unsigned y);      /* NULL beyond the height */
void display_dirty(Display *d, unsigned x, unsigned y, unsigned w, unsigned h);    /* clamps */

#endif
