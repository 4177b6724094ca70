/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pmtimer.h - the PM1a event block and the PM timer.  The SCI is machine->isa_irq[9]. */
#ifndef GH_HVM_PMTIMER_H
#define GH_HVM_PMTIMER_H

#include "lib/device.h"

typedef struct PmTimer PmTimer;

extern const DeviceClass pmtimer_class;

enum { PM1_TMR = 1 << 0, PM1_GBL = 1 << 5, PM1_PWRBTN = 1 << 8, PM1_SLPBTN = 1 << 9,
       PM1_RTC = 1 << 10, PM1_WAK = 1 << 15 };

void pmtimer_set_version(PmTimer *p, unsigned version);     /* 0 or 1: where the ports are */
void pmtimer_set_status(PmTimer *p, uint16_t bits);         /* PM1_* events that happened */

#endif
