/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * console.c - xm console: the user's terminal in raw mode, joined to a domain's pty.  Ctrl+] leaves
 * it; the terminal is restored whatever ends the program, short of kill -9.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include "lib/fd.h"
#include "tools/xm/xm.h"

#define ESCAPE_KEY 0x1d         /* Ctrl+] */

int console_open(const char *path)
{
    struct termios t;
    int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);

    if (fd >= 0 && tcgetattr(fd, &t) == 0) {
        cfmakeraw(&t);
        tcsetattr(fd, TCSANOW, &t);
    }
    return fd;
}

/* Signals only interrupt poll(); the loop sees the pipe and leaves in good order. */
static int signal_pipe[2] = { -1, -1 };

static void on_signal(int number)
{
    char c = number;

    if (write(signal_pipe[1], &c, 1) < 0) {
        return;
    }
}

/* One round; false: the session is over. */
static bool pump(struct pollfd p[3], int tty_fd)
{
    char buf[4096], *escape;
    ssize_t n;

    if (poll(p, 3, -1) < 0) {
        return errno == EINTR;
    }
    if (p[2].revents) {
        return false;
    }
    if (p[1].revents) {
        n = read(tty_fd, buf, sizeof buf);
        if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) {
            return false;
        }
        if (n > 0 && !fd_write_all(STDOUT_FILENO, buf, n)) {
            return false;
        }
    }
    if (p[0].revents) {
        n = read(STDIN_FILENO, buf, 256);
        if (n <= 0) {
            p[0].fd = -1;       /* end of input: go on showing output */
            return true;
        }
        escape = memchr(buf, ESCAPE_KEY, n);
        if (!fd_write_all(tty_fd, buf, escape ? escape - buf : n)) {
            return false;
        }
        return !escape;
    }
    return true;
}

int console_attach(int tty_fd)
{
    static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
    struct pollfd p[3] = { { STDIN_FILENO, POLLIN, 0 }, { tty_fd, POLLIN, 0 }, { -1, POLLIN, 0 } };
    struct sigaction action = { .sa_handler = on_signal }, old[G_N_ELEMENTS(signals)];
    struct termios saved, raw;
    bool terminal = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &saved) == 0;

    if (pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) != 0) {
        return XM_FAILED;
    }
    p[2].fd = signal_pipe[0];
    for (unsigned i = 0; i < G_N_ELEMENTS(signals); i++) {
        sigaction(signals[i], &action, &old[i]);
    }
    if (terminal) {
        raw = saved;
        cfmakeraw(&raw);
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    fflush(stdout);
    while (pump(p, tty_fd)) {
    }
    if (terminal) {
        tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
        putchar('\n');
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(signals); i++) {
        sigaction(signals[i], &old[i], NULL);
    }
    close(signal_pipe[0]);
    close(signal_pipe[1]);
    return XM_OK;
}

static const char *serial_port(const Value *domain, unsigned n)
{
    const Value *list = value_get(domain, "serials");

    return list && n < value_len(list) ? value_item(list, n)->s : "";
}

static int attach(const char *path)
{
    int fd = console_open(path), status;

    if (fd < 0) {
        xm_error("%s can't be opened (%s)", path, g_strerror(errno));
        return XM_FAILED;
    }
    status = console_attach(fd);
    close(fd);
    return status;
}

int xm_console(Xm *xm, int argc, char **argv)
{
    const char *name = argv[argc - 1], *path;
    bool pv = false;
    unsigned port = 0;
    int status = XM_OK;
    g_autoptr(Value) d = NULL;

    for (int i = 0; i < argc - 1; i++) {
        if (!strcmp(argv[i], "-t") && i + 1 < argc - 1) {
            pv = !strcmp(argv[++i], "pv");
        } else if (!strcmp(argv[i], "-n") || !strcmp(argv[i], "--num")) {
            port = i + 1 < argc - 1 ? strtoul(argv[++i], NULL, 10) : 0;
        } else if (strcmp(argv[i], "-q") && strcmp(argv[i], "--quiet")) {
            xm_error("unknown option %s", argv[i]);
            xm_usage(xm->command);
            return XM_FAILED;
        }
    }
    d = xm_domain(xm, name, &status);
    if (!d) {
        return status;
    }
    path = port ? serial_port(d, port) : value_get_str(d, "serial", "");
    if ((!*path && !port) || pv) {
        path = value_get_str(d, "console", "");
    }
    if (!*path) {
        xm_error("Domain '%s' has no %s; write serial='pty' in its config", name,
                 port ? "such serial port" : "console");
        return XM_FAILED;
    }
    return attach(path);
}

int xm_monitor(Xm *xm, int argc, char **argv)
{
    int status = XM_OK;
    g_autoptr(Value) d = xm_domain(xm, argv[0], &status);
    const char *path = d ? value_get_str(d, "monitor", "") : "";

    (void)argc;
    if (!d) {
        return status;
    }
    if (!*path) {
        xm_error("Domain '%s' has no monitor; write monitor=1 in its config", argv[0]);
        return XM_FAILED;
    }
    return attach(path);
}

int viewer_run(const char *host, unsigned port)
{
    g_autofree char *target = g_strdup_printf("%s::%u", host, port);

    fflush(NULL);
    execlp("vncviewer", "vncviewer", target, NULL);
    xm_error("vncviewer can't be started (%s); install tigervnc-viewer, or connect to %s port %u",
             g_strerror(errno), host, port);
    return XM_FAILED;
}

int xm_vncviewer(Xm *xm, int argc, char **argv)
{
    int status = XM_OK;
    g_autoptr(Value) d = xm_domain(xm, argv[argc - 1], &status);
    unsigned port = value_get_int(d, "vnc_port", 0);
    const char *host = value_get_str(d, "vnc_listen", "localhost");

    if (!d) {
        return status;
    }
    if (!port) {
        xm_error("Domain '%s' has no VNC display; write vnc=1 in its config", argv[argc - 1]);
        return XM_FAILED;
    }
    return viewer_run(!strcmp(host, "0.0.0.0") || !strcmp(host, "127.0.0.1") ? "localhost" : host,
                      port);
}
