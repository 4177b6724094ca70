/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * audio_resample.h - sample-rate conversion of 16-bit stereo by a windowed sinc, in integers.  The
 * position is a fraction of whole numbers, so nothing drifts; equal rates are copied bit by bit.
 */
#ifndef GH_AUDIO_RESAMPLE_H
#define GH_AUDIO_RESAMPLE_H

#include <stdint.h>

#define RESAMPLE_TAPS 32            /* input frames that make one output frame */
#define RESAMPLE_PHASES 128

typedef struct ResampleTable {
    int16_t tap[RESAMPLE_PHASES + 1][RESAMPLE_TAPS];    /* of 32768 */
} ResampleTable;

typedef struct Resampler {
    const ResampleTable *table;
    uint32_t in_rate, out_rate;     /* frames a second, not 0 */
    uint32_t position;              /* of the next output frame after the newest but TAPS / 2, in
                                       1 / out_rate of an input frame */
    int16_t history[RESAMPLE_TAPS][2];
    uint32_t newest;                /* index in history */
} Resampler;

void resample_table_init(ResampleTable *t);
void resampler_init(Resampler *r, const ResampleTable *table, uint32_t in_rate, uint32_t out_rate);
/* Output frames that may come of one more input frame, at most. */
uint32_t resampler_bound(const Resampler *r);
/* One frame in; returns the number of frames written to out. */
uint32_t resampler_push(Resampler *r, const int16_t in[2], int32_t (*out)[2]);

#endif
