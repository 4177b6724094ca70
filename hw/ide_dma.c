/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ide_dma.c - the bus master of an IDE channel ("Programming Interface for Bus Master IDE
 * Controller", rev. 1.0; PIIX3 data sheet).  Image data goes straight between the image and guest
 * memory.  A table that ends early stops the engine and leaves the drive waiting, as the interface
 * says, having moved whole sectors only; one that is longer leaves the engine active.  Addresses
 * without RAM read as ones and swallow data.
 */
#include "hw/ide.h"
#include <string.h>
#include <sys/uio.h>

enum { MASTER_START = 1, MASTER_TO_MEMORY = 8 };
enum { MASTER_ACTIVE = 1, MASTER_ERROR = 2, MASTER_INTERRUPT = 4, MASTER_DRIVES = 0x60 };
enum { REG_COMMAND = 0, REG_STATUS = 2, REG_TABLE = 4 };
#define PRD_BYTES 8
#define PRD_LAST 0x80000000u
#define PRDS_MAX 8192           /* a table must not cross a 64 KB boundary */
#define HOLE_BYTES 4096u

void ide_master_init(IdeMaster *m)
{
    m->iov = g_array_new(FALSE, FALSE, sizeof(struct iovec));
    m->spans = g_array_new(FALSE, FALSE, sizeof(IdeDmaSpan));
    m->hole = g_malloc(HOLE_BYTES);
}

void ide_master_finish(IdeMaster *m)
{
    if (m->iov)
        g_array_free(m->iov, TRUE);
    if (m->spans)
        g_array_free(m->spans, TRUE);
    g_free(m->hole);
    m->iov = m->spans = NULL;
    m->hole = NULL;
}

void ide_master_reset(IdeMaster *m)
{
    m->active = m->last = false;
    m->command = m->status = 0;
    m->table = m->prd = m->prds = m->address = m->left = 0;
}

/* --- descriptors --- */

/* Makes m->left non-zero; false: the engine has stopped, at the table's end or at a fault. */
static bool ide_master_region(IdeBus *bus)
{
    IdeMaster *m = &bus->master;
    uint32_t prd[2];

    if (m->left)
        return true;
    if (m->last) {
        m->active = false;
        return false;
    }
    if (m->prds >= PRDS_MAX || !dma_read(bus->dev->machine, m->prd, prd, sizeof(prd))) {
        m->active = false;
        m->status |= MASTER_ERROR;
        return false;
    }
    prd[0] = GUINT32_FROM_LE(prd[0]);
    prd[1] = GUINT32_FROM_LE(prd[1]);
    m->prds++;
    m->prd += PRD_BYTES;
    m->address = prd[0] & ~1u;
    m->left = prd[1] & 0xfffe ? prd[1] & 0xfffe : 0x10000;
    m->left = MIN((uint64_t)m->left, (1ull << 32) - m->address);
    m->last = prd[1] & PRD_LAST;
    return true;
}

static void ide_master_advance(IdeMaster *m, uint32_t len)
{
    m->address += len;
    m->left -= len;
}

/* --- between memory and the drive's buffer --- */

static void ide_drive_dma_done(IdeDrive *d, int error)
{
    IdeMaster *m = &d->bus->master;

    if (m->last && !m->left)
        m->active = false;
    d->phase = IDE_BUSY;
    if (d->cdrom && d->command == 0xa0)
        ide_atapi_dma_done(d, error);
    else
        ide_ata_dma_done(d, error);
}

static void ide_master_buffer(IdeDrive *d)
{
    IdeBus *bus = d->bus;
    IdeMaster *m = &bus->master;

    while (d->pos < d->drq_end) {
        if (!ide_master_region(bus))
            return;
        uint32_t len = MIN(m->left, d->drq_end - d->pos);
        if (d->phase == IDE_DMA_IN)
            dma_write(bus->dev->machine, m->address, d->buffer + d->pos, len);
        else
            dma_read(bus->dev->machine, m->address, d->buffer + d->pos, len);
        d->pos += len;
        ide_master_advance(m, len);
    }
    ide_drive_dma_done(d, 0);
}

/* --- between memory and the image --- */

static void ide_master_add(IdeBus *bus, bool to_memory, uint32_t want)
{
    IdeMaster *m = &bus->master;
    uint64_t len = want;
    struct iovec v = { dma_map(bus->dev->machine, m->address, &len, to_memory), 0 };

    if (v.iov_base) {
        IdeDmaSpan span = { m->address, len };
        g_array_append_val(m->spans, span);
    } else {
        len = MIN(want, HOLE_BYTES - (m->address & (HOLE_BYTES - 1)));
        v.iov_base = m->hole;
    }
    v.iov_len = len;
    struct iovec *last = m->iov->len ? &g_array_index(m->iov, struct iovec, m->iov->len - 1) : NULL;
    if (last && v.iov_base != m->hole && (uint8_t *)last->iov_base + last->iov_len == v.iov_base)
        last->iov_len += len;
    else
        g_array_append_val(m->iov, v);
    m->bytes += len;
    ide_master_advance(m, len);
}

/* Whole sectors only. */
static void ide_master_trim(IdeMaster *m)
{
    size_t extra = m->bytes % IDE_SECTOR;

    m->bytes -= extra;
    while (extra) {
        struct iovec *last = &g_array_index(m->iov, struct iovec, m->iov->len - 1);
        size_t part = MIN(extra, last->iov_len);
        last->iov_len -= part;
        extra -= part;
        if (!last->iov_len)
            g_array_set_size(m->iov, m->iov->len - 1);
    }
}

void ide_master_abandon(IdeBus *bus)
{
    IdeMaster *m = &bus->master;

    for (guint i = 0; i < m->spans->len; i++) {
        const IdeDmaSpan *span = &g_array_index(m->spans, IdeDmaSpan, i);
        dma_written(bus->dev->machine, span->gpa, span->len);
    }
    g_array_set_size(m->spans, 0);
    g_array_set_size(m->iov, 0);
    m->bytes = 0;
}

static void ide_master_image_done(void *opaque, int error)
{
    IdeDrive *d = opaque;
    IdeMaster *m = &d->bus->master;
    uint64_t bytes = m->bytes;

    io_changed(d->bus->dev);
    d->request = NULL;
    if (d->phase != IDE_DMA_IN)
        g_array_set_size(m->spans, 0);
    ide_master_abandon(d->bus);
    if (!error) {
        d->dma_offset += bytes;
        d->dma_left -= bytes;
    }
    if (error || !d->dma_left)
        ide_drive_dma_done(d, error);
    else
        ide_master_run(d->bus);
}

static void ide_master_image(IdeDrive *d)
{
    IdeBus *bus = d->bus;
    IdeMaster *m = &bus->master;
    bool to_memory = d->phase == IDE_DMA_IN;
    const struct iovec *iov;

    while (m->bytes < d->dma_left && ide_master_region(bus))
        ide_master_add(bus, to_memory, MIN(m->left, d->dma_left - m->bytes));
    ide_master_trim(m);
    if (!m->bytes) {
        g_array_set_size(m->spans, 0);
        g_array_set_size(m->iov, 0);
        return;
    }
    /* A stopped engine still finishes what it has fetched: these sectors were asked for. */
    iov = &g_array_index(m->iov, struct iovec, 0);
    if (to_memory) {
        d->request = block_readv(d->block, d->dma_offset, iov, m->iov->len, ide_master_image_done,
                                 d);
        return;
    }
    memset(m->hole, 0xff, HOLE_BYTES);
    d->request = block_writev(d->block, d->dma_offset, iov, m->iov->len, ide_master_image_done, d);
}

void ide_master_run(IdeBus *bus)
{
    IdeMaster *m = &bus->master;

    if (!m->active || m->bytes || !bus->master_allowed(bus))
        return;
    for (unsigned i = 0; i < 2; i++) {
        IdeDrive *d = &bus->drive[bus->selected ^ i];
        if (!ide_drive_present(d) || d->request ||
            (d->phase != IDE_DMA_IN && d->phase != IDE_DMA_OUT))
            continue;
        if (d->buffered_dma)
            ide_master_buffer(d);
        else
            ide_master_image(d);
        return;
    }
}

/* --- registers --- */

uint8_t ide_master_read(const IdeBus *bus, unsigned reg)
{
    const IdeMaster *m = &bus->master;

    switch (reg) {
    case REG_COMMAND: return m->command;
    case REG_STATUS: return m->status | (m->active ? MASTER_ACTIVE : 0);
    case REG_TABLE: case REG_TABLE + 1: case REG_TABLE + 2: case REG_TABLE + 3:
        return m->table >> (8 * (reg - REG_TABLE));
    default: return 0;
    }
}

static void ide_master_command(IdeBus *bus, uint8_t value)
{
    IdeMaster *m = &bus->master;
    uint8_t old = m->command;

    m->command = value & (MASTER_START | MASTER_TO_MEMORY);
    if (value & MASTER_START & ~old) {
        m->active = true;
        m->last = false;
        m->left = m->prds = 0;
        m->prd = m->table;
        ide_master_run(bus);
    } else if (old & MASTER_START & ~value) {
        /* What is in flight ends first: the guest may reuse its memory after this. */
        for (unsigned i = 0; i < 2 && m->bytes; i++)
            if (bus->drive[i].request)
                block_drain(bus->drive[i].block);
        m->active = false;
    }
}

void ide_master_write(IdeBus *bus, unsigned reg, uint8_t value)
{
    IdeMaster *m = &bus->master;
    unsigned shift;

    switch (reg) {
    case REG_COMMAND:
        ide_master_command(bus, value);
        break;
    case REG_STATUS:
        m->status &= ~(value & (MASTER_ERROR | MASTER_INTERRUPT));
        m->status = (m->status & ~MASTER_DRIVES) | (value & MASTER_DRIVES);
        break;
    case REG_TABLE: case REG_TABLE + 1: case REG_TABLE + 2: case REG_TABLE + 3:
        shift = 8 * (reg - REG_TABLE);
        m->table = (m->table & ~(0xffu << shift)) | (uint32_t)value << shift;
        m->table &= ~3u;
        break;
    }
}

const StateField ide_master_state[] = {
    STATE_BOOL(IdeMaster, active), STATE_U8(IdeMaster, command), STATE_U8(IdeMaster, status),
    STATE_U32(IdeMaster, table), STATE_U32(IdeMaster, prd), STATE_U32(IdeMaster, prds),
    STATE_U32(IdeMaster, address), STATE_U32_MAX(IdeMaster, left, 0x10000),
    STATE_BOOL(IdeMaster, last),
    STATE_END
};
