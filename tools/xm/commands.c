/* SPDX-License-Identifier: GPL-2.0-or-later */
/* commands.c - xm's commands, but for create, console and send-key. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tools/common/sxp.h"
#include "tools/common/xend_config.h"
#include "tools/xm/format.h"
#include "tools/xm/xm.h"

#define POLL_US 200000

static int print_and_free(char *text)
{
    fputs(text, stdout);
    g_free(text);
    return XM_OK;
}

static int bad_option(Xm *xm, const char *option)
{
    xm_error("unknown option %s", option);
    xm_usage(xm->command);
    return XM_FAILED;
}

/* One call without a result worth printing. */
static int call(Xm *xm, const char *method, Value *params)
{
    int status;
    g_autoptr(Value) v = xm_call(xm, &status, method, params);

    return status;
}

/* xend.domains for the names in argv (all if there are none), joined; NULL with *status. */
static Value *domains(Xm *xm, int argc, char **argv, bool sxp, int *status)
{
    g_autoptr(Value) all = value_list();
    int worst = XM_OK;

    for (int i = 0; i < MAX(argc, 1); i++) {
        Value *params = xm_params(argc ? argv[i] : "", NULL);
        g_autoptr(Value) some = NULL;

        value_append(params, value_int(sxp));
        some = xm_call(xm, status, "xend.domains", params);
        worst = *status ? *status : worst;
        for (unsigned n = 0; some && n < value_len(some); n++) {
            value_append(all, value_ref(value_item(some, n)));
        }
    }
    *status = worst;
    return value_len(all) || !worst ? g_steal_pointer(&all) : NULL;
}

int xm_list(Xm *xm, int argc, char **argv)
{
    bool full = false, label = false;
    const char *state = NULL;
    g_autoptr(Value) list = NULL, shown = value_list();
    int status;

    while (argc && **argv == '-') {
        if (!strcmp(*argv, "-l") || !strcmp(*argv, "--long")) {
            full = true;
        } else if (!strcmp(*argv, "--label")) {
            label = true;
        } else if (g_str_has_prefix(*argv, "--state=")) {
            state = *argv + 8;
        } else if (!g_str_has_prefix(*argv, "--pool=") && strcmp(*argv, "-v")) {
            return bad_option(xm, *argv);
        }
        argc--, argv++;
    }
    list = domains(xm, argc, argv, full, &status);
    if (!list) {
        return status;
    }
    for (unsigned i = 0; i < value_len(list); i++) {
        Value *d = value_item(list, i);

        if (!state || state_matches(value_get_str(d, "state", ""), state)) {
            value_append(shown, value_ref(d));
        }
    }
    if (!full) {
        print_and_free(format_list(shown, label));
        return status;
    }
    for (unsigned i = 0; i < value_len(shown); i++) {
        Value *sxp = value_get(value_item(shown, i), "sxp");

        if (sxp) {
            g_autofree char *text = NULL;

            value_append(sxp, sxp_pair("state", value_get_str(value_item(shown, i), "state", "")));
            text = sxp_print(sxp);
            printf("%s\n", text);
        }
    }
    return status;
}

int xm_destroy(Xm *xm, int argc, char **argv)
{
    (void)argc;
    return call(xm, "xend.domain.destroy", xm_params(argv[0], NULL));
}

/* pause, unpause, reset */
int xm_simple(Xm *xm, int argc, char **argv)
{
    g_autofree char *method = g_strconcat("xend.domain.", xm->command->name, NULL);

    (void)argc;
    if (!strcmp(xm->command->name, "reset")) {
        return call(xm, "xend.domain.trigger", xm_params(argv[0], "reset", NULL));
    }
    return call(xm, method, xm_params(argv[0], NULL));
}

/* --- shutdown -------------------------------------------------------------------------------- */

typedef struct Ending {
    char *name;
    int64_t id;
    bool done;
} Ending;

/* Ended: the number is gone; rebooted: the name lives under another number. */
static bool wait_round(Xm *xm, Ending *e, unsigned n, bool reboot, int *status)
{
    g_autoptr(Value) list = xm_call(xm, status, "xend.domains", NULL);
    unsigned left = 0;

    for (unsigned i = 0; list && i < n; i++) {
        bool same = false, again = false;

        if (e[i].done) {
            continue;
        }
        for (unsigned k = 0; k < value_len(list); k++) {
            const Value *d = value_item(list, k);
            const char *state = value_get_str(d, "state", "");
            bool over = strchr(state, 's') || strchr(state, 'c');

            same |= value_get_int(d, "domid", 0) == e[i].id && !over;
            again |= !strcmp(value_get_str(d, "name", ""), e[i].name) &&
                     value_get_int(d, "domid", 0) != e[i].id;
        }
        if (!same && reboot && again) {
            printf("Domain %s rebooted\n", e[i].name);
            e[i].done = true;
        } else if (!same && !reboot) {
            printf("Domain %s terminated\n", e[i].name);
            e[i].done = true;
        }
        left += !e[i].done;
    }
    fflush(stdout);
    return list && left;
}

static int shutdown_domains(Xm *xm, int argc, char **argv, bool all, bool wait, const char *how)
{
    int status, worst = XM_OK;
    g_autoptr(Value) list = NULL;
    g_autofree Ending *e = NULL;
    unsigned n = 0;

    list = domains(xm, all ? 0 : argc, argv, false, &status);
    if (!list) {
        return status;
    }
    worst = status;
    e = g_new0(Ending, value_len(list) + 1);
    for (unsigned i = 0; i < value_len(list); i++) {
        const Value *d = value_item(list, i);

        if (value_get_int(d, "domid", 0) == 0 && all) {
            continue;
        }
        status = call(xm, "xend.domain.shutdown", xm_params(value_get_str(d, "name", ""), how,
                                                            NULL));
        if (status) {
            worst = status;
            continue;
        }
        e[n++] = (Ending){ (char *)value_get_str(d, "name", ""), value_get_int(d, "domid", 0),
                           false };
    }
    if (wait && n) {
        while (wait_round(xm, e, n, !strcmp(how, "reboot"), &status)) {
            g_usleep(POLL_US);
        }
        if (!status && strcmp(how, "reboot")) {
            puts("All domains terminated");
        }
        worst = status ? status : worst;
    }
    return worst;
}

static int shutdown_command(Xm *xm, int argc, char **argv, const char *how)
{
    bool all = false, wait = false;

    while (argc && **argv == '-') {
        for (const char *p = *argv + 1; *p; p++) {
            bool whole = *p == '-';
            const char *name = *argv;

            if (!strcmp(name, "--all") || (!whole && *p == 'a')) {
                all = true;
            } else if (!strcmp(name, "--wait") || (!whole && *p == 'w')) {
                wait = true;
            } else if (!strcmp(name, "--reboot") || (!whole && *p == 'R')) {
                how = "reboot";
            } else if (!strcmp(name, "--halt") || (!whole && *p == 'H')) {
                how = "halt";
            } else {
                return bad_option(xm, *argv);
            }
            if (whole) {
                break;
            }
        }
        argc--, argv++;
    }
    if (!argc && !all) {
        xm_error("'xm %s' requires a domain or -a.", xm->command->name);
        xm_usage(xm->command);
        return XM_FAILED;
    }
    return shutdown_domains(xm, argc, argv, all, wait, how);
}

int xm_shutdown(Xm *xm, int argc, char **argv)
{
    return shutdown_command(xm, argc, argv, "poweroff");
}

int xm_reboot(Xm *xm, int argc, char **argv)
{
    return shutdown_command(xm, argc, argv, "reboot");
}

/* --- names, states, figures ------------------------------------------------------------------ */

int xm_trigger(Xm *xm, int argc, char **argv)
{
    Value *params = xm_params(argv[0], argv[1], NULL);
    char *end = NULL;
    long vcpu = argc > 2 ? strtol(argv[2], &end, 10) : 0;

    if (argc > 2 && (*end || vcpu < 0)) {
        value_unref(params);
        xm_error("Invalid argument.");
        return XM_FAILED;
    }
    value_append(params, value_int(vcpu));
    return call(xm, "xend.domain.trigger", params);
}

int xm_domid(Xm *xm, int argc, char **argv)
{
    int status;
    g_autoptr(Value) d = xm_domain(xm, argv[0], &status);

    (void)argc;
    if (d) {
        printf("%d\n", (int)value_get_int(d, "domid", 0));
    }
    return status;
}

int xm_domname(Xm *xm, int argc, char **argv)
{
    int status;
    g_autoptr(Value) d = xm_domain(xm, argv[0], &status);

    (void)argc;
    if (d) {
        puts(value_get_str(d, "name", ""));
    }
    return status;
}

int xm_domstate(Xm *xm, int argc, char **argv)
{
    int status;
    g_autoptr(Value) d = xm_domain(xm, argv[0], &status);

    (void)argc;
    if (d) {
        puts(domstate_name(value_get_str(d, "state", "")));
    }
    return status;
}

int xm_rename(Xm *xm, int argc, char **argv)
{
    (void)argc;
    return call(xm, "xend.domain.rename", xm_params(argv[0], argv[1], NULL));
}

int xm_uptime(Xm *xm, int argc, char **argv)
{
    bool short_form = argc && (!strcmp(*argv, "-s") || !strcmp(*argv, "--short"));
    g_autoptr(Value) list = NULL;
    int status;

    if (argc && **argv == '-' && !short_form) {
        return bad_option(xm, *argv);
    }
    list = domains(xm, argc - short_form, argv + short_form, false, &status);
    if (list) {
        print_and_free(format_uptime(list, g_get_real_time() / G_USEC_PER_SEC, short_form));
    }
    return status;
}

static int call_with_number(Xm *xm, const char *method, const char *name, int64_t n)
{
    Value *params = xm_params(name, NULL);

    value_append(params, value_int(n));
    return call(xm, method, params);
}

/* mem-set, mem-max: MiB without a suffix. */
int xm_mem(Xm *xm, int argc, char **argv)
{
    char *end = NULL;
    int64_t n = g_ascii_strtoll(argv[1], &end, 10);
    char unit = g_ascii_tolower(*end);

    (void)argc;
    if (end == argv[1] || n < 0 || n > INT32_MAX || (unit && (!strchr("kmg", unit) || end[1]))) {
        xm_error("Invalid argument.");
        return XM_FAILED;
    }
    n = unit == 'k' ? n / 1024 : unit == 'g' ? n * 1024 : n;
    return call_with_number(xm, !strcmp(xm->command->name, "mem-max") ? "xend.domain.mem_max"
                                : "xend.domain.mem_set", argv[0], n);
}

int xm_vcpu_set(Xm *xm, int argc, char **argv)
{
    char *end = NULL;
    int64_t n = g_ascii_strtoll(argv[1], &end, 10);

    (void)argc;
    if (end == argv[1] || *end) {
        xm_error("Invalid argument.");
        return XM_FAILED;
    }
    return call_with_number(xm, "xend.domain.vcpu_set", argv[0], n);
}

int xm_vcpu_pin(Xm *xm, int argc, char **argv)
{
    (void)argc;
    return call(xm, "xend.domain.vcpu_pin", xm_params(argv[0], argv[1], argv[2], NULL));
}

int xm_sysrq(Xm *xm, int argc, char **argv)
{
    (void)argc;
    return call(xm, "xend.domain.sysrq", xm_params(argv[0], argv[1], NULL));
}

int xm_vcpu_list(Xm *xm, int argc, char **argv)
{
    int status;
    g_autoptr(Value) list = domains(xm, argc, argv, false, &status);

    if (list) {
        print_and_free(format_vcpu_list(list));
    }
    return status;
}

int xm_info(Xm *xm, int argc, char **argv)
{
    int status;
    g_autoptr(Value) info = NULL, config = value_new(VALUE_DICT);

    for (int i = 0; i < argc; i++) {
        if (!strcmp(argv[i], "-c") || !strcmp(argv[i], "--config")) {
            value_set_str(config, "run", xm->paths->run);
            value_set_str(config, "log", xm->paths->log);
            value_set_str(config, "state", xm->paths->state);
            return print_and_free(format_info(config, true));
        }
        if (strcmp(argv[i], "-n") && strcmp(argv[i], "--numa")) {
            return bad_option(xm, argv[i]);
        }
    }
    info = xm_call(xm, &status, "xend.node.info", NULL);
    if (info) {
        print_and_free(format_info(info, false));
    }
    return status;
}

int xm_dmesg(Xm *xm, int argc, char **argv)
{
    bool clear = argc && (!strcmp(argv[0], "-c") || !strcmp(argv[0], "--clear"));
    Value *params = value_list();
    g_autoptr(Value) text = NULL;
    int status;

    if (argc && !clear) {
        value_unref(params);
        return bad_option(xm, argv[0]);
    }
    value_append(params, value_int(clear));
    text = xm_call(xm, &status, "xend.node.dmesg", params);
    if (text && text->kind == VALUE_STR) {
        fputs(text->s, stdout);
    }
    return status;
}

int xm_log(Xm *xm, int argc, char **argv)
{
    char buf[8192];
    ssize_t n;
    g_autoptr(Messages) ignored = messages_new();
    g_autofree char *settings = xend_config_path(xm->paths);
    g_autoptr(XendConfig) config = xend_config_read(settings, ignored);
    const char *log = config->logfile ? config->logfile : xm->paths->xend_log;
    int fd = open(log, O_RDONLY | O_CLOEXEC);

    (void)argc, (void)argv;
    if (fd < 0) {
        xm_error("%s can't be read (%s)", log, g_strerror(errno));
        return XM_FAILED;
    }
    while ((n = read(fd, buf, sizeof buf)) > 0 && fwrite(buf, 1, n, stdout) == (size_t)n) {
    }
    close(fd);
    return XM_OK;
}

/* --- devices --------------------------------------------------------------------------------- */

static int device_list(Xm *xm, int argc, char **argv, const char *class,
                       char *(*format)(const Value *))
{
    const char *name = argv[0];
    bool full = false;
    g_autoptr(Value) list = NULL;
    int status;

    for (int i = 0; i < argc; i++) {
        if (!strcmp(argv[i], "-l") || !strcmp(argv[i], "--long")) {
            full = true;
        } else {
            name = argv[i];
        }
    }
    list = xm_call(xm, &status, "xend.domain.devices", xm_params(name, class, NULL));
    if (!list) {
        return status;
    }
    if (!full) {
        return print_and_free(format(list));
    }
    for (unsigned i = 0; i < value_len(list); i++) {
        const Value *d = value_item(list, i);
        g_autoptr(Value) sxp = value_list(), body = value_list();
        g_autofree char *id = g_strdup_printf("%d", (int)value_get_int(d, "id", 0));
        g_autofree char *text = NULL;

        value_append(sxp, value_str(id));
        for (unsigned k = 0; k + 1 < d->items->len; k += 2) {
            g_autofree char *v = value_text(value_item(d, k + 1));

            value_append(body, sxp_pair(value_item(d, k)->s, v));
        }
        value_append(sxp, value_ref(body));
        text = sxp_print(sxp);
        puts(text);
    }
    return XM_OK;
}

int xm_block_list(Xm *xm, int argc, char **argv)
{
    return device_list(xm, argc, argv, "vbd", format_block_list);
}

int xm_network_list(Xm *xm, int argc, char **argv)
{
    return device_list(xm, argc, argv, "vif", format_network_list);
}

/* How much of "file:/a", "tap:qcow2:/a", "tap:tapdisk:aio:/a" comes before the path. */
static size_t uname_prefix(const char *uname)
{
    size_t len = 0;
    unsigned words = g_str_has_prefix(uname, "tap:") || g_str_has_prefix(uname, "tap2:") ? 2
                     : g_str_has_prefix(uname, "file:") || g_str_has_prefix(uname, "phy:") ? 1 : 0;

    if (g_str_has_prefix(uname, "tap:tapdisk:") || g_str_has_prefix(uname, "tap2:tapdisk:")) {
        words = 3;
    }
    for (; words && strchr(uname + len, ':'); words--) {
        len = strchr(uname + len, ':') + 1 - uname;
    }
    return len;
}

/* xend has another current directory. */
static char *full_uname(const char *uname)
{
    size_t len = uname_prefix(uname);
    g_autofree char *path = NULL;

    if (!uname[len]) {
        return g_strdup("");
    }
    if (g_str_has_prefix(uname, "phy:") && uname[len] != '/') {
        return g_strdup(uname);
    }
    path = g_canonicalize_filename(uname + len, NULL);
    return len ? g_strdup_printf("%.*s%s", (int)len, uname, path) : g_strconcat("file:", path, NULL);
}

/* "ioemu:hdc:cdrom", "hdc:cdrom", "/dev/hdc": hdc. */
static char *device_name(const char *text)
{
    text += g_str_has_prefix(text, "ioemu:") ? 6 : 0;
    text += g_str_has_prefix(text, "/dev/") ? 5 : 0;
    return g_strndup(text, strcspn(text, ":"));
}

/* Takes -f and --force out of the arguments. */
static bool take_force(int *argc, char **argv)
{
    bool force = false;
    int n = 0;

    for (int i = 0; i < *argc; i++) {
        if (!strcmp(argv[i], "-f") || !strcmp(argv[i], "--force")) {
            force = true;
        } else {
            argv[n++] = argv[i];
        }
    }
    *argc = n;
    return force;
}

static int change_medium(Xm *xm, const char *name, const char *dev, const char *uname,
                         const char *mode, bool force)
{
    g_autofree char *device = device_name(dev), *full = full_uname(uname);

    return call(xm, "xend.domain.change_medium",
                xm_params(name, device, full, mode, force ? "force" : "", NULL));
}

/* As in Xen, the guest is not asked. */
int xm_block_configure(Xm *xm, int argc, char **argv)
{
    return change_medium(xm, argv[0], argv[2], argv[1], argc > 3 ? argv[3] : "", true);
}

int xm_cd_insert(Xm *xm, int argc, char **argv)
{
    bool force = take_force(&argc, argv);

    if (argc < 2) {
        fprintf(stderr, "xm: error: cd-insert needs a domain and an image\n");
        return XM_FAILED;
    }
    return change_medium(xm, argv[0], argc > 2 ? argv[1] : "", argv[argc - 1], "", force);
}

int xm_cd_eject(Xm *xm, int argc, char **argv)
{
    bool force = take_force(&argc, argv);

    if (argc < 1) {
        fprintf(stderr, "xm: error: cd-eject needs a domain\n");
        return XM_FAILED;
    }
    return change_medium(xm, argv[0], argc > 1 ? argv[1] : "", "", "", force);
}

int xm_block_attach(Xm *xm, int argc, char **argv)
{
    g_autofree char *device = device_name(argv[2]), *full = full_uname(argv[1]);

    (void)argc;
    return call(xm, "xend.domain.block_attach", xm_params(argv[0], full, device, argv[3], NULL));
}

int xm_block_detach(Xm *xm, int argc, char **argv)
{
    bool force = take_force(&argc, argv);
    g_autofree char *device = NULL;

    if (argc != 2) {
        fprintf(stderr, "xm: error: block-detach needs a domain and a device\n");
        return XM_FAILED;
    }
    device = device_name(argv[1]);
    return call(xm, "xend.domain.block_detach",
                xm_params(argv[0], device, force ? "force" : "", NULL));
}

/* xend has another current directory. */
static char *usb_name(const char *spec)
{
    const char *path = g_str_has_prefix(spec, "disk:") || g_str_has_prefix(spec, "cdrom:")
                       ? strchr(spec, ':') + 1 : NULL;
    g_autofree char *full = NULL;

    while (path && (g_str_has_prefix(path, "ro:") || (g_str_has_prefix(path, "format=") && strchr(path, ':')))) {
        path = strchr(path, ':') + 1;
    }
    if (!path || !*path || *path == '/' || g_str_has_prefix(path, "format=")) {
        return g_strdup(spec);
    }
    full = g_canonicalize_filename(path, NULL);
    return g_strdup_printf("%.*s%s", (int)(path - spec), spec, full);
}

int xm_usb_add(Xm *xm, int argc, char **argv)
{
    g_autofree char *name = usb_name(argv[1]);

    (void)argc;
    return call(xm, "xend.domain.usb_add", xm_params(argv[0], name, NULL));
}

int xm_usb_del(Xm *xm, int argc, char **argv)
{
    g_autofree char *name = usb_name(argv[1]);

    (void)argc;
    return call(xm, "xend.domain.usb_del", xm_params(argv[0], name, NULL));
}

int xm_usb_list(Xm *xm, int argc, char **argv)
{
    int status;
    g_autoptr(Value) list = xm_call(xm, &status, "xend.domain.usb_list", xm_params(argv[0], NULL));

    (void)argc;
    if (!list) {
        return status;
    }
    puts("Idx Device");
    for (unsigned i = 0; i < value_len(list); i++) {
        printf("%-3u %s\n", i, value_item(list, i)->s);
    }
    return 0;
}

int xm_counters(Xm *xm, int argc, char **argv)
{
    int status;
    g_autoptr(Value) text = xm_call(xm, &status, "xend.domain.counters", xm_params(argv[0], NULL));

    (void)argc;
    if (text) {
        fputs(text->s, stdout);
    }
    return status;
}

int xm_screenshot(Xm *xm, int argc, char **argv)
{
    g_autofree char *path = g_canonicalize_filename(argv[1], NULL);

    (void)argc;
    return call(xm, "xend.domain.screenshot", xm_params(argv[0], path, NULL));
}

int xm_dump_core(Xm *xm, int argc, char **argv)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    g_autofree char *when = g_date_time_format(now, "%Y-%m%d-%H%M.%S");
    g_autofree char *path = NULL, *dir = NULL;
    const char *name;
    int status = XM_OK;
    g_autoptr(Value) d = NULL;

    while (argc && **argv == '-') {
        if (strlen(*argv) != 2 || !strchr("LCR", (*argv)[1])) {
            return bad_option(xm, *argv);
        }
        argc--, argv++;
    }
    d = argc ? xm_domain(xm, argv[0], &status) : NULL;
    if (!d) {
        return argc ? status : XM_FAILED;
    }
    name = value_get_str(d, "name", "");
    dir = g_build_filename(xm->paths->state, "dump", name, NULL);
    if (argc > 1) {
        path = g_canonicalize_filename(argv[1], NULL);
    } else {
        g_mkdir_with_parents(dir, 0700);
        path = g_strdup_printf("%s/%s-%s.%d.core", dir, when, name, (int)value_get_int(d, "domid",
                                                                                       0));
    }
    printf("Dumping core of domain: %s ...\n", name);
    fflush(stdout);
    return call(xm, "xend.domain.dump_core", xm_params(name, path, NULL));
}
