/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cirrus.c - the Cirrus Logic GD5446 PCI card (1013:00b8), up to 4 MiB, after the CL-GD5446 Technical
 * Reference Manual: BAR 0 32 MiB of apertures, BAR 1 registers, the VGA BIOS in the ROM BAR.  Built
 * around the VGA core.  Its parts: cirrus_regs.c, cirrus_mem.c, cirrus_blt.c, cirrus_draw.c.
 * Left out: the video window, V-port, signature generator and EEPROM.
 */
#include "hw/cirrus.h"

#include <string.h>
#include "hw/devices.h"
#include "pc_layout.h"

enum { PORT_MONO = 0x3b0, PORT_MONO_LEN = 12, PORT_COLOUR = 0x3c0, PORT_COLOUR_LEN = 32 };
enum { BAR0_SIZE = 32 << 20, BAR1_SIZE = 4096, VRAM_MAX_MIB = 4 };

void cirrus_map_update(Cirrus *c)
{
    vga_window_update(&c->vga);
    vga_linear_update(&c->vga);
}

static void config_written(PciDevice *pci, unsigned offset, unsigned len)
{
    (void)offset;
    (void)len;
    cirrus_map_update((Cirrus *)pci);
}

static bool claim(Cirrus *c, IoSpace space, uint64_t base, uint64_t len, const IoOps *ops,
                  GError **error)
{
    return io_claim(&c->pci.dev, space, base, len, ops, error);
}

static bool cirrus_init(Device *dev, GError **error)
{
    static const PciClass id = { .vendor = 0x1013, .device = 0x00b8, .subsystem_vendor = 0x1af4,
                                 .subsystem = 0x1100, .base_class = 3 };
    Cirrus *c = (Cirrus *)dev;
    PciDevice *pci = &c->pci;

    if (!pci_init(pci, &id, error) ||
        !vga_init(&c->vga, dev, &cirrus_card, c->display, MIN(c->vram_mib, VRAM_MAX_MIB), error) ||
        !pci_claim_bar(pci, 0, PCI_BAR_MEM_PREFETCH, BAR0_SIZE, &cirrus_linear_ops, error) ||
        !pci_claim_bar(pci, 1, PCI_BAR_MEM, BAR1_SIZE, &cirrus_mmio_ops, error)) {
        return false;
    }
    if (c->rom && !pci_claim_rom(pci, c->rom, c->rom_len, error)) {
        return false;
    }
    pci->config_written = config_written;
    c->vga.linear = &pci->bar[0];
    return claim(c, IO_PORT, PORT_MONO, PORT_MONO_LEN, &cirrus_mono_ops, error) &&
           claim(c, IO_PORT, PORT_COLOUR, PORT_COLOUR_LEN, &cirrus_colour_ops,
                 error) &&
           claim(c, IO_MMIO, VGA_WINDOW_BASE, VGA_WINDOW_SIZE, &cirrus_window_ops, error);
}

static void cirrus_reset(Device *dev)
{
    Cirrus *c = (Cirrus *)dev;
    unsigned mib = c->vga.vram_size >> 20;

    pci_reset(&c->pci);
    vga_reset(&c->vga);
    c->seq_index = c->gfx_index = c->crtc_index = 0;
    memset(c->seq, 0, sizeof c->seq);
    memset(c->gfx, 0, sizeof c->gfx);
    memset(c->crtc, 0, sizeof c->crtc);
    memset(c->cursor_dac, 0, sizeof c->cursor_dac);
    memset(c->latch8, 0, sizeof c->latch8);
    memset(&c->blt, 0, sizeof c->blt);
    c->cursor_x = c->cursor_y = 0;
    c->hidden_dac = c->hidden_reads = 0;
    c->unlocked = false;
    c->seq[SRF_DRAM] = mib >= 4 ? 0x98 : mib == 2 ? 0x18 : 0x10;
    c->seq[SR15_SCRATCH] = mib >= 4 ? 4 : mib == 2 ? 3 : 2;
    c->seq[SR17_CONFIG] = SR17_PCI;
    c->seq[SR1F_MCLK] = 0x2d;
    cirrus_map_update(c);
}

static bool cirrus_loaded(Device *dev, GError **error)
{
    Cirrus *c = (Cirrus *)dev;

    if (!cirrus_blt_valid(&c->blt)) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "cirrus: impossible BitBLT");
        return false;
    }
    if (!pci_loaded(&c->pci, error) || !vga_loaded(&c->vga, error)) {
        return false;
    }
    c->unlocked = c->seq[SR6_UNLOCK] == 0x12;
    cirrus_map_update(c);
    return true;
}

static void cirrus_quiesce(Device *dev)
{
    vga_window_sync(&((Cirrus *)dev)->vga);
}

static void cirrus_finish(Device *dev)
{
    Cirrus *c = (Cirrus *)dev;

    pci_finish(&c->pci);
    vga_finish(&c->vga);
}

static const ConfigField cirrus_config[] = {
    CONFIG_PCI(Cirrus, pci),
    CONFIG_FIELD(Cirrus, vram_mib, CONFIG_U32, "4", "video memory in MiB (1, 2 or 4)"),
    CONFIG_FIELD(Cirrus, display, CONFIG_POINTER, NULL, "Display it draws on"),
    CONFIG_FIELD(Cirrus, rom, CONFIG_POINTER, NULL, "VGA BIOS image"),
    CONFIG_FIELD(Cirrus, rom_len, CONFIG_U64, NULL, "bytes of the VGA BIOS image"),
    CONFIG_END
};

static const StateField blt_state[] = {
    STATE_U32(CirrusBlt, width), STATE_U32(CirrusBlt, height), STATE_U32(CirrusBlt, dst),
    STATE_U32(CirrusBlt, src), STATE_U32(CirrusBlt, dst_pitch), STATE_U32(CirrusBlt, src_pitch),
    STATE_U32(CirrusBlt, row), STATE_U8(CirrusBlt, mode), STATE_U8(CirrusBlt, extensions),
    STATE_U8(CirrusBlt, rop), STATE_U8(CirrusBlt, skip), STATE_U32(CirrusBlt, fore),
    STATE_U32(CirrusBlt, back), STATE_U16(CirrusBlt, key), STATE_U16(CirrusBlt, key_mask),
    STATE_BOOL(CirrusBlt, from_cpu), STATE_BOOL(CirrusBlt, to_cpu),
    STATE_U32_MAX(CirrusBlt, line_len, CIRRUS_BLT_LINE),
    STATE_U32_MAX(CirrusBlt, line_at, CIRRUS_BLT_LINE), STATE_BYTES(CirrusBlt, line),
    STATE_END
};

static const StateField cirrus_state[] = {
    STATE_PCI(Cirrus, pci),
    STATE_STRUCT(Cirrus, vga, vga_state),
    STATE_U8(Cirrus, seq_index), STATE_U8(Cirrus, gfx_index), STATE_U8(Cirrus, crtc_index),
    STATE_BYTES(Cirrus, seq), STATE_BYTES(Cirrus, gfx), STATE_BYTES(Cirrus, crtc),
    STATE_U16_MAX(Cirrus, cursor_x, 2047), STATE_U16_MAX(Cirrus, cursor_y, 2047),
    STATE_U8(Cirrus, hidden_dac), STATE_U8_MAX(Cirrus, hidden_reads, 4),
    STATE_BYTES(Cirrus, cursor_dac), STATE_BYTES(Cirrus, latch8),
    STATE_STRUCT(Cirrus, blt, blt_state),
    STATE_END
};

const DeviceClass cirrus_class = {
    .name = "cirrus", .summary = "Cirrus Logic GD5446 (PCI 1013:00b8)",
    .size = sizeof(Cirrus), .version = 1, .config = cirrus_config, .state = cirrus_state,
    .init = cirrus_init, .reset = cirrus_reset, .loaded = cirrus_loaded,
    .quiesce = cirrus_quiesce, .finish = cirrus_finish,
};
