/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * code_memory_test.c - the memory for blocks and translated code (jit/pieces.c, block.c): who owns which piece, and
 * that code comes out the same when its memory is taken away.  That programs do so wherever they are when a
 * block has to go, is fuzz_test.c's and core_test.c's, with guest_new_tight().
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "hypervisor/soft/core.h"
#include "hypervisor/soft/jit/xlat.h"
#include "tests/cpu/sys_guest.h"

enum { PIECE = 64 << 10, MIB = 1 << 20 };

static Guest *guest_with(size_t code_memory)
{
    Guest *g = guest_new_with(code_memory);

    guest_prot(g);
    return g;
}

static unsigned pieces_of(const EngineVcpu *c)
{
    unsigned n = 0;

    for (const Piece *p = c->jit->oldest; p; p = p->next)
        n++;
    return n;
}

static size_t code_bytes(const EngineVcpu *c)
{
    size_t bytes = 0;

    for (const Piece *p = c->jit->oldest; p; p = p->next)
        bytes += p->code;
    return bytes;
}

/* A megabyte of additions from memory, three times; then how much code there is at the end. */
static size_t code_of_a_megabyte(Guest *g)
{
    enum { AT = 0x80000, COUNT = 170000, TIMES = 3 };
    static const uint8_t end[] = { 0x49, 0x74, 5, 0xe9 };       /* dec ecx; jz over; jmp start; hlt */
    uint32_t expect = 0, back;
    uint8_t *code = malloc(COUNT * 6 + 16), *p = code;

    for (unsigned n = 0; n < COUNT; n++, p += 6) {
        uint32_t from = 0x40000 + n % 1021 * 4;

        memcpy(p, "\x03\x05", 2);                               /* add eax, [from] */
        memcpy(p + 2, &from, 4);
        expect += n % 1021 * 0x01234567;
    }
    memcpy(p, end, sizeof end);
    back = (uint32_t)-(COUNT * 6 + 8);
    memcpy(p + 4, &back, 4);
    p[8] = 0xf4;
    for (unsigned n = 0; n < 1021; n++)
        ram_put(g, 0x40000 + n * 4, 4, n * 0x01234567);
    guest_code(g, AT, code, COUNT * 6 + 9);
    free(code);
    g->s.rip = AT;
    g->s.halted = 0;
    g->s.gpr[0] = 0;
    g->s.gpr[1] = TIMES;
    run_to(g, AT + COUNT * 6 + 8);
    eq_hex((uint32_t)g->s.gpr[0], TIMES * expect);
    return code_bytes(g->cpu);
}

static Guest *guest_of_64(void)
{
    Guest *g = guest_with(0);

    for (unsigned id = 1; id < 64; id++)
        cr_assert(engine_soft.vcpu_create(g->engine, (Vcpu *)g, id, 2 * id, NULL, NULL));
    return g;
}

static void free_guest_of_64(Guest *g)
{
    for (unsigned id = 1; id < 64; id++)
        engine_soft.vcpu_destroy(g->engine->cpus[id]);
    guest_free(g);
}

enum { SHARE = 64 * MIB / 64 / 2 / PIECE };         /* of each of 64 vCPUs: half of all */

/* So many pieces that some vCPU owns, as if it had filled them. */
static void own_pieces(EngineVcpu *c, unsigned count)
{
    Block *b = calloc(1, sizeof *b + 2 * sizeof(Insn));

    for (unsigned n = 0; n < count; n++) {
        cr_assert(code_room_again(c, b));
        c->jit->newest->data = (uint32_t)block_bytes(b);
        c->jit->newest->code = 1;
    }
    free(b);
}

Test(code_memory, code_stays_within_the_vcpus_share_when_nothing_is_left_to_lend)
{
    Guest *g = guest_of_64();
    EngineVcpu *other = g->engine->cpus[1];

    own_pieces(other, 10000);           /* all that the others aren't sure to get */
    cr_expect_eq(pieces_of(other), 512 + SHARE);
    cr_expect_leq(code_of_a_megabyte(g), SHARE * PIECE);
    cr_expect_eq(pieces_of(g->cpu), SHARE);
    free_guest_of_64(g);
}

Test(code_memory, a_vcpu_among_idle_ones_gets_what_it_needs)
{
    Guest *g = guest_of_64();

    cr_expect_gt(code_of_a_megabyte(g), 2 * SHARE * PIECE);
    cr_expect_gt(pieces_of(g->cpu), 2 * SHARE);
    for (unsigned id = 1; id < 64; id++)
        own_pieces(g->engine->cpus[id], SHARE);         /* they are sure of these */
    free_guest_of_64(g);
}

/* --- two vCPUs, and pieces for 16: each is sure of four --- */
enum { PIECES = 16, SURE = PIECES / 2 / 2, OWNED = PIECES - SURE };

static Guest *guest_of_two(EngineVcpu **second)
{
    Guest *g = guest_with(PIECES * PIECE);

    *second = engine_soft.vcpu_create(g->engine, (Vcpu *)g, 1, 2, NULL, NULL);
    cr_assert(*second);
    return g;
}

static size_t code_of_a_megabyte_on(Guest *g, EngineVcpu *c)
{
    EngineVcpu *first = g->cpu;
    VcpuState s = g->s;
    size_t bytes;

    g->cpu = c;
    bytes = code_of_a_megabyte(g);
    g->cpu = first;
    g->s = s;
    return bytes;
}

Test(code_memory, pieces_of_a_vcpu_that_rests_are_taken)
{
    EngineVcpu *other;
    Guest *g = guest_of_two(&other);

    code_of_a_megabyte_on(g, other);
    cr_expect_eq(pieces_of(other), OWNED);
    code_of_a_megabyte(g);              /* it has translated nothing for long then */
    code_of_a_megabyte(g);
    cr_expect_eq(pieces_of(other), SURE);
    cr_expect_eq(pieces_of(g->cpu), OWNED);
    cr_expect_not(cpu_priv(other)->requests & REQ_PIECE, "it was asked");
    code_of_a_megabyte_on(g, other);
    engine_soft.vcpu_destroy(other);
    code_of_a_megabyte(g);
    cr_expect_eq(pieces_of(g->cpu), PIECES);
    guest_free(g);
}

Test(code_memory, a_vcpu_that_runs_is_asked_for_a_piece)
{
    EngineVcpu *other;
    Guest *g = guest_of_two(&other);

    own_pieces(other, PIECES);
    cr_expect_eq(pieces_of(other), OWNED);
    code_of_a_megabyte(g);
    cr_expect(cpu_priv(other)->requests & REQ_PIECE);
    for (unsigned n = 1; n <= OWNED; n++) {
        __atomic_fetch_or(&cpu_priv(other)->requests, REQ_PIECE, __ATOMIC_SEQ_CST);
        requests_take(other);
        cr_expect(other->poll, "the run loop would not look");
        jit_give_back(other);
        cr_expect_eq(pieces_of(other), n < OWNED - SURE ? OWNED - n : SURE);
    }
    code_of_a_megabyte(g);
    cr_expect_eq(pieces_of(g->cpu), OWNED);
    engine_soft.vcpu_destroy(other);
    guest_free(g);
}

/* Calls within calls; each function has a page, and adds its number. */
enum { CALLS = 0x20000, DEPTH = 200 };

static void make_calls(Guest *g)
{
    for (unsigned n = 0; n < DEPTH; n++) {
        uint8_t f[] = { 0x05, (uint8_t)n, 0, 0, 0, 0xe8, 0xf6, 1, 0, 0, 0xc3 };  /* add eax, n; call next; ret */

        memcpy(g->ram + CALLS + n * 0x200, f, n + 1 < DEPTH ? sizeof f : 5);
        g->ram[CALLS + n * 0x200 + (n + 1 < DEPTH ? 10 : 5)] = 0xc3;
    }
    memcpy(g->ram + CODE_B, "\xe8\x00\x00\x00\x00\xf4", 6);              /* call; hlt */
    ram_put(g, CODE_B + 1, 4, CALLS - CODE_B - 5);
    engine_soft.code_written(g->engine, 0, GUEST_RAM);
}

typedef struct Caller {
    EngineVcpu *cpu;
    VcpuState s;
    volatile bool stop;
    unsigned runs, wrong;
} Caller;

static void *call_again_and_again(void *arg)
{
    Caller *o = arg;

    while (!o->stop) {
        VcpuState s = o->s;

        engine_soft.set_state(o->cpu, &s);
        engine_soft.run(o->cpu);
        engine_soft.get_state(o->cpu, &s);
        o->wrong += !s.halted || (uint32_t)s.gpr[0] != DEPTH * (DEPTH - 1) / 2 || s.rip != CODE_B + 6;
        o->runs++;
    }
    return NULL;
}

/* It rests between two runs and wakes up at any time. */
Test(code_memory, pieces_are_taken_while_their_vcpu_wakes_up)
{
    pthread_t thread;
    EngineVcpu *other;
    Guest *g = guest_of_two(&other);
    Caller o = { .cpu = other, .s = g->s };

    make_calls(g);
    own_pieces(other, OWNED - 1);
    o.s.rip = CODE_B;
    o.s.gpr[0] = 0;
    o.s.gpr[4] = 0x1f000;
    pthread_create(&thread, NULL, call_again_and_again, &o);
    for (unsigned n = 0; n < 4; n++)
        code_of_a_megabyte(g);
    o.stop = true;
    pthread_join(thread, NULL);
    cr_expect_eq(o.wrong, 0, "%u of %u runs went wrong", o.wrong, o.runs);
    cr_expect_gt(o.runs, 10);
    cr_expect_eq(pieces_of(other), SURE);
    engine_soft.vcpu_destroy(other);
    guest_free(g);
}

/* --- what is remembered --- */
/* More blocks than there is room for young ones, each run once in turn: they get translated all the same. */
Test(code_memory, runs_are_added_up_while_there_is_room_for_code)
{
    Guest *g = guest_with(4 * MIB);

    jit_set_warm(g->engine, 3);
    code_of_a_megabyte(g);
    cr_expect_gt(cpu_priv(g->cpu)->counters[COUNT_BLOCKS_EVICTED], 1000);
    cr_expect_gt(cpu_priv(g->cpu)->counters[COUNT_BLOCKS_TRANSLATED], 1000);
    guest_free(g);
}

/* --- counts --- */
static unsigned pages_held(const Guest *g)
{
    unsigned n = 0;

    for (unsigned at = 0; at < GUEST_RAM >> 12; at++)
        n += g->engine->holders[at];
    return n;
}

Test(code_memory, pages_are_held_as_long_as_they_have_blocks)
{
    Guest *g = guest_new_tight();

    guest_prot(g);
    make_calls(g);
    for (unsigned n = 0; n < 3; n++) {
        g->s.rip = CODE_B;
        g->s.halted = 0;
        g->s.gpr[0] = 0;
        g->s.gpr[4] = 0x1f000;
        run_to(g, CODE_B + 5);
        eq_hex(g->s.gpr[0], DEPTH * (DEPTH - 1) / 2);
        cr_expect_leq(pages_held(g), 4, "%u", pages_held(g));
        cr_expect_gt(pages_held(g), 0);
    }
    block_flush(g->cpu);
    cr_expect_eq(pages_held(g), 0);
    guest_free(g);
}
