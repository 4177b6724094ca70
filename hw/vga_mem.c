/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vga_mem.c - the window A0000-BFFFF onto video memory: write modes 0-3, read modes 0-1, latches,
 * chain-4, odd/even, and the VBE banks.  Every address is masked to video memory here and nowhere
 * else, so that no mode and bank together can leave it.  Chain-4 and odd/even addresses are kept
 * compact (the planes' unused slots are not modelled), which only a program that changes the
 * chaining over a picture can see.
 */
#include "hw/vga.h"

enum { SR4_NO_ODD_EVEN = 4, SR4_CHAIN4 = 8 };
enum { GR5_READ_COMPARE = 8, GR5_ODD_EVEN = 0x10 };
enum { MISC_RAM = 2 };
#define OUTSIDE UINT32_MAX

/* Four plane bits as four bytes of ones. */
static uint32_t spread(unsigned planes)
{
    return ((planes & 1) | (planes & 2) << 7 | (planes & 4) << 14 | (planes & 8) << 21) * 0xffu;
}

static uint32_t repeat(uint8_t byte)
{
    return byte * 0x01010101u;
}

/* The window's offset as an address in the selected map, or OUTSIDE. */
static uint32_t window_address(const Vga *v, uint64_t offset)
{
    if (vbe_linear(v)) {
        return offset < 0x10000 ? offset : OUTSIDE;
    }
    switch (v->gfx[6] >> 2 & 3) {
    case 0: return offset;
    case 1: return offset < 0x10000 ? offset : OUTSIDE;
    case 2: return offset - 0x10000 < 0x8000 ? offset - 0x10000 : OUTSIDE;
    default: return offset >= 0x18000 ? offset - 0x18000 : OUTSIDE;
    }
}

static uint32_t bank_base(const Vga *v)
{
    return vbe_on(v) ? (uint32_t)v->vbe[VBE_BANK] << 16 : 0;
}

static uint32_t plane_word(const Vga *v, uint32_t offset)
{
    uint32_t mask = vbe_on(v) ? v->vram_size - 1 : 4 * VGA_PLANE_SIZE - 1;

    return (uint32_t)((bank_base(v) + (uint64_t)offset) * 4) & mask & ~3u;
}

static bool chained(const Vga *v)
{
    return vbe_linear(v) || (v->seq[4] & SR4_CHAIN4);
}

static bool window_on(const Vga *v)
{
    return (v->misc & MISC_RAM) || vbe_on(v);
}

static uint32_t chained_address(const Vga *v, uint32_t addr)
{
    return (bank_base(v) + addr) & (v->vram_size - 1);
}

static uint32_t load(const Vga *v, uint32_t at)
{
    const uint8_t *p = v->vram + at;

    return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint8_t read_byte(Vga *v, uint64_t offset)
{
    uint32_t addr = window_address(v, offset);
    unsigned plane = v->gfx[4] & 3;

    if (addr == OUTSIDE || !window_on(v)) {
        return 0xff;
    }
    if (chained(v)) {
        uint32_t at = chained_address(v, addr);

        v->latch = load(v, at & ~3u);
        return v->vram[at];
    }
    if (v->gfx[5] & GR5_ODD_EVEN) {
        plane = (plane & 2) | (addr & 1);
        addr >>= 1;
    }
    v->latch = load(v, plane_word(v, addr));
    if (!(v->gfx[5] & GR5_READ_COMPARE)) {
        return v->latch >> (8 * plane);
    }
    uint32_t differ = (v->latch ^ spread(v->gfx[2])) & spread(v->gfx[7]);

    differ |= differ >> 16;
    return ~(differ | differ >> 8);
}

/* The graphics controller's data path: what the four planes get for a byte from the CPU. */
static uint32_t shape(const Vga *v, uint8_t byte)
{
    uint8_t rotate = v->gfx[3] & 7, rotated = byte >> rotate | byte << (8 - rotate);
    uint32_t bits = repeat(v->gfx[8]), data, enable;

    switch (v->gfx[5] & 3) {
    case 0:
        enable = spread(v->gfx[1]);
        data = (repeat(rotated) & ~enable) | (spread(v->gfx[0]) & enable);
        break;
    case 1:
        return v->latch;
    case 2:
        data = spread(byte & 15);
        break;
    default:
        data = spread(v->gfx[0]);
        bits &= repeat(rotated);
        break;
    }
    switch (v->gfx[3] >> 3 & 3) {
    case 1: data &= v->latch; break;
    case 2: data |= v->latch; break;
    case 3: data ^= v->latch; break;
    default: break;
    }
    return (data & bits) | (v->latch & ~bits);
}

static void write_byte(Vga *v, uint64_t offset, uint8_t byte)
{
    uint32_t addr = window_address(v, offset), at, data, mask;
    unsigned planes = v->seq[2];

    if (addr == OUTSIDE || !window_on(v)) {
        return;
    }
    if (chained(v)) {
        at = chained_address(v, addr);
        if (vbe_linear(v)) {
            v->vram[at] = byte;
            vga_touch(v, at);
        } else if (planes >> (addr & 3) & 1) {
            v->vram[at] = shape(v, byte) >> (8 * (addr & 3));
            vga_touch(v, at);
        }
        return;
    }
    if (!(v->seq[4] & SR4_NO_ODD_EVEN)) {
        planes &= addr & 1 ? 0xa : 0x5;
        addr >>= 1;
    }
    at = plane_word(v, addr);
    mask = spread(planes);
    data = (shape(v, byte) & mask) | (load(v, at) & ~mask);
    v->vram[at] = data;
    v->vram[at + 1] = data >> 8;
    v->vram[at + 2] = data >> 16;
    v->vram[at + 3] = data >> 24;
    vga_touch(v, at);
}

/* --- as memory --------------------------------------------------------------------------------- */

/* Write mode 0 with nothing to mix in: the byte is what the planes get. */
static bool data_path_is_plain(const Vga *v)
{
    return !(v->gfx[5] & 3) && !v->gfx[1] && !v->gfx[3] && v->gfx[8] == 0xff;
}

VgaWindow vga_window(const Vga *v)
{
    static const uint32_t bases[4] = { 0, 0, 0xb0000, 0xb8000 };
    VgaWindow w = { 0 };
    unsigned map = v->gfx[6] >> 2 & 3;

    if (!window_on(v)) {
        return w;
    }
    if (vbe_linear(v) || ((v->seq[4] & SR4_CHAIN4) && (v->seq[2] & 15) == 15 &&
                          data_path_is_plain(v) && map < 2 && !vbe_on(v))) {
        w.part[0].gpa = VGA_WINDOW_BASE;
        w.part[0].offset = chained_address(v, 0);
        w.part[0].len = MIN(0x10000, v->vram_size - w.part[0].offset);
        return w;
    }
    if (!vbe_on(v) && !(v->seq[4] & (SR4_CHAIN4 | SR4_NO_ODD_EVEN)) && (v->seq[2] & 15) == 3 &&
        (v->gfx[5] & GR5_ODD_EVEN) && !(v->gfx[5] & GR5_READ_COMPARE) && !(v->gfx[4] & 2) &&
        data_path_is_plain(v)) {
        w.text = bases[map];
    }
    return w;
}

static uint64_t window_read(void *opaque, uint64_t offset, unsigned width)
{
    Vga *v = opaque;
    uint64_t value = 0;

    vga_window_trapped(v, 1);
    for (unsigned i = 0; i < width; i++) {
        uint32_t at = VGA_WINDOW_BASE + offset + i;
        uint8_t byte = vga_text_shown(v, at) ? v->text->host[at - v->shown.text]
                                             : read_byte(v, offset + i);

        value |= (uint64_t)byte << (8 * i);
    }
    return value;
}

static void window_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    Vga *v = opaque;

    vga_window_trapped(v, 1);
    for (unsigned i = 0; i < width; i++) {
        uint32_t at = VGA_WINDOW_BASE + offset + i;

        if (vga_text_shown(v, at)) {
            v->text->host[at - v->shown.text] = value >> (8 * i);   /* one that set out earlier */
        }
        write_byte(v, offset + i, value >> (8 * i));
    }
}

const IoOps vga_window_ops = { .read = window_read, .write = window_write,
                               .widths = IO_8 | IO_16 | IO_32 | IO_64, .apart = true };
