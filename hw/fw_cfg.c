/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fw_cfg.c - what the machine tells its firmware (QEMU's docs/specs/fw_cfg, the traditional interface):
 * a selector at port 510h, and bytes of the selected item, one after the other, at 511h.  SeaBIOS finds
 * here how long to wait for the key of its boot menu, and whether its screen goes to the first serial
 * port.  Everything else it learns from hvmloader and CMOS, as on Xen.  Left out: DMA, and writing,
 * which later versions of the specification don't have.
 */
#include "hw/devices.h"
#include "pc_layout.h"
#include <glib.h>
#include <string.h>

enum { KEY_SIGNATURE = 0x00, KEY_ID = 0x01, KEY_NOGRAPHIC = 0x04, KEY_BOOT_MENU = 0x0e,
       KEY_FILE_DIR = 0x19, KEY_FILE_FIRST = 0x20 };
#define ID_TRADITIONAL 1
#define FILE_NAME_SIZE 56
#define ITEM_MAX 128

typedef struct FwCfg {
    Device dev;
    uint32_t menu_ms;           /* config */
    bool no_graphics;           /* config */
    uint16_t selector;
    uint16_t offset;            /* of the next byte; stays at the item's end */
} FwCfg;

static unsigned append(uint8_t *data, unsigned size, const void *value, unsigned len)
{
    memcpy(data + size, value, len);
    return size + len;
}

/* The directory, whose numbers are big endian: size, selector, reserved, name. */
static unsigned directory(uint8_t data[ITEM_MAX])
{
    static const char name[FILE_NAME_SIZE] = "etc/boot-menu-wait";
    uint32_t count = GUINT32_TO_BE(1), file_size = GUINT32_TO_BE(sizeof(uint64_t));
    uint16_t id[2] = { GUINT16_TO_BE(KEY_FILE_FIRST), 0 };
    unsigned size = append(data, 0, &count, sizeof count);

    size = append(data, size, &file_size, sizeof file_size);
    size = append(data, size, id, sizeof id);
    return append(data, size, name, sizeof name);
}

/* The selected item's size. */
static unsigned item(const FwCfg *f, uint8_t data[ITEM_MAX])
{
    uint32_t id = ID_TRADITIONAL;
    uint16_t word = f->selector == KEY_NOGRAPHIC ? f->no_graphics : f->menu_ms != 0;
    uint64_t wait = f->menu_ms;

    switch (f->selector) {
    case KEY_SIGNATURE:
        return append(data, 0, "QEMU", 4);
    case KEY_ID:
        return append(data, 0, &id, sizeof id);
    case KEY_NOGRAPHIC: case KEY_BOOT_MENU:
        return append(data, 0, &word, sizeof word);
    case KEY_FILE_DIR:
        return directory(data);
    case KEY_FILE_FIRST:
        return append(data, 0, &wait, sizeof wait);
    }
    return 0;
}

static uint8_t fw_cfg_next(FwCfg *f)
{
    uint8_t data[ITEM_MAX];

    return f->offset < item(f, data) ? data[f->offset++] : 0;
}

/* The data port is the upper byte of the selector's word; reading the selector gives nothing. */
static uint64_t fw_cfg_read(void *opaque, uint64_t offset, unsigned width)
{
    FwCfg *f = opaque;

    return width == 1 && offset == 1 ? fw_cfg_next(f) : 0;
}

static uint32_t fw_cfg_read_many(void *opaque, uint64_t offset, unsigned width, void *buf,
                                 uint32_t count)
{
    uint8_t *bytes = buf;

    for (uint32_t n = 0; n < count; n++) {
        uint16_t value = fw_cfg_read(opaque, offset, width);
        memcpy(bytes + n * width, &value, width);
    }
    return count;
}

static void fw_cfg_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    FwCfg *f = opaque;

    if (offset == 0 && width == 2) {
        f->selector = value;
        f->offset = 0;
    }
}

static const IoOps fw_cfg_ops = { .read = fw_cfg_read, .write = fw_cfg_write,
                                  .read_many = fw_cfg_read_many, .widths = IO_8 | IO_16 };

static bool fw_cfg_init(Device *dev, GError **error)
{
    return io_claim(dev, IO_PORT, PORT_FW_CFG, 2, &fw_cfg_ops, error);
}

static void fw_cfg_reset(Device *dev)
{
    FwCfg *f = (FwCfg *)dev;

    f->selector = f->offset = 0;
}

static const ConfigField fw_cfg_config[] = {
    CONFIG_FIELD(FwCfg, menu_ms, CONFIG_U32, "0", "wait for the boot menu's key; 0: no menu"),
    CONFIG_FIELD(FwCfg, no_graphics, CONFIG_BOOL, "0", "the BIOS shows its screen on COM1, too"),
    CONFIG_END
};

static const StateField fw_cfg_state[] = {
    STATE_U16(FwCfg, selector), STATE_U16(FwCfg, offset), STATE_END
};

const DeviceClass fw_cfg_class = {
    .name = "fw_cfg", .summary = "items for the firmware (510h)", .size = sizeof(FwCfg),
    .version = 1, .config = fw_cfg_config, .state = fw_cfg_state, .init = fw_cfg_init,
    .reset = fw_cfg_reset,
};
