/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * speaker.c - the PC speaker's wire in the main loop.  The hypervisor publishes what drives it in
 * shared memory and wakes this process as it does for requests; a source without a descriptor of its
 * own looks at each turn of the loop whether that was it.
 */
#include "dm/speaker.h"

#include <stdatomic.h>

#define TRIES 8                 /* to copy an entry before it is overwritten */

bool speaker_take(const DmShared *s, uint32_t *taken, SpeakerWave *wave)
{
    for (unsigned tries = 0; tries < TRIES; tries++) {
        uint32_t prod = __atomic_load_n(&s->speaker_prod, __ATOMIC_ACQUIRE);
        const DmSpeaker *from;

        if (prod == *taken) {
            return false;
        }
        if (prod - *taken >= DM_SPEAKER_WAVES) {
            *taken = prod - DM_SPEAKER_WAVES / 2;
        }
        from = &s->speaker[*taken % DM_SPEAKER_WAVES];
        wave->at = __atomic_load_n(&from->at, __ATOMIC_RELAXED);
        wave->start = __atomic_load_n(&from->start, __ATOMIC_RELAXED);
        wave->first_ticks = __atomic_load_n(&from->first_ticks, __ATOMIC_RELAXED);
        wave->second_ticks = __atomic_load_n(&from->second_ticks, __ATOMIC_RELAXED);
        wave->first = __atomic_load_n(&from->first, __ATOMIC_RELAXED) != 0;
        atomic_thread_fence(memory_order_acquire);
        if (__atomic_load_n(&s->speaker_prod, __ATOMIC_RELAXED) - *taken < DM_SPEAKER_WAVES) {
            ++*taken;
            return speaker_wave_valid(wave);
        }
    }
    return false;
}

typedef struct Wire {
    GSource source;
    Hv *hv;
    SpeakerSource *card;
} Wire;

static gboolean wire_due(Wire *w)
{
    return w->card->changed && hv_speaker_due(w->hv);
}

static gboolean wire_prepare(GSource *source, gint *timeout)
{
    *timeout = -1;
    return wire_due((Wire *)source);
}

static gboolean wire_check(GSource *source)
{
    return wire_due((Wire *)source);
}

static gboolean wire_dispatch(GSource *source, GSourceFunc callback, gpointer opaque)
{
    Wire *w = (Wire *)source;

    (void)callback;
    (void)opaque;
    w->card->changed(w->card->card);
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs wire_funcs = { .prepare = wire_prepare, .check = wire_check,
                                   .dispatch = wire_dispatch };

static bool next(void *opaque, SpeakerWave *wave)
{
    return hv_speaker_next(opaque, wave);
}

static void await(void *opaque, bool on)
{
    hv_speaker_await(opaque, on);
}

void speaker_wire_init(SpeakerSource *s, Hv *hv)
{
    Wire *w = (Wire *)g_source_new(&wire_funcs, sizeof *w);

    *s = (SpeakerSource){ .next = next, .await = await, .opaque = hv };
    w->hv = hv;
    w->card = s;
    g_source_attach(&w->source, NULL);
    g_source_unref(&w->source);
}
