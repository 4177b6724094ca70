/* SPDX-License-Identifier: GPL-2.0-or-later */
/* api_usb.c - xm on USB devices of a running domain, and the list of what devices it has. */
#include "tools/xend/api.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "lib/fdpass.h"
#include "tools/xend/media.h"

/* The variable, too: a restarted domain has the devices that it had. */
static void usb_keep(Domain *d)
{
    Value *list = value_list();

    for (unsigned i = 0; i < d->config->usb_devices; i++) {
        value_append(list, value_take_str(g_strdup(d->config->usb_device[i].spec)));
    }
    config_set(d->vars, "usbdevice", list, (SourcePos){ 0 });
}

static void usb_added(Domain *d, const ApiForward *f)
{
    g_autoptr(Messages) messages = messages_new();

    if (d->config->usb_devices < MAX_USB_DEVICES) {
        usb_parse(&d->config->usb_device[d->config->usb_devices++], f->text, (SourcePos){ 0 },
                  messages);
        usb_keep(d);
    }
}

static void usb_deleted(Domain *d, const ApiForward *f)
{
    DomainConfig *c = d->config;

    for (unsigned i = c->usb_devices; i-- > 0;) {
        if (!strcmp(c->usb_device[i].spec, f->text)) {
            usb_clear(&c->usb_device[i]);
            memmove(&c->usb_device[i], &c->usb_device[i + 1],
                    (--c->usb_devices - i) * sizeof c->usb_device[0]);
            memset(&c->usb_device[c->usb_devices], 0, sizeof c->usb_device[0]);
            break;
        }
    }
    usb_keep(d);
}

void api_usb_add(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    g_autoptr(Messages) messages = messages_new();
    g_autofree char *error = NULL;
    UsbConfig u;
    g_autoptr(GString) body = g_string_new(NULL);
    int fds[FDPASS_MAX];
    unsigned n;
    ApiForward *f;

    (void)x;
    if (!api_must_live(d, call)) {
        return;
    }
    if (d->config->usb_devices == MAX_USB_DEVICES) {
        rpc_fault(call, FAULT_ERROR, "Domain '%s' has %d USB devices already", d->name,
                  MAX_USB_DEVICES);
        return;
    }
    if (!usb_parse(&u, api_text(params, 1), (SourcePos){ 0 }, messages) ||
        !usb_check_host(&u, messages)) {
        rpc_fault(call, FAULT_ERROR, "%s", ((Message *)messages->list->pdata[0])->text);
        usb_clear(&u);
        return;
    }
    if (u.kind == USB_KIND_STORAGE && (!u.disk.cdrom || disk_has_medium(&u.disk))) {
        n = media_open_layers(d, &u.disk, fds, body, &error);
    } else {
        g_string_append_c(body, '-');
        fds[0] = u.kind == USB_KIND_HOST ? domain_start_usb(d, &u, &error) : -1;
        n = fds[0] >= 0;
    }
    if (error) {
        rpc_fault(call, FAULT_ERROR, "%s", error);
        usb_clear(&u);
        return;
    }
    g_string_append_printf(body, " %s", u.spec);
    f = api_forward_new(d, call, "usb-add");
    f->done = usb_added;
    f->text = g_strdup(u.spec);
    control_request_fds(d->dm, CTL_USB_ADD, u.kind == USB_KIND_STORAGE && !u.disk.writable, 0, body->str,
                        fds, n, api_forwarded, f);
    for (unsigned i = 0; i < n; i++) {
        close(fds[i]);
    }
    usb_clear(&u);
}

void api_usb_del(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    ApiForward *f;

    (void)x;
    if (api_must_live(d, call)) {
        f = api_forward_new(d, call, "usb-del");
        f->done = usb_deleted;
        f->text = g_strdup(api_text(params, 1));
        control_request(d->dm, CTL_USB_DEL, 0, 0, f->text, -1, api_forwarded, f);
    }
}

void api_usb_list(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    Value *list = value_list();

    (void)x, (void)params;
    for (unsigned i = 0; i < d->config->usb_devices; i++) {
        value_append(list, value_take_str(g_strdup(d->config->usb_device[i].spec)));
    }
    rpc_reply(call, list);
}

/* What the guest's driver says of a device, in xenstore; 'absent' if it says nothing. */
static int front_number(Domain *d, const char *class, unsigned id, const char *name, int absent)
{
    g_autofree char *path = g_strdup_printf("/local/domain/%u/device/%s/%u/%s", d->id, class, id, name);
    g_autofree char *text = store_get(d->xend->store, path);
    gint64 v;

    return text && g_ascii_string_to_signed(text, 10, -1, INT_MAX, &v, NULL) ? (int)v : absent;
}

/* The state is XenbusState: 1 as long as the guest has no driver of Xen's for it, 4 connected, 6 closed. */
void api_devices(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    const char *class = api_text(params, 1);
    Value *list = value_list();
    bool disks = !strcmp(class, "vbd");
    unsigned n = disks ? d->config->disks : !strcmp(class, "vif") ? d->config->vifs : 0;

    (void)x;
    for (unsigned i = 0; i < n; i++) {
        unsigned id = disks ? d->config->disk[i].vdev : i;
        g_autofree char *path = g_strdup_printf("/local/domain/0/backend/%s/%u/%u", class, d->id,
                                                id);
        Value *v = value_new(VALUE_DICT);

        value_set_int(v, "id", id);
        value_set_str(v, "backend", path);
        value_set_int(v, "state", front_number(d, class, id, "state", 1));
        value_set_int(v, "evt-ch", front_number(d, class, id, "event-channel", -1));
        if (disks) {
            value_set_int(v, "ring-ref", front_number(d, class, id, "ring-ref", -1));
            value_set_str(v, "uname", d->config->disk[i].uname);
            value_set_str(v, "dev", d->config->disk[i].dev);
            value_set_str(v, "mode", d->config->disk[i].writable ? "w" : "r");
        } else {
            value_set_int(v, "tx-ring-ref", front_number(d, class, id, "tx-ring-ref", -1));
            value_set_int(v, "rx-ring-ref", front_number(d, class, id, "rx-ring-ref", -1));
            value_set_str(v, "mac", d->config->vif[i].mac_text);
            vif_describe(&d->vif[i], v);
        }
        value_append(list, v);
    }
    rpc_reply(call, list);
}
