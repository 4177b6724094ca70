/* SPDX-License-Identifier: GPL-2.0-or-later */
/* gdb_packet.c - framing, escapes and hexadecimal text of gdb's remote protocol. */
#include "hypervisor/gdb_packet.h"

#include <string.h>

#define ESCAPE '}'
#define ESCAPE_XOR 0x20
#define CTRL_C 3

enum { OUTSIDE, INSIDE, SUM_HIGH, SUM_LOW };

GdbEvent gdb_reader_byte(GdbReader *r, uint8_t byte)
{
    switch (r->state) {
    case OUTSIDE:
        if (byte == '$') {
            r->state = INSIDE;
            r->len = r->sum = 0;
            r->overflow = false;
            return GDB_NOTHING;
        }
        return byte == CTRL_C ? GDB_INTERRUPT : byte == '-' ? GDB_NAK : GDB_NOTHING;
    case INSIDE:
        if (byte == '#') {
            r->state = SUM_HIGH;
            return GDB_NOTHING;
        }
        if (byte == '$') {              /* the end of the last one was lost */
            r->len = r->sum = 0;
            r->overflow = false;
            return GDB_NOTHING;
        }
        r->sum += byte;
        if (r->len == GDB_PACKET_MAX) {
            r->overflow = true;
        } else {
            r->data[r->len++] = byte;
        }
        return GDB_NOTHING;
    case SUM_HIGH:
        r->told = g_ascii_isxdigit(byte) ? g_ascii_xdigit_value(byte) << 4 : 0;
        r->overflow |= !g_ascii_isxdigit(byte);
        r->state = SUM_LOW;
        return GDB_NOTHING;
    default:
        r->state = OUTSIDE;
        r->data[r->len] = 0;
        if (r->overflow || !g_ascii_isxdigit(byte) ||
            (r->told | g_ascii_xdigit_value(byte)) != r->sum) {
            return GDB_DAMAGED;
        }
        return GDB_PACKET;
    }
}

void gdb_frame(GString *out, const char *data, size_t len)
{
    uint8_t sum = 0;
    size_t from = out->len + 1;

    g_string_append_c(out, '$');
    for (size_t i = 0; i < len; i++) {
        if (strchr("#$}*", data[i]) && data[i]) {
            g_string_append_c(out, ESCAPE);
            g_string_append_c(out, data[i] ^ ESCAPE_XOR);
        } else {
            g_string_append_c(out, data[i]);
        }
    }
    while (from < out->len) {
        sum += out->str[from++];
    }
    g_string_append_printf(out, "#%02x", sum);
}

size_t gdb_unescape(char *data, size_t len)
{
    size_t to = 0;

    for (size_t i = 0; i < len; i++) {
        if (data[i] == ESCAPE && i + 1 < len) {
            data[to++] = data[++i] ^ ESCAPE_XOR;
        } else {
            data[to++] = data[i];
        }
    }
    return to;
}

void gdb_put_hex(GString *out, const void *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *b = bytes;

    for (size_t i = 0; i < len; i++) {
        g_string_append_c(out, digits[b[i] >> 4]);
        g_string_append_c(out, digits[b[i] & 15]);
    }
}

bool gdb_get_hex(const char *text, size_t chars, void *bytes, size_t len)
{
    uint8_t *b = bytes;

    if (chars / 2 < len) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        int high = g_ascii_xdigit_value(text[2 * i]), low = g_ascii_xdigit_value(text[2 * i + 1]);

        if (high < 0 || low < 0) {
            return false;
        }
        b[i] = high << 4 | low;
    }
    return true;
}

bool gdb_get_number(const char **text, uint64_t *value)
{
    const char *p = *text;
    uint64_t v = 0;

    for (; g_ascii_isxdigit(*p); p++) {
        if (v >> 60) {
            return false;
        }
        v = v << 4 | g_ascii_xdigit_value(*p);
    }
    if (p == *text) {
        return false;
    }
    *text = p;
    *value = v;
    return true;
}
