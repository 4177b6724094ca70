/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ide_mmc.c - the packet commands of a CD/DVD-ROM drive whose disc has one data track (INF-8090i,
 * MMC-5, SPC-2).  Audio commands answer as on such a disc; mode pages are in ide_mode.c.  Left out:
 * writing, CSS, changers; their commands end in ILLEGAL REQUEST.
 */
#include "hw/cd_sector.h"
#include "hw/ide.h"
#include <string.h>

enum { NEEDS_DISC = 1, KEEPS_ATTENTION = 2 };   /* flags of a command */
enum { PROFILE_NONE = 0, PROFILE_CD_ROM = 0x08, PROFILE_DVD_ROM = 0x10 };
enum { EVENTS_OPERATION = 1, EVENTS_POWER = 2, EVENTS_MEDIA = 4, EVENTS_BUSY = 6,
       EVENTS_KNOWN = 1 << EVENTS_OPERATION | 1 << EVENTS_POWER | 1 << EVENTS_MEDIA |
                      1 << EVENTS_BUSY };
enum { POWER_CHANGED = 1, CONDITION_ACTIVE = 1, CONDITION_STANDBY = 3, CONDITION_SLEEP = 5 };
enum { SPEED_1X = 176, ASC_RESET = 0x29, ASC_CHANGED = 0x28 };
#define CD_MAX_BLOCKS 405000u   /* 90 minutes: anything longer is a DVD */
#define LEAD_IN 150
#define LEAD_OUT_TRACK 0xaa
#define REPLY_MAX 4096
#define DVD_LAYER_BLOCKS 2295104u  /* what one layer holds */

typedef struct MmcCommand {
    uint8_t opcode;
    uint8_t flags;
    const char *name;
    void (*run)(IdeDrive *d);
} MmcCommand;

static uint16_t mmc_get16(const uint8_t *p)
{
    return p[0] << 8 | p[1];
}

static uint32_t mmc_get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

static void mmc_put16(uint8_t *p, uint16_t value)
{
    p[0] = value >> 8;
    p[1] = value;
}

static void mmc_put32(uint8_t *p, uint32_t value)
{
    mmc_put16(p, value >> 16);
    mmc_put16(p + 2, value);
}

static void mmc_put_frames(uint8_t *p, uint32_t frame)
{
    p[0] = 0;
    p[1] = MIN(frame / 75 / 60, 255);
    p[2] = frame / 75 % 60;
    p[3] = frame % 75;
}

static void mmc_put_address(uint8_t *p, uint32_t lba, bool msf)
{
    if (msf)
        mmc_put_frames(p, lba + LEAD_IN);
    else
        mmc_put32(p, lba);
}

uint32_t ide_cd_blocks(const IdeDrive *d)
{
    return MIN(block_size(d->block) / CD_BLOCK, UINT32_MAX);
}

bool ide_cd_ready(const IdeDrive *d)
{
    return block_present(d->block) && !d->cd.open;
}

bool ide_cd_dvd(const IdeDrive *d)
{
    return ide_cd_blocks(d) > CD_MAX_BLOCKS;
}

void ide_cd_tell_tray(const IdeDrive *d)
{
    if (d->bus->tray_moved)
        d->bus->tray_moved(d);
}

void ide_cd_move_tray(IdeDrive *d, bool open)
{
    d->cd.open = open;
    if (open) {
        d->cd.event = EVENT_REMOVAL;
    } else if (block_present(d->block)) {
        d->cd.event = EVENT_NEW_MEDIA;
        d->cd.attention |= CD_CHANGED;
    }
    ide_cd_tell_tray(d);
}

void ide_cd_reset(IdeDrive *d)
{
    memset(&d->cd, 0, sizeof(d->cd));
    d->cd.attention = CD_WAS_RESET;
    d->cd.condition = CONDITION_ACTIVE;
    d->cd.speed = CD_SPEED_MAX;
    ide_mode_reset(d);
}

/* A cleared buffer to build a reply in: nothing of an earlier command shows. */
static uint8_t *mmc_reply(IdeDrive *d)
{
    return memset(d->buffer, 0, REPLY_MAX);
}

static void mmc_bad_field(IdeDrive *d)
{
    ide_atapi_sense(d, SENSE_ILLEGAL, 0x24, 0);
}

static void mmc_nothing(IdeDrive *d)
{
    ide_atapi_done(d);
}

/* --- SPC: the drive --- */

/* The reset is told before the change of disc. */
static uint8_t mmc_take_attention(IdeDrive *d)
{
    if (d->cd.attention & CD_WAS_RESET) {
        d->cd.attention &= ~CD_WAS_RESET;
        return ASC_RESET;
    }
    d->cd.attention &= ~CD_CHANGED;
    return ASC_CHANGED;
}

static void mmc_request_sense(IdeDrive *d)
{
    uint8_t key = d->cd.key, asc = d->cd.asc, ascq = d->cd.ascq;
    uint8_t *r = mmc_reply(d);

    if (!key && d->cd.attention) {
        key = SENSE_ATTENTION;
        asc = mmc_take_attention(d);
    }
    r[0] = 0x70;
    r[2] = key;
    r[7] = 10;
    r[12] = asc;
    r[13] = ascq;
    ide_atapi_reply(d, 18, d->cd.cdb[4]);
}

static void mmc_inquiry(IdeDrive *d)
{
    uint8_t *r = mmc_reply(d);

    if (d->cd.cdb[1] & 3 || d->cd.cdb[2]) {
        mmc_bad_field(d);
        return;
    }
    r[0] = 0x05;                            /* CD/DVD */
    r[1] = 0x80;                            /* removable */
    r[3] = 0x21;                            /* ATAPI, response format */
    r[4] = 36 - 5;
    memcpy(r + 8, "GUESTHSE", 8);
    memcpy(r + 16, "CD-ROM          ", 16);
    memcpy(r + 32, "1.0 ", 4);
    ide_atapi_reply(d, 36, mmc_get16(d->cd.cdb + 3));
}

/* SET STREAMING: speeds are what SET CD SPEED sets, its other hints mean nothing here. */
static void mmc_set_streaming(IdeDrive *d)
{
    ide_atapi_receive(d, mmc_get16(d->cd.cdb + 9));
}

void ide_mmc_received(IdeDrive *d)
{
    if (d->cd.cdb[0] == 0x15 || d->cd.cdb[0] == 0x55)
        ide_mode_received(d);
    else if (d->filled < 28)
        ide_atapi_sense(d, SENSE_ILLEGAL, 0x1a, 0);
    else
        ide_atapi_done(d);
}

static void mmc_power_condition(IdeDrive *d, unsigned condition)
{
    if (condition == 4 || condition > CONDITION_SLEEP) {
        mmc_bad_field(d);
        return;
    }
    if (condition <= CONDITION_STANDBY) {
        d->cd.condition = condition;
        d->cd.power_event = true;
    }
    ide_atapi_done(d);
    if (condition == CONDITION_SLEEP)
        d->power = POWER_SLEEP;
}

static void mmc_start_stop(IdeDrive *d)
{
    bool start = d->cd.cdb[4] & 1, load = d->cd.cdb[4] & 2;

    if (d->cd.cdb[4] >> 4) {
        mmc_power_condition(d, d->cd.cdb[4] >> 4);
        return;
    }
    if (!load) {
        ide_atapi_done(d);
        return;
    }
    if (!start && (d->cd.locked & CD_LOCK)) {
        ide_atapi_sense(d, SENSE_ILLEGAL, 0x53, 0x02);
        return;
    }
    if (start == d->cd.open)
        ide_cd_move_tray(d, !start);
    ide_atapi_done(d);
}

static void mmc_prevent(IdeDrive *d)
{
    uint8_t bit = d->cd.cdb[4] & 2 ? CD_PERSISTENT_LOCK : CD_LOCK;

    uint8_t locked = (d->cd.locked & ~bit) | (d->cd.cdb[4] & 1 ? bit : 0);
    bool changed = !locked != !d->cd.locked;

    d->cd.locked = locked;
    if (changed)
        ide_cd_tell_tray(d);
    ide_atapi_done(d);
}

static void mmc_mechanism_status(IdeDrive *d)
{
    uint8_t *r = mmc_reply(d);

    r[1] = d->cd.open ? 0x10 : 0;
    r[2] = d->cd.lba >> 16;                 /* where the head is */
    r[3] = d->cd.lba >> 8;
    r[4] = d->cd.lba;
    r[5] = 1;                               /* one slot */
    ide_atapi_reply(d, 8, mmc_get16(d->cd.cdb + 8));
}

/* The class to tell of: one with news first, else the first that was asked for; 0: none. */
static unsigned mmc_event_class(const IdeDrive *d, unsigned asked)
{
    asked &= EVENTS_KNOWN;
    if (asked & 1 << EVENTS_POWER && d->cd.power_event)
        return EVENTS_POWER;
    if (asked & 1 << EVENTS_MEDIA && d->cd.event)
        return EVENTS_MEDIA;
    return asked ? __builtin_ctz(asked) : 0;
}

static void mmc_event_status(IdeDrive *d)
{
    const uint8_t *cdb = d->cd.cdb;
    bool told = mmc_get16(cdb + 7) > 4;
    uint8_t *r = mmc_reply(d);

    if (!(cdb[1] & 1)) {                    /* asynchronous reports need overlap */
        mmc_bad_field(d);
        return;
    }
    r[2] = mmc_event_class(d, cdb[4]);
    r[3] = EVENTS_KNOWN;
    mmc_put16(r, r[2] ? 6 : 2);
    switch (r[2]) {
    case 0:
        r[2] = 0x80;                        /* none of these classes is known */
        ide_atapi_reply(d, 4, mmc_get16(cdb + 7));
        return;
    case EVENTS_OPERATION:
        r[5] = d->cd.locked & CD_PERSISTENT_LOCK ? 0x80 : 0;
        break;
    case EVENTS_POWER:
        r[4] = d->cd.power_event ? POWER_CHANGED : 0;
        r[5] = d->cd.condition;
        d->cd.power_event &= !told;
        break;
    case EVENTS_MEDIA:
        r[4] = d->cd.event;
        r[5] = (d->cd.open ? 1 : 0) | (block_present(d->block) ? 2 : 0);
        if (told)
            d->cd.event = 0;
        break;
    }
    ide_atapi_reply(d, 8, mmc_get16(cdb + 7));
}

/* --- MMC: features --- */

typedef struct MmcFeature {
    uint16_t code;
    uint8_t version_flags;                  /* version << 2 | persistent << 1 */
    uint8_t len;
    uint8_t data[12];
    uint16_t profile;                       /* 0: always current; else only with that profile */
} MmcFeature;

static const MmcFeature mmc_features[] = {
    { 0x0000, 0x03, 8, { 0x00, 0x10, 0, 0, 0x00, 0x08, 0, 0 }, 0 },         /* profile list */
    { 0x0001, 0x0b, 8, { 0, 0, 0, 2, 1, 0, 0, 0 }, 0 },                     /* core, ATAPI */
    { 0x0002, 0x07, 4, { 0x02, 0, 0, 0 }, 0 },                              /* morphing */
    { 0x0003, 0x03, 4, { 0x29, 0, 0, 0 }, 0 },                              /* removable: tray */
    { 0x0010, 0x00, 8, { 0, 0, 8, 0, 0, 1, 0, 0 }, 0xffff },                /* random readable */
    { 0x001d, 0x00, 0, { 0 }, 0xffff },                                     /* multi-read */
    { 0x001e, 0x08, 4, { 0 }, PROFILE_CD_ROM },                             /* CD read */
    { 0x001f, 0x00, 4, { 0 }, PROFILE_DVD_ROM },                            /* DVD read */
    { 0x0100, 0x03, 0, { 0 }, 0 },                                          /* power management */
    { 0x0103, 0x00, 4, { 0x03, 0, 1, 0 }, PROFILE_CD_ROM },                 /* audio: 256 levels */
    { 0x0105, 0x07, 4, { 0 }, 0 },                                          /* timeout */
    { 0x0107, 0x0c, 4, { 0x08, 0, 0, 0 }, 0xffff },                         /* streaming, speeds */
};

enum { FEATURE_SERIAL = 0x0108 };

static void mmc_get_configuration(IdeDrive *d)
{
    const uint8_t *cdb = d->cd.cdb;
    unsigned type = cdb[1] & 3, start = mmc_get16(cdb + 2), len = 8;
    uint16_t profile = !ide_cd_ready(d) ? PROFILE_NONE : ide_cd_dvd(d) ? PROFILE_DVD_ROM
                                                                   : PROFILE_CD_ROM;
    uint8_t *r = mmc_reply(d);

    if (type == 3) {
        mmc_bad_field(d);
        return;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(mmc_features); i++) {
        const MmcFeature *f = &mmc_features[i];
        bool current = f->profile == 0 || (f->profile == 0xffff && profile) ||
                       f->profile == profile;
        if (f->code < start || (type == 2 && f->code != start) || (type == 1 && !current))
            continue;
        mmc_put16(r + len, f->code);
        r[len + 2] = (f->version_flags & ~1) | current;
        r[len + 3] = f->len;
        memcpy(r + len + 4, f->data, f->len);
        if (f->code == 0 && profile)        /* its descriptors have "current" bits of their own */
            r[len + 4 + (profile == PROFILE_DVD_ROM ? 2 : 6)] = 1;
        len += 4 + f->len;
    }
    if (type == 2 ? start == FEATURE_SERIAL : start <= FEATURE_SERIAL) {
        mmc_put16(r + len, FEATURE_SERIAL);
        r[len + 2] = 0x03;
        r[len + 3] = (strlen(d->serial) + 3) & ~3u;
        memset(r + len + 4, ' ', r[len + 3]);
        memcpy(r + len + 4, d->serial, strlen(d->serial));
        len += 4 + r[len + 3];
    }
    mmc_put32(r, len - 4);
    mmc_put16(r + 6, profile);
    ide_atapi_reply(d, len, mmc_get16(cdb + 7));
}

static void mmc_set_speed(IdeDrive *d)
{
    uint16_t speed = mmc_get16(d->cd.cdb + 2);

    d->cd.speed = CLAMP(speed, SPEED_1X, CD_SPEED_MAX);
    ide_atapi_done(d);
}

/* The one that a drive which only reads has: nominal speeds of reading. */
static void mmc_get_performance(IdeDrive *d)
{
    const uint8_t *cdb = d->cd.cdb;
    uint32_t blocks = ide_cd_blocks(d);
    bool exceptions = cdb[1] & 3;
    uint8_t *r = mmc_reply(d);

    if (cdb[10] || cdb[1] & 4 || (cdb[1] & 3) == 3) {
        mmc_bad_field(d);
        return;
    }
    mmc_put32(r, exceptions ? 4 : 4 + 16);
    r[4] = exceptions ? 1 : 0;
    mmc_put32(r + 12, d->cd.speed);
    mmc_put32(r + 16, blocks ? blocks - 1 : 0);
    mmc_put32(r + 20, d->cd.speed);
    ide_atapi_reply(d, exceptions || !mmc_get16(cdb + 8) ? 8 : 24, 24);
}

/* --- MMC: the disc --- */

static void mmc_read_capacity(IdeDrive *d)
{
    uint8_t *r = mmc_reply(d);
    uint32_t blocks = ide_cd_blocks(d);

    mmc_put32(r, blocks ? blocks - 1 : 0);
    mmc_put32(r + 4, CD_BLOCK);
    ide_atapi_reply(d, 8, 8);
}

static bool mmc_range(IdeDrive *d, uint32_t lba, uint32_t count)
{
    uint32_t blocks = ide_cd_blocks(d);

    if (lba <= blocks && count <= blocks - lba && (lba < blocks || !count))
        return true;
    ide_atapi_sense(d, SENSE_ILLEGAL, 0x21, 0);
    return false;
}

static void mmc_read(IdeDrive *d)
{
    const uint8_t *cdb = d->cd.cdb;
    uint32_t lba = mmc_get32(cdb + 2);
    uint32_t count = cdb[0] == 0xa8 ? mmc_get32(cdb + 6) : mmc_get16(cdb + 7);

    if (mmc_range(d, lba, count))
        ide_atapi_read(d, lba, count, CD_BLOCK);
}

static void mmc_read_parts(IdeDrive *d, uint32_t lba, uint32_t count)
{
    uint8_t type = d->cd.cdb[1] >> 2 & 7, parts = d->cd.cdb[9] & 0xfe, sub = d->cd.cdb[10] & 7;
    int len = cd_sector_length(parts, sub);

    if (type == 1 || type > 2 || len < 0) {     /* the track has mode 1 */
        ide_atapi_sense(d, SENSE_ILLEGAL, len < 0 ? 0x24 : 0x64, 0);
        return;
    }
    if (!mmc_range(d, lba, count))
        return;
    if (!count || !len)
        ide_atapi_done(d);
    else if (parts == CD_PART_USER && !sub)
        ide_atapi_read(d, lba, count, CD_BLOCK);
    else
        ide_atapi_read_parts(d, lba, count, parts, sub);
}

static void mmc_read_cd(IdeDrive *d)
{
    const uint8_t *cdb = d->cd.cdb;

    mmc_read_parts(d, mmc_get32(cdb + 2), (uint32_t)cdb[6] << 16 | cdb[7] << 8 | cdb[8]);
}

static void mmc_read_cd_msf(IdeDrive *d)
{
    const uint8_t *cdb = d->cd.cdb;
    uint32_t first = (cdb[3] * 60u + cdb[4]) * 75 + cdb[5];
    uint32_t end = (cdb[6] * 60u + cdb[7]) * 75 + cdb[8];

    if (first < LEAD_IN || end < first)
        ide_atapi_sense(d, SENSE_ILLEGAL, 0x21, 0);
    else
        mmc_read_parts(d, first - LEAD_IN, end - first);
}

static void mmc_seek(IdeDrive *d)
{
    if (mmc_range(d, mmc_get32(d->cd.cdb + 2), 1))
        ide_atapi_done(d);
}

static unsigned mmc_toc_track(uint8_t *p, uint8_t track, uint32_t lba, bool msf)
{
    p[1] = 0x14;                            /* data track, Q sub-channel: position */
    p[2] = track;
    mmc_put_address(p + 4, lba, msf);
    return 8;
}

static unsigned mmc_full_toc_point(uint8_t *p, uint8_t point, uint8_t m, uint8_t s, uint8_t f)
{
    p[0] = 1;                               /* session */
    p[1] = 0x14;
    p[3] = point;
    p[8] = m;
    p[9] = s;
    p[10] = f;
    return 11;
}

static void mmc_read_toc(IdeDrive *d)
{
    const uint8_t *cdb = d->cd.cdb;
    bool msf = cdb[1] & 2;
    unsigned format = cdb[2] & 0x0f, start = cdb[6], len = 4;
    uint8_t *r = mmc_reply(d);
    uint8_t end[4];

    if (!format)
        format = cdb[9] >> 6;               /* where SFF-8020 had it */
    r[2] = r[3] = 1;                        /* first and last track, or session */
    switch (format) {
    case 0:
        if (start > 1 && start != LEAD_OUT_TRACK) {
            mmc_bad_field(d);
            return;
        }
        if (start <= 1)
            len += mmc_toc_track(r + len, 1, 0, msf);
        len += mmc_toc_track(r + len, LEAD_OUT_TRACK, ide_cd_blocks(d), msf);
        break;
    case 1:
        len += mmc_toc_track(r + len, 1, 0, msf);
        break;
    case 2:
        mmc_put_address(end, ide_cd_blocks(d), true);
        len += mmc_full_toc_point(r + len, 0xa0, 1, 0, 0);
        len += mmc_full_toc_point(r + len, 0xa1, 1, 0, 0);
        len += mmc_full_toc_point(r + len, 0xa2, end[1], end[2], end[3]);
        len += mmc_full_toc_point(r + len, 1, 0, 2, 0);
        break;
    default:
        mmc_bad_field(d);
        return;
    }
    mmc_put16(r, len - 2);
    ide_atapi_reply(d, len, mmc_get16(cdb + 7));
}

static void mmc_read_subchannel(IdeDrive *d)
{
    const uint8_t *cdb = d->cd.cdb;
    uint32_t blocks = ide_cd_blocks(d), at = MIN(d->cd.lba, blocks ? blocks - 1 : 0);
    bool msf = cdb[1] & 2;
    uint8_t *r = mmc_reply(d);
    unsigned len = 4;

    r[1] = 0x15;                            /* no audio to tell of */
    if (cdb[2] & 0x40) {
        if (cdb[3] < 1 || cdb[3] > 3 || (cdb[3] == 3 && cdb[6] != 1)) {
            mmc_bad_field(d);
            return;
        }
        r[4] = cdb[3];
        len = cdb[3] == 1 ? 16 : 24;        /* no catalogue number, no ISRC */
        if (cdb[3] != 2)
            r[5] = 0x14;
        if (cdb[3] != 2)
            r[6] = 1;
        if (cdb[3] == 1) {
            r[7] = 1;
            mmc_put_address(r + 8, at, msf);
            if (msf)                        /* in the track: no lead-in to add */
                mmc_put_frames(r + 12, at);
            else
                mmc_put32(r + 12, at);
        }
        mmc_put16(r + 2, len - 4);
    }
    ide_atapi_reply(d, len, mmc_get16(cdb + 7));
}

static void mmc_read_header(IdeDrive *d)
{
    uint32_t lba = mmc_get32(d->cd.cdb + 2);
    uint8_t *r = mmc_reply(d);

    if (!mmc_range(d, lba, 1))
        return;
    r[0] = 1;                               /* mode 1 */
    mmc_put_address(r + 4, lba, d->cd.cdb[1] & 2);
    ide_atapi_reply(d, 8, mmc_get16(d->cd.cdb + 7));
}

/* VERIFY, SEEK and SET READ AHEAD: the range is checked. */
static void mmc_verify(IdeDrive *d)
{
    if (mmc_range(d, mmc_get32(d->cd.cdb + 2), mmc_get16(d->cd.cdb + 7)))
        ide_atapi_done(d);
}

/* --- MMC: audio, of which the disc has none --- */

static void mmc_play(IdeDrive *d, uint32_t lba, uint32_t count)
{
    if (!count)
        ide_atapi_done(d);
    else if (mmc_range(d, lba, count))
        ide_atapi_sense(d, SENSE_ILLEGAL, 0x64, 0);         /* not in this track */
}

static void mmc_play_audio(IdeDrive *d)
{
    const uint8_t *cdb = d->cd.cdb;
    uint32_t lba = mmc_get32(cdb + 2);

    mmc_play(d, lba == UINT32_MAX ? 0 : lba,
             cdb[0] == 0xa5 ? mmc_get32(cdb + 6) : mmc_get16(cdb + 7));
}

static void mmc_play_msf(IdeDrive *d)
{
    const uint8_t *cdb = d->cd.cdb;
    uint32_t first = (cdb[3] * 60u + cdb[4]) * 75 + cdb[5];
    uint32_t end = (cdb[6] * 60u + cdb[7]) * 75 + cdb[8];
    bool here = cdb[3] == 0xff && cdb[4] == 0xff && cdb[5] == 0xff;

    if (here)
        first = LEAD_IN;
    if (first < LEAD_IN || end < first)
        ide_atapi_sense(d, SENSE_ILLEGAL, 0x21, 0);
    else
        mmc_play(d, first - LEAD_IN, end - first);
}

static void mmc_play_track(IdeDrive *d)
{
    ide_atapi_sense(d, SENSE_ILLEGAL, 0x64, 0);
}

static void mmc_pause(IdeDrive *d)
{
    ide_atapi_sense(d, SENSE_ILLEGAL, 0x2c, 0);             /* nothing is playing */
}

static void mmc_disc_information(IdeDrive *d)
{
    uint8_t *r = mmc_reply(d);

    if (d->cd.cdb[1] & 7) {
        mmc_bad_field(d);
        return;
    }
    mmc_put16(r, 32);
    r[2] = 0x0e;                            /* finalised, last session complete */
    r[3] = r[4] = r[5] = r[6] = 1;
    r[7] = 0x20;                            /* may be used without restriction */
    memset(r + 16, 0xff, 8);                /* lead-in and lead-out of the next session: none */
    ide_atapi_reply(d, 34, mmc_get16(d->cd.cdb + 7));
}

static void mmc_track_information(IdeDrive *d)
{
    const uint8_t *cdb = d->cd.cdb;
    uint32_t address = mmc_get32(cdb + 2);
    unsigned kind = cdb[1] & 3;
    bool exists = kind == 0 ? address < ide_cd_blocks(d) : address == 1 ||
                                                           (kind == 1 && address == 0xff);
    uint8_t *r = mmc_reply(d);

    if (kind == 3 || !exists) {
        mmc_bad_field(d);
        return;
    }
    mmc_put16(r, 34);
    r[2] = r[3] = 1;
    r[5] = 0x04;                            /* data track */
    r[6] = 0x01;                            /* mode 1 */
    mmc_put32(r + 24, ide_cd_blocks(d));
    ide_atapi_reply(d, 36, mmc_get16(cdb + 7));
}

/* DVD-ROM of 120 mm; what one layer does not hold has two, the second read back to the middle. */
static void mmc_physical_format(uint8_t *p, uint32_t blocks)
{
    uint32_t first = 0x030000, last = blocks ? blocks - 1 : 0;

    p[0] = 0x01;                            /* DVD-ROM, version 1 */
    p[1] = 0x0f;                            /* no rate said */
    p[2] = 0x01;                            /* embossed data */
    mmc_put32(p + 4, first);
    if (blocks <= DVD_LAYER_BLOCKS) {
        mmc_put32(p + 8, first + last);
        return;
    }
    p[2] |= 0x30;                           /* two layers, opposite track path */
    mmc_put32(p + 8, 0x00ffffff & ~(first + blocks / 2 - 1));
    mmc_put32(p + 12, first + blocks / 2 - 1);
}

static void mmc_dvd_structure(IdeDrive *d)
{
    static const uint8_t formats[] = { 0x00, 0x01, 0x04 };
    const uint8_t *cdb = d->cd.cdb;
    uint8_t *r = mmc_reply(d);
    uint32_t blocks = ide_cd_blocks(d), len;

    if (cdb[1] & 0x0f || (cdb[7] != 0xff && !ide_cd_dvd(d))) {
        ide_atapi_sense(d, SENSE_ILLEGAL, cdb[1] & 0x0f ? 0x24 : 0x30, 0);
        return;
    }
    switch (cdb[7]) {
    case 0x00:                              /* physical format */
        if (cdb[6]) {
            mmc_bad_field(d);
            return;
        }
        mmc_physical_format(r + 4, blocks);
        len = 4 + 2048;
        break;
    case 0x01:                              /* copyright: none */
        len = 4 + 4;
        break;
    case 0x04:                              /* the maker has written nothing */
        len = 4 + 2048;
        break;
    case 0xff:                              /* which of them there are */
        len = 4;
        for (unsigned i = 0; i < G_N_ELEMENTS(formats); i++, len += 4) {
            r[len] = formats[i];
            r[len + 1] = 0x40;              /* can be read */
            mmc_put16(r + len + 2, formats[i] == 1 ? 4 + 4 : 4 + 2048);
        }
        break;
    default:
        mmc_bad_field(d);
        return;
    }
    mmc_put16(r, len - 2);
    ide_atapi_reply(d, len, mmc_get16(cdb + 8));
}

static const MmcCommand mmc_commands[] = {
    { 0x00, NEEDS_DISC, "TEST UNIT READY", mmc_nothing },
    { 0x03, KEEPS_ATTENTION, "REQUEST SENSE", mmc_request_sense },
    { 0x12, KEEPS_ATTENTION, "INQUIRY", mmc_inquiry },
    { 0x15, 0, "MODE SELECT (6)", ide_mode_select },
    { 0x1a, 0, "MODE SENSE (6)", ide_mode_sense },
    { 0x1b, 0, "START STOP UNIT", mmc_start_stop },
    { 0x1e, 0, "PREVENT ALLOW MEDIUM REMOVAL", mmc_prevent },
    { 0x25, NEEDS_DISC, "READ CAPACITY", mmc_read_capacity },
    { 0x28, NEEDS_DISC, "READ (10)", mmc_read },
    { 0x2b, NEEDS_DISC, "SEEK (10)", mmc_seek },
    { 0x2f, NEEDS_DISC, "VERIFY (10)", mmc_verify },
    { 0x35, 0, "SYNCHRONIZE CACHE", mmc_nothing },
    { 0x42, NEEDS_DISC, "READ SUB-CHANNEL", mmc_read_subchannel },
    { 0x43, NEEDS_DISC, "READ TOC/PMA/ATIP", mmc_read_toc },
    { 0x44, NEEDS_DISC, "READ HEADER", mmc_read_header },
    { 0x45, NEEDS_DISC, "PLAY AUDIO (10)", mmc_play_audio },
    { 0x46, KEEPS_ATTENTION, "GET CONFIGURATION", mmc_get_configuration },
    { 0x47, NEEDS_DISC, "PLAY AUDIO MSF", mmc_play_msf },
    { 0x48, NEEDS_DISC, "PLAY AUDIO TRACK INDEX", mmc_play_track },
    { 0x4a, KEEPS_ATTENTION, "GET EVENT STATUS NOTIFICATION", mmc_event_status },
    { 0x4b, NEEDS_DISC, "PAUSE/RESUME", mmc_pause },
    { 0x4e, NEEDS_DISC, "STOP PLAY/SCAN", mmc_nothing },
    { 0x51, NEEDS_DISC, "READ DISC INFORMATION", mmc_disc_information },
    { 0x52, NEEDS_DISC, "READ TRACK INFORMATION", mmc_track_information },
    { 0x55, 0, "MODE SELECT (10)", ide_mode_select },
    { 0x5a, 0, "MODE SENSE (10)", ide_mode_sense },
    { 0xa5, NEEDS_DISC, "PLAY AUDIO (12)", mmc_play_audio },
    { 0xa7, NEEDS_DISC, "SET READ AHEAD", mmc_seek },
    { 0xa8, NEEDS_DISC, "READ (12)", mmc_read },
    { 0xac, NEEDS_DISC, "GET PERFORMANCE", mmc_get_performance },
    { 0xad, NEEDS_DISC, "READ DVD STRUCTURE", mmc_dvd_structure },
    { 0xb6, 0, "SET STREAMING", mmc_set_streaming },
    { 0xb9, NEEDS_DISC, "READ CD MSF", mmc_read_cd_msf },
    { 0xba, NEEDS_DISC, "SCAN", mmc_play_track },
    { 0xbb, 0, "SET CD SPEED", mmc_set_speed },
    { 0xbd, 0, "MECHANISM STATUS", mmc_mechanism_status },
    { 0xbe, NEEDS_DISC, "READ CD", mmc_read_cd },
};

void ide_mmc_command(IdeDrive *d)
{
    const MmcCommand *c = NULL;

    for (unsigned i = 0; i < G_N_ELEMENTS(mmc_commands) && !c; i++)
        if (mmc_commands[i].opcode == d->cd.cdb[0])
            c = &mmc_commands[i];
    if (!c) {
        ide_atapi_sense(d, SENSE_ILLEGAL, 0x20, 0);
        return;
    }
    if (d->cd.attention && !(c->flags & KEEPS_ATTENTION)) {
        ide_atapi_sense(d, SENSE_ATTENTION, mmc_take_attention(d), 0);
        return;
    }
    if ((c->flags & NEEDS_DISC) && !ide_cd_ready(d)) {
        ide_atapi_sense(d, SENSE_NOT_READY, 0x3a, d->cd.open ? 2 : 1);
        return;
    }
    c->run(d);
}
