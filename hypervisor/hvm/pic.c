/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pic.c - two Intel 8259A in cascade, and the edge/level control registers of the PIIX.  After
 * Intel's data sheet 231468: all modes an x86 can use (rotation, automatic end of interrupt,
 * special mask, special fully nested, polling).  Left out: MCS-80 mode and buffered mode's pin.
 */
#include "hypervisor/hvm/pic.h"

#include "include/pc_layout.h"

#define CASCADE 2
#define ELCR_MASTER 0xf8        /* IRQ 0-2 are always edge-triggered */
#define ELCR_SLAVE 0xde         /* and so are 8 and 13 */

typedef struct PicChip {
    uint8_t wires;              /* input levels */
    uint8_t irr, isr, imr, elcr;
    uint8_t base;               /* ICW2 bits 7:3 */
    uint8_t top;                /* input of highest priority, moved by rotation */
    uint8_t init_step;          /* 0: ready, else the ICW that is awaited */
    bool icw4_needed, single, level_mode;   /* ICW1's LTIM */
    bool auto_eoi, rotate_auto, special_mask, nested, poll, read_isr;
} PicChip;

struct Pic {
    Device dev;
    IrqLine *out;
    PicChip chip[2];            /* master, slave */
};

static uint8_t level_inputs(const PicChip *c)
{
    return c->level_mode ? 0xff : c->elcr;
}

/* 0 for the input of highest priority, 8 for none. */
static unsigned priority(const PicChip *c, uint8_t inputs)
{
    unsigned p;

    if (!inputs) {
        return 8;
    }
    for (p = 0; !(inputs >> ((p + c->top) & 7) & 1); p++) {
    }
    return p;
}

/* The input that makes the chip's output high, or -1. */
static int chip_request(const PicChip *c, bool master)
{
    uint8_t in_service = c->isr;
    unsigned want = priority(c, c->irr & ~c->imr), serving;

    if (want == 8) {
        return -1;
    }
    if (c->special_mask) {
        in_service &= ~c->imr;
    }
    if (master && c->nested) {
        in_service &= ~(1u << CASCADE);     /* a slave may interrupt its own service */
    }
    serving = priority(c, in_service);
    return want < serving ? (int)((want + c->top) & 7) : -1;
}

static void chip_set_irq(PicChip *c, unsigned n, bool level)
{
    uint8_t bit = 1u << n;

    if (level_inputs(c) & bit) {
        c->irr = level ? c->irr | bit : c->irr & ~bit;
    } else if (level && !(c->wires & bit)) {
        c->irr |= bit;
    } else if (!level) {
        c->irr &= ~bit;         /* a request that goes before INTA ends as a spurious one */
    }
    c->wires = level ? c->wires | bit : c->wires & ~bit;
}

static void update(Pic *p)
{
    chip_set_irq(&p->chip[0], CASCADE, chip_request(&p->chip[1], false) >= 0);
    irq_set(p->out, chip_request(&p->chip[0], true) >= 0);
}

void pic_set_irq(Pic *p, unsigned irq, bool level)
{
    if (irq < 16 && irq != CASCADE) {
        chip_set_irq(&p->chip[irq >> 3], irq & 7, level);
        update(p);
    }
}

static void chip_intack(PicChip *c, unsigned n)
{
    if (!(level_inputs(c) >> n & 1)) {
        c->irr &= ~(1u << n);
    }
    if (!c->auto_eoi) {
        c->isr |= 1u << n;
    } else if (c->rotate_auto) {
        c->top = (n + 1) & 7;
    }
}

int pic_ack(Pic *p)
{
    PicChip *master = &p->chip[0], *slave = &p->chip[1];
    int n = chip_request(master, true), vector;

    if (n < 0) {
        return master->base | 7;
    }
    chip_intack(master, n);
    vector = master->base | n;
    if (n == CASCADE) {
        int s = chip_request(slave, false);

        if (s >= 0) {
            chip_intack(slave, s);
        }
        vector = slave->base | (s >= 0 ? s : 7);
        chip_set_irq(master, CASCADE, false);   /* INTA drops the slave's output for a moment */
    }
    update(p);
    return vector;
}

/* --- registers --- */

static void write_icw1(PicChip *c, uint8_t v)
{
    c->irr = 0;
    c->isr = c->imr = 0;
    c->top = 0;
    c->auto_eoi = c->rotate_auto = c->special_mask = c->nested = c->poll = c->read_isr = false;
    c->icw4_needed = v & 1;
    c->single = v & 2;
    c->level_mode = v & 8;
    c->irr = c->wires & level_inputs(c);
    c->init_step = 2;
}

static void write_ocw2(PicChip *c, uint8_t v)
{
    unsigned n = v & 7, p;

    switch (v >> 5) {
    case 0: c->rotate_auto = false; break;
    case 4: c->rotate_auto = true; break;
    case 1:                     /* non-specific end of interrupt */
    case 5:
        p = priority(c, c->special_mask ? c->isr & ~c->imr : c->isr);
        if (p < 8) {
            n = (p + c->top) & 7;
            c->isr &= ~(1u << n);
            if (v >> 5 == 5) {
                c->top = (n + 1) & 7;
            }
        }
        break;
    case 3: c->isr &= ~(1u << n); break;
    case 7:
        c->isr &= ~(1u << n);
        c->top = (n + 1) & 7;
        break;
    case 6: c->top = (n + 1) & 7; break;
    default: break;             /* 2: no operation */
    }
}

static void write_ocw3(PicChip *c, uint8_t v)
{
    if (v & 0x40) {
        c->special_mask = v & 0x20;
    }
    if (v & 4) {
        c->poll = true;
    } else if (v & 2) {
        c->read_isr = v & 1;
    }
}

static void write_data(PicChip *c, uint8_t v)
{
    switch (c->init_step) {
    case 0:
        c->imr = v;
        break;
    case 2:
        c->base = v & 0xf8;
        c->init_step = c->single ? (c->icw4_needed ? 4 : 0) : 3;
        break;
    case 3:                     /* the cascade is wired: what it names makes no difference */
        c->init_step = c->icw4_needed ? 4 : 0;
        break;
    default:
        c->nested = v & 0x10;
        c->auto_eoi = v & 2;
        c->init_step = 0;
    }
}

static void pic_write(Pic *p, unsigned n, uint64_t offset, uint8_t v)
{
    PicChip *c = &p->chip[n];

    if (offset) {
        write_data(c, v);
    } else if (v & 0x10) {
        write_icw1(c, v);
    } else if (v & 8) {
        write_ocw3(c, v);
    } else {
        write_ocw2(c, v);
    }
    update(p);
}

/* A read in poll mode is an INTA of this one chip. */
static uint8_t poll(Pic *p, unsigned n)
{
    PicChip *c = &p->chip[n];
    int req = chip_request(c, n == 0);

    c->poll = false;
    if (req < 0) {
        return 0;
    }
    chip_intack(c, req);
    update(p);
    return 0x80 | req;
}

static uint8_t pic_read(Pic *p, unsigned n, uint64_t offset)
{
    PicChip *c = &p->chip[n];

    if (c->poll) {
        return poll(p, n);
    }
    if (offset) {
        return c->imr;
    }
    return c->read_isr ? c->isr : c->irr;
}

static uint64_t master_read(void *opaque, uint64_t offset, unsigned width)
{
    (void)width;
    return pic_read(opaque, 0, offset);
}

static void master_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    (void)width;
    pic_write(opaque, 0, offset, value);
}

static uint64_t slave_read(void *opaque, uint64_t offset, unsigned width)
{
    (void)width;
    return pic_read(opaque, 1, offset);
}

static void slave_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    (void)width;
    pic_write(opaque, 1, offset, value);
}

static uint64_t elcr_read(void *opaque, uint64_t offset, unsigned width)
{
    Pic *p = opaque;

    (void)width;
    return p->chip[offset].elcr;
}

static void elcr_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    Pic *p = opaque;
    PicChip *c = &p->chip[offset];

    (void)width;
    c->elcr = value & (offset ? ELCR_SLAVE : ELCR_MASTER);
    c->irr = (c->irr & ~level_inputs(c)) | (c->wires & level_inputs(c));
    update(p);
}

static const IoOps master_ops = { .read = master_read, .write = master_write, .widths = IO_8,
                                  .quick = true };
static const IoOps slave_ops = { .read = slave_read, .write = slave_write, .widths = IO_8,
                                 .quick = true };
static const IoOps elcr_ops = { .read = elcr_read, .write = elcr_write, .widths = IO_8,
                                .quick = true };

/* --- the device --- */

static bool pic_init(Device *dev, GError **error)
{
    return io_claim(dev, IO_PORT, PORT_PIC0, 2, &master_ops, error) &&
           io_claim(dev, IO_PORT, PORT_PIC1, 2, &slave_ops, error) &&
           io_claim(dev, IO_PORT, PORT_ELCR, 2, &elcr_ops, error);
}

static void pic_reset(Device *dev)
{
    Pic *p = (Pic *)dev;

    for (unsigned i = 0; i < 2; i++) {
        uint8_t wires = p->chip[i].wires;

        p->chip[i] = (PicChip){ .wires = wires };
    }
    update(p);
}

static bool pic_loaded(Device *dev, GError **error)
{
    Pic *p = (Pic *)dev;

    (void)error;
    p->chip[0].elcr &= ELCR_MASTER;
    p->chip[1].elcr &= ELCR_SLAVE;
    p->chip[0].base &= 0xf8;
    p->chip[1].base &= 0xf8;
    update(p);
    return true;
}

static const ConfigField pic_config[] = {
    CONFIG_FIELD(Pic, out, CONFIG_POINTER, NULL, "the INT output"),
    CONFIG_END
};

static const StateField chip_state[] = {
    STATE_U8(PicChip, wires),
    STATE_U8(PicChip, irr),
    STATE_U8(PicChip, isr),
    STATE_U8(PicChip, imr),
    STATE_U8(PicChip, elcr),
    STATE_U8(PicChip, base),
    STATE_U8_MAX(PicChip, top, 7),
    STATE_U8_MAX(PicChip, init_step, 4),
    STATE_BOOL(PicChip, icw4_needed),
    STATE_BOOL(PicChip, single),
    STATE_BOOL(PicChip, level_mode),
    STATE_BOOL(PicChip, auto_eoi),
    STATE_BOOL(PicChip, rotate_auto),
    STATE_BOOL(PicChip, special_mask),
    STATE_BOOL(PicChip, nested),
    STATE_BOOL(PicChip, poll),
    STATE_BOOL(PicChip, read_isr),
    STATE_END
};

static const StateField pic_state[] = {
    STATE_STRUCT_ARRAY(Pic, chip, chip_state),
    STATE_END
};

const DeviceClass pic_class = {
    .name = "pic", .summary = "8259A interrupt controllers", .size = sizeof(Pic), .version = 1,
    .config = pic_config, .state = pic_state, .init = pic_init, .reset = pic_reset,
    .loaded = pic_loaded,
};
