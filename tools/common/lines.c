/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lines.c - what serial=, parallel=, soundhw= and audio= say.  Only the text is looked at; xend
 * opens what it names.
 */
#include "tools/common/domain_config.h"

#include <stdlib.h>
#include <string.h>

#define BAD(pos, ...) message_add(messages, MESSAGE_ERROR, pos, __VA_ARGS__)

static const char *const sound_cards[] = { "es1370", "ac97" };

char *sound_parse(const char *text, SourcePos pos, Messages *messages)
{
    g_auto(GStrv) names = g_strsplit(text, ",", -1);
    g_autoptr(GString) all = g_string_new(NULL);
    bool wanted[G_N_ELEMENTS(sound_cards)] = { false };

    for (char **n = names; *n; n++) {
        const char *name = g_strstrip(*n);
        bool known = !*name;

        for (unsigned i = 0; i < G_N_ELEMENTS(sound_cards); i++) {
            if (!strcmp(name, "all") || !strcmp(name, sound_cards[i])) {
                wanted[i] = known = true;
            }
        }
        if (!known) {
            g_autofree char *list = g_strjoin(", ", "all", NULL);

            for (unsigned i = 0; i < G_N_ELEMENTS(sound_cards); i++) {
                char *longer = g_strjoin(", ", sound_cards[i], list, NULL);

                g_free(list);
                list = longer;
            }
            BAD(pos, "sound card '%s' is unknown; use %s", name, list);
        }
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(sound_cards); i++) {
        if (wanted[i]) {
            g_string_append_printf(all, "%s%s", all->len ? "," : "", sound_cards[i]);
        }
    }
    return g_string_free(g_steal_pointer(&all), FALSE);
}

bool audio_parse(AudioConfig *a, const char *text, SourcePos pos, Messages *messages)
{
    if (!*text || !strcmp(text, "none")) {
        return true;
    }
    if (g_str_has_prefix(text, "wav:/")) {
        a->wav = g_strdup(text + 4);
        return true;
    }
    BAD(pos, "audio='%s' is not available; use none or wav:/PATH", text);
    return false;
}
