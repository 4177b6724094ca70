/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb_host.c - a USB device of the host on the guest's bus.  Its process (usb/usb_peer.h) does the
 * transfers; here packets are cut from them and put together.  The guest's own addresses and the
 * bus's timing stay here.  A high speed device is shown by what it says of itself at full speed
 * (USB 2.0, 9.6.4), with packets of 64 bytes; its transfers stay as long as the driver has queued
 * them.  Left out: isochronous endpoints; data read for a transfer that the driver has given up is
 * given to the next one.
 */
#include "hw/usb/usb.h"

#include <string.h>
#include "hw/devices.h"
#include "usb/usb_peer.h"

enum { PIPES = 2 * USB_ENDPOINTS, FULL_SPEED_PACKET = 64,
       HIGH_SPEED_BULK = 512, CONFIG_MAX = 4096, DESC_QUALIFIER = 6, DESC_OTHER_SPEED = 7 };

/* One direction of one endpoint. */
typedef struct Pipe {
    uint32_t id;                /* of the transfer under way; 0: none */
    uint32_t want;              /* IN: bytes asked for */
    uint32_t used, taken;       /* bytes of data; given to the guest */
    bool ready;                 /* IN: data has come and is not all given */
    bool empty_packet;          /* IN: an empty packet follows the data */
    uint8_t failure;            /* USB_HOST_* that the guest has not been told */
    uint8_t *data;              /* USB_DATA_MAX bytes; made when first used */
} Pipe;

typedef struct UsbHostDevice {
    UsbDevice usb;
    UsbPeer *peer;              /* config; freed with the device */
    UsbModel model;
    bool here;                  /* plugged in */
    bool high_speed;
    uint8_t device[18], config[CONFIG_MAX];
    uint32_t serial;            /* of requests: an answer to an older one is dropped */
    uint32_t control_id;        /* under way; 0: none */
    Pipe pipe[PIPES];           /* endpoint, + 16 for IN */
} UsbHostDevice;

static uint32_t next_id(UsbHostDevice *h)
{
    h->serial = h->serial == UINT32_MAX ? 1 : h->serial + 1;
    return h->serial;
}

static void forget(UsbHostDevice *h)
{
    if (h->control_id) {
        usb_peer_cancel(h->peer, h->control_id);
        h->control_id = 0;
    }
    for (unsigned i = 0; i < PIPES; i++) {
        Pipe *p = &h->pipe[i];

        if (p->id) {
            usb_peer_cancel(h->peer, p->id);
        }
        *p = (Pipe){ .data = p->data };
    }
}

/* --- descriptors ------------------------------------------------------------------------------- */

/* What a high speed configuration would be at full speed, where the device has not said so. */
static void slow_down(uint8_t *d, unsigned len)
{
    for (unsigned at = 0; at + 2 <= len && d[at] >= 2 && at + d[at] <= len; at += d[at]) {
        uint8_t *e = d + at;

        if (e[1] == USB_DESC_ENDPOINT && e[0] >= 7) {
            unsigned size = MIN(usb_get16(e + 4) & 0x7ff, FULL_SPEED_PACKET);

            e[4] = size;
            e[5] = 0;
            if ((e[3] & 3) == USB_INTERRUPT && e[6]) {      /* 125 us to the power of two: to ms */
                e[6] = e[6] <= 4 ? 1 : MIN(1u << (MIN(e[6], 16) - 4), 255);
            }
        }
    }
}

static void take_config(UsbHostDevice *h, const uint8_t *d, unsigned len)
{
    len = MIN(len, CONFIG_MAX);
    if (len < 9 || d[0] < 9) {
        return;
    }
    memcpy(h->config, d, len);
    h->config[1] = USB_DESC_CONFIG;
    if (h->high_speed) {
        slow_down(h->config, len);
    }
    h->model.config_len = len;
}

static void arrived(void *opaque, unsigned speed, const uint8_t *d, unsigned len)
{
    UsbHostDevice *h = opaque;
    g_autoptr(GError) error = NULL;

    h->high_speed = speed == USB_HOST_HIGH;
    h->model.speed = speed == USB_HOST_LOW ? USB_LOW_SPEED : USB_FULL_SPEED;
    memcpy(h->device, d, sizeof h->device);
    take_config(h, d + sizeof h->device, len - sizeof h->device);
    h->here = usb_device_init(&h->usb, &h->model, &error);
    if (!h->here) {
        g_warning("USB device %s: %s", h->usb.name, error->message);
    }
}

static void gone(void *opaque)
{
    UsbHostDevice *h = opaque;

    h->control_id = 0;
    forget(h);
    h->here = false;
    usb_device_finish(&h->usb);
}

/* --- control ----------------------------------------------------------------------------------- */

static UsbResult host_control(UsbDevice *u, const UsbSetup *s, uint8_t *data, unsigned *len)
{
    UsbHostDevice *h = (UsbHostDevice *)u;
    uint8_t setup[8];

    (void)len;
    memcpy(setup, u->setup, sizeof setup);
    if (h->high_speed && USB_REQUEST(s->type, s->request) == USB_REQUEST(0x80, USB_GET_DESCRIPTOR)) {
        if (setup[3] == USB_DESC_CONFIG) {
            setup[3] = DESC_OTHER_SPEED;    /* itself at full speed */
        } else if (setup[3] == DESC_QUALIFIER || setup[3] == DESC_OTHER_SPEED) {
            return USB_STALL;               /* as a device without high speed does */
        }
    }
    if (h->control_id) {
        usb_peer_cancel(h->peer, h->control_id);
    }
    if (USB_REQUEST(s->type, s->request) == USB_REQUEST(0x00, USB_SET_CONFIGURATION) ||
        USB_REQUEST(s->type, s->request) == USB_REQUEST(0x01, USB_SET_INTERFACE)) {
        forget(h);
    }
    h->control_id = next_id(h);
    if (!usb_peer_control(h->peer, h->control_id, setup, data,
                          s->type & USB_DIR_IN ? 0 : s->length)) {
        h->control_id = 0;
        return USB_STALL;
    }
    return USB_NAK;
}

static void control_done(UsbHostDevice *h, unsigned status, const uint8_t *data, unsigned len)
{
    UsbDevice *u = &h->usb;
    const uint8_t *s = u->setup;

    len = MIN(len, USB_CONTROL_MAX);
    if (status == USB_HOST_OK && s[0] == 0 && s[1] == USB_SET_CONFIGURATION && s[2]) {
        take_config(h, data, len);
    } else if (status == USB_HOST_OK && (s[0] & USB_DIR_IN)) {
        memcpy(u->control, data, len);
        if (h->high_speed && s[0] == 0x80 && s[1] == USB_GET_DESCRIPTOR && len >= 2) {
            if (s[3] == USB_DESC_CONFIG) {
                u->control[1] = USB_DESC_CONFIG;
                slow_down(u->control, len);
            } else if (s[3] == USB_DESC_DEVICE && len >= 4 && u->control[3] >= 2) {
                u->control[2] = 0x10;       /* 1.1: there is no high speed here */
                u->control[3] = 0x01;
            }
        }
    }
    usb_control_done(u, status == USB_HOST_OK ? USB_OK : USB_STALL, len);
}

/* --- endpoints --------------------------------------------------------------------------------- */

static Pipe *pipe_of(UsbHostDevice *h, unsigned endpoint, bool in)
{
    Pipe *p = &h->pipe[(endpoint & 15) + (in ? USB_ENDPOINTS : 0)];

    if (!p->data) {
        p->data = g_malloc0(USB_DATA_MAX);
    }
    return p;
}

static UsbResult failure(UsbHostDevice *h, Pipe *p, unsigned endpoint, bool in)
{
    unsigned status = p->failure;

    p->failure = USB_HOST_OK;
    if (status == USB_HOST_STALL) {
        usb_device_halt(&h->usb, endpoint, in);
        return USB_STALL;
    }
    return status == USB_HOST_BABBLE ? USB_BABBLE : USB_TIMEOUT;
}

/* As much as the driver waits for, in whole packets of the real device. */
static unsigned read_size(const UsbHostDevice *h, const UsbEndpoint *e, const UsbPacket *p)
{
    unsigned unit = h->high_speed && e->type == USB_BULK ? HIGH_SPEED_BULK : MAX(e->max_packet, 1);
    unsigned want = e->type == USB_BULK ? p->ahead : e->max_packet;

    return CLAMP((want + unit - 1) / unit * unit, unit, USB_DATA_MAX / unit * unit);
}

static UsbResult packet_in(UsbHostDevice *h, UsbPacket *p)
{
    const UsbEndpoint *e = &h->usb.in[p->endpoint];
    Pipe *pipe = pipe_of(h, p->endpoint, true);
    unsigned len = MIN(pipe->used - pipe->taken, MAX(e->max_packet, 1));
    UsbResult result;

    if (pipe->failure && !pipe->ready) {
        return failure(h, pipe, p->endpoint, true);
    }
    if (!pipe->ready) {
        if (!pipe->id) {
            pipe->id = next_id(h);
            pipe->want = read_size(h, e, p);
            if (!usb_peer_read(h->peer, pipe->id, p->endpoint, e->type, pipe->want)) {
                pipe->id = 0;
            }
        }
        return USB_NAK;
    }
    result = usb_give(p, pipe->data + pipe->taken, len);
    if (result == USB_OK) {
        pipe->taken += len;
        if (pipe->taken == pipe->used) {
            pipe->ready = pipe->empty_packet && len;    /* len 0: that was the empty packet */
        }
    }
    return result;
}

static UsbResult packet_out(UsbHostDevice *h, const UsbPacket *p)
{
    const UsbEndpoint *e = &h->usb.out[p->endpoint];
    Pipe *pipe = pipe_of(h, p->endpoint, false);
    bool last = p->length < e->max_packet || p->ahead <= p->length || e->type != USB_BULK;

    if (pipe->failure) {
        return failure(h, pipe, p->endpoint, false);
    }
    if (pipe->id || pipe->used + p->length > USB_DATA_MAX) {
        return USB_NAK;
    }
    memcpy(pipe->data + pipe->used, p->data, p->length);
    if (!last && pipe->used + p->length < USB_DATA_MAX) {
        pipe->used += p->length;
        return USB_OK;
    }
    pipe->id = next_id(h);
    if (!usb_peer_write(h->peer, pipe->id, p->endpoint, e->type, pipe->data,
                        pipe->used + p->length)) {
        pipe->id = 0;
        return USB_NAK;                     /* the same packet again, later */
    }
    pipe->used = 0;
    return USB_OK;
}

static UsbResult host_packet(UsbDevice *u, UsbPacket *p)
{
    UsbHostDevice *h = (UsbHostDevice *)u;
    bool in = p->pid == USB_PID_IN;
    unsigned type = (in ? u->in : u->out)[p->endpoint].type;

    if (type != USB_BULK && type != USB_INTERRUPT) {
        return USB_TIMEOUT;
    }
    return in ? packet_in(h, p) : packet_out(h, p);
}

static void pipe_done(UsbHostDevice *h, Pipe *pipe, bool in, unsigned status, const uint8_t *data,
                      unsigned len)
{
    unsigned index = (pipe - h->pipe) % USB_ENDPOINTS;
    unsigned packet = MAX((in ? h->usb.in : h->usb.out)[index].max_packet, 1);

    pipe->id = 0;
    if (status != USB_HOST_OK) {
        pipe->failure = status == USB_HOST_CANCELLED ? USB_HOST_OK : status;
    }
    if (in && (status == USB_HOST_OK || len)) {
        pipe->used = MIN(len, USB_DATA_MAX);
        pipe->taken = 0;
        memcpy(pipe->data, data, pipe->used);
        /* Whole packets, and yet less than asked for: its end must be seen as one. */
        pipe->empty_packet = status == USB_HOST_OK && pipe->used < pipe->want &&
                             pipe->used % packet == 0 && h->usb.in[index].type == USB_BULK;
        pipe->ready = pipe->used || status == USB_HOST_OK;
    }
    usb_device_ready(&h->usb);
}

static void done(void *opaque, uint32_t id, unsigned status, const uint8_t *data, unsigned len)
{
    UsbHostDevice *h = opaque;

    if (id && id == h->control_id) {
        h->control_id = 0;
        control_done(h, status, data, len);
        return;
    }
    for (unsigned i = 0; id && i < PIPES; i++) {
        if (h->pipe[i].id == id) {
            pipe_done(h, &h->pipe[i], i >= USB_ENDPOINTS, status, data, len);
            return;
        }
    }
}

/* --- life -------------------------------------------------------------------------------------- */

static void host_reset(UsbDevice *u)
{
    UsbHostDevice *h = (UsbHostDevice *)u;

    forget(h);
    if (h->here) {
        usb_peer_reset(h->peer);
    }
}

static void host_unhalted(UsbDevice *u, unsigned endpoint, bool in)
{
    Pipe *p = pipe_of((UsbHostDevice *)u, endpoint, in);

    if (p->id) {
        usb_peer_cancel(((UsbHostDevice *)u)->peer, p->id);
    }
    *p = (Pipe){ .data = p->data };
}

static bool host_init(Device *dev, GError **error)
{
    UsbHostDevice *h = (UsbHostDevice *)dev;
    const UsbPeerClient client = { arrived, gone, done, h };

    if (!h->peer || !h->usb.bus) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NODEV, "there is no device of the host");
        return false;
    }
    h->model = (UsbModel){ .speed = USB_FULL_SPEED, .device = h->device, .config = h->config,
                           .reset = host_reset, .control = host_control, .packet = host_packet,
                           .unhalted = host_unhalted, .raw_control = true };
    h->usb.model = &h->model;
    usb_peer_attach(h->peer, &client);
    return true;
}

static void host_machine_reset(Device *dev)
{
    usb_device_reset((UsbDevice *)dev);
}

static bool host_loaded(Device *dev, GError **error)
{
    return usb_device_loaded((UsbDevice *)dev, error);
}

static void host_finish(Device *dev)
{
    UsbHostDevice *h = (UsbHostDevice *)dev;

    h->here = false;
    usb_device_finish(&h->usb);
    usb_peer_free(h->peer);
    for (unsigned i = 0; i < PIPES; i++) {
        g_free(h->pipe[i].data);
    }
}

static const ConfigField host_config[] = {
    CONFIG_USB(UsbHostDevice, usb),
    CONFIG_FIELD(UsbHostDevice, peer, CONFIG_POINTER, NULL, "UsbPeer, freed with the device"),
    CONFIG_END
};
static const StateField host_state[] = {
    STATE_USB(UsbHostDevice, usb),
    STATE_UNMIGRATABLE("transfers: the real device is on this host"),
    STATE_END
};

const DeviceClass usb_host_class = {
    .name = "usb_host", .summary = "USB device of the host",
    .size = sizeof(UsbHostDevice), .version = 1, .config = host_config, .state = host_state,
    .init = host_init, .reset = host_machine_reset, .loaded = host_loaded, .finish = host_finish,
};
