/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hub.h - what display.c, input.c and viewer.c share with each other and with nobody else.
 */
#ifndef GH_HUB_H
#define GH_HUB_H

#include "ui/viewer.h"
#include "ui_proto.h"

#define DIRTY_RECTS 16

typedef struct DirtyRect { unsigned x0, y0, x1, y1; } DirtyRect;

/* Rectangles not yet told; beyond DIRTY_RECTS the nearest ones grow together. */
typedef struct DirtyList {
    DirtyRect rect[DIRTY_RECTS];
    unsigned n;
} DirtyList;
void dirty_add(DirtyList *l, DirtyRect r);

typedef struct Viewer Viewer;

struct Display {
    DisplayClient client;
    int memfd;
    uint8_t *map;               /* ui_proto.h: the surface is in it */
    size_t map_size;
    unsigned width, height;
    bool full;                  /* next refresh draws everything */
    bool drew;                  /* something was marked since the last tick */
    GPtrArray *viewers;         /* Viewer*, owned */
    guint timer;                /* refresh; 0: nobody watches */
    unsigned interval_ms, idle_ticks;
};

/* Starts, stops or hastens the refresh timer after watchers changed or input came. */
void display_wake(Display *d);

enum ViewerNews { NEWS_RESIZE = 1, NEWS_POINTER = 2, NEWS_LEDS = 4 };
void viewer_news(Viewer *v, unsigned news);
void viewer_dirty(Viewer *v, DirtyRect r);
void viewer_push(Viewer *v);            /* sends what is waiting, as far as the socket takes it */
bool viewer_watching(const Viewer *v);
void viewer_free(Viewer *v);

struct Input {
    GPtrArray *keyboards;       /* const InputKeyboard*; the last is used */
    GPtrArray *pointers;        /* const InputPointer*; the last is used */
    uint8_t held[32];           /* bits: keys down */
    unsigned buttons;
    unsigned leds;
    unsigned x, y;              /* where relative motion has taken an absolute pointer */
    void (*changed)(void *opaque, unsigned news);   /* to the viewers */
    void *changed_opaque;
};

#endif
