/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * shift.c - rotates, shifts, SHLD and SHRD.
 *
 * The host does them with the guest's flags loaded, so what is undefined (OF for counts over 1, AF)
 * comes out as on this host.  A count of 0 after masking changes no flag.
 */
#include "hypervisor/soft/body.h"

/* All flags come from the guest's: rotates leave some alone, and on Intel's processors OF, too, by a count above
 * 1 that comes to no rotation (RCL of 8 bits by 9). */
#define SHIFT_FN(name, insn, bits, T, sfx) \
static inline T name##_op_##bits(T a, unsigned count, unsigned old, uint16_t *flags) \
{ \
    unsigned f = old; \
    __asm__(LOAD_FLAGS insn sfx " %%cl, %1\n\t" KEEP_FLAGS \
            : "+a"(f), "+r"(a) : "c"(count) : "cc"); \
    *flags = (uint16_t)f; \
    return a; \
}

/*
 * Intel's ROL and ROR of a register by an immediate above 1 leave OF, undefined then, as it was; by CL or in memory
 * they change it, as AMD's always do.  Translated code is the guest's own encoding, so here the host is asked
 * what that one does.
 */
static inline bool immediate_rotate_keeps_of(void) {
    uint32_t a = 0x20;
    uint8_t with_set = 0x7f, with_clear;

    __asm__("incb %1\n\t" "roll $2, %0\n\t" "seto %1\n\t"
            "testl %0, %0\n\t" "roll $2, %0\n\t" "seto %2"
            : "+r"(a), "+q"(with_set), "=q"(with_clear) : : "cc");
    return with_set && !with_clear;
}

#define KEEPS_NO_OF(count) false
#define ROTATE_KEEPS_OF(count) ((count) > 1 && immediate_rotate_keeps_of())

#define SHIFT_REG(name, kind, bits, T, COUNT, KEEPS_OF) \
static void name##_##kind##_r_##bits(Cpu *c, const Insn *i) \
{ \
    unsigned count = (COUNT) & (bits == 64 ? 63 : 31); \
    T a = GET_##bits(c, i->rm); \
    uint16_t f = c->aflags; \
    if (count) \
        a = name##_op_##bits(a, count, f, &f); \
    if (KEEPS_OF(count)) \
        f = (uint16_t)((f & ~FLAG_OF) | (c->aflags & FLAG_OF)); \
    c->aflags = f; \
    SET_##bits(c, i->rm, a); \
    NEXT(c, i); \
} \
static void name##_##kind##_m_##bits(Cpu *c, const Insn *i) \
{ \
    unsigned count = (COUNT) & (bits == 64 ? 63 : 31); \
    uint16_t f = c->aflags; \
    T a, r; \
    MEM_RMW(bits, insn_ea(c, i), \
            r = count ? name##_op_##bits(a, count, c->aflags, &f) : a); \
    c->aflags = f; \
    NEXT(c, i); \
}

#define SHIFT_BODIES(name, insn, bits, T, sfx, KEEPS_OF) \
    SHIFT_FN(name, insn, bits, T, sfx) \
    SHIFT_REG(name, ei, bits, T, (unsigned)i->imm, KEEPS_OF) \
    SHIFT_REG(name, e1, bits, T, 1, KEEPS_NO_OF) \
    SHIFT_REG(name, ec, bits, T, (unsigned)c->gpr[1], KEEPS_NO_OF)

#define SHIFT(name, insn, KEEPS_OF) \
    SHIFT_BODIES(name, insn, 8, uint8_t, "b", KEEPS_OF) \
    SHIFT_BODIES(name, insn, 16, uint16_t, "w", KEEPS_OF) \
    SHIFT_BODIES(name, insn, 32, uint32_t, "l", KEEPS_OF) \
    SHIFT_BODIES(name, insn, 64, uint64_t, "q", KEEPS_OF) \
    const OpFn ops_##name##_ei[2][4] = {SIZES(name##_ei_r), SIZES(name##_ei_m)}; \
    const OpFn ops_##name##_e1[2][4] = {SIZES(name##_e1_r), SIZES(name##_e1_m)}; \
    const OpFn ops_##name##_ec[2][4] = {SIZES(name##_ec_r), SIZES(name##_ec_m)};

SHIFT(rol, "rol", ROTATE_KEEPS_OF)
SHIFT(ror, "ror", ROTATE_KEEPS_OF)
SHIFT(rcl, "rcl", KEEPS_NO_OF)
SHIFT(rcr, "rcr", KEEPS_NO_OF)
SHIFT(shl, "shl", KEEPS_NO_OF)
SHIFT(shr, "shr", KEEPS_NO_OF)
SHIFT(sar, "sar", KEEPS_NO_OF)

#define DOUBLE_FN(name, insn, bits, T, sfx) \
static inline T name##_op_##bits(T a, T b, unsigned count, unsigned old, uint16_t *flags) \
{ \
    unsigned f = old; \
    __asm__(LOAD_FLAGS insn sfx " %%cl, %2, %1\n\t" KEEP_FLAGS \
            : "+a"(f), "+r"(a) : "r"(b), "c"(count) : "cc"); \
    *flags = (uint16_t)f; \
    return a; \
}

#define DOUBLE_REG(name, kind, bits, T, COUNT) \
static void name##_##kind##_r_##bits(Cpu *c, const Insn *i) \
{ \
    unsigned count = (COUNT) & (bits == 64 ? 63 : 31); \
    T a = GET_##bits(c, i->rm); \
    if (count) \
        a = name##_op_##bits(a, GET_##bits(c, i->reg), count, c->aflags, &c->aflags); \
    SET_##bits(c, i->rm, a); \
    NEXT(c, i); \
} \
static void name##_##kind##_m_##bits(Cpu *c, const Insn *i) \
{ \
    unsigned count = (COUNT) & (bits == 64 ? 63 : 31); \
    T a, r, b = GET_##bits(c, i->reg); \
    uint16_t f = c->aflags; \
    MEM_RMW(bits, insn_ea(c, i), \
            r = count ? name##_op_##bits(a, b, count, c->aflags, &f) : a); \
    c->aflags = f; \
    NEXT(c, i); \
}

#define DOUBLE_BODIES(name, insn, bits, T, sfx) \
    DOUBLE_FN(name, insn, bits, T, sfx) \
    DOUBLE_REG(name, i, bits, T, (unsigned)i->imm) \
    DOUBLE_REG(name, c, bits, T, (unsigned)c->gpr[1])

#define DOUBLE(name, insn) \
    DOUBLE_BODIES(name, insn, 16, uint16_t, "w") DOUBLE_BODIES(name, insn, 32, uint32_t, "l") \
    DOUBLE_BODIES(name, insn, 64, uint64_t, "q") \
    const OpFn ops_##name##_i[2][4] = {SIZES_NO8(name##_i_r), SIZES_NO8(name##_i_m)}; \
    const OpFn ops_##name##_c[2][4] = {SIZES_NO8(name##_c_r), SIZES_NO8(name##_c_m)};

DOUBLE(shld, "shld")
DOUBLE(shrd, "shrd")
