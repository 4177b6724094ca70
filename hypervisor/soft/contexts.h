/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * contexts.h - what mmu.c and code_pages.c have put aside of address spaces that CR3 doesn't name now.
 *
 * All of it belongs to the vCPU's thread.
 */
#ifndef GH_SOFT_CONTEXTS_H
#define GH_SOFT_CONTEXTS_H

#include <stdbool.h>
#include <stdint.h>
#include "hypervisor/soft/cpu.h"

#define CONTEXTS 16
#define CONTEXT_PAGES 256       /* those filled last */
#define CONTEXT_CODE 256

/* A TLB entry of a page that is not global. */
typedef struct ParkedPage {
    uint64_t page;              /* linear | PAGE_* */
    uint64_t gpa;               /* as TlbInfo.gpa */
} ParkedPage;

/* What an entry may be used for without a walk; writing is in TlbInfo.gpa. */
enum { PAGE_READ = 1, PAGE_EXEC = 2, PAGE_DEVICE = 4 };

/* A slot of Cpu.code_pages. */
typedef struct ParkedCode {
    uint64_t key;
    unsigned slot;
} ParkedCode;

typedef struct Context {
    bool used;
    uint16_t pcid;
    uint32_t left;              /* CpuPriv.context_clock when CR3 named another */
    uint32_t turn;              /* how often it was left: for tlb_park() */
    uint32_t epoch[2];          /* of its code, by user; 0: a new one is due */
    unsigned page_count[TLB_NONE], code_count[2];
    bool code_local[2];         /* it had code that was not of global pages */
    ParkedPage pages[TLB_NONE][CONTEXT_PAGES];
    ParkedCode code[2][CONTEXT_CODE];
} Context;

/* contexts.c */
/* CR3 is about to name another identifier (0 to 4095); without keep what is known of that is forgotten. */
void context_switch(Cpu *c, unsigned pcid, bool keep);
/* All of one identifier that CR3 doesn't name; of all of those. */
void context_forget(Cpu *c, unsigned pcid);
void contexts_forget(Cpu *c);
/* Code of those address spaces has to be looked up again. */
void contexts_end_epochs(Cpu *c, unsigned user);

/* mmu.c: takes what is not global out of the TLB; puts it back. */
void tlb_park(Cpu *c, Context *x);
void tlb_unpark(Cpu *c, const Context *x);

/* code_pages.c: the same with Cpu.code_pages; left is the one parked just before, x may be NULL. */
void code_pages_park(Cpu *c, Context *x);
void code_pages_unpark(Cpu *c, const Context *x, const Context *left);

#endif
