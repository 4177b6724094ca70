/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_gen.h - what fuzz_gen.c and fuzz_insn.c share: operands that mostly hit the data and now and
 * then just miss it, and their encoding in 16-, 32- and 64-bit code.
 */
#ifndef GH_TESTS_FUZZ_GEN_H
#define GH_TESTS_FUZZ_GEN_H

#include "tests/cpu/fuzz.h"

enum { AX, CX, DX, BX, SP, BP, SI, DI };
enum { NO_SEG = SEG_COUNT };

typedef struct Gen {
    FuzzProgram *p;
    const FuzzSetup *s;
    Rng *r;
    unsigned constants;         /* where MOV has some that may be changed */
    uint16_t constant_at[SLOTS_MAX];
} Gen;

typedef struct Operand {
    bool memory;
    unsigned rm;                /* register, with REX.B */
    unsigned rex;               /* X and B */
    unsigned asize, seg;        /* address size; SEG_* of the override or NO_SEG */
    uint8_t b[8];               /* ModRM without reg, SIB, displacement */
    unsigned len;
    unsigned rip_at;            /* where b has a RIP-relative displacement, or 0 */
    uint64_t target;
} Operand;

static inline unsigned below(Gen *g, unsigned n) { return rng_below(g->r, n); }
static inline bool one_in(Gen *g, unsigned n) { return below(g, n) == 0; }

static inline void put(Gen *g, unsigned v)
{
    if (g->p->len < sizeof g->p->b)
        g->p->b[g->p->len++] = (uint8_t)v;
}

static inline void put_n(Gen *g, uint64_t v, unsigned n)
{
    while (n--) {
        put(g, (unsigned)v & 0xff);
        v >>= 8;
    }
}

static inline bool wide(const Gen *g) { return g->s->bits == 64; }
static inline unsigned code_size(const Gen *g) { return g->s->bits == 16 ? 2 : 4; }


/* --- fuzz_gen.c --- */
unsigned gen_register(Gen *g);
unsigned gen_byte_register(Gen *g);
/* Values at the edges of types, or any. */
uint64_t gen_edge(Gen *g);
/* MOV of a constant, as wide as an address is. */
void gen_set_register(Gen *g, unsigned r, uint64_t v, unsigned asize);
uint64_t gen_data_target(Gen *g);
unsigned gen_pick_seg(Gen *g);
uint64_t gen_seg_base(const Gen *g, unsigned seg, unsigned fallback);
void gen_operand_memory(Gen *g, Operand *o);
void gen_operand_register(Gen *g, Operand *o, bool byte);
void gen_operand(Gen *g, Operand *o, bool byte, unsigned memory_of_4);
void gen_prefixes(Gen *g, const Operand *o, unsigned size, unsigned mandatory, unsigned lock);
/* Once imm bytes more are all that is missing; at: where ModRM is. */
void gen_rip_fix(Gen *g, const Operand *o, unsigned at, unsigned imm);
/* size: of the operands, 8 means REX.W; imm: bytes that the caller will put behind it. */
void gen_encode(Gen *g, const Operand *o, unsigned size, unsigned mandatory, unsigned lock,
                   unsigned op, unsigned reg, unsigned imm);
unsigned gen_size(Gen *g);
unsigned gen_word_size(Gen *g);
unsigned gen_register_of(Gen *g, unsigned size);

/* --- fuzz_insn.c: one instruction, or what belongs together --- */
void gen_integer(Gen *g);
void gen_one_byte_op(Gen *g, bool tame);
void gen_x87(Gen *g);
void gen_mmx(Gen *g);
void gen_sse(Gen *g);
void gen_avx(Gen *g);
void gen_state_image(Gen *g);

#endif
