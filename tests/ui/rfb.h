/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rfb.h - a small raw RFB client for the tests (raw encoding, 32 bits), and a domain's screen with a
 * real dm-ui behind it.  The client blocks, so it runs in a thread while the test runs the main loop.
 */
#ifndef GH_TESTS_RFB_H
#define GH_TESTS_RFB_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include "ui/viewer.h"

typedef struct VncDomain {
    Display *display;
    Input *input;
    GPid pid;                   /* dm-ui */
    int port;
    GString *keys;              /* "1e+ 1e- " as the guest's keyboard gets them */
    int dx, dy, wheel;
    unsigned buttons, x, y;
    bool redrawn;               /* the card was asked */
    InputKeyboard keyboard;
    InputPointer relative, absolute;
} VncDomain;

/* NULL: there is no dm-ui to test.  password NULL: none. */
VncDomain *vnc_domain_new(const char *password, const char *keymap);
void vnc_domain_free(VncDomain *d);
/* Runs client in a thread and the main loop beside it until it returns (10 s at most). */
void vnc_domain_run(VncDomain *d, void (*client)(VncDomain *d, int sock));

typedef struct RfbScreen { unsigned width, height; uint32_t *pixels; char name[64]; } RfbScreen;

int rfb_connect(VncDomain *d);
bool rfb_read(int sock, void *buf, size_t len);
/* Version, security (none, or 16 bytes to answer the challenge of VNC authentication) and
 * ClientInit; false: refused. */
bool rfb_open(int sock, const char *answer, RfbScreen *s);
void rfb_formats(int sock);                             /* raw, NewFBSize; XRGB */
void rfb_request(int sock, const RfbScreen *s, bool incremental);
/* One FramebufferUpdate; rectangles land in s.  False: the connection broke. */
bool rfb_update(int sock, RfbScreen *s);
void rfb_key(int sock, uint32_t keysym, bool down);
void rfb_pointer(int sock, uint8_t mask, uint16_t x, uint16_t y);

#endif
