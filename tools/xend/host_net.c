/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host_net.c - taps and bridges by ioctl (tun.txt of the kernel, netdevice(7)), addresses and routes by
 * ip(8), filters by nft(8).  No state is kept here: a tap goes with its last descriptor.
 */
#include "tools/xend/host_net.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <linux/capability.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "tools/common/netspec.h"

#define TAP_OFFLOADS (TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6)

bool host_net_allowed(void)
{
    struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct data[2];

    return syscall(SYS_capget, &header, data) == 0 && (data[0].effective >> CAP_NET_ADMIN & 1) &&
           access("/dev/net/tun", R_OK | W_OK) == 0;
}

/* Not by sysfs: that shows the network namespace in which it was mounted. */
bool link_exists(const char *name)
{
    return if_nametoindex(name) != 0;
}

static bool fail(char **error, const char *what, const char *name)
{
    *error = g_strdup_printf("%s %s: %s", name, what, g_strerror(errno));
    return false;
}

static bool request(unsigned long number, void *argument)
{
    int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), saved;
    bool ok = sock >= 0 && ioctl(sock, number, argument) == 0;

    saved = errno;
    if (sock >= 0) {
        close(sock);
    }
    errno = saved;
    return ok;
}

static struct ifreq named(const char *name)
{
    struct ifreq ifr = { 0 };

    g_strlcpy(ifr.ifr_name, name, sizeof ifr.ifr_name);
    return ifr;
}

/* What the driver says, as "bridge " or "tun tap". */
static char *link_driver(const char *name)
{
    struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
    struct ifreq ifr = named(name);

    ifr.ifr_data = (char *)&info;
    return request(SIOCETHTOOL, &ifr) ? g_strdup_printf("%.31s %.31s", info.driver, info.bus_info)
           : g_strdup("");
}

bool link_is_bridge(const char *name)
{
    g_autofree char *driver = link_driver(name);

    return g_str_has_prefix(driver, "bridge ");
}

bool link_is_tap(const char *name)
{
    g_autofree char *driver = link_driver(name);

    return !strcmp(driver, "tun tap");
}

int tap_open(const char *name, bool *vnet, char **error)
{
    struct ifreq ifr = named(name);
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    unsigned features = 0;

    if (fd < 0) {
        *error = g_strdup_printf("/dev/net/tun can't be opened (%s)", g_strerror(errno));
        return -1;
    }
    *vnet = ioctl(fd, TUNGETFEATURES, &features) == 0 && (features & IFF_VNET_HDR);
    ifr.ifr_flags = IFF_TAP | IFF_NO_PI | (*vnet ? IFF_VNET_HDR : 0);
    if (ioctl(fd, TUNSETIFF, &ifr) != 0) {
        *error = g_strdup_printf("tap %s can't be made (%s)%s", name, g_strerror(errno),
                                 errno == EBUSY ? "; somebody uses it already" : "");
        close(fd);
        return -1;
    }
    /* Without offloads the header stays, with nothing in it. */
    if (*vnet && ioctl(fd, TUNSETOFFLOAD, TAP_OFFLOADS) != 0) {
        g_info("tap %s offers no offloads (%s)", name, g_strerror(errno));
    }
    return fd;
}

bool link_set_up(const char *name, bool up, char **error)
{
    struct ifreq ifr = named(name);

    if (!request(SIOCGIFFLAGS, &ifr)) {
        return fail(error, "does not exist", name);
    }
    ifr.ifr_flags = up ? ifr.ifr_flags | IFF_UP : ifr.ifr_flags & ~IFF_UP;
    return request(SIOCSIFFLAGS, &ifr) || fail(error, "can't be brought up or down", name);
}

bool link_set_mac(const char *name, const unsigned char mac[6], char **error)
{
    struct ifreq ifr = named(name);

    ifr.ifr_hwaddr.sa_family = ARPHRD_ETHER;
    memcpy(ifr.ifr_hwaddr.sa_data, mac, 6);
    return request(SIOCSIFHWADDR, &ifr) || fail(error, "does not take a hardware address", name);
}

bool link_rename(const char *from, const char *to, char **error)
{
    struct ifreq ifr = named(from);

    g_strlcpy(ifr.ifr_newname, to, sizeof ifr.ifr_newname);
    return request(SIOCSIFNAME, &ifr) || fail(error, "can't be renamed", from);
}

bool link_copy_mtu(const char *from, const char *to, char **error)
{
    struct ifreq ifr = named(from);

    if (!request(SIOCGIFMTU, &ifr)) {
        return fail(error, "does not exist", from);
    }
    g_strlcpy(ifr.ifr_name, to, sizeof ifr.ifr_name);
    return request(SIOCSIFMTU, &ifr) || fail(error, "does not take the MTU", to);
}

bool bridge_create(const char *name, char **error)
{
    return request(SIOCBRADDBR, (void *)(uintptr_t)name) ||
           fail(error, "can't be made a bridge", name);
}

bool bridge_delete(const char *name, char **error)
{
    char *ignored = NULL;

    link_set_up(name, false, &ignored);
    g_free(ignored);
    return request(SIOCBRDELBR, (void *)(uintptr_t)name) || fail(error, "can't be removed", name);
}

bool bridge_add_port(const char *bridge, const char *port, char **error)
{
    struct ifreq ifr = named(bridge);

    ifr.ifr_ifindex = if_nametoindex(port);
    return request(SIOCBRADDIF, &ifr) || errno == EBUSY ||
           fail(error, "does not become a port of the bridge", port);
}

char *first_bridge(void)
{
    struct if_nameindex *all = if_nameindex();
    const char *best = NULL;
    char *found;

    for (struct if_nameindex *i = all; i && i->if_index; i++) {
        if (link_is_bridge(i->if_name) && (!best || strcmp(i->if_name, best) < 0)) {
            best = i->if_name;
        }
    }
    found = g_strdup(best);
    if (all) {
        if_freenameindex(all);
    }
    return found;
}

char *default_device(void)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    if (!g_file_get_contents("/proc/net/route", &text, NULL, NULL)) {
        return NULL;
    }
    lines = g_strsplit(text, "\n", -1);
    for (char **l = lines; *l; l++) {
        g_auto(GStrv) f = g_strsplit(*l, "\t", -1);

        if (g_strv_length(f) > 7 && !strcmp(f[1], "00000000") && !strcmp(f[7], "00000000") &&
            interface_name_valid(f[0])) {
            return g_strdup(f[0]);
        }
    }
    return NULL;
}

bool net_sysctl(const char *path, const char *value, char **error)
{
    g_autofree char *full = g_strdup_printf("/proc/sys/net/%s", path);
    int fd = open(full, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, value, strlen(value)) == (ssize_t)strlen(value);

    if (!ok) {
        *error = g_strdup_printf("%s can't be set to %s (%s)", full, value, g_strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

/* Users' search paths often lack the directories of administrators' programs. */
static char *find_tool(const char *name)
{
    static const char *const directories[] = { "/usr/sbin", "/sbin", "/usr/bin", "/bin" };
    char *found = strchr(name, '/') ? g_strdup(name) : g_find_program_in_path(name);

    for (unsigned i = 0; !found && i < G_N_ELEMENTS(directories); i++) {
        found = g_build_filename(directories[i], name, NULL);
        if (access(found, X_OK) != 0) {
            g_clear_pointer(&found, g_free);
        }
    }
    return found;
}

static const char *first_line(char *text)
{
    g_strstrip(text);
    text[strcspn(text, "\n")] = 0;
    return text;
}

bool host_run(const char *const *argv, const char *input, char **output, char **error)
{
    g_autofree char *program = NULL, *said = NULL, *out = NULL;
    g_autoptr(GSubprocessLauncher) launcher = NULL;
    g_autoptr(GSubprocess) process = NULL;
    g_autoptr(GError) gerror = NULL;
    g_autofree const char **copy = g_memdup2(argv, (g_strv_length((char **)(uintptr_t)argv) + 1) *
                                             sizeof *argv);

    launcher = g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE |
                                         G_SUBPROCESS_FLAGS_STDERR_PIPE |
                                         (input ? G_SUBPROCESS_FLAGS_STDIN_PIPE : 0));
    g_subprocess_launcher_setenv(launcher, "LC_ALL", "C", TRUE);
    program = find_tool(argv[0]);
    copy[0] = program ? program : argv[0];
    process = g_subprocess_launcher_spawnv(launcher, (const char *const *)copy, &gerror);
    if (!process || !g_subprocess_communicate_utf8(process, input, NULL, &out, &said, &gerror)) {
        *error = g_strdup_printf("%s can't be run (%s)", argv[0], gerror->message);
        return false;
    }
    if (!g_subprocess_get_successful(process)) {
        *error = g_strdup_printf("%s: %s", argv[0], said && *said ? first_line(said) : "failed");
        return false;
    }
    if (output) {
        *output = g_steal_pointer(&out);
    }
    return true;
}

bool ip_batch(const char *commands, char **error)
{
    static const char *const argv[] = { "ip", "-batch", "-", NULL };

    return host_run(argv, commands, NULL, error);
}

bool nft_batch(const char *commands, char **error)
{
    static const char *const argv[] = { "nft", "-f", "-", NULL };

    if (host_run(argv, commands, NULL, error)) {
        return true;
    }
    if (strstr(*error, "can't be run")) {
        g_free(*error);
        *error = g_strdup("the program nft is missing; install the package nftables");
    }
    return false;
}
