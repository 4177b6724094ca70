/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sys_real.c - real mode, virtual-8086 mode, and the ways between the modes.
 */
#include "tests/cpu/sys_guest.h"

static Guest *g;

#define R(n) g->s.gpr[n]
enum { RAX, RCX, RDX, RBX, RSP, RBP };

static void setup(void) { g = guest_new(); }
static void teardown(void) { guest_free(g); }

TestSuite(sys_real, .init = setup, .fini = teardown);
TestSuite(sys_v86, .init = setup, .fini = teardown);

Test(sys_real, power_on_state)
{
    eq_hex(g->s.rip, 0xfff0);
    eq_hex(g->s.seg[SEG_CS].selector, 0xf000);
    eq_hex(g->s.seg[SEG_CS].base, 0xffff0000);
    eq_hex(g->s.cr0, 0x60000010);
    eq_hex(g->s.rflags, 2);
    eq_hex(g->s.dr[6], 0xffff0ff0);
    eq_hex(g->s.dr[7], 0x400);
    eq_hex(g->s.pat, 0x0007040600070406ull);
    eq_hex(g->s.idt_limit, 0xffff);
}

Test(sys_real, int_pushes_three_words_and_iret_restores_flags)
{
    guest_real(g);
    LOAD(g, c16_int_and_back);
    ram_put(g, 0x21 * 4, 4, 0x10000100);
    run_to(g, CODE + 4);
    cr_expect(g->s.rflags & F_CF, "IRET restores CF");
    cr_expect(g->s.rflags & F_IF);
    eq_hex(R(RSP), 0xfff0);
    eq_hex(ram16(g, 0x1ffee), 0x203);
    eq_hex(ram16(g, 0x1ffec), 0x1000);
    eq_hex(ram16(g, 0x1ffea), 4);
}

Test(sys_real, far_call_and_return)
{
    guest_real(g);
    LOAD(g, c16_far);
    run_to(g, CODE + 5);
    eq_hex(R(RBX), 0x1010);
    eq_hex(R(RSP), 0xfff2);
}

Test(sys_real, iret_to_another_segment_runs_the_code_there)
{
    guest_real(g);
    LOAD(g, c16_iret_elsewhere);
    R(RCX) = 0;
    run_to(g, CODE + 0x143);
    eq_hex(R(RBX), 2);
}

Test(sys_real, word_across_the_limit_is_gp_without_error_code)
{
    guest_real(g);
    LOAD(g, c16_limit);
    run_to_vector(g, 13);
    eq_hex(R(RSP), 0xfff0 - 6);
    eq_hex(ram16(g, 0x10000 + R(RSP)), 3);
}

Test(sys_real, word_across_the_limit_is_gp_within_a_page_too)
{
    guest_real(g);
    LOAD(g, c16_limit_read_before);
    run_to_vector(g, 13);
    eq_hex(ram16(g, 0x10000 + R(RSP)), 11);
}

Test(sys_real, idt_limit_counts_in_real_mode)
{
    guest_real(g);
    LOAD(g, c16_int21);
    g->s.idt_limit = 0x21 * 4 + 2;
    run_to_vector(g, 13);
}

Test(sys_real, no_idt_at_all_is_triple_fault)
{
    guest_real(g);
    LOAD(g, c16_int21);
    g->s.idt_limit = 0;
    cr_expect(guest_run(g) == VCPU_STOP_TRIPLE_FAULT);
}

Test(sys_real, protected_mode_and_back_leaves_a_big_segment)
{
    guest_real(g);
    gdt_set(g, K16, CODE, 0xffff, 0x09b);
    LOAD(g, c16_to_prot);
    run_done(g);
    eq_hex(ram32(g, 0x100000), 0x12345678);
    eq_hex(g->s.cr0, 0x10);
    eq_hex(R(RBP), 0x1000);
    eq_hex(g->s.seg[SEG_DS].limit, 0xffffffff);
}

Test(sys_real, long_mode_is_entered_with_paging)
{
    guest_real(g);
    LOAD(g, c16_to_long);
    gdt_set(g, K64, 0, 0xffffffff, 0x29b);
    run_done(g);
    eq_hex(g->s.efer, 0x500);
    eq_hex(R(RAX), 0x500);
    eq_hex(R(RBX), 0x123456789abcdef0ull);
    eq_hex(g->s.seg[SEG_CS].selector, K64);
}

/* --- virtual-8086 mode --- */

Test(sys_v86, exception_pushes_all_segments_and_nulls_them)
{
    guest_v86(g, 0);
    ram_put(g, CODE, 2, 0x0b0f);
    run_to_vector(g, 6);
    eq_hex(R(RSP), STACK0 - 36);
    eq_hex(ram32(g, STACK0 - 4), 0x500);
    eq_hex(ram32(g, STACK0 - 8), 0x400);
    eq_hex(ram32(g, STACK0 - 12), 0x300);
    eq_hex(ram32(g, STACK0 - 16), 0);
    eq_hex(ram32(g, STACK0 - 20), STACK_USER >> 4);
    eq_hex(ram32(g, STACK0 - 24), 0x100);
    eq_hex(ram32(g, STACK0 - 28), F_VM | F_RF | 2);
    eq_hex(ram32(g, STACK0 - 32), CODE >> 4);
    eq_hex(ram32(g, STACK0 - 36), 0);
    eq_hex(g->s.rflags & F_VM, 0);
    eq_hex(g->s.seg[SEG_DS].selector, 0);
    eq_hex(g->s.seg[SEG_SS].selector, KDATA);
    eq_hex(g->s.seg[SEG_CS].selector, K32);
}

Test(sys_v86, handler_in_another_ring_is_gp)
{
    guest_v86(g, 0);
    idt_gate(g, 6, R1CODE, STUBS + 0x60, 14, 0, 0);
    ram_put(g, CODE, 2, 0x0b0f);
    run_to_vector(g, 13);
    eq_hex(ram32(g, R(RSP)), R1CODE | 1);
}

Test(sys_v86, int_with_low_iopl_is_gp0)
{
    guest_v86(g, 0);
    LOAD(g, c16_int21);
    run_to_vector(g, 13);
    eq_hex(ram32(g, R(RSP)), 0);
    eq_hex(ram32(g, R(RSP) + 4), 0);
}

Test(sys_v86, int_with_iopl_3_goes_to_ring_0)
{
    guest_v86(g, 3);
    idt_gate(g, 0x21, K32, STUBS + 0x210, 14, 3, 0);
    LOAD(g, c16_int21);
    run_to_vector(g, 0x21);
    eq_hex(ram32(g, R(RSP)), 2);
    cr_expect(ram32(g, R(RSP) + 8) & F_VM);
}

Test(sys_v86, int_with_closed_gate_is_gp_even_with_iopl_3)
{
    guest_v86(g, 3);
    LOAD(g, c16_int21);
    run_to_vector(g, 13);
    eq_hex(ram32(g, R(RSP)), 0x21 * 8 + 2);
}

Test(sys_v86, vme_redirects_to_the_guests_own_vector)
{
    guest_v86(g, 0);
    g->s.cr4 = 1;
    g->s.rflags |= F_IF | F_VIF;
    ram_put(g, TSS_AT + 0x68 + 0x21 / 8, 1, 0xfd);
    ram_put(g, 0x21 * 4, 4, (CODE_B >> 4) << 16);
    LOAD(g, c16_int21);
    LOAD_AT(g, CODE_B, c16_hlt);
    run_to_vector(g, 13);
    eq_hex(ram32(g, R(RSP) + 4), 0);
    eq_hex(ram32(g, R(RSP) + 8), CODE_B >> 4);
    eq_hex(ram32(g, R(RSP) + 12) & (F_VM | F_IF | F_VIF), F_VM | F_IF);
    eq_hex(ram16(g, STACK_USER + 0xfe), 0x3202);
    eq_hex(ram16(g, STACK_USER + 0xfc), CODE >> 4);
    eq_hex(ram16(g, STACK_USER + 0xfa), 2);
}

Test(sys_v86, vme_with_a_set_bit_is_gp0)
{
    guest_v86(g, 0);
    g->s.cr4 = 1;
    LOAD(g, c16_int21);
    run_to_vector(g, 13);
    eq_hex(ram32(g, R(RSP)), 0);
}

Test(sys_v86, vme_cli_clears_vif_only)
{
    guest_v86(g, 0);
    g->s.cr4 = 1;
    g->s.rflags |= F_IF | F_VIF;
    LOAD(g, c16_cli);
    run_to_vector(g, 13);
    eq_hex(ram32(g, R(RSP) + 4), 1);
    eq_hex(ram32(g, R(RSP) + 12) & (F_IF | F_VIF), F_IF);
}

Test(sys_v86, vme_sti_with_pending_vip_is_gp0)
{
    guest_v86(g, 0);
    g->s.cr4 = 1;
    g->s.rflags |= F_VIP;
    LOAD(g, c16_sti);
    run_to_vector(g, 13);
    eq_hex(ram32(g, R(RSP) + 4), 0);
}

Test(sys_v86, vme_popf_and_pushf_use_vif)
{
    guest_v86(g, 0);
    g->s.cr4 = 1;
    g->s.rflags |= F_IF;
    ram_put(g, STACK_USER + 0x100, 2, F_IF | F_CF);
    LOAD(g, c16_popf_pushf);
    run_to_vector(g, 13);
    eq_hex(ram32(g, R(RSP) + 4), 2);
    eq_hex(ram32(g, R(RSP) + 12) & (F_IF | F_VIF | 0x3000), F_IF | F_VIF);
    eq_hex(ram16(g, STACK_USER + 0x100), F_IF | F_CF | 0x3002);
}

Test(sys_v86, popf_without_vme_is_gp0)
{
    guest_v86(g, 0);
    LOAD(g, c16_popf_pushf);
    run_to_vector(g, 13);
    eq_hex(ram32(g, R(RSP) + 4), 0);
}

Test(sys_v86, cli_without_vme_is_gp0)
{
    guest_v86(g, 0);
    LOAD(g, c16_cli);
    run_to_vector(g, 13);
    eq_hex(ram32(g, R(RSP) + 4), 0);
}

Test(sys_v86, ports_follow_the_bitmap_even_with_iopl_3)
{
    guest_v86(g, 3);
    LOAD(g, c16_out);
    run_to_vector(g, 13);
    eq_hex(g->io_count, 0);
    guest_v86(g, 3);
    ram_put(g, TSS_AT + 0x88 + 0x70 / 8, 1, 0);
    run_to_vector(g, DONE);
    eq_hex(g->io[0].port, 0x70);
}

Test(sys_v86, iret_from_ring_0_enters_v86)
{
    static const uint32_t frame[] = { 0x20, CODE_B >> 4, F_VM | 0x202, 0x80, STACK_USER >> 4,
                                      0x111, 0x222, 0x333, 0x444 };

    guest_prot(g);
    LOAD(g, c_iret);
    LOAD_AT(g, CODE_B + 0x20, c_ud2);
    guest_code(g, STACK0 - 36, frame, sizeof frame);
    R(RSP) = STACK0 - 36;
    run_to_vector(g, 6);
    eq_hex(ram32(g, STACK0 - 36), 0x20);
    eq_hex(ram32(g, STACK0 - 32), CODE_B >> 4);
    eq_hex(ram32(g, STACK0 - 24), 0x80);
    eq_hex(ram32(g, STACK0 - 16), 0x111);
    eq_hex(ram32(g, STACK0 - 12), 0x222);
    eq_hex(ram32(g, STACK0 - 8), 0x333);
    eq_hex(ram32(g, STACK0 - 4), 0x444);
}

Test(sys_v86, iret_inside_v86_needs_iopl)
{
    static const uint16_t frame[] = { 0x10, CODE_B >> 4, 0x3202 };

    guest_v86(g, 0);
    LOAD(g, c16_iret);
    run_to_vector(g, 13);
    guest_v86(g, 3);
    guest_code(g, STACK_USER + 0x100, frame, sizeof frame);
    LOAD_AT(g, CODE_B + 0x10, c_ud2);
    run_to_vector(g, 6);
    eq_hex(ram32(g, R(RSP)), 0x10);
    eq_hex(ram32(g, R(RSP) + 8) & (F_IF | F_VM), F_IF | F_VM);
    eq_hex(ram32(g, R(RSP) + 12), 0x106);
}
