/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pic.h - the pair of 8259A interrupt controllers. */
#ifndef GH_HVM_PIC_H
#define GH_HVM_PIC_H

#include "lib/device.h"

typedef struct Pic Pic;

extern const DeviceClass pic_class;     /* set pointer "out" (IrqLine *) before init */

void pic_set_irq(Pic *p, unsigned irq, bool level);     /* 0-15 */
int pic_ack(Pic *p);                    /* INTA: the vector; spurious ones included */

#endif
