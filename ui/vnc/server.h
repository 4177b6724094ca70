/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * server.h - the VNC server of one domain: libvncserver with a thread for each client, so that a
 * slow one holds up nobody, drawing straight from the shared display memory.
 */
#ifndef GH_VNC_SERVER_H
#define GH_VNC_SERVER_H

#include <glib.h>
#include "ui/common/keymap.h"
#include "ui/common/screen.h"

typedef struct VncServer VncServer;

/* screen and keymap must outlive the process's use of it; password NULL or "": none is asked for.
 * Starts no thread yet. */
VncServer *vnc_server_new(Screen *screen, Keymap *keymap, const char *name, const char *password,
                          GError **error);
/* Accepts from the listening socket until the process ends. */
void vnc_server_listen(VncServer *s, int listen_fd);

/* The screen's messages, from the main thread. */
void vnc_server_event(VncServer *s, enum ScreenEvent event, const UiMsg *msg);

#endif
