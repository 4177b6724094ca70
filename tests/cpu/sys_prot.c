/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sys_prot.c - 32-bit protected mode: segment loads and their faults, call gates and returns,
 * interrupt gates, double and triple faults, I/O rights, debug exceptions, SYSENTER.
 */
#include "tests/cpu/sys_guest.h"

static Guest *g;

static void setup(void)
{
    g = guest_new();
    guest_prot(g);
}

static void teardown(void) { guest_free(g); }

TestSuite(sys_prot, .init = setup, .fini = teardown);

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };
#define R(n) g->s.gpr[n]

/* Frame of a handler in ring 0 with an error code. */
static void expect_fault(unsigned vector, uint32_t error, uint32_t ip, uint32_t cs)
{
    run_to_vector(g, vector);
    eq_hex(ram32(g, R(RSP)), error);
    eq_hex(ram32(g, R(RSP) + 4), ip);
    eq_hex(ram32(g, R(RSP) + 8), cs);
    cr_expect(ram32(g, R(RSP) + 12) & F_RF, "faults push RF");
}

static void far_pointer(uint32_t at, uint32_t off, uint16_t selector)
{
    ram_put(g, at, 4, off);
    ram_put(g, at + 4, 2, selector);
    R(RBX) = at;
}

Test(sys_prot, selector_beyond_gdt_is_gp_with_the_selector)
{
    LOAD(g, c_load_ds);
    R(RAX) = 0x1003;
    expect_fault(13, 0x1000, CODE, K32);
    eq_hex(g->s.seg[SEG_DS].selector, KDATA);
}

Test(sys_prot, selector_in_missing_ldt_is_gp_with_ti)
{
    LOAD(g, c_load_ds);
    R(RAX) = 0x0c;
    expect_fault(13, 0x0c, CODE, K32);
}

Test(sys_prot, absent_data_segment_is_np)
{
    LOAD(g, c_load_ds);
    R(RAX) = ABSENT;
    expect_fault(11, ABSENT, CODE, K32);
}

Test(sys_prot, absent_stack_segment_is_ss_fault)
{
    LOAD(g, c_load_ss);
    R(RAX) = ABSENT;
    expect_fault(12, ABSENT, CODE, K32);
}

Test(sys_prot, null_ss_is_gp0)
{
    LOAD(g, c_load_ss);
    R(RAX) = 3;
    expect_fault(13, 0, CODE, K32);
}

Test(sys_prot, read_only_ss_is_gp)
{
    LOAD(g, c_load_ss);
    R(RAX) = RODATA;
    expect_fault(13, RODATA, CODE, K32);
}

Test(sys_prot, ss_of_another_rpl_is_gp)
{
    LOAD(g, c_load_ss);
    R(RAX) = KDATA | 1;
    expect_fault(13, KDATA, CODE, K32);
}

Test(sys_prot, execute_only_code_is_no_data)
{
    LOAD(g, c_load_ds);
    R(RAX) = XCODE;
    expect_fault(13, XCODE, CODE, K32);
}

Test(sys_prot, loading_writes_the_accessed_bit)
{
    LOAD(g, c_load_ds);
    R(RAX) = RODATA;
    run_done(g);
    eq_hex(gdt_get(g, RODATA) >> 40 & 0xff, 0x91);
    eq_hex(g->s.seg[SEG_DS].attr & 0x1f, 0x11);
}

Test(sys_prot, null_ds_loads_and_faults_at_use)
{
    LOAD(g, c_load_ds);
    guest_code(g, CODE + 2, (uint8_t[]){ 0x8b, 0x03 }, 2);
    R(RAX) = 2;
    expect_fault(13, 0, CODE + 2, K32);
    eq_hex(g->s.seg[SEG_DS].selector, 2);
}

Test(sys_prot, user_cant_load_kernel_data)
{
    guest_user(g);
    LOAD(g, c_load_ds);
    R(RAX) = KDATA;
    expect_fault(13, KDATA, CODE, U32 | 3);
    eq_hex(R(RSP), STACK0 - 24);
    eq_hex(ram32(g, STACK0 - 4), UDATA | 3);
    eq_hex(ram32(g, STACK0 - 8), STACK_USER);
}

/* --- loads of what was loaded before --- */
enum { AT = 0x40000 };

Test(sys_prot, a_segment_loaded_again_has_the_base_of_now)
{
    LOAD(g, c_load_fs_moving);
    gdt_set(g, RODATA, AT, 0xffff, 0x493);
    for (uint32_t n = 0; n < 5; n++)
        ram_put(g, AT + n * 16, 4, 1u << (4 * n));
    R(RAX) = RODATA;
    R(RBX) = GDT_AT + RODATA;
    run_done(g);
    eq_hex(R(RDX), 0x22222);
}

Test(sys_prot, a_segment_loaded_again_gets_its_accessed_bit_again)
{
    LOAD(g, c_load_fs_accessed);
    R(RAX) = RODATA;
    R(RBX) = GDT_AT + RODATA;
    run_done(g);
    eq_hex(R(RDX), 5);
}

Test(sys_prot, segments_loaded_in_turn_are_based_and_flat_in_turn)
{
    LOAD(g, c_load_ds_in_turn);
    gdt_set(g, KDATA16, AT, 0xffffffff, 0x493);
    ram_put(g, CODE_B, 4, 0x1);
    ram_put(g, AT + CODE_B, 4, 0x10);
    R(RAX) = KDATA;
    R(RDX) = KDATA16;
    R(RBX) = CODE_B;
    run_done(g);
    eq_hex(R(RBP), 0x44);
    eq_hex(ram32(g, CODE_B), 1);
    eq_hex(ram32(g, AT + CODE_B), 0);
}

Test(sys_prot, segments_loaded_in_turn_are_writable_and_not_in_turn)
{
    LOAD(g, c_load_ds_in_turn);
    ram_put(g, CODE_B, 4, 1);
    R(RAX) = KDATA;
    R(RDX) = RODATA;
    R(RBX) = CODE_B;
    run_to_vector(g, 13);
    eq_hex(R(RBP), 8);
    eq_hex(ram32(g, CODE_B), 1);
}

Test(sys_prot, a_segment_of_ring_0_loaded_again_in_ring_3_is_gp)
{
    static const uint32_t frame[] = { CODE_B, U32 | 3, 2, STACK_USER, UDATA | 3 };

    LOAD(g, c_load_fs_and_go_out);
    guest_code(g, CODE_B, "\x8e\xe0\xf4", 3);       /* mov fs, ax; hlt */
    for (unsigned n = 0; n < 5; n++)
        ram_put(g, STACK0 - 20 + n * 4, 4, frame[n]);
    R(RSP) = STACK0 - 20;
    R(RAX) = KDATA;
    expect_fault(13, KDATA, CODE_B, U32 | 3);
}

Test(sys_prot, a_segment_loaded_again_beyond_its_table_is_gp)
{
    LOAD(g, c_load_ds);
    R(RAX) = UDATA;
    for (unsigned n = 0; n < 3; n++) {
        g->s.rip = CODE;
        g->s.halted = 0;
        run_done(g);
    }
    g->s.rip = CODE;
    g->s.halted = 0;
    g->s.gdt_limit = UDATA + 6;
    expect_fault(13, UDATA, CODE, K32);
}

Test(sys_prot, sysenter_leaves_no_base_to_the_stack)
{
    guest_user(g);
    LOAD(g, c_sysenter);
    guest_code(g, CODE_B, "\x6a\x77\x6a\x78\xf4", 5);    /* push 0x77; push 0x78; hlt */
    g->s.seg[SEG_SS].base = 0x40;                       /* in the same page */
    g->s.seg[SEG_DS].base = 0x2000;                     /* not all is flat then, so bases are added */
    g->s.sysenter_cs = K32;
    g->s.sysenter_esp = STACK1 - 0x100;
    g->s.sysenter_eip = CODE_B;
    run_done(g);
    eq_hex(R(RSP), STACK1 - 0x108);
    eq_hex(ram32(g, STACK1 - 0x104), 0x77);
    eq_hex(ram32(g, STACK1 - 0x108), 0x78);
}

Test(sys_prot, lss_loads_both_and_pop_ss_uses_old_width)
{
    LOAD(g, c_lss);
    far_pointer(0x30000, 0x25000, KDATA16);
    run_done(g);
    eq_hex(R(RSP), 0x25000);
    eq_hex(g->s.seg[SEG_SS].selector, KDATA16);
    eq_hex(g->s.seg[SEG_SS].limit, 0xffff);
}

Test(sys_prot, expand_down_limit_is_upside_down)
{
    LOAD(g, c_read_ds);
    g->s.seg[SEG_DS] = (SegState){ .selector = DOWN, .limit = 0xfff, .attr = 0xc97 };
    R(RBX) = 0xfff;
    expect_fault(13, 0, CODE, K32);
    guest_prot(g);
    g->s.seg[SEG_DS] = (SegState){ .selector = DOWN, .limit = 0xfff, .attr = 0xc97 };
    R(RBX) = 0x1000;
    run_done(g);
}

Test(sys_prot, lar_lsl_verr_follow_the_descriptor)
{
    LOAD(g, c_inspect);
    R(RAX) = RODATA;
    run_done(g);
    eq_hex(R(RDX), 0x0101);
    eq_hex(R(RSI), 1);
    eq_hex(R(RBX), 0x00cf9000);
    eq_hex(R(RCX), 0xffffffff);
}

Test(sys_prot, lar_of_a_gate_works_and_lsl_does_not)
{
    gdt_raw(g, GATE, gate_raw(K32, CODE_B, 12, 3, 0));
    LOAD(g, c_inspect);
    R(RAX) = GATE;
    R(RCX) = 0x55;
    run_done(g);
    eq_hex(R(RDX), 0x0001);
    eq_hex(R(RCX), 0x55);
}

Test(sys_prot, verw_refuses_read_only)
{
    LOAD(g, c_verw);
    R(RAX) = RODATA;
    R(RBX) = 0xff;
    run_done(g);
    eq_hex(R(RBX) & 0xff, 0);
}

Test(sys_prot, arpl_raises_rpl)
{
    LOAD(g, c_arpl);
    R(RAX) = 0x100;
    R(RBX) = 3;
    run_done(g);
    eq_hex(R(RAX), 0x103);
    eq_hex(R(RCX) & 0xff, 1);
}

Test(sys_prot, ltr_and_lldt_load_and_mark_busy)
{
    LOAD(g, c_ltr);
    R(RAX) = TSS_B;
    R(RBX) = LDT;
    run_done(g);
    eq_hex(R(RCX), TSS_B);
    eq_hex(R(RDX), LDT);
    eq_hex(gdt_get(g, TSS_B) >> 40 & 0x1f, 0xb);
    eq_hex(g->s.ldtr.base, LDT_AT);
    eq_hex(g->s.tr.attr & 15, 0xb);
}

Test(sys_prot, ltr_of_a_busy_tss_is_gp)
{
    LOAD(g, c_ltr);
    R(RAX) = TSS;
    expect_fault(13, TSS, CODE, K32);
}

/* --- transfers --- */

Test(sys_prot, conforming_code_keeps_ring_3)
{
    guest_user(g);
    LOAD(g, c_far_jmp);
    LOAD_AT(g, CODE_B, c_done);
    far_pointer(0x30000, CODE_B, KCONF);
    run_to_vector(g, DONE);
    eq_hex(ram32(g, R(RSP)), CODE_B + 2);
    eq_hex(ram32(g, R(RSP) + 4), KCONF | 3);
}

Test(sys_prot, far_jump_to_inner_code_is_gp)
{
    guest_user(g);
    LOAD(g, c_far_jmp);
    far_pointer(0x30000, CODE_B, K32);
    expect_fault(13, K32, CODE, U32 | 3);
}

Test(sys_prot, far_jump_beyond_the_limit_is_gp0)
{
    LOAD(g, c_far_jmp);
    far_pointer(0x30000, 0x10000, K16);
    expect_fault(13, 0, CODE, K32);
}

Test(sys_prot, far_jump_to_absent_code_is_np)
{
    LOAD(g, c_far_jmp);
    far_pointer(0x30000, CODE_B, ABSENT_CODE);
    expect_fault(11, ABSENT_CODE, CODE, K32);
}

Test(sys_prot, far_call_and_return_in_the_same_ring)
{
    LOAD(g, c_far_call);
    LOAD_AT(g, CODE_B, c_retf);
    far_pointer(0x30000, CODE_B, K32);
    run_to(g, CODE + 2);
    eq_hex(R(RSP), STACK0);
    eq_hex(ram32(g, STACK0 - 4), K32);
    eq_hex(ram32(g, STACK0 - 8), CODE + 2);
}

Test(sys_prot, call_gate_switches_stack_and_copies_parameters)
{
    guest_user(g);
    gdt_raw(g, GATE, gate_raw(K32, CODE_B, 12, 3, 2));
    LOAD(g, c_call_params);
    ram_put(g, CODE_B, 1, 0xf4);
    far_pointer(0x30000, 0, GATE | 3);
    run_to(g, CODE_B);
    eq_hex(R(RSP), STACK0 - 24);
    eq_hex(ram32(g, STACK0 - 4), UDATA | 3);
    eq_hex(ram32(g, STACK0 - 8), STACK_USER - 8);
    eq_hex(ram32(g, STACK0 - 12), 0x11111111);
    eq_hex(ram32(g, STACK0 - 16), 0x22222222);
    eq_hex(ram32(g, STACK0 - 20), U32 | 3);
    eq_hex(ram32(g, STACK0 - 24), CODE + 12);
    eq_hex(g->s.seg[SEG_SS].selector, KDATA);
    eq_hex(g->s.seg[SEG_CS].selector, K32);
}

Test(sys_prot, call_gate_and_retf_release_parameters_on_both_stacks)
{
    guest_user(g);
    gdt_raw(g, GATE, gate_raw(K32, CODE_B, 12, 3, 2));
    LOAD(g, c_call_params);
    LOAD_AT(g, CODE_B, c_retf8);
    far_pointer(0x30000, 0, GATE | 3);
    run_to_vector(g, DONE);
    eq_hex(ram32(g, R(RSP)), CODE + 14);
    eq_hex(ram32(g, R(RSP) + 4), U32 | 3);
    eq_hex(ram32(g, R(RSP) + 12), STACK_USER);
    eq_hex(g->s.seg[SEG_DS].selector, UDATA | 3);
}

Test(sys_prot, call_gate_to_ring_1_takes_its_stack)
{
    guest_user(g);
    gdt_raw(g, GATE, gate_raw(R1CODE, CODE_B, 12, 3, 0));
    LOAD(g, c_far_call);
    LOAD_AT(g, CODE_B, c_ud2);
    far_pointer(0x30000, 0, GATE);
    run_to_vector(g, 6);
    eq_hex(ram32(g, R(RSP) + 4), R1CODE | 1);
    eq_hex(ram32(g, R(RSP) + 12), STACK1 - 16);
    eq_hex(ram32(g, R(RSP) + 16), R1DATA | 1);
}

Test(sys_prot, sixteen_bit_call_gate_pushes_words)
{
    guest_user(g);
    gdt_raw(g, GATE, gate_raw(K32, CODE_B & 0xffff, 4, 3, 1));
    ram_put(g, CODE_B & 0xffff, 1, 0xf4);
    LOAD(g, c_call_params);
    far_pointer(0x30000, 0, GATE);
    run_to(g, CODE_B & 0xffff);
    eq_hex(R(RSP), STACK0 - 10);
    eq_hex(ram16(g, STACK0 - 2), UDATA | 3);
    eq_hex(ram16(g, STACK0 - 4), (STACK_USER - 8) & 0xffff);
    eq_hex(ram16(g, STACK0 - 6), 0x2222);
    eq_hex(ram16(g, STACK0 - 8), U32 | 3);
}

Test(sys_prot, call_gate_of_inner_privilege_is_gp)
{
    guest_user(g);
    gdt_raw(g, GATE, gate_raw(K32, CODE_B, 12, 0, 0));
    LOAD(g, c_far_call);
    far_pointer(0x30000, 0, GATE | 3);
    expect_fault(13, GATE, CODE, U32 | 3);
}

Test(sys_prot, bad_inner_stack_is_ts_with_its_selector)
{
    guest_user(g);
    gdt_raw(g, GATE, gate_raw(R1CODE, CODE_B, 12, 3, 0));
    ram_put(g, TSS_AT + 16, 4, R1DATA);
    LOAD(g, c_far_call);
    far_pointer(0x30000, 0, GATE);
    expect_fault(10, R1DATA, CODE, U32 | 3);
}

Test(sys_prot, return_to_ring_3_drops_kernel_data_segments)
{
    static const uint32_t frame[] = { CODE_B, U32 | 3, STACK_USER, UDATA | 3 };

    LOAD(g, c_retf);
    LOAD_AT(g, CODE_B, c_done);
    guest_code(g, STACK0 - 16, frame, sizeof frame);
    R(RSP) = STACK0 - 16;
    g->s.seg[SEG_FS] = (SegState){ .selector = UDATA, .limit = 0xffffffff, .attr = 0xcf3 };
    run_to_vector(g, DONE);
    eq_hex(g->s.seg[SEG_DS].selector, 0);
    cr_expect(g->s.seg[SEG_DS].attr & SEG_ATTR_UNUSABLE);
    eq_hex(g->s.seg[SEG_FS].selector, UDATA);
    eq_hex(ram32(g, STACK0 - 4), UDATA | 3);
}

Test(sys_prot, return_to_an_inner_ring_is_gp)
{
    static const uint32_t frame[] = { CODE_B, K32 };

    guest_user(g);
    LOAD(g, c_retf);
    guest_code(g, STACK_USER - 8, frame, sizeof frame);
    R(RSP) = STACK_USER - 8;
    expect_fault(13, K32, CODE, U32 | 3);
}

/* --- interrupts --- */

Test(sys_prot, int_through_closed_gate_is_gp_with_idt_bit)
{
    guest_user(g);
    LOAD(g, c_int30);
    expect_fault(13, 0x30 * 8 + 2, CODE, U32 | 3);
}

Test(sys_prot, int_beyond_the_idt_is_gp_with_idt_bit)
{
    g->s.idt_limit = 0x30 * 8 - 1;
    LOAD(g, c_int30);
    expect_fault(13, 0x30 * 8 + 2, CODE, K32);
}

Test(sys_prot, int_through_absent_gate_is_np)
{
    LOAD(g, c_int30);
    ram_put(g, IDT_AT + 0x30 * 8, 8, gate_raw(K32, STUBS, 14, 0, 0) & ~(1ull << 47));
    expect_fault(11, 0x30 * 8 + 2, CODE, K32);
}

Test(sys_prot, fault_in_event_delivery_sets_ext)
{
    LOAD(g, c_ud2);
    idt_gate(g, 6, 0x1000, STUBS, 14, 0, 0);
    expect_fault(13, 0x1001, CODE, K32);
}

Test(sys_prot, interrupt_gate_clears_if_and_nt)
{
    g->s.rflags |= F_IF | F_NT;
    LOAD(g, c_int30);
    run_to_vector(g, 0x30);
    cr_expect(!(g->s.rflags & (F_IF | F_NT)));
    cr_expect(ram32(g, R(RSP) + 8) & F_NT);
}

Test(sys_prot, trap_gate_leaves_if_on)
{
    g->s.rflags |= F_IF;
    idt_gate(g, 0x30, K32, CODE_B, 15, 0, 0);
    LOAD(g, c_int30);
    LOAD_AT(g, CODE_B, c_done);
    run_to_vector(g, DONE);
    cr_expect(ram32(g, R(RSP) + 8) & F_IF);
}

Test(sys_prot, sixteen_bit_gate_pushes_words)
{
    idt_gate(g, 0x30, K32, STUBS + 0x300, 6, 0, 0);
    LOAD(g, c_int30);
    run_to_vector(g, 0x30);
    eq_hex(R(RSP), STACK0 - 6);
    eq_hex(ram16(g, STACK0 - 6), (CODE + 2) & 0xffff);
    eq_hex(ram16(g, STACK0 - 4), K32);
}

Test(sys_prot, int3_is_a_trap_and_ud_a_fault)
{
    LOAD(g, c_int3);
    run_to_vector(g, 3);
    eq_hex(ram32(g, R(RSP)), CODE + 2);
    cr_expect(!(ram32(g, R(RSP) + 8) & F_RF));
}

Test(sys_prot, contributory_faults_make_a_double_fault)
{
    LOAD(g, c_load_ds);
    R(RAX) = 0x1000;
    ram_put(g, IDT_AT + 13 * 8, 8, 0);
    run_to_vector(g, 8);
    eq_hex(ram32(g, R(RSP)), 0);
    eq_hex(ram32(g, R(RSP) + 4), CODE);
}

Test(sys_prot, benign_then_contributory_is_serial)
{
    LOAD(g, c_ud2);
    ram_put(g, IDT_AT + 6 * 8, 8, 0);
    expect_fault(13, 6 * 8 + 2 + 1, CODE, K32);
}

Test(sys_prot, fault_in_a_double_fault_is_triple)
{
    LOAD(g, c_ud2);
    g->s.idt_limit = 0;
    cr_expect(guest_run(g) == VCPU_STOP_TRIPLE_FAULT);
}

Test(sys_prot, iret_to_ring_3_and_interrupt_back)
{
    static const uint32_t frame[] = { CODE_B, U32 | 3, 0x3202, STACK_USER, UDATA | 3 };

    LOAD(g, c_iret);
    LOAD_AT(g, CODE_B, c_done);
    guest_code(g, STACK0 - 20, frame, sizeof frame);
    R(RSP) = STACK0 - 20;
    run_to_vector(g, DONE);
    eq_hex(ram32(g, R(RSP)), CODE_B + 2);
    eq_hex(ram32(g, R(RSP) + 4), U32 | 3);
    eq_hex(ram32(g, R(RSP) + 8), 0x3202);
    eq_hex(ram32(g, R(RSP) + 12), STACK_USER);
}

Test(sys_prot, iret_in_ring_3_keeps_if_and_iopl)
{
    static const uint32_t frame[] = { CODE_B, U32 | 3, 0x3001 };

    guest_user(g);
    g->s.rflags |= F_IF;
    LOAD(g, c_iret);
    LOAD_AT(g, CODE_B, c_done);
    guest_code(g, STACK_USER - 12, frame, sizeof frame);
    R(RSP) = STACK_USER - 12;
    run_to_vector(g, DONE);
    eq_hex(ram32(g, R(RSP) + 8), 0x203);
}

Test(sys_prot, external_interrupt_goes_to_its_vector)
{
    LOAD(g, c_nops);
    g->s.rflags |= F_IF;
    g->irq = IRQ_EXTINT;
    g->irq_vector = 0x40;
    run_to_vector(g, 0x40);
    eq_hex(g->irq, 0);
    eq_hex(ram32(g, R(RSP)), CODE);
}

/* The first OUT's interrupts come when the code behind STI was never run, the last when it is translated. */
static unsigned sti_left;

static void two_interrupts(Guest *guest, uint16_t port)
{
    (void)port;
    guest->irq = IRQ_EXTINT;
    sti_left = 2;
    engine_soft.kick(guest->cpu, false);
}

static int ack_one(Vcpu *v)
{
    Guest *guest = (Guest *)v;

    if (!--sti_left)
        guest->irq &= ~(unsigned)IRQ_EXTINT;
    return (int)guest->irq_vector;
}

Test(sys_prot, interrupts_pending_at_sti_come_one_by_one_behind_the_next_instruction)
{
    LOAD(g, c_sti_loop);
    g->host.irq_ack = ack_one;
    g->on_out = two_interrupts;
    g->irq_vector = 0x41;
    idt_gate(g, 0x41, K32, CODE + 64, 14, 0, 0);
    g->s.gpr[3] = CODE;
    run_to(g, CODE + 15);
    eq_hex(g->s.gpr[0] & 0xff, 40);
    eq_hex(g->s.gpr[6], 80);
    eq_hex(g->s.gpr[7], 80);
}

Test(sys_prot, sti_shadows_one_instruction)
{
    LOAD(g, c_sti);
    g->irq = IRQ_EXTINT;
    g->irq_vector = 0x40;
    run_to_vector(g, 0x40);
    eq_hex(ram32(g, R(RSP)), CODE + 2);
}

Test(sys_prot, nmi_is_blocked_until_iret)
{
    LOAD(g, c_nops);
    g->irq = IRQ_NMI;
    run_to_vector(g, 2);
    eq_hex(g->s.nmi_blocked, 1);
    LOAD_AT(g, STUBS + 0x21, c_iret_then_hlt);
    g->s.halted = 0;
    run_done(g);
    eq_hex(g->s.nmi_blocked, 0);
}

/* --- rights --- */

Test(sys_prot, io_bitmap_denies_with_gp0)
{
    guest_user(g);
    LOAD(g, c_in_70);
    expect_fault(13, 0, CODE, U32 | 3);
    eq_hex(g->io_count, 0);
}

Test(sys_prot, io_bitmap_allows_a_clear_bit)
{
    guest_user(g);
    LOAD(g, c_in_70);
    ram_put(g, TSS_AT + 0x88 + 0x70 / 8, 1, 0xfe);
    run_to_vector(g, DONE);
    eq_hex(g->io[0].port, 0x70);
    eq_hex(R(RAX), 0xa5);
}

Test(sys_prot, io_bitmap_wants_all_ports_of_a_doubleword)
{
    guest_user(g);
    LOAD(g, c_out_dx_32);
    R(RDX) = 0x77;
    ram_put(g, TSS_AT + 0x88 + 0x70 / 8, 2, 0xfc7f);
    expect_fault(13, 0, CODE, U32 | 3);
    guest_prot(g);
    guest_user(g);
    R(RDX) = 0x77;
    ram_put(g, TSS_AT + 0x88 + 0x70 / 8, 2, 0xf87f);
    run_to_vector(g, DONE);
    eq_hex(g->io[0].size, 4);
}

Test(sys_prot, io_beyond_the_tss_is_gp0)
{
    guest_user(g);
    LOAD(g, c_in_70);
    ram_put(g, TSS_AT + 102, 2, 0x16f - 0x70 / 8);
    ram_put(g, TSS_AT + 0x16f, 2, 0);
    expect_fault(13, 0, CODE, U32 | 3);
}

Test(sys_prot, iopl_3_opens_io_and_cli)
{
    guest_user(g);
    g->s.rflags |= 0x3200;
    LOAD(g, c_in_70);
    run_to_vector(g, DONE);
    guest_prot(g);
    guest_user(g);
    g->s.rflags |= 0x3200;
    LOAD(g, c_cli);
    run_to_vector(g, DONE);
    cr_expect(!(ram32(g, R(RSP) + 8) & F_IF));
}

Test(sys_prot, cli_below_iopl_is_gp0_or_with_pvi_clears_vif)
{
    guest_user(g);
    g->s.rflags |= F_IF;
    LOAD(g, c_cli);
    expect_fault(13, 0, CODE, U32 | 3);
    guest_prot(g);
    guest_user(g);
    g->s.cr4 = 2;
    g->s.rflags |= F_IF | F_VIF;
    run_to_vector(g, DONE);
    eq_hex(ram32(g, R(RSP) + 8) & (F_IF | F_VIF), F_IF);
}

Test(sys_prot, umip_hides_sidt_from_ring_3)
{
    guest_user(g);
    R(RBX) = 0x30000;
    LOAD(g, c_sidt);
    run_to_vector(g, DONE);
    eq_hex(ram16(g, 0x30000), 0x7ff);
    eq_hex(ram32(g, 0x30002), IDT_AT);
    guest_prot(g);
    guest_user(g);
    g->s.cr4 = 0x800;
    R(RBX) = 0x30000;
    expect_fault(13, 0, CODE, U32 | 3);
}

Test(sys_prot, tsd_hides_rdtsc_from_ring_3)
{
    guest_user(g);
    LOAD(g, c_rdtsc);
    g->tsc = 0x100000000ull;
    g->s.tsc_offset = 0;
    run_to_vector(g, DONE);
    eq_hex(R(RDX), 1);
    guest_prot(g);
    guest_user(g);
    g->s.cr4 = 4;
    expect_fault(13, 0, CODE, U32 | 3);
}

/* --- fast system calls, debugging, control registers --- */

Test(sys_prot, sysenter_and_sysexit_build_flat_segments)
{
    guest_user(g);
    g->s.sysenter_cs = K32;
    g->s.sysenter_eip = CODE_B;
    g->s.sysenter_esp = STACK1;
    g->s.rflags |= F_IF;
    ram_put(g, CODE_B, 1, 0xf4);
    LOAD(g, c_sysenter);
    run_to(g, CODE_B);
    eq_hex(R(RSP), STACK1);
    eq_hex(g->s.seg[SEG_CS].selector, K32);
    eq_hex(g->s.seg[SEG_SS].selector, KDATA);
    eq_hex(g->s.rflags & F_IF, 0);
    guest_prot(g);
    LOAD(g, c_sysexit);
    LOAD_AT(g, CODE_B, c_done);
    R(RCX) = STACK_USER;
    R(RDX) = CODE_B;
    run_to_vector(g, DONE);
    eq_hex(ram32(g, R(RSP) + 4), U32 | 3);
    eq_hex(ram32(g, R(RSP) + 12), STACK_USER);
    eq_hex(ram32(g, R(RSP) + 16), UDATA | 3);
}

Test(sys_prot, sysenter_without_cs_is_gp0)
{
    LOAD(g, c_sysenter);
    g->s.sysenter_cs = 3;
    expect_fault(13, 0, CODE, K32);
}

Test(sys_prot, single_step_traps_after_the_next_instruction)
{
    LOAD(g, c_popf_step);
    run_to_vector(g, 1);
    eq_hex(ram32(g, R(RSP)), CODE + 7);
    cr_expect(g->s.dr[6] & 0x4000);
    cr_expect(ram32(g, R(RSP) + 8) & F_TF);
    cr_expect(!(g->s.rflags & F_TF));
}

Test(sys_prot, icebp_is_a_debug_trap_without_gate_check)
{
    guest_user(g);
    LOAD(g, c_icebp);
    run_to_vector(g, 1);
    eq_hex(ram32(g, R(RSP)), CODE + 1);
    eq_hex(g->s.dr[6] & 0xe00f, 0);
}

Test(sys_prot, general_detect_catches_mov_dr)
{
    LOAD(g, c_mov_dr);
    g->s.dr[7] = 0x2400;
    run_to_vector(g, 1);
    eq_hex(ram32(g, R(RSP)), CODE);
    cr_expect(g->s.dr[6] & 0x2000);
    cr_expect(!(g->s.dr[7] & 0x2000));
    cr_expect(ram32(g, R(RSP) + 8) & F_RF, "a fault, and no breakpoint");
}

Test(sys_prot, instruction_breakpoint_faults_before)
{
    LOAD(g, c_nops);
    g->s.dr[0] = CODE + 1;
    g->s.dr[7] = 0x402;
    run_to_vector(g, 1);
    eq_hex(ram32(g, R(RSP)), CODE + 1);
    eq_hex(g->s.dr[6] & 15, 1);
}

Test(sys_prot, paging_without_protection_is_gp0)
{
    LOAD(g, c_mov_cr0);
    R(RAX) = 0x80000010;
    expect_fault(13, 0, CODE, K32);
}

Test(sys_prot, unknown_cr4_bit_is_gp0)
{
    LOAD(g, c_mov_cr4);
    R(RAX) = 0x80000000;
    expect_fault(13, 0, CODE, K32);
    eq_hex(g->s.cr4, 0);
}

Test(sys_prot, cr0_keeps_et_and_user_mode_may_not_write)
{
    LOAD(g, c_mov_cr0);
    R(RAX) = 0x00000001;
    run_done(g);
    eq_hex(g->s.cr0, 0x11);
    guest_prot(g);
    guest_user(g);
    expect_fault(13, 0, CODE, U32 | 3);
}

Test(sys_prot, vmcall_tells_mode_and_cpl)
{
    LOAD(g, c_vmcall);
    run_done(g);
    eq_hex(g->hypercalls, 1);
    eq_hex(g->hypercall_cpl, 0);
    cr_expect(!g->hypercall_long);
    eq_hex(R(RAX), 0x1234);
}
