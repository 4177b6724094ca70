/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x87.c - x87 and MMX in translated code: the guest's own instruction on the host's register stack,
 * which is then the guest's (Cpu.x87_live).  Intel SDM vol. 1 chapters 8 and 9, vol. 2.
 *
 * The first such instruction loads the guest's whole x87 state, if nothing of it needs a look: no
 * #NM to raise, no exception pending.  It stays there over blocks until C code runs, which takes it
 * back first (x87_take_back()).  While it is live Cpu.fpu.cw is right; the status word, tags and
 * registers are old.
 *
 * The host's control word is the guest's, unmasked exceptions included, so results are the host's
 * with these, too: it does, stores and pops what a processor does then, and notes in its status word
 * that an exception is pending.  The next waiting instruction then raises #MF, here too: before each
 * there is an FWAIT, which gets SIGFPE for it, and the signal's handler goes on where the NOP behind
 * the FWAIT says, at the call of the body.  (FNSTSW and a test instead would take 10 ns each.)  Only
 * blocks that have met an unmasked exception have them (Block.x87_checks); the others want everything
 * masked (Cpu.x87_quiet).
 *
 * The guest's instruction pointer, data pointer and opcode are kept by hand, since the host's are of
 * translated code: those of the newest x87 instruction are pending in Xlat.x87 and are stored where
 * the block may be left.  Left to the bodies: environments, FNINIT, FNCLEX, what has XMM operands too.
 */
#include "hypervisor/soft/jit/x87_trap.h"
#include "hypervisor/soft/jit/xlat.h"
#include "hypervisor/soft/ops.h"
#include "hypervisor/soft/simd.h"

enum { NONE = 0xff, CW_MASKS = 0x3f, CW_BITS = 0x1f3f, CW_ONE = 0x40 };

/* --- the state, to the host and back --- */

/* FNSAVE's image, 32-bit protected form. */
typedef struct SaveImage {
    uint32_t cw, sw, tw, ip, cs_op, dp, ds;
    uint8_t st[8][10];
} SaveImage;

_Static_assert(sizeof(SaveImage) == 108, "as the host has it");

void x87_take_back(Cpu *c)
{
    Fpu *f = &c->fpu;
    uint16_t cw = f->cw | CW_MASKS;     /* for bodies */
    SaveImage m;

    __asm__ volatile("fnsave %0\n\tfldcw %1" : "=m"(m) : "m"(cw));
    f->sw = (uint16_t)m.sw;
    f->tags = 0;
    for (unsigned n = 0; n < 8; n++) {
        if ((m.tw >> (2 * n) & 3) != 3) {
            f->tags |= (uint8_t)(1u << n);
        }
        memcpy(x87_st(f, n)->b, m.st[n], 10);
    }
    c->x87_live = c->x87_quiet = 0;
}

bool x87_masked(const Cpu *c)
{
    return (c->fpu.cw & CW_MASKS) == CW_MASKS;
}

static void give(Cpu *c)
{
    Fpu *f = &c->fpu;
    SaveImage m = { .cw = f->cw, .sw = f->sw };

    for (unsigned n = 0; n < 8; n++) {
        m.tw |= f->tags >> n & 1 ? 0 : 3u << (2 * n);
        memcpy(m.st[n], x87_st(f, n)->b, 10);
    }
    __asm__ volatile("frstor %0" : : "m"(m));
    c->x87_live = 1;
    c->x87_quiet = x87_masked(c);
}

bool x87_go_live(Cpu *c)
{
    if ((c->cr0 & (CR0_EM | CR0_TS)) || (c->fpu.sw & X87_ES)) {
        return false;
    }
    give(c);
    return true;
}

/* Translated code had it live before a body that can't have changed whether it may be. */
uintptr_t x87_live_again(Cpu *c, const Insn *i, Block *b)
{
    (void)i;
    (void)b;
    give(c);
    return 0;
}

/* --- pointers and opcode --- */

static bool known_address(const Xlat *x, const Insn *i, uint64_t *at)
{
    if (i->base == REG_RIP) {
        *at = x->b->rip + (uint64_t)(int64_t)i->disp;
    } else if (i->base == REG_ZERO && i->index == REG_ZERO) {
        *at = (uint64_t)(int64_t)i->disp;
    } else {
        return false;
    }
    *at = i->asize == 8 ? *at : i->asize == 4 ? (uint32_t)*at : (uint16_t)*at;
    return true;
}

static void store_known(Xlat *x, const uint64_t *to, uint64_t v)
{
    Emit *e = &x->e;

    if (v == (uint64_t)(int64_t)(int32_t)v) {
        e_op(e, 8, 0, 0, 0xc7, 0, opd_abs(to));
        e32(e, (uint32_t)v);
    } else {
        e_imm(e, SCRATCH_A, v);
        e_store(e, opd_abs(to), SCRATCH_A);
    }
}

static void copy16(Xlat *x, const uint16_t *to, const uint16_t *from)
{
    e_op(&x->e, 4, 0, 1, 0xb7, SCRATCH_A, opd_abs(from));       /* movzx r10d, word */
    e_op(&x->e, 2, 0, 0, 0x89, SCRATCH_A, opd_abs(to));
}

void x87_store_pending(Xlat *x, X87Pending p)
{
    Cpu *c = x->c;
    const Insn *i;
    uint64_t at;

    if (p.data != NONE) {
        i = &x->b->insn[p.data];
        if (known_address(x, i, &at)) {
            store_known(x, &c->fpu.fdp, at);
        }
        copy16(x, &c->fpu.fds, &c->seg[i->seg].selector);
    }
    if (p.insn != NONE) {
        i = &x->b->insn[p.insn];
        store_known(x, &c->fpu.fip, x->b->rip + i->off);
        copy16(x, &c->fpu.fcs, &c->seg[SEG_CS].selector);
        e_op(&x->e, 2, 0, 0, 0xc7, 0, opd_abs(&c->fpu.fop));
        e16(&x->e, (uint16_t)((i->opcode & 7u) << 8 | i->modrm));
    }
}

void x87_settle(Xlat *x)
{
    if (x->x87_pending.insn != NONE) {
        x->held[0] = NO_REG;
        x87_store_pending(x, x->x87_pending);
    }
    x->x87_pending = X87_NOTHING_PENDING;
}

/* --- emission --- */

void x87_ensure(Xlat *x)
{
    Emit *e = &x->e;

    if (x->x87) {
        return;
    }
    flags_to_mem(x);
    flags_leave_host(x);
    e_op(e, 1, 0, 0, 0xf6, 0,                                   /* test byte, imm */
         opd_abs(x->b->x87_checks ? &x->c->x87_live : &x->c->x87_quiet));
    e8(e, 1);
    x->x87_in[x->x87_in_count].site = e_jcc(e, CC_E);
    x->x87_in[x->x87_in_count].insn = (uint8_t)x->n;
    x->x87_in[x->x87_in_count].vec = x->vec;
    x->x87_in[x->x87_in_count++].resume = e->p;
    x->x87 = true;
}

/* Before a waiting instruction. */
static void check_pending(Xlat *x)
{
    Emit *e = &x->e;
    unsigned n;

    if (!x->b->x87_checks) {
        return;
    }
    flags_leave_host(x);        /* what comes behind may go the same way with other flags in the host */
    n = slow_reserve(x);
    for (unsigned k = 0; k < sizeof X87_TRAP; k++) {
        e8(e, X87_TRAP[k]);
    }
    x->slow[n].site = e->p;
    e32(e, 0);
}

void x87_begin(Xlat *x)
{
    x87_ensure(x);
    check_pending(x);
}

enum { R = 0, W = 0x80, CONTROL = 0x40 };

/* Memory forms by opcode & 7 and ModRM.reg: the operand's size, W for a store. */
static const uint8_t memory_form[8][8] = {
    { 4, 4, 4, 4, 4, 4, 4, 4 },
    { 4, 0, W | 4, W | 4, 0, CONTROL | 2, 0, CONTROL | W | 2 },
    { 4, 4, 4, 4, 4, 4, 4, 4 },
    { 4, W | 4, W | 4, W | 4, 0, 10, 0, W | 10 },
    { 8, 8, 8, 8, 8, 8, 8, 8 },
    { 8, W | 8, W | 8, W | 8, 0, 0, 0, CONTROL | W | 2 },
    { 2, 2, 2, 2, 2, 2, 2, 2 },
    { 2, W | 2, W | 2, W | 2, 10, 8, W | 10, W | 8 },
};

/* Register forms that are emitted: bit n of a row for ModRM C0h + n.  Doubles of others aren't. */
static const uint64_t register_form[8] = {
    UINT64_C(0xffffffffffffffff),
    UINT64_C(0xffff7f330001ffff),       /* D9: no D8-DF */
    UINT64_C(0x00000200ffffffff),
    UINT64_C(0x00ffff00ffffffff),       /* DB: no control instructions */
    UINT64_C(0xffffffff0000ffff),       /* DC: no D0-DF */
    UINT64_C(0x0000ffffffff00ff),       /* DD: no C8-CF */
    UINT64_C(0xffffffff0200ffff),       /* DE: no D0-D7 */
    UINT64_C(0x00ffff0100000000),       /* DF: none below E0 */
};

enum { FNSTCW = 1 << 3 | 7, FLDCW = 1 << 3 | 5, FNSTSW = 5 << 3 | 7 };

bool x87_known(const Insn *i)
{
    if (i->row || i->opcode < 0xd8 || i->opcode > 0xdf) {
        return false;
    }
    if (i->rm == REG_MEM) {
        return memory_form[i->opcode & 7][i->modrm >> 3 & 7] != 0;
    }
    return register_form[i->opcode & 7] >> (i->modrm & 63) & 1;
}

static bool at_home(unsigned g)
{
    return g == REG_ZERO || host_reg[g] != IN_MEMORY;
}

/* The memory operand of a non-control instruction, its address being Cpu.fpu.fdp then. */
static Operand data_operand(Xlat *x, const Insn *i, unsigned size, enum Access access)
{
    bool simple = i->asize >= 4 && i->base <= REG_ZERO && at_home(i->base) && at_home(i->index);
    Emit *e = &x->e;
    unsigned spare;
    uint64_t at;
    Operand o;

    if (known_address(x, i, &at)) {
        return memory_operand(x, i, size, access, &spare);
    }
    if (!simple) {
        memory_address(x, i);
        e_store(e, opd_abs(&x->c->x87_address), SCRATCH_A);
        o = memory_operand(x, i, size, access, &spare);
        e_load(e, spare, opd_abs(&x->c->x87_address));
    } else {
        o = memory_operand(x, i, size, access, &spare);
        e_lea(e, i->asize, spare, opd_index(i->base == REG_ZERO ? NO_REG : host_reg[i->base],
                                            i->index == REG_ZERO ? NO_REG : host_reg[i->index],
                                            i->scale, i->disp));
    }
    e_store(e, opd_abs(&x->c->fpu.fdp), spare);
    return o;
}

/* A block that does not check stays live only with everything masked. */
static void emit_fldcw(Xlat *x, const Insn *i)
{
    Emit *e = &x->e;
    unsigned spare;
    Operand from = memory_operand(x, i, 2, FOR_READ, &spare);

    e_op(e, 4, 0, 1, 0xb7, spare, from);                        /* movzx */
    e_op(e, 4, 0, 0, 0xf7, 2, opd_reg(spare));                  /* not */
    e_op_byte(e, 1, 0, 0, 0xf6, 0, false, opd_reg(spare), true);
    e8(e, CW_MASKS);
    if (x->b->x87_checks) {
        e_op_byte(e, 1, 0, 1, 0x94, 0, false, opd_abs(&x->c->x87_quiet), true);     /* sete */
    } else {
        slow_if(x, CC_NE);
    }
    e_op(e, 4, 0, 0, 0xf7, 2, opd_reg(spare));
    e_alu_imm(e, 4, 4, opd_reg(spare), CW_BITS);
    e_alu_imm(e, 4, 1, opd_reg(spare), CW_ONE);
    e_op(e, 2, 0, 0, 0x89, spare, opd_abs(&x->c->fpu.cw));
    e_op(e, 0, 0, 0, 0xd9, 5, opd_abs(&x->c->fpu.cw));
    if (!x->b->x87_checks) {
        x->x87 = false;         /* the body may have unmasked something */
    }
}

static void emit_memory(Xlat *x, const Insn *i)
{
    unsigned digit = i->modrm >> 3 & 7, form = memory_form[i->opcode & 7][digit], spare;
    enum Access access = form & W ? FOR_WRITE : FOR_READ;
    Operand o;

    if (form & CONTROL) {
        if (((i->opcode & 7u) << 3 | digit) == FLDCW) {
            emit_fldcw(x, i);
            return;
        }
        o = memory_operand(x, i, 2, access, &spare);
    } else {
        o = data_operand(x, i, form & 15, access);
        x->x87_pending = (X87Pending){ (uint8_t)x->n, (uint8_t)x->n };
    }
    e_op(&x->e, 0, 0, 0, i->opcode, digit, o);
}

static bool waits(const Insn *i)
{
    unsigned form = (i->opcode & 7u) << 3 | (i->modrm >> 3 & 7);

    return i->rm == REG_MEM ? form != FNSTCW && form != FNSTSW : i->opcode != 0xdf || i->modrm != 0xe0;
}

bool x87_emit(Xlat *x, const Insn *i)
{
    unsigned op = i->opcode & 7;
    bool move_if = (op == 2 || op == 3) && i->modrm >= 0xc0 && i->modrm < 0xe0;
    bool compare = (op == 3 || op == 7) && i->modrm >= 0xe8;

    if (waits(i)) {
        x87_begin(x);
    } else {
        x87_ensure(x);
    }
    if (i->rm == REG_MEM) {
        emit_memory(x, i);
        return true;
    }
    if (op == 1 && i->modrm == 0xd0) {                          /* FNOP */
        return true;
    }
    if (move_if) {
        flags_to_host(x);
    }
    e8(&x->e, i->opcode);
    e8(&x->e, i->modrm);
    if (compare) {
        flags_written(x);
    }
    if (op != 7 || i->modrm != 0xe0) {                          /* FNSTSW AX */
        x->x87_pending.insn = (uint8_t)x->n;
    }
    return true;
}

bool x87_emit_fwait(Xlat *x)
{
    x87_begin(x);
    return true;
}
