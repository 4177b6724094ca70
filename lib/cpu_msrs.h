/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpu_msrs.h - the MSRs that are state of the CPU itself (VcpuState), and which values may be written
 * to them: the same under each engine.  All others are the hypervisor's (EngineHost.msr_read).  Intel
 * SDM volume 4, AMD APM volume 2.  MISC_ENABLE and DEBUGCTL keep what is written.  Any thread.
 */
#ifndef GH_LIB_CPU_MSRS_H
#define GH_LIB_CPU_MSRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MSR_TSC = 0x10, MSR_APIC_BASE = 0x1b, MSR_SYSENTER_CS = 0x174, MSR_SYSENTER_ESP = 0x175, MSR_SYSENTER_EIP = 0x176,
    MSR_MISC_ENABLE = 0x1a0, MSR_DEBUGCTL = 0x1d9, MSR_PAT = 0x277,
};
#define MSR_EFER 0xc0000080u
#define MSR_STAR 0xc0000081u
#define MSR_LSTAR 0xc0000082u
#define MSR_CSTAR 0xc0000083u
#define MSR_SFMASK 0xc0000084u
#define MSR_FS_BASE 0xc0000100u
#define MSR_GS_BASE 0xc0000101u
#define MSR_KERNEL_GS_BASE 0xc0000102u
#define MSR_TSC_AUX 0xc0000103u

enum { EFER_BIT_SCE = 1 << 0, EFER_BIT_LME = 1 << 8, EFER_BIT_LMA = 1 << 10, EFER_BIT_NXE = 1 << 11,
       EFER_BIT_FFXSR = 1 << 14 };

static inline bool cpu_msr_canonical(uint64_t v)
{
    return (uint64_t)((int64_t)(v << 16) >> 16) == v;
}

/* Eight memory types: 0, 1, 4 to 7. */
static inline bool cpu_msr_pat_ok(uint64_t v)
{
    for (unsigned n = 0; n < 64; n += 8) {
        unsigned type = v >> n & 0xff;

        if (type > 7 || type == 2 || type == 3) {
            return false;
        }
    }
    return true;
}

/*
 * May *v be written to index, one of the above but EFER and TSC?  *v becomes what is kept: of SYSENTER's
 * addresses AMD's processors have 32 bits, and take all.  amd: the guest sees one.
 */
static inline bool cpu_msr_write_ok(uint32_t index, bool amd, uint64_t *kept)
{
    uint64_t v = *kept;

    switch (index) {
    case MSR_SYSENTER_CS:
        *kept = (uint32_t)v;
        return true;
    case MSR_SYSENTER_ESP: case MSR_SYSENTER_EIP:
        *kept = amd ? (uint32_t)v : v;
        return amd || cpu_msr_canonical(v);
    case MSR_LSTAR: case MSR_CSTAR:
    case MSR_FS_BASE: case MSR_GS_BASE: case MSR_KERNEL_GS_BASE:
        return cpu_msr_canonical(v);
    case MSR_PAT:
        return cpu_msr_pat_ok(v);
    case MSR_TSC_AUX: case MSR_SFMASK:
        return !(v >> 32);
    default:
        return true;
    }
}

/* May v be written to EFER, which is old?  ext1_edx: of CPUID leaf 0x80000001; paging: CR0.PG. */
static inline bool cpu_msr_efer_ok(uint32_t ext1_edx, bool paging, uint64_t old, uint64_t v)
{
    uint64_t allowed = EFER_BIT_LMA;

    allowed |= ext1_edx & 1u << 11 ? EFER_BIT_SCE : 0;
    allowed |= ext1_edx & 1u << 20 ? EFER_BIT_NXE : 0;
    allowed |= ext1_edx & 1u << 25 ? EFER_BIT_FFXSR : 0;
    allowed |= ext1_edx & 1u << 29 ? EFER_BIT_LME | EFER_BIT_SCE : 0;
    return !(v & ~allowed) && !(paging && ((v ^ old) & EFER_BIT_LME));
}

#endif
