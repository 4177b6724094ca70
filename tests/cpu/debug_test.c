/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * debug_test.c - what a debugger outside the guest asks of the software CPU: breakpoints,
 * watchpoints and single steps that the guest can't see.
 */
#include <string.h>
#include "tests/cpu/sys_guest.h"

static Guest *g;

#define R(n) g->s.gpr[n]
enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };
enum { DATA = 0x40000, PTE = 0x63 };

static void setup(void)
{
    g = guest_new();
    guest_long(g);
}

static void teardown(void) { guest_free(g); }

TestSuite(debug, .init = setup, .fini = teardown, .timeout = 60);

static void points(const DebugPoint *p, unsigned n)
{
    cr_assert(engine_soft.debug_points(g->engine, p, n));
}

static void point(uint8_t kind, uint64_t linear, uint32_t len)
{
    points(&(DebugPoint){ .linear = linear, .gpa = linear, .len = len, .kind = kind }, 1);
}

/* Goes on from g->s, and until it is stopped for the debugger. */
static DebugHit run_to_debug(void)
{
    DebugHit hit = { 0 };
    enum VcpuStop stop = guest_run(g);

    cr_assert_eq(stop, VCPU_STOP_DEBUG, "stopped by %d at %#llx", stop,
                 (unsigned long long)g->s.rip);
    engine_soft.debug_hit(g->cpu, &hit);
    return hit;
}

static DebugHit step(void)
{
    DebugHit hit;

    engine_soft.debug_step(g->cpu, true);
    hit = run_to_debug();
    engine_soft.debug_step(g->cpu, false);
    cr_expect(hit.step);
    return hit;
}

/* dec ecx; jnz; inc eax twice around: a loop that gets warm, then falls out. */
static const char loop_code[] = "\xff\xc0" "\xff\xc9" "\x75\xfa" "\xff\xc2" "\xf4";
enum { LOOP_INC = CODE, LOOP_DEC = CODE + 2, LOOP_OUT = CODE + 6, LOOP_HLT = CODE + 8 };

static void load(const char *bytes, size_t len)
{
    guest_code(g, CODE, bytes, len);
    g->s.rip = CODE;
}

Test(debug, breakpoint_stops_before_its_instruction)
{
    DebugHit hit;

    load(loop_code, sizeof loop_code);
    R(RCX) = 3;
    point(POINT_EXEC, LOOP_DEC, 1);
    hit = run_to_debug();
    cr_expect(hit.point && hit.kind == POINT_EXEC && !hit.step);
    eq_hex(hit.linear, LOOP_DEC);
    eq_hex(g->s.rip, LOOP_DEC);
    eq_hex(R(RAX), 1);
    eq_hex(R(RCX), 3);
}

Test(debug, breakpoint_in_place_is_met_again_without_a_step)
{
    load(loop_code, sizeof loop_code);
    R(RCX) = 3;
    point(POINT_EXEC, LOOP_DEC, 1);
    run_to_debug();
    run_to_debug();
    eq_hex(R(RCX), 3);
    step();
    eq_hex(g->s.rip, LOOP_DEC + 2);
    eq_hex(R(RCX), 2);
}

Test(debug, code_that_is_translated_meets_a_breakpoint_set_later)
{
    load(loop_code, sizeof loop_code);
    R(RCX) = 100000;
    run_done(g);
    eq_hex(R(RAX), 100000);
    point(POINT_EXEC, LOOP_OUT, 1);
    g->s.rip = CODE;
    g->s.halted = 0;
    R(RCX) = 1000;
    R(RAX) = 0;
    run_to_debug();
    eq_hex(g->s.rip, LOOP_OUT);
    eq_hex(R(RAX), 1000);
    points(NULL, 0);
    run_done(g);
    eq_hex(g->s.rip, LOOP_HLT + 1);
}

Test(debug, breakpoint_inside_a_warm_loop_is_met_each_time)
{
    load(loop_code, sizeof loop_code);
    R(RCX) = 200;
    point(POINT_EXEC, LOOP_DEC, 1);
    for (unsigned n = 0; n < 200; n++) {
        run_to_debug();
        eq_hex(R(RAX), n + 1);
        step();
    }
    run_done(g);
}

Test(debug, breakpoint_memory_is_not_touched)
{
    load(loop_code, sizeof loop_code);
    R(RCX) = 2;
    point(POINT_EXEC, LOOP_INC, 1);
    run_to_debug();
    cr_expect(!memcmp(g->ram + CODE, loop_code, sizeof loop_code - 1));
}

Test(debug, breakpoint_does_not_disturb_the_guests_int3_and_debug_registers)
{
    load("\xcc\x90\xf4", 3);
    point(POINT_EXEC, CODE + 1, 1);
    g->s.dr[0] = CODE + 1;
    g->s.dr[7] = 0x402;
    run_to_vector(g, 3);
    eq_hex(g->s.dr[7], 0x402);
    g->s.halted = 0;
    g->s.rip = CODE + 1;
    run_to_debug();                     /* ours comes first, theirs is still due */
    eq_hex(g->s.dr[6] & 15, 0);
    points(NULL, 0);
    run_to_vector(g, 1);
    eq_hex(g->s.dr[6] & 15, 1);
}

Test(debug, step_does_one_instruction_and_leaves_tf_alone)
{
    load("\x9c\x58\x90\xf4", 4);        /* pushfq; pop rax */
    step();
    eq_hex(g->s.rip, CODE + 1);
    step();
    eq_hex(g->s.rip, CODE + 2);
    cr_expect(!(R(RAX) & F_TF));
    cr_expect(!(g->s.rflags & F_TF));
    step();
    eq_hex(g->s.rip, CODE + 3);
    step();
    cr_expect(g->s.halted);
}

Test(debug, step_over_a_fault_ends_at_the_handler)
{
    load("\x0f\x0b\xf4", 3);
    step();
    eq_hex(g->s.rip, STUBS + 6 * 16);
    cr_expect(!g->s.halted);
    cr_expect(!(ram64(g, R(RSP) + 16) & F_TF));
}

Test(debug, the_guests_own_trace_flag_works_while_it_is_stepped)
{
    load("\x90\x90\xf4", 3);
    g->s.rflags |= F_TF;
    step();
    eq_hex(g->s.rip, STUBS + 1 * 16);        /* its #DB after the NOP */
    eq_hex(g->s.dr[6] & 0x4000, 0x4000);
    eq_hex(ram64(g, R(RSP)), CODE + 1);
    cr_expect(ram64(g, R(RSP) + 16) & F_TF);
}

Test(debug, step_holds_interrupts_back)
{
    load("\x90\x90\xf4", 3);
    g->s.rflags |= F_IF;
    g->irq = IRQ_EXTINT;
    g->irq_vector = 0x50;
    step();
    eq_hex(g->s.rip, CODE + 1);
    run_to_vector(g, 0x50);
}

Test(debug, step_of_a_halted_cpu_is_its_waking)
{
    load("\xf4\x90\xf4", 3);
    g->s.rflags |= F_IF;
    step();
    cr_expect(g->s.halted);
    engine_soft.debug_step(g->cpu, true);
    cr_expect_eq(guest_run(g), VCPU_STOP_HALTED);
    g->irq = IRQ_EXTINT;
    g->irq_vector = 0x50;
    step();
    cr_expect(!g->s.halted);
    eq_hex(g->s.rip, CODE + 1);
}

Test(debug, breakpoint_after_sti_keeps_its_shadow)
{
    load("\xfb\x90\xf4", 3);            /* sti; nop */
    g->irq = IRQ_EXTINT;
    g->irq_vector = 0x50;
    point(POINT_EXEC, CODE + 1, 1);
    run_to_debug();
    eq_hex(g->s.rip, CODE + 1);
    points(NULL, 0);
    run_to_vector(g, 0x50);
    eq_hex(ram64(g, R(RSP)), CODE + 2);
}

/* mov [rbx],eax; inc eax; mov ecx,[rbx]; hlt */
static const char access_code[] = "\x89\x03" "\xff\xc0" "\x8b\x0b" "\xf4";

Test(debug, write_watchpoint_stops_after_the_store)
{
    DebugHit hit;

    load(access_code, sizeof access_code);
    R(RBX) = DATA;
    point(POINT_WRITE, DATA + 2, 1);
    hit = run_to_debug();
    cr_expect(hit.point && hit.kind == POINT_WRITE && !hit.step);
    eq_hex(hit.linear, DATA + 2);
    eq_hex(g->s.rip, CODE + 2);
    run_done(g);
}

Test(debug, read_watchpoint_lets_stores_pass)
{
    load(access_code, sizeof access_code);
    R(RBX) = DATA;
    point(POINT_READ, DATA, 4);
    run_to_debug();
    eq_hex(g->s.rip, CODE + 6);
    run_done(g);
}

Test(debug, access_watchpoint_stops_at_both)
{
    load(access_code, sizeof access_code);
    R(RBX) = DATA - 3;                  /* the last byte only */
    point(POINT_ACCESS, DATA, 1);
    run_to_debug();
    eq_hex(g->s.rip, CODE + 2);
    run_to_debug();
    eq_hex(g->s.rip, CODE + 6);
}

Test(debug, neighbours_of_a_watched_byte_do_not_stop)
{
    load(access_code, sizeof access_code);
    R(RBX) = DATA;
    points((DebugPoint[]){ { .linear = DATA - 1, .len = 1, .kind = POINT_ACCESS },
                           { .linear = DATA + 4, .len = 4, .kind = POINT_ACCESS } }, 2);
    run_done(g);
}

Test(debug, watchpoint_in_a_translated_loop_stops_the_first_store_that_meets_it)
{
    /* mov [rbx+rcx*4-4],ecx; dec ecx; jnz */
    load("\x89\x4c\x8b\xfc" "\xff\xc9" "\x75\xf8" "\xf4", 9);
    R(RBX) = DATA;
    R(RCX) = 2000;
    run_done(g);
    g->s.rip = CODE;
    g->s.halted = 0;
    R(RCX) = 2000;
    point(POINT_WRITE, DATA + 4 * 300, 4);
    run_to_debug();
    eq_hex(R(RCX), 301);
    eq_hex(g->s.rip, CODE + 4);
    run_done(g);
}

Test(debug, watchpoint_stops_rep_movsb_behind_the_element)
{
    LOAD(g, k_movs);
    g->s.rip = CODE;
    R(RSI) = DATA;
    R(RDI) = DATA + 0x2000;
    R(RCX) = 100;
    point(POINT_WRITE, DATA + 0x2000 + 40, 1);
    run_to_debug();
    eq_hex(g->s.rip, CODE);
    eq_hex(R(RCX), 59);
    run_done(g);
    eq_hex(R(RCX), 0);
}

Test(debug, watchpoint_sees_the_stack_frame_of_an_interrupt)
{
    load("\xcd\x50\xf4", 3);
    point(POINT_WRITE, STACK0 - 8, 8);
    run_to_debug();
    eq_hex(g->s.rip, STUBS + 0x50 * 16);
}

/* As with a processor's data breakpoints: told after the instruction, and a fault comes before that. */
Test(debug, watchpoint_is_not_met_by_an_access_that_faults)
{
    uint64_t entry = ram64(g, PT_AT + (DATA >> 12) * 8);

    ram_put(g, PT_AT + (DATA >> 12) * 8, 8, 0);
    load(access_code, sizeof access_code);
    R(RBX) = DATA;
    point(POINT_WRITE, DATA, 4);
    run_to_vector(g, 14);
    ram_put(g, PT_AT + (DATA >> 12) * 8, 8, entry);
    g->s.halted = 0;
    g->s.rip = CODE;
    run_to_debug();
    eq_hex(g->s.rip, CODE + 2);
}

/* MOVS reads what is watched, and faults where it writes. */
Test(debug, watchpoint_is_not_met_by_the_half_of_an_instruction)
{
    load("\xa4\xf4", 2);
    ram_put(g, PT_AT + ((DATA >> 12) + 1) * 8, 8, 0);
    R(RSI) = DATA;
    R(RDI) = DATA + 0x1000;
    point(POINT_READ, DATA, 1);
    run_to_vector(g, 14);
    eq_hex(R(RSI), DATA);
}

Test(debug, step_reports_a_watchpoint_too)
{
    DebugHit hit;

    load(access_code, sizeof access_code);
    R(RBX) = DATA;
    point(POINT_WRITE, DATA, 4);
    hit = step();
    cr_expect(hit.point && hit.kind == POINT_WRITE);
    eq_hex(g->s.rip, CODE + 2);
}

Test(debug, breakpoint_in_real_mode_is_linear)
{
    guest_real(g);
    load("\x90\x90\xf4", 3);
    g->s.seg[SEG_CS].selector = CODE >> 4;
    g->s.seg[SEG_CS].base = CODE;
    g->s.rip = 0;
    point(POINT_EXEC, CODE + 1, 1);
    run_to_debug();
    eq_hex(g->s.rip, 1);
}

Test(debug, more_points_than_there_is_room_for_are_refused)
{
    static DebugPoint many[DEBUG_POINTS + 1];

    cr_expect(!engine_soft.debug_points(g->engine, many, DEBUG_POINTS + 1));
    cr_expect(engine_soft.debug_points(g->engine, many, DEBUG_POINTS));
}
