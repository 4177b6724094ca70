/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ui_proto.h - between a device model and the viewers' processes (dm-ui, dm-sdl): a SOCK_SEQPACKET
 * socket and the display memfd, which the viewer maps read-only.  The viewer trusts nothing but
 * sizes it has checked; the device model treats a viewer as a network client.
 */
#ifndef GH_UI_PROTO_H
#define GH_UI_PROTO_H

#include <stdint.h>

#define UI_PROTO_VERSION 2

enum UiMsgType {
    /* device model -> viewer */
    UI_HELLO = 1,           /* a = version, b = bytes of the memfd; comes with the display memfd */
    UI_RESIZE,              /* a = width, b = height, c = stride in bytes, d = offset in the memfd */
    UI_DIRTY,               /* a = x, b = y, c = w, d = h; all in the current size */
    UI_POINTER_KIND,        /* a = 1: absolute, 0: relative */
    UI_LEDS,                /* a = bits: 1 scroll 2 num 4 caps */
    UI_BELL,
    /* viewer -> device model */
    UI_WATCHERS = 64,       /* a = number of people looking; 0: stop refreshing */
    UI_KEY,                 /* a = code (ui/input.h), b = down */
    UI_POINTER,             /* a = x, b = y (0..32767 absolute), c = buttons, d = wheel (signed) */
    UI_MOTION,              /* a = dx, b = dy (signed), c = buttons, d = wheel (signed) */
    UI_REFRESH,             /* send everything again */
    UI_POWER,               /* a = 0 power button, 1 reset */
    UI_QUIT,                /* the window was closed */
};

typedef struct UiMsg {
    uint32_t type;
    uint32_t a, b, c, d;
} UiMsg;

#define UI_SURFACE_OFFSET 16384     /* in the memfd */

#endif
