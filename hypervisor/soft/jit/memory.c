/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory.c - the translated form of an access to guest memory: effective address, TLB look-up, and
 * the host operand.  The same test as fast_read() and fast_write() in mmu.h.
 */
#include "hypervisor/soft/jit/xlat.h"

#define LOW_DISP 0x10000

enum { TAG_READ = 0, TAG_WRITE = 8, ADDEND = 16, HOST_PAGE = 24 };

_Static_assert(sizeof(TlbEntry) == 1 << TLB_ENTRY_SHIFT, "TLB entries are indexed by a shift");
_Static_assert(offsetof(TlbEntry, wtag) == TAG_WRITE && offsetof(TlbEntry, addend) == ADDEND &&
               offsetof(TlbEntry, host_page) == HOST_PAGE, "layout");

unsigned slow_reserve(Xlat *x)
{
    if (!x->slow_count || x->slow[x->slow_count - 1].insn != x->n) {
        x->done[x->n].before = (uint8_t)x->flags;
        x->done[x->n].again = x->again;
    }
    x->slow[x->slow_count] = (SlowJump){ NULL, (uint8_t)x->n };
    return x->slow_count++;
}

void slow_if(Xlat *x, unsigned cond)
{
    unsigned n = slow_reserve(x);

    x->slow[n].site = e_jcc(&x->e, cond);
}

TlbEntry *memory_table(const Xlat *x)
{
    Cpu *c = x->c;

    if (x->b->mode & MODE_USER)
        return c->tlbs[TLB_USER];
    return x->b->mode & MODE_AC ? c->tlbs[TLB_SUPER_AC] : c->tlbs[TLB_SUPER];
}

bool memory_has_base(const Xlat *x, unsigned seg)
{
    if (seg == SEG_NONE)
        return false;
    if (seg == SEG_CS && !(x->b->mode & MODE_64))   /* flat, but nobody may write there */
        return true;
    return seg == SEG_FS || seg == SEG_GS || !(x->b->mode & (MODE_FLAT | MODE_64));
}

static unsigned guest_in(Xlat *x, unsigned g, unsigned scratch)
{
    if (host_reg[g] != IN_MEMORY)
        return host_reg[g];
    e_load(&x->e, scratch, opd_abs(&x->c->gpr[g]));
    return scratch;
}

static void cut(Xlat *x, const Insn *i)
{
    if (i->asize == 2)
        e_op(&x->e, 4, 0, 1, 0xb7, SCRATCH_A, opd_reg(SCRATCH_A));      /* movzx r10d, r10w */
}

void memory_address(Xlat *x, const Insn *i)
{
    unsigned size = i->asize == 8 ? 8 : 4, base, index;

    if (i->base == REG_RIP) {
        uint64_t at = x->b->rip + (uint64_t)(int64_t)i->disp;
        e_imm(&x->e, SCRATCH_A, i->asize == 8 ? at : (uint32_t)at);
        return;
    }
    if (i->base == REG_ZERO && i->index == REG_ZERO) {
        e_imm(&x->e, SCRATCH_A, i->asize == 8 ? (uint64_t)(int64_t)i->disp
                                 : i->asize == 4 ? (uint32_t)i->disp : (uint16_t)i->disp);
        return;
    }
    base = i->base == REG_ZERO ? NO_REG : guest_in(x, i->base, SCRATCH_A);
    index = i->index == REG_ZERO ? NO_REG : guest_in(x, i->index, SCRATCH_B);
    e_lea(&x->e, size, SCRATCH_A, opd_index(base, index, i->scale, i->disp));
    cut(x, i);
}

/* To the offset in scratch A, which has 16 bits if narrow. */
static void add_base(Xlat *x, unsigned seg, bool narrow, unsigned size, enum Access access)
{
    bool read = access <= FOR_READ_16;
    Cpu *c = x->c;
    const uint64_t *base = narrow ? read ? c->fbase16_r : c->fbase16_w
                                  : read ? c->fbase_r : c->fbase_w;

    if (narrow && size > 1) {
        e_alu_imm(&x->e, 4, 7, opd_reg(SCRATCH_A), (int32_t)(0x10000 - size));
        slow_if(x, CC_A);
    }
    e_op(&x->e, 8, 0, 0, 0x03, SCRATCH_A, opd_abs(&base[seg]));
}

/* Scratch B = the TLB entry's offset for the address in from. */
static void entry_offset(Xlat *x, unsigned from)
{
    Emit *e = &x->e;

    if (x->j->bmi2) {
        e8(e, 0xc4);
        e8(e, 0x03 | 0x40 | (SCRATCH_B & 8 ? 0 : 0x80) | (from & 8 ? 0 : 0x20));
        e8(e, 0x7b);
        e8(e, 0xf0);
        e8(e, 0xc0 | (SCRATCH_B & 7) << 3 | (from & 7));
        e8(e, 12 - TLB_ENTRY_SHIFT);
    } else {
        e_op(e, 4, 0, 0, 0x8b, SCRATCH_B, opd_reg(from));
        e_op(e, 4, 0, 0, 0xc1, 5, opd_reg(SCRATCH_B));
        e8(e, 12 - TLB_ENTRY_SHIFT);
    }
    e_alu_imm(e, 4, 4, opd_reg(SCRATCH_B), (int32_t)((TLB_SIZE - 1) << TLB_ENTRY_SHIFT));
}

static bool needs_alignment(enum Access a)
{
    return a == FOR_LOCK || a == FOR_READ_16 || a == FOR_WRITE_16;
}

/* The linear address is in scratch A. */
static void check_alignment(Xlat *x, unsigned size, enum Access access)
{
    if (needs_alignment(access) && size > 1) {
        e_op_byte(&x->e, 1, 0, 0, 0xf6, 0, false, opd_reg(SCRATCH_A), true);    /* test r10b, imm */
        e8(&x->e, size - 1);
        slow_if(x, CC_NE);
    }
}

/* Linear address in scratch A, entry's offset in B: to the slow way unless the page is there. */
static void check(Xlat *x, unsigned size, enum Access access)
{
    Emit *e = &x->e;
    int32_t at = (int32_t)(uintptr_t)memory_table(x) + (access <= FOR_READ_16 ? TAG_READ : TAG_WRITE);

    check_alignment(x, size, access);
    e_op(e, 8, 0, 0, 0x2b, SCRATCH_A, opd_mem(SCRATCH_B, at));
    e_alu_imm(e, 8, 7, opd_reg(SCRATCH_A), (int32_t)(4096 - size));
    slow_if(x, CC_A);
}

/* Linear address in scratch A: the operand, by the window w if there is one.  B is lost. */
static Operand by_page(Xlat *x, Window *w, unsigned size, enum Access access, unsigned *spare)
{
    *spare = SCRATCH_B;
    if (w) {
        check_alignment(x, size, access);
        window_check(x, w, size, access > FOR_READ_16);
        window_use(x, true);
        return opd_mem(SCRATCH_A, 0);
    }
    entry_offset(x, SCRATCH_A);
    check(x, size, access);
    e_op(&x->e, 8, 0, 0, 0x03, SCRATCH_A,
         opd_mem(SCRATCH_B, (int32_t)(uintptr_t)memory_table(x) + HOST_PAGE));
    return opd_mem(SCRATCH_A, 0);
}

/* An address known now: its entry is, too. */
static Operand known_address(Xlat *x, uint64_t at, unsigned size, enum Access access,
                             unsigned *spare)
{
    TlbEntry *entry = &memory_table(x)[at >> 12 & (TLB_SIZE - 1)];
    uint64_t page = at & ~0xfffull;
    const uint64_t *tag = access <= FOR_READ_16 ? &entry->rtag : &entry->wtag;
    Emit *e = &x->e;

    if (page == (uint64_t)(int64_t)(int32_t)page) {
        e_alu_imm(e, 8, 7, opd_abs(tag), (int32_t)page);
    } else {
        e_imm(e, SCRATCH_A, page);
        e_op(e, 8, 0, 0, 0x3b, SCRATCH_A, opd_abs(tag));
    }
    slow_if(x, CC_NE);
    (void)size;
    e_load(e, SCRATCH_A, opd_abs(&entry->host_page));
    *spare = SCRATCH_B;
    return opd_mem(SCRATCH_A, (int32_t)(at & 0xfff));
}

/* Linear address is index scaled and disp: that comes again in the operand. */
static Operand by_index(Xlat *x, const Insn *i, unsigned size, enum Access access, unsigned *spare)
{
    memory_address(x, i);
    entry_offset(x, SCRATCH_A);
    check(x, size, access);
    e_load(&x->e, SCRATCH_B, opd_mem(SCRATCH_B, (int32_t)(uintptr_t)memory_table(x) + ADDEND));
    *spare = SCRATCH_A;
    return opd_index(SCRATCH_B, host_reg[i->index], i->scale, i->disp);
}

static Operand by_register(Xlat *x, Window *w, unsigned base, int32_t disp, unsigned size,
                           enum Access access, unsigned *spare)
{
    *spare = SCRATCH_A;
    e_lea(&x->e, 8, SCRATCH_A, opd_mem(base, disp));
    if (w) {
        check_alignment(x, size, access);
        window_check(x, w, size, access > FOR_READ_16);
        window_use(x, false);
    } else {
        entry_offset(x, disp ? SCRATCH_A : base);
        check(x, size, access);
        e_load(&x->e, SCRATCH_B, opd_mem(SCRATCH_B, (int32_t)(uintptr_t)memory_table(x) + ADDEND));
    }
    return opd_index(base, SCRATCH_B, 0, disp);
}

/* The operand at guest registers reg and, scaled, index, for which scratch B has the addend. */
static Operand of_group(Xlat *x, unsigned reg, unsigned index, unsigned scale, int32_t disp,
                        unsigned *spare)
{
    *spare = SCRATCH_A;
    if (index == REG_ZERO)
        return opd_index(host_reg[reg], SCRATCH_B, 0, disp);
    e_lea(&x->e, 8, SCRATCH_A, opd_index(host_reg[reg], SCRATCH_B, 0, 0));
    *spare = SCRATCH_B;
    return opd_index(SCRATCH_A, host_reg[index], scale, disp);
}

/* Scratch A: where the group begins. */
static void check_phase(Xlat *x, const GroupPlan *g)
{
    Emit *e = &x->e;

    if (!g->align)
        return;
    if (g->phase)
        e_lea(e, 4, SCRATCH_B, opd_mem(SCRATCH_A, g->phase));
    e_op_byte(e, 1, 0, 0, 0xf6, 0, false, opd_reg(g->phase ? SCRATCH_B : SCRATCH_A), true);    /* test */
    e8(e, g->align - 1u);
    slow_if(x, CC_NE);
}

/* An access that belongs to a group: only the first one looks. */
static Operand by_group(Xlat *x, unsigned reg, unsigned index, unsigned scale, int32_t disp,
                        unsigned *spare)
{
    unsigned base = host_reg[reg];
    const GroupPlan *g = &x->plan[x->n];
    uint64_t *hold = &x->c->jit_hold[g->slot];
    int32_t at = (int32_t)(uintptr_t)memory_table(x);
    Emit *e = &x->e;
    Window *w;

    if (g->role == GROUP_RUN)
        return run_operand(x, g->slot, spare);
    if (g->role == GROUP_MEMBER) {
        if (g->load)
            e_load(e, SCRATCH_B, opd_abs(hold));
        return of_group(x, reg, index, scale, disp, spare);
    }
    flags_leave_host(x);
    e_lea(e, 8, SCRATCH_A, opd_index(base, index == REG_ZERO ? NO_REG : host_reg[index], scale,
                                     disp + g->below));
    check_phase(x, g);
    w = window_for(x, reg, index, g->write);
    if (w) {
        window_check(x, w, g->span, g->write);
        window_use(x, false);
    } else {
        entry_offset(x, index != REG_ZERO || disp + g->below ? SCRATCH_A : base);
        e_op(e, 8, 0, 0, 0x2b, SCRATCH_A, opd_mem(SCRATCH_B, at + (g->write ? TAG_WRITE : TAG_READ)));
        e_alu_imm(e, 8, 7, opd_reg(SCRATCH_A), (int32_t)(4096 - g->span));
        slow_if(x, CC_A);
        e_load(e, SCRATCH_B, opd_mem(SCRATCH_B, at + ADDEND));
    }
    if (g->store)
        e_store(e, opd_abs(hold), SCRATCH_B);
    return of_group(x, reg, index, scale, disp, spare);
}

/* Outside long mode no page beyond 4 GiB is in the TLB, so registers need not be cut: where an upper half is left
 * from 64-bit code, or a sum goes beyond, the page isn't found, and the body does it. */
static bool all_low(const Xlat *x) { return !(x->b->mode & MODE_LMA); }

static bool stays_low(const Xlat *x, unsigned reg, int32_t disp)
{
    return all_low(x) && reg < 16 && host_reg[reg] != IN_MEMORY && disp > -LOW_DISP && disp < LOW_DISP;
}

static bool in_group(const Xlat *x, bool stack)
{
    return x->plan[x->n].role != GROUP_NONE && x->plan[x->n].stack == stack;
}

Operand memory_operand(Xlat *x, const Insn *i, unsigned size, enum Access access, unsigned *spare)
{
    Window *w;

    if (in_group(x, false))
        return by_group(x, i->base, i->index, i->scale, i->disp, spare);
    flags_leave_host(x);
    if (i->asize > 2 && i->base == REG_ZERO && i->index == REG_ZERO && !memory_has_base(x, i->seg)) {
        uint64_t at = i->asize == 8 ? (uint64_t)(int64_t)i->disp : (uint32_t)i->disp;

        if ((at & 0xfff) + size <= 4096 && !(needs_alignment(access) && (at & (size - 1))))
            return known_address(x, at, size, access, spare);
    }
    if (i->asize == 4 && !memory_has_base(x, i->seg) && stays_low(x, i->base, i->disp) &&
        i->index == REG_ZERO)
        return by_register(x, window_for(x, i->base, i->index, access > FOR_READ_16),
                           host_reg[i->base], i->disp, size, access, spare);
    if (i->asize == 8 && !memory_has_base(x, i->seg)) {
        uint64_t at = x->b->rip + (uint64_t)(int64_t)i->disp;

        if (i->base == REG_RIP && (at & 0xfff) + size <= 4096 &&
            !(needs_alignment(access) && (at & (size - 1))))
            return known_address(x, at, size, access, spare);
        if (i->index == REG_ZERO && i->base < 16 && host_reg[i->base] != IN_MEMORY)
            return by_register(x, window_for(x, i->base, i->index, access > FOR_READ_16),
                               host_reg[i->base], i->disp, size, access, spare);
    }
    w = window_for(x, i->base, i->index, access > FOR_READ_16);
    if (!w && i->asize == 8 && !memory_has_base(x, i->seg) && i->base == REG_ZERO && i->index < 16 &&
        host_reg[i->index] != IN_MEMORY)
        return by_index(x, i, size, access, spare);
    memory_address(x, i);
    if (memory_has_base(x, i->seg))
        add_base(x, i->seg, i->asize == 2, size, access);
    return by_page(x, w, size, access, spare);
}

Operand memory_bits(Xlat *x, const Insn *i, unsigned size, enum Access access, unsigned *spare)
{
    unsigned log = size == 8 ? 3 : size == 4 ? 2 : 1;
    Emit *e = &x->e;
    unsigned from;

    flags_leave_host(x);
    memory_address(x, i);
    from = guest_in(x, i->reg, SCRATCH_B);
    if (size == 8)
        e_mov(e, SCRATCH_B, from);
    else if (size == 4)
        e_op(e, 8, 0, 0, 0x63, SCRATCH_B, opd_reg(from));               /* movsxd */
    else
        e_op(e, 8, 0, 1, 0xbf, SCRATCH_B, opd_reg(from));               /* movsx, word */
    e_op(e, 8, 0, 0, 0xc1, 7, opd_reg(SCRATCH_B));                      /* sar */
    e8(e, log + 3);
    e_lea(e, i->asize == 8 ? 8 : 4, SCRATCH_A, opd_index(SCRATCH_A, SCRATCH_B, log, 0));
    cut(x, i);
    if (memory_has_base(x, i->seg))
        add_base(x, i->seg, i->asize == 2, size, access);
    return by_page(x, NULL, size, access, spare);
}

void memory_run(Xlat *x, unsigned base, unsigned shift, enum Access access)
{
    Emit *e = &x->e;

    e_mov(e, SCRATCH_A, base);
    entry_offset(x, base);
    check(x, 1, access);
    e_lea(e, 8, SCRATCH_A, opd_index(SCRATCH_A, RCX, shift, 0));
    e_alu_imm(e, 8, 7, opd_reg(SCRATCH_A), 4096);
    slow_if(x, CC_A);
    e_load(e, SCRATCH_B, opd_mem(SCRATCH_B, (int32_t)(uintptr_t)memory_table(x) + ADDEND));
}

Operand memory_stack(Xlat *x, const Insn *i, unsigned base, int32_t disp, unsigned size,
                     enum Access access, unsigned *spare)
{
    (void)i;
    if (in_group(x, true))
        return by_group(x, base, REG_ZERO, 0, disp, spare);
    flags_leave_host(x);
    if (x->in_64)
        return by_register(x, window_for(x, 4, REG_ZERO, access > FOR_READ_16), host_reg[base], disp,
                           size, access, spare);
    if (all_low(x) && (x->b->mode & MODE_SS32) && !memory_has_base(x, SEG_SS))
        return by_register(x, window_for(x, 4, REG_ZERO, access > FOR_READ_16), host_reg[base], disp,
                           size, access, spare);
    e_lea(&x->e, 4, SCRATCH_A, opd_mem(host_reg[base], disp));
    if (!(x->b->mode & MODE_SS32))
        e_op(&x->e, 4, 0, 1, 0xb7, SCRATCH_A, opd_reg(SCRATCH_A));      /* movzx r10d, r10w */
    if (memory_has_base(x, SEG_SS))
        add_base(x, SEG_SS, !(x->b->mode & MODE_SS32), size, access);
    return by_page(x, window_for(x, 4, REG_ZERO, access > FOR_READ_16), size, access, spare);
}
