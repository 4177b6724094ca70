/* SPDX-License-Identifier: GPL-2.0-or-later */
/* line.c - xend's end of serial lines: terminal, file, sockets, Telnet, host devices. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>
#include "include/line_proto.h"
#include "lib/fdpass.h"
#include "tools/xend/spawn.h"
#include "tools/xend/line.h"

typedef struct Rig {
    Line *line;
    int port;                   /* qemu-dm's end */
    char *dir, *log_path;
    ConsoleLog *log;
    LineMsg state[5];
    unsigned breaks;
} Rig;

static Rig rig_new(LineConfig config)
{
    Rig r = { .dir = g_dir_make_tmp("lineXXXXXX", NULL) };
    char *error = NULL;
    int ends[2];

    r.log_path = g_build_filename(r.dir, "log", NULL);
    r.log = console_log_new(r.log_path, 1 << 20, &error);
    cr_assert(socket_pair(SOCK_SEQPACKET, ends));
    r.port = ends[1];
    config.spec = config.spec ? config.spec : "test";
    r.line = line_new(ends[0], &config, "serial port 0", r.log, &error);
    cr_assert_not_null(r.line, "%s", error);
    return r;
}

static void rig_free(Rig *r)
{
    line_free(r->line);
    console_log_free(r->log);
    close(r->port);
    g_unlink(r->log_path);
    g_rmdir(r->dir);
    g_free(r->log_path);
    g_free(r->dir);
}

static void run_for(unsigned ms)
{
    gint64 end = g_get_monotonic_time() + ms * 1000;

    while (g_get_monotonic_time() < end) {
        if (!g_main_context_iteration(NULL, FALSE)) {
            g_usleep(2000);
        }
    }
}

static void say(Rig *r, const char *text, size_t len)
{
    uint8_t packet[sizeof(LineMsg) + LINE_DATA_MAX];
    LineMsg m = { LINE_DATA, 0, 0 };

    memcpy(packet, &m, sizeof m);
    memcpy(packet + sizeof m, text, len);
    cr_assert_eq(send(r->port, packet, sizeof m + len, MSG_DONTWAIT), (ssize_t)(sizeof m + len));
}

/* What the port hears; states and breaks are noted. */
static char *listen_in(Rig *r)
{
    uint8_t packet[sizeof(LineMsg) + LINE_DATA_MAX];
    GString *s = g_string_new(NULL);
    LineMsg m;
    ssize_t n;

    while ((n = recv(r->port, packet, sizeof packet, MSG_DONTWAIT)) >= (ssize_t)sizeof m) {
        memcpy(&m, packet, sizeof m);
        cr_assert_lt(m.type, 5);
        r->state[m.type] = m;
        r->breaks += m.type == LINE_BREAK && m.a;
        if (m.type == LINE_DATA) {
            g_string_append_len(s, (char *)packet + sizeof m, n - sizeof m);
        }
    }
    return g_string_free(s, FALSE);
}

static char *take(int fd)
{
    char buf[65536];
    ssize_t n = read(fd, buf, sizeof buf - 1);

    buf[MAX(n, 0)] = 0;
    return g_strndup(buf, MAX(n, 0));
}

static int local(unsigned *port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    cr_assert_eq(bind(fd, (struct sockaddr *)&a, len), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    *port = ntohs(a.sin_port);
    return fd;
}

static int join(unsigned port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    cr_assert_eq(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static unsigned free_port(void)
{
    unsigned port;

    close(local(&port));
    return port;
}

#define EXPECT(call, expected) do { \
    g_autofree char *got_ = (call); \
    cr_expect_str_eq(got_, expected); \
} while (0)

Test(line, a_terminal_shows_the_past_to_everybody_who_comes)
{
    Rig r = rig_new((LineConfig){ .kind = LINE_PTY });
    int tty;

    say(&r, "before\n", 7);
    run_for(50);
    for (unsigned i = 0; i < 3; i++) {
        tty = open(line_tty(r.line), O_RDWR | O_NOCTTY | O_NONBLOCK);
        cr_assert_geq(tty, 0);
        run_for(250);
        EXPECT(take(tty), i ? "before\nlive\n" : "before\n");
        if (i == 0) {
            say(&r, "live\n", 5);
            run_for(50);
            EXPECT(take(tty), "live\n");
        }
        cr_assert_eq(write(tty, "typed", 5), 5);
        run_for(50);
        EXPECT(listen_in(&r), "typed");
        close(tty);
        run_for(50);
    }
    say(&r, "nobody there\n", 13);
    run_for(50);
    EXPECT(listen_in(&r), "");         /* no echo of the terminal's own */
    rig_free(&r);
}

/* A guest that dies at once: its last words are read after the line has gone. */
Test(line, the_last_words_wait_for_their_reader)
{
    Rig r = rig_new((LineConfig){ .kind = LINE_PTY });
    int late, early = open(line_tty(r.line), O_RDWR | O_NOCTTY | O_NONBLOCK);
    struct pollfd p;

    cr_assert(early >= 0);
    say(&r, "hello", 5);
    run_for(200);                               /* the terminal has settled */
    EXPECT(take(early), "hello");
    late = open(line_tty(r.line), O_RDWR | O_NOCTTY | O_NONBLOCK);
    close(early);
    say(&r, "last words", 10);
    rig_free(&r);
    run_for(10);
    EXPECT(take(late), "last words");
    run_for(1500);
    p = (struct pollfd){ late, POLLIN, 0 };
    poll(&p, 1, 0);
    cr_expect(p.revents & POLLHUP, "the terminal hangs up when all is read");
    close(late);
}

Test(line, a_file_and_the_log_get_everything)
{
    g_autofree char *path = NULL, *text = NULL, *log = NULL;
    Rig r;
    int fd = g_file_open_tmp("lineXXXXXX", &path, NULL);

    close(fd);
    r = rig_new((LineConfig){ .kind = LINE_FILE, .path = path });
    say(&r, "one ", 4);
    run_for(20);
    say(&r, "two", 3);                  /* still in the socket when the line ends */
    line_free(r.line);
    r.line = NULL;
    cr_assert(g_file_get_contents(path, &text, NULL, NULL));
    cr_assert(g_file_get_contents(r.log_path, &log, NULL, NULL));
    cr_expect_str_eq(text, "one two");
    cr_expect_str_eq(log, "one two");
    g_unlink(path);
    rig_free(&r);
}

Test(line, a_server_has_one_client_after_the_other)
{
    unsigned port = free_port();
    Rig r = rig_new((LineConfig){ .kind = LINE_TCP, .host = "", .port = port, .server = true });
    int a, b;

    say(&r, "hello", 5);
    run_for(20);
    EXPECT(listen_in(&r), "");
    cr_expect_eq(r.state[LINE_MODEM].a & LINE_DCD, 0);
    a = join(port);
    b = join(port);
    run_for(50);
    EXPECT(take(a), "hello");
    EXPECT(take(b), "");
    EXPECT(listen_in(&r), "");
    cr_expect_eq(r.state[LINE_MODEM].a & LINE_DCD, LINE_DCD);
    cr_assert_eq(write(a, "A", 1), 1);
    run_for(20);
    EXPECT(listen_in(&r), "A");
    close(a);
    run_for(50);
    EXPECT(take(b), "hello");
    say(&r, "!", 1);
    run_for(20);
    EXPECT(take(b), "!");
    close(b);
    run_for(50);
    rig_free(&r);
}

Test(line, telnet_commands_are_taken_out_and_ff_is_doubled)
{
    unsigned port = free_port();
    Rig r = rig_new((LineConfig){ .kind = LINE_TCP, .host = "", .port = port, .server = true,
                                  .telnet = true });
    uint8_t buf[64];
    int fd = join(port);

    run_for(50);
    cr_assert_eq(read(fd, buf, sizeof buf), (ssize_t)telnet_greeting_len);
    say(&r, "a\xff\xff" "b", 4);
    run_for(20);
    cr_assert_eq(read(fd, buf, sizeof buf), 6);
    cr_expect_eq(memcmp(buf, "a\xff\xff\xff\xff" "b", 6), 0);
    cr_assert_eq(write(fd, "x\xff\xfd\x03y\xff\xf3z\xff\xfa\x18\xff\xff\xff\xf0\r\0w\xff\xff", 21), 21);
    run_for(20);
    EXPECT(listen_in(&r), "xyz\rw\xff");
    cr_expect_eq(r.breaks, 1);
    close(fd);
    rig_free(&r);
}

Test(line, a_client_comes_back_to_its_server)
{
    unsigned port;
    int listener = local(&port), fd;
    Rig r;

    cr_assert_eq(listen(listener, 4), 0);
    r = rig_new((LineConfig){ .kind = LINE_TCP, .host = "127.0.0.1", .port = port });
    say(&r, "hi", 2);
    run_for(200);
    fd = accept(listener, NULL, NULL);
    cr_assert_geq(fd, 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    EXPECT(take(fd), "hi");
    close(fd);
    run_for(1400);
    fd = accept(listener, NULL, NULL);
    cr_assert_geq(fd, 0, "again after a second");
    close(fd);
    rig_free(&r);
    close(listener);
}

Test(line, a_unix_server_leaves_nothing_behind)
{
    g_autofree char *dir = g_dir_make_tmp("lineXXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "socket", NULL);
    LineConfig config = { .kind = LINE_UNIX, .path = path, .server = true };
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), stale;
    Rig r;

    strcpy(a.sun_path, path);
    stale = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert_eq(bind(stale, (struct sockaddr *)&a, sizeof a), 0);
    close(stale);                       /* of one that has crashed */
    r = rig_new(config);
    cr_assert_eq(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    say(&r, "u", 1);
    run_for(50);
    EXPECT(take(fd), "u");
    rig_free(&r);
    cr_expect_neq(access(path, F_OK), 0);
    close(fd);
    g_rmdir(dir);
}

/* J9: a peer that does not read: held back for a while, then the log goes on without it. */
Test(line, a_peer_that_does_not_read_stops_nobody)
{
    unsigned port = free_port();
    Rig r = rig_new((LineConfig){ .kind = LINE_TCP, .host = "", .port = port, .server = true });
    g_autofree char *log = NULL;
    char chunk[LINE_DATA_MAX];
    int fd = join(port), one = 4096;
    size_t sent = 0, len;

    memset(chunk, 'x', sizeof chunk);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &one, sizeof one);
    run_for(50);
    for (gint64 end = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;
         g_get_monotonic_time() < end && sent < 900 * sizeof chunk * 10; run_for(1)) {
        LineMsg m = { LINE_DATA, 0, 0 };
        struct iovec v[2] = { { &m, sizeof m }, { chunk, sizeof chunk } };
        struct msghdr h = { .msg_iov = v, .msg_iovlen = 2 };

        while (sent < 900 * sizeof chunk * 10 && sendmsg(r.port, &h, MSG_DONTWAIT) > 0) {
            sent += sizeof chunk;
        }
    }
    cr_expect_eq(sent, 900 * sizeof chunk * 10);
    run_for(100);
    cr_assert(g_file_get_contents(r.log_path, &log, &len, NULL));
    cr_expect_gt(len, 0);
    close(fd);
    run_for(50);
    {
        g_autofree char *old = g_strconcat(r.log_path, ".1", NULL);

        g_unlink(old);
    }
    rig_free(&r);
}

/* A terminal stands for the host's serial port. */
Test(line, a_host_port_gets_speed_format_and_bytes)
{
    int far = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK), near;
    LineMsg m = { LINE_PARAMS, 9600, 7 | LINE_PARITY | LINE_EVEN | LINE_TWO_STOPS };
    struct termios t;
    char *path;
    Rig r;

    cr_assert(grantpt(far) == 0 && unlockpt(far) == 0);
    path = ptsname(far);
    near = open(path, O_RDWR | O_NOCTTY);       /* before it is exclusive */
    r = rig_new((LineConfig){ .kind = LINE_HOST_DEVICE, .path = path });
    cr_assert_eq(send(r.port, &m, sizeof m, 0), (ssize_t)sizeof m);
    say(&r, "AT", 2);
    run_for(50);
    EXPECT(take(far), "AT");
    cr_assert_eq(write(far, "OK\xff", 3), 3);
    run_for(50);
    EXPECT(listen_in(&r), "OK\xff");
    cr_assert_eq(tcgetattr(near, &t), 0);
    cr_expect_eq(cfgetospeed(&t), B9600);
    cr_expect_eq(t.c_cflag & CSTOPB, CSTOPB);
    rig_free(&r);
    close(near);
    close(far);
}

Test(line, marks_of_a_terminal_are_breaks)
{
    uint8_t buf[] = { 'a', 0xff, 0, 0, 'b', 0xff, 0xff, 0xff, 0 }, more[] = { 0, 'c' }, state = 0;
    unsigned breaks = 0;

    cr_assert_eq(line_device_filter(&state, buf, sizeof buf, &breaks), 3);
    cr_expect_eq(memcmp(buf, "ab\xff", 3), 0);
    cr_assert_eq(line_device_filter(&state, more, sizeof more, &breaks), 1);
    cr_expect_eq(breaks, 2);
}

Test(line, what_cannot_be_opened_is_named)
{
    LineConfig config = { .kind = LINE_FILE, .spec = "file:/nowhere/x", .path = "/nowhere/x" };
    char *error = NULL;
    int ends[2];

    cr_assert(socket_pair(SOCK_SEQPACKET, ends));
    cr_assert_null(line_new(ends[0], &config, "serial port 1", NULL, &error));
    cr_expect_not_null(strstr(error, "serial port 1: file:/nowhere/x can't be opened"));
    g_free(error);
    close(ends[1]);
}
