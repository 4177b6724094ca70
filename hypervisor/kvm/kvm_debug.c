/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kvm_debug.c - a debugger's points and steps under KVM (KVM_SET_GUEST_DEBUG).
 *
 * Watchpoints and the first breakpoints go into the processor's debug registers, which KVM then keeps
 * from the guest: while they are in use the guest's own debug registers hold their values but don't
 * fire.  More breakpoints are INT3s in the guest's memory, put there when the points are set and taken
 * back when they are replaced.  A step is done by the software CPU, since KVM steps with the guest's
 * TF, which would be seen in every frame that the instruction pushes; only what that CPU can't do (what
 * belongs to KVM's TLB, its MSRs, AVX-512) is stepped by KVM.
 */
#include "hypervisor/kvm/kvm_internal.h"

#include <glib.h>
#include <string.h>
#include <sys/ioctl.h>

#define RFLAGS_TF (1u << 8)
#define EFER_LMA (1u << 10)
#define ATTR_L (1u << 9)
#define DR6_BS (1u << 14)
#define DR6_TRAPS 15u
#define DR7_FIXED 0x600u        /* bit 10 reads as 1; LE, GE are set for old processors' sake */
#define INT3 0xcc
#define VECTOR_DB 1
#define VECTOR_BP 3
#define CR4_NOT_SOFT 0x1c01000u /* LA57, PKE, CET, PKS */
#define STEP_ROUNDS 64

/* --- points --- */

/* RW bits of a debug register; there is no watching of reads alone. */
static unsigned dr_type(uint8_t kind)
{
    return kind == POINT_EXEC ? 0 : kind == POINT_WRITE ? 1 : 3;
}

static unsigned dr_len(unsigned bytes)
{
    return bytes == 8 ? 2 : bytes - 1;
}

static bool dr_add(KvmDebug *g, uint64_t linear, unsigned bytes, unsigned point, uint8_t kind)
{
    unsigned n = g->drs;

    if (n == 4) {
        return false;
    }
    g->dr[n] = linear;
    g->dr_point[n] = point;
    g->dr7 |= 2u << (2 * n) | (dr_type(kind) | dr_len(bytes) << 2) << (16 + 4 * n);
    g->drs++;
    return true;
}

/* A watched range as aligned pieces. */
static bool watch_add(KvmDebug *g, const DebugPoint *p, unsigned index)
{
    uint64_t at = p->linear, left = p->len;

    while (left) {
        unsigned bytes = 8;

        while (bytes > left || (at & (bytes - 1))) {
            bytes /= 2;
        }
        if (!dr_add(g, at, bytes, index, p->kind)) {
            return false;
        }
        at += bytes;
        left -= bytes;
    }
    return true;
}

static bool patch_add(Engine *e, const DebugPoint *p)
{
    KvmDebug *g = &e->debug;

    if (p->gpa >= e->mem->size || e->mem->types[p->gpa >> 12] == MEM_HOLE) {
        return false;
    }
    g->patch[g->patches++] = (KvmPatch){ .gpa = p->gpa, .linear = p->linear };
    return true;
}

static void patches_in(Engine *e)
{
    KvmDebug *g = &e->debug;

    for (unsigned i = 0; i < g->patches; i++) {
        uint8_t *at = e->mem->base + g->patch[i].gpa;

        g->patch[i].old = *at;
        *at = INT3;
    }
}

/* In the other order, as two may be of one byte; what was written over one meanwhile stays. */
static void patches_out(Engine *e)
{
    KvmDebug *g = &e->debug;

    while (g->patches) {
        const KvmPatch *p = &g->patch[--g->patches];
        uint8_t *at = e->mem->base + p->gpa;

        if (*at == INT3) {
            *at = p->old;
        }
    }
}

static bool place(Engine *e)
{
    KvmDebug *g = &e->debug;

    for (unsigned i = 0; i < g->points; i++) {
        if (g->point[i].kind != POINT_EXEC && !watch_add(g, &g->point[i], i)) {
            return false;
        }
    }
    for (unsigned i = 0; i < g->points; i++) {
        if (g->point[i].kind == POINT_EXEC && !dr_add(g, g->point[i].linear, 1, i, POINT_EXEC) &&
            !patch_add(e, &g->point[i])) {
            return false;
        }
    }
    return true;
}

void kvm_debug_assist(Engine *e, bool exec)
{
    const KvmDebug *g = &e->debug;
    DebugPoint point[DEBUG_POINTS];
    unsigned n = 0;

    for (unsigned i = 0; i < g->points; i++) {
        if (exec || g->point[i].kind != POINT_EXEC) {
            point[n++] = g->point[i];
        }
    }
    if (e->assist) {
        engine_soft.debug_points(e->assist, point, n);
    }
}

bool kvm_debug_points(Engine *e, const DebugPoint *points, unsigned n)
{
    KvmDebug *g = &e->debug;
    bool fits;

    patches_out(e);
    g->drs = 0;
    g->dr7 = DR7_FIXED;
    g->points = 0;
    g->generation++;
    if (n > DEBUG_POINTS) {
        return false;
    }
    if (n) {
        memcpy(g->point, points, n * sizeof *points);
    }
    g->points = n;
    fits = place(e);
    if (!fits) {
        g->patches = g->points = g->drs = 0;
        g->dr7 = DR7_FIXED;
    }
    patches_in(e);
    kvm_debug_assist(e, false);
    return fits;
}

void kvm_debug_step(EngineVcpu *ev, bool on)
{
    ev->debug_step = on;
}

void kvm_debug_hit(const EngineVcpu *ev, DebugHit *hit)
{
    *hit = ev->hit;
}

/* --- telling KVM --- */

static void tell_kvm(EngineVcpu *ev, uint32_t more)
{
    const KvmDebug *g = &ev->e->debug;
    struct kvm_guest_debug k = { .control = more };

    if (g->drs) {
        k.control |= KVM_GUESTDBG_USE_HW_BP;
        memcpy(k.arch.debugreg, g->dr, sizeof g->dr);
        k.arch.debugreg[7] = g->dr7;
    }
    if (g->patches) {
        k.control |= KVM_GUESTDBG_USE_SW_BP;
    }
    if (k.control) {
        k.control |= KVM_GUESTDBG_ENABLE;
    }
    if (ioctl(ev->fd, KVM_SET_GUEST_DEBUG, &k) == 0) {
        return;
    }
    k.control &= ~KVM_GUESTDBG_BLOCKIRQ;        /* Linux before 5.16 */
    if (ioctl(ev->fd, KVM_SET_GUEST_DEBUG, &k) < 0) {
        kvm_log(ev, "kvm: this host's KVM refuses to debug; breakpoints may not stop the guest");
    }
}

void kvm_debug_begin(EngineVcpu *ev)
{
    ev->hit = (DebugHit){ 0 };
    if (ev->debug_seen != ev->e->debug.generation) {
        ev->debug_seen = ev->e->debug.generation;
        tell_kvm(ev, 0);
    }
}

/* --- stops --- */

static void hit_point(EngineVcpu *ev, const DebugPoint *p)
{
    ev->hit.point = true;
    ev->hit.kind = p->kind;
    ev->hit.linear = p->linear;
}

/* A #DB that is the guest's own: by its TF, or ICEBP. */
static void give_db(EngineVcpu *ev, uint64_t dr6)
{
    struct kvm_debugregs dr = { 0 };

    if (ioctl(ev->fd, KVM_GET_DEBUGREGS, &dr) == 0) {
        dr.dr6 |= dr6 & DR6_BS;
        ioctl(ev->fd, KVM_SET_DEBUGREGS, &dr);
    }
    tell_kvm(ev, KVM_GUESTDBG_INJECT_DB);
}

static bool guest_traces(EngineVcpu *ev)
{
    struct kvm_regs r = { 0 };

    return kvm_get_regs(ev, &r) && (r.rflags & RFLAGS_TF);
}

static void exit_db(EngineVcpu *ev, uint64_t dr6)
{
    const KvmDebug *g = &ev->e->debug;

    for (unsigned n = 0; n < g->drs; n++) {
        if (dr6 >> n & 1) {
            hit_point(ev, &g->point[g->dr_point[n]]);
        }
    }
    if (ev->native_step && (dr6 & DR6_BS)) {
        ev->hit.step = true;
    }
    if ((dr6 & DR6_BS ? guest_traces(ev) : !(dr6 & DR6_TRAPS))) {
        give_db(ev, dr6);
    }
}

static KvmPatch *patch_at(Engine *e, uint64_t linear)
{
    KvmDebug *g = &e->debug;

    for (unsigned i = 0; i < g->patches; i++) {
        if (g->patch[i].linear == linear) {
            return &g->patch[i];
        }
    }
    return NULL;
}

static bool hit_patch(EngineVcpu *ev, uint64_t linear)
{
    bool ours = patch_at(ev->e, linear) != NULL;

    if (ours) {
        hit_point(ev, &(DebugPoint){ .kind = POINT_EXEC, .linear = linear });
    }
    return ours;
}

void kvm_debug_exit(EngineVcpu *ev)
{
    const struct kvm_debug_exit_arch *a = &ev->run->debug.arch;

    if (a->exception != VECTOR_BP) {
        exit_db(ev, a->dr6);
    } else if (!hit_patch(ev, a->pc)) {
        tell_kvm(ev, KVM_GUESTDBG_INJECT_BP);
    }
}

bool kvm_debug_refused(EngineVcpu *ev, const VcpuState *s)
{
    bool in_64 = (s->efer & EFER_LMA) && (s->seg[SEG_CS].attr & ATTR_L);

    return ev->e->debug.patches &&
           hit_patch(ev, in_64 ? s->rip : (uint32_t)(s->seg[SEG_CS].base + s->rip));
}

/* --- one step --- */

/* Instructions whose effect is in KVM itself: TLBs, its MSRs, features that the software CPU lacks. */
static bool belongs_to_kvm(const uint8_t *b, unsigned n, bool in_64)
{
    unsigned i = 0;

    while (i < n && (memchr("\x66\x67\xf2\xf3\x2e\x36\x3e\x26\x64\x65\xf0", b[i], 11) ||
                     (in_64 && (b[i] & 0xf0) == 0x40))) {
        i++;
    }
    if (i + 2 >= n) {
        return false;
    }
    if (b[i] == 0x62) {
        return in_64 || b[i + 1] >= 0xc0;       /* EVEX */
    }
    if (b[i] != 0x0f) {
        return false;
    }
    switch (b[i + 1]) {
    case 0x00: case 0x01: case 0x06: case 0x08: case 0x09:
    case 0x20: case 0x21: case 0x22: case 0x23: case 0x30: case 0x32: case 0xae: case 0xc7:
        return true;
    case 0x38:
        return b[i + 2] >= 0x80 && b[i + 2] <= 0x82;        /* INVEPT, INVVPID, INVPCID */
    default:
        return false;
    }
}

/* The software CPU can do it; *meant: it is one of those that only raise #UD. */
static bool soft_can(EngineVcpu *ev, bool *meant)
{
    struct kvm_regs r = { 0 };
    struct kvm_sregs sr = { 0 };
    uint8_t b[INSN_MAX];
    unsigned n;

    if (!kvm_get_regs(ev, &r) || !kvm_get_sregs(ev, &sr)) {
        return false;
    }
    n = kvm_read_insn(ev, &r, &sr, b);
    *meant = n >= 2 && b[0] == 0x0f && (b[1] == 0x0b || b[1] == 0xb9 || b[1] == 0xff);
    return !(sr.cr4 & CR4_NOT_SOFT) && !belongs_to_kvm(b, n, (sr.efer & EFER_LMA) && sr.cs.l);
}

/* KVM's own step, TF and all. */
static enum VcpuStop step_native(EngineVcpu *ev)
{
    enum VcpuStop stop = VCPU_STOP_DEBUG;

    ev->native_step = true;
    tell_kvm(ev, KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_BLOCKIRQ);
    for (unsigned i = 0; i < STEP_ROUNDS && !ev->hit.step && !ev->hit.point && !ev->halted; i++) {
        enum Outcome out = kvm_enter(ev);

        if (out == INTERRUPTED && kvm_take_stop(ev)) {
            stop = VCPU_STOP_KICKED;
            break;
        }
        if (out == TRIPLE_FAULT || out == FAILED) {
            stop = out == FAILED ? VCPU_STOP_ERROR : VCPU_STOP_TRIPLE_FAULT;
            break;
        }
        if (ev->unfinished) {           /* the rest of the instruction is its end */
            kvm_finish_exit(ev);
            ev->hit.step = true;
        }
    }
    ev->native_step = false;
    kvm_finish_exit(ev);
    tell_kvm(ev, 0);
    ev->hit.step |= stop == VCPU_STOP_DEBUG;
    return stop;
}

/* A patch where the step begins would be the INT3's step. */
static KvmPatch *patch_here(EngineVcpu *ev)
{
    struct kvm_regs r = { 0 };
    struct kvm_sregs sr = { 0 };

    if (!ev->e->debug.patches) {
        return NULL;
    }
    kvm_get_regs(ev, &r);
    kvm_get_sregs(ev, &sr);
    return patch_at(ev->e, (sr.efer & EFER_LMA) && sr.cs.l ? r.rip
                                                           : (uint32_t)(sr.cs.base + r.rip));
}

static enum VcpuStop step_soft(EngineVcpu *ev, bool meant)
{
    switch (kvm_assist_step(ev, meant)) {
    case TRIPLE_FAULT:
        return VCPU_STOP_TRIPLE_FAULT;
    case GO_ON:
        ev->hit.step = true;
        return VCPU_STOP_DEBUG;
    default:
        return step_native(ev);
    }
}

enum VcpuStop kvm_debug_one(EngineVcpu *ev)
{
    KvmPatch *p;
    uint8_t *at = NULL;
    bool meant = false;
    enum VcpuStop stop;

    kvm_debug_begin(ev);
    if (ev->halted) {
        if (!kvm_would_wake(ev)) {
            return VCPU_STOP_HALTED;
        }
        ev->halted = false;
        ev->hit.step = true;
        return VCPU_STOP_DEBUG;
    }
    p = patch_here(ev);
    if (p) {
        at = ev->e->mem->base + p->gpa;
        *at = p->old;
    }
    stop = soft_can(ev, &meant) ? step_soft(ev, meant) : step_native(ev);
    if (p && *at == p->old) {
        *at = INT3;
    }
    return stop;
}
