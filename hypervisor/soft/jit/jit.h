/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * jit.h - the translator: host code for decoded blocks that are run often.
 *
 * A block (block.h) is interpreted until it is warm; then jit_translate() makes host code of it, and
 * its first Insn's body becomes the one that enters that code.  Everything that the translator does
 * not emit calls the instruction's body, so each instruction has one meaning.
 *
 * Guest registers live in host registers (regs.h), guest flags in the host's or in Cpu.aflags.
 * Code, links, Cpu and blocks lie below 2 GiB, so that code names them by 32-bit addresses: code
 * belongs to one vCPU, and nothing here is locked.  Code memory is mapped twice, writable and
 * executable, never both in one place.
 */
#ifndef GH_SOFT_JIT_H
#define GH_SOFT_JIT_H

#include "hypervisor/soft/core.h"

#define CODE_MEMORY (64u << 20) /* bytes for blocks and code of a guest, if nobody says another figure */

typedef struct CodePool CodePool;
typedef struct Piece Piece;
typedef struct Jit Jit;
typedef struct JitLink JitLink;

/* Memory below 2 GiB, zeroed; NULL if there is none. */
void *low_alloc(size_t size);
void *low_alloc_large(size_t size); /* of large pages where the host has them: for what is accessed at random */
void low_free(void *at, size_t size);

/* Before the sandbox is entered.  false: no translator here (no memory, no AVX2-less host...). */
bool jit_attach(Cpu *c);
void jit_free(Cpu *c);

/* Called by block.c.  b was just built: counts its runs from now on, until it is translated. */
void jit_block_new(Cpu *c, Block *b, unsigned runs);
/* What is translated now makes older code go. */
bool jit_is_full(const Cpu *c);
/* b must not be entered any more. */
void jit_block_killed(Cpu *c, Block *b);
/* Where b's code runs; it has some. */
const uint8_t *jit_code(const Cpu *c, const Block *b);
/* All blocks are gone. */
void jit_flush(Cpu *c);
/* Another vCPU needs code memory more than this one; between blocks it gets some. */
void jit_asked(Cpu *c);
void jit_give_back(Cpu *c);
/* The thread goes on with c: another one may have had c's code meanwhile. */
void jit_resume(Cpu *c);
void code_pool_free(Engine *e);
#define JIT_IDLE 2000           /* who has translated nothing for so many translations of all is idle */
/* Numbers of epochs begin again (code_pages.c). */
void jit_epochs_end(Cpu *c);

/* Blocks are translated at this run, unless a test wants it otherwise (before the vCPU runs). */
#define JIT_WARM 24
void jit_set_warm(Engine *e, unsigned runs);
/* For tests, before the vCPU runs: regions and pieces are full with so many blocks, and of regions there are two. */
void jit_set_few_blocks(Engine *e, unsigned blocks);

#endif
