/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vga.c - the standard VGA: text, planar, CGA, 256-colour and VBE pictures, pixel by pixel, and the
 * rows of the security list on geometry. */
#include "tests/hw/vga_guest.h"

Test(vga, text_cell_shows_glyph_in_its_attribute_colours)
{
    Guest *g = guest_new();

    set_mode(g, &text80);
    indexed(g, 0x3d4, 0x0a, 0x20);
    glyph(g, 'A', 3, 0x81);
    poke(g, 0xb8000 + 2 * (80 + 2), 'A');
    poke(g, 0xb8000 + 2 * (80 + 2) + 1, 0x4e);
    cr_assert_eq(peek(g, 0xb8000 + 2 * 82), 'A');
    refresh(g);
    cr_assert_eq(display_width(g->display), 720);
    cr_assert_eq(display_height(g->display), 400);
    cr_expect_eq(pixel(g, 18, 16 + 3), colour(14));
    cr_expect_eq(pixel(g, 19, 16 + 3), colour(4));
    cr_expect_eq(pixel(g, 25, 16 + 3), colour(14));
    cr_expect_eq(pixel(g, 26, 16 + 3), colour(4), "the ninth dot is background");
    cr_expect_eq(pixel(g, 18, 16 + 4), colour(4));
    cr_expect_eq(pixel(g, 0, 0), colour(0));
    guest_free(g);
}

Test(vga, line_drawing_characters_fill_the_ninth_dot)
{
    Guest *g = guest_new();

    set_mode(g, &text80);
    indexed(g, 0x3d4, 0x0a, 0x20);
    glyph(g, 0xc4, 7, 0xff);
    poke(g, 0xb8000, 0xc4);
    poke(g, 0xb8001, 7);
    refresh(g);
    cr_expect_eq(pixel(g, 8, 7), colour(7));
    guest_free(g);
}

Test(vga, cursor_blinks_and_a_changed_font_is_redrawn)
{
    Guest *g = guest_new();

    set_mode(g, &text80);
    indexed(g, 0x3d4, 0x0a, 13);
    indexed(g, 0x3d4, 0x0b, 14);
    for (unsigned i = 0; i < 80; i++)
        poke(g, 0xb8001 + 2 * i, 7);
    indexed(g, 0x3d4, 0x0f, 5);
    refresh(g);
    cr_expect_eq(pixel(g, 5 * 9, 13), colour(7));
    cr_expect_eq(pixel(g, 5 * 9, 12), colour(0));
    fake_advance(g->f, 16 * NS_PER_S / 70 + NS_PER_MS);
    refresh(g);
    cr_expect_eq(pixel(g, 5 * 9, 13), colour(0));
    glyph(g, 0, 1, 0x80);
    refresh(g);
    cr_expect_eq(pixel(g, 5 * 9, 1), colour(7));
    guest_free(g);
}

Test(vga, line_compare_shows_the_start_of_memory_below_the_split)
{
    Guest *g = guest_new();

    set_mode(g, &text80);
    indexed(g, 0x3d4, 0x0a, 0x20);
    glyph(g, 'x', 0, 0xff);
    poke(g, 0xb8000, 'x');
    poke(g, 0xb8001, 2);
    indexed(g, 0x3d4, 0x0c, 4);         /* start far off */
    indexed(g, 0x3d4, 0x07, 0x0f);      /* line compare bit 8 off */
    indexed(g, 0x3d4, 0x09, 0x0f);
    indexed(g, 0x3d4, 0x18, 99);
    refresh(g);
    cr_expect_eq(pixel(g, 0, 0), colour(0));
    cr_expect_eq(pixel(g, 0, 100), colour(2));
    cr_expect_eq(pixel(g, 0, 101), colour(0));
    guest_free(g);
}

Test(vga, planar_mode_draws_by_set_reset_bit_mask_and_latches)
{
    Guest *g = guest_new();

    set_mode(g, &planar12);
    indexed(g, 0x3ce, 0, 0x0a);         /* set/reset colour 10 in all planes */
    indexed(g, 0x3ce, 1, 0x0f);
    indexed(g, 0x3ce, 8, 0xf0);
    peek(g, 0xa0000 + 80);
    poke(g, 0xa0000 + 80, 0);
    refresh(g);
    cr_assert_eq(display_width(g->display), 640);
    cr_assert_eq(display_height(g->display), 480);
    cr_expect_eq(pixel(g, 3, 1), colour(10));
    cr_expect_eq(pixel(g, 4, 1), colour(0));
    /* write mode 1 copies all planes through the latches */
    indexed(g, 0x3ce, 5, 1);
    peek(g, 0xa0000 + 80);
    poke(g, 0xa0000 + 160 + 1, 0x55);
    refresh(g);
    cr_expect_eq(pixel(g, 8, 2), colour(10));
    cr_expect_eq(pixel(g, 12, 2), colour(0));
    /* write mode 2 with XOR */
    indexed(g, 0x3ce, 5, 2);
    indexed(g, 0x3ce, 3, 0x18);
    indexed(g, 0x3ce, 8, 0xff);
    peek(g, 0xa0000 + 80);
    poke(g, 0xa0000 + 80, 0x03);
    refresh(g);
    cr_expect_eq(pixel(g, 0, 1), colour(10 ^ 3));
    cr_expect_eq(pixel(g, 7, 1), colour(3));
    /* write mode 3: the byte masks, set/reset colours */
    indexed(g, 0x3ce, 5, 3);
    indexed(g, 0x3ce, 3, 0);
    indexed(g, 0x3ce, 0, 0x0f);
    peek(g, 0xa0000 + 240);
    poke(g, 0xa0000 + 240, 0x01);
    refresh(g);
    cr_expect_eq(pixel(g, 7, 3), colour(15));
    cr_expect_eq(pixel(g, 6, 3), colour(0));
    /* read mode 1 finds a colour */
    indexed(g, 0x3ce, 5, 8);
    indexed(g, 0x3ce, 2, 0x0f);
    indexed(g, 0x3ce, 7, 0x0f);
    cr_expect_eq(peek(g, 0xa0000 + 240), 0x01);
    guest_free(g);
}

Test(vga, mode_13h_doubles_pixels_both_ways)
{
    Guest *g = guest_new();

    set_mode(g, &linear13);
    poke(g, 0xa0000 + 320 + 7, 99);
    refresh(g);
    cr_assert_eq(display_width(g->display), 640);
    cr_assert_eq(display_height(g->display), 400);
    cr_expect_eq(pixel(g, 14, 2), colour(99));
    cr_expect_eq(pixel(g, 15, 3), colour(99));
    cr_expect_eq(pixel(g, 16, 2), colour(0));
    guest_free(g);
}

Test(vga, unchained_256_colours_address_four_pixels_a_byte)
{
    Guest *g = guest_new();

    set_mode(g, &linear13);
    indexed(g, 0x3c4, 4, 6);
    indexed(g, 0x3d4, 0x14, 0);
    indexed(g, 0x3d4, 0x17, 0xe3);
    indexed(g, 0x3c4, 2, 4);            /* plane 2 */
    poke(g, 0xa0000 + 80 + 1, 200);
    refresh(g);
    cr_expect_eq(pixel(g, 12, 2), colour(200));
    cr_expect_eq(pixel(g, 10, 2), colour(0));
    guest_free(g);
}

Test(vga, cga_picture_interleaves_odd_lines_at_8k)
{
    Guest *g = guest_new();

    set_mode(g, &cga4);
    poke(g, 0xb8000, 0x1b);             /* pixels 0 1 2 3 */
    poke(g, 0xba000 + 1, 0xc0);         /* line 1, pixel 4 */
    refresh(g);
    cr_assert_eq(display_width(g->display), 640);
    cr_expect_eq(pixel(g, 2, 0), colour(1));
    cr_expect_eq(pixel(g, 7, 1), colour(3));
    cr_expect_eq(pixel(g, 8, 2), colour(3));
    cr_expect_eq(pixel(g, 8, 0), colour(0));
    guest_free(g);
}

Test(vga, vbe_32_bits_from_the_frame_buffer_and_through_banks)
{
    Guest *g = guest_new();
    RamBlock *vram;

    vbe_mode(g, 1024, 768, 32, VBE_LFB);
    vram = g->f->blocks->pdata[0];
    poke(g, 0xa0000 + 4096 + 5 * 4 + 2, 0xff);          /* (5, 1) red */
    vbe(g, VBE_BANK, 16);
    poke(g, 0xa0000 + 4 * 9, 0x80);                     /* (9, 256) blue */
    refresh(g);
    cr_assert_eq(display_width(g->display), 1024);
    cr_expect_eq(pixel(g, 5, 1), 0xff0000);
    cr_expect_eq(pixel(g, 9, 256), 0x80);
    /* the guest writes the mapped BAR: the page's dirty bit is what tells */
    pci_bus_write(&g->f->bus, 0x10, 0x10, 4, 0xf0000000);
    pci_bus_write(&g->f->bus, 0x10, 4, 2, 3);
    memset(vram->host + 100 * 4096, 0x11, 4096);
    refresh(g);
    cr_expect_eq(pixel(g, 1023, 100), 0x111111);
    guest_free(g);
}

Test(vga, vbe_depths_convert_to_xrgb)
{
    static const struct { unsigned bpp; uint32_t value, bytes, xrgb; } cases[] = {
        { 8, 77, 1, 0 }, { 15, 0x7c1f, 2, 0xff00ff }, { 16, 0x07e0, 2, 0x00ff00 },
        { 24, 0x123456, 3, 0x123456 }, { 32, 0xff654321, 4, 0x654321 } };
    Guest *g = guest_new();

    set_mode(g, &text80);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        vbe_mode(g, 640, 480, cases[i].bpp, 0);
        for (unsigned b = 0; b < cases[i].bytes; b++)
            poke(g, 0xa0000 + 3 * cases[i].bytes + b, cases[i].value >> (8 * b));
        refresh(g);
        cr_expect_eq(pixel(g, 3, 0), cases[i].bpp == 8 ? colour(77) : cases[i].xrgb, "%u bits",
                     cases[i].bpp);
        cr_expect_eq(pixel(g, 2, 0), colour(0));
    }
    guest_free(g);
}

Test(vga, vbe_answers_caps_memory_and_offsets)
{
    Guest *g = guest_new();

    cr_expect_eq(vbe_get(g, VBE_ID), 0xb0c5);
    cr_expect_eq(vbe_get(g, VBE_VIDEO_MEMORY), 64);
    vbe(g, VBE_ENABLE, VBE_GETCAPS);
    cr_expect_eq(vbe_get(g, VBE_XRES), 2560);
    cr_expect_eq(vbe_get(g, VBE_BPP), 32);
    vbe_mode(g, 640, 480, 32, VBE_LFB);
    vbe(g, VBE_VIRT_WIDTH, 1024);
    vbe(g, VBE_X_OFFSET, 10);
    vbe(g, VBE_Y_OFFSET, 20);
    cr_expect_eq(vbe_get(g, VBE_VIRT_HEIGHT), 1024);
    poke(g, 0xa0000, 1);
    vbe(g, VBE_BANK, 1);
    poke(g, 0xa0000 + 4 * 4096 + 40, 0x77);             /* (10, 20) */
    refresh(g);
    cr_expect_eq(pixel(g, 0, 0), 0x77);
    guest_free(g);
}

Test(vga, bar2_mirrors_ports_and_answers_every_byte)
{
    Guest *g = guest_new();

    pci_bus_write(&g->f->bus, 0x10, 0x18, 4, 0xf1000000);
    pci_bus_write(&g->f->bus, 0x10, 4, 2, 3);
    cr_expect_eq(io_read(&g->f->m.io, IO_MMIO, 0xf1000500, 2), 0xb0c5);
    cr_expect_eq(io_read(&g->f->m.io, IO_MMIO, 0xf1000604, 4), 0x1e1e1e1e);
    io_write(&g->f->m.io, IO_MMIO, 0xf1000402, 1, 0x67);
    cr_expect_eq(fake_in8(g->f, 0x3cc), 0x67);
    for (unsigned width = 1; width <= 8; width *= 2) {
        for (unsigned at = 0; at < 4096; at++) {
            io_read(&g->f->m.io, IO_MMIO, 0xf1000000 + at, width);
            io_write(&g->f->m.io, IO_MMIO, 0xf1000000 + at, width, 0xa5a5a5a5a5a5a5a5);
        }
    }
    refresh(g);
    guest_free(g);
}

Test(vga, retrace_bits_follow_guest_time)
{
    Guest *g = guest_new();
    unsigned retrace = 0, off = 0;

    set_mode(g, &text80);
    for (unsigned i = 0; i < 2000; i++) {
        uint8_t s = fake_in8(g->f, 0x3da);

        retrace += s >> 3 & 1;
        off += s & 1;
        fake_advance(g->f, 50 * NS_PER_US);
    }
    cr_expect(retrace > 2 && retrace < 40, "%u", retrace);
    cr_expect(off > retrace && off < 1000, "%u", off);
    guest_free(g);
}

Test(vga, screen_off_is_black_and_comes_back)
{
    Guest *g = guest_new();

    set_mode(g, &linear13);
    poke(g, 0xa0000, 99);
    refresh(g);
    indexed(g, 0x3c4, 1, 0x21);
    refresh(g);
    cr_expect_eq(pixel(g, 0, 0), 0);
    indexed(g, 0x3c4, 1, 1);
    refresh(g);
    cr_expect_eq(pixel(g, 0, 0), colour(99));
    guest_free(g);
}

/* Any registers and any order: video memory is never left (the sanitizers watch), no crash. */
Test(vga, random_registers_with_redraws_stay_inside_memory, .timeout = 180)
{
    Guest *g = guest_new();
    GRand *r = g_rand_new_with_seed(4711);
    static const uint16_t ports[] = { 0x3c0, 0x3c2, 0x3c4, 0x3ce, 0x3d4, 0x3b4, 0x3c8 };

    for (unsigned i = 0; i < 30000; i++) {
        uint32_t v = g_rand_int(r);

        switch (v % 5) {
        case 0: fake_out16(g->f, ports[(v >> 4) % G_N_ELEMENTS(ports)], v >> 16); break;
        case 1: vbe(g, (v >> 4) % 11, v & 0x100 ? v >> 20 : v >> 16); break;
        case 2: poke(g, 0xa0000 + (v >> 4) % 0x20000, v >> 24); break;
        case 3: peek(g, 0xa0000 + (v >> 4) % 0x20000); break;
        default:
            if (v % 25 == 4) {
                fake_in8(g->f, 0x3da);
                fake_out8(g->f, 0x3c0, 0x20);
                vga_refresh(g->display->client.opaque, v & 0x100);
            }
        }
    }
    g_rand_free(r);
    guest_free(g);
}

Test(vga, bank_mode_and_offset_sweep_stays_inside_memory)
{
    Guest *g = guest_new();

    for (unsigned chain = 0; chain < 2; chain++) {
        for (unsigned bpp = 4; bpp <= 8; bpp += 4) {
            vbe_mode(g, 640, 480, bpp, 0);
            indexed(g, 0x3c4, 4, chain ? 0x0e : 6);
            indexed(g, 0x3c4, 2, 15);
            for (unsigned bank = 0; bank < 65536; bank += 61) {
                vbe(g, VBE_BANK, bank);
                for (unsigned at = 0; at < 0x20000; at += 0x3fff) {
                    peek(g, 0xa0000 + at);
                    poke(g, 0xa0000 + at, bank);
                }
            }
        }
    }
    guest_free(g);
}

Test(vga, vbe_mode_larger_than_memory_is_cut_down)
{
    Guest *g = guest_new();

    vbe_mode(g, 2560, 1600, 32, VBE_LFB);
    cr_expect_eq(vbe_get(g, VBE_YRES), (4u << 20) / 10240);
    vbe(g, VBE_Y_OFFSET, 60000);
    vbe(g, VBE_X_OFFSET, 60000);
    refresh(g);
    cr_expect_eq(vbe_get(g, VBE_X_OFFSET), 0);
    guest_free(g);
}

Test(vga, state_survives_and_an_impossible_mode_is_refused)
{
    Guest *g = guest_new();
    g_autoptr(GByteArray) saved = g_byte_array_new();
    Vga *v = g->display->client.opaque;

    set_mode(g, &linear13);
    vbe_mode(g, 800, 600, 16, 0);
    machine_save(&g->f->m, saved);
    machine_reset(&g->f->m);
    cr_assert(machine_load(&g->f->m, saved->data, saved->len, NULL));
    refresh(g);
    cr_expect_eq(display_width(g->display), 800);
    g_byte_array_set_size(saved, 0);
    v->vbe[VBE_XRES] = 60000;
    machine_save(&g->f->m, saved);
    v->vbe[VBE_XRES] = 800;
    cr_expect_not(machine_load(&g->f->m, saved->data, saved->len, NULL));
    guest_free(g);
}
