/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ne2000.c - the NE2000's chip and memory (National DP8390D data sheet; AN-937 for loopback; the
 * RTL8029AS data sheet for what that chip adds).  The local bus has the PROM below 4000h and 16 KiB
 * of RAM above it, again from 8000h on, as only A14 is decoded: every 16-bit address is somewhere.
 * Left out: collisions and what counts them, the time that a frame takes on the wire.
 */
#include "hw/ne2000.h"

#include <string.h>
#include "lib/ether.h"

#define RAM_BIT 0x4000
#define PAGE_BYTES 256
#define HEADER 4                /* status, next page, length */
#define TALLY_STOP 0xc0
#define STALL_NS (2 * NS_PER_S)     /* a vCPU may be off its processor for long */
#define GAP_NS (200 * NS_PER_US)     /* a frame's time on the wire, some 60 us to 1.2 ms */
#define BATCH 8                 /* frames */
#define DATA_PORT 0x10
#define RESET_PORT 0x18

enum { CR_STP = 1, CR_STA = 2, CR_TXP = 4, CR_RD = 0x38, CR_PAGE = 0xc0 };
enum { ISR_PRX = 1, ISR_PTX = 2, ISR_RXE = 4, ISR_TXE = 8, ISR_OVW = 0x10, ISR_CNT = 0x20,
       ISR_RDC = 0x40, ISR_RST = 0x80 };
enum { DCR_WTS = 1, DCR_BOS = 2, DCR_LAS = 4 };
enum { TCR_CRC = 1, TCR_LB = 6, TCR_ATD = 8, LB_CONTROLLER = 2, LB_ENCODER = 4 };
enum { TSR_PTX = 1, TSR_ND = 2, TSR_CRS = 0x10, TSR_CDH = 0x40 };
enum { RCR_SEP = 1, RCR_AB = 4, RCR_AM = 8, RCR_PRO = 0x10, RCR_MON = 0x20 };
enum { RSR_PRX = 1, RSR_CRC = 2, RSR_MPA = 0x10, RSR_PHY = 0x20, RSR_DIS = 0x40 };
enum { CNTR_CRC = 1, CNTR_MISSED = 2 };

/* RTL8029AS, page 3 */
enum { P3_9346CR = 1, P3_CONFIG0 = 3, P3_CONFIG2 = 5, P3_CONFIG3 = 6, P3_ID0 = 0xe, P3_ID1 = 0xf };

static void update_irq(Ne2000 *s)
{
    bool level = (s->isr & s->imr & 0x7f) != 0;

    if (level) {
        io_busy(&s->pci.dev, true);
    }
    s->set_irq(&s->pci.dev, level);
    if (!level) {
        io_busy(&s->pci.dev, false);
    }
}

static void raise_isr(Ne2000 *s, uint8_t bits)
{
    s->isr |= bits;
    update_irq(s);
}

static void tally(Ne2000 *s, unsigned which)
{
    if (s->cntr[which] < TALLY_STOP) {
        s->cntr[which]++;
    }
    if (s->cntr[which] & 0x80) {
        s->isr |= ISR_CNT;
    }
}

static bool running(const Ne2000 *s)
{
    return !(s->cr & CR_STP);
}

/* --- the local bus --- */

/* Each byte of the PROM answers at two addresses; bytes 14 and 15 say "16-bit slot". */
static uint8_t prom_byte(const Ne2000 *s, uint16_t addr)
{
    unsigned i = addr >> 1 & 15;

    return i < 6 ? s->prom[i] : i >= 14 ? 'W' : 0;
}

static uint8_t local_get(const Ne2000 *s, uint16_t addr)
{
    return addr & RAM_BIT ? s->memory[addr & (NE2000_MEMORY - 1)] : prom_byte(s, addr);
}

static void local_put(Ne2000 *s, uint16_t addr, uint8_t value)
{
    if (addr & RAM_BIT) {
        s->memory[addr & (NE2000_MEMORY - 1)] = value;
    }
}

/* How many of len bytes from addr on lie in RAM in one piece; 0: addr is no RAM. */
static size_t ram_run(uint16_t addr, size_t len)
{
    return addr & RAM_BIT ? MIN(len, NE2000_MEMORY - (size_t)(addr & (NE2000_MEMORY - 1))) : 0;
}

static void local_read(const Ne2000 *s, uint16_t addr, uint8_t *buf, size_t len)
{
    while (len) {
        size_t n = ram_run(addr, len);

        if (n) {
            memcpy(buf, s->memory + (addr & (NE2000_MEMORY - 1)), n);
        } else {
            n = 1;
            *buf = local_get(s, addr);
        }
        addr += n;
        buf += n;
        len -= n;
    }
}

static void local_write(Ne2000 *s, uint16_t addr, const uint8_t *buf, size_t len)
{
    while (len) {
        size_t n = ram_run(addr, len);

        if (n) {
            memcpy(s->memory + (addr & (NE2000_MEMORY - 1)), buf, n);
        } else {
            n = 1;
        }
        addr += n;
        buf += n;
        len -= n;
    }
}

/* --- receive --- */

static uint8_t next_page(const Ne2000 *s, uint8_t page)
{
    page++;
    return page == s->pstop ? s->pstart : page;
}

static unsigned pages_of(size_t len)
{
    return (len + HEADER + ETHER_FCS + PAGE_BYTES - 1) / PAGE_BYTES;
}

/*
 * Where reception stops.  Drivers keep BNRY one page behind the frame they read next; some (Linux's
 * 8390 core) subtract one without looking where the ring begins.  No page of the ring equals
 * PSTART - 1, so a chip would run over what is unread: the page before PSTART is PSTOP - 1.
 */
static uint8_t boundary(const Ne2000 *s)
{
    return (uint8_t)(s->bnry + 1) == s->pstart ? s->pstop - 1 : s->bnry;
}

/* Whether a frame of so many pages can be stored, and CURR move on without meeting BNRY. */
static bool ring_takes(const Ne2000 *s, unsigned pages)
{
    uint8_t page = s->curr, end = boundary(s);

    for (unsigned i = 0; i < pages; i++) {
        page = next_page(s, page);
        if (page == end) {
            return false;
        }
    }
    return true;
}

static bool receives(const Ne2000 *s)
{
    return running(s) && !(s->tcr & TCR_LB);
}

static bool ring_empty(const Ne2000 *s)
{
    return next_page(s, boundary(s)) == s->curr || s->bnry == s->curr;
}

/*
 * The cable is patient, which costs no frame and no chip could tell from a slow wire.  Frames wait
 * - while the ring is full;
 * - once the driver has begun to read, or BATCH frames have come, until GAP_NS after it acknowledged
 *   PRX.  It may read only so many and then acknowledge, and would never be told of those that it
 *   left or that came just before; and one that finds PRX again at once, some times in a row, takes
 *   that for a fault.  To one that never acknowledges PRX they come when it has emptied the ring.
 * A driver that has stopped reading gets its overrun after STALL_NS.
 */
static bool can_receive(void *opaque)
{
    Ne2000 *s = opaque;
    unsigned pages = pages_of(ETHER_MAX);
    unsigned ring = s->pstop > s->pstart ? s->pstop - s->pstart : 0;
    bool full;

    if (!receives(s) || (s->rcr & RCR_MON) || s->overrun || ring <= pages) {
        return true;
    }
    full = !ring_takes(s, pages);
    if (!full && s->batch < BATCH) {
        return true;
    }
    if (!full && !timer_armed(&s->gap)) {
        timer_at(&s->gap, vm_now(&s->pci.dev) + GAP_NS);
    }
    if (!timer_armed(&s->stall)) {
        timer_at(&s->stall, vm_now(&s->pci.dev) + STALL_NS);
    }
    return false;
}

static void frames_may_come(Ne2000 *s)
{
    timer_cancel(&s->stall);
    timer_cancel(&s->gap);
    if (s->port) {
        net_receive_ready(s->port);
    }
}

static void room_again(Ne2000 *s)
{
    s->overrun = false;
    frames_may_come(s);
}

static void stall_over(void *opaque)
{
    Ne2000 *s = opaque;

    s->overrun = true;
    frames_may_come(s);
}

static void gap_over(void *opaque)
{
    Ne2000 *s = opaque;

    if (!(s->isr & ISR_PRX) || (!s->acknowledges && ring_empty(s))) {
        s->batch = 0;
        frames_may_come(s);
    }
}

static void set_boundary(Ne2000 *s, uint8_t page)
{
    s->bnry = page;
    if (s->isr & ISR_PRX) {
        s->batch = BATCH;
    }
    room_again(s);
}

/* RSR's bits for a frame that is ours, 0 if it is not. */
static uint8_t filter(const Ne2000 *s, const uint8_t *frame)
{
    if (ether_is_broadcast(frame)) {
        return s->rcr & RCR_AB ? RSR_PRX | RSR_PHY : 0;
    }
    if (ether_is_group(frame)) {
        return (s->rcr & RCR_AM) && ether_hash_has(s->mar, frame) ? RSR_PRX | RSR_PHY : 0;
    }
    return (s->rcr & RCR_PRO) || !memcmp(frame, s->par, 6) ? RSR_PRX : 0;
}

static void transmit(Ne2000 *s);

/* TCR.ATD: a station may switch our transmitter off and on by two bits of the hash. */
static void automatic_disable(Ne2000 *s, const uint8_t *frame)
{
    unsigned bit = ether_hash(frame);

    if (!(s->tcr & TCR_ATD) || !ether_is_group(frame) || bit < 62) {
        return;
    }
    s->tx_off = bit == 62;
    if (!s->tx_off && (s->cr & CR_TXP)) {
        transmit(s);
    }
}

static void missed(Ne2000 *s, uint8_t status)
{
    s->rsr = status;
    tally(s, CNTR_MISSED);
    update_irq(s);
}

static void store(Ne2000 *s, const uint8_t *frame, size_t len, uint8_t status)
{
    uint8_t page = s->curr, head[HEADER];
    uint32_t fcs = GUINT32_TO_LE(ether_fcs(frame, len));
    size_t total = len + ETHER_FCS;
    unsigned pages = pages_of(len);
    uint8_t after = s->curr;
    uint8_t copy[ETHER_MAX + ETHER_FCS];
    size_t done = 0;

    memcpy(copy, frame, len);
    memcpy(copy + len, &fcs, ETHER_FCS);
    for (unsigned i = 0; i < pages; i++) {
        after = next_page(s, after);
    }
    for (unsigned i = 0; i < pages; i++, page = next_page(s, page)) {
        unsigned skip = i == 0 ? HEADER : 0;
        size_t n = MIN(total - done, PAGE_BYTES - skip);

        local_write(s, page << 8 | skip, copy + done, n);
        s->clda = (page << 8 | skip) + n;
        done += n;
    }
    head[0] = status;
    head[1] = after;
    head[2] = total;
    head[3] = total >> 8;
    local_write(s, s->curr << 8, head, HEADER);
    s->curr = s->lnpp = after;
    s->batch = s->isr & ISR_PRX ? MIN(s->batch + 1, BATCH) : 1;
}

static void receive(void *opaque, const uint8_t *frame, size_t len)
{
    Ne2000 *s = opaque;
    uint8_t padded[ETHER_MIN], status;

    if (!receives(s) || len < ETHER_HEADER || len > ETHER_MAX) {
        return;
    }
    automatic_disable(s, frame);
    status = filter(s, frame);
    if (!status) {
        return;
    }
    if (s->rcr & RCR_MON) {
        missed(s, status | RSR_DIS);
        return;
    }
    if (len < sizeof padded) {  /* the wire has no shorter frames */
        memset(padded, 0, sizeof padded);
        memcpy(padded, frame, len);
        frame = padded;
        len = sizeof padded;
    }
    if (!ring_takes(s, pages_of(len))) {
        s->isr |= ISR_OVW | ISR_RST;
        missed(s, (status & ~RSR_PRX) | RSR_MPA);
        return;
    }
    store(s, frame, len, status);
    s->rsr = status;
    raise_isr(s, ISR_PRX);
}

static void link_changed(void *opaque, bool up)
{
    ((Ne2000 *)opaque)->link_up = up;
}

/* --- transmit --- */

/* The last bytes and the length stay in the FIFO, which is a ring of eight. */
static void fifo_keep(Ne2000 *s, const uint8_t *frame, size_t len)
{
    const uint8_t tail[3] = { len, len >> 8, len >> 8 };

    for (size_t i = len > NE2000_FIFO ? len - NE2000_FIFO : 0; i < len; i++) {
        s->fifo[i % NE2000_FIFO] = frame[i];
    }
    for (size_t i = 0; i < sizeof tail; i++) {
        s->fifo[(len + i) % NE2000_FIFO] = tail[i];
    }
    s->fifo_at = 0;
}

/* Nothing goes to memory: the driver looks at the status and the FIFO (data sheet, "Loopback"). */
static void loop_back(Ne2000 *s)
{
    uint8_t frame[ETHER_MAX + ETHER_FCS];
    size_t step = s->dcr & DCR_WTS ? 2 : 1, len = s->tbcr / step;
    unsigned skip = step == 2 && !(s->dcr & DCR_BOS);   /* words: one half only is sent */
    uint32_t fcs;

    len = MIN(len, ETHER_MAX);
    for (size_t i = 0; i < len; i++) {
        frame[i] = local_get(s, (s->tpsr << 8) + i * step + skip);
    }
    s->tsr = TSR_PTX | TSR_ND;
    if ((s->tcr & TCR_LB) == LB_CONTROLLER) {
        s->tsr |= TSR_CRS | TSR_CDH;
    } else if ((s->tcr & TCR_LB) == LB_ENCODER) {
        s->tsr |= TSR_CDH;
    }
    s->rsr = 0;
    if (len >= ETHER_HEADER && filter(s, frame)) {
        if (s->tcr & TCR_CRC) {         /* software's FCS is checked */
            s->rsr = ether_fcs(frame, len) == ETHER_FCS_GOOD ? RSR_PRX : RSR_CRC;
        } else {                        /* ours: sent and received by the same logic at once */
            s->rsr = RSR_CRC;
        }
        if (ether_is_group(frame)) {
            s->rsr |= RSR_PHY;
        }
    }
    if (!(s->tcr & TCR_CRC)) {
        fcs = GUINT32_TO_LE(ether_fcs(frame, len));
        memcpy(frame + len, &fcs, ETHER_FCS);
        len += ETHER_FCS;
    }
    fifo_keep(s, frame, len);
}

static void send_frame(Ne2000 *s)
{
    uint8_t copy[ETHER_MAX + ETHER_FCS];
    const uint8_t *frame = copy;
    uint16_t at = s->tpsr << 8;
    size_t len = s->tbcr;

    s->tsr = TSR_PTX | TSR_ND | (s->link_up ? 0 : TSR_CRS);
    if (len > sizeof copy) {
        return;                 /* a giant: nobody takes it off the wire */
    }
    if (ram_run(at, len) == len) {
        frame = s->memory + (at & (NE2000_MEMORY - 1));
    } else {
        local_read(s, at, copy, len);
    }
    if (s->tcr & TCR_CRC) {     /* the driver's own FCS: without a good one nobody takes it */
        if (len < ETHER_FCS || ether_fcs(frame, len) != ETHER_FCS_GOOD) {
            return;
        }
        len -= ETHER_FCS;
    }
    if (s->port && len <= ETHER_MAX) {
        net_send(s->port, frame, len);
    }
}

static void transmit(Ne2000 *s)
{
    if (s->tx_off) {
        return;                 /* TXP stays */
    }
    if (s->tcr & TCR_LB) {
        loop_back(s);
    } else {
        send_frame(s);
    }
    s->ncr = 0;
    s->cr &= ~CR_TXP;
    raise_isr(s, ISR_PTX);
}

/* --- remote DMA: the data port --- */

static unsigned transfer_unit(const Ne2000 *s)
{
    return s->dcr & DCR_WTS ? 2 : 1;
}

static void dma_moved(Ne2000 *s, unsigned bytes)
{
    s->crda += bytes;
    if (s->crda == s->pstop << 8) {
        s->crda = s->pstart << 8;
    }
    s->rbcr = s->rbcr > bytes ? s->rbcr - bytes : 0;
    if (s->rbcr) {
        return;
    }
    if (s->dma == NE2000_DMA_SEND) {
        s->rnpp = s->send_next;
        set_boundary(s, s->send_next);
    }
    s->dma = NE2000_DMA_NONE;
    raise_isr(s, ISR_RDC);
}

static bool is_data_port(uint64_t offset)
{
    return offset >= DATA_PORT && offset < RESET_PORT;
}

static bool reading(const Ne2000 *s)
{
    return s->dma == NE2000_DMA_READ || s->dma == NE2000_DMA_SEND;
}

static uint16_t data_read(Ne2000 *s)
{
    unsigned unit = transfer_unit(s);
    uint16_t value = 0xffff;

    if (!reading(s)) {
        return value;
    }
    if (unit == 1) {
        value = local_get(s, s->crda);
    } else {
        uint16_t at = s->crda & ~1;

        value = local_get(s, at) | local_get(s, at + 1) << 8;
        if (s->dcr & DCR_BOS) {
            value = GUINT16_SWAP_LE_BE(value);
        }
    }
    dma_moved(s, unit);
    return value;
}

static void data_write(Ne2000 *s, uint16_t value)
{
    unsigned unit = transfer_unit(s);

    if (s->dma != NE2000_DMA_WRITE) {
        return;
    }
    if (unit == 1) {
        local_put(s, s->crda, value);
    } else {
        uint16_t at = s->crda & ~1;

        if (s->dcr & DCR_BOS) {
            value = GUINT16_SWAP_LE_BE(value);
        }
        local_put(s, at, value);
        local_put(s, at + 1, value >> 8);
    }
    dma_moved(s, unit);
}

/* Bytes of the string that can be moved as they are; the rest goes element by element. */
static size_t bulk(const Ne2000 *s, unsigned width, uint32_t count)
{
    unsigned unit = transfer_unit(s);
    size_t want = MIN((size_t)width * count, s->rbcr), end = s->pstop << 8;

    bool swapped = unit == 2 && (s->dcr & DCR_BOS);

    if (width < unit || (unit == 1 && width != 1) || swapped || (s->crda & (unit - 1))) {
        return 0;
    }
    if (s->crda < end) {
        want = MIN(want, end - s->crda);
    }
    want = ram_run(s->crda, want);
    return want - want % width;
}

static uint32_t ne2000_read_many(void *opaque, uint64_t offset, unsigned width, void *buf,
                                 uint32_t count)
{
    Ne2000 *s = opaque;
    uint8_t *to = buf;
    uint32_t done = 0;
    size_t n;

    while (is_data_port(offset) && done < count && reading(s) &&
           (n = bulk(s, width, count - done))) {
        memcpy(to, s->memory + (s->crda & (NE2000_MEMORY - 1)), n);
        to += n;
        done += n / width;
        dma_moved(s, n);
    }
    return done;
}

static uint32_t ne2000_write_many(void *opaque, uint64_t offset, unsigned width, const void *buf,
                                  uint32_t count)
{
    Ne2000 *s = opaque;
    const uint8_t *from = buf;
    uint32_t done = 0;
    size_t n;

    while (is_data_port(offset) && done < count && s->dma == NE2000_DMA_WRITE &&
           (n = bulk(s, width, count - done))) {
        memcpy(s->memory + (s->crda & (NE2000_MEMORY - 1)), from, n);
        from += n;
        done += n / width;
        dma_moved(s, n);
    }
    return done;
}

/* --- registers --- */

static void remote_command(Ne2000 *s, unsigned command)
{
    uint8_t head[HEADER];

    if (command == 0) {
        return;                 /* no command: what runs goes on */
    }
    s->dma = command >= 4 ? NE2000_DMA_NONE : command;
    if (s->dma == NE2000_DMA_SEND) {   /* the frame at the boundary, by its own header */
        local_read(s, s->bnry << 8, head, HEADER);
        s->crda = s->bnry << 8;
        s->rbcr = head[2] | head[3] << 8;
        s->send_next = head[1];
    }
    if (s->dma != NE2000_DMA_NONE && s->rbcr == 0) {
        s->dma = NE2000_DMA_NONE;
        raise_isr(s, ISR_RDC);
    }
}

static void write_cr(Ne2000 *s, uint8_t value)
{
    bool was_running = running(s);

    s->cr = (value & (CR_PAGE | CR_RD)) | (s->cr & (CR_STP | CR_STA | CR_TXP));
    if (value & CR_STP) {
        s->cr = (s->cr & ~CR_STA) | CR_STP;
        s->isr |= ISR_RST;
    } else if (value & CR_STA) {
        s->cr = (s->cr & ~CR_STP) | CR_STA;
        s->isr &= ~ISR_RST;
    }
    remote_command(s, (value & CR_RD) >> 3);
    if ((value & CR_TXP) && running(s)) {
        s->cr |= CR_TXP;
        transmit(s);
    }
    if (running(s) != was_running) {
        room_again(s);
    }
}

static void soft_reset(Ne2000 *s)
{
    s->cr = CR_STP | 0x20;
    s->isr = ISR_RST;
    s->imr = 0;
    s->dcr |= DCR_LAS;
    s->tcr &= ~TCR_LB;
    s->dma = NE2000_DMA_NONE;
    s->tx_off = s->overrun = s->acknowledges = false;
    timer_cancel(&s->stall);
    timer_cancel(&s->gap);
    update_irq(s);
}

static uint8_t read_tally(Ne2000 *s, unsigned which)
{
    uint8_t value = s->cntr[which];

    s->cntr[which] = 0;
    return value;
}

static uint8_t read_page0(Ne2000 *s, unsigned reg)
{
    switch (reg) {
    case 0x1: return s->clda;
    case 0x2: return s->clda >> 8;
    case 0x3: return s->bnry;
    case 0x4: return s->tsr;
    case 0x5: return s->ncr;
    case 0x6: return s->fifo[s->fifo_at++ % NE2000_FIFO];
    case 0x7: return s->isr;
    case 0x8: return s->crda;
    case 0x9: return s->crda >> 8;
    case 0xa: return s->realtek ? 'P' : 0xff;
    case 0xb: return s->realtek ? 'C' : 0xff;
    case 0xc: return s->rsr;
    default: return read_tally(s, reg - 0xd);
    }
}

static uint8_t read_page2(const Ne2000 *s, unsigned reg)
{
    switch (reg) {
    case 0x1: return s->pstart;
    case 0x2: return s->pstop;
    case 0x3: return s->rnpp;
    case 0x4: return s->tpsr;
    case 0x5: return s->lnpp;
    case 0x6: return s->counter >> 8;
    case 0x7: return s->counter;
    case 0xc: return s->rcr | 0xc0;
    case 0xd: return s->tcr | 0xe0;
    case 0xe: return s->dcr | 0x80;
    case 0xf: return s->imr | 0x80;
    default: return 0xff;
    }
}

static uint8_t read_page3(const Ne2000 *s, unsigned reg)
{
    if (!s->realtek) {
        return 0xff;            /* the DP8390's test page */
    }
    switch (reg) {
    case P3_9346CR: return eeprom93_9346_read(&s->eeprom, s->cr9346);
    case P3_CONFIG0: return s->config[0];
    case P3_CONFIG2: return s->config[2];
    case P3_CONFIG3: return s->config[3];
    case P3_ID0: return 0x29;
    case P3_ID1: return 0x80;
    default: return 0;
    }
}

static uint8_t read_register(Ne2000 *s, unsigned reg)
{
    if (reg == 0) {
        return s->cr;
    }
    switch (s->cr >> 6) {
    case 0: return read_page0(s, reg);
    case 1: return reg < 7 ? s->par[reg - 1] : reg == 7 ? s->curr : s->mar[reg - 8];
    case 2: return read_page2(s, reg);
    default: return read_page3(s, reg);
    }
}

static void set_low(uint16_t *v, uint8_t value)
{
    *v = (*v & 0xff00) | value;
}

static void set_high(uint16_t *v, uint8_t value)
{
    *v = (*v & 0xff) | value << 8;
}

static void write_boundary(Ne2000 *s, uint8_t value)
{
    set_boundary(s, value);
    if (running(s)) {
        s->isr &= ~ISR_RST;     /* set by an overrun, too: frames have been taken out */
    }
}

static void write_page0(Ne2000 *s, unsigned reg, uint8_t value)
{
    switch (reg) {
    case 0x1: s->pstart = value; break;
    case 0x2: s->pstop = value; break;
    case 0x3: write_boundary(s, value); break;
    case 0x4: s->tpsr = value; break;
    case 0x5: set_low(&s->tbcr, value); break;
    case 0x6: set_high(&s->tbcr, value); break;
    case 0x7:
        if (s->isr & value & ISR_PRX) {
            s->acknowledges = true;
            timer_at(&s->gap, vm_now(&s->pci.dev) + GAP_NS);
        }
        s->isr &= ~(value & 0x7f);
        update_irq(s);
        break;
    case 0x8: set_low(&s->crda, value); break;
    case 0x9: set_high(&s->crda, value); break;
    case 0xa: set_low(&s->rbcr, value); break;
    case 0xb: set_high(&s->rbcr, value); break;
    case 0xc:
        s->rcr = value & 0x3f;
        s->rsr = s->rcr & RCR_MON ? s->rsr | RSR_DIS : s->rsr & ~RSR_DIS;
        break;
    case 0xd:
        s->tcr = value & 0x1f;
        s->tx_off = s->tx_off && (s->tcr & TCR_ATD);
        room_again(s);
        break;
    case 0xe: s->dcr = value & 0x7f; break;
    case 0xf:
        s->imr = value & 0x7f;
        update_irq(s);
        break;
    }
}

static void write_page1(Ne2000 *s, unsigned reg, uint8_t value)
{
    if (reg < 7) {
        s->par[reg - 1] = value;
    } else if (reg == 7) {
        s->curr = value;
    } else {
        s->mar[reg - 8] = value;
    }
}

static void write_page2(Ne2000 *s, unsigned reg, uint8_t value)
{
    switch (reg) {
    case 0x1: set_low(&s->clda, value); break;
    case 0x2: set_high(&s->clda, value); break;
    case 0x3: s->rnpp = value; break;
    case 0x5: s->lnpp = value; break;
    case 0x6: set_high(&s->counter, value); break;
    case 0x7: set_low(&s->counter, value); break;
    }
}

/* --- RTL8029AS: configuration and its EEPROM --- */

/* Words of the EEPROM: CONFIG2 and CONFIG3, the station address, then the PCI ids. */
static void eeprom_fill(Ne2000 *s)
{
    static const uint16_t ids[] = { 0x10ec, 0x8029, 0x10ec, 0x8029 };

    memset(&s->eeprom, 0, sizeof s->eeprom);
    for (unsigned i = 0; i < 3; i++) {
        s->eeprom.word[1 + i] = s->mac[2 * i] | s->mac[2 * i + 1] << 8;
    }
    memcpy(s->eeprom.word + 4, ids, sizeof ids);
}

static void autoload(Ne2000 *s)
{
    s->config[0] = 0;           /* twisted pair */
    s->config[2] = s->eeprom.word[0];
    s->config[3] = (s->eeprom.word[0] >> 8) | 0x01;
    for (unsigned i = 0; i < 3; i++) {
        s->prom[2 * i] = s->eeprom.word[1 + i];
        s->prom[2 * i + 1] = s->eeprom.word[1 + i] >> 8;
    }
}

static void write_9346(Ne2000 *s, uint8_t value)
{
    if (eeprom93_9346_write(&s->eeprom, &s->cr9346, value)) {
        autoload(s);
    }
}

static void write_page3(Ne2000 *s, unsigned reg, uint8_t value)
{
    bool open = (s->cr9346 & EE_MODE) == EE_CONFIG;

    if (!s->realtek) {
        return;
    }
    if (reg == P3_9346CR) {
        write_9346(s, value);
    } else if (reg == P3_CONFIG2 && open) {
        s->config[2] = (s->config[2] & 0x1f) | (value & 0xe0);  /* medium, flow control */
    } else if (reg == P3_CONFIG3 && open) {
        s->config[3] = (s->config[3] & 0xb9) | (value & 0x46);  /* duplex, sleep, power down */
    }
}

static void write_register(Ne2000 *s, unsigned reg, uint8_t value)
{
    if (reg == 0) {
        write_cr(s, value);
        return;
    }
    switch (s->cr >> 6) {
    case 0: write_page0(s, reg, value); break;
    case 1: write_page1(s, reg, value); break;
    case 2: write_page2(s, reg, value); break;
    default: write_page3(s, reg, value);
    }
}

/* --- the card's ports: sixteen registers, the data port, the reset port --- */

static uint64_t ne2000_read(void *opaque, uint64_t offset, unsigned width)
{
    Ne2000 *s = opaque;
    uint64_t value = 0;

    if (is_data_port(offset)) {
        value = data_read(s);
        if (width == 4) {       /* two transfers of the card, or one of its bytes */
            value |= (uint64_t)data_read(s) << 16;
        }
        return value;
    }
    if (offset >= RESET_PORT) {
        soft_reset(s);
        return UINT64_MAX;
    }
    for (unsigned i = 0; i < width; i++) {
        value |= (uint64_t)read_register(s, (offset + i) & 15) << (8 * i);
    }
    return value;
}

static void ne2000_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    Ne2000 *s = opaque;

    if (is_data_port(offset)) {
        data_write(s, value);
        if (width == 4) {
            data_write(s, value >> 16);
        }
    } else if (offset >= RESET_PORT) {
        soft_reset(s);
    } else {
        for (unsigned i = 0; i < width; i++) {
            write_register(s, (offset + i) & 15, value >> (8 * i));
        }
    }
}

/* Pages share offsets; 7 may be ISR, 0fh IMR, 18h-1fh reset: those can lower the interrupt line. */
static const uint8_t ne2000_post[NE2000_IO_SIZE] = {
    [0x00] = IO_POST_YES, [0x01 ... 0x02] = IO_POST_QUIET, [0x03] = IO_POST_YES,
    [0x04 ... 0x06] = IO_POST_QUIET, [0x07] = IO_POST_IDLE, [0x08 ... 0x0b] = IO_POST_QUIET,
    [0x0c ... 0x0d] = IO_POST_YES, [0x0e] = IO_POST_QUIET, [DATA_PORT ... RESET_PORT - 1] = IO_POST_YES,
};

const IoOps ne2000_ops = {
    .read = ne2000_read, .write = ne2000_write, .widths = IO_8 | IO_16 | IO_32,
    .read_many = ne2000_read_many, .write_many = ne2000_write_many, .post = ne2000_post,
};

/* --- for the cards --- */

void ne2000_reset(Ne2000 *s)
{
    s->pstart = s->pstop = s->bnry = s->curr = s->tpsr = 0;
    s->dcr = s->tcr = s->rcr = s->tsr = s->rsr = s->ncr = 0;
    memset(s->par, 0, sizeof s->par);
    memset(s->mar, 0, sizeof s->mar);
    memset(s->cntr, 0, sizeof s->cntr);
    memset(s->fifo, 0, sizeof s->fifo);
    s->tbcr = s->crda = s->rbcr = s->clda = s->counter = 0;
    s->send_next = s->rnpp = s->lnpp = s->fifo_at = 0;
    memset(s->memory, 0, sizeof s->memory);
    s->cr9346 = 0;
    memcpy(s->prom, s->mac, sizeof s->prom);
    s->link_up = s->port && net_link_up(s->port);
    if (s->realtek) {
        eeprom93_reset(&s->eeprom);
        autoload(s);
    }
    soft_reset(s);
}

void ne2000_init(Ne2000 *s)
{
    NetClient client = { can_receive, receive, link_changed, s };

    timer_init(&s->stall, &s->pci.dev.machine->timers, stall_over, s);
    timer_init(&s->gap, &s->pci.dev.machine->timers, gap_over, s);
    eeprom_fill(s);
    if (s->port) {
        net_attach(s->port, &client);
    }
}

void ne2000_loaded(Ne2000 *s)
{
    s->link_up = s->port && net_link_up(s->port);
    eeprom93_loaded(&s->eeprom);
    update_irq(s);
}

void ne2000_finish(Ne2000 *s)
{
    if (s->stall.queue) {
        timer_cancel(&s->stall);
        timer_cancel(&s->gap);
    }
    net_port_free(s->port);
}
