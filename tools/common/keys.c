/* SPDX-License-Identifier: GPL-2.0-or-later */
/* keys.c - see keys.h. */
#include "tools/common/keys.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

typedef struct KeyName {
    const char *name;
    unsigned char code;
} KeyName;

static const KeyName names[] = {
    { "esc", 0x01 }, { "minus", 0x0c }, { "equal", 0x0d }, { "backspace", 0x0e }, { "tab", 0x0f },
    { "ret", 0x1c }, { "enter", 0x1c }, { "return", 0x1c }, { "ctrl", 0x1d }, { "shift", 0x2a },
    { "slash", 0x35 }, { "shift_r", 0x36 }, { "asterisk", 0x37 }, { "alt", 0x38 },
    { "spc", 0x39 }, { "space", 0x39 }, { "caps_lock", 0x3a }, { "f1", 0x3b }, { "f2", 0x3c },
    { "f3", 0x3d }, { "f4", 0x3e }, { "f5", 0x3f }, { "f6", 0x40 }, { "f7", 0x41 },
    { "f8", 0x42 }, { "f9", 0x43 }, { "f10", 0x44 }, { "num_lock", 0x45 },
    { "scroll_lock", 0x46 }, { "f11", 0x57 }, { "f12", 0x58 }, { "ctrl_r", 0x9d },
    { "print", 0xb7 }, { "sysrq", 0xb7 }, { "alt_r", 0xb8 }, { "pause", 0xc6 }, { "home", 0xc7 },
    { "up", 0xc8 }, { "pgup", 0xc9 }, { "left", 0xcb }, { "right", 0xcd }, { "end", 0xcf },
    { "down", 0xd0 }, { "pgdn", 0xd1 }, { "insert", 0xd2 }, { "ins", 0xd2 }, { "delete", 0xd3 },
    { "del", 0xd3 }, { "meta_l", 0xdb }, { "win", 0xdb }, { "menu", 0xdd },
};

unsigned keys_of_char(char c, bool *shift)
{
    /* By code from 0x02 on; the second row is with Shift. */
    static const char plain[] = "1234567890-=\b\tqwertyuiop[]\n\1asdfghjkl;'`\1\\zxcvbnm,./";
    static const char shifted[] = "!@#$%^&*()_+\b\tQWERTYUIOP{}\n\1ASDFGHJKL:\"~\1|ZXCVBNM<>?";
    const char *p;

    *shift = false;
    if (c == ' ') {
        return 0x39;
    }
    if (c <= 1) {
        return 0;
    }
    p = strchr(plain, c);
    if (p) {
        return 0x02 + (p - plain);
    }
    p = strchr(shifted, c);
    *shift = p != NULL;
    return p ? 0x02 + (p - shifted) : 0;
}

static unsigned key_code(const char *name)
{
    char *end;
    unsigned long code;
    bool shift;

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        if (!g_ascii_strcasecmp(names[i].name, name)) {
            return names[i].code;
        }
    }
    if (strlen(name) == 1) {
        return keys_of_char(g_ascii_tolower(*name), &shift);
    }
    code = strtoul(name, &end, 0);
    return !strncmp(name, "0x", 2) && !*end && code < 256 ? code : 0;
}

unsigned keys_parse(const char *text, unsigned *codes, unsigned max)
{
    g_auto(GStrv) parts = g_strsplit(text, "-", -1);
    unsigned n = 0;

    if (!strcmp(text, "-")) {
        codes[0] = 0x0c;
        return 1;
    }
    for (char **p = parts; *p; p++) {
        unsigned code = key_code(*p);

        if (!code || n == max) {
            return 0;
        }
        codes[n++] = code;
    }
    return n;
}
