/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb.c - the names of USB devices in xm configs (usbdevice=) and commands (usb-add, usb-del), as
 * Xen's qemu-dm has them.
 */
#include "tools/common/domain_config.h"

#include <string.h>

#define BAD(pos, ...) message_add(messages, MESSAGE_ERROR, pos, __VA_ARGS__)

/* What Xen's device model has and this one has not. */
static const char *const foreign[] = { "wacom-tablet", "serial", "braille", "net", "bt", "audio",
                                       "ccid", "smartcard", NULL };

void usb_clear(UsbConfig *u)
{
    g_free(u->spec);
    disk_clear(&u->disk);
    *u = (UsbConfig){ 0 };
}

#define KNOWN "tablet, mouse, keyboard, hub, disk:PATH or cdrom:PATH"

/* disk:PATH, disk:ro:PATH, disk:format=raw:PATH, cdrom:PATH */
static bool parse_storage(UsbConfig *u, const char *text, Messages *messages)
{
    bool cdrom = g_str_has_prefix(text, "cdrom:"), read_only = cdrom;
    const char *path = strchr(text, ':') + 1;

    if (g_str_has_prefix(path, "format=")) {
        if (!g_str_has_prefix(path, "format=raw:")) {
            BAD(u->pos, "usbdevice '%s': only raw images are read here; use disk:PATH", text);
            return false;
        }
        path += strlen("format=raw:");
    }
    if (!cdrom && g_str_has_prefix(path, "ro:")) {
        read_only = true;
        path += 3;
    }
    if (!*path) {
        BAD(u->pos, "usbdevice '%s' has no image; write %s/PATH", text, text);
        return false;
    }
    u->kind = USB_KIND_STORAGE;
    u->disk = (DiskConfig){ .pos = u->pos, .uname = g_strconcat("file:", path, NULL),
                            .type = g_strdup("file"), .path = g_strdup(path),
                            .format = "raw", .dev = g_strdup("usb"), .cdrom = cdrom,
                            .writable = !read_only };
    return true;
}

bool usb_parse(UsbConfig *u, const char *spec, SourcePos pos, Messages *messages)
{
    static const struct { const char *name; UsbKind kind; } simple[] = {
        { "tablet", USB_KIND_TABLET }, { "mouse", USB_KIND_MOUSE }, { "keyboard", USB_KIND_KEYBOARD },
        { "hub", USB_KIND_HUB },
    };
    g_autofree char *text = g_strstrip(g_strdup(spec)), *kind = g_strndup(text, strcspn(text, ":"));

    *u = (UsbConfig){ .pos = pos, .spec = g_strdup(text) };
    for (unsigned i = 0; i < G_N_ELEMENTS(simple); i++) {
        if (!strcmp(text, simple[i].name)) {
            u->kind = simple[i].kind;
            return true;
        }
    }
    if (!strcmp(kind, "disk") || !strcmp(kind, "cdrom")) {
        if (strchr(text, ':')) {
            return parse_storage(u, text, messages);
        }
        BAD(pos, "usbdevice '%s' has no image; write %s:/PATH", text, text);
        return false;
    }
    if (g_strv_contains(foreign, kind)) {
        BAD(pos, "usbdevice '%s' is not available; use " KNOWN, text);
    } else {
        BAD(pos, "usbdevice '%s' is unknown; use " KNOWN, text);
    }
    return false;
}

bool usb_check_host(const UsbConfig *u, Messages *messages)
{
    return u->kind != USB_KIND_STORAGE || disk_check_image(&u->disk, messages);
}
