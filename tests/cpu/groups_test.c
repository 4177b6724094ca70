/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * groups_test.c - accesses that translated code looks up once for all of them, and loops over memory:
 * what they do at the end of a page, at faults and with wrong alignment. The interpreter is the oracle.
 */
#include <string.h>
#include "hypervisor/soft/core.h"
#include "tests/cpu/sys_guest.h"

static Guest *g;

#define R(n) g->s.gpr[n]
enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };
enum { DATA = 0x40000, PTE = 0x63 };

static Guest *long_guest(void)
{
    Guest *made = guest_new();

    guest_long(made);
    return made;
}

static void setup(void) { g = long_guest(); }

static void teardown(void) { guest_free(g); }

TestSuite(groups, .init = setup, .fini = teardown, .timeout = 60);

extern const uint8_t k_fields[], k_fields_end[], k_fields_known[], k_fields_known_end[], k_field_moves[],
    k_field_moves_end[], k_turns[], k_turns_end[], k_turns_dec[], k_turns_dec_end[], k_indexed[],
    k_indexed_end[], k_misaligned[], k_misaligned_end[], k_far_vectors[], k_far_vectors_end[],
    k_first_vector[], k_first_vector_end[], k_base_converted[], k_base_converted_end[];

#define BOTH(snippet, prepare, vector) \
    guest_both_ways(&g, long_guest, &(Code){ CODE, snippet, (size_t)(snippet##_end - snippet) }, prepare, vector)

static void prepare_fields(void)
{
    ram_put(g, PT_AT + ((DATA >> 12) + 2) * 8, 8, 0);
    for (unsigned n = 0; n < 4096; n++) {
        ram_put(g, DATA + n * 4, 4, n * 0x9e3779b1u);
    }
    R(RBX) = DATA + 0x1000 - 0x100;
    R(RCX) = 100000;
}

Test(groups, fields_at_the_end_of_memory_fault_one_by_one)
{
    BOTH(k_fields, prepare_fields, 14);
    eq_hex(g->s.cr2, DATA + 0x2000);
}

static void prepare_vectors(void)
{
    prepare_fields();
    g->s.cr4 |= 0x600;
    R(RDX) = 4;
    R(RSI) = 12;
    R(RCX) = 1000;
}

Test(groups, vectors_and_indexed_fields_fault_one_by_one)
{
    BOTH(k_indexed, prepare_vectors, 14);
    eq_hex(g->s.cr2, DATA + 0x2000);
}

static void prepare_misaligned(void)
{
    prepare_vectors();
    R(RBX) = DATA + 8;
    R(RCX) = 20;
}

static void prepare_far_vectors(void)
{
    prepare_misaligned();
    R(RBX) = DATA;
    R(RAX) = 8;
}

Test(groups, a_vector_among_fields_must_be_aligned)
{
    BOTH(k_misaligned, prepare_misaligned, 13);
    eq_hex(R(RBX), DATA + 8 + 20 * 16 + 8);
    BOTH(k_far_vectors, prepare_far_vectors, 13);
}

static void prepare_converted(void)
{
    double at = DATA + 0x2000;
    uint64_t raw;

    prepare_vectors();
    memcpy(&raw, &at, sizeof raw);
    ram_put(g, R(RBX) + 8, 8, raw);
}

Test(groups, a_base_that_comes_out_of_a_vector_register_is_another)
{
    BOTH(k_base_converted, prepare_converted, 14);
    eq_hex(g->s.cr2, DATA + 0x2000);
}

Test(groups, the_first_vector_instruction_is_behind_a_groups_first_access)
{
    BOTH(k_first_vector, prepare_vectors, -1);
}

static void prepare_fields_read_only(void)
{
    prepare_fields();
    ram_put(g, PT_AT + ((DATA >> 12) + 1) * 8, 8, (DATA + 0x1000) | (PTE & ~2));
    g->s.cr0 |= 1 << 16;
}

static void prepare_fields_known(void)
{
    prepare_fields_read_only();
    R(RBX) = DATA + 0x1100;
}

Test(groups, fields_of_a_page_that_was_read_fault_at_the_first_write)
{
    BOTH(k_fields_known, prepare_fields_known, 14);
    eq_hex(g->s.cr2, DATA + 0x1108);
    eq_hex(R(RCX), 100000);
}

Test(groups, fields_of_a_page_that_is_read_only_fault_at_the_first_write)
{
    BOTH(k_fields, prepare_fields_read_only, 14);
    eq_hex(g->s.cr2 & ~7ull, DATA + 0x1000);
}

static void prepare_field_moves(void)
{
    ram_put(g, DATA + 8, 8, 0x1111);
    ram_put(g, DATA + 0x1008, 8, 0x2222);
    R(RBX) = DATA;
    R(RSI) = PT_AT + (DATA >> 12) * 8;
    R(RDI) = (DATA + 0x1000) | PTE;
}

Test(groups, a_group_of_accesses_ends_where_its_page_may_change)
{
    BOTH(k_field_moves, prepare_field_moves, -1);
    eq_hex(R(RDX), 0x2222);
}

static void prepare_turns(void)
{
    prepare_fields();
    g->s.cr4 |= 0x600;
}

Test(groups, flags_at_a_fault_in_a_loop_are_those_of_its_branch)
{
    BOTH(k_turns, prepare_fields, 14);
    BOTH(k_turns_dec, prepare_turns, 14);
    eq_hex(g->s.cr2 & ~0xffull, DATA + 0x2000);
}
