/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpuid.c - the CPUID policy: the host's vendor, family and caches, or those of a named model; the
 * features that both the engine and our chips really have; our own topology (one thread a core,
 * one package, APIC ids 2 * vCPU); the config's rules on top; and Xen's leaves at 0x40000000
 * (xen/arch-x86/cpuid.h).  Never shown: virtualisation extensions, MONITOR, performance counters,
 * speculation controls, control-flow enforcement, AMX.
 */
#include "hypervisor/hvm/cpuid.h"

#include <cpuid.h>
#include <string.h>
#include "hypervisor/cpu_policy.h"

#define XEN_BASE 0x40000000u
#define XEN_LEAVES 5
#define HOST_CACHE 128
#define EMPTY_LEAF 0x17u        /* a KVM that is told of Intel answers with the last leaf for all above it: Xen zeros */
#define CRYSTAL_KHZ 100000u     /* of leaf 15h: the APIC timer's clock */
#define MAX_EXTENDED 0x80000008u
#define MAX_EXTENDED_AMD 0x8000001eu

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
/* leaf 7: SGX PQM MPX PQE PT; WAITPKG SHSTK TME LA57 MAWAU KL BUSLOCK ENQCMD SGX_LC */
#define NOT_7B (1u << 2 | 1u << 12 | 1u << 14 | 1u << 15 | 1u << 25)
#define SSE42_1C (1u << 20)
#define AVX_1C (1u << 28)
#define AVX2_7B (1u << 5)
#define AVX512F_7B (1u << 16)
#define AVX_VNNI_71A (1u << 4)
#define TSC_ADJUST_7B (1u << 1)
#define RDPID_7C (1u << 22)
#define NOT_7C (1u << 5 | 1u << 7 | 1u << 13 | 1u << 16 | 31u << 17 | 3u << 23 | 1u << 29 | 1u << 30)
/* UINTR SRBDS_CTRL RTM_ALWAYS_ABORT TSX_FORCE_ABORT PCONFIG ARCH_LBR IBT AMX-BF16 AMX-TILE AMX-INT8, speculation */
#define NOT_7D (1u << 5 | 1u << 9 | 1u << 11 | 1u << 13 | 7u << 18 | 1u << 22 | 3u << 24 | 0xfc000000u)
/* 0x80000001 ecx: CMP-LEGACY SVM EXTAPIC OSVW IBS SKINIT WDT LWP NODEID TOPOEXT PERFCTRs MWAITX */
#define NOT_E1C (7u << 1 | 1u << 9 | 1u << 10 | 1u << 12 | 1u << 13 | 1u << 15 | \
                 1u << 19 | 1u << 22 | 1u << 23 | 1u << 24 | 1u << 27 | 1u << 28 | 1u << 29)
#define CMP_LEGACY_E1C (1u << 1)
#define TOPOEXT_E1C (1u << 22)
#define ALIASES_E1D 0x0183f3ffu                     /* AMD repeats these of leaf 1 edx */
#define ARCH_CAPABILITIES_7D (1u << 29)
#define XSAVES_D1 (1u << 3)
#define CR4_OSXSAVE (1u << 18)
#define PAE_D (1u << 6)                             /* of leaf 1 and 0x80000001 */
#define NX_LM_E1D (1u << 20 | 1u << 29)

/* What is shown before the rules: with the model, and for their limits without it. */
typedef struct View {
    const CpuModel *model;      /* NULL: the host */
    EngineCaps caps;
    bool intel, amd;
    bool named;                 /* the model has leaves and a name of its own */
} View;

struct CpuidPolicy {
    PlatformConfig c;
    View shown, all;
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

/* Linux multiplies the crystal's kHz by num in 32 bits: so the nearest fraction of which that is possible. */
void cpuid_tsc_ratio(uint64_t khz, uint32_t *num, uint32_t *den)
{
    uint64_t least = UINT64_MAX, least_den = 1;

    for (uint64_t d = 1; d <= CRYSTAL_KHZ && least; d++) {
        uint64_t n = (khz * d + CRYSTAL_KHZ / 2) / CRYSTAL_KHZ;
        uint64_t wrong = n * CRYSTAL_KHZ > khz * d ? n * CRYSTAL_KHZ - khz * d : khz * d - n * CRYSTAL_KHZ;

        if (n * CRYSTAL_KHZ > UINT32_MAX) {
            break;
        }
        if (n && (least == UINT64_MAX || wrong * least_den < least * d)) {
            least = wrong;
            least_den = d;
            *num = n;
            *den = d;
        }
    }
}

/* Signatures of processors with AVX2 at most; with SSE4.2, with SSSE3 at most */
#define SKYLAKE 0x506e3u
#define ZEN_3 0xa20f10u
#define WESTMERE 0x206c2u
#define CORE_2 0x6fbu

#define GENU 0x756e6547u        /* "GenuineIntel" */
#define INEI 0x49656e69u
#define NTEL 0x6c65746eu

/* caps without what the model lacks. */
static void model_cut(const CpuModel *m, EngineCaps *caps)
{
    caps->leaf1_ecx &= m->leaf1_ecx;
    caps->leaf1_edx &= m->leaf1_edx;
    caps->leaf7_ebx &= m->leaf7_ebx;
    caps->leaf7_ecx &= m->leaf7_ecx;
    caps->leaf7_edx &= m->leaf7_edx;
    if (!(m->leaf7_edx & ARCH_CAPABILITIES_7D)) {
        caps->arch_capabilities = 0;
    }
    caps->ext1_ecx &= m->ext1_ecx;
    caps->ext1_edx &= m->ext1_edx;
    caps->xsave_eax1 &= m->xsave_eax1;
    caps->xcr0 &= m->xcr0;
    caps->phys_bits = m->phys_bits ? MIN(m->phys_bits, caps->phys_bits) : caps->phys_bits;
}

static void take_model(View *w, const PlatformConfig *config)
{
    w->model = config->model;
    if (w->model) {
        model_cut(w->model, &w->caps);
        w->named = w->model->signature;
    }
    if (w->named) {
        w->intel = true;
        w->amd = false;
    }
    if (config->no_pae) {
        w->caps.leaf1_edx &= ~PAE_D;
        w->caps.ext1_edx &= ~(PAE_D | NX_LM_E1D);
    }
}

CpuidPolicy *cpuid_policy_new(const PlatformConfig *config)
{
    CpuidPolicy *p = g_new0(CpuidPolicy, 1);
    const uint32_t *o;

    p->c = *config;
    o = host(p, 0, 0);
    p->all.caps = config->caps;
    if (config->tsc_mode == 3) {
        p->all.caps.leaf7_ecx &= ~RDPID_7C;     /* TSC_AUX tells the incarnation, not which processor it is */
    }
    p->all.intel = o[1] == GENU;
    p->all.amd = o[1] == 0x68747541 || o[1] == 0x6f677948;  /* "Auth", "Hygo" */
    p->shown = p->all;
    take_model(&p->shown, config);
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

/* Flags, mode, frequency and incarnation; how to make ns of the guest's TSC; the host's kHz. */
static void xen_time_leaf(const CpuidPolicy *p, uint32_t sub, uint32_t *o)
{
    enum { EMULATED = 1, HOST_SAFE = 2, HOST_RDTSCP = 4 };

    if (sub == 0) {
        o[0] = (p->c.tsc_emulated ? EMULATED : 0) | (p->c.tsc_safe ? HOST_SAFE : 0) |
               (p->all.caps.ext1_edx & 1u << 27 ? HOST_RDTSCP : 0);
        o[1] = p->c.tsc_mode;
        o[2] = p->c.tsc_khz;
        o[3] = p->c.incarnation;
    } else if (sub == 1) {
        o[2] = p->tsc_mul;
        o[3] = (uint8_t)p->tsc_shift;
    } else if (sub == 2) {
        o[0] = p->c.tsc_khz;
    }
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
        xen_time_leaf(p, sub, o);
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

/*
 * Programs choose code by family and model alone (GCC's target_clones with arch=), which must not be for more than
 * what the other leaves show: so where vector instructions of the host's are hidden it is a processor without them.
 */
static uint32_t signature(CpuidPolicy *p, const View *w)
{
    uint32_t wide = host(p, 7, 0)[CPUID_EBX] & (AVX2_7B | AVX512F_7B), avx = host(p, 1, 0)[CPUID_ECX] & AVX_1C;
    bool vnni = (host(p, 7, 1)[CPUID_EAX] & AVX_VNNI_71A) && !(wide & AVX512F_7B);
    uint32_t seven[4], own = host(p, 1, 0)[CPUID_EAX];

    if (w->named) {
        return w->model->signature;
    }
    cpuid_policy_get(p, 0, true, 7, 0, 0, 0, seven);
    if (!(wide & ~seven[CPUID_EBX]) && !(avx & ~w->caps.leaf1_ecx) && !vnni) {
        return own;
    }
    if (w->amd) {
        return seven[CPUID_EBX] & AVX2_7B ? ZEN_3 : own;
    }
    return seven[CPUID_EBX] & AVX2_7B ? SKYLAKE : w->caps.leaf1_ecx & SSE42_1C ? WESTMERE : CORE_2;
}

static void leaf_1(CpuidPolicy *p, const View *w, unsigned vcpu, bool apic_on, uint64_t cr4,
                   uint32_t *o)
{
    const EngineCaps *c = &w->caps;
    uint32_t x2apic = X2APIC_1C | DEADLINE_1C, ours = OURS_1D | APIC_1D | HTT_1D;
    bool apic = p->c.apic && apic_on;

    if (w->model) {
        x2apic &= w->model->leaf1_ecx;
        ours &= w->model->leaf1_edx;
    }
    /* The number of ids with room between them; AMD counts the threads that there are. */
    o[0] = signature(p, w);
    o[1] = 2 * vcpu << 24 | MIN((w->amd ? 1 : 2) * p->c.nvcpus, 255) << 16 |
           (host(p, 1, 0)[1] & 0xff00);
    o[2] = (c->leaf1_ecx & ~(NOT_1C | X2APIC_1C | DEADLINE_1C)) | HYPERVISOR_1C;
    o[3] = (c->leaf1_edx & ~NOT_1D) | (ours & OURS_1D);
    if (p->c.apic) {
        o[2] |= x2apic;
    }
    if (apic) {
        o[3] |= ours & APIC_1D;
    }
    if (p->c.nvcpus > 1) {
        o[3] |= ours & HTT_1D;
    }
    if ((o[2] & XSAVE_1C) && (cr4 & CR4_OSXSAVE)) {
        o[2] |= OSXSAVE_1C;
    }
}

/* A cache as leaf 4 and 0x8000001D tell it, in lines of 64 bytes. */
static void model_cache(const CpuModel *m, uint32_t sub, uint32_t *o)
{
    if (sub >= G_N_ELEMENTS(m->cache) || !m->cache[sub].level) {
        return;
    }
    o[0] = m->cache[sub].type | (uint32_t)m->cache[sub].level << 5 | 1u << 8;
    o[1] = (m->cache[sub].ways - 1u) << 22 | (64 - 1);
    o[2] = m->cache[sub].kib * 1024u / 64 / m->cache[sub].ways - 1;
}

static void leaf_4(CpuidPolicy *p, const View *w, uint32_t sub, uint32_t *o)
{
    unsigned level;

    if (!w->intel || sub > 7) {
        return;
    }
    if (w->named) {
        model_cache(w->model, sub, o);
    } else {
        memcpy(o, host(p, 4, sub), 16);
    }
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

static void leaf_d(CpuidPolicy *p, const View *w, uint32_t sub, uint64_t xcr0, uint32_t *o)
{
    uint64_t all = w->caps.xcr0;

    if (!(w->caps.leaf1_ecx & XSAVE_1C) || !all) {
        return;
    }
    if (sub == 0) {
        o[0] = all;
        o[1] = xsave_size(p, xcr0 & all, false);
        o[2] = xsave_size(p, all, false);
        o[3] = all >> 32;
    } else if (sub == 1) {
        o[0] = w->caps.xsave_eax1 & ~XSAVES_D1;
        o[1] = o[0] & 2 ? xsave_size(p, xcr0 & all, true) : 0;
    } else if (sub < 63 && (all >> sub & 1)) {
        const uint32_t *h = host(p, 0xd, sub);

        o[0] = h[0];
        o[1] = h[1];
        o[2] = h[2] & 2;
    }
}

static uint32_t max_basic(const View *w)
{
    return w->named ? w->model->max_basic : w->intel ? EMPTY_LEAF : 0xd;
}

static void basic_leaf(CpuidPolicy *p, const View *w, unsigned vcpu, bool apic_on, uint32_t leaf,
                       uint32_t sub, uint64_t cr4, uint64_t xcr0, uint32_t *o)
{
    const EngineCaps *c = &w->caps;

    switch (leaf) {
    case 0:
        memcpy(o, host(p, 0, 0), 16);
        o[0] = max_basic(w);
        if (w->named) {
            o[1] = GENU;
            o[2] = NTEL;
            o[3] = INEI;
        }
        break;
    case 1: leaf_1(p, w, vcpu, apic_on, cr4, o); break;
    case 2:
        if (w->intel) {
            memcpy(o, w->named ? w->model->leaf2 : host(p, 2, 0), 16);
        }
        break;
    case 4: leaf_4(p, w, sub, o); break;
    case 6: o[0] = 1u << 2; break;      /* the APIC timer never stops */
    case 7:
        if (sub == 0) {
            o[1] = (c->leaf7_ebx & ~NOT_7B) | (w->model ? 0 : TSC_ADJUST_7B);
            o[2] = c->leaf7_ecx & ~NOT_7C;
            o[3] = (c->leaf7_edx & ~NOT_7D) | (c->arch_capabilities ? ARCH_CAPABILITIES_7D : 0);
        }
        break;
    case 0xb: leaf_b(p, vcpu, sub, o); break;
    case 0xd: leaf_d(p, w, sub, xcr0, o); break;
    case 0x15:
        cpuid_tsc_ratio(p->c.tsc_khz, &o[1], &o[0]);
        o[2] = CRYSTAL_KHZ * 1000;
        break;
    case 0x16:
        o[0] = o[1] = (p->c.tsc_khz + 500) / 1000;
        o[2] = 100;
        break;
    default: break;
    }
}

static void brand(const char *text, unsigned n, uint32_t *o)
{
    char name[48] = { 0 };

    g_strlcpy(name, text, sizeof name);
    memcpy(o, name + 16 * n, 16);
}

static uint32_t max_extended(CpuidPolicy *p, const View *w)
{
    if (w->named) {
        return w->model->max_ext;
    }
    return w->amd && host(p, 0x80000000, 0)[0] >= MAX_EXTENDED_AMD ? MAX_EXTENDED_AMD
                                                                   : MAX_EXTENDED;
}

static void extended_features(CpuidPolicy *p, const View *w, bool apic_on, uint32_t *o)
{
    uint32_t one[4] = { 0 };

    o[0] = w->named ? 0 : w->amd ? signature(p, w) : host(p, 0x80000001, 0)[0];
    o[2] = w->caps.ext1_ecx & ~NOT_E1C;
    o[3] = w->caps.ext1_edx & ~APIC_1D;
    if (w->amd) {
        leaf_1(p, w, 0, apic_on, 0, one);
        o[3] = (o[3] & ~ALIASES_E1D) | (one[3] & ALIASES_E1D);
        o[2] |= p->c.nvcpus > 1 ? CMP_LEGACY_E1C : 0;
        o[2] |= max_extended(p, w) >= MAX_EXTENDED_AMD ? TOPOEXT_E1C : 0;
    } else {
        o[3] &= ~ALIASES_E1D;
    }
}

/* AMD's caches: those above the second level are shared by all. */
static void leaf_8000001d(CpuidPolicy *p, uint32_t sub, uint32_t *o)
{
    memcpy(o, host(p, 0x8000001d, MIN(sub, 7)), 16);
    if (!(o[0] & 31)) {
        memset(o, 0, 16);
        return;
    }
    o[0] &= 0x3fff;
    o[0] |= ((o[0] >> 5 & 7) < 3 ? 0 : MIN(p->c.nvcpus, 4096) - 1) << 14;
}

static void extended_leaf(CpuidPolicy *p, const View *w, unsigned vcpu, bool apic_on, uint32_t leaf,
                          uint32_t sub, uint32_t *o)
{
    if (leaf > max_extended(p, w)) {
        return;
    }
    switch (leaf) {
    case 0x80000000:
        if (w->amd) {
            memcpy(o, host(p, 0, 0), 16);
        }
        o[0] = max_extended(p, w);
        break;
    case 0x80000001: extended_features(p, w, apic_on, o); break;
    case 0x80000002 ... 0x80000004:
        if (w->named) {
            brand(w->model->brand ? w->model->brand : "", leaf - 0x80000002, o);
        } else {
            memcpy(o, host(p, leaf, 0), 16);
        }
        break;
    case 0x80000006:
        if (!w->named) {
            memcpy(o, host(p, leaf, 0), 16);
        }
        break;
    case 0x80000005:
        if (w->amd) {
            memcpy(o, host(p, leaf, 0), 16);
        }
        break;
    case 0x80000007:
        o[3] = w->named ? 0 : host(p, leaf, 0)[3] & 1u << 8;    /* invariant TSC */
        break;
    case 0x80000008:
        o[0] = w->caps.phys_bits | 48 << 8;
        if (w->amd && p->c.nvcpus > 1) {
            o[2] = p->id_bits << 12 | (MIN(p->c.nvcpus, 256) - 1);
        }
        break;
    case 0x8000001d: leaf_8000001d(p, sub, o); break;
    case 0x8000001e:                    /* one thread a core, one node */
        o[0] = 2 * vcpu;
        o[1] = vcpu & 0xff;
        break;
    default: break;
    }
}

static void view_get(CpuidPolicy *p, const View *w, unsigned vcpu, bool apic_on, uint32_t leaf,
                     uint32_t sub, uint64_t cr4, uint64_t xcr0, uint32_t out[4])
{
    memset(out, 0, 16);
    if (leaf >= 0x80000000u) {
        extended_leaf(p, w, vcpu, apic_on, leaf, sub, out);
    } else if (leaf <= max_basic(w)) {
        basic_leaf(p, w, vcpu, apic_on, leaf, sub, cr4, xcr0, out);
    }
}

/* --- the config's rules --- */

/* Of features, no rule can show more than there is. */
static bool is_features(uint32_t leaf, uint32_t sub, unsigned reg)
{
    switch (leaf) {
    case 1: return reg >= CPUID_ECX;
    case 7: return sub == 0 && reg >= CPUID_EBX;
    case 0xd: return sub <= 1;
    case 0x80000001: return reg >= CPUID_ECX;
    default: return false;
    }
}

static void apply(CpuidPolicy *p, const CpuidRule *r, uint32_t sub, const uint32_t all[4],
                  uint32_t out[4])
{
    uint32_t may = is_features(r->leaf, sub, r->reg) ? all[r->reg] : ~0u;
    uint32_t h = host(p, r->leaf, sub)[r->reg];
    uint32_t v = out[r->reg];

    v = (v & ~r->zero) | (r->one & may);
    out[r->reg] = (v & ~r->host) | (h & r->host & may);
}

static void apply_rules(CpuidPolicy *p, unsigned vcpu, bool apic_on, uint32_t leaf, uint32_t sub,
                        uint64_t cr4, uint64_t xcr0, uint32_t out[4])
{
    uint32_t all[4];
    bool have = false;

    for (unsigned i = 0; i < p->c.rule_count; i++) {
        const CpuidRule *r = &p->c.rules[i];

        if (r->leaf != leaf || (r->subleaf != CPUID_ANY_SUBLEAF && r->subleaf != sub)) {
            continue;
        }
        if (!have) {
            view_get(p, &p->all, vcpu, apic_on, leaf, sub, cr4, xcr0, all);
            have = true;
        }
        apply(p, r, sub, all, out);
    }
}

void cpuid_policy_get(CpuidPolicy *p, unsigned vcpu, bool apic_on, uint32_t leaf, uint32_t subleaf,
                      uint64_t cr4, uint64_t xcr0, uint32_t out[4])
{
    memset(out, 0, 16);
    if (leaf >= XEN_BASE && leaf <= XEN_BASE + XEN_LEAVES) {
        xen_leaf(p, vcpu, leaf - XEN_BASE, subleaf, out);
    } else if (leaf < XEN_BASE || leaf >= 0x80000000u) {
        view_get(p, &p->shown, vcpu, apic_on, leaf, subleaf, cr4, xcr0, out);
    }
    apply_rules(p, vcpu, apic_on, leaf, subleaf, cr4, xcr0, out);
}

uint64_t cpuid_arch_capabilities(CpuidPolicy *p)
{
    uint32_t seven[4];

    cpuid_policy_get(p, 0, true, 7, 0, 0, 0, seven);
    return seven[CPUID_EDX] & ARCH_CAPABILITIES_7D ? p->all.caps.arch_capabilities : 0;
}

char *cpuid_policy_refused(CpuidPolicy *p)
{
    GString *s = g_string_new(NULL);

    for (unsigned i = 0; i < p->c.rule_count; i++) {
        const CpuidRule *r = &p->c.rules[i];
        uint32_t sub = r->subleaf == CPUID_ANY_SUBLEAF ? 0 : r->subleaf, all[4], lost;

        view_get(p, &p->all, 0, true, r->leaf, sub, CR4_OSXSAVE, p->all.caps.xcr0, all);
        lost = is_features(r->leaf, sub, r->reg) ? r->one & ~all[r->reg] : 0;
        for (unsigned bit = 0; bit < 32; bit++) {
            if (lost >> bit & 1) {
                g_string_append_printf(s, "%s%#x e%cx bit %u", s->len ? ", " : "", r->leaf,
                                       "abcd"[r->reg & 3], bit);
            }
        }
    }
    return g_string_free(s, !s->len);
}
