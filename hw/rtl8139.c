/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rtl8139.c - Realtek RTL8139C(+) Fast Ethernet controller (RTL8139C and RTL8139C+ data sheets).
 * Registers, receive and interrupts of both modes; what frames go through on the way out (the four
 * transmit slots, the C+ rings, checksums and segmentation) is in rtl8139_tx.c.  Left out: waking the
 * machine (its registers are storage), flash programming; thresholds (early receive, MULINT and RCR;
 * early transmit, TSD; FIFO and DMA burst sizes): a frame is there, or gone, in one moment of the guest's
 * time, so that its first bytes are never there without the last.
 */
#include "hw/rtl8139.h"

#include <string.h>
#include "hw/rtl8139_internal.h"
#include "lib/ether.h"

#define IO_SIZE 256
#define PCI_CLOCK_HZ 33000000
#define RX_HEADER 4             /* status and length, before a frame in the ring */
#define RX_CRC 4                /* the ring and the length include the FCS */
#define RX_MAX 4096             /* longest frame the receiver takes */
#define RX_RING_PAD 16

enum { IDR0 = 0x00, MAR0 = 0x08, TSD0 = 0x10, TSAD0 = 0x20, RBSTART = 0x30, ERBCR = 0x34,
       ERSR = 0x36, CR = 0x37, CAPR = 0x38, CBR = 0x3a, IMR = 0x3c, ISR = 0x3e, TCR = 0x40,
       RCR = 0x44, TCTR = 0x48, MPC = 0x4c, CR9346 = 0x50, CONFIG0 = 0x51, CONFIG1 = 0x52,
       TIMERINT = 0x54, MSR = 0x58, CONFIG3 = 0x59, CONFIG4 = 0x5a, MULINT = 0x5c, RERID = 0x5e,
       TSALL = 0x60, BMCR = 0x62, BMSR = 0x64, ANAR = 0x66, ANLPAR = 0x68, ANER = 0x6a,
       CSCR = 0x74, WAKE = 0x78, WAKE_END = 0xd8, CONFIG5 = 0xd8, TPPOLL = 0xd9, CPCR = 0xe0,
       RDSAR = 0xe4, ETTHR = 0xec };
enum { RCR_AAP = 1, RCR_APM = 2, RCR_AM = 4, RCR_AB = 8, RCR_WRAP = 0x80 };
enum { RX_ROK = 1, RX_BAR = 0x2000, RX_PAM = 0x4000, RX_MAR = 0x8000 };
/* PCI power management: its capability's place, PMC, PMCSR with the power state */
enum { PM_CAP = 0x50, PM_PMC = PM_CAP + 2, PM_CSR = PM_CAP + 4, PM_STATE = 3 };
#define PMC_VALUE 0xf7c2        /* version 2, D1, D2, PME from all states */
#define DTCCR_DUMP 8
#define UNREAD_NS (500 * NS_PER_US)
#define STALL_NS NS_PER_MS
#define STALL_LOOKS 2000        /* two seconds: a vCPU may be off its processor for long */
#define RXD_EOR (1u << 30)
#define RXD_FS (1u << 29)
#define RXD_LS (1u << 28)
#define RXD_MAR (1u << 27)
#define RXD_PAM (1u << 26)
#define RXD_BAR (1u << 25)
#define RXD_VLAN (1u << 16)

void rtl8139_update_irq(Rtl8139 *s)
{
    io_changed(&s->pci.dev);
    pci_set_irq(&s->pci, s->isr & s->imr);
}

void rtl8139_event(Rtl8139 *s, uint16_t bits)
{
    s->isr |= bits;
    io_event(&s->events, bits);
}

static void rtl8139_raise(Rtl8139 *s, uint16_t bits)
{
    rtl8139_event(s, bits);
    rtl8139_update_irq(s);
}

/* --- EEPROM: ids, configuration, station address (data sheet, "EEPROM contents") --- */

static void eeprom_fill(Rtl8139 *s)
{
    static const uint16_t head[] = { 0x8129, 0x10ec, 0x8139, 0x10ec, 0x8139, 0x4020, 0xe512 };

    memset(&s->eeprom, 0, sizeof s->eeprom);
    memcpy(s->eeprom.word, head, sizeof head);
    for (unsigned i = 0; i < 3; i++) {
        s->eeprom.word[7 + i] = s->mac[2 * i] | s->mac[2 * i + 1] << 8;
    }
}

static void autoload(Rtl8139 *s)
{
    for (unsigned i = 0; i < 3; i++) {
        s->idr[2 * i] = s->eeprom.word[7 + i];
        s->idr[2 * i + 1] = s->eeprom.word[7 + i] >> 8;
    }
}

static void write_9346(Rtl8139 *s, uint8_t value)
{
    if (eeprom93_9346_write(&s->eeprom, &s->cr9346, value)) {
        autoload(s);
    }
}

/* --- receive --- */

static uint32_t ring_size(const Rtl8139 *s)
{
    return 8192u << (s->rcr >> 11 & 3);
}

/* RX_* status bits of a frame this filter takes, 0 if it is not for us. */
static uint16_t filter(const Rtl8139 *s, const uint8_t *frame)
{
    if (ether_is_broadcast(frame)) {
        return s->rcr & (RCR_AB | RCR_AAP) ? RX_ROK | RX_BAR : 0;
    }
    if (frame[0] & 1) {
        return (s->rcr & RCR_AAP) || ((s->rcr & RCR_AM) && ether_hash_has(s->mar, frame))
                   ? RX_ROK | RX_MAR : 0;
    }
    if (!memcmp(frame, s->idr, 6)) {
        return s->rcr & (RCR_APM | RCR_AAP) ? RX_ROK | RX_PAM : 0;
    }
    return s->rcr & RCR_AAP ? RX_ROK : 0;
}

static uint32_t ring_free(const Rtl8139 *s)
{
    uint32_t size = ring_size(s), read = (s->capr + RX_RING_PAD) & (size - 1);
    uint32_t write = s->cbr & (size - 1);

    return read == write && (s->cr & CR_BUFE) ? size : (read - write) & (size - 1);
}

static bool cplus_rx(const Rtl8139 *s)
{
    return s->cpcr & CPCR_RX;
}

static bool receives(const Rtl8139 *s)
{
    return (s->cr & CR_RE) && pci_bus_master(&s->pci) && !(s->pci.config[PM_CSR] & PM_STATE);
}

static bool has_room(Rtl8139 *s)
{
    if (cplus_rx(s)) {
        return dma_read_u32(s->pci.dev.machine, s->rdsar + 16ull * s->rx_index) & DESC_OWN;
    }
    return (s->cr & CR_BUFE) || ring_free(s) > 2048;
}

/*
 * Without room, frames wait on the cable.  In the C+ mode nothing tells us that a descriptor has
 * been given back, so we look again some time later.  A driver that takes nothing for STALL_LOOKS
 * looks has its frames dropped, and counted, until it does.
 */
static bool rtl8139_can_receive(void *opaque)
{
    Rtl8139 *s = opaque;

    if (!receives(s)) {
        return true;            /* taken and dropped */
    }
    if (has_room(s)) {
        s->stalled = 0;
        return true;
    }
    if (s->stalled >= STALL_LOOKS) {
        return true;
    }
    if (s->stalled == 0 && cplus_rx(s)) {
        rtl8139_raise(s, ISR_RXOVW);    /* no descriptor */
    }
    if (!timer_armed(&s->rx_again)) {
        timer_at(&s->rx_again, machine_now(s->pci.dev.machine) + STALL_NS);
    }
    return false;
}

static void look_again(void *opaque)
{
    Rtl8139 *s = opaque;

    s->stalled += s->stalled < STALL_LOOKS;
    if (s->port) {
        net_receive_ready(s->port);
    }
}

/*
 * A frame lies in one piece behind its header, past the ring's end if the driver has said that there is
 * room (WRAP); else what doesn't fit goes on at the begin.
 */
static void ring_put(Rtl8139 *s, const uint8_t *data, uint32_t len)
{
    uint32_t size = ring_size(s), at = s->cbr & (size - 1);
    bool run_over = (s->rcr & RCR_WRAP) && size < 65536;
    uint32_t first = run_over ? len : MIN(len, size - at);

    dma_write(s->pci.dev.machine, s->rbstart + at, data, first);
    if (first < len) {
        dma_write(s->pci.dev.machine, s->rbstart, data + first, len - first);
    }
}

/*
 * A driver may acknowledge ROK after each frame and stop between two, as one does that takes only so many
 * at a time.  On a wire the next frame tells it of those that it left; here all of them may have come
 * already, or wait for room.  So if it then reads none for UNREAD_NS the last frame's bit comes late: it
 * is in the ring, and how soon ROK follows is the chip's affair.
 */
static void watch_unread(Rtl8139 *s)
{
    if (receives(s) && !cplus_rx(s) && !(s->cr & CR_BUFE) && !timer_armed(&s->unread)) {
        s->unread_capr = s->capr;
        timer_at(&s->unread, machine_now(s->pci.dev.machine) + UNREAD_NS);
    }
}

static void unread_over(void *opaque)
{
    Rtl8139 *s = opaque;

    if (s->isr & ISR_ROK) {
        return;
    }
    if (s->capr != s->unread_capr) {
        watch_unread(s);
    } else if (receives(s) && !cplus_rx(s) && !(s->cr & CR_BUFE)) {
        rtl8139_raise(s, ISR_ROK);
    }
}

static void missed(Rtl8139 *s)
{
    s->mpc = (s->mpc + 1) & 0xffffff;
    s->tally.missed++;
    rtl8139_raise(s, ISR_RXOVW);
}

/* The next frame's header is on a dword; with WRAP it comes where it would without. */
static void receive_ring(Rtl8139 *s, const uint8_t *frame, uint32_t len, uint16_t status)
{
    uint32_t total = len + RX_CRC, used = (RX_HEADER + total + 3) & ~3u;
    uint32_t crc = GUINT32_TO_LE(ether_fcs(frame, len));
    uint8_t copy[RX_HEADER + RX_MAX + RX_CRC] = { status, status >> 8, total, total >> 8 };

    if (ring_free(s) < used + RX_RING_PAD) {
        missed(s);
        return;
    }
    memcpy(copy + RX_HEADER, frame, len);
    memcpy(copy + RX_HEADER + len, &crc, RX_CRC);
    ring_put(s, copy, RX_HEADER + total);
    s->cbr = (s->cbr + used) & (ring_size(s) - 1);
    s->cr &= ~CR_BUFE;
    rtl8139_raise(s, ISR_ROK);
}

/* C+: the frame may fill several descriptors; each is written back after its bytes. */
static void receive_descriptors(Rtl8139 *s, const uint8_t *frame, uint32_t len, uint16_t status)
{
    Machine *m = s->pci.dev.machine;
    uint32_t total = len + RX_CRC, done = 0;
    uint32_t vlan = 0, crc = GUINT32_TO_LE(ether_fcs(frame, len));
    uint8_t copy[RX_MAX + RX_CRC];

    memcpy(copy, frame, len);
    memcpy(copy + len, &crc, RX_CRC);
    if ((s->cpcr & CPCR_RX_VLAN) && len >= 18 && copy[12] == 0x81 && copy[13] == 0) {
        vlan = RXD_VLAN | copy[15] << 8 | copy[14];
        memmove(copy + 12, copy + 16, total - 16);
        total -= 4;
    }
    for (bool first = true; done < total; first = false) {
        uint64_t desc = s->rdsar + 16ull * s->rx_index;
        uint32_t d[4], room, n, flags;

        dma_read(m, desc, d, sizeof d);
        room = GUINT32_FROM_LE(d[0]) & 0x1fff;
        if (!(GUINT32_FROM_LE(d[0]) & DESC_OWN) || room == 0) {
            missed(s);
            return;
        }
        n = MIN(room, total - done);
        dma_write(m, (uint64_t)GUINT32_FROM_LE(d[3]) << 32 | GUINT32_FROM_LE(d[2]), copy + done, n);
        done += n;
        flags = (first ? RXD_FS : 0) | (done == total ? RXD_LS | (total & 0x3fff) : 0);
        if (done == total) {
            flags |= (status & RX_MAR ? RXD_MAR : 0) | (status & RX_PAM ? RXD_PAM : 0) |
                     (status & RX_BAR ? RXD_BAR : 0) |
                     (s->cpcr & CPCR_RX_CHECKSUM ? rtl8139_rx_checksum(copy, total - RX_CRC) : 0);
        }
        dma_write_u32(m, desc + 4, vlan);
        dma_write_u32(m, desc, (GUINT32_FROM_LE(d[0]) & RXD_EOR) | flags);
        s->rx_index = GUINT32_FROM_LE(d[0]) & RXD_EOR ? 0 : (s->rx_index + 1) & 63;
    }
    rtl8139_raise(s, ISR_ROK);
}

void rtl8139_receive(Rtl8139 *s, const uint8_t *frame, size_t len)
{
    uint8_t padded[60];
    uint16_t status;

    if (!receives(s) || len < ETHER_HEADER || len > RX_MAX) {
        return;
    }
    status = filter(s, frame);
    if (!status) {
        return;
    }
    s->tally.rx_ok++;
    s->tally.rx_physical += (status & RX_PAM) != 0;
    s->tally.rx_broadcast += (status & RX_BAR) != 0;
    s->tally.rx_multicast += (status & RX_MAR) != 0;
    if (len < sizeof padded) {  /* the wire has no shorter frames */
        memset(padded, 0, sizeof padded);
        memcpy(padded, frame, len);
        frame = padded;
        len = sizeof padded;
    }
    if (cplus_rx(s)) {
        receive_descriptors(s, frame, len, status);
    } else {
        receive_ring(s, frame, len, status);
    }
}

static void receive_frame(void *opaque, const uint8_t *frame, size_t len)
{
    Rtl8139 *s = opaque;

    rtl8139_receive(s, frame, len);
    machine_let_in(s->pci.dev.machine);
}

static void link_changed(void *opaque, bool up)
{
    Rtl8139 *s = opaque;

    s->link_up = up;
    rtl8139_raise(s, ISR_LINK);
}

/* --- the timer: counts PCI clocks from the last write to TCTR --- */

static uint32_t timer_count(const Rtl8139 *s)
{
    int64_t ns = machine_now(s->pci.dev.machine) - s->timer_base;

    return (uint64_t)ns / 1000 * (PCI_CLOCK_HZ / 1000000) + (uint64_t)ns % 1000 * 33 / 1000;
}

static void timer_arm(Rtl8139 *s)
{
    uint32_t ahead = s->timer_int - timer_count(s);

    if (s->timer_int == 0) {
        timer_cancel(&s->timer);
    } else {                    /* just now: once more round the counter */
        int64_t clocks = ahead ? ahead : 1LL << 32;

        timer_at(&s->timer, machine_now(s->pci.dev.machine) + clocks * 1000 / 33 + 1);
    }
}

static void timer_fire(void *opaque)
{
    Rtl8139 *s = opaque;

    rtl8139_raise(s, ISR_TIMEOUT);
    timer_at(&s->timer, machine_now(s->pci.dev.machine) + (1LL << 32) * 1000 / 33);
}

/* --- tally counters: 64 bytes to memory, or all to 0 (C+ data sheet, DTCCR) --- */

static void put_le(uint8_t *at, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        at[i] = value >> (8 * i);
    }
}

static void tally_command(Rtl8139 *s, uint32_t low)
{
    const Rtl8139Tally *t = &s->tally;
    uint8_t out[64] = { 0 };

    s->dtccr = (s->dtccr & ~0xffffffffull) | (low & ~0x3fu);
    if (!(low & DTCCR_DUMP) || !pci_bus_master(&s->pci)) {
        return;
    }
    put_le(out, t->tx_ok, 8);
    put_le(out + 8, t->rx_ok, 8);
    put_le(out + 16, t->tx_errors, 8);
    put_le(out + 28, t->missed, 2);
    put_le(out + 40, t->rx_physical, 8);
    put_le(out + 48, t->rx_broadcast, 8);
    put_le(out + 56, t->rx_multicast, 4);
    put_le(out + 60, t->tx_aborted, 2);
    dma_write(s->pci.dev.machine, s->dtccr, out, sizeof out);
}

/* --- registers --- */

static void soft_reset(Rtl8139 *s)
{
    s->cr = CR_BUFE;
    s->isr = s->imr = 0;
    s->tcr = 0;
    s->rcr = 0;
    s->capr = 0xfff0;
    s->cbr = 0;
    s->rbstart = 0;
    s->cpcr = 0;
    s->rdsar = s->tnpds = s->thpds = 0;
    s->rx_index = s->tx_index = s->tx_high_index = 0;
    s->tx_slot = 0;
    s->timer_int = 0;
    s->timer_base = machine_now(s->pci.dev.machine);
    s->gather_len = 0;
    for (unsigned i = 0; i < 4; i++) {
        s->tsd[i] = TSD_OWN;
        s->tsad[i] = 0;
    }
    s->stalled = 0;
    timer_cancel(&s->timer);
    timer_cancel(&s->tx_again);
    timer_cancel(&s->rx_again);
    timer_cancel(&s->unread);
    rtl8139_update_irq(s);
}

static void write_cr(Rtl8139 *s, uint8_t value)
{
    if (value & CR_RST) {
        soft_reset(s);
        return;
    }
    if ((value & CR_RE) && !(s->cr & CR_RE)) {
        s->rx_index = 0;
        s->cbr = 0;
        s->capr = 0xfff0;
        s->cr |= CR_BUFE;
    }
    if ((value & CR_TE) && !(s->cr & CR_TE)) {
        s->tx_slot = 0;
        s->tx_index = s->tx_high_index = 0;
    }
    s->cr = (s->cr & CR_BUFE) | (value & (CR_RE | CR_TE));
    if (s->port) {
        net_receive_ready(s->port);
    }
}

static void write_capr(Rtl8139 *s, uint16_t value)
{
    uint32_t size = ring_size(s);

    s->capr = value;
    if (((value + RX_RING_PAD) & (size - 1)) == (s->cbr & (size - 1))) {
        s->cr |= CR_BUFE;
    } else {
        s->cr &= ~CR_BUFE;
    }
    if (s->port) {
        net_receive_ready(s->port);
    }
}

static uint16_t transmit_summary(const Rtl8139 *s)
{
    uint16_t v = 0;

    for (unsigned i = 0; i < 4; i++) {
        v |= (s->tsd[i] & TSD_OWN ? 0x01 : 0) << i | (s->tsd[i] & TSD_TABT ? 0x10 : 0) << i |
             (s->tsd[i] & TSD_TUN ? 0x100 : 0) << i | (s->tsd[i] & TSD_TOK ? 0x1000 : 0) << i;
    }
    return v;
}

static uint32_t read_phy(const Rtl8139 *s, unsigned reg)
{
    switch (reg) {
    case BMCR: return s->bmcr;
    case BMSR: return 0x7809 | (s->link_up ? 0x24 : 0);     /* 100/10, full/half, autoneg done */
    case ANAR: return s->anar;
    case ANLPAR: return s->link_up ? 0x45e1 : 0;
    case ANER: return s->link_up ? 1 : 0;
    case CSCR: return s->link_up ? 0x0100 | 0x08c0 : 0x00c0;
    default: return 0;
    }
}

/* Registers as a whole; narrower reads take their part of it. */
static uint32_t read_dword(Rtl8139 *s, unsigned reg)
{
    switch (reg) {
    case IDR0: case IDR0 + 4: case MAR0: case MAR0 + 4: {
        const uint8_t *p = reg < MAR0 ? s->idr + reg : s->mar + (reg - MAR0);

        return p[0] | p[1] << 8 | (reg == IDR0 + 4 ? 0 : p[2] << 16 | (uint32_t)p[3] << 24);
    }
    case TSD0: case TSD0 + 4: case TSD0 + 8: case TSD0 + 12:
        if ((s->cpcr & (CPCR_TX | CPCR_RX)) && reg < TSD0 + 8) {
            return reg == TSD0 ? s->dtccr : s->dtccr >> 32;
        }
        return s->tsd[(reg - TSD0) / 4];
    case TSAD0: case TSAD0 + 4: case TSAD0 + 8: case TSAD0 + 12:
        if (s->cpcr & CPCR_TX) {
            uint64_t v = reg < TSAD0 + 8 ? s->tnpds : s->thpds;

            return reg & 4 ? v >> 32 : v;
        }
        return s->tsad[(reg - TSAD0) / 4];
    case RBSTART: return s->rbstart;
    case ERBCR: return (uint32_t)s->cr << 24;
    case CAPR: return s->capr | (uint32_t)s->cbr << 16;
    case IMR: return s->imr | (uint32_t)s->isr << 16;
    case TCR: return (s->tcr & 0x03060707) | (s->cplus ? 0x74800000 : 0x74000000);
    case RCR: return s->rcr;
    case TCTR: return timer_count(s);
    case MPC: return s->mpc;
    case CR9346:
        return eeprom93_9346_read(&s->eeprom, s->cr9346) | s->config[0] << 8 | s->config[1] << 16;
    case TIMERINT: return s->timer_int;
    case MSR:
        return (s->link_up ? 0 : 4) | 0x10 | s->config[3] << 8 | s->config[4] << 16;
    case MULINT: return s->multint | 0x10u << 16;
    case TSALL: return transmit_summary(s) | read_phy(s, BMCR) << 16;
    case BMSR: return read_phy(s, BMSR) | read_phy(s, ANAR) << 16;
    case ANLPAR: return read_phy(s, ANLPAR) | read_phy(s, ANER) << 16;
    case CSCR: return read_phy(s, CSCR);
    case WAKE ... WAKE_END - 4: {
        const uint8_t *p = s->wake + (reg - WAKE);

        return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
    }
    case CONFIG5: return s->config[5];
    case CPCR: return s->cplus ? s->cpcr : 0;
    case RDSAR: return s->rdsar;
    case RDSAR + 4: return s->rdsar >> 32;
    default: return 0;
    }
}

static uint64_t rtl8139_read(void *opaque, uint64_t offset, unsigned width)
{
    Rtl8139 *s = opaque;

    uint64_t v = read_dword(s, offset & ~3u);

    if ((offset & 3) + width > 4) {
        v |= (uint64_t)read_dword(s, (offset & ~3u) + 4) << 32;
    }
    return v >> (8 * (offset & 3)) & ((1ull << 8 * width) - 1);
}

static void write_config(Rtl8139 *s, unsigned n, uint8_t value)
{
    static const uint8_t writable[6] = { 0, 0xfc, 0, 0x21, 0xb6, 0x3f };

    if ((s->cr9346 & EE_MODE) == EE_CONFIG) {
        s->config[n] = (s->config[n] & ~writable[n]) | (value & writable[n]);
    }
}

static void write_byte(Rtl8139 *s, unsigned reg, uint8_t value)
{
    switch (reg) {
    case IDR0 ... IDR0 + 5:
        if ((s->cr9346 & EE_MODE) == EE_CONFIG) {
            s->idr[reg] = value;
        }
        break;
    case MAR0 ... MAR0 + 7: s->mar[reg - MAR0] = value; break;
    case CR: write_cr(s, value); break;
    case CR9346: write_9346(s, value); break;
    case CONFIG0: write_config(s, 0, value); break;
    case CONFIG1: write_config(s, 1, value); break;
    case CONFIG3: write_config(s, 3, value); break;
    case CONFIG4: write_config(s, 4, value); break;
    case CONFIG5: write_config(s, 5, value); break;
    case TPPOLL: rtl8139_poll_transmit(s, value); break;
    case WAKE ... WAKE_END - 1: s->wake[reg - WAKE] = value; break;
    }
}

/* A posted write may have lowered the line for the guest although an event came meanwhile. */
static void line_written(Rtl8139 *s)
{
    const IoSeen *seen = &s->pci.dev.machine->io.seen;

    rtl8139_update_irq(s);
    if (seen->known && seen->lowered && (s->isr & s->imr)) {
        pci_tell_irq(&s->pci);
    }
}

/* A frame that came after the guest wrote is not acknowledged by it. */
static void write_isr(Rtl8139 *s, uint16_t value)
{
    const IoSeen *seen = &s->pci.dev.machine->io.seen;

    if (seen->known) {
        value = io_acknowledged(s->events.last, s->events.at, seen->event, value);
    }
    s->isr &= ~value;
    line_written(s);
    if (value & ISR_ROK) {
        watch_unread(s);
    }
}

static void write_word(Rtl8139 *s, unsigned reg, uint16_t value)
{
    switch (reg) {
    case CAPR: write_capr(s, value); break;
    case IMR:
        s->imr = value;
        line_written(s);
        break;
    case ISR:
        write_isr(s, value);
        break;
    case MULINT: s->multint = value & 0xfff; break;
    case BMCR: s->bmcr = value & 0x3100; break;
    case ANAR: s->anar = value; break;
    case CPCR:
        if (s->cplus) {
            s->cpcr = value & 0x007b;
        }
        break;
    default:
        write_byte(s, reg, value);
        write_byte(s, reg + 1, value >> 8);
    }
}

static void set_half(uint64_t *v, bool high, uint32_t value)
{
    *v = high ? (*v & 0xffffffff) | (uint64_t)value << 32 : (*v & ~0xffffffffull) | value;
}

static void write_dword(Rtl8139 *s, unsigned reg, uint32_t value)
{
    switch (reg) {
    case TSD0: case TSD0 + 4: case TSD0 + 8: case TSD0 + 12:
        if (!(s->cpcr & (CPCR_TX | CPCR_RX)) || reg >= TSD0 + 8) {
            rtl8139_write_tsd(s, (reg - TSD0) / 4, value);
        } else if (reg == TSD0) {
            tally_command(s, value);
        } else {
            set_half(&s->dtccr, true, value);
        }
        break;
    case TSAD0: case TSAD0 + 4: case TSAD0 + 8: case TSAD0 + 12:
        s->tsad[(reg - TSAD0) / 4] = value;
        if (s->cplus) {         /* the C+ rings' addresses share these registers */
            set_half(reg < TSAD0 + 8 ? &s->tnpds : &s->thpds, reg & 4, value);
            s->tnpds &= ~0xffull;
            s->thpds &= ~0xffull;
            s->tx_index = s->tx_high_index = 0;
        }
        break;
    case RBSTART: s->rbstart = value; break;
    case TCR: s->tcr = value & 0x03060707; break;
    case RCR: s->rcr = value & 0x0f03ffbf; break;
    case TCTR:
        s->timer_base = machine_now(s->pci.dev.machine);
        timer_arm(s);
        break;
    case MPC: s->mpc = 0; break;
    case TIMERINT:
        s->timer_int = value;
        timer_arm(s);
        break;
    case RDSAR: set_half(&s->rdsar, false, value & ~0xffu); break;
    case RDSAR + 4: set_half(&s->rdsar, true, value); break;
    default:
        write_word(s, reg, value);
        write_word(s, reg + 2, value >> 16);
    }
}

static void rtl8139_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    Rtl8139 *s = opaque;

    switch (width) {
    case 1: write_byte(s, offset, value); break;
    case 2: write_word(s, offset, value); break;
    default: write_dword(s, offset, value);
    }
}

/* What drivers read for each interrupt and frame. */
static bool rtl8139_peek(void *opaque, unsigned offset, uint8_t *value)
{
    const Rtl8139 *s = opaque;

    switch (offset) {           /* by name where it is asked for with each frame and access */
    case CR: *value = s->cr; return true;
    case CAPR: *value = s->capr; return true;
    case CAPR + 1: *value = s->capr >> 8; return true;
    case CBR: *value = s->cbr; return true;
    case CBR + 1: *value = s->cbr >> 8; return true;
    case IMR: *value = s->imr; return true;
    case IMR + 1: *value = s->imr >> 8; return true;
    case ISR: *value = s->isr; return true;
    case ISR + 1: *value = s->isr >> 8; return true;
    case TSD0 ... TSD0 + 15: case MSR:
        *value = rtl8139_read(opaque, offset, 1);
        return true;
    default:
        return false;
    }
}

static const IoSpan rtl8139_peeks[] = { { TSD0, 16 }, { CR, ISR + 2 - CR }, { MSR, 1 }, { 0 } };

static const uint8_t rtl8139_store[IO_SIZE] = { [IMR ... IMR + 1] = 0xff };

/* Waited for: CR, whose reset lowers the interrupt line, and the timer's base. */
static const uint8_t rtl8139_post[IO_SIZE] = {
    [TSD0 ... TSD0 + 15] = IO_POST_YES, [TSAD0 ... RBSTART + 3] = IO_POST_QUIET,
    [CAPR ... CAPR + 1] = IO_POST_YES, [IMR ... ISR + 1] = IO_POST_LINE, [TPPOLL] = IO_POST_YES,
};

static const IoEvents *rtl8139_events(void *opaque)
{
    return &((Rtl8139 *)opaque)->events;
}

static uint32_t rtl8139_wire(void *opaque)
{
    return pci_wire(&((Rtl8139 *)opaque)->pci);
}

static const IoLine rtl8139_line = { .status = ISR, .mask = IMR, .bytes = 2, .events = rtl8139_events,
                                     .wire = rtl8139_wire };

static const IoOps rtl8139_ops = { .read = rtl8139_read, .write = rtl8139_write,
                                   .widths = IO_8 | IO_16 | IO_32, .post = rtl8139_post,
                                   .store = rtl8139_store, .peek = rtl8139_peek, .line = &rtl8139_line,
                                   .peeks = rtl8139_peeks };

/* --- the class --- */

static void rtl8139_reset(Device *dev)
{
    Rtl8139 *s = (Rtl8139 *)dev;
    static const uint8_t config[6] = { 0, 0x0c, 0, 0x01, 0, 0 };

    pci_reset(&s->pci);
    eeprom93_reset(&s->eeprom);
    autoload(s);
    memset(s->mar, 0, sizeof s->mar);
    memcpy(s->config, config, sizeof s->config);
    s->cr9346 = 0;
    memset(s->wake, 0, sizeof s->wake);
    memset(&s->tally, 0, sizeof s->tally);
    s->dtccr = 0;
    s->mpc = 0;
    s->multint = 0;
    s->bmcr = 0x3100;
    s->anar = 0x05e1;
    s->link_up = s->port && net_link_up(s->port);
    soft_reset(s);
}

static bool rtl8139_init(Device *dev, GError **error)
{
    Rtl8139 *s = (Rtl8139 *)dev;
    NetClient client = { rtl8139_can_receive, receive_frame, link_changed, s };
    PciClass id = { .vendor = 0x10ec, .device = 0x8139, .subsystem_vendor = 0x10ec,
                    .subsystem = 0x8139, .revision = s->cplus ? 0x20 : 0x10, .subclass = 0,
                    .base_class = 2, .interrupt_pin = 1 };

    s->gather = g_malloc0(RTL8139_GATHER);
    timer_init(&s->timer, &dev->machine->timers, timer_fire, s);
    timer_init(&s->tx_again, &dev->machine->timers, rtl8139_tx_again, s);
    timer_init(&s->rx_again, &dev->machine->timers, look_again, s);
    timer_init(&s->unread, &dev->machine->timers, unread_over, s);
    eeprom_fill(s);
    if (!pci_init(&s->pci, &id, error) ||
        !pci_claim_bar(&s->pci, 0, PCI_BAR_IO, IO_SIZE, &rtl8139_ops, error) ||
        !pci_claim_bar(&s->pci, 1, PCI_BAR_MEM, IO_SIZE, &rtl8139_ops, error) ||
        (s->rom && !pci_claim_rom(&s->pci, g_bytes_get_data(s->rom, NULL),
                                  g_bytes_get_size(s->rom), error))) {
        return false;
    }
    s->pci.initial[0x06] |= 0x10;       /* has capabilities: power management only */
    s->pci.initial[0x34] = PM_CAP;
    s->pci.initial[PM_CAP] = 1;
    pci_set16(s->pci.initial, PM_PMC, PMC_VALUE);
    s->pci.wmask[PM_CSR] = PM_STATE;
    s->pci.wmask[PM_CSR + 1] = 0x01;    /* PME enable */
    s->pci.w1c[PM_CSR + 1] = 0x80;
    s->pci.initial[0x3e] = 0x20;        /* MIN_GNT, MAX_LAT in quarter microseconds */
    s->pci.initial[0x3f] = 0x40;
    if (s->port) {
        net_attach(s->port, &client);
    }
    return true;
}

static bool rtl8139_loaded(Device *dev, GError **error)
{
    Rtl8139 *s = (Rtl8139 *)dev;

    s->link_up = s->port && net_link_up(s->port);
    s->cbr &= ring_size(s) - 1;
    eeprom93_loaded(&s->eeprom);
    return pci_loaded(&s->pci, error);
}

static void rtl8139_finish(Device *dev)
{
    Rtl8139 *s = (Rtl8139 *)dev;

    if (s->timer.queue) {
        timer_cancel(&s->timer);
        timer_cancel(&s->tx_again);
        timer_cancel(&s->rx_again);
        timer_cancel(&s->unread);
    }
    net_port_free(s->port);
    pci_finish(&s->pci);
    g_free(s->gather);
}

static const ConfigField rtl8139_config[] = {
    CONFIG_PCI(Rtl8139, pci),
    CONFIG_FIELD(Rtl8139, mac, CONFIG_MAC, NULL, "station address"),
    CONFIG_FIELD(Rtl8139, cplus, CONFIG_BOOL, "1", "an RTL8139C+ (revision 20h), else an RTL8139C"),
    CONFIG_FIELD(Rtl8139, port, CONFIG_POINTER, NULL, "the cable (owned)"),
    CONFIG_FIELD(Rtl8139, rom, CONFIG_POINTER, NULL, "boot ROM image (GBytes)"),
    CONFIG_END
};

static const StateField rtl8139_tally_state[] = {
    STATE_U64(Rtl8139Tally, tx_ok), STATE_U64(Rtl8139Tally, rx_ok),
    STATE_U64(Rtl8139Tally, tx_errors), STATE_U64(Rtl8139Tally, rx_physical),
    STATE_U64(Rtl8139Tally, rx_broadcast), STATE_U32(Rtl8139Tally, rx_multicast),
    STATE_U16(Rtl8139Tally, missed), STATE_U16(Rtl8139Tally, tx_aborted), STATE_END
};

static const StateField rtl8139_state[] = {
    STATE_PCI(Rtl8139, pci),
    STATE_BYTES(Rtl8139, idr), STATE_BYTES(Rtl8139, mar), STATE_U32_ARRAY(Rtl8139, tsd),
    STATE_U32_ARRAY(Rtl8139, tsad), STATE_U32(Rtl8139, rbstart), STATE_U8_MAX(Rtl8139, cr, 0x1d),
    STATE_U16(Rtl8139, capr), STATE_U16(Rtl8139, cbr), STATE_U16(Rtl8139, imr),
    STATE_U16(Rtl8139, isr), STATE_U32(Rtl8139, tcr), STATE_U32(Rtl8139, rcr),
    STATE_U32(Rtl8139, mpc), STATE_U8(Rtl8139, cr9346), STATE_BYTES(Rtl8139, config),
    STATE_U32(Rtl8139, timer_int), STATE_I64(Rtl8139, timer_base), STATE_U16(Rtl8139, multint),
    STATE_U16(Rtl8139, bmcr), STATE_U16(Rtl8139, anar), STATE_U16(Rtl8139, cpcr),
    STATE_U64(Rtl8139, tnpds), STATE_U64(Rtl8139, thpds), STATE_U64(Rtl8139, rdsar),
    STATE_U32_MAX(Rtl8139, rx_index, 63), STATE_U32_MAX(Rtl8139, tx_index, 63),
    STATE_U32_MAX(Rtl8139, tx_high_index, 63), STATE_U32_MAX(Rtl8139, tx_slot, 3),
    STATE_STRUCT(Rtl8139, eeprom, eeprom93_state), STATE_BYTES(Rtl8139, wake),
    STATE_U64(Rtl8139, dtccr), STATE_STRUCT(Rtl8139, tally, rtl8139_tally_state),
    STATE_U32_MAX(Rtl8139, stalled, STALL_LOOKS),
    STATE_U32_MAX(Rtl8139, gather_len, RTL8139_GATHER),
    STATE_U32(Rtl8139, gather_flags), STATE_U32(Rtl8139, gather_vlan),
    STATE_HEAP_BYTES(Rtl8139, gather, RTL8139_GATHER), STATE_TIMER(Rtl8139, timer),
    STATE_TIMER(Rtl8139, tx_again), STATE_TIMER(Rtl8139, rx_again),
    STATE_U16(Rtl8139, unread_capr), STATE_TIMER(Rtl8139, unread), STATE_END
};

const DeviceClass rtl8139_class = {
    .name = "rtl8139", .summary = "Realtek RTL8139C+ Fast Ethernet card", .size = sizeof(Rtl8139),
    .version = 3, .config = rtl8139_config, .state = rtl8139_state, .init = rtl8139_init,
    .reset = rtl8139_reset, .loaded = rtl8139_loaded, .finish = rtl8139_finish,
};
