/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * core.h - what soft.c, run.c, block.c, decode.c, mmu.c and contexts.c share and no instruction body needs.
 *
 * Threads: a Cpu is touched by its own thread only, save poll, the requests in CpuPriv (atomics and
 * Engine.lock) and in_guest.  Whoever wants all vCPUs to stop using something sets a request, sets
 * poll and waits until the vCPU is out of guest code or has taken the request; a vCPU in a host
 * callback counts as out and takes its requests when it comes back; those done at once (EngineHost.*_now)
 * never block, and their vCPU counts as in.
 */
#ifndef GH_SOFT_CORE_H
#define GH_SOFT_CORE_H

#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include "hypervisor/soft/block.h"
#include "hypervisor/soft/contexts.h"
#include "hypervisor/soft/counters.h"
#include "hypervisor/soft/cpu.h"
#include "hypervisor/soft/victims.h"

#define SOFT_MAX_VCPUS 128
#define SOFT_PHYS_BITS 40
#define RANGE_ROOM 64
#define TLB_FILLED 4096
#define TLB_CHUNK 64
#define LARGE_SLOTS 16384
#define AGEING 8
#define CODE_PAGES_LISTED 2048
#define CS_SEEN 256
#define DR6_BS 0x4000u            /* a step has been made */
#define CS_FLAT 0               /* CpuPriv.cs_number of base 0 and limit 0xffffffff */
#define WRITERS_SETS 4096
#define WRITERS_WAYS 4

/* Cpu.poll */
enum { POLL_KICK = 1, POLL_STOP = 2, POLL_REQUEST = 4, POLL_STEP = 8, POLL_DEBUG = 16,
       POLL_BLOCK = 32,         /* only to keep blocks from chaining */
       POLL_POINT = 64 };       /* a breakpoint of the guest's */

/* CpuPriv.requests */
enum { REQ_TLB = 1, REQ_RANGES = 2, REQ_ALL_CODE = 4, REQ_WRITE_TAGS = 8, REQ_PIECE = 16 };

/* TlbInfo.gpa's low bits */
enum { TLBF_GLOBAL = 1, TLBF_WRITE = 2, TLBF_ROM = 4, TLBF_LARGE = 8, TLBF_HUGE = 0x10,
       TLBF_MASK = 0xfff };

typedef struct CodeRange { uint64_t gpa, len; } CodeRange;

/* Of what a segment's fbase_*[] were made (mode.c). */
enum { BASE_NEVER, BASE_LEGACY, BASE_COMPAT, BASE_64 };
typedef struct BaseOf {
    uint64_t base;
    uint32_t limit, what;       /* BASE_*, and what the segment allows */
} BaseOf;

/* Slots of Cpu.code_pages; when there are more of them count is CODE_PAGES_LISTED + 1. */
typedef struct CodePageList {
    uint16_t slot[CODE_PAGES_LISTED];
    unsigned count;
} CodePageList;

/* What the host has said of a CPUID leaf. */
#define CPUID_KEPT 32
typedef struct CpuidLeaf {
    bool known;
    uint32_t leaf, subleaf, out[4];
} CpuidLeaf;

/* The guest's breakpoints, out of DR0 to DR3 and DR7 (debug.c). */
#define POINTS_KEPT 16
typedef struct GuestPoints {
    /* Blocks begin at these linear addresses, and look: those with a breakpoint now, which are armed, and
     * those that had one last. */
    uint64_t exec[POINTS_KEPT];
    uint8_t armed[POINTS_KEPT]; /* translated code looks here */
    uint32_t used[POINTS_KEPT], clock;
    unsigned exec_count;
    bool exec_armed, io_armed;  /* there are breakpoints of that kind */
    unsigned watch_count;       /* of those on data: */
    struct { uint64_t at; uint8_t len, hit; bool reads; } watch[4];     /* hit: bit of DR6 */
} GuestPoints;

typedef struct CpuPriv {
    Vcpu *vcpu;                 /* the real one; Cpu.vcpu is a cookie for the wrapped host */
    CodePageList code_page_list[2][2];  /* by user, global: slots that are filled */
    uint64_t code_page_global[2][CODE_PAGES / 64];  /* by user: a bit for each slot of a global page */
    unsigned code_pages_forgotten;      /* counts */
    uint32_t code_epoch[2];     /* of supervisor and user code; begin with 1 */
    uint32_t code_epoch_last[2];    /* the last numbers given */
    BaseOf base_of[SEG_NONE];
    /* Numbers of bases and limits that CS had, for jump_tag: by hash; 0 where there is none. */
    struct { uint64_t base; uint32_t limit; uint16_t number; } cs_seen[CS_SEEN];
    uint16_t cs_number, cs_last;    /* the current one's; the last one given */
    unsigned irq_wait;          /* IRQ_* pending but not deliverable when last looked */
    uint8_t nmis_taken;         /* NMIs that another engine had taken from the host and not delivered yet */
    bool exclusive;             /* this vCPU holds the exclusive section */
    GuestPoints points;
    uint32_t watch_hit;         /* DR6 bits met by the current instruction; with POLL_POINT set */
    uint32_t watch_held;        /* met by MOV SS before the one that step() runs */
    bool tf_taken;              /* the current instruction has seen to TF itself: soft_step_trap() */
    uint32_t dummy_ring;
    BlockCache *cache;
    /* A debugger's: see debug.c. */
    bool debug_step;
    bool trying;                /* soft_try(): #UD is not delivered */
    bool watching;              /* soft_watch(): stops before what it names */
    uint8_t spotted;            /* SoftWatch: it has met one */
    uint16_t watch_port;
    uint32_t watch_msr;
    CpuidLeaf cpuid[CPUID_KEPT];    /* by hash */
    DebugHit debug_hit;         /* step or point set: run() is to return */
    unsigned debug_seen;        /* Engine.debug_generation when the caches were last filled */

    /* The entries of pages that are not global, by table; TLB_FILLED + 1 when there were more. */
    uint16_t filled[TLB_NONE][TLB_FILLED];
    unsigned filled_count[TLB_NONE];
    unsigned unparked[TLB_NONE];        /* how many of these came back with their address space */
    /* Entries that have been filled since all were flushed, a bit for TLB_CHUNK of them. */
    uint64_t used[TLB_NONE][TLB_SIZE / TLB_CHUNK / 64];
    /* By the guest page, modulo: every entry with a write tag (mmu.c), the newest first. */
    uint32_t writers[WRITERS_SETS][WRITERS_WAYS];
    Victims victims;

    /* The linear regions of large pages that the TLB has met since it was flushed whole: keys (mmu.c),
     * 0 where free.  With large_many there were too many to tell. */
    uint64_t large[LARGE_SLOTS];
    unsigned large_count;
    bool large_many, huge_seen; /* huge: of 1 GiB */

    /* Address spaces that CR3 doesn't name now; and the place where the current one will go. */
    Context contexts[CONTEXTS];
    unsigned context;
    uint32_t context_clock;

    uint64_t counters[SOFT_COUNTER_COUNT];  /* by count() only */

    /* shared */
    volatile uint32_t in_guest;
    volatile uint32_t rests, frozen;    /* cpu_rest(); cpu_freeze() */
    volatile uint32_t requests;
    CodeRange ranges[RANGE_ROOM];   /* under Engine.lock */
    unsigned range_count;
} CpuPriv;

struct Engine {
    GuestMemory mem;
    const EngineHost *host;
    pthread_mutex_t lock;
    pthread_cond_t changed;     /* a vCPU left guest code or took its requests; exclusive ended */
    Cpu *cpus[SOFT_MAX_VCPUS];
    unsigned cpu_count;
    Cpu *volatile exclusive;    /* owner of the exclusive section */
    /* For each page (mem.size >> 12 entries, mapped without reservation): */
    uint8_t *holders;           /* how many vCPUs have blocks of it; = mem.code_pages if given */
    uint64_t *granules;         /* which 64-byte pieces hold decoded code of any vCPU */
    uint8_t *settled;           /* held, and no vCPU has a write tag of it any more; under lock */
    uint8_t *logged, *dirty;
    /* A debugger's points; changed only while no vCPU runs. */
    DebugPoint debug_points[DEBUG_POINTS];
    unsigned debug_count, debug_generation;
    bool debug_exec, debug_watch;   /* there are some of that kind */
    bool interpret;             /* no translation */
    size_t code_memory;         /* for blocks and translated code of all vCPUs */
    struct CodePool *code_pool; /* jit/pieces.c; NULL: nothing is translated */
    unsigned warm;              /* a block is translated at this run of it */
    unsigned few_blocks;        /* tests: a region or piece of memory is full with so many; 0: with its bytes */
    unsigned waiters;           /* threads in a wait for changed that guest_leave() must wake */
};

static inline CpuPriv *cpu_priv(const Cpu *c) { return c->priv; }

static inline void count(Cpu *c, enum SoftCounter which)
{
    uint64_t *n = &cpu_priv(c)->counters[which];

    __atomic_store_n(n, *n + 1, __ATOMIC_RELAXED);
}

static inline uint32_t jump_tag_of(uint16_t cs_number, uint32_t mode)
{
    return (uint32_t)cs_number << 16 | JUMP_TAG_VALID | (mode & BLOCK_MODES);
}

#define CODE_EPOCHS (1u << 24)

static inline uint32_t code_epoch(const Cpu *c)
{
    return (uint32_t)c->code_epoch_high << 16 | c->code_epoch_low;
}

/* By bytes: the next one is Cpu.poll, which other threads set. */
static inline void code_epoch_set(Cpu *c, uint32_t n)
{
    _Static_assert(offsetof(Cpu, poll) == offsetof(Cpu, jump_tag) + 7, "one word of 64 bits");
    c->code_epoch_low = (uint16_t)n;
    c->code_epoch_high = (uint8_t)(n >> 16);
}

static inline void jump_tag_update(Cpu *c)
{
    c->jump_tag = jump_tag_of(cpu_priv(c)->cs_number, c->mode);
    code_epoch_set(c, cpu_priv(c)->code_epoch[!!(c->mode & MODE_USER)]);
}

/* A TLB entry has lost a right, or become another page's. */
static inline void windows_drop(Cpu *c)
{
    while (unlikely(c->windows_open)) {
        unsigned bit = (unsigned)__builtin_ctz(c->windows_open);
        Window *w = &c->windows[bit / WINDOW_COUNT][bit % WINDOW_COUNT];

        memset(w->below, 0, sizeof w->below);
        c->windows_open &= c->windows_open - 1;
    }
}

static inline bool page_is_ram(const GuestMemory *m, uint64_t gpa)
{
    return gpa < m->size && m->types[gpa >> 12] != MEM_HOLE;
}

/* CR3 with CR4.PCIDE: the identifier; the bit of a MOV that keeps what is known of it. */
#define CR3_KEEP (1ull << 63)
static inline unsigned cr3_pcid(uint64_t cr3) { return cr3 & 0xfff; }

/* soft.c */
void guest_leave(Cpu *c);
void guest_enter(Cpu *c);
void requests_take(Cpu *c);
/* Other vCPUs drop their blocks of this range, soon. */
void code_post_others(Cpu *c, uint64_t gpa, uint64_t len);
/* Other vCPUs' write tags are gone when this returns. */
void write_tags_drop_others(Cpu *c);
void code_post(Engine *e, Cpu *c, uint64_t gpa, uint64_t len);
/* A vCPU's blocks and code are its thread's between these two; in between another vCPU may take some of its
 * memory.  Both may come twice. */
void cpu_take(Cpu *c);
void cpu_rest(Cpu *c);
/* o shall give back a piece of code memory: if it rests it is stopped from running until thaw(), and
 * true is returned; else it does so soon. */
bool cpu_freeze(Cpu *o);
void cpu_thaw(Cpu *o);

/* hosts.c: the host's functions with the vCPU counted out of guest code meanwhile */
extern const EngineHost soft_wrapped_host;

/* system.c */
/* CPUID as the guest sees it now.  With kept only if the host need not be asked; false: it has to be. */
bool soft_cpuid(Cpu *c, uint32_t leaf, uint32_t subleaf, bool kept, uint32_t out[4]);
void soft_cpuid_forget(Cpu *c);     /* what the host says may have changed */

/* SYSENTER, SYSCALL and their returns, RIP that of their block; false: it would fault, nothing is done. */
enum { OPCODE_SYSCALL = 0x105, OPCODE_SYSRET = 0x107, OPCODE_SYSENTER = 0x134, OPCODE_SYSEXIT = 0x135 };
bool soft_change_level(Cpu *c, const Insn *i);
/* Of SYSCALL and SYSRET: the trap goes by TF as they leave it; by TF as they find it with all others. */
void soft_step_trap(Cpu *c);

/* run.c */
void soft_request_look(Cpu *c);     /* irq_pending is asked before the next block */
enum VcpuStop soft_run(EngineVcpu *c);
/* Nothing to look at before the next block, save that shadow is over. */
bool soft_quiet(const Cpu *c);
/* An instruction that soft_watch() may have to stop before: a hypercall, WRMSR to or OUT to index. */
enum WatchedInsn { WATCHED_CALL, WATCHED_MSR, WATCHED_PORT };
void soft_watched(Cpu *c, const Insn *i, enum WatchedInsn what, uint32_t index);

/* debug.c */
bool soft_debug_points(Engine *e, const DebugPoint *points, unsigned n);
void soft_debug_step(EngineVcpu *c, bool on);
void soft_debug_hit(const EngineVcpu *c, DebugHit *hit);
/* At the start of run(): forgets the last stop, and what was cached under other points. */
void debug_begin(Cpu *c);
/* Is there an execution point on this linear address?  Asked only when Engine.debug_exec. */
bool debug_exec_at(const Engine *e, uint64_t linear);
/* Stops before the instruction at c->rip, where there is an execution point. */
void debug_stop_exec(Cpu *c);
bool debug_stop_here(Cpu *c);   /* that, if there is one */
bool debug_watches_page(const Engine *e, uint64_t linear_page);
/* An access; when it is watched the instruction is the last one before run() returns. */
void debug_access(Cpu *c, uint64_t linear, unsigned len, bool write);
void op_debug_stop(Cpu *c, const Insn *i);  /* body of a block on an execution point */
/* The guest's own.  Where blocks have to begin: an index of GuestPoints.exec, or -1. */
int points_slot(const CpuPriv *p, uint64_t linear);
/* Breakpoints on the instruction at RIP: bits of DR6. */
uint32_t points_here(const Cpu *c);
/* A checked access, asked only when there are such breakpoints: notes those that it meets. */
void points_access(Cpu *c, uint64_t linear, unsigned len, bool write);
/* Begins a block where there is or was a breakpoint; imm is the index.  Goes on unless one is armed. */
void op_point(Cpu *c, const Insn *i);

/* Does a watched range touch this page, the debugger's or the guest's? */
static inline bool page_is_watched(const Cpu *c, uint64_t linear_page)
{
    const CpuPriv *p = cpu_priv(c);

    if (__builtin_expect(c->engine->debug_watch, 0) && debug_watches_page(c->engine, linear_page))
        return true;
    for (unsigned n = 0; n < p->points.watch_count; n++)
        if (p->points.watch[n].at >> 12 == linear_page >> 12)
            return true;
    return false;
}

/* mmu.c */
void tlb_init(Cpu *c);
void tlb_drop_write_tags(Cpu *c);
void tlb_drop_write_tags_of(Cpu *c, uint64_t gfn);
/* Accesses to the page are looked at from now on: page_is_watched() says so. */
void tlb_watch_page(Cpu *c, uint64_t linear);
typedef struct PhysRef {
    uint8_t *host;              /* NULL: MMIO */
    uint64_t gpa;
    TlbEntry *entry;            /* may be NULL; then info is, too */
    TlbInfo *info;
    bool rom;
} PhysRef;
/* Translates for one access within a page; false: *error is the page fault's code. */
bool mmu_lookup(Cpu *c, uint64_t linear, unsigned access, unsigned table, PhysRef *p,
                uint32_t *error);
enum { ACCESS_READ, ACCESS_WRITE, ACCESS_EXEC };
/* After bytes of RAM were changed through a host pointer: code and dirty log. */
void ram_written(Cpu *c, uint64_t gpa, unsigned len);

/* code_pages.c */
bool code_pages_init(Cpu *c);   /* false: no memory */
void code_pages_free(Cpu *c);
/* Code of the current mode at linear is at gpa. */
void code_page_note(Cpu *c, uint64_t linear, uint64_t gpa, bool global);
void code_pages_forget(Cpu *c, bool global_too);
void code_pages_forget_at(Cpu *c, uint64_t linear, uint64_t len);   /* 4096, or a large page's */

/* block.c */
Block *block_find(Cpu *c);      /* the block at c->rip; raises a fault that fetching it meets */
void block_invalidate(Cpu *c, uint64_t gpa, uint64_t len);
void block_flush(Cpu *c);
/* Blocks, in any address space, that have this linear address in them or end before it. */
void block_kill_linear(Cpu *c, uint64_t linear);
void block_stop(Cpu *c);        /* the block being run, if any, ends with this instruction */
/* A valid block goes, to make room for others; how often it ran is remembered.  Its bytes stay. */
void block_evict(Cpu *c, Block *b);
/* To where room() says, which may evict b; NULL if it says NULL, and b stays. */
Block *block_move(Cpu *c, Block *b, Block *(*room)(Cpu *c, const Block *b));
BlockCache *block_cache_new(const Engine *e, unsigned id);
void block_cache_attach(Cpu *c);     /* sets Cpu.jumps */
/* No jump cache entry counts any more. */
void block_jumps_forget(Cpu *c);
void block_cache_free(Cpu *c);

/* decode.c */
enum DecodeResult { DECODE_MORE, DECODE_END, DECODE_SHORT };
/* One instruction at b[0..avail) into *i.  DECODE_SHORT: it goes on beyond avail. */
enum DecodeResult decode_insn(uint32_t mode, uint64_t rip, unsigned off, const uint8_t *b,
                              unsigned avail, Insn *i);

#endif
