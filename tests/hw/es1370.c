/* SPDX-License-Identifier: GPL-2.0-or-later */
/* es1370.c - the AudioPCI against its data sheet. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>
#include "hw/devices.h"
#include "tests/hw/sound.h"

#define IO SOUND_BAR0
#define RING 0x100000
#define RING_BYTES 0x10000

enum { CONTROL = IO, STATUS = IO + 4, PAGE = IO + 0x0c, CODEC = IO + 0x10, SERIAL = IO + 0x20,
       COUNT1 = IO + 0x24, COUNT2 = IO + 0x28, COUNT_ADC = IO + 0x2c, MEM = IO + 0x30 };

static void codec(SoundRig *r, uint8_t reg, uint8_t value)
{
    fake_out16(r->f, CODEC, reg << 8 | value);
}

/* Both converters at full level. */
static SoundRig *card_new(void)
{
    SoundRig *r = sound_rig_new(&es1370_class);

    codec(r, 0, 0), codec(r, 1, 0);             /* master 0 dB */
    codec(r, 2, 6), codec(r, 3, 6);             /* voice 0 dB */
    codec(r, 4, 6), codec(r, 5, 6);             /* FM 0 dB */
    codec(r, 0x10, 0x60), codec(r, 0x11, 0x0c); /* both to the output */
    return r;
}

static void fill_tone(SoundRig *r, double hz, double rate, unsigned frames)
{
    int16_t *p = (int16_t *)(r->f->ram + RING);

    for (unsigned i = 0; i < frames; i++) {
        p[2 * i] = lrint(8000 * sin(2 * M_PI * hz * i / rate));
        p[2 * i + 1] = p[2 * i];
    }
}

static void ring(SoundRig *r, unsigned n, uint32_t addr, uint16_t longwords)
{
    fake_out32(r->f, PAGE, n == 2 ? 0x0d : 0x0c);
    fake_out32(r->f, MEM + (n & 1) * 8, addr);
    fake_out32(r->f, MEM + (n & 1) * 8 + 4, longwords - 1);
}

static uint32_t position(SoundRig *r, unsigned n)
{
    fake_out32(r->f, PAGE, n == 2 ? 0x0d : 0x0c);
    return fake_in32(r->f, MEM + (n & 1) * 8 + 4) >> 16;
}

Test(es1370, dac2_plays_a_ring_and_interrupts_by_its_count)
{
    SoundRig *r = card_new();

    fill_tone(r, 441, 44100, 4400);
    ring(r, 1, RING, 4400);
    fake_out32(r->f, COUNT2, 441 - 1);
    fake_out32(r->f, SERIAL, 0x0c | 0x200);             /* 16 bit stereo, interrupt */
    fake_out32(r->f, CONTROL, 30 << 16 | 0x20);         /* 1411200 / 32 = 44100 */
    fake_advance(r->f, NS_PER_S / 100 - NS_PER_US);
    cr_assert_eq(fake_in32(r->f, STATUS) & 0x80000002, 0);
    fake_advance(r->f, 2 * NS_PER_US);
    cr_assert_eq(fake_in32(r->f, STATUS) & 0x80000002, 0x80000002);
    cr_assert(r->f->intx[SOUND_DEVFN][0]);
    fake_out32(r->f, SERIAL, 0x0c);                     /* acknowledged */
    cr_assert_not(r->f->intx[SOUND_DEVFN][0]);
    fake_out32(r->f, SERIAL, 0x0c | 0x200);
    fake_advance(r->f, NS_PER_S);
    cr_assert_float_eq(sound_hz(r, 4800, 43200), 441, 0.1);
    sound_rig_free(r);
}

Test(es1370, dac1_has_its_four_rates)
{
    static const unsigned rates[] = { 5512, 11025, 22050, 44100 };

    for (unsigned i = 0; i < 4; i++) {
        SoundRig *r = card_new();

        ring(r, 0, RING, 0x4000);
        fake_out32(r->f, SERIAL, 0x03);
        fake_out32(r->f, CONTROL, i << 12 | 0x40);
        fake_advance(r->f, NS_PER_S / 5);
        cr_assert_eq(position(r, 0), rates[i] / 5);
        sound_rig_free(r);
    }
}

Test(es1370, mono_and_8_bit_take_fewer_bytes)
{
    SoundRig *r = card_new();

    memset(r->f->ram + RING, 0x80 + 32, RING_BYTES);
    ring(r, 1, RING, 0x4000);
    fake_out32(r->f, SERIAL, 0);
    fake_out32(r->f, CONTROL, 30 << 16 | 0x20);
    fake_advance(r->f, NS_PER_S / 10);
    cr_assert_eq(position(r, 1), 4410 / 4);
    cr_assert_float_eq(r->heard[2 * 2400], 32 * 256, 2);
    cr_assert_float_eq(r->heard[2 * 2400 + 1], 32 * 256, 2);
    sound_rig_free(r);
}

Test(es1370, pause_holds_the_position)
{
    SoundRig *r = card_new();
    uint32_t at;

    ring(r, 1, RING, 0x4000);
    fake_out32(r->f, SERIAL, 0x0c);
    fake_out32(r->f, CONTROL, 30 << 16 | 0x20);
    fake_advance(r->f, NS_PER_S / 10);
    fake_out32(r->f, SERIAL, 0x0c | 0x1000);
    at = position(r, 1);
    fake_advance(r->f, NS_PER_S / 10);
    cr_assert_eq(position(r, 1), at);
    fake_out32(r->f, SERIAL, 0x0c);
    fake_advance(r->f, NS_PER_S / 10);
    cr_assert_eq(position(r, 1), at + 4410);
    sound_rig_free(r);
}

Test(es1370, one_shot_ends_with_the_count)
{
    SoundRig *r = card_new();

    ring(r, 0, RING, 0x4000);
    fake_out32(r->f, COUNT1, 99);
    fake_out32(r->f, SERIAL, 0x03 | 0x100 | 0x2000);
    fake_out32(r->f, CONTROL, 3 << 12 | 0x40);
    fake_advance(r->f, NS_PER_S / 10);
    cr_assert_eq(position(r, 0), 100);
    cr_assert_eq(fake_in32(r->f, STATUS) & 4, 4);
    sound_rig_free(r);
}

Test(es1370, capture_writes_silence_and_wraps)
{
    SoundRig *r = card_new();

    memset(r->f->ram + RING, 0x55, RING_BYTES);
    ring(r, 2, RING, 1000);
    fake_out32(r->f, COUNT_ADC, 499);
    fake_out32(r->f, SERIAL, 0x30 | 0x400);
    fake_out32(r->f, CONTROL, 30 << 16 | 0x10);
    fake_advance(r->f, NS_PER_S / 40);
    cr_assert_eq(position(r, 2), 1102 - 1000);
    cr_assert_eq(fake_in32(r->f, STATUS) & 1, 1);
    for (unsigned i = 0; i < 4000; i++) {
        cr_assert_eq(r->f->ram[RING + i], 0);
    }
    cr_assert_eq(r->f->ram[RING + 4000], 0x55, "nothing behind the ring");
    sound_rig_free(r);
}

Test(es1370, mixer_attenuates_and_mutes)
{
    SoundRig *r = card_new();

    for (unsigned i = 0; i < RING_BYTES / 2; i++) {
        ((int16_t *)(r->f->ram + RING))[i] = 10000;
    }
    ring(r, 1, RING, 0x4000);
    fake_out32(r->f, SERIAL, 0x0c);
    codec(r, 2, 9);                     /* -6 dB */
    codec(r, 3, 0x86);                  /* mute */
    fake_out32(r->f, CONTROL, 30 << 16 | 0x20);
    fake_advance(r->f, NS_PER_S / 10);
    cr_assert_float_eq(r->heard[2 * 2400], 5012, 3);
    cr_assert_eq(r->heard[2 * 2400 + 1], 0);
    sound_rig_free(r);
}

/* K1: the ring gets shorter than the position, or the position is set behind its end. */
Test(es1370, frame_counts_in_any_order_stay_inside_the_ring)
{
    SoundRig *r = card_new();
    unsigned seed = 7;

    fake_out32(r->f, SERIAL, 0x3f | 0x700);
    fake_out32(r->f, CONTROL, 0x70);
    for (unsigned i = 0; i < 2000; i++) {
        unsigned n = rand_r(&seed) % 3;
        uint32_t size = rand_r(&seed) & 0xff, at = rand_r(&seed);

        fake_out32(r->f, PAGE, n == 2 ? 0x0d : 0x0c);
        fake_out32(r->f, MEM + (n & 1) * 8, 0xfffffff0 + (rand_r(&seed) & 15));
        fake_out32(r->f, MEM + (n & 1) * 8 + 4, at << 16 | size);
        fake_advance(r->f, rand_r(&seed) % (2 * NS_PER_MS));
        cr_assert_leq(position(r, n), MAX(size, at & 0xffff));
        fake_advance(r->f, NS_PER_MS);
        cr_assert_leq(position(r, n), size);
    }
    sound_rig_free(r);
}

/* K3, K4: any divisor. */
Test(es1370, every_divisor_is_survived)
{
    SoundRig *r = card_new();

    ring(r, 1, RING, 0x100);
    for (uint32_t d = 0; d < 0x2000; d += 13) {
        fake_out32(r->f, CONTROL, d << 16 | 0x30);
        fake_advance(r->f, NS_PER_MS);
    }
    sound_rig_free(r);
}

Test(es1370, without_bus_mastering_nothing_moves)
{
    SoundRig *r = card_new();

    pci_bus_write(&r->f->bus, SOUND_DEVFN, 4, 2, 1);
    ring(r, 2, RING, 0x100);
    memset(r->f->ram + RING, 0x55, 0x400);
    fake_out32(r->f, CONTROL, 0x10);
    fake_advance(r->f, NS_PER_S / 10);
    cr_assert_eq(position(r, 2), 0);
    cr_assert_eq(r->f->ram[RING], 0x55);
    sound_rig_free(r);
}
