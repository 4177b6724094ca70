/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb_pointer.c - a tablet (absolute, so that the guest's pointer is where the viewer's is) and a
 * three-button wheel mouse with boot protocol (HID 1.11, appendices B.2 and E.10).  Motion between
 * two polls is joined, presses are not: up to QUEUE changes of buttons wait for the guest, after
 * that the newest state wins.
 */
#include "hw/usb/usb_hid.h"

#include "hw/devices.h"
#include <string.h>

enum { QUEUE = 16, BUTTONS = 31, COUNTS_MAX = 4096, WHEEL_MAX = 127, AXIS_MAX = 0x7fff };

typedef struct PointerEvent {   /* what has changed, and the buttons after it */
    uint32_t x, y;              /* tablet: place; mouse: signed counts */
    uint32_t z;                 /* signed clicks */
    uint8_t buttons;
} PointerEvent;

typedef struct UsbPointer {
    UsbHid hid;
    PointerEvent queue[QUEUE];  /* oldest first */
    uint8_t queued;
    PointerEvent last;          /* what the guest knows: place and buttons, no motion */
    InputPointer sink;
} UsbPointer;

#define REPORT_BUTTONS \
    0x05, 0x09,             /* usage page: buttons */ \
    0x19, 1, 0x29, 5,       /* 1 to 5 */ \
    0x15, 0, 0x25, 1, 0x95, 5, 0x75, 1, 0x81, 0x02,     /* five bits, absolute variables */ \
    0x95, 1, 0x75, 3, 0x81, 0x01                        /* and three of padding */
#define REPORT_WHEEL \
    0x09, 0x38, 0x15, 0x81, 0x25, 0x7f, 0x35, 0, 0x45, 0, 0x75, 8, 0x95, 1, 0x81, 0x06

static const uint8_t tablet_report[] = {
    0x05, 0x01, 0x09, 0x01, 0xa1, 0x01,     /* generic desktop, pointer: application */
    0x09, 0x01, 0xa1, 0x00,                 /* pointer: physical */
    REPORT_BUTTONS,
    0x05, 0x01, 0x09, 0x30, 0x09, 0x31,     /* X, Y */
    0x15, 0, 0x26, 0xff, 0x7f, 0x35, 0, 0x46, 0xff, 0x7f, 0x75, 16, 0x95, 2, 0x81, 0x02,
    REPORT_WHEEL,
    0xc0, 0xc0,
};
static const uint8_t mouse_report[] = {
    0x05, 0x01, 0x09, 0x02, 0xa1, 0x01,     /* generic desktop, mouse: application */
    0x09, 0x01, 0xa1, 0x00,
    REPORT_BUTTONS,
    0x05, 0x01, 0x09, 0x30, 0x09, 0x31,     /* X, Y: relative, a byte each */
    0x15, 0x81, 0x25, 0x7f, 0x75, 8, 0x95, 2, 0x81, 0x06,
    REPORT_WHEEL,
    0xc0, 0xc0,
};

static const uint8_t tablet_device[18] = {
    18, USB_DESC_DEVICE, 0x10, 0x01, 0, 0, 0, 8, 0x27, 0x06, 0x01, 0x00, 0x00, 0x01, 1, 2, 0, 1 };
static const uint8_t mouse_device[18] = {
    18, USB_DESC_DEVICE, 0x10, 0x01, 0, 0, 0, 8, 0x27, 0x06, 0x02, 0x00, 0x00, 0x01, 1, 2, 0, 1 };
static const uint8_t tablet_config[] = { HID_CONFIG(0, 0, sizeof tablet_report, 8, 4) };
static const uint8_t mouse_config[] = { HID_CONFIG(1, 2, sizeof mouse_report, 4, 10) };
static const char *const tablet_strings[] = { "Guesthouse", "USB Tablet", NULL };
static const char *const mouse_strings[] = { "Guesthouse", "USB Mouse", NULL };

/* --- events ------------------------------------------------------------------------------------ */

static bool is_tablet(const UsbPointer *p)
{
    return p->sink.place != NULL;
}

static uint32_t sum(uint32_t a, int b, int max)
{
    return CLAMP((int32_t)a + b, -max, max);
}

/* The event that new motion is added to: the newest one with the same buttons, or a new one. */
static PointerEvent *event_for(UsbPointer *p, unsigned buttons)
{
    PointerEvent *newest = p->queued ? &p->queue[p->queued - 1] : NULL;

    if (newest && (newest->buttons == buttons || p->queued == QUEUE)) {
        newest->buttons = buttons;
        return newest;
    }
    newest = &p->queue[p->queued++];
    *newest = (PointerEvent){ .x = p->last.x, .y = p->last.y, .buttons = buttons };
    return newest;
}

static void pointer_place(void *opaque, unsigned x, unsigned y, int dz, unsigned buttons)
{
    UsbPointer *p = opaque;
    PointerEvent *e = event_for(p, buttons & BUTTONS);

    e->x = MIN(x, AXIS_MAX);
    e->y = MIN(y, AXIS_MAX);
    e->z = sum(e->z, dz, WHEEL_MAX);
    usb_device_ready(&p->hid.usb);
}

static void pointer_move(void *opaque, int dx, int dy, int dz, unsigned buttons)
{
    UsbPointer *p = opaque;
    PointerEvent *e = event_for(p, buttons & BUTTONS);

    e->x = sum(e->x, dx, COUNTS_MAX);
    e->y = sum(e->y, dy, COUNTS_MAX);
    e->z = sum(e->z, dz, WHEEL_MAX);
    usb_device_ready(&p->hid.usb);
}

/* --- reports ----------------------------------------------------------------------------------- */

static const PointerEvent *next_event(const UsbPointer *p)
{
    return p->queued ? &p->queue[0] : &p->last;
}

static int8_t byte_of(uint32_t counts)
{
    return CLAMP((int32_t)counts, -WHEEL_MAX, WHEEL_MAX);
}

static unsigned pointer_report(UsbHid *h, uint8_t report[HID_REPORT_MAX])
{
    const PointerEvent *e = next_event((UsbPointer *)h);

    report[0] = e->buttons;
    if (is_tablet((UsbPointer *)h)) {
        report[1] = e->x;
        report[2] = e->x >> 8;
        report[3] = e->y;
        report[4] = e->y >> 8;
        report[5] = byte_of(-e->z);         /* HID: away from the user is positive */
        return 6;
    }
    report[0] = h->protocol == HID_BOOT ? e->buttons & 7 : e->buttons;
    report[1] = byte_of(e->x);
    report[2] = byte_of(e->y);
    report[3] = byte_of(-e->z);
    return h->protocol == HID_BOOT ? 3 : 4;
}

static bool pointer_pending(UsbHid *h)
{
    return ((UsbPointer *)h)->queued > 0;
}

static void pointer_sent(UsbHid *h)
{
    UsbPointer *p = (UsbPointer *)h;
    PointerEvent *e = &p->queue[0];

    if (!p->queued) {
        return;
    }
    p->last = (PointerEvent){ .buttons = e->buttons };
    if (is_tablet(p)) {
        p->last.x = e->x;
        p->last.y = e->y;
    } else {
        e->x -= byte_of(e->x);
        e->y -= byte_of(e->y);
        if (e->x || e->y) {                 /* the rest goes with the next poll */
            e->z = 0;
            return;
        }
    }
    memmove(p->queue, p->queue + 1, --p->queued * sizeof p->queue[0]);
}

static void pointer_forget(UsbHid *h)
{
    UsbPointer *p = (UsbPointer *)h;

    memset(p->queue, 0, sizeof p->queue);
    p->queued = 0;
    p->last = (PointerEvent){ 0 };
}

static void pointer_attach(UsbHid *h, bool attached)
{
    UsbPointer *p = (UsbPointer *)h;

    if (attached) {
        input_attach_pointer(h->input, &p->sink);
    } else {
        input_detach_pointer(h->input, &p->sink);
    }
}

/* --- classes ----------------------------------------------------------------------------------- */

#define POINTER_OPS .report = pointer_report, .pending = pointer_pending, .sent = pointer_sent, \
                    .forget = pointer_forget, .attach = pointer_attach

static const HidKind tablet_kind = {
    .usb = { .speed = USB_FULL_SPEED, .device = tablet_device, .config = tablet_config,
             .config_len = sizeof tablet_config, .strings = tablet_strings, HID_OPS },
    .descriptor = tablet_report, .descriptor_len = sizeof tablet_report, POINTER_OPS,
};
static const HidKind mouse_kind = {
    .usb = { .speed = USB_LOW_SPEED, .device = mouse_device, .config = mouse_config,
             .config_len = sizeof mouse_config, .strings = mouse_strings, HID_OPS },
    .descriptor = mouse_report, .descriptor_len = sizeof mouse_report, .boot = true, POINTER_OPS,
};

static bool tablet_init(Device *dev, GError **error)
{
    UsbPointer *p = (UsbPointer *)dev;

    p->sink = (InputPointer){ .place = pointer_place, .opaque = p };
    return hid_init(&p->hid, &tablet_kind, error);
}

static bool mouse_init(Device *dev, GError **error)
{
    UsbPointer *p = (UsbPointer *)dev;

    p->sink = (InputPointer){ .move = pointer_move, .opaque = p };
    return hid_init(&p->hid, &mouse_kind, error);
}

static void pointer_reset(Device *dev)
{
    usb_device_reset((UsbDevice *)dev);
}

static bool pointer_loaded(Device *dev, GError **error)
{
    UsbPointer *p = (UsbPointer *)dev;

    if (is_tablet(p)) {
        for (unsigned i = 0; i < QUEUE; i++) {
            p->queue[i].x = MIN(p->queue[i].x, AXIS_MAX);
            p->queue[i].y = MIN(p->queue[i].y, AXIS_MAX);
        }
    }
    for (unsigned i = 0; i < QUEUE; i++) {
        p->queue[i].x = sum(p->queue[i].x, 0, AXIS_MAX);
        p->queue[i].y = sum(p->queue[i].y, 0, AXIS_MAX);
        p->queue[i].z = sum(p->queue[i].z, 0, WHEEL_MAX);
    }
    return hid_loaded(&p->hid, error);
}

static void pointer_finish(Device *dev)
{
    UsbPointer *p = (UsbPointer *)dev;

    if (p->hid.usb.model) {
        hid_finish(&p->hid);
    }
}

static const StateField event_state[] = {
    STATE_U32(PointerEvent, x), STATE_U32(PointerEvent, y), STATE_U32(PointerEvent, z),
    STATE_U8_MAX(PointerEvent, buttons, BUTTONS),
    STATE_END
};
static const StateField pointer_state[] = {
    STATE_STRUCT(UsbPointer, hid, hid_state), STATE_STRUCT_ARRAY(UsbPointer, queue, event_state),
    STATE_U8_MAX(UsbPointer, queued, QUEUE), STATE_STRUCT(UsbPointer, last, event_state),
    STATE_END
};
static const ConfigField pointer_config[] = {
    CONFIG_USB(UsbPointer, hid.usb),
    { "input", CONFIG_POINTER, offsetof(UsbPointer, hid.input), NULL, "where motion comes from" },
    CONFIG_END
};

const DeviceClass usb_tablet_class = {
    .name = "usb_tablet", .summary = "USB tablet: pointer with places, wheel",
    .size = sizeof(UsbPointer), .version = 1, .config = pointer_config, .state = pointer_state,
    .init = tablet_init, .reset = pointer_reset, .loaded = pointer_loaded, .finish = pointer_finish,
};
const DeviceClass usb_mouse_class = {
    .name = "usb_mouse", .summary = "USB mouse: three buttons and two more, wheel",
    .size = sizeof(UsbPointer), .version = 1, .config = pointer_config, .state = pointer_state,
    .init = mouse_init, .reset = pointer_reset, .loaded = pointer_loaded, .finish = pointer_finish,
};
