/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keys.c - names of keys to XT set 1 codes (ui/input.h: 0x80 | code with an E0 prefix), and typing
 * of text on a US keyboard: xm send-key.
 */
#include <string.h>
#include <stdlib.h>
#include "tools/xm/xm.h"

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

static bool send(Xm *xm, const char *name, unsigned code, bool down, int *status)
{
    Value *params = xm_params(name, NULL);
    g_autoptr(Value) result = NULL;

    value_append(params, value_int(code));
    value_append(params, value_int(down));
    result = xm_call(xm, status, "xend.domain.send_key", params);
    return result != NULL;
}

static bool type_text(Xm *xm, const char *name, const char *text, int *status)
{
    for (; *text; text++) {
        bool shift, ok = true;
        unsigned code = keys_of_char(*text, &shift);

        if (!code) {
            xm_error("'%c' is not on a US keyboard", *text);
            *status = XM_FAILED;
            return false;
        }
        ok = (!shift || send(xm, name, 0x2a, true, status)) && send(xm, name, code, true, status) &&
             send(xm, name, code, false, status) && (!shift || send(xm, name, 0x2a, false, status));
        if (!ok) {
            return false;
        }
        g_usleep(20000);        /* a guest's keyboard queue holds 16 bytes */
    }
    return true;
}

int xm_send_key(Xm *xm, int argc, char **argv)
{
    int status = XM_OK;

    for (int i = 1; i < argc; i++) {
        unsigned codes[8], n;

        if (!strcmp(argv[i], "--text") && i + 1 < argc) {
            if (!type_text(xm, argv[0], argv[++i], &status)) {
                return status;
            }
            continue;
        }
        n = keys_parse(argv[i], codes, G_N_ELEMENTS(codes));
        if (!n) {
            xm_error("unknown key '%s'; write for example ctrl-alt-del, f12, ret, a, or --text "
                     "'some text'", argv[i]);
            return XM_FAILED;
        }
        for (unsigned k = 0; k < n; k++) {
            if (!send(xm, argv[0], codes[k], true, &status)) {
                return status;
            }
        }
        while (n--) {
            if (!send(xm, argv[0], codes[n], false, &status)) {
                return status;
            }
        }
        g_usleep(20000);
    }
    return status;
}
