/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ide_guest.h - a guest's side of IDE for the tests: a machine with a patterned disk (hda) and a
 * patterned CD (hdc), and the few steps that a driver makes.
 */
#ifndef GH_TESTS_IDE_GUEST_H
#define GH_TESTS_IDE_GUEST_H

#include "block/block.h"
#include "hw/ide.h"
#include "tests/fake_machine.h"

enum { PRI = 0x1f0, SEC = 0x170, PRI_CTL = 0x3f6, SEC_CTL = 0x376, BM0 = 0xc000, BM1 = 0xc008 };
enum { R_ERROR = 1, R_FEATURE = 1, R_COUNT, R_LOW, R_MID, R_HIGH, R_DEVICE, R_COMMAND,
       R_STATUS = 7 };
#define DISK_SECTORS 4096u
#define CD_BLOCKS 1000u

typedef struct IdeGuest {
    FakeMachine *f;
    Device *ide;
    BlockDev *disk, *cd;
    int disk_fd, cd_fd;         /* our copies, to look at the images */
} IdeGuest;

void ide_guest_fill(uint8_t *sector, uint64_t lba);     /* the pattern of a 512-byte sector */
int ide_guest_image(uint64_t sectors);                  /* a patterned memfd */
BlockDev *ide_guest_open(int fd, bool read_only);       /* over a copy of fd */
IdeGuest *ide_guest_new(void);
IdeGuest *ide_guest_new_with(BlockDev *disk, bool disk_is_cd, BlockDev *cd);
void ide_guest_free(IdeGuest *g);

/* Runs the main loop until the channel is not busy; the status. */
uint8_t ide_guest_wait(IdeGuest *g, unsigned base);
/* Runs the main loop until nothing has happened for some 30 ms: what the host has to do is done. */
void ide_guest_settle(void);
void ide_guest_lba28(IdeGuest *g, uint32_t lba, unsigned count, unsigned slave);
void ide_guest_lba48(IdeGuest *g, uint64_t lba, unsigned count);
uint8_t ide_guest_command(IdeGuest *g, unsigned base, uint8_t opcode);
/* Reads DRQ blocks until the command ends; bytes moved. */
uint32_t ide_guest_pio_in(IdeGuest *g, unsigned base, void *buf, uint32_t max);
/* One PRD at `table` for a buffer, then start. */
void ide_guest_prd(IdeGuest *g, uint32_t table, unsigned index, uint32_t addr, uint32_t len,
                   bool last);
void ide_guest_start(IdeGuest *g, unsigned bm, uint32_t table, bool to_memory);
/* Sends a packet; leaves the drive in its data or status phase. */
uint8_t ide_guest_packet(IdeGuest *g, const uint8_t cdb[12], unsigned limit, bool dma);
/* Packet with PIO data in; bytes moved. */
uint32_t ide_guest_packet_in(IdeGuest *g, const uint8_t cdb[12], void *buf, uint32_t max);
/* The pattern of the whole disk but [first, first + count) is untouched. */
bool ide_guest_untouched(IdeGuest *g, uint64_t first, uint64_t count);
uint8_t *ide_guest_save(IdeGuest *g, size_t *len);

#endif
