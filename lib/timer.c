/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * timer.c - a sorted list of timers.  A machine has a few dozen, and most insertions go near the
 * front, so a list beats a heap here.
 */
#include "lib/timer.h"

#include <stddef.h>

#define MAX_FIRES 1000

void timer_init(Timer *t, TimerQueue *q, void (*fire)(void *), void *opaque)
{
    *t = (Timer){ .queue = q, .fire = fire, .opaque = opaque, .when = TIMER_IDLE };
}

static void timer_unlink(Timer *t)
{
    if (t->prev) {
        t->prev->next = t->next;
    } else {
        t->queue->first = t->next;
    }
    if (t->next) {
        t->next->prev = t->prev;
    }
    t->prev = t->next = NULL;
    t->when = TIMER_IDLE;
}

static void timer_tell(TimerQueue *q, int64_t before)
{
    int64_t next = timer_queue_next(q);

    if (q->changed && next != before) {
        q->changed(q->opaque, next);
    }
}

void timer_at(Timer *t, int64_t when)
{
    TimerQueue *q = t->queue;
    int64_t before = timer_queue_next(q);
    Timer *after = NULL, *scan;

    if (timer_armed(t)) {
        timer_unlink(t);
    }
    if (when == TIMER_IDLE) {
        when++;
    }
    for (scan = q->first; scan && scan->when <= when; scan = scan->next) {
        after = scan;
    }
    t->when = when;
    t->prev = after;
    t->next = scan;
    if (after) {
        after->next = t;
    } else {
        q->first = t;
    }
    if (scan) {
        scan->prev = t;
    }
    timer_tell(q, before);
}

void timer_cancel(Timer *t)
{
    if (timer_armed(t)) {
        int64_t before = timer_queue_next(t->queue);

        timer_unlink(t);
        timer_tell(t->queue, before);
    }
}

int64_t timer_queue_next(const TimerQueue *q)
{
    return q->first ? q->first->when : INT64_MAX;
}

int64_t timer_queue_run(TimerQueue *q, int64_t now)
{
    for (unsigned n = 0; n < MAX_FIRES && q->first && q->first->when <= now; n++) {
        Timer *t = q->first;

        timer_unlink(t);
        t->fire(t->opaque);
    }
    return timer_queue_next(q);
}
