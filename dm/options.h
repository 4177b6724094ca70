/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options.h - qemu-dm's command line.  The options of Xen 4.1's qemu-dm keep their names; host
 * objects come as inherited descriptors, because qemu-dm opens nothing itself.
 */
#ifndef GH_OPTIONS_H
#define GH_OPTIONS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include "net/net.h"

#define MAX_NICS 8
#define MAX_SERIALS 4
#define MAX_VIEWERS 8
#define MAX_USB_DEVICES 16
#define MAX_DRIVES 6            /* hda-hdd, fda, fdb */

typedef struct DriveLayer {
    int fd;
    char *format;
} DriveLayer;

typedef struct DriveOption {
    char name[8];               /* hda */
    int fd;                     /* -1: empty drive */
    char *format;               /* of block/block.h; NULL: raw */
    DriveLayer *backing;        /* what the image is based on, in order */
    unsigned backings;
    bool cdrom, read_only;
    bool hold_errors;           /* requests that the host fails wait for xend */
    bool shared;                /* others may write the image meanwhile */
} DriveOption;

typedef struct NicOption {
    int fd;                     /* -1: cable not plugged */
    NetCable kind;              /* of fd */
    uint64_t rate_bytes;        /* that the guest may send in each ... 0: no limit */
    uint32_t rate_us;
    uint8_t mac[6];
    char *model;                /* rtl8139, ne2k_pci, ne2k_isa */
    int rom_fd;                 /* -1: no boot ROM */
    unsigned iobase, irq;       /* ne2k_isa */
    bool cplus;                 /* rtl8139: with the C+ mode */
} NicOption;

typedef struct SerialOption {
    int fd;                     /* its cable (include/line_proto.h); -1: not connected */
    bool present;
} SerialOption;

typedef struct UsbOption {
    char *spec;                 /* the user's name for it: tablet, disk:/a.img */
    DriveOption disk;           /* image of disk:, cdrom:; its fd also: socket of host: */
} UsbOption;

typedef struct DmOptions {
    unsigned domid;
    char *name, *boot, *keymap;
    char *sound_cards;          /* names with commas between; NULL: none */
    unsigned video_ram;         /* MiB */
    char *vcpus_online, *watchdog;
    bool pvpanic;
    unsigned vcpus;
    unsigned boot_menu;         /* seconds it waits for its key; 0: none */
    bool std_vga, acpi, localtime, usb, xen_platform, no_graphics;
    int64_t rtc_offset;         /* seconds */
    int control_fd, hypervisor_fd, log_fd, vgabios_fd;
    DriveOption drive[MAX_DRIVES];
    unsigned drives;
    NicOption nic[MAX_NICS];
    unsigned nics;
    SerialOption serial[MAX_SERIALS];
    unsigned serials;
    SerialOption parallel;
    int sound_file;             /* where a WAV file of all sound goes, -1: nowhere */
    int sound_socket;           /* of dm-sound, -1: none */
    UsbOption usb_device[MAX_USB_DEVICES];
    unsigned usb_devices;
    int viewer[MAX_VIEWERS];
    unsigned viewers;
    bool help;
} DmOptions;

bool options_parse(DmOptions *o, int argc, char **argv, GError **error);
void options_free(DmOptions *o);
void options_help(void);

#endif
