/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * layout.c - a domain as xenstore shows it: /local/domain/N, /vm/UUID, the back ends of its disks
 * and network cards.  What the guest may write is listed in layout_domain() and nowhere else; xend
 * reads nothing back from there but control/shutdown's acknowledgement.
 */
#include "tools/common/sxp.h"
#include "tools/xend/domain.h"

#include <stdio.h>
#include <string.h>

typedef struct Writer {
    Store *store;
    char *base;
} Writer;

static void put(const Writer *w, const char *key, const char *value)
{
    g_autofree char *path = g_strdup_printf("%s/%s", w->base, key);

    store_put(w->store, path, value);
}

static void put_int(const Writer *w, const char *key, int64_t value)
{
    g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, value);

    put(w, key, text);
}

char *layout_path(const Domain *d, const char *below)
{
    return g_strdup_printf("/local/domain/%u/%s", d->id, below);
}

void layout_host(Xend *x)
{
    Writer w = { x->store, (char *)"/local/domain/0" };
    g_autofree char *vm = g_strdup_printf("/vm/%s", x->self_uuid);

    put(&w, "name", "Domain-0");
    put(&w, "domid", "0");
    put(&w, "vm", vm);
    put(&w, "libxl/disable_udev", "1");
    for (unsigned i = 0; i < g_get_num_processors(); i++) {
        g_autofree char *key = g_strdup_printf("cpu/%u/availability", i);

        put(&w, key, "online");
    }
    w.base = vm;
    put(&w, "name", "Domain-0");
    put(&w, "uuid", x->self_uuid);
    store_put(x->store, "/mh/driver-blacklist", "");
}

static void layout_vm(Domain *d)
{
    g_autofree char *base = g_strdup_printf("/vm/%s", d->uuid);
    DomainConfig *c = d->config;
    Writer w = { d->xend->store, base };

    put(&w, "uuid", d->uuid);
    put(&w, "name", d->name);
    put_int(&w, "memory", c->memory);
    put_int(&w, "maxmem", c->max_memory);
    put_int(&w, "vcpus", c->vcpus);
    put_int(&w, "vcpu_avail", (int64_t)c->vcpu_avail);
    put(&w, "on_poweroff", action_name(c->on_poweroff));
    put(&w, "on_reboot", action_name(c->on_reboot));
    put(&w, "on_crash", action_name(c->on_crash));
    put(&w, "on_xend_start", "ignore");
    put(&w, "on_xend_stop", "ignore");
    put_int(&w, "start_time", d->started);
    put(&w, "pool_name", "Pool-0");
    put(&w, "image/ostype", "hvm");
    put(&w, "image/kernel", c->loader ? c->loader : "hvmloader");
    put_int(&w, "rtc/timeoffset", c->rtc_offset);
    store_own(d->xend->store, base, 0, d->id);
}

static void layout_device(Domain *d, const char *class, unsigned id, Writer *front, Writer *back)
{
    g_autofree char *vm = g_strdup_printf("/vm/%s/device/%s/%u", d->uuid, class, id);
    Writer w = { d->xend->store, vm };

    front->store = back->store = d->xend->store;
    front->base = g_strdup_printf("/local/domain/%u/device/%s/%u", d->id, class, id);
    back->base = g_strdup_printf("/local/domain/0/backend/%s/%u/%u", class, d->id, id);
    put(front, "backend", back->base);
    put_int(front, "backend-id", 0);
    put_int(front, "state", 1);
    put(back, "frontend", front->base);
    put_int(back, "frontend-id", d->id);
    put(back, "domain", d->name);
    put_int(back, "online", 1);
    put_int(back, "state", 1);
    put(&w, "frontend", front->base);
    put(&w, "backend", back->base);
    put_int(&w, "frontend-id", d->id);
    put_int(&w, "backend-id", 0);
    store_own(d->xend->store, front->base, d->id, 0);
    store_own(d->xend->store, back->base, 0, d->id);
}

static void layout_disk(Domain *d, const DiskConfig *disk)
{
    g_autofree char *uuid = g_uuid_string_random();
    Writer front, back;

    layout_device(d, "vbd", disk->vdev, &front, &back);
    put_int(&front, "virtual-device", disk->vdev);
    put(&front, "device-type", disk->cdrom ? "cdrom" : "disk");
    put(&back, "uuid", uuid);
    put_int(&back, "bootable", 1);
    put(&back, "dev", disk->dev);
    put(&back, "type", disk->type);
    put(&back, "params", disk->path);
    put(&back, "mode", disk->writable ? "w" : "r");
    g_free(front.base);
    g_free(back.base);
}

static void layout_vif(Domain *d, unsigned index, const VifConfig *vif)
{
    g_autofree char *uuid = g_uuid_string_random();
    g_autofree char *rate = vif_rate(vif);
    Writer front, back;

    layout_device(d, "vif", index, &front, &back);
    if (rate) {
        g_strdelimit(rate, "/", ',');   /* as netback reads it */
    }
    put(&front, "mac", vif->mac_text);
    put_int(&front, "handle", index);
    put(&back, "mac", vif->mac_text);
    put_int(&back, "handle", index);
    put(&back, "uuid", uuid);
    put(&back, "script", vif->script ? vif->script : "");
    put(&back, "bridge", vif->bridge ? vif->bridge : "");
    put(&back, "type", vif->type ? vif->type : "ioemu");
    if (vif->ip && *vif->ip) {
        put(&back, "ip", vif->ip);
    }
    if (rate) {
        put(&back, "rate", rate);
    }
    put(&back, "model", vif->model);
    g_free(front.base);
    g_free(back.base);
}

void layout_domain(Domain *d)
{
    /* Below these the guest may write. */
    static const char *const guests[] = { "device", "error", "drivers", "data", "attr", "messages",
                                          "control/shutdown", "control/sysrq", "hvmpv",
                                          "control/feature-poweroff", "control/feature-reboot",
                                          "control/feature-halt", "control/feature-suspend" };
    g_autofree char *base = g_strdup_printf("/local/domain/%u", d->id);
    g_autofree char *vm = g_strdup_printf("/vm/%s", d->uuid);
    Store *store = d->xend->store;
    Writer w = { store, base };

    store_own(store, base, 0, d->id);
    layout_vm(d);
    put(&w, "vm", vm);
    put(&w, "name", d->name);
    put_int(&w, "domid", d->id);
    put_int(&w, "memory/target", (int64_t)d->config->memory * 1024);
    put_int(&w, "memory/static-max", (int64_t)d->config->memory * 1024);
    put_int(&w, "control/platform-feature-multiprocessor-suspend", 1);
    put(&w, "control/shutdown", "");
    put(&w, "control/sysrq", "");
    for (unsigned i = 0; i < d->config->vcpus; i++) {
        g_autofree char *key = g_strdup_printf("cpu/%u/availability", i);

        put(&w, key, d->config->vcpu_avail >> i & 1 ? "online" : "offline");
    }
    put(&w, "hvmloader/bios", "seabios");
    put_int(&w, "hvmloader/allow-memory-relocate", 1);
    for (unsigned i = 0, n = 0; i < d->config->vifs; i++) {
        const VifConfig *v = &d->config->vif[i];

        if (!strcmp(v->model, "ne2k_isa")) {
            g_autofree char *port = g_strdup_printf("hvmloader/ne2000/%u/port", n);
            g_autofree char *irq = g_strdup_printf("hvmloader/ne2000/%u/irq", n++);

            put_int(&w, port, v->iobase);
            put_int(&w, irq, v->irq);
        }
    }
    put_int(&w, "platform/acpi", d->config->acpi);
    put_int(&w, "platform/acpi_s3", 1);
    put_int(&w, "platform/acpi_s4", 1);
    put_int(&w, "platform/apic", d->config->apic);
    put_int(&w, "platform/pae", d->config->pae);
    put_int(&w, "platform/hpet", d->config->hpet);
    put(&w, "bios-strings", "");
    for (unsigned i = 0; i < G_N_ELEMENTS(guests); i++) {
        g_autofree char *path = g_strdup_printf("%s/%s", base, guests[i]);

        store_own(store, path, d->id, 0);
    }
    put(&w, "console/type", "ioemu");
    put_int(&w, "console/limit", 1048576);
    put(&w, "description", "");
    for (unsigned i = 0; i < d->config->disks; i++) {
        if (!d->config->disk[i].floppy) {       /* no PV front end has floppies */
            layout_disk(d, &d->config->disk[i]);
        }
    }
    for (unsigned i = 0; i < d->config->vifs; i++) {
        layout_vif(d, i, &d->config->vif[i]);
    }
}

void layout_pids(Domain *d)
{
    g_autofree char *base = g_strdup_printf("/local/domain/%u", d->id);
    Writer w = { d->xend->store, base };

    for (unsigned i = 0; i < MAX_SERIAL_PORTS; i++) {
        if (d->serial[i]) {
            g_autofree char *key = g_strdup_printf("serial/%u/tty", i);

            put(&w, key, line_tty(d->serial[i]));
        }
    }
    if (d->parallel) {
        put(&w, "parallel/0/tty", line_tty(d->parallel));
    }
    put(&w, "console/tty", d->console.name);
    if (d->monitor) {
        put(&w, "monitor/tty", monitor_tty(d->monitor));
    }
    if (d->config->vnc) {
        put_int(&w, "console/vnc-port", d->vnc_port);
        put(&w, "console/vnc-listen", d->config->vnc_listen);
    }
    for (unsigned i = 0; i < d->children->len; i++) {
        Child *c = g_ptr_array_index(d->children, i);

        if (c->kind == CHILD_DM) {
            put_int(&w, "image/device-model-pid", c->pid);
        } else if (c->kind == CHILD_HYPERVISOR) {
            put_int(&w, "image/hypervisor-pid", c->pid);
        }
    }
}

void layout_remove(Domain *d)
{
    static const char *const patterns[] = { "/local/domain/%u", "/local/domain/0/device-model/%u",
                                            "/local/domain/0/backend/vbd/%u",
                                            "/local/domain/0/backend/vif/%u" };
    g_autofree char *vm = g_strdup_printf("/vm/%s", d->uuid);

    for (unsigned i = 0; i < G_N_ELEMENTS(patterns); i++) {
        g_auto(GStrv) parts = g_strsplit(patterns[i], "%u", 2);
        g_autofree char *path = g_strdup_printf("%s%u%s", parts[0], d->id, parts[1]);

        store_delete(d->xend->store, path);
    }
    store_delete(d->xend->store, vm);
}

/* --- the same as an S-expression ------------------------------------------------------------- */

static void add(Value *list, Value *item)
{
    value_append(list, item);
}

static Value *tagged(const char *tag)
{
    Value *v = value_list();

    value_append(v, value_str(tag));
    return v;
}

static Value *in_device(Value *device)
{
    Value *v = tagged("device");

    add(v, device);
    return v;
}

static Value *image_sxp(const Domain *d)
{
    DomainConfig *c = d->config;
    Value *image = tagged("image"), *hvm = tagged("hvm");

    add(hvm, sxp_pair("kernel", c->loader ? c->loader : "hvmloader"));
    add(hvm, sxp_pair("device_model", c->device_model));
    add(hvm, sxp_pair("boot", c->boot));
    add(hvm, sxp_pair("cpu", c->cpu));
    add(hvm, sxp_pair_int("pae", c->pae));
    add(hvm, sxp_pair_int("acpi", c->acpi));
    add(hvm, sxp_pair_int("apic", c->apic));
    add(hvm, sxp_pair_int("hpet", c->hpet));
    add(hvm, sxp_pair_int("timer_mode", c->timer_mode));
    add(hvm, sxp_pair_int("localtime", c->localtime));
    add(hvm, sxp_pair_int("rtc_timeoffset", c->rtc_offset));
    add(hvm, sxp_pair_int("stdvga", c->std_vga));
    add(hvm, sxp_pair_int("videoram", c->video_ram));
    add(hvm, sxp_pair("keymap", c->keymap));
    add(hvm, sxp_pair("serial", c->serials ? c->serial[0].spec : ""));
    add(hvm, sxp_pair_int("vnc", c->vnc));
    add(hvm, sxp_pair_int("sdl", c->sdl));
    add(image, hvm);
    return image;
}

Value *domain_to_sxp(const Domain *d)
{
    DomainConfig *c = d->config;
    Value *v = tagged("domain"), *fb;

    add(v, sxp_pair_int("domid", d->id));
    add(v, sxp_pair("name", d->name));
    add(v, sxp_pair("uuid", d->uuid));
    add(v, sxp_pair("on_poweroff", action_name(c->on_poweroff)));
    add(v, sxp_pair("on_reboot", action_name(c->on_reboot)));
    add(v, sxp_pair("on_crash", action_name(c->on_crash)));
    add(v, sxp_pair_int("memory", c->memory));
    add(v, sxp_pair_int("maxmem", c->max_memory));
    add(v, sxp_pair_int("shadow_memory", 0));
    add(v, sxp_pair_int("vcpus", c->vcpus));
    add(v, sxp_pair_int("vcpu_avail", (int64_t)c->vcpu_avail));
    add(v, sxp_pair_int("start_time", d->started));
    add(v, image_sxp(d));
    for (unsigned i = 0; i < c->disks; i++) {
        Value *vbd = tagged("vbd");

        if (c->disk[i].floppy) {
            continue;
        }
        add(vbd, sxp_pair("uname", c->disk[i].uname));
        add(vbd, sxp_pair("dev", c->disk[i].dev));
        add(vbd, sxp_pair("devtype", c->disk[i].cdrom ? "cdrom" : "disk"));
        add(vbd, sxp_pair("mode", c->disk[i].writable ? "w" : "r"));
        add(v, in_device(vbd));
    }
    for (unsigned i = 0; i < c->vifs; i++) {
        Value *vif = tagged("vif");

        add(vif, sxp_pair("mac", c->vif[i].mac_text));
        add(vif, sxp_pair("bridge", c->vif[i].bridge ? c->vif[i].bridge : ""));
        const struct { const char *key, *value; } texts[] = {
            { "ip", c->vif[i].ip }, { "script", c->vif[i].script }, { "rate", c->vif[i].rate },
            { "vifname", c->vif[i].vifname }, { "segment", c->vif[i].segment } };
        for (unsigned k = 0; k < G_N_ELEMENTS(texts); k++) {
            if (texts[k].value && *texts[k].value) {
                add(vif, sxp_pair(texts[k].key, texts[k].value));
            }
        }
        add(vif, sxp_pair("model", c->vif[i].model));
        add(vif, sxp_pair("type", c->vif[i].type ? c->vif[i].type : "ioemu"));
        add(v, in_device(vif));
    }
    if (c->vnc) {
        g_autofree char *location = g_strdup_printf("%s:%u", c->vnc_listen, d->vnc_port);

        fb = tagged("vfb");
        add(fb, sxp_pair_int("vnc", 1));
        add(fb, sxp_pair("vnclisten", c->vnc_listen));
        add(fb, sxp_pair_int("vncdisplay", (int64_t)d->vnc_port - 5900));
        add(fb, sxp_pair("location", location));
        add(v, in_device(fb));
    }
    return v;
}
