/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c - dm-switch: the private segment that network cards with segment=NAME of one user share.
 * xend starts it for the first of them and sends it a descriptor for each; when xend closes the
 * control socket it ends.
 */
#include <errno.h>
#include <getopt.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "lib/fdpass.h"
#include "lib/log.h"
#include "net/switch/switch.h"

enum { EXIT_USAGE = 2 };

static void help(void)
{
    puts("Usage: dm-switch --control-fd N [OPTION]...\n"
         "A switch between the network cards of one segment; started by xend.\n\n"
         "  --control-fd N  packet socket over which ports come as descriptors\n"
         "  --log-fd N      where log lines go [standard error]\n"
         "  --name NAME     the segment's, for the process list and the log\n"
         "  --help          this text\n\n"
         "Exit status: 0 xend has gone, 1 failure, 2 wrong usage.");
}

/* False: nobody is there to send more. */
static bool take_port(Switch *s, int control)
{
    int fd = -1;
    unsigned nfds = 1;
    char byte;
    ssize_t n = packet_recv(control, &byte, sizeof byte, &fd, &nfds);

    if (n > 0 && nfds && !switch_add(s, fd)) {
        g_warning("more than %d ports: one is left out", SWITCH_PORTS_MAX);
    }
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static void run(int control)
{
    static struct pollfd polls[SWITCH_PORTS_MAX + 1];
    Switch *s = switch_new();
    struct timespec now;

    for (;;) {
        unsigned n = switch_poll_fill(s, polls);

        polls[n] = (struct pollfd){ .fd = control, .events = POLLIN };
        if (poll(polls, n + 1, -1) < 0 && errno != EINTR) {
            break;
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
        switch_poll_done(s, polls, n, now.tv_sec);
        if (polls[n].revents && !take_port(s, control)) {
            break;
        }
    }
    switch_free(s);
}

int main(int argc, char **argv)
{
    static const struct option longs[] = {
        { "control-fd", required_argument, NULL, 'c' }, { "log-fd", required_argument, NULL, 'l' },
        { "name", required_argument, NULL, 'n' }, { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 } };
    g_autofree char *title = NULL, *error = NULL;
    const char *name = "switch";
    int control = -1, log_fd = -1, c;

    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        switch (c) {
        case 'c': control = atoi(optarg); break;
        case 'l': log_fd = atoi(optarg); break;
        case 'n': name = optarg; break;
        case 'h': help(); return 0;
        default: return EXIT_USAGE;
        }
    }
    if (control < 0 || optind != argc) {
        fprintf(stderr, "dm-switch: error: --control-fd is missing (try --help)\n");
        return EXIT_USAGE;
    }
    title = g_strdup_printf("dm-switch: %s", name);
    log_init(title, log_fd, false);
    if (!switch_restrict(&error)) {
        g_critical("%s", error);
        return 1;
    }
    run(control);
    return 0;
}
