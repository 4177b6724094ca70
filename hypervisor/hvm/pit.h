/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pit.h - the 82C54 and port 61h. */
#ifndef GH_PIT_H
#define GH_PIT_H

#include "lib/device.h"

extern const DeviceClass pit_class;
/* Channel 0's output, wired to IRQ 0 (and to be cut off while HPET replaces it). */
void pit_connect(Device *dev, IrqLine *irq0);

#endif
