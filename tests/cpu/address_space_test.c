/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * address_space_test.c - process-context identifiers: what the TLB may still know and what it must have
 * forgotten.
 *
 * A guest with many address spaces carries out a random script of loads of CR3, with and without bit 63,
 * INVLPG, INVPCID, changes of paging entries, reads, and calls in ring 0 and 3.  Beside it goes a model
 * that knows which translations the SDM (volume 3, 4.10) lets a processor have cached: each read and call
 * must find one of these.  Script and paging entries are in pages at the same place in every space; a
 * window of WINDOW pages is mapped otherwise in each, and a second time where TLB and jumps have the same
 * slots for it.
 */
#include <stdlib.h>
#include <string.h>
#include "hypervisor/soft/jit/jit.h"
#include "tests/cpu/sys_guest.h"
#include "tests/cpu/random.h"

enum { SPACES = 20, FRAMES = 16, WINDOW = 6, PLACES = 2 * WINDOW, PTE = 0x67, GLOBAL = 0x100,
       SPACES_AT = 0x40000, SCRIPT_AT = 0xa0000, SCRIPT_ROOM = 12000, FRAMES_AT = 0x180000,
       FOUND_AT = 0x190000, WINDOW_AT = 0x1f0000, SECOND = 0x10000000, RUNS = 60 };
enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };
enum { END, LOAD_CR3, INVALIDATE, INVALIDATE_PCID, STORE, READ, CALL, CALL_USER };
#define KEEP (1ull << 63)
#define R(n) g->s.gpr[n]

typedef struct Record { uint64_t what, a, b, c; } Record;

/* Frames are bits. */
typedef struct Model {
    uint32_t local[SPACES][PLACES], global[PLACES];     /* what may be cached */
    uint64_t entry[SPACES][WINDOW];
    unsigned now;
    unsigned count, found_count;
    Record script[SCRIPT_ROOM];
    uint32_t allowed[SCRIPT_ROOM];
    unsigned which[SCRIPT_ROOM];        /* the record of each of these */
} Model;

static Rng rng;

static unsigned below(unsigned n) { return rng_below(&rng, n); }

static uint64_t space_cr3(unsigned space) { return (SPACES_AT + space * 0x4000u) | (space * 200 + 1); }
static uint64_t entry_at(unsigned space, unsigned page)
{
    return SPACES_AT + space * 0x4000u + 0x3000 + ((WINDOW_AT >> 12) + page) * 8;
}
static uint64_t place_at(unsigned place)
{
    return WINDOW_AT + place % WINDOW * 0x1000u + (place >= WINDOW ? SECOND : 0);
}
static unsigned frame_of(uint64_t entry) { return (unsigned)((entry & 0xfffff000) - FRAMES_AT) >> 12; }

static void add(Model *m, uint64_t what, uint64_t a, uint64_t b, uint64_t c)
{
    m->script[m->count++] = (Record){ what, a, b, c };
}

/* From now on the processor may have cached what the entry says. */
static void may_be_cached(Model *m, unsigned space, unsigned page)
{
    uint64_t entry = m->entry[space][page];

    for (unsigned place = page; place < PLACES; place += WINDOW) {
        *(entry & GLOBAL ? &m->global[place] : &m->local[space][place]) |= 1u << frame_of(entry);
    }
}

static void forget_place(Model *m, unsigned space, unsigned place, bool global_too)
{
    m->local[space][place] = 0;
    may_be_cached(m, space, place % WINDOW);
    if (global_too) {
        m->global[place] = 0;
        for (unsigned n = 0; n < SPACES; n++) {
            if (m->entry[n][place % WINDOW] & GLOBAL)
                may_be_cached(m, n, place % WINDOW);
        }
    }
}

static void forget_space(Model *m, unsigned space, bool global_too)
{
    for (unsigned place = 0; place < PLACES; place++)
        forget_place(m, space, place, global_too);
}

/* Most of the time a few spaces take turns, so that what was put aside is wanted again. */
static unsigned any_space(void) { return below(8) ? below(3) : below(SPACES); }

static void one_record(Model *m)
{
    unsigned k = below(100), space = any_space(), place = below(PLACES);

    if (k < 20) {
        bool keep = below(8) != 0;

        add(m, LOAD_CR3, space_cr3(space) | (keep ? KEEP : 0), 0, 0);
        m->now = space;
        if (!keep)
            forget_space(m, space, false);
    } else if (k < 24) {
        add(m, INVALIDATE, place_at(place), 0, 0);
        forget_place(m, m->now, place, true);
    } else if (k < 28) {
        unsigned type = below(16) ? below(2) : 2 + below(2);

        add(m, INVALIDATE_PCID, type, type < 2 ? space_cr3(space) & 0xfff : 0, place_at(place));
        if (type == 0)
            forget_place(m, space, place, false);
        else if (type == 1)
            forget_space(m, space, false);
        for (unsigned n = 0; type > 1 && n < SPACES; n++)
            forget_space(m, n, type == 2);
    } else if (k < 40) {
        unsigned page = place % WINDOW;

        m->entry[space][page] = (FRAMES_AT + below(FRAMES) * 0x1000u) | PTE | (below(6) ? 0 : GLOBAL);
        add(m, STORE, entry_at(space, page), m->entry[space][page], 0);
        may_be_cached(m, space, page);
    } else {
        unsigned what = READ + below(3);

        m->allowed[m->found_count] = m->local[m->now][place] | m->global[place];
        m->which[m->found_count++] = m->count;
        add(m, what, place_at(place) + (what == READ ? 0 : what == CALL ? 16 : 32), 0, 0);
    }
}

static void make_space(Guest *g, Model *m, unsigned space)
{
    uint64_t at = SPACES_AT + space * 0x4000u;

    ram_put(g, at, 8, (at + 0x1000) | PTE);
    ram_put(g, at + 0x1000, 8, (at + 0x2000) | PTE);
    ram_put(g, at + 0x2000, 8, (at + 0x3000) | PTE);
    ram_put(g, at + 0x2000 + (SECOND >> 21) * 8, 8, (at + 0x3000) | PTE);
    for (unsigned n = 0; n < 512; n++)
        ram_put(g, at + 0x3000 + n * 8, 8, (uint64_t)n << 12 | PTE | GLOBAL);
    for (unsigned page = 0; page < WINDOW; page++) {
        m->entry[space][page] = (FRAMES_AT + below(FRAMES) * 0x1000u) | PTE;
        ram_put(g, entry_at(space, page), 8, m->entry[space][page]);
        may_be_cached(m, space, page);
    }
}

static Guest *spaces_guest(unsigned warm)
{
    extern const uint8_t k_script[], k_script_found[];
    Guest *g = guest_new();

    guest_long(g);
    jit_set_warm(g->engine, warm);
    LOAD_AT(g, CODE, k_script);
    LOAD_AT(g, CODE_B, k_script_back);
    idt_gate(g, DONE, K64, CODE_B, 14, 3, 0);
    for (unsigned n = 0; n < FRAMES; n++) {
        uint8_t code[] = { 0xb8, (uint8_t)n, 0, 0, 0, 0xc3 };

        ram_put(g, FRAMES_AT + n * 0x1000u, 8, n);
        guest_code(g, FRAMES_AT + n * 0x1000u + 16, code, 6);
        guest_code(g, FRAMES_AT + n * 0x1000u + 32, code, 5);
        guest_code(g, FRAMES_AT + n * 0x1000u + 37, "\xcd\x80", 2);
    }
    g->s.cr4 |= 0x20080;        /* PCIDE, PGE */
    R(RSI) = SCRIPT_AT;
    R(RDI) = FOUND_AT;
    R(RBP) = CODE + (uint64_t)(k_script_found - k_script);
    R(14) = UDATA | 3;
    R(15) = U64 | 3;
    return g;
}

static void check_run(unsigned warm)
{
    Model *m = calloc(1, sizeof *m);
    Guest *g = spaces_guest(warm);
    uint64_t start = rng.s;

    for (unsigned n = 0; n < SPACES; n++)
        make_space(g, m, n);
    g->s.cr3 = space_cr3(0);
    while (m->count < SCRIPT_ROOM - 1)
        one_record(m);
    add(m, END, 0, 0, 0);
    memcpy(g->ram + SCRIPT_AT, m->script, m->count * sizeof m->script[0]);
    run_done(g);
    eq_hex(R(RDI), FOUND_AT + m->found_count * 8);
    for (unsigned n = 0; n < m->found_count; n++) {
        uint64_t v = ram64(g, FOUND_AT + n * 8);

        cr_assert(v < FRAMES && (m->allowed[n] >> v & 1),
                  "seed %#llx warm %u: record %u found %llu, may find bits %#x",
                  (unsigned long long)start, warm, m->which[n], (unsigned long long)v, m->allowed[n]);
    }
    guest_free(g);
    free(m);
}

TestSuite(address_space, .timeout = 600);

Test(address_space, nothing_that_had_to_be_forgotten_is_found)
{
    unsigned runs = RUNS * (unsigned)asked("GH_RANDOM_ROUNDS", 1);

    rng.s = asked("GH_RANDOM_SEED", 1);
    for (unsigned n = 0; n < runs; n++)
        check_run(n & 1 ? UINT16_MAX : 1 + n % 4);
}

/* The script of a test; what the reads and calls of it found. */
static Guest *run_script(const Record *script, unsigned n)
{
    Model *m = calloc(1, sizeof *m);
    Guest *g = spaces_guest(1);

    for (unsigned k = 0; k < SPACES; k++)
        make_space(g, m, k);
    for (unsigned k = 0; k < SPACES; k++)
        ram_put(g, entry_at(k, 0), 8, (FRAMES_AT + k % FRAMES * 0x1000u) | PTE);
    g->s.cr3 = space_cr3(0);
    memcpy(g->ram + SCRIPT_AT, script, n * sizeof script[0]);
    run_done(g);
    free(m);
    return g;
}

#define FRAME(n) ((FRAMES_AT + (n) * 0x1000u) | PTE)
#define FOUND(n) ram64(g, FOUND_AT + (n) * 8)

/* No guest may rely on it; it is what the identifiers are for. */
Test(address_space, an_address_space_comes_back_as_it_was_left)
{
    const Record SCRIPT[] = {
        { READ, WINDOW_AT, 0, 0 }, { CALL, WINDOW_AT + 16, 0, 0 }, { CALL_USER, WINDOW_AT + 32, 0, 0 },
        { LOAD_CR3, space_cr3(1), 0, 0 },
        { READ, WINDOW_AT, 0, 0 }, { CALL, WINDOW_AT + 16, 0, 0 }, { CALL_USER, WINDOW_AT + 32, 0, 0 },
        { STORE, entry_at(0, 0), FRAME(7), 0 },
        { LOAD_CR3, space_cr3(0) | KEEP, 0, 0 },
        { READ, WINDOW_AT, 0, 0 }, { CALL, WINDOW_AT + 16, 0, 0 }, { CALL_USER, WINDOW_AT + 32, 0, 0 },
        { LOAD_CR3, space_cr3(1) | KEEP, 0, 0 },
        { READ, WINDOW_AT, 0, 0 },
        { LOAD_CR3, space_cr3(0), 0, 0 },
        { READ, WINDOW_AT, 0, 0 }, { CALL, WINDOW_AT + 16, 0, 0 }, { CALL_USER, WINDOW_AT + 32, 0, 0 },
        { END, 0, 0, 0 },
    };
    static const uint8_t FOUND[] = { 0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 7, 7, 7 };
    Guest *g = run_script(SCRIPT, sizeof SCRIPT / sizeof SCRIPT[0]);

    for (unsigned n = 0; n < sizeof FOUND; n++) {
        cr_expect_eq(FOUND(n), FOUND[n], "%u: %llu, not %u", n, (unsigned long long)FOUND(n), FOUND[n]);
    }
    guest_free(g);
}

/* CR3's bit 63 is no address and is never read back. */
Test(address_space, cr3_reads_back_without_the_bit_that_keeps)
{
    const Record SCRIPT[] = { { LOAD_CR3, space_cr3(2) | KEEP, 0, 0 }, { END, 0, 0, 0 } };
    Guest *g = run_script(SCRIPT, 2);

    eq_hex(g->s.cr3, space_cr3(2));
    guest_free(g);
}

/* SDM vol. 2, MOV to control registers. */
Test(address_space, bit_63_of_cr3_is_reserved_without_identifiers)
{
    const Record SCRIPT[] = { { LOAD_CR3, (space_cr3(2) & ~0xfffull) | KEEP, 0, 0 } };
    Guest *g = spaces_guest(1);

    g->s.cr4 &= ~0x20000ull;
    memcpy(g->ram + SCRIPT_AT, SCRIPT, sizeof SCRIPT);
    run_to_vector(g, 13);
    guest_free(g);
}

static void mov_cr(unsigned modrm, uint64_t cr4, uint64_t cr3, uint64_t rax, bool faults)
{
    uint8_t code[] = { 0x0f, 0x22, (uint8_t)modrm, 0xf4 };
    Guest *g = guest_new();

    guest_long(g);
    g->s.cr4 |= cr4;
    g->s.cr3 |= cr3;
    guest_code(g, CODE, code, sizeof code);
    g->s.seg[SEG_CS].selector = K32;    /* 64-bit code may not turn paging off at all */
    g->s.seg[SEG_CS].attr = 0xc9b;
    R(RAX) = rax;
    if (faults) {
        run_to_vector(g, 13);
    } else {
        run_done(g);
    }
    guest_free(g);
}

/* SDM vol. 3, 4.10.1: identifiers begin with 0, and end before paging does. */
Test(address_space, identifiers_are_turned_on_with_number_0_and_off_before_paging)
{
    enum { TO_CR0 = 0xc0, TO_CR4 = 0xe0, PROT = 0x11, PAE = 0x20, PCIDE = 0x20000 };

    mov_cr(TO_CR4, 0, 0, PAE | PCIDE, false);
    mov_cr(TO_CR4, 0, 1, PAE | PCIDE, true);
    mov_cr(TO_CR4, PCIDE, 1, PAE | PCIDE, false);
    mov_cr(TO_CR4, PCIDE, 1, PAE, false);
    mov_cr(TO_CR0, 0, 0, PROT, false);
    mov_cr(TO_CR0, PCIDE, 0, PROT, true);
}
