/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fake_machine.h - all the machine a device test needs: a clock the test turns, RAM, recorders for
 * interrupt lines and for what devices told the outside.
 */
#ifndef GH_FAKE_MACHINE_H
#define GH_FAKE_MACHINE_H

#include "lib/device.h"
#include "lib/pci.h"
#include "lib/speaker.h"

#define FAKE_RAM_SIZE (16u << 20)

typedef struct FakePost {
    IoSpace space;
    uint64_t addr, value;
    unsigned width;
} FakePost;

typedef struct FakeMachine {
    Machine m;                  /* hand &f->m to devices */
    PciBus bus;
    int64_t now;                /* ns; fake_advance() moves it */
    int64_t wall;               /* seconds */
    uint8_t *ram;               /* [0, FAKE_RAM_SIZE), all RAM but the VGA hole A0000-BFFFF */
    bool isa[16];               /* levels */
    unsigned isa_edges[16];     /* rising edges seen */
    bool intx[256][4];
    unsigned link_route[4];
    int shutdown;               /* -1, or the ShutdownReason */
    unsigned logged;            /* lines */
    char last_log[256];
    uint64_t written_bytes;     /* through dma_written */
    uint64_t msi_addr;
    uint32_t msi_data;
    SpeakerWave speaker;        /* what the timer said last */
    unsigned speaker_changes;
    GPtrArray *blocks;          /* RamBlock* */
    FakePost posted;            /* a write on its way; width 0: none */
    bool clean;                 /* the guest has not written to blocks; else: to every page */
    bool held;                  /* no more may be posted */
    bool refuses_hold;
    unsigned let_in;            /* how often a device let waiting accesses in */
} FakeMachine;

FakeMachine *fake_machine_new(void);
void fake_machine_free(FakeMachine *f);
/* Moves the clock in steps from timer to timer, firing each at its time. */
void fake_advance(FakeMachine *f, int64_t ns);
/* Runs the default main context until done is true or a second has passed. */
bool fake_wait(const bool *done);

static inline uint8_t fake_in8(FakeMachine *f, uint16_t p) { return io_read(&f->m.io, IO_PORT, p, 1); }
static inline uint16_t fake_in16(FakeMachine *f, uint16_t p) { return io_read(&f->m.io, IO_PORT, p, 2); }
static inline uint32_t fake_in32(FakeMachine *f, uint16_t p) { return io_read(&f->m.io, IO_PORT, p, 4); }
static inline void fake_out8(FakeMachine *f, uint16_t p, uint8_t v) { io_write(&f->m.io, IO_PORT, p, 1, v); }
static inline void fake_out16(FakeMachine *f, uint16_t p, uint16_t v) { io_write(&f->m.io, IO_PORT, p, 2, v); }
static inline void fake_out32(FakeMachine *f, uint16_t p, uint32_t v) { io_write(&f->m.io, IO_PORT, p, 4, v); }

#endif
