/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * console.h - the terminals of a domain: pseudo terminals for its serial ports and its PV console,
 * and the log of what the guest said.
 */
#ifndef GH_XEND_CONSOLE_H
#define GH_XEND_CONSOLE_H

#include <glib.h>
#include <stdbool.h>

/* A pseudo terminal in raw mode. */
typedef struct Pty {
    int master, slave;          /* slave is held open so that the master never sees a hang-up */
    char *name;                 /* /dev/pts/N */
} Pty;

bool pty_open(Pty *p, char **error);
void pty_close(Pty *p);

/* A file of at most limit bytes; what was in it before is kept as FILE.1. */
typedef struct ConsoleLog ConsoleLog;
ConsoleLog *console_log_new(const char *path, gsize limit, char **error);
void console_log_free(ConsoleLog *l);
void console_log_write(ConsoleLog *l, const void *data, gsize len);

/* The PV console: bytes between a stream (owned) and a pty's master; log may be NULL. */
typedef struct ConsoleBridge ConsoleBridge;
ConsoleBridge *console_bridge_new(int stream_fd, Pty *pty, ConsoleLog *log);
void console_bridge_free(ConsoleBridge *b);

#endif
