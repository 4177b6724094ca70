/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c - qemu-dm: the device model of one domain.  Reads as what happens: options, the hypervisor,
 * the board, the walls, the loop.
 */
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include "dm/dm.h"
#include "include/ctl_proto.h"
#include "lib/log.h"

enum { EXIT_USAGE = 2 };

static gboolean hypervisor_event(gint fd, GIOCondition condition, gpointer opaque)
{
    Dm *dm = opaque;

    (void)fd;
    (void)condition;
    switch (hv_event(dm->hv)) {
    case HV_EVENT_RESET:
        machine_reset(&dm->board.machine);
        break;
    case HV_EVENT_SHUTDOWN:
    case HV_EVENT_GONE:
        g_main_loop_quit(dm->loop);
        break;
    case HV_EVENT_NONE:
        break;
    }
    return G_SOURCE_CONTINUE;
}

static gboolean orderly_exit(gpointer opaque)
{
    Dm *dm = opaque;

    g_main_loop_quit(dm->loop);
    return G_SOURCE_CONTINUE;
}

static bool start(Dm *dm, GError **error)
{
    dm->control_fd = dm->options.control_fd;
    dm->rtc_offset = dm->options.rtc_offset;
    dm->hv = hv_connect(dm->options.hypervisor_fd, error);
    if (!dm->hv || !board_build(&dm->board, &dm_machine_host, dm, dm->hv, &dm->options,
                                   error) ||
        !dm_timers_start(dm, error)) {
        return false;
    }
    dm->loop = g_main_loop_new(NULL, FALSE);
    dm->requests = ioreq_client_new(dm->hv, &dm->board.machine, &dm->board.pci);
    g_unix_fd_add(hv_channel_fd(dm->hv), G_IO_IN | G_IO_HUP, hypervisor_event, dm);
    g_unix_signal_add(SIGTERM, orderly_exit, dm);
    g_unix_signal_add(SIGHUP, orderly_exit, dm);
    g_unix_signal_add(SIGINT, orderly_exit, dm);
    control_start(dm);
    return dm_restrict(dm, error);
}

int main(int argc, char **argv)
{
    static Dm dm;               /* the one instance; everything else gets it handed */
    g_autoptr(GError) error = NULL;
    g_autofree char *title = NULL;

    if (!options_parse(&dm.options, argc, argv, &error)) {
        fprintf(stderr, "qemu-dm: error: %s\n", error->message);
        return EXIT_USAGE;
    }
    if (dm.options.help) {
        options_help();
        return 0;
    }
    title = g_strdup_printf("qemu-dm: %s", dm.options.name);
    log_init(title, dm.options.log_fd, false);
    signal(SIGPIPE, SIG_IGN);
    if (!start(&dm, &error)) {
        g_critical("%s", error->message);
        control_event(&dm, CTL_EVENT_FAILED, 0, error->message);
        return 1;
    }
    hv_start(dm.hv);
    control_event(&dm, CTL_EVENT_DM_READY, 0, NULL);
    g_main_loop_run(dm.loop);
    ioreq_client_free(dm.requests);     /* the devices go without telling the hypervisor */
    board_finish(&dm.board);    /* closing a drive flushes its image */
    return dm.exit_status;
}
