/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * segment.h - private segments: for each name that network cards have in segment=, one dm-switch.
 * It is there while a card is plugged into it.
 */
#ifndef GH_XEND_SEGMENT_H
#define GH_XEND_SEGMENT_H

#include <stdbool.h>

typedef struct Xend Xend;
typedef struct Segment Segment;

/* Plugs a packet socket into the segment; fd stays the caller's and must stay open until
 * segment_leave(), for a dm-switch that dies is started again with the same sockets. */
bool segment_join(Xend *x, const char *name, int fd, char **error);
void segment_leave(Xend *x, const char *name, int fd);
void segments_free(Xend *x);

#endif
