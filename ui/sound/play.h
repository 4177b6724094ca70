/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * play.h - between two clocks: the guest's sound comes in by the guest's clock and goes out by the
 * sound card's.  A bounded buffer is kept near PLAY_TARGET frames by playing up to 0.5 % faster or
 * slower; it fills up first when it has run empty, and drops the oldest when it is full.  No locks.
 */
#ifndef GH_SOUND_PLAY_H
#define GH_SOUND_PLAY_H

#include <stdbool.h>
#include <stdint.h>

#define PLAY_FRAMES 16384u      /* that fit: 341 ms; power of two */
#define PLAY_TARGET 3072u       /* 64 ms */

typedef struct PlayBuffer {
    int16_t frame[PLAY_FRAMES][2];
    uint32_t head, used;
    uint32_t fraction;          /* of 65536: between the oldest frame and the next */
    bool playing;               /* not filling up */
    bool ended;                 /* no more will come: play what is there */
    uint32_t underruns;         /* times that it ran empty before the end */
} PlayBuffer;                   /* zeroes: empty */

/* Any count; of what is too much the newest stays. */
void play_push(PlayBuffer *b, const int16_t (*frames)[2], uint32_t count);
void play_end(PlayBuffer *b);
/* Always fills out; silence where there is nothing. */
void play_pull(PlayBuffer *b, int16_t (*out)[2], uint32_t count);

#endif
