/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vga_guest.h - a standard VGA on the fake machine and what a guest does with it: mode tables (IBM's
 * parameters of the BIOS modes), indexed registers, VBE, pixels of the shared surface.
 */
#ifndef TEST_HW_VGA_GUEST_H
#define TEST_HW_VGA_GUEST_H

#include "hw/vga.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "hw/devices.h"
#include "tests/fake_machine.h"
#include "ui/hub.h"

#define UNUSED __attribute__((unused))

typedef struct Guest {
    FakeMachine *f;
    Display *display;
    Device *card;
    int null;
} Guest;

typedef struct Mode {
    uint8_t misc, seq[5], crtc[25], gfx[9], attr[21];
} Mode;

static UNUSED const Mode text80 = {
    0x67, { 3, 0, 3, 0, 2 },
    { 0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x20, 0x0e, 0, 0, 0, 0, 0x9c,
      0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff },
    { 0, 0, 0, 0, 0, 0x10, 0x0e, 0, 0xff },
    { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0x0c, 0, 0x0f, 8, 0 } };
static UNUSED const Mode planar12 = {
    0xe3, { 3, 1, 0x0f, 0, 6 },
    { 0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0x0b, 0x3e, 0, 0x40, 0, 0, 0, 0, 0, 0, 0xea, 0x8c, 0xdf,
      0x28, 0, 0xe7, 0x04, 0xe3, 0xff },
    { 0, 0, 0, 0, 0, 0, 5, 0x0f, 0xff },
    { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 1, 0, 0x0f, 0, 0 } };
static UNUSED const Mode linear13 = {
    0x63, { 3, 1, 0x0f, 0, 0x0e },
    { 0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0, 0x41, 0, 0, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f,
      0x28, 0x40, 0x96, 0xb9, 0xa3, 0xff },
    { 0, 0, 0, 0, 0, 0x40, 5, 0x0f, 0xff },
    { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0x41, 0, 0x0f, 0, 0 } };
static UNUSED const Mode cga4 = {
    0x63, { 3, 9, 3, 0, 2 },
    { 0x2d, 0x27, 0x28, 0x90, 0x2b, 0x80, 0xbf, 0x1f, 0, 0xc1, 0, 0, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f,
      0x14, 0, 0x96, 0xb9, 0xa2, 0xff },
    { 0, 0, 0, 0, 0, 0x30, 0x0f, 0, 0xff },
    { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 1, 0, 3, 0, 0 } };

static UNUSED const Mode text40 = {
    0x67, { 3, 8, 3, 0, 2 },
    { 0x2d, 0x27, 0x28, 0x90, 0x2b, 0xa0, 0xbf, 0x1f, 0x00, 0x4f, 0x20, 0x0e, 0, 0, 0, 0, 0x9c,
      0x8e, 0x8f, 0x14, 0x1f, 0x96, 0xb9, 0xa3, 0xff },
    { 0, 0, 0, 0, 0, 0x10, 0x0e, 0, 0xff },
    { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0x0c, 0, 0x0f, 8, 0 } };
static UNUSED const Mode cga6 = {
    0x63, { 3, 1, 1, 0, 6 },
    { 0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0, 0xc1, 0, 0, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f,
      0x28, 0, 0x96, 0xb9, 0xc2, 0xff },
    { 0, 0, 0, 0, 0, 0, 0x0d, 0, 0xff },
    { 0, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 1, 0, 1, 0, 0 } };
static UNUSED const Mode planar0d = {
    0x63, { 3, 9, 0x0f, 0, 6 },
    { 0x2d, 0x27, 0x28, 0x90, 0x2b, 0x80, 0xbf, 0x1f, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f,
      0x14, 0, 0x96, 0xb9, 0xe3, 0xff },
    { 0, 0, 0, 0, 0, 0, 5, 0x0f, 0xff },
    { 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23, 1, 0, 0x0f, 0, 0 } };
static UNUSED const Mode planar10 = {
    0xa3, { 3, 1, 0x0f, 0, 6 },
    { 0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0, 0x40, 0, 0, 0, 0, 0, 0, 0x83, 0x85, 0x5d,
      0x28, 0x0f, 0x63, 0xba, 0xe3, 0xff },
    { 0, 0, 0, 0, 0, 0, 5, 0x0f, 0xff },
    { 0, 1, 2, 3, 4, 5, 20, 7, 56, 57, 58, 59, 60, 61, 62, 63, 1, 0, 0x0f, 0, 0 } };

static inline Guest *guest_with_memory(unsigned mib)
{
    Guest *g = g_new0(Guest, 1);

    g->f = fake_machine_new();
    g->display = display_new(NULL);
    g->null = open("/dev/null", O_WRONLY);
    g->card = device_new(&g->f->m, &stdvga_class);
    device_set_pointer(g->card, "bus", &g->f->bus);
    device_set_u64(g->card, "devfn", 0x10);
    device_set_pointer(g->card, "display", g->display);
    device_set_u64(g->card, "vram_mib", mib);
    cr_assert(device_init(g->card, NULL));
    return g;
}

static inline Guest *guest_new(void) { return guest_with_memory(4); }

static inline void guest_free(Guest *g)
{
    fake_machine_free(g->f);
    display_free(g->display);
    close(g->null);
    g_free(g);
}

static inline void indexed(Guest *g, unsigned port, uint8_t index, uint8_t value)
{
    fake_out16(g->f, port, value << 8 | index);
}

/* Loads the registers, DAC entry n as grey-green n and the screen on. */
static inline void set_mode(Guest *g, const Mode *m)
{
    fake_out8(g->f, 0x3c2, m->misc);
    for (unsigned i = 0; i < 5; i++) {
        indexed(g, 0x3c4, i, m->seq[i]);
    }
    indexed(g, 0x3d4, 0x11, 0);
    for (unsigned i = 0; i < 25; i++) {
        indexed(g, 0x3d4, i, m->crtc[i]);
    }
    for (unsigned i = 0; i < 9; i++) {
        indexed(g, 0x3ce, i, m->gfx[i]);
    }
    fake_in8(g->f, 0x3da);
    for (unsigned i = 0; i < 21; i++) {
        fake_out8(g->f, 0x3c0, i);
        fake_out8(g->f, 0x3c0, m->attr[i]);
    }
    fake_out8(g->f, 0x3c0, 0x20);
    fake_out8(g->f, 0x3c8, 0);
    for (unsigned i = 0; i < 256; i++) {
        fake_out8(g->f, 0x3c9, i & 63);
        fake_out8(g->f, 0x3c9, i >> 2);
        fake_out8(g->f, 0x3c9, 0);
    }
}

static inline uint32_t colour(unsigned i)      /* what set_mode() made of DAC entry i, as XRGB */
{
    unsigned r = i & 63, gr = i >> 2;

    return (r << 2 | r >> 4) << 16 | (gr << 2 | gr >> 4) << 8;
}

static inline void poke(Guest *g, uint32_t addr, uint8_t v) { io_write(&g->f->m.io, IO_MMIO, addr, 1, v); }
static inline uint8_t peek(Guest *g, uint32_t addr) { return io_read(&g->f->m.io, IO_MMIO, addr, 1); }
static inline void refresh(Guest *g) { cr_assert(display_screenshot(g->display, g->null, NULL)); }
static inline uint32_t pixel(Guest *g, unsigned x, unsigned y) { return display_row(g->display, y)[x]; }

static inline void vbe(Guest *g, unsigned index, uint16_t value)
{
    fake_out16(g->f, 0x1ce, index);
    fake_out16(g->f, 0x1cf, value);
}

static inline uint16_t vbe_get(Guest *g, unsigned index)
{
    fake_out16(g->f, 0x1ce, index);
    return fake_in16(g->f, 0x1cf);
}

static inline void vbe_mode(Guest *g, unsigned w, unsigned h, unsigned bpp, unsigned flags)
{
    fake_out8(g->f, 0x3c2, 0x67);
    fake_in8(g->f, 0x3da);
    fake_out8(g->f, 0x3c0, 0x20);
    vbe(g, VBE_ENABLE, 0);
    vbe(g, VBE_XRES, w);
    vbe(g, VBE_YRES, h);
    vbe(g, VBE_BPP, bpp);
    vbe(g, VBE_ENABLE, VBE_ENABLED | flags);
}

/* Sets line `row` of character ch in font 0. */
static inline void glyph(Guest *g, uint8_t ch, unsigned row, uint8_t bits)
{
    indexed(g, 0x3c4, 2, 4);
    indexed(g, 0x3c4, 4, 6);
    indexed(g, 0x3ce, 5, 0);
    indexed(g, 0x3ce, 6, 4);
    poke(g, 0xa0000 + ch * 32 + row, bits);
    indexed(g, 0x3c4, 2, 3);
    indexed(g, 0x3c4, 4, 2);
    indexed(g, 0x3ce, 5, 0x10);
    indexed(g, 0x3ce, 6, 0x0e);
}

#endif
