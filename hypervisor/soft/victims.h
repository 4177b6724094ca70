/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * victims.h - entries of global pages that others have pushed out of the TLB, which has one place for
 * each page.  They are looked at before page tables are walked.  A vCPU's own, nothing is locked.
 */
#ifndef GH_SOFT_VICTIMS_H
#define GH_SOFT_VICTIMS_H

#include "hypervisor/soft/contexts.h"

#define VICTIMS 512             /* of a table */

typedef struct Victims {
    bool any;
    ParkedPage pages[TLB_NONE][VICTIMS];        /* 0: none */
} Victims;

/* The TLB has lost it. */
void victim_keep(Victims *v, unsigned table, ParkedPage lost);
/* It goes back; false: it isn't here. */
bool victim_take(Victims *v, unsigned table, uint64_t page, ParkedPage *back);
/* As INVLPG: the page; what is of the large page of 1 << shift bytes with linear in it. */
void victims_flush_page(Victims *v, uint64_t linear);
void victims_flush_large(Victims *v, uint64_t linear, unsigned shift);
void victims_flush_all(Victims *v);

#endif
