/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ac97.c - the controller against Intel's data sheet, the codec against AC'97 2.2. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>
#include "hw/devices.h"
#include "tests/hw/sound.h"

#define MIX SOUND_BAR0
#define BM SOUND_BAR1
#define LIST 0x100000
#define DATA 0x200000

enum { PI = BM, PO = BM + 0x10, MC = BM + 0x20, GLOB_CNT = BM + 0x2c, GLOB_STA = BM + 0x30,
       CAS = BM + 0x34 };
enum { CIV = 4, LVI = 5, SR = 6, PICB = 8, PIV = 10, CR = 11 };
enum { IOC = 1u << 31 };

static SoundRig *card_new(void)
{
    SoundRig *r = sound_rig_new(&ac97_class);

    fake_out32(r->f, GLOB_CNT, 2);
    cr_assert_eq(fake_in32(r->f, GLOB_STA) & 0x100, 0x100, "codec ready");
    fake_out16(r->f, MIX + 0x02, 0);            /* master 0 dB */
    fake_out16(r->f, MIX + 0x18, 0x0808);       /* PCM 0 dB */
    return r;
}

static void entry(SoundRig *r, unsigned i, uint32_t addr, uint16_t samples, uint32_t flags)
{
    uint32_t e[2] = { addr, samples | flags };

    memcpy(r->f->ram + LIST + i * 8, e, 8);
}

static void fill_tone(SoundRig *r, double hz, double rate, unsigned frames)
{
    int16_t *p = (int16_t *)(r->f->ram + DATA);

    for (unsigned i = 0; i < frames; i++) {
        p[2 * i] = lrint(8000 * sin(2 * M_PI * hz * i / rate));
        p[2 * i + 1] = -p[2 * i];
    }
}

Test(ac97, plays_a_list_bit_by_bit_at_48000)
{
    SoundRig *r = card_new();
    const int16_t *data = (int16_t *)(r->f->ram + DATA);
    uint32_t at;

    fill_tone(r, 480, 48000, 9600);
    entry(r, 0, DATA, 9600, IOC);
    entry(r, 1, DATA + 9600 * 2, 9600, IOC);
    fake_out32(r->f, PO, LIST);
    fake_out8(r->f, PO + LVI, 1);
    fake_out8(r->f, PO + CR, 0x1d);
    fake_advance(r->f, NS_PER_S / 10 - NS_PER_US);
    cr_assert_eq(fake_in8(r->f, PO + CIV), 0);
    cr_assert_eq(fake_in16(r->f, PO + SR), 0);
    fake_advance(r->f, 2 * NS_PER_US);
    cr_assert_eq(fake_in8(r->f, PO + CIV), 1);
    cr_assert_eq(fake_in8(r->f, PO + PIV), 2);
    cr_assert_eq(fake_in16(r->f, PO + SR), 0x08, "BCIS");
    cr_assert_eq(fake_in32(r->f, GLOB_STA) & 0x40, 0x40);
    cr_assert(r->f->intx[SOUND_DEVFN][0]);
    fake_out16(r->f, PO + SR, 0x08);
    cr_assert_not(r->f->intx[SOUND_DEVFN][0]);
    fake_advance(r->f, NS_PER_S);
    cr_assert_eq(fake_in16(r->f, PO + SR), 0x0f, "BCIS, LVBCI, CELV, DCH");
    at = sound_start(r) - 1;            /* the tone begins with a zero */
    for (unsigned i = 0; i < 9600; i++) {
        cr_assert_eq(r->heard[2 * (at + i)], data[2 * i], "frame %u", i);
        cr_assert_eq(r->heard[2 * (at + i) + 1], data[2 * i + 1]);
    }
    sound_rig_free(r);
}

Test(ac97, a_new_last_index_wakes_a_halted_channel)
{
    SoundRig *r = card_new();

    for (unsigned i = 0; i < 32; i++) {
        entry(r, i, DATA, 960, 0);
    }
    fake_out32(r->f, PO, LIST);
    fake_out8(r->f, PO + LVI, 30);
    fake_out8(r->f, PO + CR, 1);
    fake_advance(r->f, NS_PER_S);
    cr_assert_eq(fake_in8(r->f, PO + CIV), 30);
    cr_assert_eq(fake_in16(r->f, PO + SR) & 3, 3);
    fake_out8(r->f, PO + LVI, 2);
    cr_assert_eq(fake_in16(r->f, PO + SR) & 3, 0);
    fake_advance(r->f, NS_PER_S / 100 + NS_PER_US);
    cr_assert_eq(fake_in8(r->f, PO + CIV), 0, "31, then 0");
    fake_advance(r->f, NS_PER_S);
    cr_assert_eq(fake_in8(r->f, PO + CIV), 2);
    sound_rig_free(r);
}

Test(ac97, picb_counts_samples_and_pause_keeps_it)
{
    SoundRig *r = card_new();

    entry(r, 0, DATA, 9600, 0);
    fake_out32(r->f, PO, LIST);
    fake_out8(r->f, PO + CR, 1);
    fake_advance(r->f, NS_PER_S / 20);
    cr_assert_eq(fake_in16(r->f, PO + PICB), 4800);
    fake_out8(r->f, PO + CR, 0);
    cr_assert_eq(fake_in16(r->f, PO + SR) & 1, 1);
    fake_advance(r->f, NS_PER_S);
    cr_assert_eq(fake_in16(r->f, PO + PICB), 4800);
    fake_out8(r->f, PO + CR, 1);
    fake_advance(r->f, NS_PER_S / 40);
    cr_assert_eq(fake_in16(r->f, PO + PICB), 2400);
    fake_out8(r->f, PO + CR, 2);
    cr_assert_eq(fake_in32(r->f, PO), 0, "reset");
    sound_rig_free(r);
}

Test(ac97, picb_rests_between_the_bursts_of_the_fifo)
{
    SoundRig *r = card_new();
    unsigned changes = 0;

    entry(r, 0, DATA, 4810, IOC);               /* no whole number of bursts */
    fake_out32(r->f, PO, LIST);
    fake_out8(r->f, PO + CR, 0x11);
    for (unsigned i = 0; i < 1000; i++) {
        uint16_t first = fake_in16(r->f, PO + PICB);

        fake_advance(r->f, 50 * NS_PER_US);
        changes += fake_in16(r->f, PO + PICB) != first;
    }
    cr_assert_leq(changes, 150, "2400 frames by 16");
    cr_assert_eq(fake_in16(r->f, PO + PICB), 10);
    fake_advance(r->f, 103 * NS_PER_US);
    cr_assert_not(r->f->intx[SOUND_DEVFN][0]);
    fake_advance(r->f, 2 * NS_PER_US);          /* the interrupt comes at its own time */
    cr_assert(r->f->intx[SOUND_DEVFN][0]);
    sound_rig_free(r);
}

Test(ac97, variable_rates_need_their_bit)
{
    SoundRig *r = card_new();

    fake_out16(r->f, MIX + 0x2c, 22050);
    cr_assert_eq(fake_in16(r->f, MIX + 0x2c), 48000);
    fake_out16(r->f, MIX + 0x2a, 1);
    fake_out16(r->f, MIX + 0x2c, 22050);
    cr_assert_eq(fake_in16(r->f, MIX + 0x2c), 22050);
    fake_out16(r->f, MIX + 0x32, 1);
    cr_assert_eq(fake_in16(r->f, MIX + 0x32), 8000, "the nearest it can");
    fill_tone(r, 441, 22050, 22050);
    entry(r, 0, DATA, 44100, 0);
    fake_out32(r->f, PO, LIST);
    fake_out8(r->f, PO + CR, 1);
    fake_advance(r->f, NS_PER_S);
    cr_assert_float_eq(sound_hz(r, 2400, 45600), 441, 0.1);
    fake_out16(r->f, MIX + 0x2a, 0);
    cr_assert_eq(fake_in16(r->f, MIX + 0x2c), 48000);
    sound_rig_free(r);
}

Test(ac97, capture_fills_buffers_with_silence)
{
    SoundRig *r = card_new();

    memset(r->f->ram + DATA, 0x55, 0x10000);
    entry(r, 0, DATA, 960, IOC);
    fake_out32(r->f, PI, LIST);
    fake_out8(r->f, PI + CR, 0x11);
    fake_advance(r->f, NS_PER_S);
    cr_assert_eq(fake_in32(r->f, GLOB_STA) & 0x20, 0x20);
    for (unsigned i = 0; i < 1920; i++) {
        cr_assert_eq(r->f->ram[DATA + i], 0);
    }
    cr_assert_eq(r->f->ram[DATA + 1920], 0x55);
    memset(r->f->ram + DATA, 0x55, 0x10000);
    fake_out32(r->f, MC, LIST);
    fake_out8(r->f, MC + CR, 0x11);
    fake_advance(r->f, NS_PER_S / 100);
    cr_assert_eq(fake_in16(r->f, MC + PICB), 480, "one channel");
    sound_rig_free(r);
}

Test(ac97, codec_registers_power_and_reset)
{
    SoundRig *r = card_new();

    cr_assert_eq(fake_in16(r->f, MIX + 0x26), 0x000f);
    fake_out16(r->f, MIX + 0x26, 0x0300);
    cr_assert_eq(fake_in16(r->f, MIX + 0x26), 0x030c);
    fake_out16(r->f, MIX + 0x02, 0x2020);
    cr_assert_eq(fake_in16(r->f, MIX + 0x02), 0x1f1f, "the sixth bit is the lowest level");
    fake_out16(r->f, MIX + 0x7c, 0);
    cr_assert_eq(fake_in16(r->f, MIX + 0x7c), 0x8384);
    fake_out16(r->f, MIX, 0);
    cr_assert_eq(fake_in16(r->f, MIX + 0x02), 0x8000);
    fake_out16(r->f, MIX + 0x26, 0x1000);       /* the link sleeps */
    cr_assert_eq(fake_in32(r->f, GLOB_STA) & 0x100, 0);
    fake_out32(r->f, GLOB_CNT, 6);              /* warm reset */
    cr_assert_eq(fake_in32(r->f, GLOB_STA) & 0x100, 0x100);
    fake_out32(r->f, GLOB_CNT, 0);
    cr_assert_eq(fake_in32(r->f, GLOB_STA) & 0x100, 0, "held in cold reset");
    cr_assert_eq(fake_in16(r->f, MIX + 0x7c), 0xffff);
    sound_rig_free(r);
}

Test(ac97, semaphore_is_taken_by_reading)
{
    SoundRig *r = card_new();

    cr_assert_eq(fake_in8(r->f, CAS), 0);
    cr_assert_eq(fake_in8(r->f, CAS), 1);
    fake_in16(r->f, MIX + 2);
    cr_assert_eq(fake_in8(r->f, CAS), 0);
    sound_rig_free(r);
}

Test(ac97, empty_descriptors_never_hold_the_machine)
{
    SoundRig *r = card_new();

    for (unsigned i = 0; i < 32; i++) {
        entry(r, i, 0xfffffffe, 0, IOC);
    }
    fake_out32(r->f, PO, LIST);
    fake_out8(r->f, PO + LVI, 31);
    fake_out8(r->f, PO + CR, 0x11);
    fake_advance(r->f, NS_PER_S / 10);
    cr_assert_eq(fake_in16(r->f, PO + SR) & 1, 1);
    for (unsigned i = 0; i < 1000; i++) {       /* a list that never ends */
        fake_out8(r->f, PO + LVI, fake_in8(r->f, PO + CIV) + 31);
        fake_advance(r->f, NS_PER_MS);
    }
    sound_rig_free(r);
}
