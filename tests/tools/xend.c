/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parts of xend: control channel, consoles, spawning, sockets with long paths. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "lib/fdpass.h"
#include "tools/common/paths.h"
#include "tools/xend/console.h"
#include "tools/xend/control.h"
#include "tools/xend/spawn.h"

typedef struct Seen {
    unsigned events, replies, closed;
    int error;
    char text[64];
} Seen;

static void on_event(void *opaque, const CtlMsg *msg, const char *body)
{
    Seen *s = opaque;

    s->events++;
    g_strlcpy(s->text, body, sizeof s->text);
    cr_expect_eq(msg->len, strlen(body));
}

static void on_closed(void *opaque)
{
    ((Seen *)opaque)->closed++;
}

static void on_reply(void *opaque, int error, const CtlMsg *msg, const char *body)
{
    Seen *s = opaque;

    (void)msg;
    s->replies++;
    s->error = error;
    g_strlcpy(s->text, body, sizeof s->text);
}

static void run_loop(void)
{
    while (g_main_context_iteration(NULL, FALSE)) {
    }
}

Test(control, a_request_gets_its_reply_and_events_come_in_order)
{
    Seen s = { 0 };
    CtlMsg m, r = { .type = CTL_REPLY, .a = EINVAL, .len = 3 };
    CtlMsg e = { .type = CTL_EVENT_ENGINE, .len = 4 };
    Control *c;
    int ends[2];

    cr_assert(socket_pair(SOCK_SEQPACKET, ends));
    c = control_new(ends[0], on_event, on_closed, &s);
    control_request(c, CTL_CHANGE_MEDIUM, 1, 2, "hdc", -1, on_reply, &s);
    cr_assert_eq(packet_recv(ends[1], &m, sizeof m, NULL, NULL), -1);   /* longer than its head */
    control_request(c, CTL_PAUSE, 1, 2, NULL, -1, on_reply, &s);
    cr_assert_eq(packet_recv(ends[1], &m, sizeof m, NULL, NULL), (ssize_t)sizeof m);
    cr_expect(m.type == CTL_PAUSE && m.a == 1 && m.b == 2);
    r.id = m.id;
    packet_send(ends[1], &e, sizeof e, "soft", 4, NULL, 0);
    packet_send(ends[1], &r, sizeof r, "why", 3, NULL, 0);
    packet_send(ends[1], &r, sizeof r, "why", 3, NULL, 0);      /* a second time: ignored */
    run_loop();
    cr_expect_eq(s.events, 1);
    cr_expect_eq(s.replies, 1);
    cr_expect_eq(s.error, EINVAL);
    cr_expect_str_eq(s.text, "why");
    control_free(c);                    /* the first request was never answered */
    cr_expect_eq(s.replies, 2);
    cr_expect_eq(s.error, ECONNRESET);
    close(ends[1]);
}

Test(control, last_words_are_delivered_before_the_end)
{
    Seen s = { 0 };
    CtlMsg e = { .type = CTL_EVENT_FAILED, .len = 3 };
    Control *c;
    int ends[2];

    cr_assert(socket_pair(SOCK_SEQPACKET, ends));
    c = control_new(ends[0], on_event, on_closed, &s);
    packet_send(ends[1], &e, sizeof e, "no!", 3, NULL, 0);
    close(ends[1]);
    control_drain(c);
    cr_expect_eq(s.events, 1);
    cr_expect_str_eq(s.text, "no!");
    run_loop();
    cr_expect_eq(s.closed, 1);
    control_free(c);
}

Test(control, a_body_length_that_lies_is_cut)
{
    Seen s = { 0 };
    CtlMsg e = { .type = CTL_EVENT_ENGINE, .len = 60000 };
    Control *c;
    int ends[2];

    cr_assert(socket_pair(SOCK_SEQPACKET, ends));
    c = control_new(ends[0], on_event, on_closed, &s);
    packet_send(ends[1], &e, sizeof e, "ab", 2, NULL, 0);
    packet_send(ends[1], "x", 1, NULL, 0, NULL, 0);
    run_loop();
    cr_expect_eq(s.events, 1);
    cr_expect_str_eq(s.text, "ab");
    control_free(c);
    close(ends[1]);
}

Test(console, a_pty_is_raw_and_survives_its_readers)
{
    g_autofree char *error = NULL;
    Pty p;
    char buf[16];
    int tty;

    cr_assert(pty_open(&p, &error));
    tty = open(p.name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    cr_assert_eq(write(tty, "a\r\x03", 3), 3);
    close(tty);
    cr_expect_eq(read(p.master, buf, sizeof buf), 3);
    cr_expect_eq(memcmp(buf, "a\r\x03", 3), 0);
    cr_expect_eq(write(p.master, "out", 3), 3);
    tty = open(p.name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    cr_expect_eq(read(tty, buf, sizeof buf), 3);
    cr_expect(read(p.master, buf, sizeof buf) < 0 && errno == EAGAIN);  /* no echo */
    close(tty);
    pty_close(&p);
}

Test(console, a_log_is_cut_at_its_limit)
{
    g_autofree char *dir = g_dir_make_tmp("ghXXXXXX", NULL), *error = NULL;
    g_autofree char *path = g_build_filename(dir, "log", NULL), *old = g_strconcat(path, ".1",
                                                                                   NULL);
    g_autofree char *chunk = g_strnfill(65536, 'x');
    struct stat now, before;
    ConsoleLog *l = console_log_new(path, 1 << 20, &error);

    cr_assert_not_null(l);
    for (unsigned i = 0; i < 40; i++) {
        console_log_write(l, chunk, 65536);
    }
    console_log_write(l, "end", 3);
    console_log_free(l);
    cr_assert(stat(path, &now) == 0 && stat(old, &before) == 0);
    cr_expect_leq(now.st_size, 1 << 20);
    cr_expect_leq(before.st_size, 1 << 20);
    cr_expect_eq(now.st_size % 65536, 3);
    g_unlink(path);
    g_unlink(old);
    g_rmdir(dir);
}

Test(spawn, a_child_gets_its_descriptors_and_no_others)
{
    g_autofree char *dir = g_dir_make_tmp("ghXXXXXX", NULL), *error = NULL;
    g_autofree char *program = g_build_filename(dir, "lister", NULL), *list = NULL;
    Command *c;
    char buf[4096] = "";
    int out[2], given[2], stray, status, expected;
    GPid pid;

    g_file_set_contents(program, "#!/bin/sh\nls /proc/self/fd\necho $GH_VAR $*\n", -1, NULL);
    g_chmod(program, 0700);
    g_setenv("GUESTHOUSE_LIBEXEC", dir, TRUE);
    cr_assert_eq(pipe(out), 0);
    cr_assert_eq(pipe(given), 0);
    stray = dup(0);                     /* not close-on-exec: as libraries leave them */
    c = command_new("lister");
    command_fd(c, "--fd", given[0]);
    command_env(c, "GH_VAR", "hello");
    expected = given[0];
    pid = command_run(c, out[1], &error);
    cr_assert_gt(pid, 0);
    command_free(c);
    close(out[1]);
    waitpid(pid, &status, 0);
    cr_assert_gt(read(out[0], buf, sizeof buf - 1), 0);
    list = g_strdup_printf("\n%d\n", expected);
    cr_expect_not_null(strstr(buf, list));
    g_free(list);
    list = g_strdup_printf("\n%d\n", stray);
    cr_expect_null(strstr(buf, list), "%s", buf);
    cr_expect_not_null(strstr(buf, "hello --fd"));
    g_unlink(program);
    g_rmdir(dir);
}

Test(spawn, a_missing_program_is_an_error)
{
    g_autofree char *error = NULL;
    Command *c = command_new("no-such-program");

    cr_expect_eq(command_run(c, -1, &error), 0);
    cr_expect_not_null(strstr(error, "no-such-program"));
    command_free(c);
}

Test(paths, a_socket_works_below_a_long_directory)
{
    g_autofree char *dir = g_dir_make_tmp("ghXXXXXX", NULL), *part = g_strnfill(150, 'd');
    g_autofree char *deep = g_build_filename(dir, part, NULL);
    g_autofree char *path = g_build_filename(deep, "socket", NULL);
    int listening, connected;

    g_mkdir(deep, 0700);
    listening = unix_listen(path);
    cr_assert_geq(listening, 0);
    connected = unix_connect(path);
    cr_expect_geq(connected, 0);
    close(connected);
    close(listening);
    g_unlink(path);
    g_rmdir(deep);
    g_rmdir(dir);
}

/* A guest started at the desk has to be there for cron, su and the next login. */
Test(paths, of_a_user_are_the_same_with_and_without_a_login_session)
{
    g_autofree char *home = g_dir_make_tmp("home.XXXXXX", NULL);
    Paths *with, *without;

    cr_assert(home && chmod(home, 0777) == 0);
    g_unsetenv("GUESTHOUSE_DIR");
    g_unsetenv("XDG_STATE_HOME");
    g_setenv("HOME", home, TRUE);
    cr_assert(geteuid() != 0 || seteuid(65534) == 0);
    g_setenv("XDG_RUNTIME_DIR", home, TRUE);
    with = paths_new();
    g_unsetenv("XDG_RUNTIME_DIR");
    without = paths_new();
    cr_expect_str_eq(with->rpc_socket, without->rpc_socket);
    cr_expect(g_str_has_prefix(with->run, home), "%s", with->run);
    paths_free(with);
    paths_free(without);
    cr_expect(getuid() != 0 || seteuid(0) == 0);
    cr_expect_eq(g_rmdir(home), 0);
}
