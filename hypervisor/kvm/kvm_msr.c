/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kvm_msr.c - RDMSR and WRMSR under KVM.  KVM would answer hundreds of registers by rules of its own,
 * so a filter makes all of them exits, answered by the same policy as the software CPU's: state of the
 * CPU by cpu_msrs.h's rules, the others by the hypervisor.  Only what is used all the time and needs no
 * more rule than KVM has - reading the counter, the segment bases - stays in KVM.  The x2APIC's
 * registers can't be filtered; without an APIC of KVM's they are unknown to it, which exits too.
 */
#include "hypervisor/kvm/kvm_internal.h"

#include <glib.h>
#include <sys/ioctl.h>
#include "lib/cpu_msrs.h"

#define MSR_APIC_BASE 0x1bu
#define APIC_1D (1u << 9)           /* of CPUID leaf 1's edx */

bool kvm_filter_msrs(Engine *e)
{
    uint8_t tsc = 1, bases = 7;     /* of three: FS, GS, KERNEL_GS */
    struct kvm_msr_filter f = {
        .flags = KVM_MSR_FILTER_DEFAULT_DENY,
        .ranges = {
            { .flags = KVM_MSR_FILTER_READ, .base = MSR_TSC, .nmsrs = 1, .bitmap = &tsc },
            { .flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE, .base = MSR_FS_BASE, .nmsrs = 3,
              .bitmap = &bases },
        },
    };
    struct kvm_enable_cap cap = {
        .cap = KVM_CAP_X86_USER_SPACE_MSR,
        .args = { KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN |
                  KVM_MSR_EXIT_REASON_FILTER },
    };

    return ioctl(e->vm_fd, KVM_ENABLE_CAP, &cap) == 0 &&
           ioctl(e->vm_fd, KVM_X86_SET_MSR_FILTER, &f) == 0;
}

/* --- state of the CPU --- */

static bool is_state(uint32_t index)
{
    switch (index) {
    case MSR_TSC: case MSR_SYSENTER_CS: case MSR_SYSENTER_ESP: case MSR_SYSENTER_EIP: case MSR_MISC_ENABLE:
    case MSR_DEBUGCTL: case MSR_PAT: case MSR_EFER: case MSR_STAR: case MSR_LSTAR: case MSR_CSTAR:
    case MSR_SFMASK: case MSR_FS_BASE: case MSR_GS_BASE: case MSR_KERNEL_GS_BASE: case MSR_TSC_AUX:
        return true;
    default:
        return false;
    }
}

static uint64_t state_read(EngineVcpu *ev, uint32_t index)
{
    return index == MSR_MISC_ENABLE ? ev->misc_enable
           : index == MSR_DEBUGCTL  ? ev->debugctl
                                    : kvm_get_msr(ev, index);
}

static bool efer_write(EngineVcpu *ev, uint64_t value)
{
    struct kvm_sregs sr = { 0 };
    uint32_t ext[4] = { 0 };

    if (ev->e->host->cpuid) {
        ev->e->host->cpuid(ev->v, 0x80000001, 0, ext);
    }
    if (!kvm_get_sregs(ev, &sr) ||
        !cpu_msr_efer_ok(ext[3], sr.cr0 >> 31, sr.efer, value)) {
        return false;
    }
    kvm_set_msr(ev, MSR_EFER, (value & ~(uint64_t)EFER_BIT_LMA) | (sr.efer & EFER_BIT_LMA));
    if (value & ~sr.efer & (EFER_BIT_SCE | EFER_BIT_NXE)) {
        kvm_watch_calls(ev);
    }
    return true;
}

static bool state_write(EngineVcpu *ev, uint32_t index, uint64_t value)
{
    if (index == MSR_EFER) {
        return efer_write(ev, value);
    }
    if (index == MSR_TSC) {
        kvm_write_tsc(ev, value);
        return true;
    }
    if (!cpu_msr_write_ok(index, ev->amd, &value)) {
        return false;
    }
    if (index == MSR_TSC_AUX && ev->e->host->msr_write(ev->v, index, value)) {
        return true;                /* it is not the guest's */
    }
    if (index == MSR_MISC_ENABLE) {
        ev->misc_enable = value;    /* nothing that KVM does depends on it */
    } else {
        ev->debugctl = index == MSR_DEBUGCTL ? value : ev->debugctl;
        kvm_set_msr(ev, index, value);
    }
    return true;
}

/* --- the hypervisor's --- */

/* CPUID is KVM's to answer, where the APIC's bit follows what KVM takes for APIC_BASE. */
void kvm_follow_apic_base(EngineVcpu *ev)
{
    struct kvm_sregs sr;
    uint32_t one[4];
    bool on;

    if (!ev->e->host->cpuid) {
        return;
    }
    ev->e->host->cpuid(ev->v, 1, 0, one);
    on = one[3] & APIC_1D;
    if (on != ev->apic_on && kvm_get_sregs(ev, &sr)) {
        ev->apic_on = on;
        sr.apic_base = kvm_apic_base(ev);
        kvm_set_sregs(ev, &sr);
    }
}

static bool host_write(EngineVcpu *ev, uint32_t index, uint64_t value)
{
    if (!ev->e->host->msr_write(ev->v, index, value)) {
        return false;
    }
    if (index == KVM_MSR_HYPERCALL_PAGE) {
        kvm_patch_hypercall_page(ev->e, value & ~0xfffULL);
    } else if (index == MSR_APIC_BASE) {
        kvm_follow_apic_base(ev);
    }
    return true;
}

void kvm_exit_msr(EngineVcpu *ev, bool write)
{
    struct kvm_run *run = ev->run;
    uint32_t index = run->msr.index;
    uint64_t value = run->msr.data;
    bool ok;

    run->msr.error = 0;         /* the callback may look at the state after the instruction */
    if (write) {
        ok = is_state(index) ? state_write(ev, index, value) : host_write(ev, index, value);
    } else if (is_state(index)) {
        run->msr.data = state_read(ev, index);
        ok = true;
    } else {
        ok = ev->e->host->msr_read(ev->v, index, &value);
        run->msr.data = value;
    }
    run->msr.error = !ok;
}
