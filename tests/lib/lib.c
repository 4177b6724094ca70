/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lib.c - rings, timers, state tables, I/O map and PCI on the fake machine. */
#include <criterion/criterion.h>
#include <string.h>
#include "lib/pci.h"
#include "lib/ring.h"
#include "tests/fake_machine.h"

/* --- ring --- */

Test(ring, keeps_order_over_the_wrap)
{
    Ring r;
    uint8_t b;

    ring_init(&r, 4);
    for (unsigned round = 0; round < 10; round++) {
        cr_assert(ring_push_all(&r, "abc", 3));
        for (unsigned i = 0; i < 3; i++) {
            cr_assert(ring_pop(&r, &b));
            cr_assert_eq(b, "abc"[i]);
        }
    }
    cr_assert_not(ring_pop(&r, &b));
    ring_finish(&r);
}

Test(ring, refuses_what_does_not_fit)
{
    Ring r;

    ring_init(&r, 4);
    cr_assert(ring_push_all(&r, "xy", 2));
    cr_assert_not(ring_push_all(&r, "abc", 3));
    cr_assert_eq(ring_used(&r), 2);
    cr_assert_eq(ring_push_some(&r, "abc", 3), 2);
    cr_assert_not(ring_push(&r, 'z'));
    ring_drop(&r, 100);
    cr_assert_eq(ring_used(&r), 0);
    ring_finish(&r);
}

/* --- timers --- */

static unsigned fired[8], fires;

static void note(void *opaque)
{
    fired[fires++ & 7] = GPOINTER_TO_UINT(opaque);
}

static TimerQueue endless_queue;
static Timer endless;

static void rearm(void *opaque)
{
    (void)opaque;
    fires++;
    timer_at(&endless, 0);
}

Test(timer, fires_in_order_of_time)
{
    TimerQueue q = { 0 };
    Timer t[3];

    for (unsigned i = 0; i < 3; i++) {
        timer_init(&t[i], &q, note, GUINT_TO_POINTER(i));
    }
    timer_at(&t[0], 30);
    timer_at(&t[1], 10);
    timer_at(&t[2], 20);
    timer_at(&t[0], 15);            /* moved */
    timer_cancel(&t[2]);
    cr_assert_eq(timer_queue_run(&q, 12), 15);
    cr_assert_eq(fires, 1);
    cr_assert_eq(timer_queue_run(&q, 100), INT64_MAX);
    cr_assert_eq(fires, 2);
    cr_assert_eq(fired[0], 1);
    cr_assert_eq(fired[1], 0);
}

Test(timer, one_run_is_bounded_however_often_a_timer_is_due)
{
    timer_init(&endless, &endless_queue, rearm, NULL);
    timer_at(&endless, 0);
    timer_queue_run(&endless_queue, 1);
    cr_assert_leq(fires, 1000);
    cr_assert_gt(fires, 0);
}

/* --- state --- */

typedef struct Inner { uint8_t a; uint16_t b[2]; } Inner;
typedef struct Sample {
    bool flag;
    uint8_t small;
    uint32_t words[3];
    int64_t when;
    uint8_t bytes[5];
    Inner inner[2];
    Ring ring;
    uint8_t *heap;
} Sample;

static const StateField inner_state[] = { STATE_U8(Inner, a), STATE_U16_ARRAY(Inner, b), STATE_END };
static const StateField sample_state[] = {
    STATE_BOOL(Sample, flag), STATE_U8_MAX(Sample, small, 9), STATE_U32_ARRAY(Sample, words),
    STATE_I64(Sample, when), STATE_BYTES(Sample, bytes),
    STATE_STRUCT_ARRAY(Sample, inner, inner_state), STATE_RING(Sample, ring),
    STATE_HEAP_BYTES(Sample, heap, 7), STATE_END
};

static void sample_init(Sample *s)
{
    memset(s, 0, sizeof *s);
    ring_init(&s->ring, 8);
    s->heap = g_malloc0(7);
}

static void sample_fill(Sample *s)
{
    s->flag = true;
    s->small = 9;
    s->words[2] = 0xdeadbeef;
    s->when = -5;
    memcpy(s->bytes, "bytes", 5);
    s->inner[1].b[1] = 0x1234;
    ring_push_all(&s->ring, "queue", 5);
    memcpy(s->heap, "on heap", 7);
}

Test(state, comes_back_as_it_was)
{
    Sample a, b;
    g_autoptr(GByteArray) first = g_byte_array_new(), second = g_byte_array_new();

    sample_init(&a);
    sample_init(&b);
    sample_fill(&a);
    state_save_fields(first, &a, sample_state);
    cr_assert(state_check_fields(sample_state, first->data, first->len, &b, NULL));
    state_load_fields(&b, sample_state, first->data, first->len);
    state_save_fields(second, &b, sample_state);
    cr_assert_eq(first->len, second->len);
    cr_assert_arr_eq(first->data, second->data, first->len);
    cr_assert_eq(b.inner[1].b[1], 0x1234);
    cr_assert_eq(b.when, -5);
}

Test(state, every_truncation_and_surplus_is_refused)
{
    Sample a;
    g_autoptr(GByteArray) out = g_byte_array_new();

    sample_init(&a);
    sample_fill(&a);
    state_save_fields(out, &a, sample_state);
    for (guint len = 0; len < out->len; len++) {
        g_autoptr(GError) error = NULL;

        cr_assert_not(state_check_fields(sample_state, out->data, len, &a, &error));
        cr_assert_not_null(error);
    }
    g_byte_array_append(out, (const uint8_t *)"", 1);
    cr_assert_not(state_check_fields(sample_state, out->data, out->len, &a, NULL));
}

Test(state, values_above_their_maximum_are_refused)
{
    Sample a;
    g_autoptr(GByteArray) out = g_byte_array_new();

    sample_init(&a);
    state_save_fields(out, &a, sample_state);
    out->data[1] = 10;              /* small: at most 9 */
    cr_assert_not(state_check_fields(sample_state, out->data, out->len, &a, NULL));
    out->data[1] = 9;
    cr_assert(state_check_fields(sample_state, out->data, out->len, &a, NULL));
    out->data[0] = 2;               /* a bool */
    cr_assert_not(state_check_fields(sample_state, out->data, out->len, &a, NULL));
}

Test(state, table_check_sees_a_wrong_size)
{
    static const StateField wrong[] = {
        { "x", STATE_KIND_U32, 1, 0, 2, 0, NULL }, STATE_END };

    cr_assert_not_null(state_table_fault(wrong));
    cr_assert_null(state_table_fault(sample_state));
}

/* --- I/O map --- */

typedef struct Probe { uint64_t offset, value; unsigned width, calls; } Probe;

static uint64_t probe_read(void *opaque, uint64_t offset, unsigned width)
{
    Probe *p = opaque;

    p->offset = offset;
    p->width = width;
    p->calls++;
    return 0x1122334455667788ull >> (8 * offset);
}

static void probe_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    Probe *p = opaque;

    p->offset = offset;
    p->width = width;
    p->value = value;
    p->calls++;
}

static const IoOps byte_ops = { .read = probe_read, .write = probe_write, .widths = IO_8 };
static const IoOps dword_ops = { .read = probe_read, .write = probe_write, .widths = IO_32 };

Test(io_map, splits_wide_accesses_into_declared_widths)
{
    IoMap map;
    Probe p = { 0 };
    IoRange *r;

    io_map_init(&map);
    r = io_range_new("probe", IO_PORT, 8, &byte_ops, &p);
    cr_assert(io_map_add(&map, r, 0x300, NULL));
    cr_assert_eq(io_read(&map, IO_PORT, 0x300, 4), 0x55667788);
    cr_assert_eq(p.calls, 4);
    io_write(&map, IO_PORT, 0x304, 2, 0xabcd);
    cr_assert_eq(p.offset, 5);
    cr_assert_eq(p.value, 0xab);
    io_range_free(&map, r);
    io_map_finish(&map);
}

Test(io_map, narrow_read_takes_its_part_of_the_register)
{
    IoMap map;
    Probe p = { 0 };
    IoRange *r;

    io_map_init(&map);
    r = io_range_new("probe", IO_MMIO, 8, &dword_ops, &p);
    cr_assert(io_map_add(&map, r, 0xf0000000, NULL));
    cr_assert_eq(io_read(&map, IO_MMIO, 0xf0000001, 1), 0x77);
    cr_assert_eq(p.width, 4);
    cr_assert_eq(p.offset, 0);
    io_range_free(&map, r);
    io_map_finish(&map);
}

Test(io_map, unclaimed_reads_ones_and_edges_are_bytewise)
{
    IoMap map;
    Probe p = { 0 };
    IoRange *r;

    io_map_init(&map);
    r = io_range_new("probe", IO_PORT, 2, &byte_ops, &p);
    cr_assert(io_map_add(&map, r, 0x300, NULL));
    cr_assert_eq(io_read(&map, IO_PORT, 0x100, 4), 0xffffffff);
    cr_assert_eq(io_read(&map, IO_PORT, 0x301, 4), 0xffffff77);
    io_write(&map, IO_PORT, 0x100, 4, 0);
    cr_assert_eq(p.calls, 1);
    io_range_free(&map, r);
    io_map_finish(&map);
}

Test(io_map, overlap_names_both_owners)
{
    IoMap map;
    Probe p = { 0 };
    g_autoptr(GError) error = NULL;
    IoRange *a, *b;

    io_map_init(&map);
    a = io_range_new("first", IO_PORT, 8, &byte_ops, &p);
    b = io_range_new("second", IO_PORT, 8, &byte_ops, &p);
    cr_assert(io_map_add(&map, a, 0x300, NULL));
    cr_assert_not(io_map_add(&map, b, 0x307, &error));
    cr_assert_not_null(strstr(error->message, "first"));
    cr_assert_not_null(strstr(error->message, "second"));
    cr_assert(io_map_add(&map, b, 0x308, NULL));
    io_range_free(&map, a);
    io_range_free(&map, b);
    io_map_finish(&map);
}

/* --- guest memory --- */

Test(dma, stops_at_holes_and_reads_ones_there)
{
    FakeMachine *f = fake_machine_new();
    uint8_t buf[8192];

    memset(f->ram + 0x9f000, 0x5a, 0x1000);
    cr_assert_not(dma_read(&f->m, 0x9f800, buf, sizeof buf));
    cr_assert_eq(buf[0], 0x5a);
    cr_assert_eq(buf[0x7ff], 0x5a);
    cr_assert_eq(buf[0x800], 0xff);
    cr_assert_not(dma_write(&f->m, FAKE_RAM_SIZE - 4, buf, 8));
    cr_assert_eq(f->ram[FAKE_RAM_SIZE - 4], 0x5a);
    cr_assert_not(dma_write(&f->m, UINT64_MAX - 3, buf, 8));
    fake_machine_free(f);
}

/* --- PCI --- */

typedef struct Card { PciDevice pci; Probe probe; } Card;

static const PciClass card_id = { .vendor = 0x1234, .device = 0x5678, .base_class = 2,
                                  .interrupt_pin = 1 };
static uint64_t card_read(void *opaque, uint64_t o, unsigned w)
{
    return probe_read(&((Card *)opaque)->probe, o, w);
}

static void card_write(void *opaque, uint64_t o, unsigned w, uint64_t v)
{
    probe_write(&((Card *)opaque)->probe, o, w, v);
}

static const IoOps card_ops = { .read = card_read, .write = card_write, .widths = IO_8 };

static bool card_init(Device *dev, GError **error)
{
    Card *c = (Card *)dev;
    uint8_t rom[1024] = { 0x55, 0xaa, 2 };

    rom[0x18] = 0x20;
    memcpy(rom + 0x20, "PCIR", 4);
    return pci_init(&c->pci, &card_id, error) &&
           pci_claim_bar(&c->pci, 0, PCI_BAR_IO, 64, &card_ops, error) &&
           pci_claim_bar(&c->pci, 1, PCI_BAR_MEM, 4096, &card_ops, error) &&
           pci_claim_rom(&c->pci, rom, sizeof rom, error);
}

static void card_reset(Device *dev) { pci_reset((PciDevice *)dev); }
static bool card_loaded(Device *dev, GError **error) { return pci_loaded((PciDevice *)dev, error); }
static void card_finish(Device *dev) { pci_finish((PciDevice *)dev); }
static const ConfigField card_config[] = { CONFIG_PCI(Card, pci), CONFIG_END };
static const StateField card_state[] = { STATE_PCI(Card, pci), STATE_END };
static const DeviceClass card_class = {
    .name = "card", .size = sizeof(Card), .version = 1, .config = card_config, .state = card_state,
    .init = card_init, .reset = card_reset, .loaded = card_loaded, .finish = card_finish };

static Card *card_new(FakeMachine *f)
{
    Device *dev = device_new(&f->m, &card_class);

    device_set_pointer(dev, "bus", &f->bus);
    device_set_u64(dev, "devfn", 0x20);
    cr_assert(device_init(dev, NULL));
    return (Card *)dev;
}

Test(pci, bars_are_sized_placed_and_switched)
{
    FakeMachine *f = fake_machine_new();
    Card *c = card_new(f);

    pci_bus_write(&f->bus, 0x20, 0x10, 4, 0xffffffff);
    cr_assert_eq(pci_bus_read(&f->bus, 0x20, 0x10, 4), 0xffffffc1);
    pci_bus_write(&f->bus, 0x20, 0x10, 4, 0xc000);
    cr_assert_eq(fake_in8(f, 0xc000), 0xff);
    pci_bus_write(&f->bus, 0x20, 4, 2, 1);
    cr_assert_eq(fake_in8(f, 0xc000), 0x88);
    pci_bus_write(&f->bus, 0x20, 0x10, 4, 0xd000);
    cr_assert_eq(fake_in8(f, 0xc000), 0xff);
    fake_out8(f, 0xd002, 7);
    cr_assert_eq(c->probe.offset, 2);
    pci_bus_write(&f->bus, 0x20, 4, 2, 0);
    cr_assert_eq(fake_in8(f, 0xd000), 0xff);
    fake_machine_free(f);
}

Test(pci, option_rom_gets_the_functions_ids_and_a_right_sum)
{
    FakeMachine *f = fake_machine_new();
    Card *c = card_new(f);
    const uint8_t *rom = c->pci.bar[PCI_ROM_BAR].ram->host;
    uint8_t sum = 0;

    for (unsigned i = 0; i < 1024; i++) {
        sum += rom[i];
    }
    cr_assert_eq(sum, 0);
    cr_assert_eq(rom[0x24] | rom[0x25] << 8, 0x1234);
    cr_assert_eq(rom[0x26] | rom[0x27] << 8, 0x5678);
    cr_assert_eq(pci_bus_read(&f->bus, 0x20, 0x30, 4) & 1, 0);
    fake_machine_free(f);
}

Test(pci, interrupt_follows_level_disable_and_unplug)
{
    FakeMachine *f = fake_machine_new();
    Card *c = card_new(f);

    pci_set_irq(&c->pci, true);
    cr_assert(f->intx[0x20][0]);
    cr_assert_eq(pci_bus_read(&f->bus, 0x20, 6, 2) & 8, 8);
    pci_bus_write(&f->bus, 0x20, 4, 2, 0x400);
    cr_assert_not(f->intx[0x20][0]);
    pci_bus_write(&f->bus, 0x20, 4, 2, 4);
    cr_assert(f->intx[0x20][0]);
    cr_assert(pci_bus_master(&c->pci));
    pci_unplug(&c->pci);
    cr_assert_not(f->intx[0x20][0]);
    cr_assert_not(pci_bus_master(&c->pci), "what is gone reads and writes no memory");
    cr_assert_eq(pci_bus_read(&f->bus, 0x20, 0, 4), 0xffffffff);
    machine_reset(&f->m);
    cr_assert_eq(pci_bus_read(&f->bus, 0x20, 0, 4), 0x56781234);
    fake_machine_free(f);
}

Test(pci, a_loaded_stream_cannot_change_read_only_fields)
{
    FakeMachine *f = fake_machine_new();
    g_autoptr(GByteArray) out = g_byte_array_new();
    Card *c = card_new(f);

    c->pci.config[0] = 0x99;        /* as a forged stream would have it */
    machine_save(&f->m, out);
    cr_assert(machine_load(&f->m, out->data, out->len, NULL));
    cr_assert_eq(pci_bus_read(&f->bus, 0x20, 0, 4), 0x56781234);
    fake_machine_free(f);
}

Test(log, a_limit_gives_a_burst_and_then_its_rate)
{
    LogLimit l = { 0 };
    unsigned n = 0;

    for (int64_t ms = 5000; ms < 15000; ms++) {         /* ten seconds, four a second after ten */
        n += log_limit_allows(&l, ms * 1000000, 10, 4);
    }
    cr_assert(n >= 10 + 39 && n <= 10 + 40, "%u", n);
    cr_assert(log_limit_allows(&l, 60 * NS_PER_S, 10, 4));
    cr_assert(log_limit_allows(&l, 1 * NS_PER_S, 10, 4), "a clock that was set back takes nothing");
    n = 0;
    for (unsigned i = 0; i < 100; i++) {
        n += log_limit_allows(&l, 1 * NS_PER_S, 10, 4);
    }
    cr_assert_eq(n, 8, "and gives nothing");
}

Test(log, a_guest_cannot_flood_it)
{
    FakeMachine *f = fake_machine_new();
    Card *c = card_new(f);

    for (unsigned i = 0; i < 100000; i++) {
        log_guest(&c->pci.dev, "line %u", i);
    }
    cr_assert_leq(f->logged, 100);
    f->now += 10 * NS_PER_S;
    log_guest(&c->pci.dev, "again");
    cr_assert_str_eq(f->last_log, "card: again");
    fake_machine_free(f);
}
