/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pin.c - see pin.h. */
#include "tools/xend/pin.h"

#include <errno.h>
#include <string.h>
#include "tools/common/cpuset.h"
#include "tools/xend/api.h"

static GPid hypervisor_pid(const Domain *d)
{
    for (unsigned i = 0; i < d->children->len; i++) {
        const Child *c = g_ptr_array_index(d->children, i);

        if (c->kind == CHILD_HYPERVISOR) {
            return c->pid;
        }
    }
    return 0;
}

/* The thread named "vcpu N"; 0: none. */
static pid_t vcpu_thread(const Domain *d, unsigned vcpu)
{
    g_autofree char *dir = g_strdup_printf("/proc/%d/task", (int)hypervisor_pid(d));
    g_autofree char *want = g_strdup_printf("vcpu %u\n", vcpu);
    g_autoptr(GDir) tasks = g_dir_open(dir, 0, NULL);
    const char *name;

    while (tasks && (name = g_dir_read_name(tasks))) {
        g_autofree char *path = g_strdup_printf("%s/%s/comm", dir, name), *comm = NULL;

        if (g_file_get_contents(path, &comm, NULL, NULL) && !strcmp(comm, want)) {
            return g_ascii_strtoull(name, NULL, 10);
        }
    }
    return 0;
}

static bool pin(const Domain *d, unsigned vcpu, const char *cpus, char **error)
{
    pid_t thread = vcpu_thread(d, vcpu);
    cpu_set_t set;

    if (!cpuset_parse(cpus, cpuset_host(), &set, error)) {
        return false;
    }
    if (!thread || sched_setaffinity(thread, sizeof set, &set) != 0) {
        *error = g_strdup_printf("vCPU %u of domain '%s' can't be moved (%s)", vcpu, d->name,
                                 thread ? g_strerror(errno) : "it has no thread");
        return false;
    }
    return true;
}

static const char *wish(const Domain *d, unsigned vcpu)
{
    return d->config->pin[vcpu] ? d->config->pin[vcpu] : "all";
}

void pin_start(Domain *d)
{
    for (unsigned i = 0; i < d->config->vcpus; i++) {
        g_autofree char *error = NULL;

        if (d->config->pin[i] && !pin(d, i, d->config->pin[i], &error)) {
            g_warning("domain %s (%u): %s", d->name, d->id, error);
        }
    }
}

char *pin_text(const Domain *d, unsigned vcpu)
{
    g_autofree char *error = NULL;
    cpu_set_t set;

    return cpuset_parse(wish(d, vcpu), cpuset_host(), &set, &error) ? cpuset_text(&set, cpuset_host())
           : g_strdup("any cpu");
}

/* So that it is the same after a restart. */
static void remember(Domain *d)
{
    Value *list = value_list();

    for (unsigned i = 0; i < d->config->vcpus; i++) {
        value_append(list, value_str(wish(d, i)));
    }
    config_set(d->vars, "cpus", list, (SourcePos){ 0 });
}

void api_vcpu_pin(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    const char *which = api_text(params, 1), *cpus = api_text(params, 2);
    bool all = !strcmp(which, "all");
    g_autofree char *error = NULL;
    guint64 vcpu = 0;

    (void)x;
    if (d->state != DOMAIN_ALIVE) {
        rpc_fault(call, FAULT_ERROR, "Domain '%s' does not run", d->name);
        return;
    }
    if (!all && !g_ascii_string_to_unsigned(which, 10, 0, d->config->vcpus - 1, &vcpu, NULL)) {
        rpc_fault(call, FAULT_ERROR, "Domain '%s' has no vCPU '%s': they are 0 to %u", d->name, which,
                  d->config->vcpus - 1);
        return;
    }
    for (unsigned i = all ? 0 : vcpu; i <= (all ? d->config->vcpus - 1 : vcpu); i++) {
        if (!pin(d, i, cpus, &error)) {
            rpc_fault(call, FAULT_ERROR, "%s", error);
            return;
        }
        g_free(d->config->pin[i]);
        d->config->pin[i] = g_strdup(cpus);
    }
    remember(d);
    rpc_reply(call, value_int(0));
}
