/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bmi.c - instructions on general registers that have a VEX prefix (BMI1, BMI2), and their
 * neighbours without one: ADCX, ADOX, RDRAND, RDSEED, RDPID.  Intel SDM vol. 2.  Offered where
 * the host has them, whose own instruction computes.
 */
#include "hypervisor/soft/body.h"
#include "hypervisor/soft/vex.h"

static inline uint64_t source(Cpu *c, const Insn *i) {
    if (i->opsize == 8) {
        return i->rm == REG_MEM ? LD(64) : c->gpr[i->rm];
    }
    return i->rm == REG_MEM ? LD(32) : (uint32_t)c->gpr[i->rm];
}

/* d = op(operands) with the flags it makes; l and q are the two sizes' asm. */
#define WITH_FLAGS(name, dst, a, b)                                                             \
    do {                                                                                        \
        uint64_t r_;                                                                            \
        uint32_t low_;                                                                          \
        unsigned f_;                                                                            \
        if (i->opsize == 8) {                                                                   \
            __asm__(name " %3, %2, %1\n\t" KEEP_FLAGS : "=&a"(f_), "=&r"(r_)                    \
                    : "r"(a), "r"(b) : "cc");                                                   \
        } else {                                                                                \
            __asm__(name " %k3, %k2, %k1\n\t" KEEP_FLAGS : "=&a"(f_), "=&r"(low_)               \
                    : "r"(a), "r"(b) : "cc");                                                   \
            r_ = low_;                                                                          \
        }                                                                                       \
        c->aflags = (uint16_t)f_;                                                               \
        c->gpr[dst] = r_;                                                                       \
    } while (0)

#define WITHOUT_FLAGS(name, dst, a, b)                                                          \
    do {                                                                                        \
        uint64_t r_;                                                                            \
        if (i->opsize == 8) {                                                                   \
            __asm__(name " %2, %1, %0" : "=r"(r_) : "r"(a), "r"(b));                            \
        } else {                                                                                \
            __asm__(name " %k2, %k1, %k0" : "=r"(r_) : "r"(a), "r"(b));                         \
            r_ = (uint32_t)r_;                                                                  \
        }                                                                                       \
        c->gpr[dst] = r_;                                                                       \
    } while (0)

void vex_andn(Cpu *c, const Insn *i) {
    uint64_t b = source(c, i), a = c->gpr[vex_vvvv(i)];

    WITH_FLAGS("andn", i->reg, a, b);
    NEXT(c, i);
}

/* Here the control comes last in the encoding, so it is first for the assembler. */
#define CONTROLLED(form, KIND)                                                                  \
    void vex_##form(Cpu *c, const Insn *i) {                                                    \
        uint64_t b = source(c, i), control = c->gpr[vex_vvvv(i)];                               \
        KIND(#form, i->reg, b, control);                                                        \
        NEXT(c, i);                                                                             \
    }

CONTROLLED(bextr, WITH_FLAGS) CONTROLLED(bzhi, WITH_FLAGS)
CONTROLLED(shlx, WITHOUT_FLAGS) CONTROLLED(shrx, WITHOUT_FLAGS) CONTROLLED(sarx, WITHOUT_FLAGS)

/* The mask is the last operand. */
#define MASKED(form)                                                                            \
    void vex_##form(Cpu *c, const Insn *i) {                                                    \
        uint64_t mask = source(c, i), a = c->gpr[vex_vvvv(i)];                                  \
        WITHOUT_FLAGS(#form, i->reg, a, mask);                                                  \
        NEXT(c, i);                                                                             \
    }

MASKED(pdep) MASKED(pext)

#define UNARY_WITH_FLAGS(name, dst, b)                                                          \
    do {                                                                                        \
        uint64_t r_;                                                                            \
        unsigned f_;                                                                            \
        if (i->opsize == 8) {                                                                   \
            __asm__(name " %2, %1\n\t" KEEP_FLAGS : "=&a"(f_), "=&r"(r_) : "r"(b) : "cc");      \
        } else {                                                                                \
            __asm__(name " %k2, %k1\n\t" KEEP_FLAGS : "=&a"(f_), "=&r"(r_) : "r"(b) : "cc");    \
            r_ = (uint32_t)r_;                                                                  \
        }                                                                                       \
        c->aflags = (uint16_t)f_;                                                               \
        c->gpr[dst] = r_;                                                                       \
    } while (0)

void vex_bls(Cpu *c, const Insn *i) {
    unsigned op = i->modrm >> 3 & 7;
    uint64_t b;

    if (op < 1 || op > 3) {
        raise_ud(c, i);
    }
    b = source(c, i);
    switch (op) {
    case 1: UNARY_WITH_FLAGS("blsr", vex_vvvv(i), b); break;
    case 2: UNARY_WITH_FLAGS("blsmsk", vex_vvvv(i), b); break;
    default: UNARY_WITH_FLAGS("blsi", vex_vvvv(i), b); break;
    }
    NEXT(c, i);
}

/* When both destinations are one register, it gets the upper half. */
void vex_mulx(Cpu *c, const Insn *i) {
    uint64_t b = source(c, i);

    if (i->opsize == 8) {
        unsigned __int128 p = (unsigned __int128)b * c->gpr[2];
        c->gpr[vex_vvvv(i)] = (uint64_t)p;
        c->gpr[i->reg] = (uint64_t)(p >> 64);
    } else {
        uint64_t p = b * (uint32_t)c->gpr[2];
        c->gpr[vex_vvvv(i)] = (uint32_t)p;
        c->gpr[i->reg] = p >> 32;
    }
    NEXT(c, i);
}

void vex_rorx(Cpu *c, const Insn *i) {
    uint64_t b = source(c, i);
    unsigned bits = i->opsize * 8u, n = i->imm & (bits - 1);

    if (n) {
        b = b >> n | b << (bits - n);
    }
    c->gpr[i->reg] = i->opsize == 8 ? b : (uint32_t)b;
    NEXT(c, i);
}

/* --- without VEX --- */

/* reg += source + the carry in flag, which alone is changed. */
static void add_with(Cpu *c, const Insn *i, unsigned flag) {
    uint64_t b = source(c, i), sum;
    bool carry = c->aflags & flag, out;

    if (i->opsize == 8) {
        out = __builtin_add_overflow(c->gpr[i->reg], b, &sum);
        out |= __builtin_add_overflow(sum, (uint64_t)carry, &sum);
    } else {
        sum = (uint64_t)(uint32_t)c->gpr[i->reg] + b + carry;
        out = sum >> 32;
        sum = (uint32_t)sum;
    }
    c->gpr[i->reg] = sum;
    c->aflags = (uint16_t)(out ? c->aflags | flag : c->aflags & ~flag);
}

void op_adcx(Cpu *c, const Insn *i) {
    add_with(c, i, FLAG_CF);
    NEXT(c, i);
}

void op_adox(Cpu *c, const Insn *i) {
    add_with(c, i, FLAG_OF);
    NEXT(c, i);
}

/* CF tells whether there was a number; without one the register is 0. */
static void put_random(Cpu *c, const Insn *i, uint64_t v, bool ok) {
    if (!ok) {
        v = 0;
    }
    if (i->opsize == 2) {
        R16(c, i->rm) = (uint16_t)v;
    } else {
        c->gpr[i->rm] = i->opsize == 8 ? v : (uint32_t)v;
    }
    c->aflags = ok ? FLAG_CF : 0;
}

void op_rdrand(Cpu *c, const Insn *i) {
    uint64_t v = 0;
    uint8_t ok;

    if (!__builtin_cpu_supports("rdrnd")) {
        raise_ud(c, i);
    }
    __asm__ volatile("rdrand %0\n\tsetc %1" : "=r"(v), "=qm"(ok) : : "cc");
    put_random(c, i, v, ok);
    NEXT(c, i);
}

void op_rdseed(Cpu *c, const Insn *i) {
    uint64_t v = 0;
    uint8_t ok;

    if (!__builtin_cpu_supports("rdseed")) {
        raise_ud(c, i);
    }
    __asm__ volatile("rdseed %0\n\tsetc %1" : "=r"(v), "=qm"(ok) : : "cc");
    put_random(c, i, v, ok);
    NEXT(c, i);
}

void op_rdpid(Cpu *c, const Insn *i) {
    c->gpr[i->rm] = (uint32_t)c->tsc_aux;
    NEXT(c, i);
}
