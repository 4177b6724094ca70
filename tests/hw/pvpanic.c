/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvpanic.c - tests of the panic port. */
#include "hw/devices.h"
#include "tests/fake_machine.h"
#include <criterion/criterion.h>

Test(pvpanic, panic_crashes_the_domain_and_a_crash_kernel_does_not)
{
    FakeMachine *f = fake_machine_new();

    device_create(&f->m, &pvpanic_class, NULL);
    cr_assert_eq(fake_in8(f, 0x505), 3);
    fake_out8(f, 0x505, 2);
    cr_assert_eq(f->shutdown, -1);
    cr_assert_eq(f->logged, 1);
    fake_out8(f, 0x505, 0xfc);
    cr_assert_eq(f->shutdown, -1);
    fake_out8(f, 0x505, 1);
    cr_assert_eq(f->shutdown, SHUTDOWN_CRASH);
    fake_machine_free(f);
}
