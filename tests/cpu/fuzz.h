/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz.h - random programs for every mode of the processor, run by the translator and by the
 * interpreter; what comes out must be the same to the last bit.
 *
 * fuzz_gen.c makes programs, fuzz_guest.c the machine that each runs on (mode, segments, paging, debug
 * registers, handlers of fuzz_code.S), fuzz_test.c runs and compares.  A program is a row of slots of
 * 32 bytes; a fault goes on with the next slot, so all of a program is run whatever happens in it.
 */
#ifndef GH_TESTS_FUZZ_H
#define GH_TESTS_FUZZ_H

#include "tests/cpu/random.h"
#include "tests/cpu/sys_guest.h"

/* Physical = linear addresses.  VARS and LOG are also known to fuzz_code.S. */
enum { FUZZ_HANDLERS = 0x34000, FUZZ_VARS = 0x3a000, FUZZ_LOOP = 0x3b000, FUZZ_DATA = 0x40000,
       FUZZ_DATA_SIZE = 0x4000, FUZZ_CODE = 0x50000, FUZZ_CODE_SIZE = 0x4000, FUZZ_STACK = 0x3f000,
       FUZZ_LOG = 0x70000, FUZZ_END = 0x74000, FUZZ_PD = 0xa000, FUZZ_PT = 0xb000,
       FUZZ_PDPT = 0xc000 };
/* The code once more, where there is paging.  A slot's last bytes are instructions of one byte. */
enum { FUZZ_ALIAS = 0x44000 };
enum { SLOT = 32, SLOTS_MAX = 40, CELLS = 4 };

/* Selectors above those of sys_guest.h. */
enum { FUZZ_CS = 0x100, FUZZ_SS = 0x108, FUZZ_DS = 0x110, FUZZ_ES = 0x118, FUZZ_FS = 0x120,
       FUZZ_GS = 0x128, FUZZ_GDT_BYTES = 0x130 };

enum FuzzKind { FUZZ_REAL, FUZZ_V86, FUZZ_PROT16, FUZZ_PROT32, FUZZ_LONG, FUZZ_COMPAT, FUZZ_KINDS };
enum { PAGING_NONE, PAGING_32, PAGING_PAE, PAGING_LONG };

/* Ports that programs write to. */
enum { PORT_SNAPSHOT = 0x55, PORT_IRQ = 0x56, PORT_LOOK = 0x57 };

typedef struct FuzzSetup {
    enum FuzzKind kind;
    unsigned bits;              /* of the code segment: 16, 32, 64 */
    unsigned paging;            /* PAGING_* */
    bool user, segmented, stack32;
    bool floats;                /* x87, MMX */
    bool vectors;               /* SSE, AVX */
    bool system;                /* instructions of the supervisor */
    bool steps;                 /* TF, debug registers */
    bool interrupted;           /* at any time, which must not show in its memory */
    bool changes;               /* code that changes itself */
    uint64_t base[SEG_COUNT];   /* of the segments */
    uint64_t start;             /* offset of the program in CS */
    unsigned slots;
    unsigned keep;              /* the register that mostly points to the data */
    uint64_t keep_at;           /* linear */
    uint16_t toggle;            /* what interrupts change in page table entries */
} FuzzSetup;

typedef struct FuzzProgram {
    uint8_t b[SLOTS_MAX * SLOT + 64];
    unsigned len;
} FuzzProgram;

/* h with n bytes more, of which the last n % 8 don't count. */
uint64_t fuzz_hash(uint64_t h, const void *p, size_t n);

void fuzz_program(FuzzProgram *p, const FuzzSetup *s, Rng *r);
/* One slot becomes filler: to find which of them matter. */
void fuzz_drop_slot(FuzzProgram *p, const FuzzSetup *s, unsigned slot);

/* Chooses everything about the machine and puts it into memory and g->s. */
void fuzz_setup(Guest *g, FuzzSetup *s, Rng *r);
/* The same for a program of level 3, or of level 0 in long mode, that is interrupted at any time: vector
 * LOOK_VECTOR, and NMI, do OUT to PORT_LOOK and return; in level 0 on stacks of the IST.  It runs turns times. */
enum { LOOK_VECTOR = 0x3f };
void fuzz_setup_interrupted(Guest *g, FuzzSetup *s, Rng *r, unsigned turns);
void fuzz_describe(const FuzzSetup *s, char *text, size_t size);

#endif
