/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host_cd.h - a CD drive of this host behind a drive of a domain ("phy:/dev/sr0"): looks each second
 * what is in it, and moves and locks its tray as the guest does.  Linux's cdrom ioctls (linux/cdrom.h).
 * Sectors go by ordinary reads of the block device; packets of the guest's are not passed through, so
 * audio tracks and copy protection are out of its reach, and SG_IO is not needed.
 *
 * A drive that spins up or moves its tray keeps whoever touches it waiting, closing included.  So each
 * has a thread that does all of that, and xend's main thread never does.
 */
#ifndef GH_XEND_HOST_CD_H
#define GH_XEND_HOST_CD_H

#include <glib.h>
#include <stdbool.h>
#include "tools/common/domain_config.h"

typedef struct HostCd HostCd;

/* The threads of a xend's drives, those of drives that were given up too.  Lives as long as xend. */
typedef struct HostCds {
    GMutex lock;
    GCond ended;
    unsigned threads;
} HostCds;

/* From the main loop, at least once: the disc that is in the drive now, opened and locked against
 * writers, to be given back with host_cd_return(); -1: none, or (with failure) it can't be used. */
typedef void (*HostCdChanged)(void *opaque, int fd, const char *failure);

/* disk: its path is used.  Returns at once; NULL: no thread could be made. */
HostCd *host_cd_new(HostCds *all, const DiskConfig *disk, HostCdChanged changed, void *opaque);
/* changed is not called any more; the door is unlocked and the drive closed when its thread gets to it. */
void host_cd_free(HostCd *cd);
/* Closes a disc that changed() has given. */
void host_cd_return(HostCd *cd, int fd);
/* Both only leave a wish; of several that the drive could not follow the last counts. */
void host_cd_lock(HostCd *cd, bool locked);
void host_cd_move_tray(HostCd *cd, bool open);  /* nobody else may have it open */

void host_cds_init(HostCds *all);
/* At xend's end: waits until doors are unlocked, at most so long. */
void host_cds_wait(HostCds *all, unsigned seconds);

#endif
