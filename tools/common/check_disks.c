/* SPDX-License-Identifier: GPL-2.0-or-later */
/* check_disks.c - disks, CD-ROM and floppy drives, and what their errors do. */
#include "tools/common/check.h"

#include <string.h>
#include <unistd.h>

void check_disk_errors(Check *c)
{
    static const char *const names[] = { "report", "pause", "stop" };
    const char *text = check_string(c, "on_disk_error", "report");

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        if (!*text || !strcmp(text, names[i])) {
            c->d->on_disk_error = *text ? i : DISK_ERRORS_REPORT;
            return;
        }
    }
    ERROR(c, check_position(c, "on_disk_error"), "on_disk_error='%s' is unknown; use report (the guest "
          "sees an error), pause (until xm unpause) or stop (as a crash)", text);
}

static void check_disk(Check *c, const char *spec, SourcePos pos)
{
    DiskConfig *d = &c->d->disk[c->d->disks];
    bool ok;

    if (c->d->disks == MAX_DISKS) {
        ERROR(c, pos, "too many disks; the machine has hda to hdd, fda and fdb");
        return;
    }
    ok = disk_parse(d, spec, pos, c->messages);
    for (unsigned j = 0; d->dev && j < c->d->disks; j++) {
        DiskConfig *other = &c->d->disk[j];

        if (!g_strcmp0(other->dev, d->dev)) {
            ERROR(c, pos, "device %s is used twice; choose another", d->dev);
            ok = false;
        }
        if (ok && *d->path && !g_strcmp0(other->path, d->path) &&
            (other->writable || d->writable) && !(other->shared && d->shared)) {
            ERROR(c, pos, "image %s is used twice and writable; remove one entry", d->path);
            ok = false;
        }
    }
    if (ok && c->facts->check_host) {
        disk_check_image(d, c->messages);
    }
    c->d->disks++;
}

/* fda='PATH': writable if it is for this user, as the device model of Xen 4.1 does it. */
static void check_floppies(Check *c)
{
    static const char *const keys[] = { "fda", "fdb" };

    for (unsigned i = 0; i < G_N_ELEMENTS(keys); i++) {
        const char *path = check_string(c, keys[i], "");

        if (*path) {
            g_autofree char *spec = g_strdup_printf("file:%s,%s,%s", path, keys[i],
                                                    access(path, W_OK) ? "r" : "w");

            if (strchr(path, ',')) {
                ERROR(c, check_position(c, keys[i]), "%s: a path with a comma can't be used", path);
            } else {
                check_disk(c, spec, check_position(c, keys[i]));
            }
        }
    }
}

void check_disks(Check *c)
{
    Value *list = check_value(c, "disk");
    unsigned n = list && list->kind != VALUE_STR ? value_len(list) : 0;

    for (unsigned i = 0; i < n; i++) {
        Value *v = value_item(list, i);

        if (v->kind != VALUE_STR) {
            ERROR(c, v->pos, "a disk is %s; write 'file:PATH,hda,w'", value_kind_name(v));
            continue;
        }
        check_disk(c, v->s, v->pos);
    }
    check_floppies(c);
}
