/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pic.h - the 8259A pair. */
#ifndef GH_PIC_H
#define GH_PIC_H

#include "lib/device.h"

extern const DeviceClass pic_class;
/* The INT output, told on every change. */
void pic_connect(Device *dev, void (*output)(void *opaque, bool level), void *opaque);
void pic_set_irq(Device *dev, unsigned irq, bool level);
bool pic_pending(const Device *dev);
int pic_ack(Device *dev);               /* the vector; spurious ones included */
bool pic_level_sensed(const Device *dev, unsigned irq);

#endif
