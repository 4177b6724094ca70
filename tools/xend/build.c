/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * build.c - opens everything that a domain's processes will hold (images under locks, terminals,
 * sockets, the loader, the BIOS, logs), and starts them with exactly those descriptors.
 */
#include "tools/xend/domain.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "config.h"
#include "lib/cpuid_rules.h"
#include "tools/xend/line.h"
#include "tools/xend/nbd_server.h"
#include "tools/xend/spawn.h"

/* --- things to open -------------------------------------------------------------------------- */

static int open_log(const Domain *d, const char *kind)
{
    g_autofree char *base = g_strdup_printf("%s/%s-%s.log", d->xend->paths->log, kind, d->name);
    int fd;

    for (int i = (int)d->xend->config->logs_kept - 1; i >= 0; i--) {
        g_autofree char *from = i ? g_strdup_printf("%s.%d", base, i) : g_strdup(base);
        g_autofree char *to = g_strdup_printf("%s.%d", base, i + 1);

        rename(from, to);
    }
    fd = open(base, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd;
}

static int open_file(const char *path, const char *what, char **error)
{
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

    if (fd < 0) {
        *error = g_strdup_printf("%s %s can't be read (%s)", what, path ? path : "",
                                 path ? g_strerror(errno) : "not installed");
    }
    return fd;
}

/* The first free display from the wanted one on, unless exactly that one is wanted. */
static bool open_vnc(Domain *d, char **error)
{
    DomainConfig *c = d->config;
    unsigned first = c->vnc_display >= 0 ? (unsigned)c->vnc_display : d->id;
    unsigned last = c->vnc_unused || c->vnc_display < 0 ? 65535 - 5900 : first;

    for (unsigned display = first; display <= last; display++) {
        d->listen_fd = vnc_try_listen(c->vnc_listen, 5900 + display);
        if (d->listen_fd >= 0) {
            d->vnc_port = 5900 + display;
            return true;
        }
        if (errno != EADDRINUSE) {
            break;
        }
    }
    *error = g_strdup_printf("VNC display %u on %s can't be opened (%s)", first, c->vnc_listen,
                             g_strerror(errno));
    return false;
}

static void watch_child(Child *child, GPid pid)
{
    child->pid = pid;
    child->started = g_get_monotonic_time();
    child->watch = g_child_watch_add(pid, domain_child_exited, child);
}

static Child *find_child(Domain *d, ChildKind kind, unsigned index)
{
    Child *child;

    for (unsigned i = 0; i < d->children->len; i++) {
        child = g_ptr_array_index(d->children, i);
        if (child->kind == kind && child->index == index) {
            return child;
        }
    }
    child = g_new0(Child, 1);
    child->domain = d;
    child->kind = kind;
    child->index = index;
    g_ptr_array_add(d->children, child);
    return child;
}

static bool start(Domain *d, ChildKind kind, unsigned index, Command *command, int log_fd,
                  char **error)
{
    g_autofree char *line = NULL;
    GPid pid = command_run(command, log_fd, error);

    if (!pid) {
        return false;
    }
    g_ptr_array_add(command->argv, NULL);
    line = g_strjoinv(" ", (char **)command->argv->pdata);
    g_ptr_array_remove_index(command->argv, command->argv->len - 1);
    g_info("domain %s (%u): process %d: %s", d->name, d->id, (int)pid, line);
    watch_child(find_child(d, kind, index), pid);
    return true;
}

/* --- the processes --------------------------------------------------------------------------- */

static void give_log(Command *c, int log_fd)
{
    int copy = fcntl(log_fd, F_DUPFD_CLOEXEC, 3);

    if (copy >= 0) {
        command_fd(c, "--log-fd", copy);
    }
}

/* A socket for the child's option; our end is returned.  -1 with an error. */
static int give_socket(Command *c, const char *option, int type, char **error)
{
    int ends[2];

    if (!socket_pair(type, ends)) {
        *error = g_strdup_printf("no socket (%s)", g_strerror(errno));
        return -1;
    }
    command_fd(c, option, ends[1]);
    return ends[0];
}

/* Who connects there owns the guest. */
static bool give_gdb(const Domain *d, Command *c, char **error)
{
    const LineConfig *gdb = &d->config->gdb;
    int fd;

    if (!gdb->spec) {
        return true;
    }
    fd = line_listen(gdb);
    if (fd < 0) {
        *error = g_strdup_printf("gdbserver='%s' can't be opened (%s)", gdb->spec,
                                 g_strerror(errno));
        return false;
    }
    if (gdb->kind == LINE_TCP) {
        int one = 1;

        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);     /* connections inherit it */
    }
    command_fd(c, "--gdb-fd", fd);
    command_arg(c, "--gdb-arch");
    command_arg(c, "%s", d->config->gdb_arch);
    return true;
}

/* Local time is that of this host when the domain starts, as in Xen: rtc_timeoffset is on top of it. */
static int64_t clock_offset(const DomainConfig *c)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();

    return c->rtc_offset + (c->localtime ? g_date_time_get_utc_offset(now) / G_TIME_SPAN_SECOND : 0);
}

static bool start_hypervisor(Domain *d, int dm_end, char **error)
{
    g_autoptr(Command) c = command_new("hypervisor");
    g_autofree char *own_loader = d->config->loader ? NULL : find_hvmloader();
    DomainConfig *cfg = d->config;
    int control, fd;

    command_arg(c, "--name");
    command_arg(c, "%s", d->name);
    command_arg(c, "--domid");
    command_arg(c, "%u", d->id);
    command_arg(c, "--memory");
    command_arg(c, "%u", cfg->memory);
    command_arg(c, "--vcpus");
    command_arg(c, "%u", cfg->vcpus);
    command_arg(c, "--cpu");
    command_arg(c, "%s", cfg->cpu);
    command_arg(c, "--cpu-model");
    command_arg(c, "%s", cfg->cpu_model);
    for (unsigned i = 0; i < cfg->cpuid->len; i++) {
        g_autofree char *rule = cpuid_rule_text(&g_array_index(cfg->cpuid, CpuidRule, i));

        command_arg(c, "--cpuid");
        command_arg(c, "%s", rule);
    }
    command_fd(c, "--dm-fd", dm_end);
    control = give_socket(c, "--control-fd", SOCK_SEQPACKET, error);
    if (control < 0) {
        return false;
    }
    d->hv = control_new(control, domain_hv_event, NULL, d);
    fd = give_socket(c, "--xenstore-fd", SOCK_STREAM, error);
    if (fd < 0) {
        return false;
    }
    store_server_add(d->xend->store_server, fd, d->id);
    fd = give_socket(c, "--console-fd", SOCK_STREAM, error);
    if (fd < 0) {
        return false;
    }
    d->bridge = console_bridge_new(fd, &d->console, d->console_log);
    fd = open_file(cfg->loader ? cfg->loader : own_loader, "the loader hvmloader", error);
    if (fd < 0) {
        return false;
    }
    command_fd(c, "--loader-fd", fd);
    fd = open_file(SEABIOS_PATH, "SeaBIOS", error);
    if (fd < 0) {
        return false;
    }
    command_fd(c, "--firmware-fd", fd);
    if (!strcmp(cfg->cpu, "auto") || !strcmp(cfg->cpu, "kvm")) {
        fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
        if (fd >= 0) {
            command_fd(c, "--kvm-fd", fd);
        }
    }
    give_log(c, d->hv_log);
    if (!give_gdb(d, c, error)) {
        return false;
    }
    command_arg(c, "--vcpu-avail");
    command_arg(c, "%#" G_GINT64_MODIFIER "x", cfg->vcpu_avail);
    command_arg(c, "--hpet");
    command_arg(c, "%d", cfg->hpet);
    command_arg(c, "--acpi");
    command_arg(c, "%d", cfg->acpi);
    command_arg(c, "--apic");
    command_arg(c, "%d", cfg->apic);
    command_arg(c, "--pae");
    command_arg(c, "%d", cfg->pae);
    command_arg(c, "--timer-mode");
    command_arg(c, "%d", cfg->timer_mode);
    command_arg(c, "--code-memory");
    command_arg(c, "%u", cfg->code_memory);
    command_arg(c, "--tsc-mode");
    command_arg(c, "%d", cfg->tsc_mode);
    command_arg(c, "--rtc-offset");
    command_arg(c, "%" G_GINT64_FORMAT, clock_offset(cfg));
    command_arg(c, "--uuid");
    command_arg(c, "%s", d->uuid);
    command_arg(c, "--video-ram");
    command_arg(c, "%u", cfg->video_ram);
    return start(d, CHILD_HYPERVISOR, 0, c, d->hv_log, error);
}

/* The descriptors of an image as an option: "fd=5,format=qcow2,backing=qcow2:6/raw:7". */
static bool give_image(const Domain *d, const DiskConfig *disk, Command *c, GString *option, char **error)
{
    DiskChain chain;

    if (!*disk->path || disk_is_drive(disk) || (disk->cdrom && !disk_has_medium(disk))) {
        g_string_append(option, ",fd=-1");
        return true;
    }
    if (disk->foreign) {
        int sock = nbd_server_start(d->xend->paths->run, disk, error);

        if (sock < 0) {
            return false;
        }
        command_give(c, sock);
        g_string_append_printf(option, ",fd=%d,format=nbd", sock);
        return true;
    }
    if (!disk_chain_open(disk, true, &chain, error)) {
        return false;
    }
    for (unsigned i = 0; i < chain.layers; i++) {
        const DiskLayer *l = &chain.layer[i];

        if (i == 0) {
            g_string_append_printf(option, ",fd=%d,format=%s", l->fd, l->format);
        } else {
            g_string_append_printf(option, "%s%s:%d", i == 1 ? ",backing=" : "/", l->format,
                                   l->fd);
        }
        command_give(c, l->fd);
        chain.layer[i].fd = -1;         /* the command's now */
    }
    disk_chain_close(&chain);
    return true;
}

static bool give_disks(Domain *d, Command *c, char **error)
{
    for (unsigned i = 0; i < d->config->disks; i++) {
        const DiskConfig *disk = &d->config->disk[i];
        g_autoptr(GString) option = g_string_new(NULL);

        g_string_printf(option, "name=%s,kind=%s,ro=%d,shared=%d,errors=%s", disk->dev,
                        disk->cdrom ? "cdrom" : disk->floppy ? "floppy" : "disk", !disk->writable,
                        disk->shared,
                        d->config->on_disk_error == DISK_ERRORS_REPORT ? "report" : "hold");
        if (!give_image(d, disk, c, option, error)) {
            return false;
        }
        command_arg(c, "--drive");
        command_arg(c, "%s", option->str);
    }
    return true;
}

static bool give_usb(Domain *d, Command *c, char **error)
{
    for (unsigned i = 0; i < d->config->usb_devices; i++) {
        UsbConfig *u = &d->config->usb_device[i];
        g_autoptr(GString) option = g_string_new(NULL);
        int fd;

        if (u->kind == USB_KIND_STORAGE) {
            g_string_printf(option, "ro=%d", !u->disk.writable);
            if (!give_image(d, &u->disk, c, option, error)) {
                return false;
            }
        } else if (u->kind == USB_KIND_HOST) {
            fd = domain_start_usb(d, u, error);
            if (fd < 0) {
                return false;
            }
            command_give(c, fd);
            g_string_printf(option, "fd=%d", fd);
        }
        command_arg(c, "-usbdevice");
        command_arg(c, "%s", u->spec);
        if (option->len) {
            command_arg(c, "--usb-fd");
            command_arg(c, "%s", option->str);
        }
    }
    return true;
}

/* The cable of a port: its one end goes to qemu-dm, the other stays here. */
static Line *give_line(Command *c, const LineConfig *config, const char *what, ConsoleLog *log,
                       int *fd, char **error)
{
    int ends[2];

    if (!socket_pair(SOCK_SEQPACKET, ends)) {
        *error = g_strdup_printf("no socket (%s)", g_strerror(errno));
        return NULL;
    }
    command_give(c, ends[1]);
    *fd = ends[1];
    return line_new(ends[0], config, what, log, error);
}

static bool give_serials(Domain *d, Command *c, char **error)
{
    for (unsigned i = 0; i < d->config->serials; i++) {
        g_autofree char *what = g_strdup_printf("serial port %u", i);
        ConsoleLog *log = i ? d->serial_log[i] : d->console_log;
        int fd;

        d->serial[i] = give_line(c, &d->config->serial[i], what, log, &fd, error);
        if (!d->serial[i]) {
            return false;
        }
        command_arg(c, "--serial");
        command_arg(c, "fd=%d", fd);
    }
    return true;
}

static bool give_parallel(Domain *d, Command *c, char **error)
{
    int fd;

    if (!d->config->has_parallel) {
        return true;
    }
    d->parallel = give_line(c, &d->config->parallel, "parallel port", NULL, &fd, error);
    if (!d->parallel) {
        return false;
    }
    command_arg(c, "--parallel");
    command_arg(c, "fd=%d", fd);
    return true;
}

/* iPXE for the card, when the domain boots from the network; -1: none. */
static int give_boot_rom(const Domain *d, const VifConfig *vif, Command *c)
{
    g_autofree char *path = g_strdup_printf(OPTION_ROM_DIR "/pxe-%s.rom", vif->model);
    int fd = strchr(d->config->boot, 'n') ? open(path, O_RDONLY | O_CLOEXEC) : -1;

    if (fd >= 0) {
        command_give(c, fd);
    }
    return fd;
}

static bool give_sound(Domain *d, Command *c, char **error)
{
    const AudioConfig *a = &d->config->audio;
    int fd;

    if (!*d->config->sound_cards) {
        return true;
    }
    command_arg(c, "-soundhw");
    command_arg(c, "%s", d->config->sound_cards);
    if (a->wav) {
        fd = open(a->wav, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
        if (fd < 0) {
            *error = g_strdup_printf("sound file %s can't be written (%s)", a->wav,
                                     g_strerror(errno));
            return false;
        }
        command_fd(c, "--sound-file-fd", fd);
    }
    return true;
}

static bool give_nics(Domain *d, Command *c, char **error)
{
    for (unsigned i = 0; i < d->config->vifs; i++) {
        VifConfig *vif = &d->config->vif[i];
        g_autofree char *note = NULL, *rate = vif_rate(vif);
        const char *kind;
        int fd;

        if (!vif_open(&d->vif[i], &note, error)) {
            return false;
        }
        if (note) {
            domain_note(d, "vif %u: %s", i, note);
        }
        if (!vif_cable(&d->vif[i], &fd, &kind, error)) {
            return false;
        }
        if (fd >= 0) {
            command_give(c, fd);
        }
        command_arg(c, "--nic");
        command_arg(c, "fd=%d,mac=%s,model=%s,rom=%d,iobase=%u,irq=%u,cplus=%d,kind=%s%s%s",
                    fd, vif->mac_text, vif->model, give_boot_rom(d, vif, c), vif->iobase, vif->irq,
                    !vif->plain, kind, rate ? ",rate=" : "", rate ? rate : "");
    }
    return true;
}

static void give_vga_bios(const DomainConfig *cfg, Command *c)
{
    int fd = open(cfg->std_vga ? VGABIOS_DIR "/vgabios-stdvga.bin"
                               : VGABIOS_DIR "/vgabios-cirrus.bin", O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        command_fd(c, "--vgabios-fd", fd);
    }
}

#define HELPERS 3

/* *viewer: our ends of the sockets for dm-ui, dm-sdl and dm-sound, -1: none. */
static bool start_dm(Domain *d, int hv_end, int viewer[HELPERS], char **error)
{
    g_autoptr(Command) c = command_new("qemu-dm");
    DomainConfig *cfg = d->config;
    int control;

    command_arg(c, "-d");
    command_arg(c, "%u", d->id);
    command_arg(c, "-domain-name");
    command_arg(c, "%s", d->name);
    command_fd(c, "--hypervisor-fd", hv_end);
    control = give_socket(c, "--control-fd", SOCK_SEQPACKET, error);
    if (control < 0) {
        return false;
    }
    d->dm = control_new(control, domain_dm_event, NULL, d);
    give_log(c, d->dm_log);
    command_arg(c, "-videoram");
    command_arg(c, "%u", cfg->video_ram);
    if (cfg->std_vga) {
        command_arg(c, "-std-vga");
    }
    command_arg(c, "-boot");
    command_arg(c, "%s", cfg->boot);
    command_arg(c, "-vcpus");
    command_arg(c, "%u", cfg->vcpus);
    if (cfg->acpi) {
        command_arg(c, "-acpi");
    }
    if (cfg->localtime) {
        command_arg(c, "-localtime");
    }
    if (cfg->usb) {
        command_arg(c, "-usb");
    }
    command_arg(c, "--vcpus-online");
    command_arg(c, "%" G_GINT64_MODIFIER "x", cfg->vcpu_avail);
    if (cfg->boot_menu) {
        command_arg(c, "-boot-menu");
        command_arg(c, "%u", cfg->boot_menu);
    }
    if (cfg->nographic) {
        command_arg(c, "-nographic");
    }
    if (cfg->pvpanic) {
        command_arg(c, "-pvpanic");
    }
    if (cfg->xen_platform_pci) {
        command_arg(c, "-xen-platform");
    }
    if (*cfg->watchdog) {
        command_arg(c, "-watchdog");
        command_arg(c, "%s", cfg->watchdog);
    }
    command_arg(c, "-k");
    command_arg(c, "%s", cfg->keymap);
    command_arg(c, "--rtc-offset");
    command_arg(c, "%" G_GINT64_FORMAT, clock_offset(cfg));
    if (!give_disks(d, c, error) || !give_usb(d, c, error) || !give_serials(d, c, error) ||
        !give_parallel(d, c, error) ||
        !give_sound(d, c, error) || !give_nics(d, c, error)) {
        return false;
    }
    give_vga_bios(cfg, c);
    viewer[0] = viewer[1] = viewer[2] = -1;
    if ((cfg->vnc && (viewer[0] = give_socket(c, "--viewer-fd", SOCK_SEQPACKET, error)) < 0) ||
        (cfg->sdl && (viewer[1] = give_socket(c, "--viewer-fd", SOCK_SEQPACKET, error)) < 0) ||
        (cfg->audio.sdl && *cfg->sound_cards &&
         (viewer[2] = give_socket(c, "--sound-fd", SOCK_SEQPACKET, error)) < 0)) {
        return false;
    }
    return start(d, CHILD_DM, 0, c, d->dm_log, error);
}

bool domain_start_ui(Domain *d, int viewer_fd, char **error)
{
    g_autoptr(Command) c = command_new("dm-ui");
    int ends[2];

    command_arg(c, "--name");
    command_arg(c, "%s", d->name);
    command_fd(c, "--viewer-fd", viewer_fd);
    command_fd(c, "--listen-fd", fcntl(d->listen_fd, F_DUPFD_CLOEXEC, 3));
    if (d->config->vnc_password) {
        const char *password = d->config->vnc_password;

        if (pipe2(ends, O_CLOEXEC) != 0) {
            *error = g_strdup_printf("no pipe (%s)", g_strerror(errno));
            return false;
        }
        /* Eight bytes at most: they fit into the pipe. */
        if (write(ends[1], password, strlen(password)) < 0) {
            g_warning("VNC password: %s", g_strerror(errno));
        }
        close(ends[1]);
        command_fd(c, "--password-fd", ends[0]);
    }
    command_arg(c, "--keymap");
    command_arg(c, "%s", d->config->keymap);
    give_log(c, d->dm_log);
    return start(d, CHILD_UI, 0, c, d->dm_log, error);
}

bool domain_start_sdl(Domain *d, int viewer_fd, char **error)
{
    g_autoptr(Command) c = command_new("dm-sdl");

    command_arg(c, "--name");
    command_arg(c, "%s", d->name);
    command_fd(c, "--viewer-fd", viewer_fd);
    if (d->config->full_screen) {
        command_arg(c, "--full-screen");
    }
    if (d->config->display) {
        command_env(c, "DISPLAY", d->config->display);
    }
    if (d->config->xauthority) {
        command_env(c, "XAUTHORITY", d->config->xauthority);
    }
    return start(d, CHILD_SDL, 0, c, d->dm_log, error);
}

bool domain_start_sound(Domain *d, int sound_fd, char **error)
{
    g_autoptr(Command) c = command_new("dm-sound");

    command_arg(c, "--name");
    command_arg(c, "%s", d->name);
    command_fd(c, "--socket-fd", sound_fd);
    give_log(c, d->dm_log);
    return start(d, CHILD_SOUND, 0, c, d->dm_log, error);
}

bool domain_start_net(Domain *d, unsigned vif, char **error)
{
    g_autoptr(Command) c = command_new("dm-net");
    VifConfig *v = &d->config->vif[vif];

    command_arg(c, "--name");
    command_arg(c, "%s", d->name);
    command_fd(c, "--frames-fd", fcntl(d->frames[vif], F_DUPFD_CLOEXEC, 3));
    for (char **f = v->hostfwd; f && *f; f++) {
        command_arg(c, "--hostfwd");
        command_arg(c, "%s", *f);
    }
    if (v->tftp) {
        command_arg(c, "--tftp");
        command_arg(c, "%s", v->tftp);
    }
    if (v->bootfile) {
        command_arg(c, "--bootfile");
        command_arg(c, "%s", v->bootfile);
    }
    give_log(c, d->dm_log);
    return start(d, CHILD_NET, vif, c, d->dm_log, error);
}

int domain_start_usb(Domain *d, const UsbConfig *u, char **error)
{
    g_autofree char *node = usb_find_node(u, "/sys");
    int device = node ? open(node, O_RDWR | O_CLOEXEC) : -1, ends[2];
    unsigned index = 0;

    if (device < 0) {
        *error = g_strdup_printf("USB device %s: %s", u->spec, node ? g_strerror(errno)
                                 : "not plugged into this host");
        return -1;
    }
    if (!socket_pair(SOCK_SEQPACKET, ends)) {
        *error = g_strdup_printf("no socket (%s)", g_strerror(errno));
        close(device);
        return -1;
    }
    for (unsigned i = 0; i < d->children->len; i++) {
        const Child *child = g_ptr_array_index(d->children, i);

        index = child->kind == CHILD_USB ? MAX(index, child->index + 1) : index;
    }
    g_autoptr(Command) c = command_new("dm-usb");

    command_arg(c, "--name");
    command_arg(c, "%s", d->name);
    command_fd(c, "--device-fd", device);
    command_fd(c, "--socket-fd", ends[1]);
    give_log(c, d->dm_log);
    if (!start(d, CHILD_USB, index, c, d->dm_log, error)) {
        close(ends[0]);
        return -1;
    }
    return ends[0];
}

/* --- all of it ------------------------------------------------------------------------------- */

static bool open_monitor(Domain *d, char **error)
{
    if (d->config->monitor) {
        d->monitor = monitor_new(d, error);
        if (d->monitor) {
            domain_note(d, "monitor on %s; xm monitor %s", monitor_tty(d->monitor), d->name);
        }
    }
    return !*error;
}

static bool open_terminals(Domain *d, char **error)
{
    g_autofree char *path = g_strdup_printf("%s/console/guest-%s.log", d->xend->paths->log,
                                            d->name);
    gsize limit = d->xend->config->console_limit * 1024ul;

    if (!pty_open(&d->console, error)) {
        return false;
    }
    d->console_log = console_log_new(path, limit, error);
    for (unsigned i = 1; d->console_log && i < d->config->serials; i++) {
        g_autofree char *other = g_strdup_printf("%s/console/guest-%s-serial%u.log",
                                                 d->xend->paths->log, d->name, i);

        d->serial_log[i] = console_log_new(other, limit, error);
        if (!d->serial_log[i]) {
            return false;
        }
    }
    return d->console_log != NULL;
}

static bool start_helpers(Domain *d, int viewer[HELPERS], char **error)
{
    static bool (*const starters[HELPERS])(Domain *, int, char **) = {
        domain_start_ui, domain_start_sdl, domain_start_sound,
    };

    for (unsigned i = 0; i < d->config->vifs; i++) {
        if ((d->vif[i].mode == VIF_USER && !domain_start_net(d, i, error)) ||
            !vif_online(&d->vif[i], error)) {
            return false;
        }
    }
    for (unsigned i = 0; i < HELPERS; i++) {
        int fd = viewer[i];

        viewer[i] = -1;
        if (fd >= 0 && !starters[i](d, fd, error)) {
            return false;
        }
    }
    return true;
}

bool domain_build(Domain *d, char **error)
{
    int ends[2], viewer[HELPERS] = { -1, -1, -1 };
    bool ok;

    d->hv_log = open_log(d, "hypervisor");
    d->dm_log = open_log(d, "qemu-dm");
    if (d->hv_log < 0 || d->dm_log < 0) {
        *error = g_strdup_printf("logs in %s can't be written (%s)", d->xend->paths->log,
                                 g_strerror(errno));
        return false;
    }
    if ((d->config->vnc && !open_vnc(d, error)) || !open_terminals(d, error) ||
        !open_monitor(d, error)) {
        return false;
    }
    if (!socket_pair(SOCK_SEQPACKET, ends)) {
        *error = g_strdup_printf("no socket (%s)", g_strerror(errno));
        return false;
    }
    ok = start_hypervisor(d, ends[0], error);
    if (ok) {
        ok = start_dm(d, ends[1], viewer, error) && start_helpers(d, viewer, error);
    } else {
        close(ends[1]);
    }
    for (unsigned i = 0; i < HELPERS; i++) {
        if (viewer[i] >= 0) {
            close(viewer[i]);
        }
    }
    return ok;
}

void domain_close(Domain *d)
{
    int *fds[] = { &d->listen_fd, &d->hv_log, &d->dm_log };

    g_clear_pointer(&d->bridge, console_bridge_free);
    g_clear_pointer(&d->monitor, monitor_free);
    g_clear_pointer(&d->parallel, line_free);
    for (unsigned i = 0; i < MAX_SERIAL_PORTS; i++) {
        g_clear_pointer(&d->serial[i], line_free);
        g_clear_pointer(&d->serial_log[i], console_log_free);
    }
    g_clear_pointer(&d->console_log, console_log_free);
    pty_close(&d->console);
    for (unsigned i = 0; i < MAX_VIFS; i++) {
        vif_hang_up(&d->vif[i]);
        vif_close(&d->vif[i]);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(fds); i++) {
        if (*fds[i] >= 0) {
            close(*fds[i]);
            *fds[i] = -1;
        }
    }
}
