/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ide_features.c - tests of what an ATA disk does besides moving sectors, against ATA/ATAPI-7: power
 * modes, host protected area, SMART, buffers, settings over resets, the optional commands it lacks.
 */
#include "tests/hw/ide_guest.h"
#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

static uint16_t word(const uint8_t *p, unsigned n) { return p[2 * n] | p[2 * n + 1] << 8; }
static uint32_t dword(const uint8_t *p, unsigned n) { return word(p, n) | word(p, n + 1) << 16; }

static uint8_t error_of(IdeGuest *g) { return fake_in8(g->f, PRI + R_ERROR); }

static void identify(IdeGuest *g, uint8_t *id)
{
    fake_out8(g->f, PRI + R_DEVICE, 0xa0);
    ide_guest_command(g, PRI, 0xec);
    cr_assert_eq(ide_guest_pio_in(g, PRI, id, 512), 512);
}

static unsigned power_mode(IdeGuest *g)
{
    cr_assert_eq(ide_guest_command(g, PRI, 0xe5), 0x50);
    return fake_in8(g->f, PRI + R_COUNT);
}

static uint8_t smart(IdeGuest *g, uint8_t feature, uint8_t count, uint8_t low)
{
    fake_out8(g->f, PRI + R_DEVICE, 0xa0);
    fake_out8(g->f, PRI + R_FEATURE, feature);
    fake_out8(g->f, PRI + R_COUNT, count);
    fake_out8(g->f, PRI + R_LOW, low);
    fake_out8(g->f, PRI + R_MID, 0x4f);
    fake_out8(g->f, PRI + R_HIGH, 0xc2);
    return ide_guest_command(g, PRI, 0xb0);
}

static void smart_page(IdeGuest *g, uint8_t feature, uint8_t low, uint8_t *page)
{
    uint8_t sum = 0;

    cr_assert_eq(smart(g, feature, 1, low), 0x58);
    cr_assert_eq(ide_guest_pio_in(g, PRI, page, 512), 512);
    for (unsigned i = 0; i < 512; i++)
        sum += page[i];
    cr_assert_eq(sum, 0, "checksum of page %x/%x", feature, low);
}

static uint64_t attribute(IdeGuest *g, unsigned id)
{
    uint8_t page[512];

    smart_page(g, 0xd0, 0, page);
    for (const uint8_t *p = page + 2; p < page + 362; p += 12)
        if (p[0] == id)
            return p[5] | p[6] << 8 | p[7] << 16 | (uint64_t)p[8] << 24;
    return UINT64_MAX;
}

/* Moves guest time on until no self-test runs. */
static unsigned finish_test(IdeGuest *g)
{
    uint8_t page[512];

    for (unsigned i = 0; i < 2000; i++) {
        fake_advance(g->f, 3 * NS_PER_MS);
        while (g_main_context_iteration(NULL, FALSE)) {
        }
        smart_page(g, 0xd0, 0, page);
        if (page[363] >> 4 != 15 && page[362] != 3)
            return page[363];
        g_usleep(50);
    }
    return 0xff;
}

Test(ide_features, identify_words_tell_what_works)
{
    IdeGuest *g = ide_guest_new();
    uint8_t id[512];

    identify(g, id);
    cr_assert_eq(word(id, 82), 0x7469);
    cr_assert_eq(word(id, 85), 0x7469);
    cr_assert_eq(word(id, 84) & 3, 3, "error log and self-test");
    cr_assert_eq(word(id, 128), 0, "no security");
    cr_assert_eq((word(id, 82) | word(id, 85)) & 2, 0, "nor in the lists of what there is and is on");
    cr_assert_eq(word(id, 83), 0x7400, "flushes and 48 bits; no SET MAX security, APM, DCO, acoustics");
    cr_assert_eq(word(id, 86), word(id, 83) & 0x3fff);
    cr_assert_eq(word(id, 87), word(id, 84));
    for (unsigned i = 89; i <= 92; i++) {
        cr_assert_eq(word(id, i), 0, "erase times, APM level, master password: word %u", i);
    }
    cr_assert(word(id, 49) & 0x2000, "standard standby timer");
    smart(g, 0xd9, 0, 0);
    fake_out8(g->f, PRI + R_FEATURE, 0x82);
    ide_guest_command(g, PRI, 0xef);
    identify(g, id);
    cr_assert_eq(word(id, 85), 0x7448, "neither SMART nor the write cache are on");
    ide_guest_free(g);
}

Test(ide_features, power_modes_follow_the_commands)
{
    IdeGuest *g = ide_guest_new();
    uint8_t sector[512];

    fake_out8(g->f, PRI + R_DEVICE, 0xe0);
    cr_assert_eq(power_mode(g), 0xff);
    cr_assert_eq(ide_guest_command(g, PRI, 0xe1), 0x50);
    cr_assert_eq(power_mode(g), 0x80);
    cr_assert_eq(ide_guest_command(g, PRI, 0xe0), 0x50);
    cr_assert_eq(power_mode(g), 0x00);
    ide_guest_lba28(g, 5, 1, 0);
    ide_guest_command(g, PRI, 0x20);
    cr_assert_eq(ide_guest_pio_in(g, PRI, sector, 512), 512);
    cr_assert_eq(power_mode(g), 0xff, "reading spins it up");
    ide_guest_free(g);
}

Test(ide_features, standby_timer_counts_guest_time_without_commands)
{
    IdeGuest *g = ide_guest_new();

    fake_out8(g->f, PRI + R_DEVICE, 0xe0);
    fake_out8(g->f, PRI + R_COUNT, 2);                  /* 10 s */
    cr_assert_eq(ide_guest_command(g, PRI, 0xe3), 0x50);
    fake_advance(g->f, 9 * NS_PER_S);
    cr_assert_eq(power_mode(g), 0x80);
    fake_advance(g->f, 2 * NS_PER_S);
    cr_assert_eq(power_mode(g), 0x00, "CHECK POWER MODE did not keep it awake");
    fake_out8(g->f, PRI + R_COUNT, 0);
    cr_assert_eq(ide_guest_command(g, PRI, 0xe3), 0x50);
    fake_advance(g->f, 100000 * NS_PER_S);
    cr_assert_eq(power_mode(g), 0x80, "a count of 0 turns it off");
    ide_guest_free(g);
}

Test(ide_features, sleeping_drive_wakes_only_by_reset)
{
    IdeGuest *g = ide_guest_new();

    fake_out8(g->f, PRI + R_DEVICE, 0xe0);
    cr_assert_eq(ide_guest_command(g, PRI, 0xe6), 0x50);
    fake_out8(g->f, PRI + R_COUNT, 0x55);
    ide_guest_command(g, PRI, 0xe5);
    cr_assert_eq(fake_in8(g->f, PRI + R_COUNT), 0x55, "not even CHECK POWER MODE");
    fake_out8(g->f, PRI_CTL, 4);
    fake_out8(g->f, PRI_CTL, 0);
    cr_assert_eq(power_mode(g), 0x00);
    ide_guest_free(g);
}

Test(ide_features, set_max_hides_the_end_of_the_disk)
{
    IdeGuest *g = ide_guest_new();
    uint8_t id[512];

    ide_guest_lba28(g, 999, 0, 0);
    cr_assert_eq(ide_guest_command(g, PRI, 0xf9), 0x51, "not behind READ NATIVE MAX");
    cr_assert_eq(error_of(g), 4);
    ide_guest_command(g, PRI, 0xf8);
    ide_guest_lba28(g, 999, 0, 0);
    cr_assert_eq(ide_guest_command(g, PRI, 0xf9), 0x50);
    identify(g, id);
    cr_assert_eq(dword(id, 60), 1000);
    cr_assert_eq(dword(id, 100), 1000);
    ide_guest_lba28(g, 1000, 1, 0);
    cr_assert_eq(ide_guest_command(g, PRI, 0x20), 0x51);
    cr_assert_eq(error_of(g), 0x10);
    ide_guest_lba48(g, 0, 0);
    ide_guest_command(g, PRI, 0x27);
    cr_assert_eq(fake_in8(g->f, PRI + R_LOW) | fake_in8(g->f, PRI + R_MID) << 8, 4095,
                 "the native size stays");
    ide_guest_lba48(g, 4096, 0);
    cr_assert_eq(ide_guest_command(g, PRI, 0x37), 0x51, "beyond the native size");
    ide_guest_command(g, PRI, 0x27);
    ide_guest_lba48(g, 4095, 0);
    cr_assert_eq(ide_guest_command(g, PRI, 0x37), 0x50);
    identify(g, id);
    cr_assert_eq(dword(id, 100), 4096);
    ide_guest_free(g);
}

Test(ide_features, volatile_set_max_ends_with_a_reset_and_the_other_may_come_once)
{
    IdeGuest *g = ide_guest_new();
    uint8_t id[512];

    for (unsigned keep = 0; keep < 2; keep++) {
        ide_guest_command(g, PRI, 0xf8);
        ide_guest_lba28(g, 99, keep, 0);
        cr_assert_eq(ide_guest_command(g, PRI, 0xf9), 0x50);
        fake_out8(g->f, PRI_CTL, 4);
        fake_out8(g->f, PRI_CTL, 0);
        identify(g, id);
        cr_assert_eq(dword(id, 60), keep ? 100 : 4096);
    }
    ide_guest_command(g, PRI, 0xf8);
    ide_guest_lba28(g, 49, 1, 0);
    cr_assert_eq(ide_guest_command(g, PRI, 0xf9), 0x51);
    cr_assert_eq(error_of(g), 0x10);
    machine_reset(&g->f->m);
    pci_bus_write(&g->f->bus, 9, 0x40, 4, 0x80008000);
    pci_bus_write(&g->f->bus, 9, 0x04, 2, 5);
    identify(g, id);
    cr_assert_eq(dword(id, 60), 100, "it outlives a power-on");
    ide_guest_free(g);
}

Test(ide_features, software_reset_drops_settings_unless_told_otherwise)
{
    IdeGuest *g = ide_guest_new();
    uint8_t id[512];

    for (unsigned keep = 0; keep < 2; keep++) {
        fake_out8(g->f, PRI + R_DEVICE, 0xa0);
        fake_out8(g->f, PRI + R_FEATURE, keep ? 0x66 : 0xcc);
        cr_assert_eq(ide_guest_command(g, PRI, 0xef), 0x50);
        fake_out8(g->f, PRI + R_FEATURE, 0x55);
        cr_assert_eq(ide_guest_command(g, PRI, 0xef), 0x50);
        fake_out8(g->f, PRI + R_COUNT, 8);
        cr_assert_eq(ide_guest_command(g, PRI, 0xc6), 0x50);
        fake_out8(g->f, PRI_CTL, 4);
        fake_out8(g->f, PRI_CTL, 0);
        identify(g, id);
        cr_assert_eq(word(id, 59), keep ? 0x0108 : 0);
        cr_assert_eq(word(id, 85) & 0x40, keep ? 0 : 0x40, "look-ahead");
    }
    ide_guest_free(g);
}

Test(ide_features, read_buffer_gives_what_write_buffer_took)
{
    IdeGuest *g = ide_guest_new();
    uint8_t data[512], got[512];

    for (unsigned i = 0; i < 512; i++)
        data[i] = i * 7;
    fake_out8(g->f, PRI + R_DEVICE, 0xa0);
    cr_assert_eq(ide_guest_command(g, PRI, 0xe8), 0x58);
    io_write_many(&g->f->m.io, PRI, 2, data, 256);
    cr_assert_eq(ide_guest_wait(g, PRI), 0x50);
    cr_assert_eq(ide_guest_command(g, PRI, 0xe4), 0x58);
    cr_assert_eq(ide_guest_pio_in(g, PRI, got, 512), 512);
    cr_assert_arr_eq(got, data, 512);
    cr_assert(ide_guest_untouched(g, 0, 0), "nothing reached the medium");
    ide_guest_free(g);
}

Test(ide_features, commands_of_absent_feature_sets_abort)
{
    static const uint8_t absent[] = {
        0x22, 0x23, 0x26, 0x2a, 0x2b, 0x2f, 0x32, 0x33, 0x36, 0x3a, 0x3b, 0x3c, 0x3f, 0x45, 0x50,
        0x51, 0x87, 0x92, 0xa2, 0xb1, 0xc0, 0xc7, 0xcc, 0xcd, 0xd1, 0xda, 0xde, 0xdf, 0xed, 0xf1,
        0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xa0, 0xa1, 0x08, 0x00,
    };
    IdeGuest *g = ide_guest_new();

    for (unsigned i = 0; i < sizeof(absent); i++) {
        ide_guest_lba28(g, 1, 1, 0);
        cr_assert_eq(ide_guest_command(g, PRI, absent[i]), 0x51, "%02x", absent[i]);
        cr_assert_eq(error_of(g), 4, "%02x", absent[i]);
    }
    ide_guest_free(g);
}

Test(ide_features, smart_needs_its_key_and_its_switch)
{
    IdeGuest *g = ide_guest_new();

    cr_assert_eq(smart(g, 0xda, 0, 0), 0x50);
    cr_assert_eq(fake_in8(g->f, PRI + R_MID), 0x4f, "not failing");
    cr_assert_eq(fake_in8(g->f, PRI + R_HIGH), 0xc2);
    fake_out8(g->f, PRI + R_MID, 0x4e);
    cr_assert_eq(ide_guest_command(g, PRI, 0xb0), 0x51);
    cr_assert_eq(smart(g, 0xd9, 0, 0), 0x50);
    cr_assert_eq(smart(g, 0xda, 0, 0), 0x51);
    cr_assert_eq(smart(g, 0xd8, 0, 0), 0x50);
    cr_assert_eq(smart(g, 0xda, 0, 0), 0x50);
    cr_assert_eq(smart(g, 0xd2, 0xf1, 0), 0x50);
    cr_assert_eq(smart(g, 0xd3, 0, 0), 0x50);
    cr_assert_eq(smart(g, 0xd5, 1, 0x55), 0x51, "no such log");
    cr_assert_eq(smart(g, 0xd6, 1, 0x80), 0x51, "no log to write");
    ide_guest_free(g);
}

Test(ide_features, smart_attributes_count_what_was_read_and_written)
{
    IdeGuest *g = ide_guest_new();
    uint8_t data[3 * 512] = { 0 }, page[512];

    fake_advance(g->f, 2 * 3600 * NS_PER_S);
    ide_guest_lba28(g, 10, 3, 0);
    ide_guest_command(g, PRI, 0x20);
    cr_assert_eq(ide_guest_pio_in(g, PRI, data, sizeof(data)), sizeof(data));
    ide_guest_lba28(g, 20, 1, 0);
    ide_guest_command(g, PRI, 0x30);
    io_write_many(&g->f->m.io, PRI, 2, data, 256);
    cr_assert_eq(ide_guest_wait(g, PRI), 0x50);
    cr_assert_eq(attribute(g, 242), 3);
    cr_assert_eq(attribute(g, 241), 1);
    cr_assert_eq(attribute(g, 9), 2, "hours of guest time");
    smart_page(g, 0xd1, 0, page);
    cr_assert_eq(page[2], 9);
    smart_page(g, 0xd5, 0, page);
    cr_assert_eq(word(page, 0), 1);
    cr_assert_eq(word(page, 1), 1, "an error log of one sector");
    ide_guest_free(g);
}

static IdeGuest *guest_with_short_image(void)
{
    int fd = ide_guest_image(DISK_SECTORS);
    IdeGuest *g = ide_guest_new_with(ide_guest_open(fd, false), false, block_empty("hdc"));

    g->disk_fd = fd;
    cr_assert_eq(ftruncate(fd, 2048 * 512), 0);         /* behind the drive's back */
    return g;
}

Test(ide_features, smart_logs_errors_with_the_commands_before)
{
    IdeGuest *g = guest_with_short_image();
    uint8_t page[512];

    for (unsigned i = 0; i < 7; i++) {
        ide_guest_lba28(g, 3000 + i, 1, 0);
        cr_assert_eq(ide_guest_command(g, PRI, 0x20), 0x51);
    }
    cr_assert_eq(attribute(g, 187), 7);
    smart_page(g, 0xd5, 1, page);
    cr_assert_eq(page[1], 2, "the seventh is in the second place");
    cr_assert_eq(word(page, 226), 7, "errors in all");
    const uint8_t *e = page + 2 + 90;
    cr_assert_eq(e[4 * 12 + 7], 0x20, "the command that failed");
    cr_assert_eq(e[60 + 1], 0x40, "UNC");
    cr_assert_eq(e[60 + 3] | e[60 + 4] << 8, 3006);
    cr_assert_eq(e[60 + 7], 0x51);
    cr_assert_eq(smart(g, 0xda, 0, 0), 0x50);
    cr_assert_eq(fake_in8(g->f, PRI + R_MID), 0x4f);
    for (unsigned i = 0; i < 100; i++) {
        ide_guest_lba28(g, 3000, 1, 0);
        ide_guest_command(g, PRI, 0x20);
    }
    cr_assert_eq(smart(g, 0xda, 0, 0), 0x50);
    cr_assert_eq(fake_in8(g->f, PRI + R_MID), 0xf4, "it predicts its failure");
    cr_assert_eq(fake_in8(g->f, PRI + R_HIGH), 0x2c);
    ide_guest_free(g);
}

Test(ide_features, self_tests_read_the_disk_in_the_background)
{
    IdeGuest *g = ide_guest_new();
    uint8_t page[512];

    cr_assert_eq(smart(g, 0xd4, 0, 1), 0x50);
    smart_page(g, 0xd0, 0, page);
    cr_assert_eq(page[363] >> 4, 15, "running");
    cr_assert_eq(finish_test(g), 0);
    cr_assert_eq(smart(g, 0xd4, 0, 2), 0x50);
    cr_assert_eq(smart(g, 0xd4, 0, 0x7f), 0x50);
    smart_page(g, 0xd5, 6, page);
    cr_assert_eq(page[508], 2);
    cr_assert_eq(page[2], 1);
    cr_assert_eq(page[3] >> 4, 0, "passed");
    cr_assert_eq(page[26], 2);
    cr_assert_eq(page[27] >> 4, 1, "aborted by the host");
    cr_assert_eq(smart(g, 0xd4, 0, 0), 0x50, "off-line collection");
    cr_assert_eq(finish_test(g), 0x19, "the status is of the last self-test");
    ide_guest_free(g);
}

Test(ide_features, self_test_finds_the_sector_that_cant_be_read)
{
    IdeGuest *g = guest_with_short_image();
    uint8_t page[512];

    cr_assert_eq(smart(g, 0xd4, 0, 2), 0x50);
    cr_assert_eq(finish_test(g) >> 4, 7, "read failure");
    smart_page(g, 0xd5, 6, page);
    cr_assert_eq(page[7] | page[8] << 8, 2048, "where");
    ide_guest_free(g);
}

Test(ide_features, captive_test_is_busy_until_its_end_or_a_reset)
{
    IdeGuest *g = ide_guest_new();
    uint8_t page[512];
    size_t len;
    g_autofree uint8_t *state = NULL;

    fake_out8(g->f, PRI + R_DEVICE, 0xa0);
    fake_out8(g->f, PRI + R_FEATURE, 0xd4);
    fake_out8(g->f, PRI + R_LOW, 0x81);
    fake_out8(g->f, PRI + R_MID, 0x4f);
    fake_out8(g->f, PRI + R_HIGH, 0xc2);
    fake_out8(g->f, PRI + R_COMMAND, 0xb0);
    cr_assert(fake_in8(g->f, PRI_CTL) & 0x80);
    state = ide_guest_save(g, &len);
    cr_assert(machine_load(&g->f->m, state, len, NULL), "saved amid the test");
    for (unsigned i = 0; i < 3000 && (fake_in8(g->f, PRI_CTL) & 0x80); i++) {
        fake_advance(g->f, 3 * NS_PER_MS);
        while (g_main_context_iteration(NULL, FALSE)) {
        }
        g_usleep(20);
    }
    cr_assert_eq(fake_in8(g->f, PRI + R_STATUS), 0x50);
    cr_assert_eq(fake_in8(g->f, PRI + R_MID), 0x4f);
    fake_out8(g->f, PRI + R_FEATURE, 0xd4);
    fake_out8(g->f, PRI + R_LOW, 0x82);
    fake_out8(g->f, PRI + R_COMMAND, 0xb0);
    fake_advance(g->f, 3 * NS_PER_MS);
    fake_out8(g->f, PRI_CTL, 4);
    fake_out8(g->f, PRI_CTL, 0);
    cr_assert_eq(fake_in8(g->f, PRI + R_STATUS), 0x50);
    smart_page(g, 0xd5, 6, page);
    cr_assert_eq(page[508], 2);
    cr_assert_eq(page[27] >> 4, 2, "interrupted by a reset");
    ide_guest_free(g);
}
