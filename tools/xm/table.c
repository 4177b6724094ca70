/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * table.c - all commands of Xen 4.1's xm with their usage, and help.  Those without a function do
 * not exist yet; they say so.
 */
#include <stdio.h>
#include <string.h>
#include "tools/xm/xm.h"

#define QUICK_HELP "  xm help --long shows all commands, xm COMMAND --help one of them.\n"

static const XmCommand commands[] = {
    { "create", "<ConfigFile> [options] [vars]", "Create a domain based on <ConfigFile>.", 0, -1,
      xm_create,
      "  -q, --quiet                    Print nothing but errors.\n"
      "  --path=PATH                    Directories to look for config files in.\n"
      "  -f=FILE, --defconfig=FILE      The config file.\n"
      "  -F=FILE, --config=FILE         The config, in SXP: what -n and list --long print.\n"
      "  -n, --dryrun                   Check, and print the result; start nothing.\n"
      "  -p, --paused                   Leave the domain paused.\n"
      "  -c, --console_autoconnect      Connect to the console; Ctrl+] leaves it.\n"
      "  --vncviewer                    Start vncviewer.\n"
      "  --help_config                  Print the variables of config files.\n", "" },
    { "console", "[-q] [-t serial|pv] [-n Port] <Domain>", "Attach to <Domain>'s console; Ctrl+] leaves it.",
      1, -1, xm_console, NULL, "nt" },
    { "destroy", "<Domain>", "Terminate a domain immediately.", 1, 1, xm_destroy, NULL, "" },
    { "shutdown", "[-a|-w|-H|-R] <Domain>...", "Shutdown a domain.", 0, -1, xm_shutdown,
      "  -a, --all                      Shutdown all guest domains.\n"
      "  -w, --wait                     Wait until they have ended.\n"
      "  -H, --halt                     Shutdown domain(s) without reboot.\n"
      "  -R, --reboot                   Shutdown and reboot domain(s).\n", "" },
    { "reboot", "[-a|-w] <Domain>", "Reboot a domain.", 0, -1, xm_reboot,
      "  -a, --all                      Reboot all domains.\n"
      "  -w, --wait                     Wait for the reboot.\n", "" },
    { "reset", "<Domain>", "Reset a domain.", 1, 1, xm_simple, NULL, "" },
    { "pause", "<Domain>", "Pause execution of a domain.", 1, 1, xm_simple, NULL, "" },
    { "unpause", "<Domain>", "Unpause a paused domain.", 1, 1, xm_simple, NULL, "" },
    { "list", "[options] [Domain, ...]", "List information about all/some domains.", 0, -1, xm_list,
      "  -l, --long                     Output all VM details in SXP\n"
      "  --label                        Include security labels\n"
      "  --state=<state>                Select only VMs in this state: all, running, paused, "
          "halted\n",
      "" },
    { "uptime", "[-s] [Domain, ...]", "Print uptime for all/some domains.", 0, -1, xm_uptime,
      "  -s, --short                    Like uptime(1)\n", "" },
    { "vcpu-list", "[Domain, ...]", "List the VCPUs for all/some domains.", 0, -1, xm_vcpu_list,
      NULL,
      "" },
    { "domid", "<DomainName>", "Convert a domain name to domain id.", 1, 1, xm_domid, NULL, "" },
    { "domname", "<DomId>", "Convert a domain id to domain name.", 1, 1, xm_domname, NULL, "" },
    { "domstate", "<Domain>", "Print a domain's state.", 1, 1, xm_domstate, NULL, "" },
    { "rename", "<Domain> <NewDomainName>", "Rename a domain.", 2, 2, xm_rename, NULL, "" },
    { "trigger", "<Domain> <nmi|reset|init|s3resume|power|sleep> [<VCPU>]",
      "Send a trigger to a domain.", 2, 3, xm_trigger, NULL, "" },
    { "vncviewer", "[--vncviewer-autopass] <Domain>", "Attach to <Domain>'s VNC server.", 1, 2,
      xm_vncviewer, NULL, "" },
    { "screenshot", "<Domain> <File>", "Write a PPM picture of the screen.", 2, 2, xm_screenshot,
      NULL, "" },
    { "counters", "<Domain>", "Print what the CPU engine has counted: translations, TLB misses...", 1, 1,
      xm_counters, NULL, "" },
    { "send-key", "<Domain> <Key>...", "Press keys, like ctrl-alt-del.", 2, -1, xm_send_key,
      "  --text TEXT                    Type TEXT on a US keyboard.\n", "" },
    { "dump-core", "[-L|-C|-R] <Domain> [Filename]", "Dump core for a specific domain.", 1, 3,
      xm_dump_core, NULL, "" },
    { "block-list", "<Domain> [--long]", "List virtual block devices for a domain.", 1, 2,
      xm_block_list, NULL, "" },
    { "block-attach", "<Domain> <BackDev> <FrontDev> <Mode> [BackDomain]",
      "Create a new virtual block device: a medium for an empty drive.", 4, 5, xm_block_attach, NULL,
      "" },
    { "block-detach", "<Domain> <DevId> [-f|--force]",
      "Destroy a domain's virtual block device: the medium of a drive.", 2, 3, xm_block_detach, NULL,
      "" },
    { "block-configure", "<Domain> <BackDev> <FrontDev> <Mode> [BackDomain]",
      "Change block device configuration: the medium of a CD-ROM drive.", 3, 5, xm_block_configure,
      NULL, "" },
    { "cd-insert", "[-f|--force] <Domain> [<Device>] <File>", "Insert a medium into a CD-ROM drive.",
      2, 4, xm_cd_insert,
      "  -f, --force                    Also if the guest has locked the drive.\n", "" },
    { "cd-eject", "[-f|--force] <Domain> [<Device>]", "Eject the medium of a CD-ROM drive.", 1, 3,
      xm_cd_eject, "  -f, --force                    Also if the guest has locked the drive.\n", "" },
    { "disk-create", "<File> <Size> [options]", "Make an empty disk image.", 1, -1, xm_disk_create,
      "  --format raw|qcow2|vhd         What kind of image [raw].\n"
      "  --backing FILE                 What the image is based on (qcow2, vhd); Size may be\n"
      "                                 left out then.\n"
      "  --backing-format raw|qcow2|vhd What kind of image that is.\n"
      "  --force                        Overwrite an existing file.\n", "" },
    { "disk-resize", "<Domain> <Device> <Size>", "Make a domain's disk larger while it runs.", 3, 3,
      xm_disk_resize, NULL, "" },
    { "monitor", "<Domain>", "Attach to <Domain>'s monitor (monitor=1).", 1, 1, xm_monitor, NULL, "" },
    { "usb-add", "<Domain> <Device>", "Plug in a USB device, named as in usbdevice=.", 2, 2,
      xm_usb_add, NULL, "" },
    { "usb-del", "<Domain> <Device>", "Pull out a USB device.", 2, 2, xm_usb_del, NULL, "" },
    { "usb-list", "<Domain>", "List the USB devices of a domain.", 1, 1, xm_usb_list, NULL, "" },
    { "network-list", "<Domain> [--long]", "List virtual network interfaces for a domain.", 1, 2,
      xm_network_list, NULL, "" },
    { "network-attach", "<Domain> [type=<type>] [mac=<mac>] [bridge=<bridge>] [ip=<ip>] "
      "[script=<script>] [vifname=<name>] [rate=<rate>] [segment=<name>]",
      "Plug an unplugged network card in.", 1, -1, xm_network_attach, NULL, "" },
    { "network-detach", "<Domain> <DevId|mac> [-f|--force]", "Unplug a network card.", 2, 3,
      xm_network_detach, NULL, "" },
    { "vif-dump", "[--size=<MiB>] <Domain> <DevId|mac> {<File> | --stop}",
      "Write what a network card sends and receives to a capture file (pcap).", 2, 4, xm_vif_dump,
      "  --size=<MiB>                   End after so much [1024].\n"
      "  --stop                         End it now.\n", "" },
    { "info", "[-n|--numa] [-c|--config]", "Get information about the host.", 0, 2, xm_info, NULL,
      "" },
    { "dmesg", "[-c|--clear]", "Read and/or clear the hypervisor's messages.", 0, 1, xm_dmesg, NULL,
      "" },
    { "log", "", "Print xend's log.", 0, 0, xm_log, NULL, "" },
    { "help", "[--long]", "Print help.", 0, -1, xm_help, NULL, "" },
    { "new", "<ConfigFile> [options] [vars]", "Adds a domain to Xend domain management", 0, -1,
      NULL,
      NULL, "" },
    { "delete", "<DomainName>", "Remove a domain from Xend domain management.", 0, -1, NULL, NULL,
      "" },
    { "start", "<DomainName>", "Start a Xend managed domain", 0, -1, NULL, NULL, "" },
    { "suspend", "<DomainName>", "Suspend a Xend managed domain", 0, -1, NULL, NULL, "" },
    { "resume", "<DomainName>", "Resume a Xend managed domain", 0, -1, NULL, NULL, "" },
    { "save", "[-c|-f] <Domain> <CheckpointFile>", "Save a domain state to restore later.", 0, -1,
      NULL, NULL, "" },
    { "restore", "<CheckpointFile> [-p]", "Restore a domain from a saved state.", 0, -1, NULL, NULL,
      "" },
    { "migrate", "<Domain> <Host>", "Migrate a domain to another machine.", 0, -1, NULL, NULL, "" },
    { "top", "", "Monitor a host and the domains in real time.", 0, -1, NULL, NULL, "" },
    { "mem-max", "<Domain> <Mem>", "Set the maximum amount reservation for a domain.", 2, 2,
      xm_mem, NULL, "" },
    { "mem-set", "<Domain> <Mem>", "Set the current memory usage for a domain.", 2, 2, xm_mem, NULL,
      "" },
    { "vcpu-pin", "<Domain> <VCPU|all> <CPUs|all>", "Set which CPUs a VCPU can use.", 3, 3,
      xm_vcpu_pin, NULL, "" },
    { "vcpu-set", "<Domain> <vCPUs>", "Set the number of active VCPUs.", 2, 2, xm_vcpu_set,
      NULL, "" },
    { "sched-credit", "[-d <Domain> [-w[=WEIGHT]|-c[=CAP]]]",
      "Get/set credit scheduler parameters.",
      0, -1, NULL, NULL, "" },
    { "sched-credit2", "[-d <Domain> [-w[=WEIGHT]]]", "Get/set credit2 scheduler parameters.", 0,
      -1,
      NULL, NULL, "" },
    { "sched-sedf", "<Domain> [options]", "Get/set EDF parameters.", 0, -1, NULL, NULL, "" },
    { "sysrq", "<Domain> <letter>", "Send a sysrq to a domain.", 2, 2, xm_sysrq, NULL, "" },
    { "debug-keys", "<Keys>", "Send debug keys to Xen.", 0, -1, NULL, NULL, "" },
    { "network2-attach", "<Domain> [...]", "Create a new version 2 network interface.", 0, -1, NULL,
      NULL, "" },
    { "network2-detach", "<Domain> <DevId>", "Destroy a version 2 network interface.", 0, -1, NULL,
      NULL, "" },
    { "network2-list", "<Domain>", "List version 2 network interfaces.", 0, -1, NULL, NULL, "" },
    { "vtpm-list", "<Domain> [--long]", "List virtual TPM devices.", 0, -1, NULL, NULL, "" },
    { "vnet-list", "[-l|--long]", "List Vnets.", 0, -1, NULL, NULL, "" },
    { "vnet-create", "<ConfigFile>", "Create a vnet from ConfigFile.", 0, -1, NULL, NULL, "" },
    { "vnet-delete", "<VnetId>", "Delete a Vnet.", 0, -1, NULL, NULL, "" },
    { "pci-attach", "<Domain> <domain:bus:slot.func> [vslot]", "Insert a new pass-through device.",
      0, -1, NULL, NULL, "" },
    { "pci-detach", "<Domain> <domain:bus:slot.func>", "Remove a pass-through device.", 0, -1, NULL,
      NULL, "" },
    { "pci-list", "<Domain>", "List pass-through devices of a domain.", 0, -1, NULL, NULL, "" },
    { "pci-list-assignable-devices", "", "List all assignable pci devices.", 0, -1, NULL, NULL,
      "" },
    { "scsi-attach", "<Domain> <PhysScsiDevice> <VirtScsiDevice>", "Attach a SCSI device.", 0, -1,
      NULL, NULL, "" },
    { "scsi-detach", "<Domain> <VirtScsiDevice>", "Detach a SCSI device.", 0, -1, NULL, NULL, "" },
    { "scsi-list", "<Domain> [--long]", "List SCSI devices.", 0, -1, NULL, NULL, "" },
    { "usb-attach", "<Domain> <DevId> <PortNumber> <BusId>", "Attach a USB device.", 0, -1, NULL,
      NULL, "" },
    { "usb-detach", "<Domain> <DevId> <PortNumber>", "Detach a USB device.", 0, -1, NULL, NULL,
      "" },
    { "usb-list-assignable-devices", "", "List assignable USB devices.", 0, -1, NULL, NULL, "" },
    { "usb-hc-create", "<Domain> <USBSpecVer> <NumberOfPorts>", "Create a USB host controller.", 0,
      -1, NULL, NULL, "" },
    { "usb-hc-destroy", "<Domain> <DevId>", "Destroy a USB host controller.", 0, -1, NULL, NULL,
      "" },
    { "cpupool-create", "<ConfigFile> [vars]", "Create a CPU pool.", 0, -1, NULL, NULL, "" },
    { "cpupool-new", "<ConfigFile> [vars]", "Add a CPU pool to Xend management.", 0, -1, NULL, NULL,
      "" },
    { "cpupool-start", "<CPU Pool>", "Start a CPU pool.", 0, -1, NULL, NULL, "" },
    { "cpupool-list", "[<CPU Pool>] [-l|--long] [-c|--cpus]", "List CPU pools.", 0, -1, NULL, NULL,
      "" },
    { "cpupool-destroy", "<CPU Pool>", "Deactivate a CPU pool.", 0, -1, NULL, NULL, "" },
    { "cpupool-delete", "<CPU Pool>", "Remove a CPU pool.", 0, -1, NULL, NULL, "" },
    { "cpupool-cpu-add", "<CPU Pool> <CPU nr>", "Add a CPU to a CPU pool.", 0, -1, NULL, NULL, "" },
    { "cpupool-cpu-remove", "<CPU Pool> <CPU nr>", "Remove a CPU from a CPU pool.", 0, -1, NULL,
      NULL, "" },
    { "cpupool-migrate", "<Domain> <CPU Pool>", "Move a domain into a CPU pool.", 0, -1, NULL, NULL,
      "" },
    { "tmem-list", "[-l|--long] [-a|--all] [<Domain>]", "List tmem pools.", 0, -1, NULL, NULL, "" },
    { "tmem-thaw", "[-a|--all|<Domain>]", "Thaw tmem pools.", 0, -1, NULL, NULL, "" },
    { "tmem-freeze", "[-a|--all|<Domain>]", "Freeze tmem pools.", 0, -1, NULL, NULL, "" },
    { "tmem-destroy", "[-a|--all|<Domain>]", "Destroy tmem pools.", 0, -1, NULL, NULL, "" },
    { "tmem-set", "[-a|--all|<Domain>] [...]", "Change tmem settings.", 0, -1, NULL, NULL, "" },
    { "tmem-freeable", "", "Print freeable tmem.", 0, -1, NULL, NULL, "" },
    { "tmem-shared-auth", "[-a|--all|<Domain>] [...]", "De/authenticate shared tmem pools.", 0, -1,
      NULL, NULL, "" },
    { "addlabel", "<label> {dom|res|mgt} ...", "Add security label.", 0, -1, NULL, NULL, "" },
    { "rmlabel", "{dom|res|mgt} ...", "Remove a security label.", 0, -1, NULL, NULL, "" },
    { "getlabel", "{dom|res|mgt} ...", "Show security label.", 0, -1, NULL, NULL, "" },
    { "dry-run", "<ConfigFile>", "Test if a domain can access its resources.", 0, -1, NULL, NULL,
      "" },
    { "resources", "", "Show info for each labeled resource.", 0, -1, NULL, NULL, "" },
    { "dumppolicy", "", "Print hypervisor ACM state information.", 0, -1, NULL, NULL, "" },
    { "labels", "[policy]", "List labels of the policy.", 0, -1, NULL, NULL, "" },
    { "setpolicy", "<policytype> <policyfile>", "Set the policy of the system.", 0, -1, NULL, NULL,
      "" },
    { "getpolicy", "[options]", "Get the policy of the system.", 0, -1, NULL, NULL, "" },
    { "resetpolicy", "", "Set the policy to the default.", 0, -1, NULL, NULL, "" },
    { "getenforce", "", "Print the current Flask mode.", 0, -1, NULL, NULL, "" },
    { "setenforce", "[ Enforcing | Permissive | 1 | 0 ]", "Set the Flask mode.", 0, -1, NULL, NULL,
      "" },
    { "serve", "", "Proxy Xend XMLRPC over stdio.", 0, -1, NULL, NULL, "" },
    { "shell", "", "Launch an interactive shell.", 0, -1, NULL, NULL, "" },
    { "event-monitor", "", "Print events.", 0, -1, NULL, NULL, "" },
};

static const struct { const char *alias, *name; } aliases[] = {
    { "balloon", "mem-set" }, { "set-vcpus", "vcpu-set" }, { "vif-list", "network-list" },
    { "vbd-create", "block-attach" }, { "vbd-destroy", "block-detach" },
    { "vbd-list", "block-list" }, { "eject", "cd-eject" }, { "pool-create", "cpupool-create" },
    { "pool-new", "cpupool-new" }, { "pool-start", "cpupool-start" },
    { "pool-list", "cpupool-list" }, { "pool-destroy", "cpupool-destroy" },
    { "pool-delete", "cpupool-delete" }, { "pool-cpu-add", "cpupool-cpu-add" },
    { "pool-cpu-remove", "cpupool-cpu-remove" }, { "pool-migrate", "cpupool-migrate" },
};

const XmCommand *xm_commands(unsigned *count)
{
    *count = G_N_ELEMENTS(commands);
    return commands;
}

static const XmCommand *exact(const char *name)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (!strcmp(commands[i].name, name)) {
            return &commands[i];
        }
    }
    return NULL;
}

const XmCommand *xm_find_command(const char *name)
{
    const XmCommand *found = exact(name);
    unsigned hits = 0;

    for (unsigned i = 0; !found && i < G_N_ELEMENTS(aliases); i++) {
        if (!strcmp(aliases[i].alias, name)) {
            found = exact(aliases[i].name);
        }
    }
    if (found) {
        return found;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (g_str_has_prefix(commands[i].name, name)) {
            found = &commands[i];
            hits++;
        }
    }
    return hits == 1 ? found : NULL;
}

static char *usage_text(const XmCommand *c)
{
    return g_strdup_printf("Usage: xm %s %s\n\n%s\n%s%s", c->name, c->args, c->help,
                           c->options ? "\n" : "", c->options ? c->options : "");
}

void xm_usage(const XmCommand *c)
{
    g_autofree char *text = usage_text(c);

    fputs(text, stderr);
}

int xm_help(Xm *xm, int argc, char **argv)
{
    static const char *const common[] = { "console", "create", "destroy", "help", "list", "pause",
                                          "reboot", "shutdown", "unpause", "uptime", "vncviewer" };
    const XmCommand *c = argc && *argv[0] != '-' ? xm_find_command(argv[0]) : NULL;
    bool all = argc && !strcmp(argv[0], "--long");
    unsigned n = all ? G_N_ELEMENTS(commands) : G_N_ELEMENTS(common);

    (void)xm;
    if (c) {
        g_autofree char *text = usage_text(c);

        fputs(text, stdout);
        return XM_OK;
    }
    fputs("Usage: xm <subcommand> [args]\n\nControl, list, and manipulate guest instances.\n\n",
          stdout);
    puts(all ? "xm full list of subcommands:\n" : "Common 'xm' commands:\n");
    for (unsigned i = 0; i < n; i++) {
        c = all ? &commands[i] : exact(common[i]);
        printf(" %-20s %-50s%s\n", c->name, c->help, c->run ? "" : " (not available yet)");
    }
    fputs("\n<Domain> can either be the Domain Name or Id.\n" QUICK_HELP, stdout);
    return XM_OK;
}
