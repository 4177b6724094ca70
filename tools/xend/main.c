/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c - xend: the daemon that keeps a user's (or, as root, the host's) domains.  start, stop,
 * restart, status as Xen's init script calls them; --foreground for supervisors.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "config.h"
#include "lib/log.h"
#include "tools/common/xmlrpc.h"
#include "tools/xend/domain.h"
#include "tools/xend/network.h"
#include "tools/xend/segment.h"

#define DRIVES_SECONDS 3        /* for CD drives to unlock their doors, at the end */

enum { EXIT_NOT_RUNNING = 3, EXIT_USAGE = 2 };

static void help(void)
{
    puts("Usage: xend [start|stop|restart|status] [--foreground]\n"
         "The daemon that keeps domains; xm starts it when none runs.\n\n"
         "  start          start it in the background\n"
         "  stop           end it, and all domains\n"
         "  restart        stop, then start\n"
         "  status         exit status 0: it runs, 3: it does not\n"
         "  --foreground   stay in the foreground, log to standard error too\n"
         "  --version      print the version\n"
         "  --help         this text\n\n"
         "Sockets and logs of root are in /var/run/xend and /var/log/xen, of others in\n"
         "run and log in ~/.local/state/guesthouse.  GUESTHOUSE_DIR names one directory for\n"
         "all of it.  Exit status: 0 good, 1 failure, 2 wrong usage, 3 not running.");
}

static Value *ask(const Paths *paths, const char *method)
{
    g_autoptr(Value) none = value_list();
    int fd = unix_connect(paths->rpc_socket);

    return fd < 0 ? NULL : xmlrpc_call(fd, method, none, NULL);
}

static int status(const Paths *paths)
{
    g_autoptr(Value) v = ask(paths, "xend.status");

    if (!v) {
        puts("xend is not running");
        return EXIT_NOT_RUNNING;
    }
    printf("xend is running (process %d, %d domains)\n", (int)value_get_int(v, "pid", 0),
           (int)value_get_int(v, "domains", 0));
    return 0;
}

/* The lock goes with the process, also where nobody reaps it. */
static bool lock_is_free(const Paths *paths)
{
    int fd = open(paths->pid_file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    bool is_free = fd < 0 || flock(fd, LOCK_SH | LOCK_NB) == 0;

    if (fd >= 0) {
        close(fd);
    }
    return is_free;
}

static int stop(const Paths *paths)
{
    g_autoptr(Value) v = ask(paths, "xend.stop");

    if (!v) {
        puts("xend is not running");
        return 0;
    }
    for (unsigned i = 0; i < 300; i++) {
        if (lock_is_free(paths)) {
            return 0;
        }
        g_usleep(50000);
    }
    fprintf(stderr, "xend: process %d does not end\n", (int)v->i);
    return 1;
}

static bool domain_known(void *opaque, uint32_t domid)
{
    Domain *d = domain_by_id(opaque, domid);

    return d && d->state != DOMAIN_DYING;
}

static gboolean on_terminate(gpointer opaque)
{
    Xend *x = opaque;

    g_info("told to end by a signal");
    x->stopping = true;
    for (unsigned i = x->domains->len; i-- > 0;) {
        Domain *d = g_ptr_array_index(x->domains, i);

        d->restart_after = false;
        domain_teardown(d);
    }
    if (x->domains->len == 0) {
        g_main_loop_quit(x->loop);
    }
    return G_SOURCE_CONTINUE;
}

/* The pid file is locked while xend lives: the lock is the truth, the number is for people. */
static int lock_pid_file(const Paths *paths)
{
    g_autofree char *text = NULL;
    int fd = open(paths->pid_file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    text = g_strdup_printf("%d\n", (int)getpid());
    if (ftruncate(fd, 0) != 0 || write(fd, text, strlen(text)) < 0) {
        g_warning("%s: %s", paths->pid_file, g_strerror(errno));
    }
    return fd;
}

/* What the settings' reader said: warnings to the log; false with error: there is a mistake. */
static bool settings_good(const Messages *messages, char **error)
{
    g_autoptr(GString) all = g_string_new(NULL);

    for (unsigned i = 0; i < messages->list->len; i++) {
        Message *m = g_ptr_array_index(messages->list, i);
        g_autofree char *line = message_line(m);

        if (m->severity == MESSAGE_ERROR) {
            g_string_append_printf(all, "%s%s", all->len ? "\n" : "", line);
        } else {
            g_warning("%s", g_str_has_prefix(line, "warning: ") ? line + 9 : line);
        }
    }
    if (messages->errors) {
        *error = g_strdup(g_str_has_prefix(all->str, "error: ") ? all->str + 7 : all->str);
    }
    return !messages->errors;
}

/* The log, as the settings say; then what there is to say about these. */
static bool start_log(Xend *x, bool foreground, char **error)
{
    g_autoptr(Messages) messages = messages_new();
    g_autofree char *path = xend_config_path(x->paths);
    LogLevel least;

    x->config = xend_config_read(path, messages);
    if (x->config->logfile) {
        g_free(x->paths->xend_log);
        x->paths->xend_log = g_strdup(x->config->logfile);
    }
    x->log_fd = open(x->paths->xend_log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    least = getenv("GUESTHOUSE_DEBUG") ? LOG_LEVEL_DEBUG : x->config->loglevel;
    if (x->log_fd < 0) {
        *error = g_strdup_printf("%s: the log can't be written (%s)%s", x->paths->xend_log,
                                 g_strerror(errno), x->config->logfile ? "; see logfile in "
                                 "xend-config.sxp" : "");
    }
    log_init_level("xend", foreground ? -1 : x->log_fd, least);
    return !*error && settings_good(messages, error);
}

static bool serve_start(Xend *x, char **error)
{
    g_autofree char *why = NULL;

    vif_remove_stale();
    if (!network_script(x->config->network_script, true, &why)) {
        *error = g_strdup_printf("%s: network-script: %s", x->config->file, why);
        return false;
    }
    x->store = store_new();
    x->store_server = store_server_new(x->store);
    store_server_set_known(x->store_server, domain_known, x);
    x->self_uuid = g_strdup("00000000-0000-0000-0000-000000000000");
    layout_host(x);
    if (!store_server_listen(x->store_server, x->paths->store_socket, error)) {
        return false;
    }
    x->rpc = rpc_server_new(x->paths->rpc_socket, api_handle, x, error);
    return x->rpc != NULL;
}

/*
 * The lock, or -1 with another xend that answers, or that never does.  One that is just being
 * started, or was just killed, gets the time for it: two commands at once may both start one.
 */
static int lock_or_find(const Paths *paths, bool *found)
{
    int fd;

    *found = false;
    for (unsigned i = 0; (fd = lock_pid_file(paths)) < 0 && i < 100; i++) {
        g_autoptr(Value) v = ask(paths, "xend.status");

        if (v) {
            *found = true;
            break;
        }
        g_usleep(50000);
    }
    return fd;
}

/* ready: told 'k', or a message, once the sockets listen; -1: nobody to tell. */
static int serve(Paths *paths, bool foreground, int ready)
{
    Xend x = { .paths = paths, .next_domid = 1, .started = time(NULL) };
    g_autofree char *error = NULL;
    bool found;
    int pid_fd = lock_or_find(paths, &found);

    if (found && ready >= 0) {
        return write(ready, "k", 1) == 1 ? 0 : 1;
    }
    if (pid_fd < 0) {
        error = found ? g_strdup("xend is running already")
                : g_strdup_printf("%s is locked by a xend that does not answer", paths->pid_file);
    }
    x.loop = g_main_loop_new(NULL, FALSE);
    x.domains = g_ptr_array_new();
    host_cds_init(&x.host_cds);
    x.dmesg = g_string_new(NULL);
    xend_dmesg(&x, "Guesthouse %s, hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64",
               GUESTHOUSE_VERSION);
    if (error || !start_log(&x, foreground, &error) || !serve_start(&x, &error)) {
        if (ready >= 0 && write(ready, error, strlen(error)) < 0) {
            g_warning("%s", error);
        }
        fprintf(stderr, "xend: error: %s\n", error);
        return 1;
    }
    signal(SIGPIPE, SIG_IGN);
    g_unix_signal_add(SIGTERM, on_terminate, &x);
    g_unix_signal_add(SIGINT, on_terminate, &x);
    g_info("started, version %s, process %d", GUESTHOUSE_VERSION, (int)getpid());
    if (ready >= 0) {
        if (write(ready, "k", 1) < 0) {
            g_warning("nobody waits for the start");
        }
        close(ready);
    }
    g_main_loop_run(x.loop);
    g_info("ends");
    host_cds_wait(&x.host_cds, DRIVES_SECONDS);
    rpc_server_free(x.rpc);
    unlink(paths->rpc_socket);
    store_server_free(x.store_server);
    unlink(paths->store_socket);
    store_free(x.store);
    segments_free(&x);
    g_clear_pointer(&error, g_free);
    if (!network_script(x.config->network_script, false, &error)) {
        g_warning("network-script: %s", error);
    }
    unlink(paths->pid_file);
    xend_config_free(x.config);
    return 0;
}

/* Forks twice; returns in the parent when the daemon listens. */
static int start(Paths *paths)
{
    int ends[2], null_fd;
    char answer[512];
    ssize_t n, got = 0;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) != 0 || (pid = fork()) < 0) {
        fprintf(stderr, "xend: error: %s\n", g_strerror(errno));
        return 1;
    }
    if (pid == 0) {
        setsid();
        if (fork() != 0) {
            _exit(0);
        }
        close(ends[0]);
        null_fd = open("/dev/null", O_RDWR);
        dup2(null_fd, 0);
        dup2(null_fd, 1);
        dup2(null_fd, 2);
        /* Somebody may wait for the end of a pipe that a script left open. */
        if (dup2(ends[1], 3) < 0 || fcntl(3, F_SETFD, FD_CLOEXEC) != 0) {
            _exit(1);
        }
        close_range(4, ~0u, 0);
        if (chdir("/") != 0) {
            _exit(1);
        }
        exit(serve(paths, false, 3));
    }
    close(ends[1]);
    while (got < (ssize_t)sizeof answer - 1 &&
           (n = read(ends[0], answer + got, sizeof answer - 1 - got)) > 0) {
        got += n;
    }
    answer[got] = 0;
    close(ends[0]);
    if (strcmp(answer, "k")) {
        fprintf(stderr, "xend: error: %s\n", *answer ? answer : "the daemon ended at once; see "
                "its log");
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    g_autofree char *error = NULL;
    const char *command = NULL;
    bool foreground = false;
    Paths *paths = paths_new();

    setlocale(LC_MESSAGES, "");
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            help();
            return 0;
        } else if (!strcmp(argv[i], "--version")) {
            puts("xend (Guesthouse) " GUESTHOUSE_VERSION);
            return 0;
        } else if (!strcmp(argv[i], "--foreground") || !strcmp(argv[i], "-f")) {
            foreground = true;
        } else if (*argv[i] != '-' && !command) {
            command = argv[i];
        } else {
            fprintf(stderr, "xend: error: unknown option %s (try --help)\n", argv[i]);
            return EXIT_USAGE;
        }
    }
    if (!command) {
        command = foreground ? "start" : "";
    }
    umask(0077);
    if (!strcmp(command, "status")) {
        return status(paths);
    }
    if (!strcmp(command, "stop")) {
        return stop(paths);
    }
    if (strcmp(command, "start") && strcmp(command, "restart")) {
        if (*command) {
            fprintf(stderr, "xend: error: unknown command %s (try --help)\n", command);
            return EXIT_USAGE;
        }
        help();
        return EXIT_USAGE;
    }
    if (!paths_create(paths, &error)) {
        fprintf(stderr, "xend: error: %s\n", error);
        return 1;
    }
    if (!strcmp(command, "restart") && stop(paths) != 0) {
        return 1;
    }
    if (!foreground) {
        g_autoptr(Value) running = ask(paths, "xend.status");

        return running ? 0 : start(paths);
    }
    return serve(paths, true, -1);
}
