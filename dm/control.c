/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * control.c - xend's requests over the control socket (include/ctl_proto.h): change of media,
 * screenshot, keys, state dump, viewers.  Every host object comes as a descriptor.
 */
#include <errno.h>
#include <glib-unix.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "dm/dm.h"
#include "dm/drives.h"
#include "hw/chipset.h"
#include "hw/fdc.h"
#include "hw/ide.h"
#include "include/ctl_proto.h"
#include "lib/fd.h"
#include "lib/fdpass.h"

typedef struct Request {
    CtlMsg msg;
    char body[CTL_MSG_MAX - sizeof(CtlMsg) + 1];    /* NUL added */
    int fd;                     /* -1: none; the handler takes it by setting -1 */
    int more[FDPASS_MAX];       /* those behind it, in the same way */
    unsigned mores;
} Request;

void control_event(Dm *dm, uint32_t type, uint64_t a, const char *text)
{
    CtlMsg m = { .type = type, .a = a, .len = text ? strlen(text) : 0 };

    if (dm->control_fd >= 0) {
        packet_send(dm->control_fd, &m, sizeof m, text, m.len, NULL, 0);
    }
}

void control_viewer(Dm *dm, const char *what)
{
    control_event(dm, CTL_EVENT_VIEWER, 0, what);
}

static void reply(Dm *dm, const Request *r, const GError *error)
{
    const char *text = error ? error->message : NULL;
    bool refused = g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_ACCES);
    CtlMsg m = { .type = CTL_REPLY, .id = r->msg.id, .a = refused ? EACCES : error ? EINVAL : 0,
                 .len = text ? strlen(text) : 0 };

    packet_send(dm->control_fd, &m, sizeof m, text, m.len, NULL, 0);
}

static void reply_errno(Dm *dm, uint32_t id, int error)
{
    const char *text = error ? g_strerror(error) : NULL;
    CtlMsg m = { .type = CTL_REPLY, .id = id, .a = error, .len = text ? strlen(text) : 0 };

    packet_send(dm->control_fd, &m, sizeof m, text, m.len, NULL, 0);
}

static bool wants_fd(const Request *r, GError **error)
{
    if (r->fd < 0) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "the request came without a descriptor");
    }
    return r->fd >= 0;
}

/* The layers of an image, format[0] to its end, with the request's descriptors; backing: FDPASS_MAX. */
static bool take_layers(Request *r, char **format, DriveOption *d, DriveLayer *backing, GError **error)
{
    unsigned n = g_strv_length(format);

    if (n == 0 || n - 1 != r->mores) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%u formats for %u descriptors", n,
                    r->mores + 1);
        return false;
    }
    d->fd = r->fd;
    d->format = format[0];
    d->backing = backing;
    d->backings = n - 1;
    for (unsigned i = 0; i < r->mores; i++) {
        backing[i] = (DriveLayer){ r->more[i], format[i + 1] };
        r->more[i] = -1;
    }
    r->fd = -1;
    return true;
}

/* "hdc qcow2/raw" */
static BlockDev *open_medium(Dm *dm, Request *r, const char *name, const char *formats, GError **error)
{
    g_auto(GStrv) format = g_strsplit(formats ? formats : "raw", "/", -1);
    DriveLayer backing[FDPASS_MAX];
    DriveOption d = { .cdrom = true, .read_only = r->msg.a & CTL_MEDIUM_READ_ONLY,
                      .shared = r->msg.a & CTL_MEDIUM_SHARED };

    g_strlcpy(d.name, name, sizeof d.name);
    return take_layers(r, format, &d, backing, error) ? drive_open(dm, &d, error) : NULL;
}

/* hda-hdd (CD-ROM drives), fda, fdb; without a descriptor: out with the medium. */
static bool change_medium(Dm *dm, Request *r, GError **error)
{
    char *formats = strchr(r->body, ' ');
    const char *name = r->body;
    BlockDev *medium, *old;
    int unit;

    if (formats) {
        *formats++ = 0;
    }
    unit = drive_floppy(name);

    if (unit < 0 && drive_slot(name) < 0) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%.16s: no such drive", name);
        return false;
    }
    if (r->fd < 0) {
        medium = block_empty(name);
    } else {
        medium = open_medium(dm, r, name, formats, error);
        if (!medium) {
            return false;
        }
    }
    old = unit >= 0 ? fdc_change_medium(dm->board.fdc, unit, medium, error)
          : ide_change_medium(dm->board.ide, drive_slot(name), medium,
                              r->msg.b & CTL_MEDIUM_FORCE, error);
    block_close(old ? old : medium);
    return old != NULL;
}

static bool dump_state(Dm *dm, Request *r, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);

    if (!wants_fd(r, error)) {
        return false;
    }
    machine_dump(&dm->board.machine, text);
    if (!fd_write_all(r->fd, text->str, text->len)) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "writing: %s",
                    g_strerror(errno));
        return false;
    }
    return true;
}

static bool add_viewer(Dm *dm, Request *r, GError **error)
{
    int sock = r->fd;

    if (!wants_fd(r, error)) {
        return false;
    }
    r->fd = -1;
    return viewer_add(dm->board.display, dm->board.input, sock, &dm->board.viewer_requests, error);
}

static bool set_sound(Dm *dm, Request *r, GError **error)
{
    if (!wants_fd(r, error)) {
        return false;
    }
    if (!dm->board.sound_socket) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "the sound goes elsewhere");
        return false;
    }
    audio_socket_set(dm->board.sound_socket, r->fd);
    r->fd = -1;
    return true;
}

static NetPort *nic_port(Dm *dm, const Request *r, GError **error)
{
    NetPort *p = r->msg.a < dm->options.nics ? dm->board.nic_port[r->msg.a] : NULL;

    if (!p) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "there is no such network card");
    }
    return p;
}

/* "BYTES/MICROSECONDS", or empty: none. */
static void limit(NetPort *p, const char *text)
{
    const char *slash = strchr(text, '/');

    net_port_limit(p, slash ? g_ascii_strtoull(text, NULL, 10) : 0,
                   slash ? MIN(g_ascii_strtoull(slash + 1, NULL, 10), G_MAXUINT32) : 0);
}

static bool nic_cable(Dm *dm, Request *r, GError **error)
{
    NetPort *p = nic_port(dm, r, error), *cable;

    if (!p) {
        return false;
    }
    cable = net_port_for(r->fd, r->msg.b, error);
    r->fd = -1;
    if (cable) {
        net_port_replug(p, cable);
        limit(p, r->body);
    }
    return cable != NULL;
}

static bool nic_dump(Dm *dm, Request *r, GError **error)
{
    NetPort *p = nic_port(dm, r, error);
    int file = r->fd;

    if (!p) {
        return false;
    }
    r->fd = -1;
    return net_port_dump(p, file, r->msg.b, error);
}

static bool add_usb(Dm *dm, Request *r, GError **error)
{
    char *name = strchr(r->body, ' ');
    UsbOption o = { .disk = { .fd = -1, .read_only = r->msg.a & 1 } };
    DriveLayer backing[FDPASS_MAX];
    g_auto(GStrv) format = NULL;

    if (!name) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "a USB device without a name");
        return false;
    }
    *name++ = 0;
    o.spec = name;
    format = g_strsplit(r->body, "/", -1);
    return (r->fd < 0 || take_layers(r, format, &o.disk, backing, error)) &&
           board_usb_add(&dm->board, &o, error);
}

static void serve(Dm *dm, Request *r)
{
    g_autoptr(GError) error = NULL;

    switch (r->msg.type) {
    case CTL_CHANGE_MEDIUM:
        change_medium(dm, r, &error);
        break;
    case CTL_SET_VCPUS:
        piix4_pm_set_vcpus(dm->board.pm, MIN(r->msg.a, UINT32_MAX));
        break;
    case CTL_SCREENSHOT:
        if (wants_fd(r, &error)) {
            display_screenshot(dm->board.display, r->fd, &error);
        }
        break;
    case CTL_SEND_KEY:
        input_key(dm->board.input, r->msg.a, r->msg.b);
        break;
    case CTL_DUMP_STATE:
        dump_state(dm, r, &error);
        break;
    case CTL_ADD_VIEWER:
        add_viewer(dm, r, &error);
        break;
    case CTL_SET_SOUND:
        set_sound(dm, r, &error);
        break;
    case CTL_NIC_CABLE:
        nic_cable(dm, r, &error);
        break;
    case CTL_NIC_DUMP:
        nic_dump(dm, r, &error);
        break;
    case CTL_RETRY_DISKS:
        drives_retry(dm);
        break;
    case CTL_RESIZE_DISK:
        drive_resize(dm, r->body, r->msg.a, reply_errno, r->msg.id);
        return;                 /* it replies */
    case CTL_USB_ADD:
        add_usb(dm, r, &error);
        break;
    case CTL_USB_DEL:
        board_usb_remove(&dm->board, r->body, &error);
        break;
    default:
        g_set_error(&error, G_FILE_ERROR, G_FILE_ERROR_NOSYS, "unknown request %u", r->msg.type);
    }
    reply(dm, r, error);
}

static gboolean control_ready(gint fd, GIOCondition condition, gpointer opaque)
{
    Dm *dm = opaque;
    g_autofree uint8_t *buf = g_malloc(CTL_MSG_MAX);
    Request *r;
    int fds[FDPASS_MAX];
    unsigned nfds = FDPASS_MAX;
    ssize_t n;

    (void)condition;
    r = g_new0(Request, 1);
    r->fd = -1;
    n = packet_recv(fd, buf, CTL_MSG_MAX, fds, &nfds);
    nfds = n < 0 ? 0 : nfds;
    for (unsigned i = 0; i < nfds; i++) {
        *(i ? &r->more[r->mores++] : &r->fd) = fds[i];
    }
    if (n <= 0 && !(n < 0 && errno == EAGAIN)) {
        g_info("xend has gone: ending");
        g_main_loop_quit(dm->loop);
        g_free(r);
        return G_SOURCE_REMOVE;
    }
    if (n >= (ssize_t)sizeof r->msg) {
        memcpy(&r->msg, buf, sizeof r->msg);
        memcpy(r->body, buf + sizeof r->msg, n - sizeof r->msg);
        serve(dm, r);
    }
    for (unsigned i = 0; i < nfds; i++) {
        int left = i ? r->more[i - 1] : r->fd;

        if (left >= 0) {
            close(left);
        }
    }
    g_free(r);
    return G_SOURCE_CONTINUE;
}

static void tray_moved(void *opaque, unsigned slot, bool open, bool locked)
{
    const char name[] = { 'h', 'd', 'a' + slot, 0 };

    control_event(opaque, CTL_EVENT_TRAY, (open ? CTL_TRAY_OPEN : 0) | (locked ? CTL_TRAY_LOCKED : 0),
                  name);
}

void control_start(Dm *dm)
{
    if (dm->control_fd >= 0) {
        g_unix_fd_add(dm->control_fd, G_IO_IN | G_IO_HUP, control_ready, dm);
        ide_set_tray_watch(dm->board.ide, tray_moved, dm);
    }
}
