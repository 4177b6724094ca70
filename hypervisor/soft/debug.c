/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * debug.c - a debugger's breakpoints, watchpoints and single steps; and those of the guest's own debug
 * registers (Intel SDM volume 3, chapter 17), save single steps, which are the run loop's.
 *
 * Nothing here is asked for while there are none.  An execution point is a block of its own, whose
 * body stops the vCPU; blocks before it end there, so that code runs translated with breakpoints
 * on.  Pages with a watched byte get no tags in the TLB, so that each access to them comes to
 * lin_access().  Points are linear addresses, whatever the page tables make of them.
 *
 * The guest's are alike, but come and go with its tasks: a block that begins with op_point() looks whether
 * the point is armed, and stays when it no longer is.  So blocks are dropped only where a point is new;
 * POINTS_KEPT addresses are remembered.
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

/* --- the guest's own --- */
enum { DR7_EXEC, DR7_WRITE, DR7_IO, DR7_ACCESS };

static bool dr7_enabled(const Cpu *c, unsigned n) { return c->dr[7] >> (2 * n) & 3; }
static unsigned dr7_kind(const Cpu *c, unsigned n) { return c->dr[7] >> (16 + 4 * n) & 3; }

static unsigned dr7_len(const Cpu *c, unsigned n)
{
    unsigned len = c->dr[7] >> (18 + 4 * n) & 3;

    return len == 2 ? 8 : len + 1;
}

int points_slot(const CpuPriv *p, uint64_t linear)
{
    for (unsigned n = 0; n < p->points.exec_count; n++)
        if (p->points.exec[n] == linear)
            return (int)n;
    return -1;
}

/* The one that was armed longest ago makes room. */
static unsigned slot_for(Cpu *c, uint64_t linear)
{
    GuestPoints *g = &cpu_priv(c)->points;
    int found = points_slot(cpu_priv(c), linear);
    unsigned at = 0;

    if (found >= 0)
        return (unsigned)found;
    if (g->exec_count < POINTS_KEPT) {
        at = g->exec_count++;
    } else {
        for (unsigned n = 1; n < POINTS_KEPT; n++)
            if (g->clock - g->used[n] > g->clock - g->used[at])
                at = n;
        block_kill_linear(c, g->exec[at]);
    }
    g->exec[at] = linear;
    count(c, COUNT_POINTS_NEW);
    block_kill_linear(c, linear);
    return at;
}

void points_update(Cpu *c)
{
    GuestPoints *g = &cpu_priv(c)->points;

    memset(g->armed, 0, sizeof g->armed);
    g->exec_armed = g->io_armed = false;
    g->watch_count = 0;
    g->clock++;
    for (unsigned n = 0; n < 4; n++) {
        unsigned kind = dr7_kind(c, n), len = dr7_len(c, n), slot;

        if (!dr7_enabled(c, n))
            continue;
        if (kind == DR7_EXEC) {
            slot = slot_for(c, c->dr[n]);
            g->armed[slot] = 1;
            g->used[slot] = g->clock;
            g->exec_armed = true;
        } else if (kind == DR7_IO) {
            g->io_armed = true;
        } else {
            g->watch[g->watch_count].at = c->dr[n] & ~(uint64_t)(len - 1);
            g->watch[g->watch_count].len = (uint8_t)len;
            g->watch[g->watch_count].hit = (uint8_t)(1u << n);
            g->watch[g->watch_count++].reads = kind == DR7_ACCESS;
            tlb_watch_page(c, c->dr[n]);
        }
    }
}

uint32_t points_here(const Cpu *c)
{
    uint64_t linear = exec_linear(c);
    uint32_t hit = 0;

    for (unsigned n = 0; n < 4; n++)
        if (dr7_enabled(c, n) && dr7_kind(c, n) == DR7_EXEC && c->dr[n] == linear)
            hit |= 1u << n;
    return hit;
}

void op_point(Cpu *c, const Insn *i)
{
    if (likely(!cpu_priv(c)->points.armed[i->imm]) || !points_here(c))
        NEXT(c, i);
    __atomic_fetch_or(&c->poll, POLL_POINT, __ATOMIC_RELAXED);
}

/* The instruction is done, and the run loop takes it.  Where others would follow without a look at
 * Cpu.poll, in blocks that are interpreted, the block ends; it is built again. */
static void points_met(Cpu *c, uint32_t hit)
{
    cpu_priv(c)->watch_hit |= hit;
    __atomic_fetch_or(&c->poll, POLL_POINT, __ATOMIC_RELAXED);
    if (c->stack_floor != UINTPTR_MAX)
        block_stop(c);
}

void soft_step_trap(Cpu *c)
{
    cpu_priv(c)->tf_taken = true;
    if (unlikely(c->rflags & RF_TF)) {
        cpu_priv(c)->watch_hit |= DR6_BS;
        __atomic_fetch_or(&c->poll, POLL_POINT, __ATOMIC_RELAXED);
    }
}

void points_access(Cpu *c, uint64_t linear, unsigned len, bool write)
{
    const GuestPoints *g = &cpu_priv(c)->points;
    uint32_t hit = 0;

    for (unsigned n = 0; n < g->watch_count; n++)
        if ((write || g->watch[n].reads) && linear < g->watch[n].at + g->watch[n].len &&
            g->watch[n].at < linear + len)
            hit |= g->watch[n].hit;
    if (hit)
        points_met(c, hit);
}

bool points_on_ports(const Cpu *c)
{
    return unlikely(cpu_priv(c)->points.io_armed) && (c->cr4 & CR4_DE);
}

void points_port(Cpu *c, uint16_t port, unsigned size)
{
    uint32_t hit = 0;

    if (likely(!points_on_ports(c)))
        return;
    for (unsigned n = 0; n < 4; n++) {
        unsigned len = dr7_len(c, n);
        uint64_t at = c->dr[n] & ~(uint64_t)(len - 1);

        if (dr7_enabled(c, n) && dr7_kind(c, n) == DR7_IO && port < at + len && at < port + size)
            hit |= 1u << n;
    }
    if (hit)
        points_met(c, hit);
}
