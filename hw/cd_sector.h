/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cd_sector.h - the bytes of a CD's sectors around the 2048 of user data: sync, header, EDC and ECC of
 * mode 1 (ECMA-130, chapters 14 and 20, annexes A and B), C2 error bits (none) and sub-channels.  Pure
 * functions.
 */
#ifndef GH_CD_SECTOR_H
#define GH_CD_SECTOR_H

#include <stdbool.h>
#include <stdint.h>

enum { CD_SECTOR_USER = 2048, CD_SECTOR_RAW = 2352, CD_SECTOR_C2 = 294, CD_SECTOR_C2_BLOCK = 296,
       CD_SECTOR_SUB = 96, CD_SECTOR_Q = 16, CD_SECTOR_MOST = 2352 + 296 + 96 };

/* What READ CD can ask for: byte 9 of its packet, and bits 2-0 of byte 10. */
enum { CD_PART_SYNC = 0x80, CD_PART_SUBHEADER = 0x40, CD_PART_HEADER = 0x20, CD_PART_USER = 0x10,
       CD_PART_ECC = 0x08, CD_PART_C2 = 0x06, CD_PART_C2_BITS = 0x02, CD_PART_C2_BLOCK = 0x04 };
enum { CD_SUB_NONE = 0, CD_SUB_RAW = 1, CD_SUB_Q = 2, CD_SUB_RW = 4 };

/* Bytes a mode 1 sector of a single data track gives for these parts; -1: no such combination. */
int cd_sector_length(uint8_t parts, uint8_t sub);
/* Writes them to out; user: the sector's 2048 bytes, not inside out. */
void cd_sector_make(uint8_t *out, uint32_t lba, const uint8_t *user, uint8_t parts, uint8_t sub);

#endif
