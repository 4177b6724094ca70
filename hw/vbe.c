/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vbe.c - the Bochs VBE display interface ("dispi"): index at port 1CE, data at 1CF (and 1D0), also
 * behind a card's registers.  Geometry is made to fit video memory when it is set, and drawing
 * checks each line again.  DAC width and the pre-B0C2 bank protocol beyond byte access are kept
 * simple: 8-bit DAC by the enable register's bit.
 */
#include "hw/vga.h"

#include <string.h>

enum { ID_OLDEST = 0xb0c0, ID_NEWEST = 0xb0c5 };

static bool bpp_known(unsigned bpp)
{
    return bpp == 4 || bpp == 8 || bpp == 15 || bpp == 16 || bpp == 24 || bpp == 32;
}

static uint64_t bytes_for(unsigned bpp, uint64_t pixels)
{
    return bpp == 4 ? pixels / 8 * 4 : pixels * ((bpp + 7) / 8);
}

uint32_t vbe_pitch(const Vga *v)
{
    return bytes_for(v->vbe[VBE_BPP], v->vbe[VBE_VIRT_WIDTH]);
}

uint32_t vbe_start(const Vga *v)
{
    return (uint64_t)v->vbe[VBE_Y_OFFSET] * vbe_pitch(v) +
           bytes_for(v->vbe[VBE_BPP], v->vbe[VBE_X_OFFSET]);
}

bool vbe_valid(const Vga *v)
{
    const uint16_t *r = v->vbe;

    return bpp_known(r[VBE_BPP]) && r[VBE_XRES] >= 8 && r[VBE_XRES] <= DISPLAY_MAX_WIDTH &&
           r[VBE_YRES] >= 1 && r[VBE_YRES] <= DISPLAY_MAX_HEIGHT &&
           r[VBE_VIRT_WIDTH] >= r[VBE_XRES] && r[VBE_BANK] < v->vram_size >> 16;
}

/* The picture must lie in video memory: fewer lines, or nearer the start. */
static void fit(Vga *v)
{
    uint16_t *r = v->vbe;
    uint64_t pitch, lines, x;

    r[VBE_XRES] = CLAMP(r[VBE_XRES], 8, DISPLAY_MAX_WIDTH);
    r[VBE_YRES] = CLAMP(r[VBE_YRES], 1, DISPLAY_MAX_HEIGHT);
    r[VBE_BPP] = bpp_known(r[VBE_BPP]) ? r[VBE_BPP] : 8;
    r[VBE_VIRT_WIDTH] = MAX(r[VBE_VIRT_WIDTH], r[VBE_XRES]);
    if (bytes_for(r[VBE_BPP], r[VBE_VIRT_WIDTH]) * r[VBE_YRES] > v->vram_size) {
        r[VBE_VIRT_WIDTH] = r[VBE_XRES];
    }
    pitch = MAX(vbe_pitch(v), 4);
    lines = v->vram_size / pitch;
    r[VBE_YRES] = MIN(r[VBE_YRES], lines);
    r[VBE_VIRT_HEIGHT] = MIN(lines, UINT16_MAX);
    x = r[VBE_VIRT_WIDTH] - r[VBE_XRES];
    r[VBE_X_OFFSET] = MIN(r[VBE_X_OFFSET], x);
    r[VBE_Y_OFFSET] = MIN(r[VBE_Y_OFFSET], lines - r[VBE_YRES]);
}

static void enable_write(Vga *v, uint16_t value)
{
    bool was_on = vbe_on(v);

    v->vbe[VBE_ENABLE] = value & (VBE_ENABLED | VBE_GETCAPS | VBE_8BIT_DAC | VBE_LFB | VBE_NOCLEAR);
    if (!(value & VBE_ENABLED)) {
        v->vbe[VBE_BANK] = 0;
        return;
    }
    if (!was_on) {
        v->vbe[VBE_VIRT_WIDTH] = 0;
        v->vbe[VBE_X_OFFSET] = v->vbe[VBE_Y_OFFSET] = 0;
        v->vbe[VBE_BANK] = 0;
    }
    fit(v);
    if (!was_on && !(value & VBE_NOCLEAR)) {
        vga_window_update(v);           /* text goes to the planes before it is cleared */
        memset(v->vram, 0, bytes_for(v->vbe[VBE_BPP], v->vbe[VBE_XRES]) * v->vbe[VBE_YRES]);
    }
}

uint16_t vbe_read(Vga *v, unsigned index)
{
    if (index == VBE_VIDEO_MEMORY) {
        return v->vram_size >> 16;
    }
    if (index >= VBE_REGS) {
        return 0;
    }
    if (v->vbe[VBE_ENABLE] & VBE_GETCAPS) {
        switch (index) {
        case VBE_XRES: return DISPLAY_MAX_WIDTH;
        case VBE_YRES: return DISPLAY_MAX_HEIGHT;
        case VBE_BPP: return VBE_MAX_BPP;
        default: break;
        }
    }
    return v->vbe[index];
}

void vbe_write(Vga *v, unsigned index, uint16_t value)
{
    switch (index) {
    case VBE_ID:
        if (value >= ID_OLDEST && value <= ID_NEWEST) {
            v->vbe[VBE_ID] = value;
        }
        return;
    case VBE_BANK:
        v->vbe[VBE_BANK] = value & ((v->vram_size >> 16) - 1);
        vga_window_update(v);
        return;
    case VBE_ENABLE:
        enable_write(v, value);
        break;
    case VBE_XRES: case VBE_YRES: case VBE_BPP: case VBE_VIRT_WIDTH: case VBE_X_OFFSET:
    case VBE_Y_OFFSET:
        if (v->vbe[index] == value) {
            return;
        }
        v->vbe[index] = value;
        if (vbe_on(v)) {
            fit(v);
        }
        break;
    default:                            /* the virtual height follows from the width */
        return;
    }
    v->redraw = true;
    vga_window_update(v);
}

void vbe_reset(Vga *v)
{
    memset(v->vbe, 0, sizeof v->vbe);
    v->vbe_index = 0;
    v->vbe[VBE_ID] = ID_NEWEST;
    v->vbe[VBE_BPP] = 8;
    v->big_endian = false;
}

static bool picture(const Vga *v, VgaPicture *p)
{
    if (vbe_on(v)) {
        *p = (VgaPicture){ .width = v->vbe[VBE_XRES], .height = v->vbe[VBE_YRES],
                           .bpp = v->vbe[VBE_BPP], .start = vbe_start(v), .pitch = vbe_pitch(v),
                           .repeat = 1, .split = UINT32_MAX };
    }
    return vbe_on(v);
}

const VgaCard vbe_card = { .picture = picture };

static uint64_t port_read(void *opaque, uint64_t offset, unsigned width)
{
    Vga *v = opaque;

    (void)width;
    return offset == 0 ? v->vbe_index : vbe_read(v, v->vbe_index);
}

static void port_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    Vga *v = opaque;

    (void)width;
    if (offset == 0) {
        v->vbe_index = value;
    } else {
        vbe_write(v, v->vbe_index, value);
    }
}

const IoOps vbe_port_ops = { .read = port_read, .write = port_write, .widths = IO_8 | IO_16 };
