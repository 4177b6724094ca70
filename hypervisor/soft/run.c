/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run.c - the run loop: blocks, events between them, and the landing place of faults.
 *
 * Intel SDM volume 3, 6.9 (priority among events) and chapter 17 (debug).  Blocks chain to each
 * other until Cpu.poll is set or something has to be looked at; then they return to here.  Single
 * steps (TF, an instruction with one of the guest's breakpoints, RF, the shadow of STI and MOV SS with
 * something pending) run blocks of one instruction with POLL_STEP set, which keeps them from chaining.
 */
#include "hypervisor/soft/assist.h"
#include "hypervisor/soft/core.h"
#include "hypervisor/soft/jit/jit.h"
#include "hypervisor/soft/mmu.h"
#include "hypervisor/soft/ops.h"

_Noreturn void raise_err(Cpu *c, const Insn *i, int vector, uint32_t error)
{
    if (i)
        c->rip = insn_rip(c, i);
    c->exc_vector = vector;
    c->exc_type = EVENT_EXCEPTION;
    c->exc_has_error = true;
    c->exc_error = error;
    siglongjmp(c->unwind, 1);
}

_Noreturn void raise_exc(Cpu *c, const Insn *i, int vector)
{
    if (i)
        c->rip = insn_rip(c, i);
    c->exc_vector = vector;
    c->exc_type = EVENT_EXCEPTION;
    c->exc_has_error = false;
    c->exc_error = 0;
    siglongjmp(c->unwind, 1);
}

_Noreturn void raise_soft(Cpu *c, const Insn *i, int vector, int type)
{
    c->rip = insn_next(c, i);
    c->exc_vector = vector;
    c->exc_type = (uint8_t)type;
    c->exc_has_error = false;
    c->exc_error = 0;
    c->exc_insn_len = i->len;
    siglongjmp(c->unwind, 1);
}

#define STACK_ROOM (64u << 10)      /* of the host's stack, for bodies that call the next one */

void soft_request_look(Cpu *c)
{
    __atomic_fetch_or(&c->poll, POLL_KICK, __ATOMIC_SEQ_CST);
}

/* --- events --- */
static bool deliver(Cpu *c, int vector, int type, bool has_error, uint32_t error)
{
    CpuPriv *p = cpu_priv(c);

    if (type == EVENT_EXTINT || type == EVENT_NMI)
        count(c, COUNT_INTERRUPTS);
    else
        count(c, vector == EXC_PF ? COUNT_PAGE_FAULTS : COUNT_EXCEPTIONS);
    c->exc_vector = -1;
    c->halted = 0;
    c->shadow = 0;
    if (!cpu_deliver(c, vector, type, has_error, error))
        return false;
    /* What is met by an instruction that faults, or by the delivery, doesn't count; but INT is done. */
    p->watch_hit = type == EVENT_SOFT_INT || type == EVENT_SOFT_EXCEPTION ? p->watch_held : 0;
    p->watch_held = 0;
    if (p->watch_hit)
        __atomic_fetch_or(&c->poll, POLL_POINT, __ATOMIC_RELAXED);
    return true;
}

/* What a raise_*() left. */
static bool deliver_raised(Cpu *c)
{
    int vector = c->exc_vector;

    if (vector == EXC_DB) {
        c->dr[6] |= c->exc_dr6;
        c->exc_dr6 = 0;
    } else if (c->exc_type == EVENT_EXCEPTION) {
        cpu_priv(c)->debug_hit.point = false;   /* the access has not been done, or will be again */
    }
    return deliver(c, vector, c->exc_type, c->exc_has_error, c->exc_error);
}

static bool deliver_debug(Cpu *c, uint32_t dr6)
{
    c->dr[6] |= dr6;
    c->exc_insn_len = 0;
    return deliver(c, EXC_DB, EVENT_EXCEPTION, false, 0);
}

/* Those of the pending interrupts that could be taken now, shadows aside. */
static unsigned takeable(const Cpu *c)
{
    return cpu_priv(c)->irq_wait & ((c->rflags & RF_IF ? IRQ_EXTINT : 0) |
                                    (c->nmi_blocked ? 0 : IRQ_NMI));
}

static unsigned ask_pending(Cpu *c)
{
    return c->host->irq_pending(c->vcpu) | (cpu_priv(c)->nmis_taken ? IRQ_NMI : 0);
}

enum Look { LOOK_RUN, LOOK_STEP, LOOK_AGAIN, LOOK_STOP };

/* NMI and external interrupts; pending is what the host said. */
static enum Look take_interrupt(Cpu *c, unsigned pending, enum VcpuStop *stop)
{
    CpuPriv *p = cpu_priv(c);
    int vector;

    p->irq_wait = pending;
    if ((pending & IRQ_NMI) && !c->nmi_blocked && !c->shadow) {
        if (p->nmis_taken)
            p->nmis_taken--;
        else
            c->host->nmi_ack(c->vcpu);
        soft_request_look(c);
        c->nmi_blocked = 1;
        c->exc_insn_len = 0;
        if (!deliver(c, EXC_NMI, EVENT_NMI, false, 0)) {
            *stop = VCPU_STOP_TRIPLE_FAULT;
            return LOOK_STOP;
        }
        return LOOK_AGAIN;
    }
    if ((pending & IRQ_EXTINT) && (c->rflags & RF_IF) && !c->shadow) {
        vector = c->host->irq_ack(c->vcpu);
        p->irq_wait = ask_pending(c);
        if (vector < 0)
            return LOOK_AGAIN;
        c->exc_insn_len = 0;
        if (!deliver(c, vector, EVENT_EXTINT, false, 0)) {
            *stop = VCPU_STOP_TRIPLE_FAULT;
            return LOOK_STOP;
        }
        return LOOK_AGAIN;
    }
    return LOOK_RUN;
}

/* Everything that may be due between two instructions. */
static enum Look look(Cpu *c, enum VcpuStop *stop)
{
    CpuPriv *p = cpu_priv(c);
    uint32_t poll = c->poll ? __atomic_fetch_and(&c->poll, 0, __ATOMIC_SEQ_CST) : 0;
    enum Look r;
    bool point;

    count(c, COUNT_LOOKS);
    if (poll & POLL_REQUEST) {
        guest_leave(c);
        guest_enter(c);
        jit_give_back(c);
    }
    if (*c->code_ring_prod != *c->code_ring_seen)
        c->host->drain_code_ring(c->vcpu);
    if (poll & POLL_STOP) {
        *stop = VCPU_STOP_KICKED;
        return LOOK_STOP;
    }
    if (poll & POLL_KICK)
        p->irq_wait = ask_pending(c);
    if (p->irq_wait) {
        r = take_interrupt(c, p->irq_wait, stop);
        if (r != LOOK_RUN)
            return r;
    }
    if (c->halted && (c->poll & POLL_KICK))
        return LOOK_AGAIN;
    if (c->halted) {
        *stop = VCPU_STOP_HALTED;
        return LOOK_STOP;
    }
    /* Faults set RF, so each return from one comes here; without a breakpoint it has nothing to hide. */
    point = p->points.exec_armed && points_here(c);
    if (!point && !c->engine->debug_exec)
        c->rflags &= ~(uint32_t)RF_RF;
    if (point || (c->mode & MODE_TF) || (c->rflags & RF_RF) || (c->shadow && takeable(c)) || p->watch_hit)
        return LOOK_STEP;
    c->shadow = 0;
    return LOOK_RUN;
}

/* --- one step --- */
/* Runs one instruction; traps it causes (single step, data breakpoints) are delivered after it. */
static bool step(Cpu *c)
{
    CpuPriv *p = cpu_priv(c);
    bool tf = c->rflags & RF_TF, resume = c->rflags & RF_RF;
    uint32_t hit;
    const Block *b;

    if (c->engine->debug_exec && !p->debug_step && debug_stop_here(c))
        return true;
    if (p->points.exec_armed && !resume && !(c->shadow & SHADOW_SS)) {
        hit = points_here(c);
        if (hit)
            return deliver_debug(c, hit);   /* the handler sets RF, to get past it */
    }
    __atomic_fetch_or(&c->poll, POLL_STEP, __ATOMIC_RELAXED);
    p->watch_held = p->watch_hit;       /* MOV SS has met that, which waits for the next instruction's end */
    p->watch_hit = 0;
    p->tf_taken = false;
    b = block_find(c);
    c->shadow = 0;
    c->rflags &= ~(uint32_t)RF_RF;
    c->block = b;
    b->insn[0].fn(c, b->insn);
    p->watch_hit |= p->watch_held;
    p->watch_held = 0;
    if (c->shadow & SHADOW_SS)
        return true;
    hit = p->watch_hit | (tf && !p->tf_taken ? DR6_BS : 0);
    p->watch_hit = 0;
    return !hit || deliver_debug(c, hit);
}

/* The shadow of STI or MOV SS alone makes it a step: the instruction is known from the block that begins with it,
 * and there is nothing to look at before it. */
static bool step_shadowed(Cpu *c)
{
    const JumpEntry *e = jump_entry(c, c->rip);
    uintptr_t floor = c->stack_floor;
    const Block *b;

    if ((c->mode & MODE_TF) || (c->rflags & RF_RF) || c->engine->debug_exec ||
        cpu_priv(c)->points.exec_armed || cpu_priv(c)->watch_hit)
        return step(c);
    b = likely(jump_ok(c, e)) ? jump_block(e) : block_find(c);
    if (unlikely(b->first == op_point))
        return step(c);
    c->shadow = 0;
    c->block = b;
    c->jit_insn[0] = b->insn[0];
    c->jit_insn[0].fn = b->first;
    if (insn_is_branch(&b->insn[0])) {
        c->jit_insn[0].disp = 0;        /* a distance from there */
        c->jit_insn[0].aux = 0;
    }
    c->jit_insn[1].fn = op_block_end;
    c->jit_insn[1].off = b->insn[0].len;
    c->stack_floor = UINTPTR_MAX;       /* on to no other block */
    c->jit_insn[0].fn(c, c->jit_insn);
    c->stack_floor = floor;
    return true;
}

bool soft_quiet(const Cpu *c)
{
    return !(c->poll | c->halted | (c->mode & MODE_TF) | (c->rflags & RF_RF)) &&
           !(unlikely(c->shadow) && cpu_priv(c)->points.exec_armed) && !takeable(c) &&
           *c->code_ring_prod == *c->code_ring_seen;
}

/* Blocks until there is something to look at. */
static void run_blocks(Cpu *c)
{
    do {
        const JumpEntry *e = jump_entry(c, c->rip);
        const Block *b = likely(jump_ok(c, e)) ? jump_block(e) : block_find(c);

        if (unlikely(b->insn[0].fn == op_debug_stop)) {
            debug_stop_exec(c);     /* with the shadow as it is */
            break;
        }
        c->shadow = 0;
        c->block = b;
        b->insn[0].fn(c, b->insn);
    } while (soft_quiet(c));
}

/* With an exception to deliver: takes requests, and tells whether to stop and leave it pending. */
static bool urgent(Cpu *c)
{
    if (!(c->poll & (POLL_STOP | POLL_REQUEST)))
        return false;
    if (__atomic_fetch_and(&c->poll, ~(uint32_t)POLL_REQUEST, __ATOMIC_SEQ_CST) & POLL_REQUEST) {
        guest_leave(c);
        guest_enter(c);
    }
    if (!(__atomic_fetch_and(&c->poll, ~(uint32_t)POLL_STOP, __ATOMIC_SEQ_CST) & POLL_STOP))
        return false;
    if (c->exc_vector == EXC_DB) {
        c->dr[6] |= c->exc_dr6;
        c->exc_dr6 = 0;
    }
    return true;
}

/* --- one by one: for another engine, and for debuggers --- */
static void take_requests(Cpu *c)
{
    if (__atomic_fetch_and(&c->poll, 0, __ATOMIC_SEQ_CST) & POLL_REQUEST) {
        guest_leave(c);
        guest_enter(c);
    }
}

enum VcpuStop soft_step(EngineVcpu *c, unsigned count)
{
    volatile enum VcpuStop result = VCPU_STOP_KICKED;
    volatile unsigned left = count;
    volatile bool kept = false; /* with TF set, blocks go into the cache */

    cpu_take(c);
    cpu_priv(c)->debug_hit = (DebugHit){ 0 };
    guest_enter(c);
    if (sigsetjmp(c->unwind, 0) && cpu_priv(c)->exclusive)
        cpu_exclusive_end(c);
    c->stack_floor = (uintptr_t)__builtin_frame_address(0) - STACK_ROOM;
    for (;;) {
        take_requests(c);
        if (cpu_priv(c)->trying && c->exc_vector == EXC_UD && c->exc_type == EVENT_EXCEPTION) {
            result = VCPU_STOP_ERROR;
            break;
        }
        if (c->exc_vector >= 0) {
            if (!deliver_raised(c)) {
                result = VCPU_STOP_TRIPLE_FAULT;
                break;
            }
            continue;
        }
        if (c->halted) {
            result = VCPU_STOP_HALTED;
            break;
        }
        if (!left)
            break;
        left--;
        kept = kept || (c->mode & MODE_TF);
        if (!step(c)) {
            result = VCPU_STOP_TRIPLE_FAULT;
            break;
        }
    }
    if (kept)
        block_flush(c);
    guest_leave(c);
    cpu_rest(c);
    return result;
}

enum VcpuStop soft_try(EngineVcpu *c)
{
    enum VcpuStop stop;

    cpu_priv(c)->trying = true;
    stop = soft_step(c, 1);
    cpu_priv(c)->trying = false;
    return stop;
}

/* --- until a hypercall: for an engine that does not get to see it --- */

void soft_watched(Cpu *c, const Insn *i, enum WatchedInsn what, uint32_t index)
{
    CpuPriv *p = cpu_priv(c);

    if (likely(!p->watching) || (what == WATCHED_MSR && index != p->watch_msr) ||
        (what == WATCHED_PORT && index != p->watch_port))
        return;
    c->rip = insn_rip(c, i);
    p->spotted = what == WATCHED_CALL ? SOFT_WATCH_CALL : SOFT_WATCH_OTHER;
    siglongjmp(c->unwind, 1);
}

/* One block, or one instruction where something may be due after each. */
static bool watch_block(Cpu *c)
{
    const Block *b;

    if ((c->mode & MODE_TF) || (c->rflags & RF_RF) || c->shadow || (c->dr[7] & 0xff))
        return step(c);
    __atomic_fetch_or(&c->poll, POLL_BLOCK, __ATOMIC_RELAXED);
    b = block_find(c);
    if (unlikely(b->insn[0].fn == op_debug_stop)) {
        debug_stop_exec(c);
        return true;
    }
    c->block = b;
    b->insn[0].fn(c, b->insn);
    return true;
}

SoftWatch soft_watch(EngineVcpu *c, unsigned count, uint32_t msr, uint16_t port)
{
    CpuPriv *p = cpu_priv(c);
    volatile unsigned left = count;
    volatile SoftWatch result = SOFT_WATCH_MORE;

    cpu_take(c);
    debug_begin(c);
    p->watching = true;
    p->spotted = 0;
    p->watch_msr = msr;
    p->watch_port = port;
    guest_enter(c);
    if (sigsetjmp(c->unwind, 0) && p->exclusive)
        cpu_exclusive_end(c);
    c->stack_floor = (uintptr_t)__builtin_frame_address(0) - STACK_ROOM;
    while (result == SOFT_WATCH_MORE && left) {
        bool stop = __atomic_load_n(&c->poll, __ATOMIC_SEQ_CST) & POLL_STOP;

        take_requests(c);
        if (p->spotted) {
            result = p->spotted;
        } else if (c->exc_vector >= 0) {
            result = deliver_raised(c) ? SOFT_WATCH_MORE : SOFT_WATCH_TRIPLE_FAULT;
        } else if (p->debug_hit.point) {
            result = SOFT_WATCH_POINT;
        } else if (c->halted) {
            result = SOFT_WATCH_HALTED;
        } else if (stop) {
            break;
        } else {
            left--;
            result = watch_block(c) ? SOFT_WATCH_MORE : SOFT_WATCH_TRIPLE_FAULT;
        }
    }
    p->watching = false;
    guest_leave(c);
    cpu_rest(c);
    return result;
}

void soft_watch_end(EngineVcpu *c)
{
    cpu_take(c);
    block_flush(c);
    cpu_rest(c);
}

/* A halted vCPU under debug_step: wakes up if there is an interrupt for it, which stays pending. */
static enum VcpuStop debug_wake(Cpu *c)
{
    CpuPriv *p = cpu_priv(c);

    guest_enter(c);
    __atomic_fetch_and(&c->poll, 0, __ATOMIC_SEQ_CST);
    if (*c->code_ring_prod != *c->code_ring_seen)
        c->host->drain_code_ring(c->vcpu);
    p->irq_wait = ask_pending(c);
    guest_leave(c);
    if (!takeable(c))
        return VCPU_STOP_HALTED;
    c->halted = 0;
    p->debug_hit.step = true;
    return VCPU_STOP_DEBUG;
}

static enum VcpuStop debug_one(Cpu *c)
{
    enum VcpuStop stop;

    debug_begin(c);
    if (c->halted)
        return debug_wake(c);
    if (*c->code_ring_prod != *c->code_ring_seen)
        c->host->drain_code_ring(c->vcpu);
    stop = soft_step(c, 1);
    if (stop == VCPU_STOP_TRIPLE_FAULT)
        return stop;
    cpu_priv(c)->debug_hit.step = true;
    return VCPU_STOP_DEBUG;
}

/* --- the loop --- */
/* Data and I/O breakpoints that the last instruction has met: false: a triple fault. */
static bool take_watch_hit(Cpu *c)
{
    uint32_t hit = cpu_priv(c)->watch_hit;

    cpu_priv(c)->watch_hit = 0;
    return deliver_debug(c, hit);
}

enum VcpuStop soft_run(EngineVcpu *c)
{
    volatile enum VcpuStop result = VCPU_STOP_KICKED;
    enum VcpuStop stop = VCPU_STOP_KICKED;

    cpu_take(c);
    if (unlikely(cpu_priv(c)->debug_step)) {
        stop = debug_one(c);
        cpu_rest(c);
        return stop;
    }
    debug_begin(c);
    guest_enter(c);
    soft_request_look(c);
    if (sigsetjmp(c->unwind, 0) && cpu_priv(c)->exclusive)
        cpu_exclusive_end(c);
    c->stack_floor = (uintptr_t)__builtin_frame_address(0) - STACK_ROOM;
    for (;;) {
        if (c->exc_vector >= 0 && c->exc_type == EVENT_EXCEPTION && urgent(c)) {
            result = VCPU_STOP_KICKED;
            break;
        }
        if (c->exc_vector >= 0 && !deliver_raised(c)) {
            result = VCPU_STOP_TRIPLE_FAULT;
            break;
        }
        if (c->exc_vector >= 0)
            continue;
        if (!soft_quiet(c)) {
            enum Look l;

            if (cpu_priv(c)->watch_hit && !(c->shadow & SHADOW_SS)) {
                if (take_watch_hit(c))
                    continue;
                result = VCPU_STOP_TRIPLE_FAULT;
                break;
            }
            if (cpu_priv(c)->debug_hit.point) {
                result = VCPU_STOP_DEBUG;
                break;
            }
            l = look(c, &stop);

            if (l == LOOK_STOP) {
                result = stop;
                break;
            }
            if (l == LOOK_AGAIN)
                continue;
            if (l == LOOK_STEP) {
                if (!step_shadowed(c)) {
                    result = VCPU_STOP_TRIPLE_FAULT;
                    break;
                }
                continue;
            }
        }
        run_blocks(c);
    }
    guest_leave(c);
    cpu_rest(c);
    return result;
}
