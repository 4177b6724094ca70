/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sys_long.c - long mode: interrupts with IST, SYSCALL and SYSRET, IRETQ, call gates, canonical
 * addresses, page fault codes, compatibility mode, control registers and MSRs.
 */
#include "tests/cpu/sys_guest.h"

static Guest *g;

#define R(n) g->s.gpr[n]
enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R11 = 11 };
#define NON_CANONICAL 0x8000000000000000ull

static void setup(void)
{
    g = guest_new();
    guest_long(g);
}

static void teardown(void) { guest_free(g); }

TestSuite(sys_long, .init = setup, .fini = teardown);

static void expect_fault(unsigned vector, uint64_t error, uint64_t ip, uint64_t cs)
{
    run_to_vector(g, vector);
    eq_hex(ram64(g, R(RSP)), error);
    eq_hex(ram64(g, R(RSP) + 8), ip);
    eq_hex(ram64(g, R(RSP) + 16), cs);
}

static void user64(const uint8_t *code, size_t len)
{
    guest_user(g);
    guest_code(g, CODE, code, len);
}

Test(sys_long, interrupt_in_ring_0_pushes_ss_and_aligns)
{
    LOAD(g, c64_int30);
    R(RSP) = STACK0 - 3;
    run_to_vector(g, 0x30);
    eq_hex(R(RSP), STACK0 - 16 - 40);
    eq_hex(ram64(g, R(RSP)), CODE + 2);
    eq_hex(ram64(g, R(RSP) + 8), K64);
    eq_hex(ram64(g, R(RSP) + 16), 2);
    eq_hex(ram64(g, R(RSP) + 24), STACK0 - 3);
    eq_hex(ram64(g, R(RSP) + 32), KDATA);
    eq_hex(g->s.seg[SEG_SS].selector, KDATA);
}

Test(sys_long, interrupt_from_ring_3_makes_ss_null)
{
    guest_user(g);
    LOAD(g, c64_done);
    run_to_vector(g, DONE);
    eq_hex(R(RSP), STACK0 - 40);
    eq_hex(ram64(g, R(RSP) + 8), U64 | 3);
    eq_hex(ram64(g, R(RSP) + 24), STACK_USER);
    eq_hex(ram64(g, R(RSP) + 32), UDATA | 3);
    eq_hex(g->s.seg[SEG_SS].selector, 0);
    eq_hex(g->s.seg[SEG_DS].selector, UDATA | 3);
}

Test(sys_long, ist_replaces_the_stack_in_the_same_ring)
{
    LOAD(g, c64_ud2);
    idt_gate(g, 6, K64, STUBS + 0x60, 14, 0, 1);
    run_to_vector(g, 6);
    eq_hex(R(RSP), STACK_IST - 40);
    eq_hex(ram64(g, R(RSP) + 24), STACK0);
}

Test(sys_long, gate_to_32_bit_code_is_gp)
{
    LOAD(g, c64_int30);
    idt_gate(g, 0x30, K32, STUBS, 14, 0, 0);
    expect_fault(13, K32, CODE, K64);
}

Test(sys_long, task_gate_is_gp)
{
    LOAD(g, c64_int30);
    idt_gate(g, 0x30, TSS_B, 0, 5, 0, 0);
    expect_fault(13, 0x30 * 8 + 2, CODE, K64);
}

Test(sys_long, page_fault_codes)
{
    LOAD(g, c64_load);
    R(RBX) = 0x400000;
    expect_fault(14, 0, CODE, K64);
    eq_hex(g->s.cr2, 0x400000);

    guest_long(g);
    LOAD(g, c64_store);
    page_flags(g, 0x80000, 5);
    R(RBX) = 0x80ff8;
    expect_fault(14, 3, CODE, K64);
    eq_hex(g->s.cr2, 0x80ff8);

    guest_long(g);
    guest_user(g);
    page_flags(g, 0x81000, 3);
    R(RBX) = 0x81000;
    LOAD(g, c64_load);
    expect_fault(14, 5, CODE, U64 | 3);
}

Test(sys_long, instruction_fetch_of_nx_page)
{
    LOAD(g, c64_jmp_abs);
    g->s.efer |= 0x800;
    page_flags(g, 0x82000, 3 | 1ull << 63);
    R(RAX) = 0x82000;
    expect_fault(14, 0x11, 0x82000, K64);
}

Test(sys_long, page_fault_in_delivery_of_a_page_fault_is_double)
{
    LOAD(g, c64_load);
    R(RBX) = 0x400000;
    R(RSP) = 0x500000;
    idt_gate(g, 8, K64, STUBS + 0x80, 14, 0, 1);
    expect_fault(8, 0, CODE, K64);
}

Test(sys_long, page_fault_without_any_stack_is_triple)
{
    LOAD(g, c64_load);
    R(RBX) = 0x400000;
    R(RSP) = 0x500000;
    cr_expect(guest_run(g) == VCPU_STOP_TRIPLE_FAULT);
}

Test(sys_long, non_canonical_data_is_gp_and_stack_is_ss_fault)
{
    LOAD(g, c64_load);
    R(RBX) = NON_CANONICAL;
    expect_fault(13, 0, CODE, K64);
    guest_long(g);
    LOAD(g, c64_push);
    R(RSP) = NON_CANONICAL;
    idt_gate(g, 12, K64, STUBS + 0xc0, 14, 0, 1);
    expect_fault(12, 0, CODE, K64);
}

/* --- SYSCALL --- */

static void star(void)
{
    g->s.star = (uint64_t)U32 << 48 | (uint64_t)K64 << 32;
    g->s.lstar = CODE_B;
    g->s.sfmask = F_IF | F_TF;
    ram_put(g, CODE_B, 1, 0xf4);
}

Test(sys_long, syscall_saves_rip_and_flags)
{
    guest_user(g);
    star();
    g->s.rflags |= F_IF | F_CF;
    LOAD(g, c64_syscall);
    run_to(g, CODE_B);
    eq_hex(R(RCX), CODE + 2);
    eq_hex(R(R11), 2 | F_IF | F_CF);
    eq_hex(g->s.rflags & (F_IF | F_CF), F_CF);
    eq_hex(g->s.seg[SEG_CS].selector, K64);
    eq_hex(g->s.seg[SEG_SS].selector, K64 + 8);
    eq_hex(R(RSP), STACK_USER);
}

Test(sys_long, syscall_without_sce_is_ud)
{
    guest_user(g);
    star();
    g->s.efer &= ~1ull;
    LOAD(g, c64_syscall);
    run_to_vector(g, 6);
}

Test(sys_long, sysret_to_64_and_32_bit_code)
{
    star();
    LOAD(g, c64_sysret);
    LOAD_AT(g, CODE_B, c64_done);
    R(RCX) = CODE_B;
    R(R11) = 0x203;
    run_to_vector(g, DONE);
    eq_hex(ram64(g, R(RSP) + 8), U64 | 3);
    eq_hex(ram64(g, R(RSP) + 16), 0x203);
    eq_hex(ram64(g, R(RSP) + 32), UDATA | 3);
    guest_long(g);
    star();
    LOAD(g, c64_sysretl);
    LOAD_AT(g, CODE_B, c64_done);
    R(RCX) = CODE_B | 1ull << 32;
    R(R11) = 2;
    run_to_vector(g, DONE);
    eq_hex(ram64(g, R(RSP)), CODE_B + 2);
    eq_hex(ram64(g, R(RSP) + 8), U32 | 3);
}

/* Translated after some turns, too: the trap is before the first instruction. */
Test(sys_long, sysret_that_sets_tf_traps_at_once)
{
    for (unsigned n = 0; n < 3; n++) {
        guest_long(g);
        star();
        LOAD(g, c64_sysret);
        LOAD_AT(g, CODE_B, c64_done);
        R(RCX) = CODE_B;
        R(R11) = 0x103;
        g->s.dr[6] = 0xffff0ff0;
        run_to_vector(g, 1);
        eq_hex(ram64(g, R(RSP)), CODE_B);
        eq_hex(ram64(g, R(RSP) + 8), U64 | 3);
        eq_hex(ram64(g, R(RSP) + 16), 0x103);
        eq_hex(g->s.dr[6], 0xffff4ff0);
    }
}

Test(sys_long, syscall_that_is_stepped_traps_if_it_leaves_tf)
{
    for (unsigned n = 0; n < 2; n++) {
        guest_long(g);
        guest_user(g);
        star();
        g->s.sfmask = n ? F_IF : F_IF | F_TF;
        g->s.rflags |= F_TF;
        g->s.dr[6] = 0xffff0ff0;
        LOAD(g, c64_syscall);
        if (n) {
            run_to_vector(g, 1);
            eq_hex(ram64(g, R(RSP)), CODE_B);
            eq_hex(ram64(g, R(RSP) + 8), K64);
        } else {
            run_to(g, CODE_B);
        }
        eq_hex(g->s.dr[6], n ? 0xffff4ff0 : 0xffff0ff0);
        eq_hex(R(RCX), CODE + 2);
        eq_hex(R(R11), 2 | F_TF);
    }
}

/* User code reads a page and goes through a gate; the handler reads it, too, which SMAP forbids. */
Test(sys_long, a_gate_to_ring_0_ends_a_users_rights_with_smap)
{
    enum { PAGE = 0x40000 };

    guest_user(g);
    for (unsigned n = 0; n < 512; n++)
        ram_put(g, PT_AT + n * 8, 8, n << 12 | (n == CODE >> 12 || n == PAGE >> 12 ? 7 : 3));
    g->s.cr4 |= 1u << 21;
    guest_code(g, CODE, "\x48\x8b\x03\xcd\x80", 5);   /* mov rax, [rbx]; int 0x80 */
    guest_code(g, CODE_B, "\x48\x8b\x03\xf4", 4);      /* mov rax, [rbx]; hlt */
    idt_gate(g, DONE, K64, CODE_B, 14, 3, 0);
    R(RBX) = PAGE;
    run_to_vector(g, 14);
    eq_hex(ram64(g, R(RSP)), 1);
    eq_hex(ram64(g, R(RSP) + 8), CODE_B);
    eq_hex(g->s.cr2, PAGE);
}

Test(sys_long, sysret_to_non_canonical_rip_is_gp_in_ring_0)
{
    star();
    LOAD(g, c64_sysret);
    R(RCX) = NON_CANONICAL;
    expect_fault(13, 0, CODE, K64);
}

Test(sys_long, syscall_in_compatibility_mode_follows_the_vendor)
{
    guest_user(g);
    star();
    g->s.seg[SEG_CS] = (SegState){ .selector = U32 | 3, .limit = 0xffffffff, .attr = 0xcfb };
    g->s.cstar = CODE_B;
    LOAD(g, c64_syscall);
    run_to_vector(g, 6);
    guest_long(g);
    guest_user(g);
    star();
    g->s.seg[SEG_CS] = (SegState){ .selector = U32 | 3, .limit = 0xffffffff, .attr = 0xcfb };
    g->s.cstar = CODE_B;
    g->amd = true;
    run_to(g, CODE_B);
    eq_hex(R(RCX), CODE + 2);
}

/* --- far transfers --- */

static void iret_frame(uint64_t ip, uint64_t cs, uint64_t flags, uint64_t sp, uint64_t ss)
{
    uint64_t frame[] = { ip, cs, flags, sp, ss };

    guest_code(g, STACK0 - 40, frame, sizeof frame);
    R(RSP) = STACK0 - 40;
    LOAD(g, c64_iretq);
}

Test(sys_long, iretq_to_ring_3)
{
    iret_frame(CODE_B, U64 | 3, 0x3202, STACK_USER, UDATA | 3);
    LOAD_AT(g, CODE_B, c64_done);
    run_to_vector(g, DONE);
    eq_hex(ram64(g, R(RSP) + 16), 0x3202);
    eq_hex(ram64(g, R(RSP) + 24), STACK_USER);
    eq_hex(g->s.seg[SEG_DS].selector, 0);
}

Test(sys_long, iretq_in_ring_0_takes_a_null_ss)
{
    iret_frame(CODE_B, K64, 2, STACK1, 0);
    LOAD_AT(g, CODE_B, c64_hlt);
    run_to(g, CODE_B);
    eq_hex(R(RSP), STACK1);
    eq_hex(g->s.seg[SEG_SS].selector, 0);
}

Test(sys_long, iretq_to_compatibility_mode_cuts_the_stack_pointer)
{
    iret_frame(CODE_B, U32 | 3, 2, 0x700000000ull | STACK_USER, UDATA | 3);
    LOAD_AT(g, CODE_B, c64_done);
    run_to_vector(g, DONE);
    eq_hex(ram64(g, R(RSP) + 8), U32 | 3);
    eq_hex(ram64(g, R(RSP) + 24), STACK_USER);
}

Test(sys_long, iretq_faults)
{
    iret_frame(CODE_B, U64 | 3, 2, STACK_USER, 3);
    expect_fault(13, 0, CODE, K64);
    guest_long(g);
    iret_frame(NON_CANONICAL, K64, 2, STACK1, 0);
    expect_fault(13, 0, CODE, K64);
    guest_long(g);
    iret_frame(CODE_B, K64, 2, STACK1, 0);
    g->s.rflags |= F_NT;
    expect_fault(13, 0, CODE, K64);
}

Test(sys_long, call_gate_pushes_quadwords_on_the_tss_stack)
{
    guest_user(g);
    gdt_raw(g, GATE64, gate_raw(K64, CODE_B, 12, 3, 0));
    gdt_raw(g, GATE64 + 8, 0);
    LOAD(g, c64_far_call);
    ram_put(g, CODE_B, 1, 0xf4);
    ram_put(g, 0x30008, 2, GATE64 | 3);
    R(RBX) = 0x30000;
    run_to(g, CODE_B);
    eq_hex(R(RSP), STACK0 - 32);
    eq_hex(ram64(g, STACK0 - 8), UDATA | 3);
    eq_hex(ram64(g, STACK0 - 16), STACK_USER);
    eq_hex(ram64(g, STACK0 - 24), U64 | 3);
    eq_hex(ram64(g, STACK0 - 32), CODE + 3);
    eq_hex(g->s.seg[SEG_SS].selector, 0);
}

Test(sys_long, far_return_to_compatibility_ring_0)
{
    static const uint64_t frame[] = { CODE_B, K32 };

    LOAD(g, c64_retfq);
    guest_code(g, STACK0 - 16, frame, sizeof frame);
    R(RSP) = STACK0 - 16;
    ram_put(g, CODE_B, 1, 0xf4);
    run_to(g, CODE_B);
    eq_hex(g->s.seg[SEG_CS].selector, K32);
    eq_hex(R(RSP), STACK0);
}

Test(sys_long, null_ss_may_be_loaded_in_ring_0)
{
    LOAD(g, c64_mov_ds);
    run_done(g);
    eq_hex(g->s.seg[SEG_SS].selector, 0);
    eq_hex(g->s.seg[SEG_DS].selector, 0);
}

Test(sys_long, loading_fs_takes_the_descriptors_base)
{
    gdt_set(g, UDATA, 0x12345000, 0xffffffff, 0x4f3);
    g->s.seg[SEG_FS].base = 0xffff800000000000ull;
    LOAD(g, c64_mov_fs);
    R(RAX) = UDATA | 3;
    run_done(g);
    eq_hex(g->s.seg[SEG_FS].base, 0x12345000);
}

/* --- bases, MSRs, control registers --- */

Test(sys_long, swapgs_and_access_through_gs)
{
    g->s.kernel_gs_base = 0x50000;
    g->s.seg[SEG_GS].base = 0x60000;
    ram_put(g, 0x50000, 8, 0x1122334455667788ull);
    LOAD(g, c64_swapgs);
    run_done(g);
    eq_hex(R(RAX), 0x1122334455667788ull);
    eq_hex(g->s.kernel_gs_base, 0x60000);
    guest_long(g);
    guest_user(g);
    expect_fault(13, 0, CODE, U64 | 3);
}

Test(sys_long, fsgsbase_instructions)
{
    LOAD(g, c64_wrgsbase);
    R(RAX) = 0xffff800012345678ull;
    run_to_vector(g, 6);
    guest_long(g);
    g->s.cr4 |= 0x10000;
    R(RAX) = 0xffff800012345678ull;
    run_done(g);
    eq_hex(R(RBX), 0xffff800012345678ull);
    eq_hex(R(RCX), 0x12345678);
    guest_long(g);
    g->s.cr4 |= 0x10000;
    R(RAX) = NON_CANONICAL;
    expect_fault(13, 0, CODE, K64);
}

static void wrmsr(uint32_t index, uint64_t v)
{
    guest_long(g);
    LOAD(g, c64_wrmsr);
    R(RCX) = index;
    R(RAX) = (uint32_t)v;
    R(RDX) = v >> 32;
}

Test(sys_long, msr_rules)
{
    wrmsr(0xc0000082, NON_CANONICAL);
    expect_fault(13, 0, CODE, K64);
    wrmsr(0xc0000080, 1);
    expect_fault(13, 0, CODE, K64);
    wrmsr(0xc0000080, 0x10000);
    expect_fault(13, 0, CODE, K64);
    wrmsr(0xc0000080, 0x900);
    run_done(g);
    eq_hex(g->s.efer, 0xd00);
    wrmsr(0x277, 0x02);
    expect_fault(13, 0, CODE, K64);
    wrmsr(0x12345, 0);
    expect_fault(13, 0, CODE, K64);
    wrmsr(0x8b, 0);
    run_done(g);
    wrmsr(0xc0000100, 0xffff900000000000ull);
    run_done(g);
    eq_hex(g->s.seg[SEG_FS].base, 0xffff900000000000ull);
}

Test(sys_long, tsc_aux_is_the_guests_unless_the_host_takes_its_writes)
{
    wrmsr(0xc0000103, 7);
    run_done(g);
    eq_hex(g->s.tsc_aux, 7);
    g->aux_fixed = true;
    wrmsr(0xc0000103, 9);
    run_done(g);
    eq_hex(g->s.tsc_aux, 7);
}

Test(sys_long, tsc_write_sets_the_offset)
{
    wrmsr(0x10, 0x123456789abull);
    run_done(g);
    eq_hex((uint64_t)g->s.tsc_offset + g->tsc, 0x123456789abull);
}

Test(sys_long, paging_cant_be_left_from_64_bit_code)
{
    LOAD(g, c64_mov_cr0);
    R(RAX) = 0x10011;
    expect_fault(13, 0, CODE, K64);
    guest_long(g);
    R(RAX) = 0x180010011ull;
    expect_fault(13, 0, CODE, K64);
}

Test(sys_long, cr3_beyond_the_address_width_is_gp)
{
    LOAD(g, c64_mov_cr3);
    R(RAX) = 1ull << 45 | PML4_AT;
    expect_fault(13, 0, CODE, K64);
}

Test(sys_long, cr8_goes_to_the_host)
{
    LOAD(g, c64_cr8);
    R(RAX) = 9;
    run_done(g);
    eq_hex(R(RBX), 5);
    eq_hex(g->io[0].value, 9);
    guest_long(g);
    R(RAX) = 16;
    expect_fault(13, 0, CODE, K64);
}

Test(sys_long, cpuid_shows_osxsave)
{
    LOAD(g, c64_cpuid);
    R(RAX) = 1;
    run_done(g);
    eq_hex(R(RCX) >> 27 & 1, 0);
    guest_long(g);
    g->s.cr4 |= 0x40000;
    R(RAX) = 1;
    run_done(g);
    eq_hex(R(RCX) >> 27 & 1, 1);
}

Test(sys_long, xsetbv_checks_its_bits)
{
    LOAD(g, c64_xsetbv);
    g->s.cr4 |= 0x40000;
    R(RAX) = 2;
    expect_fault(13, 0, CODE, K64);
    guest_long(g);
    g->s.cr4 |= 0x40000;
    R(RAX) = 3;
    run_done(g);
    eq_hex(R(RAX), 3);
    eq_hex(g->s.xcr0, 3);
}

/* int 80h from ring 3; the handler, in a page as flat as the caller's, loads from the supervisor's page. */
Test(sys_long, a_gates_handler_may_read_what_is_the_supervisors)
{
    static const uint8_t user[] = { 0xcd, 0x80 }, handler[] = { 0x48, 0x8b, 0x03, 0xf4 };

    guest_code(g, CODE, user, sizeof user);
    guest_code(g, CODE_B, handler, sizeof handler);
    idt_gate(g, 0x80, K64, CODE_B, 14, 3, 0);
    ram_put(g, 0x83000, 8, 77);
    page_flags(g, 0x83000, 3);
    guest_user(g);
    R(RBX) = 0x83000;
    run_to(g, CODE_B + 3);
    eq_hex(R(RAX), 77);
}

Test(sys_long, smap_and_its_override)
{
    LOAD(g, c64_stac);
    g->s.cr4 |= 0x200000;
    page_flags(g, 0x83000, 7);
    R(RBX) = 0x83000;
    for (uint64_t at = 0; at < 0x40000; at += 4096)
        page_flags(g, at, 3);
    expect_fault(14, 1, CODE, K64);
    guest_long(g);
    g->s.cr4 |= 0x200000;
    ram_put(g, 0x83000, 8, 77);
    R(RBX) = 0x83000;
    LOAD(g, c64_stac_load);
    run_done(g);
    eq_hex(R(RCX), 77);
    eq_hex(g->s.rflags & F_AC, 0);
}

Test(sys_long, sgdt_stores_ten_bytes_and_lgdt_takes_them)
{
    LOAD(g, c64_sgdt);
    R(RBX) = 0x30000;
    run_done(g);
    eq_hex(ram16(g, 0x30000), GDT_BYTES - 1);
    eq_hex(ram64(g, 0x30002), GDT_AT);
    eq_hex(g->s.gdt_base, GDT_AT);
}

Test(sys_long, alignment_check_in_ring_3)
{
    static const uint8_t load[] = { 0x48, 0x8b, 0x03, 0xcd, 0x80 };

    user64(load, sizeof load);
    R(RBX) = 0x30001;
    g->s.cr0 |= 0x40000;
    g->s.rflags |= F_AC;
    expect_fault(17, 0, CODE, U64 | 3);
}

/* A page where no memory is, read twice; then it is memory, and the entry has to go. */
Test(sys_long, invlpg_forgets_a_page_without_memory)
{
    static const uint8_t code[] = {
        0x8b, 0x04, 0x25, 0, 0, 6, 0,                           /* mov eax, [60000h] */
        0x8b, 0x14, 0x25, 4, 0, 6, 0,                           /* mov edx, [60004h] */
        0x48, 0xc7, 0x04, 0x25, 0, 0x93, 0, 0, 3, 0, 6, 0,      /* mov qword [9300h], 60003h */
        0x0f, 0x01, 0x3c, 0x25, 0, 0, 6, 0,                     /* invlpg [60000h] */
        0x8b, 0x1c, 0x25, 0, 0, 6, 0, 0xf4 };                   /* mov ebx, [60000h]; hlt */

    guest_code(g, CODE, code, sizeof code);
    ram_put(g, PT_AT + 0x60 * 8, 8, 0x40000003);
    ram_put(g, 0x60000, 4, 0x12345678);
    run_done(g);
    eq_hex(g->s.gpr[0], 0xffffffff);
    eq_hex(g->s.gpr[2], 0xffffffff);
    eq_hex(g->s.gpr[3], 0x12345678);
}

Test(sys_long, what_may_be_read_of_a_device_may_not_be_written_for_that)
{
    static const uint8_t code[] = {
        0x8b, 0x04, 0x25, 0, 0, 6, 0,                           /* mov eax, [60000h] */
        0x89, 0x04, 0x25, 0, 0, 6, 0, 0xf4 };                   /* mov [60000h], eax; hlt */

    g->s.cr0 |= 0x10000;
    guest_code(g, CODE, code, sizeof code);
    ram_put(g, PT_AT + 0x60 * 8, 8, 0x40000001);
    run_to_vector(g, 14);
    eq_hex(g->s.cr2, 0x60000);
}
