/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * audio_resample.c - see audio_resample.h.  The filter is a sinc under a Kaiser window, tabulated
 * for RESAMPLE_PHASES positions between two input frames; between two of those it is interpolated.
 * It passes up to nine tenths of the input's band.
 */
#include "ui/audio_resample.h"

#include <math.h>
#include <string.h>

#define PASS 0.94                   /* of the input's band */
#define KAISER_BETA 8.0             /* about 80 dB */

/* The modified Bessel function of order zero, by its series. */
static double bessel(double x)
{
    double sum = 1, term = 1;

    for (int k = 1; k < 40; k++) {
        term *= (x / (2 * k)) * (x / (2 * k));
        sum += term;
    }
    return sum;
}

static double filter(double x)
{
    double half = RESAMPLE_TAPS / 2.0, w = x / half, angle = M_PI * x * PASS;

    if (fabs(w) >= 1) {
        return 0;
    }
    return (angle == 0 ? PASS : PASS * sin(angle) / angle) *
           bessel(KAISER_BETA * sqrt(1 - w * w)) / bessel(KAISER_BETA);
}

void resample_table_init(ResampleTable *t)
{
    for (int phase = 0; phase <= RESAMPLE_PHASES; phase++) {
        double tap[RESAMPLE_TAPS], sum = 0;

        for (int i = 0; i < RESAMPLE_TAPS; i++) {
            tap[i] = filter(i - (RESAMPLE_TAPS / 2 - 1) - (double)phase / RESAMPLE_PHASES);
            sum += tap[i];
        }
        for (int i = 0; i < RESAMPLE_TAPS; i++) {
            t->tap[phase][i] = lrint(tap[i] / sum * 32768);
        }
    }
}

void resampler_init(Resampler *r, const ResampleTable *table, uint32_t in_rate, uint32_t out_rate)
{
    *r = (Resampler){ .table = table, .in_rate = in_rate, .out_rate = out_rate };
}

uint32_t resampler_bound(const Resampler *r)
{
    return r->out_rate / r->in_rate + 1;
}

static void interpolate(const Resampler *r, int32_t out[2])
{
    uint64_t scaled = (uint64_t)r->position * RESAMPLE_PHASES * 256 / r->out_rate;
    uint32_t phase = scaled >> 8, part = scaled & 255;
    const int16_t *a = r->table->tap[phase], *b = r->table->tap[phase + 1];
    int64_t left = 0, right = 0;

    for (uint32_t i = 0; i < RESAMPLE_TAPS; i++) {
        const int16_t *in = r->history[(r->newest + 1 + i) % RESAMPLE_TAPS];
        int32_t tap = a[i] * 256 + (b[i] - a[i]) * (int32_t)part;

        left += (int64_t)in[0] * tap;
        right += (int64_t)in[1] * tap;
    }
    out[0] = (left + (1 << 22)) >> 23;
    out[1] = (right + (1 << 22)) >> 23;
}

uint32_t resampler_push(Resampler *r, const int16_t in[2], int32_t (*out)[2])
{
    uint32_t n = 0;

    if (r->in_rate == r->out_rate) {
        out[0][0] = in[0];
        out[0][1] = in[1];
        return 1;
    }
    r->newest = (r->newest + 1) % RESAMPLE_TAPS;
    memcpy(r->history[r->newest], in, sizeof r->history[0]);
    for (; r->position < r->out_rate; r->position += r->in_rate) {
        interpolate(r, out[n++]);
    }
    r->position -= r->out_rate;
    return n;
}
