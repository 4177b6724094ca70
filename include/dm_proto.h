/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dm_proto.h - between a domain's hypervisor process and its device model.
 *
 * The I/O request pages are Xen's own (xen/hvm/ioreq.h), in a memfd of their own that the guest
 * can't map: page 0 synchronous slots, page 1 the buffered ring (atomic pointers).  Operations are
 * Xen's struct xen_dm_op.  What Xen does by hypercalls and event channels goes here through
 *   - a SOCK_SEQPACKET socket ("the channel"): set-up and rare operations, with an answer;
 *   - a shared page pair (struct DmShared): posted operations (interrupt levels, written ranges)
 *     and the wake-up words of both sides.
 * The peer is never trusted: each side copies a message or slot once and checks it.
 */
#ifndef GH_DM_PROTO_H
#define GH_DM_PROTO_H

#include <stdint.h>

#define DM_PROTO_VERSION 7
#define DM_MAX_VCPUS 128

/* --- posted operations, device model -> hypervisor --- */
enum {
    DM_POST_ISA_IRQ = 1,        /* a = irq 0-15, b = level */
    DM_POST_PCI_INTX,           /* a = devfn << 2 | pin 0-3, b = level */
    DM_POST_LINK_ROUTE,         /* a = link 0-3, b = ISA irq, 0: none */
    DM_POST_MSI,                /* b = data, c = address */
    DM_POST_WRITTEN,            /* b = pages, c = first gfn: RAM that held code was written */
};

typedef struct DmPost {
    uint32_t op;
    uint32_t a;
    uint32_t b;
    uint32_t pad;
    uint64_t c;
} DmPost;

#define DM_POSTS 256            /* power of two */

/*
 * Ranges of registers whose accesses need not all be waited for: lib/io_publish.h writes this table for
 * the device model and reads it for the hypervisor.
 *
 * Writes: how says for each offset whether the guest waits (DM_RANGE_*).  Those it does not wait for go
 * into the buffered ring; an address that does not fit there sets the entry's pad bit and follows in
 * the next entry's data.
 *
 * Reads: a cell with DM_CELL_VALID holds what a read of this byte gives, and that the read changes
 * nothing.  The hypervisor answers from it when every posted write that could change it has been
 * consumed.  store: a posted write of this register changes these of its bits, and nothing else in any
 * cell, if its other bits are what the register reads as; 0: it may change any cell of the group.
 *
 * A pair is an index register and the data register that shows the cell of that number; the data
 * register's own cell, store and how are not looked at but for how.
 *
 * A line is a status register and a mask (IoLine in lib/io_map.h).  The hypervisor posts writes to both,
 * with an entry of type DM_BUFFERED_LINE before each: data is the number of the last event that the guest
 * could know of, addr 1 if the write leaves the line low, which the hypervisor has seen to itself.  The
 * device clears what no later event has set again; if its line is high then, and addr was 1, it posts the
 * level anew.  at and last are cells as those of the status.
 *
 * seq is odd while entries and cells change; a reader that finds it odd or moved asks the device model.
 * Cells change before the answer, post, or consumed ring entry by which the guest could know of it.
 */
enum { DM_RANGE_WAIT, DM_RANGE_POST, DM_RANGE_QUIET, DM_RANGE_IDLE, DM_RANGE_STORE,
       DM_RANGE_LINE };         /* IoPost */
enum { DM_CELL_VALID = 0x100 };
#define DM_RANGES 32
#define DM_RANGE_BYTES 256
#define DM_RANGE_PAIRS 3
#define DM_PAIR_CELLS 32
#define DM_GROUPS 64
#define DM_LINE_BITS 16
#define DM_BUFFERED_LINE 0x7e   /* no type of Xen's */

typedef struct DmPair {
    uint8_t index, data;        /* offsets in the range; equal: not in use */
    uint8_t count;              /* cells; at most DM_PAIR_CELLS */
    uint8_t store[DM_PAIR_CELLS];
    uint16_t cell[DM_PAIR_CELLS];
} DmPair;

typedef struct DmLine {
    uint8_t status, mask;       /* offsets in the range */
    uint8_t bytes;              /* 1 or 2; 0: not in use */
    uint32_t wire;              /* as a of DM_POST_PCI_INTX */
    uint32_t last, at[DM_LINE_BITS];    /* events: the last one, and the last to set each bit */
} DmLine;

typedef struct DmRange {
    uint8_t busy;               /* DM_RANGE_IDLE is DM_RANGE_WAIT */
    uint8_t group;              /* device; < DM_GROUPS */
    uint8_t how[DM_RANGE_BYTES];
    uint8_t store[DM_RANGE_BYTES];
    uint16_t cell[DM_RANGE_BYTES];
    DmPair pair[DM_RANGE_PAIRS];
    DmLine line;
} DmRange;

typedef struct DmRanges {
    uint32_t seq;
    uint32_t count;             /* how many of the following to look at */
    struct {
        uint32_t base;
        uint16_t len;           /* 0: not in use; at most DM_RANGE_BYTES */
        uint16_t mmio;
    } where[DM_RANGES];
    DmRange range[DM_RANGES];
} DmRanges;

/*
 * What drives the PC speaker (lib/speaker.h), oldest first.  The hypervisor never waits for room: it
 * overwrites, and a reader that finds speaker_prod too far ahead after its copy takes a newer entry.
 */
typedef struct DmSpeaker {
    int64_t at, start;          /* ns of guest time */
    uint32_t first_ticks, second_ticks;
    uint32_t first;             /* level, 0 or 1 */
    uint32_t pad;
} DmSpeaker;

#define DM_SPEAKER_WAVES 4096   /* power of two */

/*
 * Wake-up rules.  "waiting" words are set to 1 by a side just before it sleeps (with a full barrier,
 * then it looks once more), and the other side, having published work, exchanges them with 0 and
 * only wakes if they were not 0.  The device model sleeps in poll() with request_fd in it, the
 * hypervisor's service thread with post_fd; a vCPU sleeps in a (shared) futex wait on its
 * vcpu[i].waiting word.  hv_waiting says who is to be woken by posts: DM_WAKE_SERVICE, or a halted
 * vCPU, which most of them are for.  While vCPUs look themselves (vcpus_look) the service thread can be
 * woken some time later, if the posts are still there then.
 *
 * A side that looks for a while before it sleeps does not do so on the processor that the other side was
 * seen on last (dm_processor, vcpu[].processor): it would be looking for what it keeps from running.
 */
enum { DM_WAKE_NOBODY, DM_WAKE_SERVICE, DM_WAKE_VCPU };     /* the last: plus its number */
typedef struct DmShared {
    /* written by the device model */
    _Alignas(64) uint32_t post_prod;        /* free running */
    uint32_t dm_waiting;
    uint32_t dm_ready;                      /* 1 once it serves requests */
    uint32_t dm_processor;                  /* of the host, where it ran last, + 1; 0: not known */
    /* written by the hypervisor */
    _Alignas(64) uint32_t post_cons;        /* free running; prod - cons <= DM_POSTS */
    uint32_t hv_waiting;                    /* DM_WAKE_* */
    uint32_t request_seq;                   /* bumped after a slot became READY or the ring grew */
    uint32_t paused;                        /* 1 while the domain is paused: guest time stands */
    uint32_t vcpus_look;                    /* 1: vCPUs that run the guest look at post_prod too */
    /* processor: of the host, where it last began to wait, + 1; written by the hypervisor */
    _Alignas(64) struct { uint32_t waiting, processor; uint32_t pad[14]; } vcpu[DM_MAX_VCPUS];
    _Alignas(64) DmPost post[DM_POSTS];
    /* Guest time: ns = host CLOCK_MONOTONIC + offset while running; = frozen while paused.
     * time_seq is odd during an update. */
    _Alignas(64) uint32_t time_seq;
    int64_t time_offset;
    int64_t time_frozen;
    /* written by the device model */
    _Alignas(64) DmRanges ranges;
    /* 1: to be woken by the next change (exchanged with 0) */
    _Alignas(64) uint32_t speaker_waiting;
    /* written by the hypervisor */
    _Alignas(64) uint32_t speaker_prod;     /* free running */
    _Alignas(64) DmSpeaker speaker[DM_SPEAKER_WAVES];
} DmShared;

/* --- the channel --- */
enum DmMsgType {
    /* hypervisor -> dm, once, first: descriptors in this order: guest RAM, page types, code map
     * (may be the same size as types), ioreq pages, DmShared, request eventfd, post eventfd */
    DM_MSG_HELLO = 1,
    /* dm -> hypervisor, answered by DM_MSG_REPLY with the same id */
    DM_MSG_OP,                  /* body: struct xen_dm_op; for track_dirty_vram see below */
    DM_MSG_MAP_BLOCK,           /* body: DmMapBlock; with a descriptor when first mapped */
    DM_MSG_BLOCK_DIRTY,         /* body: DmMapBlock; the reply carries the bitmap */
    DM_MSG_TIMEOFFSET,          /* reserved for the RTC; the delta goes by buffered ioreq */
    DM_MSG_REPLY,               /* body: int32 result (0 or -errno), then data */
    DM_MSG_HOLD,                /* body: uint32, see below */
    /* hypervisor -> dm, no answer */
    DM_MSG_SHUTDOWN = 32,       /* the domain is going: finish requests, exit 0 */
    DM_MSG_RESET,
};

typedef struct DmMsg {
    uint32_t type;
    uint32_t id;
    uint32_t len;               /* of the body that follows in the same packet */
    uint32_t pad;
} DmMsg;

typedef struct DmHello {
    uint32_t version;
    uint32_t vcpus;
    uint64_t ram_size;          /* bytes of the flat guest-physical space */
    uint32_t domid;
    uint32_t pad;
} DmHello;

/*
 * Device RAM (video memory, ROM images): a memfd of the device model's, or a part of one, shown to
 * the guest.  Two handles may have the same memory.
 */
typedef struct DmMapBlock {
    uint32_t handle;            /* chosen by the device model, < 64 */
    uint32_t flags;             /* DM_BLOCK_*; without MAP: unmap */
    uint64_t gpa;
    uint64_t size;
    uint64_t offset;            /* in the memfd */
} DmMapBlock;
enum { DM_BLOCK_MAP = 1, DM_BLOCK_READ_ONLY = 2, DM_BLOCK_LOG_DIRTY = 4 };

/*
 * DM_MSG_HOLD is for memory that takes the place of registers with buffered writes (the VGA window).
 * From the answer to a body of 1 to that of 0 no write is buffered: all wait for their answer.  The
 * device model holds, serves what is in the ring, maps the memory, and lets go; so no older write can
 * come out of the ring after a newer one to the memory itself.  EAGAIN: there are writes that are not in
 * the ring yet, and nothing is held; try again in a millisecond.
 */

#define DM_MSG_MAX 65536

/* Page types in the shared table: the MEM_* of hypervisor/engine.h. */
enum { DM_PAGE_HOLE = 0, DM_PAGE_RAM = 1, DM_PAGE_ROM = 2 };

#endif
