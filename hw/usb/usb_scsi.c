/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb_scsi.c - SCSI commands of a disk (SPC-2, SBC) and of a CD-ROM drive (MMC-3) behind a bridge:
 * what operating systems and firmware use on sticks and USB drives.  Left out: UNMAP, FORMAT,
 * reservations, audio, raw CD sectors, writing CDs.
 */
#include "hw/usb/usb_scsi.h"

#include <errno.h>
#include <string.h>

enum { TEST_UNIT_READY = 0x00, REQUEST_SENSE = 0x03, READ_6 = 0x08, WRITE_6 = 0x0a, INQUIRY = 0x12,
       MODE_SELECT_6 = 0x15, MODE_SENSE_6 = 0x1a, START_STOP = 0x1b, SEND_DIAGNOSTIC = 0x1d,
       PREVENT_ALLOW = 0x1e, READ_FORMAT_CAPACITIES = 0x23, READ_CAPACITY_10 = 0x25, READ_10 = 0x28,
       WRITE_10 = 0x2a, SEEK_10 = 0x2b, WRITE_VERIFY_10 = 0x2e, VERIFY_10 = 0x2f,
       SYNCHRONIZE_10 = 0x35, READ_TOC = 0x43, GET_CONFIGURATION = 0x46, GET_EVENT_STATUS = 0x4a,
       READ_DISC_INFORMATION = 0x51, MODE_SELECT_10 = 0x55, MODE_SENSE_10 = 0x5a, READ_16 = 0x88,
       WRITE_16 = 0x8a, VERIFY_16 = 0x8f, SYNCHRONIZE_16 = 0x91, SERVICE_IN_16 = 0x9e,
       REPORT_LUNS = 0xa0, READ_12 = 0xa8, WRITE_12 = 0xaa, MECHANISM_STATUS = 0xbd };
enum { KEY_NONE = 0, KEY_NOT_READY = 2, KEY_MEDIUM = 3, KEY_ILLEGAL = 5, KEY_ATTENTION = 6,
       KEY_PROTECT = 7 };
enum { ASC_INVALID_COMMAND = 0x20, ASC_OUT_OF_RANGE = 0x21, ASC_INVALID_FIELD = 0x24,
       ASC_PARAMETERS = 0x26, ASC_WRITE_PROTECTED = 0x27, ASC_MEDIUM_CHANGED = 0x28,
       ASC_SAVING = 0x39, ASC_NO_MEDIUM = 0x3a, ASC_REMOVAL_PREVENTED = 0x53 };
enum { PAGE_RECOVERY = 0x01, PAGE_CACHING = 0x08, PAGE_CAPABILITIES = 0x2a, PAGE_ALL = 0x3f };
enum { DISK_BLOCK = 512, CD_BLOCK = 2048, CD_LEAD_OUT = 0xaa, MSF_FRAMES = 75, MSF_OFFSET = 150 };

static void put16(uint8_t *p, uint16_t v) { p[0] = v >> 8; p[1] = v; }
static void put32(uint8_t *p, uint32_t v) { put16(p, v >> 16); put16(p + 2, v); }
static uint16_t get16(const uint8_t *p) { return p[0] << 8 | p[1]; }
static uint32_t get32(const uint8_t *p) { return (uint32_t)get16(p) << 16 | get16(p + 2); }

static unsigned block_bytes(const ScsiUnit *u)
{
    return u->cdrom ? CD_BLOCK : DISK_BLOCK;
}

static uint64_t blocks(const ScsiUnit *u)
{
    return block_size(u->block) / block_bytes(u);
}

void scsi_sense(ScsiUnit *u, unsigned key, unsigned asc, unsigned ascq)
{
    u->sense_key = key;
    u->asc = asc;
    u->ascq = ascq;
}

static ScsiAction refuse(ScsiUnit *u, unsigned key, unsigned asc, unsigned ascq)
{
    scsi_sense(u, key, asc, ascq);
    return SCSI_FAILED;
}

static ScsiAction reply(ScsiWork *w, unsigned len, unsigned allocated)
{
    w->reply_len = MIN(len, allocated);
    return SCSI_REPLY;
}

void scsi_image_error(ScsiUnit *u, int error, bool write)
{
    if (error == ENOMEDIUM) {
        scsi_sense(u, KEY_NOT_READY, ASC_NO_MEDIUM, 0);
    } else if (error == ENOSPC || error == EDQUOT) {
        scsi_sense(u, KEY_PROTECT, ASC_WRITE_PROTECTED, 7);
    } else {
        scsi_sense(u, KEY_MEDIUM, write ? 0x0c : 0x11, 0);
    }
}

void scsi_reset(ScsiUnit *u)
{
    scsi_sense(u, KEY_NONE, 0, 0);
    u->locked = u->ejected = u->attention = false;
}

/* --- who it is --------------------------------------------------------------------------------- */

static ScsiAction inquiry_page(ScsiUnit *u, const uint8_t *cdb, ScsiWork *w)
{
    uint8_t *r = w->reply;

    r[0] = u->cdrom ? 5 : 0;
    r[1] = cdb[2];
    switch (cdb[2]) {
    case 0x00:
        r[3] = 3;
        r[4] = 0x00;
        r[5] = 0x80;
        r[6] = 0x83;
        break;
    case 0x80:
        r[3] = strlen(u->serial);
        memcpy(r + 4, u->serial, r[3]);
        break;
    case 0x83:                              /* T10 vendor identification: name and serial number */
        r[4] = 2;
        r[5] = 1;
        r[7] = 8 + strlen(u->serial);
        memcpy(r + 8, "Gsthouse", 8);
        memcpy(r + 16, u->serial, strlen(u->serial));
        r[3] = 4 + r[7];
        break;
    default:
        return refuse(u, KEY_ILLEGAL, ASC_INVALID_FIELD, 0);
    }
    return reply(w, 4 + r[3], get16(cdb + 3));
}

static ScsiAction inquiry(ScsiUnit *u, const uint8_t *cdb, ScsiWork *w)
{
    uint8_t *r = w->reply;

    if (cdb[1] & 1) {
        return inquiry_page(u, cdb, w);
    }
    if (cdb[2]) {
        return refuse(u, KEY_ILLEGAL, ASC_INVALID_FIELD, 0);
    }
    r[0] = u->cdrom ? 5 : 0;
    r[1] = u->cdrom ? 0x80 : 0;             /* removable */
    r[2] = 4;                               /* SPC-2 */
    r[3] = 2;
    r[4] = 31;
    memcpy(r + 8, u->cdrom ? "Gsthouse" "USB CD-ROM      " "1.0 "
                           : "Gsthouse" "USB Disk        " "1.0 ", 28);
    return reply(w, 36, get16(cdb + 3));
}

static ScsiAction request_sense(ScsiUnit *u, const uint8_t *cdb, ScsiWork *w)
{
    uint8_t *r = w->reply;

    r[0] = 0x70;
    r[2] = u->sense_key;
    r[7] = 10;
    r[12] = u->asc;
    r[13] = u->ascq;
    scsi_sense(u, KEY_NONE, 0, 0);
    return reply(w, 18, cdb[4]);
}

/* --- modes ------------------------------------------------------------------------------------- */

static unsigned mode_page(const ScsiUnit *u, uint8_t *p, unsigned page, bool changeable)
{
    switch (page) {
    case PAGE_RECOVERY:
        p[0] = page;
        p[1] = u->cdrom ? 6 : 10;
        return 2 + p[1];
    case PAGE_CACHING:
        if (u->cdrom) {
            return 0;
        }
        p[0] = page;
        p[1] = 18;
        p[2] = changeable ? 0 : 4;          /* there is a write cache: SYNCHRONIZE CACHE flushes */
        return 20;
    case PAGE_CAPABILITIES:
        if (!u->cdrom) {
            return 0;
        }
        p[0] = page;
        p[1] = 18;
        if (!changeable) {
            p[2] = 0x08;                    /* reads DVD-ROM */
            p[4] = 0x70;                    /* multisession, both modes of XA */
            p[6] = 0x29 | (u->locked ? 2 : 0);      /* tray, can be locked and opened */
            put16(p + 8, 5632);             /* kB/s: 32x */
            put16(p + 14, 5632);
        }
        return 20;
    default:
        return 0;
    }
}

static ScsiAction mode_sense(ScsiUnit *u, const uint8_t *cdb, ScsiWork *w, bool ten)
{
    unsigned page = cdb[2] & 0x3f, control = cdb[2] >> 6, head = ten ? 8 : 4, n = head;
    bool any = false;
    uint8_t *r = w->reply, protect = !u->cdrom && block_read_only(u->block) ? 0x80 : 0;

    if (control == 3) {
        return refuse(u, KEY_ILLEGAL, ASC_SAVING, 0);
    }
    for (unsigned i = 1; i < PAGE_ALL; i++) {
        if ((page == PAGE_ALL || page == i) && (cdb[3] == 0 || cdb[3] == 0xff)) {
            unsigned len = mode_page(u, r + n, i, control == 1);

            n += len;
            any |= len > 0;
        }
    }
    if (!any) {
        return refuse(u, KEY_ILLEGAL, ASC_INVALID_FIELD, 0);
    }
    if (ten) {
        put16(r, n - 2);
        r[3] = protect;
    } else {
        r[0] = n - 1;
        r[2] = protect;
    }
    return reply(w, n, ten ? get16(cdb + 7) : cdb[4]);
}

bool scsi_parameters(ScsiUnit *u, const uint8_t *cdb, const uint8_t *data, unsigned len)
{
    bool ten = cdb[0] == MODE_SELECT_10;
    unsigned at = ten ? 8 : 4;

    if (len < at) {
        scsi_sense(u, KEY_ILLEGAL, 0x1a, 0);
        return false;
    }
    at += ten ? get16(data + 6) : data[3];
    while (at + 2 <= len) {                 /* pages that exist, with the values they have */
        uint8_t now[32] = { 0 };
        unsigned size = mode_page(u, now, data[at] & 0x3f, false);

        if (!size || data[at + 1] != now[1] || at + size > len ||
            memcmp(data + at + 2, now + 2, size - 2)) {
            scsi_sense(u, KEY_ILLEGAL, ASC_PARAMETERS, 0);
            return false;
        }
        at += size;
    }
    return true;
}

static ScsiAction mode_select(ScsiUnit *u, const uint8_t *cdb, ScsiWork *w, unsigned len)
{
    if ((cdb[1] & 1) || len > SCSI_PARAMETERS_MAX) {
        return refuse(u, KEY_ILLEGAL, ASC_INVALID_FIELD, 0);
    }
    w->bytes = len;
    return len ? SCSI_PARAMETERS : SCSI_DONE;
}

/* --- capacity ---------------------------------------------------------------------------------- */

static ScsiAction read_capacity_10(ScsiUnit *u, ScsiWork *w)
{
    put32(w->reply, MIN(blocks(u) - 1, 0xffffffffu));
    put32(w->reply + 4, block_bytes(u));
    return reply(w, 8, 8);
}

static ScsiAction read_capacity_16(ScsiUnit *u, const uint8_t *cdb, ScsiWork *w)
{
    uint64_t last = blocks(u) - 1;

    if ((cdb[1] & 31) != 0x10) {
        return refuse(u, KEY_ILLEGAL, ASC_INVALID_FIELD, 0);
    }
    put32(w->reply, last >> 32);
    put32(w->reply + 4, last);
    put32(w->reply + 8, block_bytes(u));
    return reply(w, 32, get32(cdb + 10));
}

static ScsiAction read_format_capacities(ScsiUnit *u, const uint8_t *cdb, ScsiWork *w)
{
    w->reply[3] = 8;
    put32(w->reply + 4, MIN(blocks(u), 0xffffffffu));
    put32(w->reply + 8, block_bytes(u));
    w->reply[8] = 2;                        /* formatted */
    return reply(w, 12, get16(cdb + 7));
}

/* --- CD-ROM ------------------------------------------------------------------------------------ */

static void put_address(uint8_t *p, uint32_t lba, bool msf)
{
    uint32_t frames = lba + MSF_OFFSET;

    put32(p, lba);
    if (msf) {
        p[0] = 0;
        p[1] = frames / (60 * MSF_FRAMES);
        p[2] = frames / MSF_FRAMES % 60;
        p[3] = frames % MSF_FRAMES;
    }
}

static unsigned toc_entry(uint8_t *p, unsigned track, uint32_t lba, bool msf)
{
    p[1] = 0x14;                            /* data track */
    p[2] = track;
    put_address(p + 4, lba, msf);
    return 8;
}

static ScsiAction read_toc(ScsiUnit *u, const uint8_t *cdb, ScsiWork *w)
{
    unsigned format = cdb[2] & 15 ? cdb[2] & 15 : cdb[9] >> 6, n = 4;
    bool msf = cdb[1] & 2;
    uint8_t *r = w->reply;

    if (format > 1 || (format == 0 && cdb[6] > 1 && cdb[6] != CD_LEAD_OUT)) {
        return refuse(u, KEY_ILLEGAL, ASC_INVALID_FIELD, 0);
    }
    if (format == 1 || cdb[6] != CD_LEAD_OUT) {
        n += toc_entry(r + n, 1, 0, msf);
    }
    if (format == 0) {
        n += toc_entry(r + n, CD_LEAD_OUT, blocks(u), msf);
    }
    put16(r, n - 2);
    r[2] = r[3] = 1;
    return reply(w, n, get16(cdb + 7));
}

static ScsiAction get_configuration(ScsiUnit *u, const uint8_t *cdb, ScsiWork *w)
{
    static const uint8_t features[][12] = {
        { 0x00, 0x00, 0x03, 4, 0x00, 0x08, 0, 0 },      /* profile list: CD-ROM */
        { 0x00, 0x01, 0x03, 4, 0, 0, 0, 8 },            /* core: USB */
        { 0x00, 0x03, 0x03, 4, 0x29, 0, 0, 0 },         /* removable medium: tray, lock, eject */
        { 0x00, 0x10, 0x01, 8, 0, 0, 8, 0, 0, 1, 0, 0 },        /* random readable: 2048 */
        { 0x00, 0x1e, 0x01, 4, 0, 0, 0, 0 },            /* CD read */
    };
    unsigned start = get16(cdb + 2), kind = cdb[1] & 3, n = 8;
    bool loaded = block_present(u->block) && !u->ejected;

    for (unsigned i = 0; i < G_N_ELEMENTS(features); i++) {
        unsigned number = get16(features[i]), size = 4 + features[i][3];

        if (kind == 2 ? number == start : number >= start) {
            memcpy(w->reply + n, features[i], size);
            w->reply[n + 6] |= number == 0 && loaded;   /* the profile is current */
            n += size;
        }
    }
    put32(w->reply, n - 4);
    put16(w->reply + 6, loaded ? 8 : 0);
    return reply(w, n, get16(cdb + 7));
}

static ScsiAction get_event_status(ScsiUnit *u, const uint8_t *cdb, ScsiWork *w)
{
    uint8_t *r = w->reply;

    if (!(cdb[1] & 1)) {
        return refuse(u, KEY_ILLEGAL, ASC_INVALID_FIELD, 0);    /* asynchronous */
    }
    r[3] = 0x10;
    if (!(cdb[4] & 0x10)) {
        r[1] = 2;
        r[2] = 0x80;
        return reply(w, 4, get16(cdb + 7));
    }
    r[1] = 6;
    r[2] = 4;
    r[4] = u->attention ? 2 : 0;
    r[5] = (u->ejected ? 1 : 0) | (block_present(u->block) && !u->ejected ? 2 : 0);
    return reply(w, 8, get16(cdb + 7));
}

static ScsiAction read_disc_information(const uint8_t *cdb, ScsiWork *w)
{
    uint8_t *r = w->reply;

    put16(r, 32);
    r[2] = 0x0e;                            /* complete, not erasable */
    r[3] = r[4] = r[5] = r[6] = 1;
    return reply(w, 34, get16(cdb + 7));
}

static ScsiAction start_stop(ScsiUnit *u, const uint8_t *cdb)
{
    bool start = cdb[4] & 1;

    if (u->cdrom && (cdb[4] & 2)) {
        if (!start && u->locked) {
            return refuse(u, KEY_ILLEGAL, ASC_REMOVAL_PREVENTED, 2);
        }
        u->attention |= u->ejected && start && block_present(u->block);
        u->ejected = !start;
    }
    return start || u->cdrom ? SCSI_DONE : SCSI_FLUSH;
}

static ScsiAction cd_command(ScsiUnit *u, const uint8_t *cdb, ScsiWork *w)
{
    switch (cdb[0]) {
    case READ_TOC:
        return read_toc(u, cdb, w);
    case READ_DISC_INFORMATION:
        return read_disc_information(cdb, w);
    case MECHANISM_STATUS:
        return reply(w, 8, get16(cdb + 8));
    default:
        return refuse(u, KEY_ILLEGAL, ASC_INVALID_COMMAND, 0);
    }
}

/* --- blocks ------------------------------------------------------------------------------------ */

static void block_range(const uint8_t *cdb, uint64_t *lba, uint64_t *count)
{
    switch (cdb[0] >> 5) {
    case 0:
        *lba = (cdb[1] & 31) << 16 | get16(cdb + 2);
        *count = cdb[4] ? cdb[4] : 256;
        break;
    case 1:
        *lba = get32(cdb + 2);
        *count = get16(cdb + 7);
        break;
    case 4:
        *lba = (uint64_t)get32(cdb + 2) << 32 | get32(cdb + 6);
        *count = get32(cdb + 10);
        break;
    default:
        *lba = get32(cdb + 2);
        *count = get32(cdb + 6);
        break;
    }
}

static ScsiAction transfer(ScsiUnit *u, const uint8_t *cdb, ScsiWork *w, ScsiAction action)
{
    uint64_t lba, count;

    block_range(cdb, &lba, &count);
    if (action != SCSI_READ && action != SCSI_DONE && (u->cdrom || block_read_only(u->block))) {
        return refuse(u, KEY_PROTECT, ASC_WRITE_PROTECTED, 0);
    }
    if (lba > blocks(u) || count > blocks(u) - lba) {
        return refuse(u, KEY_ILLEGAL, ASC_OUT_OF_RANGE, 0);
    }
    w->offset = lba * block_bytes(u);
    w->bytes = count * block_bytes(u);
    if (action == SCSI_WRITE && cdb[0] != WRITE_6 && (cdb[1] & 8)) {
        action = SCSI_WRITE_FLUSH;          /* FUA */
    }
    return count ? action : SCSI_DONE;
}

static ScsiAction medium_command(ScsiUnit *u, const uint8_t *cdb, ScsiWork *w)
{
    switch (cdb[0]) {
    case TEST_UNIT_READY:
        return SCSI_DONE;
    case SEEK_10:
        return get32(cdb + 2) < blocks(u) ? SCSI_DONE
               : refuse(u, KEY_ILLEGAL, ASC_OUT_OF_RANGE, 0);
    case READ_CAPACITY_10:
        return read_capacity_10(u, w);
    case SERVICE_IN_16:
        return read_capacity_16(u, cdb, w);
    case READ_FORMAT_CAPACITIES:
        return read_format_capacities(u, cdb, w);
    case READ_6:
    case READ_10:
    case READ_12:
    case READ_16:
        return transfer(u, cdb, w, SCSI_READ);
    case WRITE_6:
    case WRITE_10:
    case WRITE_12:
    case WRITE_16:
        return transfer(u, cdb, w, SCSI_WRITE);
    case WRITE_VERIFY_10:
        return transfer(u, cdb, w, SCSI_WRITE_FLUSH);
    case VERIFY_10:
    case VERIFY_16:
        return cdb[1] & 2 ? refuse(u, KEY_ILLEGAL, ASC_INVALID_FIELD, 0)
               : transfer(u, cdb, w, SCSI_DONE);
    case SYNCHRONIZE_10:
    case SYNCHRONIZE_16:
        return u->cdrom ? SCSI_DONE : SCSI_FLUSH;
    default:
        return u->cdrom ? cd_command(u, cdb, w) : refuse(u, KEY_ILLEGAL, ASC_INVALID_COMMAND, 0);
    }
}

/* Commands that need no medium; *known: it was one of them. */
static ScsiAction unit_command(ScsiUnit *u, const uint8_t *cdb, ScsiWork *w, bool *known)
{
    *known = true;
    switch (cdb[0]) {
    case MODE_SENSE_6:
    case MODE_SENSE_10:
        return mode_sense(u, cdb, w, cdb[0] == MODE_SENSE_10);
    case MODE_SELECT_6:
    case MODE_SELECT_10:
        return mode_select(u, cdb, w, cdb[0] == MODE_SELECT_10 ? get16(cdb + 7) : cdb[4]);
    case START_STOP:
        return start_stop(u, cdb);
    case SEND_DIAGNOSTIC:
        return cdb[1] & 4 ? SCSI_DONE : refuse(u, KEY_ILLEGAL, ASC_INVALID_FIELD, 0);
    case PREVENT_ALLOW:
        u->locked = cdb[4] & 1;
        return SCSI_DONE;
    }
    *known = u->cdrom && (cdb[0] == GET_CONFIGURATION || cdb[0] == GET_EVENT_STATUS);
    return !*known ? SCSI_FAILED : cdb[0] == GET_CONFIGURATION ? get_configuration(u, cdb, w)
           : get_event_status(u, cdb, w);
}

ScsiAction scsi_command(ScsiUnit *u, const uint8_t cdb[SCSI_CDB_MAX], unsigned len, ScsiWork *w)
{
    static const uint8_t lengths[8] = { 6, 10, 10, 0, 16, 12, 0, 0 };
    bool known;
    ScsiAction action;

    *w = (ScsiWork){ 0 };
    if (!lengths[cdb[0] >> 5] || len < lengths[cdb[0] >> 5]) {
        return refuse(u, KEY_ILLEGAL, ASC_INVALID_COMMAND, 0);
    }
    switch (cdb[0]) {
    case REQUEST_SENSE:
        return request_sense(u, cdb, w);
    case INQUIRY:
        return inquiry(u, cdb, w);
    case REPORT_LUNS:
        w->reply[3] = 8;
        return reply(w, 16, get32(cdb + 6));
    }
    scsi_sense(u, KEY_NONE, 0, 0);
    action = unit_command(u, cdb, w, &known);
    if (known) {
        return action;
    }
    if (u->ejected || !blocks(u)) {
        return refuse(u, KEY_NOT_READY, ASC_NO_MEDIUM, u->ejected ? 2 : 0);
    }
    if (u->attention) {
        u->attention = false;
        return refuse(u, KEY_ATTENTION, ASC_MEDIUM_CHANGED, 0);
    }
    return medium_command(u, cdb, w);
}

const StateField scsi_state[] = {
    STATE_U8(ScsiUnit, sense_key), STATE_U8(ScsiUnit, asc), STATE_U8(ScsiUnit, ascq),
    STATE_BOOL(ScsiUnit, ejected), STATE_BOOL(ScsiUnit, locked), STATE_BOOL(ScsiUnit, attention),
    STATE_END
};
