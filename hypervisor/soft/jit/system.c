/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * system.c - SWAPGS in translated code: a kernel's first and last instruction.  Intel SDM vol. 2.
 */
#include "hypervisor/soft/jit/xlat.h"
#include "hypervisor/soft/ops.h"

bool system_emit_swapgs(Xlat *x, const Insn *i)
{
    uint64_t next = x->b->rip + i->off + i->len;
    Emit *e = &x->e;
    Cpu *c = x->c;

    if ((x->b->mode & MODE_USER) || !x->in_64 || body_of(x, i) != op_swapgs) {
        return false;
    }
    ring0_only(x);
    e_load(e, SCRATCH_A, opd_abs(&c->seg[SEG_GS].base));
    e_load(e, SCRATCH_B, opd_abs(&c->kernel_gs_base));
    e_store(e, opd_abs(&c->kernel_gs_base), SCRATCH_A);
    e_store(e, opd_abs(&c->seg[SEG_GS].base), SCRATCH_B);
    e_store(e, opd_abs(&c->fbase_r[SEG_GS]), SCRATCH_B);
    e_store(e, opd_abs(&c->fbase_w[SEG_GS]), SCRATCH_B);
    edge_jmp(x, next);
    return true;
}
