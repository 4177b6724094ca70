/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c - dm-sound: plays one domain's sound on the user's desktop (SDL chooses how: PulseAudio,
 * PipeWire, ALSA; SDL_AUDIODRIVER overrides).  It has the socket to the device model and nothing else
 * of the domain; it ends with it.  While nothing plays the sound card is let go.
 */
#include <SDL.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "include/sound_proto.h"
#include "lib/fdpass.h"
#include "lib/log.h"
#include "lib/sandbox.h"
#include "ui/audio.h"
#include "ui/sound/play.h"

enum { EXIT_USAGE = 2, EXIT_NO_CARD = 3 };
enum { DEVICE_FRAMES = 1024, REST_MS = 1000 };

typedef struct Options {
    char *name;
    int socket_fd, log_fd;
} Options;

typedef struct Player {
    SDL_AudioDeviceID device;
    bool running;
    PlayBuffer buffer;          /* under SDL's lock of the device */
} Player;

static bool parse(Options *o, int argc, char **argv, GError **error)
{
    const GOptionEntry entries[] = {
        { "name", 0, 0, G_OPTION_ARG_STRING, &o->name, "the domain's name", "NAME" },
        { "socket-fd", 0, 0, G_OPTION_ARG_INT, &o->socket_fd, "socket to the device model", "N" },
        { "log-fd", 0, 0, G_OPTION_ARG_INT, &o->log_fd, "the log (standard error)", "N" },
        { NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL }
    };
    GOptionContext *context = g_option_context_new("- plays a domain's sound");
    bool ok;

    *o = (Options){ .socket_fd = -1, .log_fd = -1 };
    g_option_context_add_main_entries(context, entries, NULL);
    ok = g_option_context_parse(context, &argc, &argv, error);
    g_option_context_free(context);
    if (ok && o->socket_fd < 0) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "--socket-fd is needed (xend starts dm-sound)");
        ok = false;
    }
    return ok;
}

static void fill(void *opaque, Uint8 *out, int len)
{
    Player *p = opaque;

    play_pull(&p->buffer, (int16_t (*)[2])(void *)out, len / 4);
}

static bool open_card(Player *p, const char *name)
{
    SDL_AudioSpec want = { .freq = AUDIO_RATE, .format = AUDIO_S16LSB, .channels = 2,
                           .samples = DEVICE_FRAMES, .callback = fill, .userdata = p };

    SDL_SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1");
    SDL_SetHint(SDL_HINT_APP_NAME, name);
    SDL_SetHint(SDL_HINT_AUDIO_DEVICE_STREAM_NAME, name);
    if (SDL_Init(SDL_INIT_AUDIO) == 0) {
        p->device = SDL_OpenAudioDevice(NULL, 0, &want, NULL, 0);
    }
    return p->device != 0;
}

static void run(Player *p, bool on)
{
    if (on != p->running) {
        SDL_PauseAudioDevice(p->device, !on);
        p->running = on;
    }
}

static bool empty(Player *p)
{
    bool is;

    SDL_LockAudioDevice(p->device);
    is = !p->buffer.used;
    SDL_UnlockAudioDevice(p->device);
    return is;
}

/* False: the device model has gone, or talks nonsense. */
static bool receive(Player *p, int sock, int *status)
{
    struct { SoundMsg msg; int16_t frame[SOUND_FRAMES_MAX][2]; } in;
    unsigned nfds = 0;
    ssize_t n = packet_recv(sock, &in, sizeof in, NULL, &nfds);

    if (n <= 0) {
        return false;
    }
    if (n < (ssize_t)sizeof in.msg || in.msg.frames > SOUND_FRAMES_MAX ||
        (size_t)n != sizeof in.msg + in.msg.frames * sizeof in.frame[0]) {
        g_warning("the device model sent a message that can't be");
        *status = 1;
        return false;
    }
    SDL_LockAudioDevice(p->device);
    if (in.msg.type == SOUND_FRAMES) {
        play_push(&p->buffer, (const int16_t (*)[2])in.frame, in.msg.frames);
    } else if (in.msg.type == SOUND_END) {
        play_end(&p->buffer);
    }
    SDL_UnlockAudioDevice(p->device);
    return true;
}

static int play(Player *p, int sock)
{
    struct pollfd poll_fd = { .fd = sock, .events = POLLIN };
    int status = 0;

    for (;;) {
        int n = poll(&poll_fd, 1, p->running ? REST_MS : -1);

        if (n > 0 && !receive(p, sock, &status)) {
            return status;
        }
        run(p, !empty(p) || (p->running && n != 0));
    }
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *process = NULL;
    Player *p = g_new0(Player, 1);
    const char *name;
    Options o;
    int status;

    if (!parse(&o, argc, argv, &error)) {
        fprintf(stderr, "dm-sound: %s\n", error->message);
        return EXIT_USAGE;
    }
    const int keep[] = { o.socket_fd, o.log_fd };

    name = o.name ? o.name : "Guesthouse";
    process = g_strdup_printf("dm-sound: %s", name);
    log_init(process, o.log_fd, false);
    signal(SIGPIPE, SIG_IGN);
    sandbox_keep_fds(keep, G_N_ELEMENTS(keep));
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (!open_card(p, name)) {
        g_warning("no sound: %s", SDL_GetError());
        return EXIT_NO_CARD;
    }
    g_message("sound is played by %s", SDL_GetCurrentAudioDriver());
    status = play(p, o.socket_fd);
    SDL_CloseAudioDevice(p->device);
    SDL_Quit();
    g_free(p);
    return status;
}
