/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pcspk.c - the loudspeaker of the PC (IBM 5150 Technical Reference; Intel 231244 for what drives it).
 * The timer chip is the hypervisor's and sends descriptions of its output with their times
 * (lib/speaker.h).  Here they become samples: each is the part of its time in which the output was
 * high, so that levels toggled by the program (pulse width modulation) sound as they do through a
 * cone.  A constant level is silence (a high pass of 7.5 Hz).  All is DELAY_NS late, so that a change
 * keeps its place though it takes a while to come here.  Left out: the cone's own resonances.
 */
#include "hw/devices.h"
#include "lib/speaker.h"
#include "pc_layout.h"
#include "ui/audio.h"

#define RATE 96000u             /* what folds back into what is heard is 60 dB below the tone */
#define DELAY_NS (10 * NS_PER_MS)
#define SWING 16384             /* between the two levels, of 65536 */
#define HIGH_PASS_SHIFT 11
#define TICK ((uint64_t)NS_PER_S)       /* of the timer, in units: 1 / (PIT_HZ * NS_PER_S) s */

typedef struct Pcspk {
    Device dev;
    Audio *audio;               /* config */
    SpeakerSource *source;      /* config */
    SpeakerWave wave, next;     /* now; to come, when has_next */
    bool has_next, running;
    int64_t mean;               /* of the level, 16 bits of fraction: what the high pass takes away */
    uint64_t phase;             /* derived: units since the wave's start, less whole periods */
    AudioVoice *voice;
} Pcspk;

/* --- the wave ----------------------------------------------------------------------------------- */

static uint64_t period_of(const SpeakerWave *w)
{
    return w->second_ticks ? (uint64_t)(w->first_ticks + w->second_ticks) * TICK : 0;
}

/* Where in the wave that moment is. */
static uint64_t phase_at(const SpeakerWave *w, int64_t t)
{
    uint64_t period = period_of(w), first = (uint64_t)w->first_ticks * TICK;
    unsigned __int128 units;

    if (t <= w->start) {
        return 0;
    }
    units = (unsigned __int128)(t - w->start) * PIT_HZ;
    if (period) {
        return units % period;
    }
    return units < first ? units : first;
}

/* How long the level was high in the first so many units of a period. */
static uint64_t high_until(const SpeakerWave *w, uint64_t units)
{
    uint64_t first = (uint64_t)w->first_ticks * TICK;

    return w->first ? MIN(units, first) : units - MIN(units, first);
}

/* The same for the next ns; they pass. */
static uint64_t advance(Pcspk *s, int64_t ns)
{
    const SpeakerWave *w = &s->wave;
    uint64_t period = period_of(w), end = s->phase + (uint64_t)ns * PIT_HZ, high;

    high = high_until(w, period ? end % period : end) - high_until(w, s->phase);
    if (period) {
        high += end / period * high_until(w, period);
        s->phase = end % period;
    } else {
        s->phase = MIN(end, (uint64_t)w->first_ticks * TICK);
    }
    return high;
}

static bool fetch_next(Pcspk *s)
{
    if (!s->has_next && s->source) {
        s->has_next = s->source->next(s->source->opaque, &s->next);
    }
    return s->has_next;
}

/* The level from one moment to another, of SWING. */
static int32_t level_between(Pcspk *s, int64_t from, int64_t to)
{
    uint64_t high = 0;
    int64_t t = from;

    while (fetch_next(s) && s->next.at < to) {
        int64_t at = MAX(s->next.at, t);

        high += advance(s, at - t);
        t = at;
        s->wave = s->next;
        s->phase = phase_at(&s->wave, t);
        s->has_next = false;
    }
    high += advance(s, to - t);
    return high * SWING / ((uint64_t)(to - from) * PIT_HZ);
}

/* --- samples ------------------------------------------------------------------------------------ */

static void rest(Pcspk *s)
{
    s->running = false;
    audio_voice_run(s->voice, false);
    if (s->source) {
        s->source->await(s->source->opaque, true);
    }
}

static uint32_t pcspk_transfer(void *opaque, void *buf, uint32_t frames)
{
    Pcspk *s = opaque;
    int64_t begin = audio_voice_time(s->voice) - DELAY_NS, from = begin;
    uint8_t *out = buf;
    bool heard = false;

    s->phase = phase_at(&s->wave, from);
    for (uint32_t i = 0; i < frames; i++) {
        int64_t to = begin + (int64_t)(i + 1) * NS_PER_S / RATE;
        int64_t level = (int64_t)level_between(s, from, to) << 16;
        int32_t v = (level - s->mean) / 65536;

        s->mean += (level - s->mean) >> HIGH_PASS_SHIFT;
        heard |= v != 0;
        *out++ = (uint32_t)v;
        *out++ = (uint32_t)v >> 8;
        from = to;
    }
    if (!heard && !s->has_next && !s->wave.second_ticks &&
        s->phase == (uint64_t)s->wave.first_ticks * TICK) {
        rest(s);
    }
    return frames;
}

static void changed(void *opaque)
{
    Pcspk *s = opaque;

    s->source->await(s->source->opaque, false);
    s->running = true;
    audio_voice_run(s->voice, true);
}

/* --- the class ---------------------------------------------------------------------------------- */

static void pcspk_reset(Device *dev)
{
    Pcspk *s = (Pcspk *)dev;

    s->wave = speaker_level(0, false);
    s->next = (SpeakerWave){ 0 };
    s->has_next = false;
    s->mean = 0;
    s->phase = 0;
    rest(s);
}

static bool pcspk_init(Device *dev, GError **error)
{
    Pcspk *s = (Pcspk *)dev;
    AudioFormat format = { RATE, 1, 16, true };
    AudioClient client = { .transfer = pcspk_transfer, .opaque = s };

    (void)error;
    s->voice = audio_voice_new(s->audio, dev->machine, &client, false);
    audio_voice_format(s->voice, &format);
    if (s->source) {
        s->source->changed = changed;
        s->source->card = s;
    }
    return true;
}

static bool pcspk_loaded(Device *dev, GError **error)
{
    Pcspk *s = (Pcspk *)dev;

    if (!speaker_wave_valid(&s->wave) || !speaker_wave_valid(&s->next) ||
        s->mean < 0 || s->mean > (int64_t)SWING << 16) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "a wave that can't be");
        return false;
    }
    if (s->source) {
        s->source->await(s->source->opaque, !s->running);
    }
    audio_voice_run(s->voice, s->running);
    return true;
}

static void pcspk_finish(Device *dev)
{
    Pcspk *s = (Pcspk *)dev;

    if (s->source) {
        s->source->changed = NULL;
    }
    audio_voice_free(s->voice);
}

static const ConfigField pcspk_config[] = {
    CONFIG_FIELD(Pcspk, audio, CONFIG_POINTER, NULL, "who hears it"),
    CONFIG_FIELD(Pcspk, source, CONFIG_POINTER, NULL, "the wire from the timer; NULL: cut"),
    CONFIG_END
};

static const StateField wave_state[] = {
    STATE_I64(SpeakerWave, at), STATE_I64(SpeakerWave, start),
    STATE_U32_MAX(SpeakerWave, first_ticks, SPEAKER_TICKS_MAX),
    STATE_U32_MAX(SpeakerWave, second_ticks, SPEAKER_TICKS_MAX),
    STATE_BOOL(SpeakerWave, first), STATE_END
};

static const StateField pcspk_state[] = {
    STATE_STRUCT(Pcspk, wave, wave_state), STATE_STRUCT(Pcspk, next, wave_state),
    STATE_BOOL(Pcspk, has_next), STATE_BOOL(Pcspk, running), STATE_I64(Pcspk, mean), STATE_END
};

const DeviceClass pcspk_class = {
    .name = "pcspk", .summary = "PC speaker", .size = sizeof(Pcspk), .version = 1,
    .config = pcspk_config, .state = pcspk_state, .init = pcspk_init, .reset = pcspk_reset,
    .loaded = pcspk_loaded, .finish = pcspk_finish,
};
