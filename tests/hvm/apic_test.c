/* SPDX-License-Identifier: GPL-2.0-or-later */
/* apic_test.c - local APICs, their messages, the I/O APIC. */
#include "tests/hvm/rig.h"

enum { TPR = 0x80, PPR = 0xa0, EOI = 0xb0, LDR = 0xd0, DFR = 0xe0, SVR = 0xf0, ESR = 0x280,
       ICR = 0x300, ICR2 = 0x310, LVTT = 0x320, LINT0 = 0x350, LVTERR = 0x370, TMICT = 0x380,
       TMCCT = 0x390, TDCR = 0x3e0 };

static Rig *r;

static void setup(void)
{
    r = rig_new(4);
    for (unsigned i = 0; i < 4; i++) {
        rig_set_apic(r, i, SVR, 0x1ff);
    }
}

static void teardown(void)
{
    rig_free(r);
}

TestSuite(apic, .init = setup, .fini = teardown);

Test(apic, ids_are_twice_the_vcpu)
{
    cr_assert_eq(rig_apic(r, 3, 0x20), 6u << 24);
    cr_assert_eq(rig_apic(r, 0, 0x30), 0x50014);
}

Test(apic, highest_vector_first_and_eoi_opens_the_next)
{
    platform_lapic_vector(r->p, 0, 0x31);
    platform_lapic_vector(r->p, 0, 0x52);
    cr_assert_eq(platform_irq_ack(r->p, 0), 0x52);
    cr_assert_eq(rig_apic(r, 0, PPR), 0x50);
    cr_assert_not(platform_irq_pending(r->p, 0));
    rig_set_apic(r, 0, EOI, 0);
    cr_assert_eq(platform_irq_ack(r->p, 0), 0x31);
}

Test(apic, task_priority_holds_back_its_class_and_below)
{
    platform_cr8_write(r->p, 0, 4);
    cr_assert_eq(rig_apic(r, 0, TPR), 0x40);
    platform_lapic_vector(r->p, 0, 0x4f);
    cr_assert_not(platform_irq_pending(r->p, 0));
    cr_assert_not(platform_irq_hint(r->p, 0));
    platform_cr8_write(r->p, 0, 3);
    cr_assert(platform_irq_hint(r->p, 0));
    cr_assert_eq(platform_irq_ack(r->p, 0), 0x4f);
}

Test(apic, software_disabled_takes_no_vectors_and_masks_lvts)
{
    rig_set_apic(r, 0, LINT0, 0x700);
    rig_set_apic(r, 0, SVR, 0xff);
    cr_assert_eq(rig_apic(r, 0, LINT0), 0x10700);
    platform_lapic_vector(r->p, 0, 0x40);
    cr_assert_not(platform_irq_pending(r->p, 0));
}

Test(apic, ipi_reaches_the_named_vcpu_only)
{
    rig_set_apic(r, 0, ICR2, 4u << 24);
    rig_set_apic(r, 0, ICR, 0x4040);
    cr_assert_eq(platform_irq_ack(r->p, 2), 0x40);
    cr_assert_eq(platform_irq_ack(r->p, 1), -1);
}

Test(apic, shorthands_reach_self_all_and_the_others)
{
    rig_set_apic(r, 1, ICR, 0x44041);
    cr_assert_eq(platform_irq_ack(r->p, 1), 0x41);
    rig_set_apic(r, 1, EOI, 0);
    rig_set_apic(r, 1, ICR, 0xc4042);
    cr_assert_eq(platform_irq_ack(r->p, 1), -1);
    cr_assert_eq(platform_irq_ack(r->p, 0), 0x42);
    cr_assert_eq(platform_irq_ack(r->p, 3), 0x42);
    rig_set_apic(r, 1, ICR, 0x84053);
    cr_assert_eq(platform_irq_ack(r->p, 1), 0x53);
    cr_assert_eq(platform_irq_ack(r->p, 3), 0x53);
}

Test(apic, init_and_sipi_reach_the_ap)
{
    rig_set_apic(r, 0, ICR2, 2u << 24);
    rig_set_apic(r, 0, ICR, 0x4500);
    cr_assert_eq(r->inits[1], 1);
    cr_assert_eq(rig_apic(r, 1, SVR), 0xff, "INIT resets the LAPIC");
    rig_set_apic(r, 0, ICR, 0x8500);    /* level de-assert: nothing */
    cr_assert_eq(r->inits[1], 1);
    rig_set_apic(r, 0, ICR, 0x4601);
    cr_assert_eq(r->sipi[1], 1);
    rig_set_apic(r, 0, ICR, 0x4400);
    cr_assert_eq(r->nmis[1], 1);
}

Test(apic, logical_flat_and_cluster_destinations)
{
    for (unsigned i = 0; i < 4; i++) {
        rig_set_apic(r, i, LDR, 1u << (24 + i));
    }
    rig_set_apic(r, 0, ICR2, 0x0au << 24);
    rig_set_apic(r, 0, ICR, 0x4860);
    cr_assert_eq(platform_irq_ack(r->p, 0), -1);
    cr_assert_eq(platform_irq_ack(r->p, 1), 0x60);
    cr_assert_eq(platform_irq_ack(r->p, 3), 0x60);
    for (unsigned i = 0; i < 4; i++) {
        rig_set_apic(r, i, DFR, 0x0fffffff);
        rig_set_apic(r, i, LDR, ((i >> 1) << 4 | 1u << (i & 1)) << 24);
    }
    rig_set_apic(r, 0, ICR2, 0x12u << 24);
    rig_set_apic(r, 0, ICR, 0x4871);
    cr_assert_eq(platform_irq_ack(r->p, 1), -1);
    cr_assert_eq(platform_irq_ack(r->p, 2), -1);
    cr_assert_eq(platform_irq_ack(r->p, 3), 0x71);
}

Test(apic, lowest_priority_picks_the_idlest_then_goes_round)
{
    unsigned taken[4] = { 0 };

    platform_cr8_write(r->p, 0, 5);
    for (unsigned i = 0; i < 6; i++) {
        rig_set_apic(r, 0, ICR2, 0xffu << 24);
        rig_set_apic(r, 0, ICR, 0x4190);
        for (unsigned k = 0; k < 4; k++) {
            if (platform_irq_ack(r->p, k) == 0x90) {
                taken[k]++;
                rig_set_apic(r, k, EOI, 0);
            }
        }
    }
    cr_assert_eq(taken[0], 0);
    cr_assert_eq(taken[1], 2);
    cr_assert_eq(taken[2], 2);
    cr_assert_eq(taken[3], 2);
}

Test(apic, illegal_vectors_with_an_illegal_error_vector_end)
{
    rig_set_apic(r, 0, LVTERR, 5);
    rig_set_apic(r, 0, ICR, 0x44003);
    rig_set_apic(r, 0, ESR, 0);
    cr_assert_eq(rig_apic(r, 0, ESR), 0x60);
    rig_set_apic(r, 0, ESR, 0);
    cr_assert_eq(rig_apic(r, 0, ESR), 0);
    rig_set_apic(r, 0, LVTERR, 0xfe);
    rig_set_apic(r, 0, ICR, 0x44003);
    cr_assert_eq(platform_irq_ack(r->p, 0), 0xfe);
}

Test(apic, one_shot_timer_counts_down_and_fires_once)
{
    rig_set_apic(r, 0, TDCR, 0xb);      /* divide by 1: 10 ns */
    rig_set_apic(r, 0, LVTT, 0x50);
    rig_set_apic(r, 0, TMICT, 100000);
    fake_advance(r->f, 400000);
    cr_assert_eq(rig_apic(r, 0, TMCCT), 60000);
    cr_assert_not(platform_irq_pending(r->p, 0));
    fake_advance(r->f, 600000);
    cr_assert_eq(platform_irq_ack(r->p, 0), 0x50);
    rig_set_apic(r, 0, EOI, 0);
    fake_advance(r->f, 5000000);
    cr_assert_not(platform_irq_pending(r->p, 0));
}

Test(apic, divider_slows_the_timer)
{
    rig_set_apic(r, 0, TDCR, 0x3);      /* by 16 */
    rig_set_apic(r, 0, LVTT, 0x50);
    rig_set_apic(r, 0, TMICT, 1000);
    fake_advance(r->f, 159999);
    cr_assert_not(platform_irq_pending(r->p, 0));
    fake_advance(r->f, 1);
    cr_assert(platform_irq_pending(r->p, 0));
}

Test(apic, periodic_timer_ticks_and_does_not_burst_after_a_stop)
{
    unsigned n = 0;

    rig_set_apic(r, 0, TDCR, 0xb);
    rig_set_apic(r, 0, LVTT, 0x20050);
    rig_set_apic(r, 0, TMICT, 100000);  /* 1 ms */
    for (unsigned i = 0; i < 10; i++) {
        fake_advance(r->f, NS_PER_MS);
        n += platform_irq_ack(r->p, 0) == 0x50;
        rig_set_apic(r, 0, EOI, 0);
    }
    cr_assert_eq(n, 10);
    r->f->now += 3600 * NS_PER_S;       /* the host slept: one run of the queue after an hour */
    timer_queue_run(&r->f->m.timers, r->f->now);
    cr_assert_eq(platform_irq_ack(r->p, 0), 0x50);
    rig_set_apic(r, 0, EOI, 0);
    cr_assert_not(platform_irq_pending(r->p, 0));
}

Test(apic, shortest_period_does_not_hold_the_timer_queue)
{
    rig_set_apic(r, 0, TDCR, 0xb);
    rig_set_apic(r, 0, LVTT, 0x20050);
    rig_set_apic(r, 0, TMICT, 1);
    fake_advance(r->f, 100000);
    cr_assert(timer_queue_next(&r->f->m.timers) > r->f->now);
    cr_assert_leq(rig_apic(r, 0, TMCCT), 1);
}

Test(apic, tsc_deadline_fires_at_its_time)
{
    rig_set_apic(r, 0, LVTT, 0x40060);
    cr_assert(platform_msr_write(r->p, 0, 0x6e0, 2000000)); /* 1 ms at 2 GHz */
    cr_assert_eq(rig_rdmsr(r, 0, 0x6e0), 2000000);
    fake_advance(r->f, 999999);
    cr_assert_not(platform_irq_pending(r->p, 0));
    fake_advance(r->f, 1);
    cr_assert_eq(platform_irq_ack(r->p, 0), 0x60);
    cr_assert_eq(rig_rdmsr(r, 0, 0x6e0), 0);
    rig_set_apic(r, 0, EOI, 0);
    cr_assert(platform_msr_write(r->p, 0, 0x6e0, 1));
    cr_assert_eq(platform_irq_ack(r->p, 0), 0x60, "a deadline in the past fires at once");
    cr_assert(platform_msr_write(r->p, 0, 0x6e0, UINT64_MAX));
    cr_assert(timer_queue_next(&r->f->m.timers) > r->f->now);
}

Test(apic, x2apic_registers_are_msrs_and_the_page_is_gone)
{
    uint64_t v;

    cr_assert(platform_msr_write(r->p, 1, 0x1b, PC_LAPIC_BASE | 0xc00));
    cr_assert_not(platform_lapic_read(r->p, 1, PC_LAPIC_BASE, 4, &v));
    cr_assert_eq(rig_rdmsr(r, 1, 0x802), 2);
    cr_assert_eq(rig_rdmsr(r, 1, 0x80d), 1 << 2);
    cr_assert(platform_msr_write(r->p, 1, 0x830, 4ull << 32 | 0x4070));
    cr_assert_eq(platform_irq_ack(r->p, 2), 0x70);
    cr_assert(platform_msr_write(r->p, 1, 0x83f, 0x71));
    cr_assert_eq(platform_irq_ack(r->p, 1), 0x71);
    cr_assert(platform_msr_write(r->p, 1, 0x80b, 0));
    cr_assert_not(platform_msr_write(r->p, 1, 0x80b, 1));
    cr_assert_not(platform_msr_write(r->p, 1, 0x802, 0));
    cr_assert_not(platform_msr_write(r->p, 1, 0x1b, PC_LAPIC_BASE | 0x800),
                  "no way back to xAPIC but through off");
    for (uint32_t i = 0x840; i < 0xc00; i++) {
        cr_assert_not(platform_msr_read(r->p, 1, i, &v), "MSR %x", i);
        cr_assert_not(platform_msr_write(r->p, 1, i, 0), "MSR %x", i);
    }
}

Test(apic, x2apic_msrs_fault_in_xapic_mode)
{
    uint64_t v;

    cr_assert_not(platform_msr_read(r->p, 0, 0x802, &v));
    cr_assert_not(platform_msr_write(r->p, 0, 0x83f, 0x71));
}

Test(apic, every_offset_and_width_is_answered)
{
    for (unsigned off = 0; off < 4096; off++) {
        for (unsigned size = 1; size <= 8; size *= 2) {
            uint64_t v = 0xdeadbeef;

            if (off + size > 4096) {
                continue;
            }
            cr_assert(platform_lapic_read(r->p, 0, PC_LAPIC_BASE + off, size, &v));
            cr_assert(size >= 8 || v < 1ull << 8 * size);
            cr_assert(platform_lapic_write(r->p, 0, PC_LAPIC_BASE + off, size, UINT64_MAX));
        }
    }
}

Test(apic, msi_is_delivered_and_vector_0_is_refused)
{
    cr_assert(platform_msi(r->p, 0xfee02000, 0x4085));
    cr_assert_eq(platform_irq_ack(r->p, 1), 0x85);
    cr_assert_not(platform_msi(r->p, 0xfee02000, 0));
    cr_assert_not(platform_msi(r->p, 0x12345678, 0x85));
    cr_assert_not(platform_msi(r->p, 0xfee08000, 0x85), "nobody has id 8");
}

/* --- I/O APIC --- */

Test(apic, ioapic_has_48_pins_and_a_settable_id)
{
    rig_set_mmio(r, PC_IOAPIC_BASE, 1);
    cr_assert_eq(rig_mmio(r, PC_IOAPIC_BASE + 0x10), 0x2f0011);
    rig_set_mmio(r, PC_IOAPIC_BASE, 0);
    rig_set_mmio(r, PC_IOAPIC_BASE + 0x10, 1u << 24);
    cr_assert_eq(rig_mmio(r, PC_IOAPIC_BASE + 0x10), 1u << 24);
    rig_set_mmio(r, PC_IOAPIC_BASE, 0x70);
    cr_assert_eq(rig_mmio(r, PC_IOAPIC_BASE + 0x10), 0);
}

Test(apic, edge_pin_fires_on_rising_edges_only)
{
    rig_set_rte(r, 4, 0x44);
    platform_set_isa_irq(r->p, 4, true);
    cr_assert_eq(platform_irq_ack(r->p, 0), 0x44);
    rig_set_apic(r, 0, EOI, 0);
    platform_set_isa_irq(r->p, 4, true);
    cr_assert_not(platform_irq_pending(r->p, 0));
    platform_set_isa_irq(r->p, 4, false);
    platform_set_isa_irq(r->p, 4, true);
    cr_assert_eq(platform_irq_ack(r->p, 0), 0x44);
}

Test(apic, isa_line_0_is_pin_2)
{
    rig_set_rte(r, 2, 0x30);
    platform_set_isa_irq(r->p, 0, true);
    cr_assert_eq(platform_irq_ack(r->p, 0), 0x30);
}

Test(apic, level_pin_repeats_after_eoi_until_released)
{
    unsigned gsi = PCI_GSI(4, 0);

    rig_set_rte(r, gsi, 2ull << 56 | 0xa000 | 0x61);    /* to vCPU 1, level, low */
    platform_set_pci_intx(r->p, 4, 0, true);
    cr_assert_eq(platform_irq_ack(r->p, 1), 0x61);
    cr_assert(rig_rte(r, gsi) & 1 << 14, "remote IRR");
    rig_set_apic(r, 1, EOI, 0);
    cr_assert_eq(platform_irq_ack(r->p, 1), 0x61);
    platform_set_pci_intx(r->p, 4, 0, false);
    rig_set_apic(r, 1, EOI, 0);
    cr_assert_not(platform_irq_pending(r->p, 1));
    cr_assert_not(rig_rte(r, gsi) & 1 << 14);
}

Test(apic, level_that_nobody_clears_leaves_time_for_the_code_it_interrupts)
{
    unsigned times = 0;

    rig_set_rte(r, 20, 0x8062);
    platform_set_gsi(r->p, 20, true);
    while (platform_irq_pending(r->p, 0) && times < 1000) {
        cr_assert_eq(platform_irq_ack(r->p, 0), 0x62);
        rig_set_apic(r, 0, EOI, 0);
        times++;
    }
    cr_assert_eq(times, 100);
    fake_advance(r->f, NS_PER_MS);
    cr_assert_eq(platform_irq_ack(r->p, 0), 0x62, "it comes again");
    rig_set_apic(r, 0, EOI, 0);
    platform_set_gsi(r->p, 20, false);
    platform_set_gsi(r->p, 20, true);
    cr_assert(platform_irq_pending(r->p, 0));
}

Test(apic, level_pin_masked_while_asserted_fires_when_unmasked)
{
    rig_set_rte(r, 20, 0x18062);
    platform_set_gsi(r->p, 20, true);
    cr_assert_not(platform_irq_pending(r->p, 0));
    rig_set_rte(r, 20, 0x8062);
    cr_assert_eq(platform_irq_ack(r->p, 0), 0x62);
}

Test(apic, level_request_waits_for_a_lapic_that_takes_it)
{
    rig_set_apic(r, 0, SVR, 0xff);
    rig_set_rte(r, 20, 0x8063);
    platform_set_gsi(r->p, 20, true);
    cr_assert_not(rig_rte(r, 20) & 1 << 14);
    rig_set_apic(r, 0, SVR, 0x1ff);
    rig_set_apic(r, 0, LINT0, 0x10700);
    cr_assert_eq(platform_irq_ack(r->p, 0), 0x63);
}

Test(apic, level_triggered_init_is_sent_once)
{
    rig_set_rte(r, 20, 2ull << 56 | 0x8500);
    platform_set_gsi(r->p, 20, true);
    cr_assert_eq(r->inits[1], 1);
}

Test(apic, numbers_out_of_range_are_ignored)
{
    platform_set_gsi(r->p, 48, true);
    platform_set_gsi(r->p, ~0u, true);
    platform_set_isa_irq(r->p, 16, true);
    platform_set_pci_intx(r->p, 32, 0, true);
    platform_set_pci_intx(r->p, 0, 4, true);
    platform_set_link_route(r->p, 4, 5);
    platform_lapic_vector(r->p, 99, 0x40);
    cr_assert_not(platform_irq_pending(r->p, 0));
}
