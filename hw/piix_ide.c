/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * piix_ide.c - the IDE function of the 82371SB (PIIX3, Intel order 290550): two channels in legacy
 * mode behind their decode enables, bus master registers behind BAR4, interrupts 14 and 15.  Timing
 * registers are storage.  The channels and drives are in ide_*.c.
 */
#include "hw/devices.h"
#include "hw/ide.h"
#include "lib/pci.h"
#include "pc_layout.h"
#include <string.h>

enum { IDETIM = 0x40, SIDETIM = 0x44, IDE_DECODE = 0x80, MASTER_PORTS = 16 };
enum { COMMAND_IO = 1 };

typedef struct PiixIde {
    PciDevice pci;
    void (*tray_moved)(void *opaque, unsigned slot, bool open, bool locked);
    void *tray_opaque;
    BlockDev *hda, *hdb, *hdc, *hdd;    /* belong to whoever made them */
    bool hda_cdrom, hdb_cdrom, hdc_cdrom, hdd_cdrom;
    char *hda_serial, *hdb_serial, *hdc_serial, *hdd_serial;
    IdeBus bus[2];
    IoRange *command[2], *control[2];
} PiixIde;

static const uint16_t piix_ide_command_port[2] = { PORT_IDE0, PORT_IDE1 };
static const uint16_t piix_ide_control_port[2] = { PORT_IDE0_CTL, PORT_IDE1_CTL };

static void piix_ide_map(PiixIde *p, IoRange *range, uint16_t port, bool on)
{
    IoMap *map = &p->pci.dev.machine->io;
    g_autoptr(GError) error = NULL;

    if (!on)
        io_map_remove(map, range);
    else if (!range->mapped && !io_map_add(map, range, port, &error))
        log_guest(&p->pci.dev, "legacy ports not decoded: %s", error->message);
}

static void piix_ide_update_decode(PiixIde *p)
{
    for (unsigned i = 0; i < 2; i++) {
        bool on = (p->pci.config[IDETIM + 2 * i + 1] & IDE_DECODE) &&
                  (p->pci.config[4] & COMMAND_IO) && !p->pci.unplugged;
        piix_ide_map(p, p->command[i], piix_ide_command_port[i], on);
        piix_ide_map(p, p->control[i], piix_ide_control_port[i], on);
    }
}

static void piix_ide_config_written(PciDevice *pci, unsigned offset, unsigned len)
{
    PiixIde *p = (PiixIde *)pci;

    (void)offset;
    (void)len;
    piix_ide_update_decode(p);
    for (unsigned i = 0; i < 2; i++)
        ide_master_run(&p->bus[i]);         /* bus mastering may just have been allowed */
}

static uint64_t piix_ide_master_read(void *opaque, uint64_t offset, unsigned width)
{
    PiixIde *p = opaque;
    uint64_t value = 0;

    for (unsigned i = 0; i < width; i++)
        value |= (uint64_t)ide_master_read(&p->bus[(offset + i) >> 3 & 1], (offset + i) & 7) << (8 * i);
    return value;
}

static void piix_ide_master_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    PiixIde *p = opaque;

    for (unsigned i = 0; i < width; i++)
        ide_master_write(&p->bus[(offset + i) >> 3 & 1], (offset + i) & 7, value >> (8 * i));
}

static bool piix_ide_master_peek(void *opaque, unsigned offset, uint8_t *value)
{
    *value = piix_ide_master_read(opaque, offset, 1);
    return true;
}

/* Whoever starts or stops the engine waits: after a stop memory may be used again. */
#define CHANNEL(command, status, table0, table) \
    { command, 0, status, 0, table0, table, table, table, \
      command, 0, status, 0, table0, table, table, table }
static const uint8_t piix_ide_master_post[MASTER_PORTS] =
    CHANNEL(IO_POST_STORE, IO_POST_YES, IO_POST_QUIET, IO_POST_QUIET);
static const uint8_t piix_ide_master_store[MASTER_PORTS] = CHANNEL(0x08, 0, 0xfc, 0xff);
#undef CHANNEL

static const IoOps piix_ide_master_ops = {
    .read = piix_ide_master_read, .write = piix_ide_master_write, .widths = IO_8 | IO_16 | IO_32,
    .post = piix_ide_master_post, .store = piix_ide_master_store, .peek = piix_ide_master_peek,
};

static bool piix_ide_master_allowed(const IdeBus *bus)
{
    return pci_bus_master((const PciDevice *)bus->dev);
}

/* The channels' ports pass the channel, not the device. */
static IoRange *piix_ide_range(PiixIde *p, unsigned len, const IoOps *ops, IdeBus *bus)
{
    IoRange *range = io_reserve(&p->pci.dev, IO_PORT, len, ops);

    range->opaque = bus;
    return range;
}

static void piix_ide_drive(PiixIde *p, unsigned slot, BlockDev *block, bool cdrom,
                           const char *serial)
{
    IdeDrive *d = &p->bus[slot / 2].drive[slot % 2];

    d->block = block;
    d->cdrom = cdrom;
    if (serial)
        g_strlcpy(d->serial, serial, sizeof(d->serial));
    else
        g_snprintf(d->serial, sizeof(d->serial), "GH%05u", slot + 1);
}

static void piix_ide_tray_moved(const IdeDrive *d)
{
    PiixIde *p = (PiixIde *)d->bus->dev;

    if (p->tray_moved)
        p->tray_moved(p->tray_opaque, d->bus->number * 2 + d->unit, d->cd.open, d->cd.locked);
}

static bool piix_ide_init(Device *dev, GError **error)
{
    PiixIde *p = (PiixIde *)dev;
    const PciClass id = { .vendor = 0x8086, .device = 0x7010, .prog_if = 0x80, .subclass = 0x01,
                          .base_class = 0x01, .subsystem_vendor = 0x5853, .subsystem = 0x0001 };

    piix_ide_drive(p, 0, p->hda, p->hda_cdrom, p->hda_serial);
    piix_ide_drive(p, 1, p->hdb, p->hdb_cdrom, p->hdb_serial);
    piix_ide_drive(p, 2, p->hdc, p->hdc_cdrom, p->hdc_serial);
    piix_ide_drive(p, 3, p->hdd, p->hdd_cdrom, p->hdd_serial);
    for (unsigned i = 0; i < 2; i++) {
        ide_bus_init(&p->bus[i], dev, i);
        p->bus[i].master_allowed = piix_ide_master_allowed;
        p->bus[i].tray_moved = piix_ide_tray_moved;
        p->command[i] = piix_ide_range(p, 8, &ide_command_ops, &p->bus[i]);
        p->control[i] = piix_ide_range(p, 1, &ide_control_ops, &p->bus[i]);
    }
    if (!pci_init(&p->pci, &id, error) ||
        !pci_claim_bar(&p->pci, 4, PCI_BAR_IO, MASTER_PORTS, &piix_ide_master_ops, error))
        return false;
    p->pci.initial[0x06] = 0x80;            /* fast back-to-back, medium DEVSEL */
    p->pci.initial[0x07] = 0x02;
    memset(p->pci.wmask + IDETIM, 0xff, 5); /* IDETIM of both channels, SIDETIM */
    p->pci.config_written = piix_ide_config_written;
    return true;
}

static void piix_ide_reset(Device *dev)
{
    PiixIde *p = (PiixIde *)dev;

    for (unsigned i = 0; i < 2; i++)
        ide_bus_reset(&p->bus[i]);
    pci_reset(&p->pci);
    piix_ide_update_decode(p);
}

static bool piix_ide_loaded(Device *dev, GError **error)
{
    PiixIde *p = (PiixIde *)dev;

    if (!pci_loaded(&p->pci, error))
        return false;
    piix_ide_update_decode(p);
    return ide_bus_loaded(&p->bus[0], error) && ide_bus_loaded(&p->bus[1], error);
}

static void piix_ide_quiesce(Device *dev)
{
    PiixIde *p = (PiixIde *)dev;

    for (unsigned i = 0; i < 2; i++)
        ide_bus_quiesce(&p->bus[i]);
}

static void piix_ide_finish(Device *dev)
{
    PiixIde *p = (PiixIde *)dev;

    for (unsigned i = 0; i < 2; i++)
        ide_bus_finish(&p->bus[i]);
    pci_finish(&p->pci);
}

/* --- what the control channel and the platform device ask for --- */

static IdeDrive *piix_ide_slot(Device *ide, unsigned slot)
{
    PiixIde *p = (PiixIde *)ide;

    return slot < IDE_SLOTS ? &p->bus[slot / 2].drive[slot % 2] : NULL;
}

/* The read in flight ends here, however much of it was to come: its disc goes. */
static bool piix_ide_break_read(IdeDrive *d)
{
    if (!d->request)
        return d->phase == IDE_DMA_IN && !d->buffered_dma;
    block_cancel(d->request);
    d->request = NULL;
    block_drain(d->block);
    if (d->phase == IDE_DMA_IN)
        ide_master_abandon(d->bus);
    return true;
}

BlockDev *ide_change_medium(Device *ide, unsigned slot, BlockDev *medium, bool force,
                            GError **error)
{
    IdeDrive *d = piix_ide_slot(ide, slot);
    BlockDev *old;

    if (!d || !d->cdrom || !d->block) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NODEV, "no CD-ROM drive there");
        return NULL;
    }
    if (d->cd.locked && !d->cd.open && !force) {
        d->cd.event = EVENT_EJECT_REQUEST;
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_ACCES, "the guest has locked the drive");
        return NULL;
    }
    bool broken = piix_ide_break_read(d);

    io_changed(ide);
    old = d->block;
    d->block = medium;
    d->cd.open &= !block_present(medium);       /* out of an open tray: it stays open */
    d->cd.locked = 0;
    d->cd.attention &= ~CD_CHANGED;
    d->cd.attention |= block_present(medium) ? CD_CHANGED : 0;
    d->cd.event = block_present(medium) ? EVENT_NEW_MEDIA : EVENT_REMOVAL;
    if (broken)
        ide_atapi_sense(d, SENSE_ATTENTION, 0x28, 0);
    return old;
}

void ide_set_tray_watch(Device *ide,
                        void (*moved)(void *opaque, unsigned slot, bool open, bool locked),
                        void *opaque)
{
    PiixIde *p = (PiixIde *)ide;

    p->tray_moved = moved;
    p->tray_opaque = opaque;
}

BlockDev *ide_medium(Device *ide, unsigned slot)
{
    IdeDrive *d = piix_ide_slot(ide, slot);

    return d ? d->block : NULL;
}

void ide_medium_resized(Device *ide, unsigned slot)
{
    IdeDrive *d = piix_ide_slot(ide, slot);

    if (d && d->block && !d->cdrom) {
        d->native = MAX(d->native, block_size(d->block) / IDE_SECTOR);
        ide_ctl_update_size(d);
    }
}

void ide_unplug_disks(Device *ide, bool keep_first)
{
    for (unsigned slot = keep_first ? 1 : 0; slot < IDE_SLOTS; slot++) {
        IdeDrive *d = piix_ide_slot(ide, slot);
        if (d->cdrom || !ide_drive_present(d))
            continue;
        ide_drive_abort(d);
        ide_smart_finish(d);
        d->unplugged = true;
        ide_drive_signature(d);
        ide_bus_update_irq(d->bus);
    }
}

#define PIIX_IDE_SLOT(name) \
    CONFIG_FIELD(PiixIde, name, CONFIG_POINTER, NULL, "BlockDev of this slot"), \
    CONFIG_FIELD(PiixIde, name##_cdrom, CONFIG_BOOL, NULL, "a CD-ROM drive"), \
    CONFIG_FIELD(PiixIde, name##_serial, CONFIG_STRING, NULL, "serial number, 20 characters")

static const ConfigField piix_ide_config[] = {
    CONFIG_PCI(PiixIde, pci),
    PIIX_IDE_SLOT(hda), PIIX_IDE_SLOT(hdb), PIIX_IDE_SLOT(hdc), PIIX_IDE_SLOT(hdd),
    CONFIG_END
};
static const StateField piix_ide_state[] = {
    STATE_PCI(PiixIde, pci),
    STATE_STRUCT_ARRAY(PiixIde, bus, ide_bus_state),
    STATE_END
};

const DeviceClass piix_ide_class = {
    .name = "piix_ide", .summary = "82371SB IDE: disks and CD-ROM drives hda-hdd",
    .size = sizeof(PiixIde), .version = 2, .config = piix_ide_config, .state = piix_ide_state,
    .init = piix_ide_init, .reset = piix_ide_reset, .loaded = piix_ide_loaded,
    .quiesce = piix_ide_quiesce, .finish = piix_ide_finish,
};
