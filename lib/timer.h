/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * timer.h - timers in guest time (nanoseconds since the domain was started; it stands still while
 * the domain is paused).  One queue a machine; everything runs on the thread that owns the machine's
 * devices, with its lock held where it has one.
 */
#ifndef GH_TIMER_H
#define GH_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#define NS_PER_S 1000000000LL
#define NS_PER_MS 1000000LL
#define NS_PER_US 1000LL
#define TIMER_IDLE INT64_MIN

typedef struct TimerQueue TimerQueue;

typedef struct Timer {
    TimerQueue *queue;
    void (*fire)(void *opaque);
    void *opaque;
    int64_t when;           /* ns; TIMER_IDLE when not armed */
    struct Timer *prev, *next;
} Timer;

struct TimerQueue {
    Timer *first;                           /* sorted by when */
    void (*changed)(void *opaque, int64_t next);    /* earliest deadline moved; may be NULL */
    void *opaque;
};

void timer_init(Timer *t, TimerQueue *q, void (*fire)(void *), void *opaque);
void timer_at(Timer *t, int64_t when);      /* arms or moves */
void timer_cancel(Timer *t);
static inline bool timer_armed(const Timer *t) { return t->when != TIMER_IDLE; }

int64_t timer_queue_next(const TimerQueue *q);      /* INT64_MAX: none */
/* Fires what is due; at most 1000 callbacks a call, so that no guest setting can hold the thread.
 * Returns the next deadline. */
int64_t timer_queue_run(TimerQueue *q, int64_t now);

#endif
