/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb_rig.h - a fake machine with a UHCI and what a driver does with it: one queue head, transfer
 * descriptors in a row, control transfers.
 */
#ifndef GH_USB_RIG_H
#define GH_USB_RIG_H

#include "hw/devices.h"
#include "hw/usb/uhci.h"
#include "tests/fake_machine.h"
#include "ui/viewer.h"

enum { RIG_PORT = 0xc000, RIG_DEVFN = 0x0a, RIG_LIST = 0x10000, RIG_QH = 0x12000, RIG_TD = 0x13000,
       RIG_DATA = 0x20000, RIG_SETUP = 0x1f000 };
enum { RIG_END = 1, RIG_IS_QH = 2, RIG_DEPTH = 4 };
enum { RIG_ACTIVE = 1 << 23, RIG_IOC = 1 << 24, RIG_LOW = 1 << 26, RIG_SPD = 1 << 29,
       RIG_STALLED = 1 << 22, RIG_BUFFER = 1 << 21, RIG_BABBLE = 1 << 20, RIG_NAK = 1 << 19,
       RIG_TIMEOUT = 1 << 18, RIG_ERRORS = 3 << 27 };

typedef struct UsbRig {
    FakeMachine *f;
    Device *uhci;
    Input *input;
} UsbRig;

UsbRig *rig_new(void);              /* configuration space set up, schedule empty, stopped */
void rig_free(UsbRig *r);
Device *rig_plug(UsbRig *r, const DeviceClass *cls, const char *port);
static inline uint16_t rig_in(UsbRig *r, unsigned reg) { return fake_in16(r->f, RIG_PORT + reg); }
static inline void rig_out(UsbRig *r, unsigned reg, uint16_t v) { fake_out16(r->f, RIG_PORT + reg, v); }
void rig_poke(UsbRig *r, uint32_t address, uint32_t value);
uint32_t rig_peek(UsbRig *r, uint32_t address);
void rig_td(UsbRig *r, uint32_t address, uint32_t link, uint32_t status, unsigned pid, unsigned addr,
            unsigned endpoint, unsigned len, uint32_t buffer);
void rig_frames(UsbRig *r, unsigned n);     /* lets n milliseconds pass */
void rig_run(UsbRig *r);                    /* sets RS, with bus mastering on */
void rig_open_port(UsbRig *r, unsigned n);  /* resets and enables it */
/*
 * One transaction on the queue head, up to 20 frames; its status dword.  len 0: empty packet.  low
 * speed as the device says that port 1's is.
 */
uint32_t rig_packet(UsbRig *r, unsigned pid, unsigned addr, unsigned endpoint, void *data,
                    unsigned len, bool low_speed);
/* A control transfer by the book; bytes transferred, or -1: stalled, -2: no answer. */
int rig_control(UsbRig *r, unsigned addr, bool low_speed, unsigned type, unsigned request,
                unsigned value, unsigned index, unsigned len, void *data);
/* Reset, address 5 (or what is given), configuration 1. */
void rig_enumerate(UsbRig *r, unsigned port, unsigned addr, bool low_speed);
static inline unsigned rig_len(uint32_t status) { return (status + 1) & 0x7ff; }

#endif
