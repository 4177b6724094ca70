/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kvm_calls.c - hypercalls where KVM does not pass VMCALL and VMMCALL on (no KVM_CAP_XEN_HVM): on VT-x
 * and SVM it answers them itself with an error, without an exit.  So none may be left in the guest's code
 * when KVM runs it.  OUT imm8, EAX; NOP is as long, and exits.
 *
 * - The hypercall page is ours to fill: its stubs are changed when it is made.
 * - Linux since its XSA-466 change has no page but an instruction of its own.  It is met very soon after
 *   the kernel's entry code has switched on SCE or NXE in EFER, which is an exit: from there the software
 *   CPU runs the vCPU until it is about to do a hypercall, or has seen enough.  What is changed is thus an
 *   instruction that is being executed as what it is, never mere bytes that look like it.
 *
 * The changed instruction stays in the guest's memory when it goes on under another engine; the hypervisor
 * takes the OUT for what it was there, too.
 *
 * Left out: guests that do their first hypercall without the page in another place than where EFER was
 * written shortly before, or in several places; those get KVM's error.  cpu='soft' runs them.
 */
#include "hypervisor/kvm/kvm_internal.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/ioctl.h>
#include "hypervisor/soft/assist.h"

#define EFER_LMA (1u << 10)
#define RFLAGS_IF (1u << 9)
#define STUB 32                 /* bytes of the page for each call: MOV EAX, n; VMCALL; RET */
#define STUB_CALL 5
#define SLICE 5000              /* blocks between looks at what else there is */
#define WATCH_SLICES 4000       /* half a second of an interpreter */

static const uint8_t vmcall[3] = { 0x0f, 0x01, 0xc1 }, vmmcall[3] = { 0x0f, 0x01, 0xd9 };
static const uint8_t trap[3] = { 0xe7, KVM_HYPERCALL_PORT, 0x90 };

static bool is_call(const uint8_t *code)
{
    return !memcmp(code, vmcall, 3) || !memcmp(code, vmmcall, 3);
}

void kvm_patch_hypercall_page(Engine *e, uint64_t gpa)
{
    uint8_t *page;

    if (e->xen_hcalls || (gpa & 0xfff) || gpa >= e->mem->size ||
        e->mem->types[gpa >> 12] != MEM_RAM) {
        return;
    }
    page = e->mem->base + gpa;
    for (unsigned n = 0; n < 4096 / STUB; n++) {
        uint8_t *stub = page + STUB * n;

        if (stub[0] == 0xb8 && is_call(stub + STUB_CALL)) {
            memcpy(stub + STUB_CALL, trap, 3);
        }
    }
}

bool kvm_is_call_port(const EngineVcpu *ev, const struct kvm_run *run)
{
    return run->io.port == KVM_HYPERCALL_PORT && run->io.size > 1 && run->io.count == 1 &&
           run->io.direction == KVM_EXIT_IO_OUT && ev->e->host->hypercall;
}

void kvm_call_port(EngineVcpu *ev)
{
    struct kvm_run *run = ev->run;
    unsigned size = MIN(run->io.size, 4);
    uint32_t value = 0;
    struct kvm_sregs sr;

    memcpy(&value, (uint8_t *)run + run->io.data_offset, size);
    kvm_finish_exit_for_regs(ev);
    if (kvm_get_sregs(ev, &sr) && sr.ss.dpl == 0) {
        kvm_count(ev, KVM_COUNT_HYPERCALLS);
        kvm_hypercall(ev);
    } else {
        kvm_count(ev, KVM_COUNT_PORT_OTHER);
        ev->e->host->io_write(ev->v, KVM_HYPERCALL_PORT, size, value);
    }
}

bool kvm_at_trap(EngineVcpu *ev)
{
    uint8_t bytes[INSN_MAX];
    struct kvm_regs r;
    struct kvm_sregs sr;

    return kvm_get_regs(ev, &r) &&
           kvm_get_sregs(ev, &sr) && kvm_read_insn(ev, &r, &sr, bytes) >= 3 &&
           !memcmp(bytes, trap, 3);
}

uint64_t kvm_hypercall(EngineVcpu *ev)
{
    struct kvm_regs r;
    struct kvm_sregs sr;
    uint64_t gpr[16];

    if (!kvm_get_regs(ev, &r) || !kvm_get_sregs(ev, &sr)) {
        return -ENOSYS;
    }
    kvm_regs_to_gpr(&r, gpr);
    ev->e->host->hypercall(ev->v, gpr, (sr.efer & EFER_LMA) && sr.cs.l, sr.ss.dpl);
    kvm_get_regs(ev, &r);
    kvm_gpr_to_regs(gpr, &r);
    kvm_set_regs(ev, &r);
    return gpr[0];
}

/* --- hypercalls without the page --- */

static bool trapped(const Engine *e, uint64_t gpa)
{
    return gpa < e->mem->size && e->mem->types[gpa >> 12] == MEM_RAM &&
           !memcmp(e->mem->base + gpa, trap, 3);
}

/* Does an instruction that was changed before still stand, as for the second vCPU of a guest? */
static bool have_site(Engine *e)
{
    uint64_t gpa = __atomic_load_n(&e->call_site, __ATOMIC_RELAXED);

    return gpa && trapped(e, gpa);
}

void kvm_watch_calls(EngineVcpu *ev)
{
    if (!ev->e->xen_hcalls && ev->e->assist && ev->e->host->hypercall && !have_site(ev->e)) {
        ev->watch_slices = WATCH_SLICES;
    }
}

/* The instruction at RIP, which the software CPU was about to do as a hypercall. */
static void change_call(EngineVcpu *ev)
{
    Engine *e = ev->e;
    uint8_t bytes[INSN_MAX];
    struct kvm_regs r;
    struct kvm_sregs sr;
    uint64_t gpa, last;

    if (!kvm_get_regs(ev, &r) || !kvm_get_sregs(ev, &sr) ||
        kvm_read_insn(ev, &r, &sr, bytes) < 3 || !is_call(bytes) ||
        !kvm_insn_place(ev, &r, &sr, 0, &gpa) || !kvm_insn_place(ev, &r, &sr, 2, &last) ||
        last != gpa + 2 || e->mem->types[gpa >> 12] != MEM_RAM) {
        kvm_log(ev, "kvm: a hypercall of the guest's can't be made to reach us; cpu=\"soft\" runs it");
        return;
    }
    memcpy(e->mem->base + gpa, trap, 3);
    __atomic_store_n(&e->call_site, gpa, __ATOMIC_RELAXED);
    if (!__atomic_exchange_n(&e->call_told, true, __ATOMIC_RELAXED)) {
        kvm_log(ev, "kvm: this host's KVM keeps hypercalls to itself; the guest's instruction for them "
                    "is changed to one that it passes on");
    }
}

/* With the state in the software CPU: KVM has to take over, for a while or for good. */
static bool watch_ends(EngineVcpu *ev)
{
    unsigned pending = ev->e->host->irq_pending(ev->v);

    if (__atomic_load_n(&ev->stop, __ATOMIC_SEQ_CST) || (pending & IRQ_NMI)) {
        return true;
    }
    if (pending & IRQ_EXTINT) {
        engine_soft.get_system(ev->assist, ev->after);
        if (ev->after->rflags & RFLAGS_IF) {
            ev->watch_slices = 0;       /* a kernel that takes interrupts is past its first hypercall */
        }
    }
    return !ev->watch_slices;
}

enum Outcome kvm_watch(EngineVcpu *ev)
{
    Engine *e = ev->e;
    SoftWatch w = SOFT_WATCH_MORE;

    kvm_count(ev, KVM_COUNT_WATCHES);
    kvm_finish_exit(ev);
    if (!kvm_assist_begin(ev)) {
        ev->watch_slices = 0;
        return GO_ON;
    }
    if (e->debug.points) {
        kvm_debug_assist(e, true);
    }
    while (w == SOFT_WATCH_MORE && !watch_ends(ev)) {
        if (ev->ring_prod && __atomic_load_n(ev->ring_prod, __ATOMIC_ACQUIRE) != *ev->ring_seen) {
            e->host->drain_code_ring(ev->v);
        }
        ev->watch_slices--;
        w = soft_watch(ev->assist, SLICE, KVM_MSR_HYPERCALL_PAGE, KVM_HYPERCALL_PORT);
    }
    if (w == SOFT_WATCH_CALL || w == SOFT_WATCH_OTHER || w == SOFT_WATCH_TRIPLE_FAULT) {
        ev->watch_slices = 0;
    }
    soft_watch_end(ev->assist);
    if (e->debug.points) {
        kvm_debug_assist(e, false);
    }
    kvm_assist_end(ev);
    kvm_memory_refresh(e);
    kvm_follow_apic_base(ev);
    if (w == SOFT_WATCH_CALL) {
        change_call(ev);
    }
    return w == SOFT_WATCH_TRIPLE_FAULT ? TRIPLE_FAULT : GO_ON;
}
