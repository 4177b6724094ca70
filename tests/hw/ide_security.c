/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ide_security.c - the known ways in which IDE models of other programs fell to their guests, each
 * as a test.  The tests are meant for the sanitizer builds too, where an index that leaves its
 * buffer ends the test.
 */
#include "tests/hw/ide_guest.h"
#include "hw/devices.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { TABLE = 0x8000, DATA = 0x100000 };
#define CDB(...) (const uint8_t[12]){ __VA_ARGS__ }

static void idle(IdeGuest *g)
{
    for (unsigned base = SEC; base <= PRI; base += PRI - SEC) {
        fake_out8(g->f, base + 0x206, 4);
        fake_out8(g->f, base + 0x206, 0);
    }
}

static void settle(void)
{
    for (int i = 0; i < 20; i++)
        g_main_context_iteration(NULL, FALSE);
}

/* Data port accesses of all widths, more than any buffer holds. */
static void pour(IdeGuest *g, unsigned base, unsigned count)
{
    static uint8_t many[8192];

    for (unsigned i = 0; i < count; i++) {
        fake_out8(g->f, base, 0xa5);
        fake_in16(g->f, base);
        fake_out32(g->f, base, 0x5a5a5a5a);
        fake_in32(g->f, base);
        fake_in8(g->f, base);
        io_read_many(&g->f->m.io, base, 2, many, 300);
        io_write_many(&g->f->m.io, base, 4, many, 77);
    }
}

/* B1: addresses around every limit. */
Test(ide_security, b1_no_command_passes_the_end_of_the_disk)
{
    static const uint64_t lbas[] = { DISK_SECTORS - 1, DISK_SECTORS, DISK_SECTORS + 1,
                                     (1u << 28) - 1, 1u << 28, (1ull << 48) - 1 };
    static const uint8_t ext[] = { 0x24, 0x25, 0x29, 0x34, 0x35, 0x39, 0x3d, 0x42, 0xce };
    static const uint8_t short_form[] = { 0x20, 0x21, 0x30, 0x31, 0x40, 0xc4, 0xc5, 0xc8, 0xca };
    IdeGuest *g = ide_guest_new();

    fake_out8(g->f, PRI + R_COUNT, 16);
    ide_guest_command(g, PRI, 0xc6);
    for (unsigned l = 0; l < G_N_ELEMENTS(lbas); l++) {
        for (unsigned c = 0; c < G_N_ELEMENTS(ext); c++)
            for (unsigned count = 0; count < 3; count += 2) {
                ide_guest_lba48(g, lbas[l], count);
                cr_assert_eq(ide_guest_command(g, PRI, ext[c]), 0x51, "%02x lba %llx", ext[c],
                             (unsigned long long)lbas[l]);
                cr_assert_eq(fake_in8(g->f, PRI + R_ERROR), 0x10);
            }
        for (unsigned c = 0; c < G_N_ELEMENTS(short_form) && l < 4; c++)
            for (unsigned count = 0; count < 3; count += 2) {
                ide_guest_lba28(g, lbas[l], count, 0);
                cr_assert_eq(ide_guest_command(g, PRI, short_form[c]), 0x51);
            }
    }
    cr_assert(ide_guest_untouched(g, 0, 0));
    ide_guest_free(g);
}

/* B2: the data port after commands that leave no data behind. */
Test(ide_security, b2_data_port_never_leaves_its_buffer)
{
    static const uint8_t packets[][12] = { { 0x1b, 0, 0, 0, 2 },
                                           { 0x28, 0, 0, 0, 0, 0, 0, 0, 40 },
                                           { 0x55, 0, 0, 0, 0, 0, 0, 0xff, 0xff },
                                           { 0x5a, 0, 0x3f },
                                           { 0xbe, 0, 0, 0, 0, 0, 0, 0, 30, 0xf8 }, { 0x03 } };
    IdeGuest *g = ide_guest_new();

    for (unsigned i = 0; i < G_N_ELEMENTS(packets); i++) {
        ide_guest_packet(g, packets[i], 0xffff, false);
        pour(g, SEC, 400);
        settle();
        pour(g, SEC, 400);
        idle(g);
    }
    for (unsigned opcode = 0; opcode < 256; opcode++) {
        ide_guest_lba28(g, 3, 2, 0);
        fake_out8(g->f, PRI + R_COMMAND, opcode);
        pour(g, PRI, 20);
        settle();
        pour(g, PRI, 20);
        idle(g);
    }
    ide_guest_free(g);
}

/* B3, B17: unplugging in every phase; CD-ROMs stay. */
Test(ide_security, b3_b17_unplug_in_flight_removes_disks_only)
{
    for (unsigned mask = 0; mask < 8; mask++)
        for (unsigned phase = 0; phase < 5; phase++) {
            IdeGuest *g = ide_guest_new();
            Device *platform = device_new(&g->f->m, &xen_platform_class);
            device_set_pointer(platform, "bus", &g->f->bus);
            device_set_u64(platform, "devfn", 0x18);
            cr_assert(device_init(platform, NULL));
            ide_guest_prd(g, TABLE, 0, DATA, 0, true);
            ide_guest_lba28(g, 10, 128, 0);
            if (phase) {
                static const uint8_t opcodes[] = { 0, 0x20, 0x30, 0xc8, 0xca };
                fake_out8(g->f, PRI + R_COMMAND, opcodes[phase]);
            }
            if (phase > 2)
                ide_guest_start(g, BM0, TABLE, phase == 3);
            fake_out16(g->f, 0x10, mask);
            settle();
            cr_assert_eq(fake_in8(g->f, PRI + R_STATUS) == 0, (mask & 1) != 0);
            cr_assert_eq(fake_in8(g->f, SEC + R_MID), 0x14, "the CD stays");
            pour(g, PRI, 10);
            fake_out8(g->f, BM0, 0);
            fake_out8(g->f, PRI + R_COMMAND, 0xec);
            idle(g);
            cr_assert_eq(ide_guest_packet(g, CDB(0), 0, false), 0x50);
            machine_reset(&g->f->m);
            pci_bus_write(&g->f->bus, 9, 0x40, 4, 0x80008000);
            pci_bus_write(&g->f->bus, 9, 0x04, 2, 5);
            cr_assert_eq(fake_in8(g->f, PRI + R_STATUS), 0x50, "reset plugs it in again");
            ide_guest_free(g);
        }
}

/* B4, B10, B16: every opcode on every kind of slot, with old buffer contents to be leaked. */
static void opcode_sweep(IdeGuest *g, unsigned base, unsigned slave)
{
    for (unsigned opcode = 0; opcode < 256; opcode++)
        for (unsigned feature = 0; feature < 2; feature++) {
            fake_out8(g->f, base + R_DEVICE, 0xe0 | slave << 4);
            fake_out8(g->f, base + R_FEATURE, feature);
            fake_out8(g->f, base + R_COUNT, 0);
            fake_out8(g->f, base + R_COMMAND, opcode);
            settle();
            fake_in8(g->f, base + R_STATUS);
            pour(g, base, 2);
            fake_out8(g->f, base == PRI ? BM0 : BM1, 9);
            fake_out8(g->f, base == PRI ? BM0 : BM1, 0);
            idle(g);
        }
}

Test(ide_security, b4_b10_every_opcode_on_disk_cd_empty_cd_and_no_drive)
{
    IdeGuest *g = ide_guest_new();

    opcode_sweep(g, PRI, 0);
    opcode_sweep(g, PRI, 1);
    opcode_sweep(g, SEC, 0);
    ide_guest_free(g);
    int fd = ide_guest_image(0);
    g = ide_guest_new_with(ide_guest_open(fd, false), false, block_empty("cd"));
    g->disk_fd = fd;
    opcode_sweep(g, PRI, 0);
    opcode_sweep(g, SEC, 0);
    fake_out8(g->f, SEC + R_DEVICE, 0xa0);
    cr_assert_eq(ide_guest_command(g, SEC, 0xe7), 0x51, "no FLUSH CACHE on a CD-ROM drive");
    cr_assert_eq(ide_guest_command(g, SEC, 0xf8), 0x51);
    ide_guest_free(g);
}

/* B5: byte count limits that can't move anything. */
Test(ide_security, b5_byte_count_limit_zero_and_one_abort)
{
    static const unsigned limits[] = { 0, 1 };
    IdeGuest *g = ide_guest_new();

    for (unsigned i = 0; i < 2; i++) {
        cr_assert_eq(ide_guest_packet(g, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 1), limits[i], false),
                     0x51);
        cr_assert_eq(ide_guest_packet(g, CDB(0x12, 0, 0, 0, 36), limits[i], false), 0x51);
        cr_assert_eq(ide_guest_packet(g, CDB(0x00), limits[i], false), 0x50);
    }
    ide_guest_free(g);
}

/* B6, B7, B8, B11: tables of random shape, on all kinds of commands and slots. */
Test(ide_security, b6_b7_b8_b11_random_descriptor_tables, .timeout = 60)
{
    static const uint8_t opcodes[] = { 0xc8, 0xca, 0x25, 0x35, 0x06, 0xa0, 0xec };
    IdeGuest *g = ide_guest_new();
    unsigned seed = 1;

    for (unsigned round = 0; round < 3000; round++) {
        unsigned base = rand_r(&seed) % 4 ? PRI : SEC, bm = base == PRI ? BM0 : BM1;
        unsigned prds = rand_r(&seed) % 12 + 1;
        for (unsigned i = 0; i < prds; i++) {
            uint32_t len = rand_r(&seed) % 5 ? rand_r(&seed) % 5000 : 0;
            uint32_t addr = rand_r(&seed) % 20 ? DATA + rand_r(&seed) % 0x80000 : rand_r(&seed);
            ide_guest_prd(g, TABLE, i, addr, len, i + 1 == prds && rand_r(&seed) % 8);
        }
        memset(g->f->ram + TABLE + 8 * prds, rand_r(&seed) % 2 ? 0 : 0xff, 64);
        fake_out8(g->f, base + R_DEVICE, 0xe0 | (rand_r(&seed) % 8 ? 0 : 0x10));
        fake_out8(g->f, base + R_FEATURE, 1);
        fake_out8(g->f, base + R_COUNT, 0);
        fake_out8(g->f, base + R_COUNT, rand_r(&seed) % 32);
        fake_out8(g->f, base + R_LOW, rand_r(&seed) % 64);
        fake_out8(g->f, base + R_MID, 0);
        fake_out8(g->f, base + R_HIGH, 0);
        fake_out8(g->f, base + R_COMMAND, opcodes[rand_r(&seed) % G_N_ELEMENTS(opcodes)]);
        if (base == SEC) {
            uint8_t cdb[12] = { 0x28, 0, 0, 0, 0, rand_r(&seed), 0, 0, rand_r(&seed) % 20 };
            io_write_many(&g->f->m.io, SEC, 2, cdb, 6);
        }
        ide_guest_start(g, bm, TABLE, rand_r(&seed) & 1);
        if (rand_r(&seed) % 3)
            settle();
        if (rand_r(&seed) % 3)
            fake_out8(g->f, bm, 0);
        if (rand_r(&seed) % 2)
            idle(g);
    }
    idle(g);
    cr_assert(ide_guest_untouched(g, 0, 64 + 256));
    ide_guest_free(g);
}

Test(ide_security, b6_endless_table_is_bounded)
{
    IdeGuest *g = ide_guest_new();
    gint64 begin;

    for (unsigned i = 0; i < 0x200000 / 8; i++)
        ide_guest_prd(g, 0x200000, i, DATA, 2, false);
    ide_guest_lba48(g, 0, 4096);
    begin = g_get_monotonic_time();
    fake_out8(g->f, PRI + R_COMMAND, 0x25);
    ide_guest_start(g, BM0, 0x200000, true);
    cr_assert_lt(g_get_monotonic_time() - begin, 100000);
    settle();
    cr_assert(fake_in8(g->f, BM0 + 2) & 2, "a table longer than 64 KB is an error");
    idle(g);
    ide_guest_free(g);
}

/* B9: every register write in every state. */
Test(ide_security, b9_random_register_writes_in_every_state, .timeout = 60)
{
    IdeGuest *g = ide_guest_new();
    unsigned seed = 7;

    for (unsigned i = 0; i < 32; i++)
        ide_guest_prd(g, TABLE, i, DATA + 0x1000 * i, 0x1000, i == 31);
    for (unsigned round = 0; round < 200000; round++) {
        unsigned base = rand_r(&seed) & 1 ? PRI : SEC, bm = base == PRI ? BM0 : BM1;
        switch (rand_r(&seed) % 12) {
        case 0: fake_out32(g->f, bm + 4, TABLE); break;
        case 1: fake_out8(g->f, bm, rand_r(&seed)); break;
        case 2: fake_out8(g->f, bm + 2, rand_r(&seed)); break;
        case 3: fake_out8(g->f, base + 0x206, rand_r(&seed) % 16 ? 0 : rand_r(&seed)); break;
        case 4: g_main_context_iteration(NULL, FALSE); break;
        case 5: pour(g, base, 1); break;
        case 6: fake_out8(g->f, base + R_LOW, rand_r(&seed) % 200); break;
        case 7: fake_out8(g->f, base + R_DEVICE, rand_r(&seed)); break;
        default: fake_out8(g->f, base + rand_r(&seed) % 8, rand_r(&seed)); break;
        }
    }
    ide_guest_free(g);
}

/* B12, B15: block addresses that overflow as signed, as bytes, or as markers. */
Test(ide_security, b12_disc_addresses_at_the_limits)
{
    static const uint32_t lbas[] = { 0xffffffff, 0xfffffffe, 0x80000000, 0x7fffffff, 0x00200000,
                                     CD_BLOCKS, CD_BLOCKS - 1 };
    static const uint8_t opcodes[] = { 0x28, 0xa8, 0xbe };
    IdeGuest *g = ide_guest_new();
    uint8_t buf[8192];

    for (unsigned l = 0; l < G_N_ELEMENTS(lbas); l++)
        for (unsigned o = 0; o < 3; o++)
            for (unsigned count = 1; count < 4; count += 2) {
                uint8_t cdb[12] = { opcodes[o], 0, lbas[l] >> 24, lbas[l] >> 16, lbas[l] >> 8,
                                    lbas[l] };
                bool fits = lbas[l] == CD_BLOCKS - 1 && count == 1;
                cdb[opcodes[o] == 0xa8 ? 9 : 8] = count;
                cdb[9] |= opcodes[o] == 0xbe ? 0x10 : 0;
                cr_assert_eq(ide_guest_packet_in(g, cdb, buf, sizeof(buf)), fits ? 2048 : 0);
                cr_assert_eq(fake_in8(g->f, SEC + R_STATUS), fits ? 0x50 : 0x51);
            }
    ide_guest_free(g);
}

Test(ide_security, b15_top_of_a_disc_beyond_4_gib)
{
    int fd = memfd_create("dvd", 0);
    uint64_t blocks = 3000000;
    uint8_t mark[2048], got[2048];
    IdeGuest *g;

    memset(mark, 0xc3, sizeof(mark));
    cr_assert_eq(ftruncate(fd, blocks * 2048), 0);
    cr_assert_eq(pwrite(fd, mark, 2048, (blocks - 1) * 2048), 2048);
    g = ide_guest_new_with(block_empty("x"), true, ide_guest_open(fd, true));
    cr_assert_eq(ide_guest_packet_in(g, CDB(0x28, 0, 0, 0x2d, 0xc6, 0xbf, 0, 0, 1), got, 2048),
                 2048);
    cr_assert_arr_eq(got, mark, 2048);
    ide_guest_prd(g, TABLE, 0, DATA, 2048, true);
    ide_guest_packet(g, CDB(0x28, 0, 0, 0x2d, 0xc6, 0xbf, 0, 0, 1), 0, true);
    ide_guest_start(g, BM1, TABLE, true);
    cr_assert_eq(ide_guest_wait(g, SEC), 0x50);
    cr_assert_arr_eq(g->f->ram + DATA, mark, 2048);
    close(fd);
    ide_guest_free(g);
}

/* B13: resets of every kind during writes; what was not addressed stays. */
Test(ide_security, b13_reset_storm_never_writes_unaddressed_sectors, .timeout = 60)
{
    IdeGuest *g = ide_guest_new();
    unsigned seed = 3;

    memset(g->f->ram + DATA, 0xee, 0x10000);
    for (unsigned round = 0; round < 2000; round++) {
        ide_guest_prd(g, TABLE, 0, DATA, 32 * 512, true);
        ide_guest_lba48(g, 2000 + rand_r(&seed) % 64, 32);
        fake_out8(g->f, PRI + R_COMMAND, rand_r(&seed) & 1 ? 0x35 : 0x34);
        ide_guest_start(g, BM0, TABLE, false);
        io_write_many(&g->f->m.io, PRI, 4, g->f->ram + DATA, rand_r(&seed) % 300);
        if (rand_r(&seed) & 1)
            g_main_context_iteration(NULL, FALSE);
        switch (rand_r(&seed) % 4) {
        case 0:
            fake_out8(g->f, PRI_CTL, 4);
            fake_out8(g->f, PRI_CTL, 0);
            break;
        case 1:
            fake_out8(g->f, BM0, 0);
            break;
        case 2:
            machine_reset(&g->f->m);
            pci_bus_write(&g->f->bus, 9, 0x40, 4, 0x80008000);
            pci_bus_write(&g->f->bus, 9, 0x20, 4, BM0);
            pci_bus_write(&g->f->bus, 9, 0x04, 2, 5);
            break;
        }
        if (rand_r(&seed) & 1)
            settle();
        idle(g);
    }
    cr_assert(ide_guest_untouched(g, 2000, 96));
    ide_guest_free(g);
}

/* B14: TRIM ranges around the end have no effect at all. */
Test(ide_security, b14_trim_past_the_end_changes_nothing)
{
    static const uint64_t bad[] = { DISK_SECTORS | 1ull << 48, (DISK_SECTORS - 1) | 2ull << 48,
                                    0xffffffffffffull | 0xffffull << 48, 1ull << 47 | 1ull << 48 };
    IdeGuest *g = ide_guest_new();

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        uint64_t ranges[64] = { 5 | 4ull << 48, bad[i] };
        memcpy(g->f->ram + DATA, ranges, 512);
        ide_guest_prd(g, TABLE, 0, DATA, 512, true);
        ide_guest_lba48(g, 0, 1);
        fake_out8(g->f, PRI + R_FEATURE, 1);
        fake_out8(g->f, PRI + R_COMMAND, 0x06);
        ide_guest_start(g, BM0, TABLE, false);
        cr_assert_eq(ide_guest_wait(g, PRI), 0x51);
    }
    cr_assert(ide_guest_untouched(g, 0, 0));
    ide_guest_free(g);
}

/* B16: what a command did not produce can't be read. */
Test(ide_security, b16_no_old_buffer_bytes_in_replies)
{
    IdeGuest *g = ide_guest_new();
    uint8_t buf[65536], r[512];

    for (unsigned opcode = 0; opcode < 256; opcode++) {
        uint8_t cdb[12] = { opcode, 0, 0, 0, 252, 0, 0, 1, 0, 252 };
        uint32_t n, run = 0;
        ide_guest_packet_in(g, CDB(0x28, 0, 0, 0, 0, 1, 0, 0, 4), buf, sizeof(buf));
        if (opcode == 0x28 || opcode == 0xa8 || opcode == 0xbe || opcode == 0xb9)
            continue;
        n = ide_guest_packet_in(g, cdb, r, sizeof(r));
        for (uint32_t i = 0; i < n; i++) {          /* eight bytes in a row are no chance */
            run = r[i] && r[i] == buf[i] ? run + 1 : 0;
            cr_assert_lt(run, 8, "opcode %02x shows old data", opcode);
        }
        idle(g);
    }
    ide_guest_free(g);
}

/* B18, B19: random packets. */
Test(ide_security, b18_b19_random_packets, .timeout = 60)
{
    IdeGuest *g = ide_guest_new();
    unsigned seed = 11;

    for (unsigned round = 0; round < 20000; round++) {
        uint8_t cdb[12];
        for (unsigned i = 0; i < 12; i++)
            cdb[i] = rand_r(&seed) % 3 ? rand_r(&seed) : 0;
        fake_out8(g->f, SEC + R_DEVICE, 0xa0);
        fake_out8(g->f, SEC + R_FEATURE, rand_r(&seed) & 1);
        fake_out8(g->f, SEC + R_MID, rand_r(&seed));
        fake_out8(g->f, SEC + R_HIGH, rand_r(&seed));
        fake_out8(g->f, SEC + R_COMMAND, 0xa0);
        io_write_many(&g->f->m.io, SEC, 2, cdb, 6);
        if (rand_r(&seed) & 1)
            g_main_context_iteration(NULL, FALSE);
        pour(g, SEC, 1);
        if (rand_r(&seed) & 1)
            idle(g);
    }
    ide_guest_free(g);
}

/* Saved states from elsewhere. */
Test(ide_security, damaged_state_is_refused_or_harmless, .timeout = 60)
{
    IdeGuest *g = ide_guest_new();
    g_autofree uint8_t *good = NULL;
    unsigned seed = 5;
    size_t len;

    good = ide_guest_save(g, &len);
    for (unsigned round = 0; round < 300; round++) {
        g_autofree uint8_t *bad = g_memdup2(good, len);
        for (unsigned i = 0; i < 6; i++)
            bad[30 + rand_r(&seed) % (i < 3 ? 500 : len - 30)] = rand_r(&seed);
        if (machine_load(&g->f->m, bad, len, NULL)) {
            pour(g, PRI, 3);
            pour(g, SEC, 3);
            fake_out8(g->f, BM0, 9);
            settle();
            fake_out8(g->f, BM0, 0);
            idle(g);
        }
        cr_assert(machine_load(&g->f->m, good, len, NULL));
    }
    ide_guest_free(g);
}
