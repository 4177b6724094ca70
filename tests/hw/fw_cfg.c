/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fw_cfg.c - tests of the items for the firmware. */
#include "hw/devices.h"
#include "tests/fake_machine.h"
#include <criterion/criterion.h>
#include <string.h>

enum { SELECT = 0x510, DATA = 0x511 };

static FakeMachine *machine(unsigned menu_ms)
{
    FakeMachine *f = fake_machine_new();
    Device *dev = device_new(&f->m, &fw_cfg_class);

    device_set_u64(dev, "menu_ms", menu_ms);
    cr_assert(device_init(dev, NULL));
    return f;
}

static void item(FakeMachine *f, uint16_t key, void *buf, unsigned len)
{
    fake_out16(f, SELECT, key);
    for (unsigned n = 0; n < len; n++) {
        ((uint8_t *)buf)[n] = fake_in8(f, DATA);
    }
}

Test(fw_cfg, firmware_finds_the_signature_and_the_menu_wait)
{
    FakeMachine *f = machine(3000);
    uint8_t b[80];
    uint16_t menu;
    uint64_t wait;

    item(f, 0, b, 4);
    cr_assert_arr_eq(b, "QEMU", 4);
    item(f, 1, b, 4);
    cr_assert_arr_eq(b, "\1\0\0\0", 4, "no DMA");
    item(f, 0x0e, &menu, 2);
    cr_assert_eq(menu, 1);
    item(f, 0x19, b, sizeof b);
    cr_assert_arr_eq(b, "\0\0\0\1\0\0\0\10\0\40\0\0etc/boot-menu-wait", 30);
    item(f, 0x20, &wait, 8);
    cr_assert_eq(wait, 3000);
    fake_machine_free(f);
}

Test(fw_cfg, without_a_wait_there_is_no_menu)
{
    FakeMachine *f = machine(0);
    uint16_t menu = 9;

    item(f, 0x0e, &menu, 2);
    cr_assert_eq(menu, 0);
    fake_machine_free(f);
}

Test(fw_cfg, behind_an_item_and_of_unknown_ones_there_are_zeros)
{
    FakeMachine *f = machine(1);
    uint8_t b[300];

    item(f, 0, b, sizeof b);
    cr_assert_eq(b[3], 'U');
    for (unsigned n = 4; n < sizeof b; n++) {
        cr_assert_eq(b[n], 0);
    }
    item(f, 0xffff, b, 8);
    cr_assert_eq(memcmp(b, "\0\0\0\0\0\0\0\0", 8), 0);
    cr_assert_eq(fake_in8(f, SELECT), 0);
    fake_out16(f, SELECT, 0);
    fake_out8(f, DATA, 1);
    cr_assert_eq(fake_in8(f, DATA), 'Q', "nothing can be written");
    fake_machine_free(f);
}
