/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * spawn.h - starting a domain's processes: a command line under construction, with the descriptors
 * that it names, and nothing else inherited.
 */
#ifndef GH_XEND_SPAWN_H
#define GH_XEND_SPAWN_H

#include <glib.h>
#include <stdbool.h>

typedef struct Command {
    char *program;              /* path, or NULL: not found */
    GPtrArray *argv;
    char **envp;                /* xend's own, with changes */
    GArray *fds;                /* int: inherited; closed in xend by command_free() */
} Command;

Command *command_new(const char *name);
void command_free(Command *c);
void command_arg(Command *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
void command_env(Command *c, const char *name, const char *value);
/* "--option N", and the child inherits fd, which becomes the command's. */
void command_fd(Command *c, const char *option, int fd);
void command_give(Command *c, int fd);      /* inherited, named in some other argument */
/* 0 with an error message, or the process. */
GPid command_run(Command *c, int log_fd, char **error);

/* Both ends close-on-exec; false with errno. */
bool socket_pair(int type, int ends[2]);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Command, command_free)

#endif
