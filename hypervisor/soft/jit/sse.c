/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sse.c - SSE to SSE4.2 in translated code: the guest's own instruction on the host's XMM
 * registers, which are then the guest's (Cpu.vec_live).
 *
 * Bodies find XMM registers in Cpu.fpu: calling one, or leaving, brings them there; the next SSE
 * instruction loads them again if the CPU's state allows SSE without a look (no #NM or #UD to
 * raise, MXCSR's control bits the default ones, so that the host's MXCSR is the guest's).
 * MMX and what has unusual operands is left to the bodies.
 */
#include "hypervisor/soft/jit/xlat.h"
#include "hypervisor/soft/ops.h"

enum { NP, P66, PF3, PF2 };

typedef struct Sse {
    uint8_t size;               /* of the memory operand; 0: no such instruction here */
    bool aligned;               /* it must be on a multiple of 16 */
    bool store;                 /* rm is the destination */
    bool gpr_reg, gpr_rm;       /* general registers in reg, in rm */
    bool no_mem;
    bool imm;
    bool flags;                 /* writes all arithmetic flags */
    bool digit;                 /* ModRM.reg extends the opcode */
} Sse;

#define PACKED(...) (Sse){ .size = 16, .aligned = true, ##__VA_ARGS__ }
#define LOOSE(n, ...) (Sse){ .size = (n), ##__VA_ARGS__ }
#define NONE (Sse){ 0 }

static Sse scalar_or_packed(unsigned col)
{
    return col == PF3 ? LOOSE(4) : col == PF2 ? LOOSE(8) : PACKED();
}

static Sse form_0f_low(const Insn *i, unsigned op, unsigned col)
{
    bool mem = i->rm == REG_MEM;
    uint8_t word = i->rex & 8 ? 8 : 4;

    switch (op) {
    case 0x10: case 0x11:
        return LOOSE(col == PF3 ? 4 : col == PF2 ? 8 : 16, .store = op & 1);
    case 0x12: case 0x16:
        if (col >= PF3)
            return col == PF3 ? PACKED() : op == 0x12 ? LOOSE(8) : NONE;
        return col == P66 && !mem ? NONE : LOOSE(8);
    case 0x13: case 0x17:
        return col < PF3 && mem ? LOOSE(8, .store = true) : NONE;
    case 0x14: case 0x15:
        return col < PF3 ? PACKED() : NONE;
    case 0x28: case 0x29:
        return col < PF3 ? PACKED(.store = op & 1) : NONE;
    case 0x2b:
        return col < PF3 && mem ? PACKED(.store = true) : NONE;
    case 0x2a:
        return col < PF3 ? NONE : LOOSE(word, .gpr_rm = true);
    case 0x2c: case 0x2d:
        return col < PF3 ? NONE : LOOSE(col == PF3 ? 4 : 8, .gpr_reg = true);
    case 0x2e: case 0x2f:
        return col < PF3 ? LOOSE(col == NP ? 4 : 8, .flags = true) : NONE;
    case 0x50:
        return col < PF3 && !mem ? LOOSE(16, .gpr_reg = true) : NONE;
    case 0x52: case 0x53:
        return col == NP || col == PF3 ? scalar_or_packed(col) : NONE;
    case 0x54 ... 0x57:
        return col < PF3 ? PACKED() : NONE;
    case 0x5a:
        return col == NP ? LOOSE(8) : scalar_or_packed(col);
    case 0x5b:
        return col == PF2 ? NONE : PACKED();
    case 0x51: case 0x58: case 0x59: case 0x5c ... 0x5f:
        return scalar_or_packed(col);
    }
    return NONE;
}

static Sse form_0f_high(const Insn *i, unsigned op, unsigned col)
{
    static const uint8_t shifts[4] = { 0, 0x54, 0x54, 0xcc };   /* ModRM.reg that there are */
    unsigned digit = i->modrm >> 3 & 7;
    bool mem = i->rm == REG_MEM;
    uint8_t word = i->rex & 8 ? 8 : 4;

    switch (op) {
    case 0x6e:
        return col == P66 ? LOOSE(word, .gpr_rm = true) : NONE;
    case 0x7e:
        return col == P66 ? LOOSE(word, .gpr_rm = true, .store = true)
               : col == PF3 ? LOOSE(8) : NONE;
    case 0x6f: case 0x7f:
        return col == P66 ? PACKED(.store = op == 0x7f)
               : col == PF3 ? LOOSE(16, .store = op == 0x7f) : NONE;
    case 0x70:
        return col != NP ? PACKED(.imm = true) : NONE;
    case 0x71: case 0x72: case 0x73:
        return col == P66 && !mem && (shifts[op & 3] >> digit & 1)
               ? LOOSE(16, .imm = true, .digit = true) : NONE;
    case 0x7c: case 0x7d: case 0xd0:
        return col == P66 || col == PF2 ? PACKED() : NONE;
    case 0xc2: {
        Sse s = scalar_or_packed(col);
        s.imm = true;
        return s;
    }
    case 0xc5:
        return col == P66 && !mem ? LOOSE(16, .gpr_reg = true, .imm = true) : NONE;
    case 0xc4:
        return col == P66 ? LOOSE(2, .gpr_rm = true, .imm = true) : NONE;
    case 0xc6:
        return col < PF3 ? PACKED(.imm = true) : NONE;
    case 0xd6:
        return col == P66 ? LOOSE(8, .store = true) : NONE;
    case 0xd7:
        return col == P66 && !mem ? LOOSE(16, .gpr_reg = true) : NONE;
    case 0xe6:
        return col == PF3 ? LOOSE(8) : col == NP ? NONE : PACKED();
    case 0xe7:
        return col == P66 && mem ? PACKED(.store = true) : NONE;
    case 0xf0:
        return col == PF2 && mem ? LOOSE(16) : NONE;
    case 0xf7:
        return NONE;
    case 0x60 ... 0x6d: case 0x74 ... 0x76: case 0xd1 ... 0xd5: case 0xd8 ... 0xdf:
    case 0xe0 ... 0xe5: case 0xe8 ... 0xef: case 0xf1 ... 0xf6: case 0xf8 ... 0xfe:
        return col == P66 ? PACKED() : NONE;
    }
    return NONE;
}

static Sse form_0f38(unsigned op, unsigned col)
{
    static const uint8_t extend[6] = { 8, 4, 2, 8, 4, 8 };

    if (col != P66)
        return NONE;
    switch (op) {
    case 0x17:
        return PACKED(.flags = true);
    case 0x20 ... 0x25: case 0x30 ... 0x35:
        return LOOSE(extend[op & 7]);
    case 0x00 ... 0x0b: case 0x10: case 0x14: case 0x15: case 0x1c ... 0x1e: case 0x28: case 0x29:
    case 0x2b: case 0x37 ... 0x41: case 0xdb ... 0xdf:
        return PACKED();
    }
    return NONE;
}

static Sse form_0f3a(const Insn *i, unsigned op, unsigned col)
{
    bool mem = i->rm == REG_MEM;
    uint8_t word = i->rex & 8 ? 8 : 4;

    if (col != P66)
        return NONE;
    switch (op) {
    case 0x0a: case 0x0b:
        return LOOSE(op == 0x0a ? 4 : 8, .imm = true);
    case 0x08: case 0x09: case 0x0c ... 0x0f: case 0x40 ... 0x42: case 0x44: case 0xdf:
        return PACKED(.imm = true);
    case 0x16:
        return LOOSE(word, .gpr_rm = true, .store = true, .imm = true);
    case 0x22:
        return LOOSE(word, .gpr_rm = true, .imm = true);
    case 0x21:
        return LOOSE(4, .imm = true);
    case 0x60 ... 0x63:
        return mem ? NONE : LOOSE(16, .imm = true, .flags = true);
    }
    return NONE;
}

static unsigned column(const Insn *i)
{
    return i->prefix & PFX_REPNE ? PF2 : i->prefix & PFX_REP ? PF3 : i->prefix & PFX_OPSIZE ? P66
           : NP;
}

static Sse form_of(const Insn *i)
{
    unsigned op = i->opcode & 0xff, col = column(i);

    if ((i->prefix & PFX_REPNE) && (i->prefix & PFX_REP))
        return NONE;
    switch (i->opcode >> 8) {
    case 1: return op < 0x60 ? form_0f_low(i, op, col) : form_0f_high(i, op, col);
    case 2: return form_0f38(op, col);
    case 3: return form_0f3a(i, op, col);
    }
    return NONE;
}

/* --- emission --- */
void vector_ensure(Xlat *x, bool avx)
{
    unsigned need = avx ? VEC_AVX : VEC_SSE;
    Emit *e = &x->e;

    if (x->vec & need)
        return;
    flags_to_mem(x);            /* vector_in calls bodies */
    flags_leave_host(x);
    e_op(e, 1, 0, 0, 0xf6, 0, opd_abs(&x->c->vec_live));        /* test byte, imm */
    e8(e, need);
    x->vec_in[x->vec_in_count].site = e_jcc(e, CC_E);
    x->vec_in[x->vec_in_count].insn = (uint8_t)x->n;
    x->vec_in[x->vec_in_count++].resume = e->p;
    x->vec |= (uint8_t)need;
}

bool sse_known(const Insn *i)
{
    return !i->row && form_of(i).size != 0;
}

uint16_t sse_writes(const Insn *i)
{
    Sse s = form_of(i);

    if (s.gpr_reg)
        return (uint16_t)(1u << i->reg);
    return s.gpr_rm && s.store && i->rm != REG_MEM ? (uint16_t)(1u << i->rm) : 0;
}

MemoryForm sse_memory(const Insn *i)
{
    Sse s = form_of(i);

    return (MemoryForm){ s.size, s.aligned ? s.size : 0, s.store };
}

bool sse_flags(const Insn *i) { return form_of(i).flags; }

static Operand gpr_operand(Xlat *x, unsigned g, bool in, unsigned scratch)
{
    if (host_reg[g] != IN_MEMORY)
        return opd_reg(host_reg[g]);
    if (in)
        e_load(&x->e, scratch, opd_abs(&x->c->gpr[g]));
    return opd_reg(scratch);
}

bool sse_emit(Xlat *x, const Insn *i)
{
    static const uint8_t prefixes[4] = { 0, 0x66, 0xf3, 0xf2 };
    Sse s = form_of(i);
    unsigned spare = SCRATCH_B, reg = i->reg;
    Emit *e = &x->e;
    Operand rm;

    if (!s.size)
        return false;
    vector_ensure(x, false);
    if (i->rm == REG_MEM)
        rm = memory_operand(x, i, s.size, s.aligned ? s.store ? FOR_WRITE_16 : FOR_READ_16
                            : s.store ? FOR_WRITE : FOR_READ, &spare);
    else if (s.gpr_rm)
        rm = gpr_operand(x, i->rm, !s.store, SCRATCH_A);
    else
        rm = opd_reg(i->rm);
    if (s.gpr_reg)
        reg = host_reg[i->reg] == IN_MEMORY ? spare : host_reg[i->reg];
    if (s.digit)
        reg = i->modrm >> 3 & 7;
    e_op(e, i->rex & 8 ? 8 : 0, prefixes[column(i)], i->opcode >> 8, i->opcode & 0xff, reg, rm);
    if (s.imm)
        e8(e, (uint8_t)i->imm);
    if (s.gpr_reg && host_reg[i->reg] == IN_MEMORY)
        e_store(e, opd_abs(&x->c->gpr[i->reg]), spare);
    if (s.gpr_rm && s.store && i->rm != REG_MEM && host_reg[i->rm] == IN_MEMORY)
        e_store(e, opd_abs(&x->c->gpr[i->rm]), SCRATCH_A);
    if (s.flags)
        flags_written(x);
    return true;
}
