/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ioapic.c - I/O APIC with 48 pins, version 11h (Intel 82093AA data sheet, as Xen presents it).  An
 * interrupt of delivery mode ExtINT on pin 0 is the PIC's way to the processors and is looked up by
 * the platform, not sent.
 */
#include "hypervisor/hvm/ioapic.h"
#include "include/pc_layout.h"

#define RTE_MASK (1ull << 16)
#define RTE_LEVEL (1ull << 15)
#define RTE_REMOTE_IRR (1ull << 14)
#define RTE_LOW (1ull << 13)
#define RTE_PENDING (1ull << 12)
#define RTE_LOGICAL (1ull << 11)
#define RTE_WRITABLE 0xff0000000001afffull
#define DELIVERY(rte) ((rte) >> 8 & 7)

enum { REG_SELECT = 0x00, REG_WINDOW = 0x10, REG_EOI = 0x40 };
enum { IOAPICID = 0, IOAPICVER = 1, IOAPICARB = 2, REDTBL = 0x10 };

typedef struct Ioapic {
    Device dev;
    uint64_t rte[IOAPIC_PINS];
    uint8_t select, id;
    uint64_t lines, irr;        /* one bit a pin */
    bool (*send)(void *opaque, const IoapicMessage *m);
    void *opaque;
} Ioapic;

static void service(Ioapic *s, unsigned pin)
{
    uint64_t *rte = &s->rte[pin], bit = 1ull << pin;
    bool level = *rte & RTE_LEVEL;
    IoapicMessage m = { .vector = *rte, .delivery = DELIVERY(*rte), .dest = *rte >> 56,
                        .logical = *rte & RTE_LOGICAL, .level = level };

    if (!(s->irr & bit) || (*rte & RTE_MASK) || (level && (*rte & RTE_REMOTE_IRR)) ||
        m.delivery == 7) {
        return;
    }
    if (s->send && s->send(s->opaque, &m) && level) {
        *rte |= RTE_REMOTE_IRR;
    }
    if (!level) {
        s->irr &= ~bit;
    }
}

void ioapic_set_irq(Device *dev, unsigned pin, bool level)
{
    Ioapic *s = (Ioapic *)dev;
    uint64_t bit = 1ull << pin;
    bool rise;

    if (pin >= IOAPIC_PINS) {
        return;
    }
    rise = level && !(s->lines & bit);
    s->lines = level ? s->lines | bit : s->lines & ~bit;
    if (s->rte[pin] & RTE_LEVEL) {
        s->irr = level ? s->irr | bit : s->irr & ~bit;
    } else if (rise) {
        s->irr |= bit;
    }
    service(s, pin);
}

void ioapic_eoi(Device *dev, uint8_t vector)
{
    Ioapic *s = (Ioapic *)dev;

    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        if ((uint8_t)s->rte[pin] == vector && (s->rte[pin] & RTE_REMOTE_IRR)) {
            s->rte[pin] &= ~RTE_REMOTE_IRR;
            service(s, pin);
        }
    }
}

bool ioapic_extint_to(const Device *dev, uint8_t apic_id)
{
    uint64_t rte = ((const Ioapic *)dev)->rte[0];

    return !(rte & RTE_MASK) && DELIVERY(rte) == 7 &&
           ((rte & RTE_LOGICAL) || rte >> 56 == apic_id || rte >> 56 == 0xff);
}

static uint32_t read_register(const Ioapic *s)
{
    unsigned i = s->select - REDTBL;

    switch (s->select) {
    case IOAPICID:
    case IOAPICARB: return (uint32_t)s->id << 24;
    case IOAPICVER: return (IOAPIC_PINS - 1) << 16 | 0x11;
    }
    if (s->select >= REDTBL && i / 2 < IOAPIC_PINS) {
        return s->rte[i / 2] >> (i & 1 ? 32 : 0);
    }
    return 0;
}

static void write_rte(Ioapic *s, unsigned pin, bool high, uint32_t v)
{
    uint64_t *rte = &s->rte[pin], bit = 1ull << pin;
    uint64_t now = high ? (*rte & 0xffffffff) | (uint64_t)v << 32
                        : (*rte & ~0xffffffffull) | v;

    now = (now & RTE_WRITABLE) | (*rte & (RTE_REMOTE_IRR | RTE_PENDING));
    if (!(now & RTE_LEVEL)) {
        now &= ~RTE_REMOTE_IRR;
    }
    *rte = now;
    if (now & RTE_LEVEL) {
        s->irr = s->lines & bit ? s->irr | bit : s->irr & ~bit;
    }
    service(s, pin);
}

static void write_register(Ioapic *s, uint32_t v)
{
    unsigned i = s->select - REDTBL;

    if (s->select == IOAPICID) {
        s->id = v >> 24 & 0x0f;
    } else if (s->select >= REDTBL && i / 2 < IOAPIC_PINS) {
        write_rte(s, i / 2, i & 1, v);
    }
}

static uint64_t ioapic_read(void *opaque, uint64_t offset, unsigned width)
{
    Ioapic *s = opaque;

    (void)width;
    return offset == REG_SELECT ? s->select : offset == REG_WINDOW ? read_register(s) : 0;
}

static void ioapic_write(void *opaque, uint64_t offset, unsigned width, uint64_t v)
{
    Ioapic *s = opaque;

    (void)width;
    switch (offset) {
    case REG_SELECT: s->select = v; break;
    case REG_WINDOW: write_register(s, v); break;
    case REG_EOI: ioapic_eoi(&s->dev, v); break;
    }
}

static const IoOps ioapic_ops = { .read = ioapic_read, .write = ioapic_write, .widths = IO_32 };

void ioapic_connect(Device *dev, bool (*send)(void *, const IoapicMessage *), void *opaque)
{
    ((Ioapic *)dev)->send = send;
    ((Ioapic *)dev)->opaque = opaque;
}

static bool ioapic_init(Device *dev, GError **error)
{
    return io_claim(dev, IO_MMIO, PC_IOAPIC_BASE, 4096, &ioapic_ops, error);
}

static void ioapic_reset(Device *dev)
{
    Ioapic *s = (Ioapic *)dev;

    for (unsigned i = 0; i < IOAPIC_PINS; i++) {
        s->rte[i] = RTE_MASK;
    }
    s->select = s->id = 0;
    s->irr = 0;
}

static const StateField ioapic_state[] = {
    STATE_U64_ARRAY(Ioapic, rte), STATE_U8(Ioapic, select), STATE_U8_MAX(Ioapic, id, 15),
    STATE_U64(Ioapic, lines), STATE_U64(Ioapic, irr), STATE_END
};

const DeviceClass ioapic_class = {
    .name = "ioapic", .summary = "I/O APIC, 48 pins", .size = sizeof(Ioapic), .version = 1,
    .state = ioapic_state, .init = ioapic_init, .reset = ioapic_reset,
};
