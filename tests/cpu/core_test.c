/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * core_test.c - the software CPU's core: block cache and self-modifying code, string instructions,
 * TLB, breakpoints, several vCPUs, dirty log, kicks.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "hypervisor/soft/core.h"
#include "hypervisor/soft/jit/jit.h"
#include "tests/cpu/sys_guest.h"

static Guest *g;

#define R(n) g->s.gpr[n]
enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };
enum { DATA = 0x40000, ALIAS = 0x60000, PTE = 0x63 };

static void setup(void)
{
    g = guest_new();
    guest_long(g);
}

static void teardown(void) { guest_free(g); }

TestSuite(core, .init = setup, .fini = teardown, .timeout = 60);

/* --- self-modifying code --- */
Test(core, store_into_the_next_instruction_is_seen)
{
    LOAD(g, k_smc_next);
    run_done(g);
    eq_hex(R(RDX), 0x15 + 0x1a + 0x1f);
}

Test(core, store_through_an_alias_is_seen)
{
    LOAD(g, k_smc_alias);
    ram_put(g, PT_AT + (ALIAS >> 12) * 8, 8, CODE | PTE);
    R(RBX) = ALIAS + 9;
    run_done(g);
    eq_hex(R(RDX), 0x15 + 0x1a + 0x1f);
}

Test(core, store_through_any_of_many_aliases_is_seen)
{
    LOAD(g, k_smc_aliases);
    guest_code(g, DATA, "\xb8\x10\0\0\0\xc3", 6);
    for (unsigned n = 0; n < 8; n++)
        ram_put(g, PT_AT + ((ALIAS >> 12) + n) * 8, 8, DATA | PTE);
    R(RBX) = ALIAS;
    run_done(g);
    eq_hex(R(RDX), 16 + 24 + 31 + 37 + 42 + 46 + 49 + 51 + 52);
}

Test(core, store_into_the_second_page_of_an_instruction_is_seen)
{
    LOAD(g, k_call_patch_call);
    LOAD_AT(g, DATA + 0xffd, k_crossing);
    R(RBX) = DATA + 0xffd;
    R(RSI) = DATA + 0xffe;
    run_done(g);
    eq_hex(R(RDX), 0x11111111);
    eq_hex(R(RAX), 0x22222222);
}

Test(core, code_changed_by_a_push_is_seen)
{
    LOAD(g, k_pushed_code);
    guest_code(g, DATA + 0x100, "\xb8\x10\0\0\0\xc3", 6);
    R(RBX) = DATA + 0x800;
    R(RSI) = DATA + 0x100;
    R(RDI) = 0xc300000020ull;
    run_done(g);
    eq_hex(R(RDX), 0x10 + 0x20 + 0x25);
}

Test(core, code_changed_by_a_loop_is_seen)
{
    LOAD(g, k_copied_code);
    guest_code(g, DATA + 0x100, "\xb8\x10\0\0\0\xc3", 6);
    R(RSI) = DATA + 0x100;
    R(RDI) = ALIAS + 0x100;
    R(RSP) = DATA + 0x800;
    run_done(g);
    eq_hex(R(RDX), 0x10 + 0x15 + 0x1a);
}

Test(core, code_changed_behind_the_engine_is_seen_after_code_written)
{
    LOAD(g, k_zero);
    guest_code(g, CODE + 5, "\xf4", 1);
    run_done(g);
    eq_hex(R(RAX), 0);
    g->s.rip = CODE;
    g->ram[CODE + 1] = 7;
    cr_expect(g->code_pages[CODE >> 12] != 0);
    engine_soft.code_written(g->engine, CODE + 1, 1);
    g->s.halted = 0;
    run_done(g);
    eq_hex(R(RAX), 7);
}

/* --- string instructions --- */
Test(core, overlapping_rep_movsb_repeats_the_first_byte)
{
    LOAD(g, k_movs);
    memset(g->ram + DATA, 0, 8192);
    g->ram[DATA] = 0xab;
    R(RSI) = DATA;
    R(RDI) = DATA + 1;
    R(RCX) = 5000;
    run_done(g);
    for (unsigned n = 0; n <= 5000; n++)
        cr_assert(g->ram[DATA + n] == 0xab, "byte %u", n);
    eq_hex(g->ram[DATA + 5001], 0);
    eq_hex(R(RCX), 0);
    eq_hex(R(RSI), DATA + 5000);
    eq_hex(R(RDI), DATA + 5001);
}

Test(core, rep_movsd_goes_down_with_df)
{
    LOAD(g, k_movs_std);
    for (unsigned n = 0; n < 4096; n++)
        ram_put(g, DATA + n * 4, 4, n * 0x01010101u);
    R(RSI) = DATA + 4092;
    R(RDI) = DATA + 4092 + 0x3002;
    R(RCX) = 1000;
    run_done(g);
    cr_expect(!memcmp(g->ram + DATA + 4096 - 4000, g->ram + DATA + 0x3002 + 4096 - 4000, 4000));
    eq_hex(R(RSI), DATA + 4092 - 4000);
    eq_hex(R(RCX), 0);
}

Test(core, repne_scasb_stops_at_the_byte_wherever_it_is)
{
    enum { AT = DATA + 4096 - 37 };

    LOAD(g, k_scas);
    for (unsigned n = 0; n <= 100; n++) {
        memset(g->ram + DATA, 'x', 8192);
        g->ram[AT + n] = 0;
        g->s.rip = CODE;
        g->s.halted = 0;
        R(RDI) = AT;
        R(RCX) = 100;
        R(RAX) = 0x100;
        run_done(g);
        eq_hex(R(RDI), AT + (n < 100 ? n + 1 : 100));
        eq_hex(R(RCX), n < 100 ? 99 - n : 0);
        cr_expect_eq(!!(g->s.rflags & 0x40), n < 100, "%u", n);
    }
}

Test(core, repe_scasw_down_stops_at_the_word_wherever_it_is)
{
    enum { AT = DATA + 4096 + 61 };

    LOAD(g, k_scas_std);
    for (unsigned n = 0; n <= 60; n++) {
        memset(g->ram + DATA, 0x11, 8192);
        g->ram[AT - 2 * n + 1] = 0x12;
        g->s.rip = CODE;
        g->s.halted = 0;
        R(RDI) = AT;
        R(RCX) = 60;
        R(RAX) = 0x1111;
        run_done(g);
        eq_hex(R(RDI), AT - 2 * (n < 60 ? n + 1 : 60));
        eq_hex(R(RCX), n < 60 ? 59 - n : 0);
        cr_expect_eq(!(g->s.rflags & 0x40), n < 60, "%u", n);
    }
}

Test(core, repe_cmpsb_stops_at_the_difference_wherever_it_is)
{
    enum { A = DATA + 4096 - 37, B = DATA + 0x3000 - 11 };

    LOAD(g, k_cmps);
    for (unsigned n = 0; n <= 100; n++) {
        for (unsigned k = 0; k < 100; k++) {
            g->ram[A + k] = g->ram[B + k] = (uint8_t)(k * 7);
        }
        g->ram[B + n] ^= 0x40;
        g->s.rip = CODE;
        g->s.halted = 0;
        R(RSI) = A;
        R(RDI) = B;
        R(RCX) = 100;
        run_done(g);
        eq_hex(R(RSI), A + (n < 100 ? n + 1 : 100));
        eq_hex(R(RDI), B + (n < 100 ? n + 1 : 100));
        eq_hex(R(RCX), n < 100 ? 99 - n : 0);
        cr_expect_eq(!(g->s.rflags & 0x40), n < 100, "%u", n);
    }
}

Test(core, fault_in_rep_lodsd_leaves_the_last_word_and_what_is_left_to_do)
{
    LOAD(g, k_lods);
    ram_put(g, PT_AT + ((DATA >> 12) + 2) * 8, 8, 0);
    ram_put(g, DATA + 0x1ffc, 4, 0x89abcdef);
    R(RSI) = DATA + 0x1000;
    R(RCX) = 3000;
    R(RAX) = ~0ull;
    run_to_vector(g, 14);
    eq_hex(g->s.cr2, DATA + 0x2000);
    eq_hex(R(RSI), DATA + 0x2000);
    eq_hex(R(RCX), 3000 - 1024);
    eq_hex(R(RAX), 0x89abcdef);
}

Test(core, fault_in_rep_stosq_leaves_what_is_left_to_do)
{
    LOAD(g, k_stos);
    ram_put(g, PT_AT + ((DATA >> 12) + 2) * 8, 8, 0);
    R(RDI) = DATA;
    R(RCX) = 2000;
    R(RAX) = 0x1122334455667788ull;
    run_to_vector(g, 14);
    eq_hex(g->s.cr2, DATA + 0x2000);
    eq_hex(R(RDI), DATA + 0x2000);
    eq_hex(R(RCX), 2000 - 1024);
    eq_hex(ram64(g, DATA + 0x1ff8), 0x1122334455667788ull);
    eq_hex(ram64(g, R(RSP)), 2);
    eq_hex(ram64(g, R(RSP) + 8), CODE);
}

/* --- translated code's short cuts: the interpreter is the oracle --- */
extern const uint8_t k_odd_stack[], k_odd_stack_end[];
extern const uint8_t k_frames[], k_frames_end[], k_returns[], k_returns_end[];

static Guest *long_guest(void)
{
    Guest *made = guest_new();

    guest_long(made);
    return made;
}

static void both_ways(const uint8_t *code, size_t len, void (*prepare)(void), int vector)
{
    const Code it = { CODE, code, len };

    guest_both_ways(&g, long_guest, &it, prepare, vector);
}

static void prepare_frames(void)
{
    R(RBX) = DATA + 0x1000 - 0x80;
    R(RCX) = 80;
    R(12) = 0x1212121212121212ull;
    R(RBP) = 0xb0b0;
}

Test(core, frames_across_a_page_boundary_are_as_anywhere)
{
    both_ways(k_frames, k_frames_end - k_frames, prepare_frames, -1);
    eq_hex(R(12), 0x1212121212121212ull);
    eq_hex(R(RBP), 0xb0b0);
}

static void prepare_odd_stack(void)
{
    ram_put(g, PT_AT + ((DATA >> 12) + 1) * 8, 8, (DATA + 0x2000) | PTE);
    ram_put(g, PT_AT + ((DATA >> 12) + 2) * 8, 8, (DATA + 0x1000) | PTE);
    for (unsigned n = 0; n < 4096; n++) {
        ram_put(g, DATA + n * 4, 4, n * 0x9e3779b1u + 0x5a5a5a5a);
    }
    R(RBX) = DATA + 0x1000 - 20;
    R(RCX) = 40;
}

Test(core, pushes_across_pages_go_where_both_pages_are)
{
    both_ways(k_odd_stack, k_odd_stack_end - k_odd_stack, prepare_odd_stack, -1);
}

Test(core, a_stack_that_moves_is_where_its_page_is_now)
{
    enum { PT = 0x50000, HIGH = TLB_SIZE << 12 };

    jit_set_warm(g->engine, 1);
    LOAD(g, k_stack_moves);
    ram_put(g, PD_AT + (HIGH >> 21) * 8, 8, PT | PTE);
    ram_put(g, PT + (DATA >> 12) * 8, 8, (DATA + 0x3000) | PTE);
    ram_put(g, DATA + 0x800, 8, 1);
    ram_put(g, DATA + 0x1800, 8, 2);
    R(RSP) = DATA + 0x800;
    R(RBP) = HIGH + DATA;
    R(RSI) = PT_AT + (DATA >> 12) * 8;
    R(RDI) = (DATA + 0x1000) | PTE;
    run_done(g);
    eq_hex(R(RAX), 2);
}

static void prepare_returns(void)
{
    R(RSP) = DATA + 0x7000;
}

Test(core, returns_go_where_the_stack_says)
{
    both_ways(k_returns, k_returns_end - k_returns, prepare_returns, -1);
    eq_hex(R(RBX), 3000);
}

/* --- TLB --- */
Test(core, a_page_that_comes_back_into_the_tlb_gets_its_dirty_bit)
{
    enum { PT = 0x50000, APART = 64 << 20, CLEAN = PTE & ~0x40, GLOBAL = 0x100 };

    LOAD(g, k_pushed_out);
    g->s.cr4 |= 0x80;
    ram_put(g, PD_AT + (APART >> 21) * 8, 8, PT | PTE);
    ram_put(g, PT + (DATA >> 12) * 8, 8, (DATA + 0x1000) | PTE | GLOBAL);
    ram_put(g, PT_AT + (DATA >> 12) * 8, 8, DATA | CLEAN | GLOBAL);
    R(RBX) = DATA;
    R(RSI) = DATA + APART;
    run_done(g);
    eq_hex(ram64(g, PT_AT + (DATA >> 12) * 8), DATA | PTE | GLOBAL);
}

Test(core, invlpg_makes_a_changed_entry_count)
{
    LOAD(g, k_load_twice);
    ram_put(g, DATA, 8, 0x1111);
    ram_put(g, DATA + 0x1000, 8, 0x2222);
    R(RBX) = DATA;
    R(RSI) = PT_AT + (DATA >> 12) * 8;
    R(RDI) = (DATA + 0x1000) | PTE;
    run_done(g);
    eq_hex(R(RAX), 0x1111);
    eq_hex(R(RDX), 0x2222);
}

/* Linear 4 MiB to 6 MiB and 1 GiB to 2 GiB are large pages of physical 0. */
static void large_pages(uint64_t linear, uint64_t slot, uint64_t table)
{
    enum { PT = 0x50000, PD = 0x51000, PDPT = 0x52000, REGIONS = 0x53000, PS = 0x80 };

    LOAD(g, k_large);
    ram_put(g, DATA, 8, 0x1111);
    ram_put(g, DATA + 0x1000, 8, 0x2222);
    for (unsigned n = 0; n < 512; n++) {
        ram_put(g, PT + n * 8, 8, (DATA + 0x1000) | PTE);
        ram_put(g, PD + n * 8, 8, PT | PTE);
        ram_put(g, PDPT + n * 8, 8, PD | PTE);
        ram_put(g, REGIONS + n * 8, 8, PS | PTE);
    }
    ram_put(g, PD_AT + 2 * 8, 8, PS | PTE);
    ram_put(g, PDPT_AT + 1 * 8, 8, PS | PTE);
    for (unsigned n = 2; n < 512; n++) {
        ram_put(g, PDPT_AT + n * 8, 8, REGIONS | PTE);
    }
    R(RCX) = 1;
    R(9) = DATA;
    R(RBX) = linear + DATA;
    R(RSI) = slot;
    R(RDI) = table;
    R(8) = linear + 0x5000;
}

Test(core, invlpg_anywhere_in_a_page_of_2_mib_drops_all_of_it)
{
    large_pages(0x400000, PD_AT + 2 * 8, 0x50000 | PTE);
    run_done(g);
    eq_hex(R(RAX), 0x1111);
    eq_hex(R(RDX), 0x2222);
}

Test(core, invlpg_anywhere_in_a_page_of_1_gib_drops_all_of_it)
{
    large_pages(0x40000000, PDPT_AT + 1 * 8, 0x51000 | PTE);
    R(8) = 0x7ffff000;
    run_done(g);
    eq_hex(R(RAX), 0x1111);
    eq_hex(R(RDX), 0x2222);
}

Test(core, invlpg_drops_all_of_a_large_page_after_thousands_of_others)
{
    large_pages(0x400000, PD_AT + 2 * 8, 0x50000 | PTE);
    R(RCX) = LARGE_SLOTS / 2 + 100;
    R(9) = 0x80000000 + DATA;
    run_done(g);
    eq_hex(R(RAX), 0x1111);
    eq_hex(R(RDX), 0x2222);
}

/*
 * A jump of which two bytes are in the page that moves, and which is all the code there; a jump in the
 * page before leads to it.
 */
static void prepare_crossing_moves(void)
{
    static const uint8_t JUMP[] = { 0xe9, 0xfe, 0x8f }, FAR_OFF[] = { 0xb8, 1, 0, 0, 0, 0xc3 };

    guest_code(g, DATA + 0xff0, "\xeb\x0b", 2);
    guest_code(g, DATA + 0xffd, JUMP, sizeof JUMP);
    for (unsigned n = 0; n < 3; n++) {
        uint8_t code[sizeof FAR_OFF];

        memcpy(code, FAR_OFF, sizeof code);
        code[3] = (uint8_t)n;
        guest_code(g, DATA + 0xa000 + n * 0x10000, code, sizeof code);
        ram_put(g, DATA + 0x1000 + n * 0x1000, 2, n);
    }
    R(RBX) = DATA + 0xff0;
    R(RDX) = 0;
    R(RSI) = PT_AT + (DATA >> 12) * 8 + 8;
    R(RDI) = (DATA + 0x2000) | PTE;
    R(8) = (DATA + 0x3000) | PTE;
    R(9) = DATA + 0x1000;
}

Test(core, an_instruction_across_pages_is_what_both_pages_have_now)
{
    extern const uint8_t k_crossing_moves[], k_crossing_moves_end[];

    both_ways(k_crossing_moves, k_crossing_moves_end - k_crossing_moves, prepare_crossing_moves, -1);
    eq_hex(R(RDX), 40 * 1 + 30 * 0x10001ull + 30 * 0x20001ull);
}

static void prepare_landing(void)
{
    page_flags(g, DATA, PTE);
    R(RBP) = DATA;
    R(RSI) = STACK_USER;
}

/* Ring 3's RET to where ring 0 had called finds ring 3's code there. */
Test(core, a_return_in_another_ring_is_that_rings)
{
    extern const uint8_t k_landing[], k_landing_end[];

    both_ways(k_landing, k_landing_end - k_landing, prepare_landing, 14);
    eq_hex(R(RCX), 5);
    eq_hex(g->s.cr2, DATA);
}

static void prepare_landing_ac(void)
{
    g->s.cr4 |= 1 << 21;        /* SMAP */
    for (unsigned at = 0; at < GUEST_RAM; at += 4096) {
        page_flags(g, at, at == DATA ? 0x67 : PTE);
    }
    R(RBP) = DATA;
}

Test(core, a_return_finds_ac_as_it_is_now)
{
    extern const uint8_t k_landing_ac[], k_landing_ac_end[];

    both_ways(k_landing_ac, k_landing_ac_end - k_landing_ac, prepare_landing_ac, 14);
    eq_hex(R(RCX), 5);
    eq_hex(g->s.cr2, DATA);
}

/* A function by way of a direct jump from another page, and by an indirect call. */
static void prepare_code_moves(void)
{
    static const uint8_t JUMP[] = { 0xe9, 0xfb, 0x0f, 0, 0 }, MOV[] = { 0xb8, 0, 0, 0, 0, 0xc3 };

    guest_code(g, DATA - 0x1000, JUMP, sizeof JUMP);
    for (unsigned n = 0; n < 3; n++) {
        guest_code(g, DATA + n * 0x1000, MOV, sizeof MOV);
        ram_put(g, DATA + n * 0x1000 + 1, 4, 1 + n * 0x10000);
    }
    R(RBX) = DATA - 0x1000;
    R(RBP) = DATA;
    R(RDX) = R(12) = 0;
    R(RSI) = PT_AT + (DATA >> 12) * 8;
    R(RDI) = (DATA + 0x1000) | PTE;
    R(8) = (DATA + 0x2000) | PTE;
    R(9) = DATA + 0x345;
}

Test(core, code_in_a_page_that_moves_is_what_the_page_has_now)
{
    extern const uint8_t k_code_moves[], k_code_moves_end[];
    uint64_t sum = 0;

    both_ways(k_code_moves, k_code_moves_end - k_code_moves, prepare_code_moves, -1);
    for (unsigned n = 0; n < 100; n++) {
        sum = sum * 3 + (n < 40 ? 1 : n < 70 ? 0x10001 : 0x20001);
    }
    eq_hex(R(12), sum);
    eq_hex(R(RDX), 40 * 1 + 30 * 0x10001ull + 30 * 0x20001ull);
}

/* By indirect calls alone. */
static void prepare_called_code_moves(void)
{
    prepare_code_moves();
    R(RBX) = R(RBP);
}

Test(core, code_that_is_called_moves_with_its_page)
{
    extern const uint8_t k_code_moves[], k_code_moves_end[];

    both_ways(k_code_moves, k_code_moves_end - k_code_moves, prepare_called_code_moves, -1);
    eq_hex(R(RDX), 40 * 1 + 30 * 0x10001ull + 30 * 0x20001ull);
}

/* RBP is 256 MiB higher, which is the same slot of what is known of pages with code. */
static void prepare_code_moves_behind(void)
{
    enum { PT = 0x50000, HIGH = 0x10000000 };

    prepare_code_moves();
    guest_code(g, DATA + 0x3100, (const uint8_t[]){ 0xb8, 7, 0, 0, 0, 0xc3 }, 6);
    ram_put(g, PD_AT + (HIGH >> 21) * 8, 8, PT | PTE);
    ram_put(g, PT + (DATA >> 12) * 8, 8, (DATA + 0x3000) | PTE);
    R(RBX) = DATA;
    R(RBP) = HIGH + DATA + 0x100;
}

Test(core, code_moves_while_another_page_is_in_its_place)
{
    extern const uint8_t k_code_moves[], k_code_moves_end[];
    uint64_t sum = 0;

    both_ways(k_code_moves, k_code_moves_end - k_code_moves, prepare_code_moves_behind, -1);
    for (unsigned n = 0; n < 100; n++) {
        sum = sum * 3 + (n < 40 ? 1 : n < 70 ? 0x10001 : 0x20001);
    }
    eq_hex(R(12), sum);
    eq_hex(R(RDX), 700);
}

static uint64_t counted(const char *name)
{
    EngineCounter counters[ENGINE_COUNTERS];
    unsigned n = engine_soft.counters(g->cpu, counters);

    for (unsigned k = 0; k < n; k++) {
        if (!strcmp(counters[k].name, name)) {
            return counters[k].value;
        }
    }
    return UINT64_MAX;
}

/* RBX and RBP are 2 MiB apart, which jump_hash() doesn't tell. */
static void prepare_calls_of_one_hash(void)
{
    prepare_code_moves();
    ram_put(g, PD_AT + 8, 8, PT_AT | PTE);
    R(RDI) = R(8) = DATA | PTE;
    R(RBX) = DATA;
    R(RBP) = 0x200000 + DATA;
}

Test(core, two_places_called_in_turn_are_both_remembered)
{
    extern const uint8_t k_code_moves[], k_code_moves_end[];

    both_ways(k_code_moves, k_code_moves_end - k_code_moves, prepare_calls_of_one_hash, -1);
    eq_hex(R(RDX), 100);
    cr_expect_lt(counted("jumps looked up: another place, or for the first time"), 30);
}

static void prepare_calls_rewritten(void)
{
    prepare_calls_of_one_hash();
    R(RSI) = DATA + 1;
}

Test(core, two_places_of_one_hash_are_rewritten)
{
    extern const uint8_t k_calls_rewritten[], k_calls_rewritten_end[];

    both_ways(k_calls_rewritten, k_calls_rewritten_end - k_calls_rewritten, prepare_calls_rewritten, -1);
    eq_hex(R(RDX), 40 * 2 * 1 + 60 * 2 * 2);
}

/* POP FS ends a block and is done in C. */
static void prepare_calls_of_high_code(void)
{
    static const uint8_t POP_FS[] = { 0xb8, 1, 0, 0, 0, 0x0f, 0xa0, 0x0f, 0xa1, 0xc3 };
    const uint64_t high = 0xffffff8000000000;

    prepare_code_moves();
    ram_put(g, PML4_AT + 511 * 8, 8, PDPT_AT | PTE);
    guest_code(g, DATA, POP_FS, sizeof POP_FS);
    R(RDI) = R(8) = DATA | PTE;
    R(RBX) = R(RBP) = high + DATA;
}

Test(core, code_at_the_top_of_the_address_space_is_remembered)
{
    extern const uint8_t k_code_moves[], k_code_moves_end[];

    both_ways(k_code_moves, k_code_moves_end - k_code_moves, prepare_calls_of_high_code, -1);
    eq_hex(R(RDX), 100);
    cr_expect_lt(counted("jumps looked up: the mapping may have changed"), 20);
}

static void prepare_landing_moves(void)
{
    static const uint8_t CALL[] = { 0x41, 0xff, 0xd5, 0xb8, 0, 0, 0, 0, 0xc3 };

    prepare_code_moves();
    for (unsigned n = 0; n < 3; n++) {
        guest_code(g, DATA + n * 0x1000, CALL, sizeof CALL);
        ram_put(g, DATA + n * 0x1000 + 4, 4, 1 + n * 0x10000);
    }
}

Test(core, a_return_lands_in_what_the_page_has_now)
{
    extern const uint8_t k_landing_moves[], k_landing_moves_end[];

    both_ways(k_landing_moves, k_landing_moves_end - k_landing_moves, prepare_landing_moves, -1);
    eq_hex(R(RDX), 1 + 50 * 0x10001ull + 49 * 0x20001ull);
}

/* Epochs are numbered from 1 again while the pages move. */
static void prepare_epochs_end(void)
{
    prepare_landing_moves();
    cpu_priv(g->cpu)->code_epoch_last[0] = CODE_EPOCHS - 24;
}

Test(core, what_was_seen_in_an_epoch_is_not_taken_for_the_next_of_its_number)
{
    extern const uint8_t k_landing_moves[], k_landing_moves_end[];

    both_ways(k_landing_moves, k_landing_moves_end - k_landing_moves, prepare_epochs_end, -1);
    eq_hex(R(RDX), 1 + 50 * 0x10001ull + 49 * 0x20001ull);
    cr_expect_lt(cpu_priv(g->cpu)->code_epoch_last[0], 1000);
}

/* The same where linear 4 MiB to 6 MiB is one page of 2 MiB at first. */
static void prepare_large_code_moves(void)
{
    enum { PT = 0x50000, PS = 0x80 };

    prepare_code_moves();
    for (unsigned n = 0; n < 512; n++) {
        ram_put(g, PT + n * 8, 8, (DATA + 0x1000) | PTE);
        ram_put(g, PT + 0x1000 + n * 8, 8, (DATA + 0x2000) | PTE);
    }
    ram_put(g, PD_AT + 2 * 8, 8, PS | PTE);
    R(RBX) = R(RBP) = 0x400000 + DATA;
    R(RSI) = PD_AT + 2 * 8;
    R(RDI) = PT | PTE;
    R(8) = (PT + 0x1000) | PTE;
    R(9) = 0x5ff000;
}

Test(core, code_in_a_large_page_that_moves_is_what_the_page_has_now)
{
    extern const uint8_t k_code_moves[], k_code_moves_end[];

    both_ways(k_code_moves, k_code_moves_end - k_code_moves, prepare_large_code_moves, -1);
    eq_hex(R(RDX), 40 * 1 + 30 * 0x10001ull + 30 * 0x20001ull);
}

/* Linear 4 GiB and DATA is another page than DATA; so is the stack's. */
static void prepare_compat_low(void)
{
    enum { PD = 0x50000, PT = 0x51000, HIGH_STACK = 0x20000 };

    ram_put(g, PDPT_AT + 4 * 8, 8, PD | PTE);
    ram_put(g, PD, 8, PT | PTE);
    ram_put(g, PT + (DATA >> 12) * 8, 8, (DATA + 0x1000) | PTE);
    ram_put(g, PT + (HIGH_STACK >> 12) * 8, 8, (DATA + 0x2000) | PTE);
    ram_put(g, DATA, 8, 0x1111);
    ram_put(g, DATA + 0x1000, 8, 0x2222);
    R(RCX) = 0x100000000 | DATA;
    R(RSP) = 0x100000000 | (HIGH_STACK + 0x800);
    R(RBP) = 0;
}

/* What the upper halves of registers are is nothing to 32-bit code, though the pages there are known. */
Test(core, addresses_of_compatibility_mode_are_cut)
{
    extern const uint8_t k_compat_low[], k_compat_low_end[];

    both_ways(k_compat_low, k_compat_low_end - k_compat_low, prepare_compat_low, -1);
    eq_hex(R(RDX), 0x1111);
    eq_hex(R(RSI), 0x1111);
    eq_hex(ram64(g, DATA + 8), 40 * 0x1111);
    eq_hex(ram64(g, DATA + 0x1008), 0);
}

static void prepare_scans(void)
{
    R(RSI) = 0x00f0000000001000;
    R(RDI) = 0;
}

#define NATIVE(insn, from) do { \
    uint64_t to_ = 0, flags_ = before; \
    __asm__ volatile("push %0\n\tpopfq\n\t" insn "\n\tpushfq\n\tpop %0" \
                     : "+r"(flags_), "+r"(to_) : "r"((uint64_t)(from)) : "cc", "memory"); \
    sum = (sum << 7 | sum >> 57) ^ (flags_ & ARITH); \
} while (0)

/* Undefined ones are the host's, which may leave them as they were: as the guest's were. */
Test(core, flags_that_a_scan_leaves_are_the_guests)
{
    enum { ARITH = 0x8d5 };
    extern const uint8_t k_scans[], k_scans_end[];
    uint64_t sum = 0;

    both_ways(k_scans, k_scans_end - k_scans, prepare_scans, -1);
    for (unsigned n = 6; n; n--) {
        uint64_t before = n & 1 ? 0 : ARITH;

        NATIVE("bsf %2, %1", R(RSI));
        NATIVE("bsr %2, %1", R(RSI));
        NATIVE("tzcnt %2, %1", R(RSI));
        NATIVE("lzcnt %2, %1", R(RSI));
        NATIVE("popcnt %2, %1", R(RSI));
        NATIVE("bsf %2, %1", 0);
        NATIVE("lzcnt %k2, %k1", 0);
    }
    eq_hex(R(12), sum);
}

/* Every type but those of other PCIDs drops an entry that is not global. */
static void invpcid(unsigned type, uint64_t pcid, uint64_t linear)
{
    enum { DESCRIPTOR = DATA + 0x4000 };

    LOAD(g, k_invpcid);
    ram_put(g, DATA, 8, 0x1111);
    ram_put(g, DATA + 0x1000, 8, 0x2222);
    ram_put(g, PT_AT + (DATA >> 12) * 8, 8, DATA | PTE);
    ram_put(g, DESCRIPTOR, 8, pcid);
    ram_put(g, DESCRIPTOR + 8, 8, linear);
    R(RBX) = DATA;
    R(RCX) = type;
    R(8) = DESCRIPTOR;
    R(RSI) = PT_AT + (DATA >> 12) * 8;
    R(RDI) = (DATA + 0x1000) | PTE;
}

Test(core, invpcid_makes_a_changed_entry_count)
{
    for (unsigned type = 0; type < 4; type++) {
        guest_free(g);
        g = guest_new();
        guest_long(g);
        invpcid(type, 0, DATA);
        run_done(g);
        eq_hex(R(RAX), 0x1111);
        eq_hex(R(RDX), 0x2222);
    }
}

/* SDM vol. 2, INVPCID: unknown types, reserved bits, PCIDs while there are none. */
Test(core, invpcid_checks_its_operands)
{
    static const struct { unsigned type; uint64_t pcid, linear; } BAD[] = {
        { 4, 0, 0 }, { 0, 1, 0 }, { 1, 1, 0 }, { 0, 0x1000, 0 }, { 2, 0x1000, 0 },
        { 3, 1ull << 63, 0 }, { 0, 0, 0x8000000000000000ull },
    };

    for (unsigned n = 0; n < sizeof BAD / sizeof BAD[0]; n++) {
        guest_free(g);
        g = guest_new();
        guest_long(g);
        invpcid(BAD[n].type, BAD[n].pcid, BAD[n].linear);
        run_to_vector(g, 13);
        eq_hex(ram64(g, R(RSP)), 0);
    }
}

Test(core, invpcid_is_for_ring_0)
{
    static const uint8_t INVPCID[] = { 0x66, 0x0f, 0x38, 0x82, 0x08 };

    guest_user(g);
    guest_code(g, CODE, INVPCID, sizeof INVPCID);
    run_to_vector(g, 13);
}

Test(core, rdpid_and_rdtscp_read_tsc_aux)
{
    LOAD(g, k_rdpid);
    g->s.tsc_aux = 0x12345;
    R(RAX) = ~0ull;
    run_done(g);
    eq_hex(R(RCX), 0x12345);
}

Test(core, store_sets_the_dirty_bit)
{
    LOAD(g, k_store);
    ram_put(g, PT_AT + (DATA >> 12) * 8, 8, DATA | 3);
    R(RBX) = DATA;
    run_done(g);
    eq_hex(ram64(g, PT_AT + (DATA >> 12) * 8), DATA | 0x63);
}

/* SDM vol. 3, 4.8: every entry that was used is marked, and only a write makes the page dirty. */
Test(core, load_sets_accessed_bits_in_all_tables)
{
    static const uint32_t TABLES[] = { PML4_AT, PDPT_AT, PD_AT, PT_AT + (DATA >> 12) * 8 };

    LOAD(g, k_load);
    for (unsigned n = 0; n < 4; n++)
        ram_put(g, TABLES[n], 8, ram64(g, TABLES[n]) & ~0x60ull);
    R(RBX) = DATA;
    run_done(g);
    for (unsigned n = 0; n < 4; n++)
        eq_hex(ram64(g, TABLES[n]) & 0x60, 0x20);
}

Test(core, access_across_a_page_checks_both_before_it_stores)
{
    LOAD(g, k_store);
    ram_put(g, PT_AT + ((DATA >> 12) + 1) * 8, 8, 0);
    R(RBX) = DATA + 0xffc;
    R(RAX) = ~0ull;
    ram_put(g, DATA + 0xffc, 4, 0x55);
    run_to_vector(g, 14);
    eq_hex(g->s.cr2, DATA + 0x1000);
    eq_hex(ram32(g, DATA + 0xffc), 0x55);
}

Test(core, access_across_a_page_finds_the_next_one_where_it_is)
{
    LOAD(g, k_across);
    ram_put(g, PT_AT + ((DATA >> 12) + 1) * 8, 8, (DATA + 0x3000) | 3);
    R(RBX) = DATA;
    R(RCX) = 0x8877665544332211;
    ram_put(g, DATA + 0xffc, 4, 0x55555555);
    ram_put(g, DATA + 0x1000, 8, 0);
    ram_put(g, DATA + 0x3000, 8, 0xaaaaaaaa);
    run_done(g);
    eq_hex(R(RAX), 0xaaaaaaaa55555555);
    eq_hex(ram64(g, DATA + 0xff8), 0x6655443322110000);
    eq_hex(ram64(g, DATA + 0x3000), 0xaaaa8877);
    eq_hex(ram64(g, DATA + 0x1000), 0);
}

/* --- flags --- */
Test(core, inc_keeps_carry_and_add_sets_all)
{
    LOAD(g, k_flags);
    run_done(g);
    eq_hex(R(RDX) & 0x8d5, 0x845);      /* OF ZF PF CF */
    eq_hex(R(RBX) & 0x8d5, 0x891);      /* OF SF AF, CF kept */
}

/* --- debug --- */
Test(core, single_step_traps_after_each_instruction)
{
    LOAD(g, k_steps);
    R(RBX) = DATA;
    g->s.rflags |= F_TF;
    run_to_vector(g, 1);
    eq_hex(g->s.dr[6] & 0x4000, 0x4000);
    eq_hex(ram64(g, R(RSP)), CODE + 1);
}

Test(core, execution_breakpoint_faults_before_its_instruction)
{
    LOAD(g, k_steps);
    R(RBX) = DATA;
    g->s.dr[0] = CODE + 6;
    g->s.dr[7] = 0x402 & ~0u;
    run_to_vector(g, 1);
    eq_hex(g->s.dr[6] & 15, 1);
    eq_hex(ram64(g, R(RSP)), CODE + 6);
    eq_hex(ram64(g, R(RSP) + 16) & F_RF, 0);        /* SDM vol. 3, 17.3.1.1: the handler sets it */
    eq_hex(ram32(g, DATA), 0);
}

Test(core, data_breakpoint_traps_after_the_store)
{
    LOAD(g, k_steps);
    R(RBX) = DATA;
    g->s.dr[1] = DATA;
    g->s.dr[7] = 0x400 | 8 | 0xd00000;  /* DR1, global, writes of 4 bytes */
    run_to_vector(g, 1);
    eq_hex(g->s.dr[6] & 15, 2);
    eq_hex(ram64(g, R(RSP)), CODE + 8);
    eq_hex(ram32(g, DATA), 1);
}

Test(core, interrupt_waits_for_the_instruction_after_sti)
{
    LOAD(g, k_sti_shadow);
    g->irq = IRQ_EXTINT;
    g->irq_vector = 0x40;
    run_to_vector(g, 0x40);
    eq_hex(R(RAX), 1);
}

Test(core, popf_that_opens_takes_what_waits)
{
    LOAD(g, k_popf_opens);
    g->irq = IRQ_EXTINT;
    g->irq_vector = 0x40;
    R(RAX) = 0x202;
    R(RCX) = 0;
    run_to_vector(g, 0x40);
    eq_hex(R(RCX), 0);
}

Test(core, a_jump_taken_often_finds_code_that_changed)
{
    LOAD(g, k_smc_linked);
    R(RDX) = 0;
    run_done(g);
    eq_hex(R(RDX), 3 * 1 + 3 * 0x10);
}

/* A function half a page behind is overwritten when it has run. */
Test(core, a_store_to_code_that_is_gone_already_costs_a_look)
{
    static const uint8_t main_code[] = {
        0xe8, 0xfb, 0x07, 0, 0,                         /* call CODE + 0x800 */
        0xc6, 0x05, 0xf4, 0x07, 0, 0, 0xc3,             /* mov byte ptr [CODE + 0x800], 0xc3 */
        0xf4,
    };
    const Engine *e = g->engine;

    guest_code(g, CODE, main_code, sizeof main_code);
    guest_code(g, CODE + 0x800, "\xc3", 1);
    g->s.rip = CODE;
    run_done(g);
    cr_expect_eq(e->granules[CODE >> 12] & 1, 1);
    cr_expect_eq(e->granules[CODE >> 12] >> 32 & 1, 0, "no block is there any more");
}

/* --- dirty log --- */
Test(core, dirty_log_tells_each_written_page_once_a_fetch)
{
    uint8_t map[64] = {0};

    engine_soft.dirty_log(g->engine, 0, GUEST_RAM, true);
    for (unsigned k = 0; k < 2; k++) {
        LOAD(g, k_store);
        g->s.rip = CODE;
        g->s.halted = 0;
        R(RBX) = DATA + 0x3000;
        run_done(g);
        memset(map, 0, sizeof map);
        engine_soft.dirty_fetch(g->engine, DATA, 0x10000, map);
        eq_hex(map[0], 1 << 3);
        memset(map, 0, sizeof map);
        engine_soft.dirty_fetch(g->engine, DATA, 0x10000, map);
        eq_hex(map[0], 0);
    }
}

/* --- other threads --- */
static void *run_thread(void *arg)
{
    enum VcpuStop *stop = arg;

    *stop = engine_soft.run(g->cpu);
    return NULL;
}

/* The loop is in the first bytes of CODE. */
static void kick_stops(unsigned bytes)
{
    enum VcpuStop stop = VCPU_STOP_ERROR;
    pthread_t t;

    engine_soft.set_state(g->cpu, &g->s);
    pthread_create(&t, NULL, run_thread, &stop);
    usleep(20000);
    engine_soft.kick(g->cpu, true);
    pthread_join(t, NULL);
    cr_expect(stop == VCPU_STOP_KICKED);
    engine_soft.get_state(g->cpu, &g->s);
    cr_expect(g->s.rip - CODE < bytes);
}

Test(core, kick_stops_a_loop)
{
    LOAD(g, k_spin);
    kick_stops(1);
}

Test(core, kick_stops_a_loop_of_two_blocks)
{
    LOAD(g, k_spin_two);
    R(RAX) = 1;
    kick_stops(12);
    eq_hex(g->s.rflags & 0x40, g->s.rip - CODE == 5 ? 0x40 : 0);
}

Test(core, kick_stops_a_loop_of_an_indirect_jump)
{
    LOAD(g, k_spin_indirect);
    R(RAX) = CODE;
    kick_stops(1);
}

typedef struct Second {
    EngineVcpu *cpu;
    VcpuState s;
    pthread_t thread;
} Second;

static void *second_run(void *arg)
{
    Second *o = arg;

    engine_soft.run(o->cpu);
    return NULL;
}

static void second_start(Second *o, uint32_t at)
{
    o->cpu = engine_soft.vcpu_create(g->engine, (Vcpu *)g, 1, 2, NULL, NULL);
    o->s.rip = at;
    o->s.gpr[RSP] = STACK1;
    engine_soft.set_state(o->cpu, &o->s);
    pthread_create(&o->thread, NULL, second_run, o);
}

static void second_end(Second *o)
{
    pthread_join(o->thread, NULL);
    engine_soft.get_state(o->cpu, &o->s);
    engine_soft.vcpu_destroy(o->cpu);
}

static void both_count(uint64_t at, uint64_t times)
{
    Second o;

    LOAD(g, k_lock_inc);
    ram_put(g, at, 8, 0);
    R(RBX) = at;
    R(RCX) = times;
    o.s = g->s;
    second_start(&o, CODE);
    run_done(g);
    second_end(&o);
    eq_hex(ram64(g, at), 2 * times);
}

Test(core, locked_increments_of_two_vcpus_add_up) { both_count(DATA, 300000); }

Test(core, locked_increments_across_pages_add_up) { both_count(DATA + 0xffd, 3000); }

Test(core, cmpxchg16b_of_two_vcpus_adds_up)
{
    enum { TIMES = 20000 };
    Second o;

    LOAD(g, k_lock_cmpxchg16b);
    R(RDI) = DATA;
    R(RSI) = TIMES;
    o.s = g->s;
    second_start(&o, CODE);
    run_done(g);
    second_end(&o);
    eq_hex(ram64(g, DATA), 2 * TIMES);
    eq_hex(ram64(g, DATA + 8), 2 * TIMES);
}

Test(core, code_patched_by_another_vcpu_is_seen)
{
    Second o;

    LOAD(g, k_spin_code);
    LOAD_AT(g, DATA, k_zero);
    LOAD_AT(g, CODE_B, k_patch);
    R(RBX) = DATA;
    o.s = g->s;
    o.s.gpr[RBX] = DATA + 1;
    second_start(&o, CODE_B);
    run_done(g);
    second_end(&o);
    eq_hex(R(RAX), 1);
}

/* Both hold and give back the page all the time: neither may keep a block without holding it. */
Test(core, code_patched_again_and_again_is_never_run_as_it_was)
{
    enum { TIMES = 300, FLAGS = DATA + 0x10000, R8 = 8, R9, R10, R11 };
    Second o;

    LOAD(g, k_patched);
    LOAD_AT(g, DATA, k_zero);
    LOAD_AT(g, CODE_B, k_patcher);
    memset(g->ram + FLAGS, 0, 128);
    R(RSI) = FLAGS;
    R(RDI) = DATA;
    R(R11) = TIMES;
    o.s = g->s;
    o.s.gpr[RBX] = DATA + 1;
    o.s.gpr[RCX] = TIMES;
    second_start(&o, CODE_B);
    run_done(g);
    second_end(&o);
    eq_hex(R(R10), 0);
    eq_hex(o.s.gpr[RCX], 0);
}

Test(core, memory_changed_while_another_vcpu_runs_comes_back)
{
    enum VcpuStop stop = VCPU_STOP_ERROR;
    pthread_t t;

    LOAD(g, k_spin);
    engine_soft.set_state(g->cpu, &g->s);
    pthread_create(&t, NULL, run_thread, &stop);
    for (unsigned n = 0; n < 200; n++)
        engine_soft.memory_changed(g->engine, DATA, 0x1000);
    engine_soft.kick(g->cpu, true);
    pthread_join(t, NULL);
    cr_expect(stop == VCPU_STOP_KICKED);
}
