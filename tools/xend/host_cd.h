/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host_cd.h - a CD drive of this host behind a drive of a domain ("phy:/dev/sr0"): looks each second
 * what is in it, and moves and locks its tray as the guest does.  Linux's cdrom ioctls (linux/cdrom.h).
 * Sectors go by ordinary reads of the block device; packets of the guest's are not passed through, so
 * audio tracks and copy protection are out of its reach.
 */
#ifndef GH_XEND_HOST_CD_H
#define GH_XEND_HOST_CD_H

#include <glib.h>
#include <stdbool.h>

typedef struct HostCd HostCd;

/* There is another disc, or (present false) none any more.  From the main loop. */
typedef void (*HostCdChanged)(void *opaque, bool present);

/* Is this block device a CD drive?  Also when it is empty. */
bool host_cd_is(const char *path);
/* present: what the domain has seen last.  NULL: no CD drive. */
HostCd *host_cd_new(const char *path, bool present, HostCdChanged changed, void *opaque);
void host_cd_free(HostCd *cd);
void host_cd_lock(HostCd *cd, bool locked);
void host_cd_move_tray(HostCd *cd, bool open);  /* nobody else may have it open */

#endif
