/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rtl8139.h - the card's class; its options are in rtl8139.c's config table. */
#ifndef GH_RTL8139_H
#define GH_RTL8139_H

#include "lib/device.h"

extern const DeviceClass rtl8139_class;

#endif
