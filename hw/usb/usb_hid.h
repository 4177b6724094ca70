/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb_hid.h - what our human interface devices share (Device Class Definition for HID 1.11): one
 * interface, reports on the interrupt endpoint 1, the class requests, idle rate.
 */
#ifndef GH_USB_HID_H
#define GH_USB_HID_H

#include "hw/usb/usb.h"
#include "ui/input.h"

enum { HID_REPORT_MAX = 8 };
enum { HID_BOOT = 0, HID_REPORT = 1 };

typedef struct UsbHid UsbHid;

typedef struct HidKind {
    UsbModel usb;
    const uint8_t *descriptor;  /* report descriptor */
    uint16_t descriptor_len;
    bool boot;                  /* has a boot protocol */
    /* The next report, as it would be sent now; returns its length.  Changes nothing. */
    unsigned (*report)(UsbHid *h, uint8_t report[HID_REPORT_MAX]);
    bool (*pending)(UsbHid *h);             /* something has changed since the last report */
    void (*sent)(UsbHid *h);                /* the host has that report */
    void (*forget)(UsbHid *h);              /* drops what is queued, lets go of all keys */
    bool (*output)(UsbHid *h, const uint8_t *data, unsigned len);   /* output report; may be NULL */
    void (*attach)(UsbHid *h, bool attached);   /* to the input hub */
} HidKind;

struct UsbHid {
    UsbDevice usb;              /* must be first */
    Input *input;               /* config */
    uint8_t protocol;           /* HID_BOOT, HID_REPORT */
    uint8_t idle;               /* 4 ms each; 0: only changes are reported */
    int64_t last_report;        /* ns */
    bool polled;                /* the guest reads reports: input goes here */
};

bool hid_init(UsbHid *h, const HidKind *kind, GError **error);
bool hid_loaded(UsbHid *h, GError **error);
void hid_finish(UsbHid *h);
/* For the kinds' models. */
void hid_reset(UsbDevice *u);
void hid_configured(UsbDevice *u, bool usable);
UsbResult hid_control(UsbDevice *u, const UsbSetup *s, uint8_t *data, unsigned *len);
UsbResult hid_packet(UsbDevice *u, UsbPacket *p);
#define HID_OPS .reset = hid_reset, .configured = hid_configured, .control = hid_control, \
                .packet = hid_packet

/* The one configuration: configuration, interface, HID and endpoint descriptors. */
#define HID_CONFIG_LEN 34
#define HID_CONFIG(subclass, protocol, report_len, max_packet, interval) \
    9, USB_DESC_CONFIG, HID_CONFIG_LEN, 0, 1, 1, 0, 0xa0, 50, \
    9, USB_DESC_INTERFACE, 0, 0, 1, 3, subclass, protocol, 0, \
    9, 0x21, 0x11, 0x01, 0, 1, 0x22, (report_len) & 0xff, (report_len) >> 8, \
    7, USB_DESC_ENDPOINT, 0x81, USB_INTERRUPT, max_packet, 0, interval

extern const StateField hid_state[];

#endif
