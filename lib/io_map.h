/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * io_map.h - ports and memory-mapped registers.  A device claims ranges with handlers that get the
 * offset from the range's start, so it does not care where it is.  The map splits and widens: a
 * handler sees only widths it declared; unclaimed bytes read as ones and swallow writes.
 */
#ifndef GH_IO_MAP_H
#define GH_IO_MAP_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum IoSpace { IO_PORT, IO_MMIO, IO_SPACES } IoSpace;
enum { IO_8 = 1, IO_16 = 2, IO_32 = 4, IO_64 = 8 };    /* a width's bit is its number of bytes */

typedef struct IoSpan {
    uint8_t first, len;     /* offsets */
} IoSpan;

#define IO_LINE_BITS 16

/* The events of a status register: how many there were, and for each bit the last that set it. */
typedef struct IoEvents {
    uint32_t last;
    uint32_t at[IO_LINE_BITS];
} IoEvents;

/*
 * A status register whose bits are cleared by writing ones, and the mask of those that raise the
 * device's line: the line is high while they have a bit in common.  Only events and resets set bits of
 * the status; what posted writes to other registers do to it may show late.
 */
typedef struct IoLine {
    uint8_t status, mask, bytes;        /* offsets; 1 or 2 bytes each */
    const IoEvents *(*events)(void *opaque);
    uint32_t (*wire)(void *opaque);     /* a PCI function's: devfn << 2 | pin 0-3 */
} IoLine;

typedef struct IoOps {
    /* width: bytes, one of those declared; offset + width never passes the range's end. */
    uint64_t (*read)(void *opaque, uint64_t offset, unsigned width);
    void (*write)(void *opaque, uint64_t offset, unsigned width, uint64_t value);
    unsigned widths;        /* IO_8 | ...; an access of another width is split or widened */
    /*
     * Optional: count elements in one go through one address (INS, OUTS; data registers), buf in
     * guest byte order.  Returns how many were done; the map does the others one by one.
     */
    uint32_t (*read_many)(void *opaque, uint64_t offset, unsigned width, void *buf, uint32_t count);
    uint32_t (*write_many)(void *opaque, uint64_t offset, unsigned width, const void *buf,
                           uint32_t count);
    /*
     * Optional, for ranges of at most IO_POST_MAX bytes: an IoPost for each offset.  A posted write
     * is not waited for; it comes in its order before any later access to the same machine.
     */
    const uint8_t *post;
    /*
     * Optional, for ranges as short: registers that are answered for without the device (see
     * io_publish.h).  peek gives what a read of the byte at this offset would give at this moment;
     * false: that read would change something, or depends on its width, or on time.  Nothing but the
     * device's own accesses changes it without io_changed() (lib/device.h).
     */
    bool (*peek)(void *opaque, unsigned offset, uint8_t *value);
    const IoSpan *peeks;    /* optional: where peek ever tells something, up to the first without length */
    /*
     * Optional, for posted writes: the bits of each register that are mere storage.  A write whose
     * other bits are as the register reads changes these bits of it, at most, of all that the device's
     * peeks tell.  (0xff also for a register that peek never tells of, if it changes no other.)
     */
    const uint8_t *store;
    const struct IoPair *pairs;     /* optional, of the same kind: up to the first with index == data */
    const IoLine *line;     /* optional, with peek: what IO_POST_LINE is about */
    bool apart;             /* accesses change nothing that the device's peeks tell: memory */
    /*
     * Optional: the handlers wait for nobody, change no map of memory, and are over in well under a
     * microsecond but for a wake-up or a timer to be set.  In the hypervisor they may then be called
     * while their vCPU counts as running guest code (EngineHost.io_read_now).
     */
    bool quick;
} IoOps;

/* An index register and the data register that shows the one it selects. */
typedef struct IoPair {
    uint8_t index, data;    /* offsets */
    uint8_t count;          /* registers, up to IO_PAIR_MAX: the others are not told of */
    const uint8_t *store;   /* as above, for each register */
    bool (*peek)(void *opaque, unsigned number, uint8_t *value);
} IoPair;

#define IO_PAIR_MAX 32
#define IO_POST_MAX 256
typedef enum IoPost {
    IO_POST_NO,             /* the guest waits: a write that may lower an interrupt line must */
    IO_POST_YES,            /* not waited for */
    IO_POST_QUIET,          /* nor needed before the next access that is not quiet */
    IO_POST_IDLE,           /* IO_POST_YES while the range is not busy: see io_busy(), lib/device.h */
    IO_POST_STORE,          /* IO_POST_QUIET if only bits of IoOps.store change, else IO_POST_NO */
    IO_POST_LINE,           /* the status or mask of IoOps.line, written whole: not waited for.  The
                               line is lowered at once; see IoSeen */
} IoPost;

/* A posted write to a register of an IoLine. */
typedef struct IoSeen {
    bool known;             /* such a write is being done */
    bool lowered;           /* the guest has the line low: if it is high it has to be told again */
    uint32_t event;         /* the last event that the guest could know of when it wrote */
} IoSeen;

/* The ranges of one device. */
typedef struct IoFamily {
    bool publishes;         /* one of them has peeks */
    bool changed;           /* what they tell may have */
} IoFamily;

typedef struct IoRange {
    const char *owner;      /* device's name, for messages */
    const IoOps *ops;
    void *opaque;
    IoFamily *family;       /* may be NULL */
    uint64_t base, len;
    IoSpace space;
    bool mapped;
    bool local;             /* not to be announced outside this process */
    bool busy;              /* IO_POST_IDLE means IO_POST_NO */
} IoRange;

typedef struct IoMap {
    GPtrArray *ranges[IO_SPACES];       /* mapped IoRange*, sorted by base */
    IoRange *last[IO_SPACES];           /* last hit */
    /* Told of each range that comes and goes (the ioreq client mirrors them); may be NULL. */
    void (*changed)(void *opaque, const IoRange *range, bool mapped);
    /* Told when busy has changed for a mapped range with a post table; may be NULL. */
    void (*busy_changed)(void *opaque, const IoRange *range);
    /* Called by io_map_publish() when due; may be NULL. */
    void (*publish)(void *opaque);
    bool due;                           /* some family has changed */
    IoSeen seen;
    bool draining;              /* buffered writes are being carried out */
    void *opaque;
} IoMap;

void io_map_init(IoMap *map);
void io_map_finish(IoMap *map);
IoRange *io_range_new(const char *owner, IoSpace space, uint64_t len, const IoOps *ops,
                      void *opaque);                /* unmapped; io_range_free() */
void io_range_free(IoMap *map, IoRange *range);
/* False with an error that names both owners when it overlaps.  Mapping a mapped range moves it. */
bool io_map_add(IoMap *map, IoRange *range, uint64_t base, GError **error);
void io_map_remove(IoMap *map, IoRange *range);
IoRange *io_map_find(IoMap *map, IoSpace space, uint64_t addr);     /* NULL: nobody's */

/* What the peeks of a family tell may have changed. */
static inline void io_family_changed(IoMap *map, IoFamily *family)
{
    if (family && family->publishes) {
        family->changed = map->due = true;
    }
}

static inline void io_event(IoEvents *e, uint16_t bits)
{
    e->last++;
    for (unsigned i = 0; i < IO_LINE_BITS; i++) {
        e->at[i] = bits >> i & 1 ? e->last : e->at[i];
    }
}

/*
 * Of the bits that a write acknowledges those that no event has set again since the guest wrote.  Ages,
 * because numbers come round.
 */
static inline uint16_t io_acknowledged(uint32_t last, const uint32_t *at, uint32_t seen, uint16_t bits)
{
    for (unsigned i = 0; i < IO_LINE_BITS; i++) {
        if (last - at[i] < last - seen) {
            bits &= ~(1u << i);
        }
    }
    return bits;
}

/* To be called before anybody can learn of a change in another way. */
static inline void io_map_publish(IoMap *map)
{
    if (map->due && map->publish) {
        map->publish(map->opaque);
    }
}

/* width 1, 2, 4 (8 for MMIO). */
uint64_t io_read(IoMap *map, IoSpace space, uint64_t addr, unsigned width);
void io_write(IoMap *map, IoSpace space, uint64_t addr, unsigned width, uint64_t value);
/* The same for who knows the range of the first byte; NULL: nobody's. */
uint64_t io_read_at(IoMap *map, const IoRange *range, IoSpace space, uint64_t addr, unsigned width);
void io_write_at(IoMap *map, const IoRange *range, IoSpace space, uint64_t addr, unsigned width,
                 uint64_t value);
/* One port, count elements. */
void io_read_many(IoMap *map, uint64_t port, unsigned width, void *buf, uint32_t count);
void io_write_many(IoMap *map, uint64_t port, unsigned width, const void *buf, uint32_t count);

#endif
