/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * es1370.c - Ensoniq AudioPCI ES1370 (Creative's data sheet of the chip) with an AK4531 codec: two
 * playback channels and one capture channel, each with a ring in guest memory and a sample counter
 * that interrupts.  Capture hears silence; nothing is plugged into the MIDI port, the joystick port
 * and the analog inputs.  Left out: what serial MPEG data would do (I2S inputs have no cable).
 */
#include <string.h>
#include "hw/devices.h"
#include "lib/pci.h"
#include "ui/audio.h"

#define IO_SIZE 64
#define CODEC_REGS 0x20
#define PCLK_HZ 1411200u

enum { CONTROL = 0x00, STATUS = 0x04, UART_DATA = 0x08, UART_STATUS = 0x09, UART_TEST = 0x0a,
       MEM_PAGE = 0x0c, CODEC = 0x10, SERIAL = 0x20, SCOUNT = 0x24, MEMORY = 0x30 };
enum { CTL_ADC_STOP = 1u << 31, CTL_BREQ = 0x80, CTL_DAC1_EN = 0x40, CTL_DAC2_EN = 0x20,
       CTL_ADC_EN = 0x10, CTL_UART_EN = 0x08, CTL_CODEC_EN = 0x02 };
#define CTL_WRITABLE 0xdfffffffu
enum { STAT_INTR = 1u << 31, STAT_UART = 0x08, STAT_DAC1 = 0x04, STAT_DAC2 = 0x02, STAT_ADC = 0x01 };
enum { SER_16BIT = 2, SER_STEREO = 1, SER_P1_INT = 0x100, SER_P1_RELOAD = 0x80, SER_P1_PAUSE = 0x800,
       SER_P1_STOP = 0x2000 };
#define SER_WRITABLE 0x3fffff
enum { PAGE_DAC = 0x0c, PAGE_ADC = 0x0d };
enum { URX_RXRDY = 0x01, UTX_TXRDY = 0x02, UTX_TXINT = 0x04, UCT_TXINT_EN = 0x20 };
enum { AK_MASTER = 0, AK_VOICE = 2, AK_FM = 4, AK_OUT_SW1 = 0x10, AK_OUT_SW2 = 0x11, AK_RESET = 0x16 };

enum { DAC1, DAC2, ADC, CHANNELS };

typedef struct Es1370Channel {
    uint32_t address;           /* of the ring, bytes */
    uint16_t size, current;     /* in longwords: the last one's index, the one in work */
    uint8_t part;               /* bytes of that one which are done */
    uint16_t count, left;       /* samples: reload value, still to go */
    bool stopped;               /* one-shot: the counter has ended it */
} Es1370Channel;

typedef struct Es1370 {
    PciDevice pci;
    Audio *audio;               /* config */
    uint32_t control, status, serial;
    uint8_t page, uart_control, uart_test;
    Es1370Channel ch[CHANNELS];
    uint8_t codec[CODEC_REGS];
    uint32_t spare[4];          /* memory words of the pages with nothing behind */
    AudioVoice *voice[CHANNELS];
    struct Es1370Side { struct Es1370 *s; unsigned n; } side[CHANNELS];
} Es1370;

static unsigned format_of(const Es1370 *s, unsigned n)
{
    return s->serial >> (2 * n) & 3;
}

static unsigned frame_size(const Es1370 *s, unsigned n)
{
    return (format_of(s, n) & SER_16BIT ? 2 : 1) << (format_of(s, n) & SER_STEREO);
}

static void update_irq(Es1370 *s)
{
    if ((s->uart_control & 0x60) == UCT_TXINT_EN && (s->control & CTL_UART_EN)) {
        s->status |= STAT_UART;
    } else {
        s->status &= ~STAT_UART;
    }
    pci_set_irq(&s->pci, s->status & (STAT_UART | STAT_DAC1 | STAT_DAC2 | STAT_ADC));
}

/* --- the codec ---------------------------------------------------------------------------------- */

static const uint8_t codec_initial[CODEC_REGS] = {
    0x9f, 0x9f, 0x9f, 0x9f, 0x9f, 0x9f, 0x9f, 0x9f, 0x9f, 0x9f, 0x9f, 0x9f, 0x9f, 0x9f, 0x9f, 0x80,
    0, 0, 0, 0, 0, 0, 0x03
};

/* In steps of 2 dB: the master from 0 down, the inputs from +12 down. */
static uint32_t codec_gain(const Es1370 *s, unsigned input, unsigned side)
{
    uint8_t master = s->codec[AK_MASTER + side], in = s->codec[input + side];
    bool connected = input == AK_VOICE ? s->codec[AK_OUT_SW2] >> (3 - side) & 1
                                       : s->codec[AK_OUT_SW1] >> (6 - side) & 1;

    if (!connected || (master | in) & 0x80 || (s->codec[AK_RESET] & 3) != 3) {
        return 0;
    }
    return audio_gain(120 - (in & 31) * 20 - (master & 31) * 20);
}

static void update_volume(Es1370 *s)
{
    audio_voice_volume(s->voice[DAC1], codec_gain(s, AK_FM, 0), codec_gain(s, AK_FM, 1));
    audio_voice_volume(s->voice[DAC2], codec_gain(s, AK_VOICE, 0), codec_gain(s, AK_VOICE, 1));
}

static void codec_write(Es1370 *s, uint16_t value)
{
    unsigned reg = value >> 8;

    if (reg >= CODEC_REGS) {
        return;
    }
    if (reg == AK_RESET && !(value & 1)) {
        memcpy(s->codec, codec_initial, sizeof s->codec);
    }
    s->codec[reg] = value;
    update_volume(s);
}

/* --- channels ----------------------------------------------------------------------------------- */

/* A length of the ring that is left at the current position; the guest may have made the ring
 * shorter than that, and then it begins again. */
static uint32_t ring_span(Es1370Channel *c)
{
    if (c->current > c->size) {
        c->current = 0;
        c->part = 0;
    }
    return ((uint32_t)c->size + 1 - c->current) * 4 - c->part;
}

static void ring_advance(Es1370Channel *c, uint32_t bytes)
{
    uint32_t at = c->current * 4u + c->part + bytes;

    if (at >= ((uint32_t)c->size + 1) * 4) {
        at = 0;
    }
    c->current = at / 4;
    c->part = at % 4;
}

static void count_samples(Es1370 *s, unsigned n, uint32_t frames)
{
    Es1370Channel *c = &s->ch[n];

    if (frames <= c->left) {
        c->left -= frames;
        return;
    }
    c->left = c->count;         /* until_event() lets no transfer pass the end of the count */
    if (s->serial & (SER_P1_INT << n)) {
        s->status |= STAT_DAC1 >> n;
        update_irq(s);
    }
    if (s->serial & (SER_P1_STOP << n)) {
        c->stopped = true;
        audio_voice_run(s->voice[n], false);
    }
}

static uint32_t channel_transfer(void *opaque, void *buf, uint32_t frames)
{
    struct Es1370Side *side = opaque;
    Es1370 *s = side->s;
    Es1370Channel *c = &s->ch[side->n];
    uint32_t left = frames * frame_size(s, side->n);
    uint8_t *p = buf;

    while (left && pci_bus_master(&s->pci)) {
        uint32_t n = MIN(left, ring_span(c));
        uint64_t gpa = (uint64_t)c->address + c->current * 4u + c->part;

        if (side->n == ADC) {
            dma_write(s->pci.dev.machine, gpa, p, n);
        } else {
            dma_read(s->pci.dev.machine, gpa, p, n);
        }
        ring_advance(c, n);
        p += n;
        left -= n;
    }
    if (left) {
        return 0;
    }
    count_samples(s, side->n, frames);
    return frames;
}

static uint32_t channel_until_event(void *opaque)
{
    struct Es1370Side *side = opaque;

    return side->s->ch[side->n].left + 1u;
}

static uint32_t rate_of(const Es1370 *s, unsigned n)
{
    static const uint32_t fixed[4] = { 5512, 11025, 22050, 44100 };

    return n == DAC1 ? fixed[s->control >> 12 & 3] : PCLK_HZ / ((s->control >> 16 & 0x1fff) + 2);
}

static void update_channels(Es1370 *s)
{
    for (unsigned n = 0; n < CHANNELS; n++) {
        AudioFormat f = { rate_of(s, n), format_of(s, n) & SER_STEREO ? 2 : 1,
                          format_of(s, n) & SER_16BIT ? 16 : 8, format_of(s, n) & SER_16BIT };
        bool paused = n == ADC ? s->control & CTL_ADC_STOP : s->serial & (SER_P1_PAUSE << n);
        bool enabled = s->control & (CTL_DAC1_EN >> n);

        audio_voice_format(s->voice[n], &f);
        audio_voice_run(s->voice[n], enabled && !paused && !s->ch[n].stopped);
    }
}

static void sync_all(Es1370 *s)
{
    for (unsigned n = 0; n < CHANNELS; n++) {
        audio_voice_sync(s->voice[n]);
    }
}

/* --- registers ---------------------------------------------------------------------------------- */

static uint32_t memory_read(Es1370 *s, unsigned offset)
{
    unsigned n = s->page == PAGE_ADC ? ADC : offset >> 3 & 1 ? DAC2 : DAC1;
    Es1370Channel *c = &s->ch[n];

    if (s->page != PAGE_DAC && !(s->page == PAGE_ADC && offset < 8)) {
        return s->spare[offset >> 2];
    }
    return offset & 4 ? (uint32_t)c->current << 16 | c->size : c->address;
}

static void memory_write(Es1370 *s, unsigned offset, uint32_t value)
{
    unsigned n = s->page == PAGE_ADC ? ADC : offset >> 3 & 1 ? DAC2 : DAC1;
    Es1370Channel *c = &s->ch[n];

    if (s->page != PAGE_DAC && !(s->page == PAGE_ADC && offset < 8)) {
        s->spare[offset >> 2] = value;
    } else if (offset & 4) {
        c->size = value;
        c->current = value >> 16;
        c->part = 0;
    } else {
        c->address = value & ~3u;
    }
}

static uint32_t read_register(Es1370 *s, unsigned reg)
{
    switch (reg) {
    case CONTROL: return s->control;
    case STATUS: return s->status | (s->status & 0x0f ? STAT_INTR : 0) | 0x60;
    case UART_DATA & ~3:
        return (uint32_t)(UTX_TXRDY | (s->status & STAT_UART ? UTX_TXINT : 0)) << 8 |
               (uint32_t)s->uart_test << 16;
    case MEM_PAGE: return s->page;
    case SERIAL: return s->serial;
    case SCOUNT: case SCOUNT + 4: case SCOUNT + 8: {
        const Es1370Channel *c = &s->ch[(reg - SCOUNT) / 4];

        return (uint32_t)c->left << 16 | c->count;
    }
    }
    return reg >= MEMORY ? memory_read(s, reg - MEMORY) : 0;
}

static void write_control(Es1370 *s, uint32_t value)
{
    uint32_t started = value & ~s->control;

    s->control = value & CTL_WRITABLE;
    for (unsigned n = 0; n < CHANNELS; n++) {
        if (started & (CTL_DAC1_EN >> n)) {
            s->ch[n].left = s->ch[n].count;
            s->ch[n].stopped = false;
        }
    }
}

static void write_serial(Es1370 *s, uint32_t value)
{
    s->serial = value & SER_WRITABLE;
    if (value & SER_P1_RELOAD) {
        s->ch[DAC1].left = s->ch[DAC1].count;
    }
    for (unsigned n = 0; n < CHANNELS; n++) {
        if (!(value & (SER_P1_INT << n))) {
            s->status &= ~(STAT_DAC1 >> n);
        }
        if (!(value & (SER_P1_STOP << n))) {
            s->ch[n].stopped = false;
        }
    }
}

/* mask: the bytes that are written. */
static void write_register(Es1370 *s, unsigned reg, uint32_t value, uint32_t mask)
{
    switch (reg) {
    case CONTROL:
        write_control(s, (s->control & ~mask) | value);
        break;
    case UART_DATA & ~3:
        if (mask & 0xff00) {
            s->uart_control = (value >> 8 & 3) == 3 ? 0 : value >> 8;
        }
        if (mask & 0xff0000) {
            s->uart_test = value >> 16;
        }
        break;
    case MEM_PAGE:
        s->page = (mask & 0xff ? value : s->page) & 0x0f;
        break;
    case CODEC:
        if ((mask & 0xffff) == 0xffff) {
            codec_write(s, value);
        }
        break;
    case SERIAL:
        write_serial(s, (s->serial & ~mask) | value);
        break;
    case SCOUNT: case SCOUNT + 4: case SCOUNT + 8: {
        Es1370Channel *c = &s->ch[(reg - SCOUNT) / 4];

        c->count = (c->count & ~mask) | value;
        c->left = c->count;
        break;
    }
    default:
        if (reg >= MEMORY) {
            memory_write(s, reg - MEMORY, (memory_read(s, reg - MEMORY) & ~mask) | value);
        }
    }
}

static uint64_t es1370_read(void *opaque, uint64_t offset, unsigned width)
{
    Es1370 *s = opaque;

    (void)width;
    sync_all(s);
    return read_register(s, offset & ~3u) >> (offset & 3) * 8;
}

static void es1370_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    Es1370 *s = opaque;
    unsigned shift = (offset & 3) * 8;
    uint32_t mask = (width == 4 ? UINT32_MAX : (1u << width * 8) - 1) << shift;

    sync_all(s);
    write_register(s, offset & ~3u, (uint32_t)value << shift & mask, mask);
    update_channels(s);
    update_irq(s);
}

static const IoOps es1370_ops = { .read = es1370_read, .write = es1370_write,
                                  .widths = IO_8 | IO_16 | IO_32 };

/* --- the class ---------------------------------------------------------------------------------- */

static void es1370_reset(Device *dev)
{
    Es1370 *s = (Es1370 *)dev;

    for (unsigned n = 0; n < CHANNELS; n++) {
        audio_voice_run(s->voice[n], false);
    }
    pci_reset(&s->pci);
    s->control = CTL_ADC_STOP >> 31;    /* SERR is off */
    s->status = s->serial = 0;
    s->page = s->uart_control = s->uart_test = 0;
    memset(s->ch, 0, sizeof s->ch);
    memset(s->spare, 0, sizeof s->spare);
    memcpy(s->codec, codec_initial, sizeof s->codec);
    update_volume(s);
    update_channels(s);
    update_irq(s);
}

static bool es1370_init(Device *dev, GError **error)
{
    Es1370 *s = (Es1370 *)dev;
    PciClass id = { .vendor = 0x1274, .device = 0x5000, .subsystem_vendor = 0x4942,
                    .subsystem = 0x4c4c, .subclass = 1, .base_class = 4, .interrupt_pin = 1 };

    for (unsigned n = 0; n < CHANNELS; n++) {
        AudioClient client = { .transfer = channel_transfer, .until_event = channel_until_event,
                               .opaque = &s->side[n] };

        s->side[n] = (struct Es1370Side){ s, n };
        s->voice[n] = audio_voice_new(s->audio, dev->machine, &client, n == ADC);
    }
    if (!pci_init(&s->pci, &id, error) ||
        !pci_claim_bar(&s->pci, 0, PCI_BAR_IO, IO_SIZE, &es1370_ops, error)) {
        return false;
    }
    s->pci.initial[0x3e] = 0x0c;        /* MIN_GNT, MAX_LAT in quarter microseconds */
    s->pci.initial[0x3f] = 0x80;
    return true;
}

static bool es1370_loaded(Device *dev, GError **error)
{
    Es1370 *s = (Es1370 *)dev;

    if (!pci_loaded(&s->pci, error)) {
        return false;
    }
    s->control &= CTL_WRITABLE;
    update_volume(s);
    update_channels(s);
    update_irq(s);
    return true;
}

static void es1370_finish(Device *dev)
{
    Es1370 *s = (Es1370 *)dev;

    for (unsigned n = 0; n < CHANNELS; n++) {
        audio_voice_free(s->voice[n]);
    }
    pci_finish(&s->pci);
}

static const ConfigField es1370_config[] = {
    CONFIG_PCI(Es1370, pci),
    CONFIG_FIELD(Es1370, audio, CONFIG_POINTER, NULL, "who hears it"),
    CONFIG_END
};

static const StateField es1370_channel_state[] = {
    STATE_U32(Es1370Channel, address), STATE_U16(Es1370Channel, size),
    STATE_U16(Es1370Channel, current), STATE_U8_MAX(Es1370Channel, part, 3),
    STATE_U16(Es1370Channel, count), STATE_U16(Es1370Channel, left),
    STATE_BOOL(Es1370Channel, stopped),
    STATE_END
};

static const StateField es1370_state[] = {
    STATE_PCI(Es1370, pci),
    STATE_U32(Es1370, control), STATE_U32_MAX(Es1370, status, 0x0f),
    STATE_U32_MAX(Es1370, serial, SER_WRITABLE), STATE_U8_MAX(Es1370, page, 15),
    STATE_U8(Es1370, uart_control), STATE_U8(Es1370, uart_test),
    STATE_STRUCT_ARRAY(Es1370, ch, es1370_channel_state),
    STATE_BYTES(Es1370, codec), STATE_U32_ARRAY(Es1370, spare),
    STATE_END
};

const DeviceClass es1370_class = {
    .name = "es1370", .summary = "Ensoniq AudioPCI ES1370 sound card", .size = sizeof(Es1370),
    .version = 1, .config = es1370_config, .state = es1370_state, .init = es1370_init,
    .reset = es1370_reset, .loaded = es1370_loaded, .finish = es1370_finish,
};
