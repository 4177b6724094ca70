/* SPDX-License-Identifier: GPL-2.0-or-later */
/* check_ports.c - serial and parallel ports, sound, the monitor, USB. */
#include "tools/common/check.h"

#include <string.h>

static bool check_line(Check *c, LineConfig *line, const char *key, const char *text, SourcePos pos)
{
    bool good = line_parse(line, key, text, pos, c->messages);

    if (good && c->facts->check_host) {
        line_check_host(line, key, pos, c->messages);
    }
    return good;
}

static void check_serial_port(Check *c, const Value *v)
{
    SourcePos pos = v->pos;
    const char *s = v->kind == VALUE_STR ? v->s : "";

    if (v->kind != VALUE_STR) {
        ERROR(c, pos, "a serial port is %s; write serial='pty'", value_kind_name(v));
        return;
    }
    if (!*s) {
        return;
    }
    if (c->d->serials == MAX_SERIAL_PORTS) {
        ERROR(c, pos, "the machine has only %d serial ports; remove one", MAX_SERIAL_PORTS);
        return;
    }
    check_line(c, &c->d->serial[c->d->serials++], "serial", s, pos);
}

void check_serial(Check *c)
{
    Value *v = check_value(c, "serial");

    if (v && (v->kind == VALUE_LIST || v->kind == VALUE_TUPLE)) {
        for (unsigned i = 0; i < value_len(v); i++) {
            check_serial_port(c, value_item(v, i));
        }
    } else if (v) {
        check_serial_port(c, v);
    }
}

void check_parallel(Check *c)
{
    const char *text = check_string(c, "parallel", "");

    if (*text && strcmp(text, "none")) {
        c->d->has_parallel = check_line(c, &c->d->parallel, "parallel", text, check_position(c, "parallel"));
    }
}

void check_sound(Check *c)
{
    const char *cards = check_string(c, "soundhw", ""), *audio = check_string(c, "audio", "");

    c->d->sound_cards = sound_parse(cards, check_position(c, "soundhw"), c->messages);
    audio_parse(&c->d->audio, audio, check_position(c, "audio"), c->messages);
    c->d->audio.sdl |= c->d->sdl && !*audio && *c->d->sound_cards;
}

/* Never behind a display: whoever looks at the screen would have it. */
void check_monitor(Check *c)
{
    Value *v = check_value(c, "monitor");
    const char *path = check_string(c, "monitor_path", "");

    if (v && v->kind == VALUE_STR && strcmp(v->s, "pty") && strcmp(v->s, "vc")) {
        c->d->monitor = *v->s && strcmp(v->s, "0") && strcmp(v->s, "no");
    } else {
        c->d->monitor = v && value_true(v);
    }
    if ((v && v->kind == VALUE_STR && !strcmp(v->s, "vc")) || !strcmp(path, "vc")) {
        WARN(c, check_position(c, *path ? "monitor_path" : "monitor"),
             "the monitor is not behind the display; it is on a terminal (xm monitor)");
    } else if (*path && strcmp(path, "pty")) {
        ERROR(c, check_position(c, "monitor_path"), "monitor_path='%s' is not available; use pty", path);
    }
    c->d->monitor |= *path != 0;
}

static void check_usb_device(Check *c, const Value *v)
{
    DomainConfig *d = c->d;

    if (v->kind != VALUE_STR) {
        ERROR(c, v->pos, "a usbdevice is %s; write usbdevice='tablet'", value_kind_name(v));
    } else if (d->usb_devices == MAX_USB_DEVICES) {
        ERROR(c, v->pos, "too many USB devices; at most %d", MAX_USB_DEVICES);
    } else if (*v->s) {
        UsbConfig *u = &d->usb_device[d->usb_devices++];

        if (usb_parse(u, v->s, v->pos, c->messages) && c->facts->check_host) {
            usb_check_host(u, c->messages);
        }
    }
}

/* As with Xen, naming a device turns the controller on. */
void check_usb(Check *c)
{
    Value *v = check_value(c, "usbdevice");

    if (v && (v->kind == VALUE_LIST || v->kind == VALUE_TUPLE)) {
        for (unsigned i = 0; i < value_len(v); i++) {
            check_usb_device(c, value_item(v, i));
        }
    } else if (v) {
        check_usb_device(c, v);
    }
    c->d->usb = check_truth(c, "usb", false) || c->d->usb_devices;
}
