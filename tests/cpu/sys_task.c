/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sys_task.c - hardware task switches: by far jump and call, task gate, interrupt and IRET, with
 * 32- and 16-bit TSSs, and the faults that belong to the old or the new task.
 */
#include "tests/cpu/sys_guest.h"

static Guest *g;

#define R(n) g->s.gpr[n]
enum { RAX, RCX, RDX, RBX, RSP };

/* TSS B holds a ring 0 task at CODE_B. */
static void setup(void)
{
    static const uint16_t segs[] = { KDATA, K32, KDATA, KDATA, 0, 0, 0 };

    g = guest_new();
    guest_prot(g);
    ram_put(g, TSS_B_AT + 0x20, 4, CODE_B);
    ram_put(g, TSS_B_AT + 0x24, 4, 0x2);
    ram_put(g, TSS_B_AT + 0x28, 4, 0xaaaa);
    ram_put(g, TSS_B_AT + 0x38, 4, STACK1);
    for (unsigned n = 0; n < 7; n++)
        ram_put(g, TSS_B_AT + 0x48 + n * 4, 4, segs[n]);
    ram_put(g, TSS_B_AT + 0x66, 2, 0x68);
    ram_put(g, CODE_B, 1, 0xf4);
    ram_put(g, 0x30000 + 4, 2, TSS_B);
    R(RBX) = 0x30000;
    R(RSP) = STACK0;
}

static void teardown(void) { guest_free(g); }

TestSuite(sys_task, .init = setup, .fini = teardown);

Test(sys_task, jump_switches_and_moves_the_busy_bit)
{
    LOAD(g, c_far_jmp);
    R(RAX) = 0x1111;
    run_to(g, CODE_B);
    eq_hex(R(RAX), 0xaaaa);
    eq_hex(R(RSP), STACK1);
    eq_hex(g->s.tr.selector, TSS_B);
    eq_hex(g->s.rflags & F_NT, 0);
    cr_expect(g->s.cr0 & 8);
    eq_hex(gdt_get(g, TSS) >> 40 & 0x1f, 9);
    eq_hex(gdt_get(g, TSS_B) >> 40 & 0x1f, 0xb);
    eq_hex(ram32(g, TSS_AT + 0x20), CODE + 2);
    eq_hex(ram32(g, TSS_AT + 0x28), 0x1111);
    eq_hex(ram16(g, TSS_AT + 0x4c), K32);
}

Test(sys_task, call_nests_and_iret_returns)
{
    LOAD(g, c_far_call);
    LOAD_AT(g, CODE_B, c_iret);
    R(RAX) = 0x1111;
    run_to(g, CODE + 2);
    eq_hex(ram16(g, TSS_B_AT), TSS);
    eq_hex(R(RAX), 0x1111);
    eq_hex(R(RSP), STACK0);
    eq_hex(g->s.tr.selector, TSS);
    eq_hex(g->s.rflags & F_NT, 0);
    eq_hex(gdt_get(g, TSS) >> 40 & 0x1f, 0xb);
    eq_hex(gdt_get(g, TSS_B) >> 40 & 0x1f, 9);
    eq_hex(ram32(g, TSS_B_AT + 0x20), CODE_B + 1);
    eq_hex(ram32(g, TSS_B_AT + 0x24) & F_NT, 0);
}

Test(sys_task, call_sets_nt_in_the_new_task)
{
    LOAD(g, c_far_call);
    run_to(g, CODE_B);
    cr_expect(g->s.rflags & F_NT);
    eq_hex(gdt_get(g, TSS) >> 40 & 0x1f, 0xb);
}

Test(sys_task, far_jump_through_a_task_gate)
{
    LOAD(g, c_far_jmp);
    ram_put(g, 0x30004, 2, TASKGATE);
    run_to(g, CODE_B);
    eq_hex(g->s.tr.selector, TSS_B);
}

Test(sys_task, exception_through_a_task_gate_pushes_its_error_code)
{
    LOAD(g, c_load_ds);
    R(RAX) = 0x1000;
    idt_gate(g, 13, TSS_B, 0, 5, 0, 0);
    run_to(g, CODE_B);
    eq_hex(R(RSP), STACK1 - 4);
    eq_hex(ram32(g, STACK1 - 4), 0x1000);
    eq_hex(ram32(g, TSS_AT + 0x20), CODE);
    cr_expect(ram32(g, TSS_AT + 0x24) & F_RF);
    cr_expect(g->s.rflags & F_NT);
}

Test(sys_task, int_through_a_task_gate_saves_the_next_instruction)
{
    LOAD(g, c_int30);
    idt_gate(g, 0x30, TSS_B, 0, 5, 0, 0);
    LOAD_AT(g, CODE_B, c_iret);
    run_to(g, CODE + 2);
    eq_hex(g->s.tr.selector, TSS);
}

Test(sys_task, busy_task_is_gp)
{
    LOAD(g, c_far_jmp);
    ram_put(g, 0x30004, 2, TSS);
    run_to_vector(g, 13);
    eq_hex(ram32(g, R(RSP)), TSS);
    eq_hex(ram32(g, R(RSP) + 4), CODE);
}

Test(sys_task, short_tss_is_ts_in_the_old_task)
{
    gdt_set(g, TSS_B, TSS_B_AT, 0x66, 0x89);
    LOAD(g, c_far_jmp);
    run_to_vector(g, 10);
    eq_hex(ram32(g, R(RSP)), TSS_B);
    eq_hex(ram32(g, R(RSP) + 4), CODE);
    eq_hex(g->s.tr.selector, TSS);
}

Test(sys_task, bad_segment_is_ts_in_the_new_task)
{
    ram_put(g, TSS_B_AT + 0x54, 2, 0x1000);
    LOAD(g, c_far_jmp);
    run_to_vector(g, 10);
    eq_hex(ram32(g, R(RSP)), 0x1000);
    eq_hex(ram32(g, R(RSP) + 4), CODE_B);
    eq_hex(g->s.tr.selector, TSS_B);
}

Test(sys_task, nt_without_a_valid_link_is_ts)
{
    LOAD(g, c_iret);
    g->s.rflags |= F_NT;
    ram_put(g, TSS_AT, 2, TSS_B);
    run_to_vector(g, 10);
    eq_hex(ram32(g, R(RSP)), TSS_B);
}

Test(sys_task, t_bit_raises_debug_trap_in_the_new_task)
{
    ram_put(g, TSS_B_AT + 0x64, 2, 1);
    LOAD(g, c_far_jmp);
    run_to_vector(g, 1);
    cr_expect(g->s.dr[6] & 0x8000);
    eq_hex(ram32(g, R(RSP)), CODE_B);
    eq_hex(g->s.tr.selector, TSS_B);
}

Test(sys_task, sixteen_bit_tss_round_trip)
{
    static const uint16_t image[] = { 0, 0, 0, 0, 0, 0, 0, CODE_B & 0xffff, 2, 0xbbbb, 0, 0, 0,
                                      0x3000, 0, 0, 0, KDATA, K32, KDATA, KDATA, 0 };

    guest_code(g, TSS16_AT, image, sizeof image);
    ram_put(g, CODE_B & 0xffff, 1, 0xf4);
    ram_put(g, 0x30004, 2, TSS16);
    LOAD(g, c_far_call);
    run_to(g, CODE_B & 0xffff);
    eq_hex(R(RAX) & 0xffff, 0xbbbb);
    eq_hex(R(RSP) & 0xffff, 0x3000);
    eq_hex(g->s.tr.selector, TSS16);
    eq_hex(ram16(g, TSS16_AT), TSS);
    eq_hex(ram32(g, TSS_AT + 0x20), CODE + 2);
    eq_hex(g->s.seg[SEG_FS].selector, 0);
}

Test(sys_task, new_task_may_be_in_v86_mode)
{
    ram_put(g, TSS_B_AT + 0x24, 4, F_VM | 2);
    ram_put(g, TSS_B_AT + 0x20, 4, 0x10);
    ram_put(g, TSS_B_AT + 0x4c, 2, CODE_B >> 4);
    ram_put(g, TSS_B_AT + 0x50, 2, STACK_USER >> 4);
    ram_put(g, TSS_B_AT + 4, 4, STACK0);
    ram_put(g, TSS_B_AT + 8, 4, KDATA);
    LOAD_AT(g, CODE_B + 0x10, c_ud2);
    LOAD(g, c_far_jmp);
    run_to_vector(g, 6);
    eq_hex(ram32(g, STACK0 - 36), 0x10);
    eq_hex(ram32(g, STACK0 - 32), CODE_B >> 4);
    cr_expect(ram32(g, STACK0 - 28) & F_VM);
}
