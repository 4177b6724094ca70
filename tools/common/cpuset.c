/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cpuset.c - see cpuset.h. */
#include "tools/common/cpuset.h"

#include <glib.h>
#include <string.h>
#include <unistd.h>

unsigned cpuset_host(void)
{
    long n = sysconf(_SC_NPROCESSORS_CONF);

    return CLAMP(n, 1, CPU_SETSIZE);
}

/* "3" or "0-3"; false: neither. */
static bool parse_range(const char *text, guint64 *first, guint64 *last)
{
    g_auto(GStrv) part = g_strsplit(text, "-", 2);

    if (!part[0] || !g_ascii_string_to_unsigned(g_strstrip(part[0]), 10, 0, G_MAXUINT32, first, NULL)) {
        return false;
    }
    *last = *first;
    return !part[1] || g_ascii_string_to_unsigned(g_strstrip(part[1]), 10, 0, G_MAXUINT32, last, NULL);
}

static bool add_part(const char *part, unsigned host, cpu_set_t *in, cpu_set_t *out, char **error)
{
    cpu_set_t *set = *part == '^' ? out : in;
    guint64 first, last;

    if (!parse_range(part + (*part == '^'), &first, &last) || first > last) {
        *error = g_strdup_printf("'%s' is no processor and no range of them; write '0-3,^1'", part);
        return false;
    }
    if (last >= host) {
        *error = g_strdup_printf("processor %" G_GUINT64_FORMAT " does not exist: this host has 0 to %u",
                                 last, host - 1);
        return false;
    }
    for (guint64 i = first; i <= last; i++) {
        CPU_SET(i, set);
    }
    return true;
}

bool cpuset_parse(const char *text, unsigned host, cpu_set_t *set, char **error)
{
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);
    bool only_out = true;
    cpu_set_t out;

    CPU_ZERO(set);
    CPU_ZERO(&out);
    for (unsigned i = 0; parts[i]; i++) {
        const char *part = g_strstrip(parts[i]);

        if (!*part || !strcmp(part, "all")) {
            continue;
        }
        only_out &= *part == '^';
        if (!add_part(part, host, set, &out, error)) {
            return false;
        }
    }
    for (unsigned i = 0; i < host; i++) {
        if (only_out) {
            CPU_SET(i, set);
        }
        if (CPU_ISSET(i, &out)) {
            CPU_CLR(i, set);
        }
    }
    if (!CPU_COUNT(set)) {
        *error = g_strdup_printf("'%s' leaves no processor", text);
        return false;
    }
    return true;
}

char *cpuset_text(const cpu_set_t *set, unsigned host)
{
    GString *out = g_string_new(NULL);
    unsigned last;

    if (CPU_COUNT(set) >= (int)host) {
        return g_string_free(g_string_assign(out, "any cpu"), FALSE);
    }
    for (unsigned i = 0; i < host; i = last + 1) {
        last = i;
        if (!CPU_ISSET(i, set)) {
            continue;
        }
        while (last + 1 < host && CPU_ISSET(last + 1, set)) {
            last++;
        }
        g_string_append_printf(out, "%s%u", out->len ? "," : "", i);
        if (last > i) {
            g_string_append_printf(out, "-%u", last);
        }
    }
    return g_string_free(out, FALSE);
}
