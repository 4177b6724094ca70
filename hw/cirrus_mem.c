/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cirrus_mem.c - how the CPU reaches a GD5446's video memory (CL-GD5446 Technical Reference Manual):
 * the banks in the window at A0000, the 32 MiB of BAR 0 with its byte-swapping apertures and the
 * BitBLT's data port, extended write modes 4 and 5, the 8-byte latches, and the BitBLT's registers as
 * memory.  Every address is masked to video memory in linear_read() and linear_write().
 * Left out: the fourth aperture's YCrCb packing (it is a plain view).
 */
#include "hw/cirrus.h"

#include <string.h>

enum { APERTURE_SHIFT = 22, DATA_PORT = 1 << 24, MMIO_TAIL = 0x100, MMIO_BLT = 0x100 };
enum { WINDOW_MMIO = 0x18000, WINDOW_BANKS = 0x10000, WRITE_MODES = 7, BANK = 0x8000 };
#define OUTSIDE UINT32_MAX

/* --- registers as memory ----------------------------------------------------------------------- */

/* Graphics controller register behind each byte of the block; 0xff: none. */
static unsigned mmio_register(unsigned offset)
{
    static const uint8_t map[0x22] = {
        0x00, 0x10, 0x12, 0x14, 0x01, 0x11, 0x13, 0x15, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26,
        0x27, 0x28, 0x29, 0x2a, 0xff, 0x2c, 0x2d, 0x2e, 0x2f, 0x30, 0xff, 0x32, 0x33, 0x34, 0x35,
        0xff, 0xff, 0x38, 0x39,
    };

    return offset < sizeof map ? map[offset] : offset == 0x40 ? GR31_STATUS : 0xff;
}

static uint8_t mmio_get(const Cirrus *c, unsigned offset)
{
    unsigned index = mmio_register(offset & 0xff);

    return index == 0xff ? 0xff : cirrus_gfx_read(c, index);
}

static void mmio_put(Cirrus *c, unsigned offset, uint8_t value)
{
    unsigned index = mmio_register(offset & 0xff);

    if (index != 0xff) {
        cirrus_gfx_write(c, index, value);
    }
}

static bool mmio_enabled(const Cirrus *c, bool linear)
{
    unsigned want = SR17_MMIO | (linear ? SR17_MMIO_LINEAR : 0);

    return (c->seq[SR17_CONFIG] & (SR17_MMIO | SR17_MMIO_LINEAR)) == want;
}

static uint64_t bar_mmio_read(void *opaque, uint64_t offset, unsigned width)
{
    Cirrus *c = opaque;
    uint64_t value = 0;

    for (unsigned i = 0; i < width; i++) {
        uint64_t at = offset + i;
        uint8_t byte = at < 0x20 ? cirrus_port_read(c, 0x3c0 + at) :
                       at >= MMIO_BLT && at < MMIO_BLT + 0x100 ? mmio_get(c, at) : 0xff;

        value |= (uint64_t)byte << (8 * i);
    }
    return value;
}

static void bar_mmio_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    Cirrus *c = opaque;

    for (unsigned i = 0; i < width; i++) {
        uint64_t at = offset + i;

        if (at < 0x20) {
            cirrus_port_write(c, 0x3c0 + at, value >> (8 * i));
        } else if (at >= MMIO_BLT && at < MMIO_BLT + 0x100) {
            mmio_put(c, at, value >> (8 * i));
        }
    }
}

const IoOps cirrus_mmio_ops = { .read = bar_mmio_read, .write = bar_mmio_write,
                                .widths = IO_8 | IO_16 | IO_32 | IO_64 };

/* --- video memory ------------------------------------------------------------------------------ */

static unsigned write_mode(const Cirrus *c)
{
    return c->gfx[GRB_MODE] & GRB_EXTENDED ? c->vga.gfx[5] & WRITE_MODES : c->vga.gfx[5] & 3;
}

/* An address as the CPU gave it: with BY8 or BY16 each byte of it stands for that many. */
static uint32_t widened(const Cirrus *c, uint32_t addr)
{
    uint8_t mode = c->gfx[GRB_MODE];

    if ((mode & (GRB_EXTENDED | GRB_BY16)) == (GRB_EXTENDED | GRB_BY16)) {
        addr <<= 4;
    } else if (mode & GRB_BY8) {
        addr <<= 3;
    }
    return addr & (c->vga.vram_size - 1);
}

static uint8_t linear_read(Cirrus *c, uint32_t addr)
{
    uint32_t at = widened(c, addr);

    if (c->gfx[GRB_MODE] & GRB_LATCH8) {
        memcpy(c->latch8, c->vga.vram + (at & ~7u), sizeof c->latch8);
    }
    return c->vga.vram[at];
}

/* Write modes 4 and 5: a bit for each pixel.  Ones become the foreground, zeros stay (4) or become
 * the background (5); SR2 enables the pixels. */
static void expand_byte(Cirrus *c, uint32_t at, uint8_t bits, bool opaque)
{
    bool wide = c->gfx[GRB_MODE] & GRB_BY16;
    uint32_t mask = c->vga.vram_size - 1, step = wide ? 2 : 1;
    uint8_t enable = c->seq[2];

    for (unsigned i = 0; i < 8; i++, at += step) {
        bool one = bits >> (7 - i) & 1;

        if (!(enable >> (7 - i) & 1) || (!one && !opaque)) {
            continue;
        }
        c->vga.vram[at & mask] = cirrus_gfx_read(c, one ? 1 : 0);
        if (wide) {
            c->vga.vram[(at + 1) & mask] = c->gfx[one ? 0x11 : 0x10];
        }
        vga_touch(&c->vga, at & mask);
    }
}

static void linear_write(Cirrus *c, uint32_t addr, uint8_t value)
{
    uint32_t at = widened(c, addr);
    unsigned mode = write_mode(c);

    if (mode == 4 || mode == 5) {
        expand_byte(c, at, value, mode == 5);
    } else if (mode == 1 && (c->gfx[GRB_MODE] & GRB_LATCH8)) {
        memcpy(c->vga.vram + (at & ~7u), c->latch8, sizeof c->latch8);
        vga_touch(&c->vga, at);
    } else {
        c->vga.vram[at] = value;
        vga_touch(&c->vga, at);
    }
}

bool cirrus_linear_is_plain(const Vga *v)
{
    const Cirrus *c = cirrus_of(v);
    unsigned mode = write_mode(c);

    return !mmio_enabled(c, true) && !cirrus_blt_waits(c) && mode != 4 && mode != 5 &&
           !(c->gfx[GRB_MODE] & (GRB_BY8 | GRB_LATCH8)) &&
           (c->gfx[GRB_MODE] & (GRB_EXTENDED | GRB_BY16)) != (GRB_EXTENDED | GRB_BY16);
}

/* --- BAR 0 ------------------------------------------------------------------------------------- */

static bool in_tail(const Cirrus *c, uint64_t offset)
{
    return mmio_enabled(c, true) && offset < 1u << APERTURE_SHIFT &&
           (offset & (c->vga.vram_size - 1)) >= c->vga.vram_size - MMIO_TAIL;
}

/* The second and third aperture swap the bytes of words and of doublewords. */
static uint32_t swapped(uint64_t offset)
{
    static const uint8_t flip[4] = { 0, 1, 3, 0 };

    return (uint32_t)offset ^ flip[offset >> APERTURE_SHIFT & 3];
}

static uint64_t bar_read(void *opaque, uint64_t offset, unsigned width)
{
    Cirrus *c = opaque;
    uint64_t value = 0;

    vga_linear_trapped(&c->vga);
    for (unsigned i = 0; i < width; i++) {
        uint64_t at = offset + i;
        uint8_t byte = c->blt.to_cpu ? cirrus_blt_get(c) :
                       at & DATA_PORT ? 0xff :
                       in_tail(c, at) ? mmio_get(c, at) : linear_read(c, swapped(at));

        value |= (uint64_t)byte << (8 * i);
    }
    return value;
}

static void bar_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    Cirrus *c = opaque;

    vga_linear_trapped(&c->vga);
    for (unsigned i = 0; i < width; i++) {
        uint64_t at = offset + i;
        uint8_t byte = value >> (8 * i);

        if (in_tail(c, at)) {
            mmio_put(c, at, byte);
        } else if (c->blt.from_cpu) {
            cirrus_blt_put(c, byte);
        } else if (!(at & DATA_PORT)) {
            linear_write(c, swapped(at), byte);
        }
    }
}

const IoOps cirrus_linear_ops = { .read = bar_read, .write = bar_write,
                                  .widths = IO_8 | IO_16 | IO_32 | IO_64 };

/* --- the window -------------------------------------------------------------------------------- */

/* Address in video memory of a byte in A0000-AFFFF, or OUTSIDE. */
static uint32_t banked(const Cirrus *c, uint64_t offset)
{
    uint8_t mode = c->gfx[GRB_MODE];
    bool second = offset & 0x8000, dual = mode & GRB_DUAL;
    uint32_t base;

    base = (uint32_t)c->gfx[dual && second ? GRA_OFFSET1 : GR9_OFFSET0] << (mode & GRB_16K ? 14 : 12);
    base += dual ? offset & 0x7fff : offset;
    return base < c->vga.vram_size ? base : OUTSIDE;
}

/* The banks as memory, where a byte there is a byte of video memory. */
VgaWindow cirrus_window(const Vga *v)
{
    const Cirrus *c = cirrus_of(v);
    VgaWindow w = { 0 };

    if (cirrus_blt_waits(c) || mmio_enabled(c, false)) {
        return w;
    }
    if (!cirrus_packed(c)) {
        return vga_window(v);
    }
    for (unsigned i = 0; i < 2 && cirrus_linear_is_plain(v); i++) {
        uint32_t at = banked(c, i * BANK);

        if (at != OUTSIDE) {
            w.part[i].gpa = VGA_WINDOW_BASE + i * BANK;
            w.part[i].offset = at;
            w.part[i].len = MIN(BANK, v->vram_size - at);
        }
    }
    return w;
}

static uint64_t window_read(void *opaque, uint64_t offset, unsigned width)
{
    Cirrus *c = opaque;
    uint64_t value = 0;

    if (!cirrus_packed(c) && !cirrus_blt_waits(c) && !mmio_enabled(c, false)) {
        return vga_window_ops.read(&c->vga, offset, width);
    }
    vga_window_trapped(&c->vga, 1);
    for (unsigned i = 0; i < width; i++) {
        uint64_t at = offset + i;
        uint8_t byte = 0xff;

        if (mmio_enabled(c, false) && at - WINDOW_MMIO < 0x100) {
            byte = mmio_get(c, at);
        } else if (at < WINDOW_BANKS && c->blt.to_cpu) {
            byte = cirrus_blt_get(c);
        } else if (!cirrus_packed(c)) {
            byte = vga_window_ops.read(&c->vga, at, 1);
        } else if (at < WINDOW_BANKS && banked(c, at) != OUTSIDE) {
            byte = linear_read(c, banked(c, at));
        }
        value |= (uint64_t)byte << (8 * i);
    }
    return value;
}

static void window_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    Cirrus *c = opaque;

    if (!cirrus_packed(c) && !cirrus_blt_waits(c) && !mmio_enabled(c, false)) {
        vga_window_ops.write(&c->vga, offset, width, value);
        return;
    }
    vga_window_trapped(&c->vga, 1);
    for (unsigned i = 0; i < width; i++) {
        uint64_t at = offset + i;
        uint8_t byte = value >> (8 * i);

        if (mmio_enabled(c, false) && at - WINDOW_MMIO < 0x100) {
            mmio_put(c, at, byte);
        } else if (at < WINDOW_BANKS && c->blt.from_cpu) {
            cirrus_blt_put(c, byte);
        } else if (!cirrus_packed(c)) {
            vga_window_ops.write(&c->vga, at, 1, byte);
        } else if (at < WINDOW_BANKS && banked(c, at) != OUTSIDE) {
            linear_write(c, banked(c, at), byte);
        }
    }
}

const IoOps cirrus_window_ops = { .read = window_read, .write = window_write,
                                  .widths = IO_8 | IO_16 | IO_32 | IO_64 };
