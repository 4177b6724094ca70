/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vif.c - which way a network card's frames take, and the life of its tap.  Bridging, NAT and routing
 * are done here as Xen's vif-bridge, vif-nat and vif-route do them (vif_place.c); a script of the
 * user's runs with the environment that those scripts expect, beside xend's loop, because it may ask
 * xend's xenstore.
 */
#include "tools/xend/vif.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tools/common/netspec.h"
#include "tools/xend/domain.h"
#include "tools/xend/host_net.h"
#include "tools/xend/segment.h"
#include "tools/xend/spawn.h"
#include "tools/xend/vif_place.h"

#define SCRIPT_DIRECTORY "/etc/xen/scripts"

static const VifConfig *config_of(const Vif *v)
{
    return &v->domain->config->vif[v->index];
}

static const XendConfig *settings(const Vif *v)
{
    return v->domain->xend->config;
}

static char *backend_path(const Vif *v, const char *below)
{
    return g_strdup_printf("/local/domain/0/backend/vif/%u/%u%s", v->domain->id, v->index, below);
}

static void put(const Vif *v, const char *below, const char *value)
{
    g_autofree char *path = backend_path(v, below);

    store_put(v->domain->xend->store, path, value);
}

void vif_init(Vif *v, Domain *d, unsigned index)
{
    *v = (Vif){ .domain = d, .index = index, .tap = -1 };
}

/* --- which way ------------------------------------------------------------------------------- */

/* Xen's own names mean what is built in; another word is a file in Xen's directory. */
static void choose_script(Vif *v, const char *spec)
{
    static const char *const names[] = { [SCRIPT_BRIDGE] = "vif-bridge", [SCRIPT_NAT] = "vif-nat",
                                         [SCRIPT_ROUTE] = "vif-route" };
    const char *name;

    g_strfreev(v->args);
    v->args = g_strsplit(spec, " ", -1);
    name = v->args[0] ? v->args[0] : "";
    v->script = SCRIPT_FILE;
    for (VifScript s = SCRIPT_BRIDGE; s <= SCRIPT_ROUTE; s++) {
        if (!strcmp(names[s], name)) {
            v->script = s;
        }
    }
    if (v->script == SCRIPT_FILE) {
        v->file = strchr(name, '/') ? g_strdup(name)
                  : g_build_filename(SCRIPT_DIRECTORY, name, NULL);
    }
}

static bool user_mode(Vif *v, char **note, const char *format, const char *what)
{
    g_autofree char *why = g_strdup_printf(format, what);

    v->mode = VIF_USER;
    *note = g_strdup_printf("user-mode networking%s", why);
    return true;
}

/* The bridge of vif-bridge.  Its absence is an error only where somebody has set up bridging: the
 * config of a tutorial shall work on any machine. */
static bool choose_bridge(Vif *v, bool demanded, char **note, char **error)
{
    const char *wanted = config_of(v)->bridge;
    const char *argument = vif_argument(v, "bridge");

    wanted = wanted && *wanted ? wanted : argument;
    v->bridge = wanted ? vif_find_bridge(wanted) : first_bridge();
    if (v->bridge) {
        return true;
    }
    if (demanded) {
        *error = wanted ? g_strdup_printf("vif %u: there is no bridge %s", v->index, wanted)
                 : g_strdup_printf("vif %u: this host has no bridge", v->index);
        return false;
    }
    return user_mode(v, note, " (no bridge %s)", wanted ? wanted : "");
}

static bool choose(Vif *v, char **note, char **error)
{
    const VifConfig *c = config_of(v);
    const char *spec = c->script && *c->script ? c->script : settings(v)->vif_script;
    bool own_tap = c->vifname && link_is_tap(c->vifname);
    bool demanded = spec != NULL;

    if (c->unplugged) {
        v->mode = VIF_NONE;
        return true;
    }
    if (c->segment && *c->segment) {
        v->mode = VIF_SEGMENT;
        *note = g_strdup_printf("private segment %s", c->segment);
        return true;
    }
    if ((c->hostfwd && c->hostfwd[0]) || c->tftp) {
        return user_mode(v, note, "%s", c->bridge ? " (because of hostfwd or tftp)" : "");
    }
    if (!demanded && !own_tap && !(c->bridge && *c->bridge)) {
        return user_mode(v, note, "%s", "");
    }
    if (!host_net_allowed()) {
        if (own_tap) {          /* made for this user: it is where it belongs already */
            v->mode = VIF_TAP;
            return true;
        }
        return user_mode(v, note, c->bridge && link_exists(c->bridge)
                         ? " (a port of bridge %s needs root)" : " (no bridge %s)",
                         c->bridge ? c->bridge : "");
    }
    v->mode = VIF_TAP;
    if (own_tap && !demanded && !c->bridge) {
        return true;
    }
    choose_script(v, spec ? spec : "vif-bridge");
    if (v->script == SCRIPT_FILE && access(v->file, X_OK) != 0) {
        *error = g_strdup_printf("vif %u: script %s can't be run (%s)", v->index, v->file,
                                 g_strerror(errno));
        return false;
    }
    return v->script != SCRIPT_BRIDGE || choose_bridge(v, demanded, note, error);
}

bool vif_open(Vif *v, char **note, char **error)
{
    const VifConfig *c = config_of(v);
    g_autofree char *why = NULL;

    if (!choose(v, note, error)) {
        return false;
    }
    if (v->mode != VIF_TAP) {
        v->script = SCRIPT_NONE;
        return true;
    }
    /* A script renames the interface itself. */
    v->ifname = c->vifname && *c->vifname && v->script != SCRIPT_FILE ? g_strdup(c->vifname)
                : g_strdup_printf("vif%u.%u", v->domain->id, v->index);
    v->tap = tap_open(v->ifname, &v->vnet, &why);
    if (v->tap < 0) {
        *error = g_strdup_printf("vif %u: %s", v->index, why);
        return false;
    }
    put(v, "/dev", v->ifname);
    put(v, "/bridge", v->bridge ? v->bridge : c->bridge ? c->bridge : "");
    put(v, "/ip", c->ip ? c->ip : "");
    if (c->vifname && *c->vifname) {
        put(v, "/vifname", c->vifname);
    }
    return true;
}

bool vif_cable(Vif *v, int *fd, const char **kind, char **error)
{
    int ends[2];

    *fd = -1;
    *kind = v->mode == VIF_USER ? "bundles" : v->mode != VIF_TAP ? "socket" : v->vnet ? "vnet" : "tap";
    if (v->mode == VIF_NONE) {
        return true;
    }
    if (v->mode == VIF_TAP) {
        *fd = fcntl(v->tap, F_DUPFD_CLOEXEC, 3);
    } else if (socket_pair(SOCK_SEQPACKET, ends)) {
        *fd = ends[1];
        v->domain->frames[v->index] = ends[0];
    }
    if (*fd < 0) {
        *error = g_strdup_printf("vif %u: no descriptor (%s)", v->index, g_strerror(errno));
        return false;
    }
    if (v->mode == VIF_SEGMENT &&
        !segment_join(v->domain->xend, config_of(v)->segment, ends[0], error)) {
        close(*fd);
        return false;
    }
    return true;
}

void vif_hang_up(Vif *v)
{
    int *fd = &v->domain->frames[v->index];

    if (*fd >= 0) {
        if (v->mode == VIF_SEGMENT) {
            segment_leave(v->domain->xend, config_of(v)->segment, *fd);
        }
        close(*fd);
        *fd = -1;
    }
}

void vif_close(Vif *v)
{
    if (v->tap >= 0) {
        close(v->tap);
        v->tap = -1;
    }
    g_clear_pointer(&v->ifname, g_free);
    g_clear_pointer(&v->bridge, g_free);
    g_clear_pointer(&v->file, g_free);
    g_clear_pointer(&v->args, g_strfreev);
    v->mode = VIF_NONE;
    v->script = SCRIPT_NONE;
    v->online = v->stopping = false;
}

/* --- scripts --------------------------------------------------------------------------------- */

bool vif_busy(const Vif *v)
{
    return v->pid != 0;
}

static void script_ended(GPid pid, gint status, gpointer opaque);

static gboolean script_too_slow(gpointer opaque)
{
    Vif *v = opaque;

    v->limit = 0;
    g_warning("domain %s (%u): vif %u: script %s takes too long; killing it", v->domain->name,
              v->domain->id, v->index, v->file);
    kill(-v->pid, SIGKILL);
    return G_SOURCE_REMOVE;
}

static void script_environment(const Vif *v, Command *c)
{
    const VifConfig *config = config_of(v);
    g_autofree char *path = backend_path(v, ""), *run = NULL, *tools = NULL;

    run = g_path_get_dirname(v->domain->xend->paths->store_socket);
    tools = g_strdup_printf("%s:/usr/sbin:/sbin:/usr/bin:/bin", g_getenv("PATH") ? g_getenv("PATH")
                            : "/usr/local/bin");
    command_env(c, "PATH", tools);
    command_env(c, "XENBUS_TYPE", "vif");
    command_env(c, "XENBUS_PATH", path);
    command_env(c, "XENBUS_BASE_PATH", "backend");
    command_env(c, "XENSTORED_PATH", v->domain->xend->paths->store_socket);
    command_env(c, "XENSTORED_RUNDIR", run);
    command_env(c, "vif", v->ifname);
    command_env(c, "dev", v->ifname);
    command_env(c, "script", v->file);
    if (config->bridge && *config->bridge) {
        command_env(c, "bridge", config->bridge);
    }
    if (config->ip && *config->ip) {
        command_env(c, "ip", config->ip);
    }
}

static bool run_script(Vif *v, const char *what, unsigned seconds, char **error)
{
    g_autoptr(Command) c = command_new(v->file);
    g_autofree char *log = g_build_filename(v->domain->xend->paths->log, "xen-hotplug.log", NULL);
    int log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);

    g_free(c->program);
    c->program = g_strdup(v->file);
    command_arg(c, "%s", what);
    command_arg(c, "type_if=vif");
    for (char **a = v->args + 1; v->args[0] && *a; a++) {
        command_arg(c, "%s", *a);
    }
    script_environment(v, c);
    v->pid = command_run(c, log_fd, error);
    if (log_fd >= 0) {
        close(log_fd);
    }
    if (!v->pid) {
        return false;
    }
    g_info("domain %s (%u): vif %u: %s %s for %s (process %d)", v->domain->name, v->domain->id,
           v->index, v->file, what, v->ifname, (int)v->pid);
    v->watch = g_child_watch_add(v->pid, script_ended, v);
    v->limit = g_timeout_add_seconds(seconds, script_too_slow, v);
    return true;
}

/* Xen's scripts say in xenstore how it went, and end with status 0 also when it went wrong. */
static char *script_failure(const Vif *v, int status)
{
    g_autofree char *status_path = backend_path(v, "/hotplug-status");
    g_autofree char *error_path = backend_path(v, "/hotplug-error");
    g_autofree char *said = store_get(v->domain->xend->store, status_path);
    g_autofree char *why = store_get(v->domain->xend->store, error_path);

    if (!g_strcmp0(said, "error") || (why && *why)) {
        return g_strdup_printf("script %s: %s", v->file, why && *why ? why : "it reports an error");
    }
    if (WIFSIGNALED(status)) {
        return g_strdup_printf("script %s was killed by signal %d; see xen-hotplug.log in the "
                               "log directory", v->file, WTERMSIG(status));
    }
    if (WEXITSTATUS(status)) {
        return g_strdup_printf("script %s failed with status %d; see xen-hotplug.log in the log "
                               "directory", v->file, WEXITSTATUS(status));
    }
    return NULL;
}

/* A script that does not know vifname= leaves the renaming to us. */
static void take_new_name(Vif *v)
{
    const char *wanted = config_of(v)->vifname;
    g_autofree char *error = NULL;

    if (!wanted || !*wanted || !strcmp(wanted, v->ifname)) {
        return;
    }
    if (link_exists(v->ifname)) {
        link_set_up(v->ifname, false, &error);
        g_clear_pointer(&error, g_free);
        if (!link_rename(v->ifname, wanted, &error)) {
            g_warning("vif %u: %s", v->index, error);
            return;
        }
        link_set_up(wanted, true, &error);
    }
    g_free(v->ifname);
    v->ifname = g_strdup(wanted);
}

/* False: nothing runs, and the vif is closed. */
static bool stop_script(Vif *v)
{
    g_autofree char *error = NULL;

    v->online = false;
    v->stopping = true;
    put(v, "/online", "0");
    if (!run_script(v, "offline", settings(v)->destroy_timeout, &error)) {
        g_warning("domain %s (%u): vif %u: %s", v->domain->name, v->domain->id, v->index, error);
        vif_close(v);
        return false;
    }
    return true;
}

static void script_ended(GPid pid, gint status, gpointer opaque)
{
    Vif *v = opaque;
    g_autofree char *failure = NULL;

    g_spawn_close_pid(pid);
    if (v->limit) {
        g_source_remove(v->limit);
    }
    v->pid = 0;
    v->watch = v->limit = 0;
    if (v->stopping) {
        /* While it is online, that was the beginning, broken off. */
        if (!v->online || !stop_script(v)) {
            vif_close(v);
            domain_vif_changed(v->domain, v->index, NULL);
        }
        return;
    }
    failure = script_failure(v, status);
    if (!failure) {
        take_new_name(v);
    }
    domain_vif_changed(v->domain, v->index, failure);
}

/* --- up and down ----------------------------------------------------------------------------- */

bool vif_online(Vif *v, char **error)
{
    g_autofree char *why = NULL;
    bool ok = true;

    if (v->mode != VIF_TAP || v->script == SCRIPT_NONE) {
        return true;
    }
    v->online = true;
    if (v->script == SCRIPT_FILE) {
        put(v, "/script", v->file);
        ok = run_script(v, "online", settings(v)->create_timeout, &why);
    } else {
        ok = vif_place(v, &why);
        put(v, "/hotplug-status", ok ? "connected" : "error");
    }
    if (!ok) {
        *error = g_strdup_printf("vif %u: %s", v->index, why);
    }
    return ok;
}

void vif_offline(Vif *v)
{
    if (v->stopping) {
        return;
    }
    if (v->pid) {
        v->stopping = true;
        kill(-v->pid, SIGTERM);
    } else if (v->online && v->script == SCRIPT_FILE) {
        stop_script(v);
    } else {
        if (v->online) {
            vif_remove_filter(v);
        }
        vif_close(v);
    }
}

void vif_describe(const Vif *v, Value *dict)
{
    static const char *const modes[] = { "unplugged", "user", "tap", "segment" };
    const VifConfig *c = config_of(v);
    g_autofree char *rate = vif_rate(c);
    const struct { const char *key, *value; } texts[] = {
        { "model", c->model }, { "bridge", v->bridge ? v->bridge : c->bridge }, { "ip", c->ip },
        { "script", v->file ? v->file : c->script }, { "vifname", v->ifname },
        { "segment", c->segment }, { "rate", rate } };

    if (v->mode == VIF_NONE) {
        value_set_int(dict, "state", 6);
    }
    value_set_str(dict, "network", modes[v->mode]);
    for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
        if (texts[i].value && *texts[i].value) {
            value_set_str(dict, texts[i].key, texts[i].value);
        }
    }
}
