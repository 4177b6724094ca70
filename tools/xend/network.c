/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * network.c - Xen's network-bridge (the host's interface becomes a port of a bridge that takes over
 * its addresses and routes; or a bridge with a subnet of its own, masqueraded), network-nat and
 * network-route.  Doing what is done already changes nothing, so that a xend that was killed finds
 * its network as it left it.
 */
#include "tools/xend/network.h"

#include <glib.h>
#include <string.h>
#include <unistd.h>
#include "tools/common/netspec.h"
#include "tools/xend/host_net.h"

#define SCRIPT_DIRECTORY "/etc/xen/scripts"
#define NAT_TABLE "inet gh-nat-%s"

typedef struct Network {
    char **args;                /* [0]: the name */
    char *netdev, *bridge;
    bool own_subnet;            /* a bridge without the host's interface */
} Network;

static const char *argument(const Network *n, const char *key)
{
    size_t len = strlen(key);

    for (char **a = n->args + 1; *n->args && *a; a++) {
        if (!strncmp(*a, key, len) && (*a)[len] == '=' && (*a)[len + 1]) {
            return *a + len + 1;
        }
    }
    return NULL;
}

static bool truth(const char *text)
{
    return text && (!strcmp(text, "yes") || !strcmp(text, "1") || !strcmp(text, "on"));
}

static bool known_arguments(const Network *n, const char *const *known, char **error)
{
    for (char **a = n->args + 1; *n->args && *a; a++) {
        g_autofree char *key = g_strndup(*a, strcspn(*a, "="));

        if (**a && (!strchr(*a, '=') || !g_strv_contains(known, key))) {
            g_autofree char *all = g_strjoinv("=, ", (char **)(uintptr_t)known);

            *error = g_strdup_printf("%s: '%s' is unknown; known are %s=", n->args[0], *a, all);
            return false;
        }
    }
    return true;
}

static bool find_netdev(Network *n, char **error)
{
    const char *given = argument(n, "netdev");

    n->netdev = given ? g_strdup(given) : default_device();
    if (!n->netdev) {
        *error = g_strdup_printf("%s: there is no default route; name the interface with netdev=",
                                 n->args[0]);
    } else if (!interface_name_valid(n->netdev) || !link_exists(n->netdev)) {
        *error = g_strdup_printf("%s: there is no interface %s", n->args[0], n->netdev);
    } else {
        return true;
    }
    return false;
}

/* --- masquerading ---------------------------------------------------------------------------- */

static bool masquerade(const char *name, const char *rule, char **error)
{
    g_autofree char *table = g_strdup_printf(NAT_TABLE, name);
    g_autofree char *commands = g_strdup_printf(
        "add table %s\ndelete table %s\ntable %s {\n chain out {\n"
        "  type nat hook postrouting priority 100;\n  %s masquerade\n }\n}\n", table, table, table,
        rule);

    return nft_batch(commands, error);
}

static void end_masquerading(const char *name)
{
    g_autofree char *table = g_strdup_printf(NAT_TABLE, name), *commands = NULL, *error = NULL;

    commands = g_strdup_printf("add table %s\ndelete table %s\n", table, table);
    if (!nft_batch(commands, &error)) {
        g_warning("%s", error);
    }
}

static bool network_nat(Network *n, bool start, char **error)
{
    static const char *const known[] = { "netdev", "vifnum", "dhcp", NULL };
    g_autofree char *rule = NULL;

    if (!known_arguments(n, known, error) || !find_netdev(n, error)) {
        return false;
    }
    if (!start) {
        end_masquerading(n->netdev);
        return true;
    }
    rule = g_strdup_printf("oifname \"%s\"", n->netdev);
    return net_sysctl("ipv4/ip_forward", "1", error) && masquerade(n->netdev, rule, error);
}

static bool network_route(Network *n, bool start, char **error)
{
    static const char *const known[] = { "netdev", "vifnum", NULL };
    g_autofree char *path = NULL;

    if (!known_arguments(n, known, error) || !find_netdev(n, error)) {
        return false;
    }
    path = g_strdup_printf("ipv4/conf/%s/proxy_arp", n->netdev);
    return net_sysctl(path, start ? "1" : "0", error) &&
           (!start || net_sysctl("ipv4/ip_forward", "1", error));
}

/* --- a bridge with the host's interface ------------------------------------------------------ */

static char *show(const char *const *argv)
{
    g_autofree char *error = NULL;
    char *text = NULL;

    return host_run(argv, NULL, &text, &error) ? text : g_strdup("");
}

/* "2: eth0    inet 10.0.0.5/24 brd 10.0.0.255 scope global eth0\       valid_lft ..." */
static void collect_addresses(GString *add, const char *from, const char *to)
{
    const char *argv[] = { "ip", "-o", "address", "show", "scope", "global", "dev", from, NULL };
    g_autofree char *text = show(argv);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **l = lines; *l; l++) {
        const char *family = strstr(*l, " inet"), *start = family ? strchr(family + 1, ' ') : NULL;
        g_autofree char *address = NULL;
        IpNet net;

        if (!start) {
            continue;
        }
        start += strspn(start, " ");
        address = g_strndup(start, strcspn(start, " "));
        if (ip_net_parse(address, &net)) {
            g_string_append_printf(add, "address add %s/%u%s dev %s\n", net.text, net.bits,
                                   net.v6 ? " nodad" : " broadcast +", to);
        }
    }
}

/* Those that somebody has added: the kernel makes an address's own route itself. */
static void collect_routes(GString *add, const char *from, const char *to, const char *family)
{
    const char *argv[] = { "ip", family, "route", "show", "dev", from, NULL };
    g_autofree char *text = show(argv);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **l = lines; *l; l++) {
        g_auto(GStrv) words = NULL;

        if (!*g_strstrip(*l) || strstr(*l, "proto kernel")) {
            continue;
        }
        words = g_strsplit(*l, " ", -1);
        g_string_append(add, "route replace");
        for (char **w = words; *w; w++) {
            if (**w && strcmp(*w, "linkdown")) {
                g_string_append_printf(add, " %s", *w);
            }
        }
        g_string_append_printf(add, " dev %s\n", to);
    }
}

/* What makes to what from is now. */
static char *collect_identity(const char *from, const char *to)
{
    GString *add = g_string_new(NULL);

    collect_addresses(add, from, to);
    collect_routes(add, from, to, "-4");
    collect_routes(add, from, to, "-6");
    return g_string_free(add, FALSE);
}

static bool batch(const char *commands, char **error)
{
    return !*commands || ip_batch(commands, error);
}

static char *port_name(const Network *n)
{
    return !strcmp(n->bridge, n->netdev) ? g_strdup_printf("p%s", n->netdev) : g_strdup(n->netdev);
}

static bool rename_link(const char *from, const char *to, char **error)
{
    return !strcmp(from, to) ||
           (link_set_up(from, false, error) && link_rename(from, to, error));
}

/* From here to the end the host has no network: everything is asked for before. */
static bool bridge_over_netdev(const Network *n, char **error)
{
    g_autofree char *port = port_name(n), *add = NULL, *flush = NULL, *path = NULL;
    g_autofree char *address = NULL, *mac = NULL;

    if (!interface_name_valid(port)) {
        *error = g_strdup_printf("network-bridge: the name %s is too long", port);
        return false;
    }
    add = collect_identity(n->netdev, n->bridge);
    flush = g_strdup_printf("address flush dev %s\n", port);
    path = g_strdup_printf("/sys/class/net/%s/address", n->netdev);
    g_file_get_contents(path, &address, NULL, NULL);
    /* The neighbours know the addresses by this hardware address. */
    mac = address ? g_strdup_printf("link set dev %s address %s\n", n->bridge, g_strstrip(address))
          : g_strdup("");
    return rename_link(n->netdev, port, error) && bridge_create(n->bridge, error) &&
           batch(mac, error) && link_set_up(n->bridge, true, error) && batch(flush, error) &&
           link_set_up(port, true, error) && bridge_add_port(n->bridge, port, error) &&
           batch(add, error);
}

static bool undo_bridge(const Network *n, char **error)
{
    g_autofree char *port = port_name(n), *add = NULL;

    if (!link_is_bridge(n->bridge) || !link_exists(port)) {
        return true;
    }
    add = collect_identity(n->bridge, n->netdev);
    return bridge_delete(n->bridge, error) && rename_link(port, n->netdev, error) &&
           link_set_up(n->netdev, true, error) && batch(add, error);
}

/* --- a bridge with a subnet of its own ------------------------------------------------------- */

static void network_of(const IpNet *net, char out[64])
{
    uint32_t a = 0, mask = net->bits ? ~0u << (32 - net->bits) : 0;
    unsigned b[4] = { 0 };
    g_auto(GStrv) parts = g_strsplit(net->text, ".", 4);

    for (unsigned i = 0; i < 4 && parts[i]; i++) {
        a = a << 8 | (g_ascii_strtoull(parts[i], NULL, 10) & 0xff);
    }
    for (unsigned i = 0; i < 4; i++) {
        b[i] = (a & mask) >> (24 - 8 * i) & 0xff;
    }
    g_snprintf(out, 64, "%u.%u.%u.%u/%u", b[0], b[1], b[2], b[3], net->bits);
}

static bool own_subnet(const Network *n, char **error)
{
    const char *address = argument(n, "address");
    g_autofree char *commands = NULL, *rule = NULL;
    char network[64];
    IpNet net;

    if (address && (!ip_net_parse(address, &net) || net.v6 || net.bits > 30)) {
        *error = g_strdup_printf("network-bridge: address=%s is not ADDRESS/BITS", address);
        return false;
    }
    if (!link_exists(n->bridge) && !bridge_create(n->bridge, error)) {
        return false;
    }
    if (!link_set_up(n->bridge, true, error)) {
        return false;
    }
    if (!address) {
        return true;
    }
    commands = g_strdup_printf("address replace %s/%u broadcast + dev %s\n", net.text, net.bits,
                               n->bridge);
    if (!ip_batch(commands, error)) {
        return false;
    }
    if (!truth(argument(n, "masquerade"))) {
        return true;
    }
    network_of(&net, network);
    rule = g_strdup_printf("ip saddr %s ip daddr != %s", network, network);
    return net_sysctl("ipv4/ip_forward", "1", error) && masquerade(n->bridge, rule, error);
}

static bool network_bridge(Network *n, bool start, char **error)
{
    static const char *const known[] = { "netdev", "bridge", "vifnum", "antispoof", "address",
                                         "masquerade", NULL };
    const char *netdev = argument(n, "netdev"), *bridge = argument(n, "bridge");

    if (!known_arguments(n, known, error)) {
        return false;
    }
    n->own_subnet = netdev && !strcmp(netdev, "none");
    if (n->own_subnet && !bridge) {
        *error = g_strdup("network-bridge: netdev=none needs the bridge's name: bridge=");
        return false;
    }
    if (bridge && !interface_name_valid(bridge)) {
        *error = g_strdup_printf("network-bridge: bridge=%s is no interface's name", bridge);
        return false;
    }
    if (n->own_subnet) {
        n->bridge = g_strdup(bridge);
        if (start) {
            return own_subnet(n, error);
        }
        if (truth(argument(n, "masquerade"))) {
            end_masquerading(n->bridge);
        }
        return !link_is_bridge(n->bridge) || bridge_delete(n->bridge, error);
    }
    /* At the end, and when it is done already, the route leads over the bridge. */
    if (start && bridge && link_is_bridge(bridge)) {
        return true;
    }
    if (netdev) {
        n->netdev = g_strdup(netdev);
    } else if (start && !find_netdev(n, error)) {
        return false;
    } else if (!start) {
        g_info("network-bridge: the bridge stays, for netdev= does not say what to undo");
        return true;
    }
    n->bridge = g_strdup(bridge ? bridge : n->netdev);
    if (!start) {
        return undo_bridge(n, error);
    }
    if (link_is_bridge(n->bridge)) {
        return true;
    }
    if (!interface_name_valid(n->netdev) || !link_exists(n->netdev)) {
        *error = g_strdup_printf("network-bridge: there is no interface %s", n->netdev);
        return false;
    }
    return bridge_over_netdev(n, error);
}

/* --- all ------------------------------------------------------------------------------------- */

static bool run_program(const Network *n, bool start, char **error)
{
    g_autofree char *path = strchr(n->args[0], '/') ? g_strdup(n->args[0])
                            : g_build_filename(SCRIPT_DIRECTORY, n->args[0], NULL);
    g_autoptr(GPtrArray) argv = g_ptr_array_new();

    g_ptr_array_add(argv, path);
    g_ptr_array_add(argv, (gpointer)(start ? "start" : "stop"));
    for (char **a = n->args + 1; *a; a++) {
        if (**a) {
            g_ptr_array_add(argv, *a);
        }
    }
    g_ptr_array_add(argv, NULL);
    return host_run((const char *const *)argv->pdata, NULL, NULL, error);
}

bool network_script(const char *spec, bool start, char **error)
{
    static const struct { const char *name; bool (*run)(Network *, bool, char **); } built_in[] = {
        { "network-bridge", network_bridge }, { "network-nat", network_nat },
        { "network-route", network_route } };
    Network n = { 0 };
    bool ok = true, found = false;

    if (!spec || !*spec) {
        return true;
    }
    n.args = g_strsplit(spec, " ", -1);
    if (!strcmp(n.args[0], "network-dummy") || !strcmp(n.args[0], "/bin/true")) {
        found = true;
    } else if (!strchr(n.args[0], '/') && !host_net_allowed()) {
        *error = g_strdup_printf("%s: changing the host's network needs root", n.args[0]);
        ok = false;
        found = true;
    }
    for (unsigned i = 0; !found && i < G_N_ELEMENTS(built_in); i++) {
        if (!strcmp(built_in[i].name, n.args[0])) {
            ok = built_in[i].run(&n, start, error);
            found = true;
        }
    }
    if (!found) {
        ok = run_program(&n, start, error);
    }
    g_strfreev(n.args);
    g_free(n.netdev);
    g_free(n.bridge);
    return ok;
}
