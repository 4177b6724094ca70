/* SPDX-License-Identifier: GPL-2.0-or-later */
/* api_host.c - xm on this host and on xend itself: info, dmesg, log, status, stop. */
#include "tools/xend/api.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "config.h"

void api_host_facts(Xend *x, Domain *unused, RpcCall *call, const Value *params)
{
    Value *v = value_new(VALUE_DICT), *names = value_list(), *uuids = value_list();

    (void)unused, (void)params;
    value_append(names, value_str("Domain-0"));
    for (unsigned i = 0; i < x->domains->len; i++) {
        Domain *d = g_ptr_array_index(x->domains, i);

        value_append(names, value_str(d->name));
        value_append(uuids, value_str(d->uuid));
    }
    value_set(v, "names", names);
    value_set(v, "uuids", uuids);
    value_set_int(v, "free_memory", host_free_memory(x));
    rpc_reply(call, v);
}

static char *cpuinfo_field(const char *text, const char *name)
{
    const char *p = strstr(text, name), *end;

    p = p ? strchr(p, ':') : NULL;
    end = p ? strchr(p, '\n') : NULL;
    return end ? g_strstrip(g_strndup(p + 1, end - p - 1)) : g_strdup("");
}

void api_info(Xend *x, Domain *unused, RpcCall *call, const Value *params)
{
    g_autofree char *cpu = NULL, *mem = NULL, *mhz = NULL, *flags = NULL, *virt = NULL;
    Value *v = value_new(VALUE_DICT);
    struct utsname u;
    unsigned cpus = g_get_num_processors();
    uint64_t total = 0;
    const char *p;

    (void)unused, (void)params;
    uname(&u);
    g_file_get_contents("/proc/cpuinfo", &cpu, NULL, NULL);
    g_file_get_contents("/proc/meminfo", &mem, NULL, NULL);
    if (mem && (p = strstr(mem, "MemTotal:"))) {
        total = g_ascii_strtoull(p + 9, NULL, 10) / 1024;
    }
    mhz = cpuinfo_field(cpu ? cpu : "", "cpu MHz");
    flags = cpuinfo_field(cpu ? cpu : "", "flags");
    virt = g_strdup(strstr(flags, "vmx") || strstr(flags, "svm") ? "hvm" : "");
    value_set_str(v, "host", u.nodename);
    value_set_str(v, "release", u.release);
    value_set_str(v, "version", u.version);
    value_set_str(v, "machine", u.machine);
    value_set_int(v, "nr_cpus", cpus);
    value_set_int(v, "nr_nodes", 1);
    value_set_int(v, "cores_per_socket", cpus);
    value_set_int(v, "threads_per_core", 1);
    value_set_int(v, "cpu_mhz", atoi(mhz));
    value_set_str(v, "hw_caps", "");
    value_set_str(v, "virt_caps", virt);
    value_set_int(v, "total_memory", total);
    value_set_int(v, "free_memory", host_free_memory(x));
    value_set_int(v, "free_cpus", 0);
    value_set_int(v, "xen_major", 4);
    value_set_int(v, "xen_minor", 1);
    value_set_str(v, "xen_extra", ".0-guesthouse-" GUESTHOUSE_VERSION);
    value_set_str(v, "xen_caps", "hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 ");
    value_set_str(v, "xen_scheduler", "host");
    value_set_int(v, "xen_pagesize", 4096);
    value_set_str(v, "platform_params", "");
    value_set_str(v, "xen_changeset", "unavailable");
    value_set_str(v, "xen_commandline", "");
    value_set_str(v, "cc_compiler", "gcc " __VERSION__);
    value_set_str(v, "cc_compile_by", "");
    value_set_str(v, "cc_compile_domain", "");
    value_set_str(v, "cc_compile_date", "");
    value_set_int(v, "xend_config_format", 4);
    rpc_reply(call, v);
}

void api_dmesg(Xend *x, Domain *unused, RpcCall *call, const Value *params)
{
    Value *text = value_str(x->dmesg->str);

    (void)unused;
    if (api_int(params, 0)) {
        g_string_truncate(x->dmesg, 0);
    }
    rpc_reply(call, text);
}

void api_log(Xend *x, Domain *unused, RpcCall *call, const Value *params)
{
    (void)unused, (void)params;
    rpc_reply(call, value_str(x->paths->xend_log));
}

/* A little later: the answer must get out first. */
static gboolean quit_idle(gpointer opaque)
{
    Xend *x = opaque;

    if (x->domains->len == 0) {
        g_main_loop_quit(x->loop);
    }
    return G_SOURCE_REMOVE;
}

void api_stop(Xend *x, Domain *unused, RpcCall *call, const Value *params)
{
    (void)unused, (void)params;
    x->stopping = true;
    g_info("stop requested");
    rpc_reply(call, value_int(getpid()));
    for (unsigned i = x->domains->len; i-- > 0;) {
        Domain *d = g_ptr_array_index(x->domains, i);

        d->restart_after = false;
        domain_teardown(d);
    }
    g_timeout_add(100, quit_idle, x);
}

void api_status(Xend *x, Domain *unused, RpcCall *call, const Value *params)
{
    Value *v = value_new(VALUE_DICT);

    (void)unused, (void)params;
    value_set_int(v, "pid", getpid());
    value_set_int(v, "domains", x->domains->len);
    value_set_int(v, "start_time", x->started);
    value_set_str(v, "version", GUESTHOUSE_VERSION);
    rpc_reply(call, v);
}
