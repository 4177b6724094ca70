/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * smbios.c - the machine described (DMTF DSP0134, version 2.4): BIOS, system, board, chassis,
 * processors, memory, boot state.  Strings come from bios-strings in xenstore.  In version 2.4 the
 * UUID's bytes are in the order they are written.
 */
#include "tables.h"
#include "util.h"

#define TABLE_SIZE 0x8000
#define STRING_MAX 128
#define DEVICE_MIB 16384u       /* one memory module at most */
#define HANDLE_ARRAY 0x1000

typedef struct Entry {
    char anchor[4];
    uint8_t checksum, length, major, minor;
    uint16_t max_size;
    uint8_t revision, formatted[5];
    char dmi_anchor[5];
    uint8_t dmi_checksum;
    uint16_t table_length;
    uint32_t table;
    uint16_t count;
    uint8_t bcd;
} __attribute__((packed)) Entry;

/* A structure in the making: its formatted part grows to 'used', its strings wait in 'text'. */
typedef struct Table {
    uint8_t *start, *at;        /* at: where the structure begins */
    uint16_t used, text_used, count, largest;
    uint8_t strings;
    char text[1024];
} Table;

static void begin(Table *t, uint8_t type, uint16_t handle)
{
    if (t->at + 1024 + sizeof t->text > t->start + TABLE_SIZE) {
        fail("too much SMBIOS");
    }
    t->at[0] = type;
    t->at[2] = handle;
    t->at[3] = handle >> 8;
    t->used = 4;
    t->text_used = t->strings = 0;
}

static void put(Table *t, unsigned size, uint64_t v)
{
    for (; size; size--, v >>= 8) {
        t->at[t->used++] = v;
    }
}

static void put_text(Table *t, const char *s)
{
    unsigned n = strlen(s);

    n = n > STRING_MAX ? STRING_MAX : n;
    if (n == 0 || t->text_used + n + 1 > sizeof t->text) {
        put(t, 1, 0);
        return;
    }
    memcpy(t->text + t->text_used, s, n);
    t->text[t->text_used + n] = 0;
    t->text_used += n + 1;
    put(t, 1, ++t->strings);
}

static void put_store(Table *t, const char *key, const char *missing)
{
    char path[64];

    format_string(path, sizeof path, "bios-strings/%s", key);
    put_text(t, store_read_default(path, missing));
}

static void end(Table *t)
{
    uint16_t size;

    t->at[1] = t->used;
    memcpy(t->at + t->used, t->text, t->text_used);
    size = t->used + t->text_used + (t->strings ? 1 : 2);
    t->largest = size > t->largest ? size : t->largest;
    t->at += size;
    t->count++;
}

/* --- the structures, by type --- */

static void add_bios(Table *t)
{
    char version[24];
    uint32_t v = xen_version();

    format_string(version, sizeof version, "%u.%u%s", (unsigned)(v >> 16), (unsigned)(v & 0xffff),
                  xen_extra_version());
    begin(t, 0, 0);
    put_store(t, "bios-vendor", "Xen");
    put_store(t, "bios-version", version);
    put(t, 2, 0xe800);          /* starting segment */
    put_text(t, "11/20/2026");
    put(t, 1, 0);               /* 64 KiB */
    put(t, 8, 1 << 7);          /* PCI is supported */
    put(t, 1, 1);               /* ACPI is supported */
    put(t, 1, 4);               /* targeted content distribution */
    put(t, 4, 0xffffffff);      /* releases: not used */
    end(t);
}

static void format_uuid(char text[40], const uint8_t u[16])
{
    unsigned n = 0;

    for (unsigned i = 0; i < 16; i++) {
        bool dash = i == 4 || i == 6 || i == 8 || i == 10;

        n += format_string(text + n, 40 - n, dash ? "-%02x" : "%02x", u[i]);
    }
}

static void add_system(Table *t)
{
    uint8_t uuid[16];
    char text[40], version[24];
    uint32_t v = xen_version();

    xen_uuid(uuid);
    format_uuid(text, uuid);
    format_string(version, sizeof version, "%u.%u%s", (unsigned)(v >> 16), (unsigned)(v & 0xffff),
                  xen_extra_version());
    begin(t, 1, 0x100);
    put_store(t, "system-manufacturer", "Xen");
    put_store(t, "system-product-name", "HVM domU");
    put_store(t, "system-version", version);
    put_store(t, "system-serial-number", text);
    for (unsigned i = 0; i < 16; i++) {
        put(t, 1, uuid[i]);
    }
    put(t, 1, 6);               /* wake-up: power switch */
    put(t, 2, 0);               /* no SKU, no family */
    end(t);
}

/* Only for those who configured one. */
static void add_board(Table *t)
{
    if (!store_read("bios-strings/baseboard-manufacturer")) {
        return;
    }
    begin(t, 2, 0x200);
    put_store(t, "baseboard-manufacturer", "");
    put_store(t, "baseboard-product-name", "");
    put_store(t, "baseboard-version", "");
    put_store(t, "baseboard-serial-number", "");
    put_store(t, "baseboard-asset-tag", "");
    put(t, 1, 1);               /* hosts the others */
    put_store(t, "baseboard-location-in-chassis", "");
    put(t, 2, 0x300);
    put(t, 1, 10);              /* motherboard */
    put(t, 1, 0);
    end(t);
}

static void add_chassis(Table *t)
{
    begin(t, 3, 0x300);
    put_store(t, "enclosure-manufacturer", "Xen");
    put(t, 1, 1);               /* type: other */
    put(t, 1, 0);
    put_store(t, "enclosure-serial-number", "");
    put_store(t, "enclosure-asset-tag", "");
    put(t, 3, 0x030303);        /* boot, power, temperature: safe */
    put(t, 1, 2);               /* security: unknown */
    put(t, 4, 0);
    put(t, 4, 0);               /* height, cords, contained elements: none */
    end(t);
}

static void add_processor(Table *t, unsigned i, unsigned mhz)
{
    char name[16], maker[13];
    uint32_t r[4];

    cpuid(0, r);
    memcpy(maker, &r[1], 4);
    memcpy(maker + 4, &r[3], 4);
    memcpy(maker + 8, &r[2], 4);
    maker[12] = 0;
    cpuid(1, r);
    format_string(name, sizeof name, "CPU %u", i + 1);
    begin(t, 4, 0x400 + i);
    put_text(t, name);
    put(t, 1, 3);               /* central processor */
    put(t, 1, 1);               /* family: other */
    put_text(t, maker);
    put(t, 4, r[0]);
    put(t, 4, r[3]);
    put(t, 1, 0);               /* version */
    put(t, 1, 0);               /* voltage */
    put(t, 2, 0);               /* external clock */
    put(t, 2, mhz);
    put(t, 2, mhz);
    put(t, 1, 0x41);            /* there, enabled */
    put(t, 1, 1);               /* socket: other */
    put(t, 2, 0xffff);
    put(t, 2, 0xffff);
    put(t, 2, 0xffff);          /* no cache structures */
    put(t, 3, 0);               /* serial, tag, part */
    end(t);
}

static uint32_t memory_mib(void)
{
    const HvmInfo *h = hvm_info();
    uint32_t pages = h->low_pages + (h->high_end ? h->high_end - (uint32_t)(GIB4 >> 12) : 0);

    return (pages + 255) >> 8;
}

static void add_memory(Table *t)
{
    uint32_t mib = memory_mib(), devices = (mib + DEVICE_MIB - 1) / DEVICE_MIB;
    const HvmInfo *h = hvm_info();

    begin(t, 16, HANDLE_ARRAY);
    put(t, 1, 1);               /* location: other */
    put(t, 1, 3);               /* use: system memory */
    put(t, 1, 6);               /* multi-bit ECC */
    put(t, 4, mib >= 1u << 21 ? 0x80000000 : mib << 10);
    put(t, 2, 0xfffe);
    put(t, 2, devices);
    end(t);
    for (unsigned i = 0; i < devices; i++) {
        char name[16];
        uint32_t size = i + 1 < devices ? DEVICE_MIB : mib - i * DEVICE_MIB;

        format_string(name, sizeof name, "DIMM %u", i);
        begin(t, 17, HANDLE_ARRAY + 0x100 + i);
        put(t, 2, HANDLE_ARRAY);
        put(t, 2, 0xfffe);
        put(t, 2, 64);          /* total width */
        put(t, 2, 64);
        put(t, 2, size);
        put(t, 1, 9);           /* DIMM */
        put(t, 1, 0);
        put_text(t, name);
        put(t, 1, 0);
        put(t, 1, 7);           /* RAM */
        put(t, 2, 0);
        put(t, 2, 0);           /* speed */
        put(t, 4, 0);           /* maker, serial, tag, part */
        end(t);
    }
    begin(t, 19, HANDLE_ARRAY + 0x300);
    put(t, 4, 0);
    put(t, 4, (h->low_pages << 2) - 1);
    put(t, 2, HANDLE_ARRAY);
    put(t, 1, 1);
    end(t);
    if (h->high_end) {
        begin(t, 19, HANDLE_ARRAY + 0x301);
        put(t, 4, (uint32_t)(GIB4 >> 10));
        put(t, 4, (h->high_end << 2) - 1);
        put(t, 2, HANDLE_ARRAY);
        put(t, 1, 1);
        end(t);
    }
}

static void add_oem(Table *t)
{
    char key[32];
    const char *s;
    unsigned count = 0;

    begin(t, 11, 0xb00);
    put(t, 1, 0);
    for (unsigned i = 1; i < 100; i++) {
        format_string(key, sizeof key, "bios-strings/oem-%u", i);
        s = store_read(key);
        if (!s) {
            break;
        }
        put_text(t, s);
        t->used--;              /* only counted, not referred to */
        count = t->strings;
    }
    t->at[4] = count;
    if (count) {
        end(t);
    }
}

static void add_all(Table *t)
{
    unsigned mhz = xen_cpu_mhz();

    add_bios(t);
    add_system(t);
    add_board(t);
    add_chassis(t);
    for (unsigned i = 0; i < hvm_info()->nr_vcpus; i++) {
        add_processor(t, i, mhz);
    }
    add_oem(t);
    add_memory(t);
    begin(t, 32, 0x2000);
    put(t, 6, 0);
    put(t, 1, 0);               /* no errors detected */
    end(t);
    begin(t, 127, 0x7f00);
    end(t);
}

uint32_t smbios_build(void)
{
    static Table t;
    Entry *e = scratch_alloc(sizeof *e, 16);
    uint8_t *work = scratch_alloc(TABLE_SIZE, 16);
    uint32_t size;

    t.start = t.at = work;
    add_all(&t);
    size = t.at - t.start;
    memcpy(e->anchor, "_SM_", 4);
    e->length = sizeof *e;
    e->major = 2;
    e->minor = 4;
    e->max_size = t.largest;
    memcpy(e->dmi_anchor, "_DMI_", 5);
    e->table_length = size;
    e->table = (uint32_t)memcpy(mem_alloc(size, 16), work, size);
    e->count = t.count;
    e->bcd = 0x24;
    e->dmi_checksum = checksum(e->dmi_anchor, 15);
    e->checksum = checksum(e, sizeof *e);
    return (uint32_t)e;
}
