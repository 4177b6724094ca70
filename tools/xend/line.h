/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * line.h - xend's end of a serial or parallel port's cable (include/line_proto.h).  Whatever the port
 * is connected to, all that it says is logged, kept for a while and shown again to whoever comes:
 * to the terminal that every port has (xm console), and to the next client of a socket.
 */
#ifndef GH_XEND_LINE_H
#define GH_XEND_LINE_H

#include "tools/common/domain_config.h"
#include "tools/xend/console.h"

typedef struct Line Line;

/* sock: owned; log: not owned, may be NULL.  what: "serial port 0", for messages. */
Line *line_new(int sock, const LineConfig *config, const char *what, ConsoleLog *log, char **error);
void line_free(Line *l);
const char *line_tty(const Line *l);        /* /dev/pts/N */

/* --- host devices (line_device.c) --- */
/* Raw and exclusive if it is a terminal, claimed if it is a parallel port; -1 with errno. */
int line_device_open(const char *path);
/* Bits a second and LINE_* format of line_proto.h; nothing if it is no terminal. */
void line_device_params(int fd, unsigned speed, unsigned format);
void line_device_break(int fd, bool on);
void line_device_modem(int fd, unsigned lines);
/* Its inputs as LINE_*; -1: it has none. */
int line_device_inputs(int fd);

/* Takes out the marks by which a terminal shows breaks; the new length.  *state: 0 at first. */
size_t line_device_filter(uint8_t *state, uint8_t *buf, size_t len, unsigned *breaks);

/* --- sockets (line_socket.c) --- */
/* A listening socket, or -1 with errno (EADDRNOTAVAIL too when the name is unknown). */
int line_listen(const LineConfig *config);

/* --- Telnet (line_telnet.c) --- */
typedef struct Telnet {
    uint8_t state;
    bool last_cr;
} Telnet;
extern const uint8_t telnet_greeting[];
extern const size_t telnet_greeting_len;
/* Takes commands out of buf; the new length.  *breaks counts BREAK commands. */
size_t telnet_filter(Telnet *t, uint8_t *buf, size_t len, unsigned *breaks);

#endif
