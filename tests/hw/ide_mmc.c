/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ide_mmc.c - tests of the CD-ROM drive's packet commands against MMC-5 and ECMA-130: raw sectors, mode
 * pages, events, the tray and its locks, speeds, audio on a disc without audio, DVD structures.
 */
#include "tests/hw/ide_guest.h"
#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CDB(...) (const uint8_t[12]){ __VA_ARGS__ }

static uint16_t be16(const uint8_t *p) { return p[0] << 8 | p[1]; }
static uint32_t be32(const uint8_t *p) { return (uint32_t)be16(p) << 16 | be16(p + 2); }

static unsigned sense(IdeGuest *g)
{
    uint8_t s[18] = { 0 };

    cr_assert_eq(ide_guest_packet_in(g, CDB(0x03, 0, 0, 0, 18), s, 18), 18);
    return s[2] << 16 | s[12] << 8 | s[13];
}

static void refused(IdeGuest *g, const uint8_t *cdb, unsigned want)
{
    cr_assert_eq(ide_guest_packet(g, cdb, 2048, false), 0x51, "%02x", cdb[0]);
    cr_assert_eq(sense(g), want, "%02x", cdb[0]);
}

static void taken(IdeGuest *g, const uint8_t *cdb)
{
    cr_assert_eq(ide_guest_packet(g, cdb, 2048, false), 0x50, "%02x", cdb[0]);
}

static uint8_t send_list(IdeGuest *g, const uint8_t *list, unsigned len)
{
    ide_guest_packet(g, CDB(0x55, 0x10, 0, 0, 0, 0, 0, len >> 8, len), 2048, false);
    for (unsigned i = 0; i < len; i += 2)
        fake_out16(g->f, SEC, list[i] | list[i + 1] << 8);
    return ide_guest_wait(g, SEC);
}

/* --- raw sectors --- */

static uint8_t times(uint8_t a, uint8_t b)
{
    uint8_t r = 0;

    for (; b; b >>= 1, a = a << 1 ^ (a & 0x80 ? 0x1d : 0))
        r ^= b & 1 ? a : 0;
    return r;
}

/* Both syndromes of a vector of n symbols at base[(start + i * step) % size], parities behind. */
static bool vector_sound(const uint8_t *base, unsigned start, unsigned step, unsigned size, unsigned n,
                         uint8_t parity0, uint8_t parity1)
{
    uint8_t sum = parity0 ^ parity1, weighted = times(2, parity0) ^ parity1;

    for (unsigned i = 0; i < n; i++) {
        uint8_t weight = 1;
        for (unsigned k = 0; k < n + 1 - i; k++)
            weight = times(weight, 2);
        sum ^= base[(start + i * step) % size];
        weighted ^= times(base[(start + i * step) % size], weight);
    }
    return !sum && !weighted;
}

Test(ide_mmc, raw_sectors_carry_sound_edc_and_ecc)
{
    IdeGuest *g = ide_guest_new();
    uint8_t raw[2352];
    uint32_t crc = 0;

    cr_assert_eq(ide_guest_packet_in(g, CDB(0xbe, 0, 0, 0, 0, 77, 0, 0, 1, 0xf8), raw, 2352), 2352);
    for (unsigned i = 0; i < 2064 * 8; i++) {           /* a bit at a time, the other way round */
        uint32_t bit = raw[i / 8] >> (i % 8) & 1;
        crc = crc >> 1 ^ ((crc ^ bit) & 1 ? 0xd8018001u : 0);
    }
    cr_assert_eq(raw[2064] | raw[2065] << 8 | raw[2066] << 16 | (uint32_t)raw[2067] << 24, crc);
    for (unsigned i = 0; i < 86; i++)
        cr_assert(vector_sound(raw + 12, i, 86, 2064, 24, raw[2076 + i], raw[2076 + 86 + i]), "P %u", i);
    for (unsigned i = 0; i < 52; i++)
        cr_assert(vector_sound(raw + 12, i / 2 * 86 + i % 2, 88, 2236, 43, raw[2248 + i],
                               raw[2248 + 52 + i]), "Q %u", i);
    ide_guest_free(g);
}

Test(ide_mmc, read_cd_gives_the_parts_that_were_asked_for)
{
    static const struct { uint8_t parts, sub; uint32_t len; } cases[] = {
        { 0x10, 0, 2048 }, { 0x20, 0, 4 }, { 0x30, 0, 2052 }, { 0x38, 0, 2340 }, { 0x78, 0, 2340 },
        { 0x18, 0, 2336 }, { 0xf8, 0, 2352 }, { 0xb8, 0, 2352 }, { 0x80, 0, 12 }, { 0xa0, 0, 16 },
        { 0x12, 0, 2048 + 294 }, { 0x14, 0, 2048 + 296 }, { 0x10, 1, 2048 + 96 },
        { 0x10, 2, 2048 + 16 }, { 0xfc, 4, 2352 + 296 + 96 }, { 0x00, 2, 16 }, { 0x02, 0, 294 },
    };
    IdeGuest *g = ide_guest_new();
    uint8_t buf[20 * 2744], want[512];

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        cr_assert_eq(ide_guest_packet_in(g, CDB(0xbe, 0, 0, 0, 0, 5, 0, 0, 20, cases[i].parts,
                                                cases[i].sub), buf, sizeof(buf)), 20 * cases[i].len,
                     "parts %x sub %x", cases[i].parts, cases[i].sub);
        if ((cases[i].parts & 0xb0) != 0x10)
            continue;
        for (unsigned n = 0; n < 20; n++) {             /* user data comes first */
            ide_guest_fill(want, (5 + n) * 4);
            cr_assert_arr_eq(buf + n * cases[i].len, want, 512, "parts %x, block %u",
                             cases[i].parts, n);
        }
    }
    refused(g, CDB(0xbe, 0, 0, 0, 0, 5, 0, 0, 1, 0x08), 0x052400);
    refused(g, CDB(0xbe, 0, 0, 0, 0, 5, 0, 0, 1, 0x90), 0x052400);
    refused(g, CDB(0xbe, 0, 0, 0, 0, 5, 0, 0, 1, 0x16), 0x052400);
    refused(g, CDB(0xbe, 0, 0, 0, 0, 5, 0, 0, 1, 0x10, 3), 0x052400);
    refused(g, CDB(0xbe, 1 << 2, 0, 0, 0, 5, 0, 0, 1, 0x10), 0x056400);
    refused(g, CDB(0xbe, 4 << 2, 0, 0, 0, 5, 0, 0, 1, 0x10), 0x056400);
    ide_guest_free(g);
}

Test(ide_mmc, q_sub_channel_tells_where_the_sector_is)
{
    IdeGuest *g = ide_guest_new();
    uint8_t q[16], raw[96];
    uint16_t crc = 0;

    cr_assert_eq(ide_guest_packet_in(g, CDB(0xbe, 0, 0, 0, 0, 100, 0, 0, 1, 0, 2), q, 16), 16);
    cr_assert_arr_eq(q, ((uint8_t[]){ 0x41, 1, 1, 0x00, 0x01, 0x25, 0, 0x00, 0x03, 0x25 }), 10);
    for (unsigned i = 0; i < 80; i++) {
        bool top = (crc >> 15 ^ q[i / 8] >> (7 - i % 8)) & 1;
        crc = crc << 1 ^ (top ? 0x1021 : 0);
    }
    cr_assert_eq(be16(q + 10), (uint16_t)~crc);
    cr_assert_eq(ide_guest_packet_in(g, CDB(0xbe, 0, 0, 0, 0, 100, 0, 0, 1, 0, 1), raw, 96), 96);
    for (unsigned i = 0; i < 96; i++)
        cr_assert_eq(raw[i], q[i / 8] >> (7 - i % 8) & 1 ? 0x40 : 0);
    ide_guest_free(g);
}

Test(ide_mmc, parts_saved_amid_a_read_go_on_after_load)
{
    IdeGuest *g = ide_guest_new();
    uint8_t first[2048], second[40 * 2352];
    size_t len;
    g_autofree uint8_t *state = NULL;

    ide_guest_packet(g, CDB(0xbe, 0, 0, 0, 0, 0, 0, 0, 40, 0xf8), 2048, false);
    for (unsigned i = 0; i < 2048; i += 2) {
        uint16_t word = fake_in16(g->f, SEC);
        memcpy(first + i, &word, 2);
    }
    state = ide_guest_save(g, &len);
    cr_assert(machine_load(&g->f->m, state, len, NULL));
    cr_assert_eq(ide_guest_pio_in(g, SEC, second, sizeof(second)), 40 * 2352 - 2048);
    cr_assert_eq(second[39 * 2352 - 2048 + 14], 0x39, "frame 39 of second 2");
    ide_guest_free(g);
}

/* --- mode pages --- */

Test(ide_mmc, mode_select_changes_what_may_be_changed)
{
    IdeGuest *g = ide_guest_new();
    uint8_t list[8 + 12] = { 0 }, r[64];

    list[8] = 0x01;
    list[9] = 10;
    list[11] = 9;                                       /* retries */
    list[12] = 0xff;                                    /* can't be changed */
    cr_assert_eq(send_list(g, list, sizeof(list)), 0x50);
    cr_assert_eq(ide_guest_packet_in(g, CDB(0x5a, 0, 0x01, 0, 0, 0, 0, 0, 64), r, 64), 20);
    cr_assert_eq(r[11], 9);
    cr_assert_eq(r[12], 0);
    cr_assert_eq(ide_guest_packet_in(g, CDB(0x5a, 0, 0x81, 0, 0, 0, 0, 0, 64), r, 64), 20);
    cr_assert_eq(r[11], 5, "the default");
    cr_assert_eq(ide_guest_packet_in(g, CDB(0x5a, 0, 0x41, 0, 0, 0, 0, 0, 64), r, 64), 20);
    cr_assert_eq(r[11], 0xff, "can be changed");
    refused(g, CDB(0x5a, 0, 0xc1, 0, 0, 0, 0, 0, 64), 0x053900);
    refused(g, CDB(0x55, 0x11, 0, 0, 0, 0, 0, 0, 20), 0x052400);
    ide_guest_free(g);
}

Test(ide_mmc, mode_select_takes_a_whole_sound_list_or_nothing)
{
    static const uint8_t lists[][32] = {
        { 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 10, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0x33, 2, 0, 0 },
        { 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 9, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 },
        { 0, 0, 0, 0, 0, 0, 0, 200, 0x01, 10, 0, 8 },
        { 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 10, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0x0e, 14, 0, 0 },
    };
    static const unsigned want[] = { 0x052600, 0x052600, 0x051a00, 0x052600 };
    IdeGuest *g = ide_guest_new();
    uint8_t r[64];

    for (unsigned i = 0; i < 4; i++) {
        cr_assert_eq(send_list(g, lists[i], 24), 0x51, "list %u", i);
        cr_assert_eq(sense(g), want[i], "list %u", i);
    }
    cr_assert_eq(ide_guest_packet_in(g, CDB(0x5a, 0, 0x01, 0, 0, 0, 0, 0, 64), r, 64), 20);
    cr_assert_eq(r[11], 5, "nothing was changed");
    cr_assert_eq(send_list(g, lists[0], 6), 0x51, "not even a header");
    cr_assert_eq(sense(g), 0x051a00);
    ide_guest_free(g);
}

Test(ide_mmc, mode_select_by_dma_is_taken_too)
{
    IdeGuest *g = ide_guest_new();
    uint8_t r[64];

    memset(g->f->ram + 0x20000, 0, 24);
    memcpy(g->f->ram + 0x20008, ((uint8_t[]){ 0x0e, 14, 4, 0, 0, 0, 0, 75, 1, 0x55 }), 10);
    ide_guest_prd(g, 0x1000, 0, 0x20000, 24, true);
    ide_guest_packet(g, CDB(0x55, 0x10, 0, 0, 0, 0, 0, 0, 24), 0, true);
    ide_guest_start(g, BM1, 0x1000, false);
    cr_assert_eq(ide_guest_wait(g, SEC), 0x50);
    fake_out8(g->f, BM1, 0);
    cr_assert_eq(ide_guest_packet_in(g, CDB(0x5a, 0, 0x0e, 0, 0, 0, 0, 0, 64), r, 64), 24);
    cr_assert_eq(r[8 + 9], 0x55, "the volume");
    ide_guest_free(g);
}

/* --- tray, locks, events, power --- */

typedef struct Watch {
    unsigned calls, slot;
    bool open, locked;
} Watch;

static void tray_moved(void *opaque, unsigned slot, bool open, bool locked)
{
    *(Watch *)opaque = (Watch){ ((Watch *)opaque)->calls + 1, slot, open, locked };
}

Test(ide_mmc, host_hears_of_the_tray)
{
    IdeGuest *g = ide_guest_new();
    Watch w = { 0 };

    ide_set_tray_watch(g->ide, tray_moved, &w);
    taken(g, CDB(0x1b, 0, 0, 0, 2));
    cr_assert_eq(w.calls, 1);
    cr_assert_eq(w.slot, 2);
    cr_assert(w.open);
    taken(g, CDB(0x1b, 0, 0, 0, 2));
    cr_assert_eq(w.calls, 1, "it was open");
    taken(g, CDB(0x1b, 0, 0, 0, 3));
    cr_assert_eq(w.calls, 2);
    cr_assert(!w.open);
    taken(g, CDB(0x03, 0, 0, 0, 0));
    taken(g, CDB(0x1e, 0, 0, 0, 1));
    cr_assert(w.locked);
    taken(g, CDB(0x1e, 0, 0, 0, 1));
    taken(g, CDB(0x1e, 0, 0, 0, 0));
    cr_assert(!w.locked);
    cr_assert_eq(w.calls, 4);
    ide_guest_free(g);
}

Test(ide_mmc, persistent_prevent_holds_the_user_back_not_the_host)
{
    IdeGuest *g = ide_guest_new();
    BlockDev *empty = block_empty("cd");
    uint8_t r[8];

    taken(g, CDB(0x1e, 0, 0, 0, 3));
    cr_assert_null(ide_change_medium(g->ide, 2, empty, false, NULL));
    ide_guest_packet_in(g, CDB(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), r, 8);
    cr_assert_eq(r[4], 1, "eject request");
    ide_guest_packet_in(g, CDB(0x4a, 1, 0, 0, 0x02, 0, 0, 0, 8), r, 8);
    cr_assert_eq(r[5], 0x80);
    taken(g, CDB(0x1b, 0, 0, 0, 2));
    taken(g, CDB(0x1b, 0, 0, 0, 3));
    taken(g, CDB(0x03, 0, 0, 0, 0));
    taken(g, CDB(0x1e, 0, 0, 0, 1));
    refused(g, CDB(0x1b, 0, 0, 0, 2), 0x055302);
    ide_guest_free(g);
    block_close(empty);
}

Test(ide_mmc, events_come_by_class_and_once)
{
    IdeGuest *g = ide_guest_new();
    uint8_t r[8];

    cr_assert_eq(ide_guest_packet_in(g, CDB(0x4a, 1, 0, 0, 0x01, 0, 0, 0, 8), r, 8), 4);
    cr_assert_eq(r[2], 0x80, "no such class");
    cr_assert_eq(r[3], 0x56);
    taken(g, CDB(0x1b, 0, 0, 0, 0x30));                 /* standby */
    taken(g, CDB(0x1b, 0, 0, 0, 2));
    ide_guest_packet_in(g, CDB(0x4a, 1, 0, 0, 0x7e, 0, 0, 0, 8), r, 8);
    cr_assert_eq(r[2], 2, "power");
    cr_assert_eq(r[4], 1);
    cr_assert_eq(r[5], 3);
    ide_guest_packet_in(g, CDB(0x4a, 1, 0, 0, 0x7e, 0, 0, 0, 8), r, 8);
    cr_assert_eq(r[2], 4, "then media");
    cr_assert_eq(r[4], 3, "removal");
    ide_guest_packet_in(g, CDB(0x4a, 1, 0, 0, 0x7e, 0, 0, 0, 8), r, 8);
    cr_assert_eq(r[2], 1, "then nothing");
    cr_assert_eq(r[4], 0);
    refused(g, CDB(0x4a, 0, 0, 0, 0x10, 0, 0, 0, 8), 0x052400);
    refused(g, CDB(0x1b, 0, 0, 0, 0x40), 0x052400);
    ide_guest_free(g);
}

Test(ide_mmc, drive_sleeps_by_packet_until_it_is_reset)
{
    IdeGuest *g = ide_guest_new();

    taken(g, CDB(0x1b, 0, 0, 0, 0x50));
    fake_out8(g->f, SEC + R_COMMAND, 0xa0);
    cr_assert_eq(fake_in8(g->f, SEC_CTL) & 8, 0, "it takes no packet");
    fake_out8(g->f, SEC + R_COMMAND, 0x08);
    taken(g, CDB(0x00));
    ide_guest_free(g);
}

Test(ide_mmc, power_on_is_told_once)
{
    IdeGuest *g = ide_guest_new();

    machine_reset(&g->f->m);
    pci_bus_write(&g->f->bus, 9, 0x40, 4, 0x80008000);
    pci_bus_write(&g->f->bus, 9, 0x04, 2, 5);
    refused(g, CDB(0x00), 0x062900);
    taken(g, CDB(0x00));
    ide_guest_free(g);
}

/* --- speeds, features --- */

Test(ide_mmc, speed_is_kept_and_told)
{
    IdeGuest *g = ide_guest_new();
    uint8_t r[64];

    taken(g, CDB(0xbb, 0, 0x02, 0xc0));                 /* 704 kB/s */
    ide_guest_packet_in(g, CDB(0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 64), r, 64);
    cr_assert_eq(be16(r + 8 + 14), 704);
    cr_assert_eq(be16(r + 8 + 8), 2816);
    cr_assert_eq(ide_guest_packet_in(g, CDB(0xac, 0x10, 0, 0, 0, 0, 0, 0, 0, 1, 0), r, 64), 24);
    cr_assert_eq(be32(r), 20);
    cr_assert_eq(be32(r + 12), 704);
    cr_assert_eq(be32(r + 16), CD_BLOCKS - 1);
    refused(g, CDB(0xac, 0x14, 0, 0, 0, 0, 0, 0, 0, 1, 0), 0x052400);
    refused(g, CDB(0xac, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3), 0x052400);
    taken(g, CDB(0xbb, 0, 0xff, 0xff));
    ide_guest_packet_in(g, CDB(0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 64), r, 64);
    cr_assert_eq(be16(r + 8 + 14), 2816);
    ide_guest_free(g);
}

Test(ide_mmc, features_are_in_order_with_the_serial_number_last)
{
    IdeGuest *g = ide_guest_new();
    uint8_t r[256];
    uint32_t len = ide_guest_packet_in(g, CDB(0x46, 0, 0, 0, 0, 0, 0, 1, 0), r, 256), at = 8;
    unsigned last = 0, count = 0;

    for (; at < len; at += 4 + r[at + 3], count++) {
        cr_assert(!count || be16(r + at) > last);
        last = be16(r + at);
        cr_assert_eq(r[at + 3] % 4, 0);
    }
    cr_assert_eq(at, len);
    cr_assert_eq(last, 0x0108);
    cr_assert_eq(ide_guest_packet_in(g, CDB(0x46, 2, 1, 8, 0, 0, 0, 1, 0), r, 256), 8 + 4 + 8);
    cr_assert_arr_eq(r + 12, "GH00003 ", 8);
    cr_assert_eq(ide_guest_packet_in(g, CDB(0x46, 2, 0, 0x21, 0, 0, 0, 1, 0), r, 256), 8, "no writer");
    refused(g, CDB(0x46, 3, 0, 0, 0, 0, 0, 1, 0), 0x052400);
    ide_guest_free(g);
}

/* --- disc information --- */

Test(ide_mmc, toc_formats_of_writers_and_cd_text_are_refused)
{
    IdeGuest *g = ide_guest_new();

    for (unsigned format = 3; format < 8; format++)
        refused(g, CDB(0x43, 2, format, 0, 0, 0, 0, 0, 128), 0x052400);
    refused(g, CDB(0x43, 0, 0, 0, 0, 0, 2, 0, 128), 0x052400);
    ide_guest_free(g);
}

Test(ide_mmc, sub_channel_follows_the_head)
{
    IdeGuest *g = ide_guest_new();
    uint8_t r[2048];

    ide_guest_packet_in(g, CDB(0x28, 0, 0, 0, 1, 0x2b, 0, 0, 1), r, 2048);      /* 299 */
    cr_assert_eq(ide_guest_packet_in(g, CDB(0x42, 0, 0x40, 1, 0, 0, 0, 0, 16), r, 64), 16);
    cr_assert_eq(r[1], 0x15);
    cr_assert_eq(be32(r + 8), 300);
    cr_assert_eq(be32(r + 12), 300);
    cr_assert_eq(ide_guest_packet_in(g, CDB(0x42, 2, 0x40, 1, 0, 0, 0, 0, 16), r, 64), 16);
    cr_assert_arr_eq(r + 8, ((uint8_t[]){ 0, 0, 6, 0, 0, 0, 4, 0 }), 8);
    cr_assert_eq(ide_guest_packet_in(g, CDB(0x42, 0, 0x40, 2, 0, 0, 0, 0, 64), r, 64), 24);
    cr_assert_eq(r[8], 0, "no catalogue number");
    refused(g, CDB(0x42, 0, 0x40, 3, 0, 0, 2, 0, 64), 0x052400);
    cr_assert_eq(ide_guest_packet_in(g, CDB(0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8), r, 64), 8);
    cr_assert_eq(be16(r + 3), 300, "MECHANISM STATUS agrees");
    ide_guest_free(g);
}

Test(ide_mmc, audio_commands_answer_as_on_a_data_disc)
{
    IdeGuest *g = ide_guest_new();

    refused(g, CDB(0x45, 0, 0, 0, 0, 10, 0, 0, 5), 0x056400);
    refused(g, CDB(0x45, 0, 0, 0, 4, 0, 0, 0, 5), 0x052100);
    taken(g, CDB(0x45, 0, 0, 0, 0, 10, 0, 0, 0));
    refused(g, CDB(0xa5, 0, 0, 0, 0, 10, 0, 0, 0, 5), 0x056400);
    refused(g, CDB(0x47, 0, 0, 0, 2, 0, 0, 4, 0), 0x056400);
    refused(g, CDB(0x47, 0, 0, 0, 4, 0, 0, 2, 0), 0x052100);
    refused(g, CDB(0x47, 0, 0, 0xff, 0xff, 0xff, 0, 4, 0), 0x056400);
    refused(g, CDB(0x48, 0, 0, 0, 1, 1, 0, 1, 1), 0x056400);
    refused(g, CDB(0x4b, 0, 0, 0, 0, 0, 0, 0, 0), 0x052c00);
    taken(g, CDB(0x4e));
    refused(g, CDB(0xba), 0x056400);
    ide_guest_free(g);
}

Test(ide_mmc, header_verify_and_read_ahead_check_their_addresses)
{
    IdeGuest *g = ide_guest_new();
    uint8_t r[8];

    cr_assert_eq(ide_guest_packet_in(g, CDB(0x44, 2, 0, 0, 0, 75, 0, 0, 8), r, 8), 8);
    cr_assert_arr_eq(r, ((uint8_t[]){ 1, 0, 0, 0, 0, 0, 3, 0 }), 8);
    refused(g, CDB(0x44, 0, 0, 0, 3, 0xe8, 0, 0, 8), 0x052100);
    taken(g, CDB(0x2f, 0, 0, 0, 3, 0xe0, 0, 0, 8));
    refused(g, CDB(0x2f, 0, 0, 0, 3, 0xe0, 0, 0, 9), 0x052100);
    taken(g, CDB(0xa7, 0, 0, 0, 3, 0xe7));
    refused(g, CDB(0xa7, 0, 0, 0, 3, 0xe8), 0x052100);
    refused(g, CDB(0xad, 0, 0, 0, 0, 0, 0, 0, 8, 4), 0x053000);
    ide_guest_free(g);
}

Test(ide_mmc, long_discs_are_dvds_of_one_or_two_layers)
{
    static const uint64_t sizes[] = { 4ull << 30, 8ull << 30 };

    for (unsigned i = 0; i < 2; i++) {
        int fd = memfd_create("dvd", MFD_CLOEXEC);
        cr_assert_eq(ftruncate(fd, sizes[i]), 0);
        IdeGuest *g = ide_guest_new_with(block_empty("hda"), true, ide_guest_open(fd, true));
        g->disk_fd = fd;
        uint8_t r[4096];
        uint32_t blocks = sizes[i] / 2048;
        cr_assert_eq(ide_guest_packet_in(g, CDB(0x46, 0, 0, 0, 0, 0, 0, 0, 8), r, 8), 8);
        cr_assert_eq(be16(r + 6), 0x10);
        cr_assert_eq(ide_guest_packet_in(g, CDB(0xad, 0, 0, 0, 0, 0, 0, 0, 8, 4), r, 4096), 2052);
        cr_assert_eq(be16(r), 2050);
        cr_assert_eq(r[6] & 0x60, i ? 0x20 : 0);
        cr_assert_eq(be32(r + 8), 0x30000);
        cr_assert_eq(be32(r + (i ? 16 : 12)), 0x30000 + (i ? blocks / 2 : blocks) - 1);
        cr_assert_eq(ide_guest_packet_in(g, CDB(0xad, 0, 0, 0, 0, 0, 0, 4, 8, 4), r, 4096), 2052);
        cr_assert_eq(ide_guest_packet_in(g, CDB(0xad, 0, 0, 0, 0, 0, 0, 1, 8, 4), r, 4096), 8);
        refused(g, CDB(0xad, 0, 0, 0, 0, 0, 0, 3, 8, 4), 0x052400);
        ide_guest_free(g);
    }
}

Test(ide_mmc, empty_drive_is_not_ready_for_everything_about_the_disc)
{
    static const uint8_t needs[] = { 0x00, 0x25, 0x28, 0x2b, 0x2f, 0x42, 0x43, 0x44, 0x45, 0x47, 0x48,
                                     0x4b, 0x4e, 0x51, 0x52, 0xa5, 0xa7, 0xa8, 0xac, 0xad, 0xb9,
                                     0xba, 0xbe };
    IdeGuest *g = ide_guest_new_with(block_empty("hda"), true, block_empty("hdc"));

    for (unsigned i = 0; i < sizeof(needs); i++)
        refused(g, CDB(needs[i]), 0x023a01);
    ide_guest_free(g);
}
