/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vnc.c - a real dm-ui, sandboxed as ever, between a fake device model and a raw RFB client. */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "tests/ui/rfb.h"

static VncDomain *domain(const char *password, const char *keymap)
{
    VncDomain *d = vnc_domain_new(password, keymap);

    if (!d) {
        cr_skip_test("build/bin/dm-ui is not there");
    }
    return d;
}

static void draw(VncDomain *d, unsigned x, unsigned y, uint32_t colour)
{
    display_row(d->display, y)[x] = colour;
    display_dirty(d->display, x, y, 1, 1);
}

static void see_picture(VncDomain *d, int sock)
{
    RfbScreen s;

    (void)d;
    cr_assert(rfb_open(sock, NULL, &s));
    cr_expect_str_eq(s.name, "testdomain");
    cr_expect_eq(s.width * s.height, 640 * 400u);
    rfb_formats(sock);
    rfb_request(sock, &s, false);
    cr_assert(rfb_update(sock, &s));
    cr_expect_eq(s.pixels[5 * 2560 + 7], 0x123456);
    g_usleep(100000);                   /* looks on for a while */
    g_free(s.pixels);
}

Test(dm_ui, client_sees_the_pixels_under_the_domains_name)
{
    VncDomain *d = domain(NULL, NULL);

    draw(d, 7, 5, 0x123456);
    vnc_domain_run(d, see_picture);
    cr_expect(d->redrawn, "the card was asked, because somebody looked");
    vnc_domain_free(d);
}

static gboolean resize_soon(gpointer opaque)
{
    VncDomain *d = opaque;

    display_resize(d->display, 800, 600);
    draw(d, 799, 599, 0xabcdef);
    return G_SOURCE_REMOVE;
}

static void see_resize(VncDomain *d, int sock)
{
    RfbScreen s;

    cr_assert(rfb_open(sock, NULL, &s));
    rfb_formats(sock);
    rfb_request(sock, &s, false);
    cr_assert(rfb_update(sock, &s));
    g_timeout_add(50, resize_soon, d);
    for (unsigned i = 0; i < 50 && s.pixels[599 * 2560 + 799] != 0xabcdef; i++) {
        rfb_request(sock, &s, true);
        cr_assert(rfb_update(sock, &s));
    }
    cr_expect_eq(s.width, 800);
    cr_expect_eq(s.pixels[599 * 2560 + 799], 0xabcdef);
    g_free(s.pixels);
}

Test(dm_ui, change_of_mode_reaches_the_client)
{
    VncDomain *d = domain(NULL, NULL);

    vnc_domain_run(d, see_resize);
    vnc_domain_free(d);
}

static void type(VncDomain *d, int sock)
{
    RfbScreen s;

    (void)d;
    cr_assert(rfb_open(sock, NULL, &s));
    rfb_key(sock, 'a', true);
    rfb_key(sock, 'a', false);
    rfb_key(sock, '@', true);           /* AltGr+q on a German keyboard, whatever the user's is */
    rfb_key(sock, '@', false);
    rfb_key(sock, 0xffe1, true);        /* Shift, and gone without releasing it */
    rfb_pointer(sock, 0, 10, 10);
    rfb_pointer(sock, 1, 15, 8);
    rfb_pointer(sock, 0x11, 15, 8);
    rfb_formats(sock);
    rfb_request(sock, &s, false);
    cr_assert(rfb_update(sock, &s));
    g_free(s.pixels);
}

Test(dm_ui, keys_follow_the_guests_layout_and_stuck_ones_are_released)
{
    VncDomain *d = domain(NULL, "de");

    vnc_domain_run(d, type);
    cr_expect_str_eq(d->keys->str, "1e+ 1e- b8+ 10+ b8- 10- 2a+ 2a- ");
    cr_expect_eq(d->dx, 5);
    cr_expect_eq(d->dy, -2);
    cr_expect_eq(d->wheel, 1);
    cr_expect_eq(d->buttons, 0, "released when the client went");
    vnc_domain_free(d);
}

static void point(VncDomain *d, int sock)
{
    RfbScreen s;

    (void)d;
    cr_assert(rfb_open(sock, NULL, &s));
    rfb_pointer(sock, 4, s.width - 1, 0);
    rfb_formats(sock);
    rfb_request(sock, &s, false);
    cr_assert(rfb_update(sock, &s));
    g_free(s.pixels);
}

Test(dm_ui, absolute_pointers_get_absolute_places)
{
    VncDomain *d = domain(NULL, NULL);

    input_attach_pointer(d->input, &d->absolute);
    vnc_domain_run(d, point);
    cr_expect_eq(d->x * 640 / 32768, 639, "the last pixel, not %u", d->x);
    cr_expect_eq(d->y * 400 / 32768, 0);
    cr_expect_eq((d->x * 639 + 16383) / 32767, 639, "also for who rounds");
    vnc_domain_free(d);
}

static void wrong_password(VncDomain *d, int sock)
{
    RfbScreen s;
    int other = rfb_connect(d);

    cr_expect_not(rfb_open(other, NULL, &s), "no way round the password");
    close(other);
    cr_expect_not(rfb_open(sock, "0123456789abcdef", &s));
}

Test(dm_ui, wrong_answer_to_the_challenge_is_refused)
{
    VncDomain *d = domain("secret", NULL);

    vnc_domain_run(d, wrong_password);
    cr_expect_not(d->redrawn, "nobody let in, nothing drawn");
    vnc_domain_free(d);
}

static void slow_and_fast(VncDomain *d, int slow)
{
    RfbScreen a, b;
    int fast = rfb_connect(d);

    cr_assert(rfb_open(slow, NULL, &a));
    rfb_formats(slow);
    for (unsigned i = 0; i < 50; i++) {
        rfb_request(slow, &a, false);   /* and never reads */
    }
    cr_assert(rfb_open(fast, NULL, &b));
    rfb_formats(fast);
    for (unsigned i = 0; i < 10; i++) {
        gint64 start = g_get_monotonic_time();

        rfb_request(fast, &b, false);
        cr_assert(rfb_update(fast, &b));
        cr_expect(g_get_monotonic_time() - start < G_TIME_SPAN_SECOND);
    }
    close(fast);
    g_free(a.pixels);
    g_free(b.pixels);
}

Test(dm_ui, slow_client_does_not_hold_up_another)
{
    VncDomain *d = domain(NULL, NULL);

    display_resize(d->display, 1280, 1024);
    vnc_domain_run(d, slow_and_fast);
    vnc_domain_free(d);
}

static void rubbish(VncDomain *d, int sock)
{
    GRand *r = g_rand_new_with_seed(1);

    for (unsigned i = 0; i < 60; i++) {
        int victim = rfb_connect(d);
        uint8_t junk[300];
        RfbScreen s = { .pixels = NULL };

        if (i % 2 == 0 && !rfb_open(victim, NULL, &s)) {
            cr_assert(false, "no longer served after %u", i);
        }
        for (unsigned j = 0; j < sizeof junk; j++) {
            junk[j] = g_rand_int(r);
        }
        junk[0] = g_rand_int_range(r, 0, 16);
        if (send(victim, junk, i % 10 == 1 ? 2 : g_rand_int_range(r, 1, sizeof junk),
                 MSG_NOSIGNAL) < 0) {
            cr_assert(false, "not accepted");
        }
        close(victim);
        g_free(s.pixels);
    }
    g_rand_free(r);
    see_picture(d, sock);
}

Test(dm_ui, survives_clients_that_talk_rubbish_and_go, .timeout = 60)
{
    VncDomain *d = domain(NULL, NULL);

    draw(d, 7, 5, 0x123456);
    vnc_domain_run(d, rubbish);
    vnc_domain_free(d);
}
