/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host.h - the one device that a dm-usb holds, through libusb; what dm-usb may do.
 */
#ifndef GH_USB_HOST_H
#define GH_USB_HOST_H

#include <glib.h>
#include <libusb.h>
#include <stdbool.h>
#include "usb_proto.h"

typedef struct HostRequest HostRequest;

typedef struct HostUsb {
    libusb_context *context;
    libusb_device_handle *handle;
    int socket;
    GHashTable *requests;       /* id -> HostRequest*, at most USB_REQUESTS_MAX */
    uint32_t claimed;           /* bits: interfaces */
    bool ended;
} HostUsb;

/* device: an open usbfs node.  Takes over both descriptors; says hello. */
bool host_open(HostUsb *h, int device, int socket, GError **error);
/* One packet from the device model.  False: it makes no sense, or the device model has gone. */
bool host_serve(HostUsb *h);
/* Gives the device back to the host's drivers. */
void host_close(HostUsb *h);

/* policy.c */
bool host_restrict(GError **error);

#endif
