/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * block.h - decoded blocks, the jump cache, and how near branches go from block to block.
 *
 * A block's key is its physical address, RIP, CS base and the parts of Cpu.mode in BLOCK_MODES.
 * Blocks belong to one vCPU, so nothing here is locked.  Memory of a block is reused only when the
 * whole cache is dropped, between blocks; until then an invalid block keeps valid == 0, which is
 * all that a link to it looks at.
 */
#ifndef GH_SOFT_BLOCK_H
#define GH_SOFT_BLOCK_H

#include "hypervisor/soft/cpu.h"

#define BLOCK_INSNS 40
#define BLOCK_MODES (MODE_SIZE_MASK | MODE_PROT | MODE_V86 | MODE_USER | MODE_SS32 | \
                     MODE_LMA | MODE_TF | MODE_FLAT | MODE_AC | MODE_AM | \
                     MODE_WATCH)
#define JUMP_BITS 14
#define JUMP_SIZE (1u << JUMP_BITS)
#define JUMP_FACTOR 0x9e3779b1u

typedef struct BlockCache BlockCache;

struct Block {
    uint64_t gpa, rip, cs_base;
    uint64_t gpa2;              /* page of the part behind a page boundary, or ~0 */
    Block *hash_next, *page_next, *page_next2;
    uint32_t mode;
    uint16_t len, count;
    uint8_t valid;
    /* of the translator: */
    uint16_t heat;              /* runs left until it is translated */
    bool wants_host;            /* its code begins with the flags in the host */
    void (*first)(Cpu *c, const Insn *i);   /* body of the first instruction */
    uint8_t *code_mem, *code_host;  /* entries with flags in Cpu.aflags, in the host; NULL: none */
    struct JitLink *links;      /* jumps that were linked to this block */
    Insn insn[];                /* count, then op_block_end */
};

/* Found by RIP alone; good while tag is Cpu.jump_tag and the block is valid. */
typedef struct JumpEntry {
    uint64_t rip, tag;
    const Block *block;
    const uint8_t *code;        /* where translated code goes on */
} JumpEntry;

static inline unsigned jump_hash(uint64_t rip)
{
    return (uint32_t)rip * JUMP_FACTOR >> (32 - JUMP_BITS);
}

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* Insn.aux of direct near branches */
enum { BRANCH_LINKABLE = 1 };   /* target in the block's first page: may be linked by disp */

/* A direct near branch: its disp links it to the target's block. */
static inline bool insn_is_branch(const Insn *i)
{
    unsigned op = i->opcode;

    return (op >= 0x70 && op <= 0x7f) || (op >= 0xe0 && op <= 0xe3) || op == 0xe8 || op == 0xe9 ||
           op == 0xeb || (op >= 0x180 && op <= 0x18f);
}

static inline void block_enter(Cpu *c, const Block *b)
{
    c->block = b;
    return b->insn[0].fn(c, b->insn);
}

/* May a block go on to another one?  Not every compiler and body makes NEXT() a jump; where it is
 * a call the host's stack grows, and is brought back by returning to the run loop. */
static inline bool chain_ok(const Cpu *c)
{
    uintptr_t sp;

    __asm__("mov %%rsp, %0" : "=r"(sp));
    return likely(!c->poll && sp > c->stack_floor);
}

/* c->rip is set: goes on there if that is quick, else back to the run loop. */
static inline void jump_cached(Cpu *c)
{
    const JumpEntry *e = &c->jumps[jump_hash(c->rip)];

    if (likely(e->rip == c->rip && e->tag == c->jump_tag && e->block->valid && chain_ok(c) &&
               *c->code_ring_prod == *c->code_ring_seen))
        return block_enter(c, e->block);
}

void jump_unlinked(Cpu *c, const Insn *i);

/* Direct near branch to i->imm.  disp is the distance from i to the target block, 0 if unknown. */
static inline void jump_direct(Cpu *c, const Insn *i)
{
    c->rip = i->imm;
    if (likely(i->disp)) {
        const Block *b = (const Block *)((const char *)i + i->disp);

        if (likely(b->valid && chain_ok(c)))
            return block_enter(c, b);
        if (b->valid)
            return;
    }
    return jump_unlinked(c, i);
}

#endif
