/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * e820.c - the BIOS's memory map, from the hypervisor's, and the memory sizes in CMOS that programs
 * older than E820h read (the layout of the AT's CMOS and its successors).
 */
#include "pc_layout.h"
#include "tables.h"
#include "util.h"

enum { RAM = 1, RESERVED = 2, NVS = 4 };
#define MIB (1u << 20)
#define VGA_START PC_VGA_HOLE_START
#define BIOS_START 0xf0000u     /* what SeaBIOS keeps; it reserves more as it needs */

typedef struct Builder {
    E820Entry *map;
    unsigned n, max;
} Builder;

static void add(Builder *b, uint64_t start, uint64_t end, uint32_t type)
{
    if (start >= end) {
        return;
    }
    if (b->n == b->max) {
        fail("the memory map is too long");
    }
    b->map[b->n++] = (E820Entry){ start, end - start, type };
}

/* The hypervisor's map knows nothing of RAM that moved out of the PCI hole: that is in hvm_info. */
static void add_given(Builder *b)
{
    const HvmInfo *h = hvm_info();
    uint64_t low_end = (uint64_t)h->low_pages << 12, high_end = (uint64_t)h->high_end << 12;
    E820Entry given[MAX_REGIONS];
    unsigned n = xen_memory_map(given, MAX_REGIONS);

    for (unsigned i = 0; i < n; i++) {
        uint64_t start = given[i].addr, end = start + given[i].size;

        if (given[i].type != RAM) {
            if (start < PC_RESERVED_MEM_END && end > PC_ACPI_INFO) {
                fail("the hypervisor reserves memory that hvmloader needs");
            }
            add(b, start, end, given[i].type);
        } else if (start < GIB4) {
            add(b, start < MIB ? MIB : start, end < low_end ? end : low_end, RAM);
        }
    }
    add(b, GIB4, high_end, RAM);
}

static void sort(Builder *b)
{
    for (unsigned i = 1; i < b->n; i++) {
        E820Entry e = b->map[i];
        unsigned j = i;

        for (; j > 0 && b->map[j - 1].addr > e.addr; j--) {
            b->map[j] = b->map[j - 1];
        }
        b->map[j] = e;
    }
}

unsigned e820_build(E820Entry *map, unsigned max, uint32_t nvs_end)
{
    Builder b = { map, 0, max };

    add(&b, 0, VGA_START, RAM);
    add(&b, BIOS_START, MIB, RESERVED);
    add(&b, PC_ACPI_INFO, nvs_end, NVS);
    add(&b, nvs_end, GIB4, RESERVED);
    add_given(&b);
    sort(&b);
    for (unsigned i = 0; i < b.n; i++) {
        uint64_t end = map[i].addr + map[i].size - 1;

        print("e820: %x%08x-%x%08x type %u\n", (unsigned)(map[i].addr >> 32), (unsigned)map[i].addr,
              (unsigned)(end >> 32), (unsigned)end, (unsigned)map[i].type);
    }
    return b.n;
}

static void cmos_write16(uint8_t index, uint16_t v)
{
    outb(PORT_CMOS_INDEX, index);
    outb(PORT_CMOS_DATA, v);
    outb(PORT_CMOS_INDEX, index + 1);
    outb(PORT_CMOS_DATA, v >> 8);
}

void cmos_set_memory(void)
{
    uint32_t kib = hvm_info()->low_pages * 4;
    uint32_t extended = kib - 1024, blocks = kib > 16384 ? (kib - 16384) / 64 : 0;

    extended = extended > 0xffff ? 0xffff : extended;
    cmos_write16(0x15, 640);
    cmos_write16(0x17, extended);
    cmos_write16(0x30, extended);
    cmos_write16(0x34, blocks > 0xffff ? 0xffff : blocks);
}
