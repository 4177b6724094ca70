/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lines.c - what serial=, parallel=, gdbserver=, soundhw= and audio= say, and whether what they name
 * can be opened, as far as looking tells; xend opens it.
 */
#include "tools/common/domain_config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BAD(pos, ...) message_add(messages, MESSAGE_ERROR, pos, __VA_ARGS__)

/* HOST:PORT */
static bool parse_address(LineConfig *l, const char *text)
{
    const char *colon = strrchr(text, ':');
    char *end = NULL;
    guint64 port = colon && g_ascii_isdigit(colon[1]) ? g_ascii_strtoull(colon + 1, &end, 10) : 0;

    if (!end || *end || port == 0 || port > 65535) {
        return false;
    }
    l->host = g_strndup(text, colon - text);
    l->port = port;
    return true;
}

static bool parse_socket(LineConfig *l, const char *address, LineKind kind)
{
    g_auto(GStrv) parts = g_strsplit(address, ",", -1);

    l->kind = kind;
    for (char **p = parts[0] ? parts + 1 : parts; *p; p++) {
        if (!strcmp(*p, "server") || !strcmp(*p, "server=on")) {
            l->server = true;
        } else if (strcmp(*p, "nowait") && strcmp(*p, "wait=off") && strcmp(*p, "nodelay")) {
            return false;
        }
    }
    if (kind == LINE_UNIX) {
        l->path = g_strdup(parts[0] ? parts[0] : "");
        return *l->path == '/';
    }
    return parts[0] && parse_address(l, parts[0]);
}

static bool parse_line(LineConfig *l, const char *text)
{
    if (!strcmp(text, "pty") || !strcmp(text, "stdio")) {
        l->kind = LINE_PTY;
    } else if (!strcmp(text, "null") || !strcmp(text, "none")) {
        l->kind = LINE_NULL;
    } else if (g_str_has_prefix(text, "file:/")) {
        l->kind = LINE_FILE;
        l->path = g_strdup(text + 5);
    } else if (g_str_has_prefix(text, "/dev/")) {
        l->kind = LINE_HOST_DEVICE;
        l->path = g_strdup(text);
    } else if (g_str_has_prefix(text, "unix:")) {
        return parse_socket(l, text + 5, LINE_UNIX);
    } else if (g_str_has_prefix(text, "tcp:")) {
        return parse_socket(l, text + 4, LINE_TCP);
    } else if (g_str_has_prefix(text, "telnet:")) {
        l->telnet = true;
        return parse_socket(l, text + 7, LINE_TCP);
    } else {
        return false;
    }
    return true;
}

bool line_parse(LineConfig *l, const char *key, const char *text, SourcePos pos, Messages *messages)
{
    *l = (LineConfig){ .spec = g_strdup(text) };
    if (parse_line(l, text)) {
        return true;
    }
    BAD(pos, "%s='%s' is not available; use pty, stdio, null, file:/PATH, /dev/DEVICE, "
        "tcp:HOST:PORT[,server], telnet:HOST:PORT[,server] or unix:/PATH[,server]", key, text);
    return false;
}

/* A path that is written to, and made if it is not there. */
static bool can_be_made(const char *path)
{
    g_autofree char *dir = g_path_get_dirname(path);

    if (g_file_test(path, G_FILE_TEST_IS_DIR)) {
        errno = EISDIR;
        return false;
    }
    return access(path, W_OK) == 0 || (errno == ENOENT && access(dir, W_OK | X_OK) == 0);
}

void line_check_host(const LineConfig *l, const char *key, SourcePos pos, Messages *messages)
{
    if ((l->kind == LINE_FILE && !can_be_made(l->path)) ||
        (l->kind == LINE_UNIX && l->server && !can_be_made(l->path))) {
        BAD(pos, "%s='%s' can't be written (%s); check the path", key, l->spec, g_strerror(errno));
    } else if (l->kind == LINE_HOST_DEVICE && access(l->path, R_OK | W_OK) != 0) {
        BAD(pos, "%s='%s' can't be opened (%s); check the path and its permissions", key, l->spec,
            g_strerror(errno));
    }
}

bool gdb_parse(LineConfig *l, char **arch, const char *text, SourcePos pos, Messages *messages)
{
    g_auto(GStrv) part = g_strsplit(text, ",", 2);
    const char *place = part[0] ? part[0] : "", *mode = part[0] && part[1] ? part[1] : "auto";
    g_autofree char *address = strchr(place, ':') ? g_strdup(place)
                                                  : g_strconcat("127.0.0.1:", place, NULL);

    *l = (LineConfig){ .spec = g_strdup(text), .server = true };
    *arch = g_strdup(mode);
    l->kind = *place == '/' ? LINE_UNIX : LINE_TCP;
    if (l->kind == LINE_UNIX) {
        l->path = g_strdup(place);
    }
    if ((l->kind == LINE_UNIX || parse_address(l, address)) &&
        (!strcmp(mode, "auto") || !strcmp(mode, "i8086") ||
         !strcmp(mode, "i386") || !strcmp(mode, "x86-64"))) {
        return true;
    }
    BAD(pos, "gdbserver='%s' is no place for gdb; use PORT, HOST:PORT or /PATH, and behind it "
        ",i8086, ,i386 or ,x86-64 if gdb is not to be told what the guest runs", text);
    return false;
}

void line_clear(LineConfig *l)
{
    g_free(l->spec);
    g_free(l->path);
    g_free(l->host);
    *l = (LineConfig){ 0 };
}

static const char *const sound_cards[] = { "pcspk", "sb16", "es1370", "ac97" };

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
    if (!strcmp(text, "sdl")) {
        a->sdl = true;
        return true;
    }
    BAD(pos, "audio='%s' is not available; use sdl, wav:/PATH or none", text);
    return false;
}
