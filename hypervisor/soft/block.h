/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * block.h - decoded blocks, the jump cache, and how near branches go from block to block.
 *
 * A block's key is its physical address, RIP, CS base and limit, and the parts of Cpu.mode in BLOCK_MODES.
 * Blocks belong to one vCPU, so nothing here is locked.  A block is young, in a region of the vCPU's ring,
 * until it is translated; then it moves to a piece of code memory (jit/pieces.c), beside its code.  Regions and
 * pieces are emptied as a whole, and only between blocks, outside of translated code; until then an invalid
 * block keeps valid == 0, which is all that a link to it looks at.  So the interpreter's links stay within
 * a region.
 */
#ifndef GH_SOFT_BLOCK_H
#define GH_SOFT_BLOCK_H

#include "hypervisor/soft/cpu.h"

#define BLOCK_INSNS 40
#define BLOCK_MODES (MODE_SIZE_MASK | MODE_PROT | MODE_V86 | MODE_USER | MODE_SS32 | \
                     MODE_LMA | MODE_TF | MODE_FLAT | MODE_AC | MODE_AM)
#define JUMP_BITS 16
#define JUMP_SIZE (1u << JUMP_BITS)
#define JUMP_FACTOR 0x9e3779b1u
#define JUMP_SHIFT 5                    /* an entry's size, so that translated code needs no shift */

typedef struct BlockCache BlockCache;

struct Block {
    uint64_t gpa, rip, cs_base;
    uint64_t page_key;          /* code_page_key() of where it is */
    uint64_t gpa2;              /* with an instruction (then it has one) that goes on in the next page:
                                   that page; else ~0 */
    uint32_t cs_limit;          /* ~0 in 64-bit mode */
    /* Lists, and what points to the block there; hash_next and page_next stay when it has left them. */
    Block *hash_next, *page_next, *page_next2;
    Block **hash_at, **page_at, **page_at2;
    uint32_t mode;
    uint16_t len, count;
    uint8_t valid;
    /* of the translator: */
    uint16_t heat;              /* runs left until it is translated */
    uint8_t entries;            /* times it was warmed other than by a jump from itself */
    bool waited, long_loop;     /* it is warmed longer than others; it goes on to itself many times */
    bool wants_host;            /* its code begins with the flags in the host */
    bool x87_checks;            /* it may run with x87 exceptions unmasked: jit/x87.c */
    void (*first)(Cpu *c, const Insn *i);   /* body of the first instruction; of every block */
    uint8_t *code_mem, *code_host;  /* entries with flags in Cpu.aflags, in the host; NULL: none */
    struct JitLink *links;      /* jumps that were linked to this block */
    Insn insn[];                /* count, then op_block_end */
};

/*
 * Cpu.code_pages: for each linear page modulo CODE_PAGES a key of both page numbers, exact: 36 bits of a
 * canonical address, 28 of a physical one (SOFT_PHYS_BITS).  Where there is a block's key code that
 * jumps there may go to the block without a look at the TLB.  (Keys are complements, so that a slot never
 * used is 0; nothing lies in the two topmost physical pages, whose keys NONE and NEVER could be.)
 */
#define CODE_PAGES (1u << 16)
#define CODE_PAGE_GPA_BITS 28
#define CODE_PAGE_NONE 0ull             /* in a slot */
#define CODE_PAGE_NEVER 1ull            /* is in no slot */

static inline uint64_t code_page_key(uint64_t linear, uint64_t gpa)
{
    return ~(linear >> 12 << CODE_PAGE_GPA_BITS | gpa >> 12);
}

static inline uint64_t *code_page_slot(const Cpu *c, unsigned user, uint64_t linear)
{
    return &c->code_pages[user][linear >> 12 & (CODE_PAGES - 1)];
}

static inline size_t block_bytes(const Block *b)
{
    return (sizeof(Block) + (b->count + 1u) * sizeof(Insn) + 15) & ~(size_t)15;
}

static inline uint64_t block_linear(const Block *b, uint64_t rip)
{
    return (b->mode & MODE_SIZE_MASK) == MODE_64 ? rip : (uint32_t)(b->cs_base + rip);
}

static inline uint64_t block_second_linear(const Block *b)
{
    uint64_t next = (block_linear(b, b->rip) | 0xfff) + 1;

    return (b->mode & MODE_SIZE_MASK) == MODE_64 ? next : (uint32_t)next;
}

/*
 * Found by RIP alone; good while tag is Cpu.jump_tag and the slot has the block's page: jump_ok().
 * Translated code compares tag and epoch with Cpu's at once: no slot of its kind of code (user or
 * supervisor) that was filled has changed since the entry was last found good.  What it names lies
 * below 4 GiB (low_alloc()).
 */
typedef struct JumpEntry {
    uint64_t rip;
    uint32_t tag, epoch;        /* as Cpu.jump_tag and code_epoch(), which begins with 1 */
    uint32_t slot;              /* address of a slot of Cpu.code_pages */
    uint32_t block;             /* of the Block */
    uint32_t code;              /* where translated code goes on; Cpu.jit_leave: there is none */
    uint32_t unused;
} JumpEntry;

#define JUMP_TAG_NONE 0u
#define JUMP_TAG_VALID 0x8000u          /* in all others */

static inline unsigned jump_hash(uint64_t rip)
{
    return (uint32_t)rip * JUMP_FACTOR >> JUMP_SHIFT & (JUMP_SIZE - 1);
}

/* An entry has two places, jump_hash()'s and the one beside it, where the entry goes that had to make room. */
static inline JumpEntry *jump_entry(const Cpu *c, uint64_t rip)
{
    JumpEntry *e = &c->jumps[jump_hash(rip)], *second = &c->jumps[jump_hash(rip) ^ 1];

    return e->rip != rip && second->rip == rip ? second : e;
}

static inline Block *jump_block(const JumpEntry *e) { return (Block *)(uintptr_t)e->block; }

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define POINT_OPCODE 0x3ffu             /* of op_point(): no encoding has it */

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

static inline bool jump_ok(const Cpu *c, const JumpEntry *e)
{
    const Block *b = jump_block(e);

    return likely(e->rip == c->rip && e->tag == c->jump_tag &&
                  *(const uint64_t *)(uintptr_t)e->slot == b->page_key && b->valid) &&
           (likely(b->gpa2 == ~0ull) ||
            *code_page_slot(c, !!(b->mode & MODE_USER), block_second_linear(b)) ==
                code_page_key(block_second_linear(b), b->gpa2));
}

/* c->rip is set: goes on there if that is quick, else back to the run loop. */
static inline void jump_cached(Cpu *c)
{
    const JumpEntry *e = jump_entry(c, c->rip);

    if (likely(jump_ok(c, e) && chain_ok(c) && *c->code_ring_prod == *c->code_ring_seen))
        return block_enter(c, jump_block(e));
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
