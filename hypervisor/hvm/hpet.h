/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hpet.h - the HPET.  Before init: pointers "gsi" (IrqLine[IOAPIC_PINS]), "legacy" (IrqLine[2], in
 * place of the PIT's and the RTC's wires) and "legacy_on" (IrqLine: legacy replacement is on). */
#ifndef GH_HVM_HPET_H
#define GH_HVM_HPET_H

#include "lib/device.h"

extern const DeviceClass hpet_class;

#endif
