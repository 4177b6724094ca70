/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ioreq.c - requests as a hostile peer would make them: whatever a slot or the buffered ring holds,
 * the machine answers like a chip (security rows M1-M5).
 */
#include <criterion/criterion.h>
#include <string.h>
#include "dm/ioreq.h"
#include "include/dm_proto.h"
#include "tests/fake_machine.h"

typedef struct Probe { uint64_t last; unsigned reads, writes; } Probe;

static uint64_t probe_read(void *opaque, uint64_t offset, unsigned width)
{
    (void)width;
    ((Probe *)opaque)->reads++;
    return 0xa0 + offset;
}

static void probe_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    Probe *p = opaque;

    (void)offset;
    (void)width;
    p->last = value;
    p->writes++;
}

static const IoOps probe_ops = { .read = probe_read, .write = probe_write,
                                 .widths = IO_8 | IO_16 | IO_32 };

static FakeMachine *machine(Probe *p)
{
    FakeMachine *f = fake_machine_new();

    cr_assert(io_map_add(&f->m.io, io_range_new("probe", IO_PORT, 8, &probe_ops, p), 0x300, NULL));
    cr_assert(io_map_add(&f->m.io, io_range_new("probe", IO_MMIO, 4096, &probe_ops, p), 0xf0000000,
                         NULL));
    return f;
}

static ioreq_t request(unsigned type, uint64_t addr, unsigned size, bool write, uint64_t data)
{
    ioreq_t r = { .addr = addr, .data = data, .count = 1, .size = size, .type = type,
                  .dir = write ? IOREQ_WRITE : IOREQ_READ };

    return r;
}

Test(ioreq, plain_port_accesses)
{
    Probe p = { 0 };
    FakeMachine *f = machine(&p);
    ioreq_t r = request(IOREQ_TYPE_PIO, 0x301, 1, false, 0);

    ioreq_execute(&f->m, &f->bus, &r);
    cr_assert_eq(r.data, 0xa1);
    r = request(IOREQ_TYPE_PIO, 0x300, 2, true, 0xffff1234);
    ioreq_execute(&f->m, &f->bus, &r);
    cr_assert_eq(p.last, 0x1234, "data is cut to the size");
    r = request(IOREQ_TYPE_PIO, 0x500, 4, false, 0);
    ioreq_execute(&f->m, &f->bus, &r);
    cr_assert_eq((uint32_t)r.data, 0xffffffff);
}

/* M3: ports beyond the I/O space; M5: counts that never end; sizes that do not exist. */
Test(ioreq, impossible_requests_are_answered_with_ones)
{
    static const uint64_t ports[] = { 0x10000, 1ull << 31, 1ull << 63, UINT64_MAX };
    static const uint32_t sizes[] = { 0, 3, 5, 16, 0x80000001, UINT32_MAX };
    Probe p = { 0 };
    FakeMachine *f = machine(&p);

    for (unsigned i = 0; i < G_N_ELEMENTS(ports); i++) {
        ioreq_t r = request(IOREQ_TYPE_PIO, ports[i], 1, false, 0);

        ioreq_execute(&f->m, &f->bus, &r);
        cr_assert_eq(r.data, UINT64_MAX);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        ioreq_t r = request(IOREQ_TYPE_PIO, 0x300, sizes[i], false, 0);

        ioreq_execute(&f->m, &f->bus, &r);
        cr_assert_eq(r.data, UINT64_MAX);
    }
    for (unsigned i = 0; i < 3; i++) {
        ioreq_t r = request(IOREQ_TYPE_PIO, 0x300, 1, false, 0);

        r.count = i == 0 ? 0 : i == 1 ? 4097 : UINT32_MAX;
        r.data_is_ptr = 1;
        ioreq_execute(&f->m, &f->bus, &r);
    }
    cr_assert_eq(p.reads, 0);
}

Test(ioreq, strings_go_both_ways_and_directions)
{
    Probe p = { 0 };
    FakeMachine *f = machine(&p);
    ioreq_t r = request(IOREQ_TYPE_PIO, 0x300, 2, false, 0x1000);

    r.count = 4;
    r.data_is_ptr = 1;
    ioreq_execute(&f->m, &f->bus, &r);
    cr_assert_eq(f->ram[0x1000], 0xa0);
    cr_assert_eq(f->ram[0x1006], 0xa0);
    cr_assert_eq(f->ram[0x1008], 0);
    r.df = 1;                           /* first element is the highest */
    r.data = 0x2006;
    ioreq_execute(&f->m, &f->bus, &r);
    cr_assert_eq(f->ram[0x2000], 0xa0);
    cr_assert_eq(f->ram[0x1fff], 0);
    r.dir = IOREQ_WRITE;
    f->ram[0x2000] = 0x77;
    ioreq_execute(&f->m, &f->bus, &r);
    cr_assert_eq(p.last & 0xff, 0x77, "the lowest is written last");
}

Test(ioreq, mmio_strings_step_the_device_too)
{
    Probe p = { 0 };
    FakeMachine *f = machine(&p);
    ioreq_t r = request(IOREQ_TYPE_COPY, 0xf0000010, 1, false, 0x3000);

    r.count = 3;
    r.data_is_ptr = 1;
    ioreq_execute(&f->m, &f->bus, &r);
    cr_assert_arr_eq(f->ram + 0x3000, ((uint8_t[]){ 0xb0, 0xb1, 0xb2 }), 3);
    r = request(IOREQ_TYPE_COPY, 0xf0000000, 4, true, 0x55);
    r.count = 8;                        /* rep stos */
    ioreq_execute(&f->m, &f->bus, &r);
    cr_assert_eq(p.writes, 8);
}

Test(ioreq, data_outside_ram_reads_ones_and_drops_writes)
{
    Probe p = { 0 };
    FakeMachine *f = machine(&p);
    ioreq_t r = request(IOREQ_TYPE_PIO, 0x300, 1, true, 0xa0000);

    r.data_is_ptr = 1;
    ioreq_execute(&f->m, &f->bus, &r);
    cr_assert_eq(p.last, 0xff);
    r = request(IOREQ_TYPE_PIO, 0x300, 4, false, UINT64_MAX - 2);
    r.data_is_ptr = 1;
    r.count = 4096;
    ioreq_execute(&f->m, &f->bus, &r);
}

Test(ioreq, config_cycles_reach_only_bus_zero)
{
    Probe p = { 0 };
    FakeMachine *f = machine(&p);
    ioreq_t r = request(IOREQ_TYPE_PCI_CONFIG, 1ull << 40, 4, false, 0);

    ioreq_execute(&f->m, &f->bus, &r);
    cr_assert_eq(r.data, UINT64_MAX);
    r = request(IOREQ_TYPE_PCI_CONFIG, 0xff0000ffffull, 4, false, 0);
    ioreq_execute(&f->m, &f->bus, &r);
    cr_assert_eq(r.data, UINT64_MAX);
    r = request(IOREQ_TYPE_PCI_CONFIG, 0xff000000fdull, 4, true, 0);
    ioreq_execute(&f->m, &f->bus, &r);
}

static void put(buffered_iopage_t *ring, uint32_t at, unsigned size_code, uint32_t addr,
                uint32_t data)
{
    buf_ioreq_t *b = &ring->buf_ioreq[at % IOREQ_BUFFER_SLOT_NUM];

    memset(b, 0, sizeof *b);
    b->type = IOREQ_TYPE_COPY;
    b->dir = IOREQ_WRITE;
    b->size = size_code;
    b->addr = addr;
    b->data = data;
}

/* The window the ring serves is below 1 MiB. */
static FakeMachine *window(Probe *p)
{
    FakeMachine *f = fake_machine_new();

    cr_assert(io_map_add(&f->m.io, io_range_new("vga", IO_MMIO, 0x20000, &probe_ops, p), 0xa0000,
                         NULL));
    return f;
}

Test(bufioreq, takes_all_in_order_over_the_wrap)
{
    Probe p = { 0 };
    FakeMachine *f = window(&p);
    buffered_iopage_t *ring = g_malloc0(4096);

    ring->read_pointer = ring->write_pointer = 509;
    for (unsigned i = 0; i < 5; i++) {
        put(ring, ring->write_pointer++, 0, 0xa0000 + i, i);
    }
    ioreq_drain_buffered(&f->m, &f->bus, ring);
    cr_assert_eq(p.writes, 5);
    cr_assert_eq(p.last, 4);
    cr_assert_eq(ring->read_pointer, ring->write_pointer);
}

/* M4: pointers that can't be, and half of a two-slot entry. */
Test(bufioreq, impossible_pointers_take_nothing_and_end)
{
    Probe p = { 0 };
    FakeMachine *f = window(&p);
    buffered_iopage_t *ring = g_malloc0(4096);

    ring->write_pointer = 0x80000000;
    ioreq_drain_buffered(&f->m, &f->bus, ring);
    ring->read_pointer = 10;
    ring->write_pointer = 9;
    ioreq_drain_buffered(&f->m, &f->bus, ring);
    cr_assert_eq(p.writes, 0);
    ring->read_pointer = 0;
    ring->write_pointer = 1;
    put(ring, 0, 3, 0xa0000, 1);        /* eight bytes, second slot missing */
    ioreq_drain_buffered(&f->m, &f->bus, ring);
    cr_assert_eq(p.writes, 0);
    cr_assert_eq(ring->read_pointer, 1);
}

Test(bufioreq, pad_says_that_the_address_follows)
{
    Probe p = { 0 };
    FakeMachine *f = machine(&p);
    buffered_iopage_t *ring = g_malloc0(4096);

    put(ring, 0, 2, 0, 0x11223344);
    ring->buf_ioreq[0].pad = 1;
    put(ring, 1, 0, 0, 0xf0000010);
    ring->write_pointer = 2;
    ioreq_drain_buffered(&f->m, &f->bus, ring);
    cr_assert_eq(p.writes, 1);
    cr_assert_eq(p.last, 0x11223344);
    put(ring, 2, 2, 0, 1);              /* the second half is missing */
    ring->buf_ioreq[2].pad = 1;
    ring->write_pointer = 3;
    ioreq_drain_buffered(&f->m, &f->bus, ring);
    cr_assert_eq(p.writes, 1);
    cr_assert_eq(ring->read_pointer, 3);
}

typedef struct Again {
    FakeMachine *f;
    buffered_iopage_t *ring;
    unsigned writes;
} Again;

static void again_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    Again *a = opaque;

    (void)offset;
    (void)width;
    (void)value;
    if (a->writes++ < 10) {
        ioreq_drain_buffered(&a->f->m, &a->f->bus, a->ring);
    }
}

/* As a card does whose picture is wanted at once when its mode changes. */
Test(bufioreq, a_write_that_wants_the_others_done_is_not_done_twice)
{
    static const IoOps again_ops = { .read = probe_read, .write = again_write, .widths = IO_8 };
    Probe p = { 0 };
    FakeMachine *f = machine(&p);
    Again a = { .f = f, .ring = g_malloc0(4096) };
    IoRange *range = io_range_new("again", IO_PORT, 8, &again_ops, &a);

    cr_assert(io_map_add(&f->m.io, range, 0x700, NULL));
    for (unsigned i = 0; i < 3; i++) {
        put(a.ring, i, 0, 0x700, 1);
        a.ring->buf_ioreq[i].type = IOREQ_TYPE_PIO;
    }
    a.ring->write_pointer = 3;
    ioreq_drain_buffered(&f->m, &f->bus, a.ring);
    cr_expect_eq(a.writes, 3);
    cr_expect_eq(a.ring->read_pointer, 3);
    io_map_remove(&f->m.io, range);
    io_range_free(&f->m.io, range);
    g_free(a.ring);
}

static IoSeen seen;             /* at the last write to the line's range */

static void line_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    (void)offset;
    (void)width;
    (void)value;
    seen = ((Machine *)opaque)->io.seen;
}

Test(bufioreq, what_a_line_write_saw_is_for_that_write_alone)
{
    static const IoOps line_ops = { .read = probe_read, .write = line_write, .widths = IO_8 };
    Probe p = { 0 };
    FakeMachine *f = machine(&p);
    IoRange *range = io_range_new("line", IO_PORT, 8, &line_ops, &f->m);
    buffered_iopage_t *ring = g_malloc0(4096);

    cr_assert(io_map_add(&f->m.io, range, 0x700, NULL));
    for (unsigned i = 0; i < 5; i++) {
        put(ring, i, 0, 0x700, 1);
        ring->buf_ioreq[i].type = IOREQ_TYPE_PIO;
    }
    ring->buf_ioreq[0] = (buf_ioreq_t){ .type = DM_BUFFERED_LINE, .addr = 1, .data = 0xfffffff0 };
    ring->write_pointer = 2;
    ioreq_drain_buffered(&f->m, &f->bus, ring);
    cr_expect(seen.known && seen.lowered);
    cr_expect_eq(seen.event, 0xfffffff0);
    cr_expect_not(f->m.io.seen.known);
    ring->write_pointer = 3;
    ioreq_drain_buffered(&f->m, &f->bus, ring);
    cr_expect_not(seen.known);
    ring->buf_ioreq[3] = (buf_ioreq_t){ .type = DM_BUFFERED_LINE };
    ring->write_pointer = 4;            /* its write is missing */
    ioreq_drain_buffered(&f->m, &f->bus, ring);
    cr_expect_eq(ring->read_pointer, 4);
    cr_expect_not(f->m.io.seen.known);
    io_map_remove(&f->m.io, range);
    io_range_free(&f->m.io, range);
    g_free(ring);
}

Test(ioreq, random_requests_are_survived)
{
    Probe p = { 0 };
    FakeMachine *f = machine(&p);
    buffered_iopage_t *ring = g_malloc0(4096);
    GRand *rand = g_rand_new_with_seed(7);

    for (unsigned i = 0; i < 200000; i++) {
        ioreq_t r;
        uint32_t *w = (uint32_t *)&r;

        for (unsigned k = 0; k < sizeof r / 4; k++) {
            w[k] = g_rand_int(rand);
        }
        if (i & 1) {                    /* half of them nearly right */
            r.size = 1u << (r.size & 3);
            r.count &= 63;
            r.type = r.type & 7;
            r.addr = r.addr & 1 ? 0x300 + (r.addr >> 8 & 7) : 0xf0000000 + (r.addr >> 8 & 0xfff);
            r.data &= 0x1ffffff;
        }
        ioreq_execute(&f->m, &f->bus, &r);
    }
    for (unsigned i = 0; i < 2000; i++) {
        for (unsigned k = 0; k < 1024; k++) {
            ((uint32_t *)ring)[k] = g_rand_int(rand);
        }
        if (i & 1) {
            ring->write_pointer = ring->read_pointer + (ring->write_pointer & 511);
        }
        ioreq_drain_buffered(&f->m, &f->bus, ring);
    }
}
