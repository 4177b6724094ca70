/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pic_test.c - the 8259 pair and the wiring to it. */
#include "tests/hvm/rig.h"

static Rig *r;

static void setup(void)
{
    r = rig_new(1);
    rig_pic_setup(r);
}

static void teardown(void)
{
    rig_free(r);
}

static int take(unsigned irq)
{
    platform_set_isa_irq(r->p, irq, true);
    return platform_irq_ack(r->p, 0);
}

static uint8_t isr(uint16_t port)
{
    rig_out(r, port, 0x0b);
    return rig_in(r, port);
}

TestSuite(pic, .init = setup, .fini = teardown);

Test(pic, vectors_come_from_icw2_of_each_chip)
{
    cr_assert_eq(take(1), 0x21);
    rig_out(r, PORT_PIC0, 0x20);
    cr_assert_eq(take(12), 0x2c);
    cr_assert_eq(isr(PORT_PIC0), 1 << 2);
    cr_assert_eq(isr(PORT_PIC1), 1 << 4);
}

Test(pic, in_service_input_blocks_lower_ones_until_eoi)
{
    cr_assert_eq(take(3), 0x23);
    platform_set_isa_irq(r->p, 5, true);
    cr_assert_not(platform_irq_pending(r->p, 0));
    platform_set_isa_irq(r->p, 1, true);
    cr_assert_eq(platform_irq_ack(r->p, 0), 0x21);
    rig_out(r, PORT_PIC0, 0x20);
    cr_assert_not(platform_irq_pending(r->p, 0));
    rig_out(r, PORT_PIC0, 0x20);
    cr_assert_eq(platform_irq_ack(r->p, 0), 0x25);
}

Test(pic, request_that_goes_away_is_spurious)
{
    platform_set_isa_irq(r->p, 5, true);
    cr_assert(platform_irq_pending(r->p, 0));
    platform_set_isa_irq(r->p, 5, false);
    cr_assert_not(platform_irq_pending(r->p, 0));
    cr_assert_eq(isr(PORT_PIC0), 0);
}

Test(pic, edge_input_fires_once_and_level_input_again)
{
    cr_assert_eq(take(5), 0x25);
    rig_out(r, PORT_PIC0, 0x20);
    cr_assert_not(platform_irq_pending(r->p, 0));
    platform_set_isa_irq(r->p, 5, false);
    rig_out(r, PORT_ELCR, 0xff);
    cr_assert_eq(rig_in(r, PORT_ELCR), 0xf8);
    cr_assert_eq(take(5), 0x25);
    rig_out(r, PORT_PIC0, 0x20);
    cr_assert_eq(platform_irq_ack(r->p, 0), 0x25);
}

Test(pic, mask_holds_a_request_back)
{
    rig_out(r, PORT_PIC0 + 1, 0x20);
    platform_set_isa_irq(r->p, 5, true);
    cr_assert_not(platform_irq_pending(r->p, 0));
    rig_out(r, PORT_PIC0 + 1, 0);
    cr_assert(platform_irq_pending(r->p, 0));
}

Test(pic, automatic_eoi_leaves_nothing_in_service)
{
    rig_out(r, PORT_PIC0, 0x11);
    rig_out(r, PORT_PIC0 + 1, 0x20);
    rig_out(r, PORT_PIC0 + 1, 4);
    rig_out(r, PORT_PIC0 + 1, 3);
    rig_out(r, PORT_PIC0 + 1, 0);
    cr_assert_eq(take(4), 0x24);
    cr_assert_eq(isr(PORT_PIC0), 0);
}

Test(pic, rotation_makes_the_served_input_lowest)
{
    cr_assert_eq(take(3), 0x23);
    rig_out(r, PORT_PIC0, 0xa0);        /* rotate on non-specific EOI: now 4 is the top */
    platform_set_isa_irq(r->p, 3, false);
    platform_set_isa_irq(r->p, 3, true);
    platform_set_isa_irq(r->p, 4, true);
    cr_assert_eq(platform_irq_ack(r->p, 0), 0x24);
}

Test(pic, special_mask_lets_lower_inputs_through)
{
    cr_assert_eq(take(3), 0x23);
    platform_set_isa_irq(r->p, 5, true);
    rig_out(r, PORT_PIC0 + 1, 1 << 3);
    rig_out(r, PORT_PIC0, 0x68);
    cr_assert_eq(platform_irq_ack(r->p, 0), 0x25);
}

Test(pic, poll_acknowledges_one_chip)
{
    platform_set_isa_irq(r->p, 6, true);
    rig_out(r, PORT_PIC0, 0x0c);
    cr_assert_eq(rig_in(r, PORT_PIC0), 0x86);
    cr_assert_eq(isr(PORT_PIC0), 1 << 6);
}

Test(pic, pci_wire_reaches_the_isa_line_of_its_link)
{
    rig_out(r, PORT_ELCR, 0x20);
    platform_set_link_route(r->p, PCI_LINK(4, 0), 5);
    platform_set_pci_intx(r->p, 4, 0, true);
    platform_set_pci_intx(r->p, 4, 0, true);
    platform_set_pci_intx(r->p, 8, 0, true);    /* same link */
    cr_assert_eq(platform_irq_ack(r->p, 0), 0x25);
    platform_set_pci_intx(r->p, 4, 0, false);
    rig_out(r, PORT_PIC0, 0x20);
    cr_assert(platform_irq_pending(r->p, 0));
    platform_set_pci_intx(r->p, 8, 0, false);
    cr_assert_not(platform_irq_pending(r->p, 0));
}

Test(pic, moved_link_moves_the_asserted_level)
{
    rig_out(r, PORT_ELCR, 0x20);
    rig_out(r, PORT_ELCR + 1, 0x08);
    platform_set_link_route(r->p, 0, 5);
    platform_set_pci_intx(r->p, 4, 0, true);
    platform_set_link_route(r->p, 0, 11);
    cr_assert_eq(platform_irq_ack(r->p, 0), 0x2b);
    platform_set_link_route(r->p, 0, 128);
    rig_out(r, PORT_PIC1, 0x20);
    rig_out(r, PORT_PIC0, 0x20);
    cr_assert_not(platform_irq_pending(r->p, 0));
}

Test(pic, is_heard_through_ioapic_pin_0_with_lint0_masked)
{
    rig_set_apic(r, 0, 0x350, 0x10700);
    platform_set_isa_irq(r->p, 1, true);
    cr_assert_not(platform_irq_pending(r->p, 0));
    rig_set_rte(r, 0, 0x700);
    cr_assert(platform_irq_pending(r->p, 0));
    cr_assert_eq(platform_irq_ack(r->p, 0), 0x21);
}

Test(pic, is_heard_with_the_lapic_off)
{
    rig_set_apic(r, 0, 0x350, 0x10700);
    cr_assert(platform_msr_write(r->p, 0, 0x1b, PC_LAPIC_BASE | 0x100));
    platform_set_isa_irq(r->p, 1, true);
    cr_assert_eq(platform_irq_ack(r->p, 0), 0x21);
}

Test(pic, upcall_vector_comes_first_and_leaves_no_trace)
{
    platform_set_isa_irq(r->p, 1, true);
    r->upcall = 0xf3;
    cr_assert_eq(platform_irq_ack(r->p, 0), 0xf3);
    r->upcall = -1;
    cr_assert_eq(platform_irq_ack(r->p, 0), 0x21);
    cr_assert_eq(rig_apic(r, 0, 0x170), 0);
}

/* A DOS-time handler: FERR# comes as IRQ 13, the handler writes 0 to port F0h and sends two EOIs. */
Test(pic, coprocessor_error_is_irq_13_until_the_handler_writes_f0)
{
    rig_out(r, 0xf0, 1);
    cr_assert(platform_irq_pending(r->p, 0));
    cr_assert_eq(platform_irq_ack(r->p, 0), 0x2d);
    rig_out(r, 0xf0, 0);
    rig_out(r, 0xa0, 0x20);
    rig_out(r, 0x20, 0x20);
    cr_assert_not(platform_irq_pending(r->p, 0));
    rig_out(r, 0xf0, 1);
    cr_assert_eq(platform_irq_ack(r->p, 0), 0x2d);
}
