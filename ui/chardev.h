/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chardev.h - the cable of a serial or parallel port, whose other end is xend's (include/line_proto.h).
 * Never blocks: chardev_write() takes what it can.  Device thread only.
 */
#ifndef GH_CHARDEV_H
#define GH_CHARDEV_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Chardev Chardev;

typedef struct ChardevClient {
    size_t (*can_receive)(void *opaque);                /* bytes it would take now */
    void (*receive)(void *opaque, const uint8_t *buf, size_t len);
    void (*writable)(void *opaque);                     /* room again after a short write */
    void (*line_break)(void *opaque, bool on);          /* may be NULL */
    void (*modem)(void *opaque, unsigned lines);        /* LINE_CTS and so on; may be NULL */
    void *opaque;
} ChardevClient;

/* sock: owned; -1: a cable with nothing at its end, which swallows all. */
Chardev *chardev_new(int sock, GError **error);
void chardev_free(Chardev *c);
void chardev_attach(Chardev *c, const ChardevClient *client);
size_t chardev_write(Chardev *c, const void *buf, size_t len);
void chardev_receive_ready(Chardev *c);                 /* client has room again */
/* What the port does to its line; only changes are sent. */
void chardev_params(Chardev *c, unsigned bits_per_second, unsigned format);     /* LINE_DATA_BITS... */
void chardev_break(Chardev *c, bool on);
void chardev_modem(Chardev *c, unsigned lines);         /* LINE_DTR, LINE_RTS */

#endif
