/* SPDX-License-Identifier: GPL-2.0-or-later */
/* io_publish.c - the table of registers: ranges, groups, pairs, and what a broken writer can do. */
#include <criterion/criterion.h>
#include <string.h>
#include "lib/io_publish.h"

typedef struct Chip {
    uint8_t reg[8], index, file[4];
    bool secret;                /* register 3 can't be told */
} Chip;

static uint64_t chip_read(void *opaque, uint64_t offset, unsigned width)
{
    (void)width;
    return ((Chip *)opaque)->reg[offset];
}

static void chip_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    (void)width;
    ((Chip *)opaque)->reg[offset] = value;
}

static bool chip_peek(void *opaque, unsigned offset, uint8_t *value)
{
    Chip *c = opaque;

    *value = offset == 4 ? c->index : c->reg[offset];
    return offset != 3 || !c->secret;
}

static bool file_peek(void *opaque, unsigned number, uint8_t *value)
{
    *value = ((Chip *)opaque)->file[number];
    return true;
}

static const uint8_t file_store[4] = { 0xff, 0x0f, 0, 0xff };
static const IoPair pairs[] = { { 4, 5, 4, file_store, file_peek }, { 0 } };
static const uint8_t post[8] = { IO_POST_QUIET, IO_POST_YES, IO_POST_STORE, IO_POST_IDLE, IO_POST_QUIET,
                                 IO_POST_QUIET };
static const uint8_t store[8] = { 0xff, 0, 0xf0, 0, 0x07 };
static const IoOps ops = { .read = chip_read, .write = chip_write, .widths = IO_8, .post = post,
                           .store = store, .peek = chip_peek, .pairs = pairs };

typedef struct Rig {
    IoMap map;
    DmRanges table;
    IoPublisher p;
    IoReader r;
    Chip chip[2];
    IoFamily family[2];
    IoRange *range[2];
} Rig;

static Rig *rig_new(void)
{
    Rig *g = g_new0(Rig, 1);

    io_map_init(&g->map);
    io_publisher_init(&g->p, &g->table, &g->map);
    g->r.table = &g->table;
    for (unsigned i = 0; i < 2; i++) {
        g->range[i] = io_range_new("chip", IO_PORT, 8, &ops, &g->chip[i]);
        g->range[i]->family = &g->family[i];
        g->family[i].publishes = true;
        cr_assert(io_map_add(&g->map, g->range[i], 0x300 + 8 * i, NULL));
        io_publisher_range(&g->p, g->range[i], true);
    }
    io_publisher_flush(&g->p, true);
    return g;
}

static void rig_free(Rig *g)
{
    for (unsigned i = 0; i < 2; i++) {
        io_range_free(&g->map, g->range[i]);
    }
    io_map_finish(&g->map);
    g_free(g);
}

/* -1: has to be asked for. */
static int64_t get(Rig *g, uint64_t consumed, uint64_t addr, unsigned size)
{
    uint64_t v = 0;

    return io_reader_read(&g->r, consumed, false, addr, size, &v) ? (int64_t)v : -1;
}

static uint8_t put(Rig *g, uint64_t consumed, uint64_t at, uint64_t addr, unsigned size, uint64_t v)
{
    uint8_t rule = io_reader_rule(&g->r, consumed, false, addr, size, v);

    if (rule != DM_RANGE_WAIT) {
        io_reader_posted(&g->r, consumed, at, false, addr, size, v);
    }
    return rule;
}

Test(io_publish, a_change_is_seen_when_it_was_flushed)
{
    Rig *g = rig_new();

    g->chip[0].reg[1] = 7;
    cr_expect_eq(get(g, 0, 0x301, 1), 0);
    io_publisher_flush(&g->p, true);
    cr_expect_eq(get(g, 0, 0x301, 1), 0, "nobody said that it had changed");
    io_family_changed(&g->map, &g->family[0]);
    io_publisher_flush(&g->p, true);
    cr_expect_eq(get(g, 0, 0x301, 1), 7);
    cr_expect_eq(get(g, 0, 0x300, 2), 0x700);
    cr_expect_not(g->map.due);
    rig_free(g);
}

Test(io_publish, in_the_middle_of_an_access_the_family_stays_changed)
{
    Rig *g = rig_new();

    io_family_changed(&g->map, &g->family[0]);
    io_publisher_flush(&g->p, false);
    g->chip[0].reg[1] = 7;
    cr_expect(g->map.due);
    io_publisher_flush(&g->p, true);
    cr_expect_eq(get(g, 0, 0x301, 1), 7);
    rig_free(g);
}

Test(io_publish, what_has_a_side_effect_is_asked_for)
{
    Rig *g = rig_new();

    cr_expect_eq(get(g, 0, 0x303, 1), 0);
    g->chip[0].secret = true;
    io_write(&g->map, IO_PORT, 0x307, 1, 1);    /* any access to the device */
    io_publisher_flush(&g->p, true);
    cr_expect_eq(get(g, 0, 0x303, 1), -1);
    cr_expect_eq(get(g, 0, 0x302, 2), -1, "a part of it");
    cr_expect_eq(get(g, 0, 0x307, 1), 1);
    cr_expect_eq(get(g, 0, 0x307, 2), -1, "over the end");
    cr_expect_eq(get(g, 0, 0x310, 1), -1, "nobody's");
    rig_free(g);
}

Test(io_publish, a_posted_write_holds_its_device_up_and_no_other)
{
    Rig *g = rig_new();

    cr_expect_eq(put(g, 0, 1, 0x301, 1, 5), DM_RANGE_POST);
    cr_expect_eq(get(g, 0, 0x302, 1), -1);
    cr_expect_eq(get(g, 0, 0x30a, 1), 0);
    cr_expect_eq(get(g, 1, 0x302, 1), 0);
    rig_free(g);
}

Test(io_publish, storage_reads_as_it_was_written_at_once)
{
    Rig *g = rig_new();

    cr_expect_eq(put(g, 0, 1, 0x300, 1, 0x5a), DM_RANGE_QUIET);
    cr_expect_eq(get(g, 0, 0x300, 1), 0x5a);
    cr_expect_eq(get(g, 0, 0x301, 1), 0, "and nothing else waits for it");
    cr_expect_eq(put(g, 0, 2, 0x300, 1, 0x77), DM_RANGE_QUIET);
    cr_expect_eq(get(g, 0, 0x300, 1), 0x77, "the last one");
    cr_expect_eq(get(g, 2, 0x300, 1), 0, "what the device made of it, when it has it");
    rig_free(g);
}

Test(io_publish, storage_beside_other_bits_is_posted_while_those_stay)
{
    Rig *g = rig_new();

    g->chip[0].reg[2] = 0x01;
    io_family_changed(&g->map, &g->family[0]);
    io_publisher_flush(&g->p, true);
    cr_expect_eq(put(g, 0, 1, 0x302, 1, 0xf1), DM_RANGE_QUIET);
    cr_expect_eq(get(g, 0, 0x302, 1), 0xf1);
    cr_expect_eq(put(g, 0, 2, 0x302, 1, 0xf0), DM_RANGE_WAIT);
    put(g, 0, 2, 0x301, 1, 1);
    cr_expect_eq(put(g, 0, 3, 0x302, 1, 0xf1), DM_RANGE_WAIT, "its other bits may have changed");
    rig_free(g);
}

Test(io_publish, the_index_picks_the_data)
{
    Rig *g = rig_new();

    memcpy(g->chip[0].file, "\x11\x02\x33\x44", 4);
    io_family_changed(&g->map, &g->family[0]);
    io_publisher_flush(&g->p, true);
    cr_expect_eq(get(g, 0, 0x305, 1), 0x11);
    put(g, 0, 1, 0x304, 1, 1);
    cr_expect_eq(get(g, 0, 0x305, 1), 0x02);
    put(g, 0, 2, 0x304, 2, 0x0e01);
    cr_expect_eq(get(g, 0, 0x304, 2), 0x0e01, "index and data in one");
    put(g, 0, 3, 0x304, 1, 0);
    cr_expect_eq(get(g, 0, 0x305, 1), 0x11);
    put(g, 0, 4, 0x304, 1, 6);
    cr_expect_eq(get(g, 0, 0x305, 1), -1, "no such cell");
    put(g, 0, 5, 0x304, 2, 0x9902);
    cr_expect_eq(get(g, 0, 0x305, 1), -1, "that one is no storage");
    cr_expect_eq(get(g, 0, 0x304, 1), -1);
    cr_expect_eq(get(g, 5, 0x305, 1), 0x11);
    rig_free(g);
}

Test(io_publish, an_index_with_bits_that_are_not_kept_holds_up)
{
    Rig *g = rig_new();

    cr_expect_eq(put(g, 0, 1, 0x304, 1, 0x09), DM_RANGE_QUIET);
    cr_expect_eq(get(g, 0, 0x304, 1), -1);
    cr_expect_eq(get(g, 1, 0x304, 1), 0);
    rig_free(g);
}

Test(io_publish, more_stores_than_are_remembered_hold_up)
{
    Rig *g = rig_new();
    unsigned n = 0;

    for (unsigned i = 0; i < IO_STORES + 2; i++) {
        g->r.store[g->r.stores < IO_STORES ? g->r.stores++ : 0] =
            (IoStore){ .range = 9, .cell = i, .at = 1000 };
    }
    cr_expect_eq(put(g, 0, ++n, 0x300, 1, 1), DM_RANGE_QUIET);
    cr_expect_eq(get(g, 0, 0x301, 1), -1);
    cr_expect_eq(get(g, 1, 0x301, 1), 0);
    rig_free(g);
}

/* --- a line: status at 0, mask at 1 --- */

static IoEvents events;         /* tests are processes of their own */

static const IoEvents *line_events(void *opaque)
{
    (void)opaque;
    return &events;
}

static uint32_t line_wire(void *opaque)
{
    (void)opaque;
    return 0x22;
}

static const IoLine line = { .status = 0, .mask = 1, .bytes = 1, .events = line_events, .wire = line_wire };
static const uint8_t line_post[8] = { IO_POST_LINE, IO_POST_LINE, IO_POST_YES };
static const uint8_t line_store[8] = { 0, 0xff };
static const IoOps line_ops = { .read = chip_read, .write = chip_write, .widths = IO_8, .post = line_post,
                                .store = line_store, .peek = chip_peek, .line = &line };

/* Both ranges are the same chip's, with status and mask as given. */
static Rig *line_rig(uint8_t status, uint8_t mask)
{
    Rig *g = g_new0(Rig, 1);

    io_map_init(&g->map);
    io_publisher_init(&g->p, &g->table, &g->map);
    g->r.table = &g->table;
    g->family[0].publishes = true;
    g->chip[0].reg[0] = status;
    g->chip[0].reg[1] = mask;
    io_event(&events, status);
    for (unsigned i = 0; i < 2; i++) {
        g->range[i] = io_range_new("line", IO_PORT, 8, &line_ops, &g->chip[0]);
        g->range[i]->family = &g->family[0];
        cr_assert(io_map_add(&g->map, g->range[i], 0x300 + 8 * i, NULL));
        io_publisher_range(&g->p, g->range[i], true);
    }
    io_publisher_flush(&g->p, true);
    return g;
}

static void chip_event(Rig *g, uint8_t bits)
{
    g->chip[0].reg[0] |= bits;
    io_event(&events, bits);
    io_family_changed(&g->map, &g->family[0]);
    io_publisher_flush(&g->p, true);
}

/* -1: waited for; else whether the line is low. */
static int put_line(Rig *g, uint64_t consumed, uint64_t at, uint64_t addr, unsigned size, uint64_t v)
{
    IoLineWrite w;

    if (io_reader_rule(&g->r, consumed, false, addr, size, v) != DM_RANGE_LINE ||
        !io_reader_line(&g->r, consumed, false, addr, size, v, &w)) {
        return -1;
    }
    io_reader_line_posted(&g->r, consumed, at, false, addr, size, v, &w);
    cr_expect_eq(w.wire, 0x22);
    cr_expect_eq(w.seen, g->table.range[0].line.last);
    return w.low;
}

Test(io_publish, a_line_is_low_when_status_and_mask_have_nothing_in_common)
{
    Rig *g = line_rig(0x05, 0x06);

    cr_expect_eq(put_line(g, 0, 1, 0x300, 1, 0x01), 0);
    cr_expect_eq(get(g, 0, 0x300, 1), 0x04);
    cr_expect_eq(put_line(g, 0, 2, 0x301, 1, 0x01), 1);
    cr_expect_eq(get(g, 0, 0x301, 1), 0x01);
    cr_expect_eq(put_line(g, 0, 3, 0x301, 1, 0x0f), 0);
    cr_expect_eq(put_line(g, 0, 4, 0x300, 1, 0xff), 1);
    cr_expect_eq(get(g, 0, 0x300, 2), 0x0f00);
    cr_expect_eq(get(g, 4, 0x300, 1), 0x05, "what the device made of it, when it has it");
    rig_free(g);
}

Test(io_publish, an_event_after_the_acknowledgement_stays)
{
    Rig *g = line_rig(0x05, 0x07);

    cr_expect_eq(put_line(g, 0, 1, 0x300, 1, 0x05), 1);
    chip_event(g, 0x04);
    cr_expect_eq(get(g, 0, 0x300, 1), 0x04);
    cr_expect_eq(put_line(g, 0, 2, 0x301, 1, 0x01), 1);
    cr_expect_eq(put_line(g, 0, 3, 0x301, 1, 0x04), 0);
    cr_expect_eq(put_line(g, 0, 4, 0x300, 1, 0x04), 1);
    cr_expect_eq(get(g, 0, 0x300, 1), 0x00);
    rig_free(g);
}

Test(io_publish, numbers_of_events_come_round)
{
    Rig *g;

    events.last = UINT32_MAX - 1;
    g = line_rig(0x05, 0x07);
    cr_expect_eq(put_line(g, 0, 1, 0x300, 1, 0x05), 1);
    chip_event(g, 0x08);
    chip_event(g, 0x04);                /* number 1 */
    cr_expect_eq(get(g, 0, 0x300, 1), 0x0c);
    cr_expect_eq(put_line(g, 0, 2, 0x300, 1, 0xff), 1);
    cr_expect_eq(get(g, 0, 0x300, 1), 0);
    rig_free(g);
}

Test(io_publish, status_waits_for_no_other_register_and_the_mask_does)
{
    Rig *g = line_rig(0x05, 0x07);

    cr_expect_eq(put(g, 0, 1, 0x302, 1, 1), DM_RANGE_POST);
    cr_expect_eq(get(g, 0, 0x300, 1), 0x05);
    cr_expect_eq(get(g, 0, 0x301, 1), -1);
    cr_expect_eq(get(g, 0, 0x300, 2), -1);
    rig_free(g);
}

Test(io_publish, what_is_not_one_whole_register_of_a_line_is_waited_for)
{
    Rig *g = line_rig(0x05, 0x07);

    cr_expect_eq(put_line(g, 0, 1, 0x300, 2, 0x0001), -1, "status and mask");
    cr_expect_eq(put_line(g, 0, 1, 0x301, 2, 0x0001), -1, "mask and another");
    g->table.seq |= 1;
    cr_expect_eq(put_line(g, 0, 1, 0x300, 1, 0x01), -1, "in the middle of a change");
    g->table.seq++;
    cr_expect_eq(put_line(g, 0, 1, 0x300, 1, 0x01), 0);
    rig_free(g);
}

Test(io_publish, an_acknowledgement_by_another_range_hides_the_status)
{
    Rig *g = line_rig(0x05, 0x07);

    cr_expect_eq(put_line(g, 0, 1, 0x308, 1, 0x05), 1);
    cr_expect_eq(get(g, 0, 0x308, 1), 0);
    cr_expect_eq(get(g, 0, 0x300, 1), -1);
    cr_expect_eq(put_line(g, 0, 2, 0x300, 1, 0x01), -1);
    cr_expect_eq(get(g, 1, 0x300, 1), 0x05);
    rig_free(g);
}

Test(io_publish, more_acknowledgements_than_are_remembered_are_waited_for)
{
    Rig *g = line_rig(0x05, 0x07);

    for (unsigned i = 1; i <= IO_ACKS; i++) {
        cr_expect_eq(put_line(g, 0, i, 0x300, 1, 0x05), 1);
    }
    cr_expect_eq(put_line(g, 0, IO_ACKS + 1, 0x300, 1, 0x05), -1);
    cr_expect_eq(put_line(g, 1, IO_ACKS + 1, 0x300, 1, 0x05), 1, "one has been consumed");
    rig_free(g);
}

Test(io_publish, a_range_that_goes_is_no_longer_answered_for)
{
    Rig *g = rig_new();

    io_publisher_range(&g->p, g->range[0], false);
    cr_expect_eq(get(g, 0, 0x300, 1), -1);
    cr_expect_eq(get(g, 0, 0x308, 1), 0);
    g->range[0]->base = 0x500;
    io_publisher_range(&g->p, g->range[0], true);
    io_publisher_flush(&g->p, true);
    cr_expect_eq(get(g, 0, 0x500, 1), 0);
    cr_expect_neq(g->table.range[0].group, g->table.range[1].group);
    rig_free(g);
}

Test(io_publish, busy_ranges_are_waited_for)
{
    Rig *g = rig_new();

    cr_expect_eq(put(g, 0, 1, 0x303, 1, 0), DM_RANGE_POST);
    g->range[0]->busy = true;
    io_publisher_range(&g->p, g->range[0], true);
    cr_expect_eq(put(g, 1, 2, 0x303, 1, 0), DM_RANGE_WAIT);
    rig_free(g);
}

Test(io_publish, a_table_in_the_middle_of_a_change_is_not_believed)
{
    Rig *g = rig_new();

    g->table.seq |= 1;
    cr_expect_eq(get(g, 0, 0x300, 1), -1);
    g->table.seq++;
    cr_expect_eq(get(g, 0, 0x300, 1), 0);
    rig_free(g);
}

Test(io_publish, any_table_is_survived)
{
    Rig *g = rig_new();
    uint32_t seed = 7;

    for (unsigned n = 0; n < 3000; n++) {
        uint8_t *bytes = (uint8_t *)&g->table;
        IoLineWrite w;

        for (unsigned i = 0; i < 200; i++) {
            seed = seed * 1664525u + 1013904223u;
            bytes[(seed >> 8) % sizeof g->table] = seed >> 24;
        }
        for (unsigned i = 0; i < DM_RANGES; i++) {
            uint64_t addr = g->table.where[i].base + (seed >> i) % 64;

            g->table.seq &= ~1u;
            get(g, n, addr, 1 + n % 8);
            for (unsigned mmio = 0; mmio < 2; mmio++) {
                io_reader_rule(&g->r, n, mmio, addr, 1 + n % 8, seed);
                io_reader_posted(&g->r, n, n + 3, mmio, addr, 1 + n % 8, seed);
                if (io_reader_line(&g->r, n, mmio, addr, 1 + n % 2, seed, &w)) {
                    io_reader_line_posted(&g->r, n, n + 3, mmio, addr, 1 + n % 2, seed, &w);
                }
            }
        }
        cr_assert_leq(g->r.stores, IO_STORES);
        cr_assert_leq(g->r.acks, IO_ACKS);
    }
    g_free(g->range[0]);
    g_free(g->range[1]);
    io_map_finish(&g->map);
    g_free(g);
}

static uint64_t asked;          /* a bit for each offset; tests are processes of their own */

static bool narrow_peek(void *opaque, unsigned offset, uint8_t *value)
{
    asked |= 1ull << offset;
    return chip_peek(opaque, offset, value);
}

Test(io_publish, only_spans_that_tell_something_are_asked_for)
{
    static const IoSpan spans[] = { { 1, 2 }, { 6, 9 }, { 0 } };
    IoOps narrow = { .read = chip_read, .write = chip_write, .widths = IO_8, .peek = narrow_peek,
                     .peeks = spans };
    Chip chip = { .reg = { 1, 2, 3, 4, 5, 6, 7, 8 } };
    IoFamily family = { .publishes = true };
    DmRanges *t = g_new0(DmRanges, 1);
    IoRange *range = io_range_new("narrow", IO_PORT, 8, &narrow, &chip);
    IoPublisher p;
    IoMap map;

    io_map_init(&map);
    io_publisher_init(&p, t, &map);
    range->family = &family;
    cr_assert(io_map_add(&map, range, 0x300, NULL));
    io_publisher_range(&p, range, true);
    io_publisher_flush(&p, true);
    cr_expect_eq(asked, 0xc6, "%#llx: not past the range's end", (unsigned long long)asked);
    for (unsigned i = 0; i < 8; i++) {
        cr_expect_eq(t->range[0].cell[i], asked >> i & 1 ? DM_CELL_VALID | chip.reg[i] : 0);
    }
    io_map_remove(&map, range);
    io_range_free(&map, range);
    io_map_finish(&map);
    g_free(t);
}
