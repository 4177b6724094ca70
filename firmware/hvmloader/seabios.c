/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * seabios.c - puts the firmware module below 1 MiB and writes the block by which SeaBIOS finds its
 * memory map and the tables (its src/fw/xen.c reads it at 0x1000).
 */
#include "layout.h"
#include "pc_layout.h"
#include "tables.h"
#include "util.h"

#define MAX_IMAGE 0x40000u
#define MAX_TABLES 4
#define MAX_E820 16

typedef struct StartInfo {
    uint32_t magic, version, flags, nr_modules;
    uint64_t modules, cmdline, rsdp;
} StartInfo;

typedef struct Module {
    uint64_t addr, size, cmdline, reserved;
} Module;

typedef struct BiosInfo {
    char signature[14];
    uint8_t length, checksum;
    uint32_t tables, n_tables, e820, n_e820;
} __attribute__((packed)) BiosInfo;

void seabios_load(uint32_t start_info)
{
    const StartInfo *info = (const StartInfo *)start_info;
    const Module *m = (const Module *)(uint32_t)info->modules;

    for (unsigned i = 0; i < info->nr_modules; i++, m++) {
        uint32_t size = m->size;

        if (!m->cmdline || strcmp((const char *)(uint32_t)m->cmdline, "firmware")) {
            continue;
        }
        if (m->size >> 32 || size == 0 || size > MAX_IMAGE) {
            fail("a firmware image of %u bytes", (unsigned)size);
        }
        memcpy((void *)(BIOS_END - size), (const void *)(uint32_t)m->addr, size);
        print("SeaBIOS of %u KiB at %08x\n", (unsigned)(size / 1024), (unsigned)(BIOS_END - size));
        return;
    }
    fail("the domain builder gave no module named firmware");
}

void seabios_hand_over(const uint32_t *tables, unsigned n_tables, uint32_t nvs_end)
{
    BiosInfo *b = (BiosInfo *)BIOS_INFO_ADDR;
    E820Entry *map = scratch_alloc(MAX_E820 * sizeof *map, 16);
    uint32_t *list = scratch_alloc(MAX_TABLES * sizeof *list, 16);

    memset(b, 0, sizeof *b);
    memcpy(list, tables, n_tables * sizeof *list);
    memcpy(b->signature, "XenHVMSeaBIOS", 14);
    b->length = sizeof *b;
    b->tables = (uint32_t)list;
    b->n_tables = n_tables;
    b->e820 = (uint32_t)map;
    b->n_e820 = e820_build(map, MAX_E820, nvs_end);
    b->checksum = checksum(b, sizeof *b);
}
