/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * windows.c - a page that was looked up in the TLB a moment ago, for accesses that mostly are to the
 * same page again: the stack, and what a loop walks along.
 *
 * A Window is a copy of a TLB entry at an address that translated code knows, so finding it takes no
 * shift, no mask and no dependent load.  It is good as long as the entry is: whatever takes rights
 * from a TLB entry, or gives it to another page, calls windows_drop().  So a window that fails says
 * nothing; behind the block the TLB is asked, and fills the window.
 *
 * The stack's window is for reading and writing.  A page that may only be read isn't put there; then
 * each read asks the TLB.  Loops have windows for reading and others for writing.
 */
#include "hypervisor/soft/jit/xlat.h"

#define STEP_MAX 256            /* bytes of a turn */

/* --- what a loop walks along --- */
/* A register in a loop: the same in all turns, moved by a few bytes in each, made of such ones; or
 * anything. */
enum { REG_SAME, REG_STEPS, REG_MADE, REG_WILD };

static bool small(uint64_t v) { return v + STEP_MAX <= 2 * STEP_MAX; }

/* Group 1 with a register and an immediate: the operation, else -1. */
static int alu_imm(const Insn *i)
{
    if (i->opcode < 0x40 && (i->opcode & 7) == 5)
        return i->opcode >> 3;
    return (i->opcode == 0x81 || i->opcode == 0x83) && i->rm != REG_MEM ? i->modrm >> 3 & 7 : -1;
}

bool insn_steps(const Insn *i, int32_t *by)
{
    int alu = alu_imm(i);

    if (alu >= 0) {
        if ((alu != 0 && alu != 5) || !small(i->imm))
            return false;
        *by = alu == 0 ? (int32_t)i->imm : -(int32_t)i->imm;
        return true;
    }
    if (i->opcode == 0x8d) {
        *by = i->disp;
        return i->base == i->reg && i->index == REG_ZERO && small((uint64_t)(int64_t)i->disp);
    }
    *by = (i->opcode == 0xff ? i->modrm : i->opcode) & 8 ? -1 : 1;
    return (i->opcode >= 0x40 && i->opcode <= 0x4f) ||
           (i->opcode == 0xff && (i->modrm >> 3 & 7) < 2 && i->rm != REG_MEM);
}

static bool is_wild(const uint8_t *kind, unsigned r)
{
    return r != REG_ZERO && r != REG_RIP && (r > 15 || kind[r] == REG_WILD);
}

/* Does i make what it writes of registers that are not wild? */
static bool makes(const Insn *i, const uint8_t *kind)
{
    if (i->opcode == 0x8d)
        return !is_wild(kind, i->base) && !is_wild(kind, i->index);
    if (alu_imm(i) == 4)
        return true;
    switch (i->opcode) {
    case 0x63: case 0x8b: case 0x1b7: case 0x1bf: return !is_wild(kind, i->rm);
    case 0x1b6: case 0x1be: return i->rm != REG_MEM && !is_wild(kind, i->rm >> 3);
    case 0x89: return i->rm != REG_MEM && !is_wild(kind, i->reg);
    }
    return false;
}

unsigned turn_length(const Block *b)
{
    for (unsigned n = b->count; n; n--)
        if (insn_is_branch(&b->insn[n - 1]) && b->insn[n - 1].imm == b->rip)
            return n;
    return 0;
}

static void follow(const Xlat *x, const Insn *i, uint8_t *kind)
{
    uint16_t writes = op_writes(x, i);
    uint8_t k = makes(i, kind) ? REG_MADE : REG_WILD;
    int32_t by;

    for (unsigned r = 0; r < 16; r++) {
        if (!(writes >> r & 1))
            continue;
        if (!insn_steps(i, &by))
            kind[r] = k;
        else if (kind[r] == REG_SAME)
            kind[r] = REG_STEPS;
    }
}

/* What registers are before each instruction of a turn.  Only a guess about what will be: where it is wrong
 * the TLB is asked each time. */
static void loop_registers(Xlat *x)
{
    uint8_t start[16] = { REG_SAME };
    unsigned count = turn_length(x->b);
    bool changed = true;

    while (changed) {
        uint8_t kind[16];

        memcpy(kind, start, sizeof kind);
        for (unsigned n = 0; n < count; n++) {
            x->walks[n] = 0;
            for (unsigned r = 0; r < 16; r++)
                if (kind[r] != REG_WILD)
                    x->walks[n] |= (uint16_t)(1u << r);
            follow(x, &x->b->insn[n], kind);
        }
        changed = false;
        for (unsigned r = 0; r < 16; r++) {
            if (kind[r] <= start[r])
                continue;
            start[r] = kind[r];
            changed = true;
        }
    }
}

void windows_begin(Xlat *x, bool turns)
{
    x->window_reads = WINDOW_READ;
    x->window_writes = WINDOW_WRITE;
    memset(x->walks, 0, sizeof x->walks);
    if (turns && x->b->long_loop)
        loop_registers(x);
}

static bool walks(const Xlat *x, unsigned r)
{
    return r > 15 || x->walks[x->n] >> r & 1;
}

/* A window for an access by these guest registers, or NULL. */
Window *window_for(Xlat *x, unsigned base, unsigned index, bool write)
{
    Cpu *c = x->c;
    Window *w = c->windows[x->b->mode & MODE_USER ? TLB_USER
                           : x->b->mode & MODE_AC ? TLB_SUPER_AC : TLB_SUPER];

    if (base == 4 && index == REG_ZERO)
        return &w[WINDOW_STACK];
    if (!x->walks[x->n] || !walks(x, base) || !walks(x, index))
        return NULL;
    if (write)
        return x->window_writes < WINDOW_COUNT ? &w[x->window_writes++] : NULL;
    return x->window_reads < WINDOW_WRITE ? &w[x->window_reads++] : NULL;
}

/* --- code --- */
static unsigned span_class(unsigned span)
{
    unsigned k = 0;

    while (1u << k < span)
        k++;
    return k;
}

/* Goes on with scratch A the distance from the page, or at resume from behind the block. */
void window_check(Xlat *x, Window *w, unsigned span, bool write)
{
    Emit *e = &x->e;

    e_op(e, 8, 0, 0, 0x2b, SCRATCH_A, opd_abs(&w->page));
    e_op(e, 8, 0, 0, 0x3b, SCRATCH_A, opd_abs(&w->below[span_class(span)]));
    x->fills[x->fill_count] = (Fill){ .site = e_jcc(e, CC_AE), .window = w, .span = (uint16_t)span,
                                      .write = write, .slow = (uint16_t)slow_reserve(x) };
}

/* What the access wants of the entry: in scratch B the addend, or added to A where the page is. */
void window_use(Xlat *x, bool host)
{
    Fill *f = &x->fills[x->fill_count++];

    f->host = host;
    if (host)
        e_op(&x->e, 8, 0, 0, 0x03, SCRATCH_A, opd_abs(&f->window->host_page));
    else
        e_load(&x->e, SCRATCH_B, opd_abs(&f->window->addend));
    f->resume = x->e.p;
}

void emit_fills(Xlat *x)
{
    int32_t at = (int32_t)(uintptr_t)memory_table(x);
    Emit *e = &x->e;

    for (unsigned n = 0; n < x->fill_count; n++) {
        const Fill *f = &x->fills[n];
        unsigned table = (unsigned)(memory_table(x) - x->c->tlbs[0]) / TLB_SIZE;

        e_patch(f->site, e->p);
        e_imm(e, SCRATCH_B, (uintptr_t)f->window);
        e_call_to(e, x->j->window_fill[table][f->write]);
        e_alu_imm(e, 8, 7, opd_reg(SCRATCH_A), 4096 - f->span);
        x->slow[f->slow].site = e_jcc(e, CC_A);
        if (f->host)
            e_op(e, 8, 0, 0, 0x03, SCRATCH_A, opd_mem(SCRATCH_B, at + (int32_t)offsetof(TlbEntry, host_page)));
        else
            e_load(e, SCRATCH_B, opd_mem(SCRATCH_B, at + (int32_t)offsetof(TlbEntry, addend)));
        e_jmp_to(e, f->resume);
    }
    x->fill_count = 0;
}

/*
 * Scratch A: an address less w->page; B: w.  Returns A as the distance from the page in the TLB (more
 * than 4095: the TLB has it not), and B, the entry's offset.  What the window is for decides whether it is filled:
 * reads fill the stack's only with a page that may be written.
 */
static void fill_thunk(Emit *e, Cpu *c, unsigned table, bool write)
{
    int32_t at = (int32_t)(uintptr_t)c->tlbs[table];
    int32_t tag = at + (int32_t)(write ? offsetof(TlbEntry, wtag) : offsetof(TlbEntry, rtag));
    uint8_t *none, *reads, *not_written;

    e_op(e, 8, 0, 0, 0x03, SCRATCH_A, opd_mem(SCRATCH_B, offsetof(Window, page)));
    e_push(e, RAX);
    e_push(e, RCX);
    e_op(e, 4, 0, 0, 0x8b, RAX, opd_reg(SCRATCH_A));
    e_op(e, 4, 0, 0, 0xc1, 5, opd_reg(RAX));                            /* shr */
    e8(e, 12 - TLB_ENTRY_SHIFT);
    e_alu_imm(e, 4, 4, opd_reg(RAX), (int32_t)((TLB_SIZE - 1) << TLB_ENTRY_SHIFT));
    e_load(e, RCX, opd_mem(RAX, tag));
    e_op(e, 8, 0, 0, 0x2b, SCRATCH_A, opd_reg(RCX));
    e_alu_imm(e, 8, 7, opd_reg(SCRATCH_A), 4095);
    none = e_jcc(e, CC_A);
    if (!write) {
        e_op(e, 8, 0, 0, 0x3b, RCX, opd_mem(RAX, at + (int32_t)offsetof(TlbEntry, wtag)));
        not_written = e_jcc(e, CC_E);
        e_op(e, 1, 0, 0, 0x80, 7, opd_mem(SCRATCH_B, offsetof(Window, writes)));
        e8(e, 0);
        reads = e_jcc(e, CC_NE);
        e_patch(not_written, e->p);
    }
    e_store(e, opd_mem(SCRATCH_B, offsetof(Window, page)), RCX);
    e_load(e, RCX, opd_mem(RAX, at + (int32_t)offsetof(TlbEntry, addend)));
    e_store(e, opd_mem(SCRATCH_B, offsetof(Window, addend)), RCX);
    e_load(e, RCX, opd_mem(RAX, at + (int32_t)offsetof(TlbEntry, host_page)));
    e_store(e, opd_mem(SCRATCH_B, offsetof(Window, host_page)), RCX);
    for (unsigned k = 0; k < WINDOW_CLASSES; k++) {
        e_op(e, 8, 0, 0, 0xc7, 0, opd_mem(SCRATCH_B, (int32_t)offsetof(Window, below) + (int32_t)k * 8));
        e32(e, 4097 - (1u << k));
    }
    e_load32(e, RCX, opd_mem(SCRATCH_B, offsetof(Window, bit)));
    e_op(e, 4, 0, 0, 0x09, RCX, opd_abs(&c->windows_open));             /* or */
    if (!write)
        e_patch(reads, e->p);
    e_patch(none, e->p);
    e_mov(e, SCRATCH_B, RAX);
    e_pop(e, RCX);
    e_pop(e, RAX);
    e8(e, 0xc3);
}

_Static_assert(TLB_NONE * WINDOW_COUNT <= 32, "bits in Cpu.windows_open");

void windows_thunks(Emit *e, Cpu *c, Jit *j)
{
    for (unsigned t = 0; t < TLB_NONE; t++) {
        for (unsigned write = 0; write < 2; write++) {
            j->window_fill[t][write] = e->p;
            fill_thunk(e, c, t, write);
        }
        for (unsigned n = 0; n < WINDOW_COUNT; n++) {
            c->windows[t][n].bit = 1u << (t * WINDOW_COUNT + n);
            c->windows[t][n].writes = n == WINDOW_STACK || n >= WINDOW_WRITE;
        }
    }
}
