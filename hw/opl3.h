/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * opl3.h - the FM synthesizer of sound cards (Yamaha YMF262).  A part of a card's Device: the card
 * claims the four ports and has Opl3 in its state.  Device thread.
 */
#ifndef GH_OPL3_H
#define GH_OPL3_H

#include "lib/device.h"
#include "ui/audio.h"

#define OPL3_PORTS 4            /* address and data of the two register arrays */
#define OPL3_RATE 49716u        /* samples a second */

#define OPL3_OPERATORS 36

/* What an operator's registers do not say. */
typedef struct Opl3Operator {
    uint16_t attenuation;       /* of the envelope, 0 to 511 */
    uint8_t stage, rate, step;  /* of the envelope: off, attack, decay, sustain, release */
    uint16_t out, before, feedback;     /* two's complement */
    uint32_t phase;
} Opl3Operator;

typedef struct Opl3 {
    Device *dev;
    AudioVoice *voice;
    struct Opl3Synth *synth;
    uint8_t reg[512];           /* as written */
    uint16_t address;           /* below 512 */
    uint8_t flags;              /* of the timers that have run out: status bits 6 and 5 */
    int64_t timer_start[2];     /* guest ns at which the count that runs now began */
    uint32_t quiet;             /* samples since anything was heard */
    bool sounds;                /* the voice runs */
    /* The chip inside, as it was after the last sample or write. */
    Opl3Operator op[OPL3_OPERATORS];
    uint16_t ticks;             /* of the envelopes */
    uint8_t vibrato, tremolo, tremolo_at;
    uint32_t noise;             /* shift register */
} Opl3;

/* a NULL: nobody hears it. */
void opl3_init(Opl3 *o, Device *dev, Audio *a);
void opl3_finish(Opl3 *o);
void opl3_reset(Opl3 *o);
/* After its state was put back: what sounded goes on. */
bool opl3_loaded(Opl3 *o, GError **error);
uint8_t opl3_read(Opl3 *o, unsigned port);              /* port below OPL3_PORTS */
void opl3_write(Opl3 *o, unsigned port, uint8_t value);
void opl3_volume(Opl3 *o, uint32_t left, uint32_t right);       /* of AUDIO_UNITY */

extern const StateField opl3_state[];

#endif
