/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bits.c - BT, BTS, BTR and BTC of a bit string in memory: the register says which bit from the operand's
 * address on, as a signed number.
 */
#include "hypervisor/soft/jit/xlat.h"

bool bits_emit(Xlat *x, const Insn *i)
{
    bool writes = i->opcode != 0x1a3;
    unsigned spare, reg;
    Emit *e = &x->e;
    Operand at;

    if (i->rm != REG_MEM || (i->opcode != 0x1a3 && i->opcode != 0x1ab && i->opcode != 0x1b3 &&
                             i->opcode != 0x1bb))
        return false;
    at = memory_bits(x, i, i->opsize, !writes ? FOR_READ : i->prefix & PFX_LOCK ? FOR_LOCK : FOR_WRITE,
                     &spare);
    reg = host_reg[i->reg] != IN_MEMORY ? host_reg[i->reg] : spare;
    if (reg == spare)
        e_load(e, spare, opd_abs(&x->c->gpr[i->reg]));
    else
        e_mov(e, spare, reg);
    e_alu_imm(e, 4, 4, opd_reg(spare), i->opsize * 8 - 1);
    flags_to_host(x);                   /* all but CF stay */
    if (i->prefix & PFX_LOCK)
        e8(e, 0xf0);
    e_op(e, i->opsize, 0, 1, i->opcode & 0xff, spare, at);
    flags_written(x);
    return true;
}
