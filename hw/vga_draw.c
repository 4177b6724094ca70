/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vga_draw.c - from video memory to the shared surface: choice of mode, palettes, geometry, planar,
 * CGA and 256-colour graphics, and a card's own modes.  A line is converted only if its pages were
 * written or registers changed, and only pixels that differ from the surface are reported.  Each
 * line's address is checked or masked when it is drawn, whatever the registers say.
 */
#include "hw/vga.h"

#include <string.h>

enum { GR5_INTERLEAVE = 0x20, GR5_256 = 0x40, GR6_GRAPHICS = 1 };
enum { SR1_HALF_CLOCK = 8, SR1_SCREEN_OFF = 0x20, ATTR_SCREEN_ON = 0x20 };
enum { CR17_ROW0 = 1, CR17_ROW1 = 2, CR17_BYTE = 0x40 };
#define PLANES_MASK (4 * VGA_PLANE_SIZE - 1)

bool vga_dirty(const Vga *v, uint32_t start, uint32_t len)
{
    uint32_t last = (start + len - 1) >> 12;

    for (uint32_t page = start >> 12; page <= last; page++) {
        if (v->dirty[page >> 3] >> (page & 7) & 1) {
            return true;
        }
    }
    return false;
}

/* As vga_dirty(), for a range that may wrap in the planes. */
static bool planes_dirty(const Vga *v, uint32_t start, uint32_t len)
{
    uint32_t room;

    start &= PLANES_MASK;
    room = PLANES_MASK + 1 - start;
    if (len <= room) {
        return vga_dirty(v, start, len);
    }
    return vga_dirty(v, start, room) || vga_dirty(v, 0, MIN(len - room, PLANES_MASK + 1));
}

static void flush(Vga *v)
{
    if (v->changed.x1 > v->changed.x0) {
        display_dirty(v->display, v->changed.x0, v->changed.y0, v->changed.x1 - v->changed.x0,
                      v->changed.y1 - v->changed.y0);
    }
    v->changed.x0 = v->changed.x1 = 0;
}

void vga_emit(Vga *v, unsigned y, unsigned x, const uint32_t *pixels, unsigned n)
{
    uint32_t *row = display_row(v->display, y);
    unsigned width = display_width(v->display), end;

    if (!row || x >= width) {
        return;
    }
    n = MIN(n, width - x);
    row += x;
    if (!memcmp(row, pixels, n * sizeof *row)) {
        return;
    }
    for (end = n; row[end - 1] == pixels[end - 1]; end--) {
    }
    for (n = 0; row[n] == pixels[n]; n++) {
    }
    memcpy(row + n, pixels + n, (end - n) * sizeof *row);
    end += x;
    n += x;
    if (v->changed.x1 && v->changed.y1 == y) {
        v->changed.x0 = MIN(v->changed.x0, n);
        v->changed.x1 = MAX(v->changed.x1, end);
    } else {
        flush(v);
        v->changed.x0 = n;
        v->changed.x1 = end;
        v->changed.y0 = y;
    }
    v->changed.y1 = y + 1;
}

static uint32_t dac_colour(const Vga *v, unsigned index)
{
    const uint8_t *c = &v->dac[(index & v->dac_mask) * 3];

    if (vbe_on(v) && (v->vbe[VBE_ENABLE] & VBE_8BIT_DAC)) {
        return c[0] << 16 | c[1] << 8 | c[2];
    }
    uint32_t rgb = 0;

    for (unsigned i = 0; i < 3; i++) {
        unsigned six = c[i] & 0x3f;

        rgb = rgb << 8 | six << 2 | six >> 4;
    }
    return rgb;
}

static void update_palettes(Vga *v)
{
    uint8_t select = v->attr[0x14];

    for (unsigned i = 0; i < 256; i++) {
        v->palette[i] = dac_colour(v, i);
    }
    for (unsigned i = 0; i < 16; i++) {
        uint8_t entry = v->attr[i & v->attr[0x12] & 15] & 0x3f;

        if (v->attr[0x10] & 0x80) {
            entry = (entry & 15) | (select & 3) << 4;
        }
        v->colours[i] = v->palette[entry | (select & 12) << 4];
    }
}

/* --- rows: split screen, panning, scan doubling ---------------------------------------------- */

static unsigned row_height(const Vga *v)
{
    return ((v->crtc[9] & 31) + 1) * (v->crtc[9] & 0x80 ? 2 : 1);
}

static void rows_limit(const Vga *v, VgaRows *r)
{
    unsigned end = MIN(vga_lines(v), DISPLAY_MAX_HEIGHT), split = vga_line_compare(v) + 1;

    r->count = MIN(row_height(v) - r->scan, end - r->y);
    if (r->y < split && r->y + r->count > split) {
        r->count = split - r->y;
    }
}

VgaRows vga_rows_first(const Vga *v)
{
    VgaRows r = { .addr = (v->crtc[0x0c] << 8 | v->crtc[0x0d]) + (v->crtc[8] >> 5 & 3) };
    unsigned pan = v->attr[0x13] & 15;
    bool text = !(v->gfx[6] & GR6_GRAPHICS);

    r.scan = (v->crtc[8] & 31) * (v->crtc[9] & 0x80 ? 2 : 1);
    if (r.scan >= row_height(v)) {
        r.scan = 0;
    }
    if (text && !(v->seq[1] & 1)) {
        r.pan = pan >= 8 ? 0 : pan + 1;         /* nine dots: 8 is none, 0 is one dot */
    } else {
        r.pan = !text && (v->gfx[5] & GR5_256) ? (pan & 7) / 2 : pan & 7;
    }
    rows_limit(v, &r);
    return r;
}

VgaRows vga_rows_next(const Vga *v, const VgaRows *r)
{
    VgaRows n = *r;

    n.y += r->count;
    n.index++;
    n.scan += r->count;
    if (n.scan >= row_height(v)) {
        n.scan = 0;
        n.addr += v->crtc[0x13] * 2;
    }
    if (n.y == vga_line_compare(v) + 1) {
        n.scan = 0;
        n.addr = 0;
        if (v->attr[0x10] & 0x20) {
            n.pan = 0;
        }
    }
    rows_limit(v, &n);
    return n;
}

/* --- converters: n pixels from video memory --------------------------------------------------- */

static void planar_pixels(const Vga *v, uint32_t at, uint32_t mask, uint32_t *out, unsigned n)
{
    for (unsigned x = 0; x < n; x += 8, at += 4) {
        const uint8_t *p = v->vram + (at & mask & ~3u);

        for (unsigned bit = 0; bit < 8; bit++) {
            unsigned shift = 7 - bit;
            unsigned c = (p[0] >> shift & 1) | (p[1] >> shift & 1) << 1 | (p[2] >> shift & 1) << 2 |
                         (p[3] >> shift & 1) << 3;

            out[x + bit] = v->colours[c];
        }
    }
}

/* CGA's four colours: two bits a pixel, four pixels from plane 0 (and 2), then four from 1 (3). */
static void interleaved_pixels(const Vga *v, uint32_t at, uint32_t *out, unsigned n)
{
    for (unsigned x = 0; x < n; x += 8, at += 4) {
        const uint8_t *p = v->vram + (at & PLANES_MASK & ~3u);

        for (unsigned i = 0; i < 8; i++) {
            unsigned plane = i >> 2, shift = 6 - 2 * (i & 3);

            out[x + i] = v->colours[(p[plane] >> shift & 3) | (p[plane + 2] >> shift & 3) << 2];
        }
    }
}

static void double_pixels(uint32_t *line, unsigned n)
{
    for (unsigned i = n; i-- > 0;) {
        line[2 * i] = line[2 * i + 1] = line[i];
    }
}

/* One line of a VGA graphics mode into v->line; addr: plane offset. */
static void vga_line(Vga *v, uint32_t addr, unsigned pan, unsigned chars)
{
    uint32_t *line = v->line + VGA_LINE_MARGIN;
    unsigned n = chars * 8;

    if (v->gfx[5] & GR5_256) {
        n /= 2;
        for (unsigned x = 0; x < n + 8; x++) {
            line[x] = v->palette[v->vram[(addr * 4 + x) & PLANES_MASK]];
        }
    } else if (v->gfx[5] & GR5_INTERLEAVE) {
        interleaved_pixels(v, addr * 4, line, n + 8);
    } else {
        planar_pixels(v, addr * 4, PLANES_MASK, line, n + 8);
    }
    if (pan) {
        memmove(line, line + pan, n * sizeof *line);
    }
    if (v->gfx[5] & GR5_256) {
        double_pixels(line, n);
        n *= 2;
    }
    if (v->seq[1] & SR1_HALF_CLOCK) {
        double_pixels(line, n);
    }
}

/* CGA and Hercules keep odd lines in other banks: row bits replace address bits. */
static uint32_t row_address(const Vga *v, uint32_t addr, unsigned row)
{
    unsigned bit = v->crtc[0x17] & CR17_BYTE ? 13 : 12;

    if (!(v->crtc[0x17] & CR17_ROW0)) {
        addr = (addr & ~(1u << bit)) | (row & 1) << bit;
    }
    if (!(v->crtc[0x17] & CR17_ROW1)) {
        addr = (addr & ~(2u << bit)) | (row >> 1 & 1) << (bit + 1);
    }
    return addr;
}

static void graphics_refresh(Vga *v, bool redraw)
{
    unsigned chars = v->crtc[1] + 1, width = display_width(v->display);
    unsigned twice = v->crtc[9] & 0x80 ? 2 : 1;

    for (VgaRows r = vga_rows_first(v); r.count; r = vga_rows_next(v, &r)) {
        uint32_t drawn = UINT32_MAX;

        for (unsigned i = 0; i < r.count; i++) {
            uint32_t addr = row_address(v, r.addr, (r.scan + i) / twice);

            if (!redraw && !planes_dirty(v, addr * 4, chars * 4 + 8)) {
                continue;
            }
            if (addr != drawn) {
                vga_line(v, addr, r.pan, chars);
                drawn = addr;
            }
            vga_emit(v, r.y + i, 0, v->line + VGA_LINE_MARGIN, width);
        }
    }
}

/* --- packed pixels ---------------------------------------------------------------------------- */

static uint16_t get16(const Vga *v, const uint8_t *p)
{
    return v->big_endian ? p[0] << 8 | p[1] : p[0] | p[1] << 8;
}

static uint32_t five(unsigned bits) { return (bits & 31) << 3 | (bits & 31) >> 2; }

static void packed_line(Vga *v, unsigned bpp, const uint8_t *p, unsigned n)
{
    uint32_t *out = v->line;

    switch (bpp) {
    case 8:
        for (unsigned x = 0; x < n; x++) {
            out[x] = v->palette[p[x]];
        }
        break;
    case 15:
        for (unsigned x = 0; x < n; x++) {
            uint16_t c = get16(v, p + 2 * x);

            out[x] = five(c >> 10) << 16 | five(c >> 5) << 8 | five(c);
        }
        break;
    case 16:
        for (unsigned x = 0; x < n; x++) {
            uint16_t c = get16(v, p + 2 * x);
            unsigned green = c >> 5 & 63;

            out[x] = five(c >> 11) << 16 | (green << 2 | green >> 4) << 8 | five(c);
        }
        break;
    case 24:
        for (unsigned x = 0; x < n; x++) {
            out[x] = p[3 * x] | p[3 * x + 1] << 8 | p[3 * x + 2] << 16;
        }
        break;
    default:
        for (unsigned x = 0; x < n; x++) {
            uint32_t c;

            memcpy(&c, p + 4 * x, 4);
            out[x] = (v->big_endian ? GUINT32_SWAP_LE_BE(c) : GUINT32_FROM_LE(c)) & 0xffffff;
        }
        break;
    }
}

/* len bytes at the address; a line over the end of video memory goes on at its beginning. */
static const uint8_t *line_bytes(const Vga *v, uint32_t at, uint32_t len, uint8_t *bounce)
{
    uint32_t room = v->vram_size - at;

    if (len <= room) {
        return v->vram + at;
    }
    memcpy(bounce, v->vram + at, room);
    memcpy(bounce + room, v->vram, len - room);
    return bounce;
}

static bool cursor_on_line(const VgaCursor *c, unsigned y)
{
    return y - c->y < c->size;
}

static void draw_cursor(const VgaCursor *c, unsigned y, uint32_t *line, unsigned width)
{
    uint64_t one = c->plane[1][y - c->y], zero = c->plane[0][y - c->y];

    for (unsigned i = 0; i < c->size && c->x + i < width; i++) {
        unsigned bit = 63 - i;

        if (one >> bit & 1) {
            line[c->x + i] = c->colour[zero >> bit & 1];
        } else if (zero >> bit & 1) {
            line[c->x + i] ^= 0xffffff;
        }
    }
}

static bool packed_dirty(const Vga *v, uint32_t at, uint32_t len)
{
    uint32_t room = v->vram_size - at;

    return vga_dirty(v, at, MIN(len, room)) || (len > room && vga_dirty(v, 0, len - room));
}

static void packed_refresh(Vga *v, const VgaPicture *p, const VgaCursor *cursor, bool redraw)
{
    uint32_t len = p->bpp == 4 ? (p->width + 7) / 8 * 4 : p->width * ((p->bpp + 7) / 8);
    uint32_t mask = v->vram_size - 1;
    uint8_t bounce[DISPLAY_MAX_WIDTH * 4 + 4];
    uint64_t at = p->start;

    for (unsigned y = 0; y < p->height; y++) {
        if (y == p->split) {
            at = 0;
        }
        at &= mask;
        if (redraw || packed_dirty(v, at, len) || cursor_on_line(&v->overlay, y) ||
            cursor_on_line(cursor, y)) {
            if (p->bpp == 4) {
                planar_pixels(v, at, mask, v->line, p->width);
            } else {
                packed_line(v, p->bpp, line_bytes(v, at, len, bounce), p->width);
            }
            if (cursor_on_line(cursor, y)) {
                draw_cursor(cursor, y, v->line, p->width);
            }
            vga_emit(v, y, 0, v->line, p->width);
        }
        if ((y + 1) % p->repeat == 0) {
            at += p->pitch;
        }
    }
}

/* --- the whole --------------------------------------------------------------------------------- */

static bool resize(Vga *v, unsigned width, unsigned height)
{
    width = MIN(width, DISPLAY_MAX_WIDTH);
    height = MIN(height, DISPLAY_MAX_HEIGHT);
    if (display_width(v->display) == width && display_height(v->display) == height) {
        return false;
    }
    display_resize(v->display, width, height);
    return true;
}

static void blank_refresh(Vga *v, bool redraw)
{
    if (redraw) {
        memset(v->line, 0, VGA_LINE_PIXELS * sizeof *v->line);
        for (unsigned y = 0; y < display_height(v->display); y++) {
            vga_emit(v, y, 0, v->line, VGA_LINE_PIXELS);
        }
    }
}

void vga_refresh(void *opaque, bool full)
{
    Vga *v = opaque;
    bool redraw, blank;
    VgaCursor cursor = { 0 };
    VgaPicture picture;

    machine_settle(v->dev->machine);
    redraw = full || v->redraw;
    blank = !(v->attr_index & ATTR_SCREEN_ON) ||
            (v->card->blank ? v->card->blank(v) : (bool)(v->seq[1] & SR1_SCREEN_OFF));

    vga_window_sync(v);
    ram_block_dirty(v->ram, v->dirty);
    if (redraw) {
        update_palettes(v);
    }
    v->redraw = false;
    if (blank) {
        blank_refresh(v, redraw);
    } else if (v->card->picture && v->card->picture(v, &picture)) {
        full |= resize(v, picture.width, picture.height);
        if (v->card->cursor) {
            v->card->cursor(v, &cursor);
        }
        packed_refresh(v, &picture, &cursor, redraw || full);
    } else if (v->gfx[6] & GR6_GRAPHICS) {
        unsigned dots = v->seq[1] & SR1_HALF_CLOCK ? 16 : 8;

        full |= resize(v, (v->crtc[1] + 1) * dots, vga_lines(v));
        graphics_refresh(v, redraw || full);
    } else {
        full |= resize(v, (v->crtc[1] + 1) * vga_text_cell_width(v), vga_lines(v));
        vga_text_refresh(v, redraw || full);
    }
    v->overlay = cursor;
    flush(v);
    memset(v->dirty, 0, v->vram_size >> 15);
    if (full) {
        display_dirty(v->display, 0, 0, display_width(v->display), display_height(v->display));
    }
}
