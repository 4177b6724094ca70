/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * drives.c - the images behind the drives, between the block layer, the devices and xend.
 */
#include "dm/drives.h"

#include <errno.h>
#include <string.h>
#include "dm/dm.h"
#include "hw/fdc.h"
#include "hw/ide.h"
#include "include/ctl_proto.h"

static void drive_failed(void *opaque, BlockDev *b, int error, bool write)
{
    g_autofree char *text = g_strdup_printf("%s: %s: %s", block_name(b),
                                            write ? "writing" : "reading", g_strerror(error));

    g_warning("%s", text);
    control_event(opaque, CTL_EVENT_DISK_ERROR, error, text);
}

BlockDev *drive_open(void *dm, const DriveOption *d, GError **error)
{
    BlockOptions options = { d->name, d->read_only };
    BlockLayer layers[BLOCK_CHAIN_MAX] = { { d->fd, d->format ? d->format : "raw" } };
    BlockDev *b;

    if (d->fd < 0) {
        return block_empty(d->name);
    }
    for (unsigned i = 0; i < d->backings; i++) {
        layers[i + 1] = (BlockLayer){ d->backing[i].fd, d->backing[i].format };
    }
    b = block_open_chain(layers, d->backings + 1, &options, error);
    if (b && d->shared) {
        block_set_shared(b);
    }
    if (b && d->hold_errors) {
        block_set_errors(b, BLOCK_ERRORS_HOLD, drive_failed, dm);
    }
    return b;
}

int drive_slot(const char *name)
{
    if (strlen(name) != 3 || strncmp(name, "hd", 2) || name[2] < 'a' || name[2] > 'd') {
        return -1;
    }
    return name[2] - 'a';
}

int drive_floppy(const char *name)
{
    if (strlen(name) != 3 || strncmp(name, "fd", 2) || name[2] < 'a' || name[2] > 'b') {
        return -1;
    }
    return name[2] - 'a';
}

void drives_retry(Dm *dm)
{
    for (unsigned slot = 0; slot < IDE_SLOTS; slot++) {
        BlockDev *b = ide_medium(dm->board.ide, slot);

        if (b) {
            block_retry(b);
        }
    }
    for (unsigned unit = 0; unit < FDC_DRIVES; unit++) {
        BlockDev *b = fdc_medium(dm->board.fdc, unit);

        if (b) {
            block_retry(b);
        }
    }
}

typedef struct Resize {
    Dm *dm;
    unsigned slot;
    uint32_t id;
    void (*reply)(Dm *dm, uint32_t id, int error);
} Resize;

static void resized(void *opaque, int error)
{
    Resize *r = opaque;

    if (!error) {
        ide_medium_resized(r->dm->board.ide, r->slot);
    }
    r->reply(r->dm, r->id, error);
    g_free(r);
}

void drive_resize(Dm *dm, const char *name, uint64_t size,
                  void (*reply)(Dm *dm, uint32_t id, int error), uint32_t id)
{
    int slot = drive_slot(name);
    BlockDev *b = slot < 0 ? NULL : ide_medium(dm->board.ide, slot);
    Resize *r;

    if (!b) {
        reply(dm, id, ENODEV);
        return;
    }
    r = g_new0(Resize, 1);
    *r = (Resize){ dm, slot, id, reply };
    block_resize(b, size, resized, r);
}
