/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c - dm-sdl: one domain's screen in a window of the user's desktop.  It has the display memory
 * (read-only) and the desktop's connection, and neither guest memory nor images; it ends with its
 * device model.  Closing the window asks xend to end the domain.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "lib/log.h"
#include "lib/sandbox.h"
#include "ui/sdl/window.h"

typedef struct Options {
    char *name;
    int viewer_fd, opengl, log_fd;
    gboolean full_screen;
} Options;

static bool parse(Options *o, int argc, char **argv, GError **error)
{
    const GOptionEntry entries[] = {
        { "name", 0, 0, G_OPTION_ARG_STRING, &o->name, "the domain's name", "NAME" },
        { "viewer-fd", 0, 0, G_OPTION_ARG_INT, &o->viewer_fd, "socket to the device model", "N" },
        { "full-screen", 0, 0, G_OPTION_ARG_NONE, &o->full_screen, "start on the full screen", NULL },
        { "opengl", 0, 0, G_OPTION_ARG_INT, &o->opengl, "1: draw by the graphics card (0)", "N" },
        { "log-fd", 0, 0, G_OPTION_ARG_INT, &o->log_fd, "the log (standard error)", "N" },
        { NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL }
    };
    GOptionContext *context = g_option_context_new("- a domain's screen in a window");
    bool ok;

    *o = (Options){ .viewer_fd = -1, .log_fd = -1 };
    g_option_context_add_main_entries(context, entries, NULL);
    ok = g_option_context_parse(context, &argc, &argv, error);
    g_option_context_free(context);
    if (ok && o->viewer_fd < 0) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "--viewer-fd is needed (xend starts dm-sdl)");
        ok = false;
    }
    return ok;
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *process = NULL;
    Screen screen;
    Options o;
    int status;

    if (!parse(&o, argc, argv, &error)) {
        fprintf(stderr, "dm-sdl: %s\n", error->message);
        return 2;
    }
    const int keep[] = { o.viewer_fd, o.log_fd };
    WindowOptions w = { .name = o.name ? o.name : "Guesthouse", .full_screen = o.full_screen,
                        .opengl = o.opengl };

    process = g_strdup_printf("dm-sdl: %s", w.name);
    log_init(process, o.log_fd, false);
    signal(SIGPIPE, SIG_IGN);
    sandbox_keep_fds(keep, G_N_ELEMENTS(keep));
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    status = screen_connect(&screen, o.viewer_fd, &error) ? window_run(&screen, &w, &error) : 1;
    if (error) {
        g_warning("%s", error->message);
    }
    _exit(status);                      /* the waiting thread still has the screen */
}
