/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ide_bus.c - an ATA channel (ATA/ATAPI-7, T13/1532D): the task files of its two devices,
 * selection, the data port, software reset and the interrupt.  Commands are in ide_ata.c and
 * ide_atapi.c.  An absent device reads as zeros, as a lone device answers for its missing
 * partner.  Left out: queued and overlapped commands.
 */
#include "hw/cd_sector.h"
#include "hw/ide.h"
#include <string.h>

enum { REG_DATA, REG_FEATURE, REG_COUNT, REG_LBA_LOW, REG_LBA_MID, REG_LBA_HIGH, REG_DEVICE,
       REG_COMMAND };
enum { REG_ERROR = REG_FEATURE, REG_STATUS = REG_COMMAND };
enum { DEVICE_ONES = 0xa0 };
enum { MASTER_INTERRUPT = 4 };

static IdeDrive *ide_selected(IdeBus *bus)
{
    return &bus->drive[bus->selected];
}

/* --- interrupt --- */

/* The bus master's interrupt bit remembers that the wire rose. */
void ide_bus_update_irq(IdeBus *bus)
{
    IdeDrive *d = ide_selected(bus);
    IrqLine *line = &bus->dev->machine->isa_irq[14 + bus->number];
    bool level = ide_drive_present(d) && d->irq && !(bus->control & CONTROL_NIEN);

    if (level && !line->level)
        bus->master.status |= MASTER_INTERRUPT;
    io_changed(bus->dev);
    irq_set(line, level);
}

void ide_raise(IdeDrive *d)
{
    d->irq = true;
    ide_bus_update_irq(d->bus);
}

/* --- ends and phases of commands --- */

static void ide_phase(IdeDrive *d, IdePhase phase, uint8_t status)
{
    d->phase = phase;
    d->status = status;
    io_changed(d->bus->dev);
}

void ide_done(IdeDrive *d)
{
    ide_phase(d, IDE_IDLE, STATUS_DRDY | STATUS_DSC);
    d->idle_since = vm_now(d->bus->dev);
    ide_raise(d);
}

void ide_fail(IdeDrive *d, uint8_t error, uint8_t status)
{
    d->error = error;
    ide_phase(d, IDE_IDLE, STATUS_DRDY | STATUS_DSC | STATUS_ERR | status);
    d->idle_since = vm_now(d->bus->dev);
    ide_raise(d);
}

void ide_pio_in(IdeDrive *d, uint32_t len, bool irq)
{
    d->drq_end = d->pos + len;
    ide_phase(d, IDE_PIO_IN, STATUS_DRDY | STATUS_DSC | STATUS_DRQ);
    if (irq)
        ide_raise(d);
}

void ide_pio_out(IdeDrive *d, uint32_t len, bool irq)
{
    d->drq_end = d->pos + len;
    ide_phase(d, IDE_PIO_OUT, STATUS_DRDY | STATUS_DSC | STATUS_DRQ);
    if (irq)
        ide_raise(d);
}

void ide_dma_buffer(IdeDrive *d, IdePhase direction, uint32_t len)
{
    d->pos = 0;
    d->drq_end = len;
    d->buffered_dma = true;
    ide_phase(d, direction, STATUS_DRDY | STATUS_BSY);
    ide_master_run(d->bus);
}

void ide_dma_image(IdeDrive *d, IdePhase direction, uint64_t offset, uint64_t len)
{
    d->dma_offset = offset;
    d->dma_left = len;
    d->buffered_dma = false;
    ide_phase(d, direction, STATUS_DRDY | STATUS_BSY);
    ide_master_run(d->bus);
}

/* The image's work is waited for, not only forgotten: a read would otherwise land in memory that
 * the guest has given to something else by then. */
void ide_drive_abort(IdeDrive *d)
{
    if (d->request) {
        block_cancel(d->request);
        d->request = NULL;
        block_drain(d->block);
        if (d->phase == IDE_DMA_IN || d->phase == IDE_DMA_OUT)
            ide_master_abandon(d->bus);
    }
    d->phase = IDE_IDLE;
    ide_smart_stop(d);
    d->pos = d->drq_end = d->filled = 0;
    d->left = 0;
    d->dma_left = 0;
    d->single = d->buffered_dma = d->flushing = false;
    d->trim_index = 0;
    d->irq = false;
    d->cd.packet = false;
    d->cd.left = 0;
    d->cd.block = 0;
}

void ide_drive_signature(IdeDrive *d)
{
    d->count[0] = d->lba_low[0] = 1;
    d->lba_mid[0] = d->cdrom ? 0x14 : 0;
    d->lba_high[0] = d->cdrom ? 0xeb : 0;
    d->count[1] = d->lba_low[1] = d->lba_mid[1] = d->lba_high[1] = 0;
    d->feature[0] = d->feature[1] = 0;
    d->device = 0;
    d->error = 1;               /* diagnostic code: passed */
    d->status = d->cdrom ? 0 : STATUS_DRDY | STATUS_DSC;
}

/* --- data port --- */

static void ide_block_moved(IdeDrive *d)
{
    if (d->cdrom && d->command == 0xa0)
        ide_atapi_pio_done(d);
    else
        ide_ata_pio_done(d);
}

/* Up to len bytes of the current DRQ block; 0 when the drive has none. */
static uint32_t ide_data_in(IdeDrive *d, void *buf, uint32_t len)
{
    if (!ide_drive_present(d) || d->phase != IDE_PIO_IN)
        return 0;
    len = MIN(len, d->drq_end - d->pos);
    memcpy(buf, d->buffer + d->pos, len);
    d->pos += len;
    if (d->pos == d->drq_end)
        ide_block_moved(d);
    return len;
}

static uint32_t ide_data_out(IdeDrive *d, const void *buf, uint32_t len)
{
    if (!ide_drive_present(d) || d->phase != IDE_PIO_OUT)
        return 0;
    len = MIN(len, d->drq_end - d->pos);
    memcpy(d->buffer + d->pos, buf, len);
    d->pos += len;
    if (d->pos == d->drq_end)
        ide_block_moved(d);
    return len;
}

/* --- registers --- */

static uint8_t ide_register_value(IdeBus *bus, unsigned reg)
{
    const IdeDrive *d = ide_selected(bus);
    unsigned hob = bus->control & CONTROL_HOB ? 1 : 0;

    if (reg == REG_DEVICE && (ide_drive_present(&bus->drive[0]) ||
                              ide_drive_present(&bus->drive[1])))
        return d->device | DEVICE_ONES;
    if (!ide_drive_present(d))
        return 0;
    switch (reg) {
    case REG_ERROR: return d->error;
    case REG_COUNT: return d->count[hob];
    case REG_LBA_LOW: return d->lba_low[hob];
    case REG_LBA_MID: return d->lba_mid[hob];
    case REG_LBA_HIGH: return d->lba_high[hob];
    case REG_STATUS: return d->status;
    default: return 0;
    }
}

static uint8_t ide_register_read(IdeBus *bus, unsigned reg)
{
    IdeDrive *d = ide_selected(bus);

    if (reg == REG_STATUS && ide_drive_present(d)) {
        d->irq = false;
        ide_bus_update_irq(bus);
    }
    return ide_register_value(bus, reg);
}

/* Absent and busy drives and HOB let writes do other things than ide_command_store says. */
static bool ide_command_peek(void *opaque, unsigned reg, uint8_t *value)
{
    IdeBus *bus = opaque;
    const IdeDrive *d = ide_selected(bus);

    *value = ide_register_value(bus, reg);
    if (reg == REG_DATA || reg == REG_ERROR)        /* another register when written */
        return false;
    if (reg == REG_STATUS)
        return !d->irq;
    if (!ide_drive_present(d) && !(reg == REG_DEVICE && ide_drive_present(&bus->drive[!bus->selected])))
        return false;
    return !((bus->drive[0].status | bus->drive[1].status) & STATUS_BSY) &&
           !(bus->control & (CONTROL_HOB | CONTROL_SRST));
}

static void ide_push(uint8_t pair[2], uint8_t value)
{
    pair[1] = pair[0];
    pair[0] = value;
}

static void ide_parameter_write(IdeDrive *d, unsigned reg, uint8_t value)
{
    switch (reg) {
    case REG_FEATURE: ide_push(d->feature, value); break;
    case REG_COUNT: ide_push(d->count, value); break;
    case REG_LBA_LOW: ide_push(d->lba_low, value); break;
    case REG_LBA_MID: ide_push(d->lba_mid, value); break;
    case REG_LBA_HIGH: ide_push(d->lba_high, value); break;
    case REG_DEVICE: d->device = value; break;
    }
}

static void ide_command_write(IdeBus *bus, uint8_t opcode)
{
    IdeDrive *d = ide_selected(bus);
    bool device_reset = opcode == 0x08 && d->cdrom;

    if (!ide_drive_present(d) && opcode != 0x90)
        return;
    if ((d->status & (STATUS_BSY | STATUS_DRQ)) && !device_reset)
        return;
    if (d->power == POWER_SLEEP && !device_reset)       /* only a reset wakes it */
        return;
    d->irq = false;
    ide_bus_update_irq(bus);
    ide_ata_command(d, opcode);
}

static void ide_register_write(IdeBus *bus, unsigned reg, uint8_t value)
{
    bus->control &= ~CONTROL_HOB;
    if (bus->control & CONTROL_SRST)
        return;
    if (reg == REG_COMMAND) {
        ide_command_write(bus, value);
        return;
    }
    if (reg == REG_DATA) {
        ide_data_out(ide_selected(bus), &value, 1);
        return;
    }
    for (unsigned i = 0; i < 2; i++)                /* both devices listen */
        if (!(bus->drive[i].status & STATUS_BSY))
            ide_parameter_write(&bus->drive[i], reg, value);
    if (reg == REG_DEVICE) {
        bus->selected = value & DEVICE_1 ? 1 : 0;
        ide_bus_update_irq(bus);
    }
}

static uint64_t ide_command_read(void *opaque, uint64_t offset, unsigned width)
{
    IdeBus *bus = opaque;
    uint64_t value = 0;

    if (offset == REG_DATA) {
        uint8_t bytes[4] = { 0 };
        ide_data_in(ide_selected(bus), bytes, width);
        return bytes[0] | bytes[1] << 8 | bytes[2] << 16 | (uint32_t)bytes[3] << 24;
    }
    for (unsigned i = 0; i < width; i++)
        value |= (uint64_t)ide_register_read(bus, offset + i) << (8 * i);
    return value;
}

static void ide_command_port_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    IdeBus *bus = opaque;

    if (offset == REG_DATA) {
        uint8_t bytes[4] = { value, value >> 8, value >> 16, value >> 24 };
        ide_data_out(ide_selected(bus), bytes, width);
        return;
    }
    for (unsigned i = 0; i < width; i++)
        ide_register_write(bus, offset + i, value >> (8 * i));
}

/* Whole elements out of DRQ blocks, as long as the drive has them at once. */
static uint32_t ide_command_read_many(void *opaque, uint64_t offset, unsigned width, void *buf,
                                      uint32_t count)
{
    IdeDrive *d = ide_selected(opaque);
    uint8_t *to = buf;
    uint32_t done = 0;

    if (offset != REG_DATA)
        return 0;
    while (done < count && d->phase == IDE_PIO_IN && d->drq_end - d->pos >= width) {
        uint32_t n = MIN(count - done, (d->drq_end - d->pos) / width);
        if (ide_data_in(d, to + (size_t)done * width, n * width) == 0)
            break;
        done += n;
    }
    return done;
}

static uint32_t ide_command_write_many(void *opaque, uint64_t offset, unsigned width,
                                       const void *buf, uint32_t count)
{
    IdeDrive *d = ide_selected(opaque);
    const uint8_t *from = buf;
    uint32_t done = 0;

    if (offset != REG_DATA)
        return 0;
    while (done < count && d->phase == IDE_PIO_OUT && d->drq_end - d->pos >= width) {
        uint32_t n = MIN(count - done, (d->drq_end - d->pos) / width);
        if (ide_data_out(d, from + (size_t)done * width, n * width) == 0)
            break;
        done += n;
    }
    return done;
}

/* The selection waits if it changes: the interrupt is the selected drive's. */
static const uint8_t ide_command_post[8] = {
    [REG_FEATURE ... REG_LBA_HIGH] = IO_POST_QUIET, [REG_DEVICE] = IO_POST_STORE,
};
static const uint8_t ide_command_store[8] = {
    [REG_FEATURE ... REG_LBA_HIGH] = 0xff,
    [REG_DEVICE] = 0xff & ~(DEVICE_ONES | DEVICE_1),
};

const IoOps ide_command_ops = {
    .read = ide_command_read, .write = ide_command_port_write, .widths = IO_8 | IO_16 | IO_32,
    .read_many = ide_command_read_many, .write_many = ide_command_write_many,
    .post = ide_command_post, .store = ide_command_store, .peek = ide_command_peek,
};

/* --- device control and alternate status --- */

static uint64_t ide_control_read(void *opaque, uint64_t offset, unsigned width)
{
    IdeDrive *d = ide_selected(opaque);

    (void)offset;
    (void)width;
    return ide_drive_present(d) ? d->status : 0;
}

static bool ide_control_peek(void *opaque, unsigned offset, uint8_t *value)
{
    *value = ide_control_read(opaque, offset, 1);
    return true;
}

static void ide_soft_reset(IdeBus *bus, bool begins)
{
    for (unsigned i = 0; i < 2; i++) {
        IdeDrive *d = &bus->drive[i];
        if (begins) {
            ide_drive_abort(d);
            ide_ctl_soft_reset(d);
            d->status = STATUS_BSY;
        } else {
            ide_drive_signature(d);
        }
    }
    bus->selected = 0;
}

static void ide_control_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    IdeBus *bus = opaque;
    uint8_t old = bus->control;

    (void)offset;
    (void)width;
    bus->control = value & (CONTROL_HOB | CONTROL_SRST | CONTROL_NIEN);
    if ((old ^ bus->control) & CONTROL_SRST)
        ide_soft_reset(bus, bus->control & CONTROL_SRST);
    ide_bus_update_irq(bus);
}

const IoOps ide_control_ops = { .read = ide_control_read, .write = ide_control_write,
                                .widths = IO_8, .peek = ide_control_peek };

/* --- life --- */

void ide_bus_init(IdeBus *bus, Device *dev, unsigned number)
{
    bus->dev = dev;
    bus->number = number;
    ide_master_init(&bus->master);
    for (unsigned i = 0; i < 2; i++) {
        IdeDrive *d = &bus->drive[i];
        d->bus = bus;
        d->unit = i;
        d->buffer = g_aligned_alloc0(1, IDE_BUFFER, 4096);     /* O_DIRECT needs no copy */
        d->native = d->block && !d->cdrom ? block_size(d->block) / IDE_SECTOR : 0;
        ide_smart_init(d);
    }
}

void ide_bus_finish(IdeBus *bus)
{
    for (unsigned i = 0; i < 2; i++) {
        if (bus->drive[i].buffer)
            ide_drive_abort(&bus->drive[i]);
        ide_smart_finish(&bus->drive[i]);
        g_aligned_free(bus->drive[i].buffer);
        bus->drive[i].buffer = NULL;
    }
    ide_master_finish(&bus->master);
}

void ide_bus_quiesce(IdeBus *bus)
{
    for (unsigned i = 0; i < 2; i++) {
        while (bus->drive[i].request)
            block_drain(bus->drive[i].block);
        ide_smart_quiesce(&bus->drive[i]);
    }
}

static void ide_drive_reset(IdeDrive *d)
{
    ide_drive_abort(d);
    d->unplugged = false;
    memset(d->buffer, 0, IDE_BUFFER);
    ide_cd_reset(d);
    d->command = 0;
    d->lba = d->dma_offset = 0;
    ide_ctl_power_on(d);
    ide_smart_power_on(d);
    ide_drive_signature(d);
}

void ide_bus_reset(IdeBus *bus)
{
    for (unsigned i = 0; i < 2; i++)
        ide_drive_reset(&bus->drive[i]);
    bus->selected = 0;
    bus->control = 0;
    ide_bus_update_irq(bus);
    ide_master_reset(&bus->master);
}

static const char *ide_drive_fault(const IdeDrive *d)
{
    if (d->phase == IDE_BUSY)
        return "work in flight";
    if (d->pos > d->drq_end || d->drq_end > IDE_BUFFER || d->filled > IDE_BUFFER)
        return "buffer positions";
    if ((d->phase == IDE_PIO_IN || d->phase == IDE_PIO_OUT) && d->pos == d->drq_end)
        return "empty data block";
    if (d->phase != IDE_IDLE && !ide_drive_present(d))
        return "a transfer without a drive";
    if (d->phase == IDE_TEST && !d->smart.test)
        return "a wait without a self-test";
    if (!d->heads || !d->track || d->multiple & (d->multiple - 1))
        return "geometry";
    if (d->cd.block != CD_BLOCK && d->cd.block &&
        d->cd.block != cd_sector_length(d->cd.parts, d->cd.sub))
        return "block size";
    if (d->cd.left && !d->cd.block)
        return "blocks without a size";
    return ide_smart_fault(d);
}

bool ide_bus_loaded(IdeBus *bus, GError **error)
{
    for (unsigned i = 0; i < 2; i++) {
        const char *fault = ide_drive_fault(&bus->drive[i]);
        if (fault) {
            g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "hd%c: impossible state: %s",
                        'a' + bus->number * 2 + i, fault);
            return false;
        }
        ide_ctl_update_size(&bus->drive[i]);
        if (bus->drive[i].block)
            block_set_ahead(bus->drive[i].block, bus->drive[i].look_ahead);
    }
    uint8_t status = bus->master.status;
    ide_bus_update_irq(bus);
    bus->master.status = status;
    return true;
}

static const StateField cd_drive_state[] = {
    STATE_U8_MAX(CdDrive, key, 15), STATE_U8(CdDrive, asc), STATE_U8(CdDrive, ascq),
    STATE_U8_MAX(CdDrive, attention, 3), STATE_U8_MAX(CdDrive, locked, 3), STATE_BOOL(CdDrive, open),
    STATE_U8_MAX(CdDrive, condition, 3), STATE_BOOL(CdDrive, power_event), STATE_U16(CdDrive, speed),
    STATE_BYTES(CdDrive, pages),
    STATE_U8_MAX(CdDrive, event, 4), STATE_BOOL(CdDrive, packet), STATE_BOOL(CdDrive, dma),
    STATE_BOOL(CdDrive, receiving),
    STATE_BYTES(CdDrive, cdb), STATE_U32_MAX(CdDrive, limit, 0xffff),
    STATE_U32(CdDrive, lba), STATE_U32(CdDrive, left), STATE_U16(CdDrive, block),
    STATE_U8(CdDrive, parts), STATE_U8_MAX(CdDrive, sub, 7),
    STATE_END
};

static const StateField ide_drive_state[] = {
    STATE_BOOL(IdeDrive, unplugged),
    STATE_U8_ARRAY(IdeDrive, feature), STATE_U8_ARRAY(IdeDrive, count),
    STATE_U8_ARRAY(IdeDrive, lba_low), STATE_U8_ARRAY(IdeDrive, lba_mid),
    STATE_U8_ARRAY(IdeDrive, lba_high),
    STATE_U8(IdeDrive, device), STATE_U8(IdeDrive, status), STATE_U8(IdeDrive, error),
    STATE_U8(IdeDrive, command), STATE_BOOL(IdeDrive, irq),
    STATE_U8_MAX(IdeDrive, phase, IDE_PHASES - 1),
    STATE_U32(IdeDrive, pos), STATE_U32(IdeDrive, drq_end), STATE_U32(IdeDrive, filled),
    STATE_U64(IdeDrive, lba), STATE_U32_MAX(IdeDrive, left, 65536), STATE_BOOL(IdeDrive, single),
    STATE_BOOL(IdeDrive, buffered_dma), STATE_U64(IdeDrive, dma_offset),
    STATE_U64(IdeDrive, dma_left), STATE_BOOL(IdeDrive, flushing),
    STATE_U32_MAX(IdeDrive, trim_index, IDE_BUFFER / 8),
    STATE_U8_MAX(IdeDrive, multiple, IDE_MULTIPLE), STATE_U16_MAX(IdeDrive, heads, 16),
    STATE_U16_MAX(IdeDrive, track, 255), STATE_U8(IdeDrive, transfer_mode),
    STATE_BOOL(IdeDrive, write_cache), STATE_BOOL(IdeDrive, look_ahead),
    STATE_BOOL(IdeDrive, keep_settings), STATE_U8_MAX(IdeDrive, power, POWERS - 1),
    STATE_U64(IdeDrive, standby_after), STATE_U64(IdeDrive, idle_since),
    STATE_U64(IdeDrive, clip), STATE_U64(IdeDrive, kept_clip), STATE_BOOL(IdeDrive, clip_kept_once),
    STATE_BOOL(IdeDrive, native_read),
    STATE_STRUCT(IdeDrive, smart, ide_smart_state),
    STATE_STRUCT(IdeDrive, cd, cd_drive_state),
    STATE_HEAP_BYTES(IdeDrive, buffer, IDE_BUFFER),
    STATE_END
};

const StateField ide_bus_state[] = {
    STATE_STRUCT_ARRAY(IdeBus, drive, ide_drive_state),
    STATE_U8_MAX(IdeBus, selected, 1), STATE_U8(IdeBus, control),
    STATE_STRUCT(IdeBus, master, ide_master_state),
    STATE_END
};
