/* SPDX-License-Identifier: GPL-2.0-or-later */
/* i6300esb.c - tests of the watchdog against 300641, chapter 16. */
#include "hw/devices.h"
#include "tests/fake_machine.h"
#include <criterion/criterion.h>

enum { DEVFN = 0x48 };
#define BASE 0xe0000000u

static FakeMachine *machine(void)
{
    FakeMachine *f = fake_machine_new();
    Device *dev = device_new(&f->m, &i6300esb_class);

    device_set_pointer(dev, "bus", &f->bus);
    device_set_u64(dev, "devfn", DEVFN);
    cr_assert(device_init(dev, NULL));
    pci_bus_write(&f->bus, DEVFN, 0x10, 4, BASE);
    pci_bus_write(&f->bus, DEVFN, 4, 2, 2);
    return f;
}

static void put(FakeMachine *f, unsigned reg, unsigned width, uint32_t value)
{
    io_write(&f->m.io, IO_MMIO, BASE + 0x0c, 1, 0x80);
    io_write(&f->m.io, IO_MMIO, BASE + 0x0c, 1, 0x86);
    io_write(&f->m.io, IO_MMIO, BASE + reg, width, value);
}

/* Two stages of so many seconds at 1 kHz. */
static void start(FakeMachine *f, unsigned seconds, unsigned lock)
{
    pci_bus_write(&f->bus, DEVFN, 0x60, 2, 3);
    put(f, 0, 4, seconds << 10);
    put(f, 4, 4, seconds << 10);
    put(f, 0x0c, 2, 0x100);
    pci_bus_write(&f->bus, DEVFN, 0x68, 1, 2 | lock);
}

Test(i6300esb, bites_after_both_stages_unless_reloaded)
{
    FakeMachine *f = machine();

    start(f, 5, 0);
    for (unsigned i = 0; i < 5; i++) {
        fake_advance(f, 8 * NS_PER_S);
        cr_assert_eq(f->shutdown, -1);
        put(f, 0x0c, 2, 0x100);
    }
    fake_advance(f, 10 * NS_PER_S);
    cr_assert_eq(f->shutdown, -1, "10 x 1.017 s");
    fake_advance(f, NS_PER_S / 2);
    cr_assert_eq(f->shutdown, SHUTDOWN_CRASH);
    cr_assert_eq(io_read(&f->m.io, IO_MMIO, BASE + 0x0c, 2), 0x200, "timed out");
    fake_machine_free(f);
}

Test(i6300esb, locked_registers_do_not_change)
{
    FakeMachine *f = machine();

    io_write(&f->m.io, IO_MMIO, BASE, 4, 0);
    io_write(&f->m.io, IO_MMIO, BASE + 4, 4, 0);
    start(f, 2, 1);
    pci_bus_write(&f->bus, DEVFN, 0x68, 1, 0);
    cr_assert_eq(pci_bus_read(&f->bus, DEVFN, 0x68, 1) & 2, 2, "locked until reset");
    io_write(&f->m.io, IO_MMIO, BASE + 0x0c, 2, 0x100);
    fake_advance(f, 5 * NS_PER_S);
    cr_assert_eq(f->shutdown, SHUTDOWN_CRASH, "a reload without the sequence is none");
    fake_machine_free(f);
}

Test(i6300esb, disabled_it_sleeps_and_reset_unlocks)
{
    FakeMachine *f = machine();

    start(f, 2, 0);
    pci_bus_write(&f->bus, DEVFN, 0x68, 1, 0);
    fake_advance(f, 100 * NS_PER_S);
    cr_assert_eq(f->shutdown, -1);
    start(f, 2, 1);
    machine_reset(&f->m);
    cr_assert_eq(pci_bus_read(&f->bus, DEVFN, 0x68, 1), 0);
    fake_advance(f, 100 * NS_PER_S);
    cr_assert_eq(f->shutdown, -1);
    fake_machine_free(f);
}

Test(i6300esb, first_stage_interrupts_and_no_reboot_keeps_the_domain)
{
    FakeMachine *f = machine();

    start(f, 1, 0);
    pci_bus_write(&f->bus, DEVFN, 0x60, 2, 0x20);
    fake_advance(f, 3 * NS_PER_S / 2);
    cr_assert(f->intx[DEVFN][0]);
    cr_assert_eq(io_read(&f->m.io, IO_MMIO, BASE + 8, 4), 1);
    io_write(&f->m.io, IO_MMIO, BASE + 8, 4, 1);
    cr_assert(!f->intx[DEVFN][0]);
    fake_advance(f, 3 * NS_PER_S);
    cr_assert_eq(f->shutdown, -1);
    cr_assert_eq(io_read(&f->m.io, IO_MMIO, BASE + 0x0c, 2), 0x200);
    put(f, 0x0c, 2, 0x200);
    cr_assert_eq(io_read(&f->m.io, IO_MMIO, BASE + 0x0c, 2), 0);
    fake_machine_free(f);
}
