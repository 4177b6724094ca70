/* SPDX-License-Identifier: GPL-2.0-or-later */
/* gdb_private.h - a debugger's session, for gdb_session.c and gdb_monitor.c. */
#ifndef GH_HV_GDB_PRIVATE_H
#define GH_HV_GDB_PRIVATE_H

#include "hypervisor/gdb_packet.h"
#include "hypervisor/gdb_session.h"

typedef struct GdbPoint {
    unsigned type;              /* of the Z packet: 0 software, 1 hardware, 2 to 4 watch */
    uint64_t linear, gpa;
    uint32_t len;
} GdbPoint;

struct GdbSession {
    const GdbTarget *target;
    void *opaque;
    GdbSettings *settings;
    GdbArch arch;               /* what gdb was told at its start */
    GdbReader reader;
    GString *last;              /* the last packet sent */
    bool no_ack, running, wants_swbreak, wants_hwbreak, told_mode, used;
    unsigned cpu;               /* that registers and memory are of */
    int cpu_go;                 /* that c and s are about; -1: all */
    GdbStop stop;
    GdbPoint point[DEBUG_POINTS];
    unsigned point_count;
    int cached;                 /* whose registers are in regs; -1: nobody's */
    bool changed;               /* and not told to the target yet */
    GdbRegs regs;
};

/* The vCPU's registers; with changed set they go back to the target before it is asked anything. */
GdbRegs *gdb_session_regs(GdbSession *s, unsigned cpu);
void gdb_session_flush(GdbSession *s);
/* The guest-physical address that gdb means by this one. */
bool gdb_session_where(GdbSession *s, uint64_t addr, uint64_t *gpa);

#endif
