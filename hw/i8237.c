/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * i8237.c - the two cascaded DMA controllers of the PC (Intel 8237A data sheet) with the page
 * registers at 80h-8Fh.  A device moves data by i8237_from_memory/to_memory when it wants to, and
 * is told when its channel, asked for in vain, is set up at last; there is no bus timing.  Left out:
 * memory-to-memory transfers (no PC wires them) and the extended mode registers of EISA.  Port 80h,
 * the POST code display, is a page register without a channel.
 */
#include "hw/chipset.h"
#include "hw/devices.h"
#include "pc_layout.h"
#include <glib.h>
#include <string.h>

enum { DMA_STATUS = 8, DMA_REQUEST, DMA_MASK_ONE, DMA_MODE, DMA_CLEAR_FLIPFLOP, DMA_MASTER_CLEAR,
       DMA_CLEAR_MASK, DMA_MASK_ALL };
enum { MODE_TRANSFER = 0x0c, MODE_VERIFY = 0x00, MODE_TO_MEMORY = 0x04, MODE_FROM_MEMORY = 0x08,
       MODE_AUTOINIT = 0x10, MODE_DECREMENT = 0x20, MODE_KIND = 0xc0, MODE_CASCADE = 0xc0 };
enum { COMMAND_DISABLE = 0x04 };

typedef struct I8237Channel {
    uint16_t base_address, base_count;
    uint16_t address, count;
    uint8_t mode;
} I8237Channel;

typedef struct I8237Chip {
    I8237Channel channel[4];
    uint8_t command, status, mask, request, temporary;
    bool high_byte;             /* the flip-flop */
} I8237Chip;

typedef struct I8237Client {
    void (*ready)(void *opaque);
    void *opaque;
} I8237Client;

typedef struct I8237 {
    Device dev;
    I8237Chip chip[2];          /* [1]: channels 4-7, 16 bits wide, channel 4 is the cascade */
    uint8_t page[16];
    I8237Client client[8];
    bool busy;                  /* a transfer is being made, or clients are told */
} I8237;

/* Index into page[] by channel; 81h 2, 82h 3, 83h 1, 87h 0, 89h 6, 8Ah 7, 8Bh 5, 8Fh 4. */
static const uint8_t i8237_page_index[8] = { 7, 3, 1, 2, 15, 11, 9, 10 };

static void i8237_chip_clear(I8237Chip *c)
{
    c->command = c->status = c->request = c->temporary = 0;
    c->mask = 0x0f;
    c->high_byte = false;
}

static uint16_t i8237_half(I8237Chip *c, uint16_t old, uint8_t value)
{
    bool high = c->high_byte;

    c->high_byte = !high;
    return high ? (old & 0x00ff) | value << 8 : (old & 0xff00) | value;
}

static uint8_t i8237_chip_read(I8237Chip *c, unsigned reg)
{
    if (reg < 8) {
        const I8237Channel *ch = &c->channel[reg / 2];
        uint16_t value = reg & 1 ? ch->count : ch->address;
        bool high = c->high_byte;
        c->high_byte = !high;
        return high ? value >> 8 : value;
    }
    if (reg == DMA_STATUS) {
        uint8_t status = c->status;
        c->status &= 0xf0;                      /* terminal counts are shown once */
        return status;
    }
    if (reg == DMA_MASTER_CLEAR)
        return c->temporary;
    return reg == DMA_MASK_ALL ? c->mask | 0xf0 : 0xff;
}

static void i8237_chip_write(I8237Chip *c, unsigned reg, uint8_t value)
{
    uint8_t bit = 1u << (value & 3);

    if (reg < 8) {
        I8237Channel *ch = &c->channel[reg / 2];
        if (reg & 1)
            ch->count = ch->base_count = i8237_half(c, ch->base_count, value);
        else
            ch->address = ch->base_address = i8237_half(c, ch->base_address, value);
        return;
    }
    switch (reg) {
    case DMA_STATUS:
        c->command = value;
        break;
    case DMA_REQUEST:
        c->request = value & 4 ? c->request | bit : c->request & ~bit;
        break;
    case DMA_MASK_ONE:
        c->mask = value & 4 ? c->mask | bit : c->mask & ~bit;
        break;
    case DMA_MODE:
        c->channel[value & 3].mode = value & 0xfc;
        break;
    case DMA_CLEAR_FLIPFLOP:
        c->high_byte = false;
        break;
    case DMA_MASTER_CLEAR:
        i8237_chip_clear(c);
        break;
    case DMA_CLEAR_MASK:
        c->mask = 0;
        break;
    case DMA_MASK_ALL:
        c->mask = value & 0x0f;
        break;
    }
}

static bool i8237_able(const I8237 *d, unsigned channel)
{
    const I8237Chip *c = &d->chip[channel / 4];

    return channel != 4 && !(c->command & COMMAND_DISABLE) && !(c->mask & 1u << channel % 4) &&
           (c->channel[channel % 4].mode & MODE_KIND) != MODE_CASCADE;
}

/* After a register was written: whoever waits for its channel may go on now. */
static void i8237_tell(I8237 *d)
{
    if (d->busy) {
        return;
    }
    d->busy = true;
    for (unsigned n = 0; n < G_N_ELEMENTS(d->client); n++) {
        if (d->client[n].ready && (d->chip[n / 4].status & 0x10u << n % 4) && i8237_able(d, n)) {
            d->busy = false;
            d->client[n].ready(d->client[n].opaque);
            d->busy = true;
        }
    }
    d->busy = false;
}

static uint64_t i8237_read0(void *opaque, uint64_t offset, unsigned width)
{
    (void)width;
    return i8237_chip_read(&((I8237 *)opaque)->chip[0], offset & 15);
}

static void i8237_write0(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    (void)width;
    i8237_chip_write(&((I8237 *)opaque)->chip[0], offset & 15, value);
    i8237_tell(opaque);
}

/* The second controller sits on even addresses. */
static uint64_t i8237_read1(void *opaque, uint64_t offset, unsigned width)
{
    (void)width;
    return i8237_chip_read(&((I8237 *)opaque)->chip[1], offset >> 1 & 15);
}

static void i8237_write1(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    (void)width;
    i8237_chip_write(&((I8237 *)opaque)->chip[1], offset >> 1 & 15, value);
    i8237_tell(opaque);
}

static uint64_t i8237_page_read(void *opaque, uint64_t offset, unsigned width)
{
    (void)width;
    return ((I8237 *)opaque)->page[offset & 15];
}

static void i8237_page_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    (void)width;
    ((I8237 *)opaque)->page[offset & 15] = value;
}

static const IoOps i8237_ops0 = { .read = i8237_read0, .write = i8237_write0, .widths = IO_8 };
static const IoOps i8237_ops1 = { .read = i8237_read1, .write = i8237_write1, .widths = IO_8 };
/* Plain storage; delays by a write to port 80h should cost the guest nothing. */
static const uint8_t i8237_page_post[16] = { [0 ... 15] = IO_POST_QUIET };
static const IoOps i8237_page_ops = { .read = i8237_page_read, .write = i8237_page_write,
                                      .widths = IO_8,
                                      .post = i8237_page_post };

/* --- transfers --- */

static uint64_t i8237_gpa(const I8237 *d, unsigned channel)
{
    uint16_t address = d->chip[channel / 4].channel[channel % 4].address;
    uint8_t page = d->page[i8237_page_index[channel]];

    if (channel < 4)
        return (uint64_t)page << 16 | address;
    return (uint64_t)(page & 0xfe) << 16 | (uint64_t)address << 1;
}

/* How many units can be moved in one piece: up to terminal count, and to the end of the page, in
 * which the address wraps as on the chip. */
static uint32_t i8237_piece(const I8237Channel *ch, uint32_t units)
{
    uint32_t to_wrap = ch->mode & MODE_DECREMENT ? 1 : 0x10000u - ch->address;

    return MIN(units, MIN(ch->count + 1u, to_wrap));
}

static unsigned i8237_transfer(I8237 *d, unsigned channel, uint8_t *to, const uint8_t *from,
                               unsigned len, bool *terminal)
{
    I8237Chip *c = &d->chip[channel / 4 & 1];
    I8237Channel *ch = &c->channel[channel % 4];
    unsigned unit = channel < 4 ? 1 : 2, done = 0;
    uint8_t bit = 1u << (channel % 4), wanted = to ? MODE_FROM_MEMORY : MODE_TO_MEMORY;
    uint8_t transfer = ch->mode & MODE_TRANSFER;

    *terminal = false;
    if (channel > 7 || d->busy || !i8237_able(d, channel) ||
        (transfer != wanted && transfer != MODE_VERIFY)) {
        return 0;
    }
    d->busy = true;
    while (len - done >= unit && !*terminal) {
        uint64_t gpa = i8237_gpa(d, channel);
        uint32_t units = i8237_piece(ch, (len - done) / unit), bytes = units * unit;

        if (transfer == MODE_VERIFY && to) {
            memset(to + done, 0, bytes);
        } else if (to) {
            dma_read(d->dev.machine, gpa, to + done, bytes);
        } else if (transfer != MODE_VERIFY) {
            dma_write(d->dev.machine, gpa, from + done, bytes);
        }
        done += bytes;
        ch->address += ch->mode & MODE_DECREMENT ? -units : units;
        *terminal = units == ch->count + 1u;
        ch->count -= units;
    }
    if (*terminal) {
        c->status |= bit;
        c->request &= ~bit;
        if (ch->mode & MODE_AUTOINIT) {
            ch->address = ch->base_address;
            ch->count = ch->base_count;
        } else {
            c->mask |= bit;
        }
    }
    d->busy = false;
    return done;
}

unsigned i8237_from_memory(Device *dma, unsigned channel, void *buf, unsigned len, bool *terminal)
{
    return i8237_transfer((I8237 *)dma, channel, buf, NULL, len, terminal);
}

unsigned i8237_to_memory(Device *dma, unsigned channel, const void *buf, unsigned len,
                         bool *terminal)
{
    return i8237_transfer((I8237 *)dma, channel, NULL, buf, len, terminal);
}

void i8237_request(Device *dma, unsigned channel, bool level)
{
    I8237Chip *c = &((I8237 *)dma)->chip[channel / 4 & 1];
    uint8_t bit = 0x10u << (channel % 4);

    c->status = level ? c->status | bit : c->status & ~bit;
}

void i8237_attach(Device *dma, unsigned channel, void (*ready)(void *opaque), void *opaque)
{
    ((I8237 *)dma)->client[channel & 7] = (I8237Client){ ready, opaque };
}

static bool i8237_init(Device *dev, GError **error)
{
    return io_claim(dev, IO_PORT, PORT_DMA1, 16, &i8237_ops0, error) &&
           io_claim(dev, IO_PORT, PORT_DMA2, 32, &i8237_ops1, error) &&
           io_claim(dev, IO_PORT, PORT_DMA_PAGE, 16, &i8237_page_ops, error);
}

static void i8237_reset(Device *dev)
{
    I8237 *d = (I8237 *)dev;

    memset(d->chip, 0, sizeof(d->chip));
    memset(d->page, 0, sizeof(d->page));
    for (unsigned i = 0; i < 2; i++)
        i8237_chip_clear(&d->chip[i]);
}

static const StateField i8237_channel_state[] = {
    STATE_U16(I8237Channel, base_address), STATE_U16(I8237Channel, base_count),
    STATE_U16(I8237Channel, address), STATE_U16(I8237Channel, count),
    STATE_U8(I8237Channel, mode),
    STATE_END
};
static const StateField i8237_chip_state[] = {
    STATE_STRUCT_ARRAY(I8237Chip, channel, i8237_channel_state),
    STATE_U8(I8237Chip, command), STATE_U8(I8237Chip, status), STATE_U8_MAX(I8237Chip, mask, 15),
    STATE_U8_MAX(I8237Chip, request, 15), STATE_U8(I8237Chip, temporary),
    STATE_BOOL(I8237Chip, high_byte),
    STATE_END
};
static const StateField i8237_state[] = {
    STATE_STRUCT_ARRAY(I8237, chip, i8237_chip_state),
    STATE_BYTES(I8237, page),
    STATE_UNMIGRATABLE("client: other devices"),
    STATE_UNMIGRATABLE("busy: never between two events"),
    STATE_END
};

const DeviceClass i8237_class = {
    .name = "i8237", .summary = "ISA DMA controllers", .size = sizeof(I8237), .version = 1,
    .state = i8237_state, .init = i8237_init, .reset = i8237_reset,
};
