/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * drives.h - the images behind the drives: opening them as the options say, telling xend when the
 * host fails them, trying again, growing.
 */
#ifndef GH_DM_DRIVES_H
#define GH_DM_DRIVES_H

#include "block/block.h"
#include "dm/options.h"

struct Dm;

/* Takes over the option's descriptors.  NULL with an error. */
BlockDev *drive_open(void *dm, const DriveOption *d, GError **error);
/* "hda" to "hdd" to 0 to 3; -1: no such slot. */
int drive_slot(const char *name);
/* "fda", "fdb" to 0, 1; -1: no such drive. */
int drive_floppy(const char *name);
/* Held requests of all drives run again. */
void drives_retry(struct Dm *dm);
/* The drive's image has become, or is to become, size bytes long.  reply gets 0 or an errno. */
void drive_resize(struct Dm *dm, const char *name, uint64_t size,
                  void (*reply)(struct Dm *dm, uint32_t id, int error), uint32_t id);

#endif
