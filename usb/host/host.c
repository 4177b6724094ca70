/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host.c - requests of a device model to one real USB device (libusb 1.0).  Transfers are
 * asynchronous; what changes the device's configuration is done at once, because nothing else may
 * run beside it.  The device is never opened here: xend has, and it is wrapped.  Left out:
 * isochronous transfers, streams.
 */
#include "usb/host/host.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "lib/fdpass.h"

enum { CONTROL_TIMEOUT_MS = 5000, INTERFACES_MAX = 32, SETUP_BYTES = 8 };
enum { SET_CONFIGURATION = 9, SET_INTERFACE = 11, CLEAR_FEATURE = 1, FEATURE_HALT = 0 };

struct HostRequest {
    HostUsb *host;
    uint32_t id;
    struct libusb_transfer *transfer;
    uint8_t data[SETUP_BYTES + USB_DATA_MAX];
};

static void send_message(HostUsb *h, const UsbMsg *m, const void *data)
{
    if (!packet_send(h->socket, m, sizeof *m, data, m->len, NULL, 0)) {
        h->ended = true;
    }
}

static void answer(HostUsb *h, uint32_t id, int status, const void *data, unsigned len)
{
    UsbMsg m = { .type = USB_MSG_DONE, .id = id, .status = status, .len = MIN(len, USB_DATA_MAX) };

    send_message(h, &m, data);
}

static void device_gone(HostUsb *h)
{
    UsbMsg m = { .type = USB_MSG_GONE };

    if (!h->ended) {
        send_message(h, &m, NULL);
        h->ended = true;
    }
}

static int status_of(HostUsb *h, enum libusb_transfer_status status)
{
    switch (status) {
    case LIBUSB_TRANSFER_COMPLETED: return USB_HOST_OK;
    case LIBUSB_TRANSFER_STALL: return USB_HOST_STALL;
    case LIBUSB_TRANSFER_OVERFLOW: return USB_HOST_BABBLE;
    case LIBUSB_TRANSFER_CANCELLED: return USB_HOST_CANCELLED;
    case LIBUSB_TRANSFER_NO_DEVICE: device_gone(h); return USB_HOST_ERROR;
    default: return USB_HOST_ERROR;
    }
}

static void LIBUSB_CALL transfer_done(struct libusb_transfer *t)
{
    HostRequest *r = t->user_data;
    HostUsb *h = r->host;
    bool control = t->type == LIBUSB_TRANSFER_TYPE_CONTROL;
    bool in = control ? r->data[0] & LIBUSB_ENDPOINT_IN : t->endpoint & LIBUSB_ENDPOINT_IN;

    answer(h, r->id, status_of(h, t->status), r->data + (control ? SETUP_BYTES : 0),
           in ? t->actual_length : 0);
    g_hash_table_remove(h->requests, GUINT_TO_POINTER(r->id));
}

static void request_free(gpointer p)
{
    HostRequest *r = p;

    libusb_free_transfer(r->transfer);
    g_free(r);
}

static void submit(HostUsb *h, HostRequest *r)
{
    int rc = libusb_submit_transfer(r->transfer);

    if (rc == 0) {
        g_hash_table_insert(h->requests, GUINT_TO_POINTER(r->id), r);
        return;
    }
    if (rc == LIBUSB_ERROR_NO_DEVICE) {
        device_gone(h);
    } else {
        answer(h, r->id, USB_HOST_ERROR, NULL, 0);
    }
    request_free(r);
}

/* NULL: too many, or the id is in use; the device model breaks the rules. */
static HostRequest *request_new(HostUsb *h, uint32_t id)
{
    HostRequest *r;

    if (g_hash_table_size(h->requests) >= USB_REQUESTS_MAX ||
        g_hash_table_contains(h->requests, GUINT_TO_POINTER(id))) {
        return NULL;
    }
    r = g_new0(HostRequest, 1);
    r->host = h;
    r->id = id;
    r->transfer = libusb_alloc_transfer(0);
    return r;
}

/* --- configuration ----------------------------------------------------------------------------- */

static void release_interfaces(HostUsb *h)
{
    for (unsigned i = 0; i < INTERFACES_MAX; i++) {
        if (h->claimed >> i & 1) {
            libusb_release_interface(h->handle, i);
        }
    }
    h->claimed = 0;
}

/* The active configuration as bytes; its length, 0: none. */
static unsigned active_config(HostUsb *h, uint8_t *out, unsigned room)
{
    struct libusb_config_descriptor *c;
    int number = 0, got = 0;

    if (libusb_get_active_config_descriptor(libusb_get_device(h->handle), &c) != 0) {
        return 0;
    }
    for (uint8_t i = 0; i < 8; i++) {
        got = libusb_get_descriptor(h->handle, LIBUSB_DT_CONFIG, i, out, room);
        number = got >= 9 ? out[5] : 0;
        if (got < 9 || number == c->bConfigurationValue) {
            break;
        }
    }
    libusb_free_config_descriptor(c);
    return got >= 9 && number ? got : 0;
}

static bool claim_interfaces(HostUsb *h)
{
    struct libusb_config_descriptor *c;
    bool ok = true;

    if (libusb_get_active_config_descriptor(libusb_get_device(h->handle), &c) != 0) {
        return true;                        /* not configured: nothing to claim */
    }
    for (unsigned i = 0; i < MIN(c->bNumInterfaces, INTERFACES_MAX) && ok; i++) {
        ok = libusb_claim_interface(h->handle, i) == 0;
        h->claimed |= ok ? 1u << i : 0;
    }
    libusb_free_config_descriptor(c);
    return ok;
}

static void set_configuration(HostUsb *h, uint32_t id, int value)
{
    g_autofree uint8_t *config = g_malloc0(4096);
    int active = -1, rc = 0;

    release_interfaces(h);
    libusb_get_configuration(h->handle, &active);
    if (active != value) {
        for (unsigned i = 0; i < INTERFACES_MAX; i++) {
            libusb_detach_kernel_driver(h->handle, i);
        }
        rc = libusb_set_configuration(h->handle, value ? value : -1);
    }
    if (rc != 0 || !claim_interfaces(h)) {
        answer(h, id, USB_HOST_STALL, NULL, 0);
        return;
    }
    answer(h, id, USB_HOST_OK, config, value ? active_config(h, config, 4096) : 0);
}

/* True: it was one of the requests that the host's kernel must know of. */
static bool configure(HostUsb *h, const UsbMsg *m)
{
    const uint8_t *s = m->setup;
    unsigned value = s[2] | s[3] << 8, index = s[4] | s[5] << 8;

    if (s[0] == 0 && s[1] == SET_CONFIGURATION) {
        set_configuration(h, m->id, value & 0xff);
    } else if (s[0] == 1 && s[1] == SET_INTERFACE) {
        answer(h, m->id, libusb_set_interface_alt_setting(h->handle, index, value) == 0
                         ? USB_HOST_OK : USB_HOST_STALL, NULL, 0);
    } else if (s[0] == 2 && s[1] == CLEAR_FEATURE && value == FEATURE_HALT) {
        answer(h, m->id, libusb_clear_halt(h->handle, index) == 0 ? USB_HOST_OK : USB_HOST_STALL,
               NULL, 0);
    } else {
        return false;
    }
    return true;
}

/* --- requests ---------------------------------------------------------------------------------- */

static bool control(HostUsb *h, const UsbMsg *m, const uint8_t *data)
{
    unsigned len = m->setup[6] | m->setup[7] << 8;
    HostRequest *r;

    if (len > USB_DATA_MAX || (!(m->setup[0] & 0x80) && len != m->len)) {
        return false;
    }
    if (configure(h, m)) {
        return true;
    }
    r = request_new(h, m->id);
    if (!r) {
        return false;
    }
    memcpy(r->data, m->setup, SETUP_BYTES);
    if (!(m->setup[0] & 0x80)) {
        memcpy(r->data + SETUP_BYTES, data, len);
    }
    libusb_fill_control_transfer(r->transfer, h->handle, r->data, transfer_done, r,
                                 CONTROL_TIMEOUT_MS);
    submit(h, r);
    return true;
}

static bool transfer(HostUsb *h, const UsbMsg *m, const uint8_t *data)
{
    bool in = m->endpoint & LIBUSB_ENDPOINT_IN;
    unsigned len = in ? m->want : m->len;
    HostRequest *r;

    if (len > USB_DATA_MAX || (m->kind != LIBUSB_TRANSFER_TYPE_BULK &&
                               m->kind != LIBUSB_TRANSFER_TYPE_INTERRUPT)) {
        return false;
    }
    r = request_new(h, m->id);
    if (!r) {
        return false;
    }
    if (!in) {
        memcpy(r->data, data, len);
    }
    if (m->kind == LIBUSB_TRANSFER_TYPE_BULK) {
        libusb_fill_bulk_transfer(r->transfer, h->handle, m->endpoint, r->data, len, transfer_done,
                                  r, 0);
    } else {
        libusb_fill_interrupt_transfer(r->transfer, h->handle, m->endpoint, r->data, len,
                                       transfer_done, r, 0);
    }
    submit(h, r);
    return true;
}

static void reset(HostUsb *h)
{
    int rc = libusb_reset_device(h->handle);

    if (rc == LIBUSB_ERROR_NOT_FOUND || rc == LIBUSB_ERROR_NO_DEVICE) {
        device_gone(h);
    }
}

bool host_serve(HostUsb *h)
{
    uint8_t packet[sizeof(UsbMsg) + USB_DATA_MAX];
    unsigned nfds = 0;
    ssize_t n = packet_recv(h->socket, packet, sizeof packet, NULL, &nfds);
    HostRequest *r;
    UsbMsg m;

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return true;
    }
    if (n < (ssize_t)sizeof m) {
        return false;
    }
    memcpy(&m, packet, sizeof m);
    if (m.len != n - sizeof m) {
        return false;
    }
    switch (m.type) {
    case USB_MSG_CONTROL:
        return control(h, &m, packet + sizeof m);
    case USB_MSG_TRANSFER:
        return transfer(h, &m, packet + sizeof m);
    case USB_MSG_CANCEL:
        r = g_hash_table_lookup(h->requests, GUINT_TO_POINTER(m.id));
        if (r) {
            libusb_cancel_transfer(r->transfer);
        }
        return true;
    case USB_MSG_RESET:
        reset(h);
        return true;
    default:
        return false;
    }
}

/* --- life -------------------------------------------------------------------------------------- */

static bool say_hello(HostUsb *h, GError **error)
{
    uint8_t data[18 + 4096];
    int device = libusb_get_descriptor(h->handle, LIBUSB_DT_DEVICE, 0, data, 18);
    int config = libusb_get_descriptor(h->handle, LIBUSB_DT_CONFIG, 0, data + 18, 4096);
    int speed = libusb_get_device_speed(libusb_get_device(h->handle));
    UsbMsg m = { .type = USB_MSG_HELLO, .want = USB_PROTO_VERSION,
                 .status = speed == LIBUSB_SPEED_LOW ? USB_HOST_LOW
                           : speed >= LIBUSB_SPEED_HIGH ? USB_HOST_HIGH : USB_HOST_FULL,
                 .len = 18 + MAX(config, 0) };

    if (device != 18 || config < 9) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_IO, "its descriptors can't be read (%s)",
                    libusb_strerror(MIN(device, config)));
        return false;
    }
    send_message(h, &m, data);
    return true;
}

bool host_open(HostUsb *h, int device, int socket, GError **error)
{
    int rc;

    *h = (HostUsb){ .socket = socket };
    h->requests = g_hash_table_new_full(NULL, NULL, NULL, request_free);
    libusb_set_option(NULL, LIBUSB_OPTION_NO_DEVICE_DISCOVERY);
    rc = libusb_init(&h->context);
    if (rc == 0) {
        rc = libusb_wrap_sys_device(h->context, device, &h->handle);
    }
    if (rc != 0) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_IO, "the device can't be used (%s)",
                    libusb_strerror(rc));
        return false;
    }
    libusb_set_auto_detach_kernel_driver(h->handle, 1);     /* and back when it is released */
    return say_hello(h, error);
}

static gboolean cancel(gpointer key, gpointer value, gpointer opaque)
{
    (void)key;
    (void)opaque;
    libusb_cancel_transfer(((HostRequest *)value)->transfer);
    return FALSE;
}

void host_close(HostUsb *h)
{
    if (h->handle) {
        h->ended = true;
        g_hash_table_foreach_remove(h->requests, cancel, NULL);
        for (unsigned i = 0; i < 100 && g_hash_table_size(h->requests); i++) {
            struct timeval wait = { 0, 10000 };

            libusb_handle_events_timeout(h->context, &wait);
        }
        release_interfaces(h);
        libusb_close(h->handle);
        h->handle = NULL;
    }
    if (h->context) {
        libusb_exit(h->context);
        h->context = NULL;
    }
}
