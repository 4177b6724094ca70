/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rtl8139.c - the network card in both modes against its data sheets, and the published faults. */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "hw/rtl8139.h"
#include "lib/ether.h"
#include "net/net.h"
#include "tests/fake_machine.h"

#define IO 0xc000
#define RING 0x100000
#define TXBUF 0x200000
#define DESC 0x300000

static const uint8_t mac[6] = { 0x00, 0x16, 0x3e, 0x12, 0x34, 0x56 };

typedef struct Nic { FakeMachine *f; int far; } Nic;

static Nic nic_new(void)
{
    Nic n = { .f = fake_machine_new() };
    Device *dev = device_new(&n.f->m, &rtl8139_class);
    int fds[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
    n.far = fds[1];
    device_set_pointer(dev, "bus", &n.f->bus);
    device_set_u64(dev, "devfn", 0x20);
    device_set_mac(dev, "mac", mac);
    device_set_pointer(dev, "port", net_port_new_socket(fds[0], NULL));
    cr_assert(device_init(dev, NULL));
    pci_bus_write(&n.f->bus, 0x20, 0x10, 4, IO);
    pci_bus_write(&n.f->bus, 0x20, 4, 2, 7);
    return n;
}

static void nic_free(Nic *n)
{
    close(n->far);
    fake_machine_free(n->f);
}

static void pump(void)
{
    for (unsigned i = 0; i < 50; i++) {
        g_main_context_iteration(NULL, FALSE);
    }
}

static void frame_to_guest(Nic *n, const uint8_t *dest, unsigned len, uint8_t fill)
{
    uint8_t frame[2048];

    memset(frame, fill, sizeof frame);
    memcpy(frame, dest, 6);
    cr_assert_eq(send(n->far, frame, len, 0), (ssize_t)len);
    pump();
}

static void start_ring(Nic *n, uint32_t rcr)
{
    fake_out32(n->f, IO + 0x30, RING);
    fake_out8(n->f, IO + 0x37, 0x0c);
    fake_out32(n->f, IO + 0x44, rcr);
    fake_out16(n->f, IO + 0x3c, 0xffff);
}

static uint16_t eeprom_word(Nic *n, unsigned addr)
{
    uint16_t command = 6 << 6 | addr, word = 0;

    fake_out8(n->f, IO + 0x50, 0x88);
    for (int i = 8; i >= 0; i--) {
        uint8_t bit = command >> i & 1 ? 2 : 0;

        fake_out8(n->f, IO + 0x50, 0x88 | bit);
        fake_out8(n->f, IO + 0x50, 0x8c | bit);
    }
    fake_out8(n->f, IO + 0x50, 0x88);
    cr_assert_eq(fake_in8(n->f, IO + 0x50) & 1, 0, "dummy bit");
    for (unsigned i = 0; i < 16; i++) {
        fake_out8(n->f, IO + 0x50, 0x8c);
        fake_out8(n->f, IO + 0x50, 0x88);
        word = word << 1 | (fake_in8(n->f, IO + 0x50) & 1);
    }
    fake_out8(n->f, IO + 0x50, 0x80);
    return word;
}

Test(rtl8139, identifies_itself_and_its_address)
{
    Nic n = nic_new();

    cr_assert_eq(pci_bus_read(&n.f->bus, 0x20, 0, 4), 0x813910ec);
    cr_assert_eq(fake_in32(n.f, IO), 0x123e1600);
    cr_assert_eq(fake_in16(n.f, IO + 4), 0x5634);
    cr_assert_eq(fake_in32(n.f, IO + 0x40) & 0x7cc00000, 0x74800000);
    cr_assert_eq(eeprom_word(&n, 0), 0x8129);
    cr_assert_eq(eeprom_word(&n, 7), 0x1600);
    cr_assert_eq(eeprom_word(&n, 9), 0x5634);
    nic_free(&n);
}

Test(rtl8139, slot_transmits_and_interrupts)
{
    Nic n = nic_new();
    uint8_t buf[2048];

    memset(n.f->ram + TXBUF, 0x77, 100);
    start_ring(&n, 0x0f);
    fake_out32(n.f, IO + 0x20, TXBUF);
    fake_out32(n.f, IO + 0x10, 100);
    cr_assert_eq(recv(n.far, buf, sizeof buf, MSG_DONTWAIT), 100);
    cr_assert_eq(buf[99], 0x77);
    cr_assert_eq(fake_in32(n.f, IO + 0x10) & 0xa000, 0xa000, "OWN and TOK");
    cr_assert(n.f->intx[0x20][0]);
    fake_out16(n.f, IO + 0x3e, 4);
    cr_assert_not(n.f->intx[0x20][0]);
    nic_free(&n);
}

Test(rtl8139, receives_into_the_ring_with_header)
{
    Nic n = nic_new();

    start_ring(&n, 0x0a);               /* APM, AB */
    cr_assert_eq(fake_in8(n.f, IO + 0x37) & 1, 1, "buffer empty");
    frame_to_guest(&n, mac, 80, 0x42);
    cr_assert_eq(fake_in8(n.f, IO + 0x37) & 1, 0);
    cr_assert_eq(n.f->ram[RING] & 1, 1, "ROK");
    cr_assert_eq(n.f->ram[RING + 2] | n.f->ram[RING + 3] << 8, 84);
    cr_assert_eq(n.f->ram[RING + 4 + 79], 0x42);
    cr_assert_eq(fake_in16(n.f, IO + 0x3a), 88);
    fake_out16(n.f, IO + 0x38, 88 - 16);
    cr_assert_eq(fake_in8(n.f, IO + 0x37) & 1, 1);
    nic_free(&n);
}

Test(rtl8139, filter_takes_only_what_it_should)
{
    static const uint8_t other[6] = { 2, 2, 2, 2, 2, 2 }, multi[6] = { 1, 0, 0x5e, 0, 0, 1 };
    Nic n = nic_new();

    start_ring(&n, 0x0e);
    frame_to_guest(&n, other, 60, 1);
    frame_to_guest(&n, multi, 60, 1);   /* not in the hash */
    cr_assert_eq(fake_in8(n.f, IO + 0x37) & 1, 1);
    fake_out32(n.f, IO + 0x08, 0xffffffff);
    fake_out32(n.f, IO + 0x0c, 0xffffffff);
    frame_to_guest(&n, multi, 60, 1);
    cr_assert_eq(fake_in8(n.f, IO + 0x37) & 1, 0);
    nic_free(&n);
}

/* F7: overflow is told, nothing lands outside the ring. */
Test(rtl8139, full_ring_overflows_and_stays_inside)
{
    Nic n = nic_new();

    memset(n.f->ram + RING, 0, 0x8000);
    start_ring(&n, 0x0a);               /* 8 KiB, no WRAP */
    for (unsigned i = 0; i < 40; i++) {
        frame_to_guest(&n, mac, 1000, 0x99);
    }
    for (unsigned i = 0x2000; i < 0x8000; i++) {
        cr_assert_eq(n.f->ram[RING + i], 0);
    }
    nic_free(&n);
}

static void put_desc(Nic *n, unsigned i, uint32_t flags, uint32_t vlan, uint32_t addr)
{
    uint32_t d[4] = { flags, vlan, addr, 0 };

    memcpy(n->f->ram + DESC + 16 * i, d, 16);
}

static void start_cplus(Nic *n)
{
    fake_out16(n->f, IO + 0xe0, 0x03);
    fake_out8(n->f, IO + 0x37, 0x0c);
    fake_out32(n->f, IO + 0x44, 0x0f);
    fake_out32(n->f, IO + 0x20, DESC);
    fake_out32(n->f, IO + 0x24, 0);
    fake_out32(n->f, IO + 0xe4, DESC + 0x1000);
    fake_out32(n->f, IO + 0xe8, 0);
}

/* Before each frame: how far it is from the ring's end to where its header goes. */
static void fill_ring(Nic *n, uint32_t size, uint32_t before_end)
{
    uint32_t at = 0;

    while (at + 104 + 104 <= size - before_end) {
        frame_to_guest(n, mac, 96, 1);  /* 104 with header and FCS */
        at += 104;
        fake_out16(n->f, IO + 0x38, at - 16);
    }
    frame_to_guest(n, mac, size - before_end - at - 8, 1);
    fake_out16(n->f, IO + 0x38, size - before_end - 16);
    cr_assert_eq(fake_in16(n->f, IO + 0x3a), size - before_end);
}

Test(rtl8139, a_frame_past_the_rings_end_lies_in_one_piece_when_wrap_is_set)
{
    for (uint32_t before_end = 4; before_end <= 96; before_end += 4) {
        Nic n = nic_new();
        uint32_t at = RING + 8192 - before_end, fcs;

        start_ring(&n, 0x8a);           /* WRAP, APM, AB; 8 KiB */
        fill_ring(&n, 8192, before_end);
        memset(n.f->ram + RING, 0xee, 8);
        frame_to_guest(&n, mac, 80, 0x42);
        cr_assert_eq(n.f->ram[at + 2], 84);
        for (unsigned i = 0; i < 6; i++) {
            cr_assert_eq(n.f->ram[at + 4 + i], mac[i], "%u bytes before the end", before_end);
        }
        cr_assert_eq(n.f->ram[at + 4 + 79], 0x42);
        fcs = GUINT32_TO_LE(ether_fcs(n.f->ram + at + 4, 80));
        cr_assert_eq(memcmp(n.f->ram + at + 84, &fcs, 4), 0);
        cr_assert_eq(n.f->ram[RING], 0xee, "nothing at the begin");
        cr_assert_eq(fake_in16(n.f, IO + 0x3a), (8192 - before_end + 88) % 8192);
        nic_free(&n);
    }
}

Test(rtl8139, without_wrap_a_frame_goes_on_at_the_rings_begin)
{
    Nic n = nic_new();

    start_ring(&n, 0x0a);
    fill_ring(&n, 8192, 4);
    frame_to_guest(&n, mac, 80, 0x42);
    cr_assert_eq(n.f->ram[RING + 8192 - 2], 84);
    cr_assert_eq(n.f->ram[RING], mac[0]);
    cr_assert_eq(n.f->ram[RING + 79], 0x42);
    nic_free(&n);
}

/* Linux's 8139too acknowledges after each frame and stops after 64, whatever is left. */
Test(rtl8139, a_driver_that_leaves_frames_in_the_ring_is_told_of_them)
{
    Nic n = nic_new();

    start_ring(&n, 0x0a);
    frame_to_guest(&n, mac, 80, 1);
    frame_to_guest(&n, mac, 80, 2);
    cr_assert(n.f->intx[0x20][0]);
    fake_out16(n.f, IO + 0x38, 88 - 16);
    fake_out16(n.f, IO + 0x3e, 1);
    cr_assert_not(n.f->intx[0x20][0]);
    fake_advance(n.f, 2 * NS_PER_MS);
    cr_assert(n.f->intx[0x20][0], "one frame is left");
    fake_out16(n.f, IO + 0x3e, 1);
    fake_out16(n.f, IO + 0x38, 176 - 16);
    fake_advance(n.f, 10 * NS_PER_MS);
    cr_assert_not(n.f->intx[0x20][0], "none is left");
    nic_free(&n);
}

static uint32_t last_event(const Nic *n)
{
    const IoRange *r = io_map_find(&n->f->m.io, IO_PORT, IO);

    cr_assert_eq(r->ops->line->wire(r->opaque), 0x20 << 2);
    return r->ops->line->events(r->opaque)->last;
}

/* A posted write: the guest has the line low, and knew of no later event. */
static void late_out16(Nic *n, uint16_t port, uint32_t event, uint16_t value)
{
    n->f->intx[0x20][0] = false;
    n->f->m.io.seen = (IoSeen){ true, true, event };
    fake_out16(n->f, port, value);
    n->f->m.io.seen.known = false;
}

Test(rtl8139, a_late_acknowledgement_leaves_the_bit_of_a_later_frame)
{
    Nic n = nic_new();
    uint32_t first;

    start_ring(&n, 0x0a);
    frame_to_guest(&n, mac, 80, 1);
    first = last_event(&n);
    frame_to_guest(&n, mac, 80, 2);
    late_out16(&n, IO + 0x3e, first, 0xffff);
    cr_expect_eq(fake_in16(n.f, IO + 0x3e), 1);
    cr_expect(n.f->intx[0x20][0], "told again");
    late_out16(&n, IO + 0x3e, last_event(&n), 0xffff);
    cr_expect_eq(fake_in16(n.f, IO + 0x3e), 0);
    cr_expect_not(n.f->intx[0x20][0]);
    nic_free(&n);
}

Test(rtl8139, a_late_mask_tells_the_line_again)
{
    Nic n = nic_new();

    start_ring(&n, 0x0a);
    frame_to_guest(&n, mac, 80, 1);
    cr_assert(n.f->intx[0x20][0]);
    late_out16(&n, IO + 0x3c, last_event(&n), 0x0001);
    cr_expect(n.f->intx[0x20][0]);
    late_out16(&n, IO + 0x3c, last_event(&n), 0);
    cr_expect_not(n.f->intx[0x20][0]);
    nic_free(&n);
}

/* Each bit that the card sets has its event, or a late acknowledgement takes it along. */
Test(rtl8139, transmission_and_link_are_events)
{
    Nic n = nic_new();
    uint32_t before;

    start_ring(&n, 0x0a);
    fake_out8(n.f, IO + 0x37, 0x0c);
    before = last_event(&n);
    fake_out32(n.f, IO + 0x10, 60);
    late_out16(&n, IO + 0x3e, before, 0xffff);
    cr_expect_eq(fake_in16(n.f, IO + 0x3e), 0x04, "TOK");
    before = last_event(&n);
    fake_out32(n.f, IO + 0x14, 0x1fff);
    late_out16(&n, IO + 0x3e, before, 0xffff);
    cr_expect_eq(fake_in16(n.f, IO + 0x3e), 0x08, "TER, and TOK is an older one");
    before = last_event(&n);
    close(n.far);
    pump();
    late_out16(&n, IO + 0x3e, before, 0xffff);
    cr_expect_eq(fake_in16(n.f, IO + 0x3e), 0x20, "the link");
    n.far = dup(0);
    nic_free(&n);
}

Test(rtl8139, cplus_gathers_fragments)
{
    Nic n = nic_new();
    uint8_t buf[2048];

    memset(n.f->ram + TXBUF, 1, 30);
    memset(n.f->ram + TXBUF + 0x100, 2, 40);
    start_cplus(&n);
    put_desc(&n, 0, 0xa0000000 | 30, 0, TXBUF);
    put_desc(&n, 1, 0xd0000000 | 40, 0, TXBUF + 0x100);
    fake_out8(n.f, IO + 0xd9, 0x40);
    cr_assert_eq(recv(n.far, buf, sizeof buf, MSG_DONTWAIT), 70);
    cr_assert_eq(buf[29], 1);
    cr_assert_eq(buf[30], 2);
    cr_assert_eq(n.f->ram[DESC + 3] & 0x80, 0, "descriptor given back");
    nic_free(&n);
}

Test(rtl8139, cplus_receives_into_descriptors)
{
    Nic n = nic_new();
    uint32_t status;

    start_cplus(&n);
    put_desc(&n, 256, 0xc0000000 | 1600, 0, TXBUF);
    frame_to_guest(&n, mac, 200, 0x31);
    memcpy(&status, n.f->ram + DESC + 0x1000, 4);
    cr_assert_eq(status >> 28 & 0xf, 0x7, "not owned, end of ring, first and last");
    cr_assert_eq(status & 0x3fff, 204);
    cr_assert_eq(n.f->ram[TXBUF + 199], 0x31);
    nic_free(&n);
}

static unsigned tcp_packet(uint8_t *f, unsigned data)
{
    static const uint8_t head[54] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 8, 0, 0x45, 0, 0, 0,
        0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 80, 1, 0, 0, 0, 0, 9, 0, 0, 0, 0,
        0x50, 0x18 };

    memcpy(f, head, sizeof head);
    f[16] = (40 + data) >> 8;
    f[17] = 40 + data;
    memset(f + 54, 0x61, data);
    return 54 + data;
}

static uint32_t ones_sum(const uint8_t *p, unsigned len)
{
    uint32_t s = 0;

    for (unsigned i = 0; i < len; i += 2) {
        s += p[i] << 8 | (i + 1 < len ? p[i + 1] : 0);
    }
    while (s >> 16) {
        s = (s & 0xffff) + (s >> 16);
    }
    return s;
}

/* The sum of the TCP segment and its pseudo header; right if all ones. */
static uint32_t tcp_sum(const uint8_t *f, unsigned len)
{
    uint8_t copy[65600] = { 0 };

    memcpy(copy, f + 26, 8);
    copy[9] = 6;
    copy[10] = (len - 34) >> 8;
    copy[11] = len - 34;
    memcpy(copy + 12, f + 34, len - 34);
    return ones_sum(copy, 12 + len - 34);
}

static uint64_t frames_sent(Nic *n)
{
    uint64_t count;

    fake_out32(n->f, IO + 0x14, 0);
    fake_out32(n->f, IO + 0x10, 0x60000 | 8);
    memcpy(&count, n->f->ram + 0x60000, 8);
    return count;
}

static void send_large(Nic *n, unsigned data, unsigned mss)
{
    unsigned len = tcp_packet(n->f->ram + TXBUF, data);

    memset(n->f->ram + TXBUF + len, 0xee, 40);          /* beyond the IP packet: not the guest's data */
    put_desc(n, 0, 0xf0000000 | 0x08000000 | mss << 16 | (len + 40), 0, TXBUF);
    fake_out32(n->f, IO + 0x20, DESC);
    fake_out8(n->f, IO + 0xd9, 0x40);
}

static void expect_segments(Nic *n, unsigned data, unsigned mss, unsigned want)
{
    uint8_t buf[65600];
    unsigned total = 0, frames = 0;
    uint64_t before = frames_sent(n);
    ssize_t got;

    send_large(n, data, mss);
    while ((got = recv(n->far, buf, sizeof buf, MSG_DONTWAIT)) > 0) {
        unsigned part = got - 54;

        cr_expect_eq(buf[16] << 8 | buf[17], 40 + part);
        cr_expect_eq(buf[18] << 8 | buf[19], 1 + frames, "identification");
        cr_expect_eq(ones_sum(buf + 14, 20), 0xffff, "IP checksum, data %u mss %u", data, mss);
        cr_expect_eq(tcp_sum(buf, got), 0xffff, "TCP checksum, data %u mss %u", data, mss);
        cr_expect_eq(buf[40] << 8 | buf[41], (9 + total) & 0xffff, "sequence number moves");
        total += part;
        frames++;
        cr_expect_eq(buf[47] & 8, total == data ? 8 : 0, "PSH on the last only");
        for (unsigned i = 54; i < got; i++) {
            cr_assert_eq(buf[i], 0x61);
        }
    }
    cr_expect_eq(frames, want, "data %u mss %u", data, mss);
    cr_expect_eq(total, data);
    cr_expect_eq(frames_sent(n) - before, want, "the tally counts what goes out");
}

Test(rtl8139, large_send_cuts_segments_with_right_sums)
{
    Nic n = nic_new();

    start_cplus(&n);
    expect_segments(&n, 2500, 1000, 3);
    expect_segments(&n, 2000, 1000, 2);
    expect_segments(&n, 999, 1000, 1);
    expect_segments(&n, 0, 1000, 1);
    expect_segments(&n, 60000, 1460, 42);
    nic_free(&n);
}

Test(rtl8139, large_send_with_mss_zero_is_a_plain_frame)
{
    Nic n = nic_new();
    uint8_t buf[65600];

    start_cplus(&n);
    send_large(&n, 2500, 0);
    cr_expect_eq(recv(n.far, buf, sizeof buf, MSG_DONTWAIT), 54 + 2500 + 40);
    cr_expect_eq(memcmp(buf, n.f->ram + TXBUF, 54 + 2500 + 40), 0);
    cr_expect_lt(recv(n.far, buf, sizeof buf, MSG_DONTWAIT), 0);
    nic_free(&n);
}

Test(rtl8139, large_send_in_loopback_comes_back_in_segments)
{
    Nic n = nic_new();

    start_cplus(&n);
    fake_out32(n.f, IO + 0x40, 3 << 17);
    for (unsigned i = 0; i < 3; i++) {
        put_desc(&n, 256 + i, 0x80000000 | (i == 2 ? 0x40000000 : 0) | 1600, 0,
                 0x50000 + i * 0x1000);
    }
    send_large(&n, 2500, 1000);
    for (unsigned i = 0; i < 3; i++) {
        unsigned len = 54 + (i < 2 ? 1000 : 500);
        uint32_t status;

        memcpy(&status, n.f->ram + DESC + 0x1000 + 16 * i, 4);
        cr_expect_eq(status >> 31, 0);
        cr_expect_eq(status & 0x3fff, len + 4);
        cr_expect_eq(tcp_sum(n.f->ram + 0x50000 + i * 0x1000, len), 0xffff, "segment %u", i);
    }
    nic_free(&n);
}

/* F9: of the descriptor only OWN and the status bits change. */
Test(rtl8139, written_back_descriptor_reports_no_errors_and_keeps_the_drivers_bits)
{
    Nic n = nic_new();
    unsigned len = tcp_packet(n.f->ram + TXBUF, 1500);
    uint32_t d[4];

    start_cplus(&n);
    put_desc(&n, 0, 0xf8000000 | 0x7fu << 20 | len, 0x1abcd, TXBUF);
    fake_out8(n.f, IO + 0xd9, 0x40);
    memcpy(d, n.f->ram + DESC, 16);
    cr_assert_eq(d[0], (0x78000000 | 0x05000000 | len));
    cr_assert_eq(d[1], 0x1abcd);
    cr_assert_eq(d[2], TXBUF);
    nic_free(&n);
}

/* F5: MSS 0; F1: headers that lie; F2: a ring without end. */
Test(rtl8139, lying_headers_and_zero_mss_send_nothing_but_the_guests_bytes)
{
    Nic n = nic_new();
    GRand *rand = g_rand_new_with_seed(1);
    uint8_t buf[65600];

    start_cplus(&n);
    for (unsigned round = 0; round < 3000; round++) {
        unsigned len = tcp_packet(n.f->ram + TXBUF, g_rand_int_range(rand, 0, 1400));

        for (unsigned k = 0; k < 3; k++) {
            n.f->ram[TXBUF + g_rand_int_range(rand, 12, 60)] = g_rand_int(rand);
        }
        put_desc(&n, 0, 0xf0000000 | (g_rand_int(rand) & 0x0fff0000) | len,
                 g_rand_int(rand) & 0x3ffff, TXBUF);
        fake_out16(n.f, IO + 0xe0, 0x03);
        fake_out32(n.f, IO + 0x20, DESC);
        fake_out8(n.f, IO + 0xd9, 0x40);
        while (recv(n.far, buf, sizeof buf, MSG_DONTWAIT) > 0) {
        }
    }
    g_rand_free(rand);
    nic_free(&n);
}

/* F2: the ring lies where there is no RAM, so every descriptor reads as owned. */
Test(rtl8139, endless_transmit_ring_yields)
{
    Nic n = nic_new();

    start_cplus(&n);
    fake_out32(n.f, IO + 0x20, 0xa0000);
    fake_out8(n.f, IO + 0xd9, 0x40);
    fake_advance(n.f, NS_PER_MS);       /* ends: time passes between turns */
    fake_out8(n.f, IO + 0x37, 0x10);    /* reset stops it */
    cr_assert_eq(timer_queue_next(&n.f->m.timers), INT64_MAX);
    nic_free(&n);
}

/* F4, F8: loopback with every size, VLAN tag included, neither recurses nor overruns. */
Test(rtl8139, loopback_comes_back)
{
    Nic n = nic_new();

    start_ring(&n, 0x0f);
    fake_out32(n.f, IO + 0x40, 0x60000);
    memset(n.f->ram + TXBUF, 0, 64);
    memcpy(n.f->ram + TXBUF, mac, 6);
    fake_out32(n.f, IO + 0x20, TXBUF);
    fake_out32(n.f, IO + 0x10, 64);
    cr_assert_eq(fake_in8(n.f, IO + 0x37) & 1, 0);
    start_cplus(&n);
    for (unsigned size = 0; size < 80; size++) {
        put_desc(&n, 0, 0xf0000000 | size, 0x20000 | 0x1234, TXBUF);
        fake_out32(n.f, IO + 0x20, DESC);
        fake_out8(n.f, IO + 0xd9, 0x40);
    }
    nic_free(&n);
}

Test(rtl8139, frame_waits_for_a_descriptor_that_is_given_back_without_a_word)
{
    Nic n = nic_new();
    uint32_t status;

    start_cplus(&n);
    fake_out16(n.f, IO + 0x3c, 0xffff);
    put_desc(&n, 256, 0x40000000 | 1600, 0, TXBUF);     /* the driver's */
    frame_to_guest(&n, mac, 200, 0x31);
    cr_assert_eq(fake_in16(n.f, IO + 0x3e) & 0x11, 0x10, "no descriptor, nothing received");
    put_desc(&n, 256, 0xc0000000 | 1600, 0, TXBUF);     /* the card's: no register is written */
    fake_advance(n.f, 2 * NS_PER_MS);
    pump();
    memcpy(&status, n.f->ram + DESC + 0x1000, 4);
    cr_assert_eq(status & 0x3fff, 204);
    cr_assert_eq(fake_in16(n.f, IO + 0x3e) & 1, 1);
    nic_free(&n);
}

Test(rtl8139, frames_for_a_driver_that_takes_none_are_dropped_and_counted)
{
    Nic n = nic_new();

    start_cplus(&n);
    put_desc(&n, 256, 0x40000000 | 1600, 0, TXBUF);
    for (unsigned i = 0; i < 5; i++) {
        frame_to_guest(&n, mac, 200, 0x31);
    }
    for (unsigned i = 0; i < 2100; i++) {
        fake_advance(n.f, NS_PER_MS);
        pump();
    }
    cr_assert_eq(fake_in32(n.f, IO + 0x4c), 5);
    cr_assert_eq(timer_queue_next(&n.f->m.timers), INT64_MAX, "and nothing goes on");
    nic_free(&n);
}

Test(rtl8139, received_frames_carry_their_fcs)
{
    Nic n = nic_new();
    uint32_t fcs;

    start_ring(&n, 0x0a);
    frame_to_guest(&n, mac, 100, 0x42);
    memcpy(&fcs, n.f->ram + RING + 4 + 100, 4);
    cr_assert_eq(fcs, ether_fcs(n.f->ram + RING + 4, 100));
    nic_free(&n);
}

Test(rtl8139, tally_counters_are_dumped_to_memory)
{
    Nic n = nic_new();
    uint64_t tx_ok, rx_ok, broadcast;
    static const uint8_t all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

    start_cplus(&n);
    put_desc(&n, 256, 0x80000000 | 1600, 0, TXBUF);
    put_desc(&n, 257, 0xc0000000 | 1600, 0, TXBUF);
    frame_to_guest(&n, mac, 100, 1);
    frame_to_guest(&n, all, 100, 1);
    put_desc(&n, 0, 0xf0000000 | 60, 0, TXBUF);
    fake_out8(n.f, IO + 0xd9, 0x40);
    fake_out32(n.f, IO + 0x14, 0);
    fake_out32(n.f, IO + 0x10, 0x400000 | 8);
    cr_assert_eq(fake_in32(n.f, IO + 0x10) & 8, 0, "done");
    memcpy(&tx_ok, n.f->ram + 0x400000, 8);
    memcpy(&rx_ok, n.f->ram + 0x400008, 8);
    memcpy(&broadcast, n.f->ram + 0x400030, 8);
    cr_assert_eq(tx_ok, 1);
    cr_assert_eq(rx_ok, 2);
    cr_assert_eq(broadcast, 1);
    nic_free(&n);
}

Test(rtl8139, eeprom_is_written_only_after_it_was_enabled_and_autoload_takes_it)
{
    static const uint32_t words[] = { 5u << 22 | 7u << 16 | 0xbbaa, 4u << 6 | 0x30 };
    Nic n = nic_new();

    for (unsigned pass = 0; pass < 3; pass++) {     /* write (refused), enable, write */
        unsigned bits = pass == 1 ? 9 : 25;
        uint32_t word = words[pass == 1];

        fake_out8(n.f, IO + 0x50, 0x80);
        fake_out8(n.f, IO + 0x50, 0x88);
        for (int i = bits - 1; i >= 0; i--) {
            uint8_t bit = word >> i & 1 ? 2 : 0;

            fake_out8(n.f, IO + 0x50, 0x88 | bit);
            fake_out8(n.f, IO + 0x50, 0x8c | bit);
        }
        fake_out8(n.f, IO + 0x50, 0x80);
        cr_assert_eq(eeprom_word(&n, 7), pass == 2 ? 0xbbaa : 0x1600);
    }
    cr_assert_eq(fake_in8(n.f, IO), 0x00);
    fake_out8(n.f, IO + 0x50, 0x40);
    cr_assert_eq(fake_in16(n.f, IO), 0xbbaa);
    nic_free(&n);
}

Test(rtl8139, power_state_stops_reception_and_configuration_is_locked)
{
    Nic n = nic_new();
    uint8_t cap = pci_bus_read(&n.f->bus, 0x20, 0x34, 1);

    cr_assert_eq(pci_bus_read(&n.f->bus, 0x20, 6, 2) & 0x10, 0x10);
    cr_assert_eq(pci_bus_read(&n.f->bus, 0x20, cap, 2), 1, "power management, the only one");
    start_ring(&n, 0x0a);
    pci_bus_write(&n.f->bus, 0x20, cap + 4, 2, 3);
    frame_to_guest(&n, mac, 80, 0x42);
    cr_assert_eq(fake_in8(n.f, IO + 0x37) & 1, 1);
    pci_bus_write(&n.f->bus, 0x20, cap + 4, 2, 0);
    frame_to_guest(&n, mac, 80, 0x42);
    cr_assert_eq(fake_in8(n.f, IO + 0x37) & 1, 0);
    fake_out8(n.f, IO + 0x59, 0x21);
    fake_out8(n.f, IO, 0x99);
    cr_assert_neq(fake_in8(n.f, IO), 0x99);
    fake_out8(n.f, IO + 0x50, 0xc0);
    fake_out32(n.f, IO, 0x99);
    fake_out8(n.f, IO, 0x99);
    cr_assert_eq(fake_in8(n.f, IO), 0x99);
    fake_out32(n.f, IO + 0x8c, 0x12345678);
    cr_assert_eq(fake_in32(n.f, IO + 0x8c), 0x12345678, "a wake-up frame's bytes");
    nic_free(&n);
}

Test(rtl8139, timer_interrupt_comes_at_its_count)
{
    Nic n = nic_new();

    fake_out16(n.f, IO + 0x3c, 0x4000);
    fake_out32(n.f, IO + 0x48, 0);
    fake_out32(n.f, IO + 0x54, 33000);      /* a millisecond of PCI clocks */
    fake_advance(n.f, NS_PER_MS - NS_PER_US);
    cr_assert_not(n.f->intx[0x20][0]);
    fake_advance(n.f, 2 * NS_PER_US);
    cr_assert(n.f->intx[0x20][0]);
    cr_assert_geq(fake_in32(n.f, IO + 0x48), 33000);
    fake_out16(n.f, IO + 0x3e, 0x4000);
    fake_advance(n.f, 10 * NS_PER_MS);
    cr_assert_not(n.f->intx[0x20][0], "once round the counter");
    nic_free(&n);
}

/* vCPUs don't wait for more than one frame. */
Test(rtl8139, lets_accesses_in_after_each_frame)
{
    Nic n = nic_new();

    start_ring(&n, 0x0f);
    for (unsigned i = 0; i < 5; i++) {
        frame_to_guest(&n, mac, 100, i);
        cr_expect_eq(n.f->let_in, i + 1);
    }
    nic_free(&n);
}
