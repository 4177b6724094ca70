/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * uhci.h - the Universal Host Controller Interface 1.1 as in the 82371SB: what uhci.c (registers,
 * ports, time) and uhci_schedule.c (the lists in guest memory) share.
 */
#ifndef GH_UHCI_H
#define GH_UHCI_H

#include "hw/usb/usb.h"
#include "lib/pci.h"

enum { USBCMD = 0x00, USBSTS = 0x02, USBINTR = 0x04, FRNUM = 0x06, FLBASEADD = 0x08, SOFMOD = 0x0c,
       PORTSC1 = 0x10, PORTSC2 = 0x12, UHCI_REGISTERS = 0x20 };
enum { CMD_RS = 1, CMD_HCRESET = 2, CMD_GRESET = 4, CMD_EGSM = 8, CMD_FGR = 0x10, CMD_SWDBG = 0x20,
       CMD_CF = 0x40, CMD_MAXP = 0x80 };
enum { STS_USBINT = 1, STS_ERROR = 2, STS_RESUME = 4, STS_SYSTEM = 8, STS_PROCESS = 0x10,
       STS_HALTED = 0x20 };
enum { INTR_TIMEOUT_CRC = 1, INTR_RESUME = 2, INTR_IOC = 4, INTR_SHORT = 8 };
enum { PORT_CONNECT = 1, PORT_CONNECT_CHANGE = 2, PORT_ENABLE = 4, PORT_ENABLE_CHANGE = 8,
       PORT_DPLUS = 0x10, PORT_DMINUS = 0x20, PORT_RESUME = 0x40, PORT_ALWAYS = 0x80,
       PORT_LOW_SPEED = 0x100, PORT_RESET = 0x200, PORT_SUSPEND = 0x1000 };
enum { FRNUM_MASK = 0x7ff, FRAME_LIST_MASK = 0x3ff };

typedef struct Uhci {
    PciDevice pci;
    UsbBus usb;
    UsbPort port[USB_ROOT_PORTS];
    uint16_t command, status, interrupts, frame_number;
    uint16_t port_status[USB_ROOT_PORTS];   /* without the line states, which are derived */
    uint32_t frame_base;
    uint8_t sof_modify;
    bool ioc, short_packet;     /* why STS_USBINT is set */
    int64_t frame_start;        /* ns: when frame_number began; while running */
    uint32_t idle_frames;       /* in a row in which the schedule had nothing to do */
    Timer timer;
    bool walking;               /* in a frame: what devices say now needs no waking */
    bool fresh;                 /* the current frame has been walked */
    uint8_t buffer[USB_PACKET_MAX];
} Uhci;

/* The bus of a uhci device, for those that are plugged in. */
UsbBus *uhci_bus(Device *dev);

/* Walks the list of frame_number once, within the bus time of a frame.  True: something happened
 * (anything but packets that were answered with NAK). */
bool uhci_walk_frame(Uhci *u);

/* uhci.c, for the walk: */
void uhci_stop(Uhci *u, unsigned status);       /* clears RS, sets HCHALTED and status */

#endif
