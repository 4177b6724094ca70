/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c - dm-usb: one USB device of the host for one domain.  It is given the device, already open,
 * and a socket to the device model; it reads what both send, so it is walled in as the others are.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/log.h"
#include "usb/host/host.h"

enum { EXIT_USAGE = 2, POLL_MAX = 16 };

static void help(void)
{
    puts("Usage: dm-usb --device-fd N --socket-fd N [OPTION]...\n"
         "One USB device of the host for a guest; started by xend.\n\n"
         "  --device-fd N   /dev/bus/usb/BUS/ADDRESS, opened for reading and writing\n"
         "  --socket-fd N   packet socket to the device model\n"
         "  --log-fd N      where log lines go [standard error]\n"
         "  --name NAME     for the process list and the log\n"
         "  --help          this text\n\n"
         "Exit status: 0 the domain ended or the device was pulled out, 1 failure, 2 wrong usage.");
}

/* The socket first, then what libusb wants watched. */
static unsigned descriptors(HostUsb *h, struct pollfd fds[POLL_MAX])
{
    const struct libusb_pollfd **list = libusb_get_pollfds(h->context);
    unsigned n = 0;

    fds[n++] = (struct pollfd){ h->socket, POLLIN, 0 };
    for (unsigned i = 0; list && list[i] && n < POLL_MAX; i++) {
        fds[n++] = (struct pollfd){ list[i]->fd, list[i]->events, 0 };
    }
    libusb_free_pollfds(list);
    return n;
}

static void run(HostUsb *h)
{
    while (!h->ended) {
        struct pollfd fds[POLL_MAX];
        unsigned n = descriptors(h, fds);
        struct timeval none = { 0, 0 };
        bool usb = false;

        if (poll(fds, n, -1) < 0 && errno != EINTR) {
            return;
        }
        for (unsigned i = 1; i < n; i++) {
            usb |= fds[i].revents != 0;
        }
        if (usb) {
            libusb_handle_events_timeout(h->context, &none);
        }
        if (fds[0].revents && !host_serve(h)) {
            return;
        }
    }
}

int main(int argc, char **argv)
{
    static const struct option longs[] = {
        { "device-fd", required_argument, NULL, 'd' }, { "socket-fd", required_argument, NULL, 's' },
        { "log-fd", required_argument, NULL, 'l' }, { "name", required_argument, NULL, 'n' },
        { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 } };
    int device = -1, socket = -1, log_fd = -1, c;
    g_autoptr(GError) error = NULL;
    g_autofree char *title = NULL;
    const char *name = "usb";
    HostUsb host = { 0 };
    bool ok;

    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        switch (c) {
        case 'd': device = atoi(optarg); break;
        case 's': socket = atoi(optarg); break;
        case 'l': log_fd = atoi(optarg); break;
        case 'n': name = optarg; break;
        case 'h': help(); return 0;
        default: return EXIT_USAGE;
        }
    }
    if (device < 0 || socket < 0 || optind != argc) {
        fprintf(stderr, "dm-usb: error: --device-fd or --socket-fd is missing (try --help)\n");
        return EXIT_USAGE;
    }
    title = g_strdup_printf("dm-usb: %s", name);
    log_init(title, log_fd, false);
    signal(SIGPIPE, SIG_IGN);
    ok = host_open(&host, device, socket, &error) && host_restrict(&error);
    if (ok) {
        run(&host);
    } else {
        g_critical("%s", error->message);
    }
    host_close(&host);
    return ok ? 0 : 1;
}
