/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * domain.c - the life of a domain: creation, readiness, shutdown and its actions (on_poweroff,
 * on_reboot, on_crash), the death of its processes, the end.  A domain is gone only when all its
 * processes are, so that its locks are free by then.
 */
#include "tools/xend/domain.h"
#include "tools/xend/media.h"
#include "tools/xend/pin.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tools/xend/host_net.h"
#include "tools/xend/spawn.h"

#define START_TIMEOUT 60        /* seconds until both processes must be ready */
#define MIN_RUN_SECONDS 60      /* a domain that restarts sooner is not restarted */
#define HELPER_RESTARTS 5       /* of dm-ui and dm-net, each within ... */
#define HELPER_DELAY_MS 300     /* its end may be the first sign of qemu-dm's */
#define HELPER_WINDOW 30        /* ... so many seconds of its start */
#define ACKNOWLEDGE_SECONDS 5   /* for a guest to take control/shutdown */
#define HVM_PARAM_CALLBACK_IRQ 0

static void domain_free(Domain *d);

static const char *const child_names[] = { "hypervisor", "qemu-dm", "dm-ui", "dm-sdl", "dm-sound", "dm-net",
                                          "dm-usb" };

/* --- lists and lines ------------------------------------------------------------------------- */

Domain *domain_by_id(Xend *x, unsigned id)
{
    for (unsigned i = 0; i < x->domains->len; i++) {
        Domain *d = g_ptr_array_index(x->domains, i);

        if (d->id == id) {
            return d;
        }
    }
    return NULL;
}

Domain *domain_find(Xend *x, const char *name)
{
    Domain *found = NULL;

    for (unsigned i = 0; i < x->domains->len; i++) {
        Domain *d = g_ptr_array_index(x->domains, i);

        /* A restarting domain's successor has the same name: the living one counts. */
        if (!strcmp(d->name, name) && (!found || found->state == DOMAIN_DYING)) {
            found = d;
        }
    }
    if (!found && *name && !name[strspn(name, "0123456789")]) {
        found = domain_by_id(x, strtoul(name, NULL, 10));
    }
    return found;
}

void domain_note(Domain *d, const char *format, ...)
{
    va_list ap;
    char *text;

    va_start(ap, format);
    text = g_strdup_vprintf(format, ap);
    va_end(ap);
    g_info("domain %s (%u): %s", d->name, d->id, text);
    g_ptr_array_add(d->notes, text);
}

void xend_dmesg(Xend *x, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    g_string_append(x->dmesg, "(XEN) ");
    g_string_append_vprintf(x->dmesg, format, ap);
    g_string_append_c(x->dmesg, '\n');
    va_end(ap);
    if (x->dmesg->len > 16384) {
        g_string_erase(x->dmesg, 0, x->dmesg->len - 16384);
    }
}

unsigned host_free_memory(Xend *x)
{
    g_autofree char *text = NULL;
    uint64_t available = 0, total = 0, used = 0;
    const char *p;

    if (!g_file_get_contents("/proc/meminfo", &text, NULL, NULL)) {
        return 0;
    }
    if ((p = strstr(text, "MemAvailable:"))) {
        available = g_ascii_strtoull(p + 13, NULL, 10) / 1024;
    }
    if ((p = strstr(text, "MemTotal:"))) {
        total = g_ascii_strtoull(p + 9, NULL, 10) / 1024;
    }
    /* Guests touch their memory by and by: what is promised counts as used. */
    for (unsigned i = 0; i < x->domains->len; i++) {
        Domain *d = g_ptr_array_index(x->domains, i);

        used += d->config->memory;
    }
    return MAX(1, MIN(available, total > used ? total - used : 1));
}

HostFacts *host_facts_new(Xend *x, const Domain *except)
{
    HostFacts *f = g_new0(HostFacts, 1);

    f->names = g_hash_table_new(g_str_hash, g_str_equal);
    f->uuids = g_hash_table_new(g_str_hash, g_str_equal);
    f->check_host = true;
    f->free_memory = host_free_memory(x);
    f->vnc_listen = x->config->vnc_listen;
    f->vnc_password = x->config->vnc_password;
    f->keymap = x->config->keymap;
    g_hash_table_add(f->names, (gpointer)"Domain-0");
    for (unsigned i = 0; i < x->domains->len; i++) {
        Domain *d = g_ptr_array_index(x->domains, i);

        if (d != except) {
            g_hash_table_add(f->names, d->name);
            g_hash_table_add(f->uuids, d->uuid);
        }
    }
    return f;
}

void host_facts_free(HostFacts *f)
{
    g_hash_table_destroy(f->names);
    g_hash_table_destroy(f->uuids);
    g_free(f);
}

/* --- creation -------------------------------------------------------------------------------- */

/* A restart must give the guest the same identity: fix what was chosen at random. */
static void settle(Domain *d)
{
    Value *list = value_list();

    for (unsigned i = 0; i < d->config->vifs; i++) {
        VifConfig *v = &d->config->vif[i];
        ConfigVar *var = config_find(d->vars, "vif");
        const char *spec = value_item(var->value, i)->s;

        value_append(list, value_take_str(!v->random_mac ? g_strdup(spec) : *spec
                     ? g_strdup_printf("%s,mac=%s", spec, v->mac_text)
                     : g_strdup_printf("mac=%s", v->mac_text)));
    }
    config_set(d->vars, "vif", list, (SourcePos){ 0 });
    config_set(d->vars, "uuid", value_str(d->uuid), (SourcePos){ 0 });
    config_set(d->vars, "name", value_str(d->name), (SourcePos){ 0 });
}

static gboolean start_timed_out(gpointer opaque)
{
    Domain *d = opaque;

    d->timer = 0;
    domain_fail(d, "%s did not get ready within %d seconds; see the logs in %s",
                d->hv_ready ? "qemu-dm" : "the hypervisor", START_TIMEOUT, d->xend->paths->log);
    return G_SOURCE_REMOVE;
}

static void child_free(gpointer opaque)
{
    Child *c = opaque;

    if (c->delay) {
        g_source_remove(c->delay);
    }
    g_free(c->how);
    g_free(c);
}

/* Somebody else's taps may have the names that a number would give ours. */
static unsigned next_domid(Xend *x, const DomainConfig *config)
{
    for (;;) {
        unsigned id = x->next_domid++, taken = 0;

        for (unsigned i = 0; i < config->vifs; i++) {
            g_autofree char *name = g_strdup_printf("vif%u.%u", id, i);

            taken += link_exists(name);
        }
        if (!taken) {
            return id;
        }
    }
}

static Domain *domain_new(Xend *x, Config *vars, DomainConfig *config)
{
    Domain *d = g_new0(Domain, 1);

    d->xend = x;
    d->id = next_domid(x, config);
    d->name = g_strdup(config->name);
    d->uuid = g_strdup(config->uuid);
    d->vars = vars;
    d->config = config;
    d->paused = true;
    d->children = g_ptr_array_new_with_free_func(child_free);
    d->notes = g_ptr_array_new_with_free_func(g_free);
    d->waiting = g_ptr_array_new();
    d->listen_fd = d->hv_log = d->dm_log = -1;
    d->console = (Pty){ -1, -1, NULL };
    for (unsigned i = 0; i < MAX_VIFS; i++) {
        d->frames[i] = -1;
        vif_init(&d->vif[i], d, i);
    }
    d->started = g_get_real_time() / G_USEC_PER_SEC;
    d->started_mono = g_get_monotonic_time();
    g_ptr_array_add(x->domains, d);
    return d;
}

void domain_create(Xend *x, Config *vars, RpcCall *call)
{
    g_autoptr(Messages) messages = messages_new();
    HostFacts *facts = host_facts_new(x, NULL);
    DomainConfig *config = domain_config_check(vars, facts, messages);
    g_autoptr(GString) all = g_string_new(NULL);
    g_autofree char *error = NULL;
    Domain *d;

    host_facts_free(facts);
    for (unsigned i = 0; i < messages->list->len; i++) {
        Message *m = g_ptr_array_index(messages->list, i);

        if (m->severity == MESSAGE_ERROR) {
            g_string_append_printf(all, "%s%s", all->len ? "\n" : "", m->text);
        }
    }
    if (messages->errors) {
        g_warning("domain %s is not started: %s", config->name, all->str);
        if (call) {
            rpc_fault(call, FAULT_ERROR, "%s", all->str);
        }
        domain_config_free(config);
        config_free(vars);
        return;
    }
    d = domain_new(x, vars, config);
    d->creating = call;
    settle(d);
    layout_domain(d);
    g_info("domain %s (%u): starting, %u MiB, %u processors", d->name, d->id, config->memory,
           config->vcpus);
    if (!domain_build(d, &error)) {
        domain_fail(d, "%s", error);
        return;
    }
    layout_pids(d);
    d->timer = g_timeout_add_seconds(START_TIMEOUT, start_timed_out, d);
}

static Value *creation_result(const Domain *d)
{
    Value *v = value_new(VALUE_DICT), *notes = value_list();

    value_set_int(v, "domid", d->id);
    value_set_str(v, "name", d->name);
    value_set_str(v, "engine", d->engine ? d->engine : "");
    value_set_str(v, "serial", d->serial[0] ? line_tty(d->serial[0]) : "");
    value_set_str(v, "console", d->console.name ? d->console.name : "");
    value_set_str(v, "vnc_listen", d->config->vnc_listen);
    value_set_int(v, "vnc_port", d->vnc_port);
    for (unsigned i = 0; i < d->notes->len; i++) {
        value_append(notes, value_str(g_ptr_array_index(d->notes, i)));
    }
    value_set(v, "notes", notes);
    return v;
}

static bool vifs_busy(const Domain *d)
{
    for (unsigned i = 0; i < MAX_VIFS; i++) {
        if (vif_busy(&d->vif[i])) {
            return true;
        }
    }
    return false;
}

void domain_check_ready(Domain *d)
{
    if (d->state != DOMAIN_BUILDING || !d->hv_ready || !d->dm_ready || vifs_busy(d) ||
        media_busy(d)) {
        return;
    }
    if (d->timer) {
        g_source_remove(d->timer);
        d->timer = 0;
    }
    d->state = DOMAIN_ALIVE;
    g_info("domain %s (%u): ready", d->name, d->id);
    store_special(d->xend->store, "@introduceDomain");
    if (d->creating) {
        rpc_reply(g_steal_pointer(&d->creating), creation_result(d));
    } else {
        domain_unpause(d);      /* a restart */
    }
}

void domain_fail(Domain *d, const char *format, ...)
{
    va_list ap;

    if (!d->failure) {
        va_start(ap, format);
        d->failure = g_strdup_vprintf(format, ap);
        va_end(ap);
        g_warning("domain %s (%u): %s", d->name, d->id, d->failure);
    }
    domain_teardown(d);
}

static void unpaused(void *opaque, int error, const CtlMsg *msg, const char *body)
{
    Domain *d = opaque;

    (void)msg;
    if (error && d->state == DOMAIN_ALIVE) {
        g_warning("domain %s (%u): unpause: %s", d->name, d->id, *body ? body : g_strerror(error));
    }
}

void domain_unpause(Domain *d)
{
    d->paused = false;
    control_request(d->dm, CTL_RETRY_DISKS, 0, 0, NULL, -1, NULL, NULL);
    control_request(d->hv, CTL_UNPAUSE, 0, 0, NULL, -1, unpaused, d);
}

/* --- the end --------------------------------------------------------------------------------- */

static unsigned living(const Domain *d)
{
    unsigned n = 0;

    for (unsigned i = 0; i < d->children->len; i++) {
        n += ((Child *)g_ptr_array_index(d->children, i))->pid != 0;
    }
    return n;
}

static void signal_children(Domain *d, int signal_number, bool all)
{
    for (unsigned i = 0; i < d->children->len; i++) {
        Child *c = g_ptr_array_index(d->children, i);

        if (c->pid && (all || c->kind > CHILD_DM)) {
            kill(c->pid, signal_number);
        }
    }
}

/* First they are asked, after a second told, after five killed. */
static gboolean press_on(gpointer opaque)
{
    Domain *d = opaque;

    d->kill_stage++;
    if (d->kill_stage == 2) {
        signal_children(d, SIGTERM, true);
    } else if (d->kill_stage == 10) {
        g_warning("domain %s (%u): a process does not end; killing it", d->name, d->id);
        signal_children(d, SIGKILL, true);
    }
    return G_SOURCE_CONTINUE;
}

static void take_vifs_down(Domain *d)
{
    d->vifs_down = true;
    for (unsigned i = 0; i < MAX_VIFS; i++) {
        vif_offline(&d->vif[i]);
    }
}

static void finish_death(Domain *d)
{
    Xend *x = d->xend;
    Config *again = NULL;

    if (!d->vifs_down) {
        take_vifs_down(d);
    }
    if (vifs_busy(d)) {
        return;                 /* domain_vif_changed() comes back here */
    }
    g_info("domain %s (%u): gone", d->name, d->id);
    if (d->creating) {
        rpc_fault(g_steal_pointer(&d->creating), FAULT_ERROR, "%s",
                  d->failure ? d->failure : "the domain was ended before it was ready");
    }
    if (d->restart_after) {
        again = g_steal_pointer(&d->vars);
        if (d->rtc_delta) {
            config_set(again, "rtc_timeoffset", value_int(d->config->rtc_offset + d->rtc_delta),
                       (SourcePos){ 0 });
        }
    }
    layout_remove(d);
    g_ptr_array_remove(x->domains, d);
    for (unsigned i = 0; i < d->waiting->len; i++) {
        rpc_reply(g_ptr_array_index(d->waiting, i), value_int(0));
    }
    g_ptr_array_set_size(d->waiting, 0);
    store_special(x->store, "@releaseDomain");
    domain_free(d);
    if (again && !x->stopping) {
        domain_create(x, again, NULL);
    } else if (again) {
        config_free(again);
    }
    if (x->stopping && x->domains->len == 0) {
        g_main_loop_quit(x->loop);
    }
}

void domain_vif_changed(Domain *d, unsigned vif, const char *failure)
{
    if (d->state == DOMAIN_BUILDING && failure) {
        domain_fail(d, "vif %u: %s", vif, failure);
    } else if (failure) {
        g_warning("domain %s (%u): vif %u: %s", d->name, d->id, vif, failure);
    }
    if (d->state == DOMAIN_BUILDING) {
        domain_check_ready(d);
    } else if (d->state == DOMAIN_DYING && d->vifs_down && !living(d)) {
        finish_death(d);
    }
}

static gboolean died(gpointer opaque)
{
    Domain *d = opaque;

    d->timer = 0;
    finish_death(d);
    return G_SOURCE_REMOVE;
}

void domain_teardown(Domain *d)
{
    if (d->state == DOMAIN_DYING) {
        return;
    }
    d->state = DOMAIN_DYING;
    if (d->timer) {
        g_source_remove(d->timer);
        d->timer = 0;
    }
    control_request(d->hv, CTL_DESTROY, 0, 0, NULL, -1, NULL, NULL);
    store_server_remove(d->xend->store_server, d->id);
    signal_children(d, SIGTERM, false);
    for (unsigned i = 0; i < MAX_VIFS; i++) {
        vif_hang_up(&d->vif[i]);
    }
    d->kill_stage = 0;
    d->kill_timer = g_timeout_add(500, press_on, d);
    if (!living(d)) {
        d->timer = g_idle_add(died, d);
    }
}

static void domain_free(Domain *d)
{
    media_stop(d);
    control_free(d->hv);
    control_free(d->dm);
    store_server_remove(d->xend->store_server, d->id);
    store_forget_domain(d->xend->store, d->id);
    domain_close(d);
    if (d->kill_timer) {
        g_source_remove(d->kill_timer);
    }
    if (d->timer) {
        g_source_remove(d->timer);
    }
    g_ptr_array_free(d->children, TRUE);
    g_ptr_array_free(d->notes, TRUE);
    g_ptr_array_free(d->waiting, TRUE);
    config_free(d->vars);
    domain_config_free(d->config);
    g_free(d->name);
    g_free(d->uuid);
    g_free(d->engine);
    g_free(d->failure);
    g_free(d);
}

/* --- shutdown and its actions ---------------------------------------------------------------- */

static bool may_restart(Domain *d)
{
    double ran = (g_get_monotonic_time() - d->started_mono) / 1e6;

    if (d->reboot_requested || ran >= MIN_RUN_SECONDS) {
        return true;
    }
    g_warning("VM %s restarting too fast (Elapsed time: %.1f seconds). Refusing to restart to "
              "avoid loops.", d->name, ran);
    return false;
}

void domain_rename(Domain *d, const char *name)
{
    g_autofree char *path = layout_path(d, "name");
    g_autofree char *vm = g_strdup_printf("/vm/%s/name", d->uuid);

    g_free(d->name);
    d->name = g_strdup(name);
    config_set(d->vars, "name", value_str(name), (SourcePos){ 0 });
    store_put(d->xend->store, path, name);
    store_put(d->xend->store, vm, name);
}

static void preserve(Domain *d)
{
    d->state = DOMAIN_PRESERVED;
    signal_children(d, SIGTERM, false);
}

/* Waits: it only has to finish its requests. */
static void end_now(GPid pid)
{
    kill(pid, SIGTERM);
    for (unsigned i = 0; i < 100; i++) {
        if (waitpid(pid, NULL, WNOHANG) != 0) {
            return;
        }
        g_usleep(20000);
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* The old one stays to be looked at under another name and uuid; its device model must go, for the
 * new one needs the images. */
static void rename_restart(Domain *d)
{
    g_autofree char *old_name = g_strdup(d->name), *uuid = g_strdup(d->uuid);
    g_autofree char *new_uuid = g_uuid_string_random();
    g_autofree char *new_name = g_strdup_printf("Domain-%s", new_uuid);
    g_autoptr(Value) vars = config_to_value(d->vars);
    Config *again;

    if (!may_restart(d)) {
        domain_teardown(d);
        return;
    }
    domain_rename(d, new_name);
    g_free(d->uuid);
    d->uuid = g_strdup(new_uuid);
    preserve(d);
    again = config_from_value(vars);
    config_set(again, "name", value_str(old_name), (SourcePos){ 0 });
    config_set(again, "uuid", value_str(uuid), (SourcePos){ 0 });
    for (unsigned i = 0; i < d->children->len; i++) {
        Child *c = g_ptr_array_index(d->children, i);

        if (c->kind == CHILD_DM && c->pid) {
            g_source_remove(c->watch);
            end_now(c->pid);
            c->pid = 0;
            c->watch = 0;
        }
    }
    take_vifs_down(d);          /* the new one may want the same names */
    domain_create(d->xend, again, NULL);
}

static void act(Domain *d, Action action)
{
    bool can_keep = living(d) && d->hv != NULL;

    switch (action) {
    case ACTION_PRESERVE:
        if (can_keep) {
            preserve(d);
            return;
        }
        break;
    case ACTION_RENAME_RESTART:
        if (can_keep) {
            rename_restart(d);
            return;
        }
        d->restart_after = may_restart(d);
        break;
    case ACTION_RESTART:
    case ACTION_COREDUMP_RESTART:
        d->restart_after = may_restart(d);
        break;
    default:
        break;
    }
    domain_teardown(d);
}

typedef struct CoreDump {
    Domain *domain;
    Action action;
    char *path;
} CoreDump;

static void core_dumped(void *opaque, int error, const CtlMsg *msg, const char *body)
{
    CoreDump *dump = opaque;
    Domain *d = dump->domain;

    (void)msg;
    if (error) {
        g_warning("domain %s (%u): core dump: %s", d->name, d->id,
                  *body ? body : g_strerror(error));
    } else {
        g_info("domain %s (%u): core in %s", d->name, d->id, dump->path);
    }
    if (error != ECONNRESET) {
        act(d, dump->action);
    }
    g_free(dump->path);
    g_free(dump);
}

static void dump_and_act(Domain *d, Action action)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    g_autofree char *when = g_date_time_format(now, "%Y-%m%d-%H%M.%S");
    g_autofree char *dir = g_build_filename(d->xend->paths->state, "dump", d->name, NULL);
    CoreDump *dump = g_new0(CoreDump, 1);
    int fd;

    g_mkdir_with_parents(dir, 0700);
    *dump = (CoreDump){ d, action, g_strdup_printf("%s/%s-%s.%u.core", dir, when, d->name, d->id) };
    fd = open(dump->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    control_request(d->hv, CTL_DUMP_CORE, 0, 0, NULL, fd, core_dumped, dump);
    if (fd >= 0) {
        close(fd);
    }
}

void domain_shutdown_event(Domain *d, unsigned reason)
{
    static const char *const names[] = { "poweroff", "reboot", "suspend", "crash", "watchdog" };
    DomainConfig *c = d->config;
    Action action;

    if (d->state != DOMAIN_ALIVE) {
        return;
    }
    d->reason = reason;
    d->crashed = reason >= SHUTDOWN_CRASH;
    action = reason == SHUTDOWN_REBOOT ? c->on_reboot : d->crashed ? c->on_crash : c->on_poweroff;
    g_info("domain %s (%u): shutdown, reason %s; %s", d->name, d->id,
           names[MIN(reason, SHUTDOWN_WATCHDOG)], action_name(action));
    xend_dmesg(d->xend, "Domain %u (%s) %s", d->id, d->name, names[MIN(reason, SHUTDOWN_WATCHDOG)]);
    if (reason == SHUTDOWN_REBOOT && d->reboot_requested && action == ACTION_DESTROY) {
        g_info("domain %s (%u): on_reboot='destroy': not started again", d->name, d->id);
    }
    if (d->crashed && (action >= ACTION_COREDUMP_DESTROY || d->xend->config->enable_dump) &&
        living(d) && d->hv) {
        dump_and_act(d, action);
    } else {
        act(d, action);
    }
}

typedef struct Asking {
    Xend *xend;
    unsigned id;
    char *how;
} Asking;

/* By ACPI, or where the guest has none by turning it off. */
static void press_button(Domain *d, bool reboot)
{
    if (reboot) {
        control_request(d->hv, CTL_TRIGGER, CTL_TRIGGER_RESET, 0, NULL, -1, NULL, NULL);
    } else if (d->config->acpi) {
        control_request(d->hv, CTL_TRIGGER, CTL_TRIGGER_POWER, 0, NULL, -1, NULL, NULL);
    } else {
        control_request(d->hv, CTL_SHUTDOWN, SHUTDOWN_POWEROFF, 0, NULL, -1, NULL, NULL);
    }
}

static void asking_free(Asking *a)
{
    g_free(a->how);
    g_free(a);
}

/* A guest that reads control/shutdown clears it at once.  One that uses event channels but does
 * not watch that node has buttons like any other. */
static gboolean not_acknowledged(gpointer opaque)
{
    Asking *a = opaque;
    Domain *d = domain_by_id(a->xend, a->id);
    g_autofree char *node = d ? layout_path(d, "control/shutdown") : NULL;
    g_autofree char *value = d ? store_get(a->xend->store, node) : NULL;

    if (d && d->state == DOMAIN_ALIVE && !g_strcmp0(value, a->how)) {
        g_info("domain %s (%u): control/shutdown is not acknowledged; pressing the button", d->name,
               d->id);
        store_put(a->xend->store, node, "");
        press_button(d, !strcmp(a->how, "reboot"));
    }
    asking_free(a);
    return G_SOURCE_REMOVE;
}

static void drivers_known(void *opaque, int error, const CtlMsg *msg, const char *body)
{
    Asking *a = opaque;
    Domain *d = domain_by_id(a->xend, a->id);

    (void)body;
    if (d && d->state == DOMAIN_ALIVE && !error && msg && msg->b) {
        g_autofree char *node = layout_path(d, "control/shutdown");

        store_put(a->xend->store, node, a->how);
        g_timeout_add_seconds(ACKNOWLEDGE_SECONDS, not_acknowledged, a);
        return;
    }
    if (d && d->state == DOMAIN_ALIVE) {
        press_button(d, !strcmp(a->how, "reboot"));
    }
    asking_free(a);
}

void domain_ask_shutdown(Domain *d, const char *how)
{
    Asking *a = g_new0(Asking, 1);

    *a = (Asking){ d->xend, d->id, g_strdup(how) };
    d->reboot_requested = !strcmp(how, "reboot");
    g_info("domain %s (%u): %s requested", d->name, d->id, how);
    control_request(d->hv, CTL_GET_PARAM, HVM_PARAM_CALLBACK_IRQ, 0, NULL, -1, drivers_known, a);
}

/* --- events of the processes ----------------------------------------------------------------- */

void domain_hv_event(void *opaque, const CtlMsg *msg, const char *body)
{
    Domain *d = opaque;

    switch (msg->type) {
    case CTL_EVENT_READY:
        d->hv_ready = true;
        pin_start(d);
        domain_check_ready(d);
        break;
    case CTL_EVENT_ENGINE:
        g_free(d->engine);
        d->engine = g_strdup(g_str_has_prefix(body, "cpu: ") ? body + 5 : body);
        g_info("domain %s (%u): cpu: %s", d->name, d->id, d->engine);
        xend_dmesg(d->xend, "HVM domain %u (%s): cpu: %s", d->id, d->name, d->engine);
        break;
    case CTL_EVENT_FAILED:
        if (d->state == DOMAIN_BUILDING) {
            domain_fail(d, "%s", body);
        } else {
            g_warning("domain %s (%u): hypervisor: %s", d->name, d->id, body);
        }
        break;
    case CTL_EVENT_SHUTDOWN:
        domain_shutdown_event(d, msg->a);
        break;
    default:
        g_debug("domain %u: event %u from the hypervisor", d->id, msg->type);
    }
}

static void viewer_wish(Domain *d, const char *what)
{
    if (!strcmp(what, "reset")) {
        d->reboot_requested = true;
        control_request(d->hv, CTL_TRIGGER, CTL_TRIGGER_RESET, 0, NULL, -1, NULL, NULL);
    } else {
        /* The window's close button is the power button: the guest's data is not ours to lose. */
        domain_ask_shutdown(d, "poweroff");
    }
}

static void stopped_for_disk(void *opaque, int error, const CtlMsg *msg, const char *body)
{
    Domain *d = opaque;

    (void)msg, (void)body;
    d->paused |= !error;
}

/* The host can't read or write an image, and on_disk_error is not report: the request waits in
 * qemu-dm, the guest has not been told. */
static void disk_failed(Domain *d, const char *what)
{
    if (d->state != DOMAIN_ALIVE) {
        return;
    }
    xend_dmesg(d->xend, "%s (%u): %s", d->name, d->id, what);
    if (d->config->on_disk_error == DISK_ERRORS_STOP) {
        g_warning("domain %s (%u): stopped: %s", d->name, d->id, what);
        control_request(d->hv, CTL_SHUTDOWN, SHUTDOWN_CRASH, 0, NULL, -1, NULL, NULL);
        return;
    }
    g_warning("domain %s (%u): paused: %s; xm unpause tries again", d->name, d->id, what);
    control_request(d->hv, CTL_PAUSE, 0, 0, NULL, -1, stopped_for_disk, d);
}

void domain_dm_event(void *opaque, const CtlMsg *msg, const char *body)
{
    Domain *d = opaque;
    g_autofree char *node = NULL;

    switch (msg->type) {
    case CTL_EVENT_DM_READY:
        d->dm_ready = true;
        media_start(d);
        node = g_strdup_printf("/local/domain/0/device-model/%u/state", d->id);
        store_put(d->xend->store, node, "running");
        domain_check_ready(d);
        break;
    case CTL_EVENT_FAILED:
        if (d->state == DOMAIN_BUILDING) {
            domain_fail(d, "%s", body);
        }
        break;
    case CTL_EVENT_TRAY:
        media_tray(d, body, msg->a);
        break;
    case CTL_EVENT_TIMEOFFSET:
        d->rtc_delta = (int64_t)msg->a;
        node = g_strdup_printf("/vm/%s/rtc/timeoffset", d->uuid);
        store_put_int(d->xend->store, node, d->config->rtc_offset + d->rtc_delta);
        break;
    case CTL_EVENT_DISK_ERROR:
        disk_failed(d, body);
        break;
    case CTL_EVENT_VIEWER:
        viewer_wish(d, body);
        break;
    default:
        g_debug("domain %u: event %u from qemu-dm", d->id, msg->type);
    }
}

static char *describe_status(int status)
{
    if (WIFSIGNALED(status)) {
        return g_strdup_printf("was killed by signal %d (%s)", WTERMSIG(status),
                               g_strsignal(WTERMSIG(status)));
    }
    return g_strdup_printf("ended with status %d", WEXITSTATUS(status));
}

static void restart_helper(Domain *d, Child *c, const char *how)
{
    double ran = (g_get_monotonic_time() - c->started) / 1e6;
    g_autofree char *error = NULL;
    int ends[2];
    bool ok = false;

    c->restarts = ran < HELPER_WINDOW ? c->restarts + 1 : 1;
    if (c->restarts > HELPER_RESTARTS) {
        c->gave_up = true;
        g_warning("domain %s (%u): %s %s again; it is not started any more", d->name, d->id,
                  child_names[c->kind], how);
        return;
    }
    g_warning("domain %s (%u): %s %s; starting it again", d->name, d->id, child_names[c->kind],
              how);
    if (c->kind == CHILD_NET) {
        ok = domain_start_net(d, c->index, &error);
    } else if (!socket_pair(SOCK_SEQPACKET, ends)) {
        error = g_strdup(g_strerror(errno));
    } else {
        control_request(d->dm, c->kind == CHILD_SOUND ? CTL_SET_SOUND : CTL_ADD_VIEWER, 0, 0, NULL,
                        ends[1], NULL, NULL);
        close(ends[1]);
        ok = c->kind == CHILD_UI ? domain_start_ui(d, ends[0], &error)
             : c->kind == CHILD_SDL ? domain_start_sdl(d, ends[0], &error)
             : domain_start_sound(d, ends[0], &error);
    }
    if (!ok) {
        g_warning("domain %s (%u): %s", d->name, d->id, error);
    }
}

static gboolean restart_due(gpointer opaque)
{
    Child *c = opaque;

    c->delay = 0;
    if (c->domain->state == DOMAIN_ALIVE) {
        restart_helper(c->domain, c, c->how);
    }
    return G_SOURCE_REMOVE;
}

static void essential_gone(Domain *d, const Child *c, const char *how)
{
    const char *what = child_names[c->kind];
    const char *log = c->kind == CHILD_HYPERVISOR ? "hypervisor" : "qemu-dm";

    if (d->state == DOMAIN_BUILDING) {
        domain_fail(d, "%s %s at the start; see %s/%s-%s.log", what, how, d->xend->paths->log, log,
                    d->name);
    } else if (d->state == DOMAIN_ALIVE) {
        g_warning("domain %s (%u): %s %s: the domain has crashed", d->name, d->id, what, how);
        if (c->kind == CHILD_HYPERVISOR) {      /* nothing of it can be preserved */
            control_free(d->hv);
            d->hv = NULL;
        }
        domain_shutdown_event(d, SHUTDOWN_CRASH);
    } else if (d->state == DOMAIN_PRESERVED && c->kind == CHILD_HYPERVISOR) {
        domain_teardown(d);
    }
}

void domain_child_exited(GPid pid, gint status, gpointer opaque)
{
    Child *c = opaque;
    Domain *d = c->domain;
    g_autofree char *how = describe_status(status);

    g_spawn_close_pid(pid);
    c->pid = 0;
    c->watch = 0;
    g_info("domain %s (%u): %s (process %d) %s", d->name, d->id, child_names[c->kind], (int)pid,
           how);
    /* Its last words may explain its end. */
    if (c->kind == CHILD_HYPERVISOR && d->hv) {
        control_drain(d->hv);
    } else if (c->kind == CHILD_DM && d->dm) {
        control_drain(d->dm);
    }
    if (c->kind <= CHILD_DM) {
        essential_gone(d, c, how);
    } else if (c->kind == CHILD_NET && d->vif[c->index].mode != VIF_USER) {
        g_debug("domain %u: vif %u is unplugged", d->id, c->index);
    } else if (d->state == DOMAIN_ALIVE && c->kind != CHILD_USB &&
               !(c->kind == CHILD_SDL && status == 0) &&
               !(c->kind == CHILD_SOUND && WIFEXITED(status))) {    /* it said why */
        g_free(c->how);
        c->how = g_steal_pointer(&how);
        c->delay = g_timeout_add(HELPER_DELAY_MS, restart_due, c);
    }
    if (d->state == DOMAIN_DYING && !living(d)) {
        finish_death(d);
    }
}
