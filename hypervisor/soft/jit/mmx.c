/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mmx.c - MMX in translated code, with what SSE, SSE2 and SSSE3 added on MMX registers: the guest's
 * own instruction while the host's x87 registers are the guest's (x87.c), so that tags, TOP and the
 * exponents come out by themselves.  Intel SDM vol. 1 chapter 9, vol. 2.
 *
 * Left to the bodies: what has XMM and MMX operands, MASKMOVQ.
 */
#include "hypervisor/soft/jit/xlat.h"

typedef struct Mmx {
    uint8_t size;               /* of the memory operand; 0: no such instruction here */
    bool store;                 /* rm is the destination */
    bool gpr_reg, gpr_rm;       /* general registers in reg, in rm */
    bool imm, digit;
    bool bare;                  /* no ModRM */
} Mmx;

#define FORM(n, ...) (Mmx){ .size = (n), ##__VA_ARGS__ }
#define NONE (Mmx){ 0 }

static Mmx form_0f(const Insn *i)
{
    static const uint8_t shifts[4] = { 0, 0x54, 0x54, 0x44 };   /* ModRM.reg that there are */
    unsigned op = i->opcode & 0xff;
    bool mem = i->rm == REG_MEM;
    uint8_t word = i->rex & 8 ? 8 : 4;

    switch (op) {
    case 0x60: case 0x61: case 0x62:
        return FORM(4);
    case 0x6e: case 0x7e:
        return FORM(word, .gpr_rm = true, .store = op == 0x7e);
    case 0x6f: case 0x7f:
        return FORM(8, .store = op == 0x7f);
    case 0x70:
        return FORM(8, .imm = true);
    case 0x71: case 0x72: case 0x73:
        return !mem && (shifts[op & 3] >> (i->modrm >> 3 & 7) & 1)
               ? FORM(8, .imm = true, .digit = true) : NONE;
    case 0x77:
        return FORM(8, .bare = true);
    case 0xc4:
        return FORM(2, .gpr_rm = true, .imm = true);
    case 0xc5:
        return mem ? NONE : FORM(8, .gpr_reg = true, .imm = true);
    case 0xd7:
        return mem ? NONE : FORM(8, .gpr_reg = true);
    case 0xe7:
        return mem ? FORM(8, .store = true) : NONE;
    case 0x63 ... 0x6b: case 0x74 ... 0x76: case 0xd1 ... 0xd5: case 0xd8 ... 0xe5:
    case 0xe8 ... 0xef: case 0xf1 ... 0xf6: case 0xf8 ... 0xfe:
        return FORM(8);
    }
    return NONE;
}

static Mmx form_of(const Insn *i)
{
    unsigned op = i->opcode & 0xff;

    if (i->row || (i->prefix & (PFX_REP | PFX_REPNE | PFX_OPSIZE))) {
        return NONE;
    }
    switch (i->opcode >> 8) {
    case 1: return form_0f(i);
    case 2: return op <= 0x0b || (op >= 0x1c && op <= 0x1e) ? FORM(8) : NONE;
    case 3: return op == 0x0f ? FORM(8, .imm = true) : NONE;
    }
    return NONE;
}

bool mmx_known(const Insn *i)
{
    return form_of(i).size != 0;
}

static Operand gpr_operand(Xlat *x, unsigned g, bool in)
{
    if (host_reg[g] != IN_MEMORY) {
        return opd_reg(host_reg[g]);
    }
    if (in) {
        e_load(&x->e, SCRATCH_A, opd_abs(&x->c->gpr[g]));
    }
    return opd_reg(SCRATCH_A);
}

bool mmx_emit(Xlat *x, const Insn *i)
{
    Mmx m = form_of(i);
    unsigned spare = SCRATCH_B, reg = i->modrm >> 3 & 7;
    Emit *e = &x->e;
    Operand rm;

    x87_begin(x);
    if (m.bare) {
        e8(e, 0x0f);
        e8(e, i->opcode & 0xff);
        return true;
    }
    if (i->rm == REG_MEM) {
        rm = memory_operand(x, i, m.size, m.store ? FOR_WRITE : FOR_READ, &spare);
    } else {
        rm = m.gpr_rm ? gpr_operand(x, i->rm, !m.store) : opd_reg(i->modrm & 7);
    }
    if (m.gpr_reg) {
        reg = host_reg[i->reg] == IN_MEMORY ? spare : host_reg[i->reg];
    }
    e_op(e, i->rex & 8 ? 8 : 0, 0, i->opcode >> 8, i->opcode & 0xff, reg, rm);
    if (m.imm) {
        e8(e, (uint8_t)i->imm);
    }
    if (m.gpr_reg && host_reg[i->reg] == IN_MEMORY) {
        e_store(e, opd_abs(&x->c->gpr[i->reg]), spare);
    }
    if (m.gpr_rm && m.store && i->rm != REG_MEM && host_reg[i->rm] == IN_MEMORY) {
        e_store(e, opd_abs(&x->c->gpr[i->rm]), SCRATCH_A);
    }
    return true;
}
