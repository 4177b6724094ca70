/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * eeprom93.c - 93C46 in its 64 x 16 organisation: start bit, two bits of opcode, six of address.
 * READ goes on with the following word, as the part does while it stays selected.
 */
#include "hw/eeprom93.h"

#define COMMAND_BITS 9          /* with the start bit */
#define WORD_BITS 16

enum { OP_EXTENDED = 0, OP_WRITE = 1, OP_READ = 2, OP_ERASE = 3 };
enum { EXT_EWDS = 0, EXT_WRAL = 1, EXT_ERAL = 2, EXT_EWEN = 3 };    /* the two top address bits */

static void fill(Eeprom93 *e, uint16_t value)
{
    for (unsigned i = 0; i < EEPROM93_WORDS && e->writable; i++) {
        e->word[i] = value;
    }
}

static void extended(Eeprom93 *e, unsigned addr)
{
    switch (addr >> 4) {
    case EXT_EWDS: e->writable = false; break;
    case EXT_EWEN: e->writable = true; break;
    case EXT_ERAL: fill(e, 0xffff); break;
    case EXT_WRAL: e->taking_data = true; break;
    }
}

static void command(Eeprom93 *e)
{
    unsigned op = e->in >> 6 & 3, addr = e->in & (EEPROM93_WORDS - 1);

    switch (op) {
    case OP_READ:
        e->out = e->word[addr];
        e->left = WORD_BITS;
        e->data_out = false;    /* a dummy 0 comes before the word */
        return;
    case OP_WRITE:
        e->taking_data = true;
        return;
    case OP_ERASE:
        if (e->writable) {
            e->word[addr] = 0xffff;
        }
        break;
    case OP_EXTENDED:
        extended(e, addr);
        break;
    }
    if (!e->taking_data) {
        e->count = 0;
    }
}

static void take_word(Eeprom93 *e)
{
    unsigned op = e->in >> (WORD_BITS + 6) & 3;

    if (op == OP_EXTENDED) {
        fill(e, e->in);
    } else if (e->writable) {
        e->word[e->in >> WORD_BITS & (EEPROM93_WORDS - 1)] = e->in;
    }
    e->taking_data = false;
    e->count = 0;
    e->data_out = true;         /* ready */
}

static void give_bit(Eeprom93 *e)
{
    e->data_out = e->out >> --e->left & 1;
    if (e->left == 0) {
        e->in = (e->in & ~(EEPROM93_WORDS - 1u)) | ((e->in + 1) & (EEPROM93_WORDS - 1));
        e->out = e->word[e->in & (EEPROM93_WORDS - 1)];
        e->left = WORD_BITS;
    }
}

static void rising_edge(Eeprom93 *e, bool bit)
{
    if (e->left) {
        give_bit(e);
        return;
    }
    if (e->count == 0 && !bit) {
        return;                 /* waiting for the start bit */
    }
    e->in = e->in << 1 | bit;
    e->count++;
    if (e->taking_data && e->count == COMMAND_BITS + WORD_BITS) {
        take_word(e);
    } else if (!e->taking_data && e->count == COMMAND_BITS) {
        command(e);
    }
}

void eeprom93_pins(Eeprom93 *e, bool select, bool clock, bool data_in)
{
    bool rise = clock && !e->clock;

    e->clock = clock;
    if (!select || !e->select) {        /* selecting begins anew; DO says "ready" */
        e->count = e->left = 0;
        e->in = 0;
        e->taking_data = false;
        e->data_out = true;
    }
    e->select = select;
    if (select && rise) {
        rising_edge(e, data_in);
    }
}

bool eeprom93_9346_write(Eeprom93 *e, uint8_t *cr, uint8_t value)
{
    bool program = (value & EE_MODE) == EE_PROGRAM, load = (value & EE_MODE) == EE_AUTOLOAD;

    *cr = value & ~(load ? EE_DO | EE_MODE : EE_DO);
    eeprom93_pins(e, program && (value & EE_CS), value & EE_SK, value & EE_DI);
    return load;
}

uint8_t eeprom93_9346_read(const Eeprom93 *e, uint8_t cr)
{
    return cr | (e->data_out ? EE_DO : 0);
}

void eeprom93_reset(Eeprom93 *e)
{
    e->in = e->out = 0;
    e->count = e->left = e->clock = e->select = 0;
    e->data_out = true;
    e->taking_data = e->writable = false;
}

void eeprom93_loaded(Eeprom93 *e)
{
    unsigned limit = e->taking_data ? COMMAND_BITS + WORD_BITS : COMMAND_BITS;

    if (e->count > limit || (e->count == limit && !e->left)) {
        eeprom93_reset(e);
    }
}

const StateField eeprom93_state[] = {
    STATE_U16_ARRAY(Eeprom93, word), STATE_U32(Eeprom93, in), STATE_U16(Eeprom93, out),
    STATE_U8_MAX(Eeprom93, count, COMMAND_BITS + WORD_BITS),
    STATE_U8_MAX(Eeprom93, left, WORD_BITS), STATE_U8_MAX(Eeprom93, clock, 1),
    STATE_U8_MAX(Eeprom93, select, 1), STATE_BOOL(Eeprom93, data_out),
    STATE_BOOL(Eeprom93, taking_data), STATE_BOOL(Eeprom93, writable), STATE_END
};
