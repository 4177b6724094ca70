/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ioapic.c - an I/O APIC after Intel's data sheet of the 82093AA (version 0x11), with 48 pins as
 * Xen's has: 0-15 ISA (0 is the PIC's way in), 16-47 PCI.  Wires mean "asserted", whatever polarity
 * the guest programs, as the lines' real polarity is known only to its ACPI tables.  An edge that
 * comes while the pin is masked is lost, as on the chip.
 */
#include <string.h>
#include "hypervisor/hvm/ioapic.h"

#include "include/pc_layout.h"

enum { MMIO_SELECT = 0x00, MMIO_WINDOW = 0x10, MMIO_LEN = 0x100 };
enum { INDEX_ID = 0, INDEX_VERSION = 1, INDEX_ARBITRATION = 2, INDEX_REDIRECTION = 0x10 };

#define VERSION 0x11u
#define RTE_LOGICAL (1u << 11)
#define RTE_REMOTE_IRR (1u << 14)
#define RTE_LEVEL (1u << 15)
#define RTE_MASKED (1u << 16)
#define RTE_WRITABLE 0xff0000000001afffULL

struct Ioapic {
    Device dev;
    ApicBus *bus;
    uint8_t select, id;
    uint64_t wires;
    uint64_t rte[IOAPIC_PINS];
    uint8_t again[IOAPIC_PINS]; /* EOIs in a row that found the wire still asserted */
    uint64_t resting;           /* pins that wait for rest */
    Timer rest;
};

/* A level that stays asserted comes again at once after its EOI. On a PC the message takes its time, in
 * which the interrupted code gets on; a driver whose handler leaves the clearing to that code (Linux's
 * 8139cp) depends on it. So a pin that has come so often in a row rests. */
#define AGAIN_MAX 100
#define REST_NS (100 * NS_PER_US)

static ApicMessage message(uint64_t rte)
{
    return (ApicMessage){
        .dest = rte >> 56, .logical = rte & RTE_LOGICAL, .level = rte & RTE_LEVEL,
        .delivery = rte >> 8 & 7, .vector = rte,
    };
}

static void deliver(Ioapic *a, unsigned pin)
{
    ApicMessage m = message(a->rte[pin]);

    switch (m.delivery) {
    case APIC_FIXED:
    case APIC_LOWEST:
        if (apic_bus_send(a->bus, &m) && m.level) {
            a->rte[pin] |= RTE_REMOTE_IRR;
        }
        break;
    case APIC_NMI:
    case APIC_INIT:
        m.level = false;
        apic_bus_send(a->bus, &m);
        break;
    default:
        break;                  /* SMI; ExtINT, whose vector the PIC gives */
    }
}

/* Only vectors are level-triggered; NMI and INIT are edges whatever the entry says. */
static bool is_level(uint64_t rte)
{
    return (rte & RTE_LEVEL) && (rte >> 8 & 7) <= APIC_LOWEST;
}

static void try_level(Ioapic *a, unsigned pin)
{
    uint64_t rte = a->rte[pin];

    if ((a->wires & ~a->resting) >> pin & 1 && is_level(rte) && !(rte & (RTE_MASKED | RTE_REMOTE_IRR))) {
        deliver(a, pin);
    }
}

void ioapic_set_gsi(Ioapic *a, unsigned pin, bool level)
{
    uint64_t bit, before = a->wires;

    if (pin >= IOAPIC_PINS) {
        return;
    }
    bit = 1ULL << pin;
    a->wires = level ? before | bit : before & ~bit;
    if (!level) {
        a->again[pin] = 0;
        a->resting &= ~bit;
        return;
    }
    if (is_level(a->rte[pin])) {
        try_level(a, pin);
    } else if (!(before & bit) && !(a->rte[pin] & RTE_MASKED)) {
        deliver(a, pin);
    }
}

void ioapic_retry(Ioapic *a)
{
    for (uint64_t w = a->wires; w; w &= w - 1) {
        try_level(a, __builtin_ctzll(w));
    }
}

static void rested(void *opaque)
{
    Ioapic *a = opaque;

    a->resting = 0;
    ioapic_retry(a);
}

void ioapic_eoi(Ioapic *a, uint8_t vector)
{
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        if ((a->rte[pin] & RTE_REMOTE_IRR) && (a->rte[pin] & 0xff) == vector) {
            a->rte[pin] &= ~(uint64_t)RTE_REMOTE_IRR;
            if ((a->wires >> pin & 1) && ++a->again[pin] >= AGAIN_MAX) {
                a->again[pin] = 0;
                a->resting |= 1ULL << pin;
                timer_at(&a->rest, vm_now(&a->dev) + REST_NS);
            }
            try_level(a, pin);
        }
    }
}

bool ioapic_extint_to(const Ioapic *a, const Lapic *l)
{
    ApicMessage m = message(a->rte[0]);

    return m.delivery == APIC_EXTINT && !(a->rte[0] & RTE_MASKED) && lapic_addressed(l, &m);
}

static uint32_t read_index(const Ioapic *a)
{
    unsigned n = a->select - INDEX_REDIRECTION;

    switch (a->select) {
    case INDEX_ID:
    case INDEX_ARBITRATION:
        return (uint32_t)a->id << 24;
    case INDEX_VERSION:
        return VERSION | (IOAPIC_PINS - 1) << 16;
    default:
        if (a->select < INDEX_REDIRECTION || n >= 2 * IOAPIC_PINS) {
            return 0;
        }
        return a->rte[n / 2] >> (n & 1 ? 32 : 0);
    }
}

static void write_index(Ioapic *a, uint32_t value)
{
    unsigned n = a->select - INDEX_REDIRECTION;
    uint64_t keep, rte;

    if (a->select == INDEX_ID) {
        a->id = value >> 24 & 15;
    }
    if (a->select < INDEX_REDIRECTION || n >= 2 * IOAPIC_PINS) {
        return;
    }
    rte = a->rte[n / 2];
    keep = rte & RTE_REMOTE_IRR;
    rte = n & 1 ? (uint32_t)rte | (uint64_t)value << 32 : (rte & ~0xffffffffULL) | value;
    rte = (rte & RTE_WRITABLE) | keep;
    if (!(rte & RTE_LEVEL)) {
        rte &= ~(uint64_t)RTE_REMOTE_IRR;
    }
    a->rte[n / 2] = rte;
    try_level(a, n / 2);
    if (n < 2) {
        a->bus->extint_changed(a->bus->eoi_opaque);
    }
}

static uint64_t mmio_read(void *opaque, uint64_t offset, unsigned width)
{
    Ioapic *a = opaque;

    (void)width;
    switch (offset) {
    case MMIO_SELECT: return a->select;
    case MMIO_WINDOW: return read_index(a);
    default: return 0;
    }
}

static void mmio_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    Ioapic *a = opaque;

    (void)width;
    if (offset == MMIO_SELECT) {
        a->select = value;
    } else if (offset == MMIO_WINDOW) {
        write_index(a, value);
    }
}

static const IoOps mmio_ops = { .read = mmio_read, .write = mmio_write, .widths = IO_32, .quick = true };

static bool ioapic_init(Device *dev, GError **error)
{
    Ioapic *a = (Ioapic *)dev;

    timer_init(&a->rest, &dev->machine->timers, rested, a);
    return io_claim(dev, IO_MMIO, PC_IOAPIC_BASE, MMIO_LEN, &mmio_ops, error);
}

static void ioapic_reset(Device *dev)
{
    Ioapic *a = (Ioapic *)dev;

    a->select = a->id = 0;
    memset(a->again, 0, sizeof a->again);
    a->resting = 0;
    timer_cancel(&a->rest);
    for (unsigned i = 0; i < IOAPIC_PINS; i++) {
        a->rte[i] = RTE_MASKED;
    }
}

static bool ioapic_loaded(Device *dev, GError **error)
{
    Ioapic *a = (Ioapic *)dev;

    (void)error;
    memset(a->again, 0, sizeof a->again);
    a->resting = 0;             /* a pin at rest comes at once */
    for (unsigned i = 0; i < IOAPIC_PINS; i++) {
        a->rte[i] &= RTE_WRITABLE | RTE_REMOTE_IRR;
    }
    return true;
}

static void ioapic_finish(Device *dev)
{
    Ioapic *a = (Ioapic *)dev;

    if (a->rest.queue) {
        timer_cancel(&a->rest);
    }
}

static const ConfigField ioapic_config[] = {
    CONFIG_FIELD(Ioapic, bus, CONFIG_POINTER, NULL, "message bus to the LAPICs"),
    CONFIG_END
};

static const StateField ioapic_state[] = {
    STATE_U8(Ioapic, select),
    STATE_U8_MAX(Ioapic, id, 15),
    STATE_U64_MAX(Ioapic, wires, (1ULL << IOAPIC_PINS) - 1),
    STATE_U64_ARRAY(Ioapic, rte),
    STATE_END
};

const DeviceClass ioapic_class = {
    .name = "ioapic", .summary = "I/O APIC with 48 pins", .size = sizeof(Ioapic), .version = 1,
    .config = ioapic_config, .state = ioapic_state, .init = ioapic_init, .reset = ioapic_reset,
    .loaded = ioapic_loaded, .finish = ioapic_finish,
};
