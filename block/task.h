/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * task.h - functions that wait in the middle: each runs on a stack of its own until it waits, and
 * goes on when somebody wakes it.  No threads: everything happens on the thread that calls
 * task_start() and task_run(), and a task changes only where it waits.  Image formats are written
 * as tasks, because a write may need several metadata accesses one after the other.
 */
#ifndef GH_BLOCK_TASK_H
#define GH_BLOCK_TASK_H

#include <glib.h>
#include <stdbool.h>

typedef struct Task Task;
typedef struct TaskPool TaskPool;
typedef void (*TaskFunction)(void *opaque);

/* wake is called when a task became runnable outside of task_run(): call task_run() soon. */
TaskPool *task_pool_new(void (*wake)(void *opaque), void *opaque);
void task_pool_free(TaskPool *p);       /* no task may be left */
/* Runs function until it waits first; false: no memory for a stack.  Not from within a task. */
bool task_start(TaskPool *p, TaskFunction function, void *opaque);
unsigned task_count(const TaskPool *p);
void task_run(TaskPool *p);             /* all that are runnable; nothing from within a task */

/* --- within a task --- */
Task *task_self(TaskPool *p);           /* NULL outside */
void task_wait(TaskPool *p);            /* until task_wake(); callers look again what they wait for */
void task_wake(TaskPool *p, Task *t);   /* from anywhere; once for each task_wait() */

/* A lock that is handed on in the order of asking. */
typedef struct TaskLock {
    Task *owner;
    GQueue waiting;
} TaskLock;
void task_lock(TaskPool *p, TaskLock *lock);
void task_unlock(TaskPool *p, TaskLock *lock);

/* Tasks that wait for something to happen; all are woken. */
typedef struct TaskQueue {
    GQueue waiting;
} TaskQueue;
void task_queue_wait(TaskPool *p, TaskQueue *q);
void task_queue_wake(TaskPool *p, TaskQueue *q);

#endif
