/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * breakpoint_test.c - the guest's debug registers: breakpoints are met exactly, in code that is
 * interpreted, translated at once, or translated while it runs; and code without them stays quick.
 */
#include <string.h>
#include "hypervisor/soft/core.h"
#include "hypervisor/soft/jit/jit.h"
#include "tests/cpu/sys_guest.h"

enum { DATA = 0x40000, LOG_COUNT = 0x4fff8, LOG = 0x50000, HANDLER = 0x15000, UNUSED = 0x1a0000,
       ALIAS = 0x1f0000, PTE = 0x63, CR4_DEBUG = 8 };
enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };
enum { DR_EXEC, DR_WRITE, DR_IO, DR_ACCESS };
#define R(n) g->s.gpr[n]

static const unsigned ways[] = { 60000, 1, 3 };         /* the run at which blocks are translated */
#define EACH_WAY(w) for (unsigned w = 0; w < sizeof ways / sizeof *ways; w++)

static Guest *new_guest(unsigned way)
{
    Guest *g = guest_new();

    guest_long(g);
    jit_set_warm(g->engine, ways[way]);
    LOAD_AT(g, HANDLER, bp_handler);
    idt_gate(g, 1, K64, HANDLER, 14, 0, 0);
    return g;
}

/* Arms register n. */
static void arm(Guest *g, unsigned n, uint64_t at, unsigned kind, unsigned len)
{
    g->s.dr[n] = at;
    g->s.dr[7] |= 2u << (2 * n) | (uint64_t)(kind | (len == 8 ? 2 : len - 1) << 2) << (16 + 4 * n);
}

#define AT(snippet, label) (CODE + (uint64_t)((label) - (snippet)))
#define LABEL(name) extern const uint8_t name[]

static uint64_t hits(const Guest *g) { return ram64(g, LOG_COUNT); }

static void expect_hit(const Guest *g, unsigned n, uint64_t rip, unsigned dr6, uint64_t rcx)
{
    uint64_t at = LOG + n * 32;

    eq_hex(ram64(g, at), rip);
    eq_hex(ram64(g, at + 8) & 0xe00f, dr6);
    eq_hex(ram64(g, at + 16), rcx);
}

static uint64_t counted(const Guest *g, enum SoftCounter which) { return cpu_priv(g->cpu)->counters[which]; }

/* Code runs by itself: neither in C nor looked up nor built. */
static void expect_quick(const Guest *g, const uint64_t *before)
{
    static const enum SoftCounter slow[] = { COUNT_BODIES, COUNT_CODE_ENTERED, COUNT_BLOCKS_BUILT,
                                             COUNT_BLOCKS_ONCE, COUNT_LOOKS };

    for (unsigned n = 0; n < sizeof slow / sizeof *slow; n++)
        cr_expect_lt(counted(g, slow[n]) - before[slow[n]], 60, "counter %u", slow[n]);
}

static void note(const Guest *g, uint64_t *counters)
{
    memcpy(counters, cpu_priv(g->cpu)->counters, SOFT_COUNTER_COUNT * sizeof *counters);
}

TestSuite(breakpoint, .timeout = 60);

Test(breakpoint, code_elsewhere_stays_translated)
{
    static const struct { unsigned kind, len; } kinds[] = { { DR_EXEC, 1 }, { DR_WRITE, 4 }, { DR_ACCESS, 8 },
                                                            { DR_IO, 1 } };

    for (unsigned k = 0; k < 4; k++) {
        Guest *g = new_guest(1);
        uint64_t before[SOFT_COUNTER_COUNT];

        LOAD(g, bp_stack);
        g->s.cr4 |= CR4_DEBUG;
        R(RCX) = 100000;
        arm(g, 0, UNUSED, kinds[k].kind, kinds[k].len);
        note(g, before);
        run_done(g);
        expect_quick(g, before);
        cr_expect_eq(hits(g), 0);
        eq_hex(R(RAX), 100000ull * 100001);
        guest_free(g);
    }
}

Test(breakpoint, met_in_one_turn_of_a_hot_loop)
{
    LABEL(bp_loop);
    LABEL(bp_loop_rare);

    EACH_WAY(w) {
        Guest *g = new_guest(w);

        LOAD(g, bp_loop);
        R(RCX) = 20000;
        R(RDI) = 777;
        arm(g, 2, AT(bp_loop, bp_loop_rare), DR_EXEC, 1);
        run_done(g);
        cr_assert_eq(hits(g), 1);
        expect_hit(g, 0, AT(bp_loop, bp_loop_rare), 4, 777);
        eq_hex(ram64(g, LOG + 24) & F_RF, 0);
        eq_hex(R(RAX), 20000);
        eq_hex(R(RDX), 1);
        guest_free(g);
    }
}

Test(breakpoint, met_in_each_turn_by_two_registers)
{
    EACH_WAY(w) {
        Guest *g = new_guest(w);

        LOAD(g, bp_loop);
        R(RCX) = 500;
        arm(g, 0, CODE, DR_EXEC, 1);
        arm(g, 3, CODE, DR_EXEC, 1);
        run_done(g);
        cr_assert_eq(hits(g), 500);
        expect_hit(g, 0, CODE, 9, 500);
        expect_hit(g, 499, CODE, 9, 1);
        eq_hex(R(RAX), 500);
        guest_free(g);
    }
}

Test(breakpoint, armed_and_disarmed_by_the_loop_that_it_is_in)
{
    LABEL(bp_arm);
    LABEL(bp_arm_target);

    EACH_WAY(w) {
        Guest *g = new_guest(w);

        LOAD(g, bp_arm);
        R(RCX) = 9000;
        R(RDI) = 5000;
        R(RSI) = 4950;
        R(8) = 0x402;
        R(9) = 0x400;
        g->s.dr[0] = AT(bp_arm, bp_arm_target);
        run_done(g);
        cr_assert_eq(hits(g), 50);
        expect_hit(g, 0, AT(bp_arm, bp_arm_target), 1, 4999);
        expect_hit(g, 49, AT(bp_arm, bp_arm_target), 1, 4950);
        eq_hex(R(RAX), 9000);
        eq_hex(R(RDX), 9000);
        guest_free(g);
    }
}

Test(breakpoint, disarmed_leaves_code_quick)
{
    LABEL(bp_arm);
    LABEL(bp_arm_target);
    Guest *g = new_guest(1);
    uint64_t before[SOFT_COUNTER_COUNT];

    LOAD(g, bp_arm);
    R(RCX) = 100000;
    R(RDI) = 99999;
    R(RSI) = 99998;
    R(8) = 0x402;
    R(9) = 0x400;
    g->s.dr[0] = AT(bp_arm, bp_arm_target);
    note(g, before);
    run_done(g);
    cr_expect_eq(hits(g), 1);
    expect_quick(g, before);
    guest_free(g);
}

Test(breakpoint, that_comes_and_goes_with_its_task_drops_code_once)
{
    LABEL(bp_switch);
    LABEL(bp_switch_target);

    EACH_WAY(w) {
        Guest *g = new_guest(w);

        LOAD(g, bp_switch);
        R(RCX) = 500;
        R(8) = 0x402;
        R(9) = 0x400;
        g->s.dr[0] = AT(bp_switch, bp_switch_target);
        run_done(g);
        cr_assert_eq(hits(g), 500);
        expect_hit(g, 499, AT(bp_switch, bp_switch_target), 1, 1);
        eq_hex(R(RAX), 1000);
        eq_hex(R(RDX), 1000);
        cr_expect_eq(counted(g, COUNT_POINTS_NEW), 1);
        cr_expect_lt(counted(g, COUNT_BLOCKS_KILLED), 10);
        guest_free(g);
    }
}

Test(breakpoint, at_more_addresses_than_are_remembered)
{
    EACH_WAY(w) {
        Guest *g = new_guest(w);

        memset(g->ram + CODE, 0x90, 3 * POINTS_KEPT);
        g->ram[CODE + 3 * POINTS_KEPT] = 0xf4;
        for (unsigned n = 0; n < 6 * POINTS_KEPT; n++) {
            g->s.rip = CODE;
            g->s.halted = 0;
            g->s.dr[7] = 0x400;
            arm(g, n % 4, CODE + n % (3 * POINTS_KEPT), DR_EXEC, 1);
            run_done(g);
            cr_assert_eq(hits(g), n + 1);
            expect_hit(g, n, CODE + n % (3 * POINTS_KEPT), 1u << n % 4, 0);
        }
        cr_expect_eq(counted(g, COUNT_POINTS_NEW), 6 * POINTS_KEPT);
        guest_free(g);
    }
}

Test(breakpoint, is_at_one_of_two_linear_addresses_of_the_code)
{
    EACH_WAY(w) {
        Guest *g = new_guest(w);

        LOAD(g, bp_calls);
        LOAD_AT(g, CODE_B, bp_called);
        ram_put(g, PT_AT + (ALIAS >> 12) * 8, 8, CODE_B | PTE);
        R(RCX) = 300;
        R(10) = CODE_B;
        R(11) = ALIAS;
        run_done(g);
        g->s.rip = CODE;
        g->s.halted = 0;
        R(RCX) = 300;
        arm(g, 0, ALIAS, DR_EXEC, 1);
        run_done(g);
        cr_assert_eq(hits(g), 300);
        expect_hit(g, 0, ALIAS, 1, 300);
        expect_hit(g, 299, ALIAS, 1, 1);
        eq_hex(R(RAX), 1200);
        guest_free(g);
    }
}

Test(breakpoint, on_an_instruction_that_goes_on_in_the_next_page)
{
    LABEL(bp_crossing);
    LABEL(bp_crossing_target);
    const uint64_t target = CODE + 0xffd;

    EACH_WAY(w) {
        Guest *g = new_guest(w);
        uint32_t start = (uint32_t)(target - (uint64_t)(bp_crossing_target - bp_crossing));

        LOAD_AT(g, start, bp_crossing);
        for (unsigned round = 0; round < 3; round++) {
            g->s.rip = start;
            g->s.halted = 0;
            R(RCX) = 200;
            R(RAX) = R(RDX) = 0;
            g->s.dr[7] = 0x400;
            if (round == 1)
                arm(g, 1, target, DR_EXEC, 1);
            else
                arm(g, 1, target + 3, DR_EXEC, 1);      /* within it, in the next page: never met */
            run_done(g);
            cr_assert_eq(hits(g), round ? 200 : 0);
            eq_hex(R(RAX), 200);
            eq_hex(R(RDX), 200ull * 0x12345678);
        }
        expect_hit(g, 199, target, 2, 1);
        guest_free(g);
    }
}

Test(breakpoint, on_a_local_variable_in_a_hot_loop)
{
    LABEL(bp_stack);
    LABEL(bp_stack_stored);

    EACH_WAY(w) {
        Guest *g = new_guest(w);

        LOAD(g, bp_stack);
        R(RCX) = 5000;
        R(RDI) = 1234;
        arm(g, 1, STACK0 - 56, DR_WRITE, 8);
        run_done(g);
        cr_assert_eq(hits(g), 1);
        expect_hit(g, 0, AT(bp_stack, bp_stack_stored), 2, 1234);
        eq_hex(ram64(g, LOG + 24) & F_RF, 0);
        eq_hex(R(RAX), 5000ull * 5001);
        guest_free(g);
    }
}

Test(breakpoint, on_data_leaves_the_list_of_local_pages_short)
{
    Guest *g = new_guest(1);

    LOAD(g, bp_stack);
    g->s.efer |= 0x800;
    ram_put(g, PT_AT + ((STACK0 - 1) >> 12) * 8, 8, ((STACK0 - 1) & ~0xfff) | PTE | 1ull << 63);
    R(RCX) = 5000;
    arm(g, 1, STACK0 - 8, DR_WRITE, 8);
    run_done(g);
    cr_assert_eq(hits(g), 0);
    cr_expect_gt(counted(g, COUNT_TLB_FILLS), 20000);
    cr_expect_lt(cpu_priv(g->cpu)->filled_count[TLB_SUPER], 20);
    eq_hex(R(RAX), 5000ull * 5001);
    guest_free(g);
}

Test(breakpoint, on_what_push_and_call_write)
{
    LABEL(bp_stack);
    LABEL(bp_stack_pushed);
    LABEL(bp_stack_called);

    EACH_WAY(w) {
        Guest *g = new_guest(w);

        LOAD(g, bp_stack);
        R(RCX) = 100;
        arm(g, 0, STACK0 - 72, DR_WRITE, 8);
        arm(g, 1, STACK0 - 80, DR_WRITE, 1);
        run_done(g);
        cr_assert_eq(hits(g), 200);
        expect_hit(g, 0, AT(bp_stack, bp_stack_pushed), 1, 100);
        expect_hit(g, 1, AT(bp_stack, bp_stack_called), 2, 100);
        expect_hit(g, 199, AT(bp_stack, bp_stack_called), 2, 1);
        eq_hex(R(RAX), 100ull * 101);
        guest_free(g);
    }
}

Test(breakpoint, on_data_tells_reads_from_writes_by_bytes)
{
    LABEL(bp_accesses);
    LABEL(bp_accesses_read);
    LABEL(bp_accesses_written);
    LABEL(bp_accesses_both);

    EACH_WAY(w) {
        Guest *g = new_guest(w);
        const uint64_t page = DATA + 0x1000;            /* the accesses go on in it */

        LOAD(g, bp_accesses);
        g->s.cr4 |= 0x600;
        R(RBX) = page - 6;
        R(RCX) = 50;
        arm(g, 0, page + 1, DR_ACCESS, 1);
        arm(g, 1, page, DR_WRITE, 4);
        arm(g, 2, page + 2, DR_ACCESS, 2);              /* MOVUPS alone reads that */
        run_done(g);
        cr_assert_eq(hits(g), 200);
        for (unsigned n = 0; n < 200; n += 199 - 3) {
            expect_hit(g, n, AT(bp_accesses, bp_accesses_read), 1, n ? 1 : 50);
            expect_hit(g, n + 1, AT(bp_accesses, bp_accesses_written), 3, n ? 1 : 50);
            expect_hit(g, n + 2, AT(bp_accesses, bp_accesses_both), 3, n ? 1 : 50);
            eq_hex(ram64(g, LOG + (n + 3) * 32 + 8) & 15, 5);
        }
        eq_hex(ram32(g, page - 2), 50);
        guest_free(g);
    }
}

Test(breakpoint, stops_a_repeated_move_behind_the_element)
{
    EACH_WAY(w) {
        Guest *g = new_guest(w);

        LOAD(g, k_movs);
        for (unsigned round = 0; round < 6; round++) {
            g->s.rip = CODE;
            g->s.halted = 0;
            R(RSI) = DATA;
            R(RDI) = DATA + 0x2000;
            R(RCX) = 100;
            arm(g, 0, DATA + 0x2000 + 40, DR_WRITE, 1);
            arm(g, 1, DATA + 99, DR_ACCESS, 1);
            run_done(g);
            cr_assert_eq(hits(g), 2 * (round + 1));
            expect_hit(g, 2 * round, CODE, 1, 59);
            expect_hit(g, 2 * round + 1, CODE + 2, 2, 0);
            eq_hex(R(RCX), 0);
        }
        guest_free(g);
    }
}

Test(breakpoint, on_data_armed_and_disarmed_by_the_loop_that_writes_it)
{
    LABEL(bp_arm_data);
    LABEL(bp_arm_data_stored);

    EACH_WAY(w) {
        Guest *g = new_guest(w);
        uint64_t fills;

        LOAD(g, bp_arm_data);
        R(RBX) = DATA;
        R(RCX) = 9000;
        R(RDI) = 5000;
        R(RSI) = 4950;
        R(8) = 0x402 | 0xd0000;
        R(9) = 0x400;
        g->s.dr[0] = DATA + 3;
        fills = counted(g, COUNT_TLB_FILLS);
        run_done(g);
        cr_assert_eq(hits(g), 50);
        expect_hit(g, 0, AT(bp_arm_data, bp_arm_data_stored), 1, 4999);
        expect_hit(g, 49, AT(bp_arm_data, bp_arm_data_stored), 1, 4950);
        eq_hex(R(RAX), 4500ull * 9001);
        cr_expect_lt(counted(g, COUNT_TLB_FILLS) - fills, 250, "the page has tags again");
        guest_free(g);
    }
}

static bool accept_now(Vcpu *v, uint16_t port, unsigned size, uint32_t value)
{
    (void)v;
    (void)port;
    (void)size;
    (void)value;
    return true;
}

static void accept_port(Guest *g, uint16_t port)
{
    (void)port;
    g->io_count = 0;
}

Test(breakpoint, on_ports_where_cr4_says_so)
{
    LABEL(bp_ports);
    LABEL(bp_ports_out);
    LABEL(bp_ports_in);

    EACH_WAY(w) {
        for (unsigned on = 0; on < 2; on++) {
            Guest *g = new_guest(w);

            LOAD(g, bp_ports);
            g->host.io_write_now = accept_now;
            g->on_out = accept_port;
            g->s.cr4 |= on ? CR4_DEBUG : 0;
            R(RCX) = 9;
            arm(g, 0, 0x80, DR_IO, 1);
            arm(g, 3, 0x80, DR_IO, 4);                  /* the IN's last two bytes */
            run_done(g);
            cr_assert_eq(hits(g), on * 18);
            if (on) {
                expect_hit(g, 0, AT(bp_ports, bp_ports_out), 9, 9);
                expect_hit(g, 1, AT(bp_ports, bp_ports_in), 9, 9);
                expect_hit(g, 17, AT(bp_ports, bp_ports_in), 9, 1);
            }
            guest_free(g);
        }
    }
}

Test(breakpoint, on_a_port_stops_a_repeated_output_at_each_element)
{
    Guest *g = new_guest(0);

    LOAD(g, bp_outs);
    g->on_out = accept_port;
    g->s.cr4 |= CR4_DEBUG;
    R(RCX) = 5;
    R(RSI) = DATA;
    R(RDX) = 0x80;
    arm(g, 1, 0x80, DR_IO, 1);
    run_done(g);
    cr_assert_eq(hits(g), 5);
    expect_hit(g, 0, CODE, 2, 4);
    expect_hit(g, 4, CODE + 2, 2, 0);
    guest_free(g);
}

Test(breakpoint, behind_mov_ss_is_passed_over)
{
    LABEL(bp_shadow);
    LABEL(bp_shadow_first);
    LABEL(bp_shadow_second);

    EACH_WAY(w) {
        Guest *g = new_guest(w);

        LOAD(g, bp_shadow);
        R(RBX) = KDATA;
        R(RCX) = 50;
        arm(g, 0, AT(bp_shadow, bp_shadow_first), DR_EXEC, 1);
        arm(g, 1, AT(bp_shadow, bp_shadow_second), DR_EXEC, 1);
        run_done(g);
        cr_assert_eq(hits(g), 50);
        expect_hit(g, 0, AT(bp_shadow, bp_shadow_second), 2, 50);
        eq_hex(R(RAX), 50);
        eq_hex(R(RDX), 50);
        guest_free(g);
    }
}

/* SDM vol. 3, 6.8.3: until the instruction behind is done. */
Test(breakpoint, met_by_mov_ss_comes_an_instruction_later)
{
    LABEL(bp_ss_data);
    LABEL(bp_ss_data_second);

    EACH_WAY(w) {
        Guest *g = new_guest(w);

        LOAD(g, bp_ss_data);
        ram_put(g, DATA, 8, KDATA);
        R(RSI) = DATA;
        R(RCX) = 50;
        arm(g, 0, DATA, DR_ACCESS, 2);
        run_done(g);
        cr_assert_eq(hits(g), 50);
        expect_hit(g, 0, AT(bp_ss_data, bp_ss_data_second), 1, 50);
        expect_hit(g, 49, AT(bp_ss_data, bp_ss_data_second), 1, 1);
        eq_hex(R(RAX), 50);
        eq_hex(R(RDX), 50);
        guest_free(g);
    }
}

/* The instruction behind is met too, and both are told at once. */
Test(breakpoint, met_by_mov_ss_and_by_the_next_instruction_is_one_trap)
{
    EACH_WAY(w) {
        Guest *g = new_guest(w);

        guest_code(g, CODE, "\x8e\x16\x48\x8b\x47\x40\x90\xf4", 8);     /* mov ss, [rsi]; mov rax, [rdi + 64] */
        ram_put(g, DATA, 8, KDATA);
        R(RSI) = DATA;
        R(RDI) = DATA;
        arm(g, 0, DATA, DR_ACCESS, 2);
        arm(g, 3, DATA + 64, DR_ACCESS, 8);
        run_done(g);
        cr_assert_eq(hits(g), 1);
        expect_hit(g, 0, CODE + 6, 9, 0);
        guest_free(g);
    }
}

/* INT is done when its handler begins; a fault leaves nothing. */
Test(breakpoint, met_by_mov_ss_comes_in_the_handler_of_int_and_not_of_a_fault)
{
    EACH_WAY(w) {
        Guest *g = new_guest(w);

        guest_code(g, CODE, "\x8e\x16\xcd\x80", 4);             /* mov ss, [rsi]; int 0x80 */
        ram_put(g, DATA, 8, KDATA);
        R(RSI) = DATA;
        arm(g, 0, DATA, DR_ACCESS, 2);
        run_to_vector(g, DONE);
        cr_assert_eq(hits(g), 1);
        expect_hit(g, 0, STUBS + DONE * 16, 1, 0);
        guest_code(g, CODE, "\x8e\x16\x0f\x0b", 4);             /* mov ss, [rsi]; ud2 */
        g->s.rip = CODE;
        g->s.halted = 0;
        run_to_vector(g, 6);
        cr_assert_eq(hits(g), 1);
        guest_free(g);
    }
}

/* SDM vol. 3, 17.3.1.1: with RF, for a breakpoint on the instruction has been met already. */
Test(breakpoint, on_a_repeated_move_is_met_once_whatever_comes_between)
{
    EACH_WAY(w) {
        Guest *g = new_guest(w);

        guest_code(g, CODE, "\x90\xf3\xa4\xf4", 4);             /* nop; rep movsb; hlt */
        R(RSI) = DATA;
        R(RDI) = DATA + 64;
        R(RCX) = 4;
        arm(g, 0, CODE + 1, DR_EXEC, 1);
        arm(g, 1, DATA + 65, DR_WRITE, 1);
        run_done(g);
        cr_assert_eq(hits(g), 2);
        expect_hit(g, 0, CODE + 1, 1, 4);
        expect_hit(g, 1, CODE + 1, 2, 2);
        eq_hex(ram64(g, LOG + 24) & F_RF, 0);
        eq_hex(ram64(g, LOG + 32 + 24) & F_RF, F_RF);
        guest_free(g);
    }
}

Test(breakpoint, the_last_of_a_repeated_moves_traps_pushes_no_rf)
{
    for (unsigned count = 1; count < 3; count++) {
        Guest *g = guest_new();

        guest_long(g);
        guest_code(g, CODE, "\xf3\xa4\xf4", 3);
        R(RSI) = DATA;
        R(RDI) = DATA + 64;
        R(RCX) = count;
        g->s.rflags |= F_TF;
        run_to_vector(g, 1);
        eq_hex(ram64(g, R(RSP)), count == 1 ? CODE + 2 : CODE);
        eq_hex(ram64(g, R(RSP) + 16) & F_RF, count == 1 ? 0 : F_RF);
        guest_free(g);
    }
}

/* No interrupt comes between. */
Test(breakpoint, met_by_pop_ss_comes_an_instruction_later_and_before_an_interrupt)
{
    EACH_WAY(w) {
        Guest *g = guest_new();

        guest_prot(g);
        jit_set_warm(g->engine, ways[w]);
        guest_code(g, CODE, "\x17\xe6\x55\x90\xf4", 5);         /* pop ss; out 0x55, al; nop */
        ram_put(g, STACK0, 8, KDATA);
        arm(g, 1, STACK0, DR_ACCESS, 1);
        g->s.rflags |= F_IF;
        g->irq = IRQ_EXTINT;
        g->irq_vector = 0x50;
        g->s.mov_ss_shadow = 1;
        run_to_vector(g, 1);
        eq_hex(ram32(g, R(RSP)), CODE + 3);
        eq_hex(g->s.dr[6] & 0xe00f, 2);
        cr_expect_eq(g->irq, IRQ_EXTINT);
        guest_free(g);
    }
}

Test(breakpoint, behind_sti_comes_before_the_interrupt)
{
    LABEL(bp_sti);
    LABEL(bp_sti_target);

    EACH_WAY(w) {
        Guest *g = new_guest(w);

        LOAD(g, bp_sti);
        R(RCX) = 50;
        run_done(g);
        g->s.rip = CODE;
        g->s.halted = 0;
        g->s.rflags &= ~(uint64_t)F_IF;
        R(RCX) = 50;
        R(RDX) = 0;
        g->irq = IRQ_EXTINT;
        g->irq_vector = 0x50;
        arm(g, 0, AT(bp_sti, bp_sti_target), DR_EXEC, 1);
        run_to_vector(g, 0x50);
        cr_assert_eq(hits(g), 1);
        expect_hit(g, 0, AT(bp_sti, bp_sti_target), 1, 0);
        eq_hex(ram64(g, R(RSP)), AT(bp_sti, bp_sti_target));
        eq_hex(R(RDX), 0);
        guest_free(g);
    }
}

/* STI's shadow is for the instruction itself, where there was a breakpoint but is none. */
Test(breakpoint, that_was_behind_sti_leaves_its_shadow)
{
    LABEL(bp_sti);
    LABEL(bp_sti_target);

    EACH_WAY(w) {
        Guest *g = new_guest(w);

        LOAD(g, bp_sti);
        arm(g, 0, AT(bp_sti, bp_sti_target), DR_EXEC, 1);
        R(RCX) = 50;
        run_done(g);
        cr_assert_eq(hits(g), 1);
        g->s.rip = CODE;
        g->s.halted = 0;
        g->s.dr[7] = 0x400;
        g->s.rflags &= ~(uint64_t)F_IF;
        R(RCX) = 50;
        R(RDX) = 0;
        g->irq = IRQ_EXTINT;
        g->irq_vector = 0x50;
        run_to_vector(g, 0x50);
        cr_assert_eq(hits(g), 1);
        eq_hex(R(RDX), 1);
        guest_free(g);
    }
}

Test(breakpoint, in_real_mode_is_linear)
{
    EACH_WAY(w) {
        Guest *g = guest_new();

        guest_real(g);
        jit_set_warm(g->engine, ways[w]);
        guest_code(g, CODE, "\x66\x41\x40\x75\xfb\xf4", 6);     /* inc ecx; inc ax; jnz */
        R(RCX) = 0;
        arm(g, 0, CODE + 5, DR_EXEC, 1);
        run_to_vector(g, 1);
        eq_hex(R(RCX), 0x10000);
        eq_hex(ram16(g, 0x10000 + (R(RSP) & 0xffff)), 5);
        guest_free(g);
    }
}

Test(breakpoint, met_by_an_instruction_that_faults_waits_until_it_is_done)
{
    EACH_WAY(w) {
        Guest *g = new_guest(w);

        guest_code(g, CODE, "\xa4\xf4", 2);             /* movsb; hlt */
        R(RSI) = DATA;
        R(RDI) = UNUSED;
        ram_put(g, PT_AT + (UNUSED >> 12) * 8, 8, UNUSED);
        arm(g, 0, DATA, DR_ACCESS, 1);
        run_to_vector(g, 14);
        cr_expect_eq(hits(g), 0);
        ram_put(g, PT_AT + (UNUSED >> 12) * 8, 8, UNUSED | PTE);
        g->s.rip = CODE;
        g->s.halted = 0;
        run_done(g);
        cr_assert_eq(hits(g), 1);
        expect_hit(g, 0, CODE + 1, 1, 0);
        guest_free(g);
    }
}
