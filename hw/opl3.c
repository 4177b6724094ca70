/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * opl3.c - Yamaha YMF262 (OPL3; application manual).  Registers, both timers and the status that
 * drivers find the chip by are here; the 36 operators are those of libadplug's copy of Nuked OPL3,
 * which was made after the chip's die.  The chip is asked for samples while something can be heard,
 * and stands still otherwise: nothing of that can be read back.  Left out: the interrupt output
 * (cards do not connect it), the OPL2's CSM mode, which this chip has not either.
 */
#include "hw/opl3.h"

#include <adplug/nukedopl.h>
#include <stdlib.h>
#include <string.h>

#define CLOCK_HZ 14318180u
#define SILENCE 36                      /* an operator that is silent is 0 or -1 */
#define QUIET_ENOUGH (OPL3_RATE / 2)    /* samples of silence, then the chip may rest */
#define ENVELOPE_END 0x1ff              /* an operator's attenuation when its note is over */
#define STAGES 5
#define RATES 64
#define STEP_MAX 8
#define VIBRATO_STEPS 8
#define TREMOLO_STEPS 210

enum { TIMER1 = 2, TIMER2 = 3, TIMER_CONTROL = 4, KEY_ON = 0xb0, RHYTHM = 0xbd, FOUR_OP = 0x104,
       NEW = 0x105 };
enum { CONTROL_RESET = 0x80, CONTROL_MASK1 = 0x40, CONTROL_START1 = 0x01 };     /* timer 2: next */
enum { STATUS_IRQ = 0x80, STATUS_TIMER1 = 0x40 };
enum { KEY = 0x20, RHYTHM_ON = 0x20, RHYTHM_KEYS = 0x1f };

struct Opl3Synth {
    opl3_chip chip;
};

/* --- timers ------------------------------------------------------------------------------------- */

/* Each counts up from its register and, when it runs over, begins again. */
static int64_t timer_period(const Opl3 *o, unsigned n)
{
    uint64_t clocks = (256 - o->reg[TIMER1 + n]) * (n ? 4608u : 1152u);     /* 320 us, 80 us a count */

    return clocks * NS_PER_S / CLOCK_HZ;
}

static void look_at_timers(Opl3 *o)
{
    for (unsigned n = 0; n < 2; n++) {
        int64_t period = timer_period(o, n), passed = vm_now(o->dev) - o->timer_start[n];

        if (!(o->reg[TIMER_CONTROL] & CONTROL_START1 << n) || passed < period) {
            continue;
        }
        o->timer_start[n] += passed / period * period;
        if (!(o->reg[TIMER_CONTROL] & CONTROL_MASK1 >> n)) {
            o->flags |= STATUS_TIMER1 >> n;
        }
    }
}

static void control_timers(Opl3 *o, uint8_t value)
{
    uint8_t old = o->reg[TIMER_CONTROL];

    look_at_timers(o);
    if (value & CONTROL_RESET) {        /* the other bits are not looked at */
        o->flags = 0;
        return;
    }
    o->reg[TIMER_CONTROL] = value;
    for (unsigned n = 0; n < 2; n++) {
        if (value & ~old & CONTROL_START1 << n) {
            o->timer_start[n] = vm_now(o->dev);
        }
        if (value & CONTROL_MASK1 >> n) {
            o->flags &= ~(STATUS_TIMER1 >> n);
        }
    }
}

/* --- what is inside of the chip ------------------------------------------------------------------ */

_Static_assert(G_N_ELEMENTS(((opl3_chip *)0)->slot) == OPL3_OPERATORS, "operators");

static void remember(Opl3 *o)
{
    const opl3_chip *chip = &o->synth->chip;

    for (unsigned i = 0; i < OPL3_OPERATORS; i++) {
        const opl3_slot *s = &chip->slot[i];

        o->op[i] = (Opl3Operator){ s->eg_rout, s->eg_gen, s->eg_rate, s->eg_inc, s->out, s->prout, s->fbmod,
                                   s->pg_phase };
    }
    o->ticks = chip->timer;
    o->vibrato = chip->vibpos;
    o->tremolo = chip->tremolo;
    o->tremolo_at = chip->tremolopos;
    o->noise = chip->noise;
}

/* After the registers were written: their keys have begun notes. */
static void recall(Opl3 *o)
{
    opl3_chip *chip = &o->synth->chip;

    for (unsigned i = 0; i < OPL3_OPERATORS; i++) {
        const Opl3Operator *op = &o->op[i];
        opl3_slot *s = &chip->slot[i];

        s->eg_rout = op->attenuation;
        s->eg_gen = op->stage;
        s->eg_rate = op->rate;
        s->eg_inc = op->step;
        s->out = (int16_t)op->out;
        s->prout = (int16_t)op->before;
        s->fbmod = (int16_t)op->feedback;
        s->pg_phase = op->phase;
    }
    chip->timer = o->ticks;
    chip->vibpos = o->vibrato;
    chip->tremolo = o->tremolo;
    chip->tremolopos = o->tremolo_at;
    chip->noise = o->noise;
}

/* --- sound -------------------------------------------------------------------------------------- */

static bool keys_down(const Opl3 *o)
{
    for (unsigned i = KEY_ON; i < KEY_ON + 9; i++) {
        if ((o->reg[i] | o->reg[0x100 + i]) & KEY) {
            return true;
        }
    }
    return (o->reg[RHYTHM] & RHYTHM_ON) && (o->reg[RHYTHM] & RHYTHM_KEYS);
}

/* Nothing will be heard before the next write. */
static bool over(const Opl3 *o)
{
    if (o->quiet < QUIET_ENOUGH) {
        return false;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(o->synth->chip.slot) && keys_down(o); i++) {
        if (o->synth->chip.slot[i].eg_rout != ENVELOPE_END) {
            return false;
        }
    }
    return true;
}

static void run(Opl3 *o, bool on)
{
    o->sounds = on;
    audio_voice_run(o->voice, on);
}

static uint32_t opl3_transfer(void *opaque, void *buf, uint32_t frames)
{
    Opl3 *o = opaque;
    uint8_t *out = buf;

    for (uint32_t i = 0; i < frames; i++) {
        Bit16s v[2];

        OPL3_Generate(&o->synth->chip, v);
        o->quiet = abs(v[0]) > SILENCE || abs(v[1]) > SILENCE ? 0 : o->quiet + 1;
        for (unsigned c = 0; c < 2; c++) {
            *out++ = (uint16_t)v[c];
            *out++ = (uint16_t)v[c] >> 8;
        }
    }
    o->quiet = MIN(o->quiet, QUIET_ENOUGH);
    remember(o);
    if (over(o)) {
        run(o, false);
    }
    return frames;
}

/* --- registers ---------------------------------------------------------------------------------- */

uint8_t opl3_read(Opl3 *o, unsigned port)
{
    if (port & 1) {
        return 0xff;
    }
    look_at_timers(o);
    return o->flags ? o->flags | STATUS_IRQ : 0;
}

void opl3_write(Opl3 *o, unsigned port, uint8_t value)
{
    if (!(port & 1)) {          /* before NEW is set there is one array, but for NEW itself */
        bool second = port & 2 && (o->reg[NEW] & 1 || value == (NEW & 0xff));

        o->address = value | (second ? 0x100 : 0);
        return;
    }
    if (o->address == TIMER_CONTROL) {
        control_timers(o, value);
        return;
    }
    if (o->address == TIMER1 || o->address == TIMER2) {
        look_at_timers(o);
    }
    audio_voice_sync(o->voice);         /* what was played until now was played as it was */
    o->reg[o->address] = value;
    OPL3_WriteReg(&o->synth->chip, o->address, value);
    remember(o);
    if (keys_down(o)) {
        o->quiet = 0;
        run(o, true);
    }
}

void opl3_volume(Opl3 *o, uint32_t left, uint32_t right)
{
    audio_voice_volume(o->voice, left, right);
}

/* --- life --------------------------------------------------------------------------------------- */

void opl3_init(Opl3 *o, Device *dev, Audio *a)
{
    AudioFormat format = { OPL3_RATE, 2, 16, true };
    AudioClient client = { .transfer = opl3_transfer, .opaque = o };

    o->dev = dev;
    o->synth = g_new0(struct Opl3Synth, 1);
    o->voice = audio_voice_new(a, dev->machine, &client, false);
    audio_voice_format(o->voice, &format);
    OPL3_Reset(&o->synth->chip, OPL3_RATE);
    remember(o);
}

void opl3_finish(Opl3 *o)
{
    audio_voice_free(o->voice);
    g_free(o->synth);
}

void opl3_reset(Opl3 *o)
{
    run(o, false);
    memset(o->reg, 0, sizeof o->reg);
    o->address = 0;
    o->flags = 0;
    o->quiet = 0;
    o->timer_start[0] = o->timer_start[1] = 0;
    OPL3_Reset(&o->synth->chip, OPL3_RATE);
    remember(o);
}

bool opl3_loaded(Opl3 *o, GError **error)
{
    int64_t now = vm_now(o->dev);
    Opl3 loaded;

    if (o->timer_start[0] > now || o->timer_start[1] > now || o->timer_start[0] < 0 ||
        o->timer_start[1] < 0 || (o->flags & ~(STATUS_TIMER1 | STATUS_TIMER1 >> 1))) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "a timer of the synthesizer is wrong");
        return false;
    }
    loaded = *o;
    audio_voice_run(o->voice, false);   /* asks for what was to be heard until now */
    *o = loaded;
    OPL3_Reset(&o->synth->chip, OPL3_RATE);
    OPL3_WriteReg(&o->synth->chip, NEW, o->reg[NEW]);   /* the others mean what these two say */
    OPL3_WriteReg(&o->synth->chip, FOUR_OP, o->reg[FOUR_OP]);
    for (unsigned i = 0; i < sizeof o->reg; i++) {
        if (i != TIMER_CONTROL) {
            OPL3_WriteReg(&o->synth->chip, i, o->reg[i]);
        }
    }
    recall(o);
    run(o, o->sounds);
    return true;
}

static const StateField operator_state[] = {
    STATE_U16_MAX(Opl3Operator, attenuation, ENVELOPE_END), STATE_U8_MAX(Opl3Operator, stage, STAGES - 1),
    STATE_U8_MAX(Opl3Operator, rate, RATES - 1), STATE_U8_MAX(Opl3Operator, step, STEP_MAX),
    STATE_U16(Opl3Operator, out), STATE_U16(Opl3Operator, before), STATE_U16(Opl3Operator, feedback),
    STATE_U32(Opl3Operator, phase), STATE_END
};

const StateField opl3_state[] = {
    STATE_BYTES(Opl3, reg), STATE_U16_MAX(Opl3, address, 511), STATE_U8(Opl3, flags),
    STATE_I64(Opl3, timer_start[0]), STATE_I64(Opl3, timer_start[1]), STATE_U32_MAX(Opl3, quiet, QUIET_ENOUGH),
    STATE_BOOL(Opl3, sounds), STATE_STRUCT_ARRAY(Opl3, op, operator_state), STATE_U16(Opl3, ticks),
    STATE_U8_MAX(Opl3, vibrato, VIBRATO_STEPS - 1), STATE_U8(Opl3, tremolo),
    STATE_U8_MAX(Opl3, tremolo_at, TREMOLO_STEPS - 1), STATE_U32(Opl3, noise), STATE_END
};
