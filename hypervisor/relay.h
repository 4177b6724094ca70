/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * relay.h - the guest's xenstore and console rings, each relayed to a stream socket whose other end
 * is xend's.  The rings are in guest memory: indexes are checked each time, bytes are only copied.
 */
#ifndef GH_HV_RELAY_H
#define GH_HV_RELAY_H

#include "hypervisor/domain.h"

/* Allocates the two event channels, sets the parameters; attaches to the default main context. */
bool relay_create_all(Domain *d, GError **error);
void relay_destroy_all(Domain *d);

#endif
