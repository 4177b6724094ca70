/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pcspk.c - the PC speaker: descriptions of the timer's output become samples. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>
#include "hw/devices.h"
#include "include/pc_layout.h"
#include "lib/speaker.h"
#include "tests/hw/sound.h"

#define LATE (AUDIO_RATE / 100)         /* frames: the speaker's delay */

typedef struct Wire {
    SpeakerSource source;
    SpeakerWave wave[4096];
    unsigned count, taken;
    bool awaited;
} Wire;

static SoundRig *r;
static Wire *wire;

static bool next(void *opaque, SpeakerWave *wave)
{
    Wire *w = opaque;

    if (w->taken == w->count) {
        return false;
    }
    *wave = w->wave[w->taken++];
    return true;
}

static void await(void *opaque, bool on)
{
    ((Wire *)opaque)->awaited = on;
}

static void setup(void)
{
    r = sound_rig_empty();
    wire = g_new0(Wire, 1);
    wire->source = (SpeakerSource){ .next = next, .await = await, .opaque = wire };
    r->dev = device_new(&r->f->m, &pcspk_class);
    device_set_pointer(r->dev, "audio", r->audio);
    device_set_pointer(r->dev, "source", &wire->source);
    cr_assert(device_init(r->dev, NULL));
}

static void teardown(void)
{
    sound_rig_free(r);
    g_free(wire);
}

TestSuite(pcspk, .init = setup, .fini = teardown);

static void tell(SpeakerWave w)
{
    wire->wave[wire->count++] = w;
    if (wire->awaited) {
        wire->source.changed(wire->source.card);
    }
}

static void square(uint32_t count)
{
    tell((SpeakerWave){ r->f->now, r->f->now, (count + 1) / 2, count / 2, true });
}

static void quiet(void)
{
    tell(speaker_level(r->f->now, false));
}

/* Size of one frequency in [from, to), as a sine's amplitude. */
static double size_of(double hz, uint32_t from, uint32_t to)
{
    double s = 0, c = 0;

    for (uint32_t i = from; i < to; i++) {
        s += r->heard[2 * i] * sin(2 * M_PI * hz * i / AUDIO_RATE);
        c += r->heard[2 * i] * cos(2 * M_PI * hz * i / AUDIO_RATE);
    }
    return 2 * hypot(s, c) / (to - from);
}

Test(pcspk, tone_has_the_timers_frequency_and_a_squares_harmonics)
{
    double base;

    square(1193);                       /* 1000.15 Hz */
    fake_advance(r->f, NS_PER_S);
    quiet();
    fake_advance(r->f, NS_PER_S / 2);
    cr_assert_float_eq(sound_hz(r, 4800, 43200), PIT_HZ / 1193.0, 0.05);
    base = size_of(PIT_HZ / 1193.0, 4800, 43200);
    cr_assert_float_eq(base, 16384 * 2 / M_PI, 60);
    cr_assert_float_eq(size_of(3 * PIT_HZ / 1193.0, 4800, 43200), base / 3, 60);
    cr_assert_float_eq(size_of(5 * PIT_HZ / 1193.0, 4800, 43200), base / 5, 60);
    cr_assert_lt(size_of(2 * PIT_HZ / 1193.0, 4800, 43200), 20);
    for (unsigned hz = 1500; hz < 20000; hz += 1000) {  /* nothing between the harmonics */
        cr_assert_lt(size_of(hz, 4800, 43200), base / 300, "%u Hz: %f", hz,
                     size_of(hz, 4800, 43200));
    }
}

Test(pcspk, tone_ends_and_the_voice_with_it)
{
    cr_assert(wire->awaited);
    square(2000);
    cr_assert_not(wire->awaited);
    fake_advance(r->f, NS_PER_S / 10);
    quiet();
    fake_advance(r->f, NS_PER_S);
    cr_assert(wire->awaited);
    cr_assert_lt(r->count, AUDIO_RATE, "it did not go on for all of the second");
    cr_assert_eq(timer_queue_next(&r->f->m.timers), INT64_MAX);
}

Test(pcspk, change_that_comes_late_is_heard_at_its_place)
{
    int64_t began;
    uint32_t edge = 0;

    square(1193);
    fake_advance(r->f, 100 * NS_PER_MS);
    began = r->f->now;
    fake_advance(r->f, 8 * NS_PER_MS);  /* the process was held up so long */
    tell((SpeakerWave){ began, began, 0, 0, true });
    fake_advance(r->f, 50 * NS_PER_MS);
    for (uint32_t i = 1; i < r->count; i++) {
        if ((r->heard[2 * i - 2] < 0) != (r->heard[2 * i] < 0)) {
            edge = i;
        }
    }
    cr_assert_float_eq(edge, 100.0 * AUDIO_RATE / 1000 + LATE, 40, "edge at %u", edge);
}

/* 8-bit samples as pulses in mode 0: the level is low for so many ticks of each 64. */
Test(pcspk, pulses_of_a_one_shot_make_a_sine)
{
    int64_t begin = r->f->now;

    for (unsigned i = 0; i < 4000; i++) {
        uint32_t low = lrint(36 - 30 * sin(2 * M_PI * i * 440 * 72 / PIT_HZ));

        r->f->now = begin + (int64_t)i * 72 * NS_PER_S / PIT_HZ;
        timer_queue_run(&r->f->m.timers, r->f->now);
        tell((SpeakerWave){ r->f->now, r->f->now, low, 0, false });
    }
    fake_advance(r->f, NS_PER_S / 10);
    cr_assert_float_eq(size_of(440, 3000, 10500), 16384 * 30 / 72.0, 400);
    cr_assert_lt(size_of(880, 3000, 10500), 300);
    cr_assert_lt(size_of(1320, 3000, 10500), 300);
}

Test(pcspk, ultrasound_is_no_sound)
{
    square(2);                          /* 596 kHz */
    fake_advance(r->f, NS_PER_S / 2);
    cr_assert_lt(size_of(4591, 12000, 24000), 40);
    cr_assert_lt(abs(r->heard[2 * 23000]), 40);
}

Test(pcspk, every_description_is_survived)
{
    uint32_t seed = 1;

    for (unsigned i = 0; i < 4000; i++) {
        SpeakerWave w = { r->f->now, r->f->now, 0, 0, false };

        seed = seed * 1664525 + 1013904223;
        w.first_ticks = (seed >> 8) % (SPEAKER_TICKS_MAX + 1) >> (seed & 15);
        seed = seed * 1664525 + 1013904223;
        w.second_ticks = (seed >> 8) % (SPEAKER_TICKS_MAX + 1) >> (seed & 15);
        w.first = seed >> 30 & 1;
        w.at -= (seed >> 4 & 0xff) * NS_PER_MS;         /* also not in order */
        w.start -= (int64_t)seed * (i % 7 ? 1 : 100000000);
        tell(w);
        fake_advance(r->f, (seed >> 3 & 0xfffff));
    }
    quiet();
    fake_advance(r->f, 2 * NS_PER_S);
    cr_assert(wire->awaited);
    for (uint32_t i = 0; i < r->count; i++) {
        cr_assert_lt(abs(r->heard[2 * i]), 20000);
    }
}

Test(pcspk, state_in_the_middle_of_a_tone_goes_on)
{
    g_autoptr(GByteArray) saved = g_byte_array_new();

    square(1193);
    fake_advance(r->f, NS_PER_S / 4);
    machine_save(&r->f->m, saved);
    machine_reset(&r->f->m);
    cr_assert(wire->awaited);
    cr_assert(machine_load(&r->f->m, saved->data, saved->len, NULL));
    cr_assert_not(wire->awaited);
    r->count = 0;
    fake_advance(r->f, NS_PER_S / 2);
    cr_assert_float_eq(sound_hz(r, 4800, 20000), PIT_HZ / 1193.0, 0.1);
}
