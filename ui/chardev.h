/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chardev.h - a byte stream behind a serial or parallel port: a pty, a file, a socket.  Never
 * blocks: chardev_write() takes what it can.  Device thread only.
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
    void *opaque;
} ChardevClient;

/* in/out may be the same descriptor; -1: none.  log_fd gets a copy of all output, or -1.  drop:
 * a write that would block is swallowed (nobody reads the pty) instead of held back. */
Chardev *chardev_new(int in_fd, int out_fd, int log_fd, bool drop, GError **error);
void chardev_free(Chardev *c);
void chardev_attach(Chardev *c, const ChardevClient *client);
size_t chardev_write(Chardev *c, const void *buf, size_t len);
void chardev_receive_ready(Chardev *c);                 /* client has room again */

#endif
