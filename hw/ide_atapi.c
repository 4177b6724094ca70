/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ide_atapi.c - the packet transport of a CD-ROM drive (ATA/ATAPI-7, volume 2): the 12
 * packet bytes, data in PIO blocks under the host's byte count limit or by DMA, and the status
 * phase.  What the packets mean is in ide_mmc.c.  No overlap, no pass-through to a real drive.
 */
#include "hw/cd_sector.h"
#include "hw/ide.h"
#include <errno.h>
#include <string.h>

enum { PACKET_DMA = 1, PACKET_OVERLAP = 2, PACKET_BYTES = 12 };
/* As many as fit with all that can be made of them in front of what is not yet read. */
enum { PARTS_CHUNK = 16 };
G_STATIC_ASSERT(PARTS_CHUNK * CD_SECTOR_MOST <= IDE_BUFFER);
enum { REASON_COMMAND = 1, REASON_TO_HOST = 2 };

void ide_atapi_packet(IdeDrive *d)
{
    if (d->feature[0] & PACKET_OVERLAP) {
        ide_fail(d, ERROR_ABRT, 0);
        return;
    }
    d->cd.dma = d->feature[0] & PACKET_DMA;
    d->cd.limit = d->lba_mid[0] | d->lba_high[0] << 8;
    d->cd.packet = true;
    d->cd.receiving = false;
    d->cd.left = 0;
    d->cd.block = 0;
    d->count[0] = REASON_COMMAND;
    d->pos = d->filled = 0;
    ide_pio_out(d, PACKET_BYTES, false);
}

void ide_atapi_done(IdeDrive *d)
{
    d->count[0] = REASON_COMMAND | REASON_TO_HOST;
    d->cd.key = d->cd.asc = d->cd.ascq = 0;
    ide_done(d);
}

void ide_atapi_sense(IdeDrive *d, uint8_t key, uint8_t asc, uint8_t ascq)
{
    d->cd.key = key;
    d->cd.asc = asc;
    d->cd.ascq = ascq;
    d->cd.left = 0;
    d->count[0] = REASON_COMMAND | REASON_TO_HOST;
    ide_fail(d, key << 4 | (key == SENSE_ILLEGAL || key == SENSE_ABORTED ? ERROR_ABRT : 0), 0);
}

/* --- data phases --- */

/* A limit below two can't move anything for ever: such data commands abort. */
static bool atapi_limit_ok(IdeDrive *d)
{
    if (d->cd.dma || d->cd.limit >= 2)
        return true;
    ide_atapi_sense(d, SENSE_ILLEGAL, 0x24, 0);
    return false;
}

/* The next DRQ block out of buffer[pos, filled). */
static uint32_t atapi_block_len(IdeDrive *d, uint8_t reason)
{
    uint32_t limit = MIN(d->cd.limit, 0xfffe), len = d->filled - d->pos;

    if (len > limit) {
        len = limit & ~1u;
        if (d->cd.block && len > d->cd.block)       /* whole disc blocks are kinder to drivers */
            len -= len % d->cd.block;
    }
    d->count[0] = reason;
    d->lba_mid[0] = len;
    d->lba_high[0] = len >> 8;
    return len;
}

static void atapi_send(IdeDrive *d)
{
    d->pos = 0;
    if (d->cd.dma)
        ide_dma_buffer(d, IDE_DMA_IN, d->filled);
    else
        ide_pio_in(d, atapi_block_len(d, REASON_TO_HOST), true);
}

void ide_atapi_reply(IdeDrive *d, uint32_t len, uint32_t allocation)
{
    len = MIN(len, allocation);
    if (!len) {
        ide_atapi_done(d);
        return;
    }
    if (!atapi_limit_ok(d))
        return;
    d->cd.block = 0;
    d->cd.left = 0;
    d->filled = len;
    atapi_send(d);
}

void ide_atapi_receive(IdeDrive *d, uint32_t len)
{
    if (!len) {
        ide_atapi_done(d);
        return;
    }
    if (!atapi_limit_ok(d))
        return;
    d->cd.block = 0;
    d->cd.receiving = true;
    d->pos = 0;
    d->filled = MIN(len, IDE_BUFFER);
    if (d->cd.dma)
        ide_dma_buffer(d, IDE_DMA_OUT, d->filled);
    else
        ide_pio_out(d, atapi_block_len(d, 0), true);
}

/* --- reading the disc --- */

static void atapi_disc_failed(IdeDrive *d, int error)
{
    if (error == ENOMEDIUM)
        ide_atapi_sense(d, SENSE_NOT_READY, 0x3a, 0);
    else
        ide_atapi_sense(d, SENSE_MEDIUM, 0x11, 0);          /* unrecovered read error */
}

/* More than the user data: made of it where it was read to, the buffer's end, from the front. */
static void atapi_make_parts(IdeDrive *d, uint32_t blocks)
{
    const uint8_t *from = d->buffer + IDE_BUFFER - blocks * CD_BLOCK;
    uint8_t user[CD_BLOCK];

    for (uint32_t i = 0; i < blocks; i++) {
        memcpy(user, from + i * CD_BLOCK, CD_BLOCK);
        cd_sector_make(d->buffer + i * d->cd.block, d->cd.lba + i, user, d->cd.parts, d->cd.sub);
    }
}

static bool atapi_has_parts(const IdeDrive *d)
{
    return d->cd.parts || d->cd.sub;
}

static uint32_t atapi_chunk_blocks(const IdeDrive *d)
{
    return MIN(d->cd.left, atapi_has_parts(d) ? PARTS_CHUNK : IDE_BUFFER / CD_BLOCK);
}

static void atapi_chunk_read(void *opaque, int error)
{
    IdeDrive *d = opaque;
    uint32_t blocks = atapi_chunk_blocks(d);

    io_changed(d->bus->dev);
    d->request = NULL;
    if (error) {
        atapi_disc_failed(d, error);
        return;
    }
    if (atapi_has_parts(d))
        atapi_make_parts(d, blocks);
    d->filled = blocks * d->cd.block;
    d->cd.lba += blocks;
    d->cd.left -= blocks;
    atapi_send(d);
}

static void atapi_read_chunk(IdeDrive *d)
{
    size_t len = (size_t)atapi_chunk_blocks(d) * CD_BLOCK;
    struct iovec iov = { atapi_has_parts(d) ? d->buffer + IDE_BUFFER - len : d->buffer, len };

    if ((d->cd.attention & CD_CHANGED) || !ide_cd_ready(d)) {      /* another disc than the one asked for */
        ide_atapi_sense(d, SENSE_NOT_READY, 0x3a, 0);
        return;
    }
    d->phase = IDE_BUSY;
    d->status = STATUS_DRDY | STATUS_BSY;
    d->request = block_readv(d->block, (uint64_t)d->cd.lba * CD_BLOCK, &iov, 1, atapi_chunk_read,
                             d);
}

static void atapi_begin_read(IdeDrive *d, uint32_t lba, uint32_t count, uint16_t block,
                             uint8_t parts, uint8_t sub)
{
    d->cd.lba = lba;
    d->cd.left = count;
    d->cd.block = block;
    d->cd.parts = parts;
    d->cd.sub = sub;
    d->cd.condition = 1;                /* active again */
}

void ide_atapi_read(IdeDrive *d, uint32_t lba, uint32_t count, uint16_t block)
{
    if (!count) {
        ide_atapi_done(d);
        return;
    }
    if (!atapi_limit_ok(d))
        return;
    atapi_begin_read(d, lba, count, block, 0, 0);
    if (d->cd.dma && block == CD_BLOCK) {
        d->cd.lba = lba + count;
        d->cd.left = 0;
        ide_dma_image(d, IDE_DMA_IN, (uint64_t)lba * CD_BLOCK, (uint64_t)count * CD_BLOCK);
    } else {
        atapi_read_chunk(d);
    }
}

void ide_atapi_read_parts(IdeDrive *d, uint32_t lba, uint32_t count, uint8_t parts, uint8_t sub)
{
    if (!atapi_limit_ok(d))
        return;
    atapi_begin_read(d, lba, count, cd_sector_length(parts, sub), parts, sub);
    atapi_read_chunk(d);
}

/* --- ends of data blocks --- */

static void atapi_packet_received(IdeDrive *d)
{
    d->cd.packet = false;
    memcpy(d->cd.cdb, d->buffer, PACKET_BYTES);
    ide_mmc_command(d);
}

void ide_atapi_pio_done(IdeDrive *d)
{
    if (d->phase == IDE_PIO_OUT && d->cd.packet)
        atapi_packet_received(d);
    else if (d->phase == IDE_PIO_OUT && d->pos < d->filled)
        ide_pio_out(d, atapi_block_len(d, 0), true);
    else if (d->phase == IDE_PIO_OUT)
        ide_mmc_received(d);
    else if (d->pos < d->filled)
        ide_pio_in(d, atapi_block_len(d, REASON_TO_HOST), true);
    else if (d->cd.left)
        atapi_read_chunk(d);
    else
        ide_atapi_done(d);
}

void ide_atapi_dma_done(IdeDrive *d, int error)
{
    if (error)
        atapi_disc_failed(d, error);
    else if (!d->buffered_dma)
        ide_atapi_done(d);
    else if (d->cd.left)
        atapi_read_chunk(d);
    else if (d->cd.receiving)
        ide_mmc_received(d);
    else
        ide_atapi_done(d);
}
