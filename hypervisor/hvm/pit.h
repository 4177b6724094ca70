/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pit.h - the 82C54 timer.  Channel 0's output is machine->isa_irq[0]. */
#ifndef GH_HVM_PIT_H
#define GH_HVM_PIT_H

#include "lib/device.h"

extern const DeviceClass pit_class;

#endif
