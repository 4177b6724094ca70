/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * eeprom93.h - a 93C46 serial EEPROM, 64 words of 16 bits, as network cards have one (the part's
 * data sheet; Microwire).  The card calls eeprom93_pins() with each change of its pins and reads
 * eeprom93.data_out.  Writing takes no time.  Device thread only.
 */
#ifndef GH_EEPROM93_H
#define GH_EEPROM93_H

#include "lib/state.h"

#define EEPROM93_WORDS 64

/* Realtek's 9346CR, by which their network chips let programs at the pins. */
enum { EE_DO = 1, EE_DI = 2, EE_SK = 4, EE_CS = 8, EE_MODE = 0xc0, EE_AUTOLOAD = 0x40, EE_PROGRAM = 0x80,
       EE_CONFIG = 0xc0 };

typedef struct Eeprom93 {
    uint16_t word[EEPROM93_WORDS];
    uint32_t in;                /* bits clocked in since the start bit */
    uint16_t out;
    uint8_t count;              /* of them, 0-25 */
    uint8_t left;               /* bits left to clock out, 0-16 */
    uint8_t clock, select;      /* pins */
    bool data_out;              /* DO */
    bool taking_data;           /* WRITE or WRAL: a word follows the address */
    bool writable;              /* after EWEN */
} Eeprom93;

void eeprom93_pins(Eeprom93 *e, bool select, bool clock, bool data_in);
/* A write to 9346CR, which *cr keeps.  True: the chip is to load its registers from the EEPROM anew. */
bool eeprom93_9346_write(Eeprom93 *e, uint8_t *cr, uint8_t value);
uint8_t eeprom93_9346_read(const Eeprom93 *e, uint8_t cr);
void eeprom93_reset(Eeprom93 *e);       /* pins low, writing disabled; the words stay */
/* After load: what the table's maxima can't say. */
void eeprom93_loaded(Eeprom93 *e);

extern const StateField eeprom93_state[];

#endif
