/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c - dm-net: user-mode networking for one vif.  libslirp between the frames of a packet
 * socket and ordinary sockets of this user.  It sees neither guest memory nor images; its own
 * memory is bounded by slirp's per-connection buffers and MAX_FORWARDS.
 */
#include <errno.h>
#include <getopt.h>
#include <glib-unix.h>
#include <slirp/libslirp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "lib/log.h"
#include "net/user/net_user.h"

enum { EXIT_USAGE = 2 };

static void help(void)
{
    puts("Usage: dm-net --frames-fd N [OPTION]...\n"
         "User-mode networking of one virtual network card; started by xend.\n\n"
         "  --frames-fd N      packet socket that carries bundles of Ethernet frames\n"
         "  --log-fd N         where log lines go [standard error]\n"
         "  --name NAME        for the process list and the log\n"
         "  --network A.B.C.0  the /24 network [10.0.2.0]\n"
         "  --hostfwd SPEC     tcp|udp:[HOSTADDR]:HOSTPORT-[GUESTADDR]:GUESTPORT, repeatable\n"
         "  --tftp DIR         serve its files by TFTP\n"
         "  --bootfile NAME    what DHCP tells the guest to boot from there\n"
         "  --restrict         no connections to outside\n"
         "  --help             this text\n\n"
         "The guest gets 10.0.2.15 by DHCP, 10.0.2.2 is the host, 10.0.2.3 the name server.\n"
         "Exit status: 0 the domain ended, 1 failure, 2 wrong usage.");
}

int main(int argc, char **argv)
{
    static const struct option longs[] = {
        { "frames-fd", required_argument, NULL, 'f' }, { "log-fd", required_argument, NULL, 'l' },
        { "name", required_argument, NULL, 'n' }, { "network", required_argument, NULL, 'a' },
        { "hostfwd", required_argument, NULL, 'p' }, { "restrict", no_argument, NULL, 'r' },
        { "tftp", required_argument, NULL, 't' }, { "bootfile", required_argument, NULL, 'b' },
        { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 } };
    NetUserOptions o = { .frames_fd = -1, .network = "10.0.2.0" };
    g_autoptr(GError) error = NULL;
    g_autofree char *title = NULL;
    const char *name = "net";
    int log_fd = -1, c;

    o.forwards = g_ptr_array_new();
    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        switch (c) {
        case 'f': o.frames_fd = atoi(optarg); break;
        case 'l': log_fd = atoi(optarg); break;
        case 'n': name = optarg; break;
        case 'a': o.network = optarg; break;
        case 'p': g_ptr_array_add(o.forwards, optarg); break;
        case 't': o.tftp = optarg; break;
        case 'b': o.bootfile = optarg; break;
        case 'r': o.restricted = true; break;
        case 'h': help(); return 0;
        default: return EXIT_USAGE;
        }
    }
    if (o.frames_fd < 0 || optind != argc) {
        fprintf(stderr, "dm-net: error: --frames-fd is missing (try --help)\n");
        return EXIT_USAGE;
    }
    title = g_strdup_printf("dm-net: %s", name);
    log_init(title, log_fd, false);
    if (!net_user_run(&o, &error)) {
        g_critical("%s", error->message);
        return 1;
    }
    return 0;
}
