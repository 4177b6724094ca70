/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sdl.c - a real dm-sdl on SDL's dummy screen (pictures and keys need a desktop): it asks for the
 * picture, and it goes with its device model. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "ui/viewer.h"

static void on_refresh(void *opaque, bool full)
{
    *(bool *)opaque |= full;
}

static GPid spawn(const char *program, int sock)
{
    GPid pid = fork();

    if (pid == 0) {
        g_autofree char *fd = g_strdup_printf("%d", sock);

        setenv("SDL_VIDEODRIVER", "dummy", 1);
        execl(program, program, "--name", "testdomain", "--viewer-fd", fd, (char *)NULL);
        _exit(127);
    }
    return pid;
}

Test(dm_sdl, asks_for_the_picture_and_ends_with_its_device_model, .timeout = 30)
{
    const char *program = getenv("DM_SDL") ? getenv("DM_SDL") : "build/bin/dm-sdl";
    int pair[2], status = -1;
    bool drawn = false;
    gint64 end = g_get_monotonic_time() + 10 * G_TIME_SPAN_SECOND;

    if (access(program, X_OK) < 0) {
        cr_skip_test("build/bin/dm-sdl is not there");
    }
    Display *d = display_new(NULL);
    Input *in = input_new();

    display_attach(d, &(DisplayClient){ on_refresh, &drawn });
    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    GPid pid = spawn(program, dup(pair[1]));

    close(pair[1]);
    cr_assert(viewer_add(d, in, pair[0], NULL, NULL));
    while (!drawn && g_get_monotonic_time() < end) {
        if (!g_main_context_iteration(NULL, FALSE)) {
            g_usleep(1000);
        }
    }
    cr_expect(drawn);
    display_free(d);
    cr_expect_eq(waitpid(pid, &status, 0), pid);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", status);
    input_free(in);
}
