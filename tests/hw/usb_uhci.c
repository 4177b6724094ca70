/* SPDX-License-Identifier: GPL-2.0-or-later */
/* usb_uhci.c - the host controller: registers, ports, schedule, time. */
#include "tests/hw/usb_rig.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static bool irq(UsbRig *r) { return r->f->intx[RIG_DEVFN][3]; }

Test(uhci, configuration_space_is_that_of_the_82371sb)
{
    UsbRig *r = rig_new();

    cr_assert_eq(pci_bus_read(&r->f->bus, RIG_DEVFN, 0, 4), 0x70208086);
    cr_assert_eq(pci_bus_read(&r->f->bus, RIG_DEVFN, 8, 4), 0x0c030001);
    cr_assert_eq(pci_bus_read(&r->f->bus, RIG_DEVFN, 0x3d, 1), 4);
    cr_assert_eq(pci_bus_read(&r->f->bus, RIG_DEVFN, 0x60, 1), 0x10);
    cr_assert_eq(pci_bus_read(&r->f->bus, RIG_DEVFN, 0xc0, 2), 0x2000);
    pci_bus_write(&r->f->bus, RIG_DEVFN, 0x20, 4, 0xffffffff);
    cr_assert_eq(pci_bus_read(&r->f->bus, RIG_DEVFN, 0x20, 4), 0xffffffe1);
    rig_free(r);
}

Test(uhci, registers_have_their_reset_values_and_masks)
{
    UsbRig *r = rig_new();

    rig_out(r, USBCMD, CMD_HCRESET);
    cr_assert_eq(rig_in(r, USBCMD), 0);
    cr_assert_eq(rig_in(r, USBSTS), STS_HALTED);
    cr_assert_eq(rig_in(r, USBINTR), 0);
    cr_assert_eq(rig_in(r, FRNUM), 0);
    cr_assert_eq(fake_in8(r->f, RIG_PORT + SOFMOD), 0x40);
    cr_assert_eq(rig_in(r, PORTSC1), 0x80);
    cr_assert_eq(rig_in(r, PORTSC2), 0x80);
    rig_out(r, USBINTR, 0xffff);
    cr_assert_eq(rig_in(r, USBINTR), 0x0f);
    rig_out(r, FRNUM, 0xffff);
    cr_assert_eq(rig_in(r, FRNUM), 0x7ff);
    fake_out32(r->f, RIG_PORT + FLBASEADD, 0xffffffff);
    cr_assert_eq(fake_in32(r->f, RIG_PORT + FLBASEADD), 0xfffff000);
    fake_out8(r->f, RIG_PORT + SOFMOD, 0xff);
    cr_assert_eq(fake_in8(r->f, RIG_PORT + SOFMOD), 0x7f);
    cr_assert_eq(rig_in(r, 0x14), 0xffff, "there is no third port");
    rig_free(r);
}

Test(uhci, frame_number_follows_the_clock_and_sof_modify)
{
    UsbRig *r = rig_new();

    rig_run(r);
    rig_frames(r, 10);
    cr_assert_eq(rig_in(r, FRNUM), 10);
    rig_frames(r, 5000);
    cr_assert_eq(rig_in(r, FRNUM), 5010 & 0x7ff, "also when it has been idle for long");
    rig_out(r, FRNUM, 3);
    cr_assert_eq(rig_in(r, FRNUM), 5010 & 0x7ff, "not writable while running");
    rig_out(r, USBCMD, 0);
    rig_out(r, FRNUM, 0);
    fake_out8(r->f, RIG_PORT + SOFMOD, 0x7f);
    rig_run(r);
    fake_advance(r->f, 12063 * 1000LL / 12 * 100 + 10);
    cr_assert_eq(rig_in(r, FRNUM), 100);
    rig_free(r);
}

Test(uhci, stopped_controller_has_no_timer_and_an_idle_one_few)
{
    UsbRig *r = rig_new();
    unsigned fires = 0;

    cr_assert_eq(timer_queue_next(&r->f->m.timers), INT64_MAX);
    rig_plug(r, &usb_tablet_class, NULL);
    rig_enumerate(r, 0, 5, false);
    rig_td(r, RIG_TD, RIG_END, RIG_ACTIVE, USB_PID_IN, 5, 1, 8, RIG_DATA);
    rig_poke(r, RIG_QH + 4, RIG_TD);
    rig_frames(r, 2000);
    for (int64_t end = r->f->now + NS_PER_S; timer_queue_next(&r->f->m.timers) < end; fires++) {
        r->f->now = timer_queue_next(&r->f->m.timers);
        timer_queue_run(&r->f->m.timers, r->f->now);
    }
    cr_assert_leq(fires, 40, "%u timers a second for a tablet that lies still", fires);
    rig_out(r, USBCMD, 0);
    cr_assert_eq(timer_queue_next(&r->f->m.timers), INT64_MAX);
    rig_free(r);
}

Test(uhci, news_of_a_device_end_idleness_within_a_frame)
{
    UsbRig *r = rig_new();

    rig_plug(r, &usb_tablet_class, NULL);
    rig_enumerate(r, 0, 5, false);
    rig_td(r, RIG_TD, RIG_END, RIG_ACTIVE | RIG_IOC, USB_PID_IN, 5, 1, 8, RIG_DATA);
    rig_poke(r, RIG_QH + 4, RIG_TD);
    rig_out(r, USBINTR, INTR_IOC);
    rig_frames(r, 3000);
    cr_assert(rig_peek(r, RIG_TD + 4) & RIG_ACTIVE);
    input_place(r->input, 0x1234, 0x4321, 0, 0);
    rig_frames(r, 2);
    cr_assert_not(rig_peek(r, RIG_TD + 4) & RIG_ACTIVE);
    cr_assert(irq(r));
    rig_free(r);
}

Test(uhci, a_register_access_brings_an_idle_schedule_up_to_date)
{
    UsbRig *r = rig_new();

    rig_run(r);
    rig_frames(r, 3000);
    rig_td(r, RIG_TD, RIG_END, RIG_IOC, USB_PID_IN, 5, 1, 8, RIG_DATA);
    rig_poke(r, RIG_QH + 4, RIG_TD);
    fake_advance(r->f, 0);
    r->f->now += 2 * NS_PER_MS;
    cr_assert(rig_in(r, USBSTS) & STS_USBINT);
    rig_free(r);
}

Test(uhci, port_reports_connection_speed_and_changes)
{
    UsbRig *r = rig_new();
    Device *tablet, *mouse;

    tablet = rig_plug(r, &usb_tablet_class, "1");
    mouse = rig_plug(r, &usb_mouse_class, "2");
    cr_assert(tablet && mouse);
    cr_assert_null(rig_plug(r, &usb_mouse_class, "2"), "taken");
    cr_assert_null(rig_plug(r, &usb_mouse_class, NULL), "none free");
    cr_assert_eq(rig_in(r, PORTSC1), 0x80 | PORT_CONNECT | PORT_CONNECT_CHANGE | PORT_DPLUS);
    cr_assert_eq(rig_in(r, PORTSC2), 0x80 | PORT_CONNECT | PORT_CONNECT_CHANGE | PORT_DMINUS |
                                     PORT_LOW_SPEED);
    rig_out(r, PORTSC1, PORT_CONNECT_CHANGE);
    cr_assert_eq(rig_in(r, PORTSC1), 0x80 | PORT_CONNECT | PORT_DPLUS);
    rig_open_port(r, 0);
    cr_assert_eq(rig_in(r, PORTSC1), 0x80 | PORT_CONNECT | PORT_DPLUS | PORT_ENABLE);
    g_ptr_array_remove(r->f->m.devices, tablet);
    cr_assert_eq(rig_in(r, PORTSC1), 0x80 | PORT_CONNECT_CHANGE | PORT_ENABLE_CHANGE);
    rig_out(r, PORTSC1, PORT_ENABLE);
    cr_assert_not(rig_in(r, PORTSC1) & PORT_ENABLE, "nothing there to enable");
    rig_free(r);
}

Test(uhci, port_in_reset_is_closed_and_the_device_forgets_its_address)
{
    UsbRig *r = rig_new();
    UsbDevice *u = (UsbDevice *)rig_plug(r, &usb_tablet_class, "1");

    rig_enumerate(r, 0, 5, false);
    cr_assert_eq(u->address, 5);
    rig_out(r, PORTSC1, PORT_RESET | PORT_ENABLE);
    cr_assert_eq(rig_in(r, PORTSC1) & (PORT_ENABLE | PORT_RESET | PORT_DPLUS), PORT_RESET);
    cr_assert_eq(u->address, 0);
    cr_assert_eq(u->configuration, 0);
    rig_free(r);
}

Test(uhci, suspended_port_passes_nothing_and_wakes_by_remote_wakeup)
{
    UsbRig *r = rig_new();

    rig_plug(r, &usb_tablet_class, "1");
    rig_enumerate(r, 0, 5, false);
    cr_assert_eq(rig_packet(r, USB_PID_IN, 5, 1, NULL, 8, false) & (RIG_ACTIVE | RIG_NAK),
                 RIG_ACTIVE | RIG_NAK);
    rig_control(r, 5, false, 0, USB_SET_FEATURE, 1, 0, 0, NULL);
    rig_out(r, PORTSC1, PORT_ENABLE | PORT_SUSPEND);
    cr_assert(rig_in(r, PORTSC1) & PORT_SUSPEND);
    cr_assert(rig_packet(r, USB_PID_IN, 5, 1, NULL, 8, false) & RIG_TIMEOUT);
    cr_assert_not(rig_in(r, PORTSC1) & PORT_RESUME);
    input_place(r->input, 5, 5, 0, 0);
    cr_assert(rig_in(r, PORTSC1) & PORT_RESUME);
    rig_out(r, PORTSC1, PORT_ENABLE | PORT_SUSPEND);
    cr_assert_eq(rig_in(r, PORTSC1) & (PORT_SUSPEND | PORT_RESUME | PORT_ENABLE), PORT_ENABLE);
    cr_assert_eq(rig_len(rig_packet(r, USB_PID_IN, 5, 1, NULL, 8, false)), 6);
    rig_free(r);
}

Test(uhci, sleeping_bus_wakes_by_a_plug_and_interrupts)
{
    UsbRig *r = rig_new();

    rig_out(r, USBINTR, INTR_RESUME);
    rig_out(r, USBCMD, CMD_EGSM);
    rig_plug(r, &usb_tablet_class, "1");
    cr_assert(rig_in(r, USBSTS) & STS_RESUME);
    cr_assert(rig_in(r, USBCMD) & CMD_FGR);
    cr_assert(irq(r));
    rig_out(r, USBSTS, STS_RESUME);
    cr_assert_not(irq(r));
    rig_free(r);
}

Test(uhci, controller_reset_looks_like_replugging_and_global_reset_resets_devices)
{
    UsbRig *r = rig_new();
    UsbDevice *u = (UsbDevice *)rig_plug(r, &usb_tablet_class, "1");

    rig_enumerate(r, 0, 5, false);
    rig_out(r, USBCMD, CMD_HCRESET);
    cr_assert_eq(rig_in(r, PORTSC1), 0x80 | PORT_CONNECT | PORT_CONNECT_CHANGE | PORT_DPLUS |
                                     PORT_ENABLE_CHANGE);
    cr_assert_eq(u->address, 5);
    rig_out(r, USBCMD, CMD_GRESET);
    cr_assert_eq(rig_in(r, USBCMD), CMD_GRESET);
    cr_assert_eq(u->address, 0);
    rig_out(r, USBINTR, 15);
    cr_assert_eq(rig_in(r, USBINTR), 0, "held in reset");
    rig_out(r, USBCMD, 0);
    rig_out(r, USBINTR, 15);
    cr_assert_eq(rig_in(r, USBINTR), 15);
    rig_free(r);
}

Test(uhci, absent_device_times_out_three_times_and_stalls_with_an_error_interrupt)
{
    UsbRig *r = rig_new();

    rig_out(r, USBINTR, INTR_TIMEOUT_CRC);
    rig_run(r);
    rig_td(r, RIG_TD, RIG_END, RIG_ACTIVE | RIG_ERRORS, USB_PID_IN, 9, 0, 8, RIG_DATA);
    rig_poke(r, RIG_QH + 4, RIG_TD);
    rig_frames(r, 1);
    cr_assert_eq(rig_peek(r, RIG_TD + 4) & (RIG_ERRORS | RIG_ACTIVE | RIG_TIMEOUT),
                 1 << 27 | RIG_ACTIVE | RIG_TIMEOUT);
    cr_assert_not(irq(r));
    rig_frames(r, 2);
    cr_assert_eq(rig_peek(r, RIG_TD + 4) & (RIG_ERRORS | RIG_ACTIVE | RIG_TIMEOUT | RIG_STALLED),
                 RIG_TIMEOUT | RIG_STALLED);
    cr_assert(rig_in(r, USBSTS) & STS_ERROR);
    cr_assert(irq(r));
    cr_assert_eq(rig_peek(r, RIG_QH + 4), RIG_TD, "the queue stays at the failed descriptor");
    rig_free(r);
}

Test(uhci, speed_of_the_descriptor_must_be_the_devices)
{
    UsbRig *r = rig_new();

    rig_plug(r, &usb_mouse_class, "1");
    rig_run(r);
    rig_open_port(r, 0);
    cr_assert_eq(rig_control(r, 0, false, 0x80, USB_GET_DESCRIPTOR, 0x100, 0, 8, NULL), -2);
    cr_assert_eq(rig_control(r, 0, true, 0x80, USB_GET_DESCRIPTOR, 0x100, 0, 8, NULL), 8);
    rig_free(r);
}

Test(uhci, depth_first_goes_down_and_breadth_first_across)
{
    for (unsigned depth = 0; depth <= RIG_DEPTH; depth += RIG_DEPTH) {
        UsbRig *r = rig_new();

        rig_plug(r, &usb_tablet_class, "1");
        rig_enumerate(r, 0, 5, false);
        memcpy(r->f->ram + RIG_SETUP, "\x80\x06\x00\x01\x00\x00\x12\x00", 8);
        rig_td(r, RIG_TD, (RIG_TD + 0x10) | depth, RIG_ACTIVE, USB_PID_SETUP, 5, 0, 8, RIG_SETUP);
        for (unsigned i = 1; i < 4; i++) {
            rig_td(r, RIG_TD + 0x10 * i, i == 3 ? RIG_END : (RIG_TD + 0x10 * (i + 1)) | depth,
                   RIG_ACTIVE, USB_PID_IN, 5, 0, 8, RIG_DATA + 8 * (i - 1));
        }
        rig_poke(r, RIG_QH + 4, RIG_TD);
        rig_frames(r, 1);
        cr_assert_eq(rig_peek(r, RIG_QH + 4), depth ? RIG_END : RIG_TD + 0x10 * 1, "%u", depth);
        rig_frames(r, 4);
        cr_assert_eq(rig_peek(r, RIG_QH + 4), RIG_END);
        cr_assert_eq(r->f->ram[RIG_DATA], 18);
        cr_assert_eq(r->f->ram[RIG_DATA + 17], 1);
        rig_free(r);
    }
}

Test(uhci, short_packet_stops_its_queue_and_interrupts_if_wanted)
{
    UsbRig *r = rig_new();

    rig_plug(r, &usb_tablet_class, "1");
    rig_enumerate(r, 0, 5, false);
    rig_out(r, USBINTR, INTR_SHORT);
    input_place(r->input, 1, 1, 0, 0);
    rig_packet(r, USB_PID_IN, 5, 1, NULL, 8, false);
    input_place(r->input, 2, 2, 0, 0);
    rig_td(r, RIG_TD, RIG_END, RIG_ACTIVE | RIG_SPD, USB_PID_IN, 5, 1, 8, RIG_DATA);
    rig_poke(r, RIG_QH + 4, RIG_TD);
    rig_frames(r, 2);
    cr_assert_eq(rig_len(rig_peek(r, RIG_TD + 4)), 6);
    cr_assert_eq(rig_peek(r, RIG_QH + 4), RIG_TD);
    cr_assert(irq(r));
    rig_out(r, USBSTS, STS_USBINT);
    cr_assert_not(irq(r));
    rig_free(r);
}

Test(uhci, bus_mastering_off_means_that_nothing_is_fetched)
{
    UsbRig *r = rig_new();

    pci_bus_write(&r->f->bus, RIG_DEVFN, 4, 2, 1);
    rig_td(r, RIG_TD, RIG_END, RIG_IOC, USB_PID_IN, 5, 1, 8, RIG_DATA);
    rig_poke(r, RIG_QH + 4, RIG_TD);
    rig_run(r);
    rig_frames(r, 10);
    cr_assert_eq(rig_in(r, USBSTS), 0);
    cr_assert_eq(rig_in(r, FRNUM), 10);
    rig_free(r);
}

Test(uhci, single_step_stops_after_each_transaction)
{
    UsbRig *r = rig_new();

    rig_plug(r, &usb_tablet_class, "1");
    rig_enumerate(r, 0, 5, false);
    rig_out(r, USBCMD, 0);
    memcpy(r->f->ram + RIG_SETUP, "\x80\x06\x00\x01\x00\x00\x12\x00", 8);
    rig_td(r, RIG_TD, (RIG_TD + 0x10) | RIG_DEPTH, RIG_ACTIVE, USB_PID_SETUP, 5, 0, 8, RIG_SETUP);
    rig_td(r, RIG_TD + 0x10, RIG_END, RIG_ACTIVE, USB_PID_IN, 5, 0, 8, RIG_DATA);
    rig_poke(r, RIG_QH + 4, RIG_TD);
    rig_out(r, USBCMD, CMD_RS | CMD_SWDBG);
    rig_frames(r, 3);
    cr_assert(rig_in(r, USBSTS) & STS_HALTED);
    cr_assert_eq(rig_peek(r, RIG_QH + 4), (RIG_TD + 0x10) | RIG_DEPTH);
    rig_out(r, USBCMD, CMD_RS | CMD_SWDBG);
    rig_frames(r, 3);
    cr_assert_eq(rig_peek(r, RIG_QH + 4), RIG_END);
    rig_free(r);
}

Test(uhci, interrupt_needs_its_enable_in_the_legacy_register)
{
    UsbRig *r = rig_new();

    rig_out(r, USBINTR, INTR_IOC);
    rig_run(r);
    rig_td(r, RIG_TD, RIG_END, RIG_IOC, USB_PID_IN, 5, 1, 8, RIG_DATA);
    rig_poke(r, RIG_QH + 4, RIG_TD);
    pci_bus_write(&r->f->bus, RIG_DEVFN, 0xc0, 2, 0);
    rig_frames(r, 2);
    cr_assert_not(irq(r));
    cr_assert_eq(pci_bus_read(&r->f->bus, RIG_DEVFN, 0xc0, 2), 0x1000, "wants one");
    pci_bus_write(&r->f->bus, RIG_DEVFN, 0xc0, 2, 0x2000);
    cr_assert(irq(r));
    rig_free(r);
}
