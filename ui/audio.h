/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * audio.h - from sound cards to the outside.  A card opens a voice for each of its converters and is
 * asked for samples as fast as guest time passes, whether anybody listens or not: so its registers
 * count and its interrupts come as on a real card.  All voices are brought to one format
 * (AUDIO_RATE, 16 bit, stereo), mixed, and handed to the sinks.  Device thread only; a timer runs
 * only while a voice does.
 */
#ifndef GH_AUDIO_H
#define GH_AUDIO_H

#include "lib/device.h"

#define AUDIO_RATE 48000u           /* frames a second of the mix */
#define AUDIO_RATE_MIN 2000u        /* a voice's rate is brought into these limits */
#define AUDIO_RATE_MAX 96000u
#define AUDIO_UNITY 65536u          /* volume: as it is */

typedef struct Audio Audio;
typedef struct AudioVoice AudioVoice;

typedef struct AudioFormat {
    uint32_t rate;                  /* frames a second */
    uint8_t channels;               /* 1 or 2 */
    uint8_t bits;                   /* 8 or 16, little endian */
    bool is_signed;
} AudioFormat;

typedef struct AudioClient {
    /*
     * Playback: fill buf with frames of the voice's format.  Capture: take them.  Returns how many
     * were moved; fewer means that there is nothing to play now, and silence is put in.  May change
     * and stop the voice.
     */
    uint32_t (*transfer)(void *opaque, void *buf, uint32_t frames);
    /* How many frames until transfer() will raise an interrupt; 0: none.  NULL: never. */
    uint32_t (*until_event)(void *opaque);
    void *opaque;
    uint32_t burst;                 /* frames that the card's FIFO takes at a time; 0: as 1 */
} AudioClient;

/* Where the mix goes.  write() gets at most AUDIO_RATE frames at once; idle() comes when the last
 * voice has ended. */
typedef struct AudioSink {
    void (*write)(void *opaque, const int16_t *frames, uint32_t count);
    void (*idle)(void *opaque);     /* may be NULL */
    void (*free)(void *opaque);
    void *opaque;
} AudioSink;

Audio *audio_new(Machine *m);
void audio_free(Audio *a);          /* after its voices; frees its sinks */
void audio_add_sink(Audio *a, const AudioSink *sink);       /* at most AUDIO_SINKS, others are freed */
#define AUDIO_SINKS 4

/* a NULL: a voice that nobody hears, in m's time.  capture: samples go to the card (silence). */
AudioVoice *audio_voice_new(Audio *a, Machine *m, const AudioClient *client, bool capture);
void audio_voice_free(AudioVoice *v);
/* While it runs, too; what has been played by then is not changed. */
void audio_voice_format(AudioVoice *v, const AudioFormat *format);
void audio_voice_volume(AudioVoice *v, uint32_t left, uint32_t right);  /* of AUDIO_UNITY */
void audio_voice_run(AudioVoice *v, bool run);
bool audio_voice_running(const AudioVoice *v);
/* Guest time, ns, of the first frame of the transfer that is being made, else of the next. */
int64_t audio_voice_time(const AudioVoice *v);
/* Transfers what is due up to this moment: before a position is read. */
void audio_voice_sync(AudioVoice *v);

/* Of AUDIO_UNITY, for tenths of a decibel. */
uint32_t audio_gain(int tenths);

/* --- sinks --- */
/* A RIFF WAVE file, written to a descriptor (owned) that can seek; ends at 2 GiB. */
AudioSink audio_wav_sink(int fd);
/* A process that plays (dm-sound): fd is its socket (owned), -1: none yet. */
typedef struct AudioSocket AudioSocket;
AudioSocket *audio_socket_new(Audio *a, int fd);        /* a's */
void audio_socket_set(AudioSocket *s, int fd);          /* another process */

#endif
