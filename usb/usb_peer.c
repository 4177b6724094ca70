/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb_peer.c - see usb_peer.h.  Every packet is checked before anybody sees it: a type that has no
 * business here, a length that is not what came, or descriptors that are none end the connection.
 */
#include "usb/usb_peer.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <unistd.h>
#include "lib/fdpass.h"

enum { PACKETS_A_TURN = 32, DEVICE_DESCRIPTOR = 18, CONFIG_DESCRIPTOR = 9 };

struct UsbPeer {
    int fd;
    guint source;
    bool present;               /* arrived() was called, gone() not yet */
    UsbPeerClient client;
    uint8_t packet[sizeof(UsbMsg) + USB_DATA_MAX];
};

static void hang_up(UsbPeer *p, const char *why)
{
    if (why) {
        g_warning("USB device: %s", why);
    }
    if (p->source) {
        g_source_remove(p->source);
        p->source = 0;
    }
    close(p->fd);
    p->fd = -1;
    if (p->present) {
        p->present = false;
        p->client.gone(p->client.opaque);
    }
}

static bool descriptors_sound(const uint8_t *d, unsigned len)
{
    return len >= DEVICE_DESCRIPTOR + CONFIG_DESCRIPTOR && d[0] == DEVICE_DESCRIPTOR && d[1] == 1 &&
           (d[7] == 8 || d[7] == 16 || d[7] == 32 || d[7] == 64) &&
           d[DEVICE_DESCRIPTOR] >= CONFIG_DESCRIPTOR && d[DEVICE_DESCRIPTOR + 1] == 2;
}

static const char *hello(UsbPeer *p, const UsbMsg *m, const uint8_t *data)
{
    if (p->present || m->want != USB_PROTO_VERSION || m->status < 0 || m->status > USB_HOST_HIGH ||
        !descriptors_sound(data, m->len)) {
        return "a greeting that makes no sense";
    }
    p->present = true;
    p->client.arrived(p->client.opaque, m->status, data, m->len);
    return NULL;
}

/* NULL, or why the connection ends. */
static const char *handle(UsbPeer *p, size_t size)
{
    const uint8_t *data = p->packet + sizeof(UsbMsg);
    UsbMsg m;

    if (size < sizeof m) {
        return "a packet that is too short";
    }
    memcpy(&m, p->packet, sizeof m);
    if (m.len != size - sizeof m) {
        return "a packet with a wrong length";
    }
    switch (m.type) {
    case USB_MSG_HELLO:
        return hello(p, &m, data);
    case USB_MSG_DONE:
        if (!p->present || m.status < 0 || m.status > USB_HOST_CANCELLED) {
            return "an answer that makes no sense";
        }
        p->client.done(p->client.opaque, m.id, m.status, data, m.len);
        return NULL;
    case USB_MSG_GONE:
        return "it was pulled out of the host";
    default:
        return "a packet of an unknown type";
    }
}

static gboolean readable(gint fd, GIOCondition condition, gpointer opaque)
{
    UsbPeer *p = opaque;

    (void)condition;
    for (unsigned i = 0; i < PACKETS_A_TURN; i++) {
        unsigned nfds = 0;
        ssize_t n = packet_recv(fd, p->packet, sizeof p->packet, NULL, &nfds);
        const char *fault;

        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            break;
        }
        fault = n < 0 ? g_strerror(errno) : n == 0 ? "its process has ended" : handle(p, n);
        if (fault) {
            p->source = 0;
            hang_up(p, fault);
            return G_SOURCE_REMOVE;
        }
    }
    return G_SOURCE_CONTINUE;
}

UsbPeer *usb_peer_new(int fd)
{
    UsbPeer *p = g_new0(UsbPeer, 1);

    p->fd = fd;
    g_unix_set_fd_nonblocking(fd, TRUE, NULL);
    return p;
}

void usb_peer_free(UsbPeer *p)
{
    if (p) {
        p->present = false;
        if (p->fd >= 0) {
            hang_up(p, NULL);
        }
        g_free(p);
    }
}

void usb_peer_attach(UsbPeer *p, const UsbPeerClient *client)
{
    p->client = *client;
    p->source = g_unix_fd_add(p->fd, G_IO_IN | G_IO_HUP | G_IO_ERR, readable, p);
}

static bool send_msg(UsbPeer *p, const UsbMsg *m, const void *data)
{
    return p->present && packet_send(p->fd, m, sizeof *m, data, m->len, NULL, 0);
}

bool usb_peer_control(UsbPeer *p, uint32_t id, const uint8_t setup[8], const void *data,
                      unsigned len)
{
    UsbMsg m = { .type = USB_MSG_CONTROL, .id = id, .len = len };

    memcpy(m.setup, setup, sizeof m.setup);
    return send_msg(p, &m, data);
}

bool usb_peer_read(UsbPeer *p, uint32_t id, unsigned endpoint, unsigned kind, unsigned want)
{
    UsbMsg m = { .type = USB_MSG_TRANSFER, .id = id, .want = want, .endpoint = endpoint | 0x80,
                 .kind = kind };

    return send_msg(p, &m, NULL);
}

bool usb_peer_write(UsbPeer *p, uint32_t id, unsigned endpoint, unsigned kind, const void *data,
                    unsigned len)
{
    UsbMsg m = { .type = USB_MSG_TRANSFER, .id = id, .len = len, .endpoint = endpoint,
                 .kind = kind };

    return send_msg(p, &m, data);
}

void usb_peer_cancel(UsbPeer *p, uint32_t id)
{
    UsbMsg m = { .type = USB_MSG_CANCEL, .id = id };

    send_msg(p, &m, NULL);
}

void usb_peer_reset(UsbPeer *p)
{
    UsbMsg m = { .type = USB_MSG_RESET };

    send_msg(p, &m, NULL);
}
