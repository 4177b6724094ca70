/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb_core.c - what all USB devices share (USB 1.1, chapters 8.5.2, 9.1 to 9.4): addressing, endpoints
 * from the descriptors, halts, the default control pipe with its stages, standard requests.  The
 * data stage has one buffer of fixed size; a length is checked before it is kept.  Left out:
 * SET_DESCRIPTOR, SYNCH_FRAME, test modes.
 */
#include "hw/usb/usb.h"

#include <string.h>

enum { FEATURE_HALT = 0, FEATURE_WAKEUP = 1 };
enum { CONFIG_ATTRIBUTES = 7, CONFIG_VALUE = 5, CONFIG_INTERFACES = 4, DEVICE_MAX_PACKET0 = 7 };
enum { ATTRIBUTE_SELF_POWERED = 0x40, ATTRIBUTE_WAKEUP = 0x20 };
enum { LANGUAGE_US = 0x0409 };

static UsbSetup setup_of(const UsbDevice *u)
{
    const uint8_t *s = u->setup;

    return (UsbSetup){ s[0], s[1], usb_get16(s + 2), usb_get16(s + 4), usb_get16(s + 6) };
}

/* --- descriptors ------------------------------------------------------------------------------- */

/* Each descriptor of the configuration in turn; NULL: no (whole) one left. */
static const uint8_t *next_descriptor(const UsbDevice *u, const uint8_t *d)
{
    const uint8_t *start = u->model->config, *end = start + u->model->config_len;

    d = d ? d + d[0] : start;
    return end - d >= 2 && d[0] >= 2 && d[0] <= end - d ? d : NULL;
}

static bool setting_exists(const UsbDevice *u, unsigned interface, unsigned alternate)
{
    const uint8_t *d = NULL;

    while ((d = next_descriptor(u, d))) {
        if (d[1] == USB_DESC_INTERFACE && d[0] >= 9 && d[2] == interface && d[3] == alternate) {
            return u->configuration && interface < USB_INTERFACES;
        }
    }
    return false;
}

static void choose_endpoints(UsbDevice *u)
{
    const uint8_t *d = NULL;
    bool chosen = false;

    memset(u->in, 0, sizeof u->in);
    memset(u->out, 0, sizeof u->out);
    while (u->configuration && (d = next_descriptor(u, d))) {
        if (d[1] == USB_DESC_INTERFACE && d[0] >= 9) {
            chosen = d[2] < USB_INTERFACES && u->alternate[d[2]] == d[3];
        } else if (d[1] == USB_DESC_ENDPOINT && d[0] >= 7 && chosen && (d[2] & 15)) {
            UsbEndpoint *e = &(d[2] & USB_DIR_IN ? u->in : u->out)[d[2] & 15];

            *e = (UsbEndpoint){ true, d[3] & 3, MIN(usb_get16(d + 4) & 0x7ff, USB_PACKET_MAX) };
        }
    }
}

static UsbResult string_descriptor(const UsbDevice *u, unsigned index, uint8_t *data, unsigned *len)
{
    const char *s = NULL;

    if (index == 0) {
        *len = data[0] = 4;
        data[1] = USB_DESC_STRING;
        data[2] = LANGUAGE_US & 0xff;
        data[3] = LANGUAGE_US >> 8;
        return USB_OK;
    }
    for (unsigned i = 0; u->model->strings && u->model->strings[i]; i++) {
        if (i == index - 1) {
            s = u->model->strings[i];
        }
    }
    if (!s) {
        return USB_STALL;
    }
    *len = 2;
    for (unsigned i = 0; s[i] && *len < 254; i++) {
        data[(*len)++] = s[i];
        data[(*len)++] = 0;
    }
    data[0] = *len;
    data[1] = USB_DESC_STRING;
    return USB_OK;
}

static UsbResult get_descriptor(const UsbDevice *u, const UsbSetup *s, uint8_t *data, unsigned *len)
{
    const UsbModel *m = u->model;

    switch (s->value >> 8) {
    case USB_DESC_DEVICE:
        memcpy(data, m->device, *len = 18);
        return USB_OK;
    case USB_DESC_CONFIG:
        if (s->value & 0xff) {
            return USB_STALL;
        }
        memcpy(data, m->config, *len = MIN(m->config_len, USB_CONTROL_MAX));
        return USB_OK;
    case USB_DESC_STRING:
        return string_descriptor(u, s->value & 0xff, data, len);
    default:
        return USB_STALL;
    }
}

/* --- what requests change ---------------------------------------------------------------------- */

static void configured(UsbDevice *u)
{
    if (u->model->configured) {
        u->model->configured(u, u->configuration != 0);
    }
}

static void set_configuration(UsbDevice *u, uint8_t value)
{
    u->configuration = value;
    memset(u->alternate, 0, sizeof u->alternate);
    u->halted_in = u->halted_out = 0;
    choose_endpoints(u);
    configured(u);
}

static void set_interface(UsbDevice *u, unsigned interface, unsigned alternate)
{
    u->alternate[interface] = alternate;
    choose_endpoints(u);
    u->halted_in = u->halted_out = 0;
    configured(u);
}

static uint16_t *halted(UsbDevice *u, bool in)
{
    return in ? &u->halted_in : &u->halted_out;
}

void usb_device_halt(UsbDevice *u, unsigned endpoint, bool in)
{
    *halted(u, in) |= 1 << (endpoint & 15);
}

static bool endpoint_exists(const UsbDevice *u, unsigned address)
{
    unsigned n = address & 15;

    return !(address & 0xff70) && (n == 0 || (address & USB_DIR_IN ? u->in : u->out)[n].exists);
}

static UsbResult endpoint_feature(UsbDevice *u, const UsbSetup *s, bool set)
{
    bool in = s->index & USB_DIR_IN;
    unsigned n = s->index & 15;

    if (s->value != FEATURE_HALT || !endpoint_exists(u, s->index)) {
        return USB_STALL;
    }
    if (n == 0) {
        return USB_OK;                      /* endpoint 0 is never halted for long */
    }
    if (set) {
        usb_device_halt(u, n, in);
    } else {
        *halted(u, in) &= ~(1 << n);
        if (u->model->unhalted) {
            u->model->unhalted(u, n, in);
        }
    }
    return USB_OK;
}

static UsbResult device_feature(UsbDevice *u, const UsbSetup *s, bool set)
{
    if (s->value != FEATURE_WAKEUP || !(u->model->config[CONFIG_ATTRIBUTES] & ATTRIBUTE_WAKEUP)) {
        return USB_STALL;
    }
    u->remote_wakeup = set;
    return USB_OK;
}

static UsbResult get_status(UsbDevice *u, const UsbSetup *s, uint8_t *data, unsigned *len)
{
    unsigned to = s->type & 31, status = 0;

    if (to == USB_TO_INTERFACE) {
        if (!u->configuration || s->index >= u->model->config[CONFIG_INTERFACES]) {
            return USB_STALL;
        }
    } else if (to == USB_TO_ENDPOINT) {
        if (!endpoint_exists(u, s->index)) {
            return USB_STALL;
        }
        status = *halted(u, s->index & USB_DIR_IN) >> (s->index & 15) & 1;
    } else {
        status = (u->model->config[CONFIG_ATTRIBUTES] & ATTRIBUTE_SELF_POWERED ? 1 : 0) |
                 (u->remote_wakeup ? 2 : 0);
    }
    data[0] = status;
    data[1] = 0;
    *len = 2;
    return USB_OK;
}

static UsbResult class_request(UsbDevice *u, const UsbSetup *s, unsigned *len)
{
    *len = 0;
    return u->model->control ? u->model->control(u, s, u->control, len) : USB_STALL;
}

static UsbResult one_byte(UsbDevice *u, uint8_t value, unsigned *len)
{
    u->control[0] = value;
    *len = 1;
    return USB_OK;
}

static UsbResult set_address(UsbDevice *u, const UsbSetup *s)
{
    if (s->value > 127 || u->configuration) {
        return USB_STALL;
    }
    u->new_address = s->value;
    return USB_OK;
}

static UsbResult standard_request(UsbDevice *u, const UsbSetup *s, unsigned *len)
{
    switch (USB_REQUEST(s->type, s->request)) {
    case USB_REQUEST(0x00, USB_SET_ADDRESS):
        return set_address(u, s);
    case USB_REQUEST(0x80, USB_GET_DESCRIPTOR):
        return get_descriptor(u, s, u->control, len);
    case USB_REQUEST(0x80, USB_GET_CONFIGURATION):
        return one_byte(u, u->configuration, len);
    case USB_REQUEST(0x00, USB_SET_CONFIGURATION):
        if (!u->address || (s->value && s->value != u->model->config[CONFIG_VALUE])) {
            return USB_STALL;
        }
        set_configuration(u, s->value);
        return USB_OK;
    case USB_REQUEST(0x81, USB_GET_INTERFACE):
        if (!u->configuration || s->index >= MIN(u->model->config[CONFIG_INTERFACES],
                                                 USB_INTERFACES)) {
            return USB_STALL;
        }
        return one_byte(u, u->alternate[s->index], len);
    case USB_REQUEST(0x01, USB_SET_INTERFACE):
        if (!setting_exists(u, s->index, s->value)) {
            return USB_STALL;
        }
        set_interface(u, s->index, s->value);
        return USB_OK;
    case USB_REQUEST(0x80, USB_GET_STATUS):
    case USB_REQUEST(0x81, USB_GET_STATUS):
    case USB_REQUEST(0x82, USB_GET_STATUS):
        return get_status(u, s, u->control, len);
    case USB_REQUEST(0x00, USB_CLEAR_FEATURE):
    case USB_REQUEST(0x00, USB_SET_FEATURE):
        return device_feature(u, s, s->request == USB_SET_FEATURE);
    case USB_REQUEST(0x02, USB_CLEAR_FEATURE):
    case USB_REQUEST(0x02, USB_SET_FEATURE):
        return endpoint_feature(u, s, s->request == USB_SET_FEATURE);
    default:
        return class_request(u, s, len);    /* descriptors of interfaces, for example */
    }
}

/* A real device has done it: what the core must know of it. */
static void follow_request(UsbDevice *u)
{
    UsbSetup s = setup_of(u);

    if (s.type == 0x00 && s.request == USB_SET_CONFIGURATION) {
        set_configuration(u, s.value);
    } else if (s.type == 0x01 && s.request == USB_SET_INTERFACE && s.index < USB_INTERFACES) {
        set_interface(u, s.index, s.value);
    } else if (s.type == 0x02 && s.request == USB_CLEAR_FEATURE) {
        endpoint_feature(u, &s, false);
    }
}

/* --- the default control pipe ------------------------------------------------------------------ */

static void request_done(UsbDevice *u, UsbResult result, unsigned len)
{
    UsbSetup s = setup_of(u);

    if (result == USB_NAK) {
        u->stage = USB_STAGE_WAIT;
    } else if (result != USB_OK) {
        u->stage = USB_STAGE_STALLED;
    } else {
        if (u->model->raw_control) {
            follow_request(u);
        }
        u->control_pos = 0;
        u->control_len = MIN(MIN(len, s.length), USB_CONTROL_MAX);
        u->stage = s.type & USB_DIR_IN ? USB_STAGE_DATA_IN : USB_STAGE_STATUS_IN;
    }
}

static void execute(UsbDevice *u)
{
    UsbSetup s = setup_of(u);
    unsigned len = 0;
    UsbResult result;

    if (u->model->raw_control && USB_REQUEST(s.type, s.request) != USB_SET_ADDRESS) {
        result = class_request(u, &s, &len);
    } else if ((s.type & 0x60) == 0) {
        result = standard_request(u, &s, &len);
    } else {
        result = class_request(u, &s, &len);
    }
    request_done(u, result, len);
}

void usb_control_done(UsbDevice *u, UsbResult result, unsigned len)
{
    if (u->stage == USB_STAGE_WAIT && result != USB_NAK) {
        request_done(u, result, len);
        usb_device_ready(u);
    }
}

static UsbResult control_setup(UsbDevice *u, const UsbPacket *p)
{
    UsbSetup s;

    if (p->length != sizeof u->setup) {
        return USB_TIMEOUT;
    }
    memcpy(u->setup, p->data, sizeof u->setup);
    s = setup_of(u);
    u->new_address = u->address;
    u->control_len = u->control_pos = 0;
    if (s.type & USB_DIR_IN || !s.length) {
        execute(u);
    } else {
        u->stage = s.length > USB_CONTROL_MAX ? USB_STAGE_STALLED : USB_STAGE_DATA_OUT;
    }
    return USB_OK;                          /* a SETUP packet is always acknowledged */
}

static UsbResult control_in(UsbDevice *u, UsbPacket *p)
{
    unsigned len;
    UsbResult result;

    switch (u->stage) {
    case USB_STAGE_DATA_IN:
        len = MIN(u->control_len - u->control_pos, u->model->device[DEVICE_MAX_PACKET0]);
        result = usb_give(p, u->control + u->control_pos, len);
        u->control_pos += result == USB_OK ? len : 0;
        return result;
    case USB_STAGE_STATUS_IN:
        u->stage = USB_STAGE_IDLE;
        u->address = u->new_address;
        return usb_give(p, NULL, 0);
    case USB_STAGE_WAIT:
        return USB_NAK;
    default:
        u->stage = USB_STAGE_STALLED;
        return USB_STALL;
    }
}

static UsbResult control_out(UsbDevice *u, const UsbPacket *p)
{
    unsigned total = usb_get16(u->setup + 6);

    switch (u->stage) {
    case USB_STAGE_DATA_IN:                 /* the status stage, perhaps before all was read */
        u->stage = p->length ? USB_STAGE_STALLED : USB_STAGE_IDLE;
        break;
    case USB_STAGE_DATA_OUT:
        if (p->length > total - u->control_len || p->length > u->model->device[DEVICE_MAX_PACKET0] ||
            (p->length < u->model->device[DEVICE_MAX_PACKET0] &&
             p->length < total - u->control_len)) {
            u->stage = USB_STAGE_STALLED;
            break;
        }
        memcpy(u->control + u->control_len, p->data, p->length);
        u->control_len += p->length;
        if (u->control_len == total) {
            execute(u);
        }
        return USB_OK;
    case USB_STAGE_WAIT:
        return USB_NAK;
    default:
        u->stage = USB_STAGE_STALLED;
    }
    return u->stage == USB_STAGE_STALLED ? USB_STALL : USB_OK;
}

/* --- packets ----------------------------------------------------------------------------------- */

UsbResult usb_give(UsbPacket *p, const void *data, unsigned len)
{
    if (len > p->length) {
        return USB_BABBLE;
    }
    if (len) {
        memcpy(p->data, data, len);
    }
    p->actual = len;
    return USB_OK;
}

UsbResult usb_device_packet(UsbDevice *u, UsbPacket *p)
{
    unsigned n = p->endpoint & 15;
    bool in = p->pid == USB_PID_IN;
    const UsbEndpoint *e = in ? &u->in[n] : &u->out[n];

    p->actual = 0;
    if (p->pid == USB_PID_SETUP) {
        return n == 0 ? control_setup(u, p) : USB_TIMEOUT;
    }
    if (n == 0) {
        return in ? control_in(u, p) : control_out(u, p);
    }
    if (!e->exists || !u->model->packet || (!in && p->length > e->max_packet)) {
        return USB_TIMEOUT;
    }
    return *halted(u, in) >> n & 1 ? USB_STALL : u->model->packet(u, p);
}

void usb_device_ready(UsbDevice *u)
{
    for (UsbPort *port = u->port; port; port = port->hub ? port->hub->port : NULL) {
        if (port->ops->suspended(port) && u->remote_wakeup) {
            port->ops->resume(port);
        }
    }
    if (u->port && u->bus->ready) {
        u->bus->ready(u->bus->opaque);
    }
}

/* --- ports ------------------------------------------------------------------------------------- */

void usb_port_init(UsbPort *port, const UsbPortOps *ops, void *opaque, unsigned number,
                   UsbDevice *hub)
{
    *port = (UsbPort){ ops, opaque, number, hub, NULL };
}

static UsbDevice *find_behind(const UsbPort *port, unsigned address, unsigned depth)
{
    UsbDevice *u = port->device, *found = NULL;

    if (!u || !port->ops->passes(port)) {
        return NULL;
    }
    if (u->address == address) {
        return u;
    }
    for (unsigned i = 0; i < u->n_ports && depth && !found; i++) {
        found = find_behind(&u->ports[i], address, depth - 1);
    }
    return found;
}

UsbDevice *usb_bus_find(UsbBus *bus, unsigned address)
{
    UsbDevice *found = NULL;

    for (unsigned i = 0; i < USB_ROOT_PORTS && !found; i++) {
        found = find_behind(bus->port[i], address, USB_HUB_DEPTH);
    }
    return found;
}

UsbPort *usb_bus_port(UsbBus *bus, const char *path)
{
    UsbPort *port = NULL;
    UsbDevice *hub = NULL;

    for (const char *p = path;; p++) {
        char *end;
        guint64 n = g_ascii_strtoull(p, &end, 10);

        if (end == p || n < 1 || n > (hub ? hub->n_ports : USB_ROOT_PORTS) || (*end && *end != '.')) {
            return NULL;
        }
        port = hub ? &hub->ports[n - 1] : bus->port[n - 1];
        if (!*end) {
            return port;
        }
        hub = port->device;
        if (!hub || !hub->n_ports) {
            return NULL;
        }
        p = end;
    }
}

static void count_free(UsbPort *port, unsigned depth, UsbPort **first, unsigned *count)
{
    UsbDevice *u = port->device;

    if (!u) {
        *first = *first ? *first : port;
        ++*count;
    }
    for (unsigned i = 0; u && depth && i < u->n_ports; i++) {
        count_free(&u->ports[i], depth - 1, first, count);
    }
}

UsbPort *usb_bus_free_port(UsbBus *bus, bool *last)
{
    UsbPort *first = NULL;
    unsigned count = 0;

    for (unsigned i = 0; i < USB_ROOT_PORTS; i++) {         /* root ports before any hub's */
        count_free(bus->port[i], 0, &first, &count);
    }
    count = 0;
    for (unsigned i = 0; i < USB_ROOT_PORTS; i++) {
        count_free(bus->port[i], USB_HUB_DEPTH, &first, &count);
    }
    *last = count == 1;
    return first;
}

char *usb_port_path(const UsbPort *port)
{
    g_autofree char *before = port->hub && port->hub->port ? usb_port_path(port->hub->port) : NULL;

    return before ? g_strdup_printf("%s.%u", before, port->number)
           : g_strdup_printf("%u", port->number);
}

/* --- life -------------------------------------------------------------------------------------- */

static unsigned hubs_above(const UsbPort *port)
{
    unsigned n = 0;

    for (; port->hub && port->hub->port; port = port->hub->port) {
        n++;
    }
    return n;
}

bool usb_device_init(UsbDevice *u, const UsbModel *model, GError **error)
{
    bool last;
    UsbPort *port;

    u->model = model;
    if (!u->bus) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NODEV, "there is no USB controller");
        return false;
    }
    port = u->port_path ? usb_bus_port(u->bus, u->port_path) : usb_bus_free_port(u->bus, &last);
    if (!port || port->device) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_EXIST, "USB port %s is %s",
                    u->port_path ? u->port_path : "for it", port ? "taken" : "not there");
        return false;
    }
    if (u->n_ports && hubs_above(port) + 1 > USB_HUB_DEPTH) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "more than %d USB hubs in a row",
                    USB_HUB_DEPTH);
        return false;
    }
    if (!u->name) {
        u->name = g_strdup(u->dev.cls->name);
    }
    usb_device_reset(u);
    u->port = port;
    port->device = u;
    port->ops->changed(port);
    return true;
}

void usb_device_reset(UsbDevice *u)
{
    u->address = u->new_address = 0;
    u->remote_wakeup = false;
    u->stage = USB_STAGE_IDLE;
    memset(u->setup, 0, sizeof u->setup);
    memset(u->control, 0, sizeof u->control);
    u->control_len = u->control_pos = 0;
    set_configuration(u, 0);
    if (u->model->reset) {
        u->model->reset(u);
    }
}

void usb_device_closed(UsbDevice *u)
{
    if (u->model->configured) {
        u->model->configured(u, false);
    }
    for (unsigned i = 0; i < u->n_ports; i++) {
        if (u->ports[i].device) {
            usb_device_closed(u->ports[i].device);
        }
    }
}

bool usb_device_loaded(UsbDevice *u, GError **error)
{
    unsigned total = usb_get16(u->setup + 6);

    if (u->control_pos > u->control_len || u->control_len > USB_CONTROL_MAX ||
        (u->stage == USB_STAGE_DATA_OUT && (total > USB_CONTROL_MAX || u->control_len >= total))) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "control transfer out of bounds");
        return false;
    }
    if (u->stage == USB_STAGE_WAIT) {
        u->stage = USB_STAGE_STALLED;       /* its answer was under way in another process */
    }
    choose_endpoints(u);
    return true;
}

void usb_device_finish(UsbDevice *u)
{
    UsbPort *port = u->port;

    u->port = NULL;
    if (port) {
        port->device = NULL;
        port->ops->changed(port);
    }
}

const StateField usb_device_state[] = {
    STATE_U8_MAX(UsbDevice, address, 127), STATE_U8_MAX(UsbDevice, new_address, 127),
    STATE_U8(UsbDevice, configuration), STATE_BOOL(UsbDevice, remote_wakeup),
    STATE_U8_ARRAY(UsbDevice, alternate), STATE_U16(UsbDevice, halted_in),
    STATE_U16(UsbDevice, halted_out), STATE_U8_MAX(UsbDevice, stage, USB_STAGES - 1),
    STATE_BYTES(UsbDevice, setup), STATE_U16_MAX(UsbDevice, control_len, USB_CONTROL_MAX),
    STATE_U16_MAX(UsbDevice, control_pos, USB_CONTROL_MAX), STATE_BYTES(UsbDevice, control),
    STATE_END
};
