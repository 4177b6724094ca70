/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * audio.c - voices in guest time, the mix, and the timer.  A voice's position is the time since it
 * was started times its rate, in whole numbers.  Each voice adds its frames to a ring of sums at its
 * own output position; the timer hands what is complete to the sinks.  When the process was held up
 * for long the lost time is skipped for all voices alike, so that a card never has to move more than
 * STEP_MAX at once.
 */
#include "ui/audio.h"

#include <math.h>
#include <string.h>
#include "ui/audio_resample.h"

#define TICK_NS (10 * NS_PER_MS)
#define TICK_MIN_NS NS_PER_MS           /* between two interrupts' timers */
#define STEP_MAX (50 * NS_PER_MS)       /* of guest time at once */
#define CHUNK 512                       /* frames of one transfer */
#define MIX_FRAMES 16384                /* power of two; far more than one step */
#define FRAME_BYTES_MAX 4

struct AudioVoice {
    Audio *audio;
    bool own_audio, capture, running, busy;
    AudioClient client;
    AudioFormat format;
    uint32_t volume[2];
    int64_t base;               /* audio time, ns, of frame 0 */
    uint64_t done;              /* frames moved since base */
    uint32_t moving;            /* of those, the frames of the transfer that is being made */
    Resampler resampler;
    uint64_t out_position;      /* in the mix, absolute */
};

struct Audio {
    Machine *machine;
    GPtrArray *voices;
    AudioSink sink[AUDIO_SINKS];
    unsigned sinks;
    Timer timer;
    int64_t lost, last;         /* ns: skipped; audio time of the last look */
    int64_t epoch;              /* audio time of mix frame 0 */
    uint64_t flushed, end;      /* mix frames handed out; written by voices */
    bool active;                /* something plays, or its end is still to be heard */
    int32_t (*mix)[2];
    ResampleTable table;
};

/* --- time --------------------------------------------------------------------------------------- */

static int64_t audio_now(Audio *a)
{
    int64_t now = machine_now(a->machine) - a->lost;

    if (a->active && now - a->last > STEP_MAX) {
        a->lost += now - a->last - STEP_MAX;
        now = a->last + STEP_MAX;
    }
    a->last = now;
    return now;
}

static uint64_t frames_at(int64_t ns, uint32_t rate)
{
    return ns <= 0 ? 0 : (uint64_t)ns / NS_PER_S * rate + (uint64_t)ns % NS_PER_S * rate / NS_PER_S;
}

static int64_t time_of(uint64_t frames, uint32_t rate)
{
    return frames / rate * NS_PER_S + (frames % rate * NS_PER_S + rate - 1) / rate;
}

uint32_t audio_gain(int tenths)
{
    return lrint(AUDIO_UNITY * pow(10, CLAMP(tenths, -1000, 240) / 200.0));
}

/* --- one voice ---------------------------------------------------------------------------------- */

static void mix_frame(AudioVoice *v, const int16_t in[2])
{
    Audio *a = v->audio;
    int32_t out[AUDIO_RATE / AUDIO_RATE_MIN + 1][2];
    uint32_t n = resampler_push(&v->resampler, in, out);

    for (uint32_t i = 0; i < n; i++, v->out_position++) {
        if (v->out_position >= a->flushed && v->out_position - a->flushed < MIX_FRAMES) {
            int32_t *sum = a->mix[v->out_position % MIX_FRAMES];

            for (unsigned c = 0; c < 2; c++) {
                sum[c] += (int64_t)out[i][c] * v->volume[c] / AUDIO_UNITY;
            }
        }
    }
    a->end = MAX(a->end, v->out_position);
}

static int16_t sample(const AudioFormat *f, const uint8_t *p)
{
    uint16_t v = f->bits == 8 ? p[0] << 8 : p[0] | p[1] << 8;

    return (int16_t)(f->is_signed ? v : v ^ 0x8000);
}

static uint32_t frame_bytes(const AudioFormat *f)
{
    return f->channels * f->bits / 8;
}

static void mix_chunk(AudioVoice *v, const AudioFormat *f, const uint8_t *buf, uint32_t frames,
                      uint32_t chunk)
{
    static const int16_t silence[2];

    for (uint32_t i = 0; i < chunk; i++) {
        if (i < frames) {
            const uint8_t *p = buf + i * frame_bytes(f);
            int16_t in[2] = { sample(f, p), sample(f, f->channels == 2 ? p + f->bits / 8 : p) };

            mix_frame(v, in);
        } else {
            mix_frame(v, silence);
        }
    }
}

/* What is still in the filter comes out. */
static void drain(AudioVoice *v)
{
    static const int16_t silence[2];

    if (!v->capture && v->audio->sinks && v->format.rate != AUDIO_RATE) {
        for (unsigned i = 0; i < RESAMPLE_TAPS; i++) {
            mix_frame(v, silence);
        }
    }
}

/* Frames that are to be moved by now: whole bursts, and what an interrupt waits for. */
static uint64_t due(const AudioVoice *v, int64_t now, uint32_t event)
{
    uint64_t frames = frames_at(now - v->base, v->format.rate);
    uint64_t bursts = v->client.burst > 1 ? frames - frames % v->client.burst : frames;

    return event && frames >= v->done + event ? MAX(bursts, v->done + event) : bursts;
}

static void sync_to(AudioVoice *v, int64_t now)
{
    uint8_t buf[CHUNK * FRAME_BYTES_MAX];

    if (v->busy) {
        return;
    }
    v->busy = true;
    while (v->running) {
        AudioFormat f = v->format;
        uint32_t event = v->client.until_event ? v->client.until_event(v->client.opaque) : 0, chunk, n;
        uint64_t target = due(v, now, event);

        if (target <= v->done) {
            break;
        }
        chunk = MIN(target - v->done, event && event < CHUNK ? event : CHUNK);
        memset(buf, f.is_signed ? 0 : 0x80, chunk * frame_bytes(&f));
        if (f.bits == 16 && !f.is_signed) {
            for (uint32_t i = 0; i < chunk * frame_bytes(&f); i += 2) {
                buf[i] = 0;
            }
        }
        v->done += chunk;
        v->moving = chunk;
        n = MIN(v->client.transfer(v->client.opaque, buf, chunk), chunk);
        v->moving = 0;
        if (!v->capture && v->audio->sinks) {
            mix_chunk(v, &f, buf, n, chunk);
        }
        if (!v->running) {      /* its transfer has stopped it */
            drain(v);
        }
        if (v->done >= v->format.rate && v->format.rate == f.rate) {
            v->base += v->done / f.rate * NS_PER_S;
            v->done %= f.rate;
        }
    }
    v->busy = false;
}

/* The voice begins, or goes on in another format, at this moment. */
static void rebase(AudioVoice *v)
{
    Audio *a = v->audio;
    int64_t now = audio_now(a);
    uint64_t lead = (uint64_t)RESAMPLE_TAPS * AUDIO_RATE / v->format.rate / 2 + 16;

    v->base = now;
    v->done = v->moving = 0;
    resampler_init(&v->resampler, &a->table, v->format.rate, AUDIO_RATE);
    v->out_position = MAX(a->flushed, frames_at(now - a->epoch, AUDIO_RATE)) + lead;
}

/* --- all of them -------------------------------------------------------------------------------- */

static void hand_out(Audio *a, uint64_t target)
{
    int16_t out[CHUNK][2];

    while (a->flushed < target) {
        uint32_t n = MIN(target - a->flushed, CHUNK);

        for (uint32_t i = 0; i < n; i++) {
            int32_t *sum = a->mix[(a->flushed + i) % MIX_FRAMES];

            out[i][0] = CLAMP(sum[0], INT16_MIN, INT16_MAX);
            out[i][1] = CLAMP(sum[1], INT16_MIN, INT16_MAX);
            sum[0] = sum[1] = 0;
        }
        for (unsigned i = 0; i < a->sinks; i++) {
            a->sink[i].write(a->sink[i].opaque, out[0], n);
        }
        a->flushed += n;
    }
}

static int64_t next_tick(Audio *a, int64_t now)
{
    int64_t when = now + TICK_NS;

    for (guint i = 0; i < a->voices->len; i++) {
        AudioVoice *v = a->voices->pdata[i];
        uint32_t event = v->running && v->client.until_event ?
                         v->client.until_event(v->client.opaque) : 0;

        if (event) {
            when = MIN(when, v->base + time_of(v->done + event, v->format.rate));
        }
    }
    return MAX(when, now + TICK_MIN_NS);
}

static void tick(void *opaque)
{
    Audio *a = opaque;
    int64_t now = audio_now(a);
    uint64_t target = frames_at(now - a->epoch, AUDIO_RATE);
    bool running = false;

    for (guint i = 0; i < a->voices->len; i++) {
        sync_to(a->voices->pdata[i], now);
    }
    for (guint i = 0; i < a->voices->len; i++) {
        running |= ((AudioVoice *)a->voices->pdata[i])->running;
    }
    if (!a->sinks) {
        a->flushed = a->end = target;
    } else {
        hand_out(a, running ? target : MIN(target, MAX(a->end, a->flushed)));
    }
    if (running || a->flushed < a->end) {
        timer_at(&a->timer, next_tick(a, now) + a->lost);
        return;
    }
    a->active = false;
    for (unsigned i = 0; i < a->sinks; i++) {
        if (a->sink[i].idle) {
            a->sink[i].idle(a->sink[i].opaque);
        }
    }
}

static void activate(Audio *a)
{
    if (!a->active) {
        a->epoch = a->last = machine_now(a->machine) - a->lost;
        a->flushed = a->end = 0;
        a->active = true;
        timer_at(&a->timer, machine_now(a->machine) + TICK_MIN_NS);
    }
}

Audio *audio_new(Machine *m)
{
    Audio *a = g_new0(Audio, 1);

    a->machine = m;
    a->voices = g_ptr_array_new();
    a->mix = g_malloc0(MIX_FRAMES * sizeof *a->mix);
    timer_init(&a->timer, &m->timers, tick, a);
    resample_table_init(&a->table);
    return a;
}

void audio_free(Audio *a)
{
    if (!a) {
        return;
    }
    timer_cancel(&a->timer);
    for (unsigned i = 0; i < a->sinks; i++) {
        a->sink[i].free(a->sink[i].opaque);
    }
    g_ptr_array_free(a->voices, TRUE);
    g_free(a->mix);
    g_free(a);
}

void audio_add_sink(Audio *a, const AudioSink *sink)
{
    if (a->sinks == AUDIO_SINKS) {
        sink->free(sink->opaque);
        return;
    }
    a->sink[a->sinks++] = *sink;
}

AudioVoice *audio_voice_new(Audio *a, Machine *m, const AudioClient *client, bool capture)
{
    AudioVoice *v = g_new0(AudioVoice, 1);

    v->own_audio = !a;
    v->audio = a ? a : audio_new(m);
    v->capture = capture;
    v->client = *client;
    v->format = (AudioFormat){ AUDIO_RATE, 2, 16, true };
    v->volume[0] = v->volume[1] = AUDIO_UNITY;
    g_ptr_array_add(v->audio->voices, v);
    return v;
}

void audio_voice_free(AudioVoice *v)
{
    if (!v) {
        return;
    }
    g_ptr_array_remove(v->audio->voices, v);
    if (v->own_audio) {
        audio_free(v->audio);
    }
    g_free(v);
}

void audio_voice_format(AudioVoice *v, const AudioFormat *format)
{
    AudioFormat f = { CLAMP(format->rate, AUDIO_RATE_MIN, AUDIO_RATE_MAX),
                      format->channels == 2 ? 2 : 1, format->bits == 16 ? 16 : 8,
                      format->is_signed };

    if (f.rate == v->format.rate && f.channels == v->format.channels && f.bits == v->format.bits &&
        f.is_signed == v->format.is_signed) {
        return;
    }
    if (v->running) {
        sync_to(v, audio_now(v->audio));
    }
    if (v->running && f.rate != v->format.rate) {
        drain(v);
        v->format = f;
        rebase(v);
    }
    v->format = f;
}

void audio_voice_volume(AudioVoice *v, uint32_t left, uint32_t right)
{
    if (v->running) {
        sync_to(v, audio_now(v->audio));
    }
    v->volume[0] = MIN(left, 16 * AUDIO_UNITY);
    v->volume[1] = MIN(right, 16 * AUDIO_UNITY);
}

void audio_voice_run(AudioVoice *v, bool run)
{
    if (run == v->running) {
        return;
    }
    if (run) {
        activate(v->audio);
        rebase(v);
        v->running = true;
        if (!v->busy) {
            Timer *t = &v->audio->timer;
            int64_t when = next_tick(v->audio, v->audio->last) + v->audio->lost;

            timer_at(t, timer_armed(t) ? MIN(t->when, when) : when);
        }
    } else {
        sync_to(v, audio_now(v->audio));
        if (v->running && !v->busy) {
            drain(v);
        }
        v->running = false;
    }
}

bool audio_voice_running(const AudioVoice *v)
{
    return v->running;
}

int64_t audio_voice_time(const AudioVoice *v)
{
    return v->base + v->audio->lost + time_of(v->done - MIN(v->moving, v->done), v->format.rate);
}

void audio_voice_sync(AudioVoice *v)
{
    if (v->running && !v->busy) {
        sync_to(v, audio_now(v->audio));
    }
}
