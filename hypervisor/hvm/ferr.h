/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ferr.h - the coprocessor error latch. */
#ifndef GH_HVM_FERR_H
#define GH_HVM_FERR_H

#include "lib/device.h"

extern const DeviceClass ferr_class;

#endif
