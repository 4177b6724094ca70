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
    *u = (UsbConfig){ 0 };
}

bool usb_parse(UsbConfig *u, const char *spec, SourcePos pos, Messages *messages)
{
    static const struct { const char *name; UsbKind kind; } simple[] = {
        { "tablet", USB_KIND_TABLET }, { "mouse", USB_KIND_MOUSE }, { "keyboard", USB_KIND_KEYBOARD },
    };
    g_autofree char *text = g_strstrip(g_strdup(spec)), *kind = g_strndup(text, strcspn(text, ":"));

    *u = (UsbConfig){ .pos = pos, .spec = g_strdup(text) };
    for (unsigned i = 0; i < G_N_ELEMENTS(simple); i++) {
        if (!strcmp(text, simple[i].name)) {
            u->kind = simple[i].kind;
            return true;
        }
    }
    if (g_strv_contains(foreign, kind)) {
        BAD(pos, "usbdevice '%s' is not available; use tablet, mouse or keyboard", text);
    } else {
        BAD(pos, "usbdevice '%s' is unknown; use tablet, mouse or keyboard", text);
    }
    return false;
}
