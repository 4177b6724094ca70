/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ops.c - the integer instructions that the translator emits.
 *
 * Most are the guest's own instruction with other registers and another memory operand: form_of()
 * tells its operands, and emit_form() builds it again.  Those that need more than that have functions
 * of their own (branch.c: stack and branches).  Everything else is left to its body.
 */
#include "hypervisor/soft/jit/xlat.h"
#include "hypervisor/soft/ops.h"

/* What an instruction does to the flags. */
enum { FL_NONE, FL_ALL, FL_PART };      /* PART: some stay, so they must be in the host before */

typedef struct Form {
    uint8_t map, op, prefix;
    uint8_t digit;              /* ModRM.reg when it is no register; NO_REG otherwise */
    uint8_t size;               /* operand size for the encoding */
    uint8_t rm_size, reg_size;
    bool rm_in, rm_out, reg_in, reg_out;
    bool no_rm;
    uint8_t imm_size;
    uint8_t flags;
    bool reads;                 /* flags */
    bool lock;                  /* LOCK or its implied form when rm is memory */
} Form;

static bool fits8(uint64_t v) { return v == (uint64_t)(int64_t)(int8_t)v; }

/* Group 1 and its like: op 0..7 (ADD OR ADC SBB AND SUB XOR CMP). */
static void alu(Form *f, unsigned op)
{
    f->flags = FL_ALL;
    f->reads = op == 2 || op == 3;
    f->rm_in = true;
}

static void form_imm(Form *f, const Insn *i, unsigned op8, unsigned op, unsigned op_short)
{
    if (i->opsize == 1) {
        f->op = (uint8_t)op8;
        f->imm_size = 1;
    } else if (op_short && fits8(i->imm)) {
        f->op = (uint8_t)op_short;
        f->imm_size = 1;
    } else {
        f->op = (uint8_t)op;
        f->imm_size = i->opsize == 2 ? 2 : 4;
    }
}

static bool form_shift(Form *f, const Insn *i, unsigned op)
{
    unsigned digit = i->modrm >> 3 & 7, count;

    f->op = i->opsize == 1 ? 0xc0 : 0xc1;
    f->digit = (uint8_t)digit;
    f->rm_in = f->rm_out = true;
    f->flags = FL_PART;
    if (op >= 0xd2) {
        f->op = i->opsize == 1 ? 0xd2 : 0xd3;
    } else {
        f->imm_size = 1;
        count = op >= 0xd0 ? 1 : i->imm & (i->opsize == 8 ? 63 : 31);
        if (digit >= 4 && count)
            f->flags = FL_ALL;
        if (op >= 0xd0) {
            f->op = i->opsize == 1 ? 0xd0 : 0xd1;
            f->imm_size = 0;
        }
    }
    f->reads = digit == 2 || digit == 3;
    return true;
}

static bool form_group3(Form *f, const Insn *i)
{
    unsigned digit = i->modrm >> 3 & 7;

    f->op = i->opsize == 1 ? 0xf6 : 0xf7;
    f->digit = (uint8_t)digit;
    f->rm_in = true;
    f->flags = FL_ALL;
    switch (digit) {
    case 0: case 1:
        f->digit = 0;
        f->imm_size = i->opsize == 1 ? 1 : i->opsize == 2 ? 2 : 4;
        return true;
    case 2:
        f->flags = FL_NONE;
        f->rm_out = true;
        return true;
    case 3:
        f->rm_out = true;
        return true;
    case 4: case 5:
        return true;
    }
    return false;
}

static bool form_0f(Form *f, const Insn *i)
{
    unsigned op = i->opcode & 0xff;

    f->map = 1;
    f->op = (uint8_t)op;
    switch (op) {
    case 0x40 ... 0x4f:
        f->rm_in = f->reg_in = f->reg_out = true;
        f->reads = true;
        return true;
    case 0x90 ... 0x9f:
        f->digit = 0;
        f->rm_out = true;
        f->reads = true;
        return true;
    case 0xa3:
        f->rm_in = f->reg_in = true;
        f->flags = FL_PART;
        return i->rm != REG_MEM;
    case 0xab: case 0xb3: case 0xbb:
        f->rm_in = f->rm_out = f->reg_in = true;
        f->flags = FL_PART;
        return i->rm != REG_MEM;
    case 0xba:
        f->digit = i->modrm >> 3 & 7;
        f->rm_in = true;
        f->rm_out = f->digit > 4;
        f->imm_size = 1;
        f->flags = FL_PART;
        return true;
    case 0xa4: case 0xac:
        f->rm_in = f->rm_out = f->reg_in = true;
        f->imm_size = 1;
        f->flags = i->opsize == 2 || !(i->imm & (i->opsize == 8 ? 63 : 31)) ? FL_PART : FL_ALL;
        return true;
    case 0xa5: case 0xad:
        f->rm_in = f->rm_out = f->reg_in = true;
        f->flags = FL_PART;
        return true;
    case 0xaf:
        f->rm_in = f->reg_in = f->reg_out = true;
        f->flags = FL_ALL;
        return true;
    case 0xb6: case 0xbe:
        f->rm_size = 1;
        f->rm_in = f->reg_out = true;
        return true;
    case 0xb7: case 0xbf:
        f->rm_size = 2;
        f->rm_in = f->reg_out = true;
        return true;
    case 0xb8:
        f->prefix = 0xf3;
        f->rm_in = f->reg_out = true;
        f->flags = FL_ALL;
        return i->prefix & PFX_REP;
    case 0xbc: case 0xbd:
        f->rm_in = f->reg_in = f->reg_out = true;
        f->flags = FL_PART;
        f->prefix = i->prefix & PFX_REP ? 0xf3 : 0;
        return !(i->prefix & PFX_REPNE);
    case 0xb0: case 0xb1:
        f->rm_in = f->rm_out = f->reg_in = true;
        f->flags = FL_ALL;
        f->op = i->opsize == 1 ? 0xb0 : 0xb1;
        return true;
    case 0xc0: case 0xc1:
        f->rm_in = f->rm_out = f->reg_in = f->reg_out = true;
        f->flags = FL_ALL;
        f->op = i->opsize == 1 ? 0xc0 : 0xc1;
        return true;
    case 0xc8 ... 0xcf:
        f->no_rm = true;
        return false;
    }
    return false;
}

static bool form_1byte(Form *f, const Insn *i)
{
    unsigned op = i->opcode;

    f->op = (uint8_t)op;
    switch (op) {
    case 0x00 ... 0x3f:
        if ((op & 7) > 5)
            return false;
        alu(f, op >> 3);
        if ((op & 7) >= 4) {
            f->digit = (uint8_t)(op >> 3);
            form_imm(f, i, 0x80, 0x81, 0x83);
            f->rm_out = op >> 3 != 7;
        } else if (op & 2) {
            f->reg_in = true;
            f->reg_out = op >> 3 != 7;
        } else {
            f->reg_in = true;
            f->rm_out = op >> 3 != 7;
        }
        return true;
    case 0x40 ... 0x4f:
        f->op = 0xff;
        f->digit = op >= 0x48;
        f->rm_in = f->rm_out = true;
        f->flags = FL_PART;
        return true;
    case 0x63:
        f->rm_size = 4;
        f->rm_in = f->reg_out = true;
        return i->opsize == 8;
    case 0x69: case 0x6b:
        f->rm_in = f->reg_out = true;
        f->flags = FL_ALL;
        form_imm(f, i, 0x69, 0x69, 0x6b);
        return true;
    case 0x80 ... 0x83:
        f->digit = i->modrm >> 3 & 7;
        alu(f, f->digit);
        f->rm_out = f->digit != 7;
        form_imm(f, i, 0x80, 0x81, 0x83);
        return true;
    case 0x84: case 0x85:
        f->rm_in = f->reg_in = true;
        f->flags = FL_ALL;
        return true;
    case 0x86: case 0x87:
        f->rm_in = f->rm_out = f->reg_in = f->reg_out = true;
        f->lock = true;
        return true;
    case 0x88: case 0x89:
        f->rm_out = f->reg_in = true;
        return true;
    case 0x8a: case 0x8b:
        f->rm_in = f->reg_out = true;
        return true;
    case 0x91 ... 0x97: case 0x90:
        f->op = 0x87;
        f->digit = NO_REG;
        f->rm_in = f->rm_out = f->reg_in = f->reg_out = true;
        return true;
    case 0xa8: case 0xa9:
        f->op = i->opsize == 1 ? 0xf6 : 0xf7;
        f->digit = 0;
        f->rm_in = true;
        f->imm_size = i->opsize == 1 ? 1 : i->opsize == 2 ? 2 : 4;
        f->flags = FL_ALL;
        return true;
    case 0xc0: case 0xc1: case 0xd0 ... 0xd3:
        return form_shift(f, i, op);
    case 0xc6: case 0xc7:
        f->digit = 0;
        f->rm_out = true;
        f->imm_size = i->opsize == 1 ? 1 : i->opsize == 2 ? 2 : 4;
        return true;
    case 0xf6: case 0xf7:
        return form_group3(f, i);
    case 0xfe: case 0xff:
        f->digit = i->modrm >> 3 & 7;
        f->op = i->opsize == 1 ? 0xfe : 0xff;
        f->rm_in = f->rm_out = true;
        f->flags = FL_PART;
        return f->digit < 2;
    }
    return false;
}

/* false: none that emit_form() could do. */
static bool form_of(const Insn *i, Form *f)
{
    *f = (Form){ .digit = NO_REG, .size = i->opsize, .rm_size = i->opsize,
                 .reg_size = i->opsize };
    if (!(i->opcode < 0x100 ? form_1byte(f, i) : i->opcode < 0x200 && form_0f(f, i)))
        return false;
    if (i->prefix & PFX_LOCK)
        f->lock = true;
    return true;
}

/* --- operands --- */
/* AH and its like can be named only where nothing needs a REX prefix. */
static bool encodable(const Insn *i, const Form *f)
{
    bool reg_used = f->digit == NO_REG;
    bool high = (reg_used && is_high(i->reg, f->reg_size)) ||
                (i->rm != REG_MEM && is_high(i->rm, f->rm_size));

    if (!high)
        return true;
    if (i->rm == REG_MEM || f->size == 8)
        return false;
    if (reg_used && (in_memory(i->reg, f->reg_size) ||
                     (host_name(i->reg, f->reg_size, 0) & ~(unsigned)REG_HIGH) >=
                     (f->reg_size == 1 && !is_high(i->reg, 1) ? 4u : 8u)))
        return false;
    return !in_memory(i->rm, f->rm_size) &&
           (host_name(i->rm, f->rm_size, 0) & ~(unsigned)REG_HIGH) <
           (f->rm_size == 1 && !is_high(i->rm, 1) ? 4u : 8u);
}

/* CLEAR_FLAGS in body.h says why. */
static void clear_flags(Xlat *x)
{
    e_op(&x->e, 4, 0, 0, 0x39, RSP, opd_reg(RSP));      /* cmp esp, esp */
}

static bool is_multiply(const Form *f)
{
    if (f->map)
        return f->map == 1 && f->op == 0xaf;
    return f->op == 0x69 || f->op == 0x6b || ((f->op | 1) == 0xf7 && (f->digit & ~1u) == 4);
}

static void flags_before(Xlat *x, const Form *f)
{
    if (f->reads || f->flags == FL_PART)
        flags_to_host(x);
    if (is_multiply(f))
        clear_flags(x);
}

static void again_note(Xlat *x, const Insn *i, const Form *f);
static void again_count(Xlat *x, const Insn *i, const Form *f);

static void flags_after(Xlat *x, const Insn *i, const Form *f)
{
    bool again = x->flags & FLAGS_AGAIN;

    if (f->flags != FL_NONE)
        flags_written(x);
    if (f->flags == FL_ALL)
        again_note(x, i, f);
    else if (again && f->flags == FL_PART)
        again_count(x, i, f);
}

/* The group 1 operation, 8 for TEST and NEG, or -1. */
static int again_kind(const Form *f)
{
    if (f->map || f->prefix)
        return -1;
    if (f->op < 0x40)
        return f->op >> 3;
    if (f->op >= 0x80 && f->op <= 0x83)
        return f->digit;
    if (f->op == 0x84 || f->op == 0x85)
        return 8;
    return (f->op == 0xf6 || f->op == 0xf7) && (f->digit == 0 || f->digit == 3) ? 8 : -1;
}

static Operand again_operand(const Xlat *x, unsigned r, unsigned size)
{
    unsigned g = guest_number(r, size);

    return host_reg[g] == IN_MEMORY ? opd_abs(&x->c->gpr[g]) : opd_reg(host_reg[g]);
}

/* The flags are those of register g's value, as AND, OR and XOR leave them. */
static void again_result(Xlat *x, unsigned r, unsigned size)
{
    FlagsAgain *a = &x->again;
    Operand rm = again_operand(x, r, size);

    a->size = (uint8_t)size;
    a->count = 1;
    a->op[0].rm = rm;
    a->op[0].imm = 0;
    if (rm.mem) {                               /* cmp rm, 0 */
        a->op[0].op = size == 1 ? 0x80 : 0x83;
        a->op[0].reg = 7;
        a->op[0].imm_size = 1;
        a->op[0].byte_reg = false;
    } else {                                    /* test rm, rm */
        a->op[0].op = size == 1 ? 0x84 : 0x85;
        a->op[0].reg = rm.reg;
        a->op[0].imm_size = 0;
        a->op[0].byte_reg = true;
    }
    a->uses = (uint16_t)(1u << guest_number(r, size));
}

/* After an instruction that wrote all flags: can they be made again? */
static void again_note(Xlat *x, const Insn *i, const Form *f)
{
    int kind = again_kind(f);
    bool uses_reg = f->digit == NO_REG, undo = kind == 0 || kind == 5 || (kind == 8 && f->digit == 3);
    bool to_reg = f->op < 0x40 && (f->op & 2);
    unsigned reg_g = guest_number(i->reg, f->reg_size), rm_g = guest_number(i->rm, f->rm_size);
    FlagsAgain *a = &x->again;
    Operand rm;

    if (kind < 0 || kind == 2 || kind == 3 || (uses_reg && is_high(i->reg, f->reg_size)) ||
        (i->rm != REG_MEM && is_high(i->rm, f->rm_size)))
        return;
    if (kind == 4 || kind == 1 || kind == 6) {
        if (!to_reg && i->rm == REG_MEM)
            return;
        again_result(x, to_reg ? i->reg : i->rm, f->size);
    } else {
        if (i->rm == REG_MEM || (undo && uses_reg && reg_g == rm_g))
            return;
        rm = again_operand(x, i->rm, f->rm_size);
        a->size = f->size;
        a->count = 1;
        a->op[0].byte_reg = uses_reg;
        a->uses = (uint16_t)(1u << rm_g);
        a->op[0].op = f->op;
        a->op[0].reg = f->digit;
        a->op[0].rm = rm;
        a->op[0].imm = i->imm;
        a->op[0].imm_size = f->imm_size;
        if (uses_reg) {
            a->uses |= (uint16_t)(1u << reg_g);
            a->op[0].reg = host_reg[reg_g];
            if (host_reg[reg_g] == IN_MEMORY) {     /* the other direction */
                if (rm.mem)
                    return;
                a->op[0].op ^= kind == 8 ? 0 : 2;
                a->op[0].reg = rm.reg;
                a->op[0].rm = again_operand(x, i->reg, f->reg_size);
            }
        }
        if (undo) {
            a->op[a->count++] = a->op[0];
            if (kind != 8 && uses_reg)
                a->op[0].op ^= 0x28;                /* ADD and SUB */
            else if (kind != 8)
                a->op[0].reg ^= 5;
        }
    }
    x->flags |= FLAGS_AGAIN;
    x->again_new = true;
}

/* After INC or DEC, which leave CF: its opposite, what made the flags before, and it once more. */
static void again_count(Xlat *x, const Insn *i, const Form *f)
{
    unsigned g = guest_number(i->rm, f->rm_size);
    FlagsAgain *a = &x->again, before = *a;

    if (f->map || (f->op != 0xfe && f->op != 0xff) || i->rm == REG_MEM || is_high(i->rm, f->rm_size) ||
        before.count + 2 > FLAGS_AGAIN_OPS || before.size != f->size)
        return;
    for (unsigned n = 0; n < before.count; n++)
        a->op[n + 1] = before.op[n];
    a->op[0] = (AgainOp){ .op = f->op, .reg = f->digit ^ 1, .rm = again_operand(x, i->rm, f->rm_size) };
    a->op[before.count + 1] = a->op[0];
    a->op[before.count + 1].reg = f->digit;
    a->count = before.count + 2;
    a->uses |= (uint16_t)(1u << g);
    x->flags |= FLAGS_AGAIN;
    x->again_new = true;
}

/* The scratch register for guest register g, but not the one that is avoided; with its value when
 * that is wanted. */
static unsigned scratch_for(Xlat *x, unsigned g, unsigned avoid, bool value)
{
    unsigned s = x->held[1] == g ? SCRATCH_B : x->held[0] == g ? SCRATCH_A
                 : avoid == SCRATCH_A ? SCRATCH_B : SCRATCH_A;

    if (s == avoid)
        s = avoid == SCRATCH_A ? SCRATCH_B : SCRATCH_A;
    if (value && x->held[s == SCRATCH_B] != g)
        e_load(&x->e, s, opd_abs(&x->c->gpr[g]));
    x->held[s == SCRATCH_B] = (uint8_t)g;
    return s;
}

/* The value of g changed in scratch register s: the other one may have had the old one. */
static void scratch_written(Xlat *x, unsigned s, unsigned g)
{
    unsigned other = s == SCRATCH_A;

    e_store(&x->e, opd_abs(&x->c->gpr[g]), s);
    if (x->held[other] == g)
        x->held[other] = NO_REG;
}

/* emit_form() without memory: what comes from Cpu.gpr is kept in the scratch registers. */
static void emit_registers(Xlat *x, const Insn *i, const Form *f)
{
    bool uses_reg = f->digit == NO_REG;
    unsigned rm_g = guest_number(i->rm, f->rm_size), reg_g = guest_number(i->reg, f->reg_size);
    bool rm_out_of_home = host_reg[rm_g] == IN_MEMORY;
    bool reg_out_of_home = uses_reg && host_reg[reg_g] == IN_MEMORY;
    unsigned rm = host_name(i->rm, f->rm_size, 0), reg = f->digit, rm_scratch = NO_REG;

    if (rm_out_of_home)
        rm = rm_scratch = scratch_for(x, rm_g, reg_out_of_home && x->held[0] == reg_g
                                      ? SCRATCH_A : reg_out_of_home && x->held[1] == reg_g
                                      ? SCRATCH_B : NO_REG, f->rm_in || f->rm_size < 4);
    if (uses_reg)
        reg = reg_out_of_home ? scratch_for(x, reg_g, rm_scratch, f->reg_in || f->reg_size < 4)
                              : host_name(i->reg, f->reg_size, 0);
    flags_before(x, f);
    e_op_byte(&x->e, f->size, f->prefix, f->map, f->op, reg, uses_reg && f->reg_size == 1,
              opd_reg(rm), f->rm_size == 1);
    e_imm_of(&x->e, f->imm_size, i->imm);
    if (reg_out_of_home && f->reg_out)
        scratch_written(x, reg, reg_g);
    if (rm_out_of_home && f->rm_out)
        scratch_written(x, rm, rm_g);
    flags_after(x, i, f);
    x->keep = true;
}

/* With rm in the place of the memory operand, which leaves reg_scratch free. */
static void emit_memory(Xlat *x, const Insn *i, const Form *f, Operand rm, unsigned reg_scratch)
{
    bool uses_reg = f->digit == NO_REG;
    unsigned reg = uses_reg ? host_name(i->reg, f->reg_size, reg_scratch) : f->digit;
    Emit *e = &x->e;

    if (uses_reg && in_memory(i->reg, f->reg_size) && (f->reg_in || f->reg_size < 4))
        fetch(x, reg_scratch, i->reg, f->reg_size);
    flags_before(x, f);
    if (i->prefix & PFX_LOCK)
        e8(e, 0xf0);
    e_op_byte(e, f->size, f->prefix, f->map, f->op, reg, uses_reg && f->reg_size == 1, rm,
              f->rm_size == 1);
    e_imm_of(e, f->imm_size, i->imm);
    if (uses_reg && f->reg_out && in_memory(i->reg, f->reg_size))
        put_back(x, reg_scratch, i->reg, f->reg_size);
    flags_after(x, i, f);
}

static bool emit_form(Xlat *x, const Insn *i, const Form *f)
{
    unsigned reg_scratch = SCRATCH_B;
    Operand rm;

    if (!encodable(i, f))
        return false;
    if (i->rm != REG_MEM) {
        emit_registers(x, i, f);
        return true;
    }
    rm = memory_operand(x, i, f->rm_size, !f->rm_out ? FOR_READ : f->lock ? FOR_LOCK
                        : FOR_WRITE, &reg_scratch);
    emit_memory(x, i, f, rm, reg_scratch);
    return true;
}

/* MOV between RAX and an address in the instruction as the MOV with ModRM. */
static Insn with_modrm(const Insn *i)
{
    Insn m = *i;

    if (i->opcode >= 0xa0 && i->opcode <= 0xa3) {
        m.opcode = (uint16_t)(0x88 | (i->opcode & 2 ? 0 : 2) | (i->opcode & 1));
        m.base = m.index = REG_ZERO;
        m.disp = (int32_t)i->imm;
        m.rm = REG_MEM;
        m.reg = 0;
    }
    return m;
}

/* The host's vector registers must not be the guest's, which C may use. */
void op_device(Xlat *x, const Insn *i, const uint8_t *resume)
{
    Operand value = opd_abs(&x->c->jit_value);
    uint8_t *vectors, *refused;
    Insn m = with_modrm(i);
    Emit *e = &x->e;
    Form f;

    if (m.rm != REG_MEM || !form_of(&m, &f) || f.lock || f.flags != FL_NONE || f.reads ||
        f.rm_in == f.rm_out || memory_has_base(x, m.seg))
        return;
    e_op(e, 1, 0, 0, 0x80, 7, opd_abs(&x->c->vec_live));
    e8(e, 0);
    vectors = e_jcc(e, CC_NE);
    if (f.rm_out)
        emit_memory(x, &m, &f, value, SCRATCH_B);
    memory_address(x, &m);
    e_imm(e, SCRATCH_B, f.rm_size);
    e_call_to(e, f.rm_out ? x->j->device_write : x->j->device_read);
    refused = e_jcc(e, CC_E);
    if (f.rm_in)
        emit_memory(x, &m, &f, value, SCRATCH_B);
    e_jmp_to(e, resume);        /* where the host's flags aren't the guest's, either */
    e_patch(vectors, e->p);
    e_patch(refused, e->p);
}

/* --- moves with shapes of their own --- */
static bool emit_mov_imm(Xlat *x, const Insn *i)
{
    Emit *e = &x->e;

    if (i->opsize < 4) {
        unsigned r = host_name(i->reg, i->opsize, SCRATCH_A);

        if (in_memory(i->reg, i->opsize))
            fetch(x, SCRATCH_A, i->reg, i->opsize);
        e_op_byte(e, i->opsize, 0, 0, i->opsize == 1 ? 0xc6 : 0xc7, 0, false, opd_reg(r),
                  i->opsize == 1);
        e_imm_of(e, i->opsize, i->imm);
        if (in_memory(i->reg, i->opsize))
            put_back(x, SCRATCH_A, i->reg, i->opsize);
        return true;
    }
    x->keep = !in_memory(i->reg, 8);
    e_imm(e, host_name(i->reg, 8, SCRATCH_A), i->opsize == 4 ? (uint32_t)i->imm : i->imm);
    if (in_memory(i->reg, 8))
        put_back(x, SCRATCH_A, i->reg, 8);
    return true;
}

/* MOV between RAX and an address in the instruction. */
static bool emit_moffs(Xlat *x, const Insn *i)
{
    Insn m = with_modrm(i);
    Form f;

    if (i->asize == 8 && i->imm != (uint64_t)(int64_t)(int32_t)i->imm)
        return false;
    return form_of(&m, &f) && emit_form(x, &m, &f);
}

static bool emit_lea(Xlat *x, const Insn *i)
{
    Emit *e = &x->e;
    unsigned to = host_name(i->reg, 8, SCRATCH_A);
    bool plain = i->asize == 8 && i->base != REG_RIP && i->opsize >= 4 &&
                 (i->base == REG_ZERO || host_reg[i->base] != IN_MEMORY) &&
                 (i->index == REG_ZERO || host_reg[i->index] != IN_MEMORY);

    if (i->opsize == 2)
        return false;
    if (plain) {
        x->keep = to != SCRATCH_A;
        e_lea(e, i->opsize, to,
              opd_index(i->base == REG_ZERO ? NO_REG : host_reg[i->base],
                        i->index == REG_ZERO ? NO_REG : host_reg[i->index], i->scale, i->disp));
    } else {
        memory_address(x, i);
        if (to != SCRATCH_A || i->opsize == 4)
            e_op(e, i->opsize, 0, 0, 0x8b, to, opd_reg(SCRATCH_A));
    }
    if (in_memory(i->reg, 8))
        put_back(x, SCRATCH_A, i->reg, 8);
    return true;
}

static bool emit_bswap(Xlat *x, const Insn *i)
{
    unsigned r = host_name(i->reg, 8, SCRATCH_A);
    Emit *e = &x->e;

    if (i->opsize < 4)
        return false;
    if (in_memory(i->reg, 8))
        fetch(x, SCRATCH_A, i->reg, 8);
    if (r & 8 || i->opsize == 8)
        e8(e, 0x40 | (i->opsize == 8 ? 8 : 0) | (r & 8 ? 1 : 0));
    e8(e, 0x0f);
    e8(e, 0xc8 | (r & 7));
    if (in_memory(i->reg, 8))
        put_back(x, SCRATCH_A, i->reg, 8);
    return true;
}

/* CBW and CWD with all their names work on RAX and RDX, which are at home. */
static bool emit_convert(Xlat *x, const Insn *i)
{
    if (i->opsize == 2)
        e8(&x->e, 0x66);
    if (i->opsize == 8)
        e8(&x->e, 0x48);
    e8(&x->e, i->opcode);
    return true;
}

static bool emit_plain(Xlat *x, const Insn *i, bool reads, bool writes)
{
    if (reads)
        flags_to_host(x);
    e8(&x->e, i->opcode);
    if (writes)
        flags_written(x);
    return true;
}

/* --- division: only what can't fault goes to the host's instruction --- */
static bool emit_divide(Xlat *x, const Insn *i)
{
    bool is_signed = (i->modrm >> 3 & 7) == 7;
    unsigned size = i->opsize;
    Emit *e = &x->e;

    if (size < 4)
        return false;
    rm_to_scratch(x, i);
    if (!is_signed) {
        e_op(e, size, 0, 0, 0x3b, RDX, opd_reg(SCRATCH_A));     /* the quotient fits */
        slow_if(x, CC_AE);
    } else {
        e_op(e, size, 0, 0, 0x8b, SCRATCH_B, opd_reg(RAX));
        e_op(e, size, 0, 0, 0xc1, 7, opd_reg(SCRATCH_B));
        e8(e, size * 8 - 1);
        e_op(e, size, 0, 0, 0x3b, SCRATCH_B, opd_reg(RDX));     /* a dividend of one word */
        slow_if(x, CC_NE);
        e_lea(e, size, SCRATCH_B, opd_mem(SCRATCH_A, 1));       /* neither 0 nor -1 */
        e_alu_imm(e, size, 7, opd_reg(SCRATCH_B), 1);
        slow_if(x, CC_BE);
    }
    e_op(e, size, 0, 0, 0xf7, is_signed ? 7 : 6, opd_reg(SCRATCH_A));
    clear_flags(x);
    flags_written(x);
    return true;
}

/* --- the lists --- */
static bool is_divide(const Insn *i)
{
    return i->opcode == 0xf7 && (i->modrm >> 3 & 7) >= 6;
}

/* Whoever spins for a lock sees it free the sooner the less is done here; now and then the body gives the host's
 * processor away. */
static bool emit_pause(Xlat *x)
{
    Emit *e = &x->e;

    flags_leave_host(x);
    e8(e, 0xf3);
    e8(e, 0x90);
    e_alu_imm(e, 4, 0, opd_abs(&x->c->pauses), 1);
    e_alu_imm(e, 4, 7, opd_abs(&x->c->pauses), PAUSE_PATIENCE);
    slow_if(x, CC_AE);
    return true;
}

static bool emit_special(Xlat *x, const Insn *i, bool *known)
{
    unsigned op = i->opcode, digit = i->modrm >> 3 & 7;

    *known = true;
    switch (op) {
    case 0x8d: return emit_lea(x, i);
    case 0x90:
        if (i->rex & 1)
            break;
        return body_of(x, i) != op_pause || x->c->engine->cpu_count < 2 || emit_pause(x);
    case 0x118 ... 0x11f: case 0x10d: return true;
    case 0x1ae:
        if (i->rm != REG_MEM)
            return atomic_emit_fence(x, i);
        break;
    case 0x1c7: return atomic_emit_cmpxchg(x, i);
    case 0x98: case 0x99: return emit_convert(x, i);
    case 0x9e: return emit_plain(x, i, true, true);
    case 0x9f: return emit_plain(x, i, true, false);
    case 0xa4: case 0xa5: case 0xaa: case 0xab: return string_emit(x, i);
    case 0xa0 ... 0xa3: return emit_moffs(x, i);
    case 0xb0 ... 0xbf: return emit_mov_imm(x, i);
    case 0xf5: return emit_plain(x, i, true, true);
    case 0xf8: case 0xf9: return emit_plain(x, i, true, true);
    case 0x1c8 ... 0x1cf: return emit_bswap(x, i);
    case 0xf7:
        if (digit >= 6)
            return emit_divide(x, i);
        break;
    }
    *known = false;
    return false;
}

bool op_emit(Xlat *x, const Insn *i)
{
    bool known, done;
    Form f;

    if (body_of(x, i) == op_ud || body_of(x, i) == op_gp)
        return false;
    if (i->opcode == POINT_OPCODE)
        return point_emit(x, i);
    if (i->row)
        return vex_emit(x, i);
    done = emit_special(x, i, &known);
    if (!known)
        done = branch_emit(x, i, &known);
    if (known)
        return done;
    if (system_emit(x, i))
        return true;
    if (sse_known(i))
        return sse_emit(x, i);
    if (x87_known(i))
        return x87_emit(x, i);
    if (mmx_known(i))
        return mmx_emit(x, i);
    if (i->opcode == 0x9b)
        return x87_emit_fwait(x);
    return (form_of(i, &f) && emit_form(x, i, &f)) || bits_emit(x, i);
}

/* A form, and emitted as one. */
static bool plain_form(const Xlat *x, const Insn *i, Form *f)
{
    unsigned op = i->opcode;

    return op != 0x90 && !(op == 0xf7 && (i->modrm >> 3 & 7) >= 6) && !sse_known(i) && !x87_known(i) &&
           !mmx_known(i) && body_of(x, i) != op_ud && body_of(x, i) != op_gp && form_of(i, f) &&
           encodable(i, f);
}

bool op_memory_form(const Insn *i, MemoryForm *m)
{
    Form f;

    if (i->rm != REG_MEM)
        return false;
    if (i->row) {
        *m = vex_memory(i);
        return true;
    }
    if (sse_known(i)) {
        *m = sse_memory(i);
        return true;
    }
    if (!form_of(i, &f) || f.lock)
        return false;
    *m = (MemoryForm){ f.rm_size, 0, f.rm_out };
    return true;
}

bool op_stays(const Xlat *x, const Insn *i)
{
    unsigned op = i->opcode, digit = i->modrm >> 3 & 7;
    Form f;

    if (body_of(x, i) == op_ud || body_of(x, i) == op_gp)
        return false;
    if (i->row)
        return vex_known(x, i);
    if (sse_known(i))
        return true;
    switch (op) {
    case 0x50 ... 0x5f: case 0x68: case 0x6a: case 0xc2: case 0xc3: case 0xc9: case 0xe8:
        return stack_plain(x, i);
    case 0x70 ... 0x7f: case 0x180 ... 0x18f: case 0xe9: case 0xeb: case 0x98: case 0x99:
    case 0xb0 ... 0xbf: case 0x118 ... 0x11f:
        return true;
    case 0x8d: return i->opsize != 2;
    case 0x90: return body_of(x, i) == op_nop;
    case 0x1c8 ... 0x1cf: return i->opsize >= 4;
    case 0xff:
        if (digit == 2 || digit == 6)
            return stack_plain(x, i);
        if (digit == 4)
            return true;
        break;
    }
    return plain_form(x, i, &f);
}

FlagUse op_flag_use(const Xlat *x, const Insn *i)
{
    FlagUse u = { .may_leave = true };
    bool member = x->plan[i - x->b->insn].role >= GROUP_MEMBER;
    unsigned op = i->opcode;
    Form f;

    if (i->opcode == POINT_OPCODE || body_of(x, i) == op_ud || body_of(x, i) == op_gp)
        return u;
    if (i->row || sse_known(i)) {
        bool ready = x->plan[i - x->b->insn].vector || (i->row && vex_is_general(i));

        if (ready && (!i->row || vex_known(x, i)) && (i->rm != REG_MEM || member)) {
            u.may_leave = false;
            u.writes_all = !i->row && sse_flags(i);
        }
        return u;
    }
    if ((op >= 0x70 && op <= 0x7f) || (op >= 0x180 && op <= 0x18f)) {
        u.may_leave = false;
        u.reads = true;
        return u;
    }
    if (op == 0x8d || op == 0x98 || op == 0x99 || (op >= 0xb0 && op <= 0xbf) ||
        (op >= 0x1c8 && op <= 0x1cf) || (op == 0x90 && body_of(x, i) == op_nop) ||
        (op >= 0x118 && op <= 0x11f)) {
        if (op != 0x8d || i->opsize != 2)
            u.may_leave = false;
        if (op >= 0x1c8 && i->opsize < 4)
            u.may_leave = true;
        return u;
    }
    if (member && ((op >= 0x50 && op <= 0x5f) || op == 0x68 || op == 0x6a)) {
        u.may_leave = false;
        return u;
    }
    if (is_divide(i) || !form_of(i, &f))
        return u;
    u.reads = f.reads || f.flags == FL_PART;
    u.writes_all = f.flags == FL_ALL;
    u.may_leave = (i->rm == REG_MEM && !member) || !encodable(i, &f);
    return u;
}

static uint16_t form_writes(const Insn *i, const Form *f)
{
    uint16_t regs = 0;

    if (f->digit == NO_REG && f->reg_out)
        regs |= (uint16_t)(1u << guest_number(i->reg, f->reg_size));
    if (f->rm_out && i->rm != REG_MEM)
        regs |= (uint16_t)(1u << guest_number(i->rm, f->rm_size));
    if (!f->map && (f->op == 0xf6 || f->op == 0xf7) && f->digit >= 4)
        regs |= 1u << 0 | 1u << 2;
    if (f->map == 1 && (f->op == 0xb0 || f->op == 0xb1))
        regs |= 1u << 0;
    return regs;
}

uint16_t op_writes(const Xlat *x, const Insn *i)
{
    unsigned op = i->opcode, digit = i->modrm >> 3 & 7;
    Form f;

    if (body_of(x, i) == op_ud || body_of(x, i) == op_gp)
        return 0xffff;
    if (i->row)
        return vex_known(x, i) ? vex_writes(i) : 0xffff;
    if (sse_known(i))
        return sse_writes(i);
    switch (op) {
    case 0x50 ... 0x57: case 0x68: case 0x6a: case 0xc2: case 0xc3: case 0xe8:
    case 0x06: case 0x0e: case 0x16: case 0x1e: case 0x1a0: case 0x1a8: case 0x9c: case 0x9d:
        return 1u << 4;
    case 0x58 ... 0x5f: case 0x8f:
        return (uint16_t)(1u << 4 | (i->rm == REG_MEM ? 0 : 1u << i->rm));
    case 0x70 ... 0x7f: case 0x180 ... 0x18f: case 0xe9: case 0xeb: case 0xf5: case 0xf8:
    case 0xf9: case 0xfa: case 0xfb: case 0x9e: return 0;
    case POINT_OPCODE: return 0;
    case 0x8d: case 0x1c8 ... 0x1cf: return (uint16_t)(1u << i->reg);
    case 0xb0 ... 0xbf: return (uint16_t)(1u << guest_number(i->reg, i->opsize));
    case 0x98: case 0x9f: case 0xa0: case 0xa1: return 1u << 0;
    case 0xa2: case 0xa3: case 0xfc: case 0xfd: return 0;
    case 0x8c: return i->rm == REG_MEM ? 0 : (uint16_t)(1u << i->rm);
    case 0xe4: case 0xe5: case 0xec: case 0xed: return 1u << 0;
    case 0xe6: case 0xe7: case 0xee: case 0xef: return 0;
    case 0x99: return 1u << 2;
    case 0xff:
        if (digit == 2 || digit == 4 || digit == 6)
            return 1u << 4;
        break;
    }
    return form_of(i, &f) ? form_writes(i, &f) : 0xffff;
}
