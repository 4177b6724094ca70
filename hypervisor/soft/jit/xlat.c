/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xlat.c - translates one block: its entries, its instructions in turn, the ways out of it, and
 * behind them what is seldom run: calls of bodies and stubs of jumps that aren't linked yet.
 */
#include <string.h>
#include "hypervisor/soft/jit/xlat.h"
#include "hypervisor/soft/mmu.h"

/* --- ways out --- */
static void set_rip(Xlat *x, uint64_t rip)
{
    Emit *e = &x->e;

    if (rip == (uint64_t)(int64_t)(int32_t)rip) {
        e_op(e, 8, 0, 0, 0xc7, 0, opd_abs(&x->c->rip));
        e32(e, (uint32_t)rip);
    } else {
        e_imm(e, SCRATCH_A, rip);
        e_store(e, opd_abs(&x->c->rip), SCRATCH_A);
    }
}

static bool same_page(const Xlat *x, uint64_t rip)
{
    return ((rip + x->b->cs_base) >> 12) == ((x->b->rip + x->b->cs_base) >> 12);
}

void poll_compare(Xlat *x)
{
    e_op(&x->e, 1, 0, 0, 0x80, 7, opd_abs((const void *)&x->c->poll));
    e8(&x->e, 0);
}

/* Flags aren't in the host: leaves if somebody wants this vCPU. */
static void poll(Xlat *x, JitLink *l)
{
    poll_compare(x);
    x->polls[x->poll_count++] = (Poll){ e_jcc(&x->e, CC_NE), l };
}

static bool same_op(const AgainOp *a, const AgainOp *b)
{
    return a->op == b->op && a->reg == b->reg && a->byte_reg == b->byte_reg &&
           a->imm_size == b->imm_size && a->imm == b->imm && a->rm.mem == b->rm.mem &&
           a->rm.reg == b->rm.reg && a->rm.base == b->rm.base && a->rm.index == b->rm.index &&
           a->rm.scale == b->rm.scale && a->rm.disp == b->rm.disp;
}

static bool same_again(const FlagsAgain *a, const FlagsAgain *b)
{
    for (unsigned n = 0; n < a->count && n < b->count; n++)
        if (!same_op(&a->op[n], &b->op[n]))
            return false;
    return a->count == b->count && a->size == b->size && a->uses == b->uses;
}

/* A branch to the block's start, if cond or with CC_ALWAYS: jumps to the translation of further turns, if
 * what is known here is what that one starts with.  That one looks at Cpu.poll. */
static bool turn(Xlat *x, uint64_t rip, unsigned cond)
{
    uint8_t flags = x->flags & (FLAGS_MEM | FLAGS_AGAIN);
    Loop *l = &x->loop;
    uint8_t *site;

    if (rip != x->b->rip || !l->allowed || l->site_count == LOOP_SITES)
        return false;
    if (!l->known) {
        l->known = true;
        l->flags = flags;
        l->again = x->again;
        l->vec = x->vec;
        l->x87 = x->x87;
    } else if (l->flags != flags || l->vec != x->vec || l->x87 != x->x87 ||
               (flags & FLAGS_AGAIN && !same_again(&l->again, &x->again))) {
        return false;
    }
    site = cond == CC_ALWAYS ? e_jmp(&x->e) : e_jcc(&x->e, cond);
    l->turned = true;
    if (l->start)
        e_patch(site, l->start);
    else
        l->site[l->site_count++] = site;
    return true;
}

static uint64_t *page_slot(const Xlat *x, uint64_t linear)
{
    return code_page_slot(x->c, !!(x->b->mode & MODE_USER), linear);
}

enum EdgeKind { EDGE_JUMP, EDGE_POLLED, EDGE_CALL, EDGE_LANDING };

/* Goes on if the 64 bits are Cpu.jump_tag and code_epoch() while Cpu.poll is 0; else looks again, behind the
 * block. */
static void check_seen(Xlat *x, Operand seen, JitLink *l)
{
    e_load(&x->e, SCRATCH_A, seen);
    e_op(&x->e, 8, 0, 0, 0x3b, SCRATCH_A, opd_abs(&x->c->jump_tag));
    x->looks[x->look_count++] = (Again){ .site = e_jcc(&x->e, CC_NE), .resume = x->e.p, .link = l };
}

/* Unconditional from here; x->flags is what they are here.  next: of a call.  Landings look at Cpu.poll
 * (check_seen()) as branches backward do: a tree of calls may take for ever without one of these, and
 * the callee may have met a device that changed the caller's code. */
static void edge(Xlat *x, uint64_t rip, enum EdgeKind kind, uint64_t next)
{
    bool guarded = kind != EDGE_LANDING && !same_page(x, rip);
    bool back = kind != EDGE_LANDING &&
                (kind == EDGE_POLLED || rip <= x->b->rip + x->b->insn[x->n].off);
    Emit *e = &x->e;
    JitLink *l;

    if (guarded || back)
        flags_leave_host(x);
    if (kind == EDGE_JUMP && turn(x, rip, CC_ALWAYS))
        return;
    l = link_new(x, rip);
    if (back)
        poll(x, l);
    if (kind == EDGE_LANDING) {         /* wherever the RET was: frames outlive changes of mode and CS */
        l->tag = x->c->jump_tag;
        l->slot = (uint32_t)(uintptr_t)page_slot(x, block_linear(x->b, rip));
        check_seen(x, opd_abs(&l->seen), l);
    }
    if (guarded) {
        e_load(e, SCRATCH_A, opd_abs(page_slot(x, block_linear(x->b, rip))));
        e_op(e, 8, 0, 0, 0x3b, SCRATCH_A, opd_abs(&l->page));
        x->polls[x->poll_count++] = (Poll){ e_jcc(e, CC_NE), l };
    }
    if (kind == EDGE_CALL) {
        flags_leave_host(x);
        frame_push(x, next);
    }
    if (!(x->flags & FLAGS_MEM))
        flags_to_host(x);
    l->flags = x->flags & (FLAGS_HOST | FLAGS_MEM);
    l->site = kind == EDGE_CALL ? e_call(e) : e_jmp(e);
}

void edge_jmp(Xlat *x, uint64_t rip)
{
    edge(x, rip, EDGE_JUMP, 0);
    x->ended = true;
}

void edge_jmp_polled(Xlat *x, uint64_t rip)
{
    edge(x, rip, EDGE_POLLED, 0);
    x->ended = true;
}

static void landing(Xlat *x, uint64_t next)
{
    frame_land(x);
    edge(x, next, EDGE_LANDING, 0);
    x->ended = true;
}

void edge_call(Xlat *x, uint64_t rip, uint64_t next)
{
    edge(x, rip, EDGE_CALL, next);
    landing(x, next);
}

void edge_jcc(Xlat *x, unsigned cond, const Insn *i)
{
    uint64_t rip = i->imm;
    bool straight = same_page(x, rip) && (rip > x->b->rip + i->off || (x->n && x->polled == x->n));

    if (straight) {
        JitLink *l = link_new(x, rip);
        l->site = e_jcc(&x->e, cond);
    } else {
        uint8_t *skip;
        unsigned flags;

        if (rip == x->b->rip && x->loop.allowed && !(x->flags & (FLAGS_MEM | FLAGS_AGAIN)))
            flags_to_mem(x);
        if (turn(x, rip, cond))
            return;
        skip = e_jcc(&x->e, cond ^ 1);
        flags = x->flags;
        edge(x, rip, EDGE_JUMP, 0);
        x->flags = flags;
        e_patch(skip, x->e.p);
    }
}

static void load_ring(Xlat *x)
{
    const uint32_t *prod = x->c->code_ring_prod;

    if (ring_is_low(x->c)) {
        e_load32(&x->e, SCRATCH_A, opd_abs(prod));
    } else {
        e_load(&x->e, SCRATCH_A, opd_abs(&x->c->code_ring_prod));
        e_load32(&x->e, SCRATCH_A, opd_mem(SCRATCH_A, 0));
    }
}

/* The jump cache's entry for the RIP in scratch A is at scratch B; or leaves. */
static void find_jump(Xlat *x)
{
    Emit *e = &x->e;
    Cpu *c = x->c;
    JumpEntry *jumps = c->jumps;
    Again *look;

    _Static_assert(sizeof(JumpEntry) == 1 << JUMP_SHIFT, "the hash is a distance in bytes");
    e_op(e, 4, 0, 0, 0x69, SCRATCH_B, opd_reg(SCRATCH_A));      /* imul r11d, r10d, factor */
    e32(e, JUMP_FACTOR);
    e_alu_imm(e, 4, 4, opd_reg(SCRATCH_B), (int32_t)((JUMP_SIZE - 1) << JUMP_SHIFT));
    e_op(e, 8, 0, 0, 0x3b, SCRATCH_A, opd_mem(SCRATCH_B, (int32_t)(uintptr_t)&jumps->rip));
    look = &x->looks[x->look_count++];
    *look = (Again){ .site = e_jcc(e, CC_NE), .resume = e->p, .second = true };
    check_seen(x, opd_mem(SCRATCH_B, (int32_t)(uintptr_t)&jumps->tag), NULL);
    load_ring(x);
    e_op(e, 4, 0, 0, 0x3b, SCRATCH_A, opd_abs(&c->ring_seen));
    e_patch(e_jcc(e, CC_NE), x->j->leave_to_entry);
}

/* Mode and epoch as what is found good now has seen them: with a poll of 0. */
static void seen_now(Emit *e, const Cpu *c, unsigned r)
{
    e_load(e, r, opd_abs(&c->jump_tag));
    e_op(e, 8, 0, 0, 0xc1, 4, opd_reg(r));                              /* shl */
    e8(e, 8);
    e_op(e, 8, 0, 0, 0xc1, 5, opd_reg(r));                              /* shr */
    e8(e, 8);
}

void jumps_thunks(Emit *e, Cpu *c, Jit *j)
{
    JumpEntry *jumps = c->jumps;
    uint8_t *other, *none, *moved;

    j->leave_to_entry = e->p;
    e_load(e, SCRATCH_A, opd_mem(SCRATCH_B, (int32_t)(uintptr_t)&jumps->rip));
    e_jmp_to(e, j->leave_to);

    j->jump_second = e->p;
    e_alu_imm(e, 4, 6, opd_reg(SCRATCH_B), 1 << JUMP_SHIFT);
    e_op(e, 8, 0, 0, 0x3b, SCRATCH_A, opd_mem(SCRATCH_B, (int32_t)(uintptr_t)&jumps->rip));
    e8(e, 0xc3);

    j->jump_again = e->p;
    e_push(e, RAX);
    e_load32(e, SCRATCH_A, opd_mem(SCRATCH_B, (int32_t)(uintptr_t)&jumps->tag));
    e_op(e, 4, 0, 0, 0x3b, SCRATCH_A, opd_abs(&c->jump_tag));
    other = e_jcc(e, CC_NE);
    e_load32(e, RAX, opd_mem(SCRATCH_B, (int32_t)(uintptr_t)&jumps->block));
    e_load(e, RAX, opd_mem(RAX, offsetof(Block, page_key)));
    e_load32(e, SCRATCH_A, opd_mem(SCRATCH_B, (int32_t)(uintptr_t)&jumps->slot));
    e_op(e, 8, 0, 0, 0x3b, RAX, opd_mem(SCRATCH_A, 0));
    moved = e_jcc(e, CC_NE);
    e_load32(e, RAX, opd_mem(SCRATCH_B, (int32_t)(uintptr_t)&jumps->code));
    e_alu_imm(e, 4, 5, opd_reg(RAX), (int32_t)(uintptr_t)(j->leave + j->run));
    none = e_jcc(e, CC_E);
    seen_now(e, c, RAX);
    e_store(e, opd_mem(SCRATCH_B, (int32_t)(uintptr_t)&jumps->tag), RAX);
    e_op(e, 8, 0, 0, 0x3b, RAX, opd_abs(&c->jump_tag));                 /* unless poll is set */
    e_patch(other, e->p);
    e_patch(moved, e->p);
    e_pop(e, RAX);
    e8(e, 0xc3);
    e_patch(none, e->p);                /* not translated */
    e_alu_imm(e, 8, 7, opd_reg(RSP), 0);
    e_pop(e, RAX);
    e8(e, 0xc3);

    j->landing_again = e->p;
    e_load32(e, SCRATCH_A, opd_mem(SCRATCH_B, offsetof(JitLink, tag)));
    e_op(e, 4, 0, 0, 0x3b, SCRATCH_A, opd_abs(&c->jump_tag));
    other = e_jcc(e, CC_NE);
    e_load32(e, SCRATCH_A, opd_mem(SCRATCH_B, offsetof(JitLink, slot)));
    e_load(e, SCRATCH_A, opd_mem(SCRATCH_A, 0));
    e_op(e, 8, 0, 0, 0x3b, SCRATCH_A, opd_mem(SCRATCH_B, offsetof(JitLink, page)));
    moved = e_jcc(e, CC_NE);
    seen_now(e, c, SCRATCH_A);
    e_store(e, opd_mem(SCRATCH_B, offsetof(JitLink, seen)), SCRATCH_A);
    e_op(e, 8, 0, 0, 0x3b, SCRATCH_A, opd_abs(&c->jump_tag));           /* unless poll is set */
    e_patch(other, e->p);
    e_patch(moved, e->p);
    e8(e, 0xc3);
}

static void go_to_entry(Xlat *x, unsigned digit)
{
    e_load32(&x->e, SCRATCH_B, opd_mem(SCRATCH_B, (int32_t)(uintptr_t)&x->c->jumps->code));
    e_op(&x->e, 0, 0, 0, 0xff, digit, opd_reg(SCRATCH_B));
    x->ended = true;
}

void edge_indirect(Xlat *x)
{
    find_jump(x);
    go_to_entry(x, 4);
}

void edge_indirect_call(Xlat *x, uint64_t next)
{
    find_jump(x);
    frame_push(x, next);
    go_to_entry(x, 2);
    landing(x, next);
}

void edge_return(Xlat *x)
{
    frame_return(x);
    edge_indirect(x);
}

/* --- behind the block --- */
static void emit_slow(Xlat *x)
{
    Emit *e = &x->e;

    for (unsigned k = 0; k < x->slow_count;) {
        unsigned n = x->slow[k].insn;
        const Insn *i = &x->b->insn[n];

        for (; k < x->slow_count && x->slow[k].insn == n; k++)
            e_patch(x->slow[k].site, e->p);
        x87_store_pending(x, x->x87_before[n]);
        x->flags = x->done[n].before;
        x->again = x->done[n].again;
        flags_to_mem(x);
        if (x->run.on || x->plan[n].open || x->plan[n].role == GROUP_FIRST) {
            x->second[x->second_count].insn = (uint8_t)n;
            x->second[x->second_count++].site = e_jmp(e);
            continue;
        }
        if ((i->prefix & PFX_DEVICE) && x->done[n].resume)
            op_device(x, i, x->done[n].resume);
        e_imm(e, SCRATCH_A, (uintptr_t)x->b);
        e_imm(e, SCRATCH_B, (uintptr_t)i);
        e_call_to(e, x->j->body);
        if (!x->done[n].resume)
            continue;           /* ends its block: never comes back */
        if (x->done[n].x87)
            e_call_to(e, x->j->x87_load);
        if (x->done[n].vec)
            e_call_to(e, x->j->vector_load);
        x->flags = FLAGS_MEM;
        if (x->done[n].flags & FLAGS_HOST)
            flags_to_host(x);
        e_jmp_to(e, x->done[n].resume);
    }
}

static void emit_vector_in(Xlat *x)
{
    Emit *e = &x->e;

    for (unsigned k = 0; k < x->vec_in_count; k++) {
        e_patch(x->vec_in[k].site, e->p);
        x87_store_pending(x, x->x87_before[x->vec_in[k].insn]);
        e_imm(e, SCRATCH_A, (uintptr_t)x->b);
        e_imm(e, SCRATCH_B, (uintptr_t)&x->b->insn[x->vec_in[k].insn]);
        e_call_to(e, x->j->vector_in);
        e_jmp_to(e, x->vec_in[k].resume);
    }
}

static void emit_x87_in(Xlat *x)
{
    Emit *e = &x->e;

    for (unsigned k = 0; k < x->x87_in_count; k++) {
        e_patch(x->x87_in[k].site, e->p);
        x87_store_pending(x, x->x87_before[x->x87_in[k].insn]);
        e_imm(e, SCRATCH_A, (uintptr_t)x->b);
        e_imm(e, SCRATCH_B, (uintptr_t)&x->b->insn[x->x87_in[k].insn]);
        e_call_to(e, x->j->x87_in);
        if (x->x87_in[k].vec)
            e_call_to(e, x->j->vector_load);
        e_jmp_to(e, x->x87_in[k].resume);
    }
}

static void emit_looks(Xlat *x)
{
    Emit *e = &x->e;

    for (unsigned k = 0; k < x->look_count; k++) {
        JitLink *l = x->looks[k].link;

        e_patch(x->looks[k].site, e->p);
        if (l) {
            e_imm(e, SCRATCH_B, (uintptr_t)l);
            e_call_to(e, x->j->landing_again);
            x->polls[x->poll_count++] = (Poll){ e_jcc(e, CC_NE), l };
        } else if (x->looks[k].second) {
            e_call_to(e, x->j->jump_second);
            e_patch(e_jcc(e, CC_NE), x->j->leave_to);
        } else {
            e_call_to(e, x->j->jump_again);
            e_patch(e_jcc(e, CC_NE), x->j->leave_to_entry);
        }
        e_jmp_to(e, x->looks[k].resume);
    }
}

static void emit_stubs(Xlat *x)
{
    Emit *e = &x->e;

    for (unsigned k = 0; k < x->edge_count; k++) {
        JitLink *l = x->edges[k].link;

        for (unsigned n = 0; n < x->poll_count; n++)
            if (x->polls[n].link == l)
                e_patch(x->polls[n].site, e->p);
        x->flags = x->edges[k].poll_flags;
        x->again = x->edges[k].again;
        if (!(x->flags & (FLAGS_HOST | FLAGS_MEM)))
            flags_to_host(x);
        l->stub = e->p;
        if (l->site)
            e_patch(l->site, e->p);
        x->flags = l->flags;
        flags_to_mem(x);
        set_rip(x, l->rip);
        if (l->site) {
            e_op(e, 8, 0, 0, 0xc7, 0, opd_abs(&x->c->jit_link));
            e32(e, (uint32_t)(uintptr_t)l);
        }
        e_jmp_to(e, x->j->leave);
    }
}

/* The instruction by its body. */
static void emit_call(Xlat *x, const Insn *i)
{
    Emit *e = &x->e;

    flags_to_mem(x);
    x87_settle(x);
    e_imm(e, SCRATCH_A, (uintptr_t)x->b);
    e_imm(e, SCRATCH_B, (uintptr_t)i);
    e_call_to(e, x->j->body);
    x->flags = FLAGS_MEM;
    x->vec = 0;
    x->x87 = false;
}

/* Back to what holds wherever a jump from the first translation may come in. */
static void settle(Xlat *x)
{
    flags_to_mem(x);
    x->flags = FLAGS_MEM;
    x87_settle(x);
    x->vec = 0;
    x->x87 = false;
    x->held[0] = x->held[1] = NO_REG;
}

static bool is_jcc(const Insn *i)
{
    return (i->opcode >= 0x70 && i->opcode <= 0x7f) || (i->opcode >= 0x180 && i->opcode <= 0x18f);
}

/* Before a comparison and a branch backward: looks at Cpu.poll here, where the flags are still elsewhere, so
 * that they needn't be made again behind it. */
static void poll_early(Xlat *x, const Insn *i)
{
    FlagUse u = op_flag_use(x, i);
    JitLink *l;

    if (x->n + 1u >= x->b->count || !is_jcc(i + 1) || i[1].imm > x->b->rip + i[1].off ||
        (i[1].imm == x->b->rip && x->loop.allowed) || !same_page(x, i[1].imm) || u.reads || u.may_leave ||
        !u.writes_all || !(x->flags & (FLAGS_MEM | FLAGS_AGAIN)))
        return;
    x87_settle(x);
    flags_leave_host(x);
    l = link_new(x, rip_cut(x->c, x->b->rip + i->off));
    l->flags = x->flags & FLAGS_MEM ? FLAGS_MEM : FLAGS_HOST;
    poll(x, l);
    x->polled = x->n + 1;
}

static void translate_insn(Xlat *x)
{
    const Insn *i = &x->b->insn[x->n];

    x->keep = false;
    if (x->n + 1u == x->b->count || insn_is_branch(i))
        x87_settle(x);                  /* the block may be left within i */
    poll_early(x, i);
    x->x87_before[x->n] = x->x87_pending;
    flags_before_insn(x, i);
    if (!op_emit(x, i))
        emit_call(x, i);
    flags_after_insn(x, i);
    if (!x->keep)
        x->held[0] = x->held[1] = NO_REG;
    if (!x->ended) {
        x->done[x->n].resume = x->e.p;
        x->done[x->n].flags = (uint8_t)x->flags;
        x->done[x->n].vec = x->vec;
        x->done[x->n].x87 = x->x87;
    }
}

/* What comes behind the last instruction. */
static void finish(Xlat *x)
{
    if (!x->ended) {
        x->n = x->b->count - 1;
        x87_settle(x);
        edge(x, rip_cut(x->c, x->b->rip + x->b->len), EDGE_JUMP, 0);
    }
    emit_fills(x);
    emit_slow(x);
    emit_vector_in(x);
    emit_x87_in(x);
    emit_looks(x);
    emit_stubs(x);
}

/* Nothing of the translation before is left but its code, and the jumps to the next one. */
static void start_over(Xlat *x)
{
    memset(x->done, 0, sizeof x->done);
    x->slow_count = x->vec_in_count = x->x87_in_count = x->poll_count = x->look_count =
        x->edge_count = 0;
    x->x87_pending = X87_NOTHING_PENDING;
    x->held[0] = x->held[1] = NO_REG;
    x->polled = 0;
    x->ended = false;
}

/* For one more translation.  Jumps to one that is not made lead nowhere: all is thrown away then. */
static bool room(const Xlat *x)
{
    return x->j->end - x->e.p >= (ptrdiff_t)(x->b->count * INSN_CODE + BLOCK_CODE);
}

/* At the start of a further turn. */
static void turns_begin(Xlat *x)
{
    start_over(x);
    x->flags = x->loop.flags;
    x->again = x->loop.again;
    x->vec = x->loop.vec;
    x->x87 = x->loop.x87;
    windows_begin(x, true);
}

static JitLink *link_again(Xlat *x)
{
    JitLink *again = link_new(x, x->b->rip);

    again->flags = x->flags & FLAGS_MEM ? FLAGS_MEM : FLAGS_HOST;
    return again;
}

/* The attempt to begin a run of further turns, and its code; NULL: there are no runs. */
static uint8_t *translate_run(Xlat *x)
{
    unsigned second_count = x->second_count, links = x->j->newest->links;
    uint8_t *before = x->e.p, *attempt, *first;
    GroupPlan plan[BLOCK_INSNS];
    Loop *l = &x->loop;

    turns_begin(x);
    memcpy(plan, x->plan, sizeof plan);
    run_roles(x);
    attempt = x->e.p;
    run_attempt(x);
    first = e_jmp(&x->e);
    l->start = x->e.p;
    l->turned = false;
    poll(x, link_again(x));
    run_turn(x, attempt);
    e_patch(first, x->e.p);
    x->run.on = true;
    for (x->n = 0; x->n < x->b->count && !x->ended; x->n++)
        translate_insn(x);
    finish(x);
    x->run.on = false;
    memcpy(x->plan, plan, sizeof plan);
    if (l->turned)
        return attempt;
    x->e.p = before;                    /* its turns end as others begin: no use */
    x->second_count = second_count;
    x->j->newest->links = links;
    return NULL;
}

static bool translate_turns(Xlat *x)
{
    uint8_t *attempt = NULL, *start;
    Loop *l = &x->loop;

    if (!l->known)
        return true;
    if (run_plan(x)) {
        if (!room(x))
            return false;
        attempt = translate_run(x);
    }
    if (!room(x))
        return false;
    turns_begin(x);
    start = x->e.p;
    l->start = start;
    for (unsigned n = 0; n < l->site_count; n++)
        e_patch(l->site[n], attempt ? attempt : start);
    poll(x, link_again(x));
    if (attempt) {
        e_patch(x->run.refused, start);
        run_turn(x, attempt);
    }
    for (x->n = 0; x->n < x->b->count && !x->ended; x->n++)
        translate_insn(x);
    finish(x);
    return true;
}

/* From the first instruction on to which the translations before may go; without groups. */
static bool translate_again(Xlat *x)
{
    bool entry[BLOCK_INSNS] = { false };
    unsigned first = BLOCK_INSNS;

    for (unsigned k = 0; k < x->second_count; k++) {
        entry[x->second[k].insn] = true;
        if (x->second[k].insn < first)
            first = x->second[k].insn;
    }
    if (!x->second_count)
        return true;
    if (!room(x))
        return false;
    start_over(x);
    memset(x->plan, 0, sizeof x->plan);
    x->loop.allowed = false;
    windows_begin(x, false);
    x->flags = FLAGS_MEM;
    for (x->n = first; x->n < x->b->count && !x->ended; x->n++) {
        if (entry[x->n]) {
            settle(x);
            for (unsigned k = 0; k < x->second_count; k++)
                if (x->second[k].insn == x->n)
                    e_patch(x->second[k].site, x->e.p);
        }
        translate_insn(x);
    }
    finish(x);
    return true;
}

/* Links from the first page are taken without a look at the mapping, so the block looks itself. */
static void check_second_page(Xlat *x)
{
    Emit *e = &x->e;
    uint8_t *same;

    e_imm(e, SCRATCH_A, code_page_key(block_second_linear(x->b), x->b->gpa2));
    e_op(e, 8, 0, 0, 0x3b, SCRATCH_A, opd_abs(page_slot(x, block_second_linear(x->b))));
    same = e_jcc(e, CC_E);
    set_rip(x, x->b->rip);
    e_jmp_to(e, x->j->leave);
    e_patch(same, e->p);
}

bool jit_translate(Cpu *c, Block *b)
{
    Jit *j = c->jit;
    Xlat x = { .e = { j->p, j->run }, .c = c, .j = j, .b = b,
               .in_64 = (b->mode & MODE_SIZE_MASK) == MODE_64 };
    unsigned need, links = j->newest->links;
    uint8_t *host, *mem;

    if (!room(&x))
        return false;
    x.held[0] = x.held[1] = NO_REG;
    x.x87_pending = X87_NOTHING_PENDING;
    x.loop.allowed = true;
    b->x87_checks |= !x87_masked(c);
    groups_plan(&x);
    need = b->gpa2 == ~0ull ? flags_first_need(&x) : FLAGS_MEM;
    if (need == FLAGS_MEM) {
        host = x.e.p;
        x.flags = FLAGS_HOST;
        flags_to_mem(&x);
        x.flags = FLAGS_MEM;
        mem = x.e.p;
        if (b->gpa2 != ~0ull)
            check_second_page(&x);
    } else if (need == FLAGS_HOST) {
        mem = x.e.p;
        x.flags = FLAGS_MEM;
        flags_to_host(&x);
        x.flags = FLAGS_HOST;
        host = x.e.p;
    } else {
        x.flags = FLAGS_HOST;
        mem = host = x.e.p;
    }
    for (x.n = 0; x.n < b->count && !x.ended; x.n++)
        translate_insn(&x);
    finish(&x);
    if (!translate_turns(&x) || !translate_again(&x)) {
        j->newest->links = links;
        return false;
    }
    code_taken(c, b, x.e.p);
    b->wants_host = need == FLAGS_HOST;
    b->code_mem = mem;
    b->code_host = host;
    code_sync();
    return true;
}
