/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flags.c - where the guest's flags are in translated code, and how they get from there to where
 * they are wanted.  Saving them costs five host instructions; most are replaced before anybody looks,
 * so those that can be made again from registers are left at that, and only ways out make them.
 */
#include "hypervisor/soft/jit/xlat.h"

static void make_again(Xlat *x)
{
    const FlagsAgain *a = &x->again;
    Emit *e = &x->e;

    for (unsigned n = 0; n < a->count; n++) {
        e_op_byte(e, a->size, 0, 0, a->op[n].op, a->op[n].reg, a->op[n].byte_reg && a->size == 1,
                  a->op[n].rm, a->size == 1);
        if (a->op[n].imm_size == 1)
            e8(e, (uint8_t)a->op[n].imm);
        else if (a->op[n].imm_size == 2)
            e16(e, (uint16_t)a->op[n].imm);
        else if (a->op[n].imm_size == 4)
            e32(e, (uint32_t)a->op[n].imm);
    }
    x->flags |= FLAGS_HOST;
}

void flags_to_mem(Xlat *x)
{
    Emit *e = &x->e;

    if (x->flags & FLAGS_MEM)
        return;
    if (!(x->flags & FLAGS_HOST))
        make_again(x);
    e_mov(e, SCRATCH_A, RAX);
    e8(e, 0x9f);                                                /* lahf */
    e_op_byte(e, 1, 0, 1, 0x90, 0, false, opd_reg(RAX), true);  /* seto al */
    e_op(e, 2, 0, 0, 0x89, RAX, opd_abs(&x->c->aflags));
    e_mov(e, RAX, SCRATCH_A);
    x->held[0] = NO_REG;
    x->flags |= FLAGS_MEM;
}

void flags_to_host(Xlat *x)
{
    Emit *e = &x->e;

    if (x->flags & FLAGS_HOST)
        return;
    if (x->flags & FLAGS_AGAIN) {
        make_again(x);
        return;
    }
    e_store(e, opd_abs(&x->c->jit_save), RAX);
    e_op(e, 4, 0, 1, 0xb7, RAX, opd_abs(&x->c->aflags));        /* movzx eax, word */
    e8(e, 0x04);                                                /* add al, 7fh makes OF */
    e8(e, 0x7f);
    e8(e, 0x9e);                                                /* sahf */
    e_load(e, RAX, opd_abs(&x->c->jit_save));
    x->flags |= FLAGS_HOST;
}

void flags_leave_host(Xlat *x)
{
    if (!(x->flags & (FLAGS_MEM | FLAGS_AGAIN)))
        flags_to_mem(x);
    x->flags &= ~(unsigned)FLAGS_HOST;
}

/* What the block does from instruction n on with the flags that are there. */
static unsigned need_from(const Xlat *x, unsigned n)
{
    for (; n < x->b->count; n++) {
        FlagUse u = op_flag_use(x, &x->b->insn[n]);

        if (u.may_leave)
            return FLAGS_MEM;
        if (u.reads)
            return FLAGS_HOST;
        if (u.writes_all)
            return 0;
    }
    return FLAGS_MEM;
}

unsigned flags_first_need(const Xlat *x)
{
    return need_from(x, 0);
}

/* Nothing of the flags before i is left behind it. */
static bool replaces(const Xlat *x, const Insn *i)
{
    return op_flag_use(x, i).writes_all;
}

void flags_before_insn(Xlat *x, const Insn *i)
{
    x->again_new = false;
    if (!(x->flags & FLAGS_AGAIN) || x->flags & FLAGS_MEM ||
        !(op_writes(x, i) & x->again.uses) || replaces(x, i) || !need_from(x, x->n + 1))
        return;
    if (op_flag_use(x, i).may_leave)
        flags_to_mem(x);
    else
        flags_to_host(x);
}

void flags_after_insn(Xlat *x, const Insn *i)
{
    if (!(x->flags & FLAGS_AGAIN) || x->again_new || !(op_writes(x, i) & x->again.uses))
        return;
    x->flags &= ~(unsigned)FLAGS_AGAIN;
    if (!x->flags)
        x->flags = FLAGS_HOST;          /* nobody asks for them: flags_before_insn() looked */
}
