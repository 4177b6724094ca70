/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c - dm-ui: shows one domain's screen to VNC clients.  It has the listening socket and the
 * display memory (read-only), and neither guest memory nor files; it ends with its device model.
 */
#include <errno.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "lib/log.h"
#include "lib/sandbox.h"
#include "ui/vnc/policy.h"
#include "ui/vnc/server.h"

typedef struct Options {
    char *name, *keymap;
    int viewer_fd, listen_fd, password_fd, log_fd;
} Options;

typedef struct DmUi {
    Screen screen;
    VncServer *server;
    GMainLoop *loop;
    int status;
} DmUi;

static bool parse(Options *o, int argc, char **argv, GError **error)
{
    const GOptionEntry entries[] = {
        { "name", 0, 0, G_OPTION_ARG_STRING, &o->name, "the domain's name", "NAME" },
        { "viewer-fd", 0, 0, G_OPTION_ARG_INT, &o->viewer_fd, "socket to the device model", "N" },
        { "listen-fd", 0, 0, G_OPTION_ARG_INT, &o->listen_fd, "listening socket", "N" },
        { "password-fd", 0, 0, G_OPTION_ARG_INT, &o->password_fd,
          "the password is read from it; the first 8 characters count", "N" },
        { "keymap", 0, 0, G_OPTION_ARG_STRING, &o->keymap, "the guest's keyboard layout (en-us)",
          "LAYOUT" },
        { "log-fd", 0, 0, G_OPTION_ARG_INT, &o->log_fd, "the log (standard error)", "N" },
        { NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL }
    };
    GOptionContext *context = g_option_context_new("- a domain's screen over VNC");
    bool ok;

    *o = (Options){ .viewer_fd = -1, .listen_fd = -1, .password_fd = -1, .log_fd = -1 };
    g_option_context_add_main_entries(context, entries, NULL);
    ok = g_option_context_parse(context, &argc, &argv, error);
    g_option_context_free(context);
    if (ok && (o->viewer_fd < 0 || o->listen_fd < 0)) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "--viewer-fd and --listen-fd are needed (xend starts dm-ui)");
        ok = false;
    }
    return ok;
}

/* "" for none.  A line end after it is not part of it. */
static char *read_password(int fd)
{
    char buf[256];
    size_t len = 0;
    ssize_t n;

    while (fd >= 0 && len < sizeof buf - 1 && (n = read(fd, buf + len, sizeof buf - 1 - len)) > 0) {
        len += n;
    }
    buf[len] = 0;
    buf[strcspn(buf, "\r\n")] = 0;
    return g_strdup(buf);
}

static Keymap *load_keymap(const char *layout, GError **error)
{
    g_autoptr(GError) problem = NULL;
    Keymap *k = keymap_new(layout ? layout : "en-us", &problem);

    if (k) {
        return k;
    }
    g_warning("%s; en-us is used", problem->message);
    return keymap_new("en-us", error);
}

static gboolean on_screen(gint fd, GIOCondition condition, gpointer opaque)
{
    DmUi *ui = opaque;
    enum ScreenEvent event;
    UiMsg msg;

    (void)fd;
    (void)condition;
    while ((event = screen_next(&ui->screen, &msg)) != SCREEN_NOTHING) {
        if (event == SCREEN_CLOSED || event == SCREEN_BAD) {
            ui->status = event == SCREEN_BAD;
            g_main_loop_quit(ui->loop);
            return G_SOURCE_REMOVE;
        }
        vnc_server_event(ui->server, event, &msg);
    }
    return G_SOURCE_CONTINUE;
}

static gboolean on_signal(gpointer opaque)
{
    g_main_loop_quit(((DmUi *)opaque)->loop);
    return G_SOURCE_REMOVE;
}

static bool start(DmUi *ui, const Options *o, GError **error)
{
    const int keep[] = { o->viewer_fd, o->listen_fd, o->log_fd };
    g_autofree char *password = NULL;
    Keymap *keymap;

    if (!(keymap = load_keymap(o->keymap, error)) ||
        !screen_connect(&ui->screen, o->viewer_fd, error)) {
        return false;
    }
    password = read_password(o->password_fd);
    sandbox_keep_fds(keep, G_N_ELEMENTS(keep));
    ui->server = vnc_server_new(&ui->screen, keymap, o->name ? o->name : "Guesthouse", password,
                                error);
    memset(password, 0, strlen(password));
    if (!ui->server) {
        return false;
    }
    ui->loop = g_main_loop_new(NULL, FALSE);
    g_unix_signal_add(SIGTERM, on_signal, ui);
    g_unix_signal_add(SIGINT, on_signal, ui);
    g_unix_fd_add(o->viewer_fd, G_IO_IN | G_IO_HUP | G_IO_ERR, on_screen, ui);
    if (!sandbox_enter(vnc_policy, error)) {
        return false;
    }
    vnc_server_listen(ui->server, o->listen_fd);
    return true;
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *process = NULL;
    DmUi ui = { .status = 0 };
    Options o;

    if (!parse(&o, argc, argv, &error)) {
        fprintf(stderr, "dm-ui: %s\n", error->message);
        return 2;
    }
    process = g_strdup_printf("dm-ui: %s", o.name ? o.name : "?");
    log_init(process, o.log_fd, false);
    signal(SIGPIPE, SIG_IGN);
    if (!start(&ui, &o, &error)) {
        g_warning("%s", error->message);
        return 1;
    }
    g_main_loop_run(ui.loop);
    _exit(ui.status);                   /* clients' threads still read the display memory */
}
