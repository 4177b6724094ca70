/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ahead.c - see ahead.h.  The second of two reads in a row starts a stream behind it; each read from
 * the stream has it go on, with pieces that double up to AHEAD_CHUNK.  A read elsewhere leaves it
 * alone (a file system looks up where its file goes on); the next two in a row replace it.
 */
#include "block/ahead.h"

#include <string.h>
#include <sys/mman.h>

#define AHEAD_FIRST 65536u          /* bytes of the first piece, at least */
#define AHEAD_BYTES (AHEAD_CHUNKS * (size_t)AHEAD_CHUNK)
#define HUGE_PAGE (2u << 20)

typedef enum ChunkState {
    CHUNK_FREE,
    CHUNK_LOADING,
    CHUNK_HERE,
    CHUNK_LOST,                     /* loading, but nobody wants it any more */
} ChunkState;

typedef struct Chunk {
    Ahead *ahead;
    ChunkState state;
    uint64_t offset, len;
    uint8_t *data;
} Chunk;

struct Ahead {
    BlockDev *device;
    GMainContext *context;
    GSource *idle;                  /* while there is memory */
    bool used;                      /* since the last look */
    uint8_t *memory;                /* AHEAD_BYTES in map, or NULL */
    uint8_t *map;                   /* with room to align it */
    Chunk chunk[AHEAD_CHUNKS];
    Chunk *stream[AHEAD_CHUNKS];    /* in order, without gaps */
    unsigned count;
    uint64_t next;                  /* where the last read ended */
    uint32_t step;                  /* bytes of the next piece */
};

Ahead *ahead_new(BlockDev *b)
{
    Ahead *a = g_new0(Ahead, 1);

    a->device = b;
    a->context = g_main_context_ref_thread_default();
    a->next = UINT64_MAX;
    for (unsigned i = 0; i < AHEAD_CHUNKS; i++) {
        a->chunk[i].ahead = a;
    }
    return a;
}

/* --- memory --- */

static bool ahead_loading(const Ahead *a)
{
    for (unsigned i = 0; i < AHEAD_CHUNKS; i++) {
        if (a->chunk[i].state == CHUNK_LOADING || a->chunk[i].state == CHUNK_LOST) {
            return true;
        }
    }
    return false;
}

static void ahead_release(Ahead *a)
{
    if (a->map) {
        munmap(a->map, AHEAD_BYTES + HUGE_PAGE);
        a->map = a->memory = NULL;
    }
    if (a->idle) {
        g_source_destroy(a->idle);
        g_source_unref(a->idle);
        a->idle = NULL;
    }
}

static gboolean ahead_tick(gpointer opaque)
{
    Ahead *a = opaque;

    if (a->used || ahead_loading(a)) {
        a->used = false;
        return G_SOURCE_CONTINUE;
    }
    ahead_drop(a);
    ahead_release(a);
    return G_SOURCE_REMOVE;
}

/* Large pages: the host's disk gets one piece to write to, not 256. */
static bool ahead_memory(Ahead *a)
{
    if (a->memory) {
        return true;
    }
    a->map = mmap(NULL, AHEAD_BYTES + HUGE_PAGE, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (a->map == MAP_FAILED) {
        a->map = NULL;
        return false;
    }
    a->memory = (uint8_t *)(((uintptr_t)a->map + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1));
    madvise(a->memory, AHEAD_BYTES, MADV_HUGEPAGE);
    for (unsigned i = 0; i < AHEAD_CHUNKS; i++) {
        a->chunk[i].data = a->memory + i * (size_t)AHEAD_CHUNK;
    }
    a->idle = g_timeout_source_new(AHEAD_IDLE_MS);
    g_source_set_callback(a->idle, ahead_tick, a, NULL);
    g_source_attach(a->idle, a->context);
    return true;
}

void ahead_free(Ahead *a)
{
    if (a) {
        ahead_release(a);
        g_main_context_unref(a->context);
        g_free(a);
    }
}

/* --- the stream --- */

/* The first n pieces leave it. */
static void stream_shift(Ahead *a, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        Chunk *c = a->stream[i];

        c->state = c->state == CHUNK_LOADING ? CHUNK_LOST : CHUNK_FREE;
    }
    a->count -= n;
    memmove(a->stream, a->stream + n, a->count * sizeof *a->stream);
}

/* All from piece n on leave it. */
static void stream_cut(Ahead *a, unsigned n)
{
    while (a->count > n) {
        Chunk *c = a->stream[--a->count];

        c->state = c->state == CHUNK_LOADING ? CHUNK_LOST : CHUNK_FREE;
    }
}

static void chunk_loaded(void *opaque, int error)
{
    Chunk *c = opaque;
    Ahead *a = c->ahead;

    c->state = c->state == CHUNK_LOST ? CHUNK_FREE : CHUNK_HERE;
    for (unsigned i = 0; error && i < a->count; i++) {
        if (a->stream[i] == c) {    /* the reader shall find out which of its sectors is bad */
            stream_cut(a, i);
        }
    }
    block_ahead_arrived(a->device);
}

static Chunk *chunk_free(Ahead *a)
{
    for (unsigned i = 0; i < AHEAD_CHUNKS; i++) {
        if (a->chunk[i].state == CHUNK_FREE) {
            return &a->chunk[i];
        }
    }
    return NULL;
}

/* Goes on with it, when the guest has got to offset. */
static void stream_extend(Ahead *a, uint64_t offset, uint64_t size)
{
    uint64_t end = offset;
    Chunk *c;

    if (a->count) {
        c = a->stream[a->count - 1];
        end = c->offset + c->len;
    }
    while (end < size && end - offset < 2 * (uint64_t)a->step && ahead_memory(a) &&
           (c = chunk_free(a))) {
        c->offset = end;
        c->len = MIN(a->step, size - end);
        c->state = CHUNK_LOADING;
        a->stream[a->count++] = c;
        end += c->len;
        a->step = MIN(2 * a->step, AHEAD_CHUNK);
        block_ahead_read(a->device, c->offset, c->data, c->len, chunk_loaded, c);
    }
}

AheadAnswer ahead_look(const Ahead *a, uint64_t offset, uint64_t len)
{
    AheadAnswer answer = AHEAD_HERE;
    const Chunk *c = a->count ? a->stream[a->count - 1] : NULL;

    if (!c || offset < a->stream[0]->offset || offset + len > c->offset + c->len) {
        return AHEAD_NONE;
    }
    for (unsigned i = 0; i < a->count; i++) {
        c = a->stream[i];
        if (c->offset < offset + len && offset < c->offset + c->len &&
            c->state == CHUNK_LOADING) {
            answer = AHEAD_COMING;
        }
    }
    return answer;
}

AheadAnswer ahead_read(Ahead *a, uint64_t offset, uint64_t len, uint64_t size, bool quiet)
{
    AheadAnswer answer = ahead_look(a, offset, len);
    bool follows = offset == a->next;
    unsigned passed = 0;

    a->next = offset + len;
    if (answer != AHEAD_NONE) {
        a->used = true;
        while (a->stream[passed]->offset + a->stream[passed]->len <= offset) {
            passed++;
        }
        stream_shift(a, passed);
    } else if (follows && quiet && len <= AHEAD_CHUNK) {
        stream_cut(a, 0);
        a->used = true;
        a->step = CLAMP(2 * len, AHEAD_FIRST, AHEAD_CHUNK);
    } else {
        return AHEAD_NONE;
    }
    if (quiet) {
        stream_extend(a, offset + len, size);
    }
    return answer;
}

void ahead_copy(const Ahead *a, uint64_t offset, BlockVec *vec, uint64_t len)
{
    uint64_t at = 0;

    for (unsigned i = 0; i < a->count && at < len; i++) {
        const Chunk *c = a->stream[i];

        if (offset + at < c->offset + c->len) {
            uint64_t skip = offset + at - c->offset, part = MIN(len - at, c->len - skip);

            block_vec_write(vec, at, c->data + skip, part);
            at += part;
        }
    }
}

void ahead_forget(Ahead *a, uint64_t offset, uint64_t len)
{
    for (unsigned i = 0; i < a->count; i++) {
        const Chunk *c = a->stream[i];

        if (c->offset < offset + len && offset < c->offset + c->len) {
            stream_cut(a, i);
        }
    }
}

void ahead_drop(Ahead *a)
{
    stream_cut(a, 0);
    a->next = UINT64_MAX;
}
