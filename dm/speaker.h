/* SPDX-License-Identifier: GPL-2.0-or-later */
/* speaker.h - the PC speaker's wire (lib/speaker.h) from the hypervisor's timer to hw/pcspk.c. */
#ifndef GH_DM_SPEAKER_H
#define GH_DM_SPEAKER_H

#include "dm/hv.h"
#include "include/dm_proto.h"

/*
 * The oldest description in the ring after *taken, which moves on.  Those that are overwritten are
 * left out, and one that can't be ends the search.
 */
bool speaker_take(const DmShared *s, uint32_t *taken, SpeakerWave *wave);
/* s and hv must outlive the default main context's last turn. */
void speaker_wire_init(SpeakerSource *s, Hv *hv);

#endif
