/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb_proto.h - between a device model and the process that holds one USB device of the host
 * (dm-usb): a SOCK_SEQPACKET socket.  A packet is a UsbMsg and len bytes of data.  The device model
 * numbers its requests; each is answered once by USB_MSG_DONE, also a cancelled one.  Neither side
 * trusts the other: what is too long or out of turn ends the connection.
 */
#ifndef GH_USB_PROTO_H
#define GH_USB_PROTO_H

#include <stdint.h>

#define USB_PROTO_VERSION 1
#define USB_DATA_MAX 16384              /* bytes of data in a packet */
#define USB_REQUESTS_MAX 64             /* under way at once */

enum UsbMsgType {
    /* device model -> dm-usb */
    USB_MSG_CONTROL = 1,        /* setup; data: the data stage of a write */
    USB_MSG_TRANSFER,           /* endpoint (with direction), kind, want: bytes to read; data: write */
    USB_MSG_CANCEL,             /* id */
    USB_MSG_RESET,              /* the port was reset */
    /* dm-usb -> device model */
    USB_MSG_HELLO = 64,         /* want = version, status = UsbHostSpeed; data: device descriptor and
                                   the first configuration with all that belongs to it */
    USB_MSG_DONE,               /* id, status = UsbHostStatus; data: what was read.  After
                                   SET_CONFIGURATION: the descriptors of that configuration */
    USB_MSG_GONE,               /* it was pulled out */
};
enum UsbHostSpeed { USB_HOST_LOW, USB_HOST_FULL, USB_HOST_HIGH };
enum UsbHostStatus { USB_HOST_OK, USB_HOST_STALL, USB_HOST_ERROR, USB_HOST_BABBLE,
                     USB_HOST_CANCELLED };

typedef struct UsbMsg {
    uint32_t type, id;
    uint32_t want, len;
    int32_t status;
    uint8_t setup[8];
    uint8_t endpoint, kind;     /* kind: USB 1.1 transfer type, 2 bulk, 3 interrupt */
    uint8_t pad[2];
} UsbMsg;

#endif
