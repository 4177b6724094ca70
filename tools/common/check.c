/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check.c - from evaluated variables to a DomainConfig: types, ranges, contradictions, and what
 * this host can give.  Collects every problem; nothing is opened for keeps here.  The groups of keys
 * have a file each, check_*.c.
 */
#include "tools/common/check.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

bool uuid_valid(const char *text)
{
    return g_uuid_string_is_valid(text);
}

static void check_name(Check *c)
{
    const char *name = check_string(c, "name", c->facts->default_name), *uuid = check_string(c, "uuid", NULL);
    SourcePos pos = check_position(c, "name");

    if (!name || !*name) {
        ERROR(c, pos, "the domain has no name; write name='...'");
        name = "unnamed";
    } else if (strlen(name) > 64 || name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnop"
                                                "qrstuvwxyz0123456789_-.:+")] || *name == '-' ||
               *name == '.') {
        ERROR(c, pos, "name='%s' is not usable; use letters, digits and _-.:+ (at most 64)", name);
    } else if (!name[strspn(name, "0123456789")]) {
        ERROR(c, pos, "name='%s' looks like a domain's number; add a letter", name);
    } else if (c->facts->names && g_hash_table_contains(c->facts->names, name)) {
        ERROR(c, pos, "a domain named '%s' is running already; choose another name, or end it with "
              "'xm destroy %s'", name, name);
    }
    c->d->name = g_strdup(name);
    if (uuid && *uuid && !uuid_valid(uuid)) {
        ERROR(c, check_position(c, "uuid"), "uuid='%s' is not a UUID; leave it out, or use uuidgen",
              uuid);
    } else if (uuid && *uuid && c->facts->uuids && g_hash_table_contains(c->facts->uuids, uuid)) {
        ERROR(c, check_position(c, "uuid"), "a domain with uuid %s is running already", uuid);
    }
    c->d->uuid = uuid && *uuid ? g_ascii_strdown(uuid, -1) : g_uuid_string_random();
}

static void check_builder(Check *c)
{
    const char *builder = check_string(c, "builder", "hvm"), *kernel = check_string(c, "kernel", "hvmloader");
    const char *loader = check_string(c, "loader", ""), *dm = check_string(c, "device_model", "qemu-dm");
    const char *key = *loader ? "loader" : "kernel";
    g_autofree char *dm_base = *dm ? g_path_get_basename(dm) : g_strdup("qemu-dm");

    if (strcmp(builder, "hvm")) {
        ERROR(c, check_position(c, "builder"), "builder='%s' is not available: only HVM guests run here; "
              "write builder='hvm'", builder);
        return;
    }
    loader = *loader ? loader : *kernel ? kernel : "hvmloader";
    if (strchr(loader, '/')) {
        g_autofree char *base = g_path_get_basename(loader);

        if (access(loader, R_OK) == 0 && !g_file_test(loader, G_FILE_TEST_IS_DIR)) {
            c->d->loader = g_strdup(loader);
        } else if (strcmp(base, "hvmloader")) {
            ERROR(c, check_position(c, key), "%s='%s' can't be read (%s); write %s='hvmloader'", key,
                  loader, g_file_test(loader, G_FILE_TEST_IS_DIR) ? "it is a directory"
                  : g_strerror(errno), key);
        }
    } else if (strcmp(loader, "hvmloader")) {
        ERROR(c, check_position(c, key), "%s='%s' is not a loader; write %s='hvmloader'", key, loader,
              key);
    }
    if (strcmp(dm_base, "qemu-dm")) {
        ERROR(c, check_position(c, "device_model"), "device_model='%s' is unknown; write "
              "device_model='qemu-dm'", dm);
    }
    c->d->device_model = g_strdup("qemu-dm");
}

static void check_boot(Check *c)
{
    const char *boot = check_string(c, "boot", "c");

    if (!*boot) {
        boot = "c";
    }
    for (const char *p = boot; *p; p++) {
        if (!strchr("acdn", *p)) {
            ERROR(c, check_position(c, "boot"), "boot='%s': '%c' is not a device; use the letters a "
                  "(floppy), c (disk), d (CD-ROM), n (network)", boot, *p);
            break;
        }
        if (strchr(p + 1, *p)) {
            ERROR(c, check_position(c, "boot"), "boot='%s' names '%c' twice; name each device once", boot,
                  *p);
            break;
        }
    }
    c->d->boot = g_strdup(boot);
}

static void check_platform(Check *c)
{
    c->d->boot_menu = (unsigned)check_integer(c, "boot_menu", 0, 0, 60, "seconds");
    c->d->pvpanic = check_truth(c, "pvpanic", false);
    c->d->xen_platform_pci = check_truth(c, "xen_platform_pci", false);
    c->d->watchdog = g_strdup(check_string(c, "watchdog", ""));
    if (*c->d->watchdog && strcmp(c->d->watchdog, "i6300esb")) {
        ERROR(c, check_position(c, "watchdog"), "watchdog='%s' is unknown; use i6300esb", c->d->watchdog);
    }
}

DomainConfig *domain_config_check(const Config *config, const HostFacts *facts, Messages *messages)
{
    Check c = { config, facts, messages, g_new0(DomainConfig, 1) };

    check_keys(&c);
    check_name(&c);
    check_builder(&c);
    check_machine(&c);
    check_boot(&c);
    check_serial(&c);
    check_parallel(&c);
    check_display(&c);
    check_sound(&c);
    check_monitor(&c);
    check_disks(&c);
    check_platform(&c);
    check_disk_errors(&c);
    check_vifs(&c);
    check_usb(&c);
    messages_sort(messages);
    return c.d;
}

void domain_config_free(DomainConfig *d)
{
    char **const strings[] = { &d->name, &d->uuid, &d->loader, &d->boot, &d->keymap, &d->cpu,
                               &d->device_model, &d->vnc_listen, &d->vnc_password, &d->display,
                               &d->xauthority, &d->watchdog, &d->sound_cards, &d->audio.wav, &d->cpu_model,
                               &d->gdb_arch };

    for (unsigned i = 0; i < G_N_ELEMENTS(strings); i++) {
        g_free(*strings[i]);
    }
    for (unsigned i = 0; i < MAX_VCPUS; i++) {
        g_free(d->pin[i]);
    }
    line_clear(&d->parallel);
    line_clear(&d->gdb);
    for (unsigned i = 0; i < d->serials; i++) {
        line_clear(&d->serial[i]);
    }
    for (unsigned i = 0; i < MAX_DISKS; i++) {
        disk_clear(&d->disk[i]);
    }
    g_clear_pointer(&d->cpuid, g_array_unref);
    for (unsigned i = 0; i < MAX_VIFS; i++) {
        vif_clear(&d->vif[i]);
    }
    for (unsigned i = 0; i < MAX_USB_DEVICES; i++) {
        usb_clear(&d->usb_device[i]);
    }
    g_free(d);
}
