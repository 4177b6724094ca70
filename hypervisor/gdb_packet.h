/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gdb_packet.h - the remote serial protocol's framing (gdb manual, "Overview" of the protocol):
 * $DATA#SUM, + and -, the interrupt byte, and hexadecimal text.  Bytes from the peer are not trusted:
 * a packet that is too long or damaged is answered with - and forgotten.
 */
#ifndef GH_HV_GDB_PACKET_H
#define GH_HV_GDB_PACKET_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define GDB_PACKET_MAX 0x4000   /* bytes between $ and #, either way; told to gdb */

typedef struct GdbReader {
    char data[GDB_PACKET_MAX + 1];      /* of the packet, then a zero */
    unsigned len;
    uint8_t state, sum, told;
    bool overflow;
} GdbReader;

typedef enum GdbEvent {
    GDB_NOTHING,        /* go on with the next byte */
    GDB_PACKET,         /* data and len are one; to be acknowledged by + */
    GDB_DAMAGED,        /* to be answered by - */
    GDB_INTERRUPT,      /* Ctrl-C */
    GDB_NAK,            /* the last packet is wanted again */
} GdbEvent;

GdbEvent gdb_reader_byte(GdbReader *r, uint8_t byte);
/* Appends one packet with data[0..len) to out, escaping what needs it. */
void gdb_frame(GString *out, const char *data, size_t len);

/* Undoes the escapes of binary data in place; the new length. */
size_t gdb_unescape(char *data, size_t len);
void gdb_put_hex(GString *out, const void *bytes, size_t len);
/* len bytes from 2 * len digits; false: other characters, or too few. */
bool gdb_get_hex(const char *text, size_t chars, void *bytes, size_t len);
/* A hexadecimal number at *text, which moves behind it; false: none, or more than 64 bits. */
bool gdb_get_number(const char **text, uint64_t *value);

#endif
