/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * block.c - a vCPU's cache of decoded blocks: finding, building, invalidating them.
 *
 * Blocks lie one behind the other in a ring of regions; the oldest region is emptied when the ring is full.
 * Those that get translated move to pieces of code memory (jit/pieces.c).  Each guest page
 * with blocks has a PageCode with their list.  The engine counts, for each page, the vCPUs that
 * have blocks of it (holders) and which 64-byte pieces those cover (granules): a store looks there
 * first (ram_written() in mmu.c).  Bytes are decoded from a copy and compared with memory after
 * the granules are marked, so a store that races with decoding is never missed.
 */
#include <stdlib.h>
#include <string.h>
#include "hypervisor/soft/core.h"
#include "hypervisor/soft/jit/jit.h"
#include "hypervisor/soft/mmu.h"
#include "hypervisor/soft/ops.h"

#define YOUNG_PART 4u           /* of the code memory at most, for blocks of a vCPU that aren't translated */
#define REGIONS 32u
#define REGION_LEAST (8u << 10)
#define HASH_SIZE (1u << 15)
#define PAGE_HASH_SIZE (1u << 12)
#define PAGES_MAX (1u << 14)
#define HEAT_SIZE (1u << 16)
#define COPY_SIZE (BLOCK_INSNS * 15)

/* A page with blocks; it is counted in Engine.holders. */
typedef struct PageCode {
    uint64_t gfn;
    struct PageCode *next;      /* same hash; of those that are free */
    Block *blocks;              /* linked by page_next or page_next2 */
    unsigned pins;              /* blocks that are being made: it stays without any other */
    bool stale;                 /* blocks have gone, and granules are as they were */
} PageCode;

struct BlockCache {
    Block *hash[HASH_SIZE];
    PageCode *pages[PAGE_HASH_SIZE];
    unsigned generation;        /* counts flushes */
    uint8_t *young;
    size_t young_size;          /* of the first regions, which are used; room for more may be behind them */
    size_t young_most;
    size_t used[REGIONS];       /* bytes of each */
    unsigned blocks[REGIONS];
    unsigned region;            /* the newest */
    JumpEntry jumps[JUMP_SIZE];
    /* By hash, for young blocks that had to go while there was room for more code: 24 bits that tell them
     * apart, and Block.heat. */
    uint32_t heat[HEAT_SIZE];
    PageCode *page_room, *page_free;
    unsigned page_count;        /* of page_room: what is behind was never used */
    /* A block that is run once and not kept: code that isn't in RAM, single instructions. */
    Block *scratch;
    Block *moving;
};

#define BLOCK_MAX_BYTES (sizeof(Block) + (BLOCK_INSNS + 1) * sizeof(Insn))

void op_code_changed(Cpu *c, const Insn *i)
{
    c->rip = insn_rip(c, i);
}

void op_block_end(Cpu *c, const Insn *i)
{
    c->rip = insn_rip(c, i);
    return jump_cached(c);
}

static size_t region_bytes(const BlockCache *k) { return k->young_size / REGIONS; }

static bool same_region(const BlockCache *k, const Block *a, const Block *b)
{
    size_t at = (size_t)((const uint8_t *)a - k->young), to = (size_t)((const uint8_t *)b - k->young);

    return at < k->young_size && to < k->young_size && at / region_bytes(k) == to / region_bytes(k);
}

void jump_unlinked(Cpu *c, const Insn *i)
{
    const JumpEntry *e = jump_entry(c, c->rip);

    if (!chain_ok(c) || !jump_ok(c, e) || *c->code_ring_prod != *c->code_ring_seen)
        return;
    if ((i->aux & BRANCH_LINKABLE) && c->block->valid && jump_block(e)->gpa2 == ~0ull &&
        same_region(cpu_priv(c)->cache, c->block, jump_block(e)))
        ((Insn *)(uintptr_t)i)->disp = (int32_t)((const char *)jump_block(e) - (const char *)i);
    return block_enter(c, jump_block(e));
}

static size_t regions_of(size_t bytes)
{
    size_t each = bytes / REGIONS & ~(size_t)15;

    return (each > REGION_LEAST ? each : REGION_LEAST) * REGIONS;
}

/* For the young blocks of each of count vCPUs. */
static size_t young_share(const Engine *e, unsigned count)
{
    return regions_of(e->code_memory / (count > YOUNG_PART ? count : YOUNG_PART));
}

static void cache_free(BlockCache *k)
{
    low_free(k->young, k->young_most);
    free(k->scratch);
    free(k->moving);
    free(k->page_room);
    low_free(k, sizeof *k);
}

static void pages_free_all(BlockCache *k)
{
    memset(k->pages, 0, sizeof k->pages);
    k->page_free = NULL;
    k->page_count = 0;
}

BlockCache *block_cache_new(const Engine *e, unsigned id)
{
    BlockCache *k = low_alloc_large(sizeof *k);

    if (!k)
        return NULL;
    k->young_most = young_share(e, id + 1);
    k->young = low_alloc(k->young_most);
    k->scratch = calloc(1, BLOCK_MAX_BYTES);
    k->moving = calloc(1, BLOCK_MAX_BYTES);
    k->page_room = calloc(PAGES_MAX, sizeof *k->page_room);
    if (!k->young || !k->scratch || !k->moving || !k->page_room) {
        cache_free(k);
        return NULL;
    }
    return k;
}

/* --- pages --- */
static PageCode *page_find(BlockCache *k, uint64_t gfn)
{
    PageCode *p = k->pages[gfn & (PAGE_HASH_SIZE - 1)];

    while (p && p->gfn != gfn)
        p = p->next;
    return p;
}

static Block **list_next(Block *b, uint64_t gfn)
{
    return b->gpa >> 12 == gfn ? &b->page_next : &b->page_next2;
}

static uint64_t granule_mask(unsigned first, unsigned last)
{
    return (~0ull >> (63 - (last >> 6 & 63))) & (~0ull << (first >> 6 & 63));
}

/* The bytes of page gfn that b covers: first and last offset. */
static void block_extent(const Block *b, uint64_t gfn, unsigned *first, unsigned *last)
{
    unsigned start = b->gpa & 0xfff, end = start + b->len - 1;

    if (b->gpa >> 12 == gfn) {
        *first = start;
        *last = end > 0xfff ? 0xfff : end;
    } else {
        *first = 0;
        *last = end - 0x1000;
    }
}

static PageCode *page_new(BlockCache *k, uint64_t gfn)
{
    PageCode **first = &k->pages[gfn & (PAGE_HASH_SIZE - 1)], *p = k->page_free;

    if (p)
        k->page_free = p->next;
    else
        p = &k->page_room[k->page_count++];
    *p = (PageCode){ .gfn = gfn, .next = *first };
    *first = p;
    return p;
}

static bool pages_full(const BlockCache *k)
{
    return !k->page_free && k->page_count == PAGES_MAX;
}

static void page_uncount(Engine *e, uint64_t gfn)
{
    pthread_mutex_lock(&e->lock);
    if (!--e->holders[gfn]) {
        e->granules[gfn] = 0;
        e->settled[gfn] = 0;
    }
    pthread_mutex_unlock(&e->lock);
}

/* Once nothing is left of it. */
static void page_release(Cpu *c, PageCode *p)
{
    BlockCache *k = cpu_priv(c)->cache;
    PageCode **at = &k->pages[p->gfn & (PAGE_HASH_SIZE - 1)];

    if (p->blocks || p->pins)
        return;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    p->next = k->page_free;
    k->page_free = p;
    page_uncount(c->engine, p->gfn);
}

static void page_unpin(Cpu *c, PageCode *p)
{
    if (p) {
        p->pins--;
        page_release(c, p);
    }
}

/* With the only holder, what its remaining blocks cover is all that is covered. */
static void page_recount(Cpu *c, PageCode *p)
{
    Engine *e = c->engine;
    uint64_t bits = 0;
    unsigned first, last;

    for (Block *b = p->blocks; b; b = *list_next(b, p->gfn)) {
        block_extent(b, p->gfn, &first, &last);
        bits |= granule_mask(first, last);
    }
    pthread_mutex_lock(&e->lock);
    if (e->holders[p->gfn] == 1)
        e->granules[p->gfn] = bits;
    pthread_mutex_unlock(&e->lock);
    p->stale = false;
}

/* Pins the page, and makes every vCPU's stores to it slow, this one's too.  Being counted is not enough when
 * another vCPU has only just begun to hold the page: it is settled when all have dropped their write
 * tags of it since somebody holds it.  Other vCPUs are waited for, outside guest code, so
 * requests may be taken here: false when one of them flushed the cache. */
static bool page_hold(Cpu *c, uint64_t gfn, PageCode **out)
{
    BlockCache *k = cpu_priv(c)->cache;
    Engine *e = c->engine;
    unsigned generation = k->generation;
    PageCode *p = page_find(k, gfn);
    bool settled;

    if (!p && pages_full(k)) {
        block_flush(c);
        return false;
    }
    if (p) {
        p->pins++;
        *out = p;
        return true;
    }
    *out = p = page_new(k, gfn);
    p->pins = 1;
    pthread_mutex_lock(&e->lock);
    e->holders[gfn]++;
    settled = e->settled[gfn];
    pthread_mutex_unlock(&e->lock);
    if (!settled) {
        count(c, COUNT_PAGES_HELD);
        tlb_drop_write_tags_of(c, gfn);
        write_tags_drop_others(c);
        pthread_mutex_lock(&e->lock);
        if (k->generation == generation)
            e->settled[gfn] = 1;
        pthread_mutex_unlock(&e->lock);
    }
    return k->generation == generation;
}

/* --- lists --- */
static void page_insert(PageCode *p, Block *b)
{
    Block **next = list_next(b, p->gfn), *second = p->blocks;

    *next = second;
    *(next == &b->page_next ? &b->page_at : &b->page_at2) = &p->blocks;
    if (second)
        *(list_next(second, p->gfn) == &second->page_next ? &second->page_at : &second->page_at2) = next;
    p->blocks = b;
}

static void page_remove(Cpu *c, Block *b, uint64_t gfn)
{
    PageCode *p = page_find(cpu_priv(c)->cache, gfn);
    Block *next = *list_next(b, gfn), **at = b->gpa >> 12 == gfn ? b->page_at : b->page_at2;

    *at = next;
    if (next)
        *(next->gpa >> 12 == gfn ? &next->page_at : &next->page_at2) = at;
    p->stale = true;
    page_release(c, p);
}

static unsigned block_hash(uint64_t gpa, uint64_t rip, uint32_t mode, uint64_t cs_base, uint32_t cs_limit)
{
    uint64_t h = gpa ^ (rip >> 12 << 7) ^ (uint64_t)mode << 11 ^ (cs_base >> 4) * 0x9e3779b1u ^
                 ~cs_limit * 0x85ebca6bu;

    return (unsigned)(h ^ h >> 15);
}

static unsigned hash_of(const Block *b)
{
    return block_hash(b->gpa, b->rip, b->mode, b->cs_base, b->cs_limit);
}

/* Its pages are pinned. */
static void block_insert(Cpu *c, Block *b)
{
    BlockCache *k = cpu_priv(c)->cache;
    Block **first = &k->hash[hash_of(b) & (HASH_SIZE - 1)];

    b->hash_next = *first;
    b->hash_at = first;
    if (*first)
        (*first)->hash_at = &b->hash_next;
    *first = b;
    page_insert(page_find(k, b->gpa >> 12), b);
    if (b->gpa2 != ~0ull && b->gpa2 >> 12 != b->gpa >> 12)
        page_insert(page_find(k, b->gpa2 >> 12), b);
}

/* Nothing leads to b any more. */
static void block_remove(Cpu *c, Block *b)
{
    b->valid = 0;
    if (!b->hash_at)            /* for once */
        return;
    *b->hash_at = b->hash_next;
    if (b->hash_next)
        b->hash_next->hash_at = b->hash_at;
    jit_block_killed(c, b);
    page_remove(c, b, b->gpa >> 12);
    if (b->gpa2 != ~0ull && b->gpa2 >> 12 != b->gpa >> 12)
        page_remove(c, b, b->gpa2 >> 12);
}

/* --- blocks make room --- */
static uint32_t *heat_place(BlockCache *k, const Block *b, uint32_t *name)
{
    uint64_t h = hash_of(b) * 0x9e3779b97f4a7c15ull;

    *name = (uint32_t)(h >> 16) << 8;
    return &k->heat[h >> 48 & (HEAT_SIZE - 1)];
}

void block_evict(Cpu *c, Block *b)
{
    uint32_t name, *at = heat_place(cpu_priv(c)->cache, b, &name);

    if (!b->code_mem && !jit_is_full(c))
        *at = name | (b->heat < UINT8_MAX ? b->heat : UINT8_MAX);
    count(c, COUNT_BLOCKS_EVICTED);
    block_remove(c, b);
}

/* How often it is to run before it is translated. */
static unsigned block_heat(Cpu *c, const Block *b)
{
    uint32_t name, *at = heat_place(cpu_priv(c)->cache, b, &name), seen = *at;

    if (!(seen & UINT8_MAX) || (seen & ~UINT8_MAX) != name)
        return c->engine->warm;
    *at = 0;
    return seen & UINT8_MAX;
}

static void region_empty(Cpu *c, unsigned n)
{
    BlockCache *k = cpu_priv(c)->cache;
    uint8_t *at = k->young + n * region_bytes(k), *end = at + k->used[n];

    while (at < end) {
        Block *b = (Block *)(void *)at;

        if (b->valid)
            block_evict(c, b);
        at += block_bytes(b);
    }
    k->used[n] = 0;
    k->blocks[n] = 0;
}

/* For the largest block. */
static Block *young_room(Cpu *c)
{
    BlockCache *k = cpu_priv(c)->cache;
    unsigned few = c->engine->few_blocks;

    if (!k->young_size) {
        k->young_size = young_share(c->engine, c->engine->cpu_count);
        if (k->young_size > k->young_most)
            k->young_size = k->young_most;
    }
    if (k->used[k->region] + BLOCK_MAX_BYTES > region_bytes(k) || (few && k->blocks[k->region] >= few)) {
        k->region = (k->region + 1) % (few ? 2 : REGIONS);
        region_empty(c, k->region);
    }
    return (Block *)(void *)(k->young + k->region * region_bytes(k) + k->used[k->region]);
}

Block *block_move(Cpu *c, Block *b, Block *(*room)(Cpu *c, const Block *b))
{
    BlockCache *k = cpu_priv(c)->cache;
    PageCode *p = page_find(k, b->gpa >> 12);
    PageCode *p2 = b->gpa2 != ~0ull ? page_find(k, b->gpa2 >> 12) : NULL;
    Block *to;

    memcpy(k->moving, b, block_bytes(b));
    p->pins++;
    if (p2)
        p2->pins++;
    to = room(c, k->moving);
    if (to) {
        if (b->valid)           /* else the room was its own */
            block_remove(c, b);
        memcpy(to, k->moving, block_bytes(k->moving));
        to->valid = 1;
        to->links = NULL;
        to->code_mem = to->code_host = NULL;
        block_insert(c, to);
    }
    page_unpin(c, p);
    page_unpin(c, p2);
    return to;
}

/* --- invalidation --- */
static void block_kill(Cpu *c, Block *b)
{
    count(c, COUNT_BLOCKS_KILLED);
    block_remove(c, b);
    if (b == c->block)
        for (unsigned n = 0; n <= b->count; n++)
            b->insn[n].fn = op_code_changed;
}

void block_stop(Cpu *c)
{
    if (c->block && c->block->valid)
        block_kill(c, (Block *)(uintptr_t)c->block);
}

static void page_invalidate(Cpu *c, uint64_t gfn, unsigned from, unsigned to)
{
    BlockCache *k = cpu_priv(c)->cache;
    PageCode *p = page_find(k, gfn);

    for (Block *b = p ? p->blocks : NULL, *next; b; b = next) {
        unsigned first, last;

        next = *list_next(b, gfn);
        block_extent(b, gfn, &first, &last);
        if (first <= to && last >= from)
            block_kill(c, b);
    }
    p = page_find(k, gfn);      /* the last one takes it along */
    if (p && p->stale)
        page_recount(c, p);
}

void block_invalidate(Cpu *c, uint64_t gpa, uint64_t len)
{
    uint64_t end = gpa + len;

    if (len > 4096ull * PAGE_HASH_SIZE || end < gpa) {
        block_flush(c);
        return;
    }
    while (gpa < end) {
        uint64_t stop = (gpa | 0xfff) + 1;

        if (stop > end)
            stop = end;
        page_invalidate(c, gpa >> 12, gpa & 0xfff, (stop - 1) & 0xfff);
        gpa = stop;
    }
}

/* One block of these pages that has the address in it or ends before it. */
static bool kill_linear_one(Cpu *c, PageCode *p, uint64_t linear, uint64_t granules)
{
    for (; p; p = p->next) {
        if (!(c->engine->granules[p->gfn] & granules))
            continue;
        for (Block *b = p->blocks; b; b = *list_next(b, p->gfn)) {
            if (linear - block_linear(b, b->rip) <= b->len) {
                block_kill(c, b);
                return true;
            }
        }
    }
    return false;
}

void block_kill_linear(Cpu *c, uint64_t linear)
{
    BlockCache *k = cpu_priv(c)->cache;
    unsigned at = linear & 0xfff;
    uint64_t granules = at ? granule_mask(at - 1, at) : 1 | 1ull << 63;

    for (unsigned n = 0; n < PAGE_HASH_SIZE; n++)
        while (kill_linear_one(c, k->pages[n], linear, granules))
            continue;
}

void block_jumps_forget(Cpu *c)
{
    JumpEntry *jumps = cpu_priv(c)->cache->jumps;

    for (unsigned n = 0; n < JUMP_SIZE; n++)
        if (jumps[n].tag != JUMP_TAG_NONE)
            jumps[n].tag = JUMP_TAG_NONE;
}

/* The memory's bytes stay as they are until the next block is built: the block being run, if any,
 * ends by itself. */
void block_flush(Cpu *c)
{
    BlockCache *k = cpu_priv(c)->cache;

    count(c, COUNT_CODE_FLUSHES);
    block_stop(c);
    for (unsigned n = 0; n < PAGE_HASH_SIZE; n++)
        for (PageCode *p = k->pages[n]; p; p = p->next)
            page_uncount(c->engine, p->gfn);
    pages_free_all(k);
    memset(k->hash, 0, sizeof k->hash);
    memset(k->used, 0, sizeof k->used);
    memset(k->blocks, 0, sizeof k->blocks);
    block_jumps_forget(c);
    k->region = 0;
    k->young_size = 0;
    k->generation++;
    jit_flush(c);
}

void block_cache_attach(Cpu *c)
{
    c->jumps = cpu_priv(c)->cache->jumps;
}

void block_cache_free(Cpu *c)
{
    BlockCache *k = cpu_priv(c)->cache;

    if (!k)
        return;
    c->block = NULL;
    block_flush(c);
    cache_free(k);
    cpu_priv(c)->cache = NULL;
}

/* --- building --- */
typedef struct Fetch {
    uint64_t linear;
    uint64_t gpa, gpa2;         /* of the first byte; of the next page, ~0 until looked up */
    uint8_t *host, *host2;      /* NULL: not RAM */
    uint8_t bytes[COPY_SIZE + 16];
    unsigned avail;             /* valid in bytes */
    unsigned in_page;           /* of those, in the first page */
} Fetch;

static unsigned code_table(const Cpu *c)
{
    return c->cpl == 3 ? TLB_USER : TLB_SUPER;
}

static void fetch_translate(Cpu *c, uint64_t linear, PhysRef *p)
{
    uint32_t error = 0;

    if (!mmu_lookup(c, linear, ACCESS_EXEC, code_table(c), p, &error)) {
        c->cr2 = linear;
        raise_err(c, NULL, EXC_PF, error);
    }
}

static void fetch_bytes(Cpu *c, const uint8_t *host, uint64_t gpa, uint8_t *to, unsigned n)
{
    if (host) {
        memcpy(to, host, n);
        return;
    }
    for (unsigned k = 0; k < n; k++) {
        uint64_t v = 0xff;
        c->host->mmio_read(c->vcpu, gpa + k, 1, &v);
        to[k] = (uint8_t)v;
    }
}

static void fetch_first(Cpu *c, Fetch *f)
{
    unsigned want = f->host ? COPY_SIZE : 15;

    f->in_page = 4096 - (f->gpa & 0xfff);
    f->in_page = f->in_page < want ? f->in_page : want;
    fetch_bytes(c, f->host, f->gpa, f->bytes, f->in_page);
    f->avail = f->in_page;
}

/* The instruction goes on in the next page. */
static void fetch_second(Cpu *c, Fetch *f)
{
    uint64_t next = (f->linear | 0xfff) + 1;
    PhysRef p;

    if ((c->mode & MODE_SIZE_MASK) != MODE_64)
        next = (uint32_t)next;
    fetch_translate(c, next, &p);
    f->gpa2 = p.gpa;
    f->host2 = p.host;
    fetch_bytes(c, p.host, p.gpa, f->bytes + f->avail, 15);
    f->avail += 15;
}

/* Where the guest has or had a breakpoint: before the instruction, and of no length. */
static void decode_point(Insn *i, int slot)
{
    memset(i, 0, sizeof *i);
    i->fn = op_point;
    i->imm = (uint64_t)slot;
    i->opcode = POINT_OPCODE;
    i->rm = i->base = i->index = REG_ZERO;
    i->seg = SEG_NONE;
}

/* A block that stops for a debugger; of one byte, whatever is there. */
static void decode_stop(Block *b, Insn *i)
{
    memset(i, 0, 2 * sizeof *i);
    i[0].fn = op_debug_stop;
    i[0].len = 1;
    i[1].fn = op_block_end;
    i[1].off = 1;
    b->count = 1;
    b->len = 1;
}

/* Decodes up to max instructions into b; returns false when the bytes ran out in the first. */
static bool decode_block(Cpu *c, Block *b, const Fetch *f, unsigned max)
{
    unsigned off = 0, own = 0;      /* own: instructions that are not the guest's */
    uint64_t limit = (c->mode & MODE_SIZE_MASK) == MODE_64 ? ~0ull : c->seg[SEG_CS].limit;
    bool steps = (c->mode & MODE_TF) || (c->poll & POLL_STEP);
    bool points = c->engine->debug_exec && !steps;
    bool guests = cpu_priv(c)->points.exec_count && !steps;

    b->count = 0;
    while (b->count < max && off < f->avail) {
        Insn *i = &b->insn[b->count];
        enum DecodeResult r;
        int slot;

        if (unlikely(points) && debug_exec_at(c->engine, f->linear + off)) {
            if (b->count)
                break;
            decode_stop(b, i);
            return true;
        }
        slot = unlikely(guests) ? points_slot(cpu_priv(c), f->linear + off) : -1;
        if (unlikely(slot >= 0)) {
            if (b->count)
                break;
            decode_point(i++, slot);
            b->count = own = 1;
            max += max == 1;
        }
        r = decode_insn(c->mode, c->rip, off, f->bytes + off, f->avail - off, i);

        if (r == DECODE_SHORT)
            break;
        if (limit != ~0ull && c->rip + off + i->len - 1 > limit) {
            if (b->count > own)
                break;
            i->fn = op_gp;
            r = DECODE_END;
        }
        if (insn_is_branch(i)) {
            uint64_t to = (c->mode & MODE_SIZE_MASK) == MODE_64 ? i->imm
                          : (uint32_t)(i->imm + c->seg[SEG_CS].base);
            i->aux = to >> 12 == f->linear >> 12 ? BRANCH_LINKABLE : 0;
        }
        b->count++;
        off += i->len;
        if (r == DECODE_END)
            break;
    }
    if (b->count == own)
        return false;
    memset(&b->insn[b->count], 0, sizeof(Insn));
    b->insn[b->count].fn = op_block_end;
    b->insn[b->count].off = (uint16_t)off;
    b->len = (uint16_t)off;
    return true;
}

static void block_key(Cpu *c, Block *b, uint64_t gpa)
{
    b->gpa = gpa;
    b->gpa2 = ~0ull;
    b->rip = c->rip;
    b->cs_base = (c->mode & MODE_SIZE_MASK) == MODE_64 ? 0 : c->seg[SEG_CS].base;
    b->cs_limit = (c->mode & MODE_SIZE_MASK) == MODE_64 ? ~0u : c->seg[SEG_CS].limit;
    b->mode = c->mode & BLOCK_MODES;
    b->page_key = code_page_key(block_linear(b, b->rip), gpa);
    b->valid = 1;
    b->links = NULL;
    b->code_mem = b->code_host = NULL;
}

/* A block for this once, in scratch. */
static Block *build_scratch(Cpu *c, Fetch *f)
{
    Block *b = cpu_priv(c)->cache->scratch;

    count(c, COUNT_BLOCKS_ONCE);
    block_key(c, b, f->gpa);
    b->hash_at = NULL;
    if (!decode_block(c, b, f, 1)) {
        fetch_second(c, f);
        if (!decode_block(c, b, f, 1))
            raise_gp0(c, NULL);
    }
    for (unsigned n = 0; n < b->count; n++)
        b->insn[n].aux &= insn_is_branch(&b->insn[n]) ? 0 : 0xff;
    b->first = b->insn[0].fn;
    return b;
}

static void mark_granules(Engine *e, uint64_t gpa, unsigned len)
{
    unsigned first = gpa & 0xfff;

    __atomic_fetch_or(&e->granules[gpa >> 12], granule_mask(first, first + len - 1),
                      __ATOMIC_SEQ_CST);
}

/* Decoded, and all its bytes are known; false when it can't be kept. */
static bool decode(Cpu *c, Block *b, Fetch *f, unsigned max)
{
    block_key(c, b, f->gpa);
    fetch_first(c, f);
    if (decode_block(c, b, f, max))
        return true;
    fetch_second(c, f);
    if (!f->host2)
        return false;
    if (!decode_block(c, b, f, 1))
        raise_gp0(c, NULL);
    b->gpa2 = b->len > f->in_page ? f->gpa2 : ~0ull;
    return true;
}

/* Its pages are held: from here on every change of its bytes is seen.  False: there was one. */
static bool bytes_hold(Cpu *c, const Block *b, const Fetch *f)
{
    unsigned in_first = b->len < f->in_page ? b->len : f->in_page;

    mark_granules(c->engine, b->gpa, in_first);
    if (b->gpa2 != ~0ull)
        mark_granules(c->engine, b->gpa2, b->len - in_first);
    return !memcmp(f->bytes, f->host, in_first) &&
           (b->gpa2 == ~0ull || !memcmp(f->bytes + in_first, f->host2, b->len - in_first));
}

static Block *build(Cpu *c, Fetch *f, unsigned max)
{
    BlockCache *k = cpu_priv(c)->cache;

    for (;;) {
        PageCode *p1, *p2 = NULL;
        Block *b = young_room(c);
        bool good;

        b->valid = 0;
        if (!decode(c, b, f, max))
            return build_scratch(c, f);
        if (!page_hold(c, b->gpa >> 12, &p1))
            continue;
        if (b->gpa2 != ~0ull && !page_hold(c, b->gpa2 >> 12, &p2))
            continue;
        good = bytes_hold(c, b, f);
        if (good) {
            count(c, COUNT_BLOCKS_BUILT);
            b->valid = 1;
            block_insert(c, b);
            k->used[k->region] += block_bytes(b);
            k->blocks[k->region]++;
            jit_block_new(c, b, block_heat(c, b));
        }
        page_unpin(c, p1);
        page_unpin(c, p2);
        if (good)
            return b;
    }
}

static bool is_global(const PhysRef *p)
{
    return p->info && (p->info->gpa & TLBF_GLOBAL);
}

/* The page after that of linear, as the MMU has it now. */
static uint64_t second_page(Cpu *c, uint64_t linear, PhysRef *p)
{
    uint64_t next = (linear | 0xfff) + 1;

    next = (c->mode & MODE_SIZE_MASK) == MODE_64 ? next : (uint32_t)next;
    fetch_translate(c, next, p);
    return next;
}

static bool second_page_same(Cpu *c, const Block *b, uint64_t linear)
{
    PhysRef p;

    if (b->gpa2 == ~0ull)
        return true;
    second_page(c, linear, &p);
    return p.gpa == b->gpa2;
}

/* Why the jump cache couldn't tell. */
static void lookup_count(Cpu *c)
{
    const JumpEntry *e = jump_entry(c, c->rip);

    count(c, e->rip != c->rip || e->tag == JUMP_TAG_NONE ? COUNT_LOOKUPS_NEW
             : e->tag != c->jump_tag ? COUNT_LOOKUPS_MODE
             : jump_block(e)->valid ? COUNT_LOOKUPS_MOVED : COUNT_LOOKUPS_KILLED);
}

Block *block_find(Cpu *c)
{
    bool in_64 = (c->mode & MODE_SIZE_MASK) == MODE_64;
    BlockCache *k = cpu_priv(c)->cache;
    bool step = c->poll & POLL_STEP;
    uint64_t base = in_64 ? 0 : c->seg[SEG_CS].base;
    uint32_t mode = c->mode & BLOCK_MODES;
    uint32_t limit = in_64 ? ~0u : c->seg[SEG_CS].limit;
    unsigned forgotten = cpu_priv(c)->code_pages_forgotten;
    bool global;
    JumpEntry *j;
    Block *b;
    PhysRef p;
    Fetch f;                    /* large: not cleared */

    c->block = NULL;
    if (in_64 ? (uint64_t)((int64_t)(c->rip << 16) >> 16) != c->rip
              : c->rip > limit)
        raise_gp0(c, NULL);
    f.linear = in_64 ? c->rip : (uint32_t)(base + c->rip);
    fetch_translate(c, f.linear, &p);
    global = is_global(&p);
    f.gpa = p.gpa;
    f.gpa2 = ~0ull;
    f.host = p.host;
    f.host2 = NULL;
    lookup_count(c);
    if (!p.host || (step && !(mode & MODE_TF))) {
        fetch_first(c, &f);
        return build_scratch(c, &f);
    }
    b = k->hash[block_hash(f.gpa, c->rip, mode, base, limit) & (HASH_SIZE - 1)];
    /* An accessed bit may be set in the very block. */
    while (b && !(b->gpa == f.gpa && b->rip == c->rip && b->mode == mode && b->cs_base == base &&
                  b->cs_limit == limit && second_page_same(c, b, f.linear) && b->valid))
        b = b->hash_next;
    if (!b)
        b = build(c, &f, mode & MODE_TF ? 1 : BLOCK_INSNS);
    /* Requests taken while a block was built may have flushed the TLB. */
    if (b == k->scratch || cpu_priv(c)->code_pages_forgotten != forgotten)
        return b;
    code_page_note(c, f.linear, b->gpa, global);
    if (b->gpa2 != ~0ull) {
        uint64_t next = second_page(c, f.linear, &p);

        if (!b->valid)          /* an accessed bit was set in the block itself */
            return block_find(c);
        code_page_note(c, next, p.gpa, is_global(&p));
    }
    j = jump_entry(c, c->rip);
    if (j->rip != c->rip && j->tag != JUMP_TAG_NONE)
        c->jumps[jump_hash(c->rip) ^ 1] = *j;
    j->rip = c->rip;
    j->tag = c->jump_tag;
    j->slot = (uint32_t)(uintptr_t)code_page_slot(c, !!(mode & MODE_USER), f.linear);
    j->epoch = b->code_mem && *code_page_slot(c, !!(mode & MODE_USER), f.linear) == b->page_key
                   ? code_epoch(c) : 0;
    j->block = (uint32_t)(uintptr_t)b;
    j->code = (uint32_t)(uintptr_t)(b->code_mem ? jit_code(c, b) : c->jit_leave);
    return b;
}
