/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sb16_mixer.c - the Sound Blaster 16's mixer chip, Creative CT1745 (Sound Blaster Series Hardware
 * Programming Guide): registers of its own and those of the Sound Blaster Pro, which show the upper
 * bits of the same volumes.  Tone controls and inputs are storage.
 */
#include "hw/sb16.h"

#include <stdbool.h>
#include <string.h>
#include "ui/audio.h"

enum { RESET = 0x00, PRO_VOICE = 0x04, PRO_MIC = 0x0a, PRO_MASTER = 0x22, PRO_MIDI = 0x26,
       PRO_CD = 0x28, PRO_LINE = 0x2e, MASTER = 0x30, VOICE = 0x32, MIDI = 0x34, CD = 0x36,
       LINE = 0x38, MIC = 0x3a, PC_SPEAKER = 0x3b, OUT_SWITCHES = 0x3c, IN_LEFT = 0x3d,
       IN_RIGHT = 0x3e, IN_GAIN = 0x3f, OUT_GAIN = 0x41, AGC = 0x43, TREBLE = 0x44, BASS = 0x46 };

void sb16_mixer_reset(uint8_t regs[SB16_MIXER_REGS])
{
    uint8_t irq = regs[MIXER_IRQ], dma = regs[MIXER_DMA], status = regs[MIXER_IRQ_STATUS];

    memset(regs, 0, SB16_MIXER_REGS);
    memset(regs + MASTER, 0xc0, MIDI + 2 - MASTER);     /* -14 dB */
    regs[OUT_SWITCHES] = 0x1f;
    regs[IN_LEFT] = 0x15;
    regs[IN_RIGHT] = 0x0b;
    memset(regs + TREBLE, 0x80, 4);
    regs[MIXER_IRQ] = irq;
    regs[MIXER_DMA] = dma;
    regs[MIXER_IRQ_STATUS] = status;
}

/* The pair behind a register of the Sound Blaster Pro; 0: none. */
static uint8_t pro_pair(uint8_t index)
{
    switch (index) {
    case PRO_VOICE: return VOICE;
    case PRO_MASTER: return MASTER;
    case PRO_MIDI: return MIDI;
    case PRO_CD: return CD;
    case PRO_LINE: return LINE;
    default: return 0;
    }
}

static uint8_t writable(uint8_t index)
{
    if (index >= MASTER && index <= MIC) {
        return 0xf8;
    }
    if (index == PC_SPEAKER || (index >= IN_GAIN && index < AGC)) {
        return 0xc0;
    }
    if (index >= TREBLE && index < BASS + 2) {
        return 0xf0;
    }
    switch (index) {
    case OUT_SWITCHES: return 0x1f;
    case IN_LEFT: case IN_RIGHT: return 0x7f;
    case AGC: return 0x01;
    case MIXER_IRQ: return 0x0f;
    case MIXER_DMA: return 0xeb;
    default: return 0;
    }
}

uint8_t sb16_mixer_read(const uint8_t regs[SB16_MIXER_REGS], uint8_t index)
{
    uint8_t pair = pro_pair(index);

    if (pair) {
        return (regs[pair] & 0xf0) | regs[pair + 1] >> 4;
    }
    if (index == PRO_MIC) {
        return regs[MIC] >> 5;
    }
    if (index == MIXER_IRQ) {
        return regs[index] | 0xf0;
    }
    return index < SB16_MIXER_REGS ? regs[index] : 0xff;
}

void sb16_mixer_write(uint8_t regs[SB16_MIXER_REGS], uint8_t index, uint8_t value)
{
    uint8_t pair = pro_pair(index);

    if (index == RESET) {
        sb16_mixer_reset(regs);
    } else if (pair) {
        regs[pair] = (value & 0xf0) | 0x08;
        regs[pair + 1] = value << 4 | 0x08;
    } else if (index == PRO_MIC) {
        regs[MIC] = (value & 7) << 5 | 0x18;
    } else if (index < SB16_MIXER_REGS && index != MIXER_IRQ_STATUS) {
        regs[index] = value & writable(index);
    }
}

/* 32 steps of 2 dB below 0, and an amplifier of 0, 6, 12 or 18 dB behind. */
static uint32_t gain(const uint8_t regs[SB16_MIXER_REGS], unsigned source, unsigned side)
{
    int steps = (regs[source + side] >> 3) + (regs[MASTER + side] >> 3) - 62;

    return audio_gain(steps * 20 + (regs[OUT_GAIN + side] >> 6) * 60);
}

uint32_t sb16_voice_gain(const uint8_t regs[SB16_MIXER_REGS], unsigned side)
{
    return gain(regs, VOICE, side);
}

uint32_t sb16_midi_gain(const uint8_t regs[SB16_MIXER_REGS], unsigned side)
{
    return gain(regs, MIDI, side);
}

int sb16_irq(const uint8_t regs[SB16_MIXER_REGS])
{
    static const uint8_t lines[] = { 2, 5, 7, 10 };

    for (unsigned i = 0; i < 4; i++) {
        if (regs[MIXER_IRQ] >> i & 1) {
            return lines[i] == 2 ? 9 : lines[i];    /* the AT's slot has 9 where the PC's had 2 */
        }
    }
    return -1;
}

int sb16_dma8(const uint8_t regs[SB16_MIXER_REGS])
{
    for (int i = 0; i < 4; i++) {
        if (regs[MIXER_DMA] & 0x0b & 1 << i) {
            return i;
        }
    }
    return -1;
}

int sb16_dma16(const uint8_t regs[SB16_MIXER_REGS])
{
    for (int i = 5; i < 8; i++) {
        if (regs[MIXER_DMA] >> i & 1) {
            return i;
        }
    }
    return sb16_dma8(regs);
}
