/* SPDX-License-Identifier: GPL-2.0-or-later */
/* check_display.c - the display: VNC, a window, the keyboard's layout, video memory. */
#include "tools/common/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define XKB_SYMBOLS "/usr/share/X11/xkb/symbols"

/* Layouts that qemu-dm has and XKB calls something else; the others are files of XKB's. */
static bool layout_is_known(const char *name)
{
    static const char *const others[] = { "en-us", "en-gb", "de-ch", "fr-be", "fr-ca", "fr-ch", "nl-be", "da", "sv",
                                          "ja", "pt-br", "sl", "et", "ar", "bepo", "ca" };
    g_autofree char *file = g_build_filename(XKB_SYMBOLS, name, NULL);

    for (unsigned i = 0; i < G_N_ELEMENTS(others); i++) {
        if (!strcmp(name, others[i])) {
            return true;
        }
    }
    return g_file_test(file, G_FILE_TEST_IS_REGULAR) || access(XKB_SYMBOLS, R_OK) != 0;
}

static void check_keymap(Check *c)
{
    const char *keymap = check_string(c, "keymap", c->facts->keymap ? c->facts->keymap : "en-us");

    if (!*keymap) {
        keymap = "en-us";
    }
    if (strlen(keymap) > 32 || keymap[strspn(keymap, "abcdefghijklmnopqrstuvwxyz"
                                             "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")]) {
        ERROR(c, check_position(c, "keymap"), "keymap='%s' is not a keyboard layout; write for example "
              "keymap='en-us'", keymap);
    } else if (!layout_is_known(keymap)) {
        ERROR(c, check_position(c, "keymap"), "keymap='%s' is unknown; write for example 'en-us', 'en-gb', 'de', "
              "'fr' or another file's name in " XKB_SYMBOLS, keymap);
    }
    c->d->keymap = g_strdup(keymap);
}

/* vfb=['vnc=1,vncdisplay=3']: the same keys, in another dress. */
static void check_vfb(Check *c)
{
    Value *v = check_value(c, "vfb");
    unsigned n = v && (v->kind == VALUE_LIST || v->kind == VALUE_TUPLE) ? value_len(v) : 0;

    if (n > 1) {
        ERROR(c, value_item(v, 1)->pos, "a domain has one display; remove this vfb entry");
    }
    for (unsigned i = 0; i < MIN(n, 1); i++) {
        Value *item = value_item(v, i);
        g_auto(GStrv) parts = g_strsplit(item->kind == VALUE_STR ? item->s : "", ",", -1);

        for (char **p = parts; *p; p++) {
            char *value = strchr(g_strstrip(*p), '=');

            if (!**p) {
                continue;
            }
            if (value) {
                *value++ = 0;
            }
            g_strstrip(*p);
            if (!value || (strcmp(*p, "type") && strcmp(*p, "videoram") && !schema_find(*p))) {
                ERROR(c, item->pos, "vfb entry '%s' is unknown; write for example "
                      "'vnc=1,vncdisplay=3'", *p);
            } else if (!strcmp(*p, "type")) {
                config_set((Config *)c->config, !strcmp(value, "sdl") ? "sdl" : "vnc",
                           value_at(value_int(1), item->pos), item->pos);
            } else {
                config_set((Config *)c->config, *p, value_at(value_str(g_strstrip(value)),
                                                             item->pos), item->pos);
            }
        }
    }
}

static void check_vnc_port(Check *c)
{
    DomainConfig *d = c->d;
    SourcePos pos = check_position(c, "vncdisplay");
    int fd;

    if (!d->vnc || !c->facts->check_host) {
        return;
    }
    if (d->vnc_display >= 0 && !d->vnc_unused) {
        fd = vnc_try_listen(d->vnc_listen, 5900 + d->vnc_display);
        if (fd >= 0) {
            close(fd);
        } else if (errno == EADDRINUSE) {
            ERROR(c, pos, "vncdisplay=%d: the display is busy (port %d is in use); choose another, "
                  "or write vncunused=1", d->vnc_display, 5900 + d->vnc_display);
        } else {
            ERROR(c, check_position(c, "vnclisten"), "vnclisten='%s': port %d can't be opened (%s)",
                  d->vnc_listen, 5900 + d->vnc_display, g_strerror(errno));
        }
    }
}

void check_display(Check *c)
{
    DomainConfig *d = c->d;
    const char *listen_on, *password;
    uint8_t address[16];
    Value *full = check_value(c, "full-screen");

    check_vfb(c);
    d->sdl = check_truth(c, "sdl", false);
    d->vnc = check_truth(c, "vnc", !d->sdl);
    d->vnc_unused = check_truth(c, "vncunused", true);
    d->vnc_display = check_integer(c, "vncdisplay", -1, 0, 65535 - 5900, "");
    d->full_screen = check_truth(c, full ? "full-screen" : check_value(c, "full_screen") ? "full_screen"
                           : "fullscreen", false);
    d->nographic = check_truth(c, "nographic", false);
    d->viewer = check_truth(c, "vncviewer", false);
    d->viewer |= check_truth(c, "vncconsole", false);
    if (d->nographic) {
        d->sdl = d->vnc = false;
    }
    listen_on = check_string(c, "vnclisten", c->facts->vnc_listen ? c->facts->vnc_listen : "127.0.0.1");
    listen_on = *listen_on ? listen_on : "127.0.0.1";
    if (inet_pton(AF_INET, listen_on, address) != 1 &&
        inet_pton(AF_INET6, listen_on, address) != 1) {
        ERROR(c, check_position(c, "vnclisten"), "vnclisten='%s' is not an IP address; write 127.0.0.1, "
              "or 0.0.0.0 for all", listen_on);
        listen_on = "127.0.0.1";
    }
    d->vnc_listen = g_strdup(listen_on);
    password = check_string(c, "vncpasswd", c->facts->vnc_password ? c->facts->vnc_password : "");
    if (strlen(password) > 8) {
        WARN(c, check_position(c, "vncpasswd"), "vncpasswd has more than 8 characters; VNC uses the "
             "first 8 only");
    }
    d->vnc_password = *password ? g_strndup(password, 8) : NULL;
    check_vnc_port(c);
    check_keymap(c);
    d->std_vga = check_truth(c, "stdvga", false);
    d->video_ram = check_integer(c, "videoram", 8, 1, 256, "MiB");
    if (d->video_ram & (d->video_ram - 1)) {
        unsigned up = 1;

        while (up < d->video_ram) {
            up <<= 1;
        }
        d->video_ram = up;
    }
    d->video_ram = MAX(d->video_ram, 4);
    d->display = *check_string(c, "display", "") ? g_strdup(check_string(c, "display", "")) : NULL;
    d->xauthority = *check_string(c, "xauthority", "") ? g_strdup(check_string(c, "xauthority", "")) : NULL;
    if (d->sdl && c->facts->check_host && !d->display && !getenv("DISPLAY") &&
        !getenv("WAYLAND_DISPLAY") &&
        !getenv("SDL_VIDEODRIVER")) {
        ERROR(c, check_position(c, "sdl"), "sdl=1 needs a screen, and DISPLAY is not set; write sdl=0, "
              "vnc=1");
    }
}
