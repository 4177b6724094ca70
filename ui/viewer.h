/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * viewer.h - qemu-dm's side of the screen, keyboard and mouse: who makes the Display and Input that
 * the devices use, and the viewers (dm-ui, dm-sdl) that show them.  A viewer is treated like a
 * network client: nothing it sends is trusted.
 */
#ifndef GH_VIEWER_H
#define GH_VIEWER_H

#include <glib.h>
#include "ui/display.h"
#include "ui/input.h"

/* --- screen; display_new() needs memfd_create() and mmap(): before the sandbox --- */
Display *display_new(GError **error);
void display_free(Display *d);          /* viewers with it */
/* The screen as it is now, as a binary PPM (P6); fd stays open. */
bool display_screenshot(Display *d, int fd, GError **error);

/* --- keys and pointers --- */
Input *input_new(void);
void input_free(Input *in);
/* Any code and any numbers are fine; what no device wants is dropped. */
void input_key(Input *in, unsigned code, bool down);
void input_place(Input *in, unsigned x, unsigned y, int dz, unsigned buttons);
void input_move(Input *in, int dx, int dy, int dz, unsigned buttons);
bool input_absolute(const Input *in);
unsigned input_leds(const Input *in);

/* --- viewers --- */
typedef struct ViewerRequests {
    void (*requested)(void *opaque, const char *what);  /* "power", "reset", "quit" */
    void *opaque;
} ViewerRequests;

/* Takes over the SOCK_SEQPACKET socket (closed on failure as well).  The viewer goes by itself
 * when its process does.  in and requests must outlive d; requests may be NULL. */
bool viewer_add(Display *d, Input *in, int sock, const ViewerRequests *requests, GError **error);

#endif
