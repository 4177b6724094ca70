/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cirrus.c - the GD5446: registers and their key, apertures and banks, the hardware cursor, pictures,
 * and the BitBLT engine against a plain model that works pixel by pixel; the rows of the security list
 * on the blitter.
 */
#include "hw/cirrus.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "hw/devices.h"
#include "tests/fake_machine.h"
#include "ui/hub.h"

#define FB 0xe0000000u
#define REGS 0xe8000000u
#define VRAM (4u << 20)

typedef struct Guest {
    FakeMachine *f;
    Display *display;
    Cirrus *card;
    int null;
} Guest;

static void seq(Guest *g, uint8_t i, uint8_t v) { fake_out16(g->f, 0x3c4, v << 8 | i); }
static void gfx(Guest *g, uint8_t i, uint8_t v) { fake_out16(g->f, 0x3ce, v << 8 | i); }
static void crtc(Guest *g, uint8_t i, uint8_t v) { fake_out16(g->f, 0x3d4, v << 8 | i); }
static uint8_t seq_get(Guest *g, uint8_t i) { fake_out8(g->f, 0x3c4, i); return fake_in8(g->f, 0x3c5); }
static uint8_t gfx_get(Guest *g, uint8_t i) { fake_out8(g->f, 0x3ce, i); return fake_in8(g->f, 0x3cf); }
static uint8_t crtc_get(Guest *g, uint8_t i) { fake_out8(g->f, 0x3d4, i); return fake_in8(g->f, 0x3d5); }
static void poke(Guest *g, uint64_t at, unsigned width, uint64_t v)
{
    io_write(&g->f->m.io, IO_MMIO, at, width, v);
}
static uint64_t peek(Guest *g, uint64_t at, unsigned width)
{
    return io_read(&g->f->m.io, IO_MMIO, at, width);
}
static void refresh(Guest *g) { cr_assert(display_screenshot(g->display, g->null, NULL)); }
static uint32_t pixel(Guest *g, unsigned x, unsigned y) { return display_row(g->display, y)[x]; }
static uint8_t *vram(Guest *g) { return g->card->vga.vram; }

static Guest *guest_new(void)
{
    Guest *g = g_new0(Guest, 1);
    Device *dev;

    g->f = fake_machine_new();
    g->display = display_new(NULL);
    g->null = open("/dev/null", O_WRONLY);
    dev = device_new(&g->f->m, &cirrus_class);
    device_set_pointer(dev, "bus", &g->f->bus);
    device_set_u64(dev, "devfn", 0x10);
    device_set_pointer(dev, "display", g->display);
    cr_assert(device_init(dev, NULL));
    g->card = (Cirrus *)dev;
    pci_bus_write(&g->f->bus, 0x10, 0x10, 4, FB);
    pci_bus_write(&g->f->bus, 0x10, 0x14, 4, REGS);
    pci_bus_write(&g->f->bus, 0x10, 4, 2, 3);
    fake_out8(g->f, 0x3c2, 0x67);
    seq(g, 6, 0x12);
    return g;
}

static void guest_free(Guest *g)
{
    fake_machine_free(g->f);
    display_free(g->display);
    close(g->null);
    g_free(g);
}

/* Packed pixels: depth as SR7's bits, pitch in bytes. */
static void packed_mode(Guest *g, unsigned width, unsigned height, uint8_t depth, uint8_t dac,
                        unsigned pitch)
{
    unsigned last = height - 1, high = 0x1f & ~0x12;

    high |= (last >> 8 & 1) << 1 | (last >> 9 & 1) << 6 | 0x10;
    seq(g, 7, 1 | depth);
    seq(g, 2, 0xff);
    seq(g, 4, 0x0e);
    seq(g, 1, 1);
    gfx(g, 5, 0x40);
    gfx(g, 6, 5);
    crtc(g, 0x11, 0);
    crtc(g, 1, width / 8 - 1);
    crtc(g, 0x12, last);
    crtc(g, 7, high);
    crtc(g, 9, 0x40);
    crtc(g, 0x18, 0xff);
    crtc(g, 0x13, pitch / 8);
    crtc(g, 0x1b, (pitch / 8 >> 8 & 1) << 4);
    for (unsigned i = 0; i < 4; i++) {
        fake_in8(g->f, 0x3c6);
    }
    fake_out8(g->f, 0x3c6, dac);
    fake_in8(g->f, 0x3da);
    fake_out8(g->f, 0x3c0, 0x20);
    fake_out8(g->f, 0x3c8, 0);
    for (unsigned i = 0; i < 768; i++) {
        fake_out8(g->f, 0x3c9, (i * 7) & 63);
    }
}

/* --- registers --------------------------------------------------------------------------------- */

Test(cirrus, extensions_are_hidden_until_the_key_is_written)
{
    Guest *g = guest_new();

    seq(g, 6, 0);
    cr_expect_eq(seq_get(g, 6), 0x0f);
    seq(g, 7, 1);
    gfx(g, 0x30, 0x55);
    crtc(g, 0x1b, 0x13);
    seq(g, 6, 0x92);            /* bits 3, 5-7 don't matter */
    cr_expect_eq(seq_get(g, 6), 0x12);
    cr_expect_eq(seq_get(g, 7), 0);
    cr_expect_eq(gfx_get(g, 0x30), 0);
    cr_expect_eq(crtc_get(g, 0x1b), 0);
    gfx(g, 0x30, 0x55);
    cr_expect_eq(gfx_get(g, 0x30), 0x55);
    cr_expect_eq(crtc_get(g, 0x27), 0xb8, "a GD5446");
    cr_expect_eq(seq_get(g, 0x0f) & 0x98, 0x98, "4 MiB");
    guest_free(g);
}

Test(cirrus, hidden_dac_register_is_behind_four_reads_of_the_mask)
{
    Guest *g = guest_new();

    fake_out8(g->f, 0x3c6, 0xf7);
    for (unsigned i = 0; i < 4; i++) {
        cr_expect_eq(fake_in8(g->f, 0x3c6), 0xf7);
    }
    fake_out8(g->f, 0x3c6, 0xc5);
    cr_expect_eq(fake_in8(g->f, 0x3c6), 0xf7, "the mask is as it was");
    for (unsigned i = 0; i < 3; i++) {
        fake_in8(g->f, 0x3c6);
    }
    cr_expect_eq(fake_in8(g->f, 0x3c6), 0xc5);
    for (unsigned i = 0; i < 3; i++) {
        fake_in8(g->f, 0x3c6);
    }
    fake_in8(g->f, 0x3c8);      /* another DAC register in between */
    cr_expect_eq(fake_in8(g->f, 0x3c6), 0xf7);
    guest_free(g);
}

Test(cirrus, blitter_registers_are_in_memory_at_three_places)
{
    Guest *g = guest_new();

    packed_mode(g, 640, 480, 0, 0, 640);
    poke(g, REGS + 0x100 + 0x10, 4, 0x00123456);
    cr_expect_eq(gfx_get(g, 0x28), 0x56);
    cr_expect_eq(gfx_get(g, 0x2a), 0x12);
    gfx(g, 6, 0);
    seq(g, 0x17, 4);
    poke(g, 0xb8008, 2, 0x0321);
    cr_expect_eq(gfx_get(g, 0x20), 0x21);
    cr_expect_eq(gfx_get(g, 0x21), 0x03);
    cr_expect_eq(peek(g, 0xb8008, 2), 0x0321);
    gfx(g, 6, 5);
    cr_assert(g->card->vga.ram->mapped);
    seq(g, 0x17, 0x44);
    cr_assert(!g->card->vga.ram->mapped, "the last bytes of the aperture are registers now");
    poke(g, FB + VRAM - 0x100 + 0x0c, 2, 0x0678);
    cr_expect_eq(gfx_get(g, 0x24), 0x78);
    poke(g, FB + 16, 1, 0x99);
    cr_expect_eq(vram(g)[16], 0x99);
    guest_free(g);
}

Test(cirrus, vga_ports_are_in_the_register_bar)
{
    Guest *g = guest_new();

    poke(g, REGS + 4, 1, 7);
    poke(g, REGS + 5, 1, 9);
    cr_expect_eq(seq_get(g, 7), 9);
    cr_expect_eq(peek(g, REGS + 5, 1), 9);
    guest_free(g);
}

/* --- memory ------------------------------------------------------------------------------------ */

Test(cirrus, banks_have_two_granularities_and_two_windows)
{
    Guest *g = guest_new();

    packed_mode(g, 640, 480, 0, 0, 640);
    gfx(g, 9, 3);
    poke(g, 0xa0001, 1, 0x11);
    cr_expect_eq(vram(g)[0x3001], 0x11);
    poke(g, 0xa8001, 1, 0x12);
    cr_expect_eq(vram(g)[0xb001], 0x12, "one offset: the window goes on");
    gfx(g, 0x0b, 0x21);
    gfx(g, 0x0a, 7);
    poke(g, 0xa0002, 4, 0x44332211);
    cr_expect_eq(vram(g)[0xc005], 0x44);
    poke(g, 0xa8002, 1, 0x55);
    cr_expect_eq(vram(g)[0x1c002], 0x55, "16 KiB steps, second offset");
    cr_expect_eq(peek(g, 0xa8002, 1), 0x55);
    gfx(g, 9, 0xff);
    poke(g, 0xa7fff, 1, 0x66);
    cr_expect_eq(vram(g)[VRAM - 1], 0);
    cr_expect_eq(peek(g, 0xa7fff, 1), 0xff, "past the end there is nothing");
    guest_free(g);
}

Test(cirrus, apertures_swap_words_and_doublewords)
{
    Guest *g = guest_new();

    packed_mode(g, 640, 480, 0, 0, 640);
    poke(g, FB + (4 << 20) + 0x10, 4, 0x44332211);
    cr_expect(!memcmp(vram(g) + 0x10, "\x22\x11\x44\x33", 4));
    poke(g, FB + (8 << 20) + 0x20, 4, 0x44332211);
    cr_expect(!memcmp(vram(g) + 0x20, "\x44\x33\x22\x11", 4));
    cr_expect_eq(peek(g, FB + (8 << 20) + 0x20, 4), 0x44332211);
    guest_free(g);
}

Test(cirrus, write_modes_4_and_5_expand_bits_and_end_at_the_end_of_memory)  /* CVE-2017-15289 */
{
    Guest *g = guest_new();

    packed_mode(g, 640, 480, 0, 0, 640);
    gfx(g, 0x0b, 6);            /* extended, BY8 */
    gfx(g, 0, 0xb0);
    gfx(g, 1, 0xf1);
    gfx(g, 5, 0x44);
    cr_expect(!g->card->vga.ram->mapped, "the guest may not write past the card");
    memset(vram(g), 0x77, 64);
    poke(g, 0xa0001, 1, 0xa1);
    cr_expect(!memcmp(vram(g) + 8, "\xf1\x77\xf1\x77\x77\x77\x77\xf1", 8));
    gfx(g, 5, 0x45);
    poke(g, 0xa0002, 1, 0xa1);
    cr_expect(!memcmp(vram(g) + 16, "\xf1\xb0\xf1\xb0\xb0\xb0\xb0\xf1", 8));
    seq(g, 2, 0x0f);
    poke(g, 0xa0001, 1, 0xff);
    cr_expect(!memcmp(vram(g) + 8, "\xf1\x77\xf1\x77\xf1\xf1\xf1\xf1", 8), "SR2 enables pixels");
    seq(g, 2, 0xff);
    gfx(g, 0x10, 0xb2);
    gfx(g, 0x11, 0xf2);
    gfx(g, 0x0b, 0x16);         /* 16 bits a pixel */
    for (uint32_t at = 0; at < 64; at++) {
        poke(g, FB + VRAM / 16 - 32 + at, 1, 0x5a);
    }
    cr_expect(!memcmp(vram(g) + VRAM - 16, "\xb0\xb2\xf1\xf2\xb0\xb2\xf1\xf2", 8));
    gfx(g, 0x0b, 4);            /* no widening: eight bytes from the last one wrap */
    poke(g, FB + VRAM - 1, 1, 0xff);
    cr_expect_eq(vram(g)[VRAM - 1], 0xf1);
    cr_expect_eq(vram(g)[6], 0xf1);
    guest_free(g);
}

/* --- pictures ---------------------------------------------------------------------------------- */

Test(cirrus, pictures_of_each_depth)
{
    Guest *g = guest_new();

    packed_mode(g, 640, 480, 0, 0, 640);
    vram(g)[640 * 2 + 5] = 9;
    g->card->vga.redraw = true;
    refresh(g);
    cr_expect_eq(display_width(g->display), 640);
    cr_expect_eq(display_height(g->display), 480);
    unsigned r = 27 * 7 & 63, gr = 28 * 7 & 63, b = 29 * 7 & 63;
    cr_expect_eq(pixel(g, 5, 2), (r << 2 | r >> 4) << 16 | (gr << 2 | gr >> 4) << 8 | (b << 2 | b >> 4));
    packed_mode(g, 800, 600, 6, 0xc1, 1600);
    memcpy(vram(g) + 1600 * 3 + 8, "\xe0\x07", 2);
    refresh(g);
    cr_expect_eq(display_width(g->display), 800);
    cr_expect_eq(pixel(g, 4, 3), 0x00ff00);
    packed_mode(g, 800, 600, 6, 0xc0, 1600);
    refresh(g);
    cr_expect_eq(pixel(g, 4, 3), 0x08ff00);
    packed_mode(g, 1024, 768, 4, 0xc5, 3072);
    memcpy(vram(g) + 3072 * 7 + 30, "\x10\x20\x30", 3);
    refresh(g);
    cr_expect_eq(pixel(g, 10, 7), 0x302010);
    packed_mode(g, 800, 600, 8, 0xc5, 3200);
    memcpy(vram(g) + 3200 * 9 + 40, "\x11\x22\x33\x44", 4);
    refresh(g);
    cr_expect_eq(display_height(g->display), 600);
    cr_expect_eq(pixel(g, 10, 9), 0x332211);
    crtc(g, 0x0d, 0x08);        /* start: 32 bytes on */
    refresh(g);
    cr_expect_eq(pixel(g, 2, 9), 0x332211);
    guest_free(g);
}

static void hide_cursor_colours(Guest *g)
{
    seq(g, 0x12, 2);
    fake_out8(g->f, 0x3c8, 0);
    for (unsigned i = 0; i < 3; i++) {
        fake_out8(g->f, 0x3c9, 0x10);
    }
    fake_out8(g->f, 0x3c8, 15);
    for (unsigned i = 0; i < 3; i++) {
        fake_out8(g->f, 0x3c9, 0x3f);
    }
    seq(g, 0x12, 0);
}

Test(cirrus, screen_off_in_sr1_is_for_the_vga_modes)
{
    Guest *g = guest_new();

    packed_mode(g, 640, 480, 0, 0, 640);
    seq(g, 1, 0x21);
    vram(g)[5] = 77;
    fake_out8(g->f, 0x3c8, 77);
    for (unsigned i = 0; i < 3; i++) {
        fake_out8(g->f, 0x3c9, 63);
    }
    refresh(g);
    cr_expect_eq(display_row(g->display, 0)[5], 0xffffff, "as SeaBIOS leaves it");
    seq(g, 7, 0);
    refresh(g);
    cr_expect_eq(display_row(g->display, 0)[5], 0);
    guest_free(g);
}

Test(cirrus, cursor_is_drawn_moved_and_taken_away)
{
    Guest *g = guest_new();
    uint8_t *shape;

    packed_mode(g, 640, 480, 8, 0xc5, 2560);
    hide_cursor_colours(g);
    for (unsigned i = 0; i < 640 * 480; i++) {
        memcpy(vram(g) + 4 * i, "\x01\x02\x03", 3);
    }
    shape = vram(g) + VRAM - 16384 + 3 * 256;
    shape[0] = 0x50;            /* pixels 1 and 3 in plane 0, 2 and 3 in plane 1 */
    shape[128] = 0x30;
    seq(g, 0x13, 3);
    fake_out16(g->f, 0x3c4, 0x0c << 8 | 0x10 | 5 << 5);     /* x = 101 */
    fake_out16(g->f, 0x3c4, 0x02 << 8 | 0x11 | 1 << 5);     /* y = 17 */
    seq(g, 0x12, 1);
    refresh(g);
    cr_expect_eq(pixel(g, 101, 17), 0x030201);
    cr_expect_eq(pixel(g, 102, 17), 0xfcfdfe, "inverted");
    cr_expect_eq(pixel(g, 103, 17), 0x414141);
    cr_expect_eq(pixel(g, 104, 17), 0xffffff);
    fake_out16(g->f, 0x3c4, 0x03 << 8 | 0x11 | 0 << 5);
    refresh(g);
    cr_expect_eq(pixel(g, 104, 17), 0x030201, "nothing stays behind");
    cr_expect_eq(pixel(g, 104, 24), 0xffffff);
    shape[0] = 0;               /* written by the guest, not by a register */
    refresh(g);
    cr_expect_eq(pixel(g, 104, 24), 0x414141);
    seq(g, 0x12, 5);            /* 64 x 64: a multiple of four */
    memset(vram(g) + VRAM - 16384, 0, 1024);
    vram(g)[VRAM - 16384 + 16 * 63 + 15] = 1;
    refresh(g);
    cr_expect_eq(pixel(g, 101 + 63, 24 + 63), 0x414141);
    fake_out16(g->f, 0x3c4, 0xff << 8 | 0x10 | 7 << 5);
    fake_out16(g->f, 0x3c4, 0xff << 8 | 0x11 | 7 << 5);
    refresh(g);
    cr_expect_eq(pixel(g, 101 + 63, 24 + 63), 0x030201);
    guest_free(g);
}

/* --- BitBLT ------------------------------------------------------------------------------------ */

typedef struct Order {
    uint32_t width, height, dst_pitch, src_pitch, dst, src;     /* width in bytes */
    uint8_t mode, ext, rop, skip;
    uint32_t fore, back;
    uint16_t key;
} Order;

static const uint8_t rops[16] = { 0x00, 0x05, 0x06, 0x09, 0x0b, 0x0d, 0x0e, 0x50,
                                  0x59, 0x6d, 0x90, 0x95, 0xad, 0xd0, 0xd6, 0xda };

static uint8_t operate(uint8_t rop, uint8_t s, uint8_t d)
{
    switch (rop) {
    case 0x00: return 0;
    case 0x05: return s & d;
    case 0x09: return s & ~d;
    case 0x0b: return ~d;
    case 0x0d: return s;
    case 0x0e: return 0xff;
    case 0x50: return ~s & d;
    case 0x59: return s ^ d;
    case 0x6d: return s | d;
    case 0x90: return ~s | ~d;
    case 0x95: return ~(s ^ d);
    case 0xad: return s | ~d;
    case 0xd0: return ~s;
    case 0xd6: return ~s | d;
    case 0xda: return ~s & ~d;
    default: return d;
    }
}

static void load(Guest *g, const Order *o)
{
    const uint32_t words[6][2] = { { 0x20, o->width - 1 }, { 0x22, o->height - 1 },
                                   { 0x24, o->dst_pitch }, { 0x26, o->src_pitch } };

    for (unsigned i = 0; i < 4; i++) {
        gfx(g, words[i][0], words[i][1]);
        gfx(g, words[i][0] + 1, words[i][1] >> 8);
    }
    for (unsigned i = 0; i < 3; i++) {
        gfx(g, 0x28 + i, o->dst >> (8 * i));
        gfx(g, 0x2c + i, o->src >> (8 * i));
    }
    for (unsigned i = 0; i < 4; i++) {
        static const uint8_t at[4] = { 0, 0x10, 0x12, 0x14 };

        gfx(g, at[i], o->back >> (8 * i));
        gfx(g, at[i] + 1, o->fore >> (8 * i));
    }
    gfx(g, 0x2f, o->skip);
    gfx(g, 0x30, o->mode);
    gfx(g, 0x32, o->rop);
    gfx(g, 0x33, o->ext);
    gfx(g, 0x34, o->key);
    gfx(g, 0x35, o->key >> 8);
}

static void go(Guest *g, const Order *o)
{
    load(g, o);
    gfx(g, 0x31, 2);
}

/* What video memory is afterwards, one pixel after the other; data: the CPU's bytes, or NULL. */
static void model(uint8_t *mem, const Order *o, const uint8_t *data, uint32_t data_pitch)
{
    g_autofree uint8_t *before = g_memdup2(mem, VRAM);
    unsigned n = (o->mode >> 4 & 3) + 1;
    bool mono = o->mode & 0x80, pattern = o->mode & 0x40, see = o->mode & 8, back = o->mode & 1;
    unsigned skip = mono || pattern ? (n == 3 ? (o->skip & 31u) : (o->skip & 7) * n) : 0;
    uint32_t mono_pitch = (o->width + n - 1) / n;

    mono_pitch = o->ext & 1 ? (mono_pitch + 31) / 32 * 4 : (mono_pitch + 7) / 8;
    for (uint32_t y = 0; y < o->height; y++) {
        memcpy(before, mem, VRAM);          /* lines are finished one by one */
        for (uint32_t x = 0; x < o->width; x++) {
            uint32_t p = x / n, part = x % n, to, s, old;
            bool on = true;
            uint8_t value;

            if (back) {
                to = o->dst - y * o->dst_pitch - (o->width - 1 - x);
                s = before[(o->src - y * o->src_pitch - (o->width - 1 - x)) % VRAM];
            } else {
                to = o->dst + y * o->dst_pitch + x;
                s = data && !pattern && !mono ? data[y * data_pitch + x]
                                              : before[(o->src + y * o->src_pitch + x) % VRAM];
            }
            if (mono) {
                uint32_t bit = pattern ? p % 8 : p;
                uint8_t byte = pattern && data ? data[(o->src + y) % 8]
                             : pattern ? before[(o->src / 8 * 8 + (o->src + y) % 8) % VRAM]
                             : data ? data[y * data_pitch + bit / 8]
                             : before[(o->src + y * mono_pitch + bit / 8) % VRAM];

                if (pattern && (o->ext & 4)) {
                    byte = 0xff;
                }
                on = byte << bit % 8 & 0x80;
                s = (on ? o->fore : o->back) >> (8 * part);
                on = !see || on != !!(o->ext & 2);
            } else if (pattern) {
                uint32_t pitch = n == 3 ? 32 : 8 * n, line = (o->src + y) % 8, at = x % (8 * n);

                s = data ? data[line * pitch + at]
                         : before[(o->src / (8 * pitch) * (8 * pitch) + line * pitch + at) % VRAM];
            }
            to %= VRAM;
            old = before[to];
            value = operate(o->rop, s, old);
            if (on && x >= skip) {
                mem[to] = value;
            }
        }
        if (see && !mono) {
            for (uint32_t x = 0; x + n <= o->width; x += n) {
                uint32_t first = (back ? o->dst - y * o->dst_pitch - (o->width - 1)
                                       : o->dst + y * o->dst_pitch) + x;
                bool equal = mem[first % VRAM] == (o->key & 0xff) &&
                             (n == 1 || mem[(first + 1) % VRAM] == o->key >> 8);

                for (uint32_t i = 0; equal && i < n; i++) {
                    mem[(first + i) % VRAM] = before[(first + i) % VRAM];
                }
            }
        }
    }
}

static uint32_t random_bits(unsigned *seed) { return rand_r(seed) ^ (uint32_t)rand_r(seed) << 16; }

static void random_memory(Guest *g, unsigned *seed)
{
    uint32_t *p = (uint32_t *)vram(g);

    for (unsigned i = 0; i < VRAM / 4; i++) {
        p[i] = random_bits(seed);
    }
}

static Order random_order(unsigned *seed)
{
    Order o = { .width = 1 + random_bits(seed) % 60, .height = 1 + random_bits(seed) % 6,
                .dst_pitch = random_bits(seed) % 200, .src_pitch = random_bits(seed) % 200,
                .dst = random_bits(seed) % VRAM, .src = random_bits(seed) % VRAM,
                .rop = rops[random_bits(seed) % 16], .skip = random_bits(seed),
                .fore = random_bits(seed), .back = random_bits(seed), .key = random_bits(seed) };
    unsigned n;

    if (random_bits(seed) % 4 == 0) {           /* over the end, and near the start */
        o.dst = (VRAM - random_bits(seed) % 64) % VRAM;
    }
    if (random_bits(seed) % 4 == 0) {
        o.src = (VRAM - random_bits(seed) % 64) % VRAM;
    }
    switch (random_bits(seed) % 5) {
    case 0: o.mode = 0; break;
    case 1: o.mode = 1; break;
    case 2: o.mode = 0x40; break;
    case 3: o.mode = 0x80; break;
    default: o.mode = 0xc0; break;
    }
    o.mode |= (random_bits(seed) & 3) << 4;
    n = (o.mode >> 4 & 3) + 1;
    if (random_bits(seed) & 1 && ((o.mode & 0x80) || n <= 2)) {
        o.mode |= 8;
    }
    o.ext = random_bits(seed) & 7;
    if (random_bits(seed) & 3) {
        o.width = (o.width + n - 1) / n * n;
    }
    if (!(o.mode & 0xc0)) {                     /* overlapping on a line is the chip's own affair */
        uint32_t apart = (o.dst - o.src) % VRAM;

        if (apart < 2048 || apart > VRAM - 2048) {
            o.src = (o.src + VRAM / 2) % VRAM;
        }
    }
    return o;
}

static void compare(Guest *g, const uint8_t *want, const Order *o)
{
    for (uint32_t i = 0; i < VRAM; i += 4096) {
        if (!memcmp(vram(g) + i, want + i, 4096)) {
            continue;
        }
        while (vram(g)[i] == want[i]) {
            i++;
        }
        cr_assert_fail("at %06x: %02x, not %02x; mode %02x ext %02x rop %02x skip %02x %ux%u dst %06x+%u "
                       "src %06x+%u", i, vram(g)[i], want[i], o->mode, o->ext, o->rop, o->skip, o->width,
                       o->height, o->dst, o->dst_pitch, o->src, o->src_pitch);
    }
}

static void against_the_model(unsigned rounds, unsigned seed, bool from_cpu)
{
    Guest *g = guest_new();
    g_autofree uint8_t *want = g_malloc(VRAM), *data = g_malloc(65536);

    packed_mode(g, 640, 480, 0, 0, 640);
    random_memory(g, &seed);
    memcpy(want, vram(g), VRAM);
    for (unsigned i = 0; i < rounds; i++) {
        Order o = random_order(&seed);
        unsigned n = (o.mode >> 4 & 3) + 1;
        uint32_t pitch = 0, len;

        if (!from_cpu) {
            go(g, &o);
            model(want, &o, NULL, 0);
            compare(g, want, &o);
            continue;
        }
        o.mode = (o.mode & ~1) | 4;
        pitch = o.mode & 0x80 ? (o.ext & 1 ? (o.width / n + 31 + !!(o.width % n)) / 32 * 4
                                           : (o.width / n + 7 + !!(o.width % n)) / 8)
                              : (o.width + 3) & ~3u;
        len = o.mode & 0x40 ? (o.mode & 0x80 ? 8 : n == 3 ? 256 : 64 * n) : pitch * o.height;
        for (uint32_t k = 0; k < len; k++) {
            data[k] = random_bits(&seed);
        }
        go(g, &o);
        cr_assert_eq(gfx_get(g, 0x31) & 1, 1, "busy until it has its bytes");
        for (uint32_t k = 0; k < len; k++) {
            poke(g, k & 1 ? FB + (16 << 20) + k : 0xa0000 + k % 65536, 1, data[k]);
        }
        cr_assert_eq(gfx_get(g, 0x31) & 3, 0);
        model(want, &o, data, pitch);
        compare(g, want, &o);
    }
    guest_free(g);
}

Test(cirrus, blits_equal_a_plain_model, .timeout = 60)
{
    against_the_model(400, 1, false);
}

Test(cirrus, blits_from_the_cpu_equal_a_plain_model, .timeout = 60)
{
    against_the_model(300, 2, true);
}

Test(cirrus, every_raster_operation_with_every_source)
{
    Guest *g = guest_new();
    unsigned seed = 3;

    packed_mode(g, 640, 480, 0, 0, 640);
    for (unsigned i = 0; i < 16; i++) {
        for (unsigned x = 0; x < 256; x++) {
            vram(g)[x] = x;
            vram(g)[4096 + x] = random_bits(&seed);
        }
        g_autofree uint8_t *old = g_memdup2(vram(g), 8192);
        Order o = { .width = 256, .height = 1, .src = 0, .dst = 4096, .rop = rops[i] };

        go(g, &o);
        for (unsigned x = 0; x < 256; x++) {
            cr_assert_eq(vram(g)[4096 + x], operate(rops[i], x, old[4096 + x]), "rop %02x", rops[i]);
        }
    }
    guest_free(g);
}

Test(cirrus, overlapping_copies_go_the_right_way)
{
    Guest *g = guest_new();

    packed_mode(g, 640, 480, 0, 0, 640);
    for (unsigned i = 0; i < 640 * 480; i++) {
        vram(g)[i] = i / 640 * 3 + i;
    }
    g_autofree uint8_t *old = g_memdup2(vram(g), 640 * 480);
    Order up = { .width = 640, .height = 464, .dst_pitch = 640, .src_pitch = 640, .dst = 0,
                 .src = 640 * 16, .rop = 0x0d };

    go(g, &up);
    cr_expect(!memcmp(vram(g), old + 640 * 16, 640 * 464));
    Order down = { .width = 640, .height = 464, .dst_pitch = 640, .src_pitch = 640,
                   .dst = 640 * 480 - 1, .src = 640 * 464 - 1, .rop = 0x0d, .mode = 1 };

    go(g, &down);
    cr_expect(!memcmp(vram(g) + 640 * 16, old + 640 * 16, 640 * 464));
    guest_free(g);
}

Test(cirrus, autostart_begins_with_the_destination_address)
{
    Guest *g = guest_new();
    Order o = { .width = 4, .height = 1, .src = 0, .dst = 64, .rop = 0x0e };

    packed_mode(g, 640, 480, 0, 0, 640);
    gfx(g, 0x31, 0x80);
    load(g, &o);
    memset(vram(g), 0, 128);
    gfx(g, 0x2a, 0);
    cr_expect(!memcmp(vram(g) + 64, "\xff\xff\xff\xff\0", 5));
    cr_expect_eq(gfx_get(g, 0x31) & 0x81, 0x80);
    guest_free(g);
}

Test(cirrus, memory_goes_to_the_cpu_and_reset_ends_a_transfer)
{
    Guest *g = guest_new();
    Order o = { .width = 6, .height = 2, .src = 100, .src_pitch = 50, .mode = 2, .rop = 0x0d };
    Order in = { .width = 8, .height = 2, .dst = 0x1000, .dst_pitch = 8, .mode = 4, .rop = 0x0d };

    packed_mode(g, 640, 480, 0, 0, 640);
    for (unsigned i = 0; i < 256; i++) {
        vram(g)[i] = i;
    }
    go(g, &o);
    cr_expect_eq(peek(g, 0xa0000, 4), 0x67666564);
    cr_expect_eq(peek(g, 0xa0000, 4) & 0xffff, 0x6968, "lines are whole doublewords");
    cr_expect_eq(peek(g, FB, 4), 0x99989796);
    peek(g, FB, 4);
    cr_expect_eq(gfx_get(g, 0x31) & 1, 0);
    cr_expect_eq(vram(g)[0], 0);
    go(g, &in);
    poke(g, FB, 4, 0x04030201);
    cr_expect(!g->card->vga.ram->mapped);
    gfx(g, 0x31, 4);
    gfx(g, 0x31, 0);
    cr_expect_eq(gfx_get(g, 0x31) & 9, 0);
    cr_expect(g->card->vga.ram->mapped, "plain memory again");
    cr_expect_eq(vram(g)[0x1000], 0, "half a line is not drawn");
    guest_free(g);
}

/* --- the security list's rows on the blitter ---------------------------------------------------- */

/* Nothing but the model's bytes may change; the sanitizers see what lies outside the block. */
static void edges(Guest *g, const Order *o)
{
    g_autofree uint8_t *want = g_memdup2(vram(g), VRAM);

    go(g, o);
    model(want, o, NULL, 0);
    compare(g, want, o);
    refresh(g);
}

Test(cirrus, cve_2007_1320_marks_no_page_outside, .timeout = 60)
{
    Guest *g = guest_new();

    packed_mode(g, 640, 480, 0, 0, 640);
    for (unsigned i = 0; i < 8; i++) {
        Order o = { .width = 8192, .height = 3, .dst_pitch = 8191, .src_pitch = 8191,
                    .dst = VRAM - 1 - i * 511, .src = VRAM - 4096 - i, .rop = 0x0d };

        edges(g, &o);
    }
    guest_free(g);
}

Test(cirrus, cve_2014_8106_every_pitch_and_width_stays_inside, .timeout = 60)
{
    Guest *g = guest_new();
    unsigned seed = 5;

    packed_mode(g, 640, 480, 0, 0, 640);
    for (unsigned i = 0; i < 60; i++) {
        Order o = { .width = 1 + random_bits(&seed) % 8192, .height = 1 + random_bits(&seed) % 4,
                    .dst_pitch = random_bits(&seed) % 8192, .src_pitch = random_bits(&seed) % 8192,
                    .dst = random_bits(&seed) % VRAM, .rop = rops[i % 16], .mode = i & 1 };

        o.src = (o.dst + VRAM / 2) % VRAM;
        edges(g, &o);
    }
    guest_free(g);
}

Test(cirrus, cve_2016_9921_nothing_is_divided_by_pitch_or_depth)
{
    Guest *g = guest_new();

    for (unsigned depth = 0; depth < 16; depth += 2) {
        for (unsigned mode = 0; mode < 256; mode++) {
            Order o = { .width = 17, .height = 3, .dst = 100, .src = 9000, .rop = 0x0d, .mode = mode };

            seq(g, 7, depth);
            go(g, &o);
            gfx(g, 0x31, 4);
            gfx(g, 0x31, 0);
            refresh(g);
        }
    }
    guest_free(g);
}

Test(cirrus, colour_expansion_does_not_need_a_source_pitch)
{
    Guest *g = guest_new();
    Order o = { .width = 16, .height = 2, .dst = 0, .dst_pitch = 16, .src = 0x1000, .rop = 0x0d,
                .mode = 0x80, .fore = 0xff };

    packed_mode(g, 640, 480, 0, 0, 640);
    memcpy(vram(g) + 0x1000, "\xf0\x01\x80\x0f", 4);
    go(g, &o);
    cr_expect(!memcmp(vram(g), "\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0\0\0\xff", 16));
    cr_expect(!memcmp(vram(g) + 16, "\xff\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff", 16));
    guest_free(g);
}

Test(cirrus, cve_2017_2615_backward_from_the_first_bytes, .timeout = 60)
{
    Guest *g = guest_new();

    packed_mode(g, 640, 480, 0, 0, 640);
    for (unsigned i = 0; i < 12; i++) {
        Order o = { .width = 300, .height = 5, .dst_pitch = 700, .src_pitch = 400, .dst = i * 100,
                    .src = VRAM / 2, .mode = 1, .rop = 0x59 };

        edges(g, &o);
    }
    guest_free(g);
}

Test(cirrus, cve_2017_2620_data_from_the_cpu_is_bounded, .timeout = 60)
{
    Guest *g = guest_new();
    Order o = { .width = 8192, .height = 2048, .dst_pitch = 8191, .dst = VRAM - 5, .mode = 4,
                .rop = 0x0d };

    packed_mode(g, 640, 480, 0, 0, 640);
    go(g, &o);
    for (unsigned i = 0; i < 8192 * 3; i++) {
        poke(g, FB + (16 << 20) + 4 * (i % 1000), 4, i);
    }
    cr_expect_eq(gfx_get(g, 0x31) & 1, 1);
    seq(g, 7, 0);
    refresh(g);
    guest_free(g);
}

Test(cirrus, cve_2016_9603_blit_and_a_smaller_screen)
{
    Guest *g = guest_new();

    for (unsigned i = 0; i < 20; i++) {
        Order o = { .width = 4096, .height = 900, .dst_pitch = 4096, .src_pitch = 4096, .src = 4096 * 100,
                    .rop = 0x0d };

        packed_mode(g, 1024, 768, 4, 0xc5, 3072);
        refresh(g);
        packed_mode(g, 8 * (1 + i), 16 + i, 4, 0xc5, 3072);
        go(g, &o);
        refresh(g);
    }
    guest_free(g);
}

Test(cirrus, cve_2017_7718_odd_widths_of_transparent_blits, .timeout = 60)
{
    Guest *g = guest_new();

    packed_mode(g, 640, 480, 0, 0, 640);
    for (unsigned width = 1; width < 8; width++) {
        for (unsigned deep = 0; deep < 2; deep++) {
            Order o = { .width = width, .height = 1, .dst = VRAM - width + deep, .src = 5,
                        .mode = 8 | deep << 4, .rop = 0x6d, .key = 0xffff };

            edges(g, &o);
        }
    }
    guest_free(g);
}

Test(cirrus, left_skip_takes_every_value, .timeout = 120)
{
    Guest *g = guest_new();

    packed_mode(g, 640, 480, 0, 0, 640);
    for (unsigned skip = 0; skip < 256; skip += 3) {
        for (unsigned deep = 0; deep < 4; deep++) {
            Order o = { .width = 5 * (deep + 1), .height = 2, .dst = 1000, .dst_pitch = 40, .src = 8192,
                        .mode = 0xc8 | deep << 4, .rop = 0x0d, .skip = skip, .fore = 0x01020304 };

            edges(g, &o);
        }
    }
    guest_free(g);
}

Test(cirrus, blit_that_ends_at_the_last_byte_is_drawn)
{
    Guest *g = guest_new();
    Order o = { .width = 64, .height = 4, .dst_pitch = 64, .src_pitch = 64, .dst = VRAM - 256, .src = 0,
                .rop = 0x0e };

    packed_mode(g, 640, 480, 0, 0, 640);
    go(g, &o);
    cr_expect_eq(vram(g)[VRAM - 1], 0xff);
    cr_expect_eq(vram(g)[VRAM - 256], 0xff);
    cr_expect_eq(vram(g)[VRAM - 257], 0);
    cr_expect_eq(vram(g)[0], 0);
    guest_free(g);
}

Test(cirrus, saved_in_the_middle_of_a_transfer_it_goes_on)
{
    Guest *g = guest_new(), *h = guest_new();
    g_autoptr(GByteArray) state = g_byte_array_new();
    Order o = { .width = 8, .height = 2, .dst = 0x1000, .dst_pitch = 8, .mode = 4, .rop = 0x0d };

    packed_mode(g, 640, 480, 0, 0, 640);
    go(g, &o);
    poke(g, FB, 4, 0x04030201);
    machine_save(&g->f->m, state);
    cr_assert(machine_load(&h->f->m, state->data, state->len, NULL));
    poke(h, FB, 4, 0x08070605);
    poke(h, FB, 8, 0x100f0e0d0c0b0a09);
    cr_expect(!memcmp(vram(h) + 0x1000, "\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20", 16));
    cr_expect_eq(gfx_get(h, 0x31) & 1, 0);
    guest_free(g);
    guest_free(h);
}

/* --- the window as memory (hw/vga_window.c) ----------------------------------------------------- */

static void text_mode(Guest *g)
{
    seq(g, 7, 0);
    seq(g, 4, 2);
    seq(g, 2, 3);
    gfx(g, 5, 0x10);
    gfx(g, 6, 0x0e);
    gfx(g, 8, 0xff);
}

static void pokes(Guest *g, uint32_t at, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        poke(g, at + 2 * i, 2, 0x0700 | (i & 0xff));
    }
    fake_advance(g->f, 1);
}

Test(vga_window, text_becomes_memory_and_its_writes_reach_the_planes)
{
    Guest *g = guest_new();
    Vga *v = &g->card->vga;

    text_mode(g);
    pokes(g, 0xb8000, 10);
    cr_expect_eq(v->shown.text, 0, "a few accesses are not worth it");
    pokes(g, 0xb8000, 80);
    cr_assert_eq(v->shown.text, 0xb8000);
    cr_assert(v->text->mapped);
    cr_expect_eq(v->text->host[2 * 79], 79, "what was there is there");
    cr_expect(!v->ram->mapped, "the same bytes are not at two places");
    v->text->host[6] = 'x';                         /* the guest, unseen */
    v->text->host[7] = 0x1f;
    refresh(g);
    cr_expect_eq(v->vram[4 * 3], 'x');
    cr_expect_eq(v->vram[4 * 3 + 1], 0x1f);
    v->text->host[8] = 'y';
    seq(g, 2, 4);                                   /* fonts next */
    cr_expect_eq(v->shown.text, 0);
    cr_expect(!v->text->mapped);
    cr_expect(v->ram->mapped);
    cr_expect_eq(v->vram[4 * 4], 'y');
    guest_free(g);
}

Test(vga_window, writes_on_their_way_come_before_the_memory)
{
    Guest *g = guest_new();
    Vga *v = &g->card->vga;

    text_mode(g);
    for (unsigned i = 0; i < 80; i++) {
        poke(g, 0xb8000, 2, 0x0741);
    }
    g->f->posted = (FakePost){ IO_MMIO, 0xb8004, 0x1f42, 2 };
    fake_advance(g->f, 1);
    cr_assert_eq(v->shown.text, 0xb8000);
    cr_expect_eq(v->text->host[4], 0x42);
    cr_expect_not(g->f->held);
    guest_free(g);
}

Test(vga_window, waits_for_writes_that_are_still_elsewhere)
{
    Guest *g = guest_new();
    Vga *v = &g->card->vga;

    text_mode(g);
    g->f->refuses_hold = true;
    for (unsigned i = 0; i < 80; i++) {
        poke(g, 0xb8000, 2, 0x0741);
    }
    fake_advance(g->f, 1);
    cr_expect_eq(v->shown.text, 0);
    g->f->refuses_hold = false;
    fake_advance(g->f, 2000000);
    cr_expect_eq(v->shown.text, 0xb8000);
    cr_expect_not(g->f->held);
    guest_free(g);
}

Test(vga_window, a_register_on_its_way_keeps_the_window_from_being_shown)
{
    Guest *g = guest_new();

    text_mode(g);
    for (unsigned i = 0; i < 80; i++) {
        poke(g, 0xb8000, 2, 0x0741);
    }
    fake_out8(g->f, 0x3c4, 2);
    g->f->posted = (FakePost){ IO_PORT, 0x3c5, 4, 1 };
    fake_advance(g->f, 1);
    cr_expect_eq(g->card->vga.shown.text, 0);
    cr_expect_not(g->card->vga.text->mapped);
    cr_expect_not(g->f->held);
    guest_free(g);
}

Test(vga_window, who_changes_often_is_shown_memory_less_often)
{
    Guest *g = guest_new();
    unsigned shown = 0;

    g->f->clean = true;
    text_mode(g);
    for (unsigned i = 0; i < 64; i++) {
        pokes(g, 0xb8000, 80);
        shown += g->card->vga.shown.text != 0;
        seq(g, 2, 4);
        seq(g, 2, 3);
    }
    cr_expect_eq(shown, 1, "%u", shown);
    for (unsigned i = 0; i < 4; i++) {
        pokes(g, 0xb8000, 80);
    }
    cr_assert_eq(g->card->vga.shown.text, 0xb8000);
    fake_advance(g->f, 1000000000);
    seq(g, 2, 4);
    seq(g, 2, 3);
    pokes(g, 0xb8000, 80);
    cr_expect_eq(g->card->vga.shown.text, 0xb8000, "it lasted");
    g->f->clean = false;
    seq(g, 2, 4);
    seq(g, 2, 3);
    pokes(g, 0xb8000, 80);
    cr_expect_eq(g->card->vga.shown.text, 0xb8000, "it saved as many");
    guest_free(g);
}

Test(vga_window, an_access_that_set_out_earlier_reaches_shown_text)
{
    Guest *g = guest_new();

    text_mode(g);
    pokes(g, 0xb8000, 80);
    poke(g, 0xb8010, 2, 0x4142);
    cr_expect_eq(g->card->vga.text->host[0x10], 0x42);
    cr_expect_eq(peek(g, 0xb8010, 2), 0x4142);
    guest_free(g);
}

Test(vga_window, linear_aperture_takes_text_back_first)
{
    Guest *g = guest_new();
    Vga *v = &g->card->vga;

    text_mode(g);
    pokes(g, 0xb8000, 80);
    v->text->host[0] = 'z';
    cr_expect_eq(peek(g, FB, 1), 'z');
    cr_expect_eq(v->shown.text, 0);
    poke(g, FB + 4, 1, 'q');
    text_mode(g);
    cr_expect_eq(v->vram[4], 'q', "nothing older comes over it");
    guest_free(g);
}

Test(vga_window, only_plain_modes_are_shown)
{
    static const uint8_t spoilers[][3] = { { 0, 2, 0x0f }, { 0, 4, 6 }, { 1, 5, 0x11 }, { 1, 5, 0x18 },
                                           { 1, 1, 1 }, { 1, 3, 0x10 }, { 1, 8, 0x7f }, { 1, 4, 2 } };
    Guest *g = guest_new();

    for (unsigned i = 0; i < G_N_ELEMENTS(spoilers); i++) {
        text_mode(g);
        gfx(g, 1, 0);
        gfx(g, 3, 0);
        gfx(g, 4, 0);
        pokes(g, 0xb8000, 80);
        cr_assert_eq(g->card->vga.shown.text, 0xb8000, "%u", i);
        (spoilers[i][0] ? gfx : seq)(g, spoilers[i][1], spoilers[i][2]);
        cr_expect_eq(g->card->vga.shown.text, 0, "%u", i);
        pokes(g, 0xb8000, 80);
        cr_expect_eq(g->card->vga.shown.text, 0, "%u", i);
    }
    guest_free(g);
}

Test(vga_window, banks_are_views_of_video_memory)
{
    Guest *g = guest_new();
    Vga *v = &g->card->vga;

    packed_mode(g, 640, 480, 0, 0, 640);
    gfx(g, 0x0b, 1);
    gfx(g, 9, 2);
    gfx(g, 0x0a, 9);
    pokes(g, 0xa0000, 80);
    cr_assert(v->part[0]->mapped && v->part[1]->mapped);
    cr_expect_eq(v->part[0]->gpa, 0xa0000);
    cr_expect_eq(v->part[1]->gpa, 0xa8000);
    cr_expect(v->part[0]->host == v->vram + 0x2000 && v->part[1]->host == v->vram + 0x9000);
    gfx(g, 9, 4);
    cr_expect(!v->part[0]->mapped);
    pokes(g, 0xa0000, 80);
    cr_expect(v->part[0]->host == v->vram + 0x4000);
    gfx(g, 9, 0xff);                                /* less than a bank is left */
    gfx(g, 0x0b, 0x21);
    pokes(g, 0xa0000, 80);
    cr_expect_eq(v->part[0]->size, 0x4000);
    guest_free(g);
}

Test(vga_window, saved_state_holds_video_memory_and_shown_text)
{
    Guest *g = guest_new(), *h = guest_new();
    g_autoptr(GByteArray) state = g_byte_array_new();

    text_mode(g);
    pokes(g, 0xb8000, 80);
    g->card->vga.text->host[2] = '!';
    vram(g)[VRAM - 1] = 0x5a;
    machine_save(&g->f->m, state);
    text_mode(h);
    pokes(h, 0xb8000, 100);
    cr_assert(machine_load(&h->f->m, state->data, state->len, NULL));
    cr_expect_eq(h->card->vga.shown.text, 0);
    cr_expect_eq(vram(h)[4], '!');
    cr_expect_eq(vram(h)[VRAM - 1], 0x5a);
    cr_expect(!memcmp(vram(g), vram(h), VRAM));
    cr_expect(!machine_load(&h->f->m, state->data, state->len - 5000, NULL));
    guest_free(g);
    guest_free(h);
}
