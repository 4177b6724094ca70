/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * published.c - what devices publish of their registers is what a read would give, and the read would
 * change nothing: random accesses by way of lib/io_publish.h with a ring that is emptied late, beside
 * the device itself.
 */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "hw/devices.h"
#include "hw/rtl8139.h"
#include "hw/uart.h"
#include "lib/io_publish.h"
#include "lib/pci.h"
#include "net/net.h"
#include "tests/hw/ide_guest.h"
#include "tests/hw/vga_guest.h"
#include "ui/hub.h"

#define QUEUE 64

typedef struct Rig {
    FakeMachine *f;
    Device *dev;
    DmRanges *table;
    IoPublisher publisher;
    IoReader reader;
    FakePost queue[QUEUE];
    IoLineWrite line[QUEUE];
    bool with_line[QUEUE];
    bool *wire;                 /* the level that the guest sees, of a range with an IoLine */
    uint64_t posted, consumed;
    uint32_t seed;
    unsigned answered, asked, waited, sent;
    const uint8_t *favourites;  /* values that are written more often */
    unsigned nfavourites;
} Rig;

/* Outside of IoOps.peeks there is nothing to tell. */
static void check_spans(const IoRange *range)
{
    bool covered[IO_POST_MAX] = { false };
    uint8_t value;

    for (const IoSpan *s = range->ops->peeks; s && s->len; s++) {
        memset(covered + s->first, true, s->len);
    }
    for (unsigned i = 0; i < range->len && range->ops->peeks; i++) {
        cr_assert(covered[i] || !range->ops->peek(range->opaque, i, &value), "offset %x", i);
    }
}

static void flush(void *opaque)
{
    IoPublisher *p = opaque;

    io_publisher_flush(p, true);
    for (unsigned i = 0; i < DM_RANGES; i++) {
        if (p->range[i]) {
            check_spans(p->range[i]);
        }
    }
}

static void range_changed(void *opaque, const IoRange *r, bool mapped)
{
    io_publisher_range(opaque, r, mapped);
}

static void busy_changed(void *opaque, const IoRange *r)
{
    io_publisher_range(opaque, r, true);
}

static Rig *rig_new(FakeMachine *f, Device *dev)
{
    Rig *r = g_new0(Rig, 1);
    IoMap *map = &f->m.io;

    r->f = f;
    r->dev = dev;
    r->seed = 1;
    r->table = g_new0(DmRanges, 1);
    r->reader.table = r->table;
    io_publisher_init(&r->publisher, r->table, map);
    map->opaque = &r->publisher;
    map->changed = range_changed;
    map->busy_changed = busy_changed;
    map->publish = flush;
    for (guint i = 0; i < map->ranges[IO_PORT]->len; i++) {
        io_publisher_range(&r->publisher, map->ranges[IO_PORT]->pdata[i], true);
    }
    io_map_publish(map);
    return r;
}

static void rig_free(Rig *r)
{
    IoMap *map = &r->f->m.io;

    map->changed = NULL;
    map->busy_changed = NULL;
    map->publish = NULL;
    g_free(r->table);
    g_free(r);
}

static uint32_t rnd(Rig *r, uint32_t below)
{
    r->seed = r->seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)(r->seed ^ r->seed >> 15) * below >> 32);
}

static void drain(Rig *r)
{
    while (r->consumed < r->posted) {
        FakePost p = r->queue[r->consumed % QUEUE];
        const IoLineWrite *line = &r->line[r->consumed % QUEUE];

        r->f->m.io.seen = (IoSeen){ r->with_line[r->consumed % QUEUE], line->low, line->seen };
        io_write(&r->f->m.io, p.space, p.addr, p.width, p.value);
        if (++r->consumed % 3 == 0) {           /* as when somebody looks in between */
            io_map_publish(&r->f->m.io);
        }
    }
    r->f->m.io.seen.known = false;
    io_map_publish(&r->f->m.io);
}

/* What posted writes set of a line's status may show late. */
static uint64_t late(Rig *r, uint64_t port, unsigned width, uint64_t published, uint64_t real)
{
    const IoRange *range = io_map_find(&r->f->m.io, IO_PORT, port);
    const IoLine *line = range ? range->ops->line : NULL;
    uint64_t may = 0;

    for (unsigned i = 0; line && i < width; i++) {
        may |= port + i - range->base - line->status < line->bytes ? 0xffull << (8 * i) : 0;
    }
    return real & ~published & may;
}

static GByteArray *state(const Device *dev)
{
    GByteArray *a = g_byte_array_new();

    state_save_fields(a, dev, dev->cls->state);
    return a;
}

static void in(Rig *r, uint64_t port, unsigned width)
{
    uint64_t value = 0, real;
    g_autoptr(GByteArray) before = NULL;
    bool isa[16];

    if (!io_reader_read(&r->reader, r->consumed, false, port, width, &value)) {
        r->asked++;
        drain(r);
        io_read(&r->f->m.io, IO_PORT, port, width);
        io_map_publish(&r->f->m.io);
        return;
    }
    r->answered++;
    drain(r);
    before = r->answered % 32 == 0 ? state(r->dev) : NULL;
    memcpy(isa, r->f->isa, sizeof isa);
    real = io_read(&r->f->m.io, IO_PORT, port, width);
    real &= ~late(r, port, width, value, real);
    cr_assert_eq(value, real, "port %x of %u: published %x, reads as %x", (unsigned)port, width,
                 (unsigned)value, (unsigned)real);
    cr_assert(!memcmp(isa, r->f->isa, sizeof isa), "reading %x moves an interrupt", (unsigned)port);
    if (before) {
        g_autoptr(GByteArray) after = state(r->dev);

        cr_assert(after->len == before->len && !memcmp(after->data, before->data, after->len),
                  "reading %x changes the state", (unsigned)port);
    }
}

static void out(Rig *r, uint64_t port, unsigned width, uint32_t value)
{
    uint64_t v = value & ((1ULL << (8 * width)) - 1);
    uint8_t rule = r->posted - r->consumed == QUEUE
                       ? DM_RANGE_WAIT : io_reader_rule(&r->reader, r->consumed, false, port, width, v);
    unsigned at = r->posted % QUEUE;
    IoLineWrite w = { 0 };

    r->with_line[at] = rule == DM_RANGE_LINE;
    if (rule == DM_RANGE_LINE &&
        !io_reader_line(&r->reader, r->consumed, false, port, width, v, &w)) {
        rule = DM_RANGE_WAIT;
    }
    if (rule == DM_RANGE_WAIT) {
        r->waited++;
        drain(r);
        io_write(&r->f->m.io, IO_PORT, port, width, v);
        io_map_publish(&r->f->m.io);
        return;
    }
    r->sent++;
    r->queue[r->posted++ % QUEUE] = (FakePost){ IO_PORT, port, v, width };
    if (rule == DM_RANGE_LINE) {
        r->line[at] = w;
        *r->wire = *r->wire && !w.low;
        io_reader_line_posted(&r->reader, r->consumed, r->posted, false, port, width, v, &w);
    } else {
        io_reader_posted(&r->reader, r->consumed, r->posted, false, port, width, v);
    }
}

/* Where to: a range that is in the table, in most cases. */
static uint64_t port(Rig *r)
{
    const GPtrArray *ranges = r->f->m.io.ranges[IO_PORT];
    const IoRange *range = ranges->len ? ranges->pdata[rnd(r, ranges->len)] : NULL;

    return range ? range->base + rnd(r, range->len) : 0x1f0;
}

static uint32_t value(Rig *r)
{
    if (r->nfavourites && rnd(r, 4)) {
        return r->favourites[rnd(r, r->nfavourites)];
    }
    return rnd(r, 2) ? rnd(r, 256) : rnd(r, UINT32_MAX);
}

static void step(Rig *r)
{
    static const uint8_t widths[] = { 1, 1, 1, 1, 1, 2, 4 };
    unsigned width = widths[rnd(r, sizeof widths)];

    switch (rnd(r, 16)) {
    case 0 ... 7:
        in(r, port(r), width);
        break;
    case 8 ... 12:
        out(r, port(r), width, value(r));
        break;
    case 13:
        drain(r);
        break;
    case 14:
        g_main_context_iteration(NULL, FALSE);
        io_map_publish(&r->f->m.io);
        break;
    default:
        fake_advance(r->f, rnd(r, 300000));
        io_map_publish(&r->f->m.io);
    }
}

static void run(Rig *r, unsigned steps)
{
    for (unsigned i = 0; i < steps; i++) {
        step(r);
    }
    cr_expect_gt(r->answered, steps / 20, "%u answered, %u asked, %u waited, %u sent", r->answered,
                 r->asked, r->waited, r->sent);
    cr_expect_gt(r->sent, steps / 200);
}

Test(published, ide_registers_are_never_stale, .timeout = 60)
{
    static const uint8_t commands[] = { 0xec, 0xc8, 0xca, 0x20, 0x30, 0xe7, 0x90, 0xa1, 0xa0, 0x08,
                                        0xe0, 0xa0, 0xb0, 0xe0, 0xf0, 0x01, 0x09, 0x00, 0x04, 0x02 };
    IdeGuest *g = ide_guest_new();
    Rig *r = rig_new(g->f, g->ide);
    const PciDevice *pci = (const PciDevice *)g->ide;

    r->favourites = commands;
    r->nfavourites = sizeof commands;
    for (unsigned i = 0; i < 16; i++) {
        ide_guest_prd(g, 0x1000, i, 0x10000 + i * 0x1000, 0x1000, i == 15);
    }
    for (unsigned i = 0; i < 400; i++) {
        run(r, 200);
        out(r, BM0 + 4 + 8 * (i & 1), 4, 0x1000);
        if (i % 16 == 0) {              /* ports come and go */
            drain(r);
            pci_bus_write(&g->f->bus, pci->devfn, 4, 2, i & 16 ? 4 : 1);
            io_map_publish(&g->f->m.io);
            for (unsigned k = 0; k < 20; k++) {
                in(r, 0x1f0 + rnd(r, 8), 1);
            }
            pci_bus_write(&g->f->bus, pci->devfn, 4, 2, 5);
            io_map_publish(&g->f->m.io);
        }
    }
    rig_free(r);
    ide_guest_free(g);
}

static void vga_is_never_stale(const DeviceClass *cls)
{
    static const uint8_t values[] = { 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x11, 0x07, 0x63, 0x66, 0x67, 2,
                                      0x20, 0x12, 0x06 };
    FakeMachine *f = fake_machine_new();
    Display *display = display_new(NULL);
    Device *dev = device_new(&f->m, cls);
    Rig *r;

    device_set_pointer(dev, "bus", &f->bus);
    device_set_u64(dev, "devfn", 0x10);
    device_set_pointer(dev, "display", display);
    device_set_u64(dev, "vram_mib", 4);
    cr_assert(device_init(dev, NULL));
    r = rig_new(f, dev);
    r->favourites = values;
    r->nfavourites = sizeof values;
    out(r, 0x3c2, 1, 0x67);
    run(r, 40000);
    rig_free(r);
    fake_machine_free(f);
    display_free(display);
}

Test(published, standard_vga_registers_are_never_stale, .timeout = 60)
{
    vga_is_never_stale(&stdvga_class);
}

Test(published, cirrus_registers_are_never_stale, .timeout = 60)
{
    vga_is_never_stale(&cirrus_class);
}

Test(published, serial_port_registers_are_never_stale, .timeout = 60)
{
    static const uint8_t values[] = { 0x0f, 0x0b, 0x1b, 0x03, 0x83, 0x01, 0xc1, 0x02 };
    FakeMachine *f = fake_machine_new();
    Device *dev = device_create(&f->m, &uart_class, NULL);
    Rig *r = rig_new(f, dev);

    r->favourites = values;
    r->nfavourites = sizeof values;
    run(r, 60000);
    rig_free(r);
    fake_machine_free(f);
}

#define NIC 0xc000

static FakeMachine *nic_new(Device **dev, int *far)
{
    FakeMachine *f = fake_machine_new();
    int ends[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends), 0);
    *far = ends[1];
    *dev = device_new(&f->m, &rtl8139_class);
    device_set_pointer(*dev, "bus", &f->bus);
    device_set_u64(*dev, "devfn", 0x20);
    device_set_mac(*dev, "mac", (const uint8_t[]){ 0, 0x16, 0x3e, 1, 2, 3 });
    device_set_pointer(*dev, "port", net_port_new_socket(ends[0], NULL));
    cr_assert(device_init(*dev, NULL));
    pci_bus_write(&f->bus, 0x20, 0x10, 4, NIC);
    pci_bus_write(&f->bus, 0x20, 4, 2, 7);
    return f;
}

Test(published, network_card_registers_are_never_stale, .timeout = 60)
{
    static const uint8_t values[] = { 0x0c, 0x01, 0x05, 0x0f, 0xff, 0xc0, 0x40, 0x03, 0x10, 0x55 };
    uint8_t frame[200] = { 255, 255, 255, 255, 255, 255 };
    Device *dev;
    int far;
    FakeMachine *f = nic_new(&dev, &far);
    Rig *r = rig_new(f, dev);

    r->favourites = values;
    r->nfavourites = sizeof values;
    r->wire = &f->intx[0x20][0];
    for (unsigned i = 0; i < 600; i++) {
        out(r, NIC + 0x30, 4, 0x100000);
        out(r, NIC + 0x37, 1, 0x0c);
        out(r, NIC + 0x44, 4, 0x0f);
        for (unsigned k = 0; k < 4; k++) {
            out(r, NIC + 0x20 + 4 * k, 4, 0x200000);
            out(r, NIC + 0x10 + 4 * k, 4, 60);
        }
        send(far, frame, sizeof frame, 0);
        run(r, 100);
        for (unsigned k = 0; k < 20; k++) {     /* where things happen */
            in(r, NIC + 0x37 + rnd(r, 9), 1 + rnd(r, 2));
            out(r, NIC + 0x38 + rnd(r, 8), 2, value(r));
        }
        for (unsigned k = 0; k < 40; k++) {     /* events between a write and its effect */
            out(r, NIC + 0x3c + 2 * rnd(r, 2), 2, value(r));
            if (rnd(r, 4) == 0) {
                out(r, NIC + 0x10, 4, 60);      /* sends a frame: TOK */
            }
            if (rnd(r, 4) == 0) {
                send(far, frame, sizeof frame, 0);
                g_main_context_iteration(NULL, FALSE);
                io_map_publish(&f->m.io);
            }
            if (rnd(r, 4) == 0) {
                in(r, NIC + 0x3e, 2);
            }
        }
        drain(r);
        cr_assert_eq(*r->wire, (io_read(&f->m.io, IO_PORT, NIC + 0x3c, 2) &
                                io_read(&f->m.io, IO_PORT, NIC + 0x3e, 2)) != 0, "turn %u", i);
        while (recv(far, frame, sizeof frame, 0) > 0) {
        }
    }
    rig_free(r);
    close(far);
    fake_machine_free(f);
}

static void await_frame(Rig *r, int far, bool line)
{
    const uint8_t frame[200] = { 255, 255, 255, 255, 255, 255 };
    uint64_t before = io_read(&r->f->m.io, IO_PORT, NIC + 0x3a, 2);

    cr_assert_eq(send(far, frame, sizeof frame, 0), (ssize_t)sizeof frame);
    while (io_read(&r->f->m.io, IO_PORT, NIC + 0x3a, 2) == before) {
        g_main_context_iteration(NULL, TRUE);
    }
    io_map_publish(&r->f->m.io);
    cr_expect_eq(*r->wire, line);
}

static Rig *receiving(Device **dev, int *far)
{
    FakeMachine *f = nic_new(dev, far);
    Rig *r = rig_new(f, *dev);

    r->wire = &f->intx[0x20][0];
    out(r, NIC + 0x30, 4, 0x100000);
    out(r, NIC + 0x37, 1, 0x0c);
    out(r, NIC + 0x44, 4, 0x0f);
    out(r, NIC + 0x3c, 2, 0x807f);
    drain(r);
    await_frame(r, *far, true);
    r->asked = r->waited = 0;
    return r;
}

static void finish(Rig *r, int far)
{
    FakeMachine *f = r->f;

    rig_free(r);
    close(far);
    fake_machine_free(f);
}

/* As Linux's driver for the C+ mode serves an interrupt. */
Test(published, a_received_frame_needs_no_round_trip)
{
    Device *dev;
    int far;
    Rig *r = receiving(&dev, &far);

    in(r, NIC + 0x3c, 2);
    in(r, NIC + 0x3e, 2);
    out(r, NIC + 0x3e, 2, 0);
    cr_expect(*r->wire);
    out(r, NIC + 0x3c, 2, 0x802e);      /* no receive interrupts */
    cr_expect_not(*r->wire, "low although the card has not got the write");
    in(r, NIC + 0x3c, 2);
    out(r, NIC + 0x3e, 2, 0x51);
    in(r, NIC + 0x3e, 2);
    out(r, NIC + 0x3c, 2, 0x807f);
    in(r, NIC + 0x3c, 2);
    cr_expect_eq(r->waited, 0, "%u waited for", r->waited);
    cr_expect_eq(r->asked, 0, "%u asked for", r->asked);
    drain(r);
    cr_expect_not(*r->wire);
    finish(r, far);
}

Test(published, a_frame_after_its_acknowledgement_was_posted_is_told_of)
{
    uint64_t status = 0;
    Device *dev;
    int far;
    Rig *r = receiving(&dev, &far);

    out(r, NIC + 0x3e, 2, 0xffff);
    cr_expect_not(*r->wire);
    cr_expect(io_reader_read(&r->reader, r->consumed, false, NIC + 0x3e, 2, &status));
    cr_expect_eq(status, 0);
    await_frame(r, far, false);         /* the card's line was high, so that it says nothing */
    cr_expect(io_reader_read(&r->reader, r->consumed, false, NIC + 0x3e, 2, &status));
    cr_expect_eq(status & 1, 1, "the second frame's bit is not the first one's");
    drain(r);
    cr_expect_eq(io_read(&r->f->m.io, IO_PORT, NIC + 0x3e, 2) & 1, 1);
    cr_expect(*r->wire, "the interrupt is not lost");
    finish(r, far);
}

Test(published, an_unmasked_line_comes_from_the_card)
{
    Device *dev;
    int far;
    Rig *r = receiving(&dev, &far);

    out(r, NIC + 0x3c, 2, 0);
    cr_expect_not(*r->wire);
    out(r, NIC + 0x3c, 2, 1);
    drain(r);
    cr_expect(*r->wire);
    out(r, NIC + 0x3c, 2, 0);
    out(r, NIC + 0x3e, 2, 1);
    out(r, NIC + 0x3c, 2, 1);
    drain(r);
    cr_expect_not(*r->wire);
    finish(r, far);
}

/* A text console moves its cursor: no access has to wait but those that set up the mode. */
Test(published, a_text_cursor_needs_no_round_trip)
{
    FakeMachine *f = fake_machine_new();
    Display *display = display_new(NULL);
    Device *dev = device_new(&f->m, &stdvga_class);
    Rig *r;

    device_set_pointer(dev, "bus", &f->bus);
    device_set_u64(dev, "devfn", 0x10);
    device_set_pointer(dev, "display", display);
    cr_assert(device_init(dev, NULL));
    r = rig_new(f, dev);
    out(r, 0x3c2, 1, 0x67);
    r->waited = 0;
    for (unsigned i = 0; i < 5; i++) {
        static const uint8_t shape[2] = { 0x0d, 0x2e };

        for (unsigned k = 0; k < 2; k++) {
            uint64_t now = 0;

            out(r, 0x3d4, 1, 0x0a + k);
            cr_assert(io_reader_read(&r->reader, r->consumed, false, 0x3d5, 1, &now));
            cr_expect_eq(now, i ? shape[k] : 0, "the write that nobody has served yet");
            out(r, 0x3d4, 2, (shape[k] << 8) | (0x0a + k));
        }
        out(r, 0x3d4, 1, 0x0e);
        out(r, 0x3d5, 1, i);
    }
    cr_expect_eq(r->waited, 0);
    cr_expect_eq(r->consumed, 0);
    rig_free(r);
    fake_machine_free(f);
    display_free(display);
}

/* One DMA command as Linux's ata_bmdma gives it. */
Test(published, a_disk_command_needs_four_round_trips)
{
    IdeGuest *g = ide_guest_new();
    Rig *r = rig_new(g->f, g->ide);

    ide_guest_prd(g, 0x1000, 0, 0x10000, 0x1000, true);
    out(r, PRI + R_DEVICE, 1, 0xe0);
    drain(r);
    r->asked = r->waited = 0;
    in(r, PRI + R_STATUS, 1);
    out(r, PRI + R_DEVICE, 1, 0xe0);
    in(r, PRI_CTL, 1);
    in(r, PRI + R_STATUS, 1);
    for (unsigned i = R_FEATURE; i <= R_HIGH; i++) {
        out(r, PRI + i, 1, i == R_COUNT ? 8 : 0);
    }
    out(r, PRI + R_DEVICE, 1, 0xe0);
    in(r, PRI + R_STATUS, 1);
    out(r, BM0 + 4, 4, 0x1000);
    in(r, BM0, 1);
    out(r, BM0, 1, 8);
    cr_expect_eq(r->waited + r->asked, 0);
    out(r, PRI + R_COMMAND, 1, 0xc8);
    in(r, PRI_CTL, 1);
    in(r, BM0, 1);
    out(r, BM0, 1, 9);
    while (!g->f->isa[14]) {
        g_main_context_iteration(NULL, TRUE);
    }
    io_map_publish(&g->f->m.io);
    in(r, BM0 + 2, 1);
    in(r, BM0, 1);
    out(r, BM0, 1, 8);
    in(r, PRI_CTL, 1);
    in(r, PRI + R_STATUS, 1);
    in(r, BM0 + 2, 1);
    out(r, BM0 + 2, 1, 0x64);
    cr_expect_eq(r->waited, 3, "the command, start and stop: %u", r->waited);
    cr_expect_eq(r->asked, 1, "the status that takes the interrupt back: %u", r->asked);
    cr_expect_not(g->f->isa[14]);
    rig_free(r);
    ide_guest_free(g);
}
