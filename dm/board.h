/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * board.h - the parts list of the PC.  One function makes it, for a fresh start and for a restore
 * alike; loading only fills in the state of what was made.
 */
#ifndef GH_BOARD_H
#define GH_BOARD_H

#include "dm/hv.h"
#include "dm/options.h"
#include "lib/pci.h"
#include "lib/speaker.h"
#include "net/net.h"
#include "ui/audio.h"
#include "ui/display.h"
#include "ui/input.h"
#include "ui/viewer.h"

typedef struct Board {
    Machine machine;
    PciBus pci;
    Display *display;
    Input *input;
    Audio *audio;
    AudioSocket *sound_socket;  /* to dm-sound; NULL: none */
    SpeakerSource speaker;
    ViewerRequests viewer_requests;
    Device *pm, *cmos, *dma;
    Device *fdc;                /* change of media */
    Device *usb;                /* the USB controller; NULL: none */
    Device *ide;                /* the IDE controller: change of media */
    NetPort *nic_port[MAX_NICS];        /* the cards' cables; the cards own them */
} Board;

/* opaque: the machine's; hv, opaque and options must outlive the board. */
bool board_build(Board *b, const MachineHost *host, void *opaque, Hv *hv, const DmOptions *o,
                 GError **error);
void board_finish(Board *b);

/* usb.c: makes the device and plugs it in, with a hub before it when the ports run out. */
bool board_usb_add(Board *b, const UsbOption *o, GError **error);
/* Pulls out the last device of that name. */
bool board_usb_remove(Board *b, const char *name, GError **error);


#endif
