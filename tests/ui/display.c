/* SPDX-License-Identifier: GPL-2.0-or-later */
/* display.c - the shared screen and its viewers: what they are told, and that nobody watching costs
 * nothing. */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include "ui/common/screen.h"
#include "ui/viewer.h"

typedef struct Card {
    Display *display;
    Input *input;
    Screen screen;
    int sock;
    unsigned refreshes, fulls;
    uint32_t colour;
    unsigned key, keys;
    char asked[16];
    InputKeyboard keyboard;
    ViewerRequests requests;
} Card;

static void on_refresh(void *opaque, bool full)
{
    Card *c = opaque;

    c->refreshes++;
    c->fulls += full;
    if (c->colour) {
        display_row(c->display, 3)[4] = c->colour;
        display_dirty(c->display, 4, 3, 1, 1);
        c->colour = 0;
    }
}

static void on_key(void *opaque, unsigned code, bool down)
{
    Card *c = opaque;

    c->key = code;
    c->keys += down ? 1 : -1;
}

static void on_request(void *opaque, const char *what)
{
    g_strlcpy(((Card *)opaque)->asked, what, sizeof ((Card *)opaque)->asked);
}

static Card *card_new(void)
{
    Card *c = g_new0(Card, 1);
    int pair[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    c->display = display_new(NULL);
    c->input = input_new();
    c->keyboard = (InputKeyboard){ on_key, c };
    c->requests = (ViewerRequests){ on_request, c };
    input_attach_keyboard(c->input, &c->keyboard);
    display_attach(c->display, &(DisplayClient){ on_refresh, c });
    cr_assert(viewer_add(c->display, c->input, pair[0], &c->requests, NULL));
    cr_assert(screen_connect(&c->screen, pair[1], NULL));
    c->sock = pair[1];
    return c;
}

static void card_free(Card *c)
{
    screen_disconnect(&c->screen);
    if (c->sock >= 0) {
        close(c->sock);
    }
    display_free(c->display);
    input_free(c->input);
    g_free(c);
}

static void run_ms(unsigned ms)
{
    gint64 end = g_get_monotonic_time() + ms * G_TIME_SPAN_MILLISECOND;

    while (g_get_monotonic_time() < end) {
        if (!g_main_context_iteration(NULL, FALSE)) {
            g_usleep(500);
        }
    }
}

static void say(Card *c, uint32_t type, uint32_t a, uint32_t b)
{
    cr_assert(screen_send(&c->screen, false, type, a, b, 0, 0));
}

/* Counts messages of one event; the last one in *msg. */
static unsigned count(Card *c, enum ScreenEvent wanted, UiMsg *last)
{
    enum ScreenEvent e;
    unsigned n = 0;
    UiMsg m;

    while ((e = screen_next(&c->screen, &m)) != SCREEN_NOTHING) {
        cr_assert(e != SCREEN_BAD && e != SCREEN_CLOSED);
        if (e == wanted) {
            n++;
            *last = m;
        }
    }
    return n;
}

Test(display, nobody_watching_means_no_refresh)
{
    Card *c = card_new();

    run_ms(100);
    cr_expect_eq(c->refreshes, 0);
    say(c, UI_WATCHERS, 1, 0);
    run_ms(200);
    cr_expect(c->refreshes >= 3 && c->refreshes <= 11, "%u in 200 ms", c->refreshes);
    cr_expect_eq(c->fulls, 1);
    say(c, UI_WATCHERS, 0, 0);
    run_ms(30);
    c->refreshes = 0;
    run_ms(100);
    cr_expect_eq(c->refreshes, 0);
    card_free(c);
}

Test(display, drawn_pixels_and_their_rectangle_reach_the_viewer)
{
    Card *c = card_new();
    UiMsg m;

    say(c, UI_WATCHERS, 1, 0);
    run_ms(50);
    count(c, SCREEN_DIRTY, &m);
    c->colour = 0x445566;
    run_ms(50);
    cr_assert_eq(count(c, SCREEN_DIRTY, &m), 1);
    cr_expect(m.a == 4 && m.b == 3 && m.c == 1 && m.d == 1);
    cr_expect_eq(((const uint32_t *)(c->screen.pixels + 3 * c->screen.stride))[4], 0x445566);
    card_free(c);
}

Test(display, size_comes_before_the_rectangles_drawn_in_it)
{
    Card *c = card_new();
    UiMsg m;

    say(c, UI_WATCHERS, 1, 0);
    run_ms(50);
    count(c, SCREEN_DIRTY, &m);
    display_dirty(c->display, 600, 300, 10, 10);
    display_resize(c->display, 320, 200);
    run_ms(50);
    cr_expect_eq(count(c, SCREEN_RESIZED, &m), 1);
    cr_expect_eq(c->screen.width, 320);
    card_free(c);
}

Test(display, viewer_that_does_not_read_costs_nothing_and_gets_the_newest)
{
    Card *c = card_new();
    UiMsg m;

    say(c, UI_WATCHERS, 1, 0);
    run_ms(30);
    for (unsigned i = 0; i < 3000; i++) {
        display_resize(c->display, 100 + i % 500, 100);
        display_dirty(c->display, i % 50, i % 100, 5, 5);
        if (i % 10 == 0) {
            run_ms(1);
        }
    }
    display_resize(c->display, 111, 99);
    for (unsigned i = 0; i < 10; i++) {
        run_ms(30);
        count(c, SCREEN_RESIZED, &m);
    }
    cr_expect_eq(c->screen.width, 111);
    cr_expect_eq(c->screen.height, 99);
    card_free(c);
}

Test(display, viewer_cannot_write_the_display)
{
    Card *c = card_new();
    UiMsg hello;
    int pair[2], fd = -1;
    struct iovec iov = { &hello, sizeof hello };
    char control[CMSG_SPACE(sizeof(int))];
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
                          .msg_controllen = sizeof control };

    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    cr_assert(viewer_add(c->display, c->input, pair[0], NULL, NULL));
    cr_assert_eq(recvmsg(pair[1], &msg, 0), (ssize_t)sizeof hello);
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof fd);
    cr_expect_eq(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
    cr_expect_lt(pwrite(fd, "x", 1, 0), 0);
    cr_expect_lt(ftruncate(fd, 0), 0);
    close(fd);
    close(pair[1]);
    card_free(c);
}

Test(display, keys_of_a_viewer_that_dies_are_released)
{
    Card *c = card_new();

    say(c, UI_KEY, 0x1e, 1);
    say(c, UI_KEY, 0x2a, 1);
    say(c, UI_KEY, 0xffffffff, 1);
    run_ms(20);
    cr_expect_eq(c->keys, 2);
    close(c->sock);
    c->sock = -1;
    run_ms(20);
    cr_expect_eq(c->keys, 0);
    card_free(c);
}

Test(display, wishes_are_passed_on_and_rubbish_is_not)
{
    Card *c = card_new();

    say(c, 0xdeadbeef, 1, 1);
    say(c, UI_POWER, 1, 0);
    run_ms(20);
    cr_expect_str_eq(c->asked, "reset");
    say(c, UI_QUIT, 0, 0);
    run_ms(20);
    cr_expect_str_eq(c->asked, "quit");
    cr_assert_eq(send(c->sock, "abc", 3, 0), 3);    /* not a message: the viewer is let go */
    run_ms(20);
    c->asked[0] = 0;
    screen_send(&c->screen, false, UI_QUIT, 0, 0, 0, 0);
    run_ms(20);
    cr_expect_str_eq(c->asked, "");
    card_free(c);
}

Test(display, viewer_refuses_sizes_outside_the_memory)
{
    static const uint32_t bad[][4] = { { 2561, 1, 10244, 16384 }, { 640, 400, 2556, 16384 },
                                       { 640, 400, 2560, 0xfffffff0 }, { 0, 1, 4, 16384 },
                                       { 2560, 1600, 10240, 32768 }, { 640, 1601, 2560, 16384 } };
    Card *c = card_new();
    UiMsg m;

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        int pair[2];
        UiMsg evil = { UI_RESIZE, bad[i][0], bad[i][1], bad[i][2], bad[i][3] };
        Screen s = c->screen;

        cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
        s.sock = pair[0];
        cr_assert_eq(send(pair[1], &evil, sizeof evil, 0), (ssize_t)sizeof evil);
        cr_expect_eq(screen_next(&s, &m), SCREEN_BAD, "size %u", i);
        close(pair[0]);
        close(pair[1]);
    }
    card_free(c);
}

Test(display, screenshot_is_a_ppm_of_the_screen)
{
    Card *c = card_new();
    int fd = memfd_create("shot", 0);
    char head[15];
    uint8_t rgb[3];

    display_resize(c->display, 16, 8);
    c->colour = 0x112233;
    cr_assert(display_screenshot(c->display, fd, NULL));
    cr_assert_eq(pread(fd, head, sizeof head, 0), 15);
    cr_expect_eq(memcmp(head, "P6\n16 8\n255\n", 12), 0);
    cr_assert_eq(pread(fd, rgb, 3, 12 + (3 * 16 + 4) * 3), 3);
    cr_expect(rgb[0] == 0x11 && rgb[1] == 0x22 && rgb[2] == 0x33);
    close(fd);
    card_free(c);
}
