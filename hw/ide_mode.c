/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ide_mode.c - MODE SENSE and MODE SELECT of a CD-ROM drive: the pages of MMC-5 (01h, 0Eh, 1Ah, 1Dh,
 * 2Ah) and of SFF-8020i (0Dh).  What can be changed is kept; none of it changes what the drive does, for
 * it has no retries, no sound, and nothing to spin down.
 */
#include "hw/ide.h"
#include <string.h>

enum { PAGE_CAPABILITIES = 0x2a, PAGE_ALL = 0x3f };
enum { CONTROL_CURRENT, CONTROL_CHANGEABLE, CONTROL_DEFAULT, CONTROL_SAVED };
enum { PAGE_MOST = 20 };

typedef struct ModePage {
    uint8_t len;                        /* with its two bytes of header */
    uint8_t initial[PAGE_MOST], mask[PAGE_MOST];
} ModePage;

/* One behind the other in CdDrive.pages; the last has no place there. */
static const ModePage mode_pages[] = {
    { 12, { 0x01, 10, 0x00, 5 }, { 0, 0, 0x3f, 0xff } },                    /* errors, retries */
    { 8, { 0x0d, 6, 0, 0, 0, 60, 0, 75 }, { 0, 0, 0, 0x0f } },              /* inactivity */
    { 16, { 0x0e, 14, 0x04, 0, 0, 0, 0, 75, 1, 0xff, 2, 0xff },             /* audio */
          { 0, 0, 0x02, 0, 0, 0, 0, 0, 0x0f, 0xff, 0x0f, 0xff, 0x0f, 0xff, 0x0f, 0xff } },
    { 12, { 0x1a, 10 }, { 0, 0, 0, 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },   /* power */
    { 10, { 0x1d, 8, 0, 0, 0, 0, 0, 8, 0, 64 }, { 0, 0, 0, 0, 0x04, 0, 0xff, 0xff, 0xff, 0xff } },
    { 20, { PAGE_CAPABILITIES, 18, 0x1f,        /* reads CD-R, CD-RW, method 2, DVD-ROM, DVD-R */
            0, 0x71,                    /* plays audio, mode 2 forms 1 and 2, multisession */
            0x13,                       /* CD-DA, exactly; C2 bits */
            0x29 }, { 0 } },            /* tray, eject, lock */
};
G_STATIC_ASSERT(12 + 8 + 16 + 12 + 10 == CD_PAGE_BYTES);

static uint16_t mode_get16(const uint8_t *p)
{
    return p[0] << 8 | p[1];
}

static void mode_put16(uint8_t *p, uint16_t value)
{
    p[0] = value >> 8;
    p[1] = value;
}

void ide_mode_reset(IdeDrive *d)
{
    uint8_t *to = d->cd.pages;

    for (unsigned i = 0; i < G_N_ELEMENTS(mode_pages) - 1; to += mode_pages[i].len, i++)
        memcpy(to, mode_pages[i].initial, mode_pages[i].len);
}

/* Where the page is kept; NULL: nowhere. */
static uint8_t *mode_kept(IdeDrive *d, unsigned index)
{
    uint8_t *at = d->cd.pages;

    for (unsigned i = 0; i < index; i++)
        at += mode_pages[i].len;
    return index < G_N_ELEMENTS(mode_pages) - 1 ? at : NULL;
}

static void mode_fill(IdeDrive *d, unsigned index, uint8_t *to, unsigned control)
{
    const ModePage *page = &mode_pages[index];
    const uint8_t *kept = mode_kept(d, index);

    if (control == CONTROL_CHANGEABLE) {
        memcpy(to, page->mask, page->len);
        memcpy(to, page->initial, 2);
        return;
    }
    memcpy(to, page->initial, page->len);
    for (unsigned i = 2; i < page->len && kept && control == CONTROL_CURRENT; i++)
        to[i] = (to[i] & ~page->mask[i]) | (kept[i] & page->mask[i]);
    if (page->initial[0] != PAGE_CAPABILITIES)
        return;
    to[6] |= d->cd.locked & CD_LOCK ? 2 : 0;
    mode_put16(to + 8, CD_SPEED_MAX);
    mode_put16(to + 10, 256);           /* volume levels */
    mode_put16(to + 12, IDE_BUFFER / 1024);
    mode_put16(to + 14, d->cd.speed);
}

static uint8_t mode_medium_type(const IdeDrive *d)
{
    if (d->cd.open)
        return 0x71;
    if (!block_present(d->block))
        return 0x70;
    return ide_cd_dvd(d) ? 0x00 : 0x01;
}

void ide_mode_sense(IdeDrive *d)
{
    const uint8_t *cdb = d->cd.cdb;
    bool ten = cdb[0] == 0x5a;
    unsigned header = ten ? 8 : 4, len = header, control = cdb[2] >> 6, wanted = cdb[2] & 0x3f;
    uint8_t *r = memset(d->buffer, 0, 256);

    if (control == CONTROL_SAVED) {
        ide_atapi_sense(d, SENSE_ILLEGAL, 0x39, 0);
        return;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(mode_pages); i++) {
        if (wanted == PAGE_ALL || wanted == mode_pages[i].initial[0]) {
            mode_fill(d, i, r + len, control);
            len += mode_pages[i].len;
        }
    }
    if (len == header) {
        ide_atapi_sense(d, SENSE_ILLEGAL, 0x24, 0);
        return;
    }
    if (ten) {
        mode_put16(r, len - 2);
        r[2] = mode_medium_type(d);
    } else {
        r[0] = len - 1;
        r[1] = mode_medium_type(d);
    }
    ide_atapi_reply(d, len, ten ? mode_get16(cdb + 7) : cdb[4]);
}

void ide_mode_select(IdeDrive *d)
{
    const uint8_t *cdb = d->cd.cdb;

    if (cdb[1] & 1) {                   /* nothing can be saved */
        ide_atapi_sense(d, SENSE_ILLEGAL, 0x24, 0);
        return;
    }
    ide_atapi_receive(d, cdb[0] == 0x55 ? mode_get16(cdb + 7) : cdb[4]);
}

/* The page's place in the table, if it is whole and as long as ours; -1 else. */
static int mode_find(const uint8_t *p, unsigned left)
{
    for (unsigned i = 0; left >= 2 && i < G_N_ELEMENTS(mode_pages); i++)
        if ((p[0] & 0x3f) == mode_pages[i].initial[0])
            return p[1] + 2u == mode_pages[i].len && left >= mode_pages[i].len ? (int)i : -1;
    return -1;
}

/* All pages are looked at before the first has an effect. */
void ide_mode_received(IdeDrive *d)
{
    bool ten = d->cd.cdb[0] == 0x55;
    unsigned len = d->filled, header = ten ? 8 : 4, at;
    const uint8_t *list = d->buffer;

    at = header + (len < header ? 0 : ten ? mode_get16(list + 6) : list[3]);
    if (len < header || at > len) {
        ide_atapi_sense(d, SENSE_ILLEGAL, 0x1a, 0);         /* list length */
        return;
    }
    for (unsigned p = at; p < len; p += mode_pages[mode_find(list + p, len - p)].len) {
        if (mode_find(list + p, len - p) < 0) {
            ide_atapi_sense(d, SENSE_ILLEGAL, 0x26, 0);     /* a field of the list */
            return;
        }
    }
    while (at < len) {
        int index = mode_find(list + at, len - at);
        uint8_t *kept = mode_kept(d, index);
        if (kept)
            memcpy(kept, list + at, mode_pages[index].len);
        at += mode_pages[index].len;
    }
    ide_atapi_done(d);
}
