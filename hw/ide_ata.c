/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ide_ata.c - the table of an ATA disk's commands (ATA/ATAPI-7, T13/1532D; TRIM from ACS-2) with
 * those a CD-ROM drive shares, and the transfers between the host and the medium.  An address range
 * that passes the disk's end fails as a whole, with nothing transferred.  No security (nowhere to
 * keep a password), queueing, streaming, DOWNLOAD MICROCODE, configuration overlay, APM or CFA: their
 * commands abort, as on a drive without them.
 */
#include "hw/ide.h"
#include <errno.h>
#include <string.h>

typedef struct AtaCommand {
    uint8_t opcode;
    uint8_t flags;
    const char *name;
    void (*run)(IdeDrive *d, unsigned flags);
} AtaCommand;

static const AtaCommand *ata_find(uint8_t opcode);
static void ata_read_chunk(IdeDrive *d);

enum { TRIM_BLOCKS = 8, TRIM_FEATURE = 1 };

static void ata_abort(IdeDrive *d)
{
    ide_fail(d, ERROR_ABRT, 0);
}

/* --- addresses --- */

static bool ata_lba48(const IdeDrive *d)
{
    const AtaCommand *c = ata_find(d->command);

    return c && (c->flags & CMD_EXT);
}

void ide_ata_set_lba(IdeDrive *d, uint64_t lba)
{
    uint64_t cylinder, rest;

    if (ata_lba48(d) || (d->device & DEVICE_LBA)) {
        d->lba_low[0] = lba;
        d->lba_mid[0] = lba >> 8;
        d->lba_high[0] = lba >> 16;
        if (ata_lba48(d)) {
            d->lba_low[1] = lba >> 24;
            d->lba_mid[1] = lba >> 32;
            d->lba_high[1] = lba >> 40;
        } else {
            d->device = (d->device & 0xf0) | (lba >> 24 & 0x0f);
        }
        return;
    }
    rest = lba / MAX(d->track, 1);
    cylinder = rest / MAX(d->heads, 1);
    d->lba_low[0] = lba % MAX(d->track, 1) + 1;
    d->lba_mid[0] = cylinder;
    d->lba_high[0] = cylinder >> 8;
    d->device = (d->device & 0xf0) | (rest % MAX(d->heads, 1) & 0x0f);
}

uint64_t ide_ata_lba(const IdeDrive *d, bool ext)
{
    uint64_t lba = d->lba_low[0] | d->lba_mid[0] << 8 | d->lba_high[0] << 16;

    if (!ext)
        return lba | (uint64_t)(d->device & 0x0f) << 24;
    return lba | (uint64_t)d->lba_low[1] << 24 | (uint64_t)d->lba_mid[1] << 32 |
           (uint64_t)d->lba_high[1] << 40;
}

/* Sets d->lba and d->left from the registers; false: the command has failed with IDNF. */
bool ide_ata_range(IdeDrive *d, bool ext)
{
    uint64_t lba;
    uint32_t count;
    unsigned head = d->device & 0x0f;
    bool valid = true;

    if (ext) {
        lba = ide_ata_lba(d, true);
        count = d->count[0] | d->count[1] << 8;
        count = count ? count : 65536;
    } else {
        count = d->count[0] ? d->count[0] : 256;
        if (d->device & DEVICE_LBA) {
            lba = ide_ata_lba(d, false);
        } else {
            unsigned cylinder = d->lba_mid[0] | d->lba_high[0] << 8;
            valid = d->lba_low[0] && d->lba_low[0] <= d->track && head < d->heads;
            lba = ((uint64_t)cylinder * d->heads + head) * d->track + d->lba_low[0] - 1;
        }
    }
    if (!valid || lba >= d->sectors || count > d->sectors - lba) {
        ide_fail(d, ERROR_IDNF, 0);
        return false;
    }
    d->lba = lba;
    d->left = count;
    return true;
}

/* --- errors of the image --- */

static void ata_image_failed(IdeDrive *d, uint64_t lba, bool write)
{
    d->left = 0;
    ide_ata_set_lba(d, lba);
    if (write)
        ide_fail(d, ERROR_ABRT, STATUS_DF);
    else
        ide_fail(d, ERROR_UNC, 0);
    ide_smart_note_error(d);
}

/* --- flush, alone or behind writes --- */

static void ata_flushed(void *opaque, int error)
{
    IdeDrive *d = opaque;

    io_changed(d->bus->dev);
    d->request = NULL;
    d->flushing = false;
    if (error)
        ide_fail(d, ERROR_ABRT, STATUS_DF);
    else
        ide_done(d);
}

void ide_ata_flush(IdeDrive *d)
{
    if (d->cdrom) {
        ide_done(d);
        return;
    }
    d->phase = IDE_BUSY;
    d->status = STATUS_DRDY | STATUS_BSY;
    d->flushing = true;
    d->request = block_flush(d->block, ata_flushed, d);
}

static void ata_flush(IdeDrive *d, unsigned flags)
{
    (void)flags;
    ide_ata_flush(d);
}

/* Without a write cache, and for FUA, data is on stable storage before the command ends. */
static void ata_written(IdeDrive *d)
{
    const AtaCommand *c = ata_find(d->command);

    if (!d->write_cache || (c && (c->flags & CMD_FUA)))
        ide_ata_flush(d);
    else
        ide_done(d);
}

/* --- PIO --- */

static uint32_t ata_block_sectors(const IdeDrive *d)
{
    const AtaCommand *c = ata_find(d->command);

    return c && (c->flags & CMD_MULTIPLE) && d->multiple ? d->multiple : 1;
}

static void ata_chunk_read(void *opaque, int error)
{
    IdeDrive *d = opaque;
    const AtaCommand *c = ata_find(d->command);
    uint32_t sectors = d->filled / IDE_SECTOR;

    io_changed(d->bus->dev);
    d->request = NULL;
    if (error && !d->single) {          /* the good sectors before the bad one are due */
        d->single = true;
        ata_read_chunk(d);
        return;
    }
    if (error) {
        ata_image_failed(d, d->lba, false);
        return;
    }
    d->lba += sectors;
    d->left -= MIN(sectors, d->left);
    d->smart.sectors_read += sectors;
    if (!c || !(c->flags & CMD_VERIFY)) {
        ide_pio_in(d, MIN(ata_block_sectors(d) * IDE_SECTOR, d->filled), true);
        return;
    }
    if (d->left)
        ata_read_chunk(d);
    else
        ide_done(d);
}

static void ata_read_chunk(IdeDrive *d)
{
    uint32_t most = d->single ? ata_block_sectors(d) : IDE_BUFFER / IDE_SECTOR;
    uint32_t sectors = MIN(d->left, most);
    struct iovec iov = { d->buffer, (size_t)sectors * IDE_SECTOR };

    d->pos = 0;
    d->filled = iov.iov_len;
    d->phase = IDE_BUSY;
    d->status = STATUS_DRDY | STATUS_DSC | STATUS_BSY;
    d->request = block_readv(d->block, d->lba * IDE_SECTOR, &iov, 1, ata_chunk_read, d);
}

static void ata_block_written(void *opaque, int error)
{
    IdeDrive *d = opaque;
    uint32_t sectors = MIN(d->drq_end / IDE_SECTOR, d->left);

    io_changed(d->bus->dev);
    d->request = NULL;
    if (error) {
        ata_image_failed(d, d->lba, true);
        return;
    }
    d->lba += sectors;
    d->left -= sectors;
    d->smart.sectors_written += sectors;
    if (!d->left) {
        ata_written(d);
        return;
    }
    d->pos = 0;
    ide_pio_out(d, MIN(ata_block_sectors(d), d->left) * IDE_SECTOR, true);
}

void ide_ata_pio_done(IdeDrive *d)
{
    const AtaCommand *c = ata_find(d->command);

    if (d->phase == IDE_PIO_OUT && c && (c->flags & CMD_BUFFER)) {
        ide_done(d);
    } else if (d->phase == IDE_PIO_OUT) {
        uint32_t have = MIN(d->drq_end / IDE_SECTOR, d->left), next = ata_block_sectors(d);
        struct iovec iov = { d->buffer, have * IDE_SECTOR };

        /* The image gets as much of the command at once as the buffer holds. */
        next = MIN(next, d->left - have);
        if (next && (have + next) * IDE_SECTOR <= IDE_BUFFER) {
            ide_pio_out(d, next * IDE_SECTOR, true);
            return;
        }
        d->phase = IDE_BUSY;
        d->status = STATUS_DRDY | STATUS_DSC | STATUS_BSY;
        d->request = block_writev(d->block, d->lba * IDE_SECTOR, &iov, 1, ata_block_written, d);
    } else if (d->pos < d->filled) {
        ide_pio_in(d, MIN(ata_block_sectors(d) * IDE_SECTOR, d->filled - d->pos), true);
    } else if (d->left) {
        ata_read_chunk(d);
    } else {
        d->phase = IDE_IDLE;
        d->status = STATUS_DRDY | STATUS_DSC;
    }
}

static bool ata_begin(IdeDrive *d, unsigned flags)
{
    if ((flags & CMD_MULTIPLE) && !d->multiple) {
        ata_abort(d);
        return false;
    }
    if ((flags & CMD_WRITE) && block_read_only(d->block)) {
        ata_abort(d);
        return false;
    }
    d->power = POWER_ACTIVE;
    d->single = false;
    d->pos = 0;
    return ide_ata_range(d, flags & CMD_EXT);
}

static void ata_pio_read(IdeDrive *d, unsigned flags)
{
    if (ata_begin(d, flags))
        ata_read_chunk(d);
}

static void ata_pio_write(IdeDrive *d, unsigned flags)
{
    if (ata_begin(d, flags))
        ide_pio_out(d, MIN(ata_block_sectors(d), d->left) * IDE_SECTOR, false);
}

/* --- DMA --- */

static void ata_dma(IdeDrive *d, unsigned flags)
{
    if (ata_begin(d, flags))
        ide_dma_image(d, flags & CMD_WRITE ? IDE_DMA_OUT : IDE_DMA_IN, d->lba * IDE_SECTOR,
                      (uint64_t)d->left * IDE_SECTOR);
}

/* --- TRIM --- */

static uint64_t ata_trim_entry(const IdeDrive *d, uint32_t index, uint64_t *sectors)
{
    uint64_t entry;

    memcpy(&entry, d->buffer + (size_t)index * sizeof(entry), sizeof(entry));
    entry = GUINT64_FROM_LE(entry);
    *sectors = entry >> 48;
    return entry & 0xffffffffffffull;
}

static void ata_trim_next(void *opaque, int error)
{
    IdeDrive *d = opaque;
    uint64_t lba = 0, sectors = 0;

    io_changed(d->bus->dev);
    d->request = NULL;
    if (error) {
        ide_fail(d, ERROR_ABRT, STATUS_DF);
        return;
    }
    while (d->trim_index < d->filled / 8 && !sectors)
        lba = ata_trim_entry(d, d->trim_index++, &sectors);
    if (!sectors) {
        ide_done(d);
        return;
    }
    d->request = block_discard(d->block, lba * IDE_SECTOR, sectors * IDE_SECTOR, ata_trim_next, d);
}

/* All ranges are checked before the first has an effect. */
static void ata_trim_list(IdeDrive *d)
{
    for (uint32_t i = 0; i < d->drq_end / 8; i++) {
        uint64_t sectors, lba = ata_trim_entry(d, i, &sectors);
        if (sectors && (lba >= d->sectors || sectors > d->sectors - lba)) {
            ide_fail(d, ERROR_ABRT | ERROR_IDNF, 0);
            return;
        }
    }
    d->filled = d->drq_end;
    d->trim_index = 0;
    d->phase = IDE_BUSY;
    d->status = STATUS_DRDY | STATUS_BSY;
    ata_trim_next(d, 0);
}

static void ata_data_set_management(IdeDrive *d, unsigned flags)
{
    uint32_t blocks = d->count[0] | d->count[1] << 8;

    (void)flags;
    if (!(d->feature[0] & TRIM_FEATURE) || !blocks || blocks > TRIM_BLOCKS ||
        block_read_only(d->block))
        ata_abort(d);
    else
        ide_dma_buffer(d, IDE_DMA_OUT, blocks * IDE_SECTOR);
}

void ide_ata_dma_done(IdeDrive *d, int error)
{
    const AtaCommand *c = ata_find(d->command);
    bool write = c && (c->flags & CMD_WRITE);

    if (d->buffered_dma) {
        ata_trim_list(d);
    } else if (error) {
        ata_image_failed(d, d->dma_offset / IDE_SECTOR, write);
    } else if (write) {
        d->smart.sectors_written += d->left;
        ata_written(d);
    } else {
        d->smart.sectors_read += d->left;
        ide_done(d);
    }
}

/* --- commands without data, and identification --- */

static void ata_identify(IdeDrive *d, unsigned flags)
{
    (void)flags;
    if (d->cdrom) {                     /* how ATAPI drives tell what they are */
        ide_drive_signature(d);
        ata_abort(d);
        return;
    }
    ide_identify_disk(d, d->buffer);
    d->pos = 0;
    d->left = 0;
    d->filled = IDE_SECTOR;
    ide_pio_in(d, IDE_SECTOR, true);
}

static void ata_identify_packet(IdeDrive *d, unsigned flags)
{
    (void)flags;
    ide_identify_cdrom(d, d->buffer);
    d->pos = 0;
    d->left = 0;
    d->filled = IDE_SECTOR;
    ide_pio_in(d, IDE_SECTOR, true);
}

static void ata_read_sectors(IdeDrive *d, unsigned flags)
{
    if (d->cdrom)
        ata_identify(d, flags);
    else
        ata_pio_read(d, flags);
}

static void ata_no_data(IdeDrive *d, unsigned flags)
{
    (void)flags;
    ide_done(d);
}

static void ata_read_buffer(IdeDrive *d, unsigned flags)
{
    (void)flags;
    d->pos = 0;
    d->left = 0;
    d->filled = IDE_SECTOR;
    ide_pio_in(d, IDE_SECTOR, true);
}

static void ata_write_buffer(IdeDrive *d, unsigned flags)
{
    (void)flags;
    d->pos = 0;
    ide_pio_out(d, IDE_SECTOR, false);
}

static void ata_packet(IdeDrive *d, unsigned flags)
{
    (void)flags;
    ide_atapi_packet(d);
}

static void ata_nop(IdeDrive *d, unsigned flags)
{
    (void)flags;
    ata_abort(d);
}

/* 10h-1Fh and 70h-7Fh are one command each; they are listed by their first opcode. */
static const AtaCommand ata_commands[] = {
    { 0x00, FOR_BOTH, "NOP", ata_nop },
    { 0x06, FOR_DISK | CMD_EXT | CMD_WRITE, "DATA SET MANAGEMENT", ata_data_set_management },
    { 0x08, FOR_CD, "DEVICE RESET", ide_ctl_device_reset },
    { 0x10, FOR_DISK, "RECALIBRATE", ata_no_data },
    { 0x20, FOR_BOTH, "READ SECTORS", ata_read_sectors },
    { 0x21, FOR_DISK, "READ SECTORS", ata_pio_read },
    { 0x24, FOR_DISK | CMD_EXT, "READ SECTORS EXT", ata_pio_read },
    { 0x25, FOR_DISK | CMD_EXT, "READ DMA EXT", ata_dma },
    { 0x27, FOR_DISK | CMD_EXT, "READ NATIVE MAX ADDRESS EXT", ide_ctl_native_max },
    { 0x29, FOR_DISK | CMD_EXT | CMD_MULTIPLE, "READ MULTIPLE EXT", ata_pio_read },
    { 0x30, FOR_DISK | CMD_WRITE, "WRITE SECTORS", ata_pio_write },
    { 0x31, FOR_DISK | CMD_WRITE, "WRITE SECTORS", ata_pio_write },
    { 0x34, FOR_DISK | CMD_EXT | CMD_WRITE, "WRITE SECTORS EXT", ata_pio_write },
    { 0x35, FOR_DISK | CMD_EXT | CMD_WRITE, "WRITE DMA EXT", ata_dma },
    { 0x37, FOR_DISK | CMD_EXT, "SET MAX ADDRESS EXT", ide_ctl_set_max },
    { 0x39, FOR_DISK | CMD_EXT | CMD_MULTIPLE | CMD_WRITE, "WRITE MULTIPLE EXT", ata_pio_write },
    { 0x3d, FOR_DISK | CMD_EXT | CMD_WRITE | CMD_FUA, "WRITE DMA FUA EXT", ata_dma },
    { 0x40, FOR_DISK | CMD_VERIFY, "READ VERIFY SECTORS", ata_pio_read },
    { 0x41, FOR_DISK | CMD_VERIFY, "READ VERIFY SECTORS", ata_pio_read },
    { 0x42, FOR_DISK | CMD_EXT | CMD_VERIFY, "READ VERIFY SECTORS EXT", ata_pio_read },
    { 0x70, FOR_DISK, "SEEK", ide_ctl_seek },
    { 0x90, FOR_BOTH, "EXECUTE DEVICE DIAGNOSTIC", ide_ctl_diagnose },
    { 0x91, FOR_DISK, "INITIALIZE DEVICE PARAMETERS", ide_ctl_init_parameters },
    { 0x94, FOR_BOTH, "STANDBY IMMEDIATE", ide_ctl_standby },
    { 0x95, FOR_BOTH, "IDLE IMMEDIATE", ide_ctl_idle },
    { 0x96, FOR_DISK, "STANDBY", ide_ctl_standby },
    { 0x97, FOR_DISK, "IDLE", ide_ctl_idle },
    { 0x98, FOR_BOTH, "CHECK POWER MODE", ide_ctl_check_power },
    { 0x99, FOR_BOTH, "SLEEP", ide_ctl_sleep },
    { 0xa0, FOR_CD, "PACKET", ata_packet },
    { 0xa1, FOR_CD, "IDENTIFY PACKET DEVICE", ata_identify_packet },
    { 0xb0, FOR_DISK, "SMART", ide_smart_command },
    { 0xc4, FOR_DISK | CMD_MULTIPLE, "READ MULTIPLE", ata_pio_read },
    { 0xc5, FOR_DISK | CMD_MULTIPLE | CMD_WRITE, "WRITE MULTIPLE", ata_pio_write },
    { 0xc6, FOR_DISK, "SET MULTIPLE MODE", ide_ctl_set_multiple },
    { 0xc8, FOR_DISK, "READ DMA", ata_dma },
    { 0xc9, FOR_DISK, "READ DMA", ata_dma },
    { 0xca, FOR_DISK | CMD_WRITE, "WRITE DMA", ata_dma },
    { 0xcb, FOR_DISK | CMD_WRITE, "WRITE DMA", ata_dma },
    { 0xce, FOR_DISK | CMD_EXT | CMD_MULTIPLE | CMD_WRITE | CMD_FUA, "WRITE MULTIPLE FUA EXT",
      ata_pio_write },
    { 0xe0, FOR_BOTH, "STANDBY IMMEDIATE", ide_ctl_standby },
    { 0xe1, FOR_BOTH, "IDLE IMMEDIATE", ide_ctl_idle },
    { 0xe2, FOR_DISK, "STANDBY", ide_ctl_standby },
    { 0xe3, FOR_DISK, "IDLE", ide_ctl_idle },
    { 0xe4, FOR_DISK | CMD_BUFFER, "READ BUFFER", ata_read_buffer },
    { 0xe5, FOR_BOTH, "CHECK POWER MODE", ide_ctl_check_power },
    { 0xe6, FOR_BOTH, "SLEEP", ide_ctl_sleep },
    { 0xe7, FOR_DISK, "FLUSH CACHE", ata_flush },
    { 0xe8, FOR_DISK | CMD_BUFFER, "WRITE BUFFER", ata_write_buffer },
    { 0xea, FOR_DISK | CMD_EXT, "FLUSH CACHE EXT", ata_flush },
    { 0xec, FOR_BOTH, "IDENTIFY DEVICE", ata_identify },
    { 0xef, FOR_BOTH, "SET FEATURES", ide_ctl_set_features },
    { 0xf8, FOR_DISK, "READ NATIVE MAX ADDRESS", ide_ctl_native_max },
    { 0xf9, FOR_DISK, "SET MAX ADDRESS", ide_ctl_set_max },
};

static const AtaCommand *ata_find(uint8_t opcode)
{
    if ((opcode & 0xf0) == 0x10 || (opcode & 0xf0) == 0x70)
        opcode &= 0xf0;
    for (unsigned i = 0; i < G_N_ELEMENTS(ata_commands); i++)
        if (ata_commands[i].opcode == opcode)
            return &ata_commands[i];
    return NULL;
}

void ide_ata_command(IdeDrive *d, uint8_t opcode)
{
    const AtaCommand *c = ata_find(opcode);

    ide_ctl_begin(d, opcode);
    d->command = opcode;
    d->error = 0;
    d->status = STATUS_DRDY | STATUS_DSC;
    ide_smart_note_command(d);
    if (!c || !(c->flags & (d->cdrom ? FOR_CD : FOR_DISK)))
        ata_abort(d);
    else
        c->run(d, c->flags);
}
