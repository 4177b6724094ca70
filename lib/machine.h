/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * machine.h - all that a device may ask of the machine it is in: time, I/O ranges, guest memory,
 * interrupt lines, and a few words to the outside.  qemu-dm, the hypervisor (for the chips that Xen
 * keeps inside it) and the tests' fake machine each fill in a MachineHost; a device can't tell
 * which of them it runs in.  Single-threaded: see timer.h.
 */
#ifndef GH_MACHINE_H
#define GH_MACHINE_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/io_map.h"
#include "lib/irq.h"
#include "lib/log_limit.h"
#include "lib/timer.h"

typedef struct Machine Machine;
typedef struct Device Device;
typedef struct RamBlock RamBlock;
typedef struct SpeakerWave SpeakerWave;     /* lib/speaker.h */

typedef enum ShutdownReason {       /* Xen's SHUTDOWN_* */
    SHUTDOWN_POWEROFF = 0, SHUTDOWN_REBOOT = 1, SHUTDOWN_SUSPEND = 2, SHUTDOWN_CRASH = 3,
} ShutdownReason;

typedef struct MachineHost {
    int64_t (*now)(Machine *m);                 /* ns of guest time */
    int64_t (*wall_clock)(Machine *m);          /* seconds since 1970, UTC plus the domain's offset */
    void (*shutdown)(Machine *m, ShutdownReason reason);    /* ends or restarts the domain */
    void (*log)(Machine *m, const char *device, const char *text);  /* already rate-limited */
    /* Guest memory (may be NULL in the hypervisor, whose chips do no DMA): the host address of
     * gpa and, in *run, how many bytes follow contiguously (<= len); NULL: no RAM there. */
    uint8_t *(*ram)(Machine *m, uint64_t gpa, uint64_t len, bool write, uint64_t *run);
    /* [gpa, gpa+len) has been written by a device. */
    void (*ram_written)(Machine *m, uint64_t gpa, uint64_t len);
    /* Device-owned RAM (video memory, ROM images) in guest-physical space; see ram_block_*. */
    bool (*ram_block_alloc)(Machine *m, RamBlock *b, GError **error);
    void (*ram_block_map)(Machine *m, RamBlock *b, bool mapped);
    void (*ram_block_dirty)(Machine *m, RamBlock *b, uint8_t *bitmap);
    void (*ram_block_free)(Machine *m, RamBlock *b);
    void (*settle)(Machine *m);                 /* serves posted writes; may be NULL */
    void (*let_in)(Machine *m);                 /* serves a vCPU's access that waits; may be NULL */
    bool (*hold)(Machine *m, bool on);          /* on: no write is posted any more; may be NULL */
    /* Platform wires of the device model. */
    void (*set_pci_intx)(Machine *m, unsigned devfn, unsigned pin, bool level); /* pin 0-3 */
    void (*set_link_route)(Machine *m, unsigned link, unsigned isa_irq);        /* 0: none */
    void (*inject_msi)(Machine *m, uint64_t addr, uint32_t data);
    void (*rtc_offset_changed)(Machine *m, int64_t delta_seconds);
    /* The timer drives the speaker otherwise from now on; may be NULL. */
    void (*speaker)(Machine *m, const SpeakerWave *wave);
} MachineHost;

struct Machine {
    const MachineHost *host;
    void *opaque;               /* the host's own */
    IoMap io;
    TimerQueue timers;
    IrqLine isa_irq[16];        /* wired by the board */
    GPtrArray *devices;         /* Device*, in order of creation; owned */
    LogLimit log_limit;
};

void machine_init(Machine *m, const MachineHost *host, void *opaque);
void machine_finish(Machine *m);        /* finishes and frees devices in reverse order */
void machine_reset(Machine *m);         /* resets every device */

static inline int64_t machine_now(Machine *m) { return m->host->now(m); }
/*
 * For a device with more to do than a vCPU should have to wait for, between two parts of it: accesses to any
 * device may come now, this one too.  Not from within an access.
 */
static inline void machine_let_in(Machine *m)
{
    if (m->host->let_in) {
        m->host->let_in(m);
    }
}

/* --- guest memory: every access by a device goes through these --- */
/* Copy; parts that are no RAM read as ones and swallow writes.  False if any part was no RAM. */
bool dma_read(Machine *m, uint64_t gpa, void *buf, size_t len);
bool dma_write(Machine *m, uint64_t gpa, const void *buf, size_t len);
uint32_t dma_read_u32(Machine *m, uint64_t gpa);
void dma_write_u32(Machine *m, uint64_t gpa, uint32_t v);
/*
 * Zero-copy: the host address of the longest contiguous RAM at gpa, *len cut down to it; NULL if
 * the first byte is no RAM.  Valid for the machine's life.  After the device or a back end has
 * written there: dma_written(), before the guest can learn of it.
 */
void *dma_map(Machine *m, uint64_t gpa, uint64_t *len, bool write);
void dma_written(Machine *m, uint64_t gpa, uint64_t len);

/* --- RAM owned by a device --- */
struct RamBlock {
    const char *name;
    uint64_t size;              /* bytes, multiple of 4096 */
    bool read_only;             /* for the guest */
    uint8_t *host;              /* the device's view, always writable */
    uint64_t gpa;               /* while mapped */
    bool mapped;
    bool written;               /* by a device, since ram_block_dirty() */
    Machine *machine;
    RamBlock *of;               /* a view: whose memory it is */
    uint64_t offset;            /* in it, while mapped */
    int fd;                     /* memfd behind it, or -1 */
    void *opaque;               /* the host's own */
};
RamBlock *ram_block_new(Machine *m, const char *name, uint64_t size, bool read_only,
                        GError **error);
void ram_block_free(RamBlock *b);
void ram_block_map(RamBlock *b, uint64_t gpa);
void ram_block_unmap(RamBlock *b);
/* A view of a part of another block, which outlives it; for windows that move over memory. */
RamBlock *ram_block_view_new(RamBlock *of, const char *name, GError **error);
/* Shows [offset, offset + len) of the block (a view: of the other) at gpa, and nothing else of it. */
void ram_block_show(RamBlock *b, uint64_t gpa, uint64_t offset, uint64_t len);
/*
 * Writes that the guest has posted.  Settle: serve those that are on their way; not from inside an
 * access.  Hold: settle, and let no more be posted until machine_release(), for memory that takes the
 * place of registers: no older write may come after a newer one to the memory.  False: that can't be
 * had just now, nothing is held; in a millisecond perhaps.
 */
void machine_settle(Machine *m);
bool machine_hold(Machine *m);
void machine_release(Machine *m);
/* ORs in one bit for each page the guest wrote since the last call, (size >> 12) bits. */
void ram_block_dirty(RamBlock *b, uint8_t *bitmap);

#endif
