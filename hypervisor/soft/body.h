/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * body.h - what the integer instruction bodies are made of.
 *
 * Each body is written once as a macro over the operand size and once for a register, once for a
 * memory operand.  Flags come from the host: the operation in inline asm, then LAHF and SETO into
 * AX, which is the format of Cpu.aflags.
 */
#ifndef GH_SOFT_BODY_H
#define GH_SOFT_BODY_H

#include "hypervisor/soft/mmu.h"
#include "hypervisor/soft/ops.h"

#define GET_8(c, r) R8(c, r)
#define GET_16(c, r) R16(c, r)
#define GET_32(c, r) ((uint32_t)(c)->gpr[r])
#define GET_64(c, r) ((c)->gpr[r])
#define SET_8(c, r, v) (R8(c, r) = (v))
#define SET_16(c, r, v) (R16(c, r) = (v))
#define SET_32(c, r, v) ((c)->gpr[r] = (uint32_t)(v))
#define SET_64(c, r, v) ((c)->gpr[r] = (v))

typedef uint8_t u8a;

#define KEEP_FLAGS "lahf\n\tseto %%al"
#define LOAD_FLAGS "addb $0x7f, %%al\n\tsahf\n\t"       /* what that kept */
/* Before MUL and IMUL, of which AMD's leave undefined flags alone, and after DIV and IDIV: so all flags are
 * the same here and in translated code (clear_flags() in jit/ops.c). */
#define CLEAR_FLAGS "cmpl %%esp, %%esp\n\t"

/* Loads and stores of the r/m memory operand. */
#define LD(bits) ld##bits(c, i, i->seg, insn_ea(c, i))
#define ST(bits, v) st##bits(c, i, i->seg, insn_ea(c, i), (v))

/*
 * Read-modify-write of the memory operand at off: COMPUTE makes r (and whatever else) from a.  It
 * may run more than once with LOCK, so it must not change guest state.
 */
#define MEM_RMW(bits, off, COMPUTE) do { \
    uint64_t off_ = (off); \
    u##bits##a *p_ = fast_write(c, i->seg, off_, bits / 8); \
    if (unlikely(i->prefix & PFX_LOCK)) { \
        LOCKED_RMW(bits, off_, COMPUTE); \
    } else if (likely(p_ != NULL)) { \
        a = *p_; \
        COMPUTE; \
        *p_ = r; \
    } else { \
        mem_check_write(c, i, i->seg, off_, bits / 8); \
        a = mem_read##bits(c, i, i->seg, off_); \
        COMPUTE; \
        mem_write##bits(c, i, i->seg, off_, r); \
    } \
} while (0)

#define LOCKED_RMW(bits, off_, COMPUTE) do { \
    u##bits##a *q_ = mem_rmw_ptr(c, i, i->seg, off_, bits / 8); \
    if (likely(q_ != NULL)) { \
        a = *q_; \
        do { \
            COMPUTE; \
        } while (!__atomic_compare_exchange_n(q_, &a, r, false, __ATOMIC_SEQ_CST, \
                                              __ATOMIC_SEQ_CST)); \
    } else { \
        cpu_exclusive_begin(c); \
        a = mem_read##bits(c, i, i->seg, off_); \
        COMPUTE; \
        mem_write##bits(c, i, i->seg, off_, r); \
        cpu_exclusive_end(c); \
    } \
} while (0)

/* The condition codes on Cpu.aflags; n as in the opcode. */
static inline bool condition(const Cpu *c, unsigned n)
{
    unsigned f = c->aflags;
    bool r;

    switch (n >> 1) {
    case 0: r = f & FLAG_OF; break;
    case 1: r = f & FLAG_CF; break;
    case 2: r = f & FLAG_ZF; break;
    case 3: r = f & (FLAG_CF | FLAG_ZF); break;
    case 4: r = f & FLAG_SF; break;
    case 5: r = f & FLAG_PF; break;
    case 6: r = (f >> 15 ^ f) & 1; break;
    default: r = (f & FLAG_ZF) || ((f >> 15 ^ f) & 1); break;
    }
    return r != (n & 1);
}

#define SIZES(name) {name##_8, name##_16, name##_32, name##_64}
#define SIZES_NO8(name) {NULL, name##_16, name##_32, name##_64}

#endif
