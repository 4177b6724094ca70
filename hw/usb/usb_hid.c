/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb_hid.c - see usb_hid.h.  Input goes to a device only while the guest polls its endpoint, so
 * that a BIOS or a system without USB drivers keeps the PS/2 devices.  Left out: physical
 * descriptors, feature reports, report numbers.
 */
#include "hw/usb/usb_hid.h"

#include <string.h>

enum { GET_REPORT = 1, GET_IDLE = 2, GET_PROTOCOL = 3, SET_REPORT = 9, SET_IDLE = 10,
       SET_PROTOCOL = 11 };
enum { DESC_HID = 0x21, DESC_REPORT = 0x22, REPORT_INPUT = 1, REPORT_OUTPUT = 2 };
enum { HID_DESCRIPTOR_AT = 18, HID_DESCRIPTOR_LEN = 9, IDLE_UNIT_MS = 4 };

static const HidKind *kind_of(const UsbHid *h)
{
    return (const HidKind *)((const uint8_t *)h->usb.model - offsetof(HidKind, usb));
}

static void set_polled(UsbHid *h, bool polled)
{
    if (h->polled != polled) {
        h->polled = polled;
        kind_of(h)->forget(h);
        kind_of(h)->attach(h, polled);
    }
}

void hid_configured(UsbDevice *u, bool usable)
{
    UsbHid *h = (UsbHid *)u;

    if (!usable) {
        set_polled(h, false);
    }
}

void hid_reset(UsbDevice *u)
{
    UsbHid *h = (UsbHid *)u;

    h->protocol = HID_REPORT;
    h->idle = kind_of(h)->boot && kind_of(h)->output ? 125 : 0;     /* keyboards: 500 ms */
    h->last_report = 0;
    kind_of(h)->forget(h);
}

static UsbResult reply(uint8_t *data, const void *from, unsigned n, unsigned *len)
{
    memcpy(data, from, n);
    *len = n;
    return USB_OK;
}

UsbResult hid_control(UsbDevice *u, const UsbSetup *s, uint8_t *data, unsigned *len)
{
    UsbHid *h = (UsbHid *)u;
    const HidKind *k = kind_of(h);

    if ((s->type & 31) != USB_TO_INTERFACE || s->index != 0) {
        return USB_STALL;
    }
    switch (USB_REQUEST(s->type, s->request)) {
    case USB_REQUEST(0x81, USB_GET_DESCRIPTOR):
        return s->value >> 8 == DESC_REPORT ? reply(data, k->descriptor, k->descriptor_len, len)
               : s->value >> 8 == DESC_HID
               ? reply(data, k->usb.config + HID_DESCRIPTOR_AT, HID_DESCRIPTOR_LEN, len) : USB_STALL;
    case USB_REQUEST(0xa1, GET_REPORT):
        if (s->value != REPORT_INPUT << 8) {
            return USB_STALL;
        }
        *len = k->report(h, data);
        return USB_OK;
    case USB_REQUEST(0x21, SET_REPORT):
        return s->value == REPORT_OUTPUT << 8 && k->output && k->output(h, data, s->length)
               ? USB_OK : USB_STALL;
    case USB_REQUEST(0xa1, GET_IDLE):
        return reply(data, &h->idle, 1, len);
    case USB_REQUEST(0x21, SET_IDLE):
        h->idle = s->value >> 8;
        return USB_OK;
    case USB_REQUEST(0xa1, GET_PROTOCOL):
        return k->boot ? reply(data, &h->protocol, 1, len) : USB_STALL;
    case USB_REQUEST(0x21, SET_PROTOCOL):
        if (!k->boot || s->value > HID_REPORT) {
            return USB_STALL;
        }
        h->protocol = s->value;
        return USB_OK;
    default:
        return USB_STALL;
    }
}

UsbResult hid_packet(UsbDevice *u, UsbPacket *p)
{
    UsbHid *h = (UsbHid *)u;
    const HidKind *k = kind_of(h);
    uint8_t report[HID_REPORT_MAX];
    int64_t now = vm_now(&u->dev);
    UsbResult result;

    set_polled(h, true);
    if (!k->pending(h) &&
        (!h->idle || now - h->last_report < h->idle * IDLE_UNIT_MS * NS_PER_MS)) {
        return USB_NAK;
    }
    result = usb_give(p, report, k->report(h, report));
    if (result == USB_OK) {
        h->last_report = now;
        k->sent(h);
    }
    return result;
}

bool hid_init(UsbHid *h, const HidKind *kind, GError **error)
{
    h->usb.model = &kind->usb;
    if (!h->input) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NODEV, "no keyboards and pointers here");
        return false;
    }
    return usb_device_init(&h->usb, &kind->usb, error);
}

bool hid_loaded(UsbHid *h, GError **error)
{
    bool polled = h->polled;

    if (!usb_device_loaded(&h->usb, error)) {
        return false;
    }
    h->last_report = CLAMP(h->last_report, 0, vm_now(&h->usb.dev));
    kind_of(h)->attach(h, polled && h->usb.configuration);
    return true;
}

void hid_finish(UsbHid *h)
{
    if (h->input) {
        kind_of(h)->attach(h, false);
    }
    usb_device_finish(&h->usb);
}

const StateField hid_state[] = {
    STATE_USB(UsbHid, usb), STATE_U8_MAX(UsbHid, protocol, HID_REPORT), STATE_U8(UsbHid, idle),
    STATE_I64(UsbHid, last_report), STATE_BOOL(UsbHid, polled),
    STATE_END
};
