/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * netspec.c - what stands behind rate=, ip=, bridge= and vifname= of a vif.  Everything that passes
 * here goes into command files for ip and nft later: only letters, digits and . : / _ - get through.
 */
#include "tools/common/netspec.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <string.h>

#define DEFAULT_INTERVAL_US 50000
#define MAX_RATE (UINT64_C(1) << 40)

static bool number(const char **p, uint64_t max, uint64_t *n)
{
    char *end;

    if (!g_ascii_isdigit(**p)) {
        return false;
    }
    *n = g_ascii_strtoull(*p, &end, 10);
    *p = end;
    return *n <= max;
}

bool rate_parse(const char *text, uint64_t *bytes, uint32_t *us)
{
    uint64_t n, scale = 1, interval = DEFAULT_INTERVAL_US, unit = 1000000;
    const char *p = text;
    bool bits;

    if (!number(&p, MAX_RATE, &n)) {
        return false;
    }
    if (*p && strchr("KMG", *p)) {
        scale = *p == 'K' ? 1000 : *p == 'M' ? 1000000 : 1000000000;
        p++;
    }
    bits = *p == 'b';
    if (!g_str_has_prefix(p, "b/s") && !g_str_has_prefix(p, "B/s")) {
        return false;
    }
    p += 3;
    if (*p == '@') {
        p++;
        if (!number(&p, 10000000, &interval)) {
            return false;
        }
        if (*p == 'm' || *p == 'u') {
            unit = *p == 'm' ? 1000 : 1;
            p++;
        }
        if (*p++ != 's') {
            return false;
        }
        interval *= unit;
    }
    if (*p || n > MAX_RATE / scale || interval < 1 || interval > 10000000) {
        return false;
    }
    *bytes = (uint64_t)((double)(n * scale) / (bits ? 8 : 1) * interval / 1e6);
    *us = interval;
    return *bytes > 0;
}

bool ip_net_parse(const char *text, IpNet *net)
{
    const char *slash = strchr(text, '/');
    g_autofree char *address = slash ? g_strndup(text, slash - text) : g_strdup(text);
    uint8_t raw[16];
    guint64 bits;

    net->v6 = strchr(address, ':') != NULL;
    bits = net->v6 ? 128 : 32;
    if (inet_pton(net->v6 ? AF_INET6 : AF_INET, address, raw) != 1 ||
        (slash && !g_ascii_string_to_unsigned(slash + 1, 10, 0, bits, &bits, NULL))) {
        return false;
    }
    net->bits = bits;
    return inet_ntop(net->v6 ? AF_INET6 : AF_INET, raw, net->text, sizeof net->text) != NULL;
}

GArray *ip_list_parse(const char *text)
{
    g_auto(GStrv) words = g_strsplit_set(text, " \t", -1);
    GArray *list = g_array_new(FALSE, FALSE, sizeof(IpNet));

    for (char **w = words; *w; w++) {
        IpNet net;

        if (!**w) {
            continue;
        }
        if (!ip_net_parse(*w, &net)) {
            g_array_free(list, TRUE);
            return NULL;
        }
        g_array_append_val(list, net);
    }
    return list;
}

bool interface_name_valid(const char *name)
{
    size_t len = strlen(name);

    return len > 0 && len < IFNAMSIZ && (g_ascii_isalnum(*name) || *name == '_') &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == len;
}
