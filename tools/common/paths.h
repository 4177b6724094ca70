/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * paths.h - where xend keeps its sockets, logs and state: Xen's directories for root, for other users
 * one below $XDG_STATE_HOME or ~/.local/state, which is the same in all sessions; all below
 * $GUESTHOUSE_DIR when that is set.  Also where the programs are.
 */
#ifndef GH_TOOLS_PATHS_H
#define GH_TOOLS_PATHS_H

#include <stdbool.h>

typedef struct Paths {
    char *run, *log, *state;    /* directories */
    char *rpc_socket;           /* run/xmlrpc.sock */
    char *store_socket;         /* run/xenstored/socket */
    char *pid_file;             /* run/xend.pid */
    char *xend_log;             /* log/xend.log */
} Paths;

Paths *paths_new(void);
void paths_free(Paths *p);
bool paths_create(const Paths *p, char **error);    /* makes the directories */

char *find_program(const char *name);       /* beside this program, or in LIBEXECDIR; or NULL */
char *find_hvmloader(void);                 /* ours, or NULL */

/* Unix sockets whose path may be longer than sockaddr_un holds.  -1 with errno. */
int unix_listen(const char *path);
int unix_connect(const char *path);

#endif
