/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sb16.c - Sound Blaster 16 with DSP 4.05 (Creative's Sound Blaster Series Hardware Programming
 * Guide): 8 and 16-bit DMA at the same time, single and auto-initialised, Creative ADPCM, direct
 * mode; the mixer is sb16_mixer.c, the FM synthesizer opl3.c, the MPU-401 is in UART mode or reset.
 * Capture hears silence, MIDI goes nowhere.  Left out: the signal processor option (CSP/ASP), time
 * stamps of MIDI input.
 */
#include <string.h>
#include "hw/chipset.h"
#include "hw/devices.h"
#include "hw/opl3.h"
#include "hw/sb16.h"
#include "pc_layout.h"
#include "ui/audio.h"

#define DSP_VERSION 0x0405
#define ARGS_MAX 3
#define RATE_MIN 5000
#define RATE_MAX 45000
#define DIRECT_FRAMES (AUDIO_RATE / 10)     /* direct mode ends when nothing was written so long */

enum { FM = 0x0, FM_LAST = 0x3, FM2 = 0x8, FM2_LAST = 0x9 };
enum { MIXER_INDEX = 0x4, MIXER_DATA = 0x5, DSP_RESET = 0x6, DSP_READ = 0xa,
       DSP_WRITE = 0xc, DSP_TIMER = 0xd, DSP_READ_STATUS = 0xe, DSP_ACK16 = 0xf };
enum { MPU_DATA = 0, MPU_STATUS = 1 };
enum { MPU_EMPTY = 0x80, MPU_RESET = 0xff, MPU_UART = 0x3f, MPU_ACK = 0xfe };

enum { OUT, IN, DIRECTIONS };

typedef struct Sb16Dma {
    bool running, paused, autoinit, capture, stereo, is_signed, silence;
    uint8_t adpcm;              /* bits of a sample, 0: plain; 3 stands for the 2.6-bit kind */
    uint16_t length;            /* of a block, samples less one */
    uint32_t left;              /* samples */
    /* ADPCM */
    bool reference;             /* the next byte is one */
    uint8_t level, step, pending, pending_samples;
} Sb16Dma;

typedef struct Sb16 {
    Device dev;
    Audio *audio;               /* config */
    Device *dma_chip;           /* config */
    uint32_t port, mpu_port, fm_port, irq, dma8, dma16;     /* config */
    uint8_t mixer[SB16_MIXER_REGS], mixer_index;
    bool resetting, speaker, midi_uart;
    uint8_t command, args_wanted, args, arg[ARGS_MAX];
    uint8_t test, id_add, id_xor, last_read;
    uint16_t block;             /* command 48h: samples less one */
    uint32_t rate;
    Ring answers, mpu_answers;
    bool mpu_uart;
    Sb16Dma dma[2];             /* 8-bit, 16-bit */
    uint8_t direct;             /* level of direct mode */
    uint32_t direct_left;       /* frames until it ends */
    Opl3 fm;
    int line;                   /* derived: the ISA line in use, -1: none */
    AudioVoice *voice[2][DIRECTIONS], *direct_voice;
    struct Sb16Side { struct Sb16 *s; unsigned wide; } side[2];
} Sb16;

/* --- interrupts --------------------------------------------------------------------------------- */

static void update_irq(Sb16 *s)
{
    int line = sb16_irq(s->mixer);

    if (s->line >= 0 && s->line != line) {
        irq_set(&s->dev.machine->isa_irq[s->line], false);
    }
    s->line = line;
    if (line >= 0) {
        irq_set(&s->dev.machine->isa_irq[line], s->mixer[MIXER_IRQ_STATUS] != 0);
    }
}

static void raise_irq(Sb16 *s, uint8_t bit)
{
    s->mixer[MIXER_IRQ_STATUS] |= bit;
    update_irq(s);
}

static void ack_irq(Sb16 *s, uint8_t bit)
{
    s->mixer[MIXER_IRQ_STATUS] &= ~bit;
    update_irq(s);
}

/* --- DMA ---------------------------------------------------------------------------------------- */

static int channel_of(const Sb16 *s, unsigned wide)
{
    if (!s->dma_chip) {
        return -1;
    }
    return wide ? sb16_dma16(s->mixer) : sb16_dma8(s->mixer);
}

static unsigned fetch(Sb16 *s, unsigned wide, uint8_t *buf, unsigned bytes)
{
    const Sb16Dma *d = &s->dma[wide];
    int channel = channel_of(s, wide);
    unsigned done = 0, n = 1;
    bool terminal;

    while (done < bytes && n && channel >= 0) {
        n = d->capture ? i8237_to_memory(s->dma_chip, channel, buf + done, bytes - done, &terminal)
                       : i8237_from_memory(s->dma_chip, channel, buf + done, bytes - done, &terminal);
        done += n;
    }
    return done;
}

/* One sample of Creative's ADPCM: a sign and a magnitude, scaled by a step that follows. */
static uint8_t adpcm_decode(Sb16Dma *d, unsigned bits, unsigned code)
{
    unsigned magnitude = code & ((1u << (bits - 1)) - 1), shift = d->adpcm == 2 ? 2 : 0;
    int change = (magnitude << (d->step + shift)) / 2, level;

    level = d->level + (code >> (bits - 1) & 1 ? -change : change);
    d->level = CLAMP(level, 0, 255);
    if (magnitude >= 2 * bits - 3 && d->step < 3) {
        d->step++;
    } else if (magnitude == 0 && d->step > 0) {
        d->step--;
    }
    return d->level;
}

/* The samples of a byte, from the upper bits; the third of the 2.6-bit kind has two bits. */
static uint8_t adpcm_next(Sb16Dma *d)
{
    unsigned bits = d->adpcm == 3 && d->pending_samples == 1 ? 2 : d->adpcm;
    uint8_t code = d->pending >> (8 - bits);

    d->pending <<= bits;
    d->pending_samples--;
    return adpcm_decode(d, bits, code);
}

static uint32_t adpcm_play(Sb16 *s, uint8_t *buf, uint32_t frames)
{
    Sb16Dma *d = &s->dma[0];
    uint32_t n = 0;

    while (n < frames) {
        uint8_t byte;

        if (d->pending_samples) {
            buf[n++] = adpcm_next(d);
            continue;
        }
        if (!d->left || fetch(s, 0, &byte, 1) == 0) {
            break;
        }
        d->left--;
        if (d->reference) {
            d->level = byte;
            d->step = 0;
            d->reference = false;
        } else {
            d->pending = byte;
            d->pending_samples = d->adpcm == 4 ? 2 : d->adpcm == 2 ? 4 : 3;
        }
    }
    return n;
}

static void stop(Sb16 *s, unsigned wide)
{
    Sb16Dma *d = &s->dma[wide];
    int channel = channel_of(s, wide);

    d->running = false;
    for (unsigned i = 0; i < DIRECTIONS; i++) {
        audio_voice_run(s->voice[wide][i], false);
    }
    if (channel >= 0) {
        i8237_request(s->dma_chip, channel, false);
    }
}

static void block_done(Sb16 *s, unsigned wide)
{
    Sb16Dma *d = &s->dma[wide];

    if (d->autoinit) {
        d->left = d->length + 1u;
    } else {
        stop(s, wide);
    }
    raise_irq(s, wide ? SB16_IRQ_16BIT : SB16_IRQ_8BIT);
}

static uint32_t dma_transfer(void *opaque, void *buf, uint32_t frames)
{
    struct Sb16Side *side = opaque;
    Sb16 *s = side->s;
    Sb16Dma *d = &s->dma[side->wide];
    unsigned size = (side->wide ? 2 : 1) << d->stereo;
    uint32_t done, want = frames;

    if (d->adpcm) {
        done = adpcm_play(s, buf, frames);
        if (!d->left && !d->pending_samples) {
            block_done(s, side->wide);
        }
        return done;
    }
    want = MIN(want, (d->left + d->stereo) >> d->stereo);
    done = d->silence ? 0 : fetch(s, side->wide, buf, want * size) / size;
    if (d->silence) {
        d->left -= MIN(d->left, want);
    } else {
        d->left -= MIN(d->left, done << d->stereo);
    }
    if (!d->left) {
        block_done(s, side->wide);
    }
    return done;
}

static uint32_t dma_until_event(void *opaque)
{
    struct Sb16Side *side = opaque;
    const Sb16Dma *d = &side->s->dma[side->wide];

    if (d->adpcm) {
        return MAX(d->left, 1u) * (d->adpcm == 4 ? 2 : d->adpcm == 2 ? 4 : 3);
    }
    return (d->left + d->stereo) >> d->stereo;
}

static void update_format(Sb16 *s, unsigned wide)
{
    const Sb16Dma *d = &s->dma[wide];
    AudioFormat f = { s->rate, d->stereo ? 2 : 1, wide ? 16 : 8, d->is_signed };

    for (unsigned i = 0; i < DIRECTIONS; i++) {
        audio_voice_format(s->voice[wide][i], &f);
    }
}

static void run_voice(Sb16 *s, unsigned wide)
{
    const Sb16Dma *d = &s->dma[wide];
    bool on = d->running && !d->paused;
    int channel = channel_of(s, wide);

    update_format(s, wide);
    audio_voice_run(s->voice[wide][OUT], on && !d->capture);
    audio_voice_run(s->voice[wide][IN], on && d->capture);
    if (channel >= 0) {
        i8237_request(s->dma_chip, channel, on && !d->silence);
    }
}

static void start(Sb16 *s, unsigned wide, Sb16Dma setup)
{
    Sb16Dma *d = &s->dma[wide];

    stop(s, wide);
    if (setup.adpcm && !setup.reference) {      /* a block without goes on where the last ended */
        setup.level = d->level;
        setup.step = d->step;
    }
    *d = setup;
    d->left = d->length + 1u;
    d->running = true;
    run_voice(s, wide);
}

static void pause_dma(Sb16 *s, unsigned wide, bool pause)
{
    audio_voice_sync(s->voice[wide][OUT]);
    audio_voice_sync(s->voice[wide][IN]);
    s->dma[wide].paused = pause;
    run_voice(s, wide);
}

/* --- direct mode -------------------------------------------------------------------------------- */

static uint32_t direct_transfer(void *opaque, void *buf, uint32_t frames)
{
    Sb16 *s = opaque;

    memset(buf, s->direct, frames);
    s->direct_left -= MIN(s->direct_left, frames);
    if (!s->direct_left) {
        audio_voice_run(s->direct_voice, false);
    }
    return frames;
}

static void direct_write(Sb16 *s, uint8_t level)
{
    audio_voice_sync(s->direct_voice);
    s->direct = level;
    s->direct_left = DIRECT_FRAMES;
    audio_voice_run(s->direct_voice, true);
}

/* --- the DSP ------------------------------------------------------------------------------------ */

static void answer(Sb16 *s, uint8_t byte)
{
    ring_push(&s->answers, byte);
}

static unsigned args_of(uint8_t command)
{
    switch (command) {
    case 0x04: case 0x08: case 0x0f: case 0x10: case 0x38: case 0x40: case 0xe0: case 0xe2: case 0xe4:
    case 0xf9:
        return 1;
    case 0x05: case 0x0e: case 0x14: case 0x16: case 0x17: case 0x24: case 0x41: case 0x42: case 0x48:
    case 0x74: case 0x75: case 0x76: case 0x77: case 0x80: case 0xfa:
        return 2;
    default:
        return command >= 0xb0 && command <= 0xcf ? 3 : 0;
    }
}

static void set_rate(Sb16 *s, uint32_t rate)
{
    s->rate = CLAMP(rate, RATE_MIN, RATE_MAX);
    update_format(s, 0);
    update_format(s, 1);
}

/* Commands of the older cards.  High-speed mode (90h to 99h) is nothing special for this DSP. */
static void old_dma(Sb16 *s, uint8_t c)
{
    Sb16Dma d = { .length = s->arg[0] | s->arg[1] << 8 };

    switch (c) {
    case 0x14: case 0x91: break;
    case 0x1c: case 0x90: d.autoinit = true; break;
    case 0x24: case 0x99: d.capture = true; break;
    case 0x2c: case 0x98: d.capture = d.autoinit = true; break;
    case 0x16: case 0x17: d.adpcm = 2; break;
    case 0x1f: d.adpcm = 2; d.autoinit = true; break;
    case 0x74: case 0x75: d.adpcm = 4; break;
    case 0x7d: d.adpcm = 4; d.autoinit = true; break;
    case 0x76: case 0x77: d.adpcm = 3; break;
    case 0x7f: d.adpcm = 3; d.autoinit = true; break;
    case 0x80: d.silence = true; break;
    }
    d.reference = d.adpcm && (c & 1);
    if (d.autoinit || c == 0x91 || c == 0x99) {
        d.length = s->block;
    }
    start(s, 0, d);
}

static void new_dma(Sb16 *s, uint8_t c)
{
    Sb16Dma d = { .capture = c & 8, .autoinit = c & 4, .stereo = s->arg[0] & 0x20,
                  .is_signed = s->arg[0] & 0x10, .length = s->arg[1] | s->arg[2] << 8 };

    if (!(c & 1)) {             /* bit 0 has no meaning and stays clear */
        start(s, c < 0xc0, d);
    }
}

/* The card proves what it is by DMA: a byte made of all that were sent. */
static void dma_id(Sb16 *s, uint8_t value)
{
    int channel = channel_of(s, 0);
    bool terminal;

    s->id_add += value ^ s->id_xor;
    s->id_xor = s->id_xor >> 2 | s->id_xor << 6;
    if (channel >= 0) {
        i8237_to_memory(s->dma_chip, channel, &s->id_add, 1, &terminal);
    }
}

static void execute_config(Sb16 *s, uint8_t c)
{
    switch (c) {
    case 0x0f: case 0x04: answer(s, 0xff); break;       /* no signal processor */
    case 0x08: break;
    case 0x10: direct_write(s, s->arg[0]); break;
    case 0x20: answer(s, 0x80); break;
    case 0x34: case 0x35: case 0x36: case 0x37: s->midi_uart = true; break;
    case 0x40: set_rate(s, 1000000 / (256 - s->arg[0])); break;
    case 0x41: case 0x42: set_rate(s, s->arg[0] << 8 | s->arg[1]); break;
    case 0x48: s->block = s->arg[0] | s->arg[1] << 8; break;
    case 0xd1: s->speaker = true; break;
    case 0xd3: s->speaker = false; break;
    case 0xd8: answer(s, s->speaker ? 0xff : 0x00); break;
    case 0xe0: answer(s, ~s->arg[0]); break;
    case 0xe1:
        answer(s, DSP_VERSION >> 8);
        answer(s, DSP_VERSION & 0xff);
        break;
    case 0xe2: dma_id(s, s->arg[0]); break;
    case 0xe3:
        for (const char *p = "COPYRIGHT (C) CREATIVE TECHNOLOGY LTD, 1992."; ; p++) {
            answer(s, *p);
            if (!*p) {
                break;
            }
        }
        break;
    case 0xe4: s->test = s->arg[0]; break;
    case 0xe8: answer(s, s->test); break;
    case 0xf2: raise_irq(s, SB16_IRQ_8BIT); break;
    case 0xf3: raise_irq(s, SB16_IRQ_16BIT); break;
    case 0xf8: answer(s, 0); break;
    }
}

static void execute(Sb16 *s)
{
    uint8_t c = s->command;

    if (c >= 0xb0 && c <= 0xcf) {
        new_dma(s, c);
        return;
    }
    switch (c) {
    case 0x14: case 0x16: case 0x17: case 0x1c: case 0x1f: case 0x24: case 0x2c: case 0x74: case 0x75:
    case 0x76: case 0x77: case 0x7d: case 0x7f: case 0x80: case 0x90: case 0x91: case 0x98: case 0x99:
        old_dma(s, c);
        break;
    case 0x45: case 0x47:
        s->dma[c == 0x47].autoinit = true;
        break;
    case 0xd0: case 0xd4: pause_dma(s, 0, c == 0xd0); break;
    case 0xd5: case 0xd6: pause_dma(s, 1, c == 0xd5); break;
    case 0xda: s->dma[0].autoinit = false; break;
    case 0xd9: s->dma[1].autoinit = false; break;
    default:
        execute_config(s, c);
    }
}

static void dsp_write(Sb16 *s, uint8_t value)
{
    if (s->midi_uart) {         /* every byte is for the MIDI cable, until a reset */
        return;
    }
    if (s->args < s->args_wanted) {
        s->arg[s->args++] = value;
    } else {
        s->command = value;
        s->args = 0;
        s->args_wanted = args_of(value);
    }
    if (s->args == s->args_wanted) {
        execute(s);
        s->args = s->args_wanted = 0;
    }
}

static void dsp_reset(Sb16 *s)
{
    bool was_midi = s->midi_uart;

    stop(s, 0);
    stop(s, 1);
    audio_voice_run(s->direct_voice, false);
    s->midi_uart = false;
    s->args = s->args_wanted = 0;
    ring_clear(&s->answers);
    ack_irq(s, SB16_IRQ_8BIT | SB16_IRQ_16BIT);
    if (was_midi) {             /* it only ends that mode */
        answer(s, 0xaa);
        return;
    }
    memset(s->dma, 0, sizeof s->dma);
    s->speaker = false;
    s->id_add = 0xaa;
    s->id_xor = 0x96;
    s->block = 0;
    set_rate(s, 11025);
    answer(s, 0xaa);
}

static uint8_t dsp_read(Sb16 *s)
{
    ring_pop(&s->answers, &s->last_read);
    return s->last_read;
}

/* --- ports -------------------------------------------------------------------------------------- */

static void update_volume(Sb16 *s)
{
    uint32_t left = sb16_voice_gain(s->mixer, 0), right = sb16_voice_gain(s->mixer, 1);

    audio_voice_volume(s->voice[0][OUT], left, right);
    audio_voice_volume(s->voice[1][OUT], left, right);
    audio_voice_volume(s->direct_voice, left, right);
    opl3_volume(&s->fm, sb16_midi_gain(s->mixer, 0), sb16_midi_gain(s->mixer, 1));
}

static uint64_t sb16_read(void *opaque, uint64_t offset, unsigned width)
{
    Sb16 *s = opaque;

    (void)width;
    switch (offset) {
    case FM ... FM_LAST: return opl3_read(&s->fm, offset - FM);
    case FM2 ... FM2_LAST: return opl3_read(&s->fm, offset - FM2);
    case MIXER_INDEX: return s->mixer_index;
    case MIXER_DATA: return sb16_mixer_read(s->mixer, s->mixer_index);
    case DSP_READ: return dsp_read(s);
    case DSP_WRITE: return 0x7f;
    case DSP_READ_STATUS:
        ack_irq(s, SB16_IRQ_8BIT);
        return ring_used(&s->answers) ? 0xff : 0x7f;
    case DSP_ACK16:
        ack_irq(s, SB16_IRQ_16BIT);
        return 0xff;
    }
    return 0xff;
}

static void sb16_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    Sb16 *s = opaque;

    (void)width;
    switch (offset) {
    case FM ... FM_LAST:
        opl3_write(&s->fm, offset - FM, value);
        break;
    case FM2 ... FM2_LAST:
        opl3_write(&s->fm, offset - FM2, value);
        break;
    case MIXER_INDEX:
        s->mixer_index = value;
        break;
    case MIXER_DATA:
        sb16_mixer_write(s->mixer, s->mixer_index, value);
        update_volume(s);
        update_irq(s);
        break;
    case DSP_RESET:
        if (s->resetting && !(value & 1)) {
            dsp_reset(s);
        }
        s->resetting = value & 1;
        break;
    case DSP_WRITE:
        dsp_write(s, value);
        break;
    }
}

static uint64_t mpu_read(void *opaque, uint64_t offset, unsigned width)
{
    Sb16 *s = opaque;
    uint8_t value = 0xff;

    (void)width;
    if (offset == MPU_STATUS) {
        return (ring_used(&s->mpu_answers) ? 0 : MPU_EMPTY) | 0x3f;
    }
    ring_pop(&s->mpu_answers, &value);
    if (!ring_used(&s->mpu_answers)) {
        ack_irq(s, SB16_IRQ_MPU);
    }
    return value;
}

static void mpu_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    Sb16 *s = opaque;

    (void)width;
    if (offset == MPU_DATA || (s->mpu_uart && value != MPU_RESET)) {
        return;
    }
    if (!s->mpu_uart) {         /* leaving UART mode is not acknowledged */
        ring_clear(&s->mpu_answers);
        ring_push(&s->mpu_answers, MPU_ACK);
        raise_irq(s, SB16_IRQ_MPU);
    }
    s->mpu_uart = value == MPU_UART;
}

static uint64_t fm_read(void *opaque, uint64_t offset, unsigned width)
{
    Sb16 *s = opaque;

    (void)width;
    return opl3_read(&s->fm, offset);
}

static void fm_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    Sb16 *s = opaque;

    (void)width;
    opl3_write(&s->fm, offset, value);
}

static const IoOps fm_ops = { .read = fm_read, .write = fm_write, .widths = IO_8 };
static const IoOps sb16_ops = { .read = sb16_read, .write = sb16_write, .widths = IO_8 };
static const IoOps mpu_ops = { .read = mpu_read, .write = mpu_write, .widths = IO_8 };

/* --- the class ---------------------------------------------------------------------------------- */

static void sb16_reset(Device *dev)
{
    Sb16 *s = (Sb16 *)dev;
    static const uint8_t irq_bits[16] = { [9] = 1, [5] = 2, [7] = 4, [10] = 8 };

    s->mixer[MIXER_IRQ] = irq_bits[s->irq & 15];
    s->mixer[MIXER_DMA] = 1u << s->dma8 | 1u << s->dma16;
    s->mixer[MIXER_IRQ_STATUS] = 0;
    sb16_mixer_reset(s->mixer);
    s->mixer_index = s->test = s->command = s->last_read = s->direct = 0;
    memset(s->arg, 0, sizeof s->arg);
    s->direct_left = 0;
    s->resetting = s->midi_uart = s->mpu_uart = false;
    ring_clear(&s->mpu_answers);
    dsp_reset(s);
    ring_clear(&s->answers);
    opl3_reset(&s->fm);
    update_volume(s);
    update_irq(s);
}

static bool sb16_init(Device *dev, GError **error)
{
    Sb16 *s = (Sb16 *)dev;
    AudioFormat direct = { AUDIO_RATE, 1, 8, false };
    AudioClient client = { .transfer = direct_transfer, .opaque = s };

    ring_init(&s->answers, 64);
    ring_init(&s->mpu_answers, 16);
    s->line = -1;
    s->direct_voice = audio_voice_new(s->audio, dev->machine, &client, false);
    audio_voice_format(s->direct_voice, &direct);
    for (unsigned wide = 0; wide < 2; wide++) {
        s->side[wide] = (struct Sb16Side){ s, wide };
        client = (AudioClient){ .transfer = dma_transfer, .until_event = dma_until_event,
                                .opaque = &s->side[wide] };
        for (unsigned i = 0; i < DIRECTIONS; i++) {
            s->voice[wide][i] = audio_voice_new(s->audio, dev->machine, &client, i == IN);
        }
    }
    opl3_init(&s->fm, dev, s->audio);
    return io_claim(dev, IO_PORT, s->port, 16, &sb16_ops, error) &&
           io_claim(dev, IO_PORT, s->fm_port, OPL3_PORTS, &fm_ops, error) &&
           io_claim(dev, IO_PORT, s->mpu_port, 2, &mpu_ops, error);
}

static bool sb16_loaded(Device *dev, GError **error)
{
    Sb16 *s = (Sb16 *)dev;

    for (unsigned wide = 0; wide < 2; wide++) {
        Sb16Dma *d = &s->dma[wide];

        if (d->left > d->length + 1u || d->step > 3 || d->pending_samples > 4 ||
            (d->adpcm && (wide || d->stereo || d->adpcm < 2 || d->adpcm > 4)) ||
            (d->running && !d->left && !d->pending_samples)) {
            g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "a transfer that can't be");
            return false;
        }
    }
    s->args_wanted = MIN(s->args_wanted, ARGS_MAX);
    s->args = MIN(s->args, s->args_wanted);
    s->rate = CLAMP(s->rate, RATE_MIN, RATE_MAX);
    s->mixer[MIXER_IRQ] &= 0x0f;
    if (!opl3_loaded(&s->fm, error)) {
        return false;
    }
    update_volume(s);
    run_voice(s, 0);
    run_voice(s, 1);
    audio_voice_run(s->direct_voice, s->direct_left != 0);
    update_irq(s);
    return true;
}

static void sb16_finish(Device *dev)
{
    Sb16 *s = (Sb16 *)dev;

    opl3_finish(&s->fm);
    audio_voice_free(s->direct_voice);
    for (unsigned i = 0; i < 4; i++) {
        audio_voice_free(s->voice[i / 2][i % 2]);
    }
    ring_finish(&s->answers);
    ring_finish(&s->mpu_answers);
}

static const ConfigField sb16_config[] = {
    CONFIG_FIELD(Sb16, audio, CONFIG_POINTER, NULL, "who hears it"),
    CONFIG_FIELD(Sb16, dma_chip, CONFIG_POINTER, NULL, "the i8237; NULL: no DMA"),
    CONFIG_FIELD(Sb16, port, CONFIG_U32, "0x220", "first I/O port"),
    CONFIG_FIELD(Sb16, mpu_port, CONFIG_U32, "0x330", "first I/O port of the MPU-401"),
    CONFIG_FIELD(Sb16, fm_port, CONFIG_U32, "0x388", "first I/O port of the synthesizer alone"),
    CONFIG_FIELD(Sb16, irq, CONFIG_U32, "5", "interrupt at power-on: 5, 7, 9 or 10"),
    CONFIG_FIELD(Sb16, dma8, CONFIG_U32, "1", "8-bit DMA channel at power-on: 0, 1 or 3"),
    CONFIG_FIELD(Sb16, dma16, CONFIG_U32, "5", "16-bit DMA channel at power-on: 5, 6 or 7"),
    CONFIG_END
};

static const StateField sb16_dma_state[] = {
    STATE_BOOL(Sb16Dma, running), STATE_BOOL(Sb16Dma, paused), STATE_BOOL(Sb16Dma, autoinit),
    STATE_BOOL(Sb16Dma, capture), STATE_BOOL(Sb16Dma, stereo), STATE_BOOL(Sb16Dma, is_signed),
    STATE_BOOL(Sb16Dma, silence), STATE_U8_MAX(Sb16Dma, adpcm, 4), STATE_U16(Sb16Dma, length),
    STATE_U32_MAX(Sb16Dma, left, 65536), STATE_BOOL(Sb16Dma, reference), STATE_U8(Sb16Dma, level),
    STATE_U8_MAX(Sb16Dma, step, 3), STATE_U8(Sb16Dma, pending),
    STATE_U8_MAX(Sb16Dma, pending_samples, 4), STATE_END
};

static const StateField sb16_state[] = {
    STATE_BYTES(Sb16, mixer), STATE_U8(Sb16, mixer_index), STATE_BOOL(Sb16, resetting),
    STATE_BOOL(Sb16, speaker), STATE_BOOL(Sb16, midi_uart),
    STATE_U8(Sb16, command), STATE_U8_MAX(Sb16, args_wanted, ARGS_MAX),
    STATE_U8_MAX(Sb16, args, ARGS_MAX), STATE_BYTES(Sb16, arg), STATE_U8(Sb16, test),
    STATE_U8(Sb16, id_add), STATE_U8(Sb16, id_xor), STATE_U8(Sb16, last_read),
    STATE_U16(Sb16, block), STATE_U32_MAX(Sb16, rate, RATE_MAX), STATE_RING(Sb16, answers),
    STATE_RING(Sb16, mpu_answers), STATE_BOOL(Sb16, mpu_uart),
    STATE_STRUCT_ARRAY(Sb16, dma, sb16_dma_state), STATE_U8(Sb16, direct),
    STATE_U32_MAX(Sb16, direct_left, DIRECT_FRAMES), STATE_STRUCT(Sb16, fm, opl3_state), STATE_END
};

const DeviceClass sb16_class = {
    .name = "sb16", .summary = "Sound Blaster 16 sound card", .size = sizeof(Sb16), .version = 3,
    .config = sb16_config, .state = sb16_state, .init = sb16_init, .reset = sb16_reset,
    .loaded = sb16_loaded, .finish = sb16_finish,
};
