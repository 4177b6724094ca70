/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * board.c - the PC: PIIX chipset, IDE, graphics, keyboard and mouse, serial ports, network cards, the
 * Xen platform device.  xen-facts: slots and ids are what hvmloader and guests of Xen expect
 * (include/pc_layout.h).
 */
#include "dm/board.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "dm/dm.h"
#include "dm/drives.h"
#include "dm/speaker.h"
#include "hw/chipset.h"
#include "hw/devices.h"
#include "hw/fdc.h"
#include "include/pc_layout.h"
#include "net/net.h"
#include "ui/chardev.h"
#include "ui/viewer.h"

#define ROM_MAX (1u << 20)

static const uint16_t serial_port[MAX_SERIALS] = { PORT_COM1, PORT_COM2, 0x3e8, 0x2e8 };
static const uint8_t serial_irq[MAX_SERIALS] = { IRQ_COM1, IRQ_COM2, IRQ_COM1, IRQ_COM2 };

static Device *new_device(Board *b, const char *name)
{
    return device_new(&b->machine, device_class_find(name));
}

static Device *new_pci(Board *b, const char *name, unsigned devfn)
{
    Device *dev = new_device(b, name);

    device_set_pointer(dev, "bus", &b->pci);
    device_set_u64(dev, "devfn", devfn);
    return dev;
}

static GBytes *read_rom(int fd, GError **error)
{
    struct stat st;
    uint8_t *buf;

    if (fstat(fd, &st) < 0 || st.st_size <= 0 || st.st_size > ROM_MAX) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "option ROM image of a wrong size");
        return NULL;
    }
    buf = g_malloc(st.st_size);
    if (pread(fd, buf, st.st_size, 0) != st.st_size) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "option ROM image: %s",
                    g_strerror(errno));
        g_free(buf);
        return NULL;
    }
    close(fd);
    return g_bytes_new_take(buf, st.st_size);
}

static bool build_chipset(Board *b, const DmOptions *o, GError **error)
{
    Device *dev;

    if (!device_init(new_pci(b, "i440fx", DEVFN_HOST), error) ||
        !device_init(new_pci(b, "piix3", DEVFN_ISA), error) ||
        !(b->dma = device_create(&b->machine, device_class_find("i8237"), error)) ||
        !device_create(&b->machine, device_class_find("fw_ports"), error)) {
        return false;
    }
    dev = new_device(b, "fw_cfg");
    device_set_u64(dev, "menu_ms", o->boot_menu * 1000);
    device_set_u64(dev, "no_graphics", o->no_graphics);
    if (!device_init(dev, error)) {
        return false;
    }
    dev = b->cmos = new_device(b, "cmos");
    device_set_string(dev, "boot", o->boot ? o->boot : "c");
    device_set_u64(dev, "vcpus", o->vcpus);
    if (!device_init(dev, error)) {
        return false;
    }
    dev = b->pm = new_pci(b, "piix4_pm", DEVFN_PM);
    device_set_pointer(dev, "cmos", b->cmos);
    device_set_u64(dev, "vcpus", o->vcpus);
    device_set_string(dev, "online", o->vcpus_online);
    return device_init(dev, error);
}

/* The controller is always there; the types of its drives are in CMOS. */
static bool build_floppies(Board *b, void *opaque, const DmOptions *o, GError **error)
{
    Device *dev = b->fdc = new_device(b, "fdc");
    unsigned type[FDC_DRIVES] = { 0 };

    device_set_pointer(dev, "dma", b->dma);
    for (unsigned i = 0; i < o->drives; i++) {
        const DriveOption *d = &o->drive[i];
        int unit = drive_floppy(d->name);
        BlockDev *block;

        if (unit < 0) {
            continue;
        }
        block = drive_open(opaque, d, error);
        if (!block) {
            device_free(dev);
            return false;
        }
        device_set_pointer(dev, d->name, block);
        type[unit] = fdc_drive_type(block);
    }
    cmos_set_floppies(b->cmos, type[0], type[1]);
    return device_init(dev, error);
}

static bool build_ide(Board *b, void *opaque, const DmOptions *o, GError **error)
{
    Device *dev = b->ide = new_pci(b, "piix_ide", DEVFN_IDE);

    for (unsigned i = 0; i < o->drives; i++) {
        const DriveOption *d = &o->drive[i];
        g_autofree char *cdrom = g_strconcat(d->name, "_cdrom", NULL);
        BlockDev *block;

        if (drive_slot(d->name) < 0) {
            continue;
        }
        block = drive_open(opaque, d, error);
        if (!block) {
            device_free(dev);
            return false;
        }
        device_set_pointer(dev, d->name, block);
        device_set_u64(dev, cdrom, d->cdrom);
    }
    return device_init(dev, error);
}

static bool build_vga(Board *b, const DmOptions *o, GError **error)
{
    g_autoptr(GBytes) rom = NULL;
    Device *dev;

    b->display = display_new(error);
    b->input = input_new();
    if (!b->display || (o->vgabios_fd >= 0 && !(rom = read_rom(o->vgabios_fd, error)))) {
        return false;
    }
    dev = new_pci(b, o->std_vga ? "stdvga" : "cirrus", DEVFN_VGA);
    device_set_pointer(dev, "display", b->display);
    device_set_u64(dev, "vram_mib", o->video_ram);
    if (rom) {
        device_set_pointer(dev, "rom", (void *)(uintptr_t)g_bytes_get_data(rom, NULL));
        device_set_u64(dev, "rom_len", g_bytes_get_size(rom));
    }
    return device_init(dev, error);
}

static bool build_input(Board *b, GError **error)
{
    Device *dev = new_device(b, "i8042");

    device_set_pointer(dev, "input", b->input);
    return device_init(dev, error);
}

static bool build_serials(Board *b, const DmOptions *o, GError **error)
{
    for (unsigned i = 0; i < o->serials; i++) {
        const SerialOption *s = &o->serial[i];
        Chardev *c = chardev_new(s->fd, error);
        Device *dev;

        if (!c) {
            return false;
        }
        dev = new_device(b, "uart");
        device_set_u64(dev, "port", serial_port[i]);
        device_set_u64(dev, "irq", serial_irq[i]);
        device_set_pointer(dev, "chardev", c);
        if (!device_init(dev, error)) {
            return false;
        }
    }
    return true;
}

static bool build_nic(Board *b, const NicOption *n, unsigned slot, GError **error)
{
    bool isa = !strcmp(n->model, "ne2k_isa");
    g_autoptr(GBytes) rom = NULL;
    NetPort *port;
    Device *dev;

    if (n->rom_fd >= 0 && !(rom = read_rom(n->rom_fd, error))) {
        return false;
    }
    port = net_port_for(n->fd, n->kind, error);
    if (!port) {
        return false;
    }
    net_port_limit(port, n->rate_bytes, n->rate_us);
    b->nic_port[slot] = port;
    dev = isa ? new_device(b, n->model) : new_pci(b, n->model, DEVFN_NIC0 + 8 * slot);
    device_set_mac(dev, "mac", n->mac);
    device_set_pointer(dev, "port", port);
    if (isa) {
        device_set_u64(dev, "iobase", n->iobase);
        device_set_u64(dev, "irq", n->irq);
    } else {
        device_set_pointer(dev, "rom", rom);    /* copied by init */
    }
    if (!strcmp(n->model, "rtl8139")) {
        device_set_u64(dev, "cplus", n->cplus);
    }
    return device_init(dev, error);
}

static bool build_nics(Board *b, const DmOptions *o, GError **error)
{
    for (unsigned i = 0; i < o->nics; i++) {
        if (!build_nic(b, &o->nic[i], i, error)) {
            g_prefix_error(error, "network card %u: ", i);
            return false;
        }
    }
    return true;
}

static bool build_parallel(Board *b, const DmOptions *o, GError **error)
{
    Chardev *c;
    Device *dev;

    if (!o->parallel.present) {
        return true;
    }
    c = chardev_new(o->parallel.fd, error);
    if (!c) {
        return false;
    }
    dev = new_device(b, "parallel");
    device_set_pointer(dev, "chardev", c);
    return device_init(dev, error);
}

static bool build_card(Board *b, const char *name, GError **error)
{
    static const struct { const char *name; unsigned devfn; } cards[] = {
        { "es1370", DEVFN_ES1370 }, { "ac97", DEVFN_AC97 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cards); i++) {
        if (!strcmp(name, cards[i].name)) {
            Device *dev = new_pci(b, name, cards[i].devfn);

            device_set_pointer(dev, "audio", b->audio);
            return device_init(dev, error);
        }
    }
    if (!strcmp(name, "sb16")) {
        Device *dev = new_device(b, name);

        device_set_pointer(dev, "audio", b->audio);
        device_set_pointer(dev, "dma_chip", b->dma);
        return device_init(dev, error);
    }
    if (!strcmp(name, "pcspk")) {
        Device *dev = new_device(b, name);

        device_set_pointer(dev, "audio", b->audio);
        device_set_pointer(dev, "source", &b->speaker);
        return device_init(dev, error);
    }
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s: no such sound card", name);
    return false;
}

static bool build_sound(Board *b, const DmOptions *o, GError **error)
{
    g_auto(GStrv) names = g_strsplit(o->sound_cards ? o->sound_cards : "", ",", -1);

    if (!names[0]) {
        return true;
    }
    b->audio = audio_new(&b->machine);
    if (o->sound_file >= 0) {
        AudioSink sink = audio_wav_sink(o->sound_file);

        audio_add_sink(b->audio, &sink);
    }
    if (o->sound_socket >= 0) {
        b->sound_socket = audio_socket_new(b->audio, o->sound_socket);
    }
    for (char **name = names; *name; name++) {
        if (**name && !build_card(b, *name, error)) {
            return false;
        }
    }
    return true;
}

static bool build_usb(Board *b, const DmOptions *o, GError **error)
{
    if (!o->usb) {
        return true;
    }
    b->usb = new_pci(b, "uhci", DEVFN_USB);
    if (!device_init(b->usb, error)) {
        b->usb = NULL;
        return false;
    }
    for (unsigned i = 0; i < o->usb_devices; i++) {
        if (!board_usb_add(b, &o->usb_device[i], error)) {
            return false;
        }
    }
    return true;
}

static bool build_platform(Board *b, const DmOptions *o, GError **error)
{
    if (o->pvpanic && !device_create(&b->machine, device_class_find("pvpanic"), error)) {
        return false;
    }
    if (o->watchdog && strcmp(o->watchdog, "i6300esb")) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "-watchdog %s: unknown",
                    o->watchdog);
        return false;
    }
    if (o->watchdog && !device_init(new_pci(b, "i6300esb", DEVFN_WATCHDOG), error)) {
        return false;
    }
    return !o->xen_platform || device_init(new_pci(b, "xen_platform", DEVFN_PLATFORM), error);
}

static void viewer_wish(void *opaque, const char *what)
{
    control_viewer(opaque, what);
}

static bool add_viewers(Board *b, void *opaque, const DmOptions *o, GError **error)
{
    b->viewer_requests = (ViewerRequests){ viewer_wish, opaque };
    for (unsigned i = 0; i < o->viewers; i++) {
        if (!viewer_add(b->display, b->input, o->viewer[i], &b->viewer_requests, error)) {
            return false;
        }
    }
    return true;
}

static void isa_irq(void *opaque, unsigned n, bool level)
{
    hv_isa_irq(opaque, n, level);
}

bool board_build(Board *b, const MachineHost *host, void *opaque, Hv *hv, const DmOptions *o,
                 GError **error)
{
    machine_init(&b->machine, host, opaque);
    pci_bus_init(&b->pci, &b->machine);
    for (unsigned i = 0; i < G_N_ELEMENTS(b->machine.isa_irq); i++) {
        irq_init(&b->machine.isa_irq[i], isa_irq, hv, i);
    }
    speaker_wire_init(&b->speaker, hv);
    return build_chipset(b, o, error) && build_floppies(b, opaque, o, error) &&
           build_ide(b, opaque, o, error) && build_vga(b, o, error) && build_input(b, error) &&
           build_serials(b, o, error) && build_parallel(b, o, error) &&
           build_platform(b, o, error) && build_nics(b, o, error) &&
           build_sound(b, o, error) && build_usb(b, o, error) && add_viewers(b, opaque, o, error);
}

void board_finish(Board *b)
{
    machine_finish(&b->machine);
    audio_free(b->audio);
    display_free(b->display);
    input_free(b->input);
}
