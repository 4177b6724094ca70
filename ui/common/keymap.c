/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keymap.c - libxkbcommon compiles the guest's layout; a table from key symbols to keys and shift
 * levels is made of it once.  The user's own layout may differ: a symbol is produced with whatever
 * shifts the guest's layout needs, pressed or lifted around the key.  Left out: dead key sequences
 * and symbols that need more than Shift and AltGr.
 */
#include "ui/common/keymap.h"

#include <string.h>
#include <xkbcommon/xkbcommon-keysyms.h>
#include <xkbcommon/xkbcommon.h>
#include "ui/input.h"

enum { XKB_OFFSET = 8, LEVELS = 4, HELD_MAX = 32, ALTGR_LAYOUT = 4 };
enum { CODE_LSHIFT = 0x2a, CODE_RSHIFT = 0x36, CODE_ALTGR = 0xb8, CODE_LCTRL = 0x1d,
       CODE_RCTRL = 0x9d, CODE_LALT = 0x38, CODE_NUM = 0x45, CODE_LMETA = 0xdb, CODE_RMETA = 0xdc };
enum { LEVEL_SHIFT = 1, LEVEL_ALTGR = 2 };
enum { LED_NUM = 2, LED_CAPS = 4 };

typedef struct Held {
    const void *owner;          /* NULL: free */
    uint32_t keysym;
    uint8_t code;
} Held;

struct Keymap {
    GHashTable *keys;           /* keysym -> level << 8 | code */
    unsigned leds;
    unsigned altgr_symbols;     /* printable symbols that need AltGr */
    uint8_t down[32];           /* codes the guest sees as held */
    Held held[HELD_MAX];
};

unsigned keymap_from_evdev(unsigned evdev)
{
    static const struct { uint8_t evdev, code; } others[] = {
        { 89, 0x73 }, { 92, 0x79 }, { 93, 0x70 }, { 94, 0x7b }, { 96, 0x9c }, { 97, 0x9d },
        { 98, 0xb5 }, { 99, 0xb7 }, { 100, 0xb8 }, { 102, 0xc7 }, { 103, 0xc8 }, { 104, 0xc9 },
        { 105, 0xcb }, { 106, 0xcd }, { 107, 0xcf }, { 108, 0xd0 }, { 109, 0xd1 }, { 110, 0xd2 },
        { 111, 0xd3 }, { 113, 0xa0 }, { 114, 0xae }, { 115, 0xb0 }, { 116, 0xde },
        { 119, INPUT_KEY_PAUSE }, { 121, 0x7e }, { 124, 0x7d }, { 125, 0xdb }, { 126, 0xdc },
        { 127, 0xdd }, { 142, 0xdf }, { 143, 0xe3 },
    };

    if (evdev >= 1 && evdev <= 88 && evdev != 84 && evdev != 85) {
        return evdev;                   /* the kernel's numbers began as set 1's */
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(others); i++) {
        if (others[i].evdev == evdev) {
            return others[i].code;
        }
    }
    return 0;
}

/* --- the table --------------------------------------------------------------------------------- */

/* Only symbols whose level says something: F1 or Return with Shift stay what they are. */
static bool is_printable(uint32_t keysym)
{
    return (keysym >= 0x20 && keysym < 0xfe00) || (keysym & 0xff000000) == 0x01000000;
}

static void add_symbol(Keymap *k, uint32_t keysym, unsigned code, unsigned level)
{
    if (keysym && !g_hash_table_contains(k->keys, GUINT_TO_POINTER(keysym))) {
        g_hash_table_insert(k->keys, GUINT_TO_POINTER(keysym), GUINT_TO_POINTER(level << 8 | code));
        k->altgr_symbols += (level & LEVEL_ALTGR) && is_printable(keysym);
    }
}

static void add_level(Keymap *k, struct xkb_keymap *map, unsigned level)
{
    for (xkb_keycode_t key = xkb_keymap_min_keycode(map); key <= xkb_keymap_max_keycode(map);
         key++) {
        unsigned code = key >= XKB_OFFSET ? keymap_from_evdev(key - XKB_OFFSET) : 0;
        const xkb_keysym_t *syms;

        if (code && level < xkb_keymap_num_levels_for_key(map, key, 0) &&
            xkb_keymap_key_get_syms_by_level(map, key, 0, level, &syms) == 1) {
            add_symbol(k, syms[0], code, level);
        }
    }
}

/* Keys every keyboard has, whatever the layout makes of their places. */
static void add_fixed(Keymap *k)
{
    static const struct { uint32_t keysym; uint8_t code; } fixed[] = {
        { XKB_KEY_Shift_L, CODE_LSHIFT }, { XKB_KEY_Shift_R, CODE_RSHIFT },
        { XKB_KEY_Control_L, CODE_LCTRL }, { XKB_KEY_Control_R, CODE_RCTRL },
        { XKB_KEY_Alt_L, CODE_LALT }, { XKB_KEY_Meta_L, CODE_LALT },
        { XKB_KEY_Alt_R, CODE_ALTGR }, { XKB_KEY_Meta_R, CODE_ALTGR },
        { XKB_KEY_ISO_Level3_Shift, CODE_ALTGR }, { XKB_KEY_Mode_switch, CODE_ALTGR },
        { XKB_KEY_Super_L, CODE_LMETA }, { XKB_KEY_Super_R, CODE_RMETA },
        { XKB_KEY_ISO_Left_Tab, 0x0f }, { XKB_KEY_Print, 0xb7 }, { XKB_KEY_Sys_Req, 0xb7 },
        { XKB_KEY_Pause, INPUT_KEY_PAUSE }, { XKB_KEY_Break, INPUT_KEY_PAUSE },
        { XKB_KEY_Num_Lock, CODE_NUM }, { XKB_KEY_Scroll_Lock, 0x46 },
        { XKB_KEY_KP_Delete, 0x53 }, { XKB_KEY_KP_Decimal, 0x53 }, { XKB_KEY_KP_Separator, 0x53 },
        { XKB_KEY_KP_Enter, 0x9c }, { XKB_KEY_Menu, 0xdd },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(fixed); i++) {
        g_hash_table_insert(k->keys, GUINT_TO_POINTER(fixed[i].keysym),
                            GUINT_TO_POINTER(fixed[i].code));
    }
    for (unsigned i = 0; i < 10; i++) {
        static const uint8_t keypad[10] = { 0x52, 0x4f, 0x50, 0x51, 0x4b, 0x4c, 0x4d, 0x47, 0x48,
                                            0x49 };

        g_hash_table_insert(k->keys, GUINT_TO_POINTER(XKB_KEY_KP_0 + i),
                            GUINT_TO_POINTER(keypad[i]));
    }
}

/* qemu-dm's names for layouts, where XKB's are others. */
static void xkb_names(const char *name, char **layout, char **variant)
{
    static const char *const names[][3] = {
        { "en-us", "us", "" }, { "en-gb", "gb", "" }, { "de-ch", "ch", "de" }, { "fr-be", "be", "" },
        { "fr-ca", "ca", "" }, { "fr-ch", "ch", "fr" }, { "nl-be", "be", "" }, { "da", "dk", "" },
        { "sv", "se", "" }, { "ja", "jp", "" }, { "pt-br", "br", "" }, { "sl", "si", "" },
        { "et", "ee", "" }, { "ar", "ara", "" }, { "bepo", "fr", "bepo" }, { "ca", "es", "cat" },
    };
    const char *paren;

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        if (!strcmp(name, names[i][0])) {
            *layout = g_strdup(names[i][1]);
            *variant = g_strdup(names[i][2]);
            return;
        }
    }
    paren = strchr(name, '(');
    *layout = paren ? g_strndup(name, paren - name) : g_strdup(name);
    *variant = paren ? g_strndup(paren + 1, strcspn(paren + 1, ")")) : g_strdup("");
}

Keymap *keymap_new(const char *name, GError **error)
{
    struct xkb_context *context = xkb_context_new(XKB_CONTEXT_NO_ENVIRONMENT_NAMES);
    g_autofree char *layout = NULL, *variant = NULL;
    struct xkb_keymap *map = NULL;
    Keymap *k;

    xkb_names(name, &layout, &variant);
    if (context) {
        struct xkb_rule_names rules = { "evdev", "pc105", layout, variant, NULL };

        xkb_context_set_log_level(context, XKB_LOG_LEVEL_CRITICAL);
        map = xkb_keymap_new_from_names(context, &rules, XKB_KEYMAP_COMPILE_NO_FLAGS);
    }
    if (!map) {
        xkb_context_unref(context);
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT, "keyboard layout \"%s\" is not known",
                    name);
        return NULL;
    }
    k = g_new0(Keymap, 1);
    k->keys = g_hash_table_new(NULL, NULL);
    for (unsigned level = 0; level < LEVELS; level++) {     /* the fewest shifts win */
        add_level(k, map, level);
    }
    add_fixed(k);
    xkb_keymap_unref(map);
    xkb_context_unref(context);
    return k;
}

void keymap_free(Keymap *k)
{
    if (k) {
        g_hash_table_unref(k->keys);
        g_free(k);
    }
}

void keymap_set_leds(Keymap *k, unsigned leds)
{
    k->leds = leds;
}

/* --- keys -------------------------------------------------------------------------------------- */

typedef struct Steps {
    KeyStep *step;
    unsigned n;
} Steps;

static bool is_down(const Keymap *k, unsigned code)
{
    return k->down[code >> 3] >> (code & 7) & 1;
}

static void put(Steps *s, unsigned code, bool down)
{
    if (s->n < KEYMAP_STEPS) {
        s->step[s->n++] = (KeyStep){ code, down };
    }
}

static void put_kept(Keymap *k, Steps *s, unsigned code, bool down)
{
    uint8_t bit = 1 << (code & 7);

    put(s, code, down);
    k->down[code >> 3] = down ? k->down[code >> 3] | bit : k->down[code >> 3] & ~bit;
}

static bool is_shift(unsigned code)
{
    return code == CODE_LSHIFT || code == CODE_RSHIFT || code == CODE_ALTGR ||
           code == CODE_LCTRL || code == CODE_RCTRL || code == CODE_LALT || code == CODE_LMETA ||
           code == CODE_RMETA;
}

static bool is_letter(uint32_t keysym)
{
    return xkb_keysym_to_upper(keysym) != xkb_keysym_to_lower(keysym);
}

static bool is_keypad_digit(uint32_t keysym)
{
    return (keysym >= XKB_KEY_KP_0 && keysym <= XKB_KEY_KP_9) || keysym == XKB_KEY_KP_Decimal ||
           keysym == XKB_KEY_KP_Separator;
}

static bool is_keypad_motion(uint32_t keysym)
{
    return keysym >= XKB_KEY_KP_Home && keysym <= XKB_KEY_KP_Delete && keysym != XKB_KEY_KP_Begin;
}

/* Shortcuts are left alone: there the user means keys, not symbols. */
static bool is_shortcut(const Keymap *k)
{
    return is_down(k, CODE_LCTRL) || is_down(k, CODE_RCTRL) || is_down(k, CODE_LALT) ||
           is_down(k, CODE_LMETA) || is_down(k, CODE_RMETA) ||
           (is_down(k, CODE_ALTGR) && k->altgr_symbols < ALTGR_LAYOUT);
}

static void press_symbol(Keymap *k, Steps *s, uint32_t keysym, unsigned code, unsigned level)
{
    bool lshift = is_down(k, CODE_LSHIFT), rshift = is_down(k, CODE_RSHIFT);
    bool altgr = is_down(k, CODE_ALTGR), has_shift = lshift || rshift;
    bool want_shift = level & LEVEL_SHIFT, want_altgr = level & LEVEL_ALTGR;

    if (is_letter(keysym) && (k->leds & LED_CAPS)) {
        want_shift = !want_shift;
    }
    if (want_shift && !has_shift) {
        put(s, CODE_LSHIFT, true);
    } else if (!want_shift && has_shift) {
        if (lshift) {
            put(s, CODE_LSHIFT, false);
        }
        if (rshift) {
            put(s, CODE_RSHIFT, false);
        }
    }
    if (want_altgr != altgr) {
        put(s, CODE_ALTGR, want_altgr);
    }
    put_kept(k, s, code, true);
    if (want_altgr != altgr) {
        put(s, CODE_ALTGR, altgr);
    }
    if (want_shift && !has_shift) {
        put(s, CODE_LSHIFT, false);
    } else if (!want_shift && has_shift) {
        if (lshift) {
            put(s, CODE_LSHIFT, true);
        }
        if (rshift) {
            put(s, CODE_RSHIFT, true);
        }
    }
}

static void press(Keymap *k, Steps *s, uint32_t keysym, unsigned code, unsigned level)
{
    if (is_keypad_digit(keysym) && !(k->leds & LED_NUM)) {
        put(s, CODE_NUM, true);
        put(s, CODE_NUM, false);
        k->leds |= LED_NUM;
    }
    if (is_printable(keysym) && !is_shift(code) && !is_shortcut(k)) {
        press_symbol(k, s, keysym, code, level);
    } else {
        put_kept(k, s, code, true);
    }
}

static Held *find_held(Keymap *k, const void *owner, uint32_t keysym)
{
    for (unsigned i = 0; i < HELD_MAX; i++) {
        if (k->held[i].owner == owner && (!owner || k->held[i].keysym == keysym)) {
            return &k->held[i];
        }
    }
    return NULL;
}

static bool code_held(const Keymap *k, unsigned code)
{
    for (unsigned i = 0; i < HELD_MAX; i++) {
        if (k->held[i].owner && k->held[i].code == code) {
            return true;
        }
    }
    return false;
}

static void let_go(Keymap *k, Steps *s, Held *h)
{
    h->owner = NULL;
    if (!code_held(k, h->code)) {       /* nobody else holds the same key */
        put_kept(k, s, h->code, false);
    }
}

unsigned keymap_key(Keymap *k, const void *owner, uint32_t keysym, bool down,
                    KeyStep steps[KEYMAP_STEPS])
{
    unsigned key = GPOINTER_TO_UINT(g_hash_table_lookup(k->keys, GUINT_TO_POINTER(keysym)));
    unsigned code = key & 0xff;
    Held *h = find_held(k, owner, keysym);
    Steps s = { steps, 0 };

    if (!down) {
        for (unsigned i = 0; !h && code && i < HELD_MAX; i++) {
            /* Released under another symbol: Shift went first. */
            if (k->held[i].owner == owner && k->held[i].code == code) {
                h = &k->held[i];
            }
        }
        if (h) {
            let_go(k, &s, h);
        }
        return s.n;
    }
    if (!code || h) {
        return 0;                       /* unknown; or the client repeats, the guest does that */
    }
    if (is_keypad_motion(keysym) && (k->leds & LED_NUM)) {
        code |= 0x80;                   /* the grey key of the same name needs no Num Lock */
    }
    h = find_held(k, NULL, 0);
    if (!h) {
        return 0;
    }
    *h = (Held){ owner, keysym, code };
    press(k, &s, keysym, code, key >> 8);
    return s.n;
}

unsigned keymap_release(Keymap *k, const void *owner, KeyStep *step)
{
    for (unsigned i = 0; i < HELD_MAX; i++) {
        if (k->held[i].owner == owner) {
            KeyStep steps[KEYMAP_STEPS];
            Steps s = { steps, 0 };

            let_go(k, &s, &k->held[i]);
            if (s.n) {
                *step = steps[0];
                return 1;
            }
        }
    }
    return 0;
}
