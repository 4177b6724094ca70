/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kvm_assist.c - instructions that the host's KVM refuses (KVM_EXIT_INTERNAL_ERROR, emulation):
 * an engine of the software CPU over the same memory does that one, and its state goes back to KVM.
 * On hosts with VT-x or SVM these are rare (vector moves to devices); a KVM that interprets
 * everything outside long mode lacks whole groups, IRET in protected mode for one.  What a single
 * instruction locks across a cache line is not exclusive against vCPUs that are in KVM.
 */
#include "hypervisor/kvm/kvm_internal.h"

#include <glib.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include "hypervisor/soft/assist.h"

#define XSAVE_BV 512
#define XSAVE_AVX_END 832       /* the software CPU's: x87, SSE and AVX */
#define XSAVE_SOFT_BITS 7u
#define VECTOR_UD 6

void kvm_assist_init(Engine *e)
{
    GuestMemory mem = *e->mem;
    struct kvm_enable_cap cap = { .cap = KVM_CAP_EXIT_ON_EMULATION_FAILURE, .args = { 1 } };
    char *why = NULL;

    mem.code_pages = NULL;      /* it keeps no code */
    e->assist = engine_interp.create(&mem, e->host, &why);    /* no code memory: none after the sandbox */
    free(why);
    if (e->assist) {
        ioctl(e->vm_fd, KVM_ENABLE_CAP, &cap);      /* user code's as well, not only the kernel's */
    }
}

void kvm_assist_finish(Engine *e)
{
    if (e->assist) {
        engine_soft.destroy(e->assist);
    }
}

void kvm_assist_drop(EngineVcpu *ev)
{
    if (ev->assist) {
        engine_soft.vcpu_destroy(ev->assist);
    }
    g_free(ev->before);
    g_free(ev->after);
}

static bool prepare(EngineVcpu *ev)
{
    Engine *e = ev->e;

    if (!ev->assist && e->assist) {
        ev->assist = engine_soft.vcpu_create(e->assist, ev->v, ev->id, 0, NULL, NULL);
        ev->before = g_new0(VcpuState, 1);
        ev->after = g_new0(VcpuState, 1);
    }
    return ev->assist != NULL;
}

void kvm_insn_text(EngineVcpu *ev, char text[3 * INSN_MAX + 1])
{
    struct kvm_regs r = { 0 };
    struct kvm_sregs sr = { 0 };
    uint8_t bytes[INSN_MAX];
    unsigned n;

    kvm_get_regs(ev, &r);
    kvm_get_sregs(ev, &sr);
    n = kvm_read_insn(ev, &r, &sr, bytes);
    for (unsigned i = 0; i < n; i++) {
        g_snprintf(text + 3 * i, 4, " %02x", bytes[i]);
    }
    text[3 * n] = 0;
}

static void tell_once(EngineVcpu *ev)
{
    char bytes[3 * INSN_MAX + 1];
    g_autofree char *text = NULL;

    if (__atomic_exchange_n(&ev->e->assisted, true, __ATOMIC_RELAXED)) {
        return;
    }
    kvm_insn_text(ev, bytes);
    text = g_strdup_printf("kvm: this host's KVM can't do the instruction%s at %04x:%" PRIx64
                           "; the software CPU does this one and others like it", bytes,
                           ev->before->seg[SEG_CS].selector, ev->before->rip);
    kvm_log(ev, text);
}

/* What the software CPU does not know of the extended state stays as it was. */
static void keep_other_components(VcpuState *s, const VcpuState *before)
{
    uint64_t bv, was;
    uint32_t end = MIN(s->xsave_size, XSAVE_AVX_END);

    memcpy(&bv, s->xsave + XSAVE_BV, 8);
    memcpy(&was, before->xsave + XSAVE_BV, 8);
    bv = (bv & XSAVE_SOFT_BITS) | (was & ~(uint64_t)XSAVE_SOFT_BITS);
    memcpy(s->xsave + end, before->xsave + end, sizeof s->xsave - end);
    memcpy(s->xsave + XSAVE_BV, &bv, 8);
    s->xsave_size = before->xsave_size;
}

static void give_back(EngineVcpu *ev)
{
    DebugHit hit;

    engine_soft.debug_hit(ev->assist, &hit);
    if (hit.point) {
        ev->hit = hit;
    }
    engine_soft.get_state(ev->assist, ev->after);
    keep_other_components(ev->after, ev->before);
    kvm_put_changes(ev, ev->after, ev->before);
}

bool kvm_assist_begin(EngineVcpu *ev)
{
    if (!prepare(ev)) {
        return false;
    }
    kvm_get_state(ev, ev->before);
    engine_soft.set_state(ev->assist, ev->before);
    ev->assisting = true;
    return true;
}

void kvm_assist_end(EngineVcpu *ev)
{
    ev->assisting = false;
    give_back(ev);
}

enum Outcome kvm_assist_step(EngineVcpu *ev, bool meant)
{
    enum VcpuStop stop;

    if (kvm_at_trap(ev) || !kvm_assist_begin(ev)) {
        return FAILED;
    }
    stop = ev->before->pending_event ? soft_step(ev->assist, 0)
           : meant ? soft_step(ev->assist, 1) : soft_try(ev->assist);
    ev->assisting = false;
    if (stop == VCPU_STOP_ERROR) {
        return FAILED;
    }
    give_back(ev);
    return stop == VCPU_STOP_TRIPLE_FAULT ? TRIPLE_FAULT : GO_ON;
}

enum Outcome kvm_assist(EngineVcpu *ev)
{
    VcpuState *before;
    enum VcpuStop stop;

    if (!prepare(ev)) {
        return FAILED;
    }
    before = ev->before;
    kvm_get_state(ev, before);
    if (before->pending_event && before->pending_type == EVENT_EXCEPTION &&
        before->pending_vector == VECTOR_UD) {
        before->pending_event = 0;      /* KVM's own way out of an instruction it does not know */
    }
    if (kvm_debug_refused(ev, before)) {
        kvm_put_changes(ev, before, before);
        return GO_ON;
    }
    tell_once(ev);
    engine_soft.set_state(ev->assist, before);
    ev->assisting = true;
    stop = soft_step(ev->assist, 1);
    ev->assisting = false;
    give_back(ev);
    return stop == VCPU_STOP_TRIPLE_FAULT ? TRIPLE_FAULT : GO_ON;
}
