/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options.c - a table of options and one parser for "key=value,key=value" arguments.
 */
#include "dm/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dm/drives.h"
#include "block/block.h"

typedef bool (*OptionParser)(DmOptions *o, const char *value, GError **error);

static bool bad(GError **error, const char *format, const char *value)
{
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, format, value);
    return false;
}

static bool number(const char *text, gint64 min, gint64 max, gint64 *value)
{
    char *end;

    errno = 0;
    *value = g_ascii_strtoll(text, &end, 0);
    return *text && !*end && errno == 0 && *value >= min && *value <= max;
}

/* The value of key in "key=value,key=value"; newly allocated, NULL if absent. */
static char *sub_option(const char *text, const char *key)
{
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);
    size_t len = strlen(key);

    for (char **p = parts; *p; p++) {
        if (!strncmp(*p, key, len) && (*p)[len] == '=') {
            return g_strdup(*p + len + 1);
        }
    }
    return NULL;
}

static bool sub_number(const char *text, const char *key, gint64 missing, gint64 *value)
{
    g_autofree char *v = sub_option(text, key);

    *value = missing;
    return !v || number(v, -1, G_MAXINT, value);
}

/* "qcow2:6/raw:7" */
static bool parse_backing(DriveOption *d, const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text ? text : "", "/", -1);
    unsigned n = g_strv_length(parts);

    d->backing = g_new0(DriveLayer, n + 1);
    for (unsigned i = 0; i < n; i++) {
        char *colon = strchr(parts[i], ':');
        gint64 fd;

        if (!colon || n >= BLOCK_CHAIN_MAX || !number(colon + 1, 0, G_MAXINT, &fd)) {
            return false;
        }
        d->backing[d->backings++] = (DriveLayer){ fd, g_strndup(parts[i], colon - parts[i]) };
    }
    return true;
}

static bool parse_drive(DmOptions *o, const char *value, GError **error)
{
    g_autofree char *name = sub_option(value, "name"), *kind = sub_option(value, "kind");
    g_autofree char *backing = sub_option(value, "backing");
    g_autofree char *errors = sub_option(value, "errors");
    DriveOption *d = &o->drive[o->drives];
    gint64 fd, ro, shared;

    if (o->drives == MAX_DRIVES || !name || !kind ||
        (drive_slot(name) < 0 && drive_floppy(name) < 0) ||
        !sub_number(value, "fd", -1, &fd) || !sub_number(value, "ro", 0, &ro) ||
        !sub_number(value, "shared", 0, &shared) ||
        !parse_backing(d, backing)) {
        return bad(error, "--drive %s: want name=hda,fd=N,kind=disk|cdrom|floppy,ro=0|1,"
                   "format=NAME,backing=FORMAT:FD/...,errors=report|hold,shared=0|1", value);
    }
    g_strlcpy(d->name, name, sizeof d->name);
    d->fd = fd;
    d->format = sub_option(value, "format");
    d->hold_errors = errors && !strcmp(errors, "hold");
    d->read_only = ro;
    d->shared = shared;
    d->cdrom = !strcmp(kind, "cdrom");
    o->drives++;
    return true;
}

static bool parse_mac(const char *text, uint8_t mac[6])
{
    unsigned b[6];
    int used = 0;

    if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5],
               &used) != 6 || text[used]) {
        return false;
    }
    for (unsigned i = 0; i < 6; i++) {
        mac[i] = b[i];
    }
    return true;
}

static bool nic_model(const char *name)
{
    static const char *const names[] = { "rtl8139", "ne2k_pci", "ne2k_isa", NULL };

    return !name || g_strv_contains(names, name);
}

static bool parse_nic_kind(NicOption *n, const char *kind)
{
    static const char *const names[NET_CABLES] = {
        [NET_CABLE_SOCKET] = "socket", [NET_CABLE_TAP] = "tap", [NET_CABLE_TAP_VNET] = "vnet",
        [NET_CABLE_BUNDLES] = "bundles" };

    for (unsigned i = 0; i < NET_CABLES; i++) {
        if (!strcmp(kind, names[i])) {
            n->kind = i;
            return true;
        }
    }
    return false;
}

static bool parse_rate(NicOption *n, const char *text)
{
    char *end;

    n->rate_bytes = g_ascii_strtoull(text, &end, 10);
    if (end == text || *end != '/') {
        return false;
    }
    text = end + 1;
    n->rate_us = CLAMP(g_ascii_strtoull(text, &end, 10), 1, G_MAXINT);
    return end != text && !*end;
}

static bool parse_nic(DmOptions *o, const char *value, GError **error)
{
    g_autofree char *mac = sub_option(value, "mac");
    g_autofree char *model = sub_option(value, "model");
    g_autofree char *kind = sub_option(value, "kind");
    g_autofree char *rate = sub_option(value, "rate");
    NicOption *n = &o->nic[o->nics];
    gint64 fd, rom, iobase, irq, cplus;

    if (o->nics == MAX_NICS || !mac || !parse_mac(mac, n->mac) || !nic_model(model) ||
        !sub_number(value, "fd", -1, &fd) || !sub_number(value, "rom", -1, &rom) ||
        !sub_number(value, "iobase", 0x300, &iobase) || !sub_number(value, "irq", 9, &irq) ||
        !sub_number(value, "cplus", 1, &cplus) ||
        (kind && !parse_nic_kind(n, kind)) || (rate && !parse_rate(n, rate))) {
        return bad(error, "--nic %s: want fd=N,mac=XX:XX:XX:XX:XX:XX,model=rtl8139|ne2k_pci|ne2k_isa"
                   "[,kind=socket|bundles|tap|vnet][,rate=BYTES/MICROSECONDS][,rom=N][,iobase=N,irq=N]"
                   "[,cplus=0|1], at most eight times", value);
    }
    n->fd = fd;
    n->rom_fd = rom;
    n->iobase = iobase;
    n->irq = irq;
    n->cplus = cplus;
    n->model = g_strdup(model ? model : "rtl8139");
    o->nics++;
    return true;
}

static bool parse_serial(DmOptions *o, const char *value, GError **error)
{
    SerialOption *s = &o->serial[o->serials];
    gint64 fd = -1;

    if (o->serials == MAX_SERIALS ||
        (strcmp(value, "null") && !sub_number(value, "fd", -1, &fd))) {
        return bad(error, "--serial %s: want fd=N or null, at most four times", value);
    }
    *s = (SerialOption){ fd, true };
    o->serials++;
    return true;
}

static bool parse_usb_device(DmOptions *o, const char *value, GError **error)
{
    UsbOption *u = &o->usb_device[o->usb_devices];

    if (o->usb_devices == MAX_USB_DEVICES) {
        return bad(error, "-usbdevice %s: too many", value);
    }
    *u = (UsbOption){ g_strdup(value), { .fd = -1 } };
    o->usb = true;
    o->usb_devices++;
    return true;
}

/* What the last -usbdevice stands on. */
static bool parse_usb_fd(DmOptions *o, const char *value, GError **error)
{
    DriveOption *d = o->usb_devices ? &o->usb_device[o->usb_devices - 1].disk : NULL;
    g_autofree char *backing = sub_option(value, "backing");
    gint64 fd, ro;

    if (!d || d->backing || !sub_number(value, "fd", -1, &fd) || !sub_number(value, "ro", 0, &ro) ||
        !parse_backing(d, backing)) {
        return bad(error, "--usb-fd %s: want fd=N,ro=0|1,format=NAME,backing=FORMAT:FD/... once after "
                   "-usbdevice", value);
    }
    d->fd = fd;
    d->read_only = ro;
    d->format = sub_option(value, "format");
    return true;
}

static bool parse_parallel(DmOptions *o, const char *value, GError **error)
{
    gint64 fd;

    if (!sub_number(value, "fd", -1, &fd)) {
        return bad(error, "--parallel %s: want fd=N", value);
    }
    o->parallel = (SerialOption){ fd, true };
    return true;
}

static bool parse_viewer(DmOptions *o, const char *value, GError **error)
{
    gint64 fd;

    if (o->viewers == MAX_VIEWERS || !number(value, 0, G_MAXINT, &fd)) {
        return bad(error, "--viewer-fd %s: not a descriptor, or too many", value);
    }
    o->viewer[o->viewers++] = fd;
    return true;
}

enum OptionKind { FLAG, UNSIGNED, INT, INT64, STRING, PARSER, IGNORED };

typedef struct Option {
    const char *name;
    enum OptionKind kind;
    size_t offset;
    OptionParser parser;
    const char *help;           /* NULL: accepted, not described */
} Option;

#define AT(field) offsetof(DmOptions, field), NULL
#define BY(function) 0, function

static const Option options[] = {
    { "d", UNSIGNED, AT(domid), "DOMID  number of the domain" },
    { "domain-name", STRING, AT(name), "NAME  its name" },
    { "control-fd", INT, AT(control_fd), "N  socket to xend (include/ctl_proto.h)" },
    { "hypervisor-fd", INT, AT(hypervisor_fd), "N  socket to the hypervisor (include/dm_proto.h)" },
    { "log-fd", INT, AT(log_fd), "N  where log lines go" },
    { "videoram", UNSIGNED, AT(video_ram), "MB  memory of the graphics card" },
    { "std-vga", FLAG, AT(std_vga), "  standard VGA instead of Cirrus" },
    { "boot", STRING, AT(boot), "LETTERS  a floppy, c disk, d CD-ROM, n network" },
    { "boot-menu", UNSIGNED, AT(boot_menu), "SECONDS  the BIOS waits for ESC, for its boot menu" },
    { "nographic", FLAG, AT(no_graphics), "  the BIOS shows its screen on the first serial port" },
    { "vcpus", UNSIGNED, AT(vcpus), "N  processors" },
    { "acpi", FLAG, AT(acpi), "  power management" },
    { "localtime", FLAG, AT(localtime), "  the clock shows local time" },
    { "k", STRING, AT(keymap), "LAYOUT  keyboard layout of the viewers" },
    { "usb", FLAG, AT(usb), "  with a USB controller" },
    { "usbdevice", PARSER, BY(parse_usb_device), "NAME  a device on it: tablet, mouse, keyboard, hub, "
      "disk:PATH, cdrom:PATH, host:VVVV:PPPP, host:BUS.ADDR" },
    { "usb-fd", PARSER, BY(parse_usb_fd), "fd=N,ro=0|1[,format=NAME][,backing=FORMAT:FD/...]\n"
      "                the image, or the socket to dm-usb, of the\n"
      "                -usbdevice before" },
    { "soundhw", STRING, AT(sound_cards), "NAME,...  sound cards: pcspk, sb16, es1370, ac97" },
    { "sound-file-fd", INT, AT(sound_file), "N  a WAV file of all that is played" },
    { "sound-fd", INT, AT(sound_socket), "N  socket to a dm-sound (include/sound_proto.h)" },
    { "M", IGNORED, 0, NULL, NULL },
    { "vga", IGNORED, 0, NULL, NULL },
    { "vcpu_avail", IGNORED, 0, NULL, NULL },
    { "vcpus-online", STRING, AT(vcpus_online), "HEX  bitmap of processors that are on at start" },
    { "watchdog", STRING, AT(watchdog), "NAME  a watchdog timer: i6300esb" },
    { "pvpanic", FLAG, AT(pvpanic), "  with the port for reports of panics" },
    { "rtc-offset", INT64, AT(rtc_offset), "SECONDS  added to the host's clock" },
    { "xen-platform", FLAG, AT(xen_platform), "  with the Xen platform PCI device" },
    { "drive", PARSER, BY(parse_drive), "name=hda,fd=N,kind=disk|cdrom|floppy,ro=0|1,format=NAME,"
      "backing=FORMAT:FD/...,errors=report|hold,shared=0|1  an image (fd=-1: empty)" },
    { "nic", PARSER, BY(parse_nic), "fd=N,mac=MAC,model=NAME,kind=socket|bundles|tap|vnet,"
      "rate=BYTES/MICROSECONDS,rom=N,iobase=N,irq=N  a network card" },
    { "serial", PARSER, BY(parse_serial), "fd=N|null  cable of a serial port (include/line_proto.h)" },
    { "parallel", PARSER, BY(parse_parallel), "fd=N  cable of the parallel port" },
    { "viewer-fd", PARSER, BY(parse_viewer), "N  socket to a dm-ui or dm-sdl (include/ui_proto.h)" },
    { "vgabios-fd", INT, AT(vgabios_fd), "N  VGA BIOS image" },
    { "help", FLAG, AT(help), "  this text" },
};

static const Option *find_option(const char *arg)
{
    const char *name = arg + (arg[0] == '-') + (arg[0] == '-' && arg[1] == '-');

    for (unsigned i = 0; arg[0] == '-' && i < G_N_ELEMENTS(options); i++) {
        if (!strcmp(options[i].name, name)) {
            return &options[i];
        }
    }
    return NULL;
}

static bool apply(DmOptions *o, const Option *opt, const char *value, GError **error)
{
    uint8_t *p = (uint8_t *)o + opt->offset;
    gint64 n;

    switch (opt->kind) {
    case UNSIGNED:
        if (!number(value, 0, G_MAXINT, &n)) {
            return bad(error, "%s is not a number", value);
        }
        *(unsigned *)p = n;
        return true;
    case INT:
        if (!number(value, -1, G_MAXINT, &n)) {
            return bad(error, "%s is not a descriptor", value);
        }
        *(int *)p = n;
        return true;
    case INT64:
        if (!number(value, G_MININT64, G_MAXINT64, &n)) {
            return bad(error, "%s is not a number", value);
        }
        *(int64_t *)p = n;
        return true;
    case STRING:
        g_free(*(char **)p);
        *(char **)p = g_strdup(value);
        return true;
    case PARSER:
        return opt->parser(o, value, error);
    default:
        return true;
    }
}

bool options_parse(DmOptions *o, int argc, char **argv, GError **error)
{
    *o = (DmOptions){ .video_ram = 8, .vcpus = 1, .control_fd = -1, .hypervisor_fd = -1,
                      .log_fd = -1, .vgabios_fd = -1, .sound_file = -1, .sound_socket = -1 };
    for (int i = 1; i < argc; i++) {
        const Option *opt = find_option(argv[i]);

        if (!opt) {
            return bad(error, "unknown option %s (try --help)", argv[i]);
        }
        if (opt->kind == FLAG) {
            *(bool *)((uint8_t *)o + opt->offset) = true;
        } else if (++i == argc) {
            return bad(error, "option %s needs a value", argv[i - 1]);
        } else if (!apply(o, opt, argv[i], error)) {
            g_prefix_error(error, "%s: ", argv[i - 1]);
            return false;
        }
    }
    if (!o->help && o->hypervisor_fd < 0) {
        return bad(error, "%s", "--hypervisor-fd is missing: qemu-dm is started by xend");
    }
    if (!o->name) {
        o->name = g_strdup_printf("Domain-%u", o->domid);
    }
    return true;
}

static void drive_clear(DriveOption *d)
{
    for (unsigned i = 0; i < d->backings; i++) {
        g_free(d->backing[i].format);
    }
    g_free(d->backing);
    g_free(d->format);
}

void options_free(DmOptions *o)
{
    g_free(o->name);
    g_free(o->boot);
    g_free(o->keymap);
    g_free(o->sound_cards);
    for (unsigned i = 0; i < o->usb_devices; i++) {
        g_free(o->usb_device[i].spec);
        drive_clear(&o->usb_device[i].disk);
    }
    for (unsigned i = 0; i < o->nics; i++) {
        g_free(o->nic[i].model);
    }
    for (unsigned i = 0; i < o->drives; i++) {
        drive_clear(&o->drive[i]);
    }
}

void options_help(void)
{
    puts("Usage: qemu-dm [OPTION]...\n"
         "The device model of one domain.  xend starts it; descriptors are inherited.\n");
    for (unsigned i = 0; i < G_N_ELEMENTS(options); i++) {
        if (options[i].help) {
            printf("  -%s %s\n", options[i].name, options[i].help);
        }
    }
    puts("\nExit status: 0 the domain ended, 1 it could not be served, 2 wrong usage.");
}
