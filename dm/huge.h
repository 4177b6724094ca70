/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * huge.h - makes large pages of those 2 MiB of guest RAM that devices' data goes to: the kernel pins and
 * describes a large page once, 4 KiB pages one by one, which is half of the time of a disk command.
 * Linux gives memfds none by itself but does on request (MADV_COLLAPSE, since 6.1); older kernels refuse,
 * and nothing changes.
 */
#ifndef GH_DM_HUGE_H
#define GH_DM_HUGE_H

#include <stdint.h>

typedef struct Huge Huge;

#define HUGE_PAGE (2u << 20)

/* base: of guest RAM, a multiple of HUGE_PAGE; types: of its pages, DM_PAGE_* (dm_proto.h). */
Huge *huge_new(uint8_t *base, uint64_t size, const uint8_t *types);
void huge_free(Huge *h);        /* before base goes */
/* A device's data goes to or comes from [gpa, gpa + len), which is RAM.  Cheap; device thread. */
void huge_used(Huge *h, uint64_t gpa, uint64_t len);

#endif
