/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gdb_regs.h - a vCPU's registers as gdb numbers and describes them: one table makes both the target
 * description (gdb manual, "Target Descriptions", features org.gnu.gdb.i386.*) and the values.
 */
#ifndef GH_HV_GDB_REGS_H
#define GH_HV_GDB_REGS_H

#include <glib.h>
#include "hypervisor/engine.h"

/*
 * gdb takes "set architecture i386" where it was told i8086, but not the other way round; the two
 * differ only in how gdb disassembles.
 */
typedef enum GdbArch { GDB_I8086, GDB_I386, GDB_X86_64, GDB_ARCHES } GdbArch;

const char *gdb_arch_name(GdbArch arch);
/* The one of that name; false: none. */
bool gdb_arch_find(const char *name, GdbArch *arch);
/* What fits what the guest does now. */
GdbArch gdb_arch_of(const VcpuState *s);

#define GDB_REG_MAX 16          /* bytes of the widest register */

/* VcpuState and what lies beside it. */
typedef struct GdbRegs {
    VcpuState s;
    uint64_t cr8;
} GdbRegs;

unsigned gdb_reg_count(GdbArch arch);
/* Its size in bytes; 0: there is none of that number. */
unsigned gdb_reg_size(GdbArch arch, unsigned n);
/* gdb_reg_size() bytes, little-endian.  False: no such register. */
bool gdb_reg_get(GdbArch arch, unsigned n, const GdbRegs *r, uint8_t *value);
/*
 * Bits that a processor would refuse or keep are kept; a selector loads what it means in real and
 * virtual-8086 mode, and only itself in the others.
 */
bool gdb_reg_set(GdbArch arch, unsigned n, GdbRegs *r, const uint8_t *value);
/* The number of the program counter, and that of the stack and frame pointer. */
unsigned gdb_reg_pc(GdbArch arch);
unsigned gdb_reg_sp(GdbArch arch);
unsigned gdb_reg_fp(GdbArch arch);
/* target.xml; new string. */
char *gdb_target_xml(GdbArch arch);

/* In 64-bit code. */
bool gdb_in_64(const VcpuState *s);
/* Where the next instruction is: RIP and the base of CS. */
uint64_t gdb_linear_pc(const VcpuState *s);

#endif
