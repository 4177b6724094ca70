/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fdc_drive.c - floppy drives and the formats of their media.  A raw image holds the sectors of 512
 * bytes in the order track, head, sector; its size tells the format.  What an image can't hold: gaps,
 * sectors of another size, and marks of deleted data, which last as long as the medium is in the
 * drive.  Tracks and rates: ECMA-66, 70, 100, 125 (formats), ANSI X3.171.
 */
#include "hw/fdc.h"
#include <string.h>

/* The first entry of each size counts. */
static const FdcFormat formats[] = {
    { 160, 40, 1, 8, FDC_RATE_250, DRIVE_360 },
    { 180, 40, 1, 9, FDC_RATE_250, DRIVE_360 },
    { 320, 40, 2, 8, FDC_RATE_250, DRIVE_360 },
    { 360, 40, 2, 9, FDC_RATE_250, DRIVE_360 },
    { 640, 80, 2, 8, FDC_RATE_250, DRIVE_720 },
    { 720, 80, 2, 9, FDC_RATE_250, DRIVE_720 },
    { 800, 80, 2, 10, FDC_RATE_250, DRIVE_720 },
    { 820, 82, 2, 10, FDC_RATE_250, DRIVE_720 },
    { 830, 83, 2, 10, FDC_RATE_250, DRIVE_720 },
    { 1200, 80, 2, 15, FDC_RATE_500, DRIVE_1200 },
    { 1440, 80, 2, 18, FDC_RATE_500, DRIVE_1440 },
    { 1476, 82, 2, 18, FDC_RATE_500, DRIVE_1440 },
    { 1494, 83, 2, 18, FDC_RATE_500, DRIVE_1440 },
    { 1600, 80, 2, 20, FDC_RATE_500, DRIVE_1440 },
    { 1640, 82, 2, 20, FDC_RATE_500, DRIVE_1440 },
    { 1680, 80, 2, 21, FDC_RATE_500, DRIVE_1440 },
    { 1722, 82, 2, 21, FDC_RATE_500, DRIVE_1440 },
    { 1743, 83, 2, 21, FDC_RATE_500, DRIVE_1440 },
    { 1840, 80, 2, 23, FDC_RATE_500, DRIVE_1440 },
    { 1920, 80, 2, 24, FDC_RATE_500, DRIVE_1440 },
    { 2880, 80, 2, 36, FDC_RATE_1000, DRIVE_2880 },
    { 3200, 80, 2, 40, FDC_RATE_1000, DRIVE_2880 },
    { 3520, 80, 2, 44, FDC_RATE_1000, DRIVE_2880 },
    { 3840, 80, 2, 48, FDC_RATE_1000, DRIVE_2880 },
};

static const FdcFormat *format_of_kib(unsigned kib)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(formats); i++) {
        if (formats[i].kib == kib) {
            return &formats[i];
        }
    }
    return NULL;
}

/* Of another size: the beginning of a 1.44 or 2.88 MB medium, whose other sectors can't be read. */
const FdcFormat *fdc_format_for(uint64_t bytes)
{
    const FdcFormat *exact = bytes % 1024 || bytes > 3840 * 1024 ? NULL
                             : format_of_kib((unsigned)(bytes / 1024));

    if (exact || !bytes) {
        return exact;
    }
    return bytes <= 1440 * 1024 ? format_of_kib(1440)
           : bytes <= 2880 * 1024 ? format_of_kib(2880) : NULL;
}

/* A drive for 5.25 inch or for 3.5 inch, of this density or a higher one. */
bool fdc_drive_takes(unsigned type, const FdcFormat *format)
{
    switch (format->kind) {
    case DRIVE_360:
        return type == DRIVE_360 || type == DRIVE_1200;
    case DRIVE_1200:
        return type == DRIVE_1200;
    default:
        return type >= DRIVE_720 && type >= format->kind;
    }
}

unsigned fdc_drive_type(const BlockDev *b)
{
    const FdcFormat *format;

    if (!b) {
        return DRIVE_NONE;
    }
    format = fdc_format_for(block_size(b));
    return !format || format->kind == DRIVE_720 ? DRIVE_1440 : format->kind;
}

void fdc_drive_insert(FdcDrive *d, BlockDev *medium)
{
    d->block = medium;
    d->format = fdc_format_for(block_size(medium));
    d->changed = true;
    memset(d->deleted, 0, sizeof d->deleted);
}

static unsigned medium_rate(const FdcDrive *d)
{
    /* The 1.2 MB drive turns faster than the one that 360 KB media are meant for. */
    return d->type == DRIVE_1200 && d->format->kind == DRIVE_360 ? FDC_RATE_300 : d->format->rate;
}

int fdc_drive_track(const FdcDrive *d, unsigned head, unsigned rate)
{
    unsigned track = d->track;

    if (!d->format || head >= d->format->heads || rate != medium_rate(d)) {
        return -1;
    }
    if (d->type == DRIVE_1200 && d->format->kind == DRIVE_360) {
        if (track & 1) {        /* between two of the wide tracks */
            return -1;
        }
        track /= 2;
    }
    return track < d->format->tracks ? (int)track : -1;
}

void fdc_drive_step(FdcDrive *d, int tracks)
{
    d->track = CLAMP(d->track + tracks, 0, FDC_TRACK_LAST);
    if (d->format && tracks) {
        d->changed = false;
    }
}

uint64_t fdc_drive_sector(const FdcDrive *d, unsigned track, unsigned head, unsigned r)
{
    return ((uint64_t)track * d->format->heads + head) * d->format->sectors + r - 1;
}

bool fdc_drive_deleted(const FdcDrive *d, uint64_t sector)
{
    return sector < 8 * FDC_MARKS && (d->deleted[sector / 8] >> (sector % 8) & 1);
}

void fdc_drive_mark(FdcDrive *d, uint64_t sector, bool deleted)
{
    if (sector < 8 * FDC_MARKS) {
        d->deleted[sector / 8] &= ~(1u << sector % 8);
        d->deleted[sector / 8] |= (unsigned)deleted << sector % 8;
    }
}
