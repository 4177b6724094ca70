/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dm_channel.h - the device model's socket and the posted-operation ring (dm_proto.h).  Nothing the
 * device model sends can hurt more than its own domain.
 */
#ifndef GH_HV_DM_CHANNEL_H
#define GH_HV_DM_CHANNEL_H

#include "hypervisor/domain.h"

/* Maps DmShared; with fd >= 0 also says hello and serves the socket in the default main context. */
bool dm_channel_create(Domain *d, int fd, GError **error);
void dm_channel_destroy(Domain *d);
/* The domain is going: tells the device model. */
void dm_channel_shutdown(Domain *d);
int dm_channel_post_fd(const Domain *d);
/* Publishes pause state and the clock. */
void dm_publish_time(Domain *d);
/* Takes all posted operations.  Any thread, device lock not held (…_locked: held). */
void dm_drain_posts(Domain *d);
void dm_drain_posts_locked(Domain *d);
/* For the PC speaker; device lock held, never waits. */
void dm_publish_speaker(Domain *d, const SpeakerWave *wave);

/* One struct xen_dm_op, len bytes at op, answered in place; returns 0 or a negative error.  extra:
 * up to *extra_len bytes of data after the answer (track_dirty_vram). */
int dm_op_execute(Domain *d, void *op, size_t len, uint8_t *extra, size_t *extra_len);

#endif
