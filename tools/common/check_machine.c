/* SPDX-License-Identifier: GPL-2.0-or-later */
/* check_machine.c - memory, processors, clocks, what happens at the end. */
#include "tools/common/check.h"

#include <cpuid.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "lib/cpu_models.h"
#include "lib/cpuid_rules.h"
#include "tools/common/cpuset.h"

#define MAX_MEMORY_MB (1 << 20)
#define MIN_MEMORY_MB 8         /* hvmloader's own tables and SeaBIOS need this much */

static void check_cpu(Check *c)
{
    Value *v = check_value(c, "cpu");
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
    const char *name = check_string(c, "cpu_model", "host");
    g_autoptr(GString) names = g_string_new("host");
    bool known;

    cpu_model_find(name, &known);
    for (unsigned n = 0; cpu_model_nth(n); n++) {
        g_string_append_printf(names, ", %s", cpu_model_nth(n)->name);
    }
    if (!known) {
        ERROR(c, check_position(c, "cpu_model"), "cpu_model='%s' is unknown; use one of %s", name,
              names->str);
    }
    c->d->cpu_model = g_strdup(*name ? name : "host");
}

static void check_gdb(Check *c)
{
    Value *v = check_value(c, "gdbserver");
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
    Value *v = check_value(c, key);

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
        ERROR(c, v->pos.line ? v->pos : check_position(c, "cpus"), "cpus: %s", error);
        return;
    }
    for (unsigned i = first; i <= last && i < c->d->vcpus; i++) {
        c->d->pin[i] = g_strdup(text);
    }
}

/* One set for all vCPUs, or a list with one for each. */
static void check_cpus(Check *c)
{
    Value *v = check_value(c, "cpus");

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
                ERROR(c, check_position(c, "cpuid_check"), "cpuid_check: bit %u of leaf %#x e%cx is %u on "
                      "this host", bit, r->leaf, "abcd"[r->reg], out[r->reg] >> bit & 1);
            }
        }
    }
}

void check_machine(Check *c)
{
    DomainConfig *d = c->d;
    int64_t all, mask, most;

    d->memory = check_integer(c, "memory", 128, MIN_MEMORY_MB, MAX_MEMORY_MB, "MiB");
    d->max_memory = check_integer(c, "maxmem", d->memory, 0, MAX_MEMORY_MB, "MiB");
    d->max_memory = MAX(d->max_memory, d->memory);
    if (c->facts->check_host && c->facts->free_memory && d->memory > c->facts->free_memory) {
        ERROR(c, check_position(c, "memory"), "memory=%u: not enough memory on this host, %"
              G_GUINT64_FORMAT " MiB are free; use less, or end other domains", d->memory,
              c->facts->free_memory);
    }
    d->vcpus = check_integer(c, "vcpus", 1, 1, MAX_VCPUS, "");
    most = check_integer(c, "maxvcpus", d->vcpus, 1, MAX_VCPUS, "");
    d->vcpus = MAX(d->vcpus, most);
    all = d->vcpus >= 63 ? G_MAXINT64 : (INT64_C(1) << d->vcpus) - 1;
    mask = check_integer(c, "vcpu_avail", all, 0, G_MAXINT64, "");
    if (mask && !(mask & 1)) {
        ERROR(c, check_position(c, "vcpu_avail"), "vcpu_avail turns processor 0 off; set its lowest bit");
    }
    d->vcpu_avail = (uint64_t)(mask ? mask & all : all);
    check_cpus(c);
    d->pae = check_truth(c, "pae", true);
    d->acpi = check_truth(c, "acpi", true);
    d->apic = check_truth(c, "apic", true);
    d->hpet = check_truth(c, "hpet", false);
    d->localtime = check_truth(c, "localtime", false);
    d->timer_mode = check_integer(c, "timer_mode", 1, 0, 3, "");
    d->code_memory = check_integer(c, "code_memory", 64, 16, 128, "MiB");
    d->tsc_mode = check_integer(c, "tsc_mode", 0, 0, 3, "");
    d->rtc_offset = check_integer(c, "rtc_timeoffset", 0, -G_MAXINT32 * INT64_C(64),
                            G_MAXINT32 * INT64_C(64), "seconds");
    d->on_poweroff = check_action(c, "on_poweroff", ACTION_DESTROY, 4);
    d->on_reboot = check_action(c, "on_reboot", ACTION_RESTART, 4);
    d->on_crash = check_action(c, "on_crash", ACTION_RESTART, 6);
    check_cpu(c);
    check_cpu_model(c);
    check_gdb(c);
    d->cpuid = cpuid_rules(c, "cpuid");
    check_cpuid_check(c);
}
