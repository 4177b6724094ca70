/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * runs.c - turns of a loop that need no look at the TLB.
 *
 * A loop of one block whose addresses move by the same distance in each turn stays in its pages for as
 * many turns as can be worked out beforehand.  run_begin() does that, asks the TLB for all such accesses once, and
 * keeps for each what makes a host address of the register that moves; then a turn has one comparison for all of
 * them, of that register with where the run ends (Cpu.run).
 *
 * What is kept is good until something in C could change the TLB.  None is called in a run: Cpu.poll, which
 * other threads set, is looked at in each turn, and where another access of the loop needs the slow way, or a
 * vector instruction its body, the block goes on in its last translation, which knows no runs; so a run begins
 * in run_begin() only.
 */
#include "hypervisor/soft/core.h"
#include "hypervisor/soft/jit/xlat.h"

enum { STEP_MAX = 128,          /* bytes of a turn: else a page is over too soon */
       SOME_BITS = 12,          /* of an index into a table that may lie in a page */
       DISP_MAX = 1 << 20, TURNS_MIN = 8, TURNS_MAX = 1 << 16, PAUSE_MAX = 63 };

/* What a whole turn does to a register: nothing, one addition or more of the same width, or something else. */
typedef struct Total {
    bool wild;
    uint8_t width;              /* bytes; 0: it stays the same */
    int32_t step;
} Total;

/* What a register is at some place of the turn: the same in all turns; the low bits of register src and before,
 * where src is what it was at the turn's start; some number of so many bits; or anything. */
typedef struct Value {
    enum { WILD, SAME, MOVES, SOME } kind;
    uint8_t src, bits;
    bool sign;                  /* extended by it */
    int32_t before;
} Value;

static unsigned step_width(const Insn *i)
{
    return i->opcode == 0x8d && i->asize < i->opsize ? i->asize : i->opsize;
}

static void add_up(const Xlat *x, const Insn *i, Total *total)
{
    uint16_t writes = op_writes(x, i);
    unsigned width = step_width(i);
    int32_t by;

    for (unsigned r = 0; r < 16; r++) {
        Total *t = &total[r];

        if (!(writes >> r & 1))
            continue;
        if (!insn_steps(i, &by) || width < 4 || (t->width && t->width != width)) {
            t->wild = true;
            continue;
        }
        t->width = (uint8_t)width;
        t->step += by;
    }
}

static Value low_bits(Value v, unsigned bits)
{
    bool known = v.kind == MOVES || v.kind == SOME;

    if (!known || (v.sign && bits > 31))
        return (Value){ .kind = bits > SOME_BITS ? WILD : SOME, .src = NO_REG, .bits = (uint8_t)bits };
    if (bits < v.bits) {
        v.bits = (uint8_t)bits;
        v.sign = false;
    }
    return v;
}

/* What i writes to its one register. */
static Value made(const Insn *i, const Value *value)
{
    const Value wild = { .kind = WILD };
    unsigned op = i->opcode, left;
    Value v;

    if (i->opsize < 4)
        return wild;
    if (op == 0x89)
        return i->rm == REG_MEM ? wild : low_bits(value[i->reg], i->opsize * 8u);
    if ((op == 0x81 || op == 0x83) && i->rm != REG_MEM && (i->modrm >> 3 & 7) == 4) {
        uint64_t mask = i->opsize == 4 ? (uint32_t)i->imm : i->imm;

        return mask && !(mask & (mask + 1)) ? low_bits(value[i->rm], (unsigned)__builtin_popcountll(mask)) : wild;
    }
    if (op == 0xc1 && i->rm != REG_MEM && (i->modrm >> 3 & 7) == 5) {           /* SHR, maybe by 0 */
        left = i->opsize * 8 - ((unsigned)i->imm & (i->opsize * 8u - 1));
        return left <= SOME_BITS ? (Value){ .kind = SOME, .src = NO_REG, .bits = (uint8_t)left } : wild;
    }
    if (op == 0x8d) {
        if (i->index != REG_ZERO || i->base > 15 || i->asize < i->opsize || i->disp <= -DISP_MAX || i->disp >= DISP_MAX)
            return wild;
        v = low_bits(value[i->base], i->opsize * 8u);
        v.before += i->disp;
        return v.kind == MOVES && v.bits == i->opsize * 8u && !v.sign ? v : wild;
    }
    if (i->rm == REG_MEM)
        return op == 0x1b6 ? low_bits(wild, 8) : wild;
    switch (op) {
    case 0x8b: return low_bits(value[i->rm], i->opsize * 8u);
    case 0x1b6: return i->rm & 7 ? wild : low_bits(value[i->rm >> 3], 8);
    case 0x1b7: return low_bits(value[i->rm], 16);
    case 0x63:
        v = low_bits(value[i->rm], 32);
        v.sign = v.bits == 32;
        return i->opsize == 8 ? v : wild;
    }
    return wild;
}

static void follow(const Xlat *x, const Insn *i, Value *value)
{
    uint16_t writes = op_writes(x, i);
    Value v = made(i, value);
    int32_t by;

    for (unsigned r = 0; r < 16; r++) {
        Value *to = &value[r];

        if (!(writes >> r & 1))
            continue;
        if (to->kind == MOVES && to->bits == step_width(i) * 8 && !to->sign && insn_steps(i, &by))
            to->before += by;
        else
            *to = v;
    }
}

/* The turn: up to the only branch to the start, and without C.  0: it isn't like that. */
static unsigned turn_of(const Xlat *x)
{
    const Block *b = x->b;
    unsigned count = turn_length(b);

    for (unsigned n = 0; n < count; n++)
        if (!op_stays(x, &b->insn[n]) ||
            (n + 1 < count && insn_is_branch(&b->insn[n]) && b->insn[n].imm == b->rip))
            return 0;
    return count;
}

static void add_access(Xlat *x, unsigned n, const Total *total, const Value *value)
{
    RunAccess *to = &x->run.access[x->run.count];
    const Value *base, *index, *v;
    const Value none = { .kind = SAME };
    GroupAccess a;

    if (x->run.count == RUN_ACCESSES || !groups_access(x, &x->b->insn[n], &a) || a.stack)
        return;
    base = &value[a.reg];
    index = a.index == REG_ZERO ? &none : &value[a.index];
    if (base->kind == WILD || index->kind == WILD || (base->kind != SAME && index->kind != SAME))
        return;
    *to = (RunAccess){ .insn = (uint8_t)n, .size = a.size, .align = a.align, .write = a.write, .reg = NO_REG,
                        .src = NO_REG };
    if (base->kind != SAME || index->kind != SAME) {
        v = index->kind != SAME ? index : base;
        to->reg = v == index ? a.index : a.reg;
        if (host_reg[to->reg] == IN_MEMORY)
            return;
        to->scale = v == index ? a.scale : 0;
        to->src = v->src;
        to->bits = v->bits;
        to->sign = v->sign;
        to->before = v->before;
        to->step = v->kind == MOVES ? total[v->src].step : 0;
        if (to->step * (1 << to->scale) > STEP_MAX || to->step * (1 << to->scale) < -STEP_MAX)
            return;
    }
    x->run.count++;
}

bool run_plan(Xlat *x)
{
    Total total[16] = { { 0 } };
    Value value[16];
    RunPlan *p = &x->run;
    unsigned count;

    *p = (RunPlan){ .table = memory_table(x), .narrow = !x->in_64, .reg = NO_REG };
    if (!x->b->long_loop || x->b->count > RUN_INSNS || !groups_mode(x) || (count = turn_of(x)) == 0)
        return false;
    for (unsigned n = 0; n < count; n++)
        add_up(x, &x->b->insn[n], total);
    for (unsigned r = 0; r < 16; r++) {
        const Total *t = &total[r];

        value[r] = (Value){ .kind = t->wild ? WILD : t->width ? MOVES : SAME, .src = (uint8_t)r,
                            .bits = (uint8_t)(t->width * 8) };
        if (value[r].kind == MOVES && host_reg[r] == IN_MEMORY)
            value[r].kind = WILD;
        if (value[r].kind != MOVES || !t->step)
            continue;
        p->reg = (uint8_t)r;
        p->width = t->width;
        p->step = t->step;
    }
    for (unsigned n = 0; n < count; n++) {
        add_access(x, n, total, value);
        follow(x, &x->b->insn[n], value);
    }
    return p->count && p->reg != NO_REG;
}

/* Groups of which some is in the run are none here: what is not in it looks for itself. */
void run_roles(Xlat *x)
{
    bool gone[HOLD_SLOTS] = { false };

    for (unsigned k = 0; k < x->run.count; k++) {
        const GroupPlan *g = &x->plan[x->run.access[k].insn];

        if (g->role != GROUP_NONE)
            gone[g->slot] = true;
    }
    for (unsigned n = 0; n < x->b->count; n++)
        if (x->plan[n].role != GROUP_NONE && gone[x->plan[n].slot])
            x->plan[n].role = GROUP_NONE;
    for (unsigned k = 0; k < x->run.count; k++) {
        GroupPlan *to = &x->plan[x->run.access[k].insn];

        to->role = GROUP_RUN;
        to->stack = false;
        to->slot = (uint8_t)k;
    }
}

Operand run_operand(Xlat *x, unsigned slot, unsigned *spare)
{
    const RunAccess *a = &x->run.access[slot];

    e_load(&x->e, SCRATCH_B, opd_abs(&x->c->run.host[slot]));
    *spare = SCRATCH_A;
    return a->reg == NO_REG ? opd_mem(SCRATCH_B, 0) : opd_index(SCRATCH_B, host_reg[a->reg], a->scale, 0);
}

/* --- the attempt --- */
/* What comes now, a run or as many turns as ever, is over after so many. */
static void set_limit(Run *run, const RunPlan *p, uint64_t turns)
{
    run->limit = run->head + turns * (uint64_t)(int64_t)p->step;
    if (p->width == 4)
        run->limit = (uint32_t)run->limit;
}

static bool refuse(Cpu *c, const RunPlan *p)
{
    Run *run = &c->run;

    count(c, COUNT_RUNS_REFUSED);
    run->pause = run->pause < PAUSE_MAX ? run->pause * 2 + 1 : PAUSE_MAX;
    set_limit(run, p, run->pause);
    return false;
}

/* What the moving register is at the access in the first turn, and in how many turns it only moves. */
static uint64_t first_value(const RunAccess *a, uint64_t src, uint64_t *turns)
{
    uint64_t v = src + (uint64_t)(int64_t)a->before, mask = (1ull << (a->bits & 63)) - 1, up, down;

    *turns = TURNS_MAX;
    if (a->bits == 64)
        return v;
    v &= mask;
    up = mask - v;
    down = v;
    if (a->sign) {
        v = (uint64_t)(int64_t)(int32_t)v;
        up = (uint64_t)(INT32_MAX - (int64_t)v);
        down = (uint64_t)((int64_t)v - INT32_MIN);
    }
    if (a->step)
        *turns = a->step > 0 ? up / (uint64_t)a->step + 1 : down / (uint64_t)-(int64_t)a->step + 1;
    return v;
}

/* As a function of light.c, with the plan in the place of the instruction. */
static bool run_begin(Cpu *c, const Insn *plan)
{
    const RunPlan *p = (const RunPlan *)(const void *)plan;
    Run *run = &c->run;
    uint64_t turns = TURNS_MAX;

    for (unsigned k = 0; k < p->count; k++) {
        const RunAccess *a = &p->access[k];
        int64_t step = (int64_t)a->step * (1 << a->scale);
        uint64_t at = run->at[k], unit = (uint64_t)step, span, v = 0, off, left;
        const TlbEntry *e;

        if (a->src != NO_REG) {
            v = first_value(a, run->src[k], &left) << a->scale;
            turns = left < turns ? left : turns;
        }
        at += v;
        if (p->narrow)
            at = (uint32_t)at;
        e = &p->table[at >> 12 & (TLB_SIZE - 1)];
        off = at - (a->write ? e->wtag : e->rtag);
        span = a->size;
        if (a->reg != NO_REG && a->src == NO_REG) {
            span += ((1u << a->bits) - 1) << a->scale;
            unit = 1u << a->scale;
        }
        if (span > 4096 || off > 4096 - span || (a->align && ((at | unit) & (a->align - 1u))))
            return refuse(c, p);
        left = step > 0 ? (4096 - span - off) / (uint64_t)step + 1
               : step < 0 ? off / (uint64_t)-step + 1 : TURNS_MAX;
        turns = left < turns ? left : turns;
        run->host[k] = at + e->addend - v;
    }
    set_limit(run, p, turns);
    if (turns < TURNS_MIN)
        return false;
    run->pause = 0;
    count(c, COUNT_RUNS);
    return true;
}

/* The address without the register that moves, in scratch A. */
static void fixed_part(Xlat *x, const RunAccess *a)
{
    const Insn *i = &x->b->insn[a->insn];
    unsigned other = i->base == a->reg && i->index != REG_ZERO ? i->index : i->base, from = host_reg[other];

    if (a->reg == NO_REG) {
        memory_address(x, i);
        return;
    }
    if (i->index == REG_ZERO) {
        e_imm(&x->e, SCRATCH_A, (uint64_t)(int64_t)i->disp);
        return;
    }
    if (from == IN_MEMORY) {
        e_load(&x->e, SCRATCH_A, opd_abs(&x->c->gpr[other]));
        from = SCRATCH_A;
    }
    e_lea(&x->e, i->asize, SCRATCH_A,
          other == i->index ? opd_index(NO_REG, from, i->scale, i->disp) : opd_mem(from, i->disp));
}

void run_attempt(Xlat *x)
{
    RunPlan *p = &x->run;
    Run *run = &x->c->run;
    Emit *e = &x->e;
    uint8_t *over, *plan;

    over = e_jmp(e);                    /* the plan, where the code is that it is of */
    while ((uintptr_t)e->p % 8)
        e8(e, 0xcc);
    plan = e->p;
    memcpy(plan, p, sizeof *p);
    e->p += sizeof *p;
    e_patch(over, e->p);
    for (unsigned k = 0; k < p->count; k++) {
        fixed_part(x, &p->access[k]);
        e_store(e, opd_abs(&run->at[k]), SCRATCH_A);
        if (p->access[k].src != NO_REG)
            e_store(e, opd_abs(&run->src[k]), host_reg[p->access[k].src]);
    }
    e_store(e, opd_abs(&run->head), host_reg[p->reg]);
    e_imm(e, SCRATCH_A, (uintptr_t)run_begin);
    e_imm(e, SCRATCH_B, (uintptr_t)plan + (uintptr_t)e->run);
    e_call_to(e, x->j->light);
    p->refused = e_jcc(e, CC_E);
}

void run_turn(Xlat *x, const uint8_t *attempt)
{
    e_op(&x->e, 8, 0, 0, 0x3b, host_reg[x->run.reg], opd_abs(&x->c->run.limit));
    e_patch(e_jcc(&x->e, CC_E), attempt);
}
