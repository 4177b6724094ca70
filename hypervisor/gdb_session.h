/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gdb_session.h - one gdb on the other end of gdb's remote serial protocol, and the machine as such a
 * debugger sees it.  Knows neither sockets nor threads: bytes come in by gdb_session_input(), go out
 * by GdbTarget.send, all on one thread; the machine is reached through GdbTarget alone.
 */
#ifndef GH_HV_GDB_SESSION_H
#define GH_HV_GDB_SESSION_H

#include "hypervisor/gdb_regs.h"

typedef struct GdbSession GdbSession;

typedef enum GdbDo { GDB_STAY, GDB_STEP, GDB_GO } GdbDo;

typedef struct GdbAction {
    GdbDo what;
    uint64_t from, to;          /* GDB_STEP: on while RIP is from <= RIP < to; to 0: once */
} GdbAction;

/* Why the machine stands. */
typedef struct GdbStop {
    enum { GDB_STOPPED, GDB_EXITED, GDB_KILLED } how;
    unsigned cpu;
    unsigned signal;            /* gdb's numbers: GDB_SIG* */
    DebugHit hit;               /* of that vCPU */
} GdbStop;

enum { GDB_SIGINT = 2, GDB_SIGTRAP = 5, GDB_SIGABRT = 6, GDB_SIGSEGV = 11 };

/* All but send, interrupt and detached only while the machine stands. */
typedef struct GdbTarget {
    void (*send)(void *opaque, const char *bytes, size_t len);
    unsigned cpus;
    bool long_mode;             /* the guest's CPU has it */
    void (*get)(void *opaque, unsigned cpu, GdbRegs *r);
    void (*set)(void *opaque, unsigned cpu, const GdbRegs *r);
    /* "running", "halted", "offline"... */
    const char *(*about)(void *opaque, unsigned cpu);
    /* Guest-physical RAM within one page, no device.  False: there is none. */
    bool (*read)(void *opaque, uint64_t gpa, void *buf, size_t len);
    bool (*write)(void *opaque, uint64_t gpa, const void *buf, size_t len);
    /* Through the vCPU's page tables.  False: not mapped. */
    bool (*translate)(void *opaque, unsigned cpu, const VcpuState *s, uint64_t linear,
                      uint64_t *gpa);
    bool (*points)(void *opaque, const DebugPoint *points, unsigned n);
    /* One action for each vCPU.  gdb_session_stopped() tells when the machine stands again. */
    void (*resume)(void *opaque, const GdbAction *actions);
    void (*interrupt)(void *opaque);
    void (*kill)(void *opaque);
    void (*nmi)(void *opaque, unsigned cpu);
    /* What the engine has counted for this vCPU: fills ENGINE_COUNTERS at most, returns how many. */
    unsigned (*counters)(void *opaque, unsigned cpu, EngineCounter *out);
} GdbTarget;

/* What monitor commands change, and what outlives one connection.  arch < 0: as the guest runs. */
typedef struct GdbSettings {
    int arch;
    bool physical;              /* memory addresses are guest-physical */
    bool linear_pc;             /* the program counter has the base of CS in it */
} GdbSettings;

/* The machine stands.  target and settings are used until gdb_session_free(). */
GdbSession *gdb_session_new(const GdbTarget *target, void *opaque, GdbSettings *settings);
void gdb_session_free(GdbSession *s);
/* False: it wants no more (detached, killed): the connection is to be closed. */
bool gdb_session_input(GdbSession *s, const uint8_t *bytes, size_t len);
void gdb_session_stopped(GdbSession *s, const GdbStop *stop);
bool gdb_session_running(const GdbSession *s);
/* At least one packet was one: it was a debugger, and no stray connection. */
bool gdb_session_used(const GdbSession *s);

#endif
