/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bits.c - bit tests and scans, POPCNT, LZCNT, TZCNT, BSWAP, MOVBE, CRC32.
 *
 * Intel SDM volume 2.  A bit offset in a register reaches beyond the memory operand, signed.
 */
#include "hypervisor/soft/body.h"

#define OPERAND(bits) (i->rm == REG_MEM ? LD(bits) : GET_##bits(c, i->rm))

/* BT* change CF only; ZF is unchanged by definition, the others on every CPU we know. */
static inline void set_cf(Cpu *c, bool on)
{
    c->aflags = (uint16_t)((c->aflags & ~FLAG_CF) | (on ? FLAG_CF : 0));
}

#define BT_MEM(name, bits, T, CHANGE, WRITES, AT, BIT) \
    uint64_t at = (AT); \
    unsigned bit = (BIT); \
    T mask = (T)((T)1 << bit), a, r; \
    if (WRITES) { \
        MEM_RMW(bits, at, r = CHANGE); \
    } else { \
        a = ld##bits(c, i, i->seg, at); \
    } \
    set_cf(c, a & mask); \
    NEXT(c, i);

#define EA_CUT(v) (i->asize == 8 ? (v) : i->asize == 4 ? (uint32_t)(v) : (uint16_t)(v))

#define BT_BODIES(name, bits, T, ST_, CHANGE, WRITES) \
static void name##_g_r_##bits(Cpu *c, const Insn *i) \
{ \
    T a = GET_##bits(c, i->rm), mask = (T)((T)1 << (GET_##bits(c, i->reg) & (bits - 1))), r; \
    r = CHANGE; \
    set_cf(c, a & mask); \
    if (WRITES) \
        SET_##bits(c, i->rm, r); \
    NEXT(c, i); \
} \
static void name##_i_r_##bits(Cpu *c, const Insn *i) \
{ \
    T a = GET_##bits(c, i->rm), mask = (T)((T)1 << (i->imm & (bits - 1))), r; \
    r = CHANGE; \
    set_cf(c, a & mask); \
    if (WRITES) \
        SET_##bits(c, i->rm, r); \
    NEXT(c, i); \
} \
static void name##_g_m_##bits(Cpu *c, const Insn *i) \
{ \
    int64_t offset = (ST_)GET_##bits(c, i->reg); \
    BT_MEM(name, bits, T, CHANGE, WRITES, \
           EA_CUT(insn_ea(c, i) + (uint64_t)((offset >> (bits == 64 ? 6 : bits == 32 ? 5 : 4)) * \
                                             (bits / 8))), \
           (unsigned)offset & (bits - 1)) \
} \
static void name##_i_m_##bits(Cpu *c, const Insn *i) \
{ \
    BT_MEM(name, bits, T, CHANGE, WRITES, insn_ea(c, i), (unsigned)i->imm & (bits - 1)) \
}

#define BT(name, CHANGE, WRITES) \
    BT_BODIES(name, 16, uint16_t, int16_t, CHANGE, WRITES) \
    BT_BODIES(name, 32, uint32_t, int32_t, CHANGE, WRITES) \
    BT_BODIES(name, 64, uint64_t, int64_t, CHANGE, WRITES) \
    const OpFn ops_##name##_g[2][4] = {SIZES_NO8(name##_g_r), SIZES_NO8(name##_g_m)}; \
    const OpFn ops_##name##_i[2][4] = {SIZES_NO8(name##_i_r), SIZES_NO8(name##_i_m)};

BT(bt, a, false)
BT(bts, a | mask, true)
BT(btr, a & ~mask, true)
BT(btc, a ^ mask, true)

/* --- scans and counts, by the host --- */
/* Flags that are undefined may be left alone: then they are the guest's of before. */
#define SCAN(name, insn, bits, T, sfx) \
static void name##_##bits(Cpu *c, const Insn *i) \
{ \
    T b = OPERAND(bits), r = GET_##bits(c, i->reg); \
    unsigned f = c->aflags; \
    __asm__(LOAD_FLAGS insn sfx " %2, %1\n\t" KEEP_FLAGS : "+&a"(f), "+&r"(r) : "r"(b) : "cc"); \
    c->aflags = (uint16_t)f; \
    if (b) \
        SET_##bits(c, i->reg, r); \
    NEXT(c, i); \
}

#define COUNT(name, insn, bits, T, sfx) \
static void name##_##bits(Cpu *c, const Insn *i) \
{ \
    T b = OPERAND(bits), r; \
    unsigned f = c->aflags; \
    __asm__(LOAD_FLAGS insn sfx " %2, %1\n\t" KEEP_FLAGS : "+&a"(f), "=&r"(r) : "r"(b) : "cc"); \
    c->aflags = (uint16_t)f; \
    SET_##bits(c, i->reg, r); \
    NEXT(c, i); \
}

#define THREE(KIND, name, insn) \
    KIND(name, insn, 16, uint16_t, "w") KIND(name, insn, 32, uint32_t, "l") \
    KIND(name, insn, 64, uint64_t, "q") \
    const OpFn ops_##name[2][4] = {SIZES_NO8(name), SIZES_NO8(name)};

THREE(SCAN, bsf, "bsf")
THREE(SCAN, bsr, "bsr")
THREE(COUNT, popcnt, "popcnt")
THREE(COUNT, lzcnt, "lzcnt")
THREE(COUNT, tzcnt, "tzcnt")

/* --- byte order --- */
/* A 16-bit BSWAP is undefined; CPUs clear the word. */
static void bswap_16(Cpu *c, const Insn *i)
{
    R16(c, i->rm) = 0;
    NEXT(c, i);
}

static void bswap_32(Cpu *c, const Insn *i)
{
    c->gpr[i->rm] = __builtin_bswap32((uint32_t)c->gpr[i->rm]);
    NEXT(c, i);
}

static void bswap_64(Cpu *c, const Insn *i)
{
    c->gpr[i->rm] = __builtin_bswap64(c->gpr[i->rm]);
    NEXT(c, i);
}
const OpFn ops_bswap[2][4] = {SIZES_NO8(bswap), SIZES_NO8(bswap)};

#define MOVBE(bits) \
static void movbe_ge_##bits(Cpu *c, const Insn *i) \
{ \
    SET_##bits(c, i->reg, __builtin_bswap##bits(LD(bits))); \
    NEXT(c, i); \
} \
static void movbe_eg_##bits(Cpu *c, const Insn *i) \
{ \
    ST(bits, __builtin_bswap##bits(GET_##bits(c, i->reg))); \
    NEXT(c, i); \
}

MOVBE(16)
MOVBE(32)
MOVBE(64)
const OpFn ops_movbe_ge[2][4] = {SIZES_NO8(movbe_ge), SIZES_NO8(movbe_ge)};
const OpFn ops_movbe_eg[2][4] = {SIZES_NO8(movbe_eg), SIZES_NO8(movbe_eg)};

/* CRC32 of the Castagnoli polynomial, reflected.  opsize is the source's; REX.W decides nothing
 * that shows, for the upper half of the destination is cleared anyway. */
static uint32_t crc32c_step(uint32_t crc, uint64_t data, unsigned bytes)
{
    for (unsigned n = 0; n < bytes; n++) {
        crc ^= (uint32_t)(data >> 8 * n) & 0xff;
        for (unsigned k = 0; k < 8; k++)
            crc = crc >> 1 ^ (0x82f63b78u & -(crc & 1));
    }
    return crc;
}

#define CRC32(bits) \
static void crc32_##bits(Cpu *c, const Insn *i) \
{ \
    uint64_t b = OPERAND(bits); \
    c->gpr[i->reg] = crc32c_step((uint32_t)c->gpr[i->reg], b, bits / 8); \
    NEXT(c, i); \
}

void op_crc32_b(Cpu *c, const Insn *i)
{
    uint64_t b = OPERAND(8);

    c->gpr[i->reg] = crc32c_step((uint32_t)c->gpr[i->reg], b, 1);
    NEXT(c, i);
}

CRC32(16)
CRC32(32)
CRC32(64)
const OpFn ops_crc32[2][4] = {SIZES_NO8(crc32), SIZES_NO8(crc32)};
