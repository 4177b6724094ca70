/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * audio_socket.c - the mix to a process that plays it (include/sound_proto.h).  Guest time never
 * waits for the host's sound card: packets that find the socket full are dropped, and when the
 * process has gone the cards play on unheard.
 */
#include "ui/audio.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "include/sound_proto.h"
#include "lib/fdpass.h"

struct AudioSocket {
    int fd;                     /* -1: nobody */
};

static void hang_up(AudioSocket *s)
{
    if (s->fd >= 0) {
        close(s->fd);
    }
    s->fd = -1;
}

static void send_packet(AudioSocket *s, uint32_t type, const int16_t *frames, uint32_t count)
{
    SoundMsg msg = { type, count };

    if (s->fd >= 0 && !packet_send(s->fd, &msg, sizeof msg, frames, (size_t)count * 4, NULL, 0) &&
        errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR && errno != ENOBUFS) {
        hang_up(s);
    }
}

static void socket_write(void *opaque, const int16_t *frames, uint32_t count)
{
    while (count) {
        uint32_t n = MIN(count, SOUND_FRAMES_MAX);

        send_packet(opaque, SOUND_FRAMES, frames, n);
        frames += 2 * n;
        count -= n;
    }
}

static void socket_idle(void *opaque)
{
    send_packet(opaque, SOUND_END, NULL, 0);
}

static void socket_free(void *opaque)
{
    hang_up(opaque);
    g_free(opaque);
}

void audio_socket_set(AudioSocket *s, int fd)
{
    hang_up(s);
    s->fd = fd;
    if (fd >= 0) {
        fcntl(fd, F_SETFL, O_NONBLOCK);
    }
}

AudioSocket *audio_socket_new(Audio *a, int fd)
{
    AudioSocket *s = g_new0(AudioSocket, 1);
    AudioSink sink = { socket_write, socket_idle, socket_free, s };

    s->fd = -1;
    audio_socket_set(s, fd);
    audio_add_sink(a, &sink);
    return s;
}
