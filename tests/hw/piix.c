/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * piix.c - tests of the small chips: host bridge, ISA bridge, power management, CMOS, firmware
 * ports; as hvmloader and operating systems use them.
 */
#include "hw/chipset.h"
#include "hw/devices.h"
#include "tests/fake_machine.h"
#include <criterion/criterion.h>
#include <string.h>

static Device *make(FakeMachine *f, const DeviceClass *cls, unsigned devfn)
{
    Device *dev = device_new(&f->m, cls);
    GError *error = NULL;

    device_set_pointer(dev, "bus", &f->bus);
    device_set_u64(dev, "devfn", devfn);
    cr_assert(device_init(dev, &error), "%s", error ? error->message : "");
    return dev;
}

static uint32_t cfg(FakeMachine *f, unsigned devfn, unsigned offset, unsigned width)
{
    return pci_bus_read(&f->bus, devfn, offset, width);
}

Test(i440fx, pam_registers_are_storage_and_ids_are_fixed)
{
    FakeMachine *f = fake_machine_new();

    make(f, &i440fx_class, 0);
    pci_bus_write(&f->bus, 0, 0, 4, 0);
    cr_assert_eq(cfg(f, 0, 0, 4), 0x12378086);
    cr_assert_eq(cfg(f, 0, 8, 4) >> 16, 0x0600);
    pci_bus_write(&f->bus, 0, 0x59, 1, 0xff);
    pci_bus_write(&f->bus, 0, 0x5a, 1, 0xff);
    cr_assert_eq(cfg(f, 0, 0x59, 1), 0x30);
    cr_assert_eq(cfg(f, 0, 0x5a, 1), 0x33);
    machine_reset(&f->m);
    cr_assert_eq(cfg(f, 0, 0x5a, 1), 0);
    fake_machine_free(f);
}

Test(piix3, pirq_registers_reset_to_80_and_route_the_links)
{
    static const uint8_t routes[4] = { 5, 10, 11, 5 };
    FakeMachine *f = fake_machine_new();

    make(f, &piix3_class, 8);
    cr_assert_eq(cfg(f, 8, 0, 4), 0x70008086);
    cr_assert_eq(cfg(f, 8, 0x0e, 1), 0x80, "multifunction");
    cr_assert_eq(cfg(f, 8, 0x60, 4), 0x80808080);
    for (unsigned i = 0; i < 4; i++) {
        pci_bus_write(&f->bus, 8, 0x60 + i, 1, routes[i]);
        cr_assert_eq(cfg(f, 8, 0x60 + i, 1), routes[i]);
        cr_assert_eq(f->link_route[i], routes[i]);
    }
    pci_bus_write(&f->bus, 8, 0x61, 1, 0x8a);
    cr_assert_eq(f->link_route[1], 0, "bit 7: not routed");
    machine_reset(&f->m);
    cr_assert_eq(f->link_route[0], 0);
    fake_machine_free(f);
}

Test(piix3, routes_come_back_after_load)
{
    FakeMachine *f = fake_machine_new();
    g_autoptr(GByteArray) state = g_byte_array_new();

    make(f, &piix3_class, 8);
    pci_bus_write(&f->bus, 8, 0x60, 4, 0x050b0a05);
    machine_save(&f->m, state);
    machine_reset(&f->m);
    cr_assert(machine_load(&f->m, state->data, state->len, NULL));
    cr_assert_eq(f->link_route[2], 11);
    fake_machine_free(f);
}

Test(piix3, reset_register_restarts_on_the_rise_of_bit_2)
{
    FakeMachine *f = fake_machine_new();

    make(f, &piix3_class, 8);
    fake_out8(f, 0xcf9, 2);
    cr_assert_eq(f->shutdown, -1);
    fake_out8(f, 0xcf9, 6);
    cr_assert_eq(f->shutdown, SHUTDOWN_REBOOT);
    f->shutdown = -1;
    fake_out8(f, 0xcf9, 6);
    cr_assert_eq(f->shutdown, -1);
    fake_machine_free(f);
}

Test(piix4_pm, is_what_hvmloader_expects)
{
    FakeMachine *f = fake_machine_new();

    make(f, &piix4_pm_class, 11);
    cr_assert_eq(cfg(f, 11, 0, 4), 0x71138086);
    cr_assert_eq(cfg(f, 11, 0x0a, 2), 0x0680);
    pci_bus_write(&f->bus, 11, 0x40, 4, 0xb001);
    cr_assert_eq(cfg(f, 11, 0x40, 4), 0xb001);
    pci_bus_write(&f->bus, 11, 0x80, 1, 1);
    cr_assert_eq(cfg(f, 11, 0x80, 1), 1);
    fake_machine_free(f);
}

Test(piix4_pm, smi_command_switches_sci_en_which_control_writes_keep)
{
    FakeMachine *f = fake_machine_new();

    make(f, &piix4_pm_class, 11);
    cr_assert_eq(fake_in16(f, 0xb004) & 1, 0);
    fake_out8(f, 0xb2, 0xf1);
    cr_assert_eq(fake_in16(f, 0xb004) & 1, 1);
    cr_assert_eq(fake_in16(f, 0x1f44) & 1, 1, "the old port layout shows the same register");
    fake_out16(f, 0xb004, 0x1400);
    cr_assert_eq(fake_in16(f, 0xb004), 0x1401);
    fake_out8(f, 0xb2, 0xf0);
    cr_assert_eq(fake_in16(f, 0xb004) & 1, 0);
    cr_assert_eq(f->shutdown, -1);
    fake_machine_free(f);
}

Test(piix4_pm, sleep_types_power_off_or_suspend)
{
    static const struct { uint16_t port, value; int reason; } cases[] = {
        { 0xb004, 0x2000, SHUTDOWN_POWEROFF }, { 0x1f44, 0x3c00, SHUTDOWN_POWEROFF },
        { 0xb004, 0x2400, SHUTDOWN_SUSPEND }, { 0x1f44, 0x3400, SHUTDOWN_SUSPEND },
        { 0xb004, 0x2800, -1 },
    };
    FakeMachine *f = fake_machine_new();
    Device *cmos = device_create(&f->m, &cmos_class, NULL);
    Device *pm = device_new(&f->m, &piix4_pm_class);

    device_set_pointer(pm, "bus", &f->bus);
    device_set_u64(pm, "devfn", 11);
    device_set_pointer(pm, "cmos", cmos);
    cr_assert(device_init(pm, NULL));
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        f->shutdown = -1;
        cmos_set(cmos, CMOS_SHUTDOWN_STATUS, 0);
        fake_out16(f, cases[i].port, cases[i].value);
        cr_assert_eq(f->shutdown, cases[i].reason, "case %u", i);
        cr_assert_eq(cmos_get(cmos, 0x0f), cases[i].reason == SHUTDOWN_SUSPEND ? 0xfe : 0);
    }
    fake_machine_free(f);
}

Test(piix4_pm, gpe_raises_sci_until_acknowledged)
{
    FakeMachine *f = fake_machine_new();
    Device *pm = make(f, &piix4_pm_class, 11);

    cr_assert_eq(fake_in8(f, 0xaf00), 1, "one vCPU at start");
    piix4_pm_set_vcpus(pm, 11);
    cr_assert_eq(fake_in16(f, 0xaf00), 0x07ff);
    cr_assert(!f->isa[9], "not enabled");
    fake_out16(f, 0xafe2, 4);
    cr_assert(f->isa[9]);
    cr_assert_eq(fake_in16(f, 0xafe0), 4);
    fake_out16(f, 0xafe0, 4);
    cr_assert(!f->isa[9]);
    fake_machine_free(f);
}

/* L6, L7: nothing can be ejected, whatever is written to selectors. */
Test(piix4_pm, l6_l7_hotplug_registers_eject_nothing)
{
    FakeMachine *f = fake_machine_new();
    uint32_t value = 1;

    make(f, &piix3_class, 8);
    make(f, &piix4_pm_class, 11);
    for (unsigned i = 0; i < 64; i++, value = value * 2654435761u + 1)
        for (unsigned port = 0xae00; port < 0xae0c; port += 4)
            fake_out32(f, port, value);
    cr_assert_eq(fake_in32(f, 0xae00), 0);
    cr_assert_eq(cfg(f, 8, 0, 2), 0x8086);
    cr_assert_eq(cfg(f, 11, 0, 2), 0x8086);
    fake_machine_free(f);
}

static uint8_t cmos_in(FakeMachine *f, uint8_t index)
{
    fake_out8(f, 0x70, index);
    return fake_in8(f, 0x71);
}

Test(cmos, boot_order_is_coded_and_low_indexes_are_not_ours)
{
    FakeMachine *f = fake_machine_new();
    Device *cmos = device_new(&f->m, &cmos_class);

    device_set_string(cmos, "boot", "dcn");
    device_set_u64(cmos, "floppies", 0x40);
    cr_assert(device_init(cmos, NULL));
    cr_assert_eq(cmos_in(f, 0x3d), 0x23);
    cr_assert_eq(cmos_in(f, 0x38), 0x40);
    cr_assert_eq(cmos_in(f, 0x10), 0x40);
    cr_assert_eq(cmos_in(f, 0x14) & 0xc1, 0x01);
    cr_assert_eq(cmos_in(f, 0x32), 0x20);
    cr_assert_eq(cmos_in(f, 0x02), 0xff);
    fake_machine_free(f);
}

Test(cmos, bytes_survive_reset)
{
    FakeMachine *f = fake_machine_new();

    device_create(&f->m, &cmos_class, NULL);
    fake_out8(f, 0x70, 0x8f);
    fake_out8(f, 0x71, 0xfe);
    fake_out8(f, 0x70, 0x34);
    fake_out8(f, 0x71, 0x12);
    machine_reset(&f->m);
    cr_assert_eq(cmos_in(f, 0x0f), 0xfe, "bit 7 of the index is the NMI mask");
    cr_assert_eq(cmos_in(f, 0x34), 0x12);
    fake_machine_free(f);
}

Test(fw_ports, bios_log_becomes_lines_and_port_92_resets)
{
    FakeMachine *f = fake_machine_new();

    device_create(&f->m, &fw_ports_class, NULL);
    cr_assert_eq(fake_in8(f, 0x402), 0xe9);
    io_write_many(&f->m.io, 0x402, 1, "SeaBIOS\x1b (x)\nnext", 17);
    cr_assert_eq(f->logged, 1);
    cr_assert_str_eq(f->last_log, "fw_ports: SeaBIOS? (x)");
    cr_assert_eq(fake_in8(f, 0x92), 2);
    fake_out8(f, 0x92, 3);
    cr_assert_eq(f->shutdown, SHUTDOWN_REBOOT);
    fake_machine_free(f);
}

Test(fw_ports, endless_line_is_cut_and_log_is_bounded)
{
    FakeMachine *f = fake_machine_new();

    device_create(&f->m, &fw_ports_class, NULL);
    for (unsigned i = 0; i < 1000000; i++)
        fake_out8(f, 0x402, 'a');
    cr_assert(f->logged > 0 && f->logged < 100);
    fake_machine_free(f);
}

Test(xen_platform, magic_version_and_log_port)
{
    FakeMachine *f = fake_machine_new();

    make(f, &xen_platform_class, 0x18);
    cr_assert_eq(cfg(f, 0x18, 0, 4), 0x00015853);
    cr_assert_eq(cfg(f, 0x18, 8, 4), 0xff800001);
    cr_assert_eq(fake_in16(f, 0x10), 0x49d2);
    cr_assert_eq(fake_in8(f, 0x12), 1);
    fake_out8(f, 0x12, 'h');
    fake_out8(f, 0x12, 'i');
    fake_out8(f, 0x12, '\n');
    cr_assert_str_eq(f->last_log, "xen_platform: hi");
    fake_out8(f, 0x10, 1);
    pci_bus_write(&f->bus, 0x18, 0x10, 4, 0xc200);
    pci_bus_write(&f->bus, 0x18, 0x14, 4, 0xf2000000);
    pci_bus_write(&f->bus, 0x18, 4, 2, 3);
    cr_assert_eq(fake_in8(f, 0xc200), 1, "ROM lock in both places");
    cr_assert_eq(io_read(&f->m.io, IO_MMIO, 0xf2000000, 4), 0xffffffff);
    fake_machine_free(f);
}

typedef struct TestNic { PciDevice pci; } TestNic;

static bool test_nic_init(Device *dev, GError **error)
{
    const PciClass id = { .vendor = 0x10ec, .device = 0x8139, .base_class = 2 };

    return pci_init(&((TestNic *)dev)->pci, &id, error);
}
static void test_nic_reset(Device *dev) { pci_reset(&((TestNic *)dev)->pci); }
static void test_nic_finish(Device *dev) { pci_finish(&((TestNic *)dev)->pci); }
static const ConfigField test_nic_config[] = { CONFIG_PCI(TestNic, pci), CONFIG_END };
static const StateField test_nic_state[] = { STATE_PCI(TestNic, pci), STATE_END };
static const DeviceClass test_nic_class = {
    .name = "test_nic", .summary = "a network card", .size = sizeof(TestNic), .version = 1,
    .config = test_nic_config, .state = test_nic_state, .init = test_nic_init,
    .reset = test_nic_reset, .finish = test_nic_finish,
};

Test(xen_platform, unplugged_network_cards_vanish_until_reset)
{
    FakeMachine *f = fake_machine_new();

    make(f, &test_nic_class, 0x20);
    make(f, &xen_platform_class, 0x18);
    fake_out16(f, 0x10, 1);
    cr_assert_eq(cfg(f, 0x20, 0, 4), 0x813910ec);
    fake_out16(f, 0x10, 2);
    cr_assert_eq(cfg(f, 0x20, 0, 4), 0xffffffff);
    cr_assert_eq(cfg(f, 0x18, 0, 4), 0x00015853);
    machine_reset(&f->m);
    cr_assert_eq(cfg(f, 0x20, 0, 4), 0x813910ec);
    fake_machine_free(f);
}
