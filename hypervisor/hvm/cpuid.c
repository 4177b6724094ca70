/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpuid.c - the CPUID policy: the host's vendor, family and caches, the features that both the
 * engine and our chips really have, our own topology (one thread a core, one package, APIC ids
 * 2 * vCPU), and Xen's leaves at 0x40000000 (xen/arch-x86/cpuid.h).  Never shown: virtualisation
 * extensions, MONITOR, performance counters, speculation controls.
 */
#include "hypervisor/hvm/cpuid.h"

#include <cpuid.h>
#include <string.h>
#include "hypervisor/cpu_policy.h"

#define XEN_BASE 0x40000000u
#define XEN_LEAVES 5
#define HOST_CACHE 64
#define MAX_EXTENDED 0x80000008u

/* leaf 1 ecx: DTES64 MONITOR DS-CPL VMX SMX EIST TM2 CNXT-ID SDBG xTPR PDCM DCA OSXSAVE */
#define NOT_1C (1u << 2 | 1u << 3 | 1u << 4 | 1u << 5 | 1u << 6 | 1u << 7 | 1u << 8 | 1u << 10 | \
                1u << 11 | 1u << 14 | 1u << 15 | 1u << 18 | 1u << 27)
#define X2APIC_1C (1u << 21)
#define DEADLINE_1C (1u << 24)
#define XSAVE_1C (1u << 26)
#define OSXSAVE_1C (1u << 27)
#define HYPERVISOR_1C (1u << 31)
/* leaf 1 edx: APIC PSN DS ACPI HTT TM IA64 PBE */
#define NOT_1D (1u << 9 | 1u << 18 | 1u << 21 | 1u << 22 | 1u << 28 | 7u << 29)
#define OURS_1D (1u << 7 | 1u << 12 | 1u << 14)     /* MCE MTRR MCA */
#define APIC_1D (1u << 9)
#define HTT_1D (1u << 28)
/* leaf 7: SGX PQM MPX PQE PT; WAITPKG TME LA57 MAWAU BUSLOCK ENQCMD SGX_LC; speculation and such */
#define NOT_7B (1u << 2 | 1u << 12 | 1u << 14 | 1u << 15 | 1u << 25)
#define TSC_ADJUST_7B (1u << 1)
#define NOT_7C (1u << 5 | 1u << 13 | 1u << 16 | 31u << 17 | 1u << 24 | 1u << 29 | 1u << 30)
#define NOT_7D (1u << 5 | 1u << 18 | 1u << 19 | 0xfc000000u)
/* 0x80000001 ecx: CMP-LEGACY SVM EXTAPIC OSVW IBS SKINIT WDT LWP NODEID TOPOEXT PERFCTRs MWAITX */
#define NOT_E1C (7u << 1 | 1u << 9 | 1u << 10 | 1u << 12 | 1u << 13 | 1u << 15 | \
                 1u << 19 | 1u << 22 | 1u << 23 | 1u << 24 | 1u << 27 | 1u << 28 | 1u << 29)
#define CMP_LEGACY_E1C (1u << 1)
#define ALIASES_E1D 0x0183f3ffu                     /* AMD repeats these of leaf 1 edx */
#define XSAVES_D1 (1u << 3)
#define CR4_OSXSAVE (1u << 18)

struct CpuidPolicy {
    PlatformConfig c;
    bool intel, amd;
    unsigned id_bits;           /* of an APIC id */
    uint32_t tsc_mul;
    int8_t tsc_shift;
    struct {
        uint32_t leaf, subleaf, out[4];
    } host[HOST_CACHE];         /* CPUID is slow where it traps */
    unsigned host_n;
};

static const uint32_t *host(CpuidPolicy *p, uint32_t leaf, uint32_t subleaf)
{
    static const uint32_t none[4];
    uint32_t *o;

    for (unsigned i = 0; i < p->host_n; i++) {
        if (p->host[i].leaf == leaf && p->host[i].subleaf == subleaf) {
            return p->host[i].out;
        }
    }
    if (p->host_n == HOST_CACHE) {
        return none;
    }
    o = p->host[p->host_n].out;
    p->host[p->host_n].leaf = leaf;
    p->host[p->host_n++].subleaf = subleaf;
    if (leaf <= __get_cpuid_max(leaf & 0x80000000u, NULL)) {
        __cpuid_count(leaf, subleaf, o[0], o[1], o[2], o[3]);
    }
    return o;
}

/* ns = (tsc << shift, or >> -shift) * mul >> 32, as the PV clock counts. */
static void tsc_scale(CpuidPolicy *p)
{
    uint64_t khz = p->c.tsc_khz ? p->c.tsc_khz : 1, ns = 1000000;
    int shift = 0;

    while (khz > 2 * ns) {
        khz >>= 1;
        shift--;
    }
    while (khz <= ns) {
        khz <<= 1;
        shift++;
    }
    p->tsc_mul = (ns << 32) / khz;
    p->tsc_shift = shift;
}

CpuidPolicy *cpuid_policy_new(const PlatformConfig *config)
{
    CpuidPolicy *p = g_new0(CpuidPolicy, 1);
    const uint32_t *o;

    p->c = *config;
    o = host(p, 0, 0);
    p->intel = o[1] == 0x756e6547;          /* "Genu" */
    p->amd = o[1] == 0x68747541 || o[1] == 0x6f677948;  /* "Auth", "Hygo" */
    while ((1u << p->id_bits) < 2 * config->nvcpus) {
        p->id_bits++;
    }
    tsc_scale(p);
    return p;
}

void cpuid_policy_free(CpuidPolicy *p)
{
    g_free(p);
}

static void xen_leaf(const CpuidPolicy *p, unsigned vcpu, uint32_t n, uint32_t sub, uint32_t *o)
{
    switch (n) {
    case 0:
        o[0] = XEN_BASE + XEN_LEAVES;
        o[1] = 0x566e6558;      /* "XenVMMXenVMM" */
        o[2] = 0x65584d4d;
        o[3] = 0x4d4d566e;
        break;
    case 1:
        o[0] = XEN_VERSION_MAJOR << 16 | XEN_VERSION_MINOR;
        break;
    case 2:
        o[0] = 1;               /* hypercall pages */
        o[1] = XEN_BASE;        /* MSR */
        break;
    case 3:
        if (sub == 0) {
            o[0] = 1u << 1;     /* the host's TSC is safe to use */
            o[2] = p->c.tsc_khz;
        } else if (sub == 1) {
            o[2] = p->tsc_mul;
            o[3] = (uint8_t)p->tsc_shift;
        } else if (sub == 2) {
            o[0] = p->c.tsc_khz;
        }
        break;
    case 4:
        o[0] = 1u << 3 | 1u << 4 | 1u << 6;     /* vCPU id, domain id, per-vCPU upcall vector */
        o[1] = vcpu;
        o[2] = p->c.domid;
        break;
    default:
        break;
    }
}

static void leaf_1(CpuidPolicy *p, unsigned vcpu, bool apic_on, uint64_t cr4, uint32_t *o)
{
    const EngineCaps *c = &p->c.caps;
    bool apic = p->c.apic && apic_on;

    o[0] = host(p, 1, 0)[0];
    o[1] = 2 * vcpu << 24 | MIN(2 * p->c.nvcpus, 255) << 16 | (host(p, 1, 0)[1] & 0xff00);
    o[2] = (c->leaf1_ecx & ~(NOT_1C | X2APIC_1C | DEADLINE_1C)) | HYPERVISOR_1C;
    o[3] = (c->leaf1_edx & ~NOT_1D) | OURS_1D;
    if (p->c.apic) {
        o[2] |= X2APIC_1C | DEADLINE_1C;
    }
    if (apic) {
        o[3] |= APIC_1D;
    }
    if (p->c.nvcpus > 1) {
        o[3] |= HTT_1D;
    }
    if ((o[2] & XSAVE_1C) && (cr4 & CR4_OSXSAVE)) {
        o[2] |= OSXSAVE_1C;
    }
}

static void leaf_4(CpuidPolicy *p, uint32_t sub, uint32_t *o)
{
    unsigned level;

    if (!p->intel || sub > 7) {
        return;
    }
    memcpy(o, host(p, 4, sub), 16);
    if (!(o[0] & 31)) {
        memset(o, 0, 16);
        return;
    }
    level = o[0] >> 5 & 7;
    o[0] &= 0x3fff;
    o[0] |= (MIN(2 * p->c.nvcpus, 64) - 1) << 26;
    o[0] |= (level < 3 ? 1 : MIN(2 * p->c.nvcpus, 4096) - 1) << 14;
}

static void leaf_b(const CpuidPolicy *p, unsigned vcpu, uint32_t sub, uint32_t *o)
{
    o[2] = sub & 0xff;
    o[3] = 2 * vcpu;
    if (sub == 0) {
        o[0] = 1;               /* ids are two apart */
        o[1] = 1;
        o[2] |= 1 << 8;         /* threads */
    } else if (sub == 1) {
        o[0] = p->id_bits;
        o[1] = p->c.nvcpus;
        o[2] |= 2 << 8;         /* cores */
    }
}

/* Size of the XSAVE area for the components of mask. */
static uint32_t xsave_size(CpuidPolicy *p, uint64_t mask, bool compact)
{
    uint32_t size = 576;

    for (unsigned i = 2; i < 63; i++) {
        const uint32_t *h;

        if (!(mask >> i & 1)) {
            continue;
        }
        h = host(p, 0xd, i);
        if (compact) {
            size = (h[2] & 2 ? (size + 63) & ~63u : size) + h[0];
        } else {
            size = MAX(size, h[0] + h[1]);
        }
    }
    return size;
}

static void leaf_d(CpuidPolicy *p, uint32_t sub, uint64_t xcr0, uint32_t *o)
{
    uint64_t all = p->c.caps.xcr0;

    if (!(p->c.caps.leaf1_ecx & XSAVE_1C) || !all) {
        return;
    }
    if (sub == 0) {
        o[0] = all;
        o[1] = xsave_size(p, xcr0 & all, false);
        o[2] = xsave_size(p, all, false);
        o[3] = all >> 32;
    } else if (sub == 1) {
        o[0] = p->c.caps.xsave_eax1 & ~XSAVES_D1;
        o[1] = o[0] & 2 ? xsave_size(p, xcr0 & all, true) : 0;
    } else if (sub < 63 && (all >> sub & 1)) {
        const uint32_t *h = host(p, 0xd, sub);

        o[0] = h[0];
        o[1] = h[1];
        o[2] = h[2] & 2;
    }
}

static void basic_leaf(CpuidPolicy *p, unsigned vcpu, bool apic_on, uint32_t leaf, uint32_t sub,
                       uint64_t cr4, uint64_t xcr0, uint32_t *o)
{
    const EngineCaps *c = &p->c.caps;

    switch (leaf) {
    case 0:
        memcpy(o, host(p, 0, 0), 16);
        o[0] = p->intel ? 0x16 : 0xd;
        break;
    case 1: leaf_1(p, vcpu, apic_on, cr4, o); break;
    case 2:
        if (p->intel) {
            memcpy(o, host(p, 2, 0), 16);
        }
        break;
    case 4: leaf_4(p, sub, o); break;
    case 6: o[0] = 1u << 2; break;      /* the APIC timer never stops */
    case 7:
        if (sub == 0) {
            o[1] = (c->leaf7_ebx & ~NOT_7B) | TSC_ADJUST_7B;
            o[2] = c->leaf7_ecx & ~NOT_7C;
            o[3] = c->leaf7_edx & ~NOT_7D;
        }
        break;
    case 0xb: leaf_b(p, vcpu, sub, o); break;
    case 0xd: leaf_d(p, sub, xcr0, o); break;
    case 0x15:                          /* the crystal is the APIC timer's clock */
        o[0] = 100000;
        o[1] = p->c.tsc_khz;
        o[2] = 100000000;
        break;
    case 0x16:
        o[0] = o[1] = p->c.tsc_khz / 1000;
        o[2] = 100;
        break;
    default: break;
    }
}

static void extended_leaf(CpuidPolicy *p, bool apic_on, uint32_t leaf, uint32_t *o)
{
    const EngineCaps *c = &p->c.caps;

    switch (leaf) {
    case 0x80000000:
        if (p->amd) {
            memcpy(o, host(p, 0, 0), 16);
        }
        o[0] = MAX_EXTENDED;
        break;
    case 0x80000001:
        o[0] = host(p, leaf, 0)[0];
        o[2] = c->ext1_ecx & ~NOT_E1C;
        o[3] = c->ext1_edx & ~APIC_1D;
        if (p->amd) {
            uint32_t one[4] = { 0 };

            leaf_1(p, 0, apic_on, 0, one);
            o[3] = (o[3] & ~ALIASES_E1D) | (one[3] & ALIASES_E1D);
            o[2] |= p->c.nvcpus > 1 ? CMP_LEGACY_E1C : 0;
        }
        break;
    case 0x80000002 ... 0x80000004:     /* brand */
    case 0x80000006:
        memcpy(o, host(p, leaf, 0), 16);
        break;
    case 0x80000005:
        if (p->amd) {
            memcpy(o, host(p, leaf, 0), 16);
        }
        break;
    case 0x80000007:
        o[3] = host(p, leaf, 0)[3] & 1u << 8;   /* invariant TSC */
        break;
    case 0x80000008:
        o[0] = c->phys_bits | 48 << 8;
        if (p->amd && p->c.nvcpus > 1) {
            o[2] = p->id_bits << 12 | (MIN(2 * p->c.nvcpus, 256) - 1);
        }
        break;
    default: break;
    }
}

void cpuid_policy_get(CpuidPolicy *p, unsigned vcpu, bool apic_on, uint32_t leaf, uint32_t subleaf,
                      uint64_t cr4, uint64_t xcr0, uint32_t out[4])
{
    memset(out, 0, 16);
    if (leaf >= XEN_BASE && leaf <= XEN_BASE + XEN_LEAVES) {
        xen_leaf(p, vcpu, leaf - XEN_BASE, subleaf, out);
    } else if (leaf >= 0x80000000u) {
        extended_leaf(p, apic_on, leaf, out);
    } else if (leaf < XEN_BASE) {
        if (leaf > (p->intel ? 0x16u : 0xdu)) {
            return;
        }
        basic_leaf(p, vcpu, apic_on, leaf, subleaf, cr4, xcr0, out);
    }
}
