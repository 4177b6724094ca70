/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ne2000.c - the NE2000 in both its forms against the DP8390D and RTL8029AS data sheets, and the
 * published faults of other models of it (E1-E8).
 */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "hw/devices.h"
#include "hw/ne2000.h"
#include "lib/ether.h"
#include "tests/fake_machine.h"

#define IO 0xc100
#define START 0x40              /* first page of the card's RAM: the transmit buffer */
#define RING 0x46
#define STOP 0x80

static const uint8_t mac[6] = { 0x00, 0x16, 0x3e, 0x12, 0x34, 0x56 };
static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

typedef struct Nic { FakeMachine *f; Ne2000 *s; int far; uint16_t io; } Nic;

static Nic card(const DeviceClass *cls)
{
    Nic n = { .f = fake_machine_new(), .io = IO };
    Device *dev = device_new(&n.f->m, cls);
    int fds[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
    n.far = fds[1];
    n.s = (Ne2000 *)dev;
    device_set_mac(dev, "mac", mac);
    device_set_pointer(dev, "port", net_port_new_socket(fds[0], NULL));
    if (cls == &ne2k_pci_class) {
        device_set_pointer(dev, "bus", &n.f->bus);
        device_set_u64(dev, "devfn", 0x20);
        cr_assert(device_init(dev, NULL));
        pci_bus_write(&n.f->bus, 0x20, 0x10, 4, IO);
        pci_bus_write(&n.f->bus, 0x20, 4, 2, 1);
    } else {
        cr_assert(device_init(dev, NULL));
        n.io = 0x300;
    }
    return n;
}

static void nic_free(Nic *n)
{
    close(n->far);
    fake_machine_free(n->f);
}

static void out(Nic *n, unsigned reg, uint8_t value)
{
    fake_out8(n->f, n->io + reg, value);
}

static uint8_t in(Nic *n, unsigned reg)
{
    return fake_in8(n->f, n->io + reg);
}

static void pump(void)
{
    for (unsigned i = 0; i < 50; i++) {
        g_main_context_iteration(NULL, FALSE);
    }
}

/* What a driver does to start: word transfers, ring of pages RING to STOP, everything but groups. */
static void start(Nic *n, uint8_t rcr)
{
    out(n, 0, 0x21);
    out(n, 0xe, 0x49);
    out(n, 0xa, 0);
    out(n, 0xb, 0);
    out(n, 0xc, rcr);
    out(n, 0xd, 0);
    out(n, 1, RING);
    out(n, 2, STOP);
    out(n, 3, RING);
    out(n, 7, 0xff);
    out(n, 0xf, 0x7f);
    out(n, 0, 0x61);
    for (unsigned i = 0; i < 6; i++) {
        out(n, 1 + i, mac[i]);
    }
    out(n, 7, RING + 1);
    out(n, 0, 0x22);
}

static void remote(Nic *n, uint16_t addr, uint16_t count, uint8_t command)
{
    out(n, 0, 0x22);
    out(n, 8, addr);
    out(n, 9, addr >> 8);
    out(n, 0xa, count);
    out(n, 0xb, count >> 8);
    out(n, 0, command);
}

static void put(Nic *n, uint16_t addr, const void *data, uint16_t len)
{
    remote(n, addr, len, 0x12);
    io_write_many(&n->f->m.io, n->io + 0x10, 2, data, (len + 1) / 2);
}

static void get(Nic *n, uint16_t addr, void *data, uint16_t len)
{
    remote(n, addr, len, 0x0a);
    io_read_many(&n->f->m.io, n->io + 0x10, 2, data, (len + 1) / 2);
}

/* The acknowledgement of PRX, and the time until frames come again. */
static void acknowledge(Nic *n)
{
    fake_out8(n->f, n->io + 7, 0x41);
    pump();
    fake_advance(n->f, NS_PER_MS);
    pump();
}

static void frame_to_guest(Nic *n, const uint8_t *dest, unsigned len, uint8_t fill)
{
    uint8_t frame[2048];

    memset(frame, fill, sizeof frame);
    memcpy(frame, dest, 6);
    cr_assert_eq(send(n->far, frame, len, 0), (ssize_t)len);
    pump();
}

static uint8_t curr(Nic *n)
{
    uint8_t v;

    out(n, 0, 0x62);
    v = in(n, 7);
    out(n, 0, 0x22);
    return v;
}

static void transmit(Nic *n, unsigned len)
{
    out(n, 4, START);
    out(n, 5, len);
    out(n, 6, len >> 8);
    out(n, 0, 0x26);
}

static bool interrupt(Nic *n)
{
    return n->io == IO ? n->f->intx[0x20][0] : n->f->isa[9];
}

Test(ne2000, pci_card_identifies_itself_and_has_32_ports)
{
    Nic n = card(&ne2k_pci_class);

    cr_assert_eq(pci_bus_read(&n.f->bus, 0x20, 0, 4), 0x802910ec);
    cr_assert_eq(pci_bus_read(&n.f->bus, 0x20, 8, 4) >> 16, 0x0200);
    pci_bus_write(&n.f->bus, 0x20, 0x10, 4, 0xffffffff);
    cr_assert_eq(pci_bus_read(&n.f->bus, 0x20, 0x10, 4), 0xffffffe1);
    pci_bus_write(&n.f->bus, 0x20, 0x10, 4, IO);
    cr_assert_eq(in(&n, 0xa), 0x50);
    cr_assert_eq(in(&n, 0xb), 0x43);
    nic_free(&n);
}

Test(ne2000, isa_card_sits_where_its_jumpers_say)
{
    FakeMachine *f = fake_machine_new();
    Device *dev = device_new(&f->m, &ne2k_isa_class);
    g_autoptr(GError) error = NULL;

    device_set_u64(dev, "iobase", 0x340);
    device_set_u64(dev, "irq", 5);
    cr_assert(device_init(dev, NULL));
    cr_assert_eq(fake_in8(f, 0x340), 0x21);
    cr_assert_eq(fake_in8(f, 0x300), 0xff);
    dev = device_new(&f->m, &ne2k_isa_class);
    device_set_u64(dev, "irq", 99);
    cr_assert_not(device_init(dev, &error));
    cr_assert_not_null(strstr(error->message, "jumpers"));
    fake_machine_free(f);
}

Test(ne2000, prom_has_the_address_twice_in_bytes_once_in_words)
{
    Nic n = card(&ne2k_isa_class);
    uint8_t prom[32];

    out(&n, 0, 0x21);
    out(&n, 0xe, 0x48);                 /* bytes */
    remote(&n, 0, 32, 0x0a);
    for (unsigned i = 0; i < 32; i++) {
        prom[i] = in(&n, 0x10);
    }
    for (unsigned i = 0; i < 12; i++) {
        cr_assert_eq(prom[i], mac[i / 2]);
    }
    cr_assert_eq(prom[28], 0x57);
    cr_assert_eq(prom[30], 0x57);
    cr_assert_eq(in(&n, 7) & 0x40, 0x40, "remote DMA complete");
    out(&n, 0xe, 0x49);                 /* words */
    remote(&n, 0, 12, 0x0a);
    for (unsigned i = 0; i < 6; i++) {
        cr_assert_eq(fake_in16(n.f, n.io + 0x10) & 0xff, mac[i]);
    }
    nic_free(&n);
}

Test(ne2000, reset_port_stops_and_says_so)
{
    Nic n = card(&ne2k_isa_class);

    start(&n, 4);
    cr_assert_eq(in(&n, 7) & 0x80, 0);
    out(&n, 0x1f, in(&n, 0x1f));
    cr_assert_eq(in(&n, 7), 0x80);
    cr_assert_eq(in(&n, 0) & 7, 1);
    frame_to_guest(&n, broadcast, 60, 1);
    cr_assert_eq(in(&n, 7), 0x80, "nothing is received");
    nic_free(&n);
}

Test(ne2000, memory_written_and_read_in_bytes_words_dwords_and_strings_agrees)
{
    Nic n = card(&ne2k_pci_class);
    uint8_t data[512], back[512];

    for (unsigned i = 0; i < sizeof data; i++) {
        data[i] = i * 7 + 3;
    }
    start(&n, 4);
    put(&n, 0x4000, data, sizeof data);
    cr_assert_eq(in(&n, 7) & 0x40, 0x40);
    get(&n, 0x4000, back, sizeof back);
    cr_assert_arr_eq(back, data, sizeof data);
    get(&n, 0xc000, back, sizeof back);         /* A15 is not decoded */
    cr_assert_arr_eq(back, data, sizeof data);
    remote(&n, 0x4000, 512, 0x0a);
    for (unsigned i = 0; i < 512; i += 4) {
        uint32_t v = fake_in32(n.f, n.io + 0x10);

        cr_assert_eq(memcmp(&v, data + i, 4), 0);
    }
    out(&n, 0xe, 0x48);
    remote(&n, 0x4001, 5, 0x0a);
    for (unsigned i = 0; i < 5; i++) {
        cr_assert_eq(in(&n, 0x10), data[1 + i]);
    }
    out(&n, 0xe, 0x4b);                 /* words, the 68000's order */
    remote(&n, 0x4000, 4, 0x0a);
    cr_assert_eq(fake_in16(n.f, n.io + 0x10), data[0] << 8 | data[1]);
    cr_assert_eq(in(&n, 8), 2, "the current address counts");
    nic_free(&n);
}

Test(ne2000, odd_count_in_words_ends_with_one_more_cycle)
{
    Nic n = card(&ne2k_pci_class);
    uint8_t back[8];

    start(&n, 4);
    put(&n, 0x4000, "abcdefgh", 8);
    out(&n, 7, 0x40);
    remote(&n, 0x4000, 5, 0x0a);
    io_read_many(&n.f->m.io, n.io + 0x10, 2, back, 2);
    cr_assert_eq(in(&n, 7) & 0x40, 0);
    back[4] = in(&n, 0x10);
    cr_assert_arr_eq(back, "abcde", 5);
    cr_assert_eq(in(&n, 7) & 0x40, 0x40);
    cr_assert_eq(fake_in16(n.f, n.io + 0x10), 0xffff, "nothing left");
    remote(&n, 0x4000, 0, 0x0a);
    cr_assert_eq(in(&n, 7) & 0x40, 0x40, "an empty transfer is complete at once");
    nic_free(&n);
}

Test(ne2000, remote_dma_wraps_at_pstop)
{
    Nic n = card(&ne2k_pci_class);
    uint8_t back[8];

    start(&n, 4);
    put(&n, 0x7ffc, "abcd", 4);
    put(&n, RING << 8, "efgh", 4);
    get(&n, 0x7ffc, back, 8);
    cr_assert_arr_eq(back, "abcdefgh", 8);
    nic_free(&n);
}

Test(ne2000, transmits_from_its_memory_and_interrupts)
{
    Nic n = card(&ne2k_pci_class);
    uint8_t frame[100], buf[2048];

    memset(frame, 0x77, sizeof frame);
    start(&n, 4);
    put(&n, START << 8, frame, sizeof frame);
    out(&n, 7, 0xff);
    cr_assert_not(interrupt(&n));
    transmit(&n, sizeof frame);
    cr_assert_eq(recv(n.far, buf, sizeof buf, MSG_DONTWAIT), 100);
    cr_assert_arr_eq(buf, frame, 100);
    cr_assert_eq(in(&n, 0) & 4, 0, "TXP is clear again");
    cr_assert_eq(in(&n, 4) & 1, 1);
    cr_assert_eq(in(&n, 7), 2);
    cr_assert(interrupt(&n));
    out(&n, 0xf, 0x7d);
    cr_assert_not(interrupt(&n), "masked");
    out(&n, 0xf, 0x7f);
    out(&n, 7, 2);
    cr_assert_not(interrupt(&n));
    nic_free(&n);
}

Test(ne2000, crc_inhibited_takes_the_drivers_fcs_and_drops_a_wrong_one)
{
    Nic n = card(&ne2k_pci_class);
    uint8_t frame[64], buf[128];
    uint32_t fcs;

    memset(frame, 0x31, sizeof frame);
    fcs = ether_fcs(frame, 60);
    memcpy(frame + 60, &fcs, 4);
    start(&n, 4);
    out(&n, 0xd, 1);
    put(&n, START << 8, frame, 64);
    transmit(&n, 64);
    cr_assert_eq(recv(n.far, buf, sizeof buf, MSG_DONTWAIT), 60);
    transmit(&n, 62);
    cr_assert_lt(recv(n.far, buf, sizeof buf, MSG_DONTWAIT), 0);
    nic_free(&n);
}

Test(ne2000, received_frame_has_header_data_and_fcs)
{
    Nic n = card(&ne2k_isa_class);
    uint8_t buf[320];
    uint32_t fcs;

    start(&n, 4);
    frame_to_guest(&n, mac, 300, 0x42);
    cr_assert_eq(in(&n, 7), 1);
    cr_assert(interrupt(&n));
    cr_assert_eq(in(&n, 0xc), 1);
    cr_assert_eq(curr(&n), RING + 3);
    get(&n, (RING + 1) << 8, buf, 308);
    cr_assert_eq(buf[0], 1);
    cr_assert_eq(buf[1], RING + 3);
    cr_assert_eq(buf[2] | buf[3] << 8, 304);
    cr_assert_eq(buf[4 + 299], 0x42);
    memcpy(&fcs, buf + 304, 4);
    cr_assert_eq(fcs, ether_fcs(buf + 4, 300));
    frame_to_guest(&n, broadcast, 20, 1);
    get(&n, (RING + 3) << 8, buf, 4);
    cr_assert_eq(buf[0], 0x21, "PHY: a group address");
    cr_assert_eq(buf[2], 64, "padded as on a wire");
    nic_free(&n);
}

Test(ne2000, frames_wrap_from_pstop_to_pstart)
{
    Nic n = card(&ne2k_pci_class);
    uint8_t buf[1024];

    start(&n, 4);
    out(&n, 0, 0x62);
    out(&n, 7, STOP - 2);
    out(&n, 0, 0x22);
    out(&n, 3, STOP - 3);
    frame_to_guest(&n, mac, 900, 0x55);
    cr_assert_eq(curr(&n), RING + 2);
    get(&n, (STOP - 2) << 8, buf, 904);
    cr_assert_eq(buf[1], RING + 2);
    cr_assert_eq(buf[4 + 6], 0x55);
    cr_assert_eq(buf[4 + 899], 0x55);
    nic_free(&n);
}

Test(ne2000, filter_takes_only_what_it_should)
{
    static const uint8_t other[6] = { 2, 2, 2, 2, 2, 2 }, multi[6] = { 1, 0, 0x5e, 0, 0, 1 };
    static const struct { uint8_t rcr; const uint8_t *dest; bool hash, taken; } cases[] = {
        { 0, mac, false, true }, { 0, other, false, false }, { 0x10, other, false, true },
        { 0, broadcast, false, false }, { 4, broadcast, false, true }, { 8, multi, false, false },
        { 8, multi, true, true }, { 4, multi, true, false }, { 0x10, multi, false, false } };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        Nic n = card(&ne2k_pci_class);
        unsigned bit = ether_hash(multi);

        start(&n, cases[i].rcr);
        if (cases[i].hash) {
            out(&n, 0, 0x62);
            out(&n, 8 + bit / 8, 1 << bit % 8);
            out(&n, 0, 0x22);
        }
        frame_to_guest(&n, cases[i].dest, 60, 1);
        cr_assert_eq(in(&n, 7) & 1, cases[i].taken, "case %u", i);
        nic_free(&n);
    }
}

Test(ne2000, monitor_mode_counts_and_stores_nothing)
{
    Nic n = card(&ne2k_pci_class);

    start(&n, 0x24);
    cr_assert_eq(in(&n, 0xc) & 0x40, 0x40, "receiver disabled");
    for (unsigned i = 0; i < 5; i++) {
        frame_to_guest(&n, mac, 60, 1);
    }
    cr_assert_eq(curr(&n), RING + 1);
    cr_assert_eq(in(&n, 0xf), 5);
    cr_assert_eq(in(&n, 0xf), 0, "reading clears");
    for (unsigned i = 0; i < 250; i++) {
        frame_to_guest(&n, mac, 60, 1);
    }
    cr_assert_eq(in(&n, 7) & 0x20, 0x20, "CNT at 128");
    cr_assert_eq(in(&n, 0xf), 0xc0, "and it stops at 192");
    nic_free(&n);
}

Test(ne2000, slow_driver_loses_nothing_and_a_stopped_one_gets_its_overrun)
{
    Nic n = card(&ne2k_pci_class);
    unsigned taken = 0;
    uint8_t head[4], page = RING + 1;

    start(&n, 4);
    for (unsigned i = 0; i < 30; i++) {
        frame_to_guest(&n, mac, 1000, i);
    }
    cr_assert_eq(in(&n, 7) & 0x10, 0);
    for (unsigned i = 0; i < 100; i++) {
        while (page != curr(&n)) {
            uint8_t data[8];

            get(&n, page << 8, head, 4);
            get(&n, (page << 8) + 12, data, 2);
            cr_assert_eq(data[0], taken, "in order");
            page = head[1];
            out(&n, 3, page == RING ? STOP - 1 : page - 1);
            taken++;
        }
        acknowledge(&n);
    }
    cr_assert_eq(taken, 30);
    for (unsigned i = 0; i < 30; i++) {
        frame_to_guest(&n, mac, 1000, i);
    }
    fake_advance(n.f, 3 * NS_PER_S);
    pump();
    cr_assert_eq(in(&n, 7) & 0x90, 0x90, "OVW and RST");
    cr_assert_gt(in(&n, 0xf), 0, "missed frames are counted");
    cr_assert_eq(in(&n, 0xc) & 0x11, 0x10, "MPA, not PRX");
    nic_free(&n);
}

/* Linux's 8390 core writes the page before the next frame, without a thought of the ring's start. */
Test(ne2000, boundary_one_below_pstart_holds_the_ring_as_pstop_does)
{
    for (unsigned boundary = 0; boundary < 2; boundary++) {
        Nic n = card(&ne2k_pci_class);
        uint8_t head[4], page = RING, first[2];
        unsigned held = 0;

        start(&n, 4);
        out(&n, 0, 0x62);
        out(&n, 7, RING);               /* CURR: the first frame goes to the first page */
        out(&n, 0, 0x22);
        out(&n, 3, boundary ? STOP - 1 : RING - 1);
        for (unsigned i = 0; i < 40; i++) {
            frame_to_guest(&n, mac, 1000, i + 1);
            acknowledge(&n);            /* and does not read */
        }
        for (; page != curr(&n); page = head[1], held++) {
            get(&n, page << 8, head, 4);
            get(&n, (page << 8) + 12, first, 2);
            cr_assert_eq(head[0], 1);
            cr_assert_eq(head[1], page + 4);
            cr_assert_eq(first[0], held + 1, "the oldest is not overwritten");
        }
        cr_expect_geq(held, 8);
        nic_free(&n);
    }
}

/*
 * Linux reads at most nine frames, then acknowledges PRX, whatever has come in the meantime.  Here all
 * of them wait from the start, so none may be left without an interrupt.
 */
Test(ne2000, driver_that_acknowledges_late_is_told_of_every_frame)
{
    static const unsigned sizes[] = { 60, 300, 1514 };

    for (unsigned k = 0; k < G_N_ELEMENTS(sizes); k++) {
        Nic n = card(&ne2k_pci_class);
        uint8_t page = RING + 1, head[4];
        unsigned taken = 0, passes = 0;

        start(&n, 4);
        for (unsigned i = 0; i < 100; i++) {
            frame_to_guest(&n, mac, sizes[k], i);
        }
        while (n.f->intx[0x20][0]) {
            for (unsigned i = 0; i < 9 && page != curr(&n); i++, taken++) {
                get(&n, page << 8, head, 4);
                page = head[1];
                out(&n, 3, page - 1);
                pump();                 /* the cable's next frames would come here */
            }
            acknowledge(&n);
            passes++;
        }
        cr_expect_eq(taken, 100, "%u of size %u in %u passes", taken, sizes[k], passes);
        cr_expect_lt(passes, 20, "several at each interrupt");
        cr_expect_eq(in(&n, 7) & 0x10, 0, "no overrun");
        nic_free(&n);
    }
}

/* The vCPU may be off its processor between the last look at the ring and the acknowledgement. */
Test(ne2000, no_frame_comes_just_before_the_acknowledgement_however_late_it_is)
{
    Nic n = card(&ne2k_pci_class);
    uint8_t page = RING + 1, head[4];

    start(&n, 4);
    frame_to_guest(&n, mac, 60, 0);
    page++;
    out(&n, 3, page - 1);
    acknowledge(&n);
    for (unsigned i = 0; i < 20; i++) {
        frame_to_guest(&n, mac, 60, i);
    }
    while (page != curr(&n)) {
        get(&n, page << 8, head, 4);
        page = head[1];
        out(&n, 3, page - 1);
    }
    for (unsigned ms = 0; ms < 1000; ms++) {
        fake_advance(n.f, NS_PER_MS);
        pump();
    }
    out(&n, 7, 0x41);
    cr_expect_eq(page, curr(&n), "the ring is still as the driver saw it");
    pump();
    cr_expect_eq(page, curr(&n), "nor do frames come at once, which some drivers take for a fault");
    fake_advance(n.f, NS_PER_MS);
    pump();
    cr_expect_neq(page, curr(&n));
    cr_expect(n.f->intx[0x20][0], "and the next frames interrupt");
    nic_free(&n);
}

Test(ne2000, driver_that_polls_and_never_acknowledges_gets_its_frames_all_the_same)
{
    Nic n = card(&ne2k_pci_class);
    uint8_t page = RING + 1, head[4];
    unsigned taken = 0;

    start(&n, 4);
    out(&n, 0xf, 0);
    for (unsigned i = 0; i < 100; i++) {
        frame_to_guest(&n, mac, 60, i);
    }
    for (unsigned ms = 0; ms < 40; ms++) {
        while (page != curr(&n)) {
            get(&n, page << 8, head, 4);
            page = head[1];
            out(&n, 3, page - 1);
            taken++;
        }
        pump();
        fake_advance(n.f, 2 * NS_PER_MS);
        pump();
    }
    cr_expect_eq(taken, 100);
    cr_expect_eq(in(&n, 7) & 0x10, 0, "no overrun");
    nic_free(&n);
}

Test(ne2000, send_packet_command_reads_the_frame_at_the_boundary_and_frees_it)
{
    Nic n = card(&ne2k_pci_class);
    uint8_t buf[512];

    start(&n, 4);
    out(&n, 3, RING + 1);
    frame_to_guest(&n, mac, 100, 0x66);
    out(&n, 0, 0x1a);
    io_read_many(&n.f->m.io, n.io + 0x10, 2, buf, 52);
    cr_assert_eq(buf[2] | buf[3] << 8, 104);
    cr_assert_eq(buf[4 + 50], 0x66);
    cr_assert_eq(in(&n, 3), RING + 2, "the boundary moved");
    cr_assert_eq(in(&n, 7) & 0x40, 0x40);
    nic_free(&n);
}

/* AN-937: the bits that loopback leaves, and the FIFO's eight bytes. */
Test(ne2000, loopback_modes_leave_their_status_and_the_fifo)
{
    static const uint8_t tsr[] = { 0x53, 0x43, 0x03 };
    uint8_t frame[60], buf[64];
    uint32_t fcs;

    memset(frame, 0x11, sizeof frame);
    memcpy(frame, mac, 6);
    fcs = ether_fcs(frame, 60);
    for (unsigned mode = 1; mode <= 3; mode++) {
        Nic n = card(&ne2k_pci_class);

        start(&n, 0x1f);
        out(&n, 0xe, 0x48);             /* bytes */
        out(&n, 0xd, mode << 1);
        out(&n, 7, 0xff);
        remote(&n, START << 8, 60, 0x12);
        for (unsigned i = 0; i < 60; i++) {
            out(&n, 0x10, frame[i]);
        }
        out(&n, 7, 0xff);
        transmit(&n, 60);
        cr_assert_lt(recv(n.far, buf, sizeof buf, MSG_DONTWAIT), 0);
        cr_assert_eq(in(&n, 4), tsr[mode - 1]);
        cr_assert_eq(in(&n, 0xc), 2);
        cr_assert_eq(in(&n, 7), 2, "PTX only");
        cr_assert_eq(in(&n, 6), 64);    /* the count, twice its upper byte, the last byte, the FCS */
        cr_assert_eq(in(&n, 6), 0);
        cr_assert_eq(in(&n, 6), 0);
        cr_assert_eq(in(&n, 6), 0x11);
        for (unsigned i = 0; i < 4; i++) {
            cr_assert_eq(in(&n, 6), fcs >> (8 * i) & 0xff);
        }
        frame_to_guest(&n, mac, 60, 1);
        cr_assert_eq(curr(&n), RING + 1, "deaf to the wire");
        nic_free(&n);
    }
}

Test(ne2000, loopback_checks_the_drivers_crc)
{
    Nic n = card(&ne2k_pci_class);
    uint8_t frame[64], words[128] = { 0 };
    uint32_t fcs;

    memset(frame, 0x11, sizeof frame);
    memcpy(frame, mac, 6);
    fcs = ether_fcs(frame, 60);
    memcpy(frame + 60, &fcs, 4);
    for (unsigned i = 0; i < 64; i++) {
        words[2 * i + 1] = frame[i];    /* words, BOS clear: the odd bytes are sent */
    }
    start(&n, 0x1f);
    put(&n, START << 8, words, sizeof words);
    out(&n, 0xd, 3);
    transmit(&n, sizeof words);
    cr_assert_eq(in(&n, 0xc), 1);
    words[21] ^= 1;
    put(&n, START << 8, words, sizeof words);
    transmit(&n, sizeof words);
    cr_assert_eq(in(&n, 0xc), 2);
    nic_free(&n);
}

Test(ne2000, pages_1_and_2_read_back)
{
    Nic n = card(&ne2k_isa_class);

    start(&n, 0x0c);
    out(&n, 4, 0x41);
    out(&n, 0, 0x62);
    for (unsigned i = 0; i < 8; i++) {
        out(&n, 8 + i, 0x80 + i);
    }
    cr_assert_eq(in(&n, 1), mac[0]);
    cr_assert_eq(in(&n, 0xf), 0x87);
    out(&n, 0, 0xa2);
    cr_assert_eq(in(&n, 1), RING);
    cr_assert_eq(in(&n, 2), STOP);
    cr_assert_eq(in(&n, 4), 0x41);
    cr_assert_eq(in(&n, 0xc), 0xcc);
    cr_assert_eq(in(&n, 0xe), 0xc9);
    cr_assert_eq(in(&n, 0xf), 0xff);
    out(&n, 3, 0x55);
    cr_assert_eq(in(&n, 3), 0x55);
    out(&n, 0, 0xe2);
    cr_assert_eq(in(&n, 0xe), 0xff, "a DP8390 has no page 3");
    nic_free(&n);
}

Test(ne2000, multicast_switches_a_transmitter_with_atd_off_and_on)
{
    Nic n = card(&ne2k_pci_class);
    uint8_t off[6] = { 1 }, on[6] = { 1 }, buf[2048];

    while (ether_hash(off) != 62) {
        off[5]++;
        off[4] += off[5] == 0;
    }
    while (ether_hash(on) != 63) {
        on[5]++;
        on[4] += on[5] == 0;
    }
    start(&n, 0);
    out(&n, 0xd, 8);
    frame_to_guest(&n, off, 60, 0);
    transmit(&n, 60);
    cr_assert_eq(in(&n, 0) & 4, 4, "waits");
    cr_assert_lt(recv(n.far, buf, sizeof buf, MSG_DONTWAIT), 0);
    frame_to_guest(&n, on, 60, 0);
    cr_assert_eq(in(&n, 0) & 4, 0);
    cr_assert_eq(recv(n.far, buf, sizeof buf, MSG_DONTWAIT), 60);
    nic_free(&n);
}

static uint16_t eeprom_word(Nic *n, unsigned addr)
{
    uint16_t command = 6 << 6 | addr, word = 0;

    out(n, 1, 0x88);
    for (int i = 8; i >= 0; i--) {
        uint8_t bit = command >> i & 1 ? 2 : 0;

        out(n, 1, 0x88 | bit);
        out(n, 1, 0x8c | bit);
    }
    for (unsigned i = 0; i < 16; i++) {
        out(n, 1, 0x88);
        out(n, 1, 0x8c);
        word = word << 1 | (in(n, 1) & 1);
    }
    out(n, 1, 0x80);
    return word;
}

Test(ne2000, realtek_page_3_has_eeprom_and_locked_configuration)
{
    Nic n = card(&ne2k_pci_class);

    out(&n, 0, 0xe1);
    cr_assert_eq(in(&n, 0xe), 0x29);
    cr_assert_eq(in(&n, 0xf), 0x80);
    cr_assert_eq(eeprom_word(&n, 1), 0x1600);
    cr_assert_eq(eeprom_word(&n, 3), 0x5634);
    out(&n, 1, 0);
    out(&n, 6, 0x40);
    cr_assert_eq(in(&n, 6) & 0x40, 0, "locked");
    out(&n, 1, 0xc0);
    out(&n, 6, 0x40);
    cr_assert_eq(in(&n, 6) & 0x40, 0x40, "full duplex");
    nic_free(&n);
}

/* E1, E3: any transmit count, on the wire and looped back. */
Test(ne2000, any_transmit_count_is_clamped)
{
    Nic n = card(&ne2k_pci_class);
    uint8_t buf[70000];
    ssize_t got;

    start(&n, 0x1f);
    for (unsigned loop = 0; loop < 4; loop++) {
        for (unsigned wide = 0; wide < 2; wide++) {
            out(&n, 0xe, 0x48 | wide);
            out(&n, 0xd, loop << 1);
            for (unsigned len = 0; len < 65536; len += len < 2000 ? 1 : 977) {
                out(&n, 4, len * 13);
                out(&n, 5, len);
                out(&n, 6, len >> 8);
                out(&n, 0, 0x26);
                while ((got = recv(n.far, buf, sizeof buf, MSG_DONTWAIT)) > 0) {
                    cr_assert_leq(got, ETHER_MAX);
                }
            }
        }
    }
    nic_free(&n);
}

/* E4, E5, E7: receive ends soon and stays in the card's memory whatever the pointers are. */
Test(ne2000, a_million_ring_pointers_neither_hang_nor_leave_the_memory)
{
    Nic n = card(&ne2k_pci_class);
    NetClient client;
    GRand *rand = g_rand_new_with_seed(7);
    uint8_t frame[1514];

    memset(frame, 0xee, sizeof frame);
    memcpy(frame, mac, 6);
    start(&n, 4);
    net_client_of(n.s->port, &client);
    for (unsigned i = 0; i < 1000000; i++) {
        uint32_t r = g_rand_int(rand);

        n.s->pstart = r;
        n.s->pstop = r >> 8;
        n.s->bnry = r >> 16;
        n.s->curr = r >> 24;
        client.can_receive(client.opaque);
        client.receive(client.opaque, frame, 14 + r % 1501);
    }
    g_rand_free(rand);
    nic_free(&n);
}

/* E6: remote DMA anywhere, in every width. */
Test(ne2000, remote_dma_of_every_width_stays_inside_the_memory)
{
    Nic n = card(&ne2k_pci_class);
    GRand *rand = g_rand_new_with_seed(9);
    static uint8_t buf[65536 * 4];

    start(&n, 4);
    for (unsigned i = 0; i < 20000; i++) {
        uint32_t r = g_rand_int(rand);
        unsigned width = 1u << r % 3, count = g_rand_int_range(rand, 1, i % 50 ? 300 : 40000);

        out(&n, 0, 0x22);
        out(&n, 0xe, r >> 2 & 3);
        n.s->pstart = r >> 4;
        n.s->pstop = r >> 12;
        remote(&n, i & 1 ? 0x7ff0 + (r >> 28) : r >> 16, g_rand_int(rand) % (i & 3 ? 600 : 65536),
               r & 0x80000000 ? 0x12 : r & 0x40000000 ? 0x0a : 0x1a);
        io_read_many(&n.f->m.io, n.io + 0x10, width, buf, count);
        io_write_many(&n.f->m.io, n.io + 0x10, width, buf, count);
        io_read(&n.f->m.io, IO_PORT, n.io + 0x10 + r % 8, 1);
    }
    g_rand_free(rand);
    nic_free(&n);
}

/* E2, E8: what the cable brings is bounded before it is looked at. */
Test(ne2000, giant_and_runt_frames_from_the_cable_are_dropped)
{
    Nic n = card(&ne2k_pci_class);
    static uint8_t frame[65536];

    memcpy(frame, mac, 6);
    start(&n, 0x1f);
    for (unsigned len = 1; len < 14; len++) {
        cr_assert_eq(send(n.far, frame, len, 0), (ssize_t)len);
        pump();
    }
    cr_assert_eq(send(n.far, frame, 1519, 0), 1519);
    cr_assert_eq(send(n.far, frame, 60000, 0), 60000);
    pump();
    cr_assert_eq(curr(&n), RING + 1);
    nic_free(&n);
}

Test(ne2000, unplugged_cable_shows_as_lost_carrier)
{
    Nic n = card(&ne2k_pci_class);

    start(&n, 4);
    close(n.far);
    pump();
    transmit(&n, 60);
    cr_assert_eq(in(&n, 4) & 0x10, 0x10);
    n.far = -1;
    fake_machine_free(n.f);
}

Test(ne2000, saved_in_the_middle_of_a_transfer_goes_on_after_loading)
{
    Nic n = card(&ne2k_pci_class);
    g_autoptr(GByteArray) state = g_byte_array_new();

    start(&n, 4);
    put(&n, 0x4000, "abcdefgh", 8);
    remote(&n, 0x4000, 8, 0x0a);
    cr_assert_eq(fake_in16(n.f, n.io + 0x10), 'a' | 'b' << 8);
    machine_save(&n.f->m, state);
    out(&n, 0x1f, 0);
    memset(n.s->memory, 0, sizeof n.s->memory);
    cr_assert(machine_load(&n.f->m, state->data, state->len, NULL));
    cr_assert_eq(fake_in16(n.f, n.io + 0x10), 'c' | 'd' << 8);
    nic_free(&n);
}

/* A driver as Linux's 8390 core reads the ring; sizes and its pace at random, overruns included. */
Test(ne2000, ring_stays_whole_under_any_load_and_after_overruns)
{
    Nic n = card(&ne2k_pci_class);
    GRand *rand = g_rand_new_with_seed(11);
    uint8_t page = RING + 1, head[4], data[1520], frame[1514];
    uint32_t sent = 0, last = 0, taken = 0;

    start(&n, 4);
    memcpy(frame, mac, 6);
    for (unsigned round = 0; round < 3000; round++) {
        for (unsigned k = g_rand_int_range(rand, 0, 12); k--;) {
            unsigned len = g_rand_int_range(rand, 60, 1515);

            sent++;
            memset(frame + 6, sent, sizeof frame - 6);
            memcpy(frame + 14, &sent, 4);
            send(n.far, frame, len, MSG_DONTWAIT);
        }
        pump();
        if (g_rand_int_range(rand, 0, 20) == 0) {
            fake_advance(n.f, 3 * NS_PER_S);
            pump();
        }
        if (in(&n, 7) & 0x10) {         /* overrun: stop, loop back, start, read, go on */
            out(&n, 0, 0x21);
            out(&n, 0xa, 0);
            out(&n, 0xb, 0);
            out(&n, 0xd, 2);
            out(&n, 0, 0x22);
        }
        for (unsigned k = 0; k < 10 && page != curr(&n); k++) {
            unsigned len;
            uint32_t number;
            uint8_t next;

            get(&n, page << 8, head, 4);
            len = (head[2] | head[3] << 8) - 4;
            cr_assert_eq(head[0], 1);
            cr_assert(len >= 60 && len <= 1514);
            next = page + (len + 8 + 255) / 256;
            next = next >= STOP ? next - (STOP - RING) : next;
            cr_assert_eq(head[1], next);
            get(&n, (page << 8) + 4, data, len);
            memcpy(&number, data + 14, 4);
            cr_assert_gt(number, last, "in order");
            cr_assert_eq(data[len - 1], (uint8_t)number);
            last = number;
            page = next;
            out(&n, 3, page - 1);       /* also for RING: that page is not in the ring */
            taken++;
        }
        if (in(&n, 7) & 0x10) {
            out(&n, 7, 0x10);
            out(&n, 0xd, 0);
        }
        out(&n, 7, 0x45);
        pump();
        fake_advance(n.f, NS_PER_MS);
    }
    cr_assert_gt(taken, 5000);
    g_rand_free(rand);
    nic_free(&n);
}
