/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpu_models.c - the table of named processors, from the 486 to the x86-64 levels.  An instruction
 * that a model doesn't show may work all the same, as under Xen; control register bits and state
 * components don't.  The old ones are Intel's, whatever the host is.
 */
#include "lib/cpu_models.h"

#include <string.h>

/* leaf 1 edx */
enum { FPU = 1, VME = 1 << 1, DE = 1 << 2, PSE = 1 << 3, TSC = 1 << 4, MSR = 1 << 5, PAE = 1 << 6,
       MCE = 1 << 7, CX8 = 1 << 8, APIC = 1 << 9, SEP = 1 << 11, MTRR = 1 << 12, PGE = 1 << 13,
       MCA = 1 << 14, CMOV = 1 << 15, PAT = 1 << 16, PSE36 = 1 << 17, CLFLUSH = 1 << 19,
       MMX = 1 << 23, FXSR = 1 << 24, SSE = 1 << 25, SSE2 = 1 << 26, HTT = 1 << 28 };
/* leaf 1 ecx */
enum { SSE3 = 1, PCLMULQDQ = 1 << 1, SSSE3 = 1 << 9, FMA = 1 << 12, CX16 = 1 << 13,
       PCID = 1 << 17, SSE4_1 = 1 << 19, SSE4_2 = 1 << 20, X2APIC = 1 << 21, MOVBE = 1 << 22,
       POPCNT = 1 << 23, DEADLINE = 1 << 24, AES = 1 << 25, XSAVE = 1 << 26, OSXSAVE = 1 << 27,
       AVX = 1 << 28, F16C = 1 << 29, RDRAND = 1 << 30 };
/* leaf 7 ebx */
enum { FSGSBASE = 1, BMI1 = 1 << 3, AVX2 = 1 << 5, SMEP = 1 << 7, BMI2 = 1 << 8, ERMS = 1 << 9,
       INVPCID = 1 << 10, RDSEED = 1 << 18, ADX = 1 << 19, SMAP = 1 << 20 };
/* leaf 7 edx */
enum { ARCH_CAPABILITIES = 1 << 29 };
/* 0x80000001 */
enum { LAHF = 1, LZCNT = 1 << 5, PREFETCHW = 1 << 8 };
enum { SYSCALL = 1 << 11, NX = 1 << 20, PAGE1GB = 1 << 26, RDTSCP = 1 << 27, LM = 1 << 29 };

#define P5_EDX (FPU | VME | DE | PSE | TSC | MSR | MCE | CX8 | APIC)
#define P6_EDX (P5_EDX | PAE | SEP | MTRR | PGE | MCA | CMOV | HTT)
#define P3_EDX (P6_EDX | PAT | PSE36 | MMX | FXSR | SSE)
#define V1_EDX (P3_EDX | CLFLUSH | SSE2)
#define V1_EXT_EDX (SYSCALL | NX | LM | (V1_EDX & 0x0183f3ff))
#define OURS_ECX (X2APIC | DEADLINE)
#define V2_ECX (OURS_ECX | SSE3 | SSSE3 | CX16 | SSE4_1 | SSE4_2 | POPCNT)
#define SAME 0xffffffffu

static const CpuModel models[] = {
    { .name = "486", .help = "Intel DX4", .signature = 0x480, .max_basic = 1, .leaf1_edx = FPU,
      .phys_bits = 36 },
    { .name = "pentium", .help = "Intel Pentium (P54C)", .signature = 0x52c, .max_basic = 1,
      .leaf1_edx = P5_EDX, .phys_bits = 36 },
    { .name = "pentium-mmx", .help = "Intel Pentium MMX", .signature = 0x543, .max_basic = 1,
      .leaf1_edx = P5_EDX | MMX, .phys_bits = 36 },
    { .name = "pentium2", .help = "Intel Pentium II", .signature = 0x652, .max_basic = 2,
      .leaf1_edx = P3_EDX & ~SSE, .phys_bits = 36,
      .leaf2 = { 0x03020101, 0, 0, 0x0c040843 } },
    { .name = "pentium3", .help = "Intel Pentium III", .signature = 0x68a, .max_basic = 2,
      .leaf1_edx = P3_EDX, .phys_bits = 36, .leaf2 = { 0x03020101, 0, 0, 0x0c040882 } },
    { .name = "core2", .help = "Intel Core 2, 64 bits", .signature = 0x6fb, .max_basic = 10,
      .max_ext = 0x80000008, .brand = "Intel(R) Core(TM)2 CPU", .leaf1_edx = V1_EDX,
      .leaf1_ecx = SSE3 | SSSE3 | CX16, .ext1_ecx = LAHF, .ext1_edx = SYSCALL | NX | LM,
      .phys_bits = 36, .leaf2 = { 0x05b0b101, 0x005657f0, 0, 0x2cb43049 },
      .cache = { { 1, 1, 8, 32 }, { 1, 2, 8, 32 }, { 2, 3, 16, 4096 } } },
    { .name = "x86-64-v1", .help = "the host's name, the first x86-64 processors' features",
      .max_basic = SAME, .max_ext = SAME, .leaf1_edx = V1_EDX, .leaf1_ecx = OURS_ECX,
      .leaf7_edx = ARCH_CAPABILITIES, .ext1_edx = V1_EXT_EDX },
    { .name = "x86-64-v2", .help = "with SSE4.2 and POPCNT (2008)", .max_basic = SAME,
      .max_ext = SAME, .leaf1_edx = V1_EDX, .leaf1_ecx = V2_ECX,
      .leaf7_edx = ARCH_CAPABILITIES, .ext1_ecx = LAHF | PREFETCHW,
      .ext1_edx = V1_EXT_EDX | RDTSCP },
    { .name = "x86-64-v3", .help = "with AVX2, FMA and BMI (2013)", .max_basic = SAME,
      .max_ext = SAME, .leaf1_edx = V1_EDX,
      .leaf1_ecx = V2_ECX | PCLMULQDQ | FMA | PCID | MOVBE | AES | XSAVE | OSXSAVE | AVX | F16C |
                   RDRAND,
      .leaf7_ebx = FSGSBASE | BMI1 | AVX2 | SMEP | BMI2 | ERMS | INVPCID,
      .leaf7_edx = ARCH_CAPABILITIES,
      .ext1_ecx = LAHF | LZCNT | PREFETCHW, .ext1_edx = V1_EXT_EDX | RDTSCP | PAGE1GB,
      .xsave_eax1 = 1, .xcr0 = 7 },
};

const CpuModel *cpu_model_nth(unsigned n)
{
    return n < sizeof models / sizeof models[0] ? &models[n] : NULL;
}

const CpuModel *cpu_model_find(const char *name, bool *known)
{
    *known = true;
    if (!name || !*name || !strcmp(name, "host")) {
        return NULL;
    }
    for (unsigned n = 0; cpu_model_nth(n); n++) {
        if (!strcmp(models[n].name, name)) {
            return &models[n];
        }
    }
    *known = false;
    return NULL;
}
