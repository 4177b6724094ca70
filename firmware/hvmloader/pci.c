/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pci.c - finds the functions of bus 0, gives their BARs addresses and their pins interrupt lines,
 * programs the PIIX3's links and the PIIX4's ports (PCI 2.2; Intel 290550, 290562).  RAM makes way
 * if the hole below 4 GiB is too small.  No bridges: the machine has one bus.
 */
#include "pc_layout.h"
#include "tables.h"
#include "util.h"

#define MAX_BARS 256
#define HOLE_END PC_ACPI_INFO
#define HOLE_LOWEST 0x80000000u
#define IO_START 0xc000u
#define IO_END 0x10000u
#define GIB 0x40000000ull
enum { CFG_VENDOR = 0x00, CFG_COMMAND = 0x04, CFG_CLASS = 0x0a, CFG_BAR0 = 0x10, CFG_ROM = 0x30,
       CFG_IRQ_LINE = 0x3c, CFG_IRQ_PIN = 0x3d };
enum { COMMAND_IO = 1, COMMAND_MEMORY = 2, COMMAND_MASTER = 4 };
enum { ID_PIIX3 = 0x70008086, ID_PIIX4_PM = 0x71138086 };
enum { CLASS_IDE = 0x0101, CLASS_VGA = 0x0300, CLASS_BRIDGE_OTHER = 0x0680 };
static const uint8_t link_irq[4] = { 5, 10, 11, 5 };

typedef struct Bar {
    uint64_t size;
    uint8_t devfn, reg;
    bool io, wide, high;        /* wide: 64 bits; high: goes above 4 GiB */
} Bar;

typedef struct Bars {
    Bar bar[MAX_BARS];          /* greatest first: no gaps for alignment between them */
    unsigned n;
} Bars;

static Bars bars;
static uint8_t pins_used[32];   /* per device, a bit per pin */
static uint8_t decode[256];     /* per function, command bits to set at the end */

/* --- configuration space --- */

static uint16_t select_register(unsigned devfn, unsigned reg)
{
    outl(PORT_PCI_ADDRESS, 0x80000000 | devfn << 8 | (reg & ~3u));
    return PORT_PCI_DATA + (reg & 3);
}

static uint8_t cfg_read8(unsigned devfn, unsigned reg)
{
    return inb(select_register(devfn, reg));
}

static uint16_t cfg_read16(unsigned devfn, unsigned reg)
{
    return inw(select_register(devfn, reg));
}

static uint32_t cfg_read32(unsigned devfn, unsigned reg)
{
    return inl(select_register(devfn, reg));
}

static void cfg_write8(unsigned devfn, unsigned reg, uint8_t v)
{
    outb(select_register(devfn, reg), v);
}

static void cfg_write16(unsigned devfn, unsigned reg, uint16_t v)
{
    outw(select_register(devfn, reg), v);
}

static void cfg_write32(unsigned devfn, unsigned reg, uint32_t v)
{
    outl(select_register(devfn, reg), v);
}

bool pci_uses_pin(unsigned dev, unsigned pin)
{
    return pins_used[dev] >> pin & 1;
}

/* --- the chipset --- */

static void set_links(void)
{
    if (cfg_read32(DEVFN_ISA, CFG_VENDOR) != ID_PIIX3) {
        fail("no PIIX3 at 00:01.0");
    }
    for (unsigned link = 0; link < 4; link++) {
        cfg_write8(DEVFN_ISA, 0x60 + link, link_irq[link]);
    }
    /* Their interrupts are level triggered. */
    outb(PORT_ELCR, 1 << 5);
    outb(PORT_ELCR + 1, 1 << (10 - 8) | 1 << (11 - 8));
}

static void set_power_management(unsigned devfn)
{
    if (cfg_read32(devfn, CFG_VENDOR) != ID_PIIX4_PM) {
        fail("the bridge at %02x is no PIIX4", devfn);
    }
    cfg_write16(devfn, 0x20, 0);
    cfg_write16(devfn, 0x22, 0);
    cfg_write16(devfn, CFG_IRQ_LINE, ACPI_SCI_IRQ);
    cfg_write16(devfn, CFG_IRQ_PIN, 1);
    cfg_write32(devfn, 0x40, ACPI_PM1A_EVT | 1);
    cfg_write8(devfn, 0x80, 1);         /* the I/O space of 0x40 is decoded */
    cfg_write8(devfn, 0xd2, 0);         /* no SMBus */
}

static void set_ide(unsigned devfn)
{
    if (cfg_read16(devfn, CFG_VENDOR) == 0x8086) {
        cfg_write16(devfn, 0x40, 0x8000);       /* decode, both channels */
        cfg_write16(devfn, 0x42, 0x8000);
    }
}

/* --- enumeration --- */

static void add_bar(const Bar *b)
{
    unsigned i;

    if (bars.n == MAX_BARS) {
        fail("more than %u BARs", MAX_BARS);
    }
    for (i = bars.n++; i > 0 && bars.bar[i - 1].size < b->size; i--) {
        bars.bar[i] = bars.bar[i - 1];
    }
    bars.bar[i] = *b;
}

static uint32_t probe(unsigned devfn, unsigned reg, uint32_t ones)
{
    uint32_t old = cfg_read32(devfn, reg), mask;

    cfg_write32(devfn, reg, ones);
    mask = cfg_read32(devfn, reg);
    cfg_write32(devfn, reg, old);
    return mask;
}

/* Returns how many registers this BAR takes. */
static unsigned find_bar(unsigned devfn, unsigned reg)
{
    Bar b = { .devfn = devfn, .reg = reg };
    bool rom = reg == CFG_ROM;
    uint32_t mask = probe(devfn, reg, rom ? 0xfffff800 : 0xffffffff);
    uint64_t size;

    if (mask == 0) {
        return 1;
    }
    b.io = !rom && (mask & 1);
    b.wide = !rom && (mask & 7) == 4;
    if (b.io) {
        size = (mask & 0xfffc) | 0xffff0000;
    } else {
        size = mask & (rom ? 0xfffff800 : 0xfffffff0);
    }
    size |= b.wide ? (uint64_t)probe(devfn, reg + 4, 0xffffffff) << 32 : 0xffffffffull << 32;
    b.size = -size;
    if (b.size) {
        add_bar(&b);
    }
    return b.wide ? 2 : 1;
}

static void find_function(unsigned devfn)
{
    unsigned reg, class = cfg_read16(devfn, CFG_CLASS), pin;

    decode[devfn] = COMMAND_MASTER;
    cfg_write16(devfn, CFG_COMMAND,
                cfg_read16(devfn, CFG_COMMAND) & ~(COMMAND_IO | COMMAND_MEMORY));
    for (reg = CFG_BAR0; reg < CFG_BAR0 + 6 * 4;) {
        reg += 4 * find_bar(devfn, reg);
    }
    find_bar(devfn, CFG_ROM);
    if (class == CLASS_BRIDGE_OTHER) {
        set_power_management(devfn);
    } else if (class == CLASS_IDE) {
        set_ide(devfn);
    } else if (class == CLASS_VGA) {
        decode[devfn] |= COMMAND_IO;    /* the legacy ports have no BAR */
    }
    pin = cfg_read8(devfn, CFG_IRQ_PIN);
    if (pin >= 1 && pin <= 4 && class != CLASS_BRIDGE_OTHER) {
        pins_used[devfn >> 3] |= 1 << (pin - 1);
        cfg_write8(devfn, CFG_IRQ_LINE, link_irq[PCI_LINK(devfn >> 3, pin - 1)]);
    }
    print("pci %02x.%u: %08x class %04x\n", devfn >> 3, devfn & 7,
          (unsigned)cfg_read32(devfn, CFG_VENDOR), class);
}

/* --- allocation --- */

static uint64_t low_total(void)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < bars.n; i++) {
        if (!bars.bar[i].io && !bars.bar[i].high) {
            total += bars.bar[i].size;
        }
    }
    return total;
}

/* The top of the low RAM becomes RAM above 4 GiB. */
static void move_ram(uint32_t hole_start)
{
    HvmInfo *h = hvm_info();
    uint32_t keep = hole_start >> 12, count;

    if (h->low_pages <= keep) {
        return;
    }
    count = h->low_pages - keep;
    if (h->high_end == 0) {
        h->high_end = GIB4 >> 12;
    }
    print("%u MiB of memory make way for PCI\n", (unsigned)(count >> 8));
    xen_move_pages(keep, h->high_end, count);
    h->low_pages = keep;
    h->high_end += count;
    h->checksum = 0;
    h->checksum = checksum(h, h->length);
}

static void size_hole(PciWindows *w)
{
    bool may_move = store_flag("hvmloader/allow-memory-relocate", true);
    uint32_t ram_end = hvm_info()->low_pages << 12;
    uint64_t hole = parse_number(store_read_default("platform/mmio_hole_size", "0"));

    w->low_start = PC_MMIO_HOLE_START;
    if (hole > GIB4 - HOLE_END && hole <= GIB4 - HOLE_LOWEST) {
        w->low_start = (uint32_t)(GIB4 - hole) & ~0xfffu;
    }
    for (unsigned i = 0; i < bars.n; i++) {
        bars.bar[i].high = bars.bar[i].wide && bars.bar[i].size > GIB;
    }
    while (low_total() > HOLE_END - w->low_start && w->low_start > HOLE_LOWEST) {
        uint32_t next = w->low_start << 1;

        w->low_start = next < HOLE_LOWEST ? HOLE_LOWEST : next;
    }
    if (!may_move && w->low_start < ram_end) {
        w->low_start = ram_end;
    }
    for (unsigned i = 0; i < bars.n && low_total() > HOLE_END - w->low_start; i++) {
        bars.bar[i].high |= bars.bar[i].wide;
    }
    move_ram(w->low_start);
}

static bool place_in(uint64_t *next, uint64_t end, uint64_t size, uint64_t *at)
{
    *at = (*next + size - 1) & ~(size - 1);
    if (*at + size > end) {
        return false;
    }
    *next = *at + size;
    return true;
}

static void place_bars(PciWindows *w)
{
    uint64_t low = w->low_start, io = IO_START, high = GIB4, at;

    if (hvm_info()->high_end) {
        high = (uint64_t)hvm_info()->high_end << 12;
    }
    w->high_start = w->high_size = 0;
    for (unsigned i = 0; i < bars.n; i++) {
        const Bar *b = &bars.bar[i];
        bool ok = b->io ? place_in(&io, IO_END, b->size, &at)
                : b->high ? place_in(&high, 1ull << 36, b->size, &at)
                : place_in(&low, HOLE_END, b->size, &at);

        if (!ok) {
            print("pci %02x.%u: no room for BAR %02x\n", b->devfn >> 3, b->devfn & 7, b->reg);
            continue;
        }
        cfg_write32(b->devfn, b->reg, at);
        if (b->wide) {
            cfg_write32(b->devfn, b->reg + 4, at >> 32);
        }
        decode[b->devfn] |= b->io ? COMMAND_IO : COMMAND_MEMORY;
        if (b->high && w->high_start == 0) {
            w->high_start = at;
        }
        print("pci %02x.%u: bar %02x size %08x at %s%08x%s\n", b->devfn >> 3, b->devfn & 7, b->reg,
              (unsigned)b->size, b->io ? "port " : "", (unsigned)at,
              at >> 32 ? " above 4 GiB" : "");
    }
    if (w->high_start) {
        w->high_size = high - w->high_start;
    }
}

void pci_setup(PciWindows *w)
{
    set_links();
    for (unsigned devfn = 0; devfn < 256; devfn++) {
        if (cfg_read16(devfn, CFG_VENDOR) != 0xffff) {
            find_function(devfn);
        }
    }
    size_hole(w);
    place_bars(w);
    for (unsigned devfn = 0; devfn < 256; devfn++) {
        if (decode[devfn]) {
            cfg_write16(devfn, CFG_COMMAND, cfg_read16(devfn, CFG_COMMAND) | decode[devfn]);
        }
    }
}
