/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * window.h - the domain's screen in a window of the desktop.
 */
#ifndef GH_SDL_WINDOW_H
#define GH_SDL_WINDOW_H

#include <glib.h>
#include "ui/common/screen.h"

typedef struct WindowOptions {
    const char *name;           /* of the domain */
    bool full_screen, opengl;
} WindowOptions;

/* Shows the screen until the device model goes; the process's exit status. */
int window_run(Screen *screen, const WindowOptions *options, GError **error);

#endif
