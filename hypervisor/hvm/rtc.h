/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rtc.h - the MC146818 clock (CMOS indexes 0-13). */
#ifndef GH_RTC_H
#define GH_RTC_H

#include "lib/device.h"

extern const DeviceClass rtc_class;
void rtc_connect(Device *dev, IrqLine *irq8);
/* The hypervisor splits ports 70h/71h by index; these are for indexes 0-13. */
uint8_t rtc_read(Device *dev, unsigned index);
void rtc_write(Device *dev, unsigned index, uint8_t value);

#endif
