/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * strings.c - REP MOVS and REP STOS in translated code, upwards and within one page: the guest's own
 * instruction on host addresses.  Everything else of the string instructions is the bodies' (string.c
 * one folder up).  Intel SDM vol. 2.
 *
 * RCX, RSI, RDI and RAX are at home, so only the two pointers change for the time of the instruction.
 * A count of nothing may take the quick way, too: the host's instruction does nothing then either.
 */
#include "hypervisor/soft/jit/xlat.h"

static void pointer_add(Xlat *x, unsigned pointer, bool subtract, unsigned addend)
{
    e_op(&x->e, 8, 0, 0, subtract ? 0x2b : 0x03, pointer, opd_reg(addend));
}

static void pointer_cut(Xlat *x, unsigned pointer)
{
    if (!x->in_64) {
        e_op(&x->e, 4, 0, 0, 0x8b, pointer, opd_reg(pointer));
    }
}

bool string_emit(Xlat *x, const Insn *i)
{
    bool move = i->opcode < 0xa6, flat = x->in_64 || (x->b->mode & MODE_FLAT);
    unsigned shift = (unsigned)__builtin_ctz(i->opsize);
    Emit *e = &x->e;

    if (!(i->prefix & (PFX_REP | PFX_REPNE)) || !flat || i->asize != (x->in_64 ? 8 : 4) ||
        (move && (i->seg == SEG_FS || i->seg == SEG_GS))) {
        return false;
    }
    flags_leave_host(x);
    e_op_byte(e, 1, 0, 0, 0xf6, 0, false, opd_abs((char *)&x->c->rflags + 1), true);
    e8(e, RF_DF >> 8);
    slow_if(x, CC_NE);
    e_alu_imm(e, 8, 7, opd_reg(RCX), 4096 >> shift);
    slow_if(x, CC_A);
    memory_run(x, RDI, shift, FOR_WRITE);
    if (move) {
        e_store(e, opd_abs(&x->c->jit_save), SCRATCH_B);
        memory_run(x, RSI, shift, FOR_READ);
        e_load(e, SCRATCH_A, opd_abs(&x->c->jit_save));
        pointer_add(x, RSI, false, SCRATCH_B);
        pointer_add(x, RDI, false, SCRATCH_A);
    } else {
        pointer_add(x, RDI, false, SCRATCH_B);
    }
    e8(e, 0xf3);
    if (i->opsize == 2) {
        e8(e, 0x66);
    }
    if (i->opsize == 8) {
        e8(e, 0x48);
    }
    e8(e, (move ? 0xa4 : 0xaa) | (shift > 0));
    pointer_add(x, RDI, true, move ? SCRATCH_A : SCRATCH_B);
    pointer_cut(x, RDI);
    if (move) {
        pointer_add(x, RSI, true, SCRATCH_B);
        pointer_cut(x, RSI);
    }
    return true;
}
