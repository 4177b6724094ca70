/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sse_table.c - MMX and SSE bodies by opcode and mandatory prefix, for the decoder (see ops.h),
 * and what the engine needs of the host's CPU for them.  The encodings are in sse_list.h.
 */
#include "hypervisor/soft/simd.h"

#define ROW_0f(opcode, pfx, name) [opcode][pfx] = sse_##name,
#define ROW_0f38(opcode, pfx, name)
#define ROW_0f3a(opcode, pfx, name)
#define ROW(map, opcode, pfx, name) ROW_##map(opcode, pfx, name)

const OpFn sse_0f[256][4] = { SSE_LIST(ROW) };

#undef ROW_0f
#undef ROW_0f38
#define ROW_0f(opcode, pfx, name)
#define ROW_0f38(opcode, pfx, name) [opcode][pfx] = sse_##name,

const OpFn sse_0f38[256][4] = { SSE_LIST(ROW) };

#undef ROW_0f38
#undef ROW_0f3a
#define ROW_0f38(opcode, pfx, name)
#define ROW_0f3a(opcode, pfx, name) [opcode][pfx] = sse_##name,

const OpFn sse_0f3a[256][4] = { SSE_LIST(ROW) };

bool simd_host_has_sha(void) {
    return __builtin_cpu_supports("sha");
}

bool simd_host_ok(void) {
    return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("ssse3");
}

/* What is there only because the host has it. */
static void simd_caps_vex(EngineCaps *caps) {
    enum { FMA = 1 << 12, AVX = 1 << 28, F16C = 1 << 29, RDRAND = 1 << 30 };    /* 1 ECX */
    enum { BMI1 = 1 << 3, AVX2 = 1 << 5, BMI2 = 1 << 8, RDSEED = 1 << 18, ADX = 1 << 19,
           SHA = 1 << 29 };                                                     /* 7 EBX */
    enum { VAES = 1 << 9, VPCLMULQDQ = 1 << 10 };                               /* 7 ECX */
    bool avx = __builtin_cpu_supports("avx");

    caps->leaf7_ebx |= ADX;
    caps->leaf1_ecx |= __builtin_cpu_supports("rdrnd") ? RDRAND : 0;
    caps->leaf7_ebx |= __builtin_cpu_supports("rdseed") ? RDSEED : 0;
    caps->leaf7_ebx |= __builtin_cpu_supports("bmi") ? BMI1 : 0;
    caps->leaf7_ebx |= __builtin_cpu_supports("bmi2") ? BMI2 : 0;
    caps->leaf7_ebx |= simd_host_has_sha() ? SHA : 0;
    if (!avx) {
        return;
    }
    caps->xcr0 |= 4;
    caps->leaf1_ecx |= AVX;
    caps->leaf1_ecx |= __builtin_cpu_supports("fma") ? FMA : 0;
    caps->leaf1_ecx |= __builtin_cpu_supports("f16c") ? F16C : 0;
    caps->leaf7_ebx |= __builtin_cpu_supports("avx2") ? AVX2 : 0;
    caps->leaf7_ecx |= __builtin_cpu_supports("vaes") ? VAES : 0;
    caps->leaf7_ecx |= __builtin_cpu_supports("vpclmulqdq") ? VPCLMULQDQ : 0;
}

void simd_caps(EngineCaps *caps) {
    enum { PCLMULQDQ = 1 << 1, AES = 1 << 25 };     /* CPUID 1 ECX */

    simd_caps_vex(caps);
    if (!__builtin_cpu_supports("pclmul")) {
        caps->leaf1_ecx &= ~(uint32_t)PCLMULQDQ;
    }
    if (!__builtin_cpu_supports("aes")) {
        caps->leaf1_ecx &= ~(uint32_t)AES;
    }
}
