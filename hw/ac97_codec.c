/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ac97_codec.c - a codec after the AC'97 specification 2.2: mixer, power-down, variable rates.  It
 * calls itself a SigmaTel STAC9700, which every system has a driver for.  Inputs but the DAC have
 * nothing plugged in, so their registers are storage.
 */
#include "hw/ac97.h"

#include <string.h>
#include "ui/audio.h"

#define MUTE 0x8000
#define RATE_MIN 8000
#define RATE_MAX 48000

typedef struct CodecRegister { uint8_t offset; uint16_t initial, writable; } CodecRegister;

static const CodecRegister table[] = {
    { AC97_MASTER, 0x8000, 0x9f1f }, { AC97_HEADPHONE, 0x8000, 0x9f1f },
    { AC97_MONO, 0x8000, 0x801f }, { AC97_BEEP, 0x0000, 0x801e }, { AC97_PHONE, 0x8008, 0x801f },
    { AC97_MIC, 0x8008, 0x805f }, { AC97_LINE, 0x8808, 0x9f1f }, { AC97_CD, 0x8808, 0x9f1f },
    { AC97_VIDEO, 0x8808, 0x9f1f }, { AC97_AUX, 0x8808, 0x9f1f }, { AC97_PCM, 0x8808, 0x9f1f },
    { AC97_REC_SELECT, 0x0000, 0x0707 }, { AC97_REC_GAIN, 0x8000, 0x8f0f },
    { AC97_REC_GAIN_MIC, 0x8000, 0x800f }, { AC97_GENERAL, 0x0000, 0x8380 },
    { AC97_POWER, 0x0000, 0xff00 }, { AC97_EXT_ID, 0x0800 | AC97_VRA | AC97_VRM, 0 },
    { AC97_EXT_CTRL, 0x0000, AC97_VRA | AC97_VRM }, { AC97_DAC_RATE, RATE_MAX, 0xffff },
    { AC97_ADC_RATE, RATE_MAX, 0xffff }, { AC97_MIC_RATE, RATE_MAX, 0xffff },
    { AC97_VENDOR1, 0x8384, 0 }, { AC97_VENDOR2, 0x7600, 0 },
};

static const CodecRegister *find(unsigned offset)
{
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].offset == offset) {
            return &table[i];
        }
    }
    return NULL;
}

void ac97_codec_reset(uint16_t regs[CODEC_WORDS])
{
    memset(regs, 0, CODEC_WORDS * sizeof regs[0]);
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        regs[table[i].offset / 2] = table[i].initial;
    }
}

uint16_t ac97_codec_read(const uint16_t regs[CODEC_WORDS], unsigned offset)
{
    uint16_t value = regs[offset / 2], ready = 0;

    if (offset == AC97_POWER) {         /* ADC, DAC, mixer and reference follow their PR bits */
        ready |= value & AC97_PR0 ? 0 : 1;
        ready |= value & AC97_PR1 ? 0 : 2;
        ready |= value & (AC97_PR2 | AC97_PR3) ? 0 : 4;
        ready |= value & AC97_PR3 ? 0 : 8;
        return value | ready;
    }
    return offset == AC97_RESET ? 0x0000 : value;   /* no 3D, no headphone amplifier, 16 bits */
}

/* Attenuators of five bits answer a sixth with their lowest level. */
static uint16_t volume(unsigned offset, uint16_t value)
{
    if (offset == AC97_MASTER || offset == AC97_HEADPHONE || offset == AC97_MONO) {
        value |= value & 0x2000 ? 0x1f00 : 0;
        value |= value & 0x0020 ? 0x001f : 0;
    }
    return value;
}

static void write_rate(uint16_t regs[CODEC_WORDS], unsigned offset, uint16_t value)
{
    uint16_t needed = offset == AC97_MIC_RATE ? AC97_VRM : AC97_VRA;

    if (regs[AC97_EXT_CTRL / 2] & needed) {
        regs[offset / 2] = CLAMP(value, RATE_MIN, RATE_MAX);
    }
}

void ac97_codec_write(uint16_t regs[CODEC_WORDS], unsigned offset, uint16_t value)
{
    const CodecRegister *r = find(offset);

    if (offset == AC97_RESET) {
        uint16_t power = regs[AC97_POWER / 2];

        ac97_codec_reset(regs);
        regs[AC97_POWER / 2] = power & AC97_PR4;
        return;
    }
    if (!r) {
        return;
    }
    if (offset == AC97_DAC_RATE || offset == AC97_ADC_RATE || offset == AC97_MIC_RATE) {
        write_rate(regs, offset, value);
        return;
    }
    regs[offset / 2] = (r->initial & ~r->writable) | (volume(offset, value) & r->writable);
    if (offset == AC97_EXT_CTRL) {
        if (!(value & AC97_VRA)) {
            regs[AC97_DAC_RATE / 2] = regs[AC97_ADC_RATE / 2] = RATE_MAX;
        }
        if (!(value & AC97_VRM)) {
            regs[AC97_MIC_RATE / 2] = RATE_MAX;
        }
    }
}

/* Steps of 1.5 dB: PCM from +12 down, the master from 0 down. */
uint32_t ac97_codec_gain(const uint16_t regs[CODEC_WORDS], unsigned side)
{
    uint16_t pcm = regs[AC97_PCM / 2], master = regs[AC97_MASTER / 2];
    unsigned shift = side ? 0 : 8;

    if (((pcm | master) & MUTE) ||
        (regs[AC97_POWER / 2] & (AC97_PR1 | AC97_PR2 | AC97_PR3 | AC97_PR4 | AC97_PR5))) {
        return 0;
    }
    return audio_gain(120 - (pcm >> shift & 31) * 15 - (master >> shift & 31) * 15);
}

void ac97_codec_check(uint16_t regs[CODEC_WORDS])
{
    for (unsigned i = 0; i < CODEC_WORDS; i++) {
        const CodecRegister *r = find(i * 2);

        regs[i] = r ? (r->initial & ~r->writable) | (regs[i] & r->writable) : 0;
    }
    regs[AC97_DAC_RATE / 2] = CLAMP(regs[AC97_DAC_RATE / 2], RATE_MIN, RATE_MAX);
    regs[AC97_ADC_RATE / 2] = CLAMP(regs[AC97_ADC_RATE / 2], RATE_MIN, RATE_MAX);
    regs[AC97_MIC_RATE / 2] = CLAMP(regs[AC97_MIC_RATE / 2], RATE_MIN, RATE_MAX);
}
