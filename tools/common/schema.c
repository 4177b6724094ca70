/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * schema.c - the one table of all variables of xm's domain configs (Xen 4.1), with their types and
 * defaults, and whether they do something here: WORKS, HARMLESS (accepted, nothing to do on this
 * kind of machine), LATER (its device or function does not exist yet: one warning when it is on).
 */
#include "tools/common/domain_config.h"

#include <string.h>

#define S SCHEMA_STR
#define I SCHEMA_INT
#define B SCHEMA_BOOL
#define L SCHEMA_LIST

static const SchemaKey keys[] = {
    { "name", S, "the config's file name", KEY_WORKS, "name of the domain" },
    { "uuid", S, "random", KEY_WORKS, "its unique id" },
    { "builder", S, "hvm", KEY_WORKS, "kind of domain: hvm" },
    { "kernel", S, "hvmloader", KEY_WORKS, "the loader: hvmloader, or a path to another one" },
    { "loader", S, "", KEY_WORKS, "the loader, when kernel= names something else" },
    { "device_model", S, "qemu-dm", KEY_WORKS, "device model: qemu-dm" },
    { "memory", I, "128", KEY_WORKS, "memory in MiB" },
    { "maxmem", I, "memory", KEY_WORKS, "largest memory in MiB" },
    { "vcpus", I, "1", KEY_WORKS, "number of processors" },
    { "maxvcpus", I, "vcpus", KEY_WORKS, "largest number of processors" },
    { "cpus", S | L | I, "", KEY_WORKS, "processors of the host to run on: '0-3,^1', or one such a vCPU" },
    { "vcpu_avail", I, "all", KEY_WORKS, "mask of processors that are on at the start" },
    { "cpu", S | I, "auto", KEY_WORKS, "what runs the guest: auto, kvm, soft, interp" },
    { "pae", B, "1", KEY_WORKS, "physical address extension" },
    { "acpi", B, "1", KEY_WORKS, "ACPI tables and power management" },
    { "apic", B, "1", KEY_WORKS, "local and I/O APIC" },
    { "hpet", B, "0", KEY_WORKS, "high precision event timer" },
    { "timer_mode", I, "1", KEY_WORKS, "how missed timer ticks are delivered (0-3)" },
    { "code_memory", I, "64", KEY_WORKS, "MiB for code that the software CPU has translated" },
    { "tsc_mode", I, "0", KEY_WORKS, "time stamp counter (0-3)" },
    { "cpu_model", S, "host", KEY_WORKS, "processor that CPUID shows at most" },
    { "gdbserver", S | I, "", KEY_WORKS, "debugger: PORT, HOST:PORT or /PATH; ,i386 or the like" },
    { "cpuid", S | L, "[]", KEY_WORKS, "bits of CPUID" },
    { "cpuid_check", S | L, "[]", KEY_WORKS, "bits of CPUID that the host must have" },
    { "rtc_timeoffset", I, "0", KEY_WORKS, "seconds added to the clock" },
    { "localtime", B, "0", KEY_WORKS, "the clock shows local time" },
    { "on_poweroff", S, "destroy", KEY_WORKS, "destroy, restart, preserve, rename-restart" },
    { "on_reboot", S, "restart", KEY_WORKS, "the same" },
    { "on_crash", S, "restart", KEY_WORKS, "the same, coredump-destroy, coredump-restart" },
    { "disk", L, "[]", KEY_WORKS, "disks: 'file:PATH,hda,w'" },
    { "on_disk_error", S, "report", KEY_WORKS, "when the host can't read or write an image: report, pause, stop" },
    { "vif", L, "[]", KEY_WORKS, "network cards: 'type=ioemu, bridge=xenbr0'" },
    { "hostfwd", S | L, "", KEY_WORKS, "ports to the first card: 'tcp:127.0.0.1:2222-:22'" },
    { "tftp", S, "", KEY_WORKS, "folder for the first card's network boot" },
    { "bootfile", S, "", KEY_WORKS, "file in it that is booted: 'pxelinux.0'" },
    { "vfb", L, "[]", KEY_WORKS, "displays: 'vnc=1,vncdisplay=3'" },
    { "boot", S, "c", KEY_WORKS, "boot order: a floppy, c disk, d CD-ROM, n network" },
    { "boot_menu", I, "0", KEY_WORKS, "seconds that the BIOS waits for ESC, for its boot menu" },
    { "serial", S | L, "", KEY_WORKS, "serial ports: pty, null, file:, tcp:, telnet:, unix:, /dev/" },
    { "parallel", S, "", KEY_WORKS, "parallel port with a printer: file:, pty, null, tcp:, /dev/" },
    { "soundhw", S, "", KEY_WORKS, "sound cards: pcspk, sb16, es1370, ac97, all" },
    { "watchdog", S, "", KEY_WORKS, "watchdog timer: i6300esb; it bites as a crash" },
    { "pvpanic", B, "0", KEY_WORKS, "port 505h, where a guest reports its panic as a crash" },
    { "xen_platform_pci", B, "0", KEY_WORKS, "Xen's PCI device: a guest may unplug disks and cards by it" },
    { "audio", S, "sdl with sdl=1", KEY_WORKS, "where sound goes: sdl, wav:/PATH, none" },
    { "keymap", S, "en-us", KEY_WORKS, "keyboard layout of the viewers" },
    { "vnc", B, "1 unless sdl", KEY_WORKS, "VNC display" },
    { "vncdisplay", I, "the domain's id", KEY_WORKS, "display number: port 5900 + N" },
    { "vncunused", B, "1", KEY_WORKS, "take the first free display from vncdisplay on" },
    { "vnclisten", S, "127.0.0.1", KEY_WORKS, "address to listen on" },
    { "vncpasswd", S, "", KEY_WORKS, "password, 8 characters" },
    { "sdl", B, "0", KEY_WORKS, "a window" },
    { "full-screen", B, "0", KEY_WORKS, "the window covers the screen" },
    { "nographic", B, "0", KEY_WORKS, "no display at all" },
    { "stdvga", B, "0", KEY_WORKS, "standard VGA instead of Cirrus" },
    { "usb", B, "0", KEY_WORKS, "USB controller (also turned on by usbdevice)" },
    { "usbdevice", S | L, "", KEY_WORKS, "USB devices: tablet, mouse, keyboard, disk:PATH, host:VVVV:PPPP" },
    { "videoram", I, "8", KEY_WORKS, "memory of the graphics card in MiB" },
    { "opengl", B, "1", KEY_HARMLESS, "SDL chooses its renderer itself" },
    { "display", S, "$DISPLAY", KEY_WORKS, "X display of the window" },
    { "xauthority", S, "$XAUTHORITY", KEY_WORKS, "X authority file of the window" },
    { "vncviewer", B, "0", KEY_WORKS, "xm create starts a viewer" },
    { "vncconsole", B, "0", KEY_WORKS, "the same" },
    { "shadow_memory", I, "0", KEY_HARMLESS, "Xen's shadow page tables" },
    { "memory_sharing", B, "0", KEY_HARMLESS, "the host's KSM does this" },
    { "superpages", B, "0", KEY_HARMLESS, "" },
    { "hap", B, "1", KEY_HARMLESS, "nested paging: the engine decides" },
    { "oos", B, "1", KEY_HARMLESS, "" },
    { "vpt_align", B, "1", KEY_HARMLESS, "" },
    { "nomigrate", B, "0", KEY_HARMLESS, "" },
    { "s3_integrity", B, "1", KEY_HARMLESS, "" },
    { "suppress_spurious_page_faults", B, "0", KEY_HARMLESS, "" },
    { "guest_os_type", S, "default", KEY_HARMLESS, "" },
    { "description", S, "", KEY_HARMLESS, "text for people" },
    { "features", S, "", KEY_HARMLESS, "of PV kernels" },
    { "target", I, "0", KEY_HARMLESS, "" },
    { "machine_address_size", I, "", KEY_HARMLESS, "" },
    { "cpu_weight", I | SCHEMA_FLOAT, "256", KEY_LATER, "share of the credit scheduler" },
    { "pool", S, "Pool-0", KEY_HARMLESS, "CPU pool" },
    { "restart", S, "", KEY_LATER, "the old word for on_reboot" },
    { "on_xend_start", S, "ignore", KEY_LATER, "domains that xend starts by itself" },
    { "on_xend_stop", S, "ignore", KEY_LATER, "domains that outlive their xend" },
    { "vhpt", I, "0", KEY_HARMLESS, "ia64 only" },
    { "pci_msitranslate", B, "1", KEY_HARMLESS, "" },
    { "pci_power_mgmt", B, "0", KEY_HARMLESS, "" },
    { "xen_extended_power_mgmt", I, "0", KEY_HARMLESS, "" },
    { "interface", S, "eth0", KEY_HARMLESS, "PV kernel command line" },
    { "netmask", S, "", KEY_HARMLESS, "PV kernel command line" },
    { "gateway", S, "", KEY_HARMLESS, "PV kernel command line" },
    { "hostname", S, "", KEY_HARMLESS, "PV kernel command line" },
    { "ip", S, "", KEY_HARMLESS, "PV kernel command line" },
    { "dhcp", S, "off", KEY_HARMLESS, "PV kernel command line" },
    { "nfs_server", S, "", KEY_HARMLESS, "PV kernel command line" },
    { "nfs_root", S, "", KEY_HARMLESS, "PV kernel command line" },
    { "nics", I, "-1", KEY_HARMLESS, "deprecated: the number of vif entries counts" },
    { "bootloader", S, "", KEY_HARMLESS, "PV domains only" },
    { "bootargs", S, "", KEY_HARMLESS, "PV domains only" },
    { "bootentry", S, "", KEY_HARMLESS, "PV domains only" },
    { "root", S, "", KEY_HARMLESS, "PV kernel command line" },
    { "access_control", S | L, "", KEY_LATER, "security labels" },
    { "cpu_cap", I, "0", KEY_LATER, "CPU limit in percent" },
    { "viridian", B, "0", KEY_LATER, "Hyper-V interface" },
    { "ramdisk", S, "", KEY_LATER, "direct kernel boot" },
    { "extra", S, "", KEY_LATER, "direct kernel boot" },
    { "monitor", B | S, "0", KEY_WORKS, "a monitor on a terminal: 1 or pty" },
    { "monitor_path", S, "", KEY_WORKS, "the same: pty" },
    { "fda", S, "", KEY_WORKS, "image in the first floppy drive" },
    { "fdb", S, "", KEY_WORKS, "image in the second floppy drive" },
    { "isa", B, "0", KEY_LATER, "machine without PCI" },
    { "gfx_passthru", I, "0", KEY_LATER, "graphics card of the host" },
    { "pci", L, "[]", KEY_LATER, "PCI devices of the host" },
    { "ioports", L, "[]", KEY_LATER, "I/O ports of the host" },
    { "irq", L, "[]", KEY_LATER, "interrupts of the host" },
    { "vtpm", L, "[]", KEY_LATER, "TPM" },
    { "vscsi", L, "[]", KEY_LATER, "SCSI devices" },
    { "vusb", L, "[]", KEY_LATER, "PV USB" },
    { "vif2", L, "[]", KEY_LATER, "netchannel2 network cards" },
    { "blkif", B, "0", KEY_LATER, "driver domain" },
    { "netif", B, "0", KEY_LATER, "driver domain" },
    { "tpmif", B, "0", KEY_LATER, "driver domain" },
};

const SchemaKey *schema_keys(unsigned *count)
{
    *count = G_N_ELEMENTS(keys);
    return keys;
}

const SchemaKey *schema_find(const char *name)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(keys); i++) {
        if (!strcmp(keys[i].name, name)) {
            return &keys[i];
        }
    }
    return !strcmp(name, "full_screen") || !strcmp(name, "fullscreen")
           ? schema_find("full-screen") : NULL;
}
