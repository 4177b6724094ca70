/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ide_dma.c - tests of the bus master: descriptor tables of every shape, stop, resets, errors.
 */
#include "tests/hw/ide_guest.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TABLE = 0x8000, DATA = 0x100000 };

static void want_sectors(const uint8_t *got, uint64_t lba, uint32_t count)
{
    uint8_t want[512];

    for (uint32_t i = 0; i < count; i++) {
        ide_guest_fill(want, lba + i);
        cr_assert_arr_eq(got + 512 * i, want, 512, "sector %u", (unsigned)(lba + i));
    }
}

static void read_dma(IdeGuest *g, uint64_t lba, unsigned count)
{
    ide_guest_lba48(g, lba, count);
    fake_out8(g->f, PRI + R_COMMAND, 0x25);
    ide_guest_start(g, BM0, TABLE, true);
    ide_guest_wait(g, PRI);
}

Test(ide_dma, equal_table_ends_inactive_with_interrupt)
{
    IdeGuest *g = ide_guest_new();

    ide_guest_prd(g, TABLE, 0, DATA, 0, false);
    ide_guest_prd(g, TABLE, 1, DATA + 0x10000, 0x10000 - 1024, true);
    read_dma(g, 1000, 254);
    cr_assert_eq(fake_in8(g->f, BM0 + 2), 0x64);
    cr_assert(g->f->isa[14]);
    cr_assert_eq(fake_in8(g->f, PRI + R_STATUS), 0x50);
    want_sectors(g->f->ram + DATA, 1000, 254);
    cr_assert_eq(g->f->written_bytes, 254 * 512);
    ide_guest_free(g);
}

Test(ide_dma, longer_table_stays_active_with_interrupt)
{
    IdeGuest *g = ide_guest_new();

    ide_guest_prd(g, TABLE, 0, DATA, 0, true);
    read_dma(g, 0, 8);
    cr_assert_eq(fake_in8(g->f, BM0 + 2), 0x65);
    want_sectors(g->f->ram + DATA, 0, 8);
    cr_assert_eq(g->f->ram[DATA + 8 * 512], 0, "nothing past the transfer");
    fake_out8(g->f, BM0, 0);
    cr_assert_eq(fake_in8(g->f, BM0 + 2), 0x64);
    ide_guest_free(g);
}

Test(ide_dma, shorter_table_stops_without_interrupt_and_a_second_one_goes_on)
{
    IdeGuest *g = ide_guest_new();

    ide_guest_prd(g, TABLE, 0, DATA, 3 * 512, true);
    ide_guest_lba48(g, 40, 8);
    fake_out8(g->f, PRI + R_COMMAND, 0x25);
    ide_guest_start(g, BM0, TABLE, true);
    ide_guest_settle();
    cr_assert_eq(fake_in8(g->f, BM0 + 2), 0x60);
    cr_assert(!g->f->isa[14]);
    cr_assert(fake_in8(g->f, PRI_CTL) & 0x80, "the drive waits for the rest");
    want_sectors(g->f->ram + DATA, 40, 3);
    ide_guest_prd(g, TABLE, 0, DATA + 3 * 512, 5 * 512, true);
    ide_guest_start(g, BM0, TABLE, true);
    cr_assert_eq(ide_guest_wait(g, PRI), 0x50);
    want_sectors(g->f->ram + DATA, 40, 8);
    ide_guest_free(g);
}

Test(ide_dma, regions_of_odd_sizes_join_to_whole_sectors)
{
    IdeGuest *g = ide_guest_new();
    static const uint16_t sizes[] = { 2, 510, 1000, 24, 4000, 2656 };
    uint8_t got[8192];
    unsigned done = 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++)
        ide_guest_prd(g, TABLE, i, DATA + 0x2000 * i + 6, sizes[i], i == 5);
    read_dma(g, 77, 16);
    cr_assert_eq(fake_in8(g->f, BM0 + 2), 0x64);
    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        memcpy(got + done, g->f->ram + DATA + 0x2000 * i + 6, sizes[i]);
        done += sizes[i];
    }
    cr_assert_eq(done, sizeof(got));
    want_sectors(got, 77, 16);
    ide_guest_free(g);
}

Test(ide_dma, write_dma_changes_exactly_those_sectors)
{
    IdeGuest *g = ide_guest_new();
    uint8_t got[6 * 512];

    memset(g->f->ram + DATA, 0x77, sizeof(got));
    ide_guest_prd(g, TABLE, 0, DATA, 1000, false);
    ide_guest_prd(g, TABLE, 1, DATA + 1000, sizeof(got) - 1000, true);
    ide_guest_lba28(g, 500, 6, 0);
    fake_out8(g->f, PRI + R_COMMAND, 0xca);
    ide_guest_start(g, BM0, TABLE, false);
    cr_assert_eq(ide_guest_wait(g, PRI), 0x50);
    cr_assert_eq(fake_in8(g->f, BM0 + 2), 0x64);
    cr_assert_eq(pread(g->disk_fd, got, sizeof(got), 500 * 512), (ssize_t)sizeof(got));
    cr_assert_arr_eq(got, g->f->ram + DATA, sizeof(got));
    cr_assert(ide_guest_untouched(g, 500, 6));
    cr_assert_eq(g->f->written_bytes, 0, "nothing was written to memory");
    ide_guest_free(g);
}

Test(ide_dma, fua_write_ends_after_its_flush)
{
    IdeGuest *g = ide_guest_new();

    ide_guest_prd(g, TABLE, 0, DATA, 512, true);
    ide_guest_lba48(g, 9, 1);
    fake_out8(g->f, PRI + R_COMMAND, 0x3d);
    ide_guest_start(g, BM0, TABLE, false);
    cr_assert_eq(ide_guest_wait(g, PRI), 0x50);
    cr_assert(ide_guest_untouched(g, 9, 1));
    ide_guest_free(g);
}

Test(ide_dma, engine_started_before_the_command_waits_for_it)
{
    IdeGuest *g = ide_guest_new();

    ide_guest_prd(g, TABLE, 0, DATA, 512, true);
    ide_guest_start(g, BM0, TABLE, true);
    ide_guest_lba28(g, 21, 1, 0);
    cr_assert_eq(ide_guest_command(g, PRI, 0xc8), 0x50);
    want_sectors(g->f->ram + DATA, 21, 1);
    ide_guest_free(g);
}

Test(ide_dma, nothing_moves_until_bus_mastering_is_enabled)
{
    IdeGuest *g = ide_guest_new();

    pci_bus_write(&g->f->bus, 9, 4, 2, 1);
    ide_guest_prd(g, TABLE, 0, DATA, 512, true);
    ide_guest_lba28(g, 21, 1, 0);
    fake_out8(g->f, PRI + R_COMMAND, 0xc8);
    ide_guest_start(g, BM0, TABLE, true);
    ide_guest_settle();
    cr_assert(fake_in8(g->f, PRI_CTL) & 0x80);
    pci_bus_write(&g->f->bus, 9, 4, 2, 5);
    cr_assert_eq(ide_guest_wait(g, PRI), 0x50);
    want_sectors(g->f->ram + DATA, 21, 1);
    ide_guest_free(g);
}

Test(ide_dma, regions_outside_ram_swallow_data_and_read_as_ones)
{
    IdeGuest *g = ide_guest_new();
    uint8_t got[1024];

    ide_guest_prd(g, TABLE, 0, 0xf0000000, 512, false);
    ide_guest_prd(g, TABLE, 1, DATA, 512, true);
    read_dma(g, 5, 2);
    want_sectors(g->f->ram + DATA, 6, 1);
    ide_guest_lba28(g, 5, 2, 0);
    fake_out8(g->f, PRI + R_COMMAND, 0xca);
    ide_guest_start(g, BM0, TABLE, false);
    cr_assert_eq(ide_guest_wait(g, PRI), 0x50);
    cr_assert_eq(pread(g->disk_fd, got, 1024, 5 * 512), 1024);
    for (unsigned i = 0; i < 512; i++)
        cr_assert_eq(got[i], 0xff);
    want_sectors(got + 512, 6, 1);
    ide_guest_free(g);
}

Test(ide_dma, table_outside_ram_is_a_bus_error)
{
    IdeGuest *g = ide_guest_new();

    ide_guest_lba28(g, 0, 1, 0);
    fake_out8(g->f, PRI + R_COMMAND, 0xc8);
    ide_guest_start(g, BM0, 0xf0000000, true);
    cr_assert_eq(fake_in8(g->f, BM0 + 2), 0x62);
    fake_out8(g->f, BM0 + 2, 0x62);
    cr_assert_eq(fake_in8(g->f, BM0 + 2), 0x60);
    ide_guest_free(g);
}

Test(ide_dma, stop_waits_for_what_is_in_flight)
{
    IdeGuest *g = ide_guest_new();
    uint8_t before[4096];

    ide_guest_prd(g, TABLE, 0, DATA, 0, true);
    ide_guest_lba28(g, 0, 128, 0);
    fake_out8(g->f, PRI + R_COMMAND, 0xc8);
    ide_guest_start(g, BM0, TABLE, true);
    fake_out8(g->f, BM0, 8);
    cr_assert_eq(fake_in8(g->f, BM0 + 2) & 1, 0);
    memset(g->f->ram + DATA, 0x11, sizeof(before));
    memset(before, 0x11, sizeof(before));
    ide_guest_settle();
    cr_assert_arr_eq(g->f->ram + DATA, before, sizeof(before));
    ide_guest_free(g);
}

Test(ide_dma, table_that_ends_inside_a_sector_moves_whole_sectors_only)
{
    IdeGuest *g = ide_guest_new();
    uint8_t zero[512] = { 0 };

    ide_guest_prd(g, TABLE, 0, DATA, 700, true);
    ide_guest_lba28(g, 30, 2, 0);
    fake_out8(g->f, PRI + R_COMMAND, 0xc8);
    ide_guest_start(g, BM0, TABLE, true);
    ide_guest_settle();
    cr_assert_eq(fake_in8(g->f, BM0 + 2), 0x60);
    cr_assert_eq(fake_in8(g->f, PRI_CTL) & 0x81, 0x80, "the drive still waits");
    want_sectors(g->f->ram + DATA, 30, 1);
    cr_assert_arr_eq(g->f->ram + DATA + 512, zero, 512);
    ide_guest_free(g);
}

Test(ide_dma, state_saved_between_two_tables_goes_on_after_load)
{
    IdeGuest *g = ide_guest_new();
    g_autofree uint8_t *state = NULL;
    size_t len;

    ide_guest_prd(g, TABLE, 0, DATA, 3 * 512, true);
    ide_guest_lba48(g, 40, 8);
    fake_out8(g->f, PRI + R_COMMAND, 0x25);
    ide_guest_start(g, BM0, TABLE, true);
    state = ide_guest_save(g, &len);
    machine_reset(&g->f->m);
    cr_assert(machine_load(&g->f->m, state, len, NULL));
    ide_guest_prd(g, TABLE, 0, DATA + 3 * 512, 5 * 512, true);
    ide_guest_start(g, BM0, TABLE, true);
    cr_assert_eq(ide_guest_wait(g, PRI), 0x50);
    want_sectors(g->f->ram + DATA, 40, 8);
    ide_guest_free(g);
}

/* A disk whose requests really take time: no page cache. */
static IdeGuest *slow_guest(char path[64])
{
    uint8_t *sectors = g_malloc(DISK_SECTORS * 512);
    int fd;

    for (unsigned i = 0; i < DISK_SECTORS; i++)
        ide_guest_fill(sectors + 512 * i, i);
    strcpy(path, "/var/tmp/gh-ide-XXXXXX");
    fd = mkstemp(path);
    cr_assert_eq(write(fd, sectors, DISK_SECTORS * 512), (ssize_t)DISK_SECTORS * 512);
    fsync(fd);
    close(fd);
    g_free(sectors);
    fd = open(path, O_RDWR | O_DIRECT);
    if (fd < 0)
        return NULL;
    IdeGuest *g = ide_guest_new_with(ide_guest_open(fd, false), false, block_empty("cd"));
    close(fd);
    return g;
}

/* After reset or stop the guest owns the memory again, whatever was in flight. */
Test(ide_dma, nothing_lands_in_memory_after_reset_or_stop, .timeout = 60)
{
    char path[64];
    IdeGuest *g = slow_guest(path);
    uint8_t mark[4096];

    unlink(path);
    if (!g)
        cr_skip_test("no O_DIRECT here");
    memset(mark, 0x11, sizeof(mark));
    for (unsigned round = 0; round < 60; round++) {
        ide_guest_prd(g, TABLE, 0, DATA, 0, true);
        ide_guest_lba28(g, round * 8, 128, 0);
        fake_out8(g->f, PRI + R_COMMAND, 0xc8);
        ide_guest_start(g, BM0, TABLE, true);
        if (round & 1) {
            fake_out8(g->f, BM0, 8);
        } else {
            fake_out8(g->f, PRI_CTL, 4);
            fake_out8(g->f, PRI_CTL, 0);
        }
        memset(g->f->ram + DATA, 0x11, 65536);
        g_usleep(2000);
        for (int i = 0; i < 10; i++)
            g_main_context_iteration(NULL, FALSE);
        for (unsigned i = 0; i < 65536; i += sizeof(mark))
            cr_assert_arr_eq(g->f->ram + DATA + i, mark, sizeof(mark), "round %u", round);
        fake_out8(g->f, PRI_CTL, 4);
        fake_out8(g->f, PRI_CTL, 0);
    }
    ide_guest_free(g);
}

static uint8_t write_one(IdeGuest *g, uint8_t opcode)
{
    ide_guest_prd(g, TABLE, 0, DATA, 512, true);
    ide_guest_lba48(g, 3, 1);
    fake_out8(g->f, PRI + R_COMMAND, opcode);
    ide_guest_start(g, BM0, TABLE, false);
    return ide_guest_wait(g, PRI);
}

/* With a disk that can't flush one sees which commands wait for a flush. */
Test(ide_dma, flush_fua_and_uncached_writes_end_only_after_fdatasync)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    IdeGuest *g;

    seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(io_setup), 0);
    seccomp_rule_add(filter, SCMP_ACT_ERRNO(EIO), SCMP_SYS(fdatasync), 0);
    cr_assert_eq(seccomp_load(filter), 0);
    seccomp_release(filter);
    g = ide_guest_new();
    cr_assert_eq(write_one(g, 0x35), 0x50);
    cr_assert_eq(write_one(g, 0x3d), 0x71, "FUA");
    cr_assert_eq(ide_guest_command(g, PRI, 0xe7), 0x71, "FLUSH CACHE");
    fake_out8(g->f, PRI + R_FEATURE, 0x82);
    ide_guest_command(g, PRI, 0xef);
    cr_assert_eq(write_one(g, 0x35), 0x71, "write cache off");
    ide_guest_free(g);
}

Test(ide_dma, failed_read_reports_unc)
{
    IdeGuest *g = ide_guest_new();

    cr_assert_eq(ftruncate(g->disk_fd, 512), 0);
    ide_guest_prd(g, TABLE, 0, DATA, 1024, true);
    read_dma(g, 100, 2);
    cr_assert_eq(fake_in8(g->f, PRI + R_STATUS), 0x51);
    cr_assert_eq(fake_in8(g->f, PRI + R_ERROR), 0x40);
    cr_assert_eq(fake_in8(g->f, PRI + R_LOW), 100);
    cr_assert(g->f->isa_edges[14] > 0);
    ide_guest_free(g);
}

Test(ide_dma, trim_punches_the_ranges)
{
    IdeGuest *g = ide_guest_new();
    uint64_t ranges[64] = { 100 | 8ull << 48, 0, 200 | 16ull << 48 };
    uint8_t got[512];

    memcpy(g->f->ram + DATA, ranges, 512);
    ide_guest_prd(g, TABLE, 0, DATA, 512, true);
    ide_guest_lba48(g, 0, 1);
    fake_out8(g->f, PRI + R_FEATURE, 1);
    fake_out8(g->f, PRI + R_COMMAND, 0x06);
    ide_guest_start(g, BM0, TABLE, false);
    cr_assert_eq(ide_guest_wait(g, PRI), 0x50);
    cr_assert_eq(pread(g->disk_fd, got, 512, 207 * 512), 512);
    for (unsigned i = 0; i < 512; i++)
        cr_assert_eq(got[i], 0);
    cr_assert(!ide_guest_untouched(g, 100, 8));
    ide_guest_free(g);
}

Test(ide_dma, save_while_a_transfer_is_in_flight_ends_it_first)
{
    IdeGuest *g = ide_guest_new();
    g_autofree uint8_t *state = NULL;
    size_t len;

    ide_guest_prd(g, TABLE, 0, DATA, 0, true);
    ide_guest_lba28(g, 0, 128, 0);
    fake_out8(g->f, PRI + R_COMMAND, 0xc8);
    ide_guest_start(g, BM0, TABLE, true);
    state = ide_guest_save(g, &len);
    cr_assert_eq(fake_in8(g->f, PRI_CTL), 0x50);
    want_sectors(g->f->ram + DATA, 0, 128);
    machine_reset(&g->f->m);
    cr_assert(machine_load(&g->f->m, state, len, NULL));
    cr_assert(g->f->isa[14], "the interrupt line is driven after load");
    ide_guest_free(g);
}

/* Bytes of the file that change behind the drive's back are not noticed if they had been read ahead. */
static bool reads_ahead(IdeGuest *g, const char *path, uint64_t lba)
{
    g_autofree uint8_t *raw = g_malloc0(8192);
    uint8_t *page = (uint8_t *)(((uintptr_t)raw + 4095) & ~(uintptr_t)4095), want[512];
    int fd = open(path, O_RDWR | O_DIRECT);

    read_dma(g, lba, 8);
    read_dma(g, lba + 8, 8);
    g_usleep(50000);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    cr_assert_eq(pwrite(fd, page, 4096, (lba + 16) * 512), 4096);
    close(fd);
    read_dma(g, lba + 16, 8);
    ide_guest_fill(want, lba + 16);
    return !memcmp(g->f->ram + DATA, want, 512);
}

Test(ide_dma, reads_in_a_row_are_read_ahead_while_look_ahead_is_on)
{
    char path[] = "/var/tmp/gh-ide-XXXXXX";
    int fd = mkstemp(path), direct;
    uint8_t sector[512];
    IdeGuest *g;

    for (uint64_t i = 0; i < DISK_SECTORS; i++) {
        ide_guest_fill(sector, i);
        cr_assert_eq(write(fd, sector, 512), 512);
    }
    fsync(fd);
    direct = open(path, O_RDWR | O_DIRECT);
    close(fd);
    if (direct < 0) {
        unlink(path);
        cr_skip_test("no O_DIRECT in /var/tmp");
    }
    g = ide_guest_new_with(ide_guest_open(direct, false), false, block_empty("cd"));
    ide_guest_prd(g, TABLE, 0, DATA, 4096, true);
    cr_assert(reads_ahead(g, path, 0));
    fake_out8(g->f, PRI + R_FEATURE, 0x55);
    cr_assert_eq(ide_guest_command(g, PRI, 0xef), 0x50);
    cr_assert_not(reads_ahead(g, path, 1000));
    fake_out8(g->f, PRI + R_FEATURE, 0xaa);
    cr_assert_eq(ide_guest_command(g, PRI, 0xef), 0x50);
    cr_assert(reads_ahead(g, path, 2000));
    ide_guest_free(g);
    close(direct);
    unlink(path);
}
