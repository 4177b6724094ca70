/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pieces.c - the code memory of a guest: pieces that vCPUs own, and how they are emptied and used again.
 *
 * A piece has room for code, mapped twice (written in one place, run in the other), and as much for what belongs
 * to that code: the blocks (block.h), from the front, and the links, from the back.  A vCPU fills one piece after
 * the other.  When it gets no more of them the one that it filled first is emptied: what was in it is unlinked
 * from all else, and translated again if it still runs.  So what has to go is always a small part.
 *
 * Half of the pieces are shared out: each vCPU is sure to get its part of them.  The others go to whoever needs them
 * first.  When none is left one is taken from the vCPU which, of those that have more than their part, has
 * translated nothing for longest: by who needs it if that one rests (cpu_rest()), else it gives it up soon.
 *
 * A piece is emptied only where no translated code is on the host's stack: return frames and bodies' callers are
 * gone then.  CodePool's fields are under Engine.lock; a piece's are its owner's.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "hypervisor/soft/jit/xlat.h"

#define PIECE_BYTES (64u << 10)         /* of code; and of what belongs to it */
#define NOBODY 0xffffu

_Static_assert(BLOCK_INSNS * INSN_CODE + BLOCK_CODE <= PIECE_BYTES / (TRANSLATIONS - 1) &&
               RUN_INSNS * INSN_CODE + BLOCK_CODE <= PIECE_BYTES / TRANSLATIONS, "the longest block fits in");

struct CodePool {
    uint8_t *rw, *rx;           /* thunks of all vCPUs, and the pieces' code */
    uint8_t *data;
    size_t bytes;               /* of each mapping of code */
    unsigned count, free_count;
    Piece *free;
    unsigned owned[SOFT_MAX_VCPUS];
    uint64_t clock;             /* counts translations; atomic */
    Piece piece[];
};

/* --- the pool --- */
static size_t thunks_bytes(void) { return (size_t)SOFT_MAX_VCPUS * THUNK_BYTES; }
static size_t piece_index(const CodePool *l, const Piece *p) { return (size_t)(p - l->piece); }

static bool pool_map(CodePool *l)
{
    int fd = memfd_create("code", MFD_CLOEXEC);

    l->bytes = thunks_bytes() + (size_t)l->count * PIECE_BYTES;
    l->rw = l->rx = MAP_FAILED;
    if (fd >= 0 && ftruncate(fd, (off_t)l->bytes) == 0) {
        l->rw = mmap(NULL, l->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        l->rx = low_map(l->bytes, PROT_READ | PROT_EXEC, MAP_SHARED, fd);
    }
    if (fd >= 0)
        close(fd);
    l->data = low_alloc((size_t)l->count * PIECE_BYTES);
    return l->rw != MAP_FAILED && l->rx != MAP_FAILED && l->data;
}

void code_pool_free(Engine *e)
{
    CodePool *l = e->code_pool;

    if (!l)
        return;
    if (l->rw != MAP_FAILED)
        munmap(l->rw, l->bytes);
    if (l->rx != MAP_FAILED)
        munmap(l->rx, l->bytes);
    low_free(l->data, (size_t)l->count * PIECE_BYTES);
    free(l);
    e->code_pool = NULL;
}

static bool pool_make(Engine *e)
{
    unsigned count = (unsigned)(e->code_memory / PIECE_BYTES);
    CodePool *l = calloc(1, sizeof *l + count * sizeof l->piece[0]);

    if (!l)
        return false;
    l->count = l->free_count = count;
    e->code_pool = l;
    for (unsigned n = count; n--;) {
        l->piece[n] = (Piece){ .owner = NOBODY, .next = l->free };
        l->free = &l->piece[n];
    }
    if (pool_map(l))
        return true;
    code_pool_free(e);
    return false;
}

bool code_pool_attach(Cpu *c, Jit *j)
{
    CodePool *l;

    if (!c->engine->code_pool && !pool_make(c->engine))
        return false;
    l = c->engine->code_pool;
    j->run = l->rx - l->rw;
    j->thunks = l->rw + (size_t)c->id * THUNK_BYTES;
    return true;
}

/* --- what is in a piece --- */
static uint8_t *code_of(const CodePool *l, const Piece *p)
{
    return l->rw + thunks_bytes() + piece_index(l, p) * PIECE_BYTES;
}

static uint8_t *data_of(const CodePool *l, const Piece *p)
{
    return l->data + piece_index(l, p) * PIECE_BYTES;
}

static JitLink *link_of(const CodePool *l, const Piece *p, unsigned n)
{
    return (JitLink *)(void *)(data_of(l, p) + PIECE_BYTES) - 1 - n;
}

/* c owns it: its blocks go, and the links to other blocks. */
static void piece_empty(Cpu *c, Piece *p)
{
    const CodePool *l = c->engine->code_pool;
    uint8_t *at = data_of(l, p), *end = at + p->data;

    if (at < end)
        count(c, COUNT_CODE_PIECES);
    while (at < end) {
        Block *b = (Block *)(void *)at;

        if (b->valid)
            block_evict(c, b);
        at += block_bytes(b);
    }
    for (unsigned n = 0; n < p->links; n++)
        link_cut(link_of(l, p, n));
    p->code = p->data = p->blocks = p->links = 0;
}

void code_pieces_forget(Cpu *c)
{
    Jit *j = c->jit;

    for (Piece *p = j->oldest; p; p = p->next)
        p->code = p->data = p->blocks = p->links = 0;
    j->p = j->end = NULL;
}

void jit_epochs_end(Cpu *c)
{
    for (Piece *p = c->jit ? c->jit->oldest : NULL; p; p = p->next)
        for (unsigned n = 0; n < p->links; n++)
            link_of(c->engine->code_pool, p, n)->seen = 0;
}

/* --- who owns it --- */
static unsigned share(const Engine *e)
{
    return e->code_pool->count / 2 / e->cpu_count;
}

static Piece *oldest_out(Jit *j)
{
    Piece *p = j->oldest;

    j->oldest = p->next;
    if (!j->oldest) {
        j->newest = NULL;
        j->p = j->end = NULL;
    }
    return p;
}

/* Under Engine.lock; p is empty. */
static void give(Engine *e, Piece *p)
{
    CodePool *l = e->code_pool;

    l->owned[p->owner]--;
    p->owner = NOBODY;
    p->next = l->free;
    l->free = p;
    l->free_count++;
}

/* Under Engine.lock */
static Piece *get(Engine *e, const Cpu *c)
{
    CodePool *l = e->code_pool;
    unsigned sure = 0;          /* what the others are sure to get */
    Piece *p = l->free;

    for (unsigned n = 0; n < e->cpu_count; n++)
        if (e->cpus[n] && e->cpus[n] != c && l->owned[n] < share(e))
            sure += share(e) - l->owned[n];
    if (!p || (l->free_count <= sure && l->owned[c->id] >= share(e)))
        return NULL;
    l->free = p->next;
    l->free_count--;
    l->owned[c->id]++;
    p->owner = (uint16_t)c->id;
    return p;
}

/* For how many translations of all vCPUs c has made none. */
static uint64_t idle_for(const Cpu *c)
{
    uint64_t now = __atomic_load_n(&c->engine->code_pool->clock, __ATOMIC_RELAXED);
    uint64_t then = __atomic_load_n(&c->jit->translated_at, __ATOMIC_RELAXED);

    return then < now ? now - then : 0;         /* it may translate meanwhile */
}

static Cpu *idlest(Engine *e, const Cpu *c)
{
    uint64_t most = JIT_IDLE;
    Cpu *found = NULL;

    for (unsigned n = 0; n < e->cpu_count; n++) {
        Cpu *o = e->cpus[n];

        if (!o || o == c || !o->jit || e->code_pool->owned[n] <= share(e) || idle_for(o) <= most)
            continue;
        most = idle_for(o);
        found = o;
    }
    return found;
}

static Piece *take(Cpu *c)
{
    Engine *e = c->engine;
    Cpu *from = NULL;
    Piece *p;

    pthread_mutex_lock(&e->lock);
    p = get(e, c);
    if (!p) {
        from = idlest(e, c);
        if (from && !cpu_freeze(from))
            from = NULL;
    }
    pthread_mutex_unlock(&e->lock);
    if (!from)
        return p;
    p = oldest_out(from->jit);
    piece_empty(from, p);
    from->jit->patched = true;
    pthread_mutex_lock(&e->lock);
    give(e, p);
    p = get(e, c);
    cpu_thaw(from);
    pthread_mutex_unlock(&e->lock);
    return p;
}

void jit_asked(Cpu *c)
{
    if (c->jit)
        c->jit->asked = true;
}

bool jit_is_full(const Cpu *c)
{
    return c->jit && c->jit->full;
}

void jit_give_back(Cpu *c)
{
    Engine *e = c->engine;
    Jit *j = c->jit;
    Piece *p;

    if (!j || !j->asked)
        return;
    j->asked = false;
    c->block = NULL;
    if (!j->oldest || e->code_pool->owned[c->id] <= share(e))
        return;
    p = oldest_out(j);
    piece_empty(c, p);
    pthread_mutex_lock(&e->lock);
    give(e, p);
    pthread_mutex_unlock(&e->lock);
}

void code_pool_detach(Cpu *c)
{
    Engine *e = c->engine;

    pthread_mutex_lock(&e->lock);
    while (c->jit->oldest)
        give(e, oldest_out(c->jit));
    pthread_mutex_unlock(&e->lock);
}

/* --- room --- */
/* A piece that has nothing in it becomes the newest one. */
static bool piece_next(Cpu *c)
{
    Jit *j = c->jit;
    Piece *p = NULL;

    if (!j->oldest || j->oldest->data)
        p = take(c);
    if (!p && !j->oldest)
        return false;
    j->full = !p;
    if (!p) {
        p = oldest_out(j);
        piece_empty(c, p);
    }
    p->next = NULL;
    if (j->newest)
        j->newest->next = p;
    else
        j->oldest = p;
    j->newest = p;
    j->p = code_of(c->engine->code_pool, p);
    j->end = j->p + PIECE_BYTES;
    return true;
}

static bool fits(const Engine *e, const Piece *p, const Block *b)
{
    return (!e->few_blocks || p->blocks < e->few_blocks) &&
           p->data + block_bytes(b) + (p->links + TRANSLATIONS * EDGES_MAX) * sizeof(JitLink) <= PIECE_BYTES;
}

Block *code_room(Cpu *c, const Block *b)
{
    Jit *j = c->jit;

    if ((!j->p || !fits(c->engine, j->newest, b)) && !piece_next(c))
        return NULL;
    return (Block *)(void *)(data_of(c->engine->code_pool, j->newest) + j->newest->data);
}

Block *code_room_again(Cpu *c, const Block *b)
{
    return piece_next(c) ? code_room(c, b) : NULL;
}

JitLink *code_link(Jit *j, const CodePool *l)
{
    return link_of(l, j->newest, j->newest->links++);
}

void code_taken(Cpu *c, const Block *b, uint8_t *end)
{
    CodePool *l = c->engine->code_pool;
    Jit *j = c->jit;

    j->newest->data += (uint32_t)block_bytes(b);
    j->newest->blocks++;
    j->newest->code += (uint32_t)(end - j->p);
    j->p = end;
    __atomic_store_n(&j->translated_at, __atomic_add_fetch(&l->clock, 1, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
}
