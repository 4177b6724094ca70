/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vga_regs.c - the VGA's registers behind ports 3B0-3DF: sequencer, graphics controller, attribute
 * controller, CRTC, DAC and status (IBM VGA technical reference; the monochrome set at 3Bx or the
 * colour set at 3Dx, by the miscellaneous output register).  Retrace comes from guest time and the
 * programmed totals.  Left out: light pen, the EGA-only registers, switch sense.
 */
#include "hw/vga.h"

#include <string.h>

enum { FIRST_PORT = 0x3b0, COLOUR_PORT = 0x3c0 };
enum { MISC_COLOUR = 1, MISC_RAM = 2, MISC_CLOCK = 0x0c };
enum { CR11_PROTECT = 0x80, CR07_LINE_COMPARE = 0x10 };

static const uint8_t seq_mask[8] = { 0x03, 0x3d, 0x0f, 0x3f, 0x0e, 0, 0, 0xff };
static const uint8_t gfx_mask[16] = { 0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff };
static const uint8_t attr_mask[32] = {
    0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f,
    0xef, 0xff, 0x3f, 0x0f, 0x0f,
};
static const uint8_t crtc_mask[32] = {
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0xff, 0x3f, 0x7f, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xef, 0xff,
};

/* Anything that shows must be drawn again; the same value again costs nothing. */
static void set(Vga *v, uint8_t *reg, uint8_t value)
{
    if (*reg != value) {
        *reg = value;
        v->redraw = true;
    }
}

static void crtc_write(Vga *v, uint8_t value)
{
    unsigned i = v->crtc_index & 31;

    if (i < 8 && (v->crtc[0x11] & CR11_PROTECT)) {
        if (i == 7) {
            set(v, &v->crtc[7], (v->crtc[7] & ~CR07_LINE_COMPARE) | (value & CR07_LINE_COMPARE));
        }
        return;
    }
    if (i == 0x0e || i == 0x0f) {
        v->crtc[i] = value;             /* text cursor: the cell comparison sees it move */
        return;
    }
    set(v, &v->crtc[i], value & crtc_mask[i]);
}

static void attr_write(Vga *v, uint8_t value)
{
    if (!v->attr_data) {
        if ((v->attr_index ^ value) & 0x20) {
            v->redraw = true;           /* screen on or off */
        }
        v->attr_index = value & 0x3f;
    } else {
        unsigned i = v->attr_index & 31;

        if (i >= 16 || !(v->attr_index & 0x20)) {   /* palette is the CRT's while the screen is on */
            set(v, &v->attr[i], value & attr_mask[i]);
        }
    }
    v->attr_data = !v->attr_data;
}

static void dac_write(Vga *v, uint8_t value)
{
    v->dac_hold[v->dac_part] = value;
    if (++v->dac_part < 3) {
        return;
    }
    v->dac_part = 0;
    if (memcmp(&v->dac[v->dac_index * 3], v->dac_hold, 3)) {
        memcpy(&v->dac[v->dac_index * 3], v->dac_hold, 3);
        v->redraw = true;
    }
    v->dac_index++;
}

static uint8_t dac_read(Vga *v)
{
    uint8_t value = v->dac[v->dac_index * 3 + v->dac_part];

    if (++v->dac_part == 3) {
        v->dac_part = 0;
        v->dac_index++;
    }
    return vbe_on(v) && (v->vbe[VBE_ENABLE] & VBE_8BIT_DAC) ? value : value & 0x3f;
}

/* Bit 3: vertical retrace; bit 0: no pixels now.  All sums below are at least 1. */
static uint8_t status_read(Vga *v)
{
    bool half = v->seq[1] & 8;
    int64_t clock_khz = (v->misc & MISC_CLOCK) == 4 ? 28322 : 25175;
    int64_t dots = (v->crtc[0] + 5) * (v->seq[1] & 1 ? 8 : 9) * (half ? 2 : 1);
    int64_t line_ns = MAX(dots * 1000000 / clock_khz, 1000);
    int64_t lines = vga_vertical(v, 0x06, 0, 5) + 2;
    int64_t in_frame = vm_now(v->dev) % (line_ns * lines);
    int64_t line = in_frame / line_ns, in_line = in_frame % line_ns;
    int64_t retrace = vga_vertical(v, 0x10, 2, 7);
    int64_t retrace_len = ((v->crtc[0x11] - v->crtc[0x10]) & 15) + 1;
    uint8_t status = 0;

    if (retrace + retrace_len > lines) {        /* nonsense totals still see a retrace */
        retrace = MAX(lines - 2, 0);
        retrace_len = 2;
    }
    if (line >= retrace && line < retrace + retrace_len) {
        status |= 8;
    }
    if (line >= (int64_t)vga_lines(v) || line >= retrace ||
        in_line * (v->crtc[0] + 5) >= line_ns * (v->crtc[1] + 1)) {
        status |= 1;
    }
    v->attr_data = false;
    return status;
}

static bool port_present(const Vga *v, unsigned port)
{
    return port < 0x3c0 ? !(v->misc & MISC_COLOUR) : port < 0x3d0 || (v->misc & MISC_COLOUR);
}

uint8_t vga_port_read(Vga *v, unsigned port)
{
    if (!port_present(v, port)) {
        return 0xff;
    }
    switch (port) {
    case 0x3c0: return v->attr_index;
    case 0x3c1: return v->attr[v->attr_index & 31];
    case 0x3c2: return 0x10;            /* a colour monitor is sensed */
    case 0x3c3: return v->enable;
    case 0x3c4: return v->seq_index;
    case 0x3c5: return v->seq[v->seq_index & 7];
    case 0x3c6: return v->dac_mask;
    case 0x3c7: return v->dac_reading ? 3 : 0;
    case 0x3c8: return v->dac_index;
    case 0x3c9: return dac_read(v);
    case 0x3ca: return v->feature;
    case 0x3cc: return v->misc;
    case 0x3ce: return v->gfx_index;
    case 0x3cf: return v->gfx[v->gfx_index & 15];
    case 0x3b4: case 0x3d4: return v->crtc_index;
    case 0x3b5: case 0x3d5: return v->crtc[v->crtc_index & 31];
    case 0x3ba: case 0x3da: return status_read(v);
    default: return 0xff;
    }
}

void vga_port_write(Vga *v, unsigned port, uint8_t value)
{
    if (!port_present(v, port)) {
        return;
    }
    switch (port) {
    case 0x3c0: attr_write(v, value); break;
    case 0x3c2: set(v, &v->misc, value & ~0x10); vga_window_update(v); break;
    case 0x3c3: v->enable = value & 1; break;
    case 0x3c4: v->seq_index = value & 7; break;
    case 0x3c5:
        set(v, &v->seq[v->seq_index & 7], value & seq_mask[v->seq_index & 7]);
        vga_window_update(v);
        break;
    case 0x3c6: set(v, &v->dac_mask, value); break;
    case 0x3c7:
        v->dac_index = value;
        v->dac_part = 0;
        v->dac_reading = 1;
        break;
    case 0x3c8:
        v->dac_index = value;
        v->dac_part = 0;
        v->dac_reading = 0;
        break;
    case 0x3c9: dac_write(v, value); break;
    case 0x3ce: v->gfx_index = value & 15; break;
    case 0x3cf:
        set(v, &v->gfx[v->gfx_index & 15], value & gfx_mask[v->gfx_index & 15]);
        vga_window_update(v);
        break;
    case 0x3b4: case 0x3d4: v->crtc_index = value & 31; break;
    case 0x3b5: case 0x3d5: crtc_write(v, value); break;
    case 0x3ba: case 0x3da: v->feature = value & 0x0b; break;
    default: break;
    }
}

void vga_regs_reset(Vga *v)
{
    v->misc = v->feature = 0;
    v->enable = 1;
    v->seq_index = v->gfx_index = v->attr_index = v->crtc_index = 0;
    v->attr_data = false;
    memset(v->seq, 0, sizeof v->seq);
    memset(v->gfx, 0, sizeof v->gfx);
    memset(v->attr, 0, sizeof v->attr);
    memset(v->crtc, 0, sizeof v->crtc);
    v->dac_mask = 0xff;
    v->dac_index = v->dac_part = v->dac_reading = 0;
    memset(v->dac_hold, 0, sizeof v->dac_hold);
    memset(v->dac, 0, sizeof v->dac);
    v->latch = 0;
    v->redraw = true;
}

static uint64_t colour_op_read(void *opaque, uint64_t offset, unsigned width)
{
    (void)width;
    return vga_port_read(opaque, COLOUR_PORT + offset);
}

static void colour_op_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    (void)width;
    vga_port_write(opaque, COLOUR_PORT + offset, value);
}

static uint64_t port_op_read(void *opaque, uint64_t offset, unsigned width)
{
    (void)width;
    return vga_port_read(opaque, FIRST_PORT + offset);
}

static void port_op_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    (void)width;
    vga_port_write(opaque, FIRST_PORT + offset, value);
}

/*
 * What reads give that neither counts on nor tells of the beam.  Only index registers and the CRTC's
 * data are posted; of the latter, those that are no more than kept.
 */
bool vga_port_peek(Vga *v, unsigned port, uint8_t *value)
{
    switch (port) {
    case 0x3c0: case 0x3c1: case 0x3c2: case 0x3c3: case 0x3c4: case 0x3c6: case 0x3ca: case 0x3cc:
    case 0x3ce: case 0x3b4: case 0x3d4:
        *value = vga_port_read(v, port);
        return port_present(v, port);
    default:
        return false;
    }
}

static bool port_op_peek(void *opaque, unsigned offset, uint8_t *value)
{
    return vga_port_peek(opaque, FIRST_PORT + offset, value);
}

static bool colour_op_peek(void *opaque, unsigned offset, uint8_t *value)
{
    return vga_port_peek(opaque, COLOUR_PORT + offset, value);
}

static bool seq_peek(void *opaque, unsigned number, uint8_t *value)
{
    *value = ((Vga *)opaque)->seq[number];
    return true;
}

static bool gfx_peek(void *opaque, unsigned number, uint8_t *value)
{
    *value = ((Vga *)opaque)->gfx[number];
    return true;
}

static bool crtc_mono_peek(void *opaque, unsigned number, uint8_t *value)
{
    const Vga *v = opaque;

    *value = v->crtc[number];
    return port_present(v, 0x3b5);
}

static bool crtc_colour_peek(void *opaque, unsigned number, uint8_t *value)
{
    const Vga *v = opaque;

    *value = v->crtc[number];
    return port_present(v, 0x3d5);
}

/* Registers 0 to 7 may be protected. */
const uint8_t vga_crtc_store[VGA_CRTC_CORE] = {
    [0x08] = 0x7f, [0x09] = 0xff, [0x0a] = 0x3f, [0x0b] = 0x7f, [0x0c ... 0x13] = 0xff, [0x14] = 0x7f,
    [0x15 ... 0x16] = 0xff, [0x17] = 0xef, [0x18] = 0xff,
};
const uint8_t vga_no_store[IO_PAIR_MAX] = { 0 };
static const uint8_t mono_store[12] = { [4] = 0x1f };
static const uint8_t colour_store[32] = { [0x04] = 0x07, [0x0e] = 0x0f, [0x14] = 0x1f };
static const IoPair mono_pairs[] = {
    { 4, 5, VGA_CRTC_CORE, vga_crtc_store, crtc_mono_peek }, { 0 }
};
static const IoPair colour_pairs[] = {
    { 0x04, 0x05, 8, vga_no_store, seq_peek }, { 0x0e, 0x0f, 16, vga_no_store, gfx_peek },
    { 0x14, 0x15, VGA_CRTC_CORE, vga_crtc_store, crtc_colour_peek }, { 0 }
};
const uint8_t vga_mono_post[12] = { [4 ... 5] = IO_POST_QUIET };
const uint8_t vga_colour_post[32] = {
    [0x00] = IO_POST_QUIET, [0x04] = IO_POST_QUIET, [0x06 ... 0x09] = IO_POST_QUIET,
    [0x0e] = IO_POST_QUIET, [0x14 ... 0x15] = IO_POST_QUIET,
};
const IoOps vga_port_ops = { .read = port_op_read, .write = port_op_write, .widths = IO_8,
                              .post = vga_mono_post, .store = mono_store,
                              .peek = port_op_peek, .pairs = mono_pairs };
const IoOps vga_colour_ops = { .read = colour_op_read, .write = colour_op_write, .widths = IO_8,
                                .post = vga_colour_post, .store = colour_store,
                                .peek = colour_op_peek, .pairs = colour_pairs };
