/* SPDX-License-Identifier: GPL-2.0-or-later */
/* audio.c - voices, the mix and its sinks, in a fake machine's time. */
#include "ui/audio.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include "include/sound_proto.h"
#include "tests/fake_machine.h"

#define HEARD_MAX (10 * AUDIO_RATE)

typedef struct Rig {
    FakeMachine *f;
    Audio *audio;
    AudioVoice *voice;
    int16_t *heard;             /* left, right */
    uint32_t count, idles;
    uint64_t played;            /* frames given by the card */
    uint32_t limit;             /* the card has no more; 0: for ever */
    uint32_t rate, hz, period;
    uint32_t events;
    int64_t event_time;
} Rig;

static void heard(void *opaque, const int16_t *frames, uint32_t count)
{
    Rig *r = opaque;

    cr_assert_leq(r->count + count, HEARD_MAX);
    memcpy(r->heard + r->count * 2, frames, count * 4);
    r->count += count;
}

static void idle(void *opaque)
{
    ((Rig *)opaque)->idles++;
}

static void forget(void *opaque)
{
    (void)opaque;
}

static double tone(const Rig *r, double second)
{
    return 10000 * sin(2 * M_PI * r->hz * second);
}

static uint32_t play(void *opaque, void *buf, uint32_t frames)
{
    Rig *r = opaque;
    int16_t *out = buf;
    uint32_t n = r->limit ? MIN(frames, r->limit - (uint32_t)r->played) : frames;

    for (uint32_t i = 0; i < n; i++) {
        out[2 * i] = lrint(tone(r, (double)(r->played + i) / r->rate));
        out[2 * i + 1] = -out[2 * i];
    }
    r->played += n;
    if (r->period && r->played % r->period == 0) {
        r->events++;
        r->event_time = r->f->now;
    }
    return n;
}

static uint32_t until_event(void *opaque)
{
    Rig *r = opaque;

    return r->period ? r->period - r->played % r->period : 0;
}

static Rig rig_new(uint32_t rate, uint32_t hz)
{
    return (Rig){ .f = fake_machine_new(), .rate = rate, .hz = hz,
                  .heard = g_malloc0(HEARD_MAX * 4) };
}

static void rig_open(Rig *r, bool capture)
{
    AudioFormat format = { r->rate, 2, 16, true };
    AudioClient client = { .transfer = play, .until_event = until_event, .opaque = r };
    AudioSink sink = { heard, idle, forget, r };

    r->audio = audio_new(&r->f->m);
    audio_add_sink(r->audio, &sink);
    r->voice = audio_voice_new(r->audio, NULL, &client, capture);
    audio_voice_format(r->voice, &format);
}

static void rig_free(Rig *r)
{
    audio_voice_free(r->voice);
    audio_free(r->audio);
    fake_machine_free(r->f);
    g_free(r->heard);
}

/* The largest error of the middle of what was heard against a tone of the amplitude, in the phase
 * that fits best (samples before the sound are not part of it). */
static double worst_error(const Rig *r, double amplitude)
{
    uint32_t from = r->count / 4, to = r->count * 3 / 4;
    double s = 0, c = 0, worst = 0, w = 2 * M_PI * r->hz / AUDIO_RATE;

    for (uint32_t i = from; i < to; i++) {
        s += r->heard[2 * i] * sin(w * i);
        c += r->heard[2 * i] * cos(w * i);
    }
    s = s * 2 / (to - from);
    c = c * 2 / (to - from);
    cr_assert_float_eq(sqrt(s * s + c * c), amplitude, amplitude / 100);
    for (uint32_t i = from; i < to; i++) {
        worst = MAX(worst, fabs(r->heard[2 * i] - s * sin(w * i) - c * cos(w * i)));
        cr_assert_leq(abs(r->heard[2 * i] + r->heard[2 * i + 1]), 1);
    }
    return worst;
}

Test(audio, equal_rates_are_passed_bit_by_bit)
{
    Rig r = rig_new(AUDIO_RATE, 440);
    uint32_t first = 0;

    rig_open(&r, false);
    audio_voice_run(r.voice, true);
    fake_advance(r.f, NS_PER_S);
    audio_voice_run(r.voice, false);
    fake_advance(r.f, NS_PER_S);
    cr_assert_eq(r.played, AUDIO_RATE);
    while (r.heard[2 * first] == 0) {
        first++;
    }
    for (uint32_t i = 1; i < r.played; i++) {
        cr_assert_eq(r.heard[2 * (first + i - 1)], lrint(tone(&r, (double)i / AUDIO_RATE)),
                     "frame %u", i);
    }
    rig_free(&r);
}

Test(audio, other_rates_keep_the_tone)
{
    static const uint32_t rates[] = { 8000, 11025, 22050, 32000, 44100, 96000 };

    for (unsigned i = 0; i < G_N_ELEMENTS(rates); i++) {
        Rig r = rig_new(rates[i], 1000);

        rig_open(&r, false);
        audio_voice_run(r.voice, true);
        fake_advance(r.f, NS_PER_S);
        audio_voice_run(r.voice, false);
        fake_advance(r.f, NS_PER_S);
        cr_expect_eq(r.played, rates[i]);
        cr_expect_leq(abs((int)r.count - (int)AUDIO_RATE), 500, "%u frames", r.count);
        cr_expect_lt(worst_error(&r, 10000), 25, "rate %u: %f", rates[i], worst_error(&r, 10000));
        rig_free(&r);
    }
}

Test(audio, a_card_moves_as_guest_time_does)
{
    Rig r = rig_new(44100, 100);

    rig_open(&r, false);
    audio_voice_run(r.voice, true);
    for (unsigned i = 1; i <= 5000; i++) {
        fake_advance(r.f, NS_PER_S / 1000);
        audio_voice_sync(r.voice);
        cr_assert_eq(r.played, (uint64_t)i * 441 / 10);
    }
    rig_free(&r);
}

Test(audio, an_interrupt_comes_with_its_frame)
{
    Rig r = rig_new(48000, 100);

    r.period = 160;             /* 3 1/3 ms */
    rig_open(&r, false);
    audio_voice_run(r.voice, true);
    for (unsigned i = 0; i < 300; i++) {
        fake_advance(r.f, NS_PER_S / 300 + 1);
        cr_assert_eq(r.events, i + 1);
        cr_assert_geq(r.event_time, (int64_t)(i + 1) * NS_PER_S / 300);
    }
    rig_free(&r);
}

Test(audio, two_voices_add_up_and_clip)
{
    Rig a = rig_new(AUDIO_RATE, 50), b;
    AudioClient client = { .transfer = play, .opaque = &b };
    AudioVoice *second;
    int max = 0;

    rig_open(&a, false);
    b = (Rig){ .f = a.f, .rate = AUDIO_RATE, .hz = 50 };
    second = audio_voice_new(a.audio, NULL, &client, false);
    audio_voice_volume(second, 4 * AUDIO_UNITY, 0);
    audio_voice_run(a.voice, true);
    audio_voice_run(second, true);
    fake_advance(a.f, NS_PER_S);
    for (uint32_t i = 0; i < a.count; i++) {
        max = MAX(max, a.heard[2 * i]);
        cr_assert_leq(abs(a.heard[2 * i + 1]), 10000, "the second is on the left only");
    }
    cr_assert_eq(max, INT16_MAX);
    audio_voice_free(second);
    rig_free(&a);
}

Test(audio, what_a_card_does_not_give_is_silence)
{
    Rig r = rig_new(AUDIO_RATE, 440);

    r.limit = 1000;
    rig_open(&r, false);
    audio_voice_run(r.voice, true);
    fake_advance(r.f, NS_PER_S);
    for (uint32_t i = 2000; i < r.count; i++) {
        cr_assert_eq(r.heard[2 * i], 0);
    }
    cr_assert_gt(r.count, 40000);
    rig_free(&r);
}

/* K7 and a host that stops: no period is too long, and no more than a step is caught up with. */
Test(audio, a_long_stop_is_not_caught_up_with)
{
    Rig r = rig_new(AUDIO_RATE, 440);

    rig_open(&r, false);
    audio_voice_run(r.voice, true);
    fake_advance(r.f, NS_PER_S / 10);
    r.f->now += 1000 * NS_PER_S;
    audio_voice_sync(r.voice);
    cr_assert_leq(r.played, AUDIO_RATE / 10 + AUDIO_RATE / 10);
    fake_advance(r.f, NS_PER_S);
    cr_assert_leq(r.played, 13 * AUDIO_RATE / 10);
    rig_free(&r);
}

/* K3: every rate, zero and the largest. */
Test(audio, every_rate_is_survived)
{
    static const uint32_t rates[] = { 0, 1, 1999, 5000, 65535, 96001, UINT32_MAX };
    Rig r = rig_new(AUDIO_RATE, 440);

    rig_open(&r, false);
    audio_voice_run(r.voice, true);
    for (unsigned i = 0; i < G_N_ELEMENTS(rates); i++) {
        AudioFormat format = { rates[i], rates[i] & 3, rates[i] & 31, true };

        audio_voice_format(r.voice, &format);
        r.limit = 1;
        r.played = 0;
        fake_advance(r.f, NS_PER_S / 10);
    }
    rig_free(&r);
}

Test(audio, no_timer_when_nothing_plays)
{
    Rig r = rig_new(AUDIO_RATE, 440);

    rig_open(&r, false);
    cr_assert_eq(timer_queue_next(&r.f->m.timers), INT64_MAX);
    audio_voice_run(r.voice, true);
    fake_advance(r.f, NS_PER_S / 10);
    audio_voice_run(r.voice, false);
    fake_advance(r.f, NS_PER_S / 10);
    cr_assert_eq(timer_queue_next(&r.f->m.timers), INT64_MAX);
    cr_assert_eq(r.idles, 1);
    audio_voice_run(r.voice, true);
    fake_advance(r.f, NS_PER_S / 10);
    cr_assert_gt(r.count, AUDIO_RATE * 19 / 100);
    rig_free(&r);
}

Test(audio, wav_file_says_what_is_in_it)
{
    Rig r = rig_new(AUDIO_RATE, 440);
    int fd = memfd_create("wav", 0);
    AudioSink sink = audio_wav_sink(dup(fd));
    uint8_t head[44];
    uint32_t bytes, rate;

    rig_open(&r, false);
    audio_add_sink(r.audio, &sink);
    audio_voice_run(r.voice, true);
    fake_advance(r.f, NS_PER_S / 2);
    audio_voice_run(r.voice, false);
    fake_advance(r.f, NS_PER_S / 2);
    cr_assert_eq(pread(fd, head, 44, 0), 44);
    memcpy(&bytes, head + 40, 4);
    memcpy(&rate, head + 24, 4);
    cr_assert_eq(bytes, r.count * 4);
    cr_assert_eq(lseek(fd, 0, SEEK_END), 44 + bytes);
    cr_assert_eq(rate, AUDIO_RATE);
    cr_assert_eq(memcmp(head, "RIFF", 4) | memcmp(head + 8, "WAVEfmt ", 8), 0);
    close(fd);
    rig_free(&r);
}

/* --- the socket to dm-sound -------------------------------------------------------------------- */

static uint32_t ones(void *opaque, void *buf, uint32_t frames)
{
    (void)opaque;
    memset(buf, 0x11, frames * 4);
    return frames;
}

Test(audio, full_socket_drops_sound_and_never_holds_up_the_guest)
{
    FakeMachine *f = fake_machine_new();
    Audio *a = audio_new(&f->m);
    AudioClient client = { .transfer = ones };
    AudioVoice *v = audio_voice_new(a, &f->m, &client, false);
    struct { SoundMsg msg; uint8_t data[4096]; } in;
    unsigned packets = 0, bytes = 0;
    int pair[2], other[2];
    AudioSocket *s;

    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, other), 0);
    s = audio_socket_new(a, pair[0]);
    audio_voice_run(v, true);
    fake_advance(f, 20 * NS_PER_S);             /* nobody reads: it ends all the same */
    for (ssize_t n; (n = recv(pair[1], &in, sizeof in, 0)) > 0; packets++) {
        cr_assert_eq(n, (ssize_t)(sizeof in.msg + in.msg.frames * 4));
        bytes += n;
    }
    cr_assert(packets > 10 && bytes < 400000, "%u bytes", bytes);
    fake_advance(f, 100 * NS_PER_MS);
    cr_assert_gt(recv(pair[1], &in, sizeof in, 0), 0, "and goes on when there is room");
    close(pair[1]);                             /* the player has gone */
    fake_advance(f, NS_PER_S);
    audio_socket_set(s, other[0]);              /* another one comes */
    fake_advance(f, NS_PER_S / 10);
    cr_assert_gt(recv(other[1], &in, sizeof in, 0), 0);
    cr_assert_eq(in.msg.type, SOUND_FRAMES);
    cr_assert_eq(in.data[100], 0x11);
    audio_voice_run(v, false);
    fake_advance(f, NS_PER_S / 10);
    while (recv(other[1], &in, sizeof in, 0) > 0) {
    }
    cr_assert_eq(in.msg.type, SOUND_END);
    audio_voice_free(v);
    audio_free(a);
    close(other[1]);
    fake_machine_free(f);
}
