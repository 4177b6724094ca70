/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pmtimer.h - the ACPI PM timer and the PM1a event block. */
#ifndef GH_PMTIMER_H
#define GH_PMTIMER_H

#include "lib/device.h"

extern const DeviceClass pmtimer_class;
void pmtimer_connect(Device *dev, IrqLine *sci);
/* Version 0: ports 1F40h/1F48h, 1: B000h/B008h (HVM_PARAM_ACPI_IOPORTS_LOCATION). */
void pmtimer_set_version(Device *dev, unsigned version);
void pmtimer_power_button(Device *dev);
void pmtimer_sleep_button(Device *dev);

#endif
