/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * io_publish.h - the table of registers between device model and hypervisor (DmRanges in
 * include/dm_proto.h): which writes the guest waits for, and what reads give that need no device.
 *
 * A published value is never older than what a read by request would give: the device model changes
 * the cells before it answers, before it posts an interrupt and before it says that ring entries are
 * consumed; the hypervisor answers from a cell only when no posted write that may change it is still
 * on its way, or knows what that write makes of it (IoOps.store).
 */
#ifndef GH_IO_PUBLISH_H
#define GH_IO_PUBLISH_H

#include "include/dm_proto.h"
#include "lib/io_map.h"

/* --- the device model's side; its main thread --- */

typedef struct IoPublisher {
    DmRanges *table;
    IoMap *map;
    const IoRange *range[DM_RANGES];    /* as in the table; NULL: free */
} IoPublisher;

void io_publisher_init(IoPublisher *p, DmRanges *table, IoMap *map);
/* A range has been mapped, moved or unmapped, or its busy has changed. */
void io_publisher_range(IoPublisher *p, const IoRange *range, bool on);
/* Looks at the families that have changed.  over: they are not in the middle of it. */
void io_publisher_flush(IoPublisher *p, bool over);

/* --- the hypervisor's side; under one lock.  The table may be nonsense, and change at any time --- */

#define IO_STORES 32
#define IO_HINTS 256
#define IO_ACKS 8

typedef struct IoStore {        /* a posted write to mere storage */
    uint8_t range, value, mask;
    uint16_t cell;
    uint64_t at;
} IoStore;

typedef struct IoAck {          /* a posted write to a line's status */
    uint8_t range, group;
    uint16_t bits;
    uint32_t seen;
    uint64_t at;
} IoAck;

typedef struct IoLineWrite {    /* what goes with a posted write to a line's register */
    uint32_t seen;
    uint32_t wire;
    bool low;                   /* the line is, after it */
} IoLineWrite;

typedef struct IoReader {
    const DmRanges *table;
    uint64_t barrier[DM_GROUPS];        /* what has to be consumed before a group's cells are true */
    IoStore store[IO_STORES];
    unsigned stores;
    IoAck ack[IO_ACKS];
    unsigned acks;
    uint8_t hint[IO_HINTS];             /* by hash of the address: the range that it was found in last */
} IoReader;

/*
 * consumed: up to which posted write the device model has got, counted like at, which is the number of
 * the write in question; addr, size: at most 8 bytes.
 */
/* DM_RANGE_WAIT, DM_RANGE_POST, DM_RANGE_QUIET, or DM_RANGE_LINE: then io_reader_line() says more. */
uint8_t io_reader_rule(IoReader *r, uint64_t consumed, bool mmio, uint64_t addr, unsigned size,
                       uint64_t data);
/* False: the device has to be asked.  Else the write is to be posted with what w says. */
bool io_reader_line(IoReader *r, uint64_t consumed, bool mmio, uint64_t addr, unsigned size,
                    uint64_t data, IoLineWrite *w);
/* That write was posted. */
void io_reader_line_posted(IoReader *r, uint64_t consumed, uint64_t at, bool mmio, uint64_t addr,
                           unsigned size, uint64_t data, const IoLineWrite *w);
/* The write was posted; not for DM_RANGE_LINE. */
void io_reader_posted(IoReader *r, uint64_t consumed, uint64_t at, bool mmio, uint64_t addr,
                      unsigned size, uint64_t data);
/* False: the device has to be asked. */
bool io_reader_read(IoReader *r, uint64_t consumed, bool mmio, uint64_t addr, unsigned size,
                    uint64_t *value);

#endif
