/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vga_modes.c - whole pictures and the whole data path, compared with models written from the manuals
 * one pixel and one bit at a time (IBM VGA technical reference; Bochs VBE text): every mode with video
 * memory full of noise, drawn anew and drawn again after random changes.
 */
#include "tests/hw/vga_guest.h"

typedef struct Model Model;
struct Model {
    const char *name;
    const Mode *mode;
    unsigned width, height;
    uint32_t (*pixel)(Guest *g, unsigned x, unsigned y);
    void (*more)(Guest *g);             /* registers beyond the mode; may be NULL */
};

static Vga *vga_of(Guest *g) { return g->display->client.opaque; }
static uint8_t plane(Guest *g, unsigned p, uint32_t at) { return vga_of(g)->vram[(at & 0xffff) * 4 + p]; }

static void noise(Guest *g, GRand *r, uint32_t len)
{
    for (uint32_t i = 0; i < len; i += 4) {
        uint32_t word = g_rand_int(r);

        memcpy(vga_of(g)->vram + i, &word, 4);
        vga_touch(vga_of(g), i);
    }
}

static void compare(Guest *g, const char *name, const char *when, unsigned width, unsigned height,
                    uint32_t (*pixel_of)(Guest *g, unsigned x, unsigned y))
{
    cr_assert_eq(display_width(g->display), width, "%s: %u", name, display_width(g->display));
    cr_assert_eq(display_height(g->display), height, "%s: %u", name, display_height(g->display));
    for (unsigned y = 0; y < height; y++) {
        const uint32_t *row = display_row(g->display, y);

        for (unsigned x = 0; x < width; x++) {
            cr_assert_eq(row[x], pixel_of(g, x, y), "%s, %s: (%u, %u) is %06x, should be %06x", name, when,
                         x, y, row[x], pixel_of(g, x, y));
        }
    }
}

/* --- models of pictures -------------------------------------------------------------------------- */

/* Through the attribute controller's palette and plane enable to the DAC. */
static uint32_t attribute(Guest *g, unsigned c)
{
    const Vga *v = vga_of(g);

    return colour(v->attr[c & v->attr[0x12]] & v->dac_mask);
}

static uint32_t text_at(Guest *g, unsigned x, unsigned y, unsigned dots, unsigned columns)
{
    const Vga *v = vga_of(g);
    unsigned cell = y / 16 * columns + x / dots, row = y % 16, dot = x % dots;
    uint8_t ch = plane(g, 0, cell), attr = plane(g, 1, cell);
    bool second = attr & 8 && v->seq[3];
    bool on = dot < 8 ? plane(g, 2, (second ? 0x2000 : 0) + ch * 32 + row) >> (7 - dot) & 1
                      : ch >= 0xc0 && ch < 0xe0 && (plane(g, 2, (second ? 0x2000 : 0) + ch * 32 + row) & 1);

    if ((attr & 7) == 1 && !(attr & 0x70) && row == v->crtc[0x14]) {
        on = true;
    }
    if (cell == 85 && row >= 3 && row <= 9) {           /* the cursor of text_registers() */
        on = true;
    }
    return attribute(g, on ? attr & 15 : attr >> 4 & 7);
}

static uint32_t text80_pixel(Guest *g, unsigned x, unsigned y) { return text_at(g, x, y, 9, 80); }
static uint32_t text80x8_pixel(Guest *g, unsigned x, unsigned y) { return text_at(g, x, y, 8, 80); }
static uint32_t text40_pixel(Guest *g, unsigned x, unsigned y) { return text_at(g, x / 2, y, 9, 40); }

static void text_registers(Guest *g)
{
    indexed(g, 0x3d4, 0x0a, 3);
    indexed(g, 0x3d4, 0x0b, 9);
    indexed(g, 0x3d4, 0x0e, 0);
    indexed(g, 0x3d4, 0x0f, 85);
}

static void text_underlined(Guest *g)
{
    text_registers(g);
    indexed(g, 0x3d4, 0x14, 13);
}

static void text_two_fonts(Guest *g)
{
    text_registers(g);
    indexed(g, 0x3c4, 1, 1);
    indexed(g, 0x3c4, 3, 0x20);         /* attribute bit 3 set: the fifth font, at 8 KiB */
    fake_in8(g->f, 0x3da);
    fake_out8(g->f, 0x3c0, 0x32);
    fake_out8(g->f, 0x3c0, 7);          /* and not a colour */
}

static uint32_t cga4_pixel(Guest *g, unsigned x, unsigned y)
{
    unsigned line = y / 2, px = x / 2;
    uint32_t byte = (line & 1) * 0x2000 + line / 2 * 80 + px / 4;       /* the CPU's address */

    return attribute(g, plane(g, byte & 1, byte / 2) >> (6 - 2 * (px % 4)) & 3);
}

static uint32_t cga6_pixel(Guest *g, unsigned x, unsigned y)
{
    unsigned line = y / 2;

    return attribute(g, plane(g, 0, (line & 1) * 0x2000 + line / 2 * 80 + x / 8) >> (7 - x % 8) & 1);
}

static uint32_t planar_at(Guest *g, uint32_t at, unsigned bit)
{
    unsigned c = 0;

    for (unsigned p = 0; p < 4; p++) {
        c |= (plane(g, p, at) >> (7 - bit) & 1) << p;
    }
    return attribute(g, c);
}

static uint32_t planar0d_pixel(Guest *g, unsigned x, unsigned y)
{
    return planar_at(g, y / 2 * 40 + x / 16, x / 2 % 8);
}

static uint32_t planar10_pixel(Guest *g, unsigned x, unsigned y)
{
    return planar_at(g, y * 80 + x / 8, x % 8);
}

/* Start at offset 1000, three dots further, and from line 301 on the beginning, not panned. */
static void split(Guest *g)
{
    indexed(g, 0x3d4, 0x0c, 1000 >> 8);
    indexed(g, 0x3d4, 0x0d, 1000 & 255);
    indexed(g, 0x3d4, 0x18, 300 & 255);
    indexed(g, 0x3d4, 0x07, 0x3e);
    indexed(g, 0x3d4, 0x09, 0);
    fake_in8(g->f, 0x3da);
    fake_out8(g->f, 0x3c0, 0x33);
    fake_out8(g->f, 0x3c0, 3);
    fake_out8(g->f, 0x3c0, 0x30);
    fake_out8(g->f, 0x3c0, 0x21);
}

static uint32_t split_pixel(Guest *g, unsigned x, unsigned y)
{
    return y <= 300 ? planar_at(g, 1000 + y * 80 + (x + 3) / 8, (x + 3) % 8)
                    : planar_at(g, (y - 301) * 80 + x / 8, x % 8);
}

/* The attribute controller masks planes and the DAC bits of an entry; upper entries by select. */
static void masked(Guest *g)
{
    fake_out8(g->f, 0x3c6, 0x1d);
    fake_in8(g->f, 0x3da);
    fake_out8(g->f, 0x3c0, 0x32);
    fake_out8(g->f, 0x3c0, 0x0b);
}

static void select_colours(Guest *g)
{
    fake_in8(g->f, 0x3da);
    fake_out8(g->f, 0x3c0, 0x30);
    fake_out8(g->f, 0x3c0, 0x81);
    fake_out8(g->f, 0x3c0, 0x34);
    fake_out8(g->f, 0x3c0, 0x0e);
}

static uint32_t selected_pixel(Guest *g, unsigned x, unsigned y)
{
    unsigned c = 0;

    for (unsigned p = 0; p < 4; p++) {
        c |= (plane(g, p, y * 80 + x / 8) >> (7 - x % 8) & 1) << p;
    }
    return colour((vga_of(g)->attr[c] & 15) | 0xe0);
}

static uint32_t linear13_pixel(Guest *g, unsigned x, unsigned y)
{
    return colour(vga_of(g)->vram[y / 2 * 320 + x / 2]);
}

/* 320x240, unchained; then with lines of 100 addresses, from offset 7 and two dots to the left. */
static void mode_x(Guest *g)
{
    fake_out8(g->f, 0x3c2, 0xe3);
    indexed(g, 0x3c4, 4, 6);
    indexed(g, 0x3d4, 0x11, 0);
    static const uint8_t regs[][2] = { { 6, 0x0d }, { 7, 0x3e }, { 9, 0x41 }, { 0x10, 0xea }, { 0x11, 0xac },
                                       { 0x12, 0xdf }, { 0x14, 0 }, { 0x15, 0xe7 }, { 0x16, 6 },
                                       { 0x17, 0xe3 } };
    for (unsigned i = 0; i < G_N_ELEMENTS(regs); i++) {
        indexed(g, 0x3d4, regs[i][0], regs[i][1]);
    }
}

static uint32_t mode_x_pixel(Guest *g, unsigned x, unsigned y)
{
    unsigned px = x / 2;

    return colour(plane(g, px & 3, y / 2 * 80 + px / 4));
}

static void mode_x_panned(Guest *g)
{
    mode_x(g);
    indexed(g, 0x3d4, 0x13, 50);
    indexed(g, 0x3d4, 0x0d, 7);
    fake_in8(g->f, 0x3da);
    fake_out8(g->f, 0x3c0, 0x33);
    fake_out8(g->f, 0x3c0, 4);
}

static uint32_t mode_x_panned_pixel(Guest *g, unsigned x, unsigned y)
{
    unsigned px = x / 2 + 2;

    return colour(plane(g, px & 3, 7 + y / 2 * 100 + px / 4));
}

static const Model models[] = {
    { "mode 3", &text80, 720, 400, text80_pixel, text_registers },
    { "mode 3, underlined", &text80, 720, 400, text80_pixel, text_underlined },
    { "mode 3, two fonts, 8 dots", &text80, 640, 400, text80x8_pixel, text_two_fonts },
    { "mode 1", &text40, 720, 400, text40_pixel, text_registers },
    { "mode 4", &cga4, 640, 400, cga4_pixel, NULL },
    { "mode 6", &cga6, 640, 400, cga6_pixel, NULL },
    { "mode 0Dh", &planar0d, 640, 400, planar0d_pixel, NULL },
    { "mode 10h", &planar10, 640, 350, planar10_pixel, NULL },
    { "mode 12h", &planar12, 640, 480, planar10_pixel, NULL },
    { "mode 12h, masked", &planar12, 640, 480, planar10_pixel, masked },
    { "mode 12h, colour select", &planar12, 640, 480, selected_pixel, select_colours },
    { "mode 12h, split and panned", &planar12, 640, 480, split_pixel, split },
    { "mode 13h", &linear13, 640, 400, linear13_pixel, NULL },
    { "mode X", &linear13, 640, 480, mode_x_pixel, mode_x },
    { "mode X, panned", &linear13, 640, 480, mode_x_panned_pixel, mode_x_panned },
};

Test(vga_modes, every_mode_equals_its_model_pixel_by_pixel, .timeout = 120)
{
    GRand *r = g_rand_new_with_seed(99);

    for (unsigned i = 0; i < G_N_ELEMENTS(models); i++) {
        const Model *m = &models[i];
        Guest *g = guest_new();

        set_mode(g, m->mode);
        if (m->more) {
            m->more(g);
        }
        noise(g, r, 4 * VGA_PLANE_SIZE);
        refresh(g);
        compare(g, m->name, "at first", m->width, m->height, m->pixel);
        for (unsigned n = 0; n < 200; n++) {
            uint32_t at = g_rand_int_range(r, 0, 0x12000);

            vga_of(g)->vram[at] = g_rand_int(r);
            vga_touch(vga_of(g), at);
        }
        refresh(g);
        compare(g, m->name, "changed", m->width, m->height, m->pixel);
        guest_free(g);
    }
    g_rand_free(r);
}

Test(vga_modes, cursor_shapes_are_rows_from_start_to_end)
{
    Guest *g = guest_new();

    set_mode(g, &text80);
    for (unsigned i = 0; i < 160; i++) {
        poke(g, 0xb8000 + 2 * i + 1, 7);
    }
    indexed(g, 0x3d4, 0x0f, 81);
    for (unsigned start = 0; start < 64; start++) {
        for (unsigned end = 0; end < 32; end += 5) {
            indexed(g, 0x3d4, 0x0a, start);
            indexed(g, 0x3d4, 0x0b, end);
            refresh(g);
            for (unsigned row = 0; row < 16; row++) {
                bool on = !(start & 32) && row >= (start & 31) && row <= end;

                cr_assert_eq(pixel(g, 9, 16 + row), colour(on ? 7 : 0), "%u-%u row %u", start, end, row);
            }
        }
    }
    guest_free(g);
}

Test(vga_modes, blinking_characters_go_and_come_and_their_backgrounds_stay)
{
    Guest *g = guest_new();

    set_mode(g, &text80);
    indexed(g, 0x3d4, 0x0a, 0x20);
    glyph(g, 'B', 0, 0xff);
    poke(g, 0xb8000, 'B');
    poke(g, 0xb8001, 0x94);
    refresh(g);
    cr_expect_eq(pixel(g, 0, 0), colour(4));
    fake_advance(g->f, 32 * NS_PER_S / 70 + NS_PER_MS);
    refresh(g);
    cr_expect_eq(pixel(g, 0, 0), colour(1));
    fake_in8(g->f, 0x3da);
    fake_out8(g->f, 0x3c0, 0x30);
    fake_out8(g->f, 0x3c0, 4);                  /* intensity instead */
    refresh(g);
    cr_expect_eq(pixel(g, 0, 0), colour(4));
    cr_expect_eq(pixel(g, 8, 0), colour(9));
    guest_free(g);
}

Test(vga_modes, text_pans_by_dots_rows_and_bytes)
{
    Guest *g = guest_new();

    set_mode(g, &text80);
    indexed(g, 0x3d4, 0x0a, 0x20);
    glyph(g, 'P', 5, 0x80);
    poke(g, 0xb8000 + 2 * 83, 'P');
    poke(g, 0xb8000 + 2 * 83 + 1, 3);
    refresh(g);
    cr_expect_eq(pixel(g, 27, 21), colour(3));
    fake_in8(g->f, 0x3da);
    fake_out8(g->f, 0x3c0, 0x33);
    fake_out8(g->f, 0x3c0, 2);                  /* nine dots: three to the left */
    indexed(g, 0x3d4, 8, 0x46);                 /* six rows up, two bytes to the left */
    refresh(g);
    cr_expect_eq(pixel(g, 27, 21), colour(0));
    cr_expect_eq(pixel(g, 27 - 18 - 3, 21 - 6), colour(3));
    guest_free(g);
}

/* --- Bochs VBE --------------------------------------------------------------------------------- */

typedef struct Packed {
    unsigned w, h, bpp, virt, x, y;
} Packed;

static Packed now;

static uint32_t packed_pixel(Guest *g, unsigned x, unsigned y)
{
    const uint8_t *p;
    uint64_t n = (uint64_t)(y + now.y) * now.virt + x + now.x;
    uint32_t c;

    if (now.bpp == 4) {
        n = (uint64_t)(y + now.y) * (now.virt / 8) + (x + now.x) / 8;
        c = 0;
        for (unsigned i = 0; i < 4; i++) {
            c |= (vga_of(g)->vram[n * 4 + i] >> (7 - (x + now.x) % 8) & 1) << i;
        }
        return attribute(g, c);
    }
    p = vga_of(g)->vram + n * ((now.bpp + 7) / 8);
    switch (now.bpp) {
    case 8: return colour(p[0]);
    case 15:
    case 16:
        c = p[0] | p[1] << 8;
        for (uint32_t out = 0, part = 0, shift = now.bpp - 5;; part++) {
            unsigned bits = part == 1 && now.bpp == 16 ? 6 : 5, v = c >> shift & ((1 << bits) - 1);

            out = out << 8 | v << (8 - bits) | v >> (2 * bits - 8);
            if (part == 2) {
                return out;
            }
            shift -= part == 0 && now.bpp == 16 ? 6 : 5;
        }
    default: return p[0] | p[1] << 8 | p[2] << 16;
    }
}

Test(vga_modes, vbe_pictures_of_every_depth_and_size, .timeout = 240)
{
    static const unsigned depths[] = { 4, 8, 15, 16, 24, 32 };
    static const Packed sizes[] = {
        { 320, 200, 0, 320, 0, 0 }, { 640, 480, 0, 1000, 88, 33 }, { 800, 600, 0, 800, 0, 500 },
        { 1400, 1050, 0, 2048, 648, 1 }, { 1920, 1080, 0, 1920, 0, 7 }, { 2560, 1600, 0, 2560, 0, 0 } };
    Guest *g = guest_with_memory(16);
    GRand *r = g_rand_new_with_seed(5);

    set_mode(g, &planar12);
    noise(g, r, 16 << 20);
    for (unsigned d = 0; d < G_N_ELEMENTS(depths); d++) {
        for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
            g_autofree char *name = NULL;

            now = sizes[i];
            now.bpp = depths[d];
            if (now.bpp == 4) {
                now.x &= ~7u;
            }
            name = g_strdup_printf("%ux%ux%u", now.w, now.h, now.bpp);
            vbe_mode(g, now.w, now.h, now.bpp, VBE_LFB | VBE_NOCLEAR);
            vbe(g, VBE_VIRT_WIDTH, now.virt);
            vbe(g, VBE_X_OFFSET, now.x);
            vbe(g, VBE_Y_OFFSET, now.y);
            cr_assert_eq(vbe_get(g, VBE_YRES), now.h, "%s", name);
            cr_assert_eq(vbe_get(g, VBE_VIRT_WIDTH), now.virt, "%s", name);
            cr_assert_eq(vbe_get(g, VBE_X_OFFSET), now.x, "%s", name);
            cr_assert_eq(vbe_get(g, VBE_Y_OFFSET), now.y, "%s", name);
            refresh(g);
            compare(g, name, "at first", now.w, now.h, packed_pixel);
        }
    }
    g_rand_free(r);
    guest_free(g);
}

Test(vga_modes, each_bank_is_64_kib_of_the_picture)
{
    Guest *g = guest_new();

    vbe_mode(g, 1024, 768, 32, 0);
    for (unsigned bank = 0; bank < 48; bank++) {
        vbe(g, VBE_BANK, bank);
        cr_expect_eq(vbe_get(g, VBE_BANK), bank);
        for (unsigned i = 0; i < 0x10000; i += 0x1004) {
            poke(g, 0xa0000 + i, bank + i);
        }
        cr_expect_eq(peek(g, 0xa0000), bank);
    }
    for (unsigned i = 0; i < 48 * 0x10000; i++) {
        unsigned in = i & 0xffff;

        cr_assert_eq(vga_of(g)->vram[i], in % 0x1004 ? 0 : (uint8_t)((i >> 16) + in), "%#x", i);
    }
    vbe(g, VBE_BANK, 64);
    cr_expect_eq(vbe_get(g, VBE_BANK), 0, "wraps in 4 MiB");
    guest_free(g);
}

Test(vga_modes, eight_bit_dac_only_where_vbe_asks_for_it)
{
    Guest *g = guest_new();

    vbe_mode(g, 640, 480, 8, VBE_8BIT_DAC);
    fake_out8(g->f, 0x3c8, 5);
    fake_out8(g->f, 0x3c9, 0xf1);
    fake_out8(g->f, 0x3c9, 0x82);
    fake_out8(g->f, 0x3c9, 0x43);
    poke(g, 0xa0000, 5);
    refresh(g);
    cr_expect_eq(pixel(g, 0, 0), 0xf18243);
    fake_out8(g->f, 0x3c7, 5);
    cr_expect_eq(fake_in8(g->f, 0x3c7), 3);
    cr_expect_eq(fake_in8(g->f, 0x3c9), 0xf1);
    vbe(g, VBE_ENABLE, VBE_ENABLED | VBE_NOCLEAR);
    refresh(g);
    cr_expect_eq(pixel(g, 0, 0), 0xc7080c, "%06x", pixel(g, 0, 0));
    guest_free(g);
}

/* --- the data path ------------------------------------------------------------------------------- */

typedef struct Path {
    uint8_t plane[4][0x10000], latch[4];
    uint8_t gfx[9], mask, mode;
} Path;

static void path_place(const Path *p, uint32_t addr, uint32_t *at, unsigned *planes, bool reading)
{
    if (p->mode & 8) {
        *at = addr >> 2;
        *planes = 1u << (addr & 3);
    } else if (reading ? p->gfx[5] & 0x10 : !(p->mode & 4)) {
        *at = addr >> 1;
        *planes = addr & 1 ? 0xa : 5;
    } else {
        *at = addr;
        *planes = 15;
    }
}

static uint8_t path_read(Path *p, uint32_t addr)
{
    uint32_t at;
    unsigned planes, select = p->gfx[4];
    uint8_t match = 0;

    path_place(p, addr, &at, &planes, true);
    for (unsigned i = 0; i < 4; i++) {
        p->latch[i] = p->plane[i][at];
    }
    if (p->mode & 8) {
        return p->latch[addr & 3];
    }
    if (!(p->gfx[5] & 8)) {
        return p->latch[planes == 15 ? select : (select & 2) | (addr & 1)];
    }
    for (unsigned bit = 0; bit < 8; bit++) {
        bool same = true;

        for (unsigned i = 0; i < 4; i++) {
            if (p->gfx[7] >> i & 1) {
                same &= (p->latch[i] >> bit & 1) == (p->gfx[2] >> i & 1);
            }
        }
        match |= same << bit;
    }
    return match;
}

static unsigned path_bit(const Path *p, unsigned i, unsigned bit, uint8_t byte)
{
    unsigned old = p->latch[i] >> bit & 1, rotated = byte >> ((bit + (p->gfx[3] & 7)) % 8) & 1;
    unsigned new, mode = p->gfx[5] & 3, set = p->gfx[0] >> i & 1;
    bool keep = !(p->gfx[8] >> bit & 1);

    if (mode == 1) {
        return old;
    }
    new = mode == 2 ? byte >> i & 1 : mode == 3 || (p->gfx[1] >> i & 1) ? set : rotated;
    if (mode == 3) {
        keep |= !rotated;
    }
    switch (p->gfx[3] >> 3) {
    case 1: new &= old; break;
    case 2: new |= old; break;
    case 3: new ^= old; break;
    }
    return keep ? old : new;
}

static void path_write(Path *p, uint32_t addr, uint8_t byte)
{
    uint32_t at;
    unsigned planes;

    path_place(p, addr, &at, &planes, false);
    for (unsigned i = 0; i < 4; i++) {
        uint8_t value = 0;

        for (unsigned bit = 0; bit < 8; bit++) {
            value |= path_bit(p, i, bit, byte) << bit;
        }
        if (planes & p->mask & 1u << i) {
            p->plane[i][at] = value;
        }
    }
}

Test(vga_modes, all_write_and_read_modes_equal_a_model_bit_by_bit, .timeout = 120)
{
    Guest *g = guest_new();
    GRand *r = g_rand_new_with_seed(31);
    Path *p = g_new0(Path, 1);

    set_mode(g, &planar12);
    indexed(g, 0x3ce, 6, 5);
    for (unsigned round = 0; round < 3000; round++) {
        for (unsigned i = 0; i < 9; i++) {
            static const uint8_t masks[9] = { 15, 15, 15, 0x1f, 3, 0x1b, 0, 15, 0xff };
            uint8_t value = g_rand_int(r) & masks[i];

            if (i != 6) {
                p->gfx[i] = value;
                indexed(g, 0x3ce, i, value);
            }
        }
        p->mask = g_rand_int(r) & 15;
        p->mode = g_rand_int(r) % 3 * 4 + 2;            /* odd/even, planes, chain-4 */
        p->mode = p->mode == 10 ? 0x0e : p->mode;
        indexed(g, 0x3c4, 2, p->mask);
        indexed(g, 0x3c4, 4, p->mode);
        for (unsigned n = 0; n < 60; n++) {
            uint32_t addr = g_rand_int_range(r, 0, 0x200) * (n & 1 ? 0x7f : 1);
            uint8_t byte = g_rand_int(r);

            if (n % 3) {
                poke(g, 0xa0000 + addr, byte);
                path_write(p, addr, byte);
            } else {
                uint8_t got = peek(g, 0xa0000 + addr), model = path_read(p, addr);

                cr_assert_eq(got, model, "round %u: %#x is %02x, should be %02x", round, addr, got, model);
            }
        }
    }
    for (unsigned i = 0; i < 4 * 0x10000; i++) {
        cr_assert_eq(vga_of(g)->vram[i], p->plane[i & 3][i >> 2], "%#x", i);
    }
    g_rand_free(r);
    g_free(p);
    guest_free(g);
}

Test(vga_modes, the_window_is_where_register_6_says)
{
    static const struct { uint8_t map; uint32_t first, last; } maps[] = {
        { 0, 0xa0000, 0xbffff }, { 1, 0xa0000, 0xaffff }, { 2, 0xb0000, 0xb7fff }, { 3, 0xb8000, 0xbffff } };
    Guest *g = guest_new();

    set_mode(g, &planar12);
    for (unsigned i = 0; i < 4; i++) {
        indexed(g, 0x3ce, 6, maps[i].map << 2 | 1);
        memset(vga_of(g)->vram, 0, 4 * VGA_PLANE_SIZE);
        for (uint32_t at = 0xa0000; at < 0xc0000; at += 0x1000) {
            bool inside = at >= maps[i].first && at <= maps[i].last;

            poke(g, at, 0x5a);
            cr_expect_eq(plane(g, 0, at - maps[i].first), inside ? 0x5a : plane(g, 0, at - maps[i].first));
            cr_expect_eq(peek(g, at), inside ? 0x5a : 0xff, "map %u, %#x", i, at);
        }
    }
    guest_free(g);
}
