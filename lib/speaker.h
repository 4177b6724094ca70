/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * speaker.h - the wire between the timer chip and the PC speaker.  The timer (port 61h and channel 2)
 * is in the hypervisor, the loudspeaker in qemu-dm, so what crosses is not a level but a description
 * of all levels from a moment on: a tone of any length is one message.  Times are guest time, ns;
 * ticks are the timer's, 1 / PIT_HZ s.
 */
#ifndef GH_SPEAKER_H
#define GH_SPEAKER_H

#include <stdbool.h>
#include <stdint.h>

#define SPEAKER_TICKS_MAX 65536u
#define SPEAKER_TIME_MAX (1LL << 60)    /* of start and at, both ways */

/*
 * From at until the next description's at.  Counted from start, the level is first for first_ticks,
 * then the other one for second_ticks, then so again; second_ticks 0: the other one for good.
 */
typedef struct SpeakerWave {
    int64_t at, start;
    uint32_t first_ticks, second_ticks;     /* at most SPEAKER_TICKS_MAX */
    bool first;
} SpeakerWave;

static inline bool speaker_wave_valid(const SpeakerWave *w)
{
    return w->first_ticks <= SPEAKER_TICKS_MAX && w->second_ticks <= SPEAKER_TICKS_MAX &&
           w->at >= -SPEAKER_TIME_MAX && w->at <= SPEAKER_TIME_MAX &&
           w->start >= -SPEAKER_TIME_MAX && w->start <= SPEAKER_TIME_MAX;
}

/* A level that stays. */
static inline SpeakerWave speaker_level(int64_t at, bool level)
{
    return (SpeakerWave){ .at = at, .start = at, .first = !level };
}

/* The loudspeaker's end.  Device thread. */
typedef struct SpeakerSource {
    /* The oldest description not yet taken; false: none.  Those that came too fast are left out. */
    bool (*next)(void *opaque, SpeakerWave *wave);
    /* on: nobody will look by himself; changed() is called as soon as next() has something. */
    void (*await)(void *opaque, bool on);
    void *opaque;
    void (*changed)(void *card);        /* set by the loudspeaker */
    void *card;
} SpeakerSource;

#endif
