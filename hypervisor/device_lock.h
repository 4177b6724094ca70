/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device_lock.h - the device lock: a mutex, with a door beside it for the vCPU that keeps taking it.
 *
 * A vCPU that was the only one to take the mutex many times over gets its door opened: from then on it goes in
 * and out by writing a word of its own, without atomic operations.  Whoever else wants the lock takes
 * the mutex, closes the door, makes every processor that runs this process see that (membarrier(2), which
 * costs some 16 us where the vCPU runs, else nothing), and waits until nobody is inside; who only tries goes
 * without the lock if somebody is.  So the door opens again only after as many turns as that is worth.
 */
#ifndef GH_HV_DEVICE_LOCK_H
#define GH_HV_DEVICE_LOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define DOOR_TURNS 2000         /* of the mutex, after which the door opens */

typedef struct DeviceDoor {     /* one a vCPU */
    uint32_t inside;            /* its thread writes */
    uint32_t open;              /* its thread opens; who holds the mutex closes */
    unsigned turns;             /* mutex */
    pthread_t thread;           /* whose it is; 0: nobody's.  Atomic: others compare it with themselves */
} DeviceDoor;

typedef struct DeviceLock {
    pthread_mutex_t mutex;
    DeviceDoor *door;           /* of whoever took the mutex last, open or not, or is inside still; NULL: some
                                   other thread did; mutex */
    bool doors;                 /* the host's kernel has membarrier(), which has not failed yet; mutex */
} DeviceLock;

void device_lock_init(DeviceLock *l);
void device_lock_destroy(DeviceLock *l);
/* Mutex held, by another thread than the door's: it is closed and nobody is inside. */
void device_lock_close(DeviceLock *l);
/* By the thread that will go through this door, before it does. */
void device_door_take(DeviceDoor *door);
/* The door's thread has ended, or never was. */
void device_lock_forget(DeviceLock *l, DeviceDoor *door);
bool device_lock_try_mutex(DeviceLock *l, DeviceDoor *door);

/* Is it the calling thread's?  Any thread, at any time: who is neither has one of its own nor none. */
static inline bool device_door_mine(const DeviceDoor *door)
{
    return __atomic_load_n(&door->thread, __ATOMIC_RELAXED) == pthread_self();
}

static inline void device_lock(DeviceLock *l)
{
    pthread_mutex_lock(&l->mutex);
    if (l->door && !device_door_mine(l->door)) {
        device_lock_close(l);
    }
}

static inline void device_unlock(DeviceLock *l)
{
    pthread_mutex_unlock(&l->mutex);
}

/* By the door's thread, which does not hold the lock: without waiting.  To be left by device_leave(). */
static inline bool device_try(DeviceLock *l, DeviceDoor *door)
{
    __atomic_store_n(&door->inside, 1, __ATOMIC_RELAXED);
    __asm__ volatile("" : : : "memory");        /* the other side has the barrier */
    if (__builtin_expect(__atomic_load_n(&door->open, __ATOMIC_ACQUIRE), 1)) {
        return true;
    }
    __atomic_store_n(&door->inside, 0, __ATOMIC_RELEASE);
    return device_lock_try_mutex(l, door);
}

static inline void device_leave(DeviceLock *l, DeviceDoor *door)
{
    if (__builtin_expect(door->inside, 1)) {
        __atomic_store_n(&door->inside, 0, __ATOMIC_RELEASE);
    } else {
        device_unlock(l);
    }
}

#endif
