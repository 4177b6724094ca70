/* SPDX-License-Identifier: GPL-2.0-or-later */
/* keymap.c - symbols to keys for several layouts, with the shifts around them. */
#include "ui/common/keymap.h"

#include <criterion/criterion.h>

enum { SHIFT = 0xffe1, CTRL = 0xffe3, KP_7 = 0xffb7, KP_HOME = 0xff95, RETURN = 0xff0d };

static char *type(Keymap *k, uint32_t keysym, bool down)
{
    static char text[160];
    KeyStep steps[KEYMAP_STEPS];
    unsigned n = keymap_key(k, k, keysym, down, steps), at = 0;

    text[0] = 0;
    for (unsigned i = 0; i < n; i++) {
        at += g_snprintf(text + at, sizeof text - at, "%02x%c", steps[i].code,
                         steps[i].down ? '+' : '-');
    }
    return text;
}

static Keymap *load(const char *layout)
{
    Keymap *k = keymap_new(layout, NULL);

    cr_assert(k, "%s", layout);
    return k;
}

Test(keymap, all_layouts_of_qemu_dm_are_known)
{
    static const char *const names[] = {
        "ar", "bepo", "cz", "da", "de", "de-ch", "en-gb", "en-us", "es", "et", "fi", "fo", "fr",
        "fr-be", "fr-ca", "fr-ch", "hr", "hu", "is", "it", "ja", "lt", "lv", "mk", "nl", "no", "pl",
        "pt", "pt-br", "ru", "sl", "sv", "th", "tr" };

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        keymap_free(load(names[i]));
    }
    GError *error = NULL;

    cr_expect_null(keymap_new("klingon-x", &error));
    cr_expect(error);
    g_clear_error(&error);
}

Test(keymap, us_letters_digits_and_return)
{
    Keymap *k = load("en-us");

    cr_expect_str_eq(type(k, 'a', true), "1e+");
    cr_expect_str_eq(type(k, 'a', true), "", "the guest repeats");
    cr_expect_str_eq(type(k, 'a', false), "1e-");
    cr_expect_str_eq(type(k, RETURN, true), "1c+");
    cr_expect_str_eq(type(k, RETURN, false), "1c-");
    keymap_free(k);
}

Test(keymap, shift_is_added_and_taken_away_as_the_layout_needs)
{
    Keymap *k = load("en-us");

    cr_expect_str_eq(type(k, 'A', true), "2a+1e+2a-");
    cr_expect_str_eq(type(k, 'A', false), "1e-");
    cr_expect_str_eq(type(k, SHIFT, true), "2a+");
    cr_expect_str_eq(type(k, '"', true), "28+");
    cr_expect_str_eq(type(k, '"', false), "28-");
    cr_expect_str_eq(type(k, '/', true), "2a-35+2a+", "Shift+7 on the user's keyboard");
    keymap_free(k);
}

Test(keymap, german_altgr_symbols_and_swapped_letters)
{
    Keymap *k = load("de");

    cr_expect_str_eq(type(k, 'z', true), "15+");
    cr_expect_str_eq(type(k, '@', true), "b8+10+b8-");
    cr_expect_str_eq(type(k, 0xe4, true), "28+", "a umlaut");
    cr_expect_str_eq(type(k, '{', true), "b8+08+b8-");
    keymap_free(k);
}

Test(keymap, release_under_another_symbol_releases_the_key)
{
    Keymap *k = load("en-us");

    type(k, SHIFT, true);
    cr_expect_str_eq(type(k, '@', true), "03+");
    type(k, SHIFT, false);
    cr_expect_str_eq(type(k, '2', false), "03-");
    keymap_free(k);
}

Test(keymap, caps_lock_of_the_guest_turns_shift_round)
{
    Keymap *k = load("en-us");

    keymap_set_leds(k, 4);
    cr_expect_str_eq(type(k, 'A', true), "1e+");
    cr_expect_str_eq(type(k, 'b', true), "2a+30+2a-");
    keymap_free(k);
}

Test(keymap, shortcuts_pass_as_keys)
{
    Keymap *k = load("en-us");

    type(k, CTRL, true);
    cr_expect_str_eq(type(k, 'C', true), "2e+");
    keymap_free(k);
}

Test(keymap, keypad_digits_see_to_num_lock)
{
    Keymap *k = load("en-us");

    cr_expect_str_eq(type(k, KP_7, true), "45+45-47+");
    cr_expect_str_eq(type(k, KP_7, false), "47-");
    cr_expect_str_eq(type(k, KP_HOME, true), "c7+");
    keymap_free(k);
}

Test(keymap, owners_release_what_they_hold)
{
    Keymap *k = load("en-us");
    KeyStep steps[KEYMAP_STEPS];
    int one, two;

    keymap_key(k, &one, 'a', true, steps);
    keymap_key(k, &two, 'a', true, steps);
    keymap_key(k, &two, 'b', true, steps);
    cr_expect_eq(keymap_release(k, &one, steps), 0, "the other still holds it");
    cr_expect_eq(keymap_release(k, &two, steps), 1);
    cr_expect_eq(keymap_release(k, &two, steps), 1);
    cr_expect_eq(keymap_release(k, &two, steps), 0);
    keymap_free(k);
}
