/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * returns.c - a guest's CALL and RET as the host's, so that the host predicts them.
 *
 * Under translated code lie frames on the host's stack: a guest return address, and below it the
 * host address to which the CALL's host instruction returns.  RET compares the address that it read
 * from the guest's stack with the topmost frame's: equal, it is the host's RET, and lands behind the
 * CALL; else the frame goes and the jump cache tells where to go.  Frames are a guess about the
 * future and nothing more: they may be dropped at any time, and leaving translated code drops all.
 * The lowest one, which is never popped, belongs to no CALL and lands in leave_to.
 */
#include "hypervisor/soft/jit/xlat.h"

#define FRAMES_BYTES 16384      /* of the host's stack at most */
#define FRAME_BYTES 16

void frames_enter(Emit *e, Cpu *c, const Jit *j)
{
    e_store(e, opd_abs(&c->jit_stack), RSP);
    e_lea(e, 8, SCRATCH_A, opd_mem(RSP, -FRAMES_BYTES));
    e_store(e, opd_abs(&c->jit_stack_floor), SCRATCH_A);
    e_alu_imm(e, 8, 5, opd_reg(RSP), FRAME_BYTES);
    e_store(e, opd_abs(&c->jit_stack_low), RSP);
    e_op(e, 8, 0, 0, 0xc7, 0, opd_mem(RSP, 8));
    e32(e, 0);
    e_op(e, 8, 0, 0, 0xc7, 0, opd_mem(RSP, 0));
    e32(e, (uint32_t)(uintptr_t)(j->leave_to + j->run));
}

void frames_leave(Emit *e, Cpu *c)
{
    e_load(e, RSP, opd_abs(&c->jit_stack));
}

void frames_thunks(Emit *e, Cpu *c, Jit *j)
{
    j->frames_drop = e->p;
    e_pop(e, SCRATCH_A);
    e_load(e, RSP, opd_abs(&c->jit_stack_low));
    e_op(e, 0, 0, 0, 0xff, 4, opd_reg(SCRATCH_A));              /* jmp r10 */

    j->leave_to = e->p;
    e_store(e, opd_abs(&c->rip), SCRATCH_A);
    e_jmp_to(e, j->leave);
}

/* Scratch A is lost, and the host's flags. */
void frame_push(Xlat *x, uint64_t next)
{
    Emit *e = &x->e;
    uint8_t *room;

    e_op(e, 8, 0, 0, 0x3b, RSP, opd_abs(&x->c->jit_stack_floor));
    room = e_jcc(e, CC_AE);
    e_call_to(e, x->j->frames_drop);
    e_patch(room, e->p);
    if (next == (uint64_t)(int64_t)(int32_t)next) {
        e8(e, 0x68);                                            /* push imm32 */
        e32(e, (uint32_t)next);
    } else {
        e_imm(e, SCRATCH_A, next);
        e_push(e, SCRATCH_A);
    }
}

void frame_land(Xlat *x)
{
    e_alu_imm(&x->e, 8, 0, opd_reg(RSP), 8);
    x->flags = FLAGS_MEM;
}

void frame_return(Xlat *x)
{
    Emit *e = &x->e;
    uint8_t *other, *lowest;

    e_op(e, 8, 0, 0, 0x3b, SCRATCH_A, opd_mem(RSP, 8));
    other = e_jcc(e, CC_NE);
    e8(e, 0xc3);
    e_patch(other, e->p);
    e_op(e, 8, 0, 0, 0x3b, RSP, opd_abs(&x->c->jit_stack_low));
    lowest = e_jcc(e, CC_E);
    e_alu_imm(e, 8, 0, opd_reg(RSP), FRAME_BYTES);
    e_patch(lowest, e->p);
}
