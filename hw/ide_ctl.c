/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ide_ctl.c - what an ATA drive does besides moving data (ATA/ATAPI-7, T13/1532D): power modes with
 * the standby timer, SET FEATURES, geometry, the host protected area, and what each kind of reset
 * leaves.  A non-volatile SET MAX ADDRESS lasts until the domain ends.  Left out: advanced power and
 * acoustic management, passwords of SET MAX, unloading the heads; they abort.
 */
#include "hw/ide.h"
#include <string.h>

enum { MODE_STANDBY = 0x00, MODE_IDLE = 0x80, MODE_ACTIVE = 0xff };     /* CHECK POWER MODE */
enum { SET_MAX_KEEP = 1, DEFAULT_HEADS = 16, DEFAULT_TRACK = 63, DEFAULT_MODE = 0x22 };
#define LBA28_SECTORS 0x10000000ull

static void ctl_abort(IdeDrive *d)
{
    ide_fail(d, ERROR_ABRT, 0);
}

/* --- power --- */

/* Nanoseconds of a standby timer value (table of STANDBY); 0: the timer is off. */
static uint64_t ctl_standby_period(uint8_t value)
{
    uint64_t s = NS_PER_S;

    switch (value) {
    case 0: return 0;
    case 252: return 21 * 60 * s;
    case 253: case 254: return 8 * 3600 * s;
    case 255: return (21 * 60 + 15) * s;
    default: return value <= 240 ? value * 5 * s : (value - 240) * 30 * 60 * s;
    }
}

void ide_ctl_begin(IdeDrive *d, uint8_t opcode)
{
    uint64_t now = vm_now(d->bus->dev);

    if (opcode != 0xf9 && opcode != 0x37)       /* SET MAX must come right behind it */
        d->native_read = false;
    if (d->standby_after && d->power < POWER_STANDBY && now > d->idle_since &&
        now - d->idle_since >= d->standby_after)
        d->power = POWER_STANDBY;
}

void ide_ctl_idle(IdeDrive *d, unsigned flags)
{
    (void)flags;
    if (d->command == 0xe3 || d->command == 0x97)
        d->standby_after = ctl_standby_period(d->count[0]);
    d->power = POWER_IDLE;
    ide_done(d);
}

void ide_ctl_standby(IdeDrive *d, unsigned flags)
{
    (void)flags;
    if (d->command == 0xe2 || d->command == 0x96)
        d->standby_after = ctl_standby_period(d->count[0]);
    d->power = POWER_STANDBY;
    ide_ata_flush(d);
}

void ide_ctl_sleep(IdeDrive *d, unsigned flags)
{
    (void)flags;
    d->power = POWER_SLEEP;
    ide_ata_flush(d);
}

void ide_ctl_check_power(IdeDrive *d, unsigned flags)
{
    uint64_t since = d->idle_since;

    (void)flags;
    d->count[0] = d->power == POWER_ACTIVE ? MODE_ACTIVE : d->power == POWER_IDLE ? MODE_IDLE
                                                                                : MODE_STANDBY;
    ide_done(d);
    d->idle_since = since;              /* asking does not keep it awake */
}

/* --- capacity and the host protected area --- */

void ide_ctl_update_size(IdeDrive *d)
{
    uint64_t clip = d->clip ? d->clip : d->kept_clip;

    d->sectors = clip ? MIN(clip, d->native) : d->native;
}

void ide_ctl_native_max(IdeDrive *d, unsigned flags)
{
    uint64_t last = d->native ? d->native - 1 : 0;

    if (!(flags & CMD_EXT)) {
        d->device |= DEVICE_LBA;
        last = MIN(last, LBA28_SECTORS - 1);
    }
    ide_ata_set_lba(d, last);
    ide_done(d);
    d->native_read = true;
}

static bool ctl_after_native_max(IdeDrive *d)
{
    bool after = d->native_read;

    d->native_read = false;
    return after;
}

/* Only right behind READ NATIVE MAX: with other Features it would be another command, then. */
void ide_ctl_set_max(IdeDrive *d, unsigned flags)
{
    bool keep = d->count[0] & SET_MAX_KEEP, ext = flags & CMD_EXT;
    uint64_t last = ide_ata_lba(d, ext);

    if (!ctl_after_native_max(d) || (!ext && !(d->device & DEVICE_LBA)) || last >= d->native) {
        ctl_abort(d);
        return;
    }
    if (keep && d->clip_kept_once) {
        ide_fail(d, ERROR_IDNF, 0);
        return;
    }
    if (keep) {
        d->clip_kept_once = true;
        d->kept_clip = last + 1 == d->native ? 0 : last + 1;
        d->clip = 0;
    } else {
        d->clip = last + 1;
    }
    ide_ctl_update_size(d);
    ide_done(d);
}

/* --- geometry and transfers --- */

void ide_ctl_seek(IdeDrive *d, unsigned flags)
{
    (void)flags;
    d->count[0] = 1;
    if (ide_ata_range(d, false)) {
        d->left = 0;
        ide_done(d);
    }
}

void ide_ctl_init_parameters(IdeDrive *d, unsigned flags)
{
    (void)flags;
    if (!d->count[0]) {
        ctl_abort(d);
        return;
    }
    d->heads = (d->device & 0x0f) + 1;
    d->track = d->count[0];
    ide_done(d);
}

void ide_ctl_set_multiple(IdeDrive *d, unsigned flags)
{
    uint8_t n = d->count[0];

    (void)flags;
    if (n > IDE_MULTIPLE || (n & (n - 1))) {
        d->multiple = 0;                /* a value that is refused disables the commands */
        ctl_abort(d);
        return;
    }
    d->multiple = n;
    ide_done(d);
}

/* Of SET FEATURES, 03h: count is kind << 3 | mode. */
static bool ctl_set_transfer_mode(IdeDrive *d, uint8_t mode)
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

void ide_ctl_set_features(IdeDrive *d, unsigned flags)
{
    (void)flags;
    switch (d->feature[0]) {
    case 0x03:
        if (ctl_set_transfer_mode(d, d->count[0]))
            ide_done(d);
        else
            ctl_abort(d);
        return;
    case 0x66:
        d->keep_settings = true;
        ide_done(d);
        return;
    case 0xcc:
        d->keep_settings = false;
        ide_done(d);
        return;
    }
    if (d->cdrom) {                     /* no caches to command */
        ctl_abort(d);
        return;
    }
    switch (d->feature[0]) {
    case 0x02:
        d->write_cache = true;
        break;
    case 0x82:
        d->write_cache = false;
        ide_ata_flush(d);
        return;
    case 0xaa: case 0x55:
        d->look_ahead = d->feature[0] == 0xaa;
        block_set_ahead(d->block, d->look_ahead);
        break;
    default:
        ctl_abort(d);
        return;
    }
    ide_done(d);
}

/* --- resets --- */

static void ctl_default_settings(IdeDrive *d)
{
    d->multiple = 0;
    d->heads = DEFAULT_HEADS;
    d->track = DEFAULT_TRACK;
    d->write_cache = d->look_ahead = true;
    if (d->block)
        block_set_ahead(d->block, true);
    d->clip = 0;
    ide_ctl_update_size(d);
}

void ide_ctl_power_on(IdeDrive *d)
{
    d->transfer_mode = DEFAULT_MODE;
    d->keep_settings = d->native_read = d->clip_kept_once = false;
    d->power = POWER_ACTIVE;
    d->standby_after = 0;
    d->idle_since = vm_now(d->bus->dev);
    ctl_default_settings(d);
}

void ide_ctl_soft_reset(IdeDrive *d)
{
    if (d->power == POWER_SLEEP)
        d->power = POWER_STANDBY;
    d->native_read = false;
    if (!d->keep_settings)
        ctl_default_settings(d);
}

void ide_ctl_diagnose(IdeDrive *d, unsigned flags)
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

void ide_ctl_device_reset(IdeDrive *d, unsigned flags)
{
    (void)flags;
    ide_drive_abort(d);
    ide_ctl_soft_reset(d);
    ide_drive_signature(d);
    d->device = d->unit ? DEVICE_1 : 0;
    ide_bus_update_irq(d->bus);
}
