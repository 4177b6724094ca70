/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mmu.h - the quick way to guest memory, for bodies to inline.
 *
 * One subtraction and compare tells that the segment needs no check (else fbase is FBASE_NONE and
 * nothing matches), that the TLB has the page with the right permission, and that the access does
 * not cross the page.  Everything else is in the functions of cpu.h.
 */
#ifndef GH_SOFT_MMU_H
#define GH_SOFT_MMU_H

#include "hypervisor/soft/block.h"
#include "hypervisor/soft/cpu.h"

typedef uint16_t __attribute__((may_alias, aligned(1))) u16a;
typedef uint32_t __attribute__((may_alias, aligned(1))) u32a;
typedef uint64_t __attribute__((may_alias, aligned(1))) u64a;

#define R16(c, r) (*(u16a *)&(c)->gpr[r])
#define R32(c, r) (*(u32a *)&(c)->gpr[r])   /* to read; writes go to gpr[] zero-extended */

static inline unsigned tlb_index(uint64_t linear)
{
    return linear >> 12 & (TLB_SIZE - 1);
}

static inline uint64_t insn_ea(const Cpu *c, const Insn *i)
{
    uint64_t a = c->gpr[i->base] + (c->gpr[i->index] << i->scale) + (uint64_t)(int64_t)i->disp;

    if (likely(i->asize == 8))
        return a;
    return i->asize == 4 ? (uint32_t)a : (uint16_t)a;
}

/* Host address for reading / writing size bytes, or NULL. */
static inline void *fast_read(const Cpu *c, unsigned seg, uint64_t off, unsigned size)
{
    uint64_t linear = c->fbase_r[seg] + off;
    const TlbEntry *e = &c->tlb[tlb_index(linear)];

    return likely(linear - e->rtag <= 4096 - size) ? (void *)(uintptr_t)(linear + e->addend) : NULL;
}

static inline void *fast_write(const Cpu *c, unsigned seg, uint64_t off, unsigned size)
{
    uint64_t linear = c->fbase_w[seg] + off;
    const TlbEntry *e = &c->tlb[tlb_index(linear)];

    return likely(linear - e->wtag <= 4096 - size) ? (void *)(uintptr_t)(linear + e->addend) : NULL;
}

#define MMU_ACCESSORS(bits, type) \
static inline uint##bits##_t ld##bits(Cpu *c, const Insn *i, unsigned seg, uint64_t off) \
{ \
    const type *p = fast_read(c, seg, off, bits / 8); \
    return likely(p != NULL) ? *p : mem_read##bits(c, i, seg, off); \
} \
static inline void st##bits(Cpu *c, const Insn *i, unsigned seg, uint64_t off, uint##bits##_t v) \
{ \
    type *p = fast_write(c, seg, off, bits / 8); \
    if (likely(p != NULL)) \
        *p = v; \
    else \
        mem_write##bits(c, i, seg, off, v); \
}

MMU_ACCESSORS(8, uint8_t)
MMU_ACCESSORS(16, u16a)
MMU_ACCESSORS(32, u32a)
MMU_ACCESSORS(64, u64a)

/* Stack addresses wrap at the stack pointer's size. */
static inline uint64_t stack_cut(const Cpu *c, uint64_t sp)
{
    if ((c->mode & MODE_SIZE_MASK) == MODE_64)
        return sp;
    return c->mode & MODE_SS32 ? (uint32_t)sp : (uint16_t)sp;
}

static inline void stack_set(Cpu *c, uint64_t sp)
{
    if ((c->mode & MODE_SIZE_MASK) == MODE_64)
        c->gpr[4] = sp;
    else if (c->mode & MODE_SS32)
        c->gpr[4] = (uint32_t)sp;
    else
        R16(c, 4) = (uint16_t)sp;
}

#endif
