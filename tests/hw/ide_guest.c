/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ide_guest.c - see ide_guest.h. */
#include "tests/hw/ide_guest.h"
#include "hw/devices.h"
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void ide_guest_fill(uint8_t *sector, uint64_t lba)
{
    for (unsigned i = 0; i < 128; i++) {
        uint32_t word = (uint32_t)(lba * 0x9e3779b1u) ^ (i * 0x85ebca6bu);
        memcpy(sector + 4 * i, &word, 4);
    }
}

int ide_guest_image(uint64_t sectors)
{
    int fd = memfd_create("image", MFD_CLOEXEC);
    uint8_t sector[512];

    for (uint64_t i = 0; i < sectors; i++) {
        ide_guest_fill(sector, i);
        if (pwrite(fd, sector, 512, i * 512) != 512)
            return -1;
    }
    return fd;
}

BlockDev *ide_guest_open(int fd, bool read_only)
{
    BlockOptions options = { "test", read_only };

    return block_open_fd(dup(fd), &options, NULL);
}

IdeGuest *ide_guest_new_with(BlockDev *disk, bool disk_is_cd, BlockDev *cd)
{
    IdeGuest *g = g_new0(IdeGuest, 1);

    g->f = fake_machine_new();
    g->disk = disk;
    g->cd = cd;
    g->disk_fd = g->cd_fd = -1;
    g->ide = device_new(&g->f->m, &piix_ide_class);
    device_set_pointer(g->ide, "bus", &g->f->bus);
    device_set_u64(g->ide, "devfn", 9);
    device_set_pointer(g->ide, "hda", disk);
    device_set_u64(g->ide, "hda_cdrom", disk_is_cd);
    device_set_pointer(g->ide, "hdc", cd);
    device_set_u64(g->ide, "hdc_cdrom", 1);
    if (!device_init(g->ide, NULL))
        g_error("no IDE");
    pci_bus_write(&g->f->bus, 9, 0x40, 4, 0x80008000);
    pci_bus_write(&g->f->bus, 9, 0x20, 4, BM0);
    pci_bus_write(&g->f->bus, 9, 0x04, 2, 5);
    ide_guest_packet(g, (const uint8_t[12]){ 0x03, 0, 0, 0, 0 }, 2048, false);  /* power-on's */
    ide_guest_packet(g, (const uint8_t[12]){ 0x00 }, 2048, false);
    fake_out8(g->f, SEC + R_COMMAND, 0x08);
    fake_out8(g->f, PRI + R_DEVICE, 0);
    return g;
}

IdeGuest *ide_guest_new(void)
{
    int disk = ide_guest_image(DISK_SECTORS), cd = ide_guest_image(CD_BLOCKS * 4);
    IdeGuest *g = ide_guest_new_with(ide_guest_open(disk, false), false, ide_guest_open(cd, true));

    g->disk_fd = disk;
    g->cd_fd = cd;
    return g;
}

void ide_guest_free(IdeGuest *g)
{
    fake_machine_free(g->f);
    block_close(g->disk);
    block_close(g->cd);
    close(g->disk_fd);
    close(g->cd_fd);
    g_free(g);
}

uint8_t ide_guest_wait(IdeGuest *g, unsigned base)
{
    unsigned ctl = base == PRI ? PRI_CTL : SEC_CTL;
    gint64 end = g_get_monotonic_time() + 2 * G_USEC_PER_SEC;

    while ((fake_in8(g->f, ctl) & 0x80) && g_get_monotonic_time() < end)
        if (!g_main_context_iteration(NULL, FALSE))
            g_usleep(20);
    return fake_in8(g->f, ctl);
}

void ide_guest_settle(void)
{
    gint64 end = g_get_monotonic_time() + 30 * 1000, last = end + G_USEC_PER_SEC, now = 0;

    for (; now < end; now = g_get_monotonic_time())
        if (!g_main_context_iteration(NULL, FALSE))
            g_usleep(20);
        else
            end = MIN(g_get_monotonic_time() + 30 * 1000, last);
}

void ide_guest_lba28(IdeGuest *g, uint32_t lba, unsigned count, unsigned slave)
{
    fake_out8(g->f, PRI + R_DEVICE, 0xe0 | slave << 4 | (lba >> 24 & 15));
    fake_out8(g->f, PRI + R_COUNT, count);
    fake_out8(g->f, PRI + R_LOW, lba);
    fake_out8(g->f, PRI + R_MID, lba >> 8);
    fake_out8(g->f, PRI + R_HIGH, lba >> 16);
}

void ide_guest_lba48(IdeGuest *g, uint64_t lba, unsigned count)
{
    fake_out8(g->f, PRI + R_DEVICE, 0x40);
    fake_out8(g->f, PRI + R_COUNT, count >> 8);
    fake_out8(g->f, PRI + R_LOW, lba >> 24);
    fake_out8(g->f, PRI + R_MID, lba >> 32);
    fake_out8(g->f, PRI + R_HIGH, lba >> 40);
    fake_out8(g->f, PRI + R_COUNT, count);
    fake_out8(g->f, PRI + R_LOW, lba);
    fake_out8(g->f, PRI + R_MID, lba >> 8);
    fake_out8(g->f, PRI + R_HIGH, lba >> 16);
}

uint8_t ide_guest_command(IdeGuest *g, unsigned base, uint8_t opcode)
{
    fake_out8(g->f, base + R_COMMAND, opcode);
    return ide_guest_wait(g, base);
}

uint32_t ide_guest_pio_in(IdeGuest *g, unsigned base, void *buf, uint32_t max)
{
    uint32_t done = 0;

    while ((ide_guest_wait(g, base) & 0x88) == 0x08 && done + 2 <= max) {
        uint16_t word = fake_in16(g->f, base);
        memcpy((uint8_t *)buf + done, &word, 2);
        done += 2;
    }
    return done;
}

void ide_guest_prd(IdeGuest *g, uint32_t table, unsigned index, uint32_t addr, uint32_t len,
                   bool last)
{
    uint32_t prd[2] = { addr, (len & 0xffff) | (last ? 0x80000000u : 0) };

    memcpy(g->f->ram + table + 8 * index, prd, 8);
}

void ide_guest_start(IdeGuest *g, unsigned bm, uint32_t table, bool to_memory)
{
    fake_out8(g->f, bm, 0);
    fake_out32(g->f, bm + 4, table);
    fake_out8(g->f, bm + 2, 0x66);
    fake_out8(g->f, bm, (to_memory ? 8 : 0) | 1);
}

uint8_t ide_guest_packet(IdeGuest *g, const uint8_t cdb[12], unsigned limit, bool dma)
{
    fake_out8(g->f, SEC + R_DEVICE, 0xa0);
    fake_out8(g->f, SEC + R_FEATURE, dma);
    fake_out8(g->f, SEC + R_MID, limit);
    fake_out8(g->f, SEC + R_HIGH, limit >> 8);
    ide_guest_command(g, SEC, 0xa0);
    for (unsigned i = 0; i < 12; i += 2)
        fake_out16(g->f, SEC, cdb[i] | cdb[i + 1] << 8);
    return dma ? fake_in8(g->f, SEC_CTL) : ide_guest_wait(g, SEC);
}

uint32_t ide_guest_packet_in(IdeGuest *g, const uint8_t cdb[12], void *buf, uint32_t max)
{
    ide_guest_packet(g, cdb, 2048, false);
    return ide_guest_pio_in(g, SEC, buf, max);
}

bool ide_guest_untouched(IdeGuest *g, uint64_t first, uint64_t count)
{
    uint8_t want[512], got[512];

    for (uint64_t i = 0; i < DISK_SECTORS; i++) {
        if (i >= first && i < first + count)
            continue;
        ide_guest_fill(want, i);
        if (pread(g->disk_fd, got, 512, i * 512) != 512 || memcmp(want, got, 512))
            return false;
    }
    return true;
}

uint8_t *ide_guest_save(IdeGuest *g, size_t *len)
{
    GByteArray *out = g_byte_array_new();

    machine_save(&g->f->m, out);
    *len = out->len;
    return g_byte_array_free(out, FALSE);
}
