/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * api.c - the methods that xm calls: their table, and what they share.  Domains are named by name or
 * number; the answer comes when the thing has happened (a destroyed domain's processes are gone, a
 * medium is changed).
 */
#include "tools/xend/api.h"

#include <errno.h>
#include <string.h>
#include "tools/xend/api_net.h"
#include "tools/xend/media.h"
#include "tools/xend/pin.h"

typedef struct Method {
    const char *name;
    unsigned params;            /* how many at least */
    bool on_domain;             /* the first is a domain */
    void (*handle)(Xend *x, Domain *d, RpcCall *call, const Value *params);
} Method;

const char *api_text(const Value *params, unsigned i)
{
    Value *v = i < value_len(params) ? value_item(params, i) : NULL;

    return v && v->kind == VALUE_STR ? v->s : "";
}

int64_t api_int(const Value *params, unsigned i)
{
    Value *v = i < value_len(params) ? value_item(params, i) : NULL;

    return v && (v->kind == VALUE_INT || v->kind == VALUE_BOOL) ? v->i : 0;
}

void api_forwarded(void *opaque, int error, const CtlMsg *msg, const char *body)
{
    ApiForward *f = opaque;
    Domain *d = domain_by_id(f->xend, f->domid);

    (void)msg;
    if (error) {
        rpc_fault(f->call, FAULT_ERROR, "%s: %s", f->what,
                  error == ECONNRESET ? "the domain ended" : *body ? body : g_strerror(error));
    } else {
        if (d && f->done) {
            f->done(d, f);
        }
        rpc_reply(f->call, value_int(0));
    }
    g_free(f->text);
    g_free(f);
}

ApiForward *api_forward_new(Domain *d, RpcCall *call, const char *what)
{
    ApiForward *f = g_new0(ApiForward, 1);

    f->call = call;
    f->what = what;
    f->xend = d->xend;
    f->domid = d->id;
    return f;
}

bool api_must_live(const Domain *d, RpcCall *call)
{
    if (d->state == DOMAIN_ALIVE) {
        return true;
    }
    rpc_fault(call, FAULT_ERROR, "Domain '%s' is %s", d->name,
              d->state == DOMAIN_BUILDING ? "not started yet"
              : d->state == DOMAIN_PRESERVED ? "shut down" : "ending");
    return false;
}

static const Method methods[] = {
    { "xend.domains", 0, false, api_domains },
    { "xend.domain.create", 1, false, api_create },
    { "xend.domain.unpause", 1, true, api_unpause },
    { "xend.domain.pause", 1, true, api_pause },
    { "xend.domain.destroy", 1, true, api_destroy },
    { "xend.domain.shutdown", 2, true, api_shutdown },
    { "xend.domain.trigger", 2, true, api_trigger },
    { "xend.domain.vcpu_set", 2, true, api_vcpu_set },
    { "xend.domain.vcpu_pin", 3, true, api_vcpu_pin },
    { "xend.domain.mem_set", 2, true, api_mem_set },
    { "xend.domain.mem_max", 2, true, api_mem_max },
    { "xend.domain.sysrq", 2, true, api_sysrq },
    { "xend.domain.rename", 2, true, api_rename },
    { "xend.domain.send_key", 3, true, api_send_key },
    { "xend.domain.screenshot", 2, true, api_screenshot },
    { "xend.domain.dump_core", 2, true, api_dump_core },
    { "xend.domain.dump_state", 2, true, api_dump_state },
    { "xend.domain.counters", 1, true, api_counters },
    { "xend.domain.change_medium", 3, true, api_change_medium },
    { "xend.domain.block_attach", 4, true, api_block_attach },
    { "xend.domain.block_detach", 2, true, api_block_detach },
    { "xend.domain.resize_disk", 3, true, api_resize_disk },
    { "xend.domain.usb_add", 2, true, api_usb_add },
    { "xend.domain.usb_del", 2, true, api_usb_del },
    { "xend.domain.usb_list", 1, true, api_usb_list },
    { "xend.domain.devices", 2, true, api_devices },
    { "xend.domain.network_attach", 2, true, api_network_attach },
    { "xend.domain.network_detach", 2, true, api_network_detach },
    { "xend.domain.vif_dump", 3, true, api_vif_dump },
    { "xend.host_facts", 0, false, api_host_facts },
    { "xend.node.info", 0, false, api_info },
    { "xend.node.dmesg", 0, false, api_dmesg },
    { "xend.node.log", 0, false, api_log },
    { "xend.status", 0, false, api_status },
    { "xend.stop", 0, false, api_stop },
};

void api_handle(void *opaque, RpcCall *call, const char *name, const Value *params)
{
    Xend *x = opaque;

    for (unsigned i = 0; i < G_N_ELEMENTS(methods); i++) {
        const Method *m = &methods[i];
        Domain *d = NULL;

        if (strcmp(m->name, name)) {
            continue;
        }
        if (value_len(params) < m->params) {
            rpc_fault(call, FAULT_INTERNAL, "%s needs %u parameters", name, m->params);
            return;
        }
        if (m->on_domain) {
            const char *which = api_text(params, 0);

            d = domain_find(x, which);
            if (!d && (!strcmp(which, "Domain-0") || !strcmp(which, "0"))) {
                rpc_fault(call, FAULT_ERROR, "Domain-0 is this host: that is not possible");
                return;
            }
            if (!d) {
                rpc_fault(call, FAULT_NO_DOMAIN, "Domain '%s' does not exist.", which);
                return;
            }
        }
        m->handle(x, d, call, params);
        return;
    }
    rpc_fault(call, FAULT_NO_METHOD, "method %s does not exist", name);
}
