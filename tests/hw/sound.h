/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sound.h - what the tests of all sound cards share: a fake machine whose mix is recorded.
 */
#ifndef GH_TESTS_SOUND_H
#define GH_TESTS_SOUND_H

#include "lib/pci.h"
#include "tests/fake_machine.h"
#include "ui/audio.h"

#define HEARD_MAX (4 * AUDIO_RATE)
#define SOUND_DEVFN 0x28
#define SOUND_BAR0 0xc000
#define SOUND_BAR1 0xc400

typedef struct SoundRig {
    FakeMachine *f;
    Audio *audio;
    Device *dev;
    int16_t *heard;             /* left, right */
    uint32_t count;
} SoundRig;

/* devfn and BARs are set when the class has any. */
SoundRig *sound_rig_new(const DeviceClass *cls);
/* A rig without the card: the test makes it, with "audio" set to rig->audio. */
SoundRig *sound_rig_empty(void);
void sound_rig_free(SoundRig *r);
/* First frame that is not silent. */
uint32_t sound_start(const SoundRig *r);
/* Rising zero crossings of the left side a second, in [from, to). */
double sound_hz(const SoundRig *r, uint32_t from, uint32_t to);

#endif
