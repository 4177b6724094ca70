/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * oracle.h - compares the software CPU with the host's CPU, one instruction at a time.
 *
 * A trial is the bytes of one instruction and a machine state.  oracle_native.c runs it on the
 * host, oracle_guest.c in a guest of the software engine, both at privilege level 3, with the
 * same addresses and in the same mode (64-bit or compatibility).  oracle_gen.c makes trials for
 * every form of every instruction the engine has, oracle_vex.c adds what VEX prefixes need.  Left
 * out: system instructions, far transfers and whatever the engine doesn't offer (3DNow!, SSE4a,
 * AVX-512 and its mask registers, TSX, AMX...).  oracle_makers.c knows what processors may leave
 * otherwise than ours where an instruction faults.
 */
#ifndef GH_TESTS_ORACLE_H
#define GH_TESTS_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "tests/cpu/random.h"

/* Linear addresses, in the host's process and in the guest; below and above DATA is nothing. */
#define CODE_AT UINT64_C(0x10000000)
#define DATA_AT UINT64_C(0x20000000)
enum { CODE_SIZE = 4096, DATA_SIZE = 8192, INSN_OFF = 0x800 };
enum { SEL_CODE16 = 0x07, SEL_DATA16 = 0x0f };      /* in the LDT */
enum { SEL_USER32 = 0x23, SEL_USER_DATA = 0x2b, SEL_USER64 = 0x33 };    /* Linux's, too */

typedef struct Machine {
    uint64_t gpr[16];
    uint64_t rip, rflags;
    uint8_t fx[512];            /* FXSAVE image, 64-bit form */
    uint8_t upper[16][16];      /* of YMM0-15, on hosts with AVX */
    uint8_t data[DATA_SIZE];
    int vector;                 /* out: what ended it; 3 is the INT3 that follows everything */
    uint32_t error;
    uint64_t cr2;               /* of a page fault */
} Machine;

enum { MAP_1 = 0, MAP_0F = 1, MAP_0F38 = 2, MAP_0F3A = 3 };
enum { PREFIX_NONE, PREFIX_66, PREFIX_F3, PREFIX_F2, PREFIX_LOCK, PREFIX_66_F2, PREFIX_COUNT };

typedef struct Form {
    bool wide, narrow, rexw;    /* neither wide nor narrow: 32-bit */
    uint8_t map, opcode, prefix;
    uint8_t reg;                /* ModRM.reg */
    bool memory;
    uint8_t rm;                 /* ModRM.rm of the register form where it is part of the opcode */
    bool vex, l;                /* a VEX prefix, with prefix (up to PREFIX_F2) and rexw inside */
} Form;

typedef struct Trial {
    Form form;
    uint8_t bytes[15];
    unsigned len;
    bool wide;                  /* 64-bit mode, else compatibility mode */
    bool narrow;                /* 16-bit segments based at CODE_AT and DATA_AT */
    uint64_t code, data;        /* offsets of CODE_AT and DATA_AT in their segments */
    uint64_t operand;           /* offset of ModRM's memory operand, unless it is a gather's */
    unsigned base;              /* the register that brings the address there; 16: the displacement */
    unsigned disp_at, disp_size;
    uint32_t undefined;         /* RFLAGS bits not to be compared */
    bool vector_memory;         /* a memory operand that may have to be aligned */
    bool dot_product;           /* DPPS, DPPD */
    unsigned reg;               /* ModRM.reg with its fourth bit */
    unsigned mask_reg, mask_size;   /* VEX.vvvv; a gather's elements' size, 0: no gather */
    uint16_t sw_undefined;      /* x87 status word bits not to be compared */
    unsigned loose_count;
    struct { unsigned at, len; } loose[2];      /* data not to be compared */
    Machine in;
} Trial;

typedef struct Native Native;
Native *native_new(void);
void native_free(Native *n);
void native_run(Native *n, const Trial *t, Machine *out);

typedef struct GuestCpu GuestCpu;
GuestCpu *guest_cpu_new(void);
void guest_cpu_free(GuestCpu *g);
/* false: the engine stopped for a reason that no trial should give */
bool guest_cpu_run(GuestCpu *g, const Trial *t, Machine *out);

/* Control registers for the runs that follow. */
#define CR0_USUAL UINT64_C(0x80010033)  /* PG WP NE ET MP PE */
#define CR4_USUAL UINT64_C(0x40620)     /* OSXSAVE OSXMMEXCPT OSFXSR PAE */
void guest_cpu_control(GuestCpu *g, uint64_t cr0, uint64_t cr4);
void guest_cpu_xcr0(GuestCpu *g, uint64_t xcr0);
/* How often the engine has raised FERR#. */
unsigned guest_cpu_ferrs(const GuestCpu *g);

/* --- generator --- */

bool host_has_avx(void);
bool host_is_intel(void);

bool form_exists(const Form *f);        /* false: not to be compared */
bool form_has_modrm(const Form *f);
bool form_is_x87(const Form *f);

/* --- oracle_vex.c --- */
bool vex_exists(const Form *f);
bool vex_has_modrm(const Form *f);
unsigned vex_immediate_size(const Form *f);
bool vex_is_gather(const Form *f);
/* VMASKMOV: makers differ on whether elements that aren't moved count for a segment's limit. */
bool vex_is_masked(const Form *f);
uint32_t vex_undefined_flags(const Form *f);
/* Prefix and opcode at p; rex has the bits of a REX prefix, vvvv is the register.  Returns the
 * length. */
unsigned vex_encode(const Form *f, unsigned rex, unsigned vvvv, Rng *r, uint8_t *p);
/* Writes the gather's index register and returns its base register's value. */
uint64_t vex_gather_operand(Trial *t, const Form *f, unsigned index, unsigned scale, int32_t disp,
                            Rng *r);
void trial_make(Trial *t, const Form *f, Rng *r);
/* The same trial with its memory operand at another offset. */
void trial_move(Trial *t, uint64_t operand);
/* Writes what differs into text (at most size bytes); false when nothing does. */
bool machines_differ(const Trial *t, const Machine *native, const Machine *guest, char *text,
                     size_t size);

/* --- oracle_makers.c --- */

/* Whether native, which differs from guest, is what a processor of the host's maker may leave.
 * g runs variants of the trial. */
bool makers_differ(GuestCpu *g, const Trial *t, const Machine *native, const Machine *guest);

#endif
