/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ide_disk.c - tests of ATA disks against ATA/ATAPI-6: task file, commands, PIO, resets.
 */
#include "tests/hw/ide_guest.h"
#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

static uint16_t word(const uint8_t *p, unsigned n) { return p[2 * n] | p[2 * n + 1] << 8; }

Test(ide_disk, signature_after_power_on_is_of_an_ata_device)
{
    IdeGuest *g = ide_guest_new();

    cr_assert_eq(fake_in8(g->f, PRI + R_STATUS), 0x50);
    cr_assert_eq(fake_in8(g->f, PRI + R_ERROR), 1);
    cr_assert_eq(fake_in8(g->f, PRI + R_COUNT), 1);
    cr_assert_eq(fake_in8(g->f, PRI + R_LOW), 1);
    cr_assert_eq(fake_in8(g->f, PRI + R_MID), 0);
    cr_assert_eq(fake_in8(g->f, PRI + R_HIGH), 0);
    ide_guest_free(g);
}

Test(ide_disk, identify_tells_capacity_and_raises_irq)
{
    IdeGuest *g = ide_guest_new();
    uint8_t id[512], sum = 0;

    fake_out8(g->f, PRI + R_DEVICE, 0xa0);
    ide_guest_command(g, PRI, 0xec);
    cr_assert(g->f->isa[14]);
    cr_assert_eq(fake_in8(g->f, PRI + R_STATUS), 0x58);
    cr_assert(!g->f->isa[14], "reading status acknowledges the interrupt");
    cr_assert_eq(ide_guest_pio_in(g, PRI, id, 512), 512);
    cr_assert_eq(word(id, 0), 0x0040);
    cr_assert_eq(word(id, 60) | word(id, 61) << 16, DISK_SECTORS);
    cr_assert_eq(word(id, 100), DISK_SECTORS);
    cr_assert_eq(word(id, 1), 4, "cylinders of 16 x 63");
    cr_assert(word(id, 49) & 0x0300, "LBA and DMA");
    for (unsigned i = 0; i < 512; i++)
        sum += id[i];
    cr_assert_eq(sum, 0, "integrity word");
    cr_assert_eq(fake_in8(g->f, PRI + R_STATUS), 0x50);
    ide_guest_free(g);
}

Test(ide_disk, read_sectors_by_lba28_lba48_and_chs_give_the_same_data)
{
    IdeGuest *g = ide_guest_new();
    uint8_t got[3 * 512], want[512];

    for (unsigned way = 0; way < 3; way++) {
        memset(got, 0, sizeof(got));
        if (way == 0) {
            ide_guest_lba28(g, 1100, 3, 0);
        } else if (way == 1) {
            ide_guest_lba48(g, 1100, 3);
        } else {                            /* 1100 = (1 * 16 + 1) * 63 + 29 */
            fake_out8(g->f, PRI + R_DEVICE, 0xa1);
            fake_out8(g->f, PRI + R_COUNT, 3);
            fake_out8(g->f, PRI + R_LOW, 30);
            fake_out8(g->f, PRI + R_MID, 1);
            fake_out8(g->f, PRI + R_HIGH, 0);
        }
        ide_guest_command(g, PRI, way == 1 ? 0x24 : 0x20);
        cr_assert_eq(ide_guest_pio_in(g, PRI, got, sizeof(got)), sizeof(got));
        for (unsigned i = 0; i < 3; i++) {
            ide_guest_fill(want, 1100 + i);
            cr_assert_arr_eq(got + 512 * i, want, 512, "way %u sector %u", way, i);
        }
        cr_assert_eq(fake_in8(g->f, PRI + R_STATUS), 0x50);
    }
    ide_guest_free(g);
}

Test(ide_disk, each_sector_of_a_pio_read_has_its_interrupt_and_multiple_has_one_a_block)
{
    IdeGuest *g = ide_guest_new();
    uint8_t buf[512];

    for (unsigned multiple = 1; multiple <= 8; multiple *= 8) {
        unsigned interrupts = 0;
        fake_out8(g->f, PRI + R_COUNT, multiple);
        ide_guest_command(g, PRI, 0xc6);
        fake_in8(g->f, PRI + R_STATUS);
        ide_guest_lba28(g, 0, 16, 0);
        ide_guest_command(g, PRI, 0xc4);
        while (fake_in8(g->f, PRI_CTL) & 8) {
            interrupts += g->f->isa[14];
            fake_in8(g->f, PRI + R_STATUS);
            for (unsigned i = 0; i < multiple; i++)
                io_read_many(&g->f->m.io, PRI, 2, buf, 256);
            ide_guest_wait(g, PRI);
        }
        cr_assert_eq(interrupts, 16 / multiple);
        cr_assert(!g->f->isa[14], "no interrupt after the last block");
    }
    ide_guest_free(g);
}

Test(ide_disk, string_input_moves_whole_blocks_at_once)
{
    IdeGuest *g = ide_guest_new();
    uint8_t buf[200 * 512], want[512];

    ide_guest_lba28(g, 7, 200, 0);
    ide_guest_command(g, PRI, 0x20);
    for (unsigned i = 0; i < 200; i++) {
        cr_assert_eq(ide_guest_wait(g, PRI), 0x58);
        io_read_many(&g->f->m.io, PRI, 4, buf + 512 * i, 128);
    }
    cr_assert_eq(fake_in8(g->f, PRI_CTL), 0x50);
    for (unsigned i = 0; i < 200; i++) {
        ide_guest_fill(want, 7 + i);
        cr_assert_arr_eq(buf + 512 * i, want, 512);
    }
    ide_guest_free(g);
}

Test(ide_disk, write_sectors_changes_exactly_those_sectors)
{
    IdeGuest *g = ide_guest_new();
    uint8_t data[4 * 512], got[4 * 512];

    for (unsigned i = 0; i < sizeof(data); i++)
        data[i] = i * 7 + 1;
    ide_guest_lba48(g, 4000, 4);
    cr_assert_eq(ide_guest_command(g, PRI, 0x34), 0x58);
    cr_assert(!g->f->isa[14], "no interrupt before the first block");
    for (unsigned i = 0; i < 4; i++) {
        io_write_many(&g->f->m.io, PRI, 2, data + 512 * i, 256);
        ide_guest_wait(g, PRI);
        cr_assert(g->f->isa[14]);
        cr_assert_eq(fake_in8(g->f, PRI + R_STATUS), i < 3 ? 0x58 : 0x50);
    }
    cr_assert_eq(pread(g->disk_fd, got, sizeof(got), 4000 * 512), (ssize_t)sizeof(got));
    cr_assert_arr_eq(got, data, sizeof(data));
    cr_assert(ide_guest_untouched(g, 4000, 4));
    ide_guest_free(g);
}

Test(ide_disk, write_multiple_ends_with_a_short_block)
{
    IdeGuest *g = ide_guest_new();
    uint8_t data[512] = { 0x5a };

    fake_out8(g->f, PRI + R_COUNT, 4);
    ide_guest_command(g, PRI, 0xc6);
    ide_guest_lba28(g, 10, 6, 0);
    ide_guest_command(g, PRI, 0xc5);
    for (unsigned i = 0; i < 4; i++)
        io_write_many(&g->f->m.io, PRI, 2, data, 256);
    cr_assert_eq(ide_guest_wait(g, PRI), 0x58);
    for (unsigned i = 0; i < 2; i++)
        io_write_many(&g->f->m.io, PRI, 2, data, 256);
    cr_assert_eq(ide_guest_wait(g, PRI), 0x50);
    cr_assert(ide_guest_untouched(g, 10, 6));
    cr_assert(!ide_guest_untouched(g, 10, 5));
    ide_guest_free(g);
}

Test(ide_disk, multiple_without_set_multiple_aborts)
{
    IdeGuest *g = ide_guest_new();

    ide_guest_lba28(g, 0, 1, 0);
    cr_assert_eq(ide_guest_command(g, PRI, 0xc4), 0x51);
    cr_assert_eq(fake_in8(g->f, PRI + R_ERROR), 0x04);
    ide_guest_free(g);
}

Test(ide_disk, hob_shows_the_previous_register_contents)
{
    IdeGuest *g = ide_guest_new();

    ide_guest_lba48(g, 0x123456789abcull, 0x1122);
    cr_assert_eq(fake_in8(g->f, PRI + R_LOW), 0xbc);
    fake_out8(g->f, PRI_CTL, 0x80);
    cr_assert_eq(fake_in8(g->f, PRI + R_COUNT), 0x11);
    cr_assert_eq(fake_in8(g->f, PRI + R_LOW), 0x56);
    cr_assert_eq(fake_in8(g->f, PRI + R_MID), 0x34);
    cr_assert_eq(fake_in8(g->f, PRI + R_HIGH), 0x12);
    fake_out8(g->f, PRI + R_FEATURE, 0);
    cr_assert_eq(fake_in8(g->f, PRI + R_COUNT), 0x22, "a register write clears HOB");
    ide_guest_free(g);
}

Test(ide_disk, absent_slave_reads_as_zeros_and_takes_no_commands)
{
    IdeGuest *g = ide_guest_new();

    fake_out8(g->f, PRI + R_DEVICE, 0xb0);
    fake_out8(g->f, PRI + R_COUNT, 0x55);
    cr_assert_eq(fake_in8(g->f, PRI + R_STATUS), 0);
    cr_assert_eq(fake_in8(g->f, PRI + R_COUNT), 0);
    fake_out8(g->f, PRI + R_COMMAND, 0xec);
    cr_assert_eq(fake_in8(g->f, PRI + R_STATUS), 0);
    cr_assert(!g->f->isa[14]);
    ide_guest_free(g);
}

Test(ide_disk, nien_holds_the_interrupt_back)
{
    IdeGuest *g = ide_guest_new();

    fake_out8(g->f, PRI_CTL, 2);
    fake_out8(g->f, PRI + R_DEVICE, 0xa0);
    ide_guest_command(g, PRI, 0xe7);
    cr_assert(!g->f->isa[14]);
    cr_assert_eq(fake_in8(g->f, BM0 + 2) & 4, 0);
    fake_out8(g->f, PRI_CTL, 0);
    cr_assert(g->f->isa[14]);
    cr_assert_eq(fake_in8(g->f, BM0 + 2) & 4, 4, "the bus master saw the wire rise");
    ide_guest_free(g);
}

Test(ide_disk, srst_is_busy_while_set_and_leaves_the_signature)
{
    IdeGuest *g = ide_guest_new();

    ide_guest_lba28(g, 5, 9, 0);
    fake_out8(g->f, PRI + R_COMMAND, 0x20);
    fake_out8(g->f, PRI_CTL, 4);
    cr_assert_eq(fake_in8(g->f, PRI_CTL), 0x80);
    fake_out8(g->f, PRI_CTL, 0);
    cr_assert_eq(fake_in8(g->f, PRI_CTL), 0x50);
    cr_assert_eq(fake_in8(g->f, PRI + R_LOW), 1);
    cr_assert_eq(fake_in8(g->f, PRI + R_COUNT), 1);
    cr_assert_eq(fake_in16(g->f, PRI), 0, "no data left of the old command");
    ide_guest_free(g);
}

Test(ide_disk, execute_diagnostic_selects_device_0_and_interrupts)
{
    IdeGuest *g = ide_guest_new();

    fake_out8(g->f, PRI + R_DEVICE, 0xb0);
    fake_out8(g->f, PRI + R_COMMAND, 0x90);
    cr_assert(g->f->isa[14]);
    cr_assert_eq(fake_in8(g->f, PRI + R_STATUS), 0x50);
    cr_assert_eq(fake_in8(g->f, PRI + R_ERROR), 1);
    cr_assert_eq(fake_in8(g->f, PRI + R_DEVICE) & 0x10, 0);
    ide_guest_free(g);
}

Test(ide_disk, initialize_device_parameters_changes_the_translation)
{
    IdeGuest *g = ide_guest_new();
    uint8_t buf[512], want[512];

    fake_out8(g->f, PRI + R_DEVICE, 0xa3);          /* 4 heads */
    fake_out8(g->f, PRI + R_COUNT, 10);
    cr_assert_eq(ide_guest_command(g, PRI, 0x91), 0x50);
    fake_out8(g->f, PRI + R_DEVICE, 0xa2);          /* cylinder 3, head 2, sector 5 */
    fake_out8(g->f, PRI + R_COUNT, 1);
    fake_out8(g->f, PRI + R_LOW, 5);
    fake_out8(g->f, PRI + R_MID, 3);
    fake_out8(g->f, PRI + R_HIGH, 0);
    ide_guest_command(g, PRI, 0x20);
    cr_assert_eq(ide_guest_pio_in(g, PRI, buf, 512), 512);
    ide_guest_fill(want, (3 * 4 + 2) * 10 + 4);
    cr_assert_arr_eq(buf, want, 512);
    fake_out8(g->f, PRI + R_LOW, 0);                /* there is no sector 0 */
    cr_assert_eq(ide_guest_command(g, PRI, 0x20), 0x51);
    cr_assert_eq(fake_in8(g->f, PRI + R_ERROR), 0x10);
    ide_guest_free(g);
}

Test(ide_disk, flush_read_native_max_and_check_power_end_well)
{
    IdeGuest *g = ide_guest_new();

    fake_out8(g->f, PRI + R_DEVICE, 0xe0);
    cr_assert_eq(ide_guest_command(g, PRI, 0xe7), 0x50);
    cr_assert_eq(ide_guest_command(g, PRI, 0xea), 0x50);
    cr_assert_eq(ide_guest_command(g, PRI, 0xe5), 0x50);
    cr_assert_eq(fake_in8(g->f, PRI + R_COUNT), 0xff);
    cr_assert_eq(ide_guest_command(g, PRI, 0xe0), 0x50);
    cr_assert_eq(ide_guest_command(g, PRI, 0xe5), 0x50);
    cr_assert_eq(fake_in8(g->f, PRI + R_COUNT), 0x00);
    cr_assert_eq(ide_guest_command(g, PRI, 0xf8), 0x50);
    cr_assert_eq(fake_in8(g->f, PRI + R_LOW) | fake_in8(g->f, PRI + R_MID) << 8, 4095);
    ide_guest_free(g);
}

Test(ide_disk, set_features_without_write_cache_flushes_behind_each_write)
{
    IdeGuest *g = ide_guest_new();
    uint8_t data[512] = { 1 };

    fake_out8(g->f, PRI + R_DEVICE, 0xe0);
    fake_out8(g->f, PRI + R_FEATURE, 0x82);
    cr_assert_eq(ide_guest_command(g, PRI, 0xef), 0x50);
    ide_guest_lba28(g, 3, 1, 0);
    ide_guest_command(g, PRI, 0x30);
    io_write_many(&g->f->m.io, PRI, 2, data, 256);
    cr_assert_eq(ide_guest_wait(g, PRI), 0x50);
    fake_out8(g->f, PRI + R_FEATURE, 0x03);
    fake_out8(g->f, PRI + R_COUNT, 0x45);
    cr_assert_eq(ide_guest_command(g, PRI, 0xef), 0x50);
    fake_out8(g->f, PRI + R_COUNT, 0x47);
    cr_assert_eq(ide_guest_command(g, PRI, 0xef), 0x51, "UDMA 7 is unknown");
    ide_guest_free(g);
}

Test(ide_disk, verify_reads_without_data)
{
    IdeGuest *g = ide_guest_new();

    ide_guest_lba48(g, 0, 4096);
    cr_assert_eq(ide_guest_command(g, PRI, 0x42), 0x50);
    ide_guest_lba48(g, 1, 4096);
    cr_assert_eq(ide_guest_command(g, PRI, 0x42), 0x51);
    ide_guest_free(g);
}

Test(ide_disk, read_only_image_refuses_writes)
{
    int fd = ide_guest_image(DISK_SECTORS);
    IdeGuest *g = ide_guest_new_with(ide_guest_open(fd, true), false, block_empty("cd"));

    g->disk_fd = fd;
    ide_guest_lba28(g, 0, 1, 0);
    cr_assert_eq(ide_guest_command(g, PRI, 0x30), 0x51);
    cr_assert_eq(fake_in8(g->f, PRI + R_ERROR), 0x04);
    cr_assert(ide_guest_untouched(g, 0, 0));
    ide_guest_free(g);
}

Test(ide_disk, image_that_shrank_gives_unc_with_the_bad_lba)
{
    IdeGuest *g = ide_guest_new();
    uint8_t buf[16 * 512];

    cr_assert_eq(ftruncate(g->disk_fd, 105 * 512), 0);
    ide_guest_lba28(g, 100, 16, 0);
    ide_guest_command(g, PRI, 0x20);
    cr_assert_eq(ide_guest_pio_in(g, PRI, buf, sizeof(buf)), 5 * 512, "the good ones come first");
    cr_assert_eq(fake_in8(g->f, PRI + R_STATUS), 0x51);
    cr_assert_eq(fake_in8(g->f, PRI + R_ERROR), 0x40);
    cr_assert_eq(fake_in8(g->f, PRI + R_LOW), 105);
    ide_guest_free(g);
}

Test(ide_disk, state_saved_amid_a_pio_read_goes_on_after_load)
{
    IdeGuest *g = ide_guest_new();
    g_autofree uint8_t *first = NULL, *second = NULL;
    uint8_t got[8 * 512], want[512];
    size_t len, again;

    ide_guest_lba28(g, 50, 8, 0);
    ide_guest_command(g, PRI, 0x20);
    io_read_many(&g->f->m.io, PRI, 2, got, 700);
    first = ide_guest_save(g, &len);
    machine_reset(&g->f->m);
    cr_assert(machine_load(&g->f->m, first, len, NULL));
    second = ide_guest_save(g, &again);
    cr_assert_eq(len, again);
    cr_assert_arr_eq(first, second, len);
    cr_assert_eq(ide_guest_pio_in(g, PRI, got + 1400, sizeof(got) - 1400), sizeof(got) - 1400);
    for (unsigned i = 0; i < 8; i++) {
        ide_guest_fill(want, 50 + i);
        cr_assert_arr_eq(got + 512 * i, want, 512);
    }
    ide_guest_free(g);
}

Test(ide_disk, reset_is_idempotent_and_gives_power_on_state)
{
    IdeGuest *g = ide_guest_new();
    g_autofree uint8_t *fresh = NULL, *once = NULL, *twice = NULL;
    size_t a, b, c;

    machine_reset(&g->f->m);
    fresh = ide_guest_save(g, &a);
    pci_bus_write(&g->f->bus, 9, 0x40, 4, 0x80008000);
    pci_bus_write(&g->f->bus, 9, 0x04, 2, 5);
    ide_guest_lba28(g, 50, 8, 0);
    ide_guest_command(g, PRI, 0x20);
    machine_reset(&g->f->m);
    once = ide_guest_save(g, &b);
    machine_reset(&g->f->m);
    twice = ide_guest_save(g, &c);
    cr_assert(a == b && b == c);
    cr_assert_arr_eq(fresh, once, a);
    cr_assert_arr_eq(once, twice, a);
    ide_guest_free(g);
}

Test(ide_disk, legacy_ports_follow_the_decode_enables)
{
    IdeGuest *g = ide_guest_new();

    pci_bus_write(&g->f->bus, 9, 0x42, 2, 0);
    cr_assert_eq(fake_in8(g->f, SEC + R_STATUS), 0xff);
    cr_assert_eq(fake_in8(g->f, PRI + R_STATUS), 0x50);
    pci_bus_write(&g->f->bus, 9, 0x42, 2, 0x8000);
    cr_assert_eq(fake_in8(g->f, SEC + R_STATUS), 0x00);
    pci_bus_write(&g->f->bus, 9, 0x04, 2, 4);
    cr_assert_eq(fake_in8(g->f, PRI + R_STATUS), 0xff);
    ide_guest_free(g);
}
