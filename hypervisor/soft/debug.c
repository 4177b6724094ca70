/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * debug.c - a debugger's breakpoints, watchpoints and single steps.
 *
 * Nothing here is asked for while there are none.  An execution point is a block of its own, whose
 * body stops the vCPU; blocks before it end there, so that code runs translated with breakpoints
 * on.  Pages with a watched byte get no tags in the TLB, so that each access to them comes to
 * lin_access().  Points are linear addresses, whatever the page tables make of them.
 */
#include <string.h>
#include "hypervisor/soft/core.h"
#include "hypervisor/soft/mmu.h"

bool soft_debug_points(Engine *e, const DebugPoint *points, unsigned n)
{
    if (n > DEBUG_POINTS)
        return false;
    if (n == e->debug_count && (!n || !memcmp(points, e->debug_points, n * sizeof *points)))
        return true;
    if (n)
        memcpy(e->debug_points, points, n * sizeof *points);
    e->debug_count = n;
    e->debug_exec = e->debug_watch = false;
    for (unsigned k = 0; k < n; k++) {
        if (points[k].kind == POINT_EXEC)
            e->debug_exec = true;
        else
            e->debug_watch = true;
    }
    e->debug_generation++;
    return true;
}

void soft_debug_step(EngineVcpu *c, bool on)
{
    cpu_priv(c)->debug_step = on;
}

void soft_debug_hit(const EngineVcpu *c, DebugHit *hit)
{
    *hit = cpu_priv(c)->debug_hit;
}

void debug_begin(Cpu *c)
{
    CpuPriv *p = cpu_priv(c);

    p->debug_hit = (DebugHit){ 0 };
    if (p->debug_seen == c->engine->debug_generation)
        return;
    p->debug_seen = c->engine->debug_generation;
    block_flush(c);
    tlb_flush_all(c);
}

bool debug_exec_at(const Engine *e, uint64_t linear)
{
    for (unsigned k = 0; k < e->debug_count; k++)
        if (e->debug_points[k].kind == POINT_EXEC && e->debug_points[k].linear == linear)
            return true;
    return false;
}

bool debug_watches_page(const Engine *e, uint64_t page)
{
    for (unsigned k = 0; k < e->debug_count; k++) {
        const DebugPoint *p = &e->debug_points[k];

        if (p->kind != POINT_EXEC && p->linear - page + p->len - 1 < 4096 + (uint64_t)p->len - 1)
            return true;
    }
    return false;
}

static uint64_t exec_linear(const Cpu *c)
{
    bool in_64 = (c->mode & MODE_SIZE_MASK) == MODE_64;

    return in_64 ? c->rip : (uint32_t)(c->seg[SEG_CS].base + c->rip);
}

void debug_stop_exec(Cpu *c)
{
    cpu_priv(c)->debug_hit = (DebugHit){ .point = true, .kind = POINT_EXEC,
                                         .linear = exec_linear(c) };
    __atomic_fetch_or(&c->poll, POLL_DEBUG, __ATOMIC_RELAXED);
}

bool debug_stop_here(Cpu *c)
{
    if (!debug_exec_at(c->engine, exec_linear(c)))
        return false;
    debug_stop_exec(c);
    return true;
}

void op_debug_stop(Cpu *c, const Insn *i)
{
    c->rip = insn_rip(c, i);
    debug_stop_exec(c);
}

void debug_access(Cpu *c, uint64_t linear, unsigned len, bool write)
{
    const Engine *e = c->engine;

    for (unsigned k = 0; k < e->debug_count; k++) {
        const DebugPoint *p = &e->debug_points[k];

        if (p->kind == POINT_EXEC || p->kind == (write ? POINT_READ : POINT_WRITE) ||
            linear - p->linear + len - 1 >= (uint64_t)p->len + len - 1)
            continue;
        cpu_priv(c)->debug_hit = (DebugHit){ .point = true, .kind = p->kind, .linear = p->linear };
        __atomic_fetch_or(&c->poll, POLL_DEBUG, __ATOMIC_RELAXED);
        block_stop(c);
        return;
    }
}
