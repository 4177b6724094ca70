/* SPDX-License-Identifier: GPL-2.0-or-later */
/* uart.h - the 16550A's class; its options are in uart.c's config table. */
#ifndef GH_UART_H
#define GH_UART_H

#include "lib/device.h"

extern const DeviceClass uart_class;

#endif
