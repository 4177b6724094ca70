/* SPDX-License-Identifier: GPL-2.0-or-later */
/* debug_port.h - port E9h, where firmware writes its messages. */
#ifndef GH_DEBUG_PORT_H
#define GH_DEBUG_PORT_H

#include "lib/device.h"

extern const DeviceClass debug_port_class;
/* Gets every printable character, newline and tab. */
void debug_port_connect(Device *dev, void (*put)(void *opaque, char c), void *opaque);

#endif
