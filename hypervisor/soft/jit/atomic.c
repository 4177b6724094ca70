/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * atomic.c - CMPXCHG8B, CMPXCHG16B and the fences in translated code.  Intel SDM vol. 2.
 *
 * What they use is at home: RAX, RBX, RCX, RDX.  Operands that aren't aligned go to the body, which
 * knows what to do about a locked access over two pages, and raises CMPXCHG16B's #GP.
 */
#include "hypervisor/soft/jit/xlat.h"
#include "hypervisor/soft/ops.h"

bool atomic_emit_cmpxchg(Xlat *x, const Insn *i)
{
    unsigned size = i->opsize == 8 ? 16 : 8, spare;
    Emit *e = &x->e;
    Operand at;

    if (i->rm != REG_MEM || (i->modrm >> 3 & 7) != 1) {
        return false;
    }
    at = memory_operand(x, i, size, FOR_LOCK, &spare);
    flags_to_host(x);           /* only ZF changes */
    if (i->prefix & PFX_LOCK) {
        e8(e, 0xf0);
    }
    e_op(e, i->opsize == 8 ? 8 : 0, 0, 1, 0xc7, 1, at);
    flags_written(x);
    return true;
}

/* LFENCE orders loads, which x86 never reorders, and holds up speculation, which gains the code of
 * a guest nothing here. */
bool atomic_emit_fence(Xlat *x, const Insn *i)
{
    if (body_of(x, i) != op_fence) {
        return false;
    }
    if ((i->modrm >> 3 & 7) == 5) {
        return true;
    }
    e8(&x->e, 0x0f);
    e8(&x->e, 0xae);
    e8(&x->e, i->modrm);
    return true;
}
