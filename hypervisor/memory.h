/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory.h - a domain's guest-physical memory: one flat reservation whose file offset is the
 * guest-physical address, a type for each page, pages of the hypervisor's own that the guest may
 * map (shared_info, grant frames) and RAM blocks of the device model laid over it.  Everything that
 * changes the map is called with the device lock held.
 */
#ifndef GH_HV_MEMORY_H
#define GH_HV_MEMORY_H

#include <glib.h>
#include "hypervisor/engine.h"
#include "include/dm_proto.h"

#define PAGE_SIZE 4096u
#define PAGE_SHIFT 12
#define MEM_BLOCKS 64
#define MEM_HEAP_PAGES 65       /* shared_info, then the grant frames */
#define MEM_HEAP_SHARED_INFO 0
#define MEM_HEAP_GRANT 1
#define MEM_BATCH 256           /* extents taken together by mem_release() */
/* Pages a domain may have above its configured memory: what hvmloader allocates for tables, and
 * the special pages. */
#define MEM_ALLOWANCE 4096

typedef struct MemBlock {
    int fd;                     /* the device model's, or -1 */
    uint64_t size, gpa, offset; /* of what is shown, while it is */
    bool mapped, read_only, log_dirty;
} MemBlock;

typedef struct Memory {
    GuestMemory guest;          /* what engines see of it */
    uint8_t *types;             /* writable view of guest.types */
    int ram_fd, types_fd, code_fd, heap_fd;
    uint8_t *heap;              /* MEM_HEAP_PAGES pages */
    uint64_t heap_gfn[MEM_HEAP_PAGES];  /* where the guest has mapped them; 0: nowhere */
    uint64_t low_end, high_end; /* ends of the configured RAM below and above 4 GiB; 0: none */
    uint64_t pages, limit;      /* populated, and the most there may be */
    uint64_t vram_first, vram_pages;    /* track_dirty_vram's range */
    MemBlock block[MEM_BLOCKS];
    const EngineOps *ops;       /* NULL until an engine runs */
    Engine *engine;
} Memory;

/* memory_mb of RAM, with the VGA hole left out.  Nothing in it is populated but that and the
 * special pages. */
bool mem_create(Memory *m, uint64_t memory_mb, uint64_t max_mb, GError **error);
void mem_destroy(Memory *m);

/* The page's bytes; NULL when the guest has no such RAM (or, for write, only ROM). */
uint8_t *mem_page(const Memory *m, uint64_t gfn, bool write);
bool mem_read(const Memory *m, uint64_t gpa, void *buf, size_t len);
bool mem_write(Memory *m, uint64_t gpa, const void *buf, size_t len);
/* The bytes were changed by the hypervisor or a device. */
void memory_written(Memory *m, uint64_t gpa, uint64_t len);

/* 0 or a negative Xen error. */
int mem_populate(Memory *m, uint64_t gfn, uint64_t count);
int mem_release(Memory *m, const uint64_t *gfns, unsigned n, unsigned order);
int mem_move(Memory *m, uint64_t from, uint64_t to);
int mem_map_heap(Memory *m, unsigned page, uint64_t gfn);
int mem_set_type(Memory *m, uint64_t gfn, uint64_t count, uint8_t type);
uint64_t mem_highest_gfn(const Memory *m);

/* Device RAM.  fd is taken over when it is the first of its handle, closed otherwise. */
int mem_block_map(Memory *m, const DmMapBlock *req, int fd);
/* len bytes of bitmap; 0 or a negative error. */
int mem_block_dirty(Memory *m, unsigned handle, uint8_t *bitmap, size_t len);
int mem_track_vram(Memory *m, uint64_t first, uint64_t pages, uint8_t *bitmap, size_t len);

#endif
