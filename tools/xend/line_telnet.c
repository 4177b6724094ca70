/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * line_telnet.c - as much of Telnet (RFC 854, 856, 857, 858) as a serial line needs: we echo, both
 * sides send binary and without go-ahead; options that the other side asks for are not answered,
 * which means no.
 */
#include "tools/xend/line.h"

enum { SE = 240, BREAK = 243, SB = 250, WILL = 251, DONT = 254, IAC = 255 };
enum { OPTION_BINARY = 0, OPTION_ECHO = 1, OPTION_SGA = 3 };
enum { DATA, COMMAND, OPTION, SUB, SUB_COMMAND };
enum { DO = 253 };

const uint8_t telnet_greeting[] = { IAC, WILL, OPTION_ECHO, IAC, WILL, OPTION_SGA, IAC, WILL,
                                    OPTION_BINARY, IAC, DO, OPTION_BINARY };
const size_t telnet_greeting_len = sizeof telnet_greeting;

/* True: c is data. */
static bool step(Telnet *t, uint8_t c, unsigned *breaks)
{
    switch (t->state) {
    case DATA:
        if (c == IAC) {
            t->state = COMMAND;
            return false;
        }
        if (t->last_cr && c == 0) {         /* CR NUL is a carriage return alone */
            t->last_cr = false;
            return false;
        }
        t->last_cr = c == '\r';
        return true;
    case COMMAND:
        t->state = c == SB ? SUB : c >= WILL && c <= DONT ? OPTION : DATA;
        *breaks += c == BREAK;
        return c == IAC;
    case SUB:
        t->state = c == IAC ? SUB_COMMAND : SUB;
        return false;
    case SUB_COMMAND:
        t->state = c == SE ? DATA : SUB;
        return false;
    default:
        t->state = DATA;
        return false;
    }
}

size_t telnet_filter(Telnet *t, uint8_t *buf, size_t len, unsigned *breaks)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        if (step(t, buf[i], breaks)) {
            buf[n++] = buf[i];
        }
    }
    return n;
}
