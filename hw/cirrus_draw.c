/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cirrus_draw.c - what a GD5446 shows beyond the VGA's own modes: geometry of packed pixels from the
 * CRTC and its extensions, depth from SR7 and the hidden DAC register, and the hardware cursor.
 * Left out: the DAC's mixed 5-5-5/256-colour, grey and 3-3-2 modes, the video window.
 */
#include "hw/cirrus.h"

#include <string.h>

#define CURSOR_AREA 16384u                  /* the patterns lie at the end of video memory */
enum { GRE_SYNC_OFF = 6, SEQ_HALF_CLOCK = 8, SEQ_SCREEN_OFF = 0x20 };

static unsigned depth(const Cirrus *c)
{
    switch (c->seq[SR7_MODE] & SR7_DEPTH) {
    case 0x00: return 8;
    case 0x04: return 24;
    case 0x08: return 32;
    default:   return (c->hidden_dac & 0x0f) == 0 ? 15 : 16;
    }
}

static bool picture(const Vga *v, VgaPicture *p)
{
    const Cirrus *c = cirrus_of(v);
    unsigned lines = vga_lines(v), high = c->crtc[0x1b];

    if (!cirrus_packed(c) || !(v->gfx[6] & 1)) {
        return false;
    }
    lines *= c->crtc[0x1a] & CR1A_INTERLACE ? 2 : 1;
    *p = (VgaPicture){
        .width = MIN((v->crtc[1] + 1u) * (v->seq[1] & SEQ_HALF_CLOCK ? 16 : 8), DISPLAY_MAX_WIDTH),
        .height = MIN(lines, DISPLAY_MAX_HEIGHT),
        .bpp = depth(c),
        .pitch = (v->crtc[0x13] | (high & 0x10) << 4) * 8u,
        .start = (v->crtc[0x0c] << 8 | v->crtc[0x0d] | (high & 1) << 16 | (high & 0x0c) << 15 |
                  (c->crtc[0x1d] & 0x80) << 12) * 4u,
        .repeat = ((v->crtc[9] & 31) + 1) * (v->crtc[9] & 0x80 ? 2 : 1),
        .split = vga_line_compare(v) + 1,
    };
    return true;
}

static uint32_t cursor_colour(const Cirrus *c, unsigned index)
{
    uint32_t rgb = 0;

    for (unsigned i = 0; i < 3; i++) {
        unsigned six = c->cursor_dac[index * 3 + i] & 0x3f;

        rgb = rgb << 8 | six << 2 | six >> 4;
    }
    return rgb;
}

/* n bytes as the top bits of a word. */
static uint64_t row_bits(const uint8_t *p, unsigned n)
{
    uint64_t bits = 0;

    for (unsigned i = 0; i < n; i++) {
        bits |= (uint64_t)p[i] << (56 - 8 * i);
    }
    return bits;
}

static void cursor(const Vga *v, VgaCursor *cur)
{
    const Cirrus *c = cirrus_of(v);
    bool large = c->seq[SR12_CURSOR] & SR12_LARGE;
    uint32_t at = v->vram_size - CURSOR_AREA + (c->seq[SR13_PATTERN] & (large ? 0x3c : 0x3f)) * 256u;

    if (!(c->seq[SR12_CURSOR] & SR12_SHOW)) {
        return;
    }
    cur->x = c->cursor_x;
    cur->y = c->cursor_y;
    cur->size = large ? 64 : 32;
    cur->colour[0] = cursor_colour(c, 0);
    cur->colour[1] = cursor_colour(c, 15);
    for (unsigned y = 0; y < cur->size; y++) {
        const uint8_t *p = v->vram + at + (large ? 16 * y : 4 * y);

        cur->plane[0][y] = row_bits(p, large ? 8 : 4);
        cur->plane[1][y] = large ? row_bits(p + 8, 8) : row_bits(p + 128, 4);
    }
}

/*
 * A monitor without sync signals is dark.  SR1's screen-off bit is not looked at in packed modes: SeaBIOS's
 * VGA BIOS sets it in all of them and never clears it.
 */
static bool blank(const Vga *v)
{
    const Cirrus *c = cirrus_of(v);

    return (c->gfx[GRE_POWER] & GRE_SYNC_OFF) || (!cirrus_packed(c) && (v->seq[1] & SEQ_SCREEN_OFF));
}

const VgaCard cirrus_card = { .picture = picture, .cursor = cursor, .blank = blank,
                              .window = cirrus_window, .linear = cirrus_linear_is_plain };
