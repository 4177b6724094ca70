/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpu_models.h - named processors for cpu_model=: what each shows in CPUID at most.  Read-only
 * tables, any thread.  Intel's processor identification (application note 485), AMD64 psABI for the
 * x86-64 levels.
 */
#ifndef GH_LIB_CPU_MODELS_H
#define GH_LIB_CPU_MODELS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct CpuModel {
    const char *name;
    const char *help;
    uint32_t signature;         /* leaf 1 eax; 0: vendor, family and leaves stay the host's */
    uint32_t max_basic, max_ext;    /* highest leaves; max_ext 0: no extended leaves */
    const char *brand;          /* NULL: none */
    uint32_t leaf1_ecx, leaf1_edx, leaf7_ebx, leaf7_ecx, leaf7_edx, ext1_ecx, ext1_edx;
    uint32_t xsave_eax1;
    uint64_t xcr0;
    unsigned phys_bits;         /* 0: the engine's */
    uint32_t leaf2[4];          /* cache descriptors */
    struct { uint8_t level, type, ways; uint16_t kib; } cache[3];  /* leaf 4; type 1 data, 2 code,
                                                                     3 both */
} CpuModel;

/* NULL: no such model; "host" and "" are NULL, too, with *known true. */
const CpuModel *cpu_model_find(const char *name, bool *known);
/* For messages: the n-th model, NULL beyond the last. */
const CpuModel *cpu_model_nth(unsigned n);

#endif
