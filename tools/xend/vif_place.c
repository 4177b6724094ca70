/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vif_place.c - bridging, NAT and routing of a tap, and the filter behind ip=: the guest then sends
 * from these addresses only.  The filter is a table of nftables by the interface's name; everything
 * else goes with the interface.  IPv6 has no NAT here, and neighbours are not proxied for it.
 */
#include "tools/xend/vif_place.h"

#include <stdio.h>
#include <string.h>
#include "tools/common/netspec.h"
#include "tools/xend/domain.h"
#include "tools/xend/host_net.h"

#define TABLE_PREFIX "gh-"
#define ROUTER_OFFSET 127       /* vif-nat's: the host's end is the guest's address plus this */

/* All taps have the same address: higher than any bridge's own, so that a bridge keeps its. */
static const unsigned char tap_mac[6] = { 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff };

const char *vif_argument(const Vif *v, const char *key)
{
    size_t len = strlen(key);

    for (char **a = v->args; a && *a; a++) {
        if (!strncmp(*a, key, len) && (*a)[len] == '=' && (*a)[len + 1]) {
            return *a + len + 1;
        }
    }
    return NULL;
}

/* Configs of Xen's early days say xenbr0 where the bridge has taken the name eth0. */
char *vif_find_bridge(const char *wanted)
{
    g_autofree char *later = NULL;

    if (!interface_name_valid(wanted)) {
        return NULL;
    }
    if (link_is_bridge(wanted)) {
        return g_strdup(wanted);
    }
    if (!g_str_has_prefix(wanted, "xenbr") || link_exists(wanted)) {
        return NULL;
    }
    later = g_strdup_printf("eth%s", wanted + 5);
    return link_is_bridge(later) ? g_steal_pointer(&later) : NULL;
}

static GArray *addresses(const Vif *v)
{
    const char *ip = v->domain->config->vif[v->index].ip;

    return ip_list_parse(ip ? ip : "");
}

/* --- the filter of ip= ----------------------------------------------------------------------- */

static void append_set(GString *s, const GArray *list, bool v6, bool with_bits)
{
    for (unsigned i = 0; i < list->len; i++) {
        const IpNet *n = &g_array_index(list, IpNet, i);

        if (n->v6 == v6) {
            g_string_append_printf(s, " %s", n->text);
            if (with_bits && n->bits != (v6 ? 128 : 32)) {
                g_string_append_printf(s, "/%u", n->bits);
            }
            g_string_append_c(s, ',');
        }
    }
}

static bool has_family(const GArray *list, bool v6)
{
    for (unsigned i = 0; i < list->len; i++) {
        if (g_array_index(list, IpNet, i).v6 == v6) {
            return true;
        }
    }
    return false;
}

/* A network among the addresses (vif-nat's 10.0.1.1/16) names the guest's own address there. */
static bool set_filter(Vif *v, const GArray *list, bool whole_networks, char **error)
{
    g_autoptr(GString) v4 = g_string_new(NULL), v6 = g_string_new(NULL), s = g_string_new(NULL);
    g_autofree char *table = g_strdup_printf("netdev " TABLE_PREFIX "%s", v->ifname);

    if (!list->len) {
        return true;
    }
    append_set(v4, list, false, whole_networks);
    append_set(v6, list, true, whole_networks);
    g_string_append_printf(s, "add table %s\ndelete table %s\ntable %s {\n chain sent {\n"
                           "  type filter hook ingress device \"%s\" priority 0; policy drop;\n",
                           table, table, table, v->ifname);
    g_string_append_printf(s, "  ether type arp arp saddr ip { 0.0.0.0,%s } accept\n", v4->str);
    if (has_family(list, false)) {
        g_string_append_printf(s, "  ether type ip ip saddr {%s } accept\n", v4->str);
    }
    g_string_append(s, "  ether type ip ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept\n");
    if (has_family(list, true)) {
        g_string_append_printf(s, "  ether type ip6 ip6 saddr { ::, fe80::/10,%s } accept\n",
                               v6->str);
    }
    g_string_append(s, " }\n}\n");
    v->filtered = nft_batch(s->str, error);
    return v->filtered;
}

void vif_remove_filter(Vif *v)
{
    g_autofree char *commands = NULL, *error = NULL;

    if (v->filtered) {
        commands = g_strdup_printf("delete table netdev " TABLE_PREFIX "%s\n", v->ifname);
        if (!nft_batch(commands, &error)) {
            g_warning("filter of %s: %s", v->ifname, error);
        }
        v->filtered = false;
    }
}

void vif_remove_stale(void)
{
    static const char *const argv[] = { "nft", "list", "tables", "netdev", NULL };
    g_autofree char *list = NULL, *error = NULL;
    g_auto(GStrv) lines = NULL;

    if (!host_net_allowed() || !host_run(argv, NULL, &list, &error)) {
        return;
    }
    lines = g_strsplit(list, "\n", -1);
    for (char **l = lines; *l; l++) {
        const char *name = strstr(*l, "netdev " TABLE_PREFIX);
        g_autofree char *commands = NULL, *why = NULL;

        if (!name) {
            continue;
        }
        name += strlen("netdev " TABLE_PREFIX);
        if (interface_name_valid(name) && !link_exists(name)) {
            commands = g_strdup_printf("delete table netdev " TABLE_PREFIX "%s\n", name);
            g_info("removing the filter of %s, which is gone%s", name,
                   nft_batch(commands, &why) ? "" : ": that failed");
        }
    }
}

/* --- places ---------------------------------------------------------------------------------- */

static void quiet(const char *ifname, const char *pattern, const char *value)
{
    g_autofree char *path = g_strdup_printf(pattern, ifname), *error = NULL;

    if (!net_sysctl(path, value, &error)) {
        g_debug("%s", error);           /* a kernel without IPv6 */
    }
}

static bool place_on_bridge(Vif *v, const GArray *list, char **error)
{
    return link_set_mac(v->ifname, tap_mac, error) && link_copy_mtu(v->bridge, v->ifname, error) &&
           set_filter(v, list, true, error) && bridge_add_port(v->bridge, v->ifname, error) &&
           link_set_up(v->ifname, true, error);
}

static bool proxy_arp(const Vif *v, char **error)
{
    g_autofree char *path = g_strdup_printf("ipv4/conf/%s/proxy_arp", v->ifname);

    return net_sysctl(path, "1", error);
}

static void default_nat_address(const Vif *v, IpNet *net)
{
    unsigned id = v->domain->id;

    *net = (IpNet){ .bits = 16 };
    snprintf(net->text, sizeof net->text, "10.%u.%u.%u", id / 256 % 256, id % 256, v->index + 1);
}

/* The host's end of a vif behind NAT: the guest's gateway. */
static char *router_address(const char *guest)
{
    const char *dot = strrchr(guest, '.');
    unsigned last = dot ? g_ascii_strtoull(dot + 1, NULL, 10) : 0;

    last = last + ROUTER_OFFSET > 254 ? last - ROUTER_OFFSET : last + ROUTER_OFFSET;
    return g_strdup_printf("%.*s.%u", (int)(dot ? dot - guest : 0), guest, last);
}

static bool place_behind_nat(Vif *v, GArray *list, char **error)
{
    g_autofree char *router = NULL, *commands = NULL;
    IpNet net;

    if (!list->len) {
        default_nat_address(v, &net);
        g_array_append_val(list, net);
    }
    net = g_array_index(list, IpNet, 0);
    if (net.v6) {
        *error = g_strdup_printf("vif-nat needs an IPv4 address first in ip=, not %s", net.text);
        return false;
    }
    router = router_address(net.text);
    commands = g_strdup_printf("address add %s/32 dev %s\nroute add %s/32 dev %s src %s\n", router,
                               v->ifname, net.text, v->ifname, router);
    domain_note(v->domain, "vif %u: behind NAT: the guest is %s, its gateway %s", v->index, net.text,
                router);
    return set_filter(v, list, false, error) && link_set_up(v->ifname, true, error) &&
           ip_batch(commands, error) && proxy_arp(v, error);
}

/* The address that the host answers with: netdev's first. */
static char *main_address(const Vif *v)
{
    g_autofree char *found = vif_argument(v, "netdev") ? NULL : default_device(), *text = NULL;
    g_autofree char *error = NULL;
    const char *device = vif_argument(v, "netdev") ? vif_argument(v, "netdev") : found;
    const char *argv[] = { "ip", "-4", "-o", "address", "show", "primary", "scope", "global", "dev",
                           device, NULL };
    const char *inet;

    if (!device || !host_run(argv, NULL, &text, &error) || !(inet = strstr(text, " inet "))) {
        return NULL;
    }
    inet += 6;
    return g_strndup(inet, strcspn(inet, "/ "));
}

static bool place_routed(Vif *v, const GArray *list, char **error)
{
    g_autoptr(GString) commands = g_string_new(NULL);
    g_autofree char *host = main_address(v);

    if (!list->len) {
        *error = g_strdup("vif-route needs the guest's addresses; write ip=A.B.C.D");
        return false;
    }
    if (host) {
        g_string_append_printf(commands, "address add %s/32 dev %s\n", host, v->ifname);
    }
    for (unsigned i = 0; i < list->len; i++) {
        const IpNet *n = &g_array_index(list, IpNet, i);

        g_string_append_printf(commands, "route add %s/%u dev %s", n->text, n->bits, v->ifname);
        if (host && !n->v6) {
            g_string_append_printf(commands, " src %s", host);
        }
        g_string_append_c(commands, '\n');
    }
    return set_filter(v, list, true, error) && link_set_up(v->ifname, true, error) &&
           ip_batch(commands->str, error) && proxy_arp(v, error);
}

bool vif_place(Vif *v, char **error)
{
    GArray *list = addresses(v);
    bool ok;

    if (!list) {
        *error = g_strdup("ip= is not a list of addresses");
        return false;
    }
    if (v->script == SCRIPT_BRIDGE) {
        quiet(v->ifname, "ipv6/conf/%s/disable_ipv6", "1");     /* the host is not spoken to here */
        ok = place_on_bridge(v, list, error);
    } else {
        ok = v->script == SCRIPT_NAT ? place_behind_nat(v, list, error)
             : place_routed(v, list, error);
    }
    g_array_free(list, TRUE);
    return ok;
}
