/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ac97.h - the codec of hw/ac97.c: 64 registers of 16 bits, by their byte offset (AC'97 2.2).
 */
#ifndef GH_AC97_H
#define GH_AC97_H

#include <stdint.h>

#define CODEC_WORDS 64

enum { AC97_RESET = 0x00, AC97_MASTER = 0x02, AC97_HEADPHONE = 0x04, AC97_MONO = 0x06,
       AC97_BEEP = 0x0a, AC97_PHONE = 0x0c, AC97_MIC = 0x0e, AC97_LINE = 0x10, AC97_CD = 0x12,
       AC97_VIDEO = 0x14, AC97_AUX = 0x16, AC97_PCM = 0x18, AC97_REC_SELECT = 0x1a,
       AC97_REC_GAIN = 0x1c, AC97_REC_GAIN_MIC = 0x1e, AC97_GENERAL = 0x20, AC97_POWER = 0x26,
       AC97_EXT_ID = 0x28, AC97_EXT_CTRL = 0x2a, AC97_DAC_RATE = 0x2c, AC97_ADC_RATE = 0x32,
       AC97_MIC_RATE = 0x34, AC97_VENDOR1 = 0x7c, AC97_VENDOR2 = 0x7e };
enum { AC97_PR0 = 0x0100, AC97_PR1 = 0x0200, AC97_PR2 = 0x0400, AC97_PR3 = 0x0800,
       AC97_PR4 = 0x1000, AC97_PR5 = 0x2000, AC97_PR6 = 0x4000, AC97_EAPD = 0x8000 };
enum { AC97_VRA = 0x0001, AC97_VRM = 0x0008 };

void ac97_codec_reset(uint16_t regs[CODEC_WORDS]);
uint16_t ac97_codec_read(const uint16_t regs[CODEC_WORDS], unsigned offset);    /* even, < 0x80 */
void ac97_codec_write(uint16_t regs[CODEC_WORDS], unsigned offset, uint16_t value);
/* From PCM out to the speakers, of AUDIO_UNITY; side: 0 left, 1 right. */
uint32_t ac97_codec_gain(const uint16_t regs[CODEC_WORDS], unsigned side);
/* Loaded state: what never changes, and limits. */
void ac97_codec_check(uint16_t regs[CODEC_WORDS]);

#endif
