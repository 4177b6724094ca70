/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ide_mmc.c - the packet commands of a CD/DVD-ROM drive with one data track (INF-8090i, MMC-3,
 * SPC-2).  Left out: audio, writing, CSS; their commands end in ILLEGAL REQUEST.
 */
#include "hw/ide.h"
#include <string.h>

enum { NEEDS_DISC = 1, KEEPS_ATTENTION = 2 };   /* flags of a command */
enum { PROFILE_NONE = 0, PROFILE_CD_ROM = 0x08, PROFILE_DVD_ROM = 0x10 };
enum { PAGE_ERRORS = 0x01, PAGE_POWER = 0x1a, PAGE_CAPABILITIES = 0x2a, PAGE_ALL = 0x3f };
enum { PC_CHANGEABLE = 1, PC_SAVED = 3 };
#define CD_MAX_BLOCKS 405000u   /* 90 minutes: anything longer is a DVD */
#define LEAD_IN 150
#define LEAD_OUT_TRACK 0xaa
#define REPLY_MAX 512

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

static void mmc_put_address(uint8_t *p, uint32_t lba, bool msf)
{
    uint32_t frame = lba + LEAD_IN;

    if (!msf) {
        mmc_put32(p, lba);
        return;
    }
    p[0] = 0;
    p[1] = MIN(frame / 75 / 60, 255);
    p[2] = frame / 75 % 60;
    p[3] = frame % 75;
}

uint32_t ide_cd_blocks(const IdeDrive *d)
{
    return MIN(block_size(d->block) / CD_BLOCK, UINT32_MAX);
}

bool ide_cd_ready(const IdeDrive *d)
{
    return block_present(d->block) && !d->cd.open;
}

static bool mmc_dvd(const IdeDrive *d)
{
    return ide_cd_blocks(d) > CD_MAX_BLOCKS;
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

static void mmc_request_sense(IdeDrive *d)
{
    uint8_t key = d->cd.key, asc = d->cd.asc, ascq = d->cd.ascq;
    uint8_t *r = mmc_reply(d);

    if (!key && d->cd.attention) {
        d->cd.attention = false;
        key = SENSE_ATTENTION;
        asc = 0x28;
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

static void mmc_page_errors(const IdeDrive *d, uint8_t *p, bool changeable)
{
    (void)d;
    p[0] = PAGE_ERRORS;
    p[1] = 6;
    p[3] = changeable ? 0 : 5;              /* retries */
}

static void mmc_page_power(const IdeDrive *d, uint8_t *p, bool changeable)
{
    (void)d;
    (void)changeable;
    p[0] = PAGE_POWER;
    p[1] = 10;
}

static void mmc_page_capabilities(const IdeDrive *d, uint8_t *p, bool changeable)
{
    p[0] = PAGE_CAPABILITIES;
    p[1] = 18;
    if (changeable)
        return;
    p[2] = 0x3b;                            /* reads CD-R, CD-RW, method 2, DVD-ROM, DVD-R */
    p[4] = 0x70;                            /* multisession, mode 2 forms 1 and 2 */
    p[5] = 0x03;
    p[6] = 0x29 | (d->cd.locked ? 2 : 0);   /* tray, eject, lock */
    mmc_put16(p + 8, 706 * 4);              /* kB/s */
    mmc_put16(p + 12, IDE_BUFFER / 1024);
    mmc_put16(p + 14, 706 * 4);
}

static const struct {
    uint8_t code;
    uint8_t len;
    void (*fill)(const IdeDrive *d, uint8_t *p, bool changeable);
} mmc_pages[] = {
    { PAGE_ERRORS, 8, mmc_page_errors },
    { PAGE_POWER, 12, mmc_page_power },
    { PAGE_CAPABILITIES, 20, mmc_page_capabilities },
};

static uint8_t mmc_medium_type(const IdeDrive *d)
{
    if (d->cd.open)
        return 0x71;
    if (!block_present(d->block))
        return 0x70;
    return mmc_dvd(d) ? 0x00 : 0x01;
}

static void mmc_mode_sense(IdeDrive *d)
{
    const uint8_t *cdb = d->cd.cdb;
    bool ten = cdb[0] == 0x5a;
    unsigned header = ten ? 8 : 4, len = header, control = cdb[2] >> 6, page = cdb[2] & 0x3f;
    uint32_t allocation = ten ? mmc_get16(cdb + 7) : cdb[4];
    uint8_t *r = mmc_reply(d);

    if (control == PC_SAVED) {
        ide_atapi_sense(d, SENSE_ILLEGAL, 0x39, 0);
        return;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(mmc_pages); i++) {
        if (page != PAGE_ALL && page != mmc_pages[i].code)
            continue;
        mmc_pages[i].fill(d, r + len, control == PC_CHANGEABLE);
        len += mmc_pages[i].len;
    }
    if (len == header) {
        mmc_bad_field(d);
        return;
    }
    if (ten) {
        mmc_put16(r, len - 2);
        r[2] = mmc_medium_type(d);
    } else {
        r[0] = len - 1;
        r[1] = mmc_medium_type(d);
    }
    ide_atapi_reply(d, len, allocation);
}

/* No value can be changed, so the list is taken and forgotten. */
static void mmc_mode_select(IdeDrive *d)
{
    const uint8_t *cdb = d->cd.cdb;

    ide_atapi_receive(d, cdb[0] == 0x55 ? mmc_get16(cdb + 7) : cdb[4]);
}

void ide_mmc_received(IdeDrive *d)
{
    ide_atapi_done(d);
}

static void mmc_start_stop(IdeDrive *d)
{
    bool start = d->cd.cdb[4] & 1, load = d->cd.cdb[4] & 2;

    if (!load) {
        ide_atapi_done(d);
        return;
    }
    if (!start && d->cd.locked) {
        ide_atapi_sense(d, SENSE_ILLEGAL, 0x53, 0x02);
        return;
    }
    if (!start && !d->cd.open) {
        d->cd.event = EVENT_REMOVAL;
    } else if (start && d->cd.open && block_present(d->block)) {
        d->cd.event = EVENT_NEW_MEDIA;
        d->cd.attention = true;
    }
    d->cd.open = !start;
    ide_atapi_done(d);
}

static void mmc_prevent(IdeDrive *d)
{
    d->cd.locked = d->cd.cdb[4] & 1;
    ide_atapi_done(d);
}

static void mmc_mechanism_status(IdeDrive *d)
{
    uint8_t *r = mmc_reply(d);

    r[1] = d->cd.open ? 0x10 : 0;
    r[5] = 1;                               /* one slot */
    ide_atapi_reply(d, 8, mmc_get16(d->cd.cdb + 8));
}

static void mmc_event_status(IdeDrive *d)
{
    uint8_t *r = mmc_reply(d);
    const uint8_t *cdb = d->cd.cdb;

    if (!(cdb[1] & 1)) {                    /* asynchronous reports need overlap */
        mmc_bad_field(d);
        return;
    }
    r[3] = 0x10;                            /* we tell of media events */
    if (!(cdb[4] & 0x10)) {
        r[2] = 0x80;
        mmc_put16(r, 2);
        ide_atapi_reply(d, 4, mmc_get16(cdb + 7));
        return;
    }
    mmc_put16(r, 6);
    r[2] = 0x04;
    r[4] = d->cd.event;
    r[5] = (d->cd.open ? 1 : 0) | (block_present(d->block) ? 2 : 0);
    if (mmc_get16(cdb + 7) > 4)
        d->cd.event = 0;
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
    { 0x0105, 0x03, 4, { 0 }, 0 },                                          /* timeout */
};

static void mmc_get_configuration(IdeDrive *d)
{
    const uint8_t *cdb = d->cd.cdb;
    unsigned type = cdb[1] & 3, start = mmc_get16(cdb + 2), len = 8;
    uint16_t profile = !ide_cd_ready(d) ? PROFILE_NONE : mmc_dvd(d) ? PROFILE_DVD_ROM
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
    mmc_put32(r, len - 4);
    mmc_put16(r + 6, profile);
    ide_atapi_reply(d, len, mmc_get16(cdb + 7));
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
    uint8_t type = d->cd.cdb[1] >> 2 & 7, parts = d->cd.cdb[9] & 0xf8;

    if (type > 2 || d->cd.cdb[10] & 7) {    /* any or mode 1 only; no sub-channels */
        ide_atapi_sense(d, SENSE_ILLEGAL, type > 2 ? 0x64 : 0x24, 0);
        return;
    }
    if (!mmc_range(d, lba, count))
        return;
    if (!count || !parts)
        ide_atapi_done(d);
    else if (parts == 0x10)                 /* user data */
        ide_atapi_read(d, lba, count, CD_BLOCK);
    else if (parts == 0xf8)
        ide_atapi_read(d, lba, count, CD_RAW);
    else
        mmc_bad_field(d);
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
    uint8_t *r = mmc_reply(d);
    unsigned len = 4;

    r[1] = 0x15;                            /* no audio to tell of */
    if (cdb[2] & 0x40) {
        if (cdb[3] < 1 || cdb[3] > 3) {
            mmc_bad_field(d);
            return;
        }
        r[4] = cdb[3];
        len = cdb[3] == 1 ? 16 : 24;
        if (cdb[3] == 1) {
            r[5] = 0x14;
            r[6] = r[7] = 1;
            mmc_put_address(r + 8, 0, cdb[1] & 2);
            mmc_put_address(r + 12, 0, cdb[1] & 2);
        }
        mmc_put16(r + 2, len - 4);
    }
    ide_atapi_reply(d, len, mmc_get16(cdb + 7));
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

static void mmc_dvd_structure(IdeDrive *d)
{
    const uint8_t *cdb = d->cd.cdb;
    uint8_t *r = mmc_reply(d);
    uint32_t blocks = ide_cd_blocks(d), len;

    if (cdb[1] & 0x0f || (cdb[7] != 0xff && !mmc_dvd(d))) {
        ide_atapi_sense(d, SENSE_ILLEGAL, cdb[1] & 0x0f ? 0x24 : 0x30, 0);
        return;
    }
    switch (cdb[7]) {
    case 0x00:                              /* physical format: DVD-ROM, 120 mm, one layer */
        if (cdb[6]) {
            mmc_bad_field(d);
            return;
        }
        r[4] = 0x01;
        r[5] = 0x0f;
        r[6] = 0x01;
        mmc_put32(r + 8, 0x030000);
        mmc_put32(r + 12, 0x030000 + (blocks ? blocks - 1 : 0));
        len = 4 + 17;
        break;
    case 0x01:                              /* copyright: none */
        len = 4 + 4;
        break;
    case 0xff:                              /* which of them there are */
        r[4] = 0x00;
        r[5] = 0x40;
        mmc_put16(r + 6, 4 + 17);
        r[8] = 0x01;
        r[9] = 0x40;
        mmc_put16(r + 10, 4 + 4);
        len = 4 + 8;
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
    { 0x15, 0, "MODE SELECT (6)", mmc_mode_select },
    { 0x1a, 0, "MODE SENSE (6)", mmc_mode_sense },
    { 0x1b, 0, "START STOP UNIT", mmc_start_stop },
    { 0x1e, 0, "PREVENT ALLOW MEDIUM REMOVAL", mmc_prevent },
    { 0x25, NEEDS_DISC, "READ CAPACITY", mmc_read_capacity },
    { 0x28, NEEDS_DISC, "READ (10)", mmc_read },
    { 0x2b, NEEDS_DISC, "SEEK (10)", mmc_seek },
    { 0x35, 0, "SYNCHRONIZE CACHE", mmc_nothing },
    { 0x42, NEEDS_DISC, "READ SUB-CHANNEL", mmc_read_subchannel },
    { 0x43, NEEDS_DISC, "READ TOC/PMA/ATIP", mmc_read_toc },
    { 0x46, KEEPS_ATTENTION, "GET CONFIGURATION", mmc_get_configuration },
    { 0x4a, KEEPS_ATTENTION, "GET EVENT STATUS NOTIFICATION", mmc_event_status },
    { 0x51, NEEDS_DISC, "READ DISC INFORMATION", mmc_disc_information },
    { 0x52, NEEDS_DISC, "READ TRACK INFORMATION", mmc_track_information },
    { 0x55, 0, "MODE SELECT (10)", mmc_mode_select },
    { 0x5a, 0, "MODE SENSE (10)", mmc_mode_sense },
    { 0xa8, NEEDS_DISC, "READ (12)", mmc_read },
    { 0xad, NEEDS_DISC, "READ DVD STRUCTURE", mmc_dvd_structure },
    { 0xb9, NEEDS_DISC, "READ CD MSF", mmc_read_cd_msf },
    { 0xbb, 0, "SET CD SPEED", mmc_nothing },
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
        d->cd.attention = false;
        ide_atapi_sense(d, SENSE_ATTENTION, 0x28, 0);
        return;
    }
    if ((c->flags & NEEDS_DISC) && !ide_cd_ready(d)) {
        ide_atapi_sense(d, SENSE_NOT_READY, 0x3a, d->cd.open ? 2 : 1);
        return;
    }
    c->run(d);
}
