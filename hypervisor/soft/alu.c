/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * alu.c - two-operand arithmetic and logic, INC to NEG, XADD, CMPXCHG in all their forms.
 *
 * Intel SDM volume 2.  With LOCK, memory operands are changed by a compare-and-exchange loop on
 * the host address, or inside the exclusive section where there is none.
 */
#include "hypervisor/soft/body.h"

#define NO_CARRY ""
#define WITH_CARRY "btw $8, %w3\n\t"

#define ALU_FN(name, insn, carry, bits, T, sfx) \
static inline T name##_op_##bits(T a, T b, unsigned old, uint16_t *flags) \
{ \
    unsigned f; \
    __asm__(carry insn sfx " %2, %1\n\t" KEEP_FLAGS \
            : "=&a"(f), "+r"(a) : "r"(b), "r"(old) : "cc"); \
    *flags = (uint16_t)f; \
    return a; \
}

/* Store: the result goes back (everything but CMP and TEST). */
#define ALU_BODIES(name, bits, T) \
static void name##_eg_r_##bits(Cpu *c, const Insn *i) \
{ \
    T r = name##_op_##bits(GET_##bits(c, i->rm), GET_##bits(c, i->reg), c->aflags, &c->aflags); \
    SET_##bits(c, i->rm, r); \
    NEXT(c, i); \
} \
static void name##_ge_r_##bits(Cpu *c, const Insn *i) \
{ \
    T r = name##_op_##bits(GET_##bits(c, i->reg), GET_##bits(c, i->rm), c->aflags, &c->aflags); \
    SET_##bits(c, i->reg, r); \
    NEXT(c, i); \
} \
static void name##_ge_m_##bits(Cpu *c, const Insn *i) \
{ \
    T b = LD(bits), r; \
    r = name##_op_##bits(GET_##bits(c, i->reg), b, c->aflags, &c->aflags); \
    SET_##bits(c, i->reg, r); \
    NEXT(c, i); \
} \
static void name##_ei_r_##bits(Cpu *c, const Insn *i) \
{ \
    T r = name##_op_##bits(GET_##bits(c, i->rm), (T)i->imm, c->aflags, &c->aflags); \
    SET_##bits(c, i->rm, r); \
    NEXT(c, i); \
} \
static void name##_eg_m_##bits(Cpu *c, const Insn *i) \
{ \
    T a, r, b = GET_##bits(c, i->reg); \
    uint16_t f; \
    MEM_RMW(bits, insn_ea(c, i), r = name##_op_##bits(a, b, c->aflags, &f)); \
    c->aflags = f; \
    NEXT(c, i); \
} \
static void name##_ei_m_##bits(Cpu *c, const Insn *i) \
{ \
    T a, r, b = (T)i->imm; \
    uint16_t f; \
    MEM_RMW(bits, insn_ea(c, i), r = name##_op_##bits(a, b, c->aflags, &f)); \
    c->aflags = f; \
    NEXT(c, i); \
}

#define COMPARE_BODIES(name, bits, T) \
static void name##_eg_r_##bits(Cpu *c, const Insn *i) \
{ \
    name##_op_##bits(GET_##bits(c, i->rm), GET_##bits(c, i->reg), 0, &c->aflags); \
    NEXT(c, i); \
} \
static void name##_ge_r_##bits(Cpu *c, const Insn *i) \
{ \
    name##_op_##bits(GET_##bits(c, i->reg), GET_##bits(c, i->rm), 0, &c->aflags); \
    NEXT(c, i); \
} \
static void name##_ge_m_##bits(Cpu *c, const Insn *i) \
{ \
    T b = LD(bits); \
    name##_op_##bits(GET_##bits(c, i->reg), b, 0, &c->aflags); \
    NEXT(c, i); \
} \
static void name##_ei_r_##bits(Cpu *c, const Insn *i) \
{ \
    name##_op_##bits(GET_##bits(c, i->rm), (T)i->imm, 0, &c->aflags); \
    NEXT(c, i); \
} \
static void name##_eg_m_##bits(Cpu *c, const Insn *i) \
{ \
    T a = LD(bits); \
    name##_op_##bits(a, GET_##bits(c, i->reg), 0, &c->aflags); \
    NEXT(c, i); \
} \
static void name##_ei_m_##bits(Cpu *c, const Insn *i) \
{ \
    T a = LD(bits); \
    name##_op_##bits(a, (T)i->imm, 0, &c->aflags); \
    NEXT(c, i); \
}

#define ALU_FNS(name, insn, carry) \
    ALU_FN(name, insn, carry, 8, uint8_t, "b") ALU_FN(name, insn, carry, 16, uint16_t, "w") \
    ALU_FN(name, insn, carry, 32, uint32_t, "l") ALU_FN(name, insn, carry, 64, uint64_t, "q")

#define ALU_TABLES(name) \
const OpFn ops_##name##_eg[2][4] = {SIZES(name##_eg_r), SIZES(name##_eg_m)}; \
const OpFn ops_##name##_ge[2][4] = {SIZES(name##_ge_r), SIZES(name##_ge_m)}; \
const OpFn ops_##name##_ei[2][4] = {SIZES(name##_ei_r), SIZES(name##_ei_m)};

#define ALU(name, insn, carry) \
    ALU_FNS(name, insn, carry) \
    ALU_BODIES(name, 8, uint8_t) ALU_BODIES(name, 16, uint16_t) \
    ALU_BODIES(name, 32, uint32_t) ALU_BODIES(name, 64, uint64_t) \
    ALU_TABLES(name)

#define COMPARE(name, insn) \
    ALU_FNS(name, insn, NO_CARRY) \
    COMPARE_BODIES(name, 8, uint8_t) COMPARE_BODIES(name, 16, uint16_t) \
    COMPARE_BODIES(name, 32, uint32_t) COMPARE_BODIES(name, 64, uint64_t)

ALU(add, "add", NO_CARRY)
ALU(or, "or", NO_CARRY)
ALU(adc, "adc", WITH_CARRY)
ALU(sbb, "sbb", WITH_CARRY)
ALU(and, "and", NO_CARRY)
ALU(sub, "sub", NO_CARRY)
ALU(xor, "xor", NO_CARRY)
COMPARE(cmp, "cmp")
ALU_TABLES(cmp)

#define TEST_BODIES(bits, T, sfx) \
ALU_FN(test, "test", NO_CARRY, bits, T, sfx) \
static void test_eg_r_##bits(Cpu *c, const Insn *i) \
{ \
    test_op_##bits(GET_##bits(c, i->rm), GET_##bits(c, i->reg), 0, &c->aflags); \
    NEXT(c, i); \
} \
static void test_eg_m_##bits(Cpu *c, const Insn *i) \
{ \
    T a = LD(bits); \
    test_op_##bits(a, GET_##bits(c, i->reg), 0, &c->aflags); \
    NEXT(c, i); \
} \
static void test_ei_r_##bits(Cpu *c, const Insn *i) \
{ \
    test_op_##bits(GET_##bits(c, i->rm), (T)i->imm, 0, &c->aflags); \
    NEXT(c, i); \
} \
static void test_ei_m_##bits(Cpu *c, const Insn *i) \
{ \
    T a = LD(bits); \
    test_op_##bits(a, (T)i->imm, 0, &c->aflags); \
    NEXT(c, i); \
}

TEST_BODIES(8, uint8_t, "b")
TEST_BODIES(16, uint16_t, "w")
TEST_BODIES(32, uint32_t, "l")
TEST_BODIES(64, uint64_t, "q")
const OpFn ops_test_eg[2][4] = {SIZES(test_eg_r), SIZES(test_eg_m)};
const OpFn ops_test_ei[2][4] = {SIZES(test_ei_r), SIZES(test_ei_m)};

/* --- one operand: INC and DEC keep CF, NOT keeps all --- */
#define UNARY_BODIES(name, carry, insn, bits, T, sfx) \
static inline T name##_op_##bits(T a, unsigned old, uint16_t *flags) \
{ \
    unsigned f; \
    __asm__(carry insn sfx " %1\n\t" KEEP_FLAGS : "=&a"(f), "+r"(a) : "r"(old) : "cc"); \
    *flags = (uint16_t)f; \
    return a; \
} \
static void name##_r_##bits(Cpu *c, const Insn *i) \
{ \
    T r = name##_op_##bits(GET_##bits(c, i->rm), c->aflags, &c->aflags); \
    SET_##bits(c, i->rm, r); \
    NEXT(c, i); \
} \
static void name##_m_##bits(Cpu *c, const Insn *i) \
{ \
    T a, r; \
    uint16_t f; \
    MEM_RMW(bits, insn_ea(c, i), r = name##_op_##bits(a, c->aflags, &f)); \
    c->aflags = f; \
    NEXT(c, i); \
}

#define UNARY(name, carry, insn) \
    UNARY_BODIES(name, carry, insn, 8, uint8_t, "b") \
    UNARY_BODIES(name, carry, insn, 16, uint16_t, "w") \
    UNARY_BODIES(name, carry, insn, 32, uint32_t, "l") \
    UNARY_BODIES(name, carry, insn, 64, uint64_t, "q") \
    const OpFn ops_##name##_e[2][4] = {SIZES(name##_r), SIZES(name##_m)};

UNARY(inc, "btw $8, %w2\n\t", "inc")
UNARY(dec, "btw $8, %w2\n\t", "dec")
UNARY(neg, "", "neg")

#define NOT_BODIES(bits, T) \
static void not_r_##bits(Cpu *c, const Insn *i) \
{ \
    SET_##bits(c, i->rm, (T)~GET_##bits(c, i->rm)); \
    NEXT(c, i); \
} \
static void not_m_##bits(Cpu *c, const Insn *i) \
{ \
    T a, r; \
    MEM_RMW(bits, insn_ea(c, i), r = (T)~a); \
    NEXT(c, i); \
}

NOT_BODIES(8, uint8_t)
NOT_BODIES(16, uint16_t)
NOT_BODIES(32, uint32_t)
NOT_BODIES(64, uint64_t)
const OpFn ops_not_e[2][4] = {SIZES(not_r), SIZES(not_m)};

/* --- XADD, CMPXCHG: the accumulator is register 0 in every size, AL too --- */
#define EXCHANGE_BODIES(bits, T) \
static void xadd_r_##bits(Cpu *c, const Insn *i) \
{ \
    T a = GET_##bits(c, i->rm), b = GET_##bits(c, i->reg); \
    T r = add_op_##bits(a, b, 0, &c->aflags); \
    SET_##bits(c, i->reg, a); \
    SET_##bits(c, i->rm, r); \
    NEXT(c, i); \
} \
static void xadd_m_##bits(Cpu *c, const Insn *i) \
{ \
    T a, r, b = GET_##bits(c, i->reg); \
    uint16_t f; \
    MEM_RMW(bits, insn_ea(c, i), r = add_op_##bits(a, b, 0, &f)); \
    c->aflags = f; \
    SET_##bits(c, i->reg, a); \
    NEXT(c, i); \
} \
static void cmpxchg_r_##bits(Cpu *c, const Insn *i) \
{ \
    T a = GET_##bits(c, i->rm), acc = GET_##bits(c, 0); \
    cmp_op_##bits(acc, a, 0, &c->aflags); \
    if (acc == a) \
        SET_##bits(c, i->rm, GET_##bits(c, i->reg)); \
    else \
        SET_##bits(c, 0, a); \
    NEXT(c, i); \
} \
static void cmpxchg_m_##bits(Cpu *c, const Insn *i) \
{ \
    T a, r, b = GET_##bits(c, i->reg), acc = GET_##bits(c, 0); \
    MEM_RMW(bits, insn_ea(c, i), r = a == acc ? b : a); \
    cmp_op_##bits(acc, a, 0, &c->aflags); \
    if (acc != a) \
        SET_##bits(c, 0, a); \
    NEXT(c, i); \
}

EXCHANGE_BODIES(8, uint8_t)
EXCHANGE_BODIES(16, uint16_t)
EXCHANGE_BODIES(32, uint32_t)
EXCHANGE_BODIES(64, uint64_t)
const OpFn ops_xadd[2][4] = {SIZES(xadd_r), SIZES(xadd_m)};
const OpFn ops_cmpxchg[2][4] = {SIZES(cmpxchg_r), SIZES(cmpxchg_m)};

static void set_zf(Cpu *c, bool on)
{
    c->aflags = (uint16_t)((c->aflags & ~FLAG_ZF) | (on ? FLAG_ZF : 0));
}

static void cmpxchg16b(Cpu *c, const Insn *i, uint64_t off)
{
    unsigned __int128 old, now, next = (unsigned __int128)c->gpr[1] << 64 | c->gpr[3];
    uint64_t half[2];
    bool same;

    old = (unsigned __int128)c->gpr[2] << 64 | c->gpr[0];
    mem_check_write(c, i, i->seg, off, 16);
    cpu_exclusive_begin(c);
    mem_read_buf(c, i, i->seg, off, half, 16, 16);
    now = (unsigned __int128)half[1] << 64 | half[0];
    same = now == old;
    if (same) {
        half[0] = (uint64_t)next;
        half[1] = (uint64_t)(next >> 64);
        mem_write_buf(c, i, i->seg, off, half, 16, 16);
    } else {
        c->gpr[0] = half[0];
        c->gpr[2] = half[1];
    }
    cpu_exclusive_end(c);
    set_zf(c, same);
}

/* The native instruction on the host address when there is one: other vCPUs may be looking. */
static bool cmpxchg16b_host(Cpu *c, const Insn *i, uint64_t off)
{
    void *p = fast_write(c, i->seg, off, 16);
    uint64_t lo = c->gpr[0], hi = c->gpr[2];
    bool same;

    if (!p || ((uintptr_t)p & 15))
        return false;
    __asm__ __volatile__("lock cmpxchg16b %1\n\tsetz %0"
                         : "=q"(same), "+m"(*(unsigned __int128 *)p), "+a"(lo), "+d"(hi)
                         : "b"(c->gpr[3]), "c"(c->gpr[1]) : "cc", "memory");
    if (!same) {
        c->gpr[0] = lo;
        c->gpr[2] = hi;
    }
    set_zf(c, same);
    return true;
}

void op_cmpxchg8b(Cpu *c, const Insn *i)
{
    uint64_t off = insn_ea(c, i), a, r;
    uint64_t want = c->gpr[2] << 32 | (uint32_t)c->gpr[0];
    uint64_t next = c->gpr[1] << 32 | (uint32_t)c->gpr[3];

    if (i->opsize == 8) {
        if (!cmpxchg16b_host(c, i, off))
            cmpxchg16b(c, i, off);
        NEXT(c, i);
    }
    MEM_RMW(64, off, r = a == want ? next : a);
    if (a != want) {
        c->gpr[0] = (uint32_t)a;
        c->gpr[2] = a >> 32;
    }
    set_zf(c, a == want);
    NEXT(c, i);
}
