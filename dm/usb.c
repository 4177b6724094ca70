/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb.c - USB devices by the names that users have for them: made and plugged in at the start and
 * while the domain runs.
 */
#include "dm/board.h"
#include "block/block.h"
#include "dm/drives.h"
#include "hw/devices.h"
#include "hw/usb/uhci.h"
#include "usb/usb_peer.h"

#include <string.h>

static const struct { const char *name, *class_name; bool input; } kinds[] = {
    { "tablet", "usb_tablet", true },
    { "mouse", "usb_mouse", true },
    { "keyboard", "usb_keyboard", true },
    { "hub", "usb_hub", false },
};

static Device *new_usb(Board *b, const char *class_name, const char *name)
{
    Device *dev = device_new(&b->machine, device_class_find(class_name));

    device_set_pointer(dev, "bus", uhci_bus(b->usb));
    device_set_string(dev, "name", name);
    return dev;
}

/* The last free port is for a hub. */
static bool make_room(Board *b, GError **error)
{
    bool last;
    UsbPort *port = usb_bus_free_port(uhci_bus(b->usb), &last);

    if (!port) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOSPC, "no free USB port is left");
        return false;
    }
    return !last || device_init(new_usb(b, "usb_hub", "hub"), error);
}

static Device *new_storage(Board *b, const UsbOption *o, bool cdrom, GError **error)
{
    DriveOption d = o->disk;
    BlockDev *block;
    Device *dev;

    g_strlcpy(d.name, "usb", sizeof d.name);
    block = drive_open(NULL, &d, error);
    if (!block) {
        return NULL;
    }
    dev = new_usb(b, "usb_storage", o->spec);
    device_set_pointer(dev, "block", block);
    device_set_u64(dev, "cdrom", cdrom);
    return dev;
}

static Device *new_host_device(Board *b, const UsbOption *o, GError **error)
{
    Device *dev;

    if (o->disk.fd < 0) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s came without its socket", o->spec);
        return NULL;
    }
    dev = new_usb(b, "usb_host", o->spec);
    device_set_pointer(dev, "peer", usb_peer_new(o->disk.fd));
    return dev;
}

static Device *new_device(Board *b, const UsbOption *o, GError **error)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (!strcmp(o->spec, kinds[i].name)) {
            Device *dev = new_usb(b, kinds[i].class_name, o->spec);

            if (kinds[i].input) {
                device_set_pointer(dev, "input", b->input);
            }
            return dev;
        }
    }
    if (g_str_has_prefix(o->spec, "disk:") || g_str_has_prefix(o->spec, "cdrom:")) {
        return new_storage(b, o, *o->spec == 'c', error);
    }
    if (g_str_has_prefix(o->spec, "host:")) {
        return new_host_device(b, o, error);
    }
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "no USB device is called '%s'", o->spec);
    return NULL;
}

bool board_usb_add(Board *b, const UsbOption *o, GError **error)
{
    Device *dev;

    if (!b->usb) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NODEV,
                    "the domain has no USB controller; write usb=1 into its config");
        return false;
    }
    dev = new_device(b, o, error);
    if (!dev) {
        return false;
    }
    if (strcmp(o->spec, "hub") && !make_room(b, error)) {
        device_free(dev);
        return false;
    }
    return device_init(dev, error);
}

static UsbDevice *find_named(UsbPort *const *ports, UsbPort *port, unsigned n, const char *name)
{
    UsbDevice *found = NULL;

    for (unsigned i = 0; i < n; i++) {
        UsbDevice *u = ports ? ports[i]->device : port[i].device, *behind;

        if (!u) {
            continue;
        }
        behind = find_named(NULL, u->ports, u->n_ports, name);
        found = behind ? behind : !strcmp(u->name, name) ? u : found;
    }
    return found;
}

bool board_usb_remove(Board *b, const char *name, GError **error)
{
    UsbDevice *u = b->usb ? find_named(uhci_bus(b->usb)->port, NULL, USB_ROOT_PORTS, name) : NULL;

    if (!u) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT, "there is no USB device '%s'", name);
        return false;
    }
    for (unsigned i = 0; i < u->n_ports; i++) {
        if (u->ports[i].device) {
            g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                        "'%s' is plugged into that hub; remove it first", u->ports[i].device->name);
            return false;
        }
    }
    g_ptr_array_remove(b->machine.devices, u);
    return true;
}
