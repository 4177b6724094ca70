/* SPDX-License-Identifier: GPL-2.0-or-later */
/* opl3.c - the YMF262 of the Sound Blaster 16 against its application manual. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>
#include "hw/devices.h"
#include "tests/hw/sound.h"

#define FM 0x388
#define CHIP_RATE (14318180.0 / 288)

static SoundRig *r;

static void mixer(uint8_t index, uint8_t value)
{
    fake_out8(r->f, 0x224, index);
    fake_out8(r->f, 0x225, value);
}

static void setup(void)
{
    r = sound_rig_empty();
    r->dev = device_new(&r->f->m, &sb16_class);
    device_set_pointer(r->dev, "audio", r->audio);
    cr_assert(device_init(r->dev, NULL));
    for (unsigned i = 0x30; i < 0x36; i++) {
        mixer(i, 0xf8);                 /* 0 dB */
    }
}

static void teardown(void)
{
    sound_rig_free(r);
}

TestSuite(opl3, .init = setup, .fini = teardown);

static void fm(uint16_t reg, uint8_t value)
{
    fake_out8(r->f, FM + (reg >> 8) * 2, reg & 0xff);
    fake_out8(r->f, FM + (reg >> 8) * 2 + 1, value);
}

/* Channel 0: both operators sound for themselves, the first is silent: a sine. */
static void sine(unsigned fnum, unsigned block, uint8_t attack_decay, uint8_t sustain_release)
{
    fm(0x105, 1);
    fm(0x20, 0x21), fm(0x23, 0x21);     /* sustained, times 1 */
    fm(0x40, 0x3f), fm(0x43, 0x00);
    fm(0x60, attack_decay), fm(0x63, attack_decay);
    fm(0x80, sustain_release), fm(0x83, sustain_release);
    fm(0xc0, 0x31);                     /* both sides, additive */
    fm(0xa0, fnum & 0xff);
    fm(0xb0, 0x20 | block << 2 | fnum >> 8);
}

/* Largest value of the left side in [from, to) ms. */
static int peak(unsigned from, unsigned to)
{
    int most = 0;

    for (uint32_t i = from * AUDIO_RATE / 1000; i < to * AUDIO_RATE / 1000 && i < r->count; i++) {
        most = MAX(most, abs(r->heard[2 * i]));
    }
    return most;
}

static double db(int a, int b)
{
    return 20 * log10((double)a / b);
}

Test(opl3, is_found_as_drivers_look_for_it)
{
    cr_assert_eq(fake_in8(r->f, FM), 0x00, "an OPL3: bits 1 and 2 are clear");
    fm(4, 0x60);
    fm(4, 0x80);
    cr_assert_eq(fake_in8(r->f, FM) & 0xe0, 0);
    fm(2, 0xff);
    fm(4, 0x21);
    cr_assert_eq(fake_in8(r->f, FM) & 0xe0, 0);
    fake_advance(r->f, 81 * NS_PER_US);
    cr_assert_eq(fake_in8(r->f, FM) & 0xe0, 0xc0);
    cr_assert_eq(fake_in8(r->f, 0x220), 0xc0, "the card's own ports show the same chip");
    cr_assert_eq(fake_in8(r->f, 0x228), 0xc0);
    fm(4, 0x60);
    fm(4, 0x80);
    cr_assert_eq(fake_in8(r->f, FM), 0);
}

Test(opl3, timers_run_over_after_80_and_320_microseconds_a_count_and_begin_again)
{
    fm(2, 256 - 10);
    fm(3, 256 - 10);
    fm(4, 0x03);
    fake_advance(r->f, 804 * NS_PER_US);
    cr_assert_eq(fake_in8(r->f, FM), 0);
    fake_advance(r->f, NS_PER_US);
    cr_assert_eq(fake_in8(r->f, FM), 0xc0);
    fake_advance(r->f, (3218 - 805) * NS_PER_US);
    cr_assert_eq(fake_in8(r->f, FM), 0xc0);
    fake_advance(r->f, NS_PER_US);
    cr_assert_eq(fake_in8(r->f, FM), 0xe0);
    fm(4, 0x80);
    cr_assert_eq(fake_in8(r->f, FM), 0);
    fake_advance(r->f, 810 * NS_PER_US);
    cr_assert_eq(fake_in8(r->f, FM), 0xc0, "the reset flag does not stop them");
    fm(4, 0x42);
    cr_assert_eq(fake_in8(r->f, FM), 0x00, "masked");
    fake_advance(r->f, 4 * NS_PER_MS);
    cr_assert_eq(fake_in8(r->f, FM), 0xa0);
    fm(4, 0x00);
    fm(4, 0x80);
    fake_advance(r->f, NS_PER_S);
    cr_assert_eq(fake_in8(r->f, FM), 0, "stopped");
}

Test(opl3, tone_has_the_frequency_of_fnum_and_block)
{
    static const struct { unsigned fnum, block; } notes[] = { { 0x244, 4 }, { 1023, 2 }, { 700, 6 } };

    for (unsigned i = 0; i < G_N_ELEMENTS(notes); i++) {
        double hz = notes[i].fnum * CHIP_RATE / (1 << (20 - notes[i].block));

        r->count = 0;
        sine(notes[i].fnum, notes[i].block, 0xf0, 0x0f);
        fake_advance(r->f, NS_PER_S);
        cr_assert_float_eq(sound_hz(r, 4800, 43200), hz, hz / 5000, "%f, not %f",
                           sound_hz(r, 4800, 43200), hz);
        fm(0xb0, 0);
        fake_advance(r->f, NS_PER_S);
    }
}

Test(opl3, sine_is_a_sine_of_the_chips_size)
{
    double s = 0, c = 0, all = 0, other = 0, hz = 0x244 * CHIP_RATE / 65536;

    sine(0x244, 4, 0xf0, 0x0f);
    fake_advance(r->f, NS_PER_S / 2);
    for (uint32_t i = 4800; i < 4800 + 9600; i++) {
        s += r->heard[2 * i] * sin(2 * M_PI * hz * i / AUDIO_RATE);
        c += r->heard[2 * i] * cos(2 * M_PI * hz * i / AUDIO_RATE);
        all += (double)r->heard[2 * i] * r->heard[2 * i];
        other += (double)r->heard[2 * i + 1] * r->heard[2 * i + 1];
    }
    cr_assert_float_eq(2 * hypot(s, c) / 9600, 4084, 60, "13-bit operators: %f",
                       2 * hypot(s, c) / 9600);
    cr_assert_lt(fabs(all - (s * s + c * c) * 2 / 9600) / all, 1e-3, "and nothing else");
    cr_assert_float_eq(other / all, 1, 1e-3, "on both sides");
}

/* Of the manual's table: 96 dB in 39280 ms at rate 4, half of that for each 4 more. */
Test(opl3, release_falls_at_the_rate_of_the_manual)
{
    sine(0x244, 2, 0xf0, 0x05);         /* low notes: rate 20 plus 2 for this block without KSR */
    fake_advance(r->f, 200 * NS_PER_MS);
    fm(0xb0, 2 << 2 | 2);
    r->count = 0;
    fake_advance(r->f, 1500 * NS_PER_MS);
    {
        double slope = db(peak(100, 140), peak(1100, 1140));    /* dB a second */
        double rate20 = 96 / 2.45504, rate21 = rate20 * 1.25;

        cr_assert(slope > rate20 * 0.95 && slope < rate21 * 1.05, "%f dB/s, not %f", slope, rate20);
    }
}

Test(opl3, attack_takes_as_long_as_the_manual_says)
{
    uint32_t i = 0;

    sine(0x244, 4, 0x40, 0x0f);         /* rate 16 + 2: 176.64 ms at 18, 0 to 100 % */
    fake_advance(r->f, 600 * NS_PER_MS);
    for (uint32_t k = 0; k < r->count; k += AUDIO_RATE / 1000) {
        if (peak(k * 1000 / AUDIO_RATE, k * 1000 / AUDIO_RATE + 4) > 4000) {
            i = k * 1000 / AUDIO_RATE;
            break;
        }
    }
    cr_assert(i > 180 && i < 360, "full after %u ms", i);
}

Test(opl3, percussion_ends_by_itself_and_the_chip_rests)
{
    sine(0x244, 4, 0xf5, 0x05);
    fm(0x20, 0x01), fm(0x23, 0x01);     /* not sustained */
    fake_advance(r->f, 8 * NS_PER_S);
    cr_assert_eq(timer_queue_next(&r->f->m.timers), INT64_MAX, "though the key is still down");
    r->count = 0;
    fm(0xb0, 0);
    fm(0xb0, 0x20 | 4 << 2 | 2);
    fake_advance(r->f, NS_PER_S / 10);
    cr_assert_gt(peak(0, 100), 3000, "the next note is heard");
}

Test(opl3, four_operators_and_the_second_array_sound_only_when_new_is_set)
{
    fm(0x105, 0);
    fm(0x20, 0x21), fm(0x23, 0x21), fm(0x43, 0), fm(0x63, 0xf0), fm(0x83, 0x0f), fm(0xc0, 0x01);
    fm(0x1a0, 0x44);                    /* still the first array's */
    fm(0x1b0, 0x20 | 4 << 2 | 2);
    fake_advance(r->f, NS_PER_S / 10);
    cr_assert_gt(peak(50, 100), 3000, "an OPL2's program sets no sides");
    fm(0xb0, 0);
    fake_advance(r->f, NS_PER_S);
    r->count = 0;
    fm(0x105, 1);
    fm(0x104, 1);
    for (unsigned reg = 0x120; reg < 0x130; reg += 1) {     /* channel 9 with 12: four in a row */
        fm(reg, 0x21), fm(reg + 0x20, 0), fm(reg + 0x40, 0xf0), fm(reg + 0x60, 0x0f);
    }
    fm(0x104, 0x08);
    fm(0x1c0, 0x11), fm(0x1c3, 0x11);   /* left only, operators 1, 2 into 3, 4 */
    fm(0x1a0, 0x44);
    fm(0x1b0, 0x20 | 4 << 2 | 2);
    fake_advance(r->f, NS_PER_S / 5);
    cr_assert_gt(peak(50, 200), 3000);
    for (uint32_t i = 0; i < r->count; i++) {
        cr_assert_lt(abs(r->heard[2 * i + 1]), 40);
    }
}

Test(opl3, mixers_midi_volume_is_its_volume)
{
    int loud;

    sine(0x244, 4, 0xf0, 0x0f);
    fake_advance(r->f, NS_PER_S / 5);
    loud = peak(100, 200);
    mixer(0x34, (31 - 5) << 3);         /* 2 dB a step */
    mixer(0x35, 0);
    r->count = 0;
    fake_advance(r->f, NS_PER_S / 5);
    cr_assert_float_eq(db(loud, peak(100, 200)), 10, 0.2);
    cr_assert_lt(abs(r->heard[2 * 9000 + 1]), 20);
}

Test(opl3, state_keeps_the_note_and_the_timers)
{
    g_autoptr(GByteArray) saved = g_byte_array_new();
    double hz = 0x244 * CHIP_RATE / 65536;

    sine(0x244, 4, 0xf0, 0x0f);
    fm(2, 0);
    fm(4, 1);
    fake_advance(r->f, 15 * NS_PER_MS);
    machine_save(&r->f->m, saved);
    machine_reset(&r->f->m);
    cr_assert(machine_load(&r->f->m, saved->data, saved->len, NULL));
    cr_assert_eq(fake_in8(r->f, FM), 0);
    r->count = 0;
    fake_advance(r->f, 6 * NS_PER_MS);
    cr_assert_eq(fake_in8(r->f, FM), 0xc0, "20.6 ms after its start");
    fake_advance(r->f, NS_PER_S);
    cr_assert_float_eq(sound_hz(r, 4800, 43200), hz, 0.1);
}

/* Saves, lets another note sound, and loads. */
static void save_and_load(void)
{
    g_autoptr(GByteArray) saved = g_byte_array_new(), again = g_byte_array_new();

    machine_save(&r->f->m, saved);
    machine_reset(&r->f->m);
    sine(0x300, 5, 0xf0, 0x00);
    fake_advance(r->f, NS_PER_S / 10);
    cr_assert(machine_load(&r->f->m, saved->data, saved->len, NULL));
    machine_save(&r->f->m, again);
    cr_assert(saved->len == again->len && !memcmp(saved->data, again->data, saved->len));
    r->count = 0;
}

Test(opl3, loaded_note_goes_on_where_its_envelope_was)
{
    int before;

    sine(0x244, 4, 0xf4, 0x05);         /* falls slowly from its attack on */
    fm(0x20, 0x01), fm(0x23, 0x01);
    fake_advance(r->f, 600 * NS_PER_MS);
    before = peak(560, 600);
    cr_assert_gt(peak(0, 40), before * 2);
    save_and_load();
    fake_advance(r->f, 100 * NS_PER_MS);
    cr_assert_float_eq(db(before, peak(20, 60)), 0, 3, "%d, then %d", before, peak(20, 60));
}

Test(opl3, loaded_note_fades_out_as_it_did_after_its_key)
{
    int before, after;

    sine(0x244, 4, 0xf0, 0x06);
    fake_advance(r->f, 200 * NS_PER_MS);
    fm(0xb0, 4 << 2 | 2);
    r->count = 0;
    fake_advance(r->f, 100 * NS_PER_MS);
    before = peak(60, 100);
    cr_assert_gt(before, 1000);
    save_and_load();
    fake_advance(r->f, 3 * NS_PER_S);
    after = peak(20, 60);
    cr_assert(after > before / 3 && after < before, "%d, then %d", before, after);
    cr_assert_lt(peak(2500, 2900), 50);
}

Test(opl3, any_registers_are_survived)
{
    uint32_t seed = 7;

    for (unsigned i = 0; i < 60000; i++) {
        seed = seed * 1664525 + 1013904223;
        fake_out8(r->f, FM + (seed >> 8 & 3), seed >> 16);
        if (i % 500 == 0) {
            fake_advance(r->f, (seed >> 4) % (20 * NS_PER_MS));
            fake_in8(r->f, FM + (seed >> 20 & 3));
        }
    }
    fake_advance(r->f, NS_PER_S);
}
