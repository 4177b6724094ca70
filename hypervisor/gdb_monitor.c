/* SPDX-License-Identifier: GPL-2.0-or-later */
/* gdb_monitor.c - the commands behind gdb's "monitor". */
#include "hypervisor/gdb_monitor.h"

#include <string.h>
#include "hypervisor/gdb_private.h"

#define ATTR_DB (1u << 10)
#define CR0_PE 1u
#define RFLAGS_VM (1u << 17)

typedef struct Command {
    const char *name, *words, *help;
    void (*run)(GdbSession *s, char **word, GString *out);      /* word[0] is the name */
} Command;

static const Command *commands(unsigned *count);

static void cmd_help(GdbSession *s, char **word, GString *out)
{
    unsigned n;
    const Command *c = commands(&n);

    (void)s;
    (void)word;
    for (unsigned i = 0; i < n; i++) {
        g_autofree char *usage = g_strdup_printf("%s %s", c[i].name, c[i].words);

        g_string_append_printf(out, "monitor %-31s %s\n", usage, c[i].help);
    }
}

static const char *mode_name(const VcpuState *v)
{
    if (!(v->cr0 & CR0_PE)) {
        return "real mode";
    }
    if (v->rflags & RFLAGS_VM) {
        return "virtual-8086 mode";
    }
    if (gdb_in_64(v)) {
        return "64-bit mode";
    }
    return v->seg[SEG_CS].attr & ATTR_DB ? "32-bit mode" : "16-bit protected mode";
}

static void cmd_cpus(GdbSession *s, char **word, GString *out)
{
    (void)word;
    for (unsigned i = 0; i < s->target->cpus; i++) {
        const VcpuState *v = &gdb_session_regs(s, i)->s;

        g_string_append_printf(out, "%c vCPU %u (thread %u): %s, %s, %04x:%" G_GINT64_MODIFIER
                               "x, linear %" G_GINT64_MODIFIER "x\n", i == s->cpu ? '*' : ' ', i,
                               i + 1, s->target->about(s->opaque, i), mode_name(v),
                               v->seg[SEG_CS].selector, v->rip, gdb_linear_pc(v));
    }
}

static void cmd_arch(GdbSession *s, char **word, GString *out)
{
    GdbArch arch;

    if (!word[1]) {
        g_string_append_printf(out, "gdb was told: %s; the next connection: %s\n", gdb_arch_name(s->arch),
                               s->settings->arch < 0 ? "as the guest runs then"
                                                     : gdb_arch_name(s->settings->arch));
    } else if (!strcmp(word[1], "auto")) {
        s->settings->arch = -1;
    } else if (gdb_arch_find(word[1], &arch)) {
        s->settings->arch = arch;
    } else {
        g_string_append(out, "It is auto, i8086, i386 or x86-64.\n");
        return;
    }
    if (word[1]) {
        g_string_append(out, "Connect again: disconnect, then target remote.\n");
    }
}

static void choice(char **word, GString *out, bool *setting, const char *off, const char *on)
{
    if (word[1] && !strcmp(word[1], on)) {
        *setting = true;
    } else if (word[1] && !strcmp(word[1], off)) {
        *setting = false;
    } else {
        g_string_append_printf(out, "%s is %s; the other choice is %s.\n", word[0],
                               *setting ? on : off, *setting ? off : on);
    }
}

static void cmd_memory(GdbSession *s, char **word, GString *out)
{
    choice(word, out, &s->settings->physical, "virtual", "physical");
}

static void cmd_pc(GdbSession *s, char **word, GString *out)
{
    choice(word, out, &s->settings->linear_pc, "offset", "linear");
}

static void cmd_translate(GdbSession *s, char **word, GString *out)
{
    char *end = NULL;
    uint64_t linear, gpa;

    linear = word[1] ? g_ascii_strtoull(word[1], &end, 0) : 0;
    if (!word[1] || end == word[1] || *end) {
        g_string_append(out, "Which linear address?  monitor translate 0xc0100000\n");
    } else if (s->target->translate(s->opaque, s->cpu, &gdb_session_regs(s, s->cpu)->s, linear,
                                    &gpa)) {
        g_string_append_printf(out, "%" G_GINT64_MODIFIER "x is at guest-physical %"
                               G_GINT64_MODIFIER "x for vCPU %u\n", linear, gpa, s->cpu);
    } else {
        g_string_append_printf(out, "%" G_GINT64_MODIFIER "x is not mapped for vCPU %u\n",
                               linear, s->cpu);
    }
}

static void cmd_nmi(GdbSession *s, char **word, GString *out)
{
    (void)word;
    s->target->nmi(s->opaque, s->cpu);
    g_string_append_printf(out, "vCPU %u gets it when it goes on.\n", s->cpu);
}

static void cmd_counters(GdbSession *s, char **word, GString *out)
{
    EngineCounter counter[ENGINE_COUNTERS];
    unsigned n = s->target->counters(s->opaque, s->cpu, counter);

    (void)word;
    g_string_append_printf(out, "vCPU %u%s\n", s->cpu, n ? ", since it was made:" : ": this engine counts nothing.");
    for (unsigned i = 0; i < n; i++) {
        g_string_append_printf(out, "%14" G_GINT64_MODIFIER "u  %s\n", counter[i].value, counter[i].name);
    }
}

static const Command *commands(unsigned *count)
{
    static const Command all[] = {
        { "help", "", "this list", cmd_help },
        { "cpus", "", "modes and places of all vCPUs", cmd_cpus },
        { "arch", "[auto|i8086|i386|x86-64]", "what the next connection is told about the processor",
          cmd_arch },
        { "memory", "[virtual|physical]", "what memory addresses mean", cmd_memory },
        { "pc", "[offset|linear]", "eip and rip without or with the base of CS", cmd_pc },
        { "translate", "ADDRESS", "where the vCPU's page tables map a linear address",
          cmd_translate },
        { "nmi", "", "a non-maskable interrupt for the vCPU", cmd_nmi },
        { "counters", "", "what the engine has counted for the vCPU", cmd_counters },
    };

    *count = G_N_ELEMENTS(all);
    return all;
}

char *gdb_monitor(GdbSession *s, const char *line)
{
    g_autofree char *text = g_strdup(line);
    g_auto(GStrv) word = g_strsplit_set(g_strstrip(text), " \t", 3);
    GString *out = g_string_new(NULL);
    unsigned n;
    const Command *c = commands(&n);

    for (unsigned i = 0; i < n; i++) {
        if (word[0] && !strcmp(word[0], c[i].name)) {
            c[i].run(s, word, out);
            return g_string_free(out, FALSE);
        }
    }
    g_string_append(out, "Unknown command; monitor help has the list.\n");
    return g_string_free(out, FALSE);
}
