/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * domain_config.h - a domain's config after all checks: what xend builds a domain from.  The table
 * of known keys is in schema.c, the checks against this host are in check.c.
 */
#ifndef GH_TOOLS_DOMAIN_CONFIG_H
#define GH_TOOLS_DOMAIN_CONFIG_H

#include "tools/common/pyconfig.h"

#define MAX_DISKS 6
#define MAX_VIFS 8
#define MAX_SERIAL_PORTS 4
#define MAX_USB_DEVICES 16
#define MAX_VCPUS 128

typedef enum Action {
    ACTION_DESTROY, ACTION_RESTART, ACTION_PRESERVE, ACTION_RENAME_RESTART,
    ACTION_COREDUMP_DESTROY, ACTION_COREDUMP_RESTART
} Action;

/* What happens when the host can't read or write an image. */
typedef enum DiskErrors { DISK_ERRORS_REPORT, DISK_ERRORS_PAUSE, DISK_ERRORS_STOP } DiskErrors;

typedef struct DiskConfig {
    SourcePos pos;
    char *uname;                /* as written: file:/images/a.img */
    char *type;                 /* file, phy, tap, tap2 */
    char *path;                 /* empty: no medium */
    const char *format;         /* raw, qcow2, vhd; others: what qemu-nbd calls them */
    bool foreign;               /* a format of qemu-nbd's */
    char *dev;                  /* hda */
    unsigned vdev;              /* Xen's virtual device number */
    bool cdrom, floppy, writable, shared;
} DiskConfig;

typedef struct VifConfig {
    SourcePos pos;
    uint8_t mac[6];
    bool random_mac;
    char *mac_text, *bridge, *model, *ip, *script, *vifname, *rate, *type;
    char *segment;              /* a private one, between this user's guests */
    bool unplugged;             /* no cable until network-attach */
    char **hostfwd;             /* tcp::2222-:22 */
    char *tftp, *bootfile;      /* user mode: folder served by TFTP, what BOOTP names */
    unsigned iobase, irq;       /* ne2k_isa; 0: to be chosen */
    bool plain;                 /* rtl8139: an RTL8139C, without the C+ mode */
} VifConfig;

/* What a serial or parallel port is connected to. */
typedef enum LineKind { LINE_NULL, LINE_PTY, LINE_FILE, LINE_HOST_DEVICE, LINE_TCP, LINE_UNIX } LineKind;
typedef struct LineConfig {
    LineKind kind;
    char *spec;                 /* as written */
    char *path, *host;          /* host empty: this one */
    unsigned port;
    bool server, telnet;
} LineConfig;

typedef struct AudioConfig {
    char *wav;                  /* path of a file for all sound; NULL: none */
    bool sdl;                   /* played on the desktop, by dm-sound */
} AudioConfig;

typedef enum UsbKind { USB_KIND_TABLET, USB_KIND_MOUSE, USB_KIND_KEYBOARD, USB_KIND_HUB,
               USB_KIND_STORAGE, USB_KIND_HOST } UsbKind;

typedef struct UsbConfig {
    SourcePos pos;
    char *spec;                 /* as written: tablet, disk:/images/a.img */
    UsbKind kind;
    DiskConfig disk;            /* STORAGE: its image */
    bool by_id;                 /* HOST: by vendor and product, else by bus and address */
    unsigned host[2];
} UsbConfig;

typedef struct DomainConfig {
    char *name, *uuid;
    char *loader;               /* path of hvmloader; NULL: our own */
    char *boot, *keymap, *cpu, *device_model;
    unsigned memory, max_memory;        /* MiB */
    unsigned vcpus, video_ram;
    uint64_t vcpu_avail;
    char *pin[MAX_VCPUS];       /* processors of the host, as in cpuset.h; NULL: any */
    bool pae, acpi, apic, hpet, localtime, std_vga, usb;
    int timer_mode, tsc_mode;
    unsigned code_memory;       /* MiB */
    char *cpu_model;            /* of lib/cpu_models.h */
    GArray *cpuid;              /* CpuidRule */
    LineConfig gdb;             /* where gdb may connect; spec NULL: nowhere */
    char *gdb_arch;             /* auto, i8086, i386, x86-64 */
    int64_t rtc_offset;         /* seconds */
    Action on_poweroff, on_reboot, on_crash;
    bool vnc, sdl, vnc_unused, full_screen;
    char *display, *xauthority; /* of the window; NULL: xend's own */
    int vnc_display;            /* -1: the domain's number */
    char *vnc_listen, *vnc_password;    /* password NULL: none */
    LineConfig serial[MAX_SERIAL_PORTS];
    unsigned serials;
    LineConfig parallel;
    bool has_parallel;
    char *watchdog;             /* "i6300esb"; empty: none */
    unsigned boot_menu;         /* seconds; 0: none */
    bool pvpanic;
    bool xen_platform_pci;
    bool nographic;
    bool viewer;                /* xm starts one */
    bool monitor;               /* on a terminal */
    char *sound_cards;          /* "es1370,ac97"; empty: none */
    AudioConfig audio;
    DiskConfig disk[MAX_DISKS];
    unsigned disks;
    DiskErrors on_disk_error;
    VifConfig vif[MAX_VIFS];
    unsigned vifs;
    UsbConfig usb_device[MAX_USB_DEVICES];
    unsigned usb_devices;
} DomainConfig;

/* What only xend knows; any pointer may be NULL. */
typedef struct HostFacts {
    GHashTable *names;          /* char* -> of running domains */
    GHashTable *uuids;
    uint64_t free_memory;       /* MiB; 0: unknown */
    bool check_host;            /* look at files, ports and memory */
    const char *default_name;   /* from the config's file name */
    const char *vnc_listen, *vnc_password, *keymap;     /* of xend-config.sxp; NULL: not set */
} HostFacts;

/*
 * All keys of config, checked.  Every problem goes to messages; the result is complete only if no
 * error was added.  Never NULL.
 */
DomainConfig *domain_config_check(const Config *config, const HostFacts *facts, Messages *messages);
void domain_config_free(DomainConfig *d);

/* The parts, for tests and for commands that change devices. */
bool disk_parse(DiskConfig *disk, const char *spec, SourcePos pos, Messages *messages);
void disk_clear(DiskConfig *disk);
#define DISK_FORMATS "qcow2, vhd, or through qemu-nbd: qcow, vmdk, vdi, qed, vhdx, parallels"
/* By a name that tap: has for it, len characters.  False: there is no such format. */
bool disk_set_format(DiskConfig *disk, const char *name, size_t len);
/* A CD drive of this host, by its name: it is not opened, which may take as long as it spins up. */
bool disk_is_drive(const DiskConfig *disk);
/* A block device without a size is a drive without a disc. */
bool disk_has_medium(const DiskConfig *disk);
bool disk_check_image(const DiskConfig *disk, Messages *messages);

/* The open files of an image: itself, what it is based on, and so on. */
typedef struct DiskLayer {
    int fd;
    const char *format;         /* of block/block.h */
    char *path;
} DiskLayer;
typedef struct DiskChain {
    DiskLayer *layer;
    unsigned layers;
    uint64_t size;              /* bytes of the guest's disk */
} DiskChain;
/* Opens all files with the caller's rights, names in images relative to the image that has them;
 * lock: against use by others, as the mode wants it.  On failure a message and nothing open. */
bool disk_chain_open(const DiskConfig *disk, bool lock, DiskChain *chain, char **error);
void disk_chain_close(DiskChain *chain);
bool vif_parse(VifConfig *vif, const char *spec, SourcePos pos, Messages *messages);
void vif_clear(VifConfig *vif);
char *vif_rate(const VifConfig *vif);       /* "BYTES/MICROSECONDS", NULL: no limit */
/* A mac in 00:16:3e that is the same each time for this host, user, domain name and index. */
void vif_choose_mac(VifConfig *vif, const char *domain, unsigned index, unsigned attempt);
/* tcp|udp:[ADDRESS]:PORT-[ADDRESS]:PORT; what is wrong with it as a new string, NULL if nothing. */
char *hostfwd_fault(const char *text);
bool hostfwd_busy(const char *text);        /* of a good one: another program has the host's port */
bool line_parse(LineConfig *line, const char *key, const char *text, SourcePos pos,
                Messages *messages);
/* An error for a file, directory or device that can't be opened. */
void line_check_host(const LineConfig *line, const char *key, SourcePos pos, Messages *messages);
void line_clear(LineConfig *line);
/* The names of sound cards, each once, in the order of the machine. */
char *sound_parse(const char *text, SourcePos pos, Messages *messages);
/* gdbserver=; *arch is a new string. */
bool gdb_parse(LineConfig *line, char **arch, const char *text, SourcePos pos, Messages *messages);
bool audio_parse(AudioConfig *audio, const char *text, SourcePos pos, Messages *messages);
bool usb_parse(UsbConfig *usb, const char *spec, SourcePos pos, Messages *messages);
/* /dev/bus/usb/BUS/ADDRESS of a HOST device, newly allocated; NULL: it is not there.  sysfs: /sys. */
char *usb_find_node(const UsbConfig *usb, const char *sysfs);
/* Whether this host has what it stands on: the image, the device. */
bool usb_check_host(const UsbConfig *usb, Messages *messages);
void usb_clear(UsbConfig *usb);
bool uuid_valid(const char *text);
char *image_holder(const char *path, bool writable);    /* who locks it: text, or NULL */
/* Locks an open image until fd is closed; false: somebody writes it, or for a writer, has it open. */
bool image_lock(int fd, bool writable);
/* Whether image_lock() would fail because of another open file. */
bool image_locked(int fd, bool writable);
int vnc_try_listen(const char *address, unsigned port); /* a listening socket, or -1 with errno */
const char *action_name(Action action);

typedef struct SchemaKey {
    const char *name;
    unsigned types;             /* of SCHEMA_* */
    const char *fallback;       /* default, as people read it */
    enum { KEY_WORKS, KEY_HARMLESS, KEY_LATER } status;
    const char *help;
} SchemaKey;
enum { SCHEMA_STR = 1, SCHEMA_INT = 2, SCHEMA_BOOL = 4, SCHEMA_FLOAT = 8, SCHEMA_LIST = 16,
       SCHEMA_DICT = 32 };

const SchemaKey *schema_find(const char *name);
const SchemaKey *schema_keys(unsigned *count);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DomainConfig, domain_config_free)

#endif
