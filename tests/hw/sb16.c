/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sb16.c - the Sound Blaster 16 against Creative's programming guide. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>
#include "hw/devices.h"
#include "tests/hw/sound.h"

#define SB 0x220
#define BUFFER 0x10000

enum { MIX = SB + 4, RESET = SB + 6, READ = SB + 0xa, WRITE = SB + 0xc, STATUS = SB + 0xe,
       ACK16 = SB + 0xf, MPU = 0x330 };

static void command(SoundRig *r, unsigned n, const uint8_t *bytes)
{
    for (unsigned i = 0; i < n; i++) {
        cr_assert_eq(fake_in8(r->f, WRITE) & 0x80, 0, "ready");
        fake_out8(r->f, WRITE, bytes[i]);
    }
}
#define DSP(r, ...) command(r, sizeof((uint8_t[]){ __VA_ARGS__ }), (uint8_t[]){ __VA_ARGS__ })

static uint8_t answer(SoundRig *r)
{
    cr_assert_eq(fake_in8(r->f, STATUS) & 0x80, 0x80, "an answer is there");
    return fake_in8(r->f, READ);
}

static void mixer(SoundRig *r, uint8_t index, uint8_t value)
{
    fake_out8(r->f, MIX, index);
    fake_out8(r->f, MIX + 1, value);
}

static uint8_t mixer_get(SoundRig *r, uint8_t index)
{
    fake_out8(r->f, MIX, index);
    return fake_in8(r->f, MIX + 1);
}

static SoundRig *card_new(void)
{
    SoundRig *r = sound_rig_empty();
    Device *dma = device_create(&r->f->m, &i8237_class, NULL);
    Device *dev = device_new(&r->f->m, &sb16_class);

    device_set_pointer(dev, "audio", r->audio);
    device_set_pointer(dev, "dma_chip", dma);
    cr_assert(device_init(dev, NULL));
    fake_out8(r->f, 0xd6, 0xc0);                /* cascade */
    fake_out8(r->f, 0xd4, 0x00);
    fake_out8(r->f, RESET, 1);
    fake_out8(r->f, RESET, 0);
    cr_assert_eq(answer(r), 0xaa);
    for (unsigned i = 0x30; i < 0x34; i++) {
        mixer(r, i, 0xf8);                      /* 0 dB */
    }
    return r;
}

/* Channel 1 or 5 at BUFFER; mode's lower six bits without the channel. */
static void dma(SoundRig *r, bool wide, uint8_t mode, uint16_t count)
{
    uint16_t base = wide ? 0xc0 : 0, step = wide ? 2 : 1;
    uint32_t address = wide ? (BUFFER & 0x1ffff) >> 1 : BUFFER & 0xffff;

    fake_out8(r->f, base + 10 * step, 5);       /* mask channel 1 */
    fake_out8(r->f, base + 12 * step, 0);
    fake_out8(r->f, base + 11 * step, mode | 1);
    fake_out8(r->f, base + 2 * step, address & 0xff);
    fake_out8(r->f, base + 2 * step, address >> 8);
    fake_out8(r->f, base + 3 * step, count & 0xff);
    fake_out8(r->f, base + 3 * step, count >> 8);
    fake_out8(r->f, wide ? 0x8b : 0x83, BUFFER >> 16);
    fake_out8(r->f, base + 10 * step, 1);
}

static void tone8(SoundRig *r, double hz, double rate, unsigned samples)
{
    for (unsigned i = 0; i < samples; i++) {
        r->f->ram[BUFFER + i] = 128 + lrint(60 * sin(2 * M_PI * hz * i / rate));
    }
}

Test(sb16, says_what_it_is)
{
    SoundRig *r = card_new();
    const char *name = "COPYRIGHT (C) CREATIVE TECHNOLOGY LTD, 1992.";

    DSP(r, 0xe1);
    cr_assert_eq(answer(r), 4);
    cr_assert_eq(answer(r), 5);
    DSP(r, 0xe0, 0x5a);
    cr_assert_eq(answer(r), 0xa5);
    DSP(r, 0xe4, 0x77, 0xe8);
    cr_assert_eq(answer(r), 0x77);
    DSP(r, 0xe3);
    for (unsigned i = 0; i <= strlen(name); i++) {
        cr_assert_eq(answer(r), name[i]);
    }
    cr_assert_eq(fake_in8(r->f, STATUS) & 0x80, 0, "no more");
    DSP(r, 0xd1, 0xd8);
    cr_assert_eq(answer(r), 0xff);
    DSP(r, 0xd3, 0xd8);
    cr_assert_eq(answer(r), 0x00);
    sound_rig_free(r);
}

Test(sb16, single_8_bit_block_plays_and_interrupts)
{
    SoundRig *r = card_new();

    tone8(r, 500, 20000, 2000);
    dma(r, false, 0x48, 1999);
    DSP(r, 0x41, 20000 >> 8, 20000 & 0xff);
    DSP(r, 0xc0, 0x00, 1999 & 0xff, 1999 >> 8);
    fake_advance(r->f, NS_PER_S / 10 - NS_PER_US);
    cr_assert_not(r->f->isa[5]);
    fake_advance(r->f, 2 * NS_PER_US);
    cr_assert(r->f->isa[5]);
    cr_assert_eq(mixer_get(r, 0x82), 1);
    fake_in8(r->f, STATUS);
    cr_assert_not(r->f->isa[5]);
    fake_advance(r->f, NS_PER_S / 10);
    cr_assert_eq(r->f->isa_edges[5], 1, "once");
    cr_assert_float_eq(sound_hz(r, 480, 4800), 500, 1);
    sound_rig_free(r);
}

Test(sb16, auto_initialised_16_bit_stereo_until_it_is_told_to_end)
{
    SoundRig *r = card_new();
    int16_t *p = (int16_t *)(r->f->ram + BUFFER);

    for (unsigned i = 0; i < 8820; i++) {
        p[i] = lrint(10000 * sin(2 * M_PI * 441 * (i / 2) / 44100)) * (i & 1 ? -1 : 1);
    }
    dma(r, true, 0x58, 8799);
    DSP(r, 0x41, 44100 >> 8, 44100 & 0xff);
    DSP(r, 0xb6, 0x30, 4399 & 0xff, 4399 >> 8);     /* 2200 frames: 49.9 ms */
    for (unsigned i = 1; i <= 10; i++) {
        fake_advance(r->f, 2200 * NS_PER_S / 44100 + 2);
        cr_assert_eq(r->f->isa_edges[5], i);
        cr_assert_eq(mixer_get(r, 0x82), 2);
        fake_in8(r->f, ACK16);
        cr_assert_not(r->f->isa[5]);
    }
    cr_assert_float_eq(sound_hz(r, 1000, 20000), 441, 0.5);
    for (unsigned i = 1000; i < 20000; i++) {
        cr_assert_leq(abs(r->heard[2 * i] + r->heard[2 * i + 1]), 2, "right is left's mirror");
    }
    DSP(r, 0xd9);
    fake_advance(r->f, NS_PER_S / 10);
    cr_assert_eq(r->f->isa_edges[5], 11);
    fake_in8(r->f, ACK16);
    fake_advance(r->f, NS_PER_S / 10);
    cr_assert_eq(r->f->isa_edges[5], 11);
    sound_rig_free(r);
}

Test(sb16, pause_and_continue_keep_the_place)
{
    SoundRig *r = card_new();
    unsigned count;

    dma(r, false, 0x48, 9999);
    DSP(r, 0x41, 10000 >> 8, 10000 & 0xff, 0x14, 9999 & 0xff, 9999 >> 8);
    fake_advance(r->f, NS_PER_S / 2);
    DSP(r, 0xd0);
    fake_advance(r->f, NS_PER_S);
    cr_assert_not(r->f->isa[5]);
    fake_out8(r->f, 0x0c, 0);
    count = fake_in8(r->f, 0x03);
    count |= fake_in8(r->f, 0x03) << 8;
    cr_assert_eq(count, 4999, "the controller's count");
    DSP(r, 0xd4);
    fake_advance(r->f, NS_PER_S / 2 + NS_PER_US);
    cr_assert(r->f->isa[5]);
    sound_rig_free(r);
}

Test(sb16, both_channels_at_once)
{
    SoundRig *r = card_new();

    memset(r->f->ram + BUFFER, 0x55, 4000);
    dma(r, false, 0x44, 999);           /* to memory */
    dma(r, true, 0x48, 1999);
    DSP(r, 0x41, 10000 >> 8, 10000 & 0xff);
    DSP(r, 0xc8, 0x00, 999 & 0xff, 999 >> 8);
    DSP(r, 0xb0, 0x10, 1999 & 0xff, 1999 >> 8);
    fake_advance(r->f, NS_PER_S / 10 + NS_PER_US);
    cr_assert_eq(mixer_get(r, 0x82), 1);
    for (unsigned i = 0; i < 1000; i++) {
        cr_assert_eq(r->f->ram[BUFFER + i], 0x80, "silence");
    }
    cr_assert_eq(r->f->ram[BUFFER + 1000], 0x55);
    fake_advance(r->f, NS_PER_S / 10);
    cr_assert_eq(mixer_get(r, 0x82), 3);
    sound_rig_free(r);
}

Test(sb16, direct_mode_holds_the_last_level)
{
    SoundRig *r = card_new();

    DSP(r, 0x10, 0xc0);
    fake_advance(r->f, NS_PER_S / 50);
    DSP(r, 0x10, 0x40);
    fake_advance(r->f, NS_PER_S / 50);
    cr_assert_eq(r->heard[2 * (sound_start(r) + 100)], 0x4000);
    cr_assert_eq(r->heard[2 * (sound_start(r) + 1200)], -0x4000);
    fake_advance(r->f, NS_PER_S);
    cr_assert_eq(timer_queue_next(&r->f->m.timers), INT64_MAX, "it ends by itself");
    DSP(r, 0x20);
    cr_assert_eq(answer(r), 0x80);
    sound_rig_free(r);
}

Test(sb16, adpcm_follows_its_reference)
{
    SoundRig *r = card_new();
    uint8_t *p = r->f->ram + BUFFER;

    memset(p, 0, 500);
    p[0] = 0xc0;                        /* the reference, then no changes */
    dma(r, false, 0x48, 499);
    DSP(r, 0x41, 10000 >> 8, 10000 & 0xff, 0x75, 499 & 0xff, 499 >> 8);
    fake_advance(r->f, 99 * NS_PER_MS);         /* 499 bytes of two samples: 99.8 ms */
    cr_assert_not(r->f->isa[5]);
    fake_advance(r->f, 2 * NS_PER_MS);
    cr_assert(r->f->isa[5]);
    cr_assert_float_eq(r->heard[2 * (sound_start(r) + 2000)], 0x4000, 40);
    for (unsigned c = 0x16; c < 0x80; c++) {    /* every kind eats what it is given */
        if (c == 0x16 || c == 0x17 || (c >= 0x74 && c <= 0x77)) {
            memset(p, 0xa5, 500);
            fake_in8(r->f, STATUS);
            dma(r, false, 0x48, 499);
            DSP(r, c, 499 & 0xff, 499 >> 8);
            fake_advance(r->f, NS_PER_S);
            cr_assert(r->f->isa[5], "command %x", c);
        }
    }
    sound_rig_free(r);
}

Test(sb16, the_mixer_chooses_interrupt_and_channels)
{
    SoundRig *r = card_new();

    cr_assert_eq(mixer_get(r, 0x80), 0xf2);
    cr_assert_eq(mixer_get(r, 0x81), 0x22);
    mixer(r, 0x80, 0x04);
    DSP(r, 0xf2);
    cr_assert(r->f->isa[7]);
    cr_assert_not(r->f->isa[5]);
    mixer(r, 0x80, 0x08);
    cr_assert(r->f->isa[10], "the line moves with it");
    cr_assert_not(r->f->isa[7]);
    mixer(r, 0x00, 0);
    cr_assert_eq(mixer_get(r, 0x80), 0xf8, "a reset of the mixer leaves it");
    mixer(r, 0x22, 0xa5);
    cr_assert_eq(mixer_get(r, 0x30), 0xa8);
    cr_assert_eq(mixer_get(r, 0x31), 0x58);
    mixer(r, 0x04, 0xff);
    cr_assert_eq(mixer_get(r, 0x04), 0xff);
    sound_rig_free(r);
}

Test(sb16, volume_is_two_decibels_a_step)
{
    SoundRig *r = card_new();

    mixer(r, 0x32, 0xf8 - (3 << 3));    /* left -6 dB */
    DSP(r, 0x10, 0xc0);
    fake_advance(r->f, NS_PER_S / 20);
    cr_assert_float_eq(r->heard[2 * (sound_start(r) + 500)], 0x4000 * 0.50119, 10);
    cr_assert_eq(r->heard[2 * (sound_start(r) + 500) + 1], 0x4000);
    sound_rig_free(r);
}

Test(sb16, dma_identification)
{
    SoundRig *r = card_new();
    uint8_t first;

    dma(r, false, 0x44, 1);
    DSP(r, 0xe2, 0xbb);
    first = r->f->ram[BUFFER];
    cr_assert_eq(first, (uint8_t)(0xaa + (0xbb ^ 0x96)));
    DSP(r, 0xe2, 0x00);
    cr_assert_eq(r->f->ram[BUFFER + 1], (uint8_t)(first + 0xa5));
    sound_rig_free(r);
}

Test(sb16, mpu_401_acknowledges)
{
    SoundRig *r = card_new();

    cr_assert_eq(fake_in8(r->f, MPU + 1) & 0xc0, 0x80);
    fake_out8(r->f, MPU + 1, 0xff);
    cr_assert_eq(fake_in8(r->f, MPU + 1) & 0x80, 0);
    cr_assert_eq(mixer_get(r, 0x82), 4);
    cr_assert_eq(fake_in8(r->f, MPU), 0xfe);
    cr_assert_not(r->f->isa[5]);
    fake_out8(r->f, MPU + 1, 0x3f);
    cr_assert_eq(fake_in8(r->f, MPU), 0xfe);
    fake_out8(r->f, MPU, 0x90);
    fake_out8(r->f, MPU + 1, 0xff);
    cr_assert_eq(fake_in8(r->f, MPU + 1) & 0x80, 0x80, "leaving UART mode says nothing");
    sound_rig_free(r);
}

/* K3: all rates and time constants, and a transfer started with each. */
Test(sb16, every_rate_and_time_constant_is_survived)
{
    SoundRig *r = card_new();

    for (unsigned i = 0; i < 65536; i += 251) {
        DSP(r, 0x41, i >> 8, i & 0xff, 0x40, i & 0xff);
        dma(r, false, 0x58, 99);
        DSP(r, 0x48, 0, 0, 0x1c);
        fake_advance(r->f, NS_PER_MS);
        DSP(r, 0xc6, 0x20, i & 0xff, i >> 8);
        fake_advance(r->f, NS_PER_MS);
        fake_in8(r->f, STATUS);
    }
    sound_rig_free(r);
}

/* K4: every command with any arguments, with channels masked and not. */
Test(sb16, any_command_is_survived)
{
    SoundRig *r = card_new();
    unsigned seed = 11;

    for (unsigned i = 0; i < 20000; i++) {
        fake_out8(r->f, WRITE, rand_r(&seed));
        if (i % 16 == 0) {
            dma(r, i & 32, rand_r(&seed), rand_r(&seed));
        }
        if (i % 64 == 0) {
            fake_advance(r->f, rand_r(&seed) % (3 * NS_PER_MS));
        }
        if (i % 1000 == 0) {
            fake_out8(r->f, RESET, 1);
            fake_out8(r->f, RESET, 0);
        }
        fake_in8(r->f, READ);
        mixer(r, rand_r(&seed), rand_r(&seed));
    }
    sound_rig_free(r);
}
