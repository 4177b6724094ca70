/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * groups.c - accesses of one block to the same few bytes of memory, and one TLB look-up for all of
 * them.
 *
 * Accesses by one register, and by others that are known to be a constant away from it (pushes and
 * pops, a stack frame, a structure's fields), form a group; so do those by a base and an index.
 * Its first one looks up the page that
 * must hold the whole group, and keeps what makes host addresses of guest addresses; the others only
 * use that.  Where the group is not in one page, or not in one that may be accessed without a look,
 * the block goes on in a second translation of the same instructions that has no groups, and never
 * comes back into the first: so nothing that is kept is used after anything that could change a
 * translation (a body, an MMIO access, another vCPU's request), all of which happen in the second.
 */
#include "hypervisor/soft/jit/xlat.h"

#define SPAN_MAX 512            /* bytes: further apart is often another page */
#define DISP_MAX (1 << 30)

_Static_assert(HOLD_SLOTS == sizeof ((Cpu *)0)->jit_hold / sizeof ((Cpu *)0)->jit_hold[0], "slots");

/* What a register's value is: some value that has a number, plus off. */
typedef struct Known {
    uint16_t value;
    int32_t off;
} Known;

typedef struct Group {
    uint16_t value, index;      /* index: 0 if there is none */
    uint8_t scale;
    uint8_t first, last, count;
    uint8_t align;              /* 0, or of some accesses, the first of which is at */
    int32_t aligned;
    int32_t first_off, min, max;
    bool write, active;
} Group;

typedef struct Plan {
    Xlat *x;
    Known reg[16];
    uint16_t values;
    Group group[BLOCK_INSNS];
    unsigned count;
    uint8_t of[BLOCK_INSNS];    /* group of each instruction, or NO_REG */
} Plan;

static bool at_home(unsigned r)
{
    return r < 16 && host_reg[r] != IN_MEMORY;
}

static unsigned width(const Xlat *x) { return x->in_64 ? 8 : 4; }

bool groups_access(const Xlat *x, const Insn *i, GroupAccess *a)
{
    unsigned op = i->opcode, digit = i->modrm >> 3 & 7;
    MemoryForm m;

    *a = (GroupAccess){ .reg = 4, .index = REG_ZERO, .size = i->opsize, .stack = true };
    if ((op >= 0x50 && op <= 0x57) || op == 0x68 || op == 0x6a || op == 0xe8 ||
        (op == 0xff && (digit == 2 || digit == 6))) {
        a->off = -(int32_t)i->opsize;
        a->write = true;
        return true;
    }
    if ((op >= 0x58 && op <= 0x5f) || op == 0xc2 || op == 0xc3)
        return true;
    if (op == 0xc9) {
        a->reg = 5;
        return true;
    }
    if ((i->prefix & PFX_DEVICE) || !op_memory_form(i, &m))
        return false;
    *a = (GroupAccess){ .reg = i->base, .index = i->index, .scale = i->scale, .size = m.size,
                        .align = m.align, .write = m.write, .off = i->disp };
    return i->asize == width(x) && i->base < 16 && i->disp > -DISP_MAX && i->disp < DISP_MAX &&
           !memory_has_base(x, i->seg);
}

static bool access_of(const Xlat *x, const Insn *i, GroupAccess *a)
{
    return groups_access(x, i, a) && at_home(a->reg) && (a->index == REG_ZERO || at_home(a->index));
}

static void forget(Plan *p, unsigned r)
{
    p->reg[r] = (Known){ ++p->values, 0 };
}

/* The registers after i. */
static void follow(Plan *p, const Insn *i)
{
    unsigned op = i->opcode, digit = i->modrm >> 3 & 7, native = width(p->x);
    uint16_t writes = op_writes(p->x, i);
    bool in_rm = i->rm != REG_MEM && i->opsize == native;
    Known k;

    if ((op == 0x81 || op == 0x83) && in_rm && (digit == 0 || digit == 5) &&
        i->imm + 0x10000 < 0x20000) {
        p->reg[i->rm].off += digit ? -(int32_t)i->imm : (int32_t)i->imm;
        return;
    }
    if ((op == 0x89 || op == 0x8b) && in_rm) {
        unsigned to = op == 0x89 ? i->rm : i->reg, from = op == 0x89 ? i->reg : i->rm;
        p->reg[to] = p->reg[from];
        return;
    }
    if (op == 0x8d && i->opsize == native && i->asize == native && i->index == REG_ZERO &&
        i->base < 16 && i->disp > -0x10000 && i->disp < 0x10000) {
        k = p->reg[i->base];
        k.off += i->disp;
        p->reg[i->reg] = k;
        return;
    }
    if ((op >= 0x50 && op <= 0x57) || op == 0x68 || op == 0x6a || (op == 0xff && digit == 6)) {
        p->reg[4].off -= i->opsize;
        return;
    }
    if (op >= 0x58 && op <= 0x5f) {
        p->reg[4].off += i->opsize;
        forget(p, i->rm);
        return;
    }
    if (op == 0xc9) {
        p->reg[4] = p->reg[5];
        p->reg[4].off += i->opsize;
        forget(p, 5);
        return;
    }
    for (unsigned r = 0; r < 16; r++)
        if (writes >> r & 1)
            forget(p, r);
}

static bool may_join(const Group *g, const Group *one)
{
    return g->active && g->value == one->value && g->index == one->index && g->scale == one->scale &&
           (!g->align || !one->align ||
            (g->align == one->align && !((g->aligned - one->aligned) & (g->align - 1))));
}

static void join(Plan *p, unsigned n, const GroupAccess *a)
{
    static const Known none = { 0, 0 };
    const Known *k = &p->reg[a->reg], *index = a->index == REG_ZERO ? &none : &p->reg[a->index];
    int32_t off = k->off + index->off * (1 << a->scale) + a->off, end = off + a->size;
    const Group one = { .value = k->value, .index = index->value, .scale = a->scale, .first = (uint8_t)n,
                        .last = (uint8_t)n, .count = 1, .align = a->align, .aligned = off,
                        .first_off = off, .min = off, .max = end, .write = a->write, .active = true };

    for (unsigned m = 0; m < p->count; m++) {
        Group *g = &p->group[m];
        int32_t min = off < g->min ? off : g->min, max = end > g->max ? end : g->max;

        if (!may_join(g, &one) || max - min > SPAN_MAX)
            continue;
        g->min = min;
        g->max = max;
        if (a->align && !g->align) {
            g->align = a->align;
            g->aligned = off;
        }
        g->write |= a->write;
        g->last = (uint8_t)n;
        g->count++;
        p->of[n] = (uint8_t)m;
        return;
    }
    p->of[n] = (uint8_t)p->count;
    p->group[p->count++] = one;
}

static bool is_memory(const Insn *i)
{
    unsigned op = i->opcode;
    bool plain = (op < 0x40 && (op & 7) > 3) || (op >= 0x50 && op <= 0x7f) || op == 0x98 ||
                 op == 0x99 || (op >= 0xb0 && op <= 0xbf) || (op >= 0x180 && op <= 0x18f);

    return i->rm == REG_MEM && !plain;
}

static bool has_far_register(const Insn *i)
{
    return (i->reg < 16 && !at_home(i->opsize == 1 ? i->reg >> 3 : i->reg)) ||
           (i->rm < 16 && !at_home(i->rm)) || i->opsize == 1;
}

/* Does scratch register B keep its value over instruction n, which is no access but one of a group? */
static bool keeps_scratch(const Xlat *x, unsigned n)
{
    const Insn *i = &x->b->insn[n];
    unsigned op = i->opcode, digit = i->modrm >> 3 & 7;

    if (has_far_register(i) || (is_memory(i) && i->index < 16))
        return false;
    if (i->row || sse_known(i))
        return x->plan[n].vector && op_stays(x, i);
    return (op < 0x40 && (op & 7) < 6) || (op >= 0x50 && op <= 0x5f) || op == 0x68 || op == 0x6a ||
           (op >= 0x70 && op <= 0x7f) || (op >= 0x180 && op <= 0x18f) || op == 0x81 || op == 0x83 ||
           op == 0x85 || op == 0x89 || op == 0x8b || op == 0xc7 ||
           (op == 0x8d && i->asize == 8 && i->index == REG_ZERO && i->base < 16 && at_home(i->base)) ||
           (op >= 0xb8 && op <= 0xbf) ||
           (op == 0xff && digit < 2 && i->rm != REG_MEM);
}

/* Which groups exist, how their members get at what is kept, and where they are open. */
static void assign(Plan *p)
{
    Xlat *x = p->x;
    uint8_t slot[BLOCK_INSNS];
    unsigned slots = 0, in_scratch = NO_REG;

    for (unsigned m = 0; m < p->count; m++) {
        const Group *g = &p->group[m];

        slot[m] = g->count > 1 && slots < HOLD_SLOTS ? (uint8_t)slots++ : NO_REG;
        for (unsigned n = g->first; slot[m] != NO_REG && n < g->last; n++)
            x->plan[n].open = true;
    }
    for (unsigned n = 0; n < x->b->count; n++) {
        const Insn *i = &x->b->insn[n];
        unsigned m = p->of[n];
        GroupPlan *to = &x->plan[n];
        const Group *g;
        GroupAccess a;

        if (m == NO_REG || slot[m] == NO_REG) {
            if ((is_memory(i) && i->opcode != 0x8d) || access_of(x, i, &a) || !keeps_scratch(x, n))
                in_scratch = NO_REG;
            continue;
        }
        g = &p->group[m];
        access_of(x, i, &a);
        to->role = g->first == n ? GROUP_FIRST : GROUP_MEMBER;
        to->stack = a.stack;
        to->slot = slot[m];
        to->write = g->write;
        to->span = (uint16_t)(g->max - g->min);
        to->below = g->min - g->first_off;
        to->align = g->align;
        to->phase = (uint8_t)((g->aligned - g->min) & (g->align - 1));
        if ((i->row || sse_known(i)) && !to->vector)
            in_scratch = NO_REG;        /* vector_ensure() comes first */
        if (a.stack && i->opcode == 0xff && i->rm == REG_MEM)
            in_scratch = NO_REG;        /* its memory operand comes first */
        if (to->role == GROUP_MEMBER && in_scratch != m) {
            to->load = true;
            x->plan[g->first].store = true;
        }
        in_scratch = keeps_scratch(x, n) ? m : NO_REG;
    }
}

bool groups_mode(const Xlat *x)
{
    return x->in_64 || ((x->b->mode & (MODE_LMA | MODE_FLAT | MODE_SS32)) == (MODE_FLAT | MODE_SS32) &&
                        (x->b->mode & MODE_SIZE_MASK) == MODE_32);
}

void groups_plan(Xlat *x)
{
    Plan p = { .x = x };
    bool sse = false, avx = false;
    GroupAccess a;

    if (!groups_mode(x))
        return;
    for (unsigned r = 0; r < 16; r++)
        forget(&p, r);
    for (unsigned n = 0; n < x->b->count; n++) {
        const Insn *i = &x->b->insn[n];

        p.of[n] = NO_REG;
        x->plan[n].vector = i->row ? avx : sse;
        avx |= i->row && !vex_is_general(i);
        sse |= sse_known(i);
        if (!op_stays(x, i)) {
            sse = avx = false;
            for (unsigned m = 0; m < p.count; m++)
                p.group[m].active = false;
        } else if (access_of(x, i, &a)) {
            join(&p, n, &a);
        }
        follow(&p, i);
    }
    assign(&p);
}
