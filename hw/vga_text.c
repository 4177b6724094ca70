/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vga_text.c - text modes: cells of character and attribute in planes 0 and 1, fonts in plane 2.
 * What is on the screen is remembered cell by cell, so that only changed cells are drawn.  8 and 9
 * dots, 40 columns by dot doubling, two fonts, underline, blinking, cursor, split screen, panning.
 * Left out: cursor skew.
 */
#include "hw/vga.h"

#include <string.h>

enum { CELL_CURSOR = 1 << 16, CELL_HIDDEN = 1 << 17, CELL_KNOWN = 1 << 18 };
enum { AR10_MONO = 2, AR10_LINE_GRAPHICS = 4, AR10_BLINK = 8 };
#define CURSOR_HALF_NS (16 * NS_PER_S / 70)         /* 16 frames on, 16 off */
#define BLINK_HALF_NS (32 * NS_PER_S / 70)

unsigned vga_text_cell_width(const Vga *v)
{
    return (v->seq[1] & 1 ? 8 : 9) * (v->seq[1] & 8 ? 2 : 1);
}

/* Copies both fonts out of plane 2; true if one differs from what was drawn. */
static bool fonts_changed(Vga *v)
{
    static const uint16_t bases[8] = { 0x0000, 0x4000, 0x8000, 0xc000,
                                       0x2000, 0x6000, 0xa000, 0xe000 };
    unsigned s = v->seq[3];
    unsigned base[2] = { bases[(s & 3) | (s >> 4 & 1) << 2], bases[(s >> 2 & 3) | (s >> 5 & 1) << 2] };
    bool changed = false;

    for (unsigned map = 0; map < 2; map++) {
        for (unsigned i = 0; i < VGA_FONT_SIZE; i++) {
            uint8_t bits = v->vram[((base[map] + i) & 0xffff) * 4 + 2];

            changed |= v->font[map][i] != bits;
            v->font[map][i] = bits;
        }
    }
    return changed;
}

static void draw_cell_line(Vga *v, uint32_t cell, unsigned row, uint32_t *out)
{
    uint8_t ch = cell, attr = cell >> 8;
    bool blink = v->attr[0x10] & AR10_BLINK;
    unsigned dots = v->seq[1] & 1 ? 8 : 9, twice = v->seq[1] & 8 ? 2 : 1;
    unsigned front = attr & 15, back = attr >> 4 & (blink ? 7 : 15);
    unsigned bits = row < 32 ? v->font[attr >> 3 & 1][ch * 32 + row] << 1 : 0;
    uint8_t start = v->crtc[0x0a] & 31, end = v->crtc[0x0b] & 31;

    if (dots == 9 && (v->attr[0x10] & AR10_LINE_GRAPHICS) && ch >= 0xc0 && ch <= 0xdf) {
        bits |= bits >> 1 & 1;
    }
    if ((attr & 0x77) == 1 && row == (v->crtc[0x14] & 31u)) {
        bits = 0x1ff;
    }
    if (cell & CELL_HIDDEN) {
        bits = 0;
    }
    if ((cell & CELL_CURSOR) && row >= start && row <= end) {
        bits = 0x1ff;
    }
    uint32_t fg = v->colours[front], bg = v->colours[back];

    for (unsigned i = 0; i < dots; i++) {
        uint32_t colour = bits >> (8 - i) & 1 ? fg : bg;

        *out++ = colour;
        if (twice == 2) {
            *out++ = colour;
        }
    }
}

static uint32_t cell_at(const Vga *v, uint32_t offset, uint32_t cursor)
{
    uint32_t cell;

    offset &= VGA_PLANE_SIZE - 1;
    cell = v->vram[offset * 4] | v->vram[offset * 4 + 1] << 8 | CELL_KNOWN;
    if (offset == cursor) {
        cell |= CELL_CURSOR;
    }
    if ((v->attr[0x10] & AR10_BLINK) && (cell & 0x8000) && !v->blink_on) {
        cell |= CELL_HIDDEN;
    }
    return cell;
}

static void draw_rows(Vga *v, const VgaRows *r, uint32_t cursor)
{
    unsigned width = vga_text_cell_width(v), shown = display_width(v->display);
    unsigned columns = MIN(v->crtc[1] + 1u + (r->pan > 0), VGA_TEXT_COLUMNS);
    unsigned twice = v->crtc[9] & 0x80 ? 2 : 1, first = columns, last = 0;
    unsigned pan = r->pan * (v->seq[1] & 8 ? 2 : 1);
    uint32_t *cells = v->cells + (size_t)r->index * VGA_TEXT_COLUMNS;
    uint32_t *line = v->line + VGA_LINE_MARGIN;

    for (unsigned c = 0; c < columns; c++) {
        uint32_t cell = cell_at(v, r->addr + c, cursor);

        if (cell != cells[c]) {
            cells[c] = cell;
            first = MIN(first, c);
            last = c;
        }
    }
    if (first == columns) {
        return;
    }
    unsigned x0 = first * width > pan ? first * width - pan : 0;
    unsigned x1 = MIN((last + 1) * width - MIN(pan, (last + 1) * width), shown);

    for (unsigned i = 0; i < r->count && x0 < x1; i++) {
        for (unsigned c = first; c <= last; c++) {
            draw_cell_line(v, cells[c], (r->scan + i) / twice, line - pan + c * width);
        }
        vga_emit(v, r->y + i, x0, line + x0, x1 - x0);
    }
}

void vga_text_refresh(Vga *v, bool redraw)
{
    int64_t now = vm_now(v->dev);
    bool cursor_on = now / CURSOR_HALF_NS % 2 == 0, blink_on = now / BLINK_HALF_NS % 2 == 0;
    bool written = vga_dirty(v, 0, 4 * VGA_PLANE_SIZE);
    uint32_t cursor = (v->crtc[0x0e] << 8 | v->crtc[0x0f]) & (VGA_PLANE_SIZE - 1);

    if (!cursor_on || (v->crtc[0x0a] & 0x20)) {
        cursor = UINT32_MAX;
    }
    if ((redraw || written) && fonts_changed(v)) {
        redraw = true;
    }
    if (redraw) {
        memset(v->cells, 0, sizeof(*v->cells) * v->cell_rows * VGA_TEXT_COLUMNS);
    }
    if (!redraw && !written && cursor == v->cursor_shown && blink_on == v->blink_on) {
        return;
    }
    v->blink_on = blink_on;
    v->cursor_shown = cursor;
    for (VgaRows r = vga_rows_first(v); r.count; r = vga_rows_next(v, &r)) {
        if (r.index < v->cell_rows) {
            draw_rows(v, &r, cursor);
        }
    }
}
