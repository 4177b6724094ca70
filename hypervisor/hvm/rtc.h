/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rtc.h - the clock half of the MC146818: CMOS bytes 0-13.  It claims no port, because port 0x70's
 * index is shared with the device model's half.  Its interrupt is machine->isa_irq[8].
 */
#ifndef GH_HVM_RTC_H
#define GH_HVM_RTC_H

#include "lib/device.h"

typedef struct Rtc Rtc;

extern const DeviceClass rtc_class;

uint8_t rtc_read(Rtc *r, unsigned index);               /* 0xff beyond 13 */
void rtc_write(Rtc *r, unsigned index, uint8_t value);

#endif
