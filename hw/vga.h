/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vga.h - the VGA core that graphics cards are built on: registers, the memory window at A0000, the
 * Bochs VBE registers and drawing.  Video memory holds the four planes interleaved: byte p of the
 * little-endian word at 4 * offset is plane p, so that chained and linear modes see plain bytes.
 */
#ifndef GH_VGA_H
#define GH_VGA_H

#include "lib/pci.h"
#include "ui/display.h"

#define VGA_WINDOW_BASE 0xA0000u
#define VGA_WINDOW_SIZE 0x20000u
#define VGA_PLANE_SIZE 0x10000u             /* offsets in a plane */
#define VGA_TEXT_COLUMNS 257                /* what CR01 can ask for, and one panned in */
#define VGA_FONT_SIZE 8192                  /* 256 characters of 32 lines */
#define VGA_LINE_MARGIN 32                  /* pixels left of a line, for panning */
#define VGA_LINE_PIXELS (VGA_LINE_MARGIN + VGA_TEXT_COLUMNS * 32)
#define VBE_REGS 10
#define VBE_MAX_BPP 32

enum VbeIndex { VBE_ID, VBE_XRES, VBE_YRES, VBE_BPP, VBE_ENABLE, VBE_BANK, VBE_VIRT_WIDTH,
                VBE_VIRT_HEIGHT, VBE_X_OFFSET, VBE_Y_OFFSET, VBE_VIDEO_MEMORY };
enum VbeEnable { VBE_ENABLED = 1, VBE_GETCAPS = 2, VBE_8BIT_DAC = 0x20, VBE_LFB = 0x40,
                 VBE_NOCLEAR = 0x80 };

typedef struct Vga Vga;

/* A picture of packed pixels (bpp 4: of planes), in a card's own modes.  Lines wrap in video memory. */
typedef struct VgaPicture {
    unsigned width, height;     /* at most DISPLAY_MAX_* */
    unsigned bpp;               /* 4, 8, 15, 16, 24, 32 */
    uint32_t start, pitch;      /* bytes of video memory */
    unsigned repeat;            /* lines that show the same memory, at least 1 */
    unsigned split;             /* from this line on memory is shown from its beginning */
} VgaPicture;

/* A cursor laid over the picture: two planes, plane 1 << 1 | plane 0 of a pixel choosing between
 * 0 the picture, 1 the picture inverted, 2 and 3 the colours. */
typedef struct VgaCursor {
    unsigned x, y, size;        /* size: 0 (none), 32 or 64 pixels square */
    uint32_t colour[2];         /* XRGB */
    uint64_t plane[2][64];      /* a line each, leftmost pixel in the top bit */
} VgaCursor;

/*
 * What of the window may be shown to the guest as memory: text (offset 0 and 1 of a word of the planes
 * become neighbours) or up to two parts of video memory.  Only where each access would do nothing but
 * move bytes.
 */
typedef struct VgaWindow {
    uint32_t text;              /* address of 32 KiB of text, 0: none */
    struct { uint32_t gpa, offset, len; } part[2];      /* len 0: none */
} VgaWindow;

/* What a card adds to the core; each may be NULL. */
typedef struct VgaCard {
    bool (*picture)(const Vga *v, VgaPicture *p);   /* false: it shows one of the VGA's own modes */
    void (*cursor)(const Vga *v, VgaCursor *c);     /* c comes zeroed */
    bool (*blank)(const Vga *v);                    /* NULL: as SR1 says */
    VgaWindow (*window)(const Vga *v);              /* NULL: as the VGA's registers say */
    bool (*linear)(const Vga *v);   /* the linear aperture is plain memory now; NULL: always */
} VgaCard;

struct Vga {
    Device *dev;                /* the card: clock and log */
    const VgaCard *card;
    Display *display;
    RamBlock *ram;
    uint8_t *vram;              /* ram->host */
    uint32_t vram_size;         /* bytes, power of two */

    uint8_t misc, feature, enable;
    uint8_t seq_index, seq[8];
    uint8_t gfx_index, gfx[16];
    uint8_t attr_index, attr[32];
    bool attr_data;             /* next write to 3C0 is data */
    uint8_t crtc_index, crtc[32];
    uint8_t dac_mask, dac_index, dac_part, dac_reading;
    uint8_t dac_hold[3];        /* of a colour not yet complete */
    uint8_t dac[768];
    uint32_t latch;
    uint16_t vbe_index, vbe[VBE_REGS];
    bool big_endian;

    /* Derived, for drawing; not state. */
    uint8_t *dirty;             /* a bit a page of video memory */
    bool redraw;                /* registers changed: draw all */
    uint32_t palette[256];      /* DAC colours as XRGB */
    uint32_t colours[16];       /* attribute colours as XRGB */
    uint32_t *cells;            /* what text mode shows; rows x VGA_TEXT_COLUMNS */
    unsigned cell_rows;
    uint32_t *line;             /* one line being drawn */
    struct { unsigned x0, x1, y0, y1; } changed;    /* rectangle being collected */
    uint8_t font[2][VGA_FONT_SIZE];     /* maps B and A as drawn */
    uint32_t cursor_shown;      /* plane offset, or all ones */
    bool blink_on;
    VgaCursor overlay;          /* the card's cursor as drawn */

    /* The window as memory; not state. */
    const PciBar *linear;       /* the BAR that video memory is in, or NULL */
    RamBlock *text, *part[2];   /* own memory for text; views of ram */
    VgaWindow wish, shown;      /* what the registers allow; what the guest has */
    unsigned trapped;           /* accesses that it would have saved */
    unsigned worth;             /* so many are worth a change of the map */
    int64_t shown_since;
    Timer show;
};

extern const StateField vga_state[];

/* vga.c */
/* vram_mib: 1..256, rounded up to a power of two. */
bool vga_init(Vga *v, Device *dev, const VgaCard *card, Display *display, unsigned vram_mib,
              GError **error);
void vga_reset(Vga *v);
bool vga_loaded(Vga *v, GError **error);
void vga_finish(Vga *v);

/* vga_regs.c: ports 3B0-3DF */
extern const IoOps vga_port_ops;            /* offset: from 3B0 */
extern const IoOps vga_colour_ops;          /* offset: from 3C0 */
/* IoOps.post of the two: attribute controller, DAC, CRTC, and indexes alone say what is shown and not
 * how memory is reached; drawing fetches what waits. */
extern const uint8_t vga_mono_post[12], vga_colour_post[32];
/* What is published: IoOps.store of the CRTC's registers; none of a pair; the ports that are no pair's. */
enum { VGA_CRTC_CORE = 0x19 };
extern const uint8_t vga_crtc_store[VGA_CRTC_CORE], vga_no_store[IO_PAIR_MAX];
bool vga_port_peek(Vga *v, unsigned port, uint8_t *value);
uint8_t vga_port_read(Vga *v, unsigned port);
void vga_port_write(Vga *v, unsigned port, uint8_t value);
void vga_regs_reset(Vga *v);

/* vga_mem.c */
extern const IoOps vga_window_ops;
VgaWindow vga_window(const Vga *v);         /* by the VGA's registers */

/* vga_window.c */
#define VGA_TEXT_SIZE 0x8000u
bool vga_window_init(Vga *v, GError **error);
void vga_window_finish(Vga *v);
/* A register that says how memory is reached may have changed. */
void vga_window_update(Vga *v);
/* An access came through handlers; n: how many it was. */
void vga_window_trapped(Vga *v, unsigned n);
/* Brings text that the guest wrote to the planes; it stays shown. */
void vga_window_sync(Vga *v);
/* The guest's view goes without a look at what it wrote: video memory has been replaced. */
void vga_window_drop(Vga *v);
/* The same for the linear aperture, on which nothing is lost; and as IoOps for the BAR around it. */
void vga_linear_update(Vga *v);
void vga_linear_trapped(Vga *v);            /* call before an access to video memory by the aperture */
extern const IoOps vga_linear_ops;          /* opaque: the Vga */
static inline bool vga_text_shown(const Vga *v, uint32_t at)
{
    return v->shown.text && at - v->shown.text < VGA_TEXT_SIZE;
}
static inline void vga_touch(Vga *v, uint32_t addr)
{
    v->dirty[addr >> 15] |= 1 << (addr >> 12 & 7);
}

/* vbe.c */
extern const IoOps vbe_port_ops;            /* offset: from 1CE */
uint16_t vbe_read(Vga *v, unsigned index);
void vbe_write(Vga *v, unsigned index, uint16_t value);
void vbe_reset(Vga *v);
extern const VgaCard vbe_card;
bool vbe_valid(const Vga *v);               /* the registers can be drawn from as they are */
static inline bool vbe_on(const Vga *v) { return v->vbe[VBE_ENABLE] & VBE_ENABLED; }
static inline bool vbe_linear(const Vga *v) { return vbe_on(v) && v->vbe[VBE_BPP] >= 8; }
uint32_t vbe_pitch(const Vga *v);           /* bytes of video memory from line to line */
uint32_t vbe_start(const Vga *v);

/* vga_draw.c */
void vga_refresh(void *opaque, bool full);
/* Compares with the surface, copies pixels [x, x + n) of line y and collects what changed. */
void vga_emit(Vga *v, unsigned y, unsigned x, const uint32_t *pixels, unsigned n);
/*
 * Scanlines that share a start address: split screen and panning make several out of one picture.
 * Walk: for (VgaRows r = vga_rows_first(v); r.count; r = vga_rows_next(v, &r)).
 */
typedef struct VgaRows {
    unsigned y, count;          /* lines [y, y + count) of the picture */
    unsigned scan;              /* of the character row at y, in lines of the picture */
    uint32_t addr;              /* plane offset of the left edge */
    unsigned pan;               /* dots to the left */
    unsigned index;             /* 0, 1, ... from the top */
} VgaRows;
VgaRows vga_rows_first(const Vga *v);
VgaRows vga_rows_next(const Vga *v, const VgaRows *r);
/* Any of the pages of [start, start + len) written since the last refresh? */
bool vga_dirty(const Vga *v, uint32_t start, uint32_t len);

/* vga_text.c: redraw: everything, registers have changed */
void vga_text_refresh(Vga *v, bool redraw);
unsigned vga_text_cell_width(const Vga *v);         /* dots */

/* CRTC values in several registers. */
static inline unsigned vga_vertical(const Vga *v, unsigned low, unsigned bit8, unsigned bit9)
{
    return v->crtc[low] | (v->crtc[7] >> bit8 & 1) << 8 | (v->crtc[7] >> bit9 & 1) << 9;
}
static inline unsigned vga_line_compare(const Vga *v)
{
    return v->crtc[0x18] | (v->crtc[7] >> 4 & 1) << 8 | (v->crtc[9] >> 6 & 1) << 9;
}
static inline unsigned vga_lines(const Vga *v) { return vga_vertical(v, 0x12, 1, 6) + 1; }

#endif
