/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * create.c - xm create: finds and evaluates the config, shows every mistake at once, lets xend
 * build the domain paused, opens its console, and only then lets it run.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tools/common/domain_config.h"
#include "tools/common/sxp.h"
#include "tools/common/sxp_config.h"
#include "tools/xm/xm.h"

typedef struct Options {
    const char *file, *path;
    bool quiet, dry_run, paused, console, viewer, help_config, sxp;
    GPtrArray *overrides;       /* VAR=VAL */
} Options;

static bool is_override(const char *arg)
{
    size_t n = strspn(arg, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

    return n && arg[n] == '=' && *arg != '-';
}

/* The value of an option: --name=V, --name V, -x V. */
static const char *option_value(const char *shorter, const char *longer, int *i, int argc,
                                char **argv)
{
    const char *a = argv[*i];
    size_t n = strlen(longer);

    if (!strncmp(a, longer, n) && a[n] == '=') {
        return a + n + 1;
    }
    if ((!strcmp(a, longer) || (shorter && !strcmp(a, shorter))) && *i + 1 < argc) {
        return argv[++*i];
    }
    return NULL;
}

static bool parse_options(Options *o, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        const char *a = argv[i], *v;

        if (!strcmp(a, "-q") || !strcmp(a, "--quiet")) {
            o->quiet = true;
        } else if (!strcmp(a, "-n") || !strcmp(a, "--dryrun") || !strcmp(a, "--dry-run")) {
            o->dry_run = true;
        } else if (!strcmp(a, "-p") || !strcmp(a, "--paused")) {
            o->paused = true;
        } else if (!strcmp(a, "-c") || !strcmp(a, "--console_autoconnect")) {
            o->console = true;
        } else if (!strcmp(a, "--vncviewer") || !strcmp(a, "--vncviewer-autopass")) {
            o->viewer = true;
        } else if (!strcmp(a, "--help_config")) {
            o->help_config = true;
        } else if (!strcmp(a, "-s") || !strcmp(a, "--skipdtd")) {
            continue;
        } else if ((v = option_value("-f", "--defconfig", &i, argc, argv))) {
            o->file = v;
        } else if ((v = option_value("-F", "--config", &i, argc, argv))) {
            o->file = v;
            o->sxp = true;
        } else if ((v = option_value(NULL, "--path", &i, argc, argv))) {
            o->path = v;
        } else if (is_override(a)) {
            g_ptr_array_add(o->overrides, argv[i]);
        } else if (*a == '-') {
            xm_error("unknown option %s", a);
            return false;
        } else if (!o->file) {
            o->file = a;
        } else {
            xm_error("unexpected argument '%s'; write VAR=VALUE to set a variable", a);
            return false;
        }
    }
    return true;
}

static void help_config(void)
{
    unsigned n;
    const SchemaKey *keys = schema_keys(&n);

    puts("Variables of a domain's config (see xmdomain.cfg(5)):\n");
    for (unsigned i = 0; i < n; i++) {
        g_autofree char *value = keys[i].status == KEY_WORKS && *keys[i].fallback
                                 ? g_strdup_printf(" [%s]", keys[i].fallback) : g_strdup("");

        printf("  %-30s %s%s%s\n", keys[i].name, keys[i].help, value,
               keys[i].status == KEY_LATER ? " (not available yet)" :
               keys[i].status == KEY_HARMLESS ? " (accepted, does nothing)" : "");
    }
}

/* A name without a slash is looked for along --path, as xm does. */
static char *find_config(const Options *o)
{
    const char *name = o->file ? o->file : "xmdefconfig";
    g_auto(GStrv) dirs = g_strsplit(o->path ? o->path : ".:/etc/xen", ":", -1);

    if (strchr(name, '/') || access(name, F_OK) == 0) {
        return g_canonicalize_filename(name, NULL);
    }
    for (char **d = dirs; *d; d++) {
        g_autofree char *path = g_build_filename(**d ? *d : ".", name, NULL);

        if (access(path, F_OK) == 0) {
            return g_canonicalize_filename(path, NULL);
        }
    }
    return NULL;
}

static HostFacts *fetch_facts(Xm *xm, bool start)
{
    HostFacts *f = g_new0(HostFacts, 1);
    g_autoptr(GError) ignored = NULL;
    g_autoptr(Value) none = value_list(), v = NULL;
    g_autofree char *no_xend = NULL;
    Value *names, *uuids;
    int fd = start ? xm_connect(xm, &no_xend) : unix_connect(xm->paths->rpc_socket);

    f->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    f->uuids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    f->check_host = true;
    v = fd >= 0 ? xmlrpc_call(fd, "xend.host_facts", none, &ignored) : NULL;
    if (!v) {
        g_hash_table_add(f->names, g_strdup("Domain-0"));
        return f;
    }
    names = value_get(v, "names");
    uuids = value_get(v, "uuids");
    for (unsigned i = 0; names && i < value_len(names); i++) {
        g_hash_table_add(f->names, g_strdup(value_item(names, i)->s));
    }
    for (unsigned i = 0; uuids && i < value_len(uuids); i++) {
        g_hash_table_add(f->uuids, g_strdup(value_item(uuids, i)->s));
    }
    f->free_memory = value_get_int(v, "free_memory", 0);
    return f;
}

static void show_messages(const Messages *m, bool quiet)
{
    fflush(stdout);
    for (unsigned i = 0; i < m->list->len; i++) {
        const Message *message = g_ptr_array_index(m->list, i);
        g_autofree char *line = message_line(message);

        if (message->severity == MESSAGE_ERROR || !quiet) {
            fprintf(stderr, "xm: %s\n", line);
        }
    }
}

/* Relative paths of images are the user's, not xend's. */
static void make_absolute(Config *c)
{
    static const char *const floppies[] = { "fda", "fdb" };
    ConfigVar *disk = config_find(c, "disk");
    Value *list;

    for (unsigned i = 0; i < G_N_ELEMENTS(floppies); i++) {
        ConfigVar *var = config_find(c, floppies[i]);

        if (var && var->value && var->value->kind == VALUE_STR && *var->value->s) {
            g_autofree char *full = g_canonicalize_filename(var->value->s, NULL);

            config_set(c, floppies[i], value_at(value_str(full), var->value->pos), var->pos);
        }
    }
    if (!disk || !disk->value || disk->value->kind != VALUE_LIST) {
        return;
    }
    list = value_list();
    for (unsigned i = 0; i < value_len(disk->value); i++) {
        Value *v = value_item(disk->value, i);
        const char *colon = v->kind == VALUE_STR ? strrchr(v->s, ':') : NULL;
        const char *comma = v->kind == VALUE_STR ? strchr(v->s, ',') : NULL;

        /* The path follows the last colon of the first field. */
        while (colon && comma && colon > comma) {
            const char *earlier = memrchr(v->s, ':', colon - v->s);

            colon = earlier;
        }
        bool empty = colon && comma && g_str_has_prefix(colon, ":cdrom,") && !strchr(comma + 1, ',');

        if (!empty && colon && comma && comma > colon + 1 && colon[1] != '/' && strncmp(v->s, "phy:", 4)) {
            g_autofree char *path = g_strndup(colon + 1, comma - colon - 1);
            g_autofree char *full = g_canonicalize_filename(path, NULL);

            value_append(list, value_at(value_take_str(g_strdup_printf("%.*s%s%s",
                         (int)(colon + 1 - v->s), v->s, full, comma)), v->pos));
        } else {
            value_append(list, value_ref(v));
        }
    }
    config_set(c, "disk", value_at(list, disk->value->pos), disk->pos);
}

static Value *dry_run_sxp(const Config *c)
{
    Value *v = value_list();

    value_append(v, value_str("vm"));
    for (unsigned i = 0; i < c->vars->len; i++) {
        const ConfigVar *var = g_ptr_array_index(c->vars, i);
        Value *pair;

        if (!var->value || !schema_find(var->name)) {
            continue;
        }
        if (var->value->kind == VALUE_LIST) {
            pair = value_list();
            value_append(pair, value_str(var->name));
            for (unsigned n = 0; n < value_len(var->value); n++) {
                value_append(pair, value_ref(value_item(var->value, n)));
            }
        } else {
            g_autofree char *text = value_text(var->value);

            pair = sxp_pair(var->name, text);
        }
        value_append(v, pair);
    }
    return v;
}

static void show_created(const Value *result, const Options *o)
{
    const char *engine = value_get_str(result, "engine", "");
    const char *serial = value_get_str(result, "serial", "");
    const char *listen_on = value_get_str(result, "vnc_listen", "");
    const Value *notes = value_get(result, "notes");
    int port = value_get_int(result, "vnc_port", 0);

    if (o->quiet) {
        return;
    }
    printf("Started domain %s (id=%d)\n", value_get_str(result, "name", ""),
           (int)value_get_int(result, "domid", 0));
    if (*engine) {
        printf("%s%s\n", g_str_has_prefix(engine, "cpu:") ? "" : "cpu: ", engine);
    }
    if (port) {
        bool local = !strcmp(listen_on, "127.0.0.1") || !strcmp(listen_on, "0.0.0.0");

        printf("VNC display: %s:%d (port %d); vncviewer %s:%d\n", listen_on, port - 5900, port,
               local ? "localhost" : listen_on, port - 5900);
    }
    if (*serial) {
        printf("serial port: %s\n", serial);
    }
    for (unsigned i = 0; notes && i < value_len(notes); i++) {
        printf("%s\n", value_item(notes, i)->s);
    }
    fflush(stdout);
}

static void start_viewer(const Value *result)
{
    const char *listen_on = value_get_str(result, "vnc_listen", "127.0.0.1");
    int port = value_get_int(result, "vnc_port", 0);

    if (port && fork() == 0) {
        setsid();
        _exit(viewer_run(!strcmp(listen_on, "0.0.0.0") || !strcmp(listen_on, "127.0.0.1")
                         ? "localhost" : listen_on, port));
    }
}

/* The window belongs on the screen of whoever runs xm, not of whoever started xend. */
static void name_screen(Config *c)
{
    static const struct { const char *key, *variable; } screens[] = {
        { "display", "DISPLAY" }, { "xauthority", "XAUTHORITY" } };

    for (unsigned i = 0; i < G_N_ELEMENTS(screens); i++) {
        const char *value = getenv(screens[i].variable);

        if (value && !config_find(c, screens[i].key)) {
            config_set(c, screens[i].key, value_str(value), (SourcePos){ 0 });
        }
    }
}

static int run_domain(Xm *xm, Config *c, const Options *o)
{
    Value *params = value_list();
    g_autoptr(Value) result = NULL, unpaused = NULL;
    const char *tty;
    int status, fd = -1;

    name_screen(c);
    value_append(params, config_to_value(c));
    result = xm_call(xm, &status, "xend.domain.create", params);
    if (!result) {
        return status;
    }
    if (o->console) {
        tty = value_get_str(result, "serial", "");
        tty = *tty ? tty : value_get_str(result, "console", "");
        fd = console_open(tty);
        if (fd < 0) {
            xm_error("console %s can't be opened (%s)", tty, g_strerror(errno));
        }
    }
    show_created(result, o);
    if (o->viewer) {
        start_viewer(result);
    }
    if (!o->paused) {
        unpaused = xm_call(xm, &status, "xend.domain.unpause",
                           xm_params(value_get_str(result, "name", ""), NULL));
    }
    if (fd >= 0) {
        if (status == XM_OK) {
            status = console_attach(fd);
        }
        close(fd);
    }
    return status;
}

static int evaluate(Xm *xm, Options *o, const char *path, Config *c)
{
    g_autoptr(Messages) messages = messages_new();
    g_autofree char *name = g_path_get_basename(path);
    g_autoptr(DomainConfig) checked = NULL;
    HostFacts *facts = NULL;
    bool readable;

    /* The command line wins over the file, and the file sees its variables. */
    for (unsigned i = 0; i < o->overrides->len; i++) {
        config_override(c, g_ptr_array_index(o->overrides, i), messages);
    }
    readable = o->sxp ? sxp_config_parse_file(c, path, messages) : config_parse_file(c, path, messages);
    for (unsigned i = 0; i < o->overrides->len && !messages->errors; i++) {
        config_override(c, g_ptr_array_index(o->overrides, i), messages);
    }
    make_absolute(c);
    if (readable) {
        facts = fetch_facts(xm, !o->dry_run && !messages->errors);
        facts->default_name = name;
        checked = domain_config_check(c, facts, messages);
        o->viewer |= checked->viewer;
        if (!config_find(c, "name")) {
            config_set(c, "name", value_str(name), (SourcePos){ 0 });
        }
        g_hash_table_destroy(facts->names);
        g_hash_table_destroy(facts->uuids);
        g_free(facts);
    }
    messages_sort(messages);
    show_messages(messages, o->quiet);
    return messages->errors ? XM_FAILED : XM_OK;
}

int xm_create(Xm *xm, int argc, char **argv)
{
    Options o = { .overrides = g_ptr_array_new() };
    g_autoptr(Config) c = config_new();
    g_autofree char *path = NULL;
    int status;

    if (!parse_options(&o, argc, argv)) {
        xm_usage(xm->command);
        status = XM_FAILED;
    } else if (o.help_config) {
        help_config();
        status = XM_OK;
    } else if (!(path = find_config(&o))) {
        xm_error("Cannot open config file %s: it is not in %s; %s", o.file ? o.file : "xmdefconfig",
                 o.path ? o.path : ".:/etc/xen",
                 o.file ? "write its path" : "write which: xm create FILE");
        status = XM_FAILED;
    } else {
        if (!o.quiet && !o.dry_run) {
            printf("Using config file \"%s\".\n", path);
        }
        status = evaluate(xm, &o, path, c);
        if (status == XM_OK && o.dry_run) {
            g_autoptr(Value) sxp = dry_run_sxp(c);
            g_autofree char *text = sxp_print(sxp);

            printf("Using config file \"%s\".\n%s\n", path, text);
        } else if (status == XM_OK) {
            status = run_domain(xm, c, &o);
        }
    }
    g_ptr_array_free(o.overrides, TRUE);
    return status;
}
