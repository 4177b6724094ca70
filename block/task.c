/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * task.c - tasks: stacks with a guard page below, switched by task_switch.S.  A few stacks are kept
 * for the next task.  With AddressSanitizer each switch is announced.
 */
#include "block/task.h"

#include <stdint.h>
#include <sys/mman.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

#define TASK_STACK (256u << 10)     /* address space; memory only as far as it is touched */
#define TASK_GUARD 4096u
#define TASKS_KEPT 8

struct Task {
    TaskPool *pool;
    TaskFunction function;
    void *opaque;
    void *stack;                    /* saved stack pointer */
    uint8_t *memory;
    bool over;
    void *fake;                     /* AddressSanitizer's */
    GList link;                     /* in runnable, idle or a waiting queue */
};

struct TaskPool {
    void (*wake)(void *opaque);
    void *opaque;
    Task *current;
    void *outside;                  /* the stack of whoever runs tasks */
    const void *outside_bottom;
    size_t outside_size;
    void *fake;
    unsigned count;
    GQueue runnable, idle;
};

void task_switch(void **save, void *stack);
void task_first(void);

static void announce(void **fake, const void *bottom, size_t size)
{
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_start_switch_fiber(fake, bottom, size);
#else
    (void)fake;
    (void)bottom;
    (void)size;
#endif
}

static void arrived(void *fake, const void **bottom, size_t *size)
{
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(fake, bottom, size);
#else
    (void)fake;
    (void)bottom;
    (void)size;
#endif
}

static void task_leave(Task *t)
{
    TaskPool *p = t->pool;

    announce(t->over ? NULL : &t->fake, p->outside_bottom, p->outside_size);
    task_switch(&t->stack, p->outside);
    arrived(t->fake, &p->outside_bottom, &p->outside_size);
}

static void task_main(void *opaque)
{
    Task *t = opaque;

    arrived(NULL, &t->pool->outside_bottom, &t->pool->outside_size);
    t->function(t->opaque);
    t->over = true;
    task_leave(t);
}

static Task *task_new(TaskPool *p)
{
    GList *link = g_queue_pop_head_link(&p->idle);
    Task *t;
    void *memory;

    if (link) {
        return link->data;
    }
    memory = mmap(NULL, TASK_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return NULL;
    }
    if (mprotect(memory, TASK_GUARD, PROT_NONE) != 0) {
        munmap(memory, TASK_STACK);
        return NULL;
    }
    t = g_new0(Task, 1);
    t->pool = p;
    t->memory = memory;
    t->link.data = t;
    return t;
}

static void task_free(Task *t)
{
    munmap(t->memory, TASK_STACK);
    g_free(t);
}

static void task_enter(TaskPool *p, Task *t)
{
    p->current = t;
    announce(&p->fake, t->memory + TASK_GUARD, TASK_STACK - TASK_GUARD);
    task_switch(&p->outside, t->stack);
    arrived(p->fake, NULL, NULL);
    p->current = NULL;
    if (!t->over) {
        return;
    }
    p->count--;
    if (p->idle.length < TASKS_KEPT) {
        g_queue_push_head_link(&p->idle, &t->link);
    } else {
        task_free(t);
    }
}

bool task_start(TaskPool *p, TaskFunction function, void *opaque)
{
    Task *t = task_new(p);
    void **top;

    if (!t) {
        return false;
    }
    t->function = function;
    t->opaque = opaque;
    t->over = false;
    top = (void **)(t->memory + TASK_STACK) - 2;
    /* What task_switch() pops: r15, r14, r13, r12, rbx, rbp, and where to return to. */
    *--top = (void *)(uintptr_t)task_first;
    *--top = NULL;
    *--top = NULL;
    *--top = t;
    *--top = (void *)(uintptr_t)task_main;
    *--top = NULL;
    *--top = NULL;
    t->stack = top;
    p->count++;
    task_enter(p, t);
    return true;
}

void task_run(TaskPool *p)
{
    GList *link;

    while (!p->current && (link = g_queue_pop_head_link(&p->runnable))) {
        task_enter(p, link->data);
    }
}

TaskPool *task_pool_new(void (*wake)(void *opaque), void *opaque)
{
    TaskPool *p = g_new0(TaskPool, 1);

    p->wake = wake;
    p->opaque = opaque;
    return p;
}

void task_pool_free(TaskPool *p)
{
    GList *link;

    while ((link = g_queue_pop_head_link(&p->idle))) {
        task_free(link->data);
    }
    g_free(p);
}

unsigned task_count(const TaskPool *p)
{
    return p->count;
}

Task *task_self(TaskPool *p)
{
    return p->current;
}

void task_wait(TaskPool *p)
{
    Task *t = p->current;

    task_leave(t);
}

void task_wake(TaskPool *p, Task *t)
{
    g_queue_push_tail_link(&p->runnable, &t->link);
    if (p->runnable.length == 1) {
        p->wake(p->opaque);
    }
}

void task_lock(TaskPool *p, TaskLock *lock)
{
    if (!lock->owner) {
        lock->owner = p->current;
        return;
    }
    g_queue_push_tail(&lock->waiting, p->current);
    while (lock->owner != p->current) {
        task_wait(p);
    }
}

void task_unlock(TaskPool *p, TaskLock *lock)
{
    lock->owner = g_queue_pop_head(&lock->waiting);
    if (lock->owner) {
        task_wake(p, lock->owner);
    }
}

void task_queue_wait(TaskPool *p, TaskQueue *q)
{
    g_queue_push_tail(&q->waiting, p->current);
    task_wait(p);
}

void task_queue_wake(TaskPool *p, TaskQueue *q)
{
    Task *t;

    while ((t = g_queue_pop_head(&q->waiting))) {
        task_wake(p, t);
    }
}
