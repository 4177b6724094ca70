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

bool simd_host_ok(void) {
    return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("ssse3");
}

void simd_caps(EngineCaps *caps) {
    enum { PCLMULQDQ = 1 << 1, AES = 1 << 25 };     /* CPUID 1 ECX */

    if (!__builtin_cpu_supports("pclmul")) {
        caps->leaf1_ecx &= ~(uint32_t)PCLMULQDQ;
    }
    if (!__builtin_cpu_supports("aes")) {
        caps->leaf1_ecx &= ~(uint32_t)AES;
    }
}
