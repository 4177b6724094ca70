/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * spawn.c - fork and exec with an explicit list of descriptors.  The child gets its own session,
 * /dev/null as input and its log as output.
 */
#include "tools/xend/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>
#include "tools/common/paths.h"

bool socket_pair(int type, int ends[2])
{
    return socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) == 0;
}

Command *command_new(const char *name)
{
    Command *c = g_new0(Command, 1);

    c->program = find_program(name);
    c->envp = g_get_environ();
    c->argv = g_ptr_array_new_with_free_func(g_free);
    c->fds = g_array_new(FALSE, FALSE, sizeof(int));
    g_ptr_array_add(c->argv, g_strdup(name));
    return c;
}

void command_free(Command *c)
{
    for (unsigned i = 0; i < c->fds->len; i++) {
        close(g_array_index(c->fds, int, i));
    }
    g_array_free(c->fds, TRUE);
    g_ptr_array_free(c->argv, TRUE);
    g_free(c->program);
    g_strfreev(c->envp);
    g_free(c);
}

void command_arg(Command *c, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    g_ptr_array_add(c->argv, g_strdup_vprintf(format, ap));
    va_end(ap);
}

void command_env(Command *c, const char *name, const char *value)
{
    c->envp = g_environ_setenv(c->envp, name, value, TRUE);
}

void command_give(Command *c, int fd)
{
    g_array_append_val(c->fds, fd);
}

void command_fd(Command *c, const char *option, int fd)
{
    command_arg(c, "%s", option);
    command_arg(c, "%d", fd);
    command_give(c, fd);
}

/* Between fork and exec: async-signal-safe calls only. */
static void child(const Command *c, int log_fd, char *const *argv)
{
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    sigset_t none;

    setsid();
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_IGN);
    dup2(null_fd, STDIN_FILENO);
    dup2(log_fd >= 0 ? log_fd : null_fd, STDOUT_FILENO);
    dup2(log_fd >= 0 ? log_fd : null_fd, STDERR_FILENO);
    close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
    for (unsigned i = 0; i < c->fds->len; i++) {
        fcntl(g_array_index(c->fds, int, i), F_SETFD, 0);
    }
    execve(c->program, argv, c->envp);
    _exit(127);
}

GPid command_run(Command *c, int log_fd, char **error)
{
    pid_t pid;

    if (!c->program) {
        *error = g_strdup_printf("the program %s is missing; is the installation complete?",
                                 (char *)c->argv->pdata[0]);
        return 0;
    }
    g_ptr_array_add(c->argv, NULL);
    pid = fork();
    if (pid == 0) {
        child(c, log_fd, (char *const *)c->argv->pdata);
    }
    g_ptr_array_remove_index(c->argv, c->argv->len - 1);
    if (pid < 0) {
        *error = g_strdup_printf("%s can't be started (%s)", c->program, g_strerror(errno));
        return 0;
    }
    return pid;
}
