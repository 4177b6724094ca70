/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb.c - the names of USB devices in xm configs (usbdevice=) and commands (usb-add, usb-del), as
 * Xen's qemu-dm has them.
 */
#include "tools/common/domain_config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

#define KNOWN "tablet, mouse, keyboard, hub, disk:PATH, cdrom:PATH or host:VVVV:PPPP"

/* disk:PATH, cdrom:PATH, with ro: and format=NAME: before the path. */
static bool parse_storage(UsbConfig *u, const char *text, Messages *messages)
{
    DiskConfig *d = &u->disk;
    bool cdrom = g_str_has_prefix(text, "cdrom:"), read_only = cdrom;
    const char *path = strchr(text, ':') + 1, *colon;

    u->kind = USB_KIND_STORAGE;
    d->format = "raw";
    for (;;) {
        colon = strchr(path, ':');
        if (!cdrom && g_str_has_prefix(path, "ro:")) {
            read_only = true;
        } else if (!g_str_has_prefix(path, "format=") || !colon) {
            break;
        } else if (!disk_set_format(d, path + strlen("format="), colon - path - strlen("format="))) {
            BAD(u->pos, "usbdevice '%s': there is no such format; use raw, " DISK_FORMATS, text);
            return false;
        }
        path = colon + 1;
    }
    if (!*path) {
        BAD(u->pos, "usbdevice '%s' has no image; write %s/PATH", text, text);
        return false;
    }
    d->pos = u->pos;
    d->uname = g_strconcat("file:", path, NULL);
    d->type = g_strdup("file");
    d->path = g_strdup(path);
    d->dev = g_strdup("usb");
    d->cdrom = cdrom;
    d->writable = !read_only;
    return true;
}

static bool number(const char **text, int base, unsigned max, unsigned *n)
{
    char *end;

    if (!g_ascii_isxdigit(**text)) {
        return false;
    }
    *n = strtoul(*text, &end, base);
    *text = end;
    return *n <= max;
}

/* host:VVVV:PPPP, hexadecimal, or host:BUS.ADDRESS, decimal */
static bool parse_host(UsbConfig *u, const char *text, Messages *messages)
{
    const char *p = strchr(text, ':') + 1, *q = p;

    u->kind = USB_KIND_HOST;
    if (number(&p, 16, 0xffff, &u->host[0]) && *p == ':') {
        u->by_id = true;
        p++;
        if (number(&p, 16, 0xffff, &u->host[1]) && !*p) {
            return true;
        }
    } else if (number(&q, 10, 999, &u->host[0]) && *q == '.') {
        q++;
        if (number(&q, 10, 127, &u->host[1]) && !*q) {
            return true;
        }
    }
    BAD(u->pos, "usbdevice '%s' names no device; write host:VVVV:PPPP (vendor and product as lsusb "
        "shows them) or host:BUS.ADDRESS", text);
    return false;
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
    if (!strcmp(kind, "host") && strchr(text, ':')) {
        return parse_host(u, text, messages);
    }
    if (g_strv_contains(foreign, kind)) {
        BAD(pos, "usbdevice '%s' is not available; use " KNOWN, text);
    } else {
        BAD(pos, "usbdevice '%s' is unknown; use " KNOWN, text);
    }
    return false;
}

/* --- on this host ---------------------------------------------------------------------------- */

static bool attribute(const char *directory, const char *name, int base, unsigned *value)
{
    g_autofree char *path = g_build_filename(directory, name, NULL), *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        return false;
    }
    *value = strtoul(text, NULL, base);
    return true;
}

char *usb_find_node(const UsbConfig *u, const char *sysfs)
{
    g_autofree char *all = g_build_filename(sysfs, "bus/usb/devices", NULL);
    g_autoptr(GDir) dir = g_dir_open(all, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *one = g_build_filename(all, name, NULL);
        unsigned vendor, product, bus, address;

        if (attribute(one, "idVendor", 16, &vendor) && attribute(one, "idProduct", 16, &product) &&
            attribute(one, "busnum", 10, &bus) && attribute(one, "devnum", 10, &address) &&
            (u->by_id ? vendor == u->host[0] && product == u->host[1]
             : bus == u->host[0] && address == u->host[1])) {
            return g_strdup_printf("/dev/bus/usb/%03u/%03u", bus, address);
        }
    }
    return NULL;
}

bool usb_check_host(const UsbConfig *u, Messages *messages)
{
    g_autofree char *node = NULL;

    if (u->kind == USB_KIND_STORAGE && disk_is_drive(&u->disk)) {
        BAD(u->pos, "usbdevice '%s': a CD drive of this host goes behind an IDE drive; write "
            "disk=['phy:%s,hdc:cdrom,r']", u->spec, u->disk.path);
        return false;
    }
    if (u->kind == USB_KIND_STORAGE) {
        return disk_check_image(&u->disk, messages);
    }
    if (u->kind != USB_KIND_HOST) {
        return true;
    }
    node = usb_find_node(u, "/sys");
    if (!node) {
        BAD(u->pos, "usbdevice '%s': no such device is plugged into this host; see lsusb", u->spec);
    } else if (access(node, R_OK | W_OK) != 0) {
        BAD(u->pos, "usbdevice '%s': %s can't be opened for reading and writing (%s); change its "
            "permissions, by a udev rule for example", u->spec, node, g_strerror(errno));
    }
    return node && access(node, R_OK | W_OK) == 0;
}
