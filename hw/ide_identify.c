/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ide_identify.c - the 512 bytes of IDENTIFY DEVICE and IDENTIFY PACKET DEVICE (ATA/ATAPI-7,
 * 6.17 and 6.18; words 105, 169 and 217 from ACS-2).
 */
#include "hw/ide.h"
#include <string.h>

#define IDENTIFY_WORDS 256
#define LBA28_MAX 0x0fffffffull

static void identify_text(uint16_t *words, const char *text, unsigned bytes)
{
    uint8_t *out = (uint8_t *)words;
    size_t len = strlen(text);

    for (unsigned i = 0; i < bytes; i++)            /* the first character is the high byte */
        out[i ^ 1] = i < len ? (uint8_t)text[i] : ' ';
}

static void identify_u32(uint16_t *words, uint32_t value)
{
    words[0] = value;
    words[1] = value >> 16;
}

/* Words in host order become the guest's, with the integrity word at the end. */
static void identify_store(uint16_t *words, uint8_t *buf)
{
    uint8_t sum = 0xa5;

    words[255] = 0xa5;
    for (unsigned i = 0; i < IDENTIFY_WORDS; i++) {
        buf[2 * i] = words[i];
        buf[2 * i + 1] = words[i] >> 8;
    }
    for (unsigned i = 0; i < 510; i++)
        sum += buf[i];
    buf[511] = -sum;
}

static void identify_modes(const IdeDrive *d, uint16_t *w)
{
    unsigned mode = d->transfer_mode & 7;

    w[53] = 0x0007;                                 /* words 54-58, 64-70 and 88 are valid */
    w[63] = 0x0007;
    w[88] = 0x003f;
    if (d->transfer_mode >> 3 == 4)
        w[63] |= 0x0100 << mode;
    else
        w[88] |= 0x0100 << mode;
    w[64] = 0x0003;                                 /* PIO modes 3, 4 */
    w[65] = w[66] = w[67] = w[68] = 120;            /* ns */
    w[93] = d->unit ? 0x6b00 : 0x600b;              /* 80-wire cable, passed diagnostics */
}

static uint16_t identify_cylinders(uint64_t sectors, unsigned heads, unsigned track)
{
    uint64_t cylinders = sectors / MAX((uint64_t)heads * track, 1);

    return CLAMP(cylinders, 1, 16383);
}

void ide_identify_disk(const IdeDrive *d, uint8_t *buf)
{
    uint16_t w[IDENTIFY_WORDS] = { 0 };
    uint16_t cylinders = identify_cylinders(d->sectors, d->heads, d->track);
    uint64_t lba48 = d->sectors;

    w[0] = 0x0040;                                  /* fixed drive */
    w[1] = identify_cylinders(d->sectors, 16, 63);
    w[3] = 16;
    w[6] = 63;
    identify_text(w + 10, d->serial, 20);
    w[20] = 3;
    w[21] = IDE_BUFFER / IDE_SECTOR;
    identify_text(w + 23, "1.0", 8);
    identify_text(w + 27, "Guesthouse HARDDISK", 40);
    w[47] = 0x8000 | IDE_MULTIPLE;
    w[48] = 1;                                      /* 32-bit data port */
    w[49] = 0x2f00;                                 /* standby timer, IORDY, LBA, DMA */
    w[50] = 0x4000;
    w[51] = w[52] = 0x0200;
    w[54] = cylinders;
    w[55] = d->heads;
    w[56] = d->track;
    identify_u32(w + 57, (uint32_t)cylinders * d->heads * d->track);
    w[59] = d->multiple ? 0x0100 | d->multiple : 0;
    identify_u32(w + 60, MIN(lba48, LBA28_MAX));
    identify_modes(d, w);
    w[80] = 0x00f0;                                 /* ATA-4 to ATA-7 */
    w[82] = 0x7469;                 /* NOP, buffers, HPA, look-ahead, write cache, power, SMART */
    w[83] = 0x7400;                                 /* FLUSH (EXT), 48-bit */
    w[84] = 0x4043;                                 /* FUA writes, SMART self-test and error log */
    w[85] = 0x7408 | (d->look_ahead ? 0x40 : 0) | (d->write_cache ? 0x20 : 0) |
            (d->smart.enabled ? 0x01 : 0);
    w[86] = 0x3400;
    w[87] = 0x4043;
    identify_u32(w + 100, lba48);
    identify_u32(w + 102, lba48 >> 32);
    w[105] = 8;                                     /* TRIM blocks at most */
    w[169] = block_read_only(d->block) ? 0 : 1;     /* TRIM */
    w[217] = 1;                                     /* not rotating */
    identify_store(w, buf);
}

void ide_identify_cdrom(const IdeDrive *d, uint8_t *buf)
{
    uint16_t w[IDENTIFY_WORDS] = { 0 };

    w[0] = 0x85c0;                  /* ATAPI CD-ROM, removable, DRQ within 50 us, 12-byte packets */
    identify_text(w + 10, d->serial, 20);
    w[20] = 3;
    w[21] = IDE_BUFFER / IDE_SECTOR;
    identify_text(w + 23, "1.0", 8);
    identify_text(w + 27, "Guesthouse CD-ROM", 40);
    w[48] = 1;
    w[49] = 0x0b00;                                 /* IORDY, LBA, DMA */
    w[51] = w[52] = 0x0200;
    identify_modes(d, w);
    w[71] = 30;                                     /* ns, PACKET to bus release */
    w[72] = 30;
    w[80] = 0x00f0;                                 /* ATA-4 to ATA-7 */
    w[82] = 0x4218;                                 /* NOP, DEVICE RESET, PACKET, power */
    w[83] = 0x4000;
    w[84] = 0x4000;
    w[85] = 0x4218;
    w[87] = 0x4000;
    identify_store(w, buf);
}
