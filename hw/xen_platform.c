/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xen_platform.c - the Xen platform device (Xen's docs/misc/hvm-emulated-unplug and the ports that
 * its drivers use): protocol magic, unplugging of emulated disks and network cards, a log port, the
 * ROM lock flag.  BAR1 is address space for grant tables, which the hypervisor maps over it.  The
 * flag does not protect C0000-FFFFF, which stays RAM; no driver blacklist.
 */
#include "hw/devices.h"
#include "hw/ide.h"
#include "lib/pci.h"
#include "pc_layout.h"
#include <string.h>

enum { PLATFORM_UNPLUG = 0, PLATFORM_PRODUCT = 2, PLATFORM_PORTS = 16 };
enum { PLATFORM_MAGIC = 0x49d2, PLATFORM_PROTOCOL = 1 };
enum { UNPLUG_DISKS = 1, UNPLUG_NICS = 2, UNPLUG_AUX_DISKS = 4 };
enum { FLAG_ROM_LOCK = 1 };
enum { BAR_FLAGS = 0, BAR_LOG = 8, BAR_IO_BYTES = 256, BAR_MEM_BYTES = 16 << 20 };
enum { CLASS_NETWORK = 0x02 };
#define LOG_LINE 256

typedef struct XenPlatform {
    PciDevice pci;
    uint8_t flags;
    uint16_t product;
    uint32_t build;
    uint8_t unplugged;          /* mask of what the guest asked for */
    uint8_t line[LOG_LINE];
    uint32_t line_len;
} XenPlatform;

static void xen_platform_line_end(XenPlatform *p)
{
    if (p->line_len)
        log_guest(&p->pci.dev, "%.*s", (int)p->line_len, (const char *)p->line);
    p->line_len = 0;
}

static void xen_platform_log(XenPlatform *p, uint8_t byte)
{
    if (byte == '\n') {
        xen_platform_line_end(p);
        return;
    }
    p->line[p->line_len++] = byte >= 0x20 && byte < 0x7f ? byte : '?';
    if (p->line_len == LOG_LINE)
        xen_platform_line_end(p);
}

/* --- unplugging --- */

static void xen_platform_unplug_nics(XenPlatform *p)
{
    PciBus *bus = p->pci.bus;

    for (unsigned devfn = 0; devfn < 256; devfn++) {
        PciDevice *pci = bus->slot[devfn];
        if (pci && pci->initial[0x0b] == CLASS_NETWORK && !pci->unplugged)
            pci_unplug(pci);
    }
}

static void xen_platform_unplug_disks(XenPlatform *p, bool keep_first)
{
    GPtrArray *devices = p->pci.dev.machine->devices;

    for (guint i = 0; i < devices->len; i++) {
        Device *dev = devices->pdata[i];
        if (dev->cls == &piix_ide_class)
            ide_unplug_disks(dev, keep_first);
    }
}

static void xen_platform_unplug(XenPlatform *p, uint16_t mask)
{
    p->unplugged |= mask & (UNPLUG_DISKS | UNPLUG_NICS | UNPLUG_AUX_DISKS);
    if (mask & UNPLUG_DISKS)
        xen_platform_unplug_disks(p, false);
    else if (mask & UNPLUG_AUX_DISKS)
        xen_platform_unplug_disks(p, true);
    if (mask & UNPLUG_NICS)
        xen_platform_unplug_nics(p);
    log_guest(&p->pci.dev, "guest drivers take over (unplug mask 0x%x)", mask);
}

/* --- fixed ports 10h-1Fh --- */

static uint64_t xen_platform_port_read(void *opaque, uint64_t offset, unsigned width)
{
    XenPlatform *p = opaque;

    if (offset == PLATFORM_UNPLUG && width == 2)
        return PLATFORM_MAGIC;
    if (offset == PLATFORM_UNPLUG && width == 1)
        return p->flags;
    if (offset == PLATFORM_PRODUCT && width == 1)
        return PLATFORM_PROTOCOL;
    return width == 4 ? 0xffffffff : (1u << (8 * width)) - 1;
}

static void xen_platform_port_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    XenPlatform *p = opaque;

    if (offset == PLATFORM_UNPLUG && width == 1) {
        p->flags = value & FLAG_ROM_LOCK;
    } else if (offset == PLATFORM_UNPLUG && width == 2) {
        xen_platform_unplug(p, value);
    } else if (offset == PLATFORM_UNPLUG) {
        p->build = value;
        log_guest(&p->pci.dev, "guest drivers: product %u, build %u", p->product, p->build);
    } else if (offset == PLATFORM_PRODUCT && width == 1) {
        xen_platform_log(p, value);
    } else if (offset == PLATFORM_PRODUCT && width == 2) {
        p->product = value;
    }
}

/* --- BARs --- */

static uint64_t xen_platform_bar_read(void *opaque, uint64_t offset, unsigned width)
{
    (void)width;
    return offset == BAR_FLAGS ? ((XenPlatform *)opaque)->flags : 0xff;
}

static void xen_platform_bar_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    XenPlatform *p = opaque;

    (void)width;
    if (offset == BAR_FLAGS)
        p->flags = value & FLAG_ROM_LOCK;
    else if (offset == BAR_LOG)
        xen_platform_log(p, value);
}

static uint64_t xen_platform_mem_read(void *opaque, uint64_t offset, unsigned width)
{
    (void)opaque;
    (void)offset;
    (void)width;
    return UINT64_MAX;
}

static void xen_platform_mem_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    (void)opaque;
    (void)offset;
    (void)width;
    (void)value;
}

static const IoOps xen_platform_port_ops = { .read = xen_platform_port_read,
                                             .write = xen_platform_port_write,
                                             .widths = IO_8 | IO_16 | IO_32 };
static const IoOps xen_platform_bar_ops = { .read = xen_platform_bar_read,
                                            .write = xen_platform_bar_write, .widths = IO_8 };
static const IoOps xen_platform_mem_ops = { .read = xen_platform_mem_read,
                                            .write = xen_platform_mem_write,
                                            .widths = IO_8 | IO_16 | IO_32 | IO_64 };

/* --- the function --- */

static bool xen_platform_init(Device *dev, GError **error)
{
    XenPlatform *p = (XenPlatform *)dev;
    const PciClass id = { .vendor = 0x5853, .device = 0x0001, .revision = 1, .subclass = 0x80,
                          .base_class = 0xff, .interrupt_pin = 1, .subsystem_vendor = 0x5853,
                          .subsystem = 0x0001 };

    return pci_init(&p->pci, &id, error) &&
           pci_claim_bar(&p->pci, 0, PCI_BAR_IO, BAR_IO_BYTES, &xen_platform_bar_ops, error) &&
           pci_claim_bar(&p->pci, 1, PCI_BAR_MEM_PREFETCH, BAR_MEM_BYTES, &xen_platform_mem_ops,
                         error) &&
           io_claim(dev, IO_PORT, PORT_XEN_PLATFORM, PLATFORM_PORTS, &xen_platform_port_ops,
                    error);
}

static void xen_platform_reset(Device *dev)
{
    XenPlatform *p = (XenPlatform *)dev;

    pci_reset(&p->pci);
    p->flags = 0;
    p->product = 0;
    p->build = 0;
    p->unplugged = 0;
    memset(p->line, 0, sizeof(p->line));
    p->line_len = 0;
}

static bool xen_platform_loaded(Device *dev, GError **error)
{
    XenPlatform *p = (XenPlatform *)dev;

    for (uint32_t i = 0; i < p->line_len; i++)
        if (p->line[i] < 0x20 || p->line[i] >= 0x7f)
            p->line[i] = '?';
    return pci_loaded(&p->pci, error);
}

static void xen_platform_finish(Device *dev)
{
    pci_finish(&((XenPlatform *)dev)->pci);
}

static const ConfigField xen_platform_config[] = { CONFIG_PCI(XenPlatform, pci), CONFIG_END };
static const StateField xen_platform_state[] = {
    STATE_PCI(XenPlatform, pci),
    STATE_U8_MAX(XenPlatform, flags, FLAG_ROM_LOCK),
    STATE_U16(XenPlatform, product),
    STATE_U32(XenPlatform, build),
    STATE_U8(XenPlatform, unplugged),
    STATE_BYTES(XenPlatform, line),
    STATE_U32_MAX(XenPlatform, line_len, LOG_LINE - 1),
    STATE_END
};

const DeviceClass xen_platform_class = {
    .name = "xen_platform", .summary = "Xen platform device: unplug protocol, log port",
    .size = sizeof(XenPlatform), .version = 1, .config = xen_platform_config,
    .state = xen_platform_state, .init = xen_platform_init, .reset = xen_platform_reset,
    .loaded = xen_platform_loaded, .finish = xen_platform_finish,
};
