/* SPDX-License-Identifier: GPL-2.0-or-later */
/* options.h - the command line of the hypervisor program. */
#ifndef GH_HV_OPTIONS_H
#define GH_HV_OPTIONS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include "lib/cpu_models.h"
#include "lib/cpuid_rules.h"

typedef enum CpuChoice { CPU_AUTO, CPU_KVM, CPU_SOFT, CPU_INTERPRETER } CpuChoice;

enum { CODE_MEMORY_MIN_MB = 16, CODE_MEMORY_MAX_MB = 128 };

typedef struct Options {
    char *name;
    uint32_t domid;
    uint32_t memory_mb, max_memory_mb, video_mb;
    uint32_t vcpus;
    uint64_t vcpu_avail;        /* bit n: vCPU n is online at the start */
    CpuChoice cpu;
    bool hpet, acpi, apic, pae, paused, verbose;
    uint32_t timer_mode, tsc_mode;
    uint32_t code_memory_mb;    /* for translated code of the whole guest; 0: the engine's own figure */
    const CpuModel *cpu_model;  /* NULL: the host */
    GArray *cpuid;              /* CpuidRule; owned */
    int64_t rtc_offset;         /* seconds added to UTC */
    uint8_t uuid[16];
    /* Descriptors; -1 when not given: the feature is off. */
    int control_fd, dm_fd, store_fd, console_fd, loader_fd, firmware_fd, kvm_fd, log_fd;
    int gdb_fd;                 /* a listening socket for a debugger */
    char *gdb_arch;             /* auto, i8086, i386, x86-64: what that is told; owned */
} Options;

/* False with an error for people; *help when --help was printed. */
bool options_parse(Options *o, int argc, char **argv, bool *help, GError **error);
void options_free(Options *o);

#endif
