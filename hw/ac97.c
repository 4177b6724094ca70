/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ac97.c - the AC'97 controller of Intel's 82801AA (ICH, 290655: PCM in, PCM out, microphone, each
 * with a list of 32 buffer descriptors) and a codec after the AC'97 specification 2.2 with variable
 * rates.  Capture hears silence.  Samples go into the output FIFO in bursts, so that PICB, which
 * counts those not yet read from memory, rests in between: Linux's driver waits, with interrupts off,
 * for two reads of it that agree.  Left out: the modem function, a second codec, errors of the FIFO.
 */
#include <string.h>
#include "hw/ac97.h"
#include "hw/devices.h"
#include "lib/pci.h"
#include "ui/audio.h"

#define MIXER_SIZE 256
#define MASTER_SIZE 64
#define FIFO_BURST 16               /* frames: a third of a millisecond at 48 kHz */
#define EMPTY_MAX 32                /* descriptors without samples passed in one transfer */

/* Bus master registers: of each channel, and of all. */
enum { BDBAR = 0x00, CIV = 0x04, LVI = 0x05, SR = 0x06, PICB = 0x08, PIV = 0x0a, CR = 0x0b,
       GLOB_CNT = 0x2c, GLOB_STA = 0x30, CAS = 0x34 };
enum { SR_DCH = 0x01, SR_CELV = 0x02, SR_LVBCI = 0x04, SR_BCIS = 0x08, SR_FIFOE = 0x10,
       SR_CLEARED_BY_1 = 0x1c };
enum { CR_RPBM = 0x01, CR_RR = 0x02, CR_LVBIE = 0x04, CR_FEIE = 0x08, CR_IOCE = 0x10 };
enum { CNT_COLD = 0x02, CNT_WARM = 0x04, CNT_SHUT = 0x08, CNT_WRITABLE = 0x3b };
enum { STA_PIINT = 0x20, STA_POINT = 0x40, STA_MINT = 0x80, STA_CODEC_READY = 0x100 };
enum { CTL_IOC = 1u << 31, CTL_BUP = 1u << 30 };

enum { PCM_IN, PCM_OUT, MIC_IN, CHANNELS };

typedef struct Ac97Channel {
    uint32_t bdbar;
    uint8_t civ, lvi, piv, cr, sr;
    uint16_t picb;              /* samples left in the current buffer */
    uint32_t address, control;  /* of the current descriptor; the address moves */
} Ac97Channel;

typedef struct Ac97 {
    PciDevice pci;
    Audio *audio;               /* config */
    uint16_t codec[CODEC_WORDS];
    Ac97Channel ch[CHANNELS];
    uint32_t glob_cnt;
    bool link_down;             /* by PR4, until a reset of the link */
    bool semaphore;
    AudioVoice *voice[CHANNELS];
    struct Ac97Side { struct Ac97 *s; unsigned n; } side[CHANNELS];
} Ac97;

static bool codec_ready(const Ac97 *s)
{
    return (s->glob_cnt & CNT_COLD) && !(s->glob_cnt & CNT_SHUT) && !s->link_down;
}

static bool interrupting(const Ac97Channel *c)
{
    return ((c->sr & SR_LVBCI) && (c->cr & CR_LVBIE)) || ((c->sr & SR_BCIS) && (c->cr & CR_IOCE)) ||
           ((c->sr & SR_FIFOE) && (c->cr & CR_FEIE));
}

static uint32_t glob_sta(const Ac97 *s)
{
    return (interrupting(&s->ch[PCM_IN]) ? STA_PIINT : 0) |
           (interrupting(&s->ch[PCM_OUT]) ? STA_POINT : 0) |
           (interrupting(&s->ch[MIC_IN]) ? STA_MINT : 0) | (codec_ready(s) ? STA_CODEC_READY : 0);
}

static void update_irq(Ac97 *s)
{
    pci_set_irq(&s->pci, glob_sta(s) & (STA_PIINT | STA_POINT | STA_MINT));
}

/* --- descriptors -------------------------------------------------------------------------------- */

/* The entry that was looked ahead to becomes the current one. */
static void next_descriptor(Ac97 *s, Ac97Channel *c)
{
    uint8_t entry[8];

    c->civ = c->piv;
    c->piv = (c->piv + 1) & 31;
    dma_read(s->pci.dev.machine, (uint64_t)c->bdbar + c->civ * 8u, entry, sizeof entry);
    c->address = (entry[0] | entry[1] << 8 | entry[2] << 16 | (uint32_t)entry[3] << 24) & ~1u;
    c->picb = entry[4] | entry[5] << 8;
    c->control = (uint32_t)(entry[6] | entry[7] << 8) << 16;
}

/* The current buffer has been used up. */
static void buffer_done(Ac97 *s, unsigned n)
{
    Ac97Channel *c = &s->ch[n];

    if (c->control & CTL_IOC) {
        c->sr |= SR_BCIS;
    }
    if (c->civ == c->lvi) {
        c->sr |= SR_LVBCI | SR_DCH | SR_CELV;
        audio_voice_run(s->voice[n], false);
    } else {
        next_descriptor(s, c);
    }
    update_irq(s);
}

static unsigned channels_of(unsigned n)
{
    return n == MIC_IN ? 1 : 2;
}

static uint32_t channel_transfer(void *opaque, void *buf, uint32_t frames)
{
    struct Ac97Side *side = opaque;
    Ac97 *s = side->s;
    Ac97Channel *c = &s->ch[side->n];
    uint32_t want = frames * channels_of(side->n), done = 0;
    uint8_t *p = buf;

    if (!pci_bus_master(&s->pci)) {
        return 0;
    }
    for (unsigned empty = 0; done < want && !(c->sr & SR_DCH) && empty < EMPTY_MAX;) {
        uint32_t n = MIN(want - done, c->picb);

        empty += n == 0;
        if (side->n == PCM_OUT) {
            dma_read(s->pci.dev.machine, c->address, p + done * 2, n * 2);
        } else {
            dma_write(s->pci.dev.machine, c->address, p + done * 2, n * 2);
        }
        done += n;
        c->address += n * 2;
        c->picb -= n;
        if (c->picb == 0) {
            buffer_done(s, side->n);
        }
    }
    return done / channels_of(side->n);
}

static uint32_t channel_until_event(void *opaque)
{
    struct Ac97Side *side = opaque;
    const Ac97Channel *c = &side->s->ch[side->n];

    return (c->picb + channels_of(side->n) - 1) / channels_of(side->n);
}

static void channel_reset(Ac97 *s, unsigned n)
{
    audio_voice_run(s->voice[n], false);
    s->ch[n] = (Ac97Channel){ .sr = SR_DCH };
}

static void channel_start(Ac97 *s, unsigned n)
{
    Ac97Channel *c = &s->ch[n];

    if (!(c->sr & SR_DCH)) {
        return;
    }
    if (c->picb == 0 || (c->sr & SR_CELV)) {
        next_descriptor(s, c);
    }
    c->sr &= ~(SR_DCH | SR_CELV);
    audio_voice_run(s->voice[n], true);
}

static void write_cr(Ac97 *s, unsigned n, uint8_t value)
{
    Ac97Channel *c = &s->ch[n];

    if (value & CR_RR) {
        channel_reset(s, n);
        return;
    }
    c->cr = value & (CR_RPBM | CR_LVBIE | CR_FEIE | CR_IOCE);
    if (!(c->cr & CR_RPBM)) {
        audio_voice_run(s->voice[n], false);
        c->sr |= SR_DCH;
    } else if (!(c->sr & SR_CELV)) {
        channel_start(s, n);
    }
}

/* New buffers behind the one that was the last: a halted channel goes on. */
static void write_lvi(Ac97 *s, unsigned n, uint8_t value)
{
    Ac97Channel *c = &s->ch[n];

    c->lvi = value & 31;
    if ((c->cr & CR_RPBM) && (c->sr & SR_DCH)) {
        channel_start(s, n);
    } else if (c->sr & SR_CELV) {
        c->sr &= ~SR_CELV;
        c->picb = 0;
    }
}

/* --- the codec ---------------------------------------------------------------------------------- */

static void update_voices(Ac97 *s)
{
    static const uint8_t rate_register[CHANNELS] = { AC97_ADC_RATE, AC97_DAC_RATE, AC97_MIC_RATE };

    for (unsigned n = 0; n < CHANNELS; n++) {
        AudioFormat f = { s->codec[rate_register[n] / 2], channels_of(n), 16, true };

        audio_voice_format(s->voice[n], &f);
    }
    audio_voice_volume(s->voice[PCM_OUT], ac97_codec_gain(s->codec, 0),
                       ac97_codec_gain(s->codec, 1));
}

static uint64_t mixer_read(void *opaque, uint64_t offset, unsigned width)
{
    Ac97 *s = opaque;

    (void)width;
    s->semaphore = false;
    return codec_ready(s) && offset < CODEC_WORDS * 2 ? ac97_codec_read(s->codec, offset) : 0xffff;
}

static void mixer_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    Ac97 *s = opaque;

    (void)width;
    s->semaphore = false;
    if (codec_ready(s) && offset < CODEC_WORDS * 2) {
        ac97_codec_write(s->codec, offset, value);
        s->link_down = s->codec[AC97_POWER / 2] & AC97_PR4;
        update_voices(s);
    }
}

/* --- bus master registers ----------------------------------------------------------------------- */

static uint32_t channel_read(Ac97 *s, unsigned n, unsigned reg)
{
    const Ac97Channel *c = &s->ch[n];

    switch (reg) {
    case BDBAR: return c->bdbar;
    case CIV: return c->civ | c->lvi << 8 | (uint32_t)c->sr << 16;
    case PICB: return c->picb | (uint32_t)c->piv << 16 | (uint32_t)c->cr << 24;
    }
    return 0;
}

/* mask: the bytes that are written. */
static void channel_write(Ac97 *s, unsigned n, unsigned reg, uint32_t value, uint32_t mask)
{
    Ac97Channel *c = &s->ch[n];

    switch (reg) {
    case BDBAR:
        c->bdbar = ((c->bdbar & ~mask) | value) & ~7u;
        break;
    case CIV:
        if (mask & 0xff0000) {
            c->sr &= ~(value >> 16 & SR_CLEARED_BY_1);
        }
        if (mask & 0xff00) {
            write_lvi(s, n, value >> 8);
        }
        break;
    case PICB:
        if (mask & 0xff000000) {
            write_cr(s, n, value >> 24);
        }
        break;
    }
}

static void write_glob_cnt(Ac97 *s, uint32_t value)
{
    bool was_cold = !(s->glob_cnt & CNT_COLD);

    s->glob_cnt = value & CNT_WRITABLE;
    if (!(value & CNT_COLD) || was_cold) {
        ac97_codec_reset(s->codec);
        s->link_down = false;
    } else if (value & CNT_WARM) {          /* wakes the link; the bit falls by itself */
        s->codec[AC97_POWER / 2] &= ~AC97_PR4;
        s->link_down = false;
    }
    update_voices(s);
}

static uint64_t master_read(void *opaque, uint64_t offset, unsigned width)
{
    Ac97 *s = opaque;
    unsigned reg = offset & ~3u;
    uint32_t value = 0;

    for (unsigned n = 0; n < CHANNELS; n++) {
        audio_voice_sync(s->voice[n]);
    }
    if (offset < 0x10 * CHANNELS && (reg & 0x0f) < 0x0c) {
        value = channel_read(s, offset >> 4, reg & 0x0f);
    } else if (reg == GLOB_CNT) {
        value = s->glob_cnt;
    } else if (reg == GLOB_STA) {
        value = glob_sta(s);
    } else if (offset == CAS) {             /* reading takes it */
        value = s->semaphore;
        s->semaphore = true;
    }
    value >>= (offset & 3) * 8;
    return width == 4 ? value : value & ((1u << width * 8) - 1);
}

static void master_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    Ac97 *s = opaque;
    unsigned reg = offset & ~3u, shift = (offset & 3) * 8;
    uint32_t mask = (width == 4 ? UINT32_MAX : (1u << width * 8) - 1) << shift;
    uint32_t v = (uint32_t)value << shift & mask;

    for (unsigned n = 0; n < CHANNELS; n++) {
        audio_voice_sync(s->voice[n]);
    }
    if (offset < 0x10 * CHANNELS && (reg & 0x0f) < 0x0c) {
        channel_write(s, offset >> 4, reg & 0x0f, v, mask);
    } else if (reg == GLOB_CNT) {
        write_glob_cnt(s, (s->glob_cnt & ~mask) | v);
    }
    update_irq(s);
}

static const IoOps mixer_ops = { .read = mixer_read, .write = mixer_write, .widths = IO_16 };
static const IoOps master_ops = { .read = master_read, .write = master_write,
                                  .widths = IO_8 | IO_16 | IO_32 };

/* --- the class ---------------------------------------------------------------------------------- */

static void ac97_reset(Device *dev)
{
    Ac97 *s = (Ac97 *)dev;

    pci_reset(&s->pci);
    for (unsigned n = 0; n < CHANNELS; n++) {
        channel_reset(s, n);
    }
    s->glob_cnt = 0;
    s->link_down = s->semaphore = false;
    ac97_codec_reset(s->codec);
    update_voices(s);
    update_irq(s);
}

static bool ac97_init(Device *dev, GError **error)
{
    Ac97 *s = (Ac97 *)dev;
    PciClass id = { .vendor = 0x8086, .device = 0x2415, .subsystem_vendor = 0x8086,
                    .subsystem = 0x0000, .revision = 0x01, .subclass = 1, .base_class = 4,
                    .interrupt_pin = 1 };

    for (unsigned n = 0; n < CHANNELS; n++) {
        AudioClient client = { .transfer = channel_transfer, .until_event = channel_until_event,
                               .opaque = &s->side[n], .burst = n == PCM_OUT ? FIFO_BURST : 0 };

        s->side[n] = (struct Ac97Side){ s, n };
        s->voice[n] = audio_voice_new(s->audio, dev->machine, &client, n != PCM_OUT);
    }
    return pci_init(&s->pci, &id, error) &&
           pci_claim_bar(&s->pci, 0, PCI_BAR_IO, MIXER_SIZE, &mixer_ops, error) &&
           pci_claim_bar(&s->pci, 1, PCI_BAR_IO, MASTER_SIZE, &master_ops, error);
}

static bool ac97_loaded(Device *dev, GError **error)
{
    Ac97 *s = (Ac97 *)dev;

    if (!pci_loaded(&s->pci, error)) {
        return false;
    }
    ac97_codec_check(s->codec);
    for (unsigned n = 0; n < CHANNELS; n++) {
        audio_voice_run(s->voice[n], (s->ch[n].cr & CR_RPBM) && !(s->ch[n].sr & SR_DCH));
    }
    update_voices(s);
    update_irq(s);
    return true;
}

static void ac97_finish(Device *dev)
{
    Ac97 *s = (Ac97 *)dev;

    for (unsigned n = 0; n < CHANNELS; n++) {
        audio_voice_free(s->voice[n]);
    }
    pci_finish(&s->pci);
}

static const ConfigField ac97_config[] = {
    CONFIG_PCI(Ac97, pci),
    CONFIG_FIELD(Ac97, audio, CONFIG_POINTER, NULL, "who hears it"),
    CONFIG_END
};

static const StateField ac97_channel_state[] = {
    STATE_U32(Ac97Channel, bdbar), STATE_U8_MAX(Ac97Channel, civ, 31),
    STATE_U8_MAX(Ac97Channel, lvi, 31), STATE_U8_MAX(Ac97Channel, piv, 31),
    STATE_U8_MAX(Ac97Channel, cr, 0x1d), STATE_U8_MAX(Ac97Channel, sr, 0x1f),
    STATE_U16(Ac97Channel, picb), STATE_U32(Ac97Channel, address),
    STATE_U32(Ac97Channel, control),
    STATE_END
};

static const StateField ac97_state[] = {
    STATE_PCI(Ac97, pci),
    STATE_U16_ARRAY(Ac97, codec), STATE_STRUCT_ARRAY(Ac97, ch, ac97_channel_state),
    STATE_U32_MAX(Ac97, glob_cnt, CNT_WRITABLE), STATE_BOOL(Ac97, link_down),
    STATE_BOOL(Ac97, semaphore),
    STATE_END
};

const DeviceClass ac97_class = {
    .name = "ac97", .summary = "Intel 82801AA AC'97 sound", .size = sizeof(Ac97), .version = 1,
    .config = ac97_config, .state = ac97_state, .init = ac97_init, .reset = ac97_reset,
    .loaded = ac97_loaded, .finish = ac97_finish,
};
