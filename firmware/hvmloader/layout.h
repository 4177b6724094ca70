/* SPDX-License-Identifier: GPL-2.0-or-later */
/* layout.h - where hvmloader puts things besides include/pc_layout.h; also for start.S. */
#ifndef HVMLOADER_LAYOUT_H
#define HVMLOADER_LAYOUT_H

#define AP_START_ADDR       0x1000      /* trampoline; later the SeaBIOS information block */
#define BIOS_INFO_ADDR      0x1000
#define REAL_JUMP_ADDR      0x0600
#define SCRATCH_ADDR        0x10000     /* tables SeaBIOS copies away */
#define HYPERCALL_PAGE      0x80000
#define SHARED_INFO_ADDR    0xFDFFF000
#define BIOS_END            0x100000

#endif
