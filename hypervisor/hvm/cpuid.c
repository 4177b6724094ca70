/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpuid.c - CPUID leaves (Intel SDM vol. 2A, AMD APM vol. 3, xen/arch-x86/cpuid.h).  Vendor, family
 * and brand are the host's, because the engines run the host's instructions; features are only those
 * the engine really has.  Leaves that describe caches, power or performance counters we do not have
 * read as zero.
 */
#include "hypervisor/hvm/cpuid.h"

#include <cpuid.h>
#include <string.h>

enum { EAX, EBX, ECX, EDX };
#define XEN_BASE 0x40000000u
#define XEN_MAX (XEN_BASE + 5)
#define MAX_BASIC 0x16u
#define MAX_EXTENDED 0x80000008u
enum { F1C_OSXSAVE = 1 << 27, F1C_XSAVE = 1 << 26, F1C_X2APIC = 1 << 21, F1C_DEADLINE = 1 << 24,
       F1D_APIC = 1 << 9, F1D_PAE = 1 << 6, F1D_HTT = 1 << 28, F7C_OSPKE = 1 << 4 };
#define F1C_HYPERVISOR (1u << 31)
#define CR4_OSXSAVE_BIT 0x40000

static void host(uint32_t leaf, uint32_t sub, uint32_t out[4])
{
    __cpuid_count(leaf, sub, out[EAX], out[EBX], out[ECX], out[EDX]);
}

static unsigned log2_up(unsigned n)
{
    unsigned bits = 0;

    while ((1u << bits) < n) {
        bits++;
    }
    return bits;
}

static void features(const CpuidPolicy *p, const CpuidVcpu *v, uint32_t out[4])
{
    uint32_t h[4];

    host(1, 0, h);
    out[EAX] = h[EAX];
    out[EBX] = v->id * 2 << 24 | (p->vcpus * 2 & 0xff) << 16 | (h[EBX] & 0xff00);
    out[ECX] = p->caps.leaf1_ecx | F1C_HYPERVISOR | F1C_X2APIC | F1C_DEADLINE;
    out[EDX] = p->caps.leaf1_edx | F1D_APIC | (p->vcpus > 1 ? F1D_HTT : 0);
    if (!p->apic || !v->apic_enabled) {
        out[EDX] &= ~F1D_APIC;
    }
    if (!p->apic) {
        out[ECX] &= ~(F1C_X2APIC | F1C_DEADLINE);
    }
    if (!p->pae) {
        out[EDX] &= ~F1D_PAE;
    }
    out[ECX] &= ~F1C_OSXSAVE;
    if ((out[ECX] & F1C_XSAVE) && (v->cr4 & CR4_OSXSAVE_BIT)) {
        out[ECX] |= F1C_OSXSAVE;
    }
}

/* One core a package level, as Xen presents plain vCPUs: every vCPU is a core of its own socket's
 * worth of ids, two apart. */
static void topology(const CpuidPolicy *p, const CpuidVcpu *v, uint32_t sub, uint32_t out[4])
{
    if (sub == 0) {
        out[EAX] = 1;
        out[EBX] = 1;
        out[ECX] = 1 << 8;
    } else if (sub == 1) {
        out[EAX] = 1 + log2_up(p->vcpus);
        out[EBX] = p->vcpus;
        out[ECX] = 2 << 8 | 1;
    } else {
        out[ECX] = sub & 0xff;
    }
    out[EDX] = v->id * 2;
}

static void xsave_leaf(const CpuidPolicy *p, const CpuidVcpu *v, uint32_t sub, uint32_t out[4])
{
    uint32_t h[4], size = 512 + 64;

    if (!(p->caps.leaf1_ecx & F1C_XSAVE)) {
        return;
    }
    if (sub == 0) {
        uint32_t enabled = size;

        for (unsigned i = 2; i < 32; i++) {
            if (p->caps.xcr0 >> i & 1) {
                host(0xd, i, h);
                size = h[EAX] + h[EBX] > size ? h[EAX] + h[EBX] : size;
                if (v->xcr0 >> i & 1 && h[EAX] + h[EBX] > enabled) {
                    enabled = h[EAX] + h[EBX];
                }
            }
        }
        out[EAX] = p->caps.xcr0;
        out[EBX] = enabled;
        out[ECX] = size;
        out[EDX] = p->caps.xcr0 >> 32;
    } else if (sub == 1) {
        out[EAX] = p->caps.xsave_eax1;
    } else if (sub < 32 && p->caps.xcr0 >> sub & 1) {
        host(0xd, sub, h);
        out[EAX] = h[EAX];
        out[EBX] = h[EBX];
    }
}

static void xen_leaf(const CpuidPolicy *p, const CpuidVcpu *v, uint32_t leaf, uint32_t sub,
                     uint32_t out[4])
{
    switch (leaf - XEN_BASE) {
    case 0:
        out[EAX] = XEN_MAX;
        memcpy(&out[EBX], "XenVMMXenVMM", 12);
        break;
    case 1:
        out[EAX] = p->xen_major << 16 | p->xen_minor;
        break;
    case 2:
        out[EAX] = 1;
        out[EBX] = 0x40000000;
        break;
    case 3:
        if (sub == 0) {
            out[ECX] = p->tsc_khz;
        } else if (sub == 1) {
            out[EAX] = v->tsc_offset;
            out[EBX] = v->tsc_offset >> 32;
        } else if (sub == 2) {
            out[EAX] = p->tsc_khz;
        }
        break;
    case 4:
        out[EAX] = 1 << 3 | 1 << 4 | 1 << 6;    /* vCPU id, domid, per-vCPU vectors */
        out[EBX] = v->id;
        out[ECX] = p->domid;
        break;
    }
}

static void extended(const CpuidPolicy *p, uint32_t leaf, uint32_t out[4])
{
    uint32_t h[4];

    switch (leaf) {
    case 0x80000000:
        host(leaf, 0, out);
        out[EAX] = MAX_EXTENDED;
        break;
    case 0x80000001:
        host(leaf, 0, h);
        out[EAX] = h[EAX];
        out[ECX] = p->caps.ext1_ecx;
        out[EDX] = p->caps.ext1_edx;
        break;
    case 0x80000002:
    case 0x80000003:
    case 0x80000004:
        host(leaf, 0, out);
        break;
    case 0x80000007:
        out[EDX] = 1 << 8;      /* invariant TSC */
        break;
    case 0x80000008:
        out[EAX] = p->caps.phys_bits | 48 << 8;
        break;
    }
}

void cpuid_query(const CpuidPolicy *p, const CpuidVcpu *v, uint32_t leaf, uint32_t subleaf,
                 uint32_t out[4])
{
    memset(out, 0, 16);
    if (leaf >= XEN_BASE && leaf <= XEN_MAX) {
        xen_leaf(p, v, leaf, subleaf, out);
        return;
    }
    if (leaf >= 0x80000000) {
        extended(p, leaf, out);
        return;
    }
    switch (leaf) {
    case 0:
        host(0, 0, out);
        out[EAX] = MAX_BASIC;
        break;
    case 1: features(p, v, out); break;
    case 7:
        if (subleaf == 0) {
            out[EBX] = p->caps.leaf7_ebx;
            out[ECX] = p->caps.leaf7_ecx & ~F7C_OSPKE;
            out[EDX] = p->caps.leaf7_edx;
        }
        break;
    case 0xb: topology(p, v, subleaf, out); break;
    case 0xd: xsave_leaf(p, v, subleaf, out); break;
    case 0x15:                  /* TSC = crystal * ebx / eax; the crystal counts kHz */
        if (p->tsc_khz <= 0xffffffff / 1000) {
            out[EAX] = 1;
            out[EBX] = 1;
            out[ECX] = p->tsc_khz * 1000;
        }
        break;
    case 0x16:
        out[EAX] = out[EBX] = p->tsc_khz / 1000;
        break;
    }
}
