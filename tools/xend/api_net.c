/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * api_net.c - network-attach, network-detach and vif-dump.  A file for a capture is opened here, with
 * the rights of the user whose xend this is; qemu-dm gets the descriptor.
 */
#include "tools/xend/api_net.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "tools/xend/api.h"

#define DUMP_MAX (INT64_C(1) << 30)     /* bytes, unless the caller says otherwise */

typedef struct Pending {
    RpcCall *call;
    const char *what;
} Pending;

static void answered(void *opaque, int error, const CtlMsg *msg, const char *body)
{
    Pending *p = opaque;

    (void)msg;
    if (error) {
        rpc_fault(p->call, FAULT_ERROR, "%s: %s", p->what,
                  error == ECONNRESET ? "the domain ended" : *body ? body : g_strerror(error));
    } else {
        rpc_reply(p->call, value_int(0));
    }
    g_free(p);
}

static Pending *pending_new(RpcCall *call, const char *what)
{
    Pending *p = g_new0(Pending, 1);

    *p = (Pending){ call, what };
    return p;
}

/* By number or hardware address; NULL: the call is answered. */
static Vif *find_vif(Domain *d, RpcCall *call, const char *which)
{
    for (unsigned i = 0; i < d->config->vifs; i++) {
        g_autofree char *number = g_strdup_printf("%u", i);

        if (!strcmp(which, number) || !g_ascii_strcasecmp(which, d->config->vif[i].mac_text)) {
            return &d->vif[i];
        }
    }
    rpc_fault(call, FAULT_ERROR, "Device %s not connected", which);
    return NULL;
}

/* So that it is the same after a restart. */
static void remember(Domain *d, unsigned index, const char *spec)
{
    ConfigVar *var = config_find(d->vars, "vif");
    Value *list = value_list();

    for (unsigned i = 0; var && i < value_len(var->value); i++) {
        value_append(list, i == index ? value_str(spec) : value_ref(value_item(var->value, i)));
    }
    config_set(d->vars, "vif", list, (SourcePos){ 0 });
}

static const char *remembered(const Domain *d, unsigned index)
{
    ConfigVar *var = config_find(d->vars, "vif");

    return var && index < value_len(var->value) ? value_item(var->value, index)->s : "";
}

/* --- attach ---------------------------------------------------------------------------------- */

/* The cable of the new place, under the card's own address and model. */
static bool take_place(VifConfig *card, VifConfig *wish, char **spec)
{
    GString *s = g_string_new(NULL);

    g_string_append_printf(s, "mac=%s,model=%s", card->mac_text, card->model);
    if (card->iobase) {
        g_string_append_printf(s, ",iobase=%#x", card->iobase);
    }
    if (card->irq) {
        g_string_append_printf(s, ",irq=%u", card->irq);
    }
    if (card->plain) {
        g_string_append(s, ",cplus=0");
    }
    if (wish->type) {
        g_string_append_printf(s, ",type=%s", wish->type);
    }
    const struct { const char *key, *value; } texts[] = {
        { "bridge", wish->bridge }, { "ip", wish->ip }, { "script", wish->script },
        { "vifname", wish->vifname }, { "rate", wish->rate }, { "segment", wish->segment },
        { "tftp", wish->tftp }, { "bootfile", wish->bootfile } };
    for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
        if (texts[i].value && *texts[i].value) {
            g_string_append_printf(s, ",%s=%s", texts[i].key, texts[i].value);
        }
    }
    for (char **f = wish->hostfwd; f && *f; f++) {
        g_string_append_printf(s, ",hostfwd=%s", *f);
    }
    *spec = g_string_free(s, FALSE);
    return true;
}

static bool plug(Domain *d, Vif *v, RpcCall *call, char **error)
{
    g_autofree char *note = NULL;
    g_autofree char *rate = vif_rate(&d->config->vif[v->index]);
    const char *kind;
    int fd;

    if (!vif_open(v, &note, error)) {
        return false;
    }
    if (note) {
        g_info("domain %s (%u): vif %u: %s", d->name, d->id, v->index, note);
    }
    if (!vif_cable(v, &fd, &kind, error)) {
        return false;
    }
    control_request(d->dm, CTL_NIC_CABLE, v->index,
                    !strcmp(kind, "vnet") ? CTL_CABLE_TAP_VNET
                    : !strcmp(kind, "tap") ? CTL_CABLE_TAP
                    : !strcmp(kind, "bundles") ? CTL_CABLE_BUNDLES : CTL_CABLE_SOCKET,
                    rate, fd, answered, pending_new(call, "network-attach"));
    close(fd);
    if ((v->mode == VIF_USER && !domain_start_net(d, v->index, error)) || !vif_online(v, error)) {
        g_warning("domain %s (%u): %s", d->name, d->id, *error);    /* the call is answered */
    }
    return true;
}

void api_network_attach(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    g_autoptr(Messages) messages = messages_new();
    g_autofree char *error = NULL, *spec = NULL;
    VifConfig wish, fresh, *card;
    Vif *v = NULL;

    (void)x;
    if (!api_must_live(d, call)) {
        return;
    }
    vif_parse(&wish, api_text(params, 1), (SourcePos){ 0 }, messages);
    for (unsigned i = 0; i < d->config->vifs && !messages->errors; i++) {
        card = &d->config->vif[i];
        if (d->vif[i].mode == VIF_NONE && !vif_busy(&d->vif[i]) && !v &&
            (wish.random_mac || !memcmp(wish.mac, card->mac, 6))) {
            v = &d->vif[i];
        }
    }
    if (messages->errors) {
        rpc_fault(call, FAULT_ERROR, "%s", ((Message *)messages->list->pdata[0])->text);
    } else if (!v) {
        rpc_fault(call, FAULT_ERROR, "Domain '%s' has no unplugged network card%s; a running machine "
                  "gets no new ones: give it one more vif with unplugged=1, or detach one", d->name,
                  wish.random_mac ? "" : " with this mac");
    } else {
        card = &d->config->vif[v->index];
        take_place(card, &wish, &spec);
        vif_parse(&fresh, spec, (SourcePos){ 0 }, messages);
        vif_clear(card);
        *card = fresh;
        if (!plug(d, v, call, &error)) {
            vif_hang_up(v);
            vif_close(v);
            rpc_fault(call, FAULT_ERROR, "%s", error);
        } else {
            remember(d, v->index, spec);
        }
    }
    vif_clear(&wish);
}

/* --- detach ---------------------------------------------------------------------------------- */

void api_network_detach(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    g_autofree char *spec = NULL;
    Vif *v;

    (void)x;
    if (!api_must_live(d, call) || !(v = find_vif(d, call, api_text(params, 1)))) {
        return;
    }
    if (v->mode == VIF_NONE) {
        rpc_fault(call, FAULT_ERROR, "Device %u is not plugged in", v->index);
        return;
    }
    control_request(d->dm, CTL_NIC_CABLE, v->index, CTL_CABLE_SOCKET, NULL, -1, answered,
                    pending_new(call, "network-detach"));
    vif_hang_up(v);
    if (v->mode == VIF_USER || v->mode == VIF_SEGMENT) {
        vif_close(v);
    } else {
        vif_offline(v);
    }
    spec = g_strdup_printf("%s,unplugged=1", remembered(d, v->index));
    remember(d, v->index, spec);
}

/* --- captures -------------------------------------------------------------------------------- */

void api_vif_dump(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    const char *path = api_text(params, 2);
    Value *limit = value_len(params) > 3 ? value_item(params, 3) : NULL;
    int64_t max = limit && limit->kind == VALUE_INT && limit->i > 0 ? limit->i : DUMP_MAX;
    int fd = -1;
    Vif *v;

    (void)x;
    if (!api_must_live(d, call) || !(v = find_vif(d, call, api_text(params, 1)))) {
        return;
    }
    if (*path) {
        /* A pipe without a reader must not stop xend, nor a slow one qemu-dm. */
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
        if (fd < 0) {
            rpc_fault(call, FAULT_ERROR, "%s can't be written (%s)", path,
                      errno == ENXIO ? "nobody reads this pipe" : g_strerror(errno));
            return;
        }
    }
    control_request(d->dm, CTL_NIC_DUMP, v->index, max, NULL, fd, answered,
                    pending_new(call, "vif-dump"));
    if (fd >= 0) {
        close(fd);
    }
}
