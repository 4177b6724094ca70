/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb_hub.c - a self-powered full speed hub with eight ports (USB 1.1, chapter 11): port power,
 * reset, enable, suspend and resume, status changes on the interrupt endpoint, bus state.  Left
 * out: over-current, which never happens; a low speed device behind it is spoken to like one in
 * front of it.
 */
#include "hw/usb/usb.h"

#include "hw/devices.h"
#include <string.h>

enum { HUB_PORTS = 8, RESET_MS = 10, DESC_HUB = 0x29, GET_STATE = 2, CHANGE_BYTES = 2 };
enum { PORT_CONNECTION = 1, PORT_ENABLE = 2, PORT_SUSPEND = 4, PORT_RESET = 0x10, PORT_POWER = 0x100,
       PORT_LOW_SPEED = 0x200, PORT_STATUS_BITS = 0x317 };
enum { CHANGE_CONNECTION = 1, CHANGE_ENABLE = 2, CHANGE_SUSPEND = 4, CHANGE_RESET = 0x10,
       CHANGE_BITS = 0x1f };
enum { FEATURE_ENABLE = 1, FEATURE_SUSPEND = 2, FEATURE_RESET = 4, FEATURE_POWER = 8,
       FEATURE_C_FIRST = 16, FEATURE_C_LAST = 20 };

typedef struct UsbHub {
    UsbDevice usb;
    UsbPort port[HUB_PORTS];
    uint16_t status[HUB_PORTS];     /* wPortStatus */
    uint8_t change[HUB_PORTS];      /* wPortChange */
    Timer reset_end;
} UsbHub;

static const uint8_t hub_device[18] = {
    18, USB_DESC_DEVICE, 0x10, 0x01, 9, 0, 0, 8, 0x09, 0x04, 0xaa, 0x55, 0x01, 0x01, 1, 2, 0, 1 };
static const uint8_t hub_config[] = {
    9, USB_DESC_CONFIG, 25, 0, 1, 1, 0, 0xe0, 0,
    9, USB_DESC_INTERFACE, 0, 0, 1, 9, 0, 0, 0,
    7, USB_DESC_ENDPOINT, 0x81, USB_INTERRUPT, CHANGE_BYTES, 0, 0xff,
};
static const uint8_t hub_descriptor[] = {
    11, DESC_HUB, HUB_PORTS, 0x11, 0x00,    /* each port has its power switch; no over-current */
    1, 0,                                   /* 2 ms until power is good; no current for itself */
    0, 0, 0xff, 0xff,                       /* everything can be pulled out */
};
static const char *const hub_strings[] = { "Guesthouse", "USB Hub", NULL };

/* --- ports ------------------------------------------------------------------------------------- */

static UsbHub *hub_of(const UsbPort *port) { return port->opaque; }
static uint16_t *status_of(const UsbPort *port) { return &hub_of(port)->status[port->number - 1]; }

static void note_change(const UsbPort *port, unsigned change)
{
    UsbHub *h = hub_of(port);

    h->change[port->number - 1] |= change;
    usb_device_ready(&h->usb);
}

static void port_close(UsbPort *port)
{
    uint16_t *s = status_of(port);

    if ((*s & PORT_ENABLE) && port->device) {
        usb_device_closed(port->device);
    }
    *s &= ~(PORT_ENABLE | PORT_SUSPEND);
}

static uint16_t connected(const UsbPort *port)
{
    return !port->device ? 0 : port->device->model->speed == USB_LOW_SPEED
           ? PORT_CONNECTION | PORT_LOW_SPEED : PORT_CONNECTION;
}

static void port_changed(UsbPort *port)
{
    uint16_t *s = status_of(port);

    port_close(port);
    *s &= ~(PORT_CONNECTION | PORT_LOW_SPEED | PORT_RESET);
    if (*s & PORT_POWER) {
        *s |= connected(port);
        note_change(port, CHANGE_CONNECTION);
    }
}

static void port_resume(UsbPort *port)
{
    uint16_t *s = status_of(port);

    if (*s & PORT_SUSPEND) {
        *s &= ~PORT_SUSPEND;
        note_change(port, CHANGE_SUSPEND);
    }
}

static bool port_passes(const UsbPort *port)
{
    return (*status_of(port) & (PORT_ENABLE | PORT_SUSPEND | PORT_RESET)) == PORT_ENABLE;
}

static bool port_suspended(const UsbPort *port)
{
    return *status_of(port) & PORT_SUSPEND;
}

static const UsbPortOps port_ops = { .changed = port_changed, .resume = port_resume,
                                     .passes = port_passes, .suspended = port_suspended };

static void reset_done(void *opaque)
{
    UsbHub *h = opaque;

    for (unsigned i = 0; i < HUB_PORTS; i++) {
        if (h->status[i] & PORT_RESET) {
            h->status[i] &= ~PORT_RESET;
            h->status[i] |= h->port[i].device ? PORT_ENABLE : 0;
            note_change(&h->port[i], CHANGE_RESET);
        }
    }
}

static void port_start_reset(UsbPort *port)
{
    UsbHub *h = hub_of(port);

    if (*status_of(port) & PORT_POWER) {
        port_close(port);
        if (port->device) {
            usb_device_reset(port->device);
        }
        *status_of(port) |= PORT_RESET;
        timer_at(&h->reset_end, vm_now(&h->usb.dev) + RESET_MS * NS_PER_MS);
    }
}

static void port_set_power(UsbPort *port, bool on)
{
    uint16_t *s = status_of(port);

    if (on && !(*s & PORT_POWER)) {
        *s = PORT_POWER;
        if (port->device) {
            usb_device_reset(port->device);
            port_changed(port);
        }
    } else if (!on) {
        port_close(port);
        *s = 0;
        hub_of(port)->change[port->number - 1] = 0;
    }
}

/* --- requests ---------------------------------------------------------------------------------- */

static UsbResult set_feature(UsbPort *port, unsigned feature)
{
    uint16_t *s = status_of(port);

    switch (feature) {
    case FEATURE_SUSPEND:
        *s |= *s & PORT_ENABLE ? PORT_SUSPEND : 0;
        return USB_OK;
    case FEATURE_RESET:
        port_start_reset(port);
        return USB_OK;
    case FEATURE_POWER:
        port_set_power(port, true);
        return USB_OK;
    default:
        return USB_STALL;
    }
}

static UsbResult clear_feature(UsbPort *port, unsigned feature)
{
    if (feature >= FEATURE_C_FIRST && feature <= FEATURE_C_LAST) {
        hub_of(port)->change[port->number - 1] &= ~(1 << (feature - FEATURE_C_FIRST));
        return USB_OK;
    }
    switch (feature) {
    case FEATURE_ENABLE:
        port_close(port);
        return USB_OK;
    case FEATURE_SUSPEND:
        port_resume(port);
        return USB_OK;
    case FEATURE_POWER:
        port_set_power(port, false);
        return USB_OK;
    default:
        return USB_STALL;
    }
}

static UsbResult answer(uint8_t *data, unsigned *len, uint16_t status, uint16_t change)
{
    data[0] = status;
    data[1] = status >> 8;
    data[2] = change;
    data[3] = change >> 8;
    *len = 4;
    return USB_OK;
}

static UsbResult port_request(UsbPort *port, const UsbSetup *s, uint8_t *data, unsigned *len)
{
    uint16_t status = *status_of(port);

    switch (USB_REQUEST(s->type, s->request)) {
    case USB_REQUEST(0xa3, USB_GET_STATUS):
        return answer(data, len, status, hub_of(port)->change[port->number - 1]);
    case USB_REQUEST(0xa3, GET_STATE):      /* bit 0: D-, bit 1: D+ */
        data[0] = !(status & PORT_CONNECTION) || (status & PORT_RESET) ? 0
                  : status & PORT_LOW_SPEED ? 1 : 2;
        *len = 1;
        return USB_OK;
    case USB_REQUEST(0x23, USB_SET_FEATURE):
        return set_feature(port, s->value);
    case USB_REQUEST(0x23, USB_CLEAR_FEATURE):
        return clear_feature(port, s->value);
    default:
        return USB_STALL;
    }
}

static UsbResult hub_control(UsbDevice *u, const UsbSetup *s, uint8_t *data, unsigned *len)
{
    UsbHub *h = (UsbHub *)u;

    switch (USB_REQUEST(s->type, s->request)) {
    case USB_REQUEST(0xa0, USB_GET_DESCRIPTOR):
        if (s->value >> 8 != DESC_HUB && s->value != 0) {
            return USB_STALL;
        }
        memcpy(data, hub_descriptor, *len = sizeof hub_descriptor);
        return USB_OK;
    case USB_REQUEST(0xa0, USB_GET_STATUS):
        return answer(data, len, 0, 0);
    case USB_REQUEST(0x20, USB_CLEAR_FEATURE):
    case USB_REQUEST(0x20, USB_SET_FEATURE):
        return s->value <= 1 ? USB_OK : USB_STALL;      /* local power, over-current */
    default:
        if (!u->configuration || s->index < 1 || s->index > HUB_PORTS) {
            return USB_STALL;
        }
        return port_request(&h->port[s->index - 1], s, data, len);
    }
}

static UsbResult hub_packet(UsbDevice *u, UsbPacket *p)
{
    UsbHub *h = (UsbHub *)u;
    uint16_t changed = 0;
    uint8_t bytes[CHANGE_BYTES];

    for (unsigned i = 0; i < HUB_PORTS; i++) {
        changed |= h->change[i] ? 2 << i : 0;
    }
    bytes[0] = changed;
    bytes[1] = changed >> 8;
    return changed ? usb_give(p, bytes, sizeof bytes) : USB_NAK;
}

/* --- life -------------------------------------------------------------------------------------- */

static void hub_bus_reset(UsbDevice *u)
{
    UsbHub *h = (UsbHub *)u;

    for (unsigned i = 0; i < HUB_PORTS; i++) {
        port_set_power(&h->port[i], false);
    }
    timer_cancel(&h->reset_end);
}

static void hub_configured(UsbDevice *u, bool usable)
{
    if (!usable && !u->configuration) {
        hub_bus_reset(u);
    }
}

static const UsbModel hub_model = {
    .speed = USB_FULL_SPEED, .device = hub_device, .config = hub_config,
    .config_len = sizeof hub_config, .strings = hub_strings, .reset = hub_bus_reset,
    .configured = hub_configured, .control = hub_control, .packet = hub_packet,
};

static bool hub_init(Device *dev, GError **error)
{
    UsbHub *h = (UsbHub *)dev;

    timer_init(&h->reset_end, &dev->machine->timers, reset_done, h);
    for (unsigned i = 0; i < HUB_PORTS; i++) {
        usb_port_init(&h->port[i], &port_ops, h, i + 1, &h->usb);
    }
    h->usb.ports = h->port;
    h->usb.n_ports = HUB_PORTS;
    h->usb.model = &hub_model;
    return usb_device_init(&h->usb, &hub_model, error);
}

static void hub_reset(Device *dev)
{
    usb_device_reset((UsbDevice *)dev);
}

static bool hub_loaded(Device *dev, GError **error)
{
    UsbHub *h = (UsbHub *)dev;

    for (unsigned i = 0; i < HUB_PORTS; i++) {
        uint16_t *s = &h->status[i];

        h->change[i] &= CHANGE_BITS;
        *s &= *s & PORT_POWER ? PORT_STATUS_BITS : 0;
        if ((*s & (PORT_CONNECTION | PORT_LOW_SPEED)) !=
            (*s & PORT_POWER ? connected(&h->port[i]) : 0)) {
            g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                        "port %u has another device than when it was saved", i + 1);
            return false;
        }
    }
    return usb_device_loaded(&h->usb, error);
}

static void hub_finish(Device *dev)
{
    UsbHub *h = (UsbHub *)dev;

    for (unsigned i = 0; i < HUB_PORTS; i++) {
        if (h->port[i].device) {
            h->port[i].device->port = NULL;
        }
    }
    if (h->usb.model) {
        timer_cancel(&h->reset_end);
    }
    usb_device_finish(&h->usb);
}

static const ConfigField hub_config_fields[] = { CONFIG_USB(UsbHub, usb), CONFIG_END };
static const StateField hub_state[] = {
    STATE_USB(UsbHub, usb), STATE_U16_ARRAY(UsbHub, status),
    STATE_U8_ARRAY(UsbHub, change), STATE_TIMER(UsbHub, reset_end),
    STATE_END
};

const DeviceClass usb_hub_class = {
    .name = "usb_hub", .summary = "USB hub with eight ports",
    .size = sizeof(UsbHub), .version = 1, .config = hub_config_fields, .state = hub_state,
    .init = hub_init, .reset = hub_reset, .loaded = hub_loaded, .finish = hub_finish,
};
