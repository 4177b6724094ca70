/* SPDX-License-Identifier: GPL-2.0-or-later */
/* api_machine.c - xm on a domain's processors, memory, keyboard and insides: numbers of vCPUs, balloon, keys, dumps. */
#include "tools/xend/api.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

void api_vcpu_set(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    int64_t n = api_int(params, 1);

    if (!api_must_live(d, call)) {
        return;
    }
    if (n < 1 || n > d->config->vcpus) {
        rpc_fault(call, FAULT_ERROR, "Invalid VCPU count: domain '%s' has 1 to %u", d->name,
                  d->config->vcpus);
        return;
    }
    for (unsigned i = 0; i < d->config->vcpus; i++) {
        g_autofree char *key = g_strdup_printf("cpu/%u/availability", i);
        g_autofree char *node = layout_path(d, key);

        store_put(x->store, node, i < n ? "online" : "offline");
    }
    control_request(d->dm, CTL_SET_VCPUS, n, 0, NULL, -1, api_forwarded, api_forward_new(d, call, "vcpu-set"));
}

/* Through the guest's balloon driver, as in Xen: nothing happens in a guest without one. */
void api_mem_set(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    g_autofree char *node = layout_path(d, "memory/target");
    int64_t mib = api_int(params, 1);

    if (!api_must_live(d, call)) {
        return;
    }
    if (mib < 1 || mib > d->config->max_memory) {
        rpc_fault(call, FAULT_ERROR, "Memory target %" G_GINT64_FORMAT " MiB is not between 1 and "
                  "maxmem, %u MiB", mib, d->config->max_memory);
        return;
    }
    store_put_int(x->store, node, mib * 1024);
    rpc_reply(call, value_int(0));
}

void api_mem_max(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    int64_t mib = api_int(params, 1);

    (void)x;
    if (mib < d->config->memory || mib > INT32_MAX) {
        rpc_fault(call, FAULT_ERROR, "Memory too small: domain '%s' has %u MiB", d->name,
                  d->config->memory);
        return;
    }
    d->config->max_memory = mib;
    rpc_reply(call, value_int(0));
}

void api_sysrq(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    g_autofree char *node = layout_path(d, "control/sysrq");
    const char *key = api_text(params, 1);

    if (!api_must_live(d, call)) {
        return;
    }
    if (strlen(key) != 1 || !g_ascii_isgraph(*key)) {
        rpc_fault(call, FAULT_ERROR, "Invalid sysrq: %s", key);
        return;
    }
    store_put(x->store, node, key);
    rpc_reply(call, value_int(0));
}

void api_send_key(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    (void)x;
    if (api_must_live(d, call)) {
        control_request(d->dm, CTL_SEND_KEY, api_int(params, 1), api_int(params, 2), NULL, -1,
                        api_forwarded, api_forward_new(d, call, "send-key"));
    }
}

/* With a file to write: screenshot, dump-core, dump-state. */
static void into_file(Domain *d, RpcCall *call, Control *to, uint32_t type, const char *path,
                      const char *what)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0600);

    if (fd < 0) {
        rpc_fault(call, FAULT_ERROR, "%s can't be written (%s)", path, g_strerror(errno));
        return;
    }
    control_request(to, type, 0, 0, NULL, fd, api_forwarded, api_forward_new(d, call, what));
    close(fd);
}

void api_screenshot(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    (void)x;
    if (api_must_live(d, call)) {
        into_file(d, call, d->dm, CTL_SCREENSHOT, api_text(params, 1), "screenshot");
    }
}

void api_dump_core(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    (void)x;
    into_file(d, call, d->hv, CTL_DUMP_CORE, api_text(params, 1), "dump-core");
}

void api_dump_state(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    (void)x;
    if (api_must_live(d, call)) {
        into_file(d, call, d->dm, CTL_DUMP_STATE, api_text(params, 1), "dump-state");
    }
}

static void counted(void *opaque, int error, const CtlMsg *msg, const char *body)
{
    RpcCall *call = opaque;

    (void)msg;
    if (error) {
        rpc_fault(call, FAULT_ERROR, "counters: %s",
                  error == ECONNRESET ? "the domain ended" : *body ? body : g_strerror(error));
    } else {
        rpc_reply(call, value_str(body));
    }
}

void api_counters(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    (void)x;
    (void)params;
    if (api_must_live(d, call)) {
        control_request(d->hv, CTL_COUNTERS, 0, 0, NULL, -1, counted, call);
    }
}
