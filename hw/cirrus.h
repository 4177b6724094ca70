/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cirrus.h - inside the Cirrus Logic GD5446: registers beyond the VGA's, the memory apertures and
 * the BitBLT engine.  Video memory is only ever reached by an offset that is masked where it is used.
 */
#ifndef GH_CIRRUS_H
#define GH_CIRRUS_H

#include "hw/vga.h"
#include "lib/pci.h"

#define CIRRUS_BLT_LINE 8192                /* bytes: the widest line the engine can be asked for */
#define CIRRUS_BLT_REGS 0x41                /* of the memory-mapped block */

enum { SR6_UNLOCK = 0x06, SR7_MODE = 0x07, SR8_DDC = 0x08, SRF_DRAM = 0x0f, SR10_CURSOR_X = 0x10,
       SR11_CURSOR_Y = 0x11, SR12_CURSOR = 0x12, SR13_PATTERN = 0x13, SR15_SCRATCH = 0x15,
       SR17_CONFIG = 0x17, SR1F_MCLK = 0x1f };
enum { SR7_PACKED = 1, SR7_DEPTH = 0x0e };
enum { SR12_SHOW = 1, SR12_PALETTE = 2, SR12_LARGE = 4 };
enum { SR17_MMIO = 4, SR17_PCI = 0x20, SR17_MMIO_LINEAR = 0x40 };
enum { GR9_OFFSET0 = 0x09, GRA_OFFSET1 = 0x0a, GRB_MODE = 0x0b, GRE_POWER = 0x0e };
enum { GRB_DUAL = 1, GRB_BY8 = 2, GRB_EXTENDED = 4, GRB_LATCH8 = 8, GRB_BY16 = 0x10, GRB_16K = 0x20 };
enum { GR20_WIDTH = 0x20, GR22_HEIGHT = 0x22, GR24_DST_PITCH = 0x24, GR26_SRC_PITCH = 0x26,
       GR28_DST = 0x28, GR2A_DST_HIGH = 0x2a, GR2C_SRC = 0x2c, GR2F_SKIP = 0x2f, GR30_MODE = 0x30,
       GR31_STATUS = 0x31, GR32_ROP = 0x32, GR33_EXTENSIONS = 0x33, GR34_KEY = 0x34,
       GR38_KEY_MASK = 0x38 };
enum { CR1A_INTERLACE = 1 };
#define CIRRUS_SEQ 32
#define CIRRUS_GFX 64
#define CIRRUS_CRTC 64

/* A transfer as it was when it started; what the guest writes to the registers meanwhile is for the
 * next one. */
typedef struct CirrusBlt {
    uint32_t width, height;     /* bytes 1..8192, lines 1..2048 */
    uint32_t dst, src;          /* addresses of the line at hand */
    uint32_t dst_pitch, src_pitch;
    uint32_t row;               /* lines done */
    uint8_t mode, extensions, rop, skip;
    uint32_t fore, back;
    uint16_t key, key_mask;
    /* To or from system memory: the line that is being moved. */
    bool from_cpu, to_cpu;
    uint32_t line_len, line_at; /* bytes of a line, and of it done */
    uint8_t line[CIRRUS_BLT_LINE];
} CirrusBlt;

typedef struct Cirrus {
    PciDevice pci;
    Vga vga;
    uint32_t vram_mib;
    Display *display;
    void *rom;                  /* the VGA BIOS; copied */
    uint64_t rom_len;

    uint8_t seq_index, gfx_index, crtc_index;   /* as written: the core sees its own part */
    uint8_t seq[CIRRUS_SEQ], gfx[CIRRUS_GFX], crtc[CIRRUS_CRTC];    /* those the VGA has not */
    uint16_t cursor_x, cursor_y;
    uint8_t hidden_dac, hidden_reads;           /* reads of 3C6 in a row, up to 4 */
    uint8_t cursor_dac[48];                     /* DAC colours beside the 256 */
    uint8_t latch8[8];
    CirrusBlt blt;

    bool unlocked;              /* derived from SR6 */
} Cirrus;

static inline const Cirrus *cirrus_of(const Vga *v)
{
    return (const Cirrus *)((const uint8_t *)v - offsetof(Cirrus, vga));
}
static inline bool cirrus_packed(const Cirrus *c) { return c->seq[SR7_MODE] & SR7_PACKED; }

/* cirrus.c: after a register changed that says how memory is reached */
void cirrus_map_update(Cirrus *c);
uint8_t cirrus_gfx_read(const Cirrus *c, unsigned index);
void cirrus_gfx_write(Cirrus *c, unsigned index, uint8_t value);

/* cirrus_mem.c */
extern const IoOps cirrus_window_ops;       /* A0000-BFFFF */
extern const IoOps cirrus_linear_ops;       /* BAR 0; opaque: the Cirrus */
extern const IoOps cirrus_mmio_ops;         /* BAR 1 */
bool cirrus_linear_is_plain(const Vga *v);      /* video memory may be shown to the guest as it is */
VgaWindow cirrus_window(const Vga *v);

/* cirrus_blt.c */
void cirrus_blt_control(Cirrus *c, uint8_t value);      /* GR31 is written */
void cirrus_blt_autostart(Cirrus *c);                   /* GR2A has been written */
void cirrus_blt_reset(Cirrus *c);
void cirrus_blt_put(Cirrus *c, uint8_t byte);           /* from the CPU */
uint8_t cirrus_blt_get(Cirrus *c);                      /* to the CPU */
bool cirrus_blt_valid(const CirrusBlt *b);              /* of loaded state */
static inline bool cirrus_blt_waits(const Cirrus *c) { return c->blt.from_cpu || c->blt.to_cpu; }

/* cirrus_draw.c, cirrus_regs.c */
extern const VgaCard cirrus_card;
extern const IoOps cirrus_mono_ops, cirrus_colour_ops;  /* ports 3B0-3BB, 3C0-3DF */
uint8_t cirrus_port_read(Cirrus *c, unsigned port);
void cirrus_port_write(Cirrus *c, unsigned port, uint8_t value);

#endif
