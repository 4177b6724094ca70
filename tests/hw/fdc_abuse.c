/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fdc_abuse.c - the floppy controller under hostile guests: what broke other models of it, as tests
 * (VENOM, CVE-2015-3456, and its kin).  They are meant to run under AddressSanitizer, too.
 */
#include "tests/hw/fdc_guest.h"
#include "hw/chipset.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void turn(FdcGuest *g)
{
    fake_advance(g->f, 30 * NS_PER_MS);
    while (g_main_context_iteration(NULL, FALSE)) {
    }
}

static void reset(FdcGuest *g)
{
    fake_out8(g->f, FD_DOR, 0);
    fake_out8(g->f, FD_DOR, 0x1c);
    cr_assert_eq(fake_in8(g->f, FD_MSR), 0x80);
}

/* VENOM: bytes poured in after a command that the model never ends. */
Test(fdc_abuse, venom_no_opcode_lets_bytes_past_the_buffer, .timeout = 120)
{
    FdcGuest *g = fdc_guest_new(1440);

    for (unsigned opcode = 0; opcode < 256; opcode++) {
        fake_out8(g->f, FD_DATA, opcode);
        for (unsigned i = 0; i < 4096; i++) {
            fake_out8(g->f, FD_DATA, i);
        }
        for (unsigned i = 0; i < 4096; i++) {
            fake_in8(g->f, FD_DATA);
        }
        turn(g);
        reset(g);
    }
    fdc_guest_free(g);
}

/* QEMU b3bc154098: PIO writes longer than a sector; VENOM without DMA. */
Test(fdc_abuse, programmed_io_of_every_opcode_stays_in_the_buffer, .timeout = 120)
{
    FdcGuest *g = fdc_guest_new(1440);

    for (unsigned opcode = 0; opcode < 256; opcode++) {
        static const uint8_t rest[8] = { 0, 0, 0, 1, 2, 18, 0x1b, 0xff };

        FD_SEND(g, 3, 0xaf, 0x03);
        fake_out8(g->f, FD_DATA, opcode);
        for (unsigned i = 0; i < 8; i++) {
            fake_out8(g->f, FD_DATA, rest[i]);
        }
        for (unsigned round = 0; round < 4; round++) {
            turn(g);
            g_usleep(200);
            turn(g);
            for (unsigned i = 0; i < 20000; i++) {
                fake_out8(g->f, FD_DATA, i);
                fake_in8(g->f, FD_DATA);
            }
        }
        reset(g);
        for (unsigned i = 0; i < 4; i++) {
            FD_SEND(g, 8);
            fdc_guest_result(g);
        }
    }
    fdc_guest_free(g);
}

/* QEMU 3bcb80f1af: the size code is a shift count elsewhere. */
Test(fdc_abuse, every_size_code_ends_with_an_error, .timeout = 60)
{
    FdcGuest *g = fdc_guest_new(1440);

    for (unsigned n = 0; n < 256; n += n < 8 ? 1 : 31) {
        fdc_guest_dma(g, true, 512);
        FD_RUN(g, 0x46, 0, 0, 0, 1, n, 18, 0x1b, 0xff);
        cr_assert_eq(g->result[0] == 0, n == 2, "N %u", n);
        fdc_guest_dma(g, false, 512);
        FD_RUN(g, 0x4d, 0, n, 18, 0x54, 0);
        cr_assert_eq(g->result[0], 0x40);
    }
    fdc_guest_free(g);
}

/* CVE-2020-25741, CVE-2021-20196: no medium, no drive, any drive of the four. */
Test(fdc_abuse, every_command_on_every_absent_drive_ends, .timeout = 120)
{
    for (unsigned empty = 0; empty < 2; empty++) {
        FdcGuest *g = fdc_guest_new_with(empty ? block_empty("fda") : NULL, NULL);

        for (unsigned dor = 0; dor < 4; dor++) {
            for (unsigned opcode = 0; opcode < 256; opcode++) {
                reset(g);
                fake_out8(g->f, FD_DOR, 0x1c | dor);
                FD_SEND(g, 0x13, 0, 0x60, 0);
                fake_out8(g->f, FD_DATA, opcode);
                for (unsigned i = 0; i < 8 && (fake_in8(g->f, FD_MSR) & 0xc0) == 0x80; i++) {
                    fake_out8(g->f, FD_DATA, i == 0 ? dor : 3);
                }
                for (unsigned i = 0; i < 3; i++) {
                    turn(g);
                }
                cr_assert(fake_in8(g->f, FD_MSR) & 0x80, "drive %u opcode %02x", dor, opcode);
                fake_in8(g->f, FD_DIR);
            }
        }
        fdc_guest_free(g);
    }
}

/* CVE-2021-3507: EOT beyond the track made DMA read past the sector buffer. */
Test(fdc_abuse, every_end_of_track_moves_only_bytes_of_the_medium, .timeout = 60)
{
    FdcGuest *g = fdc_guest_new(1440);
    uint8_t want[512];

    for (unsigned eot = 0; eot < 256; eot++) {
        memset(g->f->ram + FD_BUFFER, 0xcc, 0x10000);
        fdc_guest_transfer(g, 0x46, 1, 0, 3, eot, 0x8000);
        cr_assert_eq(g->result[0] & 0xc0, 0x40);
        for (unsigned i = 0; i < 64; i++) {
            if (i < (eot >= 3 && eot < 18 ? eot - 2 : 16)) {
                fdc_guest_fill(want, 36 + 2 + i);
            } else {
                memset(want, 0xcc, 512);
            }
            cr_assert_arr_eq(g->f->ram + FD_BUFFER + 512 * i, want, 512, "EOT %u", eot);
        }
        fdc_guest_transfer(g, 0x42, 1, 0, 1, eot, 0x8000);
    }
    fdc_guest_free(g);
}

/* QEMU 441f6692ec: stopped without a DMA channel; here there is no DMA controller at all. */
Test(fdc_abuse, reset_in_each_phase_without_dma_leaves_it_ready, .timeout = 60)
{
    int fd = fdc_guest_image(1440);

    for (unsigned with_dma = 0; with_dma < 2; with_dma++) {
        FdcGuest *g = fdc_guest_new_with(fdc_guest_open(fd, false), NULL);

        for (unsigned opcode = 0; opcode < 0x20; opcode++) {
            for (unsigned phase = 0; phase < 14; phase++) {
                static const uint8_t rest[8] = { 0, 0, 0, 1, 2, 18, 0x1b, 0xff };

                reset(g);
                FD_SEND(g, 8);
                FD_SEND(g, 3, 0xaf, !with_dma);
                fake_out8(g->f, FD_DATA, opcode | 0x40);
                for (unsigned i = 0; i < MIN(phase, 8u); i++) {
                    fake_out8(g->f, FD_DATA, rest[i]);
                }
                for (unsigned i = 8; i < phase; i++) {
                    g_usleep(100);
                    while (g_main_context_iteration(NULL, FALSE)) {
                    }
                    fake_in8(g->f, FD_DATA);
                }
                fake_out8(g->f, FD_DSR, phase & 1 ? 0x80 : 0x00);
            }
        }
        reset(g);
        fdc_guest_free(g);
    }
    close(fd);
}

/* CVE-2023-5088's class: what was not addressed never changes, whatever is reset when. */
Test(fdc_abuse, resets_during_writes_touch_only_the_addressed_sectors, .timeout = 60)
{
    FdcGuest *g = fdc_guest_new(1440);
    uint8_t sector[512], want[512];
    unsigned seed = 7;

    for (unsigned round = 0; round < 500; round++) {
        fdc_guest_dma(g, false, 18 * 512);
        FD_SEND(g, 7, 0);
        fake_advance(g->f, NS_PER_S);
        FD_SEND(g, 8);
        fdc_guest_result(g);
        FD_SEND(g, 0x45, 0, 0, 0, 9, 2, 18, 0x1b, 0xff);
        if (rand_r(&seed) & 1) {
            g_usleep(rand_r(&seed) % 200);
            while (g_main_context_iteration(NULL, FALSE)) {
            }
        }
        fdc_guest_start(g);
    }
    for (unsigned i = 0; i < 2880; i++) {
        if (i < 8 || i >= 18) {
            cr_assert_eq(pread(g->fd, sector, 512, 512 * i), 512);
            fdc_guest_fill(want, i);
            cr_assert_arr_eq(sector, want, 512, "sector %u", i);
        }
    }
    fdc_guest_free(g);
}

Test(fdc_abuse, medium_may_go_in_each_phase_of_each_command, .timeout = 120)
{
    FdcGuest *g = fdc_guest_new(1440);
    int fd = fdc_guest_image(1440);

    for (unsigned opcode = 0; opcode < 0x20; opcode++) {
        for (unsigned phase = 0; phase < 12; phase++) {
            static const uint8_t rest[8] = { 0, 0, 0, 1, 2, 18, 0x1b, 0xff };
            BlockDev *old;

            reset(g);
            for (unsigned i = 0; i < 4; i++) {
                FD_SEND(g, 8);
                fdc_guest_result(g);
            }
            FD_SEND(g, 3, 0xaf, phase & 1);
            fdc_guest_dma(g, true, 4096);
            fake_out8(g->f, FD_DATA, opcode | 0x40);
            for (unsigned i = 0; i < MIN(phase, 8u); i++) {
                fake_out8(g->f, FD_DATA, rest[i]);
            }
            for (unsigned i = 8; i < phase; i++) {
                g_usleep(100);
                while (g_main_context_iteration(NULL, FALSE)) {
                }
                fake_in8(g->f, FD_DATA);
            }
            old = fdc_change_medium(g->fdc, 0, block_empty("fda"), NULL);
            cr_assert_not_null(old);
            block_close(old);
            turn(g);
            block_close(fdc_change_medium(g->fdc, 0, fdc_guest_open(fd, false), NULL));
        }
    }
    reset(g);
    for (unsigned i = 0; i < 4; i++) {
        FD_SEND(g, 8);
        fdc_guest_result(g);
    }
    FD_SEND(g, 3, 0xaf, 0x02);
    fdc_guest_rate(g, 1440);
    fdc_guest_seek(g, 1);
    fdc_guest_transfer(g, 0x46, 0, 0, 1, 18, 512);
    cr_assert_eq(g->result[0], 0);
    fdc_guest_free(g);
    close(fd);
}

/* QEMU 6653d1318d: heap contents in saved state.  Two machines that did the same save the same. */
Test(fdc_abuse, saved_state_has_nothing_but_the_machine_in_it)
{
    GByteArray *state[2];

    for (unsigned i = 0; i < 2; i++) {
        g_autofree uint8_t *junk = g_malloc(1 << 20);
        FdcGuest *g;

        memset(junk, 0x11 * (i + 1), 1 << 20);
        g = fdc_guest_new(1440);
        state[i] = g_byte_array_new();
        machine_save(&g->f->m, state[i]);
        fdc_guest_free(g);
    }
    cr_assert_eq(state[0]->len, state[1]->len);
    cr_assert_arr_eq(state[0]->data, state[1]->data, state[0]->len);
    g_byte_array_free(state[0], TRUE);
    g_byte_array_free(state[1], TRUE);
}

/* CVE-2007-2894 and the rest: any bytes to any port, phases switched at every byte. */
Test(fdc_abuse, random_guest_is_survived, .timeout = 120)
{
    static const uint16_t ports[] = { FD_DATA, FD_DATA, FD_DATA, FD_DATA, FD_DATA, FD_DATA, FD_DOR,
                                      FD_TDR, FD_DSR, FD_CCR, 0x3f0, 0x0b, 0x0a, 0x04, 0x05, 0x0c,
                                      0x81, 0x08, 0x0d };
    unsigned seed = 1;

    for (unsigned round = 0; round < 6; round++) {
        FdcGuest *g = fdc_guest_new((unsigned[]){ 1440, 2880, 360, 0, 720, 160 }[round]);

        for (unsigned i = 0; i < 60000; i++) {
            uint16_t port = ports[rand_r(&seed) % G_N_ELEMENTS(ports)];

            if (port == FD_DOR && rand_r(&seed) % 8) {
                continue;
            }
            if (rand_r(&seed) % 3) {
                fake_out8(g->f, port, rand_r(&seed) % 4 ? rand_r(&seed) % 32 | 0x40 : rand_r(&seed));
            } else {
                fake_in8(g->f, port);
            }
            if (i % 64 == 0) {
                turn(g);
            }
        }
        reset(g);
        fdc_guest_free(g);
    }
}

Test(fdc_abuse, state_that_does_not_fit_together_is_refused, .timeout = 60)
{
    FdcGuest *g = fdc_guest_new(1440);
    GByteArray *good = g_byte_array_new();
    unsigned seed = 3, refused = 0;

    FD_SEND(g, 3, 0xaf, 0x03);
    FD_SEND(g, 0x46, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
    fdc_guest_wait(g);
    machine_save(&g->f->m, good);
    for (unsigned round = 0; round < 3000; round++) {
        g_autofree uint8_t *bad = g_memdup2(good->data, good->len);
        unsigned at = good->len - 24576 - 2200 + rand_r(&seed) % 2200;

        bad[at] = rand_r(&seed);
        if (!machine_load(&g->f->m, bad, good->len, NULL)) {
            refused++;
            continue;
        }
        for (unsigned i = 0; i < 12000; i++) {
            fake_in8(g->f, FD_DATA);
            fake_out8(g->f, FD_DATA, i);
        }
        turn(g);
    }
    cr_expect_gt(refused, 10);
    g_byte_array_free(good, TRUE);
    fdc_guest_free(g);
}
