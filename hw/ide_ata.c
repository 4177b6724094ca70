/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ide_ata.c - the commands of an ATA disk (ATA/ATAPI-6, with FUA writes and TRIM from ATA-7/8), and
 * those a CD-ROM drive shares.  An address range that passes the disk's end fails as a whole, with
 * nothing transferred.  No SMART, security, host protected area, queueing or CFA: their commands
 * abort, as on a drive without them.
 */
#include "hw/ide.h"
#include <errno.h>
#include <string.h>

enum {                          /* what a command is for and how it transfers */
    FOR_DISK = 1, FOR_CD = 2, FOR_BOTH = 3,
    CMD_EXT = 4,                /* 48-bit */
    CMD_MULTIPLE = 8,           /* DRQ blocks of d->multiple sectors */
    CMD_WRITE = 16,
    CMD_FUA = 32,
    CMD_VERIFY = 64,
};

typedef struct AtaCommand {
    uint8_t opcode;
    uint8_t flags;
    const char *name;
    void (*run)(IdeDrive *d, unsigned flags);
} AtaCommand;

static const AtaCommand *ata_find(uint8_t opcode);
static void ata_read_chunk(IdeDrive *d);

enum { POWER_ACTIVE = 0xff, POWER_STANDBY = 0x00 };
enum { TRIM_BLOCKS = 8, TRIM_FEATURE = 1 };
#define LBA28_SECTORS 0x10000000ull

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

/* Sets d->lba and d->left from the registers; false: the command has failed with IDNF. */
static bool ata_range(IdeDrive *d, bool ext)
{
    uint64_t lba;
    uint32_t count;
    unsigned head = d->device & 0x0f;
    bool valid = true;

    if (ext) {
        lba = d->lba_low[0] | d->lba_mid[0] << 8 | d->lba_high[0] << 16 |
              (uint64_t)d->lba_low[1] << 24 | (uint64_t)d->lba_mid[1] << 32 |
              (uint64_t)d->lba_high[1] << 40;
        count = d->count[0] | d->count[1] << 8;
        count = count ? count : 65536;
    } else {
        count = d->count[0] ? d->count[0] : 256;
        if (d->device & DEVICE_LBA) {
            lba = d->lba_low[0] | d->lba_mid[0] << 8 | d->lba_high[0] << 16 | head << 24;
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
}

/* --- flush, alone or behind writes --- */

static void ata_flushed(void *opaque, int error)
{
    IdeDrive *d = opaque;

    d->request = NULL;
    d->flushing = false;
    if (error)
        ide_fail(d, ERROR_ABRT, STATUS_DF);
    else
        ide_done(d);
}

static void ata_begin_flush(IdeDrive *d)
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
    ata_begin_flush(d);
}

/* Without a write cache, and for FUA, data is on stable storage before the command ends. */
static void ata_written(IdeDrive *d)
{
    const AtaCommand *c = ata_find(d->command);

    if (!d->write_cache || (c && (c->flags & CMD_FUA)))
        ata_begin_flush(d);
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

    d->request = NULL;
    if (error) {
        ata_image_failed(d, d->lba, true);
        return;
    }
    d->lba += sectors;
    d->left -= sectors;
    if (!d->left) {
        ata_written(d);
        return;
    }
    d->pos = 0;
    ide_pio_out(d, MIN(ata_block_sectors(d), d->left) * IDE_SECTOR, true);
}

void ide_ata_pio_done(IdeDrive *d)
{
    if (d->phase == IDE_PIO_OUT) {
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
    d->standby = d->single = false;
    d->pos = 0;
    return ata_range(d, flags & CMD_EXT);
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

    if (d->buffered_dma)
        ata_trim_list(d);
    else if (error)
        ata_image_failed(d, d->dma_offset / IDE_SECTOR, write);
    else if (write)
        ata_written(d);
    else
        ide_done(d);
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

static void ata_diagnose(IdeDrive *d, unsigned flags)
{
    IdeBus *bus = d->bus;

    (void)flags;
    for (unsigned i = 0; i < 2; i++) {
        ide_drive_abort(&bus->drive[i]);
        ide_drive_signature(&bus->drive[i]);
    }
    bus->selected = 0;
    if (ide_drive_present(&bus->drive[0]))
        ide_raise(&bus->drive[0]);
    else
        ide_bus_update_irq(bus);
}

static void ata_device_reset(IdeDrive *d, unsigned flags)
{
    (void)flags;
    ide_drive_abort(d);
    ide_drive_signature(d);
    d->device = d->unit ? DEVICE_1 : 0;
    ide_bus_update_irq(d->bus);
}

static void ata_no_data(IdeDrive *d, unsigned flags)
{
    (void)flags;
    ide_done(d);
}

static void ata_idle(IdeDrive *d, unsigned flags)
{
    (void)flags;
    d->standby = false;
    ide_done(d);
}

static void ata_standby(IdeDrive *d, unsigned flags)
{
    (void)flags;
    d->standby = true;
    ata_begin_flush(d);
}

static void ata_check_power(IdeDrive *d, unsigned flags)
{
    (void)flags;
    d->count[0] = d->standby ? POWER_STANDBY : POWER_ACTIVE;
    ide_done(d);
}

static void ata_seek(IdeDrive *d, unsigned flags)
{
    (void)flags;
    d->count[0] = 1;
    if (ata_range(d, false)) {
        d->left = 0;
        ide_done(d);
    }
}

static void ata_init_parameters(IdeDrive *d, unsigned flags)
{
    (void)flags;
    if (!d->count[0]) {
        ata_abort(d);
        return;
    }
    d->heads = (d->device & 0x0f) + 1;
    d->track = d->count[0];
    ide_done(d);
}

static void ata_set_multiple(IdeDrive *d, unsigned flags)
{
    uint8_t n = d->count[0];

    (void)flags;
    if (n > IDE_MULTIPLE || (n & (n - 1))) {
        ata_abort(d);
        return;
    }
    d->multiple = n;
    ide_done(d);
}

static void ata_native_max(IdeDrive *d, unsigned flags)
{
    uint64_t last = d->sectors ? d->sectors - 1 : 0;

    if (!(flags & CMD_EXT)) {
        d->device |= DEVICE_LBA;
        last = MIN(last, LBA28_SECTORS - 1);
    }
    ide_ata_set_lba(d, last);
    ide_done(d);
}

/* Of SET FEATURES, 03h: count is kind << 3 | mode. */
static bool ata_set_transfer_mode(IdeDrive *d, uint8_t mode)
{
    switch (mode >> 3) {
    case 0: return mode <= 1;
    case 1: return (mode & 7) <= 4;
    case 4:
        if ((mode & 7) > 2)
            return false;
        break;
    case 8:
        if ((mode & 7) > 5)
            return false;
        break;
    default: return false;
    }
    d->transfer_mode = mode;
    return true;
}

static void ata_set_features(IdeDrive *d, unsigned flags)
{
    (void)flags;
    switch (d->feature[0]) {
    case 0x02:
        d->write_cache = true;
        break;
    case 0x82:
        d->write_cache = false;
        ata_begin_flush(d);
        return;
    case 0xaa:
        d->look_ahead = true;
        break;
    case 0x55:
        d->look_ahead = false;
        break;
    case 0x03:
        if (ata_set_transfer_mode(d, d->count[0]))
            break;
        ata_abort(d);
        return;
    case 0x66:                          /* keep or drop settings over a software reset */
    case 0xcc:
        break;
    default:
        ata_abort(d);
        return;
    }
    ide_done(d);
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
    { 0x08, FOR_CD, "DEVICE RESET", ata_device_reset },
    { 0x10, FOR_DISK, "RECALIBRATE", ata_no_data },
    { 0x20, FOR_BOTH, "READ SECTORS", ata_read_sectors },
    { 0x21, FOR_DISK, "READ SECTORS", ata_pio_read },
    { 0x24, FOR_DISK | CMD_EXT, "READ SECTORS EXT", ata_pio_read },
    { 0x25, FOR_DISK | CMD_EXT, "READ DMA EXT", ata_dma },
    { 0x27, FOR_DISK | CMD_EXT, "READ NATIVE MAX ADDRESS EXT", ata_native_max },
    { 0x29, FOR_DISK | CMD_EXT | CMD_MULTIPLE, "READ MULTIPLE EXT", ata_pio_read },
    { 0x30, FOR_DISK | CMD_WRITE, "WRITE SECTORS", ata_pio_write },
    { 0x31, FOR_DISK | CMD_WRITE, "WRITE SECTORS", ata_pio_write },
    { 0x34, FOR_DISK | CMD_EXT | CMD_WRITE, "WRITE SECTORS EXT", ata_pio_write },
    { 0x35, FOR_DISK | CMD_EXT | CMD_WRITE, "WRITE DMA EXT", ata_dma },
    { 0x39, FOR_DISK | CMD_EXT | CMD_MULTIPLE | CMD_WRITE, "WRITE MULTIPLE EXT", ata_pio_write },
    { 0x3d, FOR_DISK | CMD_EXT | CMD_WRITE | CMD_FUA, "WRITE DMA FUA EXT", ata_dma },
    { 0x40, FOR_DISK | CMD_VERIFY, "READ VERIFY SECTORS", ata_pio_read },
    { 0x41, FOR_DISK | CMD_VERIFY, "READ VERIFY SECTORS", ata_pio_read },
    { 0x42, FOR_DISK | CMD_EXT | CMD_VERIFY, "READ VERIFY SECTORS EXT", ata_pio_read },
    { 0x70, FOR_DISK, "SEEK", ata_seek },
    { 0x90, FOR_BOTH, "EXECUTE DEVICE DIAGNOSTIC", ata_diagnose },
    { 0x91, FOR_DISK, "INITIALIZE DEVICE PARAMETERS", ata_init_parameters },
    { 0x94, FOR_BOTH, "STANDBY IMMEDIATE", ata_standby },
    { 0x95, FOR_BOTH, "IDLE IMMEDIATE", ata_idle },
    { 0x96, FOR_DISK, "STANDBY", ata_standby },
    { 0x97, FOR_DISK, "IDLE", ata_idle },
    { 0x98, FOR_BOTH, "CHECK POWER MODE", ata_check_power },
    { 0x99, FOR_BOTH, "SLEEP", ata_standby },
    { 0xa0, FOR_CD, "PACKET", ata_packet },
    { 0xa1, FOR_CD, "IDENTIFY PACKET DEVICE", ata_identify_packet },
    { 0xc4, FOR_DISK | CMD_MULTIPLE, "READ MULTIPLE", ata_pio_read },
    { 0xc5, FOR_DISK | CMD_MULTIPLE | CMD_WRITE, "WRITE MULTIPLE", ata_pio_write },
    { 0xc6, FOR_DISK, "SET MULTIPLE MODE", ata_set_multiple },
    { 0xc8, FOR_DISK, "READ DMA", ata_dma },
    { 0xc9, FOR_DISK, "READ DMA", ata_dma },
    { 0xca, FOR_DISK | CMD_WRITE, "WRITE DMA", ata_dma },
    { 0xcb, FOR_DISK | CMD_WRITE, "WRITE DMA", ata_dma },
    { 0xce, FOR_DISK | CMD_EXT | CMD_MULTIPLE | CMD_WRITE | CMD_FUA, "WRITE MULTIPLE FUA EXT",
      ata_pio_write },
    { 0xe0, FOR_BOTH, "STANDBY IMMEDIATE", ata_standby },
    { 0xe1, FOR_BOTH, "IDLE IMMEDIATE", ata_idle },
    { 0xe2, FOR_DISK, "STANDBY", ata_standby },
    { 0xe3, FOR_DISK, "IDLE", ata_idle },
    { 0xe5, FOR_BOTH, "CHECK POWER MODE", ata_check_power },
    { 0xe6, FOR_BOTH, "SLEEP", ata_standby },
    { 0xe7, FOR_DISK, "FLUSH CACHE", ata_flush },
    { 0xea, FOR_DISK | CMD_EXT, "FLUSH CACHE EXT", ata_flush },
    { 0xec, FOR_BOTH, "IDENTIFY DEVICE", ata_identify },
    { 0xef, FOR_BOTH, "SET FEATURES", ata_set_features },
    { 0xf8, FOR_DISK, "READ NATIVE MAX ADDRESS", ata_native_max },
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

    d->command = opcode;
    d->error = 0;
    d->status = STATUS_DRDY | STATUS_DSC;
    if (!c || !(c->flags & (d->cdrom ? FOR_CD : FOR_DISK)))
        ata_abort(d);
    else
        c->run(d, c->flags);
}
