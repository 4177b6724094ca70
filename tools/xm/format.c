/* SPDX-License-Identifier: GPL-2.0-or-later */
/* format.c - xm's tables; trailing blanks are part of the formats.  See format.h. */
#include "tools/xm/format.h"

#include <string.h>

char *format_list(const Value *domains, bool label)
{
    GString *out = g_string_new(NULL);

    g_string_append_printf(out, "%-40s %5s %5s %5s %10s %9s", "Name", "ID", "Mem", "VCPUs", "State",
                           "Time(s)");
    if (label) {
        g_string_append_printf(out, " %-10s", "Label");
    }
    g_string_append_c(out, '\n');
    for (unsigned i = 0; i < value_len(domains); i++) {
        const Value *d = value_item(domains, i), *time = value_get(d, "cpu_time");
        g_autofree char *id = g_strdup_printf("%d", (int)value_get_int(d, "domid", 0));

        g_string_append_printf(out, "%-40s %5s %5d %5d %10s %8.1f", value_get_str(d, "name", ""),
                               id,
                               (int)value_get_int(d, "mem", 0), (int)value_get_int(d, "vcpus", 0),
                               value_get_str(d, "state", "------"), time ? time->d : 0.0);
        if (label) {
            g_string_append_printf(out, " %10s", "INACTIVE");
        }
        g_string_append_c(out, '\n');
    }
    return g_string_free(out, FALSE);
}

char *format_vcpu_list(const Value *domains)
{
    static const char *const states[] = { "r--", "r--", "-b-", "--p" };
    GString *out = g_string_new(NULL);

    g_string_append_printf(out, "%-32s %5s %5s %5s %5s %9s %s\n", "Name", "ID", "VCPU", "CPU",
                           "State", "Time(s)", "CPU Affinity");
    for (unsigned i = 0; i < value_len(domains); i++) {
        const Value *d = value_item(domains, i), *vcpus = value_get(d, "vcpu");
        g_autofree char *id = g_strdup_printf("%d", (int)value_get_int(d, "domid", 0));

        for (unsigned n = 0; n < value_len(vcpus); n++) {
            const Value *v = value_item(vcpus, n), *time = value_get(v, "cpu_time");
            int cpu = value_get_int(v, "cpu", -1), state = value_get_int(v, "state", 2);
            g_autofree char *cpu_text = state == 3 ? g_strdup("-") : cpu < 0 ? g_strdup("")
                                        : g_strdup_printf("%d", cpu);
            const char *letters = state != 3 && cpu < 0 ? "" : states[CLAMP(state, 0, 3)];

            g_string_append_printf(out, "%-32s %5s %5u %5s %5s  %8.1f %s\n",
                                   value_get_str(d, "name", ""), id, n, cpu_text, letters,
                                   time ? time->d : 0.0, value_get_str(v, "affinity", "any cpu"));
        }
    }
    return g_string_free(out, FALSE);
}

char *format_duration(int64_t seconds, bool with_seconds)
{
    int64_t days = seconds / 86400;
    g_autofree char *day_text = days ? g_strdup_printf("%d day%s, ", (int)days, days > 1 ? "s" : "")
                                : g_strdup("");
    int hours = seconds / 3600 % 24, minutes = seconds / 60 % 60;

    return with_seconds ? g_strdup_printf("%s%2d:%02d:%02d", day_text, hours, minutes,
                                          (int)(seconds % 60))
           : g_strdup_printf("%s%2d:%02d", day_text, hours, minutes);
}

char *format_uptime(const Value *domains, int64_t now, bool short_form)
{
    GString *out = g_string_new(NULL);
    g_autoptr(GDateTime) local = g_date_time_new_from_unix_local(now);
    g_autofree char *clock = g_date_time_format(local, "%H:%M:%S");

    if (!short_form) {
        g_string_append_printf(out, "%-33s %4s %s \n", "Name", "ID", "Uptime");
    }
    for (unsigned i = 0; i < value_len(domains); i++) {
        const Value *d = value_item(domains, i);
        int64_t up = MAX(now - value_get_int(d, "start_time", now), 0);
        g_autofree char *time = format_duration(up, !short_form);
        g_autofree char *id = g_strdup_printf("%d", (int)value_get_int(d, "domid", 0));
        const char *name = value_get_str(d, "name", "");

        if (short_form) {
            g_string_append_printf(out, " %s up %s, %s (%s)\n", clock, time, name, id);
        } else {
            g_string_append_printf(out, "%-32s %5s %s\n", name, id, time);
        }
    }
    return g_string_free(out, FALSE);
}

char *format_info(const Value *info, bool config_only)
{
    GString *out = g_string_new(NULL);

    for (unsigned i = 0; i + 1 < info->items->len; i += 2) {
        const char *key = value_item(info, i)->s;
        g_autofree char *value = value_text(value_item(info, i + 1));

        if (config_only) {
            g_string_append_printf(out, "%-38s: %s\n", key, value);
        } else if (*value) {
            g_string_append_printf(out, "%-23s: %s\n", key, value);
        } else {
            g_string_append_printf(out, "%-23s: (none)\n", key);
        }
    }
    return g_string_free(out, FALSE);
}

char *format_block_list(const Value *devices)
{
    GString *out = g_string_new("Vdev  BE handle state evt-ch ring-ref BE-path\n");

    for (unsigned i = 0; i < value_len(devices); i++) {
        const Value *d = value_item(devices, i);

        g_string_append_printf(out, "%-5d  %-3d  %-3d   %-3d    %-3d    %-5d %-30s  \n",
                               (int)value_get_int(d, "id", 0), 0, 0,
                               (int)value_get_int(d, "state", 0), (int)value_get_int(d, "evt-ch", -1),
                               (int)value_get_int(d, "ring-ref", -1), value_get_str(d, "backend", ""));
    }
    return g_string_free(out, FALSE);
}

char *format_network_list(const Value *devices)
{
    GString *out = g_string_new("Idx BE     MAC Addr.     handle state evt-ch tx-/rx-ring-ref "
                                "BE-path\n");

    for (unsigned i = 0; i < value_len(devices); i++) {
        const Value *d = value_item(devices, i);
        int id = value_get_int(d, "id", 0);

        g_string_append_printf(out, "%-3d %-3d%-17s    %-3d   %-3d    %-3d   %-5d/%-5d   %-30s  \n",
                               id, 0, value_get_str(d, "mac", ""), id,
                               (int)value_get_int(d, "state", 0), (int)value_get_int(d, "evt-ch", -1),
                               (int)value_get_int(d, "tx-ring-ref", -1),
                               (int)value_get_int(d, "rx-ring-ref", -1), value_get_str(d, "backend", ""));
    }
    return g_string_free(out, FALSE);
}

bool state_matches(const char *letters, const char *state)
{
    if (!strcmp(state, "all")) {
        return true;
    }
    if (!strcmp(state, "running")) {
        return !strchr(letters, 'p') && !strchr(letters, 's') && !strchr(letters, 'c') &&
               !strchr(letters, 'd');
    }
    if (!strcmp(state, "paused")) {
        return strchr(letters, 'p') != NULL;
    }
    return !strcmp(state, "halted") && (strchr(letters, 's') || strchr(letters, 'c'));
}

const char *domstate_name(const char *letters)
{
    return strchr(letters, 'c') ? "crashed" : strchr(letters, 's') ? "shutdown"
           : strchr(letters, 'd') ? "shutoff" : strchr(letters, 'p') ? "paused by admin"
           : strchr(letters, 'r') ? "running" : "idle";
}
