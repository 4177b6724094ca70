/* SPDX-License-Identifier: GPL-2.0-or-later */
/* play.c - see play.h.  Between frames it is interpolated in a straight line. */
#include "ui/sound/play.h"

#include <string.h>

#define UNITY 65536u
#define CORRECTION (UNITY / 200)        /* 0.5 %: a twelfth of a semitone */

static void drop(PlayBuffer *b, uint32_t count)
{
    b->head = (b->head + count) % PLAY_FRAMES;
    b->used -= count;
}

void play_push(PlayBuffer *b, const int16_t (*frames)[2], uint32_t count)
{
    if (count > PLAY_TARGET) {
        frames += count - PLAY_TARGET;
        count = PLAY_TARGET;
    }
    if (b->used + count > PLAY_FRAMES) {        /* nobody takes them: the newest are worth most */
        drop(b, b->used - PLAY_TARGET);
    }
    for (uint32_t i = 0; i < count; i++) {
        memcpy(b->frame[(b->head + b->used++) % PLAY_FRAMES], frames[i], sizeof *frames);
    }
    b->ended = false;
}

void play_end(PlayBuffer *b)
{
    b->ended = true;
}

static uint32_t step_of(const PlayBuffer *b)
{
    if (b->used > PLAY_TARGET * 3 / 2) {
        return UNITY + CORRECTION;
    }
    return b->used < PLAY_TARGET / 2 && !b->ended ? UNITY - CORRECTION : UNITY;
}

static void run_dry(PlayBuffer *b)
{
    b->underruns += !b->ended;
    b->used = b->fraction = 0;
    b->playing = b->ended = false;
}

void play_pull(PlayBuffer *b, int16_t (*out)[2], uint32_t count)
{
    uint32_t step = step_of(b), i = 0;

    if (!b->playing && (b->used >= PLAY_TARGET || (b->ended && b->used))) {
        b->playing = true;
    }
    for (; b->playing && i < count; i++) {
        const int16_t *now = b->frame[b->head], *next = b->frame[(b->head + 1) % PLAY_FRAMES];

        if (b->used < 2) {
            next = now;
        }
        for (unsigned c = 0; c < 2; c++) {
            out[i][c] = now[c] + (next[c] - now[c]) * (int32_t)(b->fraction >> 1) / (int32_t)(UNITY / 2);
        }
        b->fraction += step;
        if (b->fraction / UNITY >= b->used) {
            run_dry(b);
        } else {
            drop(b, b->fraction / UNITY);
            b->fraction %= UNITY;
        }
    }
    memset(out + i, 0, (count - i) * sizeof *out);
}
