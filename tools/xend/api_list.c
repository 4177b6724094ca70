/* SPDX-License-Identifier: GPL-2.0-or-later */
/* api_list.c - xm list: each domain with what its hypervisor says of it now. */
#include "tools/xend/api.h"

#include <string.h>
#include <time.h>
#include "tools/xend/pin.h"

#define INFO_TIMEOUT_MS 1500

static void state_letters(const Domain *d, char out[7])
{
    bool running = false;

    strcpy(out, "------");
    for (unsigned i = 0; i < MIN(d->info.vcpus, 128); i++) {
        running |= d->info.vcpu[i].state == 0;
    }
    if (d->state == DOMAIN_DYING) {
        out[5] = 'd';
    } else if (d->state == DOMAIN_PRESERVED) {
        out[d->crashed ? 4 : 3] = d->crashed ? 'c' : 's';
    } else if (d->paused || d->state == DOMAIN_BUILDING) {
        out[2] = 'p';
    } else if (running) {
        out[0] = 'r';
    } else {
        out[1] = 'b';
    }
}

static Value *domain_entry(const Domain *d, bool want_sxp)
{
    Value *v = value_new(VALUE_DICT), *vcpus = value_list(), *serials = value_list();
    char state[7];

    state_letters(d, state);
    value_set_int(v, "domid", d->id);
    value_set_str(v, "name", d->name);
    value_set_str(v, "uuid", d->uuid);
    value_set_int(v, "mem", d->config->memory);
    value_set_int(v, "vcpus", d->config->vcpus);
    value_set_str(v, "state", state);
    value_set(v, "cpu_time", value_float(d->info.cpu_ns / 1e9));
    value_set_int(v, "start_time", d->started);
    value_set_str(v, "engine", d->engine ? d->engine : "");
    value_set_str(v, "serial", d->serial[0] ? line_tty(d->serial[0]) : "");
    for (unsigned i = 0; i < MAX_SERIAL_PORTS; i++) {
        value_append(serials, value_str(d->serial[i] ? line_tty(d->serial[i]) : ""));
    }
    value_set(v, "serials", serials);
    value_set_str(v, "console", d->console.name ? d->console.name : "");
    value_set_str(v, "monitor", monitor_tty(d->monitor));
    value_set_str(v, "vnc_listen", d->config->vnc_listen);
    value_set_int(v, "vnc_port", d->vnc_port);
    for (unsigned i = 0; i < d->config->vcpus; i++) {
        const CtlVcpu *c = &d->info.vcpu[i];
        Value *e = value_new(VALUE_DICT);
        bool known = i < d->info.vcpus;

        value_set_int(e, "state", d->paused && c->state != 3 ? 2 : c->state);
        g_autofree char *affinity = pin_text(d, i);

        value_set_int(e, "cpu", known ? c->cpu : -1);
        value_set_str(e, "affinity", affinity);
        value_set(e, "cpu_time", value_float(known ? c->cpu_ns / 1e9 : 0));
        value_append(vcpus, e);
    }
    value_set(v, "vcpu", vcpus);
    if (want_sxp) {
        value_set(v, "sxp", domain_to_sxp(d));
    }
    return v;
}

static Value *host_entry(Xend *x)
{
    Value *v = value_new(VALUE_DICT), *vcpus = value_list();
    g_autofree char *stat = NULL, *mem = NULL;
    uint64_t total = 0, used = 0, user = 0, nice = 0, system = 0;
    struct timespec up;
    const char *p;

    if (g_file_get_contents("/proc/stat", &stat, NULL, NULL)) {
        char *end;

        user = g_ascii_strtoull(stat + 4, &end, 10);
        nice = g_ascii_strtoull(end, &end, 10);
        system = g_ascii_strtoull(end, &end, 10);
    }
    if (g_file_get_contents("/proc/meminfo", &mem, NULL, NULL) && (p = strstr(mem, "MemTotal:"))) {
        total = g_ascii_strtoull(p + 9, NULL, 10) / 1024;
    }
    for (unsigned i = 0; i < x->domains->len; i++) {
        used += ((Domain *)g_ptr_array_index(x->domains, i))->config->memory;
    }
    value_set_int(v, "domid", 0);
    value_set_str(v, "name", "Domain-0");
    value_set_str(v, "uuid", x->self_uuid);
    value_set_int(v, "mem", total > used ? total - used : 0);
    value_set_int(v, "vcpus", g_get_num_processors());
    value_set_str(v, "state", "r-----");
    value_set(v, "cpu_time", value_float((double)(user + nice + system) / sysconf(_SC_CLK_TCK)));
    clock_gettime(CLOCK_BOOTTIME, &up);         /* as xm reads /proc/uptime for it */
    value_set_int(v, "start_time", g_get_real_time() / G_USEC_PER_SEC - up.tv_sec);
    for (unsigned i = 0; i < g_get_num_processors(); i++) {
        Value *e = value_new(VALUE_DICT);

        value_set_int(e, "state", 0);
        value_set_int(e, "cpu", i);
        value_set(e, "cpu_time", value_float(0));
        value_append(vcpus, e);
    }
    value_set(v, "vcpu", vcpus);
    return v;
}

/* A list waits for all hypervisors' figures, but not long for one that does not answer. */
typedef struct Listing {
    int ref;
    Xend *xend;
    RpcCall *call;
    bool want_sxp;
    char *only;                 /* a name; NULL: all */
    unsigned awaited;
    guint timer;
} Listing;

typedef struct InfoRequest {
    Listing *listing;
    unsigned domid;
} InfoRequest;

static void listing_unref(Listing *l)
{
    if (--l->ref == 0) {
        g_free(l->only);
        g_free(l);
    }
}

static void listing_finish(Listing *l)
{
    Value *list = value_list();

    if (!l->call) {
        return;
    }
    if (l->timer) {
        g_source_remove(l->timer);
        l->timer = 0;
        listing_unref(l);
    }
    if (!l->only || !strcmp(l->only, "Domain-0") || !strcmp(l->only, "0")) {
        value_append(list, host_entry(l->xend));
    }
    for (unsigned i = 0; i < l->xend->domains->len; i++) {
        Domain *d = g_ptr_array_index(l->xend->domains, i);

        if (!l->only || d == domain_find(l->xend, l->only)) {
            value_append(list, domain_entry(d, l->want_sxp));
        }
    }
    if (l->only && value_len(list) == 0) {
        rpc_fault(l->call, FAULT_NO_DOMAIN, "Domain '%s' does not exist.", l->only);
        value_unref(list);
    } else {
        rpc_reply(l->call, list);
    }
    l->call = NULL;
}

static gboolean listing_timed_out(gpointer opaque)
{
    Listing *l = opaque;

    l->timer = 0;
    listing_finish(l);
    listing_unref(l);
    return G_SOURCE_REMOVE;
}

static void info_arrived(void *opaque, int error, const CtlMsg *msg, const char *body)
{
    InfoRequest *r = opaque;
    Domain *d = domain_by_id(r->listing->xend, r->domid);

    if (!error && d && msg->len >= offsetof(CtlInfo, vcpu)) {
        memset(&d->info, 0, sizeof d->info);
        memcpy(&d->info, body, MIN(msg->len, sizeof d->info));
        if (d->state == DOMAIN_ALIVE) {
            d->paused = d->info.flags & 1;
        }
    }
    if (--r->listing->awaited == 0) {
        listing_finish(r->listing);
    }
    listing_unref(r->listing);
    g_free(r);
}

void api_domains(Xend *x, Domain *unused, RpcCall *call, const Value *params)
{
    Listing *l = g_new0(Listing, 1);
    const char *only = api_text(params, 0);

    (void)unused;
    *l = (Listing){ .ref = 1, .xend = x, .call = call, .want_sxp = api_int(params, 1),
                    .only = *only ? g_strdup(only) : NULL, .awaited = 1 };
    for (unsigned i = 0; i < x->domains->len; i++) {
        Domain *d = g_ptr_array_index(x->domains, i);
        InfoRequest *r;

        if (d->state == DOMAIN_ALIVE && d->hv) {
            r = g_new0(InfoRequest, 1);
            *r = (InfoRequest){ l, d->id };
            l->ref++;
            l->awaited++;
            control_request(d->hv, CTL_INFO, 0, 0, NULL, -1, info_arrived, r);
        }
    }
    if (--l->awaited == 0) {
        listing_finish(l);
    } else {
        l->ref++;
        l->timer = g_timeout_add(INFO_TIMEOUT_MS, listing_timed_out, l);
    }
    listing_unref(l);
}
