/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pic.c - two cascaded 8259A interrupt controllers and their ELCR (Intel 8259A data sheet; 82371AB
 * for ELCR).  Inputs are levels; edge or level sense is per line in ELCR as on every PCI chipset, so
 * ICW1.LTIM has no effect.  Left out: MCS-80 mode.
 */
#include "hypervisor/hvm/pic.h"
#include "include/pc_layout.h"

typedef struct PicChip {
    uint8_t irr, isr, imr, elcr, lines, base;
    uint8_t priority;           /* the line with the highest priority */
    uint8_t icw_step;           /* next ICW expected: 0 none, 2, 3, 4 */
    bool icw4, aeoi, sfnm, rotate_aeoi, special_mask, read_isr, poll;
} PicChip;

typedef struct Pic {
    Device dev;
    PicChip chip[2];            /* master, slave */
    void (*output)(void *opaque, bool level);
    void *opaque;
} Pic;

static const uint8_t elcr_mask[2] = { 0xf8, 0xde };

/* Lines from highest priority on: the n-th is (priority + n) & 7; 8: none. */
static unsigned highest(const PicChip *c, uint8_t set)
{
    unsigned n = 0;

    while (n < 8 && !(set >> ((c->priority + n) & 7) & 1)) {
        n++;
    }
    return n;
}

/* The line to be serviced, or -1. */
static int chip_request(const Pic *p, unsigned n)
{
    const PicChip *c = &p->chip[n];
    unsigned want = highest(c, c->irr & ~c->imr);
    uint8_t in_service = c->isr;
    unsigned busy;

    if (want == 8) {
        return -1;
    }
    if (c->special_mask) {
        in_service &= ~c->imr;
    }
    if (n == 0 && c->sfnm) {
        in_service &= ~(1 << 2);        /* the slave may interrupt its own servicing */
    }
    busy = highest(c, in_service);
    return want < busy ? (int)((c->priority + want) & 7) : -1;
}

static void set_line(PicChip *c, unsigned line, bool level)
{
    uint8_t bit = 1 << line;

    if (c->elcr & bit) {
        c->irr = level ? c->irr | bit : c->irr & ~bit;
    } else if (!level) {
        c->irr &= ~bit;
    } else if (!(c->lines & bit)) {
        c->irr |= bit;
    }
    c->lines = level ? c->lines | bit : c->lines & ~bit;
}

static void pic_update_irq(Pic *p)
{
    set_line(&p->chip[0], 2, chip_request(p, 1) >= 0);
    if (p->output) {
        p->output(p->opaque, chip_request(p, 0) >= 0);
    }
}

void pic_set_irq(Device *dev, unsigned irq, bool level)
{
    Pic *p = (Pic *)dev;

    if (irq != 2 && irq < 16) {
        set_line(&p->chip[irq >> 3], irq & 7, level);
        pic_update_irq(p);
    }
}

bool pic_pending(const Device *dev)
{
    return chip_request((const Pic *)dev, 0) >= 0;
}

static void take(PicChip *c, unsigned line)
{
    uint8_t bit = 1 << line;

    if (!(c->elcr & bit)) {
        c->irr &= ~bit;
    }
    if (!c->aeoi) {
        c->isr |= bit;
    } else if (c->rotate_aeoi) {
        c->priority = (line + 1) & 7;
    }
}

int pic_ack(Device *dev)
{
    Pic *p = (Pic *)dev;
    int line = chip_request(p, 0), vector;

    if (line < 0) {
        vector = p->chip[0].base | 7;   /* gone again: spurious */
    } else {
        take(&p->chip[0], line);
        vector = p->chip[0].base | line;
        if (line == 2) {
            int slave = chip_request(p, 1);

            if (slave >= 0) {
                take(&p->chip[1], slave);
            }
            vector = p->chip[1].base | (slave < 0 ? 7 : slave);
        }
    }
    pic_update_irq(p);
    return vector;
}

static void write_icw1(PicChip *c, uint8_t v)
{
    c->irr = c->elcr & c->lines;        /* edges must come again; levels are there */
    c->isr = c->imr = 0;
    c->priority = 0;
    c->aeoi = c->rotate_aeoi = c->special_mask = c->read_isr = c->poll = c->sfnm = false;
    c->icw4 = v & 1;
    c->icw_step = 2;
}

static void end_of_interrupt(PicChip *c, uint8_t v)
{
    unsigned line = v & 7, top = highest(c, c->isr);

    switch (v >> 5) {
    case 0: c->rotate_aeoi = false; break;
    case 4: c->rotate_aeoi = true; break;
    case 1:
    case 5:
        if (top < 8) {
            line = (c->priority + top) & 7;
            c->isr &= ~(1 << line);
            if (v & 0x80) {
                c->priority = (line + 1) & 7;
            }
        }
        break;
    case 3: c->isr &= ~(1 << line); break;
    case 7: c->isr &= ~(1 << line); /* fall through */
    case 6: c->priority = (line + 1) & 7; break;
    }
}

static void write_command(PicChip *c, uint8_t v)
{
    if (v & 0x10) {
        write_icw1(c, v);
    } else if (v & 0x08) {              /* OCW3 */
        c->poll = v & 4;
        if (v & 2) {
            c->read_isr = v & 1;
        }
        if (v & 0x40) {
            c->special_mask = v & 0x20;
        }
    } else {
        end_of_interrupt(c, v);
    }
}

static void write_data(PicChip *c, uint8_t v)
{
    switch (c->icw_step) {
    case 2:
        c->base = v & 0xf8;
        c->icw_step = 3;
        break;
    case 3:
        c->icw_step = c->icw4 ? 4 : 0;
        break;
    case 4:
        c->aeoi = v & 2;
        c->sfnm = v & 0x10;
        c->icw_step = 0;
        break;
    default:
        c->imr = v;
    }
}

static uint8_t poll_read(Pic *p, unsigned n)
{
    int line = chip_request(p, n);

    p->chip[n].poll = false;
    if (line < 0) {
        return 0;
    }
    take(&p->chip[n], line);
    return 0x80 | line;
}

static uint64_t read_chip(Pic *p, unsigned n, uint64_t offset)
{
    PicChip *c = &p->chip[n];
    uint8_t v;

    if (c->poll) {
        v = poll_read(p, n);
        pic_update_irq(p);
        return v;
    }
    return offset ? c->imr : c->read_isr ? c->isr : c->irr;
}

static void write_chip(Pic *p, unsigned n, uint64_t offset, uint8_t v)
{
    if (offset) {
        write_data(&p->chip[n], v);
    } else {
        write_command(&p->chip[n], v);
    }
    pic_update_irq(p);
}

static uint64_t pic_read0(void *o, uint64_t offset, unsigned w) { (void)w; return read_chip(o, 0, offset); }
static uint64_t pic_read1(void *o, uint64_t offset, unsigned w) { (void)w; return read_chip(o, 1, offset); }
static void pic_write0(void *o, uint64_t offset, unsigned w, uint64_t v) { (void)w; write_chip(o, 0, offset, v); }
static void pic_write1(void *o, uint64_t offset, unsigned w, uint64_t v) { (void)w; write_chip(o, 1, offset, v); }

static uint64_t pic_elcr_read(void *opaque, uint64_t offset, unsigned width)
{
    (void)width;
    return ((Pic *)opaque)->chip[offset].elcr;
}

static void pic_elcr_write(void *opaque, uint64_t offset, unsigned width, uint64_t v)
{
    Pic *p = opaque;

    (void)width;
    p->chip[offset].elcr = v & elcr_mask[offset];
    pic_update_irq(p);
}

bool pic_level_sensed(const Device *dev, unsigned irq)
{
    return ((const Pic *)dev)->chip[irq >> 3].elcr >> (irq & 7) & 1;
}

static const IoOps pic_ops[2] = { { .read = pic_read0, .write = pic_write0, .widths = IO_8 },
                                  { .read = pic_read1, .write = pic_write1, .widths = IO_8 } };
static const IoOps pic_elcr_ops = { .read = pic_elcr_read, .write = pic_elcr_write, .widths = IO_8 };

void pic_connect(Device *dev, void (*output)(void *, bool), void *opaque)
{
    ((Pic *)dev)->output = output;
    ((Pic *)dev)->opaque = opaque;
}

static bool pic_init(Device *dev, GError **error)
{
    return io_claim(dev, IO_PORT, PORT_PIC0, 2, &pic_ops[0], error) &&
           io_claim(dev, IO_PORT, PORT_PIC1, 2, &pic_ops[1], error) &&
           io_claim(dev, IO_PORT, PORT_ELCR, 2, &pic_elcr_ops, error);
}

static void pic_reset(Device *dev)
{
    Pic *p = (Pic *)dev;

    for (unsigned i = 0; i < 2; i++) {
        uint8_t lines = p->chip[i].lines & (i ? 0xff : 0xfb);

        p->chip[i] = (PicChip){ .lines = lines, .base = i ? 0x70 : 0x08, .imr = 0 };
    }
    pic_update_irq(p);
}

static bool pic_loaded(Device *dev, GError **error)
{
    (void)error;
    pic_update_irq((Pic *)dev);
    return true;
}

static const StateField pic_chip_state[] = {
    STATE_U8(PicChip, irr), STATE_U8(PicChip, isr), STATE_U8(PicChip, imr), STATE_U8(PicChip, elcr),
    STATE_U8(PicChip, lines), STATE_U8(PicChip, base), STATE_U8_MAX(PicChip, priority, 7),
    STATE_U8_MAX(PicChip, icw_step, 4), STATE_BOOL(PicChip, icw4), STATE_BOOL(PicChip, aeoi),
    STATE_BOOL(PicChip, sfnm), STATE_BOOL(PicChip, rotate_aeoi), STATE_BOOL(PicChip, special_mask),
    STATE_BOOL(PicChip, read_isr), STATE_BOOL(PicChip, poll), STATE_END
};
static const StateField pic_state[] = { STATE_STRUCT_ARRAY(Pic, chip, pic_chip_state), STATE_END };

const DeviceClass pic_class = {
    .name = "pic", .summary = "two 8259A interrupt controllers", .size = sizeof(Pic), .version = 1,
    .state = pic_state, .init = pic_init, .reset = pic_reset, .loaded = pic_loaded,
};
