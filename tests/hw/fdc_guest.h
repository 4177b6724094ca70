/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fdc_guest.h - a guest's side of the floppy controller for the tests: a machine with patterned
 * floppies and the few steps that a driver makes.
 */
#ifndef GH_TESTS_FDC_GUEST_H
#define GH_TESTS_FDC_GUEST_H

#include "block/block.h"
#include "hw/fdc.h"
#include "tests/fake_machine.h"

enum { FD_DOR = 0x3f2, FD_TDR, FD_MSR, FD_DSR = FD_MSR, FD_DATA, FD_DIR = 0x3f7, FD_CCR = FD_DIR };
enum { FD_BUFFER = 0x20000 };           /* where DMA goes */

typedef struct FdcGuest {
    FakeMachine *f;
    Device *dma, *fdc;
    int fd;                             /* our copy of A's image */
    uint8_t result[10];
    unsigned results;
} FdcGuest;

int fdc_guest_image(unsigned kib);      /* a patterned memfd */
BlockDev *fdc_guest_open(int fd, bool read_only);
/* A floppy of so many KiB in A (0: an empty drive), no drive B; reset, recalibrated, rate set. */
FdcGuest *fdc_guest_new(unsigned kib);
/* Media given, NULL: no drive; only created. */
FdcGuest *fdc_guest_new_with(BlockDev *a, BlockDev *b);
void fdc_guest_free(FdcGuest *g);
void fdc_guest_start(FdcGuest *g);      /* out of reset, interrupts on, SPECIFY for DMA */
void fdc_guest_rate(FdcGuest *g, unsigned kib);
/* Sends bytes of a command, waiting for RQM before each; false when the controller wants none. */
bool fdc_guest_send(FdcGuest *g, const uint8_t *bytes, unsigned n);
/* Waits for the interrupt and fetches the result phase. */
void fdc_guest_result(FdcGuest *g);
/* Both, for a command with an interrupt at its end. */
void fdc_guest_run(FdcGuest *g, const uint8_t *bytes, unsigned n);
void fdc_guest_seek(FdcGuest *g, unsigned cylinder);
/* SEEK, DMA channel, READ or WRITE DATA of `bytes` from C, H, R; EOT as given. */
void fdc_guest_transfer(FdcGuest *g, uint8_t opcode, unsigned c, unsigned h, unsigned r,
                        unsigned eot, unsigned bytes);
void fdc_guest_dma(FdcGuest *g, bool to_memory, unsigned bytes);
/* Runs the main loop and the clock until the controller wants something from the host. */
void fdc_guest_wait(FdcGuest *g);
void fdc_guest_fill(uint8_t *sector, unsigned lba);
#define FD_SEND(g, ...) \
    fdc_guest_send(g, (const uint8_t[]){ __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ }))
#define FD_RUN(g, ...) \
    fdc_guest_run(g, (const uint8_t[]){ __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ }))

#endif
