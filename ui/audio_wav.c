/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * audio_wav.c - the mix as a RIFF WAVE file (Microsoft's multimedia formats 1.0): 48 kHz, 16 bit,
 * stereo.  Times in which nothing plays are not in it.  The sizes in its head are put right each
 * time the sound ends, so that the file can be read while the domain runs.
 */
#include "ui/audio.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define HEAD 44
#define DATA_MAX (2u << 30)
#define BUFFER 32768

typedef struct Wav {
    int fd;                     /* -1: given up */
    uint64_t written;           /* bytes of data in the file */
    uint32_t used;
    bool full;
    uint8_t buffer[BUFFER];
} Wav;

static void put32(uint8_t *p, uint32_t v)
{
    p[0] = v, p[1] = v >> 8, p[2] = v >> 16, p[3] = v >> 24;
}

static void give_up(Wav *w)
{
    g_warning("sound file: %s", g_strerror(errno));
    close(w->fd);
    w->fd = -1;
}

static void write_all(Wav *w, const void *data, size_t len, uint64_t offset)
{
    const uint8_t *p = data;

    while (len && w->fd >= 0) {
        ssize_t n = pwrite(w->fd, p, len, offset);

        if (n > 0) {
            p += n;
            len -= n;
            offset += n;
        } else if (n == 0 || errno != EINTR) {
            give_up(w);
        }
    }
}

static void write_head(Wav *w)
{
    uint8_t h[HEAD] = "RIFF    WAVEfmt \20\0\0\0\1\0\2\0";

    put32(h + 4, HEAD - 8 + w->written);
    put32(h + 24, AUDIO_RATE);
    put32(h + 28, AUDIO_RATE * 4);      /* bytes a second */
    h[32] = 4;                          /* bytes of a frame */
    h[34] = 16;                         /* bits of a sample */
    memcpy(h + 36, "data", 4);
    put32(h + 40, w->written);
    write_all(w, h, sizeof h, 0);
}

static void push_out(Wav *w)
{
    write_all(w, w->buffer, w->used, HEAD + w->written);
    w->written += w->used;
    w->used = 0;
}

static void wav_write(void *opaque, const int16_t *frames, uint32_t count)
{
    Wav *w = opaque;

    for (uint32_t i = 0; i < count * 2; i++) {
        if (w->used == BUFFER) {
            if (w->written + BUFFER > DATA_MAX - BUFFER) {
                if (!w->full) {
                    g_warning("sound file: 2 GiB are full; what follows is not in it");
                }
                w->full = true;
                return;
            }
            push_out(w);
        }
        w->buffer[w->used++] = (uint16_t)frames[i];
        w->buffer[w->used++] = (uint16_t)frames[i] >> 8;
    }
}

static void wav_idle(void *opaque)
{
    Wav *w = opaque;

    push_out(w);
    write_head(w);
}

static void wav_free(void *opaque)
{
    Wav *w = opaque;

    wav_idle(w);
    if (w->fd >= 0) {
        close(w->fd);
    }
    g_free(w);
}

AudioSink audio_wav_sink(int fd)
{
    Wav *w = g_new0(Wav, 1);

    w->fd = fd;
    write_head(w);
    return (AudioSink){ wav_write, wav_idle, wav_free, w };
}
