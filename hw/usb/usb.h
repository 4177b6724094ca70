/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb.h - USB 1.1 devices as a host controller sees them (Universal Serial Bus Specification 1.1,
 * chapters 5, 8, 9 and 11).  A controller owns a bus with root ports; a device is plugged into one
 * of them or into a port of a hub, and answers one packet at a time.  Nothing waits: a device that
 * has no answer yet says NAK, and calls usb_device_ready() when it may have one.  So there are no
 * packets in flight that a reset or an unplugging would have to find.  Left out: data toggles (no
 * packet is ever lost here) and isochronous endpoints of our own devices.  Device thread only.
 */
#ifndef GH_USB_H
#define GH_USB_H

#include "lib/device.h"

typedef struct UsbBus UsbBus;
typedef struct UsbPort UsbPort;
typedef struct UsbDevice UsbDevice;

typedef enum UsbResult { USB_OK, USB_NAK, USB_STALL, USB_BABBLE, USB_TIMEOUT } UsbResult;
typedef enum UsbSpeed { USB_LOW_SPEED, USB_FULL_SPEED } UsbSpeed;

enum { USB_PID_SETUP = 0x2d, USB_PID_IN = 0x69, USB_PID_OUT = 0xe1 };
enum { USB_PACKET_MAX = 1280 };     /* longest packet any controller here can ask for */
enum { USB_CONTROL_MAX = 4096 };    /* longest data stage of a control transfer */
enum { USB_ENDPOINTS = 16, USB_INTERFACES = 16, USB_HUB_DEPTH = 5, USB_ROOT_PORTS = 2 };
enum { USB_CONTROL = 0, USB_ISOCHRONOUS = 1, USB_BULK = 2, USB_INTERRUPT = 3 };

typedef struct UsbPacket {
    uint8_t pid;                /* USB_PID_* */
    uint8_t endpoint;           /* 0-15 */
    uint16_t length;            /* OUT, SETUP: bytes in data; IN: room in data */
    uint16_t actual;            /* IN: bytes given */
    uint32_t ahead;             /* raw_control: bytes that the driver has queued, with this packet */
    uint8_t *data;              /* USB_PACKET_MAX bytes */
} UsbPacket;

typedef struct UsbSetup {       /* 9.3 */
    uint8_t type, request;      /* bmRequestType, bRequest */
    uint16_t value, index, length;
} UsbSetup;

enum { USB_DIR_IN = 0x80, USB_TYPE_CLASS = 0x20, USB_TYPE_VENDOR = 0x40, USB_TO_INTERFACE = 1,
       USB_TO_ENDPOINT = 2, USB_TO_OTHER = 3 };
enum { USB_GET_STATUS = 0, USB_CLEAR_FEATURE = 1, USB_SET_FEATURE = 3, USB_SET_ADDRESS = 5,
       USB_GET_DESCRIPTOR = 6, USB_SET_DESCRIPTOR = 7, USB_GET_CONFIGURATION = 8,
       USB_SET_CONFIGURATION = 9, USB_GET_INTERFACE = 10, USB_SET_INTERFACE = 11 };
enum { USB_DESC_DEVICE = 1, USB_DESC_CONFIG = 2, USB_DESC_STRING = 3, USB_DESC_INTERFACE = 4,
       USB_DESC_ENDPOINT = 5 };
/* type and request in one number, for switch */
#define USB_REQUEST(type, request) ((type) << 8 | (request))

/* --- ports ------------------------------------------------------------------------------------- */

typedef struct UsbPortOps {
    void (*changed)(UsbPort *port);         /* port->device came or went */
    void (*resume)(UsbPort *port);          /* the device drives resume */
    bool (*passes)(const UsbPort *port);    /* enabled, not suspended: packets go through */
    bool (*suspended)(const UsbPort *port);
} UsbPortOps;

struct UsbPort {
    const UsbPortOps *ops;
    void *opaque;
    unsigned number;            /* from 1 */
    UsbDevice *hub;             /* whose port it is; NULL: the controller's */
    UsbDevice *device;          /* NULL: nothing plugged in */
};

struct UsbBus {
    UsbPort *port[USB_ROOT_PORTS];
    void (*ready)(void *opaque);    /* a device may have an answer where it said NAK */
    void *opaque;
};

void usb_port_init(UsbPort *port, const UsbPortOps *ops, void *opaque, unsigned number,
                   UsbDevice *hub);
/* The device that answers to that address through open ports; NULL: none. */
UsbDevice *usb_bus_find(UsbBus *bus, unsigned address);
/* "1", "2.3": root port, then hub ports.  NULL: no such port. */
UsbPort *usb_bus_port(UsbBus *bus, const char *path);
/* The first port that is free, root ports first; *last: it is the only free one.  NULL: none. */
UsbPort *usb_bus_free_port(UsbBus *bus, bool *last);
/* Path of a port, newly allocated. */
char *usb_port_path(const UsbPort *port);

/* --- devices ----------------------------------------------------------------------------------- */

typedef struct UsbModel {       /* fixed part of a kind of device */
    UsbSpeed speed;
    const uint8_t *device;      /* device descriptor, 18 bytes */
    const uint8_t *config;      /* the one configuration with all that belongs to it */
    uint16_t config_len;
    const char *const *strings; /* by index - 1, ASCII; NULL at the end */
    /* The bus was reset, or power came: what the class keeps goes back to its start.  May be NULL. */
    void (*reset)(UsbDevice *u);
    /* A configuration was set or lost (see u->configuration), or an alternate setting chosen, or
     * the port closed.  May be NULL. */
    void (*configured)(UsbDevice *u, bool usable);
    /*
     * A request that the core does not know.  OUT: data holds setup->length bytes; IN: data takes
     * USB_CONTROL_MAX, *len is set.  USB_OK, USB_STALL, or USB_NAK: usb_control_done() comes later.
     */
    UsbResult (*control)(UsbDevice *u, const UsbSetup *setup, uint8_t *data, unsigned *len);
    /* A packet for an endpoint that exists and is not halted.  May be NULL. */
    UsbResult (*packet)(UsbDevice *u, UsbPacket *p);
    void (*unhalted)(UsbDevice *u, unsigned endpoint, bool in);     /* CLEAR_FEATURE; may be NULL */
    /* The device's real counterpart answers every request itself, standard ones too (but not
     * SET_ADDRESS). */
    bool raw_control;
} UsbModel;

typedef struct UsbEndpoint {
    bool exists;
    uint8_t type;               /* USB_CONTROL.. */
    uint16_t max_packet;
} UsbEndpoint;

typedef enum UsbStage { USB_STAGE_IDLE, USB_STAGE_DATA_IN, USB_STAGE_DATA_OUT, USB_STAGE_STATUS_IN,
                        USB_STAGE_WAIT, USB_STAGE_STALLED, USB_STAGES } UsbStage;

struct UsbDevice {
    Device dev;                 /* must be first */
    UsbBus *bus;                /* config; NULL: fails init */
    char *port_path;            /* config: "2.3"; NULL: first free one */
    char *name;                 /* config: what the user called it; NULL: the class's name */
    const UsbModel *model;
    UsbPort *port;              /* where it is plugged in */
    UsbPort *ports;             /* a hub's own */
    unsigned n_ports;
    uint8_t address, new_address;   /* new_address: after the status stage */
    uint8_t configuration;
    bool remote_wakeup;
    uint8_t alternate[USB_INTERFACES];
    uint16_t halted_in, halted_out;     /* bit n: endpoint n */
    uint8_t stage;              /* UsbStage of endpoint 0 */
    uint8_t setup[8];
    uint16_t control_len;       /* bytes of control that count */
    uint16_t control_pos;
    uint8_t control[USB_CONTROL_MAX];
    UsbEndpoint in[USB_ENDPOINTS], out[USB_ENDPOINTS];      /* of the settings chosen; derived */
};

/* In init: plugs the device in.  model must outlive it. */
bool usb_device_init(UsbDevice *u, const UsbModel *model, GError **error);
void usb_device_reset(UsbDevice *u);                        /* the class's reset, and bus reset */
bool usb_device_loaded(UsbDevice *u, GError **error);       /* the class's loaded */
void usb_device_finish(UsbDevice *u);                       /* the class's finish: unplugs */
void usb_device_closed(UsbDevice *u);   /* its port was disabled: nobody polls it now */

UsbResult usb_device_packet(UsbDevice *u, UsbPacket *p);
/* It may have an answer now: wakes the controller, and the bus if it sleeps and may be woken. */
void usb_device_ready(UsbDevice *u);
/* Ends a request for which control() said USB_NAK; len: of what was put into u->control. */
void usb_control_done(UsbDevice *u, UsbResult result, unsigned len);
void usb_device_halt(UsbDevice *u, unsigned endpoint, bool in);

/* For packet(): len bytes to an IN packet, or USB_BABBLE (nothing taken) if the host has no room. */
UsbResult usb_give(UsbPacket *p, const void *data, unsigned len);
static inline uint16_t usb_get16(const uint8_t *p) { return p[0] | p[1] << 8; }

extern const StateField usb_device_state[];
#define STATE_USB(type, field) STATE_STRUCT(type, field, usb_device_state)
#define CONFIG_USB(type, field) \
    { "bus", CONFIG_POINTER, offsetof(type, field.bus), NULL, "UsbBus" }, \
    { "port", CONFIG_STRING, offsetof(type, field.port_path), NULL, "1, or 2.3 behind a hub" }, \
    { "name", CONFIG_STRING, offsetof(type, field.name), NULL, "the user's name for it" }

#endif
