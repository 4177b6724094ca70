/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keys.h - names of keys to XT set 1 codes (ui/input.h: 0x80 | code with an E0 prefix), and where
 * characters are on a US keyboard: xm send-key, the monitor's sendkey.
 */
#ifndef GH_TOOLS_KEYS_H
#define GH_TOOLS_KEYS_H

#include <stdbool.h>

/* "ctrl-alt-del" to codes; their number, 0: unknown name, or more than max. */
unsigned keys_parse(const char *text, unsigned *codes, unsigned max);
unsigned keys_of_char(char c, bool *shift);     /* 0: no such key */

#endif
