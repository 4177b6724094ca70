/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ide_cdrom.c - tests of the ATAPI CD-ROM drive: packet transport, MMC commands, media changes.
 */
#include "tests/hw/ide_guest.h"
#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#define CDB(...) (const uint8_t[12]){ __VA_ARGS__ }

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

static void want_blocks(const uint8_t *got, uint32_t lba, uint32_t count)
{
    uint8_t want[512];

    for (uint32_t i = 0; i < count * 4; i++) {
        ide_guest_fill(want, lba * 4 + i);
        cr_assert_arr_eq(got + 512 * i, want, 512, "block %u", lba + i / 4);
    }
}

static unsigned sense(IdeGuest *g)
{
    uint8_t s[18] = { 0 };

    cr_assert_eq(ide_guest_packet_in(g, CDB(0x03, 0, 0, 0, 18), s, 18), 18);
    return s[2] << 16 | s[12] << 8 | s[13];
}

Test(ide_cdrom, signature_and_identify_packet_tell_an_atapi_drive)
{
    IdeGuest *g = ide_guest_new();
    uint8_t id[512];

    cr_assert_eq(fake_in8(g->f, SEC + R_STATUS), 0);
    cr_assert_eq(fake_in8(g->f, SEC + R_MID), 0x14);
    cr_assert_eq(fake_in8(g->f, SEC + R_HIGH), 0xeb);
    fake_out8(g->f, SEC + R_MID, 0);
    fake_out8(g->f, SEC + R_DEVICE, 0xa0);
    cr_assert_eq(ide_guest_command(g, SEC, 0xec), 0x51, "IDENTIFY DEVICE aborts");
    cr_assert_eq(fake_in8(g->f, SEC + R_MID), 0x14, "and shows the signature");
    ide_guest_command(g, SEC, 0xa1);
    cr_assert(g->f->isa[15]);
    cr_assert_eq(ide_guest_pio_in(g, SEC, id, 512), 512);
    cr_assert_eq(id[0] | id[1] << 8, 0x85c0);
    ide_guest_free(g);
}

Test(ide_cdrom, packet_command_asks_for_twelve_bytes_with_cod)
{
    IdeGuest *g = ide_guest_new();

    fake_out8(g->f, SEC + R_DEVICE, 0xa0);
    fake_out8(g->f, SEC + R_FEATURE, 0);
    cr_assert_eq(ide_guest_command(g, SEC, 0xa0), 0x58);
    cr_assert_eq(fake_in8(g->f, SEC + R_COUNT) & 3, 1);
    cr_assert(!g->f->isa[15]);
    for (unsigned i = 0; i < 6; i++)
        fake_out16(g->f, SEC, 0);
    cr_assert_eq(ide_guest_wait(g, SEC), 0x50);
    cr_assert(g->f->isa[15]);
    cr_assert_eq(fake_in8(g->f, SEC + R_COUNT) & 3, 3);
    ide_guest_free(g);
}

Test(ide_cdrom, inquiry_and_capacity)
{
    IdeGuest *g = ide_guest_new();
    uint8_t r[64];

    cr_assert_eq(ide_guest_packet_in(g, CDB(0x12, 0, 0, 0, 36), r, 64), 36);
    cr_assert_eq(r[0], 5);
    cr_assert_eq(r[1], 0x80);
    cr_assert_eq(ide_guest_packet_in(g, CDB(0x25), r, 64), 8);
    cr_assert_eq(be32(r), CD_BLOCKS - 1);
    cr_assert_eq(be32(r + 4), 2048);
    ide_guest_free(g);
}

Test(ide_cdrom, read_10_by_pio_obeys_the_byte_count_limit)
{
    static const unsigned limits[] = { 2048, 4096, 0xfffe, 0xffff, 3000, 2, 101 };
    IdeGuest *g = ide_guest_new();
    uint8_t buf[5 * 2048];

    for (unsigned i = 0; i < G_N_ELEMENTS(limits); i++) {
        uint32_t done = 0;
        memset(buf, 0, sizeof(buf));
        ide_guest_packet(g, CDB(0x28, 0, 0, 0, 0, 77, 0, 0, 5), limits[i], false);
        while (ide_guest_wait(g, SEC) & 8) {
            unsigned n = fake_in8(g->f, SEC + R_MID) | fake_in8(g->f, SEC + R_HIGH) << 8;
            cr_assert_eq(fake_in8(g->f, SEC + R_COUNT) & 3, 2);
            cr_assert(n > 0 && n <= limits[i] && n % 2 == 0, "limit %u gave %u", limits[i], n);
            cr_assert(g->f->isa[15]);
            fake_in8(g->f, SEC + R_STATUS);
            io_read_many(&g->f->m.io, SEC, 2, buf + done, n / 2);
            done += n;
        }
        cr_assert_eq(done, sizeof(buf));
        want_blocks(buf, 77, 5);
        cr_assert_eq(fake_in8(g->f, SEC + R_COUNT) & 3, 3);
    }
    ide_guest_free(g);
}

Test(ide_cdrom, read_12_by_dma_goes_straight_to_memory)
{
    IdeGuest *g = ide_guest_new();

    ide_guest_prd(g, 0x1000, 0, 0x20000, 0x8000, false);
    ide_guest_prd(g, 0x1000, 1, 0x40000, 20 * 2048, false);
    ide_guest_prd(g, 0x1000, 2, 0x60000, 0, false);
    ide_guest_prd(g, 0x1000, 3, 0x80000, 0, true);
    ide_guest_packet(g, CDB(0xa8, 0, 0, 0, 1, 0, 0, 0, 0, 100), 0, true);
    ide_guest_start(g, BM1, 0x1000, true);
    ide_guest_wait(g, SEC);
    cr_assert(g->f->isa[15]);
    cr_assert_eq(fake_in8(g->f, BM1 + 2) & 7, 4, "interrupt, not active, no error");
    cr_assert_eq(fake_in8(g->f, SEC + R_STATUS), 0x50);
    want_blocks(g->f->ram + 0x20000, 256, 16);
    want_blocks(g->f->ram + 0x40000, 272, 20);
    want_blocks(g->f->ram + 0x60000, 292, 32);
    want_blocks(g->f->ram + 0x80000, 324, 32);
    cr_assert_eq(g->f->written_bytes, 100 * 2048);
    ide_guest_free(g);
}

Test(ide_cdrom, small_replies_by_dma)
{
    IdeGuest *g = ide_guest_new();

    ide_guest_prd(g, 0x1000, 0, 0x20000, 8, true);
    ide_guest_packet(g, CDB(0x25), 0, true);
    ide_guest_start(g, BM1, 0x1000, true);
    ide_guest_wait(g, SEC);
    cr_assert_eq(be32(g->f->ram + 0x20000), CD_BLOCKS - 1);
    cr_assert_eq(fake_in8(g->f, BM1 + 2) & 7, 4);
    ide_guest_free(g);
}

Test(ide_cdrom, read_cd_gives_cooked_and_raw_sectors)
{
    IdeGuest *g = ide_guest_new();
    uint8_t buf[40 * 2352];

    cr_assert_eq(ide_guest_packet_in(g, CDB(0xbe, 0, 0, 0, 0, 9, 0, 0, 2, 0x10), buf, sizeof(buf)),
                 4096);
    want_blocks(buf, 9, 2);
    cr_assert_eq(ide_guest_packet_in(g, CDB(0xbe, 0, 0, 0, 0, 0, 0, 0, 40, 0xf8), buf,
                                     sizeof(buf)), sizeof(buf));
    for (unsigned i = 0; i < 40; i++) {
        const uint8_t *p = buf + i * 2352;
        cr_assert_eq(p[0], 0);
        cr_assert_eq(p[1], 0xff);
        cr_assert_eq(p[13], 0x02, "second 2");
        cr_assert_eq(p[14], (i / 10 << 4) | i % 10);
        want_blocks(p + 16, i, 1);
    }
    ide_guest_free(g);
}

Test(ide_cdrom, read_toc_in_all_three_formats)
{
    IdeGuest *g = ide_guest_new();
    uint8_t r[128];

    cr_assert_eq(ide_guest_packet_in(g, CDB(0x43, 0, 0, 0, 0, 0, 0, 0, 128), r, 128), 20);
    cr_assert_eq(r[1], 18);
    cr_assert_eq(r[6], 1);
    cr_assert_eq(r[14], 0xaa);
    cr_assert_eq(be32(r + 16), CD_BLOCKS);
    cr_assert_eq(ide_guest_packet_in(g, CDB(0x43, 2, 0, 0, 0, 0, 0xaa, 0, 128), r, 128), 12);
    cr_assert_eq(r[9] * 4500 + r[10] * 75 + r[11], CD_BLOCKS + 150);
    cr_assert_eq(ide_guest_packet_in(g, CDB(0x43, 0, 1, 0, 0, 0, 0, 0, 128), r, 128), 12);
    cr_assert_eq(ide_guest_packet_in(g, CDB(0x43, 2, 2, 0, 0, 0, 0, 0, 128), r, 128), 48);
    cr_assert_eq(r[4 + 3], 0xa0);
    cr_assert_eq(ide_guest_packet_in(g, CDB(0x43, 0, 0, 0, 0, 0, 0, 0, 4), r, 128), 4,
                 "allocation length");
    ide_guest_free(g);
}

Test(ide_cdrom, get_configuration_names_the_current_profile)
{
    IdeGuest *g = ide_guest_new();
    uint8_t r[256];
    uint32_t len = ide_guest_packet_in(g, CDB(0x46, 0, 0, 0, 0, 0, 0, 1, 0), r, 256);

    cr_assert_eq(be32(r), len - 4);
    cr_assert_eq(r[6] << 8 | r[7], 0x0008);
    cr_assert_eq(ide_guest_packet_in(g, CDB(0x46, 2, 0, 3, 0, 0, 0, 1, 0), r, 256), 16);
    cr_assert_eq(r[8] << 8 | r[9], 3);
    ide_guest_free(g);
}

Test(ide_cdrom, mode_sense_lists_pages_and_mode_select_is_taken)
{
    IdeGuest *g = ide_guest_new();
    uint8_t r[128];

    cr_assert_eq(ide_guest_packet_in(g, CDB(0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 128), r, 128), 28);
    cr_assert_eq(r[8], 0x2a);
    cr_assert_eq(r[1], 26);
    cr_assert_eq(ide_guest_packet_in(g, CDB(0x5a, 0, 0x3f, 0, 0, 0, 0, 0, 128), r, 128), 86);
    cr_assert_eq(ide_guest_packet_in(g, CDB(0x1a, 0, 0x01, 0, 128), r, 128), 16);
    ide_guest_packet(g, CDB(0x5a, 0, 0x05, 0, 0, 0, 0, 0, 128), 2048, false);
    cr_assert_eq(sense(g), 0x052400);
    ide_guest_packet(g, CDB(0x55, 0x10, 0, 0, 0, 0, 0, 0, 8), 2048, false);
    cr_assert_eq(fake_in8(g->f, SEC + R_COUNT) & 3, 0, "data to the drive");
    for (unsigned i = 0; i < 4; i++)
        fake_out16(g->f, SEC, 0);
    cr_assert_eq(ide_guest_wait(g, SEC), 0x50, "a header alone");
    ide_guest_free(g);
}

Test(ide_cdrom, other_information_commands_answer)
{
    IdeGuest *g = ide_guest_new();
    uint8_t r[128];

    cr_assert_eq(ide_guest_packet_in(g, CDB(0x51, 0, 0, 0, 0, 0, 0, 0, 128), r, 128), 34);
    cr_assert_eq(ide_guest_packet_in(g, CDB(0x52, 1, 0, 0, 0, 1, 0, 0, 128), r, 128), 36);
    cr_assert_eq(be32(r + 24), CD_BLOCKS);
    cr_assert_eq(ide_guest_packet_in(g, CDB(0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 128), r, 128), 8);
    cr_assert_eq(ide_guest_packet_in(g, CDB(0x42, 2, 0x40, 1, 0, 0, 0, 0, 128), r, 128), 16);
    cr_assert_eq(ide_guest_packet_in(g, CDB(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 128), r, 128), 8);
    cr_assert_eq(r[5], 2, "medium present");
    cr_assert_eq(ide_guest_packet(g, CDB(0x2b, 0, 0, 0, 0, 5), 0, false), 0x50);
    cr_assert_eq(ide_guest_packet(g, CDB(0xbb, 0, 1, 1), 0, false), 0x50);
    cr_assert_eq(ide_guest_packet_in(g, CDB(0xad, 0, 0, 0, 0, 0, 0, 0xff, 0, 128), r, 128), 16);
    ide_guest_free(g);
}

Test(ide_cdrom, unknown_packets_and_ranges_past_the_end_are_illegal_requests)
{
    IdeGuest *g = ide_guest_new();

    cr_assert_eq(ide_guest_packet(g, CDB(0x2a), 2048, false), 0x51);
    cr_assert_eq(fake_in8(g->f, SEC + R_ERROR) >> 4, 5);
    cr_assert_eq(sense(g), 0x052000);
    ide_guest_packet(g, CDB(0x28, 0, 0, 0, 3, 0xe7, 0, 0, 2), 2048, false);     /* 999 + 2 */
    cr_assert_eq(sense(g), 0x052100);
    ide_guest_packet(g, CDB(0x28, 0, 0, 0, 3, 0xe7, 0, 0, 0), 2048, false);
    cr_assert_eq(fake_in8(g->f, SEC + R_STATUS), 0x50, "no blocks: nothing to do");
    ide_guest_free(g);
}

Test(ide_cdrom, tray_opens_and_closes_unless_locked)
{
    IdeGuest *g = ide_guest_new();

    cr_assert_eq(ide_guest_packet(g, CDB(0x1e, 0, 0, 0, 1), 0, false), 0x50);
    cr_assert_eq(ide_guest_packet(g, CDB(0x1b, 0, 0, 0, 2), 0, false), 0x51);
    cr_assert_eq(sense(g), 0x055302);
    cr_assert_eq(ide_guest_packet(g, CDB(0x1e, 0, 0, 0, 0), 0, false), 0x50);
    cr_assert_eq(ide_guest_packet(g, CDB(0x1b, 0, 0, 0, 2), 0, false), 0x50);
    cr_assert_eq(ide_guest_packet(g, CDB(0x00), 0, false), 0x51);
    cr_assert_eq(sense(g), 0x023a02);
    cr_assert_eq(ide_guest_packet(g, CDB(0x1b, 0, 0, 0, 3), 0, false), 0x50);
    cr_assert_eq(ide_guest_packet(g, CDB(0x00), 0, false), 0x51);
    cr_assert_eq(sense(g), 0x062800);
    cr_assert_eq(ide_guest_packet(g, CDB(0x00), 0, false), 0x50);
    ide_guest_free(g);
}

Test(ide_cdrom, medium_change_is_told_by_unit_attention)
{
    IdeGuest *g = ide_guest_new();
    int fd = ide_guest_image(80);
    BlockDev *other = ide_guest_open(fd, true), *empty = block_empty("cd"), *old;
    uint8_t r[64];

    old = ide_change_medium(g->ide, 2, empty, false, NULL);
    cr_assert_eq(old, g->cd);
    cr_assert_eq(ide_guest_packet(g, CDB(0x00), 0, false), 0x51);
    cr_assert_eq(sense(g), 0x023a01);
    cr_assert_eq(ide_change_medium(g->ide, 2, other, false, NULL), empty);
    cr_assert_eq(ide_guest_packet_in(g, CDB(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), r, 64), 8);
    cr_assert_eq(r[4], 2, "new media event");
    cr_assert_eq(ide_guest_packet(g, CDB(0x25), 2048, false), 0x51);
    cr_assert_eq(sense(g), 0x062800);
    cr_assert_eq(ide_guest_packet_in(g, CDB(0x25), r, 64), 8);
    cr_assert_eq(be32(r), 19);
    cr_assert_eq(ide_change_medium(g->ide, 2, old, true, NULL), other);
    block_close(other);
    block_close(empty);
    close(fd);
    ide_guest_free(g);
}

Test(ide_cdrom, locked_drive_keeps_its_medium_and_tells_the_guest_of_the_wish)
{
    IdeGuest *g = ide_guest_new();
    BlockDev *empty = block_empty("cd");
    g_autoptr(GError) error = NULL;
    uint8_t r[64];

    ide_guest_packet(g, CDB(0x1e, 0, 0, 0, 1), 0, false);
    cr_assert_null(ide_change_medium(g->ide, 2, empty, false, &error));
    cr_assert_not_null(error);
    ide_guest_packet_in(g, CDB(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), r, 64);
    cr_assert_eq(r[4], 1, "eject request");
    cr_assert_null(ide_change_medium(g->ide, 0, empty, true, NULL), "hda is a disk");
    block_close(empty);
    ide_guest_free(g);
}

Test(ide_cdrom, change_of_medium_ends_the_read_in_flight)
{
    static const uint8_t reads[2][12] = { { 0x28, 0, 0, 0, 0, 0, 0, 3, 0x84 },
                                          { 0xbe, 0, 0, 0, 0, 0, 0, 3, 0x84, 0xf8 } };

    for (unsigned i = 0; i < 2; i++) {
        IdeGuest *g = ide_guest_new();
        int fd = ide_guest_image(80);
        BlockDev *other = ide_guest_open(fd, true), *old;

        for (unsigned n = 0; n < 60; n++)
            ide_guest_prd(g, 0x1000, n, 0x20000 + n * 0x10000, 0, n == 59);
        ide_guest_packet(g, reads[i], 0, true);
        ide_guest_start(g, BM1, 0x1000, true);
        cr_assert(fake_in8(g->f, SEC_CTL) & 0x80);
        old = ide_change_medium(g->ide, 2, other, false, NULL);
        cr_assert_eq(old, g->cd);
        cr_assert_eq(fake_in8(g->f, SEC_CTL), 0x51);
        cr_assert(g->f->isa[15]);
        memset(g->f->ram + 0x20000, 0x77, 64);
        ide_guest_settle();
        cr_assert_eq(g->f->ram[0x20000], 0x77, "nothing comes afterwards");
        fake_out8(g->f, BM1, 0);
        cr_assert_eq(sense(g), 0x062800);
        g->cd = other;
        block_close(old);
        close(fd);
        ide_guest_free(g);
    }
}
