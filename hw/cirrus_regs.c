/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cirrus_regs.c - a GD5446's registers: the VGA's ports with the extended sequencer, graphics and CRTC
 * indexes behind the key in SR6, the hidden DAC register, the cursor's colours, and DDC without a
 * monitor.  What the VGA has goes to the core.  Clock, FIFO, video window and signature registers are
 * storage.
 */
#include "hw/cirrus.h"

enum { KEY = 0x12, KEY_MASK = 0x17, LOCKED = 0x0f, CHIP_ID = 0xb8 };
enum { SEQ_CORE = 6, GFX_CORE = 9, CRTC_CORE = VGA_CRTC_CORE };
enum { CR22_LATCH = 0x22, CR24_TOGGLE = 0x24, CR26_ATTRIBUTE = 0x26, CR27_ID = 0x27 };

static void set(Cirrus *c, uint8_t *reg, uint8_t value)
{
    if (*reg != value) {
        *reg = value;
        c->vga.redraw = true;
    }
}

/* --- sequencer --------------------------------------------------------------------------------- */

static uint8_t seq_read(const Cirrus *c)
{
    unsigned i = c->seq_index & 31;

    if (i == 2 && (c->gfx[GRB_MODE] & GRB_EXTENDED)) {
        return c->seq[2];
    }
    if (i < SEQ_CORE) {
        return c->vga.seq[i];
    }
    if (i == SR6_UNLOCK) {
        return c->unlocked ? KEY : LOCKED;
    }
    if (!c->unlocked) {
        return 0xff;
    }
    switch (i) {
    case SR8_DDC: return c->seq[i] & 0x40 ? c->seq[i] | 0x84 : c->seq[i];    /* both wires high */
    case SR10_CURSOR_X: return c->cursor_x >> 3;
    case SR11_CURSOR_Y: return c->cursor_y >> 3;
    default: return c->seq[i];
    }
}

static void seq_write(Cirrus *c, uint8_t value)
{
    unsigned i = c->seq_index & 31;

    if (i < SEQ_CORE) {
        if (i == 2) {
            c->seq[2] = value;
        }
        c->vga.seq_index = i;
        vga_port_write(&c->vga, 0x3c5, value);
        return;
    }
    if (i == SR6_UNLOCK) {
        c->seq[SR6_UNLOCK] = value & KEY_MASK;
        c->unlocked = (value & KEY_MASK) == KEY;
        return;
    }
    if (!c->unlocked) {
        return;
    }
    switch (i) {
    case SR10_CURSOR_X:             /* the low bits of a place come with the index */
        c->cursor_x = value << 3 | c->seq_index >> 5;
        break;
    case SR11_CURSOR_Y:
        c->cursor_y = value << 3 | c->seq_index >> 5;
        break;
    case SR7_MODE:
        set(c, &c->seq[i], value);
        cirrus_map_update(c);
        break;
    case SR17_CONFIG:               /* the bus it is on is fixed */
        c->seq[i] = (value & ~0x38) | SR17_PCI;
        cirrus_map_update(c);
        break;
    case 0x19: case 0x1a:           /* signature: read only */
        break;
    default:
        c->seq[i] = value;
        break;
    }
}

/* --- graphics controller ----------------------------------------------------------------------- */

uint8_t cirrus_gfx_read(const Cirrus *c, unsigned i)
{
    /* Colours are eight bits for the BitBLT and the extended write modes. */
    return i < 2 ? c->gfx[i] : i < GFX_CORE ? c->vga.gfx[i] : c->gfx[i & (CIRRUS_GFX - 1)];
}

void cirrus_gfx_write(Cirrus *c, unsigned i, uint8_t value)
{
    i &= CIRRUS_GFX - 1;
    if (i < GFX_CORE) {
        if (i < 2) {
            c->gfx[i] = value;
        }
        c->vga.gfx_index = i;
        vga_port_write(&c->vga, 0x3cf, value);
        if (i == 5) {               /* write modes 4 and 5 are the card's */
            c->vga.gfx[5] = (c->vga.gfx[5] & ~7) | (value & 7);
            cirrus_map_update(c);
        }
        return;
    }
    switch (i) {
    case GR31_STATUS:
        cirrus_blt_control(c, value);
        return;
    case 0x21: case 0x25: case 0x27:
        value &= 0x1f;
        break;
    case 0x23:
        value &= 0x07;
        break;
    case GR2A_DST_HIGH: case 0x2e:
        value &= 0x3f;
        break;
    case GRE_POWER:
        set(c, &c->gfx[i], value);
        return;
    default:
        break;
    }
    c->gfx[i] = value;
    if (i == GR2A_DST_HIGH) {
        cirrus_blt_autostart(c);
    } else if (i >= GR9_OFFSET0 && i <= GRB_MODE) {
        cirrus_map_update(c);
    }
}

static uint8_t gfx_port_read(const Cirrus *c, unsigned index)
{
    unsigned i = index & (CIRRUS_GFX - 1);

    if (i < 2 && !(c->gfx[GRB_MODE] & GRB_EXTENDED)) {
        return c->vga.gfx[i];
    }
    return i < GFX_CORE || c->unlocked ? cirrus_gfx_read(c, i) : 0xff;
}

/* --- CRTC -------------------------------------------------------------------------------------- */

static uint8_t crtc_read(const Cirrus *c)
{
    unsigned i = c->crtc_index & (CIRRUS_CRTC - 1);

    if (i < CRTC_CORE) {
        return c->vga.crtc[i];
    }
    switch (i) {
    case CR22_LATCH: return c->vga.latch >> (8 * (c->vga.gfx[4] & 3));
    case CR24_TOGGLE: return c->vga.attr_data ? 0x80 : 0;
    case CR26_ATTRIBUTE: return c->vga.attr_index & 0x3f;
    case CR27_ID: return CHIP_ID;
    default: return c->unlocked ? c->crtc[i] : 0xff;
    }
}

static void crtc_write(Cirrus *c, unsigned port, uint8_t value)
{
    unsigned i = c->crtc_index & (CIRRUS_CRTC - 1);

    if (i < CRTC_CORE) {
        c->vga.crtc_index = i;
        vga_port_write(&c->vga, port, value);
    } else if (c->unlocked && (i < CR22_LATCH || i > CR27_ID)) {
        set(c, &c->crtc[i], value);
    }
}

/* --- DAC --------------------------------------------------------------------------------------- */

/* The fifth read in a row, or a write after four, reaches the register behind the mask. */
static uint8_t mask_read(Cirrus *c)
{
    if (c->hidden_reads < 4) {
        c->hidden_reads++;
        return c->vga.dac_mask;
    }
    c->hidden_reads = 0;
    return c->hidden_dac;
}

static void mask_write(Cirrus *c, uint8_t value)
{
    if (c->hidden_reads < 4) {
        vga_port_write(&c->vga, 0x3c6, value);
    } else {
        set(c, &c->hidden_dac, value);
    }
    c->hidden_reads = 0;
}

/* With SR12's bit the DAC's index picks one of the sixteen colours beside the palette. */
static uint8_t *cursor_dac(Cirrus *c)
{
    return &c->cursor_dac[(c->vga.dac_index & 15) * 3 + c->vga.dac_part];
}

static void cursor_dac_step(Cirrus *c)
{
    if (++c->vga.dac_part == 3) {
        c->vga.dac_part = 0;
        c->vga.dac_index++;
    }
}

static uint8_t colour_read(Cirrus *c)
{
    uint8_t value;

    if (!(c->seq[SR12_CURSOR] & SR12_PALETTE)) {
        return vga_port_read(&c->vga, 0x3c9);
    }
    value = *cursor_dac(c);
    cursor_dac_step(c);
    return value;
}

static void colour_write(Cirrus *c, uint8_t value)
{
    if (!(c->seq[SR12_CURSOR] & SR12_PALETTE)) {
        vga_port_write(&c->vga, 0x3c9, value);
        return;
    }
    *cursor_dac(c) = value & 0x3f;
    cursor_dac_step(c);
}

/* --- ports ------------------------------------------------------------------------------------- */

static bool port_present(const Cirrus *c, unsigned port)
{
    return port < 0x3c0 ? !(c->vga.misc & 1) : port < 0x3d0 || (c->vga.misc & 1);
}

uint8_t cirrus_port_read(Cirrus *c, unsigned port)
{
    if (!port_present(c, port)) {
        return 0xff;
    }
    if (port >= 0x3c7 && port <= 0x3c9) {
        c->hidden_reads = 0;
    }
    switch (port) {
    case 0x3c4: return c->seq_index;
    case 0x3c5: return seq_read(c);
    case 0x3c6: return mask_read(c);
    case 0x3c9: return colour_read(c);
    case 0x3ce: return c->gfx_index;
    case 0x3cf: return gfx_port_read(c, c->gfx_index);
    case 0x3b4: case 0x3d4: return c->crtc_index;
    case 0x3b5: case 0x3d5: return crtc_read(c);
    default: return vga_port_read(&c->vga, port);
    }
}

void cirrus_port_write(Cirrus *c, unsigned port, uint8_t value)
{
    if (!port_present(c, port)) {
        return;
    }
    if (port >= 0x3c7 && port <= 0x3c9) {
        c->hidden_reads = 0;
    }
    switch (port) {
    case 0x3c4: c->seq_index = value; break;
    case 0x3c5: seq_write(c, value); break;
    case 0x3c6: mask_write(c, value); break;
    case 0x3c9: colour_write(c, value); break;
    case 0x3ce: c->gfx_index = value; break;
    case 0x3cf:
        if ((c->gfx_index & (CIRRUS_GFX - 1)) < GFX_CORE || c->unlocked) {
            cirrus_gfx_write(c, c->gfx_index, value);
        }
        break;
    case 0x3b4: case 0x3d4: c->crtc_index = value; break;
    case 0x3b5: case 0x3d5: crtc_write(c, port, value); break;
    default: vga_port_write(&c->vga, port, value); break;
    }
}

static uint64_t mono_read(void *opaque, uint64_t offset, unsigned width)
{
    (void)width;
    return cirrus_port_read(opaque, 0x3b0 + offset);
}

static void mono_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    (void)width;
    cirrus_port_write(opaque, 0x3b0 + offset, value);
}

static uint64_t colours_read(void *opaque, uint64_t offset, unsigned width)
{
    (void)width;
    return cirrus_port_read(opaque, 0x3c0 + offset);
}

static void colours_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    (void)width;
    cirrus_port_write(opaque, 0x3c0 + offset, value);
}

/* The mask's register counts how often it is read, and counts from others. */
static bool peek(Cirrus *c, unsigned port, uint8_t *value)
{
    switch (port) {
    case 0x3c4: case 0x3ce: case 0x3b4: case 0x3d4:
        *value = cirrus_port_read(c, port);
        return port_present(c, port);
    default:
        return port != 0x3c6 && vga_port_peek(&c->vga, port, value);
    }
}

static bool mono_peek(void *opaque, unsigned offset, uint8_t *value)
{
    return peek(opaque, 0x3b0 + offset, value);
}

static bool colours_peek(void *opaque, unsigned offset, uint8_t *value)
{
    return peek(opaque, 0x3c0 + offset, value);
}

static bool seq_peek(void *opaque, unsigned number, uint8_t *value)
{
    *value = ((const Cirrus *)opaque)->vga.seq[number];
    return number != 2;             /* may be the card's own, of eight bits */
}

static bool gfx_peek(void *opaque, unsigned number, uint8_t *value)
{
    *value = gfx_port_read(opaque, number);
    return true;
}

static bool crtc_mono_peek(void *opaque, unsigned number, uint8_t *value)
{
    const Cirrus *c = opaque;

    *value = c->vga.crtc[number];
    return port_present(c, 0x3b5);
}

static bool crtc_colour_peek(void *opaque, unsigned number, uint8_t *value)
{
    const Cirrus *c = opaque;

    *value = c->vga.crtc[number];
    return port_present(c, 0x3d5);
}

static const uint8_t mono_store[12] = { [4] = 0xff };
static const uint8_t colour_store[32] = { [0x04] = 0xff, [0x0e] = 0xff, [0x14] = 0xff };
static const IoPair mono_pairs[] = {
    { 4, 5, CRTC_CORE, vga_crtc_store, crtc_mono_peek }, { 0 }
};
static const IoPair colour_pairs[] = {
    { 0x04, 0x05, SEQ_CORE, vga_no_store, seq_peek }, { 0x0e, 0x0f, GFX_CORE, vga_no_store, gfx_peek },
    { 0x14, 0x15, CRTC_CORE, vga_crtc_store, crtc_colour_peek }, { 0 }
};

const IoOps cirrus_mono_ops = { .read = mono_read, .write = mono_write, .widths = IO_8,
                                 .post = vga_mono_post, .store = mono_store,
                                 .peek = mono_peek, .pairs = mono_pairs };
const IoOps cirrus_colour_ops = { .read = colours_read, .write = colours_write, .widths = IO_8,
                                   .post = vga_colour_post, .store = colour_store,
                                   .peek = colours_peek, .pairs = colour_pairs };
