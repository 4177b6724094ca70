/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sound.c - see sound.h. */
#include "tests/hw/sound.h"

#include <criterion/criterion.h>
#include <string.h>

static void heard(void *opaque, const int16_t *frames, uint32_t count)
{
    SoundRig *r = opaque;

    count = MIN(count, HEARD_MAX - r->count);
    memcpy(r->heard + r->count * 2, frames, count * 4);
    r->count += count;
}

static void forget(void *opaque)
{
    (void)opaque;
}

SoundRig *sound_rig_empty(void)
{
    SoundRig *r = g_new0(SoundRig, 1);
    AudioSink sink = { heard, NULL, forget, r };

    r->f = fake_machine_new();
    r->audio = audio_new(&r->f->m);
    r->heard = g_malloc0(HEARD_MAX * 4);
    audio_add_sink(r->audio, &sink);
    return r;
}

SoundRig *sound_rig_new(const DeviceClass *cls)
{
    SoundRig *r = sound_rig_empty();

    r->dev = device_new(&r->f->m, cls);
    device_set_pointer(r->dev, "audio", r->audio);
    device_set_pointer(r->dev, "bus", &r->f->bus);
    device_set_u64(r->dev, "devfn", SOUND_DEVFN);
    cr_assert(device_init(r->dev, NULL));
    pci_bus_write(&r->f->bus, SOUND_DEVFN, 0x10, 4, SOUND_BAR0);
    pci_bus_write(&r->f->bus, SOUND_DEVFN, 0x14, 4, SOUND_BAR1);
    pci_bus_write(&r->f->bus, SOUND_DEVFN, 4, 2, 5);
    return r;
}

void sound_rig_free(SoundRig *r)
{
    Audio *audio = r->audio;

    machine_finish(&r->f->m);
    audio_free(audio);
    machine_init(&r->f->m, r->f->m.host, r->f);
    fake_machine_free(r->f);
    g_free(r->heard);
    g_free(r);
}

uint32_t sound_start(const SoundRig *r)
{
    uint32_t i = 0;

    while (i < r->count && !r->heard[2 * i] && !r->heard[2 * i + 1]) {
        i++;
    }
    return i;
}

double sound_hz(const SoundRig *r, uint32_t from, uint32_t to)
{
    uint32_t n = 0, first = 0, last = 0;

    for (uint32_t i = from + 1; i < MIN(to, r->count); i++) {
        if (r->heard[2 * i - 2] < 0 && r->heard[2 * i] >= 0) {
            first = n ? first : i;
            last = i;
            n++;
        }
    }
    return n < 2 ? 0 : (n - 1) * (double)AUDIO_RATE / (last - first);
}
