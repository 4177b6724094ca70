/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * line_proto.h - a serial or parallel port's cable between qemu-dm and xend: a SOCK_SEQPACKET socket,
 * one LineMsg a packet, data behind it.  xend holds the other end of the cable: terminal, file,
 * socket, host device.  Neither side trusts the other: unknown types are ignored, lengths checked.
 */
#ifndef GH_LINE_PROTO_H
#define GH_LINE_PROTO_H

#include <stdint.h>

#define LINE_DATA_MAX 1024

enum LineMsgType {
    LINE_DATA = 1,          /* both ways: bytes, at most LINE_DATA_MAX */
    LINE_BREAK,             /* both ways: a = 1 the line is held at space, 0 no longer */
    LINE_PARAMS,            /* qemu-dm -> xend: a = bits a second, b = LINE_* below */
    LINE_MODEM,             /* both ways: a = LINE_DTR and so on, as they are now */
};

enum { LINE_DATA_BITS = 0x0f, LINE_TWO_STOPS = 0x10, LINE_PARITY = 0x20, LINE_EVEN = 0x40,
       LINE_STICK = 0x80 };
enum { LINE_DTR = 1, LINE_RTS = 2,                              /* the port's outputs */
       LINE_CTS = 0x10, LINE_DSR = 0x20, LINE_RI = 0x40, LINE_DCD = 0x80 };     /* its inputs */

typedef struct LineMsg {
    uint32_t type;
    uint32_t a, b;
} LineMsg;

#endif
