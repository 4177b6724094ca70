/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sound.c - from a voice to the loudspeaker: the buffer between the guest's clock and the sound
 * card's, and a real dm-sound whose card is a file (SDL's disk driver).
 */
#include <criterion/criterion.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "include/sound_proto.h"
#include "ui/audio.h"
#include "ui/sound/play.h"

static PlayBuffer *b;

static void setup(void)
{
    b = g_new0(PlayBuffer, 1);
}

static void teardown(void)
{
    g_free(b);
}

TestSuite(play, .init = setup, .fini = teardown);

static void push(uint32_t first, uint32_t count)
{
    int16_t f[4096][2];

    for (uint32_t i = 0; i < count; i++) {
        f[i][0] = first + i;
        f[i][1] = -(int16_t)(first + i);
    }
    play_push(b, (const int16_t (*)[2])f, count);
}

static uint32_t pull(int16_t (*out)[2], uint32_t count)
{
    uint32_t silent = 0;

    play_pull(b, out, count);
    for (uint32_t i = 0; i < count; i++) {
        silent += !out[i][0] && !out[i][1];
    }
    return silent;
}

Test(play, fills_up_first_and_then_gives_what_came_bit_by_bit)
{
    int16_t out[1024][2];

    push(1, PLAY_TARGET - 1);
    cr_assert_eq(pull(out, 480), 480);
    push(PLAY_TARGET, 481);
    cr_assert_eq(pull(out, 480), 0);
    for (unsigned i = 0; i < 480; i++) {
        cr_assert_eq(out[i][0], (int)i + 1);
        cr_assert_eq(out[i][1], -(int)i - 1);
    }
}

Test(play, short_sound_is_played_when_its_end_is_known)
{
    int16_t out[1024][2];

    push(1, 100);
    cr_assert_eq(pull(out, 480), 480);
    play_end(b);
    cr_assert_eq(pull(out, 480), 380);
    cr_assert_eq(out[99][0], 100);
    cr_assert_eq(b->underruns, 0, "that was no underrun");
    push(1, 100);
    cr_assert_eq(pull(out, 480), 480, "the next fills up again");
}

Test(play, underrun_is_silence_and_fills_up_again)
{
    int16_t out[1024][2];

    push(1, PLAY_TARGET);
    for (unsigned i = 0; i < PLAY_TARGET / 1024; i++) {
        pull(out, 1024);
    }
    pull(out, 1024);
    cr_assert_eq(b->underruns, 1);
    push(1, 1000);
    cr_assert_eq(pull(out, 480), 480);
    push(1001, PLAY_TARGET);
    cr_assert_eq(pull(out, 480), 0);
}

Test(play, nobody_who_pulls_is_no_queue_without_end)
{
    int16_t out[1024][2];

    for (unsigned i = 0; i < 1000; i++) {
        push(i * 480 % 30000 + 1, 480);
        cr_assert_leq(b->used, PLAY_FRAMES);
    }
    cr_assert_eq(pull(out, 1), 0);
    cr_assert_lt(b->used, PLAY_FRAMES);
}

/* Two clocks that differ by 0.2 %, for ten minutes. */
static void drift(double in_rate)
{
    int16_t out[480][2];
    double due = 0;
    uint32_t sent = 0, least = PLAY_FRAMES, most = 0;

    for (unsigned i = 0; i < 60000; i++) {
        for (due += in_rate / 100; sent + 160 < due; sent += 160) {
            push(1, 160);
        }
        pull(out, 480);
        if (i > 1000) {
            least = MIN(least, b->used);
            most = MAX(most, b->used);
        }
    }
    cr_assert_eq(b->underruns, 0);
    cr_assert(least > 500 && most < 2 * PLAY_TARGET, "%u to %u", least, most);
}

Test(play, clocks_may_differ_both_ways)
{
    drift(48096);
    drift(47904);
}

/* --- the program ------------------------------------------------------------------------------- */

static GPid spawn(int sock, const char *file)
{
    const char *program = getenv("DM_SOUND") ? getenv("DM_SOUND") : "build/bin/dm-sound";
    GPid pid;

    if (access(program, X_OK) < 0) {
        cr_skip_test("build/bin/dm-sound is not there");
    }
    pid = fork();
    if (pid == 0) {
        g_autofree char *fd = g_strdup_printf("%d", sock);

        setenv("SDL_AUDIODRIVER", file ? "disk" : "none-such", 1);
        if (file) {
            setenv("SDL_DISKAUDIOFILE", file, 1);
        }
        execl(program, program, "--name", "testdomain", "--socket-fd", fd, (char *)NULL);
        _exit(127);
    }
    return pid;
}

/* A second of a tone in packets, as fast as guest time passes; then the end. */
static void send_tone(int sock, double hz)
{
    struct { SoundMsg msg; int16_t frame[480][2]; } out = { .msg = { SOUND_FRAMES, 480 } };
    gint64 begin = g_get_monotonic_time();

    for (unsigned k = 0; k < 100; k++) {
        for (unsigned i = 0; i < 480; i++) {
            out.frame[i][0] = lrint(9000 * sin(2 * M_PI * hz * (k * 480 + i) / AUDIO_RATE));
            out.frame[i][1] = -out.frame[i][0];
        }
        while (g_get_monotonic_time() < begin + k * 10000) {
            g_usleep(1000);
        }
        cr_assert_gt(send(sock, &out, sizeof out, MSG_NOSIGNAL), 0);
    }
    out.msg = (SoundMsg){ SOUND_END, 0 };
    cr_assert_gt(send(sock, &out, sizeof out.msg, MSG_NOSIGNAL), 0);
}

Test(dm_sound, plays_what_it_gets_and_ends_with_its_device_model, .timeout = 60)
{
    g_autofree char *file = g_strdup_printf("/tmp/dm-sound-test.%d", (int)getpid()), *data = NULL;
    int pair[2], status = -1;
    const int16_t *f;
    gsize size;
    unsigned first = 0, last = 0, edges = 0, loud = 0;

    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    GPid pid = spawn(dup(pair[1]), file);

    close(pair[1]);
    send_tone(pair[0], 600);
    g_usleep(500000);
    close(pair[0]);
    cr_expect_eq(waitpid(pid, &status, 0), pid);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", status);
    cr_assert(g_file_get_contents(file, &data, &size, NULL));
    unlink(file);
    f = (const int16_t *)data;
    for (unsigned i = 1; i < size / 4; i++) {
        loud += f[2 * i] != 0;
        if (f[2 * i - 2] < 0 && f[2 * i] >= 0) {
            first = edges++ ? first : i;
            last = i;
        }
        cr_assert_eq(f[2 * i], -f[2 * i + 1]);
    }
    cr_expect_gt(loud, AUDIO_RATE * 3 / 4);
    cr_expect_gt(edges, 400);
    cr_expect_float_eq((edges - 1) * (double)AUDIO_RATE / (last - first), 600, 30);
}

Test(dm_sound, says_when_there_is_no_sound_card, .timeout = 30)
{
    int pair[2], status = -1;

    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    GPid pid = spawn(dup(pair[1]), NULL);

    close(pair[1]);
    cr_expect_eq(waitpid(pid, &status, 0), pid);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 3, "status %x", status);
    close(pair[0]);
}

Test(dm_sound, refuses_messages_that_can_not_be, .timeout = 30)
{
    g_autofree char *file = g_strdup_printf("/tmp/dm-sound-bad.%d", (int)getpid());
    SoundMsg msg = { SOUND_FRAMES, 100000 };
    int pair[2], status = -1;

    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    GPid pid = spawn(dup(pair[1]), file);

    close(pair[1]);
    cr_assert_gt(send(pair[0], &msg, sizeof msg, MSG_NOSIGNAL), 0);
    cr_expect_eq(waitpid(pid, &status, 0), pid);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 1, "status %x", status);
    close(pair[0]);
    unlink(file);
}
