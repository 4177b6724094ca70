/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check.c - from evaluated variables to a DomainConfig: types, ranges, contradictions, and what
 * this host can give.  Collects every problem; nothing is opened for keeps here.
 */
#include "tools/common/cpuset.h"
#include "tools/common/domain_config.h"

#include <arpa/inet.h>
#include <cpuid.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/cpu_models.h"
#include "lib/cpuid_rules.h"

#define MAX_MEMORY_MB (1 << 20)
#define MIN_MEMORY_MB 8         /* hvmloader's own tables and SeaBIOS need this much */

typedef struct Check {
    const Config *config;
    const HostFacts *facts;
    Messages *messages;
    DomainConfig *d;
} Check;

#define ERROR(c, pos, ...) message_add((c)->messages, MESSAGE_ERROR, pos, __VA_ARGS__)
#define WARN(c, pos, ...) message_add((c)->messages, MESSAGE_WARNING, pos, __VA_ARGS__)

static const char *const action_names[] = { "destroy", "restart", "preserve", "rename-restart",
                                            "coredump-destroy", "coredump-restart" };

const char *action_name(Action action)
{
    return action_names[action];
}

bool uuid_valid(const char *text)
{
    return g_uuid_string_is_valid(text);
}

/* --- values of one key ----------------------------------------------------------------------- */

static Value *get(const Check *c, const char *key)
{
    ConfigVar *v = config_find(c->config, key);

    return v && v->value && v->value->kind != VALUE_NONE ? v->value : NULL;
}

static SourcePos position(const Check *c, const char *key)
{
    Value *v = get(c, key);

    return v ? v->pos : (SourcePos){ 0 };
}

static bool to_integer(const Value *v, int64_t *n)
{
    char *end;

    if (v->kind == VALUE_INT || v->kind == VALUE_BOOL) {
        *n = v->i;
        return true;
    }
    if (v->kind == VALUE_FLOAT && v->d > -0x1p62 && v->d < 0x1p62 &&
        v->d == (double)(int64_t)v->d) {
        *n = (int64_t)v->d;
        return true;
    }
    if (v->kind == VALUE_STR && *v->s) {
        *n = g_ascii_strtoll(v->s, &end, 0);
        return !*end;
    }
    return false;
}

static int64_t integer(Check *c, const char *key, int64_t missing, int64_t min, int64_t max,
                       const char *unit)
{
    Value *v = get(c, key);
    g_autofree char *text = NULL;
    int64_t n;

    if (!v || (v->kind == VALUE_STR && !*v->s)) {
        return missing;
    }
    text = value_repr(v);
    if (!to_integer(v, &n)) {
        ERROR(c, v->pos, "%s=%s is not a whole number; write %s=%" G_GINT64_FORMAT, key, text, key,
              missing < min ? min : missing);
        return missing;
    }
    if (n < min || n > max) {
        ERROR(c, v->pos, "%s=%s is out of range; use %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT
              "%s%s", key, text, min, max, *unit ? " " : "", unit);
        return missing;
    }
    return n;
}

static bool truth(Check *c, const char *key, bool missing)
{
    Value *v = get(c, key);
    int64_t n;

    if (!v || (v->kind == VALUE_STR && !*v->s)) {
        return missing;
    }
    if (v->kind == VALUE_STR && (!strcmp(v->s, "yes") || !strcmp(v->s, "no"))) {
        return *v->s == 'y';
    }
    if (!to_integer(v, &n) || n < 0 || n > 1) {
        g_autofree char *text = value_repr(v);

        ERROR(c, v->pos, "%s=%s is neither 0 nor 1; write %s=1 or %s=0", key, text, key, key);
        return missing;
    }
    return n;
}

static const char *string(Check *c, const char *key, const char *missing)
{
    Value *v = get(c, key);

    if (!v) {
        return missing;
    }
    if (v->kind != VALUE_STR) {
        g_autofree char *text = value_repr(v);

        ERROR(c, v->pos, "%s=%s is %s; write a string: %s='...'", key, text, value_kind_name(v),
              key);
        return missing;
    }
    return v->s;
}

static Action action(Check *c, const char *key, Action missing, unsigned count)
{
    const char *s = string(c, key, NULL);
    g_autofree char *all = NULL;

    if (!s || !*s) {
        return missing;
    }
    for (unsigned i = 0; i < count; i++) {
        if (!strcmp(action_names[i], s)) {
            return i;
        }
    }
    all = g_strjoin(", ", action_names[0], action_names[1], action_names[2], action_names[3],
                    count > 4 ? action_names[4] : NULL, action_names[5], NULL);
    ERROR(c, position(c, key), "%s='%s' is not an action; use %s", key, s, all);
    return missing;
}

/* --- unknown, useless and future keys -------------------------------------------------------- */

static unsigned distance(const char *a, const char *b)
{
    unsigned row[40], la = strlen(a), lb = strlen(b);

    if (la >= G_N_ELEMENTS(row) || lb >= G_N_ELEMENTS(row)) {
        return 99;
    }
    for (unsigned j = 0; j <= lb; j++) {
        row[j] = j;
    }
    for (unsigned i = 1; i <= la; i++) {
        unsigned diagonal = row[0];

        row[0] = i;
        for (unsigned j = 1; j <= lb; j++) {
            unsigned up = row[j], cost = diagonal + (a[i - 1] != b[j - 1]);

            row[j] = MIN(MIN(up, row[j - 1]) + 1, cost);
            diagonal = up;
        }
    }
    return row[lb];
}

static const char *nearest_key(const char *name)
{
    unsigned count, best = 3;
    const SchemaKey *keys = schema_keys(&count);
    const char *found = NULL;

    for (unsigned i = 0; i < count; i++) {
        unsigned n = distance(name, keys[i].name);

        if (n < best && n < strlen(name)) {
            best = n;
            found = keys[i].name;
        }
    }
    return found;
}

static bool switched_on(const Value *v)
{
    static const char *const off[] = { "0", "none", "null", NULL };

    return value_true(v) && !(v->kind == VALUE_STR && g_strv_contains(off, v->s));
}

static void check_kind(Check *c, const ConfigVar *var, const SchemaKey *key)
{
    const Value *v = var->value;
    bool ok = v->kind == VALUE_NONE || v->kind <= VALUE_STR ||
              ((v->kind == VALUE_LIST || v->kind == VALUE_TUPLE) && (key->types & SCHEMA_LIST));

    if (key->types == SCHEMA_LIST && (v->kind == VALUE_STR || v->kind == VALUE_INT) &&
        value_true(v)) {
        ERROR(c, v->pos, "%s is %s; write a list: %s = [ '...' ]", var->name, value_kind_name(v),
              var->name);
    } else if (!ok) {
        ERROR(c, v->pos, "%s is %s; write %s", var->name, value_kind_name(v),
              key->types & SCHEMA_STR ? "a string" : "a number");
    }
}

static void check_keys(Check *c)
{
    for (unsigned i = 0; i < c->config->vars->len; i++) {
        ConfigVar *var = g_ptr_array_index(c->config->vars, i);
        const SchemaKey *key = schema_find(var->name);

        if (!var->value) {
            continue;
        }
        if (key) {
            check_kind(c, var, key);
            if (key->status == KEY_LATER && switched_on(var->value)) {
                WARN(c, var->pos, "%s is ignored: %s not available yet", key->name, key->help);
            }
        } else if (*var->name != '_' && !var->used) {
            const char *near = nearest_key(var->name);

            WARN(c, var->pos, "%s is not a known key and is ignored%s%s%s", var->name,
                 near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
        }
    }
}

/* --- groups of keys -------------------------------------------------------------------------- */

static void check_name(Check *c)
{
    const char *name = string(c, "name", c->facts->default_name), *uuid = string(c, "uuid", NULL);
    SourcePos pos = position(c, "name");

    if (!name || !*name) {
        ERROR(c, pos, "the domain has no name; write name='...'");
        name = "unnamed";
    } else if (strlen(name) > 64 || name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnop"
                                                "qrstuvwxyz0123456789_-.:+")] || *name == '-' ||
               *name == '.') {
        ERROR(c, pos, "name='%s' is not usable; use letters, digits and _-.:+ (at most 64)", name);
    } else if (!name[strspn(name, "0123456789")]) {
        ERROR(c, pos, "name='%s' looks like a domain's number; add a letter", name);
    } else if (c->facts->names && g_hash_table_contains(c->facts->names, name)) {
        ERROR(c, pos, "a domain named '%s' is running already; choose another name, or end it with "
              "'xm destroy %s'", name, name);
    }
    c->d->name = g_strdup(name);
    if (uuid && *uuid && !uuid_valid(uuid)) {
        ERROR(c, position(c, "uuid"), "uuid='%s' is not a UUID; leave it out, or use uuidgen",
              uuid);
    } else if (uuid && *uuid && c->facts->uuids && g_hash_table_contains(c->facts->uuids, uuid)) {
        ERROR(c, position(c, "uuid"), "a domain with uuid %s is running already", uuid);
    }
    c->d->uuid = uuid && *uuid ? g_ascii_strdown(uuid, -1) : g_uuid_string_random();
}

static void check_builder(Check *c)
{
    const char *builder = string(c, "builder", "hvm"), *kernel = string(c, "kernel", "hvmloader");
    const char *loader = string(c, "loader", ""), *dm = string(c, "device_model", "qemu-dm");
    const char *key = *loader ? "loader" : "kernel";
    g_autofree char *dm_base = *dm ? g_path_get_basename(dm) : g_strdup("qemu-dm");

    if (strcmp(builder, "hvm")) {
        ERROR(c, position(c, "builder"), "builder='%s' is not available: only HVM guests run here; "
              "write builder='hvm'", builder);
        return;
    }
    loader = *loader ? loader : *kernel ? kernel : "hvmloader";
    if (strchr(loader, '/')) {
        g_autofree char *base = g_path_get_basename(loader);

        if (access(loader, R_OK) == 0 && !g_file_test(loader, G_FILE_TEST_IS_DIR)) {
            c->d->loader = g_strdup(loader);
        } else if (strcmp(base, "hvmloader")) {
            ERROR(c, position(c, key), "%s='%s' can't be read (%s); write %s='hvmloader'", key,
                  loader, g_file_test(loader, G_FILE_TEST_IS_DIR) ? "it is a directory"
                  : g_strerror(errno), key);
        }
    } else if (strcmp(loader, "hvmloader")) {
        ERROR(c, position(c, key), "%s='%s' is not a loader; write %s='hvmloader'", key, loader,
              key);
    }
    if (strcmp(dm_base, "qemu-dm")) {
        ERROR(c, position(c, "device_model"), "device_model='%s' is unknown; write "
              "device_model='qemu-dm'", dm);
    }
    c->d->device_model = g_strdup("qemu-dm");
}

static void check_cpu(Check *c)
{
    Value *v = get(c, "cpu");
    const char *cpu = "auto";

    if (v && v->kind == VALUE_STR && *v->s) {
        cpu = v->s;
        if (strcmp(cpu, "auto") && strcmp(cpu, "kvm") && strcmp(cpu, "soft") &&
            strcmp(cpu, "interp")) {
            ERROR(c, v->pos, "cpu='%s' is unknown; use auto, kvm, soft or interp", cpu);
        }
    } else if (v && v->kind == VALUE_INT && v->i >= 0) {
        WARN(c, v->pos, "cpu=%d is ignored: host CPUs to run on not available yet", (int)v->i);
    }
    if (!strcmp(cpu, "kvm") && c->facts->check_host && access("/dev/kvm", R_OK | W_OK) != 0) {
        ERROR(c, v->pos, "cpu='kvm': /dev/kvm can't be used (%s); write cpu='auto'",
              g_strerror(errno));
    }
    c->d->cpu = g_strdup(cpu);
}

static void check_cpu_model(Check *c)
{
    const char *name = string(c, "cpu_model", "host");
    g_autoptr(GString) names = g_string_new("host");
    bool known;

    cpu_model_find(name, &known);
    for (unsigned n = 0; cpu_model_nth(n); n++) {
        g_string_append_printf(names, ", %s", cpu_model_nth(n)->name);
    }
    if (!known) {
        ERROR(c, position(c, "cpu_model"), "cpu_model='%s' is unknown; use one of %s", name,
              names->str);
    }
    c->d->cpu_model = g_strdup(*name ? name : "host");
}

static void check_gdb(Check *c)
{
    Value *v = get(c, "gdbserver");
    g_autofree char *text = NULL;

    if (!v || (v->kind == VALUE_STR && !*v->s)) {
        return;
    }
    if (v->kind != VALUE_STR && v->kind != VALUE_INT) {
        ERROR(c, v->pos, "gdbserver= is a port or a string: '127.0.0.1:1234', '/run/guest.gdb'");
        return;
    }
    text = v->kind == VALUE_STR ? g_strdup(v->s) : g_strdup_printf("%" G_GINT64_FORMAT, v->i);
    gdb_parse(&c->d->gdb, &c->d->gdb_arch, text, v->pos, c->messages);
}

static void cpuid_text(Check *c, const char *key, const Value *v, GArray *rules)
{
    g_autofree char *why = NULL;
    SourcePos pos = v->pos;
    unsigned at = 0;

    if (v->kind != VALUE_STR) {
        ERROR(c, pos, "%s holds %s; write strings such as '1:ecx=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx0' "
              "or 'host,avx=0'", key, value_kind_name(v));
    } else if (!cpuid_rules_parse(rules, v->s, &why, &at)) {
        pos.col += pos.col ? 1 + (int)at : 0;
        ERROR(c, pos, "%s='%s': %s", key, v->s, why);
    }
}

/* One string, or a list of them. */
static GArray *cpuid_rules(Check *c, const char *key)
{
    GArray *rules = g_array_new(FALSE, FALSE, sizeof(CpuidRule));
    Value *v = get(c, key);

    if (v && (v->kind == VALUE_LIST || v->kind == VALUE_TUPLE)) {
        for (unsigned i = 0; i < value_len(v); i++) {
            cpuid_text(c, key, value_item(v, i), rules);
        }
    } else if (v && !(v->kind == VALUE_STR && !*v->s)) {
        cpuid_text(c, key, v, rules);
    }
    return rules;
}

static void check_pin(Check *c, const Value *v, unsigned first, unsigned last)
{
    g_autofree char *text = value_text(v), *error = NULL;
    cpu_set_t set;

    if (!*text || !strcmp(text, "all")) {
        return;
    }
    if (!cpuset_parse(text, c->facts->check_host ? cpuset_host() : CPU_SETSIZE, &set, &error)) {
        ERROR(c, v->pos.line ? v->pos : position(c, "cpus"), "cpus: %s", error);
        return;
    }
    for (unsigned i = first; i <= last && i < c->d->vcpus; i++) {
        c->d->pin[i] = g_strdup(text);
    }
}

/* One set for all vCPUs, or a list with one for each. */
static void check_cpus(Check *c)
{
    Value *v = get(c, "cpus");

    if (v && (v->kind == VALUE_LIST || v->kind == VALUE_TUPLE)) {
        for (unsigned i = 0; i < value_len(v); i++) {
            check_pin(c, value_item(v, i), i, i);
        }
    } else if (v) {
        check_pin(c, v, 0, MAX_VCPUS - 1);
    }
}

/* The bits that cpuid_check wants to be 0 or 1 must be so on this host. */
static void check_cpuid_check(Check *c)
{
    g_autoptr(GArray) rules = cpuid_rules(c, "cpuid_check");

    for (unsigned i = 0; c->facts->check_host && i < rules->len; i++) {
        const CpuidRule *r = &g_array_index(rules, CpuidRule, i);
        uint32_t out[4] = { 0 }, sub = r->subleaf == CPUID_ANY_SUBLEAF ? 0 : r->subleaf, wrong;

        if (r->leaf <= __get_cpuid_max(r->leaf & 0x80000000u, NULL)) {
            __cpuid_count(r->leaf, sub, out[0], out[1], out[2], out[3]);
        }
        wrong = (out[r->reg] & r->zero) | (~out[r->reg] & r->one);
        for (unsigned bit = 0; bit < 32; bit++) {
            if (wrong >> bit & 1) {
                ERROR(c, position(c, "cpuid_check"), "cpuid_check: bit %u of leaf %#x e%cx is %u on "
                      "this host", bit, r->leaf, "abcd"[r->reg], out[r->reg] >> bit & 1);
            }
        }
    }
}

static void check_machine(Check *c)
{
    DomainConfig *d = c->d;
    int64_t all, mask, most;

    d->memory = integer(c, "memory", 128, MIN_MEMORY_MB, MAX_MEMORY_MB, "MiB");
    d->max_memory = integer(c, "maxmem", d->memory, 0, MAX_MEMORY_MB, "MiB");
    d->max_memory = MAX(d->max_memory, d->memory);
    if (c->facts->check_host && c->facts->free_memory && d->memory > c->facts->free_memory) {
        ERROR(c, position(c, "memory"), "memory=%u: not enough memory on this host, %"
              G_GUINT64_FORMAT " MiB are free; use less, or end other domains", d->memory,
              c->facts->free_memory);
    }
    d->vcpus = integer(c, "vcpus", 1, 1, MAX_VCPUS, "");
    most = integer(c, "maxvcpus", d->vcpus, 1, MAX_VCPUS, "");
    d->vcpus = MAX(d->vcpus, most);
    all = d->vcpus >= 63 ? G_MAXINT64 : (INT64_C(1) << d->vcpus) - 1;
    mask = integer(c, "vcpu_avail", all, 0, G_MAXINT64, "");
    if (mask && !(mask & 1)) {
        ERROR(c, position(c, "vcpu_avail"), "vcpu_avail turns processor 0 off; set its lowest bit");
    }
    d->vcpu_avail = (uint64_t)(mask ? mask & all : all);
    check_cpus(c);
    d->pae = truth(c, "pae", true);
    d->acpi = truth(c, "acpi", true);
    d->apic = truth(c, "apic", true);
    d->hpet = truth(c, "hpet", false);
    d->localtime = truth(c, "localtime", false);
    d->timer_mode = integer(c, "timer_mode", 1, 0, 3, "");
    d->tsc_mode = integer(c, "tsc_mode", 0, 0, 3, "");
    d->rtc_offset = integer(c, "rtc_timeoffset", 0, -G_MAXINT32 * INT64_C(64),
                            G_MAXINT32 * INT64_C(64), "seconds");
    d->on_poweroff = action(c, "on_poweroff", ACTION_DESTROY, 4);
    d->on_reboot = action(c, "on_reboot", ACTION_RESTART, 4);
    d->on_crash = action(c, "on_crash", ACTION_RESTART, 6);
    check_cpu(c);
    check_cpu_model(c);
    check_gdb(c);
    d->cpuid = cpuid_rules(c, "cpuid");
    check_cpuid_check(c);
}

static void check_boot(Check *c)
{
    const char *boot = string(c, "boot", "c");

    if (!*boot) {
        boot = "c";
    }
    for (const char *p = boot; *p; p++) {
        if (!strchr("acdn", *p)) {
            ERROR(c, position(c, "boot"), "boot='%s': '%c' is not a device; use the letters a "
                  "(floppy), c (disk), d (CD-ROM), n (network)", boot, *p);
            break;
        }
        if (strchr(p + 1, *p)) {
            ERROR(c, position(c, "boot"), "boot='%s' names '%c' twice; name each device once", boot,
                  *p);
            break;
        }
    }
    c->d->boot = g_strdup(boot);
}

static void check_serial_port(Check *c, const Value *v)
{
    SourcePos pos = v->pos;
    const char *s = v->kind == VALUE_STR ? v->s : "";

    if (v->kind != VALUE_STR) {
        ERROR(c, pos, "a serial port is %s; write serial='pty'", value_kind_name(v));
        return;
    }
    if (!*s) {
        return;
    }
    if (c->d->serials == MAX_SERIAL_PORTS) {
        ERROR(c, pos, "the machine has only %d serial ports; remove one", MAX_SERIAL_PORTS);
        return;
    }
    line_parse(&c->d->serial[c->d->serials++], "serial", s, pos, c->messages);
}

static void check_serial(Check *c)
{
    Value *v = get(c, "serial");

    if (v && (v->kind == VALUE_LIST || v->kind == VALUE_TUPLE)) {
        for (unsigned i = 0; i < value_len(v); i++) {
            check_serial_port(c, value_item(v, i));
        }
    } else if (v) {
        check_serial_port(c, v);
    }
}

static void check_parallel(Check *c)
{
    const char *text = string(c, "parallel", "");

    if (*text && strcmp(text, "none")) {
        c->d->has_parallel = line_parse(&c->d->parallel, "parallel", text, position(c, "parallel"),
                                        c->messages);
    }
}

static void check_sound(Check *c)
{
    const char *cards = string(c, "soundhw", ""), *audio = string(c, "audio", "");

    c->d->sound_cards = sound_parse(cards, position(c, "soundhw"), c->messages);
    audio_parse(&c->d->audio, audio, position(c, "audio"), c->messages);
    c->d->audio.sdl |= c->d->sdl && !*audio && *c->d->sound_cards;
}

/* Never behind a display: whoever looks at the screen would have it. */
static void check_monitor(Check *c)
{
    Value *v = get(c, "monitor");
    const char *path = string(c, "monitor_path", "");

    if (v && v->kind == VALUE_STR && strcmp(v->s, "pty") && strcmp(v->s, "vc")) {
        c->d->monitor = *v->s && strcmp(v->s, "0") && strcmp(v->s, "no");
    } else {
        c->d->monitor = v && value_true(v);
    }
    if ((v && v->kind == VALUE_STR && !strcmp(v->s, "vc")) || !strcmp(path, "vc")) {
        WARN(c, position(c, *path ? "monitor_path" : "monitor"),
             "the monitor is not behind the display; it is on a terminal (xm monitor)");
    } else if (*path && strcmp(path, "pty")) {
        ERROR(c, position(c, "monitor_path"), "monitor_path='%s' is not available; use pty", path);
    }
    c->d->monitor |= *path != 0;
}

static void check_keymap(Check *c)
{
    const char *keymap = string(c, "keymap", c->facts->keymap ? c->facts->keymap : "en-us");

    if (!*keymap) {
        keymap = "en-us";
    }
    if (strlen(keymap) > 32 || keymap[strspn(keymap, "abcdefghijklmnopqrstuvwxyz"
                                             "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")]) {
        ERROR(c, position(c, "keymap"), "keymap='%s' is not a keyboard layout; write for example "
              "keymap='en-us'", keymap);
    }
    c->d->keymap = g_strdup(keymap);
}

/* vfb=['vnc=1,vncdisplay=3']: the same keys, in another dress. */
static void check_vfb(Check *c)
{
    Value *v = get(c, "vfb");
    unsigned n = v && (v->kind == VALUE_LIST || v->kind == VALUE_TUPLE) ? value_len(v) : 0;

    if (n > 1) {
        ERROR(c, value_item(v, 1)->pos, "a domain has one display; remove this vfb entry");
    }
    for (unsigned i = 0; i < MIN(n, 1); i++) {
        Value *item = value_item(v, i);
        g_auto(GStrv) parts = g_strsplit(item->kind == VALUE_STR ? item->s : "", ",", -1);

        for (char **p = parts; *p; p++) {
            char *value = strchr(g_strstrip(*p), '=');

            if (!**p) {
                continue;
            }
            if (value) {
                *value++ = 0;
            }
            g_strstrip(*p);
            if (!value || (strcmp(*p, "type") && strcmp(*p, "videoram") && !schema_find(*p))) {
                ERROR(c, item->pos, "vfb entry '%s' is unknown; write for example "
                      "'vnc=1,vncdisplay=3'", *p);
            } else if (!strcmp(*p, "type")) {
                config_set((Config *)c->config, !strcmp(value, "sdl") ? "sdl" : "vnc",
                           value_at(value_int(1), item->pos), item->pos);
            } else {
                config_set((Config *)c->config, *p, value_at(value_str(g_strstrip(value)),
                                                             item->pos), item->pos);
            }
        }
    }
}

static void check_vnc_port(Check *c)
{
    DomainConfig *d = c->d;
    SourcePos pos = position(c, "vncdisplay");
    int fd;

    if (!d->vnc || !c->facts->check_host) {
        return;
    }
    if (d->vnc_display >= 0 && !d->vnc_unused) {
        fd = vnc_try_listen(d->vnc_listen, 5900 + d->vnc_display);
        if (fd >= 0) {
            close(fd);
        } else if (errno == EADDRINUSE) {
            ERROR(c, pos, "vncdisplay=%d: the display is busy (port %d is in use); choose another, "
                  "or write vncunused=1", d->vnc_display, 5900 + d->vnc_display);
        } else {
            ERROR(c, position(c, "vnclisten"), "vnclisten='%s': port %d can't be opened (%s)",
                  d->vnc_listen, 5900 + d->vnc_display, g_strerror(errno));
        }
    }
}

static void check_display(Check *c)
{
    DomainConfig *d = c->d;
    const char *listen_on, *password;
    uint8_t address[16];
    Value *full = get(c, "full-screen");

    check_vfb(c);
    d->sdl = truth(c, "sdl", false);
    d->vnc = truth(c, "vnc", !d->sdl);
    d->vnc_unused = truth(c, "vncunused", true);
    d->vnc_display = integer(c, "vncdisplay", -1, 0, 65535 - 5900, "");
    d->full_screen = truth(c, full ? "full-screen" : get(c, "full_screen") ? "full_screen"
                           : "fullscreen", false);
    d->nographic = truth(c, "nographic", false);
    if (d->nographic) {
        d->sdl = d->vnc = false;
    }
    listen_on = string(c, "vnclisten", c->facts->vnc_listen ? c->facts->vnc_listen : "127.0.0.1");
    listen_on = *listen_on ? listen_on : "127.0.0.1";
    if (inet_pton(AF_INET, listen_on, address) != 1 &&
        inet_pton(AF_INET6, listen_on, address) != 1) {
        ERROR(c, position(c, "vnclisten"), "vnclisten='%s' is not an IP address; write 127.0.0.1, "
              "or 0.0.0.0 for all", listen_on);
        listen_on = "127.0.0.1";
    }
    d->vnc_listen = g_strdup(listen_on);
    password = string(c, "vncpasswd", c->facts->vnc_password ? c->facts->vnc_password : "");
    if (strlen(password) > 8) {
        WARN(c, position(c, "vncpasswd"), "vncpasswd has more than 8 characters; VNC uses the "
             "first 8 only");
    }
    d->vnc_password = *password ? g_strndup(password, 8) : NULL;
    check_vnc_port(c);
    check_keymap(c);
    d->std_vga = truth(c, "stdvga", false);
    d->video_ram = integer(c, "videoram", 8, 1, 256, "MiB");
    if (d->video_ram & (d->video_ram - 1)) {
        unsigned up = 1;

        while (up < d->video_ram) {
            up <<= 1;
        }
        d->video_ram = up;
    }
    d->video_ram = MAX(d->video_ram, 4);
    d->display = *string(c, "display", "") ? g_strdup(string(c, "display", "")) : NULL;
    d->xauthority = *string(c, "xauthority", "") ? g_strdup(string(c, "xauthority", "")) : NULL;
    if (d->sdl && c->facts->check_host && !d->display && !getenv("DISPLAY") &&
        !getenv("WAYLAND_DISPLAY") &&
        !getenv("SDL_VIDEODRIVER")) {
        ERROR(c, position(c, "sdl"), "sdl=1 needs a screen, and DISPLAY is not set; write sdl=0, "
              "vnc=1");
    }
}

static void check_disk_errors(Check *c)
{
    static const char *const names[] = { "report", "pause", "stop" };
    const char *text = string(c, "on_disk_error", "report");

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        if (!*text || !strcmp(text, names[i])) {
            c->d->on_disk_error = *text ? i : DISK_ERRORS_REPORT;
            return;
        }
    }
    ERROR(c, position(c, "on_disk_error"), "on_disk_error='%s' is unknown; use report (the guest "
          "sees an error), pause (until xm unpause) or stop (as a crash)", text);
}

static void check_platform(Check *c)
{
    c->d->boot_menu = (unsigned)integer(c, "boot_menu", 0, 0, 60, "seconds");
    c->d->pvpanic = truth(c, "pvpanic", false);
    c->d->watchdog = g_strdup(string(c, "watchdog", ""));
    if (*c->d->watchdog && strcmp(c->d->watchdog, "i6300esb")) {
        ERROR(c, position(c, "watchdog"), "watchdog='%s' is unknown; use i6300esb", c->d->watchdog);
    }
}

static void check_disk(Check *c, const char *spec, SourcePos pos)
{
    DiskConfig *d = &c->d->disk[c->d->disks];
    bool ok;

    if (c->d->disks == MAX_DISKS) {
        ERROR(c, pos, "too many disks; the machine has hda to hdd, fda and fdb");
        return;
    }
    ok = disk_parse(d, spec, pos, c->messages);
    for (unsigned j = 0; d->dev && j < c->d->disks; j++) {
        DiskConfig *other = &c->d->disk[j];

        if (!g_strcmp0(other->dev, d->dev)) {
            ERROR(c, pos, "device %s is used twice; choose another", d->dev);
            ok = false;
        }
        if (ok && *d->path && !g_strcmp0(other->path, d->path) &&
            (other->writable || d->writable) && !(other->shared && d->shared)) {
            ERROR(c, pos, "image %s is used twice and writable; remove one entry", d->path);
            ok = false;
        }
    }
    if (ok && c->facts->check_host) {
        disk_check_image(d, c->messages);
    }
    c->d->disks++;
}

/* fda='PATH': writable if it is for this user, as the device model of Xen 4.1 does it. */
static void check_floppies(Check *c)
{
    static const char *const keys[] = { "fda", "fdb" };

    for (unsigned i = 0; i < G_N_ELEMENTS(keys); i++) {
        const char *path = string(c, keys[i], "");

        if (*path) {
            g_autofree char *spec = g_strdup_printf("file:%s,%s,%s", path, keys[i],
                                                    access(path, W_OK) ? "r" : "w");

            if (strchr(path, ',')) {
                ERROR(c, position(c, keys[i]), "%s: a path with a comma can't be used", path);
            } else {
                check_disk(c, spec, position(c, keys[i]));
            }
        }
    }
}

static void check_disks(Check *c)
{
    Value *list = get(c, "disk");
    unsigned n = list && list->kind != VALUE_STR ? value_len(list) : 0;

    for (unsigned i = 0; i < n; i++) {
        Value *v = value_item(list, i);

        if (v->kind != VALUE_STR) {
            ERROR(c, v->pos, "a disk is %s; write 'file:PATH,hda,w'", value_kind_name(v));
            continue;
        }
        check_disk(c, v->s, v->pos);
    }
    check_floppies(c);
}

/* Jumpers that the config leaves open: as Xen's device model sets them, but not on IDE's ports. */
static void choose_jumpers(Check *c, VifConfig *vif, unsigned nth)
{
    static const uint16_t base[] = { 0x300, 0x320, 0x340, 0x280, 0x380, 0x2a0 };
    static const uint8_t irq[] = { 9, 10, 11, 3, 4, 5 };

    if (nth >= G_N_ELEMENTS(base) && !(vif->iobase && vif->irq)) {
        ERROR(c, vif->pos, "the %uth ne2k_isa has no jumper setting left; give it iobase= and irq=",
              nth + 1);
        return;
    }
    vif->iobase = vif->iobase ? vif->iobase : base[nth];
    vif->irq = vif->irq ? vif->irq : irq[nth];
    for (unsigned i = 0; i < c->d->vifs; i++) {
        if (c->d->vif[i].iobase == vif->iobase) {
            ERROR(c, vif->pos, "two network cards are at iobase 0x%x; change one", vif->iobase);
        }
    }
}

/* The mac must differ from those of the cards before, given or chosen. */
static void check_mac(Check *c, VifConfig *vif)
{
    unsigned index = c->d->vifs;

    for (unsigned attempt = 0; attempt < 2 * MAX_VIFS; attempt++) {
        bool taken = false;

        if (vif->random_mac) {
            vif_choose_mac(vif, c->d->name ? c->d->name : "", index, attempt);
        }
        for (unsigned j = 0; j < index; j++) {
            taken |= !memcmp(c->d->vif[j].mac, vif->mac, 6);
        }
        if (!taken) {
            return;
        }
        if (!vif->random_mac) {
            break;
        }
    }
    ERROR(c, vif->pos, "mac %s is used twice; change one", vif->mac_text);
}

/* hostfwd, tftp, bootfile outside of vif: the first card's. */
static void apply_network_keys(Check *c)
{
    static const char *const names[] = { "hostfwd", "tftp", "bootfile" };
    VifConfig *vif = &c->d->vif[0];
    Value *v;

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        if ((v = get(c, names[i])) && c->d->vifs == 0) {
            ERROR(c, v->pos, "%s needs a network card; write vif=['type=ioemu']", names[i]);
            return;
        }
    }
    if ((v = get(c, "tftp")) && v->kind == VALUE_STR && !vif->tftp) {
        vif->tftp = g_strdup(v->s);
    }
    if ((v = get(c, "bootfile")) && v->kind == VALUE_STR && !vif->bootfile) {
        vif->bootfile = g_strdup(v->s);
    }
    v = get(c, "hostfwd");
    for (unsigned i = 0, n = !v ? 0 : v->kind == VALUE_STR ? 1 : value_len(v); i < n; i++) {
        Value *item = v->kind == VALUE_STR ? v : value_item(v, i);
        g_autofree char *fault = item->kind == VALUE_STR ? hostfwd_fault(item->s)
                                 : g_strdup_printf("it is %s", value_kind_name(item));
        guint had = g_strv_length(vif->hostfwd);

        if (fault) {
            ERROR(c, item->pos, "hostfwd '%s': %s; write for example tcp:127.0.0.1:2222-:22",
                  item->kind == VALUE_STR ? item->s : "", fault);
            continue;
        }
        vif->hostfwd = g_renew(char *, vif->hostfwd, had + 2);
        vif->hostfwd[had] = g_strdup(item->s);
        vif->hostfwd[had + 1] = NULL;
    }
}

static void check_user_network(Check *c, const VifConfig *vif)
{
    if (vif->bootfile && !vif->tftp) {
        ERROR(c, vif->pos, "bootfile '%s' needs a folder to be in; add tftp=/PATH", vif->bootfile);
    }
    if (vif->tftp && !g_path_is_absolute(vif->tftp)) {
        ERROR(c, vif->pos, "tftp '%s' is no absolute path", vif->tftp);
    } else if (vif->tftp && c->facts && c->facts->check_host && access(vif->tftp, R_OK | X_OK) != 0) {
        ERROR(c, vif->pos, "tftp folder %s can't be read (%s)", vif->tftp, g_strerror(errno));
    } else if (vif->tftp && c->facts && c->facts->check_host &&
               !g_file_test(vif->tftp, G_FILE_TEST_IS_DIR)) {
        ERROR(c, vif->pos, "tftp %s is no folder", vif->tftp);
    }
    for (char **f = vif->hostfwd; f && *f && c->facts && c->facts->check_host; f++) {
        if (hostfwd_busy(*f)) {
            ERROR(c, vif->pos, "hostfwd '%s': another program has this port of the host; choose "
                  "another", *f);
        }
    }
}

static void check_vifs(Check *c)
{
    Value *list = get(c, "vif");
    unsigned n = list && list->kind != VALUE_STR ? value_len(list) : 0, isa = 0;

    for (unsigned i = 0; i < n; i++) {
        Value *v = value_item(list, i);
        VifConfig *vif = &c->d->vif[c->d->vifs];

        if (v->kind != VALUE_STR) {
            ERROR(c, v->pos, "a vif is %s; write 'type=ioemu, bridge=xenbr0'", value_kind_name(v));
            continue;
        }
        if (c->d->vifs == MAX_VIFS) {
            ERROR(c, v->pos, "too many network cards; at most %d", MAX_VIFS);
            return;
        }
        vif_parse(vif, v->s, v->pos, c->messages);
        check_mac(c, vif);
        if (!strcmp(vif->model, "ne2k_isa")) {
            choose_jumpers(c, vif, isa++);
        }
        c->d->vifs++;
    }
    apply_network_keys(c);
    for (unsigned i = 0; i < c->d->vifs; i++) {
        check_user_network(c, &c->d->vif[i]);
    }
}

static void check_usb_device(Check *c, const Value *v)
{
    DomainConfig *d = c->d;

    if (v->kind != VALUE_STR) {
        ERROR(c, v->pos, "a usbdevice is %s; write usbdevice='tablet'", value_kind_name(v));
    } else if (d->usb_devices == MAX_USB_DEVICES) {
        ERROR(c, v->pos, "too many USB devices; at most %d", MAX_USB_DEVICES);
    } else if (*v->s) {
        UsbConfig *u = &d->usb_device[d->usb_devices++];

        if (usb_parse(u, v->s, v->pos, c->messages) && c->facts->check_host) {
            usb_check_host(u, c->messages);
        }
    }
}

/* As with Xen, naming a device turns the controller on. */
static void check_usb(Check *c)
{
    Value *v = get(c, "usbdevice");

    if (v && (v->kind == VALUE_LIST || v->kind == VALUE_TUPLE)) {
        for (unsigned i = 0; i < value_len(v); i++) {
            check_usb_device(c, value_item(v, i));
        }
    } else if (v) {
        check_usb_device(c, v);
    }
    c->d->usb = truth(c, "usb", false) || c->d->usb_devices;
}

DomainConfig *domain_config_check(const Config *config, const HostFacts *facts, Messages *messages)
{
    Check c = { config, facts, messages, g_new0(DomainConfig, 1) };

    check_keys(&c);
    check_name(&c);
    check_builder(&c);
    check_machine(&c);
    check_boot(&c);
    check_serial(&c);
    check_parallel(&c);
    check_display(&c);
    check_sound(&c);
    check_monitor(&c);
    check_disks(&c);
    check_platform(&c);
    check_disk_errors(&c);
    check_vifs(&c);
    check_usb(&c);
    messages_sort(messages);
    return c.d;
}

void domain_config_free(DomainConfig *d)
{
    char **const strings[] = { &d->name, &d->uuid, &d->loader, &d->boot, &d->keymap, &d->cpu,
                               &d->device_model, &d->vnc_listen, &d->vnc_password, &d->display,
                               &d->xauthority, &d->watchdog, &d->sound_cards, &d->audio.wav, &d->cpu_model,
                               &d->gdb_arch };

    for (unsigned i = 0; i < G_N_ELEMENTS(strings); i++) {
        g_free(*strings[i]);
    }
    for (unsigned i = 0; i < MAX_VCPUS; i++) {
        g_free(d->pin[i]);
    }
    line_clear(&d->parallel);
    line_clear(&d->gdb);
    for (unsigned i = 0; i < d->serials; i++) {
        line_clear(&d->serial[i]);
    }
    for (unsigned i = 0; i < MAX_DISKS; i++) {
        disk_clear(&d->disk[i]);
    }
    g_clear_pointer(&d->cpuid, g_array_unref);
    for (unsigned i = 0; i < MAX_VIFS; i++) {
        vif_clear(&d->vif[i]);
    }
    for (unsigned i = 0; i < MAX_USB_DEVICES; i++) {
        usb_clear(&d->usb_device[i]);
    }
    g_free(d);
}
