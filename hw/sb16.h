/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sb16.h - the mixer chip of hw/sb16.c (Creative CT1745): registers by index.
 */
#ifndef GH_SB16_H
#define GH_SB16_H

#include <stdint.h>

#define SB16_MIXER_REGS 0x83

enum { MIXER_IRQ = 0x80, MIXER_DMA = 0x81, MIXER_IRQ_STATUS = 0x82 };
enum { SB16_IRQ_8BIT = 0x01, SB16_IRQ_16BIT = 0x02, SB16_IRQ_MPU = 0x04 };

/* Volumes at power-on; the interrupt and DMA choice is left alone. */
void sb16_mixer_reset(uint8_t regs[SB16_MIXER_REGS]);
uint8_t sb16_mixer_read(const uint8_t regs[SB16_MIXER_REGS], uint8_t index);
void sb16_mixer_write(uint8_t regs[SB16_MIXER_REGS], uint8_t index, uint8_t value);
/* Of AUDIO_UNITY, from the DAC or the synthesizer to the speakers; side: 0 left, 1 right. */
uint32_t sb16_voice_gain(const uint8_t regs[SB16_MIXER_REGS], unsigned side);
uint32_t sb16_midi_gain(const uint8_t regs[SB16_MIXER_REGS], unsigned side);
/* As register 80h and 81h choose them; several: the lowest; none: -1. */
int sb16_irq(const uint8_t regs[SB16_MIXER_REGS]);
int sb16_dma8(const uint8_t regs[SB16_MIXER_REGS]);
int sb16_dma16(const uint8_t regs[SB16_MIXER_REGS]);    /* the 8-bit channel when it has none */

#endif
