/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cirrus_blt.c - the GD5446's BitBLT engine (CL-GD5446 Technical Reference Manual, GR20-GR39): copies
 * in both directions, 8x8 patterns, colour expansion, solid fill, transparency, all sixteen raster
 * operations, and transfers from and to system memory.  A line at a time: its source is fetched
 * whole, then combined with the destination.  Each byte of video memory is reached through fetch()
 * and store() alone, which wrap at its end as the chip's address counters do.
 * Left out: the time a transfer takes (it is done when the register write is).
 */
#include "hw/cirrus.h"

#include <string.h>

enum { MODE_BACKWARD = 1, MODE_TO_SYSTEM = 2, MODE_FROM_SYSTEM = 4, MODE_TRANSPARENT = 8,
       MODE_PATTERN = 0x40, MODE_EXPAND = 0x80 };
enum { EXT_DWORDS = 1, EXT_INVERT = 2, EXT_SOLID = 4 };
enum { STATUS_BUSY = 1, STATUS_START = 2, STATUS_RESET = 4, STATUS_PROGRESS = 8,
       STATUS_AUTOSTART = 0x80 };
#define ADDRESS_MASK 0x3fffffu

static unsigned pixel_bytes(const CirrusBlt *b)
{
    return (b->mode >> 4 & 3) + 1;
}

/* --- video memory ------------------------------------------------------------------------------ */

static void fetch(const Cirrus *c, uint32_t at, uint8_t *to, uint32_t len)
{
    uint32_t size = c->vga.vram_size, room;

    at &= size - 1;
    room = MIN(len, size - at);
    memcpy(to, c->vga.vram + at, room);
    memcpy(to + room, c->vga.vram, len - room);
}

static void touch(Cirrus *c, uint32_t at, uint32_t len)
{
    for (uint32_t page = at >> 12; page <= (at + len - 1) >> 12; page++) {
        vga_touch(&c->vga, page << 12);
    }
}

static void store(Cirrus *c, uint32_t at, const uint8_t *from, uint32_t len)
{
    uint32_t size = c->vga.vram_size, room;

    at &= size - 1;
    room = MIN(len, size - at);
    memcpy(c->vga.vram + at, from, room);
    touch(c, at, room);
    if (len > room) {
        memcpy(c->vga.vram, from + room, len - room);
        touch(c, 0, len - room);
    }
}

/* --- raster operations ------------------------------------------------------------------------- */

/* Result bits for source and destination 00, 01, 10, 11 in bits 0 to 3; codes that the chip does not
 * define leave the destination. */
static unsigned truth_table(uint8_t rop)
{
    switch (rop) {
    case 0x00: return 0x0;
    case 0x05: return 0x8;
    case 0x09: return 0x4;
    case 0x0b: return 0x5;
    case 0x0d: return 0xc;
    case 0x0e: return 0xf;
    case 0x50: return 0x2;
    case 0x59: return 0x6;
    case 0x6d: return 0xe;
    case 0x90: return 0x7;
    case 0x95: return 0x9;
    case 0xad: return 0xd;
    case 0xd0: return 0x3;
    case 0xd6: return 0xb;
    case 0xda: return 0x1;
    default:   return 0xa;          /* 06: destination */
    }
}

static void combine(uint8_t rop, const uint8_t *src, uint8_t *dst, uint32_t len)
{
    unsigned t = truth_table(rop);
    uint8_t k0 = t & 1 ? 0xff : 0, k1 = t & 2 ? 0xff : 0, k2 = t & 4 ? 0xff : 0,
            k3 = t & 8 ? 0xff : 0;

    if (t == 0xc) {
        memcpy(dst, src, len);
        return;
    }
    for (uint32_t i = 0; i < len; i++) {
        uint8_t s = src[i], d = dst[i];

        dst[i] = (s & ((d & k3) | (~d & k2))) | (~s & ((d & k1) | (~d & k0)));
    }
}

/* --- a line of the source ---------------------------------------------------------------------- */

static uint32_t mono_bytes(const CirrusBlt *b)
{
    uint32_t pixels = (b->width + pixel_bytes(b) - 1) / pixel_bytes(b);

    return b->extensions & EXT_DWORDS ? (pixels + 31) / 32 * 4 : (pixels + 7) / 8;
}

static void put_pixel(uint8_t *to, uint32_t colour, unsigned bytes, uint32_t room)
{
    for (unsigned i = 0; i < MIN(bytes, room); i++) {
        to[i] = colour >> (8 * i);
    }
}

/* Bits to colours; in *keep a byte that is 0 for each byte that is not to be written. */
static void expand(const CirrusBlt *b, const uint8_t *bits, unsigned period, uint8_t *src,
                   uint8_t *keep)
{
    unsigned bytes = pixel_bytes(b);
    bool transparent = b->mode & MODE_TRANSPARENT, invert = b->extensions & EXT_INVERT;

    for (uint32_t x = 0, n = 0; x < b->width; x += bytes, n++) {
        unsigned bit = n % period;
        bool one = bits[bit / 8] >> (7 - bit % 8) & 1;
        uint32_t room = MIN(bytes, b->width - x);

        put_pixel(src + x, one ? b->fore : b->back, bytes, room);
        if (transparent) {
            memset(keep + x, one != invert ? 0xff : 0, room);
        }
    }
}

/* The source of a pattern lies at a multiple of its size; the low bits say which line is first. */
static void pattern_line(const Cirrus *c, uint8_t *src, uint8_t *keep)
{
    const CirrusBlt *b = &c->blt;
    unsigned bytes = pixel_bytes(b), pitch = bytes == 3 ? 32 : 8 * bytes, line;
    uint8_t pattern[32];

    if (b->mode & MODE_EXPAND) {
        line = (b->src + b->row) & 7;
        if (b->from_cpu) {
            pattern[0] = b->line[line];
        } else {
            fetch(c, (b->src & ~7u) + line, pattern, 1);
        }
        if (b->extensions & EXT_SOLID) {
            pattern[0] = 0xff;
        }
        expand(b, pattern, 8, src, keep);
        return;
    }
    line = (b->src + b->row) & 7;
    if (b->from_cpu) {
        memcpy(pattern, b->line + line * pitch, pitch);
    } else {
        fetch(c, (b->src & ~(8 * pitch - 1)) + line * pitch, pattern, pitch);
    }
    for (uint32_t x = 0; x < b->width; x++) {
        src[x] = pattern[x % (8 * bytes)];
    }
}

/* What is equal to the key after the operation stays as it was; 8 and 16 bits a pixel. */
static void key_out(const CirrusBlt *b, const uint8_t *result, uint8_t *keep)
{
    unsigned bytes = pixel_bytes(b);
    uint16_t care = ~b->key_mask;

    for (uint32_t x = 0; x + bytes <= b->width; x += bytes) {
        uint16_t pixel = result[x] | (bytes == 2 ? result[x + 1] << 8 : b->key & 0xff00);

        if (!((pixel ^ b->key) & care)) {
            memset(keep + x, 0, bytes);
        }
    }
}

/* Bytes at the left that are not written. */
static uint32_t left_skip(const CirrusBlt *b)
{
    unsigned bytes = pixel_bytes(b);

    if (!(b->mode & (MODE_EXPAND | MODE_PATTERN))) {
        return 0;
    }
    return MIN(bytes == 3 ? b->skip & 0x1f : (b->skip & 7) * bytes, b->width);
}

/* --- a line ------------------------------------------------------------------------------------ */

/* Draws the line at hand; the CPU's bytes, if it is from there, are in b->line. */
static void draw_line(Cirrus *c)
{
    CirrusBlt *b = &c->blt;
    bool backward = b->mode & MODE_BACKWARD, expanding = b->mode & MODE_EXPAND;
    bool keyed = (b->mode & MODE_TRANSPARENT) && !expanding;
    uint8_t src[CIRRUS_BLT_LINE + 4], dst[CIRRUS_BLT_LINE], keep[CIRRUS_BLT_LINE + 4];
    uint32_t width = b->width, skip = left_skip(b);
    uint32_t to = backward ? b->dst - (width - 1) : b->dst;

    if (b->mode & MODE_TRANSPARENT) {
        memset(keep, 0xff, width);
    }
    if (b->mode & MODE_PATTERN) {
        pattern_line(c, src, keep);
    } else if (expanding) {
        if (!b->from_cpu) {
            fetch(c, b->src, b->line, b->line_len);
        }
        expand(b, b->line, UINT32_MAX, src, keep);
    } else if (b->from_cpu) {
        memcpy(src, b->line, width);
    } else {
        fetch(c, backward ? b->src - (width - 1) : b->src, src, width);
    }
    fetch(c, to, dst, width);
    if (b->mode & MODE_TRANSPARENT) {
        uint8_t old[CIRRUS_BLT_LINE];

        memcpy(old, dst, width);
        combine(b->rop, src, dst, width);
        if (keyed) {
            key_out(b, dst, keep);
        }
        for (uint32_t i = 0; i < width; i++) {
            dst[i] = (dst[i] & keep[i]) | (old[i] & ~keep[i]);
        }
    } else {
        combine(b->rop, src, dst, width);
    }
    if (skip < width) {
        store(c, to + skip, dst + skip, width - skip);
    }
}

static void next_line(CirrusBlt *b)
{
    uint32_t sign = b->mode & MODE_BACKWARD ? UINT32_MAX : 1;

    b->dst += sign * b->dst_pitch;
    if (!(b->mode & MODE_PATTERN)) {
        b->src += b->mode & MODE_EXPAND ? b->line_len : sign * b->src_pitch;
    }
    b->row++;
}

/* --- life -------------------------------------------------------------------------------------- */

static uint16_t reg16(const Cirrus *c, unsigned low)
{
    return c->gfx[low] | c->gfx[low + 1] << 8;
}

static uint32_t reg24(const Cirrus *c, unsigned low)
{
    return (reg16(c, low) | (uint32_t)c->gfx[low + 2] << 16) & ADDRESS_MASK;
}

static uint32_t colour(const Cirrus *c, unsigned first)
{
    return cirrus_gfx_read(c, first) | c->gfx[0x10 + first] << 8 | c->gfx[0x12 + first] << 16 |
           (uint32_t)c->gfx[0x14 + first] << 24;
}

void cirrus_blt_reset(Cirrus *c)
{
    c->blt.from_cpu = c->blt.to_cpu = false;
    c->blt.line_at = 0;
    c->gfx[GR31_STATUS] &= ~(STATUS_BUSY | STATUS_START | STATUS_RESET | STATUS_PROGRESS);
    cirrus_map_update(c);
}

/* Bytes that the CPU gives or takes for a line; all of a pattern at once. */
static uint32_t cpu_line(const CirrusBlt *b)
{
    unsigned bytes = pixel_bytes(b);

    if (b->mode & MODE_PATTERN) {
        return b->mode & MODE_EXPAND ? 8 : 8 * (bytes == 3 ? 32 : 8 * bytes);
    }
    return b->mode & MODE_EXPAND ? mono_bytes(b) : (b->width + 3) & ~3u;
}

static const char *impossible(const CirrusBlt *b)
{
    unsigned bytes = pixel_bytes(b);
    bool expanding = b->mode & MODE_EXPAND;

    if ((b->mode & MODE_FROM_SYSTEM) && (b->mode & MODE_TO_SYSTEM)) {
        return "from and to system memory";
    }
    if ((b->mode & MODE_TO_SYSTEM) && (b->mode & (MODE_PATTERN | MODE_EXPAND | MODE_TRANSPARENT))) {
        return "to system memory with a pattern, expanding or transparent";
    }
    if ((b->mode & MODE_TRANSPARENT) && !expanding && bytes > 2) {
        return "transparent with 24 or 32 bits a pixel";
    }
    if ((b->mode & MODE_BACKWARD) && (b->mode & (MODE_PATTERN | MODE_EXPAND | MODE_FROM_SYSTEM |
                                                 MODE_TO_SYSTEM))) {
        return "backward but no plain copy";
    }
    return NULL;
}

static void start(Cirrus *c)
{
    CirrusBlt *b = &c->blt;
    const char *why;

    vga_linear_trapped(&c->vga);
    b->width = (reg16(c, GR20_WIDTH) & 0x1fff) + 1;
    b->height = (reg16(c, GR22_HEIGHT) & 0x7ff) + 1;
    b->dst_pitch = reg16(c, GR24_DST_PITCH) & 0x1fff;
    b->src_pitch = reg16(c, GR26_SRC_PITCH) & 0x1fff;
    b->dst = reg24(c, GR28_DST);
    b->src = reg24(c, GR2C_SRC);
    b->row = b->line_at = 0;
    b->mode = c->gfx[GR30_MODE];
    b->extensions = c->gfx[GR33_EXTENSIONS];
    b->rop = c->gfx[GR32_ROP];
    b->skip = c->gfx[GR2F_SKIP];
    b->back = colour(c, 0);
    b->fore = colour(c, 1);
    b->key = reg16(c, GR34_KEY);
    b->key_mask = reg16(c, GR38_KEY_MASK);
    b->from_cpu = b->to_cpu = false;
    why = impossible(b);
    if (why) {
        log_guest(&c->pci.dev, "BitBLT mode 0x%02x: %s; not done", b->mode, why);
        cirrus_blt_reset(c);
        return;
    }
    b->line_len = b->mode & (MODE_FROM_SYSTEM | MODE_TO_SYSTEM) ? cpu_line(b) : mono_bytes(b);
    b->from_cpu = b->mode & MODE_FROM_SYSTEM;
    b->to_cpu = b->mode & MODE_TO_SYSTEM;
    c->gfx[GR31_STATUS] |= STATUS_BUSY | STATUS_PROGRESS;
    if (cirrus_blt_waits(c)) {
        cirrus_map_update(c);
        return;
    }
    for (; b->row < b->height; next_line(b)) {
        draw_line(c);
    }
    cirrus_blt_reset(c);
}

void cirrus_blt_control(Cirrus *c, uint8_t value)
{
    uint8_t old = c->gfx[GR31_STATUS];

    /* Bits 0 and 3 are the engine's, START stays while it is at work. */
    c->gfx[GR31_STATUS] = (value & 0xf2 & ~STATUS_START) | (value & STATUS_RESET) |
                          (old & (STATUS_BUSY | STATUS_PROGRESS | STATUS_START));
    if ((old & STATUS_RESET) && !(value & STATUS_RESET)) {
        cirrus_blt_reset(c);
    } else if (!(old & STATUS_START) && (value & STATUS_START)) {
        c->gfx[GR31_STATUS] |= STATUS_START;
        start(c);
    }
}

void cirrus_blt_autostart(Cirrus *c)
{
    if ((c->gfx[GR31_STATUS] & STATUS_AUTOSTART) && !cirrus_blt_waits(c)) {
        start(c);
    }
}

void cirrus_blt_put(Cirrus *c, uint8_t byte)
{
    CirrusBlt *b = &c->blt;

    if (!b->from_cpu) {
        return;
    }
    b->line[b->line_at++] = byte;
    if (b->line_at < b->line_len) {
        return;
    }
    b->line_at = 0;
    do {
        draw_line(c);
        next_line(b);
    } while ((b->mode & MODE_PATTERN) && b->row < b->height);
    if (b->row >= b->height) {
        cirrus_blt_reset(c);
    }
}

uint8_t cirrus_blt_get(Cirrus *c)
{
    CirrusBlt *b = &c->blt;
    uint8_t byte;

    if (!b->to_cpu) {
        return 0xff;
    }
    if (b->line_at == 0) {
        memset(b->line, 0, b->line_len);
        fetch(c, b->src, b->line, b->width);
    }
    byte = b->line[b->line_at++];
    if (b->line_at == b->line_len) {
        b->line_at = 0;
        next_line(b);
        if (b->row >= b->height) {
            cirrus_blt_reset(c);
        }
    }
    return byte;
}

bool cirrus_blt_valid(const CirrusBlt *b)
{
    if (!b->from_cpu && !b->to_cpu) {
        return true;
    }
    return b->width >= 1 && b->width <= CIRRUS_BLT_LINE && b->height <= 2048 && b->row < b->height &&
           b->line_len == cpu_line(b) && b->line_at < b->line_len && !impossible(b) &&
           b->from_cpu == !!(b->mode & MODE_FROM_SYSTEM) &&
           b->to_cpu == !!(b->mode & MODE_TO_SYSTEM);
}
