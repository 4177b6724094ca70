/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sound_proto.h - from a device model to dm-sound, which plays: a SOCK_SEQPACKET socket, one way.
 * The device model never waits for room: what does not fit is not heard.
 */
#ifndef GH_SOUND_PROTO_H
#define GH_SOUND_PROTO_H

#include <stdint.h>

enum SoundMsgType {
    SOUND_FRAMES = 1,           /* frames: 48 kHz, 16 bit little endian, left and right */
    SOUND_END,                  /* nothing plays any more: what was sent is the end */
};

#define SOUND_FRAMES_MAX 1024   /* in one packet */

typedef struct SoundMsg {
    uint32_t type;
    uint32_t frames;            /* that follow, 4 bytes each */
} SoundMsg;

#endif
