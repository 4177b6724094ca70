/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ports_test.c - the table of ports, and accesses that are done without leaving guest code. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>
#include "hypervisor/platform_glue.h"
#include "include/pc_layout.h"
#include "tests/hypervisor/bare_domain.h"

static uint64_t random_step(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    return *seed ^= *seed << 17;
}

/* The entry is what a search would find, for each size. */
static void compare(Domain *d, uint16_t first, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint16_t port = first + i;
        uintptr_t entry = ports_look(d, port);

        cr_expect_neq(entry, PORT_UNKNOWN);
        cr_expect_eq(ports_peek(&d->ports, port), entry);
        for (unsigned size = 1; size <= 4 && entry != PORT_SPECIAL; size *= 2) {
            bool chip = io_map_find(&d->machine.io, IO_PORT, port) != NULL;

            cr_assert_eq(port_chip(entry) != NULL, chip, "port %x", port);
            cr_assert_eq(port_is_model(entry, size),
                         !chip && ioreq_claimed(d, IOREQ_PORT, port, port + size - 1),
                         "port %x, %u bytes", port, size);
        }
    }
}

Test(ports, table_follows_claims_that_come_and_go)
{
    Domain *d = bare_domain();
    uint64_t seed = 4711;
    uint16_t id[2];

    domain_lock(d);
    for (unsigned i = 0; i < 2; i++) {
        cr_assert_eq(ioreq_server_create(d, 2, &id[i]), 0);
        ioreq_server_enable(d, id[i], true);
    }
    for (unsigned n = 0; n < 2000; n++) {
        uint64_t r = random_step(&seed);
        uint64_t first = 0x300 + (r >> 8 & 63), last = first + (r >> 16 & 7);

        switch (r & 7) {
        case 0: ioreq_server_enable(d, id[0], r >> 32 & 1); break;
        case 1: case 2: case 3: ioreq_server_map(d, id[r >> 33 & 1], IOREQ_PORT, first, last); break;
        default:
            for (unsigned len = 0; len < 8; len++) {
                ioreq_server_unmap(d, id[r >> 33 & 1], IOREQ_PORT, first, first + len);
            }
        }
        compare(d, 0x2f8, 0x60);
    }
    ioreq_server_map(d, id[1], IOREQ_PORT, 0xfffc, 0xffff);
    compare(d, 0xfff0, 16);
    ioreq_server_destroy(d, id[1]);
    compare(d, 0xfff0, 16);
    domain_unlock(d);
    bare_domain_free(d);
}

Test(ports, table_follows_a_chip_that_moves)
{
    Domain *d = bare_domain();

    domain_lock(d);
    compare(d, 0, 0x8000);
    compare(d, 0x8000, 0x8000);
    glue_acpi_ports(d, 0);
    cr_expect(port_chip(ports_look(d, ACPI_PM_TMR_V0)));
    cr_expect_eq(ports_look(d, ACPI_PM_TMR), PORT_NOBODY);
    glue_acpi_ports(d, 1);
    cr_expect(port_chip(ports_look(d, ACPI_PM_TMR)));
    cr_expect_eq(ports_look(d, ACPI_PM_TMR_V0), PORT_NOBODY);
    domain_unlock(d);
    bare_domain_free(d);
}

Test(ports, at_once_or_not_both_give_the_same)
{
    const EngineHost *h = &vcpu_engine_host;
    Domain *d = bare_domain();
    Vcpu *v = d->vcpu[0];
    unsigned done = 0;

    for (unsigned port = 0; port < 0x10000; port++) {
        for (unsigned size = 1; size <= 4; size *= 2) {
            uint32_t plain = 0, now = 1;

            h->io_read(v, port, size, &plain);
            if (h->io_read_now(v, port, size, &now)) {
                cr_expect_eq(now, plain, "port %x, %u bytes: %x, not %x", port, size, now, plain);
                done++;
            }
        }
    }
    cr_expect_gt(done, 3 * 0x10000 - 16);
    h->io_write(v, PORT_PIC0 + 1, 1, 0x5a);
    cr_expect(h->io_write_now(v, PORT_PIC1 + 1, 1, 0xa5));
    cr_expect(h->io_write_now(v, PORT_PCI_ADDRESS, 4, 0x80001234));
    for (unsigned n = 0; n < 2; n++) {
        uint32_t value = 0;
        bool (*now)(Vcpu *, uint16_t, unsigned, uint32_t *) = h->io_read_now;

        cr_expect(now(v, PORT_PIC0 + 1, 1, &value));
        cr_expect_eq(value, 0x5a);
        cr_expect(now(v, PORT_PIC1 + 1, 1, &value));
        cr_expect_eq(value, 0xa5);
        cr_expect(now(v, PORT_PCI_ADDRESS, 4, &value));
        cr_expect_eq(value, 0x80001234);
    }
    bare_domain_free(d);
}

Test(ports, what_may_wait_is_not_done_at_once)
{
    const EngineHost *h = &vcpu_engine_host;
    Domain *d = bare_domain();
    Vcpu *v = d->vcpu[0];
    uint32_t value;
    uint16_t id;

    domain_lock(d);
    ioreq_server_create(d, 2, &id);
    ioreq_server_enable(d, id, true);
    ioreq_server_map(d, id, IOREQ_PORT, 0x300, 0x307);
    compare(d, 0, 0x1000);
    domain_unlock(d);
    cr_expect_not(h->io_read_now(v, 0x300, 1, &value), "the device model's");
    cr_expect_not(h->io_write_now(v, 0x300, 1, 1));
    cr_expect_eq(d->ioreq.slots[0].state, STATE_IOREQ_NONE);
    cr_expect_not(h->io_write_now(v, PORT_HYPERCALL, 4, 1));
    cr_expect_not(h->io_write_now(v, PORT_DEBUG_CONSOLE, 1, 'x'), "a line for the log");
    cr_expect_eq(d->console_len, 0);
    cr_expect(h->io_write_now(v, PORT_CMOS_INDEX, 1, 2));
    cr_expect_not(h->io_write_now(v, PORT_CMOS_DATA, 1, 0), "xend is told of the time");
    cr_expect_not(h->io_read_now(v, 0x1000, 1, &value), "not looked up yet");
    bare_domain_free(d);
}

typedef struct Held { Domain *d; bool port, mmio, nobody; } Held;

static void *try_now(void *opaque)
{
    Held *held = opaque;
    const EngineHost *h = &vcpu_engine_host;
    Vcpu *v = held->d->vcpu[0];
    uint64_t wide;
    uint32_t value;

    held->port = h->io_read_now(v, PORT_PIC0 + 1, 1, &value) ||
                 h->io_write_now(v, PORT_PIC0 + 1, 1, 0);
    held->mmio = h->mmio_read_now(v, PC_LAPIC_BASE + 0x20, 4, &wide) ||
                 h->mmio_write_now(v, PC_LAPIC_BASE + 0x80, 4, 0);
    held->nobody = h->io_read_now(v, 0x2e0, 1, &value) && value == 0xff &&
                   h->io_write_now(v, 0x2e0, 1, 0);
    return NULL;
}

Test(ports, the_lock_is_not_waited_for)
{
    Domain *d = bare_domain();
    Held held = { .d = d };
    pthread_t t;

    domain_lock(d);
    compare(d, 0, 0x400);
    pthread_create(&t, NULL, try_now, &held);
    pthread_join(t, NULL);
    cr_expect_not(held.port);
    cr_expect_not(held.mmio);
    cr_expect(held.nobody, "needs no lock");
    domain_unlock(d);
    try_now(&held);
    cr_expect(held.port && held.mmio && held.nobody);
    bare_domain_free(d);
}

/* exits.c calls them without a look: see glue_mmio_read(). */
Test(ports, chips_in_memory_are_all_quick)
{
    Domain *d = bare_domain();
    const GPtrArray *ranges = d->machine.io.ranges[IO_MMIO];

    cr_assert_gt(ranges->len, 1);
    for (guint i = 0; i < ranges->len; i++) {
        const IoRange *r = ranges->pdata[i];

        cr_expect(r->ops->quick, "%s", r->owner);
    }
    bare_domain_free(d);
}

Test(ports, published_and_posted_registers_are_done_at_once)
{
    const EngineHost *h = &vcpu_engine_host;
    Domain *d = bare_domain();
    DmRanges *t = &d->shared->ranges;
    Vcpu *v = d->vcpu[0];
    uint64_t wide = 0;
    uint32_t value = 0;
    uint16_t id;

    domain_lock(d);
    ioreq_server_create(d, 2, &id);
    ioreq_server_enable(d, id, true);
    ioreq_server_map(d, id, IOREQ_PORT, 0x300, 0x307);
    ioreq_server_map(d, id, IOREQ_MEMORY, 0xf3001000, 0xf30010ff);
    t->count = 2;
    t->where[0].base = 0x300;
    t->where[0].len = 8;
    t->where[1].base = 0xf3001000;
    t->where[1].len = 256;
    t->where[1].mmio = 1;
    t->range[0].how[1] = DM_RANGE_POST;
    t->range[1].group = 1;
    t->range[1].how[1] = DM_RANGE_POST;
    for (unsigned i = 0; i < 2; i++) {
        t->range[i].cell[4] = DM_CELL_VALID | 0x40;
        t->range[i].cell[5] = DM_CELL_VALID | 0x50;
    }
    ports_look(d, 0x301);
    ports_look(d, 0x304);
    domain_unlock(d);
    cr_expect(h->io_read_now(v, 0x304, 2, &value));
    cr_expect_eq(value, 0x5040);
    cr_expect(h->io_write_now(v, 0x301, 1, 0x77));
    cr_expect_eq(d->ioreq.ring->write_pointer, 1);
    cr_expect_eq(d->ioreq.ring->buf_ioreq[0].data, 0x77);
    cr_expect_not(h->io_read_now(v, 0x304, 1, &value), "the write may change it");
    cr_expect(h->mmio_read_now(v, 0xf3001004, 2, &wide));
    cr_expect_eq(wide, 0x5040);
    cr_expect(h->mmio_write_now(v, 0xf3001001, 1, 0x66));
    cr_expect_not(h->mmio_write_now(v, 0xf3001002, 1, 0x66));
    bare_domain_free(d);
}
