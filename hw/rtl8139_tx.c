/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rtl8139_tx.c - the RTL8139's way out: four transmit slots, and the C+ mode's descriptor rings with
 * IP, TCP and UDP checksums, VLAN tags and large send (data sheet RTL8139C+, 5.25 and 9).  Header
 * fields are the guest's and may lie: every length is checked against what was gathered.
 */
#include <string.h>
#include "hw/rtl8139_internal.h"
#include "lib/inet.h"
#include "net/offload.h"

#define SLOT_FRAME_MAX 1792     /* the FIFO's size: longer ones underrun */
#define BUDGET 128              /* descriptors a turn */
#define BYTE_BUDGET (1u << 20)  /* and bytes: a turn must end soon whatever the rings hold */
#define PAUSE_NS 20000          /* until the next turn */
#define TXD_EOR (1u << 30)
#define TXD_FS (1u << 29)
#define TXD_LS (1u << 28)
#define TXD_LGSEN (1u << 27)
#define TXD_IPCS (1u << 18)
#define TXD_UDPCS (1u << 17)
#define TXD_TCPCS (1u << 16)
#define TXD_STATUS 0x02ff0000u
#define TXD_VLAN (1u << 17)     /* second dword */
enum { TPPOLL_HIGH = 0x80, TPPOLL_NORMAL = 0x40 };
enum { PROTO_TCP = 6, PROTO_UDP = 17, TCP_CHECKSUM = 16 };

static uint16_t get16(const uint8_t *p)
{
    return p[0] << 8 | p[1];
}

static void put16(uint8_t *p, uint16_t v)
{
    p[0] = v >> 8;
    p[1] = v;
}

/* Where the layers of an IPv4 frame lie; all lengths lie within the frame. */
typedef struct Layers {
    uint32_t ip, ip_len;        /* header offset, header length */
    uint32_t l4, l4_len;        /* offset, header and data */
    uint8_t protocol;
    bool fragment;
} Layers;

static bool find_layers(const uint8_t *f, uint32_t len, Layers *l)
{
    uint32_t ip = 14, total;

    if (len >= 18 && get16(f + 12) == 0x8100) {
        ip = 18;
    }
    if (len < ip + 20 || get16(f + ip - 2) != 0x0800 || f[ip] >> 4 != 4) {
        return false;
    }
    l->ip = ip;
    l->ip_len = (f[ip] & 15) * 4u;
    total = get16(f + ip + 2);
    if (l->ip_len < 20 || total < l->ip_len || total > len - ip) {
        return false;
    }
    l->l4 = ip + l->ip_len;
    l->l4_len = total - l->ip_len;
    l->protocol = f[ip + 9];
    l->fragment = get16(f + ip + 6) & 0x3fff;
    return true;
}

static uint16_t pseudo_sum(const uint8_t *f, const Layers *l)
{
    const uint8_t tail[4] = { 0, l->protocol, l->l4_len >> 8, l->l4_len };

    return inet_sum(f + l->ip + 12, 8, inet_sum(tail, sizeof tail, 0));
}

/* ones' complement, as inet_sum() gives it */
static void ip_checksum(uint8_t *f, const Layers *l)
{
    put16(f + l->ip + 10, 0);
    inet_put(f + l->ip + 10, ~inet_sum(f + l->ip, l->ip_len, 0));
}

static void l4_checksum(uint8_t *f, const Layers *l)
{
    uint32_t at = l->protocol == PROTO_TCP ? 16 : 6, min = l->protocol == PROTO_TCP ? 20 : 8;
    uint16_t sum;

    if (l->l4_len < min || l->fragment) {
        return;
    }
    put16(f + l->l4 + at, 0);
    sum = ~inet_sum(f + l->l4, l->l4_len, pseudo_sum(f, l));
    inet_put(f + l->l4 + at, l->protocol == PROTO_UDP && sum == 0 ? 0xffff : sum);
}

uint32_t rtl8139_rx_checksum(const uint8_t *frame, uint32_t len)
{
    Layers l;
    uint32_t bits;

    if (!find_layers(frame, len, &l)) {
        return 0;
    }
    bits = inet_sum(frame + l.ip, l.ip_len, 0) != 0xffff ? 3u << 16 | 1u << 15 : 3u << 16;
    if (l.fragment) {
        return bits;
    }
    if (l.protocol == PROTO_TCP && l.l4_len >= 20) {
        bits = (bits & 1u << 15) | 1u << 16;
        bits |= inet_sum(frame + l.l4, l.l4_len, pseudo_sum(frame, &l)) != 0xffff ? 1u << 13 : 0;
    } else if (l.protocol == PROTO_UDP && l.l4_len >= 8) {
        bits = (bits & 1u << 15) | 2u << 16;
        if (get16(frame + l.l4 + 6)) {
            bits |= inet_sum(frame + l.l4, l.l4_len, pseudo_sum(frame, &l)) != 0xffff ? 1u << 14 : 0;
        }
    }
    return bits;
}

static void send_frame(Rtl8139 *s, const uint8_t *frame, uint32_t len)
{
    s->tally.tx_ok++;
    if ((s->tcr & TCR_LOOPBACK) == TCR_LOOPBACK) {
        rtl8139_receive(s, frame, len);     /* receiving never sends: no recursion */
    } else if (s->port) {
        net_send(s->port, frame, len);
    }
}

/* --- the four slots of the C mode --- */

static void send_slots(Rtl8139 *s)
{
    uint8_t frame[SLOT_FRAME_MAX];

    while ((s->cr & CR_TE) && !(s->tsd[s->tx_slot] & TSD_OWN)) {
        uint32_t *tsd = &s->tsd[s->tx_slot];
        uint32_t len = *tsd & 0x1fff;

        if (len > sizeof frame || !pci_bus_master(&s->pci)) {
            *tsd |= TSD_OWN | TSD_TABT;
            s->tally.tx_errors++;
            s->tally.tx_aborted++;
            rtl8139_event(s, ISR_TER);
        } else {
            dma_read(s->pci.dev.machine, s->tsad[s->tx_slot], frame, len);
            send_frame(s, frame, len);
            *tsd |= TSD_OWN | TSD_TOK | (s->link_up ? 0 : TSD_CRS);
            rtl8139_event(s, ISR_TOK);
        }
        s->tx_slot = (s->tx_slot + 1) & 3;
    }
    rtl8139_update_irq(s);
}

void rtl8139_write_tsd(Rtl8139 *s, unsigned slot, uint32_t value)
{
    s->tsd[slot] = value & 0x003f3fff;
    if (!(value & TSD_OWN) && !(s->cpcr & CPCR_TX)) {
        send_slots(s);
    }
}

/* --- large send: one gathered TCP segment into frames of mss bytes --- */

static void loop_back(void *opaque, const uint8_t *frame, size_t len)
{
    rtl8139_receive(opaque, frame, len);
}

static void send_offload(Rtl8139 *s, uint8_t *f, uint32_t len, const NetOffload *o)
{
    if (!net_offload_valid(o, f, len)) {
        return;
    }
    s->tally.tx_ok += o->segment ? (len - o->header + o->segment - 1) / o->segment : 1;
    if ((s->tcr & TCR_LOOPBACK) == TCR_LOOPBACK) {
        net_offload_finish(o, f, len, loop_back, s);
    } else if (s->port) {
        net_send_offload(s->port, f, len, o);
    }
}

/* The cutting is left to the other end of the cable, or to net/ where that can't. */
static void send_large(Rtl8139 *s, uint8_t *f, uint32_t len, uint32_t mss)
{
    NetOffload o = { .checksum = true, .checksum_offset = TCP_CHECKSUM };
    Layers l;
    uint32_t tcp_len;

    if (!find_layers(f, len, &l) || l.protocol != PROTO_TCP || l.l4_len < 20 || l.fragment) {
        send_frame(s, f, len);
        return;
    }
    tcp_len = (f[l.l4 + 12] >> 4) * 4u;
    if (mss == 0 || tcp_len < 20 || tcp_len > l.l4_len) {
        send_frame(s, f, len);
        return;
    }
    o.checksum_start = l.l4;
    o.header = l.l4 + tcp_len;
    o.segment = l.l4_len - tcp_len > mss ? mss : 0;
    ip_checksum(f, &l);
    inet_put(f + l.l4 + TCP_CHECKSUM, pseudo_sum(f, &l));
    send_offload(s, f, l.l4 + l.l4_len, &o);
}

static uint32_t insert_vlan(uint8_t *f, uint32_t len, uint16_t tag)
{
    if (len < 12 || len + 4 > RTL8139_GATHER) {
        return len;
    }
    memmove(f + 16, f + 12, len - 12);
    put16(f + 12, 0x8100);
    f[14] = tag;                /* the descriptor holds the tag in network order */
    f[15] = tag >> 8;
    return len + 4;
}

static void send_gathered(Rtl8139 *s)
{
    uint8_t *f = s->gather;
    uint32_t len = s->gather_len, flags = s->gather_flags;
    Layers l;

    s->gather_len = 0;
    if (s->gather_vlan & TXD_VLAN) {
        len = insert_vlan(f, len, s->gather_vlan);
    }
    if (flags & TXD_LGSEN) {
        send_large(s, f, len, flags >> 16 & 0x7ff);
        return;
    }
    if ((flags & (TXD_IPCS | TXD_TCPCS | TXD_UDPCS)) && find_layers(f, len, &l)) {
        if (flags & TXD_IPCS) {
            ip_checksum(f, &l);
        }
        if ((l.protocol == PROTO_TCP && (flags & TXD_TCPCS)) ||
            (l.protocol == PROTO_UDP && (flags & TXD_UDPCS))) {
            l4_checksum(f, &l);
        }
    }
    send_frame(s, f, len);
}

/* --- C+ rings --- */

static void gather(Rtl8139 *s, const uint32_t d[4])
{
    uint32_t size = d[0] & 0xffff;

    if (d[0] & TXD_FS) {
        s->gather_len = 0;
        s->gather_flags = d[0];
        s->gather_vlan = d[1];
    }
    if (size > RTL8139_GATHER - s->gather_len) {
        s->gather_len = RTL8139_GATHER;     /* too long for any frame: remembered as full */
        return;
    }
    dma_read(s->pci.dev.machine, (uint64_t)d[3] << 32 | d[2], s->gather + s->gather_len, size);
    s->gather_len += size;
}

/* One descriptor; false: the ring is empty. */
static bool send_descriptor(Rtl8139 *s, uint64_t base, uint32_t *index, uint32_t *bytes)
{
    Machine *m = s->pci.dev.machine;
    uint64_t at = base + 16ull * *index;
    uint32_t d[4];

    dma_read(m, at, d, sizeof d);
    for (unsigned i = 0; i < 4; i++) {
        d[i] = GUINT32_FROM_LE(d[i]);
    }
    if (!(d[0] & DESC_OWN)) {
        return false;
    }
    gather(s, d);
    *bytes += d[0] & 0xffff;
    /* Where the command had offload bits, the status has errors and collisions: none. */
    dma_write_u32(m, at, d[0] & ~(DESC_OWN | TXD_STATUS));
    *index = d[0] & TXD_EOR ? 0 : (*index + 1) & 63;
    if (d[0] & TXD_LS) {
        if (s->gather_len < RTL8139_GATHER) {
            send_gathered(s);
        }
        s->gather_len = 0;
        rtl8139_event(s, ISR_TOK);
    }
    return true;
}

static void send_rings(Rtl8139 *s)
{
    unsigned budget = BUDGET;
    uint32_t bytes = 0;
    bool more = true;

    if (!(s->cr & CR_TE) || !(s->cpcr & CPCR_TX) || !pci_bus_master(&s->pci)) {
        return;
    }
    if (s->port) {
        net_burst_begin(s->port);
    }
    while (more && budget && bytes < BYTE_BUDGET) {
        more = (s->thpds && send_descriptor(s, s->thpds, &s->tx_high_index, &bytes)) ||
               (s->tnpds && send_descriptor(s, s->tnpds, &s->tx_index, &bytes));
        budget--;
    }
    if (s->port) {
        net_burst_end(s->port);
    }
    if (more) {
        timer_at(&s->tx_again, machine_now(s->pci.dev.machine) + PAUSE_NS);
    } else {
        rtl8139_event(s, ISR_TDU);
    }
    rtl8139_update_irq(s);
}

void rtl8139_poll_transmit(Rtl8139 *s, uint8_t value)
{
    if (value & (TPPOLL_HIGH | TPPOLL_NORMAL)) {
        send_rings(s);
    }
}

void rtl8139_tx_again(void *opaque)
{
    send_rings(opaque);
}
