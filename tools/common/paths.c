/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * paths.c - directories, siblings, and unix sockets.  A socket's path that does not fit into
 * sockaddr_un (108 bytes) is reached through /proc/self/fd/N of its directory.
 */
#include "tools/common/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "config.h"

Paths *paths_new(void)
{
    Paths *p = g_new0(Paths, 1);
    const char *all = getenv("GUESTHOUSE_DIR"), *state = getenv("XDG_STATE_HOME");
    g_autofree char *home_state = NULL;

    if (all && *all) {
        g_autofree char *dir = g_canonicalize_filename(all, NULL);

        p->run = g_strdup(dir);
        p->log = g_build_filename(dir, "log", NULL);
        p->state = g_build_filename(dir, "state", NULL);
    } else if (geteuid() == 0) {
        p->run = g_strdup("/var/run/xend");
        p->log = g_strdup("/var/log/xen");
        p->state = g_strdup("/var/lib/xen");
    } else {
        home_state = state && *state == '/' ? g_build_filename(state, "guesthouse", NULL)
                     : g_build_filename(g_get_home_dir(), ".local/state/guesthouse", NULL);
        /* Not in $XDG_RUNTIME_DIR: cron jobs and su have none, and it goes with the last login,
           which domains outlive. */
        p->run = g_build_filename(home_state, "run", NULL);
        p->log = g_build_filename(home_state, "log", NULL);
        p->state = g_build_filename(home_state, "lib", NULL);
    }
    p->rpc_socket = g_build_filename(p->run, "xmlrpc.sock", NULL);
    p->store_socket = g_build_filename(p->run, "xenstored/socket", NULL);
    p->pid_file = g_build_filename(p->run, "xend.pid", NULL);
    p->xend_log = g_build_filename(p->log, "xend.log", NULL);
    return p;
}

void paths_free(Paths *p)
{
    g_free(p->run);
    g_free(p->log);
    g_free(p->state);
    g_free(p->rpc_socket);
    g_free(p->store_socket);
    g_free(p->pid_file);
    g_free(p->xend_log);
    g_free(p);
}

bool paths_create(const Paths *p, char **error)
{
    g_autofree char *store = g_path_get_dirname(p->store_socket);
    g_autofree char *console = g_build_filename(p->log, "console", NULL);
    const char *dirs[] = { p->run, store, p->log, console, p->state };

    for (unsigned i = 0; i < G_N_ELEMENTS(dirs); i++) {
        if (g_mkdir_with_parents(dirs[i], 0700) != 0 || access(dirs[i], W_OK | X_OK) != 0) {
            *error = g_strdup_printf("directory %s can't be used (%s)", dirs[i], g_strerror(errno));
            return false;
        }
    }
    /* The control socket is as good as this user's account. */
    if (chmod(p->run, 0700) != 0) {
        *error = g_strdup_printf("directory %s belongs to somebody else (%s)", p->run,
                                 g_strerror(errno));
        return false;
    }
    return true;
}

static char *own_directory(void)
{
    g_autofree char *exe = g_file_read_link("/proc/self/exe", NULL);

    return exe ? g_path_get_dirname(exe) : g_strdup(".");
}

static char *first_existing(char *a, char *b, int mode)
{
    if (access(a, mode) == 0) {
        g_free(b);
        return a;
    }
    g_free(a);
    if (access(b, mode) == 0) {
        return b;
    }
    g_free(b);
    return NULL;
}

char *find_program(const char *name)
{
    g_autofree char *own = own_directory();
    const char *override = getenv("GUESTHOUSE_LIBEXEC");

    if (override && *override) {
        return first_existing(g_build_filename(override, name, NULL),
                              g_build_filename(own, name, NULL), X_OK);
    }
    return first_existing(g_build_filename(own, name, NULL),
                          g_build_filename(LIBEXECDIR, name, NULL), X_OK);
}

char *find_hvmloader(void)
{
    g_autofree char *own = own_directory();

    return first_existing(g_build_filename(own, "../boot/hvmloader", NULL),
                          g_build_filename(LIBEXECDIR, "hvmloader", NULL), R_OK);
}

static bool unix_address(const char *path, struct sockaddr_un *address, int *dir)
{
    g_autofree char *parent = g_path_get_dirname(path), *base = g_path_get_basename(path);

    *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    *dir = -1;
    if (strlen(path) < sizeof address->sun_path) {
        strcpy(address->sun_path, path);
        return true;
    }
    *dir = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return *dir >= 0 && snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/%s",
                                 *dir, base) < (int)sizeof address->sun_path;
}

static int unix_socket(const char *path, bool listening)
{
    struct sockaddr_un address;
    int dir, fd = -1, saved;
    bool ok = false;

    if (unix_address(path, &address, &dir)) {
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    }
    if (fd >= 0 && listening) {
        mode_t mask = umask(0077);

        unlink(address.sun_path);
        ok = bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 64) == 0;
        umask(mask);
    } else if (fd >= 0) {
        ok = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    }
    saved = errno;
    if (dir >= 0) {
        close(dir);
    }
    if (!ok && fd >= 0) {
        close(fd);
        fd = -1;
    }
    errno = saved;
    return fd;
}

int unix_listen(const char *path)
{
    return unix_socket(path, true);
}

int unix_connect(const char *path)
{
    return unix_socket(path, false);
}
