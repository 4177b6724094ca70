/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kvm_state.c - a vCPU's state between VcpuState and KVM's ioctls, the features KVM offers, and the
 * guest's CPUID.
 */
#include "hypervisor/kvm/kvm_internal.h"

#include <cpuid.h>
#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/ioctl.h>
#include "lib/cpu_msrs.h"

#define MAX_LEAVES 100
#define TSC_FAR (1ULL << 40)
#define APIC_PAGE 0xfee00000u
#define APIC_BASE_EN (1u << 11)
#define APIC_1D (1u << 9)
#define OSXSAVE_1C (1u << 27)
#define OSPKE_7C (1u << 4)
#define ARCH_CAPABILITIES_7D (1u << 29)
#define MSR_ARCH_CAPABILITIES 0x10a
#define AUTHENTIC_AMD_C 0x444d4163u     /* "cAMD" */
#define XCR0_KNOWN 0x2e7u           /* x87 SSE AVX AVX-512 PKRU: all within 4096 bytes */

static const struct {
    uint32_t index;
    size_t offset;
} msr_table[] = {
    { MSR_SYSENTER_CS, offsetof(VcpuState, sysenter_cs) },
    { MSR_SYSENTER_ESP, offsetof(VcpuState, sysenter_esp) },
    { MSR_SYSENTER_EIP, offsetof(VcpuState, sysenter_eip) },
    { MSR_STAR, offsetof(VcpuState, star) },
    { MSR_LSTAR, offsetof(VcpuState, lstar) },
    { MSR_CSTAR, offsetof(VcpuState, cstar) },
    { MSR_SFMASK, offsetof(VcpuState, sfmask) },
    { MSR_KERNEL_GS_BASE, offsetof(VcpuState, kernel_gs_base) },
    { MSR_PAT, offsetof(VcpuState, pat) },
    { MSR_TSC_AUX, offsetof(VcpuState, tsc_aux) },
};

typedef struct MsrBuffer {
    struct kvm_msrs head;
    struct kvm_msr_entry entry[G_N_ELEMENTS(msr_table)];
} MsrBuffer;

/* KVM stops a list at the first register it does not know: go on behind it. */
static void msr_list(EngineVcpu *ev, unsigned long req, struct kvm_msr_entry *entry, unsigned n)
{
    for (unsigned at = 0; at < n; at++) {
        MsrBuffer b = { .head = { .nmsrs = n - at } };
        int done;

        memcpy(b.entry, entry + at, (n - at) * sizeof *entry);
        done = ioctl(ev->fd, req, &b);
        if (done > 0) {
            memcpy(entry + at, b.entry, done * sizeof *entry);
            at += done;
        }
    }
}

uint64_t kvm_get_msr(EngineVcpu *ev, uint32_t index)
{
    struct kvm_msr_entry entry = { .index = index };

    msr_list(ev, KVM_GET_MSRS, &entry, 1);
    return entry.data;
}

void kvm_set_msr(EngineVcpu *ev, uint32_t index, uint64_t value)
{
    struct kvm_msr_entry entry = { .index = index, .data = value };

    kvm_regs_settle(ev);            /* some are in both */
    msr_list(ev, KVM_SET_MSRS, &entry, 1);
}

static void get_msrs(EngineVcpu *ev, VcpuState *s)
{
    struct kvm_msr_entry entry[G_N_ELEMENTS(msr_table)] = { 0 };

    for (unsigned i = 0; i < G_N_ELEMENTS(msr_table); i++) {
        entry[i].index = msr_table[i].index;
    }
    msr_list(ev, KVM_GET_MSRS, entry, G_N_ELEMENTS(msr_table));
    for (unsigned i = 0; i < G_N_ELEMENTS(msr_table); i++) {
        uint64_t value = entry[i].data;

        memcpy((uint8_t *)s + msr_table[i].offset, &value, 8);
    }
    s->misc_enable = ev->misc_enable;
    s->debugctl = ev->debugctl;
}

/* Those that differ from old; NULL: all. */
static void set_msrs(EngineVcpu *ev, const VcpuState *s, const VcpuState *old)
{
    struct kvm_msr_entry entry[G_N_ELEMENTS(msr_table)] = { 0 };
    unsigned n = 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(msr_table); i++) {
        uint64_t value, was = 0;

        memcpy(&value, (const uint8_t *)s + msr_table[i].offset, 8);
        if (old) {
            memcpy(&was, (const uint8_t *)old + msr_table[i].offset, 8);
        }
        if (!old || was != value) {
            entry[n++] = (struct kvm_msr_entry){ .index = msr_table[i].index, .data = value };
        }
    }
    msr_list(ev, KVM_SET_MSRS, entry, n);
    ev->misc_enable = s->misc_enable;
    if (ev->debugctl != s->debugctl) {      /* Linux logs every write of this one */
        ev->debugctl = s->debugctl;
        kvm_set_msr(ev, MSR_DEBUGCTL, s->debugctl);
    }
}

void kvm_regs_to_gpr(const struct kvm_regs *r, uint64_t gpr[16])
{
    const uint64_t v[16] = { r->rax, r->rcx, r->rdx, r->rbx, r->rsp, r->rbp, r->rsi, r->rdi,
                             r->r8, r->r9, r->r10, r->r11, r->r12, r->r13, r->r14, r->r15 };

    memcpy(gpr, v, sizeof v);
}

void kvm_gpr_to_regs(const uint64_t gpr[16], struct kvm_regs *r)
{
    r->rax = gpr[0];
    r->rcx = gpr[1];
    r->rdx = gpr[2];
    r->rbx = gpr[3];
    r->rsp = gpr[4];
    r->rbp = gpr[5];
    r->rsi = gpr[6];
    r->rdi = gpr[7];
    r->r8 = gpr[8];
    r->r9 = gpr[9];
    r->r10 = gpr[10];
    r->r11 = gpr[11];
    r->r12 = gpr[12];
    r->r13 = gpr[13];
    r->r14 = gpr[14];
    r->r15 = gpr[15];
}

static SegState seg_in(const struct kvm_segment *k)
{
    return (SegState){
        .base = k->base, .limit = k->limit, .selector = k->selector,
        .attr = k->unusable ? SEG_ATTR_UNUSABLE
                            : k->type | k->s << 4 | k->dpl << 5 | k->present << 7 | k->avl << 8 |
                                  k->l << 9 | k->db << 10 | (uint32_t)k->g << 11,
    };
}

static struct kvm_segment seg_out(const SegState *s)
{
    uint32_t a = s->attr;

    return (struct kvm_segment){
        .base = s->base, .limit = s->limit, .selector = s->selector, .type = a & 15,
        .s = a >> 4 & 1, .dpl = a >> 5 & 3, .present = a >> 7 & 1, .avl = a >> 8 & 1,
        .l = a >> 9 & 1, .db = a >> 10 & 1, .g = a >> 11 & 1,
        .unusable = (a & SEG_ATTR_UNUSABLE) != 0,
    };
}

/* --- TSC --- */

static bool tsc_attr(EngineVcpu *ev, unsigned long req, int64_t *offset)
{
#ifdef KVM_VCPU_TSC_CTRL
    struct kvm_device_attr a = { .group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET,
                                 .addr = (uintptr_t)offset };

    return ioctl(ev->fd, req, &a) == 0;
#else
    (void)ev;
    (void)req;
    (void)offset;
    return false;
#endif
}

int64_t kvm_tsc_offset(EngineVcpu *ev)
{
    int64_t offset;

    if (ev->e->steer_tsc) {
        return ev->tsc_offset;
    }
    if (tsc_attr(ev, KVM_GET_DEVICE_ATTR, &offset)) {
        return offset;
    }
    return kvm_get_msr(ev, MSR_TSC) - ev->e->host->tsc(ev->v);
}

static void set_tsc_offset(EngineVcpu *ev, int64_t offset)
{
    int64_t now = kvm_tsc_offset(ev), away = now - offset;

    ev->tsc_offset = offset;
    if (ev->e->steer_tsc || (away > -100000 && away < 100000)) {
        return;                     /* as it is; the rest is the time between two readings */
    }
    if (!tsc_attr(ev, KVM_SET_DEVICE_ATTR, &offset)) {
        /* KVM takes a value within a second of the old for an attempt to keep vCPUs in step. */
        kvm_set_msr(ev, MSR_TSC, ev->e->host->tsc(ev->v) + offset + TSC_FAR);
        kvm_set_msr(ev, MSR_TSC, ev->e->host->tsc(ev->v) + offset);
    }
}

void kvm_write_tsc(EngineVcpu *ev, uint64_t value)
{
    set_tsc_offset(ev, value - ev->e->host->tsc(ev->v));
}

bool kvm_steer_tsc(Engine *e)
{
    e->steer_tsc = ioctl(e->vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_VCPU_ATTRIBUTES) > 0;
    return e->steer_tsc;
}

/*
 * Where the host's counter is not reliable, KVM has a guest's stand still while its vCPU is out of the
 * guest's code: it goes on from where it was at the last exit, or where it is set.
 */
void kvm_tsc_before_entry(EngineVcpu *ev)
{
    int64_t offset;

    if (ev->e->steer_tsc) {
        offset = ev->e->host->tsc(ev->v) + ev->tsc_offset - __builtin_ia32_rdtsc();
        tsc_attr(ev, KVM_SET_DEVICE_ATTR, &offset);
    }
}

/* --- all of it --- */

static void get_events(EngineVcpu *ev, VcpuState *s)
{
    struct kvm_vcpu_events ve = { 0 };

    ioctl(ev->fd, KVM_GET_VCPU_EVENTS, &ve);
    s->sti_shadow = (ve.interrupt.shadow & KVM_X86_SHADOW_INT_STI) != 0;
    s->mov_ss_shadow = (ve.interrupt.shadow & KVM_X86_SHADOW_INT_MOV_SS) != 0;
    s->nmi_blocked = ve.nmi.masked;
    s->nmi_pending = MIN(ve.nmi.pending, 2);
    s->pending_event = s->pending_has_error = 0;
    if (ve.exception.injected || ve.exception.pending) {
        s->pending_event = 1;
        s->pending_type = EVENT_EXCEPTION;
        s->pending_vector = ve.exception.nr;
        s->pending_has_error = ve.exception.has_error_code;
        s->pending_error = ve.exception.error_code;
    } else if (ve.interrupt.injected) {
        s->pending_event = 1;
        s->pending_type = ve.interrupt.soft ? EVENT_SOFT_INT : EVENT_EXTINT;
        s->pending_vector = ve.interrupt.nr;
    } else if (ve.nmi.injected) {
        s->pending_event = 1;
        s->pending_type = EVENT_NMI;
        s->pending_vector = 2;
    }
}

static void set_events(EngineVcpu *ev, const VcpuState *s)
{
    struct kvm_vcpu_events ve = { 0 };

    ve.flags = KVM_VCPUEVENT_VALID_SHADOW | KVM_VCPUEVENT_VALID_NMI_PENDING;
    ve.interrupt.shadow = (s->sti_shadow ? KVM_X86_SHADOW_INT_STI : 0) |
                          (s->mov_ss_shadow ? KVM_X86_SHADOW_INT_MOV_SS : 0);
    ve.nmi.masked = s->nmi_blocked;
    ve.nmi.pending = s->nmi_pending;
    if (s->pending_event) {
        switch (s->pending_type) {
        case EVENT_EXCEPTION:
        case EVENT_SOFT_EXCEPTION:
            ve.exception.injected = 1;
            ve.exception.nr = s->pending_vector;
            ve.exception.has_error_code = s->pending_has_error;
            ve.exception.error_code = s->pending_error;
            break;
        case EVENT_NMI:
            ve.nmi.injected = 1;
            break;
        default:
            ve.interrupt.injected = 1;
            ve.interrupt.nr = s->pending_vector;
            ve.interrupt.soft = s->pending_type == EVENT_SOFT_INT;
        }
    }
    ioctl(ev->fd, KVM_SET_VCPU_EVENTS, &ve);
}

static void get_fpu(EngineVcpu *ev, VcpuState *s)
{
    struct kvm_xsave x;

    if (ioctl(ev->fd, KVM_GET_XSAVE, &x) == 0) {
        memcpy(s->xsave, &x, sizeof s->xsave);
    }
    s->xsave_size = sizeof s->xsave;
}

static void get_xcr0(EngineVcpu *ev, VcpuState *s)
{
    struct kvm_xcrs xcrs = { 0 };

    s->xcr0 = 1;
    if (ioctl(ev->fd, KVM_GET_XCRS, &xcrs) == 0 && xcrs.nr_xcrs) {
        s->xcr0 = xcrs.xcrs[0].value;
    }
}

static void set_fpu(EngineVcpu *ev, const VcpuState *s)
{
    struct kvm_xsave x = { { 0 } };
    struct kvm_xcrs xcrs = { .nr_xcrs = 1 };

    memcpy(&x, s->xsave, MIN(sizeof x, MIN(s->xsave_size, sizeof s->xsave)));
    ioctl(ev->fd, KVM_SET_XSAVE, &x);
    xcrs.xcrs[0].value = s->xcr0 | 1;
    ioctl(ev->fd, KVM_SET_XCRS, &xcrs);
}

void kvm_get_mode(EngineVcpu *ev, VcpuState *s)
{
    struct kvm_regs r = { 0 };
    struct kvm_sregs sr = { 0 };
    struct kvm_segment *seg[SEG_COUNT] = { &sr.es, &sr.cs, &sr.ss, &sr.ds, &sr.fs, &sr.gs };

    if (ev->assisting) {
        engine_soft.get_system(ev->assist, s);
        return;
    }
    kvm_get_regs(ev, &r);
    kvm_get_sregs(ev, &sr);
    kvm_regs_to_gpr(&r, s->gpr);
    s->rip = r.rip;
    s->rflags = r.rflags;
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        s->seg[i] = seg_in(seg[i]);
    }
    s->ldtr = seg_in(&sr.ldt);
    s->tr = seg_in(&sr.tr);
    s->gdt_base = sr.gdt.base;
    s->gdt_limit = sr.gdt.limit;
    s->idt_base = sr.idt.base;
    s->idt_limit = sr.idt.limit;
    s->cr0 = sr.cr0;
    s->cr2 = sr.cr2;
    s->cr3 = sr.cr3;
    s->cr4 = sr.cr4;
    s->efer = sr.efer;
}

void kvm_get_system(EngineVcpu *ev, VcpuState *s)
{
    struct kvm_debugregs dr = { .flags = 0 };

    if (ev->assisting) {
        engine_soft.get_system(ev->assist, s);
        return;
    }
    /* In the middle of a WRMSR: what is put back later must not do it again. */
    if (ev->unfinished && ev->run->exit_reason == KVM_EXIT_X86_WRMSR) {
        kvm_finish_exit(ev);
    }
    kvm_get_mode(ev, s);
    ioctl(ev->fd, KVM_GET_DEBUGREGS, &dr);
    memcpy(s->dr, dr.db, sizeof dr.db);
    s->dr[6] = dr.dr6;
    s->dr[7] = dr.dr7;
    get_msrs(ev, s);
    s->tsc_offset = kvm_tsc_offset(ev);
    get_xcr0(ev, s);
    get_events(ev, s);
    s->halted = ev->halted;
}

void kvm_get_state(EngineVcpu *ev, VcpuState *s)
{
    if (ev->assisting) {
        engine_soft.get_state(ev->assist, s);
        return;
    }
    memset(s, 0, sizeof *s);
    kvm_get_system(ev, s);
    get_fpu(ev, s);
}

uint64_t kvm_apic_base(const EngineVcpu *ev)
{
    return APIC_PAGE | (ev->apic_on ? APIC_BASE_EN : 0);
}

static void set_sregs(EngineVcpu *ev, const VcpuState *s)
{
    struct kvm_sregs sr = { 0 };
    struct kvm_segment *seg[SEG_COUNT] = { &sr.es, &sr.cs, &sr.ss, &sr.ds, &sr.fs, &sr.gs };

    kvm_get_sregs(ev, &sr);
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        *seg[i] = seg_out(&s->seg[i]);
    }
    sr.ldt = seg_out(&s->ldtr);
    sr.tr = seg_out(&s->tr);
    sr.gdt.base = s->gdt_base;
    sr.gdt.limit = s->gdt_limit;
    sr.idt.base = s->idt_base;
    sr.idt.limit = s->idt_limit;
    sr.cr0 = s->cr0;
    sr.cr2 = s->cr2;
    sr.cr3 = s->cr3;
    sr.cr4 = s->cr4;
    sr.efer = s->efer;
    sr.apic_base = kvm_apic_base(ev);
    memset(sr.interrupt_bitmap, 0, sizeof sr.interrupt_bitmap);
    if (!kvm_set_sregs(ev, &sr)) {
        g_warning("kvm: vCPU %u: system registers refused: %s", ev->id, g_strerror(errno));
    }
}

static void set_debug(EngineVcpu *ev, const VcpuState *s)
{
    struct kvm_debugregs dr = { .dr6 = s->dr[6], .dr7 = s->dr[7] };

    memcpy(dr.db, s->dr, sizeof dr.db);
    ioctl(ev->fd, KVM_SET_DEBUGREGS, &dr);
}

void kvm_put_changes(EngineVcpu *ev, const VcpuState *s, const VcpuState *old)
{
    struct kvm_regs r = { .rip = s->rip, .rflags = s->rflags | 2 };

    kvm_regs_settle(ev);
    /* seg to efer lie side by side */
    if (!old || memcmp(s->seg, old->seg, offsetof(VcpuState, xcr0) - offsetof(VcpuState, seg))) {
        set_sregs(ev, s);
    }
    if (!old || s->xcr0 != old->xcr0 || memcmp(s->xsave, old->xsave, sizeof s->xsave)) {
        set_fpu(ev, s);
    }
    set_msrs(ev, s, old);
    if (!old || s->tsc_offset != old->tsc_offset) {
        set_tsc_offset(ev, s->tsc_offset);
    }
    if (!old || memcmp(s->dr, old->dr, sizeof s->dr)) {
        set_debug(ev, s);
    }
    kvm_gpr_to_regs(s->gpr, &r);
    kvm_set_regs(ev, &r);
    set_events(ev, s);
    ev->halted = s->halted;
    ev->flags_stale = true;
}

void kvm_set_state(EngineVcpu *ev, const VcpuState *s)
{
    if (ev->assisting) {
        engine_soft.set_state(ev->assist, s);
        return;
    }
    kvm_finish_exit(ev);            /* or it would complete on top of the new state */
    if (!ev->cpuid_set) {
        kvm_set_cpuid(ev);
    }
    kvm_put_changes(ev, s, NULL);
}

/* --- features --- */

typedef struct CpuidBuffer {
    struct kvm_cpuid2 head;
    struct kvm_cpuid_entry2 entry[MAX_LEAVES];
} CpuidBuffer;

/* What this host's processor is vulnerable to and what VERW clears; nothing that needs other registers. */
static uint64_t arch_capabilities(Engine *e)
{
    const uint64_t known = ARCH_RDCL_NO | ARCH_RSBA | ARCH_SKIP_L1DFL | ARCH_SSB_NO | ARCH_MDS_NO | ARCH_PSCHANGE_NO |
                           ARCH_TAA_NO | ARCH_SBDR_SSDP_NO | ARCH_FBSDP_NO | ARCH_PSDP_NO | ARCH_FB_CLEAR |
                           ARCH_BHI_NO | ARCH_PBRSB_NO | ARCH_GDS_NO | ARCH_RFDS_NO | ARCH_RFDS_CLEAR | ARCH_ITS_NO;
    struct {
        struct kvm_msrs head;
        struct kvm_msr_entry entry;
    } m = { .head.nmsrs = 1, .entry.index = MSR_ARCH_CAPABILITIES };

    return ioctl(e->dev_fd, KVM_GET_MSRS, &m) == 1 ? m.entry.data & known : 0;
}

static const struct kvm_cpuid_entry2 *find_leaf(const struct kvm_cpuid2 *c, uint32_t leaf,
                                                uint32_t sub)
{
    static const struct kvm_cpuid_entry2 none;

    for (unsigned i = 0; i < c->nent; i++) {
        if (c->entries[i].function == leaf && c->entries[i].index == sub) {
            return &c->entries[i];
        }
    }
    return &none;
}

void kvm_read_caps(Engine *e)
{
    g_autofree struct kvm_cpuid2 *c = g_malloc0(sizeof *c + 256 * sizeof c->entries[0]);
    const struct kvm_cpuid_entry2 *one, *seven, *ext;
    uint32_t eax, ebx, ecx, edx;

    c->nent = 256;
    if (ioctl(e->dev_fd, KVM_GET_SUPPORTED_CPUID, c) < 0) {
        c->nent = 0;
    }
    one = find_leaf(c, 1, 0);
    seven = find_leaf(c, 7, 0);
    ext = find_leaf(c, 0x80000001, 0);
    e->caps = (EngineCaps){
        .leaf1_ecx = one->ecx, .leaf1_edx = one->edx, .leaf7_ebx = seven->ebx,
        .leaf7_ecx = seven->ecx, .leaf7_edx = seven->edx, .ext1_ecx = ext->ecx,
        .ext1_edx = ext->edx, .phys_bits = 36,
    };
    if (one->ecx & 1u << 26) {
        e->caps.xcr0 = find_leaf(c, 0xd, 0)->eax & XCR0_KNOWN;
        e->caps.xsave_eax1 = find_leaf(c, 0xd, 1)->eax & 7;
    }
    if (find_leaf(c, 0x80000008, 0)->eax & 0xff) {
        e->caps.phys_bits = CLAMP(find_leaf(c, 0x80000008, 0)->eax & 0xff, 36, 52);
    }
    __cpuid(0, eax, ebx, ecx, edx);
    e->caps.vendor_amd = ebx == 0x68747541 || ebx == 0x6f677948;    /* AuthenticAMD, HygonGenuine */
    if ((seven->edx & ARCH_CAPABILITIES_7D) && !e->caps.vendor_amd) {
        e->caps.arch_capabilities = arch_capabilities(e);
    }
}

static void add_leaf(EngineVcpu *ev, CpuidBuffer *b, uint32_t leaf, uint32_t sub, bool indexed)
{
    uint32_t out[4];

    if (b->head.nent < MAX_LEAVES) {
        ev->e->host->cpuid(ev->v, leaf, sub, out);
        b->entry[b->head.nent++] = (struct kvm_cpuid_entry2){
            .function = leaf, .index = sub, .flags = indexed ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
            .eax = out[0], .ebx = out[1], .ecx = out[2], .edx = out[3],
        };
    }
}

static void add_basic(EngineVcpu *ev, CpuidBuffer *b, uint32_t leaf)
{
    unsigned subs = leaf == 4 ? 5 : leaf == 7 ? 2 : leaf == 0xb ? 3 : leaf == 0xd ? 10 : 0;

    if (!subs) {
        add_leaf(ev, b, leaf, 0, false);
    }
    for (unsigned i = 0; i < subs; i++) {
        add_leaf(ev, b, leaf, i, true);
    }
}

/* 0x8000001D has a subleaf for each cache. */
static void add_extended(EngineVcpu *ev, CpuidBuffer *b, uint32_t leaf)
{
    for (unsigned i = 0; i < (leaf == 0x8000001d ? 8 : 1); i++) {
        add_leaf(ev, b, leaf, i, leaf == 0x8000001d);
    }
}

/* The entry but for what KVM keeps up to date: OSXSAVE, APIC; OSPKE; the size for the present XCR0. */
static struct kvm_cpuid_entry2 fixed_part(const struct kvm_cpuid_entry2 *entry)
{
    struct kvm_cpuid_entry2 f = *entry;

    if (f.function == 1) {
        f.ecx &= ~OSXSAVE_1C;
        f.edx &= ~APIC_1D;
    } else if (f.function == 7) {
        f.ecx &= ~OSPKE_7C;
    } else if (f.function == 0xd) {
        f.ebx = 0;
    }
    return f;
}

static void note_changes(EngineVcpu *ev, const CpuidBuffer *told)
{
    g_autofree CpuidBuffer *kept = g_new0(CpuidBuffer, 1);
    g_autoptr(GString) text = g_string_new("kvm: this host's KVM has CPUID answers of its own, "
                                           "whatever the config says: leaf");
    Engine *e = ev->e;

    kept->head.nent = MAX_LEAVES;
    if (ev->id || ioctl(ev->fd, KVM_GET_CPUID2, kept) < 0) {
        return;
    }
    for (unsigned i = 0; i < kept->head.nent && i < told->head.nent; i++) {
        struct kvm_cpuid_entry2 a = fixed_part(&told->entry[i]), b = fixed_part(&kept->entry[i]);
        unsigned n = e->changed_leaves;

        if (memcmp(&a, &b, sizeof a) && n < KVM_CHANGED_LEAVES &&
            !(n && e->changed_leaf[n - 1] == a.function)) {
            e->changed_leaf[n] = a.function;
            __atomic_store_n(&e->changed_leaves, n + 1, __ATOMIC_RELEASE);
            g_string_append_printf(text, "%s 0x%x", n ? "," : "", a.function);
        }
    }
    if (e->changed_leaves) {
        kvm_log(ev, text->str);
    }
}

unsigned kvm_changed_leaves(const Engine *e, uint32_t leaf[KVM_CHANGED_LEAVES])
{
    unsigned n = __atomic_load_n(&e->changed_leaves, __ATOMIC_ACQUIRE);

    memcpy(leaf, e->changed_leaf, n * sizeof *leaf);
    return n;
}

/* KVM keeps OSXSAVE and the sizes of leaf 0xD up to date by itself. */
void kvm_set_cpuid(EngineVcpu *ev)
{
    g_autofree CpuidBuffer *b = g_new0(CpuidBuffer, 1);
    uint32_t out[4];

    if (!ev->e->host->cpuid || !ev->v) {
        return;
    }
    ev->cpuid_set = true;
    ev->e->host->cpuid(ev->v, 1, 0, out);
    ev->apic_on = out[3] & APIC_1D;
    ev->e->host->cpuid(ev->v, 0, 0, out);
    ev->amd = out[2] == AUTHENTIC_AMD_C;
    for (uint32_t leaf = 0; leaf <= MIN(out[0], 0x20); leaf++) {
        add_basic(ev, b, leaf);
    }
    for (uint32_t leaf = 0x40000000; leaf <= 0x40000005; leaf++) {
        if (leaf == 0x40000003) {
            for (unsigned i = 0; i < 3; i++) {
                add_leaf(ev, b, leaf, i, true);
            }
        } else {
            add_leaf(ev, b, leaf, 0, false);
        }
    }
    ev->e->host->cpuid(ev->v, 0x80000000, 0, out);
    for (uint32_t leaf = 0x80000000; leaf <= MIN(out[0], 0x80000020); leaf++) {
        add_extended(ev, b, leaf);
    }
    if (ioctl(ev->fd, KVM_SET_CPUID2, b) < 0) {
        g_warning("kvm: vCPU %u: CPUID refused: %s", ev->id, g_strerror(errno));
    } else {
        note_changes(ev, b);
    }
}
