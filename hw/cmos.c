/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmos.c - battery-backed CMOS RAM from index 14 up (the clock below is the hypervisor's, which
 * forwards only what is not its own).  Holds what firmware looks for: equipment, floppy types, boot
 * order; hvmloader writes the memory sizes, a BIOS the shutdown status.  Reset leaves the bytes, as
 * the battery does.
 */
#include "hw/chipset.h"
#include "hw/devices.h"
#include "pc_layout.h"
#include <string.h>

#define CMOS_BYTES 128

enum { EQUIPMENT_FPU = 0x02, EQUIPMENT_MOUSE = 0x04, EQUIPMENT_FLOPPIES = 0xc1 };

enum { CMOS_FLOPPIES = 0x10, CMOS_EQUIPMENT = 0x14, CMOS_BASE_KB = 0x15, CMOS_CHECKSUM = 0x2e,
       CMOS_CENTURY = 0x32, CMOS_CENTURY_PS2 = 0x37, CMOS_BOOT_THIRD = 0x38,
       CMOS_BOOT_FIRST = 0x3d, CMOS_CPUS = 0x5f };

typedef struct Cmos {
    Device dev;
    char *boot;                 /* letters of the boot order, at most three count */
    uint32_t floppies;          /* type of drive A << 4 | type of drive B, as in index 10h */
    uint32_t vcpus;
    uint8_t index;
    uint8_t bytes[CMOS_BYTES];
} Cmos;

static uint64_t cmos_read(void *opaque, uint64_t offset, unsigned width)
{
    Cmos *c = opaque;

    (void)width;
    if (offset == 0 || c->index < CMOS_HYPERVISOR_BYTES)
        return 0xff;
    return c->bytes[c->index];
}

static void cmos_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    Cmos *c = opaque;

    (void)width;
    if (offset == 0)
        c->index = value & (CMOS_BYTES - 1);
    else if (c->index >= CMOS_HYPERVISOR_BYTES)
        c->bytes[c->index] = value;
}

static const IoOps cmos_ops = { .read = cmos_read, .write = cmos_write, .widths = IO_8 };

void cmos_set(Device *cmos, unsigned index, uint8_t value)
{
    if (index >= CMOS_HYPERVISOR_BYTES && index < CMOS_BYTES)
        ((Cmos *)cmos)->bytes[index] = value;
}

uint8_t cmos_get(const Device *cmos, unsigned index)
{
    return index < CMOS_BYTES ? ((const Cmos *)cmos)->bytes[index] : 0xff;
}

static uint8_t cmos_boot_code(char letter)
{
    switch (letter) {
    case 'a': case 'b': return 1;
    case 'c': return 2;
    case 'd': return 3;
    case 'n': return 4;
    default: return 0;
    }
}

static void cmos_sum(Cmos *c)
{
    uint16_t sum = 0;

    for (unsigned i = CMOS_FLOPPIES; i < CMOS_CHECKSUM; i++)
        sum += c->bytes[i];
    c->bytes[CMOS_CHECKSUM] = sum >> 8;
    c->bytes[CMOS_CHECKSUM + 1] = sum;
}

void cmos_set_floppies(Device *cmos, unsigned a, unsigned b)
{
    Cmos *c = (Cmos *)cmos;
    unsigned drives = !!a + !!b;

    c->bytes[CMOS_FLOPPIES] = a << 4 | b;
    c->bytes[CMOS_EQUIPMENT] &= ~EQUIPMENT_FLOPPIES;
    c->bytes[CMOS_EQUIPMENT] |= drives ? 1 | (drives - 1) << 6 : 0;
    cmos_sum(c);
}

static void cmos_fill(Cmos *c)
{
    uint8_t boot[3] = { 0 };
    g_autoptr(GDateTime) now =
        g_date_time_new_from_unix_utc(c->dev.machine->host->wall_clock(c->dev.machine));
    unsigned century = now ? g_date_time_get_year(now) / 100 : 20;

    for (unsigned i = 0; i < 3 && c->boot && c->boot[i]; i++)
        boot[i] = cmos_boot_code(c->boot[i]);
    c->bytes[CMOS_EQUIPMENT] = EQUIPMENT_FPU | EQUIPMENT_MOUSE;
    c->bytes[CMOS_BASE_KB] = 640 & 0xff;
    c->bytes[CMOS_BASE_KB + 1] = 640 >> 8;
    c->bytes[CMOS_BOOT_FIRST] = boot[1] << 4 | boot[0];
    c->bytes[CMOS_BOOT_THIRD] = boot[2] << 4;
    c->bytes[CMOS_CPUS] = c->vcpus ? c->vcpus - 1 : 0;
    cmos_set_floppies(&c->dev, c->floppies >> 4 & 15, c->floppies & 15);
    c->bytes[CMOS_CENTURY] = c->bytes[CMOS_CENTURY_PS2] = century / 10 % 10 << 4 | century % 10;
}

static bool cmos_init(Device *dev, GError **error)
{
    cmos_fill((Cmos *)dev);
    return io_claim(dev, IO_PORT, PORT_CMOS_INDEX, 2, &cmos_ops, error);
}

static void cmos_reset(Device *dev)
{
    ((Cmos *)dev)->index = 0;
}

static const ConfigField cmos_config[] = {
    CONFIG_FIELD(Cmos, boot, CONFIG_STRING, "cd", "boot order, letters of a b c d n"),
    CONFIG_FIELD(Cmos, floppies, CONFIG_U32, "0", "CMOS floppy type byte, 4 is 1.44 MB"),
    CONFIG_FIELD(Cmos, vcpus, CONFIG_U32, "1", "number of vCPUs"),
    CONFIG_END
};
static const StateField cmos_state[] = {
    STATE_U8_MAX(Cmos, index, CMOS_BYTES - 1),
    STATE_BYTES(Cmos, bytes),
    STATE_END
};

const DeviceClass cmos_class = {
    .name = "cmos", .summary = "CMOS RAM above the clock", .size = sizeof(Cmos), .version = 1,
    .config = cmos_config, .state = cmos_state, .init = cmos_init, .reset = cmos_reset,
};
