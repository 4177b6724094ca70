/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hpet.h - the high precision event timer. */
#ifndef GH_HPET_H
#define GH_HPET_H

#include "lib/device.h"

extern const DeviceClass hpet_class;
/* gsi: raises an IOAPIC/ISA line; legacy: told when timers 0 and 1 replace IRQ 0 and 8. */
void hpet_connect(Device *dev, void (*gsi)(void *opaque, unsigned gsi, bool level),
                  void (*legacy)(void *opaque, bool on), void *opaque);

#endif
