/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vga.c - the VGA core's life, and the plain PCI card around it ("stdvga": Bochs/QEMU standard VGA,
 * 1234:1111): BAR0 video memory, BAR2 registers (VGA ports at 400h, dispi at 500h, byte order at
 * 604h), the VGA BIOS in the ROM BAR.  Left out: EDID (reads as absent).
 */
#include "hw/vga.h"

#include <string.h>
#include "hw/devices.h"
#include "lib/pci.h"
#include "pc_layout.h"

enum { PORT_FIRST = 0x3b0, PORT_MONO_LEN = 12, PORT_COLOUR = 0x3c0, PORT_COLOUR_LEN = 32 };
enum { MMIO_SIZE = 4096, MMIO_PORTS = 0x400, MMIO_VBE = 0x500, MMIO_EXT = 0x600 };
#define ORDER_LITTLE 0x1e1e1e1eu
#define ORDER_BIG 0xbebebebeu

bool vga_init(Vga *v, Device *dev, const VgaCard *card, Display *display, unsigned vram_mib,
              GError **error)
{
    uint64_t size = 1 << 20;

    while (size < (uint64_t)MIN(vram_mib, 256) << 20) {
        size <<= 1;
    }
    if (!display) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s: no display", dev->cls->name);
        return false;
    }
    v->dev = dev;
    v->card = card;
    v->display = display;
    v->ram = ram_block_new(dev->machine, "vram", size, false, error);
    if (!v->ram) {
        return false;
    }
    v->vram = v->ram->host;
    v->vram_size = size;
    v->dirty = g_malloc0(size >> 15);
    v->cell_rows = 1024;
    v->cells = g_new0(uint32_t, v->cell_rows * VGA_TEXT_COLUMNS);
    v->line = g_new0(uint32_t, VGA_LINE_PIXELS);
    display_attach(display, &(DisplayClient){ .refresh = vga_refresh, .opaque = v });
    return vga_window_init(v, error);
}

void vga_reset(Vga *v)
{
    vga_regs_reset(v);
    vbe_reset(v);
    memset(v->vram, 0, v->vram_size);
    vga_window_drop(v);
}

bool vga_loaded(Vga *v, GError **error)
{
    if (vbe_on(v) && !vbe_valid(v)) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s: impossible VBE mode %ux%ux%u",
                    v->dev->cls->name, v->vbe[VBE_XRES], v->vbe[VBE_YRES], v->vbe[VBE_BPP]);
        return false;
    }
    v->vbe[VBE_BANK] &= (v->vram_size >> 16) - 1;
    v->redraw = true;
    vga_window_drop(v);
    return true;
}

void vga_finish(Vga *v)
{
    if (v->display) {
        display_attach(v->display, NULL);
    }
    vga_window_finish(v);
    ram_block_free(v->ram);
    g_free(v->dirty);
    g_free(v->cells);
    g_free(v->line);
}

const StateField vga_state[] = {
    STATE_U8(Vga, misc), STATE_U8(Vga, feature), STATE_U8(Vga, enable),
    STATE_U8_MAX(Vga, seq_index, 7), STATE_BYTES(Vga, seq),
    STATE_U8_MAX(Vga, gfx_index, 15), STATE_BYTES(Vga, gfx),
    STATE_U8_MAX(Vga, attr_index, 63), STATE_BYTES(Vga, attr), STATE_BOOL(Vga, attr_data),
    STATE_U8_MAX(Vga, crtc_index, 31), STATE_BYTES(Vga, crtc),
    STATE_U8(Vga, dac_mask), STATE_U8(Vga, dac_index), STATE_U8_MAX(Vga, dac_part, 2),
    STATE_U8_MAX(Vga, dac_reading, 1), STATE_BYTES(Vga, dac_hold), STATE_BYTES(Vga, dac),
    STATE_U32(Vga, latch), STATE_U16(Vga, vbe_index), STATE_U16_ARRAY(Vga, vbe),
    STATE_BOOL(Vga, big_endian), STATE_RAM(Vga, ram),
    STATE_END
};

/* --- the card ---------------------------------------------------------------------------------- */

typedef struct Stdvga {
    PciDevice pci;
    Vga vga;
    uint32_t vram_mib;
    Display *display;
    void *rom;                  /* the VGA BIOS; copied */
    uint64_t rom_len;
} Stdvga;

static uint64_t mmio_byte(Vga *v, uint64_t offset)
{
    if (offset >= MMIO_PORTS && offset < MMIO_PORTS + PORT_COLOUR_LEN) {
        return vga_port_read(v, PORT_COLOUR + offset - MMIO_PORTS);
    }
    if (offset >= MMIO_VBE && offset < MMIO_VBE + 2 * (VBE_VIDEO_MEMORY + 1)) {
        return vbe_read(v, (offset - MMIO_VBE) / 2) >> (offset & 1 ? 8 : 0) & 0xff;
    }
    if (offset >= MMIO_EXT && offset < MMIO_EXT + 8) {
        uint64_t regs = (uint64_t)(v->big_endian ? ORDER_BIG : ORDER_LITTLE) << 32 | 8;

        return regs >> (8 * (offset - MMIO_EXT)) & 0xff;
    }
    return 0xff;
}

static uint64_t mmio_read(void *opaque, uint64_t offset, unsigned width)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < width; i++) {
        value |= mmio_byte(opaque, offset + i) << (8 * i);
    }
    return value;
}

static void mmio_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    Vga *v = opaque;

    if (offset >= MMIO_PORTS && offset < MMIO_PORTS + PORT_COLOUR_LEN) {
        for (unsigned i = 0; i < width && offset + i < MMIO_PORTS + PORT_COLOUR_LEN; i++) {
            vga_port_write(v, PORT_COLOUR + offset - MMIO_PORTS + i, value >> (8 * i));
        }
    } else if (offset >= MMIO_VBE && offset < MMIO_VBE + 2 * VBE_VIDEO_MEMORY) {
        for (unsigned i = 0; i + 1 < MAX(width, 2u); i += 2) {
            vbe_write(v, (offset - MMIO_VBE + i) / 2, value >> (8 * i));
        }
    } else if (offset == MMIO_EXT + 4 && width == 4) {
        v->big_endian = value == ORDER_BIG ? true : value == ORDER_LITTLE ? false : v->big_endian;
        v->redraw = true;
    }
}

static const IoOps mmio_ops = { .read = mmio_read, .write = mmio_write,
                                .widths = IO_8 | IO_16 | IO_32 | IO_64 };

/* io_claim() hands the Device to the handlers; the core's want the Vga. */
static bool claim(Stdvga *s, IoSpace space, uint64_t base, uint64_t len, const IoOps *ops,
                  GError **error)
{
    IoRange *r = io_reserve(&s->pci.dev, space, len, ops);

    r->opaque = &s->vga;
    return io_map_add(&s->pci.dev.machine->io, r, base, error);
}

static void config_written(PciDevice *pci, unsigned offset, unsigned len)
{
    (void)offset;
    (void)len;
    vga_linear_update(&((Stdvga *)pci)->vga);
}

static void stdvga_quiesce(Device *dev)
{
    vga_window_sync(&((Stdvga *)dev)->vga);
}

static bool stdvga_init(Device *dev, GError **error)
{
    static const PciClass id = { .vendor = 0x1234, .device = 0x1111, .subsystem_vendor = 0x1af4,
                                 .subsystem = 0x1100, .revision = 2, .base_class = 3 };
    Stdvga *s = (Stdvga *)dev;
    PciDevice *pci = &s->pci;

    if (!pci_init(pci, &id, error) || !vga_init(&s->vga, dev, &vbe_card, s->display, MAX(s->vram_mib, 4),
                                              error) ||
        !pci_claim_bar(pci, 0, PCI_BAR_MEM_PREFETCH, s->vga.vram_size, &vga_linear_ops, error) ||
        !pci_claim_bar(pci, 2, PCI_BAR_MEM, MMIO_SIZE, &mmio_ops, error)) {
        return false;
    }
    pci->bar[0].range->opaque = pci->bar[2].range->opaque = &s->vga;
    s->vga.linear = &pci->bar[0];
    pci->config_written = config_written;
    if (s->rom && !pci_claim_rom(pci, s->rom, s->rom_len, error)) {
        return false;
    }
    return claim(s, IO_PORT, PORT_FIRST, PORT_MONO_LEN, &vga_port_ops, error) &&
           claim(s, IO_PORT, PORT_COLOUR, PORT_COLOUR_LEN, &vga_colour_ops, error) &&
           claim(s, IO_PORT, PORT_VBE_INDEX, 4, &vbe_port_ops, error) &&
           claim(s, IO_MMIO, VGA_WINDOW_BASE, VGA_WINDOW_SIZE, &vga_window_ops, error);
}

static void stdvga_reset(Device *dev)
{
    Stdvga *s = (Stdvga *)dev;

    pci_reset(&s->pci);
    vga_reset(&s->vga);
}

static bool stdvga_loaded(Device *dev, GError **error)
{
    Stdvga *s = (Stdvga *)dev;

    return pci_loaded(&s->pci, error) && vga_loaded(&s->vga, error);
}

static void stdvga_finish(Device *dev)
{
    Stdvga *s = (Stdvga *)dev;

    pci_finish(&s->pci);
    vga_finish(&s->vga);
}

static const ConfigField stdvga_config[] = {
    CONFIG_PCI(Stdvga, pci),
    CONFIG_FIELD(Stdvga, vram_mib, CONFIG_U32, "8", "video memory in MiB (4 to 256)"),
    CONFIG_FIELD(Stdvga, display, CONFIG_POINTER, NULL, "Display it draws on"),
    CONFIG_FIELD(Stdvga, rom, CONFIG_POINTER, NULL, "VGA BIOS image"),
    CONFIG_FIELD(Stdvga, rom_len, CONFIG_U64, NULL, "bytes of the VGA BIOS image"),
    CONFIG_END
};

static const StateField stdvga_state[] = {
    STATE_PCI(Stdvga, pci),
    STATE_STRUCT(Stdvga, vga, vga_state),
    STATE_END
};

const DeviceClass stdvga_class = {
    .name = "stdvga", .summary = "standard VGA with Bochs VBE (PCI 1234:1111)",
    .size = sizeof(Stdvga), .version = 2, .config = stdvga_config, .state = stdvga_state,
    .init = stdvga_init, .reset = stdvga_reset, .loaded = stdvga_loaded,
    .quiesce = stdvga_quiesce, .finish = stdvga_finish,
};
