/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fdc.c - tests of the floppy controller against the 82077AA data sheet: registers, commands,
 * results.  The hostile guests are in fdc_abuse.c.
 */
#include "tests/hw/fdc_guest.h"
#include "hw/chipset.h"
#include "hw/devices.h"
#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static uint8_t *memory(FdcGuest *g) { return g->f->ram + FD_BUFFER; }

static bool has_sectors(const uint8_t *at, unsigned lba, unsigned n)
{
    uint8_t want[512];

    for (unsigned i = 0; i < n; i++) {
        fdc_guest_fill(want, lba + i);
        if (memcmp(at + 512 * i, want, 512)) {
            return false;
        }
    }
    return true;
}

static void image_sector(FdcGuest *g, unsigned lba, uint8_t *to)
{
    cr_assert_eq(pread(g->fd, to, 512, 512 * (off_t)lba), 512);
}

static void eq_result(FdcGuest *g, uint8_t st0, uint8_t st1, uint8_t st2, unsigned c, unsigned h,
                      unsigned r)
{
    uint8_t want[7] = { st0, st1, st2, c, h, r, 2 };

    cr_expect_eq(g->results, 7);
    cr_expect_arr_eq(g->result, want, 7, "%02x %02x %02x C %u H %u R %u N %u", g->result[0],
                     g->result[1], g->result[2], g->result[3], g->result[4], g->result[5],
                     g->result[6]);
}

/* --- formats --- */

static void each_format(unsigned kib, unsigned tracks, unsigned heads, unsigned spt)
{
    FdcGuest *g = fdc_guest_new(kib);

    for (unsigned c = 0; c < tracks; c += tracks - 1) {
        for (unsigned h = 0; h < heads; h++) {
            fdc_guest_transfer(g, 0x46, c, h, 1, spt, spt * 512);
            eq_result(g, h << 2, 0, 0, c + 1, h, 1);
            cr_expect(has_sectors(memory(g), (c * heads + h) * spt, spt), "%u KiB %u/%u", kib, c, h);
        }
    }
    fdc_guest_seek(g, tracks < 80 ? tracks : 85);
    FD_RUN(g, 0x4a, 0);
    cr_expect_eq(g->result[1], 1, "no track there");
    fdc_guest_free(g);
}

Test(fdc, all_standard_formats_are_read_at_their_rates, .timeout = 60)
{
    each_format(160, 40, 1, 8);
    each_format(180, 40, 1, 9);
    each_format(320, 40, 2, 8);
    each_format(360, 40, 2, 9);
    each_format(720, 80, 2, 9);
    each_format(1200, 80, 2, 15);
    each_format(1440, 80, 2, 18);
    each_format(1680, 80, 2, 21);
    each_format(2880, 80, 2, 36);
}

Test(fdc, wrong_rate_finds_no_address_mark)
{
    FdcGuest *g = fdc_guest_new(1440);

    for (unsigned rate = 1; rate < 4; rate++) {
        fake_out8(g->f, FD_CCR, rate);
        FD_RUN(g, 0x46, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
        eq_result(g, 0x40, 1, 0, 0, 0, 1);
        FD_RUN(g, 0x4a, 0);
        cr_expect_eq(g->result[1], 1);
    }
    fake_out8(g->f, FD_DSR, 0);         /* the other way to set it */
    FD_RUN(g, 0x4a, 0);
    cr_expect_eq(g->result[0], 0);
    FD_RUN(g, 0x0a, 0);
    cr_expect_eq(g->result[1], 1, "FM can't read MFM");
    fdc_guest_free(g);
}

Test(fdc, drive_type_comes_from_the_medium)
{
    static const struct { unsigned kib, type; } cases[] = {
        { 160, 1 }, { 360, 1 }, { 1200, 2 }, { 720, 4 }, { 1440, 4 }, { 2880, 5 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        int fd = fdc_guest_image(cases[i].kib);
        BlockDev *b = fdc_guest_open(fd, false);

        cr_expect_eq(fdc_drive_type(b), cases[i].type, "%u KiB", cases[i].kib);
        block_close(b);
        close(fd);
    }
    cr_expect_eq(fdc_drive_type(NULL), 0);
}

Test(fdc, cmos_tells_drives_and_keeps_its_checksum)
{
    FakeMachine *f = fake_machine_new();
    Device *cmos = device_create(&f->m, &cmos_class, NULL);
    unsigned sum = 0;

    cmos_set_floppies(cmos, 4, 2);
    cr_assert_eq(cmos_get(cmos, 0x10), 0x42);
    cr_assert_eq(cmos_get(cmos, 0x14) & 0xc1, 0x41);
    for (unsigned i = 0x10; i < 0x2e; i++) {
        sum += cmos_get(cmos, i);
    }
    cr_assert_eq(cmos_get(cmos, 0x2e) << 8 | cmos_get(cmos, 0x2f), sum);
    cmos_set_floppies(cmos, 0, 0);
    cr_assert_eq(cmos_get(cmos, 0x14) & 0xc1, 0);
    fake_machine_free(f);
}

/* --- registers and small commands --- */

Test(fdc, reset_interrupts_once_and_has_four_statuses)
{
    FdcGuest *g = fdc_guest_new_with(block_empty("fda"), NULL);

    cr_assert_eq(fake_in8(g->f, FD_MSR), 0, "in reset");
    fake_out8(g->f, FD_DOR, 0x0c);
    cr_assert(g->f->isa[6]);
    cr_assert_eq(fake_in8(g->f, FD_MSR), 0x80);
    for (unsigned i = 0; i < 4; i++) {
        FD_SEND(g, 8);
        fdc_guest_result(g);
        cr_assert_eq(g->results, 2);
        cr_assert_eq(g->result[0], 0xc0 | i);
        cr_assert(!g->f->isa[6]);
    }
    cr_assert_eq(g->f->isa_edges[6], 1);
    FD_SEND(g, 8);
    fdc_guest_result(g);
    cr_assert_eq(g->results, 1);
    cr_assert_eq(g->result[0], 0x80, "nothing left to sense");
    fake_out8(g->f, FD_DSR, 0x82);
    cr_assert(g->f->isa[6], "by DSR, too");
    fake_out8(g->f, FD_DOR, 0x04);
    cr_assert(!g->f->isa[6], "the gate is closed");
    fdc_guest_free(g);
}

Test(fdc, version_lock_and_dumpreg_answer_as_an_82077)
{
    static const uint8_t dump[10] = { 7, 0, 0, 0, 0xaf, 0x02, 18, 0x9e, 0x57, 0x33 };
    FdcGuest *g = fdc_guest_new(1440);

    FD_SEND(g, 0x10);
    fdc_guest_result(g);
    cr_assert_eq(g->result[0], 0x90);
    FD_SEND(g, 0x13, 0, 0x57, 0x33);
    FD_SEND(g, 0x94);
    fdc_guest_result(g);
    cr_assert_eq(g->result[0], 0x10);
    FD_SEND(g, 0x12, 0x9e);
    fdc_guest_transfer(g, 0x46, 7, 0, 1, 18, 512);
    FD_SEND(g, 0x0e);
    fdc_guest_result(g);
    cr_assert_eq(g->results, 10);
    cr_assert_arr_eq(g->result, dump, 10);
    fake_out8(g->f, FD_DSR, 0x80);
    for (unsigned i = 0; i < 4; i++) {
        FD_SEND(g, 8);
        fdc_guest_result(g);
    }
    FD_SEND(g, 0x0e);
    fdc_guest_result(g);
    cr_assert_eq(g->result[7], 0x9c, "GAP and WGATE are cleared by a reset");
    cr_assert_eq(g->result[8], 0x07, "locked: the FIFO's set-up stays, the rest does not");
    cr_assert_eq(g->result[9], 0x33);
    FD_SEND(g, 0x14);
    fdc_guest_result(g);
    cr_assert_eq(g->result[0], 0);
    fake_out8(g->f, FD_DSR, 0x80);
    for (unsigned i = 0; i < 4; i++) {
        FD_SEND(g, 8);
        fdc_guest_result(g);
    }
    FD_SEND(g, 0x0e);
    fdc_guest_result(g);
    cr_assert_eq(g->result[8], 0x20);
    cr_assert_eq(g->result[9], 0);
    fdc_guest_free(g);
}

Test(fdc, perpendicular_drive_bits_need_overwrite)
{
    FdcGuest *g = fdc_guest_new(2880);

    FD_SEND(g, 0x12, 0x84);
    FD_SEND(g, 0x12, 0x3b);
    FD_SEND(g, 0x0e);
    fdc_guest_result(g);
    cr_assert_eq(g->result[7], 0x07);
    fdc_guest_free(g);
}

Test(fdc, invalid_commands_answer_80_without_interrupt)
{
    FdcGuest *g = fdc_guest_new(1440);
    static const uint8_t bad[] = { 0x00, 0x01, 0x0b, 0x15, 0x17, 0x18, 0x1a, 0x33, 0x2e, 0x8e, 0xcd,
                                   0xff };
    unsigned edges = g->f->isa_edges[6];

    for (unsigned i = 0; i < sizeof bad; i++) {
        FD_SEND(g, bad[i]);
        fdc_guest_result(g);
        cr_expect_eq(g->results, 1, "%02x", bad[i]);
        cr_expect_eq(g->result[0], 0x80, "%02x", bad[i]);
    }
    cr_expect_eq(g->f->isa_edges[6], edges);
    fdc_guest_free(g);
}

Test(fdc, recalibrate_finds_track_0_and_seek_reports_its_cylinder)
{
    FdcGuest *g = fdc_guest_new(1440);

    fdc_guest_seek(g, 40);
    FD_SEND(g, 4, 4);
    fdc_guest_result(g);
    cr_assert_eq(g->result[0], 0x2c, "not on track 0, head 1");
    FD_SEND(g, 7, 0);
    cr_assert_eq(fake_in8(g->f, FD_MSR), 0x81, "drive 0 is stepping");
    cr_assert(!g->f->isa[6]);
    fdc_guest_wait(g);
    cr_assert(g->f->isa[6]);
    FD_SEND(g, 8);
    fdc_guest_result(g);
    cr_assert_eq(g->result[0], 0x20);
    cr_assert_eq(g->result[1], 0);
    FD_SEND(g, 4, 0);
    fdc_guest_result(g);
    cr_assert_eq(g->result[0], 0x38);
    FD_SEND(g, 7, 3);
    fdc_guest_wait(g);
    FD_SEND(g, 8);
    fdc_guest_result(g);
    cr_assert_eq(g->result[0], 0x73, "no drive 3: track 0 never comes");
    fdc_guest_free(g);
}

Test(fdc, relative_seek_moves_from_where_the_heads_are)
{
    FdcGuest *g = fdc_guest_new(1440);

    fdc_guest_seek(g, 10);
    FD_SEND(g, 0xcf, 0, 5);
    fdc_guest_wait(g);
    FD_SEND(g, 8);
    fdc_guest_result(g);
    cr_assert_eq(g->result[1], 15);
    FD_SEND(g, 0x8f, 0, 3);
    fdc_guest_wait(g);
    FD_SEND(g, 8);
    fdc_guest_result(g);
    cr_assert_eq(g->result[1], 12);
    FD_RUN(g, 0x4a, 0);
    cr_assert_eq(g->result[3], 12, "the ID under the heads");
    fdc_guest_free(g);
}

Test(fdc, seeks_of_two_drives_overlap_and_each_is_told)
{
    int a = fdc_guest_image(1440), b = fdc_guest_image(1440);
    FdcGuest *g = fdc_guest_new_with(fdc_guest_open(a, false), fdc_guest_open(b, false));

    fdc_guest_start(g);
    FD_SEND(g, 0x0f, 0, 20);
    FD_SEND(g, 0x0f, 1, 30);
    cr_assert_eq(fake_in8(g->f, FD_MSR), 0x83);
    fdc_guest_wait(g);
    FD_SEND(g, 8);
    cr_assert(!g->f->isa[6]);
    fdc_guest_result(g);
    cr_assert_eq(g->result[0], 0x20);
    cr_assert_eq(g->result[1], 20);
    cr_assert(g->f->isa[6], "the other one waits");
    FD_SEND(g, 8);
    fdc_guest_result(g);
    cr_assert_eq(g->result[0], 0x21);
    cr_assert_eq(g->result[1], 30);
    cr_assert(!g->f->isa[6]);
    fdc_guest_free(g);
    close(a);
    close(b);
}

/* --- reading --- */

Test(fdc, read_ends_at_terminal_count_and_tells_the_next_sector)
{
    FdcGuest *g = fdc_guest_new(1440);

    fdc_guest_transfer(g, 0xe6, 3, 1, 4, 18, 3 * 512);
    eq_result(g, 4, 0, 0, 3, 1, 7);
    cr_expect(has_sectors(memory(g), (3 * 2 + 1) * 18 + 3, 3));
    fdc_guest_transfer(g, 0x46, 3, 0, 1, 18, 700);
    eq_result(g, 0, 0, 0, 3, 0, 3);
    fdc_guest_free(g);
}

Test(fdc, multi_track_goes_on_under_the_other_head)
{
    FdcGuest *g = fdc_guest_new(1440);

    fdc_guest_transfer(g, 0xc6, 5, 0, 1, 18, 36 * 512);
    eq_result(g, 4, 0, 0, 6, 0, 1);
    cr_expect(has_sectors(memory(g), 5 * 36, 36));
    fdc_guest_transfer(g, 0xc6, 5, 0, 18, 18, 512);
    eq_result(g, 4, 0, 0, 5, 1, 1);
    fdc_guest_free(g);
}

Test(fdc, without_terminal_count_the_end_of_the_cylinder_is_an_error)
{
    FdcGuest *g = fdc_guest_new(1440);

    fdc_guest_transfer(g, 0x46, 1, 0, 17, 18, 3 * 512);
    eq_result(g, 0x40, 0x80, 0, 2, 0, 1);
    cr_expect(has_sectors(memory(g), 36 + 16, 2));
    fdc_guest_free(g);
}

Test(fdc, sectors_that_are_not_there_are_not_found)
{
    FdcGuest *g = fdc_guest_new(1440);

    fdc_guest_transfer(g, 0x46, 2, 0, 19, 30, 512);
    eq_result(g, 0x40, 0x04, 0, 2, 0, 19);
    fdc_guest_seek(g, 3);
    FD_RUN(g, 0x46, 0, 2, 0, 1, 2, 18, 0x1b, 0xff);
    eq_result(g, 0x40, 0x04, 0x10, 2, 0, 1);
    FD_RUN(g, 0x46, 0, 3, 1, 1, 2, 18, 0x1b, 0xff);
    eq_result(g, 0x40, 0x04, 0, 3, 1, 1);
    FD_RUN(g, 0x46, 0, 3, 0, 1, 3, 18, 0x1b, 0xff);
    cr_expect_eq(g->result[1], 4, "sectors of 1024 bytes");
    fdc_guest_free(g);
}

Test(fdc, implied_seek_moves_the_heads_first)
{
    FdcGuest *g = fdc_guest_new(1440);

    FD_SEND(g, 0x13, 0, 0x60, 0);
    fdc_guest_dma(g, true, 512);
    FD_RUN(g, 0x46, 0, 33, 0, 1, 2, 18, 0x1b, 0xff);
    eq_result(g, 0x20, 0, 0, 33, 0, 2);
    cr_expect(has_sectors(memory(g), 33 * 36, 1));
    fdc_guest_free(g);
}

Test(fdc, dma_that_is_set_up_late_is_waited_for)
{
    FdcGuest *g = fdc_guest_new(1440);

    FD_SEND(g, 0x46, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
    for (unsigned i = 0; i < 50; i++) {
        g_usleep(200);
        while (g_main_context_iteration(NULL, FALSE)) {
        }
    }
    cr_assert_eq(fake_in8(g->f, FD_MSR), 0x10, "busy, and nothing for the processor");
    cr_assert_eq(fake_in8(g->f, 0x08) & 0x40, 0x40, "DREQ");
    fdc_guest_dma(g, true, 512);
    fdc_guest_result(g);
    eq_result(g, 0, 0, 0, 0, 0, 2);
    cr_expect(has_sectors(memory(g), 0, 1));
    cr_assert_eq(fake_in8(g->f, 0x08) & 0x40, 0);
    fdc_guest_free(g);
}

Test(fdc, programmed_io_moves_bytes_with_an_interrupt_each)
{
    FdcGuest *g = fdc_guest_new(1440);
    uint8_t got[1024];
    unsigned edges;

    FD_SEND(g, 3, 0xaf, 0x03);
    FD_SEND(g, 0x46, 0, 0, 0, 2, 2, 3, 0x1b, 0xff);
    fdc_guest_wait(g);
    edges = g->f->isa_edges[6];
    for (unsigned i = 0; i < sizeof got; i++) {
        if (i == 512) {
            fdc_guest_wait(g);
        }
        cr_assert_eq(fake_in8(g->f, FD_MSR), 0xf0);
        cr_assert(g->f->isa[6]);
        got[i] = fake_in8(g->f, FD_DATA);
    }
    cr_expect_geq(g->f->isa_edges[6], edges + 1023);
    fdc_guest_result(g);
    eq_result(g, 0x40, 0x80, 0, 1, 0, 1);
    cr_expect(has_sectors(got, 1, 2));
    fdc_guest_free(g);
}

Test(fdc, programmed_io_writes_all_sectors_up_to_eot)
{
    FdcGuest *g = fdc_guest_new(1440);
    uint8_t sector[512];

    FD_SEND(g, 3, 0xaf, 0x03);
    FD_SEND(g, 0x45, 0, 0, 0, 5, 2, 8, 0x1b, 0xff);
    for (unsigned i = 0; i < 4 * 512; i++) {
        fdc_guest_wait(g);
        cr_assert_eq(fake_in8(g->f, FD_MSR), 0xb0);
        fake_out8(g->f, FD_DATA, i / 512 + 1);
    }
    fdc_guest_result(g);
    eq_result(g, 0x40, 0x80, 0, 1, 0, 1);
    for (unsigned i = 0; i < 4; i++) {
        image_sector(g, 4 + i, sector);
        cr_expect(sector[0] == i + 1 && sector[511] == i + 1);
    }
    image_sector(g, 8, sector);
    cr_expect(has_sectors(sector, 8, 1));
    fdc_guest_free(g);
}

Test(fdc, read_id_sees_the_sectors_turn)
{
    FdcGuest *g = fdc_guest_new(1440);
    unsigned seen = 0;

    fdc_guest_seek(g, 9);
    for (unsigned i = 0; i < 40; i++) {
        FD_RUN(g, 0x4a, 4);
        cr_assert_eq(g->result[0], 4);
        cr_assert(g->result[3] == 9 && g->result[4] == 1 && g->result[6] == 2);
        cr_assert(g->result[5] >= 1 && g->result[5] <= 18);
        seen |= 1u << g->result[5];
        fake_advance(g->f, 11 * NS_PER_MS);
    }
    cr_expect_eq(seen, 0x7fffe, "all eighteen");
    fdc_guest_free(g);
}

Test(fdc, read_track_begins_at_the_index_hole)
{
    FdcGuest *g = fdc_guest_new(1440);

    fdc_guest_transfer(g, 0x42, 2, 0, 5, 4, 4 * 512);
    cr_expect_eq(g->result[0], 0);
    cr_expect(has_sectors(memory(g), 72, 4));
    fdc_guest_transfer(g, 0x42, 2, 0, 40, 2, 2 * 512);
    cr_expect_eq(g->result[1], 4, "no ID was like the one asked for");
    fdc_guest_free(g);
}

Test(fdc, verify_reads_without_moving_data)
{
    FdcGuest *g = fdc_guest_new(1440);

    FD_RUN(g, 0x56, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
    eq_result(g, 0, 0, 0, 1, 0, 1);
    FD_RUN(g, 0xd6, 0x80, 0, 0, 10, 2, 18, 0x1b, 20);
    eq_result(g, 4, 0, 0, 0, 1, 12);
    FD_RUN(g, 0x56, 0x80, 0, 0, 10, 2, 18, 0x1b, 20);
    eq_result(g, 0x40, 0x80, 0, 1, 0, 1);
    FD_RUN(g, 0x56, 0, 0, 0, 1, 2, 20, 0x1b, 0xff);
    cr_expect_eq(g->result[1], 4, "EOT past the track");
    fdc_guest_free(g);
}

/* --- writing --- */

Test(fdc, write_lands_in_the_image_and_pads_the_last_sector)
{
    FdcGuest *g = fdc_guest_new(1440);
    uint8_t sector[512];

    memset(memory(g), 0xa5, 1024);
    fdc_guest_transfer(g, 0xc5, 10, 1, 17, 18, 600);
    eq_result(g, 4, 0, 0, 11, 0, 1);
    image_sector(g, (10 * 2 + 1) * 18 + 16, sector);
    cr_expect(sector[0] == 0xa5 && sector[511] == 0xa5);
    image_sector(g, (10 * 2 + 1) * 18 + 17, sector);
    cr_expect(sector[87] == 0xa5 && sector[88] == 0 && sector[511] == 0);
    image_sector(g, (10 * 2 + 1) * 18 + 15, sector);
    cr_expect(has_sectors(sector, (10 * 2 + 1) * 18 + 15, 1));
    image_sector(g, 11 * 36, sector);
    cr_expect(has_sectors(sector, 11 * 36, 1));
    fdc_guest_free(g);
}

Test(fdc, write_protected_medium_is_not_written)
{
    int fd = fdc_guest_image(1440);
    FdcGuest *g = fdc_guest_new_with(fdc_guest_open(fd, true), NULL);
    uint8_t sector[512];

    g->fd = fd;
    fdc_guest_start(g);
    fdc_guest_rate(g, 1440);
    fdc_guest_transfer(g, 0x45, 0, 0, 1, 18, 512);
    eq_result(g, 0x40, 0x02, 0, 0, 0, 1);
    FD_RUN(g, 0x4d, 0, 2, 18, 0x54, 0xf6);
    cr_expect_eq(g->result[1], 2);
    FD_SEND(g, 4, 0);
    fdc_guest_result(g);
    cr_expect_eq(g->result[0], 0x78);
    image_sector(g, 0, sector);
    cr_expect(has_sectors(sector, 0, 1));
    fdc_guest_free(g);
}

Test(fdc, deleted_marks_stop_skip_or_are_read)
{
    FdcGuest *g = fdc_guest_new(1440);

    memcpy(memory(g), "deleted", 8);
    fdc_guest_transfer(g, 0x49, 0, 0, 3, 18, 512);
    eq_result(g, 0, 0, 0, 0, 0, 4);
    fdc_guest_transfer(g, 0x46, 0, 0, 1, 18, 5 * 512);
    eq_result(g, 0, 0, 0x40, 0, 0, 3);
    cr_expect_str_eq((char *)memory(g) + 1024, "deleted", "read, and then no further");
    fdc_guest_transfer(g, 0x66, 0, 0, 1, 18, 4 * 512);
    eq_result(g, 0, 0, 0x40, 0, 0, 6);
    cr_expect(has_sectors(memory(g) + 1024, 3, 2), "passed over");
    fdc_guest_transfer(g, 0x4c, 0, 0, 3, 18, 512);
    eq_result(g, 0, 0, 0, 0, 0, 4);
    fdc_guest_transfer(g, 0x4c, 0, 0, 2, 18, 1024);
    eq_result(g, 0, 0, 0x40, 0, 0, 2);
    memset(memory(g), 0, 512);
    fdc_guest_transfer(g, 0x45, 0, 0, 3, 18, 512);
    fdc_guest_transfer(g, 0x46, 0, 0, 1, 18, 5 * 512);
    eq_result(g, 0, 0, 0, 0, 0, 6);
    fdc_guest_free(g);
}

Test(fdc, format_fills_the_sectors_that_it_is_told)
{
    FdcGuest *g = fdc_guest_new(1440);
    uint8_t sector[512];

    for (unsigned i = 0; i < 18; i++) {         /* interleaved */
        memcpy(memory(g) + 4 * i, (uint8_t[]){ 6, 1, 1 + i * 5 % 18, 2 }, 4);
    }
    fdc_guest_seek(g, 6);
    fdc_guest_dma(g, false, 72);
    FD_RUN(g, 0x4d, 4, 2, 18, 0x54, 0xf6);
    cr_expect_eq(g->result[0], 4);
    cr_expect_eq(g->result[1], 0);
    for (unsigned i = 0; i < 18; i++) {
        image_sector(g, (6 * 2 + 1) * 18 + i, sector);
        cr_expect(sector[0] == 0xf6 && sector[511] == 0xf6, "sector %u", i + 1);
    }
    image_sector(g, 7 * 36, sector);
    cr_expect(has_sectors(sector, 7 * 36, 1));
    memcpy(memory(g), (uint8_t[]){ 6, 0, 19, 2 }, 4);
    fdc_guest_dma(g, false, 4);
    FD_RUN(g, 0x4d, 0, 2, 1, 0x54, 0);
    cr_expect_eq(g->result[0], 0x40, "a nineteenth sector has no place in the image");
    fdc_guest_free(g);
}

Test(fdc, scan_compares_with_the_memory)
{
    FdcGuest *g = fdc_guest_new(1440);
    uint8_t *m = memory(g);

    fdc_guest_fill(m, 2);
    fdc_guest_fill(m + 512, 3);
    fdc_guest_dma(g, false, 512);
    FD_RUN(g, 0x51, 0, 0, 0, 3, 2, 18, 0x1b, 1);
    eq_result(g, 0, 0, 0x08, 0, 0, 4);
    fdc_guest_dma(g, false, 1024);
    FD_RUN(g, 0x51, 0, 0, 0, 4, 2, 18, 0x1b, 1);
    eq_result(g, 0, 0, 0x04, 0, 0, 6);
    fdc_guest_fill(m, 9);
    fdc_guest_dma(g, false, 512);
    m[511] = 0xff;
    FD_RUN(g, 0x51, 0, 0, 0, 10, 2, 18, 0x1b, 1);
    cr_expect_eq(g->result[2], 8, "FFh is equal to anything");
    memset(m, 0, 512);
    fdc_guest_dma(g, false, 512);
    FD_RUN(g, 0x5d, 0, 0, 0, 10, 2, 18, 0x1b, 1);
    cr_expect_eq(g->result[2], 0, "higher: met, but not equal");
    fdc_guest_dma(g, false, 512);
    FD_RUN(g, 0x59, 0, 0, 0, 10, 2, 18, 0x1b, 1);
    cr_expect_eq(g->result[2], 4);
    fdc_guest_fill(m, 16);
    fdc_guest_dma(g, false, 2048);
    memcpy(m + 512, m, 512);
    FD_RUN(g, 0x51, 0, 0, 0, 15, 2, 18, 0x1b, 2);
    eq_result(g, 0, 0, 0x08, 0, 0, 18);
    fdc_guest_free(g);
}

/* --- media --- */

Test(fdc, empty_drive_and_no_drive_end_with_an_error)
{
    FdcGuest *g = fdc_guest_new(0);

    for (unsigned unit = 0; unit < 4; unit++) {
        FD_RUN(g, 0x46, unit, 0, 0, 1, 2, 18, 0x1b, 0xff);
        cr_expect_eq(g->result[0], 0x40 | unit);
        cr_expect_eq(g->result[1], 1);
    }
    fdc_guest_free(g);
}

Test(fdc, disk_change_line_falls_with_a_step_when_a_medium_is_in)
{
    FdcGuest *g = fdc_guest_new(0);
    int fd = fdc_guest_image(1440);
    g_autoptr(GError) error = NULL;

    cr_assert(fake_in8(g->f, FD_DIR) & 0x80);
    fdc_guest_seek(g, 5);
    cr_assert(fake_in8(g->f, FD_DIR) & 0x80, "no medium");
    block_close(fdc_change_medium(g->fdc, 0, fdc_guest_open(fd, false), &error));
    cr_assert(fake_in8(g->f, FD_DIR) & 0x80, "not yet stepped");
    fake_out8(g->f, FD_DOR, 0x2d);
    cr_assert_eq(fake_in8(g->f, FD_DIR) & 0x80, 0, "drive B is not there");
    fake_out8(g->f, FD_DOR, 0x1c);
    fdc_guest_seek(g, 6);
    cr_assert_eq(fake_in8(g->f, FD_DIR) & 0x80, 0);
    fdc_guest_rate(g, 1440);
    fdc_guest_transfer(g, 0x46, 6, 0, 1, 18, 512);
    cr_assert(has_sectors(memory(g), 6 * 36, 1));
    fdc_guest_free(g);
    close(fd);
}

Test(fdc, medium_that_does_not_fit_the_drive_is_refused)
{
    FdcGuest *g = fdc_guest_new(1440);
    int fd = fdc_guest_image(360);
    BlockDev *b = fdc_guest_open(fd, false);
    g_autoptr(GError) error = NULL;

    cr_assert_null(fdc_change_medium(g->fdc, 0, b, &error));
    cr_assert_not_null(error);
    g_clear_error(&error);
    cr_assert_null(fdc_change_medium(g->fdc, 1, b, &error), "no drive B");
    block_close(b);
    fdc_guest_transfer(g, 0x46, 0, 0, 1, 18, 512);
    eq_result(g, 0, 0, 0, 0, 0, 2);
    fdc_guest_free(g);
    close(fd);
}

Test(fdc, change_of_medium_reads_the_new_one_and_forgets_marks)
{
    FdcGuest *g = fdc_guest_new(1440);
    int fd = fdc_guest_image(720);
    g_autoptr(GError) error = NULL;

    fdc_guest_transfer(g, 0x49, 0, 0, 1, 18, 512);
    block_close(fdc_change_medium(g->fdc, 0, fdc_guest_open(fd, true), &error));
    FD_RUN(g, 0x4a, 0);
    cr_assert_eq(g->result[1], 1, "the old rate");
    fdc_guest_rate(g, 720);
    fdc_guest_transfer(g, 0x46, 79, 1, 1, 9, 9 * 512);
    eq_result(g, 4, 0, 0, 80, 1, 1);
    cr_assert(has_sectors(memory(g), 79 * 18 + 9, 9));
    fdc_guest_free(g);
    close(fd);
}

Test(fdc, short_image_ends_where_it_ends)
{
    int fd = fdc_guest_image(10);
    FdcGuest *g = fdc_guest_new_with(fdc_guest_open(fd, false), NULL);

    fdc_guest_start(g);
    fdc_guest_rate(g, 1440);
    fdc_guest_transfer(g, 0x46, 0, 0, 1, 18, 18 * 512);
    eq_result(g, 0, 0, 0, 1, 0, 1);
    cr_expect(has_sectors(memory(g), 0, 18));
    fdc_guest_transfer(g, 0xc6, 0, 1, 1, 18, 18 * 512);
    eq_result(g, 0x44, 4, 0, 0, 1, 3);
    fdc_guest_free(g);
    close(fd);
}

Test(fdc, wide_tracks_in_a_1200_drive_are_every_second_one)
{
    int big = fdc_guest_image(1200), small = fdc_guest_image(360);
    FdcGuest *g = fdc_guest_new_with(fdc_guest_open(big, false), NULL);
    g_autoptr(GError) error = NULL;

    fdc_guest_start(g);
    block_close(fdc_change_medium(g->fdc, 0, fdc_guest_open(small, false), &error));
    fake_out8(g->f, FD_CCR, 1);
    fdc_guest_seek(g, 21);
    FD_RUN(g, 0x4a, 0);
    cr_expect_eq(g->result[1], 1);
    fdc_guest_seek(g, 22);
    FD_RUN(g, 0x4a, 0);
    cr_expect_eq(g->result[0], 0);
    cr_expect_eq(g->result[3], 11);
    fdc_guest_free(g);
    close(big);
    close(small);
}

/* --- state --- */

Test(fdc, saved_in_the_middle_of_a_transfer_it_goes_on_elsewhere)
{
    FdcGuest *g = fdc_guest_new(1440), *other = fdc_guest_new(1440);
    GByteArray *state = g_byte_array_new();
    uint8_t got[512];

    FD_SEND(g, 3, 0xaf, 0x03);
    FD_SEND(g, 0x46, 0, 0, 0, 1, 2, 1, 0x1b, 0xff);
    fdc_guest_wait(g);
    for (unsigned i = 0; i < 200; i++) {
        got[i] = fake_in8(g->f, FD_DATA);
    }
    machine_save(&g->f->m, state);
    cr_assert(machine_load(&other->f->m, state->data, state->len, NULL));
    for (unsigned i = 200; i < 512; i++) {
        cr_assert(fake_in8(other->f, FD_MSR) == 0xf0 && other->f->isa[6]);
        got[i] = fake_in8(other->f, FD_DATA);
    }
    cr_assert(has_sectors(got, 0, 1));
    fdc_guest_result(other);
    eq_result(other, 0x40, 0x80, 0, 1, 0, 1);
    g_byte_array_free(state, TRUE);
    fdc_guest_free(g);
    fdc_guest_free(other);
}

Test(fdc, saved_while_it_waits_for_the_image_the_data_is_there_after_loading)
{
    FdcGuest *g = fdc_guest_new(1440), *other = fdc_guest_new(1440);
    GByteArray *state = g_byte_array_new();

    fdc_guest_dma(g, true, 512);
    FD_SEND(g, 0x46, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
    machine_save(&g->f->m, state);
    cr_assert(machine_load(&other->f->m, state->data, state->len, NULL));
    fdc_guest_result(other);
    eq_result(other, 0, 0, 0, 0, 0, 2);
    g_byte_array_free(state, TRUE);
    fdc_guest_free(g);
    fdc_guest_free(other);
}
