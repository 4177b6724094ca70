/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vex.c - instructions with a VEX prefix in translated code: AVX, AVX2, FMA, F16C and BMI, again the
 * guest's own instruction on the host's registers (see sse.c).  Their operands are known from the
 * rows of vex_list.h.  Masked moves, gathers and string compares are left to the bodies.
 */
#include "hypervisor/soft/jit/xlat.h"
#include "hypervisor/soft/ops.h"
#include "hypervisor/soft/vex.h"

typedef struct Vex {
    bool known;
    bool store;                 /* rm is the destination */
    bool gpr_reg, gpr_rm, gpr_vvvv;
    bool flags;                 /* writes all arithmetic flags */
    bool digit;                 /* ModRM.reg extends the opcode */
    bool operands;              /* there is ModRM */
} Vex;

static bool one_of(OpFn fn, const OpFn *list, unsigned n)
{
    for (unsigned k = 0; k < n; k++)
        if (list[k] == fn)
            return true;
    return false;
}

#define IS(fn, ...) one_of(fn, (const OpFn[]){ __VA_ARGS__ }, \
                           sizeof((const OpFn[]){ __VA_ARGS__ }) / sizeof(OpFn))

static Vex form_of(const Insn *i)
{
    OpFn fn = vex_row(i)->fn;
    Vex v = { .known = true, .operands = true };

    if (IS(fn, vex_load, vex_movs_load, vex_movlp_load, vex_movhp_load, vex_rm, vex_rvm, vex_rmi,
           vex_rvmi, vex_is4, vex_broadcast, vex_insert_lane, vex_fma, vex_insertps))
        return v;
    if (IS(fn, vex_store, vex_movs_store, vex_movlp_store, vex_movhp_store, vex_extract_lane)) {
        v.store = true;
        return v;
    }
    if (fn == vex_movd_load || fn == vex_movd_store) {
        v.gpr_rm = true;
        v.store = fn == vex_movd_store;
        return v;
    }
    if (fn == vex_from_gpr) {
        v.gpr_rm = true;
        return v;
    }
    if (fn == vex_to_gpr) {
        v.gpr_reg = true;
        return v;
    }
    if (fn == vex_flags) {
        v.flags = true;
        return v;
    }
    if (fn == vex_zero) {
        v.operands = false;
        return v;
    }
    if (IS(fn, vex_andn, vex_bls, vex_bextr, vex_bzhi, vex_pext, vex_pdep, vex_shlx, vex_sarx,
           vex_shrx, vex_rorx)) {
        v.gpr_reg = v.gpr_rm = v.gpr_vvvv = true;
        v.flags = IS(fn, vex_andn, vex_bls, vex_bextr, vex_bzhi);
        v.digit = fn == vex_bls;
        return v;
    }
    v.known = false;
    return v;
}

static unsigned pp_of(const Insn *i)
{
    unsigned pp = 0;

    while (pp < 3 && vex_find(i->opcode >> 8, (uint8_t)i->opcode, pp, i->rex & 8) != i->row &&
           vex_find(i->opcode >> 8, (uint8_t)i->opcode, pp, false) != i->row)
        pp++;
    return pp;
}

static void e_vex(Emit *e, const Insn *i, unsigned reg, unsigned vvvv, Operand rm)
{
    unsigned rex = e_rex_bits(reg, rm);

    e8(e, 0xc4);
    e8(e, (rex & 4 ? 0 : 0x80) | (rex & 2 ? 0 : 0x40) | (rex & 1 ? 0 : 0x20) | i->opcode >> 8);
    e8(e, (i->vex & VEX_W ? 0x80 : 0) | (~vvvv & 15) << 3 | (i->vex & VEX_L ? 4 : 0) | pp_of(i));
    e8(e, i->opcode & 0xff);
}

static bool at_home(unsigned g) { return host_reg[g] != IN_MEMORY; }

/* VZEROUPPER and VZEROALL are about registers 0 to 7 only outside 64-bit mode. */
static void emit_zero(Xlat *x, const Insn *i)
{
    Emit *e = &x->e;

    if (x->in_64) {
        e_vex(e, i, 0, 0, opd_reg(0));
        return;
    }
    for (unsigned n = 0; n < 8; n++) {
        e8(e, 0xc5);
        if (i->vex & VEX_L) {                       /* vpxor xmmN, xmmN, xmmN */
            e8(e, 0x81 | (~n & 15) << 3);
            e8(e, 0xef);
        } else {                                    /* vmovdqa xmmN, xmmN */
            e8(e, 0xf9);
            e8(e, 0x6f);
        }
        e8(e, 0xc0 | n << 3 | n);
    }
}

bool vex_known(const Xlat *x, const Insn *i)
{
    bool uses_vvvv = vex_row(i)->flags & VF_VVVV;
    Vex v = form_of(i);

    if (v.digit && ((i->modrm >> 3 & 7) < 1 || (i->modrm >> 3 & 7) > 3))
        return false;
    if (!v.known || (!x->in_64 && (i->vex & VEX_W)))
        return false;
    return !v.operands || !((v.gpr_reg && !v.digit && !at_home(i->reg)) ||
                            (v.gpr_rm && i->rm != REG_MEM && !at_home(i->rm)) ||
                            (v.gpr_vvvv && uses_vvvv && !at_home(vex_vvvv(i))));
}

uint16_t vex_writes(const Insn *i)
{
    Vex v = form_of(i);

    if (v.digit)
        return (uint16_t)(1u << vex_vvvv(i));
    if (v.gpr_reg)
        return (uint16_t)(1u << i->reg);
    return v.gpr_rm && v.store && i->rm != REG_MEM ? (uint16_t)(1u << i->rm) : 0;
}

MemoryForm vex_memory(const Insn *i)
{
    const VexRow *row = vex_row(i);
    Vex v = form_of(i);
    uint8_t size = row->flags & VF_GPR ? i->opsize : v.gpr_rm ? i->rex & 8 ? 8 : 4 : (uint8_t)vex_size(i);

    return (MemoryForm){ size, row->flags & VF_ALIGN ? size : 0, v.store };
}

bool vex_is_general(const Insn *i) { return vex_row(i)->flags & VF_GPR; }

bool vex_emit(Xlat *x, const Insn *i)
{
    const VexRow *row = vex_row(i);
    Vex v = form_of(i);
    unsigned reg = i->reg, vvvv = vex_vvvv(i), spare;
    bool uses_vvvv = row->flags & VF_VVVV;
    MemoryForm m = vex_memory(i);
    Emit *e = &x->e;
    Operand rm;

    if (!vex_known(x, i))
        return false;
    if (!vex_is_general(i))
        vector_ensure(x, true);
    if (!v.operands) {
        emit_zero(x, i);
        return true;
    }
    if (i->rm == REG_MEM)
        rm = memory_operand(x, i, m.size, m.write ? m.align ? FOR_WRITE_16 : FOR_WRITE
                            : m.align ? FOR_READ_16 : FOR_READ, &spare);
    else
        rm = opd_reg(v.gpr_rm ? host_reg[i->rm] : i->rm);
    if (v.digit)
        reg = i->modrm >> 3 & 7;
    else if (v.gpr_reg)
        reg = host_reg[i->reg];
    if (v.gpr_vvvv && uses_vvvv)
        vvvv = host_reg[vvvv];
    e_vex(e, i, reg, vvvv, rm);
    e_modrm(e, reg, rm);
    if (row->flags & VF_IMM)
        e8(e, (uint8_t)i->imm);
    else if (row->flags & VF_IS4)
        e8(e, (unsigned)i->aux << 4);
    if (v.flags)
        flags_written(x);
    return true;
}
