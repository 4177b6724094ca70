/* SPDX-License-Identifier: GPL-2.0-or-later */
/* api_life.c - the lives of domains as xm changes them: created, paused, unpaused, shut down, destroyed, renamed. */
#include "tools/xend/api.h"

#include <string.h>

void api_create(Xend *x, Domain *unused, RpcCall *call, const Value *params)
{
    (void)unused;
    if (value_item(params, 0)->kind != VALUE_DICT) {
        rpc_fault(call, FAULT_INTERNAL, "a config is a struct");
    } else if (x->stopping) {
        rpc_fault(call, FAULT_ERROR, "xend is stopping");
    } else {
        domain_create(x, config_from_value(value_item(params, 0)), call);
    }
}

static void set_unpaused(Domain *d, const ApiForward *f)
{
    (void)f;
    d->paused = false;
}

static void set_paused(Domain *d, const ApiForward *f)
{
    (void)f;
    d->paused = true;
}

void api_unpause(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    ApiForward *f;

    (void)x, (void)params;
    if (api_must_live(d, call)) {
        f = api_forward_new(d, call, "unpause");
        f->done = set_unpaused;
        control_request(d->dm, CTL_RETRY_DISKS, 0, 0, NULL, -1, NULL, NULL);
        control_request(d->hv, CTL_UNPAUSE, 0, 0, NULL, -1, api_forwarded, f);
    }
}

void api_pause(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    ApiForward *f;

    (void)x, (void)params;
    if (api_must_live(d, call)) {
        f = api_forward_new(d, call, "pause");
        f->done = set_paused;
        control_request(d->hv, CTL_PAUSE, 0, 0, NULL, -1, api_forwarded, f);
    }
}

void api_destroy(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    (void)x, (void)params;
    g_info("domain %s (%u): destroy requested", d->name, d->id);
    d->restart_after = false;
    if (d->creating && !d->failure) {
        d->failure = g_strdup("destroyed while it was being created");
    }
    g_ptr_array_add(d->waiting, call);
    domain_teardown(d);
}

void api_shutdown(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    const char *how = api_text(params, 1);

    (void)x;
    if (strcmp(how, "poweroff") && strcmp(how, "reboot") && strcmp(how, "halt")) {
        rpc_fault(call, FAULT_ERROR, "Invalid reason: %s", how);
    } else if (api_must_live(d, call)) {
        domain_ask_shutdown(d, how);
        rpc_reply(call, value_int(0));
    }
}

void api_trigger(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    static const char *const names[] = { "nmi", "reset", "init", "power", "sleep", "s3resume" };
    const char *what = api_text(params, 1);

    (void)x;
    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        if (!strcmp(names[i], what)) {
            if (api_must_live(d, call)) {
                d->reboot_requested |= i == CTL_TRIGGER_RESET;
                control_request(d->hv, CTL_TRIGGER, i, api_int(params, 2), NULL, -1, api_forwarded,
                                api_forward_new(d, call, "trigger"));
            }
            return;
        }
    }
    rpc_fault(call, FAULT_ERROR, "Invalid trigger: %s", what);
}

void api_rename(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    const char *name = api_text(params, 1);

    if (!*name || strchr(name, '/') || !name[strspn(name, "0123456789")]) {
        rpc_fault(call, FAULT_ERROR, "Invalid name: '%s'", name);
    } else if (domain_find(x, name)) {
        rpc_fault(call, FAULT_ERROR, "Domain '%s' already exists with ID '%u'", name,
                  domain_find(x, name)->id);
    } else {
        domain_rename(d, name);
        rpc_reply(call, value_int(0));
    }
}
