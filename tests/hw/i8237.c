/* SPDX-License-Identifier: GPL-2.0-or-later */
/* i8237.c - tests of the ISA DMA controllers against Intel's 8237A data sheet. */
#include "hw/chipset.h"
#include "hw/devices.h"
#include "tests/fake_machine.h"
#include <criterion/criterion.h>
#include <string.h>

typedef struct Dma { FakeMachine *f; Device *dev; } Dma;

static Dma dma_new(void)
{
    Dma d = { fake_machine_new(), NULL };

    d.dev = device_create(&d.f->m, &i8237_class, NULL);
    cr_assert_not_null(d.dev);
    return d;
}

/* Channel 2, as for a floppy: 6 bytes at 0x23456. */
static void program(Dma *d, uint8_t mode, uint16_t count)
{
    fake_out8(d->f, 0x0a, 6);
    fake_out8(d->f, 0x0c, 0);
    fake_out8(d->f, 0x04, 0x56);
    fake_out8(d->f, 0x04, 0x34);
    fake_out8(d->f, 0x05, count);
    fake_out8(d->f, 0x05, count >> 8);
    fake_out8(d->f, 0x81, 0x02);
    fake_out8(d->f, 0x0b, mode | 2);
    fake_out8(d->f, 0x0a, 2);
}

Test(i8237, floppy_read_lands_in_memory_and_ends_with_terminal_count)
{
    Dma d = dma_new();
    bool tc;

    program(&d, 0x44, 5);
    cr_assert_eq(i8237_to_memory(d.dev, 2, "abcd", 4, &tc), 4);
    cr_assert(!tc);
    cr_assert_eq(i8237_to_memory(d.dev, 2, "efgh", 4, &tc), 2);
    cr_assert(tc);
    cr_assert_eq(memcmp(d.f->ram + 0x23456, "abcdef", 7), 0);
    cr_assert_eq(fake_in8(d.f, 0x08) & 0x0f, 4);
    cr_assert_eq(fake_in8(d.f, 0x08) & 0x0f, 0, "shown once");
    cr_assert_eq(fake_in8(d.f, 0x0f), 0xff, "the channel is masked again");
    cr_assert_eq(i8237_to_memory(d.dev, 2, "x", 1, &tc), 0);
    fake_machine_free(d.f);
}

Test(i8237, registers_read_back_low_byte_first)
{
    Dma d = dma_new();
    char buf[3];
    bool tc;

    program(&d, 0x48, 5);
    memcpy(d.f->ram + 0x23456, "xyz", 3);
    cr_assert_eq(i8237_from_memory(d.dev, 2, buf, 3, &tc), 3);
    cr_assert_eq(memcmp(buf, "xyz", 3), 0);
    fake_out8(d.f, 0x0c, 0);
    cr_assert_eq(fake_in8(d.f, 0x04), 0x59);
    cr_assert_eq(fake_in8(d.f, 0x04), 0x34);
    cr_assert_eq(fake_in8(d.f, 0x05), 2);
    fake_machine_free(d.f);
}

Test(i8237, autoinit_starts_over)
{
    Dma d = dma_new();
    bool tc;

    program(&d, 0x54, 1);
    cr_assert_eq(i8237_to_memory(d.dev, 2, "ab", 2, &tc), 2);
    cr_assert(tc);
    cr_assert_eq(i8237_to_memory(d.dev, 2, "cd", 2, &tc), 2);
    cr_assert_eq(memcmp(d.f->ram + 0x23456, "cd", 2), 0);
    fake_machine_free(d.f);
}

Test(i8237, wrong_direction_mask_and_disable_move_nothing)
{
    Dma d = dma_new();
    char buf[4];
    bool tc;

    program(&d, 0x44, 5);
    cr_assert_eq(i8237_from_memory(d.dev, 2, buf, 4, &tc), 0);
    fake_out8(d.f, 0x08, 4);
    cr_assert_eq(i8237_to_memory(d.dev, 2, "a", 1, &tc), 0);
    fake_out8(d.f, 0x0d, 0);
    cr_assert_eq(i8237_to_memory(d.dev, 2, "a", 1, &tc), 0, "master clear masks all");
    cr_assert_eq(i8237_to_memory(d.dev, 4, "a", 1, &tc), 0, "the cascade");
    cr_assert_eq(i8237_to_memory(d.dev, 99, "a", 1, &tc), 0);
    fake_machine_free(d.f);
}

Test(i8237, sixteen_bit_channel_moves_words_and_address_wraps_in_its_page)
{
    Dma d = dma_new();
    bool tc;

    fake_out8(d.f, 0xd8, 0);
    fake_out8(d.f, 0xc4, 0xff);
    fake_out8(d.f, 0xc4, 0xff);
    fake_out8(d.f, 0xc6, 1);
    fake_out8(d.f, 0xc6, 0);
    fake_out8(d.f, 0x8b, 0x05);
    fake_out8(d.f, 0xd6, 0x45);
    fake_out8(d.f, 0xd4, 1);
    cr_assert_eq(i8237_to_memory(d.dev, 5, "abcde", 5, &tc), 4);
    cr_assert(tc);
    cr_assert_eq(memcmp(d.f->ram + 0x5fffe, "ab", 2), 0);
    cr_assert_eq(memcmp(d.f->ram + 0x40000, "cd", 2), 0);
    fake_machine_free(d.f);
}

typedef struct Client { Dma *d; unsigned told, moved; bool tc; } Client;

static void client_ready(void *opaque)
{
    Client *c = opaque;

    c->told++;
    c->moved += i8237_to_memory(c->d->dev, 2, "abcdef", 6, &c->tc);
    i8237_request(c->d->dev, 2, !c->tc);
}

Test(i8237, waiting_device_is_told_when_its_channel_is_unmasked)
{
    Dma d = dma_new();
    Client c = { .d = &d };

    i8237_attach(d.dev, 2, client_ready, &c);
    program(&d, 0x44, 5);
    cr_assert_eq(c.told, 0, "it does not ask");
    fake_out8(d.f, 0x0a, 6);
    i8237_request(d.dev, 2, true);
    cr_assert_eq(c.told, 0);
    fake_out8(d.f, 0x0a, 2);
    cr_assert_eq(c.told, 1);
    cr_assert_eq(c.moved, 6);
    cr_assert(c.tc);
    fake_out8(d.f, 0x0a, 2);
    cr_assert_eq(c.told, 1, "DREQ is down again");
    fake_machine_free(d.f);
}

Test(i8237, decrementing_channel_goes_down)
{
    Dma d = dma_new();
    bool tc;

    program(&d, 0x64, 3);
    cr_assert_eq(i8237_to_memory(d.dev, 2, "abcdef", 6, &tc), 4);
    cr_assert(tc);
    cr_assert_eq(memcmp(d.f->ram + 0x23453, "dcba", 4), 0);
    fake_machine_free(d.f);
}

Test(i8237, byte_channel_wraps_in_its_64k_page)
{
    Dma d = dma_new();
    bool tc;

    program(&d, 0x44, 7);
    fake_out8(d.f, 0x0c, 0);
    fake_out8(d.f, 0x04, 0xfe);
    fake_out8(d.f, 0x04, 0xff);
    cr_assert_eq(i8237_to_memory(d.dev, 2, "abcdefgh", 8, &tc), 8);
    cr_assert(tc);
    cr_assert_eq(memcmp(d.f->ram + 0x2fffe, "ab", 2), 0);
    cr_assert_eq(memcmp(d.f->ram + 0x20000, "cdefgh", 6), 0);
    cr_assert_eq(d.f->ram[0x30000], 0);
    fake_machine_free(d.f);
}

Test(i8237, page_registers_are_storage_and_dreq_shows_in_status)
{
    Dma d = dma_new();

    for (unsigned i = 0x80; i < 0x90; i++)
        fake_out8(d.f, i, i ^ 0x5a);
    for (unsigned i = 0x80; i < 0x90; i++)
        cr_assert_eq(fake_in8(d.f, i), (uint8_t)(i ^ 0x5a));
    i8237_request(d.dev, 2, true);
    cr_assert_eq(fake_in8(d.f, 0x08), 0x40);
    i8237_request(d.dev, 2, false);
    cr_assert_eq(fake_in8(d.f, 0x08), 0);
    fake_machine_free(d.f);
}
