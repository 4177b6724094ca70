/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ctl_proto.h - between xend and a domain's processes.  SOCK_SEQPACKET; the control descriptor is
 * named on the command line (--control-fd N).  One request gets one reply with the same id; events
 * have id 0.  Strings are UTF-8 without NUL, the packet's length ends them.
 */
#ifndef GH_CTL_PROTO_H
#define GH_CTL_PROTO_H

#include <stdint.h>

#define CTL_PROTO_VERSION 1
#define CTL_MSG_MAX 65536

enum CtlType {
    /* xend -> hypervisor */
    CTL_PAUSE = 1,              /* replies once no vCPU runs guest code */
    CTL_UNPAUSE,
    CTL_DESTROY,                /* stop at once; replies, then exits 0 */
    CTL_TRIGGER,                /* a = CtlTrigger, b = vCPU */
    CTL_INFO,                   /* reply body: CtlInfo */
    CTL_GET_PARAM,              /* a = HVM_PARAM_*; reply: b = value */
    CTL_SET_PARAM,              /* a, b */
    CTL_SYSRQ,                  /* reserved */
    CTL_DUMP_CORE,              /* with a descriptor to write an ELF core to */
    CTL_SHUTDOWN,               /* a = ShutdownReason: as SCHEDOP_shutdown for the whole domain */
    CTL_COUNTERS,               /* reply body: text: what the vCPUs' engine has counted */
    /* xend -> qemu-dm */
    CTL_CHANGE_MEDIUM = 64,     /* body: drive ("hdc", "fda"), then, if it is not one raw image,
                                   a space and the formats of its layers ("hdc qcow2/raw"); with
                                   a descriptor for each layer, or none: eject;
                                   a: CTL_MEDIUM_READ_ONLY, CTL_MEDIUM_SHARED; b: CTL_MEDIUM_FORCE; answers with
                                   EACCES if the guest has locked the tray */
    CTL_SCREENSHOT,             /* with a descriptor: a PPM picture is written to it */
    CTL_SEND_KEY,               /* a = code, b = down */
    CTL_DUMP_STATE,             /* with a descriptor: text of all device state */
    CTL_ADD_VIEWER,             /* with the socket of a dm-ui or dm-sdl (ui_proto.h) */
    CTL_NIC_CABLE,              /* a = card; with what it is plugged into, or none: unplugged;
                                   b = CtlCable; body: "BYTES/US" that the guest may send, or
                                   empty: no limit */
    CTL_NIC_DUMP,               /* a = card, b = bytes at most; with a file that gets a capture of
                                   its frames, or none: no more */
    CTL_RETRY_DISKS,            /* requests that the host failed run again */
    CTL_RESIZE_DISK,            /* a = bytes, body: device name; replies when it is done */
    CTL_USB_ADD,                /* body: formats of the image's layers with slashes between, or -, a
                                   space, the name of the device (tablet, disk:PATH, ...); with its
                                   descriptors if it has any; a: 1 = read-only */
    CTL_USB_DEL,                /* body: the name */
    CTL_SET_VCPUS,              /* a: vCPUs 0 to a - 1 shall be online (ACPI) */
    CTL_SET_SOUND,              /* with the socket of a dm-sound (sound_proto.h) instead of the old */
    /* any direction */
    CTL_REPLY = 128,            /* a = 0 or errno; body: data, or a message for people */
    /* hypervisor -> xend */
    CTL_EVENT_READY = 192,      /* domain built, vCPUs paused */
    CTL_EVENT_SHUTDOWN,         /* a = ShutdownReason; vCPUs are stopped */
    CTL_EVENT_ENGINE,           /* body: text: which engine, and why */
    CTL_EVENT_FAILED,           /* body: text: can't start; the process exits */
    /* qemu-dm -> xend */
    CTL_EVENT_DM_READY,         /* it answers requests */
    CTL_EVENT_TRAY,             /* body: device name, a: CtlTray: the guest moved or locked it */
    CTL_EVENT_TIMEOFFSET,       /* a, as signed seconds: the sum since start */
    CTL_EVENT_DISK_ERROR,       /* a = errno, body: text: a request is held (--drive errors=hold) */
    CTL_EVENT_VIEWER,           /* body: "power" or "reset" or "quit" from a viewer */
};

enum CtlTrigger { CTL_TRIGGER_NMI, CTL_TRIGGER_RESET, CTL_TRIGGER_INIT, CTL_TRIGGER_POWER,
                  CTL_TRIGGER_SLEEP, CTL_TRIGGER_S3RESUME };

enum CtlCable { CTL_CABLE_SOCKET, CTL_CABLE_TAP, CTL_CABLE_TAP_VNET, CTL_CABLE_BUNDLES };
/* Force: also when the guest has locked the tray. */
enum CtlTray { CTL_TRAY_OPEN = 1, CTL_TRAY_LOCKED = 2 };
enum CtlMedium { CTL_MEDIUM_READ_ONLY = 1, CTL_MEDIUM_SHARED = 2, CTL_MEDIUM_FORCE = 1 };

typedef struct CtlMsg {
    uint32_t type;
    uint32_t id;
    uint64_t a, b;
    uint32_t len;               /* of the body that follows */
    uint32_t pad;
} CtlMsg;

typedef struct CtlVcpu { uint64_t cpu_ns; uint32_t state; int32_t cpu; } CtlVcpu; /* 0 run 1 runnable
                                   2 blocked 3 offline; cpu: host CPU last seen on */
typedef struct CtlInfo {
    uint32_t vcpus;
    uint32_t flags;             /* 1 paused, 2 shut down, 4 dying */
    uint32_t reason;            /* ShutdownReason when shut down */
    uint32_t pad;
    uint64_t cpu_ns;            /* all vCPUs together */
    uint64_t ram_pages;
    CtlVcpu vcpu[128];
} CtlInfo;

#endif
