/* SPDX-License-Identifier: GPL-2.0-or-later */
/* debugport.h - port 0xE9.  Set pointer "sink" (DebugPortSink *) before init. */
#ifndef GH_HVM_DEBUGPORT_H
#define GH_HVM_DEBUGPORT_H

#include "lib/device.h"

typedef struct DebugPortSink {
    void (*putc)(void *opaque, char c); /* NULL: lines go to the machine's log */
    void *opaque;
} DebugPortSink;

extern const DeviceClass debugport_class;

#endif
