/* SPDX-License-Identifier: GPL-2.0-or-later */
/* options.c - command line of the hypervisor program, with GLib's parser. */
#include "hypervisor/options.h"

#include <stdio.h>
#include <string.h>
#include "include/dm_proto.h"

#define MEMORY_MIN_MB 8
#define MEMORY_MAX_MB (1 << 20)

typedef struct Raw {
    char *cpu, *uuid, *avail, *model;
    char **cpuid;
    int domid, memory, max_memory, video, vcpus, hpet, acpi, apic, pae, viridian, timer_mode;
    int tsc_mode;
    int code_memory;            /* MiB */
    gint64 rtc_offset;
    gboolean paused, verbose;
} Raw;

static bool bad(GError **error, const char *what)
{
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "%s", what);
    return false;
}

static bool parse_uuid(const char *text, uint8_t out[16])
{
    unsigned n = 0;

    for (const char *p = text; *p; p++) {
        int high, low;

        if (*p == '-') {
            continue;
        }
        high = g_ascii_xdigit_value(p[0]);
        low = high < 0 ? -1 : g_ascii_xdigit_value(p[1]);
        if (low < 0 || n == 16) {
            return false;
        }
        out[n++] = high << 4 | low;
        p++;
    }
    return n == 16;
}

/* 64 bits, in decimal or with 0x; none or 0: all. */
static bool take_mask(const char *text, uint64_t *mask)
{
    char *end = NULL;

    *mask = text ? g_ascii_strtoull(text, &end, 0) : 0;
    if (text && (*text == '-' || end == text || *end)) {
        return false;
    }
    if (*mask == 0) {
        *mask = UINT64_MAX;
    }
    return true;
}

static bool take_cpuid(Options *o, const Raw *r, GError **error)
{
    bool known;

    o->cpu_model = cpu_model_find(r->model, &known);
    if (!known) {
        return bad(error, "--cpu-model is unknown");
    }
    o->cpuid = g_array_new(FALSE, FALSE, sizeof(CpuidRule));
    for (char **text = r->cpuid; text && *text; text++) {
        g_autofree char *why = NULL;
        unsigned at;

        if (!cpuid_rules_parse(o->cpuid, *text, &why, &at)) {
            g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--cpuid: %s", why);
            return false;
        }
    }
    return true;
}

static bool take(Options *o, const Raw *r, GError **error)
{
    static const char *const cpus[] = { "auto", "kvm", "soft", "interp" };
    unsigned cpu = 0;

    while (cpu < G_N_ELEMENTS(cpus) && r->cpu && strcmp(r->cpu, cpus[cpu])) {
        cpu++;
    }
    if (cpu == G_N_ELEMENTS(cpus)) {
        return bad(error, "--cpu must be auto, kvm, soft or interp");
    }
    if (r->memory < MEMORY_MIN_MB || r->memory > MEMORY_MAX_MB) {
        return bad(error, "--memory must be at least 8 and at most 1048576 (MiB)");
    }
    if (r->vcpus < 1 || r->vcpus > DM_MAX_VCPUS) {
        return bad(error, "--vcpus must be 1 to 128");
    }
    if (r->domid < 1 || r->domid >= 0x7ff0) {
        return bad(error, "--domid must be 1 to 32751");
    }
    if (r->timer_mode < 0 || r->timer_mode > 3 || r->tsc_mode < 0 || r->tsc_mode > 3) {
        return bad(error, "--timer-mode and --tsc-mode must be 0 to 3");
    }
    if (r->code_memory < CODE_MEMORY_MIN_MB || r->code_memory > CODE_MEMORY_MAX_MB) {
        return bad(error, "--code-memory must be 16 to 128 (MiB)");
    }
    if (r->viridian) {
        return bad(error, "--viridian 1 is not offered");
    }
    if (r->uuid && !parse_uuid(r->uuid, o->uuid)) {
        return bad(error, "--uuid must be 32 hexadecimal digits");
    }
    if (!take_mask(r->avail, &o->vcpu_avail)) {
        return bad(error, "--vcpu-avail must be a number with a bit for each processor");
    }
    if (!take_cpuid(o, r, error)) {
        return false;
    }
    o->cpu = (CpuChoice)cpu;
    o->domid = r->domid;
    o->memory_mb = r->memory;
    o->max_memory_mb = MAX(r->max_memory, r->memory);
    o->video_mb = r->video;
    o->vcpus = r->vcpus;
    o->hpet = r->hpet;
    o->acpi = r->acpi;
    o->apic = r->apic;
    o->pae = r->pae;
    o->timer_mode = r->timer_mode;
    o->tsc_mode = r->tsc_mode;
    o->code_memory_mb = r->code_memory;
    o->rtc_offset = r->rtc_offset;
    o->paused = r->paused;
    o->verbose = r->verbose;
    if (!o->gdb_arch) {
        o->gdb_arch = g_strdup("auto");
    }
    if (!o->name) {
        o->name = g_strdup_printf("domain %d", r->domid);
    }
    return true;
}

bool options_parse(Options *o, int argc, char **argv, bool *help, GError **error)
{
    Raw r = { .domid = 1, .memory = 128, .vcpus = 1, .hpet = 1, .acpi = 1, .apic = 1, .pae = 1,
              .timer_mode = 1, .code_memory = 64 };
    bool ok;
    g_autoptr(GOptionContext) context = g_option_context_new("- runs one domain's virtual CPUs");
    const GOptionEntry entries[] = {
        { "name", 0, 0, G_OPTION_ARG_STRING, &o->name, "name of the domain", "NAME" },
        { "domid", 0, 0, G_OPTION_ARG_INT, &r.domid, "its number [1]", "N" },
        { "memory", 0, 0, G_OPTION_ARG_INT, &r.memory, "RAM in MiB [128]", "MIB" },
        { "max-memory", 0, 0, G_OPTION_ARG_INT, &r.max_memory, "most it may balloon to", "MIB" },
        { "video-ram", 0, 0, G_OPTION_ARG_INT, &r.video, "the device model's, for information",
          "MIB" },
        { "vcpus", 0, 0, G_OPTION_ARG_INT, &r.vcpus, "virtual CPUs [1]", "N" },
        { "vcpu-avail", 0, 0, G_OPTION_ARG_STRING, &r.avail, "bit mask of those online at start",
          "MASK" },
        { "cpu", 0, 0, G_OPTION_ARG_STRING, &r.cpu, "auto, kvm, soft or interp [auto]", "ENGINE" },
        { "cpu-model", 0, 0, G_OPTION_ARG_STRING, &r.model, "what CPUID shows at most [host]",
          "MODEL" },
        { "cpuid", 0, 0, G_OPTION_ARG_STRING_ARRAY, &r.cpuid, "bits of CPUID, as in a config",
          "RULE" },
        { "hpet", 0, 0, G_OPTION_ARG_INT, &r.hpet, "offer an HPET [1]", "0|1" },
        { "acpi", 0, 0, G_OPTION_ARG_INT, &r.acpi, "offer ACPI [1]", "0|1" },
        { "apic", 0, 0, G_OPTION_ARG_INT, &r.apic, "announce the APICs [1]", "0|1" },
        { "pae", 0, 0, G_OPTION_ARG_INT, &r.pae, "offer PAE [1]", "0|1" },
        { "viridian", 0, 0, G_OPTION_ARG_INT, &r.viridian, "must be 0", "0" },
        { "timer-mode", 0, 0, G_OPTION_ARG_INT, &r.timer_mode, "missed ticks, as Xen's [1]", "N" },
        { "code-memory", 0, 0, G_OPTION_ARG_INT, &r.code_memory, "for translated code [64]", "MIB" },
        { "tsc-mode", 0, 0, G_OPTION_ARG_INT, &r.tsc_mode, "as Xen's [0]", "N" },
        { "rtc-offset", 0, 0, G_OPTION_ARG_INT64, &r.rtc_offset, "RTC minus UTC", "SECONDS" },
        { "uuid", 0, 0, G_OPTION_ARG_STRING, &r.uuid, "the domain's", "UUID" },
        { "paused", 0, 0, G_OPTION_ARG_NONE, &r.paused, "stay paused until told", NULL },
        { "verbose", 0, 0, G_OPTION_ARG_NONE, &r.verbose, "log debug lines", NULL },
        { "control-fd", 0, 0, G_OPTION_ARG_INT, &o->control_fd, "ctl_proto.h socket", "FD" },
        { "dm-fd", 0, 0, G_OPTION_ARG_INT, &o->dm_fd, "dm_proto.h socket", "FD" },
        { "xenstore-fd", 0, 0, G_OPTION_ARG_INT, &o->store_fd, "xenstore stream socket", "FD" },
        { "console-fd", 0, 0, G_OPTION_ARG_INT, &o->console_fd, "console stream", "FD" },
        { "loader-fd", 0, 0, G_OPTION_ARG_INT, &o->loader_fd, "hvmloader, an ELF file", "FD" },
        { "firmware-fd", 0, 0, G_OPTION_ARG_INT, &o->firmware_fd, "BIOS image", "FD" },
        { "kvm-fd", 0, 0, G_OPTION_ARG_INT, &o->kvm_fd, "/dev/kvm, opened", "FD" },
        { "gdb-fd", 0, 0, G_OPTION_ARG_INT, &o->gdb_fd, "listening socket for gdb", "FD" },
        { "gdb-arch", 0, 0, G_OPTION_ARG_STRING, &o->gdb_arch,
          "what gdb is told: auto, i8086, i386 or x86-64 [auto]", "ARCH" },
        { "log-fd", 0, 0, G_OPTION_ARG_INT, &o->log_fd, "where log lines go [stderr]", "FD" },
        G_OPTION_ENTRY_NULL
    };

    *o = (Options){ .gdb_fd = -1, .control_fd = -1, .dm_fd = -1, .store_fd = -1, .console_fd = -1,
                    .loader_fd = -1, .firmware_fd = -1, .kvm_fd = -1, .log_fd = -1 };
    g_set_prgname("hypervisor");
    g_option_context_set_help_enabled(context, FALSE);
    *help = false;
    for (int i = 1; i < argc; i++) {
        *help |= !strcmp(argv[i], "--help") || !strcmp(argv[i], "-h");
    }
    g_option_context_add_main_entries(context, entries, NULL);
    if (*help) {
        g_autofree char *text = g_option_context_get_help(context, TRUE, NULL);

        fputs(text, stdout);
        return true;
    }
    if (!g_option_context_parse(context, &argc, &argv, error)) {
        return false;
    }
    if (argc > 1) {
        return bad(error, "there are no arguments besides options");
    }
    ok = take(o, &r, error);
    g_free(r.avail);
    g_free(r.cpu);
    g_free(r.uuid);
    g_free(r.model);
    g_strfreev(r.cpuid);
    return ok;
}

void options_free(Options *o)
{
    g_free(o->name);
    o->name = NULL;
    g_clear_pointer(&o->gdb_arch, g_free);
    g_clear_pointer(&o->cpuid, g_array_unref);
}
