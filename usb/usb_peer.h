/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb_peer.h - a USB device of the host as device models see it: requests go to the process that
 * holds it, answers come back from the main loop.  Nothing blocks; a peer that does not read makes
 * requests fail.  Device thread only.
 */
#ifndef GH_USB_PEER_H
#define GH_USB_PEER_H

#include <glib.h>
#include <stdbool.h>
#include "usb_proto.h"

typedef struct UsbPeer UsbPeer;

typedef struct UsbPeerClient {
    /* descriptors: 18 bytes of the device, then a configuration; len of both is at least 27. */
    void (*arrived)(void *opaque, unsigned speed, const uint8_t *descriptors, unsigned len);
    void (*gone)(void *opaque);         /* pulled out, or its process has ended */
    void (*done)(void *opaque, uint32_t id, unsigned status, const uint8_t *data, unsigned len);
    void *opaque;
} UsbPeerClient;

UsbPeer *usb_peer_new(int fd);          /* takes over the socket */
void usb_peer_free(UsbPeer *p);
void usb_peer_attach(UsbPeer *p, const UsbPeerClient *client);
/* False: it can't be taken now (or the peer is gone); done will not be called. */
bool usb_peer_control(UsbPeer *p, uint32_t id, const uint8_t setup[8], const void *data,
                      unsigned len);
bool usb_peer_read(UsbPeer *p, uint32_t id, unsigned endpoint, unsigned kind, unsigned want);
bool usb_peer_write(UsbPeer *p, uint32_t id, unsigned endpoint, unsigned kind, const void *data,
                    unsigned len);
void usb_peer_cancel(UsbPeer *p, uint32_t id);
void usb_peer_reset(UsbPeer *p);

#endif
